# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Balance and alarm, the check of a number, and the look-up of one message."""

import logging
import traceback
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..exceptions import GatewayNotReached, GatewayOutcomeUnknown
from ..tools.gateway_data import DeliveryReport
from .common import NUMBERS, LogLines, SmsGatewayCase
from .http_common import ScriptedServer

MODEL = "odoo.addons.sms_gateway_hub.models.sms_gateway"


class AskedCase(SmsGatewayCase):
    """A gateway that can be asked; a test says what it answers."""

    gateway_values = {"code": "testing", "testing_key": "KEY-OF-THE-TEST"}
    features = {"balance", "lookup", "coverage"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user = cls.new_user("grace", "sms_gateway_hub.group_administrator")
        cls.gateway.responsible_user_id = cls.user

    def setUp(self):
        super().setUp()
        self.adapter = type(self.env["sms.gateway.adapter.testing"])
        self.patch(self.adapter, "_get_features", lambda this, gateway: self.features)
        self.env.invalidate_all()

    def ask(self, method, *args, **kwargs):
        with self.own_cursors():
            return method(*args, **kwargs)

    def words(self, action):
        self.assertEqual(action["tag"], "display_notification")
        return action["params"]["message"]

    # What goes wrong with any question, and what the person reads.
    troubles = (
        (
            "not reached",
            GatewayNotReached("Refused, KEY-OF-THE-TEST"),
            r"does not answer this: Refused, \*\*\*",
        ),
        ("no words", GatewayOutcomeUnknown(), "does not answer this: GatewayOutcome"),
        ("cannot tell", UserError("Ask somebody else."), "Ask somebody else"),
        ("words of theirs", UserError("No: KEY-OF-THE-TEST"), r"No: \*\*\*"),
        ("a fault of the adapter", KeyError("KEY-OF-THE-TEST"), "could not be read"),
    )

    def check_troubles(self, name, ask):
        """Each trouble is told in words, without a secret."""
        for label, error, words in self.troubles:
            with self.row(label):
                with (
                    patch.object(self.adapter, name, side_effect=error),
                    mute_logger(MODEL),
                    LogLines(MODEL) as lines,
                    self.assertRaisesRegex(UserError, words) as raised,
                ):
                    self.ask(ask)
                # The browser gets the traceback, with what it names as its cause.
                shown = "".join(traceback.format_exception(raised.exception))
                self.assertNotIn("KEY-OF", shown)
                self.assertNotIn("KEY-OF", lines.text(logging.INFO))
        with self.row("a copy of the database"):
            self.env["ir.config_parameter"].sudo().set_param(
                "database.is_neutralized", "True"
            )
            with patch.object(self.adapter, name) as called:
                with self.assertRaisesRegex(UserError, "copy of the database"):
                    self.ask(ask)
            called.assert_not_called()


@tagged("post_install", "-at_install")
class TestBalance(AskedCase):
    """The balance is asked for, stored, and warned of once."""

    def answer(self, amount, unit="EUR"):
        return patch.object(
            self.adapter, "_fetch_balance", lambda this, gateway: (amount, unit)
        )

    def update(self, amount, unit="EUR"):
        with self.answer(amount, unit):
            return self.ask(self.gateway.action_update_balance)

    def run_job(self):
        self.ask(self.env["sms.gateway"]._cron_balance)

    def test_update(self):
        """The button stores what the gateway says, and says it."""
        self.assertIn("12.50 EUR", self.words(self.update(12.5)))
        self.assertFields(self.gateway, {"balance": 12.5, "balance_unit": "EUR"})
        self.assertTrue(self.gateway.balance_at)
        self.assertIn("7.00 credits", self.words(self.update("7", "credits")))
        self.check_troubles("_fetch_balance", self.gateway.action_update_balance)

    def test_cannot_tell(self):
        """A gateway that cannot tell says so."""
        with self.assertRaisesRegex(UserError, "balance"):
            self.ask(self.gateway.action_update_balance)

    def test_nonsense(self):
        """What is no amount is not stored, and the screen says so."""
        for amount in (None, "much", float("nan"), float("inf"), [1]):
            with self.row(amount):
                with mute_logger(MODEL), self.assertRaises(UserError):
                    self.update(amount)
                self.assertFalse(self.gateway.balance_at)

    def test_alarm(self):
        """One activity when it falls below, none left when it is above again."""
        self.gateway.balance_alarm_below = 10
        for amount, alarm, activities in (
            (10, False, 0),
            (9.99, True, 1),
            (3, True, 1),
            (-1, True, 1),
            (10.5, False, 0),
            (0, True, 1),
        ):
            self.update(amount)
            self.assertEqual(self.gateway.balance_alarm, alarm, amount)
            self.assertEqual(len(self.gateway.activity_ids), activities, amount)
        activity = self.gateway.activity_ids
        self.assertEqual(activity.user_id, self.user)
        self.assertIn("10.00 EUR", activity.note)
        # Ticked off: it is not told again before the balance rose.
        activity.action_done()
        self.update(1)
        self.assertFalse(self.gateway.activity_ids)

    def test_alarm_of_another_kind(self):
        """A pause and a low balance are two alarms, each with its own end."""
        self.gateway.balance_alarm_below = 10
        self.update(1)
        self.gateway._pause("No credit left.", 60)
        self.assertEqual(len(self.gateway.activity_ids), 2)
        self.update(100)
        self.assertEqual(len(self.gateway.activity_ids), 1)
        self.gateway.action_resume()
        self.assertFalse(self.gateway.activity_ids)

    def test_changed_limit(self):
        """Another limit is applied to the balance that is known."""
        self.update(50)
        for limit, alarm in ((60, True), (40, False), (60, True), (0, False)):
            self.gateway.balance_alarm_below = limit
            self.assertEqual(self.gateway.balance_alarm, alarm, limit)
            self.assertEqual(len(self.gateway.activity_ids), alarm)

    def test_nothing_known(self):
        """Before the first answer there is nothing to warn of."""
        self.gateway.balance_alarm_below = 60
        self.assertFalse(self.gateway.balance_alarm)

    def test_job(self):
        """The job asks each gateway once an hour, and only those that can tell."""
        asked = []
        fetch = lambda this, gateway: (asked.append(gateway.id), (5, "EUR"))[1]  # noqa: E731
        self.patch(self.adapter, "_fetch_balance", fetch)
        other = self.make_gateway(name="Other")
        self.make_gateway(name="Off", state="disabled")
        self.run_job()
        self.assertEqual(sorted(asked), sorted((self.gateway + other).ids))
        self.run_job()
        self.assertEqual(len(asked), 2, "not again at once")
        self.gateway.balance_next_at = fields.Datetime.now() - timedelta(minutes=1)
        self.run_job()
        self.assertEqual(asked[2:], self.gateway.ids)
        self.features = {"lookup"}
        self.gateway.balance_next_at = False
        self.env.invalidate_all()
        self.run_job()
        self.assertEqual(len(asked), 3)

    def test_job_of_many(self):
        """Slow gateways do not outlast the job: the others are asked by the next."""
        asked = []
        clock = iter(range(0, 10**6, 12))
        fetch = lambda this, gateway: (asked.append(gateway.id), (5, "EUR"))[1]  # noqa: E731
        self.patch(self.adapter, "_fetch_balance", fetch)
        others = [self.make_gateway(name=f"Other {n}") for n in range(5)]
        ids = {self.gateway.id, *(other.id for other in others)}
        cron = self.env.ref("sms_gateway_hub.ir_cron_balance")
        triggers = self.env["ir.cron.trigger"].sudo()
        with patch(f"{MODEL}_balance.time.monotonic", lambda: next(clock)):
            self.run_job()
            self.assertLess(len(asked), len(ids))
            self.assertTrue(triggers.search([("cron_id", "=", cron.id)]))
            for _run in range(5):
                self.run_job()
        self.assertEqual(sorted(asked), sorted(ids), "each once")

    def test_job_of_a_copy(self):
        """A copy of the database asks nobody."""
        self.env["ir.config_parameter"].sudo().set_param(
            "database.is_neutralized", "True"
        )
        with patch.object(self.adapter, "_fetch_balance") as called:
            self.run_job()
        called.assert_not_called()

    def test_trouble_of_one(self):
        """One gateway's trouble is neither another's nor a reason to ask at once."""
        other = self.make_gateway(name="Other", sequence=99)
        for label, error, muted in (
            ("not reached", GatewayNotReached("KEY-OF-THE-TEST"), ()),
            ("cannot tell", UserError("KEY-OF-THE-TEST"), ()),
            (
                "a fault",
                ZeroDivisionError(),
                ("odoo.addons.sms_gateway_hub.models.sms_gateway_balance",),
            ),
        ):
            with self.row(label):

                def fetch(this, gateway, error=error):
                    if gateway == self.gateway:
                        raise error
                    return 5, "EUR"

                with (
                    patch.object(self.adapter, "_fetch_balance", fetch),
                    mute_logger(*muted),
                    LogLines() as lines,
                ):
                    self.run_job()
                self.assertEqual(other.balance, 5)
                self.assertFalse(self.gateway.balance_at)
                self.assertGreater(self.gateway.balance_next_at, fields.Datetime.now())
                self.assertNotIn("KEY-OF", lines.text(logging.INFO))

    def test_refused_account(self):
        """A refused account asks anew: the job is woken, for this gateway alone."""
        cron = self.env.ref("sms_gateway_hub.ir_cron_balance")
        triggers = self.env["ir.cron.trigger"].sudo()
        domain = [("cron_id", "=", cron.id)]
        for label, script, woken in (
            ("402", (402, b""), True),
            ("one message", (200, self.each("account")), True),
            ("failed for want of credit", (200, self.each("no credit")), True),
            ("accepted", (200, self.each("accepted")), False),
            ("no key: a setting is missing", None, False),
        ):
            with self.row(label):
                self.gateway.balance_next_at = later = fields.Datetime.now()
                triggers.search(domain).unlink()
                self.enqueue()
                if script:
                    self.server.script(script)
                else:
                    self.gateway.testing_key = False
                self.run_sender()
                self.assertEqual(bool(triggers.search(domain)), woken)
                self.assertEqual(
                    self.gateway.balance_next_at, False if woken else later
                )

    def each(self, status):
        return lambda request: {
            "results": [
                {"id": message["id"], "status": status, "ref": "R"}
                for message in request.json["messages"]
            ]
        }

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = ScriptedServer()
        cls.addClassCleanup(cls.server.close)
        cls.gateway.testing_url = cls.server.url

    def setUp(self):
        super().setUp()
        self.server.reset()


@tagged("post_install", "-at_install")
class TestLookup(AskedCase):
    """What became of one text, and what did it cost?"""

    def setUp(self):
        super().setUp()
        self.message = self.enqueue()
        self.sent(state="sent")
        self.reports = []
        self.asked = []

        def look_up(this, gateway, references):
            self.asked += references
            return self.reports

        self.patch(self.adapter, "_fetch_status", look_up)

    def sent(self, **values):
        self.force(self.message, external_ref="REF-1", **values)

    def report(self, state, key="K1", **values):
        values.setdefault("uuid", self.message.uuid)
        return DeliveryReport(event_key=key, state=state, **values)

    def look_up(self, user=None):
        message = self.message.with_user(user or self.user)
        words = self.words(self.ask(message.action_ask_gateway))
        self.env.invalidate_all()
        return words

    def test_rows(self):
        """State and price are stored as an event, applied, and told in words."""
        for label, before, reports, state, cost, words in (
            (
                "delivered, with its price",
                "sent",
                [self.report("delivered", cost=0.05, cost_unit="EUR")],
                "delivered",
                0.05,
                "The gateway says: Delivered. Cost: 0.05 EUR.",
            ),
            (
                "only the price is new",
                "delivered",
                [self.report("delivered", cost=2)],
                "delivered",
                2,
                "The gateway says: Delivered. Cost: 2 credits.",
            ),
            (
                "by its own id",
                "sent",
                [self.report("delivered", uuid=None, external_ref="REF-1")],
                "delivered",
                0,
                "The gateway says: Delivered.",
            ),
            (
                "settled",
                "unconfirmed",
                [self.report("undelivered", detail="Off, KEY-OF-THE-TEST")],
                "undelivered",
                0,
                "The gateway says: Not delivered. Off, ***",
            ),
            (
                "a final state wins",
                "delivered",
                [self.report("sent")],
                "delivered",
                0,
                "The gateway says: Sent. The text stays “Delivered”.",
            ),
            (
                "a word that no table holds",
                "sent",
                [self.report("unknown", provider_code="042")],
                "sent",
                0,
                "The gateway says: 042. The text stays “Sent”.",
            ),
            ("nothing", "sent", [], "sent", 0, "The gateway knows nothing of"),
            (
                "of another text alone",
                "sent",
                [self.report("delivered", uuid="f" * 32, external_ref="REF-1")],
                "sent",
                0,
                "The gateway knows nothing of",
            ),
        ):
            with self.row(label):
                self.sent(state=before)
                self.reports = reports
                self.assertIn(words, self.look_up())
                self.assertEqual(self.asked[-1], (self.message.uuid, "REF-1"))
                self.assertEqual(self.message.state, state)
                self.assertAlmostEqual(self.message.cost, cost)

    def test_twice(self):
        """The same answer twice has one effect; another price is another event."""
        self.reports = [self.report("delivered", cost=0.05, cost_unit="EUR")]
        for _time in range(2):
            self.assertIn("0.05 EUR", self.look_up())
        self.assertEqual(len(self.message.event_ids), 1)
        self.assertEqual(self.message.event_ids.state, "applied")

    def test_trouble(self):
        """No answer changes nothing, and is told in words."""
        self.check_troubles(
            "_fetch_status", self.message.with_user(self.user).action_ask_gateway
        )
        self.assertEqual(self.message.state, "sent")
        self.assertFalse(self.message.event_ids)

    def test_who_may(self):
        """Managers and administrators may ask; the button is there for them alone."""
        manager = self.new_user("mona", "sms_gateway_hub.group_manager")
        user = self.new_user("ursula", "sms_gateway_hub.group_user")
        self.force(self.message, author_id=user.id)
        for who, may in ((self.user, True), (manager, True), (user, False)):
            with self.row(who.name):
                message = self.message.with_user(who)
                self.assertEqual(message.can_ask_gateway, may)
                if may:
                    self.look_up(who)
                else:
                    with self.assertRaises(AccessError):
                        message.action_ask_gateway()

    def test_when(self):
        """Only what the gateway may know is asked for, where it has look-ups."""
        message = self.message.with_user(self.user)
        for state, may in (
            ("queued", False),
            ("sending", False),
            ("sent", True),
            ("delivered", True),
            ("undelivered", True),
            ("expired", True),
            ("unconfirmed", True),
            ("failed", False),
            ("canceled", False),
        ):
            with self.row(state):
                self.sent(state=state)
                self.assertEqual(message.can_ask_gateway, may)
                if not may:
                    with self.assertRaisesRegex(UserError, "cannot be asked"):
                        message.action_ask_gateway()
        for label, change in (
            ("incoming", lambda: self.force(self.message, direction="incoming")),
            ("no look-ups", lambda: setattr(self, "features", {"balance"})),
        ):
            with self.row(label):
                change()
                self.env.invalidate_all()
                self.assertFalse(message.can_ask_gateway)
                self.features = AskedCase.features


@tagged("post_install", "-at_install")
class TestCoverage(AskedCase):
    """Does the gateway serve this number?"""

    def check(self, number, user=None):
        wizard = (
            self.env["sms.gateway.coverage"]
            .with_user(user or self.user)
            .create({"gateway_id": self.gateway.id, "number": number})
        )
        action = wizard.action_check()
        self.assertEqual((action["res_id"], action["target"]), (wizard.id, "new"))
        return wizard

    def test_answer(self):
        """The adapter's sentence is shown; the number may be written as people do."""
        said = "Yes, 0.05 EUR. KEY-OF-THE-TEST"
        with patch.object(
            self.adapter, "_check_coverage", lambda this, gateway, number: said
        ):
            wizard = self.check("+1 202-555-0100")
        self.assertFields(
            wizard, {"number": NUMBERS[0], "answer": "Yes, 0.05 EUR. ***"}
        )

    def test_no_number(self):
        """What is no number is not asked for."""
        with patch.object(self.adapter, "_check_coverage") as called:
            for number in ("nobody", "12", "+1"):
                with self.row(number), self.assertRaisesRegex(UserError, "not a valid"):
                    self.check(number)
        called.assert_not_called()

    def test_trouble(self):
        """No answer is told in words."""
        wizard = (
            self.env["sms.gateway.coverage"]
            .with_user(self.user)
            .create({"gateway_id": self.gateway.id, "number": NUMBERS[0]})
        )
        self.check_troubles("_check_coverage", wizard.action_check)

    def test_who_may(self):
        """It is for administrators."""
        for group in ("user", "manager"):
            user = self.new_user(group, f"sms_gateway_hub.group_{group}")
            with self.row(group), self.assertRaises(AccessError):
                self.check(NUMBERS[0], user)

    def test_sandbox(self):
        """The sandbox answers too, so that the button can be tried."""
        self.patch(self, "gateway", self.make_gateway(code="sandbox", name="Sandbox"))
        self.assertIn("would text", self.check(NUMBERS[0]).answer)
