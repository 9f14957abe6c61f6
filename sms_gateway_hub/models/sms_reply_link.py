# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import re
from datetime import timedelta
from urllib.parse import urljoin

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL, consteq, get_lang, hash_sign, verify_hash_signed

from .. import const
from ..tools import segments

_SCOPE = "sms_gateway_hub.sms.reply.link"
# Ours have about 80 characters.
_TOKEN_MAX_CHARS = 256
_NONCE = re.compile(r"[0-9a-f]{32}\Z")
# Owners get the link they have rather than a new one while it lasts so long.
_REUSE_WITH_LEFT = timedelta(days=1)
# Until then a link says that it has ended; after that nobody knows it any more.
_KEEP_DAYS = 180


class TooManyReplies(UserError):
    """One link sent as many texts as it may within an hour."""

    http_status = 429


class SmsReplyLink(models.Model):
    """A link to the reply page: for one user and one conversation, for a time.

    Its token is made of ids and signed by Odoo: HMAC-SHA256 with the secret of the
    database, 256 bits, so it cannot be guessed and is not stored. Whoever has it acts
    as its user in this one conversation until it expires or is revoked.
    """

    _name = "sms.reply.link"
    _description = "SMS Reply Link"
    _order = "id desc"

    conversation_id = fields.Many2one(
        "sms.conversation", required=True, readonly=True, index=True, ondelete="cascade"
    )
    user_id = fields.Many2one(
        "res.users", required=True, readonly=True, index=True, ondelete="cascade"
    )
    expires_at = fields.Datetime("Works until", required=True, readonly=True)
    revoked_at = fields.Datetime("Revoked on", readonly=True)
    used_at = fields.Datetime(
        "Last used on", readonly=True, help="To send a text or to close; not to look."
    )
    state = fields.Selection(
        [("valid", "Valid"), ("expired", "Expired"), ("revoked", "Revoked")],
        compute="_compute_state",
    )

    # ------------------------------------------------------------------
    # Computes and ORM
    # ------------------------------------------------------------------

    @api.depends("conversation_id", "user_id")
    def _compute_display_name(self):
        for link in self:
            link.display_name = (
                f"{link.conversation_id.display_name} – {link.user_id.display_name}"
            )

    @api.depends("expires_at", "revoked_at")
    def _compute_state(self):
        now = fields.Datetime.now()
        for link in self:
            if link.revoked_at:
                link.state = "revoked"
            elif not link.expires_at or link.expires_at <= now:
                link.state = "expired"
            else:
                link.state = "valid"

    # ------------------------------------------------------------------
    # Made, found, ended
    # ------------------------------------------------------------------

    @api.model
    def _get_for(self, conversation, user):
        """Return the user's valid link of a conversation, a new one if need be.

        :param conversation: sms.conversation, one
        :param user: res.users, one
        :return: sms.reply.link, with sudo
        """
        conversation.ensure_one()
        user.ensure_one()
        now = fields.Datetime.now()
        days = conversation.sudo().gateway_id.reply_link_days or const.REPLY_LINK_DAYS
        lifetime = timedelta(days=days)
        links = self.sudo()
        known = links.search(
            [
                ("conversation_id", "=", conversation.id),
                ("user_id", "=", user.id),
                ("revoked_at", "=", False),
                ("expires_at", ">", now + min(_REUSE_WITH_LEFT, lifetime / 2)),
            ],
            limit=1,
        )
        return known or links.create(
            {
                "conversation_id": conversation.id,
                "user_id": user.id,
                "expires_at": now + lifetime,
            }
        )

    @api.model
    def _from_token(self, token):
        """Return the link that a token stands for, whatever its state, or none.

        The database is asked after the signature was found good, and only then: what
        is no token of ours all costs the same and is answered the same.

        :param str token: as it came
        :return: sms.reply.link, with sudo
        """
        links = self.sudo()
        if len(token) > _TOKEN_MAX_CHARS or not token.isascii():
            token = ""
        try:
            values = verify_hash_signed(links.env, _SCOPE, token)
        except ValueError:
            # No base64, another version, no text, or no JSON.
            values = None
        if not values:
            return links.browse()
        link = links.browse(values[0]).exists()
        # Base64 may be written in more than one way: only our own counts.
        if not link or not consteq(link._get_token(), token):
            return links.browse()
        return link

    def _get_token(self):
        self.ensure_one()
        return hash_sign(
            self.sudo().env,
            _SCOPE,
            [self.id, self.conversation_id.id, self.user_id.id],
        )

    def _get_path(self):
        """Return the path of the reply page."""
        return f"/sms/reply/{self._get_token()}"

    def _get_url(self):
        """Return the address of the reply page."""
        return urljoin(self.get_base_url(), self._get_path())

    def _revoke(self):
        """End links at once."""
        self.sudo().filtered(lambda link: not link.revoked_at).write(
            {"revoked_at": fields.Datetime.now()}
        )

    def action_revoke(self):
        """End links at once, e.g. when a phone is lost."""
        # Only managers may read links; nobody writes them by hand.
        self.check_access("read")
        self._revoke()
        return True

    @api.autovacuum
    def _gc_links(self):
        """Forget links that ended long ago."""
        self.sudo().search(
            [("expires_at", "<", fields.Datetime.now() - timedelta(days=_KEEP_DAYS))],
            limit=10_000,
        ).unlink()

    # ------------------------------------------------------------------
    # What the page does
    # ------------------------------------------------------------------

    def _get_user_env(self, cr=None):
        """Return the environment that the page acts in: the link's user, no more.

        :param cr: cursor, the link's own when left out
        """
        self.ensure_one()
        user = self.user_id.sudo()
        company = self.conversation_id.sudo().company_id
        companies = company | user.company_ids
        return self.env(
            cr=cr or self.env.cr,
            user=user.id,
            su=False,
            context={
                "lang": get_lang(self.sudo().env, user.lang).code,
                "tz": user.tz or "UTC",
                "allowed_company_ids": [
                    company.id,
                    *(other.id for other in companies if other != company),
                ],
            },
        )

    def _needs_login(self):
        """Say whether the link's user must be logged in as well."""
        self.ensure_one()
        gateway = self.sudo().conversation_id.gateway_id
        # What a gateway asked for that is gone is not known: the safe way.
        return not gateway or gateway.reply_needs_login

    def _get_problem(self):
        """Say why the link leads nowhere, or nothing.

        :return: "revoked", "expired", "handed_over", "no_access", or None
        """
        self.ensure_one()
        link = self.sudo()
        if link.state != "valid":
            return link.state
        conversation, user = link.conversation_id, link.user_id
        if not conversation._may_own(user):
            return "no_access"
        if conversation.user_id != user and not user.has_group(
            "sms_gateway_hub.group_manager"
        ):
            return "handed_over"
        own = conversation.with_env(self._get_user_env())
        if not own.has_access("read") or not own.has_access("write"):
            return "no_access"
        return None

    def _wait_for_turn(self):
        """Let the acts of a link come one after the other, until this transaction ends.

        The act itself needs a younger transaction, which sees what the one before did.
        """
        self.ensure_one()
        self.env.cr.execute(
            SQL("SELECT pg_advisory_xact_lock(hashtext(%s), %s)", self._table, self.id)
        )

    def _use(self):
        """Note that the link is used, now that it may be.

        :return: sms.conversation, as the link's user
        :raise UserError: the link has ended meanwhile
        """
        self.ensure_one()
        link = self.sudo()
        link.used_at = fields.Datetime.now()
        if link._get_problem():
            raise UserError(self.env._("This link no longer works: load the page."))
        return link.conversation_id.with_env(self._get_user_env())

    def _send(self, body, nonce):
        """Text the other side as the link's user, once for each nonce.

        :param str body: the text
        :param str nonce: 32 hex digits of the page that was shown
        :return: sms.gateway.message
        :raise TooManyReplies: the link sent enough for now
        :raise UserError: why it was not sent, in words
        """
        conversation = self._use()
        outdated = self.env._(
            "Nothing was sent, because this page is out of date. Check the thread, "
            "then press Send again."
        )
        if not _NONCE.match(nonce or ""):
            raise UserError(outdated)
        body = segments.clean_text(body)
        if not body.strip():
            raise UserError(self.env._("Write a text first."))
        messages = self.env["sms.gateway.message"].sudo()
        known = messages.search([("uuid", "=", nonce)])
        if known and (known.body, known.number, known.author_id) != (
            body,
            conversation.number,
            self.user_id,
        ):
            # An old page, reached by the Back button: not what was sent from it.
            raise UserError(outdated)
        if not known:
            sent = messages.search_count(
                [
                    ("number", "=", conversation.number),
                    ("company_id", "=", conversation.company_id.id),
                    ("direction", "=", "outgoing"),
                    ("author_id", "=", self.user_id.id),
                    (
                        "create_date",
                        ">",
                        fields.Datetime.now() - timedelta(hours=1),
                    ),
                ],
                limit=const.REPLIES_PER_H,
            )
            if sent >= const.REPLIES_PER_H:
                raise TooManyReplies(
                    self.env._(
                        "Nothing was sent: you texted this number %s times within "
                        "the last hour. Wait a while, or go on in Odoo.",
                        const.REPLIES_PER_H,
                    )
                )
        return conversation._answer(body, uuid=nonce)

    def _close(self, seen_id):
        """Close the conversation without an answer, as the link's user.

        :param int seen_id: id of the newest text that the page showed
        :raise UserError: somebody texted since
        """
        conversation = self._use()
        newer = (
            self.env["sms.gateway.message"]
            .sudo()
            .search_count(
                conversation._get_message_domain()
                & Domain("direction", "=", "incoming")
                & Domain("id", ">", seen_id),
                limit=1,
            )
        )
        if newer:
            raise UserError(
                self.env._("Another text has come in: read it before you are done.")
            )
        conversation.action_close()
