# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import datetime, timedelta
from unittest.mock import patch
from uuid import UUID, uuid4

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.sql_db import Cursor
from odoo.tests import tagged

from .. import const
from ..models.sms_gateway_message import _new_uuids
from ..tools.sql_arrays import to_array
from .common import NUMBERS, UUIDS, SmsGatewayCase

FINAL = {"delivered", "undelivered", "expired", "failed", "canceled", "received"}


def ago(**delta):
    return fields.Datetime.now() - timedelta(**delta)


def ahead(**delta):
    return fields.Datetime.now() + timedelta(**delta)


@tagged("post_install", "-at_install")
class TestTransitions(SmsGatewayCase):
    """One table of allowed transitions, and every writer obeys it."""

    def test_table_is_complete(self):
        """Every state has a row, every successor is a state, finals have no way out."""
        states = {key for key, _label in const.MESSAGE_STATES}
        self.assertEqual(set(const.TRANSITIONS), states)
        for state, after in const.TRANSITIONS.items():
            self.assertLessEqual(after, states, state)
            self.assertNotIn(state, after)
        self.assertEqual(const.FINAL_STATES, FINAL)
        self.assertFalse(any(const.TRANSITIONS[state] for state in FINAL))

    def test_nothing_is_sent_blindly_again(self):
        """Neither what left nor what may have left goes back to the queue."""
        back = {
            state for state, after in const.TRANSITIONS.items() if "queued" in after
        }
        self.assertEqual(back, {"sending"})

    def test_tables_meet_core(self):
        """What we tell core is a word that core knows."""
        outgoing = {key for key, _label in const.MESSAGE_STATES} - {"received"}
        self.assertEqual(set(const.CORE_STATES), outgoing)
        known = set(self.env["sms.tracker"].SMS_STATE_TO_NOTIFICATION_STATUS)
        self.assertLessEqual(set(const.CORE_STATES.values()), known)
        ours = {key for key, _label in const.FAILURE_TYPES}
        self.assertLessEqual(set(const.CORE_FAILURE_TYPES), ours)
        failure_type = self.env["mail.notification"]._fields["failure_type"]
        theirs = {key for key, _label in failure_type._description_selection(self.env)}
        self.assertLessEqual(set(const.CORE_FAILURE_TYPES.values()), theirs)

    def test_set_state(self):
        """A state is set where the table allows it, and left alone elsewhere."""
        states = list(const.TRANSITIONS)
        for wanted in states:
            with self.row(f"to {wanted}"):
                messages = self.enqueue(len(states))
                for message, state in zip(messages, states, strict=True):
                    self.force(message, state=state, to_sync=False)
                moved = messages._set_state(wanted)
                expected = [
                    wanted if wanted in const.TRANSITIONS[state] else state
                    for state in states
                ]
                self.assertEqual(messages.mapped("state"), expected)
                self.assertEqual(
                    moved.ids,
                    [
                        message.id
                        for message, state in zip(messages, states, strict=True)
                        if wanted in const.TRANSITIONS[state]
                    ],
                )
                self.assertFalse(messages.filtered("to_sync"), "core was told")


