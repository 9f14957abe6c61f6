# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Phones that fetch: offers, claims, reports, incoming texts, and who may do what."""

import json
import logging
import math
import re
from contextlib import contextmanager
from datetime import datetime, timedelta
from unittest.mock import patch
from uuid import uuid4
from zoneinfo import ZoneInfo

from psycopg2 import IntegrityError, OperationalError

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.sql_db import Cursor
from odoo.tests import HttpCase, tagged
from odoo.tools import SQL, file_open, mute_logger

from .. import const
from ..controllers import main, poll
from ..tools import tokens, webhook
from .common import NUMBERS, LogLines, SmsGatewayCase, SmsGatewayMixin
from .http_common import RawHttpMixin


class PollCase(RawHttpMixin, SmsGatewayMixin, HttpCase):
    """Phones of the tests' own kind, over real HTTP."""

    gateway_values = {"code": "testing_pull"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.device = cls.make_device("Phone 1")

    def setUp(self):
        super().setUp()
        poll.failures.reset()
        poll.guesses.reset()
        poll.known.clear()

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
        """Move times of messages into the past, by seconds.

        By the database's clock, which stands still in a test.
        """
        self.env.cr.execute("SELECT now() AT TIME ZONE 'UTC'")
        (now,) = self.env.cr.fetchone()
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

    def test_claim_is_atomic_and_foreign_refs_get_nothing(self):
        """A phone claims what was offered to it, once, and nothing else."""
        other = self.make_device("Phone 2", last_poll_at=False)
        messages = self.enqueue(3)
        refs = list(self.offer())
        self.assertEqual(len(refs), 3)
        self.assertEqual(self.claim(refs, other), [], "another phone's")
        wrong = ["0" * 32, "nonsense", "", None, 7, {"a": 1}, refs[0].upper()]
        self.assertEqual(self.claim([*wrong, refs[0], refs[0]]), [refs[0]])
        self.assertEqual(self.claim(refs), refs[1:])
        self.assertEqual(self.claim(refs), [])
        self.assertEqual(messages.mapped("state"), ["sending"] * 3)
        self.assertEqual(messages.attempt_ids.mapped("detail"),
                         ["The phone “Phone 1” took it."] * 3)  # fmt: skip

    def test_lease(self):
        """What nobody claimed in time: queued anew, or unconfirmed, by the phone."""
        for label, acknowledges, state in (
            ("known to claim", "yes", "queued"),
            ("not known", "unknown", "unconfirmed"),
            ("known not to", "no", "unconfirmed"),
        ):
            with self.row(label):
                self.device.acknowledges = acknowledges
                message = self.enqueue()
                (ref,) = self.offer()
                self.run_sender()
                self.assertEqual(message.state, "sending", "the lease is valid")
                self.past(message, lease_until=1)
                self.assertEqual(self.claim([ref]), [], "too late")
                # A claim without effect says that it claims, all the same.
                self.device.acknowledges = acknowledges
                self.run_sender()
                self.assertEqual(message.state, state)
                self.assertEqual(self.device.unclaimed_offers, 1)
                self.assertEqual(self.claim([ref]), [], "retired")
                self.device.acknowledges = acknowledges
                self.call("report", reports={ref: "sent"})
                self.apply_events()
                if state == "queued":
                    self.assertFields(
                        message,
                        {"state": "queued", "external_ref": False, "device_id": []},
                    )
                    (fresh,) = self.offer()
                    self.assertNotEqual(fresh, ref)
                else:
                    self.assertEqual(message.state, "sent", "a report corrects it")

    def test_claims_from_now_on(self):
        """Who begins to claim may have sent what it fetched before that."""
        early = self.enqueue()
        self.offer()
        self.past(early, state_at=60, lease_until=1)
        late = self.enqueue(uuid="f" * 32, number=NUMBERS[1])
        refs = self.offer()
        # Its app was switched over between the two.
        self.claim(["0" * 32])
        self.assertEqual(self.device.acknowledges, "yes")
        self.force(self.device, acknowledges_since=late.state_at)
        self.past(late, lease_until=1)
        self.run_sender()
        self.assertEqual((early + late).mapped("state"), ["unconfirmed", "queued"])
        self.assertEqual(self.claim(refs), [])

    def test_unclaimed_again_and_again(self):
        """After three offers without a claim only one text at a time is risked."""
        self.device.acknowledges = "yes"
        self.enqueue(8)
        for count in (1, 2, 3):
            self.assertEqual(len(self.offer()), 8, count)
            self.past(self.messages_of(), lease_until=1)
            self.run_sender()
            self.assertEqual(self.device.unclaimed_offers, count)
        self.assertEqual(self.device.acknowledges, "unknown")
        self.assertIn("did not confirm", self.device.warning)
        self.assertEqual(
            self.messages_of().mapped("state"), ["unconfirmed"] * 8, "it may send them"
        )
        self.enqueue(8, uuid=[uuid4().hex for _n in range(8)])
        (ref,) = self.offer()
        self.assertEqual(self.offer(), {}, "one at a time")
        self.assertEqual(self.claim([ref]), [ref])
        self.assertFields(
            self.device,
            {"unclaimed_offers": 0, "acknowledges": "yes", "warning": False},
        )
        self.assertEqual(len(self.offer()), 7)

    def test_unclaimed_within_a_lease(self):
        """Who fetches again and again, and claimed once, may have sent it all."""
        for label, claims, state in (
            ("never again", False, "unconfirmed"),
            ("some were lost on the way", True, "queued"),
        ):
            with self.row(label):
                self.device.acknowledges = "yes"
                self.device.messages_per_poll = 2
                first = self.enqueue(2)
                self.offer()
                for number in NUMBERS[1 : const.UNCLAIMED_MAX]:
                    self.enqueue(uuid=uuid4().hex, number=number)
                    self.offer()
                self.force(
                    self.messages_of().filtered(lambda row: row.state == "sending"),
                    state_at=fields.Datetime.now() - timedelta(seconds=30),
                )
                if claims:
                    self.claim(["0" * 32])
                self.past(first, lease_until=1)
                self.run_sender()
                self.assertEqual(first.mapped("state"), [state] * 2)

    def test_another_phone(self):
        """Whatever may be another phone or app has to show anew that it claims."""
        for label, change in (
            ("address", self.device.action_renew_token),
            ("secret", self.device.action_renew_secret),
            ("secret by hand", lambda: self.device.write({"secret": "s" * 30})),
            ("version", lambda: self.call("offer", seen={"version": "9.9"})),
        ):
            with self.subTest(label):
                self.device.write({"acknowledges": "yes", "version": "9.8"})
                change()
                self.assertEqual(self.device.acknowledges, "unknown")

    def test_gate_at_the_claim(self):
        """Who refused since the offer is not claimed, nor what is held or too late."""
        for label, act, state, values in (
            ("STOP", lambda m: self.refuse(m.number), "canceled",
             {"failure_type": "opted_out"}),
            ("blacklisted", lambda m: self.env["phone.blacklist"].add(m.number),
             "canceled", {}),
            ("too late", lambda m: self.past(m, expires_at=1), "expired",
             {"failure_type": "expired"}),
            ("test mode", lambda m: self.gateway.write({"state": "test"}), "canceled",
             {"failure_type": "test_mode"}),
        ):  # fmt: skip
            with self.row(label):
                message = self.enqueue()
                (ref,) = self.offer()
                act(message)
                self.assertEqual(self.claim([ref]), [])
                self.assertFields(message, {"state": state, **values}, label)

    def test_gate_at_the_offer(self):
        """Who refused is not offered to a phone that may send without claiming it.

        One that is known to claim, and left nothing unclaimed, asks once more.
        """
        for label, told, final, left, offered in (
            ("it claims", "yes", False, False, True),
            ("it claims, and left an offer", "yes", False, True, False),
            ("it claims, and sends without this once", "yes", True, False, False),
            ("nobody knows", "unknown", False, False, False),
            ("it never claims", "no", True, False, False),
        ):
            with self.row(label):
                self.device.write({"acknowledges": told, "messages_per_poll": 1})
                if left:
                    self.enqueue(uuid=uuid4().hex, number=NUMBERS[1])
                    self.assertTrue(self.offer())
                message = self.enqueue()
                # As a refusal that came while the text was being queued.
                self.refuse(message.number)
                self.force(message, state="queued", failure_type=None)
                refs = self.offer(final=final)
                self.assertEqual(bool(refs), offered, label)
                self.assertEqual(message.state, "sending" if offered else "canceled")
                self.assertEqual(self.claim(refs), [])
                self.assertFields(
                    message, {"state": "canceled", "failure_type": "opted_out"}, label
                )

    def refuse(self, number):
        self.env["sms.consent"]._record_many(
            [{"number": number, "act": "opted_out", "method": "phone"}]
        )

    def test_quiet_hours_at_the_claim(self):
        """What quiet hours hold since the offer waits, and its reference is lost."""
        message = self.enqueue()
        (ref,) = self.offer()
        hour = datetime.now(ZoneInfo("America/New_York")).hour
        self.gateway.write(
            {
                "quiet_hours": True,
                "quiet_from": (hour + 3) % 24,
                "quiet_to": (hour + 2) % 24,
            }
        )
        self.assertEqual(self.claim([ref]), [])
        self.assertFields(
            message,
            {"state": "queued", "hold": "quiet_hours", "external_ref": False},
        )

    def test_final(self):
        """A phone that claims nothing gets a text once; a report may still come."""
        message = self.enqueue()
        (ref,) = self.offer(final=True)
        self.assertFields(
            message, {"state": "unconfirmed", "failure_type": "unknown_outcome"}
        )
        self.assertTrue(message.request_at)
        self.assertEqual(self.offer(final=True), {})
        self.assertEqual(self.claim([ref]), [])
        self.run_sender()
        self.assertEqual(message.state, "unconfirmed")
        self.call("report", reports={ref: "failed"})
        self.apply_events()
        self.assertFields(
            message, {"state": "undelivered", "failure_type": "not_delivered"}
        )

    def test_reports(self):
        """A report settles what was claimed, in any order, and never backwards."""
        for label, words, state in (
            ("sent", ["sent"], "sent"),
            ("delivered", ["delivered"], "delivered"),
            ("both at once", ["sent", "delivered"], "delivered"),
            ("the wrong way round", ["delivered", "sent"], "delivered"),
            ("failed", ["failed"], "undelivered"),
            ("delivered is final", ["delivered", "failed"], "delivered"),
            ("unknown word", ["whatever"], "sending"),
        ):
            with self.row(label):
                message = self.enqueue()
                refs = list(self.offer())
                self.claim(refs)
                for word in words:
                    self.call("report", reports={refs[0]: word})
                self.apply_events()
                self.assertEqual(message.state, state)

    def test_report_without_claim(self):
        """What a phone reports on it has sent, though its claim never came."""
        message = self.enqueue()
        (ref,) = self.offer()
        self.call("report", reports={ref: "sent"})
        self.apply_events()
        self.assertEqual(message.state, "sent")
        self.assertEqual(self.offer(), {})

    def test_foreign_reports(self):
        """A report on what was not offered to this phone is not even kept."""
        other = self.make_device("Phone 2")
        message = self.enqueue()
        (ref,) = self.offer()
        self.claim([ref])
        for device, reported in ((other, ref), (self.device, "0" * 32)):
            self.assertTrue(
                self.call("report", device, reports={reported: "sent"})["ok"]
            )
        self.assertFalse(self.env["sms.gateway.event"].search([]))
        self.assertEqual(message.state, "sending")

    def test_reports_that_never_come(self):
        """The rule: asked, and back two minutes after the claim without a failure."""
        now = fields.Datetime.now()
        old = const.SETTLE_AFTER_S + 60
        for label, reports, claimed_s, asked, polled_s, state in (
            ("tells failures alone", "undelivered", old, True, 0, "sent"),
            ("claimed a moment ago", "undelivered", 60, True, 0, "sending"),
            ("never asked", "undelivered", old, False, 0, "sending"),
            ("not back since", "undelivered", old, True, old - 10, "sending"),
            ("tells successes", "sent,undelivered", old, True, 0, "sending"),
            ("no report until the deadline", "sent", const.CLAIM_DEADLINE_S + 1,
             True, 0, "unconfirmed"),
            ("never seen again", "undelivered", const.CLAIM_DEADLINE_S + 1, True,
             const.CLAIM_DEADLINE_S + 1, "unconfirmed"),
        ):  # fmt: skip
            with self.row(label):
                self.device.testing_reports = reports
                message = self.enqueue()
                refs = list(self.offer())
                self.claim(refs)
                if asked:
                    self.assertEqual(self.call("ask")["refs"], refs)
                self.past(
                    message,
                    request_at=claimed_s,
                    lease_until=claimed_s - const.CLAIM_DEADLINE_S,
                )
                if asked and polled_s:
                    self.past(message, asked_at=polled_s)
                self.force(self.device, last_poll_at=now - timedelta(seconds=polled_s))
                self.run_sender()
                self.assertEqual(message.state, state)
                if state == "sent":
                    self.assertIn("told of no failure", message.failure_text)
                    with self.row("it says so after all"):
                        self.call("report", reports={refs[0]: "sent"})
                        self.apply_events()
                        self.assertFields(
                            message, {"state": "sent", "failure_text": False}
                        )
                    self.call("report", reports={refs[0]: "failed"})
                    self.apply_events()
                    self.assertEqual(message.state, "undelivered", "corrected")

    def test_ask_is_short_and_rotates(self):
        """A phone is asked about few texts at once, and about all of them in turn."""
        self.device.write({"parts_per_minute": 0, "messages_per_poll": 50})
        messages = self.enqueue(50)
        self.claim(self.offer())
        self.device.messages_per_poll = 1
        asked = []
        for _turn in range(3):
            refs = self.call("ask")["refs"]
            self.assertLessEqual(len(refs), const.ASK_MAX)
            asked += refs
            # In a test the time of the database stands still.
            self.past(messages.filtered("asked_at"), asked_at=5)
            self.force(
                messages.search([("external_ref", "in", refs)]),
                asked_at=fields.Datetime.now(),
            )
        self.assertEqual(len(set(asked)), 50)
        other = self.make_device("Phone 2")
        self.assertEqual(self.call("ask", other)["refs"], [])

    def test_ask_after_an_erasure(self):
        """Whose data was erased while the phone had the text is asked about no more."""
        messages = self.enqueue(2)
        refs = self.offer()
        self.claim(refs)
        self.force(messages[0], external_ref=None)
        self.assertEqual(self.call("ask")["refs"], [messages[1].external_ref])

    def test_parts_per_minute(self):
        """A phone gets no more SMS parts than it may send within a minute."""
        self.device.parts_per_minute = 5
        two = "x" * 200
        self.enqueue(4, body=two)
        first = self.offer()
        self.assertEqual(len(first), 2, "two times two parts")
        self.assertEqual(self.offer(), {}, "a third would be too many")
        self.claim(first)
        self.past(self.messages_of([("request_at", "!=", False)]), request_at=61)
        self.assertEqual(len(self.offer()), 2, "a minute later")

    def test_parts_at_the_claim(self):
        """Offers that add up to more than a minute's parts are claimed in part."""
        self.device.parts_per_minute = 5
        messages = self.enqueue(3, body="x" * 200)
        early = list(self.offer())
        self.past(messages.filtered("device_id"), state_at=61)
        early += list(self.offer())
        self.assertEqual(len(early), 3)
        claimed = self.claim(early)
        self.assertEqual(len(claimed), 2)
        self.assertEqual(
            messages.mapped("state"), ["sending", "sending", "queued"], "back at once"
        )

    def test_long_text(self):
        """A text of more parts than any minute allows goes alone."""
        self.device.parts_per_minute = 2
        self.enqueue(2, body=["x" * 500, "short"])
        self.assertEqual(len(self.offer()), 1)
        self.assertEqual(self.offer(), {})

    def test_daily_limit(self):
        """A phone gets no more texts in a day than its contract allows."""
        self.device.daily_limit = 3
        self.enqueue(5)
        first = self.offer()
        self.assertEqual(len(first), 3)
        self.assertEqual(len(self.claim(first)), 3)
        self.assertEqual(self.offer(), {})
        self.assertIn("limit", self.device.warning)
        self.past(self.messages_of([("request_at", "!=", False)]), request_at=90000)
        self.assertEqual(len(self.offer()), 2)

    def test_battery_warning_ends(self):
        """Phones tell of a low battery only: after a day nobody knows any more."""
        now = fields.Datetime.now()
        for age_h, expected in ((1, True), (25, False)):
            with self.row(age_h):
                self.device.write(
                    {"battery": 12, "battery_at": now - timedelta(hours=age_h)}
                )
                self.assertEqual("12 %" in (self.device.warning or ""), expected)

    def test_daily_limit_at_the_claim(self):
        """What two calls at once were offered beyond the limit is not handed out."""
        messages = self.enqueue(5)
        refs = self.offer()
        self.assertEqual(len(self.claim(list(refs)[:1])), 1)
        self.device.daily_limit = 3
        self.assertEqual(len(self.claim(refs)), 2)
        self.assertEqual(
            sorted(messages.mapped("state")), ["queued"] * 2 + ["sending"] * 3
        )

    def test_daily_limit_of_a_conversation(self):
        """What waits for a phone that may send no more today goes through another."""
        other = self.make_device("Phone 2")
        self.device.daily_limit = 1
        first = self.enqueue()
        self.claim(self.offer())
        self.force(first, request_at=fields.Datetime.now())
        again = self.enqueue(uuid="f" * 32)
        self.assertEqual(again.device_id, self.device)
        self.run_sender()
        self.assertFalse(again.device_id)
        self.assertEqual(list(self.offer(other).values()), [again.number])
        self.device.write({"daily_limit": 0, "unclaimed_offers": const.UNCLAIMED_MAX})
        self.force(again, device_id=self.device.id, state="queued")
        self.run_sender()
        self.assertFalse(again.device_id, "it confirms nothing")

    def test_asking_for_results_is_not_fetching(self):
        """A phone that only asks what to report on gets no texts to wait for it."""
        self.device.last_poll_at = False
        self.call("ask")
        self.assertFields(self.device, {"last_poll_at": False, "status": "new"})
        self.assertTrue(self.device.last_seen_at)

    def test_answer_to_a_claimed_text(self):
        """Who answers before it is known that the text went out answers that text."""
        message = self.enqueue()
        refs = self.offer()
        self.call("inbound", texts=[["E1", message.number, "Too early"]])
        self.apply_events()
        self.claim(refs)
        self.call("inbound", texts=[["E2", message.number, "Yes"]])
        self.apply_events()
        early, answer = self.messages_of([("direction", "=", "incoming")]).sorted("id")
        self.assertEqual(answer.answers_id, message)
        self.assertFalse(early.answers_id)

    def test_shares(self):
        """Phones share the pool by their SIM cards; who is offline does not count."""
        other = self.make_device("Phone 2", sims=2)
        self.make_device("Phone 3", sims=7, last_poll_at=False)
        self.enqueue(9)
        self.assertEqual(len(self.offer()), 3)
        self.assertEqual(len(self.offer(other)), 4)
        self.assertEqual(len(self.offer()), 1)
        self.assertEqual(len(self.offer(other)), 1, "never nothing")

    def test_fleet(self):
        """What a call reads of the other phones is what their forms would tell."""
        quiet = {"last_poll_at": fields.Datetime.now() - timedelta(hours=1)}
        paused = {
            "fallback_gateway_id": self.gateway.id,
            "paused_until": fields.Datetime.now() + timedelta(hours=1),
        }
        company = self.env["res.company"].create({"name": "Another one"})
        for label, sims, fellows, sources, fleet, relieved in (
            ("alone", 1, [], [], 1, []),
            ("others", 2, [{"sims": 3}, {}, {"sims": 4, **quiet}], [], 6, []),
            ("archived", 1, [{"active": False}], [], 1, []),
            ("paused", 1, [], [paused, {**paused, "paused_until": False}], 1, [0]),
            (
                "in service or not",
                1,
                [],
                [
                    {**paused, "active": False},
                    {**paused, "state": "disabled"},
                    {**paused, "state": "test"},
                    {**paused, "company_id": company.id},
                ],
                1,
                [2, 3],
            ),
            (
                "of its company",
                1,
                [],
                [paused, {**paused, "company_id": company.id}],
                1,
                [1],
            ),
        ):
            with self.row(label):
                self.device.sims = sims
                for values in fellows:
                    self.make_device(**values)
                gateways = [
                    self.make_gateway(code="sandbox", name=f"Source {n}", **values)
                    for n, values in enumerate(sources)
                ]
                if label == "of its company":
                    self.force(self.gateway, company_id=company.id)
                self.env.flush_all()
                self.env.invalidate_all()
                told = (fleet, {gateways[n].id for n in relieved})
                for device in (
                    self.device.sudo(),
                    self.device._find_by_token(self.device.token),
                ):
                    self.assertEqual(
                        (device.fleet_sims, set(device.relieved_gateway_ids.ids)), told
                    )
                    self.env.invalidate_all()

    def test_sticky(self):
        """Who is in conversation with a phone stays with it, while it is alive."""
        other = self.make_device("Phone 2")
        self.call("inbound", other, texts=[["E1", NUMBERS[1], "Hello"]])
        self.apply_events()
        messages = self.enqueue(2)
        self.assertEqual(messages.mapped("device_id"), other)
        self.assertEqual(list(self.offer().values()), [NUMBERS[0]])
        self.assertEqual(list(self.offer(other).values()), [NUMBERS[1]])
        with self.row("held back when it was to be taken"):
            other.parts_per_minute = 1
            more = self.enqueue(2, uuid=["d" * 32, "e" * 32], number=NUMBERS[1])
            self.force(other, parts_per_minute=30)
            refs = list(self.offer(other))
            self.assertEqual(len(refs), 2)
            self.force(other, parts_per_minute=1)
            self.assertEqual(len(self.claim(refs, other)), 1)
            self.assertEqual(more.mapped("state"), ["sending", "queued"])
            self.assertEqual(more.mapped("device_id"), other)
        for label, values in (
            ("offline", {"last_poll_at": fields.Datetime.now() - timedelta(hours=1)}),
            ("archived", {"active": False}),
        ):
            with self.row(label):
                other.write(values)
                again = self.enqueue(uuid="f" * 32, number=NUMBERS[1])
                self.assertFalse(again.device_id)

    def test_inbound_repeats(self):
        """A text that is handed over again and again is one text."""
        for _turn in range(5):
            self.assertTrue(self.call("inbound", texts=[["E1", "INFO", "Hi"]])["ok"])
        self.apply_events()
        self.assertFields(
            self.messages_of([("direction", "=", "incoming")]),
            {"number": "INFO", "body": "Hi"},
        )

    def test_inbound_repeats_after_years(self):
        """What is known of a text that came in outlives its raw form."""
        text = ["E1", NUMBERS[1], "Hi"]
        self.call("inbound", texts=[text])
        self.apply_events()
        events = self.env["sms.gateway.event"].search([], order="id desc", limit=1)
        self.force(events, received_at=fields.Datetime.now() - timedelta(days=91))
        for _turn in range(2):
            self.assertEqual(events._gc_events()[1], False)
        self.assertFields(events, {"body": False, "raw": False, "number": False})
        self.call("inbound", texts=[text])
        self.apply_events()
        self.assertEqual(len(self.messages_of([("direction", "=", "incoming")])), 1)

    def test_answer_rides_along(self):
        """The answer to a text rides on the reply to it, where a phone takes that."""
        self.enqueue(number=NUMBERS[5])
        messages = type(self.env["sms.gateway.message"])
        pick = messages._pick

        def pick_later(this, *args, **kwargs):
            # The database's clock stands still in a test.
            this.env.cr.execute(
                "UPDATE sms_gateway_message SET due_at = now() AT TIME ZONE 'UTC' "
                "WHERE state = 'queued'"
            )
            return pick(this, *args, **kwargs)

        with patch.object(messages, "_pick", pick_later):
            answer = self.call(
                "inbound", texts=[["E1", NUMBERS[1], "HELP"]], then_offer=5
            )
        self.assertEqual([offer["to"] for offer in answer["offers"]], [NUMBERS[1]])
        sent = self.messages_of([("kind", "=", "automatic")])
        self.assertEqual(sent.state, "unconfirmed")
        again = self.call("inbound", texts=[["E1", NUMBERS[1], "HELP"]], then_offer=5)
        self.assertEqual(again["offers"], [])

    def test_give_up(self):
        """Giving up a phone frees what waits, and leaves open what it took."""
        self.device.acknowledges = "yes"
        other = self.make_device("Phone 2")
        messages = self.enqueue(3, number=[NUMBERS[0], NUMBERS[1], NUMBERS[2]])
        self.force(messages, device_id=self.device.id)
        self.device.messages_per_poll = 1
        (claimed,) = self.offer()
        self.claim([claimed])
        (offered,) = self.offer()
        token = self.device.token
        self.device.action_give_up()
        self.assertFalse(self.device.active)
        self.assertEqual(messages.mapped("state"), ["unconfirmed", "queued", "queued"])
        self.assertFalse(messages[1:].device_id)
        self.assertNotEqual(self.device.token, token)
        self.assertFalse(self.call("claim", refs=[offered])["ok"])
        self.assertEqual(len(self.offer(other)), 2)

    def test_expiry(self):
        """What waits beyond its validity expires; it is not offered before that."""
        message = self.enqueue(expires_at=fields.Datetime.now() + timedelta(hours=1))
        self.past(message, expires_at=1)
        self.assertEqual(self.offer(), {})
        self.run_sender()
        self.assertEqual(message.state, "expired")

    def test_order_and_plan(self):
        """Urgent texts come first, planned ones when they are due."""
        later = fields.Datetime.now() + timedelta(hours=1)
        self.enqueue(
            4, priority=["3", "1", "2", "1"], scheduled_at=[False, False, False, later]
        )
        self.assertEqual(
            list(self.offer().values()), [NUMBERS[1], NUMBERS[2], NUMBERS[0]]
        )

    def test_told(self):
        """A phone may say what its columns are for, and nothing else of itself."""
        token = self.device.token
        self.call(
            "seen",
            seen={
                "version": "3.1\x00",
                "battery": 12,
                "test_result": "Works",
                "testing_model": "X",
                "token": "mine",
                "secret": "mine",
                "active": False,
                "gateway_id": 1,
                "sims": 99,
                "nonsense": 1,
            },
        )
        self.assertFields(
            self.device,
            {
                "version": "3.1",
                "battery": 12,
                "test_result": "Works",
                "testing_model": "X",
                "token": token,
                "sims": 1,
                "active": True,
            },
        )
        self.assertTrue(self.device.battery_at)
        self.assertTrue(self.device.test_at)
        self.assertIn("12 %", self.device.warning)
        self.call("seen", seen={"battery": "much"})
        self.assertEqual(self.device.battery, 12)

    def test_takes_over(self):
        """Phones fetch what waits at a paused gateway whose fallback they are."""
        main = self.make_gateway(
            code="sandbox", name="Main", fallback_gateway_id=self.gateway.id
        )
        message = self.enqueue(gateway_id=main.id)
        self.assertEqual(self.offer(), {})
        main._pause("Trouble", 600)
        (ref,) = self.offer()
        self.assertFields(
            message, {"gateway_id": self.gateway, "relieved_gateway_id": main}
        )
        self.assertEqual(self.claim([ref]), [ref])

    def test_bulk(self):
        """Mass texts are fetched like others, and stay with the phone they know."""
        self.call("inbound", texts=[["E1", NUMBERS[1], "Hello"]])
        self.apply_events()
        other = self.make_device("Phone 2")
        self.env["sms.gateway.message"]._enqueue_bulk(
            [
                {"gateway_id": self.gateway.id, "number": number, "body": "Hi",
                 "kind": "broadcast"}
                for number in NUMBERS[:3]
            ]
        )  # fmt: skip
        self.assertEqual(
            set(self.offer(other).values()) | set(self.offer(other).values()),
            {NUMBERS[0], NUMBERS[2]},
        )
        self.assertEqual(list(self.offer().values()), [NUMBERS[1]])

    def test_queries(self):
        """A call costs a handful of statements, whatever waits."""
        self.device.acknowledges = "yes"
        self.enqueue(20)
        refs = []
        for label, most, values in (
            ("offer", 3, {}),
            ("claim", 5, {"refs": refs}),
            ("ask", 4, {}),
            ("offer", 3, {}),
            ("report", 8, {"reports": {"ref": "sent"}}),
            ("inbound", 7, {"texts": [["E1", NUMBERS[0], "Hi"]]}),
        ):
            if label == "report":
                values = {"reports": {ref: "sent" for ref in refs}}
            self.make_due()
            self.device.fetch(["token", "secret"])
            with self.row_of_queries() as statements:
                answer = self.call(label, **values)
            refs += [offer["ref"] for offer in answer.get("offers", ())]
            self.assertLessEqual(len(statements), most, (label, statements))
            self.assertTrue(statements, label)

    def test_what_a_phone_took_is_looked_up(self):
        """No other index is read as a whole, also while statistics know of no phone."""
        self.env.cr.execute("SET LOCAL enable_seqscan TO off")
        self.env.cr.execute(
            """
            EXPLAIN SELECT sum(segments) FROM sms_gateway_message
                     WHERE device_id = %s AND request_at > now()
            """,
            [self.device.id],
        )
        plan = "\n".join(line for (line,) in self.env.cr.fetchall())
        self.assertIn("sms_gateway_message_device_taken_index", plan)

    def test_what_waits_is_looked_up(self):
        """Nor is all that a phone ever took read for what waits for it."""
        messages = self.env["sms.gateway.message"].sudo()
        message = self.enqueue()
        self.make_due()
        self.env.flush_all()
        self.env.cr.execute("UPDATE sms_gateway_message SET device_id = NULL")
        self.env.cr.execute(
            """
            INSERT INTO sms_gateway_message
                   (uuid, gateway_id, direction, kind, state, priority, number, body,
                    encoding, segments, attempts, due_at, by_device)
            SELECT md5('waits' || n), gateway_id, direction, kind, state, priority,
                   number, body, encoding, segments, attempts, due_at, by_device
              FROM sms_gateway_message, generate_series(1, 3000) AS n WHERE id = %s
            """,
            [message.id],
        )
        self.env.cr.execute("ANALYZE sms_gateway_message")
        plans = []
        execute = Cursor.execute

        def explaining(cursor, query, *args, **kwargs):
            if "SKIP LOCKED" in getattr(query, "code", ""):
                execute(cursor, SQL("EXPLAIN %s", query))
                plans.append("\n".join(line for (line,) in cursor.fetchall()))
            return execute(cursor, query, *args, **kwargs)

        for label, fellows in (("alone", 0), ("shared", 1)):
            with self.row(label):
                for _n in range(fellows):
                    self.make_device("Phone 2")
                self.env.invalidate_all()
                with patch.object(Cursor, "execute", explaining):
                    self.assertTrue(messages._offer(self.device.sudo()))
                plan = plans.pop()
                # Of what it took, the last minute alone.
                self.assertEqual(plan.count("message_device_taken_index on"), 1, plan)
                self.assertRegex(plan, r"message_(device_)?queue_index on")
        self.assertFalse(plans)

    def test_what_an_offer_waits_for(self):
        """The disk is waited for, but for offers that are lost without harm."""
        for label, told, unclaimed, final, waits in (
            ("it claims", "yes", 0, False, False),
            ("it claims, and sends without this once", "yes", 0, True, True),
            ("nobody knows", "unknown", 0, False, True),
            ("it never claims", "no", 0, True, True),
            ("it stopped claiming", "yes", const.UNCLAIMED_MAX, False, True),
        ):
            with self.row(label):
                self.device.write({"acknowledges": told, "unclaimed_offers": unclaimed})
                self.enqueue()
                self.make_due()
                self.env.flush_all()
                messages = self.env["sms.gateway.message"].sudo()
                self.assertTrue(messages._offer(self.device.sudo(), final=final))
                self.env.cr.execute("SHOW synchronous_commit")
                self.assertEqual(
                    self.env.cr.fetchone()[0], "on" if waits else "off", label
                )

    @contextmanager
    def row_of_queries(self):
        """Record statements on our tables, without those that the test makes."""
        found = []
        with self.count_queries() as statements:
            yield found
        found += [
            line
            for line in statements
            if re.search(r"sms_gateway|sms_consent|ir_cron_trigger", line)
        ]


@tagged("post_install", "-at_install")
class TestWatch(PollCase):
    """Phones that stop asking, and come back."""

    def setUp(self):
        super().setUp()
        self.hour_ago = fields.Datetime.now() - timedelta(hours=1)

    def alarms(self):
        return self.gateway.activity_ids.filtered(
            lambda activity: (
                activity.activity_type_id
                == self.env.ref("sms_gateway_hub.mail_activity_type_phone")
            )
        )

    def test_quiet_phone(self):
        """A quiet phone sets off one alarm, and frees what waits for it."""
        other = self.make_device("Phone 2")
        message = self.enqueue()
        self.force(message, device_id=self.device.id)
        self.assertEqual(self.device.status, "online")
        self.device.last_poll_at = self.hour_ago
        self.assertEqual(self.device.status, "offline")
        self.assertIn("does not ask", self.device.warning)
        for _turn in range(2):
            self.run_sender()
        alarm = self.alarms()
        self.assertEqual(len(alarm), 1)
        self.assertEqual(alarm.user_id, self.gateway.responsible_user_id)
        self.assertIn("Phone 1", alarm.summary)
        self.assertFalse(message.device_id)
        self.assertFalse(self.gateway.paused_until, "another one is there")
        self.assertEqual(self.gateway.device_online_count, 1)
        self.assertEqual(len(self.offer(other)), 1)
        self.offer()
        self.run_sender()
        self.assertFalse(self.alarms(), "it is back")

    def test_alarm_again(self):
        """A phone that comes back and stops again sets off another alarm."""
        self.device.last_poll_at = self.hour_ago
        self.run_sender()
        self.alarms().action_feedback()
        self.run_sender()
        self.assertFalse(self.alarms(), "done is done")
        self.offer()
        self.run_sender()
        self.device.last_poll_at = self.hour_ago
        self.run_sender()
        self.assertEqual(len(self.alarms()), 1)

    def test_alarm_by_email_once(self):
        """A phone that comes and goes shows as offline, and mails nobody each time."""
        mails = []
        self.gateway.responsible_user_id = self.env.ref("base.user_admin")
        activities = type(self.env["mail.activity"])
        with patch.object(activities, "action_notify", lambda this: mails.extend(this)):
            for label, alarmed_h, expected in (
                ("first", None, 1),
                ("again, a moment later", None, 1),
                ("again, the next day", 24, 2),
            ):
                with self.subTest(label):
                    if alarmed_h:
                        self.device.alarmed_at -= timedelta(hours=alarmed_h)
                    self.device.last_poll_at = self.hour_ago
                    self.run_sender()
                    self.assertEqual(len(self.alarms()), 1)
                    self.assertEqual(len(mails), expected)
                    self.offer()
                    self.run_sender()
                    self.assertFalse(self.alarms())

    def test_all_quiet(self):
        """F22: while no phone asks, the fallback takes what was not handed out."""
        fallback = self.make_gateway(code="sandbox", name="Fallback")
        self.gateway.fallback_gateway_id = fallback
        messages = self.enqueue(3)
        self.device.messages_per_poll = 1
        (claimed,) = self.offer()
        self.claim([claimed])
        (offered,) = self.offer()
        self.device.acknowledges = "unknown"
        self.device.last_poll_at = self.hour_ago
        self.run_sender()
        self.assertTrue(self.gateway.paused_until)
        self.assertEqual(self.gateway.health, "paused")
        self.deliver(fallback)
        self.assertEqual(messages.mapped("state"), ["sending", "sending", "delivered"])
        self.assertEqual(messages[2].gateway_id, fallback)
        self.past(messages[1], lease_until=1)
        self.run_sender()
        self.assertEqual(messages[1].state, "unconfirmed", "it may have sent it")
        self.deliver(fallback)
        self.assertEqual(messages[0].state, "sending", "never given to another")
        self.offer()
        self.assertFalse(self.gateway.paused_until, "a phone asks again")
        self.assertEqual(offered, messages[1].external_ref)

    def test_no_phone_at_all(self):
        """A gateway without any phone waits quietly, or lets its fallback send."""
        self.device.last_poll_at = False
        message = self.enqueue()
        self.run_sender()
        self.assertFalse(self.gateway.paused_until)
        self.assertFalse(self.alarms())
        self.gateway.fallback_gateway_id = self.make_gateway(
            code="sandbox", name="Fallback"
        )
        self.run_sender()
        self.assertTrue(self.gateway.paused_until)
        self.assertEqual(message.state, "queued")

    def test_given_up_in_time(self):
        """While no phone asks, a text that waited too long fails, and says so."""
        message = self.enqueue()
        self.past(message, create_date=25 * 3600, due_at=25 * 3600)
        self.run_sender()
        self.assertEqual(message.state, "queued", "a phone asks: it gets it")
        self.device.last_poll_at = self.hour_ago
        self.run_sender()
        self.assertFields(message, {"state": "failed", "failure_type": "not_reached"})

    def test_last_phone_given_up(self):
        """When the last phone is gone, what waits goes elsewhere or ends in time."""
        message = self.enqueue()
        self.device.action_give_up()
        self.run_sender()
        self.assertTrue(self.gateway.paused_until)
        self.assertEqual(message.state, "queued")
        self.past(message, create_date=25 * 3600, due_at=25 * 3600)
        self.run_sender()
        self.assertFields(message, {"state": "failed", "failure_type": "not_reached"})

    def test_held_long(self):
        """What was held for days and is due only now does not fail at once."""
        message = self.enqueue()
        self.past(message, create_date=72 * 3600, due_at=60)
        self.device.last_poll_at = self.hour_ago
        self.run_sender()
        self.assertEqual(message.state, "queued")

    def test_taken_over_from_a_phone(self):
        """What the fallback took is the phone's no more, whatever becomes of it."""
        fallback = self.make_gateway(code="sandbox", name="Fallback")
        self.gateway.fallback_gateway_id = fallback
        message = self.enqueue()
        self.gateway._pause("No phone", 600)
        # Queued for the phone by a long transaction that ended after the pause began.
        self.force(message, device_id=self.device.id)
        self.make_due()
        messages = self.env["sms.gateway.message"]
        (row,) = messages._claim(fallback, 10)
        messages._stamp([row["id"]], row["attempt_ref"])
        messages.invalidate_model()
        self.assertFields(
            message, {"state": "sending", "gateway_id": fallback, "device_id": []}
        )
        self.device.action_give_up()
        self.assertEqual(message.state, "sending", "not the phone's")

    def test_disabled(self):
        """A gateway out of service sets off no alarm; what was taken still settles."""
        message = self.enqueue()
        self.offer()
        self.past(message, lease_until=1)
        self.device.last_poll_at = self.hour_ago
        self.gateway.state = "disabled"
        self.run_sender()
        self.assertFalse(self.alarms())
        self.assertEqual(message.state, "unconfirmed")

    def test_deletion(self):
        """A phone that texted is kept, one that did not may go."""
        other = self.make_device("Phone 2")
        other.unlink()
        self.enqueue()
        self.offer()
        with self.assertRaisesRegex(UserError, "Archive it instead"):
            self.device.unlink()

    def test_stays_with_its_gateway(self):
        """A phone does not move: what it took could never be settled."""
        other = self.make_gateway(name="Other")
        with self.assertRaisesRegex(UserError, "stays with its gateway"):
            self.device.gateway_id = other
        self.device.write({"gateway_id": self.gateway.id, "sims": 2})

    def test_values(self):
        """Values that no phone can have are refused, in plain words."""
        for values in (
            {"sims": 0},
            {"parts_per_minute": -1},
            {"messages_per_poll": 0},
            {"daily_limit": -1},
            {"poll_interval_s": 0},
            {"secret": "with space"},
            {"basic_user": "only"},
            {"basic_user": "a:b", "basic_password": "c"},
        ):
            with (
                self.row(values),
                mute_logger("odoo.sql_db"),
                self.assertRaises(Exception) as raised,
            ):
                self.device.write(values)
                self.env.flush_all()
            self.assertIsInstance(raised.exception, ValidationError | IntegrityError)


@tagged("post_install", "-at_install")
class TestPollDoor(PollCase):
    """Who gets in, what is answered to others, and what nobody may see."""

    def raw(self, method="POST", target=None, **kwargs):
        self.env.flush_all()
        kwargs.setdefault("body", b"{}" if method != "GET" else None)
        answer = self.http_call(
            method, target or f"/sms_gateway/{self.device.token}/poll/", **kwargs
        )
        self.env.invalidate_all()
        return answer

    def assertNeutral(self, answer, status):
        """One JSON document that no device takes for work."""
        self.assertEqual(answer.status_code, status)
        self.assertEqual(
            answer.headers["Content-Type"], "application/json; charset=utf-8"
        )
        document = json.loads(answer.content)
        self.assertEqual(set(document), {"payload", "message_uuids"})
        self.assertIs(document["payload"].pop("success"), False)
        self.assertTrue(document["payload"].pop("error"))
        self.assertEqual(
            document,
            {
                "payload": {"task": "", "secret": "", "messages": []},
                "message_uuids": [],
            },
        )
        self.assertNotIn("Set-Cookie", answer.headers)
        self.assertNotIn("Location", answer.headers)

    def test_addresses(self):
        """With and without a slash, and with anything behind, without a redirect."""
        token = self.device.token
        secret = json.dumps({"do": "offer", "secret": self.device.secret}).encode()
        for rest in (
            "poll", "poll/", "poll/add", "poll/add/", "poll//", "poll/a/b/c", "add",
            "add/", "poll?task=send&secret=x?secret=x&from=1", "poll/?self=1&token=2",
            "poll/?rest=1&cr=1&context=x",
        ):  # fmt: skip
            for method in ("GET", "POST", "PUT"):
                with self.subTest(method=method, rest=rest):
                    answer = self.raw(
                        method, f"/sms_gateway/{token}/{rest}", body=secret
                    )
                    self.assertEqual(answer.status_code, 200)
                    self.assertTrue(json.loads(answer.content)["ok"])
                    self.assertNotIn("Set-Cookie", answer.headers)
                    self.assertNotIn("Location", answer.headers)

    def test_neutral_answers(self):
        """Whatever is wrong, the answer is one JSON document that means nothing."""
        large = b"x" * (const.WEBHOOK_MAX_BYTES + 1)
        for label, status, method, target, kwargs in (
            ("no token", 404, "GET", "/sms_gateway/?task=send", {}),
            ("no token, POST", 404, "POST", "/sms_gateway//poll/", {}),
            ("two slashes", 404, "POST",
             f"/sms_gateway/{self.device.token}//poll/", {}),
            ("no poll", 404, "GET", f"/sms_gateway/{self.device.token}?task=send", {}),
            ("no poll, slash", 404, "GET", f"/sms_gateway/{self.device.token}/", {}),
            ("deeper", 404, "PUT", f"/sms_gateway/{self.device.token}/pol/a/b", {}),
            ("unknown address", 404, "POST", "/sms_gateway/unknown/poll/", {}),
            ("unknown, by GET", 404, "GET", "/sms_gateway/unknown/poll", {}),
            ("strange token", 404, "GET", "/sms_gateway/%F0%9F%98%80%00/poll", {}),
            ("a gateway's token", 404, "POST",
             f"/sms_gateway/{self.gateway.webhook_token}/poll/", {}),
            ("method", 405, "DELETE", None, {}),
            ("too large", 413, "POST", None, {"body": large}),
            ("no length", 411, "POST", None, {"body": iter([b"{}"])}),
        ):  # fmt: skip
            with self.subTest(label):
                poll.guesses.reset()
                self.assertNeutral(self.raw(method, target, **kwargs), status)

    def test_trouble(self):
        """Trouble of ours is answered 503, in JSON, and logged without words of it."""
        devices = type(self.env["sms.gateway.device"])
        for label, error in (
            ("database", OperationalError("+12025550100 and a text")),
            ("anything", RuntimeError("boom")),
        ):
            with (
                self.subTest(label),
                patch.object(devices, "_execute", side_effect=error),
                self.assertLogs("odoo.addons.sms_gateway_hub", logging.ERROR) as logs,
            ):
                self.assertNeutral(
                    self.raw(body=json.dumps({"secret": self.device.secret}).encode()),
                    503,
                )
                self.assertNotIn("+12025550100", "".join(logs.output))

    def test_kind_that_is_gone(self):
        """A gateway whose addon is gone has no address."""
        self.force(self.gateway, code="gone")
        self.assertNeutral(self.raw(), 404)

    def test_refused(self):
        """Without proof, archived, disabled, in a copy: refused, and nothing moves."""
        message = self.enqueue()
        (ref,) = self.offer()
        for label, prepare, secret in (
            ("wrong secret", lambda: None, "wrong"),
            ("empty secret", lambda: None, ""),
            ("no secret set", lambda: self.device.write({"secret": False}), ""),
            ("archived", lambda: self.force(self.device, active=False), None),
            ("disabled", lambda: self.gateway.write({"state": "disabled"}), None),
            ("copy", lambda: self.env["ir.config_parameter"].set_param(
                "database.is_neutralized", "true"), None),
        ):  # fmt: skip
            with self.row(label):
                poll.failures.reset()
                prepare()
                self.force(self.device, last_poll_at=None)
                for do, values in (
                    ("offer", {}),
                    ("claim", {"refs": [ref]}),
                    ("report", {"reports": {ref: "sent"}}),
                    ("inbound", {"texts": [["E1", NUMBERS[0], "Hi"]]}),
                ):
                    answer = self.call(do, secret=secret, **values)
                    self.assertIs(answer["ok"], False, do)
                    self.assertTrue(answer["error"], do)
                self.assertFalse(self.env["sms.gateway.event"].search([]))
                self.assertFalse(message.request_at)
                self.assertEqual(
                    bool(self.device.last_poll_at), label in ("disabled", "copy")
                )

    def test_wrong_tries_are_limited(self):
        """T3: who tries secrets or addresses is held off, others are not."""
        for _turn in range(const.POLL_FAILURES_PER_MIN + 1):
            self.assertFalse(self.call("offer", secret="wrong")["ok"])
        self.assertNeutral(self.raw(), 429)
        self.assertNeutral(
            self.raw(body=json.dumps({"secret": self.device.secret}).encode()), 429
        )
        other = self.make_device("Phone 2")
        self.assertTrue(self.call("offer", other)["ok"])
        poll.failures.reset()
        self.assertTrue(self.call("offer")["ok"])
        for turn in range(const.POLL_GUESSES_PER_MIN + 1):
            self.assertNeutral(self.raw(target=f"/sms_gateway/guess{turn}/poll"), 404)
        self.assertNeutral(self.raw(target="/sms_gateway/guess/poll"), 429)
        # A phone that was given up calls on from the same network.
        self.assertTrue(self.call("offer")["ok"], "known")
        token = self.device.token
        self.device.action_renew_token()
        poll.guesses.reset()
        self.assertNeutral(self.raw(target=f"/sms_gateway/{token}/poll"), 404)
        self.assertNotIn(webhook.token_digest(token), poll.known)

    def test_mistyped_addresses_in_logs(self):
        """T4: a secret in the query is hidden even where the path lacks the token."""
        for path, shown in (
            ("/sms_gateway/abc/poll/?task=send&secret=x9", "/sms_gateway/***/poll/"),
            ("/sms_gateway/?task=send&secret=x9", "/sms_gateway/***"),
            ("/sms_gateway?task=send&secret=x9", "/sms_gateway***"),
            ("/sms_gateway//abc/poll/?secret=x9", "/sms_gateway/***/***/poll/"),
            ("/sms_gateway/poll/abc/", "/sms_gateway/***/***/"),
            ("/sms_gateway/abc/pol", "/sms_gateway/***/***"),
            ("/sms_gateway/abc/status", "/sms_gateway/***/status"),
            ("/sms_gateway_hub/static/a.js?b=c", "/sms_gateway_hub/static/a.js?b=c"),
        ):
            with self.subTest(path):
                self.assertEqual(
                    main._hide_tokens(f'"GET {path} HTTP/1.1" 200'),
                    f'"GET {shown} HTTP/1.1" 200',
                )

    def test_unreadable(self):
        """What cannot be read is refused in the words of the adapter, and counted."""
        for body in (b"", b"[]", b"{", b"\xff", b"{" * 5000, b"null", b"<html>"):
            with self.subTest(body[:10]):
                answer = self.raw(body=body)
                self.assertEqual(answer.status_code, 200)
                self.assertIs(json.loads(answer.content)["ok"], False)

    def test_renewed(self):
        """A new address stops the old one at once, a new secret the old secret."""
        old = self.device.token
        self.device.action_renew_token()
        self.assertNotEqual(self.device.token, old)
        self.assertNeutral(self.raw(target=f"/sms_gateway/{old}/poll/"), 404)
        secret = self.device.secret
        self.device.action_renew_secret()
        self.assertFalse(self.call("offer", secret=secret)["ok"])
        self.assertTrue(self.call("offer")["ok"])

    def test_address_and_secret(self):
        """Address and secret are made of what anybody can type, and are strong."""
        words = set()
        for _turn in range(200):
            words.add(tokens.make_token())
            self.assertRegex(tokens.make_secret(), r"^[a-z2-9]{16}$")
        self.assertEqual(len(words), 200)
        self.assertFalse(set("".join(words)) & set("01loi"))
        self.assertGreaterEqual(
            tokens.TOKEN_SIZE * math.log2(len(tokens.ALPHABET)), 128
        )
        self.gateway.webhook_base_url = "https://crm.example.com"
        url = f"https://crm.example.com/sms_gateway/{self.device.token}/poll/"
        self.assertEqual(self.device.poll_url, url)
        self.device.write({"basic_user": "user1", "basic_password": "word2"})
        self.assertEqual(
            self.device.poll_url, url.replace("https://", "https://user1:word2@")
        )

    def test_no_query_compares_secrets(self):
        """The token is looked up by its digest: no statement holds it."""
        with self.count_queries() as statements:
            self.assertTrue(self.call("offer")["ok"])
        self.assertNotIn(self.device.token, " ".join(statements))

    def test_secrets_stay_out_of_logs_and_events(self):
        """T9: neither log nor event holds the token, the secret or a query."""
        device = self.device
        device.write({"basic_user": "user1", "basic_password": "pass1word"})
        with LogLines("odoo") as odoo, LogLines("werkzeug") as werkzeug:
            self.raw(
                target=f"/sms_gateway/{device.token}/poll/?secret={device.secret}"
                f"&pass=pass1word?secret={device.secret}",
                body=json.dumps(
                    {
                        "do": "inbound",
                        "secret": device.secret,
                        "texts": [["E1", NUMBERS[0], f"Hi pass1word {device.token}"]],
                    }
                ).encode(),
            )
        log = odoo.text(logging.INFO) + werkzeug.text(logging.INFO)
        self.assertIn("/sms_gateway/***/poll/", log)
        raw = self.env["sms.gateway.event"].search([], limit=1).raw.decode()
        self.assertIn("***", raw)
        for secret in (device.token, device.secret, "pass1word"):
            self.assertNotIn(secret, log)
            self.assertNotIn(secret, raw)


@tagged("post_install", "-at_install")
class TestDeviceSecurity(SmsGatewayCase):
    """Phones are seen by users, set up by administrators, their secrets by neither."""

    gateway_values = {"code": "testing_pull"}

    def test_secrets(self):
        """Address, secret and passwords are for system administrators alone."""
        device = self.env["sms.gateway.device"].create(
            {"name": "Phone", "gateway_id": self.gateway.id}
        )
        names = (
            "token", "token_digest", "poll_url", "secret", "basic_user",
            "basic_password",
        )  # fmt: skip
        for groups in (
            "base.group_user",
            "sms_gateway_hub.group_manager",
            "sms_gateway_hub.group_administrator",
        ):
            user = self.new_user(groups.replace(".", "_"), groups)
            as_user = device.with_user(user)
            self.assertEqual(as_user.read(["name", "status"])[0]["status"], "new")
            for name in names:
                with self.subTest(groups=groups, name=name):
                    with self.assertRaises(AccessError):
                        as_user.read([name])
                    with self.assertRaises(AccessError):
                        as_user.search([(name, "!=", False)])
            self.assertFalse(set(names) & set(as_user.fields_get()))
            for method in ("action_renew_token", "action_renew_secret"):
                if groups != "sms_gateway_hub.group_administrator":
                    with self.subTest(groups=groups, method=method):
                        with self.assertRaises(AccessError):
                            as_user[:1].__getattribute__(method)()
        self.assertFalse(set(names[:1]) & set(device.copy_data()[0]))
        copy = device.copy()
        self.assertNotEqual(copy.token, device.token)
        self.assertNotEqual(copy.secret, device.secret)

    def test_companies(self):
        """Nobody sees the phones of another company."""
        company = self.env["res.company"].create({"name": "Other company"})
        self.gateway.company_id = self.env.company
        device = self.env["sms.gateway.device"].create(
            {"name": "Phone", "gateway_id": self.gateway.id}
        )
        stranger = self.new_user(
            "stranger",
            "sms_gateway_hub.group_administrator",
            company_id=company.id,
            company_ids=[fields.Command.set(company.ids)],
        )
        model = device.with_user(stranger)
        self.assertFalse(model.search([("id", "=", device.id)]))
        with self.assertRaises(AccessError):
            model.read(["name"])

    def test_neutralized_copy(self):
        """A neutralized copy knows no address and no secret of a phone."""
        device = self.env["sms.gateway.device"].create(
            {
                "name": "Phone",
                "gateway_id": self.gateway.id,
                "basic_user": "u",
                "basic_password": "p",
            }
        )
        self.env.flush_all()
        with file_open("sms_gateway_hub/data/neutralize.sql") as script:
            self.env.cr.execute(script.read())
        device.invalidate_recordset()
        for name in ("token", "token_digest", "secret", "basic_user", "poll_url"):
            self.assertFalse(device[name], name)
