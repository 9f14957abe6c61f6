# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""T15: a bot, or somebody in a rage, cannot make a gateway text on and on."""

from datetime import timedelta
from uuid import uuid4

from psycopg2 import IntegrityError

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import NUMBERS, SmsGatewayCase

ABROAD = "+4915112345678"


@tagged("post_install", "-at_install")
class TestLimits(SmsGatewayCase):
    """Countries that a gateway may text, and how many texts one number gets a day."""

    gateway_values = {"code": "sandbox"}

    def enqueue_to(self, *numbers, **values):
        return self.enqueue(
            len(numbers),
            number=list(numbers),
            uuid=[uuid4().hex for _number in numbers],
            **values,
        )

    def states(self, messages):
        return [
            (message.state, message.hold or message.failure_type or "")
            for message in messages
        ]

    def test_off(self):
        """Without a setting nothing is limited, and nothing more is asked."""
        item = {"number": ABROAD, "purpose": "transactional", "kind": "single"}
        gate = self.env["sms.gateway.gate"]
        gate._check(self.gateway, [item])
        with self.count_queries() as before:
            gate._check(self.gateway, [item])
        self.gateway.max_per_number = 1
        gate._check(self.gateway, [item])
        with self.count_queries() as after:
            gate._check(self.gateway, [item] * 50)
        self.assertEqual(len(after), len(before) + 1)

    def test_countries(self):
        """A number of another country gets nothing, and the text says so."""
        self.gateway.country_ids = self.env.ref("base.us") | self.env.ref("base.fr")
        premium = "+8835100012345"  # of no country
        messages = self.enqueue_to(NUMBERS[0], ABROAD, premium)
        self.assertEqual(
            self.states(messages),
            [("queued", ""), ("canceled", "country"), ("canceled", "country")],
        )
        self.assertIn(self.gateway.name, messages[1].failure_text)
        # What was queued before the setting does not leave after it.
        self.gateway.country_ids = self.env.ref("base.fr")
        self.deliver()
        self.assertEqual(self.states(messages[0]), [("canceled", "country")])

    def test_per_number(self):
        """The next texts to the same number wait until there is room, in words."""
        self.gateway.max_per_number = 2
        messages = self.enqueue_to(*[NUMBERS[0]] * 3, NUMBERS[1])
        self.assertEqual(
            self.states(messages),
            [("queued", "")] * 2 + [("queued", "daily_limit"), ("queued", "")],
        )
        self.deliver()
        self.assertEqual(
            [message.state for message in messages],
            ["delivered", "delivered", "queued", "delivered"],
        )
        self.assertIn("no more than 2 texts", messages[2].failure_text)
        # One by one, it is the same: what left counts.
        later = self.enqueue_to(NUMBERS[0])
        self.assertEqual(self.states(later), [("queued", "daily_limit")])
        self.assertGreater(
            later.due_at, fields.Datetime.now() + timedelta(hours=23, minutes=50)
        )
        # A day on, there is room for two.
        past = fields.Datetime.now() - timedelta(hours=24, minutes=1)
        self.force(messages[:2], sent_at=past)
        self.force(messages[2] | later, due_at=fields.Datetime.now())
        self.deliver()
        self.assertEqual(messages[2].state, "delivered")
        self.assertEqual(later.state, "delivered")

    def test_one_room(self):
        """As soon as the oldest is a day old, one more may leave, not all."""
        self.gateway.max_per_number = 2
        sent = self.enqueue_to(NUMBERS[0], NUMBERS[0])
        self.deliver()
        hour = timedelta(hours=1)
        now = fields.Datetime.now()
        self.force(sent[0], sent_at=now - 25 * hour)
        self.force(sent[1], sent_at=now - 3 * hour)
        more = self.enqueue_to(NUMBERS[0], NUMBERS[0])
        self.assertEqual(self.states(more), [("queued", ""), ("queued", "daily_limit")])
        self.assertAlmostEqual(
            more[1].due_at, now + 21 * hour, delta=timedelta(minutes=1)
        )

    def test_setting_raised(self):
        """What waits goes on when the limit is raised or taken away."""
        self.gateway.max_per_number = 1
        messages = self.enqueue_to(NUMBERS[0], NUMBERS[0])
        self.deliver()
        self.gateway.max_per_number = 0
        self.assertFalse(messages[1].hold)
        self.deliver()
        self.assertEqual(messages[1].state, "delivered")

    def test_what_passes(self):
        """Urgent texts and the answer to STOP never wait for room."""
        self.gateway.max_per_number = 1
        self.enqueue_to(NUMBERS[0])
        self.deliver()
        for label, values in (("urgent", {"urgent": True}), ("", {"exempt": "answer"})):
            with self.row(label):
                message = self.enqueue_to(NUMBERS[0], **values)
                self.assertEqual(self.states(message), [("queued", "")])
                self.deliver()
                self.assertEqual(message.state, "delivered")

    def test_too_late(self):
        """A text whose validity ends before there is room says that it expired."""
        self.gateway.max_per_number = 1
        self.enqueue_to(NUMBERS[0])
        self.deliver()
        message = self.enqueue_to(
            NUMBERS[0], expires_at=fields.Datetime.now() + timedelta(hours=2)
        )
        self.assertEqual(self.states(message), [("expired", "expired")])
        self.assertIn("24 hours", message.failure_text)

    def test_for_later(self):
        """A text planned for another day is judged on that day."""
        self.gateway.max_per_number = 1
        self.enqueue_to(NUMBERS[0])
        self.deliver()
        message = self.enqueue_to(
            NUMBERS[0], scheduled_at=fields.Datetime.now() + timedelta(days=2)
        )
        self.assertEqual(self.states(message), [("queued", "")])

    def test_of_other_gateways(self):
        """Each gateway has its own limit."""
        self.gateway.max_per_number = 1
        other = self.make_gateway(name="Other", max_per_number=1)
        self.enqueue_to(NUMBERS[0])
        self.deliver()
        message = self.enqueue_to(NUMBERS[0], gateway_id=other.id)
        self.assertEqual(self.states(message), [("queued", "")])

    def test_composer_says_it(self):
        """Whoever writes learns it before sending."""
        self.gateway.max_per_number = 1
        self.enqueue_to(NUMBERS[0])
        self.deliver()
        gate = self.env["sms.gateway.gate"]
        item = {"number": NUMBERS[0], "kind": "single", "due_at": None}
        decision = gate._check(self.gateway, [item])[0]
        self.assertEqual(decision.hold, "daily_limit")
        composer = self.env["sms.composer"].new({})
        self.assertIn("as its gateway allows", composer._sms_gateway_say_hold(decision))

    @mute_logger("odoo.sql_db")
    def test_bounds(self):
        """The limit is a count of texts."""
        for value in (-1, 10_001):
            with self.row(value), self.assertRaises(IntegrityError):
                self.gateway.max_per_number = value
                self.env.flush_all()

    def test_a_bot(self):
        """200 texts asked for at once: each number gets the limit, the rest waits."""
        self.gateway.max_per_number = 5
        messages = self.enqueue_to(*[NUMBERS[n % 2] for n in range(200)])
        for _n in range(3):
            self.deliver()
        states = [message.state for message in messages]
        self.assertEqual(states.count("delivered"), 10)
        self.assertEqual(states.count("queued"), 190)
