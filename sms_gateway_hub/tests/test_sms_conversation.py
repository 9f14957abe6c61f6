# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Conversations: opened by texts, owned, answered, closed."""

import json
from datetime import timedelta
from itertools import count
from unittest.mock import patch

from psycopg2.errors import SerializationFailure

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..tools import transaction
from ..tools.gateway_data import InboundMessage
from .common import NUMBERS, SmsGatewayCase

_keys = count()


class ConversationCase(SmsGatewayCase):
    """An owner, a colleague and a manager, and texts that come in."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        contacts = "base.group_user,base.group_partner_manager"
        cls.owner = cls.new_user("sms_owner", contacts)
        cls.colleague = cls.new_user("sms_colleague", contacts)
        cls.manager = cls.new_user(
            "sms_manager", f"{contacts},sms_gateway_hub.group_manager"
        )
        cls.partner.mobile = NUMBERS[0]
        cls.partner.user_id = cls.owner
        cls.gateway.responsible_user_id = cls.manager
        cls.company = cls.env.company
        cls.gateway.company_id = cls.company

    def text_in(self, body="Is it ready?", number=NUMBERS[0], gateway=None):
        """Let somebody text us; returns the message."""
        message = self.env["sms.gateway.message"]._receive(
            gateway or self.gateway,
            InboundMessage(event_key=f"k{next(_keys)}", number=number, body=body),
        )
        self.env.flush_all()
        return message

    def conversation(self, number=NUMBERS[0], company=None):
        found = self.env["sms.conversation"]._find(number, company or self.company)
        found.invalidate_recordset()
        return found

    def compose(self, user, partner, body="Yes, come by", **values):
        """Text a contact from its chatter."""
        composer = (
            self.env["sms.composer"]
            .with_user(user)
            .with_context(
                default_composition_mode="comment",
                default_res_model="res.partner",
                default_res_id=partner.id,
            )
            .create({"body": body, **values})
        )
        composer.action_send_sms()
        self.env.flush_all()
        return self.messages_of([("direction", "=", "outgoing")])[-1:]

    def activities_of(self, record, kind="answer", active=True):
        return (
            self.env["mail.activity"]
            .with_context(active_test=False)
            .search(
                [
                    ("res_model", "=", record._name),
                    ("res_id", "=", record.id),
                    ("active", "=", active),
                    (
                        "activity_type_id",
                        "=",
                        self.env.ref(f"sms_gateway_hub.mail_activity_type_{kind}").id,
                    ),
                ]
            )
        )

    def bus_rows(self, kind):
        """Return what went on the bus: pairs of channel and payload."""
        rows = []
        self.env.cr.precommit.run()
        for row in self.env["bus.bus"].sudo().search([]):
            message = json.loads(row.message)
            if message["type"] == kind:
                rows.append((row.channel, message["payload"]))
        return rows


@tagged("post_install", "-at_install")
class TestIncoming(ConversationCase):
    """What a text that comes in makes of its conversation."""

    def test_opened(self):
        """A text opens a conversation for its owner, with a deadline."""
        message = self.text_in("Is it\nready?")
        conversation = self.conversation()
        self.assertFields(
            conversation,
            {
                "partner_id": self.partner,
                "contact_reason": "Owner of the number",
                "user_id": self.owner,
                "owner_reason": "Salesperson of the contact",
                "gateway_id": self.gateway,
                "state": "to_answer",
                "unanswered_since": message.create_date,
                "unanswered_message_id": message,
                "answer_until": message.create_date + timedelta(hours=4),
                "is_overdue": False,
                "last_at": message.create_date,
                "last_direction": "incoming",
                "last_body": "Is it ready?",
                "can_answer": True,
                "no_answer_reason": False,
            },
        )
        self.assertFields(
            message,
            {
                "conversation_id": conversation,
                "owner_id": self.owner,
                "contact_reason": "Owner of the number",
                "res_model": "res.partner",
                "res_id": self.partner.id,
            },
        )
        activity = self.activities_of(self.partner)
        self.assertEqual(activity, conversation.answer_activity_id)
        self.assertEqual(activity.user_id, self.owner)
        self.assertIn("Ada Lovelace", activity.summary)
        self.assertIn("Is it", activity.note)

    def test_contact(self):
        """From number to contact: the whole number, in the order of the design."""
        partners = self.env["res.partner"]
        shared = NUMBERS[1]
        pair = partners.create([{"name": name, "mobile": shared} for name in "AB"])
        # Nobody's any more: both have it, nobody owns it.
        pair.mobile_ids._release_ownership()
        alone = partners.create({"name": "C", "mobile": NUMBERS[2]})
        alone.mobile_ids._release_ownership()
        phone_only = partners.create({"name": "D", "phone": NUMBERS[3]})
        archived = partners.create({"name": "E", "mobile": NUMBERS[4]})
        archived.active = False
        for label, number, before, partner, reason in (
            ("owner", NUMBERS[0], None, self.partner, "Owner of the number"),
            ("first of several", shared, None, pair[0],
             "The first of 2 contacts with this number"),
            ("texted last", shared, lambda: self.enqueue(
                number=shared, partner_id=pair[1].id, kind="broadcast"), pair[1],
             "The one of 2 contacts with this number that was texted last"),
            ("the thread's", shared, lambda: self.conversation_with(shared, pair[1]),
             pair[1], "Was texted as this contact"),
            ("the thread's, who has another number now", NUMBERS[9],
             lambda: self.conversation_with(NUMBERS[9], pair[1]),
             pair[1], "Had this number before"),
            ("the thread's, and somebody else has the number now", NUMBERS[2],
             lambda: self.conversation_with(NUMBERS[2], pair[1]),
             alone, "The only contact with this number"),
            ("chosen", NUMBERS[0], lambda: self.conversation_with(
                NUMBERS[0], alone, contact_by_hand=True, contact_reason="Chosen"),
             alone, "Chosen"),
            ("chosen: none", NUMBERS[0], lambda: self.conversation_with(
                NUMBERS[0], partners, contact_by_hand=True, contact_reason="None"),
             partners, "None"),
            ("chosen, archived", NUMBERS[0], lambda: self.conversation_with(
                NUMBERS[0], archived, contact_by_hand=True), self.partner,
             "Owner of the number"),
            ("the only one", NUMBERS[2], None, alone,
             "The only contact with this number"),
            ("the only one, by phone", NUMBERS[3], None, phone_only,
             "The only contact with this number"),
            ("archived", NUMBERS[4], None, partners, "No contact has this number"),
            ("a part", NUMBERS[0][:-1], None, partners, "No contact has this number"),
            ("unknown", NUMBERS[9], None, partners, "No contact has this number"),
            ("short code", "4711", None, partners, "The sender is no phone number"),
            ("name", "ACME", None, partners, "The sender is no phone number"),
        ):  # fmt: skip
            with self.row(label):
                if before:
                    before()
                message = self.text_in(number=number)
                self.assertEqual(message.partner_id, partner)
                self.assertEqual(message.contact_reason, reason)
                conversation = self.conversation(number)
                self.assertEqual(conversation.partner_id, partner)
                self.assertEqual(message.conversation_id, conversation)
                self.assertEqual(
                    conversation.can_answer, number.startswith("+"), "can be answered"
                )
                answer = self.activities_of(partner or conversation)
                self.assertEqual(answer.summary, message.display_name[9:])

    def conversation_with(self, number, partner, **values):
        key = number, self.company.id
        conversation = self.env["sms.conversation"]._get_many([key])[key]
        conversation.sudo().write(
            {
                "partner_id": partner.id,
                "contact_reason": "Was texted as this contact",
                "last_at": fields.Datetime.now(),
                **values,
            }
        )
        self.env.flush_all()
        return conversation

    def test_states(self):
        """Who wrote last decides; a keyword for the machine needs no person."""
        for label, bodies, state, activities in (
            ("a question", ["Hello?"], "to_answer", 1),
            ("two of them", ["Hello?", "Anybody?"], "to_answer", 1),
            ("a first STOP", ["STOP"], "closed", 0),
            ("STOP after a question", ["Hello?", "STOP"], "to_answer", 1),
            ("HELP", ["HELP"], "closed", 0),
            ("empty", [""], "to_answer", 1),
        ):
            with self.row(label):
                texts = [self.text_in(body) for body in bodies]
                conversation = self.conversation()
                self.assertEqual(conversation.state, state)
                self.assertEqual(len(self.activities_of(self.partner)), activities)
                if state == "to_answer":
                    self.assertEqual(conversation.unanswered_message_id, texts[0])

    def test_stop_is_applied_whatever_breaks(self):
        """A rule, a document or a notification that raises costs no text."""
        conversations = type(self.env["sms.conversation"])
        rules = type(self.env["sms.assignment.rule"])

        def broken(*_args, **_kwargs):
            raise ZeroDivisionError

        for model, name in (
            (rules, "_find_owner"),
            (conversations, "_find_document"),
            (conversations, "_make_document"),
            (conversations, "_get_fallback_owners"),
            (conversations, "_schedule_answer"),
            (conversations, "_send_owner_mail"),
            (conversations, "_auto_reply"),
        ):
            with self.row(name), patch.object(model, name, broken):
                with mute_logger("odoo.addons.sms_gateway_hub.models.sms_conversation"):
                    question, stop = self.text_in("Hello?"), self.text_in("STOP")
                self.assertEqual(stop.keyword_family, "stop")
                self.assertEqual(
                    self.env["sms.consent"]._get_states([NUMBERS[0]]),
                    {NUMBERS[0]: "opted_out"},
                )
                conversation = self.conversation()
                self.assertEqual(conversation.state, "to_answer")
                self.assertEqual(conversation.unanswered_message_id, question)
                if name != "_get_fallback_owners":
                    self.assertEqual(conversation.user_id, self.owner)
                if name not in ("_get_fallback_owners", "_schedule_answer"):
                    self.assertTrue(self.activities_of(self.partner))

    def test_own_numbers(self):
        """A text from a gateway of ours is kept, and nobody has to answer it."""
        self.make_gateway(name="Ours", sender=NUMBERS[5])
        message = self.text_in(number=NUMBERS[5])
        self.assertFalse(message._needs_answer())
        self.assertEqual(self.conversation(NUMBERS[5]).state, "closed")

    def test_owner_that_left(self):
        """Whoever was archived or left the company owns nothing that comes."""
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        for label, values in (
            ("archived", {"active": False}),
            ("of another company", {
                "company_id": elsewhere.id,
                "company_ids": [Command.set(elsewhere.ids)],
            }),
        ):  # fmt: skip
            with self.row(label):
                self.text_in()
                self.assertEqual(self.conversation().user_id, self.owner)
                self.owner.write(values)
                message = self.text_in()
                conversation = self.conversation()
                self.assertEqual(conversation.user_id, self.manager)
                self.assertEqual(
                    conversation.owner_reason, "Responsible for the gateway"
                )
                self.assertEqual(message.owner_id, self.manager)
        with self.row("nobody at all"):
            self.gateway.responsible_user_id = False
            self.partner.user_id = False
            self.text_in()
            self.assertFalse(self.conversation().user_id)
            self.assertEqual(self.conversation().state, "to_answer")
            self.assertFalse(self.activities_of(self.partner))

    def test_companies(self):
        """At a shared gateway a text belongs to who texted last, else the contact's."""
        other = self.env["res.company"].create({"name": "Other"})
        self.gateway.company_id = False
        number = NUMBERS[6]
        contacts = self.env["res.partner"].create(
            [
                {"name": company.name, "mobile": number, "company_id": company.id}
                for company in (self.company, other)
            ]
        )
        for label, texted_by, message_company, company, partner in (
            ("nobody texted: not decided", None, False, self.company, contacts[0]),
            ("the other texted", other, other, other, contacts[1]),
            ("we texted", self.company, self.company, self.company, contacts[0]),
        ):
            with self.row(label):
                if texted_by:
                    self.enqueue(
                        number=number, company_id=texted_by.id, kind="broadcast"
                    )
                    message = self.text_in(number=number)
                    self.assertEqual(message.company_id, message_company)
                    self.assertEqual(message.partner_id, partner)
                    self.assertEqual(message.conversation_id.company_id, company)
                else:
                    message = self.text_in(number=NUMBERS[7])
                    self.assertFalse(message.company_id)
                    conversation = message.conversation_id
                    self.assertEqual(conversation.company_id, company)
                    thread = conversation.with_user(self.manager).get_thread()
                    self.assertEqual(
                        [row["id"] for row in thread["messages"]], message.ids
                    )

    def test_live(self):
        """Screens learn the ids, the owner alone the text."""
        self.env["bus.bus"].sudo().search([]).unlink()
        self.text_in("For the owner only")
        conversation = self.conversation()
        inbound = self.bus_rows("sms_gateway_hub.inbound")
        self.assertEqual(len(inbound), 1)
        channel, payload = inbound[0]
        self.assertIn(str(self.owner.partner_id.id), channel)
        self.assertEqual(
            payload,
            {
                "conversation_id": conversation.id,
                "title": "SMS from Ada Lovelace",
                "body": "For the owner only",
            },
        )
        updates = [
            payload
            for _channel, payload in self.bus_rows("sms_gateway_hub.update")
            if "conversation_ids" in payload
        ]
        self.assertEqual(updates, [{"conversation_ids": conversation.ids}])

    def test_queries(self):
        """A text that comes in costs a bounded number of statements."""
        self.text_in()
        self.env.invalidate_all()
        with self.count_queries() as statements:
            self.text_in("Once more")
        self.assertLessEqual(len(statements), 60, "\n".join(statements))

    def test_mass_texts_cost_nothing(self):
        """Texts to many open no conversation and ask for none."""
        with self.count_queries() as statements:
            self.enqueue(20, kind="broadcast", partner_id=self.partner.id)
            self.env.flush_all()
        self.assertFalse([row for row in statements if "sms_conversation" in row])
        with self.count_queries() as statements:
            self.enqueue(uuid="a" * 32, kind="automatic", partner_id=self.partner.id)
        self.assertFalse([row for row in statements if "sms_conversation" in row])


