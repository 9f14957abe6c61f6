# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models

from odoo.addons.mail.tools.discuss import Store


class MailMessage(models.Model):
    _inherit = "mail.message"

    sms_gateway_message_ids = fields.One2many(
        "sms.gateway.message",
        "mail_message_id",
        "SMS",
        readonly=True,
        groups="sms_gateway_hub.group_user",
    )

    def _to_store_defaults(self, target):
        fields_list = super()._to_store_defaults(target)
        if target.is_internal(self.env):
            # Numbers and costs are nothing for the portal's chatter.
            fields_list = fields_list + [self._sms_gateway_to_store()]
        return fields_list

    def _sms_gateway_to_store(self):
        """Return the store field of what the chatter shows under an SMS.

        Whoever may read the chatter message may see what became of its text.
        """
        return Store.Many(
            "sms_gateway_message_ids",
            [
                "state",
                "direction",
                "external_ref",
                "state_at",
                "cost_text",
                "delivered_at",
                "segments",
                "failure_text",
                "number",
                "scheduled_at",
                Store.Attr(
                    "show_number", lambda sms: len(sms.partner_id.mobile_ids) > 1
                ),
                Store.Attr("gateway_name", lambda sms: sms._get_gateway_label()),
                Store.Attr("state_label", lambda sms: sms._get_state_label()),
            ],
            predicate=lambda message: message.message_type == "sms",
            sudo=True,
        )
