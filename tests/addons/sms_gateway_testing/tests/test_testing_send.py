# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.addons.sms_gateway_hub.tests.common import NUMBERS, UUIDS
from odoo.addons.sms_gateway_hub.tests.gateway_cases import GatewaySendCases, SendCase

ADDRESS = "https://sms.example.com/v1/send"
KEY = "KEY-OF-THE-TEST"
SECRET = "SECRET-OF-THE-TEST"
GATEWAY = {
    "code": "testing",
    "testing_url": ADDRESS,
    "testing_key": KEY,
    "testing_secret": SECRET,
}


def result(n=0, status="accepted", **values):
    """Return what the gateway says of the n-th message."""
    if status == "accepted":
        values.setdefault("ref", f"R{n}")
    return {"id": UUIDS[n], "status": status, **values}


def answer(*results):
    return {"results": list(results)}


def accept_all(request):
    return answer(
        *(
            {"id": message["id"], "status": "accepted", "ref": message["id"]}
            for message in request.json["messages"]
        )
    )


class TestTestingSend(GatewaySendCases):
    """Answers of the test gateway, one message in each request."""

    gateway_values = GATEWAY
    cases = [
        SendCase(
            "accepted",
            reply=(200, answer(result(cost=0.05, currency="USD"))),
            expect_method="POST",
            expect_url=ADDRESS,
            expect_headers={"authorization": f"Bearer {KEY}"},
            expect_json={
                "messages": [
                    {"id": UUIDS[0], "to": NUMBERS[0], "text": "Text 1", "from": ""}
                ]
            },
            state="sent",
            ref="R0",
            cost=0.05,
            cost_unit="USD",
            attempts=1,
        ),
        SendCase(
            "the sender travels along",
            reply=(200, answer(result())),
            gateway={"sender": "ACME"},
            expect_json={
                "messages": [
                    {"id": UUIDS[0], "to": NUMBERS[0], "text": "Text 1", "from": "ACME"}
                ]
            },
            state="sent",
        ),
        SendCase(
            "rejected",
            reply=(200, answer(result(status="rejected", code="X9", error="Spam"))),
            state="failed",
            failure_type="rejected",
            code="X9",
        ),
        SendCase(
            "a number that does not exist",
            reply=(200, answer(result(status="bad_number"))),
            state="failed",
            failure_type="number_dead",
        ),
        SendCase(
            "accepted without an id",
            reply=(200, answer(result(ref=""))),
            state="unconfirmed",
        ),
        SendCase(
            "a word that no table holds",
            reply=(200, answer(result(status="perhaps"))),
            state="unconfirmed",
        ),
        SendCase(
            "the gateway does not know itself",
            reply=(200, answer(result(status="unknown"))),
            state="unconfirmed",
        ),
        SendCase(
            "slow down, in a 200",
            reply=(200, answer(result(status="throttled"))),
            state="queued",
            attempts=0,
            throttled_s=30,
        ),
        SendCase(
            "later",
            reply=(200, answer(result(status="later", error="Busy"))),
            state="queued",
            attempts=1,
        ),
        SendCase(
            "no key",
            gateway={"testing_key": False},
            state="queued",
            attempts=0,
            paused="key",
        ),
        SendCase(
            "no address",
            gateway={"testing_url": False},
            state="queued",
            attempts=0,
            paused="address",
        ),
    ]


class TestTestingSendBatch(GatewaySendCases):
    """Answers of the test gateway, several messages in each request."""

    gateway_values = {**GATEWAY, "testing_batch": 3}
    partial_reply = (200, answer(result(0)))
    cases = [
        SendCase(
            "each message has its own outcome",
            reply=(200, answer(result(1, "rejected"), result(2, "unknown"), result(0))),
            state=["sent", "failed", "unconfirmed"],
            ref=["R0", False, False],
        ),
        SendCase(
            "the fourth message travels in a second request",
            reply=[(200, accept_all), (200, accept_all)],
            state=["sent"] * 4,
        ),
        SendCase(
            "an answer that names a stranger",
            reply=(200, answer(result(9), result(0))),
            state=["sent", "unconfirmed"],
        ),
        SendCase(
            "an answer that names a message twice",
            reply=(200, answer(result(0, "rejected"), result(0))),
            state="sent",
        ),
    ]
