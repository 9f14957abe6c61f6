# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How many calls the doors for gateways and phones take, over all processes."""

import time

from odoo.tools.lru import LRU

from .. import const
from ..exceptions import WebhookRejected
from ..tools.rate_limit import SharedLimit, network_of

# The tokens in service are read again at most once in so many seconds.
_LEARN_EVERY_S = 10.0


class CallRates:
    """Calls of each gateway, and bad ones of each network.

    Asking costs no query. Bad calls with the token of a gateway count apart from those
    that guess one, and where verified calls of a gateway came from, none of it is
    refused for bad ones: whoever guesses or forges behind the same router, or behind a
    proxy that hides who calls, shall not cost the genuine ones.
    """

    def __init__(self):
        self.calls = SharedLimit(const.CALLBACK_WINDOW_S)
        self.bad = SharedLimit(60.0)
        # Digest of a token -> id of its gateway, when last seen.
        self.gateways = LRU(10_000)
        # (database, digest, network) of verified calls.
        self.genuine = LRU(10_000)
        # Database -> when its tokens were read.
        self._learned_at = {}

    def check(self, env, digest, address):
        """Refuse a call that is over a rate.

        :param str digest: of the token
        :param str address: of the caller
        :raise WebhookRejected: 429, with the seconds to wait
        """
        key = self._get_key(env, digest, address)
        if self.bad.is_over(key) and digest not in self.gateways:
            # This process may not have seen that gateway yet.
            self._learn(env)
            key = self._get_key(env, digest, address)
        if self.bad.is_over(key) and key not in self.genuine:
            raise WebhookRejected(429, self.bad.get_wait_s())
        if known := self.gateways.get(digest):
            self.check_gateway(env, known)

    def check_gateway(self, env, gateway_id):
        """Refuse a call for a gateway that is over its rate.

        :raise WebhookRejected: 429, with the seconds to wait
        """
        if self.calls.is_over((env.cr.dbname, gateway_id)):
            raise WebhookRejected(429, self.calls.get_wait_s())

    def count_call(self, env, gateway_id, rate):
        """Count a verified call for a gateway: forged ones use up nothing.

        :param int rate: calls per second, 0 for no limit
        :return: bool, whether it is still allowed
        """

        def take(window, hits):
            key = f"gateway/{gateway_id}"
            return env["sms.gateway.rate"]._take(key, window, hits)[0]

        key = env.cr.dbname, gateway_id
        return not rate or self.calls.hit(key, rate * const.CALLBACK_WINDOW_S, take)

    def find_gateway(self, env, digest):
        """Return the gateway of a token, and remember it.

        :return: sms.gateway, at most one
        """
        gateway = env["sms.gateway"]._find_by_digest(digest)
        if gateway:
            self.gateways[digest] = gateway.id
        else:
            self.gateways.pop(digest, None)
        return gateway

    def note_bad(self, env, digest, address):
        """Count a call that could not be verified, or is for nobody."""
        key = self._get_key(env, digest, address)
        if key in self.genuine:
            return

        def take(window, hits):
            rate = env["sms.gateway.rate"]
            hits, is_genuine = rate._take(rate._get_caller_key(*key), window, hits)
            if is_genuine and digest in self.gateways:
                # Another process knows.
                self.genuine[key] = True
                return 0
            return hits

        self.bad.hit(key, const.BAD_CALLBACKS_PER_MIN, take)

    def note_genuine(self, env, digest, address, gateway):
        """Count a verified call, and remember where it came from, for all processes.

        :param gateway: sms.gateway, one
        :raise WebhookRejected: 429, with the seconds to wait
        """
        key = self._get_key(env, digest, address)
        if key not in self.genuine:
            rate = env["sms.gateway.rate"]
            rate._note_genuine(rate._get_caller_key(*key))
            self.genuine[key] = True
        if not self.count_call(env, gateway.id, gateway.callback_rate):
            raise WebhookRejected(429, self.calls.get_wait_s())

    def reset(self):
        """Forget everything."""
        self.calls.reset()
        self.bad.reset()
        self.gateways.clear()
        self.genuine.clear()
        self._learned_at.clear()

    def _get_key(self, env, digest, address):
        # Guessed tokens count together.
        known = digest if digest in self.gateways else ""
        return env.cr.dbname, known, network_of(address)

    def _learn(self, env):
        now = time.monotonic()
        if now - self._learned_at.get(env.cr.dbname, -_LEARN_EVERY_S) < _LEARN_EVERY_S:
            return
        self._learned_at[env.cr.dbname] = now
        for digest, gateway_id in env["sms.gateway"]._get_callback_digests():
            self.gateways[digest] = gateway_id


rates = CallRates()
