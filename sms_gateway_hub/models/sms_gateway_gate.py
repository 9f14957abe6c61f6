# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from dataclasses import dataclass
from datetime import datetime, timedelta

from odoo import api, fields, models
from odoo.tools import SQL, format_date

from .. import const
from ..tools.sql_arrays import to_array

# A statement for many more would look so dear to PostgreSQL that it compiles it (JIT),
# which takes longer than the statement.
_FACTS_AT_ONCE = 500

# What there is to know of a recipient, for those of whom nothing is known.
_NOTHING_KNOWN = dict.fromkeys(
    (
        "blacklisted",
        "refused_elsewhere",
        "erased",
        "act",
        "at",
        "method",
        "marketing_act",
        "marketing_at",
        "marketing_method",
        "person_act",
        "person_at",
        "person_method",
        "person_marketing_act",
        "person_marketing_at",
        "person_marketing_method",
        "in_doubt",
        "heard_at",
        "tz",
        "country",
        "broadcast",
    )
)


@dataclass(frozen=True)
class Decision:
    """What the gate says of a message that may not leave now.

    ``state`` is "queued" for one that has to wait: ``hold`` says why, ``until`` until
    when (UTC). Any other state is final; ``failure_type`` and ``reason`` say why.
    """

    state: str
    failure_type: str | None = None
    reason: str | None = None
    hold: str | None = None
    until: datetime | None = None


