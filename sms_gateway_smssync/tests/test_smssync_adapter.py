# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The adapter: what a phone wants, and the words of the answer, as rows."""

import base64
import json
from datetime import datetime
from unittest.mock import patch

import qrcode

from odoo.exceptions import AccessError, ValidationError
from odoo.tests import mute_logger

from odoo.addons.sms_gateway_hub.tests.common import NUMBERS, SmsGatewayCase
from odoo.addons.sms_gateway_hub.tools.gateway_data import (
    OutgoingMessage,
    PollOutcome,
    PollStep,
)

from ..tools import smssync
from . import samples
from .samples import MESSAGE_ID, SECRET, UUIDS, call

ADAPTER = "odoo.addons.sms_gateway_smssync.models.sms_gateway_adapter_smssync"
WRONG = b"from=1&message=x&secret=WRONG"
# Every kind of request, as a phone that is set up makes it.
CALLS = (
    ("inbound", call(body=samples.FORM_3X)),
    ("offer", call(f"task=send&secret={SECRET}")),
    ("claim", call("task=sent", samples.CLAIM)),
    ("ask", call(f"task=result&secret={SECRET}")),
    ("report", call(f"task=result&secret={SECRET}", samples.RESULT_311)),
    ("test", call(body=samples.TEST_3X)),
    ("alert", call(body=samples.BATTERY_2X, version="2.8.3")),
    ("ping", call(version="2.8.3")),
)
OFFER = (
    UUIDS[0],
    OutgoingMessage(uuid="0" * 31 + "1", number=NUMBERS[0], body="Grüße"),
)