@tagged("post_install", "-at_install")
class TestEnqueue(SmsGatewayCase):
    """The way into the outbox: no network, one bad row disturbs no other."""

    # label, values, state, failure type, part of the reason
    rows = [
        ("a good one", {}, "queued", False, ""),
        ("no number", {"number": False}, "failed", "number_missing", "no number"),
        ("empty number", {"number": ""}, "failed", "number_missing", "no number"),
        ("letters", {"number": "+1ACME"}, "failed", "number_invalid", "not a valid"),
        (
            "no plus",
            {"number": "12025550100"},
            "failed",
            "number_invalid",
            "not a valid",
        ),
        ("spaces", {"number": "+1 202 555"}, "failed", "number_invalid", "not a valid"),
        ("too short", {"number": "+12345"}, "failed", "number_invalid", "not a valid"),
        (
            "too long number",
            {"number": "+" + "1" * 16},
            "failed",
            "number_invalid",
            "not a valid",
        ),
        (
            "leading nought",
            {"number": "+01234567"},
            "failed",
            "number_invalid",
            "not a valid",
        ),
        (
            "foreign digits",
            {"number": "+١٢٣٤٥٦٧٨"},
            "failed",
            "number_invalid",
            "not a valid",
        ),
        (
            "newline",
            {"number": NUMBERS[0] + "\n"},
            "failed",
            "number_invalid",
            "not a valid",
        ),
        ("NUL in number", {"number": "+1202\x005550100"}, "queued", False, ""),
        (
            "surrogate in number",
            {"number": "+1202\ud800"},
            "failed",
            "number_invalid",
            "not a valid",
        ),
        (
            "1 MB number",
            {"number": "+" + "1" * 1000000},
            "failed",
            "number_invalid",
            "not a valid",
        ),
        ("no text", {"body": False}, "failed", "empty", "empty"),
        ("empty text", {"body": ""}, "failed", "empty", "empty"),
        ("blanks only", {"body": " \n\t "}, "failed", "empty", "empty"),
        ("NUL only", {"body": "\x00\x00"}, "failed", "empty", "empty"),
        ("too long", {"body": "x" * 1531}, "failed", "too_long", "11 SMS parts"),
        ("just fits", {"body": "x" * 1530}, "queued", False, ""),
        ("1 MB text", {"body": "é" * 1000000}, "failed", "too_long", "allows 10"),
        (
            "validity past",
            {"expires_at": ago(seconds=5)},
            "expired",
            "expired",
            "validity",
        ),
        ("NUL in text", {"body": "a\x00b"}, "queued", False, ""),
        ("lone surrogate", {"body": "a\ud800b"}, "queued", False, ""),
    ]

    def test_rows(self):
        """Each bad message is stored with its reason, each good one queued."""
        for label, values, state, failure_type, reason in self.rows:
            with self.row(label):
                message = self.enqueue(**values)
                self.assertFields(
                    message, {"state": state, "failure_type": failure_type}
                )
                self.assertIn(reason, message.failure_reason or "")

    def test_one_batch(self):
        """All of them in one batch end as they do alone."""
        defaults = {"number": NUMBERS[0], "body": "Hello"}
        values_list = [
            {**defaults, "gateway_id": self.gateway.id, **values}
            for _label, values, *_expected in self.rows
        ]
        messages = self.env["sms.gateway.message"]._enqueue(values_list)
        self.env.flush_all()
        self.assertEqual(messages.mapped("state"), [row[2] for row in self.rows])

    def test_text_is_cleaned(self):
        """What neither a database nor a phone can take is taken out."""
        for body, stored in (
            ("a\x00b", "ab"),
            ("a\ud800b", "a\ufffdb"),
            ("a\r\nb\tc", "a\nb c"),
            ("\ud83d\ude00", "😀"),
        ):
            with self.row(repr(body)):
                message = self.enqueue(body=body)
                self.env.flush_all()
                message.invalidate_recordset()
                self.assertEqual(message.body, stored)

    def test_fields(self):
        """A queued message knows its parts, its sender, its plan and its author."""
        self.gateway.sender = "ACME"
        until, at = ahead(days=2), ahead(days=1)
        message = self.enqueue(body="€" * 81, scheduled_at=at, expires_at=until)
        self.assertFields(
            message,
            {
                "state": "queued",
                "direction": "outgoing",
                "encoding": "gsm7",
                "segments": 2,
                "sender": "ACME",
                "due_at": at,
                "scheduled_at": at,
                "expires_at": until,
                "priority": "2",
                "attempts": 0,
                "author_id": self.env.user,
                "company_id": self.env.company,
            },
        )

    def test_past_schedule_is_now(self):
        """A schedule that is past means now, not an older place in the queue."""
        message = self.enqueue(scheduled_at=ago(days=1))
        self.assertEqual(message.due_at, message.state_at)

    def test_mode_test(self):
        """In test mode only the test numbers are texted."""
        self.gateway.write({"state": "test", "test_numbers": f"{NUMBERS[1]}, +4915100"})
        self.patch(
            type(self.env["sms.gateway.adapter.sandbox"]),
            "_reaches_people",
            lambda adapter, gateway: True,
        )
        messages = self.enqueue(2)
        self.assertEqual(messages.mapped("state"), ["canceled", "queued"])
        self.assertEqual(messages[0].failure_type, "test_mode")
        self.assertIn("test mode", messages[0].failure_reason)

    def test_sandbox_in_test_mode(self):
        """The sandbox reaches nobody, so test mode holds nothing back."""
        self.gateway.state = "test"
        self.assertEqual(self.enqueue().state, "queued")

    def test_wakes_its_sender_once(self):
        """One trigger per transaction and gateway, at the earliest due time."""
        triggers = self.env["ir.cron.trigger"].sudo()
        domain = [("cron_id", "=", self.gateway.sudo().cron_id.id)]
        triggers.search(domain).unlink()
        self.enqueue()
        self.enqueue(uuid=uuid4().hex)
        self.assertEqual(triggers.search_count(domain), 1)

    def test_no_statement_per_message(self):
        """Enqueueing goes by the batch: its queries do not grow with the messages."""

        def queries(count):
            self.env.flush_all()
            with self.count_queries() as statements:
                self.enqueue(count, uuid=[uuid4().hex for _n in range(count)])
                self.env.flush_all()
            return statements

        queries(1)
        ten, thousand = queries(10), queries(1000)
        # One INSERT carries a bounded number of rows.
        inserts = [text for text in thousand if text.startswith("INSERT")]
        self.assertLessEqual(
            len(thousand) - len(inserts), len(ten), "\n".join(thousand)
        )
        self.assertLessEqual(len(inserts), 10)

    def test_one_core_sms_once(self):
        """The same SMS of core cannot become two messages."""
        sms = self.env["sms.sms"].create({"number": NUMBERS[0], "body": "Once"})
        for _time in range(2):
            sms._sms_gateway_enqueue(self.gateway, {sms.uuid: sms.body})
        self.assertEqual(
            self.env["sms.gateway.message"].search_count([("sms_uuid", "=", sms.uuid)]),
            1,
        )

    def test_rollback_leaves_nothing(self):
        """What the user's transaction takes back was never sent."""
        with self.row("rolled back"):
            self.enqueue(3)
        self.run_sender()
        self.assertFalse(self.messages_of())


