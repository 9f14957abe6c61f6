# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain
from odoo.tools import SQL

from ..tools import quiet_hours


class SmsAssignmentRule(models.Model):
    """Whose an incoming text is: the first rule that fits decides.

    A rule fits if all of its conditions do; an empty one always does. A rule that
    gives nobody, as all of its users are away, leaves the text to the next one.

    Addons add conditions by ``_fits`` and targets by ``assign_to``, ``_get_members``
    or ``_get_target``, and ``_get_target_reason``.
    """

    _name = "sms.assignment.rule"
    _description = "SMS Assignment Rule"
    _order = "sequence, id"

    name = fields.Char(required=True, help="The conversation names it as the reason.")
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", ondelete="cascade", help="Empty: texts for every company."
    )

    # Conditions
    gateway_ids = fields.Many2many(
        "sms.gateway",
        string="Gateways",
        ondelete="restrict",
        help="The text came through one of them.",
    )
    keyword_ids = fields.Many2many(
        "sms.keyword",
        string="Own words",
        ondelete="restrict",
        domain="[('family', '=', 'own')]",
        help="The text is, or begins with, one of these own words.",
    )
    country_ids = fields.Many2many(
        "res.country",
        string="Countries",
        ondelete="restrict",
        help="The number belongs to one of them, whatever the contact's address is.",
    )
    prefixes = fields.Char(
        "Numbers begin with",
        help="Beginnings of numbers in international form, separated by commas, e.g. "
        "“+49, +4420”.",
    )
    contact_is = fields.Selection(
        [("known", "Known"), ("unknown", "Unknown")],
        "Contact",
        help="Whether there is a contact with the number. Empty: either.",
    )
    category_ids = fields.Many2many(
        "res.partner.category",
        string="Contact tags",
        ondelete="restrict",
        help="The contact, or the company it belongs to, has one of these tags, or one "
        "below them.",
    )
    lang_ids = fields.Many2many(
        "res.lang",
        string="Languages",
        ondelete="restrict",
        help="The contact's language is one of these.",
    )
    hours = fields.Selection(
        [("within", "Within office hours"), ("outside", "Outside office hours")],
        "Time",
        help="When the text comes. Empty: at any time.",
    )
    calendar_id = fields.Many2one(
        "resource.calendar",
        "Office hours",
        ondelete="restrict",
        domain="[('company_id', 'in', [company_id, False])]",
        help="Empty: those of the gateway that the text came through. Where it has "
        "none, somebody is always there.",
    )

    # Target
    assign_to = fields.Selection(
        [
            ("user", "One user"),
            ("turn", "Several users in turn"),
            ("salesperson", "The contact's salesperson"),
        ],
        required=True,
        default="user",
        help="Who answers. If that gives nobody, the next rule is asked.",
    )
    user_id = fields.Many2one(
        "res.users", ondelete="restrict", domain="[('share', '=', False)]"
    )
    user_ids = fields.Many2many(
        "res.users",
        "sms_assignment_rule_user_rel",
        string="Users",
        domain="[('share', '=', False)]",
        help="One after the other gets the next conversation. Who is out of office is "
        "left out.",
    )
    skip_absent = fields.Boolean(
        "Not while absent",
        default=True,
        help="While that user is out of office, the next rule is asked.",
    )
    last_user_id = fields.Many2one(
        "res.users",
        "Last in turn",
        readonly=True,
        copy=False,
        ondelete="set null",
        help="Who got the last conversation of this rule.",
    )
    condition_text = fields.Char("When", compute="_compute_texts")
    target_text = fields.Char("Goes to", compute="_compute_texts")

    # ------------------------------------------------------------------
    # Computes and constraints
    # ------------------------------------------------------------------

    @api.depends_context("lang")
    @api.depends(lambda self: self._get_text_fields())
    def _compute_texts(self):
        for rule in self:
            rule.condition_text = " · ".join(rule._get_condition_texts()) or self.env._(
                "Always"
            )
            rule.target_text = rule._get_target_text()

    @api.model
    def _get_text_fields(self):
        """Return the names of the fields that the summary in lists tells of."""
        return [
            "gateway_ids",
            "keyword_ids",
            "country_ids",
            "prefixes",
            "contact_is",
            "category_ids",
            "lang_ids",
            "hours",
            "calendar_id",
            "assign_to",
            "user_id",
            "user_ids",
        ]

    def _get_condition_texts(self):
        """Return the conditions in words, one each.

        :return: list of str
        """
        self.ensure_one()
        # What is archived still has to fit.
        rule = self.with_context(active_test=False)
        texts = [
            ", ".join(rule[name].mapped("display_name"))
            for name in (
                "gateway_ids",
                "keyword_ids",
                "country_ids",
                "category_ids",
                "lang_ids",
            )
            if rule[name]
        ]
        if self.prefixes:
            texts.append(self.prefixes)
        if self.contact_is == "known":
            texts.append(self.env._("Known contact"))
        elif self.contact_is == "unknown":
            texts.append(self.env._("Unknown number"))
        if self.hours:
            texts.append(self._get_label("hours"))
        return texts

    def _get_target_text(self):
        """Return in words who answers."""
        self.ensure_one()
        if self.assign_to == "user":
            return self.user_id.name
        if self.assign_to == "turn":
            return self.env._(
                "In turn: %s", ", ".join(self.user_ids.sorted("id").mapped("name"))
            )
        return self._get_label("assign_to")

    def _get_label(self, name):
        labels = dict(self._fields[name]._description_selection(self.env))
        return labels.get(self[name], "")

    @api.constrains("assign_to", "user_id", "user_ids")
    def _check_target(self):
        for rule in self:
            if rule.assign_to == "user" and not rule.user_id:
                raise ValidationError(
                    self.env._("Choose the user whom “%s” gives texts to.", rule.name)
                )
            if rule.assign_to == "turn" and not rule.user_ids:
                raise ValidationError(
                    self.env._(
                        "Choose the users whom “%s” gives texts to in turn.", rule.name
                    )
                )

    @api.constrains("prefixes")
    def _check_prefixes(self):
        for rule in self:
            self.env["sms.gateway"]._check_prefix_list(rule.prefixes)

    # ------------------------------------------------------------------
    # Deciding
    # ------------------------------------------------------------------

    @api.model
    def _find_owner(self, conversation, message):
        """Return the owner that the first fitting rule gives.

        :param conversation: sms.conversation, one
        :param message: sms.gateway.message, one, incoming
        :return: tuple of the rule, the res.users and the reason in words; the first
            two are empty where no rule fits or none of its users can answer
        """
        # An archived keyword or gateway is still a condition: without it, the rule
        # would fit everything.
        is_try = conversation.env.context.get("sms_gateway_try", False)
        rules = (
            self.sudo()
            .with_context(active_test=False, sms_gateway_try=is_try)
            .search(
                Domain("active", "=", True)
                & Domain("company_id", "in", [conversation.company_id.id, False])
            )
        )
        for rule in rules:
            if not rule._fits(conversation, message):
                continue
            user = rule._get_target(conversation, message)
            if conversation._may_own(user):
                return self.browse(rule.id), user.with_env(self.env), rule._get_reason()
        return self.browse(), self.env["res.users"], ""

    def _fits(self, conversation, message):
        """Say whether all conditions hold. Addons add theirs.

        :param conversation: sms.conversation, one
        :param message: sms.gateway.message, one, incoming
        """
        self.ensure_one()
        return (
            self._fits_text(message)
            and self._fits_number(conversation.number)
            and self._fits_contact(conversation.partner_id.sudo())
            and self._fits_time(message)
        )

    def _fits_text(self, message):
        if self.gateway_ids and message.gateway_id not in self.gateway_ids:
            return False
        return not self.keyword_ids or message.keyword_id in self.keyword_ids

    def _fits_number(self, number):
        if self.prefixes:
            prefixes = self.env["sms.gateway"]._split_prefixes(self.prefixes)
            if not (number or "").startswith(tuple(prefixes)):
                return False
        if not self.country_ids:
            return True
        return quiet_hours.country_of(number) in self.country_ids.mapped("code")

    def _fits_contact(self, partner):
        if self.contact_is and (self.contact_is == "known") != bool(partner):
            return False
        if self.lang_ids and partner.lang not in self.lang_ids.mapped("code"):
            return False
        if not self.category_ids:
            return True
        tags = partner.category_id | partner.commercial_partner_id.category_id
        # The path of a tag names itself and all tags above it.
        above = {
            int(part)
            for tag in tags
            for part in (tag.parent_path or "").split("/")
            if part
        }
        return not above.isdisjoint(self.category_ids.ids)

    def _fits_time(self, message):
        if not self.hours:
            return True
        is_open = message.gateway_id._is_open(calendar=self.calendar_id)
        return is_open == (self.hours == "within")

    # ------------------------------------------------------------------
    # Target
    # ------------------------------------------------------------------

    def _get_target(self, conversation, message):
        """Return whom the rule gives a text to.

        :param conversation: sms.conversation, one
        :param message: sms.gateway.message, one, incoming
        :return: res.users, at most one; none: the next rule is asked
        """
        self.ensure_one()
        if self.assign_to == "user":
            user = self.user_id
        elif self.assign_to == "salesperson":
            partner = conversation.partner_id.sudo()
            user = partner.user_id or partner.commercial_partner_id.user_id
        else:
            return self._next_in_turn(self._get_members(), conversation)
        if self.skip_absent:
            user -= user._sms_gateway_get_absent()
        return user

    def _get_members(self):
        """Return the users who get texts in turn, a hook for addons.

        :return: res.users
        """
        self.ensure_one()
        return self.user_ids

    def _next_in_turn(self, users, conversation=None):
        """Return whose turn it is, and note that.

        The order is that of their ids, so that no rename changes it. Two workers that
        ask at once get two users: the second one waits, and its transaction is
        repeated.

        :param users: res.users; who is absent is left out
        :param conversation: sms.conversation; who may not own it is left out
        :return: res.users, at most one
        """
        self.ensure_one()
        users = (users - users._sms_gateway_get_absent()).filtered("active")
        if conversation:
            users = users.filtered(conversation._may_own)
        if not users:
            return users
        users = users.sorted("id")
        last_id = self._lock_turn()
        user = next((user for user in users if user.id > last_id), users[0])
        if not self.env.context.get("sms_gateway_try"):
            self.sudo().last_user_id = user
        return user

    def _lock_turn(self):
        """Return the id of who was last in turn; nobody else may take the turn now."""
        self.flush_recordset(["last_user_id"])
        self.env.cr.execute(
            SQL(
                """
                SELECT last_user_id FROM sms_assignment_rule
                 WHERE id = %s FOR NO KEY UPDATE
                """,
                self.id,
            ),
            log_exceptions=False,
        )
        [(last_id,)] = self.env.cr.fetchall()
        return last_id or 0

    def _get_reason(self):
        """Return in words why the owner is the owner."""
        self.ensure_one()
        if why := self._get_target_reason():
            return self.env._("Rule “%(rule)s”: %(why)s", rule=self.name, why=why)
        return self.env._("Rule “%s”", self.name)

    def _get_target_reason(self):
        """Return why the rule gives texts to that user, to stand behind its name.

        :return: str, empty where the rule names the user
        """
        self.ensure_one()
        return {
            "turn": self.env._("next in turn"),
            "salesperson": self.env._("salesperson of the contact"),
        }.get(self.assign_to, "")
