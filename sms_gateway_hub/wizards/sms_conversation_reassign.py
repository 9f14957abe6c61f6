# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models


class SmsConversationReassign(models.TransientModel):
    """Hand one or many conversations over."""

    _name = "sms.conversation.reassign"
    _description = "Hand over SMS Conversations"

    conversation_ids = fields.Many2many(
        "sms.conversation", string="Conversations", required=True
    )
    conversation_count = fields.Integer(compute="_compute_conversations")
    to_answer_count = fields.Integer(compute="_compute_conversations")
    company_ids = fields.Many2many("res.company", compute="_compute_conversations")
    user_id = fields.Many2one(
        "res.users",
        "New owner",
        domain="[('share', '=', False), ('company_ids', 'in', company_ids)]",
        required=True,
        help="Gets the open activities, and is told.",
    )
    note = fields.Text(
        "Note to the new owner",
        help="It comes with the e-mail, and is kept with the conversation. The person "
        "who wrote does not see it.",
    )

    @api.depends("conversation_ids")
    def _compute_conversations(self):
        for wizard in self:
            conversations = wizard.conversation_ids
            wizard.conversation_count = len(conversations)
            wizard.to_answer_count = len(
                conversations.filtered(lambda c: c.state == "to_answer")
            )
            wizard.company_ids = conversations.company_id

    def action_reassign(self):
        """Hand the conversations over.

        :raise AccessError: one of them is somebody else's
        :raise UserError: the new owner cannot answer one of them
        """
        self.ensure_one()
        conversations = self.conversation_ids
        conversations.check_access("write")
        conversations._reassign(self.user_id, note=(self.note or "").strip() or None)
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._("Handed over to %s.", self.user_id.name)
                if len(conversations) == 1
                else self.env._(
                    "%(count)s conversations handed over to %(user)s.",
                    count=len(conversations),
                    user=self.user_id.name,
                ),
                "next": {"type": "ir.actions.act_window_close"},
            },
        }
