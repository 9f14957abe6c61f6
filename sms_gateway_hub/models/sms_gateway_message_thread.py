# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.fields import Domain


class SmsGatewayMessage(models.Model):
    """A text as part of a conversation."""

    _inherit = "sms.gateway.message"  # pylint: disable=consider-merging-classes-inherited

    conversation_id = fields.Many2one(
        "sms.conversation",
        compute="_compute_conversation_id",
        search="_search_conversation_id",
    )
    contact_reason = fields.Char(
        "Why this contact",
        readonly=True,
        help="How the contact of an incoming text was found by its number.",
    )
    keyword_id = fields.Many2one(
        "sms.keyword",
        "Own word",
        readonly=True,
        ondelete="set null",
        help="The organisation's own word that the incoming text is, or begins with.",
    )
    owner_id = fields.Many2one(
        "res.users",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="Whose it was to answer this text.",
    )
    answered_at = fields.Datetime("Answered on", readonly=True)
    answered_by_id = fields.Many2one(
        "res.users", "Answered by", readonly=True, ondelete="set null"
    )
    answer_time_h = fields.Float(
        "Answer time",
        readonly=True,
        aggregator="avg",
        help="Hours from the first text that nobody had answered to the answer.",
    )

    @api.depends("number", "company_id")
    def _compute_conversation_id(self):
        keys = {
            message: message._get_conversation_key()
            for message in self
            if message.number
        }
        found = self.env["sms.conversation"]._find_many(keys.values())
        for message in self:
            message.conversation_id = found.get(keys.get(message), False)

    @api.model
    def _search_conversation_id(self, operator, value):
        if operator != "in":
            return NotImplemented
        conversations = self.env["sms.conversation"].browse(
            [conversation_id for conversation_id in value if conversation_id]
        )
        return Domain.OR(
            conversation._get_message_domain() for conversation in conversations
        )

    def _get_conversation_key(self):
        """Return number and id of the company whose conversation a text belongs to."""
        self.ensure_one()
        company = self.company_id or self.sudo().gateway_id._get_answering_company()
        return self.number, company.id

    def _needs_answer(self):
        """Say whether a person shall answer this incoming text."""
        self.ensure_one()
        if self.env["sms.consent"]._is_our_own(self.number):
            # Our own texts that come back to us.
            return False
        if not self.keyword_family:
            return True
        return self.keyword_family == "own" and self.keyword_id.needs_answer

    def _note_answered(self, answer):
        """Note when and by whom this incoming text was answered.

        :param answer: sms.gateway.message, outgoing, or none: it is unanswered again
        """
        self.ensure_one()
        values = {"answered_at": False, "answered_by_id": False, "answer_time_h": 0.0}
        if answer:
            waited = answer.create_date - self.create_date
            values = {
                "answered_at": answer.create_date,
                "answered_by_id": answer.author_id.id,
                "answer_time_h": max(waited.total_seconds(), 0.0) / 3600,
            }
            answer.sudo().answers_id = self
        self.sudo().write(values)

    def _to_thread(self):
        """Return what a thread shows of this text: plain values, the text unescaped.

        :return: dict; ``date`` is UTC, as Odoo writes it
        """
        self.ensure_one()
        return {
            "id": self.id,
            "direction": self.direction,
            "body": self.body or "",
            "date": fields.Datetime.to_string(self.create_date),
            "author": self.author_id.name
            if self.direction == "outgoing" and self.author_id
            else False,
            "kind": self.kind,
            "state": self.state,
            "state_label": self._get_state_label(),
            "failure": self.failure_text or False,
            "gateway": self._get_gateway_label() or False,
            "contact": self.partner_id.display_name or False,
            "mail_message_id": self.mail_message_id.id,
        }
