# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import runpy
from datetime import timedelta
from unittest.mock import patch

from psycopg2 import errors

from odoo import Command, fields
from odoo.exceptions import AccessError
from odoo.tests import tagged
from odoo.tools import file_path, mute_logger

from .. import const, hooks
from ..exceptions import GatewayNotReached, GatewayThrottled
from ..tools import transaction
from ..tools.gateway_data import DeliveryReport
from .common import NUMBERS, SmsGatewayCase


@tagged("post_install", "-at_install")
class TestGateway(SmsGatewayCase):
    """Which gateway serves, its job, its figures and its health."""

    def test_which_serves(self):
        """Enabled before test, own company before shared, then the order given."""
        company = self.env.company
        other = self.env["res.company"].create({"name": "Other company"})
        shared = self.gateway
        own = self.make_gateway(name="Own", company_id=company.id, sequence=50)
        foreign = self.make_gateway(name="Foreign", company_id=other.id)
        trial = self.make_gateway(
            name="Trial", company_id=company.id, state="test", sequence=1
        )
        none = self.env["sms.gateway"]
        for label, change, expected in (
            ("own before shared", lambda: None, own),
            ("disabled", lambda: own.write({"state": "disabled"}), shared),
            ("archived", lambda: own.write({"active": False}), shared),
            (
                "test where nothing else serves",
                lambda: (own + shared).write({"state": "disabled"}),
                trial,
            ),
            (
                "none",
                lambda: (own + shared + trial).write({"state": "disabled"}),
                none,
            ),
            ("moved", lambda: own.write({"company_id": other.id}), shared),
            (
                "order",
                lambda: self.make_gateway(name="New", company_id=company.id),
                "New",
            ),
        ):
            with self.row(label):
                self.assertEqual(self.env["sms.gateway"]._find(company), own)
                change()
                found = self.env["sms.gateway"]._find(company)
                if isinstance(expected, str):
                    self.assertEqual(found.name, expected)
                else:
                    self.assertEqual(found, expected)
        self.assertEqual(self.env["sms.gateway"]._find(other), foreign)

    def test_job(self):
        """Each gateway has a job of its own, which sends and cannot be lost."""
        cron = self.gateway.cron_id
        self.assertTrue(cron.active)
        self.assertEqual(cron.code, f"model._cron_send({self.gateway.id})")
        message = self.enqueue()
        self.make_due()
        with self.own_cursors():
            cron.ir_actions_server_id.run()
        message.invalidate_recordset()
        self.assertEqual(message.state, "sent")

    def test_wakes_up(self):
        """What waited while a gateway was off is sent when it comes back."""
        triggers = self.env["ir.cron.trigger"].sudo()
        domain = [("cron_id", "=", self.gateway.cron_id.id)]
        self.gateway.state = "disabled"
        self.enqueue()
        for values in ({"state": "enabled"}, {"active": True}):
            with self.row(values):
                if "active" in values:
                    self.force(self.gateway, active=False, state="enabled")
                triggers.search(domain).unlink()
                self.env.cr.precommit.data.clear()
                self.gateway.write(values)
                self.assertTrue(triggers.search_count(domain))

    def test_one_future_trigger(self):
        """A sender that wakes earlier anyway is not woken again for later."""
        now = fields.Datetime.now()
        triggers = self.env["ir.cron.trigger"].sudo()
        domain = [("cron_id", "=", self.gateway.cron_id.id)]
        for before, at, added in (
            (None, 60, 1),
            (30, 60, 0),
            (60, 60, 0),
            (90, 60, 1),
            # Why it runs now may be what is past.
            (-1, 60, 1),
            (30, 0, 1),
        ):
            with self.row(f"{before} {at}"):
                triggers.search(domain).unlink()
                if before is not None:
                    self.gateway.cron_id._trigger(now + timedelta(seconds=before))
                count = triggers.search_count(domain)
                self.env.cr.precommit.data.clear()
                self.gateway._trigger_sender(now + timedelta(seconds=at))
                self.assertEqual(triggers.search_count(domain), count + added)

    def test_health(self):
        """The card says off, paused, slowed down or in service."""
        soon = fields.Datetime.now() + timedelta(hours=1)
        past = fields.Datetime.now() - timedelta(hours=1)
        for values, health in (
            ({}, "good"),
            ({"state": "disabled", "paused_until": soon}, "off"),
            ({"paused_until": soon, "throttled_until": soon}, "paused"),
            ({"throttled_until": soon}, "throttled"),
            ({"throttled_until": past}, "good"),
            ({"state": "test"}, "good"),
        ):
            with self.row(values):
                self.gateway.write(values)
                self.assertEqual(self.gateway.health, health)

    def test_figures(self):
        """The card counts what waits, what is open and what today brought."""
        states = list(const.TRANSITIONS)
        messages = self.enqueue(len(states) + 1)
        for message, state in zip(messages, states, strict=False):
            self.force(message, state=state)
        self.force(
            messages[-1],
            state="sent",
            state_at=fields.Datetime.now() - timedelta(days=3),
        )
        self.gateway.invalidate_recordset()
        self.assertFields(
            self.gateway,
            {
                "queued_count": 2,
                "unconfirmed_count": 1,
                "sent_today_count": 3,
                "failed_today_count": 3,
            },
        )

    def test_pause_tells_once(self):
        """A pause is told once, to the responsible user, without details of others."""
        user = self.new_user("grace", "sms_gateway_hub.group_administrator")
        self.gateway.responsible_user_id = user
        for _time in range(3):
            self.gateway._pause("No credit left.", 60)
        activity = self.gateway.activity_ids
        self.assertEqual(len(activity), 1)
        self.assertEqual(activity.user_id, user)
        self.assertIn("No credit left.", activity.note)
        self.gateway.action_resume()
        self.assertFalse(self.gateway.activity_ids)
        self.assertEqual(self.gateway.health, "good")

    def test_costs(self):
        """Costs become company currency where that can be known."""
        currency = self.env.company.currency_id
        foreign = (
            self.env["res.currency"]
            .with_context(active_test=False)
            .search([("name", "not in", (currency.name, "USD", "EUR"))], limit=1)
        )
        foreign.active = True
        self.env["res.currency.rate"].create(
            {
                "currency_id": foreign.id,
                "rate": 4,
                "company_id": self.env.company.id,
                "name": fields.Date.today(),
            }
        )
        self.gateway.company_id = self.env.company
        self.gateway.credit_value = 0.1
        self.gateway.credit_currency_id = self.env.company.currency_id
        # The company of the message counts, not the one of whoever sends.
        abroad = self.env["res.company"].create(
            {"name": "Abroad", "currency_id": foreign.id}
        )
        price_abroad = currency._convert(
            0.1, foreign, abroad, fields.Date.today(), round=False
        )
        for unit, company, expected in (
            ("credits", self.env.company, 0.1),
            (None, self.env.company, 0.1),
            ("", self.env.company, 0.1),
            ("credits", abroad, price_abroad),
            (currency.name, self.env.company, 1),
            (foreign.name, self.env.company, 0.25),
            (foreign.name, abroad, 1),
            ("XX", self.env.company, None),
        ):
            with self.row(f"{unit} {company.name}"):
                found = self.gateway._get_cost_rate(unit, company)
                if expected is None:
                    self.assertIsNone(found)
                else:
                    self.assertAlmostEqual(found, expected, 6)
        self.gateway.credit_value = 0
        self.assertIsNone(self.gateway._get_cost_rate("credits", self.env.company))

    def test_connection(self):
        """The sandbox says that it is there."""
        action = self.gateway.action_test_connection()
        self.assertIn("always there", action["params"]["message"])

    def test_another_sender(self):
        """What waits leaves with the gateway's sender as it was mended."""
        for old, new in ((False, "ACME"), ("ACME", "+15550100200"), ("ACME", False)):
            with self.row(f"{old} to {new}"):
                self.gateway.sender = old
                waiting = self.enqueue()
                own = self.enqueue(uuid="e" * 32, sender="OWN")
                gone = self.enqueue(uuid="f" * 32)
                self.force(gone, state="sent")
                self.gateway.sender = new
                self.assertEqual(waiting.sender, new)
                self.assertEqual(own.sender, "OWN")
                self.assertEqual(gone.sender, old)

    def test_kind_that_is_gone(self):
        """A gateway whose addon was uninstalled keeps its messages and sends none."""
        message = self.enqueue()
        self.force(self.gateway, code="gone")
        self.assertEqual(self.gateway._get_adapter()._name, "sms.gateway.adapter")
        self.run_sender()
        self.assertEqual(message.state, "queued")


