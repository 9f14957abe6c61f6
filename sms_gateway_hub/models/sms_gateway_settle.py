# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import random
import time
from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

from .. import const
from ..exceptions import GatewayError
from ..tools.transaction import in_new_transaction

_logger = logging.getLogger(__name__)

_LOOK_UP_FOR = timedelta(days=7)


class SmsGateway(models.Model):
    """What became of texts of which the gateway said nothing: it is asked.

    Every hour of those whose outcome nobody knows, once a day of those that it took
    and never reported on: callbacks do get lost. What it says is stored like a report
    that it sent by itself.
    """

    _inherit = "sms.gateway"  # pylint: disable=consider-merging-classes-inherited

    reconciled_attempt = fields.Integer(
        "Reconciled up to attempt",
        readonly=True,
        copy=False,
        help="Number of the last attempt at sending whose text the daily job asked the "
        "gateway about, or had no need to.",
    )

    @api.model
    def _cron_settle(self):
        """Ask gateways that can tell what became of unconfirmed messages."""
        self._ask_each("_settle_unconfirmed")

    @api.model
    def _cron_reconcile(self):
        """Ask gateways that can tell about texts without a report for a day."""
        self._ask_each("_reconcile")

    def _ask_each(self, method):
        """Call a method of each gateway that answers look-ups, in a random order.

        Slow gateways must not outlast the job; whose turn does not come is another one
        next time.
        """
        gateways = list(self.search([("state", "!=", "disabled")]))
        random.shuffle(gateways)
        end = time.monotonic() + const.ASK_BUDGET_S
        for gateway in gateways:
            if time.monotonic() >= end:
                break
            if (
                gateway._is_neutralized()
                or "lookup" not in gateway._get_adapter()._get_features(gateway)
            ):
                continue
            try:
                getattr(gateway, method)(end)
            except GatewayError as error:
                _logger.info("SMS gateway %s: no look-up: %s", gateway.id, error)
            except Exception:
                # One gateway's trouble is not the others'.
                _logger.exception("SMS gateway %s: the look-up failed", gateway.id)

    def _settle_unconfirmed(self, end=None):
        """Look up unconfirmed messages and store what the gateway says, at once.

        :param float end: of the job's time; one look-up fits into it anyway
        """
        self.ensure_one()
        unconfirmed = (
            self.env["sms.gateway.message"]
            .sudo()
            .search(
                # Newest first: what the gateway never knew must not hold them up.
                [
                    ("gateway_id", "=", self.id),
                    ("state", "=", "unconfirmed"),
                    ("state_at", ">=", fields.Datetime.now() - _LOOK_UP_FOR),
                ],
                limit=const.CLAIM_MAX,
                order="state_at desc",
            )
        )
        self._look_up(
            [(message.uuid, message.external_ref or None) for message in unconfirmed]
        )

    def _reconcile(self, end):
        """Ask about each text that is Sent for a day without a final report, once.

        The log of attempts is walked in its own order, on from where the last run
        came to, so that a run costs what was sent since. What cannot be asked now, as
        the gateway does not answer or the time is over, is asked next time.

        :param float end: of the job's time, by the monotonic clock
        """
        self.ensure_one()
        left = const.RECONCILE_MAX
        while left > 0 and time.monotonic() < end:
            attempts, upto = self._get_unreported(min(left, const.RECONCILE_BATCH))
            self._look_up(
                [(uuid, reference) for _id, uuid, reference in attempts],
                {"reconciled_attempt": upto},
            )
            if len(attempts) < const.RECONCILE_BATCH:
                break
            left -= len(attempts)

    def _get_unreported(self, limit):
        """Find texts that the gateway took a day ago and never reported on.

        :param int limit: how many at most
        :return: a list of (attempt's id, text's uuid, the gateway's reference), and the
            id of the attempt up to which there is no other
        """
        # What changed since the job began counts as well, how far it came above all:
        # a snapshot of its own.
        now = fields.Datetime.now()
        gateway_id = self.id

        def find(env):
            done = env["sms.gateway"].browse(gateway_id).sudo().reconciled_attempt
            env.cr.execute(
                SQL(
                    """
                    SELECT attempt.id, message.uuid, message.external_ref
                      FROM sms_gateway_attempt AS attempt
                      JOIN sms_gateway_message AS message
                        ON message.id = attempt.message_id
                     WHERE attempt.id > %(done)s
                       AND attempt.gateway_id = %(gateway)s
                       AND attempt.state = 'sent'
                       AND attempt.late IS NOT TRUE
                       AND attempt.ended_at < %(until)s
                       AND attempt.ended_at >= %(since)s
                       AND message.state = 'sent'
                       AND message.gateway_id = %(gateway)s
                  ORDER BY attempt.id
                     LIMIT %(limit)s
                    """,
                    done=done,
                    gateway=gateway_id,
                    until=now - const.REPORT_WAIT,
                    since=now - _LOOK_UP_FOR,
                    limit=limit,
                )
            )
            found = env.cr.fetchall()
            if len(found) == limit:
                return found, found[-1][0]
            env.cr.execute(
                SQL(
                    "SELECT max(id) FROM sms_gateway_attempt"
                    " WHERE id > %s AND ended_at < %s",
                    done,
                    now - const.REPORT_WAIT,
                )
            )
            return found, env.cr.fetchone()[0] or done

        return in_new_transaction(self.env, find)

    def _look_up(self, references, values=None):
        """Ask the gateway about texts, and store what it says.

        :param list references: of (uuid, the gateway's reference or ``None``)
        :param dict values: what to write on the gateway in the same transaction
        :raise GatewayError: it does not tell
        """
        self.ensure_one()
        gateway_id = self.id
        reports = (
            self._get_adapter()._fetch_status(self, references) if references else []
        )

        def store(env):
            gateway = env["sms.gateway"].browse(gateway_id)
            env["sms.gateway.event"]._store(gateway, reports, wake=True)
            if values:
                gateway.sudo().write(values)

        if reports or values:
            in_new_transaction(self.env, store)
            self.invalidate_recordset()
