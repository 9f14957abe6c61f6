# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import api, fields, models

from .. import const

_KEEP_DAYS = 90


class SmsGatewayAttempt(models.Model):
    """One try to hand a message to its gateway: append only, kept for a while.

    The sender writes it in the statement that stores the outcome.
    """

    _name = "sms.gateway.attempt"
    _description = "SMS sending attempt"
    _inherit = ["sms.text.export"]
    _order = "id desc"
    _log_access = False

    message_id = fields.Many2one(
        "sms.gateway.message", required=True, index=True, ondelete="cascade"
    )
    gateway_id = fields.Many2one("sms.gateway", ondelete="cascade")
    attempt_ref = fields.Char()
    state = fields.Selection(const.MESSAGE_STATES, "Outcome")
    external_ref = fields.Char("Gateway ID")
    provider_code = fields.Char()
    detail = fields.Char()
    started_at = fields.Datetime()
    ended_at = fields.Datetime()
    http_status = fields.Integer("HTTP status")
    excerpt = fields.Text("Answer", help="Beginning of the answer, secrets taken out.")
    late = fields.Boolean(
        help="The outcome came after the lease had been given away: it was logged and "
        "changed nothing."
    )

    @api.autovacuum
    def _gc_attempts(self):
        """Drop attempts after 90 days, a piece at a time; the messages stay."""
        limit = fields.Datetime.now() - timedelta(days=_KEEP_DAYS)
        old = self.search([("ended_at", "<", limit)], limit=10000, order="id")
        old.unlink()
        return len(old), len(old) == 10000
