# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Refusals of people that a gateway knows of reach the consent ledger."""

from datetime import timedelta

from odoo import fields
from odoo.tests import tagged

from odoo.addons.sms_gateway_hub.tests.common import NUMBERS
from odoo.addons.sms_gateway_hub.tests.test_sender_run import ACCEPTED, SenderCase
from odoo.addons.sms_gateway_hub.tools.gateway_data import DeliveryReport


@tagged("post_install", "-at_install")
class TestToldRefusals(SenderCase):
    """What the person said elsewhere counts here, at once and from then on."""

    def refuse_when_sent(self, message):
        result = {"id": message.uuid, "status": "refused", "code": "110"}
        self.server.script((200, {"results": [{**result, "error": "STOP at us"}]}))
        self.run_sender()
        self.assertEqual((message.state, message.failure_type), ("failed", "opted_out"))

    def refuse_by_report(self, message):
        self.server.script(ACCEPTED)
        self.run_sender()
        report = DeliveryReport(
            event_key="E1",
            state="undelivered",
            uuid=message.uuid,
            failure_type="opted_out",
            detail="STOP at us",
        )
        self.env["sms.gateway.event"]._store(self.gateway, [report])
        self.apply_events()
        self.assertEqual(
            (message.state, message.failure_type), ("undelivered", "opted_out")
        )

    def test_told(self):
        """By an answer or by a report: on record, and what waits is cancelled."""
        for label, refuse in (
            ("an answer", self.refuse_when_sent),
            ("a report", self.refuse_by_report),
        ):
            with self.row(label):
                self.server.reset()
                self.env["sms.gateway.event"].search([]).unlink()
                other = self.env["res.partner.mobile"].create(
                    {"partner_id": self.partner.id, "number": NUMBERS[5]}
                )
                message = self.enqueue(partner_id=self.partner.id)
                later = fields.Datetime.now() + timedelta(hours=1)
                waiting = self.enqueue(
                    3,
                    uuid=["a" * 32, "b" * 32, "c" * 32],
                    number=[NUMBERS[0], NUMBERS[5], NUMBERS[1]],
                    scheduled_at=later,
                    partner_id=[self.partner.id, self.partner.id, False],
                )
                self.assertEqual(set(waiting.mapped("state")), {"queued"})
                refuse(message)
                row = self.env["sms.consent"].search([("number", "=", NUMBERS[0])])
                self.assertFields(
                    row,
                    {
                        "act": "opted_out",
                        "method": "gateway",
                        "partner_id": self.partner,
                        "message_id": message,
                        "gateway_id": self.gateway,
                        "note": "STOP at us",
                    },
                )
                waiting.invalidate_recordset()
                # The person's other number too, and nobody else's.
                self.assertEqual(
                    waiting.mapped("state"), ["canceled", "canceled", "queued"]
                )
                self.assertEqual(waiting[0].failure_type, "opted_out")
                self.assertTrue(other.blocked)
                again = self.enqueue(uuid="d" * 32, partner_id=self.partner.id)
                self.assertEqual(
                    (again.state, again.failure_type), ("canceled", "opted_out")
                )

    def test_told_twice(self):
        """The same refusal told of two texts at once is a refusal, and no trouble."""
        self.gateway.testing_batch = 2
        messages = self.enqueue(2, number=NUMBERS[0])
        results = [
            {"id": uuid, "status": "refused"} for uuid in messages.mapped("uuid")
        ]
        self.server.script((200, {"results": results}))
        self.run_sender()
        self.assertEqual(messages.mapped("state"), ["failed", "failed"])
        last = self.env["sms.consent"]._get_last(NUMBERS[0])
        self.assertEqual((last.act, last.method), ("opted_out", "gateway"))
