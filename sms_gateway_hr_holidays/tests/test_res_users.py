# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import fields
from odoo.fields import Command
from odoo.tests import tagged

from odoo.addons.sms_gateway_hub.tests.common import NUMBERS, SmsGatewayCase
from odoo.addons.sms_gateway_hub.tools.gateway_data import InboundMessage


@tagged("post_install", "-at_install")
class TestResUsers(SmsGatewayCase):
    """Texts go to nobody who is on leave."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["sms.assignment.rule"].search([]).active = False
        cls.ada = cls.new_user("ada", "base.group_user")
        cls.bob = cls.new_user("bob", "base.group_user")
        cls.users = cls.ada + cls.bob
        cls.employees = cls.env["hr.employee"].create(
            [{"name": user.name, "user_id": user.id} for user in cls.users]
        )
        cls.leave_type = cls.env["hr.leave.type"].create(
            {"name": "Holidays", "requires_allocation": False}
        )

    def add_leave(self, employee, state="validate", days=0):
        """Give an employee a day off.

        :param int days: how far it is away
        """
        leave = (
            self.env["hr.leave"]
            .with_context(leave_fast_create=True, leave_skip_date_check=True)
            .create(
                {
                    "name": "Away",
                    "employee_id": employee.id,
                    "holiday_status_id": self.leave_type.id,
                    "request_date_from": fields.Date.today() + timedelta(days=days),
                    "request_date_to": fields.Date.today() + timedelta(days=days),
                }
            )
        )
        now = fields.Datetime.now() + timedelta(days=days)
        self.force(
            leave,
            state=state,
            date_from=now - timedelta(hours=1),
            date_to=now + timedelta(hours=1),
        )
        self.env.invalidate_all()
        return leave

    def test_who_is_on_leave_is_absent(self):
        """Leave that was granted and is now; not what was asked for, or is to come."""
        rows = [
            ("granted", {}, True),
            ("asked for", {"state": "confirm"}, False),
            ("refused", {"state": "refuse"}, False),
            ("in ten days", {"days": 10}, False),
        ]
        for label, leave, is_absent in rows:
            with self.row(label):
                self.add_leave(self.employees[0], **leave)
                absent = self.users._sms_gateway_get_absent()
                self.assertEqual(absent, self.ada if is_absent else absent.browse())

    def test_who_is_out_of_office_still_counts(self):
        """What the hub knows is not forgotten."""
        self.add_leave(self.employees[0])
        self.bob.out_of_office_from = self.env.cr.now() - timedelta(hours=1)
        self.assertEqual(self.users._sms_gateway_get_absent(), self.users)

    def test_nobody_needs_rights_to_time_off(self):
        """A text comes in by a technical user: whoever that is."""
        self.add_leave(self.employees[0])
        users = self.users.with_user(self.bob)
        self.assertEqual(users._sms_gateway_get_absent(), self.ada)
        visitor = self.users.with_user(self.env.ref("base.public_user"))
        self.assertEqual(visitor._sms_gateway_get_absent(), self.ada)

    def test_who_works_for_two_companies_is_there_for_one(self):
        """Only leave from all of them makes somebody absent."""
        other = self.env["res.company"].create({"name": "Elsewhere"})
        self.ada.company_ids = [Command.link(other.id)]
        second = self.env["hr.employee"].create(
            {"name": "Ada", "user_id": self.ada.id, "company_id": other.id}
        )
        self.add_leave(self.employees[0])
        self.assertFalse(self.users._sms_gateway_get_absent())
        self.add_leave(second)
        self.assertEqual(self.users._sms_gateway_get_absent(), self.ada)

    def test_the_number_of_users_costs_no_queries(self):
        """All are asked for at once."""
        people = self.users
        for n in range(8):
            user = self.new_user(f"user{n}", "base.group_user")
            self.env["hr.employee"].create({"name": user.name, "user_id": user.id})
            people += user
        counts = []
        for users in (self.users, people):
            self.env.flush_all()
            self.env.invalidate_all()
            with self.count_queries() as statements:
                users._sms_gateway_get_absent()
            counts.append(len(statements))
        self.assertLessEqual(counts[1], counts[0])

    def test_a_text_goes_to_the_next_in_turn_who_is_there(self):
        """An incoming text passes over who is on leave."""
        self.env["sms.assignment.rule"].create(
            {
                "name": "All",
                "assign_to": "turn",
                "user_ids": [Command.set(self.users.ids)],
            }
        )
        self.add_leave(self.employees[0])
        for n in range(2):
            self.env["sms.gateway.message"]._receive(
                self.gateway,
                InboundMessage(event_key=f"in-{n}", number=NUMBERS[n], body="Hello"),
            )
            conversation = self.env["sms.conversation"].search(
                [("number", "=", NUMBERS[n])]
            )
            self.assertEqual(conversation.user_id, self.bob)
