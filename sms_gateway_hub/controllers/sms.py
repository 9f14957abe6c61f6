# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.http import request, route

from odoo.addons.sms.controllers.main import SmsController


class SmsGatewaySmsController(SmsController):
    """Core's callback route takes unsigned statuses from whoever knows a uuid.

    Messages of the hub learn of their state from their own gateway only.
    """

    @route()
    def update_sms_status(self, message_statuses):
        uuids = {
            uuid
            for status in message_statuses
            if isinstance(status, dict) and isinstance(status.get("uuids"), list)
            for uuid in status["uuids"]
            if isinstance(uuid, str)
        }
        served = set(
            request.env["sms.gateway.message"]
            .sudo()
            .search([("sms_uuid", "in", list(uuids))])
            .mapped("sms_uuid")
        )
        if served:
            message_statuses = [
                {**status, "uuids": rest}
                for status in message_statuses
                if (rest := [uuid for uuid in status["uuids"] if uuid not in served])
            ]
        return super().update_sms_status(message_statuses)
