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

    def _is_pull(self):
        return True

    def _get_reported_states(self, device):
        """Return what a device is known to tell by itself of texts that it claimed.

        Of "sent", "undelivered" and "delivered". Without "sent" the hub takes a text
        for sent when the device was asked for results, came again two minutes after
        the claim and told of no failure; with it a report is waited for, for a day.
        "delivered" lets the hub ask for reports some hours longer.

        :param device: sms.gateway.device, one
        """
        return frozenset({"sent", "undelivered"})

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
