# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Texts that are logged by hand."""

from datetime import datetime, timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form

from ..tools.gateway_data import InboundMessage
from .common import NUMBERS, SmsGatewayCase

TEAM = "base.group_user,base.group_partner_manager"


class TestSmsLog(SmsGatewayCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ann = cls.new_user("ann", TEAM)
        cls.now = fields.Datetime.now().replace(microsecond=0)

    def log(self, user=None, **values):
        """Log a text as a user does, with the contact of the test."""
        wizard = (
            self.env["sms.log"]
            .with_user(user or self.ann)
            .create({"partner_id": self.partner.id, "body": "Hello", **values})
        )
        wizard.action_log()
        return self.messages_of([("kind", "=", "logged")])[-1:]

    def conversation(self, number=NUMBERS[0]):
        return self.env["sms.conversation"]._find(number, self.env.company)

    def receive(self):
        self.env["sms.gateway.message"]._receive(
            self.gateway,
            InboundMessage(event_key="1", number=NUMBERS[0], body="Are you there?"),
        )
        return self.conversation()

    def test_what_is_logged(self):
        """A message without gateway, of its user, at the time that was said."""
        at = self.now - timedelta(days=1)
        for label, direction, state, author in [
            ("out", "outgoing", "sent", self.ann.partner_id),
            ("in", "incoming", "received", self.partner),
        ]:
            with self.row(label):
                message = self.log(direction=direction, at=at)
                self.assertFields(
                    message,
                    {
                        "direction": direction,
                        "state": state,
                        "kind": "logged",
                        "gateway_id": self.env["sms.gateway"],
                        "external_ref": False,
                        "number": NUMBERS[0],
                        "body": "Hello",
                        "segments": 1,
                        "cost": 0.0,
                        "author_id": self.ann,
                        "partner_id": self.partner,
                        "res_model": "res.partner",
                        "res_id": self.partner.id,
                        "company_id": self.env.company,
                        "sent_at": at,
                        "create_date": at,
                    },
                )
                shown = message.mail_message_id
                self.assertEqual(shown.model, "res.partner")
                self.assertEqual(shown.res_id, self.partner.id)
                self.assertEqual(shown.author_id, author)
                self.assertEqual(shown.date, at)
                self.assertEqual(shown.message_type, "sms")

    def test_shown_on_document_and_contact(self):
        """The action on a document logs on it, and on its contact."""
        user = self.new_user("zoe", TEAM)
        document = user.partner_id
        wizard = Form(
            self.env["sms.log"]
            .with_user(self.ann)
            .with_context(active_model="res.partner", active_id=self.partner.id)
        )
        self.assertEqual(wizard.partner_id, self.partner)
        self.assertEqual(wizard.number, NUMBERS[0])
        wizard.body = "From the form"
        wizard.save().action_log()
        self.assertEqual(self.messages_of()[-1].body, "From the form")
        message = self.log(res_model="res.partner", res_id=document.id)
        self.assertEqual(message.mail_message_id.res_id, document.id)
        self.assertIn("Hello", self.partner.message_ids[0].body)

    def test_numbers_are_read(self):
        """Any national format of the contact's country, or a clear error."""
        for label, typed, number in [
            ("national", "(202) 555-0105", "+12025550105"),
            ("international", "+49 30 2312 5000", "+493023125000"),
            ("as dialled", "011 49 30 23125000", "+493023125000"),
            ("words", "call me", None),
            ("short", "12", None),
        ]:
            with self.row(label):
                if number:
                    self.assertEqual(self.log(number=typed).number, number)
                else:
                    with self.assertRaisesRegex(UserError, "is not a phone number"):
                        self.log(number=typed)

    def test_what_cannot_be_meant_is_refused(self):
        """Errors name what is missing; nothing is kept."""
        for label, values, error in [
            ("no text", {"body": " \n"}, "text is empty"),
            ("no number", {"number": False}, "There is no number"),
            ("future", {"at": self.now + timedelta(hours=1)}, "in the future"),
            ("nobody", {"partner_id": False, "number": False}, "There is no number"),
        ]:
            with self.row(label):
                with self.assertRaisesRegex(UserError, error):
                    self.log(**values)
                self.assertFalse(self.messages_of())

    def test_hostile_text_is_kept_and_never_evaluated(self):
        """NUL, lone surrogates, HTML and templates are text."""
        message = self.log(body="<img onerror=x>{{ 7*7 }}\ud800\x00")
        self.assertIn("{{ 7*7 }}", message.body)
        self.assertIn("&lt;img", message.mail_message_id.body)

    def test_no_sender_takes_it(self):
        """It is never sent, never sent again, and counts for no gateway."""
        message = self.log(direction="outgoing")
        sent_today = self.gateway.sent_today_count
        self.deliver()
        self.assertEqual(message.state, "sent")
        self.assertFalse(message.attempts)
        self.gateway.invalidate_recordset()
        self.assertEqual(self.gateway.sent_today_count, sent_today)
        with self.assertRaises(UserError):
            message.with_user(self.ann).action_send_again()
        self.assertFalse(self.messages_of([("kind", "!=", "logged")]))

    # -- Conversations -----------------------------------------------------------

    def test_outgoing_answers_the_conversation(self):
        """Who answered on the own phone has answered; what came before has not."""
        self.partner.user_id = self.ann
        for label, at, state in [
            ("after", timedelta(0), "waiting"),
            ("in the same minute", timedelta(seconds=-30), "waiting"),
            ("before", timedelta(days=-1), "to_answer"),
        ]:
            with self.row(label):
                conversation = self.receive()
                activity = conversation.answer_activity_id
                self.assertEqual(activity.user_id, self.ann)
                self.log(at=fields.Datetime.now() + at)
                self.assertEqual(conversation.state, state)
                self.assertEqual(activity.active, state == "to_answer")

    def test_incoming_opens_the_conversation_and_does_not_nag(self):
        """It is to answer, by who logged it, without activity and e-mail."""
        mails = self.env["mail.mail"].search_count([])
        message = self.log(direction="incoming", body="See you")
        conversation = self.conversation()
        self.assertFields(
            conversation,
            {
                "state": "to_answer",
                "partner_id": self.partner,
                "user_id": self.ann,
                "last_body": "See you",
                "last_direction": "incoming",
                "unanswered_message_id": message,
                "answer_activity_id": self.env["mail.activity"],
                "answer_until": False,
            },
        )
        self.assertEqual(self.env["mail.mail"].search_count([]), mails)
        self.env["sms.conversation"]._cron_escalate()
        self.assertFalse(conversation.overdue_activity_id)
        self.log(direction="outgoing", body="Yes")
        self.assertEqual(conversation.state, "waiting")
        self.assertEqual(message.answered_by_id, self.ann)

    def test_a_text_behind_a_logged_one_is_due(self):
        """A text that comes in has a deadline, whatever was logged before."""
        self.log(direction="incoming")
        self.assertFalse(self.conversation().answer_until)
        conversation = self.receive()
        self.assertEqual(
            conversation.answer_until - self.messages_of()[-1].create_date,
            timedelta(hours=4),
        )
        self.assertTrue(conversation.answer_activity_id.active)

    def test_incoming_keeps_what_the_conversation_knows(self):
        """The gateway stays; what is older changes nothing."""
        conversation = self.receive()
        since = conversation.unanswered_since
        self.log(direction="incoming", at=self.now - timedelta(days=3), body="Old")
        self.assertEqual(conversation.gateway_id, self.gateway)
        self.assertEqual(conversation.last_body, "Are you there?")
        self.assertEqual(conversation.unanswered_since, since)

    def test_without_contact(self):
        """A number alone is enough: the conversation may know whose it is."""
        message = self.log(
            partner_id=False, number="+12025550118", direction="incoming"
        )
        self.assertFalse(message.partner_id)
        self.assertEqual(self.conversation("+12025550118").state, "to_answer")
        self.receive()
        known = self.log(partner_id=False, number=NUMBERS[0])
        self.assertEqual(known.partner_id, self.partner)
        # Who may not write on the contact does not by its number, either.
        reader = self.new_user("reading", "base.group_user")
        count = len(self.partner.message_ids)
        message = self.log(reader, partner_id=False, number=NUMBERS[0])
        self.assertFalse(message.partner_id)
        self.assertEqual(len(self.partner.message_ids), count)

    # -- Consent --------------------------------------------------------------------

    def test_refusals_are_recorded(self):
        """A person who says STOP by any means has refused."""
        for label, values, state, refusal in [
            ("stop", {"body": "Stop."}, "opted_out", "stop"),
            ("stop in Spanish", {"body": "PARAR"}, "opted_out", "stop"),
            ("own words", {"body": "please do not text me any more"}, "none", "maybe"),
            (
                "own words, confirmed",
                {"body": "please do not text me any more", "record_refusal": True},
                "opted_out",
                "maybe",
            ),
            (
                "nothing of it",
                {"body": "See you", "record_refusal": True},
                "none",
                False,
            ),
            (
                "our own words",
                {"body": "Stop.", "direction": "outgoing"},
                "none",
                False,
            ),
        ]:
            with self.row(label):
                values = {"direction": "incoming", **values}
                wizard = self.env["sms.log"].new(
                    {"partner_id": self.partner.id, "number": NUMBERS[0], **values}
                )
                self.assertEqual(wizard.refusal, refusal)
                message = self.log(**values)
                consents = self.env["sms.consent"]
                self.assertEqual(consents._get_states([NUMBERS[0]])[NUMBERS[0]], state)
                if state == "opted_out":
                    self.assertFields(
                        consents._get_last(NUMBERS[0]),
                        {
                            "method": "keyword",
                            "user_id": self.ann,
                            "message_id": message,
                            "wording": values["body"],
                        },
                    )
                    self.assertEqual(self.conversation().state, "waiting")
                # Nothing is sent because of it.
                self.assertFalse(self.messages_of([("kind", "!=", "logged")]))

    def test_logged_text_is_no_consent(self):
        """Nobody opens the gate, or ends quiet hours, by logging a text."""
        self.gateway.consent_policy = "opt_in"
        self.log(direction="incoming", body="Text me!")
        message = self.enqueue()
        self.assertEqual(message.failure_type, "no_consent")

    # -- Rights ----------------------------------------------------------------

    def test_rights(self):
        """Who may not write the contact, or is not of the company, logs nothing."""
        other = self.env["res.company"].create({"name": "Other"})
        for label, user, values in [
            ("reader", self.new_user("reading", "base.group_user"), {}),
            ("portal", self.new_user("customer", "base.group_portal"), {}),
            ("other company", self.ann, {"company_id": other.id}),
        ]:
            with self.row(label), self.assertRaises(AccessError):
                self.log(user, **values)
        self.assertFalse(self.messages_of())

    def test_time_is_kept_in_the_past(self):
        """Seconds of difference between two clocks do not matter."""
        message = self.log(at=fields.Datetime.now() + timedelta(seconds=20))
        self.assertLessEqual(message.sent_at, fields.Datetime.now())
        self.assertIsInstance(message.create_date, datetime)
