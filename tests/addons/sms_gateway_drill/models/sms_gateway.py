# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models


class SmsGateway(models.Model):
    _inherit = "sms.gateway"

    testing_build_delay_s = fields.Float(
        help="Seconds that building requests takes: time to kill the sender in."
    )
