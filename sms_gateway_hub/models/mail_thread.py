# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models


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

    # ------------------------------------------------------------------
    # Incoming e-mails
    # ------------------------------------------------------------------

    @api.model
    def _detect_loop_sender(self, message, message_dict, routes):
        """Leave answers to conversations to their own limits.

        Core takes whoever answers twenty texts in two hours for a machine.
        """
        routes = [route for route in routes or [] if not _is_conversation(route)]
        if not routes:
            return False
        return super()._detect_loop_sender(message, message_dict, routes)

    @api.model
    def _message_route_process(self, message, message_dict, routes):
        """Text what answers the e-mail about a conversation: it is posted nowhere."""
        routes = list(routes or [])
        conversations = [route[1] for route in routes if _is_conversation(route)]
        for conversation_id in dict.fromkeys(conversations):
            self.env["sms.conversation"].browse(conversation_id)._receive_mail(
                message, message_dict
            )
        routes = [route for route in routes if not _is_conversation(route)]
        if conversations and not routes:
            return conversations[0]
        return super()._message_route_process(message, message_dict, routes)


def _is_conversation(route):
    """Say whether a route leads to a conversation that there is."""
    model, thread_id, *_rest = route
    return model == "sms.conversation" and bool(thread_id)
