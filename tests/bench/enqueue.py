# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""P1 and P2: how fast texts get into the queue, and how fast numbers are read."""

import io
import json
import os
import subprocess
import sys
import time
from unittest.mock import patch

import phonenumbers

from odoo import SUPERUSER_ID, api

from odoo.addons.sms_gateway_hub import const
from odoo.addons.sms_gateway_hub.tools.transaction import in_new_transaction

from .ground import HERE, resident_bytes
from .metrics import Row, metric, rate_of, take_turns

_MB = 1024 * 1024
_AHEAD = "BROADCAST_AHEAD"
# Core's mass mailing fails beyond some 17,000 recipients, and is slow before.
_CORE_ROWS = 1_000


def make_values(gateway_id, start, count):
    """Return what a broadcast hands to the outbox: short texts, all distinct."""
    return [
        {
            "gateway_id": gateway_id,
            "kind": "broadcast",
            "purpose": "transactional",
            "priority": const.PRIORITY_LOW,
            "number": f"+1212{2_000_000 + n}",
            "body": f"Bench {n}",
        }
        for n in range(start, start + count)
    ]


def enqueue(site, gateway_id, count, *, watch=None):
    """Queue texts as a broadcast does: in chunks, each a transaction of its own."""
    chunk = const.BROADCAST_CHUNK
    with site.registry.cursor() as cr:
        env = _env(cr)
        for start in range(0, count, chunk):
            values = make_values(gateway_id, start, min(chunk, count - start))
            in_new_transaction(
                env,
                lambda new, rows=values: new["sms.gateway.message"]._enqueue_bulk(rows),
            )
            if watch:
                watch()
    return count


def _env(cr):
    return api.Environment(cr, SUPERUSER_ID, {})


def copy_back(site):
    """Let PostgreSQL copy the rows that are there: returns rows per second."""
    columns = [
        name
        for (name,) in site.rows(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_name = 'sms_gateway_message' AND column_name != 'id'"
        )
    ]
    names = ", ".join(f'"{name}"' for name in columns)
    rows = io.BytesIO()
    with site.connection.cursor() as cr:
        cr.copy_expert(f"COPY sms_gateway_message ({names}) TO STDOUT", rows)
        site.empty()
        rows.seek(0)
        start = time.perf_counter()
        cr.copy_expert(f"COPY sms_gateway_message ({names}) FROM STDIN", rows)
        took_s = time.perf_counter() - start
        return cr.rowcount / took_s


def measure_size(bench, gateway_id, count):
    """Measure both sides for a number of texts: (ours, COPY), rows per second each."""
    site = bench.main
    site.empty()
    ours = rate_of(count, lambda: enqueue(site, gateway_id, count))
    return ours, copy_back(site)


