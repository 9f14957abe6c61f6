# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import ast
import logging
import time
from bisect import bisect_right
from datetime import timedelta

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.tools import SQL, html_sanitize
from odoo.tools.mail import generate_tracking_message_id

from .. import const
from ..tools import segments
from ..tools.transaction import in_new_transaction, report_progress
from .sms_broadcast import MANAGER, OPEN_STATES

_logger = logging.getLogger(__name__)

# A rule is written by people; what is longer is a selection.
_DOMAIN_MAX_CHARS = 100_000
# Rows moved or dropped in one transaction.
_MOVE_CHUNK = 5000
_REST_S = 15
_LOOK_AGAIN_S = 0.5
# Delivered texts that an estimate of the cost is taken from, and their age at most.
_COST_SAMPLE = 1000
_COST_DAYS = 30


class _KnownNames(ast.NodeTransformer):
    """Puts values in the place of the names that a rule may contain."""

    def __init__(self, values):
        self.values = values

    def visit_Name(self, node):  # noqa: N802
        if node.id in self.values:
            return ast.Constant(self.values[node.id])
        return node


class SmsBroadcast(models.Model):
    """What a broadcast does in the background: find, write, check, queue, hold."""

    _inherit = "sms.broadcast"  # pylint: disable=consider-merging-classes-inherited

    # ------------------------------------------------------------------
    # Recipients and texts, with the rights of whoever chose them
    # ------------------------------------------------------------------

    def _as_user(self):
        """Return the broadcast as whoever chose the recipients sees it.

        Only the broadcast's company is allowed, so that the rules for several
        companies let nobody else's contacts through.

        :raise UserError: that user may no longer text many people
        """
        self.ensure_one()
        if self.res_model not in self.env:
            raise UserError(
                self.env._("What was to be texted is not installed any more.")
            )
        user = self.user_id.sudo()
        if not user._is_superuser() and (
            not user.active or not user.has_group(MANAGER)
        ):
            raise UserError(
                self.env._(
                    "%s, who chose the recipients, is no longer a manager of SMS "
                    "gateways. Somebody who is has to choose them again.",
                    user.name,
                )
            )
        if self.company_id not in user.company_ids:
            raise UserError(
                self.env._(
                    "%(user)s, who chose the recipients, may not work for %(company)s.",
                    user=user.name,
                    company=self.company_id.sudo().name,
                )
            )
        context = {
            "lang": user.lang,
            "tz": user.tz,
            "allowed_company_ids": self.company_id.ids,
        }
        return self.with_env(self.env(user=user.id, su=False, context=context))

    def _parse_domain(self, as_user):
        """Read the rule: literal values and ``uid``, nothing is ever evaluated.

        :param as_user: the broadcast, see ``_as_user``
        :return: Domain
        :raise UserError: says what is wrong with it
        """
        self.ensure_one()
        text = (self.domain or "").strip() or "[]"
        if len(text) > _DOMAIN_MAX_CHARS:
            raise UserError(
                self.env._(
                    "The rule for the recipients is too long. Select the records in "
                    "their list, then “Broadcast”."
                )
            )
        try:
            tree = ast.parse(text, mode="eval")
            tree = _KnownNames({"uid": as_user.env.uid}).visit(tree)
            value = ast.literal_eval(tree)
            if not isinstance(value, list | tuple):
                raise ValueError(self.env._("it is no list"))
            domain = Domain(list(value))
            domain.validate(as_user.env[self.res_model])
        except (
            ValueError,
            SyntaxError,
            TypeError,
            KeyError,
            AttributeError,
            RecursionError,
            MemoryError,
        ) as error:
            raise UserError(
                self.env._(
                    "The rule for the recipients cannot be used: it may only compare "
                    "fields with fixed values. (%s)",
                    str(error)[:200],
                )
            ) from error
        return domain

    def _count(self, limit=None):
        """Count the records that the broadcast is for."""
        as_user = self._as_user()
        if self.record_ids:
            return len(self.record_ids)
        model = as_user.env[self.res_model]
        return model.search_count(self._parse_domain(as_user), limit=limit)

    def _search_records(self, as_user, after, limit):
        """Return the next records by id.

        :param as_user: the broadcast, see ``_as_user``
        :param int after: id after which to look
        :param int limit: records at most
        :return: (records in the user's environment, id to go on after, whether these
            were the last)
        """
        model = as_user.env[self.res_model]
        if ids := self.record_ids:
            start = bisect_right(ids, after)
            part = ids[start : start + limit]
            # Who selects an archived record means it.
            records = model.with_context(active_test=False).search(
                [("id", "in", part)], order="id"
            )
            cursor = part[-1] if part else after
            return records.with_env(as_user.env), cursor, start + limit >= len(ids)
        domain = self._parse_domain(as_user) & Domain("id", ">", after)
        records = model.search(domain, order="id", limit=limit)
        cursor = records.ids[-1] if records else after
        return records, cursor, len(records) < limit

    def _get_numbers(self, records, choice, label):
        """Return what to text for each record.

        :param records: any model
        :return: {id: [(number, partner id)]}; the number is what there is instead
            where none is valid, a record without any has an empty list
        """
        partners = {}
        if records._name == "res.partner" or choice != "best":
            partners = records._mail_get_partners()
            all_ids = {pid for found in partners.values() for pid in found.ids}
            contacts = records.env["res.partner"].sudo().browse(all_ids)
            by_contact = contacts._sms_gateway_numbers(choice, label)
        result, others = {}, []
        for record in records:
            found = partners.get(record.id)
            if found:
                result[record.id] = [
                    (number, partner.id)
                    for partner in found
                    for number in by_contact.get(partner.id) or ()
                ]
                if not result[record.id] and choice != "label":
                    # What stands in its place tells the reason.
                    contact = found[0].sudo()
                    typed = contact.mobile_ids[:1].number or contact.phone
                    result[record.id] = [(typed, contact.id)] if typed else []
            else:
                others.append(record.id)
        if others:
            # Who may see a record may text it, also where its contact is out of sight.
            infos = records.browse(others).sudo()._sms_get_recipients_info()
            for record_id, info in infos.items():
                number = info["sanitized"] or info["number"]
                result[record_id] = [(number, info["partner"].id)] if number else []
        return result

    def _group_by_lang(self, records):
        """Split records by the language that their people read.

        :return: {language code or None: list of ids}
        """
        installed = {code for code, _name in records.env["res.lang"].get_installed()}
        expression = (self.text_by_lang or {}).get("lang")
        if expression:
            langs = records.env["sms.template"]._render_template(
                expression, records._name, records.ids
            )
        else:
            first = {
                record_id: partners.ids[0]
                for record_id, partners in records._mail_get_partners().items()
                if partners
            }
            partners = records.env["res.partner"].sudo().browse(set(first.values()))
            lang_by_partner = {partner.id: partner.lang for partner in partners}
            langs = {
                record_id: lang_by_partner[partner_id]
                for record_id, partner_id in first.items()
            }
        groups = {}
        for record_id in records.ids:
            lang = langs.get(record_id)
            groups.setdefault(lang if lang in installed else None, []).append(record_id)
        return groups

    def _render(self, records):
        """Render the text for records of the user's environment.

        :return: {id: text, or the exception that stood in its way}
        """
        texts = (self.text_by_lang or {}).get("texts") or {}
        body = self.body or ""
        placeholders = any("{{" in text for text in (body, *texts.values()))
        if not placeholders and not texts:
            return dict.fromkeys(records.ids, body)
        # Whoever may edit templates wrote a template's text: as in core's composer it
        # is trusted, and what is written here is not.
        renderer = records.env["sms.template" if texts else "mail.render.mixin"]
        result = {}
        for lang, ids in self._group_by_lang(records).items():
            text = texts.get(lang, body)
            if "{{" not in text:
                result.update(dict.fromkeys(ids, text))
                continue
            in_lang = renderer.with_context(lang=lang) if lang else renderer
            result.update(self._render_apart(in_lang, text, records._name, ids))
        return result

    def _render_apart(self, renderer, text, model, ids):
        """Render, and halve until only the records that cannot be are left."""
        try:
            with self.env.cr.savepoint():
                return renderer._render_template(text, model, ids)
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception as error:
            if len(ids) == 1:
                return {ids[0]: error}
        half = len(ids) // 2
        return {
            **self._render_apart(renderer, text, model, ids[:half]),
            **self._render_apart(renderer, text, model, ids[half:]),
        }

    def _prepare_messages(self, records):
        """Prepare what the records get: at least one row for each.

        :param records: in the environment of ``_as_user``
        :return: list of values for ``_enqueue_bulk`` and ``_preview_bulk``
        :raise UserError: the text fits no record at all
        """
        self.ensure_one()
        texts = self._render(records)
        errors = [text for text in texts.values() if isinstance(text, Exception)]
        if errors and len(errors) == len(texts) and not self.progress_id.cursor:
            raise UserError(self._explain(errors[0]))
        numbers = self._get_numbers(records, self.number_choice, self.number_label)
        common = {
            "kind": "broadcast",
            "res_model": records._name,
            "purpose": self.purpose,
            "urgent": self.urgent,
            "priority": self.priority,
            "expires_at": self.expires_at,
            "author_id": self.user_id.id,
            "company_id": self.company_id.id,
            "broadcast_id": self.id,
            "gateway_id": self.gateway_id.id,
            "gateway_fixed": bool(self.gateway_id),
        }
        rows = []
        for record_id in records.ids:
            text = texts[record_id]
            values = {**common, "res_id": record_id, "body": text}
            if isinstance(text, Exception):
                values.update(
                    body="",
                    state="failed",
                    failure_type="unreadable",
                    failure_reason=self._explain(text),
                )
            is_contact = records._name == "res.partner"
            nobody = (False, record_id if is_contact else False)
            for number, partner_id in numbers[record_id] or [nobody]:
                rows.append({**values, "number": number, "partner_id": partner_id})
        if not self.gateway_id:
            gateway_ids = self.env["sms.gateway"]._route_many(
                self.company_id,
                [row["number"] for row in rows],
                [row["partner_id"] for row in rows],
            )
            for row, gateway_id in zip(rows, gateway_ids, strict=True):
                row["gateway_id"] = gateway_id
        return rows

    @api.model
    def _explain(self, error):
        """Say an error in words that fit on one line, without the text itself."""
        if isinstance(error, AccessError | UserError):
            words = error.__cause__ or error
            return self.env._("The text could not be built: %s", str(words)[:300])
        return self.env._(
            "The text could not be built: %s", f"{type(error).__name__}: {error}"[:300]
        )

    # ------------------------------------------------------------------
    # The job
    # ------------------------------------------------------------------

    @api.model
    def _trigger_job(self, at=None):
        """Wake the job after this transaction.

        :param datetime at: UTC; now when left out
        """
        cron = self.env.ref("sms_gateway_hub.ir_cron_broadcast", False)
        asked = self.env.cr.precommit.data.setdefault("sms_broadcast_trigger", set())
        if cron and at not in asked:
            asked.add(at)
            cron.sudo()._trigger(at)

    @api.model
    def _cron_run(self):
        """Work on all broadcasts in turn, a chunk each, and yield in time."""
        end = time.monotonic() + const.BROADCAST_BUDGET_S
        while True:
            busy = resting = False
            for broadcast_id in in_new_transaction(self.env, self._get_ids_at_work):
                outcome = self._work_apart(broadcast_id)
                report_progress(self.env)
                busy |= outcome == "more"
                resting |= outcome == "rest"
                if time.monotonic() >= end:
                    break
            if time.monotonic() >= end or not (busy or resting):
                break
            if not busy:
                # A small one is done in a moment: its page should say so.
                time.sleep(_LOOK_AGAIN_S)
        if busy:
            self._trigger_job()
        elif resting:
            self._trigger_job(fields.Datetime.now() + timedelta(seconds=_REST_S))

    @api.model
    def _get_ids_at_work(self, env):
        env.cr.execute(
            """
            SELECT id FROM sms_broadcast
             WHERE (state IN ('checking', 'scheduled', 'running') OR to_move OR stale)
               AND (state != 'scheduled' OR stale
                    OR scheduled_at IS NULL
                    OR scheduled_at <= now() AT TIME ZONE 'UTC')
          ORDER BY id
            """
        )
        return [row[0] for row in env.cr.fetchall()]

    @api.model
    def _work_apart(self, broadcast_id):
        """Do one piece of work in a transaction of its own; an error pauses it.

        :return: "more" when there is more to do at once, "rest" when it waits for
            something, None when nothing is left
        """
        try:
            return in_new_transaction(
                self.env, lambda env: env[self._name].browse(broadcast_id)._work()
            )
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            # Others are busy with the same rows: the next run goes on.
            return "rest"
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            raise
        except UserError as error:
            reason = str(error)
        except Exception as error:
            _logger.exception("Broadcast %s was stopped by an error", broadcast_id)
            reason = self.env._(
                "An unexpected error stopped it (%s). The server's log says more.",
                type(error).__name__,
            )
        in_new_transaction(
            self.env, lambda env: env[self._name].browse(broadcast_id)._stop(reason)
        )
        return None

    def _work(self):
        """Do one piece of work; its progress is locked, so that nobody else does it."""
        self.ensure_one()
        if not self.progress_id._lock():
            return None
        state, to_move, stale = self.state, self.to_move, self.stale
        if to_move:
            return self._move_chunk()
        if state == "scheduled" and self.scheduled_at <= fields.Datetime.now():
            self.write(
                {
                    "state": "running",
                    "started_at": fields.Datetime.now(),
                    "stale": True,
                }
            )
            state = "running"
        if state == "checking":
            return self._check_chunk()
        if state == "running" and not self.progress_id.expanded_at:
            return self._expand_chunk()
        if stale and self._drop_stale() == "more":
            return "more"
        if state == "running" and not self._end_if_done():
            return "rest"
        return None

    def _stop(self, reason):
        """Stop at an error that would come again, and tell who has to mend it."""
        self.ensure_one()
        if self.state == "checking":
            self._reset({"pause_reason": reason})
        elif self.state in ("running", "scheduled"):
            self._pause(reason)
        else:
            # Nothing that could be tried again by itself.
            self.write({"to_move": False, "stale": False})
        if self.user_id.active:
            self.activity_schedule(
                "mail.mail_activity_data_warning",
                user_id=self.user_id.id,
                summary=self.env._("Broadcast stopped"),
                note=reason,
            )

    # -- Check -------------------------------------------------------------------

    def _check_chunk(self):
        """Look at the next records as if they were texted, and write down what would
        become of each."""
        as_user = self._as_user()
        progress = self.progress_id
        total = progress.total_count or self._count()
        records, cursor, finished = self._search_records(
            as_user, progress.cursor, const.BROADCAST_CHUNK
        )
        rows = self._prepare_messages(records) if records else []
        messages = self.env["sms.gateway.message"]
        seen = self._get_seen({row["number"] for row in rows if row["number"]})
        columns = []
        for row, decision in zip(rows, messages._preview_bulk(rows), strict=True):
            state, failure_type, _reason, hold, parts = decision
            if row["number"] in seen:
                state, failure_type = "canceled", "duplicate"
            refused = state != "queued"
            columns.append(
                (
                    row["res_id"],
                    (row["number"] or "")[:64] or None,
                    (failure_type or state) if refused else None,
                    None if refused else hold or None,
                    row["gateway_id"] or None,
                    parts,
                    len(row["body"]),
                )
            )
        self.env["sms.broadcast.recipient"]._insert(self, columns)
        progress._set(
            cursor=cursor,
            total_count=total,
            done_count=progress.done_count + len(records),
        )
        if not finished:
            return "more"
        self._end_check()
        return None

    def _get_seen(self, numbers):
        """Return which numbers the check has met in earlier chunks."""
        self.env.cr.execute(
            SQL(
                """
                SELECT number FROM sms_broadcast_recipient
                 WHERE broadcast_id = %s AND check_run = %s AND number = ANY(%s)
                """,
                self.id,
                self.check_run,
                list(numbers),
            )
        )
        return {number for (number,) in self.env.cr.fetchall()}

    def _end_check(self):
        """Sum up what the check wrote down."""
        recipients = self.env["sms.broadcast.recipient"]
        result = recipients._sum_up(self)
        result.update(self._estimate_cost(result.pop("parts_by_gateway")))
        samples = []
        as_user = self._as_user()
        for kind, res_id, number in result.pop("sample_ids"):
            record = as_user.env[self.res_model].browse(res_id)
            text = self._render(record)[res_id]
            if isinstance(text, Exception):
                continue
            text = segments.clean_text(text)
            count = segments.count_segments(text)
            samples.append(
                {
                    "kind": kind,
                    "name": record.display_name or "",
                    "number": number,
                    "text": text,
                    "parts": count.segments,
                    "units": count.units,
                }
            )
        result["samples"] = samples
        if worst := result["worst"]:
            record = as_user.env[self.res_model].browse(worst["res_id"])
            worst["name"] = record.display_name or ""
        self.with_context(tracking_disable=True).write(
            {
                "state": "checked",
                "check_result": result,
                "checked_at": fields.Datetime.now(),
                "pause_reason": False,
            }
        )

    def _estimate_cost(self, parts_by_gateway):
        """Estimate what parts will cost by what delivered ones did cost.

        :param dict parts_by_gateway: {gateway id: parts}
        :return: dict with costs per unit, cost in company currency, and the names of
            gateways whose cost nobody knows
        """
        costs, company, unknown = {}, 0.0, []
        gateways = self.env["sms.gateway"].sudo().browse(parts_by_gateway)
        for gateway in gateways:
            self.env.cr.execute(
                SQL(
                    """
                    SELECT cost_unit, sum(cost), sum(cost_company), sum(segments)
                      FROM (SELECT cost_unit, cost, cost_company, segments
                              FROM sms_gateway_message
                             WHERE gateway_id = %s AND state = 'delivered'
                               AND cost IS NOT NULL AND cost_unit IS NOT NULL
                               AND create_date > %s
                          ORDER BY id DESC LIMIT %s) AS delivered
                  GROUP BY cost_unit
                    """,
                    gateway.id,
                    fields.Datetime.now() - timedelta(days=_COST_DAYS),
                    _COST_SAMPLE,
                )
            )
            rows = self.env.cr.fetchall()
            parts_known = sum(row[3] or 0 for row in rows)
            if not parts_known:
                unknown.append(gateway.name)
                continue
            share = parts_by_gateway[gateway.id] / parts_known
            for unit, cost, cost_company, _parts in rows:
                costs[unit] = costs.get(unit, 0.0) + float(cost) * share
                company += float(cost_company or 0.0) * share
        return {"costs": costs, "cost_company": company, "cost_unknown": unknown}

    def _drop_stale(self):
        """Drop what earlier checks wrote down, and all of it once it has begun."""
        keep = self.check_run if self.state in (*OPEN_STATES, "scheduled") else -1
        self.env.cr.execute(
            SQL(
                """
                DELETE FROM sms_broadcast_recipient WHERE id IN (
                       SELECT id FROM sms_broadcast_recipient
                        WHERE broadcast_id = %s AND check_run != %s LIMIT %s)
                """,
                self.id,
                keep,
                _MOVE_CHUNK,
            ),
            log_exceptions=False,
        )
        if self.env.cr.rowcount == _MOVE_CHUNK:
            return "more"
        self.stale = False
        return None

    # -- Expand ------------------------------------------------------------------

    def _expand_chunk(self):
        """Queue the texts of the next records."""
        if self._is_far_ahead():
            return "rest"
        as_user = self._as_user()
        progress = self.progress_id
        total = progress.total_count or self._count()
        records, cursor, finished = self._search_records(
            as_user, progress.cursor, const.BROADCAST_CHUNK
        )
        rows = self._prepare_messages(records) if records else []
        messages = self.env["sms.gateway.message"]
        made = messages._enqueue_bulk(rows)
        queued = [
            (row, message["id"])
            for row, message in zip(rows, made, strict=True)
            if message["state"] == "queued"
        ]
        if self.keep_log and queued:
            self._keep_notes(records, queued)
        done = progress.done_count + len(records)
        progress._set(
            cursor=cursor,
            # Some may have come or gone since they were counted.
            total_count=done if finished else total,
            done_count=done,
            text_count=progress.text_count + len(made),
            accepted_count=progress.accepted_count + len(queued),
            expanded_at=fields.Datetime.now() if finished else None,
        )
        return "more"

    def _is_far_ahead(self):
        """Say whether enough of it waits already: sending is what takes time."""
        ahead = self.env["ir.config_parameter"].get_param(
            "sms_gateway_hub.broadcast_ahead"
        )
        ahead = int(ahead) if str(ahead).isdecimal() else 0
        ahead = ahead or const.BROADCAST_AHEAD
        waiting = SQL(
            "gateway_id = %s AND due_at <= now() AT TIME ZONE 'UTC'", self.gateway_id.id
        )
        if not self.gateway_id:
            waiting = SQL(
                "broadcast_id = %s AND due_at <= now() AT TIME ZONE 'UTC'", self.id
            )
        self.env.cr.execute(
            SQL(
                """
                SELECT count(*) FROM (
                       SELECT 1 FROM sms_gateway_message
                        WHERE state = 'queued' AND %s LIMIT %s) AS waiting
                """,
                waiting,
                ahead,
            )
        )
        return self.env.cr.fetchone()[0] >= ahead

    def _keep_notes(self, records, queued):
        """Write a note on each record that gets a text.

        Odoo makes the first note. The others differ in record and text alone: they are
        copied from it in the database, which takes a tenth of the time.

        :param records: in the environment of ``_as_user``
        :param list queued: (values, id of the message)
        """
        texts = {}
        for row, _message_id in queued:
            texts.setdefault(row["res_id"], segments.clean_text(row["body"]))
        to_html = self.env["sms.sms"]._sms_gateway_to_html
        (first_id, first_text), *others = texts.items()
        first = records.browse(first_id)._message_log_batch(
            bodies={first_id: to_html(first_text)}, message_type="sms"
        )
        note_by_id = {first_id: first.id}
        self.env.flush_all()
        if others:
            html = {text: to_html(text) for text in set(texts.values())}
            for text, body in html.items():
                if "<a " in body:
                    # The rest is escaped text; a link holds what somebody wrote.
                    html[text] = html_sanitize(body)
            columns = [
                SQL.identifier(name)
                for name, field in first._fields.items()
                if field.store
                and field.column_type
                and name not in ("id", "res_id", "body", "message_id")
            ]
            self.env.cr.execute(
                SQL(
                    """
                    INSERT INTO mail_message (%(columns)s, res_id, body, message_id)
                         SELECT %(note_columns)s, other.res_id, other.body,
                                other.message_id
                           FROM mail_message AS note
                     CROSS JOIN unnest(%(ids)s::int[], %(bodies)s::text[],
                                       %(message_ids)s::varchar[])
                                AS other (res_id, body, message_id)
                          WHERE note.id = %(note)s
                      RETURNING res_id, id
                    """,
                    columns=SQL(", ").join(columns),
                    note_columns=SQL(", ").join(
                        SQL("note.%s", column) for column in columns
                    ),
                    ids=[res_id for res_id, _text in others],
                    bodies=[html[text] for _res_id, text in others],
                    message_ids=[
                        generate_tracking_message_id("message-notify") for _ in others
                    ],
                    note=first.id,
                ),
                log_exceptions=False,
            )
            note_by_id.update(self.env.cr.fetchall())
        self.env.cr.execute(
            SQL(
                """
                UPDATE sms_gateway_message AS message
                   SET mail_message_id = note.mail_id
                  FROM unnest(%s::int[], %s::int[]) AS note (id, mail_id)
                 WHERE message.id = note.id
                """,
                [message_id for _row, message_id in queued],
                [note_by_id[row["res_id"]] for row, _message_id in queued],
            ),
            log_exceptions=False,
        )
        # Documents that are in memory have new notes.
        records.browse(texts).invalidate_recordset(["message_ids"], flush=False)

    def _end_if_done(self):
        """End it when nothing of it waits, except for somebody's decision.

        :return: whether it ended
        """
        self.env.cr.execute(
            SQL(
                """
                SELECT 1 FROM sms_gateway_message
                 WHERE broadcast_id = %s AND state IN ('queued', 'sending')
                   AND hold IS DISTINCT FROM 'possible_opt_out' LIMIT 1
                """,
                self.id,
            )
        )
        if self.env.cr.fetchone():
            return False
        self.write({"state": "done", "ended_at": fields.Datetime.now()})
        return True

    # -- Pause, resume, cancel -----------------------------------------------------

    def _move_chunk(self):
        """Make what waits fit the state: held, released or cancelled."""
        now = SQL("now() AT TIME ZONE 'UTC'")
        if self.state == "paused":
            # What waits for a decision stays as it is: the gate knows of the pause.
            where = SQL(
                "(hold IS NULL OR hold NOT IN ('broadcast_paused', 'possible_opt_out'))"
            )
            sets = SQL("hold = 'broadcast_paused', due_at = %s", const.NEVER)
        elif self.state == "canceled":
            where = SQL("TRUE")
            sets = SQL(
                """
                state = 'canceled', state_at = %s, hold = NULL,
                failure_type = 'broadcast_canceled', failure_reason = %s, to_sync = TRUE
                """,
                now,
                self.env._("Its broadcast was cancelled."),
            )
        else:
            where = SQL("hold = 'broadcast_paused'")
            sets = SQL(
                "hold = NULL, due_at = greatest(scheduled_at, %s)",
                now,
            )
        self.env.cr.execute(
            SQL(
                """
                UPDATE sms_gateway_message SET %s WHERE id IN (
                       SELECT id FROM sms_gateway_message
                        WHERE broadcast_id = %s AND state = 'queued' AND %s
                        LIMIT %s FOR UPDATE SKIP LOCKED)
                RETURNING gateway_id
                """,
                sets,
                self.id,
                where,
                _MOVE_CHUNK,
            ),
            log_exceptions=False,
        )
        gateway_ids = {row[0] for row in self.env.cr.fetchall()} - {None}
        messages = self.env["sms.gateway.message"]
        messages.invalidate_model()
        if self.state == "running":
            self.env["sms.gateway"].browse(sorted(gateway_ids))._trigger_sender()
        elif self.state == "canceled":
            messages._sync()
        self.env.cr.execute(
            SQL(
                """
                SELECT 1 FROM sms_gateway_message
                 WHERE broadcast_id = %s AND state = 'queued' AND %s LIMIT 1
                """,
                self.id,
                where,
            )
        )
        if self.env.cr.fetchone():
            # What is left and was not moved is locked by a sender.
            return "more" if gateway_ids else "rest"
        self.to_move = False
        return "more"
