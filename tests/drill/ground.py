# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the faults stand on: the cluster, the servers, the gateways, and the count."""

import configparser
import http.client
import inspect
import os
import re
import subprocess
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from unittest import mock

import psycopg2
import test_smssync_live
from fakes.clickatell import FakeClickatell
from support import (
    KEY,
    SECRET,
    CountingGateway,
    Database,
    OdooServer,
    RpcError,
    wait_for,
)
from test_sending_faults import LEFT, age_leases, settled

from .cluster import ROLE, Cluster

# Answers that say for certain that nothing was taken.
REFUSALS = frozenset({400, 401, 402, 403, 404, 413, 429, 503})
# Who is told that a text did not leave, texts again.
NOT_SENT = frozenset({"failed", "canceled", "expired"})
# Rows in this state longer than their lease and this are stuck, in seconds.
STUCK_S = 60
# What a call raises whose server, or whose database, is killed meanwhile.
CALL_FAILS = (RpcError, OSError, http.client.HTTPException, ValueError)
BASE, MAIN = "sgh_drill_base", "sgh_drill"
# Jobs of Odoo that have nothing to do with texts, and take the time of those that have.
OTHER_JOBS = (
    "autovacuum_job",
    "ir_cron_scheduler_action",
    "ir_cron_mail_scheduler_action",
    "ir_cron_module_update_notification",
)


@dataclass
class Row:
    """What became of the texts of one fault.

    :param int accepted: texts whose row was committed, as the driver knows
    :param int unsent: of those, only waited or were cancelled, and never left
    :param int lost: of those, neither at the gateway nor shown as not sent; or called
        not sent although a gateway may have taken them
    :param int doubled: texts that a gateway may have taken once more
    :param int unknown: texts that a gateway may have taken and whose answer is not on
        record, or that were about to leave and have no outcome
    :param int settled: of unknown outcome, until the gateway reported
    :param int visible: of unknown outcome, shown as unconfirmed
    :param int stuck: still ``sending`` a minute after the end of the lease
    """

    key: str
    name: str
    accepted: int = 0
    unsent: int = 0
    lost: int = 0
    doubled: int = 0
    unknown: int = 0
    settled: int = 0
    visible: int = 0
    stuck: int = 0
    seconds: float = 0.0
    note: str = ""
    error: str = ""
    details: dict = field(default_factory=dict)

    @property
    def held(self):
        hidden = self.unknown - self.settled - self.visible
        return not (self.lost or self.doubled or hidden or self.stuck or self.error)

    def to_dict(self):
        return {**asdict(self), "held": self.held}


class CountedServer(OdooServer):
    """A server that is kept count of: what it said was queued, how often it ended."""

    told = 0
    ended = 0

    # Environment of its processes, besides this one's.
    preload = None

    def start(self):
        before = {name: os.environ.get(name) for name in self.preload or {}}
        os.environ.update(self.preload or {})
        try:
            return super().start()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    def revive(self):
        """Start it again where it ended, as a service manager does.

        With workers Odoo ends itself when it starts one while PostgreSQL is away.
        """
        if self.process.poll() is not None:
            self.ended += 1
            self.kill()
            with suppress(AssertionError):
                self.start()

    def text(self, partner_ids, body, **values):
        answer = super().text(partner_ids, body, **values)
        self.told += len(partner_ids)
        return answer


