# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Clickatell's three APIs over real HTTP, counted at a fake Clickatell.

The names F4 to F14 are those of docs/reliability.md.
"""

import http.client
import itertools
import time
import uuid
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote_plus, urlsplit

import pytest
from fakes.clickatell import Answer, FakeClickatell, HangUp, Rule
from support import OdooServer, wait_for
from test_sending_faults import age_leases, settled

from conftest import log_folder

APIS = ("one", "platform", "http")
# As awkward in an address, a form and JSON as Clickatell's own.
KEY = "Key+of/the&Live-tests=="
PASSWORD = "Pass word&of+the/live tests"
CALLBACK_USER = "back"
CALLBACK_PASSWORD = "Call back & of the tests"
API_ID = "12345"
OWN_NUMBER = "27123456789"
SECRETS = [
    KEY,
    PASSWORD,
    CALLBACK_PASSWORD,
    quote_plus(KEY),
    quote_plus(PASSWORD),
    b64encode(f"{CALLBACK_USER}:{CALLBACK_PASSWORD}".encode()).decode(),
]

_numbers = itertools.count(3_030_000_000, 20_000)


@pytest.fixture
def fake():
    """Give a fake Clickatell that does nothing by itself."""
    with FakeClickatell(
        key=KEY,
        user="live-user",
        password=PASSWORD,
        api_id=API_ID,
        numbers=(OWN_NUMBER,),
    ) as server:
        yield server


def make(odoo, fake, api, **values):
    """Make a gateway at the fake, the only one in service, known to it as well."""
    others = odoo.call("sms.gateway", "search", [("state", "!=", "disabled")])
    odoo.call("sms.gateway", "write", others, {"state": "disabled"})
    gateway_id = odoo.call(
        "sms.gateway",
        "create",
        {
            "name": f"Clickatell {api}",
            "code": "clickatell",
            "state": "enabled",
            "clickatell_api": api,
            "clickatell_url": fake.url,
            "local_network": True,
            "clickatell_api_key": KEY,
            "clickatell_user": "live-user",
            "clickatell_password": PASSWORD,
            "clickatell_api_id": API_ID,
            "clickatell_callback_user": CALLBACK_USER,
            "clickatell_callback_password": CALLBACK_PASSWORD,
            "webhook_base_url": odoo.url,
            **values,
        },
    )
    (urls,) = odoo.call(
        "sms.gateway",
        "read",
        [gateway_id],
        ["webhook_status_url", "webhook_inbound_url"],
    )
    fake.set_callbacks(
        api,
        check=False,
        status_url=urls["webhook_status_url"],
        reply_url=urls["webhook_inbound_url"],
        user=CALLBACK_USER,
        password=CALLBACK_PASSWORD,
    )
    return gateway_id


def enqueue(database, gateway_id, count, *, same=False):
    """Put texts for numbers of their own into a gateway's queue.

    :param bool same: the same words to all, as in a mass text
    :return: what their texts begin with, and a "%"
    """
    label = f"Live {uuid.uuid4().hex[:8]}"
    # Every tenth needs Unicode, another one has what ISO-8859-1 and GSM-7 dispute.
    words = (
        "%(label)s || ' to all'"
        if same
        else "%(label)s || ' ' || n || CASE n %% 10 WHEN 3 THEN ' Ωё' "
        "WHEN 7 THEN ' é€[`]' ELSE '' END"
    )
    connection = database._connect()
    try:
        with connection.cursor() as cr:
            cr.execute(
                f"""
                INSERT INTO sms_gateway_message
                       (uuid, gateway_id, company_id, direction, kind, state, priority,
                        number, body, encoding, segments, attempts, due_at, create_date)
                SELECT md5(%(label)s || n), %(gateway)s, 1, 'outgoing', 'broadcast',
                       'queued', '3', '+1' || (%(first)s + n), {words},
                       CASE WHEN n %% 10 IN (3, 7) THEN 'ucs2' ELSE 'gsm7' END, 1, 0,
                       now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
                  FROM generate_series(1, %(count)s) AS n
                """,
                {
                    "label": label,
                    "gateway": gateway_id,
                    "first": next(_numbers),
                    "count": count,
                },
            )
    finally:
        connection.close()
    return f"{label}%"


def send(odoo, database, gateway_id, count, **options):
    """Queue texts and let the gateway's job begin; return what they begin with."""
    odoo.rest(gateway_id)
    like = enqueue(database, gateway_id, count, **options)
    odoo.work(gateway_id)
    return like


def column(database, gateway_id, name):
    return database.rows(f"SELECT {name} FROM sms_gateway WHERE id = %s", gateway_id)[
        0
    ][0]


def resume(odoo, gateway_id):
    odoo.call("sms.gateway", "action_resume", [gateway_id])


def stands_still(database, like):
    """Say whether nothing with such a text is under way."""
    return lambda: not database.states(like).get("sending")


def is_paused(database, gateway_id):
    return lambda: database.rows(
        "SELECT 1 FROM sms_gateway WHERE id = %s AND paused_until IS NOT NULL",
        gateway_id,
    )


def is_slow(database, gateway_id):
    return lambda: database.rows(
        "SELECT 1 FROM sms_gateway WHERE id = %s "
        "AND throttled_until > now() AT TIME ZONE 'UTC'",
        gateway_id,
    )


def alarms(database, gateway_id):
    return database.rows(
        "SELECT count(*) FROM mail_activity WHERE res_model = 'sms.gateway' "
        "AND res_id = %s",
        gateway_id,
    )[0][0]


def each_once(fake, count):
    """Check that so many texts were taken, none of them twice."""
    taken = fake.count_taken("client_id")
    assert len(taken) == sum(taken.values()) == count


