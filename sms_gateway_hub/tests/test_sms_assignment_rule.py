# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Whose an incoming text is."""

from contextlib import nullcontext
from datetime import datetime, timedelta

from freezegun import freeze_time

from odoo.exceptions import ValidationError
from odoo.fields import Command
from odoo.tests import Form, tagged

from ..tools.gateway_data import InboundMessage
from .common import NUMBERS, SmsGatewayCase

CUSTOMER, COLLEAGUE, PLAIN, GERMAN, UNKNOWN = NUMBERS[:5]
# Numbers that are kept free for fiction, where the country has such.
BERLIN, LONDON, VANCOUVER = "+4915112345678", "+442079460000", "+16045550123"

# The office is open on weekdays from 9 to 17, in Berlin.
NOON = datetime(2026, 3, 25, 11, 0)
NIGHT = datetime(2026, 3, 25, 22, 0)
SUNDAY = datetime(2026, 3, 29, 11, 0)
# Good Friday is entered as a day off.
GOOD_FRIDAY = datetime(2026, 4, 3, 9, 0)
# 7:30 UTC is 8:30 in winter, and 9:30 in summer time, from 29 March on.
WINTER_MORNING = datetime(2026, 3, 27, 7, 30)
SUMMER_MORNING = datetime(2026, 3, 30, 7, 30)

SALESPERSON = "Salesperson of the contact"
LAST = "Texted this number last"
RESPONSIBLE = "Responsible for the gateway"
NOBODY = "Nobody could be found: a manager has to choose."

