# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The simulated phone does on the wire what the app SMSsync does."""

import json
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "fakes"))

from smssync_phone import Faults, Phone, count_parts  # noqa: E402

SECRET = "s3cret Key9"
ONE = {"to": "+12025550143", "message": "Hello & <you>", "uuid": "u1"}
TWO = {**ONE, "uuid": "u2"}
GOOD = {"payload": {"success": "true", "error": None}}


def task(*messages, **payload):
    base = {"task": "send", "secret": SECRET, "messages": list(messages)}
    return {"payload": {**base, **payload}}


class Server:
    """A server that answers by the kind of request, and keeps what came."""

    def __init__(self):
        self.calls = []  # (method, target, headers, body)
        self.answers = {}  # task in the query, or "": (status, body)
        server = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                size = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(size).decode()
                server.calls.append((self.command, self.path, self.headers, body))
                query = self.path.partition("?")[2].replace("?", "&")
                words = dict(urllib.parse.parse_qsl(query)).get("task", "")
                status, answer = server.answers.get(words, (200, GOOD))
                if not isinstance(answer, str):
                    answer = json.dumps(answer)
                self.send_response(status)
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.end_headers()
                self.wfile.write(answer.encode())

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *args):
                """Stay silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(
            target=self.server.serve_forever, args=(0.01,), daemon=True
        ).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/sync/k7Qm/"

    def bodies(self):
        return [body for _method, _target, _headers, body in self.calls]

    def lines(self):
        return [f"{method} {target}" for method, target, _headers, _body in self.calls]


@pytest.fixture
def server():
    """Give a scripted server."""
    server = Server()
    yield server
    server.server.shutdown()
    server.server.server_close()


def test_addresses_are_concatenated(server):
    """Each version builds its addresses as its source does."""
    server.answers["send"] = 200, task(ONE)
    server.answers["sent"] = 200, {"message_uuids": ["u1"]}
    server.answers["result"] = 200, {"message_uuids": ["u1"]}
    key = "secret=s3cret+Key9"
    for version, lines in {
        "2.6.1": [f"GET /sync/k7Qm/?task=send&{key}"],
        "2.7": [
            f"GET /sync/k7Qm/?task=send&{key}",
            "POST /sync/k7Qm/add?task=sent",
            "GET /sync/k7Qm/add?task=result",
            "POST /sync/k7Qm/add?task=sent",
        ],
        "2.7.1": [
            f"GET /sync/k7Qm/?task=send&{key}",
            "POST /sync/k7Qm/?task=sent",
            "GET /sync/k7Qm/?task=result",
            "POST /sync/k7Qm/?task=sent",
        ],
        "3.0.3": [
            f"POST /sync/k7Qm/?task=send&{key}",
            "POST /sync/k7Qm/?task=sent",
            f"GET /sync/k7Qm/?task=result&{key}",
            f"POST /sync/k7Qm/?task=result&{key}",
        ],
        "3.1.1": [
            f"GET /sync/k7Qm/?task=send&{key}",
            "POST /sync/k7Qm/?task=sent",
            f"GET /sync/k7Qm/?task=result&{key}",
            f"POST /sync/k7Qm/?task=result&{key}",
        ],
    }.items():
        server.calls.clear()
        phone = Phone(server.url, SECRET, version=version)
        phone.round()
        assert server.lines() == lines, version
        assert [sent.uuid for sent in phone.radio] == ["u1"], version
        assert not phone.crashes
        agents = {headers["User-Agent"] for _m, _t, headers, _b in server.calls}
        assert agents == {f"SMSSync-Android/v{version}"}
    # Without a slash at the end, 2.7 takes the key for something to replace.
    server.calls.clear()
    Phone(server.url.rstrip("/") + "?site=7", "", version="2.7").poll()
    assert server.lines()[0] == "GET /sync/k7Qm?site=7?task=send"
    assert server.lines()[1] == "POST /sync/add?task=sent"


@pytest.mark.parametrize(
    "answer, crashing",
    [
        ("<html>502</html>", "3"),
        ("OK", "3"),
        ("[]", "3"),
        ({"payload": []}, "3"),
        ('{"payload":{}}{"payload":{}}', "3"),
        (task(messages=None), "2.7.3 2.8.3 3"),
        ({"payload": {"success": False, "secret": SECRET}}, "2.7.3 2.8.3"),
        (task(), "2.7 2.7.1"),
        (json.dumps(task(ONE)).replace("}]", "},]"), "2.7.3 2.8.3 3"),
        (task({**ONE, "timestamp": 1735689600123}), "3"),
        (task(success=1), "3"),
        (task(error={}), "3"),
        ("", ""),
        (task(ONE, task=""), ""),
        (task(ONE, secret="other"), ""),
        ({"payload": {"task": "", "secret": "", "messages": []}}, ""),
    ],
)
def test_what_crashes_the_app(server, answer, crashing):
    """An answer crashes exactly the versions that it crashes in the field."""
    server.answers["send"] = 200, answer
    server.answers["sent"] = 200, {"message_uuids": []}
    versions = ["2.6.1", "2.7", "2.7.1", "2.7.3", "2.8.3", "3.0.0", "3.0.4", "3.1.1"]
    crashed = []
    for version in versions:
        phone = Phone(server.url, SECRET, version=version)
        phone.poll()
        assert not phone.radio or version < "2.7.3", version
        crashed += [version] * bool(phone.crashes)
    assert crashed == [
        version
        for version in versions
        if version in crashing.split() or (version[0] in crashing.split())
    ]


@pytest.mark.parametrize(
    "answer, sent",
    [
        ((200, {"message_uuids": ["u2", "xx"]}), ["u2"]),
        ((201, {"message_uuids": ["u2"]}), []),
        ((200, {"queued_messages": ["u2"]}), []),
        ((200, ["u2"]), []),
        ((200, {"payload": {"message_uuids": ["u2"]}}), []),
        ((503, ""), []),
    ],
)
def test_only_what_is_claimed_is_sent(server, answer, sent):
    """The answer to a claim says exactly which texts leave."""
    server.answers["send"] = 200, task(ONE, TWO)
    server.answers["sent"] = answer
    for version in ("2.7", "2.7.1", "2.8.3", "3.0.0", "3.1.1"):
        phone = Phone(server.url, SECRET, version=version)
        phone.poll()
        assert [text.uuid for text in phone.radio] == sent, version


@pytest.mark.parametrize(
    "version, success, failure, failure_kept",
    [
        ("2.7", (-1, -1), (1, -2), (1, -2)),
        ("2.8.3", (-1, -1), None, (1, 0)),
        ("3.0.0", (-1, 0), None, (1, 0)),
        ("3.0.4", None, None, (1, 0)),
        ("3.1.1", None, None, (0, 0)),
    ],
)
def test_what_is_reported(server, version, success, failure, failure_kept):
    """Each version reports what it does in the field, and nothing else."""
    server.answers["send"] = 200, task(ONE)
    for key in ("sent", "result"):
        server.answers[key] = 200, {"message_uuids": ["u1", "foreign"]}
    for wanted, options in (
        (success, {"delivery_report": version == "2.8.3"}),
        (failure, {"radio": lambda to, text: 1}),
        (failure_kept, {"radio": lambda to, text: 1, "auto_delete": True}),
    ):
        phone = Phone(server.url, SECRET, version=version, **options)
        phone.poll()
        rows = phone.report()
        body = json.loads(server.bodies()[-1])
        assert json.loads(body["message_result"]) == rows
        found = [
            (row["sent_result_code"], row["delivered_result_code"]) for row in rows
        ]
        assert found == ([wanted] if wanted else []), (version, options)


def test_texts_are_posted_until_they_are_accepted(server):
    """The same id comes again and again until the status and the answer are right."""
    for version in ("2.6.1", "2.8.3", "3.1.1"):
        phone = Phone(server.url, SECRET, version=version)
        for answer in (
            (503, ""),
            (204, ""),
            (200, "<html>"),
            (200, {"payload": {"success": 1}}),
            (200, {"payload": {"success": "yes"}}),
            (202, GOOD),
        ):
            server.answers[""] = answer
            phone.sync() if phone.pending else phone.receive("+1202", "Hi & bye")
            assert phone.pending, answer
        server.answers[""] = 201, GOOD
        assert not phone.sync()
        posts = [urllib.parse.parse_qs(body) for body in server.bodies()[-7:]]
        assert len({post["message_id"][0] for post in posts}) == 1
        assert {post["message"][0] for post in posts} == {"Hi & bye"}
        assert not phone.crashes


def test_formats_and_oddities(server):
    """Bodies, repeated keys, stale bodies and polluted queries are those of the app."""
    phone = Phone(server.url, SECRET, version="3.1.1", body_format="xml")
    phone.receive("+1202", "a<b/>")
    _method, _target, headers, body = server.calls[-1]
    assert headers["Content-Type"].startswith("application/json")
    assert body.startswith("<?xml") and "<message>a&lt;b/&gt;</message>" in body
    phone = Phone(server.url, SECRET, version="2.8.3", body_format="json")
    phone.receive("INFO", "a/b", sent_ms=1735689600123)
    assert "a\\/b" in server.bodies()[-1]
    assert json.loads(server.bodies()[-1])["sent_timestamp"] == "1735689600123"
    phone = Phone(server.url, SECRET, version="3.0.0")
    phone.receive("+1202", "first")
    phone.receive("+1303", "second one")
    fields = urllib.parse.parse_qs(server.bodies()[-1])
    assert fields["message"] == ["first", "second one"]
    assert fields["sent_to"] == ["+1202", "+1303"]
    assert "second%20one" in server.bodies()[-1]
    phone.poll()
    assert server.calls[-1][0] == "POST" and "first" in server.bodies()[-1]
    phone = Phone(server.url, SECRET, version="3.1.1")
    assert phone.test_integration()
    server.answers["result"] = 200, {"message_uuids": []}
    phone.report()
    assert server.lines()[-1] == (
        "GET /sync/k7Qm/?task=result&secret=s3cret+Key9?secret=s3cret+Key9"
        "&from=%2B000000000000&message=Test+Message+From+SMSSync+Integration"
    )
    phone = Phone(server.url, "", version="3.1.1")
    phone.battery_low()
    phone.report()
    assert server.lines()[-1].startswith("GET /sync/k7Qm/?task=result?Task=alert&")
    phone = Phone(server.url.replace("//", "//me:pw9@"), "", version="2.8.3")
    phone.battery_low()
    assert server.bodies()[-1] == "Task=alert&message=Battery+level+is+at+12"
    assert server.calls[-1][2]["Authorization"] == "Basic bWU6cHc5"
    assert phone.receive("+1202", "@20") is None
    assert server.lines()[-1] == "GET /sync/k7Qm/"


def test_old_replies_go_out_again(server):
    """After a failed post, 3.x sends the last good answer's texts once more."""
    server.answers[""] = 200, {"payload": {"success": "true", "messages": [ONE]}}
    new, old = (
        Phone(server.url, SECRET, version=version, get_reply=True)
        for version in ("3.1.1", "2.8.3")
    )
    for phone in (new, old):
        server.answers[""] = 200, {"payload": {"success": "true", "messages": [ONE]}}
        phone.receive("+1202", "one")
        server.answers[""] = 503, ""
        phone.receive("+1202", "two")
    assert [text.why for text in new.radio] == ["reply", "old reply"]
    assert [text.why for text in old.radio] == ["reply"]