class Audit:
    """Counts what became of the texts that are queued from here on.

    :param Drill drill: whose gateways are counted
    :param CountedServer odoo: whose database is looked at
    """

    def __init__(self, drill, odoo):
        self.drill = drill
        self.odoo = odoo
        self.database = odoo.database
        self.gateways = []
        self.told = odoo.told
        [(self.last_id,)] = self.database.rows(
            "SELECT coalesce(max(id), 0) FROM sms_gateway_message"
        )
        self.drill.ledger.clear()

    def rows(self, which="TRUE"):
        """Return (uuid, state, gateway, kind of gateway, waits) of each text."""
        return self.database.rows(
            f"""
            SELECT message.uuid, message.state, message.gateway_id, gateway.code,
                   message.due_at < now() AT TIME ZONE 'UTC' + interval '2 hours'
              FROM sms_gateway_message AS message
              JOIN sms_gateway AS gateway ON gateway.id = message.gateway_id
             -- What an upgrade brings along as demo data is no text of ours.
             WHERE message.direction = 'outgoing' AND message.id > %s
               AND gateway.code != 'sandbox' AND {which}
          ORDER BY message.id
            """,
            self.last_id,
        )

    def taken(self):
        """How often a gateway may have taken each text, by our id."""
        return Counter(
            entry["id"]
            for entry in list(self.drill.ledger)
            if entry["status"] not in REFUSALS
        )

    def drain(self, url, timeout_s=40):
        """Mend all gateways of these texts, and wait until none is under way.

        :param str url: of a gateway that takes everything
        """
        gateway_ids = sorted({row[2] for row in self.rows() if row[3] == "testing"})
        self.database.rows(
            "UPDATE sms_gateway SET testing_url = %s, active = TRUE, "
            "state = 'enabled', max_rate = 0, testing_build_delay_s = 0 "
            "WHERE id = ANY(%s)",
            url,
            gateway_ids,
        )

        def waits():
            return [
                row
                for row in self.rows()
                if row[3] == "testing"
                and (row[1] == "sending" or row[1] == "queued" and row[4])
            ]

        def done():
            if not waits():
                return True
            self.odoo.revive()
            for gateway_id in gateway_ids:
                with suppress(*CALL_FAILS):
                    self.odoo.work(gateway_id)
                    self.odoo.call("sms.gateway", "action_resume", [gateway_id])
            return False

        with suppress(AssertionError):
            wait_for(done, timeout_s=timeout_s / 2, what="the rest", step_s=0.7)
            return
        # What a killed sender left: its lease ends once nobody can be sending.
        self.odoo.kill()
        age_leases(self.database)
        self.odoo.start()
        with suppress(AssertionError):
            wait_for(done, timeout_s=timeout_s, what="the rest", step_s=0.7)

    def settle(self):
        """Let gateways report what they took and we do not know of."""
        taken = self.taken()
        unsure = [
            (uuid, gateway_id)
            for uuid, _state, gateway_id, code, _waits in self.rows(
                "message.state = 'unconfirmed'"
            )
            if code == "testing" and taken[uuid]
        ]

        def report(uuid, gateway_id):
            self.odoo.report(gateway_id, SECRET, message=uuid, status="delivered")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda pair: report(*pair), unsure))
        uuids = [uuid for uuid, _gateway in unsure]

        def known():
            return not self.database.rows(
                "SELECT 1 FROM sms_gateway_message WHERE uuid = ANY(%s) "
                "AND state = 'unconfirmed' LIMIT 1",
                uuids,
            )

        if uuids:
            wait_for(known, timeout_s=60, what="the settling", step_s=0.2)

    def unknown(self, taken, rows):
        """Return the states of texts whose outcome the sender cannot have known.

        What was taken is known at the gateways. Of the rest the rows alone tell that
        it may have left: under a stamp, and without an outcome.
        """
        answered = dict(
            self.database.rows(
                "SELECT message.uuid, count(*) FROM sms_gateway_attempt AS attempt "
                "JOIN sms_gateway_message AS message "
                "ON message.id = attempt.message_id WHERE message.id > %s "
                "AND attempt.state = 'sent' AND attempt.late IS NOT TRUE GROUP BY 1",
                self.last_id,
            )
        )
        stamped = {
            uuid
            for uuid, *_rest in self.rows(
                "message.state IN ('sending', 'unconfirmed') "
                "AND message.request_at IS NOT NULL"
            )
        }
        return Counter(
            state
            for uuid, state, _gateway, code, _waits in rows
            # What phones took is theirs to report, at their next round.
            if code != "smssync"
            and (taken[uuid] > answered.get(uuid, 0) or uuid in stamped)
        )

    def stuck(self):
        [(count,)] = self.database.rows(
            "SELECT count(*) FROM sms_gateway_message WHERE direction = 'outgoing' "
            "AND id > %s AND state = 'sending' AND lease_until "
            "< now() AT TIME ZONE 'UTC' - %s * interval '1 second'",
            self.last_id,
            STUCK_S,
        )
        return count

    def count(self, row, *, waiting=False):
        """Fill in a row of the table.

        :param bool waiting: whether texts may still be waiting to be sent
        """
        self.settle()
        taken = self.taken()
        rows = self.rows()
        unknown = self.unknown(taken, rows)
        told = self.odoo.told - self.told
        states = Counter(state for _uuid, state, *_rest in rows)
        row.accepted += max(told, len(rows))
        row.stuck += self.stuck()
        row.unknown += unknown.total()
        row.settled += unknown["delivered"] + unknown["undelivered"]
        row.visible += unknown["unconfirmed"]
        row.doubled += sum(count - 1 for count in taken.values() if count > 1)
        gone = max(told - len(rows), 0)
        claimed = sum(
            state in ("sent", "delivered") and not taken[uuid]
            for uuid, state, *_rest in rows
        )
        denied = sum(state in NOT_SENT and taken[uuid] > 0 for uuid, state, *_r in rows)
        left = sum(
            # Phones come when they like: what waits for them is not left behind.
            code != "smssync"
            and not taken[uuid]
            and (state == "sending" or state == "queued" and waits)
            for uuid, state, _gateway, code, waits in rows
        )
        row.lost += gone + claimed + denied + (0 if waiting else left)
        row.unsent += sum(
            state in ("queued", "canceled") and not taken[uuid]
            for uuid, state, *_rest in rows
        )
        row.details.update(
            states=dict(states),
            unknown=dict(unknown),
            gone=gone,
            not_at_the_gateway=claimed,
            called_not_sent=denied,
            left=left,
        )


