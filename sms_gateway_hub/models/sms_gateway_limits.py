# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

from ..tools import quiet_hours
from .sms_gateway_gate import Decision

_DAY = timedelta(days=1)


class SmsGateway(models.Model):
    """What limits the harm of somebody, or a bot, who makes Odoo text on and on."""

    _inherit = "sms.gateway"  # pylint: disable=consider-merging-classes-inherited

    country_ids = fields.Many2many(
        "res.country",
        string="Only to",
        tracking=True,
        help="Countries whose numbers this gateway may text. Texts to others are "
        "cancelled and say so. Empty: every country.",
    )
    country_codes = fields.Char(
        # The gate reads it with each claim: no table of its own to look into.
        compute="_compute_country_codes",
        store=True,
        help="ISO codes of the countries above, with a comma between them.",
    )
    max_per_number = fields.Integer(
        "Texts to one number",
        tracking=True,
        help="So many texts may leave for one number within 24 hours; the next ones "
        "wait until there is room. Urgent texts and the answer to STOP do not wait. "
        "0: no limit.",
    )

    _max_per_number_valid = models.Constraint(
        "CHECK (max_per_number BETWEEN 0 AND 10000)",
        "“Texts to one number” must be between 0 and 10,000.",
    )

    @api.depends("country_ids")
    def _compute_country_codes(self):
        for gateway in self:
            gateway.country_codes = ",".join(
                sorted(filter(None, gateway.country_ids.mapped("code")))
            )

    def write(self, vals):
        res = super().write(vals)
        if "max_per_number" in vals:
            # What waits is asked for again: there may be room now.
            self.env["sms.gateway.message"]._end_hold_at(self, "daily_limit")
        return res


class SmsGatewayGate(models.AbstractModel):
    _inherit = "sms.gateway.gate"  # pylint: disable=consider-merging-classes-inherited

    @api.model
    def _check(self, gateway, items, now=None):
        """Apply the gateway's limits to what nothing else holds back."""
        decisions = super()._check(gateway, items, now)
        if gateway.country_codes:
            self._limit_countries(gateway, items, decisions)
        if gateway.max_per_number:
            now = now or fields.Datetime.now()
            self._limit_per_number(gateway, items, decisions, now)
        return decisions

    @api.model
    def _limit_countries(self, gateway, items, decisions):
        """Cancel what goes where the gateway may not text.

        :param list decisions: of the items, changed in place
        """
        allowed = {*gateway.country_codes.split(",")}
        for place, item in enumerate(items):
            if decisions[place] and decisions[place].state != "queued":
                continue
            if quiet_hours.country_of(item["number"]) not in allowed:
                decisions[place] = Decision(
                    "canceled",
                    "country",
                    self.env._(
                        "The gateway “%s” texts numbers of some countries only, and "
                        "this is none of them.",
                        gateway.name,
                    ),
                )

    @api.model
    def _limit_per_number(self, gateway, items, decisions, now):
        """Let wait what one number would get too much of, with one query for all.

        What is due later is not asked for before it is: it counts when it leaves.

        :param list decisions: of the items, changed in place
        :param datetime now: UTC
        """
        due = {
            place: item
            for place, item in enumerate(items)
            if not decisions[place]
            and not item.get("urgent")
            and item.get("exempt") != "answer"
            and (item.get("due_at") or now) <= now
        }
        if not due:
            return
        limit = gateway.max_per_number
        left = self._get_left(gateway, list(due.values()), limit, now)
        passed = {}
        for place, item in due.items():
            number = item["number"]
            before = passed.get(number, 0)
            times = left.get(number, ())
            room_at = now
            if before >= limit:
                room_at = now + _DAY
            elif len(times) >= limit - before:
                room_at = times[limit - before - 1] + _DAY
            if room_at <= now:
                passed[number] = before + 1
            elif item.get("expires_at") and room_at >= item["expires_at"]:
                decisions[place] = Decision(
                    "expired",
                    "expired",
                    self.env._(
                        "So many texts went to this number within 24 hours that it "
                        "would have been too late."
                    ),
                )
            else:
                decisions[place] = Decision("queued", hold="daily_limit", until=room_at)

    @api.model
    def _get_left(self, gateway, items, limit, now):
        """Return when texts left for each number within the last day, newest first.

        :return: dict of lists of datetimes, at most ``limit`` of each number
        """
        self.env["sms.gateway.message"].flush_model()
        self.env.cr.execute(
            SQL(
                """
                SELECT item.number, gone.at
                  FROM unnest(%(numbers)s::varchar[]) AS item (number)
            CROSS JOIN LATERAL (
                       SELECT coalesce(sent_at, request_at, state_at) AS at
                         FROM sms_gateway_message
                        WHERE number = item.number AND gateway_id = %(gateway)s
                          AND direction = 'outgoing'
                          AND state IN ('sending', 'unconfirmed', 'sent', 'delivered',
                                        'undelivered')
                          AND coalesce(sent_at, request_at, state_at) > %(since)s
                          AND id != ALL(%(own)s)
                     ORDER BY 1 DESC
                        LIMIT %(limit)s) AS gone
              ORDER BY item.number, gone.at DESC
                """,
                numbers=list({item["number"] for item in items}),
                gateway=gateway.id,
                since=now - _DAY,
                # A claimed row is no text that left before.
                own=[item["id"] for item in items if item.get("id")],
                limit=limit,
            )
        )
        left = {}
        for number, at in self.env.cr.fetchall():
            left.setdefault(number, []).append(at)
        return left
