# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import re
from datetime import timedelta

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain
from odoo.tools import SQL

from .. import const
from ..tools import segments

_logger = logging.getLogger(__name__)

_E164 = re.compile(const.E164_PATTERN)
_ANSWER_ACTIVITY = "sms_gateway_hub.mail_activity_type_answer"
_OVERDUE_ACTIVITY = "sms_gateway_hub.mail_activity_type_overdue"
# What a gateway gave no sender for.
NO_NUMBER = "?"
# What users may write themselves: all else follows of texts and actions.
_OWN_FIELDS = frozenset({"user_id"})


class SmsConversation(models.Model):
    """The thread between a company and one number, and whose turn it is.

    The texts are not linked to it: they are those of its number and company. So a
    mass text costs nothing here, and no text can be in a wrong thread.
    """

    _name = "sms.conversation"
    _description = "SMS Conversation"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "last_at desc, id desc"
    _rec_names_search = ["number", "partner_id.name", "last_body"]

    number = fields.Char(
        required=True,
        readonly=True,
        index=True,
        help="Number of the other side in international form (E.164); for texts of "
        "services the name or short code that they came from.",
    )
    company_id = fields.Many2one("res.company", required=True, readonly=True)
    partner_id = fields.Many2one(
        "res.partner",
        "Contact",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )
    contact_reason = fields.Char(
        "Why this contact",
        readonly=True,
        help="How the contact was found by the number.",
    )
    contact_by_hand = fields.Boolean(
        "Contact chosen",
        readonly=True,
        help="Somebody said who this is, or that it is none of the contacts.",
    )
    user_id = fields.Many2one(
        "res.users",
        "Owner",
        index="btree_not_null",
        ondelete="set null",
        domain="[('share', '=', False)]",
        tracking=True,
        group_expand="_group_expand_owners",
        help="Whoever shall answer. Change it to hand the conversation over.",
    )
    owner_reason = fields.Char("Why this owner", readonly=True)
    rule_id = fields.Many2one("sms.assignment.rule", readonly=True, ondelete="set null")
    gateway_id = fields.Many2one(
        "sms.gateway",
        readonly=True,
        ondelete="set null",
        help="The last text came through it: answers leave through it as well.",
    )
    state = fields.Selection(
        const.CONVERSATION_STATES,
        required=True,
        default="waiting",
        readonly=True,
        index=True,
        help="To answer: the person wrote last.\n"
        "Waiting: we wrote last.\n"
        "Closed: done, until the person writes again.",
    )
    unanswered_since = fields.Datetime(
        readonly=True, help="When the first text came that nobody has answered."
    )
    unanswered_message_id = fields.Many2one(
        "sms.gateway.message", "First unanswered text", readonly=True
    )
    answer_until = fields.Datetime(readonly=True)
    is_overdue = fields.Boolean(
        "Overdue", compute="_compute_is_overdue", search="_search_is_overdue"
    )
    escalated_at = fields.Datetime(
        readonly=True, help="When a manager was told that the answer is overdue."
    )
    last_at = fields.Datetime("Last text on", readonly=True)
    last_direction = fields.Selection(const.DIRECTIONS, readonly=True)
    last_body = fields.Char("Last text", readonly=True)
    res_model = fields.Char("Document Model", readonly=True)
    res_id = fields.Many2oneReference(
        "Document ID", model_field="res_model", readonly=True
    )
    answer_activity_id = fields.Many2one(
        "mail.activity", readonly=True, ondelete="set null", copy=False
    )
    overdue_activity_id = fields.Many2one(
        "mail.activity", readonly=True, ondelete="set null", copy=False
    )
    link_ids = fields.One2many("sms.reply.link", "conversation_id", readonly=True)
    can_answer = fields.Boolean(compute="_compute_can_answer")
    no_answer_reason = fields.Char(compute="_compute_can_answer")
    other_partner_ids = fields.Many2many(
        "res.partner",
        string="Others with this number",
        compute="_compute_other_partner_ids",
        help="More contacts have this number: make sure that it is the right one.",
    )
    document_label = fields.Char(compute="_compute_document_label")

    _number_unique = models.UniqueIndex("(number, company_id)")
    _overdue_index = models.Index(
        "(answer_until) WHERE state = 'to_answer' AND escalated_at IS NULL"
    )

    # ------------------------------------------------------------------
    # Computes and ORM
    # ------------------------------------------------------------------

    @api.depends("partner_id", "number")
    def _compute_display_name(self):
        for conversation in self:
            conversation.display_name = (
                conversation.partner_id.display_name or conversation.number
            )

    @api.depends("state", "answer_until")
    def _compute_is_overdue(self):
        now = fields.Datetime.now()
        for conversation in self:
            conversation.is_overdue = bool(
                conversation.state == "to_answer"
                and conversation.answer_until
                and conversation.answer_until < now
            )

    @api.model
    def _search_is_overdue(self, operator, value):
        if operator != "in":
            return NotImplemented
        overdue = Domain("state", "=", "to_answer") & Domain(
            "answer_until", "<", fields.Datetime.now()
        )
        return overdue if True in value else ~overdue

    @api.depends("number")
    @api.depends_context("lang")
    def _compute_can_answer(self):
        for conversation in self:
            reason = conversation._get_no_answer_reason()
            conversation.no_answer_reason = reason
            conversation.can_answer = not reason

    def _get_no_answer_reason(self):
        """Say why nobody can be texted back, or nothing."""
        self.ensure_one()
        if not _E164.match(self.number):
            return self.env._(
                "“%s” is no phone number that could be texted: services send from "
                "names and short codes.",
                self.number,
            )
        return False

    @api.depends("number", "partner_id", "company_id")
    def _compute_other_partner_ids(self):
        mobiles = self.env["res.partner.mobile"].search(
            [("number_e164", "in", self.filtered("can_answer").mapped("number"))]
        )
        by_number = mobiles.grouped("number_e164")
        for conversation in self:
            found = by_number.get(conversation.number, mobiles.browse())
            conversation.other_partner_ids = found.partner_id - conversation.partner_id

    @api.depends("res_model", "res_id")
    @api.depends_context("lang")
    def _compute_document_label(self):
        for conversation in self:
            model = conversation.res_model
            conversation.document_label = (
                self.env["ir.model"]._get(model).display_name
                if model in self.env and conversation.res_id
                else False
            )

    @api.model
    def _group_expand_owners(self, users, _domain):
        """Show those who answer, also while nothing is left for them."""
        busy = self._read_group([("state", "!=", "closed")], ["user_id"])
        return users.union(*(user for (user,) in busy))

    def write(self, vals):
        """Users hand conversations over; everything else follows of texts."""
        if self.env.su:
            return super().write(vals)
        if set(vals) - _OWN_FIELDS:
            raise AccessError(
                self.env._("A conversation is a record: it cannot be rewritten.")
            )
        self.check_access("write")
        self._reassign(self.env["res.users"].browse(vals["user_id"] or []))
        return True

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(
            self.env._("Conversations cannot be deleted: close them instead.")
        )

    # ------------------------------------------------------------------
    # Found by number
    # ------------------------------------------------------------------

    @api.model
    def _get_many(self, pairs):
        """Return the conversations of numbers, new ones where there are none.

        :param pairs: iterable of (number, id of res.company)
        :return: dict of (number, id of res.company) to sms.conversation
        """
        pairs = sorted(set(pairs))
        if not pairs:
            return {}
        found = self._find_many(pairs)
        missing = [pair for pair in pairs if pair not in found]
        if missing:
            now = fields.Datetime.now()
            # Whoever comes second within the same moment gets the first one's: their
            # transaction is repeated.
            self.env.cr.execute(
                SQL(
                    """
                    INSERT INTO sms_conversation
                                (number, company_id, state, create_uid, create_date,
                                 write_uid, write_date)
                         SELECT number, company_id, 'waiting', %(uid)s, %(now)s,
                                %(uid)s, %(now)s
                           FROM unnest(%(numbers)s, %(companies)s)
                             AS wanted (number, company_id)
                    ON CONFLICT (number, company_id) DO NOTHING
                    """,
                    uid=self.env.uid,
                    now=now,
                    numbers=[number for number, _company_id in missing],
                    companies=[company_id for _number, company_id in missing],
                ),
                log_exceptions=False,
            )
            found.update(self._find_many(missing))
        return found

    @api.model
    def _find_many(self, pairs):
        """Return the conversations that there are, like ``_get_many``."""
        found = self.sudo().search(
            [
                ("number", "in", [number for number, _company_id in pairs]),
                ("company_id", "in", list({company_id for _n, company_id in pairs})),
            ]
        )
        wanted = set(pairs)
        return {
            key: conversation
            for conversation in found
            if (key := (conversation.number, conversation.company_id.id)) in wanted
        }

    @api.model
    def _find(self, number, company):
        """Return the conversation with a number, at most one.

        :param str number: E.164
        :param company: res.company, or none: then the one that wrote last
        """
        domain = [("number", "=", number)]
        if company:
            domain.append(("company_id", "=", company.id))
        return self.sudo().search(domain, limit=1)

    def _get_message_domain(self):
        """Return the domain of the texts of the thread."""
        self.ensure_one()
        number = [False] if self.number == NO_NUMBER else [self.number]
        return Domain("number", "in", number) & Domain(
            "company_id", "in", [self.company_id.id, False]
        )

    # ------------------------------------------------------------------
    # What comes in
    # ------------------------------------------------------------------

    @api.model
    def _open(self, message):
        """Return the conversation of an incoming text, with contact and document.

        :param message: sms.gateway.message, one, incoming and stored
        """
        company = (
            message.company_id
            or message.gateway_id.responsible_user_id.company_id
            or self.env.company
        )
        key = (message.number or NO_NUMBER, company.id)
        conversation = self._get_many([key])[key]
        values = {"gateway_id": message.gateway_id.id}
        if message.partner_id != conversation.partner_id:
            values["partner_id"] = message.partner_id.id
            values["contact_by_hand"] = False
        if not conversation.contact_by_hand or "partner_id" in values:
            values["contact_reason"] = message.contact_reason
        conversation.write(values)
        document = conversation._find_document(message)
        conversation._set_document(document)
        return conversation

    def _set_document(self, document):
        self.ensure_one()
        self.write(
            {
                "res_model": document._name if document else False,
                "res_id": document.id if document else False,
            }
        )

    def _find_document(self, message):
        """Return the document that an incoming text belongs to.

        A hook: glue addons know documents, e.g. an open lead. The contact is none.

        :param message: sms.gateway.message, incoming
        :return: a record, or None
        """
        return None

    def _make_document(self, message):
        """Make a document for an incoming text that a person shall answer.

        A hook, asked where ``_find_document`` found nothing.

        :return: a record, or None
        """
        return None

    def _get_subject(self):
        """Return what activities and notes belong to: document, contact, or self."""
        self.ensure_one()
        if self.res_model in self.env and self.res_id:
            document = self.env[self.res_model].browse(self.res_id).exists()
            if document:
                return document
        return self.partner_id or self

    def _take_in(self, message):
        """Make an incoming text somebody's, and tell them.

        :param message: sms.gateway.message, one, incoming; its keyword is known
        """
        self.ensure_one()
        needs_answer = message._needs_answer()
        was_closed = self.state == "closed" or not self.last_at
        values = {
            "last_at": message.create_date,
            "last_direction": "incoming",
            "last_body": self._get_preview(message.body),
        }
        if needs_answer and self.state != "to_answer":
            values.update(
                state="to_answer",
                unanswered_since=message.create_date,
                unanswered_message_id=message.id,
                answer_until=message.gateway_id._get_answer_until(message.create_date),
                escalated_at=False,
            )
        elif not needs_answer and was_closed:
            values["state"] = "closed"
        self.write(values)
        if needs_answer and not self.res_id:
            document = self._make_document(message)
            if document:
                self._set_document(document)
                message._move_to_document(document)
        if was_closed or not self._may_own(self.user_id):
            self._assign(message)
        message.owner_id = self.user_id
        if needs_answer:
            self._schedule_answer()
            self._tell_owner(message)
        self._auto_reply(message)
        self._notify_screens()

    @api.model
    def _get_preview(self, body):
        return " ".join(segments.clean_text(body or "").split())[: const.PREVIEW_SIZE]

    def _auto_reply(self, message):
        """Answer by itself: own keywords, and outside office hours.

        :return: sms.gateway.message, the answers
        """
        self.ensure_one()
        return message._auto_reply()

    # ------------------------------------------------------------------
    # Whose it is
    # ------------------------------------------------------------------

    def _may_own(self, user):
        """Say whether a user can answer here: active, internal, of the company."""
        self.ensure_one()
        user = user.sudo()
        return bool(
            user
            and user.active
            and not user.share
            and user.id != SUPERUSER_ID
            and self.company_id in user.company_ids
        )

    def _assign(self, message):
        """Give the conversation an owner by the rules, else by the fall-backs.

        :param message: sms.gateway.message, incoming
        """
        self.ensure_one()
        rule, user, reason = self.env["sms.assignment.rule"]._find_owner(self, message)
        if not user:
            for user, reason in self._get_fallback_owners(message):
                if self._may_own(user):
                    break
            else:
                user = self.env["res.users"]
                reason = self.env._("Nobody could be found: a manager has to choose.")
        self.write(
            {"user_id": user.id, "owner_reason": reason, "rule_id": rule.id or False}
        )

    def _get_fallback_owners(self, message):
        """Yield whose it could be where no rule says so, the best first.

        :return: pairs of res.users, possibly empty, and the reason in words
        """
        self.ensure_one()
        partner = self.partner_id.sudo()
        yield (
            partner.user_id or partner.commercial_partner_id.user_id,
            self.env._("Salesperson of the contact"),
        )
        yield from self._get_document_owners(message)
        last = (
            self.env["sms.gateway.message"]
            .sudo()
            .search(
                [
                    ("number", "=", self.number),
                    ("direction", "=", "outgoing"),
                    ("kind", "in", tuple(const.PERSONAL_KINDS)),
                    ("company_id", "=", self.company_id.id),
                    ("author_id", "not in", (False, SUPERUSER_ID)),
                ],
                limit=1,
            )
        )
        yield last.author_id, self.env._("Texted this number last")
        yield (
            message.gateway_id.responsible_user_id,
            self.env._("Responsible for the gateway"),
        )

    def _get_document_owners(self, message):
        """Yield the owners of documents, a hook for glue addons.

        :return: pairs of res.users and the reason in words
        """
        return iter(())

    def _check_may_assign(self, user):
        """Let managers assign, owners hand on, and everybody take what is nobody's.

        :raise AccessError: the conversation is somebody else's
        :raise UserError: the user cannot answer here
        """
        if not self.env.user.has_group("sms_gateway_hub.group_manager") and any(
            conversation.user_id not in (self.env.user, self.env["res.users"])
            for conversation in self
        ):
            raise AccessError(
                self.env._(
                    "This conversation is somebody else's: ask them, or a manager of "
                    "SMS gateways, to hand it over."
                )
            )
        for conversation in self:
            if user and not conversation._may_own(user):
                raise UserError(
                    self.env._(
                        "%(user)s cannot answer %(who)s: only active employees of "
                        "%(company)s can.",
                        user=user.name,
                        who=conversation.display_name,
                        company=conversation.company_id.name,
                    )
                )

    def _reassign(self, user, note=None):
        """Hand conversations over; the new owner is told, the activity moves along.

        :param user: res.users, at most one
        :param str note: words for the new owner
        :raise AccessError: see ``_check_may_assign``
        :raise UserError: see ``_check_may_assign``
        """
        self._check_may_assign(user)
        by = self.env.user
        for conversation in self.sudo():
            if conversation.user_id == user and not note:
                continue
            conversation.link_ids.filtered(
                lambda link: link.user_id != user
            )._revoke()
            conversation.write(
                {
                    "user_id": user.id,
                    "owner_reason": self.env._("Assigned by %s", by.name),
                    "rule_id": False,
                }
            )
            if note:
                conversation._message_log(body=note, author_id=by.partner_id.id)
            activity = conversation.answer_activity_id
            if conversation.state == "to_answer" and user:
                if activity:
                    activity.user_id = user
                else:
                    conversation._schedule_answer()
                if user != by:
                    conversation._tell_owner(
                        conversation.unanswered_message_id, note=note, by=by
                    )
            elif user and user != by:
                conversation._tell_owner(
                    self.env["sms.gateway.message"], note=note, by=by
                )
            elif activity and not user:
                activity.unlink()
        self.sudo()._notify_screens()

    # ------------------------------------------------------------------
    # Activities
    # ------------------------------------------------------------------

    def _schedule_answer(self):
        """Plan the answer for the owner, once until it is given."""
        self.ensure_one()
        if self.answer_activity_id or not self.user_id:
            return
        subject = self._get_subject()
        until = self.answer_until or self.unanswered_since
        tz_self = self.with_context(tz=self.user_id.tz or self.env.user.tz)
        activity = subject.with_context(
            mail_activity_quick_update=True
        ).activity_schedule(
            _ANSWER_ACTIVITY,
            date_deadline=fields.Datetime.context_timestamp(tz_self, until).date(),
            user_id=self.user_id.id,
            summary=self.env._("Answer SMS: %s", self.display_name),
            note=self.env["sms.sms"]._sms_gateway_to_html(
                self.unanswered_message_id.body
            ),
        )
        self.answer_activity_id = activity

    def _end_activities(self, user, *, done):
        """End the activities: done by an answer, or no longer needed."""
        for conversation in self:
            activities = (
                conversation.answer_activity_id | conversation.overdue_activity_id
            ).sudo()
            conversation.write(
                {"answer_activity_id": False, "overdue_activity_id": False}
            )
            if done and activities:
                activities.with_user(user).sudo()._action_done()
            else:
                activities.unlink()

    # ------------------------------------------------------------------
    # Telling the owner
    # ------------------------------------------------------------------

    def _tell_owner(self, message, note=None, by=None):
        """Tell the owner live, and by e-mail where the gateway says so.

        :param message: sms.gateway.message, the text to answer, or none
        :param str note: words of whoever handed it over
        :param by: res.users who handed it over
        """
        self.ensure_one()
        if not self.user_id:
            return
        self.user_id._bus_send(
            "sms_gateway_hub.inbound",
            {
                "conversation_id": self.id,
                "title": self.env._("SMS from %s", self.display_name),
                "body": self._get_preview(message.body if message else note),
            },
        )
        gateway = message.gateway_id or self.gateway_id
        if gateway.notify_by_email and self.user_id.email:
            self._send_owner_mail(message, note=note, by=by)

    def _notify_screens(self):
        """Tell open screens that these conversations have news: ids only."""
        group = self.env.ref("sms_gateway_hub.group_user", raise_if_not_found=False)
        if group and self:
            group._bus_send("sms_gateway_hub.update", {"conversation_ids": self.ids})

    # ------------------------------------------------------------------
    # What goes out
    # ------------------------------------------------------------------

    @api.model
    def _note_outgoing(self, messages):
        """Let texts that people wrote to one person answer their conversations.

        :param messages: sms.gateway.message, outgoing, just queued or logged
        """
        personal = messages.sudo().filtered(
            lambda message: (
                message.kind in const.PERSONAL_KINDS
                and not message.exempt
                and not message.broadcast_id
                and message.company_id
                and message.author_id
                and message.author_id.id != SUPERUSER_ID
                and message.state not in const.RETRYABLE_STATES
                and _E164.match(message.number or "")
            )
        )
        if not personal:
            return
        conversations = self._get_many(
            (message.number, message.company_id.id) for message in personal
        )
        for message in personal:
            conversation = conversations[message.number, message.company_id.id]
            conversation._note_answer(message)
        self.union(*conversations.values())._notify_screens()

    def _note_answer(self, message):
        """Note that a person wrote: the conversation waits for the other side."""
        self.ensure_one()
        values = {"state": "waiting"}
        if not self.last_at or self.last_at <= message.create_date:
            values.update(
                last_at=message.create_date,
                last_direction="outgoing",
                last_body=self._get_preview(message.body),
            )
        if not self.partner_id and not self.contact_by_hand and message.partner_id:
            values["partner_id"] = message.partner_id.id
            values["contact_reason"] = self.env._("Was texted as this contact")
        if not self.gateway_id and message.gateway_id:
            values["gateway_id"] = message.gateway_id.id
        if not self.user_id and self._may_own(message.author_id):
            values["user_id"] = message.author_id.id
            values["owner_reason"] = self.env._("Wrote to this number")
        waited = self.unanswered_message_id
        if self.state == "to_answer":
            values.update(
                unanswered_since=False,
                unanswered_message_id=False,
                answer_until=False,
                escalated_at=False,
            )
            if waited:
                waited._note_answered(message)
        self.write(values)
        self._end_activities(message.author_id, done=True)

    def _answer(self, body, *, uuid=None):
        """Text the other side as the current user: the one way that all doors use.

        :param str body: the text
        :param str uuid: 32 hex digits, our id of the text: a second call with the same
            one sends nothing and returns the first text
        :return: sms.gateway.message, queued
        :raise AccessError: the user may not see the conversation
        :raise UserError: it cannot be texted: the reason in words. Nothing is kept
        """
        self.ensure_one()
        self.check_access("read")
        messages = self.env["sms.gateway.message"].sudo()
        if uuid and (known := messages.search([("uuid", "=", uuid)])):
            if known.number != self.number or known.author_id != self.env.user:
                raise UserError(self.env._("This page is outdated: load it again."))
            return known
        if reason := self._get_no_answer_reason():
            raise UserError(reason)
        conversation = self.sudo()
        gateway = conversation._get_gateway()
        values = {
            "gateway_id": gateway.id,
            "gateway_fixed": gateway == conversation.gateway_id,
            "kind": "reply",
            "purpose": "conversational",
            "priority": const.PRIORITY_HIGH,
            "number": self.number,
            "partner_id": conversation.partner_id.id,
            "res_model": conversation.res_model
            or conversation.partner_id and "res.partner",
            "res_id": conversation.res_id or conversation.partner_id.id,
            "answers_id": conversation.unanswered_message_id.id,
            "body": body,
            "company_id": self.company_id.id,
            "author_id": self.env.uid,
        }
        if uuid:
            values["uuid"] = uuid
        message = self.env["sms.gateway.message"]._enqueue([values])
        if message.state != "queued":
            raise UserError(
                self.env._(
                    "The text was not sent. %s",
                    message.failure_text or message._get_state_label(),
                )
            )
        message._log_in_chatter()
        return message

    def _get_gateway(self):
        """Return the gateway that answers leave through: the one they came by."""
        self.ensure_one()
        gateway = self.gateway_id
        if gateway and gateway._is_in_service():
            return gateway
        return self.env["sms.gateway"]._route(
            self.company_id, self.number, self.partner_id
        )

    # ------------------------------------------------------------------
    # Jobs
    # ------------------------------------------------------------------

    @api.model
    def _cron_escalate(self, limit=200):
        """Tell a manager of each overdue conversation, once."""
        overdue = self.sudo().search(
            [
                ("state", "=", "to_answer"),
                ("escalated_at", "=", False),
                ("answer_until", "<", fields.Datetime.now()),
            ],
            order="answer_until",
            limit=limit,
        )
        for conversation in overdue.try_lock_for_update():
            conversation._escalate()
        if len(overdue) == limit:
            self.env.ref("sms_gateway_hub.ir_cron_escalate")._trigger()

    def _escalate(self):
        self.ensure_one()
        gateway = self.gateway_id
        manager = gateway.escalation_user_id or gateway.responsible_user_id
        self.escalated_at = fields.Datetime.now()
        if not self._may_own(manager):
            return
        self.overdue_activity_id = self._get_subject().activity_schedule(
            _OVERDUE_ACTIVITY,
            user_id=manager.id,
            summary=self.env._("SMS not answered in time: %s", self.display_name),
            note=self.env["sms.sms"]._sms_gateway_to_html(
                self.env._(
                    "%(owner)s should have answered by now.",
                    owner=self.user_id.name or self.env._("Nobody"),
                )
            ),
        )

    @api.model
    def _cron_close(self):
        """Close conversations in which nobody goes on."""
        now = fields.Datetime.now()
        days = self.env["sms.gateway"].sudo().with_context(active_test=False)
        for gateway in days.search([("close_after_days", ">", 0)]):
            idle = self.sudo().search(
                [
                    ("state", "=", "waiting"),
                    ("gateway_id", "=", gateway.id),
                    ("last_at", "<", now - timedelta(days=gateway.close_after_days)),
                ],
                limit=1000,
            )
            idle.try_lock_for_update().write({"state": "closed"})

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------

    def action_answer(self, body, uuid=None):
        """Text the other side and return the thread.

        :param str body: the text
        :param str uuid: 32 hex digits, see ``_answer``: the screen sends the same one
            when it does not know whether the text left
        :return: dict, see ``get_thread``
        :raise UserError: it could not be sent: why, in words
        """
        self.ensure_one()
        if uuid and not re.fullmatch(r"[0-9a-f]{32}", str(uuid)):
            raise UserError(self.env._("This page is outdated: load it again."))
        self._answer(str(body or ""), uuid=uuid)
        return self.get_thread()

    def action_close(self):
        """End conversations: no answer is needed."""
        self.check_access("write")
        conversations = self.sudo().filtered(lambda c: c.state != "closed")
        for conversation in conversations:
            conversation._end_activities(self.env.user, done=True)
        conversations.write(
            {
                "state": "closed",
                "unanswered_since": False,
                "unanswered_message_id": False,
                "answer_until": False,
                "escalated_at": False,
            }
        )
        conversations._notify_screens()
        return True

    def action_take(self):
        """Make conversations one's own."""
        self.check_access("write")
        self._reassign(self.env.user)
        return True

    def action_open_document(self):
        """Open the document that the conversation is about, else the contact."""
        self.ensure_one()
        self.check_access("read")
        subject = self._get_subject()
        if subject == self:
            raise UserError(
                self.env._("Nobody is known for this number yet: choose a contact.")
            )
        return {
            "type": "ir.actions.act_window",
            "res_model": subject._name,
            "res_id": subject.id,
            "views": [(False, "form")],
        }

    def get_thread(self, before_id=None, limit=40):
        """Return what the screen shows of the thread, newest texts last.

        :param int before_id: only texts older than this one
        :param int limit: texts at most, up to 200
        :return: dict of "messages", a list of dicts, and "has_more"
        """
        self.ensure_one()
        self.check_access("read")
        limit = min(max(int(limit), 1), 200)
        domain = self._get_message_domain()
        if before_id:
            domain &= Domain("id", "<", int(before_id))
        messages = (
            self.env["sms.gateway.message"]
            .sudo()
            .search(domain, limit=limit + 1, order="id desc")
        )
        shown = messages[:limit].sorted("id")
        return {
            "messages": [message._to_thread() for message in shown],
            "has_more": len(messages) > limit,
        }
