# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models


class SmsConversationContact(models.TransientModel):
    """Say who the other side of a conversation is."""

    _name = "sms.conversation.contact"
    _description = "Contact of an SMS Conversation"

    conversation_id = fields.Many2one("sms.conversation")
