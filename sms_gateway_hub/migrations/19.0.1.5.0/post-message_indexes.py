# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tools.sql import drop_index

_TABLE = "sms_gateway_message"


def migrate(cr, version):
    """Drop indexes of messages that others stand in for: each costs every change."""
    for name in ("_gateway_id_index", "_device_id_index", "lease_index"):
        drop_index(cr, f"{_TABLE}_{name}", _TABLE)
