# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What Clickatell is asked and what it answers: pure functions, no database.

``api`` is a key of ``const.APIS``. ``say`` is a function that turns a hint, like "key",
into words for people; no words are made here.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from odoo.addons.sms_gateway_hub.const import PACE_MARGIN
from odoo.addons.sms_gateway_hub.exceptions import (
    GatewayAccountError,
    GatewayConfigError,
    GatewayOutcomeUnknown,
    GatewayRequestTooLarge,
    GatewayThrottled,
)
from odoo.addons.sms_gateway_hub.tools import webhook
from odoo.addons.sms_gateway_hub.tools.gateway_data import SendRequest, SendResult
from odoo.addons.sms_gateway_hub.tools.transport import (
    parse_retry_after,
    raise_for_status,
)

from .. import const

# ASCII that every edition of the HTTP API carries as it is: the backtick is not in
# the alphabet of handsets.
_PLAIN = re.compile(r"[\n\r -_a-~]*\Z")
_HTTP_ID = re.compile(r"ID:\s*(?P<ref>\S+?)(?:\s+To:\s*\+?(?P<to>\d+))?\s*\Z", re.I)
_HTTP_ERROR = re.compile(
    r"ERR:\s*(?:(?P<code>\d{1,9})(?:\s*,|\s*\Z|(?=\s+To:)))?(?P<text>.*)\Z", re.I
)
_HTTP_TO = re.compile(r"\bTo:\s*\+?(?P<to>\d+)\s*\Z", re.I)
_LONG_NUMBER = re.compile(r"\+?\d{6,}")
_TEXT_SIZE = 200


@dataclass(frozen=True, slots=True)
class Settings:
    """What of the gateway's settings goes into requests.

    :param str api: which API
    :param str base: address before the path, without a slash at its end
    :param bool two_way: answers are wanted
    :param str sender: the gateway's own sender, or ""
    :param str callback: which statuses the HTTP API reports
    :param int max_parts: parts that a text may have
    :param int max_request_parts: parts in one request, 0 for no limit
    :param bool group: send equal mass texts in one request
    """

    api: str
    base: str
    key: str = ""
    user: str = ""
    password: str = ""
    api_id: str = ""
    two_way: bool = False
    sender: str = ""
    callback: str = "7"
    max_parts: int = 1
    max_request_parts: int = 0
    group: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """What an answer says of one message, or of all.

    :param accepted: True, False, or None where it does not say
    :param str ref: Clickatell's id
    :param int code: of the error, or None
    :param str text: Clickatell's own words about the error
    :param str to: digits of the recipient, as the answer has them
    """

    accepted: bool | None = None
    ref: str = ""
    code: int | None = None
    text: str = ""
    to: str = ""
    raw: str | None = None


def digits(number):
    """Return a number as Clickatell takes it: digits alone."""
    return re.sub(r"\D", "", str(number or ""))


def format_sender(sender):
    """Return a sender as Clickatell takes it: digits alone, or a name as it is."""
    sender = (sender or "").strip()
    return sender[1:] if re.match(r"\+\d+\Z", sender) else sender


def max_request_parts(max_rate):
    """Return how many parts may leave together, so that a speed limit holds.

    What is in one request counts together in any second.

    :param float max_rate: parts per second, 0 for no limit
    :return: parts, 0 for no limit
    """
    if not max_rate:
        return 0
    # About ten requests a second, but no size that squeezes a part too many in.
    size = int(min(max_rate / 10, const.RECIPIENTS_PER_REQUEST))
    while size > 1 and size * (int(max_rate / size / PACE_MARGIN) + 1) > max_rate:
        size -= 1
    return max(size, 1)


# --------------------------------------------------------------------------
# Requests
# --------------------------------------------------------------------------