# ----------------------------------------------------------------------------
# Ten thousand
# ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "api,group",
    [
        ("one", False),
        ("platform", False),
        ("http", False),
        ("http", True),
    ],
)
def test_ten_thousand(odoo, database, fake, record_property, api, group):
    """10,000 texts in each format: each is taken once, as it was written."""
    gateway_id = make(odoo, fake, api, parallel_requests=16, clickatell_group=group)
    start = time.monotonic()
    like = send(odoo, database, gateway_id, 10_000, same=group)
    wait_for(
        lambda: (
            not database.rows(
                "SELECT 1 FROM sms_gateway_message WHERE gateway_id = %s "
                "AND state IN ('queued', 'sending') LIMIT 1",
                gateway_id,
            )
        ),
        timeout_s=300,
        what="the end of the queue",
    )
    seconds = round(time.monotonic() - start, 1)
    reached, taken = len(fake.texts), len(fake.taken)
    doubled = taken - len(fake.count_taken("to"))
    record_property("seconds", seconds)
    print(f"{api} {group=}: {taken} taken, {doubled} doubled, {seconds} s")
    assert database.states(like) == {"sent": 10_000}
    assert (reached, taken, doubled) == (10_000, 10_000, 0)
    rows = database.rows(
        "SELECT uuid, external_ref, number, body FROM sms_gateway_message "
        "WHERE body LIKE %s",
        like,
    )
    for message_uuid, ref, number, body in rows:
        text = fake.taken[ref]
        assert (f"+{text.to}", text.text) == (number, body)
        if not group:
            assert text.client_id == message_uuid
    assert fake.urls_with_secrets == 0
    assert fake.most_at_once <= 16


# ----------------------------------------------------------------------------
# Some are refused
# ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "api,group,with_to",
    [
        ("one", False, True),
        ("platform", True, True),
        ("http", False, True),
        ("http", True, True),
        ("http", True, False),
    ],
)
def test_partial_failures(odoo, database, fake, api, group, with_to):
    """What is wrong with one recipient hits its own message alone."""
    fake.to_in_error_lines = with_to
    gateway_id = make(odoo, fake, api, clickatell_group=group)
    expected = {
        "bad_number": "number_dead",
        "opted_out": "opted_out",
        "delisted": {"http": "blacklisted"}.get(api, "number_dead"),
        "unroutable": {"http": "country"}.get(api, "number_dead"),
    }
    for n, word in enumerate(expected):
        fake.rules.append(Rule(word, number=f"{n}1"))
    like = send(odoo, database, gateway_id, 200, same=group)
    wait_for(settled(database, like, 200), what="all outcomes")
    assert database.states(like) == {"sent": 192, "failed": 8}
    assert len(fake.texts) == 200
    assert len(fake.taken) == 192
    rows = database.rows(
        "SELECT right(number, 2), failure_type FROM sms_gateway_message "
        "WHERE body LIKE %s AND state = 'failed' ORDER BY 1",
        like,
    )
    assert rows == [
        (f"{n}1", kind) for n, kind in enumerate(expected.values()) for _time in (1, 2)
    ]
    sent = database.rows(
        "SELECT external_ref, number FROM sms_gateway_message "
        "WHERE body LIKE %s AND state = 'sent'",
        like,
    )
    assert {ref: number for ref, number in sent} == {
        ref: f"+{text.to}" for ref, text in fake.taken.items()
    }


# ----------------------------------------------------------------------------
# Slow down
# ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "api,word",
    [
        ("one", "rate_limit"),
        ("one", "rate_limit_43"),
        ("one", "rate_limit_item"),
        ("one", "unavailable"),
        ("platform", "rate_limit"),
        ("platform", "unavailable"),
        ("http", "rate_limit"),
    ],
)
def test_f11_throttled(odoo, database, fake, api, word):
    """F11: 429, 503 and code 43 slow the gateway down; no attempt counts, all go."""
    fake.rules.append(Rule(word, times=1, retry_after_s=30))
    gateway_id = make(odoo, fake, api, parallel_requests=1, max_rate=50)
    like = send(odoo, database, gateway_id, 20)
    wait_for(is_slow(database, gateway_id), what="the slowing down")
    wait_for(stands_still(database, like), what="the release")
    states = database.states(like)
    assert set(states) <= {"sent", "queued"}, states
    assert states["queued"] >= 1
    assert database.rows(
        "SELECT DISTINCT attempts FROM sms_gateway_message "
        "WHERE body LIKE %s AND state = 'queued'",
        like,
    ) == [(0,)]
    assert not alarms(database, gateway_id)
    resume(odoo, gateway_id)
    wait_for(settled(database, like, 20), what="the rest")
    assert database.states(like) == {"sent": 20}
    each_once(fake, 20)


@pytest.mark.parametrize("api", APIS)
def test_a_limit_that_lasts(odoo, database, fake, api):
    """A Clickatell that takes a few texts a second gets all of them, each once."""
    fake.max_rate = 15
    gateway_id = make(odoo, fake, api, parallel_requests=2, max_rate=10)
    like = send(odoo, database, gateway_id, 20)

    def go_on():
        if is_slow(database, gateway_id)():
            resume(odoo, gateway_id)
        return settled(database, like, 20)()

    wait_for(go_on, what="all outcomes", step_s=0.5)
    assert database.states(like) == {"sent": 20}
    each_once(fake, 20)


def test_limit_until(odoo, database, fake):
    """The HTTP API's limit "until" a time holds the queue until then."""
    fake.rules.append(Rule("rate_limit_43", times=1, retry_after_s=3600))
    gateway_id = make(odoo, fake, "http", parallel_requests=1)
    like = send(odoo, database, gateway_id, 5)
    wait_for(is_paused(database, gateway_id), what="the pause")
    wait_for(stands_still(database, like), what="the release")
    assert database.states(like) == {"queued": 5}
    left = database.rows(
        "SELECT extract(epoch FROM paused_until - now() AT TIME ZONE 'UTC')::float8 "
        "FROM sms_gateway WHERE id = %s",
        gateway_id,
    )[0][0]
    assert 3000 < left <= 3700
    resume(odoo, gateway_id)
    wait_for(settled(database, like, 5), what="the rest")
    assert database.states(like) == {"sent": 5}
    each_once(fake, 5)


