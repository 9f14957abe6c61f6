# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Faults of the send path: nothing lost, nothing doubled, counted at the gateway.

The names F1 to F17 are those of docs/reliability.md.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import KEY, SECRET, CountingGateway, RpcError, wait_for

# What becomes of texts that nothing is wrong with, whatever breaks meanwhile.
LEFT = {"sent", "delivered", "unconfirmed"}
SETTLED = LEFT | {"failed", "canceled", "expired"}


def settled(database, like, count):
    """Say whether all messages with such a text have an outcome."""

    def check():
        states = database.states(like)
        done = sum(n for state, n in states.items() if state in SETTLED)
        return states if done == count else None

    return check


def age_leases(database):
    """Let the leases of a killed sender run out, as if five minutes had passed."""
    database.rows(
        "UPDATE sms_gateway_message SET lease_until = lease_until - interval '1 hour' "
        "WHERE state = 'sending'"
    )


def restart(odoo):
    odoo.kill()
    age_leases(odoo.database)
    odoo.start()


# ----------------------------------------------------------------------------
# Kills
# ----------------------------------------------------------------------------


def test_f1_killed_before_the_request_leaves(odoo, database, gateway):
    """F1: a claimed message whose request never left is sent once, after the lease."""
    gateway_id = odoo.make_gateway(gateway, testing_build_delay_s=20)
    odoo.text(odoo.make_contacts(1), "F1 kill")
    wait_for(lambda: database.states("F1 %").get("sending"), what="the claim")
    odoo.kill()
    assert not gateway.received, "the request had left already"
    assert database.states("F1 %") == {"sending": 1}
    age_leases(database)
    database.rows("UPDATE sms_gateway SET testing_build_delay_s = 0")
    odoo.start()
    odoo.wake(gateway_id)
    wait_for(settled(database, "F1 %", 1), what="the second try")
    assert database.states("F1 %") == {"sent": 1}
    assert gateway.texts == {"F1 kill": 1}


def test_f1_killed_again_and_again(odoo, database, gateway):
    """F1: a sender that was killed three times in a row does not rest for it."""
    gateway_id = odoo.make_gateway(gateway, testing_build_delay_s=20)
    start = odoo.log.stat().st_size
    for turn in range(3):
        odoo.text(odoo.make_contacts(1), f"F1 again {turn}")
        wait_for(
            lambda count=turn + 1: (
                database.states("F1 again%").get("sending", 0) == count
            ),
            what="the claim",
        )
        time.sleep(0.5)
        odoo.kill()
        odoo.start()
    age_leases(database)
    database.rows("UPDATE sms_gateway SET testing_build_delay_s = 0")
    odoo.wake(gateway_id)
    wait_for(settled(database, "F1 again%", 3), what="the texts")
    assert database.states("F1 again%") == {"sent": 3}
    assert set(gateway.texts.values()) == {1}
    assert b"timed out" not in odoo.log.read_bytes()[start:]


def test_f2_killed_before_the_answer_is_read(odoo, database, gateway):
    """F2: what the gateway took before the kill is unconfirmed, never sent again."""
    release = threading.Event()
    gateway.behave = lambda number, messages: release.wait(30) and None
    gateway_id = odoo.make_gateway(gateway)
    odoo.text(odoo.make_contacts(1), "F2 kill")
    wait_for(lambda: gateway.received, what="the request")
    restart(odoo)
    release.set()
    gateway.behave = None
    odoo.wake(gateway_id)
    wait_for(settled(database, "F2 %", 1), what="the recovery")
    assert database.states("F2 %") == {"unconfirmed": 1}
    odoo.wake(gateway_id)
    odoo.text(odoo.make_contacts(1), "F2 after")
    wait_for(settled(database, "F2 after", 1), what="the next text")
    assert gateway.texts == {"F2 kill": 1, "F2 after": 1}


def test_f2_is_settled_by_a_callback(odoo, database, gateway):
    """F2: the first report of the gateway settles an unconfirmed message."""
    gateway.behave = lambda number, messages: (200, {}, b"")
    gateway_id = odoo.make_gateway(gateway)
    odoo.text(odoo.make_contacts(1), "F2 settle")
    wait_for(settled(database, "F2 settle", 1), what="the outcome")
    assert database.states("F2 settle") == {"unconfirmed": 1}
    odoo.report(
        gateway_id, SECRET, message=gateway.received[0]["id"], status="delivered"
    )
    wait_for(
        lambda: database.states("F2 settle") == {"delivered": 1}, what="the settling"
    )


