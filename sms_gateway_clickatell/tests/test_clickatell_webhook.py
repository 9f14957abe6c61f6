# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Callbacks of the three APIs, a row for each form, over real HTTP."""

import json
from base64 import b64encode
from datetime import datetime
from urllib.parse import quote, quote_plus

from odoo.addons.sms_gateway_hub.tests.common import NUMBERS, UUIDS
from odoo.addons.sms_gateway_hub.tests.gateway_cases import (
    GatewayWebhookCases,
    WebhookCase,
)

from .common import CALLBACK_LOGIN, HTTP, ONE, PLATFORM, TO

FORM = "application/x-www-form-urlencoded"
UNREADABLE = {"status": 400, "events": [{"kind": "unreadable", "state": "unreadable"}]}


class WithLogin:
    """Callbacks with the user name and password that stand beside the addresses."""

    secret_fields = ("clickatell_callback_password",)

    def sign(self, gateway, callback):
        gateway = gateway.sudo()
        login = (
            f"{gateway.clickatell_callback_user}:{gateway.clickatell_callback_password}"
        )
        token = b64encode(login.encode()).decode()
        callback.headers["Authorization"] = f"Basic {token}"


def xml(name, **fields):
    """Return a callback in XML."""
    children = "".join(f"<{k}>{v}</{k}>" for k, v in fields.items())
    return f'<?xml version="1.0"?>\n<{name}>{children}</{name}>'


