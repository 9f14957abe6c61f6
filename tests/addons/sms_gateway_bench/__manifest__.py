# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "SMS Gateway: Bench",
    "summary": "An empty route, for the benchmark alone",
    "version": "19.0.1.0.0",
    "category": "Hidden",
    "author": "SMS Gateway Hub contributors",
    "license": "LGPL-3",
    "depends": ["sms_gateway_testing"],
    "data": [],
}
