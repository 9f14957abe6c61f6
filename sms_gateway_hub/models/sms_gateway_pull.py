# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import api, fields, models

from .. import const


class SmsGateway(models.Model):
    """Gateways whose phones come and fetch."""

    _inherit = "sms.gateway"  # pylint: disable=consider-merging-classes-inherited

    is_pull = fields.Boolean(compute="_compute_is_pull")
    device_ids = fields.One2many("sms.gateway.device", "gateway_id", "Phones")
    device_count = fields.Integer("All phones", compute="_compute_device_counts")
    device_online_count = fields.Integer(
        "Phones online", compute="_compute_device_counts"
    )

    @api.depends("code")
    def _compute_is_pull(self):
        for gateway in self:
            gateway.is_pull = gateway._is_pull()

    @api.depends("device_ids.status")
    def _compute_device_counts(self):
        for gateway in self:
            gateway.device_count = len(gateway.device_ids)
            gateway.device_online_count = len(
                gateway.device_ids.filtered(lambda device: device.status == "online")
            )

    def _is_pull(self):
        """Say whether its devices come and fetch, instead of being called."""
        return self._get_adapter()._is_pull()

    def action_open_devices(self):
        """Open the phones of this gateway."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "sms_gateway_hub.action_sms_gateway_device"
        )
        action["domain"] = [("gateway_id", "=", self.id)]
        action["context"] = {"default_gateway_id": self.id, "active_test": False}
        return action

    # ------------------------------------------------------------------
    # Watch. By the job of the gateway, in short transactions of its own.
    # ------------------------------------------------------------------

    def _watch_devices(self):
        """Notice phones that are quiet or back, and rest while none asks.

        :return: number of messages that changed
        """
        self.ensure_one()
        if not self._is_in_service() or self._is_neutralized():
            return 0
        messages = self.env["sms.gateway.message"]
        now = fields.Datetime.now()
        devices = self.device_ids
        alive = devices.filtered(lambda device: device._is_alive(now))
        quiet = devices - alive
        alive._end_alarm()
        quiet.filtered("last_poll_at")._alarm()
        # Who may send no more today, or confirms nothing, keeps nothing back either.
        idle = quiet | alive.filtered(
            lambda device: (
                device._is_spent() or device.unclaimed_offers >= const.UNCLAIMED_MAX
            )
        )
        changed = messages._return_to_pool(idle) if idle else 0
        if alive:
            if self.paused_until:
                self._resumed()
        elif self.fallback_gateway_id or self.with_context(
            # Those that were given up are no longer waited for, either.
            active_test=False
        ).device_ids.filtered("last_poll_at"):
            self._rest_without_devices(now)
            changed += messages._give_up_waiting(self)
        return changed

    def _rest_without_devices(self, now):
        """Pause, and stay paused: the fallback takes what was not handed out."""
        until = now + timedelta(seconds=const.PAUSE_QUIET_S)
        if not self.paused_until or self.paused_until < until - timedelta(
            seconds=const.PAUSE_QUIET_S / 2
        ):
            self.write(
                {
                    "paused_until": until,
                    "pause_reason": self.env._("No phone asks for texts."),
                }
            )
        self.fallback_gateway_id._trigger_sender()
