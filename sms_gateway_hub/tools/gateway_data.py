# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What travels between the hub and an adapter: frozen, validated, no database.

Numbers are E.164 with a plus sign, times are naive UTC as everywhere in Odoo.
"""

import math
import re
from dataclasses import dataclass, field
from datetime import datetime

from .. import const

_E164 = re.compile(const.E164_PATTERN)
_UUID = re.compile(r"^[0-9a-f]{32}$")
_FAILURES = frozenset(key for key, _label in const.FAILURE_TYPES)

SEND_STATES = frozenset({"sent", "failed", "unconfirmed", "retry"})
REPORT_STATES = frozenset({"sent", "delivered", "undelivered", "expired", "unknown"})


def _check(condition, message):
    if not condition:
        raise ValueError(message)


def to_cost(value):
    """Return a cost as a finite float, or None for whatever is none.

    :param value: what a provider calls a cost
    """
    try:
        cost = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return cost if math.isfinite(cost) else None


def _check_time(value, name):
    _check(
        value is None or (isinstance(value, datetime) and value.tzinfo is None),
        f"{name} must be a naive UTC datetime",
    )


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One text to hand to a gateway.

    :param str uuid: our id, 32 hex digits, the same over all attempts
    :param str number: recipient, E.164
    :param str body: the text as rendered for this recipient
    :param str sender: sender id or number, or "" for the account's default
    :param str encoding: "gsm7" or "ucs2"
    :param int segments: parts that the text needs
    :param str priority: "1" high, "2" normal, "3" low
    :param int valid_for_s: seconds that are left of its validity, or None
    :param datetime send_at: UTC, only where the gateway schedules by itself
    """

    uuid: str
    number: str
    body: str
    sender: str = ""
    encoding: str = "gsm7"
    segments: int = 1
    priority: str = const.PRIORITY_NORMAL
    valid_for_s: int | None = None
    send_at: datetime | None = None

    def __post_init__(self):
        _check(_UUID.match(self.uuid or ""), "uuid must be 32 hex digits")
        _check(_E164.match(self.number or ""), "number must be E.164")
        _check(self.body, "body must not be empty")
        _check(self.segments >= 1, "segments must be at least 1")
        _check_time(self.send_at, "send_at")


@dataclass(frozen=True, slots=True)
class SendRequest:
    """One request to a gateway and the messages in it.

    ``params`` go into the query. Give ``data`` or ``json``, not both: a dict in
    ``data`` is sent as a form, a str or bytes as it is.

    :param tuple messages: OutgoingMessage, each in exactly one request of a batch
    :param tuple auth: (user, password) for HTTP basic authentication, or None
    """

    messages: tuple
    method: str = "POST"
    url: str = ""
    headers: dict = field(default_factory=dict)
    params: dict | None = None
    data: dict | str | bytes | None = None
    json: dict | list | None = None
    auth: tuple | None = None

    def __post_init__(self):
        _check(self.messages, "a request carries at least one message")
        _check(self.data is None or self.json is None, "give data or json, not both")


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """What a gateway answered.

    :param int status: HTTP status
    :param dict headers: names in lower case
    :param bytes body: at most ``const.RESPONSE_MAX_BYTES``
    """

    status: int
    headers: dict
    body: bytes = b""

    @property
    def text(self):
        """The body as text; what is not UTF-8 is replaced, never raises."""
        return self.body.decode("utf-8", errors="replace")


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of one message of a request.

    :param str uuid: the message
    :param str state: "sent", "failed", "unconfirmed" or "retry"
    :param str external_ref: the gateway's id
    :param str failure_type: one of ``const.FAILURE_TYPES``, with "failed"
    :param str provider_code: the provider's own word or code
    :param str detail: plain words for people
    :param float cost: in ``cost_unit``, or None when unknown
    :param str cost_unit: "credits" or an ISO 4217 code
    :param str raw: excerpt of the answer, for the log
    :param int http_status: HTTP status, where there was one
    :param GatewayError error: with "retry": why nothing was taken, where it is about
        the account or the pace; the message goes back to the queue, and the gateway
        is paused or slowed down
    """

    uuid: str
    state: str
    external_ref: str | None = None
    failure_type: str | None = None
    provider_code: str | None = None
    detail: str | None = None
    cost: float | None = None
    cost_unit: str | None = None
    raw: str | None = None
    http_status: int | None = None
    error: Exception | None = None

    def __post_init__(self):
        _check(_UUID.match(self.uuid or ""), "uuid must be 32 hex digits")
        _check(self.error is None or self.state == "retry", "an error means retry")
        _check(self.state in SEND_STATES, f"unknown send state {self.state!r}")
        _check(
            self.failure_type is None or self.failure_type in _FAILURES,
            f"unknown failure type {self.failure_type!r}",
        )
        _check(
            self.state != "failed" or self.failure_type,
            "a failed message needs a failure type",
        )


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What a gateway says about a message that it took.

    :param str external_ref: the gateway's id, or None when ``uuid`` is given
    :param str uuid: our id, when the callback carries it
    :param str state: "sent", "delivered", "undelivered", "expired", or "unknown" for
        a word that no table holds
    :param datetime occurred_at: the provider's time, UTC, or None
    :param str event_key: the same for a repeat of the same event, never for another
    """

    event_key: str
    state: str
    external_ref: str | None = None
    uuid: str | None = None
    failure_type: str | None = None
    provider_code: str | None = None
    detail: str | None = None
    occurred_at: datetime | None = None
    cost: float | None = None
    cost_unit: str | None = None
    raw: str | None = None

    def __post_init__(self):
        _check(self.event_key, "event_key must not be empty")
        _check(self.state in REPORT_STATES, f"unknown report state {self.state!r}")
        _check(self.external_ref or self.uuid, "a report names its message")
        _check(
            self.failure_type is None or self.failure_type in _FAILURES,
            f"unknown failure type {self.failure_type!r}",
        )
        _check_time(self.occurred_at, "occurred_at")


