# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.tools import SQL

from .. import const


class SmsBroadcastRecipient(models.Model):
    """What the check of a broadcast found for one number of one record.

    Rows live from the check until the broadcast starts or changes. They are written
    and read by the set; people only look at them.
    """

    _name = "sms.broadcast.recipient"
    _description = "Checked recipient of a broadcast"
    _order = "id"
    _log_access = False

    broadcast_id = fields.Many2one(
        "sms.broadcast", required=True, readonly=True, ondelete="cascade"
    )
    check_run = fields.Integer(
        required=True, readonly=True, help="Which check of the broadcast it was."
    )
    res_id = fields.Integer("Record", required=True, readonly=True)
    record_name = fields.Char("Name", compute="_compute_record_name")
    number = fields.Char(readonly=True)
    gateway_id = fields.Many2one("sms.gateway", readonly=True, ondelete="set null")
    reason = fields.Selection(
        const.FAILURE_TYPES,
        "Why not",
        readonly=True,
        help="Empty for those who will get the text.",
    )
    hold = fields.Selection(const.HOLD_TYPES, "Waits", readonly=True)
    parts = fields.Integer("SMS parts", readonly=True)
    chars = fields.Integer("Characters", readonly=True)

    _number_index = models.Index("(broadcast_id, check_run, number)")
    _reason_index = models.Index("(broadcast_id, check_run, reason, id)")

    @api.depends("res_id", "broadcast_id")
    def _compute_record_name(self):
        for broadcast, rows in self.grouped("broadcast_id").items():
            model = broadcast.res_model
            if model not in self.env:
                rows.record_name = False
                continue
            # Only what the user may read has a name.
            records = (
                self.env[model]
                .with_context(active_test=False)
                .search([("id", "in", rows.mapped("res_id"))])
            )
            names = {record.id: record.display_name for record in records}
            for row in rows:
                row.record_name = names.get(row.res_id, False)

    def action_open_record(self):
        """Open the record behind a row."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": self.broadcast_id.res_model,
            "res_id": self.res_id,
            "views": [(False, "form")],
        }

    # ------------------------------------------------------------------
    # By the set
    # ------------------------------------------------------------------

    @api.model
    def _insert(self, broadcast, rows):
        """Write down what a check found.

        :param broadcast: sms.broadcast, one
        :param list rows: (record id, number, reason, hold, gateway id, parts,
            characters)
        """
        if not rows:
            return
        kinds = ("int", "varchar", "varchar", "varchar", "int", "int", "int")
        arrays = SQL(", ").join(
            SQL("%s::%s[]", list(values), SQL(kind))
            for values, kind in zip(zip(*rows, strict=True), kinds, strict=True)
        )
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO sms_broadcast_recipient
                            (broadcast_id, check_run, res_id, number, reason, hold,
                             gateway_id, parts, chars)
                     SELECT %s, %s, row.* FROM unnest(%s) AS row
                """,
                broadcast.id,
                broadcast.check_run,
                arrays,
            ),
            log_exceptions=False,
        )

    @api.model
    def _sum_up(self, broadcast):
        """Sum a finished check up.

        :param broadcast: sms.broadcast, one
        :return: dict: counts, reasons, holds, parts in all, per gateway and as a
            histogram, the worst case, and which records make good examples
        """
        rows = SQL(
            """
            SELECT * FROM sms_broadcast_recipient
             WHERE broadcast_id = %s AND check_run = %s
            """,
            broadcast.id,
            broadcast.check_run,
        )

        def query(code, *args):
            self.env.cr.execute(
                SQL("WITH found AS (%s) %s", rows, SQL(code, *args)),
                log_exceptions=False,
            )
            return [list(row) for row in self.env.cr.fetchall()]

        reasons = query(
            "SELECT reason, count(*) FROM found WHERE reason IS NOT NULL "
            "GROUP BY reason ORDER BY 2 DESC, 1"
        )
        holds = query(
            "SELECT hold, count(*) FROM found "
            "WHERE reason IS NULL AND hold IS NOT NULL GROUP BY hold ORDER BY 2 DESC, 1"
        )
        histogram = query(
            "SELECT parts, count(*) FROM found WHERE reason IS NULL "
            "GROUP BY parts ORDER BY 1"
        )
        by_gateway = query(
            "SELECT gateway_id, sum(parts)::int FROM found "
            "WHERE reason IS NULL AND gateway_id IS NOT NULL GROUP BY gateway_id"
        )
        accepted = sum(count for _parts, count in histogram)
        longest = query(
            "SELECT res_id, parts, number FROM found WHERE reason IS NULL "
            "ORDER BY parts DESC, chars DESC, id LIMIT 1"
        )
        samples = []
        for kind, found in (
            (
                "first",
                query(
                    "SELECT res_id, number FROM found WHERE reason IS NULL "
                    "ORDER BY id LIMIT 1"
                ),
            ),
            ("longest", [[row[0], row[2]] for row in longest]),
            (
                "other",
                query(
                    "SELECT res_id, number FROM found WHERE reason IS NULL "
                    "ORDER BY id OFFSET %s LIMIT 1",
                    accepted // 2,
                ),
            ),
        ):
            known = {res_id for _kind, res_id, _number in samples}
            samples += [
                (kind, res_id, number)
                for res_id, number in found
                if res_id not in known
            ]
        if len(samples) < 3:
            # The longest was the first, or the middle one: take the next others.
            known = [res_id for _kind, res_id, _number in samples]
            samples += [
                ("other", res_id, number)
                for res_id, number in query(
                    "SELECT DISTINCT ON (res_id) res_id, number FROM found "
                    "WHERE reason IS NULL AND NOT res_id = ANY(%s) "
                    "ORDER BY res_id DESC LIMIT %s",
                    known,
                    3 - len(samples),
                )
            ]
        return {
            "accepted": accepted,
            "refused": sum(count for _reason, count in reasons),
            "reasons": reasons,
            "holds": holds,
            "parts": sum(parts * count for parts, count in histogram),
            "histogram": histogram,
            "parts_by_gateway": dict(by_gateway),
            "worst": {"res_id": longest[0][0], "parts": longest[0][1]}
            if longest
            else None,
            "sample_ids": samples,
        }
