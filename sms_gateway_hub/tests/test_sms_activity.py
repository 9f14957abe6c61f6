# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Texts from activities."""

from datetime import datetime
from unittest.mock import patch

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, freeze_time

from ..tools.gateway_data import InboundMessage
from .common import NUMBERS, SmsGatewayCase

NOW = "2026-11-23 12:00:00"
TEAM = "base.group_user,base.group_partner_manager"


@freeze_time(NOW)
class TestSmsActivity(SmsGatewayCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.type_sms = cls.env.ref("sms_gateway_hub.mail_activity_type_sms")
        cls.ann = cls.new_user("ann", TEAM, tz="Europe/Berlin")
        cls.bob = cls.new_user("bob", TEAM, tz="America/New_York")
        cls.boss = cls.new_user("boss", f"{TEAM},sms_gateway_hub.group_manager")
        cls.activities = cls.env["mail.activity"].sudo().with_context(active_test=False)
        # A database that somebody works with has such activities, too.
        cls.activities.search([("sms_gateway_at", "!=", False)]).unlink()

    def plan(self, user=None, **values):
        """Plan a text as a user does, on the contact of the test."""
        user = user or self.ann
        partner = self.partner.with_user(user)
        return (
            self.env["mail.activity"]
            .with_user(user)
            .create(
                {
                    "activity_type_id": self.type_sms.id,
                    "res_model_id": self.env["ir.model"]._get_id(partner._name),
                    "res_id": partner.id,
                    "user_id": user.id,
                    "sms_gateway_body": "See you at noon.",
                    **values,
                }
            )
        )

    def run_job(self, at="2026-11-24 12:00:00"):
        """Let the job run at a time."""
        self.env.flush_all()
        with freeze_time(at), self.own_cursors():
            self.env["mail.activity"]._cron_sms_gateway_send()

    def template(self, body="Dear {{ object.name }}!", model="res.partner"):
        return self.env["sms.template"].create(
            {
                "name": "Words",
                "model_id": self.env["ir.model"]._get_id(model),
                "body": body,
            }
        )

    # -- When -----------------------------------------------------------------

    def test_moment_follows_the_deadline(self):
        """It is nine o'clock for the assigned user, and never in the past."""
        for label, user, deadline, moment in [
            ("tomorrow in Berlin", self.ann, "2026-11-24", "2026-11-24 08:00:00"),
            ("tomorrow in New York", self.bob, "2026-11-24", "2026-11-24 14:00:00"),
            ("today, past nine", self.ann, "2026-11-23", "2026-11-23 12:15:00"),
            ("today, before nine", self.bob, "2026-11-23", "2026-11-23 14:00:00"),
            ("a deadline in the past", self.ann, "2026-11-01", "2026-11-23 12:15:00"),
        ]:
            with self.row(label):
                activity = self.plan(user, date_deadline=deadline)
                self.assertEqual(
                    fields.Datetime.to_string(activity.sms_gateway_at), moment
                )

    def test_moment_moves_along(self):
        """A later deadline keeps the hour; a chosen moment moves the deadline."""
        activity = self.plan(date_deadline="2026-11-24")
        activity.sms_gateway_at = "2026-11-26 23:30:00"
        self.assertEqual(str(activity.date_deadline), "2026-11-27")
        activity.date_deadline = "2026-12-01"
        self.assertEqual(activity.sms_gateway_at, datetime(2026, 11, 30, 23, 30))
        activity.action_reschedule_tomorrow()
        self.assertEqual(activity.sms_gateway_at, datetime(2026, 11, 23, 23, 30))

    def test_job_is_woken_for_the_moment(self):
        """The job has a trigger at the very moment."""
        activity = self.plan(date_deadline="2026-11-24")
        triggers = self.env["ir.cron.trigger"].search(
            [("cron_id", "=", self.env.ref("sms_gateway_hub.ir_cron_activities").id)]
        )
        self.assertIn(activity.sms_gateway_at, triggers.mapped("call_at"))

    def test_kind_is_no_longer_one_that_texts(self):
        """What its type made due, and another category no more, holds nobody up."""
        kind = self.type_sms.copy({"name": "Reminder"})
        activity = self.plan(activity_type_id=kind.id, date_deadline="2026-11-24")
        kind.category = "default"
        self.run_job("2026-11-24 08:00:00")
        self.assertFalse(self.messages_of())
        self.assertTrue(activity.active)
        with freeze_time("2026-11-24 08:00:00"):
            due = self.env["mail.activity"]._sms_gateway_search_due(10)
        self.assertFalse(due)

    # -- Sending ----------------------------------------------------------------

    def test_text_leaves_and_completes_the_activity(self):
        """At its moment the text is queued once, as the user's, and shown."""
        activity = self.plan(date_deadline="2026-11-24")
        self.run_job("2026-11-24 07:59:59")
        self.assertFalse(self.messages_of())
        self.run_job("2026-11-24 08:00:00")
        message = self.messages_of()
        self.assertFields(
            message,
            {
                "number": NUMBERS[0],
                "body": "See you at noon.",
                "state": "queued",
                "kind": "single",
                "author_id": self.ann,
                "partner_id": self.partner,
                "res_model": "res.partner",
            },
        )
        self.assertEqual(message.mail_message_id.author_id, self.ann.partner_id)
        self.assertEqual(message.mail_message_id.message_type, "sms")
        self.assertFalse(activity.active)
        self.assertEqual(activity.feedback, "Texted: “See you at noon.”")
        self.run_job("2026-11-24 08:10:00")
        self.assertEqual(len(self.messages_of()), 1)

    def test_what_is_over_is_not_sent(self):
        """Done, cancelled or looked at once more: nothing leaves."""
        for label, end in [
            ("done", lambda activity: activity.action_done()),
            ("done with feedback", lambda a: a.action_feedback(feedback="Called")),
            ("cancelled", lambda activity: activity.action_cancel()),
            ("deleted", lambda activity: activity.unlink()),
            ("archived", lambda activity: activity.action_archive()),
            (
                "done and opened again",
                lambda a: (a.action_done(), a.action_unarchive()),
            ),
            (
                "made a call",
                lambda a: a.write(
                    {
                        "activity_type_id": self.env.ref(
                            "mail.mail_activity_data_call"
                        ).id
                    }
                ),
            ),
        ]:
            with self.row(label):
                end(self.plan(date_deadline="2026-11-24"))
                self.run_job()
                self.assertFalse(self.messages_of())

    def test_template_is_filled_in_when_it_is_sent(self):
        """A template takes what is true then; a typed text is never evaluated."""
        template = self.template()
        planned = self.plan(
            sms_gateway_template_id=template.id, date_deadline="2026-11-24"
        )
        typed = self.plan(sms_gateway_body="{{ object.name }}")
        self.assertEqual(planned.sms_gateway_preview, "Dear Ada Lovelace!")
        self.assertFalse(planned.sms_gateway_body)
        self.partner.name = "Countess"
        self.run_job()
        self.assertEqual(
            set(self.messages_of().mapped("body")),
            {"Dear Countess!", "{{ object.name }}"},
        )
        self.assertFalse((planned | typed).filtered("active"))

    def test_next_activity_is_triggered(self):
        """A chain goes on, with the text and the moment of its own type."""
        follow_up = self.env["mail.activity.type"].create(
            {
                "name": "Remind",
                "category": "sms",
                "sms_gateway_body": "A reminder",
                "delay_count": 2,
            }
        )
        self.type_sms.write(
            {"chaining_type": "trigger", "triggered_next_type_id": follow_up.id}
        )
        first = self.plan(date_deadline="2026-11-24")
        self.run_job("2026-11-24 08:00:00")
        second = self.activities.search(
            [("activity_type_id", "=", follow_up.id), ("res_id", "=", self.partner.id)]
        )
        self.assertFalse(first.active)
        self.assertFields(
            second,
            {
                "sms_gateway_body": "A reminder",
                "user_id": self.ann,
                "date_deadline": fields.Date.to_date("2026-11-26"),
                "sms_gateway_at": datetime(2026, 11, 26, 8),
            },
        )
        self.run_job("2026-11-26 08:00:00")
        self.assertEqual(self.messages_of().mapped("body")[-1], "A reminder")

    def test_plan_with_a_text_of_the_type(self):
        """A plan's step takes the default text; without one it says what is missing."""
        greeting = self.env["mail.activity.type"].create(
            {"name": "Greet", "category": "sms", "sms_gateway_body": "Welcome!"}
        )
        plan = self.env["mail.activity.plan"].create(
            {
                "name": "New contact",
                "res_model": "res.partner",
                "template_ids": [
                    Command.create(
                        {
                            "activity_type_id": activity_type.id,
                            "responsible_type": "on_demand",
                            "delay_count": 1,
                        }
                    )
                    for activity_type in (greeting, self.type_sms)
                ],
            }
        )
        wizard = (
            self.env["mail.activity.schedule"]
            .with_user(self.ann)
            .with_context(active_model="res.partner", active_ids=self.partner.ids)
            .create({"plan_id": plan.id, "plan_on_demand_user_id": self.ann.id})
        )
        wizard.action_schedule_plan()
        self.run_job()
        self.assertEqual(self.messages_of().mapped("body"), ["Welcome!"])
        left = self.partner.activity_ids.filtered(
            lambda activity: activity.activity_type_id == self.type_sms
        )
        self.assertEqual(left.sms_gateway_error, "The text is empty: write one.")

    # -- What cannot be sent ------------------------------------------------------

    def test_failures_are_told_once(self):
        """It stays open, says why, tells the user once, and is not tried again."""

        def refuse():
            self.env["sms.consent"]._record(NUMBERS[0], "opted_out", method="phone")

        def lose_document(activity):
            self.env.cr.execute(
                "UPDATE mail_activity SET res_id = 2000000000 WHERE id = %s",
                [activity.id],
            )

        def break_template(activity):
            activity.sms_gateway_template_id = self.template("{{ object.no_such }}")

        for label, spoil, reason in [
            (
                "no number",
                lambda a: self.partner.write({"phone": False, "mobile": False}),
                "no valid phone number",
            ),
            ("refused", lambda a: refuse(), "refused texts"),
            (
                "no gateway",
                lambda a: self.gateway.write({"state": "disabled"}),
                "No gateway",
            ),
            ("template", break_template, "template"),
            ("document gone", lose_document, "document is gone"),
            (
                "user archived",
                lambda a: self.ann.write({"active": False}),
                "does not work here",
            ),
            (
                "assigned to nobody",
                lambda a: (
                    a.write({"user_id": False}),
                    self.force(a, sms_gateway_author_id=None),
                ),
                "assigned to nobody",
            ),
            (
                "no rights any more",
                lambda a: self.ann.write(
                    {"group_ids": [Command.set(self.env.ref("base.group_user").ids)]}
                ),
                "may not text",
            ),
        ]:
            with self.row(label):
                activity = self.plan(date_deadline="2026-11-24").sudo()
                spoil(activity)
                self.env.flush_all()
                self.env.invalidate_all()
                last = self.env["mail.message"].search([], limit=1, order="id desc").id
                told = [
                    ("id", ">", last),
                    ("subject", "like", "was not sent"),
                ]
                self.run_job()
                self.run_job("2026-11-25 12:00:00")
                self.assertTrue(activity.active)
                self.assertIn(reason, activity.sms_gateway_error)
                self.assertFalse(self.messages_of([("state", "=", "queued")]))
                self.assertFalse(
                    self.env["mail.message"].search(
                        [("id", ">", last), ("message_type", "=", "sms")]
                    )
                )
                wanted = 0 if label == "user archived" else 1
                if label == "assigned to nobody":
                    wanted = 0
                self.assertEqual(self.env["mail.message"].search_count(told), wanted)

    def test_failed_one_is_tried_again_when_changed(self):
        """A new text or moment, or “Send now”, is a new try: never in the past."""
        for label, vals in [
            ("text", {"sms_gateway_body": "Another"}),
            ("moment", {"sms_gateway_at": "2026-11-24 12:15:00"}),
            ("assigned user", {"user_id": self.bob.id}),
        ]:
            with self.row(label):
                activity = self.plan(date_deadline="2026-11-24")
                number = self.partner.phone
                self.partner.write({"phone": False, "mobile": False})
                self.run_job("2026-11-24 08:00:00")
                self.assertTrue(activity.sms_gateway_error)
                self.partner.phone = number
                with freeze_time("2026-11-24 12:00:00"):
                    activity.write(vals)
                self.assertFalse(activity.sms_gateway_error)
                self.assertEqual(
                    activity.sms_gateway_at, datetime(2026, 11, 24, 12, 15)
                )
                self.run_job("2026-11-24 12:15:00")
                self.assertEqual(len(self.messages_of([("state", "=", "queued")])), 1)
                self.assertFalse(activity.active)

    def test_one_bad_activity_hurts_no_other(self):
        """The others of the same run are sent."""
        bad = self.plan(
            sms_gateway_template_id=self.template("{{ object.no_such }}").id,
            date_deadline="2026-11-24",
        )
        good = self.plan(date_deadline="2026-11-24")
        self.run_job()
        self.assertTrue(bad.active)
        self.assertFalse(good.active)

    def test_killed_in_the_middle_leaves_both_undone(self):
        """The text and the completion are one transaction."""
        activity = self.plan(date_deadline="2026-11-24")
        self.env.flush_all()
        model = type(self.env["mail.activity"])

        def killed(*_args, **_kwargs):
            raise KeyboardInterrupt

        with (
            patch.object(model, "_action_done", killed),
            self.assertRaises(KeyboardInterrupt),
        ):
            self.run_job()
        self.env.invalidate_all()
        self.assertTrue(activity.active)
        self.assertFalse(self.messages_of())
        self.run_job()
        self.assertEqual(len(self.messages_of()), 1)

    def test_held_by_quiet_hours_is_queued(self):
        """What waits for the end of quiet hours is on its way: the activity is done."""
        self.gateway.write(
            {"quiet_hours": True, "quiet_from": 0.0, "quiet_to": 23.0}
            if "quiet_from" in self.gateway._fields
            else {"quiet_hours": True}
        )
        activity = self.plan(date_deadline="2026-11-24")
        # 3:00 where the recipient is.
        self.run_job("2026-11-24 08:00:00")
        self.assertEqual(self.messages_of().mapped("state"), ["queued"])
        self.assertFalse(activity.active)

    # -- By hand ---------------------------------------------------------------------

    def test_send_now(self):
        """The button sends at once, or says why not and changes nothing."""
        activity = self.plan(date_deadline="2026-12-24")
        activity.action_sms_gateway_send_now()
        self.assertEqual(len(self.messages_of()), 1)
        self.assertFalse(activity.active)
        with self.assertRaises(UserError):
            activity.action_sms_gateway_send_now()
        self.assertEqual(len(self.messages_of()), 1)
        other = self.plan(date_deadline="2026-12-24")
        self.gateway.state = "disabled"
        with self.assertRaisesRegex(UserError, "No gateway"):
            other.action_sms_gateway_send_now()
        self.assertTrue(other.active)

    def test_what_cannot_be_meant_is_refused(self):
        """Errors name what is missing."""
        nobody = self.env["res.partner"].create({"name": "No number"})
        foreign = self.template(model="res.users")
        for label, vals, error in [
            ("no text", {"sms_gateway_body": " "}, "text is empty"),
            (
                "past",
                {"sms_gateway_at": "2026-11-23 11:00:00"},
                "in the past",
            ),
            ("no moment", {"sms_gateway_at": False}, "“Send at” is empty"),
            ("no number", {"res_id": nobody.id}, "No number has no valid phone"),
            ("template", {"sms_gateway_template_id": foreign.id}, "not for this kind"),
            ("no document", {"res_id": False, "res_model_id": False}, "nobody to text"),
        ]:
            with self.row(label), self.assertRaisesRegex(ValidationError, error):
                self.plan(**vals)

    def test_schedule_wizard(self):
        """The wizard shows the text of the type, and plans it for the document."""
        wizard = Form(
            self.env["mail.activity.schedule"]
            .with_user(self.ann)
            .with_context(active_model="res.partner", active_ids=self.partner.ids)
        )
        wizard.activity_type_id = self.type_sms
        self.assertEqual(wizard.sms_gateway_number, NUMBERS[0])
        self.assertEqual(
            fields.Datetime.to_string(
                fields.Datetime.to_datetime(wizard.sms_gateway_at)
            ),
            "2026-11-23 12:15:00",
        )
        wizard.sms_gateway_at = "2026-11-25 10:00:00"
        wizard.sms_gateway_body = "Hello"
        wizard.save().action_schedule_activities()
        activity = self.partner.activity_ids
        self.assertFields(
            activity,
            {
                "sms_gateway_body": "Hello",
                "sms_gateway_at": datetime(2026, 11, 25, 10),
                "date_deadline": fields.Date.to_date("2026-11-25"),
                "user_id": self.ann,
                "sms_gateway_author_id": self.ann,
            },
        )

    def test_wizard_refuses_what_cannot_be_sent(self):
        """A document without number is named, and nothing is planned."""
        nobody = self.env["res.partner"].create({"name": "No number"})
        wizard = (
            self.env["mail.activity.schedule"]
            .with_user(self.ann)
            .with_context(
                active_model="res.partner", active_ids=(self.partner | nobody).ids
            )
            .create({"activity_type_id": self.type_sms.id, "sms_gateway_body": "Hello"})
        )
        with self.assertRaisesRegex(ValidationError, "No number has no valid"):
            wizard.action_schedule_activities()

    # -- Whose ------------------------------------------------------------------------

    def test_in_whose_name_it_leaves(self):
        """Nobody texts in another's name, unless they manage SMS gateways."""
        for label, writer, assigned, author in [
            ("own", self.ann, self.ann, self.ann),
            ("for a colleague", self.ann, self.bob, self.ann),
            ("a manager for somebody", self.boss, self.bob, self.bob),
        ]:
            with self.row(label):
                activity = self.plan(
                    writer, user_id=assigned.id, date_deadline="2026-11-24"
                )
                self.run_job("2026-11-24 15:00:00")
                self.assertFalse(activity.sudo().sms_gateway_error)
                self.assertEqual(self.messages_of().author_id, author)

    def test_changed_words_are_their_writers(self):
        """Whoever rewrites a colleague's text, or sends it elsewhere, is its author."""
        other = self.env["res.partner"].create({"name": "Eve", "phone": NUMBERS[1]})
        for label, vals in [
            ("text", {"sms_gateway_body": "You are fired."}),
            ("template", {"sms_gateway_template_id": self.template().id}),
            ("recipient", {"res_id": other.id}),
        ]:
            with self.row(label):
                activity = self.plan(self.ann, date_deadline="2026-11-24")
                activity.with_user(self.bob).write(vals)
                self.run_job()
                self.assertEqual(self.messages_of().author_id, self.bob)

    def test_author_and_error_cannot_be_given(self):
        """Neither values nor defaults of a client say whose text it is."""
        activity = self.plan(
            self.ann, user_id=self.bob.id, sms_gateway_author_id=self.bob.id
        )
        self.assertEqual(activity.sms_gateway_author_id, self.ann)
        activity.write({"sms_gateway_author_id": self.bob.id, "sms_gateway_error": "x"})
        self.assertEqual(activity.sms_gateway_author_id, self.ann)
        self.assertFalse(activity.sms_gateway_error)
        by_context = (
            self.env["mail.activity"]
            .with_user(self.ann)
            .with_context(
                default_activity_type_id=self.type_sms.id,
                default_sms_gateway_author_id=self.bob.id,
                default_sms_gateway_body="In your name",
            )
            .create(
                {
                    "res_model_id": self.env["ir.model"]._get_id("res.partner"),
                    "res_id": self.partner.id,
                    "user_id": self.bob.id,
                }
            )
        )
        self.assertEqual(by_context.sms_gateway_author_id, self.ann)
        self.run_job()
        self.assertEqual(self.messages_of().author_id, self.ann)

    def test_rights_are_those_of_activities(self):
        """Who may not write the document, or the activity, cannot plan or send."""
        reader = self.new_user("reading", "base.group_user")
        portal = self.new_user("customer", "base.group_portal")
        activity = self.plan(date_deadline="2026-11-24")
        for label, user in [("reader", reader), ("portal", portal)]:
            with self.row(label):
                with self.assertRaises(AccessError):
                    self.plan(user)
                with self.assertRaises(AccessError):
                    activity.with_user(user).write({"sms_gateway_body": "Mine"})
                with self.assertRaises(AccessError):
                    activity.with_user(user).action_sms_gateway_send_now()
        self.run_job()
        self.assertEqual(self.messages_of().body, "See you at noon.")

    def test_type_and_template_fit(self):
        """A type's template is for the type's model."""
        with self.assertRaisesRegex(ValidationError, "for Contact alone"):
            self.type_sms.sms_gateway_template_id = self.template()
        self.type_sms.write(
            {"res_model": "res.partner", "sms_gateway_template_id": self.template().id}
        )


class TestAnswerActivity(SmsGatewayCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ann = cls.new_user("ann", TEAM)
        cls.bob = cls.new_user("bob", TEAM)
        cls.partner.user_id = cls.ann

    def receive(self, key="1"):
        message = self.env["sms.gateway.message"]._receive(
            self.gateway,
            InboundMessage(event_key=key, number=NUMBERS[0], body="Are you there?"),
        )
        conversation = self.env["sms.conversation"]._find(
            message.number, message.company_id
        )
        self.assertEqual(conversation.state, "to_answer")
        self.assertEqual(conversation.answer_activity_id.user_id, self.ann)
        return conversation

    def test_ending_the_activity_closes_the_conversation(self):
        """Done or cancelled without a text: no answer is needed."""
        for label, end in [
            ("done", lambda activity: activity.action_done()),
            ("feedback", lambda activity: activity.action_feedback(feedback="Called")),
            ("cancelled", lambda activity: activity.action_cancel()),
            ("deleted", lambda activity: activity.unlink()),
        ]:
            with self.row(label):
                conversation = self.receive()
                end(conversation.answer_activity_id.with_user(self.ann))
                self.env.invalidate_all()
                self.assertEqual(conversation.state, "closed")
                self.assertFalse(conversation.answer_activity_id)

    def test_answering_does_not_close(self):
        """The conversation ends its activities itself, and waits."""
        conversation = self.receive()
        activity = conversation.answer_activity_id
        conversation.with_user(self.ann)._answer("Here I am.")
        self.assertEqual(conversation.state, "waiting")
        self.assertFalse(activity.active)

    def test_lost_document_leaves_the_question(self):
        """What goes with its contact was not cancelled: it is to answer."""
        conversation = self.receive()
        self.partner.with_context(active_test=False).activity_ids.invalidate_recordset()
        self.partner.unlink()
        self.env.invalidate_all()
        self.assertEqual(conversation.state, "to_answer")

    def test_giving_it_away_hands_the_conversation_over(self):
        """The new user of the activity owns the conversation, with all that follows."""
        conversation = self.receive()
        activity = conversation.answer_activity_id
        activity.with_user(self.ann).user_id = self.bob
        self.assertEqual(conversation.user_id, self.bob)
        self.assertEqual(conversation.answer_activity_id, activity)
        self.assertEqual(activity.user_id, self.bob)

    def test_giving_it_away_takes_rights(self):
        """Who may not assign the conversation changes nothing."""
        conversation = self.receive()
        activity = conversation.answer_activity_id
        with self.assertRaises(AccessError), self.env.cr.savepoint():
            activity.with_user(self.bob).user_id = self.bob
        self.env.invalidate_all()
        self.assertEqual(conversation.user_id, self.ann)
        self.assertEqual(activity.user_id, self.ann)

    def test_unassigning_leaves_it_to_the_team(self):
        """Nobody's conversation is still to answer."""
        conversation = self.receive()
        conversation.answer_activity_id.with_user(self.ann).write({"user_id": False})
        self.env.invalidate_all()
        self.assertFalse(conversation.user_id)
        self.assertEqual(conversation.state, "to_answer")
