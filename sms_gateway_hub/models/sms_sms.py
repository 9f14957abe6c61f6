# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import re
from collections import defaultdict

from psycopg2 import DataError

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import plaintext2html

from odoo.addons.sms.tools.sms_tools import sms_content_to_rendered_html

from .. import const
from ..tools import segments
from ..tools.sms_api import SmsApiGateway

# What the composer and other callers may set for all SMS that follow from them.
_OPTION_FIELDS = (
    "sms_gateway_id",
    "sms_gateway_kind",
    "sms_gateway_priority",
    "sms_gateway_scheduled_at",
    "sms_gateway_expires_at",
    "sms_gateway_author_id",
    "sms_gateway_purpose",
    "sms_gateway_urgent",
)

# Only our own code may set these: they say what kind of text it is.
_OWN_OPTIONS = (
    "sms_gateway_kind",
    "sms_gateway_purpose",
    "sms_gateway_author_id",
)


class TextOptions(dict):
    """Options of texts in the context, set by the server.

    A client can put anything into the context, but no object of this class.
    """


# Our failure type -> the word that a provider answers to core.
_CORE_ANSWERS = {
    "number_missing": "sms_number_missing",
    "number_invalid": "wrong_number_format",
    "country": "country_not_supported",
    "blacklisted": "sms_blacklist",
    "opted_out": "sms_optout",
    "expired": "expired",
    "rejected": "rejected",
    "no_consent": "sms_optout",
    "no_gateway": "server_error",
}