# A rule is (conditions, target): names stand for the records of the test.
# Each row: what it shows, the rules in order, the text, the owner and the reason.
FOR_BOB, FOR_CYD = {"user_id": "bob"}, {"user_id": "cyd"}
CHOSEN = "Rule “1”"
SECOND = "Rule “2”"
IN_TURN = {"assign_to": "turn", "user_ids": "bob cyd"}
SALES = {"assign_to": "salesperson"}
ROWS = [
    # -- No rule fits ---------------------------------------------------------
    ("salesperson", [], {"number": CUSTOMER}, "ada", SALESPERSON),
    ("salesperson of the company", [], {"number": COLLEAGUE}, "bob", SALESPERSON),
    ("whoever texted last", [], {"number": PLAIN, "texted_by": "cyd"}, "cyd", LAST),
    ("the responsible", [], {"number": UNKNOWN}, "dan", RESPONSIBLE),
    ("nobody", [], {"number": UNKNOWN, "responsible": None}, None, NOBODY),
    ("salesperson left", [], {"number": CUSTOMER, "gone": "ada"}, "dan", RESPONSIBLE),
    ("a service", [], {"number": "Acme"}, "dan", RESPONSIBLE),
    # -- Order ----------------------------------------------------------------
    ("a rule for all", [FOR_BOB], {"number": CUSTOMER}, "bob", CHOSEN),
    ("the first one", [FOR_BOB, FOR_CYD], {"number": UNKNOWN}, "bob", CHOSEN),
    (
        "by sequence, not by age",
        [{**FOR_BOB, "sequence": 20}, {**FOR_CYD, "sequence": 5}],
        {"number": UNKNOWN},
        "cyd",
        SECOND,
    ),
    (
        "an archived rule",
        [{**FOR_BOB, "active": False}],
        {"number": UNKNOWN},
        "dan",
        RESPONSIBLE,
    ),
    # -- The text -------------------------------------------------------------
    (
        "its gateway",
        [{**FOR_BOB, "gateway_ids": "gateway"}],
        {"number": UNKNOWN},
        "bob",
        CHOSEN,
    ),
    (
        "another gateway",
        [{**FOR_BOB, "gateway_ids": "second_gateway"}],
        {"number": UNKNOWN},
        "dan",
        RESPONSIBLE,
    ),
    (
        "an own word at the beginning",
        [{**FOR_BOB, "keyword_ids": "pizza"}],
        {"number": UNKNOWN, "body": "Pizza, two of them please"},
        "bob",
        CHOSEN,
    ),
    (
        "the own word somewhere else",
        [{**FOR_BOB, "keyword_ids": "pizza"}],
        {"number": UNKNOWN, "body": "Two pizza please"},
        "dan",
        RESPONSIBLE,
    ),
    (
        "an own word that was archived fits no text",
        [{**FOR_BOB, "keyword_ids": "old_word"}],
        {"number": UNKNOWN, "body": "Pasta"},
        "dan",
        RESPONSIBLE,
    ),
    # -- The number -----------------------------------------------------------
    (
        "country of the number",
        [{**FOR_BOB, "country_ids": "germany"}],
        {"number": BERLIN},
        "bob",
        CHOSEN,
    ),
    (
        "country of the number, not of the address",
        [{**FOR_BOB, "country_ids": "germany"}, {**FOR_CYD, "country_ids": "us"}],
        {"number": GERMAN},
        "cyd",
        SECOND,
    ),
    (
        "two countries with one calling code",
        [{**FOR_BOB, "country_ids": "us"}, {**FOR_CYD, "country_ids": "canada"}],
        {"number": VANCOUVER},
        "cyd",
        SECOND,
    ),
    (
        "no number, no country",
        [{**FOR_BOB, "country_ids": "germany"}],
        {"number": "Acme"},
        "dan",
        RESPONSIBLE,
    ),
    (
        "one of the prefixes",
        [{**FOR_BOB, "prefixes": "+49, +4420"}],
        {"number": LONDON},
        "bob",
        CHOSEN,
    ),
    (
        "none of the prefixes",
        [{**FOR_BOB, "prefixes": "+49, +4421"}],
        {"number": LONDON},
        "dan",
        RESPONSIBLE,
    ),
    # -- The contact ----------------------------------------------------------
    (
        "tag",
        [{**FOR_BOB, "category_ids": "gold"}],
        {"number": CUSTOMER},
        "bob",
        CHOSEN,
    ),
    (
        "tag above the contact's",
        [{**FOR_BOB, "category_ids": "vip"}],
        {"number": CUSTOMER},
        "bob",
        CHOSEN,
    ),
    (
        "tag below the company's",
        [{**FOR_CYD, "category_ids": "gold"}],
        {"number": COLLEAGUE},
        "bob",
        SALESPERSON,
    ),
    (
        "tag of the company",
        [{**FOR_CYD, "category_ids": "vip"}],
        {"number": COLLEAGUE},
        "cyd",
        CHOSEN,
    ),
    (
        "tag, and nobody is known",
        [{**FOR_BOB, "category_ids": "vip"}],
        {"number": UNKNOWN},
        "dan",
        RESPONSIBLE,
    ),
    (
        "language",
        [{**FOR_BOB, "lang_ids": "english"}, {**FOR_CYD, "lang_ids": "french"}],
        {"number": CUSTOMER},
        "cyd",
        SECOND,
    ),
    (
        "language, and nobody is known",
        [{**FOR_BOB, "lang_ids": "english"}],
        {"number": UNKNOWN},
        "dan",
        RESPONSIBLE,
    ),
    (
        "known",
        [{**FOR_BOB, "contact_is": "unknown"}, {**FOR_CYD, "contact_is": "known"}],
        {"number": PLAIN},
        "cyd",
        SECOND,
    ),
    (
        "unknown",
        [{**FOR_CYD, "contact_is": "known"}, {**FOR_BOB, "contact_is": "unknown"}],
        {"number": UNKNOWN},
        "bob",
        SECOND,
    ),
    # -- The time -------------------------------------------------------------
    *(
        (
            label,
            [{**FOR_BOB, "hours": "within"}, {**FOR_CYD, "hours": "outside"}],
            {"number": UNKNOWN, "office": True, "at": at},
            *((("bob"), CHOSEN) if is_open else ("cyd", SECOND)),
        )
        for label, at, is_open in [
            ("office hours", NOON, True),
            ("night", NIGHT, False),
            ("Sunday", SUNDAY, False),
            ("day off of the office", GOOD_FRIDAY, False),
            ("half past eight in winter", WINTER_MORNING, False),
            ("half past nine in summer time", SUMMER_MORNING, True),
        ]
    ),
    (
        "a gateway without office hours is always open",
        [{**FOR_CYD, "hours": "outside"}, {**FOR_BOB, "hours": "within"}],
        {"number": UNKNOWN, "at": NIGHT},
        "bob",
        SECOND,
    ),
    (
        "hours of the rule, not of the gateway",
        [{**FOR_BOB, "hours": "within", "calendar_id": "night_shift"}],
        {"number": UNKNOWN, "office": True, "at": NIGHT},
        "bob",
        CHOSEN,
    ),
    # -- All of them ----------------------------------------------------------
    (
        "one condition of two",
        [{**FOR_BOB, "country_ids": "germany", "contact_is": "known"}],
        {"number": BERLIN},
        "dan",
        RESPONSIBLE,
    ),
    (
        "all conditions",
        [
            {
                **FOR_BOB,
                "gateway_ids": "second_gateway gateway",
                "keyword_ids": "pizza",
                "country_ids": "us germany",
                "prefixes": "+1202",
                "contact_is": "known",
                "category_ids": "vip",
                "lang_ids": "french",
            }
        ],
        {"number": CUSTOMER, "body": "pizza"},
        "bob",
        CHOSEN,
    ),
    (
        "rule of another company",
        [{**FOR_BOB, "company_id": "other_company"}],
        {"number": UNKNOWN},
        "dan",
        RESPONSIBLE,
    ),
    (
        "rule of the company",
        [{**FOR_BOB, "company_id": "company"}],
        {"number": UNKNOWN},
        "bob",
        CHOSEN,
    ),
    # -- Who can answer -------------------------------------------------------
    (
        "an archived user",
        [FOR_BOB, FOR_CYD],
        {"number": UNKNOWN, "gone": "bob"},
        "cyd",
        SECOND,
    ),
    (
        "a user of another company",
        [{"user_id": "eve"}, FOR_CYD],
        {"number": UNKNOWN},
        "cyd",
        SECOND,
    ),
    (
        "an absent user",
        [FOR_BOB, FOR_CYD],
        {"number": UNKNOWN, "absent": "bob"},
        "cyd",
        SECOND,
    ),
    (
        "an absent user whose it is all the same",
        [{**FOR_BOB, "skip_absent": False}, FOR_CYD],
        {"number": UNKNOWN, "absent": "bob"},
        "bob",
        CHOSEN,
    ),
    (
        "salesperson by a rule",
        [{**SALES}, FOR_CYD],
        {"number": CUSTOMER},
        "ada",
        "Rule “1”: salesperson of the contact",
    ),
    ("no salesperson", [SALES, FOR_CYD], {"number": PLAIN}, "cyd", SECOND),
    (
        "no salesperson of a stranger",
        [SALES, FOR_CYD],
        {"number": UNKNOWN},
        "cyd",
        SECOND,
    ),
    (
        "an absent salesperson",
        [SALES, FOR_CYD],
        {"number": CUSTOMER, "absent": "ada"},
        "cyd",
        SECOND,
    ),
    ("in turn", [IN_TURN], {"number": UNKNOWN}, "bob", "Rule “1”: next in turn"),
    (
        "in turn, the first one absent",
        [IN_TURN],
        {"number": UNKNOWN, "absent": "bob"},
        "cyd",
        "Rule “1”: next in turn",
    ),
    (
        "in turn, all absent",
        [IN_TURN, {"user_id": "ada"}],
        {"number": UNKNOWN, "absent": "bob cyd"},
        "ada",
        SECOND,
    ),
    (
        "no rule gives anybody",
        [IN_TURN, FOR_BOB],
        {"number": UNKNOWN, "absent": "bob cyd"},
        "dan",
        RESPONSIBLE,
    ),
]


