# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import hashlib
import hmac
import json
from urllib.parse import quote_plus

from odoo.addons.sms_gateway_hub.tests.common import NUMBERS, UUIDS
from odoo.addons.sms_gateway_hub.tests.gateway_cases import (
    GatewayWebhookCases,
    WebhookCase,
)

from .test_testing_send import GATEWAY


def report(status="delivered", *, event="E1", ref="REF-1", **values):
    return {"id": event, "type": "report", "ref": ref, "status": status, **values}


def inbound(text="Yes", *, event="E1", **values):
    return {
        "id": event,
        "type": "inbound",
        "from": NUMBERS[0],
        "to": "4711",
        "text": text,
        **values,
    }


def events(*items):
    return {"events": list(items)}


def sign(gateway, callback):
    """Sign a callback as the test gateway does."""
    signed = callback.query.encode() if callback.method == "GET" else callback.body
    secret = (gateway.sudo().testing_secret or "").encode()
    callback.headers["X-Signature"] = hmac.new(
        secret, signed, hashlib.sha256
    ).hexdigest()


class TestTestingWebhook(GatewayWebhookCases):
    """Callbacks of the test gateway by POST, as JSON and as a form."""

    gateway_values = GATEWAY
    secret_fields = ("testing_secret",)
    report_body = json.dumps(events(report())).encode()
    unknown_body = json.dumps(events(report(ref="REF-9"))).encode()
    cases = [
        WebhookCase(
            "delivered",
            body=events(report(cost=0.1, currency="EUR")),
            events=[
                {"kind": "report", "report_state": "delivered", "state": "pending"}
            ],
            state="delivered",
            message={"cost": 0.1, "cost_unit": "EUR"},
        ),
        WebhookCase(
            "by our own id",
            body=events(report(ref=None, message=UUIDS[0])),
            state="delivered",
        ),
        WebhookCase(
            "not delivered",
            body=events(report("dead", code="7", error="No such number")),
            state="undelivered",
            message={
                "failure_type": "number_dead",
                "failure_reason": "No such number",
                "provider_code": "7",
            },
        ),
        WebhookCase(
            "expired",
            body=events(report("expired")),
            state="expired",
            message={"failure_type": "expired"},
        ),
        WebhookCase(
            "a word that no table holds",
            body=events(report("perhaps")),
            events=[{"report_state": "unknown"}],
            state="sent",
        ),
        WebhookCase(
            "as a form",
            body="payload=" + quote_plus(json.dumps(events(report()))),
            content_type="application/x-www-form-urlencoded",
            state="delivered",
        ),
        WebhookCase(
            "a text comes in",
            body=events(inbound("Yes, please")),
            action="inbound",
            events=[{"kind": "inbound", "number": NUMBERS[0], "body": "Yes, please"}],
            state="received",
            message={"body": "Yes, please", "sender": "4711"},
        ),
        WebhookCase(
            "both kinds on one address",
            body=events(report(), inbound(event="E2")),
            events=[{"kind": "report"}, {"kind": "inbound"}],
            state="delivered",
        ),
        WebhookCase(
            "fields that nobody knows",
            body=events(report(colour="green", nested={"a": [1]})),
            state="delivered",
        ),
        WebhookCase(
            "no event",
            body={"events": []},
            events=[],
            state="sent",
        ),
        WebhookCase(
            "JSON of another kind",
            body={"hello": "world"},
            events=[{"kind": "unreadable", "state": "unreadable"}],
            state="sent",
        ),
    ]

    def sign(self, gateway, callback):
        sign(gateway, callback)


class TestTestingWebhookGet(GatewayWebhookCases):
    """Callbacks of the test gateway by GET, as Kannel makes them (F24)."""

    gateway_values = {**GATEWAY, "testing_get": True}
    secret_fields = ("testing_secret",)
    report_query = "id=E1&type=report&ref=REF-1&status=delivered"
    unknown_query = "id=E1&type=report&ref=REF-9&status=delivered"
    content_type = ""
    cases = [
        WebhookCase("a report", query=report_query, state="delivered"),
        WebhookCase(
            "a repeated field: the first counts",
            query=f"{report_query}&status=failed&id=E2",
            state="delivered",
        ),
        WebhookCase(
            "fields too many", query=f"{report_query}&x=1&&=&y", state="delivered"
        ),
        WebhookCase(
            "an unknown code",
            query="id=E1&type=report&ref=REF-1&status=32",
            events=[{"report_state": "unknown"}],
            state="sent",
        ),
        WebhookCase(
            "a place holder that was left as it is",
            query="id=%25i&type=report&ref=REF-1&status=%d",
            events=[{"report_state": "unknown"}],
            state="sent",
        ),
        WebhookCase(
            "missing fields",
            query="id=E1&type=report",
            events=[{"kind": "unreadable", "state": "unreadable"}],
        ),
        WebhookCase("no field", events=[{"state": "unreadable"}]),
        WebhookCase(
            "ISO-8859-1",
            query="id=E1&type=inbound&from=%2B12025550100&charset=ISO-8859-1&text=Gr%FC%DFe",
            state="received",
            message={"body": "Grüße"},
        ),
        WebhookCase(
            "UTF-16BE",
            query="id=E1&type=inbound&from=%2B12025550100&charset=UTF-16BE"
            "&text=%04%1F%04%40%04%38",
            state="received",
            message={"body": "При"},
        ),
        WebhookCase(
            "a charset that does not exist",
            query="id=E1&type=inbound&from=%2B12025550100&charset=KOI-99&text=%C1",
            events=[{"readable": False}],
            state="received",
            message={"failure_type": "unreadable"},
        ),
        WebhookCase(
            "bytes that do not fit the charset",
            query="id=E1&type=inbound&from=%2B12025550100&charset=utf-8&text=%FF%FE",
            events=[{"readable": False}],
            state="received",
            message={"failure_type": "unreadable"},
        ),
        WebhookCase(
            "a codec that is no charset",
            query="id=E1&type=inbound&from=%2B12025550100&charset=hex&text=ff",
            events=[{"state": "unreadable"}],
        ),
    ]

    def sign(self, gateway, callback):
        sign(gateway, callback)
