# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The hub's transport: moves bytes on a few threads that know no database.

It is written on ``http.client``, not ``requests``, because the one thing that it must
tell is whether a byte of a request may have left, and because a total deadline has
to hold against a peer that drips its answer. No redirect, no automatic retry.
"""

import http.client
import json
import logging
import queue
import re
import select
import socket
import ssl
import threading
import time
import traceback
from base64 import b64encode
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache, partial
from urllib.parse import quote, quote_plus, urlencode, urlsplit

from .. import const
from ..exceptions import (
    GatewayAccountError,
    GatewayConfigError,
    GatewayError,
    GatewayNotReached,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayThrottled,
)
from . import addresses
from .gateway_data import GatewayResponse

_logger = logging.getLogger(__name__)

_to_json = json.JSONEncoder(ensure_ascii=False).encode

_TARGET = re.compile(r"[!-~]+\Z")
_HEADER = re.compile(r"[\t -~\xa0-\xff]*\Z")


class NotSent(Exception):
    """The request was taken back before it left: the gateway paused meanwhile."""


class Held(NotSent):
    """The request did not leave: its owner has to look at it once more."""


@dataclass(slots=True)
class Completion:
    """A request that came to an end: exactly one of response and error is set.

    :param float started_at: Unix time at which its turn came
    :param float left_at: Unix time at which there was a connection and it left, 0 where
        it did not
    :param float ended_at: Unix time at which its outcome was known
    """

    request: object
    response: GatewayResponse | None = None
    error: Exception | None = None
    started_at: float = 0.0
    left_at: float = 0.0
    ended_at: float = 0.0


def parse_retry_after(value, *, now=None, default_s=30.0):
    """Read a Retry-After header: seconds or a date (RFC 9110, 10.2.3).

    :param str value: the header, or None
    :param datetime now: current time, aware; the present when left out
    :return: seconds, between 1 and ``const.RETRY_AFTER_CAP_S``
    """
    seconds = default_s
    value = (value or "").strip()
    if value.isdecimal():
        seconds = float(value[:9])
    elif value:
        try:
            until = parsedate_to_datetime(value)
        except (TypeError, ValueError):
            until = None
        if until is not None:
            if until.tzinfo is None:
                until = until.replace(tzinfo=UTC)
            seconds = (until - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 1.0), const.RETRY_AFTER_CAP_S)


def raise_for_status(response):
    """Map an HTTP status to the hub's default error; 2xx and 3xx-less pass.

    An adapter whose provider says it otherwise reads the body first and calls this
    for the rest.

    :param GatewayResponse response: the answer
    :raise GatewayThrottled: 429, 503
    :raise GatewayAccountError: 401, 402, 403
    :raise GatewayRejected: any other 4xx
    :raise GatewayOutcomeUnknown: everything else that is not 2xx
    """
    status = response.status
    if 200 <= status < 300:
        return
    code = str(status)
    detail = f"HTTP {status}"
    if status in (429, 503):
        raise GatewayThrottled(
            detail,
            retry_after_s=parse_retry_after(response.headers.get("retry-after")),
            provider_code=code,
        )
    if status in (401, 402, 403):
        raise GatewayAccountError(detail, provider_code=code)
    if 400 <= status < 500:
        raise GatewayRejected(detail, provider_code=code)
    raise GatewayOutcomeUnknown(detail, provider_code=code)


@lru_cache(maxsize=256)
def written_forms(secret):
    """Return a secret as it may stand in a URL, a form or JSON, longest first."""
    forms = {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
    }
    return tuple(sorted(forms, key=len, reverse=True))


# Asked for with every answer: the same few secrets again and again.
@lru_cache(maxsize=256)
def _all_forms(secrets):
    """Return what stands for secrets, the longest secret first.

    :param tuple secrets: values, empty ones are skipped
    """
    longest_first = sorted({s for s in secrets if s}, key=len, reverse=True)
    return tuple(form for secret in longest_first for form in written_forms(secret))


def redact(text, secrets, *, limit=2000):
    """Take secrets out of a text that goes to a log or a screen.

    :param str text: what is to be shown
    :param secrets: values that must not show
    :param int limit: characters kept
    """
    text = text or ""
    for form in _all_forms(tuple(secrets)):
        text = text.replace(form, "***")
    return text[:limit].replace("\x00", "")


def redact_trace(secrets):
    """Return the traceback of the exception that is being handled, for a log."""
    return redact(traceback.format_exc(), secrets, limit=20_000)


def encode_request(request):
    """Turn a SendRequest into what goes over the wire.

    :return: (scheme, host, port, target, headers, body)
    :raise GatewayConfigError: when the address is not http(s)
    """
    try:
        url = urlsplit(request.url)
        port = url.port
    except ValueError:
        raise GatewayConfigError("The gateway's address is not valid") from None
    if url.scheme not in ("http", "https") or not url.hostname:
        raise GatewayConfigError(
            "The gateway's address must start with http:// or https://"
        )
    query = "&".join(
        part for part in (url.query, urlencode(request.params or {})) if part
    )
    target = (url.path or "/") + (f"?{query}" if query else "")
    headers = {
        "User-Agent": "sms-gateway-hub",
        "Accept": "application/json, */*;q=0.5",
        "Accept-Encoding": "identity",
        **request.headers,
    }
    body = request.data
    if request.json is not None:
        body = _to_json(request.json).encode()
        headers.setdefault("Content-Type", "application/json")
    elif isinstance(body, dict):
        body = urlencode(body).encode()
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    elif isinstance(body, str):
        body = body.encode()
    if request.auth:
        user, password = request.auth
        token = b64encode(f"{user}:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {token}"
    # What http.client would refuse when it is too late to say that nothing has left.
    if not _TARGET.match(target):
        raise GatewayConfigError(
            "The gateway's address must not hold blanks or special characters"
        )
    for name, value in headers.items():
        if not _HEADER.match(value):
            raise GatewayConfigError(
                f"What goes into the header {name} holds a character that it must not"
            )
    return url.scheme, url.hostname, port, target, headers, body


class HttpTransport:
    """Sends requests on a pool of threads and hands back their completions.

    ``writes`` tells the sender that a request changes the database.

    The pool's threads hold no cursor and no environment. Connections stay open from
    request to request. All methods are for the one thread that owns the transport.

    :param int parallel: requests under way at once, at least 1
    :param float deadline_s: total time of one request, connecting included
    :param bool local: requests may go to this machine and to the local network
    """

    writes = False
    # Function that says, to any thread, whether nothing may leave for the moment.
    is_held = None

    def __init__(self, parallel, *, deadline_s=const.REQUEST_DEADLINE_S, local=False):
        self.parallel = max(1, parallel)
        self.deadline_s = deadline_s
        self._open = partial(addresses.connect, local=local)
        self.pending = 0
        self._waiting = queue.SimpleQueue()
        self._done = queue.SimpleQueue()
        self._stop = threading.Event()
        self._local = threading.local()
        self._connections = []
        self._lock = threading.Lock()
        # Sockets of requests under way and when their time is over.
        self._running = {}
        self._threads = []

    def submit(self, request):
        """Queue a request for the pool."""
        self.pending += 1
        self._waiting.put(request)
        if len(self._threads) < min(self.pending, self.parallel):
            # A daemon: who waits for an answer must not hold up the process's end.
            thread = threading.Thread(
                target=self._work, name="sms-gateway", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def poll(self, timeout_s):
        """Wait for completions.

        :param float timeout_s: how long to wait for the first one
        :return: list of Completion, maybe empty
        """
        self._cut_overdue()
        found = []
        with suppress(queue.Empty):
            found.append(self._done.get(timeout=max(timeout_s, 0.001)))
            while True:
                found.append(self._done.get_nowait())
        self.pending -= len(found)
        return found

    def recall(self):
        """Return the requests that have not begun; they are the owner's again."""
        recalled = []
        with suppress(queue.Empty):
            while True:
                recalled.append(self._waiting.get_nowait())
        self.pending -= len(recalled)
        return recalled

    def take_back(self):
        """Let no further request leave: those not begun complete as ``NotSent``."""
        self._stop.set()

    def close(self):
        """End the pool and close every connection."""
        self._stop.set()
        self.recall()
        for _thread in self._threads:
            self._waiting.put(None)
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.close()

    # Pool threads only below this line

    def _work(self):
        while (request := self._waiting.get()) is not None:
            self._run(request)

    def _run(self, request):
        completion = Completion(request, started_at=time.time())
        try:
            if self._stop.is_set():
                raise NotSent
            if self.is_held and self.is_held():
                raise Held
            completion.response = self._exchange(request, completion)
        except (NotSent, GatewayError) as error:
            completion.error = error
        except Exception as error:  # noqa: BLE001 a thread must always answer
            completion.error = GatewayOutcomeUnknown(type(error).__name__)
        completion.ended_at = time.time()
        self._done.put(completion)

    def _exchange(self, request, completion):
        scheme, host, port, target, headers, body = encode_request(request)
        deadline = time.monotonic() + self.deadline_s
        connection = self._connect(scheme, host, port)
        completion.left_at = time.time()
        key = threading.get_ident()
        with self._lock:
            self._running[key] = (deadline, connection.sock)
        try:
            connection.request(request.method, target, body=body, headers=headers)
            answer = connection.getresponse()
            content = self._read(answer, deadline)
            keep = not answer.will_close
            response = GatewayResponse(
                answer.status,
                {name.lower(): value for name, value in answer.getheaders()},
                content,
            )
        except (OSError, http.client.HTTPException, ValueError) as error:
            # From the first byte on, the gateway may have taken the message.
            self._drop(connection)
            raise GatewayOutcomeUnknown(
                f"No usable answer: {type(error).__name__}"
            ) from None
        except GatewayError:
            self._drop(connection)
            raise
        finally:
            with self._lock:
                self._running.pop(key, None)
        if not keep:
            self._drop(connection)
        return response

    def _connect(self, scheme, host, port):
        """Return an open connection of this thread.

        :raise GatewayNotReached: no byte of the request left
        :raise GatewayConfigError: the address leads to where it must not
        """
        pool = self._local.__dict__.setdefault("connections", {})
        connection = pool.get((scheme, host, port))
        if connection is not None and connection.sock is not None:
            # An idle connection that became readable was closed by the peer: a
            # request written to it would end as an unknown outcome for nothing.
            if not connection.poller.poll(0):
                return connection
            self._drop(connection)
        if scheme == "https":
            connection = http.client.HTTPSConnection(
                host,
                port,
                timeout=const.CONNECT_TIMEOUT_S,
                context=ssl.create_default_context(),
            )
        else:
            connection = http.client.HTTPConnection(
                host, port, timeout=const.CONNECT_TIMEOUT_S
            )
        # What http.client opens a socket with: the address is checked, and held to.
        connection._create_connection = self._open
        try:
            connection.connect()
            connection.sock.settimeout(const.READ_TIMEOUT_S)
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (OSError, UnicodeError) as error:
            connection.close()
            raise GatewayNotReached(
                f"The gateway could not be reached: {type(error).__name__}"
            ) from None
        # http.client would connect again by itself, unseen, after a close.
        connection.auto_open = 0
        connection.poller = select.poll()
        connection.poller.register(connection.sock, select.POLLIN)
        pool[scheme, host, port] = connection
        connection.pool_key = (scheme, host, port)
        with self._lock:
            self._connections.append(connection)
        return connection

    def _drop(self, connection):
        connection.close()
        self._local.connections.pop(connection.pool_key, None)
        with self._lock:
            if connection in self._connections:
                self._connections.remove(connection)

    def _read(self, answer, deadline):
        chunks, size = [], 0
        while chunk := answer.read1(65536):
            size += len(chunk)
            if size > const.RESPONSE_MAX_BYTES:
                raise GatewayOutcomeUnknown("The answer is too large")
            if time.monotonic() > deadline:
                raise GatewayOutcomeUnknown("The answer took too long")
            chunks.append(chunk)
        if answer.length:
            raise GatewayOutcomeUnknown("The answer was cut short")
        # read1() leaves the answer open, and the connection unfit for the next one.
        answer.close()
        return b"".join(chunks)

    # The owner's thread again

    def _cut_overdue(self):
        """Wake threads whose peer outlasted the deadline, e.g. by dripping."""
        now = time.monotonic()
        with self._lock:
            overdue = [sock for end, sock in self._running.values() if now > end]
        for sock in overdue:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                _logger.debug("The overdue connection was closed already")


class LocalTransport:
    """Runs an adapter without a wire, e.g. a sandbox, in the owner's thread.

    :param send: function of a SendRequest that returns a list of SendResult
    """

    parallel = 1
    writes = True

    def __init__(self, send):
        self._send = send
        self._queue = deque()
        self._stopped = False

    @property
    def pending(self):
        return len(self._queue)

    def submit(self, request):
        self._queue.append(request)

    def poll(self, timeout_s):
        if not self._queue:
            return []
        completion = Completion(self._queue.popleft(), started_at=time.time())
        try:
            if self._stopped:
                raise NotSent
            completion.response = self._send(completion.request)
        except (NotSent, GatewayError) as error:
            completion.error = error
        completion.ended_at = time.time()
        return [completion]

    def recall(self):
        recalled = list(self._queue)
        self._queue.clear()
        return recalled

    def take_back(self):
        self._stopped = True

    def close(self):
        self._queue.clear()
