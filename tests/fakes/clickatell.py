#!/usr/bin/env python3
# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A Clickatell on loopback, for tests and for trying the addon without an account.

It speaks what Clickatell's documents describe: One API (`/v1/message`), the platform
API (`/messages`, `/messages/http/send`) and the HTTP API of Developers' Central
(`/http/*`, `/utils/routeCoverage`), with balance and status calls, and it calls back
in every form that each of them has. It counts what reaches it: the truth outside of
Odoo. Only Python's standard library is needed. Not spoken: XML bodies of the platform
API, batches, MMS and WAP push of the HTTP API.

    python tests/fakes/clickatell.py --help
"""

import argparse
import hmac
import html
import http.client
import json
import random
import re
import secrets
import signal
import sys
import threading
import time
import uuid
from base64 import b64encode
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from urllib.parse import (
    parse_qsl,
    quote,
    quote_plus,
    unquote_to_bytes,
    urlencode,
    urlsplit,
)
from xml.sax.saxutils import escape as xml_escape

APIS = {
    "one": "One API",
    "platform": "Platform SMS (REST/HTTP)",
    "http": "Central API (HTTP)",
}
STATUS_FORMS = {
    "one": ("json",),
    "platform": ("json", "get"),
    "http": ("get", "post", "xml_get", "xml_post", "soap_get", "soap_post", "json"),
}
REPLY_FORMS = STATUS_FORMS
FORM_NAMES = {
    "json": "POST (JSON)",
    "get": "GET",
    "post": "POST",
    "xml_get": "GET (XML)",
    "xml_post": "POST (XML)",
    "soap_get": "GET (SOAP)",
    "soap_post": "POST (SOAP)",
}
MAX_BODY_BYTES = 1024 * 1024
_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_TWICE = frozenset("\f^{}\\[~]|€")

# One API, error codes: (HTTP status of a request that has only this error, words)
ONE_ERRORS = {
    1: (401, "Invalid or missing integration API Key"),
    2: (400, "Account is not active"),
    3: (400, "Integration is not active"),
    7: (401, "Originating IP address is not approved in your account"),
    18: (500, "Internal error"),
    19: (503, "Internal error, please retry"),
    20: (402, "Insufficient account balance"),
    21: (400, "Payload data is malformed"),
    22: (400, "Maximum messages per request payload exceeded"),
    23: (400, "Invalid or missing parameter: {}"),
    24: (400, "Maximum message content size exceeded"),
    25: (400, "Invalid recipient address: {}"),
    26: (400, "Recipient opted out"),
    27: (400, "Recipient not available on channel"),
    28: (400, "Recipient not available on sandbox"),
    30: (400, "Content type not supported"),
    38: (400, "Channel/feature is not active on integration"),
    39: (400, "Channel is not available on integration"),
    40: (400, "Character set is not supported: {}"),
    41: (400, "Resource does not exist"),
    42: (400, "HTTP method is not supported on this resource"),
    43: (400, "Rate limit"),
    44: (400, "FROM number is suspended"),
    45: (400, "FROM number is not related to integration"),
    46: (400, "Demo access has expired"),
    100: (400, "Maximum message parts exceeded"),
    101: (400, "Destination does not support two-way messaging"),
    110: (400, "USA limit: must use two-way integration"),
    111: (400, "USA limit: must enable STOP/SUBSCRIBE commands on integration"),
}
# HTTP API, error codes (2.3.8 and later)
HTTP_ERRORS = {
    1: "Authentication failed",
    2: "Unknown username or password",
    3: "Session ID expired",
    4: "Account frozen",
    5: "Missing session ID",
    7: "IP Lockdown violation",
    101: "Invalid or missing parameters",
    103: "Unknown API message ID",
    104: "Unknown client message ID",
    105: "Invalid Destination Address",
    106: "Invalid Source Address",
    107: "Empty message",
    108: "Invalid or missing api_id",
    109: "Missing message ID",
    112: "Invalid message type",
    113: "Maximum message parts exceeded",
    114: "Cannot route message",
    116: "Invalid Unicode Data",
    120: "Invalid delivery time",
    121: "Destination mobile number blocked",
    122: "Destination mobile opted out",
    123: "Invalid Sender ID",
    128: "Number delisted",
    130: "Maximum MT limit exceeded until {}",
    301: "No Credit Left",
    901: "Internal error - please retry",
}


@dataclass(frozen=True)
class Refused:
    """What is wrong with a message or a request, in the words of each API.

    :param int one: error code of One API
    :param int http: error code of the HTTP API
    :param str text: description of the platform API, which has no table of errors
    :param int status: HTTP status of the platform API
    """

    one: int
    http: int
    text: str
    status: int = 400


REFUSED = {
    # whole requests
    "key": Refused(1, 1, "Invalid or missing integration API Key.", 401),
    "inactive": Refused(2, 4, "Integration is not active", 403),
    "ip": Refused(7, 7, "Originating IP address is not approved", 403),
    "malformed": Refused(21, 101, "Payload data is malformed"),
    "too_many": Refused(22, 101, "Maximum number of recipients exceeded"),
    # messages
    "missing_to": Refused(23, 101, "Invalid or missing parameter: to"),
    "empty": Refused(23, 107, "Invalid or missing parameter: content"),
    "bad_client_id": Refused(23, 101, "Invalid or missing parameter: clientMessageId"),
    "bad_number": Refused(25, 105, "Invalid destination address"),
    "delisted": Refused(25, 128, "Invalid recipient address: number delisted"),
    "unroutable": Refused(27, 114, "Cannot route message to this destination"),
    "opted_out": Refused(26, 122, "Recipient opted out"),
    "blocked": Refused(26, 121, "Recipient opted out: number blocked"),
    "no_credit": Refused(20, 301, "Insufficient account balance", 402),
    "too_many_parts": Refused(100, 113, "Maximum message parts exceeded"),
    "too_long": Refused(24, 113, "Maximum message content size exceeded"),
    "bad_channel": Refused(39, 112, "Channel is not available on integration"),
    "bad_charset": Refused(40, 101, "Character set is not supported"),
    "bad_sender": Refused(45, 106, "Two-Way integration error - invalid from number"),
    "suspended_sender": Refused(44, 123, "Two-Way integration error - suspended"),
    "bad_unicode": Refused(21, 116, "Payload data is malformed"),
    "bad_time": Refused(23, 120, "Invalid or missing parameter: delivery time"),
    "bad_parameter": Refused(23, 101, "Invalid or missing parameter"),
    "sandbox": Refused(28, 114, "Recipient not available on sandbox integration"),
    "retry": Refused(19, 901, "Internal error, please retry", 503),
    "internal": Refused(18, 901, "Internal error", 500),
    "rate_limit_item": Refused(43, 130, "Rate limit", 429),
}
# What may be wrong with a whole request; those of the second line may have been taken.
REQUEST_TROUBLE = {
    "rate_limit",
    "rate_limit_43",
    "unavailable",
    "key",
    "inactive",
    "ip",
    "too_many",
    "redirect",
    "no_credit_402",
    *("html_502", "internal_500", "silence", "drip", "half", "nothing", "wrong_type"),
    *("no_id", "hang_up"),
}
# Words for what becomes of an accepted message: (number, word) of each API
STATUSES = {
    "one": {
        "unknown": (1, "UNKNOWN"),
        "queued": (2, "QUEUED"),
        "scheduled": (3, "SCHEDULED"),
        "sent": (4, "SENT_TO_SUPPLIER"),
        "delivered": (5, "DEVICE_ACK"),
        "read": (6, "READ"),
        "expired": (20, "EXPIRED"),
        "cancelled": (21, "STOPPED_BY_USER"),
        "undelivered": (23, "DELIVERY_FAILURE"),
        "no_credit_later": (25, "INSUFFICIENT_ACCOUNT_BALANCE"),
        "no_such_number": (29, "RECIPIENT_DOES_NOT_EXIST"),
        "routing_error": (100, "ROUTING_ERROR"),
    },
    "platform": {
        "unknown": (1, "MESSAGE_UNKNOWN"),
        "queued": (2, "MESSAGE_QUEUED"),
        "scheduled": (11, "MESSAGE_QUEUED_FOR_LATER_DELIVERY"),
        "sent": (3, "DELIVERED_TO_GATEWAY"),
        "delivered": (4, "RECEIVED_BY_RECIPIENT"),
        "expired": (10, "MESSAGE_EXPIRED"),
        "cancelled": (6, "USER_CANCELLED_MESSAGE_DELIVERY"),
        "undelivered": (7, "ERROR_DELIVERING_MESSAGE"),
        "no_credit_later": (12, "OUT_OF_CREDIT"),
        "no_such_number": (5, "ERROR_WITH_MESSAGE"),
        "routing_error": (9, "ROUTING_ERROR"),
    },
    "http": {
        "unknown": (1, ""),
        "queued": (2, ""),
        "sent": (3, ""),
        "delivered": (4, ""),
        "no_such_number": (5, ""),
        "cancelled": (6, ""),
        "undelivered": (7, ""),
        "accepted": (8, ""),
        "routing_error": (9, ""),
        "expired": (10, ""),
        "scheduled": (11, ""),
        "no_credit_later": (12, ""),
    },
}
# Numbers with a habit, for whoever tries the addon: what they end with, and what it is.
HABITS = {
    "99001": ("bad_number", "is no number"),
    "99002": ("opted_out", "opted out at Clickatell"),
    "99003": ("unroutable", "cannot be reached"),
    "99004": ("undelivered", "is taken, and not delivered"),
    "99005": ("expired", "is taken, and expires"),
    "99006": ("no_report", "is taken, and never reported on"),
    "99007": ("rate_limit", "answers “too many requests” (429)"),
    "99008": ("html_502", "is taken, and the answer is a page of HTML"),
    "99009": ("silence", "is taken, and no answer comes"),
    "99010": ("no_credit", "is too dear for the credit that is left"),
    "99011": ("answer", "answers by itself"),
    "99012": ("answer_stop", "answers STOP"),
}


@dataclass(slots=True)
class Text:
    """One message that reached the fake, taken or refused."""

    api: str
    to: str
    text: str
    client_id: str = ""
    sender: str = ""
    params: dict = field(default_factory=dict)
    request: int = 0
    at: float = 0.0
    ref: str = ""  # Clickatell's id; empty when it was refused
    error: str = ""  # why it was refused
    detail: str = ""
    status: str = ""
    status_at: float = 0.0
    due_at: float = 0.0  # of a deferred message, Unix time
    parts: int = 1
    charge: float = 0.0


@dataclass(slots=True)
class Rule:
    """What happens to certain messages, instead of being taken.

    :param str outcome: a word of REFUSED or REQUEST_TROUBLE, or what becomes of the
        message later: a word of STATUSES, "no_report", "answer" or "answer_stop"
    :param str number: what the number ends with; "" is any number
    :param str api: only of this API; "" is all
    :param when: a function of the Text that says whether it is meant
    :param int times: how many requests or messages it hits; None is all
    :param float retry_after_s: of "rate_limit" and "unavailable"
    """

    outcome: str
    number: str = ""
    api: str = ""
    when: object = None
    times: int | None = None
    retry_after_s: float | None = None

    def fits(self, text):
        return (
            self.times != 0
            and text.to.endswith(self.number)
            and self.api in ("", text.api)
            and (self.when is None or self.when(text))
        )


@dataclass(slots=True)
class Answer:
    """An HTTP answer.

    :param bool taken: whether the messages were taken nevertheless
    :param float drip_s: seconds between the bytes of the body
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json;charset=utf-8"
    headers: dict = field(default_factory=dict)
    taken: bool = False
    drip_s: float = 0.0