def test_f3_killed_before_the_result_is_stored(odoo, database, gateway):
    """F3: an answer that was read and not stored leaves the message unconfirmed."""
    stored = threading.Event()
    answered = threading.Event()

    def behave(number, messages):
        # Hold the row, so that the sender has the answer and cannot store it.
        def hold():
            with database.locked(
                "SELECT id FROM sms_gateway_message WHERE uuid = %s FOR UPDATE",
                messages[0]["id"],
            ):
                answered.set()
                stored.wait(30)

        threading.Thread(target=hold, daemon=True).start()
        answered.wait(10)

    gateway.behave = behave
    gateway_id = odoo.make_gateway(gateway)
    odoo.text(odoo.make_contacts(1), "F3 kill")
    wait_for(
        lambda: database.rows(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
            "AND datname = %s AND query LIKE '%%WITH outcome%%'",
            database.name,
        ),
        what="the wait for the row",
    )
    odoo.kill()
    stored.set()
    gateway.behave = None
    wait_for(
        lambda: (
            not database.rows(
                "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND state <> 'idle' "
                "AND pid <> pg_backend_pid()",
                database.name,
            )
        ),
        what="the end of the killed sender's statement",
    )
    # The statement may have got through after the kill: that is a stored result.
    before = database.states("F3 %")
    age_leases(database)
    odoo.start()
    odoo.wake(gateway_id)
    wait_for(settled(database, "F3 %", 1), what="the recovery")
    expected = {"sent": 1} if before == {"sent": 1} else {"unconfirmed": 1}
    assert database.states("F3 %") == expected
    assert gateway.texts == {"F3 kill": 1}


# ----------------------------------------------------------------------------
# Answers that are none
# ----------------------------------------------------------------------------


def test_f9_bad_gateway_at_the_sixth_of_ten(odoo, database, gateway):
    """F9: a 502 page hits only its own message; the others are sent once."""
    gateway.behave = lambda number, messages: (
        (502, {"Content-Type": "text/html"}, b"<html>Bad gateway</html>")
        if number == 6
        else None
    )
    odoo.make_gateway(gateway, parallel_requests=1)
    odoo.text(odoo.make_contacts(10), "F9 {{ object.id }}")
    wait_for(settled(database, "F9 %", 10), what="ten outcomes")
    assert database.states("F9 %") == {"sent": 9, "unconfirmed": 1}
    assert set(gateway.texts.values()) == {1}
    assert len(gateway.texts) == 10


@pytest.mark.parametrize(
    "label,body",
    [
        ("empty", b""),
        ("half", b'{"results": [{"id": "'),
        ("list", b"[]"),
        ("noid", b'{"results": [{"status": "accepted"}]}'),
        ("binary", b"\x00\xff\xfe"),
    ],
)
def test_f10_unusable_success(odoo, database, gateway, label, body):
    """F10: a 200 that cannot be read leaves the message unconfirmed, with a log."""
    gateway.behave = lambda number, messages: (200, {}, body)
    odoo.make_gateway(gateway)
    odoo.text(odoo.make_contacts(1), f"F10 {label}")
    wait_for(settled(database, f"F10 {label}", 1), what="the outcome")
    assert database.states(f"F10 {label}") == {"unconfirmed": 1}
    assert gateway.texts == {f"F10 {label}": 1}
    assert database.rows(
        "SELECT count(*) FROM sms_gateway_attempt a JOIN sms_gateway_message m "
        "ON m.id = a.message_id WHERE m.body = %s AND a.state = 'unconfirmed' "
        "AND a.http_status = 200",
        f"F10 {label}",
    ) == [(1,)]


