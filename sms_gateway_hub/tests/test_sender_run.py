# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The sender against a gateway on loopback that counts; the faults of one run.

What needs real processes, kills and races is in the drills at the top level.
"""

import heapq
import logging
import random
import re
import select
import threading
import time
from datetime import timedelta
from types import SimpleNamespace
from unittest.mock import Mock, patch
from uuid import uuid4

from psycopg2 import OperationalError

from odoo import fields, sql_db
from odoo.tests import tagged
from odoo.tools import format_datetime, mute_logger

from .. import const
from ..tools import refusals, sender_run, transport
from ..tools.gateway_data import SendRequest
from ..tools.refusals import RefusalListener
from .common import NUMBERS, LogLines, SmsGatewayCase
from .gateway_cases import HTML, READ_TIMEOUT_S
from .http_common import Reply, ScriptedServer

GATEWAY = {"code": "testing", "testing_key": "KEY-OF-THE-TEST"}


def accept(request):
    """Answer that every message of a request was taken."""
    return {
        "results": [
            {"id": message["id"], "status": "accepted", "ref": f"R-{message['id']}"}
            for message in request.json["messages"]
        ]
    }


ACCEPTED = (200, accept)


class SenderCase(SmsGatewayCase):
    """A gateway of the tests' own kind and its scripted server."""

    gateway_values = GATEWAY

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = ScriptedServer()
        cls.addClassCleanup(cls.server.close)
        cls.gateway.testing_url = cls.server.url

    def setUp(self):
        super().setUp()
        self.server.reset()

    def enqueue_many(self, count, **values):
        values.setdefault("uuid", [uuid4().hex for _n in range(count)])
        messages = self.enqueue(count, **values)
        self.make_due()
        return messages

    def states(self, messages):
        messages.invalidate_recordset()
        counts = {}
        for message in messages:
            counts[message.state] = counts.get(message.state, 0) + 1
        return counts

    def request(self, priority="3", segments=1):
        return Mock(messages=(Mock(priority=priority, segments=segments),))

    @property
    def reached(self):
        """Ids of the messages that reached the gateway, in order."""
        return [m["id"] for r in self.server.requests for m in r.json["messages"]]