# ----------------------------------------------------------------------------
# The account
# ----------------------------------------------------------------------------


@pytest.mark.parametrize("api", APIS)
def test_f14_wrong_key(odoo, database, fake, api):
    """F14: a wrong key pauses, nothing is lost; mended and resumed, all go out."""
    name = "clickatell_password" if api == "http" else "clickatell_api_key"
    right = PASSWORD if api == "http" else KEY
    gateway_id = make(odoo, fake, api, **{name: "wrong-one"})
    like = send(odoo, database, gateway_id, 300)
    wait_for(is_paused(database, gateway_id), what="the pause")
    wait_for(stands_still(database, like), what="the release")
    assert database.states(like) == {"queued": 300}
    assert alarms(database, gateway_id) == 1
    reason = column(database, gateway_id, "pause_reason")
    assert "Clickatell" in reason
    assert "wrong-one" not in reason
    assert not fake.taken
    # No more than the requests that were under way hammer a closed account.
    assert fake.requests <= 10
    odoo.call("sms.gateway", "write", [gateway_id], {name: right})
    resume(odoo, gateway_id)
    wait_for(settled(database, like, 300), what="the queue")
    assert database.states(like) == {"sent": 300}
    assert alarms(database, gateway_id) == 0
    each_once(fake, 300)


@pytest.mark.parametrize("api", APIS)
def test_f14_credit_is_used_up(odoo, database, fake, api):
    """F14: without credit the queue waits; topped up, the rest goes out."""
    fake.credit = 40
    gateway_id = make(odoo, fake, api, parallel_requests=1)
    like = send(odoo, database, gateway_id, 60)
    wait_for(is_paused(database, gateway_id), what="the pause")
    wait_for(stands_still(database, like), what="the release")
    assert database.states(like) == {"sent": 40, "queued": 20}
    assert alarms(database, gateway_id) == 1
    assert "credit" in column(database, gateway_id, "pause_reason")
    fake.credit = 1000
    resume(odoo, gateway_id)
    wait_for(settled(database, like, 60), what="the rest")
    assert database.states(like) == {"sent": 60}
    each_once(fake, 60)


@pytest.mark.parametrize("word", ["inactive", "ip"])
@pytest.mark.parametrize("api", APIS)
def test_f14_closed_account(odoo, database, fake, api, word):
    """F14: an account that is not active, or locked to other addresses, pauses."""
    fake.account = word
    gateway_id = make(odoo, fake, api)
    like = send(odoo, database, gateway_id, 3)
    wait_for(is_paused(database, gateway_id), what="the pause")
    wait_for(stands_still(database, like), what="the release")
    assert database.states(like) == {"queued": 3}


@pytest.mark.parametrize("api", APIS)
def test_mix_up(odoo, fake, api):
    """Credentials of the other kind are told apart from a mistyped key."""
    values = {"clickatell_api_key": "12345"} if api != "http" else {}
    if api == "http":
        values = {"clickatell_api_id": "999"}
    gateway_id = make(odoo, fake, api, **values)
    with pytest.raises(Exception) as error:
        odoo.call("sms.gateway", "action_test_connection", [gateway_id])
    words = str(error.value)
    assert "API" in words
    assert KEY not in words
    if api == "http":
        assert "do not belong together" in words


@pytest.mark.parametrize("api", APIS)
def test_questions(odoo, database, fake, api):
    """Connection and balance answer; the balance is that of the fake."""
    fake.credit = 123.5
    fake.one_balance = False
    gateway_id = make(odoo, fake, api)
    action = odoo.call("sms.gateway", "action_test_connection", [gateway_id])
    assert action["params"]["type"] == "success"
    action = odoo.call("sms.gateway", "action_update_balance", [gateway_id])
    assert "123.50" in action["params"]["message"], "it shows the balance before"
    assert column(database, gateway_id, "balance") == 123.5
    unit = column(database, gateway_id, "balance_unit")
    assert unit == ("credits" if api == "http" else "USD")


# ----------------------------------------------------------------------------
# Answers that are none
# ----------------------------------------------------------------------------


@pytest.mark.parametrize("api", APIS)
def test_f9_bad_gateway_at_the_sixth_of_ten(odoo, database, fake, api):
    """F9: a 502 page hits only its own message; the others are sent once."""
    fake.behave = lambda number, texts: (
        Answer(502, b"<html>Bad gateway</html>", "text/html", taken=True)
        if len(fake.texts) == 6
        else None
    )
    # So slow that each request has one message.
    gateway_id = make(odoo, fake, api, parallel_requests=1, max_rate=10)
    like = send(odoo, database, gateway_id, 10)
    wait_for(settled(database, like, 10), what="ten outcomes")
    assert database.states(like) == {"sent": 9, "unconfirmed": 1}
    each_once(fake, 10)


@pytest.mark.parametrize(
    "word", ["nothing", "half", "wrong_type", "no_id", "internal_500", "hang_up"]
)
@pytest.mark.parametrize("api", APIS)
def test_f10_unusable_success(odoo, database, fake, api, word):
    """F10: an answer that says nothing leaves the message unconfirmed, with a log."""
    fake.rules.append(Rule(word))
    gateway_id = make(odoo, fake, api)
    like = send(odoo, database, gateway_id, 1)
    wait_for(settled(database, like, 1), what="the outcome")
    assert database.states(like) == {"unconfirmed": 1}
    each_once(fake, 1)
    assert len(fake.texts) == 1
    assert database.rows(
        "SELECT count(*) FROM sms_gateway_attempt a JOIN sms_gateway_message m "
        "ON m.id = a.message_id WHERE m.body LIKE %s AND a.state = 'unconfirmed'",
        like,
    ) == [(1,)]


