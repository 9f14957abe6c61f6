# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import re

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import format_datetime

from .. import const

_E164 = re.compile(const.E164_PATTERN)


class SmsConversationContact(models.TransientModel):
    """Say who the other side of a conversation is."""

    _name = "sms.conversation.contact"
    _description = "Contact of an SMS Conversation"

    conversation_id = fields.Many2one("sms.conversation", required=True)
    message_id = fields.Many2one("sms.gateway.message", "Text")
    message_body = fields.Text("It says", compute="_compute_message_body")
    from_text = fields.Boolean(
        help="This very text was taken for the wrong person's; otherwise it is about "
        "the conversation."
    )
    number = fields.Char(related="conversation_id.number", related_sudo=False)
    has_number = fields.Boolean(compute="_compute_has_number")
    present_partner_id = fields.Many2one(
        "res.partner", "Taken for", compute="_compute_present"
    )
    present_reason = fields.Char("Why", compute="_compute_present")
    candidate_ids = fields.Many2many(
        "res.partner",
        string="Others with this number",
        compute="_compute_candidate_ids",
    )
    choice = fields.Selection(
        [
            ("contact", "One of our contacts"),
            ("new", "A new contact"),
            ("none", "None of our contacts"),
        ],
        "It is",
        required=True,
        compute="_compute_choice",
        store=True,
        readonly=False,
    )
    partner_id = fields.Many2one(
        "res.partner",
        "Contact",
        compute="_compute_choice",
        store=True,
        readonly=False,
        domain="[('company_id', 'in', [False, company_id])]",
    )
    company_id = fields.Many2one(
        related="conversation_id.company_id", related_sudo=False
    )
    new_name = fields.Char("Name")
    texts = fields.Selection(
        [
            ("all", "This and the earlier texts of the same contact"),
            ("one", "Only this text: the others are right"),
            ("later", "None so far: the number has passed to somebody else"),
        ],
        "Which texts",
        required=True,
        default="all",
        help="The chosen texts move to the right contact, with the answers to them.",
    )
    own_number = fields.Boolean(
        "Later texts, too",
        default=True,
        help="The next texts from this number are taken for the chosen contact's. "
        "Otherwise they go on to whoever is registered for the number.",
    )
    consent_note = fields.Text(compute="_compute_consent_note")

    @api.constrains("conversation_id")
    def _check_conversation_id(self):
        # Odoo shows the name of what a form points at, and checks it as superuser.
        self.conversation_id.sudo(False).check_access("read")

    @api.depends("conversation_id", "message_id")
    def _compute_message_body(self):
        for wizard in self:
            wizard.message_body = wizard._get_message().body

    def _get_message(self):
        """Return the text, in sudo: whoever sees a conversation sees its texts."""
        self.ensure_one()
        conversation = self.conversation_id._origin
        conversation.check_access("read")
        return self.message_id._origin.sudo().filtered_domain(
            conversation._get_message_domain() if conversation else Domain.FALSE
        )

    @api.depends("conversation_id")
    def _compute_has_number(self):
        for wizard in self:
            number = wizard.conversation_id.number
            wizard.has_number = bool(_E164.match(number or ""))

    @api.depends("conversation_id", "message_id", "from_text")
    def _compute_present(self):
        for wizard in self:
            source = (
                wizard._get_message() if wizard.from_text else wizard.conversation_id
            )
            wizard.present_partner_id = source.partner_id
            wizard.present_reason = source.contact_reason

    @api.depends("conversation_id", "present_partner_id")
    def _compute_candidate_ids(self):
        messages = self.env["sms.gateway.message"]
        for wizard in self:
            conversation = wizard.conversation_id
            found = messages.browse().partner_id
            if wizard.has_number:
                found = messages._find_partners(
                    conversation.number, conversation.company_id
                ).with_env(self.env)
            wizard.candidate_ids = (
                found._filtered_access("read") - wizard.present_partner_id
            )

    @api.depends("conversation_id", "candidate_ids")
    def _compute_choice(self):
        for wizard in self:
            wizard.partner_id = wizard.candidate_ids[:1]._origin
            wizard.choice = (
                "contact"
                if wizard.candidate_ids or wizard.present_partner_id
                else "new"
            )

    @api.depends("conversation_id", "present_partner_id", "texts", "message_id")
    def _compute_consent_note(self):
        ledger = self.env["sms.consent"]
        acts = dict(ledger._fields["act"]._description_selection(self.env))
        for wizard in self:
            lines = [
                self.env._(
                    "%(when)s: %(what)s",
                    when=format_datetime(self.env, row.at, dt_format="short"),
                    what=acts[row.act],
                )
                for row in wizard._get_consents()
            ]
            wizard.consent_note = "\n".join(lines)

    def _get_consents(self):
        """Return what the texts in question said about consent, in sudo."""
        self.ensure_one()
        ledger = self.env["sms.consent"].sudo()
        if self.texts == "later" or not self.present_partner_id:
            return ledger
        return ledger.search(
            [
                ("message_id", "in", self._get_texts().ids),
                ("partner_id", "=", self.present_partner_id._origin.id),
            ],
            order="at, id",
        )

    def _get_texts(self):
        """Return the texts to move, in sudo."""
        self.ensure_one()
        messages = self.env["sms.gateway.message"].sudo()
        if self.texts == "later":
            return messages
        if self.texts == "one":
            return self.message_id._origin.sudo()
        return self.conversation_id._origin._get_texts_of(
            self.present_partner_id._origin
        )

    def action_apply(self):
        """Make the chosen contact the other side.

        :raise AccessError: the user may not change a contact, or the conversation
        :raise UserError: what is missing
        """
        self.ensure_one()
        conversation = self.conversation_id
        conversation._check_may_choose_contact(
            self.present_partner_id | self.message_id.sudo().partner_id
        )
        if self.texts == "one":
            self._check_one_text()
        conversation._choose_contact(
            self._get_chosen(),
            texts=self._get_texts(),
            from_now_on=self.texts != "one",
            own_number=self.own_number,
        )
        return {"type": "ir.actions.act_window_close"}

    def _check_one_text(self):
        message = self.message_id.sudo()
        conversation = self.conversation_id
        if (
            message.direction != "incoming"
            or message.number != conversation.number
            or message.company_id
            not in (conversation.company_id, self.env["res.company"])
        ):
            raise UserError(
                self.env._("Choose all texts: there is no single one to move.")
            )

    def _get_chosen(self):
        """Return the chosen contact, made if it is new; none if it is nobody.

        :raise UserError: nobody was chosen
        """
        self.ensure_one()
        partners = self.env["res.partner"]
        if self.choice == "none":
            return partners
        if self.choice == "contact":
            if not self.partner_id:
                raise UserError(self.env._("Choose the contact who it is."))
            if self.partner_id == self.present_partner_id:
                raise UserError(
                    self.env._(
                        "It is taken for %s already: choose somebody else.",
                        self.partner_id.display_name,
                    )
                )
            return self.partner_id
        name = " ".join((self.new_name or "").split())
        if not name:
            raise UserError(self.env._("What is the name of the new contact?"))
        partner = partners.create({"name": name})
        if self.has_number:
            self.env["res.partner.mobile"].create(
                {"partner_id": partner.id, "number": self.number}
            )
        return partner
