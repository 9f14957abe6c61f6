# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""``kill -9`` at random moments under load: texts go out, reports and texts come in."""

import os
import random
import signal
import threading
import time
import uuid
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psycopg2
from support import SECRET, wait_for
from test_sending_faults import LEFT, age_leases

from .ground import CALL_FAILS

# Who is killed, and how often of a hundred times.
VICTIMS = {
    "cron worker": 35,
    "HTTP worker": 25,
    "PostgreSQL backend": 25,
    "all of Odoo": 10,
    "postmaster": 5,
}
PAUSE_S = (0.05, 1.8)
# Before each, so many texts were queued or left since the last one, or so long was it
# waited for them: who hits a server that is still starting shows little.
WORK, WORK_S = 20, 10
CONTACTS = 200
PER_CALL = 10
# With so many that wait fewer are queued. Never none: each wakes the jobs' workers, who
# sleep for a minute when they were started anew.
AHEAD = 200
FAILS = (*CALL_FAILS, psycopg2.Error)


class Load:
    """Texts by users, and callbacks by the gateway, which repeats what got no yes.

    :param odoo: server
    :param gateway: CountingGateway
    """

    def __init__(self, odoo, gateway, seed):
        self.odoo = odoo
        self.gateway = gateway
        self.gateway_id = odoo.make_gateway(gateway, parallel_requests=8)
        self.contacts = odoo.make_contacts(CONTACTS, name="Kill")
        self.told = set()  # texts whose call was answered: they are accepted
        self.asked = set()  # texts of calls without an answer: nobody knows
        self.incoming = {}  # text -> whether it was answered with 200
        self.reported = set()  # ids of texts whose report was answered with 200
        self.random = random.Random(seed)
        self.stop = threading.Event()
        self.threads = [
            threading.Thread(target=work, daemon=True)
            for work in (*[self.queue] * 3, self.report, self.receive)
        ]
        gateway.behave = lambda number, messages: time.sleep(
            random.choice((0.01, 0.03, 0.1))
        )

    def start(self):
        for thread in self.threads:
            thread.start()

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(90)

    def done(self):
        """Return how many texts were queued, and how many left."""
        return len(self.told) + len(self.gateway.received)

    def queue(self):
        while not self.stop.is_set():
            if self.waiting() > AHEAD:
                self.stop.wait(1)
            label = f"KILLED {uuid.uuid4().hex[:10]}"
            chosen = self.random.sample(self.contacts, PER_CALL)
            texts = {f"{label} {contact}" for contact in chosen}
            try:
                self.odoo.text(chosen, f"{label} {{{{ object.id }}}}")
                self.told |= texts
            except FAILS:
                self.asked |= texts
                self.stop.wait(0.2)

    def waiting(self):
        with suppress(psycopg2.Error):
            return self.odoo.database.states("KILLED%").get("queued", 0)
        return 0

    def report(self):
        """Report every third text as delivered, until it is answered."""
        done = 0
        while not self.stop.is_set():
            received = self.gateway.received[done : done + 3]
            if len(received) < 3:
                self.stop.wait(0.1)
                continue
            done += 3
            event = {"message": received[0]["id"], "status": "delivered"}
            event["id"] = uuid.uuid4().hex
            if self.until_yes(
                lambda event=event: self.odoo.report(self.gateway_id, SECRET, **event)
            ):
                self.reported.add(event["message"])

    def receive(self):
        """Hand in a text, until it is answered."""
        while not self.stop.wait(0.2):
            text = f"KILLED answer {uuid.uuid4().hex[:10]}"
            number = f"+1415{5_554_000 + self.random.randrange(50)}"
            event = uuid.uuid4().hex
            self.incoming[text] = self.until_yes(
                lambda number=number, text=text, event=event: self.odoo.receive(
                    self.gateway_id, SECRET, number, text, id=event
                )
            )

    def until_yes(self, call):
        while not self.stop.is_set():
            with suppress(*FAILS, IndexError):
                if call() == 200:
                    return True
            self.stop.wait(0.1)
        return False


