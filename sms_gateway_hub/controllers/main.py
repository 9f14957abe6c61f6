# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import re

import psycopg2

from odoo import SUPERUSER_ID, http
from odoo.http import request

from .. import const
from ..exceptions import WebhookRejected
from ..tools import webhook
from ..tools.gateway_data import WebhookData
from ..tools.transaction import in_request_transaction
from ..tools.transport import written_forms
from .call_rates import rates

_logger = logging.getLogger(__name__)

_NO_TOKEN = "0" * 64
_ACTIONS = ",".join(sorted(const.WEBHOOK_ACTIONS))
# The second one also as Odoo's login page writes where to go on to.
_TOKEN_IN_PATH = re.compile(
    # With what follows: queries of gateways and phones hold secrets, too.
    r"(/sms_gateway(?:/|(?=\?)))([^\s\"?]*)(?:\?\S*)?"
    r"|((?:/|%2F)sms(?:/|%2F)reply(?:/|%2F))[^\s\"&?]+",
    re.I,
)
_SHOWN_IN_PATH = {"", "poll", "add", *const.WEBHOOK_ACTIONS}


def _hide_tokens(text):
    """Return a line of a log without tokens, and without queries of gateways."""

    def hide(found):
        if found[3]:
            return f"{found[3]}***"
        # Wherever the token is: somebody may have mistyped the address.
        _first, *others = found[2].split("/")
        shown = [word if word in _SHOWN_IN_PATH else "***" for word in others]
        return found[1] + "/".join(["***", *shown])

    return _TOKEN_IN_PATH.sub(hide, text)


class TokenFilter(logging.Filter):
    """Keep tokens of webhooks and reply links out of the request log."""

    def filter(self, record):
        record.msg = _hide_tokens(str(record.msg))
        if isinstance(record.args, tuple):
            record.args = tuple(
                _hide_tokens(arg) if isinstance(arg, str) else arg
                for arg in record.args
            )
        return True


logging.getLogger("werkzeug").addFilter(TokenFilter())


def read_call():
    """Read the call as it came; the body was kept by ``ir.http``.

    :return: WebhookData
    :raise WebhookRejected: its length is missing, or it is too large
    """
    httprequest = request.httprequest
    if httprequest.method in ("POST", "PUT", "PATCH"):
        if httprequest.content_length is None:
            raise WebhookRejected(411)
        if httprequest.content_length > const.WEBHOOK_MAX_BYTES:
            raise WebhookRejected(413)
    headers = {
        name.lower(): value
        for name, value in httprequest.headers.items()
        # Each provider signs in a header of its own name; a session is none.
        if name.lower() != "cookie"
    }
    return WebhookData(
        method=httprequest.method,
        raw_query=httprequest.environ.get("QUERY_STRING", "").encode(
            "latin-1", "replace"
        ),
        raw_body=httprequest.get_data(cache=True),
        headers=headers,
        content_type=httprequest.headers.get("Content-Type", ""),
        remote_addr=httprequest.remote_addr or "",
    )


def raw_record(data, secrets):
    """Return query and body of a call without secrets, for the record.

    :param WebhookData data: the call
    :param secrets: texts that must not be kept
    :return: bytes
    """
    raw = b"\n".join(part for part in (data.raw_query, data.raw_body) if part)
    # The longest first: one may be the beginning of another.
    for secret in sorted(secrets, key=len, reverse=True):
        for form in written_forms(secret):
            raw = raw.replace(form.encode(), b"***")
    return raw


class SmsGatewayWebhook(http.Controller):
    """The one door for gateways.

    The order is fixed: size, rate, gateway by token, verify, parse, store, commit, 2xx.
    What a callback sets off comes after the commit. No session, no redirect, no HTML,
    and fixed bodies: a caller learns nothing but the status.
    """

    @http.route(
        [
            # Any other action leads nowhere, as the door for devices says.
            f"/sms_gateway/<string:token>/<any({_ACTIONS}):action>",
            f"/sms_gateway/<string:token>/<any({_ACTIONS}):action>/",
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
    def receive(self, token, action, **_params):
        """Take a callback.

        :param str token: the gateway's webhook token
        :param str action: one of ``const.WEBHOOK_ACTIONS``
        """
        if not request.db:
            # Reached where the hub is a server-wide module: PostgreSQL is away.
            return self._answer(503, retry_after_s=const.NO_DATABASE_RETRY_S)
        try:
            return self._receive(token, action)
        except WebhookRejected as rejected:
            return self._answer(
                rejected.http_status, retry_after_s=rejected.retry_after_s
            )
        except psycopg2.Error as error:
            # Its words may hold a number or a text.
            _logger.error("A callback could not be taken: %s", type(error).__name__)
            return self._answer(503)
        except Exception:
            # The gateway repeats on 503; a 500 or a traceback is never an answer.
            _logger.exception("A callback could not be taken")
            return self._answer(503)

    def _receive(self, token, action):
        data = read_call()
        env = request.env(user=SUPERUSER_ID, su=True)
        digest = webhook.token_digest(token) if token.isascii() else _NO_TOKEN
        rates.check(env, digest, data.remote_addr)
        try:
            gateway = rates.find_gateway(env, digest)
            if not gateway or action not in const.WEBHOOK_ACTIONS:
                raise WebhookRejected(404)
            adapter = gateway._get_adapter()
            if data.method not in adapter._get_webhook_methods(gateway):
                raise WebhookRejected(405)
            adapter._verify_webhook(gateway, data)
        except WebhookRejected:
            rates.note_bad(env, digest, data.remote_addr)
            raise
        rates.note_genuine(env, digest, data.remote_addr, gateway)
        outcome = "stored"
        try:
            items = adapter._parse_webhook(gateway, action, data)
        except WebhookRejected:
            raise
        except Exception as error:
            _logger.info(
                "SMS gateway %s: an unreadable callback is kept: %s",
                gateway.id,
                type(error).__name__,
            )
            items, outcome = [], "unreadable"
        raw = self._redact(adapter, gateway, data)
        if outcome == "unreadable":
            key = webhook.event_key("raw", action, data.raw_query, data.raw_body)
            in_request_transaction(
                env,
                lambda new: new["sms.gateway.event"]._store_unreadable(
                    new["sms.gateway"].browse(gateway.id), key, raw, data.content_type
                ),
            )
        elif items:
            self._store(env, gateway, items, raw, data.content_type)
        status, content_type, body = adapter._make_webhook_response(gateway, outcome)
        return self._answer(status, body, content_type)

    def _store(self, env, gateway, items, raw, content_type):
        """Store events durably, then let them be applied."""

        in_request_transaction(
            env,
            lambda new: new["sms.gateway.event"]._store(
                new["sms.gateway"].browse(gateway.id),
                items,
                raw=raw,
                content_type=content_type,
                wake=True,
            ),
        )

    def _redact(self, adapter, gateway, data):
        """Return query and body without the gateway's secrets, for the record."""
        raw = raw_record(data, adapter._get_redacted_values(gateway))
        try:
            return adapter._redact_callback(gateway, raw)
        except Exception as error:
            # A callback is worth more than its raw form, and a secret more than both.
            _logger.info(
                "SMS gateway %s: the raw form of a callback is not kept: %s",
                gateway.id,
                type(error).__name__,
            )
            return b""

    def _answer(
        self,
        status,
        body=b"",
        content_type="text/plain; charset=utf-8",
        retry_after_s=None,
    ):
        headers = [("Content-Type", content_type), ("Cache-Control", "no-store")]
        if retry_after_s:
            headers.append(("Retry-After", str(retry_after_s)))
        return request.make_response(body, headers=headers, status=status)
