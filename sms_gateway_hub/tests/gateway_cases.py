# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The runner that every gateway addon's tests use: it gives rows, the rest is here.

``GatewaySendCases`` sends through the hub's real sender and transport to a scripted
server; ``GatewayWebhookCases`` calls the hub's real route. Both add the checks that no
gateway may fail; what a provider's document says otherwise is said in a class
attribute, with its source.
"""

import json
import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from unittest.mock import patch

from odoo.tests import HttpCase, tagged

from .. import const
from ..tools.webhook import token_digest
from .common import NUMBERS, UUIDS, LogLines, SmsGatewayCase, SmsGatewayMixin
from .http_common import RawHttpMixin, Reply, ScriptedServer, redirected

HTML = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# Shorter than in service where a row waits for it, so that it does not hold up tests.
READ_TIMEOUT_S = 0.2


# --------------------------------------------------------------------------
# Sending
# --------------------------------------------------------------------------


@dataclass(frozen=True)
class SendCase:
    """One row: what is sent, what the gateway answers, what must come of it.

    Messages have the fixed ids ``UUIDS``, the numbers ``NUMBERS`` and the texts
    "Text 1", "Text 2" and so on. Expectations left out (None) are not checked; one
    value stands for every message, a list gives each its own.

    :param str label: what the row shows, in words
    :param reply: Reply, (status, body[, headers]), or a list of them, in order
    :param messages: how many, or a list of dicts of further values
    :param dict gateway: further values of the gateway
    :param str expect_method: HTTP method of the requests
    :param str expect_url: address of the first request, without its query
    :param dict expect_params: fields of its query
    :param dict expect_headers: some of its headers, names in lower case
    :param expect_json: its body as JSON
    :param dict expect_form: its body as form fields
    :param bytes expect_body: its body as it is
    :param int requests: how many requests; as many as replies when left out
    :param state: state of the messages afterwards
    :param ref: external_ref
    :param failure_type: failure_type
    :param code: provider_code
    :param cost: cost
    :param cost_unit: cost_unit
    :param attempts: attempts that count
    :param str paused: part of the gateway's pause reason; "" for not paused
    :param int throttled_s: seconds for which the gateway rests
    """

    label: str
    reply: object = ()
    messages: object = None
    gateway: dict = field(default_factory=dict)
    expect_method: str | None = None
    expect_url: str | None = None
    expect_params: dict | None = None
    expect_headers: dict | None = None
    expect_json: object = None
    expect_form: dict | None = None
    expect_body: bytes | None = None
    requests: int | None = None
    state: object = None
    ref: object = None
    failure_type: object = None
    code: object = None
    cost: object = None
    cost_unit: object = None
    attempts: object = None
    paused: str | None = None
    throttled_s: int | None = None

    @property
    def replies(self):
        many = self.reply if isinstance(self.reply, list) else [self.reply]
        return [Reply.of(reply) for reply in many if reply != ()]

    @property
    def values(self):
        """Further values of each message."""
        if isinstance(self.messages, list):
            return self.messages
        count = self.messages
        if count is None:
            count = len(self.state) if isinstance(self.state, list) else 1
        return [{}] * count


def _unknown(label, *reply, **kwargs):
    return SendCase(label, reply=Reply(*reply, **kwargs), state="unconfirmed")


# Outcomes that nobody knows: never sent again blindly.
UNKNOWN = (
    _unknown("500", 500, b"Internal Server Error"),
    _unknown("502 with HTML", 502, HTML),
    _unknown("504", 504, b""),
    _unknown("200 with an empty body", 200, b""),
    _unknown("200 with half a JSON", 200, b'{"results": [{"id": "'),
    _unknown("200 with HTML", 200, HTML),
    _unknown("200 with a JSON list", 200, b"[]"),
    _unknown("200 with a JSON string", 200, b'"OK"'),
    _unknown("200 with null", 200, b"null"),
    _unknown("200 with an empty object", 200, b"{}"),
    _unknown("200 with bytes that are not UTF-8", 200, b"\xff\xfe\x00{"),
    _unknown("200 with 20,000 brackets", 200, b"[" * 20000),
    _unknown("a redirect", 302, b"", headers={"Location": "http://127.0.0.1:9/"}),
    _unknown("hung up without an answer", act="close"),
    _unknown("an answer cut short", 200, b'{"results": []}', act="cut"),
    _unknown("no answer in time", act="hang"),
    _unknown("an answer above 1 MiB", 200, b" " * (const.RESPONSE_MAX_BYTES + 1)),
)
# "Slow down": nothing was taken, no attempt counts, the whole gateway rests.
THROTTLED = (
    SendCase(
        "429 with seconds",
        reply=(429, b"", {"Retry-After": "30"}),
        state="queued",
        attempts=0,
        throttled_s=30,
    ),
    SendCase("429 without", reply=(429, b"{}"), state="queued", throttled_s=30),
    SendCase(
        "503", reply=(503, HTML, {"Retry-After": "7"}), state="queued", throttled_s=7
    ),
    SendCase(
        "429 with nonsense",
        reply=(429, b"", {"Retry-After": "soon"}),
        state="queued",
        attempts=0,
        throttled_s=30,
    ),
)
# The account is refused: the gateway pauses and keeps its queue.
ACCOUNT = (
    SendCase("401", reply=(401, b"{}"), state="queued", attempts=0, paused=""),
    SendCase("402", reply=(402, b""), state="queued", attempts=0, paused=""),
    SendCase("403 with HTML", reply=(403, HTML), state="queued", paused=""),
)
# Refused for good.
REFUSED = (
    SendCase("400", reply=(400, b""), state="failed", failure_type="rejected"),
    SendCase("404 with HTML", reply=(404, HTML), state="failed"),
    SendCase("413", reply=(413, b"{"), state="failed", failure_type="rejected"),
)


class CasesMixin:
    """A runner itself holds no rows: only its subclasses are tests."""

    __test__ = False

    def __init_subclass__(cls, **kwargs):
        result = super().__init_subclass__(**kwargs)
        cls.__test__ = cls.__module__ != __name__
        return result


class GatewaySendCases(CasesMixin, SmsGatewayCase):
    """Rows of a gateway's answers, and the answers that every gateway must survive.

    A subclass gives ``gateway_values`` and ``cases``. Where the provider means
    something else by a status, it replaces ``unknown``, ``throttled``, ``account`` or
    ``refused``, with the source in a comment.
    """

    cases = ()
    unknown = UNKNOWN
    throttled = THROTTLED
    account = ACCOUNT
    refused = REFUSED
    # For gateways with several recipients per request: an answer that names the
    # first of two messages (``UUIDS[0]``, ``NUMBERS[0]``) and not the second.
    partial_reply = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = ScriptedServer()
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        super().setUp()
        redirect = redirected(self.server)
        redirect.__enter__()
        self.addCleanup(redirect.__exit__, None, None, None)

    # -- The tests ---------------------------------------------------------------

    def test_cases(self):
        """Each row's messages end as the row says."""
        self.assertTrue(self.cases, "a gateway's tests have rows")
        self.run_cases(self.cases)

    def test_unknown_outcomes(self):
        """What nobody can know is unconfirmed, and no second request leaves."""
        self.run_cases(self.unknown, again=0)

    def test_throttled(self):
        """On "slow down" the gateway rests and nothing fails."""
        self.run_cases(self.throttled, again=0)

    def test_account_refused(self):
        """A refused account pauses the gateway, tells somebody and keeps the queue."""
        self.run_cases(self.account, again=0, check=self.check_alarm)

    def test_refused(self):
        """A refused request fails its messages for good."""
        self.run_cases(self.refused, again=0)

    def test_not_reached(self):
        """A refused connection leaves the message in the queue, for later."""
        with self.scene(SendCase("refused connection", requests=0)) as messages:
            with redirected(self.server, port=1):
                self.run_sender()
            self.assertFields(
                messages,
                {"state": "queued", "failure_type": "not_reached", "attempts": 1},
            )
            # The database's time stands still in a test, however long its rows take.
            self.env.cr.execute("SELECT now() AT TIME ZONE 'UTC'")
            self.assertGreater(messages.due_at, self.env.cr.fetchone()[0])

    def test_missing_recipient(self):
        """A message that the answer does not name is unconfirmed, the others not."""
        adapter = self.gateway._get_adapter()
        size = adapter._get_max_messages_per_request(self.gateway)
        if self.partial_reply is None:
            self.assertEqual(size, 1, "give partial_reply: a request may carry several")
            return
        case = SendCase(
            "one of two is not named",
            reply=self.partial_reply,
            state=["sent", "unconfirmed"],
        )
        self.run_cases([case], again=0)

    def test_echoed_secrets(self):
        """A gateway that echoes our request gives no secret away."""

        def echo(request):
            lines = [f"{name}: {value}" for name, value in request.headers.items()]
            text = "\n".join([request.url, *lines, request.body.decode()])
            return text + "\n" + " ".join(self.secrets())

        self.run_cases(
            [
                SendCase(
                    f"{status} that echoes",
                    reply=(status, echo),
                    paused="" if status == 401 else None,
                )
                for status in (200, 400, 401, 500)
            ]
        )

    # -- The runner --------------------------------------------------------------

    def secrets(self):
        """Return what no log line and no row may show."""
        found = self.gateway._get_adapter()._get_redacted_values(self.gateway)
        return [value for value in found if len(value) >= 4]

    def run_cases(self, cases, *, again=None, check=None):
        """Run rows, each in a savepoint of its own.

        :param cases: SendCase
        :param int again: requests that a second run of the sender may make
        :param check: function of (case, messages) with further checks
        """
        for case in cases:
            with self.scene(case) as messages:
                self.run_sender()
                self.check_requests(case)
                self.check_messages(case, messages)
                if check:
                    check(case, messages)
                if again is not None:
                    before = len(self.server.requests)
                    self.run_sender()
                    self.assertEqual(len(self.server.requests) - before, again)

    @contextmanager
    def scene(self, case):
        """Set a row up and check what holds for every row."""
        with self.row(case.label):
            self.server.reset()
            self.server.script(*case.replies)
            if case.gateway:
                self.gateway.write(case.gateway)
            values = case.values
            names = {name for row in values for name in row}
            defaults = {"number": NUMBERS, "uuid": UUIDS}
            messages = self.enqueue(
                len(values),
                **{
                    name: [
                        row.get(name, defaults.get(name, [False] * len(values))[n])
                        for n, row in enumerate(values)
                    ]
                    for name in names
                },
            )
            hangs = any(reply.act == "hang" for reply in case.replies)
            timeout_s = READ_TIMEOUT_S if hangs else const.READ_TIMEOUT_S
            with (
                patch.object(const, "READ_TIMEOUT_S", timeout_s),
                LogLines() as lines,
            ):
                yield messages
            self.assertFalse(self.server.unused, "replies that nobody asked for")
            self.assertFalse(self.server.unscripted, "requests beyond the script")
            self.check_secrets(lines, messages)

    def check_requests(self, case):
        requests = self.server.requests
        count = len(case.replies) if case.requests is None else case.requests
        self.assertEqual(len(requests), count, "requests at the gateway")
        if case.expect_method:
            self.assertEqual({r.method for r in requests}, {case.expect_method})
        for name, expected in (
            ("json", case.expect_json),
            ("form", case.expect_form),
            ("params", case.expect_params),
            ("body", case.expect_body),
        ):
            if expected is not None:
                self.assertEqual(getattr(requests[0], name), expected)
        if case.expect_url:
            self.assertEqual(requests[0].url.partition("?")[0], case.expect_url)
        for name, value in (case.expect_headers or {}).items():
            self.assertEqual(requests[0].headers.get(name), value, name)

    def check_messages(self, case, messages):
        for name, expected in (
            ("state", case.state),
            ("external_ref", case.ref),
            ("failure_type", case.failure_type),
            ("provider_code", case.code),
            ("cost", case.cost),
            ("cost_unit", case.cost_unit),
            ("attempts", case.attempts),
        ):
            if expected is None:
                continue
            if not isinstance(expected, list):
                expected = [expected] * len(messages)
            found = [message[name] for message in messages]
            self.assertEqual(found, expected, name)
        gateway = self.gateway
        if case.paused is not None:
            self.assertTrue(gateway.paused_until, "the gateway is paused")
            self.assertIn(case.paused, gateway.pause_reason)
        else:
            self.assertFalse(gateway.paused_until, gateway.pause_reason)
        if case.throttled_s is not None:
            rest = gateway.throttled_until - gateway.last_error_at
            self.assertEqual(rest, timedelta(seconds=case.throttled_s))
        for message in messages.filtered(lambda m: m.state == "unconfirmed"):
            self.assertEqual(message.failure_type, "unknown_outcome")
            self.assertTrue(message.attempt_ids, "the attempt is logged")

    def check_alarm(self, _case, _messages):
        self.assertEqual(len(self.gateway.activity_ids), 1, "one alarm")
        self.assertTrue(self.gateway.pause_reason)

    def check_secrets(self, lines, messages):
        """No secret in a log line or a row, no number and no text above DEBUG."""
        gateway = self.gateway
        gateway.invalidate_recordset()
        texts = [lines.text(), gateway.last_error or "", gateway.pause_reason or ""]
        for message in messages:
            texts += [message.failure_reason or "", message.provider_code or ""]
            for attempt in message.sudo().attempt_ids:
                texts += [attempt.excerpt or "", attempt.detail or ""]
        for secret in self.secrets():
            for text in texts:
                self.assertNotIn(secret, text, "a secret shows")
        for message in messages:
            for private in (message.number, message.body):
                self.assertNotIn(private, lines.text(logging.INFO), "a log line")