@tagged("post_install", "-at_install")
class TestSettle(SmsGatewayCase):
    """Messages of unknown outcome, at gateways that can be asked."""

    def setUp(self):
        super().setUp()
        self.message = self.enqueue()
        self.force(self.message, state="unconfirmed", external_ref="REF-1")
        self.asked = []
        adapter = type(self.env["sms.gateway.adapter.sandbox"])
        self.patch(adapter, "_get_features", lambda this, gateway: {"lookup"})

        def look_up(this, gateway, references):
            self.asked += references
            return self.answer(references)

        self.patch(adapter, "_fetch_status", look_up)

    def answer(self, references):
        return [
            DeliveryReport(event_key=f"k-{uuid}", state="delivered", uuid=uuid)
            for uuid, _ref in references
        ]

    def settle(self):
        with self.own_cursors():
            self.env["sms.gateway"]._cron_settle()
        self.apply_events()

    def test_settled(self):
        """What the gateway knows settles the message, without a second sending."""
        self.settle()
        self.assertEqual(self.asked, [(self.message.uuid, "REF-1")])
        self.assertEqual(self.message.state, "delivered")
        self.settle()
        self.assertEqual(len(self.asked), 1)

    def test_trouble(self):
        """A look-up that fails leaves the message as it was, and no other gateway."""
        for error, logger_muted in (
            (GatewayNotReached("off"), ()),
            (
                ZeroDivisionError(),
                ("odoo.addons.sms_gateway_hub.models.sms_gateway_settle",),
            ),
        ):
            with self.row(error):
                with (
                    patch.object(type(self), "answer", side_effect=error),
                    mute_logger(*logger_muted),
                ):
                    self.settle()
                self.assertEqual(self.message.state, "unconfirmed")

    def test_slow_ones(self):
        """Slow gateways do not outlast the job, and keep no other one from its turn."""
        asked = []
        gateways = self.gateway
        for n in range(4):
            gateways += self.make_gateway(name=f"Other {n}")
        self.patch(
            type(self.gateway),
            "_settle_unconfirmed",
            lambda gateway, end: asked.append(gateway.id),
        )
        clock = iter(range(0, 10**6, 12))
        with patch(
            "odoo.addons.sms_gateway_hub.models.sms_gateway_settle.time.monotonic",
            lambda: next(clock),
        ):
            self.env["sms.gateway"]._cron_settle()
            self.assertLess(len(asked), len(gateways))
            for _run in range(60):
                self.env["sms.gateway"]._cron_settle()
        self.assertEqual(set(asked), set(gateways.ids))

    def test_neutralized(self):
        """A copy of the database asks nobody."""
        self.env["ir.config_parameter"].sudo().set_param(
            "database.is_neutralized", "True"
        )
        self.settle()
        self.assertFalse(self.asked)


