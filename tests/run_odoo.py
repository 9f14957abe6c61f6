# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Starts Odoo by the path of a script.

A server with workers starts a process for websockets by the path that it was started
by itself. Of ``python -m odoo`` that path cannot be run: the server would start it
anew without end, and take the machine from what is tested.
"""

import odoo.cli

if __name__ == "__main__":
    odoo.cli.main()
