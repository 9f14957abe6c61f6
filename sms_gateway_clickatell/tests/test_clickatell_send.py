# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Requests and answers of the three APIs, a row for each parameter and code."""

from dataclasses import replace
from datetime import timedelta

from odoo import fields

from odoo.addons.sms_gateway_hub.tests.common import UUIDS
from odoo.addons.sms_gateway_hub.tests.gateway_cases import (
    HTML,
    REFUSED,
    GatewaySendCases,
    SendCase,
)
from odoo.addons.sms_gateway_hub.tools.gateway_data import OutgoingMessage

from . import common
from .common import (
    HTTP,
    KEY,
    ONE,
    PASSWORD,
    PLATFORM,
    TO,
    messages,
    one_item,
    one_send,
    platform_item,
)

TWO_WAY = {"clickatell_two_way": True, "sender": "+15550100200"}
# A path that is not there takes nothing: the choice of API, or the address, is wrong.
NOT_THERE = [
    SendCase("404 with HTML", reply=(404, HTML), state="queued", paused="address"),
    SendCase("405", reply=(405, b""), state="queued", paused="address"),
    SendCase("410", reply=(410, b""), state="queued", paused="address"),
]
REFUSED_HERE = [case for case in REFUSED if not case.label.startswith("404")]


class RowsAlone:
    """For classes with rows alone: what the runner brings is run beside others."""

    unknown = throttled = account = refused = ()


def one_error(code, status, level, text="…"):
    """Return an error of One API: at the top (G) or at the message (M)."""
    error = {"code": code, "description": text}
    if level == "G":
        return status, {"error": error}
    return status, messages(one_item(0, code, text))


def one_case(code, status, level, text="…", **expected):
    expected.setdefault("code", str(code) if expected["state"] != "queued" else None)
    return SendCase(
        f"{code}, HTTP {status}, {level}",
        reply=one_error(code, status, level, text),
        **expected,
    )


def failed(failure_type):
    return {"state": "failed", "failure_type": failure_type}


def paused(words):
    return {"state": "queued", "paused": words, "attempts": 0}


UNKNOWN = {"state": "unconfirmed"}
RESTS = {"state": "queued", "attempts": 0, "throttled_s": 30}

# One API, error codes: code, HTTP status, level, outcome.
ONE_ERROR_CASES = [
    one_case(1, 401, "G", **paused("API key")),
    one_case(2, 400, "G", **paused("not active")),
    one_case(3, 400, "G", **paused("integration")),
    one_case(7, 401, "G", **paused("listed addresses")),
    one_case(20, 402, "M", **paused("no credit")),
    one_case(20, 402, "G", **paused("no credit")),
    one_case(18, 500, "G", **UNKNOWN),
    one_case(18, 500, "M", **UNKNOWN),
    one_case(19, 503, "G", **RESTS),
    one_case(19, 503, "M", state="queued", attempts=1),
    one_case(43, 400, "G", **RESTS),
    one_case(43, 400, "M", **RESTS),
    one_case(25, 400, "M", **failed("number_dead")),
    one_case(27, 400, "M", **failed("number_dead")),
    one_case(101, 400, "M", **failed("country")),
    one_case(26, 400, "M", **failed("opted_out")),
    one_case(23, 400, "M", "Parameter: content", **failed("rejected")),
    one_case(
        23, 400, "M", "Invalid or missing parameter: to .", **failed("number_dead")
    ),
    one_case(23, 400, "M", "Invalid or missing parameter: token", **failed("rejected")),
    one_case(24, 400, "M", **failed("too_long")),
    one_case(100, 400, "M", **failed("too_long")),
    one_case(44, 400, "M", **paused("sender")),
    one_case(45, 400, "M", **paused("sender")),
    one_case(28, 400, "M", **failed("rejected")),
    one_case(38, 400, "M", **paused("SMS channel")),
    one_case(39, 400, "M", **paused("SMS channel")),
    one_case(46, 400, "M", **paused("trial")),
    one_case(110, 400, "M", **failed("rejected")),
    one_case(111, 400, "M", **failed("rejected")),
    one_case(21, 400, "G", **failed("rejected")),
    one_case(22, 400, "G", **failed("rejected")),
    one_case(40, 400, "M", **failed("unreadable")),
    one_case(41, 400, "G", **paused("no such service")),
    one_case(42, 400, "G", **paused("no such service")),
    *(one_case(code, 400, "M", **failed("rejected")) for code in range(29, 38)),
    one_case(999, 400, "M", **failed("rejected")),
    one_case(999, 400, "G", **failed("rejected")),
]