@tagged("post_install", "-at_install")
class TestReconcile(SmsGatewayCase):
    """Texts that the gateway took and never reported on."""

    def setUp(self):
        super().setUp()
        self.asked = []
        self.failing = False
        adapter = type(self.env["sms.gateway.adapter.sandbox"])
        self.patch(adapter, "_get_features", lambda this, gateway: {"lookup"})

        def look_up(this, gateway, references):
            if self.failing:
                raise GatewayNotReached("off")
            self.asked += [uuid for uuid, _reference in references]
            return [
                DeliveryReport(event_key=f"k-{uuid}", state="delivered", uuid=uuid)
                for uuid, _reference in references
            ]

        self.patch(adapter, "_fetch_status", look_up)

    def send(self, count=1, hours=25, gateway=None, state="sent", **values):
        """Make texts that left so many hours ago."""
        gateway = gateway or self.gateway
        messages = self.enqueue(count, gateway_id=gateway.id)
        self.force(messages, state=state, external_ref="REF")
        self.env["sms.gateway.attempt"].create(
            [
                {
                    "message_id": message.id,
                    "gateway_id": gateway.id,
                    "state": "sent",
                    "ended_at": fields.Datetime.now() - timedelta(hours=hours),
                    **values,
                }
                for message in messages
            ]
        )
        return messages

    def reconcile(self):
        self.asked.clear()
        with self.own_cursors():
            self.env["sms.gateway"]._cron_reconcile()
        self.apply_events()
        return self.asked

    def test_asked_once(self):
        """After a day without a report, once; what it says counts."""
        message = self.send()
        self.assertEqual(self.reconcile(), [message.uuid])
        self.assertEqual(message.state, "delivered")
        self.force(message, state="sent")
        self.assertEqual(self.reconcile(), [])

    def test_who_is_not_asked(self):
        """Neither too young nor too old, nothing that is settled, late or elsewhere."""
        other = self.make_gateway(name="Disabled", state="disabled")
        for values in (
            {"hours": 23},
            {"hours": 24 * 8},
            {"state": "delivered"},
            {"state": "unconfirmed"},
            {"late": True},
            {"gateway": other},
        ):
            with self.row(values):
                self.send(**values)
                self.assertEqual(self.reconcile(), [])

    def test_a_gateway_that_does_not_tell(self):
        """What could not be asked is asked the next time."""
        message = self.send()
        self.failing = True
        self.assertEqual(self.reconcile(), [])
        self.failing = False
        self.assertEqual(self.reconcile(), [message.uuid])

    def test_many(self):
        """In pieces, no more than allowed in one day, on from there the next."""
        messages = self.send(7)
        with (
            patch.object(const, "RECONCILE_MAX", 5),
            patch.object(const, "RECONCILE_BATCH", 2),
        ):
            uuids = [message.uuid for message in messages]
            self.assertEqual(self.reconcile(), uuids[:5])
            self.assertEqual(self.reconcile(), uuids[5:])
            self.assertEqual(self.reconcile(), [])

    def test_each_piece_once(self):
        """The job's snapshot never shows how far it came: it is asked for anew."""
        messages = self.send(5)
        # As in a snapshot, what was read once stays as it was.
        self.assertFalse(self.gateway.reconciled_attempt)
        gateways = type(self.gateway)
        with (
            patch.object(const, "RECONCILE_BATCH", 2),
            patch.object(gateways, "invalidate_recordset", lambda *_a, **_kw: None),
        ):
            self.assertEqual(self.reconcile(), [message.uuid for message in messages])

    def test_neutralized(self):
        self.send()
        self.env["ir.config_parameter"].sudo().set_param(
            "database.is_neutralized", "True"
        )
        self.assertEqual(self.reconcile(), [])


