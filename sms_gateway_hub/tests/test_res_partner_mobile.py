# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import unicodedata
from ast import literal_eval
from unittest.mock import patch

from lxml import etree
from psycopg2 import errors

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from .common import NUMBERS, SmsGatewayCase

# Kept for fiction: mobile in Germany, landline in Berlin.
M1, M2, M3, M4, M5 = (f"+491760406900{n}" for n in range(1, 6))
BERLIN = "+493023125101"
MANAGER = "sms_gateway_hub.group_manager"
USER = "sms_gateway_hub.group_user"


class MobileCase(SmsGatewayCase):
    """Contacts with numbers."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mobiles = cls.env["res.partner.mobile"]
        cls.germany = cls.env.ref("base.de")
        cls.other_company = cls.env["res.company"].create({"name": "Other"})
        partner_manager = "base.group_partner_manager"
        cls.texter = cls.new_user("texter", f"{USER},{partner_manager}")
        cls.reader = cls.new_user("reader", USER)
        cls.manager = cls.new_user("manager", f"{MANAGER},{partner_manager}")

    @classmethod
    def contact(cls, name, *numbers, **values):
        """Make a contact in Germany with numbers, ranked as given.

        :param numbers: E.164, or values of res.partner.mobile
        """
        rows = [
            number if isinstance(number, dict) else {"number": number}
            for number in numbers
        ]
        return cls.env["res.partner"].create(
            {
                "name": name,
                "country_id": cls.germany.id,
                "mobile_ids": [Command.create(row) for row in rows],
                **values,
            }
        )

    def reload(self, records):
        """Return records as a new transaction would see them."""
        self.env.flush_all()
        self.env.invalidate_all()
        return records

    def hide(self, partner, user):
        """Keep a user from reading a contact."""
        self.env["ir.rule"].create(
            {
                "name": "Not this one",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "domain_force": [("id", "!=", partner.id)],
                "groups": [Command.set(user.group_ids.ids)],
            }
        )
        # Rules of several groups add up: this one must bind alone.
        self.env["ir.rule"].search(
            [
                ("model_id.model", "=", "res.partner"),
                ("name", "!=", "Not this one"),
                ("groups", "!=", False),
            ]
        ).active = False


@tagged("post_install", "-at_install")
class TestNumbers(MobileCase):
    """Numbers are typed in any format and kept in the one that is texted."""

    # label, country, typed, E.164, line
    rows = [
        ("international", "de", "+49 176 04069001", M1, "mobile"),
        ("national", "de", "0176 04069001", M1, "mobile"),
        ("00", "de", "0049 176 04069001", M1, "mobile"),
        ("trunk zero in brackets", "de", "+49 (0)176 04069001", M1, "mobile"),
        ("punctuation", "de", "(0176)-04069.001", M1, "mobile"),
        ("no plus", "us", "4917604069001", M1, "mobile"),
        ("other country", "us", "+49 176 04069001", M1, "mobile"),
        ("landline", "de", "030 23125 101", BERLIN, "fixed"),
        ("either", "us", "(202) 555-0100", "+12025550100", "fixed_or_mobile"),
        ("no country", None, M1, M1, "mobile"),
        ("company's country", None, "(202) 555-0100", "+12025550100", None),
        ("NUL", "de", "0176\x00 04069001", M1, "mobile"),
        ("lone surrogate", "de", "ask \ud800 Bob", False, None),
        ("lines and tabs", "de", " 0176\t04069001\n", M1, "mobile"),
        ("foreign digits", "de", "٠١٧٦٠٤٠٦٩٠٠١", M1, "mobile"),
        ("letters", "de", "ask Bob", False, None),
        ("zero", "de", "0", False, None),
        ("too short", "de", "0176", False, None),
        ("too long", "de", "+4917604069001777", False, None),
        ("no such prefix", "us", "+1 555 123 4567", False, None),
        ("very long", "de", "7" * 5000, False, None),
    ]

    def test_formats(self):
        """Each format is read, or refused with the number and what to do."""
        self.env.company.country_id = self.env.ref("base.us")
        for label, country, typed, number, line in self.rows:
            with self.row(label):
                country = country and self.env.ref(f"base.{country}")
                partner = self.contact(
                    label, country_id=country.id if country else False
                )
                values = {"partner_id": partner.id, "number": typed}
                if not number:
                    with self.assertRaises(ValidationError) as caught:
                        self.mobiles.create(values)
                    text = str(caught.exception)
                    self.assertIn("country code", text)
                    self.assertIn(typed.strip()[:4], text)
                    continue
                mobile = self.mobiles.create(values)
                self.assertEqual(mobile.number_e164, number)
                self.assertEqual(partner.mobile_ids, mobile)
                if line:
                    self.assertEqual(mobile.line_type, line)
                for char in mobile.number:
                    self.assertNotIn(unicodedata.category(char), ("Cc", "Cs"))

    def test_country_changes(self):
        """A number that was read is not read differently later."""
        partner = self.contact("Ada", "0176 04069001")
        partner.country_id = self.env.ref("base.de")
        mobile = self.reload(partner.mobile_ids)
        mobile.number = "0176 04069001"
        mobile.label = "work"
        self.assertEqual(self.reload(mobile).number_e164, M1)

    def test_twice_on_one_contact(self):
        """One contact has a number once, whatever its format."""
        partner = self.contact("Ada", M1)
        with (
            self.assertRaisesRegex(Exception, "number already|number_unique"),
            mute_logger("odoo.sql_db"),
        ):
            self.contact("Grace", M1, "0176 04069001")
            self.env.flush_all()
        self.assertTrue(partner)

    def test_message_of_the_unique_index(self):
        """The user is told in words."""
        index = self.mobiles._table_objects["res_partner_mobile_number_unique"]
        self.assertIn("already", index.get_error_message(self.mobiles))

    def test_hub_keeps_its_own_fields(self):
        """Nobody writes by RPC what the hub finds out itself."""
        partner = self.contact("Ada", M1)
        rows = [
            ("is_owner", False),
            ("blocked", True),
            ("dead_at", fields.Datetime.now()),
            ("dead_reason", "gone"),
            ("number_e164", M2),
            ("line_type", "voip"),
            ("company_id", self.other_company.id),
        ]
        for name, value in rows:
            for user in self.texter, self.manager:
                with self.row(f"{name} by {user.login}"):
                    mobile = partner.mobile_ids.with_user(user)
                    with self.assertRaises(AccessError):
                        mobile.write({name: value})
                    with self.assertRaises(AccessError):
                        mobile.create(
                            {"partner_id": partner.id, "number": M2, name: value}
                        )

    def test_defaults_of_clients_are_no_way_around(self):
        """What the hub finds out itself does not come from the context either."""
        plain = {
            "is_owner": True,
            "blocked": False,
            "dead_at": False,
            "dead_reason": False,
            "number_e164": M1,
            "line_type": "mobile",
            "company_id": self.env["res.company"],
        }
        for name, value in (
            ("is_owner", True),
            ("blocked", True),
            ("dead_at", fields.Datetime.now()),
            ("dead_reason", "gone"),
            ("number_e164", M2),
            ("line_type", "voip"),
            ("company_id", self.other_company.id),
        ):
            context = {f"default_{name}": value}
            for label, make in (
                (
                    "number",
                    lambda env: env["res.partner.mobile"].create(
                        {"partner_id": self.contact("Ada").id, "number": M1}
                    ),
                ),
                (
                    "contact",
                    lambda env: (
                        env["res.partner"]
                        .create({"name": "Ada", "mobile": M1})
                        .mobile_ids
                    ),
                ),
            ):
                with self.row(f"{name}, {label}"):
                    texter = self.env(user=self.texter)
                    if name == "company_id" and label == "contact":
                        # Of the contact itself it is meant.
                        continue
                    mobile = make(texter(context={**texter.context, **context}))
                    self.reload(mobile)
                    self.assertFields(mobile.sudo(), plain)
        with self.row("owned by somebody"):
            self.contact("Owner", M1)
            second = self.contact("Second")
            mobile = (
                self.mobiles.with_user(self.texter)
                .with_context(default_is_owner=True)
                .create({"partner_id": second.id, "number": M1})
            )
            self.assertFalse(mobile.is_owner)

    def test_copy(self):
        """A copied contact does not get the numbers of the other."""
        self.assertFalse(self.contact("Ada", M1).copy().mobile_ids)

    def test_many(self):
        """A thousand numbers cost no more statements than a hundred."""

        def statements(count, first):
            partners = self.env["res.partner"].create(
                [{"name": f"Contact {n}"} for n in range(count)]
            )
            self.env.flush_all()
            with self.count_queries() as statements:
                self.mobiles.create(
                    [
                        {"partner_id": partner.id, "number": f"+1202555{n:04d}"}
                        for n, partner in enumerate(partners, start=first)
                    ]
                )
                self.env.flush_all()
            return len(statements)

        few, many = statements(100, 0), statements(1000, 1000)
        # The ORM writes and reads in batches of a thousand rows or less.
        self.assertLess(many, few + 40, (few, many))

    def test_contacts_without_numbers(self):
        """Contacts without mobile numbers cost nothing more."""
        with self.count_queries() as statements:
            partners = self.env["res.partner"].create(
                [{"name": f"Contact {n}"} for n in range(50)]
            )
            self.env.flush_all()
            partners.write({"name": "Another", "phone": "+12025550100"})
            self.env.flush_all()
        mine = [line for line in statements if "res_partner_mobile" in line]
        self.assertLessEqual(len(mine), 2, mine)


@tagged("post_install", "-at_install")
class TestRank(MobileCase):
    """The contact is texted at the best of its numbers."""

    # label, (number, values) in rank order, the number that is texted
    rows = [
        ("none", [], False),
        ("first", [(M1, {}), (M2, {})], M1),
        ("landline is passed over", [(BERLIN, {}), (M1, {})], M1),
        ("landline alone", [(BERLIN, {})], False),
        ("opted out is passed over", [(M1, {"blocked": True}), (M2, {})], M2),
        ("dead is passed over", [(M1, {"dead_at": "2026-01-01"}), (M2, {})], M2),
        (
            "all opted out: the first, to be refused",
            [(M1, {"blocked": True}), (M2, {"blocked": True})],
            M1,
        ),
        (
            "opted out before dead",
            [(M1, {"dead_at": "2026-01-01"}), (M2, {"blocked": True})],
            M2,
        ),
        (
            "all dead: the first, to be refused",
            [
                (M1, {"dead_at": "2026-01-01"}),
                (M2, {"dead_at": "2026-01-01", "blocked": True}),
            ],
            M1,
        ),
        ("dead and a landline", [(BERLIN, {}), (M1, {"dead_at": "2026-01-01"})], M1),
    ]

    def test_best(self):
        """Landlines never, the dead and the opted out only for want of better."""
        for label, numbers, best in self.rows:
            with self.row(label):
                partner = self.contact("Ada", *[number for number, _values in numbers])
                for mobile, (_number, values) in zip(
                    partner.mobile_ids, numbers, strict=True
                ):
                    mobile.write(values)
                self.assertEqual(self.reload(partner).mobile, best)
                self.assertEqual(partner.phone_sanitized, best)

    def test_phone_when_nothing_better(self):
        """Without a mobile number core takes the phone."""
        phone = "+12025550107"
        for label, numbers in [("none", ()), ("landline", (BERLIN,))]:
            with self.row(label):
                partner = self.contact("Ada", *numbers, phone=phone)
                info = partner._sms_get_recipients_info()[partner.id]
                self.assertEqual(info["sanitized"], phone)
                self.assertEqual(info["field_store"], "phone")
                self.assertEqual(partner.phone_sanitized, phone)

    def test_new_rows_come_last(self):
        """A new number comes last, in code and after dragging alike."""
        partner = self.contact("Ada", M1, M2)
        first, second = partner.mobile_ids
        second.sequence, first.sequence = 1, 7
        third = self.mobiles.create({"partner_id": partner.id, "number": M3})
        partner.write({"mobile_ids": [Command.create({"number": BERLIN})]})
        ranked = self.reload(partner).mobile_ids
        self.assertEqual(
            ranked.mapped("number_e164"), [M2, M1, third.number_e164, BERLIN]
        )
        self.assertEqual(partner.mobile, M2)

    def test_rank_by_form(self):
        """A form shows and saves new numbers at the end."""
        with Form(
            self.contact("Ada", M1).with_user(self.texter),
            "base.view_partner_form",
        ) as form:
            for number in "0176 04069002", "0176 04069003":
                with form.mobile_ids.new() as line:
                    line.number = number
                    self.assertEqual(line.line_type, "mobile")
        partner = self.reload(form.record)
        self.assertEqual(partner.mobile_ids.mapped("number_e164"), [M1, M2, M3])

    def test_best_in_batch(self):
        """Ranking many contacts takes a fixed number of statements."""
        partners = self.env["res.partner"].create(
            [
                {
                    "name": f"Contact {n}",
                    "mobile_ids": [Command.create({"number": f"+1202555{n:04d}"})],
                }
                for n in range(60)
            ]
        )
        self.reload(partners)
        self.env.add_to_compute(partners._fields["mobile"], partners)
        with self.count_queries() as statements:
            partners.mapped("mobile")
        self.assertLessEqual(len(statements), 3, statements)

    # label, what is written, numbers afterwards, mobile afterwards
    writes = [
        ("another", "0176 04069003", [M3, M2], M3),
        ("the same in another format", "0049 176 04069001", [M1, M2], M1),
        ("one that is on the list", "0176 04069002", [M2, M1], M2),
        ("none", False, [M2], M2),
        ("empty", " ", [M2], M2),
    ]

    def test_core_corrects_a_number(self):
        """What core's composer writes takes the place of the number texted now."""
        for label, value, numbers, best in self.writes:
            with self.row(label):
                partner = self.contact("Ada", M1, M2)
                partner.with_user(self.texter).mobile = value
                self.reload(partner)
                self.assertEqual(partner.mobile_ids.mapped("number_e164"), numbers)
                self.assertEqual(partner.mobile, best)
                self.assertEqual(partner.phone_sanitized, best)

    def test_mobile_makes_a_row(self):
        """A contact without numbers gets one, at creation and later."""
        made = self.env["res.partner"].create(
            {"name": "Ada", "country_id": self.germany.id, "mobile": "0176 04069001"}
        )
        later = self.contact("Grace")
        later.mobile = "0176 04069002"
        self.reload(made + later)
        self.assertEqual(made.mobile_ids.number_e164, M1)
        self.assertEqual((made + later).mapped("mobile"), [M1, M2])
        self.assertTrue(made.mobile_ids.is_owner)

    def test_never_another_number_than_typed(self):
        """A number that would not be texted is refused, not replaced silently."""
        partner = self.contact("Ada", M1, M2)
        partner.mobile_ids[1].blocked = True
        rows = [
            ("landline", BERLIN, "landline"),
            ("opted out", M2, "refused"),
            ("no number", "12", "country code"),
        ]
        for label, number, text in rows:
            with self.row(label), self.assertRaisesRegex(ValidationError, text):
                partner.mobile = number
        self.assertEqual(self.reload(partner).mobile, M1)

    def test_typing_a_dead_number_again(self):
        """Whoever types a dead number again means that it lives."""
        partner = self.contact("Ada", M1, M2)
        self.mobiles._mark_dead([M2], "No such number")
        partner.mobile = M2
        self.assertEqual(self.reload(partner).mobile, M2)

    def test_label_of_the_context(self):
        """With a label chosen, its best number is shown, texted and corrected."""
        partner = self.contact(
            "Ada",
            M1,
            {"number": BERLIN, "label": "work"},
            {"number": M2, "label": "work"},
        )
        chosen = partner.with_context(
            sms_gateway_number_choice="label", sms_gateway_number_label="work"
        )
        info = chosen._sms_get_recipients_info()[partner.id]
        self.assertEqual(info["sanitized"], M2)
        self.assertEqual(info["partner"], partner)
        chosen.mobile = M3
        self.reload(partner)
        self.assertEqual(partner.mobile_ids.mapped("number_e164"), [M1, BERLIN, M3])
        self.assertEqual(partner.mobile, M1)
        none = partner.with_context(
            sms_gateway_number_choice="label", sms_gateway_number_label="home"
        )._sms_get_recipients_info()[partner.id]
        self.assertEqual((none["sanitized"], none["number"]), (False, False))
        best = partner.with_context(sms_gateway_number_choice="best")
        info = best._sms_get_recipients_info()[partner.id]
        self.assertEqual(info["sanitized"], M1)

    def test_numbers_of_a_choice(self):
        """Best, best of a label, all: for many contacts in few statements."""
        ada = self.contact(
            "Ada",
            {"number": BERLIN, "label": "work"},
            M1,
            {"number": M2, "label": "work"},
            M3,
        )
        ada.mobile_ids[3].blocked = True
        refused = self.contact("Refused", M3)
        refused.mobile_ids.blocked = True
        phone = self.contact("Phone", phone="+12025550107")
        none = self.contact("None")
        partners = ada + refused + phone + none
        rows = [
            ("best", False, [[M1], [M3], ["+12025550107"], []]),
            ("label", "work", [[M2], [], [], []]),
            ("label", "home", [[], [], [], []]),
            ("all", False, [[M1, M2], [M3], ["+12025550107"], []]),
        ]
        for choice, label, expected in rows:
            with self.row(f"{choice} {label}"):
                self.reload(partners)
                with self.count_queries() as statements:
                    found = partners._sms_gateway_numbers(choice, label)
                self.assertEqual([found[partner.id] for partner in partners], expected)
                self.assertLessEqual(len(statements), 3, statements)

    def test_next_number(self):
        """After a number that does not exist comes the next that can be used."""
        partner = self.contact("Ada", M1, BERLIN, M2, M3)
        partner.mobile_ids[2].blocked = True
        rows = [(M1, M3), (M2, M3), (M3, False), ("+12025550107", M1)]
        for after, expected in rows:
            with self.row(after):
                self.assertEqual(partner._sms_gateway_next_number(after), expected)

    def test_composer_texts_the_best(self):
        """Core's composer picks the best number up, and writes a corrected one."""
        partner = self.contact("Ada", BERLIN, M1, phone="+12025550107")
        rows = [("as it is", None, M1), ("corrected", "0176 04069002", M2)]
        for label, typed, number in rows:
            with self.row(label):
                context = {
                    "default_composition_mode": "comment",
                    "default_res_model": "res.partner",
                    "default_res_id": partner.id,
                }
                with Form(self.env["sms.composer"].with_context(**context)) as form:
                    self.assertEqual(form.recipient_single_number_itf, M1)
                    form.body = "Hello"
                    if typed:
                        form.recipient_single_number_itf = typed
                form.record.action_send_sms()
                self.assertEqual(self.reload(partner).mobile, number)
                messages = self.messages_of([("partner_id", "=", partner.id)])
                self.assertEqual(messages.mapped("number"), [number])


