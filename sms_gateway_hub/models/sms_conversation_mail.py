# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import hashlib
import logging
import secrets
import socket
from datetime import timedelta

import psycopg2
from markupsafe import Markup, escape

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.tools import format_datetime
from odoo.tools.mail import (
    email_normalize,
    formataddr,
    html2plaintext,
    unfold_references,
)

from .. import const
from ..tools import mail_reply, segments
from ..tools.transaction import in_new_transaction

_logger = logging.getLogger(__name__)

# Marks the Message-Id of our e-mails among all that Odoo sends about a conversation.
_OUR_MAILS = "-sms-answer@"
# Characters of a name, and of a text, in a subject.
_SUBJECT_NAME_SIZE, _SUBJECT_TEXT_SIZE = 60, 60
# Characters that an e-mail shows of a text or a note, and that are kept of an answer.
_SHOWN_SIZE = 10_000
_HEADERS = {"X-Auto-Response-Suppress": "OOF, AutoReply"}


class SmsConversation(models.Model):
    """Told of by e-mail, and answered by e-mail."""

    _inherit = "sms.conversation"

    # ------------------------------------------------------------------
    # The e-mail to the owner
    # ------------------------------------------------------------------

    def _message_auto_subscribe_notify(self, partner_ids, template):
        """Send no “You have been assigned”: the e-mail with the text says it."""

    def _send_owner_mail(self, message, note=None, by=None):
        """Send the owner an e-mail with the text, the contact and a link.

        It is queued, and leaves when this transaction is committed. Its Message-Id
        holds 128 random bits: an answer that refers to it comes from whoever got it.

        :param message: sms.gateway.message, the text to answer, or none
        :param str note: words of whoever handed the conversation over
        :param by: res.users who handed it over
        :return: mail.mail, none if there was no need or no way, or if it is written
            together with those of other texts
        """
        self.ensure_one()
        user = self.user_id.sudo()
        mails = self.env["mail.mail"].sudo()
        if not (user.active and email_normalize(user.email or "", strict=False)):
            return mails
        waiting = self._get_waiting_mails()
        sent = self._count_owner_mails(user)
        sent += sum(key == (self.id, user.id) for key, *_values in waiting)
        if sent >= const.MAILS_PER_H:
            return mails
        conversation = self.sudo().with_context(
            lang=user.lang, tz=user.tz, allowed_company_ids=self.company_id.ids
        )
        message = message.sudo().with_env(conversation.env)
        reply_to = conversation._get_reply_address()
        next_hour = conversation._get_hour() + timedelta(hours=1)
        values = conversation._prepare_owner_mail(message, note, by)
        values.update(
            reply_url=conversation._get_reply_url(user),
            marker=reply_to and conversation._get_marker(),
            muted_until=sent + 1 == const.MAILS_PER_H
            and conversation._format_time(next_hour),
        )
        name = self._to_line(conversation._get_who(), _SUBJECT_NAME_SIZE)
        email_from = conversation._get_mail_sender(name)
        message_id = self._make_message_id()
        subject = values["subject"]
        prepared = (
            (self.id, user.id),
            {
                "model": self._name,
                "res_id": self.id,
                # Nobody's chatter shows it, and as it has no subtype no other e-mail
                # about the conversation refers to it: its Message-Id stays between us
                # and its recipient.
                "message_type": "user_notification",
                "subtype_id": False,
                "is_internal": True,
                "message_id": message_id,
                "subject": subject,
                "body": "",
                "author_id": False,
                "email_from": email_from,
                "reply_to": reply_to
                and conversation._format_address(name, reply_to)
                or email_from,
                "partner_ids": [fields.Command.set(user.partner_id.ids)],
                "email_add_signature": False,
            },
            {
                "body_html": conversation._render_mail(
                    "sms_gateway_hub.conversation_mail_owner", values
                ),
                "references": message_id,
                "headers": repr({**_HEADERS, "Auto-Submitted": "auto-generated"}),
                "recipient_ids": [fields.Command.set(user.partner_id.ids)],
                "auto_delete": True,
            },
        )
        if not self.env.context.get("sms_gateway_together"):
            return self._create_owner_mails([prepared])
        if not waiting:
            self.env.cr.precommit.add(self._create_waiting_mails)
        waiting.append(prepared)
        return mails

    @api.model
    def _get_waiting_mails(self):
        """Return what is written before the commit, or the next savepoint."""
        return self.env.cr.precommit.data.setdefault("sms_gateway_owner_mails", [])

    @api.model
    def _create_waiting_mails(self):
        waiting = self._get_waiting_mails()
        prepared = list(waiting)
        waiting.clear()
        self._create_owner_mails(prepared)

    @api.model
    def _create_owner_mails(self, prepared):
        """Put e-mails into the queue.

        :param list prepared: tuples of whom it is for, the values of the message and
            those of the e-mail
        :return: mail.mail
        """
        messages = self.env["mail.message"].sudo()
        messages = messages.create([values for _key, values, _mail in prepared])
        mails = (
            self.env["mail.mail"]
            .sudo()
            .create(
                [
                    {**values, "mail_message_id": message.id}
                    for message, (_key, _message, values) in zip(
                        messages, prepared, strict=True
                    )
                ]
            )
        )
        self._trigger_mail_queue()
        return mails

    def _make_message_id(self):
        """Return a Message-Id of 128 random bits: only who got the e-mail knows it.

        Short enough for one line: longer ones are encoded in headers, which mail
        programs do not undo.
        """
        host = socket.gethostname()[:24].rstrip("-.")
        return f"<{secrets.token_hex(16)}{_OUR_MAILS}{host}>"

    def _prepare_owner_mail(self, message, note, by):
        """Return what the e-mail says, in the language of this environment.

        :return: dict of plain texts, none of them escaped
        """
        self.ensure_one()
        name = self._to_line(self._get_who(), _SUBJECT_NAME_SIZE)
        if message:
            subject = self.env._(
                "SMS from %(name)s: %(text)s",
                name=name,
                text=self._to_line(message.body, _SUBJECT_TEXT_SIZE) or "…",
            )
        else:
            subject = self.env._("The SMS conversation with %s is yours now", name)
        gateway = message.gateway_id or self.gateway_id
        subject_record = self._get_subject()
        facts = []
        if self.number != self._get_who():
            facts.append((self.env._("Number"), self.number))
        if subject_record not in (self, self.partner_id):
            facts.append((self.document_label, subject_record.display_name))
        if message:
            facts.append(
                (self.env._("Received"), self._format_time(message.create_date))
            )
        if gateway:
            facts.append((self.env._("Gateway"), gateway.name))
        if self.answer_until and self.state == "to_answer":
            facts.append(
                (self.env._("Answer until"), self._format_time(self.answer_until))
            )
        if by:
            facts.append((self.env._("Handed over by"), by.sudo().name))
        elif self.owner_reason:
            facts.append((self.env._("Why you"), self.owner_reason))
        return {
            "subject": subject,
            "who": self._get_who(),
            "text": (message.body or "")[:_SHOWN_SIZE] if message else "",
            "note": self._to_plain(note)[:_SHOWN_SIZE],
            "by_name": by.sudo().name if by else "",
            "facts": facts,
            "can_answer": self.can_answer,
            "no_answer_reason": self.no_answer_reason,
            "odoo_url": self._get_odoo_url(),
        }

    def _get_who(self):
        """Return the other side in words."""
        self.ensure_one()
        return self.partner_id.display_name or self.number

    def _get_odoo_url(self):
        self.ensure_one()
        return f"{self.get_base_url()}/odoo/{self._name}/{self.id}"

    def _get_reply_url(self, user):
        """Return the address of the reply page for a user, or nothing."""
        self.ensure_one()
        if not self.can_answer:
            return False
        link = self.env["sms.reply.link"]._get_for(self, user)
        return link and link._get_url()

    def _get_hour(self):
        return self.env.cr.now().replace(minute=0, second=0, microsecond=0)

    def _count_owner_mails(self, user):
        """Return how many e-mails of ours a user got of this since the hour began."""
        self.ensure_one()
        return (
            self.env["mail.message"]
            .sudo()
            .search_count(
                [
                    *self._get_owner_mails_domain(),
                    ("create_date", ">=", self._get_hour()),
                    ("partner_ids", "in", user.partner_id.ids),
                ]
            )
        )

    def _get_owner_mails_domain(self):
        return [
            ("model", "=", self._name),
            ("res_id", "in", self.ids),
            ("message_type", "=", "user_notification"),
            ("message_id", "=like", f"%{_OUR_MAILS}%"),
        ]

    # ------------------------------------------------------------------
    # How e-mails are written
    # ------------------------------------------------------------------

    def _render_mail(self, template, values):
        """Return an e-mail in Odoo's layout, in the language of this environment."""
        self.ensure_one()
        company = self.company_id
        values = {
            "conversation": self,
            "company": company,
            "button_color": company.email_secondary_color or "#875A7B",
            "button_text_color": company.email_primary_color or "#FFFFFF",
            "to_html": self._text_to_html,
            **values,
        }
        body = self.env["ir.qweb"]._render(template, values, minimal_qcontext=True)
        context = {"company": company, "record_name": self._get_who()}
        return self.env["mail.render.mixin"]._render_encapsulate(
            "mail.mail_notification_layout", body, context, self
        )

    def _text_to_html(self, text):
        """Return a text as HTML: escaped, its line breaks kept, never evaluated."""
        lines = segments.clean_text(text or "").split("\n")
        return Markup("<br/>").join(escape(line) for line in lines)

    def _get_marker(self):
        """Return the line above which answers are written."""
        words = self.env._("Write your answer above this line")
        return f"{mail_reply.MARKER_START} {words} {mail_reply.MARKER_END}"

    def _to_plain(self, note):
        """Return a note as plain text: only what is marked as HTML is HTML."""
        return html2plaintext(note) if isinstance(note, Markup) else note or ""

    def _to_line(self, text, size):
        """Return the beginning of a text on one line."""
        line = " ".join(segments.clean_text(text or "").split())
        line = "".join(sign for sign in line if sign.isprintable())
        return line if len(line) <= size else line[: size - 1].rstrip() + "…"

    def _format_time(self, at):
        return format_datetime(
            self.env, at, tz=self.env.context.get("tz") or "UTC", dt_format="short"
        )

    def _get_reply_address(self):
        """Return the address at which Odoo takes answers, or nothing.

        Nothing: no alias domain is configured for the company.
        """
        self.ensure_one()
        if not self.can_answer:
            return False
        found = self._notify_get_reply_to(default=False)[self.id]
        return email_normalize(found or "", strict=False)

    def _get_mail_sender(self, name):
        """Return the From of our e-mails: the contact's name, an address of ours."""
        company = self.company_id.sudo()
        address = email_normalize(
            company.default_from_email
            or company.email
            or self.env.ref("base.partner_root").sudo().email
            or "",
            strict=False,
        )
        return self._format_address(f"{name} (SMS)", address or "odoo@localhost")

    def _format_address(self, name, address):
        """Return a name and an address for a header, the name if it is short."""
        formatted = formataddr((name.replace('"', "'").replace("\\", ""), address))
        # Longer ones are folded, which some mail programs cannot read.
        return formatted if len(formatted) <= 68 else address

    def _trigger_mail_queue(self):
        self.env.ref("mail.ir_cron_mail_scheduler_action").sudo()._trigger()

    # ------------------------------------------------------------------
    # Answers by e-mail
    # ------------------------------------------------------------------

    def _receive_mail(self, mail, message_dict):
        """Text what a user answered by e-mail, or write back why not.

        The e-mail is kept as a note. Nothing is raised but what a repetition of the
        transaction mends, so that the e-mails behind it are not held up.

        :param email.message.EmailMessage mail: the e-mail
        :param dict message_dict: what ``message_parse`` read of it
        """
        self.ensure_one()
        if mail_reply.is_automatic(mail):
            _logger.info("Conversation %s: automatic e-mail dropped", self.id)
            return
        conversation = self.sudo()
        sender = email_normalize(message_dict.get("email_from") or "", strict=False)
        notification = conversation._find_notification(message_dict)
        user = notification.partner_ids.user_ids.filtered("active")
        user = user.filtered(lambda u: sender and u.email_normalized == sender)[:1]
        conversation = conversation.with_context(
            lang=user.lang or self.env.lang,
            tz=user.tz,
            allowed_company_ids=self.company_id.ids,
        )
        received = conversation._count_received_mails(user)
        if received > const.REPLIES_PER_H:
            _logger.info("Conversation %s: too many e-mails, one dropped", self.id)
            return
        reply = mail_reply.read_reply(mail, signature=user.signature or "")
        problems, hints = [], []
        if received == const.REPLIES_PER_H:
            problems.append(conversation._get_too_many_reason())
        elif not notification or not user:
            problems.append(conversation._get_stranger_reason())
        elif reason := conversation._get_refusal(notification, user):
            problems.append(reason)
        else:
            problems, hints = conversation._answer_by_mail(user, reply, mail)
        conversation._keep_mail(message_dict, user, reply)
        if problems or hints:
            conversation._write_back(
                message_dict, user, notification, reply, problems, hints
            )

    def _find_notification(self, message_dict):
        """Return the e-mail of ours that an e-mail answers, the newest.

        :return: mail.message, at most one
        """
        self.ensure_one()
        references = unfold_references(message_dict.get("references") or "")
        references += unfold_references(message_dict.get("in_reply_to") or "")
        wanted = {reference.strip() for reference in references[-33:]}
        wanted = [reference for reference in wanted if _OUR_MAILS in reference]
        if not wanted:
            return self.env["mail.message"].sudo()
        return (
            self.env["mail.message"]
            .sudo()
            .search(
                [*self._get_owner_mails_domain(), ("message_id", "in", wanted)],
                order="id desc",
                limit=1,
            )
        )

    def _count_received_mails(self, user):
        """Return how many e-mails a user, or strangers, wrote here within an hour."""
        self.ensure_one()
        return (
            self.env["mail.message"]
            .sudo()
            .search_count(
                [
                    ("model", "=", self._name),
                    ("res_id", "=", self.id),
                    ("message_type", "=", "email"),
                    ("create_date", ">", self.env.cr.now() - timedelta(hours=1)),
                    ("author_id", "=", user.partner_id.id),
                ]
            )
        )

    def _get_too_many_reason(self):
        return self.env._(
            "You sent %s e-mails to this conversation within an hour: no more are "
            "taken for now.",
            const.REPLIES_PER_H,
        )

    def _get_stranger_reason(self):
        return self.env._(
            "Only whoever was told of a text by e-mail can answer that e-mail, from "
            "the address that it was sent to."
        )

    def _get_refusal(self, notification, user):
        """Say why a user cannot answer an e-mail of ours any more, or nothing."""
        self.ensure_one()
        days = self.gateway_id.reply_link_days or const.REPLY_LINK_DAYS
        if notification.create_date < self.env.cr.now() - timedelta(days=days):
            return self.env._(
                "You answered an e-mail that is more than %s days old. Answer in Odoo "
                "instead.",
                days,
            )
        is_manager = user.has_group("sms_gateway_hub.group_manager")
        if not self._may_own(user) or not (self.user_id == user or is_manager):
            return self.env._("This conversation is not yours any more.")
        return False

    def _answer_by_mail(self, user, reply, mail):
        """Text what an e-mail says, as its author.

        :return: why nothing was sent, and what else the author must know: lists of
            sentences
        """
        self.ensure_one()
        if not reply.text:
            if reply.has_attachments:
                return [
                    self.env._("Attachments cannot be texted, and there was no text.")
                ], []
            return [
                self.env._(
                    "No text was found in your e-mail. Write it above the quoted "
                    "e-mail."
                )
            ], []
        own = self.sudo(False).with_user(user)
        uuid = self._get_mail_uuid(mail, reply)
        try:
            try:
                # What was prepared for a text that is refused is not kept.
                with self.env.cr.savepoint():
                    own._answer(reply.text, uuid=uuid)
            except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                # Odoo fetches an e-mail once, and gives it up if that fails. What
                # this transaction began with is old: a younger one sends the text.
                in_new_transaction(
                    own.env,
                    lambda env: (
                        env[self._name].browse(self.id)._answer(reply.text, uuid=uuid)
                    ),
                )
        except UserError as error:
            return [str(error.args[0] if error.args else error)], []
        except psycopg2.errors.UniqueViolation:
            # The same e-mail is taken in by somebody else at this moment.
            _logger.info("Conversation %s: e-mail delivered twice", self.id)
        except psycopg2.OperationalError:
            raise
        except Exception:
            _logger.exception("Conversation %s: e-mail not texted", self.id)
            return [
                self.env._("Something went wrong. Answer in Odoo, or try again later.")
            ], []
        if reply.has_attachments:
            return [], [
                self.env._(
                    "Your text is on its way. The attachment was not sent: attachments "
                    "cannot be texted."
                )
            ]
        return [], []

    def _get_mail_uuid(self, mail, reply):
        """Return the id of the text that an e-mail becomes: the same each time."""
        identity = str(mail.get("Message-Id") or "").strip()
        if not identity:
            parts = (mail.get("From"), mail.get("Date"), mail.get("In-Reply-To"))
            identity = "\n".join([*map(str, parts), reply.text])
        data = identity.encode("utf-8", "surrogateescape")
        return hashlib.sha256(data).hexdigest()[:32]

    def _keep_mail(self, message_dict, user, reply):
        """Keep an e-mail as a note that tells nobody, so that it is known again."""
        self.ensure_one()
        self.env["mail.message"].sudo().create(
            {
                "model": self._name,
                "res_id": self.id,
                "message_type": "email",
                "subtype_id": self.env.ref("mail.mt_note").id,
                "is_internal": True,
                "message_id": message_dict["message_id"],
                "subject": self._to_line(message_dict.get("subject"), 200),
                "body": self._text_to_html(reply.text[:_SHOWN_SIZE]),
                "author_id": user.partner_id.id,
                "email_from": message_dict.get("email_from"),
                "reply_to": message_dict.get("email_from"),
                "email_add_signature": False,
            }
        )

    def _write_back(self, message_dict, user, notification, reply, problems, hints):
        """Write to the author of an e-mail what became of it.

        :param user: res.users, or none: then nothing of the conversation is told
        :param list problems: sentences, why nothing was sent; none: it was sent
        :param list hints: more sentences
        :return: mail.mail
        """
        self.ensure_one()
        address = email_normalize(message_dict.get("email_from") or "", strict=False)
        if not address:
            return self.env["mail.mail"]
        subject = self._to_line(message_dict.get("subject"), 120)
        name = self._to_line(self._get_who(), _SUBJECT_NAME_SIZE) if user else "SMS"
        email_from = self._get_mail_sender(name)
        reply_to = user and self._get_reply_address()
        references = [message_dict["message_id"]]
        thread = {}
        if user:
            # So that this one can be answered, too.
            references.insert(0, notification.message_id)
            thread = {"model": self._name, "res_id": self.id}
        mail = (
            self.env["mail.mail"]
            .sudo()
            .create(
                {
                    "subject": subject
                    if subject.lower().startswith("re:")
                    else f"Re: {subject}",
                    "body_html": self._render_mail(
                        "sms_gateway_hub.conversation_mail_back",
                        {
                            "marker": reply_to and self._get_marker(),
                            "problems": problems,
                            "hints": hints,
                            "text": user and problems and reply.text[:_SHOWN_SIZE],
                            "odoo_url": user and self._get_odoo_url(),
                        },
                    ),
                    "author_id": False,
                    "email_from": email_from,
                    "reply_to": self._format_address(name, reply_to)
                    if reply_to
                    else email_from,
                    "email_to": address,
                    "references": " ".join(references),
                    "message_type": "user_notification",
                    "subtype_id": False,
                    "is_internal": True,
                    **thread,
                    "headers": repr({**_HEADERS, "Auto-Submitted": "auto-replied"}),
                    "auto_delete": True,
                }
            )
        )
        self._trigger_mail_queue()
        return mail
