# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""T22, T23: whatever comes in by a door of ours, over the wire, ends in few words.

Hypothesis makes it up: at random, and from valid calls with bytes, leaves and charsets
exchanged. The examples are the same in each run; what is found gets a row of its own in
the tests of the door. A budget of time bounds a slow machine. SGH_FUZZ=20 in the
environment tries twenty times as many, other ones each time.
"""

import json
import logging
import math
import os
import random
import time
from urllib.parse import quote, quote_plus

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo.tests import HttpCase, tagged
from odoo.tools import mute_logger

from odoo.addons.sms_gateway_hub.controllers import poll
from odoo.addons.sms_gateway_hub.tests.common import NUMBERS, UUIDS, SmsGatewayMixin
from odoo.addons.sms_gateway_hub.tests.http_common import RawHttpMixin, RpcMixin
from odoo.addons.sms_gateway_hub.tests.test_reply_page import NONCE, ReplyCase

from .test_testing_send import GATEWAY
from .test_testing_webhook import events, inbound, report, sign

TIMES = int(os.environ.get("SGH_FUZZ", "1"))
EXAMPLES = 60 * TIMES
BUDGET_S = 8.0 * TIMES  # for one test
METHODS = ("GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "PATCH")
TYPES = (
    "application/json", "application/x-www-form-urlencoded", "text/xml", "text/plain",
    "application/json; charset=utf-16", "text/xml; charset=no-such-charset",
    "application/x-www-form-urlencoded; charset=utf-7", "application/octet-stream",
    "multipart/form-data", "multipart/form-data; boundary=X", "a/b; charset=\xff", "",
)  # fmt: skip
# Values that broke programs before: by type, size, script, and by what reads them next.
HOSTILE = (
    None, True, 0, -1, 2**31, 2**63, 10**400, -0.0, 1e308, math.inf, math.nan, "", " ",
    "\x00", "a\x00b", "\ud800", "\ufffe", "\u202eevil", "שלום 123", "ﷺ" * 50,
    "0" * 5000, "x" * 10_000, "{{ 7*7 }}", "{{ object.env }}", "${7*7}", "%s%n", "%",
    "<img src=x onerror=alert(1)>", "<t t-out='1'/>", "=cmd|' /C calc'!A0", "'; --",
    "\" OR 1=1 --", "')); DROP TABLE sms_gateway; --", "a'b\"c(d)[e]{f}\\g;h",
    "../../etc/passwd", "file:///etc/passwd", "\r\nSet-Cookie: a=b", "+1", "NaN",
    "9999-12-31", "0000-00-00 00:00:00", "2026-02-30", [], {}, [[]], [None], {"a": {}},
)  # fmt: skip

quick = settings(
    max_examples=EXAMPLES,
    derandomize=TIMES == 1,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

_logger = logging.getLogger(__name__)


def mutate(sample, seed):
    """Return bytes that are nearly the sample: flipped, cut, doubled, exchanged.

    :param bytes sample: something valid
    :param int seed: which mutation
    """
    dice = random.Random(seed)
    data = bytearray(sample)
    for _n in range(dice.randint(0, 3)):
        at = dice.randrange(len(data) + 1)
        end = min(len(data), at + dice.randint(0, 20))
        kind = dice.randrange(6)
        if kind == 0 and data:
            data[at % len(data)] = dice.randrange(256)
        elif kind == 1:
            del data[at:end]
        elif kind == 2:
            data[at:at] = data[at:end] * dice.randint(1, 50)
        elif kind == 3:
            data[at:at] = dice.choice(
                (
                    b"\x00",
                    b"\xff\xfe",
                    b"%00",
                    b"%ff",
                    b"&&==",
                    b"<!DOCTYPE a>",
                    b"[" * 99,
                )
            )
        elif kind == 4:
            word = str(dice.choice(HOSTILE)).encode("utf-8", "surrogatepass")
            data[at:end] = word
        else:
            data[at:end] = quote_plus(
                str(dice.choice(HOSTILE)).encode("utf-8", "surrogatepass")
            ).encode()
    return bytes(data[:70_000])


def exchange(value, dice):
    """Return JSON with one leaf, key or list exchanged for something hostile."""
    if dice.random() < 0.15:
        return dice.choice(HOSTILE)
    if isinstance(value, dict) and value:
        key = dice.choice(sorted(value))
        changed = {**value, key: exchange(value[key], dice)}
        if dice.random() < 0.2:
            changed[str(dice.choice(HOSTILE))] = dice.choice(HOSTILE)
        return changed
    if isinstance(value, list) and value:
        at = dice.randrange(len(value))
        return [*value[:at], exchange(value[at], dice), *value[at + 1 :]]
    return dice.choice(HOSTILE)


def mutate_any(sample, seed):
    """Mutate JSON by its leaves every other time, anything by its bytes."""
    try:
        value = json.loads(sample)
    except ValueError:
        value = None
    if value is None or seed % 3 == 0:
        return mutate(sample, seed)
    try:
        return json.dumps(exchange(value, random.Random(seed))).encode()
    except ValueError:
        return mutate(sample, seed)


class Budget:
    """Ends a test in time on a slow machine; what it left out is told."""

    def __init__(self, seconds=BUDGET_S):
        self.end = time.monotonic() + seconds
        self.tried = 0

    def is_over(self):
        self.tried += time.monotonic() < self.end
        return time.monotonic() >= self.end


class FuzzMixin(RawHttpMixin, SmsGatewayMixin):
    """What every answer of a door must be, and that nothing is left behind."""

    def rows(self):
        """Return what a callback may leave: events, texts in, states of texts out."""
        self.env.flush_all()
        self.env.cr.execute(
            """
            SELECT (SELECT count(*) FROM sms_gateway_event),
                   (SELECT max(id) FROM sms_gateway_event),
                   (SELECT md5(string_agg(concat(id, state, direction, body), ','
                                          ORDER BY id))
                      FROM sms_gateway_message WHERE id > %s),
                   (SELECT count(*) FROM sms_consent)
            """,
            [self.last_message_id],
        )
        return self.env.cr.fetchone()

    def check_answer(self, answer, request):
        self.assertLess(answer.status_code, 500, request)
        content = answer.content.lower()
        for word in (b"traceback", b"<html", b"<!doctype html", b"psycopg"):
            self.assertNotIn(word, content, request)
        self.assertNotIn("text/html", answer.headers.get("Content-Type", ""), request)
        self.assertNotIn("Set-Cookie", answer.headers, request)
        self.assertNotIn("Location", answer.headers, request)

    def run_fuzz(self, samples, check):
        """Call a door with what Hypothesis makes of samples.

        :param list samples: of (method, action, query, headers, body)
        :param check: function that makes a call and looks at what came of it
        """
        budget = Budget()

        @quick
        @given(
            which=st.integers(0, len(samples) - 1),
            seed=st.integers(0, 2**32),
            method=st.one_of(st.none(), st.none(), st.sampled_from(METHODS)),
            content_type=st.one_of(st.none(), st.sampled_from(TYPES)),
            noise=st.one_of(st.none(), st.none(), st.binary(max_size=400)),
            is_signed=st.booleans(),
        )
        def door(which, seed, method, content_type, noise, is_signed):
            if budget.is_over():
                return
            sample_method, action, query, headers, body = samples[which]
            query = quote(mutate(query.encode(), seed), safe="=&%+")[:7000]
            body = mutate_any(body, seed) if noise is None else noise
            headers = dict(headers)
            if content_type is not None:
                headers["Content-Type"] = content_type
            call = {
                "method": method or sample_method,
                "action": action,
                "query": query,
                "body": body,
                "headers": headers,
                "is_signed": is_signed,
            }
            with self.row(f"{which} {seed}"):
                check(call)

        with mute_logger("odoo.http"):
            door()
        self.assertGreaterEqual(budget.tried, EXAMPLES // 4)
        _logger.info("%s: %s calls", self.id(), budget.tried)


@tagged("post_install", "-at_install")
class TestFuzzCallbacks(FuzzMixin, HttpCase):
    """The callbacks of the gateways that are installed here."""

    gateway_values = GATEWAY

    def setUp(self):
        super().setUp()
        messages = self.enqueue(2)
        messages.write({"state": "sent", "attempts": 1})
        for number, message in enumerate(messages, start=1):
            message.external_ref = f"REF-{number}"
        self.env.flush_all()

    def fuzz(self, gateway, samples, sign_call):
        token = gateway.sudo().webhook_token

        def check(call):
            if call["is_signed"]:
                sign_call(call)
            before = self.rows()
            answer = self.http_call(
                call["method"],
                f"/sms_gateway/{token}/{call['action']}?{call['query']}",
                body=call["body"] or None,
                headers=call["headers"],
            )
            self.env.invalidate_all()
            self.check_answer(answer, call)
            if not call["is_signed"]:
                self.assertEqual(self.rows(), before, call)
            self.apply_events()

        self.run_fuzz(samples, check)

    def test_testing(self):
        """The gateway of the tests, which signs."""

        class Signed:
            pass

        def sign_call(call):
            callback = Signed()
            callback.query, callback.method = call["query"], call["method"]
            callback.body, callback.headers = call["body"], call["headers"]
            sign(self.gateway, callback)

        json_type = {"Content-Type": "application/json"}
        form_type = {"Content-Type": "application/x-www-form-urlencoded"}
        samples = [
            ("POST", action, "", headers, body)
            for action in ("status", "inbound", "poll", "no-such")
            for headers, body in (
                (json_type, json.dumps(events(report(), inbound())).encode()),
                (json_type, json.dumps(events(report(message=UUIDS[0]))).encode()),
                (form_type, b"id=E1&type=inbound&from=%2B12025550100&text=Yes"),
            )
        ]
        self.fuzz(self.gateway, samples, sign_call)

    def clickatell(self, values, names):
        """Fuzz one API of Clickatell by the bodies and queries of its rows."""
        self.skip_without_code("clickatell")
        # Its tests are there where the addon is.
        from odoo.addons.sms_gateway_clickatell.tests import common as rows
        from odoo.addons.sms_gateway_clickatell.tests import (
            test_clickatell_webhook as cases,
        )

        gateway = self.make_gateway(
            name="Clickatell", **getattr(rows, values), **rows.CALLBACK_LOGIN
        )
        self.env["sms.gateway.message"].search(
            [("id", ">", self.last_message_id)]
        ).write({"gateway_id": gateway.id})

        class Signed:
            headers = None

        def sign_call(call):
            callback = Signed()
            callback.headers = call["headers"]
            cases.WithLogin().sign(gateway, callback)

        samples = [
            (
                case.method or "POST",
                case.action,
                case.query,
                {"Content-Type": case.content_type} if case.content_type else {},
                body,
            )
            for name in names
            for case in getattr(cases, name).cases
            for body in case.bodies
        ]
        self.fuzz(gateway, samples, sign_call)

    def test_clickatell_http(self):
        """Clickatell's Central API: queries, forms, XML and SOAP."""
        self.clickatell("HTTP", ("TestHttpReports", "TestHttpInbound"))

    def test_clickatell_platform(self):
        """Clickatell's Platform SMS: JSON, one object each."""
        self.clickatell("PLATFORM", ("TestPlatformWebhook",))

    def test_clickatell_one(self):
        """Clickatell's One API: JSON, lists of events."""
        self.clickatell("ONE", ("TestOneWebhook",))


