# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Every way by which Odoo texts ends in the hub's outbox, and stays there."""

from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.fields import Command
from odoo.tests import HttpCase, tagged
from odoo.tools import mute_logger

from odoo.addons.sms.tools.sms_api import SmsApi

from .common import NUMBERS, UUIDS, SmsGatewayCase, SmsGatewayMixin


class FlowCase(SmsGatewayCase):
    """A sandbox whose outcomes follow from words in the text."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gateway.sandbox_rule_ids = [
            Command.create({"text_contains": f"[{outcome}]", "outcome": outcome})
            for outcome in (
                "accepted",
                "undelivered",
                "expired",
                "refused",
                "timeout",
                "not_reached",
            )
        ] + [Command.create({"outcome": "delivered", "cost": 1, "sequence": 99})]
        cls.partners = cls.partner + cls.env["res.partner"].create(
            [
                {
                    "name": f"Contact {n}",
                    "phone": NUMBERS[n],
                    "country_id": cls.env.ref("base.us").id,
                }
                for n in (1, 2)
            ]
        )
        cls.user = cls.new_user(
            "ada", "base.group_user,base.group_partner_manager", phone="+12025550199"
        )

    def need(self, module):
        """Skip a test of an optional module where that is not installed."""
        installed = (
            self.env["ir.module.module"]
            .sudo()
            .search_count([("name", "=", module), ("state", "=", "installed")])
        )
        if not installed:
            self.skipTest(f"needs the module {module}, which is not installed here")

    def compose(self, records, body="Hello", *, user=None, **values):
        """Text records as a person does by the composer."""
        mode = values.pop("mode", "comment" if len(records) == 1 else "mass")
        composer = (
            self.env["sms.composer"]
            .with_user(user or self.user)
            .with_context(
                default_composition_mode=mode,
                default_res_model=records._name,
                **(
                    {"default_res_id": records.id}
                    if len(records) == 1 and mode == "comment"
                    else {"default_res_ids": repr(records.ids)}
                ),
            )
        )
        if body is not None:
            values["body"] = body
        composer = composer.create(values)
        composer.action_send_sms()
        return composer

    def sent(self):
        """Return the messages of the test, and check what all have in common."""
        self.env.flush_all()
        messages = self.messages_of([("direction", "=", "outgoing")])
        for message in messages:
            self.assertEqual(message.gateway_id, self.gateway)
            self.assertEqual(message.state, "queued", message.failure_reason)
            self.assertRegex(message.uuid, "^[0-9a-f]{32}$")
            self.assertTrue(message.sms_uuid)
            self.assertNotEqual(message.uuid, message.sms_uuid, "our own id goes out")
            self.assertTrue(message.author_id)
            self.assertTrue(message.company_id)
            self.assertTrue(message.segments)
        return messages

    def notification(self, message):
        return self.env["mail.notification"].search(
            [("mail_message_id", "=", message.mail_message_id.id)]
        )

    def process_queue(self):
        """Run core's queue as its job does."""
        with self.own_cursors():
            with self.registry.cursor() as cr:
                self.env(cr=cr)["sms.sms"]._process_queue()