def test_f11_throttling_slows_the_whole_gateway(odoo, database, gateway):
    """F11: a 429 counts no attempt and fails nothing; the queue goes on later."""
    gateway.behave = lambda number, messages: (
        (429, {"Retry-After": "30"}, b"slow down") if number == 3 else None
    )
    gateway_id = odoo.make_gateway(gateway, parallel_requests=1)
    odoo.text(odoo.make_contacts(10), "F11 {{ object.id }}")
    wait_for(
        lambda: database.rows(
            "SELECT 1 FROM sms_gateway WHERE id = %s "
            "AND throttled_until > now() AT TIME ZONE 'UTC' + interval '15 seconds'",
            gateway_id,
        ),
        what="the throttling",
    )
    wait_for(lambda: not database.states("F11 %").get("sending"), what="the release")
    # One request may leave while the answer to the throttled one is being read.
    assert database.states("F11 %") in (
        {"sent": 2, "queued": 8},
        {"sent": 3, "queued": 7},
    )
    assert database.rows(
        "SELECT DISTINCT attempts FROM sms_gateway_message "
        "WHERE body LIKE 'F11%%' AND state = 'queued'"
    ) == [(0,)]
    odoo.call("sms.gateway", "action_resume", [gateway_id])
    wait_for(settled(database, "F11 %", 10), what="the rest")
    assert database.states("F11 %") == {"sent": 10}
    # The throttled request was refused; every text was accepted exactly once.
    assert sum(gateway.texts.values()) == 11
    assert len(gateway.texts) == 10


def test_f11_a_message_that_is_always_throttled(odoo, database, gateway):
    """F11: a message that is throttled for ever does not hold up the others."""
    gateway.behave = lambda number, messages: (
        (429, {"Retry-After": "3600"}, b"") if "WEDGE" in messages[0]["text"] else None
    )
    gateway_id = odoo.make_gateway(gateway, parallel_requests=1)
    odoo.text(odoo.make_contacts(1), "F11 WEDGE")
    wait_for(lambda: len(gateway.received) == 1, what="the first try")
    odoo.text(odoo.make_contacts(1), "F11 free")
    wait_for(lambda: database.states("F11 WEDGE") == {"queued": 1}, what="the release")
    odoo.call("sms.gateway", "action_resume", [gateway_id])
    wait_for(settled(database, "F11 free", 1), what="the other text")
    assert database.states("F11 free") == {"sent": 1}


def test_a_gateway_without_usable_answers_is_paused(odoo, database, gateway):
    """A gateway that answers 502 to everything is paused before the queue is spent."""
    gateway.behave = lambda number, messages: (502, {}, b"<html>Bad gateway</html>")
    gateway_id = odoo.make_gateway(gateway, parallel_requests=2)
    odoo.text(odoo.make_contacts(60), "Outage {{ object.id }}")
    wait_for(
        lambda: database.rows(
            "SELECT 1 FROM sms_gateway WHERE id = %s AND paused_until IS NOT NULL",
            gateway_id,
        ),
        what="the pause",
    )
    wait_for(lambda: not database.states("Outage%").get("sending"), what="the release")
    states = database.states("Outage%")
    # A few more leave while the first answers are being read.
    assert states["unconfirmed"] == len(gateway.received) <= 20
    assert states["queued"] == 60 - states["unconfirmed"]


def test_one_probe_after_a_pause(odoo, database, gateway):
    """After a pause one message tries; while it gets no answer, no other leaves."""
    gateway.behave = lambda number, messages: (200, {}, b"")
    gateway_id = odoo.make_gateway(gateway, parallel_requests=4)
    database.rows(
        "UPDATE sms_gateway SET pause_reason = 'Test', failures_in_a_row = 5, "
        "paused_until = now() AT TIME ZONE 'UTC' - interval '1 second' WHERE id = %s",
        gateway_id,
    )
    odoo.text(odoo.make_contacts(10), "Probe {{ object.id }}")
    wait_for(
        lambda: database.rows(
            "SELECT 1 FROM sms_gateway WHERE id = %s "
            "AND paused_until > now() AT TIME ZONE 'UTC'",
            gateway_id,
        ),
        what="the next pause",
    )
    assert len(gateway.received) == 1
    assert database.states("Probe%") == {"unconfirmed": 1, "queued": 9}


