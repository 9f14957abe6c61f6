# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Whose number it is, when several register it at the same moment."""

import itertools
import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import CHECKOUT, RpcError, shell_command

ROUNDS = 20

_numbers = itertools.count(5_551_000)


def new_number():
    return f"+1213{next(_numbers)}"


def owners(database, number):
    """Return (company or None, owns or not) of the rows of a number, oldest first."""
    return database.rows(
        "SELECT company_id, is_owner IS TRUE FROM res_partner_mobile "
        "WHERE number_e164 = %s ORDER BY id",
        number,
    )


def at_once(*calls):
    """Run calls in threads that start together; return their results or errors."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        barrier.wait(10)
        try:
            return call()
        except RpcError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def create_contact(odoo, number, **values):
    def call():
        return odoo.call(
            "res.partner",
            "create",
            {"name": "Sharer", "mobile_ids": [(0, 0, {"number": number})], **values},
        )

    return call


def type_number(odoo, contact, number):
    def call():
        values = {"mobile_ids": [(0, 0, {"number": number})]}
        return odoo.call("res.partner", "write", [contact], values)

    return call


@pytest.fixture(scope="module")
def companies(odoo):
    """Give two companies of which the administrator may choose."""
    ids = odoo.call(
        "res.company",
        "create",
        [{"name": "Sharing company 1"}, {"name": "Sharing company 2"}],
    )
    odoo.call("res.users", "write", [2], {"company_ids": [(4, i) for i in ids]})
    return ids


@pytest.fixture(autouse=True)
def session(odoo):
    """Have a session before the race: its own begin is no part of it."""
    odoo.call("res.partner", "search_count", [])


@pytest.mark.parametrize("clients", [2, 8])
def test_one_owner_of_a_number_that_many_register(odoo, database, clients):
    """Of contacts saved at the same moment exactly one owns; all are saved."""
    for _round in range(ROUNDS):
        number = new_number()
        results = at_once(*[create_contact(odoo, number)] * clients)
        assert all(isinstance(result, int) for result in results), results
        rows = owners(database, number)
        assert len(rows) == clients
        assert sum(owns for _company, owns in rows) == 1, rows


def test_one_owner_in_each_company(odoo, database, companies):
    """A contact without a company is in the way of each company's, and vice versa."""
    for _round in range(ROUNDS // 2):
        number = new_number()
        results = at_once(
            *[
                create_contact(odoo, number, company_id=company)
                for company in (False, *companies, *companies, False)
            ]
        )
        assert all(isinstance(result, int) for result in results), results
        rows = owners(database, number)
        assert len(rows) == 6
        owning = [company for company, owns in rows if owns]
        # One for all companies, or at most one in each.
        assert owning == [None] or sorted(owning) in (
            sorted(companies),
            *([company] for company in companies),
        ), rows
        for company, owns in rows:
            assert owns or any(
                company is None or owner is None or company == owner for owner in owning
            ), f"nobody is in the way of {company}: {rows}"


def test_one_owner_when_an_existing_contact_gets_the_number(odoo, database):
    """Typed into two contacts that exist, a number gets one owner as well."""
    contacts = odoo.call("res.partner", "create", [{"name": "A"}, {"name": "B"}])
    for _round in range(ROUNDS):
        number = new_number()
        results = at_once(*[type_number(odoo, one, number) for one in contacts])
        assert results == [True, True]
        rows = owners(database, number)
        assert len(rows) == 2
        assert sum(owns for _company, owns in rows) == 1, rows


def test_a_take_over_raced_by_two_managers(odoo, database):
    """Two managers take a number over at once: one contact owns it, none is lost."""
    if not odoo.call("res.users", "search_count", [("login", "=", "other-manager")]):
        groups = database.rows(
            "SELECT res_id FROM ir_model_data WHERE (module, name) IN "
            "(('base', 'group_user'), ('base', 'group_partner_manager'), "
            "('sms_gateway_hub', 'group_manager'))"
        )
        odoo.call(
            "res.users",
            "create",
            {
                "name": "Other manager",
                "login": "other-manager",
                "password": "other-manager",
                "group_ids": [(6, 0, [group for (group,) in groups])],
            },
            context={"no_reset_password": True},
        )
    # Each has a session before the race.
    odoo.call("res.partner", "search_count", [], login="other-manager")
    for _round in range(ROUNDS // 4):
        number = new_number()
        for _n in range(3):
            create_contact(odoo, number)()
        first, second, third = (
            row
            for (row,) in database.rows(
                "SELECT id FROM res_partner_mobile WHERE number_e164 = %s ORDER BY id",
                number,
            )
        )
        assert owners(database, number)[0] == (None, True)
        results = at_once(
            *[
                lambda row=row, login=login: odoo.call(
                    "res.partner.mobile", "action_take_over", [row], login=login
                )
                for row, login in ((second, "admin"), (third, "other-manager"))
            ]
        )
        errors = [result for result in results if isinstance(result, RpcError)]
        assert len(errors) <= 1, results
        for error in errors:
            assert error.name == "odoo.exceptions.UserError"
            assert "reload" in str(error)
        rows = database.rows(
            "SELECT id FROM res_partner_mobile WHERE number_e164 = %s AND is_owner",
            number,
        )
        assert len(rows) == 1
        assert rows[0][0] in (second, third), f"still with {first}"


# ----------------------------------------------------------------------------
# Two transactions that overlap for sure
# ----------------------------------------------------------------------------

OVERLAP_SCRIPT = """
import json, threading, time

def create(env, number, company):
    partner = env["res.partner"].create({
        "name": "Overlap", "company_id": company,
        "mobile_ids": [(0, 0, {"number": number})],
    })
    env.flush_all()
    return partner.mobile_ids.id

def overlap(number, companies, ending):
    "Let one transaction begin, another one meet it, and the first one end."
    first, second = env.registry.cursor(), env.registry.cursor()
    # Both have their snapshots before either writes.
    for cr in (first, second):
        cr.execute("SELECT count(*) FROM res_partner_mobile")
    create(env(cr=first), number, companies[0])
    second.execute("SELECT pg_backend_pid()")
    pid, error, done = second.fetchone()[0], [], threading.Event()

    def meet():
        try:
            create(env(cr=second), number, companies[1])
            second.commit()
        except Exception as raised:
            error.append(type(raised).__name__)
        done.set()

    thread = threading.Thread(target=meet)
    thread.start()
    blocked, end = False, time.monotonic() + 20
    while not (done.is_set() or blocked) and time.monotonic() < end:
        with env.registry.cursor() as cr:
            cr.execute("SELECT wait_event_type = 'Lock' FROM pg_stat_activity "
                       "WHERE pid = %s", [pid])
            blocked = bool(cr.fetchone()[0])
        time.sleep(0.01)
    getattr(first, ending)()
    thread.join(30)
    first.close()
    second.close()
    with env.registry.cursor() as cr:
        cr.execute("SELECT company_id, is_owner IS TRUE FROM res_partner_mobile "
                   "WHERE number_e164 = %s ORDER BY id", [number])
        return {"blocked": blocked, "errors": error, "rows": cr.fetchall()}

print("STORY " + json.dumps([overlap(*args) for args in %s]))
"""


def test_two_transactions_that_overlap(odoo, database, companies):
    """The second waits for the first, then owns what the first one gave up, or not."""
    one, other = companies
    cases = [
        # (companies of the first and second), end of the first -> who owns
        ((False, False), "commit", [True, False]),
        ((False, False), "rollback", [True]),
        ((one, one), "commit", [True, False]),
        ((False, one), "commit", [True, False]),
        ((one, False), "commit", [True, False]),
        ((one, False), "rollback", [True]),
        ((one, other), "commit", [True, True]),
    ]
    arguments = [(new_number(), case[0], case[1]) for case in cases]
    done = subprocess.run(
        shell_command(database.name),
        input=OVERLAP_SCRIPT.replace("%s]))", f"{arguments!r}]))"),
        text=True,
        capture_output=True,
        check=False,
        cwd=CHECKOUT,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(ln for ln in done.stdout.splitlines() if ln.startswith("STORY "))
    stories = json.loads(line.removeprefix("STORY "))
    for (sharing, ending, owning), story in zip(cases, stories, strict=True):
        case = f"{sharing} {ending}: {story}"
        assert not story["errors"], case
        assert [owns for _company, owns in story["rows"]] == owning, case
        # The lock is on the number, also where the companies have nobody in common.
        assert story["blocked"], case
