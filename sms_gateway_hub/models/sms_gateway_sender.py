# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models

from ..tools.sender_run import SenderRun


class SmsGatewaySender(models.AbstractModel):
    """The sender: one scheduled job per gateway.

    Odoo runs one job record on one worker at a time, and different ones in parallel,
    on as many workers and hosts as there are. So gateways never block one another
    and a rate limit needs no shared counter.
    """

    _name = "sms.gateway.sender"
    _description = "SMS gateway sender"

    @api.model
    def _cron_send(self, gateway_id):
        """Send what is due at one gateway, for a few seconds.

        :param int gateway_id: id of sms.gateway
        :return: number of messages whose outcome was recorded
        """
        return SenderRun(self.env, gateway_id).run()
