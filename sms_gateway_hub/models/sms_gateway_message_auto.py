# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import re
from datetime import timedelta

from odoo import fields, models
from odoo.fields import Domain

from .. import const
from ..tools import keywords

_logger = logging.getLogger(__name__)

_E164 = re.compile(const.E164_PATTERN)


class SmsGatewayMessage(models.Model):
    """Automatic answers to incoming texts."""

    _inherit = "sms.gateway.message"

    exempt = fields.Selection(
        selection_add=[
            ("word", "Answer to an own word"),
            ("away", "Answer outside office hours"),
        ],
        help="The one answer to STOP or HELP leaves in spite of a refusal. The question "
        "for consent and automatic answers to texts leave without consent on record, "
        "but never in spite of a refusal.",
    )

    def _auto_reply(self):
        """Answer an incoming text by itself: own words, and outside office hours.

        One text gets one answer: that of its own word comes first. Nothing of the
        text, nor of whoever seems to have sent it, gets into the answer: a number is
        no proof of who writes.

        :return: sms.gateway.message, the answer, none where there is none to give
        """
        self.ensure_one()
        answers = self.browse()
        if not self._may_auto_reply():
            return answers
        kind, body = self._get_auto_reply()
        if not body or self._count_automatic_answers() >= const.ANSWERS_PER_H:
            return answers
        values = self._prepare_auto_reply(kind, body)
        # What may not leave, or not now, is not worth a line in the thread.
        [(state, failure_type, _reason, hold, _count)] = self._preview_bulk([values])
        if state != "queued" or hold:
            _logger.debug(
                "Message %s is not answered by itself: %s", self.id, failure_type
            )
            return answers
        answers = self._enqueue([values])
        answers._log_in_chatter()
        return answers

    def _may_auto_reply(self):
        """Say whether an incoming text may be answered by itself.

        Services text from names and short codes, our own gateways from their numbers:
        machines that might answer in turn. Families other than own words have answers
        of their own, and who may be refusing gets none.
        """
        self.ensure_one()
        return (
            self.direction == "incoming"
            and self.keyword_family in (False, "own")
            and bool(_E164.match(self.number or ""))
            and not self.env["sms.consent"]._is_our_own(self.number)
            and not keywords.reads_like_refusal(self.body or "")
        )

    def _get_auto_reply(self):
        """Return what answers an incoming text.

        :return: tuple of the kind, "word" or "away", and the words, maybe empty
        """
        self.ensure_one()
        gateway = self.gateway_id
        company = self._get_answering_company()
        if self.keyword_id and (
            body := self.keyword_id._get_answer(self.partner_id, gateway, company)
        ):
            return "word", body
        if (
            gateway.away_reply
            and self._needs_answer()
            and not gateway._is_open()
            and not self._was_told_away()
        ):
            return "away", gateway._get_answer("away", self.partner_id.lang, company)
        return "away", ""

    def _get_answering_company(self):
        return self.company_id or self.gateway_id.company_id or self.env.company

    def _was_told_away(self):
        since = fields.Datetime.now() - timedelta(hours=const.AWAY_AGAIN_H)
        return bool(
            self.sudo().search_count(
                [
                    ("number", "=", self.number),
                    ("exempt", "=", "away"),
                    ("create_date", ">=", since),
                ],
                limit=1,
            )
        )

    def _count_automatic_answers(self):
        """Return how many automatic answers the number got within the last hour."""
        self.ensure_one()
        since = fields.Datetime.now() - timedelta(hours=1)
        return self.sudo().search_count(
            Domain("number", "=", self.number)
            & Domain("kind", "=", "automatic")
            & Domain("create_date", ">=", since)
            & (Domain("exempt", "=", "answer") | Domain("answers_id", "!=", False))
        )

    def _prepare_auto_reply(self, kind, body):
        self.ensure_one()
        return {
            "gateway_id": self.gateway_id.id,
            "gateway_fixed": True,
            "kind": "automatic",
            "exempt": kind,
            "purpose": "transactional",
            "priority": const.PRIORITY_HIGH,
            # Whoever texts is awake, and tomorrow the answer is of no use.
            "urgent": True,
            "number": self.number,
            "partner_id": self.partner_id.id,
            "res_model": self.res_model,
            "res_id": self.res_id,
            "answers_id": self.id,
            "body": body,
            "company_id": self._get_answering_company().id,
            "author_id": self.env.uid,
        }
