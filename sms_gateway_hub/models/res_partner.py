# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import re

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain
from odoo.tools.sql import column_exists, create_column

from .res_partner_mobile import read_number


class ResPartner(models.Model):
    """Contacts with ranked mobile numbers, texts and a gateway of their own.

    Context keys, read where the number of a contact is looked up or written:

    * ``sms_gateway_number_choice``: "best" (default), or "label" for the best of the
      numbers with the label ``sms_gateway_number_label``, of ``const.MOBILE_LABELS``.
    """

    _inherit = "res.partner"

    # Each incoming text looks its contact up by number.
    phone_sanitized = fields.Char(index="btree_not_null")
    mobile_ids = fields.One2many(
        "res.partner.mobile",
        "partner_id",
        "Mobile numbers",
        groups="sms_gateway_hub.group_user",
    )
    # Core looks for a field of this name first, wherever it needs a number to text.
    mobile = fields.Char(
        compute="_compute_mobile",
        inverse="_inverse_mobile",
        store=True,
        help="The number that the contact is texted at: the first of its mobile "
        "numbers that can be used.",
    )
    sms_gateway_id = fields.Many2one(
        "sms.gateway",
        "Own gateway",
        domain="[('state', '!=', 'disabled'), "
        "('company_id', 'in', [False, company_id or current_company_id])]",
        index="btree_not_null",
        ondelete="set null",
        groups="sms_gateway_hub.group_user",
        help="Texts to this contact go through this gateway; those of other companies "
        "than the gateway's do not. Empty: the gateway is chosen by number and "
        "company.",
    )
    sms_gateway_message_ids = fields.One2many(
        "sms.gateway.message",
        "partner_id",
        "SMS",
        readonly=True,
        groups="sms_gateway_hub.group_user",
    )
    sms_gateway_message_count = fields.Integer(
        "SMS count",
        compute="_compute_sms_gateway_message_count",
        groups="sms_gateway_hub.group_user",
    )

    def _auto_init(self):
        # At installation the column is filled by SQL, not contact by contact.
        if not column_exists(self.env.cr, self._table, "mobile"):
            create_column(self.env.cr, self._table, "mobile", "varchar")
        return super()._auto_init()

    def _compute_sms_gateway_message_count(self):
        counts = dict(
            self.env["sms.gateway.message"]._read_group(
                [("partner_id", "in", self.ids)], ["partner_id"], ["__count"]
            )
        )
        for partner in self:
            partner.sms_gateway_message_count = counts.get(partner._origin, 0)

    @api.depends(
        "mobile_ids.sequence",
        "mobile_ids.number_e164",
        "mobile_ids.line_type",
        "mobile_ids.dead_at",
        "mobile_ids.blocked",
    )
    def _compute_mobile(self):
        for partner in self:
            partner.mobile = partner.mobile_ids._best().number_e164

    def _inverse_mobile(self):
        for partner in self:
            partner._sms_gateway_write_number(partner.mobile)
        # What was typed becomes what is texted.
        self.env.add_to_compute(self._fields["mobile"], self)

    def write(self, vals):
        """Let go of numbers when a contact is archived or changes its company.

        Then it registers them anew, where they are free.
        """
        changed = self.browse()
        if "active" in vals:
            active = bool(vals["active"])
            changed |= self.filtered(lambda partner: partner.active != active)
        if "company_id" in vals:
            company_id = vals["company_id"] or False
            changed |= self.filtered(
                lambda partner: partner.company_id.id != company_id
            )
        if not changed:
            return super().write(vals)
        mobiles = changed.sudo().mobile_ids
        mobiles._release_ownership()
        res = super().write(vals)
        mobiles._claim_ownership()
        return res

    # ------------------------------------------------------------------
    # Numbers
    # ------------------------------------------------------------------

    @api.model
    def _sms_gateway_get_choice(self):
        """Return the label that the context asks for, or False for any."""
        context = self.env.context
        return (
            context.get("sms_gateway_number_choice") == "label"
            and context.get("sms_gateway_number_label")
            or False
        )

    def _sms_gateway_pick(self, label=False):
        """Return the row to text, in sudo, at most one.

        :param label: only numbers of this label, or False for any
        """
        self.ensure_one()
        mobiles = self.sudo().mobile_ids
        if label:
            mobiles = mobiles.filtered(lambda mobile: mobile.label == label)
        return mobiles._best()

    def _sms_gateway_write_number(self, number):
        """Make a number the one that the contact is texted at.

        It takes the place of the number that is texted now, or comes first if it is on
        the list already. Honours the choice of the context.

        :param str number: in any format; empty removes the number that is texted now
        :raise ValidationError: it cannot be read, or would not be texted
        """
        self.ensure_one()
        label = self._sms_gateway_get_choice()
        mobiles = self.sudo().mobile_ids
        best = self._sms_gateway_pick(label)
        number = read_number(number or "")
        if not number:
            best.unlink()
            return
        wanted = mobiles._to_e164(number, self.sudo())
        if not wanted:
            raise ValidationError(mobiles._unreadable_text(number, self.sudo()))
        if best.number_e164 == wanted:
            return
        same = mobiles.filtered(lambda mobile: mobile.number_e164 == wanted)
        if same:
            same.write(
                {
                    "sequence": min(mobiles.mapped("sequence")) - 1,
                    "label": label or same.label,
                    "dead_at": False,
                    "dead_reason": False,
                }
            )
        elif best:
            best.number = number
        else:
            mobiles.create(
                {"partner_id": self.id, "number": number, "label": label or "mobile"}
            )
        # A text must never go to another number than the one that was typed.
        if self._sms_gateway_pick(label).number_e164 != wanted:
            written = self.sudo().mobile_ids.filtered(
                lambda mobile: mobile.number_e164 == wanted
            )
            raise ValidationError(
                self.env._(
                    "%s is a landline, which gets no texts: keep it in the phone field "
                    "or in the list of mobile numbers instead.",
                    number,
                )
                if written.line_type == "fixed"
                else self.env._(
                    "%s refused texts or is blacklisted, so it cannot become the "
                    "number that this contact is texted at.",
                    number,
                )
            )

    def _sms_gateway_next_number(self, after):
        """Return the number to try when another one does not exist.

        :param str after: E.164 of the number that was tried
        :return: E.164 of the next in rank that can be used, or False
        """
        self.ensure_one()
        ranked = self.sudo().mobile_ids._ranked()
        numbers = ranked.mapped("number_e164")
        if after in numbers:
            ranked = ranked[numbers.index(after) + 1 :]
        return ranked._usable()[:1].number_e164 or False

    def _sms_gateway_numbers(self, choice="best", label=False):
        """Return the numbers that contacts are to be texted at.

        Contacts without mobile numbers have their phone, where no label is asked for.
        What is opted out or dead comes where there is nothing better, so that it is
        refused with its reason.

        :param str choice: "best", "label" for the best one with a label, or "all" that
            can be used
        :param label: of ``const.MOBILE_LABELS``, for the choice "label"
        :return: dict of partner id to a list of E.164, in order of rank
        """
        result = {}
        for partner in self.sudo():
            mobiles = partner.mobile_ids if choice != "best" else None
            if choice == "label":
                found = mobiles.filtered(lambda mobile: mobile.label == label)._best()
            elif choice == "all":
                found = mobiles._ranked()._usable()
            else:
                found = None
            numbers = found.mapped("number_e164") if found else []
            if not numbers and choice != "label":
                numbers = [partner.phone_sanitized] if partner.phone_sanitized else []
            result[partner.id] = numbers
        return result

    def _sms_get_recipients_info(self, force_field=False, partner_fallback=True):
        """Honour the number that the context chooses, see the class."""
        result = super()._sms_get_recipients_info(
            force_field=force_field, partner_fallback=partner_fallback
        )
        label = self._sms_gateway_get_choice()
        if not label:
            return result
        numbers = self._sms_gateway_numbers("label", label)
        for partner in self:
            number = next(iter(numbers[partner.id]), False)
            result[partner.id] = {
                "partner": partner,
                "sanitized": number,
                "number": number,
                "partner_store": False,
                "field_store": "mobile",
            }
        return result

    def _search_phone_mobile_search(self, operator, value):
        """Find contacts by any of their numbers, too, in any format."""
        if operator in Domain.NEGATIVE_OPERATORS:
            positive = {"!=": "=", "not in": "in"}.get(operator)
            positive = positive or operator.removeprefix("not ")
            return ~Domain(self._search_phone_mobile_search(positive, value))
        if operator == "in":
            # Core comes back here with each of them.
            return super()._search_phone_mobile_search(operator, value)
        # Core's own search is SQL that does not ask for what is not written yet.
        self.flush_model(["mobile", "phone"])
        if not value or value is True:
            domain = Domain(super()._search_phone_mobile_search(operator, value))
            if value:
                return domain | Domain("mobile_ids", "!=", False)
            return domain & Domain("mobile_ids", "=", False)
        value = read_number(value)
        domain = Domain(super()._search_phone_mobile_search(operator, value))
        numbers = self._sms_gateway_number_domain(operator, value)
        mobiles = self.env["res.partner.mobile"].sudo()._search(numbers)
        return domain | Domain("id", "in", mobiles.subselect("partner_id"))

    @api.model
    def _sms_gateway_number_domain(self, operator, value):
        """Return the domain on mobile numbers for what somebody searches by.

        :param str operator: "=", or one that means a part
        :param str value: a number or a part of at least 3 digits, in any format
        """
        digits = re.sub(r"\D", "", value)
        international = value.startswith("+") or digits.startswith("00")
        if international:
            # With a trunk zero in brackets, as on letterheads: +49 (0)30 …
            value = re.sub(r"\(0\)", "", value)
            digits = re.sub(r"\D", "", value)
            if not value.startswith("+"):
                digits = digits[2:]
        if len(digits) < self._phone_search_min_length:
            return Domain.FALSE
        exact = operator == "="
        tail = "" if exact else "%"
        if international:
            return Domain("number_e164", "=like", f"+{digits}{tail}")
        domain = Domain(
            "number_e164", "=like", f"+{digits}" if exact else f"%{digits}%"
        )
        national = digits.lstrip("0")
        if (exact or national != digits) and len(national) >= 3:
            # As dialled at home: a country code of one to three digits before it.
            domain |= Domain.OR(
                Domain("number_e164", "=like", f"+{'_' * length}{national}{tail}")
                for length in (1, 2, 3)
            )
        return domain

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------

    def action_open_sms_gateway_messages(self):
        """Open the texts from and to the contact."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "sms_gateway_hub.action_sms_gateway_message"
        )
        action["domain"] = [("partner_id", "=", self.id)]
        action["context"] = {}
        return action

    def action_sms_gateway_compose(self):
        """Open the composer for the selected contacts."""
        return self.env["sms.composer"]._sms_gateway_compose(self)