@tagged("post_install", "-at_install")
class TestOwnTransaction(SmsGatewayCase):
    """Short transactions beside the caller's."""

    def tries(self, *failures, of_request=False):
        """Run work that fails so and return what it returned and how often it ran."""
        failures = list(failures)
        runs = []

        def work(env):
            runs.append(env)
            if failures:
                raise failures.pop(0)
            return env["res.partner"].create({"name": "In its own"}).id

        with self.own_cursors(), patch.object(transaction.time, "sleep"):
            if not of_request:
                return transaction.in_new_transaction(self.env, work), len(runs)
            with self.env.registry.cursor() as cr:
                env = self.env(cr=cr)
                try:
                    done = transaction.in_request_transaction(env, work), len(runs)
                finally:
                    # The request goes on in it: its transaction has not failed.
                    cr.execute("SELECT 1")
            self.assertEqual([of for of in runs if of.cr is cr], runs[:1])
            return done

    def test_repeats(self):
        """What another transaction got in the way of is done again, quietly."""
        for error in (
            errors.SerializationFailure,
            errors.DeadlockDetected,
            errors.LockNotAvailable,
        ):
            with self.row(error.__name__):
                partner_id, runs = self.tries(error(), error())
                self.assertEqual(runs, 3)
                self.assertTrue(self.env["res.partner"].browse(partner_id).exists())

    def test_of_a_request(self):
        """The request's own transaction is tried first, and then new ones."""
        for failures in ((), (errors.SerializationFailure(),)):
            with self.row(str(failures)):
                partner_id, runs = self.tries(*failures, of_request=True)
                self.assertEqual(runs, 1 + len(failures))
                self.assertTrue(self.env["res.partner"].browse(partner_id).exists())
        with self.assertRaises(ZeroDivisionError):
            self.tries(ZeroDivisionError(), of_request=True)

    def test_gives_up(self):
        """It does not go on for ever, and other errors are not repeated."""
        with self.assertRaises(errors.SerializationFailure):
            self.tries(*[errors.SerializationFailure()] * 100)
        with self.assertRaises(ZeroDivisionError):
            self.tries(ZeroDivisionError())


