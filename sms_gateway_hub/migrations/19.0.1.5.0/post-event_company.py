# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tools.sql import SQL, column_exists


def migrate(cr, version):
    """Drop an event's company, which is its gateway's: each callback looked it up."""
    if column_exists(cr, "sms_gateway_event", "company_id"):
        cr.execute(SQL("ALTER TABLE sms_gateway_event DROP COLUMN company_id"))