@tagged("post_install", "-at_install")
class TestFlows(FlowCase):
    """Each way in, row by row."""

    def test_message_post(self):
        """A message of type SMS in a chatter."""
        mail_message = self.partner.with_user(self.user).message_post(
            body="Hello", message_type="sms", partner_ids=self.partner.ids
        )
        self.assertFields(
            self.sent(),
            {
                "number": NUMBERS[0],
                "body": "Hello",
                "partner_id": self.partner,
                "res_model": "res.partner",
                "res_id": self.partner.id,
                "mail_message_id": mail_message,
                "author_id": self.user,
                "priority": "2",
            },
        )
        self.assertEqual(self.notification(self.sent()).notification_status, "process")

    def test_composer_single(self):
        """One contact, from the chatter, with a plan beside the text."""
        at = fields.Datetime.now() + timedelta(hours=1)
        until = at + timedelta(hours=1)
        self.compose(
            self.partner,
            "Grüße €",
            sms_gateway_priority="1",
            sms_gateway_scheduled_at=at,
            sms_gateway_expires_at=until,
        )
        message = self.sent()
        self.assertFields(
            message,
            {
                "kind": "single",
                "number": NUMBERS[0],
                "body": "Grüße €",
                "partner_id": self.partner,
                "author_id": self.user,
                "priority": "1",
                "scheduled_at": at,
                "expires_at": until,
                "due_at": at,
                "company_id": self.user.company_id,
            },
        )
        self.assertEqual(message.mail_message_id.message_type, "sms")
        self.assertIn("Grüße €", message.mail_message_id.body)

    def test_composer_chooses_a_gateway(self):
        """The gateway that a person chose wins over the one that would serve."""
        other = self.make_gateway(name="Other", sequence=1)
        self.compose(self.partner, sms_gateway_id=self.gateway.id)
        self.assertEqual(self.sent().gateway_id, self.gateway)
        self.compose(self.partner, "Again")
        self.assertEqual(self.messages_of()[-1].gateway_id, other)

    def test_composer_other_number(self):
        """A number that was changed in the composer is the one that is texted."""
        self.compose(self.partner, recipient_single_number_itf="+1 202-555-0177")
        self.assertEqual(self.sent().number, "+12025550177")

    def test_composer_numbers(self):
        """A text to bare numbers, without any document."""
        composer = (
            self.env["sms.composer"]
            .with_user(self.user)
            .create(
                {
                    "composition_mode": "numbers",
                    "numbers": f"{NUMBERS[0]}, {NUMBERS[1]}",
                    "body": "Hello",
                }
            )
        )
        composer.action_send_sms()
        messages = self.sent()
        self.assertEqual(set(messages.mapped("number")), set(NUMBERS[:2]))
        self.assertEqual(set(messages.mapped("kind")), {"broadcast"})
        self.assertEqual(set(messages.mapped("purpose")), {"marketing"})
        self.assertEqual(messages.author_id, self.user)

    def test_composer_several_comments(self):
        """One text in the chatter of each of several documents."""
        self.compose(self.partners, mode="comment")
        messages = self.sent()
        self.assertEqual(messages.mapped("number"), list(NUMBERS[:3]))
        self.assertEqual(len(messages.mail_message_id), 3)

    def test_mass(self):
        """A mass text: rendered for each, low priority, with and without a note."""
        for keep_log in (False, True):
            for force in (False, True):
                with self.row(f"note: {keep_log}, at once: {force}"):
                    self.compose(
                        self.partners,
                        "Dear {{ object.name }}",
                        mass_keep_log=keep_log,
                        mass_force_send=force,
                    )
                    messages = self.sent()
                    self.assertEqual(
                        messages.mapped("body"),
                        [f"Dear {partner.name}" for partner in self.partners],
                    )
                    self.assertEqual(messages.partner_id, self.partners)
                    self.assertEqual(messages.mapped("res_id"), self.partners.ids)
                    self.assertEqual(set(messages.mapped("res_model")), {"res.partner"})
                    self.assertEqual(set(messages.mapped("kind")), {"broadcast"})
                    self.assertEqual(set(messages.mapped("priority")), {"3"})
                    self.assertEqual(
                        len(messages.mail_message_id), 3 if keep_log else 0
                    )
                    self.deliver()
                    self.assertEqual(set(messages.mapped("state")), {"delivered"})

    def test_mass_some_cannot(self):
        """Of a mass text only those go out who have a number, each number once."""
        twin = self.partner.copy({"phone": NUMBERS[0]})
        bad = self.env["res.partner"].create({"name": "Bad", "phone": "letters"})
        none = self.env["res.partner"].create({"name": "None"})
        blocked = self.partners[2]
        self.env["phone.blacklist"].sudo().add(NUMBERS[2])
        self.compose(self.partners + twin + bad + none, mass_keep_log=False)
        messages = self.sent()
        self.assertEqual(messages.mapped("number"), list(NUMBERS[:2]))
        self.assertNotIn(blocked, messages.partner_id)

    def test_mass_plan(self):
        """A mass text takes its plan along, to every recipient."""
        at = fields.Datetime.now() + timedelta(days=1)
        self.compose(
            self.partners, sms_gateway_scheduled_at=at, sms_gateway_priority="2"
        )
        messages = self.sent()
        self.assertEqual(messages.mapped("due_at"), [at] * 3)
        self.assertEqual(messages.mapped("priority"), ["2"] * 3)

    def test_mass_one_cannot_be_rendered(self):
        """F15: a template error at one recipient sets that one aside."""
        self.partners[1].ref = "x"
        with mute_logger("odoo.addons.mail.models.mail_render_mixin"):
            self.compose(
                self.partners,
                "Dear {{ object.name if object.ref != 'x' else 1 / 0 }}",
                user=self.env.ref("base.user_admin"),
                mass_keep_log=False,
            )
        self.env.flush_all()
        by_partner = {message.partner_id: message for message in self.messages_of()}
        self.assertEqual(by_partner[self.partners[0]].state, "queued")
        self.assertEqual(by_partner[self.partners[2]].state, "queued")
        bad = by_partner.get(self.partners[1])
        self.assertTrue(bad, "it is kept, with its reason")
        self.assertEqual(bad.state, "failed")

    def test_template(self):
        """A template, in the composer and from code, in each language."""
        template = self.env["sms.template"].create(
            {
                "name": "Hello",
                "model_id": self.env.ref("base.model_res_partner").id,
                "body": "Dear {{ object.name }}, hello.",
            }
        )
        expected = "Dear Ada Lovelace, hello."
        for label, send in (
            (
                "composer",
                lambda: self.compose(self.partner, None, template_id=template.id),
            ),
            (
                "code",
                lambda: self.partner.with_user(self.user)._message_sms_with_template(
                    template=template
                ),
            ),
            (
                "scheduled mass",
                lambda: self.partner._message_sms_schedule_mass(template=template),
            ),
            ("plain", lambda: self.partner._message_sms(expected)),
        ):
            with self.row(label):
                send()
                self.assertFields(self.sent(), {"body": expected, "number": NUMBERS[0]})

    def server_action(self, method, **values):
        template = self.env["sms.template"].create(
            {
                "name": "Action",
                "model_id": self.env.ref("base.model_res_partner").id,
                "body": "Dear {{ object.name }}",
            }
        )
        return self.env["ir.actions.server"].create(
            {
                "name": "Text",
                "model_id": self.env.ref("base.model_res_partner").id,
                "state": "sms",
                "sms_method": method,
                "sms_template_id": template.id,
                **values,
            }
        )

    def test_server_action(self):
        """A server action texts with a note, without, or leaves only a note."""
        for method, mails in (("sms", 0), ("comment", 3), ("note", 3)):
            with self.row(method):
                self.server_action(method).with_context(
                    active_model="res.partner", active_ids=self.partners.ids
                ).run()
                messages = self.sent()
                self.assertEqual(
                    messages.mapped("body"),
                    [f"Dear {partner.name}" for partner in self.partners],
                )
                self.assertEqual(set(messages.mapped("kind")), {"automatic"})
                self.assertEqual(len(messages.mail_message_id), mails)
                self.deliver()
                self.assertEqual(set(messages.mapped("state")), {"delivered"})

    def test_automation(self):
        """An automation texts when its moment comes."""
        self.need("base_automation")
        automation = self.env["base.automation"].create(
            {
                "name": "Greet",
                "model_id": self.env.ref("base.model_res_partner").id,
                "trigger": "on_create",
            }
        )
        self.server_action("sms", base_automation_id=automation.id)
        partner = self.env["res.partner"].create(
            {"name": "Newcomer", "phone": NUMBERS[7]}
        )
        self.assertFields(
            self.sent(),
            {
                "number": NUMBERS[7],
                "body": "Dear Newcomer",
                "partner_id": partner,
                "kind": "automatic",
            },
        )

    def test_calendar_reminder(self):
        """A reminder of a meeting."""
        self.need("calendar_sms")
        alarm = self.env["calendar.alarm"].create(
            {
                "name": "One hour",
                "duration": 1,
                "interval": "hours",
                "alarm_type": "sms",
            }
        )
        start = fields.Datetime.now() + timedelta(minutes=30)
        event = self.env["calendar.event"].create(
            {
                "name": "Meeting",
                "start": start,
                "stop": start + timedelta(hours=1),
                "partner_ids": [Command.set(self.partner.ids)],
                "alarm_ids": [Command.set(alarm.ids)],
            }
        )
        event._do_sms_reminder(alarm)
        message = self.sent()
        self.assertFields(
            message,
            {
                "number": NUMBERS[0],
                "partner_id": self.partner,
                "res_model": "calendar.event",
                "res_id": event.id,
                "kind": "automatic",
            },
        )
        self.assertIn("Meeting", message.body)

    def test_stock_confirmation(self):
        """A delivery that is confirmed by text."""
        self.need("stock_sms")
        template = self.env.ref("stock_sms.sms_template_data_stock_delivery")
        picking = self.env["stock.picking"].create(
            {
                "partner_id": self.partner.id,
                "picking_type_id": self.env["stock.picking.type"]
                .search([("code", "=", "outgoing")], limit=1)
                .id,
            }
        )
        picking._message_sms_with_template(
            template=template, partner_ids=self.partner.ids, put_in_queue=False
        )
        self.assertFields(
            self.sent(), {"res_model": "stock.picking", "res_id": picking.id}
        )

    def test_rows_of_code(self):
        """SMS that code creates are taken by core's queue, or sent by code."""
        values = {"number": NUMBERS[0], "body": "By code"}
        self.env["sms.sms"].create(values)
        self.assertFalse(self.messages_of())
        self.process_queue()
        self.assertFields(
            self.sent(), {"number": NUMBERS[0], "body": "By code", "kind": "automatic"}
        )
        self.env["sms.sms"].create({**values, "body": "At once"}).send()
        self.assertEqual(self.sent().mapped("body"), ["By code", "At once"])
        self.process_queue()
        self.assertEqual(len(self.sent()), 2, "the queue sends nothing twice")

    def test_bad_rows_of_code(self):
        """A number that nobody can text fails its own row, and core learns why."""
        sms = self.env["sms.sms"].create(
            [
                {"number": number, "body": "By code"}
                for number in (False, "letters", NUMBERS[0], "+1")
            ]
        )
        sms.send()
        self.assertEqual(
            self.messages_of().mapped("failure_type"),
            ["number_missing", "number_invalid", False, "number_invalid"],
        )
        self.assertEqual(sms.mapped("state"), ["error", "error", "process", "error"])
        self.assertEqual(
            sms.mapped("failure_type")[:2], ["sms_number_missing", "sms_number_format"]
        )

    def test_two_companies(self):
        """C3, F16: a mixed batch of two companies, each by its own gateway."""
        company = self.env["res.company"].create({"name": "Other company"})
        other = self.make_gateway(name="Other", company_id=company.id)
        self.gateway.company_id = self.env.company
        vals = {"number": NUMBERS[0], "body": "Mixed"}
        for label, send in (
            ("core's queue", self.process_queue),
            ("by code", lambda: self.env["sms.sms"].search([]).send()),
            ("at once", lambda: self.env["sms.sms"].search([])._send()),
        ):
            with self.row(label):
                self.env["sms.sms"].search([]).unlink()
                self.env["sms.sms"].create(
                    [
                        {**vals, "sms_gateway_company_id": self.env.company.id},
                        {**vals, "sms_gateway_company_id": company.id},
                        {**vals, "sms_gateway_company_id": self.env.company.id},
                    ]
                )
                send()
                self.env.flush_all()
                messages = self.messages_of()
                # Core's queue takes them in no order of ours.
                self.assertEqual(
                    sorted((m.gateway_id.id, m.company_id.id) for m in messages),
                    sorted(
                        [(self.gateway.id, self.env.company.id)] * 2
                        + [(other.id, company.id)]
                    ),
                )
                self.run_sender()
                self.run_sender(other)
                self.assertEqual(set(messages.mapped("state")), {"sent"})

    def test_company_of_the_document(self):
        """The company of a document decides, not that of the person who texts."""
        company = self.env["res.company"].create({"name": "Other company"})
        other = self.make_gateway(name="Other", company_id=company.id, sequence=1)
        self.gateway.company_id = self.env.company
        self.user.company_ids += company
        self.partner.company_id = company
        self.compose(self.partner)
        message = self.messages_of()
        self.assertEqual((message.gateway_id, message.company_id), (other, company))
        self.partner.company_id = False
        self.compose(self.partner)
        self.assertEqual(self.messages_of()[-1].gateway_id, self.gateway)


