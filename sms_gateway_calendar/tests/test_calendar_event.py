# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import datetime, timedelta

from freezegun import freeze_time

from odoo.fields import Command
from odoo.tests import tagged

from odoo.addons.sms_gateway_hub.tests.common import SmsGatewayCase

# 23:30 in New York, where the numbers of the tests are.
NIGHT = datetime(2026, 7, 2, 3, 30)
MORNING = datetime(2026, 7, 2, 12, 0)  # 8:00 there
NOON = datetime(2026, 7, 2, 16, 0)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

TOO_LATE_AFTER_THE_NIGHT = "quiet hours"
TOO_LATE_ALREADY = "validity had ended"


@tagged("post_install", "-at_install")
class TestCalendarEvent(SmsGatewayCase):
    """Texts about an event arrive before it, or not at all."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gateway.write({"quiet_hours": True, "quiet_from": 21, "quiet_to": 8})
        cls.organiser = cls.new_user(
            "organiser", "base.group_user", tz="America/New_York"
        )
        cls.alarm = cls.env["calendar.alarm"].create(
            {
                "name": "One hour",
                "alarm_type": "sms",
                "duration": 1,
                "interval": "hours",
            }
        )

    def make_event(self, start, stop=None, **values):
        """Make an event with an SMS reminder; its organiser is none of the invited."""
        return self.env["calendar.event"].create(
            {
                "name": "Meeting",
                "user_id": self.organiser.id,
                "partner_ids": [Command.set(self.partner.ids)],
                "alarm_ids": [Command.set(self.alarm.ids)],
                "start": start,
                "stop": stop or start + HOUR,
                **values,
            }
        )

    def make_allday(self, first, last=None, zone="America/New_York", **values):
        """Make an event of whole days, given as days of July 2026."""
        self.organiser.tz = zone
        start, stop = datetime(2026, 7, first), datetime(2026, 7, last or first)
        return self.make_event(
            start,
            stop,
            allday=True,
            start_date=start.date(),
            stop_date=stop.date(),
            **values,
        )

    def remind(self, event, now):
        """Let the reminder be made; return its message."""
        before = self.messages_of()
        with freeze_time(now):
            event._do_sms_reminder(self.alarm)
        return self.messages_of() - before

    def test_reminder(self):
        """What becomes of a reminder, by when it is made and what it is about."""
        at, days = self.make_event, self.make_allday
        held, dropped, passes = "quiet_hours", "expired", False
        rows = [
            # label, now, make the event, outcome, valid until, reason
            (
                "starts in the night",
                NIGHT,
                lambda: at(NIGHT + HOUR),
                dropped,
                NIGHT + HOUR,
                TOO_LATE_AFTER_THE_NIGHT,
            ),
            (
                "starts when the night ends",
                NIGHT,
                lambda: at(MORNING),
                dropped,
                MORNING,
                TOO_LATE_AFTER_THE_NIGHT,
            ),
            (
                "starts just after the night",
                NIGHT,
                lambda: at(MORNING + MINUTE),
                held,
                MORNING + MINUTE,
                None,
            ),
            ("starts the next day", NIGHT, lambda: at(NOON), held, NOON, None),
            ("made by day", NOON, lambda: at(NOON + HOUR), passes, NOON + HOUR, None),
            ("starts now", NOON, lambda: at(NOON), dropped, NOON, TOO_LATE_ALREADY),
            (
                "has begun",
                NOON,
                lambda: at(NOON - MINUTE),
                dropped,
                NOON - MINUTE,
                TOO_LATE_ALREADY,
            ),
            (
                "has begun, at night",
                NIGHT,
                lambda: at(NIGHT - MINUTE),
                dropped,
                NIGHT - MINUTE,
                TOO_LATE_ALREADY,
            ),
            (
                "all day tomorrow",
                NIGHT,
                lambda: days(2),
                held,
                datetime(2026, 7, 3, 4),
                None,
            ),
            (
                "all day today",
                NOON,
                lambda: days(2),
                passes,
                datetime(2026, 7, 3, 4),
                None,
            ),
            (
                "several days, the last is not over",
                NOON,
                lambda: days(1, 2),
                passes,
                datetime(2026, 7, 3, 4),
                None,
            ),
            (
                "the day ends in the night",
                NIGHT,
                lambda: days(1),
                dropped,
                datetime(2026, 7, 2, 4),
                TOO_LATE_AFTER_THE_NIGHT,
            ),
            (
                "the day is over",
                NOON,
                lambda: days(1),
                dropped,
                datetime(2026, 7, 2, 4),
                TOO_LATE_ALREADY,
            ),
            (
                "tomorrow ends while the guest sleeps: organiser in Tokyo",
                NIGHT,
                lambda: days(2, zone="Asia/Tokyo"),
                held,
                datetime(2026, 7, 2, 15),
                None,
            ),
            (
                "today is over: organiser in Tokyo",
                NOON,
                lambda: days(2, zone="Asia/Tokyo"),
                dropped,
                datetime(2026, 7, 2, 15),
                TOO_LATE_ALREADY,
            ),
            (
                "yesterday goes on: organiser in Honolulu",
                datetime(2026, 7, 2, 9, 59),
                lambda: days(2, zone="Pacific/Honolulu"),
                held,
                datetime(2026, 7, 3, 10),
                None,
            ),
        ]
        for label, now, make, outcome, until, reason in rows:
            with self.row(label):
                message = self.remind(make(), now)
                self.assertFields(
                    message,
                    {
                        "state": dropped if outcome == dropped else "queued",
                        "hold": False if outcome == dropped else outcome,
                        "failure_type": dropped if outcome == dropped else False,
                        "expires_at": until,
                        "kind": "automatic",
                        "res_model": "calendar.event",
                        "partner_id": self.partner,
                    },
                )
                if reason:
                    self.assertIn(reason, message.failure_reason)

    def test_dropped_is_never_sent(self):
        """The sender leaves a dropped reminder alone, and the document shows it."""
        message = self.remind(self.make_event(NIGHT + HOUR), NIGHT)
        with freeze_time(NOON):
            self.run_sender()
        self.assertFields(message, {"state": "expired", "attempts": 0})
        self.assertEqual(
            message.mail_message_id.notification_ids.mapped("notification_status"),
            ["exception"],
        )

    def test_scheduler(self):
        """Odoo's own job makes reminders that are valid until the start."""
        in_time = self.make_event(NOON + HOUR / 2)
        late = self.make_event(NOON - MINUTE)
        self.env.flush_all()
        manager = self.env["calendar.alarm_manager"].with_context(
            lastcall=NOON - 3 * HOUR
        )
        with freeze_time(NOON):
            manager._send_reminder()
        messages = self.messages_of([("res_model", "=", "calendar.event")])
        found = {
            message.res_id: (message.state, message.expires_at) for message in messages
        }
        self.assertEqual(
            {event.id: found.get(event.id) for event in in_time + late},
            {
                in_time.id: ("queued", in_time.start),
                late.id: ("expired", late.start),
            },
        )

    def test_each_event_has_its_own_deadline(self):
        """Reminders of several events, made together, do not share a deadline."""
        events = self.make_event(NOON + HOUR) + self.make_event(NOON + 2 * HOUR)
        messages = self.remind(events, NOON)
        self.assertEqual(messages.mapped("expires_at"), [NOON + HOUR, NOON + 2 * HOUR])

    def test_moved_event(self):
        """A waiting reminder keeps its deadline, the next one has the new start."""
        for label, shift in [("later", 2 * HOUR), ("earlier", -2 * HOUR)]:
            with self.row(label):
                start = NOON + 5 * HOUR
                event = self.make_event(start)
                waiting = self.remind(event, NIGHT)
                event.write({"start": start + shift, "stop": start + shift + HOUR})
                self.assertFields(
                    waiting,
                    {"state": "queued", "hold": "quiet_hours", "expires_at": start},
                )
                again = self.remind(event, NOON)
                self.assertEqual(again.expires_at, start + shift)

    def test_zone(self):
        """The zone in which an all-day event ends."""
        company = self.organiser.company_id
        rows = [
            # label, zone of the series, organiser, company; the second of July ends at
            ("series", "Asia/Tokyo", "Europe/Berlin", False, datetime(2026, 7, 2, 15)),
            (
                "organiser",
                False,
                "Europe/Berlin",
                "Asia/Tokyo",
                datetime(2026, 7, 2, 22),
            ),
            ("company", False, False, "Asia/Tokyo", datetime(2026, 7, 2, 15)),
            ("none", False, False, False, datetime(2026, 7, 3)),
        ]
        for label, series, organiser, of_company, ends in rows:
            with self.row(label):
                company.partner_id.tz = of_company
                values = {}
                if series:
                    values = {
                        "recurrency": True,
                        "rrule_type": "weekly",
                        "rrule_type_ui": "weekly",
                        "thu": True,
                        "end_type": "count",
                        "count": 2,
                        "event_tz": series,
                    }
                event = self.make_allday(2, zone=organiser, **values)
                self.assertEqual(event._sms_gateway_get_deadline(), ends)

    def test_day_that_ends_with_a_skipped_midnight(self):
        """Where clocks skip midnight, the day ends when they are moved."""
        self.organiser.tz = "Africa/Cairo"
        day = datetime(2026, 4, 23)
        event = self.make_event(
            day, day, allday=True, start_date=day.date(), stop_date=day.date()
        )
        self.assertEqual(event._sms_gateway_get_deadline(), datetime(2026, 4, 23, 22))

    def test_without_a_start(self):
        """An event that is being written, without a start, limits nothing."""
        event = self.env["calendar.event"].new({"start": False, "stop": False})
        self.assertIsNone(event._sms_gateway_get_deadline())
        self.assertIsNone(event._sms_gateway_get_expiry())

    def test_other_texts(self):
        """Only automatic texts about what is to come end with the start."""
        start = NOON + HOUR
        event = self.make_event(start)
        action = self.env["ir.actions.server"].create(
            {
                "name": "Text about the event",
                "model_id": self.env["ir.model"]._get_id("calendar.event"),
                "state": "sms",
                "sms_method": "comment",
                "sms_template_id": self.env["sms.template"]
                .create(
                    {
                        "name": "Text",
                        "model_id": self.env["ir.model"]._get_id("calendar.event"),
                        "body": "About {{ object.name }}",
                    }
                )
                .id,
            }
        )

        def rule():
            action.with_context(
                active_model=event._name, active_id=event.id, active_ids=event.ids
            ).run()

        def code():
            event._message_sms("Text", partner_ids=self.partner.ids)

        def user():
            self.env["sms.composer"].create(
                {
                    "composition_mode": "comment",
                    "res_model": event._name,
                    "res_id": event.id,
                    "body": "Text",
                }
            ).action_send_sms()

        after = start + MINUTE
        rows = [
            ("rule before", NOON, rule, start),
            ("rule after", after, rule, False),
            ("code before", NOON, code, start),
            ("code after", after, code, False),
            ("user before", NOON, user, False),
            ("user after", after, user, False),
        ]
        for label, now, write, until in rows:
            with self.row(label):
                with freeze_time(now):
                    write()
                self.assertFields(
                    self.messages_of(), {"state": "queued", "expires_at": until}
                )
