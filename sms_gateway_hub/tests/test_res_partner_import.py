# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.tests import tagged

from .test_res_partner_mobile import BERLIN, M1, M2, M3, MobileCase

WORDS = "Yes, text me about my orders."


class ImportCase(MobileCase):
    """Imports go through ``load``, as those from a file do."""

    def load(self, columns, *rows, user=None):
        """Import contacts and return them with the errors of the import."""
        partners = self.env["res.partner"].with_user(user or self.manager)
        result = partners.load(columns, [list(row) for row in rows])
        errors = [
            message["message"]
            for message in result["messages"]
            if message["type"] == "error"
        ]
        self.env.flush_all()
        self.env.invalidate_all()
        ids = result["ids"] or []
        return self.env["res.partner"].browse(ids), "\n".join(errors)

    def ledger(self, number):
        return self.env["sms.consent"].search([("number", "=", number)], order="id")


@tagged("post_install", "-at_install")
class TestImportNumbers(ImportCase):
    """Several numbers for a contact, with labels and consent."""

    def test_several_lines(self):
        """Each line adds a number, in order of rank."""
        partners, errors = self.load(
            ["name", "country_id", "mobile_ids/number", "mobile_ids/label"],
            ("Ada", self.germany.name, "0176 04069001", "Work"),
            ("", "", "0176 04069002", "mobile"),
            ("Grace", self.germany.name, "0176 04069003", "Home"),
        )
        self.assertEqual(errors, "")
        ada, grace = partners
        self.assertEqual(ada.mobile_ids.mapped("number_e164"), [M1, M2])
        self.assertEqual(ada.mobile_ids.mapped("label"), ["work", "mobile"])
        self.assertEqual(grace.mobile, M3)

    def test_unreadable(self):
        """A number that cannot be read is named."""
        partners, errors = self.load(
            ["name", "mobile_ids/number"], ("Ada", "call me maybe")
        )
        self.assertFalse(partners)
        self.assertIn("call me maybe", errors)

    def test_again(self):
        """The same file again changes the rows and makes none."""
        columns = ["id", "name", "mobile_ids/number", "mobile_ids/label"]
        first, errors = self.load(
            columns, ("test.ada", "Ada", M1, "Mobile"), ("", "", M2, "Mobile")
        )
        self.assertEqual(errors, "")
        rows = first.mobile_ids
        again, errors = self.load(
            columns,
            ("test.ada", "Ada", "0049 176 04069001", "Work"),
            ("", "", M3, "Home"),
        )
        self.assertEqual((again, errors), (first, ""))
        self.assertEqual(again.mobile_ids.mapped("number_e164"), [M1, M2, M3])
        self.assertEqual(again.mobile_ids.mapped("label"), ["work", "mobile", "home"])
        self.assertEqual(again.mobile_ids[:2], rows)

    # label, user, consent, words, error, act on record
    rows = [
        ("agreed", "manager", "Agreed", WORDS, "", "opted_in"),
        ("agreed, by key", "manager", "opted_in", WORDS, "", "opted_in"),
        ("refused", "texter", "Refused", "", "", "opted_out"),
        ("nothing said", "texter", "", WORDS, "", None),
        ("agreed without words", "manager", "Agreed", "", "exact words", None),
        ("agreed without words", "manager", "Agreed", "  ", "exact words", None),
        ("agreed, by a user", "texter", "Agreed", WORDS, "Only managers", None),
        ("nonsense", "manager", "maybe", WORDS, "maybe", None),
    ]

    def test_consent(self):
        """An agreement needs a manager and the words, a refusal needs nothing."""
        columns = [
            "name",
            "mobile_ids/number",
            "mobile_ids/consent",
            "mobile_ids/consent_wording",
            "mobile_ids/consent_at",
        ]
        for label, user, consent, words, error, act in self.rows:
            for at in "", "2026-01-02 03:04:05":
                with self.row(f"{label} {at}"):
                    partners, errors = self.load(
                        columns,
                        ("Ada", M1, consent, words, at),
                        user=getattr(self, user),
                    )
                    ledger = self.ledger(M1)
                    if error:
                        self.assertIn(error, errors)
                        self.assertFalse(partners)
                        self.assertFalse(ledger)
                        continue
                    self.assertEqual(errors, "")
                    self.assertEqual(ledger.mapped("act"), [act] if act else [])
                    if not act:
                        continue
                    self.assertEqual(ledger.method, "import")
                    self.assertEqual(ledger.partner_id, partners)
                    self.assertEqual(ledger.wording or "", words)
                    self.assertEqual(ledger.user_id, getattr(self, user))
                    if at:
                        self.assertEqual(str(ledger.at), at)
                    self.assertEqual(partners.mobile_ids.blocked, act == "opted_out")

    def test_consent_of_a_known_number(self):
        """Consent can be brought for numbers that are there already."""
        columns = [
            "id",
            "name",
            "mobile_ids/number",
            "mobile_ids/consent",
            "mobile_ids/consent_wording",
        ]
        self.load(columns, ("test.ada", "Ada", M1, "", ""))
        self.load(columns, ("test.ada", "Ada", M1, "Agreed", WORDS))
        self.assertEqual(self.ledger(M1).act, "opted_in")

    def test_consent_by_rpc(self):
        """The columns of an import are no way around the rights either."""
        partner = self.contact("Ada", M1)
        mobile = partner.mobile_ids.with_user(self.texter)
        with self.assertRaisesRegex(Exception, "Only managers"):
            mobile.write({"consent": "opted_in", "consent_wording": WORDS})
        self.assertFalse(self.ledger(M1))