@tagged("post_install", "-at_install")
class TestFlowStates(FlowCase):
    """What core shows follows what becomes of the message."""

    # word in the text, state, notification, failure type of core
    rows = [
        ("[delivered]", "delivered", "sent", False),
        ("[accepted]", "sent", "pending", False),
        ("[undelivered]", "undelivered", "bounce", "sms_invalid_destination"),
        ("[expired]", "expired", "exception", "sms_expired"),
        ("[refused]", "failed", "bounce", "sms_rejected"),
        ("[timeout]", "unconfirmed", "process", False),
        ("[not_reached]", "queued", "process", False),
    ]

    def test_notifications(self):
        """Each outcome shows on the notification in the chatter."""
        for word, state, status, failure_type in self.rows:
            with self.row(word):
                self.compose(self.partner, f"Hello {word}")
                message = self.sent()
                notification = self.notification(message)
                self.assertEqual(notification.notification_status, "process")
                self.deliver()
                self.assertEqual(message.state, state)
                self.assertFields(
                    notification,
                    {"notification_status": status, "failure_type": failure_type},
                )

    def test_canceled(self):
        """A cancelled text shows as cancelled, and core cannot send it any more."""
        at = fields.Datetime.now() + timedelta(hours=1)
        self.compose(self.partner, sms_gateway_scheduled_at=at)
        message = self.sent()
        message.with_user(self.user).action_cancel()
        self.run_sender()
        self.assertEqual(message.state, "canceled")
        self.assertFields(
            self.notification(message),
            {
                "notification_status": "canceled",
                "failure_reason": "Cancelled by Ada.",
            },
        )

    def test_canceled_mailing(self):
        """A mailing of which the texts were cancelled comes to its end."""
        mailing = self.mailing("News")
        mailing.action_send_sms()
        self.sent().action_cancel()
        self.run_sender()
        self.assertEqual(
            set(mailing.mailing_trace_ids.mapped("trace_status")), {"cancel"}
        )
        self.assertEqual(mailing.state, "done")

    def test_sent_again(self):
        """A failed text that is sent again shows as what becomes of the new one."""
        self.compose(self.partner, "Hello [refused]")
        message = self.sent()
        self.deliver()
        self.gateway.sandbox_rule_ids.filtered(
            lambda rule: rule.outcome == "refused"
        ).unlink()
        message.with_user(self.user).action_send_again()
        self.deliver()
        self.assertEqual(self.messages_of().mapped("state"), ["failed", "delivered"])
        self.assertEqual(self.notification(message).notification_status, "sent")

    def test_failure_at_the_queue(self):
        """A text that cannot even be queued is kept, and core shows the failure."""
        self.compose(self.partner, "x" * 1531)
        message = self.messages_of()
        self.assertFields(message, {"state": "failed", "failure_type": "too_long"})
        self.assertIn(
            self.notification(message).notification_status, ("exception", "bounce")
        )

    def test_kept_after_core_cleans_up(self):
        """Core's garbage collection takes its own rows; ours stay as they were."""
        self.compose(self.partner)
        self.compose(self.partners, "Mass")
        self.deliver()
        messages = self.messages_of([("direction", "=", "outgoing")])
        before = messages.read()
        self.assertTrue(self.env["sms.sms"].sudo().search_count([]))
        self.env["sms.sms"]._gc_device()
        self.env.invalidate_all()
        self.assertFalse(self.env["sms.sms"].sudo().search_count([]))
        self.assertEqual(messages.exists(), messages)
        self.assertEqual(messages.read(), before)
        self.assertEqual(set(messages.mapped("state")), {"delivered"})
        for message in messages:
            self.assertTrue(message.external_ref)
            self.assertTrue(message.sent_at)
            self.assertTrue(message.delivered_at)
            self.assertEqual((message.cost, message.cost_unit), (1, "credits"))

    def mailing(self, body, **values):
        self.need("mass_mailing_sms")
        return self.env["mailing.mailing"].create(
            {
                "subject": "News",
                "mailing_type": "sms",
                "mailing_model_id": self.env["ir.model"]._get_id("res.partner"),
                "mailing_domain": repr([("id", "in", self.partners.ids)]),
                "body_plaintext": body,
                "sms_allow_unsubscribe": False,
                **values,
            }
        )

    def test_mailing(self):
        """A mass mailing: each trace follows its message to the end."""
        for word, state, status in (
            ("[delivered]", "delivered", "sent"),
            ("[accepted]", "sent", "pending"),
            ("[undelivered]", "undelivered", "bounce"),
            ("[expired]", "expired", "error"),
            ("[refused]", "failed", "bounce"),
            ("[timeout]", "unconfirmed", "process"),
        ):
            for force in (True, False):
                self.need("mass_mailing_sms")
                with self.row(f"{word}, at once: {force}"):
                    mailing = self.mailing(f"News {word}", sms_force_send=force)
                    mailing.action_send_sms()
                    messages = self.sent()
                    self.assertEqual(len(messages), 3)
                    self.assertEqual(set(messages.mapped("kind")), {"broadcast"})
                    traces = mailing.mailing_trace_ids
                    self.assertEqual(set(traces.mapped("trace_status")), {"process"})
                    self.deliver()
                    self.assertEqual(set(messages.mapped("state")), {state})
                    self.assertEqual(set(traces.mapped("trace_status")), {status})
                    done = "sending" if status == "process" else "done"
                    if status != "bounce":
                        self.assertEqual(mailing.state, done)
                    self.assertEqual(
                        len(self.messages_of([("direction", "=", "outgoing")])), 3
                    )

    def test_mailing_opt_out_link(self):
        """The opt-out link of a mailing travels in each text."""
        mailing = self.mailing("News", sms_allow_unsubscribe=True)
        mailing.action_send_sms()
        bodies = self.sent().mapped("body")
        self.assertEqual(len(set(bodies)), 3, "each has its own link")
        for body in bodies:
            self.assertIn(f"/sms/{mailing.id}/", body)

    def test_mailing_test(self):
        """The test wizard of a mailing texts once and says so."""
        mailing = self.mailing("News", sms_allow_unsubscribe=True)
        wizard = self.env["mailing.sms.test"].create(
            {"mailing_id": mailing.id, "numbers": f"{NUMBERS[0]}\n{NUMBERS[1]}\nbad"}
        )
        wizard.action_send_sms()
        messages = self.sent()
        self.assertEqual(messages.mapped("number"), list(NUMBERS[:2]))
        note = mailing.message_ids[0].body
        self.assertEqual(note.count("successfully"), 2, note)
        self.assertIn("bad", note)
        self.process_queue()
        self.deliver()
        outgoing = self.messages_of([("direction", "=", "outgoing")])
        self.assertEqual(outgoing, messages, "core's queue sent nothing again")
        self.assertEqual(set(messages.mapped("state")), {"delivered"})


