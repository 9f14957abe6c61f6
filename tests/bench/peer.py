# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A fast gateway in a process of its own: answers after a set latency, and counts.

It speaks what the measured senders speak, as far as an accepted message goes: the
tests' own gateway, Twilio's Messages and Clickatell's three interfaces. One thread and
no framework, so that it is never what is measured. ``GET /control`` says what came,
``POST /control`` sets ``latency_s`` and forgets what came.
"""

import asyncio
import itertools
import json
import sys
import time
from urllib.parse import parse_qs, unquote_plus

_COUNTER = itertools.count(1)


class Peer:
    """What the gateway knows: its latency, and when messages came."""

    def __init__(self):
        self.latency_s = 0.0
        self.requests = 0
        self.arrivals = []  # (Unix time, recipient, messages of the request)

    def control(self, method, body):
        if method == "POST":
            values = json.loads(body or b"{}")
            self.latency_s = float(values.get("latency_s", self.latency_s))
            self.requests, self.arrivals = 0, []
        return {
            "requests": self.requests,
            "messages": sum(count for _at, _to, count in self.arrivals),
            "arrivals": self.arrivals,
        }

    def answer(self, path, body):
        """Return (status, content type, body) that accepts what a request brings."""
        now = time.time()
        self.requests += 1
        route, _sep, query = path.partition("?")
        if route.endswith("/Messages.json"):
            self.arrivals.append((now, "", 1))
            sid = f"SM{next(_COUNTER):032x}"
            return (
                201,
                "application/json",
                b'{"sid": "%s", "status": "queued"}' % (sid.encode()),
            )
        if route.endswith("/v1/message"):
            return self._one_api(now, json.loads(body))
        if route.endswith("/messages"):
            return self._platform(now, json.loads(body))
        if "/http/" in route:
            return self._legacy(now, query or body.decode())
        messages = json.loads(body)["messages"]
        self.arrivals.append((now, messages[0]["to"], len(messages)))
        results = ",".join(
            f'{{"id":"{m["id"]}","status":"accepted","ref":"R-{m["id"]}"}}'
            for m in messages
        )
        return 200, "application/json", f'{{"results":[{results}]}}'.encode()

    def _one_api(self, now, document):
        messages = document["messages"]
        self.arrivals.append((now, str(messages[0]["to"]), len(messages)))
        accepted = [
            {
                "apiMessageId": f"{next(_COUNTER):032x}",
                "accepted": True,
                "to": message["to"],
                "clientMessageId": message.get("clientMessageId"),
                "error": None,
            }
            for message in messages
        ]
        answer = json.dumps({"messages": accepted, "error": None}).encode()
        return 202, "application/json", answer

    def _platform(self, now, document):
        numbers = document["to"]
        self.arrivals.append((now, str(numbers[0]), len(numbers)))
        accepted = [
            {
                "apiMessageId": f"{next(_COUNTER):032x}",
                "accepted": True,
                "to": number,
                "error": None,
            }
            for number in numbers
        ]
        answer = json.dumps({"messages": accepted, "error": None}).encode()
        return 202, "application/json", answer

    def _legacy(self, now, form):
        numbers = unquote_plus(parse_qs(form)["to"][0]).split(",")
        self.arrivals.append((now, numbers[0], len(numbers)))
        lines = [
            f"ID: {next(_COUNTER):032x}"
            + (f" To: {number}" if len(numbers) > 1 else "")
            for number in numbers
        ]
        return 200, "text/plain", "\n".join(lines).encode()


class Connection(asyncio.Protocol):
    """One connection: requests one after the other (RFC 9112), kept open."""

    def __init__(self, peer):
        self.peer = peer
        self.buffer = b""
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.buffer += data
        while True:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.buffer[:end].decode("latin-1")
            size = 0
            for line in head.split("\r\n")[1:]:
                name, _sep, value = line.partition(":")
                if name.lower() == "content-length":
                    size = int(value)
            if len(self.buffer) < end + 4 + size:
                return
            body = self.buffer[end + 4 : end + 4 + size]
            self.buffer = self.buffer[end + 4 + size :]
            method, path, _version = head.split("\r\n")[0].split(" ")
            self.take(method, path, body)

    def take(self, method, path, body):
        if path == "/control":
            answer = json.dumps(self.peer.control(method, body)).encode()
            self.reply(200, "application/json", answer)
            return
        answer = self.peer.answer(path, body)
        if self.peer.latency_s:
            asyncio.get_running_loop().call_later(
                self.peer.latency_s, self.reply, *answer
            )
        else:
            self.reply(*answer)

    def reply(self, status, content_type, body):
        if not self.transport.is_closing():
            self.transport.write(
                f"HTTP/1.1 {status} OK\r\nContent-Type: {content_type}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )


async def serve():
    """Serve on a free port of loopback, which is printed, until the input ends."""
    loop = asyncio.get_running_loop()
    peer = Peer()
    server = await loop.create_server(
        lambda: Connection(peer), "127.0.0.1", 0, backlog=512
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    # Who started it holds the other end: it cannot stay behind.
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
