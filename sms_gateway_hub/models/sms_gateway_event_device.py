# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from dataclasses import replace

from odoo import api, fields, models
from odoo.tools import SQL


class SmsGatewayEvent(models.Model):
    """What came through a phone, and which one it was."""

    _inherit = "sms.gateway.event"

    device_id = fields.Many2one(
        "sms.gateway.device", "Phone", readonly=True, ondelete="set null"
    )

    @api.model
    def _store_polled(self, device, items, raw, content_type):
        """Store what a device handed over, to be applied by the job; see ``_store``.

        :param device: sms.gateway.device, one
        :return: number of new events
        """
        stored = self._store(
            device.gateway_id,
            items,
            raw=raw,
            content_type=content_type or "",
            wake=True,
        )
        if stored:
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE sms_gateway_event SET device_id = %s
                     WHERE gateway_id = %s AND event_key = ANY(%s)
                       AND device_id IS NULL
                    """,
                    device.id,
                    device.gateway_id.id,
                    [item.event_key for item in items],
                ),
                log_exceptions=False,
            )
        return stored

    def _to_inbound(self):
        inbound = super()._to_inbound()
        # One text may have come in several events: its parts.
        return replace(inbound, device_id=self[:1].device_id.id or None)

    @api.model
    def _apply_reports(self, events):
        """Let reports settle what a device has claimed: until now it is unknown.

        What it reports on it has taken, also if its claim never came. A text that was
        taken for sent loses the remark on that when the phone says so after all.
        """
        self.env.flush_all()
        told = [
            event_id
            for (event_id,) in self.env.execute_query(
                SQL(
                    """
                    SELECT id FROM sms_gateway_event
                     WHERE id = ANY(%s) AND device_id IS NOT NULL
                       AND report_state != 'unknown'
                    """,
                    events.ids,
                )
            )
        ]
        if told:
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE sms_gateway_message AS message
                       SET state = 'unconfirmed',
                           request_at = coalesce(message.request_at,
                                                 message.state_at),
                           lease_until = NULL
                      FROM sms_gateway_event AS event
                     WHERE event.id = ANY(%s)
                       AND message.gateway_id = event.gateway_id
                       AND message.external_ref = event.external_ref
                       AND message.device_id = event.device_id
                       AND message.direction = 'outgoing'
                       AND message.state = 'sending'
                    """,
                    told,
                ),
                log_exceptions=False,
            )
            # What was taken for sent is known to be, now.
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE sms_gateway_message AS message
                       SET failure_reason = NULL
                      FROM sms_gateway_event AS event
                     WHERE event.id = ANY(%s) AND event.report_state = 'sent'
                       AND message.gateway_id = event.gateway_id
                       AND message.external_ref = event.external_ref
                       AND message.device_id = event.device_id
                       AND message.direction = 'outgoing'
                       AND message.state = 'sent' AND message.failure_reason IS NOT NULL
                    """,
                    told,
                ),
                log_exceptions=False,
            )
            self.env["sms.gateway.message"].invalidate_model()
        return super()._apply_reports(events)
