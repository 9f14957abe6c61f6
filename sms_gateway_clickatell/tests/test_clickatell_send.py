# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.addons.sms_gateway_hub.tests.gateway_cases import GatewaySendCases, SendCase

from . import common
from .common import KEY, ONE, messages, one_item, one_send


class TestOneSend(GatewaySendCases):
    """Answers of One API."""

    gateway_values = ONE
    partial_reply = (202, messages(one_item(0)))
    cases = [
        SendCase(
            "accepted",
            reply=(202, messages(one_item())),
            expect_method="POST",
            expect_url=common.ONE_URL,
            expect_headers={"authorization": KEY, "content-type": "application/json"},
            expect_json={"messages": [one_send()]},
            state="sent",
            ref="id0",
            attempts=1,
        ),
    ]
