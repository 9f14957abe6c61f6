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
    """Give core's menu entry back, end the senders, leave contacts as they were.

    Who refused stays on Odoo's blacklist; the hashes of the erased lose their key.
    """
    action = env.ref(
        "sms.res_partner_act_window_sms_composer_multi", raise_if_not_found=False
    )
    if action:
        action.binding_model_id = env.ref("base.model_res_partner")
    gateways = env["sms.gateway"].with_context(active_test=False).search([])
    crons = gateways.cron_id
    gateways.cron_id = False
    crons.unlink()
    # Nothing of ours keeps core from texting who refused on another number.
    blocked = env["res.partner.mobile"].search(
        [("blocked", "=", True), ("number_e164", "!=", False)]
    )
    read = env.user._phone_format
    env["phone.blacklist"].with_context(sms_gateway_recorded=True)._add(
        sorted(n for n in set(blocked.mapped("number_e164")) if read(number=n) == n)
    )
    env["ir.config_parameter"].search(
        [("key", "=", "sms_gateway_hub.suppression_key")]
    ).unlink()
    env["res.partner.mobile"]._give_phones_back()
