# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How long an incoming text takes to find its contact, however many there are."""

import json
import subprocess
from statistics import median

import pytest
from support import CHECKOUT, MANY, shell_command
from test_claim_scale import copy

FEW = 10_000
TURNS = 30
LIMIT = 1.2

# One process, so that the same Python looks in both databases; they take turns, so
# that what else the machine does meets both. Everything is rolled back.
SCRIPT = """
import json, time
from odoo import api
from odoo.modules.registry import Registry
from odoo.addons.sms_gateway_hub.tools.gateway_data import InboundMessage
envs = {{
    name: (api.Environment(Registry(name).cursor(), 1, {{}}), count)
    for name, count in {databases}
}}
times = {{}}

def number_of(kind, turn, count):
    # A dozen of them again and again: what is measured is the way, not the disk.
    n = (turn % 12 + 1) * (count // 13) // 2 * 2
    if kind == "unknown":
        return "+49170%07d" % (9_000_000 + turn)
    return "+49151%07d" % (n + 1 if kind == "phone" else n)

for turn in range({turns} + 12):
    for name, (env, count) in envs.items():
        for kind in ("owner", "phone", "unknown", "received"):
            env.cr.rollback()
            env.invalidate_all(flush=False)
            messages = env["sms.gateway.message"]
            gateway = env["sms.gateway"].browse({gateway})
            gateway.mapped("name")
            number = number_of(kind, turn, count)
            start = time.perf_counter()
            if kind == "received":
                message = messages._receive(gateway, InboundMessage(
                    event_key="scale", number=number, body="Is it ready?"))
                env.flush_all()
                partner = message.partner_id
            else:
                partner, reason = messages._find_contact(gateway, number)
            took = time.perf_counter() - start
            assert len(partner) == (kind != "unknown"), (kind, number, partner)
            if kind == "owner":
                assert reason == "Owner of the number", reason
            if kind == "phone":
                assert reason == "The only contact with this number", reason
            if turn >= 12:
                times.setdefault(kind, {{}}).setdefault(name, []).append(took)
for env, count in envs.values():
    env.cr.rollback()
    env.cr.close()
print("FIGURES " + json.dumps(times))
"""


def fill(database, count):
    """Put contacts on file: half with a mobile number they own, half with a phone."""
    # Built at once afterwards, which is much faster than row by row.
    indexes = database.rows(
        """
        SELECT indexname, indexdef FROM pg_indexes
         WHERE tablename IN ('res_partner', 'res_partner_mobile')
           AND indexname NOT IN (SELECT conname FROM pg_constraint)
        """
    )
    for name, _definition in indexes:
        database.rows(f'DROP INDEX "{name}"')
    database.rows(
        """
        INSERT INTO res_partner (name, complete_name, active, type, phone,
                                 phone_sanitized, create_date)
        SELECT 'Contact ' || n, 'Contact ' || n, true, 'contact', number, number,
               now() AT TIME ZONE 'UTC'
          FROM generate_series(1, %s) AS n,
               LATERAL (SELECT '+49151' || lpad(n::text, 7, '0') AS number) AS made
        """,
        count,
    )
    database.rows(
        """
        INSERT INTO res_partner_mobile (partner_id, number, number_e164, line_type,
                                        label, sequence, is_owner, blocked)
        SELECT id, phone, phone_sanitized, 'mobile', 'mobile', 1, true, false
          FROM res_partner
         WHERE phone LIKE '+49151%%' AND right(phone, 1)::int %% 2 = 0
        """
    )
    for _name, definition in indexes:
        database.rows(definition)
    database.rows("ANALYZE res_partner")
    database.rows("ANALYZE res_partner_mobile")


@pytest.fixture
def files(odoo, database, gateway):
    """Give a gateway, and two databases with few and with many contacts."""
    gateway_id = odoo.make_gateway(gateway)
    odoo.stop()
    try:
        few = copy(database, f"{database.name}_few")
        many = copy(database, f"{database.name}_many")
    finally:
        odoo.start()
    try:
        fill(few, FEW)
        fill(many, MANY)
        yield gateway_id, [(few.name, FEW), (many.name, MANY)]
    finally:
        few.drop()
        many.drop()


def test_many_contacts_do_not_slow_an_incoming_text(files, record_property):
    """Among very many numbers a contact is found within 1.2 times the time."""
    gateway_id, databases = files
    done = subprocess.run(
        shell_command(databases[0][0]),
        input=SCRIPT.format(databases=databases, gateway=gateway_id, turns=TURNS),
        text=True,
        capture_output=True,
        check=False,
        cwd=CHECKOUT,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(ln for ln in done.stdout.splitlines() if ln.startswith("FIGURES "))
    worst = {}
    for kind, times in json.loads(line.removeprefix("FIGURES ")).items():
        few, many = (times[name] for name, _count in databases)
        record_property(f"{kind}_of_few_ms", round(median(few) * 1000, 2))
        record_property(f"{kind}_of_many_ms", round(median(many) * 1000, 2))
        # What got slower shows in both; what else the machine did in one of them.
        ratio = min(median(many) / median(few), min(many) / min(few))
        record_property(f"{kind}_ratio", round(ratio, 3))
        if ratio > LIMIT:
            worst[kind] = round(ratio, 3)
    assert not worst