@tagged("post_install", "-at_install")
class TestSenderFaults(SenderCase):
    """Faults of reliability.md that one process can show."""

    def test_html_in_the_middle(self):
        """F9: a 502 with HTML at one of ten spoils that one alone."""
        self.gateway.parallel_requests = 1
        messages = self.enqueue_many(10)
        self.server.script(*[ACCEPTED] * 5, (502, HTML), *[ACCEPTED] * 4)
        self.run_sender()
        self.assertEqual(
            messages.mapped("state"), ["sent"] * 5 + ["unconfirmed"] + ["sent"] * 4
        )
        self.run_sender()
        self.assertEqual(self.reached, messages.mapped("uuid"))

    def test_throttled_in_the_middle(self):
        """F11: on a 429 the rest stays in the queue, uncounted, and later goes out."""
        self.gateway.parallel_requests = 1
        messages = self.enqueue_many(10)
        # What was under way with it may be answered the same.
        self.server.script(*[ACCEPTED] * 5, *[(429, b"", {"Retry-After": "30"})] * 5)
        self.run_sender()
        before = len(self.reached)
        self.server.reset()
        self.assertEqual(messages.mapped("state"), ["sent"] * 5 + ["queued"] * 5)
        self.assertEqual(messages.mapped("attempts"), [1] * 5 + [0] * 5)
        self.assertEqual(self.gateway.health, "throttled")
        self.assertLessEqual(before, 7, "the rest was taken back")
        self.run_sender()
        self.assertFalse(self.reached, "it sent while it should rest")
        self.gateway.throttled_until = False
        self.force(messages, due_at=messages[0].create_date)
        self.server.script(*[ACCEPTED] * 5)
        self.run_sender()
        self.assertEqual(self.states(messages), {"sent": 10})
        self.assertEqual(len(self.reached), 5)

    def test_pause_and_probe(self):
        """F14: a paused gateway keeps its queue, tries one message, and goes on."""
        self.gateway.parallel_requests = 1
        messages = self.enqueue_many(5)
        self.server.script(*[(401, b"")] * 5)
        self.run_sender()
        self.assertEqual(self.states(messages), {"queued": 5})
        self.assertEqual(self.gateway.health, "paused")
        self.assertEqual(len(self.gateway.activity_ids), 1)
        self.server.reset()
        self.run_sender()
        self.assertFalse(self.reached, "it sent while it should rest")
        past = fields.Datetime.now() - timedelta(seconds=1)
        self.gateway.paused_until = past
        self.server.script((401, b""))
        self.run_sender()
        self.assertEqual(len(self.reached), 1, "one probe")
        self.assertEqual(len(self.gateway.activity_ids), 1, "one alarm, not two")
        self.gateway.paused_until = past
        self.server.script(*[ACCEPTED] * 5)
        self.run_sender()
        self.assertEqual(self.states(messages), {"sent": 5})
        self.assertEqual(self.gateway.health, "good")
        self.assertFalse(self.gateway.pause_reason)
        self.assertFalse(self.gateway.activity_ids, "the alarm is cleared")

    def test_limit_of_the_account(self):
        """A used-up limit pauses until the gateway says; the alarm says until when."""
        self.gateway.parallel_requests = 1
        days_s = 3 * 24 * 3600
        self.gateway.responsible_user_id.tz = "Europe/Zurich"
        messages = self.enqueue_many(2)
        self.server.script((200, self.each("account", error="Limit.", wait=days_s)))
        self.run_sender()
        self.assertEqual(self.states(messages), {"queued": 2})
        until = self.gateway.paused_until
        left_s = (until - fields.Datetime.now()).total_seconds()
        self.assertAlmostEqual(left_s, days_s, delta=60)
        note = self.gateway.activity_ids.note
        shown = format_datetime(self.env, until, "Europe/Zurich", dt_format="short")
        self.assertIn(shown, note)
        # The next pause is a short one of another kind: the alarm stays as it is.
        self.gateway.paused_until = fields.Datetime.now() - timedelta(seconds=1)
        self.server.script((401, b""))
        self.run_sender()
        self.assertEqual(self.gateway.activity_ids.mapped("note"), [note])
        # And a longer one again: the same alarm says the new time.
        self.gateway.paused_until = fields.Datetime.now() - timedelta(seconds=1)
        self.server.script((200, self.each("account", error="Limit.", wait=2 * days_s)))
        self.run_sender()
        self.assertEqual(len(self.gateway.activity_ids), 1)
        self.assertNotEqual(self.gateway.activity_ids.note, note)

    def test_one_of_a_request_is_not_taken(self):
        """A reason that is not the message's own pauses; the others keep theirs."""
        self.gateway.write({"testing_batch": 4, "parallel_requests": 1})
        for status, health in (("account", "paused"), ("slow", "throttled")):
            with self.row(status):
                messages = self.enqueue_many(4)
                uuids = messages.mapped("uuid")
                self.server.reset()
                self.server.script(
                    (
                        200,
                        {
                            "results": [
                                {"id": uuids[0], "status": "accepted", "ref": "R0"},
                                {"id": uuids[1], "status": status, "wait": 500},
                                {"id": uuids[2], "status": "rejected"},
                                {"id": uuids[3], "status": "later"},
                            ]
                        },
                    )
                )
                self.run_sender()
                self.assertEqual(
                    messages.mapped("state"), ["sent", "queued", "failed", "queued"]
                )
                self.assertEqual(messages.mapped("attempts"), [1, 0, 1, 1])
                self.assertEqual(self.gateway.health, health)
                self.run_sender()
                self.assertEqual(len(self.server.requests), 1, "it rests")

    def test_paused_in_spite_of_some_success(self):
        """A probe that is refused beside a success leaves pause and alarm alone."""
        self.gateway.write({"testing_batch": 2, "parallel_requests": 1})
        messages = self.enqueue_many(2)
        self.gateway._pause("The limit is used up.", 60)
        alarm = self.gateway.activity_ids
        run = sender_run.SenderRun(self.env, self.gateway.id)
        self.patch(sender_run.SenderRun, "_claim_limit", lambda *_args: 2)
        self.gateway.paused_until = fields.Datetime.now() - timedelta(seconds=1)
        mixed = [
            {"id": messages[0].uuid, "status": "accepted", "ref": "R0"},
            {"id": messages[1].uuid, "status": "account", "error": "The limit."},
        ]
        self.server.script((200, {"results": mixed}))
        with self.own_cursors():
            run.run()
        self.assertEqual(messages.mapped("state"), ["sent", "queued"])
        self.assertEqual(self.gateway.health, "paused")
        self.assertEqual(self.gateway.activity_ids, alarm)

    def each(self, status, **values):
        """Return an answer that says the same of every message of a request."""
        return lambda request: {
            "results": [
                {"id": message["id"], "status": status, **values}
                for message in request.json["messages"]
            ]
        }

    def limited(self, most, taken):
        """Return an answer of a gateway that takes few messages in one request."""

        def reply(request):
            messages = request.json["messages"]
            if len(messages) > most:
                return {"error": "too large"}
            taken.extend(message["id"] for message in messages)
            return accept(request)

        return reply

    def test_request_too_large(self):
        """A request that is too large goes again in halves, and each text once."""
        self.gateway.write({"testing_batch": 50, "parallel_requests": 1})
        messages = self.enqueue_many(100)
        taken = []
        self.server.script(*[(200, self.limited(10, taken))] * 40)
        self.run_sender()
        self.assertEqual(self.states(messages), {"sent": 100})
        self.assertEqual(sorted(taken), sorted(messages.mapped("uuid")))
        self.assertEqual(messages.attempt_ids.mapped("state"), ["sent"] * 100)
        sizes = [len(request.json["messages"]) for request in self.server.requests]
        self.assertEqual(sizes[:2], [50, 25], "it halves")
        fits = next(n for n, size in enumerate(sizes) if size <= 10)
        self.assertLessEqual(max(sizes[fits:]), 10, "the size is remembered")
        self.assertLessEqual(fits, 8, "what waits is not tried as it is")

    def test_message_too_large(self):
        """A text that is too large by itself fails, and no other one with it."""
        self.gateway.write({"testing_batch": 4, "parallel_requests": 1})
        messages = self.enqueue_many(4, body=["a", "b", "too much", "d"])

        def reply(request):
            if any("too much" in m["text"] for m in request.json["messages"]):
                return {"error": "too large"}
            return accept(request)

        self.server.script(*[(200, reply)] * 7)
        self.run_sender()
        self.assertEqual(messages.mapped("state"), ["sent", "sent", "failed", "sent"])
        self.assertEqual(messages[2].failure_type, "rejected")
        self.assertTrue(messages[2].failure_reason)

    def test_stop_while_a_request_is_too_large(self):
        """Who refuses while the large request is under way gets none of the halves."""
        self.gateway.write({"testing_batch": 4, "parallel_requests": 1})
        messages = self.enqueue_many(4)
        number, taken, asked = messages[1].number, [], []
        check = type(self.env["sms.gateway.gate"])._check

        def refuse_later(gate, gateway, items, now=None):
            asked.append(len(items))
            if len(asked) == 2:
                gate.env["sms.consent"]._record(number, "opted_out", method="keyword")
            return check(gate, gateway, items, now)

        self.patch(type(self.env["sms.gateway.gate"]), "_check", refuse_later)
        self.server.script(*[(200, self.limited(3, taken))] * 8)
        self.run_sender()
        self.run_sender()
        self.assertEqual(messages.mapped("state"), ["sent", "canceled", "sent", "sent"])
        self.assertEqual(len(taken), 3)
        self.assertNotIn(messages[1].uuid, taken)

    def test_throttled_at_a_half(self):
        """A half that is throttled leaves its texts in the queue, as ever."""
        self.gateway.write({"testing_batch": 4, "parallel_requests": 1})
        messages = self.enqueue_many(4)
        self.server.script(
            (200, {"error": "too large"}), ACCEPTED, (429, b"", {"Retry-After": "9"})
        )
        self.run_sender()
        self.assertEqual(self.states(messages), {"sent": 2, "queued": 2})
        self.assertEqual(messages.mapped("attempts"), [1, 1, 0, 0])
        self.assertEqual(self.gateway.health, "throttled")

    def test_resume(self):
        """A person who mended the cause need not wait."""
        self.enqueue_many(1)
        self.server.script((403, b""), ACCEPTED)
        self.run_sender()
        self.gateway.action_resume()
        self.run_sender()
        self.assertEqual(len(self.reached), 2)
        self.assertEqual(self.gateway.health, "good")

    def test_circuit(self):
        """F12: what cannot be reached is tried later; several in a row pause it."""
        self.gateway.testing_url = "http://127.0.0.1:1/"
        messages = self.enqueue_many(20)
        self.run_sender()
        self.assertEqual(self.states(messages), {"queued": 20})
        self.assertEqual(self.gateway.health, "paused")
        tried = messages.filtered("attempts")
        self.assertGreaterEqual(len(tried), const.CIRCUIT_FAILURES)
        self.assertEqual(set(tried.mapped("failure_type")), {"not_reached"})
        self.assertGreater(min(tried.mapped("due_at")), fields.Datetime.now())
        self.gateway.testing_url = self.server.url
        self.gateway.action_resume()
        self.force(messages, due_at=fields.Datetime.now() - timedelta(hours=1))
        self.server.script(*[ACCEPTED] * 20)
        self.run_sender()
        self.assertEqual(self.states(messages), {"sent": 20})
        self.assertEqual(len(set(self.reached)), 20)
        self.assertFalse(self.gateway.failures_in_a_row)

    def test_given_up(self):
        """What could not be handed over for a day fails and says why."""
        self.gateway.testing_url = "http://127.0.0.1:1/"
        messages = self.enqueue_many(2)
        self.force(messages[0], create_date=fields.Datetime.now() - timedelta(hours=25))
        self.run_sender()
        self.assertEqual(messages.mapped("state"), ["failed", "queued"])
        self.assertEqual(messages[0].failure_type, "not_reached")
        self.assertIn("reached", messages[0].failure_reason)

    def test_poisoned_rows(self):
        """F15: rows that cannot be built are set aside, the others go out."""
        self.gateway.testing_batch = 10
        messages = self.enqueue_many(100)
        self.force(messages[7], number="not a number")
        self.force(messages[55], body="")
        self.server.script(*[ACCEPTED] * 10)
        self.run_sender()
        self.assertEqual(self.states(messages), {"sent": 98, "failed": 2})
        for message in messages[7] + messages[55]:
            self.assertEqual(message.failure_type, "unreadable")
            self.assertTrue(message.failure_reason)
        self.assertEqual(len(self.reached), 98)

    def test_poison_in_the_adapter(self):
        """A message at which an adapter stumbles fails alone."""
        adapter = type(self.env["sms.gateway.adapter.testing"])
        prepare = adapter._prepare_send_requests

        def stumble(this, gateway, messages):
            if any("poison" in message.body for message in messages):
                raise ZeroDivisionError("poison")
            return prepare(this, gateway, messages)

        self.patch(adapter, "_prepare_send_requests", stumble)
        messages = self.enqueue_many(5, body=["a", "b", "poison", "c", "d"])
        self.server.script(*[ACCEPTED] * 4)
        self.run_sender()
        self.assertEqual(self.states(messages), {"sent": 4, "failed": 1})
        self.assertEqual(messages[2].failure_type, "unreadable")

    def test_adapter_contract(self):
        """An adapter that drops or doubles messages does not get through with it."""
        adapter = type(self.env["sms.gateway.adapter.testing"])
        request = {"url": self.server.url, "json": {"messages": []}}
        for label, prepare in (
            ("drops", lambda this, gateway, messages: []),
            (
                "doubles",
                lambda this, gateway, messages: (
                    [SendRequest(messages=tuple(messages), **request)] * 2
                ),
            ),
            ("returns nonsense", lambda this, gateway, messages: ["POST"]),
            ("returns None", lambda this, gateway, messages: None),
        ):
            with self.row(label):
                with patch.object(adapter, "_prepare_send_requests", prepare):
                    messages = self.enqueue_many(2)
                    self.run_sender()
                self.assertEqual(self.states(messages), {"failed": 2})
                self.assertFalse(self.server.requests)

    @mute_logger("odoo.addons.sms_gateway_hub.tools.sender_run")
    def test_parser_that_raises(self):
        """An adapter that fails at an answer leaves an unknown outcome."""
        adapter = type(self.env["sms.gateway.adapter.testing"])

        def fail(this, gateway, request, response):
            raise KeyError("KEY-OF-THE-TEST")

        self.patch(adapter, "_parse_send_response", fail)
        messages = self.enqueue_many(2)
        self.server.script(*[ACCEPTED] * 2)
        with LogLines("odoo.addons.sms_gateway_hub.tools.sender_run") as lines:
            self.run_sender()
            self.run_sender()
        self.assertIn("in fail\n", lines.text(logging.ERROR), "where it went wrong")
        self.assertNotIn("KEY-OF", lines.text())
        self.assertEqual(self.states(messages), {"unconfirmed": 2})
        self.assertEqual(len(self.reached), 2)

    def test_out_of_service(self):
        """A gateway that is off, archived or in a neutralised copy sends nothing."""
        parameters = self.env["ir.config_parameter"].sudo()
        for label, switch in (
            ("disabled", lambda: self.gateway.write({"state": "disabled"})),
            ("archived", lambda: self.gateway.write({"active": False})),
            (
                "neutralised",
                lambda: parameters.set_param("database.is_neutralized", "True"),
            ),
            (
                "neutralised, and somebody presses the button",
                lambda: (
                    parameters.set_param("database.is_neutralized", "True"),
                    self.gateway.action_send_now(),
                ),
            ),
        ):
            with self.row(label):
                messages = self.enqueue_many(2)
                switch()
                self.run_sender()
                self.assertEqual(self.states(messages), {"queued": 2})
                self.assertFalse(self.server.requests)

    def test_what_waits_for_a_decision_wakes_nobody(self):
        """No run is planned for texts that are due when somebody decides."""
        message = self.enqueue_many(1)
        self.force(message, hold="possible_opt_out", due_at=const.NEVER)
        partner = self.partner.id
        self.env["sms.consent"]._record(
            message.number, "possible_opt_out", method="keyword", partner_id=partner
        )
        triggers = self.env["ir.cron.trigger"].sudo()
        domain = [("cron_id", "=", self.gateway.sudo().cron_id.id)]
        triggers.search(domain).unlink()
        self.run_sender()
        self.assertEqual(self.states(message), {"queued": 1})
        self.assertFalse(triggers.search_count(domain))

    def test_woken_while_it_rests(self):
        """A wake-up that comes too early plans the one at the end of the rest."""
        self.enqueue_many(1)
        triggers = self.env["ir.cron.trigger"].sudo()
        domain = [("cron_id", "=", self.gateway.sudo().cron_id.id)]
        until = fields.Datetime.now() + timedelta(seconds=45)
        for name in ("paused_until", "throttled_until"):
            with self.row(name):
                self.gateway[name] = until
                triggers.search(domain).unlink()
                self.env.cr.precommit.data.clear()
                for _run in range(2):
                    self.run_sender()
                    self.env.cr.precommit.data.clear()
                self.assertEqual(triggers.search(domain).mapped("call_at"), [until])

    def test_gone(self):
        """The job of a gateway that was deleted meanwhile ends quietly."""
        with self.own_cursors():
            self.assertEqual(self.env["sms.gateway.sender"]._cron_send(0), 0)

    def test_two_gateways(self):
        """F16: two companies, two gateways: each message by its own, with its key."""
        other = self.make_gateway(
            name="Other", testing_key="KEY-OF-OTHER", testing_url=self.server.url
        )
        messages = self.enqueue_many(
            4, gateway_id=[self.gateway.id, other.id] * 2, body=["A", "B"] * 2
        )
        self.server.script(*[ACCEPTED] * 4)
        self.run_sender()
        self.run_sender(other)
        self.assertEqual(self.states(messages), {"sent": 4})
        keys = {
            (request.json["messages"][0]["text"], request.headers["authorization"])
            for request in self.server.requests
        }
        self.assertEqual(
            keys, {("A", "Bearer KEY-OF-THE-TEST"), ("B", "Bearer KEY-OF-OTHER")}
        )

    def test_attempts_are_logged(self):
        """Each try is kept with its times, its status and what was answered."""
        message = self.enqueue_many(1)
        self.server.script((500, b"Out of order, KEY-OF-THE-TEST"))
        self.run_sender()
        self.assertFields(
            message.attempt_ids,
            {
                "state": "unconfirmed",
                "http_status": 500,
                "provider_code": "500",
                "excerpt": "Out of order, ***",
                "late": False,
                "gateway_id": self.gateway,
                "attempt_ref": message.attempt_ref,
            },
        )
        self.assertLessEqual(
            message.attempt_ids.started_at, message.attempt_ids.ended_at
        )

    def test_binary_answers(self):
        """Answers that no database column takes are logged all the same."""
        for label, body in (
            ("NUL", b"\x00" * 50),
            ("not UTF-8", bytes(range(256))),
            ("a surrogate in JSON", b'{"results": [{"id": "%s", "error": "\\ud800"}]}'),
            ("1 MiB", b"x" * const.RESPONSE_MAX_BYTES),
        ):
            with self.row(label):
                message = self.enqueue_many(1)
                if b"%s" in body:
                    body = body % message.uuid.encode()
                self.server.reset()
                self.server.script((200, body))
                self.run_sender()
                self.assertEqual(message.state, "unconfirmed")
                self.assertLessEqual(len(message.attempt_ids.excerpt or ""), 2000)

    def test_hostile_words(self):
        """A surrogate, NUL or a wrong type in each field of an answer is survived."""
        hostile = ["a\x00b", "\ud800", {"a": 1}, [1], 10**400, "x" * 100000, True, 1.5]
        for name in ("ref", "code", "error", "cost", "currency"):
            for value in hostile:
                with self.row(f"{name}: {value!r}"[:40]):
                    message = self.enqueue_many(1)
                    result = {
                        "id": message.uuid,
                        "status": "accepted",
                        "ref": "R1",
                        name: value,
                    }
                    self.server.reset()
                    self.server.script((200, {"results": [result]}))
                    with mute_logger("odoo.addons.sms_gateway_hub.tools.sender_run"):
                        self.run_sender()
                    self.assertIn(message.state, ("sent", "unconfirmed"))

    def test_hang_is_unknown(self):
        """F12: a gateway that takes the request and stays silent: unconfirmed."""
        self.startPatcher(patch.object(const, "READ_TIMEOUT_S", READ_TIMEOUT_S))
        messages = self.enqueue_many(3)
        self.server.script(*[Reply(act="hang")] * 3)
        self.run_sender()
        self.assertEqual(self.states(messages), {"unconfirmed": 3})
        self.run_sender()
        self.assertEqual(len(self.reached), 3)