class TestOneSend(GatewaySendCases):
    """Answers of One API."""

    gateway_values = ONE
    partial_reply = (202, messages(one_item(0)))
    refused = [*REFUSED_HERE, *NOT_THERE]
    cases = [
        SendCase(
            "accepted",
            reply=(202, messages(one_item())),
            expect_method="POST",
            expect_url=common.ONE_URL,
            # The bare key: neither "Bearer" nor "Basic".
            expect_headers={
                "authorization": KEY,
                "content-type": "application/json",
                "accept": "application/json",
            },
            expect_json={"messages": [one_send()]},
            state="sent",
            ref="id0",
            attempts=1,
        ),
        SendCase(
            "a sender alone is no two-way number: it stays at home",
            reply=(202, messages(one_item())),
            gateway={"sender": "ACME"},
            expect_json={"messages": [one_send()]},
            state="sent",
        ),
        SendCase(
            "two-way: the number goes along, digits alone",
            reply=(202, messages(one_item())),
            gateway=TWO_WAY,
            expect_json={"messages": [one_send(**{"from": "15550100200"})]},
            state="sent",
        ),
        SendCase(
            "two-way without a sender: the integration knows its number",
            reply=(202, messages(one_item())),
            gateway={"clickatell_two_way": True},
            expect_json={"messages": [one_send()]},
            state="sent",
        ),
        SendCase(
            "priority, validity and schedule are not documented: not sent",
            reply=(202, messages(one_item())),
            messages=[
                {
                    "priority": "1",
                    "expires_at": fields.Datetime.now() + timedelta(days=1),
                }
            ],
            expect_json={"messages": [one_send()]},
            state="sent",
        ),
        SendCase(
            "text beyond the alphabet of handsets is plain JSON",
            reply=(202, messages(one_item())),
            messages=[{"body": "Ω ЖЩ 😀 “x” `"}],
            expect_json={"messages": [one_send(body="Ω ЖЩ 😀 “x” `")]},
            state="sent",
        ),
        SendCase(
            "each message has its own text and id",
            reply=(202, messages(one_item(1), one_item(0))),
            expect_json={"messages": [one_send(0), one_send(1)]},
            state=["sent", "sent"],
            ref=["id0", "id1"],
        ),
        SendCase(
            "the documented answer: another form of the number, one message",
            reply=(
                202,
                {
                    "messages": [
                        {
                            "apiMessageId": "fd496adebb6e422587368077937cfb5d",
                            "accepted": True,
                            "to": "2799900001",
                            "error": None,
                        }
                    ],
                    "error": None,
                },
            ),
            state="sent",
            ref="fd496adebb6e422587368077937cfb5d",
        ),
        SendCase(
            "207: only the refused one is hit",
            reply=(207, messages(one_item(0), one_item(1, 25))),
            state=["sent", "failed"],
            failure_type=[False, "number_dead"],
            ref=["id0", False],
        ),
        SendCase(
            "400 with messages: the items decide",
            reply=(400, messages(one_item(0, 25), one_item(1, 26))),
            state=["failed", "failed"],
            failure_type=["number_dead", "opted_out"],
        ),
        SendCase(
            "207 with everything refused",
            reply=(207, messages(one_item(0, 25), one_item(1, 24))),
            state=["failed", "failed"],
            failure_type=["number_dead", "too_long"],
        ),
        SendCase(
            "200 with messages",
            reply=(200, messages(one_item(0))),
            state="sent",
        ),
        SendCase(
            "500 with accepted messages",
            reply=(500, messages(one_item(0))),
            state="sent",
        ),
        SendCase(
            "no number in the answer, as many items: by place",
            reply=(202, messages(one_item(0, to=None), one_item(1, 25, to=None))),
            state=["sent", "failed"],
        ),
        SendCase(
            "no number in the answer, fewer items: nobody knows",
            reply=(202, messages(one_item(0, to=None))),
            state=["unconfirmed", "unconfirmed"],
        ),
        SendCase(
            "one number twice, once so and once so: nobody knows",
            reply=(207, messages(one_item(0), one_item(0, 25), one_item(1))),
            state=["unconfirmed", "sent"],
        ),
        SendCase(
            "a stranger's number",
            reply=(202, messages(one_item(5), one_item(0))),
            state=["sent", "unconfirmed"],
        ),
        SendCase(
            "a number with a plus",
            reply=(202, messages(one_item(0, to="+" + TO[0]), one_item(1))),
            state=["sent", "sent"],
        ),
        SendCase(
            "accepted without an id",
            reply=(202, messages(one_item(apiMessageId=""))),
            state="unconfirmed",
        ),
        SendCase(
            "accepted as a word is not accepted",
            reply=(202, messages(one_item(accepted="true"))),
            state="unconfirmed",
        ),
        SendCase(
            "neither accepted nor refused",
            reply=(202, messages({"to": TO[0]})),
            state="unconfirmed",
        ),
        SendCase(
            "not accepted and no word why",
            reply=(400, messages({"to": TO[0], "accepted": False, "error": None})),
            state="failed",
            failure_type="rejected",
        ),
        SendCase(
            "an error that is a string",
            reply=(400, messages({"to": TO[0], "accepted": False, "error": "No"})),
            state="failed",
            failure_type="rejected",
        ),
        SendCase(
            "a code in a string",
            reply=(400, messages(one_item(0, "25"))),
            state="failed",
            failure_type="number_dead",
            code="25",
        ),
        SendCase(
            "the code at the top, the message below",
            reply=(
                400,
                messages(
                    {"to": TO[0], "accepted": False},
                    error={"code": 26, "description": "Opted out"},
                ),
            ),
            state="failed",
            failure_type="opted_out",
        ),
        SendCase(
            "a top-level error with HTTP 200 and no messages",
            reply=(200, {"messages": [], "error": {"code": "1", "description": "x"}}),
            **paused("API key"),
        ),
        SendCase(
            "a top-level error that is a string",
            reply=(401, {"messages": None, "error": "Nope"}),
            **paused("API key"),
        ),
        SendCase(
            "402 with words alone", reply=(402, {"error": "x"}), **paused("credit")
        ),
        SendCase(
            "429 with a code that nobody knows",
            reply=(429, {"error": {"code": 999}}, {"Retry-After": "9"}),
            state="queued",
            throttled_s=9,
        ),
        SendCase(
            "502 with words alone", reply=(502, {"error": "x"}), state="unconfirmed"
        ),
        SendCase(
            "43 with Retry-After",
            reply=(*one_error(43, 400, "G"), {"Retry-After": "12"}),
            state="queued",
            attempts=0,
            throttled_s=12,
        ),
        SendCase(
            "108, the other account's words, names the mix-up",
            reply=(401, {"error": "Invalid API key", "errorCode": 108}),
            **paused("do not belong together"),
        ),
        SendCase("no key", gateway={"clickatell_api_key": False}, **paused("API key")),
        SendCase("a blank key", gateway={"clickatell_api_key": " "}, **paused("key")),
        SendCase(
            "another address",
            gateway={"clickatell_url": "https://sms.example.com/try/"},
            reply=(202, messages(one_item())),
            expect_url="https://sms.example.com/try/v1/message",
            state="sent",
        ),
    ]

    def test_one_number_twice(self):
        """Two texts to one number travel in two requests: the answer names numbers."""
        number = "+" + TO[0]
        case = SendCase(
            "twice",
            messages=[{"number": number}, {}, {"number": number}],
            reply=[
                (202, messages(one_item(0), one_item(1))),
                (202, messages(one_item(0, apiMessageId="id2"))),
            ],
            state=["sent"] * 3,
        )
        self.gateway.parallel_requests = 1
        self.run_cases([case])

    def test_hundred_in_one_request(self):
        """A request carries 100 messages, and the next one the rest."""

        def accept(request):
            return messages(
                *(
                    {
                        "apiMessageId": message["clientMessageId"],
                        "accepted": True,
                        "to": message["to"],
                    }
                    for message in request.json["messages"]
                )
            )

        case = SendCase("130", messages=0, reply=[(202, accept), (202, accept)])
        with self.scene(case):
            numbers = [f"+1202555{n:04d}" for n in range(130)]
            sent = self.enqueue(130, number=numbers)
            self.gateway.parallel_requests = 1
            self.run_sender()
            self.assertEqual(set(sent.mapped("state")), {"sent"})
            self.assertEqual(sent.mapped("external_ref"), sent.mapped("uuid"))
            sizes = [len(r.json["messages"]) for r in self.server.requests]
            self.assertEqual(sizes, [100, 30])

    def test_words(self):
        """What a person reads says what to do, then what Clickatell said."""
        with self.scene(SendCase("words", reply=one_error(7, 401, "G", "IP 1.2.3.4"))):
            self.run_sender()
            reason = self.gateway.pause_reason
            self.assertIn("Add it in Clickatell's settings", reason)
            self.assertIn("Clickatell says: “IP 1.2.3.4” (code 7).", reason)
        number = "27999000001"
        reply = (400, messages(one_item(0, 25, f"Invalid recipient address: {number}")))
        with self.scene(SendCase("no number", reply=reply)) as sent:
            self.run_sender()
            self.assertNotIn(number, sent.failure_reason)
            self.assertIn("Invalid recipient address", sent.failure_reason)

    def test_echoed_key(self):
        """A key in the answer never shows, not even a piece of it."""
        key = "Zq123456789Xy+/w=="
        for label, text in (
            ("digits in the key are no number of a phone", f"Invalid key {key}!"),
            ("at the end of what is kept", "x" * 193 + key),
            ("at the end of what is logged", "x" * 920 + key),
        ):
            gateway = {"clickatell_api_key": key}
            for status, code in ((401, 1), (400, 25)):
                reply = (status, messages(one_item(0, code, text)))
                case = SendCase(f"{label}, {code}", gateway=gateway, reply=reply)
                with self.scene(case) as sent:
                    self.run_sender()
                    attempts = sent.attempt_ids
                    for shown in (
                        self.gateway.pause_reason,
                        sent.failure_reason,
                        *attempts.mapped("detail"),
                        *attempts.mapped("excerpt"),
                    ):
                        self.assertNotIn("Zq1", shown or "")
                        self.assertNotIn("Xy", shown or "")
                        self.assertNotIn("Zq…", shown or "")


