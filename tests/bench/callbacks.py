# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""P8 to P10: how fast callbacks are taken, and how cheaply forged ones are refused."""

import time
from contextlib import contextmanager

from odoo.addons.sms_gateway_hub import const
from odoo.addons.sms_gateway_hub.tools.transaction import in_new_transaction

from .ground import SECRET, TWILIO_TOKEN
from .metrics import Row, metric, take_turns

EMPTY = "/sms_gateway_bench/empty"
_BATCH = 100
_COUNTERS = "sms_gateway_rate"
# Forged callbacks from one address: more than are counted of them in a minute, and
# done within so many seconds.
_FORGED_MIN = 80
_FORGED_S = 10


class Caller:
    """Posts callbacks of one kind to a server, each about other texts than before."""

    def __init__(self, bench, server, kind, **job):
        self.bench = bench
        self.port = server.port
        self.kind = kind
        self.job = job
        self.next = 0

    def call(self, count, expected=200, **more):
        """Post some; return what the load generator measured.

        :param expected: a status, or several of which any may come
        :raise RuntimeError: one was answered otherwise than expected
        """
        figures = self.bench.load.ask(
            kind=self.kind,
            port=self.port,
            count=count,
            next=self.next,
            **{"threads": self.bench.sizes.threads, **self.job, **more},
        )
        self.next = figures["next"]
        expected = {expected} if isinstance(expected, int) else expected
        if not set(figures["statuses"]) <= {str(status) for status in expected}:
            raise RuntimeError(f"{self.kind} was answered {figures['statuses']}")
        return figures

    def rate(self, count, **values):
        """Post some; return how many were answered in a second."""
        return count / self.call(count, **values)["seconds"]


def make_caller(bench, site, server, gateway_id, *, texts=2_000, **job):
    """Return a caller with reports about texts that were sent."""
    first, last = site.fill(gateway_id, texts, state="sent")
    refs = site.rows(
        "SELECT external_ref FROM sms_gateway_message WHERE id BETWEEN %s AND %s",
        first,
        last,
    )
    [(token,)] = site.rows(
        "SELECT webhook_token FROM sms_gateway WHERE id = %s", gateway_id
    )
    return Caller(
        bench,
        server,
        "callback",
        path=f"/sms_gateway/{token}/status",
        secret=SECRET,
        refs=[row[0] for row in refs],
        **{"events": 1, **job},
    )


def make_empty(bench, server):
    return Caller(bench, server, "get", path=EMPTY)


def callback_rates(bench, many, few, gateway_ids):
    """Measure P8 on two databases in turns; return both lists of rates."""
    count = bench.sizes.callbacks
    with (
        bench.servers(
            (many, "callbacks-many"),
            (few, "callbacks-few"),
            workers=bench.sizes.workers,
            cron_threads=0,
        ) as (big, small),
        job_in_service(many),
        job_in_service(few),
    ):
        sides = []
        for site, server in ((many, big), (few, small)):
            caller = make_caller(bench, site, server, gateway_ids[site.name])
            caller.rate(count)  # every worker has its caches
            sides.append(lambda caller=caller: caller.rate(count))
        return take_turns(bench.sizes.pairs, *sides)


def _core_trackers(site, count):
    """Put texts of core on file, with their notifications; return their uuids."""
    return [
        row[0]
        for row in site.rows(
            """
            WITH shown AS (
                INSERT INTO mail_message (model, res_id, message_type, body, author_id,
                                          date, create_date)
                SELECT 'res.partner', 1, 'sms', 'Bench', author.partner_id,
                       now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
                  FROM generate_series(1, %s) AS n,
                       (SELECT partner_id FROM res_users WHERE login = 'admin')
                       AS author RETURNING id),
            told AS (
                INSERT INTO mail_notification (mail_message_id, res_partner_id,
                            notification_type, notification_status, sms_number)
                SELECT id, 1, 'sms', 'pending', '+12125550100' FROM shown
                RETURNING id)
            INSERT INTO sms_tracker (sms_uuid, mail_notification_id, create_date)
            SELECT md5(random()::text || id), id, now() AT TIME ZONE 'UTC' FROM told
            RETURNING sms_uuid
            """,
            count,
        )
    ]