@tagged("post_install", "-at_install")
class TestHealth(MobileCase):
    """What became of texts to a number shows on it."""

    def test_dead_and_alive(self):
        """A number dies on every contact that has it, and comes back."""
        ada, grace = self.contact("Ada", M1, M2), self.contact("Grace", M1)
        self.mobiles._mark_dead([M1, M3], "Unknown\x00 subscriber")
        self.reload(ada + grace)
        self.assertEqual((ada + grace).mapped("mobile"), [M2, M1])
        self.assertEqual(ada.mobile_ids.mapped("health"), ["dead", "new"])
        self.assertEqual(ada.mobile_ids[0].dead_reason, "Unknown subscriber")
        self.assertEqual(
            ada.mobile_ids.mapped("health_text"),
            ["Does not exist: Unknown subscriber", False],
        )
        since = ada.mobile_ids[0].dead_at
        self.mobiles._mark_dead([M1], "Again")
        self.assertEqual(ada.mobile_ids[0].dead_at, since)
        self.mobiles._mark_alive([M1])
        self.reload(ada + grace)
        self.assertEqual((ada + grace).mapped("mobile"), [M1, M1])
        self.assertFalse(ada.mobile_ids[0].dead_reason)

    def test_nothing_to_mark(self):
        """Marking numbers that are so already writes nothing."""
        self.contact("Ada", M1)
        self.env.flush_all()
        with self.count_queries() as statements:
            self.mobiles._mark_alive([M1])
            self.mobiles._mark_dead([M2], "")
        self.assertLessEqual(len(statements), 2, statements)

    def test_a_new_number_lives(self):
        """Another number in the same row is not dead with the old one."""
        mobile = self.contact("Ada", M1).mobile_ids
        self.mobiles._mark_dead([M1], "Gone")
        mobile.with_user(self.texter).number = M2
        self.assertFalse(self.reload(mobile).dead_at)
        self.assertFalse(mobile.dead_reason)

    def test_last_texts(self):
        """The last delivery and failure of each number come in one statement."""
        partner = self.contact("Ada", M1, M2, M3)
        messages = self.enqueue(4, number=[M1, M1, M2, M2])
        at = fields.Datetime.to_datetime
        self.force(
            messages[0],
            state="delivered",
            delivered_at="2026-01-01",
            state_at=at("2026-01-01"),
        )
        self.force(messages[1], state="failed", state_at=at("2026-01-02"))
        self.force(messages[2], state="undelivered", state_at=at("2026-01-03"))
        self.force(
            messages[3],
            state="delivered",
            delivered_at="2026-01-04",
            state_at=at("2026-01-04"),
        )
        self.reload(partner).mobile_ids.mapped("number")
        with self.count_queries() as statements:
            found = [
                (mobile.last_delivered_at, mobile.last_failed_at, mobile.health)
                for mobile in partner.mobile_ids
            ]
        self.assertEqual(
            found,
            [
                (at("2026-01-01"), at("2026-01-02"), "failed"),
                (at("2026-01-04"), at("2026-01-03"), "delivered"),
                (False, False, "new"),
            ],
        )
        self.assertLessEqual(len(statements), 2, statements)

    def test_opted_out_from_the_start(self):
        """A number that refused texts is blocked on every contact that gets it."""
        self.env["sms.consent"]._record(M1, "opted_out", method="phone")
        self.env["phone.blacklist"].sudo()._add([M2])
        partner = self.contact("Ada", M1, M2, M3)
        self.assertEqual(partner.mobile_ids.mapped("blocked"), [True, True, False])
        self.assertEqual(self.reload(partner).mobile, M3)
        self.assertEqual(
            partner.mobile_ids.mapped("consent_state"),
            ["opted_out", "opted_out", "none"],
        )
        partner.mobile_ids[0].number = M4
        self.assertFalse(partner.mobile_ids[0].blocked)


