# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import hashlib
import re
from datetime import timedelta

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from .. import const
from ..tools import keywords, segments

_E164 = re.compile(const.E164_PATTERN)
_DOUBT_ACTIVITY = "sms_gateway_hub.mail_activity_type_opt_out"
_MESSAGES = "sms_gateway_hub.action_sms_gateway_message"


class SmsConsent(models.Model):
    """The ledger of consent: what was said about texting a number, and its proof.

    Rows are only added. What may be sent follows of the latest deciding row of the
    number, and of the person whose number it is. Odoo's ``phone.blacklist`` is kept in
    step, both ways.
    """

    _name = "sms.consent"
    _description = "Consent to texts"
    _inherit = ["sms.text.export"]
    _order = "at desc, id desc"
    _rec_name = "number"

    number = fields.Char(
        required=True, readonly=True, help="International form (E.164)."
    )
    partner_id = fields.Many2one(
        "res.partner", "Contact", readonly=True, index="btree_not_null"
    )
    act = fields.Selection(const.CONSENT_ACTS, "What", required=True, readonly=True)
    scope = fields.Selection(
        const.CONSENT_SCOPES,
        "For",
        required=True,
        readonly=True,
        default="all",
        help="All texts, or marketing alone.",
    )
    method = fields.Selection(
        const.CONSENT_METHODS, "How", required=True, readonly=True
    )
    at = fields.Datetime(
        "When", required=True, readonly=True, default=fields.Datetime.now
    )
    user_id = fields.Many2one("res.users", "Recorded by", readonly=True)
    wording = fields.Text(
        "Words",
        readonly=True,
        help="The exact words that the person was shown, or wrote.",
    )
    wording_hash = fields.Char(
        "Fingerprint of the words",
        readonly=True,
        help="SHA-256 of the words: shows that they are unchanged.",
    )
    message_id = fields.Many2one(
        "sms.gateway.message",
        "Text",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        help="The text that proves it.",
    )
    question_id = fields.Many2one(
        "sms.consent",
        "Answer to",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        help="The question that was answered.",
    )
    gateway_id = fields.Many2one("sms.gateway", readonly=True, ondelete="restrict")
    broadcast_id = fields.Many2one(
        "sms.broadcast", readonly=True, index="btree_not_null", ondelete="set null"
    )
    company_id = fields.Many2one("res.company", readonly=True)
    note = fields.Char(readonly=True)

    _number_index = models.Index("(number, at, id)")
    _order_index = models.Index("(at, id)")
    _person_index = models.Index(
        "(partner_id, at, id) WHERE act IN ('opted_in', 'opted_out')"
    )

    # ------------------------------------------------------------------
    # Only additions
    # ------------------------------------------------------------------

    def write(self, vals):
        if vals:
            raise UserError(
                self.env._(
                    "The consent ledger is proof: its rows cannot be changed. Record "
                    "what is true now as a new one."
                )
            )
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(
            self.env._("The consent ledger is proof: its rows cannot be deleted.")
        )

    @api.model
    def _record(self, number, act, **values):
        """Add one row; see ``_record_many``."""
        return self._record_many([{"number": number, "act": act, **values}])

    @api.model
    def _record_many(self, vals_list):
        """Add rows to the ledger and let them take effect at once.

        Who may record is the caller's check. A refusal cancels what waits for the
        number and the person, and puts the number on Odoo's blacklist; an agreement
        takes it off.

        :param list vals_list: values with at least ``number`` (E.164) and ``act``
        :return: the rows
        :raise ValidationError: a number, time or wording that cannot be kept
        """
        now = fields.Datetime.now()
        prepared = []
        for vals in vals_list:
            vals = {"user_id": self.env.uid, "method": "api", "at": now, **vals}
            vals["at"] = fields.Datetime.to_datetime(vals["at"]) or now
            self._check_values(vals, now)
            if wording := vals.get("wording"):
                vals["wording"] = segments.clean_text(wording)
                vals["wording_hash"] = hashlib.sha256(
                    vals["wording"].encode()
                ).hexdigest()
            prepared.append(vals)
        rows = self.sudo().create(prepared)
        rows.filtered(lambda row: row.act in const.DECIDING_ACTS)._take_effect()
        # What is computed of the ledger.
        self.env["res.partner"].invalidate_model(
            [
                "sms_gateway_consent_ids",
                "sms_gateway_consent_state",
                "sms_gateway_consent_text",
            ]
        )
        self.env["sms.gateway.message"].invalidate_model(["may_be_refusal"])
        return rows

    @api.model
    def _check_values(self, vals, now):
        if not _E164.match(vals.get("number") or ""):
            raise ValidationError(
                self.env._(
                    "“%s” is not a number in international form, like +15550100200.",
                    vals.get("number") or "",
                )
            )
        if vals["at"] > now + timedelta(minutes=1):
            raise ValidationError(
                self.env._(
                    "Consent cannot be recorded for a time to come: %s.", vals["at"]
                )
            )

    def _take_effect(self):
        numbers = set(self.mapped("number"))
        states = self._get_states(numbers)
        said = self.filtered(lambda row: row.act in const.SAID_ACTS)
        of_all = {row.number for row in said if row.scope == "all"}
        blocked = self._get_staff_blocked(of_all)
        self._sync_blacklist(
            {number for number in of_all if states[number] == "opted_out"},
            {number for number in of_all if states[number] == "opted_in"} - blocked,
        )
        mobiles = self.env["res.partner.mobile"].sudo()
        mobiles.search(
            [
                "|",
                ("number_e164", "in", list(numbers)),
                ("partner_id", "in", self.partner_id.ids),
            ]
        )._update_blocked()
        # Whose data was erased and who agrees now is texted again; what was true
        # before, or what somebody imports, undoes nothing.
        self.env["sms.suppression"]._lift(
            said.filtered(
                lambda row: (
                    row.act == "opted_in"
                    and row.scope == "all"
                    and row.method != "import"
                )
            )
        )
        messages = self.env["sms.gateway.message"]
        in_force = {
            scope: self._get_states(numbers, scope) for scope in ("all", "marketing")
        }
        refusing = self.filtered(
            lambda row: (
                row.act == "blacklisted"
                or row.act == "opted_out"
                and in_force[row.scope][row.number] == "opted_out"
            )
        )
        if refusing:
            messages._cancel_refused(refusing)
        if said:
            # Whatever was in doubt before is decided by this.
            messages._end_hold("possible_opt_out", said.mapped("number"))
            said.partner_id.sudo().activity_unlink([_DOUBT_ACTIVITY])

    @api.model
    def _get_staff_blocked(self, numbers):
        """Return the set of those numbers that somebody put on Odoo's blacklist."""
        return {
            number
            for number in numbers
            if self._get_last(number, const.BLACKLIST_ACTS).act == "blacklisted"
        }

    @api.model
    def _sync_blacklist(self, refused, freed):
        blacklist = (
            self.env["phone.blacklist"].sudo().with_context(sms_gateway_recorded=True)
        )
        listed = blacklist.search(
            [("number", "in", list(refused | freed)), ("active", "=", True)]
        )
        listed.filtered(lambda row: row.number in freed).write({"active": False})
        missing = list(refused - set(listed.mapped("number")))
        for numbers in ([missing], [[number] for number in missing]):
            try:
                for some in filter(None, numbers):
                    with self.env.cr.savepoint():
                        blacklist._add(some)
                return
            except UserError:
                # Core takes no number that its plan does not know: the others singly.
                # The ledger does, and the gate asks both.
                continue

    @api.model
    def _import_blacklist(self):
        """Take over what Odoo's blacklist held before the ledger was there."""
        self.flush_model()
        self.env["phone.blacklist"].flush_model()
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO sms_consent
                            (number, act, scope, method, at, user_id, create_uid,
                             create_date, write_uid, write_date)
                     SELECT block.number, 'blacklisted', 'all', 'blacklist',
                            coalesce(block.write_date, now() AT TIME ZONE 'UTC'),
                            block.write_uid, %(uid)s, now() AT TIME ZONE 'UTC',
                            %(uid)s, now() AT TIME ZONE 'UTC'
                       FROM phone_blacklist AS block
                      WHERE block.active AND block.number ~ %(e164)s
                        AND NOT EXISTS (SELECT FROM sms_consent AS said
                                         WHERE said.number = block.number)
                """,
                uid=self.env.uid,
                e164=r"^\+[1-9][0-9]{6,14}$",
            )
        )

    # ------------------------------------------------------------------
    # What follows of it
    # ------------------------------------------------------------------

    @api.model
    def _get_states(self, numbers, scope="all"):
        """Return the state of consent of numbers.

        :param list numbers: E.164
        :param str scope: "marketing" counts what was said of marketing alone as well
        :return: dict of number to a state of ``const.CONSENT_STATES``
        """
        numbers = [number for number in set(numbers) if number]
        states = dict.fromkeys(numbers, "none")
        if not numbers:
            return states
        self.flush_model()
        self.env["sms.gateway.message"].flush_model(["state"])
        acts = [*const.SAID_ACTS, "asked"]
        scopes = ["all"] if scope == "all" else ["all", "marketing"]
        self.env.cr.execute(
            SQL(
                """
                SELECT input.number, said.act, said.at
                  FROM unnest(%s::varchar[]) AS input (number)
            CROSS JOIN LATERAL (
                       SELECT row.act, row.at
                         FROM sms_consent AS row
                    LEFT JOIN sms_gateway_message AS message
                           ON message.id = row.message_id AND row.act = 'asked'
                        WHERE row.number = input.number AND row.act = ANY(%s)
                          AND row.scope = ANY(%s)
                          AND (message.state IS NULL OR message.state != ALL(%s))
                     ORDER BY row.at DESC, row.id DESC LIMIT 1) AS said
                """,
                numbers,
                acts,
                scopes,
                # Who did not get the question was not asked.
                list(const.NOT_ASKED_STATES),
            )
        )
        open_since = fields.Datetime.now() - timedelta(hours=const.QUESTION_OPEN_H)
        for number, act, at in self.env.cr.fetchall():
            if act == "opted_out":
                states[number] = "opted_out"
            elif act == "opted_in":
                states[number] = "opted_in"
            elif act == "asked" and at >= open_since:
                states[number] = "asked"
        return states

    @api.model
    def _get_refusing_people(self, partner_ids):
        """Return the set of those contacts that refused all texts, by any number."""
        if not partner_ids:
            return set()
        self.flush_model()
        self.env.cr.execute(
            SQL(
                """
                SELECT person.id
                  FROM unnest(%s::int[]) AS person (id)
            CROSS JOIN LATERAL (
                       SELECT act FROM sms_consent
                        WHERE partner_id = person.id AND scope = 'all'
                          AND act IN ('opted_in', 'opted_out')
                     ORDER BY at DESC, id DESC LIMIT 1) AS said
                 WHERE said.act = 'opted_out'
                """,
                list(partner_ids),
            )
        )
        return {partner_id for (partner_id,) in self.env.cr.fetchall()}

    @api.model
    def _get_last(self, number, acts=const.SAID_ACTS, scope=None):
        """Return the latest row of a number that is one of these acts, at most one.

        :param str scope: only rows of this scope; of any when left out
        """
        domain = [("number", "=", number), ("act", "in", list(acts))]
        if scope:
            domain.append(("scope", "=", scope))
        return self.sudo().search(domain, limit=1)

    @api.model
    def _get_open_question(self, number):
        """Return the question that this number has not answered yet, at most one."""
        last = self._get_last(number, (*const.SAID_ACTS, "asked"))
        open_since = fields.Datetime.now() - timedelta(hours=const.QUESTION_OPEN_H)
        return last.filtered(
            lambda row: (
                row.act == "asked"
                and row.at >= open_since
                and row.message_id.state not in const.NOT_ASKED_STATES
            )
        )

    # ------------------------------------------------------------------
    # What people text
    # ------------------------------------------------------------------

    @api.model
    def _handle_inbound(self, message):
        """Let an incoming text say what it says about consent, and answer it.

        :param message: sms.gateway.message, one, already stored
        :return: the keyword family that it was taken for, or False
        """
        number = message.number
        if not _E164.match(number or "") or self._is_our_own(number):
            # Nobody can be texted back there; two gateways must not talk for ever.
            return False
        keyword = self.env["sms.keyword"]._match(
            message.body, message.gateway_id, message.company_id
        )
        family = keyword.family
        question = self._get_open_question(number)
        if family in ("confirm", "start") and question:
            self._agree(message, keyword, question)
        elif family == "start":
            self._agree(message, keyword)
        elif family == "stop" or question and keywords.is_no(message.body):
            family = "stop"
            self._refuse(message, keyword)
        elif family == "help":
            self._help(message, keyword)
        elif keywords.reads_like_refusal(message.body or ""):
            # Also behind an own word: somebody has to read it.
            family = False
            self._suspect(message)
        elif family == "own":
            message.keyword_id = keyword
        else:
            # "Yes" without a question is an answer to something else.
            family = False
        return family

    @api.model
    def _is_our_own(self, number):
        return bool(
            self.env["sms.gateway"].sudo().search_count([("sender", "=", number)])
        )

    def _prepare_from(self, message, act, **values):
        return {
            "number": message.number,
            "act": act,
            "method": "keyword",
            "partner_id": message.partner_id.id,
            "wording": message.body,
            "message_id": message.id,
            "gateway_id": message.gateway_id.id,
            "broadcast_id": message.broadcast_id.id,
            "company_id": message.company_id.id,
            **values,
        }

    def _may_change_by_text(self, number):
        listed = (
            self.env["phone.blacklist"]
            .sudo()
            .with_context(active_test=False)
            .search([("number", "=", number)], limit=1)
        )
        return not listed or listed.sms_gateway_can_opt_in

    def _refuse(self, message, keyword):
        if not self._may_change_by_text(message.number):
            return
        known = self._get_last(message.number, scope="all").act == "opted_out"
        self._record_many([self._prepare_from(message, "opted_out")])
        if not known:
            message._answer("stop", keyword)

    def _agree(self, message, keyword, question=None):
        if not self._may_change_by_text(message.number):
            return
        if self._get_staff_blocked([message.number]):
            # A text lifts only what a text set.
            return
        last = self._get_last(message.number, scope="all")
        known = last.act == "opted_in"
        self._record_many(
            [
                self._prepare_from(
                    message,
                    "opted_in",
                    question_id=question.id if question else False,
                    wording=question.wording if question else message.body,
                )
            ]
        )
        if not known or question:
            message._answer("thanks" if question else "start", keyword)

    def _help(self, message, keyword):
        if message._answer("help", keyword):
            self._record_many([self._prepare_from(message, "help")])

    def _suspect(self, message):
        """Keep what may be a refusal for a person to decide; marketing waits."""
        last = self._get_last(message.number, const.DOUBT_ACTS)
        if last.act in ("opted_out", "possible_opt_out"):
            return
        self._record_many([self._prepare_from(message, "possible_opt_out")])
        subject = message.partner_id
        user = (
            subject.user_id
            or message.gateway_id.responsible_user_id
            or self.env.ref("base.user_admin")
        )
        (subject or message.gateway_id).activity_schedule(
            _DOUBT_ACTIVITY,
            user_id=user.id,
            summary=self.env._("Possible opt-out: %s", message.number),
            note=Markup("<p>%s</p><p><a href='%s'>%s</a></p>")
            % (
                self.env._(
                    "This may mean “no more texts”. Marketing to this number waits "
                    "until somebody decides: “Opt out” or “Not an opt-out”."
                ),
                f"/odoo/action-{_MESSAGES}/{message.id}",
                self.env._("Open the text"),
            ),
        )

    def _settle_suspicion(self, messages, act):
        """Record what a person decided about texts that may be refusals.

        :param messages: sms.gateway.message, incoming
        :param str act: "opted_out" or "not_opt_out"
        """
        self._record_many(
            [
                self._prepare_from(message, act, user_id=self.env.uid)
                for message in messages
            ]
        )
        for message in messages:
            (message.partner_id or message.gateway_id).sudo().activity_unlink(
                [_DOUBT_ACTIVITY]
            )
        if act == "not_opt_out":
            self.env["sms.gateway.message"]._end_hold(
                "possible_opt_out", messages.mapped("number")
            )

    # ------------------------------------------------------------------
    # Asking
    # ------------------------------------------------------------------

    @api.model
    def _ask(self, partners):
        """Text contacts the question whether they agree: the first half of double
        opt-in.

        :param partners: res.partner
        :return: dict of an outcome ("asked", "opted_in", "opted_out", "asked_before",
            "number_missing", "no_gateway") to its contacts
        """
        result = {}
        again = fields.Datetime.now() - timedelta(hours=const.QUESTION_AGAIN_H)
        values, asked = [], []
        for partner in partners:
            number = partner.mobile or partner.phone_sanitized
            company = partner.company_id or self.env.company
            gateway = number and self.env["sms.gateway"]._route(
                company, number, partner
            )
            outcome = "asked"
            if not number:
                outcome = "number_missing"
            elif partner.sms_gateway_consent_state in ("opted_in", "opted_out"):
                outcome = partner.sms_gateway_consent_state
            elif self._get_last(number, ("asked",)).filtered(
                lambda row: (
                    row.at >= again
                    and row.message_id.state not in const.NOT_ASKED_STATES
                )
            ):
                outcome = "asked_before"
            elif not gateway:
                outcome = "no_gateway"
            result[outcome] = result.get(outcome, partners.browse()) + partner
            if outcome != "asked":
                continue
            body = gateway._get_answer("question", partner.lang, company)
            values.append(
                {
                    "gateway_id": gateway.id,
                    "kind": "automatic",
                    "exempt": "question",
                    "purpose": "transactional",
                    "number": number,
                    "partner_id": partner.id,
                    "res_model": "res.partner",
                    "res_id": partner.id,
                    "body": body,
                    "company_id": company.id,
                    "author_id": self.env.uid,
                }
            )
            asked.append(partner)
        messages = self.env["sms.gateway.message"]._enqueue(values)
        messages._log_in_chatter()
        self._record_asked(messages)
        return result

    @api.model
    def _record_asked(self, messages):
        """Note that these texts ask for consent, so that YES can answer them."""
        self._record_many(
            [
                self._prepare_from(message, "asked")
                for message in messages
                if message.exempt == "question" and message.state == "queued"
            ]
        )
