# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The benchmark: what the hub does, measured beside Odoo's own SMS and the machine.

``setup/bench`` runs it; ``docs/performance.md`` says what the figures mean. Nothing of
Odoo is imported before ``start``.
"""


def start(database):
    """Set Odoo up in this process, for a database."""
    from .ground import start_odoo  # noqa: PLC0415 see above

    start_odoo(database)


def load_all():
    """Import what measures; return the modules metrics, ground and report."""
    from . import callbacks, enqueue, poll, send  # noqa: F401, PLC0415 they register
    from . import ground, metrics, report  # noqa: PLC0415 see above

    return metrics, ground, report
