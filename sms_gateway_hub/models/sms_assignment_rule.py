# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models


class SmsAssignmentRule(models.Model):
    """Whose an incoming text is: the first rule that fits decides."""

    _name = "sms.assignment.rule"
    _description = "SMS Assignment Rule"
    _order = "sequence, id"

    name = fields.Char(required=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one("res.company")

    @api.model
    def _find_owner(self, conversation, message):
        """Return the owner that the first fitting rule gives.

        :param conversation: sms.conversation, one
        :param message: sms.gateway.message, one, incoming
        :return: tuple of the rule, the res.users and the reason in words; the first
            two are empty where no rule fits or none of its users can answer
        """
        return self, self.env["res.users"], ""
