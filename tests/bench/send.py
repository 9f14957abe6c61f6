# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""P3 to P7, P12 and P13: how fast texts leave, at what pace, and in which order."""

import time
from contextlib import contextmanager
from datetime import datetime
from statistics import median

from odoo import SUPERUSER_ID, api

from odoo.addons.sms_gateway_hub import const
from odoo.addons.sms_gateway_hub.tools.sender_run import SenderRun
from odoo.addons.sms_gateway_hub.tools.transaction import in_new_transaction

from .callbacks import callback_rates
from .ground import counted_queries
from .metrics import Row, metric, rate_of, take_turns

# What a provider on the other side of an ocean takes to answer.
LATENCY_S = 0.1
# Requests at once that the bar is held to, the most that a gateway allows, and fewer.
PARALLEL = 64
PARALLEL_MORE = (8, 16, 32)
_ALLOWED = "requests at once × texts in each / latency"
# At zero latency few threads are enough to keep both processors busy.
PARALLEL_ZERO = 4
# Of a provider nearby: a run of a few seconds sends some thousand texts.
_LATENCY_SHORT_S = 0.02
# Of the database: jobs that wait for it only hold a worker.
_HELD_LOCK = 7_190_014
_BATCH = 500


def run_sender(site, gateway_id, count, *, run_s, texts=True):
    """Queue texts and run the sender once; return (sent, seconds).

    :param int count: texts that wait, more than can be sent where time is what ends it
    :param float run_s: the run's budget, in seconds
    """
    if texts:
        site.fill(gateway_id, count)
        # What earlier runs left behind is not this one's.
        site.rows("VACUUM ANALYZE sms_gateway_message")
    [(before,)] = site.rows(
        "SELECT count(*) FROM sms_gateway_message "
        "WHERE gateway_id = %s AND state = 'sent'",
        gateway_id,
    )
    with site.env() as env:
        start = time.perf_counter()
        SenderRun(env, gateway_id, budget_s=run_s).run()
        took_s = time.perf_counter() - start
    [(after,)] = site.rows(
        "SELECT count(*) FROM sms_gateway_message "
        "WHERE gateway_id = %s AND state = 'sent'",
        gateway_id,
    )
    site.rows(
        "DELETE FROM sms_gateway_message WHERE gateway_id = %s AND state = 'queued'",
        gateway_id,
    )
    return after - before, took_s


def sender_rate(site, gateway_id, expected, run_s):
    """Return the texts per second of a run of the sender.

    :param float expected: the most that is possible, texts per second
    """
    waiting = int(expected * (run_s + 2)) + 1000
    sent, took_s = run_sender(site, gateway_id, waiting, run_s=run_s)
    return sent / took_s


def arrival_rate(bench, gateway_id, expected, run_s):
    """Let the sender run; return texts per second, as the gateway counted them."""
    bench.gateway.control(latency_s=LATENCY_S)
    waiting = int(expected * (run_s + 2)) + 1000
    sent, took_s = run_sender(bench.main, gateway_id, waiting, run_s=run_s)
    arrived = bench.gateway.control()["messages"]
    if arrived != sent:
        raise RuntimeError(f"{sent} texts are noted as sent, {arrived} arrived")
    return arrived / took_s


def core_rate(bench, latency_s, count):
    """Let core's Twilio provider send; return texts per second."""
    ids = bench.core_texts(count)
    bench.gateway.control(latency_s=latency_s)
    with bench.twilio_at_the_peer():
        rate = rate_of(count, lambda: bench.core_send(ids))
    if bench.gateway.control()["messages"] != count:
        raise RuntimeError("Core's texts did not reach the gateway")
    return rate


