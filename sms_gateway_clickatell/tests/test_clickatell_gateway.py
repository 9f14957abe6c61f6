# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Settings, questions to Clickatell, and what must never show."""

from base64 import b64encode
from datetime import datetime
from urllib.parse import quote

from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, tagged

from odoo.addons.sms_gateway_hub.exceptions import GatewayAccountError, GatewayError
from odoo.addons.sms_gateway_hub.tests.common import UUIDS, SmsGatewayCase
from odoo.addons.sms_gateway_hub.tests.http_common import ScriptedServer, redirected

from .common import (
    CALLBACK_LOGIN,
    HTTP,
    KEY,
    ONE,
    PASSWORD,
    PLATFORM,
    TO,
    messages,
    one_item,
)

FEATURES = {
    "one": {"delivery_report", "inbound", "balance", "lookup"},
    "platform": {"delivery_report", "inbound", "balance", "schedule"},
    "http": {
        *("delivery_report", "inbound", "balance", "sender", "validity"),
        *("schedule", "lookup", "coverage"),
    },
}
CREDENTIALS = {**HTTP, **ONE, **CALLBACK_LOGIN}


@tagged("post_install", "-at_install")
class TestClickatellGateway(SmsGatewayCase):
    """One gateway of each kind, asked by a person."""

    gateway_values = CREDENTIALS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = ScriptedServer()
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        super().setUp()
        self.server.reset()
        redirect = redirected(self.server)
        redirect.__enter__()
        self.addCleanup(redirect.__exit__, None, None, None)
        self.adapter = self.gateway._get_adapter()

    def ask(self, api, name, *replies, args=()):
        """Ask one thing after the other was scripted."""
        self.server.reset()
        self.server.script(*replies)
        self.gateway.clickatell_api = api
        answer = getattr(self.adapter, name)(self.gateway, *args)
        self.assertFalse(self.server.unused)
        self.assertFalse(self.server.unscripted)
        return answer

    def test_features(self):
        """The form shows what the chosen API can do."""
        for api, expected in FEATURES.items():
            self.gateway.clickatell_api = api
            self.assertEqual(self.adapter._get_features(self.gateway), expected)
            self.assertEqual(self.gateway.feature_sender, "sender" in expected)
            seconds = self.adapter._get_schedule_limit_s(self.gateway)
            self.assertEqual(bool(seconds), "schedule" in expected)
        for api in ("one", "platform"):
            self.gateway.write({"clickatell_api": api, "clickatell_two_way": True})
            self.assertTrue(self.gateway.feature_sender)

    def test_balance(self):
        """Each API says what is left, and in which unit."""
        for api, replies, expected in (
            ("one", [(200, {"balance": 12.5, "currency": "EUR"})], (12.5, "EUR")),
            (
                "one",
                [(404, {}), (200, {"balance": "7", "currency": "ZAR"})],
                (7.0, "ZAR"),
            ),
            (
                "platform",
                [(200, {"balance": 1267.92865, "currency": "ZAR"})],
                (1267.92865, "ZAR"),
            ),
            ("platform", [(200, {"balance": 1})], (1.0, "credits")),
            ("http", [(200, "Credit: 123.4")], (123.4, "credits")),
            ("http", [(200, "Credits: 123.00\n")], (123.0, "credits")),
            ("http", [(200, "Credit:-1")], (-1.0, "credits")),
        ):
            with self.subTest(str(replies)):
                self.assertEqual(self.ask(api, "_fetch_balance", *replies), expected)
        self.assertEqual(
            self.server.requests[0].form,
            {"user": ["ada"], "password": [PASSWORD], "api_id": ["12345"]},
        )
        self.assertEqual(self.server.requests[0].method, "POST")
        self.ask("one", "_fetch_balance", (200, {"balance": 1}))
        request = self.server.requests[0]
        self.assertEqual((request.method, request.path), ("GET", "/v1/balance"))
        self.assertEqual(request.headers["authorization"], KEY)
        self.assertNotIn(KEY, request.url)

    def test_connection(self):
        """The test says what it found, or what to do."""
        self.assertIn(
            "accepts the credentials",
            self.ask("one", "_test_connection", (200, {"balance": 5})),
        )
        mixed_up = "do not belong together"
        for api, replies, words in (
            ("one", [(401, {"error": {"code": 1, "description": "x"}})], "API key"),
            ("one", [(401, b"")], "API key"),
            ("one", [(404, b""), (404, b"")], "no such service"),
            ("one", [(200, b"<html>")], "HTTP 200"),
            ("one", [(302, b"<html>")], "no such service"),
            ("one", [(502, b"<html>")], "HTTP 502"),
            (
                "platform",
                [(401, {"errorCode": 108, "error": "Invalid or missing API Key"})],
                mixed_up,
            ),
            ("http", [(200, "ERR: 108, Invalid or missing api_id")], mixed_up),
            ("http", [(200, "ERR: 001, Authentication failed")], "user name"),
            ("http", [(200, "ERR: 007")], "listed addresses"),
            ("http", [(200, "What?")], "HTTP 200"),
        ):
            with self.subTest(str(replies)), self.assertRaisesRegex(UserError, words):
                self.ask(api, "_test_connection", *replies)

    def test_missing_credentials(self):
        """What is missing is named, when it is asked for and when it is switched on."""
        for api, name, words in (
            ("one", "clickatell_api_key", "API key"),
            ("platform", "clickatell_api_key", "API key"),
            ("http", "clickatell_user", "User name"),
            ("http", "clickatell_password", "Password"),
            ("http", "clickatell_api_id", "API ID"),
        ):
            with self.row(f"{api} {name}"):
                self.gateway.write({"state": "disabled", name: False})
                with self.assertRaisesRegex(UserError, words):
                    self.ask(api, "_test_connection")
                with self.assertRaisesRegex(ValidationError, words):
                    self.gateway.state = "enabled"
                with self.assertRaisesRegex(ValidationError, words):
                    self.gateway.state = "test"

    def test_another_address(self):
        """Only an address of the web may stand for Clickatell's."""
        self.gateway.clickatell_url = "https://sms.example.com:8443/base/"
        for url in ("ftp://x", "https://", "https://a b", "https://a?b=c", "file:///x"):
            with self.row(url), self.assertRaises(ValidationError):
                self.gateway.clickatell_url = url

    def test_api_id_is_a_number(self):
        """A key that is pasted as API ID is refused, as people see that field."""
        self.gateway.clickatell_api_id = " 3400001 "
        for value in ("KEY-abc==", "12a", "0x12"):
            with self.row(value), self.assertRaisesRegex(ValidationError, "number"):
                self.gateway.clickatell_api_id = value

    def test_unreachable(self):
        """A person who asks reads that nobody answered, not a traceback."""
        with redirected(self.server, port=1):
            for name in ("_fetch_balance", "_test_connection"):
                with self.assertRaisesRegex(UserError, "could not be asked"):
                    self.ask("one", name)

    def test_coverage(self):
        """The HTTP API says whether it serves a number, and for how much."""
        served = "OK: This prefix is currently supported. Charge: 0.8"
        number = ("+" + TO[0],)
        for replies, words in (
            ([(200, served)], "0.8 credits"),
            ([(404, b""), (200, "OK: This prefix is currently supported.")], "serves"),
            ([(200, "ERR: This prefix is not currently supported.")], "not serve"),
        ):
            self.assertIn(
                words, self.ask("http", "_check_coverage", *replies, args=number)
            )
        self.assertEqual(self.server.requests[0].form["msisdn"], [TO[0]])
        with self.assertRaisesRegex(UserError, "user name"):
            self.ask("http", "_check_coverage", (200, "ERR: 001"), args=number)
        with self.assertRaises(UserError):
            self.ask("one", "_check_coverage", args=number)

    def test_look_up_one(self):
        """One API tells the state of what it gave an id, with its time."""
        args = ([(UUIDS[0], "id/0"), (UUIDS[1], None)],)
        answer = {"sms": {"status": "QUEUED", "timestamp": 1506607698000}}
        (report,) = self.ask("one", "_fetch_status", (200, answer), args=args)
        self.assertEqual(self.server.requests[0].path, "/v1/message/id%2F0")
        self.assertEqual(report.state, "sent")
        self.assertEqual(report.uuid, UUIDS[0])
        self.assertEqual(report.occurred_at, datetime(2017, 9, 28, 14, 8, 18))
        for status, body in (
            (200, {"status": "UNKNOWN", "timestamp": 1506607698000}),
            (200, {"sms": {"status": "UNKNOWN", "timestamp": 1506607698000}}),
            (404, {"error": {"code": 41, "description": "x"}}),
            (200, b"<html>"),
        ):
            self.assertEqual(
                self.ask("one", "_fetch_status", (status, body), args=args), []
            )

        for status in (429, 500, 503):
            with self.assertRaisesRegex(GatewayError, str(status)):
                self.ask("one", "_fetch_status", (status, b""), args=args)
        with redirected(self.server, port=1), self.assertRaises(GatewayError):
            self.ask("one", "_fetch_status", args=args)
        for refused in (
            (401, {"error": {"code": 1, "description": "x"}}),
            (401, b"<html>"),
            (402, b""),
        ):
            with self.assertRaises(GatewayAccountError):
                self.ask("one", "_fetch_status", refused, args=args)

    def test_look_up_http(self):
        """The HTTP API knows our own ids, and says the cost as well."""
        self.gateway.parallel_requests = 1
        args = ([(UUIDS[0], None), (UUIDS[1], "id1"), (UUIDS[2], None)],)
        reports = self.ask(
            "http",
            "_fetch_status",
            (200, "ID: id0 Status: 004"),
            (200, "ID: id1 Status: 001"),
            (200, "ERR: 104, Unknown client message ID"),
            (200, "apiMsgId: id0 charge: 0.33 status: 004"),
            (200, "ERR: 103"),
            args=args,
        )
        (report,) = reports
        self.assertEqual(
            (report.uuid, report.external_ref, report.state, report.cost),
            (UUIDS[0], "id0", "delivered", 0.33),
        )
        asked = [
            (request.path, request.form.get("climsgid"), request.form.get("apimsgid"))
            for request in self.server.requests
        ]
        self.assertEqual(
            asked,
            [
                ("/http/querymsg", [UUIDS[0]], None),
                ("/http/querymsg", None, ["id1"]),
                ("/http/querymsg", [UUIDS[2]], None),
                ("/http/getmsgcharge", None, ["id0"]),
                ("/http/getmsgcharge", None, ["id1"]),
            ],
        )
        with self.assertRaises(GatewayAccountError):
            self.ask("http", "_fetch_status", (200, "ERR: 001"), args=(args[0][:1],))

    def test_look_up_platform(self):
        """The platform has no look-up: nothing is asked."""
        args = ([(UUIDS[0], "id0")],)
        self.assertEqual(self.ask("platform", "_fetch_status", args=args), [])

    def test_unconfirmed_is_settled(self):
        """An unconfirmed text gets its state and cost by the hourly look-up."""
        self.gateway.clickatell_api = "http"
        sent = self.enqueue(1)
        self.force(sent, state="unconfirmed", state_at=datetime.now())
        self.server.script(
            (200, "ID: id0 Status: 004"), (200, "ID: id0 Charge: 1 Status: 004")
        )
        with self.own_cursors():
            self.gateway._settle_unconfirmed()
        self.apply_events()
        self.assertFields(
            sent, {"state": "delivered", "external_ref": "id0", "cost": 1.0}
        )

    def test_refusals_reach_the_ledger(self):
        """Who opted out at Clickatell is on record; a dead number is no refusal."""

        def one(code):
            return 400, messages(one_item(0, code))

        for api, reply, acts in (
            ("one", one(26), ["opted_out"]),
            ("one", one(25), []),
            ("platform", (400, {"error": "Recipient opted out"}), ["opted_out"]),
            ("http", (200, "ERR: 121, Blocked"), ["opted_out"]),
            ("http", (200, "ERR: 122, Opted out"), ["opted_out"]),
            ("http", (200, "ERR: 128, Number delisted"), []),
            ("http", (200, "ERR: 105, Invalid destination"), []),
        ):
            with self.row(f"{api} {reply}"):
                self.server.reset()
                self.server.script(reply)
                self.gateway.clickatell_api = api
                sent = self.enqueue(1)
                self.run_sender()
                self.assertEqual(sent.state, "failed")
                consents = self.env["sms.consent"].search(
                    [("number", "=", sent.number), ("message_id", "=", sent.id)]
                )
                self.assertEqual(consents.mapped("act"), acts)
                if acts:
                    again = self.enqueue(1, uuid="f" * 32)
                    self.assertEqual(again.state, "canceled")

    def test_mended_sender(self):
        """What waited for a refused sender to be mended leaves with the new one."""
        self.gateway.write({"clickatell_api": "http", "sender": "REFUSED"})
        self.server.script((200, "ERR: 106, Invalid source address"))
        sent = self.enqueue(1)
        self.run_sender()
        self.assertEqual(sent.state, "queued")
        self.gateway.sender = "ACME"
        self.gateway.action_resume()
        self.server.script((200, "ID: a"))
        self.run_sender()
        self.assertEqual(sent.state, "sent")
        self.assertEqual(self.server.requests[-1].form["from"], ["ACME"])

    def test_redacted_values(self):
        """Secrets are known in every form in which an answer could echo them."""
        found = self.adapter._get_redacted_values(self.gateway)
        login = "callback:CALLBACK-PASSWORD-1"
        for value in (
            KEY,
            KEY.rstrip("="),
            quote(KEY, safe="").replace("%3D", "%3d"),
            PASSWORD,
            CALLBACK_LOGIN["clickatell_callback_password"],
            b64encode(login.encode()).decode(),
            self.gateway.sudo().webhook_token,
        ):
            self.assertIn(value, found)
        self.assertNotIn("ada", found)
        self.gateway.clickatell_url = "https://sms.example.com"
        found = self.adapter._get_redacted_values(self.gateway)
        self.assertNotIn("https://sms.example.com", found)

    def test_form(self):
        """Each API asks for its own credentials, and no other ones."""
        view = "sms_gateway_hub.sms_gateway_view_form"
        for values, shown, hidden in (
            (ONE, ["clickatell_api_key"], ["clickatell_user", "clickatell_group"]),
            (PLATFORM, ["clickatell_api_key", "clickatell_group"], ["clickatell_user"]),
            (
                HTTP,
                ["clickatell_user", "clickatell_password", "clickatell_api_id"],
                ["clickatell_api_key"],
            ),
        ):
            gateway = self.make_gateway(name="New", **values)
            with Form(gateway, view=view) as form:
                for name in shown:
                    self.assertFalse(form._get_modifier(name, "invisible"), name)
                for name in hidden:
                    self.assertTrue(form._get_modifier(name, "invisible"), name)

    def test_copy(self):
        """A copy of a gateway has no secrets."""
        copy = self.gateway.copy().sudo()
        for name in (
            "clickatell_api_key",
            "clickatell_password",
            "clickatell_callback_password",
            # Alone it would refuse every callback.
            "clickatell_callback_user",
        ):
            self.assertFalse(copy[name], name)