@tagged("post_install", "-at_install")
class TestEnqueueBulk(SmsGatewayCase):
    """The way of mass texts into the outbox: the same, by one statement."""

    # What one literal of an array has to hold as it is.
    bodies = [
        "NULL",
        "null",
        "{\"a\",b,'c'}",
        "\\",
        '\\"',
        '"',
        "''",
        "%s %(x)s 100%",
        "a\nb",
        " padded ",
        "e\u0301 \U0001f600",
        "1",
    ]

    def write_both_ways(self, values_list):
        """Queue texts as single ones and as mass texts; return both, in order."""
        messages = self.env["sms.gateway.message"]
        with freeze_time(fields.Datetime.now()):
            single = messages._enqueue([{**values} for values in values_list])
            self.env.flush_all()
            made = messages._enqueue_bulk([{**values} for values in values_list])
        bulk = messages.browse([row["id"] for row in made])
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertEqual(
            [(row["state"], row["failure_type"]) for row in made],
            [(message.state, message.failure_type) for message in bulk],
        )
        return single, bulk

    def assert_same(self, single, bulk):
        apart = {"id", "uuid", "display_name", "create_date", "write_date"}
        names = [
            name
            for name, field in single._fields.items()
            if field.store and field.column_type and name not in apart
        ]
        for one, other in zip(single, bulk, strict=True):
            with self.subTest(body=one.body[:20], number=one.number):
                self.assertEqual(
                    [one[name] for name in names], [other[name] for name in names]
                )

    def values(self, **values):
        return {
            "gateway_id": self.gateway.id,
            "number": NUMBERS[0],
            "body": "Hello",
            **values,
        }

    def test_one_batch(self):
        """Good and bad rows are stored as those of single texts are."""
        rows = [self.values(**values) for _label, values, *_end in TestEnqueue.rows]
        rows += [self.values(body=body) for body in self.bodies]
        rows += [
            self.values(
                partner_id=self.partner.id,
                res_model="res.partner",
                res_id=self.partner.id,
                priority=const.PRIORITY_LOW,
                kind="broadcast",
                urgent=True,
                gateway_fixed=True,
                scheduled_at=ahead(days=1),
                expires_at=ahead(days=2),
                sender='A,"B"',
            ),
            self.values(gateway_id=False),
            self.values(state="failed", failure_type="unreadable", failure_reason="?"),
        ]
        self.assert_same(*self.write_both_ways(rows))

    def test_each_alone(self):
        """One row is a mass text too, whatever it holds."""
        for label, values, *_expected in TestEnqueue.rows:
            with self.row(label):
                self.assert_same(*self.write_both_ways([self.values(**values)]))
        self.assertEqual(self.env["sms.gateway.message"]._enqueue_bulk([]), [])

    def test_equal_values_of_other_types(self):
        """What Python holds to be equal is no reason to write the first for all."""
        rows = [
            self.values(gateway_fixed=fixed, res_model=model, res_id=res_id)
            for fixed, model, res_id in (
                (True, "res.partner", 1),
                (1, "res.partner", True),
                (0, False, 0),
                (False, None, False),
                (None, "", None),
            )
        ]
        self.assert_same(*self.write_both_ways(rows))
        self.assert_same(*self.write_both_ways(rows[2:]))

    def test_the_same_for_all_travels_once(self):
        """The statement of a mass text grows by what differs alone."""
        lengths = {}
        for sender in ("", "x" * 11):
            self.gateway.sender = sender
            rows = [self.values(body=f"{n:03d}") for n in range(300)]
            self.env.flush_all()
            execute = Cursor.execute

            def noting(cursor, query, *args, _key=sender, _execute=execute, **kwargs):
                if getattr(query, "code", "").lstrip().startswith("INSERT INTO sms_ga"):
                    lengths[_key] = len(cursor.mogrify(query.code, query.params))
                return _execute(cursor, query, *args, **kwargs)

            with patch.object(Cursor, "execute", noting):
                self.env["sms.gateway.message"]._enqueue_bulk(rows)
        self.assertLess(abs(lengths[""] - lengths["x" * 11]), 100, lengths)

    def test_ids_are_random_uuids(self):
        """They are what ``uuid4`` makes, and no two are equal."""
        made = _new_uuids(2000)
        self.assertEqual(len(set(made)), 2000)
        for text in made:
            self.assertEqual(UUID(text).hex, text)
            self.assertEqual(UUID(text).version, 4)
        self.assertEqual(_new_uuids(0), [])

    def test_arrays(self):
        """Each kind of value comes out of the database as it went in."""
        at = datetime(2026, 7, 2, 3, 30)
        for kind, values in (
            ("text", [*self.bodies, "", None]),
            ("varchar", []),
            ("int4", [1, -7, None]),
            ("bool", [True, False, None]),
            ("timestamp", [at, None]),
            ("float8", [1.5, 1e300, None]),
        ):
            with self.row(kind):
                self.env.cr.execute(f"SELECT %s::{kind}[]", [to_array(values)])
                self.assertEqual(self.env.cr.fetchone()[0], values)


