# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class SmsGatewayAdapterClickatell(models.AbstractModel):
    _name = "sms.gateway.adapter.clickatell"
    _inherit = "sms.gateway.adapter.http"
    _description = "Clickatell SMS gateway adapter"
