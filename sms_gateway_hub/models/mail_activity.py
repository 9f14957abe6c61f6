# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import time as clock
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.tools import format_datetime, sql

from odoo.addons.mail.tools.discuss import Store

from ..tools import segments
from ..tools.transaction import in_new_transaction
from .sms_sms import TextOptions

_logger = logging.getLogger(__name__)

_ANSWER_TYPE = "sms_gateway_hub.mail_activity_type_answer"
_CRON = "sms_gateway_hub.ir_cron_activities"
# At which hour of the assigned user a text leaves, unless somebody says otherwise.
_DEFAULT_HOUR = 9
# Whoever plans a text for today still has so many minutes to change it.
_NOTICE_MIN = 15
# Seconds that one run of the job lasts: it is called again at once.
_BUDGET_S = 5.0
_BATCH = 200
# Characters of the text in the note that tells of it.
_QUOTE_SIZE = 100
# What somebody plans. A change of it is a new try.
_PLAN_FIELDS = frozenset(
    {"sms_gateway_template_id", "sms_gateway_body", "sms_gateway_at"}
)
# Whoever changes one of these says what is texted, and to whom.
_AUTHOR_FIELDS = frozenset(
    {
        "sms_gateway_template_id",
        "sms_gateway_body",
        "activity_type_id",
        "res_id",
        "res_model",
        "res_model_id",
    }
)
# What follows of sending: only the server writes it.
_OWN_FIELDS = frozenset({"sms_gateway_author_id", "sms_gateway_error"})


