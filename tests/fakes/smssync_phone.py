#!/usr/bin/env python3
# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A phone with the unmodified app SMSsync, as the network sees it.

    python tests/fakes/smssync_phone.py --url POLL_URL --secret S
    python tests/fakes/smssync_phone.py --url POLL_URL --secret S --answer "Thanks"
    python tests/fakes/smssync_phone.py --url POLL_URL --secret S --page 8081

It polls, "sends" what it is given (it prints it), and lets a person answer: every text
is answered with --answer, or by hand on a small page with --page.

The behaviours are those of the app's versions 2.6.1 to 3.1.1, as documented and as
read in its source; nothing here knows the server's code. The oddities are on purpose:
addresses made by concatenation, polluted queries, stale bodies, reports that never
come, answers that crash the app. What the phone handed to its radio is in
``Phone.radio``: the truth about what was texted. Standard library only.
"""

import argparse
import base64
import html
import json
import random
import re
import sys
import threading
import time
import urllib.parse
import uuid
from collections import deque
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

TIMEOUT_S = 30
# Android asks the person who holds the phone when an app sends more than this.
ANDROID_PARTS_PER_MINUTE = 30
MINUTE_S = 60
# Auto Delete Pending Messages: how often a failed text is tried again.
MAX_RETRIES = 3
# The app's own database columns: a reply that carries one of them as something that
# does not fit cannot be read at all.
BOUND_KEYS = {
    "timestamp",
    "delivered_timestamp",
    "_id",
    "retries",
    "status",
    "type",
    "sent_result_code",
    "delivery_result_code",
}
FIELDS = (
    "secret",
    "from",
    "message",
    "sent_timestamp",
    "sent_to",
    "message_id",
    "device_id",
)
TEST_FROM = "+000000000000"
TEST_TEXT = "Test Message From SMSSync Integration"
# Android's result codes, and the app's English words for them.
SENT, NOT_SET, UNKNOWN_27 = -1, 0, -2
SENT_TEXTS = {
    -1: "SMS sent",
    1: "Failed to send SMS - Maybe insufficient air time on the phone.",
    2: "Failed to send SMS because radio was explicitly turned off",
    3: "Failed to send SMS because no pdu provided",
    4: "Failed to send SMS because service is currently unavailable",
}
OTHER_FAILURE = "Unknown error while sending sms."
DELIVERED_TEXTS = {True: "SMS delivered", False: "SMS not delivered"}

_GSM7 = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_EXTENDED = set("^{}\\[~]|€\f")
_URI_SAFE = re.compile(r"^[A-Za-z0-9\-._~!$&+,;=%]*$")


def count_parts(text):
    """Return how many SMS Android makes of a text, never less than one."""
    if all(sign in _GSM7 or sign in _GSM7_EXTENDED for sign in text):
        units = len(text) + sum(sign in _GSM7_EXTENDED for sign in text)
        return 1 if units <= 160 else -(-units // 153)
    units = len(text.encode("utf-16-be")) // 2
    return 1 if units <= 70 else -(-units // 67)


class Unreadable(Exception):
    """An answer that the app's JSON library cannot read."""


class NetworkFault(Exception):
    """The request, or its answer, got lost."""


class PhoneGone(Exception):
    """The phone is dead for good: nothing happens any more."""


@dataclass(frozen=True)
class Answer:
    """What the server answered."""

    status: int
    content_type: str
    body: bytes


@dataclass
class Sent:
    """One text that the phone handed to its radio."""

    to: str
    text: str
    uuid: str | None
    at: float
    parts: int
    code: int = SENT
    why: str = "task"


@dataclass
class Task:
    """One text that the phone was given, as its own database holds it."""

    to: str
    text: str
    uuid: str | None
    code: int | None = None
    delivered: bool | None = None
    hidden: bool = False
    retries: int = 0
    kept: bool = False


@dataclass
class Received:
    """One text that came to the phone and waits to be posted, until it is accepted."""

    number: str
    text: str
    message_id: str
    sent_ms: int | None
    posts: int = 0


@dataclass
class Faults:
    """A bad network, the same one each time for the same seed.

    :param float before: share of requests that never reach the server
    :param float after: share of requests whose answer never comes back
    """

    before: float = 0.0
    after: float = 0.0
    seed: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self):
        self._random = random.Random(self.seed)

    def draw(self):
        value = self._random.random()
        if value < self.before:
            return "before"
        return "after" if value < self.before + self.after else None


