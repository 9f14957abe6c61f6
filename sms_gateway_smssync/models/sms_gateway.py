# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models


class SmsGateway(models.Model):
    _inherit = "sms.gateway"

    code = fields.Selection(
        selection_add=[("smssync", "Android phone (SMSsync)")],
        ondelete={
            "smssync": lambda gateways: gateways.write(
                {"code": "sandbox", "state": "disabled", "active": False}
            )
        },
    )
