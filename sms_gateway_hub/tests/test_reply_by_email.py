# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The e-mail that tells the owner, and answers by e-mail, fed to the mail gateway."""

import hashlib
from ast import literal_eval
from datetime import timedelta
from email import message_from_string, policy
from email.message import EmailMessage
from pathlib import Path
from unittest.mock import patch

from lxml import html as lxml_html
from psycopg2.errors import SerializationFailure

from odoo import fields
from odoo.tools import mute_logger

from odoo.addons.base.tests.common import MockSmtplibCase

from .. import const
from ..tools.gateway_data import InboundMessage
from .common import NUMBERS, LogLines, SmsGatewayCase

SAMPLES = Path(__file__).parent / "mail_samples"

# Complete e-mails, and the text that the contact gets of each.
SAMPLE_TEXTS = {
    "apple_mail": "I can call at five.\nPlease have these ready:\n\n"
    "• your policy number\n• the date",
    "disclaimer": "Yes, at five.\n\nKind regards\nGrace",
    "disclaimer_de": "Gerne um fünf!",
    "fairemail_html": "Yes, at five.\n\nBring:\n\n1. the form\n2. a pen",
    "gmail_android_de": "Ja, um fünf passt es. Grüße!",
    "gmail_web": "Yes, I will call you at five – on the number that you gave me in "
    "“May”. Is that all right for you? 👍\n\nSee you,\nGrace",
    "gmail_web_es": "Sí, a las cinco. ¿Le viene bien?",
    "html_only": "Yes! 😀\nMore here (https://example.com/info).\n\n- first\n- second",
    "inline_answers": "Yes, gladly.\n\nI do.",
    "iphone": "Sure, five it is 😀",
    "iphone_de": "Klar, um fünf.",
    "k9_de": "Um fünf ist gut.",
    "mutt_in_reply_to": "Five is fine with me.",
    "no_content_type": "Five is fine, really.",
    "outlook_android": "Yes, five o'clock. Room 3.",
    "outlook_desktop": "Yes, at five.\n\nI’ll bring the “blue” folder – it costs 20 €.",
    "outlook_desktop_de": "Gerne, um fünf.\nSchöne Grüße",
    "outlook_es": "Sí, claro.",
    "outlook_fr": "Oui, à cinq heures.",
    "outlook_ios_de_html": "Ja, gern!",
    "outlook_web": "Five is fine.\nThe form is at https://example.com/form",
    "samsung": "Yes, 5 pm.",
    "signed_with_logo": "Yes, at five.",
    "thunderbird_bottom_fr": "Oui, à cinq heures.",
    "thunderbird_flowed": "This is a longer answer that Thunderbird breaks into lines "
    "of at most seventy-two characters, with a space at the end of each.\n\n"
    "Second paragraph.",
    "unknown_language": "Igen, ötkor.",
    "with_attachment": "The offer is attached.",
    "yahoo": "Yes, five works for me.\nThank you!",
}
# Complete e-mails that hold nothing to text, and words of the e-mail back.
EMPTY_SAMPLES = {
    "attachment_only": "Attachments cannot be texted",
    "empty": "No text was found",
}

# What a program sends by itself: headers of each.
AUTOMATIC = [
    {"Auto-Submitted": "auto-replied"},
    {"Auto-Submitted": "auto-generated"},
    {"X-Autoreply": "yes"},
    {"X-Autorespond": "Re: SMS"},
    {"Precedence": "bulk"},
    {"Precedence": "auto_reply"},
    {"Return-Path": "<>"},
    {"From": "MAILER-DAEMON@example.com"},
]

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "{{ 7*7 }} ${7*7} #{7*7}",
    '<t t-out="7*7"/>',
    "=cmd|'/C calc'!A0",
    "a\x00b",
    "\u202eright\u202c כמה זמן?",
    "</td></table><script>alert(1)</script>",
    "x" * 10_000,
]


