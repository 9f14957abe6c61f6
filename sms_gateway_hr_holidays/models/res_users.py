# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class ResUsers(models.Model):
    """Whoever answers texts, unless on leave."""

    _inherit = "res.users"

    def _sms_gateway_get_absent(self):
        """Count those as absent, too, whose employees all are on leave today.

        Who works for several companies is absent when the employees of all of them
        are: otherwise somebody is there under that name.
        """
        absent = super()._sms_gateway_get_absent()
        employees = (
            self.env["hr.employee"]
            .sudo()
            .with_context(allowed_company_ids=self.sudo().company_ids.ids)
            .search([("user_id", "in", (self - absent).ids)])
        )
        for user, of_user in employees.grouped("user_id").items():
            if all(employee.is_absent for employee in of_user):
                absent |= self.browse(user.id)
        return absent
