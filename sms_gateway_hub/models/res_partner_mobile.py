# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import re
from collections import defaultdict

import phonenumbers
from markupsafe import Markup
from psycopg2 import errors
from psycopg2.extras import execute_values

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import SQL

from .. import const
from ..tools.phone import to_e164
from ..tools.segments import clean_text

_E164 = re.compile(const.E164_PATTERN)

_LINE_TYPES = {
    phonenumbers.PhoneNumberType.MOBILE: "mobile",
    phonenumbers.PhoneNumberType.FIXED_LINE: "fixed",
    phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE: "fixed_or_mobile",
    phonenumbers.PhoneNumberType.VOIP: "voip",
}

# What a row says about its number. Only the hub itself writes it.
_PROTECTED = frozenset(
    {
        "number_e164",
        "line_type",
        "is_owner",
        "company_id",
        "dead_at",
        "dead_reason",
        "blocked",
    }
)

# Stands for "at the end of the ranking": the client shows new lines there, and the
# real place is given when they are saved.
_SEQUENCE_LAST = 1_000_000

_TAKE_OVER_BATCH = 10_000

# Advisory locks on numbers: for so many at once, imports of more go without.
_LOCK_MAX = 20
_LOCK_CLASS = 0x534D53


def read_number(value):
    """Return a number as somebody typed it, on one line and fit for the database."""
    return " ".join(clean_text(value).split())