@tagged("post_install", "-at_install")
class TestClaim(SmsGatewayCase):
    """The sender's statements: claim, stamp, record, recover."""

    def claim(self, limit=100, gateway=None):
        self.env.flush_all()
        rows = self.env["sms.gateway.message"]._claim(gateway or self.gateway, limit)
        self.env.invalidate_all()
        return rows

    def test_order(self):
        """Priority first, then the due time, then the order of writing."""
        messages = self.enqueue(6)
        plan = [("2", 10), ("2", 20), ("1", 5), ("3", 60), ("1", 5), ("2", 20)]
        for message, (priority, minutes) in zip(messages, plan, strict=True):
            self.force(message, priority=priority, due_at=ago(minutes=minutes))
        numbers = [UUIDS.index(row["uuid"]) for row in self.claim()]
        self.assertEqual(numbers, [2, 4, 1, 5, 0, 3])

    def test_a_reply_overtakes(self):
        """A limit takes the urgent ones, wherever they stand."""
        messages = self.enqueue(10)
        self.force(messages, due_at=ago(minutes=5))
        self.force(messages[9], priority="1", due_at=ago(minutes=1))
        rows = self.claim(limit=2)
        self.assertEqual([row["uuid"] for row in rows], [UUIDS[9], UUIDS[0]])

    def test_what_is_left_alone(self):
        """Neither what is due later, nor expired, nor gone, nor another gateway's."""
        other = self.make_gateway(name="Other")
        messages = self.enqueue(6, gateway_id=[self.gateway.id] * 5 + [other.id])
        self.force(messages, due_at=ago(minutes=5))
        self.force(messages[0], due_at=ahead(minutes=5))
        self.force(messages[1], expires_at=ago(minutes=1))
        self.force(messages[2], state="sent")
        self.force(messages[3], expires_at=ahead(minutes=10))
        self.assertEqual([row["uuid"] for row in self.claim()], [UUIDS[3], UUIDS[4]])

    def test_what_a_claim_writes(self):
        """A claimed message is leased, counted, and not stamped yet."""
        messages = self.enqueue(2)
        self.force(messages, due_at=ago(minutes=5), request_at=ago(days=1))
        rows = self.claim()
        for message in messages:
            self.assertFields(
                message,
                {
                    "state": "sending",
                    "attempts": 1,
                    "attempt_ref": rows[0]["attempt_ref"],
                    "request_at": False,
                },
            )
            lease = message.lease_until - message.state_at
            self.assertEqual(lease.total_seconds(), const.LEASE_S)
        self.assertFalse(self.claim(), "claimed twice")

    def test_release(self):
        """What is put back untried has not used up a try."""
        messages = self.enqueue(2)
        self.force(messages, due_at=ago(minutes=5))
        rows = self.claim()
        model = self.env["sms.gateway.message"]
        model._release([messages[0].id], rows[0]["attempt_ref"])
        model._release([messages[1].id], "another attempt")
        self.env.invalidate_all()
        self.assertEqual(messages.mapped("state"), ["queued", "sending"])
        self.assertEqual(messages.mapped("attempts"), [0, 1])

    def test_lease_without_stamp(self):
        """A sender that was killed before its request: back to the queue (F1)."""
        message = self.enqueue()
        self.force(message, state="sending", lease_until=ago(minutes=1), attempts=1)
        self.env["sms.gateway.message"]._recover(self.gateway)
        self.env.invalidate_all()
        self.assertFields(
            message,
            {"state": "queued", "lease_until": False, "failure_type": False},
        )
        self.run_sender()
        self.assertEqual(message.state, "sent")

    def test_lease_with_stamp(self):
        """A sender that was killed after its request: unconfirmed, not again (F2)."""
        message = self.enqueue()
        self.force(
            message,
            state="sending",
            lease_until=ago(minutes=1),
            request_at=ago(minutes=2),
            attempts=1,
        )
        self.run_sender()
        self.assertFields(
            message,
            {"state": "unconfirmed", "failure_type": "unknown_outcome", "attempts": 1},
        )
        self.assertIn("stopped", message.failure_reason)

    def test_lease_that_lasts(self):
        """What somebody is sending is nobody else's."""
        message = self.enqueue()
        self.force(message, state="sending", lease_until=ahead(minutes=1))
        self.run_sender()
        self.assertEqual(message.state, "sending")

    def test_expiry(self):
        """A text whose validity ended while it waited is dropped, and says so."""
        message = self.enqueue(expires_at=ahead(minutes=5))
        self.force(message, expires_at=ago(minutes=1))
        self.run_sender()
        self.assertFields(
            message, {"state": "expired", "failure_type": "expired", "attempts": 0}
        )
        self.assertTrue(message.failure_reason)

    def test_late_writer(self):
        """An outcome whose lease was taken over is logged and changes nothing."""
        now = fields.Datetime.now()
        outcome = {"started_at": now, "ended_at": now, "counts": True, "retry_in_s": 0}
        model = self.env["sms.gateway.message"]
        for label, values, moves in (
            ("its own attempt", {"state": "sending", "attempt_ref": "A"}, True),
            ("another attempt", {"state": "sending", "attempt_ref": "B"}, False),
            ("settled meanwhile", {"state": "delivered", "attempt_ref": "A"}, False),
            ("given up", {"state": "unconfirmed", "attempt_ref": "A"}, False),
            ("back in the queue", {"state": "queued", "attempt_ref": "A"}, False),
        ):
            with self.row(label):
                message = self.enqueue()
                self.force(message, **values)
                model._record(
                    self.gateway,
                    [
                        {
                            **outcome,
                            "id": message.id,
                            "attempt_ref": "A",
                            "state": "sent",
                            "external_ref": "LATE",
                        }
                    ],
                )
                self.env.invalidate_all()
                expected = "sent" if moves else values["state"]
                self.assertFields(
                    message,
                    {"state": expected, "external_ref": "LATE" if moves else False},
                )
                self.assertFields(
                    message.attempt_ids, {"late": not moves, "external_ref": "LATE"}
                )

    def test_who_is_told(self):
        """Only of a text that came from no document, and was sent, nobody is told."""
        now = fields.Datetime.now()
        outcome = {"started_at": now, "ended_at": now, "counts": True, "retry_in_s": 0}
        messages = self.env["sms.gateway.message"]
        for label, values, state, told in (
            ("sent", {}, "sent", False),
            ("from core", {"sms_uuid": "f" * 32}, "sent", True),
            ("not told of before", {"to_sync": True}, "sent", True),
            ("failed", {}, "failed", True),
            ("to be tried again", {}, "queued", True),
            ("unknown", {}, "unconfirmed", True),
        ):
            with self.row(label):
                message = self.enqueue()
                self.force(message, state="sending", attempt_ref="A", **values)
                ours = {"id": message.id, "attempt_ref": "A", "state": state}
                tell = messages._record(self.gateway, [{**outcome, **ours}])
                self.env.invalidate_all()
                self.assertEqual((tell, message.to_sync), (told, told))
                self.assertEqual(message.state, state)

    def test_columns_that_are_the_same(self):
        """Outcomes keep their own values, whatever else they have in common."""
        now = fields.Datetime.now()
        sent = self.enqueue(3)
        self.force(sent, state="sending", attempt_ref="A")
        self.env["sms.gateway.message"]._record(
            self.gateway,
            [
                {
                    "id": message.id,
                    "attempt_ref": "A",
                    "state": "sent" if number else "failed",
                    "failure_type": None if number else "rejected",
                    "external_ref": f"R-{number}",
                    "provider_code": "200",
                    "counts": True,
                    "retry_in_s": 0.0,
                    "started_at": now,
                    "ended_at": now,
                }
                for number, message in enumerate(sent)
            ],
        )
        self.env.invalidate_all()
        self.assertEqual(sent.mapped("state"), ["failed", "sent", "sent"])
        self.assertEqual(sent.mapped("failure_type"), ["rejected", False, False])
        self.assertEqual(sent.mapped("external_ref"), ["R-0", "R-1", "R-2"])
        self.assertEqual(set(sent.mapped("provider_code")), {"200"})
        self.assertEqual(set(sent.attempt_ids.mapped("ended_at")), {now})

    def test_stamp_of_another_attempt(self):
        """A stamp counts for its own attempt only."""
        messages = self.enqueue(2)
        self.force(messages[0], state="sending", attempt_ref="A")
        self.force(messages[1], state="sending", attempt_ref="B")
        self.env["sms.gateway.message"]._stamp(messages.ids, "A")
        self.env.invalidate_all()
        self.assertEqual([bool(m.request_at) for m in messages], [True, False])

    def test_next_due(self):
        """The next run is planned for what is due first, of any priority."""
        model = self.env["sms.gateway.message"]
        self.assertIsNone(model._next_due(self.gateway))
        at = ahead(hours=1).replace(microsecond=0)
        self.enqueue(
            3,
            priority=["1", "2", "3"],
            scheduled_at=[at + timedelta(hours=2), at, at + timedelta(hours=1)],
        )
        self.env.flush_all()
        self.assertEqual(model._next_due(self.gateway), at)


