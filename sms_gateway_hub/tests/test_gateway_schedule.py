# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Texts for later that the gateway itself keeps until their time."""

from datetime import timedelta
from unittest.mock import patch

from psycopg2 import IntegrityError

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .. import const
from ..tools.gateway_data import SendRequest
from .test_sender_run import ACCEPTED, SenderCase

MINUTE = timedelta(minutes=1)


@tagged("post_install", "-at_install")
class TestScheduleAtGateway(SenderCase):
    """Handed over in time, with its time, and never before where nobody keeps it."""

    limit_s = 7 * 24 * 3600
    features = {"schedule"}

    def setUp(self):
        super().setUp()
        adapter = type(self.env["sms.gateway.adapter.testing"])
        self.patch(adapter, "_get_features", lambda this, gateway: self.features)
        self.patch(adapter, "_get_schedule_limit_s", lambda this, gateway: self.limit_s)
        self.gateway.write({"schedule_at_gateway": True, "schedule_ahead_min": 60})
        self.handed = {}
        prepare = adapter._prepare_send_requests

        def remember(this, gateway, messages):
            self.handed.update({message.uuid: message for message in messages})
            return prepare(this, gateway, messages)

        self.patch(adapter, "_prepare_send_requests", remember)
        self.now = fields.Datetime.now()

    def plan(self, minutes=30, **values):
        """Enqueue a text for later."""
        at = self.now + minutes * MINUTE
        message = self.enqueue(scheduled_at=at, **values)
        self.assertEqual((message.state, message.due_at), ("queued", at))
        return message

    def run_with(self, *script):
        self.server.script(*script)
        self.run_sender()

    def test_handed_over(self):
        """A text is handed over with its time, and shown as kept by the gateway."""
        message = self.plan(expires_at=self.now + 90 * MINUTE)
        self.run_with(ACCEPTED)
        self.assertEqual(message.state, "sent")
        outgoing = self.handed[message.uuid]
        self.assertEqual(outgoing.send_at, message.scheduled_at)
        self.assertAlmostEqual(outgoing.valid_for_s, 90 * 60, delta=60)
        self.assertTrue(message.kept_by_gateway)
        self.force(message, scheduled_at=self.now - MINUTE)
        self.assertFalse(message.kept_by_gateway, "its time has come")

    def test_what_is_not(self):
        """Who does not keep texts gets none early; nor does anybody too early."""
        for label, change, minutes in (
            ("too early", lambda: None, 61),
            ("off", lambda: self.gateway.write({"schedule_at_gateway": False}), 30),
            ("not of that kind", lambda: setattr(self, "features", set()), 30),
            ("it keeps none", lambda: setattr(self, "limit_s", 0), 30),
            ("it keeps them shorter", lambda: setattr(self, "limit_s", 1200), 30),
            ("so soon that the gateway may call it past", lambda: None, 1),
            (
                "a shorter time is chosen",
                lambda: self.gateway.write({"schedule_ahead_min": 29}),
                30,
            ),
        ):
            with self.row(label):
                change()
                message = self.plan(minutes)
                self.run_sender()
                self.assertEqual(message.state, "queued")
                self.assertFalse(self.server.requests)
                self.assertFalse(message.kept_by_gateway)
                self.features, self.limit_s = type(self).features, type(self).limit_s

    def test_due_ones(self):
        """What is due, and what was never planned, goes without a time."""
        planned = self.plan()
        self.force(planned, scheduled_at=self.now - MINUTE, due_at=self.now - MINUTE)
        plain = self.enqueue(uuid="f" * 32)
        self.run_with(ACCEPTED, ACCEPTED)
        for message in planned + plain:
            self.assertEqual(message.state, "sent")
            self.assertIsNone(self.handed[message.uuid].send_at)
            self.assertFalse(message.kept_by_gateway)

    def test_wakes_in_time(self):
        """The sender wakes when the text can be handed over, not at its time."""
        triggers = self.env["ir.cron.trigger"].sudo()
        domain = [("cron_id", "=", self.gateway.sudo().cron_id.id)]
        triggers.search(domain).unlink()
        self.env.cr.precommit.data.clear()
        message = self.plan(200)
        expected = message.scheduled_at - 60 * MINUTE
        self.assertEqual(triggers.search(domain).mapped("call_at"), [expected])
        # A run in between plans the same.
        triggers.search(domain).unlink()
        self.env.cr.precommit.data.clear()
        self.run_sender()
        self.assertEqual(triggers.search(domain).mapped("call_at"), [expected])
        # And a run without it, its own time.
        self.gateway.schedule_at_gateway = False
        triggers.search(domain).unlink()
        self.env.cr.precommit.data.clear()
        self.run_sender()
        self.assertEqual(
            triggers.search(domain).mapped("call_at"), [message.scheduled_at]
        )

    def test_gate_as_of_arrival(self):
        """Quiet hours count when it arrives: refused for now, or let through."""
        self.gateway.write({"quiet_hours": True, "schedule_ahead_min": 24 * 60})
        self.partner.tz = "UTC"
        at = (self.now + timedelta(hours=12)).replace(minute=30, second=0)
        for label, quiet_from, state in (
            ("arrives by day, handed over by night", self.now.hour, "sent"),
            ("arrives by night, handed over by day", at.hour, "queued"),
        ):
            with self.row(label):
                message = self.enqueue(partner_id=self.partner.id)
                self.force(message, scheduled_at=at, due_at=at)
                self.gateway.write(
                    {"quiet_from": quiet_from, "quiet_to": (quiet_from + 2) % 24}
                )
                self.server.reset()
                self.run_with(*[ACCEPTED] * (state == "sent"))
                self.assertEqual(message.state, state)
                self.assertEqual(len(self.server.requests), state == "sent")
                if state == "queued":
                    self.assertEqual(message.hold, "quiet_hours")
                    morning = at.replace(minute=0) + timedelta(hours=2)
                    self.assertAlmostEqual(
                        message.due_at, morning, delta=timedelta(seconds=30)
                    )

    def test_answered_lately(self):
        """Who texts us now is not awake when it arrives in the night."""
        self.gateway.write({"quiet_hours": True, "quiet_from": 0, "quiet_to": 23.99})
        message = self.plan(urgent=True)
        self.force(message, urgent=False, partner_id=self.partner.id)
        incoming = self.enqueue(uuid="e" * 32)
        self.force(incoming, direction="incoming", state="received")
        item = {"number": message.number, "partner_id": self.partner.id}
        gate = self.env["sms.gateway.gate"]
        later = {**item, "send_at": self.now + timedelta(hours=3)}
        decisions = gate._check(self.gateway, [item, later])
        self.assertIsNone(decisions[0])
        self.assertEqual(decisions[1].hold, "quiet_hours")

    def test_refused_before(self):
        """Who refused before the hand-over gets nothing."""
        message = self.plan()
        self.env["sms.consent"]._record(message.number, "opted_out", method="keyword")
        self.run_sender()
        self.assertEqual(message.state, "canceled")
        self.assertFalse(self.server.requests)

    def test_cancel_says_the_truth(self):
        """Before the hand-over it is cancelled; after it, nobody claims that."""
        before = self.plan(120)
        self.assertIn("cancelled", before.action_cancel()["params"]["message"])
        after = self.plan(uuid="f" * 32)
        self.run_with(ACCEPTED)
        with self.assertRaisesRegex(UserError, "cannot be called back"):
            after.action_cancel()
        self.assertEqual(after.state, "sent")

    def test_not_taken(self):
        """What was not taken waits for its time, and is never sent before it."""
        for label, script, attempts in (
            ("throttled", (429, b""), 0),
            ("account", (401, b""), 0),
            ("later", (200, self.later), 1),
        ):
            with self.row(label):
                message = self.plan()
                self.server.reset()
                self.run_with(script)
                self.assertEqual(message.state, "queued")
                self.assertEqual(message.due_at, message.scheduled_at)
                self.assertEqual(message.attempts, attempts)
                # Nobody keeps texts any more: it waits here.
                self.gateway.write(
                    {
                        "throttled_until": False,
                        "paused_until": False,
                        "schedule_at_gateway": False,
                    }
                )
                self.run_sender()
                self.assertEqual(len(self.server.requests), 1)
                self.gateway.schedule_at_gateway = True
                self.server.reset()
                self.run_with(*[ACCEPTED] * (not attempts))
                # What failed once goes at its time, so that no run spins.
                self.assertEqual(message.state, "queued" if attempts else "sent")
                self.assertEqual(len(self.server.requests), not attempts)

    def later(self, request):
        return {
            "results": [
                {"id": message["id"], "status": "later"}
                for message in request.json["messages"]
            ]
        }

    def test_held(self):
        """What waits for something else than its time is not handed over."""
        message = self.plan()
        self.force(message, hold="quiet_hours")
        self.run_sender()
        self.assertFalse(self.server.requests)

    def test_fallback(self):
        """A gateway that stands in for another one takes nothing early."""
        own = self.make_gateway(
            name="Own",
            testing_url=self.server.url,
            fallback_gateway_id=self.gateway.id,
            schedule_at_gateway=True,
        )
        message = self.plan(gateway_id=own.id)
        own._pause("Down.", 3600)
        self.run_sender()
        self.assertEqual((message.state, message.gateway_id), ("queued", own))

    def test_too_large(self):
        """Sent again in halves, each text keeps its time."""
        self.gateway.write({"testing_batch": 2, "parallel_requests": 1})
        messages = self.enqueue(2, scheduled_at=self.now + 30 * MINUTE)
        self.run_with((200, {"error": "too large"}), ACCEPTED, ACCEPTED)
        self.assertEqual(messages.mapped("state"), ["sent", "sent"])
        for message in messages:
            self.assertEqual(self.handed[message.uuid].send_at, message.scheduled_at)

    def test_bounds(self):
        """The time before is between ten minutes and 30 days."""
        for minutes in (0, -1, 9, 43201):
            with self.row(minutes):
                with mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError):
                    self.gateway.schedule_ahead_min = minutes
                    self.env.flush_all()


