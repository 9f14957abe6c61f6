# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models

from ..tools.sms_api import SmsApiGateway


class ResCompany(models.Model):
    _inherit = "res.company"

    def _get_sms_api_class(self):
        """Use the hub where one of its gateways serves the company."""
        self.ensure_one()
        if self.env["sms.gateway"]._find(self):
            return SmsApiGateway
        return super()._get_sms_api_class()
