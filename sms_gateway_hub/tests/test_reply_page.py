# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The reply page, over HTTP."""

import base64
import json
from datetime import timedelta
from unittest.mock import patch
from urllib.parse import quote, urlencode

from lxml import html
from psycopg2.errors import SerializationFailure, UniqueViolation

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import BaseCase, HttpCase, new_test_user, tagged
from odoo.tools import hash_sign, mute_logger

from .. import const
from ..controllers import reply
from ..models import sms_reply_link
from ..tools.gateway_data import InboundMessage
from ..tools.rate_limit import RateLimit, network_of
from .common import NUMBERS, UUIDS, LogLines, SmsGatewayMixin
from .http_common import RawHttpMixin

NONCE = "f" * 32
GROUPS = "sms_gateway_hub.group_user"


class ReplyCase(RawHttpMixin, SmsGatewayMixin, HttpCase):
    """A conversation that waits for its owner, who has a link to it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.owner = new_test_user(cls.env, "olive", GROUPS, tz="Asia/Tokyo")
        cls.other = new_test_user(cls.env, "oscar", GROUPS)
        cls.manager = new_test_user(
            cls.env, "mona", "sms_gateway_hub.group_manager", email="m@example.com"
        )
        cls.partner.user_id = cls.owner
        cls.conversation = cls.text_in("Is the shop open?")
        cls.link = cls.env["sms.reply.link"]._get_for(cls.conversation, cls.owner)

    def setUp(self):
        super().setUp()
        reply.guesses.reset()
        self.addCleanup(reply.guesses.reset)

    @classmethod
    def text_in(cls, body, number=NUMBERS[0]):
        """Let a text come in, and return its conversation."""
        messages = cls.env["sms.gateway.message"]
        inbound = InboundMessage(
            event_key=f"E{messages.search_count([])}", number=number, body=body
        )
        messages._receive(cls.gateway, inbound)
        cls.env.flush_all()
        return cls.env["sms.conversation"]._find(number, cls.env.company)

    def call(self, method="GET", path=None, data=None, session=None, headers=None):
        """Call the page; a form is posted the way a browser does.

        :param session: of ``authenticate``, whose cookie is sent along
        """
        self.env.flush_all()
        headers = {"Accept-Language": "en", **(headers or {})}
        body = None
        if data is not None:
            body = urlencode(data).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        answer = self.http_call(
            method,
            self.link._get_path() if path is None else path,
            body=body,
            headers=headers,
            cookies=f"session_id={session.sid}" if session else "",
        )
        self.env.invalidate_all()
        self.check_headers(answer)
        return answer

    def post(self, body="Yes, until six.", nonce=NONCE, **kwargs):
        data = {"act": "send", "body": body, "nonce": nonce, **kwargs.pop("data", {})}
        return self.call("POST", data=data, **kwargs)

    def check_headers(self, answer):
        """No answer may be kept, framed, indexed, or tell where it comes from."""
        for name, value in (
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Frame-Options", "DENY"),
            ("X-Content-Type-Options", "nosniff"),
        ):
            self.assertEqual(answer.headers.get(name), value)
        self.assertIn("noindex", answer.headers["X-Robots-Tag"])
        self.assertIn("default-src 'none'", answer.headers["Content-Security-Policy"])
        self.assertNotIn("Set-Cookie", answer.headers)
        self.assertNotIn(b"Traceback", answer.content)

    def page(self, answer):
        return html.document_fromstring(answer.content.decode())

    def typed(self, answer):
        """Return the text in the text area, as a browser would."""
        return self.page(answer).xpath("string(//textarea)")

    def hidden(self, answer):
        inputs = self.page(answer).xpath("//input[@type='hidden']")
        return {field.get("name"): field.get("value") for field in inputs}

    def sent(self):
        return self.messages_of([("direction", "=", "outgoing")])


@tagged("post_install", "-at_install")
class TestReplyPage(ReplyCase):
    """Reading, answering and closing."""

    def test_shows_the_thread(self):
        """The page shows whom it is with and what was said, newest last."""
        self.enqueue(
            number=NUMBERS[0], body="We wrote", author_id=self.manager.id, kind="reply"
        )
        self.text_in("And tomorrow?")
        answer = self.call()
        self.assertEqual(answer.status_code, 200)
        page = self.page(answer)
        self.assertEqual(page.get("lang"), "en-US")
        self.assertEqual(page.get("dir"), "ltr")
        self.assertEqual(page.xpath("normalize-space(//h1)"), "Ada Lovelace")
        self.assertIn(NUMBERS[0], page.xpath("string(//header)"))
        self.assertEqual(
            page.xpath("//article/p[@dir='auto']/text()"),
            ["Is the shop open?", "We wrote", "And tomorrow?"],
        )
        ours = " ".join(page.xpath("string(//article[2])").split())
        self.assertIn(self.manager.name, ours)
        self.assertIn("Queued", ours)
        self.assertTrue(page.xpath("//time/@datetime")[0].endswith("+09:00"))
        self.assertTrue(page.xpath("//button[@value='send']"))
        self.assertTrue(page.xpath("//button[@value='close']"))
        self.assertFalse(page.xpath("//*[@id='notice']//p"))

    def test_longest_text(self):
        """The counter warns beyond what the gateway of the conversation takes."""
        for most, text, too_long in ((10, "x" * 1530, False), (2, "x" * 307, True)):
            with self.row(most):
                self.gateway.max_segments = most
                counter = "//*[contains(@class, 'counter')]"
                page = self.page(self.post(text, nonce=""))
                self.assertEqual(page.xpath(f"{counter}/@data-parts-max"), [str(most)])
                words = f"at most {most} SMS"
                shown = page.xpath(f"string({counter})")
                self.assertEqual(words in shown, too_long)
                self.assertIn(words, page.xpath(f"{counter}/@data-too-long")[0])

    def test_many_texts(self):
        """A long thread is cut at its old end, and says so."""
        self.enqueue(
            reply.TEXTS_SHOWN, number=NUMBERS[0], body="Text", author_id=self.owner.id
        )
        page = self.page(self.call())
        self.assertEqual(len(page.xpath("//article")), reply.TEXTS_SHOWN)
        self.assertIn("Older texts", page.text_content())

    def test_answers(self):
        """A text is sent as the link's user, and the browser sent back to the page."""
        activity = self.conversation.answer_activity_id
        self.assertTrue(activity)
        fresh = self.hidden(self.call())
        answer = self.post("  Yes,\r\nuntil six.", nonce=fresh["nonce"])
        self.assertEqual(answer.status_code, 303)
        self.assertEqual(answer.headers["Location"], self.link._get_path())
        self.assertFields(
            self.sent(),
            {
                "uuid": fresh["nonce"],
                "body": "  Yes,\nuntil six.",
                "number": NUMBERS[0],
                "author_id": self.owner,
                "create_uid": self.owner,
                "gateway_id": self.gateway,
                "kind": "reply",
                "state": "queued",
                "partner_id": self.partner,
            },
        )
        self.assertEqual(self.conversation.state, "waiting")
        self.assertFalse(activity.exists().filtered("active"))
        self.assertTrue(self.link.used_at)
        after = self.call()
        self.assertIn("on its way", self.page(after).xpath("string(//form)"))
        self.assertNotEqual(self.hidden(after)["nonce"], fresh["nonce"])

    def test_sent_twice(self):
        """Pressing twice and loading again send once; an old page sends nothing."""
        for _time in range(3):
            self.assertEqual(self.post().status_code, 303)
        self.assertEqual(len(self.sent()), 1)
        answer = self.post("Something else")
        self.assertEqual(answer.status_code, 422)
        self.assertEqual(self.typed(answer), "Something else")
        self.assertEqual(len(self.sent()), 1)
        again = self.post("Something else", nonce=self.hidden(answer)["nonce"])
        self.assertEqual(again.status_code, 303)
        self.assertEqual(
            self.sent().mapped("body"), ["Yes, until six.", "Something else"]
        )

    def test_errors_keep_the_text(self):
        """What cannot be sent is shown again with the reason, and nothing is sent."""
        self.enqueue(
            number=NUMBERS[1], uuid=UUIDS[0], body="Hi", author_id=self.owner.id
        )
        known = self.sent()
        for label, body, nonce, words in (
            ("empty", "", NONCE, "Write a text first"),
            ("blank", " \r\n ", NONCE, "Write a text first"),
            ("too long", "x" * 1600, NONCE, "not sent"),
            ("hostile", "</textarea><script>1</script>", "x", "out of date"),
            ("no nonce", "Hi", "", "out of date"),
            ("a nonce that is none", "Hi", "g" * 32, "out of date"),
            ("a nonce with more", "Hi", NONCE + "\n", "out of date"),
            ("in capitals", "Hi", "F" * 32, "out of date"),
            ("a nonce of another text", "Hi", UUIDS[0], "out of date"),
        ):
            with self.row(label):
                answer = self.post(body, nonce=nonce)
                self.assertEqual(answer.status_code, 422)
                alert = self.page(answer).xpath("string(//p[@role='alert'])")
                self.assertIn(words, alert)
                self.assertEqual(self.typed(answer).strip(), body.strip())
                self.assertNotIn(b"<script>1", answer.content)
                self.assertEqual(self.sent(), known)

    def test_gate_refuses(self):
        """Whoever refused texts gets none from here either."""
        self.env["phone.blacklist"].sudo()._add([NUMBERS[0]])
        answer = self.post()
        self.assertEqual(answer.status_code, 422)
        self.assertEqual(self.typed(answer), "Yes, until six.")
        self.assertFalse(self.sent())
        self.assertEqual(self.conversation.state, "to_answer")

    def test_cannot_be_texted(self):
        """A service that texts from a name can be read and closed, not answered."""
        conversation = self.text_in("Code 1234", number="ACMEBANK")
        conversation.user_id = self.owner
        link = self.env["sms.reply.link"]._get_for(conversation, self.owner)
        answer = self.call(path=link._get_path())
        self.assertIn("ACMEBANK", self.page(answer).xpath("string(//form)"))
        self.assertFalse(self.page(answer).xpath("//textarea"))
        self.assertEqual(self.post(path=link._get_path()).status_code, 422)
        self.assertFalse(self.sent())

    def test_done(self):
        """Done closes without an answer, but neither a text nor a new one is lost."""
        seen = self.hidden(self.call())["seen_id"]
        close = {"act": "close", "seen_id": seen}
        answer = self.post("Half an answer", data=close)
        self.assertEqual(answer.status_code, 422)
        self.assertEqual(self.typed(answer), "Half an answer")
        self.text_in("Hello?")
        self.assertEqual(self.post("", data=close).status_code, 422)
        self.assertEqual(
            self.post("", data={"act": "close", "seen_id": "x"}).status_code, 422
        )
        self.assertEqual(self.conversation.state, "to_answer")
        close["seen_id"] = self.hidden(self.call())["seen_id"]
        for _time in range(2):
            self.assertEqual(self.post("", data=close).status_code, 303)
        self.assertEqual(self.conversation.state, "closed")
        self.assertFalse(self.conversation.answer_activity_id)
        self.assertFalse(self.sent())
        page = self.page(self.call())
        self.assertIn("closed", page.xpath("string(//form)"))
        self.assertFalse(page.xpath("//button[@value='close']"))
        self.post()
        self.assertEqual(self.conversation.state, "waiting")

    def test_language_and_direction(self):
        """The page speaks the language of the link's user, from right to left too."""
        self.env["res.lang"]._activate_lang("ar_001")
        self.owner.lang = "ar_001"
        for label, change, status in (
            ("thread", {}, 200),
            ("expired", {"expires_at": fields.Datetime.now()}, 410),
        ):
            with self.row(label):
                self.link.write(change)
                answer = self.call()
                self.assertEqual(answer.status_code, status)
                self.assertEqual(self.page(answer).get("lang"), "ar-001")
                self.assertEqual(self.page(answer).get("dir"), "rtl")

    def test_hostile_texts(self):
        """T8: whatever was texted is shown as it came, and never evaluated."""
        cases = [
            "<script>alert(1)</script><img src=x onerror=alert(1)>",
            "{{ 7*7 }} ${7*7} #{7*7} %(name)s {chars}",
            "<t t-out='1+1'/>",
            "=cmd|' /C calc'!A0",
            "\u202eabc \u05e9\u05dc\u05d5\u05dd",
            "x" * 10_000,
            "]]></textarea></p>&amp;&lt;",
        ]
        for body in (*cases, "a\x00b", "a\ud800b"):
            self.text_in(body)
        self.partner.name = "<b>Ada</b> {{ 7*7 }}"
        answer = self.call()
        self.assertEqual(answer.status_code, 200)
        page = self.page(answer)
        texts = page.xpath("//article/p[@dir='auto']")
        self.assertEqual(
            [text.text_content() for text in texts],
            ["Is the shop open?", *cases, "ab", "a\ufffdb"],
        )
        self.assertFalse(page.xpath("//main//script | //main//img | //main//b"))
        self.assertEqual(page.xpath("normalize-space(//h1)"), "<b>Ada</b> {{ 7*7 }}")

    def test_too_large(self):
        """More than 64 KiB is refused with a page."""
        answer = self.post("x" * (reply.REPLY_MAX_BYTES + 1))
        self.assertEqual(answer.status_code, 413)
        self.assertIn("too long", self.page(answer).xpath("string(//h1)"))
        self.assertFalse(self.sent())

    def test_part_without_a_name(self):
        """A form of several parts may have one without a name: no door for a 500."""
        body = b'--X\r\nContent-Disposition: form-data; a="b"\r\n\r\nYes\r\n--X--\r\n'
        headers = {"Content-Type": "multipart/form-data; boundary=X"}
        for path, status in ((self.link._get_path(), 422), ("/sms/reply/x", 404)):
            answer = self.http_call("POST", path, body=body, headers=headers)
            self.check_headers(answer)
            self.assertEqual(answer.status_code, status)
        self.assertFalse(self.sent())

    def test_trouble(self):
        """What nobody foresaw gives a page with the text, and no traceback."""
        link = sms_reply_link.SmsReplyLink
        with (
            patch.object(link, "_send", side_effect=RuntimeError("SECRET")),
            mute_logger(reply.__name__),
        ):
            answer = self.post("Keep <me>")
        self.assertEqual(answer.status_code, 503)
        self.assertNotIn(b"SECRET", answer.content)
        self.assertEqual(self.typed(answer), "Keep <me>")
        with (
            patch.object(link, "_from_token", side_effect=RuntimeError("SECRET")),
            patch.object(reply.SmsReplyPage, "_render", side_effect=RuntimeError),
            mute_logger(reply.__name__),
        ):
            answer = self.post("Keep <me>")
        self.assertEqual(answer.status_code, 503)
        self.assertEqual(self.typed(answer), "Keep <me>")

    def test_conflicts_are_repeated(self):
        """Somebody who writes at the same moment delays the text, and no more."""
        link = sms_reply_link.SmsReplyLink

        def conflicting_once(send, error):
            errors = [error]

            def call(*args):
                result = send(*args)
                if errors:
                    raise errors.pop()
                return result

            return call

        for error in (SerializationFailure, UniqueViolation):
            with self.row(error.__name__):
                send = conflicting_once(link._send, error)
                with patch.object(link, "_send", send):
                    self.assertEqual(self.post().status_code, 303)
                self.assertEqual(len(self.sent()), 1)

    def test_assets(self):
        """Style and script come from our own bundle, with the counter in it."""
        page = self.page(self.call())
        (style,) = page.xpath("//link[@rel='stylesheet']/@href")
        (script,) = page.xpath("//script/@src")
        self.assertFalse(page.xpath("//script[not(@src)] | //style | //@style"))
        self.assertIn("color-scheme", self.url_open(style).text)
        code = self.url_open(script).text
        self.assertIn("countSegments", code)
        self.assertIn("@sms_gateway_hub/reply/reply", code)

    def test_in_a_browser(self):
        """The counter counts as the server does, and Send sends once."""
        self.env.flush_all()
        self.browser_js(
            self.link._get_path(),
            """
            const area = document.querySelector("textarea");
            const counter = document.getElementById("counter");
            const expected = [
                ["", "0 characters · 0 SMS"],
                ["x".repeat(160), "160 characters · 1 SMS"],
                ["x".repeat(161), "161 characters · 2 SMS"],
                ["€".repeat(81), "81 characters · 2 SMS"],
                ["🙂".repeat(36), "36 characters · 2 SMS"],
                [
                    "x".repeat(1531),
                    "1531 characters · 11 SMS – Too long: at most 10 SMS.",
                ],
                ["Yes, until six.", "15 characters · 1 SMS"],
            ];
            for (const [text, words] of expected) {
                area.value = text;
                area.dispatchEvent(new Event("input"));
                if (counter.textContent !== words) {
                    throw new Error(`${counter.textContent} is not ${words}`);
                }
            }
            console.log("test successful");
            """,
            ready="Boolean(document.querySelector('#counter.live'))",
        )

    def test_log(self):
        """No line of the log holds a token, a number or a text."""
        token = self.link._get_token()
        path = self.link._get_path()
        with LogLines("werkzeug") as lines, LogLines() as ours:
            self.call()
            self.post("A text for the log")
            self.call("HEAD")
            self.call(path=f"{path}x")
            self.url_open(f"/web/login?redirect={path}", allow_redirects=False)
            self.url_open(
                f"/web/login?redirect={quote(path, safe='')}", allow_redirects=False
            )
        self.assertGreaterEqual(lines.text().count("/sms/reply/***"), 5)
        for text in (lines.text(), ours.text()):
            self.assertNotIn(token[-40:], text)
            self.assertNotIn("A text for the log", text)
            self.assertNotIn(NUMBERS[0], text)


