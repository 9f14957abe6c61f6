# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The callback route over real HTTP, with what hostile and clumsy peers send.

What every gateway's addresses must withstand is in ``gateway_cases.py``; here is what
needs bytes on the wire or the state of several messages.
"""

import gzip
import hashlib
import hmac
import json
import logging
from datetime import timedelta
from unittest.mock import patch
from urllib.parse import quote_plus

from psycopg2 import DataError, OperationalError

from odoo import fields
from odoo.exceptions import AccessError
from odoo.http import request
from odoo.tests import HttpCase, tagged
from odoo.tools import mute_logger

from .. import const
from ..controllers import main
from ..tools.gateway_data import InboundMessage, WebhookData
from .common import NUMBERS, UUIDS, LogLines, SmsGatewayCase, SmsGatewayMixin
from .http_common import RawHttpMixin

SECRET = "SECRET-OF-THE-TEST"
GATEWAY = {
    "code": "testing",
    "testing_key": "KEY-OF-THE-TEST",
    "testing_secret": SECRET,
}


def signature(body):
    return hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


class WebhookCase(RawHttpMixin, SmsGatewayMixin, HttpCase):
    """Calls the route of a gateway of the tests' own kind."""

    gateway_values = GATEWAY

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.token = cls.gateway.webhook_token

    def post(self, body, *, signed=True, headers=None, action="status", **kwargs):
        """Post a body, or events, signed as the gateway does."""
        if isinstance(body, list):
            body = json.dumps({"events": body}).encode()
        headers = {"Content-Type": "application/json", **(headers or {})}
        if signed:
            headers["X-Signature"] = signature(body)
        token = kwargs.pop("token", self.token)
        self.env.flush_all()
        answer = self.http_call(
            "POST",
            f"/sms_gateway/{token}/{action}",
            body=body,
            headers=headers,
            **kwargs,
        )
        self.env.invalidate_all()
        return answer

    def events(self):
        return self.env["sms.gateway.event"].sudo().search([], order="id")

    def check(self, answer, *statuses):
        """One of these statuses, and nothing of us in the answer."""
        self.assertIn(answer.status_code, statuses)
        content = answer.content.lower()
        for word in (b"traceback", b"<html", b"odoo", b"psycopg"):
            self.assertNotIn(word, content)
        self.assertNotIn("text/html", answer.headers.get("Content-Type", ""))
        self.assertNotIn("Set-Cookie", answer.headers)
        self.assertNotIn("Location", answer.headers)

    def assertRefused(self, answer, *statuses):
        self.check(answer, *statuses)
        self.env.invalidate_all()
        self.assertFalse(self.events())


def report(status, event="E1", **values):
    return {"id": event, "type": "report", "ref": "REF-1", "status": status, **values}


def inbound(text, number=NUMBERS[0], event="E1", **values):
    return {"id": event, "type": "inbound", "from": number, "text": text, **values}


