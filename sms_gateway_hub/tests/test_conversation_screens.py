# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Handing over and correcting the contact, as the screens do."""

import ast
import re

from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from ..tools.gateway_data import InboundMessage
from .common import NUMBERS, SmsGatewayCase

HOSTILE = "<img src=x onerror=alert(1)> {{ 7*7 }} ${1} =1+1"
RIGHTS = "sms_gateway_hub.group_user,base.group_partner_manager"
MANAGER = "sms_gateway_hub.group_manager,base.group_partner_manager"


class ConversationScreensCase(SmsGatewayCase):
    """A shared phone: texts of it are taken for Ada's, who registered it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user = cls.new_user("sms_clerk", RIGHTS)
        cls.colleague = cls.new_user("sms_colleague", RIGHTS)
        cls.manager = cls.new_user("sms_boss", MANAGER)
        cls.plain = cls.new_user("sms_plain", "sms_gateway_hub.group_user")
        cls.portal = cls.new_user("sms_guest", "base.group_portal")
        cls.other_company = cls.env["res.company"].create({"name": "Other company"})
        cls.stranger = cls.new_user(
            "sms_stranger",
            MANAGER,
            company_id=cls.other_company.id,
            company_ids=[(6, 0, cls.other_company.ids)],
        )
        cls.gateway.company_id = cls.env.company
        cls.partner.mobile_ids = [(0, 0, {"number": NUMBERS[0]})]
        cls.partner.user_id = cls.user
        cls.twin = cls.env["res.partner"].create(
            {"name": "Byron", "mobile_ids": [(0, 0, {"number": NUMBERS[0]})]}
        )

    def receive(self, body, number=NUMBERS[0]):
        """Let a text come in and return it."""
        self.count = getattr(self, "count", 0) + 1
        return self.env["sms.gateway.message"]._receive(
            self.gateway,
            InboundMessage(event_key=f"in-{self.count}", number=number, body=body),
        )

    def conversation_with(self, number=NUMBERS[0]):
        return self.env["sms.conversation"].search([("number", "=", number)])

    def wizard(self, action, user):
        """Open the window of an action, as the client does."""
        return Form(
            self.env[action["res_model"]]
            .with_user(user)
            .with_context(**action["context"])
        )

    def texts_in_chatter(self, record):
        """Return the texts in a chatter, oldest first."""
        return (
            self.env["mail.message"]
            .search(
                [
                    ("model", "=", record._name),
                    ("res_id", "=", record.id),
                    ("message_type", "=", "sms"),
                ],
                order="id",
            )
            .mapped("preview")
        )

    def notes_of(self, record):
        return " ".join(
            str(mail.body)
            for mail in record.message_ids
            if mail.message_type == "notification"
        )


@tagged("post_install", "-at_install")
class TestConversationViews(ConversationScreensCase):
    """Everybody who may text gets the screens."""

    def test_views_load(self):
        """Each view of each action loads for user and manager."""
        actions = [
            "action_sms_conversation",
            "action_sms_conversation_unanswered",
            "action_sms_conversation_overdue",
            "action_sms_answer_times",
        ]
        self.receive("Hello")
        for user in (self.user, self.manager):
            for name in actions:
                with self.subTest(f"{name} as {user.login}"):
                    action = self.env["ir.actions.act_window"]._for_xml_id(
                        f"sms_gateway_hub.{name}"
                    )
                    model = self.env[action["res_model"]].with_user(user)
                    views = [*action["views"], (False, "search")]
                    self.assertTrue(model.get_views(views)["views"])

    def test_filters_can_be_searched(self):
        """Each filter of the search view is a domain that the model knows."""
        self.receive("Hello")
        conversations = self.env["sms.conversation"].with_user(self.user)
        found = {
            "to_answer": 1, "my": 1, "waiting": 0, "closed": 0, "overdue": 0,
            "without_owner": 0, "unknown": 0, "waiting_1h": 0, "waiting_1d": 0,
        }  # fmt: skip
        arch = self.env.ref("sms_gateway_hub.sms_conversation_view_search").arch
        domains = dict(re.findall(r'name="(\w+)"[^>]*?domain="([^"]*)"', arch))
        for name, count in found.items():
            with self.subTest(name):
                domain = domains[name].replace("uid", str(self.user.id))
                domain = domain.replace("&lt;", "<")
                domain = ast.literal_eval(domain)
                self.assertEqual(
                    conversations.search_count([*domain, ("number", "=", NUMBERS[0])]),
                    count,
                )

    def test_kanban_column_hands_over(self):
        """A card that is dragged to another owner is handed over."""
        self.receive("Hello")
        conversation = self.conversation_with()
        self.assertEqual(conversation.user_id, self.user)
        conversation.with_user(self.user).web_save(
            {"user_id": self.colleague.id}, {"user_id": {}}
        )
        self.assertEqual(conversation.user_id, self.colleague)
        self.assertEqual(conversation.answer_activity_id.user_id, self.colleague)
        with self.assertRaises(AccessError):
            conversation.with_user(self.user).web_save(
                {"user_id": self.user.id}, {"user_id": {}}
            )

    def test_thread_gives_hostile_text_as_it_is(self):
        """What the other side wrote is data; the client shows it as text."""
        self.receive(HOSTILE)
        thread = self.conversation_with().with_user(self.user).get_thread()
        self.assertEqual([m["body"] for m in thread["messages"]], [HOSTILE])

    def test_forbidden_is_said_at_once(self):
        """Who may not see it is told so, not sent to the company that they are in."""
        self.receive("Hello", number=NUMBERS[5])
        conversation = self.conversation_with(NUMBERS[5])
        conversation.user_id = self.manager
        for record in (conversation, self.messages_of([])):
            with (
                self.subTest(record._name),
                mute_logger("odoo.addons.base.models.ir_rule"),
                self.assertRaises(AccessError) as raised,
            ):
                record.with_user(self.user).web_read({"number": {}})
            self.assertFalse(getattr(raised.exception, "context", None))

    def test_answer_of_the_box_leaves_once(self):
        """The same id twice is one text; a wrong id is refused."""
        self.receive("Hello")
        conversation = self.conversation_with().with_user(self.user)
        for _again in range(2):
            thread = conversation.action_answer("Yes", "ab" * 16)
        self.assertEqual(
            [(m["direction"], m["body"]) for m in thread["messages"]],
            [("incoming", "Hello"), ("outgoing", "Yes")],
        )
        for uuid in ("x", "AB" * 16, ["ab" * 16]):
            with self.subTest(uuid), self.assertRaises(UserError):
                conversation.action_answer("No", uuid)


@tagged("post_install", "-at_install")
class TestConversationReassign(ConversationScreensCase):
    """Handing one or many over."""

    def test_hand_over_many_with_a_note(self):
        """A manager hands two over: owner, activity and note follow."""
        self.receive("One")
        self.receive("Two", number=NUMBERS[1])
        conversations = self.conversation_with() | self.conversation_with(NUMBERS[1])
        action = conversations.with_user(self.manager).action_reassign()
        form = self.wizard(action, self.manager)
        self.assertEqual(form.conversation_count, 2)
        self.assertEqual(form.to_answer_count, 2)
        form.user_id = self.colleague
        form.note = f"You know them {HOSTILE}"
        form.save().action_reassign()
        self.assertEqual(conversations.user_id, self.colleague)
        for conversation in conversations:
            self.assertEqual(conversation.answer_activity_id.user_id, self.colleague)
            self.assertIn("Assigned by", conversation.owner_reason)
            self.assertIn("&lt;img", self.notes_of(conversation))
            self.assertNotIn("<img", self.notes_of(conversation))

    def test_who_may_hand_over(self):
        """The owner and managers; nobody else, not even by the window itself."""
        rows = [
            ("owner", self.user, True),
            ("manager", self.manager, True),
            ("colleague", self.colleague, False),
            ("portal", self.portal, False),
            ("manager of another company", self.stranger, False),
        ]
        self.receive("Hello")
        conversation = self.conversation_with()
        for label, user, allowed in rows:
            with self.row(label), mute_logger("odoo.addons.base.models.ir_rule"):
                as_user = conversation.with_user(user)
                window = {
                    "conversation_ids": [(6, 0, conversation.ids)],
                    "user_id": self.colleague.id,
                }
                if allowed:
                    as_user.action_reassign()
                    wizards = self.env["sms.conversation.reassign"].with_user(user)
                    wizards.create(window).action_reassign()
                    self.assertEqual(conversation.user_id, self.colleague)
                    continue
                with self.assertRaises(AccessError):
                    as_user.action_reassign()
                with self.assertRaises(AccessError):
                    wizards = self.env["sms.conversation.reassign"].with_user(user)
                    wizards.create(window).action_reassign()

    def test_new_owner_must_be_able_to_answer(self):
        """Nobody of another company gets it; the reason is told."""
        self.receive("Hello")
        conversation = self.conversation_with()
        wizard = (
            self.env["sms.conversation.reassign"]
            .with_user(self.manager)
            .create(
                {
                    "conversation_ids": [(6, 0, conversation.ids)],
                    "user_id": self.stranger.id,
                }
            )
        )
        with self.assertRaisesRegex(UserError, "cannot answer"):
            wizard.action_reassign()


@tagged("post_install", "-at_install")
class TestConversationContact(ConversationScreensCase):
    """Saying who the other side is."""

    def test_not_this_person_moves_all(self):
        """Texts, answers, activity and number move; all three keep a trace."""
        self.receive("Hello")
        conversation = self.conversation_with().with_user(self.user)
        conversation.action_answer("Who is it?")
        self.receive(HOSTILE)
        self.assertEqual(len(self.texts_in_chatter(self.partner)), 3)
        activity = conversation.answer_activity_id
        self.assertEqual(
            (activity.res_model, activity.res_id), ("res.partner", self.partner.id)
        )
        form = self.wizard(conversation.action_not_this_person(), self.user)
        self.assertEqual(form.present_partner_id, self.partner)
        self.assertEqual(form.partner_id, self.twin)
        self.assertEqual(form.message_body, HOSTILE)
        form.save().action_apply()
        conversation.invalidate_recordset()
        self.assertEqual(conversation.partner_id, self.twin)
        self.assertTrue(conversation.contact_by_hand)
        self.assertEqual(conversation.contact_reason, f"Chosen by {self.user.name}")
        texts = self.messages_of([("number", "=", NUMBERS[0])])
        self.assertEqual(texts.partner_id, self.twin)
        self.assertEqual(set(texts.mapped("res_id")), {self.twin.id})
        self.assertEqual(self.texts_in_chatter(self.partner), [])
        self.assertEqual(len(self.texts_in_chatter(self.twin)), 3)
        self.assertEqual(
            texts.mail_message_id.mapped("author_id"),
            self.twin | self.user.partner_id,
        )
        self.assertEqual(
            (activity.res_model, activity.res_id), ("res.partner", self.twin.id)
        )
        for record in (self.partner, self.twin, conversation):
            self.assertIn("are from Byron, not from Ada", self.notes_of(record))
        self.assertFalse(self.partner.mobile_ids.is_owner)
        self.assertTrue(self.twin.mobile_ids.is_owner)
        # What comes next is taken for the right one's, by the database's own rule.
        self.assertEqual(self.receive("Next").partner_id, self.twin)

    def test_one_text_alone(self):
        """Only one text was somebody else's: conversation and number stay."""
        self.receive("Hello")
        text = self.receive("This is Byron")
        form = self.wizard(
            text.with_user(self.user).action_not_this_person(), self.user
        )
        form.texts = "one"
        form.partner_id = self.twin
        form.save().action_apply()
        conversation = self.conversation_with()
        self.assertEqual(conversation.partner_id, self.partner)
        self.assertEqual(text.partner_id, self.twin)
        self.assertEqual(self.texts_in_chatter(self.partner), ["Hello"])
        self.assertEqual(self.texts_in_chatter(self.twin), ["This is Byron"])
        self.assertTrue(self.partner.mobile_ids.is_owner)
        self.assertIn("Only this text was moved", self.notes_of(self.twin))

    def test_number_passed_on(self):
        """A new contact has the number now; what was said before stays."""
        self.receive("Hello")
        conversation = self.conversation_with()
        form = self.wizard(
            conversation.with_user(self.manager).action_not_this_person(), self.manager
        )
        form.choice = "new"
        form.new_name = "  Charles\nBabbage "
        form.texts = "later"
        form.save().action_apply()
        new = conversation.partner_id
        self.assertEqual(new.name, "Charles Babbage")
        self.assertEqual(new.mobile_ids.number_e164, NUMBERS[0])
        self.assertTrue(new.mobile_ids.is_owner)
        self.assertEqual(self.texts_in_chatter(self.partner), ["Hello"])
        self.assertEqual(self.texts_in_chatter(new), [])
        self.assertEqual(self.receive("Next").partner_id, new)

    def test_nobody_of_ours(self):
        """None of the contacts: the texts leave the chatter, the activity stays."""
        self.receive("Hello")
        conversation = self.conversation_with()
        form = self.wizard(
            conversation.with_user(self.user).action_not_this_person(), self.user
        )
        form.choice = "none"
        form.save().action_apply()
        conversation.invalidate_recordset()
        self.assertFalse(conversation.partner_id)
        self.assertTrue(conversation.contact_by_hand)
        self.assertEqual(self.texts_in_chatter(self.partner), [])
        self.assertFalse(self.messages_of([]).partner_id)
        activity = conversation.answer_activity_id
        self.assertEqual(
            (activity.res_model, activity.res_id), ("sms.conversation", conversation.id)
        )
        self.assertFalse((self.partner | self.twin).mobile_ids.filtered("is_owner"))
        self.assertFalse(self.receive("Next").partner_id)

    def test_unknown_number_gets_a_contact(self):
        """One click makes a contact of an unknown number, with all its texts."""
        for body in ("Hello", "It is me"):
            self.receive(body, number=NUMBERS[5])
        conversation = self.conversation_with(NUMBERS[5])
        self.assertFalse(conversation.partner_id)
        form = self.wizard(
            conversation.with_user(self.manager).action_not_this_person(), self.manager
        )
        self.assertEqual(form.choice, "new")
        with self.assertRaises(AssertionError):
            form.save()
        form.new_name = "Katherine Johnson"
        form.save().action_apply()
        new = conversation.partner_id
        self.assertEqual(new.mobile, NUMBERS[5])
        self.assertEqual(self.texts_in_chatter(new), ["Hello", "It is me"])
        self.assertEqual(self.receive("Third", number=NUMBERS[5]).partner_id, new)

    def test_owner_of_an_unknown_number_makes_a_contact(self):
        """Whoever is no manager may do it, too; texts of others stay unread."""
        self.gateway.responsible_user_id = self.user
        self.receive("It is me", number=NUMBERS[5])
        conversation = self.conversation_with(NUMBERS[5]).with_user(self.user)
        self.assertEqual(conversation.user_id, self.user)
        action = conversation.action_not_this_person()
        self.env.invalidate_all()
        form = self.wizard(action, self.user)
        self.assertEqual(form.message_body, "It is me")
        form.new_name = "Katherine Johnson"
        form.save().action_apply()
        self.assertEqual(
            self.texts_in_chatter(conversation.sudo().partner_id), ["It is me"]
        )
        other = self.receive("Secret", number=NUMBERS[6])
        action["context"]["default_message_id"] = other.id
        self.env.invalidate_all()
        self.assertFalse(self.wizard(action, self.user).message_body)

    def test_a_name_is_no_number(self):
        """A service that sends from a name may be a contact, without a number."""
        self.receive("Your code", number="BANK")
        conversation = self.conversation_with("BANK")
        form = self.wizard(
            conversation.with_user(self.manager).action_not_this_person(), self.manager
        )
        form.choice = "contact"
        form.partner_id = self.twin
        form.save().action_apply()
        self.assertEqual(conversation.partner_id, self.twin)
        self.assertEqual(self.twin.mobile_ids.number_e164, NUMBERS[0])

    def test_consent_is_not_rewritten(self):
        """STOP of the wrong contact stays on record, and the window says so."""
        self.receive("STOP")
        rows = self.env["sms.consent"].search([("number", "=", NUMBERS[0])])
        self.assertEqual(rows.partner_id, self.partner)
        conversation = self.conversation_with()
        form = self.wizard(
            conversation.with_user(self.manager).action_not_this_person(), self.manager
        )
        self.assertIn("Refused", form.consent_note)
        form.save().action_apply()
        self.assertEqual(
            self.env["sms.consent"].search([("number", "=", NUMBERS[0])]), rows
        )
        self.assertEqual(rows.partner_id, self.partner)

    def test_who_may_choose(self):
        """Owner or manager, with rights on both contacts; nobody else."""
        rows = [
            ("owner", self.user, None),
            ("manager", self.manager, None),
            ("colleague", self.colleague, AccessError),
            ("no rights on contacts", self.plain, AccessError),
            ("portal", self.portal, AccessError),
            ("manager of another company", self.stranger, AccessError),
        ]
        self.receive("Hello")
        conversation = self.conversation_with()
        text = self.messages_of([])
        for label, user, error in rows:
            with (
                self.row(label),
                mute_logger(
                    "odoo.addons.base.models.ir_rule",
                    "odoo.addons.base.models.ir_model",
                ),
            ):
                values = {
                    "conversation_id": conversation.id,
                    "message_id": text.id,
                    "choice": "contact",
                    "partner_id": self.twin.id,
                }
                wizards = self.env["sms.conversation.contact"].with_user(user)
                if not error:
                    wizards.create(values).action_apply()
                    self.assertEqual(conversation.partner_id, self.twin)
                    continue
                with self.assertRaises(error):
                    wizards.create(values).action_apply()
                self.env.invalidate_all()
                self.assertEqual(conversation.partner_id, self.partner)

    def test_window_tells_nothing_that_is_not_theirs(self):
        """Another company's conversation gets no window, and one at hand is empty."""
        self.receive("Secret words")
        values = {
            "conversation_id": self.conversation_with().id,
            "message_id": self.messages_of([]).id,
            "choice": "none",
        }
        windows = self.env["sms.conversation.contact"]
        with (
            mute_logger("odoo.addons.base.models.ir_rule"),
            self.assertRaises(AccessError),
        ):
            windows.with_user(self.stranger).create(values)
        wizard = windows.create(values)
        self.force(wizard, create_uid=self.stranger.id)
        wizard = wizard.with_user(self.stranger)
        wizard.invalidate_recordset()
        for name in (
            "number",
            "message_body",
            "present_partner_id",
            "candidate_ids",
            "consent_note",
            "company_id",
        ):
            with (
                self.subTest(name),
                mute_logger("odoo.addons.base.models.ir_rule"),
                self.assertRaises(AccessError),
            ):
                wizard.read([name])

    def test_text_of_another_number_is_refused(self):
        """The window moves no text of another conversation."""
        self.receive("Hello")
        foreign = self.receive("Other", number=NUMBERS[3])
        wizard = (
            self.env["sms.conversation.contact"]
            .with_user(self.manager)
            .create(
                {
                    "conversation_id": self.conversation_with().id,
                    "message_id": foreign.id,
                    "choice": "contact",
                    "partner_id": self.twin.id,
                    "texts": "one",
                }
            )
        )
        with self.assertRaises(UserError):
            wizard.action_apply()
        self.assertFalse(foreign.partner_id)

    def test_contact_opens_its_conversation(self):
        """The contact's button opens the one conversation."""
        self.receive("Hello")
        action = self.partner.with_user(self.user).action_open_sms_conversations()
        self.assertEqual(action["res_id"], self.conversation_with().id)