@pytest.mark.parametrize("api", APIS)
def test_f12_no_connection_is_tried_again(odoo, database, fake, api):
    """F12: while nobody listens nothing is lost; then each goes out once."""
    fake.hang_up()
    gateway_id = make(odoo, fake, api, parallel_requests=1)
    like = send(odoo, database, gateway_id, 3)
    wait_for(
        lambda: database.rows(
            "SELECT 1 FROM sms_gateway_message AS message "
            "JOIN sms_gateway AS gateway ON gateway.id = gateway_id "
            "WHERE body LIKE %s AND attempts = 1 AND message.state = 'queued' "
            "AND failure_type = 'not_reached' AND failures_in_a_row > 0",
            like,
        ),
        what="the first try",
    )
    assert database.states(like) == {"queued": 3}
    fake.listen()
    resume(odoo, gateway_id)
    wait_for(settled(database, like, 3), what="the second try")
    assert database.states(like) == {"sent": 3}
    each_once(fake, 3)


@pytest.mark.parametrize("url", ["http://no-such-host.invalid", "https://127.0.0.1:{}"])
def test_f12_dns_and_tls_are_tried_again(odoo, database, fake, url):
    """F12: a name that does not resolve and a failed TLS handshake lose nothing."""
    gateway_id = make(odoo, fake, "one", clickatell_url=url.format(fake.port))
    like = send(odoo, database, gateway_id, 1)
    wait_for(
        lambda: database.rows(
            "SELECT 1 FROM sms_gateway_message WHERE body LIKE %s AND attempts = 1 "
            "AND state = 'queued' AND failure_type = 'not_reached'",
            like,
        ),
        what="the first try",
    )
    assert not fake.texts


def test_f12_f13_silence_and_drips(odoo, database, fake, gateway):
    """F12, F13: no answer, or one in drips, ends in time; others go on meanwhile."""
    fake.rules += [Rule("silence", number="1"), Rule("drip", number="2")]
    gateway_id = make(odoo, fake, "http", parallel_requests=2)
    other = odoo.call(
        "sms.gateway",
        "create",
        {
            "name": "Another gateway",
            "code": "testing",
            "state": "enabled",
            "testing_url": gateway.url,
            "local_network": True,
            "testing_key": "KEY-OF-ANOTHER-GATEWAY",
        },
    )
    like = send(odoo, database, gateway_id, 2)
    wait_for(lambda: len(fake.taken) == 2, what="both requests")
    start = time.monotonic()
    others = enqueue(database, other, 20)
    odoo.wake(other)
    wait_for(settled(database, others, 20), what="the texts of the other gateway")
    assert database.states(others) == {"sent": 20}
    assert time.monotonic() - start < 10, "the other gateway had to wait"
    wait_for(settled(database, like, 2), what="the end of the requests")
    assert database.states(like) == {"unconfirmed": 2}
    assert time.monotonic() - start < 40
    each_once(fake, 2)


@pytest.mark.parametrize("api", APIS)
def test_lost_answers_are_settled(odoo, database, fake, api):
    """What is unconfirmed is settled by look-up where there is one, and by reports."""

    def lose(number, texts):
        for text in texts:
            fake._judge(text)
        raise HangUp

    fake.behave = lose
    gateway_id = make(odoo, fake, api, max_rate=10)
    like = send(odoo, database, gateway_id, 2)
    wait_for(settled(database, like, 2), what="the outcomes")
    assert database.states(like) == {"unconfirmed": 2}
    fake.behave = None
    if api == "http":
        cron = "SELECT res_id FROM ir_model_data WHERE name = %s"
        ((cron_id,),) = database.rows(cron, "ir_cron_settle")
        odoo.call("ir.cron", "method_direct_trigger", [cron_id])
        wait_for(lambda: database.states(like) == {"sent": 2}, what="the look-up")
    for text in fake.taken.values():
        assert fake.report(text, "delivered") == [200]
    wait_for(lambda: database.states(like) == {"delivered": 2}, what="the reports")
    each_once(fake, 2)
    assert len(fake.texts) == 2


# ----------------------------------------------------------------------------
# Kills
# ----------------------------------------------------------------------------


def test_f2_killed_before_the_answer_is_read(odoo, database, fake):
    """F2: what Clickatell took before a kill is unconfirmed and never sent again."""
    fake.linger_s = 30
    gateway_id = make(odoo, fake, "one")
    like = send(odoo, database, gateway_id, 1)
    wait_for(lambda: fake.taken, what="the request")
    odoo.kill()
    age_leases(database)
    fake.linger_s = 0
    odoo.start()
    odoo.wake(gateway_id)
    wait_for(settled(database, like, 1), what="the recovery")
    assert database.states(like) == {"unconfirmed": 1}
    (text,) = fake.taken.values()
    assert fake.report(text, "delivered") == [200]
    wait_for(lambda: database.states(like) == {"delivered": 1}, what="the settling")
    assert len(fake.texts) == 1


@pytest.fixture
def own_log(odoo, tmp_path):
    """Let Odoo write where no error fails the test; give the path."""
    kept, odoo.log = odoo.log, tmp_path / "odoo.log"
    odoo.stop()
    odoo.start()
    yield odoo.log
    odoo.stop()
    odoo.log = kept
    odoo.start()


