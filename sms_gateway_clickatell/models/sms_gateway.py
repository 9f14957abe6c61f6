# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models

from .. import const


class SmsGateway(models.Model):
    _inherit = "sms.gateway"

    code = fields.Selection(
        selection_add=[("clickatell", "Clickatell")],
        ondelete={
            "clickatell": lambda gateways: gateways.write(
                {"code": "sandbox", "state": "disabled", "active": False}
            )
        },
    )
    clickatell_api = fields.Selection(
        const.APIS,
        "API",
        default="one",
        help="Which of Clickatell's interfaces the account speaks.",
    )
    clickatell_api_key = fields.Char(
        "API key", groups="base.group_system", copy=False
    )
    clickatell_user = fields.Char("User name")
    clickatell_password = fields.Char(
        "Password", groups="base.group_system", copy=False
    )
    clickatell_api_id = fields.Char("API ID")
    clickatell_callback_user = fields.Char("User name of callbacks")
    clickatell_callback_password = fields.Char(
        "Password of callbacks", groups="base.group_system", copy=False
    )
    clickatell_two_way = fields.Boolean("Two-way")
    clickatell_url = fields.Char("Address of Clickatell", groups="base.group_system")
