# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models


class SmsGatewayDevice(models.Model):
    _inherit = "sms.gateway.device"

    testing_reports = fields.Char(
        "Reports", default="sent,undelivered,delivered", help="States that it tells."
    )
    testing_model = fields.Char("Model")
