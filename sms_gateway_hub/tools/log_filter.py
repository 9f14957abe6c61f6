# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Keeps numbers and texts out of what Odoo logs of statements that failed."""

import logging
import re

import psycopg2

# Statements on such tables hold texts and whole numbers as plain values, and so does
# what holds a number, whatever its table is.
_TABLES = re.compile(r"\bsms_|\bmail_message\b|\bphone_blacklist\b|\+[1-9][0-9]{6,14}")
# "INSERT INTO "sms_sms"", "UPDATE sms_gateway_message", "WITH outcome", …
_BEGIN = re.compile(r'\s*\w+(?: \w+)?(?: "?\w+"?)?')


class StatementFilter(logging.Filter):
    """Cut the values off a statement that failed, and the row off its error.

    Odoo logs it whole where it fails in a user's transaction, e.g. as the disk is full
    or PostgreSQL is restarted.
    """

    def filter(self, record):
        args = record.args
        if str(record.msg).startswith("bad query") and isinstance(args, tuple):
            query, *rest = args
            if isinstance(query, bytes):
                query = query.decode("utf-8", "replace")
            if _TABLES.search(str(query)):
                errors = (str(error).partition("\n")[0] for error in rest)
                record.args = (f"{_BEGIN.match(str(query))[0]} …", *errors)
        return True


class ErrorFilter(logging.Filter):
    """Cut the row off errors of PostgreSQL that are logged with their traceback."""

    def filter(self, record):
        error = record.exc_info[1] if record.exc_info else None
        while error is not None:
            if isinstance(error, psycopg2.Error):
                # Its first line says what is wrong, the others with what.
                error.args = (str(error).partition("\n")[0],)
            error = error.__cause__ or error.__context__
        return True


logging.getLogger("odoo.sql_db").addFilter(StatementFilter())
# Filters hold for one logger, not for those below it.
for _module in (
    "controllers.main",
    "controllers.poll",
    "controllers.reply",
    "models.mail_activity",
    "models.sms_broadcast_job",
    "models.sms_conversation",
    "models.sms_conversation_mail",
    "models.sms_gateway_balance",
    "models.sms_gateway_event",
    "models.sms_gateway_message",
    "models.sms_gateway_settle",
    "tools.sender_run",
):
    logging.getLogger(f"odoo.addons.sms_gateway_hub.{_module}").addFilter(ErrorFilter())
