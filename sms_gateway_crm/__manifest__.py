# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "SMS Gateway Hub: CRM",
    "summary": "Text leads and opportunities, and see their texts",
    "version": "19.0.1.2.0",
    "category": "Sales/CRM",
    "author": "SMS Gateway Hub contributors",
    "license": "LGPL-3",
    "depends": ["crm_sms", "sms_gateway_hub"],
    "auto_install": True,
    "data": [
        "views/crm_lead_views.xml",
        "views/sms_assignment_rule_views.xml",
        "views/sms_gateway_views.xml",
    ],
    "uninstall_hook": "uninstall_hook",
}
