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
from odoo.tools import SQL, format_amount, formatLang, html_sanitize

from .. import const
from ..tools import segments
from ..tools.transaction import in_new_transaction

_logger = logging.getLogger(__name__)

_MANAGER = "sms_gateway_hub.group_manager"
# A rule is written by people; what is longer is a selection.
_DOMAIN_MAX_CHARS = 100_000
# So many recipients are checked at the click, more of them in the background.
_CHECK_AT_ONCE = 500
# Rows moved or dropped in one transaction.
_MOVE_CHUNK = 5000
_REST_S = 15
_LOOK_AGAIN_S = 0.5
# Delivered texts that an estimate of the cost is taken from, and their age at most.
_COST_SAMPLE = 1000
_COST_DAYS = 30
# Records that a list can be opened for by their ids.
_OPEN_MAX = 10_000

_OPEN_STATES = ("draft", "checking", "checked")
_AT_WORK_STATES = ("checking", "scheduled", "running")
_BEGUN_STATES = ("scheduled", "running", "paused")

# What is written decides who gets which text: it has to be checked again.
_CONTENT_FIELDS = frozenset(
    {
        "res_model",
        "record_ids",
        "domain",
        "filter_id",
        "template_id",
        "body",
        "gateway_id",
        "purpose",
        "urgent",
        "number_choice",
        "number_label",
        "company_id",
    }
)
_PLAN_FIELDS = frozenset({"scheduled_at", "expires_at", "priority", "keep_log"})
# Written by the hub alone, and what they are on a new broadcast.
_OWN_FIELDS = {
    "state": "draft",
    "text_by_lang": False,
    "check_run": 0,
    "check_result": False,
    "checked_at": False,
    "stale": False,
    "started_at": False,
    "ended_at": False,
    "pause_reason": False,
    "to_move": False,
}

# Where the job is: beside the broadcast, so that a button never waits for a chunk.
_PROGRESS = {
    "total_count": 0,
    "done_count": 0,
    "text_count": 0,
    "accepted_count": 0,
    "expanded_at": False,
}

_SENT = ("sent", "delivered", "undelivered", "unconfirmed")
_FAILED = ("failed", "undelivered", "expired")


class _KnownNames(ast.NodeTransformer):
    """Puts values in the place of the names that a rule may contain."""

    def __init__(self, values):
        self.values = values

    def visit_Name(self, node):  # noqa: N802
        if node.id in self.values:
            return ast.Constant(self.values[node.id])
        return node


