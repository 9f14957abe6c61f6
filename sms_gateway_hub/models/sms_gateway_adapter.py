# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models
from odoo.exceptions import UserError

from ..exceptions import WebhookRejected


class SmsGatewayAdapter(models.AbstractModel):
    """Behaviour of one kind of gateway, over any transport.

    A gateway addon inherits this (or the HTTP base) as
    ``sms.gateway.adapter.<code>``; the hub finds it by that name. What a gateway needs
    and does not have raises with its own name; what is optional says "unsupported".
    """

    _name = "sms.gateway.adapter"
    _description = "SMS gateway adapter"

    def _is_pull(self):
        """Say whether devices of this kind come and fetch; see the pull base."""
        return False

    def _get_address_fields(self):
        """Return the names of the gateway's fields that hold an address to call.

        The form refuses there what leads to where no gateway may be.
        """
        return ()

    # -- Sending -------------------------------------------------------------

    def _prepare_send_requests(self, gateway, messages):
        """Put messages into requests; each message into exactly one.

        Pure: no network, no write. Runs in the sender's main thread.

        :param gateway: sms.gateway, one
        :param list messages: OutgoingMessage
        :return: list of SendRequest
        """
        raise NotImplementedError(f"{self._name} must define _prepare_send_requests()")

    def _get_transport(self, gateway):
        """Return what moves the requests; see ``tools/transport.py``."""
        raise NotImplementedError(f"{self._name} must define _get_transport()")

    def _parse_send_response(self, gateway, request, response):
        """Read what became of each message of a request.

        Called for every answer. A message that is missing from the result counts as
        unconfirmed. Must survive HTML, empty and half JSON.

        :param SendRequest request: what was sent
        :param response: what the transport brought
        :return: list of SendResult
        :raise GatewayError: only when the whole request is meant
        """
        raise NotImplementedError(f"{self._name} must define _parse_send_response()")

    def _get_max_messages_per_request(self, gateway):
        """Return how many recipients one request may carry."""
        return 1

    def _reaches_people(self, gateway):
        """Say whether texts leave Odoo, so that test mode must hold them back."""
        return True

    # -- Callbacks -----------------------------------------------------------

    def _get_webhook_methods(self, gateway):
        """Return the HTTP methods that this peer uses."""
        return {"POST"}

    def _verify_webhook(self, gateway, data):
        """Let an authentic callback pass; the base refuses all.

        Override with the functions of ``tools/webhook.py``: raw bytes, constant time,
        an empty secret refuses.

        :param WebhookData data: the callback, untrusted
        :raise WebhookRejected: it is not authentic
        """
        raise WebhookRejected(403)

    def _parse_webhook(self, gateway, action, data):
        """Read an authentic callback, without the database.

        :param str action: one of ``const.WEBHOOK_ACTIONS``; either kind may come on
            either address
        :param WebhookData data: the callback
        :return: list of DeliveryReport and InboundMessage; unknown words become the
            state "unknown"
        :raise ValueError: it cannot be read; it is kept raw for a person
        """
        raise WebhookRejected(404)

    def _make_webhook_response(self, gateway, outcome):
        """Return what the peer takes for "understood".

        :param str outcome: "stored" or "unreadable"
        :return: (HTTP status, content type, body as bytes)
        """
        return 200, "text/plain; charset=utf-8", b"OK"

    def _redact_callback(self, gateway, raw):
        """Take secrets out of a callback that are not the gateway's own fields.

        Called for what could not be read as well. Where it raises, nothing is kept of
        how the callback came.

        :param bytes raw: query and body; the gateway's secrets are out already
        :return: bytes, to be kept
        """
        return raw

    # -- Extras --------------------------------------------------------------

    def _get_features(self, gateway):
        """Return what the gateway can do beyond sending: ``const.GATEWAY_FEATURES``."""
        return set()

    def _test_connection(self, gateway):
        """Return a sentence for the administrator, or raise UserError with one."""
        raise UserError(self.env._("This kind of gateway has no connection test."))

    def _fetch_balance(self, gateway):
        """Return (amount, unit) of the account, the unit as in ``SendResult``.

        :raise UserError: the gateway cannot tell
        :raise GatewayError: no answer
        """
        raise UserError(self.env._("This kind of gateway cannot tell its balance."))

    def _fetch_status(self, gateway, references):
        """Look up what became of messages, and what they cost.

        Asked by itself for messages of unknown outcome, and by people for any message.

        :param list references: (uuid, external_ref or None)
        :return: list of DeliveryReport, of those that the gateway knows; the key of
            another state or cost is another one
        :raise GatewayError: no answer
        """
        return []

    def _check_coverage(self, gateway, number):
        """Ask whether the gateway serves a number; with feature "coverage".

        :param str number: E.164
        :return: a sentence for a person, e.g. with the price
        :raise UserError: the gateway cannot tell
        :raise GatewayError: no answer
        """
        raise UserError(self.env._("This kind of gateway cannot tell what it serves."))

    def _get_schedule_limit_s(self, gateway):
        """Return for how long it can hold texts itself; with feature "schedule".

        Texts for later then come with ``OutgoingMessage.send_at``, where the
        administrator chose so.
        """
        return 0

    def _get_redacted_values(self, gateway):
        """Return the values that no log and no screen may show.

        Extend ``super()``, never replace it: the base gives every system-only text
        field of the gateway.
        """
        gateway = gateway.sudo()
        return {
            value for name in gateway._get_secret_names() if (value := gateway[name])
        }
