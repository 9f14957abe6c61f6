# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models


class SmsLog(models.TransientModel):
    """Log a text that was exchanged outside of the system."""

    _name = "sms.log"
    _description = "Log an SMS"

    partner_id = fields.Many2one("res.partner", "Contact")