class MailCase(SmsGatewayCase):
    """Grace owns the conversation with Ada, and was told of a text by e-mail."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.company.alias_domain_id = cls.env["mail.alias.domain"].create(
            {
                "name": "sms.example.com",
                "catchall_alias": "catchall",
                "bounce_alias": "bounce",
                "default_from": "notifications",
            }
        )
        cls.owner = cls.new_user(
            "grace",
            "base.group_user,sms_gateway_hub.group_user",
            name="Grace Hopper",
            tz="America/New_York",
            signature="<div>Grace Hopper</div><div>Navy Supplies Ltd.</div>"
            "<div>+1 202 555 0199</div>",
        )
        cls.partner.user_id = cls.owner
        cls.last_mail_id = cls.env["mail.mail"].search([], limit=1).id or 0
        cls.arrived = 0

    @classmethod
    def text_in(cls, body="Can you call me at five?", number=NUMBERS[0]):
        """Let a text come in.

        :return: sms.conversation
        """
        cls.arrived += 1
        cls.env["sms.gateway.message"]._receive(
            cls.gateway,
            InboundMessage(event_key=f"mail-{cls.arrived}", number=number, body=body),
        )
        return cls.env["sms.conversation"].search([("number", "=", number)])

    def mails(self):
        """Return the e-mails of the test, oldest first."""
        return self.env["mail.mail"].search(
            [("id", ">", self.last_mail_id)], order="id"
        )

    def texts(self):
        return self.messages_of([("direction", "=", "outgoing")])

    def make_answer(self, body="Yes.", mail=None, **headers):
        """Return an answer to the last e-mail, as its recipient would send it."""
        answer = EmailMessage(policy=policy.SMTP)
        self.made = getattr(self, "made", 0) + 1
        headers = {
            "From": "Grace Hopper <grace@example.com>",
            "To": "catchall@sms.example.com",
            "Subject": "Re: SMS from Ada Lovelace",
            "Message-ID": f"<answer-{self.made}@mail.example.com>",
            "In-Reply-To": (mail or self.mails()[-1:]).message_id or "",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        for name, value in headers.items():
            if value:
                answer[name] = value
        answer.set_content(body)
        return answer

    def mail_in(self, raw):
        """Feed an e-mail to Odoo's mail gateway, as the job that fetches it does."""
        if isinstance(raw, EmailMessage):
            raw = raw.as_bytes()
        with mute_logger("odoo.addons.mail.models.mail_thread"):
            self.env["mail.thread"].message_process(None, raw)
        self.env.flush_all()

    def get_text(self, mail):
        return " ".join(lxml_html.fromstring(mail.body_html).text_content().split())

    def get_headers(self, mail):
        return literal_eval(mail.headers)


