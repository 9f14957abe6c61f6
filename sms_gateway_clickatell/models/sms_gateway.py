# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import re

from odoo import api, fields, models
from odoo.exceptions import ValidationError

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
        help="Which of Clickatell's interfaces the account speaks.\n"
        "One API: accounts on portal.clickatell.com whose integration is of the kind "
        "“One API”, and all new ones.\n"
        "Platform SMS: accounts on portal.clickatell.com whose integration is of the "
        "kind “SMS”, “REST” or “HTTP”.\n"
        "Central API: old accounts of Developers' Central, with user name, password "
        "and API ID.",
    )
    clickatell_api_key = fields.Char(
        "API key",
        groups="base.group_system",
        copy=False,
        help="In Clickatell's portal on the page of the integration. It mostly ends "
        "with “==”: copy every character.",
    )
    clickatell_user = fields.Char(
        "User name", help="The user name with which you log in to Developers' Central."
    )
    clickatell_password = fields.Char(
        "Password",
        groups="base.group_system",
        copy=False,
        help="The password that belongs to the user name.",
    )
    clickatell_api_id = fields.Char(
        "API ID",
        help="The number of your HTTP API, on the page “Manage my Products”.",
    )
    clickatell_callback_user = fields.Char(
        "Callback user name",
        copy=False,
        help="Made up by you, and entered beside the callback addresses at Clickatell "
        "as well. Not the login of your account. Empty, with the password: callbacks "
        "are known by their secret address alone.",
    )
    clickatell_callback_password = fields.Char(
        "Callback password",
        groups="base.group_system",
        copy=False,
        help="Made up by you, and entered beside the callback addresses at Clickatell "
        "as well.",
    )
    clickatell_two_way = fields.Boolean(
        "Two-way",
        help="People can answer: texts go out from the number that Clickatell rents "
        "you, which is the sender of this gateway. Two-way routes may cost more.",
    )
    clickatell_callback_level = fields.Selection(
        const.CALLBACK_LEVELS,
        "Statuses reported",
        default="7",
        help="Which statuses Clickatell calls back for. Older accounts may know the "
        "second choice only.",
    )
    clickatell_group = fields.Boolean(
        "Equal mass texts together",
        help="Sends up to 100 mass texts of the same words in one request, which is "
        "faster. When an answer gets lost, the outcome of all of them is unknown, and "
        "their delivery reports cannot be told apart.",
    )
    clickatell_url = fields.Char(
        "Another address",
        groups="base.group_system",
        help="Where to send instead of Clickatell, to try things out. Empty: "
        "Clickatell's own address.",
    )

    @api.depends("clickatell_api", "clickatell_two_way")
    def _compute_features(self):
        return super()._compute_features()

    @api.constrains("clickatell_url")
    def _check_clickatell_url(self):
        for gateway in self.sudo().filtered("clickatell_url"):
            if not re.match(r"^https?://[^\s/?#]+[^\s?#]*\Z", gateway.clickatell_url):
                raise ValidationError(
                    self.env._(
                        "“Another address” must start with https:// (or http://) and "
                        "hold neither blanks nor questions."
                    )
                )

    @api.constrains("clickatell_api_id")
    def _check_clickatell_api_id(self):
        """An API key pasted here would be a secret in a field that people see."""
        for gateway in self.filtered("clickatell_api_id"):
            if not re.match(r"^\s*[0-9]{1,16}\s*\Z", gateway.clickatell_api_id):
                raise ValidationError(
                    self.env._(
                        "“API ID” is a number, such as 3400001. If Clickatell gave you "
                        "a long key instead, choose “One API” or “Platform SMS” as API "
                        "and enter it as “API key”."
                    )
                )

    @api.constrains("state")
    def _check_clickatell_credentials(self):
        """What is put in service has credentials; they may be taken out again."""
        for gateway in self.filtered(
            lambda gateway: gateway.code == "clickatell" and gateway.state != "disabled"
        ):
            if name := gateway._clickatell_missing():
                raise ValidationError(
                    self.env._(
                        "“%(gateway)s” needs its “%(field)s” before it can be put in "
                        "service: enter the one that Clickatell gave you.",
                        gateway=gateway.name,
                        field=gateway._fields[name].get_description(self.env)["string"],
                    )
                )

    def _clickatell_missing(self):
        """Return the name of the first credential that is missing, or None."""
        self.ensure_one()
        gateway = self.sudo()
        needed = (
            ("clickatell_user", "clickatell_password", "clickatell_api_id")
            if gateway.clickatell_api == "http"
            else ("clickatell_api_key",)
        )
        for name in needed:
            if not (gateway[name] or "").strip():
                return name
        return None
