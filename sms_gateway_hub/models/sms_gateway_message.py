# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import os
import re
from datetime import timedelta
from typing import NamedTuple
from uuid import uuid4

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.tools import SQL, format_datetime, get_lang

from odoo.addons.mail.tools.discuss import Store

from .. import const
from ..tools import refusals, segments
from ..tools.gateway_data import OutgoingMessage
from ..tools.sql_arrays import to_array

_logger = logging.getLogger(__name__)

_E164 = re.compile(const.E164_PATTERN)

# RFC 9562, 5.4: the bits of a UUID that are random, and those that say so.
_UUID_RANDOM = 0xFFFFFFFF_FFFF_0FFF_3FFF_FFFFFFFFFFFF
_UUID_VERSION_4 = 0x00000000_0000_4000_8000_000000000000

# What a mass text writes, column by column.
_BULK_FIELDS = (
    "uuid",
    "gateway_id",
    "gateway_fixed",
    "device_id",
    "by_device",
    "kind",
    "purpose",
    "urgent",
    "hold",
    "broadcast_id",
    "number",
    "sender",
    "partner_id",
    "res_model",
    "res_id",
    "mail_message_id",
    "body",
    "encoding",
    "segments",
    "state",
    "state_at",
    "failure_type",
    "failure_reason",
    "priority",
    "scheduled_at",
    "expires_at",
    "due_at",
    "author_id",
    "company_id",
)

# Failure types whose reason is the gateway's own words, which say little alone.
_GATEWAY_WORDS = frozenset(
    {
        "number_dead",
        "rejected",
        "country",
        "not_delivered",
        "not_reached",
        "account",
        "unknown",
    }
)


def _new_uuids(count):
    """Return random UUIDs as ``uuid4().hex`` gives them, in a fraction of its time."""
    drawn = os.urandom(16 * count)
    return [
        f"{int.from_bytes(drawn[at : at + 16]) & _UUID_RANDOM | _UUID_VERSION_4:032x}"
        for at in range(0, 16 * count, 16)
    ]


class _Terms(NamedTuple):
    """What a gateway asks of each text, read once for all of them."""

    gateway: models.Model
    sender: str | bool
    in_service: bool
    max_segments: int

    @classmethod
    def of(cls, gateway):
        """Read them.

        :param gateway: sms.gateway, at most one
        """
        in_service = bool(gateway) and gateway._is_in_service()
        return cls(gateway, gateway.sender, in_service, gateway.max_segments)


