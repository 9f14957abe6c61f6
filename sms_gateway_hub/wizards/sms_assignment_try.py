# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models

from ..tools import keywords


class SmsAssignmentTry(models.TransientModel):
    """Say whose a text would be, and why, without one coming in."""

    _name = "sms.assignment.try"
    _description = "Try SMS assignment rules"

    gateway_id = fields.Many2one(
        "sms.gateway",
        required=True,
        default=lambda self: self.env["sms.gateway"].search(
            [("state", "!=", "disabled")], limit=1
        ),
        help="The text comes in through it.",
    )
    number = fields.Char(help="The text comes from it.")
    body = fields.Text("Text")
    partner_id = fields.Many2one("res.partner", "Contact", compute="_compute_owner")
    keyword_id = fields.Many2one("sms.keyword", "Own word", compute="_compute_owner")
    rule_id = fields.Many2one("sms.assignment.rule", compute="_compute_owner")
    user_id = fields.Many2one("res.users", "Owner", compute="_compute_owner")
    reason = fields.Char("Why", compute="_compute_owner")

    @api.constrains("gateway_id")
    def _check_gateway_id(self):
        # Odoo shows the name of what a form points at, and checks it as superuser.
        self.gateway_id.sudo(False).check_access("read")

    @api.depends("gateway_id", "number", "body")
    def _compute_owner(self):
        for attempt in self:
            attempt.update(attempt._try())

    def _try(self):
        """Return the values that follow of the gateway, the number and the text."""
        self.ensure_one()
        nothing = dict.fromkeys(
            ("partner_id", "keyword_id", "rule_id", "user_id", "reason"), False
        )
        if not self.gateway_id or not self.number:
            return nothing
        company = self.gateway_id.company_id or self.env.company
        number = (
            self.env["res.partner"]._phone_format(
                number=self.number, country=company.country_id, force_format="E164"
            )
            or self.number
        )
        messages = self.env["sms.gateway.message"].sudo()
        partner, _how = messages._find_contact(self.gateway_id, number, company)
        keyword = self.env["sms.keyword"]._match(self.body, self.gateway_id, company)
        if keyword.family != "own" or keywords.reads_like_refusal(self.body):
            keyword = keyword.browse()
        message = messages.new(
            {
                "direction": "incoming",
                "gateway_id": self.gateway_id.id,
                "number": number,
                "body": self.body,
                "partner_id": partner.id,
                "keyword_id": keyword.id,
                "company_id": company.id,
            }
        )
        # Nobody loses the turn by it.
        conversation = (
            self.env["sms.conversation"]
            .sudo()
            .with_context(sms_gateway_try=True)
            .new(
                {
                    "number": number,
                    "company_id": company.id,
                    "partner_id": partner.id,
                    "gateway_id": self.gateway_id.id,
                }
            )
        )
        rule, user, reason = conversation._decide_owner(message)
        return {
            "partner_id": partner.id,
            "keyword_id": keyword.id,
            "rule_id": rule.id,
            "user_id": user.id,
            "reason": reason,
        }
