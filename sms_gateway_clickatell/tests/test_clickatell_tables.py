# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Tables are complete, and the pure functions do what the document says."""

import time
from datetime import UTC, datetime

from odoo.tests import BaseCase, tagged

from odoo.addons.sms_gateway_hub import const as hub
from odoo.addons.sms_gateway_hub.tools.gateway_data import (
    OutgoingMessage,
    TextPart,
    WebhookData,
)

from .. import const
from ..tools import clickatell, clickatell_callback
from . import test_clickatell_send as send_rows
from . import test_clickatell_webhook as webhook_rows

# Copied from the documents, not from const.py. One API, error codes and statuses:
ONE_ERROR_CODES = [
    *(1, 2, 3, 7, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29),
    *(30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46),
    *(100, 101, 110, 111),
]
ONE_STATUS_CODES = {
    **{1: "UNKNOWN", 2: "QUEUED", 3: "SCHEDULED", 4: "SENT_TO_SUPPLIER"},
    **{5: "DEVICE_ACK", 6: "READ", 20: "EXPIRED", 21: "STOPPED_BY_USER"},
    **{22: "STOPPED_BY_ADMIN", 23: "DELIVERY_FAILURE", 24: "EMULATED"},
    **{25: "INSUFFICIENT_ACCOUNT_BALANCE", 26: "VOLUME_LIMIT"},
    **{27: "VOLUME_LIMIT_DAILY", 28: "VOLUME_LIMIT_MONTHLY"},
    **{29: "RECIPIENT_DOES_NOT_EXIST", 60: "ENCRYPTION_ACCESS_DENIED"},
    **{61: "ENCRYPTION_CONTENT_ERROR", 80: "MEDIA_NOT_FOUND"},
    **{81: "MEDIA_SIZE_ERROR", 82: "MEDIA_CHECKSUM_FAILURE"},
    **{83: "MEDIA_REJECTED_BY_SUPPLIER", 84: "MEDIA_METADATA_ERROR"},
    **{85: "MEDIA_ACCESS_ERROR", 100: "ROUTING_ERROR"},
}
# HTTP API (editions of 2009 and 2013, archive), error codes and statuses:
HTTP_ERROR_CODES = [
    *(1, 2, 3, 4, 5, 7, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109),
    *(110, 111, 112, 113, 114, 115, 116, 120, 121, 122, 123, 128, 130),
    *(160, 161, 165, 166, 167, 201, 202, 301, 302, 901),
]
HTTP_STATUS_CODES = range(1, 15)
# HTTP API, sendmsg: what is sent, and what is left out on purpose.
HTTP_SENT = {
    *("user", "password", "api_id", "to", "text", "from", "mo", "callback"),
    *("scheduled_time", "validity", "concat", "unicode", "queue", "climsgid"),
}
HTTP_NOT_SENT = {
    *("session_id", "deliv_ack", "deliv_time", "escalate", "max_credits"),
    *("req_feat", "cliMsgId", "msg_type", "udh", "data", "binary", "charset"),
    "msg_callback",
}
ONE_SENT = {"channel", "to", "content", "from", "clientMessageId"}
PLATFORM_SENT = {"content", "to", "from", "clientMessageId", "scheduledDeliveryTime"}

TABLES = [
    const.ONE_ERRORS,
    const.ONE_STATUSES,
    const.PLATFORM_ERRORS,
    const.PLATFORM_ERROR_WORDS,
    const.PLATFORM_STATUS_WORDS,
    const.HTTP_ERRORS,
    const.HTTP_STATUSES,
]


def message(n=0, **values):
    values = {
        "uuid": f"{n + 1:032x}",
        "number": f"+1202555{n:04d}",
        "body": "Text",
        **values,
    }
    return OutgoingMessage(**values)


def settings(api="one", **values):
    values = {"api": api, "base": "https://x", "key": "k", **values}
    return clickatell.Settings(**values)


