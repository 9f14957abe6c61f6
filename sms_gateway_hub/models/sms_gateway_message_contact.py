# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import models
from odoo.exceptions import UserError
from odoo.fields import Domain


class SmsGatewayMessage(models.Model):
    """A text that was taken for the wrong person's."""

    _inherit = "sms.gateway.message"  # pylint: disable=consider-merging-classes-inherited

    def _get_redirect_suggested_company(self):
        """Send nobody to a company that they are in: the client would go in circles."""
        return super()._get_redirect_suggested_company() - self.env.companies

    def action_not_this_person(self):
        """Open the window that says who wrote this text.

        :raise AccessError: the conversation is somebody else's
        :raise UserError: it is a text of ours, or belongs to no conversation
        """
        self.ensure_one()
        self.check_access("read")
        conversation = self.conversation_id or self.env["sms.conversation"]._find(
            self.number, self.company_id
        ).with_env(self.env)
        if self.direction != "incoming" or not conversation:
            raise UserError(
                self.env._("Only incoming texts can be taken for the wrong person's.")
            )
        return conversation._open_contact_wizard(self, from_text=True)

    def action_open_conversation(self):
        """Open the conversation that the text belongs to."""
        self.ensure_one()
        self.check_access("read")
        conversation = self.conversation_id
        conversation.check_access("read")
        return {
            "type": "ir.actions.act_window",
            "res_model": "sms.conversation",
            "res_id": conversation.id,
            "views": [(False, "form")],
        }

    def _move_to_contact(self, partner, reason):
        """Make texts those of another contact, in the chatter too, in sudo.

        :param partner: res.partner, or none
        :param str reason: why this contact, in words
        """
        touched = set()
        chatter_ids = set()
        for message in self:
            old = message.partner_id
            shown = message._find_in_chatter(old)
            of_contact = message.res_model == "res.partner" or not message.res_id
            values = {"partner_id": partner.id}
            if message.direction == "incoming":
                values["contact_reason"] = reason
            if of_contact:
                values["res_model"] = partner and "res.partner"
                values["res_id"] = partner.id
            author = {}
            if message.direction == "incoming":
                author = {
                    "author_id": partner.id,
                    "email_from": partner.email_formatted,
                }
            if partner and shown:
                shown.write({"model": "res.partner", "res_id": partner.id, **author})
            elif partner:
                shown = message._log_on(partner).sudo()
                shown.write({"date": message.create_date, **author})
            else:
                shown.unlink()
            if of_contact:
                values["mail_message_id"] = shown.exists().id
            elif message.mail_message_id:
                message.mail_message_id.write(author)
            message.write(values)
            chatter_ids.update(shown.exists().ids)
            touched.update(("res.partner", contact.id) for contact in old | partner)
        self._notify_screens(chatter_ids, sorted(touched))

    def _find_in_chatter(self, partner):
        """Return what shows this text in the chatter of its contact, in sudo.

        Of a text that a document shows, too, the contact's is a copy without a link:
        it was written, or is dated, in the same moment.
        """
        self.ensure_one()
        mail = self.mail_message_id.sudo()
        if not partner:
            return mail.browse()
        if mail and (mail.model, mail.res_id) == ("res.partner", partner.id):
            return mail
        body = mail.body or mail._fields["body"].convert_to_column(
            self.env["sms.sms"]._sms_gateway_to_html(self.body), mail
        )
        second = timedelta(seconds=1)
        # What was logged or moved is dated back.
        moment = Domain.OR(
            Domain(name, ">=", self.create_date - second)
            & Domain(name, "<=", self.create_date + second)
            for name in ("create_date", "date")
        )
        return mail.search(
            Domain("model", "=", "res.partner")
            & Domain("res_id", "=", partner.id)
            & Domain("message_type", "=", "sms")
            & Domain("body", "=", body)
            & moment,
            order="id",
            limit=1,
        )
