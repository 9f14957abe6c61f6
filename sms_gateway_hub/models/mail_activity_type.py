# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class MailActivityType(models.Model):
    """A type of activity that sends a text."""

    _inherit = "mail.activity.type"