@tagged("post_install", "-at_install")
class TestTables(BaseCase):
    """Every code of the documents has a place in a table, and a row in the tests."""

    def test_errors(self):
        """Each error code has a mapping, and there is none that nobody documents."""
        self.assertEqual(sorted(const.ONE_ERRORS), ONE_ERROR_CODES)
        self.assertEqual(sorted(const.HTTP_ERRORS), HTTP_ERROR_CODES)

    def test_statuses(self):
        """Each status has a mapping, by number and by word."""
        self.assertEqual(sorted(const.ONE_STATUSES), sorted(ONE_STATUS_CODES))
        words = {word: code for code, word in ONE_STATUS_CODES.items()}
        self.assertEqual(const.ONE_STATUS_WORDS, words)
        self.assertEqual(sorted(const.HTTP_STATUSES), list(HTTP_STATUS_CODES))

    def test_rows(self):
        """Each code and status has a row that sends or calls back with it."""

        def labels(cases):
            return " | ".join(case.label for case in cases)

        one = labels(send_rows.TestOneErrors.cases)
        for code in ONE_ERROR_CODES:
            self.assertIn(f"{code}, HTTP", one)
        http = {case.label for case in send_rows.TestHttpErrors.cases}
        for code in HTTP_ERROR_CODES:
            self.assertIn(f"ERR {code}", http)
        calls = {case.label for case in webhook_rows.TestHttpReports.cases}
        for code in HTTP_STATUS_CODES:
            self.assertIn(f"status {code:03d}", calls)
        calls = {case.label for case in webhook_rows.TestOneWebhook.cases}
        for code, word in ONE_STATUS_CODES.items():
            for how in ("both", "the word", "the number"):
                self.assertIn(f"{code} {word}, {how}", calls)

    def test_words_of_the_hub(self):
        """Every mapping is in words that the hub knows."""
        states = {state for state, _label in hub.MESSAGE_STATES} | {"retry", "unknown"}
        failures = {failure for failure, _label in hub.FAILURE_TYPES} | {None}
        for table in TABLES:
            for state, failure_type in table.values():
                self.assertIn(state, states)
                self.assertIn(failure_type, failures)

    def test_final_statuses_have_a_reason(self):
        """What is final and not delivered says why, what is under way does not."""
        for table in (const.ONE_STATUSES, const.HTTP_STATUSES):
            for state, failure_type in table.values():
                self.assertEqual(
                    bool(failure_type), state in ("undelivered", "expired")
                )

    def test_tables_are_not_shared(self):
        """The numberings differ where they collide."""
        for code in (4, 5, 6):
            self.assertNotEqual(const.ONE_STATUSES[code], const.HTTP_STATUSES[code])

    def test_parameters(self):
        """What goes over the wire is what the document has, and no more."""
        self.assertFalse(HTTP_SENT & HTTP_NOT_SENT)
        full = message(
            sender="+15550100200",
            body="Ω",
            valid_for_s=600,
            priority="1",
        )
        later = message(send_at=datetime(2030, 1, 1), body="Ω")
        forms = {}
        for api in ("one", "platform", "http"):
            found = set()
            for sent in (full, later):
                (request,) = clickatell.build_requests(
                    settings(api, two_way=True, sender="1"), [sent]
                )
                body = request.data if api == "http" else request.json
                found |= set(body["messages"][0] if api == "one" else body)
            forms[api] = found
        self.assertEqual(forms["one"], ONE_SENT)
        self.assertEqual(forms["platform"], PLATFORM_SENT)
        self.assertEqual(forms["http"], HTTP_SENT)


