# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The pure functions, as rows. ``must_NN`` is a requirement of the protocol."""

import json
import time
from contextlib import suppress
from datetime import datetime

from odoo.tests import BaseCase, tagged

from .. import const
from ..tools import smssync
from . import samples
from .samples import MESSAGE_ID, SECRET, UUIDS, call

GERMAN = "Senden fehlgeschlagen"
NOW = datetime(2026, 1, 2, 3, 4, 5)


@tagged("post_install", "-at_install")
class TestQuery(BaseCase):
    """The query as the app glues it together."""

    def test_must_03_raw_query(self):
        """A query splits on ? and &, the first value wins, names are case-sensitive."""
        rows = (
            (b"", {}),
            (b"task=send", {"task": "send"}),
            (b"task=send&secret=s3cretKey9", {"task": "send", "secret": SECRET}),
            # A Sync URL that has a query already.
            (b"site=7?task=send", {"site": "7", "task": "send"}),
            # After the test button of 3.x.
            (
                b"task=result&secret=s3cretKey9?secret=s3cretKey9"
                b"&from=%2B000000000000&message=Test+Message+From+SMSSync+Integration",
                {
                    "task": "result",
                    "secret": SECRET,
                    "from": "+000000000000",
                    "message": const.TEST_MESSAGE,
                },
            ),
            # After the battery alert of 3.x, without a secret.
            (
                b"task=result?Task=alert&message=Battery+low",
                {"task": "result", "Task": "alert", "message": "Battery low"},
            ),
            (b"task=send&task=result", {"task": "send"}),
            (b"Task=send", {"Task": "send"}),
            (b"secret=a+b%26c", {"secret": "a b&c"}),
            (b"?&&=&=x&task", {"task": ""}),
            (b"secret=%FF%zz%", {"secret": "\ufffd%zz%"}),
        )
        for raw, expected in rows:
            with self.subTest(raw):
                self.assertEqual(smssync.parse_query(raw), expected)