@contextmanager
def job_in_service(site):
    """Let callbacks wake the job that applies them, as they do; nothing runs it."""
    query = """
        UPDATE ir_cron SET active = %s WHERE id IN (
               SELECT res_id FROM ir_model_data
                WHERE module = 'sms_gateway_hub' AND name = 'ir_cron_apply_events')
    """
    site.rows(query, True)
    try:
        yield
    finally:
        site.rows(query, False)
        site.rows("DELETE FROM ir_cron_trigger")


@metric("P8", "P9", "P10")
def measure_callbacks(bench):
    """Callbacks, signed, stored durably before the answer; an empty route; core's."""
    site, sizes = bench.main, bench.sizes
    site.empty()
    gateway_id = site.make_gateway(bench.gateway.url, name="Bench callbacks")
    count = sizes.callbacks
    # Core finds the company, and with it the key, by the text's row.
    company_id = bench.core_company()
    ids = bench.core_texts(min(count, 100))
    uuids = [
        row[0] for row in site.rows("SELECT uuid FROM sms_sms WHERE id = ANY(%s)", ids)
    ]
    site.rows(
        "INSERT INTO sms_tracker (sms_uuid) SELECT unnest(%s::varchar[]) "
        "ON CONFLICT DO NOTHING",
        uuids,
    )
    with (
        bench.server(
            site, "callbacks", workers=sizes.workers, cron_threads=0
        ) as server,
        job_in_service(site),
    ):
        with site.env() as env:
            base_url = env["res.company"].browse(company_id).get_base_url()
        empty = make_empty(bench, server)
        single = make_caller(bench, site, server, gateway_id)
        forged = make_caller(bench, site, server, gateway_id, forged=True)
        many = make_caller(bench, site, server, gateway_id, events=_BATCH)
        twilio = Caller(
            bench,
            server,
            "twilio",
            uuids=uuids,
            secret=TWILIO_TOKEN,
            base_url=base_url,
        )
        batches = max(2, count // 8)
        warm_up = 2 * sizes.threads
        core_statuses = (warm_up + batches * sizes.pairs) * _BATCH
        core = Caller(
            bench,
            server,
            "core_batch",
            # Each once: it does little about what it has been told before.
            uuids=_core_trackers(site, core_statuses),
            events=_BATCH,
        )
        # Every worker has its caches.
        for caller in (empty, single, many, core, twilio):
            caller.rate(warm_up)
        sides = take_turns(
            sizes.pairs,
            lambda: empty.rate(count),
            lambda: single.rate(count),
            lambda: twilio.rate(count),
            lambda: many.rate(batches) * _BATCH,
            lambda: core.rate(batches) * _BATCH,
            lambda: _apply_rate(bench, gateway_id),
        )
        empty_rates, rates, twilio_rates, batch_rates, core_rates, applied = sides
        forged_count = max(count, _FORGED_MIN)
        writes, stranger_writes, counted = [], [], []

        def refuse():
            [(now,)] = site.rows("SELECT txid_current()")
            rate = forged.rate(forged_count, expected=403)
            writes.append(sum(_written_since(site, now).values()))
            return rate

        def refuse_stranger():
            # Each time another one, whose bad calls of this minute nobody counted yet.
            source = f"127.0.1.{len(counted) + 1}"
            _await_room_in_minute()
            [(now,)] = site.rows("SELECT txid_current()")
            rate = forged.rate(forged_count, expected=(403, 429), source=source)
            written = _written_since(site, now)
            written.pop(_COUNTERS, None)
            stranger_writes.append(sum(written.values()))
            counted.append(_counted_since(site, now))
            return rate

        refused, accepted, held_off, nothing = take_turns(
            sizes.pairs,
            refuse,
            lambda: single.rate(count),
            refuse_stranger,
            lambda: empty.rate(count),
        )
    yield Row(
        "P8",
        "Signed callback of one event, durable before the answer",
        "callbacks/s",
        rates,
        empty_rates,
        "an empty route of Odoo",
        (">=", 0.55),
    )
    yield Row(
        "P8",
        "Status callback of Odoo's Twilio provider",
        "callbacks/s",
        twilio_rates,
        empty_rates,
        "an empty route of Odoo",
    )
    against = "Odoo's own route for batches, which applies them before it answers"
    yield Row(
        "P9",
        f"Callbacks of {_BATCH} events: stored durably and answered",
        "statuses/s",
        batch_rates,
        core_rates,
        against,
        (">=", 3.0),
    )
    yield Row(
        "P9",
        "Their statuses applied to the messages, afterwards",
        "statuses/s",
        applied,
        core_rates,
        against,
    )
    yield Row(
        "P9",
        "Stored and applied, one after the other",
        "statuses/s",
        [
            1 / (1 / stored + 1 / done)
            for stored, done in zip(batch_rates, applied, strict=True)
        ],
        core_rates,
        against,
    )
    yield Row(
        "P10",
        "Forged callbacks refused",
        "callbacks/s",
        refused,
        accepted,
        "genuine ones taken",
        (">=", 1.5),
    )
    yield Row(
        "P10",
        "Forged callbacks refused",
        "callbacks/s",
        refused,
        nothing,
        "an empty route of Odoo",
    )
    yield Row(
        "P10",
        "The same from a new address that sends no genuine ones",
        "callbacks/s",
        held_off,
        accepted,
        "genuine ones taken",
    )
    every = f"{forged_count * len(writes):,}"
    for name, figure in (
        (f"Rows written by {every} forged callbacks", sum(writes)),
        (
            f"Rows written by {every} from new addresses, counters apart",
            sum(stranger_writes),
        ),
    ):
        yield Row("P10", name, "rows", [figure], [1.0], "one", ("<=", 0.0))
    # What a process may still use when the others have used up the rest is refused, but
    # told of: see SharedLimit.
    yield Row(
        "P10",
        "Writes of the counter of one new address, at most",
        "writes",
        [max(counted)],
        [10.0 + sizes.processes - 1],
        "ten a minute, and one for each further process",
        ("<=", 1.0),
    )
    site.empty()


def _apply_rate(bench, gateway_id):
    """Apply stored statuses; return how many per second."""
    site = bench.main
    site.rows("DELETE FROM sms_gateway_event")
    count = 10 * _BATCH if bench.sizes.pairs > 1 else _BATCH
    first, last = site.fill(gateway_id, count, state="sent")
    # What core tells of as well: a notification in a chatter.
    site.rows(
        "UPDATE sms_gateway_message AS message SET sms_uuid = known.uuid "
        "  FROM unnest(%s::varchar[]) WITH ORDINALITY AS known (uuid, n) "
        " WHERE message.id = %s + known.n - 1",
        _core_trackers(site, count),
        first,
    )
    site.rows(
        """
        INSERT INTO sms_gateway_event (gateway_id, event_key, kind, state,
               received_at, next_try_at, tries, external_ref, report_state,
               readable)
        SELECT gateway_id, 'bench-' || id, 'report', 'pending',
               now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC', 0, external_ref,
               'delivered', TRUE
          FROM sms_gateway_message WHERE id BETWEEN %s AND %s
        """,
        first,
        last,
    )
    return _apply(site, count)


def _apply(site, count):
    start = time.perf_counter()
    with site.env() as env:
        while in_new_transaction(
            env, lambda new: new["sms.gateway.event"]._apply_due()
        ):
            pass
    took_s = time.perf_counter() - start
    [(left,)] = site.rows(
        "SELECT count(*) FROM sms_gateway_event WHERE state != 'applied'"
    )
    if left:
        raise RuntimeError(f"{left} of {count} statuses were not applied")
    return count / took_s


def _await_room_in_minute():
    """Wait for the next minute where this one ends soon: bad calls count by it."""
    left_s = 60 - time.time() % 60
    if left_s < _FORGED_S:
        time.sleep(left_s)


def _counted_since(site, transaction):
    """Return how often counters of callers were written in a minute.

    :param int transaction: what wrote before it is left out
    """
    [(hits,)] = site.rows(
        f"SELECT coalesce(sum(hits), 0) FROM {_COUNTERS} "
        "WHERE key LIKE 'caller/%' "
        f"AND age(xmin) < age('{transaction % 2**32}'::xid)"
    )
    # Each write adds a tenth of what is allowed.
    return hits / (const.BAD_CALLBACKS_PER_MIN // 10)


def _written_since(site, transaction):
    """Return how many rows of which tables were written since a transaction."""
    tables = site.rows(
        "SELECT quote_ident(relname) FROM pg_stat_user_tables "
        "WHERE schemaname = 'public'"
    )
    return {
        table: site.rows(
            f"SELECT count(*) FROM {table} "
            f"WHERE age(xmin) < age('{transaction % 2**32}'::xid)"
        )[0][0]
        for (table,) in tables
    }
