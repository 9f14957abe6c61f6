# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the measurements stand on: Odoo in this process, servers and peers in others."""

import json
import os
import resource
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import requests
from support import CHECKOUT, KEY, SECRET, Database, OdooServer

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry
from odoo.sql_db import Cursor, close_db
from odoo.tools import config

HERE = Path(__file__).parent
# The company whose texts go by Odoo's own provider, not by a gateway of the hub.
CORE_COMPANY = "Texts without the hub"
TWILIO_TOKEN = "TOKEN-OF-THE-BENCH"


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    :param int pairs: turns of each pair
    :param int bulk: texts that are queued at once, e.g. for P1
    :param tuple growth: numbers of texts that show whether figures grow with them
    :param int stored: texts on file in the large database of P12
    :param int memory: texts queued by the process whose memory is watched
    :param float run_s: seconds of a sender's run
    :param int numbers: phone numbers that are read
    :param float cap_s: seconds that a cap is watched for
    :param int callbacks: callbacks of a sample
    :param int waiting: texts that wait, while a reply overtakes them or a phone polls
    :param int replies: replies that one sample of P7 is made of
    :param int core_texts: texts that core's side sends at 100 ms each
    :param int workers: processes of a server that answer callbacks, 0 for threads of
        a single one
    """

    pairs: int
    bulk: int
    growth: tuple
    stored: int
    memory: int
    run_s: float
    numbers: int
    cap_s: float
    callbacks: int
    waiting: int
    replies: int
    core_texts: int
    workers: int

    @property
    def processes(self):
        """Return how many processes answer callbacks."""
        return self.workers or 1

    @property
    def threads(self):
        """Return how many callbacks are under way at once."""
        return 2 * self.processes


# As many as Odoo's guide to deployment says.
_WORKERS = 2 * os.cpu_count() + 1
FULL = Sizes(
    pairs=5,
    bulk=100_000,
    growth=(1_000, 10_000, 1_000_000),
    stored=1_000_000,
    memory=1_000_000,
    run_s=5.0,
    numbers=20_000,
    cap_s=30.0,
    callbacks=500,
    waiting=100_000,
    replies=10,
    core_texts=10,
    workers=_WORKERS,
)
QUICK = Sizes(
    pairs=5,
    bulk=5_000,
    growth=(),
    stored=20_000,
    memory=10_000,
    run_s=1.2,
    numbers=2_000,
    cap_s=5.0,
    callbacks=64,
    waiting=5_000,
    replies=4,
    core_texts=5,
    workers=_WORKERS,
)
# For the test of this machinery: whether it works, not how fast it is.
TINY = Sizes(
    pairs=1,
    bulk=200,
    growth=(),
    stored=2_000,
    memory=500,
    run_s=0.3,
    numbers=50,
    cap_s=1.0,
    callbacks=4,
    waiting=200,
    replies=1,
    core_texts=2,
    workers=0,
)


class Worker:
    """A process of ours that answers lines of JSON with lines of JSON."""

    def __init__(self, name):
        self.process = subprocess.Popen(
            [sys.executable, HERE / name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **job):
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"A process of the benchmark ended: {self.process.args}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)


class FastGateway:
    """The gateway of ``peer.py``, in a process of its own."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, HERE / "peer.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/send"

    def control(self, **values):
        """Set ``latency_s`` and forget what came; without values say what came."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/control",
            data=json.dumps(values).encode() if values else None,
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)


class Site:
    """One database: an Odoo registry in this process, a plain connection beside it."""

    def __init__(self, name):
        self.name = name
        self.registry = Registry(name)
        self.connection = psycopg2.connect(dbname=name)
        self.connection.autocommit = True
        self.database = Database(name)

    @contextmanager
    def env(self):
        """Give an environment in a transaction that is committed at the end."""
        with self.registry.cursor() as cr:
            yield api.Environment(cr, SUPERUSER_ID, {})

    def rows(self, query, *params):
        with self.connection.cursor() as cr:
            cr.execute(query, params or None)
            return cr.fetchall() if cr.description else []

    def empty(self):
        """Forget every message, and what hangs on it."""
        self.rows("TRUNCATE sms_gateway_message CASCADE")
        self.rows("DELETE FROM sms_sms")
        self.rows("DELETE FROM sms_tracker")
        self.rows("DELETE FROM ir_cron_trigger")
        self.rows("VACUUM ANALYZE sms_gateway_message")
        self.rows("UPDATE sms_gateway SET next_slot_at = 0")

    def fill(self, gateway_id, count, **values):
        """Put outgoing messages on file; return their ids, as (first, last)."""
        return self.database.fill(gateway_id, count, **values)

    def make_gateway(self, url, name="Bench", **values):
        """Make a gateway of the tests' own kind whose job rests."""
        with self.env() as env:
            gateway = env["sms.gateway"].create(
                {
                    "name": name,
                    "code": "testing",
                    "state": "enabled",
                    # Core's side belongs to another company.
                    "company_id": env.ref("base.main_company").id,
                    "testing_url": url,
                    "local_network": True,
                    "testing_key": KEY,
                    "testing_secret": SECRET,
                    # Callbacks are counted, and more than these are never refused.
                    "callback_rate": 2_000,
                    **values,
                }
            )
            gateway.cron_id.active = False
            return gateway.id

    def set(self, gateway_id, **values):
        with self.env() as env:
            env["sms.gateway"].browse(gateway_id).write(values)

    def close(self):
        self.connection.close()