def test_f4_the_database_goes_away(odoo, database, fake, own_log):
    """F4: all connections die in mid-batch, none opens for a while; it goes on.

    A fast restart of PostgreSQL as Odoo sees it, of this database alone.
    """
    fake.latency_s = 0.05
    gateway_id = make(odoo, fake, "one", parallel_requests=2, max_rate=400)
    like = send(odoo, database, gateway_id, 2_000)
    wait_for(lambda: len(fake.taken) > 300, what="a part of the batch")
    with database.closed(odoo) as hang_up:
        for _again in range(6):
            hang_up()
            time.sleep(0.5)
    assert len(fake.taken) < 2_000, "all had left already"
    age_leases(database)

    def go_on():
        assert odoo.process.poll() is None, "the server ended"
        odoo.wake(gateway_id)
        return settled(database, like, 2_000)()

    states = wait_for(go_on, what="all outcomes", step_s=1)
    rows = database.rows(
        "SELECT uuid, state FROM sms_gateway_message WHERE body LIKE %s", like
    )
    taken = fake.count_taken("client_id")
    assert set(taken.values()) == {1}, "a text was sent twice"
    # What was under way when the database went is unknown; all else was sent.
    assert set(states) <= {"sent", "unconfirmed"}
    assert {state for message_uuid, state in rows if message_uuid not in taken} <= {
        "unconfirmed"
    }
    assert states.get("unconfirmed", 0) <= 900
    assert database.rows(
        "SELECT active FROM ir_cron WHERE id = (SELECT cron_id FROM sms_gateway "
        "WHERE id = %s)",
        gateway_id,
    ) == [(True,)]
    log = own_log.read_text(errors="replace")
    assert not [secret for secret in SECRETS if secret in log]


# ----------------------------------------------------------------------------
# Callbacks
# ----------------------------------------------------------------------------


@pytest.mark.parametrize("api", APIS)
def test_f5_callbacks_overtake_the_answer(odoo, database, fake, api):
    """F5: reports that come before the answer are kept, and nothing goes out twice."""
    fake.deliver_after_s = 0
    fake.linger_s = 1
    gateway_id = make(odoo, fake, api, parallel_requests=4)
    like = send(odoo, database, gateway_id, 10)
    wait_for(lambda: database.states(like) == {"delivered": 10}, what="the reports")
    each_once(fake, 10)
    assert len(fake.texts) == 10


@pytest.fixture(scope="module")
def workers(odoo, database, tmp_path_factory):
    """Give another Odoo on the same database, of several worker processes."""
    log = log_folder(tmp_path_factory) / "clickatell.log"
    server = OdooServer(database, log, workers=4, cron_threads=0).start()
    yield server
    server.stop()


def story(database, gateway_id):
    """Return the states of a gateway's messages, and how many events were kept."""
    states = database.rows(
        "SELECT state, count(*) FROM sms_gateway_message WHERE gateway_id = %s "
        "AND direction = 'outgoing' GROUP BY 1",
        gateway_id,
    )
    ((events,),) = database.rows(
        "SELECT count(*) FROM sms_gateway_event WHERE gateway_id = %s", gateway_id
    )
    return dict(states), events


def applied(database, gateway_id):
    """Say whether no callback of a gateway waits."""
    return lambda: (
        not database.rows(
            "SELECT 1 FROM sms_gateway_event "
            "WHERE gateway_id = %s AND state = 'pending'",
            gateway_id,
        )
    )


def one_sent(odoo, database, fake, api, **values):
    """Send one text; return the gateway's id and what the fake has of it."""
    gateway_id = make(odoo, fake, api, **values)
    like = send(odoo, database, gateway_id, 1)
    wait_for(lambda: database.states(like) == {"sent": 1}, what="the text")
    (text,) = fake.taken.values()
    return gateway_id, text


@pytest.mark.parametrize("api", ["one", "http"])
def test_f6_one_callback_100_times_at_once(odoo, workers, database, fake, api):
    """F6: the same callback 100 times on four workers: 100 times 200, one effect."""
    gateway_id, text = one_sent(odoo, database, fake, api)
    url = fake.callbacks[api].status_url.replace(odoo.url, workers.url)
    call = fake.make_report(text, "delivered", url=url)
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _n: fake.send_call(call, api), range(100)))
    assert set(statuses) == {200}
    wait_for(applied(database, gateway_id), what="the end of the events")
    assert story(database, gateway_id) == ({"delivered": 1}, 1)
    number = f"+{text.to}"
    url = fake.callbacks[api].reply_url.replace(odoo.url, workers.url)
    call = fake.make_text_in(text.to, OWN_NUMBER, "Hi", api=api, about=text, url=url)
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _n: fake.send_call(call, api), range(100)))
    assert set(statuses) == {200}
    wait_for(applied(database, gateway_id), what="the end of the events")
    assert database.rows(
        "SELECT body FROM sms_gateway_message WHERE direction = 'incoming' "
        "AND number = %s",
        number,
    ) == [("Hi",)]


@pytest.mark.parametrize("api", APIS)
def test_f7_out_of_order(odoo, database, fake, api):
    """F7: after "delivered" nothing moves it back; all events are kept."""
    gateway_id, text = one_sent(odoo, database, fake, api)
    now = time.time()
    steps = [("delivered", 0), ("sent", -2), ("queued", -3), ("undelivered", -1)]
    for word, offset in steps:
        assert fake.report(text, word, at=now + offset) == [200]
    wait_for(applied(database, gateway_id), what="the end of the events")
    assert story(database, gateway_id) == ({"delivered": 1}, 4)


@pytest.mark.parametrize("api", APIS)
def test_f8_unknown_message(odoo, database, fake, api):
    """F8: a report about a message that nobody knows is taken and kept."""
    gateway_id, text = one_sent(odoo, database, fake, api)
    text.ref, text.client_id = uuid.uuid4().hex, uuid.uuid4().hex
    assert fake.report(text, "delivered") == [200]
    assert fake.report(text, 999) == [200]
    states, events = story(database, gateway_id)
    assert (states, events) == ({"sent": 1}, 2)


