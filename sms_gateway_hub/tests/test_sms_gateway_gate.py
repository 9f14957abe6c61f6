# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The gate: quiet hours, urgency and test mode, when queued and when claimed."""

import random
from datetime import UTC, datetime, timedelta
from unittest.mock import patch
from zoneinfo import ZoneInfo

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import AccessError, ValidationError
from odoo.sql_db import Cursor
from odoo.tests import tagged
from odoo.tools import SQL

from ..tools.gateway_data import InboundMessage
from .common import NUMBERS, SmsGatewayCase

# 23:30 in New York, where the numbers of the tests are.
NIGHT = datetime(2026, 7, 2, 3, 30)
MORNING = datetime(2026, 7, 2, 12, 0)  # 8:00 there
NOON = datetime(2026, 7, 2, 16, 0)


@tagged("post_install", "-at_install")
class TestQuietHours(SmsGatewayCase):
    """No text arrives at night, none is lost."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gateway.write({"quiet_hours": True, "quiet_from": 21, "quiet_to": 8})
        cls.gate = cls.env["sms.gateway.gate"]

    def decide(self, now, **item):
        item = {"number": NUMBERS[0], "kind": "single", **item}
        return self.gate._check(self.gateway, [item], now)[0]

    def test_table(self):
        """What is held until when, by zone, number, purpose and urgency."""
        tokyo = self.env["res.partner"].create(
            {
                "name": "Tokyo",
                "tz": "Asia/Tokyo",
                "country_id": self.env.ref("base.jp").id,
            }
        )
        # Odoo writes the zone of whoever makes a contact: it is not believed alone.
        copied = self.env["res.partner"].create(
            {"name": "Copied", "tz": "Asia/Tokyo", "country_id": False}
        )
        self.env.flush_all()
        rows = [
            # label, now, item, until (None: passes)
            ("night", NIGHT, {}, MORNING),
            ("noon", NOON, {}, None),
            ("one second before", MORNING - timedelta(seconds=1), {}, MORNING),
            ("at the end", MORNING, {}, None),
            ("broadcast", NIGHT, {"kind": "broadcast"}, MORNING),
            ("automatic", NIGHT, {"kind": "automatic"}, MORNING),
            ("urgent", NIGHT, {"urgent": True}, None),
            ("answer to STOP", NIGHT, {"exempt": "answer"}, None),
            ("question for consent", NIGHT, {"exempt": "question"}, MORNING),
            ("contact's own zone", NIGHT, {"partner_id": tokyo.id}, None),
            (
                "contact's own night",
                datetime(2026, 7, 2, 15, 0),
                {"partner_id": tokyo.id},
                datetime(2026, 7, 2, 23, 0),
            ),
            (
                "zone of who made it: open in both",
                NIGHT,
                {"partner_id": copied.id},
                datetime(2026, 7, 2, 23, 0),
            ),
            (
                "planned for the night",
                NOON,
                {"due_at": NIGHT + timedelta(1)},
                MORNING + timedelta(1),
            ),
            ("German number", NOON, {"number": "+493023125001"}, None),
            (
                "German night",
                datetime(2026, 7, 1, 23, 0),
                {"number": "+493023125001"},
                datetime(2026, 7, 2, 6, 0),
            ),
        ]
        for label, now, item, until in rows:
            with self.row(label):
                decision = self.decide(now, **item)
                if until is None:
                    self.assertIsNone(decision)
                else:
                    self.assertEqual(
                        (decision.state, decision.hold, decision.until),
                        ("queued", "quiet_hours", until),
                    )

    def test_too_late_is_dropped(self):
        """A text that would arrive after its validity says so and is not sent."""
        late = self.decide(NIGHT, expires_at=MORNING)
        self.assertEqual((late.state, late.failure_type), ("expired", "expired"))
        self.assertIn("quiet hours", late.reason)
        in_time = self.decide(NIGHT, expires_at=MORNING + timedelta(minutes=1))
        self.assertEqual(in_time.hold, "quiet_hours")

    def test_who_just_texted_is_awake(self):
        """An answer within the hour may leave at night; a mass text may not."""
        self.env["sms.gateway.message"]._receive(
            self.gateway,
            InboundMessage(event_key="awake", number=NUMBERS[0], body="Are you there?"),
        )
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE sms_gateway_message SET create_date = %s "
            "WHERE direction = 'incoming' AND number = %s",
            [NIGHT - timedelta(minutes=20), NUMBERS[0]],
        )
        self.assertIsNone(self.decide(NIGHT))
        self.assertEqual(self.decide(NIGHT, kind="broadcast").hold, "quiet_hours")
        self.assertEqual(self.decide(NIGHT + timedelta(hours=1)).hold, "quiet_hours")

    def test_holidays(self):
        """Days of the list are quiet as a whole, where the gateway says so."""
        self.env["sms.gateway.holiday"].create(
            {
                "name": "Holiday",
                "date": "2026-07-02",
                "country_id": self.env.ref("base.us").id,
            }
        )
        self.assertIsNone(self.decide(NOON))
        self.gateway.quiet_holidays = True
        self.assertEqual(self.decide(NOON).until, datetime(2026, 7, 3, 12, 0))
        self.assertIsNone(self.decide(NOON, number="+493023125001"))

    def test_held_when_queued_and_sent_in_the_morning(self):
        """A text of the night waits, says why, and leaves when the night is over."""
        with freeze_time(NIGHT):
            message = self.enqueue()
            self.assertFields(
                message,
                {"state": "queued", "hold": "quiet_hours", "due_at": MORNING},
            )
            self.assertIn("quiet hours", message.failure_text)
        # The database's own time decides what is due: July is past there.
        with freeze_time(NOON):
            self.run_sender()
        self.assertFields(message, {"state": "sent", "hold": False})

    def test_held_when_claimed(self):
        """A text that was queued by day and is claimed at night waits again."""
        with freeze_time(NOON):
            message = self.enqueue()
        with freeze_time(NIGHT):
            self.run_sender()
        self.assertFields(message, {"state": "queued", "hold": "quiet_hours"})
        self.assertEqual(message.attempts, 0)

    def test_expired_when_claimed(self):
        """One that would be too late in the morning is dropped at the claim."""
        self.gateway.quiet_hours = False
        now = fields.Datetime.now()
        message = self.enqueue(expires_at=now + timedelta(hours=1))
        there = now.replace(tzinfo=UTC).astimezone(ZoneInfo("America/New_York"))
        self.gateway.write(
            {
                "quiet_hours": True,
                "quiet_from": (there.hour - 1) % 24,
                "quiet_to": (there.hour + 3) % 24,
            }
        )
        self.run_sender()
        self.assertFields(message, {"state": "expired", "failure_type": "expired"})

    def test_urgent_is_a_right(self):
        """Without the manager group nobody skips quiet hours, by any door."""
        user = self.new_user("night", "base.group_user,base.group_partner_manager")
        manager = self.new_user(
            "chief",
            "base.group_user,base.group_partner_manager,sms_gateway_hub.group_manager",
        )

        def compose(as_user):
            composer = (
                self.env["sms.composer"]
                .with_user(as_user)
                .create(
                    {
                        "composition_mode": "comment",
                        "res_model": "res.partner",
                        "res_id": self.partner.id,
                        "body": "Fire",
                        "sms_gateway_urgent": True,
                    }
                )
            )
            composer.action_send_sms()

        def post(as_user):
            self.partner.with_user(as_user).with_context(
                sms_gateway_options={"sms_gateway_urgent": True}
            )._message_sms("Fire")

        for door in (compose, post):
            with self.row(door.__name__):
                with self.assertRaisesRegex(AccessError, "urgent"):
                    door(user)
                door(manager)
                self.assertTrue(self.messages_of()[-1].urgent)
        message = self.enqueue(author_id=user.id)
        with self.assertRaises(AccessError):
            message.with_user(user).write({"urgent": True})
        for model in ("sms.sms", "sms.gateway.message", "sms.consent"):
            with self.assertRaises(AccessError):
                self.env[model].with_user(user).create({"number": NUMBERS[0]})

    def test_one_statement_for_many(self):
        """The gate asks the database as often for 300 messages as for one."""
        counts = []
        for count in (1, 300):
            items = [
                {"number": f"+1202555{n:04d}", "partner_id": self.partner.id}
                for n in range(count)
            ]
            self.env.flush_all()
            self.gate._check(self.gateway, items)
            with self.count_queries() as statements:
                self.gate._check(self.gateway, items)
            counts.append(len(statements))
        self.assertEqual(counts[0], counts[1])
        self.assertLessEqual(counts[1], 2)

    def test_asks_what_its_rules_need(self):
        """Who texted last is looked up where a rule of the gateway asks for it."""
        items = [{"number": NUMBERS[0], "partner_id": self.partner.id}]
        free = {
            "quiet_hours": False,
            "consent_policy": "opt_out",
            "opt_in_prefixes": False,
        }
        for label, rules, asks in (
            ("no rules", {}, False),
            ("quiet hours", {"quiet_hours": True}, True),
            ("consent", {"consent_policy": "opt_in"}, True),
            ("consent in a country", {"opt_in_prefixes": "+49"}, True),
        ):
            with self.subTest(label):
                self.gateway.write({**free, **rules})
                self.env.flush_all()
                with self.count_queries() as statements:
                    self.gate._check(self.gateway, items)
                self.assertEqual(
                    any("direction = 'incoming'" in line for line in statements), asks
                )


@tagged("post_install", "-at_install")
class TestFacts(SmsGatewayCase):
    """What is known of many recipients, found by one statement."""

    def add(self, rows):
        """Add rows to the ledger past its effects, so that it alone decides."""
        self.env["sms.consent"].sudo().create(rows)
        self.env.flush_all()

    def oracle(self, rows, acts, scope=None):
        """Return the act of the latest row that fits."""
        rows = [
            row
            for row in rows
            if row["act"] in acts and (not scope or row["scope"] == scope)
        ]
        # Of two of the same moment the later one.
        rows.sort(key=lambda row: row["at"])
        return rows[-1]["act"] if rows else None

    def test_the_latest_of_each_kind(self):
        """Each question to the ledger finds its own latest row, of any history."""
        chance = random.Random(7)
        said, doubts = ("opted_in", "opted_out"), ("possible_opt_out", "not_opt_out")
        people = self.env["res.partner"].create(
            [{"name": f"Person {n}"} for n in range(60)]
        )
        numbers = [f"+1202555{n:04d}" for n in range(200, 260)]
        rows = [
            {
                "number": chance.choice(numbers),
                "partner_id": chance.choice([False, *people.ids]),
                "act": chance.choice((*said, *said, *doubts, "asked")),
                "scope": chance.choice(("all", "marketing")),
                "method": "api",
                "at": datetime(2026, 1, chance.randint(1, 5)),
            }
            for _n in range(250)
        ]
        self.add(rows)
        items = [
            {"number": number, "partner_id": person.id}
            for number, person in zip(numbers, people, strict=True)
        ]
        facts = self.env["sms.gateway.gate"]._get_facts(items, zones=False, heard=True)
        for item, fact in zip(items, facts, strict=True):
            of_number = [row for row in rows if row["number"] == item["number"]]
            of_person = [row for row in rows if row["partner_id"] == item["partner_id"]]
            with self.subTest(item["number"]):
                self.assertEqual(
                    [
                        fact["act"],
                        fact["marketing_act"],
                        bool(fact["in_doubt"]),
                        fact["person_act"],
                        fact["person_marketing_act"],
                    ],
                    [
                        self.oracle(of_number, said, "all"),
                        self.oracle(of_number, said),
                        self.oracle(of_number, said + doubts) == "possible_opt_out",
                        self.oracle(of_person, said, "all"),
                        self.oracle(of_person, said),
                    ],
                )

    def test_more_than_a_statement_carries(self):
        """Of very many recipients each gets its own answer."""
        blocked = {0, 499, 500, 501, 1100}
        numbers = [f"+1212{2_000_000 + n}" for n in range(1200)]
        self.env["phone.blacklist"].sudo().create(
            [{"number": numbers[n]} for n in blocked]
        )
        self.env.flush_all()
        items = [{"number": number, "kind": "broadcast"} for number in numbers]
        decisions = self.env["sms.gateway.gate"]._check(self.gateway, items)
        self.assertEqual(
            {n for n, decision in enumerate(decisions) if decision}, blocked
        )

    def test_no_table_is_read_as_a_whole(self):
        """A long blacklist and many erased numbers cost a text no more than a few."""
        self.env.cr.execute(
            """
            INSERT INTO phone_blacklist (number, active)
                 SELECT '+4917' || 600000000 + n, TRUE FROM generate_series(1, 5000) n;
            INSERT INTO sms_suppression (digest)
                 SELECT md5(n::text) || md5(n::text) FROM generate_series(1, 5000) n;
            ANALYZE phone_blacklist;
            ANALYZE sms_suppression;
            """
        )
        items = [{"number": f"+1212{2_000_000 + n}"} for n in range(500)]
        execute, queries = Cursor.execute, []

        def noting(cursor, query, *args, **kwargs):
            queries.append(query)
            return execute(cursor, query, *args, **kwargs)

        with patch.object(Cursor, "execute", noting):
            self.env["sms.gateway.gate"]._check(self.gateway, items)
        self.env.cr.execute(SQL("EXPLAIN %s", queries[-1]))
        plan = "\n".join(line for (line,) in self.env.cr.fetchall())
        for table in "phone_blacklist", "sms_suppression":
            self.assertIn(table, plan)
            self.assertNotIn(f"Seq Scan on {table}", plan)

    def test_strangers(self):
        """A gateway asks of strangers all that it asks of others."""
        self.patch(
            type(self.env["sms.gateway.adapter.sandbox"]),
            "_reaches_people",
            lambda adapter, gateway: True,
        )
        night = {"quiet_hours": True, "quiet_from": 21, "quiet_to": 8}
        marketing = {"purpose": "marketing"}
        # values of the gateway, of the text, what stands in the way
        rows = [
            ({}, {}, None),
            ({}, marketing, None),
            ({"state": "test"}, {}, "test_mode"),
            ({"state": "test", "test_numbers": NUMBERS[0]}, {}, None),
            ({"consent_policy": "opt_in"}, {}, "no_consent"),
            ({"consent_policy": "opt_in"}, {"exempt": "question"}, None),
            ({"consent_policy": "opt_in_marketing"}, {}, None),
            ({"consent_policy": "opt_in_marketing"}, marketing, "no_consent"),
            ({"opt_in_prefixes": "+1"}, {}, "no_consent"),
            ({"opt_in_prefixes": "+49"}, {}, None),
            (night, {}, "quiet_hours"),
            (night, {"urgent": True}, None),
        ]
        for gateway, text, reason in rows:
            with self.row(f"{gateway} {text}"):
                self.gateway.write(gateway)
                [decision] = self.env["sms.gateway.gate"]._check(
                    self.gateway, [{"number": NUMBERS[0], **text}], NIGHT
                )
                found = decision and (decision.failure_type or decision.hold)
                self.assertEqual(found, reason)
        [decision] = self.env["sms.gateway.gate"]._check(
            self.env["sms.gateway"], [{"number": NUMBERS[0]}]
        )
        self.assertIsNone(decision)


@tagged("post_install", "-at_install")
class TestRouting(SmsGatewayCase):
    """Which gateway serves, and which one takes over."""

    def test_longest_prefix_wins(self):
        """The map of the contract, with company before shared, enabled before test."""
        company = self.env.company
        other = self.env["res.company"].create({"name": "Other Company"})
        self.gateway.write({"name": "any"})
        self.make_gateway(name="250", prefixes="+250")
        self.make_gateway(name="25078", prefixes="+25078, +25072")
        self.make_gateway(name="own", prefixes="+33", company_id=company.id)
        self.make_gateway(name="long", prefixes="+3361")
        self.make_gateway(name="trial", prefixes="+4930", state="test")
        self.make_gateway(name="foreign", prefixes="+44", company_id=other.id)
        self.make_gateway(name="off", prefixes="+81", state="disabled")
        rows = [
            ("+250788123123", "25078"),
            ("+250728123123", "25078"),
            ("+250733123123", "250"),
            ("+15551234567", "any"),
            ("+33612345678", "own"),
            ("+493012345678", "any"),
            ("+447700900123", "any"),
            ("+819012345678", "any"),
        ]
        found = self.env["sms.gateway"]._route_many(
            company, [number for number, _name in rows], [False] * len(rows)
        )
        for (number, name), gateway_id in zip(rows, found, strict=True):
            with self.subTest(number):
                route = self.env["sms.gateway"]._route(company, number)
                self.assertEqual(route.name, name)
                self.assertEqual(route.id, gateway_id)

    def test_no_route_fails_with_a_reason(self):
        """A number that no gateway serves does not go out by another way."""
        self.gateway.prefixes = "+49"
        self.partner._message_sms("Hello")
        message = self.messages_of()
        self.assertFields(message, {"state": "failed", "failure_type": "no_gateway"})
        notification = message.mail_message_id.notification_ids
        self.assertEqual(notification.notification_status, "exception")

    def test_the_contacts_own_gateway(self):
        """It wins; when it is off, the text fails and says so."""
        own = self.make_gateway(name="Own choice", sequence=99)
        self.partner.sms_gateway_id = own
        self.partner._message_sms("Hello")
        message = self.messages_of()
        self.assertFields(message, {"gateway_id": own, "gateway_fixed": True})
        own.state = "disabled"
        self.partner._message_sms("Hello again")
        message = self.messages_of()[-1]
        self.assertFields(message, {"state": "failed", "failure_type": "no_gateway"})
        self.assertIn("Own choice", message.failure_reason)

    def test_bad_prefixes_are_refused(self):
        """What is no beginning of a number is named."""
        for prefix in ("49", "+0", "abc", "+49;+43"):
            with (
                self.row(prefix),
                self.assertRaisesRegex(Exception, r"beginning of a number"),
            ):
                self.gateway.prefixes = prefix

    def test_fallback_sends_what_waits(self):
        """While a gateway is paused its fallback sends, but nothing that may be out."""
        fallback = self.make_gateway(name="Fallback", sender="Second")
        self.gateway.fallback_gateway_id = fallback
        messages = self.enqueue(
            4, gateway_fixed=[False, True, False, False], sender="First"
        )
        self.force(messages[2], state="unconfirmed")
        self.force(messages[3], segments=50)
        self.run_sender(fallback)
        self.assertEqual(messages[0].state, "queued", "it is not paused yet")
        self.gateway._pause("No credit", 600)
        self.run_sender(fallback)
        self.assertFields(
            messages[0],
            {"state": "sent", "gateway_id": fallback, "sender": "Second"},
        )
        self.assertFields(messages[1], {"state": "queued", "gateway_id": self.gateway})
        self.assertFields(
            messages[2], {"state": "unconfirmed", "gateway_id": self.gateway}
        )
        self.assertEqual(messages[3].state, "queued")
        self.gateway._resumed()
        self.run_sender()
        self.assertEqual(messages[1].state, "sent")

    def test_what_the_fallback_alone_refuses_goes_back(self):
        """It waits at its own gateway until the pause ends, and leaves there."""
        fallback = self.make_gateway(
            name="Fallback", sender="Second", consent_policy="opt_in"
        )
        self.gateway.write({"fallback_gateway_id": fallback.id, "sender": "First"})
        agreed, other = self.enqueue(2)
        self.env["sms.consent"]._record(
            agreed.number, "opted_in", method="form", wording="ok"
        )
        self.gateway._pause("No credit", 600)
        self.run_sender(fallback)
        self.assertFields(
            agreed,
            {
                "state": "sent",
                "gateway_id": fallback,
                "relieved_gateway_id": self.gateway,
            },
        )
        kept = {
            "state": "queued",
            "gateway_id": self.gateway,
            "relieved_gateway_id": self.env["sms.gateway"],
            "sender": "First",
            "attempts": 0,
            "failure_type": False,
            "due_at": self.gateway.paused_until,
        }
        self.assertFields(other, kept)
        self.run_sender(fallback)
        self.assertFields(other, kept)
        self.gateway.action_resume()
        self.run_sender()
        self.assertFields(other, {"state": "sent", "gateway_id": self.gateway})

    def test_what_was_taken_over_goes_back_later_too(self):
        """Claimed once and released, it is still not cancelled by the fallback."""
        fallback = self.make_gateway(name="Fallback")
        self.gateway.fallback_gateway_id = fallback
        message = self.enqueue()
        self.gateway._pause("No credit", 600)
        self.make_due()
        messages = self.env["sms.gateway.message"]
        (row,) = messages._claim(fallback, 10)
        messages._release([row["id"]], row["attempt_ref"])
        fallback.consent_policy = "opt_in"
        self.run_sender(fallback)
        message.invalidate_recordset()
        self.assertFields(message, {"state": "queued", "gateway_id": self.gateway})

    def test_which_texts_a_fallback_takes(self):
        """Only numbers that it serves; one in test nothing that is meant for people."""
        for label, values, first, taken in (
            ("all numbers", {}, {}, True),
            ("its prefix", {"prefixes": "+49, +1202"}, {}, True),
            ("another prefix", {"prefixes": "+49"}, {}, False),
            ("in test", {"state": "test"}, {}, False),
            ("both in test", {"state": "test"}, {"state": "test"}, True),
        ):
            with self.row(label):
                fallback = self.make_gateway(name="Fallback")
                self.gateway.fallback_gateway_id = fallback
                message = self.enqueue()
                self.gateway.write(first)
                fallback.write(values)
                self.gateway._pause("No credit", 600)
                self.run_sender(fallback)
                message.invalidate_recordset()
                self.assertEqual(message.state, "sent" if taken else "queued")
                self.assertEqual(
                    message.gateway_id, fallback if taken else self.gateway
                )

    def test_who_may_be_a_fallback(self):
        """Not itself, not another company's, not one in test; whoever changes it."""
        company = self.env.company
        other = self.env["res.company"].create({"name": "Other"})
        self.gateway.company_id = company
        for label, values, refused in (
            ("shared", {}, None),
            ("the same company", {"company_id": company.id}, None),
            ("another company", {"company_id": other.id}, "same company"),
            ("in test", {"state": "test"}, "test mode"),
            ("off", {"state": "disabled"}, None),
        ):
            with self.row(label):
                fallback = self.make_gateway(name="Fallback", **values)
                if not refused:
                    self.gateway.fallback_gateway_id = fallback
                    continue
                with self.assertRaisesRegex(ValidationError, refused):
                    self.gateway.fallback_gateway_id = fallback
        with self.row("itself"), self.assertRaisesRegex(ValidationError, "its own"):
            self.gateway.fallback_gateway_id = self.gateway
        with self.row("moved"):
            fallback = self.make_gateway(name="Fallback")
            self.gateway.fallback_gateway_id = fallback
            with self.assertRaisesRegex(ValidationError, "same company"):
                fallback.company_id = other
        with self.row("the first one moved"):
            fallback = self.make_gateway(name="Fallback", company_id=company.id)
            self.gateway.fallback_gateway_id = fallback
            with self.assertRaisesRegex(ValidationError, "same company"):
                self.gateway.company_id = other

    def test_own_gateway_of_another_company_does_not_count(self):
        """A contact's own gateway texts for its company alone."""
        company = self.env.company
        other = self.env["res.company"].create({"name": "Other"})
        gateways = self.env["sms.gateway"]
        for label, owner, counts in (
            ("shared", False, True),
            ("of the company that texts", company, True),
            ("of another company", other, False),
        ):
            for prefixes in (False, "+1"):
                with self.row(f"{label}, {prefixes}"):
                    self.gateway.prefixes = prefixes
                    own = self.make_gateway(
                        name="Own", sequence=99, company_id=owner and owner.id
                    )
                    self.partner.sms_gateway_id = own
                    expected = own if counts else self.gateway
                    self.assertEqual(
                        gateways._route(company, NUMBERS[0], self.partner), expected
                    )
                    self.assertEqual(
                        gateways._route_many(company, [NUMBERS[0]], self.partner.ids),
                        expected.ids,
                    )


