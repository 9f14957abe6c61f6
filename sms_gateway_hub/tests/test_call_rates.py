# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""T5: a flood of calls is held off, and costs no genuine call."""

import json
from unittest.mock import patch

from psycopg2 import OperationalError

from odoo.tests import BaseCase, TransactionCase, tagged
from odoo.tools import config, mute_logger

from .. import const
from ..controllers import call_rates
from ..controllers.call_rates import rates
from ..tools import webhook
from ..tools.rate_limit import SharedLimit
from .test_sms_gateway_device import PollCase
from .test_webhook import WebhookCase, inbound, report

BAD_LIMIT = 5


class TestSharedLimit(BaseCase):
    """Several processes count together, and ask for that as rarely as they can."""

    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.shared, self.asked = {}, 0

    def make(self, **kwargs):
        return SharedLimit(10.0, clock=lambda: self.now, **kwargs)

    def take(self, window, hits):
        self.asked += 1
        self.shared[window] = self.shared.get(window, 0) + hits
        return self.shared[window]

    def hits(self, limit, count, most=100):
        return [limit.hit("a", most, self.take) for _n in range(count)]

    def test_one_process(self):
        """So many are allowed within a window, and then again; few questions."""
        limit = self.make()
        self.assertEqual(self.hits(limit, 10), [True] * 10)
        self.assertEqual(self.asked, 0)
        self.assertEqual(self.hits(limit, 110), [True] * 90 + [False] * 20)
        self.assertEqual(self.asked, 10)
        self.assertTrue(limit.is_over("a"))
        self.assertFalse(limit.is_over("b"))
        self.assertEqual(limit.get_wait_s(), 10)
        self.now += 9.9
        self.assertTrue(limit.is_over("a"))
        self.assertEqual(limit.get_wait_s(), 1)
        self.now += 0.1
        self.assertFalse(limit.is_over("a"))
        self.assertEqual(self.hits(limit, 100), [True] * 100)
        limit.reset()
        self.assertFalse(len(limit))

    def test_many_processes(self):
        """All together get what is allowed, and what each has for free."""
        processes = [self.make() for _n in range(8)]
        allowed = sum(
            sum(self.hits(process, 1)) for _n in range(100) for process in processes
        )
        self.assertGreaterEqual(allowed, 80)
        self.assertLessEqual(allowed, 100 + 10 * 7)
        self.assertTrue(all(process.is_over("a") for process in processes))
        self.assertLess(self.asked, 20)

    def test_nobody_is_refused_below_the_limit(self):
        """What processes were free to use, and did not, is nobody's."""
        for count in (2, 6, 9):
            with self.subTest(count):
                self.shared.clear()
                processes = [self.make() for _n in range(count)]
                each = 100 // count
                answers = [
                    answer
                    for process in processes
                    for answer in self.hits(process, each)
                ]
                self.assertEqual(answers, [True] * count * each)

    def test_low_limits(self):
        """The lowest limit lets one pass, and no other limit is out of reach."""
        for most in range(1, 25):
            with self.subTest(most):
                self.shared.clear()
                allowed = sum(self.hits(self.make(), 3 * most, most))
                self.assertLessEqual(allowed, most)
                self.assertGreaterEqual(allowed, most - max(1, most // 10) + 1)

    def test_memory(self):
        """However many keys there are, so many are remembered: the latest ones."""
        limit = self.make(max_keys=100)
        for n in range(1_000):
            limit.hit(n, 10, self.take)
        self.assertEqual(len(limit), 100)

    def test_refuses_nonsense(self):
        """No time and no memory are refused."""
        for values in ({"period_s": 0.0}, {"period_s": 1.0, "max_keys": 0}):
            with self.subTest(values), self.assertRaises(ValueError):
                SharedLimit(**values)


class TestRate(TransactionCase):
    """The rows that all processes count in."""

    def setUp(self):
        super().setUp()
        self.rates = self.env["sms.gateway.rate"]
        # Its transactions are part of this test's.
        self.enterContext(self.enter_registry_test_mode())

    def test_take(self):
        """Hits add up within a window; another one begins anew."""
        self.assertEqual(self.rates._take("a", 1, 10), (10, False))
        self.assertEqual(self.rates._take("a", 1, 5), (15, False))
        self.assertEqual(self.rates._take("b", 1, 1), (1, False))
        self.assertEqual(self.rates._take("a", 2, 7), (7, False))
        self.rates._note_genuine("a")
        self.rates._note_genuine("a")
        self.assertEqual(self.rates._take("a", 2, 1), (8, True))

    def test_callers_share_rows(self):
        """However many callers there are, there are few rows."""
        keys = {
            self.rates._get_caller_key("db", "", f"2001:db8:{n:x}::/64")
            for n in range(20_000)
        }
        self.assertLessEqual(len(keys), 4096)
        self.assertGreater(len(keys), 4000)

    def test_trouble(self):
        """When nobody can count, nobody is refused."""
        with (
            patch(
                "odoo.addons.sms_gateway_hub.models.sms_gateway_rate"
                ".in_new_transaction",
                side_effect=OperationalError("x"),
            ),
            self.assertLogs("odoo.addons.sms_gateway_hub", "WARNING"),
        ):
            self.assertEqual(self.rates._take("a", 1, 10), (0, False))


class FrozenMixin:
    """One window for the whole test."""

    def setUp(self):
        super().setUp()
        for limit in (rates.calls, rates.bad):
            self.patch(limit, "_clock", lambda: 1_000_000.0)


@tagged("post_install", "-at_install")
class TestCallRates(FrozenMixin, WebhookCase):
    """The door for gateways."""

    def setUp(self):
        super().setUp()
        self.patch(const, "BAD_CALLBACKS_PER_MIN", BAD_LIMIT)

    def flood(self, count=BAD_LIMIT + 1, status=403, **kwargs):
        """Send bad calls."""
        kwargs.setdefault("signed", False)
        for _n in range(count):
            self.check(self.post([report("delivered")], **kwargs), status)

    def assertHeldOff(self, answer):
        self.check(answer, 429)
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        self.assertEqual(answer.content, b"")

    def other_process(self):
        """Go on as a process that has not served any call yet."""
        fresh = call_rates.CallRates()
        for name, value in vars(fresh).items():
            self.patch(rates, name, value)
        for limit in (rates.calls, rates.bad):
            limit._clock = lambda: 1_000_000.0

    def test_rate_of_a_gateway(self):
        """More calls than it may make are to be repeated later; nothing is stored."""
        self.gateway.callback_rate = 1
        statuses = [
            self.post([inbound("Hi", event=f"E{n}")]).status_code for n in range(15)
        ]
        taken = statuses.count(200)
        self.assertEqual(taken, const.CALLBACK_WINDOW_S)
        self.assertEqual(set(statuses[taken:]), {429})
        self.assertHeldOff(self.post([inbound("Hi", event="E1")]))
        self.assertEqual(len(self.events()), taken)
        other = self.make_gateway(name="Other")
        self.check(self.post([report("sent")], token=other.webhook_token), 200)
        # Later, what was refused is taken.
        for limit in (rates.calls, rates.bad):
            limit._clock = lambda: 1_000_010.0
        self.check(self.post([inbound("Hi", event="E14")]), 200)
        self.assertEqual(len(self.events()), taken + 2)

    def test_forged_calls_use_up_nothing(self):
        """Whoever knows the address alone cannot have genuine calls refused."""
        self.gateway.callback_rate = 1
        self.check(self.post([inbound("Hi", event="E0")]), 200)
        self.flood(2 * const.CALLBACK_WINDOW_S)
        for n in range(1, const.CALLBACK_WINDOW_S):
            self.check(self.post([inbound("Hi", event=f"E{n}")]), 200)
        self.assertHeldOff(self.post([inbound("Hi", event="E99")]))

    def test_no_limit(self):
        """Nought is no limit."""
        self.gateway.callback_rate = 0
        with patch.object(const, "CALLBACK_WINDOW_S", 1):
            for n in range(12):
                self.check(self.post([inbound("Hi", event=f"E{n}")]), 200)

    def test_forged(self):
        """Who forges is held off, at no cost; another gateway's calls are taken."""
        self.flood()
        gateways = type(self.env["sms.gateway"])
        with patch.object(gateways, "_find_by_digest", side_effect=ZeroDivisionError):
            self.assertHeldOff(self.post([report("delivered")], signed=False))
        self.assertFalse(self.events())
        other = self.make_gateway(name="Other")
        self.check(self.post([report("sent")], token=other.webhook_token), 200)

    def test_guessed(self):
        """Who guesses tokens is held off; genuine calls from there are taken."""
        self.flood(status=404, token="guess")
        self.assertHeldOff(self.post([report("sent")], token="guess-2"))
        self.check(self.post([report("delivered")]), 200)
        self.assertEqual(len(self.events()), 1)
        self.assertHeldOff(self.post([report("sent")], token="guess-2"))

    def test_old_token(self):
        """The old address stops at once, and counts as a guess."""
        old = self.token
        self.check(self.post([report("delivered")]), 200)
        self.gateway.action_renew_webhook_token()
        self.check(self.post([report("delivered")], token=old), 404)
        self.assertNotIn(webhook.token_digest(old), rates.gateways)

    def test_known_gateway_changes(self):
        """What a process remembers of a gateway is forgotten with each change."""

        def another_kind():
            self.force(other, code="sandbox")
            self.registry.clear_cache()

        other = self.make_gateway(name="Other")
        token = other.webhook_token
        for label, change, status in (
            ("in service", lambda: None, 200),
            ("disabled", lambda: other.write({"state": "disabled"}), 404),
            ("in test", lambda: other.write({"state": "test"}), 200),
            ("archived", lambda: other.write({"active": False}), 404),
            ("back", lambda: other.write({"active": True}), 200),
            ("another secret", lambda: other.write({"testing_secret": "x"}), 403),
            ("another kind", another_kind, 403),
            ("gone", other.unlink, 404),
        ):
            with self.subTest(label):
                change()
                self.check(self.post([report("sent")], token=token), status)

    def test_forgotten_after_the_commit(self):
        """What a thread read before a change was committed is not believed after it."""
        digest = webhook.token_digest(self.token)
        gateways = self.env["sms.gateway"]
        for secret in ("other", "another"):
            self.gateway.write({"testing_secret": secret})
            self.env.flush_all()
            _id, facts = gateways._get_callback_facts(digest)
            self.assertEqual(dict(facts)["testing_secret"], secret)
        with patch.object(type(self.registry), "clear_cache") as clear:
            self.gateway.write({"name": "Renamed", "pause_reason": "Tired"})
            self.assertFalse(clear.called, "nothing that callbacks need")
            self.gateway.write({"testing_secret": "new"})
            self.env.flush_all()
            self.assertTrue(clear.called)
            # Nothing was forgotten: as if it had been read just after that.
            _id, facts = gateways._get_callback_facts(digest)
            self.assertEqual(dict(facts)["testing_secret"], "another")
            with patch.object(self.registry, "signal_changes") as signal:
                self.env.cr.postcommit.run()
            self.assertTrue(signal.called)
            _id, facts = gateways._get_callback_facts(digest)
            self.assertEqual(dict(facts)["testing_secret"], "new")

    def test_statements(self):
        """A genuine callback costs one statement, a forged one none."""
        self.check(self.post([report("delivered")]), 200)
        for label, signed, status, most in (
            ("genuine", True, 200, 1),
            ("forged", False, 403, 0),
        ):
            with self.subTest(label), self.count_queries() as statements:
                answer = self.post([report("delivered", event=label)], signed=signed)
                self.check(answer, status)
            ours = [line for line in statements if "sms_gateway" in line]
            self.assertEqual(len(ours), most, ours)

    def test_genuine_calls_are_never_lost(self):
        """Where verified calls came from, none is held off, whoever else is there."""
        self.check(self.post([report("delivered")]), 200)
        self.flood(3 * BAD_LIMIT)
        self.check(self.post([report("delivered", event="E2")]), 200)
        self.assertEqual(len(self.events()), 2)

    def test_another_process_knows(self):
        """What one process verified holds for all."""
        self.check(self.post([report("delivered")]), 200)
        self.other_process()
        self.flood(3 * BAD_LIMIT)
        self.check(self.post([report("delivered", event="E2")]), 200)

    def test_processes_count_together(self):
        """A flood does not start anew at each process."""
        self.flood()
        self.other_process()
        self.flood(2)
        self.assertHeldOff(self.post([report("delivered")], signed=False))

    def test_networks(self):
        """IPv6 counts by /64, as the proxy says who calls; others are not held off."""

        def call(address, **kwargs):
            headers = {"X-Forwarded-For": address, "X-Forwarded-Host": "localhost"}
            return self.post([report("delivered")], headers=headers, **kwargs)

        with patch.dict(config.options, {"proxy_mode": True}):
            for n in range(BAD_LIMIT + 1):
                self.check(call(f"2001:db8::{n + 1:x}", signed=False), 403)
            self.assertHeldOff(call("2001:db8::ffff", signed=False))
            self.check(call("2001:db8:0:1::1", signed=False), 403)
            self.check(call("192.0.2.1"), 200)
        # Without a proxy, nobody is believed who they are.
        self.check(call("2001:db8::1", signed=False), 403)

    @mute_logger("odoo.addons.sms_gateway_hub.models.sms_gateway_rate")
    def test_nobody_counts(self):
        """Where the counts cannot be stored, calls are taken."""
        self.gateway.callback_rate = 1
        with patch(
            "odoo.addons.sms_gateway_hub.models.sms_gateway_rate.in_new_transaction",
            side_effect=OperationalError("x"),
        ):
            for n in range(15):
                self.check(self.post([inbound("Hi", event=f"E{n}")]), 200)


@tagged("post_install", "-at_install")
class TestPollRates(FrozenMixin, PollCase):
    """The door for phones."""

    def test_rate_of_a_gateway(self):
        """A phone that calls too often gets JSON that it takes for no success."""
        self.gateway.callback_rate = 1
        for _n in range(const.CALLBACK_WINDOW_S + 1):
            self.assertTrue(self.call("offer")["ok"])
        self.env.flush_all()
        answer = self.http_call(
            "POST",
            f"/sms_gateway/{self.device.token}/poll/",
            body=json.dumps({"do": "offer", "secret": self.device.secret}).encode(),
        )
        self.assertEqual(answer.status_code, 429)
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        self.assertIs(json.loads(answer.content)["payload"]["success"], False)
