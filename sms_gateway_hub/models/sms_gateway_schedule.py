# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models


class SmsGateway(models.Model):
    """Texts for later that the gateway itself keeps until their time, where it can."""

    _inherit = "sms.gateway"  # pylint: disable=consider-merging-classes-inherited

    schedule_at_gateway = fields.Boolean(
        "Let the gateway keep texts for later",
        tracking=True,
        help="Texts that are planned for later are handed over before their time, and "
        "the gateway sends them. They leave on time even while Odoo is down. What was "
        "handed over cannot be called back: neither by “Cancel” nor by a STOP that "
        "comes after it.",
    )
    schedule_ahead_min = fields.Integer(
        "Hand over before",
        default=60,
        required=True,
        help="Minutes before its time at which a text is handed over: the shorter, the "
        "fewer texts are out of reach of a STOP. What is due within five minutes waits "
        "here.",
    )

    _schedule_ahead_positive = models.Constraint(
        "CHECK (schedule_ahead_min BETWEEN 10 AND 43200)",
        "“Hand over before” must be between 10 and 43200 minutes (30 days).",
    )

    def write(self, vals):
        res = super().write(vals)
        if {"schedule_at_gateway", "schedule_ahead_min"} & set(vals):
            # What waits for its time may be handed over from now on.
            self._trigger_sender()
        return res

    def _get_schedule_ahead_s(self):
        """Return how long before their time texts are handed over, in seconds.

        :return: 0 where they are not
        """
        self.ensure_one()
        if not self.schedule_at_gateway:
            return 0
        adapter = self._get_adapter()
        if "schedule" not in adapter._get_features(self):
            return 0
        return min(
            self.schedule_ahead_min * 60, int(adapter._get_schedule_limit_s(self))
        )
