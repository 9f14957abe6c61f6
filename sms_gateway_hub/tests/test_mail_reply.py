# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What a person wrote in an answer by e-mail."""

import time
from email import message_from_bytes, message_from_string, policy

from odoo.tests import BaseCase, tagged

from ..tools import mail_reply

SIGNATURE = "<div>Grace Hopper</div><div>Navy Supplies Ltd.</div>"
QUOTED = "> ##--- Write your answer above this line ---##\n> Can you call me?"
PLAIN_QUOTE = "##--- Write your answer above this line ---##\nCan you call me?"

# Lines of a plain part, and what is left of them.
LINES = [
    # -- Quotes ------------------------------------------------------------
    ("nothing to cut", "Yes.\n\nAt five.", "Yes.\n\nAt five."),
    ("quoted lines", f"Yes.\n\n{QUOTED}", "Yes."),
    ("the marker alone", f"Yes.\n{PLAIN_QUOTE}", "Yes."),
    ("the marker within a line", "Yes.\n| ##--- Ecrivez ---## |\nmore", "Yes."),
    (
        "on … wrote",
        f"Yes.\n\nOn Sat, Nov 21, 2026, Ada <a@example.com> wrote:\n{QUOTED}",
        "Yes.",
    ),
    (
        "on … wrote over two lines",
        f"Yes.\n\nOn Sat, Nov 21, 2026, Ada\n<a@example.com> wrote:\n{QUOTED}",
        "Yes.",
    ),
    (
        "on … wrote over three lines",
        f"Yes.\n\nOn Sat, Nov 21\n2026, Ada\n<a@example.com> wrote:\n{QUOTED}",
        "Yes.",
    ),
    (
        "on … wrote, quote without signs",
        f"Yes.\n\nOn Sat, Nov 21, 2026, Ada wrote:\n\n{PLAIN_QUOTE}",
        "Yes.",
    ),
    (
        "on … wrote, nothing quoted",
        "Yes.\n\nOn Sat, Nov 21, 2026, Ada <a@example.com> wrote:",
        "Yes.",
    ),
    (
        "the author's own words",
        "On Monday she wrote:\nI come.\nSo I wait.",
        "On Monday she wrote:\nI come.\nSo I wait.",
    ),
    ("German", f"Ja.\n\nAm 21.11.26 um 10:12 schrieb A B:\n{QUOTED}", "Ja."),
    (
        "German, name first",
        f"Ja.\n\nA B <a@example.com> schrieb am Sa., 21. Nov.\n2026, 10:12:\n{QUOTED}",
        "Ja.",
    ),
    (
        "French",
        f"Oui.\n\nLe 21 nov. 2026 à 10:12, A <a@example.com> a\nécrit\xa0:\n{QUOTED}",
        "Oui.",
    ),
    (
        "Spanish",
        f"Sí.\n\nEl 21 nov 2026 a las 10:12, A (<a@example.com>)\nescribió:\n{QUOTED}",
        "Sí.",
    ),
    ("Italian", f"Sì.\n\nIl giorno 21 nov 2026 A B ha scritto:\n{QUOTED}", "Sì."),
    ("Portuguese", f"Sim.\n\nEm 21/11/2026 10:12, A B escreveu:\n{QUOTED}", "Sim."),
    ("Dutch", f"Ja.\n\nOp za 21 nov 2026 schreef A B:\n{QUOTED}", "Ja."),
    ("Swedish", f"Ja.\n\nDen lör 21 nov. 2026 skrev A B:\n{QUOTED}", "Ja."),
    (
        "a language that is not known",
        f"Igen.\n\nA B <a@example.com> ezt írta (2026. nov. 21., 10:12):\n{QUOTED}",
        "Igen.",
    ),
    ("a question before the quote", f"Which one:\n\n{QUOTED}", "Which one:"),
    ("original message", "Yes.\n\n-----Original Message-----\nFrom: A\nHi", "Yes."),
    (
        "original message, German",
        "Ja.\n\n-----Ursprüngliche Nachricht-----\nVon: A\nHi",
        "Ja.",
    ),
    ("original message, French", "Oui.\n-----Message d'origine-----\nHi", "Oui."),
    ("original message, Spanish", "Sí.\n-----Mensaje original-----\nHi", "Sí."),
    ("a ruler", "Yes.\n________________________________\nFrom: A", "Yes."),
    ("header", "Yes.\n\nFrom: A\nSent: today\nTo: B\nSubject: C\n\nHi", "Yes."),
    ("header, bold", "Yes.\n\n*From:* A\n*Sent:* today\n*To:* B\n\nHi", "Yes."),
    ("header, German", "Ja.\n\nVon: A\nGesendet: jetzt\nAn: B\nBetreff: C", "Ja."),
    ("header, French", "Oui.\n\nDe : A\nEnvoyé : hier\nÀ : B\nObjet : C", "Oui."),
    ("header, Spanish", "Sí.\n\nDe: A\nEnviado el: hoy\nPara: B\nAsunto: C", "Sí."),
    (
        "the author's own list",
        "From: Rome\nback on Friday",
        "From: Rome\nback on Friday",
    ),
    # -- Below and between quotes --------------------------------------------
    ("below", f"On 21 Nov, A wrote:\n{QUOTED}\n\nYes.", "Yes."),
    ("below without introduction", f"{QUOTED}\n\nYes.", "Yes."),
    ("between", "> Five?\n\nYes.\n\n> And six?\n\nNo.", "Yes.\n\nNo."),
    ("above wins", f"See below.\n\n{QUOTED}\n\nScanned for viruses.", "See below."),
    ("below, with signature", f"{QUOTED}\n\nYes.\n\n-- \nGrace", "Yes."),
    ("nothing at all", f"\n\n{QUOTED}\n", ""),
    (
        "nothing, quote without signs",
        f"On 1/1/26, a@b.example wrote:\n{PLAIN_QUOTE}",
        "",
    ),
    # -- Signatures ------------------------------------------------------------
    ("delimiter", "Yes.\n\n-- \nGrace\nNavy", "Yes."),
    ("delimiter without space", "Yes.\n--\nGrace", "Yes."),
    ("a dash is none", "Yes.\n- one\n-- two", "Yes.\n- one\n-- two"),
    ("known", "Yes.\n\nGrace Hopper\nNavy  Supplies Ltd.\n", "Yes."),
    ("known, directly below", "Yes.\nGrace Hopper\nNavy Supplies Ltd.", "Yes."),
    ("name in a sentence", "Ask Grace Hopper", "Ask Grace Hopper"),
    ("iPhone", "Yes.\n\nSent from my iPhone", "Yes."),
    ("iPhone, German", "Ja.\n\nVon meinem iPhone gesendet", "Ja."),
    ("iPhone, French", "Oui.\n\nEnvoyé de mon iPhone", "Oui."),
    ("iPad, Spanish", "Sí.\n\nEnviado desde mi iPad", "Sí."),
    ("Android", "Yes.\nGet Outlook for Android<https://aka.ms/x>", "Yes."),
    (
        "Outlook, German",
        "Ja.\n\nHolen Sie sich Outlook für iOS<https://aka.ms/x>",
        "Ja.",
    ),
    ("Outlook, French", "Oui.\n\nTéléchargez Outlook pour Android", "Oui."),
    ("Outlook, Spanish", "Sí.\n\nObtener Outlook para Android", "Sí."),
    ("Samsung", "Yes.\n\nSent from my Samsung Galaxy smartphone.", "Yes."),
    ("Yahoo", "Yes.\n\nSent from Yahoo Mail for iPhone", "Yes."),
    ("Proton", "Yes.\n\nSent with Proton Mail secure email.", "Yes."),
    ("Windows", "Yes.\n\nSent from Mail for Windows", "Yes."),
    ("brevity", "Yes.\n\nSent from my phone. Please excuse my brevity.", "Yes."),
    ("sent from elsewhere", "It was sent from Rome.", "It was sent from Rome."),
    # -- Disclaimers -------------------------------------------------------------
    (
        "confidential",
        "Yes.\n\nThis e-mail is confidential and\nmay be privileged.\n\nACME Ltd.",
        "Yes.",
    ),
    ("notice", "Yes.\n\nCONFIDENTIALITY NOTICE: do not read.", "Yes."),
    ("disclaimer", "Yes.\n\n*Disclaimer*\nNo liability.", "Yes."),
    ("trees", "Yes.\n\nPlease consider the environment before printing.", "Yes."),
    ("German", "Ja.\n\nDiese E-Mail enthält vertrauliche Informationen.", "Ja."),
    ("French", "Oui.\n\nCe message est confidentiel.", "Oui."),
    ("Spanish", "Sí.\n\nEste mensaje es confidencial.", "Sí."),
    ("disclaimer alone", f"This message is confidential.\n\n{QUOTED}", ""),
    (
        "the author's own words",
        "This message is for Ann.\n\nKeep it confidential.",
        "This message is for Ann.\n\nKeep it confidential.",
    ),
    # -- Characters ----------------------------------------------------------------
    ("no-break spaces", "Yes,\xa0at\u202f5.", "Yes, at 5."),
    ("zero width", "\ufeffYe\u200bs\u00ad.", "Yes."),
    ("smart quotes", "“Yes” – it’s…", "“Yes” – it’s…"),
    ("emojis", "👍🏽 👩‍👩‍👧 ❤️", "👍🏽 👩‍👩‍👧 ❤️"),
    ("right to left", "كم الساعة؟\nשלום", "كم الساعة؟\nשלום"),
    ("line ends", "a\r\nb\rc", "a\nb\nc"),
    ("blank lines", "a\n\n\n\n\nb\n\n", "a\n\nb"),
    ("link", "See here<https://example.com/a>.", "See here (https://example.com/a)."),
    ("link that is its text", "example.com<https://example.com/>", "example.com"),
    ("link alone", "<https://example.com/a>", "https://example.com/a"),
    ("address", "Ask a@example.com<mailto:a@example.com>", "Ask a@example.com"),
    ("nothing", "", ""),
]

