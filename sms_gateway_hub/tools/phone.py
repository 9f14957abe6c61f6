# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Read phone numbers exactly as Odoo does, at half the cost.

Odoo reads a number, writes it in international format and reads that again: so it
amends plans that changed, like Brazil's ninth digit. For nearly all numbers the second
reading cannot find anything else than the first, and is left out here.
"""

import re
from functools import cache

import phonenumbers

from odoo.exceptions import UserError

from odoo.addons.phone_validation.tools.phone_validation import phone_format

_PASSED_OVER = dict.fromkeys(map(ord, " ().-"))
_DIGITS = re.compile(r"\+?[0-9]+")
# A format whose groups are all of the number.
_GROUPS_ALONE = re.compile(r"(?:\((?!\?)(?:[^()]|\(\?:[^()]*\))*\))+")
_NEVER = re.compile(r"(?!)")


def to_e164(number, country_code):
    """Return a number in E.164, as ``phone_format`` of Odoo does.

    :param str number: in any format
    :param str country_code: ISO code of the country whose format it may be in, if any
    :return: str, or False for what is not a valid number
    """
    # Without what the library passes over in any case it is faster.
    plain = number.translate(_PASSED_OVER)
    try:
        parsed = phonenumbers.parse(
            plain if _DIGITS.fullmatch(plain) else number, country_code or None
        )
        if phonenumbers.is_valid_number(parsed):
            national = phonenumbers.national_significant_number(parsed)
            prefix = _get_second_prefix(parsed.country_code)
            if prefix and not prefix.match(national):
                return f"+{parsed.country_code}{national}"
    except phonenumbers.NumberParseException:
        return False
    try:
        return phone_format(number, country_code, None, force_format="E164")
    except UserError:
        return False


@cache
def _get_second_prefix(calling_code):
    """Return what a second reading would take off the beginning of a national number.

    :param int calling_code: country calling code, like 49
    :return: compiled pattern, or None where the international format itself holds other
        digits than the number
    """
    region = phonenumbers.region_code_for_country_code(calling_code)
    plan = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(
        calling_code, region
    )
    for rule in plan.intl_number_format or plan.number_format:
        groups = range(1, re.compile(rule.pattern).groups + 1)
        written = re.findall(r"\\?\d", rule.format)
        if not _GROUPS_ALONE.fullmatch(rule.pattern) or written != [
            rf"\{group}" for group in groups
        ]:
            return None
    prefix = plan.national_prefix_for_parsing
    return re.compile(prefix) if prefix else _NEVER
