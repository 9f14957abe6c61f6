# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "SMS Gateway Hub: Time Off",
    "summary": "Give incoming texts to nobody who is on leave",
    "version": "19.0.1.0.0",
    "category": "Human Resources/Time Off",
    "author": "SMS Gateway Hub contributors",
    "license": "LGPL-3",
    "depends": ["hr_holidays", "sms_gateway_hub"],
    "auto_install": True,
}