@tagged("post_install", "-at_install")
class TestFuzzPhones(FuzzMixin, HttpCase):
    """The address that phones fetch and report at."""

    gateway_values = {"code": "testing_pull"}

    def setUp(self):
        super().setUp()
        for limit in (poll.failures, poll.guesses):
            limit.reset()
            self.addCleanup(limit.reset)

    def fuzz(self, gateway, samples, secret):
        device = self.env["sms.gateway.device"].create(
            {"name": "Front desk", "gateway_id": gateway.id, "secret": secret}
        )
        self.enqueue(2, gateway_id=gateway.id)
        self.env.flush_all()

        def check(call):
            # Wrong secrets have a limit of their own, which its tests are about.
            poll.failures.reset()
            poll.guesses.reset()
            if not call["is_signed"]:
                for name in ("query", "body"):
                    value = call[name]
                    known = secret if isinstance(value, str) else secret.encode()
                    wrong = "WRONG" if isinstance(value, str) else b"WRONG"
                    call[name] = value.replace(known, wrong)
            before = self.env["sms.gateway.message"].search_count(
                [("direction", "=", "incoming")]
            )
            answer = self.http_call(
                call["method"],
                f"/sms_gateway/{device.token}/poll/{call['action']}?{call['query']}",
                body=call["body"] or None,
                headers=call["headers"],
            )
            self.env.invalidate_all()
            self.check_answer(answer, call)
            if answer.content:
                json.loads(answer.content)
            if not call["is_signed"]:
                self.apply_events()
                after = self.env["sms.gateway.message"].search_count(
                    [("direction", "=", "incoming")]
                )
                self.assertEqual(after, before, call)
                self.assertNotIn(secret.encode(), answer.content, call)

        self.run_fuzz(samples, check)

    def test_testing_pull(self):
        """The phones of the tests, which speak JSON."""
        secret = "s3cretKey9"
        samples = [
            ("POST", "", "", {"Content-Type": "application/json"}, json.dumps(
                {"do": do, "secret": secret, "refs": [UUIDS[0]], "limit": 5,
                 "texts": [["E1", NUMBERS[1], "Yes"]], "reports": {UUIDS[0]: "sent"}}
            ).encode())
            for do in ("offer", "claim", "report", "inbound", "ping", "ask", "test")
        ]  # fmt: skip
        self.fuzz(self.gateway, samples, secret)

    def test_smssync(self):
        """Each task of SMSsync, in its forms: query, form, JSON, XML, multipart."""
        self.skip_without_code("smssync")
        from odoo.addons.sms_gateway_smssync.tests import samples as words

        form = {"Content-Type": "application/x-www-form-urlencoded"}
        as_json = {"Content-Type": "application/json"}
        samples = [
            ("POST", "", "", form, words.FORM_3X),
            ("POST", "", "", form, words.FORM_2X),
            ("POST", "", "", as_json, words.JSON_3X),
            ("POST", "", "", {"Content-Type": "text/xml"}, words.XML_3X),
            (
                "POST", "", "", {"Content-Type": "multipart/form-data; boundary=X"},
                words.MULTIPART,
            ),
            ("GET", "", f"task=send&secret={words.SECRET}", {}, b""),
            ("POST", "", "task=sent", as_json, words.CLAIM),
            ("GET", "", f"task=result&secret={words.SECRET}", {}, b""),
            (
                "POST", "", f"task=result&secret={words.SECRET}", as_json,
                words.RESULT_28,
            ),
            (
                "POST", "", f"task=result&secret={words.SECRET}", as_json,
                words.RESULT_311,
            ),
            ("POST", "", "", form, words.TEST_3X),
            ("POST", "", "", form, words.BATTERY_2X),
        ]  # fmt: skip
        gateway = self.make_gateway(name="SMSsync", code="smssync")
        self.fuzz(gateway, samples, words.SECRET)


