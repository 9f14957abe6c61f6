# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Incoming texts on several workers: none lost, none doubled, each told of once."""

import hashlib
import hmac
import http.client
import http.cookiejar
import itertools
import json
import os
import random
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from support import SECRET, OdooServer, wait_for

CLIENTS = 20

_numbers = itertools.count(5_554_000)


def new_number():
    return f"+1415{next(_numbers)}"


class Door:
    """The callback address of a gateway for incoming texts, called from outside."""

    def __init__(self, odoo, gateway_id):
        self.port = odoo.port
        self.database = odoo.database
        self.gateway_id = gateway_id
        token = odoo.database.rows(
            "SELECT webhook_token FROM sms_gateway WHERE id = %s", gateway_id
        )[0][0]
        self.target = f"/sms_gateway/{token}/inbound"

    def deliver(
        self, number, text, event, part=None, source="127.0.0.1", signed=True, **headers
    ):
        """Post a signed text; return the HTTP status, or None without an answer.

        :param list part: reference, number and total, of a part of a long text
        :param str source: address that the call comes from, 127.…
        """
        row = {"id": event, "type": "inbound", "from": number, "to": "4711"}
        if part:
            row["part"] = part
        body = json.dumps({"events": [{**row, "text": text}]}).encode()
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=60, source_address=(source, 0)
        )
        try:
            connection.request(
                "POST",
                self.target,
                body=body,
                headers={
                    "Content-Type": "application/json",
                    "X-Signature": signature if signed else "0" * 64,
                    **headers,
                },
            )
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def deliver_all(self, texts, **values):
        """Deliver (number, text, event[, part]) by many clients that start together.

        :return: list of the statuses, in order
        """
        barrier = threading.Barrier(CLIENTS)

        def work(mine):
            barrier.wait(30)
            return [self.deliver(*text, **values) for text in mine]

        with ThreadPoolExecutor(CLIENTS) as pool:
            parts = list(pool.map(work, (texts[n::CLIENTS] for n in range(CLIENTS))))
        statuses = [None] * len(texts)
        for n, part in enumerate(parts):
            statuses[n::CLIENTS] = part
        return statuses

    def settled(self):
        """Say whether no text of the gateway waits to be taken in."""
        return not self.database.rows(
            "SELECT 1 FROM sms_gateway_event "
            "WHERE gateway_id = %s AND state = 'pending' LIMIT 1",
            self.gateway_id,
        )


def story(database, numbers):
    """Return what there is about numbers, counted in the database.

    :return: dict of counts; "mails" are e-mails to owners, sent or waiting
    """
    numbers = list(numbers)
    queries = {
        "messages": "SELECT count(*) FROM sms_gateway_message "
        "WHERE direction = 'incoming' AND number = ANY(%s)",
        "conversations": "SELECT count(*) FROM sms_conversation WHERE number = ANY(%s)",
        "activities": "SELECT count(*) FROM mail_activity AS activity "
        "JOIN sms_conversation AS conversation ON activity.active AND "
        "activity.res_model = 'sms.conversation' "
        "AND activity.res_id = conversation.id WHERE conversation.number = ANY(%s)",
        "linked": "SELECT count(DISTINCT answer_activity_id) FROM sms_conversation "
        "WHERE number = ANY(%s)",
        "mails": "SELECT count(*) FROM mail_mail AS mail "
        "JOIN mail_message AS message ON message.id = mail.mail_message_id "
        "JOIN sms_conversation AS conversation "
        "ON message.model = 'sms.conversation' AND message.res_id = conversation.id "
        "WHERE conversation.number = ANY(%s)",
    }
    return {
        name: database.rows(query, numbers)[0][0] for name, query in queries.items()
    }


def stored(database, door, count):
    """Say whether so many texts of the gateway are stored, taken in or not."""
    rows = database.rows(
        "SELECT count(*) FROM sms_gateway_event WHERE gateway_id = %s", door.gateway_id
    )
    return rows[0][0] >= count


