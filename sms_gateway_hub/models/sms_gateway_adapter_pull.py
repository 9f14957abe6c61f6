# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class SmsGatewayAdapterPull(models.AbstractModel):
    """Base of gateways whose devices come and fetch, e.g. phones.

    A device asks for texts (an offer, a lease), claims them, and reports on them. The
    adapter reads what it asks and words the answer; the hub does the rest: locking,
    leases, the gate, shares. One address per device: ``/sms_gateway/<token>/poll``.
    """

    _name = "sms.gateway.adapter.pull"
    _inherit = "sms.gateway.adapter"
    _description = "SMS gateway adapter for devices that poll"

    def _get_poll_methods(self, gateway):
        """Return the HTTP methods that this peer uses."""
        return {"GET", "POST"}

    def _parse_poll(self, device, data):
        """Read what a device asks for. Pure: no write.

        Proves who asks as well: without a proof, where the protocol has one, the step
        is "refused".

        :param device: sms.gateway.device, one, as superuser
        :param WebhookData data: the call, untrusted
        :return: PollStep
        :raise ValueError: it cannot be read
        """
        raise NotImplementedError(f"{self._name} must define _parse_poll()")

    def _make_poll_response(self, device, data, step, outcome):
        """Word the answer. Must never raise, nor tell a secret to who did not prove it.

        :param PollStep step: None when it could not be read, or failed on our side
        :param PollOutcome outcome: what the hub did
        :return: (HTTP status, content type, body as bytes)
        """
        raise NotImplementedError(f"{self._name} must define _make_poll_response()")
