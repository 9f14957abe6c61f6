# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.fields import Domain

from odoo.addons.sms_gateway_hub import const


class CrmLead(models.Model):
    _inherit = "crm.lead"

    sms_gateway_message_count = fields.Integer(
        "SMS count",
        compute="_compute_sms_gateway_message_count",
        groups="sms_gateway_hub.group_user",
    )
    sms_gateway_conversation_id = fields.Many2one(
        "sms.conversation",
        "SMS conversation",
        compute="_compute_sms_gateway_conversation_id",
        groups="sms_gateway_hub.group_user",
        help="The thread about this lead, else that with its number.",
    )

    def _compute_sms_gateway_message_count(self):
        messages = self.env["sms.gateway.message"]
        for lead in self:
            lead.sms_gateway_message_count = (
                messages.search_count(lead._sms_gateway_message_domain())
                if lead.ids
                else 0
            )

    @api.depends("phone_sanitized")
    def _compute_sms_gateway_conversation_id(self):
        conversations = self.env["sms.conversation"].search(
            [
                "|",
                "&",
                ("res_model", "=", self._name),
                ("res_id", "in", self.ids),
                (
                    "number",
                    "in",
                    self.filtered("phone_sanitized").mapped("phone_sanitized"),
                ),
            ]
        )
        linked = conversations.filtered(lambda c: c.res_model == self._name)
        by_lead = linked.grouped("res_id")
        by_number = conversations.grouped("number")
        for lead in self:
            found = by_lead.get(lead._origin.id) or by_number.get(lead.phone_sanitized)
            lead.sms_gateway_conversation_id = found and found[:1]

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

    def action_open_sms_gateway_conversation(self):
        """Open the conversation about the lead, else that with its number."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "sms.conversation",
            "res_id": self.sms_gateway_conversation_id.id,
            "views": [(False, "form")],
        }

    # ------------------------------------------------------------------
    # Conversations
    # ------------------------------------------------------------------

    def write(self, vals):
        res = super().write(vals)
        if vals.get("partner_id"):
            self._sms_gateway_set_contact()
        return res

    def unlink(self):
        """Let conversations go on with the contact; what waits still waits."""
        conversations = self._sms_gateway_get_conversations()
        conversations.write({"res_model": False, "res_id": False})
        res = super().unlink()
        for conversation in conversations:
            if conversation.state == "to_answer":
                conversation._schedule_answer()
        return res

    def _sms_gateway_get_conversations(self):
        """Return the conversations that are about these leads."""
        return (
            self.env["sms.conversation"]
            .sudo()
            .search([("res_model", "=", self._name), ("res_id", "in", self.ids)])
        )

    def _sms_gateway_set_contact(self):
        """Make the contact of the lead that of a conversation that has none."""
        for conversation in self._sms_gateway_get_conversations():
            lead = self.browse(conversation.res_id)
            company = lead.partner_id.company_id
            if (
                not conversation.partner_id
                and not conversation.contact_by_hand
                and company in (conversation.company_id, company.browse())
            ):
                conversation.write(
                    {
                        "partner_id": lead.partner_id.id,
                        "contact_reason": self.env._("Contact of the lead"),
                    }
                )

    def _message_sms(self, *args, **kwargs):
        """Show a text to a lead in the chatter of its contact, too."""
        mail_message = super()._message_sms(*args, **kwargs)
        for message in mail_message.sudo().sms_gateway_message_ids:
            if message.partner_id and message.state not in const.RETRYABLE_STATES:
                message._log_on(message.partner_id)
        return mail_message

    def _merge_dependences(self, opportunities):
        """Move texts and conversations to the lead that stays."""
        res = super()._merge_dependences(opportunities)
        messages = self.env["sms.gateway.message"].sudo()
        messages.search(
            [("res_model", "=", self._name), ("res_id", "in", opportunities.ids)]
        ).write({"res_id": self.id})
        opportunities._sms_gateway_get_conversations().write({"res_id": self.id})
        return res

    def _get_partner_phone_update(self, force_void=True):
        if self.env.context.get("sms_gateway_keep_phone"):
            return False
        return super()._get_partner_phone_update(force_void=force_void)