@tagged("post_install", "-at_install")
class TestFuzzReplyPage(FuzzMixin, ReplyCase):
    """The page to answer at, where a page is the answer and few words of it."""

    gateway_values = {"code": "sandbox"}

    def check_answer(self, answer, request):
        self.assertLess(answer.status_code, 500, request)
        self.assertNotIn(b"Traceback", answer.content, request)
        self.assertNotIn(b"psycopg", answer.content, request)
        self.assertNotIn("Set-Cookie", answer.headers, request)

    def test_page(self):
        """Any method and form; with another address nothing is sent."""
        path = self.link._get_path()
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        body = f"act=send&body=Yes%2C+until+six.&nonce={NONCE}".encode()
        samples = [
            ("POST", "", "", form, body),
            ("POST", "", "", form, body.replace(b"send", b"close")),
            ("GET", "", "act=send&body=Yes", {}, b""),
            ("POST", "", "a=b", {"Content-Type": "multipart/form-data; boundary=X"}, (
                b'--X\r\nContent-Disposition: form-data; name="body"; filename="x"\r\n'
                b"\r\nYes\r\n--X--\r\n"
            )),
        ]  # fmt: skip

        def check(call):
            address = path if call["is_signed"] else path[:-3] + "xyz"
            before = len(self.sent())
            answer = self.http_call(
                call["method"],
                f"{address}?{call['query']}",
                body=call["body"] or None,
                headers=call["headers"],
            )
            self.env.invalidate_all()
            self.check_answer(answer, call)
            if not call["is_signed"] or call["method"] != "POST":
                self.assertEqual(len(self.sent()), before, call)

        self.run_fuzz(samples, check)


