# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Find what a person wrote in the answer to an e-mail: no quotes, no signature.

What is above the quoted e-mail counts. Only where nothing is there, what is written
below or between its quoted lines does. The plain part of an e-mail is read if there is
one, else the HTML part, whose quotes become lines that begin with ``>``: so the same
rules cut both.

Pure Python with lxml, without ``odoo``.
"""

import re
from dataclasses import dataclass

from lxml import etree
from lxml import html as lxml_html

# Around the line at the top of our e-mails under which everything is cut. Plain ASCII,
# so that it survives each charset, and nothing that a person types.
MARKER_START, MARKER_END = "##---", "---##"

_CUT = "\x00"
_MAX_DEPTH = 20
_MAX_CHARS = 500_000

_CHARSETS = {
    # Labelled so, but written by programs that mean more.
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "unknown-8bit": "utf-8",
}
_SIGNATURE_TYPES = frozenset(
    {
        "application/pgp-signature",
        "application/pgp-keys",
        "application/pkcs7-signature",
        "application/x-pkcs7-signature",
    }
)
# Characters that nobody sees. Joiners stay: emojis and some scripts need them.
_INVISIBLE = re.compile("[\u00ad\u180e\u200b\u2060\ufeff\u034f]")
_SPACES = re.compile("[\u00a0\u2002-\u200a\u202f\u205f\u3000]")
_LINK = re.compile(
    r"(?P<text>[^\s<>()]*)(?P<gap>\s?)<(?P<url>(?:https?|mailto):[^\s<>]+)>"
)

# --------------------------------------------------------------------------
# Where the quoted e-mail begins
# --------------------------------------------------------------------------

# “On <date>, <name> wrote:” in the languages of common mail programs.
_ATTRIBUTION = re.compile(
    r"""
      On\b.{6,300}\bwrote\s?:
    | Am\b.{6,300}\bschrieb\b.{0,200}:
    | .{2,200}\bschrieb\ am\b.{6,200}:
    | Le\b.{6,300}\ba\ écrit\s?:
    | El\b.{6,300}\bescribió\s?:
    | Il\b.{6,300}\bha\ scritto\s?:
    | Em\b.{6,300}\bescreveu\s?:
    | Op\b.{6,300}\bschreef\b.{0,200}:
    | (?:Den|På)\b.{6,300}\bskrev\b.{0,200}:
    | (?:W\ dniu|Dnia)\b.{6,300}\b(?:napisał|pisze)\S*\s?:
    | .{2,300}\b(?:wrote|a\ écrit|escribió|ha\ scritto|escreveu|skrev)\s?:
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Any language: a date and a time, or an address, and a colon at the end.
_LIKE_ATTRIBUTION = re.compile(
    r"(?=.*(?:\b[12][0-9]{3}\b.*[0-9]{1,2}[:.h][0-9]{2}|[^\s<]@[^\s>])).{10,400}[:：]"
)
_SEPARATOR = re.compile(
    r"""
      [-_]{2,}\s*(?:
          original\ (?:message|appointment)|forwarded\ message|reply\ message
        | ursprüngliche\ nachricht|originalnachricht|weitergeleitete\ nachricht
        | message\ d['’]origine|message\ original|message\ transféré
        | mensaje\ original|mensaje\ reenviado
        | messaggio\ originale|mensagem\ original
        | oorspronkelijk\ bericht|ursprungligt\ meddelande|opprinnelig\ melding
        | oprindelig\ (?:meddelelse|besked)|oryginalna\ wiadomość
      )\s*[-_]{2,}
    | _{20,}
    | -{20,}
    """,
    re.VERBOSE | re.IGNORECASE,
)
_HEADER_FROM = re.compile(
    r"\*?(?:From|Von|De|Da|Van|Från|Fra|Od|От|差出人|发件人)\s?[:：]\*?\s*\S.*",
    re.IGNORECASE,
)
_HEADER_OTHER = re.compile(
    r"""\*?(?:
      Sent|Date|To|Cc|Subject|Reply-To
    | Gesendet|Datum|An|Betreff
    | Envoyé(?:\ le)?|À|Objet
    | Enviado(?:\ el|\ em)?|Fecha|Para|Asunto|Assunto
    | Inviato|Data|A|Oggetto
    | Verzonden|Aan|Onderwerp
    | Skickat|Till|Ämne|Sendt|Dato|Til|Emne
    | Wysłano|Do|Temat|Отправлено|Дата|Кому|Тема
    )\s?[:：]\*?(?:\s.*)?""",
    re.VERBOSE | re.IGNORECASE,
)