@tagged("post_install", "-at_install")
class TestSmsAssignmentRule(SmsGatewayCase):
    """The first rule that fits gives a text its owner, and says so."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["sms.assignment.rule"].search([]).active = False
        cls.company = cls.env.company
        cls.other_company = cls.env["res.company"].create({"name": "Elsewhere"})
        for login in ("ada", "bob", "cyd", "dan"):
            setattr(cls, login, cls.new_user(login, "base.group_user"))
        cls.eve = cls.new_user(
            "eve",
            "base.group_user",
            company_id=cls.other_company.id,
            company_ids=[Command.set(cls.other_company.ids)],
        )
        cls.gateway.responsible_user_id = cls.dan
        cls.second_gateway = cls.make_gateway(name="Second")
        cls.us = cls.env.ref("base.us")
        cls.germany = cls.env.ref("base.de")
        cls.canada = cls.env.ref("base.ca")
        langs = cls.env["res.lang"]
        cls.english = langs._activate_lang("en_US")
        cls.french = langs._activate_lang("fr_FR")
        tags = cls.env["res.partner.category"]
        cls.vip = tags.create({"name": "VIP"})
        cls.gold = tags.create({"name": "Gold", "parent_id": cls.vip.id})
        words = cls.env["sms.keyword"]
        words.search([("family", "=", "own")]).active = False
        cls.pizza = words.create(
            {"word": "PIZZA", "family": "own", "needs_answer": True}
        )
        cls.old_word = words.create({"word": "PASTA", "family": "own", "active": False})
        cls.partner.write(
            {
                "user_id": cls.ada.id,
                "category_id": [Command.set(cls.gold.ids)],
                "lang": "fr_FR",
            }
        )
        partners = cls.env["res.partner"]
        cls.acme = partners.create(
            {
                "name": "Acme",
                "is_company": True,
                "user_id": cls.bob.id,
                "category_id": [Command.set(cls.vip.ids)],
            }
        )
        partners.create(
            [
                {
                    "name": "Colleague",
                    "phone": COLLEAGUE,
                    "parent_id": cls.acme.id,
                    "user_id": False,
                },
                {"name": "Plain", "phone": PLAIN},
                {
                    "name": "German",
                    "phone": GERMAN,
                    "country_id": cls.germany.id,
                },
            ]
        )
        cls.office = cls.make_calendar("Office", 9, 17)
        cls.night_shift = cls.make_calendar("Night shift", 20, 24)
        cls.env["resource.calendar.leaves"].create(
            {
                "name": "Good Friday",
                "calendar_id": cls.office.id,
                "company_id": cls.office.company_id.id,
                "date_from": datetime(2026, 4, 2, 22, 0),
                "date_to": datetime(2026, 4, 3, 22, 0),
            }
        )

    @classmethod
    def make_calendar(cls, name, hour_from, hour_to):
        return cls.env["resource.calendar"].create(
            {
                "name": name,
                "tz": "Europe/Berlin",
                "attendance_ids": [
                    Command.clear(),
                    *(
                        Command.create(
                            {
                                "name": str(day),
                                "dayofweek": str(day),
                                "hour_from": hour_from,
                                "hour_to": hour_to,
                                "day_period": "morning",
                            }
                        )
                        for day in range(5)
                    ),
                ],
            }
        )

    def make_rules(self, rules):
        """Make rules in order; names in their values stand for records."""
        values = []
        for place, rule in enumerate(rules, 1):
            vals = {"name": str(place), "sequence": 10}
            for name, value in rule.items():
                field = self.env["sms.assignment.rule"]._fields[name]
                if field.type == "many2many":
                    ids = [getattr(self, known).id for known in value.split()]
                    value = [Command.set(ids)]
                elif field.type == "many2one":
                    value = getattr(self, value).id
                vals[name] = value
            values.append(vals)
        return self.env["sms.assignment.rule"].create(values)

    def let_in(self, number, body="Hello", at=None, gateway=None):
        """Let a text come in.

        :return: its conversation
        """
        self.count = getattr(self, "count", 0) + 1
        with freeze_time(at) if at else nullcontext():
            self.env["sms.gateway.message"]._receive(
                gateway or self.gateway,
                InboundMessage(event_key=f"in-{self.count}", number=number, body=body),
            )
        return self.env["sms.conversation"].search([("number", "=", number)])

    def set_absent(self, users):
        now = self.env.cr.now()
        users.write({"out_of_office_from": now - timedelta(hours=1)})

    # -- The table -------------------------------------------------------------

    def test_the_first_rule_that_fits_gives_the_owner(self):
        """Each row of the table: whose the text is, and why."""
        for label, rules, text, owner, reason in ROWS:
            with self.row(label):
                self.make_rules(rules)
                text = dict(text)
                if "responsible" in text:
                    self.gateway.responsible_user_id = text.pop("responsible")
                if gone := text.pop("gone", None):
                    getattr(self, gone).active = False
                for absent in text.pop("absent", "").split():
                    self.set_absent(getattr(self, absent))
                if text.pop("office", None):
                    self.gateway.calendar_id = self.office
                if author := text.pop("texted_by", None):
                    user = getattr(self, author)
                    self.enqueue(number=text["number"], author_id=user.id)
                    self.env["sms.conversation"].search(
                        [("number", "=", text["number"])]
                    ).write({"state": "closed", "user_id": False})
                conversation = self.let_in(**text)
                self.assertEqual(
                    (conversation.user_id.login or None, conversation.owner_reason),
                    (owner, reason),
                    label,
                )

    def test_the_table_is_long_enough(self):
        """The table has the rows that were asked for, and each its own name."""
        labels = [label for label, *_rest in ROWS]
        self.assertGreaterEqual(len(labels), 25)
        self.assertEqual(len(set(labels)), len(labels))

    # -- In turn -----------------------------------------------------------------

    def test_users_take_turns(self):
        """One after the other, without the absent, and going on where it was."""
        rule = self.make_rules([{"assign_to": "turn", "user_ids": "cyd ada bob"}])
        numbers = iter(f"+1202555{n}" for n in range(2000, 2100))

        def owners(count):
            return [self.let_in(next(numbers)).user_id for _n in range(count)]

        ada, bob, cyd = self.ada, self.bob, self.cyd
        self.assertEqual(owners(4), [ada, bob, cyd, ada])
        self.set_absent(bob)
        self.assertEqual(owners(3), [cyd, ada, cyd])
        bob.out_of_office_from = False
        self.assertEqual(owners(2), [ada, bob])
        # The next one leaves, and nothing waits for them; somebody comes, another one
        # gets a name.
        self.env["sms.conversation"].search([("user_id", "=", cyd.id)]).action_close()
        cyd.active = False
        rule.user_ids += self.dan
        ada.name = "Zora"
        self.assertEqual(owners(3), [self.dan, ada, bob])
        self.assertEqual(rule.last_user_id, bob)

    def test_a_turn_is_for_conversations_not_for_texts(self):
        """Who goes on texting stays with the same owner."""
        rule = self.make_rules([IN_TURN])
        for _n in range(3):
            conversation = self.let_in(UNKNOWN)
            self.assertEqual(conversation.user_id, self.bob)
        self.assertEqual(conversation.rule_id, rule)
        conversation.sudo().action_close()
        self.assertEqual(self.let_in(UNKNOWN).user_id, self.cyd)

    def test_each_rule_has_its_own_turn(self):
        """Two rules with the same users do not take each other's turn."""
        self.make_rules([{**IN_TURN, "country_ids": "germany"}, IN_TURN])
        owners = [
            self.let_in(number).user_id.login
            for number in (BERLIN, UNKNOWN, "+4915112345679", PLAIN)
        ]
        self.assertEqual(owners, ["bob", "bob", "cyd", "cyd"])

    # -- Cost ----------------------------------------------------------------------

    def test_many_rules_cost_no_more_queries_than_few(self):
        """Rules are read once, with all that their conditions need."""
        conditions = {
            "gateway_ids": "gateway",
            "country_ids": "us",
            "prefixes": "+1",
            "category_ids": "vip",
            "lang_ids": "english",
            "hours": "outside",
            "user_id": "bob",
        }

        conversation = self.let_in(CUSTOMER)
        message = self.messages_of([("number", "=", CUSTOMER)])
        self.partner.lang = "en_US"

        def count():
            self.env.flush_all()
            self.env.invalidate_all()
            with self.count_queries() as statements:
                rule, _user, _reason = self.env["sms.assignment.rule"]._find_owner(
                    conversation, message
                )
            self.assertFalse(rule)
            return len(statements)

        self.make_rules([conditions] * 2)
        few = count()
        self.make_rules([conditions] * 38)
        many = count()
        self.assertLessEqual(many, few)

    # -- Forms ---------------------------------------------------------------------

    def test_a_rule_needs_somebody_and_numbers(self):
        """A rule that could give nobody, or whose prefixes are none, is refused."""
        rows = [
            ("no user", {"assign_to": "user"}, "Choose the user"),
            ("no users", {"assign_to": "turn"}, "Choose the users"),
            ("no plus", {"prefixes": "0049", **FOR_BOB}, "beginning of a number"),
            ("one is wrong", {"prefixes": "+49, x", **FOR_BOB}, "“x”"),
        ]
        for label, rule, words in rows:
            with self.row(label), self.assertRaisesRegex(ValidationError, words):
                self.make_rules([rule])

    def test_a_manager_makes_a_rule(self):
        """The form makes a rule, and the list says in words what it does."""
        manager = self.new_user("boss", "sms_gateway_hub.group_manager")
        with Form(self.env["sms.assignment.rule"].with_user(manager)) as form:
            form.name = "Sales Germany"
            form.assign_to = "turn"
            form.user_ids.add(self.cyd)
            form.user_ids.add(self.bob)
            form.country_ids.add(self.germany)
            form.prefixes = "+4930"
            form.contact_is = "unknown"
            form.hours = "outside"
        rule = form.record
        self.assertEqual(
            rule.condition_text,
            "Germany · +4930 · Unknown number · Outside office hours",
        )
        self.assertEqual(rule.target_text, "In turn: Bob, Cyd")
        anything = self.make_rules([{**FOR_BOB, "name": "All"}])
        self.assertEqual(anything.condition_text, "Always")
        self.assertEqual(anything.target_text, "Bob")

    def test_a_manager_tries_the_rules(self):
        """The page says whose a text would be; nobody loses the turn by it."""
        manager = self.new_user("boss", "sms_gateway_hub.group_manager")
        rule = self.make_rules([{**IN_TURN, "name": "Hungry", "keyword_ids": "pizza"}])
        attempts = self.env["sms.assignment.try"].with_user(manager)
        with Form(attempts) as form:
            form.gateway_id = self.gateway
            self.assertFalse(form.reason)
            form.number = CUSTOMER
            self.assertEqual((form.user_id, form.reason), (self.ada, SALESPERSON))
            form.body = "Pizza please"
            for _n in range(2):
                form.number = UNKNOWN
                self.assertEqual(form.user_id, self.bob)
                self.assertEqual(form.reason, "Rule “Hungry”: next in turn")
                self.assertEqual((form.rule_id, form.keyword_id), (rule, self.pizza))
                form.number = CUSTOMER
        self.assertFalse(rule.last_user_id)
        self.assertFalse(self.messages_of())
        self.assertFalse(
            self.env["sms.conversation"].search([("number", "=", UNKNOWN)])
        )
        self.gateway.responsible_user_id = False
        with Form(attempts) as form:
            form.gateway_id = self.gateway
            form.number = UNKNOWN
            self.assertEqual(form.reason, NOBODY)

    def test_try_shows_no_contact_of_another_company(self):
        """Trying a number says nothing about the contacts of other companies."""
        self.gateway.company_id = False
        elsewhere = self.env["res.company"].create({"name": "Not ours"})
        self.env["res.partner"].create(
            {"name": "Theirs", "phone": UNKNOWN, "company_id": elsewhere.id}
        )
        manager = self.new_user("boss", "sms_gateway_hub.group_manager")
        attempt = (
            self.env["sms.assignment.try"]
            .with_user(manager)
            .create({"gateway_id": self.gateway.id, "number": UNKNOWN})
        )
        self.assertFalse(attempt.partner_id)

    def test_a_condition_does_not_vanish(self):
        """What a rule asks for cannot be deleted: the rule would fit every text."""
        self.make_rules([{**FOR_BOB, "category_ids": "vip", "keyword_ids": "pizza"}])
        for record in (self.vip, self.pizza):
            with self.row(record._name), self.assertRaises(Exception) as caught:
                record.unlink()
                self.env.flush_all()
            self.assertIn("foreign key", str(caught.exception).lower())

    # -- Office hours ----------------------------------------------------------------

    def test_office_hours_follow_the_clock_of_the_schedule(self):
        """Open and closed, over days off and the change of the clocks."""
        self.gateway.calendar_id = self.office
        rows = [
            (NOON, True),
            (NIGHT, False),
            (SUNDAY, False),
            (GOOD_FRIDAY, False),
            (WINTER_MORNING, False),
            (SUMMER_MORNING, True),
            (datetime(2026, 3, 25, 8, 0), True),
            (datetime(2026, 3, 25, 7, 58), False),
            (datetime(2026, 3, 25, 15, 59), True),
            (datetime(2026, 3, 25, 16, 0), False),
        ]
        for at, is_open in rows:
            with self.row(str(at)):
                self.assertEqual(self.gateway._is_open(at), is_open)

    def test_the_deadline_counts_office_hours(self):
        """Four hours of the office: over nights, weekends, days off, clock changes."""
        self.gateway.write({"calendar_id": self.office.id, "answer_time_h": 4})
        rows = [
            ("at noon", NOON, datetime(2026, 3, 25, 15, 0)),
            ("at night", NIGHT, datetime(2026, 3, 26, 12, 0)),
            (
                "in the afternoon",
                datetime(2026, 3, 25, 14, 0),
                datetime(2026, 3, 26, 10, 0),
            ),
            (
                "over the weekend, into summer time",
                datetime(2026, 3, 27, 15, 0),
                datetime(2026, 3, 30, 10, 0),
            ),
            (
                "over a day off",
                datetime(2026, 4, 2, 14, 0),
                datetime(2026, 4, 6, 10, 0),
            ),
        ]
        for label, since, until in rows:
            with self.row(label):
                self.assertEqual(self.gateway._get_answer_until(since), until)
        self.gateway.calendar_id = False
        self.assertEqual(
            self.gateway._get_answer_until(NIGHT), NIGHT + timedelta(hours=4)
        )
        self.gateway.answer_time_h = 0
        self.assertFalse(self.gateway._get_answer_until(NIGHT))
