# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Phones with SMSsync over real HTTP: ``must_NN`` is a requirement of the protocol.

What one transaction cannot show (commits, races, kills) is in the live tests.
"""

import base64
import json
import time
from datetime import timedelta
from unittest.mock import patch
from urllib.parse import quote

from odoo import fields
from odoo.tests import HttpCase, mute_logger, tagged

from odoo.addons.sms_gateway_hub import const as hub_const
from odoo.addons.sms_gateway_hub.controllers import poll
from odoo.addons.sms_gateway_hub.tests.common import NUMBERS, LogLines, SmsGatewayMixin
from odoo.addons.sms_gateway_hub.tests.http_common import RawHttpMixin

from .. import const
from . import samples
from .samples import MESSAGE_ID, SECRET, UUIDS

FORM = "application/x-www-form-urlencoded"
STORED = {"payload": {"success": "true", "error": None, "messages": []}}
TAKEN = {"payload": {"success": True, "error": None, "messages": []}}


@tagged("post_install", "-at_install")
class TestSmssyncHttp(RawHttpMixin, SmsGatewayMixin, HttpCase):
    """What a phone asks, and what it and the outbox get of it."""

    gateway_values = {"code": "smssync"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.device = cls.make_device("Front desk")
        # It has never asked: until it does, it has no share of what waits.
        cls.other = cls.make_device("Workshop", last_poll_at=False)

    @classmethod
    def make_device(cls, name, **values):
        return cls.env["sms.gateway.device"].create(
            {
                "name": name,
                "gateway_id": cls.gateway.id,
                "secret": SECRET,
                "last_poll_at": fields.Datetime.now(),
                **values,
            }
        )

    def setUp(self):
        super().setUp()
        poll.failures.reset()
        poll.guesses.reset()

    # -- Helpers -----------------------------------------------------------------

    def ask(
        self,
        query="",
        body=None,
        *,
        method=None,
        version="3.1.1",
        device=None,
        path="/",
        content_type=FORM,
        headers=None,
        status=200,
        kind="",
    ):
        """Make one call as a phone does, check the answer's form and read it."""
        device = device or self.device
        target = f"/sms_gateway/{device.token}/poll{path}"
        answer = self.raw_ask(
            target + (f"?{query}" if query else ""),
            body,
            method=method,
            version=version,
            content_type=content_type,
            headers=headers,
        )
        self.assertEqual(answer.status_code, status, answer.content)
        return samples.check_document(self, answer.content, kind=kind)

    def raw_ask(
        self,
        target,
        body=None,
        *,
        method=None,
        version="",
        content_type="",
        headers=None,
    ):
        self.make_due()
        headers = {**samples.agent(version), **(headers or {})}
        headers = {name.title(): value for name, value in headers.items()}
        if body is not None and content_type:
            headers["Content-Type"] = content_type
        answer = self.http_call(
            method or ("GET" if body is None else "POST"),
            target,
            body=body,
            headers=headers,
        )
        self.env.invalidate_all()
        self.assertEqual(
            answer.headers["Content-Type"], "application/json; charset=utf-8"
        )
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        self.assertNotIn("Location", answer.headers)
        return answer

    def offer(self, **values):
        """Let a phone poll; returns {reference: (number, text)}."""
        document = self.ask(f"task=send&secret={SECRET}", kind="offer", **values)
        return {
            message["uuid"]: (message["to"], message["message"])
            for message in document["payload"]["messages"]
        }

    def claim(self, refs, query="task=sent", **values):
        body = json.dumps({"queued_messages": list(refs)}).encode()
        return self.ask(query, body, kind="claim", **values)["message_uuids"]

    def results(self, **values):
        return self.ask(f"task=result&secret={SECRET}", kind="ask", **values)[
            "message_uuids"
        ]

    def report(self, *results, query=f"task=result&secret={SECRET}", **values):
        body = json.dumps({"message_result": json.dumps(list(results))}).encode()
        answer = self.ask(query, body, **values)
        self.apply_events()
        return answer

    def texts(self):
        self.apply_events()
        return self.messages_of([("direction", "=", "incoming")])

    # -- The address ---------------------------------------------------------------

    def test_must_01_address(self):
        """An address serves with and without slash and with /add, by no detour."""
        path = f"/sms_gateway/{self.device.token}"
        for target in (
            f"{path}/poll/",
            f"{path}/poll",
            f"{path}/poll/add",
            f"{path}/poll/add/",
            f"{path}/add",
        ):
            with self.row(target):
                answer = self.raw_ask(f"{target}?task=send&secret={SECRET}")
                self.assertEqual(answer.status_code, 200)
                payload = json.loads(answer.content)["payload"]
                self.assertEqual(payload["task"], "send")
        self.assertNotEqual(self.device.token, self.other.token)
        self.assertGreaterEqual(len(self.device.token), 16)

    def test_must_02_methods(self):
        """GET, POST and PUT work without session, cookie and CSRF token."""
        rows = (
            ("GET", f"task=send&secret={SECRET}", None),
            ("POST", f"task=send&secret={SECRET}", b""),
            ("POST", f"task=send&secret={SECRET}", samples.FORM_3X),
            ("PUT", f"task=send&secret={SECRET}", b""),
            ("POST", "", samples.FORM_3X),
            ("PUT", "", samples.FORM_3X),
        )
        for method, query, body in rows:
            with self.row(f"{method} {query}"):
                answer = self.raw_ask(
                    f"/sms_gateway/{self.device.token}/poll/?{query}",
                    body,
                    method=method,
                    version="3.0.4",
                    content_type=FORM,
                )
                self.assertEqual(answer.status_code, 200)
                payload = json.loads(answer.content)["payload"]
                self.assertIn(payload["success"], (True, "true"))
                self.assertNotIn("Set-Cookie", answer.headers)

    def test_must_03_polluted_query(self):
        """What 3.x glues to its query after a test or an alert changes nothing."""
        test = quote(const.TEST_MESSAGE).replace("%20", "+")
        query = (
            f"task=result&secret={SECRET}?secret={SECRET}"
            f"&from=%2B000000000000&message={test}"
        )
        self.assertEqual(self.ask(query, kind="ask"), {"message_uuids": []})
        self.enqueue()
        document = self.ask(f"site=7?task=send&secret={SECRET}&task=x", kind="offer")
        self.assertEqual(len(document["payload"]["messages"]), 1)

    # -- Texts that come in ----------------------------------------------------------

    def test_must_04_formats(self):
        """Each format comes in, whatever its content type says."""
        rows = (
            (samples.FORM_3X, FORM, "Yes & thanks +1"),
            (samples.FORM_2X, "application/json", "Yes & thanks +1"),
            (samples.JSON_3X, "application/json", "Open 9/12?"),
            (samples.JSON_3X, FORM, "Open 9/12?"),
            (samples.JSON_3X, "text/plain", "Open 9/12?"),
            (samples.XML_3X, "application/json; charset=UTF-8", "Stop"),
            (samples.XML_3X, "application/xml", "Stop"),
            (samples.XML_3X, "", "Stop"),
            (
                samples.MULTIPART,
                "multipart/form-data; boundary=X",
                "sample text message",
            ),
            (samples.MULTIPART, FORM, "sample text message"),
        )
        for body, content_type, text in rows:
            with self.row(f"{text} {content_type}"):
                self.assertEqual(self.ask(body=body, content_type=content_type), STORED)
                self.assertEqual(self.texts().mapped("body"), [text])
        for method in ("POST", "PUT"):
            with self.row(method):
                self.ask(body=samples.FORM_3X, method=method)
                self.assertEqual(self.texts().number, "+12025550143")

    def test_must_08_hostile_calls(self):
        """Whatever comes, the answer is one document, and nothing is stored."""
        for label, body in samples.HOSTILE:
            for query in ("", f"task=send&secret={SECRET}", "task=sent"):
                with self.row(f"{label} {query}"):
                    poll.failures.reset()
                    with mute_logger("odoo.http"):
                        self.ask(query, body, content_type="text/xml")
                    self.assertFalse(self.texts())

    def test_must_08_never_a_page(self):
        """Unknown paths, methods, sizes and a disabled gateway: one document each."""
        path = f"/sms_gateway/{self.device.token}/poll/"
        rows = (
            ("unknown", "/sms_gateway/nobody/poll/?task=send", "GET", None, 404),
            ("not ASCII", "/sms_gateway/%C3%A9/poll/?task=send", "GET", None, 404),
            ("too large", path, "POST", b"a" * (64 * 1024 + 1), 413),
            ("method", path, "DELETE", None, 405),
        )
        for label, target, method, body, status in rows:
            with self.row(label):
                answer = self.raw_ask(target, body, method=method)
                self.assertEqual(answer.status_code, status)
                document = samples.check_document(self, answer.content, kind="offer")
                self.assertEqual(document["payload"]["task"], "")
                self.assertIs(document["payload"]["success"], False)
        self.enqueue()
        rows = (
            ("disabled", self.gateway, {"state": "disabled"}),
            ("archived", self.gateway, {"active": False}),
            ("the phone is archived", self.device, {"active": False}),
        )
        for label, record, values in rows:
            with self.row(label):
                record.write(values)
                document = self.ask(f"task=send&secret={SECRET}", kind="offer")
                payload = document["payload"]
                self.assertEqual((payload["task"], payload["secret"]), ("", ""))
                self.assertTrue(payload["error"])
                answer = self.ask(body=samples.FORM_3X)
                self.assertIs(answer["payload"]["success"], False)
                self.assertEqual(self.claim(UUIDS), [])

    def test_must_08_trouble_of_ours(self):
        """When our side fails, the phone is told to come again, in one document."""
        device = type(self.env["sms.gateway.device"])
        for query, body in (
            (f"task=send&secret={SECRET}", None),
            ("task=sent", samples.CLAIM),
            ("", samples.FORM_3X),
        ):
            with (
                self.row(query),
                patch.object(device, "_execute", side_effect=RuntimeError),
                self.assertLogs("odoo.addons", "ERROR") as logs,
            ):
                answer = self.raw_ask(
                    f"/sms_gateway/{self.device.token}/poll/?{query}", body
                )
                self.assertIn(answer.status_code, (200, 503))
                document = samples.check_document(self, answer.content)
                payload = document.get("payload", {})
                self.assertIsNot(payload.get("success"), True)
                self.assertNotEqual(payload.get("success"), "true")
                self.assertFalse(document.get("message_uuids"))
                self.assertNotIn(SECRET, "".join(logs.output))

    def test_must_09_refused_for_good(self):
        """Texts that nobody can answer are taken, so that they do not come for ever."""
        rows = (
            ("from=INFOBANK&message=x", "INFOBANK", "x"),
            ("from=4711&message=x", "4711", "x"),
            ("from=%2B12025550143&message=", "+12025550143", ""),
            ("from=%2B12025550143", "+12025550143", ""),
            ("from=&message=x", hub_const.NO_NUMBER, "x"),
        )
        for body, number, text in rows:
            with self.row(body):
                answer = self.ask(body=f"secret={SECRET}&{body}".encode())
                self.assertEqual(answer, STORED)
                found = self.texts()
                self.assertEqual((found.number, found.body or ""), (number, text))

    def test_must_09_strange_texts(self):
        """NUL, half a surrogate and endless numbers with the right secret come in."""
        for strange in ("\x00", "\ud800", "9" * 9000, "\x00a\udfffb"):
            with self.row(strange[:9].encode("ascii", "replace")):
                values = dict.fromkeys(const.FIELDS, strange)
                body = json.dumps({**values, "secret": SECRET}).encode()
                self.assertEqual(self.ask(body=body), STORED)
                self.assertEqual(self.ask(body=body), STORED)
                self.assertEqual(len(self.texts()), 1)
        body = b"Task=alert&message=%00%FF&secret=%00"
        self.assertEqual(self.ask(body=body, version="2.8.3"), TAKEN)

    def test_must_10_stored_when_answered(self):
        """The event of a text is in the database when its answer goes out."""
        self.ask(body=samples.FORM_3X)
        event = self.env["sms.gateway.event"].search(
            [("gateway_id", "=", self.gateway.id)]
        )
        self.assertFields(event, {"kind": "inbound", "number": "+12025550143"})
        self.assertTrue(event.received_at)

    def test_must_11_posted_again(self):
        """A text that is posted again, through another phone too, comes in once."""
        for device in (self.device, self.device, self.other):
            for body in (samples.FORM_3X, samples.FORM_2X):
                self.assertEqual(self.ask(body=body, device=device), STORED)
        self.assertEqual(len(self.texts()), 1)
        self.assertEqual(self.texts().external_ref, MESSAGE_ID)
        # Without an id: sender, words and time make it.
        body = f"secret={SECRET}&from=4711&message=Yes&sent_timestamp=17356896".encode()
        for tail in (b"00000", b"00000", b"00001"):
            self.assertEqual(self.ask(body=body + tail), STORED)
        self.assertEqual(len(self.texts()), 3)

    def test_must_12_times(self):
        """A text keeps its network's time, and the server's own beside it."""
        self.ask(body=samples.FORM_3X)
        message = self.texts()
        self.assertEqual(str(message.sent_at), "2025-01-01 00:00:00")
        self.assertGreater(message.create_date.year, 2025)

    def test_must_13_emoji(self):
        """An emoji, a line end and other alphabets arrive in each format."""
        text = "Grüße 😀\nПривет"
        rows = (
            (f"from=1&secret={SECRET}&message={quote(text)}".encode(), FORM),
            (
                json.dumps({"from": "1", "secret": SECRET, "message": text}).encode(),
                "application/json",
            ),
            (
                f"<p><from>1</from><secret>{SECRET}</secret><message>{text}</message>"
                "</p>".encode(),
                "application/json",
            ),
        )
        for body, content_type in rows:
            with self.row(body[:20]):
                self.ask(body=body, content_type=content_type)
                self.assertEqual(self.texts().body, text)

    def test_must_14_instant_replies(self):
        """Texts to the sender ride on the answer with the option and 2.x, once."""
        self.device.instant_replies = True
        sender = "+12025550143"
        replies = self.enqueue(3, number=[sender, sender, NUMBERS[0]])
        for version in ("3.1.1", ""):
            with self.row(version):
                answer = self.ask(body=samples.FORM_3X, version=version)
                self.assertEqual(answer["payload"]["messages"], [])
        answer = self.ask(body=samples.FORM_3X, version="2.8.3")
        found = [message["to"] for message in answer["payload"]["messages"]]
        self.assertEqual(found, [sender, sender])
        again = self.ask(body=samples.FORM_3X, version="2.8.3")
        self.assertEqual(again["payload"]["messages"], [])
        self.assertFalse(set(replies[:2].mapped("state")) & {"queued", "sending"})
        self.assertEqual(list(self.offer().values()), [(NUMBERS[0], "Text 3")])

    # -- Who it is -----------------------------------------------------------------

    def test_must_06_secrets(self):
        """Without the secret nothing comes in, and nothing goes out."""
        self.enqueue()
        wrong = samples.FORM_3X.replace(b"s3cret", b"S3cret")
        for body in (
            wrong,
            b"from=1&message=x",
            samples.FORM_3X.replace(SECRET.encode(), b""),
        ):
            with self.row(body):
                answer = self.ask(body=body)
                self.assertIs(answer["payload"]["success"], False)
                self.assertTrue(answer["payload"]["error"])
                self.assertFalse(self.texts())
        for query in ("task=send", "task=send&secret=", "task=send&secret=WRONG"):
            with self.row(query):
                payload = self.ask(query, kind="offer")["payload"]
                self.assertEqual(
                    (payload["task"], payload["secret"], payload["messages"]),
                    ("", "", []),
                )
        (ref,) = self.offer()
        self.assertEqual(self.claim([ref]), [ref], "a claim has no secret")
        self.assertEqual(self.ask("task=result", kind="ask"), {"message_uuids": []})
        self.offer(version="2.7")
        asked = self.ask("task=result", kind="ask", version="2.7")
        self.assertEqual(asked, {"message_uuids": [ref]}, "2.7 has none here")

    def test_must_06_basic_auth(self):
        """With Basic authentication set, a claim needs it as well."""
        self.enqueue()
        self.device.write({"basic_user": "phone1", "basic_password": "Pass9word"})
        self.assertIn("//phone1:Pass9word@", self.device.poll_url)
        coded = base64.b64encode(b"phone1:Pass9word").decode()
        headers = {"Authorization": f"Basic {coded}"}
        self.assertEqual(self.offer(), {})
        (ref,) = self.offer(headers=headers)
        self.assertEqual(self.claim([ref]), [])
        self.assertEqual(self.claim([ref], headers=headers), [ref])

    def test_must_07_logs_and_records(self):
        """Neither logs nor records hold the secret or the address."""
        with LogLines() as our_lines, LogLines("werkzeug") as request_lines:
            self.enqueue()
            self.offer()
            self.ask(body=samples.FORM_3X)
            self.ask(body=samples.JSON_3X)
            self.ask(body=samples.XML_3X)
            self.ask("task=send&secret=WRONGWORD")
            self.ask("", b"{")
        text = our_lines.text() + request_lines.text()
        self.assertIn("/poll/", text)
        for secret in (self.device.token, SECRET, "WRONGWORD"):
            self.assertNotIn(secret, text)
        events = self.env["sms.gateway.event"].search(
            [("gateway_id", "=", self.gateway.id)]
        )
        self.assertEqual(len(events), 3)
        for event in events:
            self.assertNotIn(SECRET.encode(), event.raw)

    def test_must_07_guesses_are_limited(self):
        """Who guesses secrets has to wait; the answer stays one document."""
        statuses = set()
        for number in range(hub_const.POLL_FAILURES_PER_MIN + 3):
            answer = self.raw_ask(
                f"/sms_gateway/{self.device.token}/poll/?task=send&secret=w{number}"
            )
            samples.check_document(self, answer.content, kind="offer")
            statuses.add(answer.status_code)
        self.assertEqual(statuses, {200, 429})
        # Another phone is not concerned.
        self.assertEqual(self.offer(device=self.other), {})

    # -- Texts that go out -----------------------------------------------------------

    def test_must_15_get_without_task(self):
        """A GET without a task never hears of success."""
        for version in ("2.7", "2.8.3", "3.1.1", ""):
            with self.row(version):
                payload = self.ask(version=version)["payload"]
                self.assertIs(payload["success"], False)
                self.assertEqual(payload["messages"], [])

    def test_must_16_idle(self):
        """An idle poll has task, secret and a list; 2.7 and 2.7.1 get no task."""
        for version, task in (
            ("2.7", ""),
            ("2.7.1", ""),
            ("2.6.1", "send"),
            ("3.1.1", "send"),
        ):
            with self.row(version):
                document = self.ask(
                    f"task=send&secret={SECRET}", version=version, kind="offer"
                )
                self.assertEqual(
                    document["payload"],
                    {"success": True, "task": task, "secret": SECRET, "messages": []},
                )

    def test_must_17_and_18_offers(self):
        """Texts go out with three fields, each offer under a reference of its own."""
        self.enqueue(3)
        first, second = self.offer(), self.offer(device=self.other)
        self.assertEqual(
            sorted([*first.values(), *second.values()]),
            sorted((NUMBERS[n], f"Text {n + 1}") for n in range(3)),
        )
        self.assertFalse(set(first) & set(second))
        self.assertEqual(self.offer(), {}, "nothing twice")

    def test_must_19_claims(self):
        """A claim gets what it claims newly, of its own phone, within the lease."""
        self.enqueue(2)
        refs = list(self.offer())
        self.assertEqual(self.claim(refs, device=self.other), [])
        stale = json.dumps({"queued_messages": refs}).encode()
        self.assertEqual(self.ask(body=stale), TAKEN)
        self.assertEqual(self.claim(refs[:1]), refs[:1])
        self.assertEqual(self.claim(refs[:1]), [], "not claimed again")
        self.assertEqual(
            self.claim(refs, query=f"task=result&secret={SECRET}"), refs[1:]
        )

    def claim_raw(self, value, **values):
        body = json.dumps({"queued_messages": value}).encode()
        return self.ask("task=sent", body, kind="claim", **values)["message_uuids"]

    def test_must_20_unknown_references(self):
        """Null, unknown, foreign and late references cost nothing."""
        self.enqueue(2)
        refs = list(self.offer())
        self.assertEqual(
            self.claim_raw([None, *UUIDS, "\x00", "0" * 32, "' OR 1=1", *refs]), refs
        )
        self.report({"uuid": UUIDS[0], "sent_result_code": 1}, {"uuid": None})
        self.assertEqual(set(self.messages_of().mapped("state")), {"sending"})
        for device in (self.other, self.device):
            code = {"uuid": refs[0], "sent_result_code": 4, "sent_result_message": "x"}
            self.report(code, device=device)
            state = self.messages_of()[0].state
            self.assertEqual(
                state, "sending" if device == self.other else "undelivered"
            )

    def test_must_21_expired_offers(self):
        """A late claim gets nothing; only a phone that acknowledges gets it again."""
        self.device.acknowledges = "yes"
        message = self.enqueue()
        (ref,) = self.offer()
        self.force(message, lease_until=fields.Datetime.now() - timedelta(hours=1))
        self.assertEqual(self.claim([ref]), [])
        self.run_sender()
        self.assertEqual(message.state, "queued")
        (again,) = self.offer()
        self.assertNotEqual(again, ref)
        self.assertEqual(self.claim([ref, again]), [again])
        # Claimed: nothing brings it out again.
        self.force(message, lease_until=fields.Datetime.now() - timedelta(days=2))
        self.run_sender()
        self.assertEqual(self.offer(), {})
        self.assertNotEqual(message.state, "queued")
        self.device.acknowledges = "unknown"
        other = self.enqueue(uuid="e" * 32)
        self.assertEqual(len(self.offer()), 1)
        self.force(other, lease_until=fields.Datetime.now() - timedelta(hours=1))
        self.run_sender()
        self.assertEqual(other.state, "unconfirmed")

    def test_must_22_final(self):
        """What a phone without acknowledgement fetched is out of our hands."""
        message = self.enqueue()
        self.assertEqual(len(self.offer(version="2.6.1")), 1)
        self.run_sender()
        self.assertEqual(message.state, "unconfirmed")
        self.assertEqual(self.offer(version="2.6.1"), {})
        self.assertEqual(self.device.acknowledges, "no")

    def test_must_23_asked(self):
        """A phone is asked about its own open texts, a few at a time."""
        self.device.write({"parts_per_minute": 0, "messages_per_poll": 60})
        self.other.active = False
        self.enqueue(50)
        refs = list(self.offer(version="2.8.3"))
        self.assertEqual(len(refs), 50)
        self.assertEqual(self.results(version="2.8.3"), [], "not claimed yet")
        self.claim(refs, version="2.8.3")
        self.device.messages_per_poll = 20
        first = self.results(version="2.8.3")
        second = self.results(version="2.8.3")
        self.assertLessEqual(len(first), 20)
        self.assertTrue(first)
        self.assertFalse(set(first) & set(second), "by turns")
        self.assertLessEqual(set(first) | set(second), set(refs))
        self.other.active = True
        self.assertEqual(self.results(device=self.other), [])

    def test_must_24_reports(self):
        """Every form of a report is taken, as often as it comes."""
        result = {"sent_result_code": -1, "sent_result_message": "SMS sent"}
        for label, wrap in (
            ("text", lambda each: {"message_result": json.dumps(each)}),
            ("list", lambda each: {"message_result": each}),
            ("plural text", lambda each: {"message_results": json.dumps(each)}),
            ("plural list", lambda each: {"message_results": each}),
            ("with bad ones", lambda each: {"message_result": [None, 1, *each]}),
        ):
            with self.row(label):
                message = self.enqueue()
                (ref,) = self.offer(version="2.8.3")
                self.claim([ref], version="2.8.3")
                body = json.dumps(wrap([{"uuid": ref, **result}])).encode()
                for _time in range(2):
                    answer = self.ask(f"task=result&secret={SECRET}", body)
                    self.assertEqual(answer, TAKEN)
                self.apply_events()
                self.assertEqual(message.state, "sent")
                self.assertEqual(len(message.event_ids), 1)

    def test_must_24_of_2_7(self):
        """2.7 reports at /add?task=sent without a secret."""
        message = self.enqueue()
        (ref,) = self.offer(version="2.7")
        self.claim([ref], version="2.7", path="/add", content_type="text/plain")
        self.report(
            {"uuid": ref, "sent_result_code": 2, "delivered_result_code": -2},
            query="task=sent",
            version="2.7",
            path="/add",
        )
        self.assertFields(
            message, {"state": "undelivered", "failure_type": "not_reached"}
        )

    def test_must_25_never_backwards(self):
        """What was delivered stays delivered."""
        message = self.enqueue()
        (ref,) = self.offer(version="2.8.3")
        self.claim([ref], version="2.8.3")
        sent = {"uuid": ref, "sent_result_code": -1, "sent_result_message": "SMS sent"}
        delivered = {
            **sent,
            "delivered_result_code": -1,
            "delivered_result_message": "SMS delivered",
        }
        self.report(delivered)
        self.assertEqual(message.state, "delivered")
        self.report(sent)
        self.report({"uuid": ref, "sent_result_code": 1})
        self.assertEqual(message.state, "delivered")

    def test_must_26_reports_that_never_come(self):
        """3.1.1 tells of no success: a text is sent when nothing bad came in time."""
        message = self.enqueue()
        (ref,) = self.offer()
        self.claim([ref])
        past = fields.Datetime.now() - timedelta(seconds=hub_const.SETTLE_AFTER_S + 60)
        self.force(message, request_at=past)
        self.assertEqual(self.results(), [ref])
        self.report()
        self.offer()
        self.run_sender()
        self.assertEqual(message.state, "sent")
        # A failure that comes later still corrects it.
        radio = "Failed to send SMS because radio was explicitly turned off"
        self.report({"uuid": ref, "sent_result_code": 0, "sent_result_message": radio})
        self.assertFields(
            message, {"state": "undelivered", "failure_type": "not_reached"}
        )

    def test_must_26_waits_for_versions_that_report(self):
        """2.8.3 tells of successes: without a word a text is not taken for sent."""
        message = self.enqueue()
        (ref,) = self.offer(version="2.8.3")
        self.claim([ref], version="2.8.3")
        past = fields.Datetime.now() - timedelta(seconds=hub_const.SETTLE_AFTER_S + 60)
        self.force(message, request_at=past)
        self.results(version="2.8.3")
        self.report(version="2.8.3")
        self.offer(version="2.8.3")
        self.run_sender()
        self.assertEqual(message.state, "sending")

    def test_must_27_limits(self):
        """A phone gets no more parts a minute and texts at once than it may."""
        self.other.active = False
        self.enqueue(20)
        self.device.write({"parts_per_minute": 25, "messages_per_poll": 8})
        self.assertEqual(len(self.offer()), 8)
        self.device.messages_per_poll = 20
        self.assertEqual(len(self.offer()), 12)
        self.enqueue(9, uuid=[f"{n:032x}" for n in range(100, 109)])
        self.assertEqual(len(self.offer()), 5)
        self.assertEqual(self.offer(), {})

    # -- The rest --------------------------------------------------------------------

    def test_must_28_tests_and_alerts(self):
        """Tests, alerts and stale bodies are noted, and are no texts."""
        self.enqueue()
        (ref,) = self.offer()
        claim = json.dumps({"queued_messages": [ref]}).encode()
        self.assertEqual(self.ask(body=samples.TEST_3X), STORED)
        self.assertEqual(self.ask(body=samples.BATTERY_2X, version="2.8.3"), TAKEN)
        self.assertEqual(self.ask(body=claim), TAKEN)
        self.assertEqual(self.ask(body=b"", method="POST"), TAKEN)
        self.assertEqual(self.ask(body=samples.RESULT_311), TAKEN)
        self.assertFalse(self.texts())
        self.assertEqual(self.claim([ref]), [ref], "nothing had claimed it")

    def test_must_29_fast(self):
        """A text is answered at once: what it sets off comes afterwards."""
        begin = time.monotonic()
        self.ask(body=samples.FORM_3X)
        self.assertLess(time.monotonic() - begin, 5.0)
        self.assertFalse(
            self.messages_of([("direction", "=", "incoming")]), "not applied yet"
        )
        self.assertEqual(len(self.texts()), 1)

    def test_must_30_what_is_shown(self):
        """Each phone shows what it did last, and what to look after."""
        self.device.write({"last_poll_at": False, "last_seen_at": False})
        self.enqueue()
        (ref,) = self.offer()
        self.claim([ref])
        self.ask(body=samples.FORM_3X)
        self.ask(body=samples.TEST_3X)
        self.ask(body=samples.BATTERY_2X)
        self.assertFields(
            self.device,
            {
                "version": "3.1.1",
                "battery": 12,
                "alert": "Battery level is at 12",
                "test_result": "Passed: address and secret are right.",
                "unique_id": "12",
                "acknowledges": "yes",
                "status": "online",
            },
        )
        for name in (
            "last_poll_at",
            "last_seen_at",
            "last_inbound_at",
            "last_claim_at",
            "battery_at",
            "alert_at",
            "test_at",
        ):
            self.assertTrue(self.device[name], name)
        self.assertIn("12", self.device.warning)
        self.ask(body=samples.TEST_3X.replace(b"s3cret", b"x"))
        self.assertIn("wrong", self.device.test_result)
        self.device.last_poll_at = fields.Datetime.now() - timedelta(hours=1)
        self.assertEqual(self.device.status, "offline")
        self.assertTrue(self.device.warning)