@tagged("post_install", "-at_install")
class TestAnswering(ConversationCase):
    """Answers end what waits, whichever way they are given."""

    def test_each_way(self):
        """The chatter, the conversation and its action answer alike."""
        ways = {
            "chatter": lambda user, conversation: self.compose(user, self.partner),
            "_answer": lambda user, conversation: conversation.with_user(user)._answer(
                "Yes, come by"
            ),
            "action": lambda user, conversation: self.env["sms.gateway.message"].browse(
                conversation.with_user(user).action_answer("Yes, come by")["messages"][
                    -1
                ]["id"]
            ),
        }
        for label, way in ways.items():
            for user in (self.owner, self.colleague):
                with self.row(f"{label} {user.name}"):
                    question = self.text_in()
                    self.force(
                        question, create_date=question.create_date - timedelta(hours=2)
                    )
                    conversation = self.conversation()
                    conversation._cron_escalate()
                    answer = way(user, conversation)
                    self.assertFields(
                        answer,
                        {
                            "state": "queued",
                            "author_id": user,
                            "number": NUMBERS[0],
                            "partner_id": self.partner,
                            "res_model": "res.partner",
                            "res_id": self.partner.id,
                            "answers_id": question,
                            "conversation_id": conversation,
                        },
                    )
                    self.assertTrue(answer.mail_message_id)
                    self.assertFields(
                        conversation,
                        {
                            "state": "waiting",
                            "user_id": self.owner,
                            "unanswered_since": False,
                            "unanswered_message_id": question.browse(),
                            "answer_until": False,
                            "last_direction": "outgoing",
                            "last_body": "Yes, come by",
                            "answer_activity_id": self.env["mail.activity"],
                        },
                    )
                    self.assertEqual(question.answered_by_id, user)
                    self.assertEqual(question.answered_at, answer.create_date)
                    self.assertAlmostEqual(question.answer_time_h, 2.0, places=2)
                    self.assertFalse(self.activities_of(self.partner))
                    done = self.activities_of(self.partner, active=False)
                    self.assertEqual(len(done), 1)

    def test_first_text_of_ours(self):
        """Who texts first owns the conversation that follows."""
        self.partner.user_id = False
        self.compose(self.colleague, self.partner)
        conversation = self.conversation()
        self.assertEqual(conversation.state, "waiting")
        self.assertEqual(conversation.user_id, self.colleague)
        self.text_in()
        self.assertEqual(self.conversation().user_id, self.colleague)
        self.assertEqual(self.activities_of(self.partner).user_id, self.colleague)

    def test_texted_as_another(self):
        """A conversation follows whom we text, unless its contact owns the number."""
        twin = self.env["res.partner"].create({"name": "Twin", "mobile": NUMBERS[0]})
        for label, prepare, partner in (
            ("owned", None, self.partner),
            ("nobody owns it", lambda: self.partner.mobile_ids._release_ownership(),
             twin),
        ):  # fmt: skip
            with self.row(label):
                self.text_in()
                if prepare:
                    prepare()
                self.compose(self.owner, twin)
                self.assertEqual(self.conversation().partner_id, partner)
                self.assertEqual(self.text_in().partner_id, partner)

    def test_cannot_be_answered(self):
        """What cannot leave is refused with its reason, and nothing is kept."""
        for label, prepare, number, body, reason in (
            ("name", None, "ACME", "Yes", "no phone number"),
            ("empty", None, NUMBERS[0], " ", "The text is empty"),
            ("refused", lambda: self.text_in("STOP"), NUMBERS[0], "Yes", "not sent"),
            ("no gateway", lambda: self.gateway.sudo().write({"state": "disabled"}),
             NUMBERS[0], "Yes", "No gateway"),
        ):  # fmt: skip
            with self.row(label):
                self.text_in(number=number)
                if prepare:
                    prepare()
                conversation = self.conversation(number)
                before = self.messages_of()
                with self.assertRaisesRegex(UserError, reason):
                    conversation.with_user(self.manager)._answer(body)
                self.assertEqual(self.messages_of(), before)
                self.assertEqual(self.conversation(number).state, "to_answer")

    def test_other_company_chosen(self):
        """A link or e-mail answers for a company that is not the user's first one."""
        other = self.env["res.company"].create({"name": "First"})
        self.text_in()
        self.owner.write(
            {"company_ids": [Command.link(other.id)], "company_id": other.id}
        )
        conversation = self.conversation().with_user(self.owner)
        answer = conversation._answer("Yes")
        self.assertEqual(answer.company_id, self.company)
        self.owner.company_ids = other
        with self.assertRaises(AccessError):
            conversation._answer("Yes")

    def test_sent_once(self):
        """The same form sent twice texts once; an id of others is refused."""
        self.text_in()
        conversation = self.conversation().with_user(self.owner)
        first = conversation._answer("Yes", uuid="b" * 32)
        self.assertEqual(conversation._answer("Yes", uuid="b" * 32), first)
        with self.assertRaises(UserError):
            conversation.with_user(self.colleague)._answer("No", uuid="b" * 32)

    def test_failed_answers(self):
        """An answer that comes to nothing lets the question wait again."""
        for label, values, again, state in (
            ("failed", {"state": "failed", "failure_type": "rejected"}, False,
             "to_answer"),
            ("undelivered", {"state": "undelivered"}, False, "to_answer"),
            ("expired", {"state": "expired"}, False, "to_answer"),
            ("cancelled", {"state": "canceled"}, False, "to_answer"),
            ("refused meanwhile", {"state": "canceled", "failure_type": "opted_out"},
             False, "waiting"),
            ("delivered", {"state": "delivered"}, False, "waiting"),
            ("written once more", {"state": "failed"}, True, "waiting"),
        ):  # fmt: skip
            with self.row(label):
                question = self.text_in()
                conversation = self.conversation()
                answer = conversation.with_user(self.owner)._answer("Yes")
                if again:
                    conversation.with_user(self.owner)._answer("Yes, really")
                self.force(answer, to_sync=True, **values)
                self.env["sms.gateway.message"]._sync()
                conversation = self.conversation()
                self.assertEqual(conversation.state, state)
                waits = state == "to_answer"
                self.assertEqual(bool(question.answered_at), not waits)
                self.assertEqual(
                    conversation.unanswered_message_id,
                    question if waits else question.browse(),
                )
                self.assertEqual(len(self.activities_of(self.partner)), waits)

    def test_sticky_gateway(self):
        """A single text leaves by the gateway that the person wrote to."""
        better = self.make_gateway(
            name="Better", sequence=0, company_id=self.company.id
        )
        foreign = self.env["res.company"].create({"name": "Foreign"})
        for label, values, prepare, expected in (
            ("the conversation's", {}, None, self.gateway),
            ("chosen", {"sms_gateway_id": better.id}, None, better),
            ("the contact's own", {},
             lambda: self.partner.write({"sms_gateway_id": better.id}), better),
            ("closed", {}, lambda: self.conversation().action_close(), better),
            ("out of service", {}, lambda: self.gateway.write({"state": "disabled"}),
             better),
            ("in test", {}, lambda: self.gateway.write({"state": "test"}), better),
            ("not its prefix", {}, lambda: self.gateway.write({"prefixes": "+49"}),
             better),
            ("gone to another company", {},
             lambda: self.gateway.write({"company_id": foreign.id}), better),
        ):  # fmt: skip
            with self.row(label):
                self.text_in()
                if prepare:
                    prepare()
                message = self.compose(self.owner, self.partner, **values)
                self.assertEqual(message.gateway_id, expected)
                self.assertEqual(
                    message.gateway_fixed, label in ("chosen", "the contact's own")
                )
        with self.row("mass text"):
            self.text_in()
            found = self.env["sms.gateway"]._route_many(
                self.company, [NUMBERS[0]], self.partner.ids
            )
            self.assertEqual(found, better.ids)
        with self.row("answer"):
            self.text_in()
            answer = self.conversation().with_user(self.owner)._answer("Yes")
            self.assertEqual(answer.gateway_id, self.gateway)

    def test_crossed_off(self):
        """Closing by hand ends what was planned; the next text begins anew."""
        for label, close in (
            ("closed", lambda row: row.with_user(self.owner).action_close()),
            ("crossed off", lambda row: row._close_without_answer(self.owner)),
        ):
            with self.row(label):
                question = self.text_in()
                close(self.conversation())
                self.assertFields(
                    self.conversation(),
                    {
                        "state": "closed",
                        "unanswered_since": False,
                        "answer_activity_id": self.env["mail.activity"],
                    },
                )
                self.assertFalse(question.answered_at)
                self.assertFalse(self.activities_of(self.partner))
                self.text_in("And now?")
                self.assertEqual(self.conversation().state, "to_answer")
                self.assertEqual(len(self.activities_of(self.partner)), 1)

    def test_document_deleted(self):
        """An activity that goes with its document crosses nothing off."""
        self.text_in()
        conversation = self.conversation()
        self.force(conversation.answer_activity_id, res_id=2**31 - 1)
        conversation._close_without_answer(self.owner)
        self.assertEqual(conversation.state, "to_answer")
        self.assertEqual(
            self.activities_of(self.partner), conversation.answer_activity_id
        )

    def test_contact_deleted(self):
        """A contact goes, its texts still wait for an answer."""
        self.text_in()
        conversation = self.conversation()
        self.partner.unlink()
        conversation.invalidate_recordset()
        self.assertEqual(conversation.state, "to_answer")
        self.assertFalse(conversation.partner_id)
        self.assertEqual(conversation._get_subject(), conversation)

    def test_contacts_merged(self):
        """The conversation is with the contact that is left."""
        self.text_in()
        left = self.env["res.partner"].create({"name": "Left", "email": "a@b.example"})
        wizard = self.env["base.partner.merge.automatic.wizard"].create({})
        wizard._merge((self.partner + left).ids, left)
        self.env.invalidate_all()
        conversation = self.conversation()
        self.assertEqual(conversation.partner_id, left)
        self.assertEqual(self.activities_of(left), conversation.answer_activity_id)

    def test_number_taken_over(self):
        """The new owner of a number wins over whom somebody chose before."""
        other = self.env["res.partner"].create({"name": "New", "mobile": NUMBERS[0]})
        self.text_in()
        self.conversation().sudo().write({"contact_by_hand": True})
        other.mobile_ids.with_user(self.manager).sudo().action_take_over()
        self.assertFalse(self.conversation().contact_by_hand)
        self.assertEqual(self.text_in().partner_id, other)
        self.assertEqual(self.conversation().partner_id, other)

    def test_erased(self):
        """Nothing of an erased person is left in conversations."""
        self.text_in("My secret")
        self.conversation().with_user(self.owner)._answer("Your secret")
        self.text_in("More secrets")
        conversation_id = self.conversation().id
        wizard = self.env["sms.erase"].create({"number": NUMBERS[0], "reason": "asked"})
        wizard.action_erase()
        self.env.invalidate_all()
        self.assertFalse(self.env["sms.conversation"].browse(conversation_id).exists())
        self.assertFalse(self.activities_of(self.partner))
        for model in ("mail.message", "mail.activity"):
            field = "body" if model == "mail.message" else "note"
            found = self.env[model].with_context(active_test=False)
            self.assertFalse(found.search([(field, "ilike", "secret")]))

    def test_defaults_of_a_client(self):
        """What a client calls a default gets into no text."""
        self.text_in()
        forged = {
            "exempt": "answer",
            "urgent": True,
            "external_ref": "X1",
            "cost": 5.0,
            "keyword_family": "start",
            "answered_at": "2026-01-01 00:00:00",
        }
        context = {f"default_{name}": value for name, value in forged.items()}
        self.conversation().with_user(self.owner).with_context(**context).action_answer(
            "Yes"
        )
        self.env["sms.log"].with_user(self.owner).with_context(**context).create(
            {"partner_id": self.partner.id, "body": "Yes", "direction": "incoming"}
        ).action_log()
        for message in self.messages_of()[-2:]:
            for name in forged:
                self.assertFalse(message[name], name)

    def test_erased_texts_of_activities(self):
        """What an activity texted is gone from it, and from the note about it."""
        activity = self.partner.with_user(self.owner).activity_schedule(
            "sms_gateway_hub.mail_activity_type_sms",
            user_id=self.owner.id,
            sms_gateway_body="Your secret",
        )
        activity.action_sms_gateway_send_now()
        self.env["sms.erase"].create(
            {"number": NUMBERS[0], "reason": "asked"}
        ).action_erase()
        self.env.invalidate_all()
        for model, field in (
            ("mail.message", "body"),
            ("mail.activity", "sms_gateway_body"),
        ):
            found = self.env[model].with_context(active_test=False)
            self.assertFalse(found.search([(field, "ilike", "secret")]), model)


