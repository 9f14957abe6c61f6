# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "SMS Gateway Hub: Clickatell",
    "summary": "Text through Clickatell, with accounts of every age",
    "version": "19.0.1.0.1",
    "category": "Marketing/SMS",
    "author": "SMS Gateway Hub contributors",
    "license": "LGPL-3",
    "depends": ["sms_gateway_hub"],
    "data": ["views/sms_gateway_views.xml"],
}
