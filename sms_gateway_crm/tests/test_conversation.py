# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Incoming texts find, make and follow leads."""

import itertools
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.sms_gateway_hub.tests.common import NUMBERS, SmsGatewayCase
from odoo.addons.sms_gateway_hub.tools.gateway_data import InboundMessage

HOSTILE = '<img src=x onerror="alert(1)"> {{ 7*7 }} <t t-out="7*7"/> ${7*7}'


class CrmConversationCase(SmsGatewayCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keys = itertools.count()
        cls.leads = cls.env["crm.lead"]
        cls.team = cls.env["crm.team"].create({"name": "Looms", "company_id": False})
        cls.ada, cls.bob = (
            cls.new_user(login, "sales_team.group_sale_salesman_all_leads")
            for login in ("ada", "bob")
        )
        cls.clerk = cls.new_user("clerk", "base.group_user")
        cls.gateway.responsible_user_id = cls.ada

    def receive(self, body="Hello", number=NUMBERS[5]):
        """Let a text come in; return it."""
        return self.env["sms.gateway.message"]._receive(
            self.gateway,
            InboundMessage(event_key=f"E{next(self.keys)}", number=number, body=body),
        )

    def conversation(self, number=NUMBERS[5]):
        return self.env["sms.conversation"]._find(number, self.env.company)

    def make_lead(self, **values):
        return self.leads.create({"name": "Engine", "user_id": False, **values})

    def made(self):
        return self.leads.search([("name", "like", "SMS from %")])


@tagged("post_install", "-at_install")
class TestLeadFound(CrmConversationCase):
    def test_which_lead(self):
        """Which lead a text is about: rows of leads, and the one expected."""
        contact, number = self.partner, NUMBERS[0]
        other = self.env["res.partner"].create({"name": "Other"})
        company = self.env["res.company"].create({"name": "Elsewhere"})
        won = self.env["crm.stage"].search([("is_won", "=", True)], limit=1)
        rows = [
            # what it is, leads, number that texts, index of the lead or None
            ("the contact's", [{"partner_id": contact.id}], number, 0),
            ("no contact, the number", [{"phone": NUMBERS[5]}], NUMBERS[5], 0),
            (
                "no contact, the number as people write it",
                [{"phone": "(202) 555-0105", "country_id": self.env.ref("base.us").id}],
                NUMBERS[5],
                0,
            ),
            ("a part of the number", [{"phone": "555-0105"}], NUMBERS[5], None),
            ("of a contact without number", [{"partner_id": other.id}], number, None),
            (
                "of another contact, same number",
                [{"partner_id": other.id, "phone": number}],
                number,
                None,
            ),
            (
                "of a contact, the number unknown otherwise",
                [{"partner_id": other.id, "phone": NUMBERS[5]}],
                NUMBERS[5],
                0,
            ),
            ("archived", [{"partner_id": contact.id, "active": False}], number, None),
            (
                "lost",
                [{"partner_id": contact.id, "active": False, "probability": 0}],
                number,
                None,
            ),
            (
                "won",
                [{"partner_id": contact.id, "stage_id": won.id, "probability": 100}],
                number,
                None,
            ),
            (
                "another company's",
                [{"partner_id": contact.id, "company_id": company.id}],
                number,
                None,
            ),
            (
                "the one moved last",
                [
                    {"partner_id": contact.id, "date": "2026-01-02 00:00:00"},
                    {"partner_id": contact.id, "date": "2026-01-03 00:00:00"},
                    {"partner_id": contact.id, "date": "2026-01-01 00:00:00"},
                ],
                number,
                1,
            ),
            ("a lead", [{"partner_id": contact.id, "type": "lead"}], number, 0),
            ("none", [], number, None),
            ("a name as the sender", [{"phone": "Parcel"}], "Parcel", None),
        ]
        self.leads.search([("phone_sanitized", "in", NUMBERS)]).unlink()
        for label, all_values, sender, index in rows:
            with self.row(label):
                leads = self.leads
                for values in all_values:
                    date = values.pop("date", None)
                    lead = self.make_lead(**values)
                    if date:
                        self.force(lead, date_last_stage_update=date)
                    leads += lead
                message = self.receive(number=sender)
                found = leads[index] if index is not None else self.leads
                conversation = message.conversation_id or self.conversation(sender)
                self.assertEqual(
                    conversation.res_model or False, found._name if found else False
                )
                self.assertEqual(conversation.res_id or 0, found.id or 0)
                if found:
                    self.assertEqual(message.res_model, "crm.lead")
                    self.assertEqual(message.res_id, found.id)
                self.assertFalse(self.made())

    def test_the_one_so_far_is_preferred(self):
        """A newer lead does not take an ongoing conversation over, unless it ended."""
        first = self.make_lead(partner_id=self.partner.id)
        self.receive(number=NUMBERS[0])
        second = self.make_lead(partner_id=self.partner.id)
        self.receive(number=NUMBERS[0])
        conversation = self.conversation(NUMBERS[0])
        self.assertEqual(conversation.res_id, first.id)
        first.action_set_lost()
        self.receive(number=NUMBERS[0])
        self.assertEqual(conversation.res_id, second.id)
        second.action_set_won()
        self.receive(number=NUMBERS[0])
        self.assertFalse(conversation.res_id)
        self.assertFalse(conversation.res_model)

    def test_cost(self):
        """The lead is found with one statement, of which none reads all leads."""
        self.make_lead(partner_id=self.partner.id)
        message = self.receive(number=NUMBERS[0])
        conversation = self.conversation(NUMBERS[0])
        self.env.flush_all()
        with self.count_queries() as statements:
            conversation._find_document(message)
        about = [line for line in statements if 'FROM "crm_lead"' in line]
        self.assertEqual(len(about), 1, about)
        self.env.cr.execute("SET LOCAL enable_seqscan = off")
        self.env.cr.execute(
            "EXPLAIN SELECT id FROM crm_lead WHERE phone_sanitized = '+1' OR "
            "partner_id = 1 OR id = 1"
        )
        plan = "\n".join(line for (line,) in self.env.cr.fetchall())
        self.assertIn("crm_lead__phone_sanitized_index", plan)
        self.assertNotIn("Seq Scan", plan)


@tagged("post_install", "-at_install")
class TestLeadMade(CrmConversationCase):
    def test_policy(self):
        """For whom a lead is made: rows of policy, sender and text."""
        known, unknown = NUMBERS[0], NUMBERS[5]
        for label, policy, sender, body, count in [
            ("no", "no", unknown, "Hello", 0),
            ("unknown numbers: unknown", "unknown", unknown, "Hello", 1),
            ("unknown numbers: known", "unknown", known, "Hello", 0),
            ("everybody: unknown", "all", unknown, "Hello", 1),
            ("everybody: known", "all", known, "Hello", 1),
            ("a service", "all", "Parcel", "Hello", 0),
            ("a short code", "all", "4711", "Hello", 0),
            ("STOP needs no answer", "all", unknown, "STOP", 0),
            ("HELP needs no answer", "all", unknown, "HELP", 0),
            ("empty", "all", unknown, "", 1),
        ]:
            with self.row(label):
                self.gateway.crm_lead_policy = policy
                message = self.receive(body, sender)
                made = self.made()
                self.assertEqual(len(made), count)
                if made:
                    self.assertEqual(made.partner_id, message.partner_id)
                    self.assertEqual(made.phone, sender)
                    self.assertEqual(made.company_id, self.env.company)
                    self.assertEqual(message.res_model, "crm.lead")
                    self.assertEqual(message.res_id, made.id)

    def test_values(self):
        """The lead has team, tags, source, owner and the text, as text."""
        tag = self.env["crm.tag"].create({"name": "By text"})
        source = self.env["utm.source"].create({"name": "Billboard"})
        self.gateway.write(
            {
                "crm_lead_policy": "all",
                "crm_lead_type": "lead",
                "crm_team_id": self.team.id,
                "crm_tag_ids": [fields.Command.set(tag.ids)],
                "crm_source_id": source.id,
            }
        )
        self.receive(HOSTILE)
        lead = self.made()
        self.assertFields(
            lead,
            {
                "name": f"SMS from {NUMBERS[5]}",
                "type": "lead",
                "team_id": self.team,
                "tag_ids": tag,
                "source_id": source,
                "user_id": self.ada,
                "partner_id": self.env["res.partner"],
                "active": True,
            },
        )
        self.assertEqual(lead.phone_sanitized, NUMBERS[5])
        self.assertEqual(self.conversation().user_id, self.ada)
        html = str(lead.description)
        for word in ("<img", "<t ", "49"):
            self.assertNotIn(word, html)
        self.assertIn("&lt;img", html)
        self.assertIn("{{ 7*7 }}", html)

    def test_lead_or_opportunity(self):
        """What is made follows CRM's setting unless the gateway says otherwise."""
        users, leads = (
            self.env.ref("base.group_user"),
            self.env.ref("crm.group_use_lead"),
        )
        for label, uses_leads, wanted, expected in [
            ("CRM has leads", True, False, "lead"),
            ("CRM has none", False, False, "opportunity"),
            ("CRM has leads, gateway says", True, "opportunity", "opportunity"),
            ("CRM has none, gateway says", False, "lead", "lead"),
        ]:
            with self.row(label):
                users.implied_ids = [
                    fields.Command.link(leads.id)
                    if uses_leads
                    else fields.Command.unlink(leads.id)
                ]
                self.gateway.write({"crm_lead_policy": "all", "crm_lead_type": wanted})
                self.receive()
                self.assertEqual(self.made().type, expected)

    def test_ten_texts_make_one_lead(self):
        """Of ten texts of one number one lead is made, with one activity."""
        self.gateway.crm_lead_policy = "unknown"
        messages = self.env["sms.gateway.message"].union(
            *(self.receive(f"Text {n}") for n in range(10))
        )
        lead = self.made()
        self.assertEqual(len(lead), 1)
        self.assertEqual(set(messages.mapped("res_id")), {lead.id})
        self.assertEqual(len(lead.activity_ids), 1)
        self.assertEqual(lead.sms_gateway_message_count, 10)
        shown = lead.message_ids.filtered(lambda mail: mail.message_type == "sms")
        self.assertEqual(len(shown), 10)

    def test_a_number_that_odoo_cannot_read(self):
        """Also of a number that is none for Odoo one lead is made, not ten."""
        self.gateway.crm_lead_policy = "unknown"
        for n in range(3):
            self.receive(f"Text {n}", "+9999999999")
        self.assertEqual(len(self.made()), 1)

    def test_contact_keeps_the_own_number(self):
        """The lead is for the number that texted; the contact's stays as it is."""
        self.gateway.crm_lead_policy = "all"
        self.partner.phone = NUMBERS[1]
        self.partner.mobile_ids = [
            fields.Command.clear(),
            fields.Command.create({"number": NUMBERS[2]}),
        ]
        message = self.receive(number=NUMBERS[2])
        self.assertEqual(message.partner_id, self.partner)
        lead = self.made()
        self.assertEqual(lead.partner_id, self.partner)
        self.assertEqual(lead.phone, NUMBERS[2])
        self.assertEqual(self.partner.phone, NUMBERS[1])

    def test_a_lead_that_fails_loses_no_text(self):
        """Where the lead cannot be made the text is stored and somebody's."""
        self.gateway.crm_lead_policy = "all"
        with (
            patch.object(
                type(self.env["sms.conversation"]),
                "_prepare_lead_values",
                return_value={"name": "x", "stage_id": 0x7FFFFFFF},
            ),
            mute_logger(
                "odoo.sql_db", "odoo.addons.sms_gateway_hub.models.sms_conversation"
            ),
        ):
            message = self.receive("Keep me")
        self.assertFalse(self.made())
        self.assertEqual(message.state, "received")
        conversation = self.conversation()
        self.assertEqual(conversation.state, "to_answer")
        self.assertEqual(conversation.user_id, self.ada)
        self.assertEqual(conversation.answer_activity_id.user_id, self.ada)

    def test_team_of_another_company(self):
        """A team that is not of the conversation's company is left out."""
        company = self.env["res.company"].create({"name": "Elsewhere"})
        self.team.company_id = company
        self.gateway.write({"crm_lead_policy": "all", "crm_team_id": self.team.id})
        self.receive()
        self.assertNotEqual(self.made().team_id, self.team)
        self.assertEqual(self.made().company_id, self.env.company)


@tagged("post_install", "-at_install")
class TestLeadOwner(CrmConversationCase):
    def test_owner_of_the_lead(self):
        """Without a rule: the contact's salesperson, then the lead's."""
        for label, contact_has, lead_has, expected, reason in [
            ("the lead's", False, self.bob, self.bob, "Salesperson of the lead"),
            ("the contact's first", self.ada, self.bob, self.ada, "of the contact"),
            ("nobody's lead", False, False, self.ada, "Responsible"),
            ("somebody who left", False, self.clerk, self.ada, "Responsible"),
        ]:
            with self.row(label):
                self.partner.user_id = contact_has
                lead = self.make_lead(
                    partner_id=self.partner.id, user_id=lead_has and lead_has.id
                )
                self.clerk.active = False
                self.receive(number=NUMBERS[0])
                conversation = self.conversation(NUMBERS[0])
                self.assertEqual(conversation.user_id, expected)
                self.assertIn(reason, conversation.owner_reason)
                if lead_has:
                    self.assertEqual(lead.user_id, lead_has)

    def test_lead_follows_the_owner_until_it_has_one(self):
        """A lead without salesperson gets the conversation's owner, and keeps them."""
        self.gateway.crm_lead_policy = "all"
        self.gateway.responsible_user_id = False
        self.receive()
        lead, conversation = self.made(), self.conversation()
        self.assertFalse(lead.user_id)
        manager = self.new_user("boss", "sms_gateway_hub.group_manager")
        conversation.with_user(manager)._reassign(self.bob)
        self.assertEqual(lead.user_id, self.bob)
        conversation.with_user(manager)._reassign(self.ada)
        self.assertEqual(lead.user_id, self.bob)

    def test_no_second_notice(self):
        """The owner is told of the text; that the lead is theirs is no other e-mail."""
        self.gateway.write({"crm_lead_policy": "all", "notify_by_email": False})
        self.receive()
        lead = self.made()
        self.assertEqual(lead.user_id, self.ada)
        mails = self.env["mail.notification"].search(
            [("mail_message_id", "in", lead.message_ids.ids)]
        )
        self.assertFalse(mails)

    def test_activity_where_the_owner_sees_it(self):
        """Whoever may not see leads gets the activity on contact or conversation."""
        for label, owner, partner, expected in [
            ("sees leads", self.ada, True, "crm.lead"),
            ("does not, contact known", self.clerk, True, "res.partner"),
            ("does not, nobody known", self.clerk, False, "sms.conversation"),
        ]:
            with self.row(label):
                self.gateway.responsible_user_id = owner
                number = NUMBERS[0] if partner else NUMBERS[5]
                lead = self.make_lead(
                    **(
                        {"partner_id": self.partner.id}
                        if partner
                        else {"phone": NUMBERS[5]}
                    )
                )
                self.receive(number=number)
                conversation = self.conversation(number)
                self.assertEqual(conversation.res_id, lead.id)
                activity = conversation.answer_activity_id
                self.assertEqual(activity.res_model, expected)
                self.assertEqual(activity.user_id, owner)


@tagged("post_install", "-at_install")
class TestLeadChanges(CrmConversationCase):
    def open_lead(self, **values):
        """Return a lead with a text that waits for its answer."""
        lead = self.make_lead(partner_id=self.partner.id, **values)
        self.receive("Question", NUMBERS[0])
        return lead, self.conversation(NUMBERS[0])

    def test_merge(self):
        """Merged leads' texts and conversations go to the one that stays."""
        lead, conversation = self.open_lead(probability=1)
        kept = self.make_lead(
            partner_id=self.partner.id, type="opportunity", probability=90
        )
        message = conversation.unanswered_message_id
        head = (lead + kept).merge_opportunity()
        tail = (lead + kept) - head
        self.assertFalse(tail.exists())
        self.assertEqual(conversation.res_id, head.id)
        self.assertEqual(message.res_id, head.id)
        self.assertIn(message.mail_message_id, head.message_ids)
        self.assertEqual(conversation.answer_activity_id.res_id, head.id)
        conversation.with_user(self.ada)._answer("Answer")
        self.assertEqual(conversation.state, "waiting")
        self.assertFalse(conversation.answer_activity_id)

    def test_wrong_person(self):
        """A text that a lead shows, too, leaves the chatter of the wrong contact."""
        lead, conversation = self.open_lead()
        message = conversation.unanswered_message_id
        right = self.env["res.partner"].create({"name": "Grace"})
        for before, after in ((self.partner, right), (right, self.partner)):
            with self.row(after.name):
                conversation._choose_contact(after, texts=message, own_number=False)
                texts = self.env["mail.message"].search(
                    [
                        ("model", "=", "res.partner"),
                        ("res_id", "in", (before + after).ids),
                        ("message_type", "=", "sms"),
                    ]
                )
                self.assertEqual(texts.mapped("res_id"), after.ids)
                self.assertEqual(message.mail_message_id.res_id, lead.id)

    def test_erasure(self):
        """Erasing a number empties the copies on its contact, too."""
        lead, conversation = self.open_lead()
        conversation.with_user(self.ada)._answer("Secret answer")
        log = self.env["sms.log"].with_context(
            active_model=lead._name, active_id=lead.id
        )
        log.create(
            {"body": "Secret of last week", "at": "2026-01-05 10:00:00"}
        ).action_log()
        self.receive("Secret", NUMBERS[0])
        shown = self.env["mail.message"].search([("body", "ilike", "secret")])
        self.assertEqual(set(shown.mapped("model")), {"crm.lead", "res.partner"})
        self.env["sms.erase"].create(
            {"number": NUMBERS[0], "reason": "asked"}
        ).action_erase()
        self.env.invalidate_all()
        self.assertFalse(self.env["mail.message"].search([("body", "ilike", "secret")]))

    def test_erasure_of_a_lead_made_by_a_text(self):
        """What a text made of a lead is gone from it; other leads stay."""
        self.gateway.crm_lead_policy = "unknown"
        self.receive("My <b>secret</b>\nis big")
        made = self.made()
        self.assertIn("secret", made.description)
        other = self.make_lead(phone=NUMBERS[5], description="<p>Ours</p>")
        self.env["sms.erase"].create(
            {"number": NUMBERS[5], "reason": "asked"}
        ).action_erase()
        self.env.invalidate_all()
        self.assertFalse(made.description)
        self.assertFalse(made.phone)
        self.assertNotIn(NUMBERS[5], made.name)
        self.assertEqual(other.description, "<p>Ours</p>")
        values = self.env["mail.tracking.value"].search(
            [("old_value_char", "=", NUMBERS[5])]
        )
        self.assertFalse(values)

    def test_deletion(self):
        """The text of a deleted lead still waits, with the contact or alone."""
        for label, number, expected in [
            ("with a contact", NUMBERS[0], "res.partner"),
            ("alone", NUMBERS[5], "sms.conversation"),
        ]:
            with self.row(label):
                known = number == NUMBERS[0]
                lead = self.make_lead(
                    **({"partner_id": self.partner.id} if known else {"phone": number})
                )
                self.receive("Question", number)
                conversation = self.conversation(number)
                lead.unlink()
                self.assertFalse(conversation.res_id)
                self.assertEqual(conversation.state, "to_answer")
                self.assertEqual(conversation.answer_activity_id.res_model, expected)
                conversation.with_user(self.ada)._answer("Answer")
                self.assertEqual(conversation.state, "waiting")

    def test_lost_and_won(self):
        """A closed lead's text still waits and can be answered."""
        for label, method in [("lost", "action_set_lost"), ("won", "action_set_won")]:
            with self.row(label):
                lead, conversation = self.open_lead()
                getattr(lead, method)()
                self.assertTrue(conversation.answer_activity_id.active)
                conversation.with_user(self.ada)._answer("Answer")
                self.assertEqual(conversation.state, "waiting")

    def test_conversion(self):
        """Converted to an opportunity, a lead stays that of the conversation."""
        lead, conversation = self.open_lead(type="lead")
        lead.convert_opportunity(self.partner, user_ids=self.bob.ids)
        self.assertEqual(lead.type, "opportunity")
        self.receive("Another", NUMBERS[0])
        self.assertEqual(conversation.res_id, lead.id)

    def test_contact_set_later(self):
        """A contact made of the lead becomes the conversation's."""
        self.gateway.crm_lead_policy = "unknown"
        self.receive("Question")
        lead, conversation = self.made(), self.conversation()
        lead.partner_id = self.env["res.partner"].create({"name": "Grace"})
        self.assertEqual(conversation.partner_id, lead.partner_id)
        self.assertEqual(conversation.contact_reason, "Contact of the lead")
        message = self.receive("Another")
        self.assertEqual(message.partner_id, lead.partner_id)
        self.assertEqual(conversation.res_id, lead.id)
        self.assertEqual(len(self.made()), 1)

    def test_contact_chosen_by_hand_stays(self):
        """Who said that it is nobody known is not overruled by the lead."""
        lead = self.make_lead(phone=NUMBERS[5])
        self.receive()
        conversation = self.conversation()
        conversation.contact_by_hand = True
        lead.partner_id = self.partner
        self.assertFalse(conversation.partner_id)

    def test_shown_on_lead_and_contact(self):
        """In and out, from the composer and the conversation: both show every text."""
        lead, conversation = self.open_lead()
        composer = self.env["sms.composer"].with_context(
            **lead.action_sms_gateway_compose()["context"]
        )
        composer.create({"body": "From the lead"}).action_send_sms()
        conversation.with_user(self.ada)._answer("From the conversation")
        texts = ("Question", "From the lead", "From the conversation")
        for record in (lead, self.partner):
            with self.subTest(record=record._name):
                mails = record.message_ids.filtered(
                    lambda mail: mail.message_type == "sms"
                )
                for text in texts:
                    shown = mails.filtered(lambda m, text=text: text in str(m.body))
                    self.assertEqual(len(shown), 1, (text, record))
        self.assertEqual(lead.sms_gateway_message_count, 3)
        action = lead.action_open_sms_gateway_messages()
        messages = self.env["sms.gateway.message"].search(action["domain"])
        self.assertEqual(set(messages.mapped("body")), set(texts))
        self.assertEqual(set(messages.mapped("res_id")), set(lead.ids))
        self.assertEqual(lead.sms_gateway_conversation_id, conversation)
        action = lead.action_open_sms_gateway_conversation()
        self.assertEqual(action["res_id"], conversation.id)

    def test_logged_by_hand(self):
        """“Log an SMS” on a lead notes it there, with the lead's contact and number."""
        lead, conversation = self.open_lead()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "sms_gateway_crm.action_crm_lead_log_sms"
        )
        wizard = (
            self.env[action["res_model"]]
            .with_user(self.ada)
            .with_context(active_model=lead._name, active_id=lead.id)
            .create({"body": "From my own phone"})
        )
        wizard.action_log()
        message = self.messages_of([("kind", "=", "logged")])
        self.assertFields(
            message,
            {
                "res_model": "crm.lead",
                "res_id": lead.id,
                "partner_id": self.partner,
                "number": NUMBERS[0],
                "body": "From my own phone",
            },
        )
        self.assertEqual(conversation.state, "waiting")
        self.assertIn("From my own phone", str(lead.message_ids.mapped("body")))
        self.assertIn("From my own phone", str(self.partner.message_ids.mapped("body")))

    def test_open_chatter_hears_of_it(self):
        """Whoever has the lead open is told of the text, on the lead's own channel."""
        lead = self.make_lead(partner_id=self.partner.id)
        self.env.cr.precommit.run()
        self.env["bus.bus"].sudo().search([]).unlink()
        message = self.receive("Live", NUMBERS[0])
        self.env.cr.precommit.run()
        sent = (
            self.env["bus.bus"]
            .sudo()
            .search([])
            .mapped(lambda bus: (bus.channel, bus.message))
        )
        self.assertTrue(message.mail_message_id)
        found = [
            payload
            for channel, payload in sent
            if '"crm.lead"' in channel + payload and str(lead.id) in channel + payload
        ]
        self.assertTrue(found, sent)

    def test_without_crm(self):
        """After an uninstallation a conversation of a lead works with the contact."""
        _lead, conversation = self.open_lead()
        conversation.write({"res_model": "crm.gone"})
        self.assertEqual(conversation._get_subject(), self.partner)
        self.assertFalse(conversation.document_label)
        conversation.with_user(self.ada)._answer("Answer")
        self.assertEqual(conversation.state, "waiting")
        self.receive("Again", NUMBERS[0])
        self.assertEqual(conversation.state, "to_answer")
