# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from .. import const

_METHODS = ("form", "in_person", "phone", "document", "api")


class SmsConsentRecord(models.TransientModel):
    """Records what contacts said outside of texts, with its proof."""

    _name = "sms.consent.record"
    _description = "Record consent"

    partner_ids = fields.Many2many("res.partner", string="Contacts", required=True)
    act = fields.Selection(
        [("opted_in", "Agreed to be texted"), ("opted_out", "Refused texts")],
        "What they said",
        required=True,
        default="opted_in",
    )
    scope = fields.Selection(const.CONSENT_SCOPES, "For", required=True, default="all")
    method = fields.Selection(
        lambda self: [
            (value, label)
            for value, label in const.CONSENT_METHODS
            if value in _METHODS
        ],
        "How",
        required=True,
        default="in_person",
        help="Where they said it.",
    )
    at = fields.Datetime(
        "When", required=True, default=fields.Datetime.now, help="Not in the future."
    )
    wording = fields.Text(
        "Exact words",
        help="The words that the person was shown or said. They are the proof, and "
        "required for an agreement.",
    )
    note = fields.Char(
        "Where the proof is", help="For example the name of the form or document."
    )
    contact_count = fields.Integer(compute="_compute_counts")
    missing_count = fields.Integer("Without number", compute="_compute_counts")
    may_agree = fields.Boolean(compute="_compute_may_agree")

    @api.depends("partner_ids")
    def _compute_counts(self):
        for wizard in self:
            wizard.contact_count = len(wizard.partner_ids)
            wizard.missing_count = len(
                wizard.partner_ids.filtered(
                    lambda partner: not (partner.mobile or partner.phone_sanitized)
                )
            )

    @api.depends_context("uid")
    def _compute_may_agree(self):
        self.may_agree = self.env.user.has_group("sms_gateway_hub.group_manager")

    def action_record(self):
        """Add the rows to the ledger.

        :raise AccessError: an agreement is for managers to record
        :raise UserError: what is missing
        """
        self.ensure_one()
        self.partner_ids.check_access("read")
        if not self.env.user.has_group("sms_gateway_hub.group_user"):
            raise AccessError(self.env._("You may not record consent."))
        if self.act == "opted_in":
            if not self.env.user.has_group("sms_gateway_hub.group_manager"):
                raise AccessError(
                    self.env._(
                        "Only managers of SMS gateways may record that somebody "
                        "agreed. You may ask the person by text: “Ask for consent”."
                    )
                )
            if not (self.wording or "").strip():
                raise UserError(
                    self.env._(
                        "“Exact words” is empty: write what the person agreed to, "
                        "because it is the proof."
                    )
                )
        values = [
            {
                "number": partner.mobile or partner.phone_sanitized,
                "partner_id": partner.id,
                "act": self.act,
                "scope": self.scope,
                "method": self.method,
                "at": self.at,
                "wording": self.wording,
                "note": self.note,
                "company_id": partner.company_id.id or self.env.company.id,
            }
            for partner in self.partner_ids
            if partner.mobile or partner.phone_sanitized
        ]
        if not values:
            raise UserError(
                self.env._("None of these contacts has a number to record it for.")
            )
        self.env["sms.consent"]._record_many(values)
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._("Recorded for %s contact(s).", len(values)),
                "next": {"type": "ir.actions.act_window_close"},
            },
        }
