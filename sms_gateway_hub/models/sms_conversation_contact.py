# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import re

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain

from .. import const

_E164 = re.compile(const.E164_PATTERN)


class SmsConversation(models.Model):
    """Who the other side of a conversation is, said by a person."""

    _inherit = "sms.conversation"  # pylint: disable=consider-merging-classes-inherited

    may_assign = fields.Boolean(compute="_compute_may_assign")

    @api.depends("user_id")
    @api.depends_context("uid")
    def _compute_may_assign(self):
        is_manager = self.env.user.has_group("sms_gateway_hub.group_manager")
        for conversation in self:
            conversation.may_assign = (
                is_manager
                or not conversation.user_id
                or conversation.user_id == self.env.user
            )

    def _get_redirect_suggested_company(self):
        """Send nobody to a company that they are in: the client would go in circles."""
        return super()._get_redirect_suggested_company() - self.env.companies

    def action_reassign(self):
        """Open the window that hands conversations over.

        :raise AccessError: one of them is somebody else's
        """
        self.check_access("write")
        self._check_may_assign(self.env["res.users"])
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Hand over"),
            "res_model": "sms.conversation.reassign",
            "views": [(False, "form")],
            "target": "new",
            "context": {"default_conversation_ids": self.ids},
        }

    def action_not_this_person(self):
        """Open the window that says who the other side is.

        :raise AccessError: the conversation is somebody else's
        """
        self.ensure_one()
        return self._open_contact_wizard(self._get_last_incoming(), from_text=False)

    def _get_last_incoming(self):
        """Return the last text of the other side, at most one, in sudo."""
        self.ensure_one()
        return (
            self.env["sms.gateway.message"]
            .sudo()
            .search(
                self._get_message_domain() & Domain("direction", "=", "incoming"),
                limit=1,
            )
        )

    def _open_contact_wizard(self, message, *, from_text):
        """Open the window for a text, or for the conversation as such."""
        self.check_access("write")
        self._check_may_assign(self.env["res.users"])
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Who is it?"),
            "res_model": "sms.conversation.contact",
            "views": [(False, "form")],
            "target": "new",
            "context": {
                "default_conversation_id": self.id,
                "default_message_id": message.id,
                "default_from_text": from_text,
            },
        }

    # ------------------------------------------------------------------
    # A contact chosen by hand
    # ------------------------------------------------------------------

    def _check_may_choose_contact(self, partners):
        """Let those choose who may change all contacts that are concerned.

        :param partners: res.partner
        :raise AccessError: a contact, or the conversation, is not theirs to change
        """
        self.check_access("write")
        self._check_may_assign(self.env["res.users"])
        partners.with_env(self.env).check_access("write")

    def _get_texts_of(self, partner):
        """Return the texts that were taken for a contact's, and answers to them.

        What somebody wrote to this very contact is not among them.

        :param partner: res.partner, or none for texts of nobody known
        :return: sms.gateway.message in sudo, oldest first
        """
        self.ensure_one()
        return (
            self.env["sms.gateway.message"]
            .sudo()
            .search(
                self._get_message_domain()
                & Domain("partner_id", "=", partner.id)
                & (
                    Domain("direction", "=", "incoming")
                    | Domain("kind", "in", ("reply", "automatic"))
                ),
                order="id",
            )
        )

    def _choose_contact(self, partner, *, texts, from_now_on=True, own_number=True):
        """Make somebody the other side, with a trace on all concerned.

        :param partner: res.partner, or none: it is none of the contacts
        :param texts: sms.gateway.message that are moved to the contact
        :param bool from_now_on: the conversation is with this contact; otherwise the
            texts alone are moved
        :param bool own_number: later texts of the number are taken for this contact's
        :raise AccessError: see ``_check_may_choose_contact``
        :raise UserError: texts of the number go to a contact that the user may not
            change
        """
        self.ensure_one()
        before = self.partner_id | texts.sudo().partner_id
        self._check_may_choose_contact(before | partner)
        texts = texts.sudo().filtered(lambda text: text.partner_id != partner)
        reason = (
            self.env._("Chosen by %s", self.env.user.name)
            if partner
            else self.env._(
                "%s said that it is none of the contacts", self.env.user.name
            )
        )
        previous = texts.partner_id or self.partner_id
        texts._move_to_contact(partner, reason)
        if from_now_on:
            previous = previous | self.partner_id
            if own_number:
                # A new owner of the number undoes what was chosen before, so first.
                self._own_number(partner)
            self.sudo().write(
                {
                    "partner_id": partner.id,
                    "contact_by_hand": True,
                    "contact_reason": reason,
                }
            )
            self._move_activities()
        self._log_contact_choice(previous - partner, partner, len(texts), from_now_on)
        self.sudo()._notify_screens()

    def _own_number(self, partner):
        """Let later texts of the number be taken for a contact's, or for nobody's.

        :param partner: res.partner, or none
        """
        self.ensure_one()
        if not _E164.match(self.number):
            return
        mobiles = self.env["res.partner.mobile"]
        owners = mobiles.union(
            *(
                owner
                for owner in mobiles._get_owners([self.number])[self.number]
                if mobiles._overlap(self.company_id.id, owner.company_id.id)
            )
        ).filtered(lambda owner: owner.partner_id != partner)
        if not owners.sudo(False).has_access("write"):
            raise UserError(
                self.env._(
                    "Texts of %s go to a contact that you may not change: ask a "
                    "manager of SMS gateways, or choose not to take the number over.",
                    self.number,
                )
            )
        own = mobiles
        if partner:
            own = partner.with_env(self.env).mobile_ids.filtered(
                lambda mobile: mobile.number_e164 == self.number
            )
            if (
                own
                and owners
                and self.env.user.has_group("sms_gateway_hub.group_manager")
            ):
                own.action_take_over()
                return
        # Whoever may change the other contact could as well remove its number.
        owners.sudo()._release_ownership()
        if partner and not own:
            own = mobiles.create({"partner_id": partner.id, "number": self.number})
        if own and not own.is_owner:
            own.action_register()

    def _move_activities(self):
        """Let the open activities be those of the right contact or document."""
        self.ensure_one()
        conversation = self.sudo()
        subject = conversation._get_subject()
        activities = conversation.answer_activity_id | conversation.overdue_activity_id
        for activity in activities:
            if (activity.res_model, activity.res_id) != (subject._name, subject.id):
                activity.write(
                    {
                        "res_model_id": self.env["ir.model"]._get_id(subject._name),
                        "res_id": subject.id,
                    }
                )
        if conversation.answer_activity_id:
            conversation.answer_activity_id.summary = conversation.display_name

    def _log_contact_choice(self, before, partner, count, from_now_on):
        """Note on the contacts and here who moved texts, and from whom to whom."""
        self.ensure_one()

        def name_for(reader, who):
            """Return how a contact may be called on the page of another one."""
            company = who.company_id
            if reader._name == "res.partner" and company not in (
                reader.company_id,
                company.browse(),
            ):
                return self.env._("another contact")
            return who.display_name

        for record in [*before, *partner, self]:
            names = {
                "user": self.env.user.name,
                "number": self.number,
                "old": ", ".join(name_for(record, who) for who in before),
                "new": name_for(record, partner) if partner else "",
                "count": count,
            }
            record.sudo()._message_log(
                body=self._get_contact_note(names, from_now_on),
                author_id=self.env.user.partner_id.id,
            )

    def _get_contact_note(self, names, from_now_on):
        """Return the sentence that tells who it is, as somebody said."""
        if not from_now_on and names["old"] and names["new"]:
            return self.env._(
                "%(user)s says that one text from %(number)s is from %(new)s, not from "
                "%(old)s. Only this text was moved.",
                **names,
            )
        if not from_now_on:
            return (
                self.env._(
                    "%(user)s says that one text from %(number)s is not from %(old)s. "
                    "Only this text was moved.",
                    **names,
                )
                if names["old"]
                else self.env._(
                    "%(user)s says that one text from %(number)s is from %(new)s. Only "
                    "this text was moved.",
                    **names,
                )
            )
        if not names["new"]:
            return self.env._(
                "%(user)s says that texts from %(number)s are not from %(old)s, but "
                "from none of our contacts. Texts moved: %(count)s.",
                **names,
            )
        if not names["old"]:
            return self.env._(
                "%(user)s says that texts from %(number)s are from %(new)s. Texts "
                "moved: %(count)s.",
                **names,
            )
        return self.env._(
            "%(user)s says that texts from %(number)s are from %(new)s, not from "
            "%(old)s. Texts moved: %(count)s.",
            **names,
        )
