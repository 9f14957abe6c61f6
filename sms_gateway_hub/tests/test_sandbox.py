# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo.fields import Command
from odoo.tests import tagged

from .common import NUMBERS, SmsGatewayCase


@tagged("post_install", "-at_install")
class TestSandbox(SmsGatewayCase):
    """What the sandbox pretends follows from its rules, outcome by outcome."""

    def rule(self, **values):
        return self.env["sms.gateway.sandbox.rule"].create(
            {"gateway_id": self.gateway.id, **values}
        )

    def events(self):
        return self.env["sms.gateway.event"].search(
            [("gateway_id", "=", self.gateway.id)], order="id"
        )

    def incoming(self):
        return self.messages_of([("direction", "=", "incoming")])

    def test_outcomes(self):
        """Each outcome of a rule, from the sending to the report."""
        # outcome, state when sent, state after the report, failure, what it wrote
        for outcome, at_once, later, failure_type, fields_after in (
            ("delivered", "sent", "delivered", False, {"cost": 2.0}),
            ("accepted", "sent", "sent", False, {"cost": 2.0}),
            ("undelivered", "sent", "undelivered", "number_dead", {"cost": 2.0}),
            ("expired", "sent", "expired", "expired", {"cost": 2.0}),
            ("refused", "failed", "failed", "rejected", {"provider_code": "SANDBOX"}),
            ("timeout", "unconfirmed", "unconfirmed", "unknown_outcome", {}),
            ("not_reached", "queued", "queued", "not_reached", {"attempts": 1}),
            ("throttled", "queued", "queued", False, {"attempts": 0}),
            ("account", "queued", "queued", False, {"attempts": 0}),
        ):
            with self.row(outcome):
                self.rule(outcome=outcome, delay_s=7, cost=1)
                message = self.enqueue(body="x" * 161)
                self.run_sender()
                self.assertEqual(message.state, at_once)
                report = self.events()
                if at_once == "sent" and outcome != "accepted":
                    delay = report.next_try_at - report.received_at
                    self.assertEqual(delay, timedelta(seconds=7))
                    self.assertRegex(message.external_ref, "^SB-[0-9A-F]{12}$")
                else:
                    self.assertFalse(report)
                self.apply_events()
                self.assertFields(
                    message,
                    {"state": later, "failure_type": failure_type, **fields_after},
                )
                if at_once in ("sent", "failed"):
                    self.assertFalse(self.gateway.throttled_until)

    def test_all_outcomes_have_a_row(self):
        """The table above names every outcome that a rule can have."""
        field = self.env["sms.gateway.sandbox.rule"]._fields["outcome"]
        outcomes = set(dict(field.selection))
        self.assertEqual(
            outcomes,
            {
                "delivered", "accepted", "undelivered", "expired", "refused",
                "timeout", "not_reached", "throttled", "account",
            },
        )  # fmt: skip

    def test_gateway_state(self):
        """Throttling and a refused account show on the gateway, and pass."""
        for outcome, health in (("throttled", "throttled"), ("account", "paused")):
            with self.row(outcome):
                rule = self.rule(outcome=outcome, delay_s=33)
                message = self.enqueue()
                self.run_sender()
                self.assertEqual(self.gateway.health, health)
                if outcome == "throttled":
                    rest = self.gateway.throttled_until - self.gateway.last_error_at
                    self.assertEqual(rest, timedelta(seconds=33))
                rule.unlink()
                self.gateway.action_resume()
                self.force(message, due_at=message.create_date)
                self.deliver()
                self.assertEqual(message.state, "delivered")
                self.assertEqual(self.gateway.health, "good")

    def test_without_rules(self):
        """A sandbox without rules delivers, for nothing."""
        message = self.enqueue()
        self.deliver()
        self.assertFields(
            message, {"state": "delivered", "cost": 0, "cost_unit": False}
        )

    def test_first_rule_that_fits(self):
        """The first rule decides of those whose digits and words fit."""
        self.gateway.sandbox_rule_ids = [
            Command.create({"sequence": n, "outcome": outcome, **values})
            for n, (outcome, values) in enumerate(
                (
                    ("undelivered", {"number_suffix": "0101"}),
                    ("refused", {"text_contains": "Refuse"}),
                    (
                        "expired",
                        {"text_contains": "late", "number_suffix": NUMBERS[2]},
                    ),
                    ("delivered", {}),
                )
            )
        ]
        for body, number, state in (
            ("hello", NUMBERS[0], "delivered"),
            ("hello", NUMBERS[1], "undelivered"),
            ("please refuse this", NUMBERS[1], "undelivered"),
            ("please REFUSE this", NUMBERS[0], "failed"),
            ("late", NUMBERS[0], "delivered"),
            ("late", NUMBERS[2], "expired"),
            ("ＲＥＦＵＳＥ", NUMBERS[0], "delivered"),
        ):
            with self.row(f"{body} to {number}"):
                message = self.enqueue(body=body, number=number)
                self.deliver()
                self.assertEqual(message.state, state)

    def test_reply(self):
        """An answer comes back two seconds after the report, on the contact."""
        self.rule(reply="You said: {text}", delay_s=5)
        self.enqueue(body="{{ 7*7 }} <b>Hi</b>", partner_id=self.partner.id)
        self.run_sender()
        report, reply = self.events()
        self.assertEqual(reply.next_try_at - report.next_try_at, timedelta(seconds=2))
        self.apply_events()
        incoming = self.incoming()
        self.assertFields(
            incoming,
            {
                "body": "You said: {{ 7*7 }} <b>Hi</b>",
                "number": NUMBERS[0],
                "partner_id": self.partner,
                "state": "received",
            },
        )
        self.assertIn("{{ 7*7 }} &lt;b&gt;Hi&lt;/b&gt;", incoming.mail_message_id.body)

    def test_no_reply(self):
        """Neither a mass text nor one that did not arrive is answered."""
        for label, rule, message, answered in (
            ("arrived", {}, {}, True),
            ("a mass text", {}, {"priority": "3"}, False),
            ("refused", {"outcome": "refused"}, {}, False),
            ("timed out", {"outcome": "timeout"}, {}, False),
            ("not delivered", {"outcome": "undelivered"}, {}, False),
            ("expired", {"outcome": "expired"}, {}, False),
        ):
            with self.row(label):
                self.rule(reply="Thanks", **rule)
                self.enqueue(**message)
                self.deliver()
                self.assertEqual(bool(self.incoming()), answered)

    def test_same_text_twice(self):
        """Two texts to one person have two reports and two answers."""
        self.rule(reply="Thanks")
        messages = self.enqueue(2, number=NUMBERS[0], body="Same")
        self.deliver()
        self.assertEqual(messages.mapped("state"), ["delivered"] * 2)
        self.assertEqual(len(set(messages.mapped("external_ref"))), 2)
        self.assertEqual(len(self.incoming()), 2)

    def test_bad_numbers_hit_themselves_only(self):
        """One refused and one throttled text do not spoil those before them."""
        self.rule(text_contains="refuse", outcome="refused")
        messages = self.enqueue(3, body=["a", "refuse", "b"])
        self.deliver()
        self.assertEqual(messages.mapped("state"), ["delivered", "failed", "delivered"])

    def test_data(self):
        """The sandbox that comes with the hub has a rule for each try-out word."""
        sandbox = self.env.ref("sms_gateway_hub.sms_gateway_sandbox")
        sandbox.state = "test"
        for word, state in (
            ("Hello", "delivered"),
            ("please refuse", "failed"),
            ("not delivered", "undelivered"),
            ("delayed", "delivered"),
            ("slow down", "queued"),
            ("time out", "unconfirmed"),
        ):
            with self.row(word):
                message = self.enqueue(body=word, gateway_id=sandbox.id)
                self.deliver(sandbox)
                self.assertEqual(message.state, state)
                if word == "Hello":
                    self.assertEqual(message.cost_unit, "credits")
                    self.assertEqual(message.cost, 1)
                    self.assertTrue(self.incoming())

    def test_no_network(self):
        """The sandbox's transport has no threads and no wire."""
        wire = self.gateway._get_adapter()._get_transport(self.gateway)
        self.assertEqual(type(wire).__name__, "LocalTransport")
        self.assertFalse(self.gateway._get_adapter()._reaches_people(self.gateway))

    def test_costs_in_company_currency(self):
        """Credits are worth what the gateway says."""
        self.gateway.credit_value = 0.05
        self.rule(cost=2)
        message = self.enqueue(body="x" * 161)
        self.deliver()
        self.assertFields(
            message, {"cost": 4, "cost_unit": "credits", "cost_company": 0.2}
        )