@tagged("post_install", "-at_install")
class TestOwnership(MobileCase):
    """Answers from a number go to one contact: the first that registered it."""

    def test_constraint(self):
        """The database allows one owner for a number and company."""
        own, other = self.env.company.id, self.other_company.id
        # label, companies of two owners, whether both can be
        rows = [
            ("one company", own, own, False),
            ("two companies", own, other, True),
            ("none and none", None, None, False),
            ("none counts for all", None, other, False),
            ("all count for none", other, None, False),
        ]
        for label, first, second, allowed in rows:
            with self.row(label):
                mobiles = self.contact("A", M1).mobile_ids
                mobiles += self.contact("B", M1).mobile_ids
                self.force(mobiles, is_owner=False)
                for mobile, company in zip(mobiles, (first, second), strict=True):
                    self.force(mobile, company_id=company)
                self.force(mobiles[0], is_owner=True)
                if allowed:
                    self.force(mobiles[1], is_owner=True)
                    continue
                with (
                    self.assertRaises(errors.ExclusionViolation),
                    mute_logger("odoo.sql_db"),
                    self.env.cr.savepoint(),
                ):
                    self.force(mobiles[1], is_owner=True)

    def test_other_numbers_do_not_collide(self):
        """Numbers next to each other are different numbers."""
        numbers = [M1, M2, "+49176040690010", "+4" + M1[2:-1]]
        mobiles = self.mobiles.browse()
        for number in numbers:
            mobile = self.contact("A", M3).mobile_ids
            self.force(mobile, is_owner=False, number_e164=number)
            mobiles += mobile
        self.force(mobiles, is_owner=True)

    def test_first_registers(self):
        """The first one owns, others are saved and see who does."""
        rows = [
            # label, companies of the contacts in order, who owns
            ("everybody's", (0, 0), (True, False)),
            ("everybody's, then a company's", (0, 1), (True, False)),
            ("a company's, then everybody's", (1, 0), (True, False)),
            ("of two companies", (1, 2), (True, True)),
            ("of two, then everybody's", (1, 2, 0), (True, True, False)),
            ("everybody's in between", (1, 0, 2), (True, False, True)),
            ("of one", (1, 1, 1), (True, False, False)),
        ]
        companies = {0: False, 1: self.env.company.id, 2: self.other_company.id}
        for label, scopes, owns in rows:
            for batch in False, True:
                with self.row(f"{label}, {'at once' if batch else 'in turn'}"):
                    partners = self.env["res.partner"].create(
                        [
                            {"name": f"{n}", "company_id": companies[scope]}
                            for n, scope in enumerate(scopes)
                        ]
                    )
                    values = [
                        {"partner_id": partner.id, "number": M1} for partner in partners
                    ]
                    if batch:
                        mobiles = self.mobiles.create(values)
                    else:
                        mobiles = self.mobiles.union(*map(self.mobiles.create, values))
                    self.assertEqual(tuple(mobiles.mapped("is_owner")), owns)
                    self.assertEqual(
                        tuple(self.reload(mobiles).mapped("is_owner")), owns
                    )

    def test_race(self):
        """Whoever registers unseen by us wins, and our other numbers are ours."""
        first = self.contact("First", M1)
        mobiles = self.contact("Second", M2, M1, M3, active=False).mobile_ids
        mobiles.partner_id.active = True
        self.assertEqual(mobiles.mapped("is_owner"), [True, False, True])
        mobiles._release_ownership()
        # As if the other transaction had not been there when ours began.
        with patch.object(type(mobiles), "_get_taken", lambda self, numbers: []):
            mobiles._claim_ownership()
        self.assertEqual(mobiles.mapped("is_owner"), [True, False, True])
        self.assertTrue(self.reload(first).mobile_ids.is_owner)

    def test_letting_go(self):
        """Who lets go frees the number for the next to come, not for who waits."""

        def rewrite(partner):
            partner.mobile_ids.number = M2

        def move(partner):
            partner.company_id = self.other_company

        rows = [
            ("archived", lambda partner: partner.action_archive()),
            ("deleted", lambda partner: partner.unlink()),
            ("number removed", lambda partner: partner.mobile_ids.unlink()),
            ("number changed", rewrite),
            ("mobile emptied", lambda partner: partner.write({"mobile": False})),
            ("moved to another company", move),
        ]
        company = self.env.company.id
        for label, let_go in rows:
            with self.row(label):
                first = self.contact("First", M1, company_id=company)
                second = self.contact("Second", M1, company_id=company)
                let_go(first)
                self.reload(second)
                self.assertFalse(second.mobile_ids.is_owner, "no hand-over by itself")
                self.assertEqual(second.mobile_ids.owner_state, "nobody")
                third = self.contact("Third", M1, company_id=company)
                self.assertTrue(third.mobile_ids.is_owner)
                if first.exists():
                    first.write({"active": True, "company_id": company})
                    self.reload(first)
                    self.assertFalse(
                        first.mobile_ids.filtered(
                            lambda mobile: mobile.number_e164 == M1
                        ).is_owner
                    )

    def test_coming_back(self):
        """A restored contact owns what is still free; a company of its own, too."""
        partner = self.contact("Ada", M1, M2)
        partner.action_archive()
        self.assertEqual(partner.mobile_ids.mapped("is_owner"), [False, False])
        self.contact("Grace", M1)
        partner.action_unarchive()
        self.assertEqual(partner.mobile_ids.mapped("is_owner"), [False, True])
        self.assertEqual(
            self.reload(partner).mobile_ids.mapped("is_owner"), [False, True]
        )

    def test_company_of_the_owner_changes(self):
        """Where the number is owned in the new company, it stays with that owner."""
        own = self.env.company
        first = self.contact("First", M1, company_id=own.id)
        second = self.contact("Second", M1, company_id=self.other_company.id)
        first.company_id = self.other_company
        self.reload(first + second)
        self.assertEqual((first + second).mobile_ids.mapped("is_owner"), [False, True])
        self.assertEqual(first.mobile_ids.company_id, self.other_company)
        first.company_id = own
        self.assertTrue(self.reload(first).mobile_ids.is_owner)

    def test_archived_never_owns(self):
        """Numbers of archived contacts are registered for nobody."""
        partner = self.contact("Ada", active=False)
        mobile = self.mobiles.create({"partner_id": partner.id, "number": M1})
        self.assertFalse(mobile.is_owner)
        with self.assertRaisesRegex(UserError, "archived"):
            mobile.action_register()
        with self.assertRaisesRegex(UserError, "archived"):
            mobile.action_take_over()

    def test_find_owner(self):
        """The owner in scope is found; where several are, nobody is."""
        own, other = self.env.company, self.other_company
        none = self.env["res.company"]
        ada = self.contact("Ada", M1, company_id=own.id)
        bob = self.contact("Bob", M1, company_id=other.id)
        eve = self.contact("Eve", M2)
        rows = [
            (M1, own, ada),
            (M1, other, bob),
            (M1, none, self.env["res.partner"]),
            (M2, own, eve),
            (M2, none, eve),
            (M3, own, self.env["res.partner"]),
        ]
        for number, company, expected in rows:
            with self.row(f"{number} {company.name}"):
                self.assertEqual(self.mobiles._find_owner(number, company), expected)

    def test_name_of_the_owner(self):
        """Others see who owns the number, if they may see that contact."""
        self.assertEqual(self.contact("No", BERLIN).mobile_ids.owner_partner_id.ids, [])
        owner = self.contact("Ada Lovelace", M1)
        mobile = self.contact("Grace", M1).mobile_ids
        here = owner.mobile_ids.with_user(self.texter)
        self.assertEqual((here.owner_state, here.owner_partner_id.ids), ("here", []))
        seen = mobile.with_user(self.texter)
        self.assertEqual(seen.owner_partner_id, owner)
        self.assertEqual(seen.owner_text, "Answers go to Ada Lovelace.")
        self.hide(owner, self.texter)
        self.reload(mobile)
        for user in self.texter, self.reader:
            read = mobile.with_user(user).read(
                ["owner_partner_id", "owner_text", "owner_state"]
            )[0]
            self.assertFalse(read["owner_partner_id"])
            self.assertEqual(read["owner_text"], "Answers go to another contact.")
            self.assertEqual(read["owner_state"], "other")
        web = mobile.with_user(self.texter).web_read(
            {"owner_partner_id": {"fields": {"display_name": {}}}}
        )
        self.assertFalse(web[0]["owner_partner_id"])

    def test_take_over_rights(self):
        """Managers who may change both contacts take over, nobody else by any way."""
        admin = self.new_user(
            "gatekeeper",
            "sms_gateway_hub.group_administrator,base.group_partner_manager",
        )
        bare_manager = self.new_user("bare", MANAGER)
        portal = self.new_user("visitor", "base.group_portal")
        rows = [
            (self.manager, True),
            (admin, True),
            (self.texter, False),
            (self.reader, False),
            (bare_manager, False),
            (portal, False),
        ]
        for user, may in rows:
            with self.row(user.login):
                owner = self.contact("Ada", M1)
                mobile = self.contact("Grace", M1).mobile_ids
                if not may:
                    with self.assertRaises(AccessError):
                        mobile.with_user(user).action_take_over()
                    self.reload(mobile)
                    self.assertTrue(owner.mobile_ids.is_owner)
                    continue
                mobile.with_user(user).action_take_over()
                self.reload(mobile)
                self.assertTrue(mobile.is_owner)
                self.assertFalse(owner.mobile_ids.is_owner)
                for partner, name in (owner, "Grace"), (mobile.partner_id, "Ada"):
                    note = partner.message_ids[0]
                    self.assertIn(user.name, note.body)
                    self.assertIn(M1, note.body)
                    self.assertIn(name, note.body)
                    self.assertEqual(note.author_id, user.partner_id)
                    self.assertTrue(note.subtype_id.internal)
                # Again: it is theirs already.
                mobile.with_user(user).action_take_over()

    def test_take_over_from_hidden_contact(self):
        """Nobody takes a number from a contact that they may not change."""
        owner = self.contact("Ada", M1)
        mobile = self.contact("Grace", M1).mobile_ids
        self.hide(owner, self.manager)
        with self.assertRaises(AccessError) as caught:
            mobile.with_user(self.manager).action_take_over()
        self.assertNotIn("Ada", str(caught.exception))

    def test_take_over_from_several(self):
        """A contact of all companies takes over from the owners in each of them."""
        self.manager.company_ids += self.other_company
        first = self.contact("First", M1, company_id=self.env.company.id)
        second = self.contact("Second", M1, company_id=self.other_company.id)
        mobile = self.contact("Third", M1).mobile_ids
        mobile.with_user(self.manager).with_context(
            allowed_company_ids=self.manager.company_ids.ids
        ).action_take_over()
        self.reload(mobile)
        self.assertTrue(mobile.is_owner)
        self.assertFalse(any((first + second).mobile_ids.mapped("is_owner")))

    def test_register_what_is_free(self):
        """Whoever may change the contact registers a free number, not a taken one."""
        owner = self.contact("Ada", M1)
        mobile = self.contact("Grace", M1).mobile_ids
        with self.assertRaisesRegex(UserError, "Answers go to Ada"):
            mobile.with_user(self.texter).action_register()
        owner.action_archive()
        with self.assertRaises(AccessError):
            mobile.with_user(self.reader).action_register()
        mobile.with_user(self.texter).action_register()
        self.assertTrue(self.reload(mobile).is_owner)

    def test_ask_for_hand_over(self):
        """Asking makes one activity for whoever cares for the owner."""
        salesperson = self.new_user("seller", USER)
        rows = [
            ("salesperson", salesperson, self.gateway.responsible_user_id, salesperson),
            ("responsible", False, self.manager, self.manager),
            ("nobody", False, False, self.env.ref("base.user_admin")),
        ]
        for label, user, responsible, expected in rows:
            with self.row(label):
                self.gateway.responsible_user_id = responsible
                owner = self.contact("Ada", M1, user_id=user and user.id)
                mobile = self.contact("Grace <b>", M1).mobile_ids
                asker = mobile.with_user(self.texter)
                asker.action_ask_hand_over()
                asker.action_ask_hand_over()
                activity = owner.activity_ids
                self.assertEqual(len(activity), 1)
                self.assertEqual(activity.user_id, expected)
                self.assertIn(M1, activity.summary)
                for text in self.texter.name, "Grace &lt;b&gt;", M1:
                    self.assertIn(text, activity.note)

    def test_ask_needs_a_reason(self):
        """Only who may change the contact asks, and only an owner is asked."""
        owner = self.contact("Ada", M1)
        mobile = self.contact("Grace", M1).mobile_ids
        with self.assertRaises(AccessError):
            mobile.with_user(self.reader).action_ask_hand_over()
        with self.assertRaises(UserError):
            owner.mobile_ids.with_user(self.texter).action_ask_hand_over()
        self.hide(owner, self.texter)
        mobile.with_user(self.texter).action_ask_hand_over()
        self.assertEqual(len(owner.activity_ids), 1)

    def test_waiting_list(self):
        """The list of waiting contacts holds those that answers do not go to."""
        self.contact("Ada", M1)
        mobile = self.contact("Grace", M1).mobile_ids
        archived = self.contact("Old", M1, active=False)
        search = self.env.ref("sms_gateway_hub.res_partner_mobile_view_search")
        waiting = etree.fromstring(search.arch_db).find(".//filter[@name='waiting']")
        found = self.mobiles.search(literal_eval(waiting.get("domain")))
        self.assertIn(mobile, found)
        self.assertFalse(found & archived.mobile_ids)
        self.assertFalse(found.filtered("is_owner"))


