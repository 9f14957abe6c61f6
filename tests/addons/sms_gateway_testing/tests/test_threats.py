# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""T2, T14, T23, T24: threats that need a gateway which signs, seen as a whole."""

import json
import re
import socket
import threading
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

from freezegun import freeze_time

from odoo import fields
from odoo.tests import BaseCase, HttpCase, tagged

from odoo.addons.sms_gateway_hub import const
from odoo.addons.sms_gateway_hub.exceptions import (
    GatewayOutcomeUnknown,
    WebhookRejected,
)
from odoo.addons.sms_gateway_hub.tests.common import NUMBERS, SmsGatewayMixin
from odoo.addons.sms_gateway_hub.tests.http_common import RawHttpMixin
from odoo.addons.sms_gateway_hub.tools import transport, webhook
from odoo.addons.sms_gateway_hub.tools.gateway_data import SendRequest

from .test_testing_send import GATEWAY
from .test_testing_webhook import events, inbound, report, sign

# Ends a string, a list, a statement, a domain, a format or a template somewhere.
MARKS = (
    "'", '"', "`", "\\", "\\'", "''", '""', ")", "(", "]", "[", "}", "{", "')", '")',
    "]]", "[[", "$$", "--", ";", "/*", "%s", "%(a)s", "%", "_", "{0}", "{a}", "{{a}}",
    "}}", "<", ">", "&", "&amp;", "</t>", "\n", "\t", "|", "!", "'); SELECT 1; --",
    "[('id', '!=', 0)]", "id desc; DROP TABLE sms_gateway",
)  # fmt: skip


class CallbackCase(RawHttpMixin, SmsGatewayMixin, HttpCase):
    """A text that was sent, and callbacks about it."""

    gateway_values = GATEWAY

    def setUp(self):
        super().setUp()
        self.message = self.enqueue()
        self.message.write({"state": "sent", "attempts": 1, "external_ref": "REF-1"})

    def make(self, *items):
        body = json.dumps(events(*items)).encode()
        callback = SimpleNamespace(
            method="POST",
            query="",
            body=body,
            headers={"Content-Type": "application/json"},
        )
        sign(self.gateway, callback)
        return callback

    def call(self, callback, body=None):
        self.env.flush_all()
        answer = self.http_call(
            "POST",
            f"/sms_gateway/{self.gateway.sudo().webhook_token}/status",
            body=callback.body if body is None else body,
            headers=callback.headers,
        )
        self.env.invalidate_all()
        return answer

    def events(self):
        return self.env["sms.gateway.event"].sudo().search([], order="id")

    def received(self):
        return self.messages_of([("direction", "=", "incoming")])


