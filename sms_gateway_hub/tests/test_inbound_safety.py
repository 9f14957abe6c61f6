# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""T8: whatever somebody texts is text: stored, shown, exported, never evaluated."""

import csv
import io
import itertools
import json
import zipfile

from lxml import etree, html

from odoo import http
from odoo.tests import HttpCase, tagged

from ..tools.cells import guard_cell
from ..tools.gateway_data import InboundMessage
from .common import NUMBERS, SmsGatewayCase, SmsGatewayMixin

# (label, what was texted, what is stored or None for the same)
TEXTS = [
    ("plain", "Hello", None),
    ("HTML", "<b>bold</b> & <i>more</i>", None),
    ("image", '<img src=x onerror="alert(1)">', None),
    ("script", "<script>alert(1)</script>", None),
    ("script that ends another", "</script></textarea><script>alert(1)</script>", None),
    ("entity", "&lt;b&gt; &amp; &#60;img&#62;", None),
    ("link of a script", "<a href='javascript:alert(1)'>x</a>", None),
    ("comment", "<!-- --><![CDATA[<b>x</b>]]>", None),
    ("inline template", "{{ 7*7 }} {{ object.env }}", None),
    ("Mako", "${7*7} % for x in y:", None),
    ("QWeb", '<t t-out="7*7"/><t t-esc="7*7"/>', None),
    ("Python format", "%s %(name)s %d {0} {company} {number}", None),
    ("formula =", "=cmd|' /C calc'!A0", None),
    ("formula + ", "+cmd|' /C calc'!A0", None),
    ("formula -", "-2+3+cmd|' /C calc'!A0", None),
    ("formula @", "@SUM(1+1)*cmd|' /C calc'!A0", None),
    ("formula after a tab", "\t=1+1", " =1+1"),
    ("formula after CR", "\r=1+1", "\n=1+1"),
    ("formula after line end", "\n=1+1", None),
    ("formula, full width", "\uff1d1+1", None),
    ("array formula", "{=1+1}", None),
    ("link at the beginning", "https://example.com/x and more", None),
    ("file at the beginning", "external:\\\\server\\share", None),
    ("quotes and commas", '"a",\'b\';"=1+1"', None),
    ("NUL", "a\x00b", "ab"),
    ("control characters", "a\x01\x08\x1b[31mb\x7f", "a[31mb"),
    ("lone surrogate", "a\ud83db", "a\ufffdb"),
    ("two lone surrogates", "\udc00\ud800", "\ufffd\ufffd"),
    ("halves of an emoji", "\ud83d\ude00", "\U0001f600"),
    ("10,000 characters", "x" * 10_000, None),
    ("10,000 emojis", "\U0001f600" * 10_000, None),
    (
        "right to left",
        "\u0645\u0631\u062d\u0628\u0627 abc \u05e9\u05dc\u05d5\u05dd",
        None,
    ),
    ("direction overridden", "\u202egnp.exe\u202c \u2066x\u2069", None),
    ("zero width", "\u200b\u200c\u200d\ufeffx\u2060", None),
    ("marks without end", "a" + "\u0301" * 500, None),
    ("no character", "\uffff\U0010ffff", None),
    ("line separators", "a\u2028b\u2029c\x85d", None),
    ("only spaces", "   ", None),
    ("only line ends", "\r\n\r\n", "\n\n"),
    ("empty", "", ""),
    (
        "family emoji",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea",
        None,
    ),
    ("SQL", "'); DROP TABLE sms_gateway_message; --", None),
    ("path", "../../etc/passwd %00 %2e%2e", None),
]
# What chatter and activities make of a text: paragraphs, line ends and links.
HARMLESS = {"p", "br", "a", "div", "span"}


def elements_of(markup):
    """Return the elements of a piece of HTML and their attributes."""
    found = html.fragment_fromstring(str(markup or ""), create_parent="div")
    return [el for el in found.iter() if el is not found]


def words_of(text):
    """Return a text without spaces, and without the one that is no character in XML."""
    return "".join((text or "").replace("\uffff", "").split())


class SafetyMixin(SmsGatewayMixin):
    def receive(self, text, number=NUMBERS[5], key="E1"):
        """Let a text come in; return it with its conversation."""
        message = self.env["sms.gateway.message"]._receive(
            self.gateway, InboundMessage(event_key=key, number=number, body=text)
        )
        self.env.flush_all()
        return message, message.conversation_id


