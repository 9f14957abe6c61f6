# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The door for devices that come and fetch: one address for each of them."""

import json
import logging

import psycopg2

from odoo import SUPERUSER_ID, http
from odoo.http import request
from odoo.tools.lru import LRU

from .. import const
from ..exceptions import WebhookRejected
from ..tools import webhook
from ..tools.gateway_data import InboundMessage, PollOutcome, PollStep
from ..tools.rate_limit import RateLimit, network_of
from ..tools.transaction import in_new_transaction, in_request_transaction
from .call_rates import rates
from .main import raw_record, read_call

_logger = logging.getLogger(__name__)

# Wrong proofs for one address from one peer, and addresses that one peer guesses.
failures = RateLimit(const.POLL_FAILURES_PER_MIN, 60.0)
guesses = RateLimit(const.POLL_GUESSES_PER_MIN, 60.0)
# Digests of addresses that are some device's -> id of its gateway. These are no
# guesses, whatever another one behind the same router does, e.g. a phone that was given
# up and calls on.
known = LRU(10_000)

_SENTENCES = {
    404: "Unknown address.",
    405: "Method not allowed.",
    411: "The length of the body is missing.",
    413: "Too large.",
    429: "Too many calls, or too many wrong tries. Wait a minute.",
}


def neutral_document(error):
    """Return what no device takes for work, a success or a crash, whoever it is.

    :param str error: a sentence
    :return: bytes, one JSON object
    """
    return json.dumps(
        {
            "payload": {
                "success": False,
                "error": error,
                "task": "",
                "secret": "",
                "messages": [],
            },
            "message_uuids": [],
        }
    ).encode()