@tagged("post_install", "-at_install")
class TestSenderPace(SenderCase):
    """Caps, back-off and the number of queries."""

    def test_slots(self):
        """Slots are evenly spaced by parts, and go on where the last run stopped."""
        self.startPatcher(patch.object(const, "PACE_MARGIN", 1.0))
        gateway = self.gateway
        now = 1000.0
        for label, rate, before, parts, until, expected, after in (
            ("no cap", 0, 0, [1, 1, 1], 1001.5, [now] * 3, 0),
            ("one a second", 1, 0, [1, 1, 1], 1001.5, [1000, 1001], 1002),
            ("parts count", 2, 0, [3, 1], 1002, [1000, 1001.5], 1002),
            ("goes on", 1, 1000.5, [1], 1002, [1000.5], 1001.5),
            ("an old slot", 1, 5.0, [1], 1002, [1000], 1001),
            ("always one", 1, 1010.0, [1, 1], 1001, [1010], 1011),
            ("a slow one", 0.1, 0, [1, 1], 1001, [1000], 1010),
            ("a clock that was set back", 1, 4600.0, [1], 1002, [1000], 1001),
        ):
            with self.row(label):
                gateway.write({"max_rate": rate, "next_slot_at": before})
                self.env.flush_all()
                slots = gateway._take_slots(parts, now, until=until)
                self.assertEqual(slots, expected)
                self.assertEqual(gateway.next_slot_at, after)

    def test_slots_are_reserved(self):
        """A run that takes few slots at a time seldom writes on the gateway."""
        self.startPatcher(patch.object(const, "PACE_MARGIN", 1.0))
        gateway = self.gateway
        gateway.write({"max_rate": 1, "next_slot_at": 990})
        self.env.flush_all()
        reserved = 0.0
        for label, changed_to, now, expected, after in (
            ("the first", None, 1000.0, 1000.0, 1005.0),
            ("its own", None, 1001.0, 1001.0, 1005.0),
            ("the last of its own", None, 1004.0, 1004.0, 1005.0),
            ("the next ones", None, 1005.0, 1005.0, 1010.0),
            ("somebody else reserved", 1020.0, 1006.0, 1020.0, 1025.0),
            ("the cap was changed", 0.0, 1021.0, 1021.0, 1026.0),
        ):
            with self.subTest(label):
                if changed_to is not None:
                    gateway.next_slot_at = changed_to
                    self.env.flush_all()
                slots = gateway._take_slots(
                    [1, 1], now, until=now, reserved_until=reserved, reserve_s=5.0
                )
                self.assertEqual(slots, [expected])
                self.assertEqual(gateway.next_slot_at, after)
                reserved = gateway.next_slot_at

    def test_unused_slots_are_given_back(self):
        """What a run reserved and did not use is there for the next one."""
        self.gateway.max_rate = 100
        messages = self.enqueue_many(3)
        self.server.script(*[ACCEPTED] * 3)
        self.run_sender()
        self.assertEqual(self.states(messages), {"sent": 3})
        self.gateway.invalidate_recordset()
        self.assertLessEqual(self.gateway.next_slot_at, time.time() + 0.1)
        self.assertGreater(self.gateway.next_slot_at, time.time() - 60)

    def test_clocks_of_hosts(self):
        """A cap holds where a gateway is handed over to a host with another clock."""
        self.gateway.max_rate = 10
        self.server.script(*[ACCEPTED] * 6)
        begin = time.monotonic()
        for off_s in (0, 3600, -3600):
            host = SimpleNamespace(
                time=lambda off_s=off_s: time.time() + off_s,
                monotonic=time.monotonic,
                sleep=time.sleep,
            )
            messages = self.enqueue_many(2)
            with (
                patch.object(sender_run, "time", host),
                patch.object(transport, "time", host),
            ):
                self.run_sender()
            self.assertEqual(self.states(messages), {"sent": 2}, off_s)
            self.gateway.invalidate_recordset()
            self.assertAlmostEqual(self.gateway.next_slot_at, time.time(), delta=2)
        # Each host goes on after the slots of the one before: five gaps.
        self.assertGreater(time.monotonic() - begin, 0.45)

    def test_urgent_first(self):
        """What is urgent takes the first slot of all that have not left."""
        run = sender_run.SenderRun(self.env, self.gateway.id)
        for slot, priority in ((1.0, "3"), (2.0, "3"), (3.0, "2"), (4.0, "1")):
            run._wait(self.request(priority), slot, 0.0)
        run._let_overtake()
        order = [heapq.heappop(run.waiting)[:3] for _n in range(4)]
        self.assertEqual(
            order, [(1.0, "1", 4), (2.0, "2", 3), (3.0, "3", 1), (4.0, "3", 2)]
        )

    def test_late_departures(self):
        """Who leaves a little late costs no slot, and no second gets too many."""
        rng = random.Random(7)
        for cap in (1, 3, 10, 100):
            with self.row(cap):
                run = sender_run.SenderRun(self.env, self.gateway.id)
                run.transport = Mock(parallel=100, pending=0)
                run.refusals = Mock(deaf=False)
                run.rate = float(cap)
                clock = Mock()
                at, left = 1_000_000.0, []
                with patch.object(sender_run, "time", clock):
                    clock.monotonic.return_value = 0.0
                    for number in range(cap * 20):
                        run._wait(self.request(), 0.0, 0.0)
                        late_s = 0.05 if number % 970 == 500 else rng.uniform(0, 0.009)
                        at = max(run.free_at + late_s, at)
                        clock.time.return_value = at
                        run._submit_due()
                        left.append(at)
                self.assertFalse(run.waiting)
                for first, after_cap in zip(left, left[cap:], strict=False):
                    self.assertGreaterEqual(after_cap - first, 1.0)
                rate = (len(left) - 1) / (left[-1] - left[0])
                self.assertGreaterEqual(rate / cap, 0.975)

    def test_a_thread_that_begins_late(self):
        """What left later than it was told to moves those that follow."""
        self.startPatcher(patch.object(const, "PACE_MARGIN", 1.0))
        self.startPatcher(patch.object(const, "PACE_SLACK_S", 0.0))
        for label, started_at, expected in (
            ("in time", 1000.0, 1002.0),
            ("late", 1000.5, 1002.5),
        ):
            with self.row(label):
                run = sender_run.SenderRun(self.env, self.gateway.id)
                run.transport = Mock(parallel=5, pending=0)
                run.refusals = Mock(deaf=False)
                run.rate = 1.0
                clock = Mock()
                clock.monotonic.return_value = 0.0
                first, second = self.request(), self.request()
                with patch.object(sender_run, "time", clock):
                    for request, at in ((first, 1000.0), (second, 1001.0)):
                        run._wait(request, 0.0, 0.0)
                        clock.time.return_value = at
                        run._submit_due()
                self.assertEqual(run.free_at, 1002.0)
                for request in (first, second):
                    run.rows[request.messages[0].uuid] = {"id": 1, "attempt_ref": "x"}
                run._complete(
                    transport.Completion(
                        first, error=transport.NotSent(), started_at=started_at
                    )
                )
                self.assertEqual(run.free_at, expected)

    def arrivals(self, count, keeps):
        """Send through a gateway far away; return when each request arrived.

        :param bool keeps: whether it keeps connections open
        """
        arrived, met = [], set()
        connect = transport.HttpTransport._connect

        def answer(request):
            arrived.append(time.time())
            return accept(request)

        def far(wire, *place):
            thread = threading.get_ident()
            if not keeps or thread not in met:
                met.add(thread)
                time.sleep(0.15)
            return connect(wire, *place)

        self.enqueue_many(count)
        self.server.reset()
        self.server.script(*[(200, answer)] * count)
        with patch.object(transport.HttpTransport, "_connect", far):
            self.run_sender()
        self.assertEqual(len(arrived), count)
        return arrived

    def test_connecting_takes_time(self):
        """A first connection brings no second too many; many cost no slot each."""
        self.gateway.write({"max_rate": 10, "parallel_requests": 8})
        for keeps in (True, False):
            with self.row(keeps):
                arrived = self.arrivals(25, keeps)
                for first, after_cap in zip(arrived, arrived[10:], strict=False):
                    # Seen at the other end: a busy machine adds to both.
                    self.assertGreater(after_cap - first, 0.93)
                self.assertLessEqual(arrived[-1] - arrived[0], 24 / 10 * 1.02 + 0.3)

    def test_goes_on_while_nobody_waits(self):
        """A capped run goes on past its time, until other jobs need its worker."""
        for waiting in (False, True):
            with self.row(waiting):
                run = sender_run.SenderRun(self.env, self.gateway.id, budget_s=0.0)
                sender = type(self.env["sms.gateway.sender"])
                with (
                    self.own_cursors(),
                    patch.object(sender, "_is_job_waiting", return_value=waiting),
                ):
                    run._go_on()
                now = time.monotonic()
                self.assertEqual(run.end > now, not waiting)
                self.assertEqual(run.latest > now, not waiting)

    def test_job_waiting(self):
        """A job that has been due for a while and that nobody runs is seen."""
        sender = self.env["sms.gateway.sender"]
        self.env["ir.cron"].flush_model()
        self.env.cr.execute("UPDATE ir_cron SET active = FALSE")
        self.env.cr.execute("DELETE FROM ir_cron_trigger")
        job = self.gateway.cron_id.id
        self.assertFalse(sender._is_job_waiting())
        for label, change, expected in (
            ("due later", "now() + interval '1 hour'", False),
            ("due just now", "now()", False),
            ("overdue", "now() - interval '5 seconds'", True),
        ):
            with self.row(label):
                self.env.cr.execute(
                    f"UPDATE ir_cron SET active = TRUE, "
                    f"nextcall = ({change}) AT TIME ZONE 'UTC' WHERE id = %s",
                    [job],
                )
                self.assertEqual(sender._is_job_waiting(), expected)
        self.env.cr.execute(
            "UPDATE ir_cron SET active = TRUE, nextcall = now() + interval '1 day' "
            "WHERE id = %s",
            [job],
        )
        self.env.cr.execute(
            "INSERT INTO ir_cron_trigger (cron_id, call_at) "
            "VALUES (%s, now() AT TIME ZONE 'UTC' - interval '5 seconds')",
            [job],
        )
        self.assertTrue(sender._is_job_waiting(), "woken, not run")

    def test_yield_asks_for_the_next_run(self):
        """A run that gives messages back does not call the queue empty."""
        run = sender_run.SenderRun(self.env, self.gateway.id)
        run.transport = transport.LocalTransport(list)
        run.exhausted = True
        run._yield()
        self.assertFalse(run.exhausted)

    def test_cap_lets_all_through(self):
        """A cap spaces requests out and loses none."""
        self.gateway.max_rate = 100
        messages = self.enqueue_many(20)
        self.server.script(*[ACCEPTED] * 20)
        for _run in range(10):
            if self.states(messages) == {"sent": 20}:
                break
            self.run_sender()
        self.assertEqual(self.states(messages), {"sent": 20})
        self.assertEqual(len(set(self.reached)), 20)

    def test_backoff(self):
        """The wait grows, is random, and is bounded."""
        for attempts in (1, 2, 5, 16, 1000):
            with self.row(attempts):
                ceiling = min(const.BACKOFF_CAP_S, const.BACKOFF_BASE_S * 2**attempts)
                waits = [sender_run.backoff_s(attempts) for _n in range(200)]
                self.assertGreaterEqual(min(waits), const.BACKOFF_BASE_S / 2)
                self.assertLessEqual(max(waits), ceiling)
                self.assertGreater(len(set(waits)), 100)

    def test_yields(self):
        """A run ends when its time is over, and what waits is planned."""
        messages = self.enqueue_many(50)
        self.make_due()
        with self.own_cursors():
            run = sender_run.SenderRun(self.env, self.gateway.id, budget_s=-1)
            run.run()
        self.assertEqual(self.states(messages), {"queued": 50})
        triggers = self.env["ir.cron.trigger"].sudo()
        cron = self.gateway.sudo().cron_id
        self.assertTrue(triggers.search_count([("cron_id", "=", cron.id)]))

    # Queries. Of a run of 2,000 the first claims are small, until the pace is known;
    # the bar is on what 500 more messages cost once it is.

    def sent_by(self, count, prepare=None):
        """Send messages and return the statements that it took."""
        messages = self.enqueue_many(count)
        if prepare:
            prepare(messages)
        self.server.reset()
        self.server.script(*[ACCEPTED] * count)
        self.make_due()
        with self.count_queries() as statements:
            self.run_sender()
        self.assertEqual(self.states(messages), {"sent": count})
        return statements

    def assertCheap(self, prepare=None, limit=8):
        """At most so many queries for 500 more messages, on all cursors together."""
        self.gateway.write({"testing_batch": 50, "parallel_requests": 4})
        # A claim of 500 at once, as at a fast gateway; all in one run.
        self.patch(sender_run.SenderRun, "_claim_limit", lambda run, gateway: 500)
        self.patch(const, "SENDER_BUDGET_S", 60.0)
        budget = patch.object(
            sender_run.SenderRun.__init__,
            "__kwdefaults__",
            {"budget_s": 60.0},
        )
        with budget:
            self.sent_by(10, prepare)
            few = self.sent_by(500, prepare)
            many = self.sent_by(1500, prepare)
        per_500 = (len(many) - len(few)) / 2
        self.assertLessEqual(per_500, limit, "\n".join(text[:150] for text in many))
        ours = [
            sum(bool(re.search(r"\bsms_gateway", text)) for text in statements)
            for statements in (few, many)
        ]
        self.assertLessEqual((ours[1] - ours[0]) / 2, 8)

    def test_queries(self):
        """P13: claim, stamp, record and sync of 500 take at most eight queries."""
        self.assertCheap()

    def test_queries_with_notifications(self):
        """Core's trackers and notifications add what the ORM needs for 500 records.

        It writes in pieces of 100 rows; nothing of it is per message. Two are the
        savepoint that keeps one poisoned row from stopping the others, one is the gate;
        where a second ends between two batches there is a write more.
        """

        def track(messages):
            mail_message = self.partner.message_post(body="Texts")
            notifications = self.env["mail.notification"].create(
                [
                    {
                        "mail_message_id": mail_message.id,
                        "notification_type": "sms",
                        "notification_status": "process",
                        "sms_number": message.number,
                    }
                    for message in messages
                ]
            )
            uuids = [uuid4().hex for _message in messages]
            self.env["sms.tracker"].create(
                [
                    {"sms_uuid": uuid, "mail_notification_id": notification.id}
                    for uuid, notification in zip(uuids, notifications, strict=True)
                ]
            )
            for message, uuid in zip(messages, uuids, strict=True):
                message.write({"sms_uuid": uuid, "mail_message_id": mail_message.id})
            self.env.flush_all()

        self.assertCheap(track, limit=20)

    def test_a_slow_gateway_is_not_overclaimed(self):
        """A claim takes no more than leaves soon, so that a reply can overtake."""
        self.gateway.parallel_requests = 2
        self.enqueue_many(100)
        self.gateway.max_rate = 4
        with self.own_cursors():
            run = sender_run.SenderRun(self.env, self.gateway.id)
            run.gateway = self.env["sms.gateway"].browse(self.gateway.id)
            run.adapter = run.gateway._get_adapter()
            rows = run._claim(self.env)
        self.assertEqual(len(rows), 1)
        self.assertLessEqual(rows[0]["slot"], time.time())
        with self.own_cursors():
            self.assertEqual(run._claim(self.env), [], "the next one is later")
        self.assertGreater(run.idle_until, time.time())

    def slow(self, takes_s):
        """Return an answer that takes its time."""

        def reply(request):
            time.sleep(takes_s)
            return accept(request)

        return 200, reply

    def test_requests_of_many_texts_are_not_overclaimed(self):
        """What one kill leaves unconfirmed is counted in texts, not in requests."""
        self.gateway.write({"testing_batch": 50, "parallel_requests": 4})
        self.enqueue_many(3000)
        self.server.script(*[self.slow(0.2)] * 60)
        claimed = []
        refill = sender_run.SenderRun._refill

        def watch(run):
            refill(run)
            claimed.append(len(run.rows))

        self.patch(sender_run.SenderRun, "_refill", watch)
        with self.own_cursors():
            sender_run.SenderRun(self.env, self.gateway.id, budget_s=1.5).run()
        self.assertLessEqual(max(claimed), 2 * 4 * 50 + const.CLAIM_MAX)

    def test_a_slow_probe_is_waited_for(self):
        """While a probe is under way the database is not asked for more."""
        self.gateway.write({"max_rate": 10, "parallel_requests": 4})
        messages = self.enqueue_many(2)
        self.gateway._pause("Nobody answers.", 60)
        self.gateway.paused_until = fields.Datetime.now() - timedelta(seconds=1)
        self.server.script(self.slow(0.5), ACCEPTED)
        limits = []
        claim_limit = sender_run.SenderRun._claim_limit

        def watch(run, gateway):
            limits.append(claim_limit(run, gateway))
            return limits[-1]

        self.patch(sender_run.SenderRun, "_claim_limit", watch)
        self.run_sender()
        self.assertEqual(self.states(messages), {"sent": 2})
        self.assertLessEqual(limits.count(0), 3, limits)

    def test_own_numbers_go_to_their_recipients(self):
        """Every message reaches the gateway with its own number and text."""
        messages = self.enqueue_many(len(NUMBERS))
        self.server.script(*[ACCEPTED] * len(NUMBERS))
        self.run_sender()
        sent = {
            (message["id"], message["to"], message["text"])
            for request in self.server.requests
            for message in request.json["messages"]
        }
        self.assertEqual(sent, {(m.uuid, m.number, m.body) for m in messages})


