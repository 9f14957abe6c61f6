# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_date

from .. import const


class ResPartner(models.Model):
    """What is on record of a contact's consent."""

    _inherit = "res.partner"  # pylint: disable=consider-merging-classes-inherited

    sms_gateway_consent_ids = fields.Many2many(
        "sms.consent",
        string="Consent ledger",
        compute="_compute_sms_gateway_consent",
        groups="sms_gateway_hub.group_user",
        help="What was said about texting this person or a number of theirs.",
    )
    sms_gateway_consent_state = fields.Selection(
        const.CONSENT_STATES,
        "Consent to texts",
        compute="_compute_sms_gateway_consent",
        search="_search_sms_gateway_consent_state",
        groups="sms_gateway_hub.group_user",
        help="What is on record for the number that is texted, and for the person.",
    )
    sms_gateway_consent_text = fields.Char(
        "Consent in words",
        compute="_compute_sms_gateway_consent",
        groups="sms_gateway_hub.group_user",
    )

    def _sms_gateway_all_numbers(self):
        """Return the set of numbers of one contact, E.164."""
        self.ensure_one()
        return {
            *self.mobile_ids.mapped("number_e164"),
            self.mobile,
            self.phone_sanitized,
        } - {False}

    @api.depends("mobile_ids.number_e164", "mobile", "phone_sanitized")
    @api.depends_context("lang", "tz")
    def _compute_sms_gateway_consent(self):
        consents = self.env["sms.consent"]
        numbers = {partner: partner._sms_gateway_all_numbers() for partner in self}
        ids = self._origin.ids
        # What another company recorded counts as well, as at the gate.
        rows = consents.sudo().search(
            [
                "|",
                ("partner_id", "in", ids),
                ("number", "in", list(set().union(*numbers.values()))),
            ]
        )
        visible = rows.with_env(self.env)._filtered_access("read")
        acts = dict(consents._fields["act"]._description_selection(self.env))
        methods = dict(consents._fields["method"]._description_selection(self.env))
        for partner, own in numbers.items():
            mine = rows.filtered(
                lambda row, partner=partner, own=own: (
                    row.partner_id == partner._origin or row.number in own
                )
            )
            partner.sms_gateway_consent_ids = mine.with_env(self.env) & visible
            partner.sms_gateway_consent_state = partner._sms_gateway_state_of(mine)
            decided = mine.filtered(lambda row: row.act in const.SAID_ACTS)
            decided = decided or mine.filtered(
                lambda row: row.act in const.BLACKLIST_ACTS
            )
            last = decided.filtered(lambda row: row.scope == "all")[:1] or decided[:1]
            partner.sms_gateway_consent_text = (
                self.env._(
                    "%(act)s on %(date)s (%(how)s, %(number)s)",
                    act=acts[last.act]
                    if last.scope == "all"
                    else self.env._("%s (marketing)", acts[last.act]),
                    date=format_date(
                        self.env,
                        fields.Datetime.context_timestamp(self, last.at).date(),
                    ),
                    how=methods[last.method],
                    number=last.number,
                )
                if last
                else False
            )

    def _sms_gateway_state_of(self, rows):
        """Return the state that follows of a contact's rows, as the gate sees it."""
        number = self.mobile or self.phone_sanitized
        said = rows.filtered(
            lambda row: row.scope == "all" and row.act in const.SAID_ACTS
        )
        of_number = said.filtered(lambda row: row.number == number)[:1]
        of_person = said.filtered(lambda row: row.partner_id == self._origin)[:1]
        staff = rows.filtered(
            lambda row: row.number == number and row.act in const.BLACKLIST_ACTS
        )[:1]
        if "opted_out" in (of_number.act, of_person.act) or staff.act == "blacklisted":
            return "opted_out"
        if of_number.act == "opted_in":
            return "opted_in"
        return self.env["sms.consent"]._get_states([number]).get(number, "none")

    @api.model
    def _search_sms_gateway_consent_state(self, operator, value):
        if operator not in ("in", "not in"):
            return NotImplemented
        wanted = {item or "none" for item in value}
        for model in ("sms.consent", "phone.blacklist", "sms.gateway.message"):
            self.env[model].flush_model()
        self.flush_model(["mobile", "phone_sanitized"])
        said = SQL(
            """
            SELECT partner.id,
                   CASE WHEN number.act = 'opted_out'
                          OR person.act = 'opted_out'
                          OR block.id IS NOT NULL THEN 'opted_out'
                        WHEN number.act = 'opted_in' THEN 'opted_in'
                        WHEN asked.act = 'asked' THEN 'asked'
                        ELSE 'none' END AS state
              FROM res_partner AS partner
         LEFT JOIN LATERAL (
                   SELECT act FROM sms_consent
                    WHERE number = coalesce(partner.mobile, partner.phone_sanitized)
                      AND scope = 'all' AND act IN ('opted_in', 'opted_out')
                 ORDER BY at DESC, id DESC LIMIT 1) AS number ON TRUE
         LEFT JOIN phone_blacklist AS block
                ON block.number = coalesce(partner.mobile, partner.phone_sanitized)
               AND block.active
         LEFT JOIN LATERAL (
                   SELECT act FROM sms_consent
                    WHERE partner_id = partner.id AND scope = 'all'
                      AND act IN ('opted_in', 'opted_out')
                 ORDER BY at DESC, id DESC LIMIT 1) AS person ON TRUE
         LEFT JOIN LATERAL (
                   SELECT row.act
                     FROM sms_consent AS row
                LEFT JOIN sms_gateway_message AS message ON message.id = row.message_id
                    WHERE row.number = coalesce(partner.mobile, partner.phone_sanitized)
                      AND row.act IN ('opted_in', 'opted_out', 'asked')
                      AND (row.act != 'asked' OR row.at >= %s)
                      AND (row.act != 'asked' OR message.state IS NULL
                           OR message.state != ALL(%s))
                 ORDER BY row.at DESC, row.id DESC LIMIT 1) AS asked ON TRUE
            """,
            fields.Datetime.now() - timedelta(hours=const.QUESTION_OPEN_H),
            list(const.NOT_ASKED_STATES),
        )
        found = SQL(
            "(SELECT id FROM (%s) AS said WHERE state = ANY(%s))", said, list(wanted)
        )
        return [("id", operator, found)]

    def _sms_gateway_keep_refusals(self, but=()):
        """Write a person's refusal down for each of their numbers.

        For when the contact, or the number that it came from, is going away.

        :param but: numbers to leave out, E.164
        """
        consents = self.env["sms.consent"].sudo()
        refusing = consents._get_refusing_people(self.ids)
        consents._record_many(
            [
                {
                    "number": number,
                    "act": "opted_out",
                    "method": "api",
                    "note": self.env._("Refused on another number of the same person."),
                    "company_id": partner.company_id.id,
                }
                for partner in self.sudo().filtered(lambda p: p.id in refusing)
                for number in partner._sms_gateway_all_numbers() - set(but)
                if consents._get_states([number])[number] != "opted_out"
            ]
        )

    @api.ondelete(at_uninstall=False)
    def _unlink_keep_refusals(self):
        self._sms_gateway_keep_refusals()

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------

    def action_sms_gateway_ask_consent(self):
        """Text the selected contacts the question whether they agree."""
        if not self.env.user.has_group("sms_gateway_hub.group_user"):
            raise UserError(self.env._("You may not text contacts."))
        self.check_access("read")
        if not self:
            raise UserError(self.env._("Select at least one contact in the list."))
        result = self.env["sms.consent"]._ask(self)
        sentences = {
            "asked": self.env._("%s asked."),
            "opted_in": self.env._("%s had agreed already."),
            "opted_out": self.env._("%s have refused and are not asked."),
            "asked_before": self.env._("%s were asked within the last day."),
            "number_missing": self.env._("%s have no number."),
            "no_gateway": self.env._("%s are served by no gateway."),
        }
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success" if result.get("asked") else "warning",
                "message": " ".join(
                    sentence % len(result[outcome])
                    for outcome, sentence in sentences.items()
                    if outcome in result
                ),
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    def action_sms_gateway_record_consent(self):
        """Open the form that records consent for the selected contacts."""
        if not self:
            raise UserError(self.env._("Select at least one contact in the list."))
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Record consent"),
            "res_model": "sms.consent.record",
            "views": [(False, "form")],
            "target": "new",
            "context": {"default_partner_ids": self.ids, "dialog_size": "medium"},
        }