@tagged("post_install", "-at_install")
class TestBody(BaseCase):
    """Bodies, told apart by what they look like."""

    def test_must_04_formats(self):
        """Each format of the app and of its manual gives the same fields."""
        form = {
            "secret": SECRET,
            "from": "+12025550143",
            "message": "Yes & thanks +1",
            "sent_timestamp": "1735689600123",
            "sent_to": "",
            "message_id": MESSAGE_ID,
            "device_id": "12",
        }
        rows = (
            ("form of 3.x", samples.FORM_3X, form),
            ("form of 2.x", samples.FORM_2X, form),
            (
                "JSON",
                samples.JSON_3X,
                {
                    "secret": SECRET,
                    "from": "INFOBANK",
                    "message": "Open 9/12?",
                    "sent_timestamp": "1735689723000",
                    "sent_to": "",
                    "message_id": "c2d9e0a4-18f5-4c0e-8f0b-7d1b9c6a2e55",
                    "device_id": "12",
                },
            ),
            (
                "XML",
                samples.XML_3X,
                {
                    "secret": SECRET,
                    "from": "+12025550143",
                    "message": "Stop",
                    "sent_timestamp": "1735689800000",
                    "sent_to": "",
                    "message_id": "0e8b5f8c-5a53-4f0f-b1b1-51f0f1f7d3a9",
                    "device_id": "12",
                },
            ),
            (
                "multipart",
                samples.MULTIPART,
                {
                    "from": "09048370465",
                    "message": "sample text message",
                    "secret": SECRET,
                },
            ),
            ("empty", b"", {}),
            ("blanks", b" \r\n", {}),
        )
        for label, raw, values in rows:
            with self.subTest(label):
                self.assertEqual(smssync.parse_body(raw), (values, True))

    def test_must_04_last_value_wins(self):
        """Of a repeated key the last value is the text that came in now."""
        rows = (
            ("form", b"message=old&from=1&message=new"),
            ("JSON", b'{"message":"old","from":"1","message":"new"}'),
            (
                "XML",
                b"<p><message>old</message><from>1</from><message>new</message></p>",
            ),
            (
                "multipart",
                b'--X\nContent-Disposition: form-data; name="message"\n\nold\n'
                b"--X\nContent-Disposition: form-data; name=from\n\n1\n"
                b'--X\ncontent-disposition: form-data; name="message"; x=y\n\nnew\n'
                b"--X--",
            ),
        )
        for label, raw in rows:
            with self.subTest(label):
                self.assertEqual(
                    smssync.parse_body(raw).values, {"message": "new", "from": "1"}
                )

    def test_must_04_refused_bodies(self):
        """A document type, deep nesting and too many bytes are not read."""
        rows = (
            ("entities", samples.BOMB),
            ("external entity", samples.EXTERNAL),
            ("document type alone", b"<!DOCTYPE html><html></html>"),
            ("a page", b"<html><body><p>Hello</body></html>"),
            ("nested elements", b"<a>" * 100 + b"</a>" * 100),
            ("nested JSON", b'{"a":' + b"[" * 100 + b"]" * 100 + b"}"),
            ("JSON without an end", b'{"a":"b'),
            ("too large", b"a" * (const.BODY_MAX_BYTES + 1)),
        )
        for label, raw in rows:
            with self.subTest(label), self.assertRaises(ValueError):
                smssync.parse_body(raw)

    def test_must_04_hostile_bodies_are_fast(self):
        """A body made to be slow costs less than a second."""
        for label, raw in samples.HOSTILE:
            with self.subTest(label):
                begin = time.monotonic()
                with suppress(ValueError):
                    smssync.parse_body(raw)
                self.assertLess(time.monotonic() - begin, 1.0)

    def test_must_13_texts(self):
        """Long texts, line ends, emoji and other alphabets arrive as they are."""
        text = "Grüße 😀\nПривет & <b>1+1</b> % " + "x" * 2000
        escaped = text.replace("&", "&amp;").replace("<", "&lt;")
        rows = (
            ("JSON", json.dumps({"message": text}).encode()),
            (
                "JSON in UTF-8",
                json.dumps({"message": text}, ensure_ascii=False).encode(),
            ),
            ("XML", f"<payload><message>{escaped}</message></payload>".encode()),
            (
                "a form",
                b"message=" + b"".join(b"%%%02X" % byte for byte in text.encode()),
            ),
        )
        for label, raw in rows:
            with self.subTest(label):
                self.assertEqual(smssync.parse_body(raw), ({"message": text}, True))

    def test_what_xml_cannot_hold(self):
        """What Android's writer puts into XML against its rules costs no text."""
        rows = (
            ("an emoji in two halves", b"&#55357;&#56832;", "\U0001f600"),
            ("the same in hexadecimal", b"&#xD83D;&#xDE00;", "\U0001f600"),
            ("half an emoji", b"a&#55357;b", "a\ufffdb"),
            ("a control character", b"a\x01b", "ab"),
            ("the same as a reference", b"a&#1;b&#0;", "ab"),
        )
        for label, raw, text in rows:
            with self.subTest(label):
                body = smssync.parse_body(b"<p><message>" + raw + b"</message></p>")
                self.assertEqual(body.values["message"], text)

    def test_unreadable_bytes_are_told(self):
        """Bytes that are not UTF-8 are replaced, and the body says so."""
        rows = (
            b"message=a%FFb",
            b'{"message":"a\xffb"}',
            b"<p><message>a\xffb</message></p>",
        )
        for raw in rows:
            with self.subTest(raw):
                self.assertEqual(
                    smssync.parse_body(raw), ({"message": "a\ufffdb"}, False)
                )

    def test_json_of_the_manual(self):
        """JSON with commas missing or too many, as in the manual, is read."""
        self.assertNotEqual(samples.RESULTS_MANUAL_BROKEN, samples.RESULTS_MANUAL)
        with self.assertRaises(ValueError):
            json.loads(samples.RESULTS_MANUAL_BROKEN)
        self.assertEqual(
            smssync.load_json(samples.RESULTS_MANUAL_BROKEN.decode()),
            smssync.load_json(samples.RESULTS_MANUAL.decode()),
        )
        self.assertEqual(
            smssync.load_json('{"a" : ["b" "c",], "d": {"e": 1 "f": null,},}'),
            {"a": ["b", "c"], "d": {"e": "1", "f": None}},
        )


