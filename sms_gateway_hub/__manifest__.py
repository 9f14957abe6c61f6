# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "SMS Gateway Hub",
    "summary": "Text contacts from anywhere in Odoo through a gateway of your choice",
    "version": "19.0.1.0.0",
    "category": "Marketing/SMS",
    "author": "SMS Gateway Hub contributors",
    "license": "LGPL-3",
    "application": True,
    "depends": ["contacts", "sms"],
    "external_dependencies": {"python": ["phonenumbers"]},
    "data": [
        "security/sms_gateway_hub_security.xml",
        "security/ir.model.access.csv",
        "data/ir_cron_data.xml",
        "data/sms_gateway_data.xml",
        "views/sms_gateway_message_views.xml",
        "views/sms_gateway_event_views.xml",
        "views/sms_gateway_views.xml",
        "views/res_partner_views.xml",
        "wizards/sms_composer_views.xml",
        "views/sms_gateway_menus.xml",
    ],
    "demo": ["demo/sms_gateway_demo.xml"],
    "assets": {
        "web.assets_backend": [
            "sms_gateway_hub/static/src/**/*",
        ],
        "web.assets_unit_tests": [
            "sms_gateway_hub/static/tests/**/*.test.js",
        ],
    },
    "post_init_hook": "post_init_hook",
    "uninstall_hook": "uninstall_hook",
}
