# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the app SMSsync speaks: pure functions, no database.

The app is an HTTP client; versions 2.6.1 to 3.1.1 differ in what they send and in what
makes them crash. Requests are told apart by ``read_request``; each answer is made by
one of the ``answer_…`` functions and is exactly one JSON document in plain ASCII, so
that no version reads it in a wrong charset. Letters in comments are those of the
protocol: A a text came in, B give me texts, C may I send these, D what shall I report,
E the report, F the test button, G the battery alert, H is the server there.
"""

import json
import re
from collections import namedtuple
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import unquote_to_bytes
from xml.parsers import expat

from odoo.addons.sms_gateway_hub.tools.webhook import event_key

from .. import const

CONTENT_TYPE = "application/json; charset=utf-8"

# Crashes no version, whatever it asked for.
NEUTRAL = (
    b'{"payload":{"success":false,"error":"The server could not answer","task":"",'
    b'"secret":"","messages":[]},"message_uuids":[]}'
)

_MAX_NESTING = 32
_AGENT = re.compile(r"SMSSync-Android/v?([0-9.]{1,15})", re.I)
_VERSION = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){0,3}")
_REFERENCE = re.compile(r"^[0-9A-Za-z_-]{1,64}\Z")
_NAME = re.compile(r"^[^\s=,&?]{1,64}\Z")
_MILLISECONDS = re.compile(r"^[0-9]{10,17}(\.[0-9]{1,9})?\Z")
_EPOCH = datetime(1970, 1, 1)
_FIRST_TIME = datetime(2000, 1, 1)
_BATTERY = re.compile(r"([0-9]{1,3})\s*%?\s*\.?\s*\Z")
_JSON_TOKEN = re.compile(
    r'\s*(?:("(?:[^"\\]|\\.)*")|([{}\[\],:])|([^\s{}\[\],:"]+)|\Z)', re.S
)
_DISPOSITION = re.compile(rb"(?im)^content-disposition:([^\r\n]*)")
_PART_NAME = re.compile(rb';\s*name\s*=\s*(?:"([^"]*)"|([^;\s]+))')
_XML_REFERENCES = re.compile(r"(?:&#(?:[0-9]{1,7}|x[0-9A-Fa-f]{1,6});)+")
_XML_REFERENCE = re.compile(r"&#(?:([0-9]+)|x([0-9A-Fa-f]+));")
# What XML 1.0 cannot hold.
_XML_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

Body = namedtuple("Body", "values readable")


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the app, told apart but not yet trusted.

    :param str kind: "inbound", "offer", "claim", "ask", "report", "test", "alert",
        "ping" or "other"
    :param str task: of the query, "" when there is none
    :param str secret: as given where this kind carries it; None when it is left out
    :param tuple version: of the app, e.g. (3, 1, 1); empty when unknown
    :param dict values: fields of the body by the app's own names, each a str
    :param tuple refs: of a claim
    :param object results: of a report, as it came
    :param bool readable: False when bytes of the body were not UTF-8
    """

    kind: str
    task: str = ""
    secret: str | None = None
    version: tuple = ()
    values: dict = field(default_factory=dict)
    refs: tuple = ()
    results: object = None
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """What a phone says about one text.

    :param str uuid: reference of the offer
    :param str state: a state of the hub's reports
    :param str failure_type: of the hub, or None
    :param str code: Android's codes, "sent/delivered"
    :param str detail: the phone's own words
    """

    uuid: str
    state: str
    failure_type: str | None = None
    code: str | None = None
    detail: str | None = None


# --------------------------------------------------------------------------
# Reading: query, body
# --------------------------------------------------------------------------


def _decode(raw):
    """Return (text, whether all bytes were UTF-8)."""
    try:
        return raw.decode("utf-8"), True
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace"), False


def _unquote(raw):
    return _decode(unquote_to_bytes(raw.replace(b"+", b" ")))


def parse_query(raw):
    """Read a query as the app builds it: a second one may be glued to the first.

    ``?`` separates like ``&``, the first value of a key wins, names are case-sensitive.

    :param bytes raw: the query, undecoded
    :return: dict of str
    """
    values = {}
    for pair in re.split(rb"[?&]", raw):
        name, _sep, value = pair.partition(b"=")
        if name:
            values.setdefault(_unquote(name)[0], _unquote(value)[0])
    return values


