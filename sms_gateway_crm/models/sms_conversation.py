# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models
from odoo.fields import Domain


class SmsConversation(models.Model):
    """Conversations are about leads."""

    _inherit = "sms.conversation"

    # Asked for whenever a lead is merged, deleted or gets its contact.
    _crm_lead_index = models.Index("(res_id) WHERE res_model = 'crm.lead'")

    # ------------------------------------------------------------------
    # Leads found and made
    # ------------------------------------------------------------------

    def _find_document(self, message):
        """Return the open lead: the one so far, else the one moved last."""
        return super()._find_document(message) or self._find_lead(message) or None

    def _find_lead(self, message):
        """Return the open lead that a text is about.

        :param message: sms.gateway.message, incoming
        :return: crm.lead, at most one
        """
        self.ensure_one()
        leads = self.env["crm.lead"].sudo()
        known = self.res_id if self.res_model == leads._name else 0
        partner = message.partner_id
        whose = Domain("id", "=", known)
        if self.can_answer:
            whose |= Domain("phone_sanitized", "=", self.number)
        if partner:
            # The number alone does not make the lead of another contact theirs.
            whose &= Domain("partner_id", "=", False)
            whose |= Domain("partner_id", "=", partner.id)
        elif self.contact_by_hand:
            whose &= Domain("partner_id", "=", False)
        found = leads.search(
            whose
            & Domain("won_status", "=", "pending")
            & Domain("company_id", "in", (self.company_id.id, False)),
            order="date_last_stage_update desc, id desc",
            limit=200,
        )
        return found.filtered(lambda lead: lead.id == known) or found[:1]

    def _make_document(self, message):
        """Make a lead of a text where the gateway says so."""
        document = super()._make_document(message)
        if document or not self._wants_lead(message):
            return document
        # The text and whoever shall answer it matter more than a lead that fails.
        return self._apart(self._make_lead, message)

    def _wants_lead(self, message):
        """Say whether a lead is to be made: never of the texts of services."""
        policy = message.gateway_id.crm_lead_policy
        return self.can_answer and (
            policy == "all" or (policy == "unknown" and not message.partner_id)
        )

    def _make_lead(self, message):
        """Make a lead of a text; its salesperson is whoever gets the conversation.

        :param message: sms.gateway.message, incoming
        :return: crm.lead
        """
        self.ensure_one()
        # The text's number is no reason to change the number of the contact.
        leads = (
            self.env["crm.lead"]
            .sudo()
            .with_company(self.company_id)
            .with_context(mail_create_nosubscribe=True, sms_gateway_keep_phone=True)
        )
        return leads.create(self._prepare_lead_values(message))

    def _prepare_lead_values(self, message):
        """Return the values of a lead that is made of a text."""
        gateway = message.gateway_id
        partner = message.partner_id
        companies = (self.company_id, self.env["res.company"])
        team = gateway.crm_team_id.filtered(
            lambda team: team.active and team.company_id in companies
        )
        uses_leads = self.env.ref("base.group_user").all_implied_ids & self.env.ref(
            "crm.group_use_lead"
        )
        return {
            "name": self.env._("SMS from %s", partner.display_name or self.number),
            "type": gateway.crm_lead_type or ("lead" if uses_leads else "opportunity"),
            "partner_id": partner.id,
            "phone": self.number,
            "user_id": False,
            "team_id": team.id,
            "company_id": self.company_id.id,
            "tag_ids": gateway.crm_tag_ids.ids,
            "source_id": gateway.crm_source_id.id,
            "description": self.env["sms.sms"]._sms_gateway_to_html(message.body),
        }

    @api.model
    def _erase(self, number):
        """Take what texts wrote into leads that were made of them out of these, too."""
        leads = self.env["crm.lead"].sudo()
        messages = self.env["sms.gateway.message"].sudo()
        description = leads._fields["description"]
        for message in messages.search(
            [
                ("number", "=", number),
                ("direction", "=", "incoming"),
                ("res_model", "=", leads._name),
            ]
        ):
            lead = leads.browse(message.res_id).exists()
            html = self.env["sms.sms"]._sms_gateway_to_html(message.body)
            if lead and lead.description == description.convert_to_cache(html, lead):
                # Neither the lead's chatter nor its contact learns of it.
                lead.with_context(
                    tracking_disable=True, sms_gateway_keep_phone=True
                ).write(
                    {
                        "name": lead.name.replace(number, self.env._("[erased]")),
                        "phone": False
                        if lead.phone_sanitized == number
                        else lead.phone,
                        "description": False,
                    }
                )
        return super()._erase(number)

    # ------------------------------------------------------------------
    # Owners
    # ------------------------------------------------------------------

    def _get_open_lead(self):
        """Return the lead that the conversation is about, while it is open."""
        self.ensure_one()
        leads = self.env["crm.lead"].sudo()
        if self.res_model != leads._name or not self.res_id:
            return leads
        return (
            leads.browse(self.res_id)
            .exists()
            .filtered(lambda lead: lead.won_status == "pending")
        )

    def _get_document_owners(self, message):
        lead = self._get_open_lead()
        if lead:
            yield lead.user_id, self.env._("Salesperson of the lead “%s”", lead.name)
        yield from super()._get_document_owners(message)

    def _get_subject(self):
        """Leave a lead out that the owner may not see: they could not open it."""
        subject = super()._get_subject()
        if subject._name != "crm.lead" or not self.user_id:
            return subject
        owner = self.user_id.sudo()
        lead = subject.with_user(owner).with_context(
            allowed_company_ids=owner.company_ids.ids
        )
        return subject if lead.has_access("read") else self.partner_id or self

    def _take_in(self, message):
        res = super()._take_in(message)
        self._give_lead()
        return res

    def _reassign(self, user, note=None):
        res = super()._reassign(user, note=note)
        for conversation in self.sudo():
            conversation._give_lead()
        return res

    def _give_lead(self):
        """Give a lead that has no salesperson to the owner of the conversation."""
        self.ensure_one()
        lead = self._get_open_lead()
        if not lead or lead.user_id or not self.user_id:
            return
        values = {"user_id": self.user_id.id}
        if lead.team_id:
            values["team_id"] = lead.team_id.id
        # They are told of the text already.
        lead = lead.with_context(mail_auto_subscribe_no_notify=True)
        self._apart(lead.write, values)
