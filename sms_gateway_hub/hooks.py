# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


def post_init_hook(env):
    """Keep the sandbox off where people are texted already; take numbers over.

    In a new database it serves at once, so that a newcomer sees a text go out. In one
    that texts real people it would take their texts and reach nobody.
    """
    env["sms.consent"]._import_blacklist()
    env["res.partner.mobile"]._take_over_phones()
    module = env["ir.module.module"].search([("name", "=", "sms_gateway_hub")])
    texted = env["mail.notification"].search_count(
        [("notification_type", "=", "sms")], limit=1
    ) or env["sms.sms"].search_count([], limit=1)
    if texted and not module.demo:
        env.ref("sms_gateway_hub.sms_gateway_sandbox").state = "disabled"


def uninstall_hook(env):
    """Give core's menu entry back, end the senders, leave contacts as they were."""
    action = env.ref(
        "sms.res_partner_act_window_sms_composer_multi", raise_if_not_found=False
    )
    if action:
        action.binding_model_id = env.ref("base.model_res_partner")
    gateways = env["sms.gateway"].with_context(active_test=False).search([])
    crons = gateways.cron_id
    gateways.cron_id = False
    crons.unlink()
    env["res.partner.mobile"]._give_phones_back()