@tagged("post_install", "-at_install")
class TestPlan(SmsGatewayCase):
    """What users may do to messages that wait, and to those that left."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user = cls.new_user("ada", "base.group_user")
        cls.manager = cls.new_user("grace", "sms_gateway_hub.group_manager")

    def setUp(self):
        super().setUp()
        self.message = self.enqueue(author_id=self.user.id)
        self.own = self.message.with_user(self.user)

    def test_changes(self):
        """The plan of a queued text can be changed, and its due time follows."""
        at, until = ahead(hours=1), ahead(hours=2)
        for values, expected in (
            ({"scheduled_at": at}, {"scheduled_at": at, "due_at": at}),
            ({"expires_at": until}, {"expires_at": until}),
            ({"priority": "1"}, {"priority": "1"}),
            (
                {"scheduled_at": at, "expires_at": until, "priority": "3"},
                {"due_at": at, "expires_at": until, "priority": "3"},
            ),
        ):
            with self.row(values):
                self.own.write(values)
                self.assertFields(self.message, expected)

    def test_held_and_others_at_once(self):
        """Of a mixed selection, only what waits for a decision goes on to wait."""
        free, night, doubt, paused = all_four = self.enqueue(
            4, uuid=list(UUIDS[1:5]), author_id=self.user.id
        )
        self.force(night, hold="quiet_hours", due_at=ahead(hours=9))
        self.force(doubt, hold="possible_opt_out", due_at=const.NEVER)
        self.force(paused, hold="broadcast_paused", due_at=const.NEVER)
        at = ahead(hours=1)
        all_four.with_user(self.user).write({"scheduled_at": at, "priority": "1"})
        for message, hold, due_at in (
            (free, False, at),
            (night, False, at),
            (doubt, "possible_opt_out", const.NEVER),
            (paused, "broadcast_paused", const.NEVER),
        ):
            self.assertFields(
                message,
                {"scheduled_at": at, "priority": "1", "hold": hold, "due_at": due_at},
            )

    def test_schedule_taken_back(self):
        """Without its schedule a text is due at once."""
        self.own.scheduled_at = ahead(hours=1)
        self.own.scheduled_at = False
        self.run_sender()
        self.assertEqual(self.message.state, "sent")

    def test_refused_changes(self):
        """A plan that cannot be meant is refused with what to do."""
        for label, values, error, words in (
            ("past schedule", {"scheduled_at": ago(hours=1)}, UserError, "future"),
            ("past validity", {"expires_at": ago(hours=1)}, UserError, "future"),
            (
                "validity before schedule",
                {"scheduled_at": ahead(hours=2), "expires_at": ahead(hours=1)},
                UserError,
                "later",
            ),
            ("no such priority", {"priority": "9"}, ValueError, "priority"),
            ("the text", {"body": "Other"}, AccessError, "rewritten"),
            ("the number", {"number": NUMBERS[1]}, AccessError, "rewritten"),
            ("the state", {"state": "sent"}, AccessError, "rewritten"),
            ("the attempts", {"attempts": 0}, AccessError, "rewritten"),
            ("one of both", {"priority": "1", "cost": 0}, AccessError, "rewritten"),
        ):
            with self.row(label):
                with self.assertRaisesRegex(error, words):
                    self.own.write(values)

    def test_validity_before_the_old_schedule(self):
        """A validity is measured at the schedule that the text has already."""
        self.own.scheduled_at = ahead(hours=2)
        with self.assertRaisesRegex(UserError, "later"):
            self.own.expires_at = ahead(hours=1)

    def test_what_left_stays(self):
        """No plan of a text that left can be changed, by nobody."""
        for state in const.TRANSITIONS:
            if state == "queued":
                continue
            with self.row(state):
                self.force(self.message, state=state)
                for user in (self.user, self.manager, self.env.ref("base.user_admin")):
                    with self.assertRaisesRegex(UserError, "queued"):
                        self.message.with_user(user).write({"priority": "1"})

    def test_kept_for_ever(self):
        """Nobody deletes a message, the superuser included."""
        for user in (self.user, self.manager, self.env.ref("base.user_admin")):
            with self.row(user.login):
                with self.assertRaises(UserError):
                    self.message.with_user(user).unlink()
        with self.assertRaisesRegex(UserError, "record"):
            self.message.unlink()

    def test_cancel(self):
        """Only what still waits in the hub can be cancelled."""
        for state in const.TRANSITIONS:
            with self.row(state):
                self.force(self.message, state=state)
                if state == "queued":
                    self.own.action_cancel()
                    self.assertFields(
                        self.message,
                        {"state": "canceled", "failure_type": "canceled"},
                    )
                    self.assertIn(self.user.name, self.message.failure_reason)
                    self.run_sender()
                    self.assertEqual(self.message.state, "canceled")
                else:
                    with self.assertRaisesRegex(UserError, "left"):
                        self.own.action_cancel()
                    self.assertEqual(self.message.state, state)

    def test_cancel_some(self):
        """Of a selection those that wait are cancelled, the others left."""
        messages = self.message + self.enqueue(uuid=UUIDS[1])
        self.force(messages[0], state="sent")
        messages.with_user(self.manager).action_cancel()
        self.assertEqual(messages.mapped("state"), ["sent", "canceled"])

    def test_send_again(self):
        """What failed goes out as a new message; the old one stays what it was."""
        again = {"failed", "undelivered", "expired", "unconfirmed", "canceled"}
        for state in const.TRANSITIONS:
            with self.row(state):
                self.force(self.message, state=state)
                if state not in again:
                    with self.assertRaisesRegex(UserError, "sent again"):
                        self.own.action_send_again()
                    continue
                self.own.action_send_again()
                new = self.messages_of()[-1]
                self.assertFields(
                    new,
                    {
                        "state": "queued",
                        "resend_of_id": self.message,
                        "body": self.message.body,
                        "number": self.message.number,
                        "author_id": self.user,
                        "attempts": 0,
                    },
                )
                self.assertNotEqual(new.uuid, self.message.uuid)
                self.run_sender()
                self.assertEqual(new.state, "sent")
                self.assertEqual(self.message.state, state)

    def test_send_again_what_came_in(self):
        """A text that came in cannot be sent again."""
        self.force(self.message, direction="incoming", state="failed")
        with self.assertRaises(UserError):
            self.own.action_send_again()

    def test_names(self):
        """A message is named by whom it went to or came from."""
        self.assertEqual(self.message.display_name, f"SMS to {NUMBERS[0]}")
        self.force(self.message, direction="incoming", partner_id=self.partner.id)
        self.assertEqual(self.message.display_name, "SMS from Ada Lovelace")

    def test_open_document(self):
        """A message leads to its document, else to its contact, else says so."""
        with self.assertRaisesRegex(UserError, "No document"):
            self.message.action_open_document()
        self.force(self.message, partner_id=self.partner.id)
        action = self.message.action_open_document()
        self.assertEqual(
            (action["res_model"], action["res_id"]), ("res.partner", self.partner.id)
        )
        self.force(self.message, res_model="res.users", res_id=self.user.id)
        action = self.message.action_open_document()
        self.assertEqual(
            (action["res_model"], action["res_id"]), ("res.users", self.user.id)
        )
