# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Automatic answers and their guard against loops."""

from contextlib import nullcontext
from datetime import datetime, timedelta

from freezegun import freeze_time

from odoo.exceptions import ValidationError
from odoo.fields import Command
from odoo.tests import tagged

from .. import const
from ..tools import keywords
from ..tools.gateway_data import InboundMessage
from .common import NUMBERS, SmsGatewayCase

KNOWN, UNKNOWN = NUMBERS[0], NUMBERS[1]
# The office is open on weekdays from 9 to 17, in Berlin.
OPEN = datetime(2026, 3, 25, 11, 0)
CLOSED = datetime(2026, 3, 25, 22, 0)

HOURS = "We are open from 9 to 17."
CALL = "We will call you."


class AutoReplyCase(SmsGatewayCase):
    """A gateway that answers by itself."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company = cls.env.company
        cls.owner = cls.new_user("owner", "base.group_user")
        cls.gateway.write(
            {
                "sender": "+12025550199",
                "responsible_user_id": cls.owner.id,
                "away_answer": "{company} is closed. {number} opens at 9.",
            }
        )
        cls.office = cls.env["resource.calendar"].create(
            {
                "name": "Office",
                "tz": "Europe/Berlin",
                "attendance_ids": [
                    Command.clear(),
                    *(
                        Command.create(
                            {
                                "name": str(day),
                                "dayofweek": str(day),
                                "hour_from": 9,
                                "hour_to": 17,
                                "day_period": "morning",
                            }
                        )
                        for day in range(5)
                    ),
                ],
            }
        )
        cls.hours = cls.add("HOURS", answer=HOURS)
        cls.call = cls.add("CALL ME", answer=CALL, needs_answer=True)

    @classmethod
    def add(cls, word, **values):
        return cls.env["sms.keyword"].create({"word": word, "family": "own", **values})

    def close_at_night(self):
        self.gateway.write({"calendar_id": self.office.id, "away_reply": True})

    def let_in(self, body, number=KNOWN, at=None, gateway=None):
        """Let a text come in.

        :return: sms.gateway.message, what came in
        """
        self.count = getattr(self, "count", 0) + 1
        with freeze_time(at) if at else nullcontext():
            return self.env["sms.gateway.message"]._receive(
                gateway or self.gateway,
                InboundMessage(event_key=f"in-{self.count}", number=number, body=body),
            )

    def answers(self, number=KNOWN):
        """Return the words of all texts that left for a number, oldest first."""
        return self.messages_of(
            [("direction", "=", "outgoing"), ("number", "=", number)]
        ).mapped("body")

    def conversation(self, number=KNOWN):
        return self.env["sms.conversation"].search([("number", "=", number)])


@tagged("post_install", "-at_install")
class TestOwnWords(AutoReplyCase):
    """Own words are found at the beginning of a text, and answered."""

    def test_which_texts_are_own_words(self):
        """The longest word wins; all other families come first, and refusals."""
        self.add("HOURS TODAY", answer="Until 17.")
        self.add("E-BOOK", answer="Later.")
        rows = [
            ("hours", "HOURS", "own"),
            ("  Hours!  ", "HOURS", "own"),
            ("HOURS of Saturday?", "HOURS", "own"),
            ("hours, please", "HOURS", "own"),
            ("Hours:\nSaturday", "HOURS", "own"),
            ("Höurs", "HOURS", "own"),
            ("hours today?", "HOURS TODAY", "own"),
            ("hours todays", "HOURS", "own"),
            ("e-book, please", "E-BOOK", "own"),
            ("call me maybe", "CALL ME", "own"),
            ("call", None, False),
            ("hourss", None, False),
            ("your hours", None, False),
            ("", None, False),
            ("🛑", None, False),
            ("STOP", None, "stop"),
            ("HELP", None, "help"),
            # A refusal behind an own word is for a person to read.
            ("hours. please stop texting me", None, False),
        ]
        for body, word, family in rows:
            with self.row(repr(body)):
                message = self.let_in(body)
                self.assertEqual(message.keyword_id.word or None, word)
                self.assertEqual(message.keyword_family, family)

    def test_own_words_shadow_no_other_words(self):
        """Words of a gateway that mean something else give way to the others."""
        keyword = self.env["sms.keyword"]
        keyword.create({"word": "genug", "family": "stop", "lang": "de"})
        self.add("genug", answer="Haha", gateway_id=self.gateway.id)
        message = self.let_in("Genug")
        self.assertEqual((message.keyword_family, message.keyword_id), ("stop", keyword))
        for word in ("STOP", "Stop alerts", "no more texts", "unsubscribe me"):
            with self.row(word), self.assertRaises(ValidationError):
                self.add(word, answer="Haha", gateway_id=self.gateway.id)

    def test_words_of_a_gateway_come_first(self):
        """The same word may have an answer of its own on a gateway."""
        self.add("HOURS", answer="Here never.", gateway_id=self.gateway.id)
        self.let_in("hours")
        self.assertEqual(self.answers(), ["Here never."])

    def test_the_answer_is_in_the_persons_language_and_filled(self):
        """Translated, with the company and our number in it, and nothing else."""
        self.env["res.lang"]._activate_lang("de_DE")
        self.hours.answer = "{company} is open. Call {number}. {contact} {body}"
        self.hours.with_context(lang="de_DE").answer = "{company} hat offen."
        self.partner.lang = "de_DE"
        self.let_in("hours")
        self.let_in("hours", UNKNOWN)
        name = self.company.name
        self.assertEqual(self.answers(), [f"{name} hat offen."])
        self.assertEqual(
            self.answers(UNKNOWN),
            [f"{name} is open. Call +12025550199. {{contact}} {{body}}"],
        )

    def test_an_answered_word_is_no_work_unless_it_says_so(self):
        """What is answered by itself is nobody's to answer; “a person, too” is."""
        message = self.let_in("hours")
        answer = self.messages_of([("answers_id", "=", message.id)])
        self.assertFields(
            answer,
            {
                "body": HOURS,
                "kind": "automatic",
                "exempt": "word",
                "gateway_id": self.gateway,
                "partner_id": self.partner,
                "state": "queued",
            },
        )
        self.assertEqual(self.conversation().state, "closed")
        self.assertFalse(self.conversation().answer_activity_id)
        self.let_in("call me")
        self.assertEqual(self.answers(), [HOURS, CALL])
        conversation = self.conversation()
        self.assertEqual(conversation.state, "to_answer")
        self.assertTrue(conversation.answer_activity_id)

    def test_a_word_without_answer_is_for_rules_alone(self):
        """Nothing is answered by itself, and nobody has to."""
        self.add("VOTE A")
        message = self.let_in("vote a")
        self.assertEqual(message.keyword_family, "own")
        self.assertEqual(self.answers(), [])


