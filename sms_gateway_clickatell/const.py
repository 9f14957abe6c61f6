# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The words of clickatell, in the hub's vocabulary."""

APIS = [
    ("one", "One API"),
    ("platform", "Platform SMS"),
    ("http", "Central API (HTTP)"),
]
