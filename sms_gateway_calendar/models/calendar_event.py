# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import datetime, time, timedelta

import pytz

from odoo import fields, models

from odoo.addons.sms_gateway_hub.models.sms_sms import TextOptions


class CalendarEvent(models.Model):
    _inherit = "calendar.event"

    def _sms_gateway_get_deadline(self):
        """Return when it is too late to remind of this event.

        That is its start. An event of whole days may be of use until the last of them
        ends where the event takes place: in the time zone of its series, else the
        organiser's, else that of the organiser's company.

        :return: datetime, UTC, also when it is past; None without a start
        """
        self.ensure_one()
        if not self.start:
            return None
        if not self.allday:
            return self.start
        # Odoo keeps dates, not moments, in start and stop of such an event.
        last_day = self.stop_date or (self.stop or self.start).date()
        organiser = self.sudo().user_id
        company = organiser.company_id or self.env.company
        zone = pytz.timezone(
            self.event_tz or organiser.tz or company.sudo().partner_id.tz or "UTC"
        )
        midnight = datetime.combine(last_day + timedelta(days=1), time.min)
        return zone.localize(midnight).astimezone(pytz.UTC).replace(tzinfo=None)

    def _sms_gateway_get_expiry(self):
        # What is texted after the start is no announcement ("Thank you for coming").
        # Late reminders are: those bring their deadline along, see below.
        deadline = self._sms_gateway_get_deadline()
        if deadline and deadline > fields.Datetime.now():
            return deadline
        return super()._sms_gateway_get_expiry()

    def _do_sms_reminder(self, alarms):
        """Give each reminder its deadline, past ones too: then it is not sent."""
        for event in self:
            deadline = event._sms_gateway_get_deadline()
            options = TextOptions(sms_gateway_expires_at=deadline)
            reminded = event.with_context(sms_gateway_options=options)
            super(CalendarEvent, reminded)._do_sms_reminder(alarms)
        return None