@tagged("post_install", "-at_install")
class TestAwayAnswer(AutoReplyCase):
    """Who writes while nobody is there is told so, once."""

    def test_outside_office_hours_once_in_a_while(self):
        """At night, not by day, and not with every text."""
        self.close_at_night()
        self.let_in("Hello", at=OPEN)
        self.assertEqual(self.answers(), [])
        self.let_in("Hello?", at=CLOSED)
        self.let_in("Anybody?", at=CLOSED)
        words = f"{self.company.name} is closed. +12025550199 opens at 9."
        self.assertEqual(self.answers(), [words])
        answer = self.messages_of([("exempt", "=", "away")])
        long_ago = answer.create_date - timedelta(hours=const.AWAY_AGAIN_H, minutes=1)
        # Time stands still in a test but for what is frozen.
        self.force(answer, create_date=CLOSED - timedelta(hours=const.AWAY_AGAIN_H - 1))
        self.let_in("Still nobody?", at=CLOSED)
        self.assertEqual(self.answers(), [words])
        self.force(answer, create_date=min(long_ago, CLOSED - timedelta(hours=13)))
        self.let_in("And now?", at=CLOSED)
        self.assertEqual(self.answers(), [words, words])

    def test_it_is_no_answer_of_a_person(self):
        """The text is still to be answered, and its deadline stays."""
        self.close_at_night()
        self.let_in("Hello", at=CLOSED)
        conversation = self.conversation()
        self.assertEqual(len(self.answers()), 1)
        self.assertEqual(conversation.state, "to_answer")
        self.assertTrue(conversation.unanswered_since)
        self.assertTrue(conversation.answer_activity_id)
        self.assertEqual(conversation.user_id, self.owner)

    def test_one_text_gets_one_answer(self):
        """The answer to an own word comes first."""
        self.close_at_night()
        self.let_in("call me", at=CLOSED)
        self.assertEqual(self.answers(), [CALL])

    def test_standard_words_in_the_persons_language(self):
        """Without words of its own a gateway says it in four languages."""
        self.close_at_night()
        self.gateway.away_answer = False
        for code in ("es_ES", "fr_FR", "de_DE", "en_US"):
            self.env["res.lang"]._activate_lang(code)
            with self.row(code):
                self.partner.lang = code
                self.let_in("?", at=CLOSED)
                self.assertEqual(
                    self.answers(),
                    [keywords.default_answer("away", code, self.company.name)],
                )

    def test_who_gets_none(self):
        """Services, our own gateways, who refuses, who refused, a gateway that is
        off: no answer, and no trace of one in the thread."""
        self.close_at_night()
        self.make_gateway(name="Ours", sender=NUMBERS[7])
        rows = [
            ("a name", "Your code is 1234", "Acme"),
            ("a short code", "Your code is 1234", "12345"),
            ("our own", "Hello", NUMBERS[7]),
            ("a refusal in other words", "please stop texting me", KNOWN),
        ]
        for label, body, number in rows:
            for word in ("", "hours "):
                with self.row(label + word):
                    self.let_in(word + body, number, at=CLOSED)
                    self.assertEqual(self.answers(number), [])
        with self.row("STOP"):
            self.let_in("STOP", at=CLOSED)
            sent = self.messages_of([("direction", "=", "outgoing")])
            self.assertEqual(sent.mapped("exempt"), ["answer"])
            self.let_in("Hello again", at=CLOSED)
            self.let_in("hours", at=CLOSED)
            self.assertEqual(
                self.messages_of([("direction", "=", "outgoing")]), sent
            )
        with self.row("a gateway out of service"):
            self.gateway.state = "disabled"
            self.let_in("hours", at=CLOSED)
            self.assertEqual(self.answers(), [])

    def test_it_waits_for_no_consent_and_no_morning(self):
        """Who texts wants an answer: consent on record and quiet hours do not count."""
        self.close_at_night()
        self.gateway.write(
            {
                "consent_policy": "opt_in",
                "quiet_hours": True,
                "quiet_from": 0,
                "quiet_to": 23.75,
            }
        )
        self.let_in("Hello", at=CLOSED)
        answer = self.messages_of([("exempt", "=", "away")])
        self.assertFields(answer, {"state": "queued", "hold": False})

    def test_without_office_hours_nobody_is_away(self):
        """The switch needs office hours."""
        with self.assertRaises(ValidationError):
            self.gateway.away_reply = True


