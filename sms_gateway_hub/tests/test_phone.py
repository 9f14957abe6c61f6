# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Numbers are read as Odoo reads them: the reference is its own ``phone_format``."""

import random
from unittest.mock import patch

import phonenumbers

from odoo.exceptions import UserError
from odoo.tests import BaseCase, tagged

from odoo.addons.phone_validation.tools.phone_validation import phone_format

from ..tools import phone

# As somebody types them, with the country of the contact; good and bad.
ROWS = [
    ("DE", "0176 04069001"),
    ("DE", "+49 (0)176 04069001"),
    ("DE", "0049 176 04069001"),
    ("DE", "49 176 04069001"),
    ("DE", "+49 30 23125-101"),
    ("DE", "030/23125-101 App. 12"),
    ("DE", "tel:+49-30-23125101;ext=12"),
    ("DE", "Tel. 030 23125101 x 12"),
    ("DE", "110"),
    ("DE", "ask Bob"),
    ("DE", "0"),
    ("DE", "+"),
    ("DE", "+49"),
    ("DE", "7" * 300),
    ("DE", "٠١٧٦٠٤٠٦٩٠٠١"),
    ("DE", "０１７６ ０４０６９００１"),
    # Brazil: the ninth digit of mobile numbers is added.
    ("BR", "(11) 6123-4567"),
    ("BR", "+55 11 6123-4567"),
    ("BR", "+55 11 96123-4567"),
    ("BR", "0 15 11 96123-4567"),
    ("DE", "+55 61 8101-2345"),
    # Mexico: the 1 after the country code is dropped.
    ("MX", "+52 1 55 1234 5678"),
    ("MX", "55 1234 5678"),
    ("MX", "044 55 1234 5678"),
    ("US", "+52 1 449 978 0001"),
    # Argentina: 15 behind the area code is 9 before it.
    ("AR", "011 15-2345-6789"),
    ("AR", "+54 9 11 2345 6789"),
    ("AR", "0343 15-555-1212"),
    # Italy and the Vatican: the zero belongs to the number.
    ("IT", "06 698 12345"),
    ("IT", "+39 06 6982"),
    ("VA", "06 698 12345"),
    ("IT", "347 1234567"),
    # Local numbers that a plan completes, from an island of a larger one.
    ("GG", "256789"),
    ("BS", "3456789"),
    ("BB", "2345678"),
    ("TA", "8999"),
    ("CA", "310 1234"),
    ("KZ", "8 (701) 234-56-78"),
    ("RU", "8 800 555-35-35"),
    ("RU", "+7 8 800 555-35-35"),
    ("US", "1-800-FLOWERS"),
    ("US", "(202) 555-0100 ext. 5"),
    ("US", "202-555-0100,,5#"),
    ("US", "+1 555 123 4567"),
    ("US", "++1 202 555 0100"),
    ("US", "011 44 20 7946 0958"),
    ("GB", "+44 (0)20 7946 0958"),
    ("GB", "(+44) 7700 900123"),
    ("CI", "07 01 02 03 04"),
    ("CI", "+225 01 02 03 04"),
    ("CO", "321 1234567"),
    ("SN", "+221 75 312 34 56"),
    ("KE", "0711 123456"),
    ("HU", "06 20 123 4567"),
    ("LT", "8 612 34567"),
    # The first reading takes 0 off its beginning, the second 8.
    ("BY", "+37508106857335"),
    ("JP", "090-1234-5678"),
    ("AU", "0412 345 678"),
    ("CX", "0412 345 678"),
    ("SM", "0549 886377"),
    ("UY", "094 231 234"),
    ("CR", "8312 3456"),
    # Of no country: free of charge, satellites, international networks.
    (None, "+800 1234 5678"),
    (None, "+870 773 111 632"),
    (None, "+883 510 012 345"),
    (None, "+999 123 4567"),
    (None, "0176 04069001"),
    (None, "+49 176 04069001"),
    ("XX", "0176 04069001"),
    ("XX", "+49 176 04069001"),
]