def _version(text):
    """Return a version as numbers, ``2.7`` being below ``2.7.1``."""
    numbers = [int(number) for number in re.findall(r"\d+", text)[:3]]
    return tuple(numbers + [0] * (3 - len(numbers)))


def _plus(text):
    """Encode as Java's URLEncoder: a space is a plus sign."""
    return urllib.parse.quote_plus(text, safe="*-._")


def _html_safe(value):
    """Write JSON as the app's library does: some signs as escapes."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return re.sub("[<>&='\u2028\u2029]", lambda m: f"\\u{ord(m[0]):04x}", text)


def _read_json(body):
    """Read an answer as the app does.

    :return: the document, or None for an empty body
    :raise Unreadable: it is not exactly one document
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8: {error}") from None
    if not text.strip():
        return None
    for attempt in (text, re.sub(r",(\s*\])", r",null\1", text)):
        try:
            return json.loads(attempt)
        except ValueError:
            continue
    raise Unreadable(f"not one JSON document: {text[:80]!r}")


def _read_text(value, name):
    """Read a value that the app holds as text: numbers count as such."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    raise Unreadable(f"{name} is not a text")


def _read_payload(body):
    """Read ``payload`` of an answer, bound to the types that the app gives its keys.

    :return: dict with success (bool), task, secret, error (text or None) and messages
        (list of dict or None, or None), and "has" with the keys that were there; or
        None where there is no payload
    :raise Unreadable: the app's library would raise
    """
    document = _read_json(body)
    if document is None:
        return None
    if not isinstance(document, dict):
        raise Unreadable("not an object")
    payload = document.get("payload")
    if payload is None:
        return None
    if not isinstance(payload, dict):
        raise Unreadable("payload is not an object")
    success = payload.get("success")
    if isinstance(success, str):
        success = success.lower() == "true"
    elif success is not None and not isinstance(success, bool):
        raise Unreadable("success is a number or an object")
    messages = payload.get("messages")
    if messages is not None:
        if not isinstance(messages, list):
            raise Unreadable("messages is not an array")
        messages = [_read_message(message) for message in messages]
    return {
        "success": bool(success),
        "messages": messages,
        "has": set(payload),
        **{
            name: _read_text(payload.get(name), name)
            for name in ("task", "secret", "error")
        },
    }


def _read_message(message):
    if message is None:
        return None
    if not isinstance(message, dict):
        raise Unreadable("a message is not an object")
    if bound := BOUND_KEYS & set(message):
        raise Unreadable(f"a message carries {sorted(bound)}")
    return {
        name: _read_text(message.get(name), name) for name in ("to", "message", "uuid")
    }


class Phone:
    """One phone that runs SMSsync.

    :param str url: the Sync URL, as typed into the app, with ``user:password@`` for
        basic authentication
    :param str secret: as typed into the app, may be empty
    :param str version: of the app
    :param bool results_api: the switch "Message Results API"
    :param str body_format: "urlencoded", "json" or "xml"
    :param str method: "POST" or "PUT", for incoming texts and the test button
    :param dict keys: renamed keys of incoming texts, e.g. ``{"from": "sender"}``
    :param bool delivery_report: the switch "SMS Delivery Report"
    :param bool get_reply: the switch "Get Reply from Server"
    :param bool auto_delete: the switch "Auto Delete Pending Messages"
    :param str sim_number: number of the SIM, where the phone knows it
    :param str device_id: the setting "Unique ID"
    :param Faults faults: of the network
    :param bool http_retry: the HTTP library repeats a request whose answer got lost
    :param radio: function of (to, text) that returns Android's result code
    :param delivery: function of (to, text) that returns whether it was delivered, None
        for no report yet
    :param on_sent: function of (phone, Sent), called after each text
    :param clock: seconds, monotonic
    :param str source: the phone's own address
    """

    def __init__(
        self,
        url,
        secret="",
        *,
        version="3.1.1",
        name="phone",
        results_api=True,
        body_format="urlencoded",
        method="POST",
        keys=None,
        delivery_report=False,
        get_reply=False,
        auto_delete=False,
        sim_number="",
        device_id="",
        faults=None,
        http_retry=False,
        radio=None,
        delivery=None,
        on_sent=None,
        clock=time.monotonic,
        parts_per_minute=ANDROID_PARTS_PER_MINUTE,
        timeout_s=TIMEOUT_S,
        source="",
    ):
        self.version_text = version
        self.version = _version(version)
        self.name = name
        self.secret = secret
        self.results_api = results_api and self.version >= (2, 7, 0)
        self.body_format = body_format
        self.method = method
        self.keys = {name: (keys or {}).get(name, name) for name in FIELDS}
        self.delivery_report = delivery_report
        self.get_reply = get_reply
        self.auto_delete = auto_delete
        self.sim_number = sim_number
        self.device_id = device_id
        self.faults = faults or Faults()
        self.http_retry = http_retry
        self._radio = radio or (lambda to, text: SENT)
        self._delivery = delivery or (lambda to, text: True)
        self.on_sent = on_sent
        self.clock = clock
        self.parts_per_minute = parts_per_minute
        self.timeout_s = timeout_s
        self.source = (source, 0) if source else None
        self._random = random.Random(f"{name}{self.faults.seed}")
        self._set_url(url)
        # What tests look at
        self.radio = []  # Sent, in order: the truth
        self.asked_person = []  # times at which Android's dialog came up
        self.crashes = []  # what the server answered that crashes the app
        self.network_crashes = 0  # those that any bad network makes, in some versions
        self.offences = []  # answers that break the protocol, harmless here or not
        self.requests = []  # (kind, method, address as sent, Answer or None)
        self.log = []  # the app's own log
        self.accepted = []  # Received that the server took
        self.unanswered = []  # messages of claims whose answer got lost
        # The phone's own state
        self.pending = []  # Received
        self.tasks = {}  # uuid: Task
        self.dead = threading.Event()
        self.die_at = None  # the radio's text of this number is never sent
        self._recent = deque()
        self._last_reply = None
        self._lock = threading.RLock()
        self._restart()

    def _set_url(self, url):
        parts = urllib.parse.urlsplit(url)
        self._authorization = None
        if parts.username is not None:
            words = (parts.username, parts.password or "")
            if all(_URI_SAFE.match(word) for word in words):
                pair = ":".join(urllib.parse.unquote(word) for word in words)
                code = base64.b64encode(pair.encode()).decode()
                self._authorization = f"Basic {code}"
        self._scheme = parts.scheme
        self._host = parts.hostname
        self._port = parts.port
        origin = f"{parts.scheme}://{parts.netloc}"
        # The rest is never taken apart by the app: it only adds to its end.
        self.target = url.removeprefix(origin) or "/"

    def _restart(self):
        """What a new process of the app starts with."""
        self._form = []  # repeated form fields of 3.0.0 to 3.0.3
        self._test_form = []  # the same of the test button
        self._polluted = []  # parameters that the shared client never forgets
        self._last_sms = None  # (content type, body) of the last text posted
        self._last_post = None  # the same of whatever was posted last

    # Versions

    def _between(self, first, last):
        return _version(first) <= self.version <= _version(last)

    @property
    def is_3(self):
        return self.version >= (3, 0, 0)

    # The network

    def kill(self):
        """Kill the phone for good."""
        self.dead.set()

    def _check_alive(self):
        if self.dead.is_set():
            raise PhoneGone(self.name)

    def _request(self, kind, method, target, content_type=None, body=None):
        """Do one request; the app never takes the address apart.

        :raise NetworkFault: nothing came back
        """
        self._check_alive()
        if method in ("POST", "PUT"):
            self._last_post = (content_type, body or b"")
        for last in (not self.http_retry, True):
            fault = self.faults.draw()
            answer = None
            if fault != "before":
                answer = self._ask(method, target, content_type, body)
            self._check_alive()
            self.requests.append((kind, method, target, answer))
            if answer is not None:
                self._check_answer(kind, answer)
            if fault is None and answer is not None:
                return answer
            if last or fault == "before":
                raise NetworkFault(kind)
        raise AssertionError("not reached")

    def _ask(self, method, target, content_type, body):
        kind = HTTPSConnection if self._scheme == "https" else HTTPConnection
        headers = {"User-Agent": f"SMSSync-Android/v{self.version_text}"}
        if self._authorization:
            headers["Authorization"] = self._authorization
        if content_type:
            headers["Content-Type"] = content_type
        for _hop in range(5):
            connection = kind(
                self._host,
                self._port,
                timeout=self.timeout_s,
                source_address=self.source,
            )
            try:
                connection.putrequest(method, target, skip_accept_encoding=True)
                for name, value in headers.items():
                    connection.putheader(name, value)
                if body is not None or method in ("POST", "PUT"):
                    connection.putheader("Content-Length", str(len(body or b"")))
                connection.endheaders(body)
                response = connection.getresponse()
                answer = Answer(
                    response.status,
                    response.getheader("Content-Type", ""),
                    response.read(),
                )
                location = response.getheader("Location")
            except (OSError, HTTPException):
                return None
            finally:
                connection.close()
            if answer.status not in (301, 302, 303) or not location:
                return answer
            # A redirect loses the body: the text is gone.
            self.offences.append(f"redirected to {location}")
            moved = urllib.parse.urlsplit(location)
            target = moved.path + (f"?{moved.query}" if moved.query else "")
            method, body = "GET", None
            headers.pop("Content-Type", None)
        return answer

    def _check_answer(self, kind, answer):
        """Note what breaks "exactly one well-formed JSON document, always"."""
        try:
            document = json.loads(answer.body.decode())
        except ValueError:
            self.offences.append(
                f"{kind}: {answer.status} is no JSON document: {answer.body[:80]!r}"
            )
            return
        if not isinstance(document, dict):
            self.offences.append(f"{kind}: no object")
            return
        if not answer.content_type.lower().startswith("application/json"):
            self.offences.append(f"{kind}: content type {answer.content_type!r}")
        if kind == "B":
            payload = document.get("payload")
            payload = payload if isinstance(payload, dict) else {}
            if missing := {"task", "secret", "messages"} - set(payload):
                self.offences.append(f"B: without {sorted(missing)}")
            for message in payload.get("messages") or ():
                if set(message) != {"to", "message", "uuid"} or not all(
                    isinstance(value, str) and value for value in message.values()
                ):
                    self.offences.append(f"B: a message with {sorted(message)}")
        if kind in ("C", "D") and not isinstance(document.get("message_uuids"), list):
            self.offences.append(f"{kind}: no message_uuids")

    def _crash(self, kind, why, answer=None):
        """The app dies and is started again by Android."""
        excerpt = f" ({answer.status} {answer.body[:120]!r})" if answer else ""
        self.crashes.append(f"{self.version_text} {kind}: {why}{excerpt}")
        self._restart()

    def _crash_by_network(self, kind):
        if self.is_3 or (kind != "B" and self.version == (2, 7, 3)):
            self.network_crashes += 1
            self._restart()

    # B and C: texts to send

    def poll(self):
        """Ask for texts (B), claim them (C) where the phone does, and send them.

        :return: how many were handed to the radio
        """
        with self._lock:
            try:
                messages = self._fetch_tasks()
                if not messages:
                    return 0
                if self.results_api:
                    messages = self._claim(messages)
            except NetworkFault as fault:
                self._crash_by_network(str(fault))
                return 0
            return self._send_tasks(messages)

    def _with_secret(self, target):
        return f"{target}&secret={_plus(self.secret)}" if self.secret else target

    def _fetch_tasks(self):
        """Poll (B); return the messages, or None where there is nothing to do."""
        target = self._with_secret(f"{self.target}?task=send")
        if self._between("3.0.0", "3.0.4"):
            # It posts, with the body of the last text that came to it.
            content_type, body = self._last_sms or (None, b"")
            kept = self._last_post
            answer = self._request("B", "POST", target, content_type, body)
            self._last_post = kept
        else:
            answer = self._request("B", "GET", target)
        try:
            payload = _read_payload(answer.body)
        except Unreadable as error:
            if self.is_3:
                self._crash("B", str(error), answer)
            return None
        if payload is None:
            return None
        proved = not self.secret or payload["secret"] == self.secret
        if proved and payload["task"] is None and self._between("2.7.3", "2.8.99"):
            self._crash("B", "no task", answer)
            return None
        if payload["task"] != "send" or not proved:
            self.log.append("No task is enabled on the configured Sync URL.")
            return None
        messages = payload["messages"]
        if self.version >= (2, 7, 3) and (messages is None or None in messages):
            self._crash("B", "messages missing, or one of them is null", answer)
            return None
        if messages == [] and self.results_api and self._between("2.7", "2.7.1"):
            self._crash("B", "no messages at all", answer)
            return None
        return [message for message in messages or () if message]

    @property
    def _results_target(self):
        """The address of C, D and E."""
        if self.version == (2, 7, 0):
            # This version alone puts "add" where the last part of the path was.
            return self.target[: self.target.rindex("/") + 1] + "add"
        return self.target

    def _claim(self, messages):
        """Say which texts are about to be sent (C); return those that may be."""
        body = _html_safe({"queued_messages": [m["uuid"] for m in messages]}).encode()
        content_type = "application/json; charset=UTF-8"
        if self.version == (2, 7, 0):
            content_type = "text/plain; charset=UTF-8"
        target = f"{self._results_target}?task=sent"
        try:
            answer = self._request("C", "POST", target, content_type, body)
        except NetworkFault:
            # Perhaps it was claimed: nothing is sent, and nobody is told.
            self.unanswered += messages
            raise
        claimed = self._read_uuids(answer)
        return [m for m in messages if m["uuid"] and m["uuid"] in claimed]

    def _read_uuids(self, answer):
        """Read ``message_uuids``; whatever is wrong with it counts as none."""
        if answer.status != 200:
            return []
        try:
            document = _read_json(answer.body)
        except Unreadable:
            return []
        uuids = document.get("message_uuids") if isinstance(document, dict) else None
        return uuids if isinstance(uuids, list) else []

    def _send_tasks(self, messages):
        sent = 0
        for message in messages:
            if not message["to"] or not message["message"]:
                self._crash("B", "an empty number or text: the rest is lost")
                break
            task = Task(
                message["to"], message["message"], message["uuid"] or str(uuid.uuid4())
            )
            self.tasks[task.uuid] = task
            self._send(task)
            sent += 1
        return sent

    def _send(self, task, why="task"):
        """Hand a text to the radio, and keep what the phone's database keeps."""
        # The app sends it a second time to get its report.
        for _time in range(2 if self.is_3 and self.delivery_report else 1):
            task.code = self._transmit(task.to, task.text, task.uuid, why)
        if task.code == SENT:
            task.kept = False
            if self.delivery_report or self._between("2.7", "2.7.99"):
                task.delivered = self._delivery(task.to, task.text)
            task.hidden = (
                self._between("3.0.0", "3.0.3") and self._random.random() < 0.5
            )
        else:
            task.kept = True
            if self._between("2.7", "2.7.99"):
                reason = SENT_TEXTS.get(task.code, OTHER_FAILURE)
                self._alert(
                    [
                        ("Task", "alert"),
                        ("message", reason),
                        ("errorCode", str(task.code)),
                    ]
                )

    def _transmit(self, to, text, reference, why):
        self._check_alive()
        if self.die_at is not None and len(self.radio) >= self.die_at:
            self.kill()
            self._check_alive()
        now = self.clock()
        sent = Sent(to, text, reference, now, count_parts(text), why=why)
        self._recent.append((now, sent.parts))
        while self._recent and self._recent[0][0] <= now - MINUTE_S:
            self._recent.popleft()
        if (
            self.parts_per_minute
            and sum(parts for _at, parts in self._recent) > self.parts_per_minute
        ):
            self.asked_person.append(now)
        sent.code = self._radio(to, text)
        self.radio.append(sent)
        if self.on_sent:
            self.on_sent(self, sent)
        return sent.code

    # D and E: what became of them

    def report(self):
        """Ask what to report on (D), and report what this version tells (E).

        :return: the results that were posted, None where nothing was
        """
        if not self.results_api:
            return None
        with self._lock:
            try:
                return self._report()
            except NetworkFault as fault:
                self._crash_by_network(str(fault))
                return None

    def _report(self):
        silent = self._between("2.7", "2.7.1")
        base = f"{self._results_target}?task=result"
        target = base if silent else self._with_secret(base)
        asked = target
        if self.is_3 and self._polluted:
            asked += "?" + "&".join(f"{k}={_plus(v)}" for k, v in self._polluted)
        answer = self._request("D", "GET", asked)
        if answer.status != 200:
            return None
        uuids = self._read_uuids(answer)
        # Up to 3.0.4 it answers every question, also one about nothing.
        if not uuids and self.version >= (3, 0, 5):
            return None
        rows = [
            row
            for reference in uuids
            if (task := self.tasks.get(reference)) and (row := self._make_result(task))
        ]
        body = _html_safe({"message_result": _html_safe(rows)}).encode()
        if silent:
            target = f"{self._results_target}?task=sent"
        content_type = "application/json; charset=UTF-8"
        self._request("E", "POST", target, content_type, body)
        return rows

    def _make_result(self, task):
        """Return one row of a report, or None for what this version never tells."""
        if self._between("2.7", "2.7.99"):
            return self._make_result_27(task)
        if task.code == SENT:
            if self.version >= (3, 0, 4):
                return None
        elif not self.auto_delete or task.retries >= MAX_RETRIES or not task.kept:
            return None
        row = {
            "uuid": task.uuid,
            "sent_result_code": task.code,
            "sent_result_message": SENT_TEXTS.get(task.code, OTHER_FAILURE),
            "delivered_result_code": 0,
        }
        if self.version >= (3, 0, 5):
            row["sent_result_code"] = NOT_SET
        if task.delivered is not None and not task.hidden:
            row["delivered_result_code"] = -1 if task.delivered else 0
            row["delivered_result_message"] = DELIVERED_TEXTS[task.delivered]
        if self.is_3:
            # In the phone's local time, without its zone.
            now = time.localtime()
            hour = time.strftime("%I:%M:%S %p", now).lstrip("0")
            row["sent_timestamp"] = (
                f"{time.strftime('%b', now)} {now.tm_mday}, {now.tm_year} {hour}"
            )
        return row

    def _make_result_27(self, task):
        row = {
            "uuid": task.uuid,
            "sent_result_code": UNKNOWN_27 if task.code is None else task.code,
            "sent_result_message": SENT_TEXTS.get(task.code, OTHER_FAILURE),
            "delivered_result_code": UNKNOWN_27,
            "delivered_result_message": "",
        }
        if task.delivered is not None:
            row["delivered_result_code"] = -1 if task.delivered else 0
            row["delivered_result_message"] = DELIVERED_TEXTS[task.delivered]
        return row

    # A: texts that come to the phone

    def receive(self, number, text, sent_ms=None):
        """Take a text that somebody sent to the phone, and post it (A).

        :return: Received, or None for the app's own codes
        """
        with self._lock:
            if self._between("2.7", "2.8.3") and text in ("@10", "@20", "@30", "@40"):
                self._answer_code(number, text)
                return None
            if sent_ms is None and self.version != (2, 8, 3):
                sent_ms = int(time.time() * 1000)
            received = Received(number, text, str(uuid.uuid4()), sent_ms)
            self.pending.append(received)
            self._post(received)
            return received

    def _answer_code(self, number, code):
        """Tell about the phone who texts one of its codes (H asks the server)."""
        words = "reception 3, battery 87 %"
        if code in ("@20", "@40"):
            try:
                words = f"server {self._request('H', 'GET', self.target).status}"
            except NetworkFault:
                words = "server unreachable"
        self._transmit(number, words, None, "code")

    def sync(self):
        """Do an auto-sync: post again what was not accepted; return how much is left.

        The app also sends again by itself what its radio failed to send.
        """
        with self._lock:
            for received in list(self.pending):
                self._post(received)
            for task in list(self.tasks.values()):
                if task.kept and (self.is_3 or self.version == (2, 6, 1)):
                    task.retries += 1
                    self._send(task, "again")
            return len(self.pending)

    def make_fields(self, received):
        """Return the seven fields of an incoming text, in the app's order."""
        values = {
            "secret": self.secret,
            "from": received.number,
            "message": received.text,
            "sent_timestamp": str(received.sent_ms or ""),
            # These versions put the sender's number where the SIM's belongs.
            "sent_to": received.number
            if self._between("3.0.0", "3.0.4")
            else self.sim_number,
            "message_id": received.message_id,
            "device_id": self.device_id,
        }
        if received.sent_ms is None:
            del values["sent_timestamp"]
        return [(self.keys[name], value) for name, value in values.items()]

    def _encode(self, fields, form):
        """Return (content type, body) in the format that the phone is set to.

        :param list form: fields of earlier requests that this version repeats
        """
        if self.body_format == "json":
            fields = list(fields)
            self._random.shuffle(fields)
            text = json.dumps(dict(fields), ensure_ascii=False, separators=(",", ":"))
            body = text.replace("/", "\\/").encode()
            charset = "; charset=UTF-8" if self.is_3 else ""
            return f"application/json{charset}", body
        if self.body_format == "xml":
            inner = "".join(f"<{name}>{escape(v)}</{name}>" for name, v in fields)
            head = "<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>"
            body = f"{head}<payload>{inner}</payload>".encode()
            json_type = "application/json; charset=UTF-8"
            return (json_type if self.is_3 else "application/xml"), body
        form += fields
        # A space is %20 in 3.x, a plus sign before.
        pairs = (f"{name}={_plus(value)}" for name, value in form)
        body = "&".join(
            pair.replace("+", "%20") if self.is_3 else pair for pair in pairs
        )
        return "application/x-www-form-urlencoded", body.encode()

    def _post(self, received):
        """Post one incoming text (A), and act on the answer."""
        form = self._form if self._between("3.0.0", "3.0.3") else []
        content_type, body = self._encode(self.make_fields(received), form)
        self._last_sms = (content_type, body)
        received.posts += 1
        payload = None
        try:
            answer = self._request("A", self.method, self.target, content_type, body)
            if answer.status in (200, 201):
                payload = _read_payload(answer.body)
        except (NetworkFault, Unreadable) as error:
            self.log.append(f"Not posted: {error}")
        if payload and payload["success"]:
            self.pending.remove(received)
            self.accepted.append(received)
            self._last_reply = payload["messages"]
        elif payload and payload["error"]:
            self.log.append(payload["error"])
        elif (
            self.version == (2, 8, 3)
            and self.auto_delete
            and received.posts >= MAX_RETRIES
        ):
            self.pending.remove(received)
            self.log.append("A pending message was deleted")
        if self.get_reply:
            self._send_replies(payload)

    def _send_replies(self, payload):
        """Send the texts that came with an answer, at once and without a claim."""
        messages = payload["messages"] if payload and payload["success"] else None
        why = "reply"
        if messages is None and self.is_3:
            # It takes the last good answer for this one.
            messages, why = self._last_reply, "old reply"
        for message in messages or ():
            if message and message["to"] and message["message"]:
                self._transmit(message["to"], message["message"], message["uuid"], why)

    # F and G

    def test_integration(self):
        """Press "Test Integration" (F); return whether the button turns green."""
        if not self.is_3:
            raise ValueError("Only 3.x has this button")
        with self._lock:
            fields = [
                (self.keys["secret"], self.secret),
                (self.keys["from"], TEST_FROM),
                (self.keys["message"], TEST_TEXT),
            ]
            content_type, body = self._encode(fields, self._test_form)
            try:
                answer = self._request(
                    "F", self.method, self.target, content_type, body
                )
            except NetworkFault:
                return False
            self._polluted += fields
            try:
                return answer.status == 200 and _read_payload(answer.body) is not None
            except Unreadable:
                return False

    def battery_low(self, percent=12):
        """Tell the server that the battery is low (G)."""
        with self._lock:
            if self.version >= (2, 7, 0):
                text = f"Battery level is at {percent}"
                self._alert([("Task", "alert"), ("message", text)])

    def _alert(self, fields):
        content_type = "application/x-www-form-urlencoded"
        body = "&".join(f"{name}={_plus(value)}" for name, value in fields).encode()
        if self.is_3:
            # The body is not made anew: what was posted last goes out once more.
            content_type, body = self._last_post or (None, b"")
            self._polluted += fields
        try:
            self._request("G", "POST", self.target, content_type, body)
        except NetworkFault:
            self.log.append("The alert was lost")

    # By itself

    def round(self):
        """Do once all that the app's timers do."""
        sent = self.poll()
        self.report()
        if self.pending or any(task.kept for task in self.tasks.values()):
            self.sync()
        return sent

    def run(self, interval_s=2, stop=None):
        """Do rounds until it is stopped or killed."""
        stop = stop or threading.Event()
        while not stop.is_set() and not self.dead.is_set():
            try:
                self.round()
            except PhoneGone:
                return
            stop.wait(interval_s)

    @property
    def faultless(self):
        """Whether no answer crashed the app or broke the protocol."""
        return not self.crashes and not self.offences