def administrator_session(server):
    """Log in as the administrator; return the id of the session."""
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    params = {"db": server.database.name, "login": "admin", "password": "admin"}
    request = urllib.request.Request(
        f"{server.url}/web/session/authenticate",
        data=json.dumps({"jsonrpc": "2.0", "params": params}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with opener.open(request, timeout=60) as answer:
        assert json.load(answer)["result"]["uid"] == 2
    (session,) = [cookie.value for cookie in jar if cookie.name == "session_id"]
    return session


@pytest.fixture(scope="module")
def server(database, tmp_path_factory):
    """Give an Odoo of several worker processes."""
    # E-mails are counted where they wait. The vacuum takes long, and Odoo logs that it
    # was killed three times.
    database.rows(
        "UPDATE ir_cron SET active = FALSE WHERE id IN (SELECT res_id FROM "
        "ir_model_data WHERE name IN ('ir_cron_mail_scheduler_action', "
        "'autovacuum_job'))"
    )
    folder = os.environ.get("SGH_LOG_DIR") or tmp_path_factory.mktemp("inbound")
    log = Path(folder) / "inbound.log"
    server = OdooServer(database, log, workers=4).start()
    yield server
    server.stop()


@pytest.fixture
def door(server, gateway):
    """Give a door; the administrator is responsible, and has an e-mail address."""
    server.call("res.users", "write", [2], {"email": "admin@example.com"})
    return Door(
        server, server.make_gateway(gateway, responsible_user_id=2, confirm_stop=False)
    )


@pytest.mark.parametrize("known", [False, True], ids=["unknown", "contact"])
def test_one_text_delivered_100_times_at_once(server, database, door, known):
    """A gateway that repeats itself wildly gets its yes; the text is there once."""
    number = new_number()
    if known:
        server.call("res.partner", "create", {"name": "Echo", "phone": number})
    statuses = door.deliver_all([(number, "Once", f"ONCE-{number}")] * 100)
    assert set(statuses) == {200}, statuses
    wait_for(door.settled, what="the end of the events")
    found = story(database, [number])
    assert found.pop("activities") == (0 if known else 1)
    assert found == {"messages": 1, "conversations": 1, "linked": 1, "mails": 1}
    if known:
        rows = database.rows(
            "SELECT count(*) FROM mail_activity AS activity "
            "JOIN res_partner AS partner ON activity.res_model = 'res.partner' "
            "AND activity.res_id = partner.id AND partner.name = 'Echo' "
            "AND activity.active"
        )
        assert rows == [(1,)]
        rows = database.rows(
            "SELECT count(*) FROM mail_message AS message "
            "JOIN res_partner AS partner ON message.model = 'res.partner' "
            "AND message.res_id = partner.id AND partner.name = 'Echo' "
            "AND message.message_type = 'sms'"
        )
        assert rows == [(1,)]


def test_100_texts_of_20_numbers_at_once(server, database, door):
    """Of 100 texts of 20 people none is lost; each is one thing to do, not five."""
    numbers = [new_number() for _n in range(20)]
    texts = [
        (number, f"Text {n} of {number}", f"MANY-{n}-{number}")
        for n in range(5)
        for number in numbers
    ]
    statuses = door.deliver_all(texts)
    assert set(statuses) == {200}, statuses
    wait_for(door.settled, what="the end of the events")
    found = story(database, numbers)
    # Each text is told of: who waits for an answer may have more to say.
    assert found.pop("mails") == 100
    assert found == {
        "messages": 100,
        "conversations": 20,
        "activities": 20,
        "linked": 20,
    }
    bodies = database.rows(
        "SELECT body FROM sms_gateway_message WHERE number = ANY(%s)", numbers
    )
    assert {body for (body,) in bodies} == {text for _number, text, _event in texts}
    rows = database.rows(
        "SELECT DISTINCT state, user_id FROM sms_conversation WHERE number = ANY(%s)",
        numbers,
    )
    assert rows == [("to_answer", 2)]


def test_parts_at_once(server, database, door):
    """Parts of 60 long texts, mixed up and repeated, at several workers: 60 texts."""
    numbers = [new_number() for _n in range(20)]
    parts = [
        (number, f"{n}.{place} ", f"PART-{number}-{n}-{place}", [f"R{n}", place, 4])
        for number in numbers
        for n in range(3)
        for place in (1, 2, 3, 4)
    ]
    todo = parts * 2
    random.Random(7).shuffle(todo)
    statuses = door.deliver_all(todo)
    assert set(statuses) == {200}, statuses
    wait_for(door.settled, what="the end of the events")
    bodies = database.rows(
        "SELECT number, body FROM sms_gateway_message WHERE number = ANY(%s)", numbers
    )
    assert sorted(bodies) == sorted(
        (number, f"{n}.1 {n}.2 {n}.3 {n}.4 ") for number in numbers for n in range(3)
    )


def test_many_answers_to_one_contact_at_once(server, database, door):
    """Eight people who text one contact 24 times at once meet no error.

    All write to one conversation, which knows of the last of the texts in the end.
    """
    number = new_number()
    contact = server.call("res.partner", "create", {"name": "Busy", "phone": number})
    barrier = threading.Barrier(8)

    def work(who):
        barrier.wait(30)
        for n in range(24):
            server.text([contact], f"Answer {n} of {who}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    rows = database.rows(
        "SELECT count(*), count(DISTINCT body) FROM sms_gateway_message "
        "WHERE number = %s AND direction = 'outgoing' AND state != 'failed'",
        number,
    )
    assert rows == [(192, 192)]
    rows = database.rows(
        "SELECT c.last_at = (SELECT max(create_date) FROM sms_gateway_message "
        "WHERE number = c.number) FROM sms_conversation AS c WHERE c.number = %s",
        number,
    )
    assert rows == [(True,)]
    rows = database.rows(
        "SELECT count(*) FROM mail_notification AS notification "
        "JOIN mail_message AS message ON message.id = notification.mail_message_id "
        "WHERE message.model = 'res.partner' AND message.res_id = %s "
        "AND notification.notification_type = 'sms' "
        "AND notification.notification_status IN ('exception', 'canceled')",
        contact,
    )
    assert rows == [(0,)]


def test_killed_while_texts_come_in(server, database, door):
    """A gateway repeats what got no answer: after a kill each text is there once."""
    numbers = [new_number() for _n in range(20)]
    todo = [
        (number, f"Text {n} of {number}", f"KILL-{n}-{number}")
        for n in range(10)
        for number in numbers
    ]
    texts, kills = {text for _number, text, _event in todo}, 0
    while todo:
        with ThreadPoolExecutor(1) as pool:
            delivery = pool.submit(door.deliver_all, todo)
            if kills < 2:
                wait_for(
                    partial(stored, database, door, len(texts) - len(todo) + 40),
                    what="some of the texts",
                    step_s=0.005,
                )
                server.kill()
                kills += 1
                # Whoever waits for an answer ends at once: nobody listens.
                statuses = delivery.result()
                server.start()
            else:
                statuses = delivery.result()
        assert set(statuses) <= {200, None}, statuses
        todo = [
            text for text, status in zip(todo, statuses, strict=True) if status is None
        ]
    assert kills == 2, "the server was too fast to be killed"
    # All are stored and the gateway repeats none: some are not taken in yet.
    if not door.settled():
        server.kill()
        server.start()
    wait_for(door.settled, timeout_s=300, what="the end of the events")
    found = story(database, numbers)
    assert found.pop("mails") == 200
    assert found == {
        "messages": 200,
        "conversations": 20,
        "activities": 20,
        "linked": 20,
    }
    bodies = database.rows(
        "SELECT body FROM sms_gateway_message WHERE number = ANY(%s)", numbers
    )
    assert {body for (body,) in bodies} == texts


def test_t17_session_of_an_administrator(server, database, door):
    """T17: with an administrator's cookie a callback is nobody's, like without."""
    session = administrator_session(server)
    rows = {}
    for label, cookie in (("with", session), ("without", None)):
        number = new_number()
        headers = {"Cookie": f"session_id={cookie}"} if cookie else {}
        status = door.deliver(number, "Hello", f"T17-{number}", **headers)
        wait_for(door.settled, what="the end of the events")
        rows[label] = (
            status,
            story(database, [number]),
            database.rows(
                "SELECT author_id, create_uid, write_uid, state, user_id IS NULL "
                "FROM sms_gateway_message "
                "JOIN LATERAL (SELECT user_id FROM sms_conversation "
                "WHERE number = sms_gateway_message.number) AS c ON TRUE "
                "WHERE number = %s",
                number,
            ),
        )
    assert rows["with"] == rows["without"]
    assert rows["with"][0] == 200
    ((author, creator, writer, state, _owner),) = rows["with"][2]
    assert (author, state) == (None, "received")
    # Odoo's robot, never the administrator whose session it was.
    assert {creator, writer} == {1}


def test_t5_more_calls_than_a_gateway_may_make(server, database, door):
    """All workers count together; what is to be repeated is taken when it is."""
    server.call("sms.gateway", "write", [door.gateway_id], {"callback_rate": 3})
    waiting = [(new_number(), "Flood", f"FLOOD-{n}") for n in range(100)]
    begin = time.monotonic()
    rounds = 0
    while waiting:
        statuses = door.deliver_all(waiting)
        assert set(statuses) <= {200, 429}, statuses
        taken = statuses.count(200)
        if not rounds:
            # Thirty in ten seconds. Each of three further workers has three for free,
            # and another ten seconds may have begun.
            assert 20 <= taken <= 2 * (30 + 3 * 3), taken
        waiting = [
            text
            for text, status in zip(waiting, statuses, strict=True)
            if status == 429
        ]
        rounds += 1
        assert time.monotonic() - begin < 120, len(waiting)
        if waiting:
            time.sleep(2)
    rows = database.rows(
        "SELECT count(*), count(DISTINCT event_key) FROM sms_gateway_event "
        "WHERE gateway_id = %s",
        door.gateway_id,
    )
    assert rows == [(100, 100)]


def test_t5_forged_calls(server, database, door):
    """A flood of forged calls is held off by all workers, and costs no genuine one."""
    assert door.deliver(new_number(), "Hi", "BEFORE") == 200
    forged = [(new_number(), "Forged", f"FORGED-{n}") for n in range(400)]
    statuses = door.deliver_all(forged, source="127.0.0.7", signed=False)
    assert set(statuses) == {403, 429}
    # Sixty a minute, six more for each of three further workers; a minute may have
    # begun meanwhile.
    assert 50 <= statuses.count(403) <= 2 * (60 + 6 * 4) + CLIENTS
    # From where genuine calls come none is held off, whatever else comes from there.
    statuses = door.deliver_all(forged, signed=False)
    assert set(statuses) == {403}
    texts = [(new_number(), "Hi", f"GENUINE-{n}") for n in range(40)]
    assert set(door.deliver_all(texts)) == {200}
    # Another phone or gateway, that nobody called for yet, is not held off either.
    assert door.deliver(new_number(), "Hi", "ELSEWHERE", source="127.0.0.8") == 200
    rows = database.rows(
        "SELECT count(*) FROM sms_gateway_event WHERE gateway_id = %s", door.gateway_id
    )
    assert rows == [(42,)]