# What Odoo itself answers to a call that no form of it makes: it converts, computes and
# stores a field's value before our code sees it, and has plain errors for a list where
# a word should be, a date that is none, or a number that no column holds. Whoever calls
# by hand reads them; nothing is stored. Odoo's are those that its own code raised.
ERRORS_OF_CORE = ("builtins.", "psycopg2.")
ERRORS_OF_USERS = "odoo.exceptions."
# Werkzeug tells of a lone surrogate that Odoo cannot put into its answer.
MUTED = ("odoo.http", "odoo.sql_db", "odoo.addons", "werkzeug")
# Every form of ours that somebody may make a record by, and of Odoo's the two that
# are about texts; with what its buttons call.
FORMS = {
    "sms.composer": ["action_send_sms"],
    "sms.gateway": [],
    "sms.gateway.device": ["action_give_up"],
    "sms.gateway.sandbox.rule": [],
    "sms.gateway.coverage": ["action_check"],
    "sms.broadcast": ["action_check"],
    "sms.consent.record": ["action_record"],
    "res.partner.mobile": [],
    "sms.keyword": [],
    "sms.log": ["action_log"],
    "sms.assignment.rule": [],
    "sms.assignment.try": ["read"],
    "sms.conversation.contact": ["action_apply"],
    "sms.conversation.reassign": ["action_reassign"],
    "sms.erase": ["action_erase"],
    "sms.gateway.holiday": [],
    "res.partner": [],
}
# Addons of tests open doors on purpose.
DOORS_OF_TESTS = ("sms_gateway_drill", "sms_gateway_bench")
EXAMPLES_OF_FORMS = EXAMPLES * 2 // 3
VALID = {
    "sms.composer": {
        "composition_mode": "comment", "res_model": "res.partner", "body": "Hello",
    },
    "sms.gateway": {"name": "Fuzz", "code": "testing", "testing_key": "k"},
    "sms.gateway.device": {"name": "Fuzz"},
    "sms.gateway.sandbox.rule": {"outcome": "delivered"},
    "sms.gateway.coverage": {"number": NUMBERS[0]},
    "sms.broadcast": {"name": "Fuzz", "body": "Hello"},
    "sms.consent.record": {
        "act": "opted_in", "method": "paper", "wording": "I agree",
    },
    "res.partner.mobile": {"number": NUMBERS[3]},
    "sms.keyword": {"word": "ZZYZX", "family": "help"},
    "sms.log": {"direction": "incoming", "body": "Hello", "number": NUMBERS[0]},
    "sms.assignment.rule": {"name": "Fuzz"},
    "sms.assignment.try": {"number": NUMBERS[0], "body": "Hello"},
    "sms.conversation.contact": {"choice": "new", "new_name": "Ada"},
    "sms.conversation.reassign": {"note": "Please"},
    "sms.erase": {"number": NUMBERS[6], "reason": "Fuzz"},
    "sms.gateway.holiday": {"name": "Fuzz", "date": "2030-01-01"},
    "res.partner": {"name": "Fuzz", "phone": NUMBERS[3]},
}  # fmt: skip


