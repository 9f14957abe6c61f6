# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The runner itself: what it must find, it finds."""

from contextlib import nullcontext
from unittest.mock import patch

from odoo.tests import tagged

from odoo.addons.sms_gateway_hub.tests.gateway_cases import GatewaySendCases, SendCase
from odoo.addons.sms_gateway_hub.tools import sender_run

from . import test_testing_send
from .test_testing_send import GATEWAY, KEY, answer, result


@tagged("post_install", "-at_install")
class TestRunner(GatewaySendCases):
    """Faults that a gateway's rows must not let pass."""

    gateway_values = GATEWAY
    cases = test_testing_send.TestTestingSend.cases[:1]

    def assertFound(self, words, case):
        # Odoo's own runner would count a failed row as a failed test.
        with patch.object(type(self), "subTest", lambda *args, **kwargs: nullcontext()):
            with self.assertRaisesRegex(AssertionError, words):
                self.run_cases([case])

    def test_unused_reply(self):
        """A scripted reply that nobody asks for fails the row."""
        ok = (200, answer(result()))
        self.assertFound("nobody asked", SendCase("x", reply=[ok, ok], requests=1))

    def test_request_beyond_the_script(self):
        """A request that no row foresaw fails it."""
        self.assertFound("beyond the script", SendCase("x", requests=1))

    def test_wrong_outcome(self):
        """A wrong expectation fails the row, whatever it is about."""
        reply = (200, answer(result()))
        for values in (
            {"state": "failed"},
            {"ref": "R1"},
            {"cost": 1},
            {"attempts": 2},
            {"expect_url": "https://other.example.com/"},
            {"expect_json": {}},
            {"expect_headers": {"authorization": "Bearer OTHER"}},
            {"expect_method": "GET"},
            {"paused": "", "state": "sent"},
        ):
            self.assertFound(".", SendCase(str(values), reply=reply, **values))

    def test_leaked_secret(self):
        """A secret in an attempt's excerpt fails the row."""
        with patch.object(sender_run, "redact", lambda text, secrets, limit=0: text):
            self.assertFound(
                "a secret shows", SendCase("x", reply=(500, f"Bearer {KEY}"))
            )