@metric("P3")
def measure_latency(bench):
    """Send at 100 ms: beside what the threads allow, and beside core's Twilio."""
    site, sizes = bench.main, bench.sizes
    site.empty()
    gateway_id = site.make_gateway(
        bench.gateway.url, name="Bench P3", parallel_requests=PARALLEL
    )
    possible = PARALLEL / LATENCY_S

    def bare():
        bench.gateway.control(latency_s=LATENCY_S)
        done, took_s = bench.bare.ask(
            port=bench.gateway.port, threads=PARALLEL, seconds=sizes.run_s
        )
        return done / took_s

    clickatell = list(_clickatell(bench))
    rates, core_rates, bare_rates, *clickatell_rates = take_turns(
        sizes.pairs,
        lambda: arrival_rate(bench, gateway_id, possible, sizes.run_s),
        lambda: core_rate(bench, LATENCY_S, sizes.core_texts),
        bare,
        *[
            lambda side=side: arrival_rate(bench, *side[1:], sizes.run_s)
            for side in clickatell
        ],
    )
    name = f"Send at 100 ms, {PARALLEL} requests at once"
    yield from _beside_threads_and_core(name, rates, possible, core_rates)
    yield Row("P3", name, "texts/s", rates, bare_rates, "bare HTTP client, as many")
    for parallel in PARALLEL_MORE if sizes.growth else ():
        site.set(gateway_id, parallel_requests=parallel)
        possible = parallel / LATENCY_S
        rate = arrival_rate(bench, gateway_id, possible, sizes.run_s)
        yield Row(
            "P3",
            f"Send at 100 ms, {parallel} requests at once",
            "texts/s",
            [rate],
            [possible],
            _ALLOWED,
        )
    for (name, _id, most), rates in zip(clickatell, clickatell_rates, strict=True):
        yield from _beside_threads_and_core(name, rates, most, core_rates)
    site.empty()


def _beside_threads_and_core(name, rates, possible, core_rates):
    """Give the two rows that have bars.

    :param float possible: texts per second that latency and requests at once allow
    """
    yield Row(
        "P3",
        name,
        "texts/s",
        rates,
        [possible] * len(rates),
        _ALLOWED,
        (">=", 0.9),
    )
    yield Row(
        "P3",
        name,
        "texts/s",
        rates,
        core_rates,
        "Odoo's Twilio provider",
        (">=", 50.0),
    )