@tagged("post_install", "-at_install")
class TestReplyDoor(ReplyCase):
    """Who comes in, and who does not."""

    def written(self, but=("res_device_log",)):
        """Return how many rows of which tables this transaction wrote so far."""
        self.env.flush_all()
        self.env.cr.execute(
            """
            SELECT relname, n_tup_ins, n_tup_upd, n_tup_del
              FROM pg_stat_xact_user_tables
             WHERE relname != ALL(%s)
               AND n_tup_ins + n_tup_upd + n_tup_del > 0
            """,
            [list(but)],
        )
        return sorted(self.env.cr.fetchall())

    def assertNothingShown(self, answer):
        """Nothing of the conversation is on the page."""
        text = answer.content.decode()
        for secret in ("Is the shop open?", "Ada Lovelace", NUMBERS[0]):
            self.assertNotIn(secret, text)

    def test_looking_changes_nothing(self):
        """T12: GET, HEAD and OPTIONS write no row in any table."""
        expired = self.link.copy({"expires_at": fields.Datetime.now()})
        session = self.authenticate("olive", "olive")
        paths = {
            "valid": self.link._get_path(),
            "expired": expired._get_path(),
            "unknown": "/sms/reply/x",
        }
        for needs_login in (False, True):
            self.gateway.reply_needs_login = needs_login
            for method in ("GET", "HEAD", "OPTIONS"):
                for label, path in paths.items():
                    for session_label, used in (("none", None), ("own", session)):
                        label = f"{method} {label} {needs_login} {session_label}"
                        with self.subTest(label):
                            before = self.written()
                            with LogLines("odoo.http") as lines:
                                answer = self.call(method, path, session=used)
                            self.assertEqual(self.written(), before)
                            # No second try with a cursor that may write.
                            self.assertNotIn("read/write", lines.text())
                            if method == "HEAD":
                                self.assertFalse(answer.content)
        self.assertFalse(self.link.used_at)
        # What is counted does count.
        before = self.written()
        self.gateway.reply_needs_login = False
        self.post()
        self.assertNotEqual(self.written(), before)

    def test_methods(self):
        """Other methods are refused, whatever the token."""
        for method in ("PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
            for path in (self.link._get_path(), "/sms/reply/x"):
                with self.row(f"{method} {len(path)}"):
                    answer = self.call(method, path, headers={"Content-Length": "0"})
                    self.assertEqual(answer.status_code, 405)
                    self.assertEqual(answer.headers["Allow"], "GET, HEAD, POST")
                    self.assertNothingShown(answer)

    def assertUnknown(self, token):
        links = self.env["sms.reply.link"]
        self.assertFalse(links._from_token(token), token)

    def test_changed_tokens(self):
        """T11: a token with any one character changed is unknown."""
        token = self.link._get_token()
        self.assertEqual(self.env["sms.reply.link"]._from_token(token), self.link)
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        for at, char in enumerate(token):
            for other in {
                alphabet[(alphabet.index(char) + n) % 64] for n in (1, 2, 63)
            }:
                self.assertUnknown(token[:at] + other + token[at + 1 :])
            self.assertUnknown(token[:at] + token[at + 1 :])
            self.assertUnknown(token[:at] + "." + token[at:])
        for end in ("=", "==", ".", "\n", " ", "A", "/"):
            self.assertUnknown(token + end)
        reply.guesses.reset()
        for at in (0, 5, 12, 40, len(token) - 1):
            changed = "A" if token[at] != "A" else "B"
            path = f"/sms/reply/{token[:at]}{changed}{token[at + 1 :]}"
            answer = self.call(path=path)
            self.assertEqual(answer.status_code, 404)
            self.assertNothingShown(answer)

    def test_signed_otherwise(self):
        """Wrong scope, wrong content, another link's id, and rows that are gone."""
        link = self.link.sudo()
        ids = [link.id, link.conversation_id.id, link.user_id.id]
        scope = sms_reply_link._SCOPE
        self.assertEqual(hash_sign(link.env, scope, ids), link._get_token())
        for label, token in (
            ("scope", hash_sign(link.env, "sms_gateway_hub.other", ids)),
            ("id alone", hash_sign(link.env, scope, ids[:1])),
            ("another user", hash_sign(link.env, scope, [*ids[:2], self.other.id])),
            ("another link", hash_sign(link.env, scope, [ids[0] + 1, *ids[1:]])),
            ("huge id", hash_sign(link.env, scope, [2**31 - 1, *ids[1:]])),
            ("signed expiry", hash_sign(link.env, scope, ids, expiration_hours=1)),
        ):
            with self.row(label):
                self.assertUnknown(token)
        # The signature of one link with the ids of another.
        second = link.copy()
        raw = base64.urlsafe_b64decode(link._get_token() + "===")
        forged = raw[:41] + json.dumps([second.id, *ids[1:]]).encode()
        self.assertUnknown(base64.urlsafe_b64encode(forged).decode().rstrip("="))
        token = second._get_token()
        second.unlink()
        self.assertUnknown(token)
        self.assertEqual(len(raw[9:41]) * 8, 256)

    def test_garbage(self):
        """Whatever is no token of ours gets one and the same page."""
        answers = {}
        for label, token in (
            ("short", "x"),
            ("a number", "1"),
            ("base64 of nothing", "AAAA"),
            ("version 2", "Ag" + self.link._get_token()[2:]),
            ("no base64", "%21%21%21"),
            ("not ASCII", quote("ключ-🔑")),
            ("no UTF-8", "%ff%fe"),
            ("NUL", "%00"),
            ("a path", "../../etc/passwd"),
            ("an encoded path", "%2e%2e%2fetc"),
            ("long", "A" * 5000),
            ("signed nothing", "AQ" + "A" * 60),
        ):
            with self.row(label):
                reply.guesses.reset()
                answer = self.call(path=f"/sms/reply/{token}")
                self.assertEqual(answer.status_code, 404)
                answers[label] = answer.content
                self.assertEqual(self.post(path=f"/sms/reply/{token}").status_code, 404)
        self.assertEqual(len(set(answers.values())), 1)
        self.assertFalse(self.sent())

    def test_guessing(self):
        """Too many wrong links from one address are told so; the right one works."""
        for _guess in range(const.GUESSES_PER_MIN):
            self.assertEqual(self.call(path="/sms/reply/wrong").status_code, 404)
        for _guess in range(3):
            self.assertEqual(self.call(path="/sms/reply/wrong").status_code, 429)
        self.assertEqual(self.call().status_code, 200)

    def test_flooding(self):
        """A link sends no more than so many texts within an hour."""
        values = {"number": NUMBERS[0], "author_id": self.owner.id, "kind": "reply"}
        self.enqueue(const.REPLIES_PER_H - 1, **values)
        self.assertEqual(self.post("The last one").status_code, 303)
        answer = self.post("One too many", nonce="e" * 32)
        self.assertEqual(answer.status_code, 429)
        self.assertEqual(self.typed(answer), "One too many")
        self.assertEqual(len(self.sent()), const.REPLIES_PER_H)
        # What was sent already is known, whatever the limit.
        self.assertEqual(self.post("The last one").status_code, 303)
        self.force(
            self.sent()[:1], create_date=fields.Datetime.now() - timedelta(hours=2)
        )
        self.assertEqual(self.post("One more", nonce="e" * 32).status_code, 303)

    def test_ended_links(self):
        """A link that ended says why, shows nothing, sends nothing, keeps the text."""

        def expire():
            self.link.expires_at = fields.Datetime.now()

        def hand_over():
            self.conversation.with_user(self.manager).user_id = self.other

        def hand_over_unseen():
            self.force(self.conversation, user_id=self.other.id)

        def other_company():
            company = self.env["res.company"].create({"name": "Elsewhere"})
            self.owner.write(
                {"company_ids": [(6, 0, company.ids)], "company_id": company.id}
            )

        def no_employee():
            self.owner.write({"group_ids": [(6, 0, [portal.id])]})

        def archive():
            self.owner.active = False

        portal = self.env.ref("base.group_portal")
        for label, end, status, words in (
            ("expired", expire, 410, "expired"),
            ("revoked", self.link._revoke, 410, "revoked"),
            ("handed over", hand_over, 410, "revoked"),
            ("handed over, link unknown", hand_over_unseen, 410, "Somebody else"),
            ("archived", archive, 403, "No access"),
            ("other company", other_company, 403, "No access"),
            ("no employee any more", no_employee, 403, "No access"),
        ):
            with self.row(label):
                end()
                answer = self.call()
                self.assertEqual(answer.status_code, status)
                self.assertIn(words, self.page(answer).xpath("string(//h1)"))
                self.assertNothingShown(answer)
                self.assertFalse(self.page(answer).xpath("//form"))
                answer = self.post("Half <an> answer")
                self.assertEqual(answer.status_code, status)
                self.assertEqual(self.typed(answer), "Half <an> answer")
                self.post("", data={"act": "close", "seen_id": "999999999"})
                self.assertFalse(self.sent())
                self.assertEqual(self.conversation.state, "to_answer")
                self.assertFalse(self.link.used_at)

    def test_manager_who_is_not_the_owner(self):
        """A manager may answer in somebody else's conversation by an own link."""
        link = self.env["sms.reply.link"]._get_for(self.conversation, self.manager)
        self.assertEqual(self.call(path=link._get_path()).status_code, 200)
        self.assertEqual(self.post(path=link._get_path()).status_code, 303)
        self.assertEqual(self.sent().author_id, self.manager)

    def test_login(self):
        """Where a login is asked for, the link works for its user's session alone."""
        self.gateway.reply_needs_login = True
        for label, login, status, words in (
            ("none", None, 403, "log in"),
            ("another user", "oscar", 403, "This link is for Olive"),
            ("a manager", "mona", 403, "This link is for Olive"),
            ("an administrator", "admin", 403, "This link is for Olive"),
            ("the user", "olive", 200, "Ada Lovelace"),
        ):
            with self.row(label):
                session = login and self.authenticate(login, login)
                answer = self.call(session=session)
                self.assertEqual(answer.status_code, status)
                self.assertIn(
                    words.lower(), self.page(answer).xpath("string(//main)").lower()
                )
                csrf = self.hidden(answer).get("csrf_token", "")
                self.assertEqual(bool(csrf), status == 200)
                if status != 200:
                    self.assertNothingShown(answer)
                answer = self.post(
                    "My text", session=session, data={"csrf_token": csrf}
                )
                self.assertEqual(answer.status_code, 303 if status == 200 else status)
                self.assertEqual(len(self.sent()), int(status == 200))
                if status != 200:
                    self.assertEqual(self.typed(answer), "My text")

    def test_gateway_that_is_gone(self):
        """Nobody can say any more whether a login was asked for: it is."""
        self.conversation.gateway_id = False
        self.assertEqual(self.call().status_code, 403)
        session = self.authenticate("olive", "olive")
        self.assertEqual(self.call(session=session).status_code, 200)

    def test_login_leads_back(self):
        """The way to the login leads back to the link, and nowhere else."""
        self.gateway.reply_needs_login = True
        answer = self.call(headers={"Host": "evil.example.com"})
        (way,) = self.page(answer).xpath("//a/@href")
        path = quote(self.link._get_path(), safe="")
        self.assertEqual(way, f"/web/login?redirect={path}")

    def test_forged_post(self):
        """T17: a session is no right here, and a login needs the page's own token."""
        admin = self.authenticate("admin", "admin")
        for label, path in (("wrong", "/sms/reply/wrong"), ("none", "/sms/reply/")):
            with self.row(label):
                self.env.flush_all()
                answer = self.http_call(
                    "POST",
                    path,
                    body=b"act=send&body=Hi&nonce=" + NONCE.encode(),
                    headers={"Content-Type": "application/x-www-form-urlencoded"},
                    cookies=f"session_id={admin.sid}",
                )
                self.assertEqual(answer.status_code, 404)
                self.assertFalse(self.sent())
        with self.row("a link, and an administrator's session"):
            self.assertEqual(self.post(session=admin).status_code, 303)
            self.assertEqual(self.sent().author_id, self.owner)
            self.assertEqual(self.sent().create_uid, self.owner)
        with self.row("an ended link, and an administrator's session"):
            self.link._revoke()
            self.assertEqual(self.post(session=admin).status_code, 410)
            self.assertFalse(self.sent())
        self.gateway.reply_needs_login = True
        own = self.authenticate("olive", "olive")
        fresh = self.hidden(self.call(session=own))["csrf_token"]
        for label, token, status in (
            ("no token", "", 422),
            ("a wrong token", "0" * 40 + "o9999999999", 422),
            ("garbage", "\x00ü", 422),
            ("the page's", fresh, 303),
        ):
            with self.row(label):
                answer = self.post(session=own, data={"csrf_token": token})
                self.assertEqual(answer.status_code, status)
                self.assertEqual(len(self.sent()), int(status == 303))
                if status == 422:
                    self.assertEqual(self.typed(answer), "Yes, until six.")


@tagged("post_install", "-at_install")
class TestReplyLink(ReplyCase):
    """Links are made, used again, ended and forgotten."""

    def test_address(self):
        """The address is absolute, and short enough for a line of an e-mail."""
        url = self.link._get_url()
        self.assertEqual(url, f"{self.link.get_base_url()}{self.link._get_path()}")
        self.assertRegex(self.link._get_path(), r"\A/sms/reply/[\w-]{60,110}\Z")

    def test_used_again(self):
        """A link is given out again while it lasts for more than a day."""
        links = self.env["sms.reply.link"]
        now = fields.Datetime.now()
        for label, days, values, again in (
            ("new", 7, {}, True),
            ("more than a day left", 7, {"expires_at": now + timedelta(25 / 24)}, True),
            ("a day left", 7, {"expires_at": now + timedelta(23 / 24)}, False),
            ("expired", 7, {"expires_at": now - timedelta(1)}, False),
            ("revoked", 7, {"revoked_at": now}, False),
            ("links of a day", 1, {"expires_at": now + timedelta(23 / 24)}, True),
            ("links of a day, late", 1, {"expires_at": now + timedelta(0.4)}, False),
        ):
            with self.row(label):
                self.gateway.reply_link_days = days
                self.link.write(values)
                found = links._get_for(self.conversation, self.owner)
                self.assertEqual(found == self.link, again)
                self.assertEqual(found.state, "valid")
                if not again:
                    self.assertAlmostEqual(
                        found.expires_at,
                        fields.Datetime.now() + timedelta(days=days),
                        delta=timedelta(minutes=5),
                    )
        self.assertNotEqual(links._get_for(self.conversation, self.manager), self.link)

    def test_revoked_by_hand(self):
        """Managers revoke links; nobody else sees them."""
        for user in (self.owner, self.other):
            with self.row(user.login), self.assertRaises(AccessError):
                self.link.with_user(user).action_revoke()
        self.assertEqual(self.link.state, "valid")
        self.link.with_user(self.manager).action_revoke()
        self.assertEqual(self.link.state, "revoked")
        first = self.link.revoked_at
        self.link.with_user(self.manager).action_revoke()
        self.assertEqual(self.link.revoked_at, first)

    def test_revoked_by_handing_over(self):
        """Links end with the conversation's going to somebody else."""
        self.conversation.with_user(self.manager)._reassign(self.other)
        self.assertEqual(self.link.state, "revoked")

    def test_forgotten(self):
        """Links that ended half a year ago are forgotten, younger ones are not."""
        now = fields.Datetime.now()
        old = self.link.copy({"expires_at": now - timedelta(days=181)})
        young = self.link.copy({"expires_at": now - timedelta(days=179)})
        self.env["sms.reply.link"]._gc_links()
        self.assertFalse(old.exists())
        self.assertTrue((young + self.link).exists() == young + self.link)


class TestRateLimit(BaseCase):
    """The limit counts by key, by time, and forgets."""

    def setUp(self):
        super().setUp()
        self.now = 1000.0

    def make(self, limit=3, period_s=60.0, **kwargs):
        return RateLimit(limit, period_s, clock=lambda: self.now, **kwargs)

    def test_limit(self):
        """So many hits are allowed within a window, and then again."""
        limit = self.make()
        self.assertEqual([limit.hit("a") for _n in range(5)], [True] * 3 + [False] * 2)
        self.assertTrue(limit.hit("b"))
        self.now += 59.9
        self.assertFalse(limit.hit("a"))
        self.now += 0.1
        self.assertEqual([limit.hit("a") for _n in range(4)], [True] * 3 + [False])
        limit.reset()
        self.assertTrue(limit.hit("a"))

    def test_memory(self):
        """However many keys there are, so many are remembered: the latest ones."""
        limit = self.make(1, max_keys=100)
        for n in range(10_000):
            limit.hit(n)
            limit.hit("steady")
        self.assertEqual(len(limit), 100)
        self.assertFalse(limit.hit("steady"))
        self.assertFalse(limit.hit(9_999))
        self.assertTrue(limit.hit(0))

    def test_refuses_nonsense(self):
        """Limits that would allow nothing, or everything, are refused."""
        for args in ((0, 1.0), (1, 0.0), (1, -1.0)):
            with self.subTest(args), self.assertRaises(ValueError):
                RateLimit(*args)

    def test_networks(self):
        """IPv6 counts by /64, IPv4 by address, however it is written."""
        for address, network in (
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::/64"),
            ("2001:db8:0:0:ffff::2", "2001:db8::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("", ""),
            (None, ""),
            ("x" * 100, "x" * 64),
        ):
            with self.subTest(address):
                self.assertEqual(network_of(address), network)
