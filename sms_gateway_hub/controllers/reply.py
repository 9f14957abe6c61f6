# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
from datetime import timedelta
from urllib.parse import quote
from uuid import uuid4

from markupsafe import Markup
from psycopg2.errors import UniqueViolation

from odoo import SUPERUSER_ID, fields, http
from odoo.exceptions import UserError
from odoo.http import request
from odoo.tools import format_date, format_time, groupby

from .. import const
from ..tools import segments
from ..tools.rate_limit import RateLimit, network_of
from ..tools.transaction import in_new_transaction

_logger = logging.getLogger(__name__)

_BUNDLE = "sms_gateway_hub.assets_reply"
REPLY_MAX_BYTES = 64 * 1024
TEXTS_SHOWN = 40
# The page says for so long that the text is on its way.
_JUST_SENT = timedelta(minutes=1)
# Ten parts of 153 characters; what is longer is answered in words.
_TEXT_MAX_CHARS = 4000

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Content-Type": "text/html; charset=utf-8",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}

_STATUS_OF_PROBLEM = {
    "unknown": 404,
    "guessing": 429,
    "method": 405,
    "too_large": 413,
    "trouble": 503,
    "expired": 410,
    "revoked": 410,
    "handed_over": 410,
    "no_access": 403,
    "wrong_user": 403,
    "login": 403,
}

# For when nothing else can be made, e.g. without a database. In English: languages
# are in there too.
_LAST_RESORT = Markup(
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"/>'
    '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
    "<title>Try again</title></head><body><h1>Try again in a moment</h1>"
    "<p>Something went wrong. Whether your text was sent is shown in the thread.</p>"
    '<textarea rows="8" cols="36" readonly="readonly" dir="auto">{text}</textarea>'
    "</body></html>"
)

# Each process counts for itself. A link that works is never refused: else whoever
# shares an address with somebody who guesses, or with all others behind a proxy that
# does not tell addresses apart, could not answer.
guesses = RateLimit(const.GUESSES_PER_MIN, 60.0)


