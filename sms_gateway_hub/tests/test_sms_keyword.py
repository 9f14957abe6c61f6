# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which texts are keywords, whose words come first, and who may change them."""

from psycopg2.errors import UniqueViolation

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..tools import keywords
from .common import SmsGatewayCase

# What a person texts, and what becomes of it: a family of keywords, "possible" for
# what a person has to decide, None for any other text.
TEXTS = [
    # Case, punctuation, spaces.
    ("STOP", "stop"),
    ("stop", "stop"),
    ("Stop.", "stop"),
    ("sToP", "stop"),
    ("STOP!!!", "stop"),
    ("«stop»", "stop"),
    ('"Stop"', "stop"),
    ("'STOP'", "stop"),
    ("-stop-", "stop"),
    ("  STOP  ", "stop"),
    ("STOP\n", "stop"),
    ("\r\n\tSTOP\r\n", "stop"),
    ("\u00a0STOP\u3000", "stop"),
    ("STOP?", "stop"),
    ("S.T.O.P.", "stop"),
    ("s t o p", None),
    # Widths, accents, emoji, what cannot be seen.
    ("ＳＴＯＰ", "stop"),
    ("stóp", "stop"),
    ("STOP 🛑", "stop"),
    ("🛑STOP🛑", "stop"),
    ("stop 👍🏽", "stop"),
    ("st\u200bop", "stop"),
    ("\u202eSTOP\u202c", "stop"),
    ("\u200fSTOP\u200e", "stop"),
    ("\ufeffSTOP", "stop"),
    ("STOP\x00", "stop"),
    ("STOP" + " " * 9_996, "stop"),
    # The other words of the family.
    ("stopall", "stop"),
    ("Stop all", "stop"),
    ("STOP\nALL", "stop"),
    ("unsubscribe", "stop"),
    ("Cancel", "stop"),
    ("END", "stop"),
    ("quit!", "stop"),
    ("Revoke", "stop"),
    ("optout", "stop"),
    ("opt-out", "stop"),
    ("Opt out.", "stop"),
    ("opt  out", "stop"),
    ("Baja", "stop"),
    ("¡ALTO!", "stop"),
    ("parar", "stop"),
    ("cancelar", "stop"),
    ("ARRÊT", "stop"),
    ("arret", "stop"),
    ("désabonner", "stop"),
    ("DESINSCRIRE", "stop"),
    ("Stopp", "stop"),
    ("abmelden", "stop"),
    ("AUFHÖREN", "stop"),
    ("aufhoeren", "stop"),
    ("Ende.", "stop"),
    # Coming back, agreeing, asking.
    ("START", "start"),
    ("Start!", "start"),
    ("unstop", "start"),
    ("inicio", "start"),
    ("Commencer", "start"),
    ("anfang", "start"),
    ("YES", "confirm"),
    ("yes.", "confirm"),
    ("Sí", "confirm"),
    ("si", "confirm"),
    ("Oui !", "confirm"),
    ("ja", "confirm"),
    ("J’accepte", "confirm"),
    ("HELP", "help"),
    ("help?", "help"),
    ("Info", "help"),
    ("Ayuda", "help"),
    ("AIDE", "help"),
    ("Hilfe!", "help"),
    # More than a word, and a refusal.
    ("STOP 12345", "possible"),
    ("stop please", "possible"),
    ("Please stop", "possible"),
    ("please stop texting me", "possible"),
    ("STOP\n\nSent from my phone", "possible"),
    ("STOP. STOP. STOP.", "possible"),
    ("remove me from your list", "possible"),
    ("don't text me again", "possible"),
    ("no more messages", "possible"),
    ("wrong number", "possible"),
    ("I want to unsubscribe", "possible"),
    ("no me escriban más", "possible"),
    ("ne m'envoyez plus de SMS", "possible"),
    ("bitte keine SMS mehr", "possible"),
    ("please stop. " + "I was on the road all day. " * 370, "possible"),
    # More than a word, or another one, and no refusal.
    ("please don't stop", None),
    ("non-stop", None),
    ("nonstop", None),
    ("the bus stop is closed", None),
    ("can we stop by tomorrow", None),
    ("nicht aufhören", None),
    ("no dejes de escribirme", None),
    ("n'arrête pas", None),
    ("unstoppable", None),
    ("start at 5", None),
    ("yes please", None),
    ("help me with the form", None),
    ("the end", None),
    ("I will start on Monday", None),
    ("cancel my appointment", None),
    ("информация", None),
    ("СТОП", None),
    ("توقف", None),
    ("停止", None),
    ("12345", None),
    ("", None),
    ("   ", None),
    ("!!!", None),
    ("🛑", None),
    ("\x00", None),
    (False, None),
    ("x" * 10_000, None),
    ("stopp" * 2_000, None),
]