class TestOwnerMail(MailCase, MockSmtplibCase):
    """What the owner is told by e-mail."""

    def test_owner_is_told(self):
        """One e-mail is queued: who, what, when, whose, where to answer."""
        conversation = self.text_in("Can you call me\nat five?")
        mail = self.mails()
        self.assertFields(
            mail,
            {
                "state": "outgoing",
                "auto_delete": True,
                "subject": "SMS from Ada Lovelace: Can you call me at five?",
                "recipient_ids": self.owner.partner_id,
                "model": "sms.conversation",
                "res_id": conversation.id,
                "message_type": "user_notification",
                "email_from": '"Ada Lovelace (SMS)" <notifications@sms.example.com>',
                "reply_to": '"Ada Lovelace" <catchall@sms.example.com>',
            },
        )
        text = self.get_text(mail)
        for words in (
            "Can you call meat five?",
            NUMBERS[0],
            "Gateway of the test",
            "Salesperson of the contact",
            "Answer until",
            "Write your answer above this line",
            "what you write is texted to Ada Lovelace",
        ):
            self.assertIn(words, text)
        self.assertIn("Can you call me<br/>at five?", mail.body_html)
        self.assertIn(f"/odoo/sms.conversation/{conversation.id}", mail.body_html)
        link = self.env["sms.reply.link"]._get_for(conversation, self.owner)
        self.assertIn(f'href="{link._get_url()}"', mail.body_html)
        headers = self.get_headers(mail)
        self.assertEqual(headers["Auto-Submitted"], "auto-generated")
        self.assertIn("OOF", headers["X-Auto-Response-Suppress"])
        # 128 bits of our own.
        self.assertRegex(mail.message_id, r"^<[0-9a-f]{32}-sms-answer@[^>]+>$")

    def test_time_and_language_are_the_owners(self):
        """Times are in the owner's time zone and language."""
        self.env["res.lang"]._activate_lang("fr_FR")
        conversation = self.text_in()
        for zone, lang, form in (
            ("America/New_York", "en_US", "%-m/%-d/%y, %-I:%M %p"),
            ("Asia/Tokyo", "fr_FR", "%d/%m/%Y %H:%M"),
        ):
            self.owner.write({"tz": zone, "lang": lang})
            mail = conversation._send_owner_mail(conversation.unanswered_message_id)
            shown = fields.Datetime.context_timestamp(
                conversation.with_context(tz=zone), conversation.answer_until
            )
            self.assertIn(
                shown.strftime(form), self.get_text(mail).replace("\u202f", " ")
            )

    def test_handing_over(self):
        """The new owner reads who handed it over, and the note, escaped."""
        conversation = self.text_in()
        other = self.new_user("ada", "base.group_user,sms_gateway_hub.group_user")
        manager = self.new_user("boss", "base.group_user,sms_gateway_hub.group_manager")
        conversation.with_user(manager)._reassign(other, note="Please <b>hurry</b>")
        mail = self.mails()[-1]
        self.assertEqual(mail.recipient_ids, other.partner_id)
        self.assertIn("Please <b>hurry</b>", self.get_text(mail))
        self.assertIn("Handed over by Boss", self.get_text(mail))
        self.assertIn("Can you call me at five?", self.get_text(mail))

    def test_waits_for_commit(self):
        """Nothing is sent while the text is taken in: the queue's job is called."""
        cron = self.env.ref("mail.ir_cron_mail_scheduler_action")
        triggers = self.env["ir.cron.trigger"]
        before = triggers.search_count([("cron_id", "=", cron.id)])
        with self.mock_smtplib_connection():
            self.text_in()
        self.assertFalse(self.emails)
        self.assertGreater(triggers.search_count([("cron_id", "=", cron.id)]), before)

    def test_on_the_wire(self):
        """What leaves by SMTP can be answered: Message-Id, headers, plain part."""
        self.text_in("Можно? 👍")
        mail = self.mails()
        message_id = mail.message_id
        with self.mock_smtplib_connection():
            mail.send()
        [sent] = self.emails
        self.assertFalse(mail.exists())
        wire = message_from_string(sent["message"], policy=policy.SMTP)
        self.assertEqual(sent["smtp_to_list"], ["grace@example.com"])
        self.assertEqual(wire["Message-Id"], message_id)
        # As it is: what is encoded on the way is not decoded by mail programs.
        self.assertIn(f"eferences: {message_id}", sent["message"])
        self.assertEqual(wire["Auto-Submitted"], "auto-generated")
        self.assertIn("catchall@sms.example.com", wire["Reply-To"])
        plain = wire.get_body(("plain",)).get_content()
        quoted = "\n".join(f"> {line}" for line in plain.splitlines())
        answer = self.make_answer(f"Да.\n\n{quoted}", In_Reply_To=message_id)
        self.mail_in(answer)
        self.assertEqual(self.texts().body, "Да.")
        # The same where the quote has no signs.
        self.mail_in(self.make_answer(f"Нет.\n\n{plain}", In_Reply_To=message_id))
        self.assertEqual(self.texts()[-1].body, "Нет.")

    def test_nobody_can_write(self):
        """Without an address for answers, nothing is promised."""
        self.env.company.alias_domain_id = False
        self.text_in()
        mail = self.mails()
        self.assertNotIn("##---", mail.body_html)
        self.assertNotIn("what you write is texted", self.get_text(mail))
        self.assertEqual(mail.reply_to, mail.email_from)

    def test_service_texts(self):
        """A text of a service says that it cannot be answered."""
        self.gateway.responsible_user_id = self.owner
        self.text_in("Your parcel", number="Parcels")
        text = self.get_text(self.mails())
        self.assertIn("is no phone number", text)
        self.assertNotIn("what you write is texted", text)

    def test_whoever_gets_none(self):
        """No address, or not active: no e-mail, and nothing fails."""
        conversation = self.text_in()
        self.owner.partner_id.email = False
        self.assertFalse(
            conversation._send_owner_mail(conversation.unanswered_message_id)
        )
        self.owner.partner_id.email = "grace@example.com"
        self.owner.active = False
        self.assertFalse(
            conversation._send_owner_mail(conversation.unanswered_message_id)
        )

    def test_inbox_users_get_one(self):
        """Who reads Odoo's messages in Odoo is told by e-mail all the same."""
        self.owner.notification_type = "inbox"
        self.text_in()
        self.assertEqual(len(self.mails()), 1)

    def test_no_chatter_shows_it(self):
        """Neither the contact's nor the conversation's chatter has it."""
        conversation = self.text_in()
        message = self.mails().mail_message_id
        for record in (conversation, self.partner):
            found = self.env["mail.message"]._message_fetch(domain=None, thread=record)
            self.assertNotIn(message, found["messages"])
        # No other e-mail about the conversation tells its Message-Id.
        posted = conversation.message_post(
            body="Note",
            partner_ids=self.env.user.partner_id.ids,
            subtype_xmlid="mail.mt_comment",
        )
        values = conversation._notify_by_email_get_base_mail_values(posted, [])
        self.assertNotIn("-sms-answer@", values["references"])

    def test_a_flood_of_texts_is_no_flood_of_mails(self):
        """So many an hour, the last one says that no more come."""
        for number in range(const.MAILS_PER_H + 3):
            self.text_in(f"Text {number}")
        mails = self.mails()
        self.assertEqual(len(mails), const.MAILS_PER_H)
        self.assertIn("no more e-mails", self.get_text(mails[-1]))
        self.assertNotIn("no more e-mails", self.get_text(mails[-2]))
        # The next hour.
        self.force(
            mails.mail_message_id,
            create_date=fields.Datetime.now() - timedelta(hours=2),
        )
        self.text_in("Later")
        self.assertEqual(len(self.mails()), const.MAILS_PER_H + 1)

    def store(self, *texts):
        """Store texts as the door does; they are taken in together later."""
        self.gateway.responsible_user_id = self.owner
        self.env["sms.gateway.event"].sudo()._store(
            self.gateway,
            [
                InboundMessage(event_key=f"together-{n}", number=number, body=body)
                for n, (number, body) in enumerate(texts)
            ],
        )

    def test_texts_that_came_together(self):
        """Each is told of as if it had come alone: by its own e-mail, some an hour."""
        with patch.object(const, "MAILS_PER_H", 2):
            self.store(
                (NUMBERS[0], "One"),
                (NUMBERS[1], "Two"),
                (NUMBERS[0], "Three"),
                (NUMBERS[0], "Four"),
            )
            self.apply_events()
        mails = self.mails()
        self.assertEqual(len(mails), 3)
        for mail, words in zip(mails, ("One", "Two", "Three"), strict=True):
            self.assertIn(words, self.get_text(mail))
            self.assertEqual(mail.references, mail.message_id)
            self.assertEqual(mail.recipient_ids, self.owner.partner_id)
        self.assertEqual(len(set(mails.mapped("message_id"))), 3)
        self.assertEqual(
            ["no more e-mails" in self.get_text(mail) for mail in mails],
            [False, False, True],
        )
        self.assertEqual(
            mails[0].mail_message_id.res_id, mails[2].mail_message_id.res_id
        )

    @mute_logger(
        "odoo.addons.sms_gateway_hub.models.sms_conversation",
        "odoo.addons.sms_gateway_hub.models.sms_gateway_event",
    )
    def test_one_e_mail_that_cannot_be_written(self):
        """It costs neither its text nor the e-mails of the others."""
        conversations = type(self.env["sms.conversation"])
        prepare = conversations._prepare_owner_mail

        def stumble(this, message, note, by):
            if message.body == "Poison":
                raise ZeroDivisionError
            return prepare(this, message, note, by)

        self.patch(conversations, "_prepare_owner_mail", stumble)
        self.store((NUMBERS[0], "One"), (NUMBERS[1], "Poison"), (NUMBERS[2], "Two"))
        self.apply_events()
        messages = self.messages_of([("direction", "=", "incoming")])
        self.assertEqual(messages.mapped("body"), ["One", "Poison", "Two"])
        self.assertEqual(set(messages.conversation_id.mapped("state")), {"to_answer"})
        self.assertEqual(len(self.mails()), 2)

    def test_hostile_texts_are_shown_as_they_are(self):
        """T8: neither HTML nor templates, and no header comes of a text."""
        for body in HOSTILE:
            with self.row(body[:20]):
                self.text_in(body)
                mail = self.mails()
                clean = body.replace("\x00", "")
                self.assertIn(" ".join(clean.split()), self.get_text(mail))
                root = lxml_html.fromstring(mail.body_html)
                self.assertFalse(root.xpath("//script|//img|//*[@onerror]"))
                self.assertLess(len(mail.subject), 160)
        self.partner.name = 'Eve "x"\r\nBcc: evil@example.com'
        self.text_in("a\r\nBcc: evil@example.com\r\n\r\nb")
        mail = self.mails()
        with self.mock_smtplib_connection():
            mail.send()
        wire = message_from_string(self.emails[0]["message"], policy=policy.SMTP)
        self.assertIsNone(wire["Bcc"])
        self.assertEqual(self.emails[0]["smtp_to_list"], ["grace@example.com"])

    def test_logs_hold_no_secret(self):
        """T9: no Message-Id, number or text at INFO."""
        with LogLines() as logs:
            self.text_in("Can you call me at five?")
            mail = self.mails()
            self.mail_in(self.make_answer("My secret answer"))
        text = logs.text(level=20)
        self.assertNotIn(NUMBERS[0], text)
        self.assertNotIn("secret answer", text)
        self.assertNotIn(mail.message_id.split("-")[0].strip("<"), text)


