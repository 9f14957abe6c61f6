# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the hub's tests stand on: a gateway of their own and a sender that they run."""

import logging
import re
from contextlib import contextmanager
from unittest import SkipTest
from unittest.mock import patch

from odoo import fields
from odoo.sql_db import Cursor
from odoo.tests import TransactionCase, tagged, test_cursor

# Fixed ids and numbers, so that a scripted answer can name them. The numbers are
# those that are kept free for fiction.
UUIDS = tuple(f"{n:032x}" for n in range(1, 21))
NUMBERS = tuple(f"+1202555{n:04d}" for n in range(100, 120))


class NestedCursor(test_cursor.TestCursor):
    """A test cursor that may be used while one opened later is in use.

    Odoo's makes its savepoint at the first statement; made within that of a later
    cursor, it would end with it.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._check_savepoint()

    def commit(self):
        result = super().commit()
        self._check_savepoint()
        return result


class SmsGatewayMixin:
    """Helpers that need ``self.env``, for any of Odoo's test cases."""

    # Values of the gateway that setUpClass makes.
    gateway_values = {"code": "sandbox"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.skip_without_code(cls.gateway_values.get("code", "sandbox"))
        cls.switch_off_gateways()
        # Demo data has messages too.
        last_message = cls.env["sms.gateway.message"].search(
            [], limit=1, order="id desc"
        )
        cls.last_message_id = last_message.id or 0
        cls.gateway = cls.make_gateway()
        cls.partner = cls.env["res.partner"].create(
            {
                "name": "Ada Lovelace",
                "phone": NUMBERS[0],
                "country_id": cls.env.ref("base.us").id,
            }
        )

    @classmethod
    def skip_without_code(cls, code):
        """Skip the class where the addon of its kind of gateway is not installed."""
        if code not in dict(cls.env["sms.gateway"]._fields["code"].selection):
            raise SkipTest(f"needs the addon sms_gateway_{code}, not installed here")

    @classmethod
    def switch_off_gateways(cls):
        """Take every gateway out of service, the sandbox of the data too."""
        cls.env["sms.gateway"].with_context(active_test=False).search([]).write(
            {"state": "disabled"}
        )

    @classmethod
    def make_gateway(cls, **values):
        """Make a gateway in service; values win over ``gateway_values``."""
        return cls.env["sms.gateway"].create(
            {
                "name": "Gateway of the test",
                "state": "enabled",
                "company_id": False,
                # What stands in for a gateway runs on this machine.
                "local_network": True,
                **cls.gateway_values,
                **values,
            }
        )

    # -- Messages ------------------------------------------------------------

    def enqueue(self, count=1, **values):
        """Put messages with fixed ids and numbers into the outbox.

        :param int count: how many
        :param values: the same for all; a list gives each message its own
        :return: sms.gateway.message, in order
        """
        rows = [
            {
                "uuid": UUIDS[n] if n < len(UUIDS) else f"{n + 1:032x}",
                "gateway_id": self.gateway.id,
                "number": NUMBERS[n % len(NUMBERS)],
                "body": f"Text {n + 1}",
                **{
                    name: value[n] if isinstance(value, list) else value
                    for name, value in values.items()
                },
            }
            for n in range(count)
        ]
        return self.env["sms.gateway.message"]._enqueue(rows)

    def force(self, messages, **values):
        """Write columns past every rule, as a past that the test needs."""
        self.env.flush_all()
        sets = ", ".join(f"{name} = %s" for name in values)
        self.env.cr.execute(
            f"UPDATE {messages._table} SET {sets} WHERE id = ANY(%s)",
            [*values.values(), messages.ids],
        )
        messages.invalidate_recordset()

    def messages_of(self, domain=()):
        """Return all messages of the test that fit, oldest first."""
        return self.env["sms.gateway.message"].search(
            [*domain, ("id", ">", self.last_message_id)], order="id"
        )

    # -- The sender ------------------------------------------------------------

    @contextmanager
    def own_cursors(self):
        """Let code open cursors and commit: all of it happens in the test's own."""
        with patch.object(test_cursor, "TestCursor", NestedCursor):
            if type(self)._registry_patched:
                self.env.flush_all()
                yield
                self.env.invalidate_all()
            else:
                with self.enter_registry_test_mode():
                    yield

    def make_due(self):
        """Let the database's time catch up: in a test its ``now()`` stands still."""
        self.env.flush_all()
        self.env.cr.execute(
            """
            UPDATE sms_gateway_message
               SET due_at = now() AT TIME ZONE 'UTC'
             WHERE state = 'queued'
               AND due_at > now() AT TIME ZONE 'UTC'
               AND due_at <= clock_timestamp() AT TIME ZONE 'UTC'
            """
        )
        self.env["sms.gateway.message"].invalidate_model()

    def run_sender(self, gateway=None):
        """Run the sender of a gateway once, as its job does.

        :return: number of messages whose outcome was recorded
        """
        self.make_due()
        with self.own_cursors():
            gateway = gateway or self.gateway
            return self.env["sms.gateway.sender"]._cron_send(gateway.id)

    def apply_events(self):
        """Apply every pending event, due or not."""
        self.env.flush_all()
        events = self.env["sms.gateway.event"]
        pending = events.sudo().search([("state", "=", "pending")])
        if pending:
            events._apply_due(pending.ids)
        self.env.flush_all()
        self.env.invalidate_all()

    def deliver(self, gateway=None):
        """Send what is due and apply what comes back."""
        self.run_sender(gateway)
        self.apply_events()

    # -- Checks ------------------------------------------------------------------

    def assertFields(self, record, expected, label=""):
        """Compare fields of a record with what is expected of them."""
        record.ensure_one()
        found = {}
        for name in expected:
            value = record[name]
            found[name] = value.ids if hasattr(value, "_ids") else value
        expected = {
            name: value.ids if hasattr(value, "_ids") else value
            for name, value in expected.items()
        }
        self.assertEqual(found, expected, label)

    @contextmanager
    def row(self, label):
        """Give a row of a table its own savepoint, which ``subTest`` does not."""
        with self.subTest(label):
            self.env.flush_all()
            savepoint = self.env.cr.savepoint(flush=False)
            try:
                yield
            except Exception as error:
                error.add_note(f"row: {label}")
                raise
            finally:
                self.env.cr.clear()
                savepoint.close(rollback=True)
                self.env.invalidate_all()
                self.registry.clear_cache()

    @contextmanager
    def count_queries(self):
        """Record every statement on any cursor.

        Odoo's own savepoints of a test cursor are not seen: they stand for the
        BEGIN and COMMIT of a real one.

        :return: list of the statements, filled while the block runs
        """
        statements = []
        execute = Cursor.execute

        def counting(cursor, query, *args, **kwargs):
            code = getattr(query, "code", query)
            statements.append(re.sub(r"\s+", " ", str(code)).strip())
            return execute(cursor, query, *args, **kwargs)

        with patch.object(Cursor, "execute", counting):
            yield statements


class LogLines(logging.Handler):
    """Collects what our code logs, at any level, while a block runs."""

    def __init__(self, name="odoo.addons"):
        super().__init__(logging.DEBUG)
        self.records = []
        self.logger = logging.getLogger(name)

    def emit(self, record):
        self.records.append((record.levelno, self.format(record)))

    def __enter__(self):
        self.level_before = self.logger.level
        self.logger.setLevel(logging.DEBUG)
        self.logger.addHandler(self)
        return self

    def __exit__(self, *_exception):
        self.logger.removeHandler(self)
        self.logger.setLevel(self.level_before)

    def text(self, level=logging.DEBUG):
        """Return the lines at or above a level, with their tracebacks."""
        return "\n".join(line for at, line in self.records if at >= level)


@tagged("post_install", "-at_install")
class SmsGatewayCase(SmsGatewayMixin, TransactionCase):
    """A test with a gateway in service, and no other one."""

    @classmethod
    def new_user(cls, login, groups, **values):
        """Make a user of some groups, with rights for nothing else.

        :param str groups: external ids, separated by commas
        """
        group_ids = [cls.env.ref(name).id for name in groups.split(",") if name]
        return cls.env["res.users"].create(
            {
                "name": login.title(),
                "login": login,
                "email": f"{login}@example.com",
                "group_ids": [fields.Command.set(group_ids)],
                **values,
            }
        )