def parse_body(raw):
    """Read a body by what it looks like, never by its content type.

    The last value of a repeated key wins.

    :param bytes raw: the body, undecoded
    :return: Body; ``values`` are those of the outermost level
    :raise ValueError: it is too large, or none of XML, JSON, form and multipart
    """
    if len(raw) > const.BODY_MAX_BYTES:
        raise ValueError("the body is too large")
    raw = raw.removeprefix(b"\xef\xbb\xbf").strip()
    if not raw:
        return Body({}, True)
    if raw.startswith(b"<"):
        return _parse_xml(raw)
    if raw.startswith(b"{"):
        text, readable = _decode(raw)
        value = load_json(text)
        if not isinstance(value, dict):
            raise ValueError("not a JSON object")
        return Body(value, readable)
    if raw.startswith(b"--") and _DISPOSITION.search(raw):
        return _parse_multipart(raw)
    return _parse_form(raw)


def _parse_form(raw):
    values, readable = {}, True
    for pair in raw.split(b"&"):
        name, _sep, value = pair.partition(b"=")
        if name:
            (name, name_read), (value, value_read) = _unquote(name), _unquote(value)
            values[name] = value
            readable = readable and name_read and value_read
    return Body(values, readable)


def _parse_multipart(raw):
    boundary = raw.split(b"\n", 1)[0].rstrip(b"\r ")
    values, readable = {}, True
    for part in (b"\r\n" + raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")).split(
        b"\r\n" + boundary
    ):
        head, _sep, content = part.partition(b"\r\n\r\n")
        disposition = _DISPOSITION.search(head)
        name = disposition and _PART_NAME.search(disposition[1])
        if name:
            key, key_read = _decode(name[1] if name[1] is not None else name[2])
            content, content_read = _decode(content)
            values[key] = content.replace("\r\n", "\n")
            readable = readable and key_read and content_read
    return Body(values, readable)


class _XmlFields:
    """Collect the elements below the root. A document type is refused at once."""

    def __init__(self):
        self.values = {}
        self._path = []
        self._text = []

    def _refuse(self, *_args):
        raise ValueError("XML with a document type")

    def _start(self, name, _attributes):
        self._path.append(name)
        if len(self._path) > _MAX_NESTING:
            raise ValueError("nested too deeply")
        if len(self._path) == 2:
            self._text = []

    def _end(self, name):
        if len(self._path) == 2:
            self.values[name] = "".join(self._text)
        self._path.pop()

    def _data(self, text):
        if len(self._path) >= 2:
            self._text.append(text)

    def parse(self, document):
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        try:
            parser.Parse(document, True)
        except expat.ExpatError as error:
            raise _NotXml("not well-formed XML") from error
        return self.values


class _NotXml(ValueError):
    """It is not well-formed, and may be mended."""


def _parse_xml(raw):
    """Read XML without entities and document types.

    What Android's writer puts there although XML forbids it (control characters, an
    emoji in two halves) must not keep a text from coming in for ever: it is mended.
    """
    try:
        return Body(_XmlFields().parse(raw), True)
    except _NotXml:
        text, readable = _decode(raw)
        text = _XML_REFERENCES.sub(_mend_references, text)
        text = _XML_FORBIDDEN.sub("", text)
        # Now it is UTF-8, whatever it says.
        text = re.sub(r"^<\?xml.*?\?>", "", text, count=1, flags=re.S)
        return Body(_XmlFields().parse(text.encode()), readable)


def _mend_references(match):
    points = [
        int(decimal) if decimal else int(hexadecimal, 16)
        for decimal, hexadecimal in _XML_REFERENCE.findall(match[0])
    ]
    text = "".join(chr(point) for point in points if point <= 0x10FFFF)
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return "".join(f"&#{ord(char)};" for char in _XML_FORBIDDEN.sub("", text))


def load_json(text):
    """Read JSON, also where commas are missing or too many as in the app's manual.

    Numbers come back as text, so that none is too large and none loses a digit.

    :param str text: one JSON document
    :raise ValueError: it cannot be read even so, or is nested too deeply
    """
    try:
        try:
            value = _load_json(text)
        except ValueError:
            value = _load_json(_mend_json(text))
        _check_depth(value)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _load_json(text):
    return json.loads(
        text, strict=False, parse_int=str, parse_float=str, parse_constant=str
    )


