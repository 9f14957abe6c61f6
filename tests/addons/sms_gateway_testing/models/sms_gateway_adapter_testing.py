# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models

from odoo.addons.sms_gateway_hub.exceptions import GatewayConfigError
from odoo.addons.sms_gateway_hub.tools import webhook

from ..tools import testing_api


class SmsGatewayAdapterTesting(models.AbstractModel):
    _name = "sms.gateway.adapter.testing"
    _inherit = "sms.gateway.adapter.http"
    _description = "SMS gateway adapter for tests"

    def _get_features(self, gateway):
        return {"delivery_report", "inbound", "sender"}

    def _get_address_fields(self):
        return ("testing_url",)

    def _get_max_messages_per_request(self, gateway):
        return max(1, gateway.testing_batch)

    def _prepare_send_requests(self, gateway, messages):
        if not gateway.testing_key:
            raise GatewayConfigError(
                "The gateway has no key: enter it on the gateway.",
                field_name="testing_key",
            )
        size = self._get_max_messages_per_request(gateway)
        return [
            testing_api.build_request(
                gateway.testing_url, gateway.testing_key, messages[start : start + size]
            )
            for start in range(0, len(messages), size)
        ]

    def _parse_send_response(self, gateway, request, response):
        self._raise_for_status(response)
        return testing_api.parse_response(request.messages, response)

    def _get_webhook_methods(self, gateway):
        return {"GET"} if gateway.testing_get else {"POST"}

    def _verify_webhook(self, gateway, data):
        signed = data.raw_query if data.method == "GET" else data.raw_body
        webhook.check_hmac_sha256(
            signed, data.headers.get("x-signature"), gateway.testing_secret
        )

    def _parse_webhook(self, gateway, action, data):
        return testing_api.parse_callback(data)