@tagged("post_install", "-at_install")
class TestWithoutGateway(FlowCase):
    """Where no gateway of the hub serves, core works as ever."""

    def setUp(self):
        super().setUp()
        self.gateway.state = "disabled"
        self.env["iap.account"].get("sms")
        self.asked = []

        def contact(_api, endpoint, params):
            self.asked.append(endpoint)
            return [
                {"uuid": number["uuid"], "state": "success", "credit": 1}
                for message in params["messages"]
                for number in message["numbers"]
            ]

        self.startPatcher(patch.object(SmsApi, "_contact_iap", contact))

    def test_core_is_asked(self):
        """Every path goes to core's provider, and leaves no message of ours."""
        for label, send in (
            ("single", lambda: self.compose(self.partner)),
            (
                "mass",
                lambda: (self.compose(self.partners), self.process_queue()),
            ),
            ("mass at once", lambda: self.compose(self.partners, mass_force_send=True)),
            (
                "by code",
                lambda: (
                    self.env["sms.sms"]
                    .create({"number": NUMBERS[0], "body": "x"})
                    .send()
                ),
            ),
        ):
            with self.row(label):
                self.asked.clear()
                send()
                self.assertEqual(set(self.asked), {"/api/sms/3/send"})
                self.assertFalse(self.messages_of())

    def test_mixed(self):
        """One company with a gateway, one without: each its own way."""
        company = self.env["res.company"].create({"name": "Other company"})
        gateway = self.make_gateway(name="Other", company_id=company.id)
        vals = {"number": NUMBERS[0], "body": "Mixed"}
        self.env["sms.sms"].search([]).unlink()
        self.env["sms.sms"].create(
            [
                {**vals, "sms_gateway_company_id": self.env.company.id},
                {**vals, "sms_gateway_company_id": company.id},
            ]
        )
        self.process_queue()
        self.assertEqual(len(self.asked), 1)
        self.assertEqual(self.messages_of().gateway_id, gateway)


