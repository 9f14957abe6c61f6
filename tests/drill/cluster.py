# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A PostgreSQL cluster of the drill's own, to be restarted, killed and filled up."""

import os
import secrets
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psycopg2
from support import free_port, wait_for

ADMIN, ROLE = "drill_admin", "odoo"
# Where a small file system may be mounted, in the folder of a cluster.
SMALL = "small"
_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = 128MB
max_wal_size = 1GB
log_min_messages = warning
log_min_error_statement = panic
"""


def find_programs():
    """Return the folder of the newest server programs on the machine.

    :raise RuntimeError: there are none
    """
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda path: int(path.parts[4]),
    )
    if not found:
        raise RuntimeError("PostgreSQL's server programs are not on this machine.")
    return found[-1].parent


class Cluster:
    """A cluster in a folder; what an earlier drill left there is ended and removed.

    :param Path home: folder of the cluster, made by it
    """

    def __init__(self, home):
        self.home = Path(home)
        self.data = self.home / "data"
        self.programs = find_programs()
        self.port = free_port()
        self.password = secrets.token_hex(16)
        self._as = []

    # ------------------------------------------------------------------
    # Life
    # ------------------------------------------------------------------

    def create(self):
        self.drop()
        self.home.mkdir(parents=True)
        if os.getuid() == 0:
            self._become_somebody()
        file = self.home / "password"
        file.write_text(self.password)
        self._run(
            "initdb",
            *("-D", self.data, "-U", ADMIN, f"--pwfile={file}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"),
        )
        file.unlink()
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS)
        self.start()
        self.admin(f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{self.password}'")
        return self

    def _become_somebody(self):
        """PostgreSQL refuses root: another user runs it."""
        try:
            shutil.chown(self.home, "postgres", "postgres")
            user = "postgres"
        except LookupError:
            user = "nobody"
            shutil.chown(self.home, user)
        group = self.home.stat().st_gid
        self._as = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]
        if not self._reaches():
            # A folder above is closed to that user.
            self._as += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]

    def _reaches(self):
        probe = [*self._as, "sh", "-c", ': >"$1" && rm "$1"', "sh", self.home / "probe"]
        done = subprocess.run(probe, cwd="/", stderr=subprocess.DEVNULL, check=False)
        return done.returncode == 0

    def _run(self, program, *arguments, check=True, preload=None):
        env = {name: value for name, value in os.environ.items() if name[:2] != "PG"}
        env["LC_ALL"] = "C.UTF-8"
        env.update(preload or {})
        return subprocess.run(
            [*self._as, self.programs / program, *arguments],
            cwd="/",
            env=env,
            stdin=subprocess.DEVNULL,
            # Not a pipe: the server keeps it open.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=check,
        )

    def start(self, timeout_s=60, preload=None):
        """Start it, also after a kill: processes of the last one may be ending.

        :param dict preload: environment of the server, see ``clock.py``
        """
        options = ("-D", self.data, "-l", self.home / "log", "-o", f"-p {self.port}")
        end = time.monotonic() + timeout_s
        while True:
            done = self._run(
                "pg_ctl",
                *("start", "-w", "-t", "60"),
                *options,
                check=False,
                preload=preload,
            )
            if done.returncode == 0:
                return
            if time.monotonic() > end:
                log = self.home / "log"
                raise RuntimeError(
                    "PostgreSQL does not start: "
                    + (log.read_text()[-2000:] if log.exists() else "no log")
                )
            time.sleep(0.2)

    def stop(self, mode="fast"):
        self._run("pg_ctl", "stop", "-w", "-m", mode, "-D", self.data, check=False)

    def restart(self, mode="fast", preload=None):
        self.stop(mode)
        self.start(preload=preload)

    def kill(self):
        """End the postmaster like a power cut; return once all its processes ended."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not self._processes(), what="the end of PostgreSQL")

    def _processes(self):
        mine = []
        for path in Path("/proc").glob("[0-9]*/cwd"):
            with suppress(OSError):
                if path.readlink() == self.data:
                    mine.append(int(path.parent.name))
        return mine

    @property
    def pid(self):
        try:
            return int((self.data / "postmaster.pid").read_text().split()[0])
        except (FileNotFoundError, IndexError):
            return None

    def drop(self):
        if self.data.exists():
            self.stop("immediate")
            for pid in self._processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        small = self.home / SMALL
        if small.is_mount():
            subprocess.run(["umount", "-l", small], check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    # ------------------------------------------------------------------
    # Use
    # ------------------------------------------------------------------

    def use(self):
        """Let this process, and what it starts, connect to this cluster."""
        os.environ.update(
            PGHOST="127.0.0.1",
            PGPORT=str(self.port),
            PGUSER=ROLE,
            PGPASSWORD=self.password,
        )

    def connect(self, database="postgres", user=ADMIN):
        connection = psycopg2.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            password=self.password,
            dbname=database,
        )
        connection.autocommit = True
        return connection

    def admin(self, query, *params, database="postgres"):
        """Run a statement as the cluster's administrator."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cr:
                cr.execute(query, params or None)
                return cr.fetchall() if cr.description else []
        finally:
            connection.close()

    def backends(self, database):
        """Return the process ids of those who serve clients of a database."""
        rows = self.admin(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s"
            " AND backend_type = 'client backend' AND application_name LIKE 'odoo%%'",
            database,
        )
        return [pid for (pid,) in rows]

    def restore(self, dump, name):
        """Make a database of a dump in PostgreSQL's own format."""
        self.admin(f'CREATE DATABASE "{name}" OWNER {ROLE} TEMPLATE template0')
        # As the administrator: a dump may hold what belongs to the cluster.
        subprocess.run(
            [
                self.programs / "pg_restore",
                *("--no-owner", f"--role={ROLE}", "-j", "2", "-d", name, dump),
            ],
            env={
                **os.environ,
                "PGHOST": "127.0.0.1",
                "PGPORT": str(self.port),
                "PGUSER": ADMIN,
                "PGPASSWORD": self.password,
            },
            check=True,
        )
