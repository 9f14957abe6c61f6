# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Word of refusals from the transaction that records one to senders at work."""

import contextlib
import logging
import select
import time

import psycopg2

from odoo import sql_db
from odoo.tools import SQL

_logger = logging.getLogger(__name__)

# What is told is only that something was refused: whom, the gate knows.
_CHANNEL = "sms_gateway_refusal"
# A lost connection is tried again no more often, in seconds.
_RETRY_S = 1.0


def tell(cr):
    """Tell all senders when this transaction is committed, never before."""
    cr.execute(SQL("NOTIFY %s", SQL.identifier(_CHANNEL)))


class RefusalListener:
    """Hears of refusals as they are committed, without asking the database.

    A connection that dies is replaced. While there is none, ``deaf`` is True: then the
    gate has to be asked instead. No trouble with it is ever raised.

    :param str dbname: database; a connection of its own waits there
    """

    def __init__(self, dbname):
        self.deaf = True
        self._dbname = dbname
        self._cr = None
        self._connection = None
        self._connect()

    def heard(self):
        """Say whether somebody refused since the last time, or may have."""
        if self.deaf:
            # What was told meanwhile is lost: it counts as heard.
            return time.monotonic() >= self._retry_at and self._connect()
        try:
            self._connection.poll()
            heard = bool(self._connection.notifies)
            self._connection.notifies.clear()
            return heard
        except psycopg2.Error as error:
            _logger.info("Word of refusals broke off: %s", type(error).__name__)
            self.close()
            self._connect()
            return True

    def is_told(self):
        """Say whether word came in that was not heard yet: any thread may ask.

        Nothing is read, and no cursor is used.
        """
        try:
            poller = select.poll()
            poller.register(self._connection.fileno(), select.POLLIN)
            return bool(poller.poll(0))
        except (psycopg2.Error, AttributeError, ValueError):
            # Deaf, or just being closed: its owner asks the gate instead.
            return False

    def close(self):
        """Give the connection back, deaf."""
        self.deaf = True
        cr, self._cr = self._cr, None
        if cr is None:
            return
        connection, self._connection = self._connection, None
        try:
            if connection is not None and not connection.closed:
                cr.execute("UNLISTEN *", log_exceptions=False)
                cr.commit()  # pylint: disable=invalid-commit
        except psycopg2.Error:
            # It must not go on listening for somebody else.
            with contextlib.suppress(psycopg2.Error):
                connection.close()
        finally:
            with contextlib.suppress(psycopg2.Error):
                cr.close()

    def _connect(self):
        """Listen on a new connection.

        :return: whether there is one
        """
        self._retry_at = time.monotonic() + _RETRY_S
        try:
            self._cr = sql_db.db_connect(self._dbname).cursor()
            self._connection = self._cr.connection
            self._cr.execute(
                SQL("LISTEN %s", SQL.identifier(_CHANNEL)), log_exceptions=False
            )
            # Only a connection outside of a transaction is told anything.
            self._cr.commit()  # pylint: disable=invalid-commit
        except psycopg2.Error as error:
            _logger.info("No word of refusals for now: %s", type(error).__name__)
            self.close()
            return False
        self.deaf = False
        return True
