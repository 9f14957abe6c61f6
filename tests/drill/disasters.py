# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What else goes wrong with a database: full, busy, locked, upgraded, copied."""

import os
import subprocess
import time
from contextlib import contextmanager, suppress

import psycopg2
from support import CHECKOUT, RpcError, odoo_command, wait_for
from test_sending_faults import LEFT, age_leases, settled

from .cluster import SMALL
from .faults import Wire
from .ground import CALL_FAILS, CountedAccount

DRILLS = {}
QUICK = {"deadlock", "archived"}


def drill_of(key, name):
    """Register a function of (drill, row)."""

    def register(function):
        DRILLS[key] = (name, function)
        return function

    return register


def slow(seconds):
    return lambda number, messages: time.sleep(seconds)


def under_way(gateway, count=20):
    wait_for(lambda: len(gateway.received) >= count, what="a part", step_s=0.02)


# ----------------------------------------------------------------------------
# Disk full
# ----------------------------------------------------------------------------

_BALLAST_BLOCK = bytes(64 * 1024)
_FULL_MB = 160


class SmallDisk:
    """A tablespace on a small file system, which can be filled up.

    :raise OSError: this user may not mount one
    """

    def __init__(self, cluster):
        self.cluster = cluster
        self.home = cluster.home / SMALL
        self.home.mkdir()
        done = subprocess.run(
            [*("mount", "-t", "tmpfs", "-o", f"size={_FULL_MB}m"), "tmpfs", self.home],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            self.home.rmdir()
            raise OSError("no small file system can be mounted")
        owner = cluster.data.stat()
        os.chown(self.home, owner.st_uid, owner.st_gid)
        # PostgreSQL wants the folder to itself; the ballast lies beside it.
        self.space = self.home / "space"
        self.space.mkdir()
        os.chown(self.space, owner.st_uid, owner.st_gid)
        cluster.admin(f"CREATE TABLESPACE small LOCATION '{self.space}'")
        cluster.admin("GRANT CREATE ON TABLESPACE small TO odoo")

    def fill(self):
        with (self.home / "ballast").open("ab", buffering=0) as ballast:
            with suppress(OSError):
                while True:
                    ballast.write(_BALLAST_BLOCK)

    def clear(self):
        (self.home / "ballast").unlink(missing_ok=True)

    def close(self):
        self.clear()
        with suppress(psycopg2.Error):
            self.cluster.admin("DROP TABLESPACE small")
        subprocess.run(["umount", "-l", self.home], check=False)


class FullTable:
    """Stands for a full disk where none can be mounted: a trigger raises 53100."""

    def __init__(self, database):
        self.database = database

    def fill(self):
        self.database.rows(
            """
            CREATE OR REPLACE FUNCTION drill_full() RETURNS trigger AS $$
            BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100';
            END $$ LANGUAGE plpgsql;
            CREATE TRIGGER drill_full BEFORE INSERT OR UPDATE ON sms_gateway_message
            EXECUTE FUNCTION drill_full()
            """
        )

    def clear(self):
        self.database.rows("DROP TRIGGER IF EXISTS drill_full ON sms_gateway_message")

    def close(self):
        """Nothing was mounted."""


@drill_of("full", "disk full (53100) while texts are sent and queued")
def disk_full(drill, row):
    """What cannot be stored is not accepted; what left is unconfirmed, never again."""
    try:
        disk, space = SmallDisk(drill.cluster), "small"
        row.note = "on a file system that was filled up"
    except OSError:
        disk, space = None, None
        row.note = "53100 raised by a trigger: no file system could be mounted"
    try:
        with drill.site("sgh_drill_full", tablespace=space) as odoo:
            disk = disk or FullTable(odoo.database)
            with drill.counted(row, odoo) as gateway:
                _fill_up(drill, row, odoo, gateway, disk)
    finally:
        if disk:
            disk.close()


def _fill_up(drill, row, odoo, gateway, disk):
    gateway.behave = slow(0.05)
    gateway_id = odoo.make_gateway(gateway, parallel_requests=4)
    odoo.text(odoo.make_contacts(300), "FULL {{ object.id }}")
    contacts = odoo.make_contacts(400, name="No room")
    # Long texts, so that pages are needed that are not there.
    body = "NO ROOM {{ object.id }} " + "and no end " * 60
    under_way(gateway)
    disk.fill()
    refused = 0
    try:
        for n in range(8):
            try:
                odoo.text(contacts[n * 50 : n * 50 + 50], body)
            except CALL_FAILS:
                refused += 1
        time.sleep(5)
    finally:
        disk.clear()
    assert refused, "the disk was not full: the drill shows nothing"
    row.note += f"; {refused} of 8 calls refused while it was full"
    time.sleep(2)
    age_leases(odoo.database)
    drill.go_on(gateway_id, "FULL%", 300, odoo)


# ----------------------------------------------------------------------------
# No connections, deadlocks
# ----------------------------------------------------------------------------


@drill_of("pool", "connections exhausted: Odoo's pool of 64, then PostgreSQL's")
def pool(drill, row):
    """Callbacks are refused and come again; texts are queued or not, never half."""
    odoo = drill.odoo
    with drill.counted(row) as gateway:
        gateway.behave = slow(0.05)
        gateway_id = odoo.make_gateway(gateway, parallel_requests=4)
        contacts = odoo.make_contacts(240)
        odoo.text(contacts[:200], "POOL {{ object.id }}")
        under_way(gateway)
        workers = set()
        end = time.monotonic() + 20
        # Whoever still answers has connections left.
        while len(workers) < odoo.workers and time.monotonic() < end:
            with suppress(*CALL_FAILS):
                workers.add(odoo.call("sms.gateway.drill", "hold_connections", 6))
        assert len(workers) == odoo.workers, "not all workers were reached"
        wire = Wire(odoo, gateway_id)
        text = {"from": "+14155554399", "text": "POOL answer"}
        refused, statuses = 0, []
        for n in range(200, 230):
            refused += not queue_one(odoo, contacts[n])
            if n % 5 == 0:
                statuses.append(wire.receive(id="pool-1", **text))
        assert refused, "the pool was not empty: the drill shows nothing"
        # 500 is Odoo's own: it has no connection to find our route with.
        assert set(statuses) <= {200, 500, 503}, statuses
        row.note = f"{refused} of 30 texts refused, callbacks {sorted(set(statuses))}"
        time.sleep(6)
        _all_taken(drill, row, gateway_id, contacts[230:], text)
        for key in ("pool-1", "pool-2"):
            wait_for(
                lambda key=key: wire.receive(id=key, **text) == 200,
                what="a callback that is taken",
                step_s=1,
            )
        age_leases(drill.database)
        wait_for(
            lambda: (
                drill.database.rows(
                    "SELECT count(*) FROM sms_gateway_message "
                    "WHERE body = 'POOL answer'"
                )
                == [(2,)]
            ),
            what="the texts that came in",
        )
        wait_for(
            lambda: not set(drill.database.states("POOL%")) & {"queued", "sending"},
            what="all outcomes",
        )
        assert set(drill.database.states("POOL%")) <= LEFT


def _all_taken(drill, row, gateway_id, contacts, text):
    """Call back while PostgreSQL has no connection left, with and without a filter."""
    odoo, plain = drill.odoo, ("--db-filter=",)
    with drill.server(drill.database, cron_threads=0, options=plain) as unfiltered:
        wires = [Wire(server, gateway_id) for server in (odoo, unfiltered)]
        # It knows the database from here on.
        assert wires[1].receive(id="pool-1", **text) == 200
        with used_up(drill):
            statuses = [
                wire.receive(id="pool-2", **text) for wire in wires for _turn in "12345"
            ]
            refused = sum(not queue_one(odoo, contact) for contact in contacts)
    # What is not stored is not called taken, nor for good refused.
    assert set(statuses) == {503}, statuses
    assert refused == len(contacts), f"{refused} refused: PostgreSQL was not full"
    row.note += f"; PostgreSQL full: all {refused}, callbacks {sorted(set(statuses))}"
    row.details["postgresql_full"] = statuses


def queue_one(odoo, contact):
    """Text one contact; return whether Odoo says that it is queued."""
    with suppress(*CALL_FAILS):
        odoo.text([contact], "POOL {{ object.id }}")
        return True
    return False


@contextmanager
def used_up(drill):
    """Take all connections that PostgreSQL has, those that Odoo keeps included."""
    held = []
    try:
        before = -1
        while drill.cluster.backends(drill.database.name) or before < len(held):
            before = len(held)
            with suppress(psycopg2.OperationalError):
                while True:
                    held.append(drill.database._connect())
            # Odoo goes on by what it has open: that ends, as connections do.
            drill.cluster.admin(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = %s AND application_name LIKE 'odoo%%' "
                "AND state = 'idle'",
                drill.database.name,
            )
            time.sleep(0.1)
        yield
    finally:
        for connection in held:
            connection.close()


@drill_of("deadlock", "deadlocks (40P01) with the sender")
def deadlock(drill, row):
    """The sender gives way, and stores what it knows the next time."""
    odoo, database = drill.odoo, drill.database
    with drill.counted(row) as gateway:
        odoo.make_gateway(gateway, parallel_requests=4)
        odoo.text(odoo.make_contacts(40), "DEADLOCK warm {{ object.id }}")
        wait_for(settled(database, "DEADLOCK warm%", 40), what="the first texts")
        before = deadlocks(drill)
        gateway.behave = slow(0.1)
        odoo.text(odoo.make_contacts(120), "DEADLOCK {{ object.id }}")
        victims = 0
        for _turn in range(4):
            wait_for(
                lambda: database.states("DEADLOCK%").get("sending", 0) >= 4,
                what="claimed texts",
                step_s=0.01,
            )
            victims += _cross(drill, database)
            if victims >= 2:
                break
        states = wait_for(settled(database, "DEADLOCK%", 160), what="all outcomes")
        assert set(states) <= LEFT, states
        wait_for(lambda: deadlocks(drill) > before, what="a deadlock")
        row.note = f"{deadlocks(drill) - before} deadlocks, the sender gave way"


def deadlocks(drill):
    [(count,)] = drill.cluster.admin(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = %s", drill.database.name
    )
    return count


def _cross(drill, database):
    """Lock texts the other way round than who stores their outcomes.

    :return: 1 where that one waited for us, and we then for it
    """
    connection = drill.cluster.connect(database.name)
    connection.autocommit = False
    try:
        with connection.cursor() as cr:
            # Only the other side looks for deadlocks: it is the one that gives way.
            cr.execute("SET deadlock_timeout = '1min'")
            cr.execute("SET lock_timeout = '20s'")
            cr.execute(
                "SELECT id FROM sms_gateway_message WHERE state = 'sending' "
                "AND body LIKE 'DEADLOCK%' ORDER BY id"
            )
            ids = [message_id for (message_id,) in cr.fetchall()]
            if len(ids) < 4:
                return 0
            lock = "SELECT FROM sms_gateway_message WHERE id = ANY(%s) FOR UPDATE"
            cr.execute(lock, [ids[len(ids) // 2 :]])
            waiting = (
                "SELECT 1 FROM pg_stat_activity WHERE datname = %s "
                "AND wait_event_type = 'Lock'"
            )
            wait_for(
                lambda: drill.cluster.admin(waiting, database.name),
                timeout_s=15,
                what="the sender, which waits",
                step_s=0.01,
            )
            cr.execute(lock, [ids[: len(ids) // 2]])
        return 1
    except psycopg2.Error:
        return 0
    finally:
        connection.rollback()
        connection.close()


# ----------------------------------------------------------------------------
# Upgrades, backups, copies
# ----------------------------------------------------------------------------


def run_odoo(database, *arguments):
    """Run Odoo once for a database, beside its server; return the finished process."""
    python, script, *options = odoo_command(database.name)
    return subprocess.run(
        [python, script, *(arguments or ("server",)), *options]
        if arguments and not arguments[0].startswith("-")
        else [python, script, *options, *arguments],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@drill_of("upgrade", "the hub is upgraded while texts are sent")
def upgrade(drill, row):
    """Senders stop or go on; nothing is sent twice over it."""
    with (
        drill.site("sgh_drill_upgrade") as odoo,
        drill.counted(row, odoo) as gateway,
    ):
        gateway.behave = slow(0.1)
        gateway_id = odoo.make_gateway(gateway, parallel_requests=2)
        odoo.text(odoo.make_contacts(300), "UPGRADE {{ object.id }}")
        under_way(gateway)
        done = run_odoo(
            odoo.database,
            *("-u", "sms_gateway_hub", "--stop-after-init", "--no-http"),
            "--max-cron-threads=0",
        )
        drill.keep_log("upgrade", done)
        assert done.returncode == 0, done.stderr[-2000:]
        row.note = f"{len(gateway.received)} had left when the upgrade ended"
        drill.go_on(gateway_id, "UPGRADE%", 300, odoo)


@drill_of("restored", "a backup taken while texts are sent is restored")
def restored(drill, row):
    """As the document says: nothing leaves by itself, what may have left is unknown."""
    with (
        drill.site("sgh_drill_backup") as odoo,
        drill.counted(row, odoo) as gateway,
    ):
        gateway.behave = slow(0.5)
        account = CountedAccount(odoo)
        account.load(3, "PHONE")
        gateway_id = odoo.make_gateway(gateway, parallel_requests=8)
        odoo.text(odoo.make_contacts(120), "BACKUP {{ object.id }}")
        odoo.database.rows(
            "UPDATE sms_gateway SET state = 'enabled' WHERE id = %s", account.gateway_id
        )
        under_way(gateway)
        dump = drill.home / "backup.dump"
        subprocess.run(
            [
                drill.cluster.programs / "pg_dump",
                *("-Fc", "-f", dump, odoo.database.name),
            ],
            check=True,
        )
        gateway.behave = None
        drill.go_on(gateway_id, "BACKUP%", 120, odoo)
        assert len(gateway.received) == 120
        assert account.phone().poll() == 3
        odoo.stop()
        name = "sgh_drill_restored"
        drill.cluster.restore(dump, name)
        dump.unlink()
        database = type(odoo.database)(name)
        try:
            _restored(drill, row, database, gateway, gateway_id, account)
        finally:
            database.drop()
        odoo.start()


def _restored(drill, row, database, gateway, gateway_id, account):
    sending = dict(
        database.rows(
            "SELECT request_at IS NOT NULL, count(*) FROM sms_gateway_message "
            "WHERE state = 'sending' GROUP BY 1"
        )
    )
    assert sending.get(True), "nothing was under way: the drill shows nothing"
    # As the document says: before its first start, as phones fetch without any job.
    database.rows("UPDATE sms_gateway SET state = 'disabled' WHERE code != 'sandbox'")
    age_leases(database)
    queued = database.states("BACKUP%").get("queued", 0)
    with drill.server(database) as odoo:
        account.server, account.database = odoo, database
        phone = account.phone()
        assert phone.poll() == 0
        odoo.work(gateway_id)
        wait_for(
            lambda: not database.states("BACKUP%").get("sending"),
            timeout_s=90,
            what="the end of the leases",
        )
        states = database.states("BACKUP%")
        assert states.get("unconfirmed") == sending[True], (states, sending)
        assert states["queued"] == queued + sending.get(False, 0)
        assert phone.poll() == 0 and not phone.radio
        assert database.states("PHONE%") == {"queued": 3}
        assert len(gateway.received) == 120, "something left by itself"
    row.note = (
        f"{sending[True]} under way became unconfirmed; {states['queued']} wait for a "
        "person, and 3 at a phone that came for them; none left by itself"
    )


@drill_of("copied", "a copy with the same secrets, neutralised, runs beside it")
def copied(drill, row):
    """The copy sends nothing and takes no callback; each text leaves once."""
    with (
        drill.site("sgh_drill_source") as odoo,
        drill.counted(row, odoo) as gateway,
    ):
        gateway_id = odoo.make_gateway(gateway)
        odoo.rest(gateway_id)
        odoo.text(odoo.make_contacts(100), "COPY {{ object.id }}")
        odoo.stop()
        copy = drill.copy("sgh_drill_copy", odoo.database.name)
        try:
            done = run_odoo(copy, "neutralize")
            drill.keep_log("neutralize", done)
            assert done.returncode == 0, done.stderr[-2000:]
            with drill.server(copy) as beside:
                beside.work(gateway_id)
                time.sleep(5)
                beside.wake(gateway_id)
                time.sleep(2)
                assert not gateway.received, "the copy sent"
                assert copy.states("COPY%") == {"queued": 100}
                assert copy.rows(
                    "SELECT count(*) FROM sms_gateway WHERE webhook_token IS NOT NULL "
                    "OR state != 'disabled' AND code != 'sandbox'"
                ) == [(0,)]
                odoo.start()
                odoo.work(gateway_id)
                drill.go_on(gateway_id, "COPY%", 100, odoo)
                assert copy.states("COPY%") == {"queued": 100}
        finally:
            copy.drop()


@drill_of("archived", "a gateway is deleted or archived while its texts wait")
def archived(drill, row):
    """It cannot be deleted; archived, its texts wait and leave when it is back."""
    odoo, database = drill.odoo, drill.database
    with drill.counted(row) as gateway:
        gateway.behave = slow(0.05)
        gateway_id = odoo.make_gateway(gateway, parallel_requests=2)
        odoo.text(odoo.make_contacts(80), "ARCHIVED {{ object.id }}")
        under_way(gateway, 10)
        try:
            odoo.call("sms.gateway", "unlink", [gateway_id])
            raise AssertionError("the gateway was deleted")
        except RpcError as error:
            assert "Archive it" in str(error), error
        odoo.call("sms.gateway", "action_archive", [gateway_id])
        wait_for(
            lambda: not database.states("ARCHIVED%").get("sending"),
            what="the end of what was under way",
        )
        left = len(gateway.received)
        assert left < 80, "all had left: the drill shows nothing"
        odoo.wake(gateway_id)
        time.sleep(2)
        assert len(gateway.received) == left
        assert database.states("ARCHIVED%").get("queued") == 80 - left
        odoo.call("sms.gateway", "action_unarchive", [gateway_id])
        drill.go_on(gateway_id, "ARCHIVED%", 80)
        row.note = f"{80 - left} waited"