class SmsGatewayGate(models.AbstractModel):
    """The one gate that every outgoing message passes, when queued and when claimed.

    It answers: let it pass, hold it until, or cancel it because. It knows consent and
    blacklist, the gateway's policy, quiet hours where the recipient is, broadcasts that
    were paused, and test mode. Nothing else decides.
    """

    _name = "sms.gateway.gate"
    _description = "Gate for outgoing SMS"

    @api.model
    def _check(self, gateway, items, now=None):
        """Decide on messages of one gateway, with one query for 500 of them.

        :param gateway: sms.gateway that will send them
        :param list items: dicts with ``number`` (E.164) and, where known,
            ``partner_id``, ``purpose``, ``kind``, ``urgent``, ``exempt``,
            ``expires_at``, ``due_at``, ``company_id``, ``broadcast_id``; ``send_at``
            (UTC) where the gateway itself keeps it until then
        :param datetime now: UTC
        :return: list of None (it may pass) or Decision, in the order of the items
        """
        now = now or fields.Datetime.now()
        # Most mass texts go to people of whom nothing is known, through gateways that
        # ask nothing of them: one question for all of these.
        passes = {
            purpose: gateway._texts_strangers(purpose)
            for purpose in {item.get("purpose") for item in items}
        }
        facts = self._get_facts(
            items, zones=gateway.quiet_hours, heard=not all(passes.values())
        )
        return [
            None
            if fact is _NOTHING_KNOWN and passes[item.get("purpose")]
            else self._decide(gateway, item, fact, max(now, item.get("send_at") or now))
            for item, fact in zip(items, facts, strict=True)
        ]

    # ------------------------------------------------------------------
    # Facts
    # ------------------------------------------------------------------

    @api.model
    def _get_facts(self, items, *, zones, heard):
        """Look up all that is known of the recipients: one statement for 500.

        Each table is asked by its index for each recipient: joined as a whole it would
        be read as a whole, and they grow with the years.

        :param bool zones: whether it matters where the recipients are
        :param bool heard: whether it matters when they texted last
        :return: list of dicts, in the order of the items; ``_NOTHING_KNOWN`` itself
            where nothing is
        """
        if len(items) > _FACTS_AT_ONCE:
            return [
                fact
                for start in range(0, len(items), _FACTS_AT_ONCE)
                for fact in self._get_facts(
                    items[start : start + _FACTS_AT_ONCE], zones=zones, heard=heard
                )
            ]
        if not items:
            return []
        self.env.flush_all()
        digest = self.env["sms.suppression"]._get_digester()
        numbers = [item["number"] for item in items]
        partners = [item.get("partner_id") or None for item in items]
        broadcasts = [item.get("broadcast_id") or None for item in items]
        # What is asked about nobody costs planning alone, and for few texts that is
        # most of the time.
        about_nobody = SQL(
            "(SELECT NULL::varchar AS act, NULL::timestamp AS at, "
            "NULL::varchar AS method)"
        )
        person_marketing, person = about_nobody, about_nobody
        if any(partners):
            person_marketing = SQL(
                """
                      (SELECT act, at, method FROM sms_consent
                        WHERE partner_id = item.partner_id
                          AND act IN ('opted_in', 'opted_out')
                     ORDER BY at DESC, id DESC LIMIT 1)
                """
            )
            person = SQL(
                """
                      (SELECT act, at, method FROM sms_consent
                        WHERE person_marketing.act IS NOT NULL
                          AND partner_id = item.partner_id
                          AND scope = 'all' AND act IN ('opted_in', 'opted_out')
                     ORDER BY at DESC, id DESC LIMIT 1)
                """
            )
        place = SQL(
            "(SELECT NULL::int AS id, NULL::varchar AS tz, NULL::varchar AS country)"
        )
        if zones and any(partners):
            place = SQL(
                """
                      (SELECT partner.id, partner.tz, country.code AS country
                         FROM res_partner AS partner
                    LEFT JOIN res_country AS country ON country.id = partner.country_id
                        WHERE partner.id = item.partner_id)
                """
            )
        last_heard = SQL("(SELECT NULL::timestamp AS at)")
        if heard:
            last_heard = SQL(
                """
                      (SELECT create_date AS at FROM sms_gateway_message
                        WHERE number = item.number AND direction = 'incoming'
                          AND kind != 'logged'
                     ORDER BY id DESC LIMIT 1)
                """
            )
        broadcast = SQL("(SELECT NULL::varchar AS state)")
        if any(broadcasts):
            broadcast = SQL(
                """
                      (SELECT state FROM sms_broadcast
                        WHERE id = item.broadcast_id
                          AND state IN ('paused', 'canceled'))
                """
            )
        self.env.cr.execute(
            SQL(
                """
                SELECT item.position,
                       block.id IS NOT NULL AS blacklisted,
                       other.id IS NOT NULL AS refused_elsewhere,
                       suppression.id IS NOT NULL AS erased,
                       said.act, said.at, said.method,
                       marketing.act AS marketing_act, marketing.at AS marketing_at,
                       marketing.method AS marketing_method,
                       person.act AS person_act, person.at AS person_at,
                       person.method AS person_method,
                       person_marketing.act AS person_marketing_act,
                       person_marketing.at AS person_marketing_at,
                       person_marketing.method AS person_marketing_method,
                       doubt.act = 'possible_opt_out' AS in_doubt,
                       heard.at AS heard_at,
                       place.tz, place.country, broadcast.state AS broadcast
                  FROM unnest(%(numbers)s::varchar[], %(digests)s::varchar[],
                              %(partners)s::int[], %(broadcasts)s::int[])
                       WITH ORDINALITY
                       AS item (number, digest, partner_id, broadcast_id, position)
             LEFT JOIN LATERAL (
                       SELECT id FROM phone_blacklist
                        WHERE number = item.number AND active
                        LIMIT 1) AS block ON TRUE
             LEFT JOIN LATERAL (
                       SELECT id FROM sms_suppression
                        WHERE digest = item.digest
                        LIMIT 1) AS suppression ON TRUE
             LEFT JOIN LATERAL (
                       SELECT id FROM res_partner_mobile
                        WHERE number_e164 = item.number AND blocked
                        LIMIT 1) AS other ON TRUE
             -- Of the number, then of the person: first what includes all that
             -- follows, which need not be looked for where that is nothing.
             LEFT JOIN LATERAL (
                       SELECT act FROM sms_consent
                        WHERE number = item.number
                          AND act IN ('opted_in', 'opted_out', 'possible_opt_out',
                                      'not_opt_out')
                     ORDER BY at DESC, id DESC LIMIT 1) AS doubt ON TRUE
             LEFT JOIN LATERAL (
                       SELECT act, at, method FROM sms_consent
                        WHERE doubt.act IS NOT NULL AND number = item.number
                          AND act IN ('opted_in', 'opted_out')
                     ORDER BY at DESC, id DESC LIMIT 1) AS marketing ON TRUE
             LEFT JOIN LATERAL (
                       SELECT act, at, method FROM sms_consent
                        WHERE marketing.act IS NOT NULL AND number = item.number
                          AND scope = 'all' AND act IN ('opted_in', 'opted_out')
                     ORDER BY at DESC, id DESC LIMIT 1) AS said ON TRUE
             LEFT JOIN LATERAL %(person_marketing)s AS person_marketing ON TRUE
             LEFT JOIN LATERAL %(person)s AS person ON TRUE
             LEFT JOIN LATERAL %(heard)s AS heard ON TRUE
             LEFT JOIN LATERAL %(place)s AS place ON TRUE
             LEFT JOIN LATERAL %(broadcast)s AS broadcast ON TRUE
                 WHERE coalesce(block.id, suppression.id, other.id, place.id)
                       IS NOT NULL
                    OR coalesce(doubt.act, person_marketing.act, broadcast.state)
                       IS NOT NULL
                    OR heard.at IS NOT NULL
                """,
                numbers=to_array(numbers),
                digests=to_array(map(digest, numbers)),
                partners=to_array(partners),
                broadcasts=to_array(broadcasts),
                person_marketing=person_marketing,
                person=person,
                heard=last_heard,
                place=place,
                broadcast=broadcast,
            ),
            log_exceptions=False,
        )
        facts = [_NOTHING_KNOWN] * len(items)
        for fact in self.env.cr.dictfetchall():
            facts[fact["position"] - 1] = fact
        return facts

    # ------------------------------------------------------------------
    # Decision
    # ------------------------------------------------------------------

    def _decide(self, gateway, item, fact, now):
        decision = (
            self._check_test_mode(gateway, item)
            or self._check_broadcast(item, fact)
            or self._check_refusal(item, fact)
            or self._check_policy(gateway, item, fact, now)
            or self._check_doubt(item, fact)
            or self._check_quiet_hours(gateway, item, fact, now)
        )
        if (
            decision
            and decision.state == "queued"
            and item.get("expires_at")
            and decision.until >= item["expires_at"]
            and decision.hold == "quiet_hours"
        ):
            return Decision(
                "expired",
                "expired",
                self.env._(
                    "It may not arrive during the recipient's quiet hours, and would "
                    "be too late after them."
                ),
            )
        return decision

    def _check_test_mode(self, gateway, item):
        if gateway and not gateway._may_text(item["number"]):
            return Decision(
                "canceled",
                "test_mode",
                self.env._(
                    "The gateway is in test mode and this is not one of its "
                    "test numbers."
                ),
            )
        return None

    def _check_broadcast(self, item, fact):
        if fact["broadcast"] == "paused":
            return Decision("queued", hold="broadcast_paused", until=const.NEVER)
        if fact["broadcast"] == "canceled":
            return Decision(
                "canceled",
                "broadcast_canceled",
                self.env._("Its broadcast was cancelled."),
            )
        return None

    def _check_refusal(self, item, fact):
        """The person said no: nothing leaves but the one answer to that."""
        if item.get("exempt") == "answer":
            return None
        if fact["erased"]:
            return Decision(
                "canceled",
                "opted_out",
                self.env._("This person's data was erased: no more texts."),
            )
        if fact["act"] == "opted_out":
            return self._refused(fact["method"], fact["at"])
        if fact["blacklisted"]:
            return Decision(
                "canceled",
                "blacklisted",
                self.env._("The number is on the blacklist."),
            )
        if fact["person_act"] == "opted_out":
            return self._refused(fact["person_method"], fact["person_at"])
        if fact["refused_elsewhere"]:
            return Decision(
                "canceled",
                "opted_out",
                self.env._("The person with this number refused texts on another one."),
            )
        if item.get("purpose") != "marketing":
            return None
        for whose in ("marketing", "person_marketing"):
            if fact[f"{whose}_act"] == "opted_out":
                return self._refused(
                    fact[f"{whose}_method"],
                    fact[f"{whose}_at"],
                    self.env._("The recipient refused marketing"),
                )
        return None

    def _refused(self, method, at, sentence=None):
        methods = dict(
            self.env["sms.consent"]._fields["method"]._description_selection(self.env)
        )
        return Decision(
            "canceled",
            "opted_out",
            self.env._(
                "%(sentence)s on %(date)s (%(how)s).",
                sentence=sentence or self.env._("The recipient refused texts"),
                date=format_date(
                    self.env, fields.Datetime.context_timestamp(self, at).date()
                ),
                how=methods.get(method, method),
            ),
        )

    def _check_policy(self, gateway, item, fact, now):
        """Where consent is needed, is there any?"""
        if item.get("exempt") or not gateway._needs_consent(
            item["number"], item.get("purpose")
        ):
            return None
        act = (
            fact["marketing_act"] if item.get("purpose") == "marketing" else fact["act"]
        )
        if act == "opted_in":
            return None
        if self._heard_within(item, fact, now, timedelta(hours=const.CONVERSATION_H)):
            # Who texts us wants an answer.
            return None
        return Decision(
            "canceled",
            "no_consent",
            self.env._(
                "There is no consent on record, which this gateway requires. Ask the "
                "person (“Ask for consent” on the contact), or record it."
            ),
        )

    def _heard_within(self, item, fact, now, span):
        return (
            fact["heard_at"]
            and item.get("kind") not in ("broadcast", "automatic")
            and item.get("purpose") != "marketing"
            and now - fact["heard_at"] <= span
        )

    def _check_doubt(self, item, fact):
        if item.get("purpose") == "marketing" and fact["in_doubt"]:
            return Decision("queued", hold="possible_opt_out", until=const.NEVER)
        return None

    def _check_quiet_hours(self, gateway, item, fact, now):
        if (
            not gateway
            or not gateway.quiet_hours
            or item.get("urgent")
            or item.get("exempt") == "answer"
            or self._heard_within(item, fact, now, timedelta(minutes=const.AWAKE_MIN))
        ):
            return None
        due_at = max(item.get("due_at") or now, now)
        open_at = gateway._next_open(
            due_at,
            item["number"],
            fact["tz"],
            fact["country"],
            item.get("company_id"),
        )
        if open_at <= due_at:
            return None
        return Decision("queued", hold="quiet_hours", until=open_at)