class TestOneErrors(RowsAlone, GatewaySendCases):
    """Each error code of One API ends as the document says."""

    gateway_values = ONE
    partial_reply = (202, messages(one_item(0)))
    cases = ONE_ERROR_CASES


class TestOneMixed(RowsAlone, GatewaySendCases):
    """Trouble with some messages of a request of One API."""

    gateway_values = ONE
    partial_reply = (202, messages(one_item(0)))
    cases = [
        SendCase(
            "out of credit in the middle: what was taken is taken, the rest waits",
            reply=(207, messages(one_item(0), one_item(1, 20), one_item(2, 25))),
            state=["sent", "queued", "failed"],
            paused="credit",
        ),
        SendCase(
            "a rate limit in the middle",
            reply=(207, messages(one_item(0), one_item(1, 43))),
            state=["sent", "queued"],
            attempts=[1, 0],
            throttled_s=30,
        ),
        SendCase(
            "19 in the middle: that one again, later",
            reply=(207, messages(one_item(0), one_item(1, 19))),
            state=["sent", "queued"],
            attempts=[1, 1],
        ),
        SendCase(
            "18 in the middle",
            reply=(207, messages(one_item(0), one_item(1, 18))),
            state=["sent", "unconfirmed"],
        ),
        *(
            SendCase(
                f"{code} beside an accepted one is about its message",
                reply=(207, messages(one_item(0), one_item(1, code))),
                state=["sent", "failed"],
                failure_type=[False, "rejected"],
            )
            for code in (28, 38, 39, 44, 45, 46, 110, 111)
        ),
        *(
            SendCase(
                f"{code} for every message is about the gateway",
                messages=2,
                reply=(400, messages(one_item(0, code), one_item(1, code))),
                **paused(words),
            )
            for code, words in (
                (38, "SMS channel"),
                (39, "SMS channel"),
                (44, "sender"),
                (45, "sender"),
                (46, "trial"),
            )
        ),
        *(
            SendCase(
                f"{code} for every message is still about numbers: no other one waits",
                messages=2,
                reply=(400, messages(one_item(0, code), one_item(1, code))),
                **failed("rejected"),
            )
            for code in (28, 110, 111)
        ),
        SendCase(
            "45 for a text with a sender of its own is the text's",
            gateway=TWO_WAY,
            messages=[{"sender": "+15550100999"}],
            reply=one_error(45, 400, "M"),
            **failed("rejected"),
        ),
        SendCase(
            "28 for one of the two and a bad number",
            reply=(400, messages(one_item(0, 28), one_item(1, 25))),
            state=["failed", "failed"],
        ),
        # Too much in one request, or something in it that cannot be read.
        SendCase(
            "22: in halves",
            gateway={"parallel_requests": 1},
            reply=[
                one_error(22, 400, "G"),
                (202, messages(one_item(0))),
                (202, messages(one_item(1))),
            ],
            state=["sent", "sent"],
        ),
        SendCase(
            "21 for two: the one at fault is found",
            gateway={"parallel_requests": 1},
            reply=[
                one_error(21, 400, "G"),
                (202, messages(one_item(0))),
                one_error(21, 400, "G"),
            ],
            state=["sent", "failed"],
        ),
        SendCase(
            "413 for two",
            gateway={"parallel_requests": 1},
            reply=[
                (413, HTML),
                (202, messages(one_item(0))),
                (202, messages(one_item(1))),
            ],
            state=["sent", "sent"],
        ),
    ]


