# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import UTC, timedelta

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .. import const


class SmsGateway(models.Model):
    """How the texts that come in at a gateway are answered."""

    _inherit = "sms.gateway"

    answer_time_h = fields.Float(
        "Answer within",
        default=const.ANSWER_TIME_H,
        help="Hours within which an incoming text shall be answered, counted within "
        "the office hours if there are any. 0: there is no deadline.",
    )
    calendar_id = fields.Many2one(
        "resource.calendar",
        "Office hours",
        ondelete="set null",
        domain="[('company_id', 'in', [company_id, False])]",
        help="Working hours and days off, in the time zone of that schedule. Empty: "
        "somebody is always there.",
    )
    escalation_user_id = fields.Many2one(
        "res.users",
        "Overdue ones go to",
        ondelete="set null",
        domain="[('share', '=', False)]",
        help="Is told once of each text that was not answered in time. Empty: the "
        "responsible of the gateway.",
    )
    close_after_days = fields.Integer(
        "Close after days",
        default=const.CLOSE_AFTER_DAYS,
        help="A conversation in which nobody wrote for so long is closed; the next "
        "text begins it anew, and the rules say whose it is. 0: never.",
    )
    notify_by_email = fields.Boolean(
        "E-mail to the owner",
        default=True,
        help="Send each incoming text to the owner of its conversation, with a link "
        "to answer from a phone.",
    )
    reply_link_days = fields.Integer(
        "Links work for days",
        default=const.REPLY_LINK_DAYS,
        help="How long the link of an e-mail leads to the page to answer at.",
    )
    reply_needs_login = fields.Boolean(
        "Links need a login",
        help="Whoever opens the link must also log in as the user it was sent to. "
        "Otherwise the link alone is enough: whoever has the e-mail can answer.",
    )
    away_reply = fields.Boolean(
        "Answer outside office hours",
        help="Who writes while nobody is there gets an automatic answer, once in "
        "twelve hours.",
    )
    away_answer = fields.Text(
        "Answer then",
        translate=True,
        help="Empty: a standard text in the person's language. It may hold {company} "
        "and {number}.",
    )

    _answer_time_valid = models.Constraint(
        "CHECK (answer_time_h >= 0 AND answer_time_h <= 720)",
        "“Answer within” must be between 0 and 720 hours (30 days).",
    )
    _reply_link_days_valid = models.Constraint(
        "CHECK (reply_link_days BETWEEN 1 AND 90)",
        "“Links work for days” must be between 1 and 90.",
    )
    _close_after_days_valid = models.Constraint(
        "CHECK (close_after_days BETWEEN 0 AND 3650)",
        "“Close after days” must be between 0 and 3650.",
    )

    @api.constrains("away_reply", "calendar_id")
    def _check_away_reply(self):
        for gateway in self:
            if gateway.away_reply and not gateway.calendar_id:
                raise ValidationError(
                    self.env._(
                        "Choose the office hours of “%s” first: without them somebody "
                        "is always there.",
                        gateway.name,
                    )
                )

    def _get_answering_company(self):
        """Return the company whose people answer texts that are no company's.

        :return: res.company, one
        """
        gateway = self.sudo()
        return (
            gateway.company_id
            or gateway.responsible_user_id.company_id
            or self.env.ref("base.user_root").sudo().company_id
        )

    @api.model
    def _route_conversation(self, company, number):
        """Return the gateway of the open conversation with a number, if it may serve.

        :param company: res.company, one
        :param str number: E.164, or whatever there is instead
        :return: sms.gateway, at most one
        """
        in_service = self._in_service(company)
        if len(in_service) < 2:
            return self.browse()
        conversation = self.env["sms.conversation"]._find(number, company)
        gateway = conversation.gateway_id & in_service
        if conversation.state == "closed" or gateway.state != "enabled":
            return self.browse()
        prefixes = tuple(self._split_prefixes(gateway.prefixes))
        if prefixes and not (number or "").startswith(prefixes):
            return self.browse()
        return gateway

    def _is_open(self, at=None, calendar=None):
        """Say whether it is office hours.

        :param datetime at: UTC, now when left out
        :param calendar: resource.calendar to go by instead of the gateway's
        """
        calendar = (calendar or self.calendar_id).sudo()
        if not calendar:
            return True
        at = (at or fields.Datetime.now()).replace(tzinfo=UTC)
        intervals = calendar._work_intervals_batch(at, at + timedelta(minutes=1))
        return bool(intervals[False])

    def _get_answer_until(self, since):
        """Return until when a text shall be answered.

        :param datetime since: UTC, when it came
        :return: datetime, UTC, or False for no deadline
        """
        if not self.answer_time_h:
            return False
        calendar = self.calendar_id.sudo()
        if calendar:
            planned = calendar.plan_hours(
                self.answer_time_h, since.replace(tzinfo=UTC), compute_leaves=True
            )
            if planned:
                return planned.astimezone(UTC).replace(tzinfo=None)
        return since + timedelta(hours=self.answer_time_h)
