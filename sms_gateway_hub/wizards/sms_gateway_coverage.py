# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import re

from odoo import api, fields, models
from odoo.exceptions import UserError

from .. import const

_E164 = re.compile(const.E164_PATTERN)


class SmsGatewayCoverage(models.TransientModel):
    """Ask a gateway whether it serves a number, and at which price."""

    _name = "sms.gateway.coverage"
    _description = "Check of a number at an SMS gateway"

    gateway_id = fields.Many2one("sms.gateway", required=True, ondelete="cascade")
    number = fields.Char(
        required=True,
        help="In international form, or as it is dialled in the country of the "
        "gateway's company. Nothing is sent to it.",
    )
    answer = fields.Text(readonly=True)

    @api.constrains("gateway_id")
    def _check_gateway_id(self):
        # Odoo shows the name of what a form points at, and checks it as superuser.
        self.gateway_id.sudo(False).check_access("read")

    def action_check(self):
        """Ask, and show the gateway's answer.

        :raise UserError: the number is none, or the gateway cannot tell
        """
        self.ensure_one()
        self.gateway_id.check_access("write")
        gateway = self.gateway_id.sudo()
        company = gateway.company_id or self.env.company
        number = self.env["res.partner"]._phone_format(
            number=self.number, country=company.country_id, force_format="E164"
        )
        if not number or not _E164.match(number):
            raise UserError(
                self.env._(
                    "“%s” is not a valid number: write it in international form, like "
                    "+15550100200.",
                    self.number,
                )
            )
        answer = gateway._ask(
            lambda: gateway._get_adapter()._check_coverage(gateway, number)
        )
        self.write({"number": number, "answer": gateway._redact(answer)})
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Check a number"),
            "res_model": self._name,
            "res_id": self.id,
            "views": [(False, "form")],
            "target": "new",
        }
