# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
from uuid import uuid4

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL, format_datetime

from .. import const
from ..models.sms_sms import TextOptions
from ..tools import segments

_logger = logging.getLogger(__name__)

# Larger selections are for broadcasts, which look at their recipients in background.
_OUTLOOK_MAX = 2000


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

    sms_gateway_purpose = fields.Selection(
        const.PURPOSES,
        "Purpose",
        compute="_compute_sms_gateway_purpose",
        store=True,
        readonly=False,
        precompute=True,
        help="What the text is for. Who refused marketing still gets service texts; "
        "who refused all texts gets nothing.",
    )
    sms_gateway_urgent = fields.Boolean(
        "Urgent",
        help="It may arrive during the recipient's quiet hours. For managers of SMS "
        "gateways.",
    )
    sms_gateway_number_choice = fields.Selection(
        [
            ("best", "Best number"),
            ("label", "Best number with a label"),
            ("all", "All numbers"),
        ],
        "Number",
        default="best",
        required=True,
        help="Of contacts with several numbers. The best one is the first that can get "
        "texts.",
    )
    sms_gateway_number_label = fields.Selection(
        const.MOBILE_LABELS, "Label", default="mobile"
    )
    sms_gateway_has_mobiles = fields.Boolean(compute="_compute_sms_gateway_has_mobiles")
    sms_gateway_refusal = fields.Char(
        compute="_compute_sms_gateway_outlook",
        help="Why the recipient may not be texted.",
    )
    sms_gateway_outlook = fields.Char(
        compute="_compute_sms_gateway_outlook",
        help="How many will get the text, how many not and why.",
    )
    sms_gateway_preview = fields.Text(
        "For the first one", compute="_compute_sms_gateway_preview"
    )

    # ------------------------------------------------------------------
    # Computes and ORM
    # ------------------------------------------------------------------

    @api.depends("composition_mode", "res_model", "res_id")
    def _compute_sms_gateway_default_name(self):
        gateways = self.env["sms.gateway"]
        first = gateways._find(self.env.company)
        for composer in self:
            gateway = first
            single = first and composer.comment_single_recipient
            # A client may leave out what it is about.
            if single and (record := composer._get_records()):
                partner = record._mail_get_partners()[record.id][:1]
                number = (
                    composer.recipient_single_number_itf
                    or composer.recipient_single_number
                )
                company = partner.company_id or self.env.company
                gateway = (
                    gateways._route(company, number, partner, sticky=True) or first
                )
            composer.sms_gateway_default_name = gateway.name

    @api.depends("composition_mode")
    def _compute_sms_gateway_priority(self):
        for composer in self:
            composer.sms_gateway_priority = (
                const.PRIORITY_LOW
                if composer.composition_mode == "mass"
                else const.PRIORITY_NORMAL
            )

    @api.depends("composition_mode", "numbers", "res_model", "res_ids")
    def _compute_sms_gateway_purpose(self):
        for composer in self:
            composer.sms_gateway_purpose = (
                "marketing" if composer._sms_gateway_is_mass() else "conversational"
            )

    def _sms_gateway_is_mass(self):
        """Say whether several people get the text, in whichever way."""
        self.ensure_one()
        numbers = {n.strip() for n in (self.numbers or "").split(",")} - {""}
        return (
            self.composition_mode == "mass"
            or len(numbers) > 1
            or self.composition_mode == "comment"
            and len(self._get_records() or ()) > 1
        )

    @api.depends("res_model", "sms_gateway_default_name")
    def _compute_sms_gateway_has_mobiles(self):
        for composer in self:
            composer.sms_gateway_has_mobiles = bool(
                composer.sms_gateway_default_name
                and composer.res_model == "res.partner"
            )

    @api.depends(
        "res_model",
        "res_id",
        "res_ids",
        "composition_mode",
        "recipient_single_number_itf",
        "sms_gateway_id",
        "sms_gateway_purpose",
        "sms_gateway_urgent",
        "sms_gateway_scheduled_at",
        "sms_gateway_expires_at",
        "sms_gateway_number_choice",
        "sms_gateway_number_label",
        "sms_gateway_default_name",
    )
    def _compute_sms_gateway_outlook(self):
        self.sms_gateway_refusal = self.sms_gateway_outlook = False
        for composer in self:
            if not composer.sms_gateway_default_name:
                continue
            if composer.comment_single_recipient:
                refusal, outlook = composer._sms_gateway_look_at_one()
                composer.sms_gateway_refusal = refusal
                composer.sms_gateway_outlook = outlook
            elif composer.composition_mode == "mass":
                composer.sms_gateway_outlook = composer._sms_gateway_look_at_many()

    def _sms_gateway_look_at_one(self):
        """Ask the gate about the one recipient.

        :return: (why not, what else is worth knowing), either may be False
        """
        record = self._get_records()
        if not record:
            return False, False
        partner = record._mail_get_partners()[record.id][:1]
        number = self.recipient_single_number_itf or self.recipient_single_number
        number = record._phone_format(number=number) if number else False
        if not number:
            return False, False
        company = partner.company_id or self.env.company
        gateway = self.sms_gateway_id.sudo() or self.env["sms.gateway"]._route(
            company, number, partner, sticky=True
        )
        if not gateway:
            return self.env._("No gateway serves the number %s.", number), False
        if not gateway._is_in_service():
            return (
                self.env._(
                    "The contact's own gateway “%s” is disabled: choose another one.",
                    gateway.name,
                ),
                False,
            )
        item = self._sms_gateway_item(number, partner.id, company.id)
        decision = self.env["sms.gateway.gate"]._check(gateway, [item])[0]
        if decision and decision.state != "queued":
            return decision.reason, False
        if decision:
            return False, self._sms_gateway_say_hold(decision)
        mobile = partner.sudo().mobile_ids.filtered(
            lambda mobile: mobile.number_e164 == number
        )[:1]
        if mobile.dead_at:
            return False, self.env._(
                "%s could not be reached lately: it may not exist any more.", number
            )
        if mobile.line_type == "fixed":
            return False, self.env._(
                "%s is a landline, which mostly cannot get texts.", number
            )
        return False, False

    def _sms_gateway_item(self, number, partner_id, company_id):
        """Return what the gate has to know of one recipient."""
        kind = "broadcast" if self._sms_gateway_is_mass() else "single"
        return {
            "number": number,
            "partner_id": partner_id,
            "company_id": company_id,
            "kind": kind,
            "purpose": self.sms_gateway_purpose,
            "urgent": self.sms_gateway_urgent,
            "due_at": self.sms_gateway_scheduled_at or fields.Datetime.now(),
            "expires_at": self.sms_gateway_expires_at or None,
        }

    def _sms_gateway_say_hold(self, decision):
        if decision.hold != "quiet_hours":
            return dict(
                self.env["sms.gateway.message"]
                ._fields["hold"]
                ._description_selection(self.env)
            )[decision.hold]
        return self.env._(
            "It is quiet hours where the recipient is: the text leaves at %s (your "
            "time).",
            format_datetime(self.env, decision.until, dt_format="short"),
        )

    def _sms_gateway_look_at_many(self):
        """Say how many of the selected will get the text, and why others not."""
        records = self._get_records()
        if not records or len(records) > _OUTLOOK_MAX:
            return False
        info = self._prepare_recipient_values(records)
        items, reasons, seen = {}, {}, set()
        for record in records:
            number = info[record.id]["sanitized"]
            if not number:
                key = self.env._("no valid number")
                reasons[key] = reasons.get(key, 0) + 1
            elif number in seen:
                key = self.env._("same number as another")
                reasons[key] = reasons.get(key, 0) + 1
            else:
                seen.add(number)
                items[record.id] = self._sms_gateway_item(
                    number, info[record.id]["partner"].id, self.env.company.id
                )
        partner_ids = [item["partner_id"] for item in items.values()]
        numbers = [item["number"] for item in items.values()]
        ids = (
            [self.sms_gateway_id.id] * len(items)
            if self.sms_gateway_id
            else self.env["sms.gateway"]._route_many(
                self.env.company, numbers, partner_ids
            )
        )
        groups = {}
        for item, gateway_id in zip(items.values(), ids, strict=True):
            groups.setdefault(gateway_id, []).append(item)
        labels = dict(
            self.env["sms.gateway.message"]
            ._fields["failure_type"]
            ._description_selection(self.env)
        )
        will, held = 0, 0
        for gateway_id, group in groups.items():
            gateway = self.env["sms.gateway"].sudo().browse(gateway_id or [])
            if not gateway or not gateway._is_in_service():
                key = labels["no_gateway"].lower()
                reasons[key] = reasons.get(key, 0) + len(group)
                continue
            for decision in self.env["sms.gateway.gate"]._check(gateway, group):
                if decision and decision.state != "queued":
                    key = labels[decision.failure_type].lower()
                    reasons[key] = reasons.get(key, 0) + 1
                else:
                    will += 1
                    held += bool(decision)
        sentence = self.env._("%s will get it", will)
        if held:
            sentence += self.env._(" (%s of them later: quiet hours)", held)
        if reasons:
            sentence += self.env._(
                "; %(count)s will not: %(reasons)s",
                count=sum(reasons.values()),
                reasons=", ".join(
                    f"{count} {reason}" for reason, count in reasons.items()
                ),
            )
        return sentence + "."

    @api.depends("body", "res_model", "res_ids", "composition_mode", "template_id")
    def _compute_sms_gateway_preview(self):
        self.sms_gateway_preview = False
        for composer in self:
            if composer.composition_mode != "mass" or "{{" not in (composer.body or ""):
                continue
            record = composer._get_records()[:1]
            if not record:
                continue
            try:
                composer.sms_gateway_preview = composer._prepare_body_values(record)[
                    record.id
                ]
            except (UserError, AccessError) as error:
                composer.sms_gateway_preview = str(error)

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
            if composer.sms_gateway_refusal:
                raise UserError(composer.sms_gateway_refusal)

    def _action_send_sms(self):
        kind = "broadcast" if self._sms_gateway_is_mass() else "single"
        given = self.env.context.get("sms_gateway_options")
        options = TextOptions(
            sms_gateway_kind=kind,
            sms_gateway_id=self.sms_gateway_id.id,
            sms_gateway_priority=self.sms_gateway_priority,
            sms_gateway_scheduled_at=self.sms_gateway_scheduled_at,
            sms_gateway_expires_at=self.sms_gateway_expires_at,
            sms_gateway_purpose=self.sms_gateway_purpose,
            sms_gateway_urgent=self.sms_gateway_urgent,
        )
        if isinstance(given, TextOptions):
            # E.g. of a server action, which texts by a composer.
            options.update(given)
        elif given:
            # A client's: the composer's own fields count, but what it may not ask for
            # is said.
            self.env["sms.sms"]._sms_gateway_get_options()
        composer = self.with_context(sms_gateway_options=options)
        return super(SmsComposer, composer)._action_send_sms()

    def _get_records(self):
        records = super()._get_records()
        if records is None or records._name != "res.partner":
            return records
        return records.with_context(
            sms_gateway_number_choice=self.sms_gateway_number_choice,
            sms_gateway_number_label=self.sms_gateway_number_label,
        )

    def _action_send_sms_comment(self, records=None):
        """Text the contacts' other numbers too, where that is wanted."""
        records = records if records is not None else self._get_records()
        if self.sms_gateway_number_choice != "all" or records._name != "res.partner":
            return super()._action_send_sms_comment(records)
        messages = self.env["mail.message"]
        typed = self.numbers
        for record in records:
            numbers = record._sms_gateway_numbers("all", False)[record.id]
            self.numbers = ",".join(filter(None, [typed, *numbers]))
            messages += super()._action_send_sms_comment(record)
        return messages

    def _prepare_mass_sms(self, records, sms_record_values):
        """Add one SMS for each further number, where all are wanted."""
        sms_all = super()._prepare_mass_sms(records, sms_record_values)
        if self.sms_gateway_number_choice != "all" or records._name != "res.partner":
            return sms_all
        seen = {values["number"] for values in sms_record_values.values()}
        more = []
        for partner_id, numbers in records._sms_gateway_numbers("all", False).items():
            values = sms_record_values.get(partner_id)
            if not values or values["state"] != "outgoing":
                continue
            for number in numbers:
                if number not in seen:
                    seen.add(number)
                    more.append({**values, "number": number, "uuid": uuid4().hex})
        return sms_all + sms_all.create(more)

    def _get_blacklist_record_ids(self, records, recipients_info):
        """Look the recipients up: core compares each with the whole list."""
        if not self.use_exclusion_list:
            return []
        numbers = {info["sanitized"] for info in recipients_info.values()} - {False}
        # A search would format each number once more.
        self.env["phone.blacklist"].flush_model()
        self.env.cr.execute(
            SQL(
                "SELECT number FROM phone_blacklist WHERE active AND number = ANY(%s)",
                list(numbers),
            )
        )
        listed = {number for (number,) in self.env.cr.fetchall()}
        return [r.id for r in records if recipients_info[r.id]["sanitized"] in listed]

    def _action_send_sms_mass(self, records=None):
        """Put what a gateway serves into the outbox at once.

        Core's two buttons differ in who calls the provider and when; here that is
        always the sender, after this transaction.
        """
        sms_all = super()._action_send_sms_mass(records)
        waiting = sms_all.exists().filtered(
            lambda sms: sms.state == "outgoing" and not sms.to_delete
        )
        _groups, rest = waiting._sms_gateway_split()
        (waiting - rest).send(raise_exception=False)
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