def platform_error(text, status=400, code=None):
    return status, {"errorCode": code, "error": text, "errorDescription": None}


class TestPlatformSend(GatewaySendCases):
    """Answers of Platform SMS, one message in each request."""

    gateway_values = PLATFORM
    refused = [*REFUSED_HERE, *NOT_THERE]
    cases = [
        SendCase(
            "accepted, as documented",
            reply=(
                202,
                {
                    "messages": [
                        {
                            "apiMessageId": "af750c2dc53e4e4c88c39b3b48756d3a",
                            "accepted": True,
                            "to": "1234567980",
                            "errorCode": None,
                            "error": None,
                            "errorDescription": None,
                        }
                    ],
                    "errorCode": None,
                    "error": None,
                    "errorDescription": None,
                },
            ),
            expect_method="POST",
            expect_url=common.PLATFORM_URL,
            expect_headers={"authorization": KEY, "content-type": "application/json"},
            expect_json={
                "content": "Text 1",
                "to": [TO[0]],
                "clientMessageId": UUIDS[0],
            },
            state="sent",
            ref="af750c2dc53e4e4c88c39b3b48756d3a",
        ),
        SendCase(
            "two-way: the number goes along",
            gateway=TWO_WAY,
            reply=(202, messages(platform_item())),
            expect_json={
                "content": "Text 1",
                "to": [TO[0]],
                "clientMessageId": UUIDS[0],
                "from": "15550100200",
            },
            state="sent",
        ),
        SendCase(
            "what has an unknown unit or is not for texts is not sent",
            gateway={"sender": "ACME"},
            messages=[{"expires_at": fields.Datetime.now() + timedelta(hours=1)}],
            reply=(202, messages(platform_item())),
            expect_json={
                "content": "Text 1",
                "to": [TO[0]],
                "clientMessageId": UUIDS[0],
            },
            state="sent",
        ),
        SendCase(
            "one message in each request",
            reply=[(202, messages(platform_item(n))) for n in range(3)],
            gateway={"parallel_requests": 1},
            state=["sent"] * 3,
            ref=["id0", "id1", "id2"],
        ),
        SendCase(
            "an error inside a 202",
            reply=(202, messages(platform_item(0, "Invalid destination address"))),
            **failed("number_dead"),
        ),
        SendCase(
            "an error inside a 200, without messages",
            reply=platform_error("Something else", 200),
            **failed("rejected"),
        ),
        SendCase(
            "an older answer: the error is a plain string",
            reply=(400, {"messages": [], "error": "Invalid recipient address"}),
            **failed("number_dead"),
        ),
        SendCase(
            "108 names the mix-up",
            reply=platform_error(
                "Invalid or missing integration API Key.", 401, code=108
            ),
            **paused("do not belong together"),
        ),
        SendCase(
            "108 with HTTP 200",
            reply=platform_error("Invalid or missing integration API Key.", 200, "108"),
            **paused("do not belong together"),
        ),
        SendCase(
            "108 without words",
            reply=(400, {"errorCode": 108}),
            **paused("do not belong together"),
        ),
        SendCase(
            "108 with words of another kind: the words win",
            reply=platform_error("Empty receivers", 202, 108),
            **failed("rejected"),
        ),
        SendCase(
            "401 with words", reply=platform_error("Denied", 401), **paused("API key")
        ),
        SendCase("403", reply=platform_error("Denied", 403), **paused("API key")),
        SendCase("402", reply=platform_error("Pay", 402), **paused("credit")),
        SendCase("429", reply=platform_error("Slow", 429), **RESTS),
        SendCase("503", reply=platform_error("Later", 503), **RESTS),
        SendCase("500", reply=platform_error("Oh", 500), **UNKNOWN),
        SendCase("504", reply=platform_error("Oh", 504), **UNKNOWN),
        SendCase(
            "the sender is not the integration's",
            gateway=TWO_WAY,
            reply=platform_error("Two-Way integration error - from is wrong"),
            **paused("sender"),
        ),
        SendCase(
            "a sender of the text's own is not the integration's",
            gateway=TWO_WAY,
            messages=[{"sender": "+15550100999"}],
            reply=platform_error("Two-Way integration error - from is wrong"),
            **failed("rejected"),
        ),
        SendCase(
            "something about the integration",
            reply=platform_error("The integration is not active"),
            **paused("integration"),
        ),
        SendCase(
            "too long for the integration's setting: no other text waits",
            reply=platform_error("Maximum message parts of the integration exceeded"),
            **failed("too_long"),
        ),
        SendCase(
            "a network without two-way is no dead number",
            gateway=TWO_WAY,
            reply=platform_error("Destination does not support two-way messaging"),
            **failed("country"),
        ),
        SendCase(
            "opted out",
            reply=platform_error("Recipient opted out"),
            **failed("opted_out"),
        ),
        *(
            SendCase(words, reply=platform_error(words), **paused("credit"))
            for words in ("Insufficient balance", "No credit left", "No funds")
        ),
        SendCase(
            "a number of the HTTP API's table proves nothing here",
            reply=platform_error("Empty receivers", 202, 102),
            **failed("rejected"),
        ),
        SendCase(
            "the description is kept as well",
            reply=(
                400,
                messages(
                    platform_item(0, "Bad request", 5, errorDescription="Opted out")
                ),
            ),
            **failed("opted_out"),
        ),
        SendCase(
            "accepted without an id",
            reply=(202, messages(platform_item(apiMessageId=""))),
            state="unconfirmed",
        ),
        SendCase("no key", gateway={"clickatell_api_key": False}, **paused("API key")),
    ]

    def test_schedule(self):
        """A text that the platform holds goes along with its time, zone and all."""
        check_schedule(
            self,
            lambda request: self.assertEqual(
                request.json["scheduledDeliveryTime"], "2030-02-27T14:30:00+0000"
            ),
        )


