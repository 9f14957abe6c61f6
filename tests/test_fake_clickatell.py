# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The fake Clickatell is as strict as the real one is documented to be."""

import http.client
import json
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from fakes.clickatell import (
    HABITS,
    ONE_ERRORS,
    REFUSED,
    REQUEST_TROUBLE,
    STATUSES,
    FakeClickatell,
    Rule,
    count_parts,
)
from support import CHECKOUT, wait_for

KEY = "KEY-of-the-test=="
LOGIN = {"user": "us-er", "password": "PASS-of-the-test", "api_id": "3400001"}
NUMBER = "27999000001"


@pytest.fixture
def fake():
    """Give a fake Clickatell."""
    with FakeClickatell(
        key=KEY, user=LOGIN["user"], password=LOGIN["password"]
    ) as server:
        yield server


def ask(fake, method, path, body=None, **headers):
    """Return the HTTP status and the body of an answer, as text."""
    connection = http.client.HTTPConnection("127.0.0.1", fake.port, timeout=10)
    try:
        connection.request(method, path, body, headers)
        with connection.getresponse() as answer:
            return answer.status, answer.read().decode("latin-1")
    finally:
        connection.close()


def send_json(fake, path, data, key=KEY):
    body = data if isinstance(data, str) else json.dumps(data)
    headers = {"Authorization": key, "Content-Type": "application/json"}
    status, text = ask(fake, "POST", path, body, **headers)
    return status, json.loads(text)


def send_one(fake, *messages, key=KEY):
    return send_json(fake, "/v1/message", {"messages": list(messages)}, key)


def call_http(fake, command, method="POST", **params):
    query = urlencode({**LOGIN, **params})
    if method == "GET":
        return ask(fake, "GET", f"/http/{command}?{query}")[1]
    form = "application/x-www-form-urlencoded"
    return ask(fake, "POST", f"/http/{command}", query, **{"Content-Type": form})[1]


@pytest.mark.parametrize(
    "message,status,code",
    [
        ({"to": NUMBER, "content": "Hello"}, 202, None),
        ({"to": NUMBER, "content": "Hello", "channel": "sms"}, 202, None),
        ({"to": NUMBER, "content": "Hello", "from": "15550100200"}, 202, None),
        ({"to": NUMBER, "content": "Hello", "from": "15550100299"}, 400, 45),
        ({"to": NUMBER, "content": "Hello", "channel": "whatsapp"}, 400, 39),
        ({"to": f"+{NUMBER}", "content": "Hello"}, 400, 23),
        ({"to": "", "content": "Hello"}, 400, 23),
        ({"to": 27999000001, "content": "Hello"}, 400, 23),
        ({"to": "0799900001", "content": "Hello"}, 400, 25),
        ({"to": NUMBER, "content": ""}, 400, 23),
        ({"to": NUMBER, "content": "Hello", "validity": 5}, 400, 23),
        ({"to": NUMBER, "content": "x" * 1600}, 400, 100),
        ({"to": NUMBER, "content": "x", "clientMessageId": "a-b"}, 400, 23),
        ({"to": NUMBER, "content": "x", "clientMessageId": "a" * 32}, 202, None),
    ],
)
def test_one_api_checks_a_message(fake, message, status, code):
    """One API refuses what its documents call wrong, with their codes."""
    got, answer = send_one(fake, message)
    (item,) = answer["messages"]
    assert got == status
    assert item["accepted"] is (code is None)
    assert ("apiMessageId" in item) is (code is None)
    assert (item.get("error") or {}).get("code") == code
    assert len(fake.texts) == 1
    assert len(fake.taken) == (code is None)


@pytest.mark.parametrize(
    "body,key,status,code",
    [
        ({"messages": [{"to": NUMBER, "content": "x"}]}, f"Bearer {KEY}", 401, 1),
        ({"messages": [{"to": NUMBER, "content": "x"}]}, "wrong", 401, 1),
        ({"messages": [{"to": NUMBER, "content": "x"}] * 101}, KEY, 400, 22),
        ({"messages": []}, KEY, 400, 21),
        ({}, KEY, 400, 21),
        ("{", KEY, 400, 21),
    ],
)
def test_one_api_refuses_a_request(fake, body, key, status, code):
    """One API refuses whole requests in an error without messages."""
    got, answer = send_json(fake, "/v1/message", body, key)
    assert (got, answer["error"]["code"]) == (status, code)
    assert "messages" not in answer
    assert not fake.taken