@tagged("post_install", "-at_install")
class TestHandedOver(ConversationCase):
    """Reassigned, escalated, closed by time."""

    def test_owner_archived(self):
        """Who leaves answers nothing by that: somebody else gets what waits."""
        for label, leave in (
            ("archived", lambda: self.owner.action_archive()),
            ("written", lambda: self.owner.write({"active": False})),
        ):
            with self.row(label):
                question = self.text_in()
                conversation = self.conversation()
                self.assertEqual(conversation.user_id, self.owner)
                leave()
                self.assertFields(
                    self.conversation(),
                    {
                        "state": "to_answer",
                        "unanswered_message_id": question,
                        "user_id": self.manager,
                        "owner_reason": "Responsible for the gateway",
                    },
                )
                self.assertEqual(question.owner_id, self.manager)
                activity = self.activities_of(self.partner)
                self.assertEqual(activity.user_id, self.manager)
                self.assertEqual(activity, self.conversation().answer_activity_id)

    def test_owner_lost(self):
        """The planned answer follows where the next text finds another owner."""
        self.text_in()
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        self.owner.write(
            {"company_ids": [Command.set(elsewhere.ids)], "company_id": elsewhere.id}
        )
        self.text_in("Hello?")
        self.assertEqual(self.conversation().user_id, self.manager)
        self.assertEqual(self.activities_of(self.partner).user_id, self.manager)

    def test_reassign(self):
        """The activity moves, links end, the new owner is told with the note."""
        question = self.text_in()
        conversation = self.conversation()
        activity = conversation.answer_activity_id
        self.env["bus.bus"].sudo().search([]).unlink()
        conversation.with_user(self.manager)._reassign(self.colleague, "Please do")
        self.env.flush_all()
        self.assertFields(
            self.conversation(),
            {
                "user_id": self.colleague,
                "owner_reason": "Assigned by Sms_Manager",
                "answer_activity_id": activity,
                "state": "to_answer",
            },
        )
        self.assertEqual(activity.user_id, self.colleague)
        self.assertEqual(question.owner_id, self.colleague)
        self.assertIn("Please do", " ".join(conversation.message_ids.mapped("body")))
        told = self.bus_rows("sms_gateway_hub.inbound")
        self.assertEqual([payload["body"] for _c, payload in told], ["Please do"])
        self.assertIn(str(self.colleague.partner_id.id), told[0][0])
        with self.row("to nobody"):
            conversation.with_user(self.manager)._reassign(self.env["res.users"])
            self.assertEqual(self.conversation().state, "to_answer")
            self.assertFalse(self.conversation().user_id)
            self.assertFalse(self.activities_of(self.partner))
            conversation.with_user(self.colleague).action_take()
            self.assertEqual(self.activities_of(self.partner).user_id, self.colleague)

    def test_who_may(self):
        """Managers assign, owners hand on, everybody takes what is nobody's."""
        portal = self.new_user("sms_portal_owner", "base.group_portal")
        archived = self.new_user("sms_gone", "base.group_user")
        archived.active = False
        for label, user, owner, to, error in (
            ("manager", self.manager, self.owner, self.colleague, None),
            ("owner", self.owner, self.owner, self.colleague, None),
            ("colleague", self.colleague, self.owner, self.colleague, AccessError),
            ("nobody's", self.colleague, None, self.colleague, None),
            ("portal user", self.manager, self.owner, portal, UserError),
            ("archived", self.manager, self.owner, archived, UserError),
        ):
            with self.row(label):
                self.text_in()
                conversation = self.conversation()
                conversation.sudo().user_id = owner
                mine = conversation.with_user(user)
                for way, value in ((mine.write, {"user_id": to.id}),
                                   (mine._reassign, to)):  # fmt: skip
                    if error:
                        with self.assertRaises(error):
                            way(value)
                    else:
                        conversation.sudo().user_id = owner
                        way(value)
                        self.assertEqual(conversation.user_id, to)

    def test_escalated_once(self):
        """The manager learns of what is overdue, once per question."""
        self.gateway.escalation_user_id = self.manager
        self.text_in()
        conversation = self.conversation()
        overdue = self.env["sms.conversation"].search([("is_overdue", "=", True)])
        self.assertNotIn(conversation, overdue)
        conversation._cron_escalate()
        self.assertFalse(conversation.escalated_at)
        self.force(
            conversation, answer_until=fields.Datetime.now() - timedelta(hours=1)
        )
        self.assertTrue(conversation.is_overdue)
        for wanted in (True, False):
            found = self.env["sms.conversation"].search(
                [("is_overdue", "=", wanted), ("id", "=", conversation.id)]
            )
            self.assertEqual(bool(found), wanted)
        for _run in range(2):
            conversation._cron_escalate()
            self.env.flush_all()
        told = self.activities_of(self.partner, "overdue")
        self.assertEqual(told.user_id, self.manager)
        self.assertIn("Sms_Owner should have answered", told.note)
        self.assertTrue(conversation.escalated_at)
        conversation.with_user(self.owner)._answer("Yes")
        self.assertFalse(self.activities_of(self.partner, "overdue"))
        self.text_in("And?")
        self.assertFalse(self.conversation().escalated_at)

    def test_no_deadline(self):
        """Without a time to answer nothing is ever overdue."""
        self.gateway.answer_time_h = 0
        self.text_in()
        conversation = self.conversation()
        self.assertFalse(conversation.answer_until)
        for wanted in (True, False):
            found = self.env["sms.conversation"].search(
                [("is_overdue", "=", wanted), ("id", "=", conversation.id)]
            )
            self.assertEqual(bool(found), not wanted)

    def test_closed_by_time(self):
        """What nobody goes on with is closed; what waits for us never."""
        self.gateway.close_after_days = 3
        for label, answered, days, state in (
            ("young", True, 2, "waiting"),
            ("old", True, 4, "closed"),
            ("old, not answered", False, 400, "to_answer"),
        ):
            with self.row(label):
                self.text_in()
                conversation = self.conversation()
                if answered:
                    conversation.with_user(self.owner)._answer("Yes")
                    self.env.flush_all()
                self.force(
                    conversation,
                    last_at=fields.Datetime.now() - timedelta(days=days),
                )
                conversation._cron_close()
                self.assertEqual(self.conversation().state, state)

    def test_owner_after_closing(self):
        """The next text after the end asks anew whose it is."""
        self.text_in()
        conversation = self.conversation()
        conversation.with_user(self.manager)._reassign(self.colleague)
        self.text_in("Still there?")
        self.assertEqual(self.conversation().user_id, self.colleague)
        conversation.with_user(self.manager).action_close()
        self.text_in("Something else")
        self.assertEqual(self.conversation().user_id, self.owner)