@tagged("post_install", "-at_install")
class TestRequest(BaseCase):
    """What a request is."""

    def assertKind(self, rows):
        for label, data, kind in rows:
            with self.subTest(label):
                self.assertEqual(smssync.read_request(data).kind, kind)

    def test_must_05_dispatch(self):
        """Each request of each version is told apart, in the one order."""
        rows = (
            ("A", call(body=samples.FORM_3X), "inbound"),
            ("A, PUT", call(body=samples.FORM_3X, method="PUT"), "inbound"),
            ("A, JSON", call(body=samples.JSON_3X), "inbound"),
            ("A, XML", call(body=samples.XML_3X), "inbound"),
            ("A, curl", call(body=samples.MULTIPART, version=""), "inbound"),
            ("B", call("task=send&secret=x"), "offer"),
            ("B without a secret", call("task=send"), "offer"),
            ("B at a URL with a query", call("site=7?task=send"), "offer"),
            (
                "B of 3.0.x with the text before",
                call("task=send&secret=x", samples.FORM_3X, version="3.0.4"),
                "offer",
            ),
            ("B with a broken body", call("task=send", b"{", version="3.0.0"), "offer"),
            (
                "B with a stale result",
                call("task=send", samples.RESULT_28, version="3.0.0"),
                "offer",
            ),
            ("C", call("task=sent", samples.CLAIM), "claim"),
            ("C on the address of E", call("task=result", samples.CLAIM), "claim"),
            ("D", call("task=result&secret=x"), "ask"),
            ("D, polluted", call("task=result?Task=alert&message=x"), "ask"),
            ("E", call("task=result&secret=x", samples.RESULT_28), "report"),
            ("E of 2.7", call("task=sent", samples.RESULT_28, version="2.7"), "report"),
            ("E of the manual", call("task=result", samples.RESULTS_MANUAL), "report"),
            (
                "E, nothing to report",
                call("task=result", b'{"message_result":"[]"}'),
                "report",
            ),
            ("F", call(body=samples.TEST_3X), "test"),
            ("G", call(body=samples.BATTERY_2X, version="2.8.3"), "alert"),
            ("H", call(version="2.8.3"), "ping"),
            ("H with another query", call("site=7"), "ping"),
            ("an unknown task", call("task=delete"), "other"),
            ("nothing that is known", call(body=b"a=b"), "other"),
            ("a text without a sender", call(body=b"message=x&secret=y"), "other"),
        )
        self.assertKind(rows)

    def test_must_28_stale_bodies(self):
        """What the battery alert of 3.x posts again claims nothing and is no text."""
        rows = (
            ("a claim", call(body=samples.CLAIM), "alert"),
            ("a result", call(body=samples.RESULT_311), "alert"),
            ("nothing", call(method="POST"), "alert"),
            ("nothing, not 3.x", call(method="POST", version="2.8.3"), "other"),
            # A text is dropped by its id, a test is shown again.
            ("a text", call(body=samples.FORM_3X), "inbound"),
            ("a test", call(body=samples.TEST_3X), "test"),
        )
        self.assertKind(rows)

    def test_must_28_test_button(self):
        """The test button is known in each format; no other text is taken for it."""
        text = const.TEST_MESSAGE
        rows = (
            ("form", call(body=samples.TEST_3X), "test"),
            (
                "JSON",
                call(
                    body=json.dumps({"from": const.TEST_FROM, "message": text}).encode()
                ),
                "test",
            ),
            (
                "XML",
                call(
                    body=f"<payload><from>{const.TEST_FROM}</from><message>{text}"
                    "</message></payload>".encode()
                ),
                "test",
            ),
            (
                "a plus that became a blank",
                call(body=f"from=+000000000000&message={text}".encode()),
                "test",
            ),
            ("another sender", call(body=f"from=1&message={text}".encode()), "inbound"),
            ("another text", call(body=b"from=%2B000000000000&message=x"), "inbound"),
        )
        self.assertKind(rows)

    def test_must_06_where_the_secret_is(self):
        """The secret is read where a request carries it, and only there."""
        rows = (
            ("A", call(body=samples.FORM_3X), SECRET),
            ("A, empty", call(body=b"from=1&message=x&secret="), ""),
            ("A, none", call(body=b"from=1&message=x"), None),
            ("A, in the query", call("secret=x", b"from=1&message=x"), None),
            ("B", call("task=send&secret=a%20b"), "a b"),
            ("B, none", call("task=send"), None),
            ("B, in a stale body", call("task=send", samples.FORM_3X), None),
            ("C", call("task=sent&secret=x", samples.CLAIM), None),
            ("D", call("task=result&secret=a?secret=b"), "a"),
            ("E", call("task=result&secret=x", samples.RESULT_28), "x"),
            ("F", call(body=samples.TEST_3X), SECRET),
            ("G", call("secret=x", samples.BATTERY_2X), None),
            ("H", call("secret=x"), None),
        )
        for label, data, secret in rows:
            with self.subTest(label):
                self.assertEqual(smssync.read_request(data).secret, secret)

    def test_renamed_keys(self):
        """Renamed keys are read by the setting; the app's own names serve meanwhile."""
        names = smssync.read_key_names("from=sender, message = text\nsecret=pin,")
        self.assertEqual(names, {"from": "sender", "message": "text", "secret": "pin"})
        rows = (
            (b"sender=1&text=x&pin=y", ("1", "x", "y")),
            (b"from=1&message=x&secret=y", ("1", "x", "y")),
        )
        for body, expected in rows:
            with self.subTest(body):
                request = smssync.read_request(call(body=body), names)
                values = request.values
                found = (values["from"], values["message"], request.secret)
                self.assertEqual(found, expected)
        swapped = smssync.read_key_names("from=message,message=from")
        request = smssync.read_request(call(body=b"from=text&message=1"), swapped)
        self.assertEqual(request.values, {"from": "1", "message": "text"})
        for bad in (
            "sender",
            "from=",
            "from=a b",
            "body=x",
            "from=a,from=b",
            "from=a,message=a",
        ):
            with self.subTest(bad), self.assertRaises(ValueError):
                smssync.read_key_names(bad)

    def test_versions(self):
        """The version comes from the user agent, whatever else that says."""
        rows = (
            ("SMSSync-Android/v3.1.1", (3, 1, 1)),
            ("SMSSync-Android/v2.7", (2, 7)),
            ("SMSSync-Android/v2.7.0", (2, 7)),
            ("SMSSync-Android/2.8.3", (2, 8, 3)),
            ("x SMSSync-Android/v3 y", (3, 0)),
            ("curl/8.5.0", ()),
            ("SMSSync-Android/v", ()),
            ("SMSSync-Android/v" + "9" * 5000, (999,) + (0,)),
            ("", ()),
            (None, ()),
        )
        for text, version in rows:
            with self.subTest(text):
                self.assertEqual(smssync.parse_version(text), version)
        self.assertEqual(smssync.format_version((3, 1, 1)), "3.1.1")

    def test_must_12_time(self):
        """Times are milliseconds as text or number; what is none of them is no time."""
        good = datetime(2025, 1, 1)
        rows = (
            ("1735689600123", good),
            (" 1735689600000 ", good),
            ("1735689600123.0", good),
            ("1.735689600123E12", good),
            # Seconds, as the manual has it: 1970 if taken at its word.
            ("1735689600", None),
            ("9" * 17, None),
            ("9" * 5000, None),
            ("4102444800000", None),
            ("-1735689600123", None),
            ("1e400", None),
            ("nane", None),
            ("0", None),
            ("", None),
            (None, None),
            ("Jan 1, 2025", None),
            ("\u0661" * 13, None),
        )
        for text, expected in rows:
            with self.subTest(text):
                self.assertEqual(smssync.read_time(text, NOW), expected)
        numbers = call(body=b'{"from":"1","message":2,"sent_timestamp":1735689600123}')
        values = smssync.read_request(numbers).values
        self.assertEqual(smssync.read_time(values["sent_timestamp"], NOW), good)
        self.assertEqual(values["message"], "2")

    def test_must_11_key(self):
        """The id makes the text; without it sender, words and time do."""
        key = smssync.message_key
        one = {"from": "1", "message": "Yes", "message_id": "a", "sent_timestamp": "5"}
        self.assertEqual(key(one, NOW), key({**one, "message": "No", "from": "2"}, NOW))
        self.assertNotEqual(key(one, NOW), key({**one, "message_id": "b"}, NOW))
        bare = {**one, "message_id": ""}
        self.assertEqual(key(bare, NOW), key(dict(bare), datetime(2027, 1, 1)))
        for name in ("from", "message", "sent_timestamp"):
            with self.subTest(name):
                self.assertNotEqual(key(bare, NOW), key({**bare, name: "x"}, NOW))
        # No time either: the same words a week later are another text.
        bare["sent_timestamp"] = ""
        self.assertEqual(key(bare, NOW), key(bare, NOW.replace(second=50)))
        self.assertNotEqual(key(bare, NOW), key(bare, NOW.replace(day=9)))

    def test_claimed_references(self):
        """A claim keeps what can be a reference, once each; the rest is ignored."""
        rows = (
            (list(UUIDS), UUIDS),
            ([UUIDS[0], None, UUIDS[1], UUIDS[0]], UUIDS[:2]),
            (json.dumps(list(UUIDS)), UUIDS),
            (["a b", "", "\x00", "x" * 65, "\ud800", 7, True, [], {}], ()),
            (None, ()),
            ({}, ()),
            ("{", ()),
            ([], ()),
        )
        for value, expected in rows:
            with self.subTest(str(value)[:60].encode("ascii", "replace")):
                self.assertEqual(smssync.read_references(value), expected)

    def test_battery(self):
        """The charge is the number at the end, if it can be one."""
        rows = (
            ("Battery level is at 12", 12),
            ("Akku bei 7 %.", 7),
            ("Battery level is at 100%", 100),
            ("Battery level is at 120", None),
            ("Battery low", None),
            ("12 left", None),
            ("", None),
            (None, None),
        )
        for text, percent in rows:
            with self.subTest(text):
                self.assertEqual(smssync.read_battery(text), percent)