@tagged("post_install", "-at_install")
class TestRequests(BaseCase):
    """How messages are put into requests."""

    def sizes(self, settings_, messages):
        requests = clickatell.build_requests(settings_, messages)
        carried = [m.uuid for request in requests for m in request.messages]
        self.assertEqual(sorted(carried), sorted(m.uuid for m in messages))
        return [len(request.messages) for request in requests]

    def test_groups(self):
        """Requests are as large as is safe, and no number is in one twice."""
        many = [message(n) for n in range(250)]
        mass = [message(n, priority="3") for n in range(250)]
        twice = [message(n, number=f"+1202555{n % 3:04d}") for n in range(7)]
        long = [message(n, segments=3) for n in range(4)]
        alone = [1] * 250
        for label, given, sent, expected in (
            ("One API", settings(), many, [100, 100, 50]),
            ("One API, numbers twice", settings(), twice, [3, 3, 1]),
            ("platform", settings("platform"), mass, alone),
            ("HTTP", settings("http"), mass, alone),
            (
                "platform, together",
                settings("platform", group=True),
                mass,
                [100, 100, 50],
            ),
            ("HTTP, together", settings("http", group=True), mass, [100, 100, 50]),
            ("single texts stay alone", settings("http", group=True), many, alone),
            ("a cap of 5 parts", settings(max_request_parts=5), many[:12], [5, 5, 2]),
            ("a cap of 7 parts", settings(max_request_parts=7), long, [2, 2]),
            ("more parts than the cap", settings(max_request_parts=2), long, [1] * 4),
        ):
            with self.subTest(label):
                self.assertEqual(self.sizes(given, sent), expected)

    def test_only_what_is_alike_travels_together(self):
        """Text, sender, end and time must be the same."""
        base = {"priority": "3"}
        for values in (
            {"body": "Other"},
            {"sender": "ACME"},
            {"valid_for_s": 600},
            {"send_at": datetime(2030, 1, 1)},
        ):
            pair = [message(0, **base), message(1, **base, **values)]
            with self.subTest(str(values)):
                self.assertEqual(self.sizes(settings("http", group=True), pair), [1, 1])

    def test_client_id_of_several(self):
        """The id of a shared request is no message's, and has 32 letters and digits."""
        pair = [message(0), message(1)]
        found = clickatell.client_id(pair)
        self.assertRegex(found, r"^[0-9a-f]{32}$")
        self.assertNotIn(found, [m.uuid for m in pair])
        self.assertEqual(clickatell.client_id(pair[:1]), pair[0].uuid)

    def test_speed_limit(self):
        """No second sees more parts than the limit, whatever shares a request."""
        self.assertEqual(clickatell.max_request_parts(0), 0)
        for rate in (0.1, 1, 2, 5, 10, 15, 20, 25, 30, 50, 99, 100, 250, 1000, 5000):
            size = clickatell.max_request_parts(rate)
            gap = size / rate * hub.PACE_MARGIN
            in_a_second = (int(1 / gap) + 1) * size
            with self.subTest(rate):
                self.assertTrue(1 <= size <= 100)
                self.assertLessEqual(in_a_second, max(rate, 1))

    def test_long_unicode(self):
        """70 units fit in one; longer ones are counted 63 to a part."""
        for units, parts in ((1, 1), (70, 1), (71, 2), (126, 2), (127, 3)):
            self.assertEqual(clickatell.encode_text("Ω" * units)[1], parts)
        self.assertEqual(clickatell.encode_text("a" * 1000), ({"text": "a" * 1000}, 1))


