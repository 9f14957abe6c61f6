# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json

from odoo import models

from odoo.addons.sms_gateway_hub.tools import webhook
from odoo.addons.sms_gateway_hub.tools.gateway_data import PollStep

from ..tools import testing_api


class SmsGatewayAdapterTestingPull(models.AbstractModel):
    """Phones that speak plain JSON: {"do": what they want, "secret": …, …}."""

    _name = "sms.gateway.adapter.testing_pull"
    _inherit = "sms.gateway.adapter.pull"
    _description = "SMS gateway adapter for phones of tests"

    def _get_features(self, gateway):
        return {"delivery_report", "inbound"}

    def _get_poll_methods(self, gateway):
        return {"GET", "POST", "PUT"}

    def _get_reported_states(self, device):
        return frozenset((device.testing_reports or "").split(","))

    def _parse_poll(self, device, data):
        call = webhook.parse_json(data.raw_body or b"{}")
        if not webhook.secrets_equal(str(call.get("secret", "")), device.secret):
            return PollStep("refused", detail="Wrong secret.")
        return testing_api.parse_call(call)

    def _make_poll_response(self, device, data, step, outcome):
        if not outcome.done:
            answer = {"ok": False, "error": outcome.error}
        else:
            answer = {
                "ok": True,
                "offers": [
                    {"ref": ref, "to": message.number, "text": message.body}
                    for ref, message in outcome.offers
                ],
                "refs": list(outcome.refs),
            }
        return 200, "application/json", json.dumps(answer).encode()