@tagged("post_install", "-at_install")
class TestResults(BaseCase):
    """What a phone says about texts."""

    def test_must_24_forms(self):
        """Results come in the singular and plural, as a list and as a text."""
        element = {
            "uuid": UUIDS[0],
            "sent_result_code": -1,
            "sent_result_message": "SMS sent",
        }
        rows = (
            ("list", [element]),
            ("text", json.dumps([element])),
            ("text in a text", json.dumps(json.dumps([element]))),
            ("one object", element),
            ("one object as a text", json.dumps(element)),
            ("wrapped once more", json.dumps({"message_result": [element]})),
            (
                "escaped as Gson does it",
                json.dumps([element]).replace("SMS sent", "SMS\\u0020sent"),
            ),
            ("a comma missing", json.dumps([element]).replace("-1,", "-1 ")),
            ("numbers as text", [{**element, "sent_result_code": "-1"}]),
            ("numbers with a fraction", [{**element, "sent_result_code": "-1.0"}]),
            (
                "with bad elements",
                [None, 1, "x", [], {}, {"uuid": 7}, {"uuid": "\x00"}, element],
            ),
            ("a field too many", [{**element, "sent_timestamp": "Jan 1, 2025"}]),
        )
        for label, value in rows:
            with self.subTest(label):
                results = smssync.read_results(value)
                self.assertEqual([r.uuid for r in results], [UUIDS[0]])
                self.assertEqual(results[0].state, "sent")
        for value in ("[]", [], None, "", "{", "7", 7, "null", True):
            with self.subTest(value):
                self.assertEqual(smssync.read_results(value), [])

    def test_must_24_printed_bodies(self):
        """The bodies that versions really send, and the manual's, are understood."""
        manual = [
            ("052bf515-ef6b-f424-c4ee", "sent", None),
            ("aada21b0-0615-4957-bcb3", "delivered", None),
            ("1ba368bd-c467-4374-bf28", "undelivered", "not_delivered"),
            ("95df126b-ee80-4175-a6fb", "undelivered", "not_reached"),
        ]
        rows = (
            (samples.RESULT_28, (2, 8, 3), [(UUIDS[0], "delivered", None)]),
            (samples.RESULT_311, (3, 1, 1), [(UUIDS[1], "undelivered", "not_reached")]),
            (b'{"message_result":"[]"}', (2, 8, 3), []),
            (samples.RESULTS_MANUAL, (), manual),
            (samples.RESULTS_MANUAL_BROKEN, (), manual),
        )
        for body, version, expected in rows:
            with self.subTest(body[:80]):
                request = smssync.read_request(call("task=result", body, version=""))
                results = smssync.read_results(request.results, version)
                found = [(r.uuid, r.state, r.failure_type) for r in results]
                self.assertEqual(found, expected)

    def test_must_25_codes(self):
        """Codes are Android's; words come last; a failure to send outranks the rest."""
        radio = "Failed to send SMS because radio was explicitly turned off"
        rows = (
            # sent code, its text, delivered code, its text, version -> state
            (-1, "SMS sent", None, None, "", "sent"),
            (-1, "SMS sent", -2, None, "2.7.2", "sent"),
            (-1, "SMS sent", 0, "", "2.8.3", "sent"),
            (-1, "", None, None, "", "sent"),
            (-1, "SMS sent", -1, "SMS delivered", "2.8.3", "delivered"),
            (-1, "SMS sent", -1, "SMS zugestellt", "2.8.3", "delivered"),
            (-1, "SMS sent", -1, "", "", "sent"),
            (-1, "SMS sent", 0, "SMS not delivered", "2.8.3", "undelivered"),
            (-1, "SMS sent", 0, "SMS nicht zugestellt", "2.8.3", "undelivered"),
            (0, "SMSSync Message Sent", 0, "SMS Delivered", "", "delivered"),
            (0, "SMSSync Message Sent", -1, "", "", "sent"),
            (1, "x", None, None, "", "undelivered/not_delivered"),
            (2, "x", None, None, "", "undelivered/not_reached"),
            (3, "x", None, None, "", "undelivered/unreadable"),
            (4, "No service", -1, "", "", "undelivered/not_reached"),
            (5, None, None, None, "", "undelivered/rejected"),
            (99, "", None, None, "", "undelivered/not_delivered"),
            (1, "x", -1, "SMS delivered", "2.8.3", "undelivered/not_delivered"),
            (0, radio, 0, None, "3.1.1", "undelivered/not_reached"),
            (0, radio + ".", 0, None, "2.8.3", "undelivered/not_reached"),
            (0, "SMS sent", None, None, "2.8.3", "sent"),
            (-2, None, -2, None, "2.7.2", None),
            (0, None, 0, None, "2.8.3", None),
            (0, "", 0, "", "3.1.1", None),
            (
                0,
                GERMAN,
                None,
                None,
                "3.0.4",
                "undelivered/not_delivered",
            ),
            (0, GERMAN, None, None, "3.0.3", None),
            (0, GERMAN, None, None, "", None),
            (None, None, None, None, "", None),
            ("x", None, "y", None, "", None),
            (True, "", True, "", "", None),
        )
        for sent, text, delivered, delivered_text, version, expected in rows:
            label = (sent, text, delivered, delivered_text, version)
            with self.subTest(label):
                element = {
                    "uuid": UUIDS[0],
                    "sent_result_code": sent,
                    "sent_result_message": text,
                    "delivered_result_code": delivered,
                    "delivered_result_message": delivered_text,
                }
                # Null fields are left out from 2.8 on.
                short = {k: v for k, v in element.items() if v is not None}
                version = tuple(map(int, version.split("."))) if version else ()
                for each in (element, short):
                    result = smssync.read_result(each, version)
                    if expected is None:
                        self.assertIsNone(result)
                        continue
                    state, _sep, failure = expected.partition("/")
                    self.assertEqual(result.state, state)
                    if failure:
                        self.assertEqual(result.failure_type, failure)

    def test_must_26_what_versions_report(self):
        """Nobody waits for a report that a version does not make."""
        rows = (
            ((2, 6, 1), set()),
            ((2, 7), {"sent", "undelivered", "delivered"}),
            ((2, 7, 3), {"sent", "undelivered", "delivered"}),
            ((2, 8, 3), {"sent", "delivered"}),
            ((3, 0), {"sent", "delivered"}),
            ((3, 0, 3), {"sent", "delivered"}),
            ((3, 0, 4), set()),
            ((3, 1, 1), set()),
            ((), set()),
        )
        for version, expected in rows:
            with self.subTest(version):
                self.assertEqual(smssync.reports_of(version), expected)

    def test_must_22_versions_without_acknowledgement(self):
        """2.6.1 cannot acknowledge; one that says nothing may."""
        rows = (((2, 6, 1), False), ((2, 7), True), ((3, 1, 1), True), ((), True))
        for version, expected in rows:
            with self.subTest(version):
                self.assertEqual(smssync.has_results_api(version), expected)

    def test_must_14_versions_for_instant_replies(self):
        """Only versions 2.x that say so may get texts with the answer to a text."""
        rows = (((2, 6, 1), True), ((2, 8, 3), True), ((3, 0), False), ((), False))
        for version, expected in rows:
            with self.subTest(version):
                self.assertEqual(smssync.may_reply_at_once(version), expected)