def test_bad_network_and_death(server):
    """Requests are lost by a seed; a dead phone does nothing more."""
    server.answers["send"] = 200, task(ONE, TWO)
    server.answers["sent"] = 200, {"message_uuids": ["u1", "u2"]}
    phone = Phone(server.url, SECRET, faults=Faults(0.2, 0.2, seed=7))
    for _turn in range(100):
        phone.poll()
    lost = sum(answer is None for *_call, answer in phone.requests)
    assert 10 < lost < 60 and phone.network_crashes > lost
    assert not phone.crashes
    phone = Phone(server.url, SECRET)
    phone.die_at = 1
    phone.run(0)
    assert phone.dead.is_set() and [text.uuid for text in phone.radio] == ["u1"]


def test_android_counts_parts(server):
    """More than 30 parts in a minute bring up Android's question."""
    assert [count_parts("x" * n) for n in (1, 160, 161, 306, 307)] == [1, 1, 2, 2, 3]
    assert [count_parts("€" * 81), count_parts("ж" * 70), count_parts("ж" * 71)] == [
        2,
        1,
        2,
    ]
    now = [0.0]
    many = [{**ONE, "uuid": f"u{n}"} for n in range(30)]
    server.answers["send"] = 200, task(*many)
    server.answers["sent"] = 200, {"message_uuids": [text["uuid"] for text in many]}
    phone = Phone(server.url, SECRET, clock=lambda: now[0])
    phone.poll()
    assert not phone.asked_person
    now[0] = 61
    phone.poll()
    assert not phone.asked_person
    now[0] = 100
    phone.poll()
    assert phone.asked_person
