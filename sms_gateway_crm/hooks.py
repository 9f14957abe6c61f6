# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


def uninstall_hook(env):
    """Give core's menu entry back."""
    action = env.ref(
        "crm_sms.crm_lead_act_window_sms_composer_single", raise_if_not_found=False
    )
    if action:
        action.binding_model_id = env.ref("crm.model_crm_lead")
