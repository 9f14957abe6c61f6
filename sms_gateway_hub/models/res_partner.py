# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models


class ResPartner(models.Model):
    _inherit = "res.partner"

    # Each incoming text looks its contact up by number.
    phone_sanitized = fields.Char(index="btree_not_null")
    sms_gateway_message_ids = fields.One2many(
        "sms.gateway.message",
        "partner_id",
        "SMS",
        readonly=True,
        groups="sms_gateway_hub.group_user",
    )
    sms_gateway_message_count = fields.Integer(
        "SMS count",
        compute="_compute_sms_gateway_message_count",
        groups="sms_gateway_hub.group_user",
    )

    def _compute_sms_gateway_message_count(self):
        counts = dict(
            self.env["sms.gateway.message"]._read_group(
                [("partner_id", "in", self.ids)], ["partner_id"], ["__count"]
            )
        )
        for partner in self:
            partner.sms_gateway_message_count = counts.get(partner._origin, 0)

    def action_open_sms_gateway_messages(self):
        """Open the texts from and to the contact."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "sms_gateway_hub.action_sms_gateway_message"
        )
        action["domain"] = [("partner_id", "=", self.id)]
        action["context"] = {}
        return action

    def action_sms_gateway_compose(self):
        """Open the composer for the selected contacts."""
        return self.env["sms.composer"]._sms_gateway_compose(self)