class SmsSms(models.Model):
    """Core's SMS: only the way into the outbox.

    The options beside the text travel in the context key ``sms_gateway_options``,
    because core builds these rows in several places that pass nothing else on.
    """

    _inherit = "sms.sms"

    sms_gateway_id = fields.Many2one("sms.gateway", "Gateway", copy=False)
    sms_gateway_kind = fields.Selection(const.MESSAGE_KINDS, "Kind")
    sms_gateway_priority = fields.Selection(const.PRIORITIES, "Priority")
    sms_gateway_scheduled_at = fields.Datetime("Send not before")
    sms_gateway_expires_at = fields.Datetime("Send not after")
    sms_gateway_author_id = fields.Many2one("res.users", "Sent by")
    sms_gateway_purpose = fields.Selection(const.PURPOSES, "Purpose")
    sms_gateway_urgent = fields.Boolean("Urgent")
    sms_gateway_res_model = fields.Char("Document model")
    sms_gateway_res_id = fields.Integer("Document ID")
    sms_gateway_company_id = fields.Many2one("res.company", "Company of the document")

    @api.model_create_multi
    def create(self, vals_list):
        defaults = self._sms_gateway_get_options()
        cleaned = []
        for vals in vals_list:
            vals = {**defaults, **vals}
            if vals.get("sms_gateway_company_id") and (
                "record_company_id" in self._fields
            ):
                # Core's other provider keeps the company in a field of its own.
                vals["record_company_id"] = vals["sms_gateway_company_id"]
            for name in ("body", "number"):
                # PostgreSQL refuses NUL and lone surrogates: one such text would
                # fail the whole batch.
                if isinstance(vals.get(name), str):
                    vals[name] = segments.clean_text(vals[name])
            cleaned.append(vals)
        return super().create(cleaned)

    @api.model
    def _sms_gateway_get_options(self):
        """Read the options of the context, which a client may have written.

        :return: dict of values for new rows
        :raise UserError: an option cannot be read
        :raise AccessError: more is asked for than the user may
        """
        given = self.env.context.get("sms_gateway_options") or {}
        if not isinstance(given, dict):
            raise UserError(
                self.env._("The options of the SMS must be names with their values.")
            )
        options = {name: given[name] for name in _OPTION_FIELDS if given.get(name)}
        if self.env.uid == SUPERUSER_ID:
            return {"sms_gateway_author_id": self.env.uid, **options}
        # Core creates these rows with sudo: that is no right to more.
        user = self.env.user
        if not isinstance(given, TextOptions):
            for name in _OWN_OPTIONS:
                options.pop(name, None)
            options = self._sms_gateway_read_options(options)
        options["sms_gateway_author_id"] = self.env.uid
        if gateway_id := options.get("sms_gateway_id"):
            gateway = self.env["sms.gateway"].with_user(user).browse(gateway_id)
            gateway.check_access("read")
        if not user.has_group("sms_gateway_hub.group_manager"):
            if options.get("sms_gateway_urgent"):
                raise AccessError(
                    self.env._(
                        "Only managers of SMS gateways may send urgent texts, "
                        "which skip the recipients' quiet hours."
                    )
                )
            if options.get("sms_gateway_kind") == "broadcast":
                # A mass text is marketing, unless a manager says otherwise.
                options["sms_gateway_purpose"] = "marketing"
        return options

    @api.model
    def _sms_gateway_read_options(self, options):
        """Read values that came from a client, naming what cannot be read."""
        read = {}
        for name, value in options.items():
            field = self._fields[name]
            try:
                if field.type == "datetime":
                    value = fields.Datetime.to_datetime(value)
                elif field.type == "many2one":
                    value = self.env[field.comodel_name].browse(int(value)).exists().id
                    if not value:
                        raise ValueError
                elif field.type == "selection":
                    if value not in field.get_values(self.env):
                        raise ValueError
                else:
                    value = bool(value)
            except (TypeError, ValueError, OverflowError, DataError):
                raise UserError(
                    self.env._(
                        "“%(value)s” cannot be used as “%(option)s” of the SMS.",
                        value=str(value)[:60],
                        option=field._description_string(self.env),
                    )
                ) from None
            read[name] = value
        return read

    # ------------------------------------------------------------------
    # Routing
    # ------------------------------------------------------------------

    def _get_sms_company(self):
        return (
            self.mail_message_id.record_company_id
            or self.sms_gateway_company_id
            or super()._get_sms_company()
        )

    def _sms_gateway_split(self):
        """Group by the gateway that serves.

        :return: tuple of a dict of sms.gateway to sms.sms, and the sms.sms of companies
            that no gateway serves. Under an empty gateway are those whose company is
            served, but not for such a number
        """
        groups = defaultdict(lambda: self.env["sms.sms"])
        rest = self.browse()
        gateways = self.env["sms.gateway"]
        for company, sms_all in self.grouped(
            lambda sms: sms._get_sms_company()
        ).items():
            chosen = sms_all.filtered(
                lambda sms: (
                    sms.sms_gateway_id and sms.sms_gateway_id.sudo()._is_in_service()
                )
            )
            for sms in chosen:
                groups[sms.sms_gateway_id.sudo()] += sms
            others = sms_all - chosen
            if not others:
                continue
            if not gateways._find(company):
                rest += others
                continue
            ids = gateways._route_many(
                company,
                others.mapped("number"),
                [sms.partner_id.id for sms in others],
                sticky=others[0].sms_gateway_kind != "broadcast",
            )
            for sms, gateway_id in zip(others, ids, strict=True):
                groups[gateways.sudo().browse(gateway_id or [])] += sms
        return groups, rest

    def _split_by_api(self):
        groups, rest = self._sms_gateway_split()
        for gateway, sms in groups.items():
            yield SmsApiGateway(self.env, gateway=gateway), sms
        if rest:
            yield from super(SmsSms, rest)._split_by_api()

    def _send(self, unlink_failed=False, unlink_sent=True, raise_exception=False):
        """Split a mixed batch, so that core's queue of several companies cannot jam."""
        options = {
            "unlink_failed": unlink_failed,
            "unlink_sent": unlink_sent,
            "raise_exception": raise_exception,
        }
        if self.env.context.get("sms_api"):
            return super()._send(**options)
        groups, rest = self._sms_gateway_split()
        for gateway, sms in groups.items():
            api_class = SmsApiGateway(self.env, gateway=gateway)
            sms.with_context(sms_api=api_class)._send(**options)
        if not rest:
            return None
        by_company = rest.grouped(lambda sms: sms._get_sms_company())
        for sms in by_company.values():
            super(SmsSms, sms)._send(**options)
        return None

    def _send_with_api(self, sms_api, **options):
        """Let a conflict with another transaction be repeated, not be an error.

        Core takes whatever its provider raises for an answer of that provider.
        """
        result = super()._send_with_api(sms_api, **options)
        if conflict := getattr(sms_api, "conflict", None):
            raise conflict
        return result

    # ------------------------------------------------------------------
    # Enqueue
    # ------------------------------------------------------------------

    def _sms_gateway_enqueue(self, gateway, text_by_uuid):
        """Write these SMS to the outbox.

        :param gateway: sms.gateway, one
        :param dict text_by_uuid: uuid of an SMS to its text
        :return: what core expects of a provider: list of dicts
        """
        messages = self.env["sms.gateway.message"]
        # A second enqueueing of the same SMS changes nothing, unless the first one came
        # to nothing: then somebody mended it and retries.
        last_by_uuid = {
            message.sms_uuid: message
            for message in messages.sudo().search(
                [("sms_uuid", "in", self.mapped("uuid"))], order="id"
            )
        }
        results, values = [], []
        for sms in self:
            last = last_by_uuid.get(sms.uuid)
            if last and last.state not in const.RETRYABLE_STATES:
                results.append({"uuid": sms.uuid, "state": "processing"})
                continue
            prepared = sms._sms_gateway_prepare(gateway, text_by_uuid[sms.uuid])
            values.append({**prepared, "resend_of_id": last.id if last else False})
        created = messages._enqueue(values)
        for message in created:
            result = {"uuid": message.sms_uuid, "state": "processing"}
            if message.state != "queued":
                result["state"] = _CORE_ANSWERS.get(message.failure_type, "rejected")
                result["failure_reason"] = message.failure_reason
            results.append(result)
        return results

    def _sms_gateway_prepare(self, gateway, text):
        self.ensure_one()
        mail_message = self.mail_message_id
        number = self.number
        if number and not re.match(const.E164_PATTERN, number):
            # Core hands on what it could not format.
            source = self.partner_id or self.env.user
            number = source._phone_format(number=number) or number
        res_model = mail_message.model or self.sms_gateway_res_model
        res_id = mail_message.res_id or self.sms_gateway_res_id
        partner = self.partner_id
        if not partner and res_model == "res.partner" and res_id:
            # One more of the contact's own numbers.
            document = partner.browse(res_id)
            if number in document.sudo().mobile_ids.mapped("number_e164"):
                partner = document
        author = self.sms_gateway_author_id or self.env.user
        kind = self.sms_gateway_kind or "automatic"
        expires_at = self.sms_gateway_expires_at
        if not expires_at and kind == "automatic" and mail_message and res_id:
            document = self.env[res_model].sudo().browse(res_id)
            if hasattr(document, "_sms_gateway_get_expiry"):
                expires_at = document._sms_gateway_get_expiry()
        return {
            "sms_uuid": self.uuid,
            "gateway_id": gateway.id,
            # Chosen for this text or for the contact: no fallback sends it.
            "gateway_fixed": gateway
            in (self.sms_gateway_id, partner.sudo().sms_gateway_id),
            "kind": kind,
            "purpose": self.sms_gateway_purpose or const.PURPOSE_OF_KIND[kind],
            "urgent": self.sms_gateway_urgent,
            "number": number or False,
            "partner_id": partner.id,
            "res_model": res_model,
            "res_id": res_id,
            "mail_message_id": mail_message.id,
            "body": text,
            "priority": self.sms_gateway_priority
            or (const.PRIORITY_LOW if kind == "broadcast" else const.PRIORITY_NORMAL),
            "scheduled_at": self.sms_gateway_scheduled_at,
            "expires_at": expires_at,
            "author_id": author.id,
            "company_id": self._get_sms_company().id,
        }

    @api.model
    def _sms_gateway_to_html(self, text):
        """Return a text as escaped HTML with links, never evaluated."""
        return sms_content_to_rendered_html(text) if text else plaintext2html("")