@tagged("post_install", "-at_install")
class TestAccess(MobileCase):
    """Numbers are seen and changed by those who may do so with the contact."""

    def test_who_may_change(self):
        """Changing numbers needs the right to change the contact."""
        portal = self.new_user("visitor", "base.group_portal")
        partner = self.contact("Ada", M1)
        rows = [(self.texter, True), (self.reader, False), (portal, False)]
        actions = [
            (
                "create",
                lambda row: row.create({"partner_id": partner.id, "number": M2}),
            ),
            ("write", lambda row: row.write({"label": "work"})),
            ("number", lambda row: row.write({"number": M3})),
            ("unlink", lambda row: row.unlink()),
        ]
        for user, may in rows:
            for name, action in actions:
                with self.row(f"{name} by {user.login}"):
                    mobile = partner.mobile_ids.with_user(user)
                    if may:
                        action(mobile)
                        self.env.flush_all()
                    else:
                        with self.assertRaises(AccessError):
                            action(mobile)

    def test_not_to_a_foreign_contact(self):
        """A number is moved only to a contact that one may change."""
        hidden, partner = self.contact("Hidden"), self.contact("Ada", M1)
        self.hide(hidden, self.texter)
        with self.assertRaises(AccessError):
            partner.mobile_ids.with_user(self.texter).partner_id = hidden.id
        self.env.invalidate_all()
        with self.assertRaises(AccessError):
            self.mobiles.with_user(self.texter).create(
                {"partner_id": hidden.id, "number": M2}
            )

    def test_who_may_see(self):
        """Numbers of contacts that one may not see are not there."""
        portal = self.new_user("visitor", "base.group_portal")
        seen, hidden = self.contact("Seen", M1), self.contact("Hidden", M2)
        foreign = self.contact("Foreign", M3, company_id=self.other_company.id)
        self.hide(hidden, self.texter)
        mobiles = self.mobiles.with_user(self.texter)
        domain = [("number_e164", "in", [M1, M2, M3])]
        self.assertEqual(mobiles.search(domain), seen.mobile_ids)
        self.assertEqual(mobiles.search_count(domain), 1)
        self.env.invalidate_all()
        for partner in hidden, foreign:
            with self.row(partner.name), self.assertRaises(AccessError):
                partner.mobile_ids.with_user(self.texter).read(["number"])
        with self.assertRaises(AccessError):
            self.mobiles.with_user(portal).search([])
        with self.assertRaises(AccessError):
            seen.with_user(portal).read(["mobile_ids"])


