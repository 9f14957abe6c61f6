# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Exports of what strangers wrote: no cell of it is a formula or a link."""

from odoo import api, models

from ..tools.cells import guard_cell


class SmsTextExport(models.AbstractModel):
    """Texts that came in leave as text, whichever export they leave by."""

    _name = "sms.text.export"
    _description = "Guarded export"

    def _export_rows(self, fields, *, _is_toplevel_call=True):
        rows = super()._export_rows(fields, _is_toplevel_call=_is_toplevel_call)
        return [[guard_cell(cell) for cell in row] for row in rows]

    @api.model
    def formatted_read_group(self, *args, **kwargs):
        """Guard the titles of groups, which are cells in an export."""
        groups = super().formatted_read_group(*args, **kwargs)
        if "import_compat" in self.env.context:
            groups = [
                {name: guard_cell(value) for name, value in group.items()}
                for group in groups
            ]
        return groups