@pytest.mark.parametrize("api", APIS)
def test_who_calls_back(odoo, database, fake, api):
    """Address and basic auth are both asked for; the empty check is answered."""
    gateway_id, text = one_sent(odoo, database, fake, api)
    assert fake.set_callbacks(api) == [200, 200]
    call = fake.make_report(text, "delivered")
    assert fake.send_call(call, api, auth=False) == 401
    assert fake.send_call(fake.make_report(text, "sent"), api) == 200
    call.url = call.url.replace("/status", "x/status")
    assert fake.send_call(call, api) == 404
    fake.callbacks[api].password = "wrong"
    assert fake.report(text, "delivered") == [401]
    fake.retry_s = ()
    wait_for(applied(database, gateway_id), what="the end of the events")
    assert story(database, gateway_id) == ({"sent": 1}, 1)


def test_foreign_api_id(odoo, database, fake):
    """A callback of another API of the account is refused, and not kept."""
    fake.retry_s = ()
    gateway_id, text = one_sent(odoo, database, fake, "http")
    assert fake.report(text, "delivered", api_id="999") == [403]
    assert story(database, gateway_id) == ({"sent": 1}, 0)


@pytest.mark.parametrize(
    "form", ["get", "post", "xml_get", "xml_post", "soap_get", "soap_post", "json"]
)
def test_forms_of_the_http_api(odoo, database, fake, form):
    """Each form that the HTTP API has reports a text and brings in its answer."""
    gateway_id, text = one_sent(odoo, database, fake, "http")
    assert fake.report(text, "delivered", form=form) == [200]
    words = "Grüße & <b>1 £</b>"
    assert fake.answer(text, words, form=form) == [200]
    wait_for(applied(database, gateway_id), what="the end of the events")
    assert story(database, gateway_id)[0] == {"delivered": 1}
    assert received(database, text.to) == [words]


@pytest.mark.parametrize("form", ["get", "json"])
def test_forms_of_the_platform(odoo, database, fake, form):
    """Both forms of the platform API report a text and bring in its answers."""
    gateway_id, text = one_sent(odoo, database, fake, "platform")
    assert fake.report(text, "delivered", form=form) == [200]
    # Two answers to one text: the id of the original says nothing about them.
    assert fake.answer(text, "Ja", form=form) == [200]
    assert fake.answer(text, "Nein", form=form) == [200]
    wait_for(applied(database, gateway_id), what="the end of the events")
    assert story(database, gateway_id)[0] == {"delivered": 1}
    assert received(database, text.to) == ["Ja", "Nein"]


def received(database, number):
    rows = database.rows(
        "SELECT body FROM sms_gateway_message WHERE direction = 'incoming' "
        "AND number = %s ORDER BY id",
        f"+{number}",
    )
    return [body for (body,) in rows]


@pytest.mark.parametrize(
    "api,form",
    [("http", "get"), ("http", "post"), ("platform", "get"), ("platform", "json")],
)
def test_characters(odoo, database, fake, api, form):
    """Every character set arrives as it was typed, by GET and by POST."""
    rows = [
        ("ISO-8859-1", "café £5 ñ %E9 +"),
        ("iso-8859-1", "Straße"),
        ("UTF-16BE", "niño a b"),
        ("UTF-16BE", "Ω ё 😀 !"),
        ("UTF-8", "café Ω 😀 %C3%A9"),
        ("utf-8", "日本語"),
    ]
    gateway_id = make(odoo, fake, api)
    number = f"1{1_000 + next(_numbers)}"
    for charset, words in rows:
        statuses = fake.text_in(
            number, OWN_NUMBER, words, api=api, form=form, charset=charset
        )
        assert statuses == [200]
    wait_for(applied(database, gateway_id), what="the end of the events")
    assert received(database, number) == [words for _charset, words in rows]


@pytest.mark.parametrize(
    "api,form,wide",
    [
        ("http", "get", False),
        ("http", "get", True),
        ("http", "post", False),
        ("platform", "json", False),
    ],
)
def test_long_answers(odoo, database, fake, api, form, wide):
    """Parts in reverse order, each of them twice, become one text."""
    fake.repeat_calls = 2
    gateway_id = make(odoo, fake, api)
    number = f"1{1_000 + next(_numbers)}"
    words = "".join(f"{n:04} é, " for n in range(60))
    charset = "ISO-8859-1"
    statuses = fake.text_in(
        number,
        OWN_NUMBER,
        words,
        api=api,
        form=form,
        charset=charset,
        wide=wide,
        reverse=True,
    )
    assert len(statuses) == 8
    assert set(statuses) == {200}
    wait_for(lambda: received(database, number), what="the text")
    wait_for(applied(database, gateway_id), what="the end of the events")
    assert received(database, number) == [words]