# HTML, and what is left of it.
HTMLS = [
    ("blocks", "<div>a</div><div><br></div><div>b</div>", "a\n\nb"),
    ("breaks", "a<br>b<br/>\n<br>c", "a\nb\n\nc"),
    ("paragraphs", "<p>a</p><p>b</p>", "a\n\nb"),
    (
        "paragraphs of Outlook",
        '<p class="MsoNormal">a</p><p class="MsoNormal">b',
        "a\nb",
    ),
    ("spaces", "<div> a\n   <b>b</b>&nbsp;c </div>", "a b c"),
    ("list", "a<ul><li>b</li><li>c</li></ul>d", "a\n- b\n- c\nd"),
    ("numbers", "<ol><li>b</li><li><p>c</p></li></ol>", "1. b\n2. c"),
    (
        "table",
        "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>",
        "a b\nc",
    ),
    ("link", '<a href="https://example.com/x">x</a>!', "x (https://example.com/x)!"),
    ("its own text", '<a href="https://example.com/">example.com</a>', "example.com"),
    ("address", '<a href="mailto:a@example.com">a@example.com</a>', "a@example.com"),
    ("script", "a<script>b</script><style>c</style><!-- d -->e", "ae"),
    ("hidden", '<div style="display:none">a</div>b', "b"),
    ("preformatted", "<pre>a\n  b</pre>", "a\nb"),
    ("emoji as picture", 'a <img alt="😀" src="x">', "a 😀"),
    ("picture", 'a <img alt="logo" src="x">', "a"),
    ("entities", "&lt;b&gt; &amp; &#8220;c&#8221;", "<b> & “c”"),
    ("indented is not quoted", "<blockquote style='margin:0'>a</blockquote>", "a"),
    ("Apple", '<div>a</div><blockquote type="cite">b</blockquote>', "a"),
    ("Gmail", 'a<div class="gmail_quote">On 1/1/26 b wrote:<br>b</div>', "a"),
    (
        "Gmail, below",
        '<div class="gmail_quote"><div class="gmail_attr">On 1/1/26 b wrote:</div>'
        '<blockquote class="gmail_quote">b</blockquote><div>a</div></div>',
        "a",
    ),
    ("Yahoo", 'a<div id="yahoo_quoted_1" class="yahoo_quoted">b</div>', "a"),
    (
        "Thunderbird",
        'a<div class="moz-cite-prefix">On 1/1/26 b wrote</div><blockquote type="cite">',
        "a",
    ),
    ("Outlook on the web", 'a<hr><div id="divRplyFwdMsg">b</div>c', "a"),
    (
        "Outlook",
        'a<div style="border:none;border-top:solid #E1E1E1 1.0pt">From: b</div>c',
        "a",
    ),
    ("signature of Gmail", 'a<div class="gmail_signature">b</div>', "a"),
    ("signature of Outlook", 'a<div id="Signature">b</div>', "a"),
    (
        "declared",
        '<?xml version="1.0" encoding="utf-8"?><html><body>a</body></html>',
        "a",
    ),
    ("broken", "<div><b>a<i></div><td>b", "a\nb"),
    ("empty", "<html><body></body></html>", ""),
    ("nothing", "  ", ""),
]

