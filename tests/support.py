# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the live tests stand on: a real Odoo in processes, and a gateway that counts.

The truth of what was sent is counted at the gateway, outside of Odoo.
"""

import email
import email.policy
import hashlib
import hmac
import json
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter, deque
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg2

CHECKOUT = Path(__file__).parent.parent
TEST_ADDONS = Path(__file__).parent / "addons"
DB_FILTER = os.environ.get("SGH_DB_FILTER", "1") == "1"
# Rows that show whether something grows with them; SGH_MANY=1000000 by hand.
MANY = int(os.environ.get("SGH_MANY", "200000"))
KEY = "KEY-OF-THE-TEST-GATEWAY"
SECRET = "SECRET-OF-ITS-CALLBACKS"


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def browser_path():
    """Return the machine's Chromium.

    :raise RuntimeError: there is none
    """
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise RuntimeError("Chromium is missing: install the package chromium.")


def wait_for(condition, *, timeout_s=120, what="it", step_s=0.1):
    """Wait until a condition holds and return its value.

    The time-out is only there to end a test that failed.
    """
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(step_s)
    raise AssertionError(f"{what} did not happen within {timeout_s} s")


class RpcError(Exception):
    """Odoo answered a call with an error.

    ``name`` is the class of the error, like ``odoo.exceptions.AccessError``.
    """

    def __init__(self, message, name=None):
        super().__init__(message)
        self.name = name


class CountingGateway:
    """A gateway on loopback that logs every message which reaches it.

    ``behave`` may be set to a function of (number of the request, its messages) that
    returns None to accept, or (status, headers, body) to answer something else; it
    may also sleep, or raise ``ConnectionError`` to hang up without an answer.

    What it received says in ``status`` how it was answered: None for hung up.
    """

    # Where it is a list, each message of each gateway goes there as well.
    ledger = None

    def __init__(self):
        self.received = []
        self.requests = 0
        self.headers = []
        self.behave = None
        self._lock = threading.Lock()
        self._serve(free_port())

    def _serve(self, port):
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Without it each answer waits for the peer's delayed acknowledgement.
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_POST(self):
                size = int(self.headers.get("Content-Length", 0))
                messages = json.loads(self.rfile.read(size))["messages"]
                with gateway._lock:
                    gateway.requests += 1
                    number = gateway.requests
                    now = time.time()
                    entries = [{**m, "at": now, "status": None} for m in messages]
                    gateway.received += entries
                    if gateway.ledger is not None:
                        gateway.ledger += entries
                    gateway.headers.append(dict(self.headers))
                try:
                    answer = gateway.behave and gateway.behave(number, messages)
                except ConnectionError:
                    self.close_connection = True
                    return
                if answer is None:
                    results = [
                        {"id": m["id"], "status": "accepted", "ref": f"R-{m['id']}"}
                        for m in messages
                    ]
                    answer = 200, {}, json.dumps({"results": results}).encode()
                status, headers, body = answer
                for entry in entries:
                    entry["status"] = status
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                """Stay silent: the test counts."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request, client_address):
                """A peer that was killed leaves broken pipes: nothing to report."""

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/send"

    @property
    def texts(self):
        """How often each text reached the gateway."""
        return Counter(message["text"] for message in self.received)

    @property
    def ids(self):
        """How often each message id reached the gateway."""
        return Counter(message["id"] for message in self.received)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class MailSink:
    """A mail server on loopback that keeps every e-mail it is given (RFC 5321)."""

    def __init__(self):
        self.raw = []  # (recipients, bytes of the e-mail), in order
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                recipients = []
                self.say(220, "sink")
                while line := self.rfile.readline():
                    verb = line[:4].upper()
                    if verb == b"RCPT":
                        recipients.append(line.decode().split("<")[1].split(">")[0])
                    if verb == b"DATA":
                        self.say(354, "go on")
                        sink.raw.append((recipients, self.read_data()))
                        recipients = []
                    self.say(221 if verb == b"QUIT" else 250, "OK")
                    if verb == b"QUIT":
                        return

            def say(self, code, words):
                self.wfile.write(f"{code} {words}\r\n".encode())

            def read_data(self):
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    # A dot at the start of a line is doubled on the wire.
                    lines.append(line[1:] if line.startswith(b"..") else line)
                return b"".join(lines)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def to(self, address):
        """Return the e-mails to an address, parsed, in order."""
        return [
            email.message_from_bytes(raw, policy=email.policy.default)
            for recipients, raw in list(self.raw)
            if address in recipients
        ]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Database:
    """A database of one test session, looked at from outside of Odoo."""

    def __init__(self, name):
        self.name = name

    def _connect(self, name=None):
        connection = psycopg2.connect(dbname=name or self.name)
        connection.autocommit = True
        return connection

    def rows(self, query, *params):
        connection = self._connect()
        try:
            with connection.cursor() as cr:
                cr.execute(query, params)
                return cr.fetchall() if cr.description else []
        finally:
            connection.close()

    def states(self, like="%"):
        """How many outgoing messages with such a text are in each state."""
        return dict(
            self.rows(
                "SELECT state, count(*) FROM sms_gateway_message "
                "WHERE direction = 'outgoing' AND body LIKE %s GROUP BY state",
                like,
            )
        )

    def appeared(self, query, *params, timeout_s=60):
        """Wait until a query finds something; return when it did, in Unix time.

        It asks hundreds of times a second, so that the time is nearly that of the
        commit; it is never earlier.
        """
        connection = self._connect()
        try:
            with connection.cursor() as cr:

                def found():
                    cr.execute(query, params)
                    return cr.fetchone() and time.time()

                return wait_for(
                    found, timeout_s=timeout_s, what=f"{query} {params}", step_s=0.002
                )
        finally:
            connection.close()

    def fill(self, gateway_id, count, *, state="queued", text="Bench", priority="3"):
        """Put outgoing messages on file, by plain SQL.

        :return: ids, as (first, last)
        """
        [(last,)] = self.rows("SELECT coalesce(max(id), 0) FROM sms_gateway_message")
        self.rows(
            """
            INSERT INTO sms_gateway_message
                   (uuid, gateway_id, company_id, direction, kind, purpose, state,
                    priority, number, body, encoding, segments, attempts, due_at,
                    state_at, sent_at, external_ref, create_date)
            SELECT md5(random()::text || clock_timestamp() || n), %s, 1, 'outgoing',
                   'single', 'transactional', %s, %s,
                   -- Numbers of nobody in the demo data.
                   '+1212' || 2000000 + n %% 7000000,
                   %s || ' ' || n, 'gsm7', 1, 0,
                   now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC',
                   CASE WHEN %s != 'queued' THEN now() AT TIME ZONE 'UTC' END,
                   CASE WHEN %s != 'queued' THEN 'R-' || (%s + n) END,
                   now() AT TIME ZONE 'UTC'
              FROM generate_series(1, %s) AS n
            """,
            gateway_id,
            state,
            priority,
            text,
            state,
            state,
            last,
            count,
        )
        [(first, newest)] = self.rows(
            "SELECT min(id), max(id) FROM sms_gateway_message WHERE id > %s", last
        )
        return first, newest

    @contextmanager
    def locked(self, query, *params):
        """Hold the locks of a query in a transaction of its own."""
        connection = psycopg2.connect(dbname=self.name)
        try:
            with connection.cursor() as cr:
                cr.execute(query, params)
            yield
        finally:
            connection.rollback()
            connection.close()

    @contextmanager
    def closed(self, server=None):
        """Let nobody connect, and end all connections, as a restart would.

        :param OdooServer server: its connections to other databases end, too
        :return: function that ends connections made meanwhile
        """
        connection = self._connect("postgres")

        def hang_up():
            with connection.cursor() as cr:
                # Ours alone: autovacuum's are ended by nobody but a superuser.
                cr.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND usename = current_user "
                    "AND (datname = %s OR application_name = %s)",
                    [self.name, server and f"odoo-{server.process.pid}"],
                )

        def let_in(whether):
            with connection.cursor() as cr:
                cr.execute(f'ALTER DATABASE "{self.name}" ALLOW_CONNECTIONS {whether}')

        let_in(False)
        try:
            hang_up()
            yield hang_up
        finally:
            let_in(True)
            connection.close()

    def copy(self, template=None):
        """Make it anew: empty, or as a copy of a database nobody is connected to."""
        self.drop()
        connection = self._connect("postgres")
        with connection.cursor() as cr:
            cr.execute(
                f'CREATE DATABASE "{self.name}" TEMPLATE "{template or "template0"}" '
                + ("" if template else "ENCODING 'unicode'")
            )
        connection.close()

    def create(self, modules, template=None):
        """Make it anew, and install modules."""
        self.copy(template)
        subprocess.run(
            [
                *odoo_command(self.name),
                "--init",
                ",".join(modules),
                "--stop-after-init",
                "--log-level=warn",
            ],
            check=True,
            cwd=CHECKOUT,
        )

    def drop(self, timeout_s=30):
        """Drop the database, whoever of ours is still connected to it.

        Not WITH (FORCE): where autovacuum is at work, that demands the right to end
        a process of PostgreSQL's own. A plain DROP ends such a worker by itself.
        """
        connection = self._connect("postgres")
        deadline = time.monotonic() + timeout_s
        try:
            with connection.cursor() as cr:
                while True:
                    cr.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = %s AND usename = current_user",
                        [self.name],
                    )
                    try:
                        cr.execute(f'DROP DATABASE IF EXISTS "{self.name}"')
                        return
                    except psycopg2.errors.ObjectInUse:
                        if time.monotonic() > deadline:
                            raise
        finally:
            connection.close()


