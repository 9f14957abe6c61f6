# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A load generator in a process of its own: plain sockets, requests made beforehand.

Each line of the input is a JSON document that says what to send; each line of the
output the seconds that all took, the latency of each request and the statuses.
Each request opens a connection and closes it once it has the answer, as Odoo does.
"""

import hashlib
import hmac
import json
import re
import socket
import sys
import threading
import time
import uuid
from base64 import b64encode
from collections import Counter
from urllib.parse import urlencode


def wrap(host, port, method, path, body=b"", **headers):
    """Return the bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}:{port}", "Connection: close"]
    if method != "GET":
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# Each makes the bytes of one request of a job: a dict with kind, port and what follows.


def make_get(job):
    """An empty route, or a phone that polls."""
    return wrap("127.0.0.1", job["port"], "GET", job["path"])


def make_callback(job):
    """A signed callback of the tests' gateway, with new events about known texts."""
    batch, start = job["events"], job["next"]
    job["next"] = start + batch
    refs = job["refs"]
    events = [
        {
            "id": uuid.uuid4().hex,
            "type": "report",
            "ref": refs[(start + n) % len(refs)],
            "status": "delivered",
        }
        for n in range(batch)
    ]
    body = json.dumps({"events": events}).encode()
    signature = hmac.new(job["secret"].encode(), body, hashlib.sha256).hexdigest()
    if job.get("forged"):
        signature = "0" * 64
    return wrap(
        "127.0.0.1",
        job["port"],
        "POST",
        job["path"],
        body,
        Content_Type="application/json",
        X_Signature=signature,
    )


def make_twilio(job):
    """A status callback of Twilio, signed as core verifies it (HMAC-SHA1)."""
    start = job["next"]
    job["next"] = start + 1
    text_id = job["uuids"][start % len(job["uuids"])]
    fields = {"SmsStatus": "delivered", "MessageSid": f"SM{uuid.uuid4().hex}"}
    url = f"{job['base_url']}/sms_twilio/status/{text_id}"
    signed = url + "".join(f"{name}{fields[name]}" for name in sorted(fields))
    digest = hmac.new(job["secret"].encode(), signed.encode(), hashlib.sha1).digest()
    return wrap(
        "127.0.0.1",
        job["port"],
        "POST",
        f"/sms_twilio/status/{text_id}",
        urlencode(fields).encode(),
        Content_Type="application/x-www-form-urlencoded",
        X_Twilio_Signature=b64encode(digest).decode(),
    )


def make_core_batch(job):
    """A batch of statuses for core's own route."""
    batch, start = job["events"], job["next"]
    job["next"] = start + batch
    uuids = [job["uuids"][(start + n) % len(job["uuids"])] for n in range(batch)]
    statuses = [{"sms_status": "delivered", "uuids": uuids}]
    body = {"jsonrpc": "2.0", "params": {"message_statuses": statuses}}
    return wrap(
        "127.0.0.1",
        job["port"],
        "POST",
        "/sms/status",
        json.dumps(body).encode(),
        Content_Type="application/json",
    )


MAKERS = {
    "get": make_get,
    "callback": make_callback,
    "twilio": make_twilio,
    "core_batch": make_core_batch,
}


CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def exchange(port, request, source="127.0.0.1"):
    """Send a request from one of our addresses; return the status of its answer."""
    with socket.create_connection(
        ("127.0.0.1", port), timeout=60, source_address=(source, 0)
    ) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(request)
        answer, length = b"", None
        # As clients do, it hangs up once it has all: Odoo's server waits for that, up
        # to 10 ms for each connection.
        while length is None or len(answer) < length:
            chunk = sock.recv(65536)
            if not chunk:
                break
            answer += chunk
            if length is None and (end := answer.find(b"\r\n\r\n")) >= 0:
                found = CONTENT_LENGTH.search(answer[:end])
                length = end + 4 + int(found[1]) if found else float("inf")
    # Core's route for batches says 200 to an error as well.
    if b'"error":' in answer:
        return 500
    return int(answer[9:12] or b"0")


def run(job):
    """Send a job's requests over some threads; return its figures."""
    requests = [MAKERS[job["kind"]](job) for _n in range(job["count"])]
    requests.reverse()
    latencies, statuses = [], Counter()

    def work():
        while True:
            try:
                request = requests.pop()
            except IndexError:
                return
            start = time.perf_counter()
            status = exchange(job["port"], request, job.get("source", "127.0.0.1"))
            latencies.append(time.perf_counter() - start)
            statuses[status] += 1

    threads = [threading.Thread(target=work) for _n in range(job.get("threads", 4))]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "seconds": time.perf_counter() - start,
        "latencies": latencies,
        "statuses": statuses,
        "next": job.get("next", 0),
    }


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