@tagged("post_install", "-at_install")
class TestConversationAccess(ConversationCase):
    """Who sees and does what."""

    def test_who_sees(self):
        """Own ones, nobody's and those of contacts; managers all of the company."""
        other = self.env["res.company"].create({"name": "Other"})
        users = {
            "owner": self.owner,
            "colleague": self.colleague,
            "manager": self.manager,
            "portal": self.new_user("sms_portal_reader", "base.group_portal"),
            "elsewhere": self.new_user(
                "sms_elsewhere",
                "sms_gateway_hub.group_administrator",
                company_id=other.id,
                company_ids=[Command.set(other.ids)],
            ),
        }
        for label, number, owner, seen in (
            ("of a contact", NUMBERS[0], self.owner, "owner colleague manager"),
            ("unknown, owned", NUMBERS[8], self.owner, "owner manager"),
            ("unknown, nobody's", NUMBERS[8], None, "owner colleague manager"),
        ):
            with self.row(label):
                self.text_in(number=number)
                conversation = self.conversation(number)
                conversation.sudo().user_id = owner
                self.env.flush_all()
                for role, user in users.items():
                    with self.subTest(role=role):
                        mine = conversation.with_user(user)
                        allowed = role in seen.split()
                        self.assertEqual(mine.has_access("read"), allowed)
                        calls = (
                            lambda mine=mine: mine.get_thread(),
                            lambda mine=mine: mine.read(["last_body"]),
                        )
                        for call in calls:
                            if allowed:
                                call()
                            else:
                                with self.assertRaises(AccessError):
                                    call()

    def test_nobody_rewrites(self):
        """What a conversation says follows of texts alone."""
        self.text_in()
        conversation = self.conversation()
        for user in (self.owner, self.manager):
            mine = conversation.with_user(user)
            for values in ({"state": "closed"}, {"number": NUMBERS[1]},
                           {"partner_id": False}, {"last_body": "x"},
                           {"user_id": user.id, "state": "closed"}):  # fmt: skip
                with self.subTest(values=values), self.assertRaises(AccessError):
                    mine.write(values)
            with self.assertRaises(AccessError):
                mine.create({"number": NUMBERS[1], "company_id": self.company.id})
            with self.assertRaises(AccessError):
                mine.unlink()
        with self.assertRaises(UserError):
            conversation.sudo().unlink()

    def test_thread(self):
        """The thread comes in pieces, unescaped and in order."""
        texts = [self.text_in(f"<b>{n}</b>") for n in range(5)]
        thread = self.conversation().with_user(self.owner).get_thread(limit=2)
        self.assertEqual(
            [row["body"] for row in thread["messages"]], ["<b>3</b>", "<b>4</b>"]
        )
        self.assertTrue(thread["has_more"])
        thread = (
            self.conversation()
            .with_user(self.owner)
            .get_thread(before_id=texts[1].id, limit=500)
        )
        self.assertEqual([row["id"] for row in thread["messages"]], texts[0].ids)
        self.assertFalse(thread["has_more"])
        json.dumps(thread)

    def test_others_with_the_number(self):
        """Who else has this number is shown, as far as the user may know."""
        other = self.env["res.partner"].create({"name": "Twin", "phone": NUMBERS[0]})
        self.text_in()
        conversation = self.conversation().with_user(self.owner)
        self.assertEqual(conversation.other_partner_ids, other)
        other.sudo().company_id = self.env["res.company"].create({"name": "Far"})
        conversation.invalidate_recordset()
        self.assertFalse(conversation.other_partner_ids)

    def test_grouped_by_owner(self):
        """The board shows each owner with open conversations."""
        self.text_in()
        self.conversation().with_user(self.owner)._answer("Yes")
        groups = (
            self.env["sms.conversation"]
            .with_user(self.manager)
            .formatted_read_group(
                [("state", "=", "to_answer")], ["user_id"], ["__count"]
            )
        )
        self.assertIsInstance(groups, list)
        found = (
            self.env["sms.conversation"]
            .with_user(self.manager)
            .with_context(read_group_expand=True)
            .web_read_group([("state", "=", "to_answer")], ["user_id"])
        )
        owners = [group["user_id"] and group["user_id"][0] for group in found["groups"]]
        self.assertIn(self.owner.id, owners)