@tagged("post_install", "-at_install")
class TestCoreStatusRoute(SmsGatewayMixin, HttpCase):
    """C9: core's unsigned status route has no say over what the hub serves."""

    def report(self, statuses):
        response = self.make_jsonrpc_request(
            "/sms/status", {"message_statuses": statuses}
        )
        self.env.invalidate_all()
        return response

    def tracker(self, uuid):
        notification = self.env["mail.notification"].create(
            {
                "mail_message_id": self.partner.message_post(body="x").id,
                "notification_type": "sms",
                "notification_status": "pending",
                "sms_number": NUMBERS[0],
            }
        )
        self.env["sms.tracker"].create(
            {"sms_uuid": uuid, "mail_notification_id": notification.id}
        )
        return notification

    def test_served_by_the_hub(self):
        """Who knows the id of a text cannot say that it was delivered or not."""
        for status in ("delivered", "not_delivered", "rejected", "sent"):
            with self.row(status):
                ours, theirs = self.tracker(UUIDS[0]), self.tracker(UUIDS[1])
                message = self.enqueue(sms_uuid=UUIDS[0])
                self.env.flush_all()
                answer = self.report(
                    [{"uuids": [UUIDS[0], UUIDS[1]], "sms_status": status}]
                )
                self.assertEqual(answer, "OK")
                self.assertEqual(ours.notification_status, "pending")
                self.assertEqual(message.state, "queued")
                expected = {
                    "delivered": "sent",
                    "not_delivered": "exception",
                    "rejected": "bounce",
                    "sent": "pending",
                }[status]
                self.assertEqual(theirs.notification_status, expected)

    def test_only_ours(self):
        """A call about nothing but our texts is answered and changes nothing."""
        with self.row("only ours"):
            ours = self.tracker(UUIDS[0])
            self.enqueue(sms_uuid=UUIDS[0])
            self.env.flush_all()
            self.report([{"uuids": [UUIDS[0]], "sms_status": "delivered"}])
            self.assertEqual(ours.notification_status, "pending")
