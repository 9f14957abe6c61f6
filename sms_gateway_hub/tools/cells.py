# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Cells of exported tables: what strangers wrote is text there, and nothing else."""

import re

# Openings that spreadsheets, or the library that writes theirs, take for a formula
# or a link; Odoo's CSV export takes care of "=", "+" and "-" at the beginning alone.
# "+" and "-" mean nothing in XLSX, and every number begins with "+".
_ACTIVE = re.compile(
    r"\s*[=@\uff1d\uff20]|[\s\uff0b\uff0d]+[-+\uff0b\uff0d]|[\uff0b\uff0d]|\{="
    r"|(?:ftp|http)s?://|mailto:|(?:in|ex)ternal:",
    re.IGNORECASE,
)


def guard_cell(value):
    """Return the value of a cell so that no spreadsheet evaluates it.

    Like Odoo's own export it puts an apostrophe before it.

    :param value: anything; only a str is changed
    """
    if isinstance(value, str) and _ACTIVE.match(value):
        return f"'{value}"
    return value
