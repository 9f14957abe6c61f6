# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Word of refusals from the transaction that records one to senders at work."""

from odoo import sql_db

# What is told is only that something was refused: whom, the gate knows.
_CHANNEL = "sms_gateway_refusal"


def tell(cr):
    """Tell all senders when this transaction is committed, never before."""
    cr.execute(f"NOTIFY {_CHANNEL}")


class RefusalListener:
    """Hears of refusals as they are committed, without asking the database.

    :param str dbname: database; a connection of its own waits there
    """

    def __init__(self, dbname):
        self._cr = sql_db.db_connect(dbname).cursor()
        self._cr.execute(f"LISTEN {_CHANNEL}")
        # Only a connection outside of a transaction is told anything.
        self._cr.commit()
        self._connection = self._cr.connection

    def heard(self):
        """Say whether somebody refused since the last time."""
        self._connection.poll()
        heard = bool(self._connection.notifies)
        self._connection.notifies.clear()
        return heard

    def close(self):
        """Give the connection back, deaf."""
        try:
            if not self._connection.closed:
                self._cr.execute("UNLISTEN *")
                self._cr.commit()
        finally:
            self._cr.close()