class Drill:
    """The cluster with its databases, and servers on them. Ends all it started.

    :param str source: a database with every addon, in the cluster of the environment
    :param Path home: folder of all that the drill makes
    :param Path logs: folder for Odoo's logs
    :param bool quick: whether less is done
    """

    def __init__(self, source, home, logs, *, quick=False):
        self.quick = quick
        self.home = Path(home).resolve()
        self.logs = Path(logs).resolve()
        self.logs.mkdir(parents=True, exist_ok=True)
        for old in self.logs.glob("drill-*.log"):
            old.unlink()
        self.stack = ExitStack()
        self.rows = []
        self.secrets = set()
        self.numbers = set()
        self.bodies = set()
        self.cluster = Cluster(self.home / "pg")
        self.home.mkdir(parents=True, exist_ok=True)
        dump = self.home / "base.dump"
        subprocess.run(
            [self.cluster.programs / "pg_dump", "-Fc", "-Z0", "-f", dump, source],
            check=True,
        )
        self.stack.callback(self.cluster.drop)
        CountingGateway.ledger = self.ledger = []
        self.stack.callback(setattr, CountingGateway, "ledger", None)
        try:
            self.cluster.create()
            self.cluster.restore(dump, BASE)
            dump.unlink()
            self._configure()
            self._tidy(Database(BASE))
            self.database = self.copy(MAIN)
            self.odoo = self.stack.enter_context(self.server(self.database))
        except BaseException:
            self.stack.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.stack.close()

    def _configure(self):
        """Let Odoo and this process use the cluster, by a configuration of its own."""
        config = configparser.RawConfigParser()
        config.read(os.environ["SGH_ODOO_CONF"])
        config["options"].update(
            data_dir=str(self.home / "data"),
            db_host="127.0.0.1",
            db_port=str(self.cluster.port),
            db_user=ROLE,
            db_password=self.cluster.password,
        )
        path = self.home / "odoo.conf"
        path.touch(0o600)
        with path.open("w") as file:
            config.write(file)
        os.environ["SGH_ODOO_CONF"] = str(path)
        self.cluster.use()

    def _tidy(self, database):
        """Forget what the source was used for."""
        database.rows("TRUNCATE sms_gateway_message, sms_gateway_event CASCADE")
        database.rows("UPDATE sms_gateway SET state = 'disabled'")
        database.rows("DELETE FROM ir_cron_trigger")
        database.rows(
            "UPDATE ir_cron SET active = FALSE WHERE id IN (SELECT res_id FROM "
            "ir_model_data WHERE model = 'ir.cron' AND name = ANY(%s))",
            list(OTHER_JOBS),
        )
        database.rows(
            "UPDATE res_users SET notification_type = 'inbox' WHERE id = 2",
        )

    # ------------------------------------------------------------------
    # Databases and servers
    # ------------------------------------------------------------------

    def copy(self, name, template=BASE, tablespace=None):
        """Make a database like another one, which nobody may be using."""
        place = f" TABLESPACE {tablespace}" if tablespace else ""
        self.cluster.admin(
            f'CREATE DATABASE "{name}" OWNER {ROLE} TEMPLATE "{template}"{place}'
        )
        return Database(name)

    @contextmanager
    def server(self, database, *, workers=2, cron_threads=2, options=(), preload=None):
        """Give a running multi-worker Odoo; what its log must not hold is kept."""
        log = self.logs / f"drill-{database.name}.log"
        server = CountedServer(
            database,
            log,
            workers=workers,
            cron_threads=cron_threads,
            # As the documents say: it answers callbacks without a database, too.
            options=("--load=base,rpc,web,sms_gateway_hub", *options),
        )
        server.preload = preload
        try:
            yield server.start()
        finally:
            server.stop()
            with suppress(psycopg2.Error):
                self._keep_what_is_secret(database)

    @contextmanager
    def site(self, name, *, template=BASE, tablespace=None, **values):
        """Give a server on a database of its own; both end with the block."""
        database = self.copy(name, template, tablespace)
        try:
            with self.server(database, **values) as server:
                yield server
        finally:
            database.drop()

    def _keep_what_is_secret(self, database):
        for number, body in database.rows(
            "SELECT DISTINCT number, body FROM sms_gateway_message "
            "ORDER BY number LIMIT 200000"
        ):
            self.numbers.add(number or "")
            self.bodies.add(body or "")
        self.secrets |= {
            secret
            for (secret,) in database.rows(
                "SELECT webhook_token FROM sms_gateway "
                "UNION SELECT token FROM sms_gateway_device "
                "UNION SELECT secret FROM sms_gateway_device"
            )
            if secret
        }

    def read_logs(self):
        """Look through all that Odoo logged, at INFO or above.

        :return: (number of lines, list of what must not be there)
        """
        with suppress(psycopg2.Error):
            self._keep_what_is_secret(self.database)
        digits = {number.lstrip("+") for number in self.numbers} - {""}
        # A text is known by its first words, without the number that tells it apart.
        words = {re.sub(r"[\d ]*$", " ", body[:40]) for body in self.bodies if body}
        secrets = self.secrets | {KEY, SECRET, self.cluster.password}
        found, lines = set(), 0
        for path in sorted(self.logs.glob("drill-*.log")):
            text = path.read_text(errors="replace")
            lines += text.count("\n")
            for run_of_digits in set(re.findall(r"\d{8,15}", text)) & digits:
                found.add(f"{path.name}: the number {run_of_digits}")
            for word in words:
                if word in text:
                    found.add(f"{path.name}: the text {word!r}")
            for secret in secrets:
                if secret in text:
                    found.add(f"{path.name}: the secret {secret[:4]}…")
        return lines, sorted(found)

    # ------------------------------------------------------------------
    # Faults
    # ------------------------------------------------------------------

    def run(self, key, name, function):
        """Make one fault, and count what became of its texts.

        :param function: of this drill and of its row; counts by itself, or leaves it
            to an ``audit`` that it returns
        """
        row = Row(key, name)
        self.rows.append(row)
        begun = time.monotonic()
        try:
            function(self, row)
        except Exception as error:  # noqa: BLE001 the others are still tried
            row.error = f"{type(error).__name__}: {' '.join(str(error).split())[-300:]}"
            row.details["trace"] = traceback.format_exc()[-3000:]
            self.mend()
        row.seconds = time.monotonic() - begun
        return row

    def keep_log(self, name, done):
        """Keep what an Odoo that ran once wrote, with the logs of the servers."""
        with (self.logs / f"drill-{name}.log").open("a") as log:
            log.write(done.stdout + done.stderr)

    def mend(self):
        """After a fault that went wrong: the next one finds all in service."""
        if not self.cluster.pid or self.cluster.pid not in self.cluster._processes():
            self.cluster.start()
        self.odoo.kill()
        try:
            self.odoo.start()
        except AssertionError:
            # PostgreSQL was still recovering.
            wait_for(self.cluster.connect, what="PostgreSQL").close()
            self.odoo.start()

    @contextmanager
    def counted(self, row, odoo=None, **options):
        """Give a counting gateway; at the end its texts are counted."""
        odoo = odoo or self.odoo
        audit = Audit(self, odoo)
        gateway = CountingGateway()
        try:
            yield gateway
            gateway.behave = None
            if not options.get("waiting"):
                audit.drain(gateway.url)
        finally:
            gateway.behave = None
            try:
                audit.count(row, **options)
            finally:
                gateway.close()

    def go_on(self, gateway_id, like, count, odoo=None, timeout_s=120):
        """Wake the sender until all texts have an outcome: none is called not sent."""
        odoo = odoo or self.odoo
        done = settled(odoo.database, like, count)

        def woken():
            odoo.revive()
            with suppress(*CALL_FAILS):
                odoo.wake(gateway_id)
            with suppress(psycopg2.Error):
                return done()

        states = wait_for(woken, timeout_s=timeout_s, what="all outcomes", step_s=0.5)
        assert set(states) <= LEFT, states

    def tests(self, *functions, **options):
        """Return a fault made of live tests: they run against the drill's server.

        :param functions: test functions, or (function, further arguments)
        """

        def fault(drill, row):
            for function in functions:
                arguments = {}
                if isinstance(function, tuple):
                    function, arguments = function
                with drill.counted(row, **options) as gateway:
                    recorded = row.details.setdefault("recorded", [])
                    own = {
                        "gateway": gateway,
                        "record_property": lambda *pair, to=recorded: to.append(pair),
                        **arguments,
                    }
                    call_test(drill, function, own)

        return fault


