# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_date


class PhoneBlacklist(models.Model):
    """Core's list of blocked numbers, kept in step with the consent ledger.

    The context key ``sms_gateway_recorded`` says that the ledger knows already.
    """

    _inherit = "phone.blacklist"

    sms_gateway_can_opt_in = fields.Boolean(
        "Can be changed by text",
        default=True,
        help="Off: neither START nor STOP from this number changes anything, and they "
        "are not answered. For numbers of machines.",
    )

    @api.model_create_multi
    def create(self, vals_list):
        last = self.with_context(active_test=False).search([], order="id desc", limit=1)
        records = super().create(vals_list)
        records.filtered(
            lambda record: record.active and record.id > last.id
        )._sms_gateway_record("blacklisted")
        return records

    def write(self, vals):
        if "active" not in vals:
            return super().write(vals)
        changed = self.filtered(lambda record: record.active != bool(vals["active"]))
        if not vals["active"]:
            changed._sms_gateway_check_may_clear()
        res = super().write(vals)
        changed._sms_gateway_record("blacklisted" if vals["active"] else "cleared")
        return res

    @api.ondelete(at_uninstall=False)
    def _unlink_clear(self):
        blocked = self.filtered("active")
        blocked._sms_gateway_check_may_clear()
        blocked._sms_gateway_record("cleared")

    def _sms_gateway_check_may_clear(self):
        """Who refused must agree: that needs a proof, which this list cannot hold."""
        if self.env.context.get("sms_gateway_recorded"):
            return
        consents = self.env["sms.consent"]
        for record in self:
            last = consents._get_last(record.number, scope="all")
            if last.act == "opted_out":
                raise UserError(
                    self.env._(
                        "%(number)s is blocked because this person refused texts on "
                        "%(date)s. If they agreed again, record that with its proof: "
                        "“Record consent” on the contact.",
                        number=record.number,
                        date=format_date(
                            self.env,
                            fields.Datetime.context_timestamp(self, last.at).date(),
                        ),
                    )
                )

    def _sms_gateway_record(self, act):
        """Write to the ledger what was done to the list.

        Core's unsubscribe pages do it for the person: that is a refusal, not a block by
        the staff.
        """
        if self.env.context.get("sms_gateway_recorded") or not self:
            return
        consents = self.env["sms.consent"].with_context(sms_gateway_recorded=True)
        by_person = act == "blacklisted" and self.env.user._is_public()
        messages = self.env["sms.gateway.message"]
        consents._record_many(
            [
                {
                    "number": record.number,
                    "act": "opted_out" if by_person else act,
                    "method": "form" if by_person else "blacklist",
                    "partner_id": by_person
                    and messages._find_contact(self.env["sms.gateway"], record.number)[
                        0
                    ].id,
                }
                for record in self
            ]
        )
