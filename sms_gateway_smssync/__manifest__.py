# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "SMS Gateway Hub: SMSsync",
    "summary": "Text through an Android phone that runs SMSsync",
    "version": "19.0.1.0.0",
    "category": "Marketing/SMS",
    "author": "SMS Gateway Hub contributors",
    "license": "LGPL-3",
    "depends": ["sms_gateway_hub"],
    # As Odoo's own two-factor authentication uses it.
    "external_dependencies": {"python": ["qrcode"]},
    "data": ["views/sms_gateway_device_views.xml", "views/sms_gateway_views.xml"],
}