@tagged("post_install", "-at_install")
class TestSearch(MobileCase):
    """A contact is found by any of its numbers, in any format."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ada = cls.contact("Ada", M1, BERLIN)
        cls.bob = cls.contact("Bob", phone="+49 176 04069002")
        cls.eve = cls.contact("Eve")
        cls.all = cls.ada + cls.bob + cls.eve

    # label, operator, value, who is found
    rows = [
        ("E.164", "ilike", BERLIN, "A"),
        ("spaces", "ilike", "+49 30 23125 101", "A"),
        ("brackets", "ilike", "+49 (30) 23125-101", "A"),
        ("trunk zero", "ilike", "+49 (0)30 23125101", "A"),
        ("00", "ilike", "0049 30 23125101", "A"),
        ("without plus", "ilike", "493023125101", "A"),
        ("national", "ilike", "030 23125 101", "A"),
        ("national of another country", "ilike", "0176 04069001", "A"),
        ("national without zero", "ilike", "17604069001", "A"),
        ("beginning", "ilike", "+49 30 23", "A"),
        ("beginning of a national one", "ilike", "030 2312", "A"),
        ("part", "ilike", "312510", "A"),
        ("three digits", "ilike", "251", "A"),
        ("end", "ilike", "101", "A"),
        ("second of two contacts", "ilike", "176 0406", "AB"),
        ("phone field", "ilike", "069002", "B"),
        ("like", "like", "23125", "A"),
        ("equal", "=", "+49 30 23125 101", "A"),
        ("equal, national", "=", "030 23125101", "A"),
        ("equal, only part", "=", "+49 30 23125", ""),
        ("equal, only end", "=", "3125101", ""),
        ("in", "in", [BERLIN, M2], "AB"),
        ("other number", "ilike", "+49 30 999", ""),
        ("letters", "ilike", "abc", ""),
        ("NUL", "ilike", "+49 30\x00 23125", "A"),
        ("not", "not ilike", "+49 30 23125", "BE"),
        ("not part", "not ilike", "176 0406", "E"),
        ("unequal", "!=", "0176 04069001", "BE"),
        ("unequal phone", "!=", M2, "AE"),
        ("not in", "not in", [BERLIN, M2], "E"),
        ("set", "!=", False, "AB"),
        ("not set", "=", False, "E"),
    ]

    def test_find(self):
        """By every format and operator."""
        for label, operator, value, names in self.rows:
            for user in self.env.user, self.reader:
                with self.row(f"{label} by {user.login}"):
                    found = (
                        self.env["res.partner"]
                        .with_user(user)
                        .search(
                            [
                                ("id", "in", self.all.ids),
                                ("phone_mobile_search", operator, value),
                            ]
                        )
                    )
                    initials = "".join(sorted(name[0] for name in found.mapped("name")))
                    self.assertEqual(initials, names)

    def test_set_by_landline_alone(self):
        """A contact with nothing but a landline has a number."""
        partner = self.contact("Desk", BERLIN)
        found = self.env["res.partner"].search(
            [("id", "=", partner.id), ("phone_mobile_search", "!=", False)]
        )
        self.assertEqual(found, partner)

    def test_too_short(self):
        """Less than three characters is core's own error."""
        with self.assertRaisesRegex(UserError, "3 characters"):
            self.env["res.partner"].search([("phone_mobile_search", "ilike", "12")])


