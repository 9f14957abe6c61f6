# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
from pathlib import Path
from unittest.mock import patch

import psycopg2

from odoo.tests import TransactionCase, tagged

from ..tools import log_filter
from ..tools.gateway_data import InboundMessage
from .common import SmsGatewayCase

NUMBER, TEXT = "+12025550147", "Words for one person"


@tagged("post_install", "-at_install")
class TestLogFilter(TransactionCase):
    """What Odoo logs of a statement that failed, e.g. on a full disk (T20)."""

    def fail(self, query, *params):
        """Run a statement that fails; return what is logged of it."""
        with (
            self.assertLogs("odoo.sql_db", logging.ERROR) as lines,
            self.assertRaises(psycopg2.Error),
            self.env.cr.savepoint(flush=False),
        ):
            self.env.cr.execute(query, params)
        return "\n".join(lines.output)

    def test_no_value_of_a_failed_statement(self):
        """Neither numbers nor texts are logged, what failed and why is."""
        for query in (
            "INSERT INTO sms_sms (number, body, nothing) VALUES (%s, %s, 1)",
            'INSERT INTO "sms_gateway_message" (number, body, x) VALUES (%s, %s, 1)',
            "UPDATE sms_gateway_message SET number = %s, body = %s, nothing = 1",
            "WITH t AS (SELECT %s, %s FROM sms_sms) SELECT nothing FROM t",
            "INSERT INTO mail_message (subject, body, nothing) VALUES (%s, %s, 1)",
            "SELECT nothing FROM phone_blacklist WHERE number IN (%s, %s)",
            "SELECT nothing FROM res_partner WHERE phone IN (%s, %s)",
        ):
            with self.subTest(query):
                text = self.fail(query, NUMBER, TEXT)
                self.assertIn("bad query", text)
                self.assertIn("does not exist", text)
                self.assertIn(query[:6].strip(), text)
                self.assertNotIn(NUMBER, text)
                self.assertNotIn(TEXT, text)

    def test_the_row_of_an_error(self):
        """PostgreSQL tells a whole row with what is wrong with it."""
        text = self.fail(
            "INSERT INTO sms_gateway_event (event_key, number, body) "
            "VALUES ('K', %s, %s)",
            NUMBER,
            TEXT,
        )
        self.assertIn("null value", text)
        self.assertNotIn(NUMBER, text)
        self.assertNotIn(TEXT, text)

    def test_other_statements_stay(self):
        """Statements that hold no texts are logged as they are."""
        text = self.fail("SELECT nothing FROM res_country WHERE code = %s", "XX1")
        self.assertIn("XX1", text)


@tagged("post_install", "-at_install")
class TestErrorFilter(SmsGatewayCase):
    """What we log of an error that came from PostgreSQL (T20)."""

    def test_the_row_of_an_error(self):
        """A text that cannot be taken in is told of without its words."""

        def receive(messages, *_args):
            messages.env.cr.execute(
                "INSERT INTO sms_gateway_event (event_key, number, body) "
                "VALUES ('K', %s, %s)",
                [NUMBER, TEXT],
                log_exceptions=False,
            )

        item = InboundMessage(event_key="E", number=NUMBER, body=TEXT)
        self.env["sms.gateway.event"]._store(self.gateway, [item])
        messages = type(self.env["sms.gateway.message"])
        with (
            patch.object(messages, "_receive", receive),
            self.assertLogs("odoo.addons.sms_gateway_hub", logging.ERROR) as lines,
        ):
            self.env["sms.gateway.event"]._apply_items(self.gateway, [item])
        text = "\n".join(lines.output)
        self.assertIn("could not be applied", text)
        self.assertIn("null value", text)
        self.assertNotIn(NUMBER, text)
        self.assertNotIn(TEXT, text)

    def test_nobody_is_left_out(self):
        """Whoever logs errors does so through the filter."""
        home = Path(log_filter.__file__).parents[1]
        for folder in ("controllers", "models", "tools", "wizards"):
            for path in home.glob(f"{folder}/*.py"):
                if "_logger.exception(" not in path.read_text():
                    continue
                name = f"odoo.addons.sms_gateway_hub.{folder}.{path.stem}"
                with self.subTest(name):
                    filters = logging.getLogger(name).filters
                    self.assertTrue(
                        any(isinstance(f, log_filter.ErrorFilter) for f in filters)
                    )
