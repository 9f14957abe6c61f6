# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import socket
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from unittest.mock import patch

from odoo.tests import BaseCase, tagged

from .. import const
from ..exceptions import (
    GatewayAccountError,
    GatewayConfigError,
    GatewayNotReached,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayThrottled,
)
from ..tools import transport
from ..tools.gateway_data import GatewayResponse, OutgoingMessage, SendRequest
from .common import NUMBERS, UUIDS
from .http_common import Reply, ScriptedServer

MESSAGE = OutgoingMessage(uuid=UUIDS[0], number=NUMBERS[0], body="Hello")
NOW = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


@tagged("post_install", "-at_install")
class TestTransportTools(BaseCase):
    """Pure functions around the wire."""

    def test_parse_retry_after(self):
        """Seconds and dates are read, nonsense is the default, all is bounded."""
        cap = const.RETRY_AFTER_CAP_S
        for value, seconds in (
            ("30", 30),
            (" 5 ", 5),
            ("0", 1),
            ("-5", 30),
            ("1.5", 30),
            ("999999999999999999999", cap),
            ("", 30),
            (None, 30),
            ("soon", 30),
            ("٣٠", 30),
            ("\ud800", 30),
            (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
            (format_datetime(NOW - timedelta(days=9), usegmt=True), 1),
            ("Sun, 29 Mar 2026 01:00:45 -0000", 45),
            ("Sun, 29 Mar 2026 03:00:45 +0200", 45),
            ("Sun, 29 Mar 9999 01:00:00 GMT", cap),
            ("Sun, 99 Mar 2026 01:00:00 GMT", 30),
        ):
            with self.subTest(value=value):
                self.assertEqual(transport.parse_retry_after(value, now=NOW), seconds)

    def test_raise_for_status(self):
        """Each HTTP status is the error that reliability.md 3 says, or none."""
        table = {
            None: (200, 201, 202, 204, 207, 299),
            GatewayThrottled: (429, 503),
            GatewayAccountError: (401, 402, 403),
            GatewayRejected: (400, 404, 405, 408, 409, 410, 413, 414, 418, 422, 451),
            GatewayOutcomeUnknown: (100, 301, 302, 307, 500, 501, 502, 504, 520, 599),
        }
        for error, statuses in table.items():
            for status in statuses:
                with self.subTest(status=status):
                    response = GatewayResponse(status, {"retry-after": "7"})
                    if error is None:
                        self.assertIsNone(transport.raise_for_status(response))
                        continue
                    with self.assertRaises(error) as caught:
                        transport.raise_for_status(response)
                    self.assertIs(type(caught.exception), error)
                    self.assertEqual(caught.exception.provider_code, str(status))
                    if error is GatewayThrottled:
                        self.assertEqual(caught.exception.retry_after_s, 7)

    def test_redact(self):
        """Secrets are taken out, the longer first; NUL goes; the length is bounded."""
        for text, secrets, expected in (
            ("key=abcd", ["abcd"], "key=***"),
            ("abcdef abc", ["abc", "abcdef"], "*** ***"),
            ("nothing", [], "nothing"),
            ("nothing", ["", None], "nothing"),
            (None, ["a"], ""),
            ("", ["a"], ""),
            ("a\x00b", [], "ab"),
            ("x" * 5000, [], "x" * 2000),
            ("é" + "abcd" * 3, ["abcd"], "é*********"),
        ):
            with self.subTest(text=str(text)[:20]):
                self.assertEqual(transport.redact(text, secrets), expected)

    def test_redact_where_it_is_cut(self):
        """A secret at the place of the cut does not show by half."""
        text = "x" * 1998 + "SECRET"
        self.assertNotIn("SE", transport.redact(text, ["SECRET"]))

    def test_encode_request(self):
        """A request goes over the wire as its fields say."""
        base = {"messages": (MESSAGE,), "url": "https://sms.example.com/a?b=c"}
        for label, values, target, body, content_type in (
            ("plain", {}, "/a?b=c", None, None),
            ("params", {"params": {"d": "é &"}}, "/a?b=c&d=%C3%A9+%26", None, None),
            ("JSON", {"json": {"a": "é"}}, "/a?b=c", '{"a": "é"}'.encode(), "json"),
            ("form", {"data": {"a": "b c"}}, "/a?b=c", b"a=b+c", "urlencoded"),
            ("text", {"data": "é"}, "/a?b=c", "é".encode(), None),
            ("bytes", {"data": b"\xff"}, "/a?b=c", b"\xff", None),
        ):
            with self.subTest(label):
                request = SendRequest(**base, **values)
                encoded = transport.encode_request(request)
                scheme, host, port, found_target, headers, found_body = encoded
                self.assertEqual(
                    (scheme, host, port), ("https", "sms.example.com", None)
                )
                self.assertEqual((found_target, found_body), (target, body))
                self.assertIn(content_type or "", headers.get("Content-Type", ""))
        request = SendRequest(**base, auth=("Aladdin", "open sesame"))
        headers = transport.encode_request(request)[4]
        # RFC 7617, section 2
        self.assertEqual(headers["Authorization"], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")

    def test_bad_addresses(self):
        """Only http and https addresses are called (T13)."""
        for url in (
            "",
            "sms.example.com",
            "file:///etc/passwd",
            "ftp://sms.example.com/",
            "gopher://x/",
            "http://",
            "http:///path",
            "https://host:port/",
            "https://host:99999/",
            "javascript:alert(1)",
            "http://[::1",
            "http://sms.example.com/with blank",
            "http://sms.example.com/é",
            "http://sms.example.com/\r\nX-Evil: 1",
        ):
            with self.subTest(url):
                with self.assertRaises(GatewayConfigError):
                    transport.encode_request(SendRequest(messages=(MESSAGE,), url=url))

    def test_bad_headers(self):
        """A key that was pasted with a line end is a fault of the settings."""
        for value in ("KEY\n", "KEY\r\nX-Evil: 1", "K\x00", "ключ", "K\x7f", "\ud800"):
            with self.subTest(repr(value)):
                request = SendRequest(
                    messages=(MESSAGE,), url="https://x/", headers={"X-Key": value}
                )
                with self.assertRaisesRegex(GatewayConfigError, "X-Key") as caught:
                    transport.encode_request(request)
                self.assertNotIn(value, caught.exception.detail)


@tagged("post_install", "-at_install")
class TestHttpTransport(BaseCase):
    """The real transport against a scripted server on loopback."""

    def setUp(self):
        super().setUp()
        self.server = ScriptedServer()
        self.addCleanup(self.server.close)
        for name, value in (("READ_TIMEOUT_S", 0.3), ("CONNECT_TIMEOUT_S", 1.0)):
            self.startPatcher(patch.object(const, name, value))

    def open(self, parallel=1, **kwargs):
        wire = transport.HttpTransport(parallel, local=True, **kwargs)
        self.addCleanup(wire.close)
        return wire

    def request(self, url=None, **values):
        values.setdefault("json", {"hello": "world"})
        return SendRequest(
            messages=(MESSAGE,), url=url or f"{self.server.url}/send", **values
        )

    def run_all(self, wire, *requests):
        """Submit requests and wait until each has come to its end."""
        for request in requests:
            wire.submit(request)
        done = []
        end = time.monotonic() + 20
        while wire.pending and time.monotonic() < end:
            done += wire.poll(0.05)
        self.assertEqual(len(done), len(requests))
        order = {id(request): n for n, request in enumerate(requests)}
        return sorted(done, key=lambda completion: order[id(completion.request)])

    def run_one(self, wire, request):
        return self.run_all(wire, request)[0]

    def test_answer(self):
        """A request goes out as built and its answer comes back as it was."""
        self.server.script((202, b"\xff\x00 body", {"X-Test": "é", "Retry-After": "3"}))
        wire = self.open()
        done = self.run_one(wire, self.request(headers={"Authorization": "Bearer K"}))
        self.assertIsNone(done.error)
        self.assertEqual(done.response.status, 202)
        self.assertEqual(done.response.body, b"\xff\x00 body")
        self.assertEqual(done.response.headers["retry-after"], "3")
        self.assertLessEqual(done.started_at, done.ended_at)
        sent = self.server.requests[0]
        self.assertEqual((sent.method, sent.target), ("POST", "/send"))
        self.assertEqual(sent.json, {"hello": "world"})
        self.assertEqual(sent.headers["authorization"], "Bearer K")
        self.assertEqual(wire.pending, 0)

    def test_unknown_outcomes(self):
        """Once a byte has left, whatever goes wrong is an unknown outcome."""
        for label, reply in (
            ("silence", Reply(act="hang")),
            ("hung up", Reply(act="close")),
            ("cut short", Reply(200, b"{}", act="cut")),
            ("too large", Reply(200, b" " * (const.RESPONSE_MAX_BYTES + 1))),
        ):
            with self.subTest(label):
                self.server.script(reply)
                done = self.run_one(self.open(), self.request())
                self.assertIs(type(done.error), GatewayOutcomeUnknown)
                self.assertNotIn("127.0.0.1", done.error.detail)
        self.assertEqual(len(self.server.requests), 4, "no request was repeated")

    def test_largest_answer(self):
        """An answer of just the limit is read."""
        self.server.script((200, b" " * const.RESPONSE_MAX_BYTES))
        done = self.run_one(self.open(), self.request())
        self.assertEqual(len(done.response.body), const.RESPONSE_MAX_BYTES)

    def test_no_redirect(self):
        """A redirect is an answer, not a way to somewhere else."""
        self.server.script((307, b"", {"Location": f"{self.server.url}/other"}))
        done = self.run_one(self.open(), self.request())
        self.assertEqual(done.response.status, 307)
        self.assertEqual(len(self.server.requests), 1)

    def test_not_reached(self):
        """Where no byte can have left, the message may be tried again."""
        with closing(socket.socket()) as sock:
            sock.bind(("127.0.0.1", 0))
            refused = f"http://127.0.0.1:{sock.getsockname()[1]}/"
        for label, url in (
            ("refused", refused),
            # RFC 2606: a name that never resolves
            ("no such host", "http://gateway.invalid/"),
            ("a label too long", f"http://{'x' * 64}.invalid/"),
            (
                "TLS with a server that speaks none",
                f"https://127.0.0.1:{self.server.port}/",
            ),
        ):
            with self.subTest(label):
                done = self.run_one(self.open(), self.request(url))
                self.assertIs(type(done.error), GatewayNotReached, done.error)
        self.assertFalse(self.server.requests)

    def test_bad_address(self):
        """A bad address is a fault of the settings, not of the message."""
        done = self.run_one(self.open(), self.request("ftp://x/"))
        self.assertIs(type(done.error), GatewayConfigError)

    def test_drip(self):
        """F13: an answer that drips is cut at the deadline, others are not held up."""
        self.server.script(Reply(200, b"x" * 1000, act="drip"))
        wire = self.open(2, deadline_s=0.4)
        wire.submit(self.request())
        while not self.server.requests:
            wire.poll(0.01)
        self.server.script((200, b"{}"))
        wire.submit(self.request())
        done = []
        while wire.pending:
            done += wire.poll(0.05)
        self.assertIsNone(done[0].error, "the other one came first")
        self.assertIs(type(done[1].error), GatewayOutcomeUnknown)
        self.assertLess(done[1].ended_at - done[1].started_at, 5)

    def test_connections_are_kept(self):
        """Requests one after the other share a connection."""
        self.server.script(*[(200, b"{}")] * 5)
        wire = self.open()
        for _n in range(5):
            self.assertIsNone(self.run_one(wire, self.request()).error)
        self.assertEqual(self.server.connections, 1)

    def test_closed_while_idle(self):
        """A connection that the peer closed meanwhile is no unknown outcome."""
        self.server.script(
            Reply(200, b"{}", act="close_after"), (200, b"{}"), (500, b"")
        )
        wire = self.open()
        self.assertIsNone(self.run_one(wire, self.request()).error)
        # Until the close has arrived here.
        connection = wire._connections[0]
        connection.sock.settimeout(5)
        self.assertEqual(connection.sock.recv(1, socket.MSG_PEEK), b"")
        connection.sock.settimeout(const.READ_TIMEOUT_S)
        done = self.run_one(wire, self.request())
        self.assertIsNone(done.error)
        self.assertEqual(done.response.status, 200)
        self.assertEqual(self.server.connections, 2)

    def test_close_announced(self):
        """A connection that the peer announced to close is not used again."""
        self.server.script((200, b"{}", {"Connection": "close"}), (200, b"{}"))
        wire = self.open()
        for _n in range(2):
            self.assertIsNone(self.run_one(wire, self.request()).error)
        self.assertEqual(self.server.connections, 2)

    def test_after_a_failure(self):
        """After a cut answer the next request gets a connection of its own."""
        self.server.script(Reply(200, b"{}", act="cut"), (200, b'{"a": 1}'))
        wire = self.open()
        self.assertIsNotNone(self.run_one(wire, self.request()).error)
        self.assertEqual(self.run_one(wire, self.request()).response.body, b'{"a": 1}')

    def test_take_back(self):
        """Requests that have not begun are taken back, those under way end."""
        begun, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)

        def wait(_request):
            begun.set()
            go_on.wait(10)
            return b"{}"

        self.startPatcher(patch.object(const, "READ_TIMEOUT_S", 10))
        self.server.script((200, wait), (200, b"{}"))
        wire = self.open()
        requests = [self.request() for _n in range(5)]
        for request in requests:
            wire.submit(request)
        self.assertTrue(begun.wait(10))
        wire.take_back()
        go_on.set()
        done = []
        while wire.pending:
            done += wire.poll(0.05)
        by_request = {id(completion.request): completion for completion in done}
        first, *others = (by_request[id(request)] for request in requests)
        self.assertEqual(first.response.status, 200)
        self.assertEqual(
            [type(completion.error) for completion in others], [transport.NotSent] * 4
        )
        self.assertEqual(len(self.server.requests), 1)

    def test_parallel(self):
        """As many requests are under way at once as the gateway allows."""
        barrier = threading.Barrier(4)

        def meet(_request):
            barrier.wait(10)
            return b"{}"

        self.startPatcher(patch.object(const, "READ_TIMEOUT_S", 10))
        self.server.script(*[(200, meet)] * 8)
        done = self.run_all(self.open(4), *[self.request() for _n in range(8)])
        self.assertEqual([c.error for c in done], [None] * 8)
        self.assertEqual(self.server.connections, 4)

    def test_held(self):
        """While its owner says so, nothing leaves and nothing is lost."""
        self.server.script((200, b"{}"))
        wire = self.open()
        wire.is_held = lambda: True
        self.assertIsInstance(self.run_one(wire, self.request()).error, transport.Held)
        self.assertFalse(self.server.requests)
        wire.is_held = lambda: False
        self.assertIsNone(self.run_one(wire, self.request()).error)

    def test_close(self):
        """A closed transport leaves no connection and no thread behind."""
        self.server.script((200, b"{}"))
        wire = transport.HttpTransport(2, local=True)
        self.run_one(wire, self.request())
        wire.close()
        self.assertFalse(wire._connections)
        for thread in wire._threads:
            thread.join(10)
        names = [thread.name for thread in threading.enumerate()]
        self.assertFalse([name for name in names if name.startswith("sms-gateway")])

    def test_programming_error(self):
        """A thread always answers, also at an error of ours."""
        with patch.object(transport, "encode_request", side_effect=RuntimeError("x")):
            done = self.run_one(self.open(), self.request())
        self.assertIsInstance(done.error, GatewayOutcomeUnknown)


@tagged("post_install", "-at_install")
class TestLocalTransport(BaseCase):
    """The transport without a wire keeps to the same contract."""

    def test_contract(self):
        """Answers, errors and taking back look the same as over the wire."""

        def send(request):
            if request.url == "fail":
                raise GatewayThrottled("Slow down")
            return [request.url]

        wire = transport.LocalTransport(send)
        requests = [SendRequest(messages=(MESSAGE,), url=url) for url in ("a", "fail")]
        for request in requests:
            wire.submit(request)
        self.assertEqual(wire.pending, 2)
        done = wire.poll(0) + wire.poll(0)
        self.assertEqual(done[0].response, ["a"])
        self.assertIsInstance(done[1].error, GatewayThrottled)
        self.assertEqual(wire.poll(0), [])
        wire.submit(requests[0])
        wire.take_back()
        self.assertIsInstance(wire.poll(0)[0].error, transport.NotSent)
