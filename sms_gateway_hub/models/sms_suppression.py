# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import hmac
import secrets

from odoo import api, fields, models

_KEY = "sms_gateway_hub.suppression_key"


class SmsSuppression(models.Model):
    """Numbers of people whose data was erased: kept as keyed hashes alone.

    So that they are not texted again although nobody knows them any more.
    """

    _name = "sms.suppression"
    _description = "Erased number"
    _order = "id desc"
    _rec_name = "digest"

    digest = fields.Char(
        required=True,
        readonly=True,
        groups="base.group_system",
        help="Keyed hash of the number (HMAC with SHA-256).",
    )
    user_id = fields.Many2one("res.users", "Erased by", readonly=True)
    note = fields.Char("Why", readonly=True)
    create_date = fields.Datetime("Erased on", readonly=True)
    rows = fields.Integer("Rows erased", readonly=True)

    _digest_unique = models.UniqueIndex("(digest)")

    @api.model
    def _make_key(self):
        """Make the key of the hashes, once: without it they say nothing."""
        parameters = self.env["ir.config_parameter"].sudo()
        if not parameters.get_param(_KEY):
            parameters.set_param(_KEY, secrets.token_urlsafe(32))

    @api.model
    def _get_digester(self):
        """Return the function that turns a number into its digest."""
        key = self.env["ir.config_parameter"].sudo().get_param(_KEY)
        if not key:
            raise ValueError(f"The system parameter {_KEY} is missing")
        key = key.encode()

        def digest(number):
            return hmac.digest(key, (number or "").encode(), "sha256").hex()

        return digest

    @api.model
    def _lift(self, consents):
        """Forget that numbers were erased whose people have agreed to texts since.

        :param consents: sms.consent, agreements
        """
        if not consents:
            return
        digest = self._get_digester()
        agreed_at = {digest(row.number): row.at for row in consents}
        self.sudo().search([("digest", "in", list(agreed_at))]).filtered(
            lambda row: (
                agreed_at[row.sudo().digest] >= row.create_date.replace(microsecond=0)
            )
        ).unlink()
