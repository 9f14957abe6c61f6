# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Starts Odoo by the path of a file, as installed servers are.

With workers Odoo starts its process for live updates by the path of what runs; by
``python -m odoo`` that one ends at once and is started again and again.
"""

import odoo.cli

if __name__ == "__main__":
    odoo.cli.main()