def test_f12_no_connection_is_tried_again(odoo, database, gateway):
    """F12: while nobody listens, nothing is lost or counted as sent; then all go."""
    port = gateway.port
    gateway.close()
    gateway_id = odoo.make_gateway(gateway)
    odoo.text(odoo.make_contacts(3), "F12 {{ object.id }}")
    wait_for(
        lambda: database.rows(
            "SELECT 1 FROM sms_gateway_message WHERE body LIKE 'F12%%' "
            "AND state = 'queued' AND attempts = 1 AND failure_type = 'not_reached' "
            "AND due_at > now() AT TIME ZONE 'UTC'"
        ),
        what="the first try",
    )
    assert database.states("F12 %") == {"queued": 3}
    gateway._serve(port)
    odoo.call("sms.gateway", "action_resume", [gateway_id])
    wait_for(settled(database, "F12 %", 3), what="the second try")
    assert database.states("F12 %") == {"sent": 3}
    assert set(gateway.texts.values()) == {1}


@pytest.mark.parametrize(
    "url", ["http://no-such-host.invalid/", "https://127.0.0.1:{}/"]
)
def test_f12_dns_and_tls_are_tried_again(odoo, database, gateway, url):
    """F12: a name that does not resolve and a failed TLS handshake lose nothing."""
    url = url.format(gateway.port)
    text = f"F12 {url}"
    odoo.make_gateway(gateway, testing_url=url)
    odoo.text(odoo.make_contacts(1), text)
    wait_for(
        lambda: database.rows(
            "SELECT 1 FROM sms_gateway_message WHERE body = %s AND state = 'queued' "
            "AND attempts = 1 AND failure_type = 'not_reached'",
            text,
        ),
        what="the first try",
    )
    assert not gateway.received


def test_f12_no_answer_in_time_is_unconfirmed(odoo, database, gateway):
    """F12: a gateway that took the request and never answers is not asked again."""
    hold = threading.Event()
    gateway.behave = lambda number, messages: hold.wait(60) and None
    odoo.make_gateway(gateway)
    odoo.text(odoo.make_contacts(1), "F12 silence")
    try:
        wait_for(settled(database, "F12 silence", 1), what="the time-out")
        assert database.states("F12 silence") == {"unconfirmed": 1}
        assert gateway.texts == {"F12 silence": 1}
    finally:
        hold.set()


def test_f14_refused_account_keeps_the_queue(odoo, database, gateway):
    """F14: a 401 pauses the gateway with an alarm; mended, the whole queue goes out."""
    gateway.behave = lambda number, messages: (401, {}, b"who are you")
    gateway_id = odoo.make_gateway(gateway)
    odoo.text(odoo.make_contacts(20), "F14 {{ object.id }}")
    wait_for(
        lambda: database.rows(
            "SELECT 1 FROM sms_gateway WHERE id = %s AND paused_until IS NOT NULL",
            gateway_id,
        ),
        what="the pause",
    )
    wait_for(lambda: not database.states("F14 %").get("sending"), what="the release")
    assert database.states("F14 %") == {"queued": 20}
    assert database.rows(
        "SELECT count(*) FROM mail_activity WHERE res_model = 'sms.gateway' "
        "AND res_id = %s",
        gateway_id,
    ) == [(1,)]
    gateway.behave = None
    refused = len(gateway.received)
    odoo.call("sms.gateway", "action_resume", [gateway_id])
    wait_for(settled(database, "F14 %", 20), what="the queue")
    assert database.states("F14 %") == {"sent": 20}
    assert len(gateway.received) - refused == 20
    assert database.rows(
        "SELECT count(*) FROM mail_activity WHERE res_model = 'sms.gateway' "
        "AND res_id = %s",
        gateway_id,
    ) == [(0,)]


# ----------------------------------------------------------------------------
# One bad row, two companies, many hands
# ----------------------------------------------------------------------------


def test_f15_one_poisoned_row_of_five_hundred(odoo, database, gateway):
    """F15: 499 are sent and one is set aside, whatever is wrong with that one."""
    odoo.make_gateway(gateway, testing_batch=50)
    contacts = odoo.make_contacts(500, name="F15")
    # A name that makes one text too long, and a row that cannot be built.
    odoo.call("res.partner", "write", contacts[17:18], {"name": "x" * 20000})
    odoo.text(contacts, "F15 {{ object.name }}")
    wait_for(settled(database, "F15 %", 500), what="all outcomes")
    assert database.states("F15 %") == {"sent": 499, "failed": 1}
    assert len(gateway.texts) == sum(gateway.texts.values()) == 499


