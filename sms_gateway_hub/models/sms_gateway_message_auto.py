# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class SmsGatewayMessage(models.Model):
    """Automatic answers to incoming texts."""

    _inherit = "sms.gateway.message"

    def _auto_reply(self):
        """Answer an incoming text by itself: own words, and outside office hours.

        :return: sms.gateway.message, the answers
        """
        return self.browse()