def children(pid):
    """Return (process id, niceness, command) of a server's processes."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            with suppress(OSError):
                command = Path(f"/proc/{child}/cmdline").read_bytes()
                nice = os.getpriority(os.PRIO_PROCESS, int(child))
                found.append((int(child), nice, command))
    return found


def workers(odoo, *, cron):
    """Return the processes of a kind: those of jobs are nice."""
    return [
        pid
        for pid, nice, command in children(odoo.process.pid)
        if b"gevent" not in command.split(b"\0") and (nice > 0) == cron
    ]


class Killer:
    """Kills one process after the other.

    :param Drill drill: whose server and cluster are hurt
    :param Load load: what goes on meanwhile
    :param int seed: of its choices and its pauses
    """

    def __init__(self, drill, load, seed):
        self.drill = drill
        self.load = load
        self.odoo = drill.odoo
        self.random = random.Random(seed)
        self.kills = Counter()

    def kill_one(self):
        """Wait for a random moment, then kill something; return whether it was."""
        victim = self.random.choices(list(VICTIMS), VICTIMS.values())[0]
        self.odoo.revive()
        enough, end = self.load.done() + WORK, time.monotonic() + WORK_S
        while self.load.done() < enough and time.monotonic() < end:
            time.sleep(0.02)
            self.odoo.revive()
        time.sleep(self.random.uniform(*PAUSE_S))
        with suppress(ProcessLookupError, psycopg2.Error, IndexError):
            if victim == "cron worker":
                self._kill(workers(self.odoo, cron=True))
            elif victim == "HTTP worker":
                self._kill(workers(self.odoo, cron=False))
            elif victim == "PostgreSQL backend":
                self._kill(self.drill.cluster.backends(self.odoo.database.name))
            elif victim == "all of Odoo":
                self.odoo.kill()
                # PostgreSQL may be away just now: then it is tried again.
                with suppress(AssertionError):
                    self.odoo.start()
            else:
                self.drill.cluster.kill()
                self.drill.cluster.start()
            self.kills[victim] += 1
            return True
        return False

    def _kill(self, pids):
        os.kill(self.random.choice(pids), signal.SIGKILL)


def run(drill, row, kills, seed):
    """Kill so often under load; then nothing may be lost, doubled or stuck."""
    odoo, database = drill.odoo, drill.database
    with drill.counted(row) as gateway:
        load = Load(odoo, gateway, seed)
        before = jobs_off(database)
        killer = Killer(drill, load, seed)
        load.start()
        begun, ended = time.monotonic(), odoo.ended
        try:
            while sum(killer.kills.values()) < kills:
                killer.kill_one()
        finally:
            # The last one must be survived as well.
            wait_for(lambda: _answers(drill), what="PostgreSQL", step_s=0.2)
            load.end()
        killed_s = time.monotonic() - begun
        # No sender is left: what it claimed is settled as its lease runs out.
        odoo.kill()
        wait_for(lambda: not drill.cluster.backends(database.name), what="the end")
        age_leases(database)
        # Reports that met a text in mid-air are tried again, later and later.
        database.rows(
            "UPDATE sms_gateway_event SET next_try_at = next_try_at "
            "- interval '1 hour' WHERE state = 'pending'"
        )
        odoo.start()
        begun = time.monotonic()

        def settled():
            with suppress(*FAILS):
                odoo.wake(load.gateway_id)
            return not set(database.states("KILLED%")) & {"queued", "sending"}

        wait_for(settled, timeout_s=240, what="the end of all texts", step_s=1)

        def applied():
            # Workers that were started anew sleep for a minute, if nothing wakes them.
            with suppress(*FAILS):
                odoo.wake(load.gateway_id)
            return not database.rows(
                "SELECT 1 FROM sms_gateway_event WHERE gateway_id = %s "
                "AND state = 'pending' LIMIT 1",
                load.gateway_id,
            )

        wait_for(applied, timeout_s=240, what="the end of the callbacks", step_s=1)
        settled_s = time.monotonic() - begun
        judge(row, database, gateway, load)
        row.note = (
            f"{sum(killer.kills.values())} kills in {killed_s:.0f} s ("
            + ", ".join(f"{count} {name}" for name, count in killer.kills.items())
            + f"); all settled after {settled_s:.0f} s more. "
            f"{len(load.incoming)} texts in, {len(load.reported)} reports; without "
            f"PostgreSQL Odoo ended itself {odoo.ended - ended} times"
        )
        row.details.update(kills=dict(killer.kills), seed=seed)
        off = jobs_off(database) - before
        assert not off, f"jobs were switched off: {off}"


def jobs_off(database):
    """Return the ids of jobs that are switched off."""
    rows = database.rows("SELECT id FROM ir_cron WHERE NOT active")
    return {job_id for (job_id,) in rows}


def _answers(drill):
    with suppress(psycopg2.Error):
        return drill.cluster.admin("SELECT 1")


def judge(row, database, gateway, load):
    """Count by text what a count by row cannot see: texts queued or taken in twice."""
    bodies = Counter(
        body
        for (body,) in database.rows(
            "SELECT body FROM sms_gateway_message WHERE body LIKE 'KILLED%%' "
            "AND direction = 'outgoing'"
        )
    )
    incoming = Counter(
        body
        for (body,) in database.rows(
            "SELECT body FROM sms_gateway_message WHERE body LIKE 'KILLED answer%%' "
            "AND direction = 'incoming'"
        )
    )
    states = database.states("KILLED%")
    assert set(states) <= LEFT, states
    delivered = database.rows(
        "SELECT uuid FROM sms_gateway_message WHERE uuid = ANY(%s) "
        "AND state = 'delivered'",
        list(load.reported),
    )
    gone = load.told - set(bodies)
    forgotten = len(load.reported) - len(delivered)
    never = {text for text, yes in load.incoming.items() if yes} - set(incoming)
    twice = sum(count - 1 for count in (bodies + incoming).values())
    row.lost += len(gone) + len(never) + forgotten
    row.doubled += twice
    row.details.update(
        queued_and_told=len(load.told),
        queued_without_an_answer=len(load.asked & set(bodies)),
        not_queued=len(load.asked - set(bodies)),
        texts_in=len(incoming),
        reports=len(load.reported),
        reports_without_effect=forgotten,
    )