class MailActivity(models.Model):
    """Activities that text, and that texts end.

    One of the category "Send SMS" texts the contact of its document at its moment and
    is done by that. Done, cancelled or deleted before, it sends nothing. One that
    could not be sent stays open and says why, until somebody changes it.
    """

    _inherit = "mail.activity"

    sms_gateway_template_id = fields.Many2one(
        "sms.template",
        "SMS template",
        compute="_compute_sms_gateway_text",
        store=True,
        readonly=False,
        precompute=True,
        ondelete="set null",
        copy=True,
        domain="[('model', '=', res_model)]",
        help="Its words are filled in when the text is sent.",
    )
    sms_gateway_body = fields.Text(
        "Text",
        compute="_compute_sms_gateway_text",
        store=True,
        readonly=False,
        precompute=True,
        copy=True,
        help="What is sent, as it is: for placeholders use a template.",
    )
    sms_gateway_at = fields.Datetime(
        "Send at",
        compute="_compute_sms_gateway_at",
        store=True,
        readonly=False,
        precompute=True,
        help="When the text leaves by itself. The activity is done by that.",
    )
    sms_gateway_error = fields.Char(
        "Why it was not sent",
        readonly=True,
        copy=False,
        help="Change the text or the time, or press “Send now”, to try again.",
    )
    sms_gateway_author_id = fields.Many2one(
        "res.users",
        "Text written by",
        readonly=True,
        copy=False,
        index=False,
        ondelete="set null",
        help="Whoever planned or changed the text. It leaves in the name of the "
        "assigned user if that is the same person, or if a manager of SMS gateways "
        "planned it; else in the name of its writer.",
    )
    sms_gateway_preview = fields.Text("Preview", compute="_compute_sms_gateway_preview")
    sms_gateway_number = fields.Char(
        "To", compute="_compute_sms_gateway_number", help="The contact's best number."
    )

    _sms_gateway_due_index = models.Index(
        "(sms_gateway_at, id) WHERE sms_gateway_at IS NOT NULL "
        "AND sms_gateway_error IS NULL AND active"
    )

    def _auto_init(self):
        """Make the columns empty: there may be very many activities, none of ours."""
        cr = self.env.cr
        for name, kind in (
            ("sms_gateway_at", "timestamp"),
            ("sms_gateway_body", "text"),
            ("sms_gateway_template_id", "int4"),
        ):
            if not sql.column_exists(cr, self._table, name):
                sql.create_column(cr, self._table, name, kind)
        return super()._auto_init()

    # ------------------------------------------------------------------
    # Computes and ORM
    # ------------------------------------------------------------------

    @api.depends("activity_type_id", "res_model")
    def _compute_sms_gateway_text(self):
        """Take the type's own text where there is none yet."""
        for activity in self:
            template = activity.sms_gateway_template_id
            body = activity.sms_gateway_body
            if activity.activity_category != "sms":
                template, body = False, False
            elif not body and (
                not template or template.sudo().model != activity.res_model
            ):
                template, body = activity.activity_type_id._sms_gateway_get_defaults(
                    activity._sms_gateway_get_lang()
                )
            activity.sms_gateway_template_id = template
            activity.sms_gateway_body = body

    def _sms_gateway_get_lang(self):
        """Return the language of whoever the document is about, if one is in use."""
        document = self._sms_gateway_get_document()
        if not document or not document.has_access("read"):
            return None
        lang = document._mail_get_partners()[document.id][:1].sudo().lang
        installed = {code for code, _name in self.env["res.lang"].get_installed()}
        return lang if lang in installed else None

    @api.depends("activity_type_id", "date_deadline")
    def _compute_sms_gateway_at(self):
        for activity in self:
            activity.sms_gateway_at = (
                activity._sms_gateway_move(activity.sms_gateway_at)
                if activity.activity_category == "sms" and activity.date_deadline
                else False
            )

    def _sms_gateway_get_tz(self):
        user = self.user_id.sudo() or self.env.user
        return ZoneInfo(user.tz or self.env.user.tz or "UTC")

    def _sms_gateway_move(self, at):
        """Return the moment on the day of the deadline, never in the past.

        :param datetime at: UTC, as it was so far, or False
        :return: datetime, UTC
        """
        tz = self._sms_gateway_get_tz()
        hour = time(_DEFAULT_HOUR)
        if at:
            local = at.replace(tzinfo=UTC).astimezone(tz)
            if local.date() == self.date_deadline:
                return at
            hour = local.time()
        moved = datetime.combine(self.date_deadline, hour, tzinfo=tz)
        moved = moved.astimezone(UTC).replace(tzinfo=None)
        return moved if moved > fields.Datetime.now() else self._sms_gateway_soon()

    @api.model
    def _sms_gateway_soon(self):
        """Return the next quarter of an hour that leaves time to change one's mind."""
        at = fields.Datetime.now().replace(second=0) + timedelta(minutes=_NOTICE_MIN)
        return at + timedelta(minutes=-at.minute % 15)

    @api.onchange("sms_gateway_at")
    def _onchange_sms_gateway_at(self):
        """Let the deadline be the day on which the text leaves."""
        if self.sms_gateway_at:
            self.date_deadline = self._sms_gateway_get_day()

    def _sms_gateway_get_day(self):
        local = self.sms_gateway_at.replace(tzinfo=UTC).astimezone(
            self._sms_gateway_get_tz()
        )
        return local.date()

    @api.onchange("sms_gateway_template_id")
    def _onchange_sms_gateway_template_id(self):
        if self.sms_gateway_template_id:
            self.sms_gateway_body = False

    @api.depends("sms_gateway_template_id", "sms_gateway_body", "res_model", "res_id")
    @api.depends_context("uid")
    def _compute_sms_gateway_preview(self):
        for activity in self:
            preview = activity.sms_gateway_body
            document = activity._sms_gateway_get_document()
            if activity.sms_gateway_template_id and document:
                try:
                    document.check_access("read")
                    preview = activity._sms_gateway_render(document)
                except (UserError, AccessError) as error:
                    preview = str(error)
            activity.sms_gateway_preview = preview

    @api.depends("activity_type_id", "res_model", "res_id")
    @api.depends_context("uid")
    def _compute_sms_gateway_number(self):
        for activity in self:
            document = activity.activity_category == "sms" and (
                activity._sms_gateway_get_document()
            )
            activity.sms_gateway_number = (
                bool(document and document.has_access("read"))
                and (document._sms_get_recipients_info()[document.id]["sanitized"])
            )

    def _sms_gateway_get_document(self):
        """Return the document, if it is there, or None."""
        model, res_id = self.res_model, self.res_id
        if not model or model not in self.env or not res_id:
            return None
        return self.env[model].browse(res_id).exists() or None

    @api.model_create_multi
    def create(self, vals_list):
        # The type may become another one, and defaults come with the context.
        author = self.env.uid if self.env.uid != SUPERUSER_ID else False
        cleaned, planned = [], []
        for vals in vals_list:
            vals = self._sms_gateway_clean(vals)
            planned.append(bool(_PLAN_FIELDS & vals.keys()))
            vals.update(sms_gateway_author_id=author, sms_gateway_error=False)
            cleaned.append(vals)
        activities = super().create(cleaned)
        activities._sms_gateway_follow(
            activities.browse(
                activity.id
                for activity, by_hand in zip(activities, planned, strict=True)
                if by_hand
            )
        )
        return activities

    def write(self, vals):
        vals = self._sms_gateway_clean(vals)
        if "user_id" in vals:
            self._sms_gateway_hand_over(vals["user_id"])
            self = self.exists()
            if not self:
                return True
        if vals.get("active") and "sms_gateway_at" not in vals:
            # What was done is not sent because somebody looks at it once more.
            done = self.filtered(lambda activity: not activity.active)
            super(MailActivity, done.filtered("sms_gateway_at")).write(
                {"sms_gateway_at": False}
            )
        res = super().write(vals)
        self._sms_gateway_note_change(vals)
        return res

    @api.model
    def _sms_gateway_clean(self, vals):
        """Take out what no caller may write, and what no database can take."""
        vals = {name: value for name, value in vals.items() if name not in _OWN_FIELDS}
        if isinstance(vals.get("sms_gateway_body"), str):
            vals["sms_gateway_body"] = segments.clean_text(vals["sms_gateway_body"])
        # Either of them is sent.
        if vals.get("sms_gateway_template_id"):
            vals["sms_gateway_body"] = False
        elif vals.get("sms_gateway_body"):
            vals["sms_gateway_template_id"] = False
        return vals

    def _sms_gateway_note_change(self, vals):
        """Plan anew what somebody changed: it may be tried again."""
        names = _PLAN_FIELDS | _AUTHOR_FIELDS | {"date_deadline", "user_id", "active"}
        if not names & vals.keys():
            return
        texting = self.filtered(
            lambda activity: activity.activity_category == "sms" and activity.active
        )
        if not texting:
            return
        if _AUTHOR_FIELDS & vals.keys() and self.env.uid != SUPERUSER_ID:
            texting.sudo()._sms_gateway_write_alone(
                {"sms_gateway_author_id": self.env.uid}
            )
        failed = texting.sudo().filtered("sms_gateway_error")
        failed._sms_gateway_write_alone({"sms_gateway_error": False})
        late = failed.filtered(
            lambda activity: (
                activity.sms_gateway_at
                and activity.sms_gateway_at <= fields.Datetime.now()
            )
        )
        if late and "sms_gateway_at" not in vals:
            late._sms_gateway_write_alone({"sms_gateway_at": self._sms_gateway_soon()})
        texting._sms_gateway_follow(
            texting if _PLAN_FIELDS & vals.keys() else texting.browse()
        )

    def _sms_gateway_write_alone(self, vals):
        """Write without what follows of a change by somebody."""
        return super().write(vals)  # pylint: disable=super-method-mismatch

    def _sms_gateway_follow(self, by_hand):
        """Check what somebody planned, and let the job wake up for it.

        :param by_hand: those whose text or moment somebody gave: plans and chained
            activities, which nobody could mend just now, say later what is wrong
        """
        texting = self.sudo().filtered(lambda a: a.activity_category == "sms")
        for activity in texting & by_hand.sudo():
            activity._sms_gateway_check()
            day = activity._sms_gateway_get_day()
            if activity.date_deadline != day:
                activity._sms_gateway_write_alone({"date_deadline": day})
        moments = {activity.sms_gateway_at for activity in texting} - {False}
        if moments:
            self.env.ref(_CRON).sudo()._trigger(sorted(moments))

    def _sms_gateway_check(self):
        """Refuse a plan that cannot be meant.

        :raise ValidationError: what is wrong and what to do
        """
        self.ensure_one()
        if (
            not self.sms_gateway_template_id
            and not (self.sms_gateway_body or "").strip()
        ):
            raise ValidationError(
                self.env._("The text is empty: write it, or choose a template.")
            )
        if not self.sms_gateway_at:
            raise ValidationError(
                self.env._("“Send at” is empty: choose when the text shall leave.")
            )
        now = fields.Datetime.now()
        if self.sms_gateway_at < now - timedelta(minutes=1) and self.active:
            raise ValidationError(
                self.env._("“Send at” is in the past: choose a later time.")
            )
        document = self._sms_gateway_get_document()
        if not document:
            raise ValidationError(
                self.env._("There is nobody to text: plan it on a contact or document.")
            )
        template = self.sms_gateway_template_id
        if template and template.model != self.res_model:
            raise ValidationError(
                self.env._(
                    "The template “%s” is not for this kind of document: choose "
                    "another one.",
                    template.name,
                )
            )
        if not document._sms_get_recipients_info()[document.id]["sanitized"]:
            raise ValidationError(self._sms_gateway_say_no_number(document))

    def _sms_gateway_say_no_number(self, document):
        return self.env._(
            "%s has no valid phone number: add one first.", document.display_name
        )

    def _prepare_next_activity_values(self):
        """Let the next activity take the text and the moment of its own type."""
        values = super()._prepare_next_activity_values()
        return {
            name: value
            for name, value in values.items()
            if not name.startswith("sms_gateway_")
        }

    # ------------------------------------------------------------------
    # Sending
    # ------------------------------------------------------------------

    @api.model
    def _sms_gateway_search_due(self, limit):
        return self.sudo().search(
            [
                ("sms_gateway_at", "<=", fields.Datetime.now()),
                ("sms_gateway_error", "=", False),
                ("active", "=", True),
                # A type may have had this category once.
                ("activity_type_id.category", "=", "sms"),
            ],
            order="sms_gateway_at, id",
            limit=limit,
        )

    @api.model
    def _cron_sms_gateway_send(self):
        """Send what is due, each activity in a transaction of its own.

        The text is queued and the activity done together, or neither is. One that
        another worker holds is skipped.
        """
        end = clock.monotonic() + _BUDGET_S
        ids = self._sms_gateway_search_due(_BATCH).ids
        rest = len(ids) == _BATCH
        for position, activity_id in enumerate(ids):
            if clock.monotonic() > end:
                rest = position < len(ids)
                break
            try:
                in_new_transaction(
                    self.env,
                    lambda env, id=activity_id: (
                        env[self._name].sudo().browse(id)._sms_gateway_send_due()
                    ),
                )
            except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                # Somebody is busy with it: the next run goes on.
                rest = True
        if rest:
            self.env.ref(_CRON).sudo()._trigger()

    def _sms_gateway_send_due(self):
        """Send one activity, if it is still due, or keep why not."""
        activity = self.exists().try_lock_for_update()
        user = activity.user_id
        activity = activity.with_context(lang=user.lang, tz=user.tz)
        if not (
            activity.active
            and activity.activity_category == "sms"
            and activity.sms_gateway_at
            and activity.sms_gateway_at <= fields.Datetime.now()
            and not activity.sms_gateway_error
        ):
            return
        try:
            with self.env.cr.savepoint():
                activity._sms_gateway_send()
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except UserError as error:
            activity._sms_gateway_fail(str(error))
        except Exception:
            _logger.exception("The text of activity %s could not be sent", activity.id)
            activity._sms_gateway_fail(
                self.env._("It could not be sent: ask your administrator why.")
            )

    def _sms_gateway_get_author(self):
        """Return in whose name the text leaves.

        Nobody can text in the name of somebody else by giving them an activity: that
        takes a manager of SMS gateways, or the system.

        :return: res.users
        :raise UserError: there is nobody
        """
        self.ensure_one()
        user, writer = self.user_id, self.sms_gateway_author_id
        if writer and user and writer != user:
            if not writer.has_group("sms_gateway_hub.group_manager"):
                user = writer
        author = user or writer
        if not author or author.id == SUPERUSER_ID:
            raise UserError(
                self.env._("It is assigned to nobody: assign it to who shall text.")
            )
        for needed in author | self.user_id:
            if not needed.active:
                raise UserError(
                    self.env._(
                        "%s does not work here any more: assign it to somebody else.",
                        needed.name,
                    )
                )
        return author

    def _sms_gateway_render(self, document):
        """Return the text, with what a template takes from the document.

        :param document: record, with the rights of whoever texts
        :raise UserError: the template cannot be filled in
        """
        template = self.sms_gateway_template_id.with_env(document.env)
        if not template:
            return self.sms_gateway_body or ""
        if template.sudo().model != document._name:
            raise UserError(
                self.env._(
                    "The template “%s” is not for this kind of document: choose "
                    "another one.",
                    template.sudo().name,
                )
            )
        return template._render_field("body", document.ids, compute_lang=True)[
            document.id
        ]

    def _sms_gateway_send(self):
        """Queue the text and complete the activity.

        :return: sms.gateway.message
        :raise UserError: why it cannot be sent, in words; the caller rolls back
        """
        self.ensure_one()
        activity = self.sudo()
        author = activity._sms_gateway_get_author()
        document = activity._sms_gateway_get_document()
        if not document:
            raise UserError(
                self.env._("The document is gone: there is nobody to text.")
            )
        if not hasattr(document, "_message_sms"):
            raise UserError(
                self.env._("Nobody can be texted from this kind of document.")
            )
        document = activity._sms_gateway_as(author, document)
        operation = document._mail_get_operation_for_mail_message_operation("create")
        if not document.has_access(operation[document]):
            raise UserError(
                self.env._(
                    "%(user)s may not text from “%(document)s”.",
                    user=author.name,
                    document=activity.res_name,
                )
            )
        body = activity._sms_gateway_render(document)
        if not (body or "").strip():
            raise UserError(self.env._("The text is empty: write one."))
        info = document._sms_get_recipients_info()[document.id]
        if not info["sanitized"]:
            raise UserError(self._sms_gateway_say_no_number(document))
        if not self.env["sms.gateway"].sudo()._find(document.env.company):
            raise UserError(
                self.env._("No gateway is in service: ask your administrator.")
            )
        message = document._message_sms(body)
        texts = (
            self.env["sms.gateway.message"]
            .sudo()
            .search([("mail_message_id", "=", message.id)])
        )
        refused = texts.filtered(lambda text: text.state != "queued")
        if refused or not texts:
            raise UserError(
                refused[:1].failure_text
                or self.env._("It could not be sent: ask your administrator why.")
            )
        quote = " ".join(body.split())
        if len(quote) > _QUOTE_SIZE:
            quote = f"{quote[: _QUOTE_SIZE - 1]}…"
        activity.with_user(author).sudo().with_context(
            mail_activity_quick_update=True
        )._action_done(feedback=self.env._("Texted: “%s”", quote))
        return texts

    def _sms_gateway_as(self, author, document):
        """Return the document as the author sees it, in its company."""
        company = document._mail_get_companies(default=author.company_id)[document.id]
        companies = author.company_ids
        if company in companies:
            companies = company | companies
        return document.with_user(author).with_context(
            allowed_company_ids=companies.ids,
            lang=author.lang,
            tz=author.tz,
            sms_gateway_options=TextOptions(
                sms_gateway_kind="single", sms_gateway_purpose="conversational"
            ),
        )

    def _sms_gateway_fail(self, reason):
        """Keep why it was not sent, and tell the assigned user once."""
        self.ensure_one()
        self._sms_gateway_write_alone({"sms_gateway_error": reason})
        user = (self.user_id or self.sms_gateway_author_id).filtered("active")
        if not user:
            return
        document = self._sms_gateway_get_document()
        thread = self.env["mail.thread"] if document is None else document
        if not hasattr(thread, "message_notify"):
            thread = self.env["mail.thread"]
        who = self.res_name or self.display_name
        env = self.with_context(lang=user.lang).env
        thread.sudo().message_notify(
            partner_ids=user.partner_id.ids,
            subject=env._("The SMS to %s was not sent", who),
            body=env._(
                "The planned SMS to %(who)s was not sent. %(reason)s Change the text "
                "or the time of the activity to try again.",
                who=who,
                reason=reason,
            ),
        )

    def action_sms_gateway_send_now(self):
        """Send the texts of activities at once.

        :raise UserError: why it cannot be sent; nothing changes then
        """
        self.check_access("write")
        for activity in self:
            locked = activity.sudo().try_lock_for_update()
            if not locked:
                raise UserError(self.env._("It is being sent just now."))
            if not activity.active or activity.activity_category != "sms":
                raise UserError(
                    self.env._(
                        "Only open activities of the kind “Send SMS” can be sent."
                    )
                )
            locked._sms_gateway_send()
        return {"type": "ir.actions.act_window_close"}

    # ------------------------------------------------------------------
    # "Answer SMS"
    # ------------------------------------------------------------------

    def _sms_gateway_get_conversations(self):
        """Return the conversations whose answer these activities are about."""
        answer_type = self.env["ir.model.data"]._xmlid_to_res_id(
            _ANSWER_TYPE, raise_if_not_found=False
        )
        answers = self.sudo().filtered(
            lambda activity: activity.activity_type_id.id == answer_type
        )
        conversations = self.env["sms.conversation"].sudo()
        if not answers:
            return conversations
        return conversations.search([("answer_activity_id", "in", answers.ids)])

    def _action_done(self, feedback=False, attachment_ids=None):
        """Let a conversation know that nobody will answer.

        One that ends its activities itself, because of an answer, forgets them first.
        """
        conversations = self._sms_gateway_get_conversations()
        res = super()._action_done(feedback=feedback, attachment_ids=attachment_ids)
        conversations._close_without_answer(self.env.user)
        return res

    def unlink(self):
        conversations = self._sms_gateway_get_conversations()
        # What goes with its document, or with its owner, is not cancelled by somebody.
        canceled = conversations.filtered(
            lambda conversation: (
                conversation.user_id
                and conversation.answer_activity_id.sudo()._sms_gateway_is_reachable()
            )
        )
        lost = (conversations - canceled).filtered("user_id")
        res = super().unlink()
        canceled._close_without_answer(self.env.user)
        lost.invalidate_recordset(["answer_activity_id", "partner_id", "res_id"])
        for conversation in lost:
            if conversation.state == "to_answer":
                conversation._schedule_answer()
        return res

    def _sms_gateway_is_reachable(self):
        document = self._sms_gateway_get_document()
        return document is not None and (
            "active" not in document._fields or bool(document.active)
        )

    def _sms_gateway_hand_over(self, user_id):
        """Hand conversations over whose answer somebody gives to another user.

        :param int user_id: id of the new user, or False
        :raise AccessError: the acting user may not assign it
        """
        user = self.env["res.users"].browse(user_id or [])
        others = self._sms_gateway_get_conversations().filtered(
            lambda conversation: conversation.user_id != user
        )
        if others:
            others.with_env(self.env(su=False))._reassign(user)

    # ------------------------------------------------------------------
    # For the screens
    # ------------------------------------------------------------------

    def _to_store_defaults(self, target):
        return [
            *super()._to_store_defaults(target),
            # Core shows it where there is no summary, and forgets to send it.
            Store.Attr(
                "display_name",
                lambda activity: activity.display_name,
                predicate=lambda activity: activity.activity_category == "sms",
            ),
            Store.Attr(
                "sms_gateway_text",
                lambda activity: activity.sms_gateway_preview or False,
                predicate=lambda activity: activity.activity_category == "sms",
            ),
            Store.Attr(
                "sms_gateway_when",
                lambda activity: activity._sms_gateway_say_when(),
                predicate=lambda activity: activity.activity_category == "sms",
            ),
            Store.Attr(
                "sms_gateway_error",
                lambda activity: activity.sms_gateway_error,
                predicate=lambda activity: activity.activity_category == "sms",
            ),
        ]

    def _sms_gateway_say_when(self):
        if not self.sms_gateway_at:
            return False
        return format_datetime(self.env, self.sms_gateway_at, dt_format="short")
