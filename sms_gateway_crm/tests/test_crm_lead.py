# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import UserError
from odoo.tests import TransactionCase, tagged

from odoo.addons.sms_gateway_hub.tests.common import SmsGatewayMixin


@tagged("post_install", "-at_install")
class TestCrmLead(SmsGatewayMixin, TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        united_states = cls.env.ref("base.us")
        cls.partner = cls.env["res.partner"].create(
            {
                "name": "Ada Lovelace",
                "phone": "+1 202-555-0101",
                "country_id": united_states.id,
            }
        )
        cls.lead_of_contact, cls.lead_alone, cls.lead_without_number = cls.env[
            "crm.lead"
        ].create(
            [
                {"name": "Engine", "partner_id": cls.partner.id},
                {
                    "name": "Loom",
                    "phone": "(202) 555-0102",
                    "country_id": united_states.id,
                },
                {"name": "Abacus", "phone": False},
            ]
        )

    def text(self, leads, body="Hello {{ object.name }}"):
        """Text leads as the menu entry does; return the messages, lead by lead."""
        before = self.env["sms.gateway.message"].search([], limit=1).id or 0
        action = leads.action_sms_gateway_compose()
        composer = self.env["sms.composer"].with_context(**action["context"])
        composer.create({"body": body}).action_send_sms()
        return self.env["sms.gateway.message"].search(
            [("id", ">", before)], order="res_id"
        )

    def test_selection_becomes_messages_of_the_leads(self):
        """A text to selected leads is kept with its lead and the lead's contact."""
        messages = self.text(self.lead_of_contact + self.lead_alone)
        rows = [
            ("with a contact", self.lead_of_contact, self.partner, "+12025550101"),
            ("alone", self.lead_alone, self.env["res.partner"], "+12025550102"),
        ]
        self.assertEqual(len(messages), len(rows))
        for message, (name, lead, partner, number) in zip(messages, rows, strict=True):
            with self.subTest(name):
                self.assertRecordValues(
                    message,
                    [
                        {
                            "state": "queued",
                            "kind": "broadcast",
                            "gateway_id": self.gateway.id,
                            "res_model": "crm.lead",
                            "res_id": lead.id,
                            "partner_id": partner.id,
                            "number": number,
                            "body": f"Hello {lead.name}",
                        }
                    ],
                )

    def test_one_lead_gets_a_text_of_its_own(self):
        """A selection of one lead is not a mass text."""
        message = self.text(self.lead_of_contact)
        self.assertRecordValues(
            message,
            [
                {
                    "kind": "single",
                    "res_model": "crm.lead",
                    "res_id": self.lead_of_contact.id,
                    "partner_id": self.partner.id,
                }
            ],
        )

    def test_lead_without_number_disturbs_no_other(self):
        """Of two leads, the one without a number is left out."""
        messages = self.text(self.lead_alone + self.lead_without_number)
        self.assertEqual(messages.mapped("res_id"), self.lead_alone.ids)

    def test_nothing_selected_is_said_clearly(self):
        """Without a selection the menu entry says what to do."""
        with self.assertRaisesRegex(UserError, "Select at least one"):
            self.env["crm.lead"].action_sms_gateway_compose()

    def test_lead_shows_its_texts_and_those_of_its_contact(self):
        """The button counts the lead's texts and its contact's, and opens the same."""
        self.text(self.lead_of_contact)
        self.text(self.lead_alone)
        action = self.partner.action_sms_gateway_compose()
        composer = self.env["sms.composer"].with_context(**action["context"])
        composer.create({"body": "Hello"}).action_send_sms()
        for name, lead, count in [
            ("with a contact", self.lead_of_contact, 2),
            ("alone", self.lead_alone, 1),
            ("never texted", self.lead_without_number, 0),
        ]:
            with self.subTest(name):
                self.assertEqual(lead.sms_gateway_message_count, count)
                domain = lead.action_open_sms_gateway_messages()["domain"]
                self.assertEqual(
                    self.env["sms.gateway.message"].search_count(domain), count
                )

    def test_menu_has_one_entry(self):
        """Core's entry in the lists' menu is replaced, not doubled."""
        bindings = self.env["ir.actions.actions"].get_bindings("crm.lead")
        entries = [
            action
            for action in bindings.get("action", [])
            if action["name"] == "Send SMS"
            and "list" in action["binding_view_types"].split(",")
        ]
        self.assertEqual(len(entries), 1)

    def test_a_refusal_of_the_contact_holds_for_the_lead(self):
        """Who refused texts gets none about an opportunity either."""
        self.env["sms.consent"]._record(
            "+12025550101", "opted_out", method="phone", partner_id=self.partner.id
        )
        mail_message = self.lead_of_contact._message_sms("Hello")
        message = mail_message.sms_gateway_message_ids
        self.assertRecordValues(
            message, [{"state": "canceled", "failure_type": "opted_out"}]
        )

    def test_broadcast_to_leads(self):
        """A broadcast from the list of leads reaches each lead's number once."""
        leads = self.lead_of_contact + self.lead_alone + self.lead_without_number
        action = self.env["sms.broadcast"]._from_records(leads)
        broadcast = self.env["sms.broadcast"].browse(action["res_id"])
        broadcast.body = "Hello {{ object.name }}"
        broadcast.action_check()
        broadcast.action_start()
        with self.own_cursors():
            while broadcast._work_apart(broadcast.id) == "more":
                pass
        messages = self.messages_of([("state", "=", "queued")])
        self.assertEqual(
            set(messages.mapped("res_id")),
            {self.lead_of_contact.id, self.lead_alone.id},
        )
        self.assertEqual(set(messages.mapped("res_model")), {"crm.lead"})