@tagged("post_install", "-at_install")
class TestOutgoing(SenderCase):
    """What an adapter gets of a message."""

    def test_what_an_adapter_gets(self):
        """Priority, sender, encoding, parts and the validity left reach the adapter."""
        seen = []
        adapter = type(self.env["sms.gateway.adapter.testing"])

        def prepare(this, gateway, messages):
            seen.extend(messages)
            return [
                SendRequest(
                    messages=tuple(messages),
                    url=self.server.url,
                    json={"messages": [{"id": message.uuid} for message in messages]},
                )
            ]

        self.gateway.sender = "ACME"
        message = self.enqueue(
            priority=const.PRIORITY_HIGH,
            body="ж" * 71,
            expires_at=fields.Datetime.now() + timedelta(minutes=10),
        )
        plain = self.enqueue(uuid="f" * 32)
        self.server.script(ACCEPTED)
        with patch.object(adapter, "_prepare_send_requests", prepare):
            self.run_sender()
        self.assertEqual((message + plain).mapped("state"), ["sent", "sent"])
        by_uuid = {outgoing.uuid: outgoing for outgoing in seen}
        outgoing = by_uuid[message.uuid]
        self.assertEqual(
            (outgoing.priority, outgoing.sender, outgoing.encoding, outgoing.segments),
            (const.PRIORITY_HIGH, "ACME", "ucs2", 2),
        )
        self.assertAlmostEqual(outgoing.valid_for_s, 600, delta=30)
        self.assertIsNone(outgoing.send_at)
        outgoing = by_uuid[plain.uuid]
        self.assertEqual(
            (outgoing.priority, outgoing.encoding, outgoing.segments),
            (const.PRIORITY_NORMAL, "gsm7", 1),
        )
        self.assertIsNone(outgoing.valid_for_s)
