# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Many contacts texted from a list: each once, with few queries and steady memory."""

import json
import subprocess
import uuid

import pytest
from support import CHECKOUT, shell_command

from odoo.addons.sms_gateway_hub import const

# Runs in a process of its own, so that queries and memory are the sender's alone.
SENDER_SCRIPT = """
import json, resource
from odoo.sql_db import Cursor
from odoo.addons.sms_gateway_hub import const
from odoo.addons.sms_gateway_hub.tools.sender_run import SenderRun
from odoo.addons.sms_gateway_hub.tools.transaction import in_new_transaction
count, execute = [0], Cursor.execute
def counting(self, *args, **kwargs):
    count[0] += 1
    return execute(self, *args, **kwargs)
Cursor.execute = counting
SenderRun(env, {gateway}, budget_s=0).run()  # fills the caches of this process
# What other tests left to tell of; the running server may be telling of it as well.
while in_new_transaction(env, lambda env: env["sms.gateway.message"]._sync()):
    pass
count[0], sent, figures = 0, 0, []
const.RECORD_INTERVAL_S = {record_s}
while done := SenderRun(env, {gateway}, budget_s={budget_s}).run():
    sent += done
    env.cr.commit()
    rss = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
    figures.append((sent, count[0], rss))
print("FIGURES " + json.dumps(figures))
"""


def run_sender(
    database,
    gateway_id,
    *,
    budget_s=const.SENDER_BUDGET_S,
    record_s=const.RECORD_INTERVAL_S,
):
    """Run a gateway's sender until nothing is due; return its figures.

    :param float budget_s: seconds of one run
    :param float record_s: seconds after which outcomes are kept, full batch or not
    :return: list of (messages so far, queries so far, resident bytes) per run
    """
    done = subprocess.run(
        shell_command(database.name),
        input=SENDER_SCRIPT.replace("{gateway}", str(gateway_id))
        .replace("{budget_s}", str(budget_s))
        .replace("{record_s}", str(record_s)),
        text=True,
        capture_output=True,
        check=False,
        cwd=CHECKOUT,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(ln for ln in done.stdout.splitlines() if ln.startswith("FIGURES "))
    return json.loads(line.removeprefix("FIGURES "))


@pytest.fixture
def still_gateway(odoo, database, gateway):
    """Give a gateway whose own job rests, so that the test runs its sender."""
    gateway_id = odoo.make_gateway(gateway, parallel_requests=16, testing_batch=10)
    database.rows(
        "UPDATE ir_cron SET active = FALSE WHERE id = "
        "(SELECT cron_id FROM sms_gateway WHERE id = %s)",
        gateway_id,
    )
    return gateway_id


def test_ten_thousand_contacts(odoo, database, gateway, still_gateway, record_property):
    """10,000 contacts texted from a list are sent once each, 8 queries per 500."""
    contacts = []
    for _thousand in range(10):
        contacts += odoo.make_contacts(1000, name="Bulk")
    odoo.text(contacts, "Bulk {{ object.id }}")
    assert database.states("Bulk%") == {"queued": 10000}
    # Batches end when they are full, not after a second: speed does not count.
    figures = run_sender(database, still_gateway, budget_s=300, record_s=300)
    assert database.states("Bulk%") == {"sent": 10000}
    assert len(gateway.texts) == sum(gateway.texts.values()) == 10000
    sent, queries, _rss = figures[-1]
    per_500 = queries / sent * 500
    record_property("queries_per_500", round(per_500, 2))
    assert per_500 <= 8, f"{queries} queries for {sent} messages"


def test_memory_does_not_grow_with_the_queue(
    odoo, database, gateway, still_gateway, record_property
):
    """Ten times the messages take no more memory in the sender."""
    peaks = {}
    for count in (2000, 20000):
        database.rows(
            """
            INSERT INTO sms_gateway_message
                   (uuid, gateway_id, company_id, direction, kind, state, priority,
                    number, body, encoding, segments, attempts, due_at, create_date)
            SELECT md5(%s || n), %s, 1, 'outgoing', 'broadcast', 'queued', '3',
                   '+1202' || 5550000 + n %% 9000, 'Memory ' || n, 'gsm7', 1, 0,
                   now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
              FROM generate_series(1, %s) AS n
            """,
            uuid.uuid4().hex,
            still_gateway,
            count,
        )
        peaks[count] = max(
            rss for _sent, _queries, rss in run_sender(database, still_gateway)
        )
    growth = peaks[20000] - peaks[2000]
    record_property("memory_growth_bytes", growth)
    assert growth < 20 * 1024 * 1024, f"{growth} bytes more for 18,000 messages more"
