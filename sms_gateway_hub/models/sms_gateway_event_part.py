# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import api, fields, models

from .. import const


class SmsGatewayEvent(models.Model):
    """Long incoming texts whose parts come one by one, in any order.

    Each part is an event of its own. They wait for each other; when all are there, or
    the time is over, they are taken in as one text. Whoever takes a text in holds all
    of its events locked, so two workers cannot make two texts of it.
    """

    _inherit = "sms.gateway.event"  # pylint: disable=consider-merging-classes-inherited

    _parts_index = models.Index(
        "(gateway_id, number, part_ref) WHERE part_total > 1 "
        "AND state IN ('pending', 'orphan')"
    )

    @api.depends("part_number", "part_total")
    @api.depends_context("lang")
    def _compute_part_label(self):
        for event in self:
            event.part_label = event.part_total > 1 and self.env._(
                "%(number)s of %(total)s",
                number=event.part_number,
                total=event.part_total,
            )

    def _get_text_events(self):
        """Return the events of the text that this one belongs to, in their order.

        :return: locked events, to be taken in as one text; none when it has to wait,
            for its other parts or for somebody who is at them
        """
        self.ensure_one()
        if self.part_total <= 1:
            return self
        now = fields.Datetime.now()
        siblings = self._get_siblings("pending")
        if len(siblings.try_lock_for_update()) < len(siblings):
            self.next_try_at = now + timedelta(seconds=1)
            return self.browse()
        parts = next(parts for parts in siblings._split_texts() if self in parts)
        until = parts[0].received_at + timedelta(seconds=const.PARTS_WAIT_S)
        if len(parts) < self.part_total and now < until:
            parts.write({"next_try_at": until})
            return self.browse()
        return parts.sorted("part_number")

    def _get_siblings(self, state):
        """Return events in a state that may be parts of the same text, oldest first."""
        self.ensure_one()
        return self.search(
            [
                ("state", "=", state),
                ("kind", "=", "inbound"),
                ("gateway_id", "=", self.gateway_id.id),
                ("number", "=", self.number),
                ("recipient", "=", self.recipient),
                ("part_ref", "=", self.part_ref),
                ("part_total", "=", self.part_total),
            ],
            order="received_at, id",
        )

    def _split_texts(self):
        """Tell texts apart whose sender used the same reference again.

        A part belongs to the youngest text that lacks it, unless that text should have
        been complete before the part came.

        :return: list of recordsets, of one text each, oldest event first
        """
        texts = []
        wait = timedelta(seconds=const.PARTS_WAIT_S)
        for event in self:
            fits = (
                place
                for place in reversed(range(len(texts)))
                if event.part_number not in texts[place].mapped("part_number")
                and event.received_at - texts[place][0].received_at < wait
            )
            place = next(fits, None)
            if place is None:
                texts.append(event)
            else:
                texts[place] |= event
        return texts

    def _join_bodies(self):
        """Return the text of these events, with a mark where parts are missing."""
        if self[0].part_total <= 1:
            return self[0].body or ""
        body_by_number = {event.part_number: event.body or "" for event in self}
        pieces, missing = [], False
        for number in range(1, self[0].part_total + 1):
            if number in body_by_number:
                pieces.append(body_by_number[number])
            elif not missing:
                pieces.append(const.PART_MISSING)
            missing = number not in body_by_number
        return "".join(pieces)

    def _receive_text(self):
        message = super()._receive_text()
        total = self[0].part_total
        if total > 1 and len(self) < total:
            message.failure_reason = self.env._(
                "%(count)s of %(total)s parts of this text came: “%(mark)s” stands for "
                "what is missing.",
                count=len(self),
                total=total,
                mark=const.PART_MISSING,
            )
        return message

    def _get_orphaned_parts(self):
        """Return what was given up together with these parts."""
        orphans = self.browse()
        for event in self:
            if event.state == "orphan" and event.part_total > 1:
                orphans |= event._get_siblings("orphan")
        return orphans
