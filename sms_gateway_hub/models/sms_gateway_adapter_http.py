# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models

from ..tools.gateway_data import SendRequest
from ..tools.transport import HttpTransport, raise_for_status


class SmsGatewayAdapterHttp(models.AbstractModel):
    """Base of gateways that are called by HTTP: one request, one answer.

    A subclass gives ``_prepare_send_requests`` and ``_parse_send_response``.
    """

    _name = "sms.gateway.adapter.http"
    _inherit = "sms.gateway.adapter"
    _description = "SMS gateway adapter over HTTP"

    def _get_transport(self, gateway):
        return HttpTransport(
            gateway.parallel_requests, local=gateway.sudo().local_network
        )

    def _raise_for_status(self, response):
        """Map an HTTP status to an error; extend it where the provider differs.

        :raise GatewayError: see ``tools.transport.raise_for_status``
        """
        raise_for_status(response)

    def _call(self, gateway, url, **values):
        """Ask the gateway one thing, now: a test, a balance, a look-up; never a text.

        :param gateway: sms.gateway, one
        :param values: method, headers, params, data, json, auth as in ``SendRequest``
        :return: GatewayResponse, of any HTTP status
        :raise GatewayNotReached: nothing left
        :raise GatewayOutcomeUnknown: no usable answer
        :raise GatewayConfigError: the address is not valid
        """
        transport = HttpTransport(1, local=gateway.sudo().local_network)
        try:
            # A request must carry something; nothing of it goes over the wire.
            transport.submit(SendRequest(messages=(None,), url=url, **values))
            while not (found := transport.poll(1.0)):
                pass
        finally:
            transport.close()
        completion = found[0]
        if completion.error:
            raise completion.error
        return completion.response
