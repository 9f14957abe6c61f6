# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Errors between the hub and a gateway's adapter. Each says whether to retry.

::

    GatewayError
    ├── GatewayNotReached        retry: no byte of the request left
    ├── GatewayThrottled         retry: slows the whole gateway, counts no attempt
    ├── GatewayAccountError      later: pauses the gateway, keeps its queue
    │   └── GatewayConfigError   later: the same, names the field to fill
    ├── GatewayRequestTooLarge   at once: the hub sends it again in halves
    ├── GatewayRejected          never: the message is refused for good
    └── GatewayOutcomeUnknown    never by itself: the gateway may have taken it
    WebhookRejected              a callback that could not be verified or read
"""

import math

from . import const


def _bounded_s(value, default_s, cap_s):
    """Return seconds that a gateway named: it may say anything, also "inf"."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return default_s
    return min(max(seconds, 1.0), cap_s) if math.isfinite(seconds) else cap_s


class GatewayError(Exception):
    """Base of what can go wrong between the hub and a gateway.

    :param str detail: plain words for the log and the screen; no secret, no number
    :param str provider_code: the provider's own code, if it gave one
    """

    retryable = False

    def __init__(self, detail="", *, provider_code=None):
        super().__init__(detail)
        self.detail = detail
        self.provider_code = provider_code


class GatewayNotReached(GatewayError):
    """No byte of the request reached the gateway: DNS, refused, TLS failure."""

    retryable = True


class GatewayThrottled(GatewayError):
    """The gateway said "slow down" and took nothing.

    :param float retry_after_s: seconds until the next request may leave
    """

    retryable = True

    def __init__(self, detail="", *, retry_after_s=30.0, provider_code=None):
        super().__init__(detail, provider_code=provider_code)
        self.retry_after_s = _bounded_s(retry_after_s, 30.0, const.RETRY_AFTER_CAP_S)


class GatewayAccountError(GatewayError):
    """The account is refused: wrong key, no credit, suspended, limit used up.

    :param float retry_after_s: seconds until it is tried again, where the gateway says
        so; otherwise ``const.PAUSE_ACCOUNT_S``. ``until_named`` tells which it is
    """

    retryable = True

    def __init__(self, detail="", *, retry_after_s=None, provider_code=None):
        super().__init__(detail, provider_code=provider_code)
        self.pause_s = _bounded_s(
            retry_after_s, const.PAUSE_ACCOUNT_S, const.PAUSE_CAP_S
        )
        self.until_named = retry_after_s is not None


class GatewayConfigError(GatewayAccountError):
    """A setting of the gateway is missing or wrong.

    :param str field_name: field of sms.gateway to fill
    """

    def __init__(self, detail="", *, field_name=None, provider_code=None):
        super().__init__(detail, provider_code=provider_code)
        self.field_name = field_name


class GatewayRequestTooLarge(GatewayError):
    """The gateway takes fewer messages in one request, and took none of this one."""

    retryable = True


class GatewayRejected(GatewayError):
    """The gateway refused the message for good.

    :param str failure_type: one of ``const.FAILURE_TYPES``
    """

    def __init__(self, detail="", *, failure_type="rejected", provider_code=None):
        super().__init__(detail, provider_code=provider_code)
        self.failure_type = failure_type


class GatewayOutcomeUnknown(GatewayError):
    """The request may have left and nobody knows what became of it."""


class WebhookRejected(Exception):
    """A callback is refused: fixed answer, no row, no detail for the caller.

    :param int http_status: 401, 403, 404, 405, 429 or 400
    :param int retry_after_s: when to call again, with 429
    """

    def __init__(self, http_status=403, retry_after_s=None):
        super().__init__(str(http_status))
        self.http_status = http_status
        self.retry_after_s = retry_after_s
