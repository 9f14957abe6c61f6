# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class ResUsers(models.Model):
    """Whoever answers texts."""

    _inherit = "res.users"

    def write(self, vals):
        """Leave what waits for somebody who goes to somebody else."""
        res = super().write(vals)
        if "active" in vals and not vals["active"]:
            self._sms_gateway_get_waiting()._replace_owner()
        return res

    def action_archive(self):
        # Core deletes their activities: nobody crosses the answers off by that.
        waiting = self._sms_gateway_get_waiting()
        waiting._write_quietly({"answer_activity_id": False})
        return super().action_archive()

    def _sms_gateway_get_waiting(self):
        """Return the conversations in which these users should answer, in sudo."""
        return (
            self.env["sms.conversation"]
            .sudo()
            .search([("user_id", "in", self.ids), ("state", "=", "to_answer")])
        )

    def _sms_gateway_get_absent(self):
        """Return those who are out of office now.

        Addons that know more of absences extend it.

        :return: res.users, some of these
        """
        return self.browse(self.sudo().filtered("is_out_of_office").ids)