def memory_of(bench, gateway_id, count):
    """Queue texts in a process of its own; return its growth in MB, and rows/s."""
    bench.main.empty()
    done = subprocess.run(
        [
            sys.executable,
            HERE,
            "--memory",
            json.dumps([bench.main.name, gateway_id, count]),
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ,
    )
    return json.loads(done.stdout.splitlines()[-1])


def run_memory(site, gateway_id, count):
    """Print what ``memory_of`` reads: the other process's own part."""
    # Caches that every process fills once are no growth.
    enqueue(site, gateway_id, const.BROADCAST_CHUNK)
    before, peak = resident_bytes(), [0]

    def watch():
        peak[0] = max(peak[0], resident_bytes())

    rate = rate_of(count, lambda: enqueue(site, gateway_id, count, watch=watch))
    print(json.dumps([(peak[0] - before) / _MB, rate]))


@metric("P1")
def measure_enqueue(bench):
    """Queue texts to numbers in E.164; COPY of the same rows; core's mass mailing."""
    site, sizes = bench.main, bench.sizes
    gateway_id = site.make_gateway(bench.gateway.url, name="Bench P1")
    pairs = [measure_size(bench, gateway_id, sizes.bulk) for _n in range(sizes.pairs)]
    ours, copied = zip(*pairs, strict=True)
    against = "COPY of the same rows into the same table"
    yield Row(
        "P1",
        f"Queue {sizes.bulk:,} texts",
        "rows/s",
        list(ours),
        list(copied),
        against,
        (">=", 0.5),
    )
    for count in sizes.growth:
        few, many = measure_size(bench, gateway_id, count)
        yield Row("P1", f"Queue {count:,} texts", "rows/s", [few], [many], against)
    growth_mb, _rate = memory_of(bench, gateway_id, sizes.memory)
    yield Row(
        "P1",
        f"Memory that queueing {sizes.memory:,} texts takes",
        "MB",
        [growth_mb],
        [200.0],
        "200 MB",
        ("<=", 1.0),
    )
    yield from _broadcast(bench, gateway_id)
    site.empty()


def _broadcast(bench, gateway_id):
    """From contacts to the queue: our broadcast beside core's mass mailing."""
    site, sizes = bench.main, bench.sizes
    many = _make_contacts(site, min(sizes.bulk, 20_000))
    few = many[: min(sizes.bulk // 10, _CORE_ROWS)]

    def ours(partner_ids, notes=False):
        site.empty()
        with site.env() as env:
            broadcast = env["sms.broadcast"].create(
                {
                    "name": "Bench",
                    "res_model": "res.partner",
                    "domain": f"[('id', '>=', {partner_ids[0]}), "
                    f"('id', '<=', {partner_ids[-1]})]",
                    "body": "Bench {{ object.name }}",
                    "purpose": "transactional",
                    "keep_log": notes,
                    "gateway_id": gateway_id,
                    "company_id": env.ref("base.main_company").id,
                }
            )
            broadcast_id = broadcast.id
        start = time.perf_counter()
        with site.env() as env:
            env["sms.broadcast"].browse(broadcast_id).write(
                {"state": "running", "started_at": "2026-01-01 00:00:00"}
            )
        # It would rest while many texts wait, and nobody sends these.
        with site.registry.cursor() as cr, patch.object(const, _AHEAD, 10**9):
            jobs = _env(cr)["sms.broadcast"]
            while True:
                jobs._work_apart(broadcast_id)
                [(expanded,)] = site.rows(
                    "SELECT p.expanded_at FROM sms_broadcast b "
                    "JOIN sms_broadcast_progress p ON p.id = b.progress_id "
                    "WHERE b.id = %s",
                    broadcast_id,
                )
                if expanded:
                    break
        took_s = time.perf_counter() - start
        [(queued,)] = site.rows("SELECT count(*) FROM sms_gateway_message")
        if queued != len(partner_ids):
            raise RuntimeError(f"It queued {queued} of {len(partner_ids)}")
        return len(partner_ids) / took_s

    def core(notes):
        bench.core_company()
        start = time.perf_counter()
        with site.env() as env:
            core_env = bench.core_env(env)
            mailing = core_env["mailing.mailing"].create(
                {
                    "subject": "Bench",
                    "mailing_type": "sms",
                    "mailing_model_id": env["ir.model"]._get_id("res.partner"),
                    "mailing_domain": "[]",
                    "body_plaintext": "Bench {{ object.name }}",
                    "sms_force_send": False,
                    "keep_archives": notes,
                }
            )
            mailing.action_send_sms(res_ids=few)
        took_s = time.perf_counter() - start
        [(queued,)] = site.rows("SELECT count(*) FROM sms_sms")
        if queued < len(few):
            raise RuntimeError(f"Core queued {queued} of {len(few)}")
        site.rows("DELETE FROM sms_sms")
        site.rows("DELETE FROM mailing_trace")
        return len(few) / took_s

    plain, core_plain, noted, core_noted, all_plain = take_turns(
        sizes.pairs,
        lambda: ours(few),
        lambda: core(notes=False),
        lambda: ours(few, notes=True),
        lambda: core(notes=True),
        lambda: ours(many),
    )
    name = "Broadcast to {:,} contacts, text with a placeholder".format
    against = "Odoo's mass mailing to as many, {}".format
    for notes, samples in (
        ("no notes", (plain, core_plain)),
        ("a note on each", (noted, core_noted)),
    ):
        yield Row(
            "P1",
            f"{name(len(few))}, {notes}",
            "rows/s",
            *samples,
            against(notes),
        )
    yield Row(
        "P1",
        f"{name(len(many))}, no notes",
        "rows/s",
        all_plain,
        plain,
        f"the same to {len(few):,}",
    )


def _make_contacts(site, count):
    """Put contacts with a mobile number on file, by plain SQL; return their ids."""
    ids = [
        row[0]
        for row in site.rows(
            """
            INSERT INTO res_partner (name, complete_name, active, type, phone,
                                     phone_sanitized, mobile, create_date)
            SELECT 'Bench ' || n, 'Bench ' || n, true, 'contact', number, number,
                   number, now() AT TIME ZONE 'UTC'
              FROM generate_series(1, %s) AS n,
                   LATERAL (SELECT '+49151' || lpad(n::text, 8, '0') AS number) AS m
            RETURNING id
            """,
            count,
        )
    ]
    site.rows(
        """
        INSERT INTO res_partner_mobile (partner_id, number, number_e164, line_type,
                                        label, sequence, is_owner, blocked)
        SELECT id, phone, phone_sanitized, 'mobile', 'mobile', 1, false, false
          FROM res_partner WHERE id = ANY(%s)
        """,
        ids,
    )
    site.rows("ANALYZE res_partner")
    site.rows("ANALYZE res_partner_mobile")
    return sorted(ids)


@metric("P2")
def measure_numbers(bench):
    """Read numbers as people type them; the library alone; core's own way."""
    site, sizes = bench.main, bench.sizes
    numbers = [_as_typed(n) for n in range(sizes.numbers)]

    def library():
        def read():
            for number in numbers:
                parsed = phonenumbers.parse(number, "US")
                if phonenumbers.is_valid_number(parsed):
                    phonenumbers.format_number(
                        parsed, phonenumbers.PhoneNumberFormat.E164
                    )

        return rate_of(len(numbers), read)

    with site.env() as env:
        contact = env["res.partner"].create(
            {"name": "Bench P2", "country_id": env.ref("base.us").id}
        )
        mobiles = env["res.partner.mobile"]

        def ours():
            return rate_of(
                len(numbers),
                lambda: [mobiles._to_e164(number, contact) for number in numbers],
            )

        def core():
            return rate_of(
                len(numbers),
                lambda: [
                    contact._phone_format(number=number, country=contact.country_id)
                    for number in numbers
                ],
            )

        found = mobiles._to_e164(numbers[1], contact)
        if found != "+12025550001":
            raise RuntimeError(f"{numbers[1]} was read as {found}")
        our_rates, library_rates, core_rates = take_turns(
            sizes.pairs, ours, library, core
        )
        env.cr.rollback()
    yield Row(
        "P2",
        "Read numbers as typed",
        "numbers/s",
        our_rates,
        library_rates,
        "the library phonenumbers alone",
        (">=", 0.8),
    )
    yield Row(
        "P2",
        "Odoo's own phone_format",
        "numbers/s",
        core_rates,
        library_rates,
        "the library phonenumbers alone",
    )


def _as_typed(n):
    """Return a number as somebody types it, in one of a few ways."""
    digits = f"{5_550_000 + n:07d}"
    return (
        f"+1 202-{digits[:3]}-{digits[3:]}",
        f"(202) {digits[:3]}-{digits[3:]}",
        f"202.{digits[:3]}.{digits[3:]}",
        f"1 202 {digits}",
    )[n % 4]