class HangUp(Exception):
    """The connection ends without an answer."""


@dataclass(slots=True)
class Callbacks:
    """Where an account is called back, as set in Clickatell's portal."""

    status_url: str = ""
    reply_url: str = ""
    status_form: str = ""
    reply_form: str = ""
    user: str = ""
    password: str = ""


@dataclass(slots=True)
class Call:
    """A callback: an HTTP request to whoever uses the fake."""

    kind: str
    method: str
    url: str
    body: bytes = b""
    content_type: str = ""
    answers: list = field(default_factory=list)  # HTTP statuses, None: no answer
    at: float = 0.0


def as_json(data, status=200, **values):
    return Answer(status, json.dumps(data).encode(), **values)


def as_text(line, status=200):
    return Answer(status, line.encode("latin-1", "replace"), "text/html")


def count_parts(text):
    """Return the SMS parts of a text, by the arithmetic of Clickatell's documents."""
    if all(char in _GSM7 or char in _GSM7_TWICE for char in text):
        size = sum(2 if char in _GSM7_TWICE else 1 for char in text)
        return 1 if size <= 160 else -(-size // 153)
    size = len(text.encode("utf-16-be", "surrogatepass")) // 2
    # "Reduces by 7": less than the 67 of the standard.
    return 1 if size <= 70 else -(-size // 63)


def split_answer(text, charset):
    """Split a long answer of a handset into what the network carries."""
    size = 67 if charset.upper().startswith("UTF-16") else 153
    return [text[at : at + size] for at in range(0, len(text), size)] or [""]


def make_udh(reference, total, number, *, wide=False):
    """Return the user data header of a part, in hex."""
    if wide:
        return f"060804{reference % 65536:04X}{total:02X}{number:02X}"
    return f"050003{reference % 256:02X}{total:02X}{number:02X}"


class FakeClickatell:
    """A Clickatell that counts.

    What reached it is in ``texts``; what it took is in ``taken``. What happens is
    said by ``rules``, or by ``behave``: a function of (number of the request, its
    texts) that returns None to go on, or an Answer; it may sleep, or raise
    ``HangUp``.

    :param int port: 0 is any free one
    :param str key: API key of One API and of the platform API
    :param str user: with ``password`` and ``api_id``: of the HTTP API
    :param tuple numbers: the account's own numbers, digits
    :param float credit: how much is left; each part costs ``price``
    :param float latency_s: seconds that each answer takes
    :param float deliver_after_s: seconds until an accepted text is delivered and
        reported; None: nothing is reported by itself
    """

    def __init__(
        self,
        *,
        port=0,
        key=None,
        user="fake-user",
        password=None,
        api_id="3400001",
        numbers=("15550100200",),
        credit=1_000_000.0,
        currency="USD",
        price=1.0,
        latency_s=0.0,
        deliver_after_s=None,
        habits=False,
    ):
        self.key = key or f"{secrets.token_urlsafe(16)}=="
        self.user = user
        self.password = password or secrets.token_urlsafe(12)
        self.api_id = api_id
        self.numbers = set(numbers)
        self.suspended_numbers = set()
        self.credit = credit
        self.currency = currency
        self.price = price
        self.latency_s = latency_s
        self.deliver_after_s = deliver_after_s
        self.rules = []
        if habits:
            self.rules = [
                Rule(word, number=end) for end, (word, _help) in HABITS.items()
            ]
        self.behave = None
        # How Clickatell's documents and clients' reports differ
        self.max_messages = {"one": 100, "platform": 200, "http": 100}
        self.max_parts = 10
        self.max_rate = None  # messages per second, above it 429 and code 43 by turns
        self.silence_s = 60.0
        self.linger_s = 0.0  # between taking messages and saying so
        self.reverse_results = True  # the order of results is not documented
        self.rejected_status = None  # of a request that is refused whole, instead
        self.plain_errors = False  # platform: errors are strings, as they once were
        self.to_in_error_lines = True  # HTTP API: "ERR: … To: …"
        self.numberless_errors = False  # HTTP API: "ERR: text"
        self.balance_label = "Credit"
        self.charge_labels = ("apiMsgId", "charge", "status")
        self.one_balance = True  # False: /v1/balance is not there
        self.reporting_lags = False  # status calls know nothing yet
        self.account = ""  # a word of REFUSED that holds for every request
        self.covered = ("",)  # prefixes that routeCoverage knows
        self.session_idle_s = 900.0
        self.callbacks = {api: Callbacks() for api in APIS}
        self.retry_s = (2, 4, 8, 16, 32)
        self.repeat_calls = 1
        self.shuffle_calls = False
        self.auto_answer = "Thank you, I got your text."
        # What happened
        self.texts = []
        self.taken = {}  # Clickatell's id: Text
        self.answers = []  # what handsets texted: dicts
        self.calls = deque(maxlen=20_000)
        self.requests = 0
        self.paths = Counter()
        self.urls_with_secrets = 0
        self.most_at_once = 0
        self._by_client_id = {}
        self._sessions = {}
        self._at_once = 0
        self._window = deque()
        self._random = random.Random(1)
        self._references = count(self._random.randrange(200))
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="clickatell-calls")
        self._agenda = []
        self._order = count()
        self._wake = threading.Condition()
        threading.Thread(target=self._work_agenda, daemon=True).start()
        self._serve(port)

    # ------------------------------------------------------------------
    # Server
    # ------------------------------------------------------------------

    def _serve(self, port):
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True
            timeout = 120

            def do_GET(self):
                self.answer(b"")

            def do_POST(self):
                size = self.headers.get("Content-Length", "0")
                if not size.isdigit() or int(size) > MAX_BODY_BYTES:
                    self.close_connection = True
                    self.send_error(413)
                    return
                self.answer(self.rfile.read(int(size)))

            def do_DELETE(self):
                self.answer(b"")

            def answer(self, body):
                try:
                    answer = fake._answer(self.command, self.path, self.headers, body)
                except HangUp:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.content_type)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if not answer.drip_s:
                    self.wfile.write(answer.body)
                    return
                for byte in answer.body:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    if fake._ended.wait(answer.drip_s):
                        return

            def log_message(self, *args):
                """Stay silent: what came is on the page, and counted."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, request, client_address):
                """A peer that went away leaves broken pipes: nothing to report."""

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self._ended.clear()
        threading.Thread(
            target=self.server.serve_forever,
            kwargs={"poll_interval": 0.05},
            daemon=True,
        ).start()

    @property
    def url(self):
        """The address to give the gateway instead of Clickatell's own."""
        return f"http://127.0.0.1:{self.port}"

    def hang_up(self):
        """Stop listening, like a host that is down; ``listen`` comes back."""
        self.server.shutdown()
        self.server.server_close()

    def listen(self):
        self._serve(self.port)

    def close(self):
        """End everything."""
        self._ended.set()
        with self._wake:
            self._wake.notify()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()

    # ------------------------------------------------------------------
    # What a test counts
    # ------------------------------------------------------------------

    @property
    def secrets(self):
        """What must show nowhere: key, password, and as basic auth."""
        found = [self.key, self.password, quote(self.key, safe="")]
        for callbacks in self.callbacks.values():
            if callbacks.password:
                pair = f"{callbacks.user}:{callbacks.password}"
                found += [callbacks.password, b64encode(pair.encode()).decode()]
        return found

    def count_taken(self, key="text"):
        """How often each text, client id or number was taken."""
        return Counter(getattr(text, key) for text in list(self.taken.values()))

    def count_reached(self, key="text"):
        """How often each text, client id or number came in, taken or refused."""
        return Counter(getattr(text, key) for text in list(self.texts))

    # ------------------------------------------------------------------
    # Requests
    # ------------------------------------------------------------------

    def _answer(self, method, target, headers, body):
        url = urlsplit(target)
        with self._lock:
            self.requests += 1
            number = self.requests
            self.paths[method, url.path] += 1
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            if any(secret in target for secret in self.secrets):
                self.urls_with_secrets += 1
        try:
            if url.path == "/" or url.path.startswith("/portal/"):
                return self._page(method, url, headers, body)
            if self.latency_s:
                self._ended.wait(self.latency_s)
            if url.path.startswith(("/http/", "/utils/")):
                return self._http_api(number, method, url, body)
            if url.path == "/v1/message" and method == "POST":
                return self._one_send(number, headers, body)
            if url.path.startswith("/v1/message/") and method == "GET":
                return self._one_status(headers, url.path.rpartition("/")[2])
            if url.path == "/messages" and method == "POST":
                return self._platform_send(number, headers, body)
            if url.path == "/messages/http/send" and method == "GET":
                return self._platform_get(number, url)
            if url.path in ("/v1/balance", "/public-client/balance"):
                return self._balance(headers, url.path)
            if url.path in ("/v1/message", "/messages"):
                return self._refuse_one(42)
            return self._refuse_one(41, status=404)
        finally:
            with self._lock:
                self._at_once -= 1

    def _reach(self, number, texts):
        """Note what came in, whatever becomes of it."""
        now = time.time()
        for text in texts:
            text.request = number
            text.at = now
        with self._lock:
            self.texts += texts

    def _trouble(self, number, texts):
        """Return what goes wrong with a whole request, or None."""
        if self.behave and (answer := self.behave(number, texts)) is not None:
            return answer
        if self.max_rate and self._too_fast(len(texts)):
            words = ("rate_limit", "rate_limit_43")
            return self._make_trouble(Rule(words[number % 2]), texts)
        with self._lock:
            for rule in self.rules:
                if rule.outcome in REQUEST_TROUBLE and any(
                    rule.fits(text) for text in texts
                ):
                    if rule.times is not None:
                        rule.times -= 1
                    break
            else:
                return None
        return self._make_trouble(rule, texts)

    def _too_fast(self, size):
        with self._lock:
            now = time.monotonic()
            while self._window and self._window[0][0] < now - 1:
                self._window.popleft()
            if sum(n for _at, n in self._window) + size > self.max_rate:
                return True
            self._window.append((now, size))
            return False

    def _make_trouble(self, rule, texts):
        """Return the answer of a request that goes wrong.

        :raise HangUp: when there is none
        """
        api = texts[0].api if texts else "one"
        wait = {}
        if rule.retry_after_s is not None:
            wait = {"Retry-After": str(int(rule.retry_after_s))}
        match rule.outcome:
            case "rate_limit" | "rate_limit_43" if api == "platform":
                return Answer(429, b"", "text/plain", wait)
            case "rate_limit":
                return Answer(429, b"Too many requests", "text/plain", wait)
            case "rate_limit_43" if api == "http":
                until = int(time.time() + (rule.retry_after_s or 30))
                return as_text(f"ERR: 130, {HTTP_ERRORS[130].format(until)}")
            case "rate_limit_43":
                return self._refuse_one(43)
            case "unavailable" if api == "http":
                return as_text("ERR: 901, Internal error - please retry")
            case "unavailable":
                return Answer(503, b"Service unavailable", "text/plain", wait)
            case "redirect":
                where = {"Location": "https://www.example.com/"}
                return Answer(302, b"", "text/html", where)
            case "half" | "drip" | "silence" | "hang_up":
                return self._cut(rule.outcome, texts)
            case word if word in REFUSED:
                return self._refuse(api, word)
            case word:
                return self._make_unreadable(word, texts)

    def _make_unreadable(self, word, texts):
        """Return an answer that says nothing about messages that were taken."""
        if word == "no_id":
            data = {"messages": [{"accepted": True, "to": t.to} for t in texts]}
            body = b"ID:" if texts[0].api == "http" else json.dumps(data).encode()
            return Answer(202, body, taken=True)
        status, body, kind = {
            "html_502": (502, b"<html><h1>502 Bad Gateway</h1></html>", "text/html"),
            "internal_500": (500, b"Internal error", "text/plain"),
            "nothing": (200, b"", "application/json"),
            "wrong_type": (200, b'["what", 4.2, null]', "application/json"),
        }[word]
        return Answer(status, body, kind, taken=True)

    def _cut(self, word, texts):
        """Take the messages; their real answer comes in part, late, or never.

        :raise HangUp: when it never comes
        """
        answer = self._finish(texts)
        if word == "half":
            cut = 2 if texts[0].api == "http" else len(answer.body) // 3
            answer.body = answer.body[:cut]
        elif word == "drip":
            answer.drip_s = 1.0
        else:
            if word == "silence":
                self._ended.wait(self.silence_s)
            raise HangUp
        return answer

    def _settle_trouble(self, trouble, texts):
        if trouble.taken:
            for text in texts:
                self._take(text)
        else:
            for text in texts:
                text.error = text.error or f"HTTP {trouble.status}"
        return trouble

    def _judge(self, text):
        """Take a message or note why not; the checks of its API are done before."""
        if not text.error:
            text.error = self._check_recipient(text)
        if not text.error:
            self._take(text)

    def _check_recipient(self, text):
        if not text.to:
            return "missing_to"
        if not re.fullmatch(r"[0-9]+", text.to):
            # Seen as "missing parameter: to", not as an invalid recipient.
            return "missing_to" if text.api == "one" else "bad_number"
        if not re.fullmatch(r"[1-9][0-9]{6,14}", text.to):
            return "bad_number"
        with self._lock:
            for rule in self.rules:
                if rule.outcome in REFUSED and rule.fits(text):
                    if rule.times is not None:
                        rule.times -= 1
                    return rule.outcome
        return ""

    def _take(self, text):
        """Take a message into the books, if the credit is enough."""
        cost = text.parts * self.price
        with self._lock:
            if self.credit < cost:
                text.error = "no_credit"
                return
            self.credit -= cost
            text.charge = cost
            text.ref = uuid.uuid4().hex
            text.status = "scheduled" if text.due_at > time.time() else "queued"
            text.status_at = time.time()
            self.taken[text.ref] = text
            if text.client_id:
                self._by_client_id[text.client_id] = text
        if self.deliver_after_s is not None:
            self._plan_delivery(text)

    def _finish(self, texts):
        """Judge the messages of a request and word the answer."""
        for text in texts:
            self._judge(text)
        if self.linger_s:
            self._ended.wait(self.linger_s)
        order = list(reversed(texts)) if self.reverse_results else texts
        return getattr(self, f"_word_{texts[0].api}")(order)

    def _send(self, number, texts, refused=""):
        """Go on with a request that was read.

        :param str refused: a word of REFUSED about the whole request
        """
        self._reach(number, texts)
        refused = refused or self.account
        api = texts[0].api
        if refused:
            for text in texts:
                text.error = refused
            return self._refuse(api, refused)
        trouble = self._trouble(number, texts)
        if trouble is not None:
            return self._settle_trouble(trouble, texts)
        return self._finish(texts)

    def _refuse(self, api, word):
        """Refuse a whole request."""
        refused = REFUSED[word]
        if api == "http":
            return as_text(self._error_line(refused.http))
        if api == "one":
            return self._refuse_one(refused.one, status=self.rejected_status)
        code = 108 if word == "key" else None
        data = self._platform_error(refused, code)
        return as_json(data, self.rejected_status or refused.status)

    # ------------------------------------------------------------------
    # One API
    # ------------------------------------------------------------------

    def _one_error(self, code, detail=""):
        return {"code": code, "description": ONE_ERRORS[code][1].format(detail)}

    def _refuse_one(self, code, *, status=None):
        return as_json({"error": self._one_error(code)}, status or ONE_ERRORS[code][0])

    def _has_key(self, headers):
        # The bare key: neither "Bearer" nor "Basic" stands before it.
        given = (headers.get("Authorization") or "").encode()
        return hmac.compare_digest(given, self.key.encode())

    def _read_json(self, headers, body):
        """Return a JSON object, or None for anything else."""
        if headers.get_content_type() != "application/json":
            return None
        try:
            data = json.loads(body)
        except ValueError:
            return None
        return data if isinstance(data, dict) else None

    def _one_send(self, number, headers, body):
        data = self._read_json(headers, body) or {}
        items = data.get("messages")
        if not isinstance(items, list) or not items:
            return self._refuse_one(21 if self._has_key(headers) else 1)
        if not all(isinstance(item, dict) for item in items):
            return self._refuse_one(21)
        texts = [self._one_text(item) for item in items]
        refused = "" if self._has_key(headers) else "key"
        if not refused and len(items) > self.max_messages["one"]:
            refused = "too_many"
        return self._send(number, texts, refused)

    def _one_text(self, item):
        text = Text(
            "one",
            to=str(item.get("to") or ""),
            text=item.get("content") or "",
            client_id=str(item.get("clientMessageId") or ""),
            sender=str(item.get("from") or ""),
            params=item,
        )
        unknown = set(item) - {"channel", "to", "content", "from", "clientMessageId"}
        if str(item.get("channel", "sms")).strip().lower() != "sms":
            text.error = "bad_channel"
        elif unknown or not isinstance(item.get("to"), str):
            text.error = "bad_parameter" if unknown else "missing_to"
            text.detail = ", ".join(sorted(unknown))
        elif not isinstance(text.text, str) or not text.text:
            text.error = "empty"
        else:
            self._check_text(text)
        return text

    def _check_text(self, text):
        """Check what One API and the platform API have in common."""
        text.parts = count_parts(text.text)
        if text.client_id and not re.fullmatch(r"[A-Za-z0-9]{1,32}", text.client_id):
            text.error = "bad_client_id"
        elif text.sender in self.suspended_numbers:
            text.error = "suspended_sender"
        elif text.sender and text.sender not in self.numbers:
            text.error = "bad_sender"
        elif text.parts > self.max_parts:
            text.error = "too_many_parts"

    def _word_one(self, texts):
        items = []
        for text in texts:
            if text.ref:
                item = {"apiMessageId": text.ref, "accepted": True, "to": text.to}
                # Documented as null, and seen without.
                if len(items) % 2 == 0:
                    item["error"] = None
            else:
                code = REFUSED[text.error].one
                detail = {
                    "missing_to": "to ",
                    "empty": "content",
                    "bad_client_id": "clientMessageId",
                    "bad_parameter": text.detail,
                }.get(text.error, text.to)
                error = self._one_error(code, detail)
                item = {"accepted": False, "to": text.to, "error": error}
            items.append(item)
        refused = [text for text in texts if not text.ref]
        status = 202
        if refused and len(texts) > 1:
            all_refused = len(refused) == len(texts)
            status = (all_refused and self.rejected_status) or 207
        elif refused:
            status = ONE_ERRORS[REFUSED[refused[0].error].one][0]
        return as_json({"messages": items, "error": None}, status)

    def _one_status(self, headers, ref):
        if not self._has_key(headers):
            return self._refuse_one(1)
        text = self.taken.get(ref)
        if text is None or text.api == "http" or self.reporting_lags:
            # Another shape, with the present time.
            return as_json(
                {
                    "apiMessageId": ref,
                    "statusCode": 1,
                    "status": "UNKNOWN",
                    "timestamp": int(time.time() * 1000),
                }
            )
        _code, word = STATUSES["one"][text.status]
        at = int(text.status_at * 1000)
        return as_json({"sms": {"status": word, "timestamp": at}})

    def _balance(self, headers, path):
        if not self._has_key(headers):
            if path == "/v1/balance":
                return self._refuse_one(1)
            return self._refuse("platform", "key")
        if self.account:
            return self._refuse("one", self.account)
        if path == "/v1/balance" and not self.one_balance:
            return self._refuse_one(41, status=404)
        return as_json({"balance": round(self.credit, 5), "currency": self.currency})

    # ------------------------------------------------------------------
    # Platform API
    # ------------------------------------------------------------------

    def _platform_error(self, refused, code=None):
        if self.plain_errors:
            return {"messages": [], "error": refused.text}
        return {
            "messages": [],
            "errorCode": code if code is not None else refused.http,
            "error": refused.text,
            "errorDescription": refused.text,
        }

    def _platform_send(self, number, headers, body):
        if not self._has_key(headers):
            data = self._read_json(headers, body) or {}
            texts = self._platform_texts(data)
            return self._send(number, texts or [Text("platform", "", "")], "key")
        data = self._read_json(headers, body)
        if data is None:
            return self._refuse("platform", "malformed")
        to = data.get("to")
        texts = self._platform_texts(data)
        if not texts or not isinstance(to, list) or len(set(map(str, to))) != len(to):
            return self._refuse("platform", "malformed")
        refused = ""
        if len(to) > self.max_messages["platform"]:
            refused = "too_many"
        elif not isinstance(data.get("content"), str) or not data["content"]:
            refused = "empty"
        elif not self._platform_options(data):
            refused = "bad_parameter"
        return self._send(number, texts, refused)

    def _platform_options(self, data):
        """Say whether the fields are known and of their documented type."""
        kinds = {
            "content": str,
            "to": list,
            "from": str,
            "clientMessageId": str,
            "scheduledDeliveryTime": str,
            "validityPeriod": int,
            "charset": str,
            "binary": bool,
            "userDataHeader": str,
        }
        return all(
            name in kinds and isinstance(value, kinds[name])
            for name, value in data.items()
        )

    def _platform_texts(self, data):
        to = data.get("to")
        content = data.get("content")
        texts = []
        for recipient in to if isinstance(to, list) else []:
            text = Text(
                "platform",
                to=str(recipient).removeprefix("+"),
                text=content if isinstance(content, str) else "",
                client_id=str(data.get("clientMessageId") or ""),
                sender=str(data.get("from") or ""),
                params={name: v for name, v in data.items() if name != "to"},
            )
            self._check_text(text)
            if when := data.get("scheduledDeliveryTime"):
                text.due_at = self._read_time(when)
                if not text.due_at:
                    text.error = "bad_time"
            if str(data.get("charset", "UTF-8")).upper() != "UTF-8":
                text.error = "bad_charset"
            texts.append(text)
        return texts

    def _read_time(self, value):
        """Return the Unix time of an ISO 8601 time with its zone, or 0."""
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            return 0
        return at.timestamp() if at.tzinfo else 0

    def _platform_get(self, number, url):
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        to = query.get("to", "")
        data = {"to": [to], "content": query.get("content", "")}
        if query.get("from"):
            data["from"] = query["from"]
        texts = self._platform_texts(data)
        given = query.get("apiKey", "").encode()
        if not hmac.compare_digest(given, self.key.encode()):
            return self._send(number, texts, "key")
        return self._send(number, texts, "" if data["content"] else "empty")

    def _word_platform(self, texts):
        items, refused = [], [text for text in texts if not text.ref]
        for text in texts:
            word = REFUSED[text.error] if text.error else None
            item = {"apiMessageId": text.ref or None, "accepted": bool(text.ref)}
            item["to"] = text.to
            if self.plain_errors:
                item["error"] = word.text if word else None
            else:
                item["errorCode"] = word.http if word else None
                item["error"] = word.text if word else None
                item["errorDescription"] = word.text if word else None
            items.append(item)
        status = 202
        if refused and len(texts) > 1:
            status = 207
        elif refused:
            status = self.rejected_status or REFUSED[refused[0].error].status
        data = {"messages": items, "error": None}
        if not self.plain_errors:
            data |= {"errorCode": None, "errorDescription": None}
        return as_json(data, status)

    # ------------------------------------------------------------------
    # HTTP API
    # ------------------------------------------------------------------

    def _error_line(self, code, to=""):
        words = HTTP_ERRORS[code].format(int(time.time()) + 30)
        if self.numberless_errors:
            return f"ERR: {words}"
        line = f"ERR: {code:03}, {words}"
        return f"{line} To: {to}" if to and self.to_in_error_lines else line

    def _http_params(self, url, body):
        """Return the parameters as Latin-1 text: the bytes, one by one."""
        raw = url.query.encode("latin-1", "replace") + b"&" + body
        params = {}
        for pair in raw.split(b"&"):
            name, _sep, value = pair.partition(b"=")
            if name:
                value = unquote_to_bytes(value.replace(b"+", b" "))
                params[name.decode("latin-1")] = value.decode("latin-1")
        return params

    def _http_login(self, params):
        """Return the error code of a login, or 0."""
        if session := params.get("session_id"):
            used = self._sessions.get(session)
            if used is None or time.monotonic() - used > self.session_idle_s:
                return 3
            self._sessions[session] = time.monotonic()
            return 0
        if not params.get("api_id"):
            return 108 if params.get("user") else 5
        if params["api_id"] != self.api_id:
            return 108
        pair = f"{params.get('user')}\n{params.get('password')}".encode()
        right = hmac.compare_digest(pair, f"{self.user}\n{self.password}".encode())
        return 0 if right else 1

    def _http_api(self, number, method, url, body):
        params = self._http_params(url, body)
        command = url.path.removeprefix("/http/").removesuffix(".php")
        error = self._http_login(params)
        if command == "sendmsg":
            return self._http_send(number, params, error)
        if not error and self.account:
            error = REFUSED[self.account].http
        if error:
            return as_text(self._error_line(error))
        match command:
            case "auth":
                session = uuid.uuid4().hex
                self._sessions[session] = time.monotonic()
                return as_text(f"OK: {session}")
            case "ping":
                return as_text("OK:")
            case "getbalance":
                return as_text(f"{self.balance_label}: {self.credit:.3f}")
            case "querymsg" | "getmsgcharge" | "delmsg":
                return self._http_query(command, params)
            case "/utils/routeCoverage":
                return self._http_coverage(params.get("msisdn", ""))
        return Answer(404, b"<html><body>Not found</body></html>", "text/html")

    def _http_query(self, command, params):
        ref, client_id = params.get("apimsgid"), params.get("climsgid")
        if not ref and not client_id:
            return as_text(self._error_line(109))
        text = self.taken.get(ref) if ref else self._by_client_id.get(client_id)
        if text is None or text.api != "http":
            return as_text(self._error_line(103 if ref else 104))
        if command == "delmsg" and text.status in ("queued", "scheduled"):
            self.set_status(text, "cancelled")
        status = f"{STATUSES['http'][text.status][0]:03}"
        if self.reporting_lags:
            status = "001"
        if command == "getmsgcharge":
            name, charge, word = self.charge_labels
            return as_text(
                f"{name}: {text.ref} {charge}: {text.charge:g} {word}: {status}"
            )
        return as_text(f"ID: {text.ref} Status: {status}")

    def _http_coverage(self, number):
        if number.isdigit() and number.startswith(tuple(self.covered)):
            return as_text(
                "OK: This prefix is currently supported. Messages sent to this prefix "
                f"will be routed. Charge: {self.price:g}"
            )
        return as_text(
            "ERR: This prefix is not currently supported. Messages sent to this prefix "
            "will fail. Please contact support for assistance."
        )

    def _http_send(self, number, params, error):
        texts = self._http_texts(params)
        if error:
            for text in texts:
                text.error = "key"
            self._reach(number, texts)
            return as_text(self._error_line(error))
        refused = "too_many" if len(texts) > self.max_messages["http"] else ""
        return self._send(number, texts, refused)

    def _http_texts(self, params):
        shown = {
            name: value
            for name, value in params.items()
            if name not in ("user", "password", "session_id", "to")
        }
        body, error = self._http_body(params)
        error = error or self._http_check(params)
        texts = []
        for recipient in params.get("to", "").split(","):
            text = Text(
                "http",
                to=recipient,
                text=body,
                client_id=params.get("climsgid") or params.get("cliMsgId") or "",
                sender=params.get("from", ""),
                params=shown,
                error=error,
            )
            text.parts = count_parts(body)
            if not error and text.parts > int(params.get("concat") or 1):
                text.error = "too_many_parts"
            text.due_at = self._http_due(params)
            texts.append(text)
        return texts

    def _http_body(self, params):
        """Return the text and what is wrong with it."""
        text = params.get("text", "")
        if not text:
            return "", "empty"
        if params.get("unicode", "0") != "1":
            return text, ""
        try:
            if not re.fullmatch(r"(?:[0-9A-Fa-f]{4})+", text):
                raise ValueError
            return bytes.fromhex(text).decode("utf-16-be"), ""
        except ValueError:
            return "", "bad_unicode"

    def _http_check(self, params):
        """Return what is wrong with the parameters of ``sendmsg``, or ""."""
        known = (
            "api_id user password session_id to text from mo callback deliv_ack "
            "deliv_time scheduled_time validity concat unicode queue escalate "
            "max_credits req_feat climsgid cliMsgId msg_type udh data binary"
        ).split()
        # A real one overlooks names that it does not know; here a mistake shows.
        if set(params) - set(known):
            return "bad_parameter"
        ranges = {
            "mo": (0, 1),
            "callback": (0, 7),
            "deliv_ack": (0, 1),
            "deliv_time": (0, 10080),
            "validity": (1, 1440),
            "concat": (1, 255),
            "unicode": (0, 1),
            "queue": (1, 3),
            "escalate": (0, 1),
            "req_feat": (0, 65535),
        }
        for name, (low, high) in ranges.items():
            value = params.get(name)
            if value is None:
                continue
            if not value.isdecimal() or not low <= int(value) <= high:
                return "bad_time" if name == "deliv_time" else "bad_parameter"
        client_id = params.get("climsgid") or params.get("cliMsgId") or ""
        if client_id and not re.fullmatch(r"[A-Za-z0-9]{1,32}", client_id):
            return "bad_client_id"
        sender = params.get("from", "")
        if sender:
            if sender.isdecimal() and sender not in self.numbers:
                return "bad_sender"
            if not re.fullmatch(r"[0-9]{1,16}|[A-Za-z0-9 ]{1,11}", sender):
                return "bad_sender"
        if params.get("mo") == "1" and sender not in self.numbers:
            return "bad_sender"
        if when := params.get("scheduled_time"):
            due = int(when) if when.isdecimal() else self._read_time(when)
            if not 0 < due <= time.time() + 7 * 24 * 3600:
                return "bad_time"
        return ""

    def _http_due(self, params):
        minutes, when = params.get("deliv_time", ""), params.get("scheduled_time", "")
        if minutes.isdecimal() and int(minutes):
            return time.time() + 60 * int(minutes)
        return float(when) if when.isdecimal() else self._read_time(when) if when else 0

    def _word_http(self, texts):
        if len(texts) == 1:
            (text,) = texts
            if text.ref:
                return as_text(f"ID: {text.ref}")
            return as_text(self._error_line(REFUSED[text.error].http))
        lines = []
        # Lines without a number can only be told by their place.
        if not self.to_in_error_lines and self.reverse_results:
            texts = list(reversed(texts))
        for text in texts:
            if text.ref:
                lines.append(f"ID: {text.ref} To: {text.to}")
            else:
                lines.append(self._error_line(REFUSED[text.error].http, text.to))
        return as_text("\n".join(lines))

    # ------------------------------------------------------------------
    # What becomes of a message
    # ------------------------------------------------------------------

    def set_status(self, text, word):
        """Set a message's status without telling anybody."""
        with self._lock:
            text.status = word
            text.status_at = time.time()

    def _fate(self, text):
        """Return what becomes of an accepted message."""
        for rule in self.rules:
            later = rule.outcome in STATUSES["http"] or rule.outcome in (
                "no_report",
                "answer",
                "answer_stop",
            )
            if later and rule.fits(text):
                return rule.outcome
        return "delivered"

    def _plan_delivery(self, text):
        fate = self._fate(text)
        wait = self.deliver_after_s + max(0, text.due_at - time.time())
        if fate == "no_report":
            return
        last = "delivered" if fate.startswith("answer") else fate
        self.later(wait / 2, lambda: self.report(text, "sent"))
        self.later(wait, lambda: self.report(text, last))
        if fate.startswith("answer"):
            words = "STOP" if fate == "answer_stop" else self.auto_answer
            self.later(wait + 1, lambda: self.answer(text, words))

    def later(self, wait_s, action):
        """Do something after some seconds."""
        with self._wake:
            heappush(
                self._agenda, (time.monotonic() + wait_s, next(self._order), action)
            )
            self._wake.notify()

    def _work_agenda(self):
        while not self._ended.is_set():
            with self._wake:
                now = time.monotonic()
                if not self._agenda or self._agenda[0][0] > now:
                    until = self._agenda[0][0] - now if self._agenda else None
                    self._wake.wait(until)
                    continue
                _at, _order, action = heappop(self._agenda)
            with suppress(RuntimeError):  # the pool has ended
                self._pool.submit(action)

    # ------------------------------------------------------------------
    # Callbacks
    # ------------------------------------------------------------------

    def report(self, text, word, **options):
        """Set a message's status and call back; return the HTTP statuses."""
        self.set_status(text, word)
        call = self.make_report(text, word, **options)
        return self.call_back(call, text.api) if call else []

    def make_report(self, text, word, *, form=None, at=None, url=None, **changes):
        """Build a status callback.

        :param str word: a word of STATUSES, or a number of the API's own
        :param str form: one of STATUS_FORMS; the one that is set
        :param float at: Unix time of the status
        :param changes: fields of the API with other values; None leaves one out
        :return: a Call, or None where no address is set
        """
        settings = self.callbacks[text.api]
        url = url or settings.status_url
        form = form or settings.status_form or STATUS_FORMS[text.api][0]
        at = at or time.time()
        code, name = STATUSES[text.api].get(word, (word, ""))
        if text.api == "one":
            fields = {
                "channel": "SMS",
                "timestamp": int(at * 1000),
                "statusCode": code,
                "status": name,
                "messageId": text.ref,
                "clientMessageId": text.client_id,
            }
        elif text.api == "platform":
            fields = {
                "integrationName": "Fake integration",
                "messageId": text.ref,
                "requestId": uuid.uuid4().hex,
                "clientMessageId": text.client_id,
                "to": text.to,
                "from": text.sender,
                "statusCode": code,
                "status": name,
                "statusDescription": name.replace("_", " ").capitalize(),
                "timestamp": int(at * 1000),
            }
        else:
            fields = {
                "api_id": self.api_id,
                "apiMsgId": text.ref,
                "cliMsgId": text.client_id,
                "to": text.to,
                "timestamp": int(at),
                "from": text.sender,
                "status": f"{code:03}" if isinstance(code, int) else code,
                "charge": f"{text.charge:.6f}",
            }
        fields |= changes
        fields = {key: value for key, value in fields.items() if value is not None}
        if not url:
            return None
        if text.api == "one":
            return self._one_call("status", url, "messageStatusUpdate", [fields])
        if text.api == "platform" and form == "json":
            return self._json_call("status", url, fields)
        return self._form_call("status", url, fields, form, "mt_callback")

    def answer(self, text, words, **options):
        """Let the handset answer a message; return the HTTP statuses of the calls."""
        to = text.sender if text.sender.isdecimal() else min(self.numbers, default="")
        return self.text_in(text.to, to, words, api=text.api, about=text, **options)

    def text_in(self, number, to, words, *, api, about=None, **options):
        """Let a handset text one of the account's numbers.

        :param str number: sender, digits, or whatever a network sends
        :param Text about: the message that it answers
        :param options: see ``make_text_in``; ``reverse`` sends parts in reverse
        """
        reverse = options.pop("reverse", False)
        calls = self.make_texts_in(number, to, words, api=api, about=about, **options)
        statuses = []
        for call in reversed(calls) if reverse else calls:
            statuses += self.call_back(call, api)
        return statuses

    def make_texts_in(self, number, to, words, *, api, charset=None, **options):
        """Build the callbacks of a text: long ones come in parts, but at One API."""
        charset = charset or self._fitting_charset(words, api)
        long = len(words) > (70 if charset.upper().startswith("UTF-16") else 160)
        if api == "one" or not long or "udh" in options:
            call = self.make_text_in(
                number, to, words, api=api, charset=charset, **options
            )
            return [call] if call else []
        wide = options.pop("wide", False)
        parts = split_answer(words, charset)
        reference = next(self._references)
        calls = []
        for n, part in enumerate(parts, 1):
            udh = make_udh(reference, len(parts), n, wide=wide)
            calls.append(
                self.make_text_in(
                    number, to, part, api=api, charset=charset, udh=udh, **options
                )
            )
        return [call for call in calls if call]

    def _fitting_charset(self, words, api):
        if api == "one":
            return "UTF-8"
        try:
            words.encode("latin-1")
        except UnicodeEncodeError:
            return "UTF-16BE"
        return "ISO-8859-1" if api == "http" else "UTF-8"

    def make_text_in(
        self,
        number,
        to,
        words,
        *,
        api,
        about=None,
        charset="UTF-8",
        form=None,
        udh="",
        ref=None,
        at=None,
        url=None,
        **changes,
    ):
        """Build the callback of a text that a handset sent.

        :param words: str, or bytes that go out as they are
        :param str ref: Clickatell's id of it
        :param changes: fields of the API with other values; None leaves one out
        :return: a Call, or None where no address is set
        """
        settings = self.callbacks[api]
        url = url or settings.reply_url
        form = form or settings.reply_form or REPLY_FORMS[api][0]
        at = at or time.time()
        ref = ref or uuid.uuid4().hex
        raw = words if isinstance(words, bytes) else words.encode(charset)
        self.answers.append(
            {"api": api, "from": number, "to": to, "text": words, "ref": ref}
        )
        if api == "one":
            fields = {
                # The trailing space is Clickatell's own.
                "channel": "sms ",
                "messageId": ref,
                "relatedMessageId": about.ref if about else None,
                "relatedClientMessageId": (about.client_id or None) if about else None,
                "from": number,
                "to": to,
                "timestamp": int(at * 1000),
                "content": raw.decode(charset),
                "charset": charset,
                "sms": {"network": "65501"},
            } | changes
            fields = {key: value for key, value in fields.items() if value is not None}
            return self._one_call("reply", url, "moText", [fields]) if url else None
        if api == "platform":
            fields = {
                "integrationId": "8a8080a25c5d4b4d015c5d4b4d0a0001",
                "integrationName": "Fake integration",
                "messageId": about.ref if about else "",
                "replyMessageId": ref,
                "fromNumber": number,
                "toNumber": to,
                "timestamp": int(at * 1000),
                "text": raw,
                "charset": charset,
                "udh": udh,
                "network": "65501",
                "keyword": "",
            } | changes
            fields = {key: value for key, value in fields.items() if value is not None}
            if not url:
                return None
            if form == "json":
                if isinstance(fields.get("text"), bytes):
                    # Seen: URL-encoded in the JSON, but for UTF-8.
                    fields["text"] = (
                        raw.decode() if charset.upper() == "UTF-8" else quote_plus(raw)
                    )
                return self._json_call("reply", url, fields)
            return self._form_call("reply", url, fields, form, "mo_callback")
        # Fixed: two hours ahead of UTC, in summer too.
        local = datetime.fromtimestamp(at, UTC) + timedelta(hours=2)
        fields = {
            "api_id": self.api_id,
            "moMsgId": ref,
            "from": number,
            "to": to,
            "timestamp": local.strftime("%Y-%m-%d %H:%M:%S"),
            "charset": charset,
            "udh": udh,
            "text": raw,
        } | changes
        fields = {key: value for key, value in fields.items() if value is not None}
        if not url:
            return None
        return self._form_call("reply", url, fields, form, "mo_callback", charset)

    def _one_call(self, kind, url, name, events):
        data = {
            "integrationId": "fa8090815f05d5ed015f0b5b56080cd2",
            "integrationName": "Fake integration",
            "event": {name: events},
        }
        return self._json_call(kind, url, data)

    def _json_call(self, kind, url, data):
        body = json.dumps(data, ensure_ascii=False).encode()
        return Call(kind, "POST", url, body, "application/json;charset=UTF-8")

    def _form_call(self, kind, url, fields, form, soap, charset="UTF-8"):
        """Build a callback of key and value, or of XML in ``data``."""
        if form == "json":
            fields = {
                key: value.decode(charset) if isinstance(value, bytes) else value
                for key, value in fields.items()
            }
            return self._json_call(kind, url, fields)
        shape, _sep, method = form.rpartition("_")
        if shape in ("xml", "soap"):
            values = {
                key: value.decode(charset) if isinstance(value, bytes) else str(value)
                for key, value in fields.items()
            }
            make = make_xml if shape == "xml" else make_soap
            query = b"data=" + quote_plus(make(values, soap)).encode()
        else:
            query = b"&".join(
                f"{key}={quote_plus(value)}".encode()
                if isinstance(value, bytes)
                else urlencode({key: value}).encode()
                for key, value in fields.items()
            )
        if method == "get":
            return Call(kind, "GET", f"{url}?{query.decode()}")
        return Call(kind, "POST", url, query, "application/x-www-form-urlencoded")

    def call_back(self, call, api):
        """Call back as the settings say: repeated, shuffled, again after an error.

        :return: list of HTTP statuses, None where no answer came
        """
        if self.shuffle_calls:
            wait = self._random.random() / 5
            self.later(wait, lambda: self._call_and_retry(call, api, 0))
            return []
        return [
            self._call_and_retry(call, api, 0) for _time in range(self.repeat_calls)
        ]

    def _call_and_retry(self, call, api, tried):
        status = self.send_call(call, api)
        accepted = status is not None and 200 <= status < 300
        # Redirects are not tried again.
        redirected = status is not None and 300 <= status < 400
        if not accepted and not redirected and tried < len(self.retry_s):
            wait = self.retry_s[tried]
            self.later(wait, lambda: self._call_and_retry(call, api, tried + 1))
        return status

    def send_call(self, call, api, *, auth=True):
        """Send one callback; return the HTTP status, or None without an answer."""
        settings = self.callbacks[api]
        headers = {"User-Agent": "Clickatell callback"}
        if call.content_type:
            headers["Content-Type"] = call.content_type
        if auth and settings.user:
            pair = f"{settings.user}:{settings.password}".encode()
            headers["Authorization"] = f"Basic {b64encode(pair).decode()}"
        url = urlsplit(call.url)
        https = url.scheme == "https"
        kind = http.client.HTTPSConnection if https else http.client.HTTPConnection
        status = None
        connection = kind(url.hostname, url.port, timeout=15)
        try:
            target = url.path + (f"?{url.query}" if url.query else "")
            connection.request(call.method, target, call.body or None, headers)
            with connection.getresponse() as response:
                response.read(4096)
                status = response.status
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        call.at = time.time()
        call.answers.append(status)
        if len(call.answers) == 1:
            self.calls.append(call)
        return status

    def set_callbacks(self, api, *, check=True, **values):
        """Set an account's callbacks, as in the portal, which tries the addresses.

        :return: list of what the addresses answered to an empty GET
        """
        if unknown := set(values) - set(Callbacks.__slots__):
            raise TypeError(f"no such setting: {unknown}")
        for name, value in values.items():
            setattr(self.callbacks[api], name, value)
        if not check:
            return []
        urls = {self.callbacks[api].status_url, self.callbacks[api].reply_url} - {""}
        return [
            self.send_call(Call("check", "GET", url), api, auth=False)
            for url in sorted(urls)
        ]

    # ------------------------------------------------------------------
    # The page
    # ------------------------------------------------------------------

    def _page(self, method, url, headers, body):
        if method == "POST":
            # A page of somewhere else has no say here.
            origin = headers.get("Origin")
            if origin and urlsplit(origin).netloc != headers.get("Host"):
                return as_text("Wrong origin", 403)
            params = dict(parse_qsl(body.decode(errors="replace"), True))
            words = self._portal(url.path, params)
            if words is None:
                return as_text("Not found", 404)
            return Answer(303, headers={"Location": f"/?said={quote(words)}"})
        if url.path != "/":
            return as_text("Not found", 404)
        if "text/html" not in (headers.get("Accept") or ""):
            return as_json(self.get_state())
        said = dict(parse_qsl(url.query)).get("said", "")
        return Answer(
            body=make_page(self, said).encode(),
            content_type="text/html;charset=utf-8",
        )

    def _portal(self, path, params):
        """Do what a person asked for; return what to say."""
        if path == "/portal/callbacks" and params.get("api") in APIS:
            api = params.pop("api")
            known = {key: params[key] for key in Callbacks.__slots__ if key in params}
            answers = self.set_callbacks(api, **known)
            if not answers:
                return "Saved. Without an address nobody is called back."
            if all(status is not None and 200 <= status < 300 for status in answers):
                return "Saved. The addresses answer."
            shown = ", ".join(str(status or "nothing") for status in answers)
            return f"Saved, but the addresses do not answer as they should: {shown}"
        if path == "/portal/answer":
            words = params.get("text", "")
            text = self.taken.get(params.get("ref", ""))
            if not words:
                return "An answer needs a text."
            if text is not None:
                statuses = self.answer(text, words)
            else:
                api = params.get("api") if params.get("api") in APIS else "one"
                number = re.sub(r"\D", "", params.get("from", ""))
                to = min(self.numbers, default="")
                statuses = self.text_in(number, to, words, api=api)
            if not statuses:
                return "Nobody was told: set the callback addresses of this API first."
            if all(status is not None and 200 <= status < 300 for status in statuses):
                return "The answer was handed over."
            return f"The address answered {statuses}; it is tried again."
        if path == "/portal/credit":
            with suppress(ValueError):
                self.credit = float(params.get("credit", ""))
            return f"Credit: {self.credit:g}"
        return None

    def get_state(self, last=200):
        """Return what a person or a script may want to know, for JSON."""
        with self._lock:
            texts = self.texts[-last:]
            return {
                "address": self.url,
                "api_key": self.key,
                "user": self.user,
                "password": self.password,
                "api_id": self.api_id,
                "numbers": sorted(self.numbers),
                "credit": self.credit,
                "currency": self.currency,
                "requests": self.requests,
                "reached": len(self.texts),
                "taken": len(self.taken),
                "callbacks": {
                    api: {name: getattr(cb, name) for name in Callbacks.__slots__}
                    for api, cb in self.callbacks.items()
                },
                "texts": [
                    {name: getattr(text, name) for name in Text.__slots__}
                    for text in texts
                ],
                "answers": [
                    {**row, "text": str(row["text"])} for row in self.answers[-last:]
                ],
                "calls": [
                    {"kind": c.kind, "method": c.method, "answers": c.answers}
                    for c in list(self.calls)[-last:]
                ],
            }