class MassTexts:
    """Makes the rows of the runner mass texts, which may travel together."""

    def run_cases(self, cases, **kwargs):
        together = [
            replace(
                case,
                messages=[
                    {"priority": "3", "body": "Same", **values}
                    for values in case.values
                ],
            )
            for case in cases
        ]
        return super().run_cases(together, **kwargs)


class TestPlatformSendTogether(MassTexts, GatewaySendCases):
    """Platform SMS with equal mass texts in one request."""

    gateway_values = {**PLATFORM, "clickatell_group": True}
    refused = [*REFUSED_HERE, *NOT_THERE]
    partial_reply = (202, messages(platform_item(0)))
    cases = [
        SendCase(
            "equal mass texts share a request, and an id that is no message's",
            messages=[{"priority": "3", "body": "Same"}] * 2,
            reply=(202, messages(platform_item(1), platform_item(0))),
            expect_json={
                "content": "Same",
                "to": [TO[0], TO[1]],
                "clientMessageId": "e0522fcb9c755230eded7145162276c1",
            },
            state=["sent", "sent"],
            ref=["id0", "id1"],
        ),
    ]


def http_form(n=0, **values):
    """Return the form of the n-th message, each field a list."""
    form = {
        "user": "ada",
        "password": PASSWORD,
        "api_id": "12345",
        "to": TO[n],
        "climsgid": UUIDS[n],
        "text": f"Text {n + 1}",
        "concat": "10",
        "callback": "7",
        "queue": "2",
        **values,
    }
    return {name: [value] for name, value in form.items()}


