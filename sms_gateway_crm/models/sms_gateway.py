# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import fields, models


class SmsGateway(models.Model):
    """Whether leads are made of the texts that come in at a gateway."""

    _inherit = "sms.gateway"

    crm_lead_policy = fields.Selection(
        [
            ("no", "No"),
            ("unknown", "For unknown numbers"),
            ("all", "For everybody without an open lead"),
        ],
        "Leads for incoming texts",
        required=True,
        default="no",
        help="Makes a lead of a text that somebody shall answer. Who has an open lead "
        "gets no other one.",
    )
    crm_lead_type = fields.Selection(
        [("lead", "Lead"), ("opportunity", "Opportunity")],
        "Make",
        help="Empty: a lead where CRM works with leads, else an opportunity.",
    )
    crm_team_id = fields.Many2one(
        "crm.team",
        "Sales team of leads",
        ondelete="set null",
        domain="[('company_id', 'in', [company_id, False])]",
    )
    # Others may not read tags, and the form would fail for them.
    crm_tag_ids = fields.Many2many(
        "crm.tag",
        "sms_gateway_crm_tag_rel",
        string="Tags of leads",
        groups="sales_team.group_sale_salesman",
    )
    crm_source_id = fields.Many2one(
        "utm.source", "Source of leads", ondelete="set null"
    )
