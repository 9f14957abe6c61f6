# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from .. import const
from ..tools import keywords, segments

# A longer text is no keyword: it is not even looked up.
_LENGTH_MAX = 64


class SmsKeyword(models.Model):
    """A word that people text to refuse, agree, or get help.

    A text is a keyword if all of it is one, however it is typed. Words of a gateway
    come before those of its company, and these before those of everybody. The STOP
    words that come with the hub come before all others: the law wants them to work
    for everybody, so nobody can change, archive or delete them.

    Own words of an organisation also count where a text only begins with them, and
    after all others.
    """

    _name = "sms.keyword"
    _description = "SMS Keyword"
    _order = "family desc, lang, word, id"
    _rec_name = "word"

    word = fields.Char(
        required=True,
        help="As people text it. Case, accents, punctuation and emoji do not count.",
    )
    normalized = fields.Char(
        "Compared as",
        compute="_compute_normalized",
        store=True,
        index=True,
        help="What is left of the word when it is compared with a text.",
    )
    family = fields.Selection(
        const.KEYWORD_FAMILIES,
        "Meaning",
        required=True,
        default="stop",
        help="Stop: nothing is sent to the number any more.\n"
        "Start: texts may be sent again, or from now on.\n"
        "Yes: agrees if we asked, and means nothing otherwise.\n"
        "Help: gets the gateway's answer to HELP.\n"
        "Own word: gets its own answer. A text that begins with it counts, too, and "
        "assignment rules know it.",
    )
    lang = fields.Char(
        "Language",
        default=lambda self: keywords.answer_lang(self.env.lang),
        help="Code such as en or es: the language of the answer where that of the "
        "contact is not known.",
    )
    gateway_id = fields.Many2one(
        "sms.gateway",
        ondelete="cascade",
        index="btree_not_null",
        help="Empty: the word means this on every gateway.",
    )
    company_id = fields.Many2one(
        "res.company",
        ondelete="cascade",
        index="btree_not_null",
        help="Empty: the word means this in every company.",
    )
    answer = fields.Text(
        translate=True,
        help="Is texted to whoever texts this word. It may hold {company} and {number}. "
        "Empty: nothing is answered by itself.",
    )
    needs_answer = fields.Boolean(
        "A person answers, too",
        help="The text goes to the owner of the conversation as well, to be answered.",
    )
    active = fields.Boolean(default=True)
    is_standard = fields.Boolean(
        "Standard",
        readonly=True,
        copy=False,
        help="It comes with the hub. Standard STOP words cannot be changed.",
    )

    _word_unique = models.UniqueIndex(
        "(normalized, COALESCE(gateway_id, 0), COALESCE(company_id, 0)) WHERE active",
        "This word has a meaning already: a text can mean one thing only. Case, "
        "accents and punctuation do not tell words apart. Change the word that is in "
        "the list, or archive it first.",
    )

    @api.depends("word")
    def _compute_normalized(self):
        for keyword in self:
            keyword.normalized = keywords.normalize(keyword.word)

    @api.constrains("word")
    def _check_word(self):
        for keyword in self:
            if not keyword.normalized:
                raise ValidationError(
                    self.env._(
                        "A keyword needs a letter or a digit: “%s” has none, and "
                        "punctuation and emoji do not count.",
                        keyword.word or "",
                    )
                )
            if len(keyword.normalized) > _LENGTH_MAX:
                raise ValidationError(
                    self.env._(
                        "“%(word)s…” is too long. A keyword has %(count)s characters "
                        "at most.",
                        word=keyword.word[:20],
                        count=_LENGTH_MAX,
                    )
                )

    @api.constrains("word", "family", "active")
    def _check_own_word_is_no_refusal(self):
        """Keep own words from hiding what a person has to take as a refusal."""
        for keyword in self:
            if (
                keyword.active
                and keyword.family == "own"
                and keywords.reads_like_refusal(keyword.word)
            ):
                raise ValidationError(
                    self.env._(
                        "Whoever texts “%s” may want no more texts: it cannot have "
                        "another meaning. Choose another word.",
                        keyword.word,
                    )
                )

    @api.constrains("gateway_id", "company_id")
    def _check_company_of_gateway(self):
        for keyword in self:
            company = keyword.sudo().gateway_id.company_id
            if company and keyword.company_id and company != keyword.company_id:
                raise ValidationError(
                    self.env._(
                        "“%(word)s” would never be found: its gateway belongs to "
                        "another company. Leave the company empty.",
                        word=keyword.word,
                    )
                )

    @api.constrains("word", "family", "active")
    def _check_no_other_meaning_of_stop(self):
        """Keep words of any scope from standing for something else than STOP does."""
        others = self.filtered(lambda keyword: keyword.family != "stop")
        taken = self.sudo().search(
            [
                ("normalized", "in", others.mapped("normalized")),
                ("family", "=", "stop"),
                ("is_standard", "=", True),
            ],
            limit=1,
        )
        if taken:
            raise ValidationError(
                self.env._(
                    "“%s” means stop, for everybody: the law wants it so. Choose "
                    "another word.",
                    taken.word,
                )
            )

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._clean_word(vals)
            if vals.get("is_standard") and not self.env.su:
                raise UserError(self.env._("Standard keywords come with the hub only."))
        return super().create(vals_list)

    def write(self, vals):
        vals = dict(vals)
        self._clean_word(vals)
        # An update of the module may write again what is there.
        changed = self.filtered(lambda keyword: keyword._differs_from(vals))
        changed._check_not_protected()
        if "is_standard" in vals and changed and not self.env.su:
            raise UserError(self.env._("Standard keywords come with the hub only."))
        return super().write(vals)

    @api.ondelete(at_uninstall=True)
    def _unlink_except_standard_stop(self):
        # Not by the context that core goes by: a client may send that as well.
        module = self.env["ir.module.module"].sudo()._get("sms_gateway_hub")
        if module.state != "to remove":
            self._check_not_protected()

    def _check_not_protected(self):
        for keyword in self:
            if keyword.is_standard and keyword.family == "stop":
                raise UserError(
                    self.env._(
                        "“%s” works for everybody and cannot be changed, archived or "
                        "deleted: the law wants people to be able to refuse.",
                        keyword.word,
                    )
                )

    def _differs_from(self, vals):
        self.ensure_one()
        for name, value in vals.items():
            field = self._fields[name]
            if (field.convert_to_write(self[name], self) or False) != (value or False):
                return True
        return False

    @staticmethod
    def _clean_word(vals):
        if isinstance(vals.get("word"), str):
            vals["word"] = " ".join(segments.clean_text(vals["word"]).split())

    # ------------------------------------------------------------------
    # Matching
    # ------------------------------------------------------------------

    @api.model
    def _match(self, text, gateway, company=None):
        """Return the keyword that a text is: all of it, or its beginning for own words.

        :param str text: as received; ``False`` or ``None`` is an empty text
        :param gateway: sms.gateway that it came by, or none
        :param company: res.company that it is for, by default the gateway's. Where
            neither is known, the words of every company count, refusals first
        :return: sms.keyword with the rights of the system, at most one
        """
        keywords_sudo = self.sudo()
        normalized = keywords.normalize(text)
        if not normalized:
            return keywords_sudo.browse()
        company = company or gateway.sudo().company_id
        candidates = keywords.leading_words(text, _LENGTH_MAX)
        if len(normalized) <= _LENGTH_MAX:
            candidates.add(normalized)
        domain = [
            ("normalized", "in", list(candidates)),
            ("gateway_id", "in", [False, *gateway.ids]),
            ("active", "=", True),
        ]
        if company:
            domain.append(("company_id", "in", [False, *company.ids]))
        found = keywords_sudo.search_fetch(
            domain,
            ["normalized", "family", "lang", "is_standard", "gateway_id", "company_id"],
        )
        return found.filtered(
            lambda keyword: keyword.family == "own" or keyword.normalized == normalized
        ).sorted(
            lambda keyword: (
                not (keyword.is_standard and keyword.family == "stop"),
                keyword.family == "own",
                -len(keyword.normalized),
                not keyword.gateway_id,
                not keyword.company_id,
                keyword.family != "stop",
                keyword.id,
            )
        )[:1]

    def _get_answer(self, partner, gateway, company):
        """Return the words that answer an own word.

        :param partner: res.partner who texted it, or none
        :param gateway: sms.gateway that answers
        :param company: res.company that answers
        :return: str, maybe empty
        """
        self.ensure_one()
        keyword = self.sudo()
        installed = [code for code, _name in self.env["res.lang"].get_installed()]
        wanted = [partner.lang, keyword.lang]
        lang = next(
            (
                code
                for want in filter(None, wanted)
                for code in installed
                if code == want or code.split("_")[0] == want
            ),
            None,
        )
        if lang:
            keyword = keyword.with_context(lang=lang)
        return keywords.fill_answer(
            keyword.answer, company=company.name, number=gateway.sender or ""
        )