@tagged("post_install", "-at_install")
class TestFuzzForms(RpcMixin, FuzzMixin, HttpCase):
    """What people fill in, by the web client's door, with values that no form has."""

    gateway_values = {"code": "sandbox"}

    def setUp(self):
        super().setUp()
        self.calls = 0
        self.authenticate("admin", "admin")
        self.message = self.enqueue(partner_id=self.partner.id)
        key = NUMBERS[5], self.env.company.id
        conversation = self.env["sms.conversation"]._get_many([key])[key]
        phones = self.make_gateway(name="Phones", code="testing_pull")
        user = self.env.ref("base.user_admin")
        # What the valid values point at.
        self.pointers = {
            "res.partner.mobile": {"partner_id": self.partner.id},
            "sms.assignment.rule": {"user_id": user.id},
            "sms.assignment.try": {"gateway_id": self.gateway.id},
            "sms.composer": {"res_id": self.partner.id},
            "sms.consent.record": {"partner_ids": [[6, 0, self.partner.ids]]},
            "sms.conversation.contact": {"conversation_id": conversation.id},
            "sms.conversation.reassign": {
                "conversation_ids": [[6, 0, conversation.ids]], "user_id": user.id,
            },
            "sms.gateway.coverage": {"gateway_id": self.gateway.id},
            "sms.gateway.device": {"gateway_id": phones.id},
            "sms.gateway.sandbox.rule": {"gateway_id": self.gateway.id},
        }  # fmt: skip
        self.env.flush_all()

    def rpc(self, model, method, *args, **kwargs):
        """Call as the web client does.

        :return: (result, error or None)
        """
        self.calls += 1
        answer = self.post_rpc(model, method, args, kwargs)
        if answer.status_code == 500 and "\\ud" in json.dumps([args, kwargs]):
            # Odoo can neither store a lone surrogate nor put it into its own answer,
            # of whatever field of whatever model.
            return None, None
        self.assertEqual(answer.status_code, 200)
        answer = answer.json()
        return answer.get("result"), answer.get("error")

    def check_error(self, error, call):
        """Our code tells people in words; Odoo's own may have its own errors."""
        if not error or error["data"]["name"].startswith(ERRORS_OF_USERS):
            return
        name, debug = error["data"]["name"], error["data"]["debug"]
        files = [
            line.split('"')[1]
            for line in debug.splitlines()
            if line.strip().startswith("File ")
        ]
        # Whose statement or expression it was: the last frame outside of libraries.
        inner = [file for file in files if "/odoo/" in file or "sms_gateway" in file]
        blame = [f for f in inner if "sql_db" not in f and "tools/" not in f] or inner
        is_ours = blame and "/sms_gateway_" in blame[-1]
        self.assertFalse(is_ours, f"{call}\n{debug[-3000:]}")
        self.assertTrue(name.startswith(ERRORS_OF_CORE), f"{call}\n{debug[-3000:]}")

    def form(self, model):
        """Fuzz the creation of a record, its onchanges and what its button does."""
        fields_of = self.env[model]._fields
        names = sorted(
            name
            for name, field in fields_of.items()
            if not field.readonly
            and field.type not in ("one2many", "binary", "properties")
            and name not in ("create_uid", "write_uid", "id")
            and (field.store or field.inverse)
            and (
                model != "res.partner"
                or name.startswith("sms_") or name in ("phone", "name", "country_id")
            )
        )  # fmt: skip
        valid = {**VALID[model], **self.pointers.get(model, {})}
        with self.row(f"{model}, valid"):
            # Otherwise nothing hostile gets further than the first complaint.
            made, error = self.rpc(model, "create", [valid])
            self.assertTrue(made, error)
        budget = Budget(BUDGET_S / 2)

        @settings(quick, max_examples=EXAMPLES_OF_FORMS)
        @given(
            name=st.sampled_from(names),
            value=st.one_of(
                st.sampled_from(HOSTILE), st.sampled_from(HOSTILE),
                st.text(max_size=40), st.integers(), st.floats(),
            ),
            second=st.one_of(st.none(), st.sampled_from(names)),
        )  # fmt: skip
        def fill(name, value, second):
            if budget.is_over():
                return
            values = {**valid, name: value}
            if second:
                values[second] = value
            with self.row(f"{model} {name}"):
                call = f"{model} {values!r}"[:600]
                _result, error = self.rpc(
                    model, "onchange", [], values, [name], {name: {}}
                )
                self.check_error(error, f"onchange {call}")
                made, error = self.rpc(model, "create", [values])
                self.check_error(error, f"create {call}")
                for button in FORMS[model] if made else ():
                    _result, error = self.rpc(model, button, made)
                    self.check_error(error, f"{button} {call}")

        with mute_logger(*MUTED):
            fill()
        self.assertGreaterEqual(budget.tried, EXAMPLES_OF_FORMS // 4)

    def test_forms(self):
        """Each form, one or two of its fields at a time."""
        for model in FORMS:
            with self.subTest(model):
                self.form(model)
        # One to fill in and one to save, at least.
        self.assertGreaterEqual(self.calls, len(FORMS) * EXAMPLES_OF_FORMS // 2)
        _logger.info("%s forms: %s calls", len(FORMS), self.calls)

    def test_no_form_is_left_out(self):
        """Every model of which a group of ours may make records is in the list."""
        rights = self.env["ir.model.access"].search([("perm_create", "=", True)])
        addons = {
            right: xmlid.split(".")[0]
            for right in rights
            for xmlid in right.get_external_id().values()
        }
        ours = {
            right.model_id.model
            for right, addon in addons.items()
            if addon.startswith("sms_gateway_") and addon not in DOORS_OF_TESTS
        }
        self.assertGreater(len(ours), 12)
        self.assertFalse(ours - set(FORMS))
        self.assertEqual(set(FORMS), set(VALID))

    def test_plan(self):
        """The plan of a text that waits: when, until when, how urgent."""

        @settings(quick, max_examples=EXAMPLES_OF_FORMS)
        @given(
            name=st.sampled_from(("scheduled_at", "expires_at", "priority", "body")),
            value=st.one_of(st.sampled_from(HOSTILE), st.text(max_size=30)),
        )
        def plan(name, value):
            with self.row(name):
                _result, error = self.rpc(
                    "sms.gateway.message", "write", self.message.ids, {name: value}
                )
                self.check_error(error, f"{name} {value!r}"[:300])

        with mute_logger(*MUTED):
            plan()
        self.assertGreaterEqual(self.calls, EXAMPLES_OF_FORMS // 2)
