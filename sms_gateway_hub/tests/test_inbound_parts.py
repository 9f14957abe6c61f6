# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Long incoming texts whose parts come one by one."""

from datetime import timedelta
from itertools import permutations
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from .. import const
from ..tools.gateway_data import InboundMessage, TextPart
from .common import NUMBERS, SmsGatewayCase

WORDS = ("One ", "two ", "three ", "four")


@tagged("post_install", "-at_install")
class TestInboundParts(SmsGatewayCase):
    """Joined in any order, released in time, never joined wrongly."""

    def setUp(self):
        super().setUp()
        self.key = 0

    def part(
        self, number, total=3, *, reference="7A", body=None, sender=None, **values
    ):
        self.key += 1
        return InboundMessage(
            **{
                "event_key": f"part-{self.key}",
                "number": sender or NUMBERS[0],
                "recipient": "4711",
                "body": WORDS[number - 1] if body is None else body,
                "part": TextPart(reference, number, total),
                **values,
            }
        )

    def come(self, *items, gateway=None):
        """Let texts or parts come in, each applied before the next one comes."""
        events = self.env["sms.gateway.event"].sudo()
        for item in items:
            events._store(gateway or self.gateway, [item])
            self.apply_events()

    def bodies(self):
        return self.messages_of([("direction", "=", "incoming")]).mapped("body")

    def pending(self):
        events = self.env["sms.gateway.event"].sudo()
        return events.search([("state", "=", "pending")], order="id")

    def grow_old(self, seconds=const.PARTS_WAIT_S + 1):
        """Let what waits have come earlier by so many seconds."""
        self.env.flush_all()
        self.env.cr.execute(
            """
            UPDATE sms_gateway_event
               SET received_at = received_at - %s * interval '1 second',
                   next_try_at = next_try_at - %s * interval '1 second'
             WHERE state = 'pending'
            """,
            [seconds, seconds],
        )
        self.env["sms.gateway.event"].invalidate_model()

    def test_any_order(self):
        """Parts make one text in whatever order they come, when the last is there."""
        for order in permutations((1, 2, 3)):
            with self.row(order):
                *before, last = [self.part(number) for number in order]
                self.come(*before)
                self.assertFalse(self.bodies())
                self.assertEqual(len(self.pending()), 2)
                self.come(last)
                self.assertEqual(self.bodies(), ["One two three "])
                self.assertFalse(self.pending())

    def test_what_is_kept(self):
        """The message has the facts of its first part, and every part names it."""
        early = fields.Datetime.now() - timedelta(minutes=1)
        self.come(
            self.part(2, 2, external_ref="R2", sent_at=fields.Datetime.now()),
            self.part(1, 2, external_ref="R1", sent_at=early),
        )
        message = self.messages_of()
        self.assertFields(
            message,
            {
                "body": "One two ",
                "external_ref": "R1",
                "sent_at": early,
                "number": NUMBERS[0],
                "sender": "4711",
                "partner_id": self.partner,
                "failure_text": False,
            },
        )
        events = message.event_ids.sorted("id")
        self.assertEqual(events.mapped("state"), ["applied"] * 2)
        self.assertEqual(events.mapped("part_label"), ["2 of 2", "1 of 2"])
        self.assertEqual(set(events.mapped("part_ref")), {"7A"})

    def test_all_at_once(self):
        """Parts that one callback brings make one text; so does one pass of the job."""
        events = self.env["sms.gateway.event"].sudo()
        events._store(self.gateway, [self.part(number) for number in (3, 1, 2)])
        events._store(self.gateway, [self.part(1, 2, reference="8")])
        events._apply_due()
        self.assertEqual(self.bodies(), ["One two three "])

    def test_repeats(self):
        """A part that the gateway repeats, before or after, changes nothing."""
        first, second = self.part(1, 2), self.part(2, 2)
        self.come(first, first, second, second, first)
        self.assertEqual(self.bodies(), ["One two "])
        self.assertFalse(self.pending())

    def test_what_belongs_together(self):
        """Gateway, sender, recipient, reference and total must all be the same."""
        other = self.make_gateway(name="Other")
        for label, part, gateway in (
            ("gateway", self.part(2, 2), other),
            ("sender", self.part(2, 2, sender=NUMBERS[1]), None),
            ("recipient", self.part(2, 2, recipient="4712"), None),
            ("no recipient", self.part(2, 2, recipient=""), None),
            ("reference", self.part(2, 2, reference="7B"), None),
            ("total", self.part(2, 3), None),
        ):
            with self.row(label):
                self.come(self.part(1, 2))
                self.come(part, gateway=gateway)
                self.assertFalse(self.bodies())
                self.come(self.part(2, 2))
                self.assertEqual(self.bodies(), ["One two "])

    def test_no_recipient(self):
        """Parts without a recipient or a reference belong together as well."""
        values = {"recipient": "", "reference": ""}
        self.come(self.part(2, 2, **values), self.part(1, 2, **values))
        self.assertEqual(self.bodies(), ["One two "])

    def test_missing(self):
        """After a quarter of an hour the text is released, with a mark at each gap."""
        for numbers, body in (
            ((1,), "One […]"),
            ((2,), "[…]two […]"),
            ((1, 4), "One […]four"),
            ((4, 2), "[…]two […]four"),
        ):
            with self.row(numbers):
                self.come(*(self.part(number, 4) for number in numbers))
                due_at = self.pending()[0].next_try_at
                waits_s = (due_at - fields.Datetime.now()).total_seconds()
                self.assertAlmostEqual(waits_s, const.PARTS_WAIT_S, delta=30)
                self.grow_old(const.PARTS_WAIT_S - 60)
                self.apply_events()
                self.assertFalse(self.bodies(), "it is not the time yet")
                self.grow_old(61)
                self.env["sms.gateway.event"].sudo()._apply_due()
                self.assertEqual(self.bodies(), [body])
                self.assertIn("parts", self.messages_of().failure_text)
                self.assertFalse(self.pending())

    def test_late_part(self):
        """A part that comes after the release stands alone, when its time is over."""
        self.come(self.part(1, 2))
        self.grow_old()
        self.apply_events()
        self.come(self.part(2, 2))
        self.assertEqual(self.bodies(), ["One […]"])
        self.grow_old()
        self.apply_events()
        self.assertEqual(self.bodies(), ["One […]", "[…]two "])

    def test_reference_again(self):
        """The same reference in a later text joins no part of the older one."""
        for label, first, between, later, expected in (
            (
                "after a complete one",
                [(1, "a"), (2, "b")],
                0,
                [(2, "d"), (1, "c")],
                ["ab", "cd"],
            ),
            (
                "soon after an incomplete one, of which it repeats the place",
                [(1, "a")],
                60,
                [(1, "c"), (2, "d")],
                ["cd", "a[…]"],
            ),
            (
                "after one that should have been released by now",
                [(1, "a")],
                const.PARTS_WAIT_S + 60,
                [(2, "d"), (1, "c")],
                ["a[…]", "cd"],
            ),
        ):
            with self.row(label):
                events = self.env["sms.gateway.event"].sudo()
                for number, body in first:
                    events._store(self.gateway, [self.part(number, 2, body=body)])
                self.apply_events() if between <= 60 else None
                self.grow_old(between)
                for number, body in later:
                    events._store(self.gateway, [self.part(number, 2, body=body)])
                self.apply_events()
                self.grow_old()
                self.apply_events()
                self.assertEqual(self.bodies(), expected)

    def test_keywords(self):
        """STOP of one part acts at once, also beside parts; a long text is one text."""
        consents = self.env["sms.consent"].sudo()
        self.come(
            self.part(1, 2, body="Please do not sto"),
            self.part(1, 1, body="STOP", sender=NUMBERS[1]),
            self.part(2, 2, body="p writing to me"),
        )
        self.assertEqual(consents._get_last(NUMBERS[1]).act, "opted_out")
        self.assertNotEqual(consents._get_last(NUMBERS[0]).act, "opted_out")
        self.assertEqual(
            self.bodies()[-1], "Please do not stop writing to me", "one text"
        )

    def test_somebody_is_at_it(self):
        """A set of which another worker holds a part waits a moment."""
        self.come(self.part(1, 2))
        events = type(self.env["sms.gateway.event"])
        lock = events.try_lock_for_update

        def hold_first(records, **kwargs):
            held = lock(records, **kwargs)
            return held[1:] if len(records) == 2 else held

        self.env["sms.gateway.event"].sudo()._store(self.gateway, [self.part(2, 2)])
        with patch.object(events, "try_lock_for_update", hold_first):
            last = self.pending()[-1]
            last._apply_due(last.ids)
        self.assertFalse(self.bodies())
        self.assertLess(last.next_try_at, fields.Datetime.now() + timedelta(seconds=5))
        self.apply_events()
        self.assertEqual(self.bodies(), ["One two "])

    @mute_logger("odoo.addons.sms_gateway_hub.models.sms_gateway_event")
    def test_poisoned(self):
        """A text that cannot be taken in keeps all of its parts for later."""
        messages = type(self.env["sms.gateway.message"])
        with patch.object(messages, "_receive", side_effect=ZeroDivisionError):
            self.come(self.part(1, 2), self.part(2, 2))
        self.assertEqual(self.pending().mapped("tries"), [1, 1])
        self.apply_events()
        self.assertEqual(self.bodies(), ["One two "])

    def test_orphans(self):
        """To replay one part of a text that was given up replays all of it."""
        self.come(self.part(1, 2))
        self.env["sms.gateway.event"].sudo()._store(self.gateway, [self.part(2, 2)])
        events = self.pending()
        events.write({"state": "orphan"})
        self.grow_old()
        events[1].action_replay()
        self.assertEqual(self.bodies(), ["One two "])

    def test_erased_meanwhile(self):
        """Parts that wait when a person is erased are gone, and nobody stumbles."""
        self.come(self.part(1, 2))
        self.env["sms.erase"].create(
            {"number": NUMBERS[0], "reason": "Asked for it"}
        ).action_erase()
        self.env.invalidate_all()
        self.assertFalse(self.pending())
        self.assertFalse(self.bodies())
