# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Requests as the app makes them, and the checks that every answer must pass.

Bodies are shaped as versions 2.6.1 to 3.1.1 shape them; the values are invented.
"""

import json

from odoo.addons.sms_gateway_hub.tools.gateway_data import WebhookData

SECRET = "s3cretKey9"
UUIDS = (
    "7d4c0f2a-9f4e-4c55-a3a1-0b8c8b1f6e01",
    "7d4c0f2a-9f4e-4c55-a3a1-0b8c8b1f6e02",
    "7d4c0f2a-9f4e-4c55-a3a1-0b8c8b1f6e03",
)
MESSAGE_ID = "5b0f7b1e-6b0a-4a38-9a77-2f1f3f5a7c11"

FORM_3X = (
    b"secret=s3cretKey9&from=%2B12025550143&message=Yes%20%26%20thanks%20%2B1"
    b"&sent_timestamp=1735689600123&sent_to=&message_id=" + MESSAGE_ID.encode()
) + b"&device_id=12"
FORM_2X = FORM_3X.replace(b"%20", b"+")
JSON_3X = (
    b'{"message":"Open 9\\/12?","secret":"s3cretKey9","from":"INFOBANK","message_id":'
    b'"c2d9e0a4-18f5-4c0e-8f0b-7d1b9c6a2e55","sent_timestamp":"1735689723000",'
    b'"sent_to":"","device_id":"12"}'
)
XML_3X = (
    b"<?xml version='1.0' encoding='UTF-8' standalone='yes' ?><payload><secret>"
    b"s3cretKey9</secret><from>+12025550143</from><message>Stop</message>"
    b"<sent_timestamp>1735689800000</sent_timestamp><sent_to></sent_to><message_id>"
    b"0e8b5f8c-5a53-4f0f-b1b1-51f0f1f7d3a9</message_id><device_id>12</device_id>"
    b"</payload>"
)
# curl -F, as in the app's manual.
MULTIPART = (
    b'--X\r\nContent-Disposition: form-data; name="from"\r\n\r\n09048370465\r\n'
    b'--X\r\nContent-Disposition: form-data; name="message"\r\n\r\nsample text message'
    b'\r\n--X\r\nContent-Disposition: form-data; name="secret"\r\n\r\ns3cretKey9\r\n'
    b"--X--\r\n"
)
TEST_3X = (
    b"secret=s3cretKey9&from=%2B000000000000"
    b"&message=Test%20Message%20From%20SMSSync%20Integration"
)
BATTERY_2X = b"Task=alert&message=Battery+level+is+at+12"
CLAIM = json.dumps({"queued_messages": list(UUIDS)}).encode()
RESULT_28 = (
    b'{"message_result":"[{\\"uuid\\":\\"7d4c0f2a-9f4e-4c55-a3a1-0b8c8b1f6e01\\",'
    b'\\"sent_result_code\\":-1,\\"sent_result_message\\":\\"SMS sent\\",'
    b'\\"delivered_result_code\\":-1,\\"delivered_result_message\\":\\"SMS delivered'
    b'\\"}]"}'
)
RESULT_311 = (
    b'{"message_result":"[{\\"uuid\\":\\"7d4c0f2a-9f4e-4c55-a3a1-0b8c8b1f6e02\\",'
    b'\\"sent_result_code\\":0,\\"sent_result_message\\":\\"Failed to send SMS because '
    b'radio was explicitly turned off\\",\\"delivered_result_code\\":0,'
    b'\\"sent_timestamp\\":\\"Jan 1, 2025 1:05:00 PM\\"}]"}'
)
# The form of the app's manual, commas as they should be.
RESULTS_MANUAL = json.dumps(
    {
        "message_results": [
            {
                "uuid": "052bf515-ef6b-f424-c4ee",
                "sent_result_code": 0,
                "sent_result_message": "SMSSync Message Sent",
                "delivered_result_code": -1,
                "delivered_result_message": "",
            },
            {
                "uuid": "aada21b0-0615-4957-bcb3",
                "sent_result_code": 0,
                "sent_result_message": "SMSSync Message Sent",
                "delivered_result_code": 0,
                "delivered_result_message": "SMS Delivered",
            },
            {
                "uuid": "1ba368bd-c467-4374-bf28",
                "sent_result_code": 1,
                "sent_result_message": "Failed to send SMS - Maybe insufficient air "
                "time on the phone.",
                "delivered_result_code": -1,
                "delivered_result_message": "",
            },
            {
                "uuid": "95df126b-ee80-4175-a6fb",
                "sent_result_code": 4,
                "sent_result_message": "No service",
                "delivered_result_code": -1,
                "delivered_result_message": "",
            },
        ]
    },
    indent=2,
).encode()
# As it is printed: a comma is missing in each result, and one is too many.
RESULTS_MANUAL_BROKEN = (
    RESULTS_MANUAL.replace(b'Sent",', b'Sent"')
    .replace(b'service",', b'service"')
    .replace(b"}\n  ]", b"},\n  ]")
)

BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
    b"<payload><from>&b;</from><message>&b;</message></payload>"
)
EXTERNAL = (
    b'<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    b"<payload><secret>s3cretKey9</secret><from>+12025550143</from>"
    b"<message>&x;</message></payload>"
)
# Bodies that nobody sends by mistake.
HOSTILE = (
    ("NUL bytes", b"\x00" * 1000),
    ("NUL in a form", b"from=%00&message=%00&secret=%00"),
    ("NUL in JSON", b'{"from":"\\u0000","message":"\\u0000"}'),
    ("half a surrogate pair", b'{"from":"\\ud800","message":"\\udfff"}'),
    ("20,000 brackets", b'{"from":' + b"[" * 20000),
    ("nested objects", b'{"a":' * 10000 + b"1" + b"}" * 10000),
    ("nested elements", b"<a>" * 9000 + b"</a>" * 9000),
    ("64 KiB of nothing", b"a" * 65536),
    ("64 KiB of separators", b"&" * 65536),
    ("a quote that never ends", b'{"' + b"\\" * 65000),
    ("brackets for the mender", b'{"a" ' + b"{" * 65000),
    ("XML with entities", BOMB),
    ("XML with an external entity", EXTERNAL),
    ("XML that is none", b"<payload><from>x"),
    ("bytes that are not UTF-8", b"\xff\xfe\xfd"),
    ("a huge number", b'{"from":' + b"9" * 20000 + b"}"),
    ("numbers that are none", b'{"from":NaN,"message":Infinity}'),
    ("lists as values", b'{"from":["a"],"message":{"b":1},"secret":[[]]}'),
    ("a list", b'["from"]'),
    ("null", b"null"),
    ("two documents", b'{"from":"a"}{"message":"b"}'),
    ("half a multipart", b"--X\r\nContent-Disposition: form-data; name=\r\n"),
    ("results that are none", b'{"message_result":{"a":[{"uuid":7}]}}'),
    ("results of nulls", b'{"message_results":[null,1,"x",[],{"uuid":null}]}'),
    ("a claim that is none", b'{"queued_messages":{"a":1}}'),
    ("a claim of NUL", b'{"queued_messages":["\\u0000",null,[],{}]}'),
)


def agent(version):
    return {"user-agent": f"SMSSync-Android/v{version}"} if version else {}


def call(
    query="", body=b"", *, method=None, version="3.1.1", headers=None, content_type=""
):
    """Build a call as the route hands it over."""
    return WebhookData(
        method=method or ("POST" if body else "GET"),
        raw_query=query.encode() if isinstance(query, str) else query,
        raw_body=body,
        headers={**agent(version), **(headers or {})},
        content_type=content_type,
    )


def check_document(test, body, *, kind="", label=""):
    """Assert that an answer is one document that crashes no version of the app.

    From the table of what crashes which version: no HTML, one document, an object
    with an object in ``payload``; for a poll always ``task``, ``secret`` and a list of
    messages with three texts each; never a number for ``success``.

    :return: the document
    """
    test.assertIsInstance(body, bytes, label)
    text = body.decode("ascii")
    test.assertEqual(text, text.strip(), label)
    document = json.loads(text)
    test.assertIsInstance(document, dict, label)
    if kind in ("claim", "ask", "other", "") and "message_uuids" in document:
        test.assertIsInstance(document["message_uuids"], list, label)
        test.assertTrue(
            all(isinstance(ref, str) and ref for ref in document["message_uuids"])
        )
        return document
    payload = document["payload"]
    test.assertIsInstance(payload, dict, label)
    # The number 1 equals True for Python, but not for the app.
    test.assertIsInstance(payload["success"], bool | str, label)
    test.assertIn(payload["success"], (True, False, "true"), label)
    test.assertIsInstance(payload.get("error"), str | None, label)
    test.assertIsInstance(payload["messages"], list, label)
    if kind == "offer":
        test.assertIn(payload["task"], ("", "send"), label)
        test.assertIsInstance(payload["secret"], str, label)
    for message in payload["messages"]:
        test.assertEqual(set(message), {"to", "message", "uuid"}, label)
        test.assertTrue(all(isinstance(v, str) and v for v in message.values()), label)
    return document