class SmsGatewayPoll(http.Controller):
    """The one door for devices.

    The order is fixed: size, limits, device by token, method, then all in one short
    transaction: proof, what it asks for, the words of the answer; then the commit, then
    the answer. No session, no redirect, no HTML: each answer is one JSON document, or
    what the adapter words.
    """

    @http.route(
        [
            "/sms_gateway/<string:token>/poll",
            "/sms_gateway/<string:token>/poll/",
            "/sms_gateway/<string:token>/poll/<path:rest>",
            # Who was given the address without its last slash, and puts its own word
            # in the place of the last one.
            "/sms_gateway/<string:token>/add",
            "/sms_gateway/<string:token>/add/",
        ],
        type="http",
        auth="none",
        csrf=False,
        save_session=False,
        sitemap=False,
        # Written in the request's own transaction: nothing for a replica.
        readonly=False,
        max_content_length=const.WEBHOOK_MAX_BYTES,
    )
    def poll(self, token, **_params):
        """Take a call of a device.

        :param str token: the device's token
        """
        if not request.db:
            # Reached where the hub is a server-wide module: PostgreSQL is away.
            return self._answer(503, retry_after_s=const.NO_DATABASE_RETRY_S)
        try:
            return self._poll(token)
        except WebhookRejected as rejected:
            return self._answer(
                rejected.http_status, retry_after_s=rejected.retry_after_s
            )
        except psycopg2.Error as error:
            # Its words may hold a number or a text.
            _logger.error(
                "A call of a device could not be taken: %s", type(error).__name__
            )
            return self._answer(503)
        except Exception:
            _logger.exception("A call of a device could not be taken")
            return self._answer(503)

    @http.route(
        [
            "/sms_gateway",
            "/sms_gateway/",
            "/sms_gateway/<path:rest>",
            # Else routing would mend it by a redirect, which costs a device its text.
            "/sms_gateway//<path:rest>",
        ],
        type="http",
        auth="none",
        csrf=False,
        save_session=False,
        sitemap=False,
        max_content_length=const.WEBHOOK_MAX_BYTES,
    )
    def nowhere(self, **_params):
        """Answer addresses that were mistyped: a page would crash some devices."""
        return self._answer(404)

    def _poll(self, token):
        data = read_call()
        network = network_of(data.remote_addr)
        digest = webhook.token_digest(token)
        key = (digest, network)
        if failures.is_over(key) or digest not in known and guesses.is_over(network):
            raise WebhookRejected(429, retry_after_s=60)
        # A copy of the call for each try of the transaction is not needed: it is read
        # only.
        env = request.env(user=SUPERUSER_ID, su=True)
        if digest in known:
            rates.check_gateway(env, known[digest])
        result = in_request_transaction(env, lambda new: self._handle(new, token, data))
        if result is None:
            known.pop(digest, None)
            guesses.hit(network)
            raise WebhookRejected(404)
        (known[digest], rate), step, device_id, answer = result
        if step is None or step.kind == "refused":
            failures.hit(key)
        else:
            # It is taken: the next ones are too many.
            rates.count_call(env, known[digest], rate)
        if answer is None:
            answer = self._reply_at_once(env, device_id, data, step)
        status, content_type, body = answer
        return self._answer(status, body, content_type)

    def _handle(self, env, token, data):
        """Do what a device asks for, and word the answer: one transaction.

        :return: None for an unknown device, else (id and rate of its gateway, step or
            None, id of the device, answer or None when more is to be done first)
        """
        device = env["sms.gateway.device"]._find_by_token(token)
        if not device:
            return None
        gateway = device.gateway_id
        rate = gateway.id, gateway.callback_rate
        adapter = gateway._get_adapter()
        if not adapter._is_pull():
            # The addon of its kind was uninstalled.
            return None
        if data.method not in adapter._get_poll_methods(gateway):
            raise WebhookRejected(405)
        try:
            step = adapter._parse_poll(device, data)
        except ValueError as error:
            _logger.info(
                "SMS gateway %s: an unreadable call is not taken: %s",
                device.gateway_id.id,
                type(error).__name__,
            )
            step = None
            outcome = PollOutcome(
                done=False, error=env._("The call could not be read.")
            )
        else:
            raw = b""
            if step.kind in ("report", "inbound"):
                raw = raw_record(data, device._get_secrets())
            outcome = device._execute(step, data, raw)
            if step.then_offer and outcome.done:
                return rate, step, device.id, None
        answer = adapter._make_poll_response(device, data, step, outcome)
        return rate, step, device.id, answer

    def _reply_at_once(self, env, device_id, data, step):
        """Apply what just came in, so that its answers can ride on this one.

        What came in is stored: nothing that fails from here on costs it.
        """

        def apply(new):
            gateway = new["sms.gateway.device"].browse(device_id).gateway_id
            new["sms.gateway.event"]._apply_items(gateway, step.items)

        def offer(new):
            device = new["sms.gateway.device"].browse(device_id)
            device._note(PollStep("inbound"), lock=True)
            numbers = {
                item.number for item in step.items if isinstance(item, InboundMessage)
            }
            offers = new["sms.gateway.message"]._offer(
                device, final=True, limit=step.then_offer, numbers=numbers
            )
            return word(new, offers)

        def word(new, offers=()):
            device = new["sms.gateway.device"].browse(device_id)
            adapter = device.gateway_id._get_adapter()
            return adapter._make_poll_response(
                device, data, step, PollOutcome(offers=offers)
            )

        try:
            in_new_transaction(env, apply)
            return in_new_transaction(env, offer)
        except Exception:
            _logger.exception("Answers cannot ride on the answer: device %s", device_id)
            return in_new_transaction(env, word)

    def _answer(self, status, body=None, content_type=None, retry_after_s=None):
        if body is None:
            body = neutral_document(_SENTENCES.get(status, "Not available now."))
            content_type = "application/json; charset=utf-8"
        headers = [("Content-Type", content_type), ("Cache-Control", "no-store")]
        if retry_after_s:
            headers.append(("Retry-After", str(retry_after_s)))
        return request.make_response(body, headers=headers, status=status)
