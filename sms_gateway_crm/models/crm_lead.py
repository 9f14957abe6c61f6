# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models
from odoo.fields import Domain


class CrmLead(models.Model):
    _inherit = "crm.lead"

    sms_gateway_message_count = fields.Integer(
        "SMS count",
        compute="_compute_sms_gateway_message_count",
        groups="sms_gateway_hub.group_user",
    )

    def _compute_sms_gateway_message_count(self):
        messages = self.env["sms.gateway.message"]
        for lead in self:
            lead.sms_gateway_message_count = (
                messages.search_count(lead._sms_gateway_message_domain())
                if lead.ids
                else 0
            )

    def _sms_gateway_message_domain(self):
        """Return the domain of the lead's texts and those of its contact."""
        self.ensure_one()
        domain = Domain("res_model", "=", self._name) & Domain("res_id", "in", self.ids)
        if self.partner_id:
            domain |= Domain("partner_id", "=", self.partner_id.id)
        return domain

    def action_sms_gateway_compose(self):
        """Open the composer for the selected leads."""
        return self.env["sms.composer"]._sms_gateway_compose(self)

    def action_open_sms_gateway_messages(self):
        """Open the lead's texts and those of its contact."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "sms_gateway_hub.action_sms_gateway_message"
        )
        action["domain"] = list(self._sms_gateway_message_domain())
        action["context"] = {}
        return action