def line_type_of(number):
    """Return what kind of line a number in E.164 is, of ``const.LINE_TYPES``."""
    try:
        kind = phonenumbers.number_type(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return "other"
    return _LINE_TYPES.get(kind, "other")


class ResPartnerMobile(models.Model):
    """A number that a contact can be texted at; contacts have several, ranked.

    Several contacts may share a number. One of them owns it: incoming texts are taken
    for this contact's. Who registers a number first owns it until it lets go, which the
    database guarantees: at most one owner per number and company, where a contact
    without a company counts for every company.
    """

    _name = "res.partner.mobile"
    _description = "Mobile number"
    _order = "partner_id, sequence, id"
    _rec_name = "number"
    _rec_names_search = ["number_e164", "number", "partner_id"]

    partner_id = fields.Many2one(
        "res.partner", "Contact", required=True, ondelete="cascade", index=True
    )
    sequence = fields.Integer(
        "Rank",
        default=_SEQUENCE_LAST,
        help="The contact is texted at the first number that can be used.",
    )
    number = fields.Char(
        required=True,
        help="In any format of the contact's country, or with + and the country code.",
    )
    number_e164 = fields.Char(
        "International number",
        compute="_compute_number_e164",
        precompute=True,
        store=True,
        index=True,
        help="The number as it is texted (E.164).",
    )
    label = fields.Selection(const.MOBILE_LABELS, required=True, default="mobile")
    line_type = fields.Selection(
        const.LINE_TYPES,
        "Line",
        compute="_compute_line_type",
        precompute=True,
        store=True,
        help="As the numbering plan of the country tells it. A landline is not texted.",
    )
    company_id = fields.Many2one(
        related="partner_id.company_id", store=True, precompute=True
    )
    is_owner = fields.Boolean(
        "Answers come here",
        readonly=True,
        copy=False,
        help="Texts that come from this number are taken for this contact's.",
    )
    owner_state = fields.Selection(
        [
            ("here", "This contact"),
            ("other", "Another contact"),
            ("nobody", "Nobody"),
        ],
        "Answers go to",
        compute="_compute_owner",
    )
    owner_partner_id = fields.Many2one(
        "res.partner",
        "Owner",
        compute="_compute_owner",
        help="Contact that answers go to, if you may see it.",
    )
    owner_text = fields.Char("Answers", compute="_compute_owner")
    dead_at = fields.Datetime(
        "Dead since",
        readonly=True,
        copy=False,
        help="Since then the number is known not to exist: another one of the contact "
        "is texted, if there is one.",
    )
    dead_reason = fields.Char("Reason", readonly=True, copy=False)
    blocked = fields.Boolean(
        "Opted out",
        readonly=True,
        copy=False,
        help="Whoever has this number refused texts, on this or another number, or it "
        "is blacklisted.",
    )
    consent_state = fields.Selection(
        const.CONSENT_STATES, "Consent state", compute="_compute_consent_state"
    )
    last_delivered_at = fields.Datetime("Last delivery", compute="_compute_last_texts")
    last_failed_at = fields.Datetime("Last failure", compute="_compute_last_texts")
    health = fields.Selection(
        [
            ("dead", "Does not exist"),
            ("blocked", "Opted out"),
            ("landline", "Landline"),
            ("failed", "Last text failed"),
            ("delivered", "Delivered"),
            ("new", "Not texted yet"),
        ],
        compute="_compute_health",
    )
    health_text = fields.Char("State", compute="_compute_health_text")
    # For import alone: they are written to the consent ledger and read from nowhere.
    consent = fields.Selection(
        [("opted_in", "Agreed"), ("opted_out", "Refused")],
        compute="_compute_consent_import",
        inverse="_inverse_consent_import",
        exportable=False,
        help="For imports: what this person said about texts to this number.",
    )
    consent_wording = fields.Char(
        "Words of the consent",
        compute="_compute_consent_import",
        inverse="_inverse_consent_import",
        exportable=False,
        help="For imports: the exact words that the person was shown. An agreement "
        "needs them.",
    )
    consent_at = fields.Datetime(
        "Time of the consent",
        compute="_compute_consent_import",
        inverse="_inverse_consent_import",
        exportable=False,
        help="For imports: when it was said; empty means now.",
    )

    _number_unique = models.UniqueIndex(
        "(partner_id, number_e164)", "This contact has this number already."
    )
    _number_trigram = models.Index(
        lambda registry: (
            "USING gin (number_e164 gin_trgm_ops)" if registry.has_trigram else ""
        )
    )
    # An empty bound of a range is no bound: without a company it is every company.
    _owner_exclude = models.Constraint(
        "EXCLUDE USING gist ("
        "int8range(substr(number_e164, 2)::int8, substr(number_e164, 2)::int8, '[]')"
        " WITH &&, int4range(company_id, company_id, '[]') WITH &&)"
        " WHERE (is_owner AND number_e164 IS NOT NULL)",
        "Answers from this number go to another contact already.",
    )

    # ------------------------------------------------------------------
    # Computes
    # ------------------------------------------------------------------

    # Not the country: a number that was read is not read differently later.
    @api.depends("number")
    def _compute_number_e164(self):
        for mobile in self:
            mobile.number_e164 = self._to_e164(mobile.number, mobile.partner_id)

    @api.depends("number_e164")
    def _compute_line_type(self):
        for mobile in self:
            number = mobile.number_e164
            mobile.line_type = line_type_of(number) if number else False

    @api.depends("number_e164", "is_owner", "company_id")
    @api.depends_context("uid", "allowed_company_ids", "lang")
    def _compute_owner(self):
        owners = self._get_owners(
            self.filtered(lambda mobile: not mobile.is_owner).mapped("number_e164")
        )
        partners = self.env["res.partner"].union(
            *(owner.partner_id for rows in owners.values() for owner in rows)
        )
        # Whose name may be told: the client gets it past the rules otherwise.
        readable = partners.with_env(self.env)._filtered_access("read")
        for mobile in self:
            mobile.owner_partner_id = False
            if mobile.is_owner:
                mobile.owner_state = "here"
                mobile.owner_text = self.env._("Answers come here.")
                continue
            owner = mobile._pick_owner(owners)
            if not owner:
                mobile.owner_state = "nobody"
                mobile.owner_text = self.env._("Nobody is registered for answers.")
                continue
            mobile.owner_state = "other"
            partner = owner.partner_id.with_env(self.env) & readable
            mobile.owner_partner_id = partner
            mobile.owner_text = (
                self.env._("Answers go to %s.", partner.display_name)
                if partner
                else self.env._("Answers go to another contact.")
            )

    @api.depends("number_e164", "blocked")
    def _compute_consent_state(self):
        states = self.env["sms.consent"]._get_states(
            [number for number in self.mapped("number_e164") if number]
        )
        for mobile in self:
            # A refusal of the person holds for all their numbers.
            mobile.consent_state = (
                "opted_out"
                if mobile.blocked
                else states.get(mobile.number_e164, "none")
            )

    @api.depends("number_e164")
    def _compute_last_texts(self):
        numbers = [number for number in self.mapped("number_e164") if number]
        messages = self.env["sms.gateway.message"]
        messages.flush_model(
            ["number", "direction", "state", "state_at", "delivered_at"]
        )
        rows = (
            self.env.execute_query(
                SQL(
                    """
                    SELECT number, max(delivered_at), max(state_at) FILTER (
                           WHERE state IN ('failed', 'undelivered'))
                      FROM sms_gateway_message
                     WHERE number = ANY(%s) AND direction = 'outgoing'
                     GROUP BY number
                    """,
                    numbers,
                )
            )
            if numbers
            else []
        )
        times = {number: (delivered, failed) for number, delivered, failed in rows}
        for mobile in self:
            delivered, failed = times.get(mobile.number_e164, (False, False))
            mobile.last_delivered_at = delivered
            mobile.last_failed_at = failed

    @api.depends(
        "dead_at", "blocked", "line_type", "last_delivered_at", "last_failed_at"
    )
    def _compute_health(self):
        for mobile in self:
            delivered, failed = mobile.last_delivered_at, mobile.last_failed_at
            if mobile.dead_at:
                mobile.health = "dead"
            elif mobile.blocked:
                mobile.health = "blocked"
            elif mobile.line_type == "fixed":
                mobile.health = "landline"
            elif failed and (not delivered or failed > delivered):
                mobile.health = "failed"
            else:
                mobile.health = "delivered" if delivered else "new"

    @api.depends("health", "dead_reason")
    @api.depends_context("lang")
    def _compute_health_text(self):
        labels = dict(self._fields["health"]._description_selection(self.env))
        for mobile in self:
            label = labels[mobile.health]
            if mobile.health in ("new", "blocked"):
                # The consent beside it says so.
                mobile.health_text = False
            elif mobile.health == "dead" and mobile.dead_reason:
                mobile.health_text = f"{label}: {mobile.dead_reason}"
            else:
                mobile.health_text = label

    def _compute_consent_import(self):
        for mobile in self:
            mobile.consent = mobile.consent_wording = mobile.consent_at = False

    def _inverse_consent_import(self):
        told = self.filtered("consent")
        self._record_imported(
            [
                (mobile, mobile.consent, mobile.consent_wording, mobile.consent_at)
                for mobile in told
            ]
        )

    @api.model
    def _record_imported(self, told):
        """Write consent that an import brings to the ledger.

        :param told: list of tuples of res.partner.mobile, act ("opted_in" or
            "opted_out"), words shown, time (naive UTC) or False
        :raise AccessError: an agreement, and the user is no manager
        :raise ValidationError: an agreement without the words
        """
        agreed = [row for row in told if row[1] == "opted_in"]
        if agreed and not (
            self.env.su or self.env.user.has_group("sms_gateway_hub.group_manager")
        ):
            raise AccessError(
                self.env._(
                    "Only managers of SMS gateways may import that people agreed to "
                    "texts: leave that column out, or ask a manager to import it."
                )
            )
        for mobile, _act, wording, _at in agreed:
            if not read_number(wording or ""):
                raise ValidationError(
                    self.env._(
                        "That %s agreed to texts needs a proof: give the exact words "
                        "that this person was shown, in the column for the words of "
                        "the consent.",
                        mobile.number,
                    )
                )
        told = [row for row in told if self._says_something_new(*row)]
        self.env["sms.consent"]._record_many(
            [
                {
                    "number": mobile.number_e164,
                    "act": act,
                    "method": "import",
                    "wording": wording,
                    "partner_id": mobile.partner_id.id,
                    "company_id": mobile.company_id.id,
                    "at": at,
                }
                for mobile, act, wording, at in told
            ]
        )

    @api.model
    def _says_something_new(self, mobile, act, wording, at):
        """Say whether what an import tells is to be written down.

        The same file comes again and again: it neither repeats an agreement nor undoes
        a refusal, unless it says that the person agreed after that.
        """
        if act != "opted_in":
            return True
        said = [("scope", "=", "all"), ("act", "in", const.SAID_ACTS)]
        consents = self.env["sms.consent"].sudo()
        of_number = consents.search(
            [("number", "=", mobile.number_e164), *said], limit=1
        )
        of_person = consents.search(
            [("partner_id", "=", mobile.partner_id.id), *said], limit=1
        )
        refusals = (of_number + of_person).filtered(lambda row: row.act == "opted_out")
        if refusals:
            at = fields.Datetime.to_datetime(at)
            return bool(at) and at > max(refusals.mapped("at"))
        return bool(at) or of_number.act != "opted_in"

    @api.constrains("number", "partner_id")
    def _check_number(self):
        for mobile in self:
            if not mobile.number_e164:
                raise ValidationError(
                    self._unreadable_text(mobile.number, mobile.partner_id)
                )

    # ------------------------------------------------------------------
    # Reading numbers
    # ------------------------------------------------------------------

    @api.model
    def _to_e164(self, number, partner):
        """Return a number in E.164, read with the country of a contact.

        :param str number: in any format
        :param partner: res.partner, at most one; without a country its company's
            counts, then the current one's
        :return: str, or False for what is not a valid number
        """
        number = read_number(number)
        if not number:
            return False
        country = (
            partner.country_id
            or partner.company_id.sudo().country_id
            or partner._phone_get_country().get(partner.id)
            or self.env.company.country_id
        )
        number = to_e164(number, country.code)
        return number if number and _E164.match(number) else False

    @api.model
    def _unreadable_text(self, number, partner):
        country = partner.country_id or self.env.company.country_id
        if country:
            return self.env._(
                "“%(number)s” is not a phone number of %(country)s. Check its digits, "
                "or type it with + and its country code, for example +493023125000.",
                number=number,
                country=country.name,
            )
        return self.env._(
            "“%s” is not a phone number. Check its digits, and type it with + and its "
            "country code, for example +493023125000, or set the contact's country.",
            number,
        )

    # ------------------------------------------------------------------
    # ORM
    # ------------------------------------------------------------------

    def _search(self, domain, *args, bypass_access=False, **kwargs):
        """Numbers are seen by those who see the contact."""
        if not (self.env.su or bypass_access):
            partners = self.env["res.partner"]._search([], active_test=False)
            domain = Domain(domain) & Domain("partner_id", "in", partners)
        return super()._search(domain, *args, bypass_access=bypass_access, **kwargs)

    def _check_access(self, operation):
        """Numbers are read and changed by those who may do so with the contact."""
        result = super()._check_access(operation)
        if self.env.su or not any(self._ids):
            return result
        rows = self - result[0] if result else self
        partners = rows.sudo().partner_id.sudo(False)
        allowed = partners._filtered_access("read" if operation == "read" else "write")
        forbidden = rows.sudo().filtered(
            lambda row: row.partner_id.id not in allowed._ids
        )
        if not forbidden:
            return result
        forbidden = forbidden.sudo(False)
        if result:
            return result[0] + forbidden, result[1]
        text = (
            self.env._("You may not see this contact, so not its mobile numbers.")
            if operation == "read"
            else self.env._("You may not change this contact, so not its numbers.")
        )
        return forbidden, lambda: AccessError(text)

    @api.model_create_multi
    def create(self, vals_list):
        """Save numbers, at the end of the ranking where no rank is given."""
        # Defaults that a client puts into the context are no way around.
        protected = {f"default_{name}" for name in _PROTECTED}
        if protected & self.env.context.keys():
            context = self.env.context.items()
            self = self.with_context(  # pylint: disable=context-overridden
                {key: value for key, value in context if key not in protected}
            )
        vals_list = [self._prepare_vals(vals) for vals in vals_list]
        self._prepare_sequences(vals_list)
        rows = [None] * len(vals_list)
        if "_import_current_module" in self.env.context:
            vals_list = self._update_imported(vals_list, rows)
        created = super().create([vals for vals in vals_list if vals])
        created.check_access("write")
        created.sudo()._settle()
        fresh = iter(created)
        return self.browse([(row or next(fresh)).id for row in rows])

    def write(self, vals):
        vals = self._prepare_vals(vals)
        if not {"number", "partner_id"} & vals.keys():
            return super().write(vals)
        mobiles = self.sudo()
        partner = mobiles.env["res.partner"].browse(vals.get("partner_id"))
        if all(mobile.number == vals.get("number") for mobile in mobiles):
            # The same digits say nothing new, whatever the contact's country is now.
            vals.pop("number", None)
        changed = mobiles.filtered(
            lambda mobile: (
                (
                    "number" in vals
                    and self._to_e164(vals["number"], partner or mobile.partner_id)
                    != mobile.number_e164
                )
                or (partner and partner != mobile.partner_id)
            )
        )
        changed._release_ownership()
        changed.filtered("dead_at").write({"dead_at": False, "dead_reason": False})
        res = super().write(vals)
        if partner:
            self.check_access("write")
        changed._settle()
        return res

    def _prepare_vals(self, vals):
        """Clean what was typed and refuse what only the hub itself may write."""
        if not self.env.su and (protected := _PROTECTED & vals.keys()):
            raise AccessError(
                self.env._(
                    "The hub keeps these fields of a mobile number itself: %s.",
                    ", ".join(sorted(protected)),
                )
            )
        vals = dict(vals)
        if "number" in vals:
            vals["number"] = read_number(vals["number"])
        return vals

    @api.model
    def _prepare_sequences(self, vals_list):
        """Put numbers without a rank after those that their contact has."""
        rankless = [
            vals
            for vals in vals_list
            if vals.get("sequence", _SEQUENCE_LAST) == _SEQUENCE_LAST
            and vals.get("partner_id")
        ]
        if not rankless:
            return
        last = dict(
            self.sudo()._read_group(
                [("partner_id", "in", list({vals["partner_id"] for vals in rankless}))],
                ["partner_id"],
                ["sequence:max"],
            )
        )
        last = {partner.id: sequence for partner, sequence in last.items()}
        for vals in rankless:
            sequence = last.get(vals["partner_id"], 0) + 1
            last[vals["partner_id"]] = vals["sequence"] = sequence

    @api.model
    def _update_imported(self, vals_list, rows):
        """Let an import that brings a number again change its row.

        :param list vals_list: values of rows to create
        :param list rows: gets the existing row of each, where there is one
        :return: list of values, None for a row that exists
        """
        mobiles = self.search(
            [("partner_id", "in", [vals.get("partner_id") for vals in vals_list])]
        )
        known = {(row.partner_id.id, row.number_e164): row for row in mobiles}
        left = []
        for n, vals in enumerate(vals_list):
            partner = self.env["res.partner"].browse(vals.get("partner_id"))
            number = self._to_e164(vals.get("number"), partner)
            row = number and known.get((partner.id, number))
            if row:
                row.write(
                    {
                        name: value
                        for name, value in vals.items()
                        if name not in ("partner_id", "number", "sequence")
                    }
                )
                rows[n] = row
            left.append(None if row else vals)
        return left

    # ------------------------------------------------------------------
    # Ranking
    # ------------------------------------------------------------------

    def _ranked(self):
        """Return the numbers in order of rank, unsaved ones as they are on screen."""
        return self.sorted(lambda mobile: (mobile.sequence, mobile._origin.id or 2**62))

    def _usable(self):
        """Return those that can be texted: no landline, not dead, not opted out."""
        return self.filtered(
            lambda mobile: (
                mobile.number_e164
                and mobile.line_type != "fixed"
                and not mobile.dead_at
                and not mobile.blocked
            )
        )

    def _best(self):
        """Return the number of one contact to text, at most one.

        Where none can be used it is the one that comes closest, so that the attempt is
        refused with its reason; a landline never.
        """
        possible = self._ranked().filtered(
            lambda mobile: mobile.number_e164 and mobile.line_type != "fixed"
        )
        alive = possible.filtered(lambda mobile: not mobile.dead_at)
        return (possible._usable() or alive or possible)[:1]

    # ------------------------------------------------------------------
    # Health
    # ------------------------------------------------------------------

    @api.model
    def _mark_dead(self, numbers, reason):
        """Keep numbers that do not exist from being texted again.

        :param list numbers: E.164
        :param str reason: in words, as shown on the contact
        """
        mobiles = self.sudo().search(
            [("number_e164", "in", list(numbers)), ("dead_at", "=", False)]
        )
        mobiles.write(
            {
                "dead_at": fields.Datetime.now(),
                "dead_reason": read_number(reason)[:256] or False,
            }
        )

    @api.model
    def _mark_alive(self, numbers):
        """Take back that numbers do not exist: a text reached them, or came from them.

        :param list numbers: E.164
        """
        mobiles = self.sudo().search(
            [("number_e164", "in", list(numbers)), ("dead_at", "!=", False)]
        )
        mobiles.write({"dead_at": False, "dead_reason": False})

    @api.model
    def _get_refused(self, numbers):
        """Return the set of those numbers that are opted out or blacklisted."""
        numbers = [number for number in set(numbers) if number]
        if not numbers:
            return set()
        states = self.env["sms.consent"]._get_states(numbers)
        listed = (
            self.env["phone.blacklist"]
            .sudo()
            .search([("number", "in", numbers), ("active", "=", True)])
        )
        return {
            number for number in numbers if states.get(number) == "opted_out"
        }.union(listed.mapped("number"))

    # ------------------------------------------------------------------
    # Two-way ownership
    # ------------------------------------------------------------------

    def _settle(self):
        """Take in numbers that have just come to their rows, in sudo."""
        if self:
            self._update_blocked()
            self._claim_ownership()

    def _update_blocked(self):
        """Note on rows, in sudo, whether number or person refused texts."""
        refused = self._get_refused(self.mapped("number_e164"))
        people = self.env["sms.consent"]._get_refusing_people(self.partner_id.ids)
        by_blocked = self.grouped(
            lambda mobile: (
                mobile.number_e164 in refused or mobile.partner_id.id in people
            )
        )
        for blocked, mobiles in by_blocked.items():
            mobiles.filtered(lambda mobile, now=blocked: mobile.blocked != now).write(
                {"blocked": blocked}
            )

    @staticmethod
    def _overlap(company_id, other_id):
        """Whether two ids of companies, or none, have a contact in common."""
        return not company_id or not other_id or company_id == other_id

    @api.model
    def _get_owners(self, numbers):
        """Return the owners of numbers in all companies.

        :return: dict of number to a list of rows in sudo, oldest first
        """
        owners = defaultdict(list)
        numbers = [number for number in set(numbers) if number]
        if numbers:
            domain = [("number_e164", "in", numbers), ("is_owner", "=", True)]
            for owner in self.sudo().search(domain, order="id"):
                owners[owner.number_e164].append(owner)
        return owners

    def _pick_owner(self, owners):
        """Return the owner of the number that counts for this row, in sudo."""
        company = self.sudo().company_id
        for owner in owners.get(self.number_e164, ()):
            if self._overlap(company.id, owner.company_id.id):
                return owner
        return self.sudo().browse()

    @api.model
    def _find_owner(self, number, company):
        """Return the contact that owns a number.

        :param str number: E.164
        :param company: res.company, at most one. Without it all companies count, and
            if several have an owner of their own, nobody is returned
        :return: res.partner in sudo, at most one
        """
        found = [
            owner.partner_id
            for owner in self._get_owners([number])[number]
            if self._overlap(company.id, owner.company_id.id)
        ]
        return found[0] if len(found) == 1 else self.env["res.partner"].sudo()

    def _set_owner(self, is_owner):
        """Write who owns, past the ORM.

        :raise psycopg2.errors.ExclusionViolation: somebody else owns; undone
        """
        if self:
            savepoint = self.env.cr.savepoint(flush=False)
            try:
                self.env.cr.execute(
                    SQL(
                        "UPDATE res_partner_mobile SET is_owner = %s "
                        "WHERE id = ANY(%s)",
                        is_owner,
                        self.ids,
                    ),
                    log_exceptions=False,
                )
            except errors.ExclusionViolation:
                savepoint.close(rollback=True)
                raise
            savepoint.close(rollback=False)
        # Rows of others tell who owns, too.
        self.invalidate_model(
            ["is_owner", "owner_state", "owner_partner_id", "owner_text"], flush=False
        )

    def _flush_ownership(self):
        self.flush_model(["partner_id", "number_e164", "company_id", "is_owner"])
        self.env["res.partner"].flush_model(["active"])

    def _claim_ownership(self):
        """Make rows the owners of their numbers where these are free, in sudo.

        The first one of several wins, by id. Archived contacts own nothing.
        """
        if not self:
            return
        self._flush_ownership()
        candidates = self.env.execute_query(
            SQL(
                """
                SELECT mobile.id, mobile.number_e164, mobile.company_id
                  FROM res_partner_mobile mobile
                  JOIN res_partner partner ON partner.id = mobile.partner_id
                 WHERE mobile.id = ANY(%s) AND partner.active
                   AND mobile.number_e164 IS NOT NULL AND mobile.is_owner IS NOT TRUE
                 ORDER BY mobile.id
                """,
                self.ids,
            )
        )
        if not candidates:
            return
        taken = defaultdict(list)
        numbers = [number for _id, number, _company_id in candidates]
        if len(numbers) <= _LOCK_MAX:
            # Who registers the same number at the same time waits, and finds it taken:
            # the constraint alone would have them deadlock now and then.
            self.env.cr.execute(
                SQL(
                    """
                    SELECT pg_advisory_xact_lock(%s, key)
                      FROM (SELECT DISTINCT hashtext(number) AS key
                              FROM unnest(%s::varchar[]) AS number
                          ORDER BY key) AS keys
                    """,
                    _LOCK_CLASS,
                    numbers,
                )
            )
        for number, company_id in self._get_taken(numbers):
            taken[number].append(company_id)
        free = []
        for row_id, number, company_id in candidates:
            if not any(self._overlap(company_id, other) for other in taken[number]):
                taken[number].append(company_id)
                free.append(row_id)
        free = self.browse(free)
        try:
            free._set_owner(True)
        except errors.ExclusionViolation:
            # Somebody registered one of them since our transaction began, unseen by
            # us: the others are still free.
            for mobile in free if len(free) > 1 else ():
                try:
                    mobile._set_owner(True)
                except errors.ExclusionViolation:
                    continue

    @api.model
    def _get_taken(self, numbers):
        """Return (number, company id) of each owner of these numbers."""
        return self.env.execute_query(
            SQL(
                """
                SELECT number_e164, company_id FROM res_partner_mobile
                 WHERE is_owner AND number_e164 = ANY(%s)
                """,
                numbers,
            )
        )

    def _release_ownership(self):
        """Free the numbers of rows, in sudo. Nobody gets them by that."""
        if self:
            self._flush_ownership()
            self.filtered("is_owner")._set_owner(False)

    def action_register(self):
        """Let answers come to this contact, if nobody is registered for the number."""
        self.ensure_one()
        self.check_access("write")
        self.sudo()._claim_ownership()
        if not self.is_owner:
            raise UserError(self._not_free_text())
        self.env["sms.conversation"]._forget_choice(self.sudo())
        return True

    def _not_free_text(self):
        if not self.sudo().partner_id.active:
            return self.env._(
                "This contact is archived, and archived contacts get no answers: "
                "restore it first."
            )
        return self.env._(
            "%s Ask for hand-over, or ask a manager of SMS gateways to take it over.",
            self.owner_text,
        )

    def action_take_over(self):
        """Hand the number over to this contact, with a trace on both contacts.

        :raise AccessError: the user is no manager, or may not change both contacts
        """
        self.ensure_one()
        if not self.env.user.has_group("sms_gateway_hub.group_manager"):
            raise AccessError(
                self.env._(
                    "Only managers of SMS gateways hand numbers over. Use “Ask for "
                    "hand-over” instead."
                )
            )
        self.check_access("write")
        if self.is_owner:
            return True
        mobile_sudo = self.sudo()
        if not mobile_sudo.partner_id.active:
            raise UserError(self._not_free_text())
        mobile_sudo._flush_ownership()
        owners = mobile_sudo.browse().union(
            *(
                owner
                for owner in self._get_owners([self.number_e164])[self.number_e164]
                if self._overlap(mobile_sudo.company_id.id, owner.company_id.id)
            )
        )
        if not owners.sudo(False).has_access("write"):
            raise AccessError(
                self.env._(
                    "Answers from %s go to a contact that you may not change. Use “Ask "
                    "for hand-over” instead.",
                    self.number,
                )
            )
        try:
            owners._set_owner(False)
            mobile_sudo._set_owner(True)
        except errors.ExclusionViolation:
            raise UserError(
                self.env._(
                    "Somebody else registered %s just now: reload the page.",
                    self.number,
                )
            ) from None
        self.env["sms.conversation"]._forget_choice(mobile_sudo)
        self._post_hand_over(owners)
        return True

    def _post_hand_over(self, owners):
        """Note on the contacts who handed a number over, and from whom to whom."""
        new = self.partner_id
        notes = [
            (
                new,
                self.env._(
                    "%(user)s had answers from %(number)s come to this contact. "
                    "Before, they went to %(contacts)s.",
                    user=self.env.user.name,
                    number=self.number_e164,
                    contacts=", ".join(owners.partner_id.mapped("display_name"))
                    or self.env._("nobody"),
                ),
            )
        ]
        for owner in owners.partner_id:
            # Whoever reads the note may not see a contact of a company of its own.
            seen = not new.company_id or new.company_id == owner.company_id
            notes.append(
                (
                    owner,
                    self.env._(
                        "%(user)s handed answers from %(number)s over to %(contact)s.",
                        user=self.env.user.name,
                        number=self.number_e164,
                        contact=new.display_name
                        if seen
                        else self.env._("another contact"),
                    ),
                )
            )
        for partner, note in notes:
            partner.sudo(False).with_context(
                mail_post_autofollow_author_skip=True
            ).message_post(body=note, subtype_xmlid="mail.mt_note")

    def action_ask_hand_over(self):
        """Ask whoever cares for the owner of the number to hand it over."""
        self.ensure_one()
        self.check_access("write")
        owner = self._pick_owner(self._get_owners([self.number_e164])).partner_id
        if self.is_owner or not owner:
            raise UserError(self.env._("Nobody needs to be asked: %s", self.owner_text))
        summary = self.env._("Hand over %s", self.number_e164)
        asked = owner.activity_ids.filtered(
            lambda activity: (
                activity.summary == summary and activity.create_uid == self.env.user
            )
        )
        if not asked:
            owner.activity_schedule(
                "mail.mail_activity_data_todo",
                user_id=self._get_hand_over_user(owner).id,
                summary=summary,
                note=Markup("<p>%s</p><p>%s</p>")
                % (
                    self.env._(
                        "%(user)s asks to have answers from %(number)s go to "
                        "%(contact)s instead of this contact.",
                        user=self.env.user.name,
                        number=self.number_e164,
                        contact=self.partner_id.display_name,
                    ),
                    self.env._(
                        "To agree, remove the number here or archive this contact, "
                        "then register it there; a manager of SMS gateways takes it "
                        "over with one click there."
                    ),
                ),
            )
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "message": self.env._("You asked for it already: wait for an answer.")
                if asked
                else self.env._("Asked: whoever cares for the other contact decides."),
                "type": "success",
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    @api.model
    def _get_hand_over_user(self, owner):
        """Return who decides for a contact: its salesperson, else an administrator."""
        gateway = owner.sms_gateway_id or self.env["sms.gateway"].sudo().search(
            [
                ("state", "!=", "disabled"),
                ("company_id", "in", [owner.company_id.id, False]),
                ("responsible_user_id", "!=", False),
            ],
            limit=1,
        )
        for user in owner.user_id, gateway.responsible_user_id:
            if user.active and not user.share:
                return user
        return self.env.ref("base.user_admin")

    # ------------------------------------------------------------------
    # Installation
    # ------------------------------------------------------------------

    @api.model
    def _take_over_phones(self):
        """Take the numbers of contacts without mobile numbers from their phone.

        For installation: set-based, since there may be a million contacts. What is no
        valid number stays in the phone field alone. The oldest contact of a number
        owns it, archived ones own nothing. May run again.

        :return: number of rows made
        """
        self.env.flush_all()
        cr = self.env.cr
        country = self.env.company.country_id
        count, last_id = 0, 0
        while True:
            cr.execute(
                """
                SELECT partner.id, partner.phone, partner.phone_sanitized,
                       partner.company_id, coalesce(country.code, %s)
                  FROM res_partner partner
             LEFT JOIN res_company company ON company.id = partner.company_id
             LEFT JOIN res_partner address ON address.id = company.partner_id
             LEFT JOIN res_country country
                    ON country.id = coalesce(partner.country_id, address.country_id)
                 WHERE partner.id > %s AND partner.phone <> ''
                   AND NOT EXISTS (SELECT FROM res_partner_mobile mobile
                                    WHERE mobile.partner_id = partner.id)
                 ORDER BY partner.id LIMIT %s
                """,
                [country.code or None, last_id, _TAKE_OVER_BATCH],
            )
            partners = cr.fetchall()
            if not partners:
                break
            last_id = partners[-1][0]
            rows = [
                row
                for partner in partners
                if (row := self._prepare_taken_over(*partner))
            ]
            count += len(rows)
            execute_values(
                cr._obj,
                """
                INSERT INTO res_partner_mobile (partner_id, number, number_e164,
                    company_id, line_type, label, sequence, is_owner, blocked,
                    create_uid, create_date, write_uid, write_date)
                VALUES %s
                """,
                rows,
                template="(%s, %s, %s, %s, %s, %s, 1, false, false, "
                f"{self.env.uid}, now() AT TIME ZONE 'UTC', "
                f"{self.env.uid}, now() AT TIME ZONE 'UTC')",
                page_size=1000,
            )
            cr.execute(
                """
                UPDATE res_partner partner
                   SET mobile = CASE WHEN mobile.line_type <> 'fixed'
                                     THEN mobile.number_e164 END,
                       phone_sanitized = mobile.number_e164
                  FROM res_partner_mobile mobile
                 WHERE mobile.partner_id = partner.id AND partner.id = ANY(%s)
                """,
                [[row[0] for row in rows]],
            )
        cr.execute(
            """
            UPDATE res_partner_mobile mobile SET blocked = true
              FROM phone_blacklist listed
             WHERE listed.number = mobile.number_e164 AND listed.active
               AND mobile.blocked IS NOT TRUE
            """
        )
        self._register_oldest()
        self.env.invalidate_all(flush=False)
        return count

    @api.model
    def _prepare_taken_over(self, partner_id, phone, sanitized, company_id, country):
        """Return the columns of the row for a phone, or None if it cannot be read."""
        number = sanitized or to_e164(phone, country)
        if not _E164.match(number or ""):
            return None
        line_type = line_type_of(number)
        label = "other" if line_type == "fixed" else "mobile"
        return partner_id, read_number(phone), number, company_id, line_type, label

    @api.model
    def _give_phones_back(self):
        """Let ``phone_sanitized`` be that of the phone again, for uninstallation."""
        self.env.flush_all()
        cr = self.env.cr
        last_id = 0
        while True:
            cr.execute(
                """
                SELECT partner.id, partner.phone, country.code
                  FROM res_partner partner
             LEFT JOIN res_country country
                    ON country.id = coalesce(partner.country_id, %s)
                 WHERE partner.id > %s AND partner.mobile IS NOT NULL
                 ORDER BY partner.id LIMIT %s
                """,
                [self.env.company.country_id.id or None, last_id, _TAKE_OVER_BATCH],
            )
            partners = cr.fetchall()
            if not partners:
                break
            last_id = partners[-1][0]
            ids, numbers = [], []
            for partner_id, phone, country in partners:
                number = phone and to_e164(phone, country)
                ids.append(partner_id)
                numbers.append(number if _E164.match(number or "") else None)
            cr.execute(
                """
                UPDATE res_partner partner SET phone_sanitized = phone.number
                  FROM unnest(%s::int[], %s::varchar[]) AS phone (id, number)
                 WHERE phone.id = partner.id
                   AND partner.phone_sanitized IS DISTINCT FROM phone.number
                """,
                [ids, numbers],
            )
        self.env.invalidate_all(flush=False)

    @api.model
    def _register_oldest(self):
        """Make the oldest row of each free number its owner, for all rows at once."""
        while True:
            # Whoever is first of those that could own, does. Those that it does not
            # get in the way of come in the next round.
            self.env.cr.execute(
                """
                WITH free AS MATERIALIZED (
                    SELECT mobile.id, mobile.number_e164, mobile.company_id
                      FROM res_partner_mobile mobile
                      JOIN res_partner partner ON partner.id = mobile.partner_id
                     WHERE partner.active AND mobile.number_e164 IS NOT NULL
                       AND mobile.is_owner IS NOT TRUE
                       AND NOT EXISTS (
                           SELECT FROM res_partner_mobile owner
                            WHERE owner.is_owner
                              AND owner.number_e164 = mobile.number_e164
                              AND (owner.company_id IS NULL
                                   OR mobile.company_id IS NULL
                                   OR owner.company_id = mobile.company_id)))
                UPDATE res_partner_mobile mobile SET is_owner = true
                  FROM free
                 WHERE free.id = mobile.id AND NOT EXISTS (
                       SELECT FROM free older
                        WHERE older.number_e164 = free.number_e164
                          AND older.id < free.id
                          AND (older.company_id IS NULL
                               OR free.company_id IS NULL
                               OR older.company_id = free.company_id))
                """
            )
            if not self.env.cr.rowcount:
                return
