# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    """Give contacts their mobile numbers, as an installation does."""
    env = api.Environment(cr, SUPERUSER_ID, {})
    env["sms.consent"]._import_blacklist()
    env["res.partner.mobile"]._take_over_phones()
