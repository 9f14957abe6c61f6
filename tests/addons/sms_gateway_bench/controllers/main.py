# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import http
from odoo.http import request


class BenchRoute(http.Controller):
    """The least that Odoo does for a request: what every route is measured by."""

    @http.route(
        "/sms_gateway_bench/empty",
        type="http",
        auth="none",
        csrf=False,
        save_session=False,
        sitemap=False,
    )
    def empty(self, **_params):
        """Answer at once."""
        return request.make_response(b"OK", headers=[("Content-Type", "text/plain")])