# --------------------------------------------------------------------------
# What programs and companies add below
# --------------------------------------------------------------------------

_DEVICE = (
    r"(?:iphone|ipad|android|samsung|galaxy|huawei|xiaomi|pixel|nokia|motorola|sony|"
    r"oneplus|blackberry|windows|mac|outlook|yahoo|gmail|proton|tutanota|aol|gmx|"
    r"web\.de|k-9|fairemail|thunderbird|mobile|móvil|mobil\w*|mail|phone|smartphone|"
    r"handy|tablet|téléphone|teléfono|telefoon|telefono)"
)
_FOOTER = re.compile(
    rf"""
      sent\ (?:from|with|via|by|using)\b.{{0,60}}\b{_DEVICE}\b.{{0,60}}
    | get\ outlook\ for\b.{{0,60}}
    | (?:von|gesendet\ von|gesendet\ mit)\b.{{0,60}}\b{_DEVICE}\b.{{0,60}}
      (?:gesendet|verschickt)?\.?
    | diese\ nachricht\ wurde\ von\b.{{0,80}}\bgesendet\.?
    | holen\ sie\ sich\ outlook\ für\b.{{0,60}}
    | outlook\ für\ \w+\ (?:beziehen|herunterladen|abrufen)\b.{{0,60}}
    | envoyé\ (?:de(?:puis)?|à\ partir\ de|avec)\b.{{0,60}}\b{_DEVICE}\b.{{0,60}}
    | (?:télécharge[rz]|obtenir|obtenez)\ outlook\ pour\b.{{0,60}}
    | enviado\ (?:desde|de|do|con)\b.{{0,60}}\b{_DEVICE}\b.{{0,60}}
    | (?:obtener|obtén|obter)\ (?:o\ )?outlook\ pa?ra\b.{{0,60}}
    | inviato\ da\b.{{0,60}}\b{_DEVICE}\b.{{0,60}}
    | verzonden\ (?:vanaf|met|vanuit)\b.{{0,60}}\b{_DEVICE}\b.{{0,60}}
    | (?:skickat|sendt)\ (?:från|fra)\b.{{0,60}}\b{_DEVICE}\b.{{0,60}}
    | (?:please\ )?excuse\ (?:my\ )?(?:brevity|typos|any\ typos).{{0,60}}
    """,
    re.VERBOSE | re.IGNORECASE,
)
_DISCLAIMER = re.compile(
    r"""
      \W{0,3}(?:confidentiality|privacy|legal)\ (?:notice|note|disclaimer|statement)\b
    | \W{0,3}disclaimer\b
    | \W{0,3}confidential(?:ity)?\s?:
    | \W{0,3}(?:p\ |please\ )?(?:please\ )?consider\ the\ environment\b
    | \W{0,3}(?:hinweis\ zur\ )?vertraulichkeits?(?:hinweis)?\b
    | \W{0,3}avis\ de\ confidentialité\b
    | \W{0,3}aviso\ (?:de\ confidencialidad|legal)\b
    | (?=.*(?:confidential|privileged|intended\ recipient|intended\ (?:only|solely)
            |vertraulich|confidentiel|confidencial|riservat|vertrouwelijk))
      .{0,30}\b(?:
          this\ (?:e-?mail|message|communication|transmission)
        | the\ (?:information|content|contents)\b.{0,30}\b(?:e-?mail|message)
        | the\ information\ contained
        | diese\ (?:e-?mail|nachricht) | der\ inhalt\ dieser\ (?:e-?mail|nachricht)
        | ce\ (?:message|courriel|mail) | cet\ e-?mail
        | este\ (?:mensaje|correo) | esta\ mensagem
        | questo\ messaggio | dit\ (?:bericht|e-?mail\S*)
      )\b
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)

_AUTOMATIC_SUBJECT = re.compile(
    r"\s*(?:automatic reply|auto[- ]?reply|autoreply|out of (?:the )?office|"
    r"automatische antwort|abwesenheitsnotiz|réponse automatique|absence du bureau|"
    r"respuesta automática|fuera de la oficina|risposta automatica|"
    r"automatisch antwoord|resposta automática)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class MailReply:
    """What an e-mail says.

    :param str text: what its author wrote, possibly nothing
    :param bool has_attachments: it carries files, or nothing but pictures
    """

    text: str
    has_attachments: bool


def read_reply(message, *, signature=""):
    """Return what the author of an e-mail wrote.

    :param email.message.Message message: the e-mail, of any policy
    :param str signature: HTML of the author's known signature
    :return: MailReply
    """
    pieces, attached, embedded = _find_texts(message, 0)
    texts = [_read_piece(plain, html, signature) for plain, html in pieces]
    text = "\n".join(text for text in texts if text)
    return MailReply(text, attached or embedded and not text)


def is_automatic(message):
    """Say whether a program wrote an e-mail: a vacation note, a bounce, a mailing.

    Such e-mails are never answered (RFC 3834, 2).

    :param email.message.Message message: the e-mail
    """
    submitted = _get_header(message, "Auto-Submitted").split(";")[0].lower()
    if submitted.strip() not in ("", "no"):
        return True
    if any(
        message.get(name) is not None
        for name in (
            "X-Autoreply",
            "X-Autorespond",
            "X-Autoresponder",
            "X-Autogenerated",
            "X-Failed-Recipients",
        )
    ):
        return True
    if _get_header(message, "Precedence").lower() in (
        "bulk",
        "junk",
        "list",
        "auto_reply",
        "auto-reply",
    ):
        return True
    return_path = message.get("Return-Path")
    if return_path is not None and str(return_path).strip() in ("", "<>"):
        return True
    if message.get_content_type() == "multipart/report":
        return True
    return bool(_AUTOMATIC_SUBJECT.match(_get_header(message, "Subject")))


def _get_header(message, name):
    return str(message.get(name) or "").strip()


# --------------------------------------------------------------------------
# The parts of an e-mail
# --------------------------------------------------------------------------


def _find_texts(part, depth):
    """Return the texts of an e-mail's part, in order.

    :return: list of pairs (plain, HTML), each a str or None; whether it has files;
        whether it has pictures that its HTML shows
    """
    kind = part.get_content_type()
    if part.is_multipart() and kind.startswith("multipart/") and depth < _MAX_DEPTH:
        children = [child for child in part.get_payload() if hasattr(child, "walk")]
        if kind == "multipart/signed":
            children = children[:1]
        found = [_find_texts(child, depth + 1) for child in children]
        attached = any(files for _pieces, files, _pictures in found)
        embedded = any(pictures for _pieces, _files, pictures in found)
        if kind == "multipart/related":
            others = found[1:]
            attached = any(files for _pieces, files, _pictures in found[:1]) or any(
                files and not child.get("Content-ID")
                for child, (_pieces, files, _pictures) in zip(
                    children[1:], others, strict=True
                )
            )
            embedded = embedded or bool(others)
            return (found[0][0] if found else []), attached, embedded
        if kind == "multipart/alternative":
            return _merge_alternatives(found), attached, embedded
        return (
            [piece for pieces, *_rest in found for piece in pieces],
            attached,
            embedded,
        )
    if kind in _SIGNATURE_TYPES:
        return [], False, False
    is_text = kind in ("text/plain", "text/html")
    disposition = _get_header(part, "Content-Disposition").split(";")[0].strip().lower()
    if not is_text or disposition == "attachment" or part.get_filename():
        return [], True, False
    text = _decode(part)
    if kind == "text/html":
        return [(None, text)], False, False
    if str(part.get_param("format", "")).lower() == "flowed":
        text = _unflow(text, str(part.get_param("delsp", "")).lower() == "yes")
    return [(text, None)], False, False


def _merge_alternatives(found):
    """Return the pieces of alternatives: plain and HTML of the same text as one."""
    pieces = [piece for pieces, *_rest in found for piece in pieces]
    plain = [text for text, _html in pieces if text and text.strip()]
    htmls = [html for _text, html in pieces if html and html.strip()]
    if not plain and not htmls:
        return []
    return [("\n".join(plain) or None, "\n".join(htmls) or None)]


def _decode(part):
    """Return the text of a part, whatever its transfer encoding and charset."""
    data = part.get_payload(decode=True) or b""
    charset = str(part.get_content_charset() or "utf-8").lower()
    for name in (_CHARSETS.get(charset, charset), "cp1252"):
        try:
            return data[:_MAX_CHARS].decode(name).replace("\r\n", "\n")
        except (LookupError, UnicodeDecodeError):
            continue
    return data[:_MAX_CHARS].decode("latin-1").replace("\r\n", "\n")


def _unflow(text, delete_space):
    """Join the lines that a mail program broke for transport (RFC 3676)."""
    lines = []
    joining, depth_before = False, 0
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        flowed = content.endswith(" ") and content != "-- "
        if flowed and delete_space:
            content = content[:-1]
        if joining and depth == depth_before and content != "-- ":
            lines[-1] += content
        else:
            lines.append(">" * depth + (" " if depth else "") + content)
        joining, depth_before = flowed, depth
    return "\n".join(lines)


def _read_piece(plain, html, signature):
    """Return what was written in one text of an e-mail."""
    if plain is None:
        return cut_reply(html_to_text(html), signature=signature)
    text = cut_reply(plain, signature=signature)
    if html:
        # Plain parts break long lines anywhere: the HTML knows the author's own ones.
        written = cut_reply(html_to_text(html), signature=signature)
        if written.split() == text.split():
            return written
    return text


# --------------------------------------------------------------------------
# HTML
# --------------------------------------------------------------------------

_SKIP_TAGS = frozenset({"head", "style", "script", "title", "template", "object"})
_BLOCKS = frozenset(
    "address article aside blockquote body center dd div dl dt fieldset figure footer "
    "form h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section table tbody tfoot "
    "thead tr ul".split()
)
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_NO_MARGIN = re.compile(r"margin(?:-top|-bottom)?\s*:\s*0", re.IGNORECASE)
_QUOTE_CLASS = re.compile(
    r"(?:^|[\s_])(?:gmail_quote|gmail_quote_container|gmail_attr|yahoo_quoted|"
    r"protonmail_quote|tutanota_quote|zmail_extra|moz-cite-prefix|moz-forward-container)"
    r"(?:$|\s)"
)
_QUOTE_ID = re.compile(r"(?:yahoo_quoted|reply-intro|replybody|OLK_SRC_BODY_SECTION)")
_CUT_ID = re.compile(
    r"(?:x_)*(?:divRplyFwdMsg|appendonsend|mail-editor-reference-message-container)"
)
# The line above the header that Outlook puts over the e-mail it answers.
_CUT_STYLE = re.compile(r"border-top\s*:\s*solid\s+#?(?:E1E1E1|B5C4DF)", re.IGNORECASE)
_SIGNATURE_NAME = re.compile("signature", re.IGNORECASE)


def html_to_text(html, *, keep_signatures=False):
    """Return HTML as lines: quotes begin with ``>``, lists with ``-`` or a number.

    :param str html: any HTML, also broken
    :param bool keep_signatures: do not leave out what mail programs mark as signature
    """
    if not (html or "").strip():
        return ""
    html = re.sub(r"^\s*<\?xml[^>]*>", "", html.replace("\x00", ""))
    try:
        root = lxml_html.fromstring(html)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return ""
    _show_links(root)
    writer = _Writer()
    skipped = None
    # An element's tail is text after it: it is never part of what is left out.
    for event, node in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        is_element = isinstance(node.tag, str)
        if skipped is None and is_element:
            if event == "start":
                if _is_skipped(node, keep_signatures):
                    skipped = node
                else:
                    writer.start(node)
            else:
                writer.end(node)
        elif skipped is node and event == "end":
            skipped = None
        if event != "start" and skipped is None and node is not root:
            writer.write(node.tail)
    writer.break_line()
    return "\n".join(writer.lines)


def _is_skipped(node, keep_signatures):
    if node.tag in _SKIP_TAGS or _HIDDEN.search(node.get("style") or ""):
        return True
    if keep_signatures or node.tag == "body":
        return False
    return bool(
        _SIGNATURE_NAME.search(node.get("class") or "")
        or _SIGNATURE_NAME.search(node.get("id") or "")
    )


def _is_quote(node):
    if node.tag == "blockquote" and (node.get("type") or "").lower() == "cite":
        return True
    if not (
        _QUOTE_CLASS.search(node.get("class") or "")
        or _QUOTE_ID.match(node.get("id") or "")
    ):
        return False
    # A wrapper of quotes may hold what was written below them.
    return node.tag == "blockquote" or node.find(".//blockquote") is None


def _show_links(root):
    """Write the address behind each link that does not show it."""
    for link in root.iter("a"):
        url = (link.get("href") or "").strip()
        text = " ".join(link.text_content().split())
        if text and url.lower().startswith(("http://", "https://")):
            if _get_bare_url(text) != _get_bare_url(url):
                shown = etree.SubElement(link, "span")
                shown.text = f" ({url})"


def _get_bare_url(url):
    return re.sub(r"^(?:https?://|mailto:)", "", url.strip().lower()).rstrip("/")


class _Writer:
    """Collects the lines of HTML as it is walked through."""

    def __init__(self):
        self.lines = []
        self.buffer = ""
        self.quotes = []
        self.counters = []
        self.preformatted = 0

    def write(self, text):
        if not text:
            return
        if self.preformatted:
            *ended, rest = text.replace("\r\n", "\n").split("\n")
            for line in ended:
                self.buffer += line
                self.force_line()
            self.buffer += rest
            return
        text = re.sub(r"[ \t\r\n\f]+", " ", text)
        if not self.buffer or self.buffer.endswith(" "):
            text = text.lstrip(" ")
        self.buffer += text

    def force_line(self):
        prefix = "> " if self.quotes else ""
        self.lines.append(prefix + self.buffer.rstrip(" "))
        self.buffer = ""

    def break_line(self):
        if self.buffer:
            self.force_line()

    def break_paragraph(self):
        self.break_line()
        if self.lines and self.lines[-1].strip("> "):
            self.force_line()

    def start(self, node):
        tag = node.tag
        if tag in _BLOCKS:
            if _has_margin(node):
                self.break_paragraph()
            else:
                self.break_line()
        if _CUT_ID.fullmatch(node.get("id") or "") or _CUT_STYLE.search(
            node.get("style") or ""
        ):
            self.break_line()
            self.lines.append(_CUT)
        if _is_quote(node):
            self.break_line()
            self.quotes.append(node)
        if tag == "br":
            self.force_line()
        elif tag in ("ul", "ol"):
            self.counters.append(0 if tag == "ol" else None)
        elif tag == "li":
            self._start_item()
        elif tag in ("td", "th") and self.buffer:
            self.write(" ")
        elif tag == "pre":
            self.preformatted += 1
        elif tag == "img":
            alt = node.get("alt") or ""
            if 0 < len(alt) <= 8 and all(ord(sign) > 0x203B for sign in alt):
                self.write(alt)
        self.write(node.text)

    def _start_item(self):
        if self.counters and self.counters[-1] is not None:
            self.counters[-1] += 1
            self.buffer = f"{self.counters[-1]}. "
        else:
            self.buffer = "- "

    def end(self, node):
        tag = node.tag
        if tag in _BLOCKS:
            if _has_margin(node):
                self.break_paragraph()
            else:
                self.break_line()
        if tag in ("ul", "ol") and self.counters:
            self.counters.pop()
        elif tag == "pre":
            self.preformatted -= 1
        if self.quotes and self.quotes[-1] is node:
            self.break_line()
            self.quotes.pop()


def _has_margin(node):
    return (
        node.tag == "p"
        and "MsoNormal" not in (node.get("class") or "")
        and not _NO_MARGIN.search(node.get("style") or "")
    )


# --------------------------------------------------------------------------
# Lines
# --------------------------------------------------------------------------


def cut_reply(text, *, signature=""):
    """Return what was written, of the lines of an e-mail.

    :param str text: lines, quoted ones begin with ``>``
    :param str signature: HTML of the author's known signature
    """
    lines = [line.rstrip() for line in _normalize(text).split("\n")]
    at, kind = _find_quote(lines)
    top = lines[:at]
    if kind != "end":
        top = _drop_attribution(top)
    known = _get_signature_lines(signature)
    written = _strip_below(top, known)
    if written or kind not in ("quote", "attribution"):
        return _tidy(written)
    # Nothing above: written below, or between the quoted lines.
    rest = lines[at:]
    first = next((n for n, line in enumerate(rest) if _is_quoted(line)), None)
    if first is None:
        return ""
    below = [line for line in rest[first:] if not _is_quoted(line)]
    at, _kind = _find_quote(below)
    return _tidy(_strip_below(below[:at], known))


def _normalize(text):
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n")
    text = _SPACES.sub(" ", _INVISIBLE.sub("", text))
    return text.replace("\t", " ")


def _is_quoted(line):
    return line.lstrip(" ").startswith(">")


def _find_quote(lines):
    """Return where the quoted e-mail begins, and how.

    :return: (index, "quote", "attribution", "cut" or "end")
    """
    for n, line in enumerate(lines):
        text = line.strip()
        if _is_quoted(line):
            return n, "quote"
        if line == _CUT or MARKER_START in line:
            return n, "cut"
        if _SEPARATOR.fullmatch(text):
            return n, "cut"
        if _HEADER_FROM.fullmatch(text) and _has_headers(lines[n + 1 : n + 8]):
            return n, "cut"
        if text and _is_attribution(lines, n):
            return n, "attribution"
    return len(lines), "end"


def _has_headers(lines):
    found = sum(bool(_HEADER_OTHER.fullmatch(line.strip())) for line in lines)
    return found >= 2


def _is_attribution(lines, at):
    """Say whether “On … wrote:” begins here, on one line or wrapped over some."""
    joined = ""
    for n in range(at, min(at + 4, len(lines))):
        line = lines[n].strip()
        if not line or _is_quoted(lines[n]):
            return False
        joined = f"{joined} {line}".strip()
        if line.endswith(":") and _ATTRIBUTION.fullmatch(joined):
            # The words alone may be the author's own.
            return "@" in joined or any(
                _is_quoted(later) or MARKER_START in later for later in lines[n + 1 :]
            )
    return False


def _drop_attribution(lines):
    """Drop what introduces a quote in a language that is not known here."""
    lines = _strip_blank(lines)
    for size in range(1, min(4, len(lines)) + 1):
        last = [line.strip() for line in lines[-size:]]
        if not all(last):
            break
        if _LIKE_ATTRIBUTION.fullmatch(" ".join(last)):
            return lines[:-size]
    return lines


def _strip_blank(lines):
    start, end = 0, len(lines)
    while start < end and not lines[start].strip():
        start += 1
    while end > start and not lines[end - 1].strip():
        end -= 1
    return lines[start:end]


def _get_signature_lines(signature):
    text = _normalize(html_to_text(signature or "", keep_signatures=True))
    lines = [" ".join(line.lstrip("> ").split()) for line in text.split("\n")]
    return [line for line in lines if line and line.strip("-—_ ")]


def _strip_below(lines, known):
    """Drop signatures, what programs add, and disclaimers.

    :param list known: lines of the author's signature
    """
    lines = _strip_blank(lines)
    for n, line in enumerate(lines):
        if line.strip() == "--" or _is_disclaimer(lines, n):
            lines = lines[:n]
            break
    before = None
    while before != lines:
        before = lines = _strip_blank(lines)
        lines = _strip_footer(lines)
        lines = _strip_known(_strip_blank(lines), known)
    return lines


def _is_disclaimer(lines, at):
    """Say whether a paragraph begins here that is one."""
    if not lines[at].strip() or at and lines[at - 1].strip():
        return False
    paragraph = []
    for line in lines[at:]:
        if not line.strip():
            break
        paragraph.append(line.strip(" *_"))
    return bool(_DISCLAIMER.match(" ".join(paragraph)))


def _strip_footer(lines):
    """Drop “Sent from my phone” at the end, of one line or wrapped."""
    for size in range(1, min(3, len(lines)) + 1):
        last = " ".join(line.strip(" *_") for line in lines[-size:])
        if _FOOTER.fullmatch(_LINK.sub(r"\g<text>", last)):
            return lines[:-size]
    return lines


def _strip_known(lines, known):
    """Drop the author's own signature at the end."""
    size = len(known)
    if not size or size > len(lines):
        return lines
    words = " ".join(known).casefold()
    for start in range(len(lines)):
        rest = " ".join(" ".join(lines[start:]).split()).casefold()
        if rest != words:
            continue
        # A name alone may be how the author ends the text.
        if size == 1 and start and lines[start - 1].strip():
            break
        return lines[:start]
    return lines


def _tidy(lines):
    text = "\n".join(line.strip() for line in _strip_blank(lines))
    text = _LINK.sub(_show_link, text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _show_link(match):
    """Write “text<address>” of a plain part like a link of HTML."""
    text, url = match["text"], match["url"]
    if not text:
        return url
    if url.startswith("mailto:") or _get_bare_url(text) == _get_bare_url(url):
        return text
    return f"{text} ({url})"
