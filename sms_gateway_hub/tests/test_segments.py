# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""R8: the segment count equals that of an independent encoder.

The oracle below shares nothing with ``tools/segments.py``: it holds the septet codes
as numbers, builds the user data octet by octet with its header, and knows no limit
but the 140 octets that an SMS carries.
"""

import json
import random
import time

from markupsafe import Markup

from odoo.tests import BaseCase, tagged
from odoo.tools.misc import file_open

from ..tools import segments

# 3GPP TS 23.038, 6.2.1, as Unicode code points; the index is the septet. Written as
# numbers so that a slip in the text table of the code cannot hide in here as well.
# fmt: off
SEPTETS = [
    0x0040, 0x00A3, 0x0024, 0x00A5, 0x00E8, 0x00E9, 0x00F9, 0x00EC,
    0x00F2, 0x00C7, 0x000A, 0x00D8, 0x00F8, 0x000D, 0x00C5, 0x00E5,
    0x0394, 0x005F, 0x03A6, 0x0393, 0x039B, 0x03A9, 0x03A0, 0x03A8,
    0x03A3, 0x0398, 0x039E, None,   0x00C6, 0x00E6, 0x00DF, 0x00C9,
    *range(0x20, 0x24), 0x00A4, *range(0x25, 0x40),
    0x00A1, *range(0x41, 0x5B), 0x00C4, 0x00D6, 0x00D1, 0x00DC, 0x00A7,
    0x00BF, *range(0x61, 0x7B), 0x00E4, 0x00F6, 0x00F1, 0x00FC, 0x00E0,
]
# fmt: on
ESCAPE = 0x1B
EXTENSION_SEPTETS = {
    0x0A: 0x000C,
    0x14: 0x005E,
    0x28: 0x007B,
    0x29: 0x007D,
    0x2F: 0x005C,
    0x3C: 0x005B,
    0x3D: 0x007E,
    0x3E: 0x005D,
    0x40: 0x007C,
    0x65: 0x20AC,
}
TO_SEPTETS = {
    code_point: (septet,)
    for septet, code_point in enumerate(SEPTETS)
    if code_point is not None
} | {code_point: (ESCAPE, septet) for septet, code_point in EXTENSION_SEPTETS.items()}
USER_DATA_OCTETS = 140
# Concatenation headers: length, element id, element length, reference, total, number.
HEADERS = {8: bytes([5, 0, 3, 0, 0, 0]), 16: bytes([6, 8, 4, 0, 0, 0, 0])}


def pack_septets(header, septets):
    """Return user data octets: the header, fill bits, septets from the low bit up.

    :param bytes header: user data header, may be empty
    :param list septets: int, 0 to 127 each
    :return: bytes
    """
    fill_bits = -len(header) * 8 % 7
    bits = "".join(f"{septet:07b}" for septet in reversed(septets)) + "0" * fill_bits
    octets = int(bits or "0", 2).to_bytes((len(bits) + 7) // 8, "little")
    return header + octets


def unpack_septets(header, octets, count):
    """Return the text of a GSM-7 part, read back from its octets.

    :param bytes header: user data header that ``octets`` start with
    :param bytes octets: user data
    :param int count: septets of text in there
    :return: str
    :raise AssertionError: if the part ends in the middle of an escape pair
    """
    fill_bits = -len(header) * 8 % 7
    value = int.from_bytes(octets[len(header) :], "little") >> fill_bits
    text, escaped = [], False
    for _position in range(count):
        value, septet = divmod(value, 128)
        if escaped:
            text.append(chr(EXTENSION_SEPTETS[septet]))
            escaped = False
        elif septet == ESCAPE:
            escaped = True
        else:
            text.append(chr(SEPTETS[septet]))
    if escaped:
        raise AssertionError("An escape pair was torn apart")
    return "".join(text)


def send_gsm7(text, header):
    """Return the parts of a GSM-7 text as (octets, septets) pairs, filled greedily.

    :param str text: text in the GSM-7 alphabet
    :param bytes header: concatenation header of each part of a longer text
    :return: list of tuple
    """
    characters = [TO_SEPTETS[ord(char)] for char in text]
    whole = [septet for character in characters for septet in character]
    octets = pack_septets(b"", whole)
    if len(octets) <= USER_DATA_OCTETS:
        return [(octets, len(whole))] if text else []
    room = (USER_DATA_OCTETS - len(header)) * 8 - (-len(header) * 8 % 7)
    parts, part = [], []
    for character in characters:
        if 7 * (len(part) + len(character)) > room:
            parts.append(part)
            part = []
        part = part + list(character)
    return [(pack_septets(header, septets), len(septets)) for septets in [*parts, part]]


def send_ucs2(text, header):
    """Return the parts of a UCS-2 text as octets, filled greedily.

    :param str text: any well-formed text
    :param bytes header: concatenation header of each part of a longer text
    :return: list of bytes
    """
    octets = text.encode("utf-16-be")
    if len(octets) <= USER_DATA_OCTETS:
        return [octets]
    parts = []
    while octets:
        room = (USER_DATA_OCTETS - len(header)) // 2 * 2
        if len(octets) > room and 0xDC <= octets[room] <= 0xDF:
            room -= 2
        parts.append(header + octets[:room])
        octets = octets[room:]
    return parts


def transmit(text, reference_bits):
    """Encode a text to user data and decode each part on its own.

    :param str text: any well-formed text
    :param int reference_bits: 8 or 16
    :return: tuple of encoding and list of the text read back from each part
    :raise AssertionError: if a part is too big or not readable by itself
    """
    header = HEADERS[reference_bits]
    if all(ord(char) in TO_SEPTETS for char in text):
        encoding, sent = "gsm7", send_gsm7(text, header)
        payloads = [octets for octets, _count in sent]
        header = header if len(sent) > 1 else b""
        received = [unpack_septets(header, octets, count) for octets, count in sent]
    else:
        encoding, payloads = "ucs2", send_ucs2(text, header)
        header = header if len(payloads) > 1 else b""
        received = [octets[len(header) :].decode("utf-16-be") for octets in payloads]
    if any(len(octets) > USER_DATA_OCTETS for octets in payloads):
        raise AssertionError("A part is too big")
    return encoding, received


def random_texts(count, seed):
    """Yield texts around the borders, from plain GSM-7 to joined emoji.

    :param int count: how many
    :param int seed: seed of the generator
    """
    rng = random.Random(seed)
    plain = [chr(code_point) for code_point in SEPTETS if code_point is not None]
    extension = [chr(code_point) for code_point in EXTENSION_SEPTETS.values()]
    bmp = list("şğıİçŁжשع你ह`“”…–µ\t") + ["\xa0", "\u0301", "\u2126"]
    emoji = ["😀", "🇹🇷", "👍🏽", "❤\ufe0f", "1\ufe0f\u20e3", "👩\u200d👩\u200d👧"]
    blends = [
        [plain],
        [plain, plain, plain, extension],
        [extension],
        [plain, extension, ["\r\n", "\n"]],
        [plain, bmp],
        [plain, plain, emoji],
        [emoji],
        [plain, extension, bmp, emoji, ["\r\n", "\n"]],
    ]
    lengths = [0, 1, 66, 67, 70, 76, 80, 132, 134, 152, 153, 160, 201, 304, 306, 459]
    for _index in range(count):
        blend = rng.choice(blends)
        length = max(0, rng.choice(lengths) + rng.randint(-3, 3))
        yield "".join(rng.choice(rng.choice(blend)) for _position in range(length))


@tagged("post_install", "-at_install")
class TestSegments(BaseCase):
    """Rows that the browser's twin is held to as well, and the oracle."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        path = "sms_gateway_hub/static/tests/segments_cases.json"
        with file_open(path, filter_ext=(".json",)) as cases:
            cls.cases = json.load(cases)
        for case in cls.cases["counts"]:
            case["text"] = "".join(piece * times for piece, times in case["text"])

    def test_rows_are_counted_as_written(self):
        """Each row has the encoding, units, segments and room that it names."""
        for case in self.cases["counts"]:
            with self.subTest(case["name"]):
                count = segments.count_segments(
                    case["text"], reference_bits=case.get("reference_bits", 8)
                )
                expected = segments.SegmentCount(
                    encoding=case["encoding"],
                    units=case["units"],
                    segments=case["segments"],
                    units_left=case["units_left"],
                    segment_size=case["segment_size"],
                )
                self.assertEqual(count, expected)

    def test_rows_are_split_where_written(self):
        """Each row falls into the named parts, which joined give the text."""
        for case in self.cases["counts"]:
            with self.subTest(case["name"]):
                parts = segments.split_segments(
                    case["text"], reference_bits=case.get("reference_bits", 8)
                )
                self.assertEqual([len(part) for part in parts], case["part_lengths"])
                self.assertEqual("".join(parts), case["text"])

    def test_rows_name_what_forces_unicode(self):
        """Each row lists its characters outside GSM-7 once, in order."""
        for case in self.cases["counts"]:
            with self.subTest(case["name"]):
                found = segments.unsupported_gsm7(case["text"])
                self.assertEqual(found, case["unsupported"])

    def test_texts_are_cleaned_as_written(self):
        """Each row is cleaned into its twin, and cleaning that changes nothing."""
        for case in self.cases["cleaned"]:
            with self.subTest(case["name"]):
                self.assertEqual(segments.clean_text(case["text"]), case["clean"])
                self.assertEqual(segments.clean_text(case["clean"]), case["clean"])

    def test_clean_text_can_be_stored_and_sent(self):
        """Whatever comes in, PostgreSQL and UTF-8 take the cleaned text."""
        dirty = "".join(map(chr, range(0x300))) + "\ud800\udc00\udfff\ud83d"
        clean = segments.clean_text(dirty)
        self.assertNotIn("\0", clean)
        self.assertEqual(clean.encode().decode(), clean)
        self.assertTrue(clean.endswith("\U00010000\ufffd\ufffd"))

    def test_clean_text_is_plain(self):
        """What a template rendered as markup leaves as the characters that it is of."""
        for text in "Hi & bye", "Hi &\nbye", "Hi\t&", "":
            cleaned = segments.clean_text(Markup(text))
            self.assertIs(type(cleaned), str)
            self.assertEqual(cleaned, text.replace("\t", " "))

    def test_alphabet_is_that_of_the_specification(self):
        """The table of the code holds the specification's characters, in order."""
        table = "".join(chr(code_point or ESCAPE) for code_point in SEPTETS)
        self.assertEqual(segments.GSM7_DEFAULT, table)
        extension = set(map(chr, EXTENSION_SEPTETS.values()))
        self.assertEqual(segments.GSM7_EXTENSION, extension)
        self.assertEqual({ord(char) for char in segments.GSM7_ALPHABET}, {*TO_SEPTETS})

    def test_independent_encoder_agrees(self):
        """10,000 random texts go out in the parts of an independent encoder (R8)."""
        total, agreed, mixed = 10_000, 0, {"gsm7": 0, "ucs2": 0}
        for index, text in enumerate(random_texts(total, seed=20260)):
            bits = 16 if index % 4 == 3 else 8
            encoding, received = transmit(text, bits)
            self.assertEqual("".join(received), text, "The oracle lost something")
            count = segments.count_segments(text, reference_bits=bits)
            parts = segments.split_segments(text, reference_bits=bits)
            mixed[encoding] += 1
            agreed += (
                count.encoding == encoding
                and count.segments == len(received)
                and parts == received
            )
        self.assertEqual(agreed / total, 1.0)
        self.assertGreater(min(mixed.values()), total / 4, "The blend is one-sided")

    def test_oracle_agrees_with_the_rows(self):
        """The oracle itself gives the hand-written parts of each row."""
        for case in self.cases["counts"]:
            with self.subTest(case["name"]):
                bits = case.get("reference_bits", 8)
                encoding, received = transmit(case["text"], bits)
                self.assertEqual(encoding, case["encoding"])
                self.assertEqual(list(map(len, received)), case["part_lengths"])

    def test_unset_field_counts_as_empty(self):
        """``False``, as Odoo reads an unset field, is an empty text."""
        self.assertEqual(segments.count_segments(False), segments.count_segments(""))
        self.assertEqual(segments.split_segments(False), [])
        self.assertEqual(segments.unsupported_gsm7(False), [])
        self.assertEqual(segments.clean_text(False), "")

    def test_other_types_become_text(self):
        """A program gives a number as a number: Odoo's fields take it, and so do we."""
        self.assertEqual(segments.clean_text(12025550100), "12025550100")
        self.assertEqual(segments.clean_text(["a\x00"]), "['a\\x00']")

    def test_unknown_reference_width_is_refused(self):
        """A concatenation reference has 8 or 16 bits and nothing else."""
        with self.assertRaises(ValueError):
            segments.count_segments("", reference_bits=7)
        with self.assertRaises(ValueError):
            segments.split_segments("", reference_bits=None)

    def test_long_text_takes_linear_time(self):
        """Ten times the text takes about ten times as long, not a hundred."""

        def seconds(length):
            text = "😀€\r\n" * (length // 4)
            start = time.process_time()
            segments.split_segments(text)
            segments.clean_text(text)
            segments.unsupported_gsm7(text)
            return time.process_time() - start

        short = min(seconds(100_000) for _attempt in range(3))
        self.assertLess(seconds(1_000_000), 40 * max(short, 0.005))
