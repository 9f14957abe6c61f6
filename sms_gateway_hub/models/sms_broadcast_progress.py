# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models
from odoo.tools import SQL


class SmsBroadcastProgress(models.Model):
    """Where the job is with one broadcast.

    A row of its own: the job writes it with every chunk and holds its lock meanwhile.
    On the broadcast itself a button like “Pause” would meet that all the time.
    """

    _name = "sms.broadcast.progress"
    _description = "Progress of a broadcast"
    _log_access = False

    cursor = fields.Integer(
        readonly=True, help="Id of the last record that was dealt with."
    )
    total_count = fields.Integer("Records found", readonly=True)
    done_count = fields.Integer("Records dealt with", readonly=True)
    text_count = fields.Integer("Recipients", readonly=True)
    accepted_count = fields.Integer("Queued texts", readonly=True)
    expanded_at = fields.Datetime("All queued on", readonly=True)

    def _lock(self):
        """Lock the row until the transaction ends.

        :return: whether it is ours; False when somebody else works on it
        """
        self.ensure_one()
        self.env.cr.execute(
            SQL(
                "SELECT id FROM sms_broadcast_progress WHERE id = %s "
                "FOR NO KEY UPDATE SKIP LOCKED",
                self.id,
            ),
            log_exceptions=False,
        )
        return bool(self.env.cr.fetchone())

    def _set(self, **values):
        """Write progress; in the transaction that made it."""
        self.ensure_one()
        self.write(values)
        self.flush_recordset()

    def _reset(self):
        self.write(
            {
                "cursor": 0,
                "total_count": 0,
                "done_count": 0,
                "text_count": 0,
                "accepted_count": 0,
                "expanded_at": False,
            }
        )
