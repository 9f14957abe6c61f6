# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import ValidationError


class SmsAssignmentRule(models.Model):
    """Rules know sales teams and leads."""

    _inherit = "sms.assignment.rule"

    crm_team_ids = fields.Many2many(
        "crm.team",
        "sms_assignment_rule_crm_team_rel",
        string="Sales teams",
        ondelete="restrict",
        help="The open lead that the text is about, or its contact, belongs to one of "
        "these teams.",
    )
    assign_to = fields.Selection(
        selection_add=[
            ("crm_team", "Members of a sales team in turn"),
            ("crm_lead", "The salesperson of the lead"),
        ],
        # Without CRM such a rule has nobody to give texts to.
        ondelete={"crm_team": "cascade", "crm_lead": "cascade"},
    )
    crm_team_id = fields.Many2one(
        "crm.team",
        "Sales team",
        ondelete="restrict",
        help="One member after the other gets the next conversation. Who is out of "
        "office is left out.",
    )

    @api.model
    def _get_text_fields(self):
        return [*super()._get_text_fields(), "crm_team_ids", "crm_team_id"]

    def _get_condition_texts(self):
        texts = super()._get_condition_texts()
        if self.crm_team_ids:
            texts.append(", ".join(self.crm_team_ids.mapped("display_name")))
        return texts

    def _get_target_text(self):
        if self.assign_to == "crm_team":
            return self.env._("In turn: %s", self.crm_team_id.display_name or "")
        return super()._get_target_text()

    @api.constrains("assign_to", "crm_team_id")
    def _check_crm_team(self):
        for rule in self:
            if rule.assign_to == "crm_team" and not rule.crm_team_id:
                raise ValidationError(
                    self.env._(
                        "Choose the sales team whose members “%s” gives texts to.",
                        rule.name,
                    )
                )

    def _fits(self, conversation, message):
        return super()._fits(conversation, message) and self._fits_team(conversation)

    def _fits_team(self, conversation):
        if not self.crm_team_ids:
            return True
        teams = conversation._get_open_lead().team_id
        # Some of Odoo's sales addons gave contacts a team of their own.
        partner = conversation.partner_id.sudo()
        if "team_id" in partner._fields:
            teams |= partner.team_id
        return bool(teams & self.crm_team_ids)

    def _get_target(self, conversation, message):
        if self.assign_to != "crm_lead":
            return super()._get_target(conversation, message)
        user = conversation._get_open_lead().user_id
        if self.skip_absent:
            user -= user._sms_gateway_get_absent()
        return user

    def _get_members(self):
        if self.assign_to != "crm_team":
            return super()._get_members()
        return self.crm_team_id.filtered("active").member_ids

    def _get_target_reason(self):
        if self.assign_to == "crm_team":
            return self.env._("next in turn of the team %s", self.crm_team_id.name)
        if self.assign_to == "crm_lead":
            return self.env._("salesperson of the lead")
        return super()._get_target_reason()