# --------------------------------------------------------------------------
# Callbacks
# --------------------------------------------------------------------------


@dataclass(frozen=True)
class WebhookCase:
    """One row: a callback and what must come of it.

    Before each row there are two messages that were sent, with the ids ``UUIDS[0]``
    and ``UUIDS[1]`` and the gateway's ids "REF-1" and "REF-2".

    :param str label: what the row shows, in words
    :param body: bytes, str, a dict (sent as JSON), or a list of bodies, in order
    :param str query: query string, e.g. for gateways that call by GET
    :param str action: which of the gateway's addresses
    :param str method: HTTP method; the gateway's first when left out
    :param str content_type: of the body
    :param int status: HTTP status of the answer
    :param bytes answer: body of the answer
    :param list events: dicts, fields of the stored events, oldest first
    :param state: state of the first message afterwards; "received" looks at the text
        that came in
    :param dict message: further fields of that message
    """

    label: str
    body: object = b""
    query: str = ""
    action: str = "status"
    method: str | None = None
    content_type: str = "application/json"
    status: int = 200
    answer: bytes | None = None
    events: list | None = None
    state: str | None = None
    message: dict = field(default_factory=dict)

    @property
    def bodies(self):
        many = self.body if isinstance(self.body, list) else [self.body]
        return [
            json.dumps(body).encode()
            if isinstance(body, dict)
            else body.encode()
            if isinstance(body, str)
            else body
            for body in many
        ]


