# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import ValidationError


class MailActivityType(models.Model):
    """A type of activity that sends a text."""

    _inherit = "mail.activity.type"

    category = fields.Selection(
        selection_add=[("sms", "Send SMS")], ondelete={"sms": "set default"}
    )
    sms_gateway_template_id = fields.Many2one(
        "sms.template",
        "Default SMS template",
        ondelete="set null",
        help="Its words are filled in for the document when the text is sent.",
    )
    sms_gateway_body = fields.Text(
        "Default text",
        translate=True,
        help="What activities of this type send unless somebody writes another text. "
        "It is sent as it is: for placeholders use a template.",
    )

    @api.constrains("category", "res_model", "sms_gateway_template_id")
    def _check_sms_gateway_template(self):
        for activity_type in self:
            template = activity_type.sms_gateway_template_id.sudo()
            if (
                activity_type.category == "sms"
                and template
                and activity_type.res_model != template.model
            ):
                raise ValidationError(
                    self.env._(
                        "The template “%(template)s” is for %(model)s alone: choose "
                        "that as the model of the activity type, too.",
                        template=template.name,
                        model=template.model_id.name,
                    )
                )

    def _sms_gateway_get_defaults(self, lang=None):
        """Return what activities of this type send by default.

        :param str lang: code of the language that the text is wanted in
        :return: tuple of sms.template, possibly none, and the text or False
        """
        self.ensure_one()
        template = self.sms_gateway_template_id
        if template:
            return template, False
        return template, self.with_context(
            lang=lang or self.env.lang
        ).sms_gateway_body or False