class SmsReplyPage(http.Controller):
    """The page to answer at from a phone: ``/sms/reply/<token>``.

    The address is the right: signed, for one user and one conversation. The page acts
    as the link's user and never with the rights of a session that happens to be there.
    A session is read where the gateway asks for a login, to compare the user, and is
    never written. Looking changes nothing; posting does, in a transaction of its own.
    """

    # No CSRF token of Odoo: it protects those whom a browser identifies by itself, by
    # its cookie. Here the path does, which another site does not know. Where a login
    # is asked for as well, the session's token is checked in ``_post``.
    @http.route(
        "/sms/reply/<path:token>",
        type="http",
        auth="none",
        csrf=False,
        save_session=False,
        sitemap=False,
        readonly=lambda _self, _rule, _args: request.httprequest.method != "POST",
        max_content_length=REPLY_MAX_BYTES,
    )
    def reply(self, token, **params):
        """Show the page, send a text, or close the conversation.

        :param str token: of an ``sms.reply.link``
        """
        body = segments.clean_text(str(params.get("body") or ""))
        if not request.db:
            # Reached where the hub is a server-wide module: PostgreSQL is away.
            return self._respond(_LAST_RESORT.format(text=body), 503)
        try:
            return self._serve(token, body, params)
        except Exception:
            _logger.exception("The reply page could not be shown")
            return self._refuse("trouble", body=body)

    def _serve(self, token, body, params):
        method = request.httprequest.method
        if method == "OPTIONS":
            return self._respond("", 204, {"Allow": "GET, HEAD, POST"})
        if method not in ("GET", "HEAD", "POST"):
            return self._refuse("method", headers={"Allow": "GET, HEAD, POST"})
        env = request.env(user=SUPERUSER_ID, su=True)
        link = env["sms.reply.link"]._from_token(token)
        if not link:
            allowed = guesses.hit(network_of(request.httprequest.remote_addr))
            return self._refuse("unknown" if allowed else "guessing")
        problem = link._get_problem() or self._get_login_problem(link)
        if problem:
            return self._refuse(problem, link=link, body=body)
        if method == "POST":
            return self._post(link, body, params)
        return self._show(link)

    def _get_login_problem(self, link):
        """Say whether the gateway asks for a login that is not there."""
        if not link._needs_login() or request.session.uid == link.user_id.id:
            return None
        return "wrong_user" if request.session.uid else "login"

    # ------------------------------------------------------------------
    # Acting
    # ------------------------------------------------------------------

    def _post(self, link, body, params):
        env = link._get_user_env()
        csrf_token = str(params.get("csrf_token") or "")
        if link._needs_login() and not self._is_csrf_token(csrf_token):
            error = env._(
                "Nothing was sent, because you logged in anew meanwhile. Press Send "
                "again."
            )
            return self._show(link, body=body, error=error, status=422)
        try:
            if params.get("act") == "close":
                if body.strip():
                    raise UserError(
                        env._("Your text was not sent. Send it, or empty it first.")
                    )
                seen_id = str(params.get("seen_id") or "0")
                seen_id = int(seen_id) if seen_id.isdecimal() else 0
                self._act(link, lambda own: own._close(seen_id))
            else:
                nonce = str(params.get("nonce") or "")
                self._act(link, lambda own: own._send(body, nonce))
        except UserError as error:
            return self._show(
                link, body=body, error=str(error), status=error.http_status
            )
        return self._respond("", 303, {"Location": link._get_path()})

    def _is_csrf_token(self, token):
        return token.isascii() and request.validate_csrf(token)

    def _act(self, link, act):
        """Run an act as the link's user in a transaction of its own.

        What conflicts is repeated there, and what fails leaves this transaction good
        to show the page with the text that was typed.

        :param act: function of the link in the environment of its user
        """
        env = link._get_user_env()

        def work(new):
            act(new["sms.reply.link"].browse(link.id))

        link._wait_for_turn()
        try:
            in_new_transaction(env, work)
        except UniqueViolation:
            # The same page was sent twice, by two links: the second finds the first.
            in_new_transaction(env, work)

    # ------------------------------------------------------------------
    # Showing
    # ------------------------------------------------------------------

    def _show(self, link, *, body="", error=None, status=200):
        """Show the thread and the form.

        :param str body: what was typed and not sent
        :param str error: why, in words
        """
        env = link._get_user_env()
        conversation = link.conversation_id.with_env(env)
        thread = conversation.get_thread(limit=TEXTS_SHOWN)
        count = segments.count_segments(body)
        gateway = conversation.sudo()._get_gateway()
        parts_max = gateway.max_segments or const.MAX_SEGMENTS
        # Who may see the conversation may see whom it is with.
        name, number = conversation.sudo().display_name, conversation.number
        values = {
            "title": env._("SMS: %s", name),
            "name": name,
            "number": number if number != name else False,
            "just_sent": not error and self._is_just_sent(env, thread["messages"]),
            "days": self._group_by_day(env, thread["messages"]),
            "has_more": thread["has_more"],
            "seen_id": max((text["id"] for text in thread["messages"]), default=0),
            "can_answer": conversation.can_answer,
            "no_answer_reason": conversation.no_answer_reason,
            "closed": conversation.state == "closed",
            "to_answer": conversation.state == "to_answer",
            "error": error,
            "body": body,
            "counter": self._counter_words(env).format(
                chars=len(body), parts=count.segments
            ),
            "counter_words": self._counter_words(env),
            "too_long_words": env._("Too long: at most %s SMS.", parts_max),
            "parts_max": parts_max,
            "too_long": count.segments > parts_max,
            "text_max_chars": _TEXT_MAX_CHARS,
            "nonce": uuid4().hex,
            "csrf_token": request.csrf_token() if link._needs_login() else False,
            "odoo_path": f"/odoo/sms.conversation/{conversation.id}",
        }
        return self._render(env, "sms_gateway_hub.reply_page", values, status)

    def _counter_words(self, env):
        return env._("{chars} characters · {parts} SMS")

    def _is_just_sent(self, env, texts):
        """Say whether the newest text is the user's own, of this moment."""
        last = texts[-1] if texts else {}
        return bool(
            last.get("kind") == "reply"
            and last["author"] == env.user.name
            and last["state"] in ("queued", "sending", "sent", "delivered")
            and fields.Datetime.to_datetime(last["date"])
            > fields.Datetime.now() - _JUST_SENT
        )

    def _group_by_day(self, env, texts):
        """Return the texts by day, with all that the page shows in words."""
        now = fields.Datetime.context_timestamp(env["res.users"], fields.Datetime.now())
        today = now.date()
        words = {
            today: env._("Today"),
            today - timedelta(days=1): env._("Yesterday"),
        }
        for text in texts:
            at = fields.Datetime.to_datetime(text["date"])
            local = fields.Datetime.context_timestamp(env["res.users"], at)
            text.update(
                day=local.date(),
                iso=local.isoformat(),
                time=format_time(env, local.time(), time_format="short"),
                outgoing=text["direction"] == "outgoing",
                failed=text["state"]
                in ("failed", "undelivered", "expired", "canceled"),
                author=text["author"] if text["author"] != env.user.name else False,
            )
        return [
            {
                "label": words.get(day) or format_date(env, day, date_format="full"),
                "texts": of_day,
            }
            for day, of_day in groupby(texts, key=lambda text: text["day"])
        ]

    def _refuse(self, problem, *, link=None, body="", headers=None):
        """Answer with a page that says why nothing else is shown.

        Nothing of the conversation is on it; what was typed is given back.

        :param str problem: a key of ``_STATUS_OF_PROBLEM``
        """
        status = _STATUS_OF_PROBLEM[problem]
        try:
            if problem == "trouble":
                # Whatever failed may have spoilt the transaction.
                request.env.cr.rollback()
            env = self._get_problem_env(link)
            title, lines = self._get_problem_words(env, problem, link)
            path = link._get_path() if link else ""
            values = {
                "title": title,
                "lines": lines,
                "body": body,
                "login_path": f"/web/login?redirect={quote(path, safe='')}"
                if problem == "login"
                else False,
                "logout_path": f"/web/session/logout?redirect={quote(path, safe='')}"
                if problem == "wrong_user"
                else False,
                "odoo_path": f"/odoo/sms.conversation/{link.conversation_id.id}"
                if link and problem in ("expired", "revoked", "handed_over")
                else False,
            }
            return self._render(
                env, "sms_gateway_hub.reply_problem", values, status, headers
            )
        except Exception:
            _logger.exception("The reply page could not say what is wrong")
            return self._respond(_LAST_RESORT.format(text=body), status, headers)

    def _get_problem_env(self, link):
        """Return an environment to say things in: the user's language, no rights."""
        public = request.env.ref("base.public_user")
        lang = link._get_user_env().lang if link else request.env.lang
        return request.env(user=public.id, su=False, context={"lang": lang})

    def _get_problem_words(self, env, problem, link):
        """Return the title and the lines of a page without a thread."""
        if problem == "wrong_user":
            current = request.env["res.users"].sudo().browse(request.session.uid)
            return env._("Somebody else's link"), [
                env._(
                    "This link is for %(owner)s; you are logged in as %(current)s.",
                    owner=link.user_id.name,
                    current=current.name,
                )
            ]
        elsewhere = env._("Newer e-mails have newer links, and Odoo always works.")
        if problem == "unknown":
            return env._("Unknown link"), [
                env._("This link does not exist, or a part of it is missing."),
                env._("Open it again from the e-mail that it came with."),
            ]
        if problem == "guessing":
            return env._("Too many tries"), [
                env._("Too many wrong links came from your network."),
                env._("Wait a minute, then open the link again from the e-mail."),
            ]
        if problem == "expired":
            return env._("This link has expired"), [
                env._("Links to answer from a phone work for some days only."),
                elsewhere,
            ]
        if problem == "revoked":
            return env._("This link was revoked"), [
                env._(
                    "The conversation was handed over to somebody else, or a manager "
                    "ended the link."
                ),
                elsewhere,
            ]
        if problem == "handed_over":
            return env._("Somebody else answers now"), [
                env._("The conversation was handed over to somebody else."),
            ]
        if problem == "no_access":
            return env._("No access"), [
                env._(
                    "The user whom this link was sent to may not answer in this "
                    "conversation any more."
                )
            ]
        if problem == "login":
            return env._("Please log in"), [
                env._("To answer here you have to log in to Odoo first."),
            ]
        if problem == "method":
            return env._("Not possible"), [env._("Open the link in a browser.")]
        if problem == "too_large":
            return env._("Far too long"), [
                env._("Nothing was sent. Go back and shorten your text."),
            ]
        return env._("Try again in a moment"), [
            env._(
                "Something went wrong. Whether your text was sent is shown in the "
                "thread."
            )
        ]

    def _render(self, env, template, values, status, headers=None):
        lang = env["res.lang"]._get_data(code=env.lang)
        qweb = env["ir.qweb"]
        # Of no direction: the style has none, and turning it needs a tool of its own.
        assets = qweb.with_context(lang="en_US")
        values = {
            **values,
            "page_lang": (env.lang or "en_US").replace("_", "-").split("@")[0],
            "direction": lang.direction or "ltr",
            # Not by t-call-assets: it adds handlers that the policy forbids.
            "styles": assets._get_asset_links(_BUNDLE, css=True, js=False),
            "scripts": assets._get_asset_links(_BUNDLE, css=False, js=True),
        }
        page = qweb._render(template, values)
        return self._respond(Markup("<!DOCTYPE html>\n") + page, status, headers)

    def _respond(self, page, status, headers=None):
        return request.make_response(
            page, headers=list({**_HEADERS, **(headers or {})}.items()), status=status
        )