def of_odoo(number, country):
    """Return what Odoo makes of a number, False where it refuses it."""
    try:
        return phone_format(number, country, None, force_format="E164")
    except UserError:
        return False


def of_every_plan():
    """Give examples of the library for each numbering plan and kind of number."""
    kinds = (
        "MOBILE",
        "FIXED_LINE",
        "TOLL_FREE",
        "SHARED_COST",
        "VOIP",
        "PERSONAL_NUMBER",
        "PAGER",
    )
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in kinds:
            example = phonenumbers.example_number_for_type(
                region, getattr(phonenumbers.PhoneNumberType, kind)
            )
            if example:
                yield region, example
        yield region, phonenumbers.invalid_example_number(region)


def as_typed(example):
    """Give a number in the ways that people write it."""
    formats = phonenumbers.PhoneNumberFormat
    e164 = phonenumbers.format_number(example, formats.E164)
    yield e164
    yield e164[1:]
    yield f"00{e164[1:]}"
    yield f"{e164}7"
    yield e164[:-1]
    yield phonenumbers.format_number(example, formats.NATIONAL)
    yield phonenumbers.format_number(example, formats.INTERNATIONAL)
    yield phonenumbers.format_number(example, formats.RFC3966) + ";ext=12"
    yield phonenumbers.national_significant_number(example)


@tagged("post_install", "-at_install")
class TestToE164(BaseCase):
    """One reading finds what Odoo's two do."""

    def assert_as_odoo(self, number, country):
        with self.subTest(f"{number} in {country}"):
            self.assertEqual(phone.to_e164(number, country), of_odoo(number, country))

    def test_rows_are_read_as_odoo_reads_them(self):
        """Good and bad numbers, of plans with habits of their own."""
        for country, number in ROWS:
            self.assert_as_odoo(number, country)

    def test_every_plan_is_read_as_odoo_reads_it(self):
        """Examples of all numbering plans, however they are written."""
        for region, example in of_every_plan():
            for number in as_typed(example):
                self.assert_as_odoo(number, region)
                self.assert_as_odoo(number, "US")

    def test_digits_at_random_are_read_as_odoo_reads_them(self):
        """Also what nobody made up an example for."""
        chance = random.Random(164)
        regions = sorted(phonenumbers.SUPPORTED_REGIONS)
        for _n in range(3000):
            digits = "".join(chance.choices("0123456789", k=chance.randint(5, 13)))
            region = chance.choice(regions)
            self.assert_as_odoo(digits, region)
            for at in sorted(chance.choices(range(len(digits)), k=4), reverse=True):
                digits = digits[:at] + chance.choice(" ().-/+x ") + digits[at:]
            self.assert_as_odoo(digits, region)
            code = phonenumbers.country_code_for_region(region)
            self.assert_as_odoo(f"+{code}{digits}", chance.choice(regions))

    def test_a_valid_number_is_a_possible_one(self):
        """What Odoo asks besides validity adds nothing: the plans hold it."""
        for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items():
            plans = [
                phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(
                    code, region
                ).general_desc
                for region in regions
            ]
            possible = {*plans[0].possible_length, *plans[0].possible_length_local_only}
            for plan in plans:
                self.assertLessEqual(set(plan.possible_length), possible, code)

    def test_nearly_all_are_read_once(self):
        """Odoo's way is left to the two plans that it amends, and to bad numbers."""
        twice = set()

        def counting(number, country, *args, **kwargs):
            twice.add(country)
            return phone_format(number, country, *args, **kwargs)

        with patch.object(phone, "phone_format", counting):
            for region in sorted(phonenumbers.SUPPORTED_REGIONS):
                example = phonenumbers.example_number_for_type(
                    region, phonenumbers.PhoneNumberType.MOBILE
                )
                if example:
                    phone.to_e164(
                        phonenumbers.format_number(
                            example, phonenumbers.PhoneNumberFormat.NATIONAL
                        ),
                        region,
                    )
        self.assertLessEqual({"BR", "MX"}, twice)
        self.assertLess(len(twice), 10, sorted(twice))