class CountedAccount(test_smssync_live.Account):
    """An account whose phones' texts are in the gateways' ledger as well."""

    def phone(self, n=0, **options):
        options["on_sent"] = lambda _phone, sent: self._sent(sent.uuid)
        return super().phone(n, **options)

    def claim(self, uuids, n=0, **options):
        granted = super().claim(uuids, n, **options)
        for reference in granted:
            self._sent(reference)
        return granted

    def _sent(self, reference):
        # The phone knows the name of its offer; ours is in the row.
        [(ours,)] = self.rows("uuid", "external_ref = %s", reference)
        CountingGateway.ledger.append({"id": ours, "status": 200})


def call_test(drill, function, arguments):
    """Call a live test with the drill's own database, servers and gateway.

    Its other fixtures are those of its module, made and ended here.
    """
    own = {
        "odoo": drill.odoo,
        "server": drill.odoo,
        "workers": drill.odoo,
        "database": drill.database,
        **arguments,
    }
    module = inspect.getmodule(function)

    def needs(function):
        return inspect.signature(function).parameters

    with ExitStack() as stack:

        def make(name):
            if name not in own:
                fixture = getattr(module, name)
                made = getattr(fixture, "__wrapped__", None) or (
                    fixture._get_wrapped_function()
                )
                values = {need: make(need) for need in needs(made)}
                if inspect.isgeneratorfunction(made):
                    own[name] = stack.enter_context(contextmanager(made)(**values))
                else:
                    own[name] = made(**values)
            return own[name]

        try:
            with mock.patch.object(test_smssync_live, "Account", CountedAccount):
                function(**{name: make(name) for name in needs(function)})
        finally:
            for made in own.values():
                if isinstance(made, FakeClickatell):
                    drill.ledger += [
                        {"id": text.client_id, "status": 200 if text.ref else 400}
                        for text in made.texts
                    ]
