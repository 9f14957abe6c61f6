# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How long the claim of the next 500 takes, however much waits."""

import json
import subprocess
import uuid
from statistics import median

import pytest
from support import CHECKOUT, MANY, Database, shell_command

FEW = 1_000
CLAIMS = 40

# One process, so that the same Python claims in both databases; they take turns, so
# that what else the machine does meets both. Each claim is rolled back: the next one
# finds the same queue.
CLAIM_SCRIPT = """
import json, time
from odoo import api
from odoo.modules.registry import Registry
times = {{}}
envs = {{
    name: api.Environment(Registry(name).cursor(), 1, {{}}) for name in {databases}
}}
for turn in range({claims} + 3):
    for name, env in envs.items():
        gateway = env["sms.gateway"].browse({gateway})
        env.cr.rollback()
        gateway.mapped("max_segments")
        start = time.perf_counter()
        rows = env["sms.gateway.message"]._claim(gateway, 500)
        took = time.perf_counter() - start
        assert len(rows) == 500, len(rows)
        assert [row["priority"] for row in rows[:100]] == ["1"] * 100
        if turn >= 3:
            times.setdefault(name, []).append(took)
for env in envs.values():
    env.cr.rollback()
    env.cr.close()
print("FIGURES " + json.dumps(times))
"""


def claim_times(gateway_id, *databases):
    """Claim 500 messages in each database in turn; return seconds, list by database."""
    script = CLAIM_SCRIPT.format(
        databases=[database.name for database in databases],
        gateway=gateway_id,
        claims=CLAIMS,
    )
    done = subprocess.run(
        shell_command(databases[0].name),
        input=script,
        text=True,
        capture_output=True,
        check=False,
        cwd=CHECKOUT,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(ln for ln in done.stdout.splitlines() if ln.startswith("FIGURES "))
    times = json.loads(line.removeprefix("FIGURES "))
    return [times[database.name] for database in databases]


def load(database, gateway_id, count):
    """Let messages wait: a tenth urgent, half of the rest for later, some expiring."""
    database.rows(
        """
        INSERT INTO sms_gateway_message
               (uuid, gateway_id, company_id, direction, kind, state, priority, number,
                body, encoding, segments, attempts, due_at, expires_at, create_date)
        SELECT md5(%s || n), %s, 1, 'outgoing', 'broadcast', 'queued',
               CASE WHEN n %% 10 = 0 THEN '1' ELSE '3' END,
               '+1202' || 5550000 + n %% 9000, 'Scale ' || n, 'gsm7', 1, 0,
               now() AT TIME ZONE 'UTC' + CASE WHEN n %% 10 <> 0 AND n %% 2 = 0
                    THEN interval '1 day' ELSE - n * interval '1 millisecond' END,
               CASE WHEN n %% 7 = 0
                    THEN now() AT TIME ZONE 'UTC' + interval '2 days' END,
               now() AT TIME ZONE 'UTC'
          FROM generate_series(1, %s) AS n
        """,
        uuid.uuid4().hex,
        gateway_id,
        count,
    )
    database.rows("ANALYZE sms_gateway_message")


def copy(database, name):
    """Copy a database that nobody uses now."""
    copy = Database(name)
    copy.copy(database.name)
    return copy


@pytest.fixture
def queues(odoo, database, gateway):
    """Give a gateway, and two databases in which few and many texts wait for it.

    They are copies, dropped with all their rows: nothing else becomes slow.
    """
    gateway_id = odoo.make_gateway(gateway)
    odoo.stop()
    try:
        few = copy(database, f"{database.name}_few")
    finally:
        odoo.start()
    few.rows("TRUNCATE sms_gateway_message CASCADE")
    many = copy(few, f"{database.name}_many")
    try:
        load(few, gateway_id, FEW)
        load(many, gateway_id, MANY)
        yield gateway_id, few, many
    finally:
        few.drop()
        many.drop()


def test_a_long_queue_does_not_slow_the_claim(queues, record_property):
    """Very many waiting texts cost the claim of 500 at most 20 % over a thousand."""
    few, many = claim_times(*queues)
    record_property("claim_of_few_ms", round(median(few) * 1000, 2))
    record_property("claim_of_many_ms", round(median(many) * 1000, 2))
    # The least is what the claim itself takes, the median holds what else the machine
    # did as well: a claim that got slower shows in both.
    ratios = {
        "ratio_of_medians": round(median(many) / median(few), 3),
        "ratio_of_least": round(min(many) / min(few), 3),
    }
    for name, ratio in ratios.items():
        record_property(name, ratio)
    assert min(ratios.values()) <= 1.2, ratios
