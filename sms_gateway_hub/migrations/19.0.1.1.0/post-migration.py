# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import SUPERUSER_ID, api

from odoo.addons.sms_gateway_hub import const


def migrate(cr, version):
    """Give contacts their mobile numbers, as an installation does.

    What waits gets a purpose: without one, who refused marketing would get it.
    """
    env = api.Environment(cr, SUPERUSER_ID, {})
    for kind, purpose in const.PURPOSE_OF_KIND.items():
        cr.execute(
            """
            UPDATE sms_gateway_message SET purpose = %s
             WHERE kind = %s AND purpose IS NULL AND direction = 'outgoing'
               AND state IN ('queued', 'sending')
            """,
            [purpose, kind],
        )
    env["sms.consent"]._import_blacklist()
    env["res.partner.mobile"]._take_over_phones()