@tagged("post_install", "-at_install")
class TestMerge(MobileCase):
    """Contacts that are merged keep the numbers of all."""

    def merge(self, *sources, into):
        partners = into.union(*sources)
        self.env["base.partner.merge.automatic.wizard"]._merge(partners.ids, into)
        return self.reload(into)

    def test_keeps_numbers(self):
        """The destination's come first, none is there twice, each is owned."""
        into = self.contact("Into", M1, M2)
        one = self.contact("One", M4, M2, M3)
        two = self.contact("Two", M3, M5)
        self.merge(one, two, into=into)
        self.assertFalse((one + two).exists())
        self.assertEqual(
            into.mobile_ids.mapped("number_e164"),
            [M1, M2, M4, M3, M5],
        )
        self.assertTrue(all(into.mobile_ids.mapped("is_owner")))
        self.assertEqual(into.mobile, M1)

    def test_ownership_comes_along(self):
        """What a merged contact owned, the destination owns."""
        source = self.contact("Source", M1)
        into = self.contact("Into", M1)
        self.assertFalse(into.mobile_ids.is_owner)
        self.merge(source, into=into)
        self.assertEqual(into.mobile_ids.mapped("is_owner"), [True])

    def test_others_keep_theirs(self):
        """A third contact's number stays with it."""
        third = self.contact("Third", M1)
        source, into = self.contact("Source", M1), self.contact("Into", M2)
        self.merge(source, into=into)
        self.assertEqual(into.mobile_ids.mapped("is_owner"), [True, False])
        self.assertTrue(third.mobile_ids.is_owner)

    def test_into_a_contact_without_numbers(self):
        """The first number of the merged contact is texted from then on."""
        source, into = self.contact("Source", M1, M2), self.contact("Into")
        self.merge(source, into=into)
        self.assertEqual((into.mobile, into.phone_sanitized), (M1, M1))

    def test_into_an_archived_contact(self):
        """Core restores the contact with the others' values; it owns the number."""
        source, into = self.contact("Source", M1), self.contact("Into", active=False)
        self.merge(source, into=into)
        self.assertEqual(into.mobile_ids.mapped("is_owner"), [into.active])