# --------------------------------------------------------------------------
# By hand, and for the demo
# --------------------------------------------------------------------------

PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>A phone</title>
<style>body{{font:16px sans-serif;max-width:30em;margin:1em auto;padding:0 1em}}
p{{border-radius:1em;padding:.5em 1em;margin:.3em 0;white-space:pre-wrap}}
.out{{background:#dde8ff;margin-right:3em}}.in{{background:#e2f5dd;margin-left:3em}}
input,textarea,button{{font:inherit;width:100%;box-sizing:border-box;margin:.2em 0}}
</style></head><body><h1>A phone with SMSsync {version}</h1>
<form method="post"><label>Text from this number
<input name="number" value="{number}" required></label>
<label>to the phone<textarea name="text" required></textarea></label>
<button>Send</button></form>{texts}</body></html>"""


class Screen:
    """A small page on which a person reads what was sent and texts the phone."""

    def __init__(self, phone, port):
        self.phone = phone
        self.texts = []
        screen = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.show()

            def do_POST(self):
                size = min(int(self.headers.get("Content-Length") or 0), 10_000)
                form = urllib.parse.parse_qs(self.rfile.read(size).decode())
                number = form.get("number", [""])[0].strip()
                if number and (text := form.get("text", [""])[0]):
                    screen.note("in", number, text)
                    screen.phone.receive(number, text)
                self.send_response(303)
                self.send_header("Location", "/")
                self.end_headers()

            def show(self):
                body = screen.render().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                """Stay silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def note(self, way, number, text):
        self.texts.append((way, number, text))

    def render(self):
        number = self.texts[-1][1] if self.texts else "+12025550143"
        rows = "".join(
            f'<p class="{way}"><b>{"To" if way == "out" else "From"} '
            f"{html.escape(peer)}</b><br>{html.escape(text)}</p>"
            for way, peer, text in reversed(self.texts[-100:])
        )
        return PAGE.format(
            version=html.escape(self.phone.version_text),
            number=html.escape(number),
            texts=rows,
        )


def _say(words):
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def main(arguments=None):
    """Run a phone until it is interrupted."""
    parser = argparse.ArgumentParser(description="A simulated phone with SMSsync.")
    parser.add_argument("--url", required=True, help="the Sync URL of the phone")
    parser.add_argument("--secret", default="", help="the secret of the phone")
    parser.add_argument("--version", default="3.1.1", help="of the app (3.1.1)")
    parser.add_argument("--interval", type=float, default=2, help="seconds (2)")
    parser.add_argument("--answer", help="answer each text with this one")
    parser.add_argument("--page", type=int, help="serve a page on this port (0: any)")
    options = parser.parse_args(arguments)
    screen = None

    def on_sent(phone, sent):
        _say(f"sent to {sent.to}: {sent.text}")
        if screen:
            screen.note("out", sent.to, sent.text)
        if options.answer and sent.why == "task":
            # A person needs a moment; the phone goes on meanwhile.
            threading.Timer(1, answer, (sent.to,)).start()

    def answer(number):
        if screen:
            screen.note("in", number, options.answer)
        try:
            phone.receive(number, options.answer)
        except PhoneGone:
            return
        _say(f"{number} answered: {options.answer}")

    phone = Phone(options.url, options.secret, version=options.version)
    phone.on_sent = on_sent
    if options.page is not None:
        screen = Screen(phone, options.page)
        _say(f"page: http://127.0.0.1:{screen.port}/")
    _say(f"SMSsync {phone.version_text} polls every {options.interval:g} s")
    told = set()
    try:
        while True:
            phone.round()
            problems = phone.crashes + phone.offences + phone.log
            for problem in [words for words in problems if words not in told]:
                _say(problem)
            told.update(problems)
            time.sleep(options.interval)
    except KeyboardInterrupt:
        phone.kill()
    return 1 if phone.crashes else 0


if __name__ == "__main__":
    sys.exit(main())
