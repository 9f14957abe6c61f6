# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models


class SmsReplyLink(models.Model):
    """A link to the reply page: for one user and one conversation, for a time."""

    _name = "sms.reply.link"
    _description = "SMS Reply Link"
    _order = "id desc"

    conversation_id = fields.Many2one(
        "sms.conversation", required=True, readonly=True, index=True, ondelete="cascade"
    )
    user_id = fields.Many2one(
        "res.users", required=True, readonly=True, index=True, ondelete="cascade"
    )
    expires_at = fields.Datetime(required=True, readonly=True)
    revoked_at = fields.Datetime(readonly=True)
    used_at = fields.Datetime("Last used on", readonly=True)

    @api.model
    def _get_for(self, conversation, user):
        """Return the user's valid link of a conversation, a new one if need be."""

    def _get_url(self):
        """Return the address of the reply page."""

    def _revoke(self):
        """End links at once."""