def odoo_command(database):
    addons = os.environ["SGH_ADDONS_PATH"]
    return [
        os.environ["SGH_PYTHON"],
        str(Path(__file__).with_name("run_odoo.py")),
        "--config",
        os.environ["SGH_ODOO_CONF"],
        "--addons-path",
        f"{addons},{TEST_ADDONS}",
        "--database",
        database,
        # As on a server with several databases. With it Odoo lists them all for each
        # call without a session, by a new connection: the benchmark goes without.
        *(["--db-filter", f"^{database}$"] if DB_FILTER else []),
    ]


def shell_command(database):
    """Return the command of an Odoo shell, which reads a program from its input."""
    python, script, *options = odoo_command(database)
    return [python, script, "shell", *options]


class OdooServer:
    """A real Odoo server with its cron threads or workers.

    :param Database database: what it serves
    :param Path log: file that its log is appended to
    :param int workers: 0 for threads, else HTTP worker processes
    :param options: more options of Odoo's command line
    """

    def __init__(self, database, log, *, workers=0, cron_threads=2, options=()):
        self.database = database
        self.log = log
        self.workers = workers
        self.cron_threads = cron_threads
        self.options = options
        self.process = None
        self.port = None
        self._sessions = {}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        # One port for good: sessions and links outlive a kill.
        self.port = self.port or free_port()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *odoo_command(self.database.name),
                    f"--http-port={self.port}",
                    f"--gevent-port={free_port()}",
                    f"--workers={self.workers}",
                    f"--max-cron-threads={self.cron_threads}",
                    *self.options,
                ],
                cwd=CHECKOUT,
                stdout=log,
                stderr=log,
                # A group of its own, so that a kill takes the workers along.
                start_new_session=True,
            )
        wait_for(self._answers, what="the start of Odoo")
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"Odoo ended: {self.log.read_text()[-3000:]}")
        try:
            with urllib.request.urlopen(f"{self.url}/web/health", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def kill(self):
        """End it like a power cut does: no handler runs."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def tail(self, lines):
        """Return the last lines of its log."""
        with self.log.open(errors="replace") as log:
            return "".join(deque(log, lines))

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.kill()

    def call(self, model, method, *args, login="admin", **kwargs):
        """Call a model's method by the web client's door, as a user does.

        :raise RpcError: the server answered with an error
        """
        if login not in self._sessions:
            opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            self._sessions[login] = opener
            credentials = {
                "db": self.database.name,
                "login": login,
                "password": login,
            }
            self._post(opener, "/web/session/authenticate", credentials)
        params = {"model": model, "method": method, "args": args, "kwargs": kwargs}
        path = f"/web/dataset/call_kw/{model}/{method}"
        return self._post(self._sessions[login], path, params)

    def _post(self, opener, path, params):
        body = json.dumps({"jsonrpc": "2.0", "params": params}).encode()
        request = urllib.request.Request(
            self.url + path, data=body, headers={"Content-Type": "application/json"}
        )
        with opener.open(request, timeout=300) as response:
            answer = json.load(response)
        if "error" in answer:
            error = answer["error"]["data"]
            raise RpcError(error["message"], error["name"])
        return answer.get("result")

    # What the drills do again and again

    def make_gateway(self, gateway, **values):
        """Make a gateway of the tests' own kind, the only one in service."""
        others = self.call("sms.gateway", "search", [("state", "!=", "disabled")])
        self.call("sms.gateway", "write", others, {"state": "disabled"})
        return self.call(
            "sms.gateway",
            "create",
            {
                "name": "Counting gateway",
                "code": "testing",
                "state": "enabled",
                "testing_url": gateway.url,
                "local_network": True,
                "testing_key": KEY,
                "testing_secret": SECRET,
                **values,
            },
        )

    def make_contacts(self, count, name="Contact"):
        """Make contacts with distinct valid numbers, other ones than the demo's."""
        start = self.call("res.partner", "search_count", [])
        return self.call(
            "res.partner",
            "create",
            [
                {"name": f"{name} {n}", "phone": f"+1202{5551000 + start + n}"}
                for n in range(count)
            ],
        )

    def text(self, partner_ids, body, **values):
        """Text contacts as the composer does: one in a chatter, or many at once."""
        mass = len(partner_ids) > 1
        context = {
            "default_res_model": "res.partner",
            "default_composition_mode": "mass" if mass else "comment",
            **(
                {"default_res_ids": repr(partner_ids)}
                if mass
                else {"default_res_id": partner_ids[0]}
            ),
        }
        if mass:
            values.setdefault("mass_keep_log", False)
        composer = self.call(
            "sms.composer", "create", {"body": body, **values}, context=context
        )
        return self.call("sms.composer", "action_send_sms", [composer], context=context)

    def report(self, gateway_id, secret, **event):
        """Post a signed callback, as the gateway does; returns the HTTP status."""
        return self._call_back(gateway_id, secret, "status", "report", event)

    def receive(self, gateway_id, secret, number, text, **event):
        """Post a text that somebody sent to us, as the gateway does."""
        event = {"from": number, "to": "4711", "text": text, **event}
        return self._call_back(gateway_id, secret, "inbound", "inbound", event)

    def _call_back(self, gateway_id, secret, action, kind, event):
        token = self.database.rows(
            "SELECT webhook_token FROM sms_gateway WHERE id = %s", gateway_id
        )[0][0]
        event = {"id": uuid.uuid4().hex, "type": kind, **event}
        body = json.dumps({"events": [event]}).encode()
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        request = urllib.request.Request(
            f"{self.url}/sms_gateway/{token}/{action}",
            data=body,
            headers={"Content-Type": "application/json", "X-Signature": signature},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status

    def rest(self, gateway_id):
        """Let a gateway's own job rest, so that what is queued waits."""
        self._set_job(gateway_id, active=False)

    def work(self, gateway_id):
        """Let a gateway's own job go on, at once."""
        self._set_job(gateway_id, active=True)
        self.wake(gateway_id)

    def _set_job(self, gateway_id, *, active):
        self.database.rows(
            "UPDATE ir_cron SET active = %s WHERE id = "
            "(SELECT cron_id FROM sms_gateway WHERE id = %s)",
            active,
            gateway_id,
        )

    def wake(self, gateway_id):
        self.call("sms.gateway", "action_send_now", [gateway_id])
