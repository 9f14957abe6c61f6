# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""One text to 100,000 contacts: at once at the click, fast, and once each."""

import json
import subprocess
import time
from statistics import median

import psycopg2
import pytest
from support import CHECKOUT, shell_command, wait_for

COUNT = 100_000
# Both sides in one process, in turn, undone each time: the same database, the same
# minute, nothing left over.
SPEED_SCRIPT = """
import json, time
env = env(user=env.ref("base.user_admin").id, su=False, context={{"lang": "en_US"}})
env["sms.gateway"].search([]).write({{"state": "disabled"}})
env["res.partner"].create([
    {{"name": f"Speed {{n}}", "phone": f"+1303{{5550000 + n}}"}} for n in range({count})
])
env.cr.commit()
ids = env["res.partner"].search([("name", "=like", "Speed %")], limit={count}).ids
TEXT = "Hello {{{{ object.name }}}}, the market opens on Friday at nine."

def measure(work):
    env.flush_all()
    env.invalidate_all()
    start = time.monotonic()
    work()
    env.flush_all()
    seconds = time.monotonic() - start
    return {count} / seconds

def core():
    composer = env["sms.composer"].with_context(
        default_res_model="res.partner", default_composition_mode="mass",
        default_res_ids=repr(ids),
    ).create({{"body": TEXT, "mass_keep_log": True}})
    def send():
        composer.action_send_sms()
    speed = measure(send)
    made = env["sms.sms"].search_count([("partner_id", "in", ids)])
    assert made == {count}, made
    env.cr.rollback()
    return speed

def hub(keep_log):
    env["sms.gateway"].create({{
        "name": "Speed", "code": "sandbox", "state": "enabled", "company_id": False,
    }})
    broadcast = env["sms.broadcast"].create({{
        "body": TEXT, "domain": "[('name', '=like', 'Speed %')]", "keep_log": keep_log,
    }}).sudo()
    broadcast._reset({{"state": "checked"}})
    broadcast.action_start()
    def expand():
        while broadcast._work() == "more":
            pass
    speed = measure(expand)
    env.invalidate_all()
    assert broadcast.accepted_count == {count}, broadcast.accepted_count
    notes = env["sms.gateway.message"].search_count([
        ("broadcast_id", "=", broadcast.id), ("mail_message_id", "!=", False)])
    assert notes == ({count} if keep_log else 0), notes
    env.cr.rollback()
    return speed

for _warm in range(1):
    core(), hub(True)
speeds = {{"core": [], "notes": [], "plain": []}}
for _turn in range(5):
    speeds["core"].append(core())
    speeds["notes"].append(hub(True))
    speeds["plain"].append(hub(False))
env["res.partner"].browse(ids).action_archive()
env.cr.commit()
print("SPEEDS " + json.dumps(speeds))
"""


