# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models


class SmsGatewaySandboxRule(models.Model):
    """What the sandbox does with texts that fit: the first rule decides."""

    _name = "sms.gateway.sandbox.rule"
    _description = "SMS sandbox rule"
    _order = "sequence, id"

    gateway_id = fields.Many2one("sms.gateway", required=True, ondelete="cascade")
    sequence = fields.Integer(default=10)
    number_suffix = fields.Char(
        "Number ends with", help="Digits at the end of the number. Empty: any number."
    )
    text_contains = fields.Char(help="Words in the text, case aside. Empty: any text.")
    outcome = fields.Selection(
        [
            ("delivered", "Delivered"),
            ("accepted", "Accepted, never reported on"),
            ("undelivered", "Not delivered"),
            ("expired", "Expired on the way"),
            ("refused", "Refused at once"),
            ("timeout", "No answer: outcome unknown"),
            ("not_reached", "Gateway cannot be reached"),
            ("throttled", "Slow down"),
            ("account", "Account refused"),
        ],
        required=True,
        default="delivered",
    )
    delay_s = fields.Integer(
        "After seconds",
        default=1,
        help="Seconds until the delivery report comes, or for which to slow down.",
    )
    cost = fields.Float(digits=(16, 4), help="Credits for each SMS part.")
    reply = fields.Char(
        translate=True,
        help="Text that comes back two seconds after the report. {text} stands for "
        "the text that was sent. Mass texts get no answers.",
    )

    _delay_positive = models.Constraint(
        "CHECK (delay_s BETWEEN 0 AND 86400)",
        "“After seconds” must be between 0 and 86400 (one day).",
    )
    _number_suffix_digits = models.Constraint(
        "CHECK (number_suffix ~ '^[+]?[0-9]*$')",
        "“Number ends with” takes digits only, e.g. 0100.",
    )
    _cost_positive = models.Constraint(
        "CHECK (cost >= 0)", "The cost must not be negative."
    )

    @api.depends("number_suffix", "text_contains")
    def _compute_display_name(self):
        for rule in self:
            rule.display_name = (
                rule.text_contains or rule.number_suffix or self.env._("Any text")
            )

    def _find(self, message):
        """Return the first rule that fits a message, or none.

        :param OutgoingMessage message: what is to be sent
        """
        text = message.body.casefold()
        for rule in self:
            if rule.number_suffix and not message.number.endswith(rule.number_suffix):
                continue
            if rule.text_contains and rule.text_contains.casefold() not in text:
                continue
            return rule
        return self.browse()