def _clickatell(bench):
    """Make a gateway for each of Clickatell's interfaces, in requests as it takes.

    :return: iterator of (name of the row, gateway id, texts per second possible)
    """
    sizes = bench.sizes
    with bench.main.env() as env:
        adapter = env["sms.gateway.adapter.clickatell"]
        if type(adapter)._prepare_send_requests is (
            type(env["sms.gateway.adapter"])._prepare_send_requests
        ):
            return
        gateways = env["sms.gateway"]
        apis = [name for name, _label in gateways._fields["clickatell_api"].selection]
        # The quick run has time for the one that new accounts have.
        for interface in apis if sizes.growth or sizes.pairs == 1 else apis[:1]:
            gateway = gateways.create(
                {
                    "name": f"Bench Clickatell {interface}",
                    "code": "clickatell",
                    "state": "enabled",
                    "company_id": env.ref("base.main_company").id,
                    "clickatell_url": f"http://127.0.0.1:{bench.gateway.port}",
                    "local_network": True,
                    "clickatell_api": interface,
                    "clickatell_api_key": "KEY-OF-THE-BENCH==",
                    "clickatell_user": "bench",
                    "clickatell_password": "PASSWORD-OF-THE-BENCH",
                    "clickatell_api_id": "1234",
                }
            )
            gateway.cron_id.active = False
            per_request = gateway._get_adapter()._get_max_messages_per_request(gateway)
            # As many requests as 64 texts at once need, and at least one.
            parallel = max(1, PARALLEL // per_request)
            gateway.parallel_requests = parallel
            yield (
                f"Clickatell “{interface}” at 100 ms, {parallel} requests at once of "
                f"up to {per_request}",
                gateway.id,
                parallel * per_request / LATENCY_S,
            )


@metric("P4")
def measure_no_latency(bench):
    """Send at zero latency, one request each: beside a bare client, and core."""
    site, sizes = bench.main, bench.sizes
    site.empty()
    gateway_id = site.make_gateway(
        bench.gateway.url, name="Bench P4", parallel_requests=PARALLEL_ZERO
    )
    count = max(100, int(700 * sizes.run_s))

    def ours():
        bench.gateway.control(latency_s=0.0)
        sent, took_s = run_sender(site, gateway_id, count, run_s=60)
        return sent / took_s

    def bare():
        bench.gateway.control(latency_s=0.0)
        done, took_s = bench.bare.ask(port=bench.gateway.port, threads=1, count=count)
        return done / took_s

    rates, bare_rates, core_rates = take_turns(
        sizes.pairs, ours, bare, lambda: core_rate(bench, 0.0, min(count, 100))
    )
    name = "Send at zero latency, one request each"
    yield Row(
        "P4",
        name,
        "texts/s",
        rates,
        bare_rates,
        "bare HTTP client in a loop",
        (">=", 0.35),
    )
    yield Row("P4", name, "texts/s", rates, core_rates, "Odoo's Twilio provider")
    site.empty()


# -- P5 --------------------------------------------------------------------------


def our_claims(site, gateway_id, count, *, gate=False):
    """Claim and finish waiting texts in batches; return texts per second.

    :param bool gate: let each pass the gate as well, and stamp it before it leaves
    """
    with site.registry.cursor() as cr:
        env = api.Environment(cr, SUPERUSER_ID, {})
        run = SenderRun(env, gateway_id)
        start = time.perf_counter()
        done = 0
        while done < count:
            rows = in_new_transaction(env, lambda new: _claim(run, new, gate))
            if not rows:
                raise RuntimeError(f"{done} of {count} texts could be claimed")
            if gate:
                in_new_transaction(env, lambda new, claimed=rows: _stamp(new, claimed))
            in_new_transaction(
                env, lambda new, claimed=rows: _finish(new, gateway_id, claimed)
            )
            done += len(rows)
        return done / (time.perf_counter() - start)


def _claim(run, env, gate):
    gateway = env["sms.gateway"].browse(run.gateway_id)
    rows = env["sms.gateway.message"]._claim(gateway, _BATCH)
    if gate:
        refused = [
            row for row, decision in run._ask_gate(env, gateway, rows) if decision
        ]
        if refused:
            raise RuntimeError("The gate refused texts of the benchmark")
    return rows


def _stamp(env, rows):
    env["sms.gateway.message"]._stamp(
        [row["id"] for row in rows], rows[0]["attempt_ref"]
    )


def _finish(env, gateway_id, rows):
    now = datetime.now()
    env["sms.gateway.message"]._record(
        env["sms.gateway"].browse(gateway_id),
        [
            {
                "id": row["id"],
                "attempt_ref": row["attempt_ref"],
                "state": "sent",
                "external_ref": f"R-{row['uuid']}",
                "counts": True,
                "retry_in_s": 0.0,
                "started_at": now,
                "ended_at": now,
                "http_status": 200,
            }
            for row in rows
        ],
    )


def bare_claims(site, gateway_id, count):
    """The same two steps in bare SQL: nothing but the states, durable."""
    start = time.perf_counter()
    done = 0
    while done < count:
        ids = site.rows(
            """
            UPDATE sms_gateway_message SET state = 'sending'
             WHERE id IN (SELECT id FROM sms_gateway_message
                           WHERE gateway_id = %s AND state = 'queued'
                             AND priority = '3'
                        ORDER BY due_at, id LIMIT %s FOR UPDATE SKIP LOCKED)
            RETURNING id
            """,
            gateway_id,
            _BATCH,
        )
        if not ids:
            raise RuntimeError(f"{done} of {count} texts could be claimed")
        site.rows(
            "UPDATE sms_gateway_message SET state = 'sent', external_ref = 'R-' || id "
            "WHERE id = ANY(%s) AND state = 'sending'",
            [row[0] for row in ids],
        )
        done += len(ids)
    return done / (time.perf_counter() - start)


def claim_pairs(site, gateway_id, count, pairs):
    """Measure the steps in turns; return samples (ours, with the gate, bare SQL)."""

    def fresh(measure):
        def sample():
            site.rows(
                "DELETE FROM sms_gateway_message WHERE gateway_id = %s AND "
                "state IN ('queued', 'sent')",
                gateway_id,
            )
            site.rows("VACUUM sms_gateway_message")
            site.fill(gateway_id, count)
            site.rows("ANALYZE sms_gateway_message")
            return measure()

        return sample

    return take_turns(
        pairs,
        fresh(lambda: our_claims(site, gateway_id, count)),
        fresh(lambda: our_claims(site, gateway_id, count, gate=True)),
        fresh(lambda: bare_claims(site, gateway_id, count)),
    )


@metric("P5")
def measure_claims(bench):
    """Claim and finish without HTTP: beside bare SQL."""
    site, sizes = bench.main, bench.sizes
    site.empty()
    gateway_id = site.make_gateway(bench.gateway.url, name="Bench P5")
    count = max(500, min(sizes.bulk // 2 // _BATCH, 20) * _BATCH)
    alone, gated, bare = claim_pairs(site, gateway_id, count, sizes.pairs)
    against = "two bare SQL statements for 500"
    yield Row(
        "P5",
        "Claim and finish, in batches of 500, with the log of attempts",
        "texts/s",
        alone,
        bare,
        against,
        (">=", 0.5),
    )
    yield Row("P5", "The same with gate and stamp", "texts/s", gated, bare, against)
    site.empty()


# -- P6, P7 ----------------------------------------------------------------------


def most_in_a_second(arrivals):
    """Return how many came in the fullest second of all.

    :param list arrivals: (Unix time, recipient, messages)
    """
    times = sorted(at for at, _to, count in arrivals for _n in range(count))
    most = first = 0
    for last, at in enumerate(times):
        while at - times[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


@metric("P6")
def measure_caps(bench):
    """Caps of 1, 10 and 100 parts a second, while two servers run the jobs."""
    site, sizes = bench.main, bench.sizes
    site.empty()
    caps = (1, 10, 100)
    ids = {}
    for cap in caps:
        ids[cap] = site.make_gateway(
            bench.gateway.url, name=f"Bench P6 {cap}", max_rate=cap
        )
    bench.gateway.control(latency_s=0.02)
    for cap in caps:
        # The recipient tells which cap a text is for.
        site.fill(ids[cap], int(cap * (sizes.cap_s + 15)), text=f"Cap {cap}")
        site.rows(
            "UPDATE sms_gateway_message SET number = %s WHERE gateway_id = %s",
            f"+1202555{cap:04d}",
            ids[cap],
        )
        _set_job(site, ids[cap], active=True)
    names = {f"+1202555{cap:04d}": cap for cap in caps}
    with bench.servers((site, "caps-1"), (site, "caps-2"), cron_threads=3):
        _wake(site, list(ids.values()))
        arrivals = _watch(bench, names, sizes.cap_s)
        _end_jobs(site, ids.values())
    for cap in caps:
        came = arrivals[cap]
        yield Row(
            "P6",
            f"Most in any second at a cap of {cap}, two servers",
            "parts",
            [most_in_a_second(came)],
            [cap],
            "the cap",
            ("<=", 1.0),
        )
        yield Row(
            "P6",
            f"Rate over {sizes.cap_s:.0f} s at a cap of {cap}, two servers",
            "parts/s",
            # Between the first and the last one: whole slots.
            [(len(came) - 1) / (came[-1][0] - came[0][0])],
            [cap],
            "the cap",
            (">=", 0.97),
        )
    site.empty()


def _watch(bench, names, seconds):
    """Wait until each cap was watched for some seconds; return arrivals by cap."""
    end = time.monotonic() + seconds + 60
    while time.monotonic() < end:
        time.sleep(0.5)
        by_cap = {cap: [] for cap in names.values()}
        for arrival in bench.gateway.control()["arrivals"]:
            if arrival[1] in names:
                by_cap[names[arrival[1]]].append(arrival)
        if all(
            came and came[-1][0] - came[0][0] >= seconds for came in by_cap.values()
        ):
            return by_cap
    raise RuntimeError("The senders did not start")


def _set_job(site, gateway_id, *, active):
    site.rows(
        "UPDATE ir_cron SET active = %s, nextcall = now() AT TIME ZONE 'UTC' "
        "WHERE id = (SELECT cron_id FROM sms_gateway WHERE id = %s)",
        active,
        gateway_id,
    )


def _end_jobs(site, gateway_ids):
    # Nothing waits any more, which ends their runs; to change a job waits for its run.
    site.rows("DELETE FROM sms_gateway_message WHERE state = 'queued'")
    for gateway_id in gateway_ids:
        _set_job(site, gateway_id, active=False)


def _wake(site, gateway_ids):
    with site.env() as env:
        env["sms.gateway"].browse(gateway_ids)._trigger_sender()


def _make_waiting_jobs(site, count):
    """Make jobs that only wait: for whoever holds a lock of the database."""
    with site.env() as env:
        jobs = env["ir.cron"].create(
            [
                {
                    "name": f"Bench P7 waits {n}",
                    "model_id": env.ref("base.model_res_users").id,
                    "state": "code",
                    "code": "env.cr.execute("
                    f"'SELECT pg_advisory_xact_lock_shared({_HELD_LOCK})')",
                    "interval_type": "days",
                    "active": False,
                }
                for n in range(count)
            ]
        )
        return jobs.ids


@contextmanager
def _workers_held(site, job_ids):
    """Let jobs that only wait hold as many of the server's cron workers."""
    set_active = "UPDATE ir_cron SET active = %s WHERE id = ANY(%s)"
    site.rows(set_active, True, job_ids)
    site.rows("SELECT pg_advisory_lock(%s)", _HELD_LOCK)
    with site.env() as env:
        for job in env["ir.cron"].browse(job_ids):
            job._trigger()
    try:
        _await(
            lambda: (
                site.rows(
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' "
                    "AND objid = %s AND NOT granted",
                    _HELD_LOCK,
                )
                == [(len(job_ids),)]
            ),
            "The workers did not start what holds them",
        )
        yield
    finally:
        site.rows("SELECT pg_advisory_unlock(%s)", _HELD_LOCK)
        # Waits for the end of those that run.
        site.rows(set_active, False, job_ids)


@contextmanager
def _senders_at_work(site, gateway_ids):
    """Put gateways into service, and out of it again: what waits there stays."""
    set_state = "UPDATE sms_gateway SET state = %s WHERE id = ANY(%s)"

    def slots():
        return dict(
            site.rows(
                "SELECT id, next_slot_at FROM sms_gateway WHERE id = ANY(%s)",
                gateway_ids,
            )
        )

    before = slots()
    site.rows(set_state, "enabled", gateway_ids)
    _wake(site, gateway_ids)
    try:
        # A run takes slots for what it claims.
        _await(
            lambda: all(at != before[key] for key, at in slots().items()),
            "The senders did not start",
        )
        yield
    finally:
        site.rows(set_state, "disabled", gateway_ids)
        _await_end_of_runs(site, gateway_ids)


def _await(condition, message):
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(message)
        time.sleep(0.02)


def _await_end_of_runs(site, gateway_ids):
    # Whoever runs a job holds its row.
    site.rows(
        "SELECT FROM ir_cron WHERE id IN "
        "(SELECT cron_id FROM sms_gateway WHERE id = ANY(%s)) FOR SHARE",
        gateway_ids,
    )


class Replies:
    """Queues replies one by one, and sees when they reach the gateway."""

    def __init__(self, bench):
        self.bench = bench
        self.count = 0

    def measure(self, gateway_id):
        """Queue a reply and return the seconds until it reached the gateway."""
        self.count += 1
        number = f"+1303555{self.count:04d}"
        with self.bench.main.env() as env:
            start = time.time()
            env["sms.gateway.message"]._enqueue(
                [
                    {
                        "gateway_id": gateway_id,
                        "kind": "reply",
                        "priority": const.PRIORITY_HIGH,
                        "number": number,
                        "body": "A reply",
                    }
                ]
            )
        found = []

        def has_arrived():
            arrivals = self.bench.gateway.control()["arrivals"]
            found.extend(at for at, to, _count in arrivals if to == number)
            return found

        _await(has_arrived, "The reply did not arrive")
        return found[0] - start

    def measure_some(self, gateway_id):
        """Measure replies one after the other's run; return a list of seconds."""
        self.bench.gateway.control(latency_s=_LATENCY_SHORT_S)
        waits = []
        for _n in range(self.bench.sizes.replies):
            waits.append(self.measure(gateway_id))
            _await_end_of_runs(self.bench.main, [gateway_id])
        return waits


@metric("P7")
def measure_replies(bench):
    """A reply while very many texts wait: at that gateway, and at another one."""
    site, sizes = bench.main, bench.sizes
    site.empty()
    bulk = {
        cap: site.make_gateway(
            bench.gateway.url, name=f"Bench P7 {cap}", max_rate=cap, state="disabled"
        )
        for cap in (1, 10)
    }
    bulk_ids = list(bulk.values())
    other = site.make_gateway(bench.gateway.url, name="Bench P7 B")
    bench.gateway.control(latency_s=_LATENCY_SHORT_S)
    for gateway_id in bulk_ids:
        site.fill(gateway_id, sizes.waiting)
    site.rows("VACUUM ANALYZE sms_gateway_message")
    for gateway_id in (*bulk_ids, other):
        _set_job(site, gateway_id, active=True)
    waiting_jobs = _make_waiting_jobs(site, len(bulk))
    replies = Replies(bench)

    def held():
        with _workers_held(site, waiting_jobs):
            return replies.measure_some(other)

    def beside():
        with _senders_at_work(site, bulk_ids):
            return replies.measure_some(other)

    with bench.server(site, "replies", cron_threads=4):
        replies.measure(other)
        blocks = take_turns(
            sizes.pairs, lambda: replies.measure_some(other), held, beside
        )
        with _senders_at_work(site, bulk_ids):
            samples = take_turns(
                sizes.pairs, *[lambda g=g: replies.measure(g) for g in bulk_ids]
            )
        for gateway_id in (*bulk_ids, other):
            _set_job(site, gateway_id, active=False)
    for cap, waits in zip(bulk, samples, strict=True):
        yield Row(
            "P7",
            f"A reply behind {sizes.waiting:,} texts at a cap of {cap}: seconds × cap",
            "slots",
            [wait_s * cap for wait_s in waits],
            [1.0] * len(waits),
            "one slot",
            ("<=", 2.0),
        )
    at_rest, held_back, disturbed = (
        [median(block) for block in side] for side in blocks
    )
    details = dict(zip(("at_rest", "held", "beside"), blocks, strict=True))
    name = f"Replies at another gateway meanwhile, {sizes.replies} in each turn"
    yield Row(
        "P7",
        name,
        "s",
        disturbed,
        at_rest,
        "the same while no job runs",
        ("<=", 1.05),
        details=details,
    )
    yield Row(
        "P7",
        name,
        "s",
        disturbed,
        held_back,
        "the same while idle jobs hold as many workers",
    )
    site.empty()


# -- P12, P13 --------------------------------------------------------------------


@metric("P12")
def measure_history(bench):
    """The same with many messages on file as with few."""
    sizes = bench.sizes
    few, many = bench.main, bench.large()
    few.empty()
    gateway_ids = {
        site.name: site.make_gateway(
            bench.gateway.url, name="Bench P12", parallel_requests=PARALLEL
        )
        for site in (few, many)
    }
    for site, count in ((few, 1_000), (many, sizes.stored)):
        archive = site.make_gateway(bench.gateway.url, name="Bench P12 archive")
        site.fill(archive, count // 2, state="sent")
        site.fill(archive, count - count // 2, state="delivered")
        site.rows("VACUUM ANALYZE sms_gateway_message")

    def against(what):
        return f"{what} with 1,000"

    label = f"with {sizes.stored:,} messages on file"
    possible = PARALLEL / LATENCY_S
    # Of two runs alike the ends count alike: the quick mode's may be shorter.
    run_s = sizes.run_s if sizes.growth else sizes.run_s / 2

    def send(site):
        bench.gateway.control(latency_s=LATENCY_S)
        return sender_rate(site, gateway_ids[site.name], possible, run_s)

    rates = take_turns(sizes.pairs, lambda: send(many), lambda: send(few))
    yield Row("P12", f"P3 {label}", "texts/s", *rates, against("P3"), (">=", 0.9))

    def claim(site):
        gateway_id = gateway_ids[site.name]
        site.rows("DELETE FROM sms_gateway_message WHERE gateway_id = %s", gateway_id)
        site.fill(gateway_id, 5 * _BATCH)
        return our_claims(site, gateway_id, 5 * _BATCH)

    rates = take_turns(sizes.pairs, lambda: claim(many), lambda: claim(few))
    yield Row("P12", f"P5 {label}", "texts/s", *rates, against("P5"), (">=", 0.9))
    rates = callback_rates(bench, many, few, gateway_ids)
    yield Row("P12", f"P8 {label}", "callbacks/s", *rates, against("P8"), (">=", 0.9))
    few.empty()


@metric("P13")
def measure_queries(bench):
    """Statements of the database for 500 texts, in runs as they are; core's beside."""
    site, sizes = bench.main, bench.sizes
    site.empty()
    gateway_id = site.make_gateway(
        bench.gateway.url, name="Bench P13", parallel_requests=PARALLEL
    )
    run_s = max(sizes.run_s, const.SENDER_BUDGET_S / 2)
    if sizes.pairs == 1:
        run_s = sizes.run_s

    def ours(run_s=run_s):
        bench.gateway.control(latency_s=_LATENCY_SHORT_S)
        site.fill(gateway_id, int(4_000 * run_s))
        with counted_queries() as queries:
            sent, _took_s = run_sender(site, gateway_id, 0, run_s=run_s, texts=False)
        return queries[0] / sent * _BATCH

    def core():
        # What core sends in one go as well.
        ids = bench.core_texts(_BATCH)
        bench.gateway.control(latency_s=0.0)
        with bench.twilio_at_the_peer(), counted_queries() as queries:
            bench.core_send(ids)
        return queries[0]

    ours(run_s=min(run_s, 0.5))  # fills the caches
    queries, core_queries = take_turns(sizes.pairs, ours, core)
    name = "Database statements for 500 texts"
    yield Row(
        "P13",
        name,
        "statements",
        queries,
        [8.0] * len(queries),
        "eight",
        ("<=", 1.0),
    )
    yield Row(
        "P13", name, "statements", queries, core_queries, "Odoo's Twilio provider"
    )
    site.empty()
