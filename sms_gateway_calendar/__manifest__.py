# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "SMS Gateway Hub: Calendar",
    "summary": "Drop reminders of events instead of sending them too late",
    "version": "19.0.1.0.0",
    "category": "Productivity/Calendar",
    "author": "SMS Gateway Hub contributors",
    "license": "LGPL-3",
    "depends": ["calendar_sms", "sms_gateway_hub"],
    "auto_install": True,
}
