# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import models

from .sms_sms import TextOptions


class IrActionsServer(models.Model):
    _inherit = "ir.actions.server"

    def _run_action_sms_multi(self, eval_context=None):
        """Mark what an automation or server action texts as automatic."""
        options = TextOptions(
            sms_gateway_kind="automatic", sms_gateway_purpose="transactional"
        )
        action = self.with_context(sms_gateway_options=options)
        return super(IrActionsServer, action)._run_action_sms_multi(eval_context)