@tagged("post_install", "-at_install")
class TestAnswers(BaseCase):
    """Every answer, word by word."""

    offers = ((UUIDS[0], "+12025550143", "Hello"),)

    def test_reference_answers(self):
        """Each answer is, letter by letter, the one that is safe for all versions."""
        message = {"to": "+12025550143", "message": "Hello", "uuid": UUIDS[0]}
        rows = (
            (
                "A accepted",
                smssync.answer_stored(),
                {"success": "true", "error": None, "messages": []},
            ),
            (
                "A with replies",
                smssync.answer_stored(self.offers),
                {
                    "success": "true",
                    "error": None,
                    "messages": [message],
                    "task": "send",
                },
            ),
            (
                "A refused",
                smssync.answer_not_stored("readable text"),
                {"success": False, "error": "readable text", "messages": []},
            ),
            (
                "B with work",
                smssync.answer_offer(SECRET, self.offers, (3, 1, 1)),
                {
                    "success": True,
                    "task": "send",
                    "secret": SECRET,
                    "messages": [message],
                },
            ),
            (
                "B idle",
                smssync.answer_offer(SECRET, (), (3, 1, 1)),
                {"success": True, "task": "send", "secret": SECRET, "messages": []},
            ),
            (
                "B refused",
                smssync.answer_refused("readable text"),
                {
                    "success": False,
                    "error": "readable text",
                    "task": "",
                    "secret": "",
                    "messages": [],
                },
            ),
            (
                "E, G",
                smssync.answer_taken(),
                {"success": True, "error": None, "messages": []},
            ),
        )
        for label, body, payload in rows:
            with self.subTest(label):
                self.assertEqual(json.loads(body), {"payload": payload})
                kind = "offer" if label.startswith("B") else "inbound"
                samples.check_document(self, body, kind=kind)
        self.assertEqual(
            json.loads(smssync.answer_references(UUIDS)), {"message_uuids": list(UUIDS)}
        )
        self.assertEqual(json.loads(smssync.answer_references()), {"message_uuids": []})
        samples.check_document(self, smssync.NEUTRAL, kind="offer")

    def test_must_16_idle(self):
        """An idle poll has task, secret and a list; two versions get no task."""
        for version, task in (
            ((2, 7), ""),
            ((2, 7, 1), ""),
            ((2, 7, 2), "send"),
            ((2, 6, 1), "send"),
            ((3, 1, 1), "send"),
            ((), "send"),
        ):
            with self.subTest(version):
                body = smssync.answer_offer(SECRET, (), version)
                document = samples.check_document(self, body, kind="offer")
                self.assertEqual(document["payload"]["task"], task)
                busy = json.loads(smssync.answer_offer(SECRET, self.offers, version))
                self.assertEqual(busy["payload"]["task"], "send")

    def test_must_17_messages(self):
        """A text has three fields, all of them text; an incomplete one is left out."""
        offers = (
            *self.offers,
            (UUIDS[1], "", "x"),
            (UUIDS[1], "+12025550144", ""),
            ("", "+12025550144", "x"),
        )
        document = json.loads(smssync.answer_offer(SECRET, offers, (3, 1, 1)))
        self.assertEqual(
            document["payload"]["messages"],
            [{"to": "+12025550143", "message": "Hello", "uuid": UUIDS[0]}],
        )

    def test_must_08_texts_that_look_like_json(self):
        """Whatever a text holds, the answer is one document in ASCII."""
        for text in ('"}]}', "<html>", "\u2028😀\ud800", "a\x00b", "\\", "\n\r\t"):
            with self.subTest(text.encode("ascii", "replace")):
                body = smssync.answer_offer("s", ((UUIDS[0], "+1202", text),))
                document = samples.check_document(self, body, kind="offer")
                self.assertEqual(document["payload"]["messages"][0]["message"], text)

    def test_must_31_setup_code(self):
        """The QR code holds the JSON that the app's scanner reads."""
        url = "https://odoo.example.com/sms_gateway/k7Qm2xV9/poll/"
        text = smssync.setup_code("Odoo SMS", url, SECRET)
        self.assertEqual(
            json.loads(text), {"title": "Odoo SMS", "url": url, "secret": SECRET}
        )