@tagged("post_install", "-at_install")
class TestLoops(AutoReplyCase):
    """Machines do not talk for ever."""

    def test_no_more_than_so_many_in_an_hour(self):
        """All kinds of automatic answers to a number count together."""
        for _n in range(3):
            self.let_in("help")
        for _n in range(const.ANSWERS_PER_H):
            self.let_in("hours")
        answers = self.messages_of([("direction", "=", "outgoing")])
        self.assertEqual(len(answers), const.ANSWERS_PER_H)
        self.assertEqual(
            answers.mapped("exempt"), ["answer"] * 3 + ["word"] * 3
        )
        self.let_in("help")
        self.assertEqual(len(self.answers()), const.ANSWERS_PER_H)
        # Others are not concerned, and a refusal is confirmed in any case.
        self.let_in("hours", UNKNOWN)
        self.assertEqual(self.answers(UNKNOWN), [HOURS])
        self.let_in("STOP")
        self.assertEqual(len(self.answers()), const.ANSWERS_PER_H + 1)

    def test_an_hour_later_it_answers_again(self):
        """What was sent before counts no more."""
        for _n in range(const.ANSWERS_PER_H + 1):
            self.let_in("hours")
        sent = self.messages_of([("direction", "=", "outgoing")])
        self.assertEqual(len(sent), const.ANSWERS_PER_H)
        for message in sent:
            self.force(
                message, create_date=message.create_date - timedelta(minutes=61)
            )
        self.let_in("hours")
        self.assertEqual(len(self.answers()), const.ANSWERS_PER_H + 1)

    def test_two_machines_that_answer_each_other_come_to_an_end(self):
        """The other side answers each of our texts with the word that we answer."""
        self.gateway.sandbox_rule_ids = [
            Command.create({"reply": "hours {text}", "delay_s": 0})
        ]
        other = self.make_gateway(name="Second")
        other.sandbox_rule_ids = [
            Command.create({"reply": "hours {text}", "delay_s": 0})
        ]
        self.let_in("hours")
        self.let_in("hours", gateway=other)
        rounds = 0
        while self.messages_of([("state", "=", "queued")]):
            rounds += 1
            self.assertLess(rounds, 20, "they still talk")
            self.deliver(self.gateway)
            self.deliver(other)
        sent = self.messages_of([("direction", "=", "outgoing")])
        self.assertEqual(len(sent), const.ANSWERS_PER_H)
        received = self.messages_of([("direction", "=", "incoming")])
        self.assertEqual(len(received), const.ANSWERS_PER_H + 2)


