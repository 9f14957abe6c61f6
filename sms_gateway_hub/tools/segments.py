# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Count and split SMS segments the way a handset network does.

A text leaves in GSM-7 (3GPP TS 23.038, 6.2.1: default alphabet and extension table)
if each of its characters is in there, and in UCS-2 otherwise. What the text really
contains is counted: a newline is one character, CRLF is two. The hub normalises line
ends with :func:`clean_text` before it counts and sends.

Pure Python without ``odoo``; ``static/src/core/segments.js`` is its twin, held to the
same rows (``static/tests/segments_cases.json``).
"""

import re
from dataclasses import dataclass

ENCODING_GSM7 = "gsm7"
ENCODING_UCS2 = "ucs2"

# In the order of the septets 0x00 to 0x7F; 0x1B is the escape to the extension table.
GSM7_DEFAULT = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
GSM7_EXTENSION = frozenset("\f^{}\\[~]|€")
GSM7_ALPHABET = frozenset(GSM7_DEFAULT) - {"\x1b"} | GSM7_EXTENSION

# Units in a text that fits one SMS: 140 octets of user data (3GPP TS 23.040, 9.2.3.24).
SINGLE_SIZE = {ENCODING_GSM7: 160, ENCODING_UCS2: 70}
# Units in one part of a longer text, by bits of the concatenation reference: its
# header takes 6 octets (8 bits, 9.2.3.24.1) or 7 octets (16 bits, 9.2.3.24.8).
PART_SIZE = {
    8: {ENCODING_GSM7: 153, ENCODING_UCS2: 67},
    16: {ENCODING_GSM7: 152, ENCODING_UCS2: 66},
}

_LINE_ENDS = re.compile("\r\n?|[\v\f]")
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f]")
_SURROGATES = re.compile("[\ud800-\udfff]")

_GSM7_TEXT = re.compile(f"[{re.escape(''.join(sorted(GSM7_ALPHABET)))}]*")
# What takes two units, by encoding.
_DOUBLE = {
    ENCODING_GSM7: re.compile(f"[{re.escape(''.join(sorted(GSM7_EXTENSION)))}]"),
    ENCODING_UCS2: re.compile("[\U00010000-\U0010ffff]"),
}


@dataclass(frozen=True, slots=True)
class SegmentCount:
    """How a text travels.

    :param str encoding: ``ENCODING_GSM7`` or ``ENCODING_UCS2``
    :param int units: septets (GSM-7) or UTF-16 code units (UCS-2) of the whole text
    :param int segments: SMS parts, 0 for an empty text
    :param int units_left: units still free in the last part
    :param int segment_size: units that one part of this text can carry
    """

    encoding: str
    units: int
    segments: int
    units_left: int
    segment_size: int


def count_segments(text, *, reference_bits=8):
    """Return what it takes to send a text.

    A character of two units (GSM-7 extension, UCS-2 beyond U+FFFF) never straddles
    two parts, so a part may end one unit short and the count can be above
    ``units / segment_size`` rounded up. Linear in the length of the text.

    :param str text: text as rendered for one recipient, best after :func:`clean_text`;
        ``False`` or ``None`` (an unset field) counts as empty
    :param int reference_bits: width of the concatenation reference, 8 or 16
    :return: SegmentCount; an empty text has 0 segments
    :raise ValueError: if ``reference_bits`` is neither 8 nor 16
    """
    encoding, size, units, starts, used = _lay_out(text or "", reference_bits)
    return SegmentCount(
        encoding=encoding,
        units=units,
        segments=len(starts),
        units_left=size - used,
        segment_size=size,
    )


def split_segments(text, *, reference_bits=8):
    """Return the text of each SMS part, in order.

    :param str text: as for :func:`count_segments`
    :param int reference_bits: width of the concatenation reference, 8 or 16
    :return: list of str, which joined give ``text``; empty for an empty text
    :raise ValueError: if ``reference_bits`` is neither 8 nor 16
    """
    text = text or ""
    starts = _lay_out(text, reference_bits)[3]
    ends = starts[1:] + [len(text)]
    # One end too many for an empty text, which has no start.
    return [text[start:end] for start, end in zip(starts, ends, strict=False)]


def unsupported_gsm7(text):
    """Return the characters that force a text into UCS-2.

    :param str text: text to look at; ``False`` or ``None`` counts as empty
    :return: list of distinct one-character str in order of appearance; empty if the
        text fits GSM-7
    """
    return [char for char in dict.fromkeys(text or "") if char not in GSM7_ALPHABET]


def clean_text(text):
    """Return a text that every gateway, PostgreSQL and JSON encoder can carry.

    CRLF, CR, vertical tab and form feed become LF; a tab becomes a space, since GSM-7
    has none and it would halve the room; the other C0 controls, NUL among them, and
    DEL are removed; a surrogate pair left in two halves is joined and a lone surrogate
    becomes U+FFFD. Nothing else changes; a clean text comes back equal.

    :param text: text to clean; ``False`` or ``None`` counts as empty, and what is no
        text becomes one as in a field of Odoo, e.g. a number that a program gives
    :return: str
    """
    if not isinstance(text, str):
        text = str(text) if text else ""
    if text.isprintable():
        # It has no line end, no control and no surrogate: most texts are clean.
        return str(text)
    text = _LINE_ENDS.sub("\n", text).replace("\t", " ")
    text = _CONTROLS.sub("", text)
    if _SURROGATES.search(text):
        joined = text.encode("utf-16-le", "surrogatepass")
        text = joined.decode("utf-16-le", "surrogatepass")
        text = _SURROGATES.sub("\ufffd", text)
    return text


def _lay_out(text, reference_bits):
    """Fill the parts of a text, one after the other.

    :param str text: text to send
    :param int reference_bits: width of the concatenation reference, 8 or 16
    :return: tuple of encoding, units that one part can carry, units of the text,
        list of the index at which each part starts, units used in the last part
    :raise ValueError: if ``reference_bits`` is neither 8 nor 16
    """
    if reference_bits not in PART_SIZE:
        raise ValueError(f"reference_bits must be 8 or 16, not {reference_bits!r}")
    encoding = ENCODING_GSM7 if _GSM7_TEXT.fullmatch(text) else ENCODING_UCS2
    double = _DOUBLE[encoding].findall(text)
    units = len(text) + len(double)
    size = SINGLE_SIZE[encoding]
    if units <= size:
        return encoding, size, units, [0] if text else [], units
    size = PART_SIZE[reference_bits][encoding]
    if not double:
        starts = list(range(0, units, size))
        return encoding, size, units, starts, units - starts[-1]
    starts, used = [0], 0
    double = frozenset(double)
    for index, char in enumerate(text):
        cost = 2 if char in double else 1
        used += cost
        if used > size:
            starts.append(index)
            used = cost
    return encoding, size, units, starts, used