class Bench:
    """What a metric gets: the database, the peers, the sizes. Ends all it started.

    :param str database: a database with the hub that this run may fill
    :param Sizes sizes: how much is measured
    :param Path logs: folder for the logs of servers
    """

    def __init__(self, database, sizes, logs):
        self.sizes = sizes
        self.logs = Path(logs)
        self.stack = ExitStack()
        self._core_company_id = None
        self._large = None
        self.main = Site(database)
        self.stack.callback(self.main.close)
        self.main.rows("UPDATE sms_gateway SET state = 'disabled'")
        # What the demo data plans runs beside no measurement.
        self.main.rows("UPDATE ir_cron SET active = FALSE")
        self.gateway = FastGateway()
        self.stack.callback(self.gateway.close)
        self.bare = Worker("bare.py")
        self.stack.callback(self.bare.close)
        self.load = Worker("load.py")
        self.stack.callback(self.load.close)

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.stack.close()

    @contextmanager
    def server(self, site, name, **values):
        """Give a real Odoo for a database, for a while."""
        with self.servers((site, name), **values) as [server]:
            yield server

    @contextmanager
    def servers(self, *named, **values):
        """Give several, which start side by side.

        :param named: (Site, name of its log) of each
        """
        servers = [
            OdooServer(site.database, self.logs / f"{name}.log", **values)
            for site, name in named
        ]
        try:
            with ThreadPoolExecutor() as pool:
                list(pool.map(OdooServer.start, servers))
            yield servers
        finally:
            # Their end is not measured, and would take some seconds.
            for server in servers:
                if server.process:
                    server.kill()

    def large(self):
        """Return a second database, a copy with very many messages on file."""
        if not self._large:
            name = f"{self.main.name}_large"
            copy = Database(name)
            self.stack.callback(copy.drop)
            # A copy wants its source to be left alone.
            self.main.close()
            close_db(self.main.name)
            copy.copy(self.main.name)
            self.main.connection = psycopg2.connect(dbname=self.main.name)
            self.main.connection.autocommit = True
            self._large = Site(name)
            self.stack.callback(self._leave_large)
        return self._large

    def _leave_large(self):
        self._large.close()
        close_db(self._large.name)

    # -- Odoo's own side ---------------------------------------------------------

    def core_company(self):
        """Return the id of a company whose texts go by core's Twilio provider."""
        if not self._core_company_id:
            with self.main.env() as env:
                country = env.ref("base.us")
                company = env["res.company"].create(
                    {"name": CORE_COMPANY, "country_id": country.id}
                )
                env.user.company_ids += company
                company.write(
                    {
                        "sms_provider": "twilio",
                        "sms_twilio_account_sid": "AC" + "0" * 32,
                        "sms_twilio_auth_token": TWILIO_TOKEN,
                    }
                )
                env["sms.twilio.number"].create(
                    {
                        "company_id": company.id,
                        "number": "+12025550199",
                        "country_id": country.id,
                    }
                )
                self._core_company_id = company.id
        return self._core_company_id

    def core_env(self, env):
        """Return the environment of core's company."""
        return env(
            context={"allowed_company_ids": [self.core_company()]}, user=SUPERUSER_ID
        )

    def core_texts(self, count):
        """Queue SMS at core, as Odoo's own code does; return their ids."""
        self.core_company()
        with self.main.env() as env:
            texts = self.core_env(env)["sms.sms"].create(
                [
                    {"number": f"+1202555{n % 9000 + 1000}", "body": f"Bench {n}"}
                    for n in range(count)
                ]
            )
            return texts.ids

    @contextmanager
    def twilio_at_the_peer(self):
        """Let core's hard-coded address of Twilio be our gateway, in this process."""
        original = requests.Session.request

        def redirected(session, method, url, *args, **kwargs):
            url = url.replace(
                "https://api.twilio.com", f"http://127.0.0.1:{self.gateway.port}"
            )
            return original(session, method, url, *args, **kwargs)

        requests.Session.request = redirected
        try:
            yield
        finally:
            requests.Session.request = original

    def core_send(self, ids):
        """Send SMS by core's Twilio provider, as its job does, and commit."""
        with self.main.env() as env:
            texts = self.core_env(env)["sms.sms"].browse(ids)
            texts.send(raise_exception=True)
            states = set(texts.mapped("state"))
        if states != {"pending"}:
            raise RuntimeError(f"Core's side did not send: {states}")


@contextmanager
def counted_queries():
    """Count the statements of this process; gives a list with one number."""
    count, execute = [0], Cursor.execute

    def counting(self, *args, **kwargs):
        count[0] += 1
        return execute(self, *args, **kwargs)

    Cursor.execute = counting
    try:
        yield count
    finally:
        Cursor.execute = execute


def resident_bytes():
    """Return the memory of this process that is in use now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def start_odoo(database):
    """Set Odoo up in this process, as a script does; no job and no server runs."""
    addons = f"{os.environ['SGH_ADDONS_PATH']},{CHECKOUT / 'tests' / 'addons'}"
    config.parse_config(
        [
            "--config",
            os.environ["SGH_ODOO_CONF"],
            "--addons-path",
            addons,
            "--database",
            database,
            "--log-level=error",
            "--no-http",
            "--max-cron-threads=0",
        ],
        setup_logging=True,
    )