def http_case(code, text="…", **expected):
    expected.setdefault("code", str(code) if expected["state"] == "failed" else None)
    return SendCase(f"ERR {code}", reply=(200, f"ERR: {code:03d}, {text}"), **expected)


# Central API, error codes of all editions.
HTTP_ERROR_CASES = [
    http_case(1, "Authentication failed", **paused("user name")),
    http_case(2, "Unknown username or password", **paused("user name")),
    http_case(3, "Session ID expired", **paused("user name")),
    http_case(4, "Account frozen", **paused("not active")),
    http_case(5, "Missing session ID", **paused("user name")),
    http_case(7, "IP lockdown violation", **paused("listed addresses")),
    http_case(108, "Invalid or missing api_id", **paused("do not belong together")),
    http_case(301, "No credit left", **paused("no credit")),
    http_case(901, "Internal error - please retry", state="queued", attempts=1),
    http_case(130, "Maximum MT limit exceeded", **paused("limit")),
    http_case(105, "Invalid destination address", **failed("number_dead")),
    http_case(114, "Cannot route message", **failed("country")),
    http_case(128, "Number delisted", **failed("blacklisted")),
    http_case(121, "Destination mobile number blocked", **failed("opted_out")),
    http_case(122, "Destination mobile opted out", **failed("opted_out")),
    http_case(106, "Invalid source address", **paused("sender")),
    http_case(123, "Invalid Sender ID", **paused("sender")),
    http_case(113, "Maximum message parts exceeded", **failed("too_long")),
    http_case(115, "Message expired", **failed("expired")),
    http_case(107, "Empty message", **failed("empty")),
    http_case(116, "Invalid Unicode data", **failed("unreadable")),
    *(
        http_case(code, **failed("rejected"))
        for code in (
            *(100, 101, 102, 103, 104, 109, 110, 111, 112, 120),
            *(160, 161, 165, 166, 167, 201, 202, 302, 999),
        )
    ),
]