def test_faster_than_core(odoo, database, record_property):
    """Expansion is at least twice as fast as core's mass composer with notes kept.

    With notes on our side as well it was 2.1 to 2.2 times as fast; the bar for that is
    lower, so that noise does not decide.
    """
    done = subprocess.run(
        shell_command(database.name),
        input=SPEED_SCRIPT.format(count=1500),
        text=True,
        capture_output=True,
        check=False,
        cwd=CHECKOUT,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(ln for ln in done.stdout.splitlines() if ln.startswith("SPEEDS "))
    speeds = json.loads(line.removeprefix("SPEEDS "))
    medians = {name: median(values) for name, values in speeds.items()}
    for name, value in medians.items():
        record_property(f"records_per_s_{name}", round(value))
    ratios = {name: medians[name] / medians["core"] for name in ("notes", "plain")}
    for name, value in ratios.items():
        record_property(f"times_core_{name}", round(value, 2))
    assert ratios["plain"] >= 2, f"{ratios} of {medians}"
    assert ratios["notes"] >= 1.6, f"{ratios} of {medians}"


@pytest.fixture
def still_gateway(odoo, database, gateway):
    """Give a gateway whose own job rests, so that what is queued stays queued."""
    gateway_id = odoo.make_gateway(gateway)
    database.rows(
        "UPDATE ir_cron SET active = FALSE WHERE id = "
        "(SELECT cron_id FROM sms_gateway WHERE id = %s)",
        gateway_id,
    )
    odoo.call(
        "ir.config_parameter", "set_param", "sms_gateway_hub.broadcast_ahead", 10**9
    )
    yield gateway_id
    odoo.call(
        "ir.config_parameter", "set_param", "sms_gateway_hub.broadcast_ahead", False
    )


@pytest.fixture
def crowd(odoo, database):
    """Give 100,000 contacts, copied in the database from one that Odoo made."""
    [first_id] = odoo.call(
        "res.partner", "create", [{"name": "Crowd", "phone": "+12025550199"}]
    )
    columns = [
        row[0]
        for row in database.rows(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_name = 'res_partner' AND is_generated = 'NEVER' "
            "AND column_name NOT IN ('id', 'name', 'complete_name', 'phone', "
            "'phone_sanitized', 'mobile', 'commercial_partner_id')"
        )
    ]
    same = ", ".join(f'"{name}"' for name in columns)
    database.rows(
        f"""
        INSERT INTO res_partner ({same}, name, complete_name, phone, phone_sanitized)
             SELECT {same}, 'Crowd ' || n, 'Crowd ' || n, '+1303' || 5000000 + n,
                    '+1303' || 5000000 + n
               FROM res_partner, generate_series(1, %s) AS n WHERE id = %s
        """,
        COUNT,
        first_id,
    )
    database.rows("ANALYZE res_partner")
    yield "[('name', '=like', 'Crowd %')]"
    # Out of the way of the tests that come after.
    database.rows("UPDATE res_partner SET active = FALSE WHERE name LIKE 'Crowd%%'")


def wake_jobs(database):
    """Do what any trigger does: a server that has just started looks in a minute."""
    connection = psycopg2.connect(dbname="postgres")
    connection.autocommit = True
    with connection.cursor() as cr:
        cr.execute(f"NOTIFY cron_trigger, '{database.name}'")
    connection.close()


def progress(database, broadcast_id):
    return database.rows(
        "SELECT state, progress.done_count, progress.text_count "
        "FROM sms_broadcast AS broadcast "
        "JOIN sms_broadcast_progress AS progress "
        "ON progress.id = broadcast.progress_id WHERE broadcast.id = %s",
        broadcast_id,
    )[0]


def test_f19_killed_in_the_middle(
    odoo, database, still_gateway, crowd, record_property
):
    """F19: started at a click that writes no text, killed, each recipient once."""
    [broadcast_id] = odoo.call(
        "sms.broadcast",
        "create",
        [{"name": "Crowd", "body": "F19 {{ object.name }}", "domain": crowd}],
    )
    odoo.call("sms.broadcast", "action_check", [broadcast_id])
    wait_for(
        lambda: progress(database, broadcast_id)[0] == "checked",
        timeout_s=120,
        what="the check",
    )
    [checked] = odoo.call("sms.broadcast", "read", [broadcast_id], ["check_result"])
    assert checked["check_result"]["accepted"] == COUNT
    assert checked["check_result"]["refused"] == 0

    # The job cannot run meanwhile: what is written now, the click wrote.
    with database.locked(
        "SELECT id FROM ir_cron WHERE id = (SELECT res_id FROM ir_model_data "
        "WHERE module = 'sms_gateway_hub' AND name = 'ir_cron_broadcast') "
        "FOR NO KEY UPDATE"
    ):
        start = time.monotonic()
        odoo.call("sms.broadcast", "action_start", [broadcast_id])
        record_property("start_click_s", round(time.monotonic() - start, 3))
        assert progress(database, broadcast_id) == ("running", 0, 0)
        assert not database.states("F19%")

    # Buttons work while the job does: neither waits for the other.
    odoo.call("sms.broadcast", "action_pause", [broadcast_id])
    odoo.call("sms.broadcast", "action_resume", [broadcast_id])
    wait_for(
        lambda: progress(database, broadcast_id)[1] >= COUNT * 0.1,
        timeout_s=120,
        what="the begin",
        step_s=0.02,
    )
    start = time.monotonic()
    odoo.call("sms.broadcast", "action_pause", [broadcast_id])
    record_property("pause_click_s", round(time.monotonic() - start, 3))
    assert progress(database, broadcast_id)[0] == "paused"
    odoo.call("sms.broadcast", "action_resume", [broadcast_id])

    begun = time.monotonic()
    wait_for(
        lambda: progress(database, broadcast_id)[1] >= COUNT * 0.4,
        timeout_s=120,
        what="the first part",
        step_s=0.02,
    )
    odoo.kill()
    record_property("seconds_to_the_kill", round(time.monotonic() - begun, 1))
    _state, done, texts = progress(database, broadcast_id)
    assert 0 < done < COUNT, "it was not in the middle"
    # What is counted and what is written are one.
    assert database.states("F19%") == {"queued": texts}
    odoo.start()
    wake_jobs(database)
    wait_for(
        lambda: progress(database, broadcast_id)[1] == COUNT,
        timeout_s=120,
        what="the rest",
    )
    assert database.states("F19%") == {"queued": COUNT}
    [(numbers, records)] = database.rows(
        "SELECT count(DISTINCT number), count(DISTINCT res_id) "
        "FROM sms_gateway_message WHERE broadcast_id = %s",
        broadcast_id,
    )
    assert (numbers, records) == (COUNT, COUNT)

    # Cancelling is a click as well; the job then ends what waits.
    odoo.call("sms.broadcast", "action_cancel", [broadcast_id])
    wait_for(
        lambda: database.states("F19%") == {"canceled": COUNT},
        timeout_s=120,
        what="the cancelling",
    )
