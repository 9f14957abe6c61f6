# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import os
import threading
import time

from odoo import api, models
from odoo.exceptions import UserError
from odoo.sql_db import PoolError

_runs = {}


class SmsGatewayDrill(models.AbstractModel):
    """Faults on demand, for administrators of a test database."""

    _name = "sms.gateway.drill"
    _description = "SMS gateway drill"

    @api.model
    def run_sender(self, gateway_id):
        """Run a gateway's sender in this process, beside the cron's."""
        return self.env["sms.gateway.sender"].sudo()._cron_send(gateway_id)

    @api.model
    def hold_connections(self, seconds):
        """Take all connections that this process may open, for a while.

        :return: id of the process
        """
        registry = self.env.registry

        def hold():
            cursors = []
            try:
                while True:
                    cursors.append(registry.cursor())
                    # A connection is borrowed once, not when it is used.
                    cursors[-1].execute("SELECT 1")
            except PoolError:
                time.sleep(seconds)
            finally:
                for cursor in cursors:
                    cursor.close()

        threading.Thread(target=hold, daemon=True).start()
        # The answer needs a connection: it leaves while there still is one.
        return os.getpid()

    # The ways to text that are code's alone, without a door for clients

    @api.model
    def message_sms(self, model, record_id, text):
        """Text a record in its chatter, as code of other addons does."""
        self.env[model].browse(record_id)._message_sms(text)

    @api.model
    def message_template(self, model, record_id, template_id):
        """Text a record by a template, as code of other addons does."""
        template = self.env["sms.template"].browse(template_id)
        self.env[model].browse(record_id)._message_sms_with_template(template=template)

    @api.model
    def remind(self, event_id, alarm_id):
        """Remind the attendees of an event, as the calendar's job does."""
        alarm = self.env["calendar.alarm"].browse(alarm_id)
        self.env["calendar.event"].browse(event_id)._do_sms_reminder(alarm)

    @api.model
    def queue_sms(self, number, partner_id, text):
        """Write an SMS of core's own by code, then run core's queue."""
        self.env["sms.sms"].create(
            {"number": number, "partner_id": partner_id, "body": text}
        )
        self.env["sms.sms"]._process_queue()

    @api.model
    def text_slowly(self, partner_id, text, seconds):
        """Queue a text in a transaction that takes its time to commit."""
        self.env["res.partner"].browse(partner_id)._message_sms(text)
        self.env.flush_all()
        # What the test looks for in the list of open transactions.
        self.env.cr.execute("SELECT 'taking its time'")
        time.sleep(seconds)

    def _text(self, partner_ids, text):
        for partner in self.env["res.partner"].browse(partner_ids):
            partner._message_sms(f"{text} {partner.id}")

    @api.model
    def text_and_fail(self, partner_ids, text):
        """Text contacts, then let the transaction fail."""
        self._text(partner_ids, text)
        self.env.flush_all()
        raise UserError("rolled back on purpose")

    @api.model
    def text_with_conflict(self, partner_ids, text):
        """Text contacts in a transaction that Odoo must run twice.

        :return: how often Odoo ran it
        """
        _runs[text] = _runs.get(text, 0) + 1
        self.env.cr.execute("SELECT 1")
        if _runs[text] == 1:
            with self.env.registry.cursor() as cr:
                cr.execute(
                    "UPDATE res_partner SET comment = 'theirs' WHERE id = %s",
                    [partner_ids[0]],
                )
        self._text(partner_ids, text)
        self.env.cr.execute(
            "UPDATE res_partner SET comment = 'ours' WHERE id = %s",
            [partner_ids[0]],
            log_exceptions=False,
        )
        return _runs[text]