# What Clickatell's documents print, as a request: (method, query, body, media type)
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
DLR_XML = (
    '<?xml version="1.0"?>\n<callback><apiMsgId>996411ad91fa211e7d17bc873aa4a41d'
    "</apiMsgId><cliMsgId></cliMsgId><timestamp>1218008129</timestamp>"
    "<to>279995631564</to><from>27833001171</from><charge>0.300000</charge>"
    "<status>004</status></callback>"
)
DLR_SOAP = (
    '<?xml version="1.0" encoding="ISO-8859-1"?><SOAP-ENV:Envelope '
    'xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><SOAP-ENV:Body>'
    '<mt:mt_callback xmlns:mt="mt_callback"><api_id xsi:type="xsd:int">12345</api_id>'
    "<apimsgid>2e838df2ee3ea418272ae05aaf84ce5d</apimsgid><climsgid>abc123</climsgid>"
    "<to>27999123456</to><from>27999000224</from><timestamp>1213690834</timestamp>"
    "<status>003</status><charge>0.300000</charge></mt:mt_callback>"
    "</SOAP-ENV:Body></SOAP-ENV:Envelope>"
)
STATUS_SAMPLES = [
    (
        "http",
        "996f364775e24b8432f45d77da8eca47",
        "GET",
        "api_id=12345&apiMsgId=996f364775e24b8432f45d77da8eca47&cliMsgId=abc123"
        "&timestamp=1218007814&to=279995631564&from=27833001171&status=003"
        "&charge=0.300000",
        "",
        "sent",
    ),
    (
        "http",
        "996411ad91fa211e7d17bc873aa4a41d",
        "GET",
        f"data={quote_plus(DLR_XML)}",
        "",
        "delivered",
    ),
    (
        "http",
        "996411ad91fa211e7d17bc873aa4a41d",
        "POST",
        "",
        f"data={quote_plus(DLR_XML)}",
        "delivered",
    ),
    (
        "http",
        "2e838df2ee3ea418272ae05aaf84ce5d",
        "POST",
        "",
        f"Data={quote_plus(DLR_SOAP)}",
        "sent",
    ),
    (
        "platform",
        "fd496adebb6e422587368077937cfb5d",
        "POST",
        "",
        '{"integrationName":"x","apiKey":"secret==","messageId":'
        '"fd496adebb6e422587368077937cfb5d","status":"RECEIVED_BY_RECIPIENT"}',
        "delivered",
    ),
    (
        "platform",
        "fd496adebb6e422587368077937cfb5d",
        "GET",
        "messageId=fd496adebb6e422587368077937cfb5d&statusCode=5&timestamp=1506607698",
        "",
        "undelivered",
    ),
    (
        "one",
        "0a2cbd52d9fd4c3f96e426e8583670a4",
        "POST",
        "",
        '{"integrationID":"x","event":{"messageStatusUpdate":[{"channel":"SMS",'
        '"messageId":"0a2cbd52d9fd4c3f96e426e8583670a4","statusCode":5}]}}',
        "delivered",
    ),
    (
        "one",
        "0a2cbd52d9fd4c3f96e426e8583670a4",
        "POST",
        "",
        '{"event":{"messageStatusUpdate":[{"messageId":'
        '"0a2cbd52d9fd4c3f96e426e8583670a4","status":"EXPIRED","statusCode":99}]}}',
        "expired",
    ),
]


def call_raw(fake, api, kind, method, query, body):
    """Send a callback byte for byte; return the HTTP status."""
    settings = fake.callbacks[api]
    url = urlsplit(settings.status_url if kind == "status" else settings.reply_url)
    pair = b64encode(f"{settings.user}:{settings.password}".encode()).decode()
    headers = {"Authorization": f"Basic {pair}"}
    if body:
        headers["Content-Type"] = JSON if body.startswith("{") else FORM
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
    try:
        target = url.path + (f"?{query}" if query else "")
        connection.request(method, target, body.encode() or None, headers)
        with connection.getresponse() as answer:
            assert b"<" not in answer.read(), "an answer in HTML"
            return answer.status
    finally:
        connection.close()


@pytest.mark.parametrize("api,ref,method,query,body,state", STATUS_SAMPLES)
def test_status_samples(odoo, database, fake, api, ref, method, query, body, state):
    """The documents' own status callbacks do what they say."""
    gateway_id, _text = one_sent(odoo, database, fake, api)
    database.rows(
        "UPDATE sms_gateway_message SET external_ref = %s WHERE gateway_id = %s",
        ref,
        gateway_id,
    )
    for _time in range(2):
        assert call_raw(fake, api, "status", method, query, body) == 200
    wait_for(applied(database, gateway_id), what="the end of the events")
    assert story(database, gateway_id) == ({state: 1}, 1)


MO_XML = (
    '<?xml version="1.0"?>\n<clickmo><api_id>12345</api_id>'
    "<moMsgId>fa6ba35b330ce1bc7e2008e5d92d57aa</moMsgId><from>{}</from>"
    "<to>27123456789</to><timestamp>2007-02-26 14:36:50</timestamp>"
    "<text>a &lt;b&gt; &amp; &#233;</text><charset>ISO-8859-1</charset><udh></udh>"
    "</clickmo>"
)
REPLY_SAMPLES = [
    (
        "http",
        "api_id=12345&from={}&to=27123456789&timestamp=2008-08-06+09:43:50"
        "&text=Hereisthe%20messagetext&charset=ISO-8859-1&udh="
        "&moMsgId=b2aee337abd962489b123fda9c3480fa",
        "",
        "Hereisthe messagetext",
        "2008-08-06 07:43:50",
    ),
    (
        "http",
        "",
        f"data={quote_plus(MO_XML)}",
        "a <b> & é",
        "2007-02-26 12:36:50",
    ),
    (
        "http",
        "api_id=12345&from={}&to=27123456789&timestamp=2014-01-15+12:00:00"
        "&text=%00n%00i%00%F1%00o&charset=UTF-16BE&moMsgId=aa11",
        "",
        "niño",
        "2014-01-15 10:00:00",
    ),
    (
        "http",
        "",
        "api_id=12345&from={}&to=27123456789&timestamp=2014-07-15+12:00:00"
        "&text=caf%E9+%A35&charset=ISO-8859-1&moMsgId=aa12",
        "café £5",
        "2014-07-15 10:00:00",
    ),
    (
        "one",
        "",
        '{{"integrationId":"fa8090815f05d5ed015f0b5b56080cd2","integrationName":'
        '"My integration","event":{{"moText":[{{"channel":"whatsapp/sms ",'
        '"messageId":"3a89680503414383af44dcd0e4e5f184","relatedMessageId":'
        '"d33eef0838a121f71069a4cc8d55c19e","relatedClientMessageId":'
        '"d33eef0838a121f71069a4cc8d55c19e","from":"{}","to":"2799900002",'
        '"timestamp":1506607698000,"content":"Text Content of the reply message",'
        '"charset":"UTF-8","sms":{{"network":"Network ID"}}}}]}}}}',
        "Text Content of the reply message",
        "2017-09-28 14:08:18",
    ),
    (
        "platform",
        "",
        '{{"integrationName":"x","apiKey":"secret==","messageId":"aa","fromNumber":'
        '"{}","toNumber":"27123456789","timestamp":1506607698000,"text":"caf%E9+%A35",'
        '"charset":"ISO-8859-1","replyMessageId":"aa13"}}',
        "café £5",
        "2017-09-28 14:08:18",
    ),
]


