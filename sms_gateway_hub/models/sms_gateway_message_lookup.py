# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ..tools.transaction import in_new_transaction

# What a gateway may know something of.
_KNOWN_STATES = ("sent", "delivered", "undelivered", "expired", "unconfirmed")


class SmsGatewayMessage(models.Model):
    """What became of one text, and what it cost: the gateway is asked now."""

    _inherit = "sms.gateway.message"  # pylint: disable=consider-merging-classes-inherited

    can_ask_gateway = fields.Boolean(compute="_compute_can_ask_gateway")

    @api.depends("state", "direction", "gateway_id")
    @api.depends_context("uid")
    def _compute_can_ask_gateway(self):
        may_ask = self.env.user.has_group("sms_gateway_hub.group_manager")
        for message in self:
            gateway = message.gateway_id.sudo()
            message.can_ask_gateway = (
                may_ask
                and message.direction == "outgoing"
                and message.state in _KNOWN_STATES
                and gateway.feature_lookup
            )

    def action_ask_gateway(self):
        """Ask the gateway for the state and the price of this text, and store both.

        :raise AccessError: it is for managers and administrators
        :raise UserError: the gateway cannot be asked, or does not answer
        """
        self.ensure_one()
        self.check_access("read")
        if not self.env.user.has_group("sms_gateway_hub.group_manager"):
            raise AccessError(
                self.env._("Only a manager of SMS gateways may ask the gateway.")
            )
        if not self.can_ask_gateway:
            raise UserError(
                self.env._(
                    "The gateway cannot be asked for this text: it never had it, or "
                    "it is of a kind that does not answer such questions."
                )
            )
        gateway = self.sudo().gateway_id
        uuid, reference = self.uuid, self.external_ref or None
        reports = gateway._ask(
            lambda: gateway._get_adapter()._fetch_status(gateway, [(uuid, reference)])
        )
        # Whatever else it tells is not asked for.
        reports = [
            report
            for report in reports
            if report.uuid == uuid
            or not report.uuid
            and report.external_ref == reference
        ]
        if not reports:
            return self._notify_user(
                self.env._("The gateway knows nothing of this text."), "warning"
            )
        message_id, gateway_id = self.id, gateway.id

        def store(env):
            events = env["sms.gateway.event"].sudo()
            gateway = env["sms.gateway"].browse(gateway_id)
            events._store(gateway, reports)
            events._apply_items(gateway, reports)
            message = env["sms.gateway.message"].sudo().browse(message_id)
            return message._get_state_label(), message.cost_text

        state, cost = in_new_transaction(self.env, store)
        self.invalidate_recordset()
        last = reports[-1]
        states = dict(self._fields["state"]._description_selection(self.env))
        words = states.get(last.state) or last.provider_code or self.env._("no word")
        sentences = [self.env._("The gateway says: %s.", words)]
        if last.detail:
            sentences.append(gateway._redact(last.detail))
        if words != state:
            sentences.append(self.env._("The text stays “%s”.", state))
        if cost:
            sentences.append(self.env._("Cost: %s.", cost))
        return self._notify_user(" ".join(sentences), "info")
