# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

from odoo import api, models
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.tools import SQL

from .. import const
from ..tools.sender_run import SenderRun
from ..tools.transaction import in_new_transaction

_logger = logging.getLogger(__name__)


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
        gateway = self.env["sms.gateway"].browse(gateway_id).exists()
        if gateway and gateway._is_pull():
            return self._tend_devices(gateway_id)
        return SenderRun(self.env, gateway_id).run()

    @api.model
    def _is_job_waiting(self):
        """Say whether a job has been due for a second and nobody runs it.

        Then every worker is busy, and this one should hand over.
        """
        self.env.cr.execute(
            SQL(
                """
                SELECT id FROM ir_cron AS job
                 WHERE active
                   AND (nextcall < now() AT TIME ZONE 'UTC' - interval '1 second'
                        OR EXISTS (
                           SELECT FROM ir_cron_trigger
                            WHERE cron_id = job.id
                              AND call_at < now() AT TIME ZONE 'UTC'
                                            - interval '1 second'))
                 LIMIT 1
                   -- Its worker holds the row of a job that is being run.
                   FOR SHARE SKIP LOCKED
                """
            )
        )
        return bool(self.env.cr.rowcount)

    @api.model
    def _tend_devices(self, gateway_id):
        """Settle what devices left behind, and notice those that are quiet or back.

        Nothing is sent: they come and fetch.

        :param int gateway_id: id of sms.gateway
        :return: number of messages that changed
        """

        changed = in_new_transaction(
            self.env,
            lambda env: env["sms.gateway.message"]._recover(
                env["sms.gateway"].browse(gateway_id)
            ),
        )
        changed += in_new_transaction(
            self.env,
            lambda env: env["sms.gateway"].browse(gateway_id)._watch_devices(),
        )
        try:
            while (
                in_new_transaction(
                    self.env, lambda env: env["sms.gateway.message"]._sync()
                )
                == const.SYNC_MAX
            ):
                pass
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            _logger.info("SMS gateway %s: changes are told later", gateway_id)
        return changed