def build_requests(settings, messages):
    """Put messages into requests.

    :param Settings settings: of the gateway
    :param list messages: OutgoingMessage
    :return: list of SendRequest, each message in exactly one
    """
    if settings.api == "one":
        groups = _split(messages, settings, lambda message: None)
        return [_build_one(settings, group) for group in groups]
    build = _build_platform if settings.api == "platform" else _build_http
    # One client id stands for a whole request, and a report names that: only a text
    # that travels alone can be found by its own id after an answer that was lost.
    alone = [m for m in messages if not _may_share(settings, m)]
    shared = [m for m in messages if _may_share(settings, m)]
    groups = [[message] for message in alone]
    groups += _split(shared, settings, _likeness)
    return [build(settings, group) for group in groups]


def _may_share(settings, message):
    return settings.group and message.priority == "3"


def _likeness(message):
    """What must be the same for messages to travel in one request."""
    minutes = message.valid_for_s and message.valid_for_s // 60
    return message.body, message.sender, minutes, message.send_at


def _split(messages, settings, likeness):
    """Split messages into groups of one kind, no number twice in a group.

    The answer names its messages by number alone.
    """
    groups, growing = [], {}
    for message in messages:
        group = next(
            (g for g in growing.get(likeness(message), []) if g.takes(message)), None
        )
        if group is None:
            group = _Group(settings.max_request_parts)
            groups.append(group)
            growing.setdefault(likeness(message), []).append(group)
        group.add(message)
        if group.is_full:
            growing[likeness(message)].remove(group)
    return [group.messages for group in groups]


class _Group:
    """Messages that become one request.

    :param int max_parts: parts that may leave together, 0 for no limit
    """

    def __init__(self, max_parts):
        self.messages = []
        self._numbers = set()
        self._max_parts = max_parts
        self._parts = 0

    @property
    def is_full(self):
        return len(self.messages) >= const.RECIPIENTS_PER_REQUEST or (
            0 < self._max_parts <= self._parts
        )

    def takes(self, message):
        parts = self._parts + message.segments
        return message.number not in self._numbers and (
            not self._max_parts or parts <= self._max_parts
        )

    def add(self, message):
        self.messages.append(message)
        self._numbers.add(message.number)
        self._parts += message.segments


def _get_sender(settings, message):
    """Return the sender of a message, or "".

    On the platform a sender means two-way routing, which costs more: only where the
    gateway says so.
    """
    if settings.api != "http" and not settings.two_way:
        return ""
    sender = message.sender
    if not sender and settings.two_way:
        sender = settings.sender
    return format_sender(sender)


def _build_one(settings, messages):
    items = []
    for message in messages:
        item = {
            "channel": "sms",
            "to": digits(message.number),
            "content": message.body,
            "clientMessageId": message.uuid,
        }
        if sender := _get_sender(settings, message):
            item["from"] = sender
        items.append(item)
    return SendRequest(
        messages=tuple(messages),
        url=settings.base + const.SEND_PATHS["one"],
        headers=_headers(settings),
        json={"messages": items},
    )


def _build_platform(settings, messages):
    first = messages[0]
    body = {
        "content": first.body,
        "to": [digits(message.number) for message in messages],
        "clientMessageId": client_id(messages),
    }
    if sender := _get_sender(settings, first):
        body["from"] = sender
    if first.send_at:
        body["scheduledDeliveryTime"] = first.send_at.strftime("%Y-%m-%dT%H:%M:%S+0000")
    return SendRequest(
        messages=tuple(messages),
        url=settings.base + const.SEND_PATHS["platform"],
        headers=_headers(settings),
        json=body,
    )