# Headers, and whether a program wrote the e-mail.
AUTOMATIC = [
    ("person", "From: a@example.com\nSubject: Re: SMS", False),
    ("person says so", "Auto-Submitted: no", False),
    ("vacation", "Auto-Submitted: auto-replied", True),
    (
        "with a parameter",
        'Auto-Submitted: auto-generated; owner-email="a@b.example"',
        True,
    ),
    ("cPanel", "X-Autorespond: yes", True),
    ("old", "X-Autoreply: yes", True),
    ("bulk", "Precedence: bulk", True),
    ("auto reply", "Precedence: auto_reply", True),
    ("no return", "Return-Path: <>", True),
    ("return", "Return-Path: <a@example.com>", False),
    ("report", "Content-Type: multipart/report; boundary=x", True),
    ("Exchange", "Subject: Automatic reply: SMS from Ada", True),
    ("German", "Subject: =?utf-8?q?Automatische_Antwort=3A_SMS?=", True),
]

# Encodings of the same two lines: header of the part and bytes.
TEXT = "“Grüße” – 20 €\nJa."
ENCODINGS = [
    ("utf-8", b"charset=utf-8", TEXT.encode()),
    ("no charset", b"x=y", TEXT.encode()),
    ("wrong charset", b"charset=us-ascii", TEXT.encode()),
    ("windows-1252", b"charset=windows-1252", TEXT.encode("cp1252")),
    ("windows-1252 as latin-1", b"charset=iso-8859-1", TEXT.encode("cp1252")),
    ("unknown charset", b"charset=x-nothing", TEXT.encode("cp1252")),
]


