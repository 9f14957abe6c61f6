# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""One run of a gateway's sender: claim, commit, call, record."""

import heapq
import logging
import random
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

from psycopg2 import DataError

from odoo.exceptions import MissingError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from .. import const
from ..exceptions import (
    GatewayAccountError,
    GatewayConfigError,
    GatewayError,
    GatewayNotReached,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayRequestTooLarge,
    GatewayThrottled,
)
from .gateway_data import SendRequest, to_cost
from .refusals import RefusalListener
from .segments import clean_text
from .transaction import in_new_transaction, release_locks, report_progress
from .transport import Held, NotSent, redact, redact_trace

_logger = logging.getLogger(__name__)

# What one gateway refuses and another may send.
_OWN_REFUSALS = frozenset({"no_consent", "test_mode", "expired", "country"})


def backoff_s(attempts, *, base_s=const.BACKOFF_BASE_S, cap_s=const.BACKOFF_CAP_S):
    """Return a random wait, "full jitter" below an exponential ceiling.

    :param int attempts: tries so far, at least 1
    :return: seconds
    """
    ceiling = min(cap_s, base_s * 2 ** min(attempts, 16))
    return random.uniform(base_s / 2, ceiling)


class SenderRun:
    """Sends what is due at one gateway for a few seconds.

    Every database step is a short transaction of its own; the gateway is called
    outside of all of them. The transport's threads hold no cursor. Requests of the
    next claim go out while answers of the last one still come in.

    :param env: environment of the job; its cursor is not used for sending
    :param int gateway_id: id of sms.gateway
    """

    def __init__(self, env, gateway_id, *, budget_s=const.SENDER_BUDGET_S):
        self.env = env
        self.gateway_id = gateway_id
        self.end = time.monotonic() + budget_s
        self.latest = self.end + const.PACED_EXTRA_S  # for a gateway with a cap
        self.adapter = None
        self.gateway = None
        self.transport = None
        self.rows = {}  # uuid -> claimed row, until its outcome is kept
        # Heap of (slot, priority, number, request, asked at): not yet due, or no room.
        self.waiting = []
        self.request_max = 0  # messages that one request may carry, 0 for no limit
        self.outcomes = []
        self.to_tell = True  # others may have left something untold
        self.recorded_at = time.monotonic()
        self.finished = 0
        self.first_at = None
        self.exhausted = False
        self.stop = None  # GatewayError that ends the run
        self.resume = False
        self.unhealthy = False
        self.probing = False  # after a pause: a single message tries
        # Seconds by which PostgreSQL's clock is ahead of this host's. Slots are by that
        # one, which all hosts share.
        self.ahead_s = 0.0
        self.idle_until = 0.0  # Unix time before which the rate lets nothing leave
        self.rates = {}  # (cost unit, company id) -> worth of a unit
        self.rate = 0.0  # parts per second, 0 for no limit
        self.free_at = 0.0  # Unix time at which the rate lets the next part leave
        self.slot_end = 0.0  # Unix time at which the slots end that were claimed
        self.reserved_until = 0.0  # next_slot_at of the gateway, as this run left it
        self.parts = 1.0  # of a text, as claimed last
        self.left = 0  # parts that were told to leave, in this run
        self.left_before = {}  # id of a request under way -> what had left before it
        # Requests in a row that did not end with an answer about their messages.
        self.troubles = 0
        self.trouble = ""
        self.counter = 0
        self.latency_s = None  # of requests lately, in seconds
        self.connect_s = None  # what each request so far took at least to connect
        self.refusals = None
        self.held = False  # requests came back that the gate has to see again
        self.no_credit = False  # a message failed for the account
        self.totals = {}

    def run(self):
        """Send until nothing is due, the time is over or the gateway says stop.

        :return: number of messages whose outcome was recorded
        """
        may_send = in_new_transaction(self.env, self._open)
        self._tell()
        if not may_send:
            return 0
        # Adapters read settings and, without a wire, write their events here.
        with self.env.registry.cursor() as cr:
            self.gateway = self.env(cr=cr)["sms.gateway"].browse(self.gateway_id)
            self.adapter = self.gateway._get_adapter()
            self.secrets = self.adapter._get_redacted_values(self.gateway)
            with ExitStack() as stack:
                self.refusals = RefusalListener(cr.dbname)
                stack.callback(self.refusals.close)
                self.transport = self.adapter._get_transport(self.gateway)
                # What waits in the pool must not leave while this thread is busy.
                self.transport.is_held = self.refusals.is_told
                # An upgrade that waits for our locks would have our own next
                # statement wait for it.
                release_locks(cr)
                stack.callback(self._tell)
                stack.callback(self._record)
                stack.callback(self.transport.close)
                self._loop(cr)
        in_new_transaction(self.env, self._finish)
        if self.totals:
            _logger.info("SMS gateway %s: %s", self.gateway_id, self.totals)
        return self.finished

    # ------------------------------------------------------------------
    # Steps in transactions
    # ------------------------------------------------------------------

    def _open(self, env):
        gateway = self._find_gateway(env)
        messages = env["sms.gateway.message"]
        if not gateway:
            return False
        messages._recover(gateway)
        if self._may_send(gateway):
            if gateway.max_rate:
                env.cr.execute("SELECT extract(epoch FROM clock_timestamp())")
                self.ahead_s = float(env.cr.fetchone()[0]) - time.time()
            return True
        # It rests, and this wake-up may have stood for the one at the end of it.
        now = datetime.now(UTC).replace(tzinfo=None)
        rests = [at for at in (gateway.paused_until, gateway.throttled_until) if at]
        if rests and max(rests) > now:
            gateway._trigger_sender(max(rests))
        return False

    def _find_gateway(self, env):
        """Return the gateway, none where it was deleted: by one statement."""
        gateway = env["sms.gateway"].browse(self.gateway_id)
        try:
            gateway.mapped("code")
        except MissingError:
            return gateway.browse()
        return gateway

    def _may_send(self, gateway):
        now = datetime.now(UTC).replace(tzinfo=None)
        if not gateway.active or gateway.state == "disabled":
            return False
        if gateway._is_neutralized():
            return False
        if gateway._get_adapter()._name == "sms.gateway.adapter":
            # The addon of its kind was uninstalled: what waits stays.
            return False
        if gateway.paused_until and gateway.paused_until > now:
            return False
        return not (gateway.throttled_until and gateway.throttled_until > now)

    def _claim(self, env):
        """Claim a batch, pass the gate, hand out slots: one transaction."""
        gateway = env["sms.gateway"].browse(self.gateway_id)
        messages = env["sms.gateway.message"]
        self.refused = []
        if not self._may_send(gateway):
            self.exhausted = True
            return []
        self.probing = bool(gateway.paused_until)
        self.unhealthy = bool(gateway.paused_until or gateway.failures_in_a_row)
        self.rate = gateway.max_rate
        limit = self._claim_limit(gateway)
        if not limit:
            return []
        rows = messages._claim(gateway, limit)
        self.exhausted = len(rows) < limit
        passed = []
        decided = self._ask_gate(env, gateway, rows)
        given_back = self._give_back(env, decided)
        for row, decision in decided:
            if row["uuid"] in given_back:
                continue
            if decision:
                self.refused.append((row, decision))
            else:
                passed.append(row)
        slots = self._take_slots(gateway, passed)
        late = passed[len(slots) :]
        if late:
            messages._release([row["id"] for row in late], late[0]["attempt_ref"])
            self.exhausted = False
        for row, slot in zip(passed, slots, strict=False):
            row["slot"] = slot
        return passed[: len(slots)]

    def _take_slots(self, gateway, rows):
        """Return the slots of the first rows; without a cap all may leave at once."""
        if not self.rate or not rows:
            return [0.0] * len(rows)
        start = max(self._now(), self._get_next_slot(gateway))
        parts = [row["segments"] or 1 for row in rows]
        slots = gateway._take_slots(
            parts,
            start,
            until=start + const.PACED_CLAIM_S,
            reserved_until=self.reserved_until,
            reserve_s=const.PACED_RESERVE_S,
        )
        last_s = parts[len(slots) - 1] / self.rate * const.PACE_MARGIN
        self.slot_end = slots[-1] + last_s
        if not self.free_at:
            self.free_at = slots[0]
        self.parts = sum(parts) / len(parts)
        self.reserved_until = gateway.next_slot_at
        return slots

    def _now(self):
        """Return the Unix time by PostgreSQL's clock."""
        return time.time() + self.ahead_s

    def _get_next_slot(self, gateway):
        """Return the Unix time of the first slot that nobody has taken yet."""
        if gateway.next_slot_at == self.reserved_until:
            return self._get_own_slot()
        return max(gateway._get_next_slot(self._now()), self._get_own_slot())

    def _get_own_slot(self):
        """Return when this run's next claim could leave: who was late moved it."""
        if not self.rate:
            return 0.0
        parts = sum(m.segments for entry in self.waiting for m in entry[3].messages)
        late_end = self.free_at + parts / self.rate * const.PACE_MARGIN
        return max(self.slot_end, late_end)

    def _get_claim_at(self):
        """Return the Unix time before which the cap leaves nothing to claim."""
        return max(self.idle_until, self._get_own_slot() - const.PACED_EARLY_S)

    def _ask_gate(self, env, gateway, rows):
        """Let claimed rows pass the gate, as what leaves now.

        :return: list of (row, None or Decision)
        """
        # What the gateway keeps until its time is judged as of that time.
        items = [{**row, "due_at": None} for row in rows]
        return list(
            zip(rows, env["sms.gateway.gate"]._check(gateway, items), strict=True)
        )

    def _give_back(self, env, decided):
        """Let paused gateways keep what their fallback alone may not send.

        :param list decided: of (row, None or Decision)
        :return: set of the uuids that are no longer this run's
        """
        rows = [
            row
            for row, decision in decided
            if decision
            and row["relieved_gateway_id"]
            and decision.failure_type in _OWN_REFUSALS
        ]
        env["sms.gateway.message"]._give_back(rows)
        return {row["uuid"] for row in rows}

    def _claim_limit(self, gateway):
        """Return how many messages may be claimed now.

        No more than can leave in a second or two, under a cap much less: a reply is
        not seen before the next claim, and what is claimed is what one kill leaves
        without an answer.
        """
        if gateway.paused_until:
            # One probe after a pause; the rest follows when it went through.
            return 0 if self.rows else 1
        if gateway.max_rate:
            self.idle_until = self._get_next_slot(gateway) - const.PACED_EARLY_S
            if self.idle_until > self._now():
                return 0
            room = int(gateway.max_rate * const.PACED_CLAIM_S / self.parts)
            return min(max(room, 1), const.CLAIM_MAX)
        per_request = self.adapter._get_max_messages_per_request(self.gateway)
        at_least = self.transport.parallel * per_request * 4
        room = int(self._get_speed() * const.CLAIM_HORIZON_S)
        return min(max(room, at_least), const.CLAIM_MAX)

    def _get_speed(self):
        """Return the messages per second of this run so far."""
        done = self.finished + len(self.outcomes)
        return done / max(time.monotonic() - self.first_at, 0.01) if done else 0.0

    def _record(self):
        """Store what is known."""
        outcomes, self.outcomes = self.outcomes, []
        if outcomes:
            try:
                self.to_tell |= in_new_transaction(
                    self.env, lambda env: self._store(env, outcomes)
                )
            except (DataError, ArithmeticError, TypeError, ValueError):
                _logger.exception("Outcomes could not be stored at once")
                self._store_one_by_one(outcomes)
            # What follows may fail without taking the outcomes along.
            halted = isinstance(self.stop, GatewayAccountError)
            if self.resume and self.unhealthy and not halted:
                in_new_transaction(self.env, self._resume)
            self.resume = False
            self.finished += len(outcomes)
        self.recorded_at = time.monotonic()

    def _store(self, env, outcomes):
        gateway = env["sms.gateway"].browse(self.gateway_id)
        return env["sms.gateway.message"]._record(gateway, outcomes)

    def _store_one_by_one(self, outcomes):
        """Set aside an outcome that no column takes, so that the others are kept."""
        self.to_tell = True
        for outcome in outcomes:
            try:
                in_new_transaction(
                    self.env, lambda env, kept=outcome: self._store(env, [kept])
                )
            except (DataError, ArithmeticError, TypeError, ValueError):
                names = ("id", "attempt_ref", "counts", "started_at", "ended_at")
                bare = {name: outcome[name] for name in names}
                bare.update(state="unconfirmed", failure_type="unknown_outcome")
                in_new_transaction(
                    self.env, lambda env, kept=bare: self._store(env, [kept])
                )

    def _resume(self, env):
        env["sms.gateway"].browse(self.gateway_id)._resumed()
        self.unhealthy = False

    def _tell(self):
        """Let core and the screens know of changes, a piece in each transaction.

        Others tell as well, e.g. the job of a broadcast that was cancelled: what meets
        them again and again is told by them, or by the next run.
        """
        if not self.to_tell:
            return
        self.to_tell = False
        try:
            while (
                in_new_transaction(
                    self.env, lambda env: env["sms.gateway.message"]._sync()
                )
                == const.SYNC_MAX
            ):
                if time.monotonic() >= self.end:
                    break
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            self.to_tell = True
            _logger.info("SMS gateway %s: changes are told later", self.gateway_id)

    def _finish(self, env):
        """Note the gateway's health and wake the next run, if there is a need."""
        gateway = self._find_gateway(env)
        if not gateway:
            return
        now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        if self.totals.get("sent"):
            gateway.last_success_at = now
        next_slot_at = gateway.next_slot_at or 0.0
        if (
            self.free_at > next_slot_at
            or self.free_at
            and (next_slot_at == self.reserved_until)
        ):
            # What was reserved and not used is there for the next run.
            gateway.next_slot_at = self.free_at
        error = self.stop
        # Words of the gateway go to a screen: without secrets, and never empty.
        detail = error and (self._excerpt(error.detail) or type(error).__name__)
        if isinstance(error, GatewayThrottled):
            gateway._throttle(detail, error.retry_after_s)
        elif isinstance(error, GatewayAccountError):
            gateway._pause(detail, error.pause_s, until_named=error.until_named)
            if not isinstance(error, GatewayConfigError):
                gateway._ask_balance_soon()
        elif self.troubles:
            gateway.failures_in_a_row += self.troubles
            if self.probing or gateway.failures_in_a_row >= const.CIRCUIT_FAILURES:
                gateway._pause(self.trouble, const.PAUSE_CIRCUIT_S)
        if self.no_credit:
            gateway._ask_balance_soon()
        if not self._may_send(gateway):
            # Pausing and throttling have planned the next run.
            return
        if not self.exhausted:
            gateway._trigger_sender()
            return
        due_at = env["sms.gateway.message"]._next_due(gateway)
        # What waits for somebody's decision wakes nobody.
        if due_at and due_at < const.FAR_OFF:
            # What is due and was not taken is held by somebody: do not spin.
            gateway._trigger_sender(max(due_at, now + timedelta(seconds=1)))

    # ------------------------------------------------------------------
    # The loop
    # ------------------------------------------------------------------

    def _loop(self, cr):
        while True:
            # First, so that what the database takes fits between two slots.
            self._let_leave()
            if self.rate and self.end <= time.monotonic() < self.latest:
                self._go_on()
            if self._wants_more():
                self._refill()
                self._let_leave()
            if time.monotonic() > self.end + const.SENDER_GRACE_S:
                self._yield()
            under_way = self.transport.pending or self.waiting
            idle_s = 0.0 if under_way else self._get_idle_s()
            # What became of a probe decides what follows.
            if self._is_record_due(under_way or idle_s and not self.unhealthy):
                self._record()
                self._let_leave()
                self._tell()
                continue
            if not under_way:
                if not self._has_room():
                    return
                time.sleep(idle_s)
                continue
            for completion in self.transport.poll(self._poll_timeout()):
                self._complete(completion)
            if self.transport.writes:
                # Its events become visible together with the results.
                cr.commit()  # pylint: disable=invalid-commit

    def _let_leave(self):
        """Let what is due leave, as far as nobody refused meanwhile."""
        if told := self.refusals.is_told():
            # While the pool holds still, that is until it is heard.
            self._recall()
        if self.refusals.heard() or told or self.held:
            self._reconsider()
        self._submit_due()

    def _get_idle_s(self):
        """Return how long a capped run is ahead of its slots, in seconds."""
        if not self._has_room():
            return 0.0
        idle_s = self._get_claim_at() - self._now()
        return min(max(idle_s, 0.0), const.RECORD_INTERVAL_S)

    def _is_record_due(self, goes_on):
        age_s = time.monotonic() - self.recorded_at
        return self.outcomes and (
            not goes_on
            or len(self.outcomes) >= const.CLAIM_MAX
            or age_s >= const.RECORD_INTERVAL_S
        )

    def _go_on(self):
        """Go on for another second, unless other jobs need this worker."""
        now = time.monotonic()
        if (
            self.stop
            or self.exhausted
            or in_new_transaction(
                self.env, lambda env: env["sms.gateway.sender"]._is_job_waiting()
            )
        ):
            self.latest = now
        else:
            self.end = min(now + 1.0, self.latest)

    def _wants_more(self):
        return self._has_room() and self._now() >= self._get_claim_at()

    def _has_room(self):
        """Say whether more may be claimed as soon as the cap allows it."""
        if self.stop or self.exhausted or time.monotonic() >= self.end:
            return False
        if self.probing and self.rows:
            # What becomes of it decides what follows: no need to ask till then.
            return False
        requests = self.transport.pending + len(self.waiting)
        # A request may carry many texts: what leaves soon is counted in texts.
        soon = self._get_speed() * const.CLAIM_EARLY_S
        return requests < 2 * self.transport.parallel or len(self.rows) < soon

    def _yield(self):
        """Give back what has not begun: a slow gateway must not outlast the job."""
        self.transport.take_back()
        while self.waiting:
            for message in heapq.heappop(self.waiting)[3].messages:
                self._put_back(self.rows.pop(message.uuid))
        # What was given back is due: the next run must follow at once.
        self.exhausted = False

    def _poll_timeout(self):
        timeout_s = const.RECORD_INTERVAL_S / 4
        now = self._now()
        if self.waiting and not self._is_full():
            timeout_s = min(timeout_s, max(self.waiting[0][0], self.free_at) - now)
        if self.rate and self._has_room():
            timeout_s = min(timeout_s, self._get_claim_at() - now)
        return max(timeout_s, 0.001) if self.transport.pending else max(timeout_s, 0)

    def _refill(self):
        rows = in_new_transaction(self.env, self._claim)
        if self.first_at is None:
            self.first_at = time.monotonic()
            report_progress(self.env)
        for row, decision in self.refused:
            self._keep_decision(row, decision)
        if not rows:
            return
        requests = self._build(rows)
        sending = [self.rows[m.uuid]["id"] for r in requests for m in r.messages]
        if not sending:
            return
        attempt_ref = rows[0]["attempt_ref"]
        stamped = in_new_transaction(
            self.env,
            lambda env: env["sms.gateway.message"]._stamp(sending, attempt_ref),
        )
        for request in requests:
            if any(self.rows[m.uuid]["id"] not in stamped for m in request.messages):
                # Its lease ran out and another sender has it, e.g. while this machine
                # stood still.
                for message in request.messages:
                    self._forget(self.rows.pop(message.uuid), stamped)
                continue
            slot = max(self.rows[m.uuid]["slot"] for m in request.messages)
            self._wait(request, slot, time.monotonic())
        if self.rate:
            self._let_overtake()

    def _wait(self, request, slot, asked_at):
        """Let a request wait for its slot.

        :param float slot: Unix time
        :param float asked_at: monotonic time at which the gate let it pass
        """
        self.counter += 1
        priority = min(message.priority for message in request.messages)
        heapq.heappush(self.waiting, (slot, priority, self.counter, request, asked_at))

    def _let_overtake(self):
        """Give the first slots to the most urgent of those that have not left."""
        slots = sorted(entry[0] for entry in self.waiting)
        urgent_first = sorted(self.waiting, key=lambda entry: (entry[1], entry))
        # Sorted by slot: still a heap.
        self.waiting = [
            (slot, *entry[1:]) for slot, entry in zip(slots, urgent_first, strict=True)
        ]

    def _build(self, rows):
        """Build requests; a row that cannot be built is set aside as failed."""
        now = datetime.now(UTC).replace(tzinfo=None)
        outgoing = []
        for row in rows:
            try:
                message = self.gateway.env["sms.gateway.message"]._to_outgoing(row, now)
            except ValueError as error:
                self._set_aside(row, error)
                continue
            self.rows[row["uuid"]] = row
            outgoing.append(message)
        if not outgoing:
            return []
        return self._make_requests(outgoing)

    def _make_requests(self, outgoing):
        """Let the adapter put messages into requests; what it cannot is set aside."""
        size = self.request_max or len(outgoing)
        try:
            return [
                request
                for start in range(0, len(outgoing), size)
                for request in self._check_requests(
                    outgoing[start : start + size],
                    self._prepare(outgoing[start : start + size]),
                )
            ]
        except GatewayAccountError as error:
            self._halt(error)
            for message in outgoing:
                self._put_back(self.rows.pop(message.uuid))
            return []
        except Exception as error:
            # Not its words: they may hold a number or a text.
            _logger.info(
                "SMS gateway %s: a batch of %s could not be built at once: %s",
                self.gateway_id,
                len(outgoing),
                type(error).__name__,
            )
        requests = []
        for message in outgoing:
            try:
                requests += self._check_requests([message], self._prepare([message]))
            except Exception as error:
                self._set_aside(self.rows.pop(message.uuid), error)
        return requests

    def _prepare(self, outgoing):
        return self.adapter._prepare_send_requests(self.gateway, outgoing)

    def _check_requests(self, outgoing, requests):
        """Hold an adapter to its contract: each message in exactly one request."""
        carried = [m.uuid for request in requests for m in request.messages]
        if not all(isinstance(request, SendRequest) for request in requests) or sorted(
            carried
        ) != sorted(message.uuid for message in outgoing):
            raise TypeError(
                f"{self.adapter._name} must put each message into exactly one request"
            )
        return requests

    def _submit_due(self):
        while self.waiting:
            slot, _priority, _number, request, asked_at = self.waiting[0]
            if self.stop:
                heapq.heappop(self.waiting)
                for message in request.messages:
                    self._put_back(self.rows.pop(message.uuid))
                continue
            if len(request.messages) > (self.request_max or len(request.messages)):
                heapq.heappop(self.waiting)
                for smaller in self._make_requests(list(request.messages)):
                    self._wait(smaller, slot, asked_at)
                continue
            # No more than can leave at once: what waits for a free connection of the
            # transport is out of the gate's reach.
            if max(slot, self.free_at) > self._now() or self._is_full():
                break
            paced = self.rate or self.refusals.deaf
            if paced and time.monotonic() - asked_at > const.GATE_VALID_S:
                # It waited: who said STOP meanwhile gets nothing.
                self._ask_again()
                continue
            heapq.heappop(self.waiting)
            now = self._now()
            self.transport.submit(request)
            if self.rate:
                # Counted from when it really left: one that was late must not
                # come too close to the next.
                start = max(slot, self.free_at, now - const.PACE_SLACK_S)
                parts = sum(message.segments for message in request.messages)
                self.free_at = start + parts / self.rate * const.PACE_MARGIN
                self.left_before[id(request)] = self.left
                self.left += parts

    def _is_full(self):
        """Say whether the transport has what can leave now, or in a moment."""
        limit = self.transport.parallel
        if self.latency_s is not None:
            # So that no thread waits for us: as many more as leave in time.
            limit += round(limit * const.CLAIM_EARLY_S / max(self.latency_s, 0.001))
        return self.transport.pending >= limit

    def _reconsider(self):
        """Somebody refused: take back what has not begun, and ask the gate again."""
        self.held = False
        self._recall()
        if self.waiting:
            self._ask_again()

    def _recall(self):
        for request in self.transport.recall():
            self.left_before.pop(id(request), None)
            self._wait(request, 0.0, 0.0)

    def _send_smaller(self, request):
        """A request was too large, and nothing of it was taken: send it in halves.

        Its messages stay claimed and stamped, and keep their slot. Who said STOP while
        it was under way is asked for, as nobody heard of it here.
        """
        size = (len(request.messages) + 1) // 2
        self.request_max = min(self.request_max or size, size)
        _logger.info(
            "SMS gateway %s: requests carry %s messages from here on",
            self.gateway_id,
            self.request_max,
        )
        slot = max(self.rows[m.uuid]["slot"] for m in request.messages)
        self._wait(request, slot, 0.0)
        self._reconsider()

    def _ask_again(self):
        """Ask the gate once more for all that waits; the refused are kept."""
        asked_at = time.monotonic()
        waiting, self.waiting = self.waiting, []
        rows = [self.rows[m.uuid] for entry in waiting for m in entry[3].messages]

        def ask(env):
            gateway = env["sms.gateway"].browse(self.gateway_id)
            decided = self._ask_gate(env, gateway, rows)
            return decided, self._give_back(env, decided)

        decided, given_back = in_new_transaction(self.env, ask)
        decisions = {row["uuid"]: decision for row, decision in decided}
        for *place, request, _asked_at in waiting:
            if not any(decisions[m.uuid] for m in request.messages):
                heapq.heappush(self.waiting, (*place, request, asked_at))
                continue
            for message in request.messages:
                row = self.rows.pop(message.uuid)
                if message.uuid in given_back:
                    continue
                if decision := decisions[message.uuid]:
                    self._keep_decision(row, decision)
                else:
                    self._put_back(row)

    # ------------------------------------------------------------------
    # Outcomes
    # ------------------------------------------------------------------

    def _complete(self, completion):
        before = self.left_before.pop(id(completion.request), None)
        if isinstance(completion.error, Held):
            self._wait(completion.request, 0.0, 0.0)
            self.held = True
            return
        took_s = completion.ended_at - completion.started_at
        if before is not None and self.rate:
            # A thread may have begun late: too close to what leaves a second later.
            since_s = (self.left - before) / self.rate * const.PACE_MARGIN
            start = completion.started_at + self.ahead_s + self._get_delay_s(completion)
            self.free_at = max(self.free_at, start - const.PACE_SLACK_S + since_s)
        known_s = took_s if self.latency_s is None else self.latency_s
        self.latency_s = 0.7 * known_s + 0.3 * took_s
        times = {
            "started_at": datetime.fromtimestamp(completion.started_at, UTC),
            "ended_at": datetime.fromtimestamp(completion.ended_at, UTC),
        }
        times = {name: at.replace(tzinfo=None) for name, at in times.items()}
        error = completion.error
        results = {}
        if isinstance(error, NotSent):
            for message in completion.request.messages:
                self._put_back(self.rows.pop(message.uuid))
            return
        if error is None:
            try:
                results = {
                    result.uuid: result
                    for result in self.adapter._parse_send_response(
                        self.gateway, completion.request, completion.response
                    )
                }
            except GatewayError as raised:
                error = raised
            except Exception as raised:
                _logger.error(
                    "SMS gateway %s: an answer could not be read: %s",
                    self.gateway_id,
                    redact_trace(self.secrets),
                )
                error = GatewayOutcomeUnknown(type(raised).__name__)
        messages = completion.request.messages
        if isinstance(error, GatewayRequestTooLarge) and len(messages) > 1:
            self._send_smaller(completion.request)
            return
        rows = [self.rows.pop(message.uuid) for message in messages]
        status = getattr(completion.response, "status", None)
        excerpt = None
        for row in rows:
            result = results.get(row["uuid"])
            if excerpt is None and not (result and result.state == "sent"):
                # Once for all: an answer about many messages is long. Nothing to look
                # up for a plain success.
                excerpt = self._excerpt(getattr(completion.response, "text", None))
            extra = {"http_status": status, "excerpt": excerpt, **times}
            if error is not None:
                self._apply_error(row, error, extra)
            elif result:
                self._apply_result(row, result, extra)
            else:
                missing = GatewayOutcomeUnknown("The answer does not name the message")
                self._apply_error(row, missing, extra)

    def _get_delay_s(self, completion):
        """Return how much longer a request took to connect than all before it.

        As long as all connect anew, as some gateways want it, none comes closer to
        another by that.
        """
        if not completion.left_at:
            return 0.0
        took_s = completion.left_at - completion.started_at
        usual_s = self.connect_s
        self.connect_s = took_s if usual_s is None else min(took_s, usual_s)
        return max(took_s - (usual_s or 0.0), 0.0)

    def _apply_result(self, row, result, extra):
        extra["http_status"] = result.http_status or extra["http_status"]
        if result.state == "sent":
            extra["excerpt"] = None
        else:
            extra["excerpt"] = self._excerpt(result.raw) or extra["excerpt"]
        extra["provider_code"] = self._word(result.provider_code)
        detail = self._excerpt(result.detail)
        if result.state == "retry":
            if isinstance(result.error, GatewayThrottled | GatewayAccountError):
                self._apply_error(row, result.error, extra)
            else:
                self._try_later(row, detail, extra)
            return
        if result.state in ("sent", "failed"):
            self._answered()
        cost, cost_unit = to_cost(result.cost), self._word(result.cost_unit)
        rate = self._get_cost_rate(cost_unit, row["company_id"]) if cost else None
        self._keep(
            row,
            result.state,
            external_ref=self._word(result.external_ref),
            failure_type=result.failure_type
            or ("unknown_outcome" if result.state == "unconfirmed" else None),
            failure_reason=detail,
            cost=cost,
            cost_unit=cost_unit,
            cost_company=cost * rate if rate else None,
            **extra,
        )

    def _get_cost_rate(self, unit, company_id):
        key = unit, company_id
        if key not in self.rates:
            company = self.gateway.env["res.company"].browse(
                company_id or self.gateway.env.company.id
            )
            self.rates[key] = self.gateway._get_cost_rate(unit, company)
        return self.rates[key]

    def _apply_error(self, row, error, extra):
        """Turn an error into an outcome: the one place that does."""
        extra["provider_code"] = self._word(error.provider_code) or extra.get(
            "provider_code"
        )
        detail = self._excerpt(error.detail)
        if isinstance(error, GatewayThrottled | GatewayAccountError):
            self._halt(error)
            # A message that is throttled again and again must not block the others.
            self._put_back(row, retry_in_s=getattr(error, "retry_after_s", 0.0))
        elif isinstance(error, GatewayNotReached):
            self._in_trouble(detail or "The gateway could not be reached")
            self._try_later(row, detail, extra)
        elif isinstance(error, GatewayRejected | GatewayRequestTooLarge):
            # One message that is too large by itself will never be smaller.
            self._answered()
            self._keep(
                row,
                "failed",
                failure_type=getattr(error, "failure_type", "rejected"),
                failure_reason=detail,
                **extra,
            )
        else:
            self._in_trouble(detail or "The gateway gives no usable answer")
            self._keep(
                row,
                "unconfirmed",
                failure_type="unknown_outcome",
                failure_reason=detail,
                **extra,
            )

    def _answered(self):
        """The gateway spoke about a message: it is in service."""
        self.resume = True
        self.troubles = 0

    def _in_trouble(self, reason):
        """Count a request without an answer; several in a row pause the gateway."""
        self.troubles += 1
        self.trouble = reason
        if self.probing or self.troubles >= const.CIRCUIT_FAILURES:
            self._halt(GatewayNotReached(reason))

    def _try_later(self, row, detail, extra):
        """Queue a message that did not leave once more, until it is too old."""
        now = datetime.now(UTC).replace(tzinfo=None)
        age_h = (now - row["since"]).total_seconds() / 3600
        given_up = age_h >= self.gateway.give_up_after_h
        self._keep(
            row,
            "failed" if given_up else "queued",
            failure_type="not_reached",
            failure_reason=detail,
            retry_in_s=backoff_s(row["attempts"]),
            **extra,
        )

    def _halt(self, error):
        """Let nothing more leave; the rest of the claim goes back to the queue."""
        if self.stop is None:
            self.stop = error
            self.transport.take_back()

    def _forget(self, row, stamped):
        """Let a message go that another attempt may own."""
        if row["id"] in stamped:
            self._put_back(row)

    def _put_back(self, row, retry_in_s=0.0):
        self._keep(row, "queued", counts=False, retry_in_s=retry_in_s)

    def _keep_decision(self, row, decision):
        """Keep what the gate said: the message waits, or will never leave."""
        if decision.state == "queued":
            now = datetime.now(UTC).replace(tzinfo=None)
            self._keep(
                row,
                "queued",
                counts=False,
                hold=decision.hold,
                retry_in_s=(decision.until - now).total_seconds(),
            )
        else:
            self._keep(
                row,
                decision.state,
                failure_type=decision.failure_type,
                failure_reason=decision.reason,
            )

    def _set_aside(self, row, error):
        self._keep(
            row,
            "failed",
            failure_type="unreadable",
            failure_reason=self._excerpt(str(error))[:250],
        )

    def _keep(self, row, state, *, counts=True, **values):
        now = datetime.now(UTC).replace(tzinfo=None)
        self.totals[state] = self.totals.get(state, 0) + 1
        if values.get("failure_type") == "account":
            self.no_credit = True
        self.outcomes.append(
            {
                "started_at": now,
                "ended_at": now,
                "retry_in_s": 0.0,
                **values,
                "id": row["id"],
                "attempt_ref": row["attempt_ref"],
                "state": state,
                "counts": counts,
            }
        )

    # What a gateway says is stored with hundreds of other outcomes: one word that no
    # column takes must not cost them all.

    def _excerpt(self, text):
        return clean_text(redact(str(text), self.secrets)) if text else None

    def _word(self, value):
        return None if value is None else (self._excerpt(value) or "")[:256]
