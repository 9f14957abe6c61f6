# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


def migrate(cr, version):
    """Drop an index of callbacks that the one of their keys stands in for."""
    cr.execute("DROP INDEX IF EXISTS sms_gateway_event__gateway_id_index")
