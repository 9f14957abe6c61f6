# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import UserError


class MailActivitySchedule(models.TransientModel):
    """Core's wizard, with the text of an activity that sends one."""

    _inherit = "mail.activity.schedule"

    sms_gateway_template_id = fields.Many2one(
        "sms.template",
        "SMS template",
        compute="_compute_sms_gateway_text",
        store=True,
        readonly=False,
        domain="[('model', '=', res_model)]",
        help="Its words are filled in when the text is sent.",
    )
    sms_gateway_body = fields.Text(
        "Text",
        compute="_compute_sms_gateway_text",
        store=True,
        readonly=False,
        help="What is sent, as it is: for placeholders use a template.",
    )
    sms_gateway_at = fields.Datetime(
        "Send at",
        compute="_compute_sms_gateway_at",
        store=True,
        readonly=False,
        help="When the text leaves by itself. The activity is done by that.",
    )
    sms_gateway_preview = fields.Text("Preview", compute="_compute_sms_gateway_preview")
    sms_gateway_number = fields.Char("To", compute="_compute_sms_gateway_number")

    def _sms_gateway_draft(self):
        """Return an activity as it would be made for the first document."""
        self.ensure_one()
        ids = self._evaluate_res_ids() if self.res_model else []
        return self.env["mail.activity"].new(
            {
                "activity_type_id": self.activity_type_id.id,
                "res_model_id": self.env["ir.model"]._get_id(self.res_model)
                if self.res_model
                else False,
                "res_model": self.res_model,
                "res_id": ids[0] if ids else False,
                "user_id": self.activity_user_id.id,
                "date_deadline": self.date_deadline,
                "sms_gateway_template_id": self.sms_gateway_template_id.id,
                "sms_gateway_body": self.sms_gateway_body,
                "sms_gateway_at": self.sms_gateway_at,
            }
        )

    @api.depends("activity_type_id", "res_model")
    def _compute_sms_gateway_text(self):
        for wizard in self:
            draft = wizard._sms_gateway_draft()
            draft._compute_sms_gateway_text()
            wizard.sms_gateway_template_id = draft.sms_gateway_template_id
            wizard.sms_gateway_body = draft.sms_gateway_body

    @api.depends("activity_type_id", "date_deadline")
    def _compute_sms_gateway_at(self):
        for wizard in self:
            draft = wizard._sms_gateway_draft()
            draft._compute_sms_gateway_at()
            wizard.sms_gateway_at = draft.sms_gateway_at

    @api.onchange("sms_gateway_at")
    def _onchange_sms_gateway_at(self):
        if self.sms_gateway_at:
            self.date_deadline = self._sms_gateway_draft()._sms_gateway_get_day()

    @api.onchange("sms_gateway_template_id")
    def _onchange_sms_gateway_template_id(self):
        if self.sms_gateway_template_id:
            self.sms_gateway_body = False

    @api.depends("sms_gateway_template_id", "sms_gateway_body", "res_model", "res_ids")
    @api.depends_context("uid")
    def _compute_sms_gateway_preview(self):
        for wizard in self:
            wizard.sms_gateway_preview = (
                wizard.sms_gateway_template_id
                and wizard._sms_gateway_draft().sms_gateway_preview
            )

    @api.depends("activity_type_id", "res_model", "res_ids")
    @api.depends_context("uid")
    def _compute_sms_gateway_number(self):
        for wizard in self:
            wizard.sms_gateway_number = (
                not wizard.is_batch_mode
                and wizard._sms_gateway_draft().sms_gateway_number
            )

    def _action_schedule_activities(self):
        if self.activity_category != "sms":
            return super()._action_schedule_activities()
        if not self.res_model or not self._evaluate_res_ids():
            raise UserError(
                self.env._("There is nobody to text: plan it on a contact or document.")
            )
        activities = super()._action_schedule_activities()
        activities.write(
            {
                "sms_gateway_template_id": self.sms_gateway_template_id.id,
                "sms_gateway_body": self.sms_gateway_body,
                "sms_gateway_at": self.sms_gateway_at,
            }
        )
        return activities