@dataclass(frozen=True, slots=True)
class TextPart:
    """Which part of a long incoming text this is, where parts come one by one.

    Parts belong together that have gateway, sender, recipient, reference and total in
    common.

    :param str reference: of the long text, e.g. the one in its user data header
    :param int number: place of this part, from 1
    :param int total: parts of the whole text
    """

    reference: str
    number: int
    total: int

    def __post_init__(self):
        _check(1 <= self.number <= self.total <= 255, "a part is one of its total")


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """A text that a person sent to one of our numbers.

    :param str number: sender, E.164, or the alphanumeric sender as it came
    :param str recipient: our number or keyword, as it came
    :param str charset: how the raw bytes were decoded, if not as UTF-8
    :param bool readable: False when the bytes could not be decoded
    :param str external_ref: the gateway's id of the inbound text
    :param datetime sent_at: the provider's time, UTC, or None
    :param str event_key: never built of sender and text alone
    :param TextPart part: where a long text comes in parts; the hub joins them
    :param int device_id: which device it came through; set by the hub alone
    """

    event_key: str
    number: str
    body: str
    recipient: str = ""
    charset: str | None = None
    readable: bool = True
    external_ref: str | None = None
    sent_at: datetime | None = None
    raw: str | None = None
    part: TextPart | None = None
    device_id: int | None = None

    def __post_init__(self):
        _check(self.event_key, "event_key must not be empty")
        _check(self.number, "number must not be empty")
        _check_time(self.sent_at, "sent_at")


@dataclass(frozen=True, slots=True)
class WebhookData:
    """A callback as it came in, before anybody trusted it.

    :param str method: HTTP method
    :param bytes raw_query: the query string, undecoded
    :param bytes raw_body: the body, undecoded
    :param dict headers: names in lower case
    :param str content_type: media type with parameters, as sent
    :param str remote_addr: address of the caller
    """

    method: str
    raw_query: bytes = b""
    raw_body: bytes = b""
    headers: dict = field(default_factory=dict)
    content_type: str = ""
    remote_addr: str = ""


# --------------------------------------------------------------------------
# Gateways of the pull kind: devices that come and fetch
# --------------------------------------------------------------------------

POLL_KINDS = frozenset(
    {"offer", "claim", "ask", "report", "inbound", "seen", "refused"}
)


@dataclass(frozen=True, slots=True)
class PollStep:
    """What a device that polls wants of the outbox, in the hub's terms.

    :param str kind: "offer" (texts to send, please), "claim" (may I send these?),
        "ask" (what shall I report on?), "report", "inbound" (texts that came to it),
        "seen" (nothing but a sign of life) or "refused" (it did not prove who it is)
    :param tuple refs: references of offers, of a claim
    :param tuple items: DeliveryReport with the offer's reference as external_ref, or
        InboundMessage
    :param bool final: of an offer: it will not be claimed, so it counts as taken
    :param int then_offer: of incoming texts: so many texts may ride on the answer, and
        count as taken
    :param dict seen: columns of the device to note, e.g. {"version": "3.1.1"}
    :param str detail: plain words for the answer or the screen
    """

    kind: str
    refs: tuple = ()
    items: tuple = ()
    final: bool = False
    then_offer: int = 0
    seen: dict = field(default_factory=dict)
    detail: str | None = None

    def __post_init__(self):
        _check(self.kind in POLL_KINDS, f"unknown step {self.kind!r}")


@dataclass(frozen=True, slots=True)
class PollOutcome:
    """What the hub did about a step; the adapter words the answer.

    :param tuple offers: (reference, OutgoingMessage) of texts that were offered
    :param tuple refs: newly claimed references, or those to report on
    :param bool done: False when nothing was stored: the device shall try again
    :param str error: plain words, where it was not done
    """

    offers: tuple = ()
    refs: tuple = ()
    done: bool = True
    error: str | None = None
