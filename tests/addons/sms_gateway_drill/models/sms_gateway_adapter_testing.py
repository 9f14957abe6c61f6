# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import time

from odoo import models


class SmsGatewayAdapterTesting(models.AbstractModel):
    _inherit = "sms.gateway.adapter.testing"

    def _prepare_send_requests(self, gateway, messages):
        time.sleep(gateway.testing_build_delay_s)
        if any("POISON" in message.body for message in messages):
            raise RuntimeError("This row cannot be built")
        return super()._prepare_send_requests(gateway, messages)