@tagged("post_install", "-at_install")
class TestHooks(SmsGatewayCase):
    """What updates and uninstallation do to what is there."""

    def test_uninstallation_keeps_refusals(self):
        """Core's blacklist gets the other numbers of who refused; no key is left."""
        mobiles = self.env["res.partner.mobile"].create(
            [
                {"partner_id": self.partner.id, "number": number}
                for number in NUMBERS[1:3]
            ]
        )
        self.force(mobiles[0], blocked=True)
        key = [("key", "=", "sms_gateway_hub.suppression_key")]
        self.assertTrue(self.env["ir.config_parameter"].search(key))
        hooks.uninstall_hook(self.env)
        self.env.invalidate_all()
        listed = self.env["phone.blacklist"].search([("number", "in", NUMBERS)])
        self.assertEqual(listed.mapped("number"), [NUMBERS[1]])
        self.assertFalse(self.env["ir.config_parameter"].search(key))

    def test_update_gives_a_purpose(self):
        """What waits without a purpose gets that of its kind; nothing else does."""
        kinds = list(const.PURPOSE_OF_KIND)
        messages = self.enqueue(len(kinds), kind=kinds)
        left = self.enqueue(uuid="f" * 32)
        self.force(messages + left, purpose=None)
        self.force(left, state="sent")
        path = file_path("sms_gateway_hub/migrations/19.0.1.1.0/post-migration.py")
        runpy.run_path(path)["migrate"](self.env.cr, "19.0.1.0.0")
        self.env.invalidate_all()
        self.assertEqual(
            messages.mapped("purpose"), list(const.PURPOSE_OF_KIND.values())
        )
        self.assertFalse(left.purpose)


@tagged("post_install", "-at_install")
class TestReview(SmsGatewayCase):
    """What a review found, each with the test that it lacked."""

    def test_archived_gateways_never_serve(self):
        """Whatever the caller's context, an archived gateway serves nobody."""
        self.gateway.active = False
        found = (
            self.env["sms.gateway"]
            .with_context(active_test=False)
            ._find(self.env.company)
        )
        self.assertFalse(found)

    def test_core_retry_sends_the_mended_text(self):
        """Core's "Retry" of a number that was mended sends; what left stays."""
        sms = self.env["sms.sms"].create({"number": "nonsense", "body": "Mended"})
        sms.send()
        self.assertEqual(sms.state, "error")
        sms.write({"number": "+12025550199", "state": "outgoing"})
        sms.send()
        messages = self.env["sms.gateway.message"].search([("body", "=", "Mended")])
        self.assertEqual(sorted(messages.mapped("state")), ["failed", "queued"])
        sms.write({"state": "outgoing", "to_delete": False})
        sms.send()
        self.assertEqual(
            self.env["sms.gateway.message"].search_count([("body", "=", "Mended")]), 2
        )

    def test_spaced_international_number(self):
        """A number with spaces and a plus sign is formatted, not refused."""
        sms = self.env["sms.sms"].create(
            {"number": "+1 202-555-0143", "body": "Spaced"}
        )
        sms.send()
        message = self.env["sms.gateway.message"].search([("body", "=", "Spaced")])
        self.assertEqual((message.state, message.number), ("queued", "+12025550143"))

    def test_retry_after_is_bounded(self):
        """A gateway may ask for any wait; ours stays within bounds."""
        for asked, given in (
            (float("inf"), 3600),
            (float("nan"), 3600),
            (-5, 1),
            ("x", 30),
            (None, 30),
            (7, 7),
        ):
            with self.subTest(asked=asked):
                error = GatewayThrottled("", retry_after_s=asked)
                self.assertEqual(error.retry_after_s, given)

    def test_pause_reason_is_text_without_secrets(self):
        """Words of a gateway reach the alarm as text, not as HTML."""
        self.gateway._pause("<a href='x'>Pay here</a>", 60)
        note = self.gateway.activity_ids.note
        self.assertNotIn("<a", note)
        self.assertIn("Pay here", note)

    def test_portal_gets_no_chatter_data(self):
        """Portal users cannot read what becomes of texts, whatever ids they pass."""
        portal = self.env["res.users"].create(
            {
                "name": "Portal",
                "login": "sms_portal",
                "group_ids": [Command.set([self.env.ref("base.group_portal").id])],
            }
        )
        with self.assertRaises(AccessError):
            self.env["sms.gateway.message"].with_user(portal).get_chatter_data([1])

    def test_send_again_is_unique(self):
        """The database itself lets a message be sent again once at a time."""
        message = self.enqueue(number="letters")
        again = {"resend_of_id": message.id, "state": "queued"}
        values = {"gateway_id": self.gateway.id, "body": "x", **again}
        messages = self.env["sms.gateway.message"]
        messages.create(values)
        with mute_logger("odoo.sql_db"), self.assertRaises(errors.UniqueViolation):
            messages.create(values).flush_recordset()