@tagged("post_install", "-at_install")
class TestWebhookDoor(WebhookCase):
    """Refusal by default, the order of checks, and bytes that no client sends."""

    def test_refused_by_default(self):
        """A kind of gateway that verifies nothing refuses everything."""
        sandbox = self.make_gateway(code="sandbox", name="Sandbox")
        for action in const.WEBHOOK_ACTIONS:
            with self.row(action):
                answer = self.post(
                    [report("delivered")], action=action, token=sandbox.webhook_token
                )
                self.assertRefused(answer, 403)

    def test_kind_that_is_gone(self):
        """A gateway whose addon is gone refuses everything."""
        self.force(self.gateway, code="gone")
        self.assertRefused(self.post([report("delivered")]), 403)

    def test_order_of_checks(self):
        """Size, then gateway, then method, then signature, then the content."""
        large = b" " * (const.WEBHOOK_MAX_BYTES + 1)
        for label, call, status in (
            ("size before gateway", lambda: self.post(large, token="x"), 413),
            ("size before signature", lambda: self.post(large, signed=False), 413),
            (
                "gateway before signature",
                lambda: self.post(b"{}", token="x", signed=False),
                404,
            ),
            (
                "action before signature",
                lambda: self.post(b"{}", action="admin", signed=False),
                404,
            ),
            (
                "method before signature",
                lambda: self.http_call(
                    "PUT", f"/sms_gateway/{self.token}/status", body=b"{}"
                ),
                405,
            ),
            (
                "signature before content",
                lambda: self.post(b"\xff{", signed=False),
                403,
            ),
        ):
            with self.row(label):
                self.assertRefused(call(), status)

    def test_methods(self):
        """Methods that this gateway never uses are refused."""
        for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            with self.row(method):
                body = b"{}" if method in ("PUT", "PATCH", "DELETE") else None
                answer = self.http_call(
                    method,
                    f"/sms_gateway/{self.token}/status",
                    body=body,
                    headers={"X-Signature": signature(body or b"")},
                )
                self.assertRefused(answer, 405)

    def test_both_slashes(self):
        """The address works with and without a slash at its end, unredirected."""
        for action in ("status", "status/"):
            with self.row(action):
                self.check(self.post([report("delivered")], action=action), 200)
                self.assertEqual(len(self.events()), 1)

    def test_bytes_on_the_wire(self):
        """F25: what no decent client sends gets a 4xx, no row and no traceback."""
        target = f"/sms_gateway/{self.token}/status"
        small = json.dumps({"events": [report("delivered")]}).encode()
        bomb = gzip.compress(b" " * 10_000_000)
        self.assertLess(len(bomb), const.WEBHOOK_MAX_BYTES)
        chunk = b"%x\r\n%s\r\n" % (len(small), small)
        big_chunks = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        keys = b"&".join(b"%x=" % n for n in range(10_000))
        part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
        parts = part * 1000 + b"--b--"
        brackets = b"[" * 200_000 + b"]" * 200_000

        def post(*headers, path=target, version="1.1"):
            return "\n".join([f"POST {path} HTTP/{version}", *headers])

        def length(body):
            return f"Content-Length: {len(body)}"

        good = f"X-Signature: {signature(small)}"
        for label, head, body, statuses in (
            ("128 MiB announced", post("Content-Length: 134217728"), b"", (413,)),
            (
                "128 MiB announced, some of it sent",
                post("Content-Length: 134217728"),
                b"x" * 1_000_000,
                (413,),
            ),
            (
                "more announced than 64 bits hold",
                post("Content-Length: 99999999999999999999"),
                b"",
                (400, 413),
            ),
            ("no length", post(good), b"", (411,)),
            ("no length, HTTP/1.0", post(good, version="1.0"), b"", (411,)),
            (
                "chunked without length",
                post("Transfer-Encoding: chunked", good),
                chunk + b"0\r\n\r\n",
                (411,),
            ),
            (
                "chunked, 1 MiB",
                post("Transfer-Encoding: chunked"),
                big_chunks * 16 + b"0\r\n\r\n",
                (411, 413),
            ),
            (
                "chunked and never ended",
                post("Transfer-Encoding: chunked", "Connection: close"),
                b"zz\r\n",
                (400, 411),
            ),
            ("a length of letters", post("Content-Length: abc"), b"", (400, 403, 411)),
            ("a negative length", post("Content-Length: -1"), b"", (400, 403, 411)),
            (
                "a gzip bomb",
                post("Content-Encoding: gzip", length(bomb)),
                bomb,
                (403,),
            ),
            (
                "a signature that is not ASCII",
                post("X-Signature: \xe9\xff", length(small)),
                small,
                (403,),
            ),
            (
                "a signature of 60 KB",
                post(f"X-Signature: {'0' * 60000}", length(small)),
                small,
                (403,),
            ),
            (
                # As many headers as the server itself lets through.
                "90 signatures",
                post(*["X-Signature: 0"] * 90, length(small)),
                small,
                (403,),
            ),
            (
                "the right one among others",
                post("X-Signature: 0", good, "X-Signature: 1", length(small)),
                small,
                (403,),
            ),
            (
                "NUL in the token",
                post(good, length(small), path=f"/sms_gateway/{self.token}%00/status"),
                small,
                (404,),
            ),
            (
                "NUL in the action",
                post(good, length(small), path=f"{target}%00"),
                small,
                (404,),
            ),
            (
                "a token that is no UTF-8",
                post(good, length(small), path="/sms_gateway/%ff%fe/status"),
                small,
                (404,),
            ),
            (
                "quotes in the token",
                post(good, length(small), path="/sms_gateway/'%20OR%201=1--%20/status"),
                small,
                (404,),
            ),
            (
                "a token of 30 KB",
                post(good, length(small), path=f"/sms_gateway/{'A' * 30000}/status"),
                small,
                (404,),
            ),
            (
                "a form of one sign",
                post(
                    "Content-Type: application/x-www-form-urlencoded",
                    "Content-Length: 1",
                ),
                b"=",
                (403,),
            ),
            (
                "10,000 form keys",
                post("Content-Type: application/x-www-form-urlencoded", length(keys)),
                keys,
                (403,),
            ),
            (
                "multipart with 1,000 parts",
                post("Content-Type: multipart/form-data; boundary=b", length(parts)),
                parts,
                (403,),
            ),
            ("200,000 brackets", post(length(brackets)), brackets, (413,)),
            (
                "multipart without boundary",
                post("Content-Type: multipart/form-data", length(small)),
                small,
                (403,),
            ),
            (
                "JSON-RPC",
                post(
                    "Content-Type: application/json-rpc",
                    length(b'{"jsonrpc": "2.0", "method": "call", "params": {}}'),
                ),
                b'{"jsonrpc": "2.0", "method": "call", "params": {}}',
                (403,),
            ),
            (
                "40 KB of query",
                post(good, length(small), path=f"{target}?{'a=1&' * 10_000}"),
                small,
                (200,),
            ),
        ):
            with self.row(label):
                self.env.flush_all()
                answer = self.raw_call(head, body)
                self.check(answer, *statuses)
                self.env.invalidate_all()
                kept = self.events().mapped("raw")
                self.assertEqual(len(kept), statuses == (200,), label)
                self.assertTrue(all(small in raw for raw in kept), label)

    @mute_logger("odoo.service.server", "werkzeug")
    def test_too_much_for_the_server(self):
        """F25: what the HTTP server refuses before any route runs: no row.

        Odoo's own server fails at its own 4xx and hangs up without an answer.
        """
        target = f"/sms_gateway/{self.token}/status"
        small = json.dumps({"events": [report("delivered")]}).encode()
        good = [f"X-Signature: {signature(small)}", f"Content-Length: {len(small)}"]
        for label, line, headers, status in (
            ("1,000 signatures", target, ["X-Signature: 0"] * 1000, 431),
            ("100 KB of query", f"{target}?{'a=1&' * 25_000}", [], 414),
        ):
            with self.row(label):
                self.env.flush_all()
                head = "\n".join([f"POST {line} HTTP/1.1", *good, *headers])
                try:
                    answer = self.raw_call(head, small)
                except ConnectionError:
                    answer = None
                if answer:
                    self.assertEqual(answer.status_code, status)
                    self.assertNotIn(b"Traceback", answer.content)
                self.env.invalidate_all()
                self.assertFalse(self.events())
        # The next caller is served.
        self.check(self.post([report("delivered")]), 200)

    def test_signed_nonsense(self):
        """F25 from an authentic peer: kept raw for a person, never a 5xx."""
        for label, body in (
            ("a gzip bomb", gzip.compress(b" " * 10_000_000)),
            ("200 brackets", b'{"events": ' + b"[" * 200 + b"]" * 200 + b"}"),
            ("30,000 brackets", b"[" * 30000),
            ("NUL", b'{"events": [{"id": "a\x00"}]}'),
            ("half", b'{"events": [{"id": '),
            ("UTF-16", json.dumps({"events": []}).encode("utf-16")),
            ("Latin-1", '{"events": "é"}'.encode("latin-1")),
            ("a list of numbers", b'{"events": [1, 2]}'),
            ("events are text", b'{"events": "many"}'),
            ("an id that is an object", b'{"events": [{"id": {}, "type": "report"}]}'),
            ("a report of nothing", b'{"events": [{"id": 1, "type": "report"}]}'),
        ):
            with self.row(label):
                self.check(self.post(body), 200)
                stored = self.events()
                self.assertEqual(len(stored), 1)
                self.assertFields(stored, {"kind": "unreadable", "state": "unreadable"})
                self.assertEqual(stored.raw, body)
                self.check(self.post(body), 200)
                self.assertEqual(len(self.events()), 1, "a repeat is one row")
                self.apply_events()

    def test_hostile_fields(self):
        """Wrong types and hostile words in each field are stored or kept raw."""
        hostile = [
            "a\x00b",
            "\ud800",
            {"a": 1},
            [1],
            10**30,
            True,
            -1.5,
            "x" * 20000,
            "<script>alert(1)</script>",
            "'; DROP TABLE sms_gateway_event; --",
            "{{ 7*7 }}",
            "=cmd|' /C calc'!A0",
        ]
        names = {
            "report": ("id", "ref", "status", "code", "error", "cost", "currency"),
            "inbound": ("id", "from", "to", "text", "ref", "charset"),
        }
        for kind, base in (("report", report("delivered")), ("inbound", inbound("x"))):
            for name in names[kind]:
                for value in hostile:
                    with self.row(f"{kind} {name} {value!r}"[:50]):
                        message = self.enqueue()
                        message.write({"state": "sent", "external_ref": "REF-1"})
                        answer = self.post([{**base, name: value}])
                        self.check(answer, 200)
                        self.assertEqual(len(self.events()), 1)
                        self.apply_events()
                        self.assertIn(
                            self.events().state,
                            ("applied", "pending", "ignored", "unreadable"),
                        )

    def test_one_run_for_many_callbacks(self):
        """The job is woken once until it begins: a trigger for each would cost more."""
        cron = self.env.ref("sms_gateway_hub.ir_cron_apply_events")
        triggers = self.env["ir.cron.trigger"].sudo()
        triggers.search([("cron_id", "=", cron.id)]).unlink()
        for n in range(3):
            self.check(self.post([inbound("Hi", event=f"E{n}")]), 200)
        self.assertEqual(triggers.search_count([("cron_id", "=", cron.id)]), 1)
        # It begins.
        triggers.search([("cron_id", "=", cron.id)]).unlink()
        self.check(self.post([inbound("Hi", event="E4")]), 200)
        self.assertEqual(triggers.search_count([("cron_id", "=", cron.id)]), 1)
        # Nobody heard of it, e.g. as the worker was killed.
        triggers.search([("cron_id", "=", cron.id)]).call_at = (
            fields.Datetime.now() - timedelta(seconds=const.WAKE_AGAIN_S + 1)
        )
        self.check(self.post([inbound("Hi", event="E5")]), 200)
        self.assertEqual(triggers.search_count([("cron_id", "=", cron.id)]), 2)

    def test_form(self):
        """The body of a form is there raw for the signature, and parsed."""
        body = (
            b"payload="
            + quote_plus(json.dumps({"events": [report("delivered")]})).encode()
        )
        seen = {}
        adapter = type(self.env["sms.gateway.adapter.testing"])
        parse = adapter._parse_webhook

        def look(this, gateway, action, data):
            seen["raw"] = data.raw_body
            seen["form"] = request.httprequest.form.to_dict()
            return parse(this, gateway, action, data)

        self.patch(adapter, "_parse_webhook", look)
        answer = self.post(
            body, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        self.check(answer, 200)
        self.assertEqual(seen["raw"], body)
        self.assertEqual(list(seen["form"]), ["payload"])
        self.assertEqual(self.events().report_state, "delivered")

    def test_session_changes_nothing(self):
        """T17: an administrator's cookie opens no door and leaves no trace."""
        self.authenticate("admin", "admin")
        cookies = f"session_id={self.session.sid}"
        self.assertRefused(
            self.post([report("delivered")], signed=False, cookies=cookies), 403
        )
        self.check(self.post([inbound("Hi")], cookies=cookies), 200)
        self.apply_events()
        message = self.messages_of([("direction", "=", "incoming")])
        self.assertFalse(message.author_id)

    def test_database_trouble(self):
        """When it cannot be stored, the peer is asked to repeat."""
        self.startPatcher(
            patch.object(
                main, "in_request_transaction", side_effect=OperationalError("x")
            )
        )
        with self.assertLogs("odoo.addons.sms_gateway_hub.controllers.main", "ERROR"):
            answer = self.post([report("delivered")])
        self.assertRefused(answer, 503)
        self.assertEqual(answer.content, b"")

    def test_words_of_the_database(self):
        """T20: what PostgreSQL says of a row is not logged: it holds the text."""
        error = DataError("bad value\nCONTEXT:  {'body': 'Secret text'}")
        self.startPatcher(
            patch.object(main, "in_request_transaction", side_effect=error)
        )
        with self.assertLogs(
            "odoo.addons.sms_gateway_hub.controllers.main", "ERROR"
        ) as lines:
            self.assertRefused(self.post([inbound("Secret text")]), 503)
        self.assertIn("DataError", lines.output[0])
        self.assertNotIn("Secret text", "\n".join(lines.output))

    @mute_logger("odoo.addons.sms_gateway_hub.controllers.main")
    def test_adapter_that_raises(self):
        """An error of an adapter is no 500 and shows no traceback."""
        for method, status in (
            ("_verify_webhook", 503),
            # Authentic and not understood: kept raw, so that nothing is lost.
            ("_parse_webhook", 200),
            ("_make_webhook_response", 503),
        ):
            with self.row(method):
                adapter = type(self.env["sms.gateway.adapter.testing"])
                with patch.object(adapter, method, side_effect=ZeroDivisionError):
                    self.check(self.post([report("delivered")]), status)

    def test_log(self):
        """T4, T20: no token, no secret, no number and no text is logged."""
        message = self.enqueue(number=NUMBERS[5])
        message.write({"state": "sent", "external_ref": "REF-1"})
        with LogLines("werkzeug") as access, LogLines("odoo") as lines:
            self.post([report("delivered"), inbound("Secret text", event="E2")])
            self.post(b"nonsense")
            self.post(b"{}", signed=False)
            self.post(b"{}", token="wrong-token-0123")
            self.apply_events()
        self.assertIn("/sms_gateway/***/status", access.text())
        for text in (access.text(), lines.text(logging.INFO)):
            for private in (self.token, SECRET, NUMBERS[0], NUMBERS[5], "Secret text"):
                self.assertNotIn(private, text)

    def test_raw_is_kept_without_secrets(self):
        """What came in is kept as it was, with the gateway's secrets taken out."""
        body = json.dumps(
            {"events": [report("delivered")], "key": "KEY-OF-THE-TEST", "s": SECRET}
        ).encode()
        self.check(self.post(body), 200)
        raw = self.events().raw
        self.assertNotIn(SECRET.encode(), raw)
        self.assertNotIn(b"KEY-OF-THE-TEST", raw)
        self.assertIn(b'"delivered"', raw)

    def test_adapter_redacts(self):
        """An adapter takes out what it knows to be secret, read or not readable."""
        adapter = type(self.env["sms.gateway.adapter.testing"])

        def redact(this, gateway, raw):
            self.assertNotIn(SECRET.encode(), raw, "the gateway's own are out already")
            return raw.replace(b"OF-ANOTHER", b"***")

        self.patch(adapter, "_redact_callback", redact)
        for label, body in (
            ("read", {"events": [report("delivered")], "x": f"OF-ANOTHER {SECRET}"}),
            ("not readable", {"x": f"OF-ANOTHER {SECRET}"}),
        ):
            with self.row(label):
                self.check(self.post(json.dumps(body).encode()), 200)
                raw = self.events().raw
                self.assertNotIn(b"OF-ANOTHER", raw)
                self.assertIn(b"***", raw)

    def test_adapter_fails_to_redact(self):
        """Where taking out fails, the callback counts and its raw form is not kept."""
        adapter = type(self.env["sms.gateway.adapter.testing"])
        failure = ValueError("OF-ANOTHER")
        with patch.object(adapter, "_redact_callback", side_effect=failure):
            with LogLines() as lines:
                self.check(self.post([report("delivered")]), 200)
                self.check(self.post(b'{"x": "OF-ANOTHER"}'), 200)
        events = self.events()
        self.assertEqual(events.mapped("kind"), ["report", "unreadable"])
        self.assertFalse(any(events.mapped("raw")))
        self.assertNotIn("OF-ANOTHER", lines.text())

    def test_renewed_address(self):
        """A renewed address works at once, and the old one stops."""
        old = self.token
        self.gateway.action_renew_webhook_token()
        self.env.flush_all()
        self.assertRefused(self.post([report("sent")], token=old), 404)
        new = self.gateway.webhook_token
        self.assertNotEqual(new, old)
        self.assertGreaterEqual(len(new), 32)
        self.check(self.post([report("sent")], token=new), 200)

    def test_addresses(self):
        """Addresses to hand out are built on the configured public one (T18)."""
        self.gateway.webhook_base_url = "https://crm.example.com/"
        self.assertEqual(
            self.gateway.webhook_status_url,
            f"https://crm.example.com/sms_gateway/{self.token}/status",
        )
        self.assertTrue(
            self.gateway._get_webhook_url("inbound", UUIDS[0]).endswith(
                f"/inbound?uuid={UUIDS[0]}"
            )
        )

    def test_many_repeats(self):
        """F6 in a row: the same callback again and again is one row and one effect."""
        message = self.enqueue()
        message.write({"state": "sent", "external_ref": "REF-1"})
        answers = {self.post([report("delivered")]).status_code for _time in range(20)}
        self.assertEqual(answers, {200})
        self.assertEqual(len(self.events()), 1)
        self.apply_events()
        self.assertEqual(message.state, "delivered")


@tagged("post_install", "-at_install")
class TestEvents(SmsGatewayCase):
    """What stored events do to messages, along the one transition table."""

    gateway_values = GATEWAY

    def store(self, *items):
        """Store events as the route does, without HTTP."""
        events = self.env["sms.gateway.event"]
        data = WebhookData(
            method="POST",
            raw_body=json.dumps({"events": list(items)}).encode(),
            content_type="application/json",
        )
        adapter = self.env["sms.gateway.adapter.testing"]
        parsed = adapter._parse_webhook(self.gateway, "status", data)
        return events._store(self.gateway, parsed)

    def events(self):
        return self.env["sms.gateway.event"].search([], order="id")

    def sent(self, **values):
        message = self.enqueue()
        message.write({"state": "sent", "external_ref": "REF-1", **values})
        return message

    def test_order(self):
        """F7: whatever order reports come in, a final state stays."""
        for reports, state, events in (
            ("delivered sent queued", "delivered", "applied ignored ignored"),
            ("sent delivered", "delivered", "ignored applied"),
            ("delivered failed", "delivered", "applied ignored"),
            ("failed delivered", "undelivered", "applied ignored"),
            ("expired delivered", "expired", "applied ignored"),
            ("perhaps delivered", "delivered", "ignored applied"),
            ("delivered delivered", "delivered", "applied ignored"),
        ):
            items = [
                report(word, event=f"E{n}") for n, word in enumerate(reports.split())
            ]
            for label, batches in (
                ("at once", [items]),
                ("one by one", [[item] for item in items]),
            ):
                with self.row(f"{reports}, {label}"):
                    message = self.sent()
                    for batch in batches:
                        self.store(*batch)
                        self.apply_events()
                    self.assertEqual(message.state, state)
                    self.assertEqual(self.events().mapped("state"), events.split())
                    self.assertEqual(self.events().message_id, message)

    def test_from_every_state(self):
        """A report moves what was sent or is unconfirmed, and nothing else."""
        moves = {
            ("sent", "delivered"): "delivered",
            ("sent", "failed"): "undelivered",
            ("sent", "expired"): "expired",
            ("unconfirmed", "sent"): "sent",
            ("unconfirmed", "delivered"): "delivered",
            ("unconfirmed", "failed"): "undelivered",
            ("unconfirmed", "expired"): "expired",
        }
        for state in const.TRANSITIONS:
            for word in ("sent", "delivered", "failed", "expired", "perhaps"):
                with self.row(f"{word} at {state}"):
                    message = self.sent()
                    self.force(message, state=state, to_sync=False)
                    self.store(report(word))
                    self.apply_events()
                    after = moves.get((state, word), state)
                    self.assertEqual(message.state, after)
                    expected = "applied" if after != state else "ignored"
                    if state in ("queued", "sending"):
                        expected = "pending"
                    self.assertEqual(self.events().state, expected)

    def test_overtaken(self):
        """F5: a report that comes before our own record of the sending waits."""
        message = self.enqueue()
        self.store(report("delivered"))
        self.apply_events()
        self.assertFields(self.events(), {"state": "pending", "tries": 1})
        self.force(message, state="sending", attempt_ref="A")
        self.apply_events()
        self.assertFields(self.events(), {"state": "pending", "tries": 2})
        self.force(message, state="sent", external_ref="REF-1")
        self.apply_events()
        self.assertEqual(message.state, "delivered")
        self.assertEqual(self.events().state, "applied")

    def test_by_our_id(self):
        """A report that carries our id settles an unconfirmed text, with its id."""
        message = self.enqueue()
        message.write({"state": "unconfirmed", "failure_type": "unknown_outcome"})
        self.store(report("delivered", message=message.uuid))
        self.apply_events()
        self.assertFields(
            message,
            {
                "state": "delivered",
                "external_ref": "REF-1",
                "failure_type": False,
                "failure_reason": False,
            },
        )
        self.assertTrue(message.delivered_at)

    def test_never_of_another_gateway(self):
        """T6: ids count together with their gateway only."""
        other = self.make_gateway(name="Other")
        message = self.enqueue(gateway_id=other.id)
        message.write({"state": "sent", "external_ref": "REF-1"})
        self.store(
            report("delivered"), report("delivered", event="E2", message=message.uuid)
        )
        self.apply_events()
        self.assertEqual(message.state, "sent")
        self.assertEqual(set(self.events().mapped("state")), {"pending"})

    def test_never_an_incoming_text(self):
        """A report never moves a text that came in, whatever its id."""
        message = self.sent()
        self.force(message, direction="incoming", state="sent")
        self.store(report("delivered"))
        self.apply_events()
        self.assertEqual(message.state, "sent")

    def test_orphan_and_replay(self):
        """F8: what matches nothing for a day is an orphan that a person can replay."""
        self.store(report("delivered"))
        event = self.events()
        for _try in range(len(const.EVENT_GAPS_S) + 2):
            self.apply_events()
            self.assertEqual(event.state, "pending")
            self.assertGreater(event.next_try_at, event.received_at)
        self.force(event, received_at=fields.Datetime.now() - timedelta(hours=25))
        self.apply_events()
        self.assertEqual(event.state, "orphan")
        self.apply_events()
        self.assertEqual(event.state, "orphan")
        message = self.sent()
        user = self.new_user("ada", "base.group_user")
        with self.assertRaises(AccessError):
            event.with_user(user).action_replay()
        event.with_user(self.env.ref("base.user_admin")).action_replay()
        self.env.invalidate_all()
        self.assertEqual(event.state, "applied")
        self.assertEqual(message.state, "delivered")

    def test_gaps(self):
        """The gaps between the tries grow, and never end the day early."""
        self.assertEqual(list(const.EVENT_GAPS_S), sorted(const.EVENT_GAPS_S))
        self.store(report("delivered"))
        event = self.events()
        waits = []
        for _gap in const.EVENT_GAPS_S:
            before = fields.Datetime.now()
            self.apply_events()
            waits.append(round((event.next_try_at - before).total_seconds()))
        for wait, gap in zip(waits, const.EVENT_GAPS_S, strict=True):
            self.assertAlmostEqual(wait, gap, delta=2)

    def test_costs(self):
        """A cost that comes with a report is kept, in company currency too."""
        currency = self.env.company.currency_id
        message = self.sent()
        self.store(report("delivered", cost=0.25, currency=currency.name))
        self.apply_events()
        self.assertFields(
            message,
            {"cost": 0.25, "cost_unit": currency.name, "cost_company": 0.25},
        )

    def test_the_job(self):
        """The job applies what is due, leaves what is not, and plans its next run."""
        self.startPatcher(patch.object(const, "EVENT_BUDGET_S", 0.0))
        message = self.sent()
        self.store(report("delivered"))
        self.store(report("failed", event="E2", ref="REF-2"))
        later = self.events()[-1]
        self.force(later, next_try_at=fields.Datetime.now() + timedelta(hours=1))
        triggers = self.env["ir.cron.trigger"].sudo()
        cron = self.env.ref("sms_gateway_hub.ir_cron_apply_events")
        triggers.search([("cron_id", "=", cron.id)]).unlink()
        with self.own_cursors():
            with self.registry.cursor() as cr:
                self.env(cr=cr)["sms.gateway.event"]._cron_apply()
        self.assertEqual(message.state, "delivered")
        self.assertFields(later, {"state": "pending", "tries": 0})
        planned = triggers.search([("cron_id", "=", cron.id)])
        self.assertIn(later.next_try_at, planned.mapped("call_at"))

    @mute_logger("odoo.addons.sms_gateway_hub.models.sms_gateway_event")
    def test_one_poisoned_report(self):
        """One report that cannot be applied holds up no other and is not lost."""
        messages = self.enqueue(3)
        for n, message in enumerate(messages):
            self.force(message, state="sent", external_ref=f"REF-{n}")
        model = type(self.env["sms.gateway.event"])
        prepare = model._prepare_changes

        def stumble(this, changes):
            if any(row["id"] == messages[1].id for row in changes):
                raise ZeroDivisionError
            return prepare(this, changes)

        self.patch(model, "_prepare_changes", stumble)
        self.store(
            *(report("delivered", event=f"E{n}", ref=f"REF-{n}") for n in range(3))
        )
        self.apply_events()
        self.assertEqual(
            self.events().mapped("state"), ["applied", "pending", "applied"]
        )
        self.assertEqual(messages.mapped("state"), ["delivered", "sent", "delivered"])

    def test_as_many_statements_for_many_reports(self):
        """A hundred reports take as many statements as two."""

        messages_of_all = self.enqueue(103)
        for message in messages_of_all:
            self.force(message, state="sent", external_ref=f"R{message.id}")

        def count(start, end):
            messages = messages_of_all[start:end]
            self.store(
                *(
                    report("delivered", event=f"E{ref}", ref=ref)
                    for ref in messages.mapped("external_ref")
                )
            )
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.apply_events()
            self.assertEqual(set(messages.mapped("state")), {"delivered"})
            return self.env.cr.sql_log_count - before

        count(0, 1)
        few = count(1, 3)
        self.assertLessEqual(count(3, 103), few)

    @mute_logger("odoo.addons.sms_gateway_hub.models.sms_gateway_event")
    def test_one_poisoned_text(self):
        """One text that cannot be shown holds up no other and is not lost."""
        model = type(self.env["sms.gateway.message"])
        receive = model._receive

        def stumble(this, gateway, item):
            if item.body == "poison":
                raise ZeroDivisionError
            return receive(this, gateway, item)

        self.patch(model, "_receive", stumble)
        self.store(
            inbound("one"), inbound("poison", event="E2"), inbound("two", event="E3")
        )
        self.apply_events()
        self.assertEqual(
            self.events().mapped("state"), ["applied", "pending", "applied"]
        )
        self.assertEqual(self.messages_of().mapped("body"), ["one", "two"])

    def test_cleaning_up(self):
        """Events that had their effect go after 90 days, orphans and messages stay."""
        message = self.sent()
        self.store(report("delivered"), report("sent", event="E2", ref="REF-9"))
        self.apply_events()
        events = self.events()
        self.force(events, received_at=fields.Datetime.now() - timedelta(days=91))
        self.env["sms.gateway.event"]._gc_events()
        self.assertEqual(events.exists(), events[1])
        self.assertTrue(message.exists())


@tagged("post_install", "-at_install")
class TestInbound(SmsGatewayCase):
    """Texts that come in, and the contacts that they belong to."""

    gateway_values = GATEWAY

    def receive(self, text="Yes", number=NUMBERS[0], **values):
        item = {"event_key": "k", "number": number, "body": text, **values}
        message = self.env["sms.gateway.message"]._receive(
            self.gateway, InboundMessage(**item)
        )
        self.env.flush_all()
        return message

    def test_contact(self):
        """The contact is the one with exactly that number, never a part of it."""
        partners = self.env["res.partner"]
        us = self.env.ref("base.us").id
        national = partners.create(
            {"name": "National", "phone": "(202) 555-0123", "country_id": us}
        )
        for label, number, partner in (
            ("exactly", NUMBERS[0], self.partner),
            ("written the national way", "+12025550123", national),
            ("another country with the same end", "+4412025550100", partners),
            ("a longer one", NUMBERS[0] + "1", partners),
            ("a shorter one", NUMBERS[0][:-1], partners),
            ("without its country", "2025550100", partners),
            ("without plus", NUMBERS[0][1:], partners),
            ("a name", "ACME", partners),
            ("a short code", "80800", partners),
            ("a wildcard", "+1202555%", partners),
            ("blank", " ", partners),
        ):
            with self.row(label):
                message = self.receive(number=number)
                self.assertFields(
                    message,
                    {
                        "partner_id": partner,
                        "direction": "incoming",
                        "state": "received",
                        "body": "Yes",
                        "gateway_id": self.gateway,
                    },
                )
                self.assertEqual(bool(message.mail_message_id), bool(partner))

    def test_archived_and_shared(self):
        """Of several contacts the one that was texted last is meant."""
        twin = self.partner.copy({"phone": NUMBERS[0]})
        self.assertEqual(self.receive().partner_id, self.partner)
        self.enqueue(partner_id=twin.id)
        self.assertEqual(self.receive().partner_id, twin)
        (self.partner + twin).active = False
        self.assertFalse(self.receive().partner_id)

    def test_company(self):
        """A gateway of a company finds contacts of its company only."""
        company = self.env["res.company"].create({"name": "Other company"})
        self.gateway.company_id = self.env.company
        for owner, found in ((self.env.company, True), (company, False), (False, True)):
            with self.row(owner and owner.name):
                self.partner.company_id = owner
                message = self.receive()
                self.assertEqual(bool(message.partner_id), found)
                self.assertEqual(message.company_id, self.env.company)

    def test_chatter(self):
        """A text shows in the chatter, escaped, and texts nobody (C19)."""
        for text in (
            "Hello",
            "<b>bold</b> <script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "{{ 7*7 }} ${7*7} <t t-out='object.env'/>",
            "=cmd|' /C calc'!A0",
            "a\x00b\ud800",
            "See https://example.com/?a=1&b=2",
            "x" * 5000,
            "",
        ):
            with self.row(text[:30]):
                message = self.receive(text)
                mail_message = message.mail_message_id
                self.assertFields(
                    mail_message,
                    {
                        "message_type": "sms",
                        "author_id": self.partner,
                        "model": "res.partner",
                        "res_id": self.partner.id,
                    },
                )
                body = str(mail_message.body)
                for tag in ("<script", "<img", "<b>", "<t "):
                    self.assertNotIn(tag, body)
                self.assertNotIn("49", body)
                if "script" in text:
                    self.assertIn("&lt;script&gt;", body)
                self.assertFalse(self.env["sms.sms"].search_count([]))
                self.assertFalse(mail_message.notification_ids)

    def test_two_alike(self):
        """ "Yes" and "yes" again are two texts, a repeat of one is not."""
        store = self.env["sms.gateway.event"]._store
        one = InboundMessage(event_key="1", number=NUMBERS[0], body="Yes")
        two = InboundMessage(event_key="2", number=NUMBERS[0], body="Yes")
        self.assertEqual(store(self.gateway, [one, two, one]), 2)
        self.assertEqual(store(self.gateway, [one]), 0)
        self.apply_events()
        self.assertEqual(len(self.messages_of()), 2)

    def test_unreadable(self):
        """A text that could not be decoded is kept, marked and shown."""
        message = self.receive("Ã¼", readable=False, charset="KOI-99")
        self.assertEqual(message.failure_type, "unreadable")
        self.assertIn("raw event", message.failure_reason)