@tagged("post_install", "-at_install")
class TestInboundSafety(SafetyMixin, SmsGatewayCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.owner = cls.new_user("owner", "base.group_user")
        cls.gateway.responsible_user_id = cls.owner

    def assertHarmless(self, markup, text):
        """The markup shows the text and makes no element of it."""
        elements = elements_of(markup)
        for element in elements:
            self.assertIn(element.tag, HARMLESS, markup)
            for name, value in element.attrib.items():
                self.assertFalse(name.startswith("on"), markup)
                self.assertNotIn("javascript:", value, markup)
        shown = html.fragment_fromstring(str(markup or ""), create_parent="div")
        self.assertEqual(words_of(shown.text_content()), words_of(text))

    def test_stored_and_shown(self):
        """Each text is kept as it came, and shown as text wherever it is shown."""
        for number, partner in ((NUMBERS[0], True), (NUMBERS[5], False)):
            for label, text, stored in TEXTS:
                with self.row(f"{label}, {'a contact' if partner else 'unknown'}"):
                    stored = text if stored is None else stored
                    message, conversation = self.receive(text, number)
                    message.invalidate_recordset()
                    self.assertEqual(message.body or "", stored)
                    self.assertEqual(message.state, "received")
                    self.assertEqual(conversation.user_id, self.owner)
                    # Chatter
                    if partner:
                        self.assertHarmless(message.mail_message_id.body, stored)
                    # Activity
                    activity = conversation.answer_activity_id
                    self.assertEqual(activity.user_id, self.owner)
                    self.assertHarmless(activity.note, stored)
                    # Lists and threads: plain text, which the client escapes
                    line = " ".join(stored.split())
                    self.assertEqual(
                        conversation.last_body or "",
                        line if len(line) <= 120 else f"{line[:119]}…",
                    )
                    owner = conversation.with_user(self.owner)
                    (entry,) = owner.get_thread()["messages"]
                    self.assertEqual(entry["body"], stored)
                    self.assertIs(type(entry["body"]), str)
                    # What comes after it is shown and answered as ever
                    json.dumps(owner.get_thread())

    def test_answered(self):
        """Whatever was texted can be answered, and the answer does not quote it."""
        for label, text, _stored in TEXTS:
            with self.row(label):
                _message, conversation = self.receive(text)
                answer = conversation.with_user(self.owner)._answer("Thanks")
                self.assertEqual(answer.body, "Thanks")
                self.assertEqual(conversation.state, "waiting")

    def test_never_evaluated(self):
        """As the value of a template's placeholder a text stays what it is."""
        template = self.env["sms.template"].create(
            {
                "name": "Quote",
                "model_id": self.env["ir.model"]._get_id("sms.gateway.message"),
                "body": "You wrote: {{ object.body }}",
            }
        )
        views = self.env["ir.qweb"]
        for label, text, stored in TEXTS:
            with self.row(label):
                stored = text if stored is None else stored
                message, _conversation = self.receive(text)
                rendered = template._render_field("body", message.ids)[message.id]
                self.assertEqual(rendered, f"You wrote: {stored}")
                # Rendering empties the tree.
                node = etree.fromstring('<t><p t-out="message.body"/></t>')
                shown = views._render(node, {"message": message})
                self.assertHarmless(shown, stored)

    def test_contact_name_in_summary(self):
        """Nor is the name of the contact anything else than a name."""
        self.partner.name = "<img src=x onerror=alert(1)> {{ 7*7 }}"
        _message, conversation = self.receive("Hello", NUMBERS[0])
        activity = conversation.answer_activity_id
        self.assertIn("{{ 7*7 }}", activity.summary)
        conversation._escalate()
        self.assertHarmless(
            conversation.overdue_activity_id.note,
            f"{self.owner.name} should have answered by now.",
        )

    def test_sender_is_text(self):
        """A sender that is markup or a formula is no number, and nothing else."""
        for label, sender, stored in [
            ("markup", "<img src=x onerror=alert(1)>", None),
            ("template", "{{ 7*7 }}", None),
            ("formula", "=cmd|' /C calc'!A0", None),
            ("NUL", "A\x00B", "AB"),
            ("lone surrogate", "\ud83d", "\ufffd"),
            ("long", "N" * 500, "N" * 64),
            ("right to left", "\u202e1234", None),
        ]:
            with self.row(label):
                message, conversation = self.receive("Hello", sender)
                stored = sender if stored is None else stored
                self.assertEqual(message.number, stored)
                self.assertFalse(message.partner_id)
                self.assertEqual(conversation.number, stored)
                self.assertFalse(conversation.can_answer)

    def test_cells(self):
        """Which values of cells get an apostrophe: rows."""
        for value, guarded in [
            ("=1", True),
            (" =1", True),
            ("\n=1", True),
            ("\t@x", True),
            ("@x", True),
            ("\uff1d1", True),
            ("\uff20x", True),
            ("\uff0b1", True),
            ("\uff0d1", True),
            ("\n+1", True),
            (" -1", True),
            ("{=1}", True),
            ("http://x", True),
            ("HTTPS://x", True),
            ("ftp://x", True),
            ("mailto:x", True),
            ("external:x", True),
            ("internal:x", True),
            ("Hello = 1", False),
            ("see https://x", False),
            # Odoo's CSV guards these; in XLSX they are text.
            ("+12025550100", False),
            ("-1", False),
            ("'=1", False),
            ("", False),
        ]:
            with self.subTest(value):
                self.assertEqual(guard_cell(value), f"'{value}" if guarded else value)
        for value in (False, None, 0, 1.5, b"=1"):
            with self.subTest(value):
                self.assertIs(guard_cell(value), value)


@tagged("post_install", "-at_install")
class TestInboundExport(SafetyMixin, HttpCase):
    """The web client's own doors for exports."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gateway.responsible_user_id = cls.env.ref("base.user_admin")

    def setUp(self):
        super().setUp()
        self.authenticate("admin", "admin")

    def export(self, kind, model, ids, names, **params):
        """Export records as the web client does; return the bytes."""
        data = {
            "model": model,
            "fields": [
                {"name": name, "label": name, "type": "char", "store": True}
                for name in names
            ],
            "ids": ids,
            "domain": [],
            "import_compat": False,
            **params,
        }
        answer = self.url_open(
            f"/web/export/{kind}",
            data={
                "data": json.dumps(data),
                "csrf_token": http.Request.csrf_token(self),
            },
        )
        self.assertEqual(answer.status_code, 200, answer.text[:500])
        return answer.content

    def read_xlsx(self, content):
        """Return the sheet, the texts and the links of a workbook."""
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            names = book.namelist()
            sheet = etree.fromstring(book.read("xl/worksheets/sheet1.xml"))
            shared = etree.fromstring(book.read("xl/sharedStrings.xml"))
        space = {"x": sheet.nsmap[None]}
        texts = [
            "".join(node.itertext())
            for node in shared.findall("x:si", namespaces=space)
        ]
        return sheet, texts, names, space

    def receive_all(self):
        """Let all texts come in, each from a number of its own."""
        return [
            self.receive(text, f"+1202555{2000 + n}", key=f"E{n}")
            for n, (_label, text, _stored) in enumerate(TEXTS)
        ]

    def test_exports(self):
        """No cell of an export begins like a formula, and each text is in it."""
        received = self.receive_all()
        rows = [
            (
                "sms.gateway.message",
                [message.id for message, _c in received],
                ["body", "sender", "contact_reason"],
                {},
            ),
            (
                "sms.conversation",
                [conversation.id for _m, conversation in received],
                ["last_body", "display_name"],
                {},
            ),
            (
                "sms.conversation",
                [conversation.id for _m, conversation in received],
                ["unanswered_message_id/body", "last_body"],
                {},
            ),
        ]
        for model, ids, names, params in rows:
            with self.subTest(f"{model} {names}"):
                content = self.export("csv", model, ids, names, **params).decode()
                lines = list(csv.reader(io.StringIO(content, newline="")))
                self.assertEqual(len(lines), len(TEXTS) + 1)
                for cell in itertools.chain.from_iterable(lines[1:]):
                    self.assertNotRegex(cell, r"^\s*[=+\-@\uff1d\uff20\uff0b\uff0d]")
                    self.assertNotIn("\x00", cell)
                sheet, texts, files, space = self.read_xlsx(
                    self.export("xlsx", model, ids, names, **params)
                )
                self.assertFalse(sheet.findall(".//x:f", namespaces=space))
                self.assertFalse(sheet.findall(".//x:hyperlink", namespaces=space))
                self.assertFalse([name for name in files if "external" in name.lower()])
                if "body" in names:
                    # The library writes what is no character in XML by its number.
                    shown = {text.replace("_xFFFF_", "\uffff") for text in texts}
                    lost = [
                        label
                        for (label, _text, _stored), (message, _c) in zip(
                            TEXTS, received, strict=True
                        )
                        if message.body and guard_cell(message.body) not in shown
                    ]
                    self.assertFalse(lost)

    def test_grouped_export(self):
        """The titles of groups are cells as well."""
        received = self.receive_all()
        ids = [message.id for message, _conversation in received]
        conversations = [conversation.id for _m, conversation in received]
        for model, records, groupby in [
            ("sms.gateway.message", ids, "body"),
            ("sms.conversation", conversations, "last_body"),
        ]:
            with self.subTest(f"{model} by {groupby}"):
                content = self.export(
                    "xlsx",
                    model,
                    records,
                    [groupby, "number"],
                    groupby=[groupby],
                )
                sheet, _texts, _files, space = self.read_xlsx(content)
                self.assertFalse(sheet.findall(".//x:f", namespaces=space))
                self.assertFalse(sheet.findall(".//x:hyperlink", namespaces=space))

    def test_grouped_list_is_as_ever(self):
        """Only exports are guarded: lists show what was texted."""
        message, conversation = self.receive("=1+1")
        groups = self.env["sms.conversation"].formatted_read_group(
            [("id", "=", conversation.id)], ["last_body"], ["__count"]
        )
        self.assertEqual(groups[0]["last_body"], message.body)
