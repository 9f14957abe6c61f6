# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


def uninstall_hook(env):
    """Give core's menu entry back and end the senders."""
    action = env.ref(
        "sms.res_partner_act_window_sms_composer_multi", raise_if_not_found=False
    )
    if action:
        action.binding_model_id = env.ref("base.model_res_partner")
    gateways = env["sms.gateway"].with_context(active_test=False).search([])
    crons = gateways.cron_id
    gateways.cron_id = False
    crons.unlink()