def test_f15_a_row_that_no_request_can_carry(odoo, database, gateway):
    """F15: a row that breaks the builder fails alone; its batch goes out."""
    odoo.make_gateway(gateway, testing_batch=50)
    odoo.text(odoo.make_contacts(19), "F15b {{ object.id }}")
    odoo.text(odoo.make_contacts(1), "F15b POISON")
    wait_for(settled(database, "F15b%", 20), what="all outcomes")
    assert database.states("F15b%") == {"sent": 19, "failed": 1}
    assert len(gateway.texts) == sum(gateway.texts.values()) == 19


def test_f16_two_companies_in_one_batch(odoo, database, gateway):
    """F16: a mass text over two companies goes out through both, each by its key."""
    other = CountingGateway()
    company = odoo.call("res.company", "create", {"name": "Second company"})
    odoo.call("res.users", "write", [2], {"company_ids": [(4, company)]})
    main = odoo.call("res.users", "read", [2], ["company_id"])[0]["company_id"][0]
    odoo.make_gateway(gateway, company_id=main)
    odoo.call(
        "sms.gateway",
        "create",
        {
            "name": "Gateway of the second company",
            "code": "testing",
            "state": "enabled",
            "company_id": company,
            "testing_url": other.url,
            "local_network": True,
            "testing_key": f"{KEY}-2",
        },
    )
    contacts = odoo.make_contacts(10)
    odoo.call("res.partner", "write", contacts[:5], {"company_id": main})
    odoo.call("res.partner", "write", contacts[5:], {"company_id": company})
    odoo.text(contacts, "F16 {{ object.id }}")
    try:
        wait_for(settled(database, "F16 %", 10), what="all outcomes")
        assert database.states("F16 %") == {"sent": 10}
        assert gateway.texts == {f"F16 {contact}": 1 for contact in contacts[:5]}
        assert other.texts == {f"F16 {contact}": 1 for contact in contacts[5:]}
        assert {h["Authorization"] for h in gateway.headers} == {f"Bearer {KEY}"}
        assert {h["Authorization"] for h in other.headers} == {f"Bearer {KEY}-2"}
    finally:
        other.close()


def test_f17_many_hands_send_once(odoo, database, gateway):
    """F17: cron workers and users who press "Send now" send each text once."""
    gateway_id = odoo.make_gateway(gateway, parallel_requests=4)
    odoo.text(odoo.make_contacts(200), "F17 {{ object.id }}")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _n: odoo.wake(gateway_id), range(16)))
    wait_for(settled(database, "F17 %", 200), what="all outcomes")
    assert database.states("F17 %") == {"sent": 200}
    assert len(gateway.texts) == sum(gateway.texts.values()) == 200


def test_f17_two_senders_of_one_gateway(odoo, database, gateway):
    """F17: even two senders at once, which Odoo never starts, share the queue."""
    gateway_id = odoo.make_gateway(gateway, parallel_requests=4)
    database.rows(
        "UPDATE ir_cron SET active = FALSE WHERE id = "
        "(SELECT cron_id FROM sms_gateway WHERE id = %s)",
        gateway_id,
    )
    odoo.text(odoo.make_contacts(300), "F17b {{ object.id }}")
    gateway.behave = lambda number, messages: time.sleep(0.02)
    with ThreadPoolExecutor(2) as pool:
        for _round in range(4):
            list(
                pool.map(
                    lambda _n: odoo.call("sms.gateway.drill", "run_sender", gateway_id),
                    range(2),
                )
            )
    wait_for(settled(database, "F17b%", 300), what="all outcomes")
    assert database.states("F17b%") == {"sent": 300}
    assert len(gateway.texts) == sum(gateway.texts.values()) == 300


def test_the_rate_limit_holds_in_any_second(odoo, database, gateway):
    """No second, wherever it begins, sees more parts than the gateway's limit."""
    rate = 20
    gateway_id = odoo.make_gateway(gateway, max_rate=rate)
    odoo.text(odoo.make_contacts(60), "Paced {{ object.id }}")
    wait_for(settled(database, "Paced%", 60), what="all outcomes")
    # By when each request left: what the network adds is not ours to pace.
    times = sorted(
        at
        for (at,) in database.rows(
            "SELECT extract(epoch FROM started_at)::float8 FROM sms_gateway_attempt "
            "WHERE gateway_id = %s",
            gateway_id,
        )
    )
    busiest = max(sum(1 for other in times if at <= other < at + 1) for at in times)
    assert len(times) == 60
    assert busiest <= rate, f"{busiest} in one second"


