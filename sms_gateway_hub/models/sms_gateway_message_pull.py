# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import math
import re
from uuid import uuid4

from odoo import api, fields, models
from odoo.tools import SQL

from .. import const

_REFERENCE = re.compile(r"^[0-9a-f]{32}\Z")
# What one gateway refuses and another may send; as in ``tools/sender_run.py``.
_OWN_REFUSALS = frozenset({"no_consent", "test_mode", "expired", "country"})
# Passes over what is due, when the gate holds all of one back.
_OFFER_PASSES = 3
_SETTLE_MAX = 1000


class SmsGatewayMessage(models.Model):
    """Texts that phones fetch: offered, claimed, and settled by reports or by time.

    =========== ========= ============ ===========================================
    phase       state     request_at   external_ref
    =========== ========= ============ ===========================================
    waiting     queued    –            none
    offered     sending   none         of this offer; lost when its lease runs out
    claimed     sending   of the claim of the offer; it is never offered again
    settled     any other of the claim of the offer: a late report finds it
    =========== ========= ============ ===========================================
    """

    _inherit = "sms.gateway.message"  # pylint: disable=consider-merging-classes-inherited

    device_id = fields.Many2one(
        "sms.gateway.device",
        "Phone",
        readonly=True,
        copy=False,
        # Without an index of its own: that of what was taken begins with it.
        ondelete="restrict",
        help="The phone that sends the text, or got it. Empty: it waits for whichever "
        "phone asks first.",
    )
    by_device = fields.Boolean(
        readonly=True, copy=False, help="It waits until a phone fetches it."
    )
    asked_at = fields.Datetime(
        readonly=True,
        copy=False,
        help="When the phone was last asked what became of it.",
    )

    # No other index has its expression: while statistics say that no phone has texts,
    # reading all that this one ever took looks as cheap as what waits for it.
    _device_queue_index = models.Index(
        "(gateway_id, (coalesce(device_id, 0)), priority, due_at, id) "
        "WHERE state = 'queued' AND by_device"
    )
    _device_offered_index = models.Index(
        "(device_id, state_at) WHERE state = 'sending' AND request_at IS NULL "
        "AND device_id IS NOT NULL"
    )
    _device_open_index = models.Index(
        "(device_id, asked_at) WHERE state = 'sending' AND request_at IS NOT NULL "
        "AND device_id IS NOT NULL"
    )
    _device_taken_index = models.Index(
        "(device_id, request_at) WHERE device_id IS NOT NULL"
    )
    # The number is there to keep others from it: while statistics say that no phone has
    # texts, reading the whole of it looks cheapest for whatever is asked of a phone.
    _device_talk_index = models.Index(
        "(number, id) WHERE device_id IS NOT NULL AND number IS NOT NULL"
    )

    # ------------------------------------------------------------------
    # Enqueue
    # ------------------------------------------------------------------

    @api.model
    def _prepare_outgoing(self, vals_list):
        """Mark what phones fetch, for the phone that the number knows already."""
        prepared = super()._prepare_outgoing(vals_list)
        by_gateway = {}
        for vals in prepared:
            if vals["state"] == "queued" and vals.get("gateway_id"):
                by_gateway.setdefault(vals["gateway_id"], []).append(vals)
        for gateway in self.env["sms.gateway"].sudo().browse(by_gateway):
            if not gateway._is_pull():
                continue
            items = by_gateway[gateway.id]
            sticky = self._find_devices(gateway, [vals["number"] for vals in items])
            for vals in items:
                vals["by_device"] = True
                vals["device_id"] = sticky.get(vals["number"])
        return prepared

    @api.model
    def _find_devices(self, gateway, numbers):
        """Return the live device that last texted or heard each number.

        :param gateway: sms.gateway, one
        :param list numbers: E.164
        :return: dict of number to id of sms.gateway.device
        """
        self.flush_model(["device_id", "number", "gateway_id"])
        self.env["sms.gateway.device"].flush_model()
        self.env.cr.execute(
            SQL(
                """
                SELECT item.number, last.device_id
                  FROM unnest(%(numbers)s::varchar[]) AS item (number)
            CROSS JOIN LATERAL (
                       SELECT device_id FROM sms_gateway_message
                        WHERE number = item.number AND device_id IS NOT NULL
                          AND gateway_id = %(gateway)s
                     ORDER BY id DESC LIMIT 1) AS last
                  JOIN sms_gateway_device AS device ON device.id = last.device_id
                 WHERE device.gateway_id = %(gateway)s AND %(alive)s
                """,
                numbers=list(set(numbers)),
                gateway=gateway.id,
                alive=self.env["sms.gateway.device"]._sql_alive("device"),
            ),
            log_exceptions=False,
        )
        return dict(self.env.cr.fetchall())

    # ------------------------------------------------------------------
    # What a device asks for. In the short transaction of its call.
    # ------------------------------------------------------------------

    @api.model
    def _offer(self, device, *, final=False, limit=None, numbers=None):
        """Offer due texts to a device, under a lease and with fresh references.

        Its own ones, and of those for any device its share by SIM cards; no more SMS
        parts than it may send within a minute, and no more texts than within a day.

        :param device: sms.gateway.device, one
        :param bool final: the device will not claim them: they count as taken, and as
            unconfirmed until it reports
        :param int limit: texts at most; the device's own limit when left out
        :param list numbers: only texts to these, E.164; all when left out
        :return: tuple of (reference, OutgoingMessage)
        """
        gateway = device.gateway_id
        limit = min(limit or device.messages_per_poll, device.messages_per_poll)
        if not final and device.unclaimed_offers >= const.UNCLAIMED_MAX:
            # It probably sends without saying so: one by one, until it confirms.
            limit = 0 if self._has_open_offer(device) else 1
        claims = not final and device._knows_to_claim()
        now = fields.Datetime.now()
        offers = []
        for _pass in range(_OFFER_PASSES):
            if limit <= 0:
                break
            rows = self._pick(device, gateway, limit, numbers, lossy=claims)
            if claims and not any(row["unclaimed"] for row in rows):
                # The gate is asked when they are claimed, after which alone they leave.
                # Who left an offer unclaimed may send without: it is asked now as well.
                kept = rows
            else:
                kept = self._pass_gate(gateway, rows)
            for row in kept:
                try:
                    offers.append((row["external_ref"], self._to_outgoing(row, now)))
                except ValueError as error:
                    self._put_aside(gateway, row, error)
            limit -= len(kept)
            if len(kept) == len(rows):
                break
        if final and offers:
            self._hand_out(device, [reference for reference, _message in offers])
        return tuple(offers)

    @api.model
    def _has_open_offer(self, device):
        self.env.cr.execute(
            SQL(
                """
                SELECT 1 FROM sms_gateway_message
                 WHERE device_id = %s AND state = 'sending' AND request_at IS NULL
                   AND lease_until > now() AT TIME ZONE 'UTC'
                 LIMIT 1
                """,
                device.id,
            ),
            log_exceptions=False,
        )
        return bool(self.env.cr.rowcount)

    @api.model
    def _sql_taken(self, device):
        """Return what a device has used of its limits, besides what it was offered.

        :return: SQL, SMS parts within the last minute, and texts of the day
        """
        parts = texts = SQL("0")
        if device.parts_per_minute:
            parts = SQL(
                """
                (SELECT coalesce(sum(segments), 0) FROM sms_gateway_message
                  WHERE device_id = %s
                    AND request_at > now() AT TIME ZONE 'UTC' - interval '1 minute')
                """,
                device.id,
            )
        if device.daily_limit:
            texts = SQL(
                """
                (SELECT count(*) FROM sms_gateway_message
                  WHERE device_id = %s AND request_at >= %s)
                """,
                device.id,
                device._get_day_start(),
            )
        return parts, texts

    @api.model
    def _get_share(self, device, gateway, limit):
        """Return how many of the texts for any device this one may take.

        By its SIM cards, of those of all that ask for texts.
        """
        sims, fleet = device.sims, device.fleet_sims
        self.env.cr.execute(
            SQL(
                """
                SELECT count(*)
                  FROM (VALUES ('1'), ('2'), ('3')) AS level (priority)
            CROSS JOIN LATERAL (
                       SELECT 1 FROM sms_gateway_message
                        WHERE gateway_id = %(gateway)s AND coalesce(device_id, 0) = 0
                          AND state = 'queued' AND by_device
                          AND priority = level.priority
                          AND due_at <= now() AT TIME ZONE 'UTC'
                        LIMIT %(most)s) AS waiting
                """,
                gateway=gateway.id,
                most=math.ceil(limit * fleet / sims),
            ),
            log_exceptions=False,
        )
        return min(limit, math.ceil(self.env.cr.fetchone()[0] * sims / fleet))

    @api.model
    def _pick(self, device, gateway, limit, numbers=None, *, lossy=False):
        """Take due texts for a device: one statement, two where it shares with others.

        Rows that another transaction holds are skipped. What waits at paused gateways
        that name this one as fallback is taken as well, as by ``_claim``.

        The commit of an offer to a device that claims what it sends is not waited for:
        what a crash of PostgreSQL costs is offered again, and a claim finds nothing.
        So is what else is written with it, e.g. what the gate refused.

        :param bool lossy: it claims what it sends, and is offered these to claim
        :return: list of dicts with the columns that an offer is built of, and
            ``unclaimed``: whether the device had an offer already that it did not claim
        """
        wanted = SQL("TRUE")
        if numbers is not None:
            wanted = SQL("number = ANY(%s)", list(numbers))
        own = SQL("by_device AND %s", wanted)
        if device.fleet_sims <= device.sims:
            # Nobody to share with: all that no other one is to send, in one go.
            mine = SQL("(device_id IS NULL OR device_id = %s)", device.id)
            waiting = [
                self._sql_waiting(
                    SQL("gateway_id = %s", gateway.id),
                    SQL("%s AND %s", mine, own),
                    limit,
                )
            ]
        else:
            share = self._get_share(device, gateway, limit)
            waiting = [
                self._sql_waiting(
                    SQL(
                        "gateway_id = %s AND coalesce(device_id, 0) = %s",
                        gateway.id,
                        device_id,
                    ),
                    own,
                    most,
                )
                for device_id, most in ((device.id, limit), (0, share))
                if most
            ]
        if relieved := device.relieved_gateway_ids:
            prefixes = gateway._split_prefixes(gateway.prefixes) or [""]
            condition = SQL(
                "gateway_fixed IS NOT TRUE AND segments <= %s "
                "AND number LIKE ANY(%s) AND %s",
                gateway.max_segments,
                [f"{prefix}%" for prefix in prefixes],
                wanted,
            )
            waiting += [
                self._sql_waiting(SQL("gateway_id = %s", source), condition, limit)
                for source in relieved.ids
            ]
        taken, today = self._sql_taken(device)
        self.env.cr.execute(
            SQL(
                """
                WITH offered AS MATERIALIZED (
                    SELECT count(*) AS texts,
                           coalesce(sum(segments) FILTER (
                               WHERE state_at > now() AT TIME ZONE 'UTC'
                                                - interval '1 minute'), 0) AS parts
                      FROM sms_gateway_message
                     WHERE device_id = %(device)s AND state = 'sending'
                       AND request_at IS NULL
                ), used AS MATERIALIZED (
                    SELECT offered.parts + %(taken)s AS parts,
                           offered.texts + %(today)s AS texts,
                           CASE WHEN %(lossy)s
                                THEN set_config('synchronous_commit', 'off', TRUE) END
                      FROM offered
                ), room AS MATERIALIZED (
                    SELECT CASE WHEN used.parts >= %(parts)s THEN 0
                                ELSE least(%(limit)s, %(daily)s - used.texts) END
                           AS texts,
                           %(parts)s - used.parts AS parts,
                           used.parts = 0 AS fresh
                      FROM used
                ), waiting AS MATERIALIZED (%(waiting)s), ranked AS (
                    SELECT id, row_number() OVER turn AS place,
                           sum(coalesce(segments, 1)) OVER turn AS parts
                      FROM waiting
                    WINDOW turn AS (ORDER BY priority, due_at, id)
                ), due AS (
                    SELECT ranked.id FROM ranked, room
                     WHERE ranked.place <= room.texts
                       AND (room.parts IS NULL OR ranked.parts <= room.parts
                            -- One that is too long for any minute goes alone.
                            OR room.fresh AND ranked.place = 1)
                )
                UPDATE sms_gateway_message AS message
                   SET state = 'sending',
                       hold = NULL,
                       sender = CASE WHEN message.gateway_id = %(gateway)s
                                     THEN message.sender ELSE %(sender)s END,
                       relieved_gateway_id =
                           CASE WHEN message.gateway_id = %(gateway)s
                                THEN message.relieved_gateway_id
                                ELSE coalesce(message.relieved_gateway_id,
                                              message.gateway_id) END,
                       gateway_id = %(gateway)s,
                       device_id = %(device)s,
                       by_device = TRUE,
                       external_ref = replace(gen_random_uuid()::text, '-', ''),
                       state_at = now() AT TIME ZONE 'UTC',
                       lease_until = now() AT TIME ZONE 'UTC'
                                     + %(lease)s * interval '1 second',
                       attempts = message.attempts + 1,
                       attempt_ref = %(attempt)s,
                       request_at = NULL,
                       asked_at = NULL
                 WHERE id IN (SELECT id FROM due)
             RETURNING message.id, message.uuid, message.number, message.body,
                       message.sender, message.encoding, message.segments,
                       message.priority, message.expires_at, message.due_at,
                       message.attempts, message.attempt_ref, message.company_id,
                       message.partner_id, message.purpose, message.kind,
                       message.urgent, message.exempt, message.broadcast_id,
                       message.relieved_gateway_id, message.external_ref,
                       (SELECT texts > 0 FROM offered) AS unclaimed
                """,
                taken=taken,
                today=today,
                lossy=lossy,
                limit=limit,
                parts=SQL("%s::int", device.parts_per_minute or None),
                daily=SQL("%s::int", device.daily_limit or None),
                waiting=SQL(" UNION ALL ").join(waiting),
                gateway=gateway.id,
                device=device.id,
                sender=gateway.sender or None,
                lease=const.OFFER_LEASE_S,
                attempt=uuid4().hex,
            ),
            log_exceptions=False,
        )
        rows = [{**row, "send_at": None} for row in self.env.cr.dictfetchall()]
        rows.sort(key=lambda row: (row["priority"], row["due_at"], row["id"]))
        return rows

    @api.model
    def _sql_waiting(self, whose, condition, limit):
        """Return the statement that locks due rows, the first ones first.

        Where ``room`` has none for texts it does not look.

        :param SQL whose: the beginning of an index that ends with priority, due_at, id
        :param SQL condition: what else must hold
        :param int limit: rows at most
        """
        return SQL(
            """
           (SELECT found.*
              FROM (VALUES ('1'), ('2'), ('3')) AS level (priority)
        CROSS JOIN LATERAL (
                   SELECT id, priority, due_at, segments
                     FROM sms_gateway_message
                    WHERE (SELECT texts > 0 FROM room)
                      AND %(whose)s AND state = 'queued' AND %(condition)s
                      AND priority = level.priority
                      AND due_at <= now() AT TIME ZONE 'UTC'
                      AND (expires_at IS NULL
                           OR expires_at > now() AT TIME ZONE 'UTC')
                 ORDER BY due_at, id
                    LIMIT %(limit)s
               FOR UPDATE SKIP LOCKED) AS found
          ORDER BY found.priority, found.due_at, found.id
             LIMIT %(limit)s)
            """,
            whose=whose,
            condition=condition,
            limit=limit,
        )

    @api.model
    def _pass_gate(self, gateway, rows):
        """Ask the gate about offered rows; the refused ones are recorded.

        :return: the rows that may go on
        """
        items = [{**row, "due_at": None} for row in rows]
        kept, refused, foreign = [], [], []
        decisions = self.env["sms.gateway.gate"]._check(gateway, items)
        for row, decision in zip(rows, decisions, strict=True):
            if not decision:
                kept.append(row)
            elif row["relieved_gateway_id"] and decision.failure_type in _OWN_REFUSALS:
                foreign.append(row)
            else:
                refused.append((row, decision))
        self._forget_offers(foreign)
        self._give_back(foreign)
        self._record_untaken(
            gateway,
            [
                {
                    "id": row["id"],
                    "attempt_ref": row["attempt_ref"],
                    "state": decision.state,
                    "failure_type": decision.failure_type,
                    "failure_reason": decision.reason,
                    "hold": decision.hold,
                    "until": decision.until,
                }
                for row, decision in refused
            ],
        )
        return kept

    @api.model
    def _record_untaken(self, gateway, outcomes):
        """Record what became of offered rows that no device has taken.

        Their references are lost with it; nothing counts as an attempt. What waits
        again waits for the device that its number knows.
        """
        now = fields.Datetime.now()
        outcomes = [
            {
                "failure_type": None,
                "failure_reason": None,
                "hold": None,
                **outcome,
                "retry_in_s": (outcome["until"] - now).total_seconds()
                if outcome.get("until")
                else 0.0,
                "counts": False,
                "started_at": now,
                "ended_at": now,
            }
            for outcome in outcomes
        ]
        waiting = [outcome for outcome in outcomes if outcome["state"] == "queued"]
        self._forget_offers(waiting)
        self._record(gateway, outcomes)
        if waiting:
            self._assign_devices(gateway, [outcome["id"] for outcome in waiting])

    @api.model
    def _forget_offers(self, rows):
        """Let the rows wait for any device again."""
        if rows:
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE sms_gateway_message
                       SET device_id = NULL, external_ref = NULL
                     WHERE id = ANY(%s) AND attempt_ref = ANY(%s)
                       AND state = 'sending' AND request_at IS NULL
                    """,
                    [row["id"] for row in rows],
                    list({row["attempt_ref"] for row in rows}),
                ),
                log_exceptions=False,
            )

    @api.model
    def _put_aside(self, gateway, row, error):
        self._record_untaken(
            gateway,
            [
                {
                    "id": row["id"],
                    "attempt_ref": row["attempt_ref"],
                    "state": "failed",
                    "failure_type": "unreadable",
                    "failure_reason": str(error)[:250],
                }
            ],
        )

    @api.model
    def _hand_out(self, device, references):
        """Count offers as taken: this device does not claim. Unconfirmed, for good."""
        self._settle_rows(
            SQL(
                """
                SELECT id FROM sms_gateway_message
                 WHERE device_id = %s AND external_ref = ANY(%s)
                   AND state = 'sending' AND request_at IS NULL
                   FOR UPDATE
                """,
                device.id,
                references,
            ),
            "unconfirmed",
            self.env._(
                "The phone “%s” fetched the text. It does not tell what becomes of it.",
                device.name,
            ),
            taken=True,
        )

    @api.model
    def _take(self, device, references):
        """Let a device claim offers: the moment from which it sends them.

        Only what was offered to this device, is not claimed yet and whose lease is
        valid. The gate is asked once more, so that who refused meanwhile gets nothing,
        and the limits of the minute and the day are kept to. What it asked for and does
        not get goes back to the queue, as it will not send that.

        :param device: sms.gateway.device, one, whose row this transaction has locked
        :param references: whatever the device named
        :return: tuple of the references newly claimed, in the order given
        """
        wanted = list(
            dict.fromkeys(
                reference
                for reference in references
                if isinstance(reference, str) and _REFERENCE.match(reference)
            )
        )
        if not wanted:
            return ()
        gateway = device.gateway_id
        self.env.cr.execute(
            SQL(
                """
                SELECT id, uuid, number, segments, priority, expires_at, due_at,
                       attempt_ref, company_id, partner_id, purpose, kind, urgent,
                       exempt, broadcast_id, relieved_gateway_id, external_ref,
                       expires_at <= now() AT TIME ZONE 'UTC' AS expired,
                       (SELECT coalesce(sum(segments), 0) FROM sms_gateway_message
                         WHERE device_id = %(device)s
                           AND request_at > now() AT TIME ZONE 'UTC'
                                            - interval '1 minute') AS used
                  FROM sms_gateway_message
                 WHERE gateway_id = %(gateway)s AND external_ref = ANY(%(references)s)
                   AND device_id = %(device)s AND direction = 'outgoing'
                   AND state = 'sending' AND request_at IS NULL
                   AND lease_until > now() AT TIME ZONE 'UTC'
              ORDER BY priority, due_at, id
                   FOR UPDATE
                """,
                gateway=gateway.id,
                device=device.id,
                references=wanted,
            ),
            log_exceptions=False,
        )
        rows = self.env.cr.dictfetchall()
        if not rows:
            return ()
        late = [row for row in rows if row["expired"]]
        kept = self._pass_gate(gateway, [row for row in rows if not row["expired"]])
        taken, waiting, used = [], [], rows[0]["used"]
        # Two calls at once may have been offered more than one day's texts.
        most = device.daily_limit and device.daily_limit - device._count_today()
        for row in kept:
            parts = row["segments"] or 1
            limit = device.parts_per_minute
            if (
                waiting
                or limit
                and used
                and used + parts > limit
                or device.daily_limit
                and len(taken) >= most
            ):
                waiting.append(row)
            else:
                used += parts
                taken.append(row)
        self._record_untaken(
            gateway,
            [
                {"id": row["id"], "attempt_ref": row["attempt_ref"], "state": "queued"}
                for row in waiting
            ]
            + [
                {
                    "id": row["id"],
                    "attempt_ref": row["attempt_ref"],
                    "state": "expired",
                    "failure_type": "expired",
                    "failure_reason": self.env._(
                        "Its validity ended before the phone took it."
                    ),
                }
                for row in late
            ],
        )
        claimed = self._claim_rows(device, [row["id"] for row in taken])
        return tuple(reference for reference in wanted if reference in claimed)

    @api.model
    def _claim_rows(self, device, ids):
        if not ids:
            return set()
        self.env.cr.execute(
            SQL(
                """
                WITH claimed AS (
                    UPDATE sms_gateway_message
                       SET request_at = now() AT TIME ZONE 'UTC',
                           lease_until = now() AT TIME ZONE 'UTC'
                                         + %(deadline)s * interval '1 second',
                           asked_at = NULL
                     WHERE id = ANY(%(ids)s) AND device_id = %(device)s
                       AND state = 'sending' AND request_at IS NULL
                 RETURNING id, gateway_id, attempt_ref, external_ref, state_at,
                           request_at
                )
                INSERT INTO sms_gateway_attempt
                            (message_id, gateway_id, attempt_ref, state, external_ref,
                             detail, started_at, ended_at, late)
                     SELECT id, gateway_id, attempt_ref, 'sending', external_ref,
                            %(detail)s, state_at, request_at, FALSE
                       FROM claimed
                  RETURNING external_ref
                """,
                ids=ids,
                device=device.id,
                deadline=const.CLAIM_DEADLINE_S,
                detail=self.env._("The phone “%s” took it.", device.name),
            ),
            log_exceptions=False,
        )
        return {reference for (reference,) in self.env.cr.fetchall()}

    @api.model
    def _ask(self, device):
        """Return references that a device shall report on: few, and in turn.

        What is claimed and not settled first, those asked longest ago before others;
        then what was settled lately, as a report may still correct it.

        :return: tuple of references
        """
        reported = device.gateway_id._get_adapter()._get_reported_states(device)
        since_s = (
            const.ASK_DELIVERED_S if "delivered" in reported else const.ASK_SETTLED_S
        )
        limit = max(const.ASK_MAX, min(device.messages_per_poll, const.ASK_LIMIT))
        self.env.cr.execute(
            SQL(
                """
                WITH open AS (
                    SELECT id, external_ref FROM sms_gateway_message
                     WHERE device_id = %(device)s AND state = 'sending'
                       AND request_at IS NOT NULL
                       -- Who was erased since is asked about no more.
                       AND external_ref IS NOT NULL
                  ORDER BY asked_at NULLS FIRST, id
                     LIMIT %(limit)s
                ), settled AS (
                    SELECT id FROM sms_gateway_message
                     WHERE device_id = %(device)s
                       AND state IN ('sent', 'unconfirmed')
                       AND direction = 'outgoing' AND external_ref IS NOT NULL
                       AND request_at > now() AT TIME ZONE 'UTC'
                                        - %(since)s * interval '1 second'
                  ORDER BY asked_at NULLS FIRST, id
                     LIMIT (SELECT %(limit)s - count(*) FROM open)
                )
                UPDATE sms_gateway_message
                   SET asked_at = now() AT TIME ZONE 'UTC'
                 WHERE id IN (SELECT id FROM sms_gateway_message
                               WHERE id IN (SELECT id FROM open
                                             UNION ALL SELECT id FROM settled)
                          FOR UPDATE SKIP LOCKED)
             RETURNING external_ref
                """,
                device=device.id,
                since=since_s,
                limit=limit,
            ),
            log_exceptions=False,
        )
        return tuple(reference for (reference,) in self.env.cr.fetchall())

    @api.model
    def _filter_offered(self, device, references):
        """Return which references were offered to this device and are not retired."""
        references = [reference for reference in references if reference]
        if not references:
            return set()
        self.env.cr.execute(
            SQL(
                """
                SELECT external_ref FROM sms_gateway_message
                 WHERE gateway_id = %s AND external_ref = ANY(%s) AND device_id = %s
                   AND direction = 'outgoing'
                """,
                device.gateway_id.id,
                references,
                device.id,
            ),
            log_exceptions=False,
        )
        return {reference for (reference,) in self.env.cr.fetchall()}

    # ------------------------------------------------------------------
    # Settling: by time, and by what devices do and do not do
    # ------------------------------------------------------------------

    @api.model
    def _recover(self, gateway):
        if gateway._is_pull():
            return self._recover_fetched(gateway)
        return super()._recover(gateway)

    @api.model
    def _recover_fetched(self, gateway):
        """Settle what devices left behind, and drop what came too late.

        :return: number of messages that changed
        """
        devices = (
            self.env["sms.gateway.device"]
            .sudo()
            .with_context(active_test=False)
            .search([("gateway_id", "=", gateway.id)])
        )
        changed = sum(self._settle_device(device) for device in devices)
        self.env.cr.execute(
            SQL(
                """
                UPDATE sms_gateway_message
                   SET state = 'expired', failure_type = 'expired',
                       failure_reason = %s,
                       state_at = now() AT TIME ZONE 'UTC',
                       lease_until = NULL, to_sync = TRUE
                 WHERE gateway_id = %s AND state = 'queued'
                   AND expires_at <= now() AT TIME ZONE 'UTC'
                """,
                self.env._("Its validity ended while it waited."),
                gateway.id,
            ),
            log_exceptions=False,
        )
        changed += self.env.cr.rowcount
        return changed + self._release_undecided(gateway)

    @api.model
    def _settle_device(self, device, *, given_up=False):
        """Settle what a device was offered and what it claimed.

        - offered and not claimed until the lease is over: back to the queue, when this
          device is known to claim; else it may have sent it: unconfirmed
        - claimed, and it was asked for results and came again since: sent, when it is
          known that it tells of failures alone
        - claimed, and no report until the deadline: unconfirmed
        - given up: the same at once

        :param bool given_up: the device will not come any more
        :return: number of messages that changed
        """
        changed = self._end_leases(device, given_up=given_up)
        reported = device.gateway_id._get_adapter()._get_reported_states(device)
        if not given_up and "sent" not in reported:
            changed += self._settle_rows(
                SQL(
                    """
                    SELECT id FROM sms_gateway_message
                     WHERE device_id = %s AND state = 'sending'
                       AND asked_at >= request_at
                       AND request_at <= greatest(%s, asked_at)
                                         - %s * interval '1 second'
                     LIMIT %s FOR UPDATE SKIP LOCKED
                    """,
                    device.id,
                    device.last_poll_at or None,
                    const.SETTLE_AFTER_S,
                    _SETTLE_MAX,
                ),
                "sent",
                self.env._(
                    "The phone “%s” took the text and told of no failure. Its app "
                    "never confirms that a text was sent.",
                    device.name,
                ),
            )
        changed += self._settle_rows(
            SQL(
                """
                SELECT id FROM sms_gateway_message
                 WHERE device_id = %s AND state = 'sending'
                   AND request_at IS NOT NULL
                   AND (%s OR lease_until <= now() AT TIME ZONE 'UTC')
                 LIMIT %s FOR UPDATE SKIP LOCKED
                """,
                device.id,
                given_up,
                _SETTLE_MAX * (100 if given_up else 1),
            ),
            "unconfirmed",
            self.env._(
                "The phone “%s” took the text and never told what became of it.",
                device.name,
            ),
        )
        return changed

    @api.model
    def _end_leases(self, device, *, given_up=False):
        """End offers that nobody claimed in time.

        What was offered before the device was known to claim it may have sent, even if
        it claims by now: somebody has changed a setting of its app. The same where it
        fetched again and again since it last claimed, leases over or not.

        :return: number of messages that changed
        """
        if (
            not device._knows_to_claim()
            or self._count_unclaimed(device) >= const.UNCLAIMED_MAX
        ):
            return self._end_offers(device, False, SQL("TRUE"), given_up)
        since = device.acknowledges_since or None
        known = SQL("(%s::timestamp IS NULL OR state_at >= %s)", since, since)
        return sum(
            self._end_offers(device, again, condition, given_up)
            for again, condition in ((True, known), (False, SQL("NOT %s", known)))
        )

    @api.model
    def _count_unclaimed(self, device):
        """Return how many offers in a row a device left without claiming."""
        self.env.cr.execute(
            SQL(
                """
                SELECT count(DISTINCT attempt_ref) FROM sms_gateway_message
                 WHERE device_id = %(device)s AND state = 'sending'
                   AND request_at IS NULL
                   -- A claim is noted by the second.
                   AND (%(claim)s::timestamp IS NULL
                        OR state_at >= %(claim)s::timestamp + interval '1 second')
                """,
                device=device.id,
                claim=device.last_claim_at or None,
            ),
            log_exceptions=False,
        )
        return device.unclaimed_offers + self.env.cr.fetchone()[0]

    @api.model
    def _end_offers(self, device, again, condition, given_up):
        """End offers of one kind.

        :param bool again: they wait again; else they are unconfirmed
        :param SQL condition: which ones
        :param bool given_up: also those whose lease is not over
        :return: number of messages that changed
        """
        self.env.cr.execute(
            SQL(
                """
                WITH over AS (
                    SELECT id, attempt_ref, external_ref, state_at
                      FROM sms_gateway_message
                     WHERE device_id = %(device)s AND state = 'sending'
                       AND request_at IS NULL
                       AND (%(given_up)s OR lease_until <= now() AT TIME ZONE 'UTC')
                       AND %(condition)s
                     LIMIT %(limit)s FOR UPDATE SKIP LOCKED
                ), changed AS (
                    UPDATE sms_gateway_message AS message
                       SET state = %(state)s,
                           state_at = now() AT TIME ZONE 'UTC',
                           request_at = CASE WHEN %(again)s THEN NULL
                                             ELSE message.state_at END,
                           external_ref = CASE WHEN %(again)s THEN NULL
                                               ELSE message.external_ref END,
                           device_id = CASE WHEN %(again)s THEN NULL
                                            ELSE message.device_id END,
                           failure_type = %(failure)s,
                           failure_reason = %(reason)s,
                           lease_until = NULL,
                           to_sync = TRUE
                      FROM over
                     WHERE message.id = over.id
                )
                INSERT INTO sms_gateway_attempt
                            (message_id, gateway_id, attempt_ref, state, external_ref,
                             detail, started_at, ended_at, late)
                     SELECT id, %(gateway)s, attempt_ref, %(state)s, external_ref,
                            %(detail)s, state_at, now() AT TIME ZONE 'UTC', FALSE
                       FROM over
                  RETURNING message_id, attempt_ref
                """,
                device=device.id,
                gateway=device.gateway_id.id,
                given_up=given_up,
                condition=condition,
                again=again,
                state="queued" if again else "unconfirmed",
                failure=None if again else "unknown_outcome",
                reason=None
                if again
                else self.env._(
                    "The phone “%s” fetched the text and did not confirm it: it may "
                    "have sent it or not.",
                    device.name,
                ),
                detail=self.env._(
                    "The phone “%s” fetched it and did not take it.", device.name
                ),
                limit=_SETTLE_MAX * (100 if given_up else 1),
            ),
            log_exceptions=False,
        )
        rows = self.env.cr.fetchall()
        self.browse().invalidate_model()
        if not rows:
            return 0
        if again:
            self._assign_devices(
                device.gateway_id, [message_id for message_id, _ref in rows]
            )
        offers = len({attempt for _message_id, attempt in rows})
        if not given_up:
            count = device.unclaimed_offers + offers
            values = {"unclaimed_offers": count}
            if count >= const.UNCLAIMED_MAX and device.acknowledges == "yes":
                # It did once: somebody changed a setting, or its calls get lost.
                values["acknowledges"] = "unknown"
            device.write(values)
            device.flush_recordset()
        return len(rows)

    @api.model
    def _assign_devices(self, gateway, ids):
        """Let queued texts wait for the device that their number knows, if any."""
        self.env.cr.execute(
            SQL(
                """
                UPDATE sms_gateway_message AS message
                   SET device_id = found.device_id
                  FROM (SELECT waiting.id, last.device_id
                          FROM sms_gateway_message AS waiting
                    CROSS JOIN LATERAL (
                               SELECT device_id FROM sms_gateway_message
                                WHERE number = waiting.number
                                  AND device_id IS NOT NULL
                                  AND gateway_id = waiting.gateway_id
                                  AND id != waiting.id
                             ORDER BY id DESC LIMIT 1) AS last
                          JOIN sms_gateway_device AS device
                            ON device.id = last.device_id
                         WHERE waiting.id = ANY(%s)
                           AND device.gateway_id = %s AND %s) AS found
                 WHERE message.id = found.id AND message.state = 'queued'
                """,
                ids,
                gateway.id,
                self.env["sms.gateway.device"]._sql_alive("device"),
            ),
            log_exceptions=False,
        )

    @api.model
    def _return_to_pool(self, devices):
        """Let what waits for devices be fetched by any other.

        :param devices: sms.gateway.device
        :return: number of messages that changed
        """
        self.flush_model(["device_id", "state"])
        self.env.cr.execute(
            SQL(
                """
                UPDATE sms_gateway_message SET device_id = NULL
                 WHERE id IN (SELECT id FROM sms_gateway_message
                               WHERE gateway_id = ANY(%s)
                                 AND coalesce(device_id, 0) = ANY(%s)
                                 AND state = 'queued' AND by_device
                                 FOR UPDATE SKIP LOCKED)
                """,
                devices.gateway_id.ids,
                devices.ids,
            ),
            log_exceptions=False,
        )
        changed = self.env.cr.rowcount
        if changed:
            self.browse().invalidate_model(["device_id"])
        return changed

    @api.model
    def _give_up_waiting(self, gateway):
        """Fail what has waited too long at a gateway that no phone asks.

        :return: number of messages that changed
        """
        self.env.cr.execute(
            SQL(
                """
                UPDATE sms_gateway_message
                   SET state = 'failed', failure_type = 'not_reached',
                       failure_reason = %(reason)s,
                       state_at = now() AT TIME ZONE 'UTC', to_sync = TRUE
                 WHERE gateway_id = %(gateway)s AND state = 'queued'
                   AND hold IS NULL
                   -- What was held, or planned for later, has waited since then alone.
                   AND greatest(create_date, due_at)
                       < now() AT TIME ZONE 'UTC' - %(hours)s * interval '1 hour'
                """,
                reason=self.env._("No phone fetched it in time."),
                gateway=gateway.id,
                hours=gateway.give_up_after_h,
            ),
            log_exceptions=False,
        )
        return self.env.cr.rowcount

    @api.model
    def _settle_rows(self, select, state, reason, *, taken=False):
        """Move rows from ``sending`` to another state, and log that.

        :param SQL select: gives the ids, locked
        :param str state: "sent" or "unconfirmed"
        :param str reason: in words
        :param bool taken: they leave now
        :return: number of messages that changed
        """
        self.env.cr.execute(
            SQL(
                """
                WITH changed AS (
                    UPDATE sms_gateway_message AS message
                       SET state = %(state)s,
                           state_at = now() AT TIME ZONE 'UTC',
                           request_at = CASE WHEN %(taken)s
                                             THEN now() AT TIME ZONE 'UTC'
                                             ELSE message.request_at END,
                           sent_at = CASE WHEN %(state)s = 'sent'
                                          THEN message.request_at END,
                           failure_type = %(failure)s,
                           failure_reason = %(reason)s,
                           lease_until = NULL,
                           to_sync = TRUE
                     WHERE message.id IN (%(select)s) AND message.state = 'sending'
                 RETURNING id, gateway_id, attempt_ref, external_ref, request_at
                )
                INSERT INTO sms_gateway_attempt
                            (message_id, gateway_id, attempt_ref, state, external_ref,
                             detail, started_at, ended_at, late)
                     SELECT id, gateway_id, attempt_ref, %(state)s, external_ref,
                            %(reason)s, request_at, now() AT TIME ZONE 'UTC', FALSE
                       FROM changed
                """,
                state=state,
                taken=taken,
                failure="unknown_outcome" if state == "unconfirmed" else None,
                reason=reason,
                select=select,
            ),
            log_exceptions=False,
        )
        changed = self.env.cr.rowcount
        if changed:
            self.browse().invalidate_model()
        return changed