def soap(name, namespace, encoding="ISO-8859-1", **fields):
    """Return a callback in SOAP, as bytes in its encoding."""
    children = "".join(f"<{k}>{v}</{k}>" for k, v in fields.items())
    return (
        f'<?xml version="1.0" encoding="{encoding}"?>\n'
        '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"'
        f' xmlns:tns="{namespace}"><SOAP-ENV:Body><tns:{name}>{children}</tns:{name}>'
        "</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    ).encode(encoding)


def query(*pairs, **fields):
    """Return fields as a query; values are percent-encoded."""
    pairs = [*pairs, *fields.items()]
    return "&".join(f"{k.rstrip('_')}={quote_plus(v)}" for k, v in pairs)


# --------------------------------------------------------------------------
# Central API (HTTP)
# --------------------------------------------------------------------------


def report(status="004", **fields):
    return query(
        **{
            "api_id": "12345",
            "apiMsgId": "REF-1",
            "cliMsgId": "",
            "timestamp": "1218007814",
            "to": TO[0],
            "from": "27833001171",
            "status": status,
            "charge": "0.300000",
            **fields,
        }
    )


def http_statuses():
    """Rows of every status, in all the spellings that were seen."""
    outcomes = {
        "001": ("unknown", "sent", False),
        "002": ("sent", "sent", False),
        "003": ("sent", "sent", False),
        "004": ("delivered", "delivered", False),
        "005": ("undelivered", "undelivered", "rejected"),
        "006": ("undelivered", "undelivered", "canceled"),
        "007": ("undelivered", "undelivered", "not_delivered"),
        "008": ("sent", "sent", False),
        "009": ("undelivered", "undelivered", "not_delivered"),
        "010": ("expired", "expired", "expired"),
        "011": ("sent", "sent", False),
        "012": ("undelivered", "undelivered", "account"),
        "013": ("undelivered", "undelivered", "rejected"),
        "014": ("undelivered", "undelivered", "account"),
        # Hex where there is a letter, else decimal.
        "00A": ("expired", "expired", "expired"),
        "0x00B": ("sent", "sent", False),
        "00c": ("undelivered", "undelivered", "account"),
        "0x00E": ("undelivered", "undelivered", "account"),
        "4": ("delivered", "delivered", False),
        "0004": ("delivered", "delivered", False),
        # Unknown ones keep the state, and are answered like all others.
        "015": ("unknown", "sent", False),
        "999": ("unknown", "sent", False),
        "00F": ("unknown", "sent", False),
        "perhaps": ("unknown", "sent", False),
    }
    for status, (reported, state, failure_type) in outcomes.items():
        yield WebhookCase(
            f"status {status}",
            query=report(status),
            method="GET",
            events=[{"report_state": reported}],
            state=state,
            message={"failure_type": failure_type},
        )


class TestHttpReports(WithLogin, GatewayWebhookCases):
    """Delivery reports of the Central API by GET, as its readme recommends."""

    gateway_values = {**HTTP, **CALLBACK_LOGIN}
    report_query = report()
    report_body = report().encode()
    unknown_query = report(apiMsgId="REF-9")
    unknown_body = unknown_query.encode()
    content_type = FORM
    cases = [
        *http_statuses(),
        WebhookCase(
            "by GET, with cost and time",
            query=report(),
            method="GET",
            answer=b"OK",
            events=[
                {
                    "kind": "report",
                    "external_ref": "REF-1",
                    "report_state": "delivered",
                    "provider_code": "004",
                    "cost": 0.3,
                    "cost_unit": "credits",
                    "occurred_at": datetime(2008, 8, 6, 7, 30, 14),
                }
            ],
            state="delivered",
            message={
                "cost": 0.3,
                "cost_unit": "credits",
                "delivered_at": datetime(2008, 8, 6, 7, 30, 14),
            },
        ),
        WebhookCase("by POST", body=report(), content_type=FORM, state="delivered"),
        WebhookCase(
            "by POST, no type", body=report(), content_type="", state="delivered"
        ),
        WebhookCase(
            "on the address for texts",
            query=report(),
            method="GET",
            action="inbound",
            state="delivered",
        ),
        WebhookCase(
            "by our own id, which came before the answer to the request",
            query=report(apiMsgId="NEW", cliMsgId=UUIDS[0]),
            method="GET",
            state="delivered",
        ),
        WebhookCase(
            "an id of another program is none of ours",
            query=report(cliMsgId="abc123"),
            method="GET",
            events=[{"message_uuid": False}],
            state="delivered",
        ),
        WebhookCase(
            "only what is needed",
            query="apiMsgId=REF-1&status=004",
            method="GET",
            state="delivered",
            message={"cost": 0.0},
        ),
        WebhookCase(
            "names in another case",
            query="APIMSGID=REF-1&Status=004&CLIMSGID=",
            method="GET",
            state="delivered",
        ),
        WebhookCase(
            "fields that nobody knows, and one that comes twice: the first counts",
            query="apiMsgId=REF-1&status=004&status=007&x=&=y&z",
            method="GET",
            state="delivered",
        ),
        WebhookCase(
            "a cost and a time that are none",
            query=report(charge="free", timestamp="soon"),
            method="GET",
            events=[{"occurred_at": False, "cost": 0.0}],
            state="delivered",
        ),
        WebhookCase(
            "the same status twice is one event, another one is a second",
            body=[report("003"), report("003", timestamp="1218007999"), report()],
            content_type=FORM,
            events=[{"report_state": "sent"}, {"report_state": "delivered"}],
            state="delivered",
        ),
        WebhookCase(
            "words for people",
            query=report("012"),
            method="GET",
            state="undelivered",
            message={
                "failure_reason": "The account at Clickatell has no credit left: top "
                "it up."
            },
        ),
        WebhookCase(
            "XML in the field data, by GET",
            query=query(
                data=xml(
                    "callback",
                    apiMsgId="REF-1",
                    cliMsgId="",
                    timestamp="1218008129",
                    to=TO[0],
                    **{"from": "27833001171"},
                    charge="0.300000",
                    status="004",
                )
            ),
            method="GET",
            events=[{"cost": 0.3, "occurred_at": datetime(2008, 8, 6, 7, 35, 29)}],
            state="delivered",
        ),
        WebhookCase(
            "XML in the field data, by POST",
            body=query(data=xml("callback", apiMsgId="REF-1", status="004")),
            content_type=FORM,
            state="delivered",
        ),
        WebhookCase(
            "XML as the body",
            body=xml("callback", apiMsgId="REF-1", status="004"),
            content_type="text/xml",
            state="delivered",
        ),
        WebhookCase(
            "SOAP in the field data, names in lower case",
            body=b"data="
            + quote(
                soap(
                    "mt_callback",
                    "mt_callback",
                    api_id="12345",
                    apimsgid="REF-1",
                    climsgid="abc123",
                    to=TO[0],
                    timestamp="1213690834",
                    status="004",
                    charge="0.300000",
                )
            ).encode(),
            content_type=FORM,
            events=[{"cost": 0.3, "occurred_at": datetime(2008, 6, 17, 8, 20, 34)}],
            state="delivered",
        ),
        WebhookCase(
            "SOAP in the field Data, by GET",
            query="Data="
            + quote(soap("mt_callback", "mt_callback", apimsgid="REF-1", status="004")),
            method="GET",
            state="delivered",
        ),
        WebhookCase(
            "raw JSON, names in any case",
            body={"apimsgid": "REF-1", "STATUS": "004", "charge": 0.3},
            state="delivered",
            message={"cost": 0.3},
        ),
        WebhookCase(
            "raw JSON, a status that is a number",
            body={"apiMsgId": "REF-1", "status": 4},
            state="delivered",
        ),
        WebhookCase(
            "another account",
            query=report(api_id="99999"),
            method="GET",
            status=403,
            events=[],
            state="sent",
        ),
        WebhookCase(
            "another account, in XML",
            query=query(
                data=xml("callback", api_id="9", apiMsgId="REF-1", status="004")
            ),
            method="GET",
            status=403,
            events=[],
        ),
        WebhookCase(
            "another account, in JSON",
            body={"api_id": 9, "apiMsgId": "REF-1", "status": "004"},
            status=403,
            events=[],
        ),
        WebhookCase(
            "a report without a status",
            query="apiMsgId=REF-1",
            method="GET",
            **UNREADABLE,
        ),
        WebhookCase("JSON of another kind", body={"hello": "world"}, **UNREADABLE),
        WebhookCase("JSON that is a list", body=b"[]", **UNREADABLE),
        WebhookCase(
            "XML that is none", query="data=%3Ca%3E", method="GET", **UNREADABLE
        ),
        WebhookCase(
            "a form in parts",
            body=b"--x\r\n\r\n--x--",
            content_type="multipart/form-data; boundary=x",
            **UNREADABLE,
        ),
    ]

    def test_other_empty_calls(self):
        """A call that only tries an address is answered 200, without the login."""
        for method, asked in (
            ("GET", ""),
            ("GET", "utm=1&x="),
            ("POST", ""),
        ):
            for action in ("status", "inbound"):
                with self.scene(f"{method} {asked} {action}"):
                    response = self.call(
                        self.callback(method=method, query=asked, action=action),
                        sign=False,
                    )
                    self.assertEqual(response.status_code, 200)
                    self.assertEqual(response.content, b"OK")
                    self.assertFalse(self.events())

    def test_login_is_asked_for(self):
        """Any known field without the login is refused, in every form."""
        for values in (
            {"method": "GET", "query": report()},
            {"method": "GET", "query": "text=Hello"},
            {"method": "GET", "query": "DATA=x"},
            {"method": "POST", "body": b"x"},
            {"method": "POST", "body": b"{}"},
        ):
            with self.scene(str(values)):
                response = self.call(self.callback(**values), sign=False)
                self.assertRefused(response, 401)

    def test_without_login(self):
        """Where no login is set, the secret of the address is enough."""
        with self.scene("no login"):
            self.gateway.write(
                {
                    "clickatell_callback_user": False,
                    "clickatell_callback_password": False,
                }
            )
            response = self.call(
                self.callback(method="GET", query=report()), sign=False
            )
            self.assertEqual(response.status_code, 200)
            self.apply_events()
            self.assertEqual(self.messages_of()[0].state, "delivered")
        for name in ("clickatell_callback_user", "clickatell_callback_password"):
            with self.scene(f"half a login, without {name}"):
                self.gateway[name] = False
                callback = self.callback(method="GET", query=report())
                self.assertRefused(self.call(callback), 403)

    def test_credentials_are_not_kept(self):
        """What a callback carries of credentials is not in the stored form."""
        secret = "s3cret-of-theirs"
        rows = {
            "query": {"method": "GET", "query": report(apiKey=secret)},
            "form": {
                "body": report(password=secret).encode(),
                "content_type": FORM,
            },
            "JSON": {
                "body": json.dumps(
                    {"messageId": "REF-1", "status": "X", "apiKey": secret}
                ).encode(),
                "content_type": "application/json",
            },
            "JSON with another case and an escape": {
                "body": b'{"messageId": "REF-1", "status": "X", "APIKEY" :\n"a\\"'
                + secret.encode()
                + b'"}',
                "content_type": "application/json",
            },
            "XML": {
                "method": "GET",
                "query": query(
                    data=xml(
                        "callback", apiMsgId="REF-1", status="004", session_id=secret
                    )
                ),
            },
        }
        for label, values in rows.items():
            with self.scene(label):
                response = self.call(self.callback(**values))
                self.assertEqual(response.status_code, 200)
                self.assertIn(b"REF-1", self.events().raw)
                self.assertNotIn(secret.encode(), self.events().raw)

    def test_bombs(self):
        """XML that brings definitions, or points elsewhere, is not even looked at."""
        rows = {
            "entities": '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]>'
            "<a><apiMsgId>REF-1</apiMsgId><status>&c;</status></a>",
            "a file": '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'
            "<a><apiMsgId>REF-1</apiMsgId><status>&b;</status></a>",
            "the net": '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd">'
            "<a><apiMsgId>REF-1</apiMsgId><status>004</status></a>",
            "deep": "<a>" * 1000 + "</a>" * 1000,
            "an entity that nobody defined": "<a><apiMsgId>&x;</apiMsgId></a>",
            "empty": "",
            "a declaration alone": '<?xml version="1.0"?>',
        }
        for label, text in rows.items():
            for encoded in (text.encode(), text.encode("utf-16")):
                with self.scene(label):
                    callback = self.callback(
                        body=b"data=" + quote(encoded).encode(), content_type=FORM
                    )
                    response = self.call(callback)
                    self.assertEqual(response.status_code, 400)
                    self.assertEqual(self.events().kind, "unreadable")


def inbound(raw_text="Hello", **fields):
    """Return an incoming text as a query; the text is percent-encoded already."""
    values = {
        "api_id": "12345",
        "from": TO[0],
        "to": "27123456789",
        "timestamp": "2008-08-06 09:43:50",
        "charset": "ISO-8859-1",
        "udh": "",
        "moMsgId": "b2aee337abd962489b123fda9c3480fa",
        **fields,
    }
    return query(**values) + f"&text={raw_text}"


def text(label, asked, body, **message):
    """Return rows of one incoming text: by GET, and the same by POST."""
    for method in ("GET", "POST"):
        yield WebhookCase(
            f"{label}, by {method}",
            query=asked if method == "GET" else "",
            body=b"" if method == "GET" else asked,
            method=method,
            content_type=FORM,
            action="inbound",
            state="received",
            message={"body": body, **message},
        )


# Samples of the document, then the three charsets with much outside of ASCII.
DECODED = [
    ("ISO-8859-1", "caf%E9+%A35", "café £5"),
    ("UTF-16BE", "%00n%00i%00%F1%00o", "niño"),
    ("UTF-16BE", "%00a%00+%00b", "a b"),
    ("UTF-8", "caf%C3%A9", "café"),
    ("ISO-8859-1", "Gr%FC%DFe%20%C4%D6%DC", "Grüße ÄÖÜ"),
    ("iso-8859-1", "%E9", "é"),
    ("UTF-16BE", "%04%1F%04%40%048%042%045%04B", "Привет"),
    ("UTF-16BE", "%D8%3D%DE%00", "😀"),
    ("UTF-16BE", "%4E%2D%65%87", "中文"),
    ("utf-16be", "N-", "中"),
    ("UTF-8", "%E4%B8%AD%E6%96%87+%F0%9F%98%80+%D0%96", "中文 😀 Ж"),
    # Neither is a literal "%E9" taken for a byte, nor two bytes for UTF-8.
    ("ISO-8859-1", "100%25E9", "100%E9"),
    ("ISO-8859-1", "%C3%A9", "Ã©"),
    ("ISO-8859-1", "a%26b%3Dc%2Bd", "a&b=c+d"),
    # No charset, or one that nobody knows: UTF-8, else ISO-8859-1.
    ("", "caf%C3%A9", "café"),
    ("", "caf%E9", "café"),
    ("KOI-99", "caf%C3%A9", "café"),
    # NUL and other controls are left out; lines stay.
    ("ISO-8859-1", "a%00b%07c%0Ad", "abc\nd"),
    ("UTF-16BE", "%00a%00%00%00b", "ab"),
]
LOSSY = [
    ("UTF-8", "a%FFb", "a\ufffdb"),
    ("UTF-16BE", "%00a%00", "a\ufffd"),
    ("UTF-16BE", "%D8%3D%00a", "\ufffda"),
    ("KOI-99", "%C1", "Á"),
]


class TestHttpInbound(WithLogin, GatewayWebhookCases):
    """Incoming texts of the Central API."""

    gateway_values = {**HTTP, **CALLBACK_LOGIN}
    report_query = report()
    report_body = report().encode()
    unknown_query = report(apiMsgId="REF-9")
    unknown_body = unknown_query.encode()
    content_type = FORM
    cases = [
        WebhookCase(
            "the documented sample",
            query=inbound("Hereisthe%20messagetext"),
            method="GET",
            action="inbound",
            answer=b"OK",
            events=[
                {
                    "kind": "inbound",
                    "number": NUMBERS[0],
                    "recipient": "27123456789",
                    "body": "Hereisthe messagetext",
                    "external_ref": "b2aee337abd962489b123fda9c3480fa",
                    "charset": "ISO-8859-1",
                    # GMT+0200, in summer
                    "occurred_at": datetime(2008, 8, 6, 7, 43, 50),
                }
            ],
            state="received",
            message={"sender": "27123456789"},
        ),
        WebhookCase(
            "in winter: the same two hours",
            query=inbound(timestamp="2014-01-15 12:00:00"),
            method="GET",
            events=[{"occurred_at": datetime(2014, 1, 15, 10, 0)}],
        ),
        WebhookCase(
            "on the address for reports",
            query=inbound(),
            method="GET",
            action="status",
            state="received",
        ),
        WebhookCase(
            "a time that is none",
            query=inbound(timestamp="2008-08-0609:43:50"),
            method="GET",
            events=[{"occurred_at": False}],
            state="received",
        ),
        WebhookCase(
            "a sender that is a name",
            query=inbound(**{"from": "VODACOM"}),
            method="GET",
            events=[{"number": "VODACOM"}],
            state="received",
        ),
        WebhookCase(
            "a short code",
            query=inbound(**{"from": "31234"}),
            method="GET",
            events=[{"number": "31234"}],
            state="received",
        ),
        WebhookCase(
            "a sender with a plus",
            query=inbound(**{"from": NUMBERS[0]}),
            method="GET",
            events=[{"number": NUMBERS[0]}],
        ),
        WebhookCase(
            "no sender",
            query="moMsgId=1&text=Hi",
            method="GET",
            events=[{"number": "?"}],
            state="received",
        ),
        WebhookCase("an empty text", query=inbound(""), method="GET", state="received"),
        WebhookCase(
            "no id: a repeat is still known, another text is another",
            body=[
                f"from={TO[0]}&to=1&timestamp=2008-08-06+09:43:50&text=Hi",
                f"from={TO[0]}&to=1&timestamp=2008-08-06+09:43:50&text=Hi",
                f"from={TO[0]}&to=1&timestamp=2008-08-06+09:43:51&text=Hi",
            ],
            content_type=FORM,
            events=[{"body": "Hi"}, {"body": "Hi"}],
        ),
        WebhookCase(
            "with the network",
            query=inbound(network="65501"),
            method="GET",
            state="received",
        ),
        WebhookCase(
            "XML, with its entities",
            query=query(
                data=xml(
                    "clickmo",
                    api_id="12345",
                    moMsgId="fa6ba35b330ce1bc7e2008e5d92d57aa",
                    **{"from": TO[0]},
                    to="27123456789",
                    timestamp="2007-02-26 14:36:50",
                    text="Fish &amp; &lt;chips&gt; &#233;",
                    charset="ISO-8859-1",
                    udh="",
                )
            ),
            method="GET",
            action="inbound",
            events=[{"occurred_at": datetime(2007, 2, 26, 12, 36, 50)}],
            state="received",
            message={"body": "Fish & <chips> é"},
        ),
        WebhookCase(
            "XML holds the text as it is, not once more as in an address",
            query=query(
                data=xml(
                    "clickmo",
                    moMsgId="fa6ba35b330ce1bc7e2008e5d92d57aa",
                    **{"from": TO[0]},
                    to="27123456789",
                    text="1+1=2, 100%25 of it",
                    charset="ISO-8859-1",
                )
            ),
            method="GET",
            action="inbound",
            state="received",
            message={"body": "1+1=2, 100%25 of it"},
        ),
        WebhookCase(
            "JSON does as well",
            body={
                "moMsgId": "fa6ba35b330ce1bc7e2008e5d92d57aa",
                "from": TO[0],
                "text": "Call +27",
                "charset": "ISO-8859-1",
            },
            action="inbound",
            content_type="application/json",
            state="received",
            message={"body": "Call +27"},
        ),
        WebhookCase(
            "XML that names no encoding and is not UTF-8",
            query="data="
            + quote(
                xml(
                    "clickmo",
                    moMsgId="fa6ba35b330ce1bc7e2008e5d92d57aa",
                    **{"from": TO[0]},
                    text="Grüße",
                ).encode("latin-1")
            ),
            method="GET",
            action="inbound",
            state="received",
            message={"body": "Grüße"},
        ),
        WebhookCase(
            "SOAP in ISO-8859-1: the declared encoding counts",
            body=b"data="
            + quote(
                soap(
                    "mo_callback",
                    "clickatell_mo",
                    api_id="12345",
                    **{"from": TO[0]},
                    to="27123456789",
                    timestamp="2007-02-26 14:36:50",
                    charset="ISO-8859-1",
                    udh="",
                    text="Grüße",
                    momsgid="fa6ba35b330ce1bc7e2008e5d92d57aa",
                )
            ).encode(),
            content_type=FORM,
            action="inbound",
            state="received",
            message={"body": "Grüße"},
        ),
        WebhookCase(
            "raw JSON",
            body={
                "moMsgId": "fa6ba35b330ce1bc7e2008e5d92d57aa",
                "from": TO[0],
                "to": "27123456789",
                "text": "Grüße",
                "charset": "UTF-8",
            },
            action="inbound",
            content_type="application/json",
            state="received",
            message={"body": "Grüße"},
        ),
        WebhookCase(
            "another account",
            query=inbound(api_id="99999"),
            method="GET",
            status=403,
            events=[],
        ),
        *(
            row
            for charset, raw, body in DECODED
            for row in text(
                f"{raw} in {charset or 'no charset'}",
                inbound(raw, charset=charset),
                body,
                failure_type=False,
            )
        ),
        *(
            row
            for charset, raw, body in LOSSY
            for row in text(
                f"{raw} in {charset}, not whole",
                inbound(raw, charset=charset),
                body,
                failure_type="unreadable",
            )
        ),
        WebhookCase(
            "parts of a long text, the last one first, one twice",
            body=[
                inbound("+world", udh="050003330202", moMsgId="p2"),
                inbound("Hello", udh="050003330201", moMsgId="p1"),
                inbound("+world", udh="050003330202", moMsgId="p2"),
            ],
            content_type=FORM,
            action="inbound",
            events=[
                {"part_ref": "33", "part_number": 2, "part_total": 2},
                {"part_ref": "33", "part_number": 1, "part_total": 2},
            ],
            state="received",
            message={"body": "Hello world"},
        ),
        WebhookCase(
            "a header of another kind joins nothing",
            body=[inbound("One", udh="06050415811581", moMsgId="p1")],
            content_type=FORM,
            events=[{"part_total": 0, "body": "One"}],
            state="received",
        ),
        WebhookCase(
            "a text without a text",
            query="moMsgId=1&from=1",
            method="GET",
            **UNREADABLE,
        ),
    ]


# --------------------------------------------------------------------------
# Platform SMS
# --------------------------------------------------------------------------


def platform_report(**values):
    return {
        "integrationName": "My integration",
        "messageId": "REF-1",
        "requestId": "req",
        "clientMessageId": None,
        "to": TO[0],
        "from": "",
        "statusCode": 4,
        "status": "RECEIVED_BY_RECIPIENT",
        "statusDescription": "Message received by recipient",
        "timestamp": 1506607698000,
        **values,
    }


def platform_reply(**values):
    return {
        "integrationId": "fa8090815f05d5ed015f0b5b56080cd2",
        "integrationName": "My integration",
        "messageId": "REF-1",
        "replyMessageId": "reply-1",
        "fromNumber": TO[0],
        "toNumber": "27123456789",
        "timestamp": 1506607698000,
        "text": "Yes",
        "charset": "UTF-8",
        "udh": "",
        "network": "65501",
        "keyword": "",
        **values,
    }


def without(values, *names):
    return {name: value for name, value in values.items() if name not in names}


PLATFORM_STATUSES = [
    # The word decides; else the number, by the table of the Central API.
    ("DELIVERED_TO_GATEWAY", 3, "sent", "sent"),
    ("RECEIVED_BY_RECIPIENT", 4, "delivered", "delivered"),
    ("received by recipient", None, "delivered", "delivered"),
    ("RECEIVED_BY_RECIPIENT", 5, "delivered", "delivered"),
    (None, 4, "delivered", "delivered"),
    (None, "4", "delivered", "delivered"),
    (None, 5, "undelivered", "undelivered"),
    (None, 3, "sent", "sent"),
    ("SOMETHING", 7, "undelivered", "undelivered"),
    ("SOMETHING", 10, "expired", "expired"),
    ("SOMETHING", None, "unknown", "sent"),
    ("SOMETHING", 77, "unknown", "sent"),
    ("004", None, "delivered", "delivered"),
]


class TestPlatformWebhook(WithLogin, GatewayWebhookCases):
    """Callbacks of Platform SMS."""

    gateway_values = {**PLATFORM, **CALLBACK_LOGIN}
    report_body = json.dumps(platform_report()).encode()
    unknown_body = json.dumps(platform_report(messageId="REF-9")).encode()
    cases = [
        *(
            WebhookCase(
                f"status {word} {number}",
                body=platform_report(status=word, statusCode=number),
                events=[{"report_state": reported}],
                state=state,
            )
            for word, number, reported, state in PLATFORM_STATUSES
        ),
        WebhookCase(
            "as JSON",
            body=platform_report(),
            events=[
                {
                    "report_state": "delivered",
                    "provider_code": "RECEIVED_BY_RECIPIENT",
                    "detail": "Message received by recipient",
                    "occurred_at": datetime(2017, 9, 28, 14, 8, 18),
                }
            ],
            state="delivered",
        ),
        *(
            WebhookCase(
                f"by GET, the time as {timestamp}",
                query=query(
                    messageId="REF-1",
                    statusCode="4",
                    status="RECEIVED_BY_RECIPIENT",
                    timestamp=timestamp,
                ),
                method="GET",
                events=[{"occurred_at": datetime(2017, 9, 28, 14, 8, 18)}],
                state="delivered",
            )
            for timestamp in (
                "1506607698000",
                "1506607698",
                "2017-09-28 14:08:18",
                "2017-09-28T14:08:18Z",
                "2017-09-28T16:08:18+0200",
                "2017-09-28T16:08:18+02:00",
            )
        ),
        WebhookCase(
            "an older one: with a key and without a number",
            body=without(platform_report(apiKey="theirs"), "statusCode", "requestId"),
            state="delivered",
        ),
        WebhookCase(
            "only what is needed",
            body={"messageId": "REF-1", "status": "RECEIVED_BY_RECIPIENT"},
            state="delivered",
        ),
        WebhookCase(
            "by our own id",
            body=platform_report(messageId="NEW", clientMessageId=UUIDS[0]),
            state="delivered",
        ),
        WebhookCase(
            "on the other address",
            body=platform_report(),
            action="inbound",
            state="delivered",
        ),
        WebhookCase(
            "a reply",
            body=platform_reply(),
            action="inbound",
            events=[
                {
                    "kind": "inbound",
                    "number": NUMBERS[0],
                    "recipient": "27123456789",
                    "external_ref": "reply-1",
                    "occurred_at": datetime(2017, 9, 28, 14, 8, 18),
                }
            ],
            state="received",
            message={"body": "Yes"},
        ),
        WebhookCase(
            "two replies to one message are two, each of them once",
            body=[
                platform_reply(),
                platform_reply(replyMessageId="reply-2", text="No"),
                platform_reply(),
            ],
            events=[{"body": "Yes"}, {"body": "No"}],
        ),
        WebhookCase(
            "no id of the reply: a repeat is still known",
            body=[
                without(platform_reply(), "replyMessageId"),
                without(platform_reply(), "replyMessageId"),
                without(platform_reply(text="No"), "replyMessageId"),
            ],
            events=[{"body": "Yes"}, {"body": "No"}],
        ),
        WebhookCase(
            "only what is needed of a reply",
            body={"fromNumber": TO[0], "text": "Yes"},
            state="received",
            message={"body": "Yes"},
        ),
        *(
            WebhookCase(
                f"{raw} in {charset}",
                body=platform_reply(text=raw, charset=charset),
                state="received",
                message={"body": body},
            )
            for charset, raw, body in (
                ("ISO-8859-1", "caf%E9+%A35", "café £5"),
                ("UTF-16BE", "%00n%00i%00%F1%00o", "niño"),
                # Decoded already, and no charset for which it was ever seen encoded.
                ("ISO-8859-1", "café + 5", "café + 5"),
                ("UTF-8", "100%25 + é", "100%25 + é"),
                (None, "a+b%20c", "a+b%20c"),
            )
        ),
        WebhookCase(
            "a reply by GET",
            query=query(
                messageId="REF-1",
                replyMessageId="reply-1",
                fromNumber=TO[0],
                toNumber="1",
                charset="ISO-8859-1",
            )
            + "&text=caf%E9",
            method="GET",
            state="received",
            message={"body": "café"},
        ),
        WebhookCase(
            "parts of a long reply",
            body=[
                platform_reply(replyMessageId="b", text=" two", udh="06080400FF0202"),
                platform_reply(replyMessageId="a", text="One", udh="06080400FF0201"),
            ],
            state="received",
            message={"body": "One two"},
        ),
        WebhookCase(
            "parts of a long reply that share its id, and a repeat",
            body=[
                platform_reply(text=" two", udh="06080400FF0202"),
                platform_reply(text="One", udh="06080400FF0201"),
                platform_reply(text=" two", udh="06080400FF0202"),
            ],
            events=[{"part_number": 2}, {"part_number": 1}],
            state="received",
            message={"body": "One two"},
        ),
        WebhookCase(
            "equal parts of a long reply without an id",
            body=[
                without(platform_reply(text="x", udh=udh), "replyMessageId")
                for udh in ("06080400FF0202", "06080400FF0201")
            ],
            events=[{"part_number": 2}, {"part_number": 1}],
            state="received",
            message={"body": "xx"},
        ),
        WebhookCase(
            "a reply without a text",
            body=without(platform_reply(), "text"),
            **UNREADABLE,
        ),
        WebhookCase("a report without a status", body={"messageId": "1"}, **UNREADABLE),
    ]


# --------------------------------------------------------------------------
# One API
# --------------------------------------------------------------------------


def event(**lists):
    return {
        "integrationId": "fa8090815f05d5ed015f0b5b56080cd2",
        "integrationName": "My integration",
        "event": lists,
    }


def status(word="DEVICE_ACK", code=5, **values):
    return {
        "channel": "sms",
        "timestamp": 1506607698000,
        "statusCode": code,
        "status": word,
        "messageId": "REF-1",
        "clientMessageId": None,
        **values,
    }


def mo(**values):
    return {
        "channel": "whatsapp/sms ",
        "messageId": "3a89680503414383af44dcd0e4e5f184",
        "relatedMessageId": "REF-1",
        "relatedClientMessageId": UUIDS[0],
        "from": TO[0],
        "to": "2799900002",
        "timestamp": 1506607698000,
        "content": "Text Content of the reply message",
        "charset": "UTF-8",
        "sms": {"network": "Network ID"},
        **values,
    }


FAILED = "undelivered"
ONE_STATUSES = [
    ("UNKNOWN", 1, "unknown", "sent", False),
    ("QUEUED", 2, "sent", "sent", False),
    ("SCHEDULED", 3, "sent", "sent", False),
    ("SENT_TO_SUPPLIER", 4, "sent", "sent", False),
    ("EMULATED", 24, "sent", "sent", False),
    ("DEVICE_ACK", 5, "delivered", "delivered", False),
    ("READ", 6, "delivered", "delivered", False),
    ("EXPIRED", 20, "expired", "expired", "expired"),
    ("STOPPED_BY_USER", 21, FAILED, FAILED, "canceled"),
    ("STOPPED_BY_ADMIN", 22, FAILED, FAILED, "rejected"),
    ("DELIVERY_FAILURE", 23, FAILED, FAILED, "not_delivered"),
    ("ENCRYPTION_ACCESS_DENIED", 60, FAILED, FAILED, "not_delivered"),
    ("ENCRYPTION_CONTENT_ERROR", 61, FAILED, FAILED, "not_delivered"),
    ("ROUTING_ERROR", 100, FAILED, FAILED, "not_delivered"),
    ("INSUFFICIENT_ACCOUNT_BALANCE", 25, FAILED, FAILED, "account"),
    ("VOLUME_LIMIT", 26, FAILED, FAILED, "account"),
    ("VOLUME_LIMIT_DAILY", 27, FAILED, FAILED, "account"),
    ("VOLUME_LIMIT_MONTHLY", 28, FAILED, FAILED, "account"),
    ("RECIPIENT_DOES_NOT_EXIST", 29, FAILED, FAILED, "number_dead"),
    ("MEDIA_NOT_FOUND", 80, FAILED, FAILED, "rejected"),
    ("MEDIA_SIZE_ERROR", 81, FAILED, FAILED, "rejected"),
    ("MEDIA_CHECKSUM_FAILURE", 82, FAILED, FAILED, "rejected"),
    ("MEDIA_REJECTED_BY_SUPPLIER", 83, FAILED, FAILED, "rejected"),
    ("MEDIA_METADATA_ERROR", 84, FAILED, FAILED, "rejected"),
    ("MEDIA_ACCESS_ERROR", 85, FAILED, FAILED, "rejected"),
    ("WHATSAPP_SOMETHING", 130, FAILED, FAILED, "rejected"),
]


class TestOneWebhook(WithLogin, GatewayWebhookCases):
    """Callbacks of One API."""

    gateway_values = {**ONE, **CALLBACK_LOGIN}
    report_body = json.dumps(event(messageStatusUpdate=[status()])).encode()
    unknown_body = json.dumps(
        event(messageStatusUpdate=[status(messageId="REF-9")])
    ).encode()
    cases = [
        *(
            WebhookCase(
                f"{code} {word}, {label}",
                body=event(messageStatusUpdate=[status(*given)]),
                events=[{"report_state": reported}],
                state=state,
                message={"failure_type": failure_type},
            )
            for word, code, reported, state, failure_type in ONE_STATUSES
            for label, given in (
                ("both", (word, code)),
                ("the word", (word, None)),
                ("the number", (None, code)),
            )
        ),
        *(
            WebhookCase(
                f"words of ours for {word}",
                body=event(messageStatusUpdate=[status(word, None)]),
                message={"failure_reason": reason, "provider_code": word},
            )
            for word, reason in (
                ("EXPIRED", "Its time was over before it could be delivered."),
                ("STOPPED_BY_USER", "It was cancelled at Clickatell."),
                ("DELIVERY_FAILURE", "The network did not deliver it."),
                ("RECIPIENT_DOES_NOT_EXIST", "RECIPIENT_DOES_NOT_EXIST"),
            )
        ),
        WebhookCase(
            "the word wins over the number",
            body=event(messageStatusUpdate=[status("DEVICE_ACK", 23)]),
            state="delivered",
        ),
        *(
            WebhookCase(
                f"a newer word: {word}",
                body=event(messageStatusUpdate=[status(word, 5)]),
                events=[{"report_state": "unknown"}],
                state="sent",
            )
            for word in (
                "STOP_MARKETING_MESSAGES",
                "EXCESSIVE_MESSAGES_TO_RECIPIENT",
                "ENCRYPTION_VALIDATION_ERROR",
                "ANONYMOUS_USER_ID_X",
                "MEDIA_TYPE_NOT_SUPPORTED",
            )
        ),
        WebhookCase(
            "a number that nobody knows",
            body=event(messageStatusUpdate=[status(None, 99)]),
            events=[{"report_state": "unknown"}],
            state="sent",
        ),
        WebhookCase(
            "times are milliseconds",
            body=event(messageStatusUpdate=[status()]),
            events=[{"occurred_at": datetime(2017, 9, 28, 14, 8, 18)}],
            message={"delivered_at": datetime(2017, 9, 28, 14, 8, 18)},
            state="delivered",
        ),
        WebhookCase(
            "by our own id alone",
            body=event(
                messageStatusUpdate=[status(messageId=None, clientMessageId=UUIDS[0])]
            ),
            state="delivered",
        ),
        WebhookCase(
            "several at once, statuses and texts, in one callback",
            body=event(
                messageStatusUpdate=[status(), status(messageId="REF-2")], moText=[mo()]
            ),
            events=[{"kind": "report"}, {"kind": "report"}, {"kind": "inbound"}],
            state="delivered",
        ),
        WebhookCase(
            "one that is no list",
            body=event(messageStatusUpdate=status()),
            state="delivered",
        ),
        WebhookCase(
            "the integration's name spelt otherwise, or missing",
            body={"integrationID": 1, "event": {"messageStatusUpdate": [status()]}},
            state="delivered",
        ),
        WebhookCase(
            "out of order: what is final stays",
            body=[
                event(messageStatusUpdate=[status()]),
                event(messageStatusUpdate=[status("SENT_TO_SUPPLIER", 4)]),
                event(messageStatusUpdate=[status("DELIVERY_FAILURE", 23)]),
            ],
            events=[{}, {}, {}],
            state="delivered",
        ),
        WebhookCase(
            "the documented reply",
            body=event(moText=[mo()]),
            action="inbound",
            answer=b"OK",
            events=[
                {
                    "kind": "inbound",
                    "number": NUMBERS[0],
                    "recipient": "2799900002",
                    "external_ref": "3a89680503414383af44dcd0e4e5f184",
                    "occurred_at": datetime(2017, 9, 28, 14, 8, 18),
                }
            ],
            state="received",
            message={"body": "Text Content of the reply message"},
        ),
        WebhookCase(
            "a reply on the address for reports",
            body=event(moText=[mo(content="Grüße 😀 中文")]),
            state="received",
            message={"body": "Grüße 😀 中文"},
        ),
        WebhookCase(
            "two replies to one message",
            body=event(moText=[mo(), mo(messageId="other")]),
            events=[{}, {}],
        ),
        WebhookCase(
            "started by the handset",
            body=event(moText=[mo(relatedMessageId=None, relatedClientMessageId=None)]),
            state="received",
        ),
        WebhookCase(
            "a sender that is a name",
            body=event(moText=[mo(**{"from": "Network"})]),
            events=[{"number": "Network"}],
            state="received",
        ),
        WebhookCase(
            "other channels are none of ours",
            body=event(
                moText=[mo(channel="whatsapp")],
                messageStatusUpdate=[status(channel=" WhatsApp ")],
            ),
            events=[],
            state="sent",
        ),
        WebhookCase(
            "kinds of events that nobody knows",
            body=event(moMedia=[{"a": 1}], colour="green"),
            events=[],
            state="sent",
        ),
        WebhookCase("an event without anything", body=event(), events=[], state="sent"),
        WebhookCase(
            "what cannot be read costs nothing beside it",
            body=event(
                messageStatusUpdate=[status(messageId=None), status()],
                moText=[mo(content=None), mo()],
            ),
            events=[{"kind": "report"}, {"kind": "inbound"}],
            state="delivered",
        ),
        WebhookCase(
            "a status without a message",
            body=event(messageStatusUpdate=[status(messageId=None)]),
            **UNREADABLE,
        ),
        WebhookCase(
            "a status without a status",
            body=event(messageStatusUpdate=[status(None, None)]),
            **UNREADABLE,
        ),
        WebhookCase(
            "a reply without a text",
            body=event(moText=[mo(content=None)]),
            **UNREADABLE,
        ),
    ]

    def test_stop(self):
        """A STOP that comes in is on record, and what was queued is not sent."""
        with self.scene("STOP"):
            waiting = self.enqueue(1, uuid="f" * 32)
            body = json.dumps(event(moText=[mo(content="STOP")])).encode()
            self.assertEqual(self.call(self.callback(body=body)).status_code, 200)
            self.apply_events()
            self.assertEqual(waiting.state, "canceled")
            self.assertEqual(waiting.failure_type, "opted_out")

    def test_two_tables(self):
        """The same number means another thing to another API."""
        with self.scene("4 of One API is handed over, 4 of the others received"):
            for body, state in (
                (event(messageStatusUpdate=[status(None, 4)]), "sent"),
                ({"apiMsgId": "REF-1", "status": "4"}, "delivered"),
            ):
                raw = json.dumps(body).encode()
                self.call(self.callback(body=raw))
                self.apply_events()
                self.assertEqual(self.messages_of()[0].state, state)