def _mend_json(text):
    """Put commas where two values meet, and take out those before a closing bracket."""
    done, at = [], 0
    while at < len(text):
        match = _JSON_TOKEN.match(text, at)
        if not match:
            raise ValueError("not JSON")
        at = match.end()
        token = match[1] or match[2] or match[3]
        if token is None:
            break
        before = done[-1] if done else ","
        if token in "}]" and before == ",":
            done.pop()
        elif token not in "}],:" and before not in ("{", "[", ",", ":"):
            done.append(",")
        done.append(token)
    return "".join(done)


def _check_depth(value):
    level = [value]
    for _depth in range(_MAX_NESTING):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return
    raise ValueError("nested too deeply")


def _to_text(value):
    """Return a scalar as text; a list or an object is no field of the app's."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else ""


# --------------------------------------------------------------------------
# Reading: versions and names
# --------------------------------------------------------------------------


def parse_version(user_agent):
    """Return the app's version as a tuple of int, or () when it does not say.

    A zero at the end does not count: 2.7 is 2.7.0. For display and workarounds, never
    for trust.

    :param str user_agent: e.g. "SMSSync-Android/v3.1.1"
    """
    match = _AGENT.search(user_agent or "")
    return read_version(match[1]) if match else ()


def read_version(text):
    """Return a version as a tuple of int, or (): "3.1.1" is (3, 1, 1).

    :param str text: of ``format_version``, or what the phone says
    """
    match = _VERSION.match(text or "")
    if not match:
        return ()
    version = tuple(int(part) for part in match[0].split("."))
    while len(version) > 2 and not version[-1]:
        version = version[:-1]
    return version if len(version) > 1 else (*version, 0)


def format_version(version):
    """Return a version for people: (3, 1, 1) is "3.1.1"."""
    return ".".join(str(part) for part in version)


def reports_of(version):
    """Return what a version reports by itself: of "sent", "undelivered", "delivered".

    :param tuple version: as of ``parse_version``; () reports nothing
    """
    for since, reports in const.REPORTED_FROM:
        if version >= since:
            return reports
    return frozenset()


def has_results_api(version):
    """Say whether a version can acknowledge; one that does not say may."""
    return not version or version >= const.RESULTS_API_FROM


def may_reply_at_once(version):
    """Say whether texts may ride on the answer to a text that came in.

    Later versions keep the answer and send its texts again after every failed post.
    """
    return bool(version) and version < const.INSTANT_REPLIES_BELOW


def read_key_names(text):
    """Read the setting of renamed keys.

    :param str text: e.g. "from=sender, message=text", on one or several lines
    :return: dict of the app's own name -> the name on the phone
    :raise ValueError: with the piece that cannot be read
    """
    names = {}
    for piece in re.split(r"[,\n]", text or ""):
        piece = piece.strip()
        if not piece:
            continue
        own, _sep, name = (part.strip() for part in piece.partition("="))
        if own not in const.FIELDS or not _NAME.match(name) or own in names:
            raise ValueError(piece)
        names[own] = name
    if len(set(names.values())) < len(names):
        raise ValueError(text.strip())
    return names


# --------------------------------------------------------------------------
# Reading: requests
# --------------------------------------------------------------------------


def read_request(data, key_names=None):
    """Tell a request apart, in the order that no version can upset.

    A poll for texts comes first: some versions post it along with the body of the text
    before. Then what only a body can say, then the task, then the rest.

    :param WebhookData data: as it came
    :param dict key_names: as of ``read_key_names``
    :return: Request
    :raise ValueError: its body cannot be read
    """
    query = parse_query(data.raw_query)
    task = query.get("task", "")
    common = {
        "task": task,
        "version": parse_version(data.headers.get("user-agent", "")),
    }
    by_query = {**common, "secret": query.get("secret")}
    if task == "send":
        return Request("offer", **by_query)
    if data.method not in ("POST", "PUT"):
        if task == "result":
            return Request("ask", **by_query)
        return Request("other" if task else "ping", **common)
    body = parse_body(data.raw_body)
    results = _get_results(body.values)
    if results is not None:
        if not task and by_query["secret"] is None:
            # The battery alert of 3.x posts again whatever was posted last.
            return Request("alert", **common)
        return Request("report", results=results, **by_query)
    if "queued_messages" in body.values:
        if task in ("sent", "result"):
            refs = read_references(body.values["queued_messages"])
            return Request("claim", refs=refs, **common)
        # As above: nothing may be claimed by a stale body.
        return Request("alert", **common)
    values = _get_fields(body.values, key_names or {})
    common["readable"] = body.readable
    if "Task" in body.values:
        alert = _to_text(body.values["Task"]) == "alert"
        values["message"] = _to_text(body.values.get("message"))
        values["error_code"] = _to_text(body.values.get("errorCode"))
        if alert and "from" not in values:
            return Request("alert", values=values, **common)
    if "from" in values:
        kind = "test" if _is_test(values) else "inbound"
        return Request(kind, secret=values.get("secret"), values=values, **common)
    if not body.values and not task and common["version"] >= (3,):
        return Request("alert", **common)
    return Request("other", values=values, **common)


def _get_results(values):
    for name in ("message_result", "message_results"):
        if name in values:
            return values[name] if values[name] is not None else []
    return None


def _get_fields(values, key_names):
    """Return the fields by the app's own names, whatever the phone calls them."""
    renamed = set(key_names.values())
    fields = {}
    for own in const.FIELDS:
        name = key_names.get(own)
        if name in values:
            fields[own] = _to_text(values[name])
        elif own in values and own not in renamed:
            fields[own] = _to_text(values[own])
    return fields


