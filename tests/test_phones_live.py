# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Phones that fetch from several workers at once: each text is taken once, or not."""

import collections
import http.client
import itertools
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import OdooServer

TEXTS = 300
PHONES = 3
CLIENTS_PER_PHONE = 3

_blocks = itertools.count(1)


class Phone:
    """A phone of the tests' own kind, called from outside."""

    def __init__(self, odoo, gateway_id, **values):
        self.odoo = odoo
        self.device_id = odoo.call(
            "sms.gateway.device",
            "create",
            {"name": "Phone", "gateway_id": gateway_id, **values},
        )
        ((self.token, self.secret),) = odoo.database.rows(
            "SELECT token, secret FROM sms_gateway_device WHERE id = %s", self.device_id
        )

    def call(self, do, **values):
        connection = http.client.HTTPConnection("127.0.0.1", self.odoo.port, timeout=60)
        try:
            body = json.dumps({"do": do, "secret": self.secret, **values})
            connection.request("POST", f"/sms_gateway/{self.token}/poll/", body=body)
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status == 200, content
            return json.loads(content)
        finally:
            connection.close()

    def offer(self):
        return [offer["ref"] for offer in self.call("offer")["offers"]]

    def claim(self, refs):
        return self.call("claim", refs=refs)["refs"]


def at_once(*works):
    """Run functions at the same moment; return their results."""
    barrier = threading.Barrier(len(works))

    def run(work):
        barrier.wait(30)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


@pytest.fixture(scope="module")
def server(database, tmp_path_factory):
    """Give an Odoo of several worker processes."""
    folder = os.environ.get("SGH_LOG_DIR") or tmp_path_factory.mktemp("phones")
    server = OdooServer(database, Path(folder) / "phones.log", workers=3).start()
    yield server
    server.stop()


@pytest.fixture
def fleet(server):
    """Give a gateway of phones, the only one in service; its job rests."""
    others = server.call("sms.gateway", "search", [("state", "!=", "disabled")])
    server.call("sms.gateway", "write", others, {"state": "disabled"})
    gateway_id = server.call(
        "sms.gateway",
        "create",
        {"name": "Phones", "code": "testing_pull", "state": "enabled"},
    )
    server.rest(gateway_id)
    return gateway_id


def enqueue(server, count):
    """Queue texts to new contacts."""
    block = next(_blocks)
    partners = server.call(
        "res.partner",
        "create",
        [
            {"name": f"Fleet {n}", "phone": f"+1415{5550000 + block * 500 + n}"}
            for n in range(count)
        ],
    )
    server.text(partners, f"Text of block {block}")
    if count == 1:
        return
    queued = server.database.rows(
        "SELECT count(*) FROM sms_gateway_message WHERE state = 'queued' "
        "AND body = %s AND by_device",
        f"Text of block {block}",
    )
    assert queued == [(count,)]


def test_many_phones_fetch_at_once(server, database, fleet):
    """Many polls on several workers: each text goes to one phone, and only once."""
    enqueue(server, TEXTS)
    phones = [Phone(server, fleet, parts_per_minute=0) for _n in range(PHONES)]
    offered, claimed = collections.Counter(), collections.Counter()
    lock = threading.Lock()

    def work(phone):
        idle = 0
        while idle < 3:
            refs = phone.offer()
            idle = 0 if refs else idle + 1
            with lock:
                offered.update(refs)
            if refs:
                # The same claim twice at once, as by a client that repeats itself.
                for granted in at_once(
                    lambda refs=refs: phone.claim(refs),
                    lambda refs=refs: phone.claim(refs),
                ):
                    with lock:
                        claimed.update(granted)
            phone.call("ask")

    with ThreadPoolExecutor(PHONES * CLIENTS_PER_PHONE) as pool:
        list(pool.map(work, phones * CLIENTS_PER_PHONE))
    assert set(offered.values()) == {1}
    assert set(claimed.values()) == {1}
    assert set(offered) == set(claimed)
    assert len(claimed) == TEXTS
    rows = database.rows(
        "SELECT count(*), count(DISTINCT external_ref), count(request_at), "
        "count(DISTINCT device_id) FROM sms_gateway_message "
        "WHERE gateway_id = %s AND state = 'sending'",
        fleet,
    )
    assert rows == [(TEXTS, TEXTS, TEXTS, PHONES)]


def test_refusal_races_the_claim(server, database, fleet):
    """F23: a refusal and a claim at the same moment: claimed or cancelled, not both."""
    phone = Phone(server, fleet, parts_per_minute=0)
    outcomes = collections.Counter()
    for _round in range(12):
        enqueue(server, 1)
        (ref,) = phone.offer()
        ((number, message_id),) = database.rows(
            "SELECT number, id FROM sms_gateway_message WHERE external_ref = %s", ref
        )
        granted, _added = at_once(
            lambda ref=ref: phone.claim([ref]),
            lambda number=number: server.call("phone.blacklist", "add", [], number),
        )
        ((state, request_at),) = database.rows(
            "SELECT state, request_at FROM sms_gateway_message WHERE id = %s",
            message_id,
        )
        assert (state == "sending" and bool(request_at)) == bool(granted)
        assert state in ("sending", "canceled")
        outcomes[state] += 1
    assert sum(outcomes.values()) == 12


def test_claims_of_one_phone_at_once(server, database, fleet):
    """Two claims of one phone at once never add up to more than a minute's parts."""
    phone = Phone(server, fleet, parts_per_minute=10, messages_per_poll=10)
    enqueue(server, 30)
    batches = []
    for _turn in range(3):
        batches.append(phone.offer())
        database.rows(
            "UPDATE sms_gateway_message SET state_at = state_at - interval '2 minutes' "
            "WHERE gateway_id = %s",
            fleet,
        )
    assert [len(batch) for batch in batches] == [10, 10, 10]
    granted = at_once(*(lambda refs=refs: phone.claim(refs) for refs in batches))
    assert sum(len(refs) for refs in granted) == 10
    rows = database.rows(
        "SELECT state, count(*) FROM sms_gateway_message WHERE gateway_id = %s "
        "GROUP BY state ORDER BY state",
        fleet,
    )
    assert rows == [("queued", 20), ("sending", 10)]