@tagged("post_install", "-at_install")
class TestMailReply(BaseCase):
    """Rows: what comes in, and the text that goes out."""

    def test_lines_are_cut(self):
        """Quotes, signatures and disclaimers of plain parts go, the text stays."""
        for label, lines, expected in LINES:
            with self.subTest(label):
                found = mail_reply.cut_reply(lines, signature=SIGNATURE)
                self.assertEqual(found, expected, label)

    def test_html_is_cut(self):
        """HTML becomes lines, what mail programs mark as quote or signature goes."""
        for label, html, expected in HTMLS:
            with self.subTest(label):
                found = mail_reply.cut_reply(mail_reply.html_to_text(html))
                self.assertEqual(found, expected, label)

    def test_a_name_may_end_a_text(self):
        """A signature that is a name is cut when it stands alone, not below words."""
        for lines, expected in (
            ("Thanks\nGrace", "Thanks\nGrace"),
            ("Thanks\n\nGrace", "Thanks"),
        ):
            found = mail_reply.cut_reply(lines, signature="<p>-- <br/>Grace</p>")
            self.assertEqual(found, expected)

    def test_programs_are_known(self):
        """E-mails of programs are told from those of people, by their headers."""
        for label, headers, expected in AUTOMATIC:
            with self.subTest(label):
                mail = message_from_string(headers + "\n\nBody", policy=policy.SMTP)
                self.assertEqual(mail_reply.is_automatic(mail), expected, label)

    def test_encodings(self):
        """Each charset is read, also where its label is wrong."""
        for label, charset, data in ENCODINGS:
            with self.subTest(label):
                raw = b"Content-Type: text/plain; " + charset + b"\n\n" + data
                mail = message_from_bytes(raw, policy=policy.SMTP)
                self.assertEqual(mail_reply.read_reply(mail).text, TEXT, label)

    def test_flowed(self):
        """Lines that were broken for transport are joined, own line ends stay."""
        for params, body, expected in (
            ("", "one \ntwo\nthree", "one two\nthree"),
            ("; delsp=yes", "one \ntwo", "onetwo"),
            ("", " >stuffed", ""),
            ("", " From here", "From here"),
            ("", "one \n\ntwo \n> quoted \n> more", "one\n\ntwo"),
            ("", "one\n-- \nGrace", "one"),
        ):
            with self.subTest(body):
                mail = message_from_string(
                    f"Content-Type: text/plain; format=flowed{params}\n\n{body}",
                    policy=policy.SMTP,
                )
                self.assertEqual(mail_reply.read_reply(mail).text, expected)

    def test_hostile_input_takes_no_time(self):
        """Long lines and deep nesting neither fail nor take long."""
        rows = (
            "x" * 200_000,
            "On " * 70_000,
            "-" * 200_000,
            "_ " * 100_000,
            ":" * 100_000,
            "<" * 200_000,
            "<body" * 40_000,
            "a<https://" * 20_000,
            "<a href='https://x'>" * 20_000,
            "This e-mail " * 20_000,
            "This e-mail\n\n" * 20_000,
            "From: a\n" * 30_000,
            "On 1/1 he wrote:\n" * 15_000,
            "2026 10:12 " * 20_000 + ":",
            "> \n\n" * 50_000,
            "sent from my " * 20_000,
        )
        for row in rows:
            with self.subTest(row[:20]):
                begun = time.thread_time()
                mail_reply.cut_reply(row, signature=SIGNATURE)
                mail_reply.cut_reply(mail_reply.html_to_text(row))
                self.assertLess(time.thread_time() - begun, 5)
        mail_reply.html_to_text("<div>" * 5_000 + "a")
