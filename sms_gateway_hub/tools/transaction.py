# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Short transactions: beside the caller's, or the one of a request."""

import random
import time

from psycopg2 import errors

from odoo.sql_db import Cursor

_RETRYABLE = (
    errors.LockNotAvailable,
    errors.SerializationFailure,
    errors.DeadlockDetected,
)
_TRIES = 8


def _keep_quiet(cr):
    """Keep statements that fail out of the log: they hold numbers and texts.

    Conflicts are expected and repeated; any other error is logged by who catches it.
    """
    execute = cr.execute

    def execute_quietly(query, params=None, log_exceptions=False):
        return execute(query, params, log_exceptions=log_exceptions)

    cr.execute = execute_quietly


def release_locks(cr):
    """End a transaction that only read; records that were read stay in the cache.

    :param cr: a cursor that nobody else uses; others, e.g. of tests, are left alone
    """
    if isinstance(cr, Cursor):
        # Not cr.commit(), which empties the cache: reading anew would lock again.
        cr._cnx.commit()


def in_request_transaction(env, work):
    """Run ``work`` in the transaction of a request and commit it, before the answer.

    For controllers that have written nothing: another cursor costs them as much as
    Odoo's part of the request. Upon a conflict it is repeated in a new transaction.

    :param env: environment of the request
    :param work: function of an environment; may be called several times
    :return: what ``work`` returned
    """
    cr = env.cr
    _keep_quiet(cr)
    # Else what is flushed at the commit would be as nobody.
    env.transaction.default_env = env
    try:
        result = work(env)
        # The answer says that it is kept, so it is before there is one.
        cr.commit()  # pylint: disable=invalid-commit
        return result
    except _RETRYABLE:
        cr.rollback()
    except BaseException:
        # Else Odoo would end the request in a transaction that has failed.
        cr.rollback()
        raise
    return in_new_transaction(env, work)


def in_new_transaction(env, work):
    """Run ``work`` in a transaction of its own and commit it.

    Odoo's cursors are REPEATABLE READ: what another transaction changed since the
    snapshot raises. A fresh snapshot sees it, so the work is repeated, quietly.

    :param env: environment whose user and context are taken over
    :param work: function of an environment; may be called several times
    :return: what ``work`` returned
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            with env.registry.cursor() as cr:
                _keep_quiet(cr)
                return work(env(cr=cr))
        except _RETRYABLE:
            if not tries_left:
                raise
            time.sleep(random.uniform(0.005, 0.05))


def report_progress(env):
    """Tell Odoo that a job did something, and commit; nothing outside of a job.

    Odoo puts off a job that is killed again and again without having done any.
    """
    if env.context.get("ir_cron_progress_id"):
        env["ir.cron"]._commit_progress(1)
