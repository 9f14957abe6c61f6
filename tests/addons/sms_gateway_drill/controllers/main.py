# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import http
from odoo.http import request


class SmsGatewayDrillController(http.Controller):
    """The least that a route of Odoo takes: others are measured against it."""

    @http.route(
        "/sms_gateway_drill/empty",
        type="http",
        auth="none",
        csrf=False,
        save_session=False,
        sitemap=False,
    )
    def empty(self, **_params):
        """Answer with nothing."""
        return request.make_response(b"")