def test_one_api_partial(fake):
    """Of several messages the bad one is refused alone, by 207, in another order."""
    fake.rules.append(Rule("opted_out", number="2"))
    numbers = ["27999000001", "27999000002", "27999000003"]
    status, answer = send_one(fake, *({"to": n, "content": "x"} for n in numbers))
    assert status == 207
    assert [item["to"] for item in answer["messages"]] == numbers[::-1]
    assert [item["accepted"] for item in answer["messages"]] == [True, False, True]
    assert answer["messages"][1]["error"]["code"] == 26


@pytest.mark.parametrize(
    "change,status,words",
    [
        ({}, 202, None),
        ({"to": [NUMBER, NUMBER]}, 400, "malformed"),
        ({"to": NUMBER}, 400, "malformed"),
        ({"to": [f"+{NUMBER}"]}, 202, None),
        ({"to": ["12"]}, 400, "destination address"),
        ({"content": ""}, 400, "content"),
        ({"from": "1"}, 400, "Two-Way integration error"),
        ({"validityPeriod": "1"}, 400, "parameter"),
        ({"scheduledDeliveryTime": "2017-02-27T14:30:00+0200"}, 202, None),
        ({"scheduledDeliveryTime": "2017-02-27 14:30"}, 400, "delivery time"),
        ({"charset": "UTF-8"}, 202, None),
        ({"charset": "EBCDIC"}, 400, "Character set"),
    ],
)
def test_platform_checks(fake, change, status, words):
    """The platform API refuses what its documents call wrong."""
    data = {"content": "Hello", "to": [NUMBER], **change}
    got, answer = send_json(fake, "/messages", data)
    assert got == status
    found = [answer["error"]] + [item["error"] for item in answer["messages"]]
    if words:
        assert any(words in (error or "") for error in found), found
        assert not fake.taken
    else:
        assert set(found) == {None}
        assert len(fake.taken) == 1


def test_platform_keys_and_get(fake):
    """The wrong key gives 108; the key in a GET has to be encoded."""
    data = {"content": "Hello", "to": [NUMBER]}
    status, answer = send_json(fake, "/messages", data, "wrong")
    assert (status, answer["errorCode"]) == (401, 108)
    key = quote(KEY, safe="")
    path = f"/messages/http/send?apiKey={key}&to={NUMBER}&content=caf%C3%A9"
    assert ask(fake, "GET", path)[0] == 202
    assert [text.text for text in fake.taken.values()] == ["café"]
    assert fake.urls_with_secrets == 1