class SmssyncCase(SmsGatewayCase):
    """A gateway with one phone."""

    gateway_values = {"code": "smssync"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.device = cls.env["sms.gateway.device"].create(
            {"name": "Front desk", "gateway_id": cls.gateway.id, "secret": SECRET}
        )
        cls.adapter = cls.gateway._get_adapter()

    def parse(self, data):
        return self.adapter._parse_poll(self.device, data)

    def answer(self, data, step, outcome=None):
        """Word an answer and read it, after the checks that all must pass."""
        status, content_type, body = self.adapter._make_poll_response(
            self.device, data, step, outcome
        )
        self.assertEqual(status, 200)
        self.assertEqual(content_type, "application/json; charset=utf-8")
        try:
            kind = smssync.read_request(data).kind
        except ValueError:
            kind = ""
        return samples.check_document(self, body, kind=kind)


class TestParse(SmssyncCase):
    """What a phone wants, in the hub's terms."""

    def test_kinds(self):
        """Each request becomes the step that the hub has for it."""
        kinds = {
            "test": "seen",
            "alert": "seen",
            "ping": "seen",
        }
        for kind, data in CALLS:
            with self.row(kind):
                step = self.parse(data)
                self.assertEqual(step.kind, kinds.get(kind, kind))
        self.assertEqual(self.parse(call("task=delete")).kind, "seen")
        self.assertEqual(self.parse(call(body=b"a=b")).kind, "seen")
        self.assertEqual(
            self.adapter._get_poll_methods(self.gateway), {"GET", "POST", "PUT"}
        )
        self.assertEqual(
            self.adapter._get_features(self.gateway), {"inbound", "delivery_report"}
        )

    def test_must_05_dispatch(self):
        """A poll is a poll by any method; claims and reports go by their body."""
        rows = (
            (call(f"task=send&secret={SECRET}", samples.FORM_3X), "offer"),
            (
                call(f"task=send&secret={SECRET}", samples.FORM_3X, method="PUT"),
                "offer",
            ),
            (call(f"task=result&secret={SECRET}", samples.CLAIM), "claim"),
            (call("task=sent", samples.RESULT_28, version="2.7"), "report"),
        )
        self.device.version = "2.7"
        for data, kind in rows:
            with self.row(data):
                self.assertEqual(self.parse(data).kind, kind)

    def test_must_06_who_must_prove(self):
        """The secret is asked for where the app sends it, and nowhere else."""
        result = samples.RESULT_28
        for data in (
            call("task=result", version="2.7"),
            call("task=sent", result, version="2.7.1"),
        ):
            # Anybody can call himself so: this phone polls as 3.1.1.
            for version in ("3.1.1", False):
                self.device.version = version
                self.assertEqual(self.parse(data).kind, "refused")
        self.device.version = "2.7"
        rows = (
            # call with a secret in place, versions, is it let in?
            ("A wrong", call(body=WRONG), False),
            ("A none", call(body=b"from=1&message=x"), False),
            ("A empty", call(body=b"from=1&message=x&secret="), False),
            ("A in the query", call(f"secret={SECRET}", b"from=1&message=x"), False),
            (
                "A other case",
                call(body=WRONG.replace(b"WRONG", SECRET.upper().encode())),
                False,
            ),
            (
                "A with a blank",
                call(body=WRONG.replace(b"WRONG", b"s3cretKey9+")),
                False,
            ),
            (
                "A half a surrogate",
                call(body=b'{"from":"1","secret":"\\ud800"}'),
                False,
            ),
            ("B right", call(f"task=send&secret={SECRET}"), True),
            ("B wrong", call("task=send&secret=WRONG"), False),
            ("B none", call("task=send"), False),
            ("B none, 2.7", call("task=send", version="2.7"), False),
            ("B first wins", call(f"task=send&secret={SECRET}?secret=x"), True),
            ("C none", call("task=sent", samples.CLAIM), True),
            ("C wrong", call("task=sent&secret=WRONG", samples.CLAIM), True),
            ("D none", call("task=result"), False),
            ("D none, nobody says who", call("task=result", version=""), False),
            ("D none, 2.7", call("task=result", version="2.7"), True),
            ("D none, 2.7.1", call("task=result", version="2.7.1"), True),
            ("D none, 2.7.2", call("task=result", version="2.7.2"), False),
            ("D wrong, 2.7", call("task=result&secret=WRONG", version="2.7"), False),
            ("D empty, 2.7", call("task=result&secret=", version="2.7"), False),
            ("E none", call("task=result", result), False),
            ("E none, 2.7.1", call("task=sent", result, version="2.7.1"), True),
            ("E wrong", call("task=result&secret=WRONG", result), False),
            ("F wrong", call(body=samples.TEST_3X.replace(b"s3cret", b"x")), False),
            ("G none", call(body=samples.BATTERY_2X), True),
            ("H none", call(), True),
        )
        for label, data, allowed in rows:
            with self.row(label):
                step = self.parse(data)
                self.assertEqual(step.kind != "refused", allowed)
                if not allowed:
                    self.assertTrue(step.detail)
                    self.assertFalse(step.items or step.refs)

    def test_must_06_no_secret_set(self):
        """A phone without a secret in Odoo proves nothing, least of all with none."""
        for secret in (False, ""):
            self.device.secret = secret
            for kind, data in CALLS:
                if kind in ("claim", "alert", "ping"):
                    continue
                with self.row(f"{kind} with {secret!r}"):
                    self.assertEqual(self.parse(data).kind, "refused")
            for data in (call("task=send&secret="), call(body=b"from=1&secret=")):
                with self.row(data):
                    self.assertEqual(self.parse(data).kind, "refused")

    def test_must_06_basic_auth(self):
        """With a user name and a password set, each request must bring both."""
        self.device.write({"basic_user": "phone1", "basic_password": "Pass9word"})

        def header(text):
            coded = base64.b64encode(text.encode()).decode()
            return {"authorization": f"Basic {coded}"}

        rows = (
            (header("phone1:Pass9word"), True),
            (header("phone1:wrong"), False),
            (header("Pass9word:phone1"), False),
            (header("phone1"), False),
            ({"authorization": "Basic !!!"}, False),
            ({"authorization": "Bearer Pass9word"}, False),
            ({}, False),
        )
        for headers, allowed in rows:
            for kind, data in CALLS:
                with self.row(f"{kind} {headers}"):
                    data.headers.pop("authorization", None)
                    data.headers.update(headers)
                    self.addCleanup(data.headers.pop, "authorization", None)
                    step = self.parse(data)
                    self.assertEqual(step.kind != "refused", allowed)

    def test_must_12_time(self):
        """A text has the time of its network in milliseconds, or none."""
        rows = (
            (b"1735689600123", datetime(2025, 1, 1)),
            (b"1735689600", False),
            (b"soon", False),
            (b"", False),
        )
        for raw, expected in rows:
            with self.row(raw):
                body = samples.FORM_3X.replace(b"1735689600123", raw)
                item = self.parse(call(body=body)).items[0]
                self.assertEqual(item.sent_at or False, expected)
        without = samples.FORM_3X.replace(b"sent_timestamp", b"x")
        self.assertIsNone(self.parse(call(body=without)).items[0].sent_at)

    def test_must_13_senders_and_texts(self):
        """Names, short codes and national numbers come in; nothing is required."""
        us = self.env.ref("base.us")
        self.gateway.company_id = self.env.company
        self.env.company.country_id = us
        rows = (
            ("+12025550143", "+12025550143"),
            ("2025550143", "+12025550143"),
            ("(202) 555-0143", "+12025550143"),
            ("0012025550143", None),
            ("INFOBANK", "INFOBANK"),
            ("Bank 24 7000000", "Bank 24 7000000"),
            ("4711", "4711"),
            ("+4711", "+4711"),
            ("  ", "?"),
            ("", "?"),
            ("*123#", "*123#"),
        )
        for sender, expected in rows:
            with self.row(sender):
                body = json.dumps({"from": sender, "secret": SECRET}).encode()
                step = self.parse(call(body=body))
                self.assertEqual(step.kind, "inbound")
                if expected:
                    self.assertEqual(step.items[0].number, expected)
                self.assertEqual(step.items[0].body, "")
        long = "Grüße 😀 " * 200
        body = json.dumps({"from": "1", "message": long, "secret": SECRET}).encode()
        self.assertEqual(self.parse(call(body=body)).items[0].body, long)

    def test_strange_senders(self):
        """No sender, id or alert is too strange to be stored."""
        for company in (
            self.env.company,
            self.env["res.company"].create({"name": "X"}),
        ):
            self.gateway.company_id = company
            for sender, expected in (
                ("\x00", "?"),
                ("\x00\n\t", "?"),
                ("A\x00B", "AB"),
                ("\ud800", "\ufffd"),
                ("9" * 20000, "9" * 64),
                ("+" + "9" * 30, "+" + "9" * 30),
                ("٠١٢٣٤٥٦٧٨٩", None),
                ("1" + ";ext=" * 9 + "234567", None),
            ):
                label = f"{company.name} {sender[:40]!r}"
                with self.row(label.encode("ascii", "replace")):
                    values = {"from": sender, "secret": SECRET, "device_id": sender}
                    values["message_id"] = sender
                    step = self.parse(call(body=json.dumps(values).encode()))
                    number = step.items[0].number
                    self.assertTrue(number)
                    if expected:
                        self.assertEqual(number, expected)
                    for text in (number, *step.seen.values()):
                        self.assertNotIn("\x00", text)
                        text.encode()

    def test_own_number(self):
        """What 3.0.0 to 3.0.4 call the phone's number is the sender's."""
        rows = (
            ("3.1.1", "+12025550100", "+12025550100"),
            ("3.0.5", "+12025550100", "+12025550100"),
            ("3.0.4", "+12025550100", ""),
            ("3.0", "+12025550100", ""),
            ("2.8.3", "+12025550100", "+12025550100"),
            ("2.8.3", "+12025550143", ""),
            ("3.1.1", "", ""),
        )
        for version, own, expected in rows:
            with self.row(f"{version} {own}"):
                body = samples.FORM_3X.replace(
                    b"sent_to=", b"sent_to=" + own.replace("+", "%2B").encode()
                )
                item = self.parse(call(body=body, version=version)).items[0]
                self.assertEqual(item.recipient, expected)

    def test_must_11_same_text_same_key(self):
        """Posts of one text have one key, in whatever format and from any version."""
        values = {
            "secret": SECRET,
            "from": "+12025550143",
            "message": "x",
            "message_id": MESSAGE_ID,
        }
        as_json = json.dumps(values).encode()
        as_xml = (
            "<p>" + "".join(f"<{k}>{v}</{k}>" for k, v in values.items()) + "</p>"
        ).encode()
        keys = {
            self.parse(call(body=body, version=version)).items[0].event_key
            for body in (samples.FORM_3X, samples.FORM_2X, as_json, as_xml)
            for version in ("2.6.1", "3.1.1")
        }
        self.assertEqual(len(keys), 1)
        item = self.parse(call(body=samples.FORM_3X)).items[0]
        self.assertEqual(item.external_ref, MESSAGE_ID)

    def test_must_14_instant_replies(self):
        """Texts ride on the answer to a text with the option and version 2.x alone."""
        for option in (False, True):
            for version, allowed in (
                ("2.6.1", True),
                ("2.8.3", True),
                ("3.0", False),
                ("3.1.1", False),
                ("", False),
            ):
                with self.row(f"{option} {version}"):
                    self.device.instant_replies = option
                    step = self.parse(call(body=samples.FORM_3X, version=version))
                    self.assertEqual(bool(step.then_offer), option and allowed)

    def test_must_20_claims(self):
        """A claim names what can be a reference; null and nonsense cost nothing."""
        body = json.dumps({"queued_messages": [UUIDS[0], None, [7], "\x00", UUIDS[0]]})
        step = self.parse(call("task=sent", body.encode()))
        self.assertEqual(step.refs, (UUIDS[0],))

    def test_must_22_final_offers(self):
        """An offer is final where the phone cannot acknowledge, or is set not to."""
        for setting, version, final in (
            ("auto", "3.1.1", False),
            ("auto", "2.7", False),
            ("auto", "2.6.1", True),
            ("auto", "", False),
            ("on", "3.1.1", False),
            ("on", "2.6.1", True),
            ("off", "3.1.1", True),
            ("off", "2.6.1", True),
        ):
            with self.row(f"{setting} {version}"):
                self.device.results_api = setting
                step = self.parse(call(f"task=send&secret={SECRET}", version=version))
                self.assertEqual(step.final, final)

    def test_must_22_who_asks_can_acknowledge(self):
        """A phone that asks before it sends has the Results API on, whatever is set."""
        data = call("task=sent", samples.CLAIM)
        for setting, expected in (("auto", "auto"), ("on", "on"), ("off", "auto")):
            with self.row(setting):
                self.device.results_api = setting
                self.env.flush_all()
                self.device._execute(self.parse(data), data)
                self.assertEqual(self.device.results_api, expected)
                self.assertEqual(self.device.acknowledges, "yes")

    def test_must_24_reports(self):
        """Reports name the reference of the offer; a repeat is the same event."""
        data = call(f"task=result&secret={SECRET}", samples.RESULTS_MANUAL)
        items = self.parse(data).items
        found = [(item.external_ref, item.state, item.failure_type) for item in items]
        self.assertEqual(
            found,
            [
                ("052bf515-ef6b-f424-c4ee", "sent", None),
                ("aada21b0-0615-4957-bcb3", "delivered", None),
                ("1ba368bd-c467-4374-bf28", "undelivered", "not_delivered"),
                ("95df126b-ee80-4175-a6fb", "undelivered", "not_reached"),
            ],
        )
        self.assertEqual(items[3].provider_code, "4/-1")
        self.assertEqual(items[3].detail, "No service")
        self.assertEqual(items, self.parse(data).items)
        self.assertEqual(len({item.event_key for item in items}), 4)

    def test_must_26_nobody_waits_for_what_never_comes(self):
        """What a phone reports follows from the version that it told last."""
        for version, expected in (
            (False, set()),
            ("2.7.2", {"sent", "undelivered", "delivered"}),
            ("2.8.3", {"sent", "delivered"}),
            ("3.1.1", set()),
        ):
            with self.row(version):
                self.device.version = version
                self.assertEqual(
                    self.adapter._get_reported_states(self.device), expected
                )

    def test_must_28_nothing_to_store(self):
        """The test button, alerts and stale bodies bring neither texts nor claims."""
        rows = (
            call(body=samples.TEST_3X),
            call(body=samples.BATTERY_2X, version="2.8.3"),
            call(body=samples.CLAIM),
            call(body=samples.RESULT_311),
            call(method="POST"),
            call(),
        )
        for data in rows:
            with self.row(data):
                step = self.parse(data)
                self.assertEqual(step.kind, "seen")
                self.assertEqual((step.items, step.refs, step.final), ((), (), False))

    def test_must_30_what_is_seen(self):
        """Version, charge, alert, test and the phone's own id are noted."""
        wrong = samples.TEST_3X.replace(b"s3cret", b"x")
        rows = (
            ("version", call(f"task=send&secret={SECRET}"), {"version": "3.1.1"}),
            ("none", call(f"task=send&secret={SECRET}", version=""), {"version": None}),
            ("not proven", call("task=send"), {"version": None}),
            ("carries no proof", call("task=sent", samples.CLAIM), {"version": None}),
            (
                "battery of 2.x",
                call(body=samples.BATTERY_2X, version="2.8.3"),
                {"battery": 12, "alert": "Battery level is at 12"},
            ),
            (
                "a text that failed, of 2.7",
                call(
                    body=b"Task=alert&message=No+service+at+4&errorCode=4",
                    version="2.7.2",
                ),
                {"battery": None, "alert": "No service at 4"},
            ),
            (
                "battery of 3.x",
                call(body=samples.CLAIM),
                {"battery": None, "alert": "The battery is low."},
            ),
            (
                "green test",
                call(body=samples.TEST_3X),
                {"test_result": "Passed: address and secret are right."},
            ),
            (
                "red test",
                call(body=wrong),
                {
                    "test_result": "The secret is wrong: enter the one that Odoo shows "
                    "for this phone."
                },
            ),
            ("own id", call(body=samples.FORM_3X), {"unique_id": "12"}),
        )
        for label, data, expected in rows:
            with self.row(label):
                seen = self.parse(data).seen
                for name, value in expected.items():
                    self.assertEqual(seen.get(name), value)
                for name in seen:
                    self.assertIn(name, self.device._fields)

    def test_renamed_keys(self):
        """The setting of renamed keys is used, and nonsense in it is told."""
        self.device.key_names = "from=sender, message=text, secret=pin"
        body = f"sender=%2B12025550143&text=Hi&pin={SECRET}".encode()
        item = self.parse(call(body=body)).items[0]
        self.assertEqual((item.number, item.body), ("+12025550143", "Hi"))
        self.assertEqual(
            self.answer(call(body=body), self.parse(call(body=body)))["payload"][
                "success"
            ],
            "true",
        )
        with self.assertRaisesRegex(ValidationError, "sender"):
            self.device.key_names = "sender"

    def test_hostile_bodies(self):
        """A body that nobody sends by mistake is read or refused, never an accident."""
        for label, body in samples.HOSTILE:
            for query in ("", "task=send", "task=sent", "task=result"):
                with self.row(f"{label} {query}"):
                    try:
                        step = self.parse(call(query, body))
                    except ValueError:
                        continue
                    self.assertIn(step.kind, ("seen", "refused", "claim"))
                    self.assertFalse(step.items or step.refs)


class TestAnswer(SmssyncCase):
    """The words of each answer."""

    def test_answers(self):
        """Each request that went well gets the answer that is safe for all versions."""
        idle = {"success": True, "task": "send", "secret": SECRET, "messages": []}
        stored = {"payload": {"success": "true", "error": None, "messages": []}}
        taken = {"payload": {"success": True, "error": None, "messages": []}}
        refs = PollOutcome(refs=UUIDS[:2])
        message = {"to": NUMBERS[0], "message": "Grüße", "uuid": UUIDS[0]}
        rows = {
            "inbound": ((None, stored),),
            "offer": (
                (None, {"payload": idle}),
                (
                    PollOutcome(offers=(OFFER,)),
                    {"payload": {**idle, "messages": [message]}},
                ),
            ),
            "claim": (
                (None, {"message_uuids": []}),
                (refs, {"message_uuids": list(UUIDS[:2])}),
            ),
            "ask": (
                (None, {"message_uuids": []}),
                (refs, {"message_uuids": list(UUIDS[:2])}),
            ),
            "report": ((None, taken),),
            "test": ((None, stored),),
            "alert": ((None, taken),),
        }
        for kind, data in CALLS:
            for outcome, expected in rows.get(kind, ()):
                with self.row(f"{kind} {outcome}"):
                    self.assertEqual(
                        self.answer(data, self.parse(data), outcome), expected
                    )

    def test_must_07_the_secret_stays_here(self):
        """Who did not prove the secret is never told it, whatever goes wrong."""
        self.device.write({"basic_user": "phone1", "basic_password": "Pass9word"})
        outcomes = (None, PollOutcome(offers=(OFFER,)), PollOutcome(done=False))
        for kind, data in CALLS:
            for step in (None, PollStep("refused", detail="No"), PollStep("seen")):
                for outcome in outcomes:
                    with self.row(f"{kind} {step} {outcome}"):
                        text = json.dumps(self.answer(data, step, outcome))
                        self.assertNotIn(SECRET, text)
                        self.assertNotIn("Pass9word", text)
        # Nor with texts that came in, claims and reports that went well.
        self.device.write({"basic_user": False, "basic_password": False})
        for kind, data in CALLS:
            if kind != "offer":
                with self.row(f"{kind} well"):
                    answer = self.answer(data, self.parse(data))
                    self.assertNotIn(SECRET, json.dumps(answer))

    def test_must_07_refused(self):
        """A refusal has the shape that its request expects, with a sentence."""
        rows = {
            "inbound": ("payload", False),
            "offer": ("payload", False),
            "claim": ("message_uuids", None),
            "ask": ("message_uuids", None),
            "report": ("payload", None),
            "test": ("payload", False),
            "alert": ("payload", None),
            "ping": ("payload", False),
        }
        for kind, data in CALLS:
            with self.row(kind):
                key, success = rows[kind]
                step = PollStep("refused", detail="The gateway is disabled in Odoo.")
                answer = self.answer(
                    data, step, PollOutcome(done=False, refs=UUIDS, offers=(OFFER,))
                )
                if key == "message_uuids":
                    self.assertEqual(answer, {"message_uuids": []})
                elif success is False:
                    self.assertIs(answer["payload"]["success"], False)
                    self.assertEqual(answer["payload"]["messages"], [])
                    if kind != "ping":
                        self.assertEqual(answer["payload"]["error"], step.detail)

    def test_must_08_one_document_always(self):
        """Any body to any task by any method gets one document that crashes nobody."""
        queries = (
            "",
            "task=send",
            f"task=send&secret={SECRET}",
            "task=sent",
            f"task=result&secret={SECRET}",
            "task=delete",
            "task=result?Task=alert",
            "%00=%FF&task",
        )
        for label, body in (*samples.HOSTILE, ("nothing", b"")):
            for query in queries:
                for method in ("GET", "POST", "PUT"):
                    data = call(query, body, method=method)
                    with self.row(f"{label} {query} {method}"):
                        try:
                            step = self.parse(data)
                        except ValueError:
                            step = None
                        self.answer(data, step, PollOutcome(done=step is not None))

    @mute_logger(ADAPTER)
    def test_must_08_our_own_faults(self):
        """A fault of ours gets the neutral document, and the log tells no content."""
        for kind, data in CALLS:
            with self.row(kind), patch(f"{ADAPTER}.smssync.read_request") as read:
                read.side_effect = RuntimeError(SECRET)
                _status, _type, body = self.adapter._make_poll_response(
                    self.device, data, None, None
                )
                self.assertEqual(body, smssync.NEUTRAL)
        with patch(f"{ADAPTER}.smssync.answer_offer", side_effect=RuntimeError(SECRET)):
            data = CALLS[1][1]
            with self.assertLogs(ADAPTER, "WARNING") as logs:
                self.adapter._make_poll_response(
                    self.device, data, self.parse(data), None
                )
            self.assertNotIn(SECRET, "".join(logs.output))

    def test_must_09_stored_or_not(self):
        """A text that is stored counts as success for all versions; else it is kept."""
        data = CALLS[0][1]
        step = self.parse(data)
        stored = self.answer(data, step, PollOutcome())
        self.assertEqual(stored["payload"]["success"], "true")
        kept = self.answer(data, step, PollOutcome(done=False, error="Busy."))
        self.assertEqual(
            kept, {"payload": {"success": False, "error": "Busy.", "messages": []}}
        )
        # On our side, without a word why.
        lost = self.answer(data, None, None)
        self.assertIs(lost["payload"]["success"], False)
        self.assertTrue(lost["payload"]["error"])
        # What cannot be read is no text that we could have.
        for body in (b"a=b", b"{", b"sender=1&text=x"):
            with self.row(body):
                data = call(body=body)
                try:
                    step = self.parse(data)
                except ValueError:
                    step = None
                answer = self.answer(data, step, PollOutcome(done=step is not None))
                self.assertIs(answer["payload"]["success"], False)

    def test_must_14_answers_with_texts(self):
        """Texts are in the answer to a text only if the step asked for them."""
        data = call(body=samples.FORM_3X, version="2.8.3")
        outcome = PollOutcome(offers=(OFFER,))
        without = self.answer(data, self.parse(data), outcome)
        self.assertEqual(without["payload"]["messages"], [])
        self.device.instant_replies = True
        answer = self.answer(data, self.parse(data), outcome)
        self.assertEqual(
            answer["payload"]["messages"],
            [{"to": NUMBERS[0], "message": "Grüße", "uuid": UUIDS[0]}],
        )
        self.assertEqual(answer["payload"]["success"], "true")

    def test_must_15_no_success_to_a_get(self):
        """A GET without a task never hears of success, whatever else it carries."""
        for query in (
            "",
            "secret=s3cretKey9",
            "Task=send",
            "task=",
            "from=1",
            "task=x",
        ):
            with self.row(query):
                data = call(query)
                answer = self.answer(data, self.parse(data))
                self.assertIs(answer["payload"]["success"], False)
                self.assertEqual(answer["payload"]["task"], "")

    def test_must_16_idle(self):
        """An idle poll gets a task, but for the two versions that would crash."""
        for version, task in (("2.7", ""), ("2.7.1", ""), ("2.8.3", "send")):
            with self.row(version):
                data = call(f"task=send&secret={SECRET}", version=version)
                answer = self.answer(data, self.parse(data))
                self.assertEqual(answer["payload"]["task"], task)

    def test_must_19_claimed(self):
        """The answer to a claim holds what was claimed, not what was asked."""
        data = call("task=sent", samples.CLAIM)
        step = self.parse(data)
        self.assertEqual(step.refs, UUIDS)
        self.assertEqual(
            self.answer(data, step, PollOutcome(refs=(UUIDS[1],))),
            {"message_uuids": [UUIDS[1]]},
        )
        self.assertEqual(
            self.answer(data, step, PollOutcome(done=False, refs=UUIDS)),
            {"message_uuids": []},
        )


class TestSetup(SmssyncCase):
    """What is shown for setting up a phone, and to whom."""

    def test_must_31_for_administrators_alone(self):
        """Address, secret and QR code are for system administrators."""
        user = self.new_user("manager", "sms_gateway_hub.group_manager")
        for name in ("poll_url", "secret", "token", "setup_qr"):
            with self.row(name), self.assertRaises(AccessError):
                self.device.with_user(user).read([name])

    def test_must_31_address(self):
        """The address has a slash at its end, no query, and nothing hard to type."""
        self.assertRegex(
            self.device.poll_url, r"^https?://[^/?]+/sms_gateway/[A-Za-z0-9]+/poll/\Z"
        )
        for text in (self.device.token, self.new_secret()):
            self.assertRegex(text, r"^[A-Za-z0-9]{8,}\Z")
            self.assertFalse(set(text) & set("0O1lI"))

    def new_secret(self):
        other = self.env["sms.gateway.device"].create(
            {"name": "Other", "gateway_id": self.gateway.id}
        )
        return other.secret

    def test_must_31_qr_code(self):
        """The QR code is a picture of the JSON that the app's scanner reads."""
        texts = []
        make = qrcode.make

        def spy(text, **values):
            texts.append(text)
            return make(text, **values)

        with patch.object(qrcode, "make", spy):
            for name, title in (("Front desk", "Front desk"), ("A", "Odoo A")):
                self.device.name = name
                image = base64.b64decode(self.device.setup_qr)
                self.assertTrue(image.startswith(b"\x89PNG"))
                self.assertEqual(
                    json.loads(texts[-1]),
                    {"title": title, "url": self.device.poll_url, "secret": SECRET},
                )
        self.device.secret = False
        self.assertFalse(self.device.setup_qr)

    def test_warnings(self):
        """Versions and settings that cannot be safe are told."""
        rows = (
            ("2.6.1", "auto", "neither"),
            ("2.7", "auto", "without its secret"),
            ("2.7.1", "on", "without its secret"),
            ("2.8.3", "off", "Message Results API"),
            ("3.1.1", "auto", None),
            (False, "auto", None),
        )
        for version, setting, words in rows:
            with self.row(f"{version} {setting}"):
                self.device.write({"version": version, "results_api": setting})
                if words:
                    self.assertIn(words, self.device.warning)
                else:
                    self.assertFalse(self.device.warning)

    def test_form(self):
        """The form of a phone shows what to set up, and each field of it is there."""
        arch = self.env["sms.gateway.device"].get_view(view_type="form")["arch"]
        for name in ("poll_url", "secret", "setup_qr", "results_api", "alert"):
            self.assertIn(f'name="{name}"', arch)
        for words in ("Message Results API", "SMS Delivery Report", "Auto Sync"):
            self.assertIn(words, arch)
        user = self.new_user("manager", "sms_gateway_hub.group_administrator")
        devices = self.env["sms.gateway.device"].with_user(user)
        arch = devices.get_view(view_type="form")["arch"]
        for name in ("poll_url", "secret", "setup_qr"):
            self.assertNotIn(f'name="{name}"', arch)

    def test_copy(self):
        """A copied phone has neither the secret nor what the other one told."""
        self.device.write({"unique_id": "12", "alert": "x"})
        copy = self.device.copy()
        self.assertNotEqual(copy.token, self.device.token)
        self.assertNotEqual(copy.secret, SECRET)
        self.assertFalse(copy.unique_id or copy.alert)
