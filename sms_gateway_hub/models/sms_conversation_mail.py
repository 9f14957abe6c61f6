# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models


class SmsConversation(models.Model):
    """Told of by e-mail, and answered by e-mail."""

    _inherit = "sms.conversation"

    def _send_owner_mail(self, message, note=None, by=None):
        """Send the owner an e-mail with the text, the contact and a link.

        :param message: sms.gateway.message, the text to answer, or none
        :param str note: words of whoever handed the conversation over
        :param by: res.users who handed it over
        :return: mail.mail
        """
