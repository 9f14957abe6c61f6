# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models
from odoo.tools import SQL

from .. import const


class SmsGatewayMessage(models.Model):
    """Texts for later that are handed over before their time."""

    _inherit = "sms.gateway.message"  # pylint: disable=consider-merging-classes-inherited

    kept_by_gateway = fields.Boolean(
        "Scheduled at the gateway",
        compute="_compute_kept_by_gateway",
        help="The gateway has the text and sends it at its time.",
    )

    def _compute_kept_by_gateway(self):
        now = fields.Datetime.now()
        for message in self:
            message.kept_by_gateway = (
                message.direction == "outgoing"
                and message.state in ("sent", "unconfirmed")
                and bool(message.scheduled_at)
                and message.scheduled_at > now
            )

    def _sql_early(self, gateway):
        """Return the condition for queued texts that a gateway takes before their time.

        :return: SQL, or None where the gateway keeps none
        """
        ahead_s = gateway._get_schedule_ahead_s()
        if not ahead_s:
            return None
        return SQL(
            """
            (%s AND due_at <= now() AT TIME ZONE 'UTC' + %s * interval '1 second')
            """,
            self._sql_may_be_early(),
            ahead_s,
        )

    def _sql_next_early(self, gateway):
        """Return when the next text can be handed over before its time, as SQL."""
        ahead_s = gateway._get_schedule_ahead_s()
        if not ahead_s:
            return SQL("NULL::timestamp")
        return SQL(
            """
            (SELECT min(early.due_at) - %s * interval '1 second'
               FROM (VALUES ('1'), ('2'), ('3')) AS level (priority)
         CROSS JOIN LATERAL (
                    SELECT due_at FROM sms_gateway_message
                     WHERE gateway_id = %s AND state = 'queued'
                       AND priority = level.priority AND %s
                  ORDER BY due_at LIMIT 1) AS early)
            """,
            ahead_s,
            gateway.id,
            self._sql_may_be_early(),
        )

    def _sql_may_be_early(self):
        """Return what holds of queued texts that wait for nothing but their time.

        Those that a try has failed for, or that are due soon, go out at their time.
        """
        return SQL(
            """
            hold IS NULL AND attempts = 0 AND scheduled_at = due_at
            AND due_at > now() AT TIME ZONE 'UTC' + %s * interval '1 second'
            """,
            const.SCHEDULE_LEAST_S,
        )
