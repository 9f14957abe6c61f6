# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Core's door into the hub: what core takes for a provider is the outbox."""

from contextlib import nullcontext

from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from odoo.addons.sms.tools.sms_api import SmsApiBase


class SmsApiGateway(SmsApiBase):
    """Writes messages to the outbox instead of calling anybody.

    :param env: environment of the caller; the rows belong to its transaction
    :param gateway: sms.gateway that serves them; found by company when left out, as
        core's wizards do that call a provider directly
    """

    PROVIDER_TO_SMS_FAILURE_TYPE = SmsApiBase.PROVIDER_TO_SMS_FAILURE_TYPE | {
        "country_not_supported": "sms_country_not_supported",
        "sms_blacklist": "sms_blacklist",
        "sms_optout": "sms_optout",
    }

    def __init__(self, env, account=None, gateway=None):
        super().__init__(env, account=account)
        self.gateway = gateway
        # What another transaction got in the way with, see ``sms.sms._send_with_api``.
        self.conflict = None

    def _send_sms_batch(self, messages, delivery_reports_url=False):
        """Enqueue; see core for the shapes. No network call happens here.

        :return: one dict with uuid, state and failure_reason per SMS. A queued SMS is
            "processing", or "success" for a wizard that knows no other good answer
        """
        text_by_uuid = {
            number["uuid"]: message["content"]
            for message in messages
            for number in message["numbers"]
        }
        # In the order in which they were written, which is that of the selection.
        sms_sudo = (
            self.env["sms.sms"]
            .sudo()
            .search([("uuid", "in", list(text_by_uuid))], order="id")
        )
        direct = self.gateway is None
        groups = (
            sms_sudo._sms_gateway_split()[0] if direct else {self.gateway: sms_sudo}
        )
        results = []
        # Texts of one person to another write to their conversation as well, where two
        # may meet. Core hides what is raised here, so the transaction has to go on.
        personal = sms_sudo[:1].sms_gateway_kind != "broadcast"
        try:
            with self.env.cr.savepoint() if personal else nullcontext():
                for gateway, sms in groups.items():
                    results += sms._sms_gateway_enqueue(gateway, text_by_uuid)
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY as conflict:
            self.conflict = conflict
            raise
        if direct:
            # Core leaves these rows in its queue and would send them once more.
            sms_sudo.write({"state": "process", "to_delete": True})
            for result in results:
                if result["state"] == "processing":
                    result["state"] = "success"
        return results

    def _get_sms_api_error_messages(self):
        return {
            **super()._get_sms_api_error_messages(),
            "sms_number_missing": self.env._("There is no number."),
            "wrong_number_format": self.env._("The number is not valid."),
        }
