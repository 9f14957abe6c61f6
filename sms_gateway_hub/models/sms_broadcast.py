# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import re

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import format_amount, formatLang

from .. import const
from ..tools import segments

MANAGER = "sms_gateway_hub.group_manager"
# So many recipients are checked at the click, more of them in the background.
_CHECK_AT_ONCE = 500
# Records that a list can be opened for by their ids.
_OPEN_MAX = 10_000

OPEN_STATES = ("draft", "checking", "checked")
BEGUN_STATES = ("scheduled", "running", "paused")

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

_SENT = ("sent", "delivered", "unconfirmed")
_FAILED = ("failed", "undelivered", "expired")


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
        domain="[('state', '!=', 'disabled'),"
        " ('company_id', 'in', [False, company_id])]",
        help="Empty: the recipient's own gateway, else the one that serves the number.",
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
                "value": self._format_number(count),
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
                    "value": self._format_number(count),
                }
                for reason, count in result["reasons"]
            ] + [
                {
                    "key": f"hold/{hold}",
                    "label": self.env._("Waits: %s", holds.get(hold, hold)),
                    "count": count,
                    "value": self._format_number(count),
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
                for sample in result.get("samples") or ()
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
            vals["progress_id"] = (
                self.env["sms.broadcast.progress"].sudo().create({}).id
            )
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
        if content and any(b.state not in OPEN_STATES for b in self):
            raise UserError(
                self.env._(
                    "This broadcast has begun: who gets which text cannot be changed "
                    "any more. Duplicate it, or put it back to draft if nothing was "
                    "queued yet."
                )
            )
        if _PLAN_FIELDS & set(vals) and any(
            b.state not in (*OPEN_STATES, "scheduled") for b in self
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
                self.env._("These are set by the hub alone: %s", ", ".join(sorted(own)))
            )

    def _check_manager(self):
        """Let managers of SMS gateways in, and nobody else.

        :raise AccessError: for any other user, however they call
        """
        if not self.env.su and not self.env.user.has_group(MANAGER):
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
        if (
            self.env["sms.gateway.message"]
            .sudo()
            .search_count([("broadcast_id", "in", self.ids)], limit=1)
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
            broadcast._check_state(OPEN_STATES)
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
                    # The examples have been looked at: names, numbers and texts of
                    # people are not kept any longer.
                    "check_result": {
                        name: value
                        for name, value in (broadcast.check_result or {}).items()
                        if name not in ("samples", "worst")
                    },
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
            broadcast.sudo().activity_unlink(["mail.mail_activity_data_warning"])
            broadcast._trigger_job()
        return True

    def action_cancel(self):
        """End it: what waits is cancelled, what has left has left."""
        self._check_manager()
        for broadcast in self:
            broadcast._check_state(BEGUN_STATES)
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
        if not number or not re.match(const.E164_PATTERN, number):
            raise UserError(
                self.env._(
                    "Your own contact has no valid mobile number: enter one in your "
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
