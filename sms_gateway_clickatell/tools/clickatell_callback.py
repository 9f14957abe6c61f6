# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What Clickatell calls back with: pure functions on raw bytes, no database.

The shape of a callback says which API it is of, and so which table of statuses holds:

========================  ============================================================
``event`` in a JSON body  One API: lists of statuses and of incoming texts
``apiMsgId``              HTTP API: a status, by query, form, JSON, or XML or SOAP in
                          the field ``data``
``moMsgId``               HTTP API: an incoming text, in the same forms
``fromNumber``            Platform SMS: an incoming text
``messageId``             Platform SMS: a status
========================  ============================================================

Names are matched without regard to case. What is not known is left alone.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import unquote_to_bytes

from lxml import etree

from odoo.addons.sms_gateway_hub.exceptions import WebhookRejected
from odoo.addons.sms_gateway_hub.tools import webhook
from odoo.addons.sms_gateway_hub.tools.gateway_data import (
    DeliveryReport,
    InboundMessage,
    TextPart,
    to_cost,
)

from .. import const
from .clickatell import read_json, to_code

_UUID = re.compile(r"[0-9a-f]{32}\Z")
# A sender that may be a number of somebody, not a short code or a name.
_NUMBER = re.compile(r"\+?(?P<digits>[1-9][0-9]{6,14})\Z")
_NO_NUMBER = "?"
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_CODECS = {
    "ISO-8859-1": "latin-1",
    "ISO8859-1": "latin-1",
    "ISO_8859-1": "latin-1",
    "LATIN1": "latin-1",
    "LATIN-1": "latin-1",
    "UTF-16BE": "utf-16-be",
    "UTF16BE": "utf-16-be",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
}
# Charsets for which the platform's JSON was seen to carry percent-encoded bytes.
_ENCODED_IN_JSON = ("latin-1", "utf-16-be")
# Every name that tells what a callback is; without any it is a call to try the address.
_KNOWN = frozenset({"apimsgid", "momsgid", "messageid", "replymessageid", "fromnumber"})
_KNOWN |= {"data", "event", "from", "status", "statuscode", "text"}
_SECRET = (
    rb"api_?key|password|passwd|session_?id|authorization|access_?token|auth_?token"
)
_SECRET_FORMS = [
    # A query or a form; then JSON; then XML, also percent-encoded within a form.
    (re.compile(rb"(?i)((?:^|[&?\n])(?:" + _SECRET + rb")=)[^&\s]*"), rb"\1***"),
    (
        re.compile(
            rb'(?i)("(?:' + _SECRET + rb')"\s*:\s*)("(?:[^"\\]|\\.)*"|[^\s,}\]]+)'
        ),
        rb'\1"***"',
    ),
    # The last one takes all that follows where no end is: it must not look for one
    # again and again.
    (
        re.compile(
            rb"(?is)((?:<|%3C)(?:" + _SECRET + rb")(?:>|%3E))(?:(?!</|%3C%2F|%3C/).)*"
        ),
        rb"\1***",
    ),
]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a callback.

    :param str text: as text; bytes that are not UTF-8 are replaced
    :param bytes raw: as bytes, where the callback had bytes in a charset of its own
    """

    text: str
    raw: bytes | None = None


def parse_callback(data, say, api_id=None):
    """Read a callback of any of the APIs.

    :param WebhookData data: the callback
    :param say: function of a hint that returns words for people
    :param str api_id: the account's id at the HTTP API: another one is refused
    :return: list of DeliveryReport and InboundMessage; empty for a call that only
        tries the address, and for events of other kinds
    :raise WebhookRejected: it is about another account
    :raise ValueError: it cannot be read
    """
    if is_empty(data):
        # Whatever it calls its empty body: nobody has vouched for it.
        return []
    fields, answer = _read_fields(data)
    if answer is not None and isinstance(_get(answer, "event"), dict):
        return _parse_one(_get(answer, "event"), say)
    if answer is not None:
        fields = {**fields, **_flatten(answer)}
    if "data" in fields:
        fields = {**fields, **_read_xml(fields["data"])}
    if not _KNOWN & fields.keys():
        if data.raw_body.strip():
            raise ValueError("none of the known fields")
        return []
    given = _text(fields, "api_id")
    if api_id and given and given != api_id:
        raise WebhookRejected(403)
    return [_parse_fields(fields, say)]


def is_empty(data):
    """Say whether a callback carries nothing, as a call that tries the address."""
    names = {name for name, _value in _split_form(data.raw_query)}
    return not data.raw_body.strip() and not _KNOWN & names


def redact(raw):
    """Take credentials out of a callback: older ones carry an API key.

    :param bytes raw: query and body
    :return: bytes
    """
    for pattern, replacement in _SECRET_FORMS:
        raw = pattern.sub(replacement, raw)
    return raw


# --------------------------------------------------------------------------
# Fields
# --------------------------------------------------------------------------


def _read_fields(data):
    """Read query and body, undecoded.

    :return: (fields by name in lower case, JSON object of the body or None)
    """
    pairs, answer = _split_form(data.raw_query), None
    body = data.raw_body.strip()
    media_type = data.content_type.partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        raise ValueError("a form in parts is none of the known forms")
    if body[:1] in (b"{", b"["):
        answer = webhook.parse_json(body)
    elif body[:1] == b"<":
        pairs.append(("data", body))
    elif body:
        pairs += _split_form(body)
    fields = {}
    for name, raw in pairs:
        # The first of a repeated field counts.
        fields.setdefault(name, Field(raw.decode("utf-8", "replace"), raw))
    return fields, answer


def _split_form(raw):
    """Split a query or a form; values stay bytes, as their charset is their own."""
    pairs = []
    for part in raw.split(b"&"):
        name, equals, value = part.partition(b"=")
        if equals:
            name = unquote_to_bytes(name.replace(b"+", b" ")).decode("utf-8", "replace")
            pairs.append(
                (name.strip().lower(), unquote_to_bytes(value.replace(b"+", b" ")))
            )
    return pairs


def _get(answer, name):
    """Return a value of a JSON object, whatever the case of its name."""
    if name in answer:
        return answer[name]
    return next((v for k, v in answer.items() if k.lower() == name.lower()), None)


def _flatten(answer):
    """Return the plain values of a JSON object as fields."""
    fields = {}
    for name, value in answer.items():
        if isinstance(value, bool | dict | list):
            continue
        fields.setdefault(name.lower(), Field("" if value is None else str(value)))
    return fields


def _read_xml(field):
    """Read XML or SOAP: every element without children, by its local name.

    :raise ValueError: not XML, or one that brings definitions of its own
    """
    raw = field.raw if field.raw is not None else field.text.encode()
    # Also in an encoding of two or four bytes.
    bare = raw.replace(b"\0", b"").upper()
    if b"<!DOCTYPE" in bare or b"<!ENTITY" in bare:
        raise ValueError("XML with definitions of its own")
    try:
        root = _parse_xml(raw)
    except etree.XMLSyntaxError as error:
        try:
            raw.decode()
        except UnicodeDecodeError:
            # It names no encoding, and is not what XML then is.
            root = _parse_xml(raw, "iso-8859-1")
        else:
            raise ValueError("not XML") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise ValueError("XML with definitions of its own")
    fields = {}
    for element in root.iter(etree.Element):
        if not len(element):
            name = etree.QName(element).localname.lower()
            fields.setdefault(name, Field((element.text or "").strip()))
    return fields


def _parse_xml(raw, encoding=None):
    """Parse XML that nobody trusts.

    :param str encoding: instead of the one that it names
    """
    parser = etree.XMLParser(
        encoding=encoding,
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    return etree.fromstring(raw.strip(), parser)


def _text(fields, name, default=""):
    """Return a field as one clean line."""
    field = fields.get(name)
    return _CONTROLS.sub("", field.text).strip() if field else default


def _parse_fields(fields, say):
    """Read one event from its fields.

    :raise ValueError: the fields do not make an event
    """
    status = _text(fields, "status") or _text(fields, "statuscode")
    if _text(fields, "apimsgid"):
        if not status:
            raise ValueError("a report without a status")
        return _parse_http_report(fields, say)
    if _text(fields, "fromnumber") and "text" in fields:
        return _parse_platform_inbound(fields)
    if "momsgid" in fields or ("text" in fields and _text(fields, "from")):
        if "text" not in fields:
            raise ValueError("an incoming text without a text")
        return _parse_http_inbound(fields)
    if _text(fields, "messageid") and status:
        return _parse_platform_report(fields, say)
    raise ValueError("neither a report nor an incoming text")


# --------------------------------------------------------------------------
# Central API (HTTP)
# --------------------------------------------------------------------------


def parse_http_code(text):
    """Read a status of the HTTP API: decimal, or hex where a letter is in it.

    :return: int, or None
    """
    text = text.strip()
    if re.match(r"0*[0-9]{1,4}\Z", text, re.ASCII):
        return int(text)
    if re.match(r"(?:0x)?[0-9a-f]{1,4}\Z", text, re.I):
        return int(text, 16)
    return None


def make_http_report(ref, uuid, status, say, *, event=("report",), **values):
    """Build a report of a status of the HTTP API.

    :param str ref: Clickatell's id
    :param str uuid: our id, or None
    :param str status: as it came
    :param tuple event: what makes it another event than the same status otherwise
    """
    code = parse_http_code(status)
    state, failure_type = const.HTTP_STATUSES.get(code, ("unknown", None))
    hint = const.HTTP_STATUS_HELP.get(code)
    return DeliveryReport(
        event_key=webhook.event_key(
            *event, "http", ref or uuid, status if code is None else code
        ),
        state=state,
        external_ref=ref or None,
        uuid=uuid,
        failure_type=failure_type,
        provider_code=status,
        detail=say(hint) if hint else None,
        **values,
    )


def _parse_http_report(fields, say):
    cost = to_cost(_text(fields, "charge") or None)
    return make_http_report(
        _text(fields, "apimsgid"),
        _own_id(_text(fields, "climsgid")),
        _text(fields, "status") or _text(fields, "statuscode"),
        say,
        occurred_at=parse_time(_text(fields, "timestamp")),
        cost=cost,
        cost_unit=None if cost is None else "credits",
    )


def _parse_http_inbound(fields):
    sender, recipient = _text(fields, "from"), _text(fields, "to")
    timestamp, udh = _text(fields, "timestamp"), _text(fields, "udh")
    charset = _text(fields, "charset")
    body, readable = decode_text(fields["text"], charset)
    ref = _text(fields, "momsgid")
    key = ("mo", ref) if ref else (sender, recipient, timestamp, udh, body)
    return InboundMessage(
        event_key=webhook.event_key("inbound", "http", *key),
        number=to_number(sender),
        recipient=recipient,
        body=body,
        charset=charset or None,
        readable=readable,
        external_ref=ref or None,
        sent_at=parse_time(timestamp, offset_h=const.INBOUND_OFFSET_H),
        part=parse_udh(udh),
    )


# --------------------------------------------------------------------------
# Platform SMS
# --------------------------------------------------------------------------


def _parse_platform_report(fields, say):
    ref, word = _text(fields, "messageid"), _text(fields, "status")
    number = _text(fields, "statuscode")
    known = const.PLATFORM_STATUS_WORDS.get(_to_word(word))
    # Some send the number where the word should be.
    code = parse_http_code(number) if number else to_code(word)
    state, failure_type = known or const.HTTP_STATUSES.get(code, ("unknown", None))
    hint = None if known else const.HTTP_STATUS_HELP.get(code)
    detail = _text(fields, "statusdescription") or (say(hint) if hint else None)
    return DeliveryReport(
        event_key=webhook.event_key("report", "platform", ref, code, _to_word(word)),
        state=state,
        external_ref=ref,
        uuid=_own_id(_text(fields, "clientmessageid")),
        failure_type=failure_type,
        provider_code=word or number,
        detail=detail,
        occurred_at=parse_time(_text(fields, "timestamp")),
    )


def _parse_platform_inbound(fields):
    sender, recipient = _text(fields, "fromnumber"), _text(fields, "tonumber")
    charset, timestamp = _text(fields, "charset"), _text(fields, "timestamp")
    body, readable = decode_text(fields["text"], charset, in_json=_ENCODED_IN_JSON)
    part = parse_udh(_text(fields, "udh"))
    # "messageId" is that of the text that was answered.
    ref = _text(fields, "replymessageid")
    key = (ref,) if ref else (_text(fields, "messageid"), sender, timestamp, body)
    if part:
        # Whether each part of a long reply has an id of its own is not documented.
        key += (part.reference, part.number, part.total)
    return InboundMessage(
        event_key=webhook.event_key("inbound", "platform", *key),
        number=to_number(sender),
        recipient=recipient,
        body=body,
        charset=charset or None,
        readable=readable,
        external_ref=ref or None,
        sent_at=parse_time(timestamp),
        part=part,
    )


# --------------------------------------------------------------------------
# One API
# --------------------------------------------------------------------------


def _parse_one(event, say):
    """Read the lists of one event; kinds that are not known are left alone.

    :return: list; what cannot be read is left out, if there is something else
    :raise ValueError: nothing of it can be read
    """
    found, error = [], None
    for name, parse in (
        ("messageStatusUpdate", partial(_parse_one_report, say=say)),
        ("moText", _parse_one_inbound),
    ):
        for entry in _entries(event, name):
            try:
                found.append(parse(entry))
            except ValueError as raised:
                error = raised
    if error and not found:
        raise error
    return found


def _entries(event, name):
    found = _get(event, name)
    found = found if isinstance(found, list) else [found]
    return [
        entry
        for entry in found
        if isinstance(entry, dict) and _one_text(entry, "channel").lower() != "whatsapp"
    ]


def _one_text(entry, name):
    value = _get(entry, name)
    if value is None or isinstance(value, bool | dict | list):
        return ""
    return _CONTROLS.sub("", str(value)).strip()


def _parse_one_report(entry, say):
    ref = _one_text(entry, "messageId")
    uuid = _own_id(_one_text(entry, "clientMessageId"))
    word, number = _one_text(entry, "status"), _one_text(entry, "statusCode")
    if not (ref or uuid) or not (word or number):
        raise ValueError("a report without a message or a status")
    occurred_at = parse_time(_get(entry, "timestamp"))
    return make_one_report(ref, uuid, word, number, say, occurred_at)


def make_one_report(ref, uuid, word, number, say, occurred_at):
    """Build a report of a status of One API.

    :param str word: the status in words; the number counts only without it
    :param str number: the status as a number
    """
    state, failure_type = read_one_status(word, number)
    detail = None
    if state in ("undelivered", "expired"):
        hint = const.ONE_STATUS_HELP.get(_to_one_code(word, number))
        detail = say(hint) if hint else word or None
    return DeliveryReport(
        event_key=webhook.event_key(
            "report", "one", ref or uuid, _to_word(word) or to_code(number) or number
        ),
        state=state,
        external_ref=ref or None,
        uuid=uuid,
        failure_type=failure_type,
        provider_code=word or number,
        detail=detail,
        occurred_at=occurred_at,
    )


def parse_one_status(uuid, ref, response, say):
    """Read an answer to a question for a status.

    An id that One API does not know comes back in another shape, with the present
    time: that says nothing.

    :param str uuid: our id of the message
    :param str ref: Clickatell's id
    :param GatewayResponse response: the answer
    :return: DeliveryReport, or None
    """
    sms = (read_json(response) or {}).get("sms")
    if not 200 <= response.status < 300 or not isinstance(sms, dict):
        return None
    word, number = _one_text(sms, "status"), _one_text(sms, "statusCode")
    if read_one_status(word, number)[0] == "unknown":
        return None
    occurred_at = parse_time(sms.get("timestamp"))
    return make_one_report(ref, uuid, word, number, say, occurred_at)


def _to_one_code(word, number):
    """Return the number of a status of One API, or None: its word decides."""
    word = _to_word(word)
    return const.ONE_STATUS_WORDS.get(word) if word else to_code(number)


def read_one_status(word, number):
    """Return (state, failure type) of a status of One API."""
    code, word = _to_one_code(word, number), _to_word(word)
    if word.startswith(const.ONE_NOT_SMS_WORD):
        return const.NOT_SMS
    if not word and code is not None and code >= const.ONE_NOT_SMS_FROM:
        return const.NOT_SMS
    return const.ONE_STATUSES.get(code, ("unknown", None))


def _parse_one_inbound(entry):
    sender, recipient = _one_text(entry, "from"), _one_text(entry, "to")
    content, ref = _get(entry, "content"), _one_text(entry, "messageId")
    if not isinstance(content, str):
        raise ValueError("an incoming text without a text")
    body = _CONTROLS.sub("", content)
    key = (ref,) if ref else (sender, recipient, _get(entry, "timestamp"), body)
    return InboundMessage(
        event_key=webhook.event_key("inbound", "one", *key),
        number=to_number(sender),
        recipient=recipient,
        body=body,
        charset=_one_text(entry, "charset") or None,
        external_ref=ref or None,
        sent_at=parse_time(_get(entry, "timestamp")),
    )


# --------------------------------------------------------------------------
# Values
# --------------------------------------------------------------------------


def _own_id(value):
    """Return an id that we may have given, or None for all else."""
    return value if _UUID.match(value) else None


def _to_word(status):
    return re.sub(r"[\s-]+", "_", status.strip()).upper()


def to_number(sender):
    """Return a sender as E.164; short codes and names stay as they came."""
    match = _NUMBER.match(sender)
    return f"+{match['digits']}" if match else sender or _NO_NUMBER


def decode_text(field, charset, *, in_json=()):
    """Decode a text by the charset that came with it.

    An unknown charset, or none: UTF-8, and if it is not that, ISO-8859-1.

    :param Field field: bytes, or text of JSON or XML
    :param str charset: as it came
    :param tuple in_json: codecs for which text of JSON is percent-encoded bytes
    :return: (text, whether all of it could be read)
    """
    codec, raw = _CODECS.get(charset.strip().upper()), field.raw
    if raw is None:
        text = field.text
        if codec not in in_json or not text.isascii():
            return _CONTROLS.sub("", text), True
        raw = unquote_to_bytes(text.replace("+", " "))
    readable = True
    try:
        text = raw.decode(codec or "utf-8")
    except UnicodeDecodeError:
        # Bytes of a charset that we do not know are a guess.
        readable = codec is None and not charset.strip()
        text = raw.decode(codec, "replace") if codec else raw.decode("latin-1")
    return _CONTROLS.sub("", text), readable


def parse_time(value, *, offset_h=0):
    """Read a time in any of the forms.

    :param value: Unix time in seconds or milliseconds, ISO 8601, or date and time
    :param int offset_h: zone of a date and time that names none, hours east of UTC
    :return: datetime, UTC, or None where it is none
    """
    if isinstance(value, bool) or value in (None, ""):
        return None
    text = str(value).strip()
    try:
        if re.match(r"\d{9,17}(?:\.\d+)?\Z", text, re.ASCII):
            seconds = float(text)
            if seconds > const.MILLISECONDS_FROM:
                seconds /= 1000
            found = datetime.fromtimestamp(seconds, UTC)
        else:
            found = datetime.fromisoformat(_fix_offset(text))
            if found.tzinfo is None:
                found = found.replace(tzinfo=UTC) - timedelta(hours=offset_h)
        found = found.astimezone(UTC).replace(tzinfo=None)
    except (ArithmeticError, OSError, ValueError):
        return None
    # What is far from any day of ours is no time.
    return found if 2000 <= found.year < 2100 else None


def _fix_offset(text):
    """Write an offset as every version of Python reads it: +02:00 for +0200."""
    text = re.sub(r"Z\Z", "+00:00", text)
    return re.sub(r"([+-]\d\d)(\d\d)\Z", r"\1:\2", text) if "T" in text else text


def parse_udh(udh):
    """Read a user data header: which part of a long text this is.

    :param str udh: hex digits, e.g. "050003330201"
    :return: TextPart, or None for a text that stands alone
    """
    try:
        data = bytes.fromhex(udh)
    except ValueError:
        return None
    if not data or len(data) < data[0] + 1:
        return None
    elements, place = data[1 : data[0] + 1], 0
    while place + 2 <= len(elements):
        identifier, size = elements[place], elements[place + 1]
        value = elements[place + 2 : place + 2 + size]
        # 3GPP TS 23.040, 9.2.3.24.1 and .8: a reference of 8 or of 16 bits.
        if (identifier, size, len(value)) in ((0, 3, 3), (8, 4, 4)):
            total, number = value[-2], value[-1]
            if 1 <= number <= total:
                return TextPart(value[:-2].hex(), number, total)
            return None
        place += 2 + size
    return None