@tagged("post_install", "-at_install")
class TestValues(BaseCase):
    """Times, headers of parts, numbers."""

    def test_times(self):
        """Seconds, milliseconds, dates with and without a zone; else nothing."""
        for value, offset_h, expected in (
            ("1218007814", 0, datetime(2008, 8, 6, 7, 30, 14)),
            (1506607698000, 0, datetime(2017, 9, 28, 14, 8, 18)),
            ("1506607698", 0, datetime(2017, 9, 28, 14, 8, 18)),
            (1506607698.5, 0, datetime(2017, 9, 28, 14, 8, 18, 500000)),
            ("2014-01-15 12:00:00", 2, datetime(2014, 1, 15, 10, 0)),
            ("2014-07-15 12:00:00", 2, datetime(2014, 7, 15, 10, 0)),
            ("2007-02-26 14:36:50", 2, datetime(2007, 2, 26, 12, 36, 50)),
            ("2014-01-15 01:00:00", 2, datetime(2014, 1, 14, 23, 0)),
            # Two o'clock in the night of the change exists in GMT+0200.
            ("2014-03-30 02:30:00", 2, datetime(2014, 3, 30, 0, 30)),
            ("2017-02-27T14:30:00+0200", 0, datetime(2017, 2, 27, 12, 30)),
            ("2017-02-27T14:30:00Z", 2, datetime(2017, 2, 27, 14, 30)),
            ("2017-02-27T14:30:00", 0, datetime(2017, 2, 27, 14, 30)),
            ("", 0, None),
            (None, 0, None),
            (True, 0, None),
            ("soon", 0, None),
            ("0", 0, None),
            ("2008-08-0609:43:50", 2, None),
            ("2014-02-30 12:00:00", 2, None),
            ("99999999999999999", 0, None),
            (10**30, 0, None),
            ("0001-01-01 00:00:00", 2, None),
            ([], 0, None),
        ):
            with self.subTest(str(value)):
                found = clickatell_callback.parse_time(value, offset_h=offset_h)
                self.assertEqual(found, expected)

    def test_user_data_headers(self):
        """References of 8 and of 16 bits join; all else stands alone."""
        for udh, expected in (
            ("050003330201", TextPart("33", 1, 2)),
            ("050003330202", TextPart("33", 2, 2)),
            ("0500033302 02".replace(" ", ""), TextPart("33", 2, 2)),
            ("0500 03ab 0302", TextPart("ab", 2, 3)),
            ("06080400330201", TextPart("0033", 1, 2)),
            ("060804ABCD0303", TextPart("abcd", 3, 3)),
            # After the ports of an application.
            ("0B0504158115810003330201", TextPart("33", 1, 2)),
            ("0605040B8423F0", None),
            ("06050415811581", None),
            ("050003330200", None),
            ("050003330203", None),
            ("050003330001", None),
            ("0500033302", None),
            ("05000333020", None),
            ("0400023302", None),
            ("060004003302 01", None),
            ("", None),
            ("00", None),
            ("zz", None),
            ("ff", None),
            ("01", None),
        ):
            with self.subTest(udh):
                self.assertEqual(clickatell_callback.parse_udh(udh), expected)

    def test_senders(self):
        """Numbers become E.164; names and short codes stay."""
        for given, expected in (
            ("27999000001", "+27999000001"),
            ("+27999000001", "+27999000001"),
            ("31234", "31234"),
            ("0821234567", "0821234567"),
            ("VODACOM", "VODACOM"),
            ("", "?"),
        ):
            self.assertEqual(clickatell_callback.to_number(given), expected)

    def test_wait_of_a_limit(self):
        """The time of error 130 is seconds, or milliseconds; else there is none."""
        now = datetime(2020, 1, 1, tzinfo=UTC)
        stamp = int(now.timestamp())
        for text, expected in (
            (f"until {stamp + 60}", 60),
            (f"until {(stamp + 60) * 1000}", 60),
            (f"until {stamp - 60}", None),
            ("until tomorrow", None),
            ("", None),
        ):
            self.assertEqual(clickatell.seconds_until(text, now), expected)

    def test_answers_to_questions(self):
        """Every edition's way to write credit, status, charge and coverage is read."""
        status, charge = clickatell.parse_http_status, clickatell.parse_http_charge
        self.assertEqual(status("ID: abc Status: 003"), ("abc", "003"))
        self.assertEqual(status("ID:abc  Status:00A \n"), ("abc", "00A"))
        self.assertIsNone(status("ERR: 104, Unknown client message ID"))
        self.assertEqual(charge("apiMsgId: a charge: 0.33 status: 004"), 0.33)
        self.assertEqual(charge("ID: a Charge: 1 Status: 003"), 1.0)
        self.assertIsNone(charge("ERR: 103"))
        coverage = clickatell.parse_coverage
        supported = (
            "OK: This prefix is currently supported. Messages sent to this prefix "
            "will be routed. Charge: 0.8"
        )
        self.assertEqual(coverage(supported), (True, 0.8))
        self.assertEqual(coverage("OK"), (True, None))
        missing = "ERR: This prefix is not currently supported. Messages, ..."
        self.assertEqual(coverage(missing), (False, None))
        self.assertIsNone(coverage("ERR: 001, Authentication failed"))
        self.assertIsNone(coverage("<html>"))

    def test_long_nonsense(self):
        """Nothing that comes in costs more than its length."""
        start = time.process_time()
        for raw in (b"<apikey>" * 8000, b"%3Capikey%3E" * 5000, b'"apikey":"' * 6000):
            clickatell_callback.redact(raw)
        clickatell.read_http_line("ERR: 1," + " " * 200_000 + "x")
        clickatell.read_http_line("ID: " + "x " * 100_000)
        self.assertLess(time.process_time() - start, 1)
        for raw, expected in (
            (b"<apiKey>a b</apiKey><to>1</to>", b"<apiKey>***</apiKey><to>1</to>"),
            (b"<apiKey><![CDATA[a]]></apiKey>", b"<apiKey>***</apiKey>"),
            (b"%3CapiKey%3Ea%3C%2FapiKey%3E", b"%3CapiKey%3E***%3C%2FapiKey%3E"),
            (b"<apiKey>a", b"<apiKey>***"),
        ):
            self.assertEqual(clickatell_callback.redact(raw), expected)

    def test_empty_calls(self):
        """Only a call without any known field is a try of the address."""
        for query, body, expected in (
            (b"", b"", True),
            (b"a=b&c", b"", True),
            (b"a=b", b" \r\n", True),
            (b"apiMsgId=1", b"", False),
            (b"APIMSGID=", b"", False),
            (b"%61piMsgId=1", b"", False),
            (b"data=x", b"", False),
            (b"", b"x", False),
        ):
            data = WebhookData("GET", raw_query=query, raw_body=body)
            self.assertEqual(clickatell_callback.is_empty(data), expected)
        # Nobody vouched for it, so nothing of it is kept, whatever it calls itself.
        for content_type in ("multipart/form-data", "text/xml", "application/json", ""):
            data = WebhookData(
                "POST", raw_query=b"", raw_body=b"", content_type=content_type
            )
            self.assertEqual(clickatell_callback.parse_callback(data, str), [])