def _is_test(values):
    return (
        values["from"].strip().lstrip("+") == const.TEST_FROM.lstrip("+")
        and values.get("message", "").strip() == const.TEST_MESSAGE
    )


def read_references(value):
    """Read the references of a claim; what cannot be one of ours is left out.

    :param value: a list as it came, or a text that holds one
    :return: tuple of str without repeats, in the order of the phone
    """
    if isinstance(value, str):
        try:
            value = load_json(value)
        except ValueError:
            return ()
    if not isinstance(value, list):
        return ()
    return tuple(dict.fromkeys(ref for ref in value if is_reference(ref)))


def is_reference(value):
    """Say whether a value can be a reference at all, before a database is asked."""
    return isinstance(value, str) and bool(_REFERENCE.match(value))


def read_battery(text):
    """Return the charge in percent of an alert's text, or None.

    :param str text: e.g. "Battery level is at 12", in the phone's language
    """
    match = _BATTERY.search(text or "")
    percent = int(match[1]) if match else None
    return percent if percent is not None and percent <= 100 else None


def read_time(text, now):
    """Read "sent_timestamp": milliseconds since 1970, UTC.

    :param str text: digits; seconds (as the manual has it) and nonsense do not count
    :param datetime now: naive UTC; what is more than a day later is nonsense
    :return: naive UTC without fractions of a second, or None
    """
    text = (text or "").strip()
    if "e" in text.lower():
        try:
            text = str(int(float(text)))
        except (ValueError, OverflowError):
            return None
    if not _MILLISECONDS.match(text):
        return None
    try:
        time = _EPOCH + timedelta(seconds=int(text.partition(".")[0]) // 1000)
    except OverflowError:
        return None
    return time if _FIRST_TIME <= time <= now + timedelta(days=1) else None


def message_key(values, now):
    """Return the key of a text that came in: the same for each post of it.

    With the id that the app gave it, else of sender, text and time. Where the time is
    missing, too (a hand-made request), the same text counts as a repeat for ten
    minutes only: who answers "Yes" twice in a week wrote two texts.

    :param dict values: as of ``read_request``
    :param datetime now: naive UTC
    """
    message_id = values.get("message_id", "").strip()
    if message_id:
        return event_key("message_id", message_id)
    time = values.get("sent_timestamp", "").strip()
    if not time:
        time = f"about {int((now - _EPOCH).total_seconds() // const.REPEAT_WINDOW_S)}"
    return event_key("text", values.get("from"), values.get("message"), time)


# --------------------------------------------------------------------------
# Reading: results
# --------------------------------------------------------------------------


def read_results(value, version=()):
    """Read the results of texts, in every form that was seen or documented.

    A bad element, and one that says nothing, is left out.

    :param value: a list, or a text that holds one
    :param tuple version: of the app
    :return: list of Result
    """
    for _wrapping in range(2):
        if isinstance(value, str):
            try:
                value = load_json(value)
            except ValueError:
                return []
        if isinstance(value, dict):
            inner = _get_results(value)
            value = [value] if inner is None else inner
    if not isinstance(value, list):
        return []
    results = (read_result(element, version) for element in value)
    return [result for result in results if result]


def read_result(element, version=()):
    """Read the result of one text, or return None when it says nothing.

    Codes are Android's. A failure to send outranks the rest, then what became of the
    delivery, then the sending, then words.

    :param element: one object of the list, as it came
    :param tuple version: of the app
    :return: Result or None
    """
    if not isinstance(element, dict) or not is_reference(element.get("uuid")):
        return None
    sent = _to_code(element.get("sent_result_code"))
    delivered = _to_code(element.get("delivered_result_code"))
    sent_text = _to_text(element.get("sent_result_message")).strip()
    delivered_text = _to_text(element.get("delivered_result_message")).strip()
    outcome, detail = None, sent_text
    if sent is not None and sent >= 1:
        outcome = const.SEND_CODES.get(sent, const.SEND_CODE_UNKNOWN)
    elif delivered_text and (found := _read_delivery(delivered, delivered_text)):
        outcome, detail = found, delivered_text
    elif sent in const.SEND_CODES:
        outcome = const.SEND_CODES[sent]
    elif sent_text:
        outcome = _find_text(sent_text)
        if not outcome and version >= const.ONLY_FAILURES_FROM:
            outcome = const.SEND_CODE_UNKNOWN
    if not outcome:
        return None
    state, failure_type = outcome
    return Result(
        uuid=element["uuid"],
        state=state,
        failure_type=failure_type,
        code=f"{'' if sent is None else sent}/{'' if delivered is None else delivered}",
        detail=detail or None,
    )


def _read_delivery(code, text):
    # The manual's code for "delivered" is the app's for "not delivered".
    if code == 0 and (found := _find_text(text)) and found[0] != "sent":
        return found
    return const.DELIVERY_CODES.get(code)


def _find_text(text):
    return const.RESULT_TEXTS.get(text.lower().rstrip(". "))


def _to_code(value):
    if isinstance(value, bool):
        return None
    try:
        return int(str(value).partition(".")[0]) if value is not None else None
    except ValueError:
        return None


# --------------------------------------------------------------------------
# Answers
# --------------------------------------------------------------------------


def _dump(document):
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def _clean_error(error):
    return (error or "")[: const.ERROR_MAX]


def _to_messages(offers):
    """Return texts to send: three fields, all of them non-empty text."""
    return [
        {"to": number, "message": text, "uuid": reference}
        for reference, number, text in offers
        if number and text and reference
    ]


def answer_stored(offers=()):
    """Answer to A and F that everything counts as success; the text is done with.

    ``success`` is the word that every version understands.

    :param offers: (reference, number, text) that the phone sends at once
    """
    payload = {"success": "true", "error": None, "messages": _to_messages(offers)}
    if payload["messages"]:
        payload["task"] = "send"
    return _dump({"payload": payload})


def answer_not_stored(error):
    """Answer to A and F that it did not work: the phone keeps the text."""
    return _dump(
        {"payload": {"success": False, "error": _clean_error(error), "messages": []}}
    )


def answer_offer(secret, offers, version=()):
    """Answer to B: texts to send. Only for a phone that proved its secret.

    :param str secret: the phone's, which it compares with its own
    :param offers: (reference, number, text)
    :param tuple version: two versions crash on an empty list with this task
    """
    messages = _to_messages(offers)
    idle = not messages and version in const.FRAGILE_VERSIONS
    return _dump(
        {
            "payload": {
                "success": True,
                "task": "" if idle else "send",
                "secret": secret or "",
                "messages": messages,
            }
        }
    )


def answer_refused(error):
    """Answer to B, H and whatever is neither: nothing to do, and why."""
    return _dump(
        {
            "payload": {
                "success": False,
                "error": _clean_error(error),
                "task": "",
                "secret": "",
                "messages": [],
            }
        }
    )


def answer_references(references=()):
    """Answer to C and D: references that were claimed, or that are asked about."""
    return _dump({"message_uuids": list(references)})


def answer_taken():
    """Answer to E and G; the app looks at nothing but the status."""
    return _dump({"payload": {"success": True, "error": None, "messages": []}})


# --------------------------------------------------------------------------
# Setting up
# --------------------------------------------------------------------------


def setup_code(title, url, secret):
    """Return the text of the QR code that fills the form of 3.x.

    :param str title: shown on the phone; at least four characters
    """
    return json.dumps(
        {"title": title, "url": url, "secret": secret}, separators=(",", ":")
    )
