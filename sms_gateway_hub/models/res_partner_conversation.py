# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models


class ResPartner(models.Model):
    """The way from a contact to its conversations."""

    _inherit = "res.partner"  # pylint: disable=consider-merging-classes-inherited

    sms_conversation_ids = fields.One2many(
        "sms.conversation",
        "partner_id",
        "SMS conversations",
        readonly=True,
        groups="sms_gateway_hub.group_user",
    )

    def action_open_sms_conversations(self):
        """Open the conversation with a contact, or the list of them."""
        self.ensure_one()
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "sms_gateway_hub.action_sms_conversation"
        )
        conversations = self.env["sms.conversation"].search(
            [("partner_id", "=", self.id)], limit=2
        )
        action["context"] = {}
        action["domain"] = [("partner_id", "=", self.id)]
        if len(conversations) == 1:
            action["views"] = [(False, "form")]
            action["res_id"] = conversations.id
        return action