@tagged("post_install", "-at_install")
class TestThreats(CallbackCase):
    """What a reader of logs, a strange provider and a changed key can do."""

    def test_replay(self):
        """T2: whoever repeats a callback as it was gets the same answer, and nothing.

        This gateway signs no time. The key of an event is what protects, so it must
        hold after a second, after the 301 seconds that a window would give, and days.
        """
        callbacks = [self.make(report()), self.make(inbound("Yes", event="E2"))]
        first = [self.call(callback) for callback in callbacks]
        self.apply_events()
        self.assertEqual(self.message.state, "delivered")
        count, texts = len(self.events()), self.received()
        self.assertEqual((count, len(texts)), (2, 1))
        for seconds in (1, 301, 30 * 24 * 3600):
            with freeze_time(fields.Datetime.now() + timedelta(seconds=seconds)):
                again = [self.call(callback) for callback in callbacks]
            self.assertEqual(
                [(a.status_code, a.content) for a in again],
                [(a.status_code, a.content) for a in first],
            )
            self.apply_events()
            self.assertEqual(len(self.events()), count, seconds)
            self.assertEqual(self.received(), texts, seconds)

    def test_replay_with_a_changed_id(self):
        """T2: a repeat made to look new is not signed."""
        callback = self.make(inbound("Yes", event="E2"))
        self.call(callback)
        changed = callback.body.replace(b'"E2"', b'"E3"')
        self.assertEqual(self.call(callback, body=changed).status_code, 403)
        self.assertEqual(len(self.events()), 1)

    def test_marks_in_every_field(self):
        """T23: quotes and brackets of the provider are words, in every field."""
        names = {
            "report": (report(), ("id", "ref", "status", "code", "error", "currency")),
            "inbound": (inbound(), ("id", "from", "to", "text", "ref", "charset")),
        }
        before = self.env["sms.gateway"].search_count([])
        for kind, (base, fields_of) in names.items():
            for name in fields_of:
                items = [
                    {**base, "id": f"{kind}{name}{n}", name: f"{mark}{n}"}
                    for n, mark in enumerate(MARKS)
                ]
                with self.row(f"{kind} {name}"):
                    self.assertEqual(self.call(self.make(*items)).status_code, 200)
                    self.apply_events()
                    if (kind, name) == ("inbound", "text"):
                        self.assertEqual(
                            {text.body for text in self.received()},
                            {
                                # A tab is a blank in an SMS.
                                f"{mark}{n}".replace("\t", " ")
                                for n, mark in enumerate(MARKS)
                            },
                        )
                    for event in self.events():
                        self.assertIn(
                            event.state,
                            ("applied", "pending", "ignored", "unreadable"),
                        )
                    # What was stored can be searched, grouped, exported, shown.
                    for record in (self.events(), self.received()):
                        record.export_data(["id", "number", "body"])
                        record.mapped("display_name")
        self.assertEqual(self.env["sms.gateway"].search_count([]), before)

    def test_old_and_new_key(self):
        """T24: while a provider changes its key both may be accepted; none is none."""
        signature = {
            key: webhook.hmac.new(
                key.encode(), b"body", webhook.hashlib.sha256
            ).hexdigest()
            for key in ("old", "new", "other")
        }
        for key in ("old", "new"):
            webhook.check_hmac_sha256(b"body", signature[key], "old", "new")
            webhook.check_secret(key, "old", "new")
        for given, accepted in (
            ("other", ("old", "new")), ("old", ("", "new")), ("old", (None, None)),
            ("old", ()),
        ):  # fmt: skip
            with self.assertRaises(WebhookRejected):
                webhook.check_hmac_sha256(b"body", signature[given], *accepted)
            with self.assertRaises(WebhookRejected):
                webhook.check_secret(given, *accepted)
        # Here there is one key: entered anew, the old one ends.
        old = self.make(report())
        self.gateway.testing_secret = "SECRET-OF-TOMORROW"
        self.assertEqual(self.call(old).status_code, 403)
        self.assertEqual(self.call(self.make(report())).status_code, 200)

    def test_new_fields(self):
        """T24: fields and words that a provider adds tomorrow change nothing."""
        item = report(future={"a": [1, None]}, version=7, **{"x" * 300: "y"})
        answer = self.call(self.make(item))
        self.assertEqual(answer.status_code, 200)
        self.apply_events()
        self.assertEqual(self.message.state, "delivered")
        body = json.dumps({"v": 2, **events(inbound("Hi", event="E5"))}).encode()
        callback = self.make()
        callback.body = body
        sign(self.gateway, callback)
        self.assertEqual(self.call(callback).status_code, 200)
        self.apply_events()
        self.assertEqual(self.received().body, "Hi")
        self.assertEqual(self.received().number, NUMBERS[0])


@tagged("post_install", "-at_install")
class TestEndlessAnswer(BaseCase):
    """T14: a peer that answers without an end."""

    def test_one_gigabyte(self):
        """Of an answer of 1 GiB no more is read than may be, and it is unknown."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        sent = [0]

        def serve():
            sock, _peer = listener.accept()
            with sock:
                sock.recv(65536)
                sock.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n" % 2**30
                )
                chunk = b"[" * 65536
                try:
                    while sent[0] < 2**30:
                        sock.sendall(chunk)
                        sent[0] += len(chunk)
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        wire = transport.HttpTransport(1, local=True)
        self.addCleanup(wire.close)
        port = listener.getsockname()[1]
        wire.submit(SendRequest(messages=(None,), url=f"http://127.0.0.1:{port}/"))
        found = []
        for _n in range(100):
            if found := wire.poll(0.2):
                break
        self.assertIsInstance(found[0].error, GatewayOutcomeUnknown)
        thread.join(10)
        # What the two sockets hold beside what was read.
        self.assertLess(sent[0], const.RESPONSE_MAX_BYTES + 32 * 2**20)


@tagged("post_install", "-at_install")
class TestThreatTable(BaseCase):
    """docs/security.md: every threat has a row, every named test is there."""

    def setUp(self):
        super().setUp()
        self.root = Path(__file__).parents[4]
        page = self.root / "docs" / "security.md"
        if not page.exists():
            self.skipTest("the addon is not in its repository")
        self.page = page.read_text()

    def test_every_threat(self):
        """T1 to T24, in order, each once."""
        rows = re.findall(r"^\| (T\d+) \|", self.page, re.M)
        self.assertEqual(rows, [f"T{n}" for n in range(1, 25)])

    def test_names(self):
        """A test that the page names exists; “test_x_…” is the beginning of one."""
        # Not all of the checkout: Odoo itself is in there, where it was put.
        paths = [
            path
            for folder in (*self.root.glob("sms_gateway_*"), self.root / "tests")
            for path in folder.rglob("test_*.py")
        ]
        paths.append(self.root / "sms_gateway_hub/tests/gateway_cases.py")
        source = "\n".join(path.read_text() for path in paths)
        known = set(re.findall(r"def (test_\w+)\(", source))
        known |= {path.stem for path in paths}
        named = re.findall(r"`(test_\w+?)(?:\.py)?(_…)?`", self.page)
        self.assertGreater(len(named), 30)
        missing = {
            name
            for name, more in named
            if not (
                any(test.startswith(f"{name}_") for test in known)
                if more
                else name in known
            )
        }
        self.assertFalse(missing)