@tagged("post_install", "-at_install")
class TestImportCommCare(ImportCase):
    """Exports of CommCare are imported under their own names."""

    # label, number, country, what is texted (or an error)
    numbers = [
        ("digits", "4917604069001", None, M1),
        ("plus and punctuation", "+49 (176) 04069-001.", None, M1),
        ("no number", "xyz", None, False),
        ("zero", "0", None, False),
        ("zeros", "000", None, False),
        ("empty", "", None, False),
        ("as dialled at home", "0176 04069001", "de", M1),
        ("unreadable", "15551234567", None, "15551234567"),
    ]

    def test_numbers(self):
        """Numbers are cleaned as CommCare does."""
        for label, value, country, expected in self.numbers:
            with self.row(label):
                country = self.env.ref(f"base.{country}").name if country else ""
                partners, errors = self.load(
                    ["name", "country_id", "contact_phone_number"],
                    ("Ada", country, value),
                )
                if expected and not expected.startswith("+"):
                    self.assertIn(expected, errors)
                    continue
                self.assertEqual(errors, "")
                self.assertEqual(partners.mobile, expected)
                self.assertEqual(partners.mobile_ids.number_e164, expected)

    def test_known_contact(self):
        """The number of a known contact is replaced, or removed by what is none."""
        columns = ["id", "name", "contact_phone_number"]
        partner, _errors = self.load(columns, ("test.ada", "Ada", M1))
        for value, expected in (M2[1:], M2), ("", M2), ("xyz", False):
            with self.subTest(value):
                again, errors = self.load(columns, ("test.ada", "Ada", value))
                self.assertEqual((again, errors), (partner, ""))
                self.assertEqual(again.mobile, expected)

    # label, mark, user, whether it counts as agreement, error
    marks = [
        ("one", "1", "manager", True, ""),
        ("zero", "0", "manager", False, ""),
        ("empty", "", "manager", False, ""),
        ("yes", "yes", "manager", False, ""),
        ("true", "True", "manager", False, ""),
        ("zero by a user", "0", "texter", False, ""),
        ("one by a user", "1", "texter", False, "Only managers"),
    ]

    def test_verified(self):
        """Only 1 says that the person agreed, whatever the order of columns."""
        for label, mark, user, agreed, error in self.marks:
            for turned in False, True:
                with self.row(f"{label} {turned}"):
                    columns = [
                        "name",
                        "contact_phone_number",
                        "contact_phone_number_is_verified",
                    ]
                    row = ["Ada", M1[1:], mark]
                    if turned:
                        columns, row = columns[::-1], row[::-1]
                    partners, errors = self.load(columns, row, user=getattr(self, user))
                    if error:
                        self.assertIn(error, errors)
                        self.assertFalse(self.ledger(M1))
                        continue
                    self.assertEqual(errors, "")
                    self.assertTrue(partners.mobile_ids.is_owner)
                    self.assertEqual(
                        self.ledger(M1).mapped("act"), ["opted_in"] if agreed else []
                    )
                    if agreed:
                        self.assertIn("CommCare", self.ledger(M1).wording)

    def test_verified_registers(self):
        """A verified number is registered when it has become free."""
        owner = self.contact("Owner", M1)
        columns = [
            "id",
            "name",
            "contact_phone_number",
            "contact_phone_number_is_verified",
        ]
        row = ("test.ada", "Ada", M1[1:], "1")
        partner, errors = self.load(columns, row)
        self.assertEqual(errors, "")
        self.assertFalse(partner.mobile_ids.is_owner)
        owner.action_archive()
        self.load(columns, row)
        self.assertTrue(partner.mobile_ids.is_owner)

    def test_language(self):
        """A language is found by its code or the part before the country."""
        self.env["res.lang"]._activate_lang("fr_FR")
        rows = [
            ("fr_FR", "fr_FR"),
            ("fr-FR", "fr_FR"),
            ("fr", "fr_FR"),
            ("FR", "fr_FR"),
            ("fr_CA", "fr_FR"),
            ("xx", "en_US"),
            ("", "en_US"),
        ]
        for code, expected in rows:
            with self.row(code):
                partners, errors = self.load(["name", "language_code"], ("Ada", code))
                self.assertEqual(errors, "")
                self.assertEqual(partners.lang, expected)
                noted = "“xx”" in "".join(partners.message_ids.mapped("body"))
                self.assertEqual(noted, code == "xx")

    def test_time_zone(self):
        """A time zone is taken by its name; an unknown one is an error."""
        partners, errors = self.load(["name", "time_zone"], ("Ada", "America/New_York"))
        self.assertEqual((partners.tz, errors), ("America/New_York", ""))
        partners, errors = self.load(["name", "time_zone"], ("Ada", "Mars/Olympus"))
        self.assertFalse(partners)
        self.assertIn("Mars/Olympus", errors)

    def test_gateway(self):
        """A gateway is found by its name, never another one in its place."""
        self.gateway.name = "Field Phones"
        for name, found in [
            ("field phones", self.gateway),
            (" FIELD  PHONES ", self.gateway),
            ("", self.env["sms.gateway"]),
        ]:
            with self.row(name):
                partners, errors = self.load(
                    ["name", "contact_backend_id"], ("Ada", name)
                )
                self.assertEqual(errors, "")
                self.assertEqual(partners.sms_gateway_id, found)
        for name in "Field", "Field%", "Unknown":
            with self.row(name):
                partners, errors = self.load(
                    ["name", "contact_backend_id"], ("Ada", name)
                )
                self.assertFalse(partners)
                self.assertIn(f"“{name}”", errors)

    def test_gateway_of_the_company(self):
        """A company's own gateway goes before one of the same name for all."""
        self.gateway.name = "Phones"
        own = self.make_gateway(name="phones", company_id=self.env.company.id)
        partners, errors = self.load(["name", "contact_backend_id"], ("Ada", "PHONES"))
        self.assertEqual(errors, "")
        self.assertEqual(partners.sms_gateway_id, own)

    def test_email(self):
        """The address for e-mail is the contact's."""
        partners, errors = self.load(
            ["name", "commcare_email_address"], ("Ada", "ada@example.com")
        )
        self.assertEqual((partners.email, errors), ("ada@example.com", ""))

    def test_whole_row(self):
        """All columns together, a landline among the numbers."""
        self.gateway.name = "Field Phones"
        partners, errors = self.load(
            [
                "name",
                "contact_phone_number",
                "contact_phone_number_is_verified",
                "language_code",
                "time_zone",
                "contact_backend_id",
                "commcare_email_address",
                "mobile_ids/number",
            ],
            (
                "Ada",
                M1[1:],
                "1",
                "en",
                "Europe/London",
                "FIELD PHONES",
                "ada@example.com",
                BERLIN,
            ),
        )
        self.assertEqual(errors, "")
        self.assertFields(
            partners,
            {
                "mobile": M1,
                "tz": "Europe/London",
                "lang": "en_US",
                "sms_gateway_id": self.gateway,
                "email": "ada@example.com",
            },
        )
