# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class SmsGatewayMessage(models.Model):
    _inherit = "sms.gateway.message"

    # What of a broadcast waits is asked for with every chunk: its size must not count.
    _broadcast_waiting_index = models.Index(
        "(broadcast_id, due_at) "
        "WHERE broadcast_id IS NOT NULL AND state IN ('queued', 'sending')"
    )
