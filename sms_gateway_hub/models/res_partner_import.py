# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import re

from odoo import fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain
from odoo.tools.sql import escape_psql

from odoo.addons.base.models.res_partner import _tz_get

from .res_partner_mobile import read_number

_PUNCTUATION = re.compile(r"[()\-.+\s]")
# What CommCare's mark of a verified number proves: it has no column for the words.
_VERIFIED_WORDING = "Verified in CommCare: contact_phone_number_is_verified = 1"


def _import_column(label, inverse, help_text):
    """Return a field that an import can fill and that costs nothing otherwise."""
    return fields.Char(
        label,
        compute="_compute_sms_gateway_import",
        inverse=inverse,
        exportable=False,
        copy=False,
        groups="sms_gateway_hub.group_user",
        help=help_text,
    )


class ResPartner(models.Model):
    """Columns that people who come from CommCare have, under their own names."""

    # A file of its own: what only imports know stays apart from the contact.
    _inherit = "res.partner"  # pylint: disable=consider-merging-classes-inherited

    contact_phone_number = _import_column(
        "CommCare: contact_phone_number",
        "_inverse_contact_phone_number",
        "For imports: digits with the country code first. What is no number, like 0, "
        "removes the number that the contact is texted at; empty changes nothing.",
    )
    contact_phone_number_is_verified = _import_column(
        "CommCare: contact_phone_number_is_verified",
        "_inverse_contact_phone_number",
        "For imports: 1 records that the person agreed to texts, and registers the "
        "number for answers. Anything else does nothing.",
    )
    language_code = _import_column(
        "CommCare: language_code",
        "_inverse_language_code",
        "For imports: code of a language that is installed, like fr or fr_FR.",
    )
    time_zone = _import_column(
        "CommCare: time_zone",
        "_inverse_time_zone",
        "For imports: name of a time zone, like America/New_York.",
    )
    contact_backend_id = _import_column(
        "CommCare: contact_backend_id",
        "_inverse_contact_backend_id",
        "For imports: name of the gateway for this contact.",
    )
    commcare_email_address = _import_column(
        "CommCare: commcare_email_address",
        "_inverse_commcare_email_address",
        "For imports: the contact's e-mail address.",
    )

    def _compute_sms_gateway_import(self):
        for partner in self:
            partner.contact_phone_number = False
            partner.contact_phone_number_is_verified = False
            partner.language_code = False
            partner.time_zone = False
            partner.contact_backend_id = False
            partner.commcare_email_address = False

    def _inverse_contact_phone_number(self):
        mobiles = self.env["res.partner.mobile"]
        verified = []
        for partner in self:
            value = read_number(partner.contact_phone_number or "")
            if not value:
                continue
            number = partner._sms_gateway_read_commcare(value)
            partner._sms_gateway_write_number(number)
            is_verified = (partner.contact_phone_number_is_verified or "").strip()
            if number and is_verified == "1":
                mobile = partner._sms_gateway_pick()
                mobile._claim_ownership()
                mobile = mobiles.browse(mobile.id)
                verified.append((mobile, "opted_in", _VERIFIED_WORDING, False))
        self.env.add_to_compute(self._fields["mobile"], self)
        mobiles._record_imported(verified)

    def _sms_gateway_read_commcare(self, value):
        """Return a number of CommCare for typing, "" for what is none."""
        digits = _PUNCTUATION.sub("", value)
        if not digits.isascii() or not digits.isdigit() or not digits.strip("0"):
            return ""
        number = f"+{digits}"
        # The country code comes first, but people also keep numbers as they dial them.
        known = self.env["res.partner.mobile"]._to_e164(number, self.sudo())
        return number if known else digits

    def _inverse_language_code(self):
        codes = [code for code, _name in self.env["res.lang"].get_installed()]
        for partner in self:
            wanted = (partner.language_code or "").strip().replace("-", "_")
            if not wanted:
                continue
            language = wanted.partition("_")[0].casefold()
            found = [code for code in codes if code.casefold() == wanted.casefold()]
            found += [code for code in codes if code.partition("_")[0] == language]
            if found:
                partner.lang = found[0]
                continue
            partner._message_log(
                body=self.env._(
                    "The import names the language “%s”, which is not installed: the "
                    "contact's language stays as it was.",
                    wanted,
                )
            )

    def _inverse_time_zone(self):
        zones = {code for code, _name in _tz_get(self)}
        for partner in self:
            wanted = (partner.time_zone or "").strip()
            if wanted and wanted not in zones:
                raise ValidationError(
                    self.env._(
                        "“%s” is no time zone: use a name like America/New_York.",
                        wanted,
                    )
                )
            partner.tz = wanted or False

    def _inverse_contact_backend_id(self):
        names = {read_number(partner.contact_backend_id or "") for partner in self}
        gateways = self.env["sms.gateway"].search(
            Domain.OR(Domain("name", "=ilike", escape_psql(name)) for name in names)
        )
        for partner in self:
            wanted = read_number(partner.contact_backend_id or "")
            named = gateways.filtered(
                lambda gateway, wanted=wanted: (
                    gateway.name.casefold() == wanted.casefold()
                )
            )
            company = partner.company_id or self.env.company
            # Its company's own gateway before one that all share.
            found = (
                named.filtered(lambda gateway, own=company: gateway.company_id == own)
                or named.filtered(lambda gateway: not gateway.company_id)
            )[:1]
            if wanted and not found:
                raise ValidationError(
                    self.env._(
                        "There is no gateway “%(name)s” for %(company)s: write its "
                        "name as in SMS / Gateways, or leave contact_backend_id empty.",
                        name=wanted,
                        company=company.name,
                    )
                )
            partner.sms_gateway_id = found

    def _inverse_commcare_email_address(self):
        for partner in self:
            partner.email = (partner.commcare_email_address or "").strip() or False