@tagged("post_install", "-at_install")
class TestSmsKeyword(SmsGatewayCase):
    """The words of the data, and an organisation's own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keywords = cls.env["sms.keyword"]
        cls.stop = cls.env.ref("sms_gateway_hub.keyword_stop")
        cls.company = cls.env.company
        cls.other_company = cls.env["res.company"].create({"name": "Other"})
        group = "sms_gateway_hub.group_"
        cls.user = cls.new_user("keyword-user", f"{group}user")
        cls.manager = cls.new_user("keyword-manager", f"{group}manager")
        cls.administrator = cls.new_user("keyword-admin", f"{group}administrator")

    def add(self, word, family="stop", **values):
        return self.keywords.create({"word": word, "family": family, **values})

    def match(self, text, gateway=None, company=None):
        gateway = self.gateway if gateway is None else gateway
        return self.keywords._match(text, gateway, company)

    # -- Matching --------------------------------------------------------------

    def test_texts_are_taken_as_written(self):
        """Each row is its keyword, or possibly a refusal, or just a text."""
        for text, expected in TEXTS:
            with self.subTest(repr(text)[:60]):
                family = self.match(text).family
                if not family and keywords.reads_like_refusal(text):
                    family = "possible"
                self.assertEqual(family or None, expected)

    def test_words_of_the_data_mean_one_thing_in_four_languages(self):
        """Each standard word is found as it is written, in its family and language."""
        standard = self.keywords.search([("is_standard", "=", True)])
        for keyword in standard:
            self.assertEqual(self.match(keyword.word), keyword)
        for family in ("stop", "start", "confirm", "help"):
            of_family = standard.filtered(lambda word, f=family: word.family == f)
            self.assertEqual(set(of_family.mapped("lang")), {"en", "es", "fr", "de"})
        words = set(
            standard.filtered(lambda word: word.family == "stop").mapped("word")
        )
        required = "STOP,STOPALL,UNSUBSCRIBE,CANCEL,END,QUIT,REVOKE,OPTOUT,OPT OUT"
        self.assertLessEqual({*required.split(",")}, words)

    def test_own_words_count_in_any_script(self):
        """An organisation's word is found however it is typed."""
        for word, text in (
            ("СТОП", "стоп!"),
            ("停止", " 停止。"),
            ("توقف", "تَوَقَّف"),
            ("רדו ממני", "רדו  ממני"),
            ("रोकें", "रोकें।"),
            ("No more, thanks", "NO MORE THANKS"),
        ):
            with self.subTest(word):
                keyword = self.add(word)
                self.assertEqual(self.match(text), keyword)

    def test_the_narrowest_word_wins(self):
        """Words of the gateway come before the company's, and these before all."""
        general = self.add("KLARO", "help")
        self.assertEqual(self.match("klaro"), general)
        self.gateway.company_id = self.company
        of_company = self.add("Klaro", "start", company_id=self.company.id)
        self.assertEqual(self.match("klaro"), of_company)
        of_gateway = self.add("klaro!", "stop", gateway_id=self.gateway.id)
        self.assertEqual(self.match("klaro"), of_gateway)
        other = self.make_gateway(company_id=self.other_company.id)
        self.assertEqual(self.match("klaro", other), general)
        no_gateway = self.env["sms.gateway"]
        self.assertEqual(self.match("klaro", no_gateway, self.company), of_company)
        of_gateway.active = False
        self.assertEqual(self.match("klaro"), of_company)

    def test_a_shared_gateway_knows_every_companys_words(self):
        """Without a company a refusal in the words of any company is one."""
        self.add("basta ya", "start", company_id=self.company.id)
        refusal = self.add("Basta ya", "stop", company_id=self.other_company.id)
        self.assertFalse(self.gateway.company_id)
        self.assertEqual(self.match("basta ya"), refusal)
        found = self.match("basta ya", company=self.company)
        self.assertEqual(found.family, "start")

    def test_a_text_is_looked_up_at_once(self):
        """One query finds a keyword, also at the beginning of a long text."""
        self.env.invalidate_all()
        self.assertFalse(self.gateway.company_id)
        with self.assertQueryCount(1):
            keyword = self.match("stop")
            self.assertEqual((keyword.family, keyword.lang), ("stop", "en"))
        with self.assertQueryCount(1):
            self.assertFalse(self.match("stop " * 1000))
        with self.assertQueryCount(0):
            self.match("🛑")

    # -- What may be in the list -------------------------------------------------

    def test_words_without_letters_are_refused(self):
        """Nothing is left of such a word to compare, and a long one is no word."""
        for word in ("!!!", "🛑", "\x00", "—", "x" * 65):
            with self.row(word), self.assertRaises(ValidationError):
                self.add(word)

    def test_words_are_kept_clean(self):
        """A word is stored without controls and needless spaces."""
        self.assertEqual(self.add("\x00 no \r\n more ").word, "no more")

    @mute_logger("odoo.sql_db")
    def test_a_word_means_one_thing(self):
        """The same word cannot be twice in one scope, however it is typed."""
        self.add("Weg da", lang="de")
        for word in ("weg  da!", "WÉG DA", "ｗｅｇ　ｄａ"):
            with self.row(word), self.assertRaises(UniqueViolation):
                self.add(word, "help")
        self.add("WEG-DA")  # one word: another one
        self.add("weg da", "help", gateway_id=self.gateway.id)
        archived = self.add("fort")
        archived.active = False
        self.assertTrue(self.add("Fort").active)

    def test_a_gateways_word_is_of_its_company(self):
        """A word that no text could ever match is refused."""
        gateway = self.make_gateway(company_id=self.company.id)
        with self.assertRaisesRegex(ValidationError, "another company"):
            self.add("fort", gateway_id=gateway.id, company_id=self.other_company.id)
        fort = self.add("weg", gateway_id=gateway.id, company_id=self.company.id)
        self.assertEqual(self.match("weg", gateway), fort)

    def test_stop_cannot_be_given_another_meaning(self):
        """No gateway and no company makes another word of a standard STOP word."""
        for values in (
            {"gateway_id": self.gateway.id},
            {"company_id": self.company.id},
        ):
            for family in ("start", "confirm", "help"):
                with self.row(f"{family} {values}"):
                    with self.assertRaisesRegex(ValidationError, "means stop"):
                        self.add("Opt-Out.", family, **values)
        own = self.add("fort", "help", gateway_id=self.gateway.id)
        with self.assertRaisesRegex(ValidationError, "means stop"):
            own.word = "Stop!"
        # Had it got there, STOP would still win.
        self.force(own, word="x", normalized="stop")
        self.assertEqual(self.match("STOP"), self.stop)

    # -- Who may change it -------------------------------------------------------

    def test_stop_words_cannot_be_switched_off(self):
        """Not even an administrator or the system changes, archives or deletes STOP."""
        changes = (
            {"active": False},
            {"word": "HALT"},
            {"family": "help"},
            {"gateway_id": self.gateway.id},
            {"company_id": self.company.id},
            {"is_standard": False},
            {"lang": "fr"},
        )
        for env in (
            self.env,
            self.env(user=self.administrator),
            self.env(user=self.administrator, su=True),
        ):
            stop = self.stop.with_env(env)
            for vals in changes:
                with self.row(f"{env.uid} {vals}"), self.assertRaises(UserError):
                    stop.write(vals)
            with self.row("archive"), self.assertRaises(UserError):
                stop.action_archive()
            with self.row("delete"), self.assertRaises(UserError):
                stop.unlink()
            with self.row("delete, as if by force"), self.assertRaises(UserError):
                stop.with_context(_force_unlink=True, install_mode=True).unlink()
            with self.row("delete among others"), self.assertRaises(UserError):
                (self.add("fort").with_env(env) + stop).unlink()
        self.assertTrue(self.stop.active)
        self.assertEqual(self.match("STOP"), self.stop)

    def test_an_update_may_write_what_is_there(self):
        """Loading the data again changes nothing and fails on nothing."""
        self.stop.write(
            {"word": "STOP", "family": "stop", "lang": "en", "is_standard": True}
        )
        self.assertTrue(self.stop.is_standard)

    def test_other_standard_words_can_be_archived(self):
        """A manager may switch off what only offers something, such as INFO."""
        info = self.env.ref("sms_gateway_hub.keyword_info").with_user(self.manager)
        info.active = False
        self.assertFalse(self.match("info"))
        info.active = True
        self.assertEqual(self.match("info").family, "help")

    def test_rights(self):
        """Users read, managers write, administrators delete, nobody makes standards."""
        own = self.add("fort")
        self.assertEqual(own.with_user(self.user).word, "fort")
        with self.assertRaises(AccessError):
            own.with_user(self.user).word = "weg"
        with self.assertRaises(AccessError):
            self.keywords.with_user(self.user).create({"word": "weg"})
        own.with_user(self.manager).word = "weg"
        made = self.keywords.with_user(self.manager).create({"word": "raus"})
        self.assertEqual((made.family, made.is_standard), ("stop", False))
        with self.assertRaises(AccessError):
            made.with_user(self.manager).unlink()
        for vals in ({"word": "los", "is_standard": True},):
            with self.assertRaises(UserError):
                self.keywords.with_user(self.administrator).create(vals)
        with self.assertRaises(UserError):
            made.with_user(self.administrator).is_standard = True
        made.with_user(self.administrator).unlink()
        self.assertFalse(self.match("raus"))

    def test_words_of_other_companies_are_hidden(self):
        """A manager sees the words of own companies and gateways, and shared ones."""
        gateway = self.make_gateway(company_id=self.other_company.id)
        hidden = self.add("fort", company_id=self.other_company.id)
        hidden += self.add("weg", gateway_id=gateway.id)
        shown = self.add("raus", company_id=self.company.id)
        shown += self.add("los", gateway_id=self.gateway.id) + self.stop
        self.assertEqual(self.manager.company_ids, self.company)
        seen = self.keywords.with_user(self.manager).search(
            [("id", "in", (hidden + shown).ids)]
        )
        self.assertEqual(seen, seen & shown)
        self.assertEqual(len(seen), len(shown))
        self.manager.company_ids = [Command.link(self.other_company.id)]
        companies = (self.company + self.other_company).ids
        everything = self.keywords.with_user(self.manager).with_context(
            allowed_company_ids=companies
        )
        found = everything.search([("id", "in", (hidden + shown).ids)])
        self.assertEqual(len(found), len(hidden + shown))

    def test_holidays_are_for_administrators(self):
        """Users read the list of holidays, administrators write it."""
        holidays = self.env["sms.gateway.holiday"]
        values = {"name": "New Year", "date": "2027-01-01"}
        with self.assertRaises(AccessError):
            holidays.with_user(self.manager).create(values)
        holiday = holidays.with_user(self.administrator).create(values)
        self.assertEqual(holiday.with_user(self.user).name, "New Year")
        with self.assertRaises(AccessError):
            holiday.with_user(self.user).unlink()