class TestHttpSend(GatewaySendCases):
    """Answers of the Central API, one message in each request."""

    gateway_values = HTTP
    # HTTP API: every answer is HTTP 200. Any other one is nobody's known word.
    refused = [
        SendCase("400", reply=(400, b""), state="unconfirmed"),
        SendCase("413", reply=(413, b"{"), state="failed", failure_type="rejected"),
        *NOT_THERE,
    ]
    cases = [
        SendCase(
            "accepted",
            reply=(200, "ID: 996f364775e24b8432f45d77da8eca47"),
            expect_method="POST",
            expect_url=common.HTTP_URL,
            expect_params={},
            expect_headers={"content-type": "application/x-www-form-urlencoded"},
            expect_form=http_form(),
            state="sent",
            ref="996f364775e24b8432f45d77da8eca47",
        ),
        SendCase(
            "a sender that is a name",
            gateway={"sender": "ACME"},
            reply=(200, "ID: a"),
            expect_form=http_form(**{"from": "ACME"}),
            state="sent",
        ),
        SendCase(
            "two-way: mo and the rented number, digits alone",
            gateway=TWO_WAY,
            reply=(200, "ID: a"),
            expect_form=http_form(**{"from": "15550100200", "mo": "1"}),
            state="sent",
        ),
        SendCase(
            "two-way without the rented number: answers would get lost",
            gateway={"clickatell_two_way": True},
            **paused("rents you"),
        ),
        SendCase(
            "the second level of callbacks",
            gateway={"clickatell_callback_level": "3"},
            reply=(200, "ID: a"),
            expect_form=http_form(callback="3"),
            state="sent",
        ),
        *(
            SendCase(
                f"priority {priority} is their queue {priority}",
                messages=[{"priority": priority}],
                reply=(200, "ID: a"),
                expect_form=http_form(queue=priority),
                state="sent",
            )
            for priority in "123"
        ),
        SendCase(
            "concat is the longest text, not the parts of this one",
            gateway={"max_segments": 4},
            reply=(200, "ID: a"),
            expect_form=http_form(concat="4"),
            state="sent",
        ),
        SendCase(
            "their arithmetic of long Unicode texts: 63 in a part",
            gateway={"max_segments": 2},
            messages=[{"body": "Ω" * 133 + "Ж"}],
            reply=(200, "ID: a"),
            expect_form=http_form(concat="3", unicode="1", text="03A9" * 133 + "0416"),
            state="sent",
        ),
        SendCase(
            "the documented sample of hex UTF-16BE",
            messages=[{"body": "ΩΨΘ"}],
            reply=(200, "ID: a"),
            expect_form=http_form(unicode="1", text="03A903A80398"),
            state="sent",
        ),
        SendCase(
            "beyond U+FFFF",
            messages=[{"body": "😀"}],
            reply=(200, "ID: a"),
            expect_form=http_form(unicode="1", text="D83DDE00"),
            state="sent",
        ),
        SendCase(
            "GSM characters beyond ASCII go as Unicode",
            messages=[{"body": "é"}],
            reply=(200, "ID: a"),
            expect_form=http_form(unicode="1", text="00E9"),
            state="sent",
        ),
        SendCase(
            "a backtick is ASCII but no GSM character",
            messages=[{"body": "`"}],
            reply=(200, "ID: a"),
            expect_form=http_form(unicode="1", text="0060"),
            state="sent",
        ),
        SendCase(
            "GSM's extension within ASCII is plain",
            messages=[{"body": "a^{}[]~\\|&+=%\n1"}],
            reply=(200, "ID: a"),
            expect_form=http_form(text="a^{}[]~\\|&+=%\n1"),
            state="sent",
        ),
        *(
            SendCase(
                f"an answer in another dress: {reply!r}",
                reply=(200, reply),
                state="sent",
                ref="a1",
            )
            for reply in (
                "ID:a1",
                "ID:   a1  \r\n",
                "id: a1",
                f"ID: a1 To: {TO[0]}",
                "ID: a1 To: 999",
                "\nID: a1\n",
            )
        ),
        *(
            SendCase(
                f"an error in another dress: {reply!r}",
                reply=(200, reply),
                **expected,
            )
            for reply, expected in (
                ("ERR: 105", failed("number_dead")),
                ("ERR:105,Invalid, really", failed("number_dead")),
                ("ERR: 0105, x", failed("number_dead")),
                (f"ERR: 105, x To: {TO[0]}", failed("number_dead")),
                (f"ERR: 105 To: {TO[0]}", failed("number_dead")),
                (f"ERR: 007 To: {TO[0]}", paused("listed addresses")),
                ("ERR: 007", paused("listed addresses")),
                ("ERR: 0007, x", paused("listed addresses")),
                ("ERR: 7, x", paused("listed addresses")),
                ("ERR: 010, ten, not eight", failed("rejected")),
                ("ERR: Something, without a code", failed("rejected")),
                ("ERR: key: value, ID: 5", failed("rejected")),
                ("ERR:", failed("rejected")),
            )
        ),
        *(
            SendCase(f"no known answer: {reply!r}", reply=(200, reply), **UNKNOWN)
            for reply in (
                "OK",
                "OK:",
                "ID:",
                "ID: ",
                "Hello",
                "ID: a\nID: b",
                "ID: a b",
            )
        ),
        SendCase("ID with HTTP 500", reply=(500, "ID: a"), state="sent"),
        SendCase("ERR with HTTP 401", reply=(401, "ERR: 105"), state="failed"),
        SendCase("403", reply=(403, "no"), **paused("")),
        SendCase(
            "106 for a text with a sender of its own is the text's",
            gateway={"sender": "ACME"},
            messages=[{"sender": "OTHER"}],
            reply=(200, "ERR: 106, Invalid source address"),
            **failed("rejected"),
        ),
        *(
            SendCase(f"no {name}", gateway={name: False}, **paused(words))
            for name, words in (
                ("clickatell_user", "User name"),
                ("clickatell_password", "Password"),
                ("clickatell_api_id", "API ID"),
            )
        ),
    ]

    def test_limit_until(self):
        """130 pauses the gateway until the time that it names."""
        until = fields.Datetime.now().replace(microsecond=0) + timedelta(days=3)
        stamp = int((until - fields.Datetime.to_datetime("1970-01-01")).total_seconds())
        for text in (f"until {stamp}", f"until <{stamp}>", f"until {stamp}000"):
            reply = (200, f"ERR: 130, Maximum MT limit exceeded {text}")
            with self.scene(SendCase(text, reply=reply)) as sent:
                self.run_sender()
                self.assertEqual(sent.state, "queued")
                wait = self.gateway.paused_until - until
                self.assertLess(abs(wait), timedelta(seconds=10))

    def test_validity(self):
        """What is left of the validity goes along in minutes, up to their limit."""
        for left_s, expected in (
            (30, ["1"]),
            (3600, ["59"]),
            (86400 - 120, ["1437"]),
            (86400 * 2, None),
        ):
            expires_at = fields.Datetime.now() + timedelta(seconds=left_s)
            case = SendCase(
                f"{left_s} s",
                messages=[{"expires_at": expires_at}],
                reply=(200, "ID: a"),
            )
            with self.scene(case):
                self.run_sender()
                found = self.server.requests[0].form.get("validity")
                if expected and found:
                    # A second may have passed at the border of a minute.
                    self.assertIn(int(found[0]) - int(expected[0]), (0, 1))
                else:
                    self.assertEqual(found, expected)

    def test_schedule(self):
        """A text that Clickatell holds goes along with its Unix time, not its end."""

        def check(request):
            self.assertEqual(request.form["scheduled_time"], ["1898433000"])
            self.assertNotIn("validity", request.form)
            self.assertNotIn("deliv_time", request.form)

        check_schedule(self, check)


