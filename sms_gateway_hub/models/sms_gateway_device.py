# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from odoo import Command, api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL, ormcache
from odoo.tools.urls import urljoin

from .. import const
from ..tools import tokens, webhook
from ..tools.gateway_data import DeliveryReport, InboundMessage, PollOutcome

_WORD = re.compile(r"^[A-Za-z0-9]+\Z")
# What a device may say of itself, besides what addons add.
_TOLD = frozenset({"version", "battery", "test_result", "acknowledges"})
# When a column changes, the time of that is kept in another.
_TIMES = {"battery": "battery_at", "test_result": "test_at"}
# What a poll reads of the gateway; the rest is fetched when it is read.
_GATEWAY_FIELDS = (
    "active",
    "callback_rate",
    "code",
    "company_id",
    "consent_policy",
    "country_codes",
    "max_per_number",
    "max_segments",
    "opt_in_prefixes",
    "paused_until",
    "prefixes",
    "quiet_hours",
    "sender",
    "state",
)


class SmsGatewayDevice(models.Model):
    """One phone of a gateway of the pull kind: it comes and fetches.

    Its address holds a token of its own, so that phones are told apart and one is shut
    out without the others. What it does is executed here, in short transactions; the
    adapter of its gateway reads the calls and words the answers.
    """

    _name = "sms.gateway.device"
    _description = "SMS Gateway Phone"
    _order = "sequence, id"

    name = fields.Char(
        required=True, help="What your colleagues call it, e.g. “Front desk”."
    )
    gateway_id = fields.Many2one(
        "sms.gateway", required=True, index=True, ondelete="cascade"
    )
    gateway_code = fields.Selection(related="gateway_id.code", string="Type")
    company_id = fields.Many2one(related="gateway_id.company_id", store=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(
        default=True,
        help="A phone that is archived gets nothing and hands over nothing.",
    )
    sims = fields.Integer(
        "SIM cards",
        default=1,
        required=True,
        help="Phones share what waits by the number of their SIM cards.",
    )
    parts_per_minute = fields.Integer(
        "SMS parts per minute",
        default=25,
        required=True,
        help="The phone gets no more SMS parts than this within any minute. Android "
        "asks the owner beyond 30, and holds back what comes then. 0: no limit.",
    )
    messages_per_poll = fields.Integer(
        "Texts at once",
        default=20,
        required=True,
        help="Texts that it gets at most each time it asks.",
    )
    daily_limit = fields.Integer(
        "Texts per day",
        default=0,
        required=True,
        help="What the contract of the SIM card allows. The rest waits for the next "
        "day or goes through another phone. 0: no limit.",
    )
    poll_interval_s = fields.Integer(
        "Asks every",
        default=300,
        required=True,
        help="How often the phone is set to ask for texts, in seconds. When it misses "
        "three times in a row, the responsible user is told.",
    )

    # Who it is
    token = fields.Char(
        readonly=True,
        copy=False,
        groups="base.group_system",
        default=lambda self: tokens.make_token(),
        help="Secret part of the phone's address.",
    )
    token_digest = fields.Char(
        compute="_compute_token_digest",
        store=True,
        groups="base.group_system",
    )
    poll_url = fields.Char(
        "Address for the phone",
        compute="_compute_poll_url",
        groups="base.group_system",
        help="Where the phone asks for texts and hands over what it gets.",
    )
    secret = fields.Char(
        groups="base.group_system",
        copy=False,
        default=lambda self: tokens.make_secret(),
        help="The phone proves with it who it is.",
    )
    basic_user = fields.Char(
        "User name",
        groups="base.group_system",
        copy=False,
        help="With a user name and a password the address holds both, and calls "
        "without them are refused. Letters and digits only.",
    )
    basic_password = fields.Char("Password", groups="base.group_system", copy=False)

    # What it did and told
    version = fields.Char(readonly=True, copy=False, help="Of the app on the phone.")
    last_seen_at = fields.Datetime(
        "Last seen", readonly=True, copy=False, help="Last sign of life of any kind."
    )
    last_poll_at = fields.Datetime("Last asked for texts", readonly=True, copy=False)
    last_inbound_at = fields.Datetime("Last incoming text", readonly=True, copy=False)
    last_claim_at = fields.Datetime("Last took texts", readonly=True, copy=False)
    last_result_at = fields.Datetime("Last report", readonly=True, copy=False)
    battery = fields.Integer(
        readonly=True, copy=False, help="In percent, as the phone told last."
    )
    battery_at = fields.Datetime("Battery as of", readonly=True, copy=False)
    test_result = fields.Char(
        "Last test", readonly=True, copy=False, help="Of the test button on the phone."
    )
    test_at = fields.Datetime("Tested on", readonly=True, copy=False)
    acknowledges = fields.Selection(
        [("unknown", "Not known yet"), ("yes", "Yes"), ("no", "No")],
        "Confirms texts",
        default="unknown",
        required=True,
        readonly=True,
        copy=False,
        help="Whether the phone says which of the fetched texts it will send. Only "
        "then texts that it lost on the way are safe to give out again.",
    )
    acknowledges_since = fields.Datetime(readonly=True, copy=False)
    unclaimed_offers = fields.Integer(
        "Fetched and not confirmed",
        readonly=True,
        copy=False,
        help="How many times in a row it fetched texts and did not confirm any.",
    )
    fleet_sims = fields.Integer(
        "SIM cards of the account",
        compute="_compute_fleet",
        compute_sudo=True,
        groups="base.group_system",
        help="Of this phone and of the others of its gateway that ask for texts.",
    )
    relieved_gateway_ids = fields.Many2many(
        "sms.gateway",
        string="Relieved gateways",
        compute="_compute_fleet",
        compute_sudo=True,
        groups="base.group_system",
        help="Gateways that rest, and whose texts this phone may take meanwhile.",
    )
    alarm_id = fields.Many2one(
        "mail.activity", readonly=True, copy=False, ondelete="set null"
    )
    alarmed = fields.Boolean(readonly=True, copy=False)
    alarmed_at = fields.Datetime(readonly=True, copy=False)

    # For the screens
    status = fields.Selection(
        [
            ("online", "Online"),
            ("offline", "Offline"),
            ("new", "Never seen"),
            ("archived", "Archived"),
        ],
        compute="_compute_status",
    )
    warning = fields.Text("Warnings", compute="_compute_warning")
    warning_label = fields.Char("Needs attention", compute="_compute_warning")
    queued_count = fields.Integer(
        "Waiting",
        compute="_compute_counts",
        help="Texts that wait for this phone. Others wait for whichever asks first.",
    )
    sending_count = fields.Integer("Under way", compute="_compute_counts")
    sent_today_count = fields.Integer("Sent today", compute="_compute_counts")
    unconfirmed_count = fields.Integer("Unconfirmed", compute="_compute_counts")

    _token_digest_unique = models.UniqueIndex(
        "(token_digest) WHERE token_digest IS NOT NULL"
    )
    _sims_positive = models.Constraint(
        "CHECK (sims BETWEEN 1 AND 100)", "“SIM cards” must be between 1 and 100."
    )
    _parts_positive = models.Constraint(
        "CHECK (parts_per_minute >= 0)",
        "“SMS parts per minute” must not be negative.",
    )
    _messages_positive = models.Constraint(
        "CHECK (messages_per_poll BETWEEN 1 AND 500)",
        "“Texts at once” must be between 1 and 500.",
    )
    _daily_positive = models.Constraint(
        "CHECK (daily_limit >= 0)", "“Texts per day” must not be negative."
    )
    _interval_positive = models.Constraint(
        "CHECK (poll_interval_s BETWEEN 1 AND 86400)",
        "“Asks every” must be between one second and a day.",
    )

    # ------------------------------------------------------------------
    # Computes
    # ------------------------------------------------------------------

    @api.depends("token")
    def _compute_token_digest(self):
        for device in self:
            device.token_digest = (
                webhook.token_digest(device.token) if device.token else False
            )

    @api.depends("token", "gateway_id.webhook_base_url", "basic_user", "basic_password")
    def _compute_poll_url(self):
        for device in self:
            device.poll_url = device._get_poll_url()

    @api.depends("active", "last_poll_at", "poll_interval_s")
    def _compute_status(self):
        now = fields.Datetime.now()
        for device in self:
            if not device.active:
                device.status = "archived"
            elif not device.last_poll_at:
                device.status = "new"
            else:
                device.status = "online" if device._is_alive(now) else "offline"

    @api.depends(
        "status", "last_poll_at", "unclaimed_offers", "battery", "battery_at",
        "daily_limit",
    )  # fmt: skip
    def _compute_warning(self):
        for device in self:
            warnings = device._get_warnings()
            device.warning_label = ", ".join(warnings) or False
            device.warning = "\n".join(warnings.values()) or False

    def _get_warnings(self):
        """Return what somebody should look after.

        :return: dict of some words to whole sentences
        """
        self.ensure_one()
        warnings = {}
        if self.status == "offline":
            warnings[self.env._("Offline")] = self.env._(
                "The phone does not ask for texts any more. See that it is switched "
                "on, charged and online, and that its app is running."
            )
        if self.unclaimed_offers >= const.UNCLAIMED_MAX:
            warnings[self.env._("Does not confirm")] = self.env._(
                "The phone fetched texts %s times and did not confirm that it will "
                "send them. It may have sent them: they are unconfirmed. It gets one "
                "text at a time until it confirms again. Check the settings of its "
                "app.",
                self.unclaimed_offers,
            )
        # Phones tell of a low battery, and not of a full one.
        since = fields.Datetime.now() - timedelta(seconds=const.BATTERY_FRESH_S)
        if (
            self.battery_at
            and self.battery_at >= since
            and (self.battery < const.BATTERY_LOW)
        ):
            warnings[self.env._("Battery low")] = self.env._(
                "The battery is at %s %%. Charge the phone.", self.battery
            )
        if self._is_spent():
            warnings[self.env._("Today's limit")] = self.env._(
                "Today's limit is reached: it gets no more texts until tomorrow."
            )
        return warnings

    def _compute_fleet(self):
        self.fleet_sims = 1
        self.relieved_gateway_ids = False
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                SELECT device.id, %s
                  FROM sms_gateway_device AS device
                  JOIN sms_gateway AS gateway ON gateway.id = device.gateway_id
                 WHERE device.id = ANY(%s)
                """,
                self._sql_fleet(),
                self.ids,
            )
        )
        for device_id, sims, relieved in self.env.cr.fetchall():
            device = self.browse(device_id)
            device.fleet_sims = sims
            device.relieved_gateway_ids = [Command.set(relieved)]

    @api.model
    def _sql_fleet(self):
        """Return ``fleet_sims`` and ``relieved_gateway_ids`` of ``device``, as SQL.

        The statement has its ``gateway``, too.
        """
        return SQL(
            """
            device.sims + (
                SELECT coalesce(sum(fellow.sims), 0)
                  FROM sms_gateway_device AS fellow
                 WHERE fellow.gateway_id = gateway.id AND fellow.id != device.id
                   AND %s),
            ARRAY(SELECT source.id FROM sms_gateway AS source
                   WHERE source.fallback_gateway_id = gateway.id
                     AND source.paused_until > now() AT TIME ZONE 'UTC'
                     AND source.state != 'disabled' AND source.active
                     AND (source.state = 'test' OR gateway.state != 'test')
                     AND (gateway.company_id IS NULL
                          OR source.company_id = gateway.company_id))
            """,
            self._sql_alive("fellow"),
        )

    def _compute_counts(self):
        counts = {}
        messages = self.env["sms.gateway.message"].sudo()
        for domain in (
            [("state", "in", ("queued", "sending", "unconfirmed"))],
            [("state", "in", ("sent", "delivered", "undelivered")),
             ("state_at", ">=", "today")],
        ):  # fmt: skip
            for device, state, count in messages._read_group(
                [("device_id", "in", self.ids), *domain],
                ["device_id", "state"],
                ["__count"],
            ):
                counts[device.id, state] = count
        for device in self:

            def total(*states, device_id=device.id):
                return sum(counts.get((device_id, state), 0) for state in states)

            device.queued_count = total("queued")
            device.sending_count = total("sending")
            device.unconfirmed_count = total("unconfirmed")
            device.sent_today_count = total("sent", "delivered", "undelivered")

    # ------------------------------------------------------------------
    # Constraints and ORM
    # ------------------------------------------------------------------

    @api.constrains("secret", "basic_user", "basic_password")
    def _check_words(self):
        for device in self.sudo():
            for name in ("secret", "basic_user", "basic_password"):
                if device[name] and not _WORD.match(device[name]):
                    raise ValidationError(
                        self.env._(
                            "“%s” may hold letters and digits only, because it is "
                            "typed on a phone and is part of addresses.",
                            self._fields[name]._description_string(self.env),
                        )
                    )
            if bool(device.basic_user) != bool(device.basic_password):
                raise ValidationError(
                    self.env._("Enter both a user name and a password, or neither.")
                )

    def write(self, vals):
        if "gateway_id" in vals and any(
            device.gateway_id.id != vals["gateway_id"] for device in self
        ):
            # What it was offered and took there could never be settled.
            raise UserError(
                self.env._(
                    "A phone stays with its gateway. Archive it, and add it to the "
                    "other gateway as a new one."
                )
            )
        archived = self.browse()
        if "active" in vals and not vals["active"]:
            archived = self.filtered("active")
        res = super().write(vals)
        archived.sudo()._let_go()
        if not vals.keys().isdisjoint(("token", "secret")):
            # Entered on another phone, or anew: its settings are to be seen again.
            super().write({"acknowledges": "unknown"})
        return res

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        if (
            self.env["sms.gateway.message"]
            .sudo()
            .search_count([("device_id", "in", self.ids)], limit=1)
        ):
            raise UserError(
                self.env._(
                    "A phone that has sent or received texts cannot be deleted, "
                    "because they are kept. Archive it instead."
                )
            )

    def copy_data(self, default=None):
        return [
            {**vals, "name": self.env._("%s (copy)", device.name)}
            for device, vals in zip(self, super().copy_data(default), strict=True)
        ]

    # ------------------------------------------------------------------
    # Business
    # ------------------------------------------------------------------

    @api.model
    def _find_by_token(self, token):
        """Return the device of an address, archived ones too, at most one.

        No query compares secrets: the digest is looked up.
        """
        self.env.flush_all()
        names, columns = self._get_poll_columns()
        # Past the ORM, which takes two statements and as much time as all the rest of
        # a call where nothing waits.
        self.env.cr.execute(
            SQL(
                """
                SELECT %s, %s
                  FROM sms_gateway_device AS device
                  JOIN sms_gateway AS gateway ON gateway.id = device.gateway_id
                 WHERE device.token_digest = %s
                """,
                columns,
                self._sql_fleet(),
                webhook.token_digest(token),
            )
        )
        row = self.env.cr.fetchone()
        if not row:
            return self.sudo().browse()
        device = self.sudo().browse(row[0])
        gateway = self.env["sms.gateway"].sudo().browse(row[1])
        values = iter(row)
        for record, read in (
            (device, names),
            (gateway, _GATEWAY_FIELDS),
            (device, ("fleet_sims", "relieved_gateway_ids")),
        ):
            for name, value in zip(read, values, strict=False):
                if isinstance(value, list):
                    value = tuple(value)
                record._fields[name]._insert_cache(record, (value,))
        return device

    @api.model
    @ormcache()
    def _get_poll_columns(self):
        """Return what a call reads at once.

        :return: tuple of the names of the phone's fields, its id and its gateway first,
            and SQL, the columns: these, then ``_GATEWAY_FIELDS``
        """
        others = [
            name
            for name, field in self._fields.items()
            if field.store
            and field.column_type
            and not field.translate
            and not field.company_dependent
            and name not in ("id", "gateway_id")
        ]
        names = ("id", "gateway_id", *others)
        return names, SQL(", ").join(
            SQL.identifier(table, name)
            for table, columns in (("device", names), ("gateway", _GATEWAY_FIELDS))
            for name in columns
        )

    def _get_poll_url(self):
        """Return the address to type into the phone, with a slash at its end."""
        self.ensure_one()
        device = self.sudo()
        if not device.token:
            return False
        gateway = device.gateway_id
        base = gateway.webhook_base_url or gateway.get_base_url()
        url = urljoin(base, f"/sms_gateway/{device.token}/poll") + "/"
        if device.basic_user and device.basic_password:
            scheme, rest = url.split("://", 1)
            url = f"{scheme}://{device.basic_user}:{device.basic_password}@{rest}"
        return url

    def _get_secrets(self):
        """Return the values that no log and no record of a call may show."""
        self.ensure_one()
        device = self.sudo()
        names = [
            name
            for name, field in self._fields.items()
            if field.type == "char"
            and field.store
            and "base.group_system" in (field.groups or "")
        ]
        return {device[name] for name in names if device[name]}

    @api.model
    def _sql_alive(self, alias):
        """Return the condition that a device asks for texts as it should."""
        alias = SQL.identifier(alias)
        return SQL(
            "(%(device)s.active AND %(device)s.last_poll_at >= "
            "now() AT TIME ZONE 'UTC' "
            "- %(device)s.poll_interval_s * %(polls)s * interval '1 second')",
            device=alias,
            polls=const.QUIET_AFTER_POLLS,
        )

    def _is_alive(self, now=None):
        """Say whether it asks for texts as often as it should."""
        self.ensure_one()
        now = now or fields.Datetime.now()
        span = timedelta(seconds=self.poll_interval_s * const.QUIET_AFTER_POLLS)
        return bool(
            self.active and self.last_poll_at and self.last_poll_at >= now - span
        )

    def _get_day_start(self):
        """Return when its day began, UTC: midnight in the company's time zone."""
        self.ensure_one()
        company = self.company_id or self.env.company
        zone = ZoneInfo(company.sudo().partner_id.tz or "UTC")
        midnight = datetime.now(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight.astimezone(UTC).replace(tzinfo=None)

    def _count_today(self):
        """Return how many texts it took since midnight."""
        self.ensure_one()
        self.env.cr.execute(
            SQL(
                """
                SELECT count(*) FROM sms_gateway_message
                 WHERE device_id = %s AND request_at >= %s
                """,
                self.id,
                self._get_day_start(),
            )
        )
        return self.env.cr.fetchone()[0]

    def _is_spent(self):
        """Say whether it took as many texts as it may on one day."""
        self.ensure_one()
        return bool(self.daily_limit and self._count_today() >= self.daily_limit)

    def _knows_to_claim(self):
        """Say whether what it did not claim was not sent, for all that is known."""
        self.ensure_one()
        return (
            self.acknowledges == "yes" and self.unclaimed_offers < const.UNCLAIMED_MAX
        )

    # ------------------------------------------------------------------
    # A call, in the transaction of the caller
    # ------------------------------------------------------------------

    def _execute(self, step, data, raw=b""):
        """Do what a device asks for.

        :param PollStep step: what the adapter read, already proven
        :param WebhookData data: the call
        :param bytes raw: the call without secrets, to be kept with what came in
        :return: PollOutcome
        """
        self.ensure_one()
        refusal = self._get_refusal()
        if step.kind == "refused" or refusal:
            self._note(step, refused=True)
            return PollOutcome(
                done=False,
                error=step.detail or refusal or self.env._("Access denied."),
            )
        messages = self.env["sms.gateway.message"]
        if step.kind == "offer":
            # What is final is never claimed: the phone's row is its lock.
            self._note(step, lock=step.final)
            self._back_in_service()
            return PollOutcome(offers=messages._offer(self, final=step.final))
        if step.kind == "claim":
            self._note(step, lock=True)
            refs = messages._take(self, step.refs[: const.POLL_ITEMS_MAX])
            return PollOutcome(refs=refs)
        if step.kind == "ask":
            self._note(step)
            return PollOutcome(refs=messages._ask(self))
        if step.kind in ("report", "inbound"):
            self._note(step)
            self._take_in(step, data, raw)
            return PollOutcome()
        self._note(step)
        return PollOutcome()

    def _get_refusal(self):
        """Say why the device may not do anything now, or nothing."""
        self.ensure_one()
        gateway = self.gateway_id
        if not self.active:
            return self.env._("This phone is archived in Odoo.")
        if not gateway.active or gateway.state == "disabled":
            return self.env._("The gateway is disabled in Odoo.")
        if gateway._is_neutralized():
            return self.env._("This is a copy of the database: it texts nobody.")
        return None

    def _take_in(self, step, data, raw):
        """Keep reports and incoming texts; they are applied after the answer."""
        items = [
            item
            for item in step.items[: const.POLL_ITEMS_MAX]
            if isinstance(item, DeliveryReport | InboundMessage)
        ]
        reports = [item for item in items if isinstance(item, DeliveryReport)]
        known = self.env["sms.gateway.message"]._filter_offered(
            self, [report.external_ref for report in reports]
        )
        items = [
            # Our own id is nothing that a device knows.
            replace(item, uuid=None) if isinstance(item, DeliveryReport) else item
            for item in items
            if isinstance(item, InboundMessage) or item.external_ref in known
        ]
        if items:
            self.env["sms.gateway.event"]._store_polled(
                self, items, raw, data.content_type
            )

    def _note(self, step, *, lock=False, refused=False):
        """Note a sign of life and what the device told: one statement, or none.

        :param bool lock: write in any case, so that two calls of one device that must
            not run at once meet here, and the later one begins anew
        :param bool refused: it did not prove who it is, or is out of service
        """
        self.ensure_one()
        now = fields.Datetime.now()
        values = self._get_told(step.seen, now)
        columns = ()
        if step.kind != "refused" and self.active:
            columns = {
                "offer": ("last_seen_at", "last_poll_at"),
                "claim": ("last_seen_at", "last_claim_at"),
                "report": ("last_seen_at", "last_result_at"),
                "inbound": ("last_seen_at", "last_inbound_at"),
            }.get(step.kind, ("last_seen_at",))
        since = now - timedelta(seconds=min(const.SEEN_EVERY_S, self.poll_interval_s))
        for column in columns:
            if not self[column] or self[column] <= since or lock:
                values[column] = now
        if step.kind == "claim" and step.refs and not refused:
            if self.acknowledges != "yes":
                values["acknowledges"] = "yes"
                values["acknowledges_since"] = now
            if self.unclaimed_offers:
                values["unclaimed_offers"] = 0
        if not values:
            return
        # Past the ORM: neither who wrote nor what depends on it matters, and the row
        # must not be read again.
        self.env.cr.execute(
            SQL(
                "UPDATE sms_gateway_device SET %s WHERE id = %s",
                SQL(", ").join(
                    SQL("%s = %s", SQL.identifier(name), value)
                    for name, value in values.items()
                ),
                self.id,
            ),
            log_exceptions=False,
        )
        for name, value in values.items():
            field = self._fields[name]
            field._update_cache(self, field.convert_to_cache(value, self))

    def _get_told(self, seen, now):
        """Return the columns to write of what a device says of itself.

        What no column takes is left out: a device is a stranger.
        """
        values = {}
        for name, value in (seen or {}).items():
            field = self._fields.get(name)
            if (
                field is None
                or not field.store
                or not field.column_type
                or field.groups
                or (name not in _TOLD and field._module == "sms_gateway_hub")
            ):
                continue
            try:
                value = field.convert_to_column(
                    field.convert_to_cache(value, self), self
                )
            except (TypeError, ValueError):
                continue
            if field.type == "char" and value:
                value = str(value).replace("\x00", "")[:256]
            at = _TIMES.get(name)
            if at and value not in (None, ""):
                since = now - timedelta(seconds=const.SEEN_EVERY_S)
                if not self[at] or self[at] <= since or self[name] != value:
                    values[at] = now
            if self[name] != (value if value is not None else False):
                values[name] = value
        if "version" in values and self.version:
            # Another app, maybe another phone: its settings are to be seen again.
            values.setdefault("acknowledges", "unknown")
        return values

    def _back_in_service(self):
        """End the rest of a gateway that no phone had asked: this one does."""
        gateway = self.gateway_id
        if gateway.paused_until:
            gateway._resumed()

    # ------------------------------------------------------------------
    # Watch. By the job of the gateway.
    # ------------------------------------------------------------------

    def _alarm(self):
        """Tell the responsible user, once, that phones are quiet.

        One that comes and goes is shown each time, and mailed about now and then.
        """
        now = fields.Datetime.now()
        since = now - timedelta(seconds=const.ALARM_MAIL_EVERY_S)
        for device in self.filtered(lambda device: not device.alarmed):
            gateway = device.gateway_id
            if device.alarmed_at and device.alarmed_at > since:
                gateway = gateway.with_context(mail_activity_quick_update=True)
            else:
                device.alarmed_at = now
            user = gateway.responsible_user_id or self.env.ref("base.user_admin")
            device.alarm_id = gateway.activity_schedule(
                "sms_gateway_hub.mail_activity_type_phone",
                user_id=user.id,
                summary=self.env._("Phone “%s” is offline", device.name),
                note=self.env._(
                    "It has not asked for texts for a while. See that it is switched "
                    "on, charged and online, and that its app is running. Texts that "
                    "waited for it go through other phones or gateways, where there "
                    "are any; texts that it took are never sent again by themselves."
                ),
            )
            device.alarmed = True

    def _end_alarm(self):
        """Take back the alarm of phones that ask again."""
        for device in self.filtered("alarmed"):
            device.alarm_id.unlink()
            device.write({"alarm_id": False, "alarmed": False})

    def _let_go(self):
        """Give back what the phones have: they will not come any more."""
        messages = self.env["sms.gateway.message"]
        for device in self:
            messages._return_to_pool(device)
            messages._settle_device(device, given_up=True)
        self._end_alarm()
        self.gateway_id._trigger_sender()
        messages._sync()

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------

    def action_renew_token(self):
        """Give the phone a new address; the old one stops at once."""
        self.check_access("write")
        for device in self.sudo():
            device.token = tokens.make_token()
        return True

    def action_renew_secret(self):
        """Give the phone a new secret; the old one stops at once."""
        self.check_access("write")
        for device in self.sudo():
            device.secret = tokens.make_secret()
        return True

    def action_give_up(self):
        """Give up phones that are lost or broken.

        What waits for them goes through others, what they took and did not report on
        becomes unconfirmed, and their addresses stop.
        """
        self.check_access("write")
        for device in self.sudo():
            device.write({"active": False, "token": tokens.make_token()})
        return True

    def action_open_messages(self):
        """Open the texts of this phone, filtered as the clicked figure says."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "sms_gateway_hub.action_sms_gateway_message"
        )
        action["domain"] = [("device_id", "=", self.id)]
        action["context"] = {
            f"search_default_{name}": 1
            for name in (self.env.context.get("message_filters") or [])
        }
        return action
