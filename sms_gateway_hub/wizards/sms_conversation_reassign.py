# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models


class SmsConversationReassign(models.TransientModel):
    """Hand one or many conversations over."""

    _name = "sms.conversation.reassign"
    _description = "Hand over SMS Conversations"

    conversation_ids = fields.Many2many("sms.conversation")
    user_id = fields.Many2one("res.users", "New owner")
    note = fields.Text("Note to the new owner")
