# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging

from odoo import api, fields, models
from odoo.exceptions import UserError

from .. import const
from ..tools import segments

_logger = logging.getLogger(__name__)


class SmsComposer(models.TransientModel):
    """Core's composer, with the plan of a text beside the text."""

    _inherit = "sms.composer"

    sms_gateway_id = fields.Many2one(
        "sms.gateway",
        "Gateway",
        domain="[('state', '!=', 'disabled'),"
        " ('company_id', 'in', [False, current_company_id])]",
        help="Empty: the gateway that serves the company.",
    )
    sms_gateway_default_name = fields.Char(
        compute="_compute_sms_gateway_default_name",
        help="The gateway that is used when none is chosen.",
    )
    sms_gateway_priority = fields.Selection(
        const.PRIORITIES,
        "Priority",
        compute="_compute_sms_gateway_priority",
        store=True,
        readonly=False,
        precompute=True,
        help="High overtakes everything that waits at the gateway.",
    )
    sms_gateway_scheduled_at = fields.Datetime(
        "Send not before",
        help="Until then the text waits and can still be changed or cancelled. "
        "Empty: now.",
    )
    sms_gateway_expires_at = fields.Datetime(
        "Send not after",
        help="A text that could not leave until then is dropped, because it would no "
        "longer be true. Empty: no limit.",
    )

    # ------------------------------------------------------------------
    # Computes and ORM
    # ------------------------------------------------------------------

    @api.depends("composition_mode")
    def _compute_sms_gateway_default_name(self):
        gateway = self.env["sms.gateway"]._find(self.env.company)
        self.sms_gateway_default_name = gateway.name

    @api.depends("composition_mode")
    def _compute_sms_gateway_priority(self):
        for composer in self:
            composer.sms_gateway_priority = (
                const.PRIORITY_LOW
                if composer.composition_mode == "mass"
                else const.PRIORITY_NORMAL
            )

    @api.model_create_multi
    def create(self, vals_list):
        return super().create([self._sms_gateway_clean(vals) for vals in vals_list])

    def write(self, vals):
        return super().write(self._sms_gateway_clean(vals))

    @api.model
    def _sms_gateway_clean(self, vals):
        """Take out what no database, no phone and no list of numbers can take."""
        vals = dict(vals)
        if isinstance(vals.get("body"), str):
            vals["body"] = segments.clean_text(vals["body"])
        if isinstance(vals.get("numbers"), str):
            # Core takes an empty one for the number of whoever sends.
            numbers = segments.clean_text(vals["numbers"]).split(",")
            vals["numbers"] = ",".join(n.strip() for n in numbers if n.strip())
        return vals

    # ------------------------------------------------------------------
    # Opening
    # ------------------------------------------------------------------

    @api.model
    def _sms_gateway_compose(self, records):
        """Return the action that opens the composer for records.

        One record gets a text of its own, several a mass text.

        :raise UserError: nothing is selected
        """
        if not records:
            raise UserError(
                self.env._("Select at least one record in the list, then “Send SMS”.")
            )
        context = {"default_res_model": records._name}
        if len(records) == 1:
            context.update(
                default_composition_mode="comment",
                default_res_id=records.id,
                dialog_size="medium",
            )
        else:
            context.update(
                default_composition_mode="mass",
                default_res_ids=repr(records.ids),
                default_mass_keep_log=True,
            )
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Send SMS"),
            "res_model": self._name,
            "views": [(False, "form")],
            "target": "new",
            "context": context,
        }

    # ------------------------------------------------------------------
    # Sending
    # ------------------------------------------------------------------

    def action_send_sms(self):
        self._sms_gateway_check()
        return super().action_send_sms()

    def action_sms_gateway_send_mass(self):
        """Queue a mass text and say where to follow it."""
        self.action_send_sms()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._(
                    "Your texts are queued. “Messages” in the SMS app shows what "
                    "becomes of each."
                ),
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    def _sms_gateway_check(self):
        """Refuse a plan that cannot be meant, naming the field.

        :raise UserError: what is wrong and what to do
        """
        now = fields.Datetime.now()
        for composer in self:
            if not (composer.body or "").strip():
                raise UserError(
                    self.env._("The message is empty: write the text to send.")
                )
            if composer.composition_mode == "numbers" and not (
                composer.sanitized_numbers
                or composer.recipient_single_number_itf
                or composer.recipient_single_number
            ):
                raise UserError(
                    self.env._("There is no number: enter at least one to text.")
                )
            scheduled_at = composer.sms_gateway_scheduled_at
            expires_at = composer.sms_gateway_expires_at
            if scheduled_at and scheduled_at < now:
                raise UserError(
                    self.env._(
                        "“Send not before” is in the past. Choose a later time, or "
                        "leave it empty to send now."
                    )
                )
            if expires_at and expires_at <= (scheduled_at or now):
                raise UserError(
                    self.env._(
                        "“Send not after” must be later than the time of sending. "
                        "Choose a later time, or leave it empty."
                    )
                )
            gateway = composer.sms_gateway_id
            if gateway and gateway.state == "disabled":
                raise UserError(
                    self.env._(
                        "The gateway “%s” is disabled. Choose another one.",
                        gateway.name,
                    )
                )

    def _action_send_sms(self):
        kind = "broadcast" if self.composition_mode == "mass" else "single"
        options = {
            "sms_gateway_kind": kind,
            "sms_gateway_id": self.sms_gateway_id.id,
            "sms_gateway_priority": self.sms_gateway_priority,
            "sms_gateway_scheduled_at": self.sms_gateway_scheduled_at,
            "sms_gateway_expires_at": self.sms_gateway_expires_at,
            **(self.env.context.get("sms_gateway_options") or {}),
        }
        composer = self.with_context(sms_gateway_options=options)
        return super(SmsComposer, composer)._action_send_sms()

    def _action_send_sms_mass(self, records=None):
        """Put what a gateway serves into the outbox at once.

        Core's two buttons differ in who calls the provider and when; here that is
        always the sender, after this transaction.
        """
        sms_all = super()._action_send_sms_mass(records)
        waiting = sms_all.exists().filtered(
            lambda sms: sms.state == "outgoing" and not sms.to_delete
        )
        for gateway, sms in waiting._sms_gateway_split().items():
            if gateway:
                sms.send(raise_exception=False)
        return sms_all

    def _get_done_record_ids(self, records, recipients_info):
        """Spot duplicates with a set: core compares with a growing list."""
        done_ids, seen = [], set()
        for record in records:
            sanitized = recipients_info[record.id]["sanitized"]
            if sanitized in seen:
                done_ids.append(record.id)
            seen.add(sanitized)
        return done_ids

    def _prepare_body_values(self, records):
        """Render texts; a record whose text cannot be rendered is set aside.

        One bad record must not stop a mass text. A template that fits no record is
        still an error for the person who sends.
        """
        try:
            return super()._prepare_body_values(records)
        except UserError:
            if len(records) < 2:
                raise
        bodies, last_error = {}, None
        for record in records:
            try:
                with self.env.cr.savepoint():
                    bodies.update(super()._prepare_body_values(record))
            except UserError as error:
                last_error = error
        if not bodies:
            raise last_error
        _logger.info(
            "The text could not be rendered for %s of %s recipients",
            len(records) - len(bodies),
            len(records),
        )
        return {record.id: bodies.get(record.id, "") for record in records}

    def _prepare_mass_sms_values(self, records):
        values = super()._prepare_mass_sms_values(records)
        for record in records:
            sms_values = values[record.id]
            sms_values["sms_gateway_res_model"] = records._name
            sms_values["sms_gateway_res_id"] = record.id
            if "company_id" in record._fields and record._name != "res.company":
                company = record.company_id
                if company._name == "res.company":
                    sms_values["sms_gateway_company_id"] = company.id
        return values