def _build_http(settings, messages):
    first = messages[0]
    text, parts = encode_text(first.body)
    form = {
        **auth_form(settings),
        "to": ",".join(digits(message.number) for message in messages),
        "climsgid": client_id(messages),
        **text,
        # A cap, not a count: what the hub let pass must not fail on other arithmetic.
        "concat": str(max(settings.max_parts, parts)),
        "callback": settings.callback,
        "queue": first.priority,
    }
    if sender := _get_sender(settings, first):
        form["from"] = sender
    if settings.two_way:
        form["mo"] = "1"
    if first.send_at:
        # Unix time. Its validity would run from now on and could end before.
        form["scheduled_time"] = str(int(first.send_at.replace(tzinfo=UTC).timestamp()))
    elif first.valid_for_s and first.valid_for_s // 60 < const.VALIDITY_MAX_MIN:
        form["validity"] = str(max(1, first.valid_for_s // 60))
    return SendRequest(
        messages=tuple(messages),
        url=settings.base + const.SEND_PATHS["http"],
        headers={"Accept": "*/*"},
        data=form,
    )


def client_id(messages):
    """Return our id for a request: 32 letters and digits.

    That of the message, if it travels alone. Else one that is no message's: a report
    must never be taken for that of the first one.
    """
    if len(messages) == 1:
        return messages[0].uuid
    uuids = "".join(sorted(message.uuid for message in messages))
    return hashlib.sha256(uuids.encode()).hexdigest()[:32]


def encode_text(body):
    """Write a text as the HTTP API takes it: plain ASCII, or hex UTF-16BE.

    :return: (form fields, parts that Clickatell may count)
    """
    if _PLAIN.match(body):
        return {"text": body}, 1
    data = body.encode("utf-16-be", "surrogatepass")
    units = len(data) // 2
    parts = 1 if units <= const.UNICODE_SINGLE else -(-units // const.UNICODE_PART)
    return {"text": data.hex().upper(), "unicode": "1"}, parts


def auth_form(settings):
    return {
        "user": settings.user,
        "password": settings.password,
        "api_id": settings.api_id,
    }


def _headers(settings):
    # The bare key: neither "Bearer" nor "Basic".
    return {"Authorization": settings.key, "Accept": "application/json"}


def build_question(settings, path, **values):
    """Build a request that asks something and sends no text.

    :param str path: after the base address
    :param values: further fields of the HTTP API's form
    """
    # A request must carry something; nothing of it goes over the wire.
    if settings.api == "http":
        return SendRequest(
            messages=(None,),
            url=settings.base + path,
            headers={"Accept": "*/*"},
            data={**auth_form(settings), **values},
        )
    return SendRequest(
        messages=(None,),
        method="GET",
        url=settings.base + path,
        headers=_headers(settings),
    )


# --------------------------------------------------------------------------
# Answers
# --------------------------------------------------------------------------


def parse_answer(settings, messages, response, say):
    """Read what became of each message.

    :param Settings settings: of the gateway
    :param tuple messages: OutgoingMessage, those of the request
    :param GatewayResponse response: the answer, of any HTTP status
    :param say: function of a hint that returns words
    :return: list of SendResult; a message that the answer does not name has none
    :raise GatewayError: when the whole request is meant
    """
    if settings.api == "http":
        found = read_http_lines(messages, response.text)
    else:
        found = _read_json_items(settings.api, messages, response)
    if found is None:
        _raise_unreadable(settings, messages, response, say)
    whole, items = found
    return _decide(settings, messages, items, response, say, whole=whole)


def _read_json_items(api, messages, response):
    """Read an answer of One API or the platform.

    :return: (whether one error stands for all, {uuid: Item}), or None
    """
    answer = read_json(response)
    if answer is None:
        return None
    listed = answer.get("messages")
    listed = [i for i in listed if isinstance(i, dict)] if _is_list(listed) else []
    whole = read_error(answer)
    if listed:
        items = [_read_item(entry, whole) for entry in listed]
        return False, _match(messages, items)
    if whole.code is None and not whole.text:
        return None
    return True, {message.uuid: whole for message in messages}


def read_json(response):
    """Return the answer as a dict, or None if it is none."""
    try:
        return webhook.parse_json(response.body)
    except ValueError:
        return None


def _is_list(value):
    return isinstance(value, list)


def _read_item(entry, whole):
    error = read_error(entry)
    accepted = entry.get("accepted")
    text = error.text
    # Words may stand at the top, at the message, or at both.
    if whole.text and whole.text != text:
        text = f"{text} {whole.text}".strip()
    return Item(
        accepted=accepted if isinstance(accepted, bool) else None,
        ref=str(entry.get("apiMessageId") or ""),
        code=whole.code if error.code is None else error.code,
        text=text,
        to=digits(entry.get("to")),
        # Whole: the hub shortens it, after it took secrets out.
        raw=json.dumps(entry),
    )


def read_error(entry):
    """Read an error as any of the APIs writes it: null, a string or an object."""
    error = entry.get("error")
    code, texts = entry.get("errorCode"), []
    if isinstance(error, dict):
        code = error.get("code", code)
        texts.append(error.get("description"))
    else:
        texts.append(error)
    texts.append(entry.get("errorDescription"))
    texts = [text.strip() for text in texts if isinstance(text, str) and text.strip()]
    return Item(code=to_code(code), text=" ".join(dict.fromkeys(texts)))


def to_code(value):
    """Read a code: an integer, or one in a string; None for all else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.match(r"\s*\d{1,9}\s*\Z", value, re.ASCII):
        return int(value)
    return None


def _match(messages, items):
    """Tell which item is about which message.

    By number; a lone message needs no equal number, as the answer may write it in
    another form. By place only where no item names a number.

    :return: {uuid: Item}, without messages that no item or several ones name
    """
    if len(messages) == 1 and len(items) == 1:
        return {messages[0].uuid: items[0]}
    if len(messages) == len(items) and not any(item.to for item in items):
        return {m.uuid: item for m, item in zip(messages, items, strict=True)}
    found = {}
    for item in items:
        known = found.setdefault(item.to, item)
        if (known.accepted, known.ref) != (item.accepted, item.ref):
            # It says both: nobody knows.
            found[item.to] = Item(to=item.to)
    return {
        message.uuid: found[digits(message.number)]
        for message in messages
        if digits(message.number) in found
    }


def read_http_lines(messages, text):
    """Read an answer of the HTTP API: a line for each recipient, or one for all.

    :param tuple messages: OutgoingMessage, those of the request
    :param str text: body of the answer
    :return: (whether one error stands for all, {uuid: Item}), or None
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # Lines of no known kind keep their place, and cost no other one its outcome.
    items = [read_http_line(line) for line in lines]
    known = [item for item in items if item]
    if not known or len(messages) == 1 and len(items) > 1:
        return None
    if len(messages) == 1:
        return False, {messages[0].uuid: known[0]}
    if len(items) == 1 and not known[0].to:
        item = known[0]
        if item.accepted:
            # One id for many recipients names none of them.
            return False, {}
        return True, {message.uuid: item for message in messages}
    place = {digits(message.number): message for message in messages}
    found = {}
    for number, item in enumerate(items):
        if not item:
            continue
        message = place.get(item.to)
        if not item.to and len(items) == len(messages):
            message = messages[number]
        if message and message.uuid not in found:
            found[message.uuid] = item
        elif message:
            found[message.uuid] = Item()
    return False, found


def read_http_line(line):
    """Read one line of the HTTP API.

    :return: Item, or None for a line of no known kind
    """
    if match := _HTTP_ID.match(line):
        return Item(accepted=True, ref=match["ref"], to=match["to"] or "", raw=line)
    if match := _HTTP_ERROR.match(line):
        words, to = match["text"].strip(), ""
        if named := _HTTP_TO.search(words):
            words, to = words[: named.start()].strip(), named["to"]
        # Decimal, never octal: 007 and 0007 are 7.
        code = int(match["code"]) if match["code"] else None
        return Item(accepted=False, code=code, text=words, to=to, raw=line)
    return None


def _raise_unreadable(settings, messages, response, say):
    """Raise what an answer without a readable word about messages means."""
    status = response.status
    if 200 <= status < 300:
        raise GatewayOutcomeUnknown(say("unreadable"))
    if status in const.NOT_THERE:
        # Nobody took anything at an address that is not there.
        raise GatewayConfigError(
            say("address"),
            field_name=const.HELP_FIELDS["address"],
            provider_code=str(status),
        )
    if settings.api == "http" and status not in (401, 402, 403, 413, 429, 503):
        # HTTP API, 2.3.8: its answers are 200. All else is nobody's known word.
        raise GatewayOutcomeUnknown(f"HTTP {status}", provider_code=str(status))
    if 400 <= status < 500 and status not in (401, 402, 403, 429):
        _halve(messages, f"HTTP {status}", str(status))
    raise_for_status(response)
    raise GatewayOutcomeUnknown(f"HTTP {status}", provider_code=str(status))


def _halve(messages, detail, code):
    """Let the hub send a refused request in halves: one message may be at fault."""
    if len(messages) > 1:
        raise GatewayRequestTooLarge(detail, provider_code=code)


def _decide(settings, messages, items, response, say, *, whole):
    """Turn what the answer says into results.

    :param dict items: {uuid: Item}
    :param bool whole: one error stands for the whole request
    """
    verdicts = {
        uuid: classify(settings.api, item, response.status)
        for uuid, item in items.items()
    }
    judge = _Judge(settings, messages, items, verdicts, response, say)
    results = [judge.result(m) for m in messages if m.uuid in items]
    if whole:
        first = verdicts[messages[0].uuid]
        if settings.api == "one" and first.code in const.ONE_TOO_LARGE:
            _halve(messages, results[0].detail, str(first.code))
        if first.state == "failed":
            _halve(messages, results[0].detail, results[0].provider_code)
        if first.state == "retry" and first.failure_type == "not_reached":
            raise judge.throttled(messages[0])
        if first.state == "unconfirmed":
            raise GatewayOutcomeUnknown(
                results[0].detail, provider_code=results[0].provider_code
            )
    errors = [result.error for result in results]
    if len(results) == len(messages) and all(errors):
        # Nothing of it was taken, and each message says why.
        raise errors[0]
    return results


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an Item means, in the hub's words.

    :param str state: a state of SendResult
    :param str scope: of an account's trouble: "account", "integration", "sender" or
        "recipient"
    :param str hint: key of the words for people, or None
    """

    state: str
    failure_type: str | None = None
    code: int | None = None
    scope: str = "account"
    hint: str | None = None
    throttled: bool = False


def classify(api, item, status):
    """Say what one item means.

    :param Item item: what the answer says
    :param int status: HTTP status of the answer
    :return: Verdict
    """
    if item.accepted and item.ref:
        return Verdict("sent")
    if item.accepted or (item.accepted is None and not _has_error(item)):
        # Taken without an id, or neither taken nor refused: nobody knows.
        return Verdict("unconfirmed", "unknown_outcome", item.code, hint="unreadable")
    if item.accepted is None and item.ref:
        return Verdict("unconfirmed", "unknown_outcome", item.code, hint="unreadable")
    return {
        "one": _classify_one,
        "platform": _classify_platform,
        "http": _classify_http,
    }[api](item, status)


def _has_error(item):
    return item.code is not None or bool(item.text)


def _classify_one(item, status):
    code = item.code
    if code == const.MIXED_UP:
        return Verdict("retry", "account", code, hint="mixed_up")
    if code not in const.ONE_ERRORS:
        if verdict := classify_status(code, status):
            return verdict
    state, failure_type = const.ONE_ERRORS.get(code, const.UNKNOWN_ERROR)
    # "Invalid or missing parameter: to" is how a malformed number was seen.
    if code == 23 and re.search(r"parameter:\s*to\s*\.?\s*(?:\Z|\s)", item.text, re.I):
        state, failure_type = const.ONE_ERRORS[25]
    return Verdict(
        state,
        failure_type,
        code,
        const.ONE_SCOPES.get(code, "account"),
        const.ONE_HELP.get(code),
        code in const.ONE_THROTTLED,
    )


def classify_status(code, status):
    """Say what an error of no known code means by its HTTP status, or None."""
    if status in (401, 403):
        return Verdict("retry", "account", code, hint="key")
    if status == 402:
        return Verdict("retry", "account", code, hint="credit")
    if status in (429, 503):
        return Verdict("retry", "not_reached", code, throttled=True)
    if status >= 500:
        return Verdict("unconfirmed", "unknown_outcome", code)
    return None


def _classify_platform(item, status):
    if verdict := classify_status(item.code, status):
        if verdict.hint == "key":
            text = item.text.lower()
            mixed_up = item.code == const.MIXED_UP or "api key" in text
            return Verdict(
                "retry", "account", item.code, hint="mixed_up" if mixed_up else "key"
            )
        return verdict
    if item.code in const.PLATFORM_ERRORS and "api key" in item.text.lower():
        state, failure_type = const.PLATFORM_ERRORS[item.code]
        return Verdict(state, failure_type, item.code, hint="mixed_up")
    text = item.text.lower()
    for words, (state, failure_type) in const.PLATFORM_ERROR_WORDS.items():
        if words in text:
            return Verdict(
                state,
                failure_type,
                item.code,
                const.PLATFORM_SCOPES.get(words, "account"),
                const.PLATFORM_HELP.get(words),
            )
    # Numbers alone prove nothing here, but for the one that was seen.
    state, failure_type = (
        const.PLATFORM_ERRORS.get(item.code, const.UNKNOWN_ERROR)
        if not text
        else const.UNKNOWN_ERROR
    )
    hint = "mixed_up" if state == "retry" else None
    return Verdict(state, failure_type, item.code, hint=hint)


def _classify_http(item, _status):
    state, failure_type = const.HTTP_ERRORS.get(item.code, const.UNKNOWN_ERROR)
    return Verdict(
        state,
        failure_type,
        item.code,
        const.HTTP_SCOPES.get(item.code, "account"),
        const.HTTP_HELP.get(item.code),
    )


class _Judge:
    """Turns verdicts on the messages of one request into results."""

    def __init__(self, settings, messages, items, verdicts, response, say):
        self.settings = settings
        self.messages = messages
        self.items = items
        self.verdicts = verdicts
        self.response = response
        self.say = say
        self.any_sent = any(v.state == "sent" for v in verdicts.values())

    def result(self, message):
        item, verdict = self.items[message.uuid], self.verdicts[message.uuid]
        code = None if item.code is None else str(item.code)
        values = {
            "uuid": message.uuid,
            "provider_code": code,
            "raw": item.raw,
            "http_status": self.response.status,
        }
        if verdict.state == "sent":
            return SendResult(state="sent", external_ref=item.ref, **values)
        detail = describe(item, verdict.hint, self.say)
        if verdict.state == "retry":
            if verdict.throttled:
                error = self.throttled(message)
                return SendResult(state="retry", detail=detail, error=error, **values)
            if verdict.failure_type == "account":
                if self._pauses(message, verdict):
                    error = self._account_error(item, verdict, detail, code)
                    return SendResult(
                        state="retry", detail=detail, error=error, **values
                    )
                return SendResult(
                    state="failed", failure_type="rejected", detail=detail, **values
                )
        return SendResult(
            state=verdict.state,
            # A result that failed says why; "retry" is the hub's to word.
            failure_type=verdict.failure_type if verdict.state == "failed" else None,
            external_ref=item.ref or None,
            detail=detail,
            **values,
        )

    def throttled(self, message):
        item, verdict = self.items[message.uuid], self.verdicts[message.uuid]
        return GatewayThrottled(
            describe(item, verdict.hint or "throttled", self.say),
            retry_after_s=parse_retry_after(self.response.headers.get("retry-after")),
            provider_code=None if item.code is None else str(item.code),
        )

    def _pauses(self, message, verdict):
        """Say whether trouble is the gateway's, which waits, or the message's alone."""
        if verdict.scope == "account":
            return True
        if self.any_sent:
            # The gateway sends: it is about this message.
            return False
        if verdict.scope == "sender":
            # Another sender than the gateway's is the text's own.
            own = format_sender(message.sender)
            return not own or own == format_sender(self.settings.sender)
        if verdict.scope == "recipient":
            # Numbers that are not served must not stop all others.
            return False
        return True

    def _account_error(self, item, verdict, detail, code):
        field_name = const.HELP_FIELDS.get(verdict.hint)
        if self.settings.api == "http" and item.code == const.HTTP_LIMIT_UNTIL:
            return GatewayAccountError(
                detail, retry_after_s=seconds_until(item.text), provider_code=code
            )
        if field_name:
            return GatewayConfigError(detail, field_name=field_name, provider_code=code)
        return GatewayAccountError(detail, provider_code=code)


def seconds_until(text, now=None):
    """Read how long to wait of "limit exceeded until <Unix time>".

    :return: seconds, or None where no time to come is named
    """
    match = re.search(r"\d{9,13}", text or "")
    if not match:
        return None
    until = int(match[0])
    if until > const.MILLISECONDS_FROM:
        until /= 1000
    now = now or datetime.now(UTC)
    wait_s = until - now.timestamp()
    return wait_s if wait_s > 0 else None


def describe(item, hint, say):
    """Return words for people: ours, then Clickatell's, without numbers of phones.

    Secrets are taken out first: one that was changed or cut is not found any more.

    :param str hint: key of our words, or None
    """
    words = [say(hint)] if hint else []
    theirs = _LONG_NUMBER.sub("…", say("redact")(item.text))[:_TEXT_SIZE].strip()
    if theirs or item.code is not None:
        words.append(say("theirs")(theirs, item.code))
    elif not hint:
        words.append(say("no_reason"))
    return " ".join(words)


# --------------------------------------------------------------------------
# Answers to questions
# --------------------------------------------------------------------------

_CREDIT = re.compile(r"Credits?:\s*(-?\d+(?:\.\d+)?)\s*\Z", re.I)
_STATUS = re.compile(r"ID:\s*(\S+)\s+Status:\s*([0-9A-F]{1,4})\s*\Z", re.I)
_CHARGE = re.compile(
    r"(?:apiMsg)?ID:\s*(\S+)\s+charge:\s*(\d+(?:\.\d+)?)(?:\s+status:\s*([0-9A-F]*))?\s*\Z",
    re.I,
)
_OK = re.compile(r"OK:?\s*(.*)\Z", re.I | re.S)
_ROUTE_CHARGE = re.compile(r"Charge:\s*(\d+(?:\.\d+)?)", re.I)


def parse_balance(api, response):
    """Read what is left on the account.

    :return: (amount, unit), or None where the answer does not say
    """
    if api == "http":
        match = _CREDIT.match(response.text.strip())
        return (float(match[1]), "credits") if match else None
    answer = read_json(response) or {}
    try:
        amount = float(answer["balance"])
    except (KeyError, TypeError, ValueError):
        return None
    return amount, str(answer.get("currency") or "credits")


def read_refusal(api, response):
    """Read why a question was refused.

    :return: Item, with neither code nor text where nothing is said
    """
    if api == "http":
        line = read_http_line(response.text.strip().partition("\n")[0].strip())
        return line if line and not line.accepted else Item()
    return read_error(read_json(response) or {})


def parse_http_status(text):
    """Read an answer to querymsg.

    :return: (Clickatell's id, status as it came), or None
    """
    match = _STATUS.match(text.strip())
    return (match[1], match[2]) if match else None


def parse_http_charge(text):
    """Read an answer to getmsgcharge, as any edition writes it.

    :return: credits, or None
    """
    match = _CHARGE.match(text.strip())
    return float(match[2]) if match else None


def parse_coverage(text):
    """Read an answer to routeCoverage.

    :return: (whether the number is served, credits or None), or None
    """
    text = text.strip()
    if match := _OK.match(text):
        charge = _ROUTE_CHARGE.search(match[1])
        return True, float(charge[1]) if charge else None
    item = read_http_line(text.replace("\n", " "))
    if item and item.accepted is False and item.code is None:
        return False, None
    return None
