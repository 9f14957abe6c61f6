# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import re

from odoo.tests import HttpCase, no_retry, tagged

from odoo.addons.web.tests import test_js

from .common import LogLines

SUITE = "@sms_gateway_hub"


@tagged("post_install", "-at_install")
class TestJs(HttpCase):
    """The unit tests of our part of the web client, in a real browser."""

    @no_retry
    def test_unit(self):
        """Every test in static/tests passes, and there are some."""
        suite = test_js.HOOTCommon._generate_hash(self, SUITE)
        with LogLines(self._logger.name) as lines:
            self.browser_js(
                "/web/tests?headless&loglevel=2&preset=desktop&timeout=15000"
                f"&id={suite}",
                "",
                "",
                login="admin",
                timeout=300,
                success_signal="[HOOT] Test suite succeeded",
                error_checker=test_js.unit_test_error_checker,
            )
        passed = re.search(r"Passed (\d+) tests", lines.text())
        self.assertTrue(passed and int(passed[1]), lines.text()[-2000:])
