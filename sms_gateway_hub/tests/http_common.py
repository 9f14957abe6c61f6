# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A gateway on loopback for tests: it answers by a script and counts.

The fake stands on the wire: what an adapter builds travels through the hub's real
transport, and what it parses has come through it.
"""

import http.client
import json
import logging
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

from odoo.tests.common import HOST, TEST_CURSOR_COOKIE_NAME

from .. import const
from ..controllers.call_rates import rates
from ..tools import transport

_logger = logging.getLogger(__name__)

# Longer than any time-out of a test, short enough not to hold up a failing one.
_HANG_S = 30


@dataclass(frozen=True)
class Answer:
    """What Odoo answered to a call of :class:`RawHttpMixin`."""

    status_code: int
    headers: http.client.HTTPMessage
    content: bytes


class RawHttpMixin:
    """Calls Odoo's real HTTP server byte by byte, for ``HttpCase``.

    ``url_open`` goes through ``requests``, which mends what a hostile peer would send.
    Bad callbacks are not limited: those of all tests come from one address.
    """

    def setUp(self):
        super().setUp()
        rates.reset()
        self.addCleanup(rates.reset)
        self.patch(const, "BAD_CALLBACKS_PER_MIN", 10**6)

    def http_call(self, method, target, *, body=None, headers=None, cookies=""):
        """Make one call; the target goes out as it is.

        :param bytes body: an iterator of bytes is sent in chunks, without a length
        :return: Answer
        """
        with self.allow_requests():
            own = f"{TEST_CURSOR_COOKIE_NAME}={self.http_request_key}"
            headers = {"Cookie": f"{own}; {cookies}".strip("; "), **(headers or {})}
            connection = http.client.HTTPConnection(HOST, self.http_port(), timeout=20)
            try:
                connection.request(method, target, body=body, headers=headers)
                return self._answer(connection.getresponse())
            finally:
                connection.close()

    def raw_call(self, head, body=b""):
        """Send bytes as they are, and read one answer.

        :param str head: request line and headers, without the empty line
        :return: Answer
        """
        with self.allow_requests():
            lines = [
                *head.splitlines(),
                f"Host: {HOST}",
                f"Cookie: {TEST_CURSOR_COOKIE_NAME}={self.http_request_key}",
            ]
            data = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
            with socket.create_connection((HOST, self.http_port()), 20) as sock:
                try:
                    sock.sendall(data)
                except OSError:
                    # Refused before all of it was sent: the answer is there.
                    _logger.debug("The server did not read all of the request")
                answer = http.client.HTTPResponse(sock)
                answer.begin()
                return self._answer(answer)

    def _answer(self, answer):
        return Answer(answer.status, answer.headers, answer.read())


class RpcMixin:
    """Calls methods by the door of the web client, for ``HttpCase``."""

    def post_rpc(self, model, method, args, kwargs):
        """Call a method as whoever is logged in.

        :return: the answer, of ``requests``
        """
        params = {"model": model, "method": method, "args": args, "kwargs": kwargs}
        return self.url_open(
            f"/web/dataset/call_kw/{model}/{method}",
            # ``requests`` itself would refuse NaN, which strangers may send.
            data=json.dumps({"jsonrpc": "2.0", "method": "call", "params": params}),
            headers={"Content-Type": "application/json"},
        )


@dataclass(frozen=True)
class Reply:
    """One scripted answer.

    :param int status: HTTP status
    :param body: str, bytes, anything that JSON can carry, or a function of the
        recorded request that returns one of these
    :param dict headers: further headers
    :param str act: "" to answer; "hang" to stay silent until the peer gives up;
        "close" to hang up without an answer; "cut" to announce more than is sent;
        "drip" to send a byte now and then; "close_after" to hang up after the answer,
        without announcing it
    """

    status: int = 200
    body: object = b""
    headers: dict = field(default_factory=dict)
    act: str = ""

    @classmethod
    def of(cls, value):
        """Read a reply as rows write it: a Reply, or (status, body[, headers])."""
        return value if isinstance(value, cls) else cls(*value)

    def encode(self, request):
        body = self.body(request) if callable(self.body) else self.body
        if isinstance(body, bytes):
            return body
        if isinstance(body, str):
            return body.encode()
        return json.dumps(body).encode()


@dataclass(frozen=True)
class Recorded:
    """One request as it came in.

    :param str scheme: the scheme that the adapter asked for
    :param str target: path and query
    :param dict headers: names in lower case
    """

    method: str
    scheme: str
    target: str
    headers: dict
    body: bytes

    @property
    def url(self):
        return f"{self.scheme}://{self.headers.get('host')}{self.target}"

    @property
    def path(self):
        return urlsplit(self.target).path

    @property
    def params(self):
        """Fields of the query, each a list."""
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def form(self):
        """Fields of a form in the body, each a list."""
        return parse_qs(self.body.decode(), keep_blank_values=True)

    @property
    def json(self):
        return json.loads(self.body)


class ScriptedServer:
    """Answers requests one after the other, as scripted.

    A request beyond the script is answered 418 and counted in ``unscripted``.
    """

    def __init__(self):
        self.requests = []
        self.unscripted = 0
        self.connections = 0
        self.schemes = {}
        self._replies = []
        self._lock = threading.Lock()
        self._released = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def setup(self):
                with owner._lock:
                    owner.connections += 1
                return super().setup()

            def handle_any(self):
                owner._handle(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any

            def log_message(self, *args):
                """Stay silent: the test counts."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request, client_address):
                """A peer that gave up leaves a broken pipe: nothing to report."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def script(self, *replies):
        """Append replies: Reply, or (status, body[, headers])."""
        with self._lock:
            self._replies += [Reply.of(reply) for reply in replies]

    def reset(self):
        """Forget requests and what is left of the script."""
        with self._lock:
            self.requests, self._replies, self.unscripted = [], [], 0

    @property
    def unused(self):
        """Replies that nobody asked for."""
        return len(self._replies)

    def close(self):
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # The server's threads only below this line

    def _handle(self, handler):
        size = int(handler.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        request = Recorded(
            method=handler.command,
            scheme=self.schemes.get(headers.get("host"), "http"),
            target=handler.path,
            headers=headers,
            body=handler.rfile.read(size),
        )
        with self._lock:
            self.requests.append(request)
            if self._replies:
                reply = self._replies.pop(0)
            else:
                self.unscripted += 1
                reply = Reply(418, b"beyond the script")
        self._answer(handler, request, reply)

    def _answer(self, handler, request, reply):
        if reply.act == "hang":
            self._released.wait(_HANG_S)
        if reply.act in ("hang", "close"):
            handler.close_connection = True
            return
        body = reply.encode(request)
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        announced = len(body) + (100 if reply.act == "cut" else 0)
        handler.send_header("Content-Length", str(announced))
        handler.end_headers()
        if reply.act == "drip":
            self._drip(handler, body)
        else:
            handler.wfile.write(body)
        if reply.act in ("cut", "close_after"):
            handler.close_connection = True

    def _drip(self, handler, body):
        for byte in body:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            if self._released.wait(0.05):
                return


@contextmanager
def redirected(server, *, port=None):
    """Send every request of the hub's transport to a scripted server.

    Adapters keep the addresses that they know; the server records them.

    :param ScriptedServer server: where requests go
    :param int port: another port, e.g. a closed one
    """
    encode = transport.encode_request

    def encode_request(request):
        scheme, host, at, target, headers, body = encode(request)
        netloc = f"{host}:{at}" if at else host
        server.schemes[netloc] = scheme
        headers = {**headers, "Host": netloc}
        return "http", "127.0.0.1", port or server.port, target, headers, body

    with patch.object(transport, "encode_request", encode_request):
        yield server
