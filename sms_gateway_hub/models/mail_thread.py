# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class MailThread(models.AbstractModel):
    _inherit = "mail.thread"

    def _sms_gateway_get_expiry(self):
        """Return until when an automatic text about this document makes sense.

        :return: datetime, UTC, or None for no limit
        """
        return None

    def _notify_thread_by_sms(
        self, message, recipients_data, sms_pid_to_number=None, **kwargs
    ):
        """Text contacts on their best number: core takes “Phone” alone here."""
        sms_pid_to_number = dict(sms_pid_to_number or {})
        missing = [
            recipient["id"]
            for recipient in recipients_data
            if recipient["notif"] == "sms"
            and not sms_pid_to_number.get(recipient["id"])
        ]
        for partner in self.env["res.partner"].sudo().browse(missing):
            if partner.mobile:
                sms_pid_to_number[partner.id] = partner.mobile
        return super()._notify_thread_by_sms(
            message,
            recipients_data,
            sms_pid_to_number=sms_pid_to_number,
            **kwargs,
        )
