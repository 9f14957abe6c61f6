# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models


class SmsGateway(models.Model):
    _inherit = "sms.gateway"

    code = fields.Selection(
        selection_add=[("testing", "Testing"), ("testing_pull", "Testing phones")],
        ondelete={
            code: lambda gateways: gateways.write(
                {"code": "sandbox", "state": "disabled", "active": False}
            )
            for code in ("testing", "testing_pull")
        },
    )
    testing_url = fields.Char("Address")
    testing_key = fields.Char("Key", groups="base.group_system", copy=False)
    testing_secret = fields.Char(
        "Secret of callbacks", groups="base.group_system", copy=False
    )
    testing_batch = fields.Integer("Recipients per request", default=1)
    testing_get = fields.Boolean("Callbacks come by GET")