class SmsBroadcast(models.Model):
    """One text to many.

    Nothing heavy happens at a click. The job takes the broadcasts that have work in
    turn, a chunk of records each: what it writes, where it is and what it counted are
    committed together, so that a kill loses nothing and doubles nothing.

    Recipients are searched, and the text is rendered, with the rights of ``user_id``:
    whoever last changed who gets what.
    """

    _name = "sms.broadcast"
    _description = "Broadcast"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "id desc"

    name = fields.Char(
        required=True,
        default=lambda self: self.env._(
            "Broadcast of %s", fields.Date.context_today(self)
        ),
        help="For you and your colleagues: recipients do not see it.",
    )
    active = fields.Boolean(default=True)
    state = fields.Selection(
        const.BROADCAST_STATES,
        required=True,
        default="draft",
        readonly=True,
        copy=False,
        tracking=True,
    )
    company_id = fields.Many2one(
        "res.company",
        required=True,
        index=True,
        default=lambda self: self.env.company,
        help="Only its contacts, and those of all companies, are texted.",
    )
    user_id = fields.Many2one(
        "res.users",
        "Chosen by",
        readonly=True,
        required=True,
        copy=False,
        default=lambda self: self.env.user,
        help="Recipients are searched and texts are written with this user's rights: "
        "whoever last changed who gets which text.",
    )

    # Who
    res_model = fields.Selection(
        "_list_models",
        "Who is texted",
        required=True,
        default="res.partner",
        help="What kind of records is texted.",
    )
    record_ids = fields.Json(
        "Selected ids",
        prefetch=False,
        help="Ids of the records that were selected. Empty: everybody who fits the "
        "rule.",
    )
    selected_count = fields.Integer(
        "Selected", compute="_compute_selected_count", store=True
    )
    filter_id = fields.Many2one(
        "ir.filters",
        "Saved filter",
        ondelete="set null",
        domain="[('model_id', '=', res_model)]",
        help="Its rule is copied when you choose it: later changes of the filter do "
        "not change who is texted.",
    )
    domain = fields.Char("Rule", default="[]", help="Everybody who fits is texted.")
    number_choice = fields.Selection(
        [
            ("best", "Best number"),
            ("label", "Best number of a kind"),
            ("all", "All numbers"),
        ],
        "Which number",
        required=True,
        default="best",
        help="Which of a contact's mobile numbers get the text. A number gets it once, "
        "however many contacts have it.",
    )
    number_label = fields.Selection(
        const.MOBILE_LABELS, "Kind of number", default="mobile"
    )

    # What
    template_id = fields.Many2one(
        "sms.template",
        ondelete="set null",
        domain="[('model', '=', res_model)]",
        help="Unless you change the text, everybody gets the template's text in their "
        "language.",
    )
    body = fields.Text(
        "Text",
        compute="_compute_body",
        store=True,
        readonly=False,
        precompute=True,
    )
    text_by_lang = fields.Json(
        readonly=True,
        copy=False,
        help="The template's texts as they were when it was chosen.",
    )

    # How
    gateway_id = fields.Many2one(
        "sms.gateway",
        ondelete="restrict",
        domain="[('state', '!=', 'disabled'), ('company_id', 'in', [False, company_id])]",
        help="Empty: each recipient's own gateway, else the one that serves the number.",
    )
    purpose = fields.Selection(
        const.PURPOSES,
        required=True,
        default="marketing",
        help="Some people agreed to service texts and refused marketing.",
    )
    priority = fields.Selection(
        const.PRIORITIES,
        required=True,
        default=const.PRIORITY_LOW,
        help="High overtakes everything that waits at the gateway.",
    )
    urgent = fields.Boolean(
        help="Sent through quiet hours as well: only for what cannot wait.",
    )
    scheduled_at = fields.Datetime(
        "Send not before", copy=False, help="Empty: as soon as you start it."
    )
    expires_at = fields.Datetime(
        "Send not after",
        copy=False,
        help="A text that could not leave until then is dropped, because it would no "
        "longer be true. Empty: no limit.",
    )
    keep_log = fields.Boolean(
        "Keep a note on each record",
        help="Writes the text into the chatter of each recipient. Without it the text "
        "is found under “SMS” on the contact.",
    )

    # Where it is
    check_run = fields.Integer(readonly=True, copy=False)
    check_result = fields.Json(readonly=True, copy=False)
    checked_at = fields.Datetime("Checked on", readonly=True, copy=False)
    stale = fields.Boolean(
        readonly=True, copy=False, help="Rows of an old check are to be dropped."
    )
    progress_id = fields.Many2one(
        "sms.broadcast.progress",
        "Progress of the job",
        readonly=True,
        copy=False,
        ondelete="restrict",
    )
    # Written through by the hub alone, see ``_check_not_own``.
    total_count = fields.Integer(related="progress_id.total_count", readonly=False)
    done_count = fields.Integer(related="progress_id.done_count", readonly=False)
    text_count = fields.Integer(related="progress_id.text_count", readonly=False)
    accepted_count = fields.Integer(
        related="progress_id.accepted_count", readonly=False
    )
    expanded_at = fields.Datetime(related="progress_id.expanded_at", readonly=False)
    started_at = fields.Datetime("Started on", readonly=True, copy=False)
    ended_at = fields.Datetime("Ended on", readonly=True, copy=False)
    pause_reason = fields.Char(readonly=True, copy=False)
    to_move = fields.Boolean(
        readonly=True,
        copy=False,
        help="What waits has still to be held, released or cancelled.",
    )

    # Result
    progress = fields.Float(
        compute="_compute_progress", help="Part of the recipients that is done with."
    )
    waiting_count = fields.Integer("Waiting", compute="_compute_progress")
    sent_count = fields.Integer("Sent", compute="_compute_result")
    delivered_count = fields.Integer("Delivered", compute="_compute_result")
    failed_count = fields.Integer("Failed", compute="_compute_result")
    left_out_count = fields.Integer("Left out", compute="_compute_result")
    reply_count = fields.Integer("Replies", compute="_compute_result")
    opt_out_count = fields.Integer("Opt-outs", compute="_compute_result")
    cost_text = fields.Char("Cost", compute="_compute_result")
    cost_company = fields.Monetary(
        "Cost in company currency",
        currency_field="company_currency_id",
        compute="_compute_result",
    )
    company_currency_id = fields.Many2one(related="company_id.currency_id")
    result_lines = fields.Json("Why not", compute="_compute_result")
    check_lines = fields.Json("Check", compute="_compute_check")
    check_reasons = fields.Json("Why not everybody", compute="_compute_check")
    check_samples = fields.Json("Examples", compute="_compute_check")

    # The job looks for these once a minute.
    _work_index = models.Index(
        "(id) WHERE state IN ('checking', 'scheduled', 'running') OR to_move OR stale"
    )

    # ------------------------------------------------------------------
    # Computes
    # ------------------------------------------------------------------

    @api.model
    def _list_models(self):
        """List the models that people can be texted from, contacts first.

        Core's rule for its templates, read from the code: not everybody who may text
        may read ir.model.
        """
        thread = self.pool["mail.thread"]
        names = [
            name
            for name, model in self.env.items()
            if isinstance(model, thread)
            and not (model._abstract or model._transient)
            and any(
                field in model._fields
                for field in (
                    *model._phone_get_number_fields(),
                    *model._mail_get_partner_fields(),
                )
            )
        ]
        models = [self.env["ir.model"].sudo()._get(name) for name in names]
        return sorted(
            ((model.model, model.name) for model in models),
            key=lambda item: (item[0] != "res.partner", item[1]),
        )

    @api.depends("record_ids")
    def _compute_selected_count(self):
        for broadcast in self:
            broadcast.selected_count = len(broadcast.record_ids or ())

    @api.depends("template_id")
    def _compute_body(self):
        for broadcast in self:
            if broadcast.template_id:
                broadcast.body = broadcast.template_id.body

    @api.onchange("res_model")
    def _onchange_res_model(self):
        if self._origin.res_model == self.res_model:
            return
        self.record_ids = False
        self.filter_id = False
        self.domain = "[]"
        if self.template_id.model != self.res_model:
            self.template_id = False

    @api.onchange("filter_id")
    def _onchange_filter_id(self):
        if self.filter_id:
            self.domain = self.filter_id.domain
            self.record_ids = False

    @api.depends("state", "progress_id")
    def _compute_progress(self):
        waiting = dict(
            self.env["sms.gateway.message"]
            .sudo()
            ._read_group(
                [
                    ("broadcast_id", "in", self.ids),
                    ("state", "in", ("queued", "sending")),
                ],
                ["broadcast_id"],
                ["__count"],
            )
        )
        for broadcast in self:
            count = waiting.get(broadcast._origin, 0)
            broadcast.waiting_count = count
            found = broadcast.done_count / (broadcast.total_count or 1)
            if broadcast.state in ("running", "paused", "canceled"):
                found *= 1 - count / (broadcast.text_count or 1)
            broadcast.progress = (
                100.0 if broadcast.state == "done" else min(100.0, 100.0 * found)
            )

    @api.depends_context("lang")
    def _compute_result(self):
        messages = self.env["sms.gateway.message"].sudo()
        groups = {}
        for broadcast, *group in messages._read_group(
            [("broadcast_id", "in", self.ids)],
            [
                "broadcast_id",
                "direction",
                "state",
                "failure_type",
                "keyword_family",
                "cost_unit",
            ],
            ["__count", "cost:sum", "cost_company:sum"],
        ):
            groups.setdefault(broadcast.id, []).append(group)
        for broadcast in self:
            broadcast._set_result(groups.get(broadcast._origin.id, []))

    def _set_result(self, groups):
        counts, reasons, costs = {}, {}, {}
        replies = opt_outs = 0
        total = 0.0
        for direction, state, failure, family, unit, count, cost, amount in groups:
            if direction == "incoming":
                replies += count
                opt_outs += count if family == "stop" else 0
                continue
            counts[state] = counts.get(state, 0) + count
            if state in (*_FAILED, "canceled", "unconfirmed"):
                key = (state, failure or "")
                reasons[key] = reasons.get(key, 0) + count
            if cost:
                costs[unit or ""] = costs.get(unit or "", 0.0) + cost
            total += amount or 0.0

        def count(*states):
            return sum(counts.get(state, 0) for state in states)

        self.sent_count = count(*_SENT)
        self.delivered_count = count("delivered")
        self.failed_count = count(*_FAILED)
        self.left_out_count = count("canceled")
        self.reply_count = replies
        self.opt_out_count = opt_outs
        self.cost_company = total
        self.cost_text = self._format_costs(costs)
        states = self._get_labels("state")
        failures = self._get_labels("failure_type")
        self.result_lines = [
            {
                "key": f"{state}/{failure}",
                "label": failures.get(failure) or states[state],
                "detail": states[state],
                "count": count,
            }
            for (state, failure), count in sorted(
                reasons.items(), key=lambda item: -item[1]
            )
        ]

    @api.depends("check_result")
    @api.depends_context("lang")
    def _compute_check(self):
        failures = self._get_labels("failure_type")
        holds = self._get_labels("hold")
        for broadcast in self:
            result = broadcast.check_result
            if not result:
                broadcast.check_lines = broadcast.check_samples = False
                broadcast.check_reasons = False
                continue
            broadcast.check_lines = broadcast._get_check_lines(result)
            broadcast.check_reasons = [
                {
                    "key": f"reason/{reason}",
                    "label": failures.get(reason, reason),
                    "count": count,
                }
                for reason, count in result["reasons"]
            ] + [
                {
                    "key": f"hold/{hold}",
                    "label": self.env._("Waits: %s", holds.get(hold, hold)),
                    "count": count,
                    "waits": True,
                }
                for hold, count in result["holds"]
            ]
            titles = {
                "first": self.env._("The first one"),
                "longest": self.env._("The longest one"),
                "other": self.env._("One from the middle"),
            }
            broadcast.check_samples = [
                {**sample, "title": titles[sample["kind"]]}
                for sample in result["samples"]
            ]

    def _get_check_lines(self, result):
        """Say the result of a check as lines of label and value."""
        self.ensure_one()
        number = self._format_number
        lines = [
            {
                "key": "reason/",
                "label": self.env._("Will get it"),
                "value": number(result["accepted"]),
                "strong": True,
            },
            {
                "label": self.env._("Will not get it"),
                "value": number(result["refused"]),
                "strong": bool(result["refused"]),
            },
            {
                "label": self.env._("SMS parts in all"),
                "value": number(result["parts"]),
            },
        ]
        histogram = result["histogram"]
        if len(histogram) == 1 and histogram[0][0] == 1:
            lines.append(
                {"label": self.env._("Per text"), "value": self.env._("1 part each")}
            )
        else:
            for parts, count in histogram:
                lines.append(
                    {
                        "label": self.env._("Texts of %s parts", parts)
                        if parts != 1
                        else self.env._("Texts of 1 part"),
                        "value": number(count),
                    }
                )
        worst = result.get("worst")
        if worst and worst["parts"] > 1:
            lines.append(
                {
                    "key": f"record/{worst['res_id']}",
                    "label": self.env._("Longest text"),
                    "value": self.env._(
                        "%(name)s, %(parts)s parts",
                        name=worst["name"],
                        parts=worst["parts"],
                    ),
                }
            )
        lines.append(
            {
                "label": self.env._("Estimated cost"),
                "value": self._format_estimate(result),
            }
        )
        return lines

    def _format_estimate(self, result):
        costs = self._format_costs(result["costs"])
        if not costs:
            return self.env._("Unknown: no delivered text of this gateway had a price")
        if result["cost_company"] and set(result["costs"]) != {
            self.company_currency_id.name
        }:
            amount = format_amount(
                self.env, result["cost_company"], self.company_currency_id
            )
            costs = f"{costs} ({amount})"
        if result["cost_unknown"]:
            costs = self.env._(
                "%(costs)s, and what %(gateways)s costs, which is unknown",
                costs=costs,
                gateways=", ".join(result["cost_unknown"]),
            )
        return self.env._("about %s", costs)

    def _format_costs(self, costs):
        """Return amounts in words, False when there are none.

        :param dict costs: {unit: amount}
        """
        texts = []
        for unit, amount in sorted(costs.items()):
            number = formatLang(self.env, amount, digits=2).removesuffix(".00")
            if unit and unit != "credits":
                texts.append(f"{number} {unit}")
            else:
                texts.append(self.env._("%s credits", number))
        return " + ".join(texts) or False

    def _format_number(self, number):
        return formatLang(self.env, number, digits=0)

    def _get_labels(self, name):
        field = self.env["sms.gateway.message"]._fields[name]
        return dict(field._description_selection(self.env))

    # ------------------------------------------------------------------
    # ORM
    # ------------------------------------------------------------------

    def copy_data(self, default=None):
        vals_list = super().copy_data(default=default)
        return [
            {**vals, "name": self.env._("%s (copy)", broadcast.name)}
            for broadcast, vals in zip(self, vals_list, strict=True)
        ]

    @api.model_create_multi
    def create(self, vals_list):
        self._check_manager()
        prepared = []
        for vals in vals_list:
            vals = self._clean(vals)
            if not self.env.su:
                self._check_not_own(vals)
                # Defaults of the context must not set them either.
                vals.update(_OWN_FIELDS, **_PROGRESS, user_id=self.env.uid)
            vals["progress_id"] = self.env["sms.broadcast.progress"].sudo().create({}).id
            if vals.get("filter_id") and not vals.get("domain"):
                ir_filter = self.env["ir.filters"].browse(vals["filter_id"])
                vals["domain"] = ir_filter.domain
            prepared.append(vals)
        broadcasts = super().create(prepared)
        broadcasts._check_content()
        broadcasts._keep_texts()
        return broadcasts

    def write(self, vals):
        if self.env.su:
            return super().write(vals)
        self._check_manager()
        self._check_not_own(vals)
        vals = self._clean(vals)
        content = _CONTENT_FIELDS & set(vals)
        if content and any(b.state not in _OPEN_STATES for b in self):
            raise UserError(
                self.env._(
                    "This broadcast has begun: who gets which text cannot be changed "
                    "any more. Duplicate it, or put it back to draft if nothing was "
                    "queued yet."
                )
            )
        if _PLAN_FIELDS & set(vals) and any(
            b.state not in (*_OPEN_STATES, "scheduled") for b in self
        ):
            raise UserError(
                self.env._(
                    "This broadcast has begun: its plan cannot be changed any more. "
                    "Change it on the texts that wait."
                )
            )
        if "filter_id" in vals and vals["filter_id"] and "domain" not in vals:
            vals["domain"] = self.env["ir.filters"].browse(vals["filter_id"]).domain
        res = super().write(vals)
        if content:
            self._check_content()
            self.sudo()._reset({"user_id": self.env.uid})
            if content & {"template_id", "body", "res_model"}:
                self._keep_texts()
        if "scheduled_at" in vals:
            for broadcast in self.filtered(lambda b: b.state == "scheduled"):
                broadcast._check_plan()
                broadcast._trigger_job(broadcast.scheduled_at)
        return res

    @api.model
    def _clean(self, vals):
        vals = dict(vals)
        if isinstance(vals.get("body"), str):
            vals["body"] = segments.clean_text(vals["body"])
        if isinstance(vals.get("domain"), str):
            vals["domain"] = segments.clean_text(vals["domain"])
        if vals.get("record_ids"):
            try:
                vals["record_ids"] = sorted({int(i) for i in vals["record_ids"]})
            except (TypeError, ValueError):
                raise UserError(
                    self.env._("The selection must be a list of ids of records.")
                ) from None
        return vals

    def _check_not_own(self, vals):
        own = {*_OWN_FIELDS, *_PROGRESS, "user_id", "progress_id"} & set(vals)
        if own:
            raise AccessError(
                self.env._(
                    "These are set by the hub alone: %s", ", ".join(sorted(own))
                )
            )

    def _check_manager(self):
        """Let managers of SMS gateways in, and nobody else.

        :raise AccessError: for any other user, however they call
        """
        if not self.env.su and not self.env.user.has_group(_MANAGER):
            raise AccessError(
                self.env._(
                    "Only managers of SMS gateways may text many people at once. Ask "
                    "your administrator for that right."
                )
            )
        self.check_access("write")

    def _keep_texts(self):
        """Keep what the template says in each language, if its text is unchanged."""
        languages = [code for code, _name in self.env["res.lang"].get_installed()]
        for broadcast in self:
            template = broadcast.template_id
            texts = {
                lang: segments.clean_text(template.with_context(lang=lang).body)
                for lang in languages
                if template
            }
            same = (broadcast.body or "").strip() in {
                text.strip() for text in texts.values()
            }
            broadcast.sudo().text_by_lang = (
                {"lang": template.sudo().lang or False, "texts": texts}
                if template and same
                else False
            )

    def _check_content(self):
        """Refuse what can never be texted, naming the field."""
        for broadcast in self:
            if broadcast.res_model not in dict(broadcast._list_models()):
                raise UserError(
                    self.env._(
                        "Such records have neither a number nor a contact: choose "
                        "others."
                    )
                )
            template = broadcast.template_id
            if template and template.model != broadcast.res_model:
                raise UserError(
                    self.env._(
                        "The template “%s” is for other records than those that are "
                        "texted: choose another one.",
                        template.name,
                    )
                )
            gateway = broadcast.gateway_id
            if gateway.company_id and gateway.company_id != broadcast.company_id:
                raise UserError(
                    self.env._(
                        "The gateway “%s” belongs to another company: choose another "
                        "one.",
                        gateway.name,
                    )
                )
            broadcast._parse_domain(broadcast._as_user())

    def unlink(self):
        progress = self.sudo().progress_id
        res = super().unlink()
        progress.unlink()
        return res

    @api.ondelete(at_uninstall=False)
    def _unlink_except_texts(self):
        if self.env["sms.gateway.message"].sudo().search_count(
            [("broadcast_id", "in", self.ids)], limit=1
        ):
            raise UserError(
                self.env._(
                    "Texts of this broadcast are on record, so it cannot be deleted. "
                    "Archive it instead."
                )
            )

    # ------------------------------------------------------------------
    # From a selection
    # ------------------------------------------------------------------

    @api.model
    def _from_records(self, records):
        """Make a broadcast for selected records and open it.

        :param records: of a model that people are texted from
        :return: action
        :raise UserError: nothing is selected
        """
        if not records:
            raise UserError(
                self.env._("Select at least one record in the list, then “Broadcast”.")
            )
        broadcast = self.create(
            {
                "res_model": records._name,
                "record_ids": records.ids,
            }
        )
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("New broadcast"),
            "res_model": self._name,
            "res_id": broadcast.id,
            "views": [(False, "form")],
        }

    # ------------------------------------------------------------------
    # Buttons
    # ------------------------------------------------------------------

    def action_check(self):
        """Find out who would get what: small ones at once, others in the background."""
        self._check_manager()
        for broadcast in self:
            broadcast._check_state(_OPEN_STATES)
            broadcast._check_text()
            broadcast.sudo()._reset({"state": "checking"})
            if broadcast._count(_CHECK_AT_ONCE + 1) > _CHECK_AT_ONCE:
                broadcast._trigger_job()
                continue
            while broadcast.sudo()._check_chunk() == "more":
                pass
        return True

    def action_start(self):
        """Start, or schedule. Returns at once, whatever the size."""
        self._check_manager()
        now = fields.Datetime.now()
        for broadcast in self:
            if broadcast.state in ("draft", "checking"):
                raise UserError(
                    self.env._(
                        "Press “Check recipients” first, and look at who would get "
                        "what."
                    )
                )
            broadcast._check_state(("checked",))
            broadcast._check_plan()
            at = broadcast.scheduled_at
            later = bool(at and at > now)
            broadcast.sudo().write(
                {
                    "state": "scheduled" if later else "running",
                    "started_at": False if later else now,
                    "pause_reason": False,
                    "stale": True,
                }
            )
            broadcast.sudo().progress_id._reset()
            broadcast._trigger_job(at if later else None)
        return True

    def action_pause(self):
        """Hold it: from now on no text of it leaves, whatever is queued."""
        self._check_manager()
        for broadcast in self:
            broadcast._check_state(("running",))
            broadcast.sudo()._pause(
                self.env._("Paused by %s.", self.env.user.display_name)
            )
        return True

    def action_resume(self):
        """Go on where it was paused."""
        self._check_manager()
        for broadcast in self:
            broadcast._check_state(("paused",))
            broadcast.sudo().write(
                {"state": "running", "pause_reason": False, "to_move": True}
            )
            broadcast._trigger_job()
        return True

    def action_cancel(self):
        """End it: what waits is cancelled, what has left has left."""
        self._check_manager()
        for broadcast in self:
            broadcast._check_state(_BEGUN_STATES)
            broadcast.sudo().write(
                {
                    "state": "canceled",
                    "ended_at": fields.Datetime.now(),
                    "pause_reason": False,
                    "to_move": True,
                }
            )
            broadcast._trigger_job()
        return True

    def action_draft(self):
        """Take a check or a schedule back."""
        self._check_manager()
        for broadcast in self:
            broadcast._check_state(("checking", "checked", "scheduled"))
            broadcast.sudo()._reset()
        return True

    def action_send_test(self):
        """Text the first example to whoever presses the button."""
        self._check_manager()
        self.ensure_one()
        self._check_text()
        user = self.env.user
        infos = self._get_numbers(user.partner_id, "best", False)[user.partner_id.id]
        number = infos[0][0] if infos else False
        if not number:
            raise UserError(
                self.env._(
                    "Your own contact has no mobile number: enter one in your "
                    "preferences, then try again."
                )
            )
        as_user = self._as_user()
        records, _cursor, _finished = self._search_records(as_user, 0, 1)
        if not records:
            raise UserError(
                self.env._("Nobody fits the rule: there is no text to try out.")
            )
        text = self._render(records)[records.id]
        if isinstance(text, Exception):
            raise UserError(self._explain(text))
        gateway = self.gateway_id or self.env["sms.gateway"]._route(
            self.company_id, number, user.partner_id
        )
        message = self.env["sms.gateway.message"]._enqueue(
            [
                {
                    "number": number,
                    "body": text,
                    "gateway_id": gateway.id,
                    "partner_id": user.partner_id.id,
                    "res_model": "res.partner",
                    "res_id": user.partner_id.id,
                    "kind": "single",
                    "purpose": "conversational",
                    "priority": const.PRIORITY_HIGH,
                    "company_id": self.company_id.id,
                }
            ]
        )
        if message.state != "queued":
            raise UserError(message.failure_reason or message.failure_text)
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._(
                    "The text for %(name)s is on its way to your number %(number)s.",
                    name=records.display_name,
                    number=number,
                ),
            },
        }

    def _check_state(self, states):
        """Refuse an action that does not fit where the broadcast is.

        :raise UserError: says where it is
        """
        self.ensure_one()
        if self.state in states:
            return
        labels = dict(self._fields["state"]._description_selection(self.env))
        raise UserError(
            self.env._(
                "“%(name)s” is in the state “%(state)s”: this is not possible now.",
                name=self.name,
                state=labels[self.state],
            )
        )

    def _check_text(self):
        self.ensure_one()
        if not (self.body or "").strip():
            raise UserError(self.env._("The text is empty: write what to send."))
        self._check_content()

    def _check_plan(self):
        """Refuse a plan that cannot be meant, naming the field."""
        self.ensure_one()
        now = fields.Datetime.now()
        if self.expires_at and self.expires_at <= max(self.scheduled_at or now, now):
            raise UserError(
                self.env._(
                    "“Send not after” must be later than the time of sending. Choose a "
                    "later time, or leave it empty."
                )
            )
        if self.gateway_id and not self.gateway_id._is_in_service():
            raise UserError(
                self.env._(
                    "The gateway “%s” is disabled. Enable it, or choose another one.",
                    self.gateway_id.name,
                )
            )

    def _reset(self, values=None):
        """Go back to draft: what a check found no longer holds."""
        # The log tells what was done, not how often it was looked at before.
        for broadcast in self.with_context(tracking_disable=True):
            broadcast.write(
                {
                    "state": "draft",
                    "check_run": broadcast.check_run + 1,
                    "check_result": False,
                    "checked_at": False,
                    "stale": True,
                    **(values or {}),
                }
            )
            broadcast.progress_id._reset()

    def _pause(self, reason):
        self.write({"state": "paused", "pause_reason": reason, "to_move": True})
        self._trigger_job()

    # ------------------------------------------------------------------
    # Lists behind the figures
    # ------------------------------------------------------------------

    def action_open_messages(self):
        """Open the texts behind a figure; ``broadcast_figure`` in the context."""
        self.ensure_one()
        self.check_access("read")
        domains = {
            "all": [("direction", "=", "outgoing")],
            "waiting": [("state", "in", ["queued", "sending"])],
            "sent": [("state", "in", list(_SENT))],
            "delivered": [("state", "=", "delivered")],
            "failed": [("state", "in", list(_FAILED))],
            "left_out": [("state", "=", "canceled")],
            "replies": [("direction", "=", "incoming")],
            "opt_outs": [
                ("direction", "=", "incoming"),
                ("keyword_family", "=", "stop"),
            ],
        }
        figure = self.env.context.get("broadcast_figure")
        return self._open_messages(domains.get(figure, domains["all"]))

    def _open_messages(self, domain):
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "sms_gateway_hub.action_sms_gateway_message"
        )
        action["domain"] = [("broadcast_id", "=", self.id), *domain]
        action["context"] = {}
        return action

    def action_open_line(self, key):
        """Open what is behind a line of the check or of the result.

        :param str key: of the line, as the screen got it
        :return: action
        """
        self.ensure_one()
        self.check_access("read")
        kind, _slash, value = str(key).partition("/")
        if kind == "record" and value.isdecimal():
            return {
                "type": "ir.actions.act_window",
                "res_model": self.res_model,
                "res_id": int(value),
                "views": [(False, "form")],
            }
        if kind in ("reason", "hold"):
            return self._open_checked(kind, value)
        domain = [("direction", "=", "outgoing"), ("state", "=", kind)]
        return self._open_messages([*domain, ("failure_type", "=", value or False)])

    def _open_checked(self, kind, value):
        """Open the records of one line of the check."""
        domain = [("broadcast_id", "=", self.id), ("check_run", "=", self.check_run)]
        domain.append((kind, "=", value or False))
        if kind == "hold":
            domain.append(("reason", "=", False))
        recipients = self.env["sms.broadcast.recipient"].search(
            domain, limit=_OPEN_MAX + 1
        )
        labels = self._get_labels("failure_type" if kind == "reason" else "hold")
        name = labels.get(value) or self.env._("Will get it")
        if len(recipients) > _OPEN_MAX:
            return {
                "type": "ir.actions.act_window",
                "name": name,
                "res_model": recipients._name,
                "views": [(False, "list")],
                "domain": domain,
            }
        return {
            "type": "ir.actions.act_window",
            "name": name,
            "res_model": self.res_model,
            "views": [(False, "list"), (False, "form")],
            "domain": [("id", "in", sorted(set(recipients.mapped("res_id"))))],
            "context": {"active_test": False},
        }

    def action_open_selection(self):
        """Open the selected records."""
        self.ensure_one()
        self.check_access("read")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Selected"),
            "res_model": self.res_model,
            "views": [(False, "list"), (False, "form")],
            "domain": [("id", "in", (self.record_ids or [])[:_OPEN_MAX])],
            "context": {"active_test": False},
        }

    def action_clear_selection(self):
        """Choose recipients by a rule instead of the selection."""
        self.write({"record_ids": False})
        return True

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
            not user.active or not user.has_group(_MANAGER)
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
                    "%(user)s, who chose the recipients, may not work for "
                    "%(company)s.",
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
            for number, partner_id in numbers[record_id] or [(False, False)]:
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
        keep = self.check_run if self.state in (*_OPEN_STATES, "scheduled") else -1
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
                and name not in ("id", "res_id", "body")
            ]
            self.env.cr.execute(
                SQL(
                    """
                    INSERT INTO mail_message (%(columns)s, res_id, body)
                         SELECT %(note_columns)s, other.res_id, other.body
                           FROM mail_message AS note
                     CROSS JOIN unnest(%(ids)s::int[], %(bodies)s::text[])
                                AS other (res_id, body)
                          WHERE note.id = %(note)s
                      RETURNING res_id, id
                    """,
                    columns=SQL(", ").join(columns),
                    note_columns=SQL(", ").join(
                        SQL("note.%s", column) for column in columns
                    ),
                    ids=[res_id for res_id, _text in others],
                    bodies=[html[text] for _res_id, text in others],
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
