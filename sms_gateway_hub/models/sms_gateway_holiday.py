# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models, tools


class SmsGatewayHoliday(models.Model):
    """A day on which people are left alone, by gateways that are set so."""

    _name = "sms.gateway.holiday"
    _description = "SMS Holiday"
    _order = "date desc, name, id"

    name = fields.Char(required=True, translate=True)
    date = fields.Date(
        required=True,
        index=True,
        help="The whole day, by the clocks of the person who would be texted.",
    )
    country_id = fields.Many2one(
        "res.country",
        help="Where the person is, by the contact's address or else by the number. "
        "Empty: everywhere.",
    )
    company_id = fields.Many2one(
        "res.company",
        ondelete="cascade",
        index="btree_not_null",
        help="Empty: for texts of every company.",
    )

    _date_unique = models.UniqueIndex(
        "(date, COALESCE(country_id, 0), COALESCE(company_id, 0))",
        "This day is in the list already, for the same country and company.",
    )

    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache()
        return super().create(vals_list)

    def write(self, vals):
        self.env.registry.clear_cache()
        return super().write(vals)

    def unlink(self):
        self.env.registry.clear_cache()
        return super().unlink()

    @api.model
    def _is_holiday_fn(self, company, country_code):
        """Return a function that says whether a local date is a holiday.

        The list is read once for a company and a country, not once for a text.

        :param company: res.company that texts, or none
        :param str country_code: ISO 3166 code of where the person is, may be unset
        :return: function of a ``date``, for :func:`quiet_hours.next_open`
        """
        dates = self._get_dates(company.id, (country_code or "").upper())
        return dates.__contains__

    @api.model
    @tools.ormcache("company_id", "country_code")
    def _get_dates(self, company_id, country_code):
        holidays = self.sudo().search_fetch(
            [
                ("company_id", "in", [False, company_id]),
                "|",
                ("country_id", "=", False),
                ("country_id.code", "=", country_code),
            ],
            ["date"],
        )
        return frozenset(holidays.mapped("date"))
