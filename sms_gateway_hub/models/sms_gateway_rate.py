# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import hashlib
import logging

import psycopg2

from odoo import api, fields, models
from odoo.tools import SQL

from ..tools.transaction import in_new_transaction

_logger = logging.getLogger(__name__)

# Callers share so many rows, whoever calls: nobody can fill the table.
_SLOTS = 4096


class SmsGatewayRate(models.Model):
    """How many calls came to the doors for gateways, over all processes.

    A row belongs to a gateway, or to callers by the hash of what they are known by.
    It is written once for many calls: see ``SharedLimit``.
    """

    _name = "sms.gateway.rate"
    _description = "Rate of callbacks"
    _log_access = False

    key = fields.Char(required=True, readonly=True)
    window = fields.Integer(required=True, readonly=True, default=0)
    hits = fields.Integer(required=True, readonly=True, default=0)
    is_genuine = fields.Boolean(
        readonly=True, help="Calls that were verified came from there."
    )

    _key_unique = models.UniqueIndex("(key)")

    @api.model
    def _get_caller_key(self, *parts):
        """Return the key of a caller, which many others may share."""
        digest = hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).digest()
        slot = int.from_bytes(digest[:8], "big") % _SLOTS
        return f"caller/{slot}"

    @api.model
    def _take(self, key, window, hits):
        """Add hits to those of all processes; commits.

        :return: tuple of the hits of the window so far, and whether verified calls came
            from there; none, and not, when the database cannot say
        """
        return self._upsert(
            SQL(
                """
                INSERT INTO sms_gateway_rate AS rate ("key", "window", hits, is_genuine)
                     VALUES (%(key)s, %(window)s, %(hits)s, FALSE)
                ON CONFLICT ("key") DO UPDATE
                        SET "window" = %(window)s,
                            hits = %(hits)s + CASE WHEN rate."window" = %(window)s
                                                   THEN rate.hits ELSE 0 END
                  RETURNING hits, is_genuine
                """,
                key=key,
                window=window,
                hits=hits,
            )
        ) or (0, False)

    @api.model
    def _note_genuine(self, key):
        """Keep that a verified call came from there; commits."""
        self._upsert(
            SQL(
                """
                INSERT INTO sms_gateway_rate AS rate ("key", "window", hits, is_genuine)
                     VALUES (%s, 0, 0, TRUE)
                ON CONFLICT ("key") DO UPDATE SET is_genuine = TRUE
                      WHERE NOT rate.is_genuine
                  RETURNING id
                """,
                key,
            )
        )

    @api.model
    def _upsert(self, statement):
        def work(new):
            # A count that a power cut costs is no loss.
            new.cr.execute("SET LOCAL synchronous_commit TO OFF")
            new.cr.execute(statement)
            return new.cr.fetchone()

        try:
            return in_new_transaction(self.env, work)
        except psycopg2.Error as error:
            # To count is not worth a call.
            _logger.warning("Calls could not be counted: %s", type(error).__name__)
            return None
