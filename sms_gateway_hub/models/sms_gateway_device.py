# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import secrets

from odoo import fields, models


class SmsGatewayDevice(models.Model):
    """One phone of a gateway of the pull kind: it comes and fetches."""

    _name = "sms.gateway.device"
    _description = "SMS Gateway Phone"
    _order = "sequence, id"

    name = fields.Char(required=True)
    gateway_id = fields.Many2one(
        "sms.gateway", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="gateway_id.company_id", store=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    # Its address: digest as with the gateway's webhook token
    token = fields.Char(
        readonly=True,
        copy=False,
        groups="base.group_system",
        default=lambda self: secrets.token_urlsafe(24),
    )
    secret = fields.Char(groups="base.group_system", copy=False)
    # What it told us
    version = fields.Char(readonly=True, copy=False)
    last_poll_at = fields.Datetime(readonly=True, copy=False)