@tagged("post_install", "-at_install")
class TestNumberIsNoProof(AutoReplyCase):
    """T7: whoever sends from a contact's number learns nothing and changes nothing."""

    COMMANDS = [
        "{{ 7*7 }}",
        "${7*7}",
        "{company} {number} {contact} {word}",
        "{{ object.partner_id.email }}",
        "%(number)s %s {0.__class__}",
        "<t t-out='object.email'/>",
        "/admin",
        "/login",
        "STATUS 1234",
        "BALANCE",
        "PASSWORD RESET",
        "SET email=evil@example.com",
        "hours {company} {{ object.name }} ${object.email}",
        "call me {{ user.password }}",
    ]
    SECRET = {
        "name": "Grace Hopper-Secret",
        "email": "grace-secret@example.com",
        "street": "Secret Street 7",
        "ref": "REF-SECRET",
        "comment": "Comment-Secret",
    }

    def test_commands_and_templates_get_nothing(self):
        """Answers are the words that somebody wrote for them, letter by letter."""
        self.close_at_night()
        self.partner.write(self.SECRET)
        groups = self.env["res.users"].search([]).mapped("group_ids")
        self.env.flush_all()
        before = self.partner.read(["name", "email", "street", "ref", "phone"])
        away = f"{self.company.name} is closed. +12025550199 opens at 9."
        allowed = {HOURS, CALL, away}
        for body in self.COMMANDS:
            with self.row(body):
                message = self.let_in(body, at=CLOSED)
                self.assertEqual(message.body, body)
                answers = self.answers()
                self.assertLessEqual(set(answers), allowed)
                for answer in answers:
                    self.assertNotIn("secret", answer.casefold())
                    self.assertNotIn("49", answer)
                self.assertEqual(
                    self.partner.read(["name", "email", "street", "ref", "phone"]),
                    before,
                )
                self.assertEqual(
                    self.env["res.users"].search([]).mapped("group_ids"), groups
                )
                self.assertNotIn(message.keyword_family, ("stop", "start", "help"))
                state = self.env["sms.consent"]._get_states([KNOWN])[KNOWN]
                self.assertEqual(state, "none")

    def test_only_stop_and_start_change_anything(self):
        """They change whether the number is texted, and nothing else."""
        for body, state in (("STOP", "opted_out"), ("START", "opted_in")):
            self.let_in(body)
            self.assertEqual(self.env["sms.consent"]._get_states([KNOWN])[KNOWN], state)
