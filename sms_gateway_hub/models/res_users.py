# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class ResUsers(models.Model):
    """Whoever answers texts."""

    _inherit = "res.users"

    def _sms_gateway_get_absent(self):
        """Return those who are out of office now.

        Addons that know more of absences extend it.

        :return: res.users, some of these
        """
        return self.browse(self.sudo().filtered("is_out_of_office").ids)