def test_an_urgent_text_overtakes_what_waits_for_its_slot(odoo, database, gateway):
    """At ten a second, a text written to one person is two slots behind at most."""
    odoo.make_gateway(gateway, max_rate=10)
    person = odoo.make_contacts(1, "Person")
    odoo.text(odoo.make_contacts(40), "Overtaken {{ object.id }}")
    wait_for(lambda: len(gateway.received) > 3, what="the first texts")
    odoo.text(person, "Urgent")
    before = len(gateway.received)
    wait_for(lambda: gateway.texts["Urgent"], what="the urgent text")
    texts = [message["text"] for message in gateway.received]
    # One may be under way, one may have its slot.
    assert texts.index("Urgent") <= before + 2
    assert len(texts) < 41, "nothing was left to overtake"
    wait_for(settled(database, "Overtaken%", 40), what="the others")


# ----------------------------------------------------------------------------
# The transaction of the user
# ----------------------------------------------------------------------------


def test_a_rollback_sends_nothing(odoo, database, gateway):
    """No HTTP call happens in a user's transaction: rolled back, nothing leaves."""
    odoo.make_gateway(gateway)
    partner = odoo.make_contacts(1)
    with pytest.raises(RpcError, match="rolled back on purpose"):
        odoo.call("sms.gateway.drill", "text_and_fail", partner, "Rolled back")
    odoo.text(partner, "After the rollback")
    wait_for(settled(database, "After the rollback", 1), what="the second text")
    assert gateway.texts == {"After the rollback": 1}
    assert database.states("Rolled back") == {}


def test_a_retried_transaction_sends_once(odoo, database, gateway):
    """F5's race: Odoo runs the user's transaction again; ten texts are ten texts."""
    odoo.make_gateway(gateway)
    partners = odoo.make_contacts(10)
    runs = odoo.call("sms.gateway.drill", "text_with_conflict", partners, "Retried")
    assert runs >= 2, "Odoo did not retry: the test shows nothing"
    wait_for(settled(database, "Retried%", 10), what="all outcomes")
    assert database.states("Retried%") == {"sent": 10}
    assert sum(gateway.texts.values()) == 10
    assert len(gateway.ids) == 10


def test_f5_callbacks_overtake_the_sender(odoo, database, gateway):
    """F5: reports that come while the request is under way double and lose nothing."""
    gateway_id = odoo.make_gateway(gateway, parallel_requests=4)

    def behave(number, messages):
        for message in messages:
            odoo.report(gateway_id, SECRET, message=message["id"], status="delivered")

    gateway.behave = behave
    odoo.text(odoo.make_contacts(10), "F5 {{ object.id }}")
    wait_for(lambda: database.states("F5 %") == {"delivered": 10}, what="the reports")
    assert sum(gateway.texts.values()) == 10
    assert len(gateway.ids) == 10


def test_neutralized_copy_texts_nobody(odoo, database, gateway):
    """T19: with the neutralisation flag set no sender claims anything."""
    gateway_id = odoo.make_gateway(gateway)
    odoo.call("ir.config_parameter", "set_param", "database.is_neutralized", "True")
    try:
        odoo.text(odoo.make_contacts(1), "Neutralised")
        odoo.call("sms.gateway.drill", "run_sender", gateway_id)
        assert database.states("Neutralised") == {"queued": 1}
        assert not gateway.received
    finally:
        odoo.call("ir.config_parameter", "set_param", "database.is_neutralized", False)


def test_no_secret_and_no_number_in_the_log(odoo, database):
    """T4, T20: the log of these runs names no key, token, text or whole number."""
    log = odoo.log.read_text(errors="replace")
    tokens = [
        token
        for (token,) in database.rows(
            "SELECT webhook_token FROM sms_gateway WHERE webhook_token IS NOT NULL"
        )
    ]
    assert tokens
    for secret in (KEY, SECRET, "F9 ", "F15 ", *tokens):
        assert secret not in log, f"{secret!r} is in the log"
    assert "+1202555" not in log
