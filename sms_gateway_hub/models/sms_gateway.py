# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import re
import secrets
from datetime import timedelta

from markupsafe import escape

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.tools import SQL, format_datetime
from odoo.tools.urls import urljoin

from .. import const
from ..exceptions import GatewayError
from ..tools import keywords, quiet_hours, webhook
from ..tools.transport import redact, redact_trace

_logger = logging.getLogger(__name__)

_SENDER_PATTERN = re.compile(r"^(\+?[0-9]{3,15}|[A-Za-z0-9 ._&+-]{1,11})\Z")
_E164 = re.compile(const.E164_PATTERN)
_PREFIX_PATTERN = re.compile(r"^\+[1-9][0-9]{0,14}\Z")
_FOUND = "sms_gateway_found"  # where a transaction keeps which gateway serves


class SmsGateway(models.Model):
    """An account at a provider, or a phone.

    ``code`` selects the adapter, ``sms.gateway.adapter.<code>``, where all behaviour
    is. A gateway addon adds its code and its credential fields here, nothing else.
    """

    _name = "sms.gateway"
    _description = "SMS Gateway"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "sequence, id"

    name = fields.Char(required=True, translate=True)
    code = fields.Selection(
        [("sandbox", "Sandbox (no network)")],
        string="Type",
        required=True,
        default="sandbox",
        help="Which kind of gateway this is. More kinds come with their addons.",
    )
    state = fields.Selection(
        const.GATEWAY_STATES,
        required=True,
        default="disabled",
        copy=False,
        tracking=True,
        help="Disabled: it sends and receives nothing; what waits stays.\n"
        "Test: it texts its test numbers only. It is used where no enabled gateway "
        "serves.\n"
        "Enabled: it is in service.",
    )
    sequence = fields.Integer(
        default=10, help="Of several gateways that could serve, the first one does."
    )
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", index=True, help="Empty: it serves every company."
    )
    color = fields.Integer()
    sender = fields.Char(
        help="What recipients see as sender: a number, or up to 11 letters and digits "
        "where the country allows it. Empty: the account's default."
    )
    test_numbers = fields.Char(
        help="Numbers in international form, separated by commas: the only ones that "
        "are texted in test mode."
    )
    responsible_user_id = fields.Many2one(
        "res.users",
        "Responsible",
        default=lambda self: self.env.user,
        domain="[('share', '=', False)]",
        help="Is told when the gateway has trouble.",
    )
    max_segments = fields.Integer(
        "Longest text",
        default=const.MAX_SEGMENTS,
        required=True,
        help="SMS parts that one text may need. Longer ones are refused.",
    )
    max_rate = fields.Float(
        "Parts per second",
        default=0.0,
        help="The gateway sends no more SMS parts than this in any second. "
        "0: no limit.",
    )
    parallel_requests = fields.Integer(
        default=8,
        required=True,
        help="Requests to the gateway under way at once. Speed is about this number "
        "divided by the gateway's answer time.",
    )
    give_up_after_h = fields.Integer(
        "Give up after hours",
        default=const.GIVE_UP_AFTER_H,
        required=True,
        help="While the gateway cannot be reached, messages wait and are tried again. "
        "After this time a message fails, because it would arrive too late.",
    )
    prefixes = fields.Char(
        help="Beginnings of the numbers that it serves, in international form and "
        "separated by commas, e.g. “+49, +43”. Of several gateways the longest match "
        "serves. Empty: all numbers that no other gateway names.",
    )
    fallback_gateway_id = fields.Many2one(
        "sms.gateway",
        "Fallback",
        copy=False,
        ondelete="set null",
        domain="[('id', '!=', id), ('company_id', 'in', [company_id, False])]",
        help="While this gateway is paused, the fallback sends what waits here. Texts "
        "whose outcome is unknown are never sent again by it.",
    )
    try_next_number = fields.Boolean(
        "Try the next number",
        default=True,
        help="When a number turns out not to exist, the contact's next number is "
        "texted, and the dead one is marked on the contact.",
    )

    # Consent
    consent_policy = fields.Selection(
        const.CONSENT_POLICIES,
        "Whom it may text",
        default="opt_out",
        required=True,
        tracking=True,
        help="Nobody who refused is ever texted. Who wrote to us within 72 hours may "
        "be answered in any case, and the question for consent may be asked.",
    )
    opt_in_prefixes = fields.Char(
        "Consent needed for",
        help="Beginnings of numbers, e.g. “+1, +49”: people there are texted only "
        "after they agreed, whatever the setting above says.",
    )
    confirm_stop = fields.Boolean(
        "Confirm a STOP",
        default=True,
        help="Answer the first STOP of a person with one last text. Off where the "
        "gateway does that by itself.",
    )
    stop_answer = fields.Text(
        "Answer to STOP",
        translate=True,
        help="Empty: a standard text in the person's language. It may hold {company}, "
        "{word} and {number}.",
    )
    start_answer = fields.Text(
        "Answer to START",
        translate=True,
        help="Empty: a standard text in the person's language. It may hold {company}, "
        "{word} and {number}.",
    )
    help_answer = fields.Text(
        "Answer to HELP",
        translate=True,
        help="Say who texts, how to reach you and how to stop. Empty: a standard text "
        "in the person's language. It may hold {company}, {word} and {number}.",
    )
    question_text = fields.Text(
        "Question for consent",
        translate=True,
        help="Is texted by “Ask for consent”; the person agrees with YES. Empty: a "
        "standard text in the person's language. It may hold {company}, {word} and "
        "{number}.",
    )
    thanks_text = fields.Text(
        "Thanks for consent",
        translate=True,
        help="Empty: a standard text in the person's language. It may hold {company}, "
        "{word} and {number}.",
    )

    # Quiet hours
    quiet_hours = fields.Boolean(
        "Quiet hours",
        tracking=True,
        help="Hold texts while it is night where the recipient is: in the time zone of "
        "the contact, else of the number, else of the company.",
    )
    quiet_from = fields.Float(
        default=21.0, help="Local time of the recipient, in hours."
    )
    quiet_to = fields.Float(default=8.0, help="Local time of the recipient, in hours.")
    quiet_holidays = fields.Boolean(
        "Quiet on holidays",
        help="Hold texts over the days of the list of holidays as well.",
    )

    credit_value = fields.Monetary(
        currency_field="credit_currency_id",
        help="What one credit costs, for gateways that count in credits.",
    )
    credit_currency_id = fields.Many2one(
        "res.currency",
        "Currency of the credit price",
        required=True,
        default=lambda self: self.env.company.currency_id,
    )
    cron_id = fields.Many2one(
        "ir.cron",
        "Sending job",
        readonly=True,
        copy=False,
        ondelete="restrict",
        groups="base.group_system",
    )

    # Callbacks
    webhook_token = fields.Char(
        readonly=True,
        copy=False,
        groups="base.group_system",
        default=lambda self: secrets.token_urlsafe(24),
        help="Secret part of the callback address.",
    )
    webhook_digest = fields.Char(
        compute="_compute_webhook_digest",
        store=True,
        index=True,
        groups="base.group_system",
    )
    webhook_base_url = fields.Char(
        "Public address",
        help="Address under which the gateway can reach this Odoo, e.g. "
        "https://crm.example.com. Empty: Odoo's own web address.",
    )
    webhook_status_url = fields.Char(
        "Address for delivery reports",
        compute="_compute_webhook_urls",
        groups="base.group_system",
    )
    webhook_inbound_url = fields.Char(
        "Address for incoming texts",
        compute="_compute_webhook_urls",
        groups="base.group_system",
    )
    reaches_people = fields.Boolean(compute="_compute_features")
    feature_delivery_report = fields.Boolean(compute="_compute_features")
    feature_inbound = fields.Boolean(compute="_compute_features")
    feature_balance = fields.Boolean(compute="_compute_features")
    feature_sender = fields.Boolean(compute="_compute_features")
    feature_lookup = fields.Boolean(compute="_compute_features")
    feature_coverage = fields.Boolean(compute="_compute_features")
    feature_schedule = fields.Boolean(compute="_compute_features")

    # Health
    paused_until = fields.Datetime(
        readonly=True,
        copy=False,
        help="Until then the gateway rests; then it tries with a single message.",
    )
    pause_reason = fields.Char(readonly=True, copy=False)
    throttled_until = fields.Datetime(readonly=True, copy=False)
    failures_in_a_row = fields.Integer(readonly=True, copy=False)
    next_slot_at = fields.Float(
        readonly=True,
        copy=False,
        digits=(16, 6),
        help="Unix time, by PostgreSQL's clock, at which the next SMS part may leave "
        "under the rate limit.",
    )
    last_error = fields.Char(readonly=True, copy=False)
    last_error_at = fields.Datetime(readonly=True, copy=False)
    last_success_at = fields.Datetime(readonly=True, copy=False)
    health = fields.Selection(
        [
            ("good", "In service"),
            ("throttled", "Slowed down by the gateway"),
            ("paused", "Paused"),
            ("off", "Off"),
        ],
        compute="_compute_health",
    )
    queued_count = fields.Integer("Queued", compute="_compute_counts")
    unconfirmed_count = fields.Integer("Unconfirmed", compute="_compute_counts")
    sent_today_count = fields.Integer("Sent today", compute="_compute_counts")
    failed_today_count = fields.Integer("Failed today", compute="_compute_counts")

    # Sandbox
    sandbox_rule_ids = fields.One2many(
        "sms.gateway.sandbox.rule", "gateway_id", "Sandbox rules", copy=True
    )

    _parallel_requests_positive = models.Constraint(
        "CHECK (parallel_requests BETWEEN 1 AND 100)",
        "“Parallel requests” must be between 1 and 100.",
    )
    _max_rate_positive = models.Constraint(
        "CHECK (max_rate >= 0)", "“Parts per second” must not be negative."
    )
    _give_up_positive = models.Constraint(
        "CHECK (give_up_after_h BETWEEN 1 AND 720)",
        "“Give up after hours” must be between 1 and 720 (30 days).",
    )
    _max_segments_positive = models.Constraint(
        "CHECK (max_segments BETWEEN 1 AND 255)",
        "“Longest text” must be between 1 and 255 SMS parts.",
    )

    _quiet_hours_valid = models.Constraint(
        "CHECK (quiet_from >= 0 AND quiet_from < 24 AND quiet_to >= 0 AND "
        "quiet_to < 24)",
        "Quiet hours must be times between 0:00 and 23:59.",
    )

    # ------------------------------------------------------------------
    # Computes
    # ------------------------------------------------------------------

    @api.depends("webhook_token")
    def _compute_webhook_digest(self):
        for gateway in self:
            gateway.webhook_digest = (
                webhook.token_digest(gateway.webhook_token)
                if gateway.webhook_token
                else False
            )

    @api.depends("webhook_token", "webhook_base_url")
    def _compute_webhook_urls(self):
        for gateway in self:
            gateway.webhook_status_url = gateway._get_webhook_url("status")
            gateway.webhook_inbound_url = gateway._get_webhook_url("inbound")

    @api.depends("code")
    def _compute_features(self):
        for gateway in self:
            adapter = gateway._get_adapter()
            gateway.reaches_people = adapter._reaches_people(gateway)
            features = adapter._get_features(gateway)
            for feature in (
                "delivery_report",
                "inbound",
                "balance",
                "sender",
                "lookup",
                "coverage",
                "schedule",
            ):
                gateway[f"feature_{feature}"] = feature in features

    @api.depends("state", "paused_until", "throttled_until")
    def _compute_health(self):
        now = fields.Datetime.now()
        for gateway in self:
            if gateway.state == "disabled":
                gateway.health = "off"
            elif gateway.paused_until:
                gateway.health = "paused"
            elif gateway.throttled_until and gateway.throttled_until > now:
                gateway.health = "throttled"
            else:
                gateway.health = "good"

    def _compute_counts(self):
        messages = self.env["sms.gateway.message"].sudo()
        counts = {}
        for domain in (
            [("state", "in", ("queued", "sending", "unconfirmed"))],
            [
                ("state", "not in", ("queued", "sending", "unconfirmed", "received")),
                # The user's own day, as in the search view behind the figures.
                ("state_at", ">=", "today"),
            ],
        ):
            for gateway, state, count in messages._read_group(
                [("gateway_id", "in", self.ids), *domain],
                ["gateway_id", "state"],
                ["__count"],
            ):
                counts[gateway.id, state] = count
        for gateway in self:

            def total(*states, gateway_id=gateway.id):
                return sum(counts.get((gateway_id, state), 0) for state in states)

            gateway.queued_count = total("queued", "sending")
            gateway.unconfirmed_count = total("unconfirmed")
            gateway.sent_today_count = total("sent", "delivered", "undelivered")
            gateway.failed_today_count = total("failed", "undelivered", "expired")

    # ------------------------------------------------------------------
    # Constraints and ORM
    # ------------------------------------------------------------------

    @api.constrains("test_numbers")
    def _check_test_numbers(self):
        for gateway in self:
            for number in gateway._get_test_numbers():
                if not re.match(const.E164_PATTERN, number):
                    raise ValidationError(
                        self.env._(
                            "“%s” in the test numbers is not a number in "
                            "international form, like +15550100200.",
                            number,
                        )
                    )

    @api.constrains("prefixes", "opt_in_prefixes")
    def _check_prefixes(self):
        for gateway in self:
            self._check_prefix_list(gateway.prefixes)
            self._check_prefix_list(gateway.opt_in_prefixes)

    @api.model
    def _check_prefix_list(self, prefixes):
        """Refuse what is no list of beginnings of numbers.

        :raise ValidationError: naming the one that is none
        """
        for prefix in self._split_prefixes(prefixes):
            if not _PREFIX_PATTERN.match(prefix):
                raise ValidationError(
                    self.env._(
                        "“%s” is not the beginning of a number in international "
                        "form: write it like +49 or +1202.",
                        prefix,
                    )
                )

    @api.constrains("fallback_gateway_id")
    def _check_fallback(self):
        for gateway in self:
            fallback = gateway.fallback_gateway_id.sudo()
            if fallback == gateway:
                raise ValidationError(
                    self.env._("A gateway cannot be its own fallback.")
                )
            # One that is put into test later is simply not used.
            if fallback.state == "test" and gateway.state != "test":
                raise ValidationError(
                    self.env._(
                        "The fallback “%s” is in test mode: it would reach nobody. "
                        "Enable it first, or choose another one.",
                        fallback.name,
                    )
                )

    @api.constrains("fallback_gateway_id", "company_id")
    def _check_fallback_company(self):
        for gateway in self | self.sudo().search(
            [("fallback_gateway_id", "in", self.ids)]
        ):
            fallback = gateway.sudo().fallback_gateway_id
            if fallback.company_id and fallback.company_id != gateway.company_id:
                raise ValidationError(
                    self.env._(
                        "“%(fallback)s” cannot be the fallback of “%(gateway)s”: it "
                        "must belong to the same company, or to all.",
                        fallback=fallback.name,
                        gateway=gateway.name,
                    )
                )

    @api.constrains("sender")
    def _check_sender(self):
        for gateway in self.filtered("sender"):
            if not _SENDER_PATTERN.match(gateway.sender):
                raise ValidationError(
                    self.env._(
                        "The sender “%s” must be a number or at most 11 letters and "
                        "digits.",
                        gateway.sender,
                    )
                )

    @api.constrains("webhook_base_url")
    def _check_webhook_base_url(self):
        for gateway in self.filtered("webhook_base_url"):
            if not re.match(r"^https?://[^\s/]+", gateway.webhook_base_url):
                raise ValidationError(
                    self.env._(
                        "The public address must start with https:// (or http://)."
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        gateways = super().create(vals_list)
        self.env.cr.precommit.data.pop(_FOUND, None)
        for gateway in gateways.sudo():
            gateway.cron_id = (
                self.env["ir.cron"].sudo().create(gateway._prepare_cron_values())
            )
        return gateways

    def write(self, vals):
        if "max_rate" in vals:
            # Slots of another rate say nothing.
            vals = {"next_slot_at": 0.0, **vals}
        senders = {gateway: gateway.sender for gateway in self if "sender" in vals}
        res = super().write(vals)
        self.env.cr.precommit.data.pop(_FOUND, None)
        for gateway, sender in senders.items():
            # What waits, maybe because the gateway refused the old one.
            self.env["sms.gateway.message"]._change_sender(gateway, sender)
        if any(name.startswith("quiet_") for name in vals):
            # What is held is asked for again: the night may be over now.
            self.env["sms.gateway.message"]._end_hold_at(self, "quiet_hours")
        if "state" in vals or vals.get("active"):
            # What waited while it was off goes out now.
            for gateway in self.filtered(lambda gateway: gateway.state != "disabled"):
                gateway._trigger_sender()
        return res

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        if (
            self.env["sms.gateway.message"]
            .sudo()
            .search_count([("gateway_id", "in", self.ids)], limit=1)
        ):
            raise UserError(
                self.env._(
                    "A gateway that has sent or received messages cannot be deleted, "
                    "because they are kept. Archive it instead."
                )
            )

    def unlink(self):
        crons = self.sudo().cron_id
        res = super().unlink()
        self.env.cr.precommit.data.pop(_FOUND, None)
        crons.unlink()
        return res

    def _prepare_cron_values(self):
        return {
            "name": f"SMS Gateway: send through {self.name}",
            "model_id": self.env["ir.model"]._get_id("sms.gateway.sender"),
            "state": "code",
            "code": f"model._cron_send({self.id})",
            "user_id": SUPERUSER_ID,
            "interval_number": 1,
            "interval_type": "minutes",
            "active": True,
        }

    # ------------------------------------------------------------------
    # Business
    # ------------------------------------------------------------------

    def _get_adapter(self):
        """Return the model with the behaviour of this kind of gateway."""
        name = f"sms.gateway.adapter.{self.code or 'sandbox'}"
        if name not in self.env:
            # Its addon was uninstalled: nothing is known of how to talk to it.
            name = "sms.gateway.adapter"
        return self.env[name]

    @api.model
    def _find(self, company):
        """Return the gateway that serves a company: enabled ones first, then test.

        :param company: res.company, one
        :return: sms.gateway, at most one; the one for numbers that no other names
            comes first
        """
        return self._in_service(company)[:1]

    @api.model
    def _in_service(self, company):
        """Return the gateways that may serve a company, the first choice first.

        Enabled ones come before those in test, the company's own before shared ones,
        those for any number before those for some prefixes.
        """
        # Once per transaction, whose snapshot cannot change; Odoo forgets it on commit
        # and on every rollback, also to a savepoint.
        found = self.env.cr.precommit.data.setdefault(_FOUND, {})
        if company.id not in found:
            gateways = (
                self.sudo()
                .with_context(active_test=True)
                .search_fetch(
                    [
                        ("state", "in", ("enabled", "test")),
                        ("company_id", "in", [company.id, False]),
                    ],
                    ["state", "company_id", "prefixes", "sequence"],
                )
            )
            found[company.id] = gateways.sorted(
                lambda gateway: (
                    gateway.state != "enabled",
                    not gateway.company_id,
                    bool(gateway.prefixes),
                )
            ).ids
        return self.sudo().browse(found[company.id])

    @api.model
    def _route(self, company, number, partner=None, *, sticky=False):
        """Return the gateway for one recipient.

        The contact's own gateway wins, also when it is out of service: then the text
        fails and says so. One of another company than the one that texts does not
        count. Else an enabled one, the company's own before a shared one,
        and of those the longest prefix that the number begins with.

        :param company: res.company, one
        :param str number: E.164, or whatever there is instead
        :param partner: res.partner, at most one
        :param bool sticky: the gateway of an open conversation comes before others
        :return: sms.gateway, at most one
        """
        own = partner.sudo().sms_gateway_id if partner else self
        if own and own.company_id in (company, company.browse()):
            return own
        if sticky and (gateway := self._route_conversation(company, number)):
            return gateway
        return self._route_number(company, number)

    @api.model
    def _route_number(self, company, number):
        best, best_key = self.browse(), None
        for place, gateway in enumerate(self._in_service(company)):
            prefixes = self._split_prefixes(gateway.prefixes)
            matches = [len(p) for p in prefixes if (number or "").startswith(p)]
            if prefixes and not matches:
                continue
            key = (
                gateway.state != "enabled",
                not gateway.company_id,
                -max(matches, default=0),
                place,
            )
            if best_key is None or key < best_key:
                best, best_key = gateway, key
        return best

    @api.model
    def _route_many(self, company, numbers, partner_ids, *, sticky=False):
        """Return the gateway ids for many recipients, False for none.

        :param company: res.company, one
        :param list numbers: E.164, or whatever there is instead
        :param list partner_ids: ids of res.partner, False for none
        :param bool sticky: a single recipient is texted through the gateway of the
            open conversation
        """
        if sticky and len(numbers) == 1:
            partner = self.env["res.partner"].browse(partner_ids[0] or [])
            return [self._route(company, numbers[0], partner, sticky=True).id]
        partners = self.env["res.partner"].sudo().browse({*partner_ids} - {False, None})
        partners.fetch(["sms_gateway_id"])
        own = {
            partner.id: partner.sms_gateway_id.id
            for partner in partners
            if partner.sms_gateway_id.company_id in (company, company.browse())
        }
        in_service = self._in_service(company)
        if not any(gateway.prefixes for gateway in in_service):
            serves = in_service[:1].id
            return [own.get(partner_id) or serves for partner_id in partner_ids]
        return [
            own.get(partner_id) or self._route_number(company, number).id
            for number, partner_id in zip(numbers, partner_ids, strict=True)
        ]

    @api.model
    def _split_prefixes(self, prefixes):
        return [p.strip() for p in (prefixes or "").split(",") if p.strip()]

    def _is_in_service(self):
        self.ensure_one()
        return self.active and self.state != "disabled"

    def _needs_consent(self, number, purpose):
        """Say whether a text needs consent on record.

        :param str number: E.164
        :param str purpose: of ``const.PURPOSES``
        """
        if not self:
            return False
        if self.consent_policy == "opt_in":
            return True
        if self.consent_policy == "opt_in_marketing" and purpose == "marketing":
            return True
        prefixes = tuple(self._split_prefixes(self.opt_in_prefixes))
        return bool(prefixes) and number.startswith(prefixes)

    def _texts_strangers(self, purpose):
        """Say whether it texts anybody of whom nothing is known, at any hour.

        For mass texts: each of these numbers ``_may_text`` and not ``_needs_consent``.

        :param str purpose: of ``const.PURPOSES``
        """
        if not self:
            return True
        return (
            self._may_text_anybody()
            and not self.quiet_hours
            and not self._split_prefixes(self.opt_in_prefixes)
            and not self._needs_consent("", purpose)
        )

    def _next_open(self, at, number, tz, country_code, company_id=None):
        """Return when a text may arrive at the earliest, by the quiet hours.

        :param datetime at: UTC
        :param str number: E.164
        :param str tz: time zone of the contact, if known
        :param str country_code: ISO code of the contact's country, if known
        :return: datetime, UTC, at or after ``at``
        """
        self.ensure_one()
        company = (
            self.env["res.company"].sudo().browse(company_id)
            if company_id
            else self.company_id or self.env.company
        )
        zones = quiet_hours.zones_for(
            number, tz or None, country_code or None, company.partner_id.tz or None
        )
        is_holiday = None
        if self.quiet_holidays:
            is_holiday = self.env["sms.gateway.holiday"]._is_holiday_fn(
                company, country_code or quiet_hours.country_of(number)
            )
        return quiet_hours.next_open(
            at, zones, self.quiet_from, self.quiet_to, is_holiday
        )

    def _get_answer(self, kind, lang, company):
        """Return the words of an automatic answer.

        :param str kind: "stop", "start", "help", "question", "thanks" or "away"
        :param str lang: language of the person, like "fr_FR"
        :param company: res.company that answers
        """
        self.ensure_one()
        name = {
            "stop": "stop_answer",
            "start": "start_answer",
            "help": "help_answer",
            "question": "question_text",
            "thanks": "thanks_text",
            "away": "away_answer",
        }[kind]
        installed = dict(self.env["res.lang"].get_installed())
        gateway = self.with_context(lang=lang) if lang in installed else self
        lang = lang or company.partner_id.lang or "en"
        if text := gateway[name]:
            word = {"stop": keywords.START_WORD}.get(kind, keywords.STOP_WORD)
            if kind == "question":
                word = keywords.CONFIRM_WORDS[keywords.answer_lang(lang)]
            return keywords.fill_answer(
                text, company=company.name, word=word, number=self.sender or ""
            )
        number = self.sender if _E164.match(self.sender or "") else None
        return keywords.default_answer(kind, lang, company.name, number=number)

    def _get_test_numbers(self):
        self.ensure_one()
        return [
            number.strip()
            for number in (self.test_numbers or "").split(",")
            if number.strip()
        ]

    def _may_text(self, number):
        """Say whether the gateway's state lets it text a number.

        :param str number: E.164
        """
        return self._may_text_anybody() or number in self._get_test_numbers()

    def _may_text_anybody(self):
        self.ensure_one()
        return self.state != "test" or not self._get_adapter()._reaches_people(self)

    def _get_cost_rate(self, unit, company):
        """Return what one unit of cost is worth in a company's currency.

        :param str unit: "credits" or an ISO 4217 code
        :param company: res.company, one
        :return: float, or None when it cannot be told
        """
        self.ensure_one()
        if not unit or unit == "credits":
            amount, currency = self.credit_value, self.credit_currency_id
        else:
            amount = 1.0
            currency = (
                self.env["res.currency"]
                .with_context(active_test=False)
                .search([("name", "=", unit)], limit=1)
            )
        if not amount or not currency:
            return None
        return currency._convert(
            amount, company.currency_id, company, fields.Date.today(), round=False
        )

    def _get_webhook_url(self, action, uuid=None):
        """Return a callback address to hand to the gateway.

        :param str action: one of ``const.WEBHOOK_ACTIONS``
        :param str uuid: our id of a message, added to the query
        """
        self.ensure_one()
        token = self.sudo().webhook_token
        if not token:
            return False
        base = self.webhook_base_url or self.get_base_url()
        url = urljoin(base, f"/sms_gateway/{token}/{action}")
        return f"{url}?uuid={uuid}" if uuid else url

    def _trigger_sender(self, at=None):
        """Wake the gateway's sender after this transaction.

        :param datetime at: UTC; now when left out or past
        """
        now = fields.Datetime.now()
        at = at if at and at > now else None
        # Many messages are enqueued in one transaction: one trigger is enough.
        asked = self.env.cr.precommit.data.setdefault("sms_gateway_trigger", set())
        for gateway in self.sudo():
            if (gateway.id, at) not in asked:
                asked.add((gateway.id, at))
                if not at or not gateway._is_woken_before(now, at):
                    gateway.cron_id._trigger(at)
                if gateway.paused_until and gateway.fallback_gateway_id:
                    gateway.fallback_gateway_id._trigger_sender(at)

    def _is_woken_before(self, now, at):
        """Say whether the sender wakes by then anyway: it plans what follows itself.

        What should have woken it by now is left out: it may be why it runs.
        """
        self.ensure_one()
        return bool(
            self.env["ir.cron.trigger"]
            .sudo()
            .search_count(
                [
                    ("cron_id", "=", self.sudo().cron_id.id),
                    ("call_at", ">", now),
                    ("call_at", "<=", at),
                ],
                limit=1,
            )
        )

    def _is_neutralized(self):
        return bool(
            self.env["ir.config_parameter"].sudo().get_param("database.is_neutralized")
        )

    # ------------------------------------------------------------------
    # Health. Written by the sender, in short transactions of its own.
    # ------------------------------------------------------------------

    def _pause(self, reason, seconds, *, until_named=False):
        """Rest: keep the queue, tell the responsible user once, try again later.

        :param bool until_named: the gateway said until when, e.g. that a limit is used
            up; whoever is told learns of it
        """
        self.ensure_one()
        now = fields.Datetime.now()
        was_paused = bool(self.paused_until)
        self.write(
            {
                "paused_until": now + timedelta(seconds=seconds),
                "pause_reason": reason[:500],
                "last_error": reason[:500],
                "last_error_at": now,
            }
        )
        self._trigger_sender(self.paused_until)
        self.fallback_gateway_id._trigger_sender()
        if not was_paused:
            _logger.info("SMS gateway %s is paused: %s", self.id, reason)
        if not was_paused or until_named:
            self._alert_responsible(reason, until_named and self.paused_until)

    def _throttle(self, detail, seconds):
        """The gateway said "slow down": nothing leaves for a while, nothing failed."""
        self.ensure_one()
        now = fields.Datetime.now()
        self.write(
            {
                "throttled_until": now + timedelta(seconds=seconds),
                "last_error": detail[:500],
                "last_error_at": now,
            }
        )
        self._trigger_sender(self.throttled_until)

    def _alert_responsible(self, reason, until=None):
        """Tell the responsible user that the gateway is paused, or for how long now.

        :param str reason: words of the gateway
        :param datetime until: UTC, where it is no short rest
        """
        user = self.responsible_user_id or self.env.ref("base.user_admin")
        if until:
            note = self.env._(
                "%(reason)s Its messages wait until %(until)s; then it tries again by "
                "itself. After mending the cause, press “Resume”.",
                reason=reason,
                until=format_datetime(
                    self.env, until, tz=user.tz or "UTC", dt_format="short"
                ),
            )
        else:
            note = self.env._(
                "%(reason)s Its messages wait. It tries again by itself; after "
                "mending the cause, press “Resume”.",
                reason=reason,
            )
        self._alert(
            "sms_gateway_hub.mail_activity_type_paused",
            self.env._("Gateway “%s” is paused", self.name),
            note,
        )

    def _alert(self, activity_type, summary, note):
        """Give the responsible user one activity of a type, or renew its words.

        :param str activity_type: external id
        :param str summary: what happened
        :param str note: what to do; text, as it may hold words of the gateway
        """
        user = self.responsible_user_id or self.env.ref("base.user_admin")
        values = {"summary": summary, "note": escape(note)}
        if open_ones := self.activity_search([activity_type]):
            open_ones.write(values)
        else:
            self.activity_schedule(activity_type, user_id=user.id, **values)

    def _resumed(self):
        """A request went through again: clear the pause and its alarm."""
        self.ensure_one()
        self.write(
            {"paused_until": False, "pause_reason": False, "failures_in_a_row": 0}
        )
        self.activity_unlink(["sms_gateway_hub.mail_activity_type_paused"])

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------

    def action_resume(self):
        """Send again at once after a pause."""
        self.check_access("write")
        for gateway in self.sudo():
            gateway._resumed()
            gateway.throttled_until = False
            self.env["sms.gateway.message"]._make_due(gateway)
            gateway._trigger_sender()
        return True

    def action_send_now(self):
        """Wake the sender; sending itself is its job alone."""
        self.check_access("write")
        self._trigger_sender()
        due = self.env["sms.gateway.message"].search_count(
            [
                ("gateway_id", "in", self.ids),
                ("state", "=", "queued"),
                ("due_at", "<=", fields.Datetime.now()),
            ]
        )
        message = (
            self.env._("%s text(s) are due and leave now.", due)
            if due
            else self.env._("No text is due. What waits is planned for later.")
        )
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {"message": message, "type": "info"},
        }

    def action_test_connection(self):
        """Ask the gateway whether it would take messages, and say so."""
        self.ensure_one()
        self.check_access("write")
        gateway = self.sudo()
        sentence = gateway._ask(
            lambda: gateway._get_adapter()._test_connection(gateway)
        )
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {"message": sentence, "type": "success", "sticky": False},
        }

    def _ask(self, question):
        """Ask the gateway something for a person who waits for the answer.

        Call it before anything is written: an answer may take its time.

        :param question: function that asks
        :return: what it returns
        :raise UserError: there is no answer, in words without secrets
        """
        self.ensure_one()
        if self.reaches_people and self._is_neutralized():
            raise UserError(
                self.env._("This is a copy of the database: it asks no gateway.")
            )
        try:
            return question()
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except UserError as error:
            # Its words may be the gateway's, and the browser gets what it stems from.
            raise UserError(self._redact(error)) from None
        except GatewayError as error:
            detail = self._redact(error.detail) or type(error).__name__
            raise UserError(
                self.env._(
                    "The gateway “%(name)s” does not answer this: %(detail)s",
                    name=self.name,
                    detail=detail,
                )
            ) from None
        except Exception:
            _logger.error(
                "SMS gateway %s: an answer could not be read: %s",
                self.id,
                redact_trace(self._get_adapter()._get_redacted_values(self)),
            )
            raise UserError(
                self.env._(
                    "What the gateway “%s” answered could not be read. Is its address "
                    "the right one?",
                    self.name,
                )
            ) from None

    def _redact(self, text):
        """Return words of the gateway without its secrets, for a screen."""
        return redact(str(text or ""), self._get_adapter()._get_redacted_values(self))

    def _notify_user(self, message, kind):
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "message": message,
                "type": kind,
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    def action_renew_webhook_token(self):
        """Give the gateway a new callback address; the old one stops at once."""
        self.check_access("write")
        for gateway in self.sudo():
            gateway.webhook_token = secrets.token_urlsafe(24)
        return True

    def action_open_messages(self):
        """Open the gateway's messages, filtered as the clicked figure says."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "sms_gateway_hub.action_sms_gateway_message"
        )
        action["context"] = {
            "search_default_gateway_id": self.id,
            **{
                f"search_default_{name}": 1
                for name in (self.env.context.get("message_filters") or [])
            },
        }
        return action

    # ------------------------------------------------------------------
    # The sender's statements on the gateway
    # ------------------------------------------------------------------

    def _get_next_slot(self, now):
        """Return the next free slot, as Unix time, 0 where there is none to keep.

        One that is further ahead than any was handed out is of a clock that has been
        set back since: to wait for it would hold the queue up for as long.

        :param float now: Unix time
        """
        self.ensure_one()
        longest = max(self.max_segments, 1) / self.max_rate * const.PACE_MARGIN
        ahead_s = self.next_slot_at - now
        if ahead_s > const.PACED_RESERVE_S + const.CLAIM_HORIZON_S + 2 * longest:
            return 0.0
        return self.next_slot_at

    def _take_slots(self, segments, now, *, until, reserved_until=0.0, reserve_s=0.0):
        """Hand out evenly spaced slots under the rate limit.

        The end of the last slot is kept with the gateway, so that another run on
        another host goes on where this one stopped. A run that takes few at a time
        reserves more at once: who writes on a gateway that is sending would meet it.

        :param list segments: SMS parts of each message, in sending order
        :param float now: Unix time; for what is reserved, after the last slot of it
        :param float until: Unix time; no slot after it, but always one
        :param float reserved_until: ``next_slot_at`` as this run left it, 0 for none
        :param float reserve_s: how much to reserve, where anything has to be written
        :return: list of Unix times at which the first messages may leave
        """
        self.ensure_one()
        if not self.max_rate:
            return [now] * len(segments)
        reserved = self.next_slot_at and self.next_slot_at == reserved_until
        slots, slot = [], now if reserved else max(now, self._get_next_slot(now))
        for parts in segments:
            if slots and slot > until:
                break
            slots.append(slot)
            slot += parts / self.max_rate * const.PACE_MARGIN
        if slots and not (reserved and slot <= reserved_until):
            self.env.cr.execute(
                SQL(
                    "UPDATE sms_gateway SET next_slot_at = %s WHERE id = %s",
                    max(slot, slots[0] + reserve_s),
                    self.id,
                )
            )
            self.invalidate_recordset(["next_slot_at"], flush=False)
        return slots