class SmsGatewayMessage(models.Model):
    """One text, out or in, for ever: outbox, inbox and log in one.

    States only move along ``const.TRANSITIONS``. What the sender does on the hot path
    (claim, stamp, record) is one statement each; everything else goes by the ORM.
    """

    _name = "sms.gateway.message"
    _description = "SMS"
    _inherit = ["sms.text.export"]
    _order = "id desc"
    _rec_names_search = ["number", "body", "external_ref", "uuid"]

    uuid = fields.Char(
        "Message ID",
        required=True,
        readonly=True,
        copy=False,
        default=lambda self: uuid4().hex,
        help="Our id of the message. The gateway gets it as client reference.",
    )
    sms_uuid = fields.Char(
        readonly=True,
        copy=False,
        help="Id of the sms.sms row that this message came from. It ties the message "
        "to Odoo's own notifications and mailing traces.",
    )
    gateway_id = fields.Many2one(
        # Without an index of its own: that of the references begins with it.
        "sms.gateway",
        ondelete="restrict",
        readonly=True,
    )
    gateway_fixed = fields.Boolean(
        "Gateway chosen",
        readonly=True,
        help="Somebody chose the gateway, for this text or for the contact: no "
        "fallback sends it.",
    )
    relieved_gateway_id = fields.Many2one(
        "sms.gateway",
        "Taken over from",
        readonly=True,
        copy=False,
        ondelete="set null",
        help="The paused gateway that it waited at, when a fallback took it over.",
    )
    external_ref = fields.Char(
        "Gateway ID",
        readonly=True,
        copy=False,
        help="The id that the gateway gave to the message.",
    )
    direction = fields.Selection(
        const.DIRECTIONS, required=True, default="outgoing", readonly=True
    )
    kind = fields.Selection(
        const.MESSAGE_KINDS,
        required=True,
        default="single",
        readonly=True,
        help="How the text came about: written for one person, to many at once, "
        "as an answer, or by Odoo itself.",
    )
    purpose = fields.Selection(
        const.PURPOSES,
        readonly=True,
        help="What the text is for: people may refuse marketing alone.",
    )
    urgent = fields.Boolean(
        readonly=True, help="It may arrive during the recipient's quiet hours."
    )
    exempt = fields.Selection(
        [("answer", "Answer to a keyword"), ("question", "Question for consent")],
        "Exception",
        readonly=True,
        help="The one answer to STOP or HELP leaves in spite of a refusal, and the "
        "question for consent without consent on record. Nothing else may.",
    )
    hold = fields.Selection(
        const.HOLD_TYPES, "Held", readonly=True, copy=False, help="Why it waits."
    )
    broadcast_id = fields.Many2one(
        "sms.broadcast", readonly=True, index="btree_not_null", ondelete="restrict"
    )
    number = fields.Char(
        readonly=True,
        index="btree_not_null",
        help="Number of the other side in international form (E.164).",
    )
    sender = fields.Char(
        "Our number or name",
        readonly=True,
        help="What the recipient sees as sender; for an incoming text the number "
        "that it was sent to.",
    )
    partner_id = fields.Many2one(
        "res.partner", "Contact", readonly=True, index="btree_not_null"
    )
    res_model = fields.Char("Document Model", readonly=True)
    res_id = fields.Many2oneReference(
        "Document ID", model_field="res_model", readonly=True
    )
    mail_message_id = fields.Many2one(
        "mail.message",
        "Chatter message",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )
    body = fields.Text("Text", readonly=True)
    encoding = fields.Selection([("gsm7", "GSM-7"), ("ucs2", "Unicode")], readonly=True)
    segments = fields.Integer(
        "SMS parts",
        readonly=True,
        help="Parts that the text needs: each part is paid like one SMS.",
    )
    state = fields.Selection(
        const.MESSAGE_STATES, required=True, default="queued", readonly=True, copy=False
    )
    state_at = fields.Datetime(
        "State since", readonly=True, copy=False, default=fields.Datetime.now
    )
    sent_at = fields.Datetime("Sent on", readonly=True, copy=False)
    delivered_at = fields.Datetime("Delivered on", readonly=True, copy=False)
    failure_type = fields.Selection(const.FAILURE_TYPES, readonly=True, copy=False)
    failure_reason = fields.Char(
        "Reason", readonly=True, copy=False, help="What went wrong, in words."
    )
    provider_code = fields.Char(
        readonly=True, copy=False, help="The gateway's own code or word."
    )
    cost = fields.Float(digits=(16, 6), readonly=True, copy=False)
    cost_unit = fields.Char(
        readonly=True,
        copy=False,
        help="What the gateway counts in: credits or a currency.",
    )
    cost_company = fields.Monetary(
        "Cost in company currency",
        currency_field="company_currency_id",
        readonly=True,
        copy=False,
    )
    company_currency_id = fields.Many2one(related="company_id.currency_id")
    priority = fields.Selection(
        const.PRIORITIES, required=True, default=const.PRIORITY_NORMAL, readonly=True
    )
    scheduled_at = fields.Datetime(
        "Send not before", readonly=True, help="Until then it waits and can be changed."
    )
    expires_at = fields.Datetime(
        "Send not after",
        readonly=True,
        help="A text that could not leave until then is dropped.",
    )
    due_at = fields.Datetime(
        readonly=True,
        copy=False,
        default=fields.Datetime.now,
        help="When the sender takes it up: its schedule, or the next try.",
    )
    attempts = fields.Integer(readonly=True, copy=False, default=0)
    attempt_ref = fields.Char(readonly=True, copy=False)
    lease_until = fields.Datetime(readonly=True, copy=False)
    request_at = fields.Datetime(
        readonly=True,
        copy=False,
        help="When the request of this attempt was about to leave. A lease that ran "
        "out after that leaves the outcome unknown.",
    )
    to_sync = fields.Boolean(
        readonly=True,
        copy=False,
        help="Its notification and the screens still have to learn of its state.",
    )
    author_id = fields.Many2one("res.users", "Sent by", readonly=True)
    create_date = fields.Datetime("Date", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True, index=True)
    resend_of_id = fields.Many2one(
        "sms.gateway.message",
        "Sent again for",
        readonly=True,
        copy=False,
        index="btree_not_null",
    )
    resend_ids = fields.One2many(
        "sms.gateway.message", "resend_of_id", "Sent again as", readonly=True
    )
    answers_id = fields.Many2one(
        "sms.gateway.message",
        "Follows",
        readonly=True,
        index="btree_not_null",
        help="The last text of ours to that number, not older than a week.",
    )
    keyword_family = fields.Selection(
        const.KEYWORD_FAMILIES,
        "Keyword",
        readonly=True,
        help="What the incoming text was taken for.",
    )
    may_be_refusal = fields.Boolean(
        "May mean “no more texts”",
        compute="_compute_may_be_refusal",
        search="_search_may_be_refusal",
    )
    cost_text = fields.Char("Cost and unit", compute="_compute_cost_text")
    failure_text = fields.Char("Reason in words", compute="_compute_failure_text")
    document_label = fields.Char(compute="_compute_document_label")
    attempt_ids = fields.One2many("sms.gateway.attempt", "message_id", readonly=True)
    event_ids = fields.One2many("sms.gateway.event", "message_id", readonly=True)

    _uuid_unique = models.UniqueIndex("(uuid)")
    # One core SMS becomes one message: a second enqueueing cannot double it.
    _sms_uuid_unique = models.UniqueIndex(
        "(sms_uuid) WHERE sms_uuid IS NOT NULL AND resend_of_id IS NULL"
    )
    # Two people who press "Send again" at once still text once.
    _resend_unique = models.UniqueIndex(
        "(resend_of_id) WHERE resend_of_id IS NOT NULL "
        "AND state NOT IN ('failed', 'expired', 'canceled')",
        "This message is being sent again already.",
    )
    # Killed and resumed, a broadcast cannot text a number twice.
    _broadcast_unique = models.UniqueIndex(
        "(broadcast_id, number) WHERE broadcast_id IS NOT NULL "
        "AND direction = 'outgoing' AND resend_of_id IS NULL "
        "AND failure_type IS DISTINCT FROM 'duplicate'"
    )
    # What of a broadcast waits is asked for with every chunk: its size must not count.
    _broadcast_waiting_index = models.Index(
        "(broadcast_id, due_at) "
        "WHERE broadcast_id IS NOT NULL AND state IN ('queued', 'sending')"
    )
    _doubt_index = models.Index(
        "(gateway_id) WHERE hold = 'possible_opt_out' AND state = 'queued'"
    )
    _heard_index = models.Index("(number, id) WHERE direction = 'incoming'")
    _external_ref_index = models.Index("(gateway_id, external_ref)")
    _queue_index = models.Index(
        "(gateway_id, priority, due_at, id) WHERE state = 'queued'"
    )
    _expiry_index = models.Index(
        "(gateway_id, expires_at) WHERE state = 'queued' AND expires_at IS NOT NULL"
    )
    _document_index = models.Index("(res_model, res_id) WHERE res_id IS NOT NULL")
    _sync_index = models.Index("(id) WHERE to_sync")
    _unsettled_index = models.Index(
        "(gateway_id, state, lease_until) WHERE state IN ('sending', 'unconfirmed')"
    )

    # ------------------------------------------------------------------
    # Computes and ORM
    # ------------------------------------------------------------------

    @api.depends("partner_id", "number", "direction")
    def _compute_display_name(self):
        for message in self:
            who = message.partner_id.display_name or message.number or ""
            message.display_name = (
                self.env._("SMS from %s", who)
                if message.direction == "incoming"
                else self.env._("SMS to %s", who)
            )

    @api.depends("cost", "cost_unit")
    @api.depends_context("lang")
    def _compute_cost_text(self):
        point = get_lang(self.env).decimal_point
        for message in self:
            if not message.cost:
                message.cost_text = False
                continue
            amount = f"{message.cost:.6f}".rstrip("0").rstrip(".")
            amount = amount.replace(".", point)
            unit = message.cost_unit
            if unit and unit != "credits":
                message.cost_text = f"{amount} {unit}"
            elif amount == "1":
                message.cost_text = self.env._("1 credit")
            else:
                message.cost_text = self.env._("%s credits", amount)

    @api.depends("number", "direction")
    def _compute_may_be_refusal(self):
        incoming = self.filtered(lambda message: message.direction == "incoming")
        self.may_be_refusal = False
        if incoming:
            consents = self.env["sms.consent"].sudo()
            for message in incoming:
                last = consents._get_last(message.number, const.DOUBT_ACTS)
                message.may_be_refusal = (
                    last.act == "possible_opt_out" and last.message_id == message
                )

    @api.model
    def _search_may_be_refusal(self, operator, value):
        if operator != "in":
            return NotImplemented
        self.env["sms.consent"].flush_model()
        undecided = SQL(
            """
            (SELECT doubt.message_id
               FROM sms_consent AS doubt
              WHERE doubt.act = 'possible_opt_out'
                AND doubt.message_id IS NOT NULL
                AND NOT EXISTS (
                    SELECT FROM sms_consent AS later
                     WHERE later.number = doubt.number
                       AND (later.at, later.id) > (doubt.at, doubt.id)
                       AND later.act IN ('opted_in', 'opted_out',
                                         'possible_opt_out', 'not_opt_out')))
            """
        )
        return [("id", "in" if True in value else "not in", undecided)]

    @api.depends("failure_type", "failure_reason", "state", "hold", "gateway_id.health")
    @api.depends_context("lang")
    def _compute_failure_text(self):
        labels = dict(self._fields["failure_type"]._description_selection(self.env))
        for message in self:
            label, reason = labels.get(message.failure_type), message.failure_reason
            if label and reason and message.failure_type in _GATEWAY_WORDS:
                message.failure_text = f"{label}: {reason}"
            else:
                message.failure_text = (
                    reason or label or message._get_waiting_reason() or False
                )

    def _get_waiting_reason(self):
        """Say why a queued text waits for its gateway, if that is why."""
        self.ensure_one()
        if self.state != "queued":
            return None
        if self.hold == "quiet_hours":
            return self.env._(
                "It waits until %s: quiet hours where the recipient is.",
                format_datetime(self.env, self.due_at, dt_format="short"),
            )
        if self.hold == "possible_opt_out":
            return self.env._(
                "It waits: an answer of the recipient may mean “no more texts”, and "
                "somebody has to decide."
            )
        if self.hold == "broadcast_paused":
            return self.env._("It waits: its broadcast is paused.")
        if self.hold == "daily_limit":
            gateway = self.sudo().gateway_id
            return self.env._(
                "It waits until %(when)s: “%(gateway)s” sends one number no more than "
                "%(count)s texts within 24 hours.",
                when=format_datetime(self.env, self.due_at, dt_format="short"),
                gateway=gateway.name,
                count=gateway.max_per_number,
            )
        return {
            "off": self.env._("It waits: the gateway is disabled."),
            "paused": self.env._("It waits: the gateway is paused."),
            "throttled": self.env._("It waits: the gateway asked to slow down."),
        }.get(self.sudo().gateway_id.health)

    @api.depends("res_model", "res_id", "partner_id")
    @api.depends_context("lang")
    def _compute_document_label(self):
        for message in self:
            model = message.res_model
            is_contact = (
                model == "res.partner" and message.res_id == message.partner_id.id
            )
            message.document_label = (
                self.env["ir.model"]._get(model).display_name
                if model in self.env and message.res_id and not is_contact
                else False
            )

    def write(self, vals):
        """Users may change the plan of a text that still waits, and nothing else."""
        if not self.env.su:
            self._check_may_act()
            forbidden = set(vals) - {"scheduled_at", "expires_at", "priority"}
            if forbidden:
                raise AccessError(
                    self.env._("A message is a record: it cannot be rewritten.")
                )
            if any(message.state != "queued" for message in self):
                raise UserError(
                    self.env._("Only queued messages can be changed: this one left.")
                )
            vals, due = self._check_plan(vals)
            # What a decision of somebody is needed for goes on to wait.
            held = self.filtered(
                lambda message: message.hold in ("possible_opt_out", "broadcast_paused")
            )
            res = super(SmsGatewayMessage, held).write(vals)
            super(SmsGatewayMessage, self - held).write({**vals, **due})
            self._trigger_senders(
                (message.gateway_id, message.due_at) for message in self.sudo()
            )
            return res
        return super().write(vals)

    def _check_plan(self, vals):
        """Validate a changed plan and derive the due time of it.

        :return: tuple of the values and of what follows for texts that nobody has to
            decide on
        """
        now = fields.Datetime.now()
        to_datetime = fields.Datetime.to_datetime
        vals, due = dict(vals), {}
        if "scheduled_at" in vals:
            at = to_datetime(vals["scheduled_at"])
            if at and at < now:
                raise UserError(
                    self.env._("“Send not before” must be in the future, or empty.")
                )
            # Quiet hours are asked for again when it is taken up.
            due = {"due_at": at or now, "hold": False}
        if "expires_at" in vals:
            until = to_datetime(vals["expires_at"])
            if until and until <= now:
                raise UserError(
                    self.env._("“Send not after” must be in the future, or empty.")
                )
        for message in self:
            at = vals.get("scheduled_at", message.scheduled_at)
            until = vals.get("expires_at", message.expires_at)
            if at and until and to_datetime(until) <= to_datetime(at):
                raise UserError(
                    self.env._("“Send not after” must be later than “Send not before”.")
                )
        return vals, due

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(
            self.env._(
                "Messages are the record of what was sent and received and "
                "cannot be deleted."
            )
        )

    # ------------------------------------------------------------------
    # Enqueue
    # ------------------------------------------------------------------

    @api.model
    def _enqueue(self, vals_list):
        """Write outgoing messages to the outbox, in the caller's transaction.

        No network call happens here. A row that cannot be sent is stored as failed or
        canceled with its reason and disturbs no other row.

        :param list vals_list: values of messages; ``number``, ``body`` and
            ``gateway_id`` are read, what follows of them is added
        :return: the messages, in the order given
        """
        messages = self.sudo().create(self._prepare_outgoing(vals_list))
        self._trigger_senders(
            (message.gateway_id, message.due_at)
            for message in messages
            if message.state == "queued"
        )
        self.env["sms.conversation"]._note_outgoing(messages)
        return messages

    @api.model
    def _enqueue_bulk(self, vals_list):
        """Write very many outgoing messages, like ``_enqueue`` but by one statement.

        :param list vals_list: as for ``_enqueue``. A number that its broadcast has
            texted already becomes ``canceled``, as a duplicate
        :return: list of dicts with id, state and failure_type, in the order given
        """
        if not vals_list:
            return []
        prepared = self._prepare_outgoing(vals_list)
        self._mark_duplicates(prepared)
        id_by_uuid = self._insert_bulk(prepared)
        self._trigger_senders_of(prepared)
        return [
            {
                "id": id_by_uuid[values["uuid"]],
                "state": values["state"],
                "failure_type": values.get("failure_type") or False,
            }
            for values in prepared
        ]

    @api.model
    def _insert_bulk(self, prepared):
        """Write messages by one statement.

        :param list prepared: as ``_prepare_outgoing`` returns it
        :return: dict of uuid to id
        """
        self.env.flush_all()
        now = fields.Datetime.now()
        names, sources, arrays, array_names = [], [], [], []
        for name in _BULK_FIELDS:
            field = self._fields[name]
            column, kind = SQL.identifier(name), SQL(field.column_type[1].split("(")[0])
            values = [row.get(name) for row in prepared]
            names.append(column)
            if (
                name != "uuid"
                and values.count(values[0]) == len(values)
                and len(set(map(type, values))) == 1
            ):
                # The same for all, as most of a mass text is: it travels once.
                value = field.convert_to_column(values[0], self)
                sources.append(SQL("%s::%s", value, kind))
                continue
            sources.append(SQL.identifier("row", name))
            array_names.append(column)
            values = [field.convert_to_column(value, self) for value in values]
            arrays.append(SQL("%s::%s[]", to_array(values), kind))
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO sms_gateway_message
                            (%(names)s, direction, attempts, create_uid, create_date,
                             write_uid, write_date)
                     SELECT %(sources)s, 'outgoing', 0, %(uid)s, %(now)s, %(uid)s,
                            %(now)s
                       FROM unnest(%(arrays)s) AS row (%(array_names)s)
                  RETURNING id, uuid
                """,
                names=SQL(", ").join(names),
                sources=SQL(", ").join(sources),
                arrays=SQL(", ").join(arrays),
                array_names=SQL(", ").join(array_names),
                uid=self.env.uid,
                now=now,
            ),
            log_exceptions=False,
        )
        return {uuid: message_id for message_id, uuid in self.env.cr.fetchall()}

    @api.model
    def _preview_bulk(self, vals_list):
        """Say what ``_enqueue_bulk`` would do, and write nothing.

        :return: list of (state, failure type, reason, hold, SMS parts)
        """
        prepared = self._prepare_outgoing(vals_list)
        self._mark_duplicates(prepared)
        return [
            (
                values["state"],
                values.get("failure_type") or False,
                values.get("failure_reason") or False,
                values.get("hold") or False,
                values["segments"],
            )
            for values in prepared
        ]

    @api.model
    def _prepare_outgoing(self, vals_list):
        """Complete values of outgoing messages and let each pass the gate."""
        now = fields.Datetime.now()
        gateways = self.env["sms.gateway"].browse(
            {vals["gateway_id"] for vals in vals_list if vals.get("gateway_id")}
        )
        terms_by_id = {gateway.id: _Terms.of(gateway) for gateway in gateways.sudo()}
        no_terms = _Terms.of(self.env["sms.gateway"])
        defaults = {
            "direction": "outgoing",
            "state": "queued",
            "kind": "single",
            "priority": const.PRIORITY_NORMAL,
            "company_id": self.env.company.id,
            "author_id": self.env.uid,
        }
        counts = {}
        prepared, to_check = [], {}
        for given, uuid in zip(vals_list, _new_uuids(len(vals_list)), strict=True):
            body = segments.clean_text(given.get("body"))
            # A mass text mostly repeats a few texts: count each once.
            if not (count := counts.get(body)):
                count = counts[body] = segments.count_segments(body)
            terms = terms_by_id.get(given.get("gateway_id"), no_terms)
            vals = {
                "uuid": uuid,
                **defaults,
                "sender": terms.sender,
                **given,
                # Bounded, because what is no number is kept and indexed as well.
                "number": segments.clean_text(given.get("number"))[:64] or False,
                "body": body,
                "encoding": count.encoding,
                "segments": count.segments,
                "due_at": max(given.get("scheduled_at") or now, now),
                "state_at": now,
            }
            vals.setdefault("purpose", const.PURPOSE_OF_KIND.get(vals["kind"]))
            prepared.append(vals)
            if vals["state"] != "queued":
                continue
            if failure := self._check_sendable(vals, terms, now):
                state, failure_type, reason = failure
                vals.update(
                    state=state, failure_type=failure_type, failure_reason=reason
                )
            else:
                to_check.setdefault(vals["gateway_id"], []).append(vals)
        gate = self.env["sms.gateway.gate"]
        for gateway_id, items in to_check.items():
            gateway = terms_by_id[gateway_id].gateway
            for vals, decision in zip(
                items, gate._check(gateway, items, now), strict=True
            ):
                if not decision:
                    continue
                if decision.state == "queued":
                    vals.update(hold=decision.hold, due_at=decision.until)
                else:
                    vals.update(
                        state=decision.state,
                        failure_type=decision.failure_type,
                        failure_reason=decision.reason,
                    )
        return prepared

    @api.model
    def _check_sendable(self, vals, terms, now):
        """Say why a message cannot be queued, or nothing.

        :param dict vals: values of the message, complete
        :param _Terms terms: of its gateway
        :param datetime now: UTC
        :return: None, or (state, failure type, reason in words)
        """
        if not vals.get("number"):
            return "failed", "number_missing", self.env._("There is no number.")
        if not _E164.match(vals["number"]):
            return (
                "failed",
                "number_invalid",
                self.env._("The number is not a valid one in international form."),
            )
        if not vals["body"].strip():
            return "failed", "empty", self.env._("The text is empty.")
        if not terms.gateway:
            return (
                "failed",
                "no_gateway",
                self.env._(
                    "No gateway serves this number: add its prefix to one, or enable "
                    "one for all numbers."
                ),
            )
        if not terms.in_service:
            return (
                "failed",
                "no_gateway",
                self.env._(
                    "The gateway “%s” is disabled. Enable it, or choose another one.",
                    terms.gateway.name,
                ),
            )
        if vals["segments"] > terms.max_segments:
            return (
                "failed",
                "too_long",
                self.env._(
                    "The text needs %(count)s SMS parts, the gateway allows %(limit)s.",
                    count=vals["segments"],
                    limit=terms.max_segments,
                ),
            )
        if vals.get("expires_at") and vals["expires_at"] <= now:
            return (
                "expired",
                "expired",
                self.env._("Its validity had ended before it could be queued."),
            )
        return None

    @api.model
    def _mark_duplicates(self, prepared):
        """Set aside what a broadcast has for a number that it texts already."""
        numbers = {}
        for values in prepared:
            if values.get("broadcast_id") and values["number"]:
                numbers.setdefault(values["broadcast_id"], set()).add(values["number"])
        for broadcast_id, wanted in numbers.items():
            self.env.cr.execute(
                SQL(
                    """
                    SELECT number FROM sms_gateway_message
                     WHERE broadcast_id = %s AND number = ANY(%s::varchar[])
                       AND direction = 'outgoing' AND resend_of_id IS NULL
                       AND failure_type IS DISTINCT FROM 'duplicate'
                    """,
                    broadcast_id,
                    to_array(wanted),
                )
            )
            seen = {number for (number,) in self.env.cr.fetchall()}
            for values in prepared:
                if values.get("broadcast_id") != broadcast_id or not values["number"]:
                    continue
                if values["number"] in seen:
                    values.update(
                        state="canceled",
                        failure_type="duplicate",
                        failure_reason=self.env._(
                            "This number gets the same text already."
                        ),
                        hold=False,
                    )
                seen.add(values["number"])

    @api.model
    def _trigger_senders_of(self, prepared):
        """Wake the senders of very many messages.

        :param list prepared: values of messages
        """
        first = {}
        for values in prepared:
            if values["state"] == "queued":
                gateway_id, due_at = values["gateway_id"], values["due_at"]
                if gateway_id not in first or due_at < first[gateway_id]:
                    first[gateway_id] = due_at
        gateways = self.env["sms.gateway"].sudo()
        self._trigger_senders(
            (gateways.browse(gateway_id), due_at)
            for gateway_id, due_at in first.items()
        )

    @api.model
    def _trigger_senders(self, pairs):
        """Wake the senders of queued messages.

        :param pairs: (sms.gateway, due time) of each; what waits for somebody's
            decision wakes nobody
        """
        first = {}
        for gateway, due_at in pairs:
            if due_at < const.FAR_OFF:
                first[gateway] = min(first.get(gateway, due_at), due_at)
        for gateway, due_at in first.items():
            ahead = timedelta(seconds=gateway._get_schedule_ahead_s())
            gateway._trigger_sender(due_at - ahead)

    # ------------------------------------------------------------------
    # The sender's statements. Each runs in a short transaction of its own.
    # ------------------------------------------------------------------

    @api.model
    def _claim(self, gateway, limit):
        """Take due messages of one gateway: priority, then due time, then id.

        They become ``sending`` under a lease, with a new attempt. Rows that another
        transaction holds are skipped.

        What waits at paused gateways that name this one as fallback is taken as well,
        and becomes this gateway's: numbers that it serves alone, and by a gateway in
        test only what would have been tested.

        What the gateway itself keeps until its time is taken before that time; its
        ``send_at`` says when it shall arrive.

        :param gateway: sms.gateway, one
        :param int limit: messages at most
        :return: list of dicts with the columns that a request is built of
        """
        is_due = SQL("due_at <= now() AT TIME ZONE 'UTC'")
        early = self._sql_early(gateway)
        if early:
            # Not of the gateways that it stands in for.
            is_due = SQL("(%s OR gateway_id = %s AND %s)", is_due, gateway.id, early)
        self.env.cr.execute(
            SQL(
                """
                WITH source AS (
                    SELECT id AS gateway_id
                      FROM sms_gateway
                     WHERE id = %(gateway)s
                        OR fallback_gateway_id = %(gateway)s
                       AND paused_until > now() AT TIME ZONE 'UTC'
                       AND state != 'disabled' AND active
                       AND (state = 'test' OR %(state)s != 'test')
                       AND (%(company)s IS NULL OR company_id = %(company)s)
                ), due AS (
                    SELECT waiting.id
                      FROM (VALUES ('1'), ('2'), ('3')) AS level (priority)
                CROSS JOIN source
                CROSS JOIN LATERAL (
                           SELECT id, due_at
                             FROM sms_gateway_message
                            WHERE gateway_id = source.gateway_id
                              AND (gateway_id = %(gateway)s
                                   OR gateway_fixed IS NOT TRUE
                                      AND segments <= %(max_segments)s
                                      AND number LIKE ANY(%(numbers)s))
                              AND state = 'queued'
                              AND priority = level.priority
                              AND %(is_due)s
                              AND (expires_at IS NULL
                                   OR expires_at > now() AT TIME ZONE 'UTC')
                         ORDER BY due_at, id
                            LIMIT %(limit)s
                       FOR UPDATE SKIP LOCKED
                           ) AS waiting
                  ORDER BY level.priority, waiting.due_at, waiting.id
                     LIMIT %(limit)s
                )
                UPDATE sms_gateway_message AS message
                   SET state = 'sending',
                       hold = NULL,
                       sender = CASE WHEN message.gateway_id = %(gateway)s
                                     THEN message.sender ELSE %(sender)s END,
                       relieved_gateway_id =
                           CASE WHEN message.gateway_id = %(gateway)s
                                THEN message.relieved_gateway_id
                                ELSE coalesce(message.relieved_gateway_id,
                                              message.gateway_id) END,
                       gateway_id = %(gateway)s,
                       -- It may have waited for a phone of the other one.
                       device_id = NULL,
                       state_at = now() AT TIME ZONE 'UTC',
                       lease_until = now() AT TIME ZONE 'UTC'
                                     + %(lease)s * interval '1 second',
                       attempts = message.attempts + 1,
                       attempt_ref = %(attempt)s,
                       request_at = NULL
                  FROM due
                 WHERE message.id = due.id
             RETURNING message.id, message.uuid, message.number, message.body,
                       message.sender, message.encoding, message.segments,
                       message.priority, message.expires_at, message.due_at,
                       message.attempts, message.attempt_ref, message.company_id,
                       message.partner_id, message.purpose, message.kind,
                       message.urgent, message.exempt, message.broadcast_id,
                       message.relieved_gateway_id, message.scheduled_at,
                       greatest(message.create_date, message.scheduled_at) AS since
                """,
                gateway=gateway.id,
                max_segments=gateway.max_segments,
                state=gateway.state,
                company=gateway.company_id.id or None,
                numbers=[
                    f"{prefix}%"
                    for prefix in gateway._split_prefixes(gateway.prefixes) or [""]
                ],
                sender=gateway.sender or None,
                limit=limit,
                is_due=is_due,
                lease=const.LEASE_S,
                attempt=uuid4().hex,
            ),
            log_exceptions=False,
        )
        rows = self.env.cr.dictfetchall()
        rows.sort(key=lambda row: (row["priority"], row["due_at"], row["id"]))
        now = fields.Datetime.now()
        for row in rows:
            at = row["scheduled_at"]
            row["send_at"] = at if early and at and at > now else None
        return rows

    @api.model
    def _release(self, ids, attempt_ref):
        """Put claimed messages back, untried: their turn is later than this run."""
        self.env.cr.execute(
            SQL(
                """
                UPDATE sms_gateway_message
                   SET state = 'queued', lease_until = NULL, attempts = attempts - 1
                 WHERE id = ANY(%s) AND attempt_ref = %s AND state = 'sending'
                """,
                ids,
                attempt_ref,
            ),
            log_exceptions=False,
        )

    @api.model
    def _give_back(self, rows):
        """Put what a fallback took over and may not send back to its own gateway.

        It waits there until the pause ends, so that it is not taken over at once again.

        :param list rows: as ``_claim`` returns them, of one claim
        """
        if not rows:
            return
        self.env.cr.execute(
            SQL(
                """
                UPDATE sms_gateway_message AS message
                   SET state = 'queued',
                       gateway_id = gateway.id,
                       relieved_gateway_id = NULL,
                       sender = nullif(gateway.sender, ''),
                       due_at = greatest(message.due_at, gateway.paused_until),
                       lease_until = NULL,
                       attempts = message.attempts - 1
                  FROM sms_gateway AS gateway
                 WHERE gateway.id = message.relieved_gateway_id
                   AND message.id = ANY(%s) AND message.attempt_ref = ANY(%s)
                   AND message.state = 'sending'
             RETURNING gateway.id, message.due_at
                """,
                [row["id"] for row in rows],
                list({row["attempt_ref"] for row in rows}),
            ),
            log_exceptions=False,
        )
        gateways = self.env["sms.gateway"]
        self._trigger_senders(
            (gateways.browse(gateway_id), due_at)
            for gateway_id, due_at in self.env.cr.fetchall()
        )

    @api.model
    def _stamp(self, ids, attempt_ref):
        """Note that the requests of these messages are about to leave.

        From here on a lease that runs out means an unknown outcome.

        :return: ids that are still this attempt's; no other may leave
        """
        self.env.cr.execute(
            SQL(
                """
                UPDATE sms_gateway_message
                   SET request_at = now() AT TIME ZONE 'UTC'
                 WHERE id = ANY(%s) AND attempt_ref = %s AND state = 'sending'
             RETURNING id
                """,
                ids,
                attempt_ref,
            ),
            log_exceptions=False,
        )
        return {row[0] for row in self.env.cr.fetchall()}

    @api.model
    def _record(self, gateway, outcomes):
        """Store outcomes of attempts, and the attempts themselves, in one statement.

        A row whose lease was taken by another attempt meanwhile is left alone: its
        attempt is logged, its state is not touched.

        :param gateway: sms.gateway, one
        :param list outcomes: dicts with id, attempt_ref, state and what goes with it;
            ``counts`` is False for an attempt that must not count
        :return: whether ``_sync`` has to tell somebody
        """
        if not outcomes:
            return False
        columns = (
            ("id", "int"),
            ("attempt_ref", "varchar"),
            ("state", "varchar"),
            ("external_ref", "varchar"),
            ("failure_type", "varchar"),
            ("failure_reason", "varchar"),
            ("provider_code", "varchar"),
            ("cost", "numeric"),
            ("cost_unit", "varchar"),
            ("cost_company", "numeric"),
            ("hold", "varchar"),
            ("retry_in_s", "float8"),
            ("counts", "bool"),
            ("started_at", "timestamp"),
            ("ended_at", "timestamp"),
            ("http_status", "int"),
            ("excerpt", "text"),
        )
        self.env.cr.execute(
            SQL(
                """
                WITH outcome AS (%(outcomes)s),
                changed AS (
                    UPDATE sms_gateway_message AS message
                       SET state = outcome.state,
                           state_at = outcome.ended_at,
                           sent_at = CASE WHEN outcome.state = 'sent'
                                          THEN outcome.ended_at END,
                           external_ref = outcome.external_ref,
                           failure_type = outcome.failure_type,
                           failure_reason = outcome.failure_reason,
                           provider_code = outcome.provider_code,
                           cost = outcome.cost,
                           cost_unit = outcome.cost_unit,
                           cost_company = outcome.cost_company,
                           hold = outcome.hold,
                           due_at = CASE WHEN outcome.state = 'queued'
                                         THEN greatest(message.scheduled_at,
                                           now() AT TIME ZONE 'UTC'
                                           + outcome.retry_in_s * interval '1 second')
                                         ELSE message.due_at END,
                           attempts = message.attempts
                                      - CASE WHEN outcome.counts THEN 0 ELSE 1 END,
                           lease_until = NULL,
                           -- Nobody has to learn that a text was sent which came
                           -- from no document: that spares a second write.
                           to_sync = message.to_sync IS TRUE
                                     OR outcome.state != 'sent'
                                     OR message.sms_uuid IS NOT NULL
                                     OR message.mail_message_id IS NOT NULL
                      FROM outcome
                     WHERE message.id = outcome.id
                       AND message.attempt_ref = outcome.attempt_ref
                       AND message.state = 'sending'
                 RETURNING message.id, message.to_sync
                ), logged AS (
                    INSERT INTO sms_gateway_attempt
                                (message_id, gateway_id, attempt_ref, state,
                                 external_ref, provider_code, detail, started_at,
                                 ended_at, http_status, excerpt, late)
                         SELECT outcome.id, %(gateway)s, outcome.attempt_ref,
                                outcome.state, outcome.external_ref,
                                outcome.provider_code, outcome.failure_reason,
                                outcome.started_at, outcome.ended_at,
                                outcome.http_status, outcome.excerpt,
                                changed.id IS NULL
                           FROM outcome LEFT JOIN changed ON changed.id = outcome.id
                          WHERE outcome.counts
                )
                SELECT EXISTS (SELECT FROM changed WHERE to_sync)
                """,
                outcomes=self._sql_rows(outcomes, columns),
                gateway=gateway.id,
            ),
            log_exceptions=False,
        )
        return self.env.cr.fetchone()[0]

    @api.model
    def _sql_rows(self, rows, columns):
        """Return a query that gives rows of Python to PostgreSQL.

        What is the same in all rows is written once: most columns of outcomes are.

        :param list rows: dicts, at least one; what is left out is NULL
        :param columns: (name, type) of each column; the first differs from row to row
        """
        arrays, names, selected = [], [], []
        for name, kind in columns:
            values = [row.get(name) for row in rows]
            column = SQL.identifier(name)
            if arrays and values.count(values[0]) == len(values):
                selected.append(SQL("%s::%s AS %s", values[0], SQL(kind), column))
                continue
            arrays.append(SQL("%s::%s[]", values, SQL(kind)))
            names.append(column)
            selected.append(column)
        return SQL(
            "SELECT %s FROM unnest(%s) AS o (%s)",
            SQL(", ").join(selected),
            SQL(", ").join(arrays),
            SQL(", ").join(names),
        )

    @api.model
    def _recover(self, gateway):
        """Settle what a killed sender left behind, and drop what came too late.

        A lease that ran out goes back to the queue when no request can have left,
        else the outcome is unknown. Queued messages past their validity expire.

        :return: number of messages that changed
        """
        self.env.cr.execute(
            SQL(
                """
                UPDATE sms_gateway_message
                   SET state = CASE WHEN state = 'queued' THEN 'expired'
                                    WHEN request_at IS NULL THEN 'queued'
                                    ELSE 'unconfirmed' END,
                       failure_type = CASE WHEN state = 'queued' THEN 'expired'
                                           WHEN request_at IS NULL THEN NULL
                                           ELSE 'unknown_outcome' END,
                       failure_reason = CASE WHEN state = 'queued' THEN %(expired)s
                                             WHEN request_at IS NULL THEN NULL
                                             ELSE %(unknown)s END,
                       state_at = now() AT TIME ZONE 'UTC',
                       lease_until = NULL,
                       to_sync = TRUE
                 WHERE gateway_id = %(gateway)s
                   AND (state = 'sending' AND lease_until < now() AT TIME ZONE 'UTC'
                        OR state = 'queued'
                           AND expires_at <= now() AT TIME ZONE 'UTC')
                """,
                gateway=gateway.id,
                expired=self.env._("Its validity ended while it waited."),
                unknown=self.env._(
                    "The sender was stopped while the request was under way: the "
                    "gateway may have taken the text or not."
                ),
            ),
            log_exceptions=False,
        )
        changed = self.env.cr.rowcount
        return changed + self._release_undecided(gateway)

    @api.model
    def _release_undecided(self, gateway):
        """Let go what is held for a decision that has been taken meanwhile.

        A sender may store a hold just after it was ended, and nothing is due by itself
        after that.

        :return: number of messages that go on
        """
        self.env.cr.execute(
            SQL(
                """
                UPDATE sms_gateway_message AS message
                   SET hold = NULL,
                       due_at = greatest(message.scheduled_at,
                                         now() AT TIME ZONE 'UTC')
                 WHERE message.id IN (
                       SELECT held.id
                         FROM sms_broadcast AS broadcast
                         JOIN sms_gateway_message AS held
                           ON held.broadcast_id = broadcast.id
                          AND held.state IN ('queued', 'sending')
                          AND held.due_at >= %(never)s
                        WHERE broadcast.state != 'paused'
                          AND held.state = 'queued'
                          AND held.hold = 'broadcast_paused'
                          AND held.gateway_id = %(gateway)s
                        UNION ALL
                       SELECT held.id
                         FROM sms_gateway_message AS held
                    LEFT JOIN LATERAL (
                              SELECT act FROM sms_consent
                               WHERE number = held.number AND act = ANY(%(acts)s)
                            ORDER BY at DESC, id DESC LIMIT 1) AS doubt ON TRUE
                        WHERE held.hold = 'possible_opt_out'
                          AND held.state = 'queued'
                          AND held.gateway_id = %(gateway)s
                          AND doubt.act IS DISTINCT FROM 'possible_opt_out')
                """,
                never=const.FAR_OFF,
                gateway=gateway.id,
                acts=list(const.DOUBT_ACTS),
            ),
            log_exceptions=False,
        )
        return self.env.cr.rowcount

    @api.model
    def _make_due(self, gateway):
        """End the waits between tries; what is scheduled for later stays so."""
        self.env.cr.execute(
            SQL(
                """
                UPDATE sms_gateway_message
                   SET due_at = now() AT TIME ZONE 'UTC'
                 WHERE gateway_id = %s AND state = 'queued' AND hold IS NULL
                   AND due_at > now() AT TIME ZONE 'UTC'
                   AND (scheduled_at IS NULL
                        OR scheduled_at <= now() AT TIME ZONE 'UTC')
                """,
                gateway.id,
            ),
            log_exceptions=False,
        )
        self.browse().invalidate_model(["due_at"])

    @api.model
    def _change_sender(self, gateway, sender):
        """Let what waits with a former sender of the gateway leave with its new one.

        :param gateway: sms.gateway, one
        :param str sender: the former one
        """
        if (gateway.sender or None) == (sender or None):
            return
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                UPDATE sms_gateway_message
                   SET sender = %s
                 WHERE gateway_id = %s AND state = 'queued'
                   AND coalesce(sender, '') = %s
                """,
                gateway.sender or None,
                gateway.id,
                sender or "",
            ),
            log_exceptions=False,
        )
        self.browse().invalidate_model(["sender"])

    @api.model
    def _next_due(self, gateway):
        """Return when the next queued message of a gateway is due, UTC, or None.

        That is earlier than its time where the gateway itself keeps it until then.
        """
        self.env.cr.execute(
            SQL(
                """
                SELECT least(min(first.due_at), %s)
                  FROM (VALUES ('1'), ('2'), ('3')) AS level (priority)
            CROSS JOIN LATERAL (
                       SELECT due_at FROM sms_gateway_message
                        WHERE gateway_id = %s AND state = 'queued'
                          AND priority = level.priority
                     ORDER BY due_at LIMIT 1) AS first
                """,
                self._sql_next_early(gateway),
                gateway.id,
            ),
            log_exceptions=False,
        )
        return self.env.cr.fetchone()[0]

    @api.model
    def _to_outgoing(self, row, now):
        """Build what an adapter gets of a claimed row.

        :param dict row: as ``_claim`` returns it
        :param datetime now: UTC
        :raise ValueError: when the row cannot be sent as it is
        """
        valid_for_s = None
        if row["expires_at"]:
            valid_for_s = max(1, int((row["expires_at"] - now).total_seconds()))
        return OutgoingMessage(
            uuid=row["uuid"],
            number=row["number"],
            body=row["body"],
            sender=row["sender"] or "",
            encoding=row["encoding"] or "gsm7",
            segments=row["segments"] or 1,
            priority=row["priority"],
            valid_for_s=valid_for_s,
            send_at=row["send_at"],
        )

    # ------------------------------------------------------------------
    # Synchronisation with core and the screens
    # ------------------------------------------------------------------

    @api.model
    def _sync(self, limit=const.SYNC_MAX):
        """Tell core's notifications, traces and the open screens what has changed.

        :param int limit: messages at most
        :return: number of messages that were told of
        """
        self.env["sms.tracker"].flush_model(["sms_uuid"])
        self.env.cr.execute(
            SQL(
                """
                UPDATE sms_gateway_message
                   SET to_sync = FALSE
                 WHERE id IN (SELECT id FROM sms_gateway_message
                               WHERE to_sync ORDER BY id LIMIT %s
                          FOR UPDATE SKIP LOCKED)
             RETURNING id, sms_uuid, state, failure_type, failure_reason,
                       mail_message_id, number, direction, kind,
                       EXISTS (SELECT FROM sms_tracker AS tracker
                                WHERE tracker.sms_uuid = sms_gateway_message.sms_uuid)
                       AS tracked
                """,
                limit,
            ),
            log_exceptions=False,
        )
        rows = self.env.cr.dictfetchall()
        self.browse().invalidate_model(["to_sync"])
        self._tell(rows)
        return len(rows)

    @api.model
    def _tell(self, rows):
        """Tell of messages whose state has changed.

        :param list rows: dicts with the columns that ``_sync`` reads; whether core
            tracks them may be missing
        """
        self._sync_trackers_apart(
            [row for row in rows if row["sms_uuid"] and row.get("tracked", True)]
        )
        self._learn_of_numbers_apart(rows)
        self._notify_screens([row["mail_message_id"] for row in rows])

    @api.model
    def _learn_of_numbers_apart(self, rows):
        """Keep what outcomes say of numbers: refusals first, each on its own.

        Trouble with one must neither stop the sender nor cost the others.
        """

        def of(failure_type):
            return [
                row
                for row in rows
                if row["state"] in ("failed", "undelivered")
                and row["failure_type"] == failure_type
            ]

        delivered = [row for row in rows if row["state"] == "delivered"]
        dead = of("number_dead")
        steps = [(self._mirror_refusal, [row]) for row in of("opted_out")]
        steps += [(self._mark_alive, delivered)] if delivered else []
        steps += [(self._mark_dead, dead)] if dead else []
        steps += [(self._step_down, [row]) for row in dead]
        failed = [
            row
            for row in rows
            if row["state"] in const.NOT_ASKED_STATES
            and row["kind"] in const.PERSONAL_KINDS
        ]
        steps += [(self._wait_again, failed)] if failed else []
        for step, told in steps:
            try:
                with self.env.cr.savepoint():
                    step(told)
            except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                raise
            except Exception:
                _logger.exception(
                    "What outcomes say of numbers is lost: %s, messages %s",
                    step.__name__,
                    [row["id"] for row in told],
                )

    @api.model
    def _wait_again(self, rows):
        messages = self.sudo().browse([row["id"] for row in rows])
        messages.invalidate_recordset()
        self.env["sms.conversation"]._note_failed(messages)

    @api.model
    def _mirror_refusal(self, rows):
        messages = self.sudo().browse([row["id"] for row in rows])
        messages.invalidate_recordset()
        self.env["sms.consent"]._record_many(
            [
                {
                    "number": message.number,
                    "act": "opted_out",
                    "method": "gateway",
                    "partner_id": message.partner_id.id,
                    "message_id": message.id,
                    "gateway_id": message.gateway_id.id,
                    "broadcast_id": message.broadcast_id.id,
                    "company_id": message.company_id.id,
                    "note": message.failure_reason,
                }
                for message in messages
            ]
        )

    @api.model
    def _mark_alive(self, rows):
        self.env["res.partner.mobile"]._mark_alive([row["number"] for row in rows])

    @api.model
    def _mark_dead(self, rows):
        mobiles = self.env["res.partner.mobile"]
        for reason in {row["failure_reason"] for row in rows}:
            mobiles._mark_dead(
                [row["number"] for row in rows if row["failure_reason"] == reason],
                reason,
            )

    @api.model
    def _step_down(self, rows):
        """Text the next number of contacts whose number turned out to be dead.

        Certain failures only: what may have arrived is never texted elsewhere, and
        nobody gets the same text twice by it.
        """
        messages = self.sudo().browse([row["id"] for row in rows])
        messages.invalidate_recordset()
        now = fields.Datetime.now()
        values = []
        for message in messages:
            partner = message.partner_id
            if (
                not message.gateway_id.try_next_number
                or not partner
                or message.exempt
                or message.resend_ids
                or message.expires_at
                and message.expires_at <= now
            ):
                continue
            number = message.number
            while number := partner._sms_gateway_next_number(number):
                if not message._was_sent_to(number):
                    break
            if not number:
                continue
            again = {
                **message._prepare_again(),
                "number": number,
                "urgent": message.urgent,
                "expires_at": message.expires_at,
            }
            if not message.gateway_fixed:
                again["gateway_id"] = (
                    self.env["sms.gateway"]
                    ._route(message.company_id or self.env.company, number, partner)
                    .id
                )
            values.append(again)
        self._enqueue(values).write({"to_sync": True})

    def _was_sent_to(self, number):
        """Say whether a number got this very text lately, or is about to."""
        self.ensure_one()
        return bool(
            self.sudo().search_count(
                [
                    ("number", "=", number),
                    ("direction", "=", "outgoing"),
                    ("body", "=", self.body),
                    ("state", "not in", tuple(const.RETRYABLE_STATES)),
                    ("create_date", ">=", fields.Datetime.now() - timedelta(days=1)),
                ],
                limit=1,
            )
        )

    @api.model
    def _sync_trackers_apart(self, rows):
        """Tell core, so that one poisoned row stops no other and no sender."""
        trackers = self.env["sms.tracker"]
        if rows:
            # Whole: core reads them all.
            trackers = trackers.search_fetch(
                [("sms_uuid", "in", [row["sms_uuid"] for row in rows])]
            )
        if not trackers:
            return
        try:
            with self.env.cr.savepoint():
                self._sync_trackers(rows, trackers)
            return
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception:
            _logger.exception(
                "Core could not be told of %s messages at once", len(rows)
            )
        for row in rows:
            try:
                with self.env.cr.savepoint():
                    self._sync_trackers([row], trackers)
            except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                raise
            except Exception:
                _logger.exception("Core could not be told of message %s", row["id"])

    @api.model
    def _sync_trackers(self, rows, trackers):
        tracker_by_uuid = {tracker.sms_uuid: tracker for tracker in trackers}
        groups = {}
        for row in rows:
            if tracker := tracker_by_uuid.get(row["sms_uuid"]):
                key = (
                    const.CORE_STATES[row["state"]],
                    row["failure_type"],
                    row["failure_reason"],
                )
                groups.setdefault(key, []).append(tracker.id)
        for (core_state, failure_type, reason), ids in groups.items():
            group = trackers.browse(ids).with_prefetch(trackers.ids)
            if core_state != "error":
                # The hub tells the screens itself, many messages at a time.
                group = group.with_context(sms_skip_msg_notification=True)
                if core_state == "canceled":
                    # For core what is processing cannot be cancelled any more; an
                    # error can.
                    group._action_update_from_sms_state("error")
                group._action_update_from_sms_state(
                    core_state,
                    # A remark on a text that was sent is no failure.
                    failure_reason=(core_state != "pending" and reason) or False,
                )
                continue
            core_failure = const.CORE_FAILURE_TYPES.get(failure_type)
            provider_error = (core_failure or "sms_unknown").removeprefix("sms_")
            if core_failure in self.env["sms.sms"].DELIVERY_ERRORS or not core_failure:
                group.with_context(
                    sms_known_failure_reason=reason
                )._action_update_from_provider_error(provider_error)
            else:
                group._action_update_from_sms_state(
                    "error", failure_type=core_failure, failure_reason=reason
                )

    @api.model
    def _notify_screens(self, mail_message_ids, threads=()):
        """Tell open screens that these chatter messages have news.

        :param list mail_message_ids: ids of mail.message, empty ones are skipped
        :param threads: (model, id) of documents that got a new chatter message

        Only ids travel on the bus, to the group of those who may text; each client
        asks for the content itself and gets what its user may read.
        """
        ids = sorted({mail_id for mail_id in mail_message_ids if mail_id})
        if not ids:
            return
        group = self.env.ref("sms_gateway_hub.group_user", raise_if_not_found=False)
        if group:
            group._bus_send(
                "sms_gateway_hub.update",
                {
                    "mail_message_ids": ids,
                    "threads": [
                        {"model": model, "id": res_id} for model, res_id in threads
                    ],
                },
            )

    # ------------------------------------------------------------------
    # State changes outside the sender
    # ------------------------------------------------------------------

    def _set_state(self, state, **values):
        """Move messages along the transition table; others are left alone.

        :param str state: the state wanted
        :param values: further columns to write on those that move
        :return: the messages that moved
        """
        moved = self.try_lock_for_update().filtered(
            lambda message: state in const.TRANSITIONS[message.state]
        )
        moved.write(
            {
                "state": state,
                "state_at": fields.Datetime.now(),
                "to_sync": True,
                **values,
            }
        )
        self.env.flush_all()
        self._sync()
        return moved

    @api.model
    def _cancel_refused(self, consents):
        """Cancel what waits for numbers and people that refused, at once.

        Also what a sender has claimed and whose request has not left. One whose request
        is under way may leave; the answer to the refusal does.

        :param consents: sms.consent, refusing ones
        """
        reason = self.env._("The recipient refused texts while it waited.")
        self.flush_model()
        for scope, rows in consents.grouped("scope").items():
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE sms_gateway_message
                       SET state = 'canceled',
                           failure_type = 'opted_out',
                           failure_reason = %(reason)s,
                           state_at = now() AT TIME ZONE 'UTC',
                           lease_until = NULL,
                           hold = NULL,
                           to_sync = TRUE
                     WHERE id IN (
                           SELECT id FROM sms_gateway_message
                            WHERE number = ANY(%(numbers)s)
                              AND state IN ('queued', 'sending')
                           UNION ALL
                           SELECT id FROM sms_gateway_message
                            WHERE partner_id = ANY(%(partners)s)
                              AND state IN ('queued', 'sending'))
                       AND (state = 'queued'
                            OR state = 'sending' AND request_at IS NULL)
                       AND direction = 'outgoing'
                       AND exempt IS DISTINCT FROM 'answer'
                       AND (%(everything)s OR purpose = 'marketing')
                    """,
                    reason=reason,
                    # The person's other numbers too, whoever they are texted as.
                    numbers=[
                        *rows.mapped("number"),
                        *rows.filtered(lambda row: row.act == "opted_out")
                        .partner_id.sudo()
                        .mobile_ids.filtered("number_e164")
                        .mapped("number_e164"),
                    ],
                    partners=rows.filtered(
                        lambda row: row.act == "opted_out"
                    ).partner_id.ids,
                    everything=scope == "all",
                ),
                # Odoo repeats what meets a claim; the statement holds numbers.
                log_exceptions=False,
            )
        refusals.tell(self.env.cr)
        self.invalidate_model()
        self._sync()

    @api.model
    def _end_hold_at(self, gateways, hold):
        """Let what a setting of gateways holds be asked for again, now.

        :param gateways: sms.gateway
        :param str hold: of ``const.HOLD_TYPES``
        """
        self.flush_model()
        self.env.cr.execute(
            SQL(
                """
                UPDATE sms_gateway_message
                   SET due_at = greatest(scheduled_at, now() AT TIME ZONE 'UTC'),
                       hold = NULL
                 WHERE gateway_id = ANY(%s) AND state = 'queued' AND hold = %s
                """,
                gateways.ids,
                hold,
            )
        )
        if self.env.cr.rowcount:
            self.invalidate_model(["due_at", "hold"])
            gateways._trigger_sender()

    @api.model
    def _end_hold(self, hold, numbers):
        """Let messages go on that waited for a decision.

        :param str hold: of ``const.HOLD_TYPES``
        :param list numbers: E.164
        """
        held = self.sudo().search(
            [("state", "=", "queued"), ("hold", "=", hold), ("number", "in", numbers)]
        )
        for message in held.try_lock_for_update():
            now = fields.Datetime.now()
            message.write(
                {"hold": False, "due_at": max(message.scheduled_at or now, now)}
            )
            message.gateway_id._trigger_sender(message.due_at)

    def action_opt_out(self):
        """Record that this incoming text means “no more texts”."""
        self._check_may_decide()
        self.env["sms.consent"]._settle_suspicion(self.sudo(), "opted_out")
        return self._notify_user(
            self.env._("The refusal is recorded: no more texts to this person."),
            "success",
        )

    def action_not_opt_out(self):
        """Record that this incoming text does not mean “no more texts”.

        :raise AccessError: it is for managers, the contact's salesperson and whoever
            is responsible for the gateway
        """
        self._check_may_decide()
        user = self.env.user
        if not user.has_group("sms_gateway_hub.group_manager") and any(
            user
            not in (message.partner_id.user_id, message.gateway_id.responsible_user_id)
            for message in self.sudo()
        ):
            raise AccessError(
                self.env._(
                    "That a text is no refusal is for the contact's salesperson or a "
                    "manager of SMS gateways to say."
                )
            )
        self.env["sms.consent"]._settle_suspicion(self.sudo(), "not_opt_out")
        return self._notify_user(
            self.env._("Recorded: this was no refusal. What was held goes on."),
            "success",
        )

    def _check_may_decide(self):
        self.check_access("read")
        if any(
            message.direction != "incoming" or not _E164.match(message.number or "")
            for message in self
        ):
            raise UserError(
                self.env._("Only an incoming text from a phone can be a refusal.")
            )

    def action_cancel(self):
        """Cancel messages that still wait in the hub."""
        self._check_may_act()
        # Of what is under way nobody knows yet whether it has left.
        queued = self.sudo().filtered(lambda message: message.state == "queued")
        canceled = queued._set_state(
            "canceled",
            failure_type="canceled",
            failure_reason=self.env._("Cancelled by %s.", self.env.user.name),
        )
        if not canceled and any(message.kept_by_gateway for message in self.sudo()):
            raise UserError(
                self.env._(
                    "The gateway has this already and sends it at its time: it cannot "
                    "be called back."
                )
            )
        if not canceled:
            raise UserError(
                self.env._("Only queued messages can be cancelled: these have left.")
            )
        return self._notify_user(
            self.env._("The text is cancelled.")
            if len(canceled) == 1
            else self.env._("%s texts are cancelled.", len(canceled)),
            "success",
        )

    def action_send_again(self):
        """Send failed, expired or unconfirmed messages once more, as new messages.

        An unconfirmed one may arrive twice: the button asks before.
        """
        self._check_may_act()
        again = self.filtered(
            lambda message: (
                message.direction == "outgoing"
                # The one answer to a refusal is not repeated.
                and message.exempt != "answer"
                and message.state
                in ("failed", "undelivered", "expired", "unconfirmed", "canceled")
            )
        )
        # Pressed twice, it must not text twice.
        again -= (
            self.sudo()
            .search(
                [
                    ("resend_of_id", "in", again.ids),
                    ("state", "not in", tuple(const.RETRYABLE_STATES)),
                ]
            )
            .resend_of_id
        )
        if not again:
            raise UserError(
                self.env._(
                    "Only messages that failed, expired, were cancelled or are "
                    "unconfirmed can be sent again, and each only once at a time."
                )
            )
        new = self._enqueue(
            [
                {
                    **message._prepare_again(),
                    "gateway_id": message._get_gateway_in_service().id,
                    "author_id": self.env.uid,
                }
                for message in again.sudo()
            ]
        )
        new.write({"to_sync": True})
        self.env["sms.consent"]._record_asked(new)
        queued = new.filtered(lambda message: message.state == "queued")
        refused = new - queued
        if refused:
            return self._notify_user(
                self.env._(
                    "%(queued)s of %(all)s are queued once more. The others may not be "
                    "sent: %(reason)s",
                    queued=len(queued),
                    all=len(new),
                    reason=refused[0].failure_text,
                ),
                "warning",
            )
        return self._notify_user(
            self.env._("The text is queued once more, as a new message.")
            if len(new) == 1
            else self.env._(
                "%s texts are queued once more, as new messages.", len(new)
            ),
            "success",
        )

    def _prepare_again(self):
        """Return the values of a new message in the place of this one."""
        self.ensure_one()
        return {
            "resend_of_id": self.id,
            "gateway_id": self.gateway_id.id,
            "gateway_fixed": self.gateway_fixed,
            "kind": self.kind,
            "purpose": self.purpose,
            "exempt": self.exempt,
            "number": self.number,
            "partner_id": self.partner_id.id,
            "res_model": self.res_model,
            "res_id": self.res_id,
            "mail_message_id": self.mail_message_id.id,
            "broadcast_id": self.broadcast_id.id,
            "body": self.body,
            "priority": self.priority,
            "author_id": self.author_id.id,
            "company_id": self.company_id.id,
            "sms_uuid": self.sms_uuid,
        }

    def _check_may_act(self):
        """Let users act on their own texts, and managers on all that they see.

        :raise AccessError: the text is somebody else's
        """
        self.check_access("write")
        if self.env.user.has_group("sms_gateway_hub.group_manager"):
            return
        if any(message.author_id != self.env.user for message in self):
            raise AccessError(
                self.env._("This is not your text: ask a manager of SMS gateways.")
            )

    def _get_gateway_in_service(self):
        """Return the message's gateway, or the one that serves in its place."""
        gateway = self.gateway_id
        if gateway.active and gateway.state != "disabled":
            return gateway
        in_service = self.env["sms.gateway"]._route_number(
            self.company_id or self.env.company, self.number
        )
        if not in_service:
            raise UserError(
                self.env._("No gateway is in service: enable one, then send again.")
            )
        return in_service

    def action_open_document(self):
        """Open the document that the text belongs to, else its contact."""
        self.ensure_one()
        model, res_id = self.res_model, self.res_id
        if not model or model not in self.env or not res_id:
            model, res_id = "res.partner", self.partner_id.id
        if not res_id:
            raise UserError(self.env._("No document belongs to this message."))
        return {
            "type": "ir.actions.act_window",
            "res_model": model,
            "res_id": res_id,
            "views": [(False, "form")],
        }

    def _get_gateway_label(self):
        """Return the name of the gateway, or why there is none."""
        self.ensure_one()
        if self.kind == "logged":
            return self.env._("Logged by hand")
        return self.gateway_id.name

    def _get_state_label(self):
        self.ensure_one()
        return dict(self._fields["state"]._description_selection(self.env))[self.state]

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

    # ------------------------------------------------------------------
    # Incoming
    # ------------------------------------------------------------------

    @api.model
    def _receive(self, gateway, inbound):
        """Store an incoming text and show it on the contact whose number it is.

        :param gateway: sms.gateway, one
        :param InboundMessage inbound: what the adapter read
        :return: the message
        """
        body = segments.clean_text(inbound.body)
        count = segments.count_segments(body)
        number = segments.clean_text(inbound.number)[:64] or const.NO_NUMBER
        company = self._find_company(gateway, number)
        partner, contact_reason = self._find_contact(gateway, number, company)
        answers = self._find_answered(gateway, number)
        message = self.sudo().create(
            {
                "direction": "incoming",
                "kind": "single",
                "state": "received",
                "gateway_id": gateway.id,
                "device_id": inbound.device_id,
                "company_id": (company or partner.company_id).id,
                "number": number,
                "sender": segments.clean_text(inbound.recipient or "")[:64],
                "external_ref": inbound.external_ref,
                "partner_id": partner.id,
                "contact_reason": contact_reason,
                "body": body,
                "encoding": count.encoding,
                "segments": count.segments,
                "sent_at": inbound.sent_at,
                "author_id": False,
                "answers_id": answers.id,
                "broadcast_id": answers.broadcast_id.id,
                "failure_type": False if inbound.readable else "unreadable",
                "failure_reason": False
                if inbound.readable
                else self.env._("The text could not be decoded: see the raw event."),
            }
        )
        # The text and what it says about consent are kept whatever else fails.
        conversations = self.env["sms.conversation"].sudo()
        conversation = conversations._open(message)
        message._join(conversation)
        conversations._apart(message._log_in_chatter)
        if family := self.env["sms.consent"]._handle_inbound(message):
            message.keyword_family = family
        conversations._apart(conversation._take_in, message)
        return message

    @api.model
    def _find_answered(self, gateway, number):
        """Return our last text to a number, not older than a week, at most one."""
        if not _E164.match(number or ""):
            return self.sudo().browse()
        last = self.sudo().search(
            [
                ("number", "=", number),
                ("direction", "=", "outgoing"),
                ("gateway_id", "=", gateway.id),
                "|",
                ("state", "in", ("sent", "delivered", "unconfirmed")),
                # Its request has left. With phones it takes minutes to know more, and
                # people answer within one.
                "&",
                ("state", "=", "sending"),
                ("request_at", "!=", False),
            ],
            limit=1,
        )
        since = fields.Datetime.now() - timedelta(days=7)
        return last.filtered(lambda message: message.state_at >= since)

    def _answer(self, kind, keyword):
        """Answer an incoming keyword, once, in the language of the person.

        :param str kind: "stop", "start", "help" or "thanks"
        :param keyword: sms.keyword that was texted
        :return: the answer, none where it must not or need not be given
        """
        self.ensure_one()
        gateway = self.gateway_id
        if kind == "stop" and not gateway.confirm_stop:
            return self.browse()
        answered = self._count_automatic_answers()
        # A new refusal is confirmed also after many other answers.
        limit = const.ANSWERS_PER_H * (2 if kind == "stop" else 1)
        if answered >= limit:
            return self.browse()
        company = self.company_id or gateway.company_id or self.env.company
        # "STOP" is said in every language; other words tell which one it is.
        lang = keyword.lang if keyword.lang not in (False, "en") else None
        lang = lang or self.partner_id.lang or keyword.lang
        answer = self._enqueue(
            [
                {
                    "gateway_id": gateway.id,
                    "gateway_fixed": True,
                    "kind": "automatic",
                    "exempt": "answer",
                    "purpose": "transactional",
                    "priority": const.PRIORITY_HIGH,
                    "number": self.number,
                    "partner_id": self.partner_id.id,
                    "res_model": self.res_model,
                    "res_id": self.res_id,
                    "body": gateway._get_answer(kind, lang, company),
                    "company_id": company.id,
                    "author_id": self.env.uid,
                }
            ]
        )
        answer._log_in_chatter()
        return answer

    def _join(self, conversation):
        """Make an incoming text one of its conversation's document, else contact."""
        self.ensure_one()
        if conversation.res_id:
            document = conversation.res_model, conversation.res_id
        elif self.partner_id:
            document = "res.partner", self.partner_id.id
        else:
            document = False, False
        self.res_model, self.res_id = document

    def _log_in_chatter(self):
        """Show texts in the chatter of their document, and of their contact.

        They are logged, not posted: posting a message of type SMS would text the
        followers.
        """
        for message in self:
            partner = message.partner_id
            document = None
            if message.res_model in self.env and message.res_id:
                document = self.env[message.res_model].browse(message.res_id)
            shown = []
            if document and document != partner:
                message.mail_message_id = message._log_on(document)
                shown = [(document._name, document.id)]
            if partner:
                copy = message._log_on(partner)
                if not shown:
                    message.mail_message_id = copy
                shown.append(("res.partner", partner.id))
            self._notify_screens(message.mail_message_id.ids, shown)

    def _log_on(self, record):
        self.ensure_one()
        author = self.partner_id if self.direction == "incoming" else None
        shown = record._message_log(
            body=self.env["sms.sms"]._sms_gateway_to_html(self.body),
            message_type="sms",
            **({"author_id": author.id} if author else {}),
        )
        if self.kind == "logged":
            shown.date = self.sent_at
        return shown

    def _move_to_document(self, document):
        """Show an incoming text in the chatter of a document made for it, too."""
        self.ensure_one()
        self.write({"res_model": document._name, "res_id": document.id})
        self.mail_message_id = self._log_on(document)
        self._notify_screens(self.mail_message_id.ids, [(document._name, document.id)])

    @api.model
    def _find_company(self, gateway, number):
        """Return the company that an incoming text is for, if that is known.

        At a gateway that several companies share it is the one that texted the number
        last. Where there is none it is the contact's; nobody's, so visible to all, when
        that has none.
        """
        if gateway.company_id:
            return gateway.company_id
        last = self.sudo().search_fetch(
            [
                ("number", "=", number),
                ("gateway_id", "=", gateway.id),
                ("direction", "=", "outgoing"),
            ],
            ["company_id"],
            limit=1,
        )
        return last.company_id

    @api.model
    def _find_contact(self, gateway, number, company=None):
        """Return the contact of a whole number, never of a part of it.

        Whom somebody chose in the conversation, else the two-way owner of the number,
        else the only one; of several the one that this number was last texted as, or
        whom the conversation is with.

        :param gateway: sms.gateway that the text came through, at most one
        :param str number: as the gateway gave it
        :param company: res.company that the text is for; the gateway's when left out
        :return: tuple of res.partner, at most one, and the reason in words
        """
        partners = self.env["res.partner"].sudo()
        company = company or gateway.company_id
        if not _E164.match(number or ""):
            return partners, self.env._("The sender is no phone number")
        thread = self.env["sms.conversation"]._find(
            number, company or gateway._get_answering_company()
        )
        known = thread.partner_id.filtered(
            lambda partner: (
                partner.active
                and (not company or partner.company_id in (company, company.browse()))
            )
        )
        if thread.contact_by_hand and (known or not thread.partner_id):
            return known, thread.contact_reason
        owner = self.env["res.partner.mobile"]._find_owner(number, company)
        if owner:
            return owner.sudo(), self.env._("Owner of the number")
        partners = self._find_partners(number, company)
        if not partners and known:
            return known, self.env._("Had this number before")
        if not partners:
            return partners, self.env._("No contact has this number")
        if len(partners) == 1:
            return partners, self.env._("The only contact with this number")
        last = self.sudo().search_fetch(
            [
                ("number", "=", number),
                ("direction", "=", "outgoing"),
                ("partner_id", "in", partners.ids),
            ],
            ["partner_id"],
            limit=1,
        )
        if last:
            return last.partner_id, self.env._(
                "The one of %s contacts with this number that was texted last",
                len(partners),
            )
        if known & partners:
            return known, thread.contact_reason
        return partners[:1], self.env._(
            "The first of %s contacts with this number", len(partners)
        )

    @api.model
    def _find_partners(self, number, company):
        """Return contacts with a whole number, whose answers nobody claims.

        :param str number: E.164
        :param company: res.company, or none for all
        :return: res.partner in sudo, oldest first, 50 at most
        """
        partners = self.env["res.partner"].sudo()
        partners.flush_model(["active", "company_id", "phone_sanitized"])
        self.env["res.partner.mobile"].flush_model(["number_e164", "partner_id"])
        # First by both indexes, then the rest: in one condition each contact of the
        # database would be looked at.
        rows = self.env.execute_query(
            SQL(
                """
                WITH found AS MATERIALIZED (
                    SELECT id FROM res_partner WHERE phone_sanitized = %(number)s
                    UNION
                    SELECT partner_id FROM res_partner_mobile
                     WHERE number_e164 = %(number)s
                )
                SELECT partner.id
                  FROM found
                  JOIN res_partner AS partner ON partner.id = found.id
                 WHERE partner.active
                   AND (%(company)s IS NULL
                        OR coalesce(partner.company_id, %(company)s) = %(company)s)
              ORDER BY partner.id
                 LIMIT 50
                """,
                number=number,
                company=company.id or None,
            )
        )
        return partners.browse([partner_id for (partner_id,) in rows])

    # ------------------------------------------------------------------
    # For the screens
    # ------------------------------------------------------------------

    @api.model
    def get_chatter_data(self, mail_message_ids):
        """Return what the chatter shows of SMS, as store data of the web client.

        :param list mail_message_ids: ids of mail.message that the client has loaded
        :return: store data for those that the user may read
        """
        self.check_access("read")
        ids = [int(mail_id) for mail_id in mail_message_ids[:1000]]
        mails = self.env["mail.message"].search([("id", "in", ids)])
        store = Store()
        mails._message_notifications_to_store(store)
        return store.add(mails, [mails._sms_gateway_to_store()]).get_result()