@tagged("post_install", "-at_install")
class TestStepDown(SmsGatewayCase):
    """A dead number is marked and the next one is tried."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner.phone = False
        for number in NUMBERS[:3]:
            cls.env["res.partner.mobile"].create(
                {"partner_id": cls.partner.id, "number": number}
            )

    def fail(self, message, failure_type="number_dead", state="undelivered"):
        self.force(
            message,
            state=state,
            failure_type=failure_type,
            failure_reason="No such number",
            to_sync=True,
        )
        self.env["sms.gateway.message"]._sync()
        self.env.invalidate_all()

    def test_next_number_is_tried_once(self):
        """The text goes to the next number; the chatter line follows it."""
        self.partner._message_sms("Hello")
        first = self.messages_of()
        self.assertEqual(first.number, NUMBERS[0])
        self.fail(first)
        second = first.resend_ids
        self.assertFields(
            second,
            {
                "number": NUMBERS[1],
                "state": "queued",
                "mail_message_id": first.mail_message_id,
                "purpose": first.purpose,
            },
        )
        self.assertTrue(self.partner.mobile_ids[0].dead_at)
        self.assertEqual(self.partner.mobile, NUMBERS[1])
        self.force(first, to_sync=True)
        self.env["sms.gateway.message"]._sync()
        self.assertEqual(len(first.resend_ids), 1)
        self.fail(second)
        self.assertEqual(second.resend_ids.number, NUMBERS[2])
        self.fail(second.resend_ids)
        self.assertFalse(second.resend_ids.resend_ids)

    def test_nobody_gets_it_twice_or_too_late(self):
        """A number that has the text is left out, and what is over is not sent."""
        first, second = self.enqueue(2, body="Same", partner_id=self.partner.id)
        self.force(second, state="delivered")
        self.fail(first)
        self.assertEqual(first.resend_ids.number, NUMBERS[2])
        late = self.enqueue(uuid="8" * 32, partner_id=self.partner.id)
        self.force(late, expires_at=fields.Datetime.now() - timedelta(hours=1))
        self.fail(late)
        self.assertFalse(late.resend_ids)

    def test_only_certain_and_permanent_failures(self):
        """What may have arrived, or fails otherwise, is not tried elsewhere."""
        for state, failure_type in (
            ("unconfirmed", "unknown_outcome"),
            ("undelivered", "not_delivered"),
            ("failed", "rejected"),
            ("expired", "expired"),
        ):
            with self.row(f"{state} {failure_type}"):
                message = self.enqueue(partner_id=self.partner.id)
                self.fail(message, failure_type, state)
                self.assertFalse(message.resend_ids)
                self.assertFalse(self.partner.mobile_ids[0].dead_at)

    def test_not_where_the_gateway_says_no(self):
        """The gateway's setting rules, the number is marked all the same."""
        self.gateway.try_next_number = False
        message = self.enqueue(partner_id=self.partner.id)
        self.fail(message)
        self.assertFalse(message.resend_ids)
        self.assertTrue(self.partner.mobile_ids[0].dead_at)

    def test_a_delivery_brings_a_number_back(self):
        """A number that gets a text is alive."""
        message = self.enqueue(partner_id=self.partner.id)
        self.fail(message)
        again = self.enqueue(uuid="a" * 32, partner_id=self.partner.id)
        self.force(again, state="delivered", to_sync=True)
        self.env["sms.gateway.message"]._sync()
        self.assertFalse(self.partner.mobile_ids[0].dead_at)
        self.assertEqual(self.partner.mobile, NUMBERS[0])

    def test_a_refusal_ends_it(self):
        """After a STOP from the second number the third is not texted either."""
        self.partner._message_sms("Hello")
        first = self.messages_of()
        self.fail(first)
        self.env["sms.gateway.message"]._receive(
            self.gateway,
            InboundMessage(event_key="s", number=NUMBERS[1], body="STOP"),
        )
        self.assertEqual(first.resend_ids.state, "canceled")
        self.partner._message_sms("Third")
        third = self.messages_of([("exempt", "=", False)])[-1]
        self.assertFields(third, {"state": "canceled", "failure_type": "opted_out"})


@tagged("post_install", "-at_install")
class TestPlan(SmsGatewayCase):
    """What a change of settings means for what is held."""

    def test_quiet_hours_switched_off(self):
        """What the night held leaves when the gateway's quiet hours end for good."""
        with freeze_time(NIGHT):
            self.gateway.quiet_hours = True
            message = self.enqueue()
        self.assertEqual(message.hold, "quiet_hours")
        self.gateway.quiet_hours = False
        self.assertFalse(message.hold)
        self.run_sender()
        self.assertEqual(message.state, "sent")