class TestReplyByEmail(MailCase):
    """What becomes of answers."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.conversation = cls.text_in()
        cls.notification = cls.env["mail.mail"].search([("id", ">", cls.last_mail_id)])

    def assertRefused(self, *words, sent=0):
        """Nothing was texted, and one e-mail went back that says why."""
        self.assertEqual(len(self.texts()), sent)
        back = self.mails() - self.notification
        self.assertEqual(len(back), 1)
        self.assertEqual(back.state, "outgoing")
        self.assertEqual(self.get_headers(back)["Auto-Submitted"], "auto-replied")
        text = self.get_text(back)
        self.assertIn("Nothing was texted", text)
        for word in words:
            self.assertIn(word, text)
        return back

    def assertNobodyToldOf(self):
        """Nobody but the author of an e-mail is written to."""
        self.assertFalse(self.mails() - self.notification)

    # -- What goes out ---------------------------------------------------------

    def test_samples(self):
        """Each mail program's answer becomes exactly the text that was written."""
        for name, expected in SAMPLE_TEXTS.items():
            with self.row(name):
                self.mail_in(self.read_sample(name))
                self.assertFields(
                    self.texts(),
                    {
                        "body": expected,
                        "state": "queued",
                        "kind": "reply",
                        "number": NUMBERS[0],
                        "author_id": self.owner,
                        "partner_id": self.partner,
                    },
                    name,
                )
        names = {path.stem for path in SAMPLES.glob("*.eml")}
        self.assertEqual(names, set(SAMPLE_TEXTS) | set(EMPTY_SAMPLES))

    def read_sample(self, name):
        raw = (SAMPLES / f"{name}.eml").read_bytes()
        return raw.replace(b"@NOTIFICATION@", self.notification.message_id.encode())

    def test_empty_samples(self):
        """Where nothing is to be texted, the author is told."""
        for name, words in EMPTY_SAMPLES.items():
            with self.row(name):
                self.mail_in(self.read_sample(name))
                self.assertRefused(words)

    def test_answer_is_done(self):
        """The activity is done, the conversation waits, the e-mail is kept quietly."""
        self.assertTrue(self.conversation.answer_activity_id)
        self.conversation.message_subscribe(self.env.user.partner_id.ids)
        self.mail_in(self.make_answer("Yes, at five.\n\n> ##--- Write"))
        self.assertEqual(self.texts().body, "Yes, at five.")
        self.assertFields(
            self.conversation,
            {"state": "waiting", "answer_activity_id": self.env["mail.activity"]},
        )
        note = self.env["mail.message"].search(
            [("message_id", "=", "<answer-1@mail.example.com>")]
        )
        self.assertFields(
            note,
            {
                "model": "sms.conversation",
                "res_id": self.conversation.id,
                "author_id": self.owner.partner_id,
                "is_internal": True,
            },
        )
        self.assertFalse(note.notification_ids)
        self.assertNobodyToldOf()

    def test_once(self):
        """The same e-mail twice is one text, also where the note is gone."""
        answer = self.make_answer("Yes.")
        self.mail_in(answer)
        self.mail_in(answer)
        self.assertEqual(len(self.texts()), 1)
        uuid = hashlib.sha256(b"<answer-1@mail.example.com>").hexdigest()[:32]
        self.assertEqual(self.texts().uuid, uuid)
        self.env["mail.message"].search(
            [("message_id", "=", "<answer-1@mail.example.com>")]
        ).unlink()
        self.mail_in(answer)
        self.assertEqual(len(self.texts()), 1)
        self.assertNobodyToldOf()

    def test_conflicts(self):
        """An answer that meets another text at its conversation is not lost.

        Odoo fetches an e-mail once, and gives it up if it fails.
        """
        self.text_in()
        lock = type(self.env["sms.conversation"])._lock
        tries = []

        def conflicting(conversation):
            tries.append(conversation)
            if len(tries) == 1:
                raise SerializationFailure("could not serialize access")
            return lock(conversation)

        with (
            patch.object(type(self.env["sms.conversation"]), "_lock", conflicting),
            self.own_cursors(),
        ):
            self.mail_in(self.make_answer("At five."))
        self.assertEqual(self.texts().mapped("body"), ["At five."])

    def test_without_message_id(self):
        """An e-mail without a Message-Id is texted once as well."""
        answer = self.make_answer(
            "Yes.", Message_ID="", Date="Sat, 21 Nov 2026 10:15:00 +0100"
        )
        self.mail_in(answer)
        self.mail_in(answer)
        self.assertEqual(len(self.texts()), 1)

    def test_further_answers(self):
        """An answer to one's own answer, and one that refers to several e-mails."""
        self.mail_in(self.make_answer("One."))
        references = f"{self.notification.message_id}\r\n <answer-1@mail.example.com>"
        self.mail_in(
            self.make_answer(
                "Two.",
                mail=self.notification,
                In_Reply_To="<answer-1@mail.example.com>",
                References=references.replace("\r\n", ""),
            )
        )
        self.assertEqual(self.texts().mapped("body"), ["One.", "Two."])

    def test_many_answers(self):
        """More than core's loop guard lets through, up to our limit."""
        for number in range(const.REPLIES_PER_H):
            self.mail_in(self.make_answer(f"Text {number}", mail=self.notification))
        self.assertEqual(len(self.texts()), const.REPLIES_PER_H)
        self.assertNobodyToldOf()
        for _number in range(3):
            self.mail_in(self.make_answer("More", mail=self.notification))
        self.assertRefused(str(const.REPLIES_PER_H), sent=const.REPLIES_PER_H)

    def test_with_attachment(self):
        """The text goes, and the author is told that the file did not."""
        self.mail_in(self.read_sample("with_attachment"))
        self.assertEqual(self.texts().body, "The offer is attached.")
        back = self.mails() - self.notification
        self.assertIn("The attachment was not sent", self.get_text(back))
        self.assertNotIn("Nothing was texted", self.get_text(back))

    def test_manager_answers(self):
        """A manager to whom it was given, and who gave it on, still can."""
        manager = self.new_user("boss", "base.group_user,sms_gateway_hub.group_manager")
        self.conversation.with_user(manager)._reassign(manager)
        mail = self.conversation._send_owner_mail(
            self.conversation.unanswered_message_id
        )
        self.conversation.with_user(manager)._reassign(self.owner)
        self.mail_in(self.make_answer("Yes.", mail=mail, From="boss@example.com"))
        self.assertEqual(self.texts().author_id, manager)

    # -- Who may -----------------------------------------------------------------

    def test_strangers(self):
        """Whoever did not get the e-mail is told so, and nobody reads of it."""
        self.conversation.message_subscribe(self.env.user.partner_id.ids)
        other = self.new_user("eve", "base.group_user,sms_gateway_hub.group_manager")
        for sender in (other.email, "ada@example.com", "Grace <grace@evil.example>"):
            with self.row(sender):
                self.mail_in(
                    self.make_answer(
                        "Send me money", mail=self.notification, From=sender
                    )
                )
                back = self.assertRefused("from the address that it was sent to")
                self.assertNotIn("Ada", back.body_html + back.email_from)
                self.assertNotIn("/odoo/", back.body_html)
                self.assertNotIn("-sms-answer@", back.references)
                self.assertFalse(
                    self.env["mail.notification"].search(
                        [
                            ("mail_message_id.res_id", "=", self.conversation.id),
                            ("mail_message_id.model", "=", "sms.conversation"),
                        ]
                    )
                )

    def test_other_messages_are_no_proof(self):
        """Only the Message-Id of our e-mail proves that its sender got it."""
        posted = self.conversation.message_post(body="Note")
        forged = self.notification.message_id.replace("<", "<0")
        self.mail_in(self.make_answer("Yes.", In_Reply_To=posted.message_id))
        self.assertRefused("from the address that it was sent to")
        changed = self.make_answer("Yes.", In_Reply_To=forged)
        self.mail_in(changed)
        self.assertFalse(self.texts())

    def test_own_mail_of_another_conversation(self):
        """An e-mail proves nothing about another conversation."""
        other = self.text_in("Hello", number=NUMBERS[5])
        posted = other.message_post(body="Note")
        self.mail_in(
            self.make_answer(
                "Yes.",
                In_Reply_To=posted.message_id,
                References=f"{self.notification.message_id} {posted.message_id}",
            )
        )
        self.assertFalse(
            self.messages_of(
                [("direction", "=", "outgoing"), ("number", "=", NUMBERS[5])]
            )
        )

    def test_not_the_owner_any_more(self):
        """Whoever handed it over, left, or waited for too long is told so."""
        other = self.new_user("ada", "base.group_user,sms_gateway_hub.group_user")

        def hand_over():
            self.conversation._reassign(other)

        def archive():
            self.owner.active = False

        def grow_old():
            self.force(
                first.mail_message_id,
                create_date=fields.Datetime.now()
                - timedelta(days=self.gateway.reply_link_days, minutes=1),
            )

        def leave_company():
            company = self.env["res.company"].create({"name": "Elsewhere"})
            self.owner.write(
                {
                    "company_id": company.id,
                    "company_ids": [fields.Command.set(company.ids)],
                }
            )

        first = self.notification
        for change, words in (
            (hand_over, "not yours any more"),
            (leave_company, "not yours any more"),
            (grow_old, "days old"),
            (archive, "from the address"),
        ):
            with self.row(change.__name__):
                change()
                self.notification = self.mails()
                self.mail_in(self.make_answer("Yes.", mail=first))
                back = self.assertRefused(words)
                if change == grow_old:
                    url = f"/odoo/sms.conversation/{self.conversation.id}"
                    self.assertIn(url, back.body_html)
            self.notification = first

    # -- What is refused -----------------------------------------------------------

    def test_too_long(self):
        """The author reads how many parts it needs, and how many there may be."""
        self.gateway.max_segments = 2
        self.mail_in(self.make_answer("word " * 100))
        back = self.assertRefused(
            "needs 4 SMS parts, the gateway allows 2", "word word"
        )
        # A shorter text as an answer to that one goes out.
        self.mail_in(
            self.make_answer(
                "Short.",
                In_Reply_To=back.message_id,
                References=f"{back.references} {back.message_id}",
            )
        )
        self.assertEqual(self.texts().body, "Short.")

    def test_gate_refuses(self):
        """Consent is asked here, too: whoever texted STOP gets nothing."""
        self.text_in("STOP")
        self.notification = self.mails()
        before = len(self.texts())
        first = self.notification.sorted("id")[0]
        self.mail_in(self.make_answer("But please", mail=first))
        self.assertRefused("The text was not sent", sent=before)

    def test_no_gateway(self):
        """Where no gateway is in service, the author is told."""
        self.gateway.state = "disabled"
        self.mail_in(self.make_answer("Yes."))
        self.assertRefused("The text was not sent")

    def test_programs_are_not_answered(self):
        """Vacation notes, bounces and mailings: no text, no e-mail back, no note."""
        for headers in AUTOMATIC:
            with self.row(str(headers)):
                answer = self.make_answer("I am away", mail=self.notification)
                for name, value in headers.items():
                    del answer[name]
                    answer[name] = value
                self.mail_in(answer)
                self.assertFalse(self.texts())
                self.assertNobodyToldOf()

    def test_trouble_holds_up_nobody(self):
        """Whatever fails within is told in words, and nothing is raised."""
        model = type(self.env["sms.conversation"])
        logger = "odoo.addons.sms_gateway_hub.models.sms_conversation_mail"
        with (
            patch.object(model, "_answer", side_effect=KeyError("secret")),
            mute_logger(logger),
        ):
            self.mail_in(self.make_answer("Yes."))
        back = self.assertRefused("Something went wrong")
        self.assertNotIn("secret", back.body_html)

    def test_hostile_answers(self):
        """What an e-mail says is texted and kept as it is, never evaluated."""
        self.mail_in(self.make_answer("{{ 7*7 }} <img src=x onerror=alert(1)>"))
        self.assertEqual(self.texts().body, "{{ 7*7 }} <img src=x onerror=alert(1)>")
        note = self.env["mail.message"].search(
            [("message_id", "=", "<answer-1@mail.example.com>")]
        )
        self.assertIn("&lt;img", note.body)