@dataclass
class Callback:
    """A callback about to be made; ``sign`` changes it in place."""

    method: str
    action: str
    query: str
    body: bytes
    headers: dict


@tagged("post_install", "-at_install")
class GatewayWebhookCases(CasesMixin, RawHttpMixin, SmsGatewayMixin, HttpCase):
    """Rows of a gateway's callbacks, and what every callback address must withstand.

    A subclass gives ``gateway_values``, ``cases``, ``secret_fields``, :meth:`sign`, and
    for the checks that come from here ``report_body`` and ``inbound_body``.
    """

    cases = ()
    # Fields of sms.gateway without which no callback is authentic.
    secret_fields = ()
    # A delivery report on the first message, and one that names nothing we know.
    report_body = b""
    unknown_body = b""
    report_query = ""
    unknown_query = ""
    content_type = "application/json"

    def sign(self, gateway, callback):
        """Make a callback authentic, as the provider does.

        :param gateway: sms.gateway whose secrets to use
        :param Callback callback: changed in place
        """
        raise NotImplementedError(f"{type(self).__name__} must define sign()")

    # -- The tests ---------------------------------------------------------------

    def test_cases(self):
        """Each row is answered and stored as it says, and moves its message."""
        self.assertTrue(self.cases, "a gateway's tests have rows")
        for case in self.cases:
            with self.scene(case.label) as messages:
                for body in case.bodies:
                    callback = self.callback(
                        body=body,
                        query=case.query,
                        action=case.action,
                        method=case.method,
                        content_type=case.content_type,
                    )
                    response = self.call(callback)
                    self.assertEqual(response.status_code, case.status)
                self.check_case(case, response, messages[0])

    def test_not_authentic(self):
        """Without the secret, or with a wrong or another one, nothing is stored."""
        other = self.make_gateway(
            name="Another gateway",
            **{name: f"OTHER-{name}-0123456789" for name in self.secret_fields},
        )
        rows = [("unsigned", lambda callback: None)]
        rows.append(("signed by another", lambda c: self.sign(other, c)))
        for label, sign in rows:
            with self.scene(label):
                callback = self.callback(body=self.report_body, query=self.report_query)
                sign(callback)
                self.assertRefused(self.call(callback, sign=False), 401, 403)
        for name in self.secret_fields:
            for value in (False, "", " "):
                with self.scene(f"{name} is {value!r}"):
                    self.check_unset(name, value)
            with self.scene(f"{name} is wrong"):
                callback = self.callback(body=self.report_body, query=self.report_query)
                self.sign(self.gateway, callback)
                self.gateway[name] = "WRONG-0123456789"
                self.assertRefused(self.call(callback, sign=False), 401, 403)

    def check_unset(self, name, value):
        """With an unset secret nothing is authentic, least of all an empty one."""
        callback = self.callback(body=self.report_body, query=self.report_query)
        self.sign(self.gateway, callback)
        self.gateway[name] = value
        self.assertRefused(self.call(callback, sign=False), 401, 403)
        unsigned = self.callback(body=self.report_body, query=self.report_query)
        self.assertRefused(self.call(unsigned, sign=False), 401, 403)

    def test_no_door(self):
        """Unknown tokens and actions, closed gateways and wrong methods are refused."""
        allowed = self.gateway._get_adapter()._get_webhook_methods(self.gateway)
        rows = [
            ("unknown token", {"token": "A" * 32}, 404),
            ("token that is not ASCII", {"token": "t%C3%B6ken"}, 404),
            ("token with NUL", {"token": "token%00"}, 404),
            ("digest instead of token", {"token": token_digest("A")}, 404),
            ("unknown action", {"action": "admin"}, 404),
        ]
        rows += [
            (method, {"method": method}, 405)
            for method in METHODS
            if method not in allowed
        ]
        for label, values, status in rows:
            token = values.pop("token", None)
            with self.scene(label):
                callback = self.callback(
                    body=self.report_body, query=self.report_query, **values
                )
                self.assertRefused(self.call(callback, token=token), status)
        for values in ({"state": "disabled"}, {"active": False}):
            with self.scene(f"gateway {values}"):
                callback = self.callback(body=self.report_body, query=self.report_query)
                self.gateway.write(values)
                self.assertRefused(self.call(callback), 404)

    def test_hostile_bodies(self):
        """Authentic nonsense never ends in a 5xx, and is kept raw or refused."""
        rows = {
            "empty": b"",
            "garbage": b"\xde\xad\xbe\xef",
            "NUL": b"\x00" * 100,
            "NUL in JSON": b'{"a": "\\u0000\\ud800"}',
            "200 brackets": b'{"a":' + b"[" * 200 + b"]" * 200 + b"}",
            "30,000 brackets": b"[" * 30000 + b"]" * 30000,
            "10,000 objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
            "NaN": b'{"events": NaN}',
            "a number": b"1e999999",
            "a list": b"[1, 2]",
            "null": b"null",
            "a lone equals sign": b"=",
            "10,000 form keys": b"&".join(b"%x=" % n for n in range(10_000)),
            "HTML": b"<script>alert(1)</script>",
            "just 64 KiB": b"." * const.WEBHOOK_MAX_BYTES,
            "64 KiB of blanks": b" " * const.WEBHOOK_MAX_BYTES,
        }
        adapter = self.gateway._get_adapter()
        for label, body in rows.items():
            for content_type in (
                "application/json",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
                "text/plain; charset=no-such-charset",
                "",
            ):
                with self.scene(f"{label} as {content_type or 'no type'}"):
                    if "POST" not in adapter._get_webhook_methods(self.gateway):
                        continue
                    response = self.call(
                        self.callback(body=body, content_type=content_type)
                    )
                    self.assertLess(response.status_code, 500)
                    self.check_answer(response)
                    stored = self.events()
                    self.assertLessEqual(len(stored), 1)
                    # Blanks are nothing: a provider tries the address so.
                    if response.status_code < 300 and body.strip():
                        self.assertTrue(stored, "taken, and not kept")
                    if stored:
                        self.assertIn(stored.state, ("unreadable", "pending"))
                        self.assertIn(body, stored.raw or b"")

    def test_too_large(self):
        """A body of 64 KiB and one byte is refused before anything else."""
        with self.scene("64 KiB + 1"):
            body = b" " * (const.WEBHOOK_MAX_BYTES + 1)
            self.assertRefused(self.call(self.callback(body=body, method="POST")), 413)

    def test_same_event_twice(self):
        """A repeat is answered like the first and has no effect of its own."""
        with self.scene("twice"):
            answers = [
                self.call(self.callback(body=self.report_body, query=self.report_query))
                for _time in range(2)
            ]
            self.assertEqual([r.status_code for r in answers], [200, 200])
            self.assertEqual(answers[0].content, answers[1].content)
            self.assertEqual(len(self.events()), 1)

    def test_unknown_reference(self):
        """A report on what we do not know is answered 2xx and waits."""
        with self.scene("unknown reference"):
            response = self.call(
                self.callback(body=self.unknown_body, query=self.unknown_query)
            )
            self.assertEqual(response.status_code, 200)
            self.apply_events()
            self.assertFields(self.events(), {"state": "pending", "tries": 1})

    def test_report_of_another_gateway(self):
        """A gateway cannot speak of the messages of another one."""
        with self.scene("another gateway"):
            other = self.make_gateway(
                name="Another gateway",
                **{name: f"OTHER-{name}-0123456789" for name in self.secret_fields},
            )
            callback = self.callback(body=self.report_body, query=self.report_query)
            self.sign(other, callback)
            response = self.call(callback, sign=False, token=other.webhook_token)
            self.assertEqual(response.status_code, 200)
            self.apply_events()
            self.assertEqual(self.messages_of()[0].state, "sent")
            self.assertEqual(self.events().state, "pending")

    # -- The runner --------------------------------------------------------------

    @contextmanager
    def scene(self, label):
        """Set two sent messages up and check that nothing secret is logged."""
        with self.row(label):
            messages = self.enqueue(2)
            messages.write({"state": "sent", "attempts": 1})
            for number, message in enumerate(messages, start=1):
                message.external_ref = f"REF-{number}"
            with LogLines() as lines:
                yield messages
            adapter = self.gateway._get_adapter()
            secrets = adapter._get_redacted_values(self.gateway)
            for secret in (value for value in secrets if len(value) >= 4):
                self.assertNotIn(secret, lines.text(), "a secret in the log")
                for event in self.events():
                    self.assertNotIn(secret.encode(), event.raw or b"")

    def callback(self, *, body=b"", query="", action="status", method=None, **values):
        methods = self.gateway._get_adapter()._get_webhook_methods(self.gateway)
        method = method or ("POST" if "POST" in methods else sorted(methods)[0])
        content_type = values.pop("content_type", self.content_type)
        headers = {"Content-Type": content_type} if content_type else {}
        return Callback(
            method=method,
            action=action,
            query=query,
            body=b"" if method == "GET" else body,
            headers=headers,
        )

    def call(self, callback, *, sign=True, token=None):
        """Make a callback over real HTTP.

        :return: Answer
        """
        if sign:
            self.sign(self.gateway, callback)
        token = token or self.gateway.sudo().webhook_token
        query = f"?{callback.query}" if callback.query else ""
        self.env.flush_all()
        response = self.http_call(
            callback.method,
            f"/sms_gateway/{token}/{callback.action}{query}",
            body=callback.body or None,
            headers=callback.headers,
        )
        self.env.invalidate_all()
        return response

    def events(self):
        return self.env["sms.gateway.event"].sudo().search([], order="id")

    def check_case(self, case, response, message):
        if case.answer is not None:
            self.assertEqual(response.content, case.answer)
        self.check_answer(response)
        stored = self.events()
        if case.events is not None:
            self.assertEqual(len(stored), len(case.events), "events stored")
            for event, expected in zip(stored, case.events, strict=True):
                self.assertFields(event, expected)
        self.apply_events()
        if case.state == "received":
            message = self.messages_of([("direction", "=", "incoming")])
        if case.state:
            self.assertEqual(message.state, case.state)
        if case.message:
            self.assertFields(message, case.message)

    def check_answer(self, response):
        """No HTML, no traceback, no cookie, no redirect."""
        content = response.content.lower()
        self.assertNotIn(b"traceback", content)
        self.assertNotIn(b"<html", content)
        self.assertNotIn("text/html", response.headers.get("Content-Type", ""))
        self.assertNotIn("Set-Cookie", response.headers)
        self.assertNotIn("Location", response.headers)

    def assertRefused(self, response, *statuses):
        """Refused with one of these statuses, an empty body, and no row."""
        self.assertIn(response.status_code, statuses)
        self.check_answer(response)
        # What leads nowhere at all is told so in a document: it may be a phone's.
        if response.headers["Content-Type"].startswith("application/json"):
            self.assertFalse(json.loads(response.content)["payload"]["success"])
        else:
            self.assertEqual(response.content, b"")
        self.assertFalse(self.events(), "a refused callback left a row")