@tagged("post_install", "-at_install")
class TestRefusalListener(SenderCase):
    """Word of refusals, whose connection may die at any time."""

    def listen(self):
        listener = RefusalListener(self.env.cr.dbname)
        self.addCleanup(listener.close)
        return listener

    def kill(self, listener):
        """End the listener's connection, as a restart of the server does."""
        pid = listener._connection.info.backend_pid
        self.env.cr.execute("SELECT pg_terminate_backend(%s)", [pid])

    def assertBreaksOff(self, listener):
        """Wait until it notices, which counts as word."""
        connection, end = listener._connection, time.monotonic() + 10
        while not listener.heard():
            self.assertLess(time.monotonic(), end, "it does not notice")
            select.select([connection], [], [], 0.1)

    def tell(self):
        with sql_db.db_connect(self.env.cr.dbname).cursor() as cr:
            refusals.tell(cr)

    def hears(self, listener):
        """Wait for word, which takes a moment."""
        select.select([listener._connection], [], [], 10)
        return listener.heard()

    def test_hears(self):
        """What is committed is heard once."""
        listener = self.listen()
        self.assertFalse(listener.heard())
        self.tell()
        self.assertTrue(self.hears(listener))
        self.assertFalse(listener.heard())

    def test_others_see_that_word_came(self):
        """Threads that send see it before it is heard, and not any more after that."""
        listener = self.listen()
        self.assertFalse(listener.is_told())
        self.tell()
        select.select([listener._connection], [], [], 10)
        self.assertTrue(listener.is_told())
        self.assertTrue(listener.is_told(), "nothing is read")
        self.assertTrue(listener.heard())
        self.assertFalse(listener.is_told())
        listener.close()
        self.assertFalse(listener.is_told())

    def test_held_requests_pass_the_gate_again(self):
        """What the pool held back because of a word is asked for before it leaves."""
        run = sender_run.SenderRun(self.env, self.gateway.id)
        run.transport = Mock(parallel=1, pending=0)
        run.transport.recall.return_value = []
        run.refusals = Mock(deaf=False)
        run.refusals.is_told.return_value = run.refusals.heard.return_value = False
        request = self.request()
        run._complete(transport.Completion(request, error=transport.Held()))

        def refuse():
            run.waiting = []

        with patch.object(run, "_ask_again", side_effect=refuse) as ask:
            run._let_leave()
        self.assertTrue(ask.called)
        self.assertFalse(run.transport.submit.called)
        self.assertFalse(run.held)

    def test_killed_connection_is_replaced(self):
        """What may have been missed counts as heard; then it hears again."""
        listener = self.listen()
        self.kill(listener)
        self.assertBreaksOff(listener)
        self.assertFalse(listener.deaf)
        self.assertFalse(listener.heard())
        self.tell()
        self.assertTrue(self.hears(listener))

    def test_without_a_connection(self):
        """It is deaf, says so, raises nothing, and hears again when it can."""
        listener = self.listen()
        self.kill(listener)
        with patch.object(sql_db, "db_connect", side_effect=OperationalError):
            self.assertBreaksOff(listener)
            self.assertTrue(listener.deaf)
            self.assertFalse(listener.heard())
            listener._retry_at = 0.0
            self.assertFalse(listener.heard())
            self.assertTrue(RefusalListener(self.env.cr.dbname).deaf)
        listener._retry_at = 0.0
        self.assertTrue(listener.heard(), "it may have missed something")
        self.assertFalse(listener.deaf)

    def test_close_never_raises(self):
        """Neither after its connection died nor twice."""
        listener = self.listen()
        self.kill(listener)
        listener.close()
        listener.close()
        self.assertTrue(listener.deaf)

    def test_run_goes_on_without_it(self):
        """A run sends although nobody tells it of refusals."""
        messages = self.enqueue_many(3)
        self.server.script(*[ACCEPTED] * 3)
        with patch.object(refusals.sql_db, "db_connect", side_effect=OperationalError):
            self.run_sender()
        self.assertEqual(self.states(messages), {"sent": 3})

    def test_the_deaf_ask_again(self):
        """Without word, what waited is asked for again also without a rate."""
        for deaf, rate, asked in (
            (False, 0.0, False),
            (True, 0.0, True),
            (False, 5.0, True),
        ):
            with self.row(f"{deaf} {rate}"):
                run = sender_run.SenderRun(self.env, self.gateway.id)
                run.transport = Mock(parallel=1, pending=0)
                run.refusals = Mock(deaf=deaf)
                run.rate = rate
                request = Mock(messages=())
                run.waiting = [(0.0, "2", 1, request, time.monotonic() - 1)]

                def ask_again(run=run):
                    run.waiting = []

                with patch.object(run, "_ask_again", side_effect=ask_again) as ask:
                    run._submit_due()
                self.assertEqual(ask.called, asked)
                self.assertEqual(run.transport.submit.called, not asked)

    def test_nothing_leaks(self):
        """The listener is closed also when there is no transport."""
        adapter = type(self.env["sms.gateway.adapter.testing"])
        self.enqueue_many(1)
        with (
            patch.object(adapter, "_get_transport", side_effect=ZeroDivisionError),
            patch.object(sender_run, "RefusalListener") as listener,
            self.assertRaises(ZeroDivisionError),
        ):
            self.run_sender()
        listener.return_value.close.assert_called_once()