@tagged("post_install", "-at_install")
class TestTakeOverPhones(MobileCase):
    """At installation each contact gets the number of its phone field."""

    def insert(self, **values):
        """Insert a contact past the ORM, as it was before the installation."""
        values = {"name": "Old", "type": "contact", "active": True, **values}
        self.env.cr.execute(
            "INSERT INTO res_partner ({}) VALUES ({}) RETURNING id".format(
                ", ".join(values), ", ".join(["%s"] * len(values))
            ),
            list(values.values()),
        )
        return self.env["res.partner"].browse(self.env.cr.fetchone()[0])

    def test_take_over(self):
        """What can be read is taken over, the rest is left alone."""
        germany = self.germany.id
        own = self.env.company.id
        other = self.other_company.id
        # label, columns, E.164, label of the row, mobile
        rows = [
            (
                "national",
                {"phone": "0176 04069001", "country_id": germany},
                M1,
                "mobile",
                M1,
            ),
            (
                "sanitized before",
                {"phone": "7700 900102", "phone_sanitized": M2},
                M2,
                "mobile",
                M2,
            ),
            ("landline", {"phone": "+49 30 23125 101"}, BERLIN, "other", False),
            ("no number", {"phone": "ask Bob"}, False, False, False),
            ("no such number", {"phone": "+15551234567"}, False, False, False),
            ("empty", {"phone": ""}, False, False, False),
            ("NULL", {}, False, False, False),
            ("archived", {"phone": M3, "active": False}, M3, "mobile", M3),
        ]
        self.env.flush_all()
        partners = {label: self.insert(**columns) for label, columns, *_rest in rows}
        known = self.contact("Known", M4)
        self.force(known, phone=M5)
        self.mobiles._take_over_phones()
        for label, _columns, number, kind, mobile in rows:
            with self.row(label):
                partner = partners[label]
                self.assertEqual(partner.mobile_ids.number_e164, number)
                self.assertEqual(partner.mobile_ids.label, kind)
                self.assertEqual(partner.mobile, mobile)
                self.assertEqual(partner.phone_sanitized, number)
                self.assertEqual(
                    partner.mobile_ids.is_owner, bool(number) and partner.active
                )
        self.assertEqual(known.mobile_ids.number_e164, M4)
        self.assertEqual(self.mobiles._take_over_phones(), 0)
        # What was written by SQL is what the ORM would have computed.
        found = self.env["res.partner"].union(*partners.values())
        before = [(partner.mobile, partner.phone_sanitized) for partner in found]
        for name in "mobile", "phone_sanitized":
            self.env.add_to_compute(found._fields[name], found)
        self.env.flush_all()
        self.assertEqual(
            [(partner.mobile, partner.phone_sanitized) for partner in found], before
        )
        self.assertTrue(own and other)

    def test_oldest_owns(self):
        """The oldest contact owns a number, within the reach of its company."""
        own, other = self.env.company.id, self.other_company.id
        rows = [
            ("everybody's", (None, None), (True, False)),
            ("of two", (own, other), (True, True)),
            (
                "everybody's in between",
                (own, None, other, None),
                (True, False, True, False),
            ),
            ("everybody's first", (None, own, other), (True, False, False)),
        ]
        for label, companies, owns in rows:
            with self.row(label):
                self.env.flush_all()
                partners = self.env["res.partner"].union(
                    *(
                        self.insert(phone=M1, company_id=company)
                        for company in companies
                    )
                )
                self.mobiles._take_over_phones()
                found = partners.with_context(active_test=False).mobile_ids
                self.assertEqual(tuple(found.sorted("id").mapped("is_owner")), owns)

    def test_archived_first(self):
        """An archived contact does not keep a later one from its number."""
        self.env.flush_all()
        first = self.insert(phone=M1, active=False)
        second = self.insert(phone=M1)
        self.mobiles._take_over_phones()
        self.assertFalse(first.mobile_ids.is_owner)
        self.assertTrue(second.mobile_ids.is_owner)

    def test_blacklisted(self):
        """What is on Odoo's blacklist is opted out from the start."""
        self.env["phone.blacklist"].sudo()._add([M1])
        self.env.flush_all()
        partner = self.insert(phone=M1)
        self.mobiles._take_over_phones()
        self.assertTrue(partner.mobile_ids.blocked)
        self.assertEqual(partner.mobile, M1)

    def test_given_back(self):
        """Uninstalling leaves the phone's own number in core's field."""
        rows = [
            (self.contact("A", M1, phone="0176 04069002"), M2),
            (self.contact("B", M1, phone="ask Bob"), False),
            (self.contact("C", M1), False),
            (self.contact("No such number", M1, phone="+15551234567"), False),
            (self.contact("D", phone="0176 04069002"), M2),
        ]
        self.mobiles._give_phones_back()
        for partner, number in rows:
            with self.subTest(partner.name):
                self.assertEqual(partner.phone_sanitized, number)

    def test_statements(self):
        """Ten times the contacts take no more statements."""
        counts = []
        self.mobiles._take_over_phones()
        for first, count in (0, 30), (1000, 300):
            self.env.flush_all()
            for n in range(first, first + count):
                self.insert(phone=f"+1202555{n:04d}")
            with self.count_queries() as statements:
                self.assertEqual(self.mobiles._take_over_phones(), count)
            counts.append(len(statements))
        self.assertEqual(*counts)