def make_xml(values, name):
    """Return the XML of a callback of the HTTP API."""
    root = "callback" if name == "mt_callback" else "clickmo"
    inner = "".join(f"<{key}>{xml_escape(v)}</{key}>" for key, v in values.items())
    return f'<?xml version="1.0"?>\n<{root}>{inner}</{root}>'.encode()


def make_soap(values, name):
    """Return the SOAP packet of a callback of the HTTP API, in ISO-8859-1."""
    prefix = "mt" if name == "mt_callback" else "tns"
    space = name if name == "mt_callback" else "clickatell_mo"
    inner = "".join(
        f"<{key.lower()}>{xml_escape(v)}</{key.lower()}>" for key, v in values.items()
    )
    packet = (
        '<?xml version="1.0" encoding="ISO-8859-1"?>'
        "<SOAP-ENV:Envelope "
        'xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" '
        f'xmlns:{prefix}="{space}"><SOAP-ENV:Body>'
        f"<{prefix}:{name}>{inner}</{prefix}:{name}>"
        "</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )
    return packet.encode("latin-1", "xmlcharrefreplace")


PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Clickatell (fake)</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body{font:16px/1.45 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem;
color:#222;background:#fafafa}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin:1.6rem 0 .4rem}
code{background:#eef;padding:.1rem .3rem;overflow-wrap:anywhere}
.card{background:#fff;border:1px solid #ddd;border-radius:.4rem;padding:.7rem;
margin:.5rem 0}
.who{color:#555;font-size:.9rem}.text{white-space:pre-wrap;overflow-wrap:anywhere}
.bad{color:#a00}.in{background:#eef7ee}
.said{background:#fff3cd;padding:.6rem;border-radius:.4rem}
label{display:block;margin:.4rem 0 0}
input,select{font:inherit;padding:.3rem;width:100%;box-sizing:border-box}
form.line{display:flex;gap:.4rem;margin-top:.5rem}
button{font:inherit;padding:.3rem .8rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem .8rem;margin:0}
dt{color:#555}dd{margin:0}
@media(max-width:30rem){dl{grid-template-columns:1fr}dd{margin-bottom:.4rem}}
</style></head><body>
<h1>Clickatell (fake)</h1>
<p>It speaks Clickatell's three APIs on this machine, texts nobody, costs nothing.</p>
CONTENT</body></html>
"""


def make_page(fake, said=""):
    """Return the page on which a person sees what came, and answers."""
    out = []
    if said:
        out.append(f'<p class="said" role="status">{html.escape(said)}</p>')
    rows = {
        "Another address": fake.url,
        "API key (One API, Platform SMS)": fake.key,
        "User name (Central API)": fake.user,
        "Password (Central API)": fake.password,
        "API ID (Central API)": fake.api_id,
        "Two-way number": ", ".join(sorted(fake.numbers)),
        "Credit": f"{fake.credit:g} {fake.currency}",
        "Texts": f"{len(fake.texts)} came, {len(fake.taken)} taken",
    }
    out.append("<h2>Account</h2><dl class='card'>")
    for name, value in rows.items():
        out.append(f"<dt>{name}</dt><dd><code>{html.escape(value)}</code></dd>")
    out.append("</dl><h2>Texts</h2>")
    newest = sorted(fake.texts[-50:], key=lambda text: -text.at)
    if not newest:
        out.append("<p>None yet. Text somebody from Odoo, then load this page.</p>")
    for text in newest:
        out.append(_make_card(fake, text))
    out.append("<h2>Callbacks</h2>")
    for api in APIS:
        out.append(_make_settings(fake, api))
    out.append("<h2>A text out of the blue</h2>")
    choices = "".join(f'<option value="{k}">{v}</option>' for k, v in APIS.items())
    out.append(
        '<form class="card" method="post" action="/portal/answer">'
        f'<label>API <select name="api">{choices}</select></label>'
        '<label>From <input name="from" value="12025550143"></label>'
        '<label>Text <input name="text" required></label>'
        "<p><button>Send</button></p></form>"
    )
    out.append("<h2>Numbers with a habit</h2><dl class='card'>")
    for end, (_word, what) in HABITS.items():
        out.append(f"<dt>ends with {end}</dt><dd>{html.escape(what)}</dd>")
    out.append("</dl>")
    return PAGE.replace("CONTENT", "".join(out))


def _make_card(fake, text):
    at = datetime.fromtimestamp(text.at).strftime("%H:%M:%S")
    state = html.escape(text.status or f"refused: {text.error}")
    answers = [
        row for row in fake.answers if row["from"] == text.to and row["api"] == text.api
    ]
    card = [
        '<div class="card text-card">',
        f'<div class="who">to {html.escape(text.to)} · {at} · {APIS[text.api]} · '
        f'<span class="{"" if text.ref else "bad"}">{state}</span></div>',
        f'<div class="text">{html.escape(text.text)}</div>',
    ]
    card += [
        f'<div class="card in text">{html.escape(str(row["text"]))}</div>'
        for row in answers
    ]
    if text.ref:
        card.append(
            '<form class="line" method="post" action="/portal/answer">'
            f'<input type="hidden" name="ref" value="{text.ref}">'
            '<input name="text" required placeholder="Answer as this person" '
            'aria-label="Answer"><button>Answer</button></form>'
        )
    card.append("</div>")
    return "".join(card)


def _make_settings(fake, api):
    settings = fake.callbacks[api]

    def choose(name, forms):
        chosen = getattr(settings, name) or forms[0]
        options = "".join(
            f'<option value="{form}"{" selected" * (form == chosen)}>'
            f"{FORM_NAMES[form]}</option>"
            for form in forms
        )
        return f'<select name="{name}">{options}</select>'

    def line(name, kind="text"):
        value = html.escape(getattr(settings, name))
        return f'<input name="{name}" type="{kind}" value="{value}" autocomplete="off">'

    return (
        f'<form class="card" method="post" action="/portal/callbacks" id="{api}">'
        f"<strong>{APIS[api]}</strong>"
        f'<input type="hidden" name="api" value="{api}">'
        f"<label>Delivery notifications, target address {line('status_url')}</label>"
        f"<label>Method {choose('status_form', STATUS_FORMS[api])}</label>"
        f"<label>Replies, target address {line('reply_url')}</label>"
        f"<label>Method {choose('reply_form', REPLY_FORMS[api])}</label>"
        f"<label>User name {line('user')}</label>"
        f"<label>Password {line('password', 'password')}</label>"
        "<p><button>Save</button></p></form>"
    )


def main(argv=None):
    habits = "\n".join(f"  {end}  {what}" for end, (_word, what) in HABITS.items())
    parser = argparse.ArgumentParser(
        description="A fake Clickatell on this machine: One API, the platform API and "
        "the HTTP API. Give its address to a gateway, text, and open the address in a "
        "browser to see what came and to answer. Ctrl-C ends it.",
        epilog=f"Numbers with a habit end with:\n{habits}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--key", help="API key; otherwise a new one")
    parser.add_argument("--user", default="fake-user", help="of the HTTP API")
    parser.add_argument("--password", help="of the HTTP API; otherwise a new one")
    parser.add_argument("--api-id", default="3400001", help="of the HTTP API")
    parser.add_argument(
        "--number",
        action="append",
        help="own number of the account, digits; may be given again",
    )
    parser.add_argument("--credit", type=float, default=1000.0)
    parser.add_argument("--currency", default="USD")
    parser.add_argument(
        "--latency", type=float, default=0.0, help="seconds that each answer takes"
    )
    parser.add_argument(
        "--rate", type=float, help="messages per second; above it 429 and code 43"
    )
    parser.add_argument(
        "--deliver-after",
        type=float,
        default=2.0,
        help="seconds until a text is delivered; below 0: nothing is reported",
    )
    for name, what in (("status", "delivery notifications"), ("reply", "replies")):
        parser.add_argument(
            f"--{name}-url",
            action="append",
            default=[],
            metavar="API=URL",
            help=f"where {what} of an API ({', '.join(APIS)}) go",
        )
    parser.add_argument("--callback-user", default="", help="of the callbacks")
    parser.add_argument("--callback-password", default="")
    parser.add_argument("--quiet", action="store_true", help="print the address only")
    options = parser.parse_args(argv)
    fake = FakeClickatell(
        port=options.port,
        key=options.key,
        user=options.user,
        password=options.password,
        api_id=options.api_id,
        numbers=options.number or ("15550100200",),
        credit=options.credit,
        currency=options.currency,
        latency_s=options.latency,
        deliver_after_s=options.deliver_after if options.deliver_after >= 0 else None,
        habits=True,
    )
    fake.max_rate = options.rate
    for name in ("status", "reply"):
        for pair in getattr(options, f"{name}_url"):
            api, _sep, url = pair.partition("=")
            if api not in APIS or not url:
                parser.error(f"--{name}-url needs API=URL, with one of {list(APIS)}")
            fake.set_callbacks(
                api,
                check=False,
                user=options.callback_user,
                password=options.callback_password,
                **{f"{name}_url": url},
            )
    print(fake.url, flush=True)
    if not options.quiet:
        print(f"API key   {fake.key}")
        print(f"user      {fake.user}   password  {fake.password}")
        print(f"API ID    {fake.api_id}")
        print(f"number    {', '.join(sorted(fake.numbers))}")
        print("Open the address in a browser to see texts and to answer.", flush=True)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_args: ended.set())
    while not ended.wait(3600):
        pass
    fake.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
