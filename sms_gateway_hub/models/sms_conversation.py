# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import re
from datetime import timedelta

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.tools import SQL

from .. import const
from ..tools import segments
from ..tools.transaction import in_new_transaction

_logger = logging.getLogger(__name__)

_E164 = re.compile(const.E164_PATTERN)
_ANSWER_ACTIVITY = "sms_gateway_hub.mail_activity_type_answer"
_OVERDUE_ACTIVITY = "sms_gateway_hub.mail_activity_type_overdue"
# What users may write themselves: all else follows of texts and actions.
_OWN_FIELDS = frozenset({"user_id"})
# What a text that comes or goes looks at.
_READ_AT_ONCE = (
    "number",
    "company_id",
    "partner_id",
    "contact_reason",
    "contact_by_hand",
    "user_id",
    "gateway_id",
    "state",
    "unanswered_message_id",
    "last_at",
    "res_model",
    "res_id",
    "answer_activity_id",
    "overdue_activity_id",
)
# Nobody waits for an answer any more.
_ANSWERED = {
    "unanswered_since": False,
    "unanswered_message_id": False,
    "answer_until": False,
    "escalated_at": False,
}


class SmsConversation(models.Model):
    """The thread between a company and one number, and whose turn it is.

    The texts are not linked to it: they are those of its number and company. So a
    mass text costs nothing here, and no text can be in a wrong thread.
    """

    _name = "sms.conversation"
    _description = "SMS Conversation"
    _inherit = ["mail.thread", "mail.activity.mixin", "sms.text.export"]
    _order = "last_at desc, id desc"
    _rec_names_search = ["number", "partner_id.name", "last_body"]

    number = fields.Char(
        required=True,
        readonly=True,
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
        "mail.activity",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        copy=False,
    )
    overdue_activity_id = fields.Many2one(
        "mail.activity",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        copy=False,
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
    # As lists are ordered.
    _order_index = models.Index("(last_at DESC, id DESC)")
    _open_index = models.Index("(user_id, last_at) WHERE state != 'closed'")
    _idle_index = models.Index("(gateway_id, last_at) WHERE state = 'waiting'")
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
        now = fields.Datetime.now()
        if True in value:
            return Domain("state", "=", "to_answer") & Domain("answer_until", "<", now)
        return (
            Domain("state", "!=", "to_answer")
            | Domain("answer_until", "=", False)
            | Domain("answer_until", ">=", now)
        )

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
        numbers = self.filtered("can_answer").mapped("number")
        mobiles = self.env["res.partner.mobile"].search(
            [("number_e164", "in", numbers)]
        )
        # Landlines and numbers of contacts without a list of mobile numbers.
        phones = self.env["res.partner"].search([("phone_sanitized", "in", numbers)])
        mobiles_by_number = mobiles.grouped("number_e164")
        phones_by_number = phones.grouped("phone_sanitized")
        for conversation in self:
            number, company = conversation.number, conversation.company_id
            found = phones_by_number.get(number, phones.browse())
            found |= mobiles_by_number.get(number, mobiles.browse()).partner_id
            conversation.other_partner_ids = (
                found.filtered(
                    lambda partner, company=company: (
                        partner.company_id in (company, company.browse())
                    )
                )
                - conversation.partner_id
            )

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
        """Show all who have conversations, also where the filter hides theirs."""
        busy = self._read_group([("state", "!=", "closed")], ["user_id"])
        return users.union(*(user for (user,) in busy)).sorted("name")

    def write(self, vals):
        """Users hand conversations over; everything else follows of texts."""
        if self.env.su:
            return super().write(vals)
        if set(vals) - _OWN_FIELDS:
            raise AccessError(
                self.env._("A conversation is a record: it cannot be rewritten.")
            )
        if vals:
            self._reassign(self.env["res.users"].browse(vals["user_id"] or []))
        return True

    def _write_quietly(self, vals):
        """Write what follows of texts: it needs no trace, and nobody is told."""
        self.sudo().with_context(tracking_disable=True).write(vals)

    @api.model
    def _apart(self, step, *args):
        """Do a step whose failure must not cost the text, nor the other steps.

        Where many texts are taken in together it may: then they are taken in again,
        each apart.

        :return: what the step returns, None if it failed
        """
        if self.env.context.get("sms_gateway_together"):
            return step(*args)
        try:
            with self.env.cr.savepoint():
                return step(*args)
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception:
            _logger.exception("A step of a conversation failed: %s", step.__name__)
            return None

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

        They are locked, so that whoever writes to them next does not fail.

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
                           FROM unnest(%(numbers)s::varchar[], %(companies)s::int[])
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
        self.union(*found.values())._lock()
        return found

    def _lock(self):
        """Wait until nobody else writes to these conversations.

        What somebody wrote since our transaction began repeats it. Said here, where
        the log does not get the text that is about to be written.
        """
        self.flush_recordset()
        self.env.cr.execute(
            SQL(
                "SELECT id FROM sms_conversation WHERE id = ANY(%s) "
                "ORDER BY id FOR NO KEY UPDATE",
                self.ids,
            ),
            log_exceptions=False,
        )

    @api.model
    def _find_many(self, pairs):
        """Return the conversations that there are, like ``_get_many``."""
        wanted = set(pairs)
        if not wanted:
            return {}
        found = self.sudo().search_fetch(
            [
                ("number", "in", list({number for number, _company_id in wanted})),
                ("company_id", "in", list({company_id for _n, company_id in wanted})),
            ],
            _READ_AT_ONCE,
        )
        return {
            key: conversation
            for conversation in found
            if (key := (conversation.number, conversation.company_id.id)) in wanted
        }

    @api.model
    def _find(self, number, company):
        """Return the conversation with a number, at most one.

        :param str number: E.164
        :param company: res.company, or none: then the one with the latest text
        """
        domain = [("number", "=", number)]
        if company:
            domain.append(("company_id", "=", company.id))
        return self.sudo().search_fetch(
            domain, _READ_AT_ONCE, limit=1, order="last_at desc nulls last, id desc"
        )

    @api.model
    def _forget_choice(self, mobile):
        """Let the new owner of a number win over whom somebody chose before.

        :param mobile: res.partner.mobile, one, in sudo
        """
        domain = Domain("number", "=", mobile.number_e164)
        if mobile.company_id:
            domain &= Domain("company_id", "=", mobile.company_id.id)
        chosen = self.sudo().search(domain & Domain("contact_by_hand", "=", True))
        chosen._write_quietly({"contact_by_hand": False})

    @api.model
    def _erase(self, number):
        """Forget what conversations with a number say about the person.

        :param str number: E.164
        :return: number of conversations
        """
        conversations = self.sudo().search([("number", "=", number)])
        conversations._end_activities(self.env.user, done=False)
        conversations.link_ids._revoke()
        # Done activities hold the text, and so does what the chatter says of them.
        kinds = [
            self.env.ref(kind).id for kind in (_ANSWER_ACTIVITY, _OVERDUE_ACTIVITY)
        ]
        types = self.env["mail.activity.type"].sudo().with_context(active_test=False)
        kinds += types.search([("category", "=", "sms")]).ids
        messages = self.env["sms.gateway.message"].sudo()
        for model, ids in messages._read_group(
            [("number", "=", number), ("res_id", "!=", False)],
            ["res_model"],
            ["res_id:array_agg"],
        ):
            self.env["mail.message"].sudo().search(
                [
                    ("model", "=", model),
                    ("res_id", "in", ids),
                    ("mail_activity_type_id", "in", kinds),
                ]
            ).unlink()
            self.env["mail.activity"].sudo().search(
                [
                    ("res_model", "=", model),
                    ("res_id", "in", ids),
                    ("activity_type_id", "in", kinds),
                    ("active", "=", False),
                ]
            ).unlink()
        # What somebody noted, and was told, is about the person as well.
        self.env["mail.message"].sudo().search(
            [("model", "=", self._name), ("res_id", "in", conversations.ids)]
        ).unlink()
        conversations.with_context(active_test=False).activity_ids.unlink()
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                DELETE FROM sms_reply_link WHERE conversation_id = ANY(%(ids)s);
                DELETE FROM sms_conversation WHERE id = ANY(%(ids)s)
                """,
                ids=conversations.ids,
            )
        )
        self.env.invalidate_all(flush=False)
        return len(conversations)

    def _get_message_domain(self):
        """Return the domain of the texts of the thread."""
        self.ensure_one()
        return Domain("number", "=", self.number) & Domain(
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
        key = message._get_conversation_key()
        conversation = self._get_many([key])[key]
        values = {}
        if message.partner_id != conversation.partner_id:
            values["partner_id"] = message.partner_id.id
            values["contact_by_hand"] = False
        if message.contact_reason != conversation.contact_reason:
            values["contact_reason"] = message.contact_reason
        if message.gateway_id != conversation.gateway_id:
            values["gateway_id"] = message.gateway_id.id
        if values:
            conversation._write_quietly(values)
        self._apart(conversation._look_for_document, message)
        return conversation

    def _look_for_document(self, message):
        self._set_document(self._find_document(message))

    def _set_document(self, document):
        """Make a document, or none, what the conversation is about."""
        self.ensure_one()
        values = {
            "res_model": document._name if document else False,
            "res_id": document.id if document else False,
        }
        if (values["res_model"], values["res_id"] or 0) != (
            self.res_model,
            self.res_id or 0,
        ):
            self._write_quietly(values)

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

        What rules, documents and notifications do may fail: the text waits for an
        answer in any case.

        :param message: sms.gateway.message, one, incoming; its keyword is known
        """
        self.ensure_one()
        needs_answer = message._needs_answer()
        begins = self.state == "closed" or not self.last_at
        values = {
            "last_at": message.create_date,
            "last_direction": "incoming",
            "last_body": self._get_preview(message.body),
        }
        if needs_answer and self.state != "to_answer":
            values.update(self._prepare_unanswered(message))
        elif needs_answer and self.unanswered_message_id.kind == "logged":
            # What somebody told of has no deadline, what comes in has.
            values["answer_until"] = self._prepare_unanswered(message)["answer_until"]
        elif not needs_answer and begins:
            values["state"] = "closed"
        self._write_quietly(values)
        if needs_answer and not self.res_id:
            self._apart(self._begin_document, message)
        if begins or not self._may_own(self.user_id):
            self._apart(self._assign, message)
        message.owner_id = self.user_id
        if needs_answer:
            self._apart(self._schedule_answer)
            self._apart(self._tell_owner, message)
        self._apart(self._auto_reply, message)
        self._notify_screens()

    def _prepare_unanswered(self, message):
        """Return the values of a conversation in which a text waits for an answer.

        :param message: sms.gateway.message, incoming
        """
        self.ensure_one()
        return {
            "state": "to_answer",
            "unanswered_since": message.create_date,
            "unanswered_message_id": message.id,
            # Nobody can be late with what cannot be answered.
            "answer_until": self.can_answer
            and message.gateway_id._get_answer_until(message.create_date),
            "escalated_at": False,
        }

    def _begin_document(self, message):
        if document := self._make_document(message):
            self._set_document(document)
            message._move_to_document(document)

    @api.model
    def _get_preview(self, body):
        text = " ".join(segments.clean_text(body or "").split())
        if len(text) <= const.PREVIEW_SIZE:
            return text
        return f"{text[: const.PREVIEW_SIZE - 1]}…"

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
        rule, user, reason = self._decide_owner(message)
        self._write_quietly(
            {"user_id": user.id, "owner_reason": reason, "rule_id": rule.id}
        )
        if self.answer_activity_id.active:
            self._hand_on_activity()

    def _replace_owner(self):
        """Give what waits for an answer of somebody who left to somebody else."""
        for conversation in self.sudo():
            if conversation.state != "to_answer" or conversation._may_own(
                conversation.user_id
            ):
                continue
            message = conversation.unanswered_message_id
            conversation._apart(conversation._assign, message)
            message.owner_id = conversation.user_id
            conversation._apart(conversation._schedule_answer)
            conversation._apart(conversation._tell_owner, message)
        self._notify_screens()

    def _decide_owner(self, message):
        """Return whose the conversation is by the rules, else by the fall-backs.

        :param message: sms.gateway.message, incoming
        :return: tuple of sms.assignment.rule, res.users, both maybe empty, and the
            reason in words
        """
        rules = self.env["sms.assignment.rule"].sudo()
        nobody = self.env["res.users"]
        rule, user, reason = self._apart(rules._find_owner, self, message) or (
            rules,
            nobody,
            "",
        )
        if self._may_own(user):
            return rule, user, reason
        for owner, why in self._get_fallback_owners(message):
            if self._may_own(owner):
                return rules, owner, why
        reason = self.env._("Nobody could be found: a manager has to choose.")
        return rules, nobody, reason

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

    def _check_may_act(self):
        """Let managers act on all, and others on their own and on what is nobody's.

        :raise AccessError: the conversation is somebody else's
        """
        self.check_access("write")
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

    def _check_may_assign(self, user):
        """Let managers assign, owners hand on, and everybody take what is nobody's.

        :raise AccessError: the conversation is somebody else's
        :raise UserError: the user cannot answer here
        """
        self._check_may_act()
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
        user = user.sudo()
        # Core would tell the new owner in words of its own.
        conversations = self.sudo().with_context(mail_auto_subscribe_no_notify=True)
        for conversation in conversations:
            if conversation.user_id == user and not note:
                continue
            conversation.link_ids.filtered(lambda link: link.user_id != user)._revoke()
            conversation.write(
                {
                    "user_id": user.id,
                    "owner_reason": self.env._("Assigned by %s", by.name),
                    "rule_id": False,
                }
            )
            if note:
                conversation._message_log(body=note, author_id=by.partner_id.id)
            message = conversation.unanswered_message_id
            message.owner_id = user
            if conversation.state == "to_answer":
                conversation._hand_on_activity()
            if user != by:
                conversation._apart(conversation._tell_owner, message, note, by)
        self.sudo()._notify_screens()

    def _hand_on_activity(self):
        """Let the planned answer follow the owner: nobody's has none."""
        self.ensure_one()
        activity = self.answer_activity_id
        if not self.user_id:
            self._write_quietly({"answer_activity_id": False})
            activity.sudo().unlink()
        elif activity.active:
            # The owner is told of it by us.
            activity.sudo().with_context(
                mail_activity_quick_update=True
            ).user_id = self.user_id
        else:
            self._schedule_answer()

    # ------------------------------------------------------------------
    # Activities
    # ------------------------------------------------------------------

    def _schedule_answer(self):
        """Plan the answer for the owner, once until it is given."""
        self.ensure_one()
        if self.answer_activity_id.active or not self.user_id:
            return
        owner = self.user_id
        local = self.sudo().with_context(lang=owner.lang, tz=owner.tz)
        until = self.answer_until or self.unanswered_since
        activity = local._plan(
            _ANSWER_ACTIVITY,
            date_deadline=fields.Datetime.context_timestamp(local, until).date(),
            user_id=owner.id,
            summary=local.display_name,
            note=self.env["sms.sms"]._sms_gateway_to_html(
                self.unanswered_message_id.body
            ),
        )
        self._write_quietly({"answer_activity_id": activity.id})

    def _plan(self, activity_type, **values):
        """Plan an activity on what the conversation is about, without core's e-mail."""
        subject = self._get_subject().with_context(mail_activity_quick_update=True)
        return subject.activity_schedule(activity_type, **values)

    def _end_activities(self, user, *, done):
        """End the activities: done by an answer, or no longer needed."""
        for conversation in self.sudo():
            activities = (
                conversation.answer_activity_id | conversation.overdue_activity_id
            )
            if not activities:
                continue
            # First of all, so that their end does not come back here.
            conversation._write_quietly(
                {"answer_activity_id": False, "overdue_activity_id": False}
            )
            activities = activities.exists().filtered("active")
            if done:
                # The chatter has the text already: it must not say it twice.
                activities.note = False
                activities.with_user(user).sudo()._action_done()
            else:
                activities.unlink()

    def _close_without_answer(self, user):
        """Close conversations whose answer somebody crossed off without texting.

        An activity that only goes along with its document is planned anew instead:
        nobody has decided anything.

        :param user: res.users who ended the activity
        """
        for conversation in self.sudo():
            if conversation.state != "to_answer":
                continue
            activity = conversation.answer_activity_id
            if activity.res_model in self.env and not (
                self.env[activity.res_model].sudo().browse(activity.res_id).exists()
            ):
                conversation.invalidate_recordset(["partner_id"])
                conversation._write_quietly({"answer_activity_id": False})
                conversation._schedule_answer()
                continue
            conversation._write_quietly({"state": "closed", **_ANSWERED})
            conversation._end_activities(user, done=True)
            conversation._notify_screens()

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
        owner = self.user_id.sudo()
        if not owner:
            return
        local = self.sudo().with_context(lang=owner.lang)
        owner._bus_send(
            "sms_gateway_hub.inbound",
            {
                "conversation_id": self.id,
                "title": local.env._(
                    "%(user)s hands over: %(who)s",
                    user=by.sudo().name,
                    who=local.display_name,
                )
                if by
                else local.env._("SMS from %s", local.display_name),
                "body": self._get_preview(note or message.body),
            },
        )
        gateway = message.gateway_id or self.gateway_id
        if gateway.notify_by_email and owner.email:
            self._apart(self._send_owner_mail, message, note, by)

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
                and message.author_id.id not in (False, SUPERUSER_ID)
                and message.state not in const.RETRYABLE_STATES
                and _E164.match(message.number or "")
                # Who texts the own phone tries something out.
                and message.author_id.partner_id != message.partner_id
            )
        )
        if not personal:
            return
        try:
            with self.env.cr.savepoint():
                self._note_personal(personal)
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            # Somebody else writes to the same person at this moment. That is no reason
            # to do all of the caller's work again, and again.
            self._note_later(personal)

    @api.model
    def _note_later(self, messages):
        """Note texts when this transaction is over, in one that sees the others'."""
        env, message_ids = self.env, messages.ids

        def note(new):
            # None where the caller's transaction came to nothing.
            written = new["sms.gateway.message"].sudo().browse(message_ids).exists()
            new[self._name]._note_personal(written)

        @env.cr.postcommit.add
        def note_after_commit():
            for _try in range(5):
                try:
                    in_new_transaction(env, note)
                    return
                except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                    _logger.debug("Many write to one person: once more")
                except Exception:
                    _logger.exception("Texts %s are not noted", message_ids)
                    return
            _logger.info("Texts %s are not noted in their conversation", message_ids)

    @api.model
    def _note_personal(self, personal):
        """Let texts of people answer their conversations.

        :param personal: sms.gateway.message in sudo
        """
        conversations = self._get_many(
            message._get_conversation_key() for message in personal
        )
        for message in personal:
            conversations[message._get_conversation_key()]._note_answer(message)
        self.union(*conversations.values())._notify_screens()

    def _note_answer(self, message):
        """Note that a person wrote: the conversation waits for the other side.

        :param message: sms.gateway.message, outgoing
        """
        self.ensure_one()
        author = message.author_id
        values = {"state": "waiting"}
        if not self.last_at or self.last_at <= message.create_date:
            values.update(
                last_at=message.create_date,
                last_direction="outgoing",
                last_body=self._get_preview(message.body),
            )
        if self._follows_contact(message.partner_id):
            values["partner_id"] = message.partner_id.id
            values["contact_reason"] = self.env._("Was texted as this contact")
        if not self.user_id and self._may_own(author):
            values["user_id"] = author.id
            values["owner_reason"] = self.env._("Wrote to this number")
        if self.state == "to_answer":
            values.update(_ANSWERED)
            if waited := self.unanswered_message_id:
                waited._note_answered(message)
        self._write_quietly(values)
        self._end_activities(author, done=True)

    def _follows_contact(self, partner):
        """Say whether the conversation becomes the one with a contact that was texted.

        Not where somebody chose another one, nor where its contact owns the number.
        """
        self.ensure_one()
        if not partner or partner == self.partner_id or self.contact_by_hand:
            return False
        if not self.partner_id:
            return True
        mobiles = self.env["res.partner.mobile"]
        return mobiles._find_owner(self.number, self.company_id) != self.partner_id

    @api.model
    def _note_failed(self, messages):
        """Let conversations wait for an answer again whose answer came to nothing.

        Not where somebody wrote once more, nor where the person refused texts.

        :param messages: sms.gateway.message, outgoing, that failed for good
        """
        failed = messages.sudo().filtered(
            lambda message: (
                message.kind in const.PERSONAL_KINDS
                and message.answers_id.direction == "incoming"
                and message.failure_type != "opted_out"
                and message.number
            )
        )
        if not failed:
            return
        found = self._find_many(message._get_conversation_key() for message in failed)
        for message in failed:
            conversation = found.get(message._get_conversation_key())
            if conversation and conversation.state != "to_answer":
                conversation._reopen(message)

    def _reopen(self, failed):
        """Let the text wait again that a failed answer had answered.

        :param failed: sms.gateway.message, one, the answer
        """
        self.ensure_one()
        waited = failed.answers_id
        messages = self.env["sms.gateway.message"].sudo()
        if messages.search_count(
            self._get_message_domain()
            & Domain("direction", "=", "outgoing")
            & Domain("kind", "in", list(const.PERSONAL_KINDS))
            & Domain("state", "not in", [*const.RETRYABLE_STATES, "undelivered"])
            & Domain("id", ">", waited.id),
            limit=1,
        ):
            return
        waited._note_answered(messages)
        self._write_quietly(self._prepare_unanswered(waited))
        if not self._may_own(self.user_id):
            self._assign(waited)
        self._schedule_answer()
        self._tell_owner(
            waited,
            note=self.with_context(lang=self.user_id.lang).env._(
                "Your answer did not arrive: %s", failed.failure_text or ""
            ),
        )
        self._notify_screens()

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
        # Links and e-mails lead here without a company chosen on a screen.
        self = self.with_company(self.sudo().company_id)
        self.check_access("read")
        # Who sends the same once more at the same time waits for the first one.
        self._lock()
        messages = self.env["sms.gateway.message"].sudo()
        if uuid and (known := messages.search([("uuid", "=", uuid)])):
            if known.author_id != self.env.user or known._get_conversation_key() != (
                self.number,
                self.company_id.id,
            ):
                raise UserError(self.env._("This page is outdated: load it again."))
            if known.body != segments.clean_text(body):
                raise UserError(
                    self.env._(
                        "Another text left from here already: look at the conversation "
                        "before you send this one."
                    )
                )
            return known
        if reason := self._get_no_answer_reason():
            raise UserError(reason)
        conversation = self.sudo()
        partner = conversation.partner_id
        has_document = conversation.res_model and conversation.res_id
        values = {
            "gateway_id": conversation._get_gateway().id,
            "kind": "reply",
            "purpose": "conversational",
            "priority": const.PRIORITY_HIGH,
            "number": self.number,
            "partner_id": partner.id,
            "res_model": conversation.res_model
            if has_document
            else partner and partner._name,
            "res_id": conversation.res_id if has_document else partner.id,
            "body": body,
            "company_id": self.company_id.id,
            "author_id": self.env.uid,
        }
        if not values["res_id"]:
            values["res_model"] = False
        if uuid:
            values["uuid"] = uuid
        with self.env.cr.savepoint():
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
        gateways = self.env["sms.gateway"].sudo()
        gateway = self.gateway_id.sudo()
        if (
            gateway
            and gateway._is_in_service()
            and gateway.company_id in (self.company_id, gateways.company_id)
        ):
            return gateway
        return gateways._route(self.company_id, self.number, self.partner_id)

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
            # Once, also when it fails.
            conversation._write_quietly({"escalated_at": fields.Datetime.now()})
            self._apart(conversation._escalate)
        if len(overdue) == limit:
            self.env.ref("sms_gateway_hub.ir_cron_escalate")._trigger()

    def _escalate(self):
        """Plan on the manager's list that somebody waits for too long."""
        self.ensure_one()
        gateway = self.gateway_id
        for manager in gateway.escalation_user_id, gateway.responsible_user_id:
            if self._may_own(manager):
                break
        else:
            return
        local = self.with_context(lang=manager.lang)
        activity = local._plan(
            _OVERDUE_ACTIVITY,
            user_id=manager.id,
            summary=local.display_name,
            note=self.env["sms.sms"]._sms_gateway_to_html(
                local.env._("%s should have answered by now.", local.user_id.name)
                if self.user_id
                else local.env._("Nobody is responsible for it: choose somebody.")
            ),
        )
        self._write_quietly({"overdue_activity_id": activity.id})
        self._notify_screens()

    @api.model
    def _cron_close(self, limit=1000):
        """Close conversations in which nobody goes on."""
        now = fields.Datetime.now()
        waiting = [("state", "=", "waiting")]
        gateways = self.env["sms.gateway"].sudo().with_context(active_test=False)
        more = False
        chosen = gateways.search([("close_after_days", ">", 0)])
        for gateway in (*chosen, gateways.browse()):
            days = gateway.close_after_days if gateway else const.CLOSE_AFTER_DAYS
            idle = self.sudo().search(
                [
                    *waiting,
                    ("gateway_id", "=", gateway.id),
                    ("last_at", "<", now - timedelta(days=days)),
                ],
                order="last_at",
                limit=limit,
            )
            idle.try_lock_for_update()._write_quietly({"state": "closed"})
            more = more or len(idle) == limit
        if more:
            self.env.ref("sms_gateway_hub.ir_cron_close")._trigger()

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
        self.check_access("read")
        if uuid and not re.fullmatch(r"[0-9a-f]{32}", str(uuid)):
            raise UserError(self.env._("This page is outdated: load it again."))
        self._answer(str(body or ""), uuid=uuid)
        return self.get_thread()

    def action_close(self):
        """End conversations: no answer is needed."""
        self._check_may_act()
        conversations = self.sudo().filtered(lambda row: row.state != "closed")
        conversations._write_quietly({"state": "closed", **_ANSWERED})
        conversations._end_activities(self.env.user, done=True)
        conversations._notify_screens()
        return True

    def action_take(self):
        """Make conversations one's own."""
        self._reassign(self.env.user)
        return True

    def action_open_document(self):
        """Open the document that the conversation is about, else the contact."""
        self.ensure_one()
        self.check_access("read")
        subject = self.sudo()._get_subject()
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