@tagged("post_install", "-at_install")
class TestContactForm(MobileCase):
    """What the contact's form offers."""

    def test_tab(self):
        """Users see and edit the numbers in a tab; who may not text does not."""
        view = (
            self.env["res.partner"]
            .with_user(self.texter)
            .get_view(
                view_type="form", view_id=self.env.ref("base.view_partner_form").id
            )
        )
        self.assertIn('name="mobile_ids"', view["arch"])
        self.assertNotIn('name="action_take_over"', view["arch"])
        view = (
            self.env["res.partner"]
            .with_user(self.manager)
            .get_view(
                view_type="form", view_id=self.env.ref("base.view_partner_form").id
            )
        )
        self.assertIn("action_take_over", view["arch"])

    def test_import_columns_are_not_exported(self):
        """Columns that only imports know show in no export."""
        names = [
            (self.env["res.partner"], "contact_phone_number"),
            (self.env["res.partner"], "contact_backend_id"),
            (self.mobiles, "consent"),
            (self.mobiles, "consent_wording"),
        ]
        for model, name in names:
            with self.row(name):
                self.assertFalse(model.fields_get([name])[name]["exportable"])

    def test_numbers(self):
        """The numbers of the tests are kept for fiction."""
        for number in M1, M2, M3:
            self.assertRegex(number, r"^\+4917604069\d{3}$")
        self.assertRegex(NUMBERS[0], r"^\+1202555\d{4}$")
