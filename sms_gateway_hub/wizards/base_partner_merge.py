# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models


class BasePartnerMergeAutomaticWizard(models.TransientModel):
    """Contacts that are merged keep the mobile numbers of all of them."""

    _inherit = "base.partner.merge.automatic.wizard"

    @api.model
    def _update_foreign_keys(self, src_partners, dst_partner):
        # Core moves rows by SQL, which fails for a number that both have.
        kept = dst_partner.sudo().mobile_ids
        known = set(kept.mapped("number_e164"))
        moved = kept.browse()
        for mobile in src_partners.sudo().mobile_ids.sorted(
            lambda mobile: (mobile.partner_id.id, mobile.sequence, mobile.id)
        ):
            if mobile.number_e164 in known:
                mobile.unlink()
            else:
                known.add(mobile.number_e164)
                moved += mobile
        last = max(kept.mapped("sequence"), default=0)
        for sequence, mobile in enumerate(moved, start=last + 1):
            mobile.write({"partner_id": dst_partner.id, "sequence": sequence})
        # Also those that the others owned until now.
        (kept + moved)._claim_ownership()
        self.env.flush_all()
        res = super()._update_foreign_keys(src_partners, dst_partner)
        # What the others refused, the one who is left has refused.
        self.env.invalidate_all()
        dst_partner.sudo().mobile_ids._update_blocked()
        return res
