# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Phones that fetch: offers, claims, reports, incoming texts, and who may do what."""

import json
from datetime import timedelta

from odoo import fields
from odoo.tests import HttpCase, tagged

from .. import const
from ..controllers import poll
from .common import NUMBERS, SmsGatewayMixin
from .http_common import RawHttpMixin


class PollCase(RawHttpMixin, SmsGatewayMixin, HttpCase):
    """Phones of the tests' own kind, over real HTTP."""

    gateway_values = {"code": "testing_pull"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.set_registry_readonly_mode(False)
        cls.device = cls.make_device("Phone 1")

    def setUp(self):
        super().setUp()
        poll.failures.reset()
        poll.guesses.reset()

    @classmethod
    def make_device(cls, name="Phone", **values):
        """Make a phone; it has asked a moment ago."""
        return cls.env["sms.gateway.device"].create(
            {
                "name": name,
                "gateway_id": cls.gateway.id,
                "last_poll_at": fields.Datetime.now(),
                **values,
            }
        )

    def call(self, do, device=None, *, secret=None, status=200, rest="/", **values):
        """Let a phone call, and return what it is answered, as JSON."""
        device = device or self.device
        self.env.flush_all()
        answer = self.http_call(
            "POST",
            f"/sms_gateway/{device.token}/poll{rest}",
            body=json.dumps(
                {
                    "do": do,
                    "secret": device.secret if secret is None else secret,
                    **values,
                }
            ).encode(),
            headers={"Content-Type": "application/json"},
        )
        self.env.invalidate_all()
        self.assertEqual(answer.status_code, status, answer.content)
        return json.loads(answer.content)

    def offer(self, device=None, **values):
        """Let a phone fetch; returns {reference: number}."""
        self.make_due()
        answer = self.call("offer", device, **values)
        return {offer["ref"]: offer["to"] for offer in answer["offers"]}

    def claim(self, refs, device=None):
        return self.call("claim", device, refs=list(refs))["refs"]

    def past(self, messages, **ages_s):
        """Move times of messages into the past, by seconds."""
        now = fields.Datetime.now()
        self.force(
            messages,
            **{name: now - timedelta(seconds=age) for name, age in ages_s.items()},
        )


@tagged("post_install", "-at_install")
class TestPoll(PollCase):
    """The life of a text that a phone fetches."""

    def test_life(self):
        """A text is offered, claimed, asked for, reported and delivered."""
        message = self.enqueue()
        offers = self.offer()
        self.assertEqual(list(offers.values()), [message.number])
        (ref,) = offers
        self.assertRegex(ref, r"^[0-9a-f]{32}$")
        self.assertFields(
            message,
            {"state": "sending", "request_at": False, "device_id": self.device},
        )
        self.assertEqual(self.offer(), {})
        self.assertEqual(self.claim([ref]), [ref])
        self.assertTrue(message.request_at)
        self.assertEqual(self.claim([ref]), [], "claimed once")
        self.assertEqual(self.device.acknowledges, "yes")
        self.assertEqual(self.call("ask")["refs"], [ref])
        self.call("report", reports={ref: "sent"})
        self.apply_events()
        self.assertEqual(message.state, "sent")
        self.call("report", reports={ref: "delivered"})
        self.call("report", reports={ref: "delivered"})
        self.apply_events()
        self.assertEqual(message.state, "delivered")
        self.assertEqual(len(message.event_ids), 2)
        answer = self.call("inbound", texts=[["E1", NUMBERS[0], "Thanks"]])
        self.assertTrue(answer["ok"])
        self.apply_events()
        inbound = self.messages_of([("direction", "=", "incoming")])
        self.assertFields(inbound, {"body": "Thanks", "device_id": self.device})
        again = self.enqueue(uuid="f" * 32)
        self.assertEqual(again.device_id, self.device, "the phone that it knows")
