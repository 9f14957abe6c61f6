# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Assignment rules that know sales teams and leads."""

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.tests import tagged

from odoo.addons.sms_gateway_hub.tests.common import NUMBERS

from .test_conversation import CrmConversationCase


@tagged("post_install", "-at_install")
class TestAssignmentRule(CrmConversationCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.rules = cls.env["sms.assignment.rule"]
        cls.rules.search([]).active = False
        cls.cleo = cls.new_user("cleo", "sales_team.group_sale_salesman_all_leads")
        cls.other_team = cls.env["crm.team"].create({"name": "Engines"})
        cls.team.member_ids = cls.ada + cls.bob + cls.cleo

    def make_rule(self, **values):
        return self.rules.create({"name": "Rule", **values})

    def set_absent(self, user):
        """Let a user be out of office, by the user's own setting."""
        now = fields.Datetime.now()
        user.write(
            {
                "out_of_office_from": fields.Datetime.subtract(now, days=1),
                "out_of_office_to": fields.Datetime.add(now, days=1),
            }
        )

    def test_team_as_condition(self):
        """Which teams' texts a rule takes: rows of lead and rule."""
        team, other = self.team, self.other_team
        for label, lead_values, teams, fits in [
            ("the lead's team", {"team_id": team.id}, team, True),
            ("one of two", {"team_id": team.id}, team + other, True),
            ("another team", {"team_id": other.id}, team, False),
            ("a lead without team", {"team_id": False}, team, False),
            ("no lead", None, team, False),
            ("a lost lead", {"team_id": team.id, "lost": True}, team, False),
        ]:
            with self.row(label):
                self.make_rule(
                    crm_team_ids=teams.ids, assign_to="user", user_id=self.cleo.id
                )
                if lead_values is not None:
                    lost = lead_values.pop("lost", False)
                    lead = self.make_lead(partner_id=self.partner.id, **lead_values)
                    if lost:
                        lead.action_set_lost()
                self.receive(number=NUMBERS[0])
                conversation = self.conversation(NUMBERS[0])
                self.assertEqual(conversation.user_id, self.cleo if fits else self.ada)
                self.assertEqual(bool(conversation.rule_id), fits)

    def test_team_of_the_lead_that_the_text_makes(self):
        """A lead that is made of the text counts at once."""
        self.gateway.write({"crm_lead_policy": "all", "crm_team_id": self.team.id})
        self.make_rule(
            crm_team_ids=self.team.ids, assign_to="user", user_id=self.bob.id
        )
        self.receive()
        self.assertEqual(self.conversation().user_id, self.bob)
        self.assertEqual(self.made().user_id, self.bob)
        self.assertEqual(self.made().team_id, self.team)

    def test_members_in_turn(self):
        """Conversations go round in the team, past who is away or cannot."""
        rule = self.make_rule(assign_to="crm_team", crm_team_id=self.team.id)
        owners = [
            self.receive(number=number).conversation_id.user_id
            for number in NUMBERS[5:9]
        ]
        self.assertEqual(owners, [self.ada, self.bob, self.cleo, self.ada])
        self.set_absent(self.bob)
        conversation = self.receive(number=NUMBERS[9]).conversation_id
        self.assertEqual(conversation.user_id, self.cleo)
        self.assertEqual(conversation.rule_id, rule)
        self.assertIn("next in turn of the team Looms", conversation.owner_reason)
        self.ada.active = False
        conversation = self.receive(number=NUMBERS[10]).conversation_id
        self.assertEqual(conversation.user_id, self.cleo)

    def test_nobody_of_the_team(self):
        """A team without anybody who can leaves the text to the next rule."""
        for label in ("no members", "all away", "archived"):
            with self.row(label):
                if label == "no members":
                    self.team.member_ids = False
                elif label == "all away":
                    for user in self.team.member_ids:
                        self.set_absent(user)
                else:
                    self.team.active = False
                self.make_rule(
                    sequence=1, assign_to="crm_team", crm_team_id=self.team.id
                )
                second = self.make_rule(
                    sequence=2, assign_to="user", user_id=self.clerk.id
                )
                conversation = self.receive().conversation_id
                self.assertEqual(conversation.user_id, self.clerk)
                self.assertEqual(conversation.rule_id, second)

    def test_salesperson_of_the_lead(self):
        """The lead's salesperson, and whoever comes next where there is none."""
        for label, owner, absent, skip, expected in [
            ("there", "bob", False, True, "bob"),
            ("away", "bob", True, True, "cleo"),
            ("away, asked nevertheless", "bob", True, False, "bob"),
            ("nobody", None, False, True, "cleo"),
            ("no lead", "none", False, True, "cleo"),
        ]:
            with self.row(label):
                self.make_rule(sequence=1, assign_to="crm_lead", skip_absent=skip)
                self.make_rule(sequence=2, assign_to="user", user_id=self.cleo.id)
                if owner != "none":
                    self.make_lead(
                        partner_id=self.partner.id,
                        user_id=owner and getattr(self, owner).id,
                    )
                if absent:
                    self.set_absent(self.bob)
                conversation = self.receive(number=NUMBERS[0]).conversation_id
                self.assertEqual(conversation.user_id, getattr(self, expected))
                if expected == "bob":
                    self.assertIn("salesperson of the lead", conversation.owner_reason)

    def test_team_is_needed(self):
        """A rule for a team's members needs the team."""
        with self.assertRaisesRegex(ValidationError, "Choose the sales team"):
            self.make_rule(assign_to="crm_team")

    def test_in_words(self):
        """Lists say what a rule looks at and whom it gives texts to."""
        rule = self.make_rule(
            assign_to="crm_team",
            crm_team_id=self.team.id,
            crm_team_ids=self.other_team.ids,
        )
        self.assertEqual(rule.condition_text, "Engines")
        self.assertEqual(rule.target_text, "In turn: Looms")
        rule.assign_to = "crm_lead"
        self.assertEqual(rule.target_text, "The salesperson of the lead")
