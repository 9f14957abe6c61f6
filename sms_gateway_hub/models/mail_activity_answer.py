# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models

from odoo.addons.mail.tools.discuss import Store

_TYPES = (
    "sms_gateway_hub.mail_activity_type_answer",
    "sms_gateway_hub.mail_activity_type_overdue",
)


class MailActivity(models.Model):
    """From the activity "Answer SMS" one gets to where the answer is written."""

    _inherit = "mail.activity"  # pylint: disable=consider-merging-classes-inherited

    sms_gateway_conversation_id = fields.Many2one(
        "sms.conversation",
        "SMS conversation",
        compute="_compute_sms_gateway_conversation_id",
    )

    @api.depends("activity_type_id")
    @api.depends_context("uid")
    def _compute_sms_gateway_conversation_id(self):
        """Find what is to be answered, as far as the user may read it."""
        self.sms_gateway_conversation_id = False
        to_id = self.env["ir.model.data"]._xmlid_to_res_id
        types = {to_id(xmlid, raise_if_not_found=False) for xmlid in _TYPES}
        ours = self.filtered(lambda activity: activity.activity_type_id.id in types)
        conversations = self.env["sms.conversation"]
        if not ours or not conversations.has_access("read"):
            return
        for conversation in conversations.search(
            [
                "|",
                ("answer_activity_id", "in", ours.ids),
                ("overdue_activity_id", "in", ours.ids),
            ]
        ):
            row = conversation.sudo()
            for activity in ours & (row.answer_activity_id | row.overdue_activity_id):
                activity.sms_gateway_conversation_id = conversation

    def _to_store_defaults(self, target):
        return [
            *super()._to_store_defaults(target),
            Store.Attr(
                "sms_gateway_conversation_id",
                lambda activity: activity.sms_gateway_conversation_id.id,
                predicate=lambda activity: activity.sms_gateway_conversation_id,
            ),
        ]