@pytest.mark.parametrize(
    "params,answer",
    [
        ({"text": "Hello"}, "ID: "),
        ({"text": ""}, "ERR: 107"),
        ({"text": "Hello", "to": "abc"}, "ERR: 105"),
        ({"text": "Hello", "to": ""}, "ERR: 101"),
        ({"text": "Hello", "to": "0799900001"}, "ERR: 105"),
        ({"text": "03A903A80398", "unicode": "1"}, "ID: "),
        ({"text": "ΩΨΘ", "unicode": "1"}, "ERR: 116"),
        ({"text": "03A9A", "unicode": "1"}, "ERR: 116"),
        ({"text": "D83D", "unicode": "1"}, "ERR: 116"),
        ({"text": "x" * 161}, "ERR: 113"),
        ({"text": "x" * 161, "concat": "2"}, "ID: "),
        ({"text": "x", "concat": "0"}, "ERR: 101"),
        ({"text": "x", "from": "19995550000"}, "ERR: 106"),
        ({"text": "x", "from": "Odoo Acme"}, "ID: "),
        ({"text": "x", "mo": "1"}, "ERR: 106"),
        ({"text": "x", "mo": "1", "from": "15550100200"}, "ID: "),
        ({"text": "x", "queue": "4"}, "ERR: 101"),
        ({"text": "x", "validity": "1441"}, "ERR: 101"),
        ({"text": "x", "deliv_time": "10081"}, "ERR: 120"),
        ({"text": "x", "scheduled_time": "yesterday"}, "ERR: 120"),
        ({"text": "x", "climsgid": "a b"}, "ERR: 101"),
        ({"text": "x", "callback": "8"}, "ERR: 101"),
        ({"text": "x", "Callback": "3"}, "ERR: 101"),
        ({"text": "x", "password": "wrong"}, "ERR: 001"),
        ({"text": "x", "api_id": ""}, "ERR: 108"),
        ({"text": "x", "api_id": KEY}, "ERR: 108"),
        ({"text": "x", "session_id": "0"}, "ERR: 003"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_http_api_checks(fake, params, answer, method):
    """The HTTP API refuses what its documents call wrong, with their codes."""
    got = call_http(fake, "sendmsg", method, **{"to": NUMBER, **params})
    assert got.startswith(answer), got
    assert len(fake.texts) == 1
    assert len(fake.taken) == answer.startswith("ID")


def test_http_api_texts(fake):
    """Plain text is ISO-8859-1, so that UTF-8 shows; hex is UTF-16BE."""
    for text, unicode in (("ä", 0), ("03A900200021", 1)):
        call_http(fake, "sendmsg", to=NUMBER, text=text, unicode=unicode)
    assert [text.text for text in fake.taken.values()] == ["Ã¤", "Ω !"]


def test_http_api_many(fake):
    """Each recipient has a line; an error may name the number or only its place."""
    fake.rules.append(Rule("blocked", number="2"))
    numbers = "27999000001,27999000002,27999000003"
    lines = call_http(fake, "sendmsg", to=numbers, text="x").split("\n")
    assert [line.split("To: ")[1] for line in lines] == numbers.split(",")[::-1]
    assert lines[1].startswith("ERR: 121, ")
    fake.to_in_error_lines = False
    lines = call_http(fake, "sendmsg", to=numbers, text="x").split("\n")
    assert [line[:8] for line in lines[1:2]] == ["ERR: 121"]
    assert "To:" not in lines[1]
    assert lines[0].endswith("27999000001")


def test_http_api_commands(fake):
    """Sessions, queries, charge, balance, deletion and coverage answer."""
    session = call_http(fake, "auth").removeprefix("OK: ")
    assert call_http(fake, "ping", session_id=session) == "OK:"
    fake.session_idle_s = -1
    assert call_http(fake, "ping", session_id=session).startswith("ERR: 003")
    got = call_http(fake, "sendmsg", to=NUMBER, text="x", climsgid="c1", deliv_time=60)
    ref = got.removeprefix("ID: ")
    assert call_http(fake, "querymsg", apimsgid=ref) == f"ID: {ref} Status: 011"
    assert call_http(fake, "querymsg", climsgid="c1") == f"ID: {ref} Status: 011"
    assert call_http(fake, "querymsg", climsgid="c2").startswith("ERR: 104")
    assert call_http(fake, "querymsg", apimsgid="c2").startswith("ERR: 103")
    assert call_http(fake, "querymsg").startswith("ERR: 109")
    got = call_http(fake, "getmsgcharge", apimsgid=ref)
    assert got == f"apiMsgId: {ref} charge: 1 status: 011"
    assert call_http(fake, "delmsg", apimsgid=ref) == f"ID: {ref} Status: 006"
    assert call_http(fake, "getbalance") == "Credit: 999999.000"
    fake.covered = ("27",)
    path = f"/utils/routeCoverage.php?{urlencode(LOGIN)}&msisdn="
    assert ask(fake, "GET", f"{path}27999")[1].startswith("OK: This prefix")
    assert ask(fake, "GET", f"{path}49999")[1].startswith("ERR: This prefix")


def test_credit_is_used_up(fake):
    """Each part costs; whoever has no credit is refused, in the words of each API."""
    fake.credit = 1
    assert send_one(fake, {"to": NUMBER, "content": "x" * 161})[0] == 402
    assert send_one(fake, {"to": NUMBER, "content": "x"})[0] == 202
    assert send_json(fake, "/messages", {"to": [NUMBER], "content": "x"})[0] == 402
    assert call_http(fake, "sendmsg", to=NUMBER, text="x").startswith("ERR: 301")
    headers = {"Authorization": KEY}
    for path in ("/v1/balance", "/public-client/balance"):
        status, body = ask(fake, "GET", path, **headers)
        assert (status, json.loads(body)) == (200, {"balance": 0.0, "currency": "USD"})


def test_status_of_one_api(fake):
    """A message's status can be asked; an unknown one has another shape."""
    _status, answer = send_one(fake, {"to": NUMBER, "content": "x"})
    ref = answer["messages"][0]["apiMessageId"]
    fake.set_status(fake.taken[ref], "delivered")
    headers = {"Authorization": KEY}
    known = json.loads(ask(fake, "GET", f"/v1/message/{ref}", **headers)[1])
    assert known["sms"]["status"] == "DEVICE_ACK"
    unknown = json.loads(ask(fake, "GET", "/v1/message/0", **headers)[1])
    assert "sms" not in unknown


def test_tables_fit_together():
    """Each word of the fake has its code in each table, and each habit a meaning."""
    for word in REFUSED.values():
        assert word.one in ONE_ERRORS
        assert word.text
    known = set(REFUSED) | REQUEST_TROUBLE | set(STATUSES["http"])
    for word, _help in HABITS.values():
        assert word in known | {"no_report", "answer", "answer_stop"}
    assert count_parts("x" * 160) == 1
    assert count_parts("€" * 81) == 2
    assert count_parts("Ω" * 70) == 1
    assert count_parts("ё" * 71) == 2
    assert count_parts("ё" * 127) == 3  # 63 a part


@contextmanager
def listener():
    """Give an address and the list of the callbacks that came to it."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def take(self):
            size = int(self.headers.get("Content-Length", 0))
            got.append((self.command, self.path, self.rfile.read(size), self.headers))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = take

        def log_message(self, *args):
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/back", got
    finally:
        server.shutdown()
        server.server_close()


def test_callbacks(fake):
    """Statuses and answers go out as the settings say, with exact bytes."""
    with listener() as (url, got):
        for api in ("one", "platform", "http"):
            answers = fake.set_callbacks(
                api, status_url=url, reply_url=url, user="me", password="PW-back"
            )
            assert answers == [200]  # one empty GET, without authentication
        assert [(row[0], row[1], row[3]["Authorization"]) for row in got] == [
            ("GET", "/back", None)
        ] * 3
        got.clear()
        call_http(fake, "sendmsg", to=NUMBER, text="x", climsgid="c1")
        (text,) = fake.taken.values()
        assert fake.report(text, "delivered") == [200]
        method, path, _body, headers = got.pop()
        query = parse_qs(urlsplit(path).query)
        assert method == "GET"
        assert headers["Authorization"].startswith("Basic ")
        assert (query["apiMsgId"], query["status"]) == ([text.ref], ["004"])
        fake.answer(text, "café £5")
        assert b"text=caf%E9+%A35" in got.pop()[1].encode()
        fake.answer(text, "niño", charset="UTF-16BE", form="post")
        assert b"text=%00n%00i%00%F1%00o" in got.pop()[2]
        fake.answer(text, "Ω" * 80, reverse=True)
        parts = [parse_qs(urlsplit(row[1]).query)["udh"][0] for row in got]
        assert [part[-2:] for part in parts] == ["02", "01"]
        assert len({part[:-2] for part in parts}) == 1
        got.clear()
        fake.answer(text, "a<b é", form="soap_post")
        assert b"ISO-8859-1" in got[-1][2]
        assert b"a%26lt%3Bb+%E9" in got.pop()[2]
        fake.repeat_calls = 3
        assert fake.report(text, "sent", form="xml_get") == [200] * 3


def test_callbacks_by_itself_and_again(fake):
    """A text is reported by itself; what is not accepted is tried again."""
    fake.deliver_after_s = 0.05
    fake.retry_s = (0.05,)
    fake.set_callbacks("one", status_url="http://127.0.0.1:1/", check=False)
    send_one(fake, {"to": NUMBER, "content": "x"})
    wait_for(lambda: sum(len(call.answers) for call in fake.calls) == 4, timeout_s=10)
    assert [text.status for text in fake.taken.values()] == ["delivered"]


def test_as_a_command():
    """The command says its address; there a person sees texts and answers."""
    with subprocess.Popen(
        [sys.executable, "tests/fakes/clickatell.py", "--key", KEY],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            url = process.stdout.readline().strip()
            with urllib.request.urlopen(url, timeout=10) as answer:
                state = json.load(answer)
            assert state["api_key"] == KEY
            request = urllib.request.Request(url, headers={"Accept": "text/html"})
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert KEY in answer.read().decode()
            data = urlencode({"from": NUMBER, "text": "<b>hi"}).encode()
            with urllib.request.urlopen(
                f"{url}/portal/answer", data, timeout=10
            ) as answer:
                assert answer.status == 200
            with urllib.request.urlopen(url, timeout=10) as answer:
                assert json.load(answer)["answers"][0]["text"] == "<b>hi"
            foreign = urllib.request.Request(
                f"{url}/portal/credit", b"credit=1", {"Origin": "http://example.com"}
            )
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(foreign, timeout=10)
        finally:
            process.terminate()
        assert process.wait(timeout=10) == 0