@tagged("post_install", "-at_install")
class TestAnswersAtOnce(SmsGatewayCase):
    """Several people who text one person at the same moment."""

    def test_noted_later(self):
        """Who was in the way costs the other's text nothing: it is noted afterwards."""
        self.env["sms.gateway.message"]._receive(
            self.gateway,
            InboundMessage(event_key="E1", number=NUMBERS[0], body="Anybody?"),
        )
        conversations = self.env["sms.conversation"]
        conversation = conversations._find(NUMBERS[0], self.env.company)
        self.assertEqual(conversation.state, "to_answer")
        lock = type(conversations)._lock
        failures = [SerializationFailure("could not serialize access")] * 12

        def conflicting(this):
            if failures:
                raise failures.pop()
            return lock(this)

        self.env.cr.postcommit.clear()
        user = self.new_user("grace", "sms_gateway_hub.group_user")
        with patch.object(type(conversations), "_lock", conflicting):
            message = self.enqueue(author_id=user.id, kind="reply")
            self.assertEqual(message.state, "queued")
            self.assertEqual(conversation.state, "to_answer")
            with self.own_cursors(), patch.object(transaction.time, "sleep"):
                self.env.cr.postcommit.run()
        self.assertFalse(failures)
        conversation.invalidate_recordset()
        self.assertEqual(conversation.state, "waiting")
        self.assertEqual(conversation.last_body, message.body)
