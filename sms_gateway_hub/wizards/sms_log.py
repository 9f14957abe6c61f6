# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from ..tools import keywords, segments


class SmsLog(models.TransientModel):
    """Log a text that was exchanged outside of the system, e.g. on one's own phone.

    It is a message like any other, without gateway: nothing sends it, and nothing is
    sent because of it.
    """

    _name = "sms.log"
    _description = "Log an SMS"

    partner_id = fields.Many2one("res.partner", "Contact")
    res_model = fields.Char(
        "Document Model", readonly=True, help="The text is shown there as well."
    )
    res_id = fields.Many2oneReference(
        "Document ID", model_field="res_model", readonly=True
    )
    number = fields.Char(
        compute="_compute_number",
        store=True,
        readonly=False,
        precompute=True,
        help="As people write it in the contact's country, or with + and the country "
        "code.",
    )
    direction = fields.Selection(
        [("outgoing", "I wrote to the contact"), ("incoming", "The contact wrote")],
        "Who wrote",
        required=True,
        default="outgoing",
    )
    at = fields.Datetime(
        "When", required=True, default=fields.Datetime.now, help="Not in the future."
    )
    body = fields.Text("Text")
    company_id = fields.Many2one(
        "res.company",
        compute="_compute_company_id",
        store=True,
        readonly=False,
        precompute=True,
    )
    refusal = fields.Selection(
        [("stop", "Refuses"), ("maybe", "May refuse")],
        compute="_compute_refusal",
        help="Whether the person wrote that they want no more texts.",
    )
    record_refusal = fields.Boolean(
        "They want no more texts",
        help="Record it: nobody can text this number any more.",
    )

    # ------------------------------------------------------------------
    # Computes and ORM
    # ------------------------------------------------------------------

    @api.model
    def default_get(self, fields):
        """Take contact and number of the document that the action was called on."""
        values = super().default_get(fields)
        model, res_id = self._get_active()
        if "default_partner_id" in self.env.context or not res_id:
            return values
        document = self.env[model].browse(res_id).exists()
        if not document:
            return values
        document.check_access("read")
        if model == "res.partner":
            values.setdefault("partner_id", document.id)
            return values
        values.setdefault("res_model", model)
        values.setdefault("res_id", document.id)
        info = document._sms_get_recipients_info()[document.id]
        partner = info["partner"] or document._mail_get_partners()[document.id][:1]
        values.setdefault("partner_id", partner.id)
        values.setdefault("number", info["sanitized"] or info["number"])
        return values

    @api.model_create_multi
    def create(self, vals_list):
        return super().create([self._clean(vals) for vals in vals_list])

    def write(self, vals):
        return super().write(self._clean(vals))

    @api.model
    def _clean(self, vals):
        """Take out what no database can take."""
        return {
            name: segments.clean_text(value)
            if name in ("body", "number") and isinstance(value, str)
            else value
            for name, value in vals.items()
        }

    @api.model
    def _get_active(self):
        """Return model and id of the document that the action was called on."""
        model = self.env.context.get("active_model")
        res_id = self.env.context.get("active_id")
        if (
            model in self.env
            and isinstance(res_id, int)
            and hasattr(self.env[model], "_message_log")
            and model != "sms.conversation"
        ):
            return model, res_id
        return None, None

    @api.depends("partner_id")
    def _compute_number(self):
        for wizard in self:
            partner = wizard.partner_id
            wizard.number = (
                partner.mobile or partner.phone_sanitized or partner.phone
                if partner
                else wizard.number
            )

    @api.depends("partner_id")
    def _compute_company_id(self):
        for wizard in self:
            wizard.company_id = wizard.partner_id.company_id or self.env.company

    @api.depends("body", "direction", "number", "partner_id", "company_id")
    def _compute_refusal(self):
        for wizard in self:
            wizard.refusal = wizard.direction == "incoming" and wizard._read_refusal()

    def _read_refusal(self):
        """Say whether a text means “no more texts”, as one that comes in would.

        :return: "stop", "maybe" or False
        """
        body = segments.clean_text(self.body or "")
        keyword = self.env["sms.keyword"]._match(
            body, self.env["sms.gateway"], self.company_id
        )
        if keyword.family == "stop":
            return "stop"
        number = self._to_e164()
        if (
            number
            and keywords.is_no(body)
            and self.env["sms.consent"].sudo()._get_open_question(number)
        ):
            return "stop"
        return "maybe" if keywords.reads_like_refusal(body) else False

    def _to_e164(self):
        return self.env["res.partner.mobile"]._to_e164(
            self.number or "", self.partner_id
        )

    # ------------------------------------------------------------------
    # Logging
    # ------------------------------------------------------------------

    def action_log(self):
        """Keep the text as a message, and show it on contact and document.

        :raise AccessError: the user may not write on contact or document
        :raise UserError: what is missing or cannot be meant
        """
        self.ensure_one()
        if not self.env.user.has_group("sms_gateway_hub.group_user"):
            raise AccessError(self.env._("You may not log texts."))
        self._check_documents()
        values = self._prepare_message()
        message = self.env["sms.gateway.message"].sudo().create(values)
        # It counts as written when it was, not when somebody told of it.
        message.flush_recordset()
        self.env.cr.execute(
            SQL(
                "UPDATE sms_gateway_message SET create_date = %s WHERE id = %s",
                message.sent_at,
                message.id,
            )
        )
        message.invalidate_recordset(["create_date"])
        message._log_in_chatter()
        if message.direction == "outgoing":
            self._note_outgoing(message)
        else:
            self._note_incoming(message)
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._("The text is logged."),
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    def _check_documents(self):
        """Let users log where they may write.

        :raise AccessError: they may not
        """
        if self.company_id not in self.env.companies:
            raise AccessError(
                self.env._("You do not work for %s.", self.company_id.sudo().name)
            )
        for document in filter(None, (self.partner_id, self._get_document())):
            if not self._may_log_on(document):
                raise AccessError(
                    self.env._("You may not log texts on this contact or document.")
                )

    def _may_log_on(self, document):
        """Say whether the user may write in the chatter of a document, at most one."""
        document = document.with_env(self.env)
        operations = document._mail_get_operation_for_mail_message_operation("create")
        return all(
            document.has_access("read") and document.has_access(operation)
            for operation in operations.values()
        )

    def _get_document(self):
        if not self.res_model or not self.res_id:
            return None
        if self.res_model not in self.env or not hasattr(
            self.env[self.res_model], "_message_log"
        ):
            raise UserError(
                self.env._("Texts cannot be logged on this kind of document.")
            )
        return self.env[self.res_model].browse(self.res_id).exists() or None

    def _prepare_message(self):
        now = fields.Datetime.now()
        if not (self.number or "").strip():
            raise UserError(
                self.env._("There is no number: enter the one that was texted.")
            )
        number = self._to_e164()
        if not number:
            raise UserError(
                self.env["res.partner.mobile"]._unreadable_text(
                    self.number, self.partner_id
                )
            )
        body = segments.clean_text(self.body or "")
        if not body.strip():
            raise UserError(self.env._("The text is empty: write what was texted."))
        if self.at > now + timedelta(minutes=1):
            raise UserError(
                self.env._("“When” is in the future: only what was texted is logged.")
            )
        conversation = self.env["sms.conversation"]._find(number, self.company_id)
        # As for an answer: whoever sees it may say that they answered.
        conversation.with_env(self.env).check_access("read")
        partner = self.partner_id
        if not partner and self._may_log_on(conversation.partner_id):
            partner = conversation.partner_id.with_env(self.env)
        at, last_at = min(self.at, now), conversation.last_at
        if last_at and timedelta() <= last_at - at < timedelta(minutes=1):
            # People say minutes: what is logged now comes after what is there.
            at = last_at
        document = self._get_document()
        if not document and partner:
            document = partner
        count = segments.count_segments(body)
        outgoing = self.direction == "outgoing"
        return {
            "direction": self.direction,
            "kind": "logged",
            "purpose": "conversational",
            "state": "sent" if outgoing else "received",
            "state_at": at,
            "sent_at": at,
            "due_at": at,
            "number": number,
            "partner_id": partner.id,
            "contact_reason": False if outgoing else self.env._("Logged by hand"),
            "res_model": document._name if document else False,
            "res_id": document.id if document else False,
            "body": body,
            "encoding": count.encoding,
            "segments": count.segments,
            "author_id": self.env.uid,
            "company_id": self.company_id.id,
        }

    def _note_outgoing(self, message):
        """Let it answer what had come before it."""
        conversations = self.env["sms.conversation"]
        since = conversations._find(message.number, message.company_id).unanswered_since
        if not since or since <= message.sent_at:
            conversations._note_outgoing(message)

    def _note_incoming(self, message):
        """Show it in its conversation; whoever logs it needs no reminder."""
        refuses = self.refusal == "stop" or (
            self.refusal == "maybe" and self.record_refusal
        )
        if refuses:
            message.keyword_family = "stop"
            self.env["sms.consent"]._record(
                message.number,
                "opted_out",
                method="keyword",
                at=message.sent_at,
                partner_id=message.partner_id.id,
                wording=message.body,
                message_id=message.id,
                company_id=message.company_id.id,
                note=self.env._("Logged by hand"),
            )
        key = (message.number, message.company_id.id)
        conversation = self.env["sms.conversation"].sudo()._get_many([key])[key]
        values = {}
        if message.partner_id and not (
            conversation.partner_id or conversation.contact_by_hand
        ):
            values["partner_id"] = message.partner_id.id
            values["contact_reason"] = message.contact_reason
        if not conversation.last_at or conversation.last_at <= message.sent_at:
            values.update(
                last_at=message.sent_at,
                last_direction="incoming",
                last_body=conversation._get_preview(message.body),
            )
            if not refuses and conversation.state != "to_answer":
                values.update(
                    state="to_answer",
                    unanswered_since=message.sent_at,
                    unanswered_message_id=message.id,
                    answer_until=False,
                )
        if not conversation.user_id and conversation._may_own(self.env.user):
            values["user_id"] = self.env.uid
            values["owner_reason"] = self.env._("Logged a text of this number")
        conversation.write(values)
        message.owner_id = conversation.user_id
        conversation._notify_screens()
