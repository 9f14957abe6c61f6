# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json
import logging
import time
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.tools import SQL, ormcache

from .. import const
from ..tools import segments
from ..tools.gateway_data import DeliveryReport, InboundMessage, to_cost
from ..tools.transaction import in_new_transaction

_logger = logging.getLogger(__name__)

_KEEP_DAYS = 90


class SmsGatewayEvent(models.Model):
    """One callback: kept with its time, applied when its message can take it.

    The webhook stores it in a transaction of its own and answers; the state of a
    message changes afterwards, along the transition table. What matches no message
    yet is tried again for 24 hours, then shown as an orphan.
    """

    _name = "sms.gateway.event"
    _description = "SMS gateway event"
    _inherit = ["sms.text.export"]
    _order = "id desc"
    _rec_names_search = ["external_ref", "message_uuid", "number"]

    # Found by the index of the keys.
    gateway_id = fields.Many2one(
        "sms.gateway", required=True, ondelete="cascade", readonly=True
    )
    company_id = fields.Many2one(related="gateway_id.company_id")
    event_key = fields.Char(
        required=True,
        readonly=True,
        help="The same for a repeat of the same event, so that it has one effect.",
    )
    kind = fields.Selection(
        [
            ("report", "Delivery report"),
            ("inbound", "Incoming text"),
            ("unreadable", "Unreadable"),
        ],
        required=True,
        readonly=True,
    )
    state = fields.Selection(
        const.EVENT_STATES, required=True, default="pending", readonly=True
    )
    message_id = fields.Many2one(
        "sms.gateway.message", readonly=True, index="btree_not_null"
    )
    received_at = fields.Datetime(readonly=True, default=fields.Datetime.now)
    occurred_at = fields.Datetime("Time at the gateway", readonly=True)
    external_ref = fields.Char("Gateway ID", readonly=True)
    message_uuid = fields.Char("Message ID", readonly=True)
    report_state = fields.Char(readonly=True)
    report_label = fields.Char("Reported state", compute="_compute_report_label")
    failure_type = fields.Selection(const.FAILURE_TYPES, readonly=True)
    provider_code = fields.Char(readonly=True)
    detail = fields.Char(readonly=True)
    cost = fields.Float(digits=(16, 6), readonly=True)
    cost_unit = fields.Char(readonly=True)
    number = fields.Char(readonly=True)
    recipient = fields.Char(readonly=True)
    body = fields.Text(readonly=True)
    readable = fields.Boolean(default=True, readonly=True)
    charset = fields.Char(readonly=True)
    part_ref = fields.Char("Reference of the long text", readonly=True)
    part_number = fields.Integer(readonly=True)
    part_total = fields.Integer("Parts of the whole text", readonly=True)
    part_label = fields.Char("Part", compute="_compute_part_label")
    raw = fields.Binary(
        "As it came",
        attachment=False,
        readonly=True,
        groups="sms_gateway_hub.group_administrator",
        help="The bytes of the callback, secrets taken out.",
    )
    content_type = fields.Char(readonly=True)
    tries = fields.Integer(readonly=True)
    next_try_at = fields.Datetime(readonly=True, default=fields.Datetime.now)

    _event_key_unique = models.UniqueIndex("(gateway_id, event_key)")
    _pending_index = models.Index("(kind, next_try_at, id) WHERE state = 'pending'")

    # ------------------------------------------------------------------
    # Computes
    # ------------------------------------------------------------------

    @api.depends("kind", "gateway_id")
    @api.depends_context("lang")
    def _compute_display_name(self):
        kinds = dict(self._fields["kind"]._description_selection(self.env))
        for event in self:
            event.display_name = self.env._(
                "%(kind)s from %(gateway)s",
                kind=kinds.get(event.kind, ""),
                gateway=event.gateway_id.name,
            )

    @api.depends("report_state")
    @api.depends_context("lang")
    def _compute_report_label(self):
        states = self.env["sms.gateway.message"]._fields["state"]
        labels = dict(states._description_selection(self.env))
        for event in self:
            event.report_label = labels.get(event.report_state, event.report_state)

    def write(self, vals):
        """What came in is a record: people may replay it, not rewrite it."""
        if not self.env.su:
            raise AccessError(
                self.env._("An event is a record: it cannot be rewritten.")
            )
        return super().write(vals)

    # ------------------------------------------------------------------
    # Store
    # ------------------------------------------------------------------

    @api.model
    def _store(
        self, gateway, items, *, raw=b"", content_type="", due_in_s=0, wake=False
    ):
        """Insert events; a repeat of a known event is skipped without an error.

        A key that another transaction committed since the snapshot raises instead of
        skipping: call it in ``in_new_transaction`` or ``in_request_transaction``, which
        begin anew and skip it.

        :param gateway: sms.gateway, one
        :param items: DeliveryReport and InboundMessage
        :param bytes raw: the callback as it came, secrets taken out
        :param float due_in_s: seconds until it may be applied
        :param bool wake: let the job apply it; asked within the same statement
        :return: number of new events
        """
        if not items:
            return 0
        # Who asks about a text of theirs need not see the whole gateway.
        gateway = gateway.sudo()
        now = fields.Datetime.now()
        kept = SQL("%s::bytea", raw or None)
        if len(items) > 1:
            # The whole callback once, not once for each of its events.
            kept = SQL("CASE WHEN item.n = min(item.n) OVER () THEN %s END", kept)
        cron = self._get_apply_job() if wake else self.env["ir.cron"]
        rows = [self._prepare_event_columns(item) for item in items]
        rows = [
            {name: value for name, value in row.items() if value is not None}
            for row in rows
        ]
        names, values, types = self._sql_columns(tuple(sorted(set().union(*rows))))
        # One parameter for all events. A known key is looked for before: inserting it
        # would wait for whoever is at that event.
        self.env.cr.execute(
            SQL(
                """
                WITH stored AS (
                INSERT INTO sms_gateway_event
                            (gateway_id, raw, content_type, received_at, next_try_at,
                             state, tries, %(names)s)
                     SELECT %(gateway)s::int, %(raw)s, %(content_type)s::varchar,
                            %(now)s, %(due)s, 'pending', 0, %(values)s
                       FROM ROWS FROM (json_to_recordset(%(rows)s) AS (%(types)s))
                            WITH ORDINALITY AS item (%(names)s, n)
                      -- With an offset it is asked by the index for each key: joined,
                      -- all events of the gateway were read where statistics lag.
                      WHERE NOT EXISTS (SELECT FROM sms_gateway_event AS known
                                         WHERE known.gateway_id = %(gateway)s
                                           AND known.event_key = item.event_key
                                        OFFSET 0)
                   ORDER BY item.n
                ON CONFLICT (gateway_id, event_key) DO NOTHING
                  RETURNING id)
                SELECT (SELECT count(*) FROM stored), %(must_wake)s
                """,
                must_wake=self._sql_must_wake(cron) if cron else SQL("FALSE"),
                gateway=gateway.id,
                raw=kept,
                content_type=content_type[:128] or None,
                now=now,
                due=now + timedelta(seconds=due_in_s),
                names=names,
                values=values,
                types=types,
                rows=json.dumps(rows, default=str),
            ),
            log_exceptions=False,
        )
        [(stored, must_wake)] = self.env.cr.fetchall()
        if stored and must_wake:
            self._wake(cron)
        return stored

    @api.model
    @ormcache("names")
    def _sql_columns(self, names):
        """Return the columns that come as ``item``: PostgreSQL plans no others.

        :param tuple names: of fields
        :return: their names, values and names with types, each as SQL
        """
        columns = [SQL.identifier(name) for name in names]
        return (
            SQL(", ").join(columns),
            SQL(", ").join(SQL("item.%s", column) for column in columns),
            SQL(", ").join(
                SQL("%s %s", column, SQL(self._fields[name].column_type[1]))
                for name, column in zip(names, columns, strict=True)
            ),
        )

    @api.model
    def _prepare_event_columns(self, item):
        """Return what an event keeps of a report or an incoming text.

        :return: dict of columns; those that it leaves out are empty
        """

        # Providers' JSON brings numbers for ids, and worse: nothing of it may keep the
        # event from being stored.
        def clean(value, limit=256):
            return segments.clean_text(str(value))[:limit] if value else None

        if isinstance(item, DeliveryReport):
            return {
                "event_key": item.event_key,
                "kind": "report",
                "occurred_at": item.occurred_at,
                "external_ref": clean(item.external_ref),
                "message_uuid": clean(item.uuid),
                "report_state": item.state,
                "failure_type": item.failure_type,
                "provider_code": clean(item.provider_code),
                "detail": clean(item.detail),
                "cost": to_cost(item.cost),
                "cost_unit": clean(item.cost_unit),
                "readable": True,
            }
        if isinstance(item, InboundMessage):
            part = item.part if item.part and item.part.total > 1 else None
            return {
                "event_key": item.event_key,
                "kind": "inbound",
                "occurred_at": item.sent_at,
                "external_ref": clean(item.external_ref),
                "number": clean(item.number, 64),
                "recipient": clean(item.recipient, 64),
                "body": segments.clean_text(str(item.body or "")),
                "readable": bool(item.readable),
                "charset": clean(item.charset, 64),
                "part_ref": clean(part.reference, 64) if part else None,
                "part_number": part.number if part else None,
                "part_total": part.total if part else None,
            }
        raise TypeError(f"Neither a report nor an incoming text: {type(item)}")

    @api.model
    def _store_unreadable(self, gateway, key, raw, content_type):
        """Keep an authentic callback that no parser understood, for a person."""
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO sms_gateway_event
                            (gateway_id, event_key, kind, state, raw, content_type,
                             received_at, tries, readable)
                     VALUES (%s, %s, 'unreadable', 'unreadable', %s, %s, %s, 0, FALSE)
                ON CONFLICT (gateway_id, event_key) DO NOTHING
                """,
                gateway.id,
                key,
                raw,
                (content_type or "")[:128],
                fields.Datetime.now(),
            ),
            log_exceptions=False,
        )
        return self.env.cr.rowcount

    # ------------------------------------------------------------------
    # Apply
    # ------------------------------------------------------------------

    @api.model
    def _cron_apply(self):
        """Apply what is due, wait for what is due in a moment, yield in time."""
        end = time.monotonic() + const.EVENT_BUDGET_S
        while True:
            # A pass is a transaction of its own, repeated when it meets the sender at
            # the same messages: only a fresh snapshot sees what that one wrote.
            try:
                done = in_new_transaction(
                    self.env, lambda env: env[self._name]._apply_due()
                )
            except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                # Others are busy with the same messages: the next run goes on.
                self._trigger_apply()
                return
            # Says that work was done: Odoo puts off a job that is killed again and
            # again without any. Ends the snapshot as well.
            self.env["ir.cron"]._commit_progress(done)
            due = self._next_due()
            if not due or time.monotonic() >= end:
                break
            wait_s = max((due - fields.Datetime.now()).total_seconds(), 0.0)
            if time.monotonic() + wait_s > end:
                break
            if not done or wait_s:
                time.sleep(max(wait_s, 0.05))
        if due:
            self._trigger_apply(due)

    @api.model
    def _next_due(self):
        self.env.cr.execute(
            """
            SELECT min(first.next_try_at)
              FROM (VALUES ('inbound'), ('report')) AS event (kind)
        CROSS JOIN LATERAL (
                   SELECT next_try_at FROM sms_gateway_event
                    WHERE state = 'pending' AND kind = event.kind
                 ORDER BY next_try_at LIMIT 1) AS first
            """
        )
        return self.env.cr.fetchone()[0]

    @api.model
    def _trigger_apply(self, at=None):
        asked = self.env.cr.precommit.data.setdefault("sms_gateway_apply", set())
        if at in asked:
            return
        if cron := self._get_apply_job():
            asked.add(at)
            if at or self._must_wake(cron):
                self._wake(cron, at)

    @api.model
    def _wake(self, cron, at=None):
        # All that a trigger asks for; else the whole job is read.
        cron.fetch(["active"])
        cron._trigger(at)

    @api.model
    def _must_wake(self, cron):
        """Say whether a job has to be woken; see ``_sql_must_wake``."""
        must_wake = SQL("SELECT %s", self._sql_must_wake(cron))
        self.env.cr.execute(must_wake, log_exceptions=False)
        return self.env.cr.fetchone()[0]

    @api.model
    def _get_apply_job(self):
        """Return the job that applies events, at most one."""
        # Who deletes the job deletes its name, too: to look for it costs no query.
        cron_id = self.env["ir.model.data"]._xmlid_to_res_id(
            "sms_gateway_hub.ir_cron_apply_events"
        )
        return self.env["ir.cron"].sudo().browse(cron_id)

    @api.model
    def _sql_must_wake(self, cron):
        """Return whether a job runs, but not soon enough to see what is stored here.

        A trigger costs a row and a connection; for many callbacks one is enough. One
        that the job has not begun with is held until the commit, so that it begins
        after that. Those that it is at, and maybe past looking, it holds itself. An
        old one may have been missed: a worker that has just been started, e.g. after a
        crash, sleeps for a minute unless somebody wakes it.

        :return: SQL, a value; none when there is no such job
        """
        cron.flush_model(["active"])
        now = fields.Datetime.now()
        return SQL(
            """
            (SELECT active FROM ir_cron WHERE id = %(job)s)
            AND NOT EXISTS (SELECT FROM ir_cron_trigger
                             WHERE cron_id = %(job)s
                               AND call_at > %(since)s AND call_at <= %(now)s
                             LIMIT 1
                               FOR KEY SHARE SKIP LOCKED)
            """,
            job=cron.id,
            since=now - timedelta(seconds=const.WAKE_AGAIN_S),
            now=now,
        )

    @api.model
    def _apply_due(self, event_ids=None):
        """Apply pending events that are due.

        :param list event_ids: only these, due or not; all that are due when left out
        :return: number of events that were looked at
        """
        inbound = self._get_due("inbound", const.INBOUND_BATCH, event_ids)
        self._apply_inbound(inbound, None if event_ids else const.INBOUND_PASS_S)
        reports = self._get_due("report", const.EVENT_BATCH, event_ids)
        try:
            with self.env.cr.savepoint():
                self._apply_reports(reports)
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception:
            _logger.exception("%s reports could not be applied at once", len(reports))
            self._apply_one_by_one(reports)
        return len(inbound) + len(reports)

    @api.model
    def _apply_items(self, gateway, items):
        """Apply what has just been stored now, where it is not done yet.

        :param gateway: sms.gateway, one
        :param items: DeliveryReport and InboundMessage
        """
        pending = self.search(
            [
                ("gateway_id", "=", gateway.id),
                ("event_key", "in", [item.event_key for item in items]),
                ("state", "=", "pending"),
            ]
        )
        if pending:
            self._apply_due(pending.ids)

    @api.model
    def _get_due(self, kind, limit, event_ids=None):
        """Return pending events, locked, oldest first; no more than are handled now.

        :param list event_ids: only these, due or not; what is due when left out
        """
        domain = [("state", "=", "pending"), ("kind", "=", kind)]
        if event_ids is None:
            domain += [("next_try_at", "<=", fields.Datetime.now())]
        else:
            domain += [("id", "in", event_ids)]
            limit = None
        events = self.sudo().search(domain, order="next_try_at, id", limit=limit)
        return events.try_lock_for_update().sorted("id")

    def _apply_one_by_one(self, reports):
        """Apply reports singly, so that one poisoned report holds up no other."""
        for report in reports:
            try:
                with self.env.cr.savepoint():
                    self._apply_reports(report)
            except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                raise
            except Exception:
                _logger.exception("Event %s could not be applied", report.id)
                report._park()

    @api.model
    def _apply_inbound(self, events, budget_s=None):
        """Take texts in: together, which is cheaper, and each apart if that fails.

        :param float budget_s: after so many seconds the rest waits for the next pass
        """
        if not events:
            return
        together = self.with_context(sms_gateway_together=True)
        try:
            with self.env.cr.savepoint():
                for text in together._get_texts(events, budget_s):
                    text._receive_text()
            return
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception as error:
            # What failed is told below, by the text that it belongs to.
            _logger.info(
                "%s texts could not be taken in together: %s",
                len(events),
                type(error).__name__,
            )
        for text in self._get_texts(events, budget_s):
            try:
                with self.env.cr.savepoint():
                    text._receive_text()
            except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                raise
            except Exception:
                # One poisoned text must not hold up the others, nor be lost.
                _logger.exception("Event %s could not be applied", text[0].id)
                text._park()

    @api.model
    def _get_texts(self, events, budget_s=None):
        """Give the texts of events, one after the other: each the events of a text.

        :param float budget_s: after so many seconds there are no more
        """
        tried = self.browse()
        end = time.monotonic() + (budget_s or 0.0)
        for event in events.with_env(self.env):
            if event in tried:
                continue
            if budget_s and tried and time.monotonic() > end:
                break
            # One text may have come in several events: its parts.
            text = event._get_text_events()
            tried |= text
            if text:
                yield text

    def _receive_text(self):
        """Take in the one text of these events."""
        message = self.env["sms.gateway.message"]._receive(
            self.gateway_id, self._to_inbound()
        )
        self.write({"state": "applied", "message_id": message.id})
        return message

    def _to_inbound(self):
        """Return the one text of these events.

        :return: InboundMessage
        """
        first = self[0]
        return InboundMessage(
            event_key=first.event_key,
            number=first.number,
            body=self._join_bodies(),
            recipient=first.recipient or "",
            charset=first.charset or None,
            readable=all(event.readable for event in self),
            external_ref=first.external_ref or None,
            sent_at=first.occurred_at or None,
        )

    @api.model
    def _apply_reports(self, events):
        """Fold reports, oldest first, into their messages: one update for all."""
        if not events:
            return
        messages, changes, settled = {}, {}, []
        for event in self._match(events):
            # Several events of one message share one row, so that they fold.
            message = messages.setdefault(event["id"], event)
            # What we have not recorded as handed over is not settled by a report yet.
            if message["state"] in ("queued", "sending"):
                continue
            if event["report_state"] in const.TRANSITIONS[message["state"]]:
                message["state"] = event["report_state"]
                message["event"] = event
                changes[message["id"]] = message
                settled.append((event["event_id"], "applied", message["id"]))
            else:
                settled.append((event["event_id"], "ignored", message["id"]))
            if event["event_cost"] and not message["cost"]:
                message["cost"] = event["event_cost"]
                message["cost_unit"] = event["event_cost_unit"]
                changes[message["id"]] = message
        self._settle(settled)
        (events - self.browse([event_id for event_id, *_rest in settled]))._park()
        if changes:
            self._write_changes(list(changes.values()))

    @api.model
    def _match(self, events):
        """Return the events that match a message, with its row, locked; oldest first.

        A report matches by (gateway, gateway id) or by our own id at that gateway,
        never by a gateway id alone and never at another gateway.

        :return: list of dicts
        """
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                WITH matched AS (
                    SELECT event.id AS event_id, coalesce(by_uuid.id, by_ref.id) AS id
                      FROM sms_gateway_event AS event
                 LEFT JOIN sms_gateway_message AS by_uuid
                        ON by_uuid.uuid = event.message_uuid
                       AND by_uuid.gateway_id = event.gateway_id
                       AND by_uuid.direction = 'outgoing'
                 LEFT JOIN LATERAL (
                           SELECT id FROM sms_gateway_message
                            WHERE gateway_id = event.gateway_id
                              AND external_ref = event.external_ref
                              AND direction = 'outgoing'
                         ORDER BY id DESC LIMIT 1) AS by_ref ON TRUE
                     WHERE event.id = ANY(%s)
                )
                SELECT event.id AS event_id, event.report_state, event.detail,
                       coalesce(event.occurred_at, event.received_at) AS at,
                       event.failure_type, event.provider_code, event.external_ref,
                       event.cost AS event_cost, event.cost_unit AS event_cost_unit,
                       message.id, message.state, message.state AS before,
                       message.gateway_id, message.company_id,
                       message.cost, message.cost_unit
                  FROM matched
                  JOIN sms_gateway_event AS event ON event.id = matched.event_id
                  JOIN sms_gateway_message AS message ON message.id = matched.id
                   FOR NO KEY UPDATE OF message
                """,
                events.ids,
            ),
            log_exceptions=False,
        )
        return sorted(self.env.cr.dictfetchall(), key=lambda row: row["event_id"])

    @api.model
    def _settle(self, outcomes):
        """Store what became of events, in one statement.

        :param list outcomes: tuples of the id, the state and the id of the message
        """
        if not outcomes:
            return
        ids, states, message_ids = (
            list(column) for column in zip(*outcomes, strict=True)
        )
        self.env.cr.execute(
            SQL(
                """
                UPDATE sms_gateway_event AS event
                   SET state = outcome.state, message_id = outcome.message_id
                  FROM unnest(%s, %s::varchar[], %s) AS outcome (id, state, message_id)
                 WHERE event.id = outcome.id
                """,
                ids,
                states,
                message_ids,
            ),
            log_exceptions=False,
        )
        self.browse(ids).invalidate_recordset(["state", "message_id"], flush=False)

    @api.model
    def _write_changes(self, changes):
        """Store what reports say of messages, in one statement, and tell of it.

        :param list changes: rows of ``_match`` with another state, then with its
            ``event``, or another cost
        """
        # A message moves on from the state that it was found in, or not at all.
        self.env.cr.execute(
            SQL(
                """
                UPDATE sms_gateway_message AS message
                   SET state = change.state,
                       cost = change.cost,
                       cost_unit = change.cost_unit,
                       cost_company = CASE WHEN change.cost != 0
                                           THEN change.cost_company
                                           ELSE message.cost_company END,
                       state_at = coalesce(change.at, message.state_at),
                       delivered_at = CASE WHEN change.at IS NOT NULL
                                                AND change.state = 'delivered'
                                           THEN change.at
                                           ELSE message.delivered_at END,
                       sent_at = CASE WHEN change.at IS NULL THEN message.sent_at
                                      WHEN change.state = 'sent' THEN change.at
                                      WHEN change.state = 'delivered'
                                      THEN coalesce(message.sent_at, message.request_at)
                                      ELSE message.sent_at END,
                       failure_type = CASE WHEN change.at IS NULL
                                           THEN message.failure_type
                                           ELSE change.failure_type END,
                       failure_reason = CASE WHEN change.at IS NULL
                                             THEN message.failure_reason
                                             ELSE change.detail END,
                       provider_code = CASE WHEN change.failure_type IS NULL
                                            THEN message.provider_code
                                            ELSE change.provider_code END,
                       external_ref = coalesce(message.external_ref,
                                               change.external_ref),
                       to_sync = message.to_sync AND change.at IS NULL
                  FROM json_to_recordset(%s) AS change (
                           id int, before varchar, state varchar, at timestamp,
                           cost numeric, cost_unit varchar, cost_company numeric,
                           failure_type varchar, detail varchar,
                           provider_code varchar, external_ref varchar)
                 WHERE message.id = change.id AND message.state = change.before
             RETURNING message.id, message.sms_uuid, message.state,
                       message.failure_type, message.failure_reason,
                       message.mail_message_id, message.number, message.direction,
                       message.kind
                """,
                json.dumps(self._prepare_changes(changes), default=str),
            ),
            log_exceptions=False,
        )
        rows = self.env.cr.dictfetchall()
        messages = self.env["sms.gateway.message"].sudo()
        messages.browse([row["id"] for row in rows]).invalidate_recordset(flush=False)
        moved = {row["id"] for row in changes if "event" in row}
        messages._tell([row for row in rows if row["id"] in moved])

    @api.model
    def _prepare_changes(self, changes):
        """Return the columns of messages that reports change.

        :return: list of dicts; ``at`` stands for the time of another state
        """
        rates, prepared = {}, []
        for row in changes:
            columns = {key: row[key] for key in ("id", "before", "state", "cost_unit")}
            columns["cost"] = row["cost"] and round(float(row["cost"]), 6)
            if row["cost"]:
                key = (row["gateway_id"], row["cost_unit"], row["company_id"])
                if key not in rates:
                    rates[key] = self._get_cost_rate(*key)
                rate, currency = rates[key]
                columns["cost_company"] = rate and currency.round(
                    float(row["cost"]) * rate
                )
            if event := row.get("event"):
                columns |= {"at": event["at"], "external_ref": event["external_ref"]}
                if row["state"] not in ("sent", "delivered"):
                    columns |= {
                        "failure_type": event["failure_type"]
                        or (
                            "expired" if row["state"] == "expired" else "not_delivered"
                        ),
                        "detail": event["detail"],
                        "provider_code": event["provider_code"],
                    }
            prepared.append(columns)
        return prepared

    @api.model
    def _get_cost_rate(self, gateway_id, unit, company_id):
        """Return what one unit of cost is worth for a company, and in what."""
        company = self.env["res.company"].browse(company_id)
        gateway = self.env["sms.gateway"].sudo().browse(gateway_id)
        return gateway._get_cost_rate(unit, company), company.currency_id

    def _park(self):
        """Try again later, at growing gaps; after 24 hours it is an orphan."""
        if not self:
            return
        self.flush_recordset()
        self.env.cr.execute(
            SQL(
                """
                UPDATE sms_gateway_event
                   SET tries = tries + 1,
                       next_try_at = %(now)s + interval '1 second' * (%(gaps)s)[
                           least(tries + 1, cardinality(%(gaps)s))],
                       state = CASE WHEN received_at > %(born)s
                                    THEN 'pending' ELSE 'orphan' END
                 WHERE id = ANY(%(ids)s)
                """,
                now=(now := fields.Datetime.now()),
                born=now - timedelta(seconds=const.EVENT_LIFETIME_S),
                gaps=list(const.EVENT_GAPS_S),
                ids=self.ids,
            ),
            log_exceptions=False,
        )
        self.invalidate_recordset(["tries", "next_try_at", "state"], flush=False)

    def action_replay(self):
        """Try to apply orphans and unmatched events again, now."""
        self.check_access("write")
        events = self.sudo().filtered(
            lambda event: event.state in ("pending", "orphan")
        )
        events |= events._get_orphaned_parts()
        # What the job is at needs no second one.
        events = events.try_lock_for_update()
        events.write({"state": "pending", "next_try_at": fields.Datetime.now()})
        events.flush_recordset()
        self._apply_due(events.ids)
        return True

    @api.autovacuum
    def _gc_events(self):
        """Drop raw callbacks that had their effect after 90 days, piece by piece.

        Of texts from phones the key stays: a phone that was off repeats them after any
        time.
        """
        limit = fields.Datetime.now() - timedelta(days=_KEEP_DAYS)
        old = self.search(
            [
                ("received_at", "<", limit),
                ("state", "in", ("applied", "ignored")),
                "|",
                ("kind", "!=", "inbound"),
                "|",
                ("device_id", "=", False),
                ("body", "!=", False),
            ],
            limit=10000,
            order="id",
        )
        keys = old.filtered(lambda event: event.kind == "inbound" and event.device_id)
        keys.write({"body": False, "raw": False, "number": False, "recipient": False})
        (old - keys).unlink()
        return len(old), len(old) == 10000
