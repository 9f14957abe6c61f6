# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class SmsGatewayAdapterSmssync(models.AbstractModel):
    _name = "sms.gateway.adapter.smssync"
    _inherit = "sms.gateway.adapter.pull"
    _description = "SMSsync SMS gateway adapter"