@pytest.mark.parametrize("api,query,body,words,at", REPLY_SAMPLES)
def test_reply_samples(odoo, database, fake, api, query, body, words, at):
    """The documents' own incoming texts arrive, with their time in UTC."""
    gateway_id = make(odoo, fake, api)
    number = f"1{1_000 + next(_numbers)}"
    if "%3C" in body:
        body = body.replace("%7B%7D", number)
    else:
        query, body = query.format(number), body.format(number)
    method = "POST" if body else "GET"
    for _time in range(2):
        assert call_raw(fake, api, "reply", method, query, body) == 200
    wait_for(applied(database, gateway_id), what="the end of the events")
    assert database.rows(
        "SELECT m.body, e.occurred_at::text FROM sms_gateway_message m "
        "JOIN sms_gateway_event e ON e.message_id = m.id WHERE m.number = %s",
        f"+{number}",
    ) == [(words, at)]


@pytest.mark.parametrize("api", APIS)
def test_hostile_bodies(odoo, database, fake, api):
    """Whatever comes in is answered without a traceback, and never by 500."""
    make(odoo, fake, api)
    start = odoo.log.stat().st_size
    nested = "[" * 30_000
    for body in ("{", nested, '{"a": 1}', "data=<", "\x00", "=", "%ff%fe=%00"):
        status = call_raw(fake, api, "reply", "POST", "", body)
        assert status == 200 or 400 <= status < 500, (body[:10], status)
    assert b"Traceback" not in odoo.log.read_bytes()[start:]


# ----------------------------------------------------------------------------
# STOP
# ----------------------------------------------------------------------------


@pytest.mark.parametrize("api", APIS)
def test_stop_is_confirmed_once(odoo, database, fake, api):
    """A STOP by text is confirmed once, from the number that it was sent to."""
    two_way = {"clickatell_two_way": True, "sender": OWN_NUMBER}
    gateway_id, text = one_sent(odoo, database, fake, api, **two_way)
    assert fake.answer(text, "Stop.") == [200]
    wait_for(lambda: len(fake.taken) == 2, what="the confirmation")
    _first, confirmation = fake.taken.values()
    assert (confirmation.to, confirmation.sender) == (text.to, OWN_NUMBER)
    like = enqueue(database, gateway_id, 1)
    database.rows(
        "UPDATE sms_gateway_message SET number = %s WHERE body LIKE %s",
        f"+{text.to}",
        like,
    )
    odoo.wake(gateway_id)
    wait_for(settled(database, like, 1), what="the gate")
    assert database.states(like) == {"canceled": 1}
    assert len(fake.texts) == 2


@pytest.mark.parametrize("api", APIS)
def test_opted_out_at_clickatell(odoo, database, fake, api):
    """Who refused at Clickatell is on record here, and gets nothing more."""
    fake.rules.append(Rule("opted_out"))
    gateway_id = make(odoo, fake, api)
    like = send(odoo, database, gateway_id, 1)
    wait_for(settled(database, like, 1), what="the refusal")
    ((number,),) = database.rows(
        "SELECT number FROM sms_gateway_message WHERE body LIKE %s", like
    )
    wait_for(
        lambda: database.rows("SELECT 1 FROM sms_consent WHERE number = %s", number),
        what="the record of the refusal",
    )
    fake.rules.clear()
    again = enqueue(database, gateway_id, 1)
    database.rows(
        "UPDATE sms_gateway_message SET number = %s WHERE body LIKE %s", number, again
    )
    odoo.wake(gateway_id)
    wait_for(settled(database, again, 1), what="the gate")
    assert database.states(again) == {"canceled": 1}
    assert not fake.taken


# ----------------------------------------------------------------------------
# Secrets
# ----------------------------------------------------------------------------


def test_no_secret_anywhere(odoo, workers, database):
    """No key, password or basic auth in logs, attempts, events, chatter and errors."""
    for server in (odoo, workers):
        log = server.log.read_text(errors="replace")
        for secret in SECRETS:
            assert secret not in log, f"{secret!r} is in {server.log}"
    tables = (
        "sms_gateway_attempt sms_gateway_event sms_gateway_message mail_message "
        "mail_activity mail_mail mail_tracking_value sms_conversation sms_consent "
        "ir_logging bus_bus"
    ).split()
    for table in tables:
        found = database.rows(
            f"SELECT * FROM {table} AS t WHERE EXISTS "
            "(SELECT 1 FROM unnest(%s) AS s(secret) WHERE strpos(t::text, secret) > 0)",
            SECRETS,
        )
        assert not found, f"a secret is in {table}"
    # Bytes show as hex in the text of a row.
    assert database.rows("SELECT count(*) FROM sms_gateway_event") != [(0,)]
    for secret in SECRETS:
        assert not database.rows(
            "SELECT 1 FROM sms_gateway_event WHERE position(%s::bytea IN raw) > 0",
            secret.encode(),
        )
    for name in ("pause_reason", "last_error"):
        rows = database.rows(f"SELECT {name} FROM sms_gateway WHERE {name} IS NOT NULL")
        for secret in SECRETS:
            assert not any(secret in words for (words,) in rows)