class TestHttpErrors(RowsAlone, GatewaySendCases):
    """Each error code of the Central API ends as the document says."""

    gateway_values = HTTP
    cases = HTTP_ERROR_CASES


class TestHttpSendTogether(MassTexts, GatewaySendCases):
    """The Central API with equal mass texts in one request."""

    gateway_values = {**HTTP, "clickatell_group": True}
    refused = [SendCase("400", reply=(400, b""), state="unconfirmed"), *NOT_THERE]
    partial_reply = (200, f"ID: a To: {TO[0]}")
    cases = [
        SendCase(
            "a line for each number",
            messages=2,
            reply=(200, f"ID: a To: {TO[0]}\nID: b To: {TO[1]}\n"),
            expect_form={
                **http_form(queue="3", text="Same"),
                "to": [f"{TO[0]},{TO[1]}"],
                "climsgid": ["e0522fcb9c755230eded7145162276c1"],
            },
            state=["sent", "sent"],
            ref=["a", "b"],
        ),
        SendCase(
            "in another order",
            messages=2,
            reply=(200, f"ID: b To: {TO[1]}\r\nID: a To: {TO[0]}"),
            ref=["a", "b"],
        ),
        SendCase(
            "an error line with its number",
            messages=2,
            reply=(200, f"ERR: 105, x To: {TO[1]}\nID: a To: {TO[0]}"),
            state=["sent", "failed"],
        ),
        SendCase(
            "an error line without a number: by place",
            messages=2,
            reply=(200, f"ID: a To: {TO[0]}\nERR: 105, Invalid"),
            state=["sent", "failed"],
        ),
        SendCase(
            "one error line for all: each again on its own",
            messages=2,
            gateway={"parallel_requests": 1},
            reply=[(200, "ERR: 105, Invalid"), (200, "ID: a"), (200, "ERR: 105, x")],
            state=["sent", "failed"],
        ),
        SendCase(
            "one account error for all",
            messages=2,
            reply=(200, "ERR: 001, Authentication failed"),
            **paused("user name"),
        ),
        SendCase(
            "901 for all: later",
            messages=2,
            reply=(200, "ERR: 901, Internal error - please retry"),
            **RESTS,
        ),
        SendCase(
            "one id for two numbers names none",
            messages=2,
            reply=(200, "ID: a"),
            state=["unconfirmed", "unconfirmed"],
        ),
        SendCase(
            "no credit in the middle",
            messages=2,
            reply=(200, f"ID: a To: {TO[0]}\nERR: 301, No Credit Left To: {TO[1]}"),
            state=["sent", "queued"],
            paused="credit",
        ),
        SendCase(
            "one number in two lines",
            messages=2,
            reply=(200, f"ID: a To: {TO[0]}\nERR: 105, x To: {TO[0]}"),
            state=["unconfirmed", "unconfirmed"],
        ),
        SendCase(
            "a line too many: those with a number are known",
            messages=2,
            reply=(200, f"ID: a To: {TO[0]}\nID: b To: {TO[1]}\nID: c"),
            state=["sent", "sent"],
            ref=["a", "b"],
        ),
        SendCase(
            "a line too many, without numbers",
            messages=2,
            reply=(200, "ID: a\nID: b\nID: c"),
            state=["unconfirmed", "unconfirmed"],
        ),
        SendCase(
            "a line that cannot be read costs no other one its outcome",
            messages=3,
            reply=(200, f"ID: a To: {TO[0]}\n<br>\nERR: 105, x To: {TO[2]}"),
            state=["sent", "unconfirmed", "failed"],
            ref=["a", False, False],
        ),
        SendCase(
            "a line that cannot be read keeps its place",
            messages=3,
            reply=(200, "ERR: 105, x\n<br>\nID: c"),
            state=["failed", "unconfirmed", "sent"],
            ref=[False, False, "c"],
        ),
    ]


def check_schedule(case, check):
    """Send a text that the provider shall hold.

    :param check: function of the recorded request
    """
    adapter = case.gateway._get_adapter()
    message = OutgoingMessage(
        uuid=UUIDS[0],
        number="+" + TO[0],
        body="Later",
        valid_for_s=3600,
        send_at=fields.Datetime.to_datetime("2030-02-27 14:30:00"),
    )
    case.assertIn("schedule", adapter._get_features(case.gateway))
    case.assertGreater(adapter._get_schedule_limit_s(case.gateway), 0)
    with case.scene(SendCase("later", reply=(202, messages(one_item())))):
        (request,) = adapter._prepare_send_requests(case.gateway, [message])
        adapter._call(
            case.gateway,
            request.url,
            headers=request.headers,
            json=request.json,
            data=request.data,
        )
        check(case.server.requests[0])
