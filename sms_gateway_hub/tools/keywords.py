# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Read what people mean by a text: a keyword, a refusal in their own words, or neither.

A keyword is the whole text, however it is typed: :func:`normalize` gives texts that
are typed differently the same form. A longer text is no keyword, but whoever reads it
may have to take it as a refusal: :func:`reads_like_refusal` says so for a person to
decide. It would rather ask once too often.

Pure Python without ``odoo``. Both functions take time in proportion to the text.
"""

import re
import unicodedata
from functools import lru_cache

from . import segments

# --------------------------------------------------------------------------
# Keywords
# --------------------------------------------------------------------------

# Letters that Unicode does not take apart, as people type them without the accent.
_PLAIN_LETTERS = str.maketrans(
    {"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe"}
)
# Signs that count as letters for Unicode: apostrophes, and letters without a shape.
_LETTERS_OF_NO_SOUND = frozenset("ʹʺʻʼʽˈˌ\u0640\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_SYMBOLS_OF_LETTERS = frozenset("™℠ℹ")
# A letter or digit that is followed by this selector is drawn as an emoji.
_EMOJI = re.compile("[^\x00-\x7f]\ufe0f")
# Marks above and below letters of Latin, Greek and Cyrillic, the optional vowel signs
# of Hebrew and Arabic, frames and selectors. Those of other scripts make the word.
_ACCENTS = (
    (0x0300, 0x036F),
    (0x0483, 0x0489),
    (0x0591, 0x05C7),
    (0x0610, 0x061A),
    (0x064B, 0x065F),
    (0x0670, 0x0670),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE00, 0xFE0F),
    (0xFE20, 0xFE2F),
    (0xE0100, 0xE01EF),
)


def normalize(text):
    """Return the form in which texts are compared with keywords.

    Case, accents, width, punctuation, quotes, symbols, emoji, controls and invisible
    characters do not count; spaces of any kind count as one, and at the ends not at
    all. Letters of every script stay. ``"«Stop!»"`` gives ``"stop"``, ``"opt-out"``
    gives ``"optout"``, ``"OPT OUT"`` gives ``"opt out"``.

    The result is a key, not for display: its letters are decomposed.

    :param str text: as received; ``False`` or ``None`` counts as empty
    :return: str, maybe empty
    """
    text = _EMOJI.sub("", text or "")
    return " ".join("".join(map(_fold, text)).split())


def leading_words(text, length_max):
    """Return what keywords a text may begin with: its first word, its first two, ...

    A word ends at a space or a punctuation mark: ``"Menu: today"`` begins with
    ``"menu"``. Marks within a word may also count for nothing, as they do in
    :func:`normalize`: ``"opt-in now"`` begins with ``"optin"`` and with ``"opt in"``.

    :param str text: as received; ``False`` or ``None`` counts as empty
    :param int length_max: characters of the longest one
    :return: set of str, normalized
    """
    # Signs that do not count may be many, but no keyword is found behind so many.
    text = (text or "")[: 16 * length_max]
    found = set()
    for form in (text, "".join(" " if _parts_words(c) else c for c in text)):
        beginning = ""
        for word in normalize(form).split():
            beginning = f"{beginning} {word}".lstrip()
            if len(beginning) > length_max:
                break
            found.add(beginning)
    return found


def _parts_words(char):
    return unicodedata.category(char)[0] in "PS"


# One character at a time, since Python orders the marks of a letter in quadratic time.
@lru_cache(maxsize=8192)
def _fold(char):
    if char in _SYMBOLS_OF_LETTERS:
        return ""
    folded = unicodedata.normalize("NFKD", char).casefold()
    folded = unicodedata.normalize("NFKD", folded).translate(_PLAIN_LETTERS)
    return "".join(map(_keep, folded))


def _keep(char):
    """Return a letter or digit as it is, a space for any space, else nothing."""
    kind = unicodedata.category(char)[0]
    if kind == "Z" or char.isspace():
        return " "
    if kind not in "LNM" or char in _LETTERS_OF_NO_SOUND:
        return ""
    code = ord(char)
    if any(first <= code <= last for first, last in _ACCENTS):
        return ""
    return char


# --------------------------------------------------------------------------
# Refusals in other words
# --------------------------------------------------------------------------

# What is beyond is not read. A text of so many characters is no text message.
READ_MAX = 20_000

_CLAUSE_ENDS = re.compile(r"[.!?;:,\n\r\u2026\u3002\uff01\uff1f\u00a1\u00bf()\"/|]+")
# Words that do not change what somebody wants.
_POLITE = (
    "please|pls|plz|plse|kindly|thanks|thank you|thx|ty|ok|okay|hey|hi|hello|no|yes|now"
    "|just|already|sorry|immediately|asap|sir|madam|all|it|this|that|everything|today"
    "|and|so|but|can you|could you|would you|will you|i said|you must|you need to"
    "|i want you to|i need you to|i am asking you to|im asking you to|i asked you to"
    "|i told you to|right now|right away|at once|forever|fully|again|me|you|guys"
    "|por favor|porfa|porfavor|gracias|ya|hola|senores|svp|sil vous plait|si vous plait"
    "|sil te plait|stp|merci|bonjour|tout|bitte|danke|hallo|sofort|endlich|jetzt|alles"
    "|damit|das|dies|aber|mal|hiermit|ihr|sie|vous|usted|ustedes"
)
_STOP = "(?:stop(?:p|pt|pen|pez)?|quit|cease|discontinue|halt|end|unsub)"
_NOUN = (
    "(?:texts?|txts?|textos?|texte|messages?|mensajes?|msgs?|msjs?|mess|sms|smses"
    "|nachrichten|nachricht|mails?|emails?|notifications?|notificaciones|alerts?"
    "|alertas|alertes|reminders?|updates|ads?|adverts?|advertising|marketing|promos?"
    "|promotions?|promociones|publicidad|publicites?|pubs?|werbung|werbetexte|spam"
    "|newsletters?|campaigns?|solicitations?|offers|ofertas|offres|angebote"
    "|benachrichtigungen|mitteilungen|werbenachrichten|infos|demarchage)"
)
_DOING = (
    "(?:text(?:ing)?|txt(?:ing)?|messaging|messagin|textin|sending|contacting|calling"
    "|bothering|harassing|spamming|emailing|mailing|writing|pinging|soliciting"
    "|bugging|pestering|annoying|disturbing|notifying|msging|msgin)"
)
# What may stand between "stop" and what is to stop.
_BETWEEN = (
    "(?:(?:all|the|these|those|this|that|your|ur|any|me|us|my|future|further|more"
    "|marketing|promotional|advertising|automated|constant|daily|weekly|stupid|annoying"
    "|unwanted|fucking|fuckin|damn|bloody|sending|please|pls|now|with|from|all of|to"
    "|so|many"
    "|receiving|getting|text|sms|spam|il|les|des|de|vos|tous|ces|los|las|sus|estos|tus"
    "|diese|die|mit|den|ihre|eure|bitte|sie) ){0,5}"
)
_LISTS = (
    "(?:lists?|mailing|database|system|directory|records?|files?|group|distribution"
    "|texts?|messages?|msgs?|sms|subscription|contacts?|campaigns?|spam|alerts?"
    "|notifications|marketing|promotions?)"
)


def _words(*patterns):
    return re.compile(r"\b(?:%s)\b" % "|".join(patterns))


# Patterns are tried on one clause: folded words with one space between them. Gaps
# between words are bounded, so that each takes time in proportion to the clause.
_REFUSALS = _words(
    # -- English
    # The whole clause: "stop please", "no, stop it now", "STOP 12345", "stop stop".
    rf"^(?:(?:{_POLITE}) ){{0,8}}{_STOP}(?: (?:{_POLITE}|{_STOP}|\d{{1,20}})){{0,8}}$",
    rf"{_STOP} {_BETWEEN}(?:{_NOUN}|{_DOING})",
    rf"{_STOP} (?:all )?(?:contact|communications?|communicating|reaching out)",
    r"(?:dont|do not|dnt|donot|(?<!you )(?<!they )(?<!he )never|not to) (?:ever )?"
    r"(?:text|txt|sms"
    r"|message|msg|contact|write|spam|bother|disturb|harass|email|ping|solicit)"
    r"(?: to)? (?:me|us|my|this number|this phone|here|again|anymore|any more|ever)",
    r"(?:dont|do not|dnt|donot|never) (?:ever )?(?:text|txt|message|msg|contact"
    r"|disturb)"
    r"(?: please| pls)?$",
    r"(?:dont|do not|dnt|donot|never) (?:ever )?(?:call|phone|ring|write|reach out to)"
    r"(?: to)? (?:\w+ ){0,3}(?:again|anymore|any more|ever)",
    r"(?:dont|do not|dnt|donot|never) (?:ever )?send (?:\w+ ){0,4}(?:again|anymore"
    rf"|any more|more|stuff|this|these|any|ever|{_NOUN})",
    rf"no more (?:of )?(?:\w+ ){{0,2}}(?:{_NOUN}|calls|contact|stuff|{_DOING})",
    r"^(?:(?:please|pls|plz|ok|sorry) )?no more(?: (?:please|pls|thanks|thank you))?$",
    rf"^(?:(?:please|pls|plz) )?no {_NOUN}(?: (?:please|pls|thanks|thank you))?$",
    r"^(?:(?:please|pls|plz) )?remove(?: (?:please|pls))?$"
    r"|(?:take|get) me off(?: please)?$|cease and desist|do not (?:call|contact) list",
    r"(?:remove|delete|erase|unlist|take out) (?:me|us)(?: (?:please|pls|plz|now|thanks"
    r"|immediately|asap))*$",
    r"(?:remove|delete|erase|take|get|keep) (?:me|us|my \w+|this number|our \w+)"
    rf" (?:\w+ )?(?:from|off|out|outta)(?: of)? (?:\w+ ){{0,4}}{_LISTS}",
    r"(?:remove|delete|erase|lose|forget|drop|take off) (?:my|this|our) (?:\w+ ){0,2}"
    r"(?:number|phone|contact|details|data)",
    r"unsubscribe|unsubscribing|unsuscribe|unsubcribe|unsub|me unsubscribed"
    r"|be unsubscribed|optout|opt out|opt me out|opting out|opt us out",
    r"(?:cancel|end|terminate) (?:my|this|the|these|all|your) (?:\w+ ){0,2}"
    rf"(?:subscription|{_NOUN})",
    r"^(?:(?:please|pls|plz) )?(?:cancel|unsubscribe|quit|revoke)(?: (?:please|pls|me"
    r"|now|it|this|thanks))*$",
    rf"{_NOUN} (?:\w+ ){{0,2}}(?:need|needs|have|has|must|should|got|gotta) (?:to"
    rf" )?stop"
    r"|make it stop|enough already|enough is enough",
    r"leave (?:me|us) alone|lose (?:my|this) number|go away|get lost|piss off|fuck off"
    r"|screw off|buzz off|do not disturb|take a hike",
    r"^(?:this is |its |thats |this looks like |what a )?(?:spam|junk)$",
    r"^(?:(?:sorry|hi|hello|hey|you|u|ur|youve|i|think|have|has|had|got|ve|got|it|its"
    r"|is|this|thats|the|a|texted|messaged|texting|reached|dialed|are|using|must|with)"
    r" ){0,9}wrong (?:number|person)(?: (?:sorry|please|pls|buddy|dude|mate|bro"
    r"|man))*$",
    # -- Spanish
    r"no (?:me |nos )?(?:vuelvan? a |vuelvas a )?(?:escrib(?:a|an|as|ais|ir)(?:me|nos)?"
    r"|contact(?:e|en|es|eis|ar)(?:me|nos)?|molest(?:e|en|es|eis|ar)(?:me|nos)?"
    r"|texte(?:e|en|es|ar)(?:me)?|acos(?:e|en|es))",
    r"no (?:me |nos )?(?:vuelvan? a |vuelvas a )?(?:envi(?:e|en|es|eis|ar)"
    r"|mand(?:e|en|es|eis|ar)|llam(?:ar)|llam(?:e|en|es))(?:me|nos)? (?:\w+ ){0,2}"
    rf"(?:mas|nada|nunca|jamas|estos|esto|{_NOUN})",
    rf"no mas (?:de )?(?:\w+ )?(?:{_NOUN}|llamadas|envios)",
    r"^(?:por favor |ya )?no mas(?: por favor| gracias)?$",
    r"(?:ya )?no (?:quiero|deseo|quisiera|queremos|deseamos|acepto|autorizo) (?:\w+ )?"
    r"(?:recibir|recibirlos|mas|sus|tus|estos|esto|que me (?:escrib|envi|mand|contact"
    rf"|llam|molest)\w{{0,9}}|{_NOUN})",
    r"(?:dej(?:a|e|en|es|ad|ar)|par(?:a|e|en|es|ad|ar)|ces(?:a|e|en|ar)|basta)(?:me)?"
    r" (?:ya )?(?:de |con )(?:\w+ )?(?:escrib|envi|mand|contact|molest|texte|llamar"
    r"|acos|mensaj|sms|publicidad|spam|textos|promoc)\w{0,12}",
    r"^(?:por favor |baja ?|ya )*(?:parar|baja)(?: ya| por favor| gracias)*$",
    r"(?:pare|paren|parad|basta|detengan|detenga|cesen)(?: (?:ya|por favor|de una vez"
    r"|esto|los|sus|con|estos|mensajes|sms|envios|textos))*$",
    r"(?:dar|den|de|da|dad|demos|quiero|quisiera)(?:me|nos)? (?:\w+ )?de (?:la )?baja",
    r"(?:deme|denme|dame|darme|darse|darnos|solicito(?: la)?|pido(?: la)?|quiero la"
    r"|quiero) (?:de )?baja",
    r"(?:borr|elimin|quit|sac|retir|suprim)\w{0,5} (?:\w+ )?(?:mi|este|mis|nuestro)"
    r" (?:numero|telefono|movil|celular|contacto|datos)",
    r"(?:borr|elimin|quit|sac|retir)\w{0,7} (?:de|del) (?:la|su|tu|esta|vuestra|sus)?"
    r" ?(?:listas?|base|sistema|registros?|grupo)",
    r"(?:cancel|anul)(?:ar|en|e|a|o) (?:la |mi |esta )?su[bs]s?cripcion",
    r"(?:no me interesa|no estoy interesad[oa]|sin interes|numero equivocado"
    r"|se equivoca(?:n|ron)? de numero|dej\w{0,4} en paz)",
    # -- French
    r"(?:ne |n)?(?:me |m|nous )?(?:envo(?:ye|yez|ie|ies|yer)|transmett(?:ez|re))"
    r" ?(?:moi |nous )?(?:\w+ )?(?:plus|pas|jamais)(?: (?:jamais|rien|svp|merci|s il"
    rf"|sil)|(?: de| d| aucun)? ?{_NOUN}|$)",
    r"(?:ne |n)?(?:me |m|nous )?(?:ecri[vs](?:ez|e|s|es)?|ecrire|contact(?:ez|e|es|er)"
    r"|derang(?:ez|e|es|er)|sollicit(?:ez|e|es|er)|importun(?:ez|e|es|er)"
    r"|relanc(?:ez|e|es|er)|harcel(?:ez|e|es|er)|appel(?:ez|le|les|er)|text(?:ez|er))"
    r" ?(?:moi |nous )?(?:plus|jamais)",
    r"ne (?:me |m ?|nous |plus )(?:plus )?(?:ecri[vs]\w{0,3}|contact\w{1,3}"
    r"|derang\w{1,3}|sollicit\w{1,3}|importun\w{1,3}|texte\w{0,2}|envoyer|ecrire)"
    r"(?: (?:plus|pas|jamais))?",
    r"(?:arret(?:ez|e|er|es)|cess(?:ez|e|er|es)|stoppe[zr]?|stop|halte)"
    r" (?:(?:de|d|a|avec|vos|tes|ces|les|cet|tous|toutes|svp|moi|me|m|nous) ?){0,4}"
    r"(?:m ?)?(?:envo[iy]\w{0,4}|ecrire|contacter|harceler|deranger|importuner|spammer"
    rf"|solliciter|relancer|{_NOUN})",
    r"^(?:(?:s il vous plait|svp|merci d|merci de|il faut|bon|non|stop|veuillez) ?)*"
    r"arret(?:ez|e|er)(?: (?:svp|merci|s il vous plait|sil vous plait|tout|ca"
    r"|maintenant"
    r"|de suite))*$",
    rf"plus (?:de |d|aucun |jamais de )?{_NOUN}",
    rf"^pas de {_NOUN}(?: (?:svp|merci))?$",
    r"(?:desinscri|desabonn)\w{0,9}",
    r"(?:retir|supprim|enlev|effac|ray|radi|sort)(?:ez|e|er|s|i|ir) ?(?:moi|nous|me"
    r"|mon (?:numero|nom|contact|tel|telephone|portable)|mes (?:donnees|coordonnees)"
    r"|ce numero)",
    r"(?:me|m) ?(?:retirer|supprimer|enlever|rayer|radier) (?:de|des|du)",
    r"(?:laiss|fich|fout)\w{1,3} ?(?:moi|nous) (?:tranquille|la paix|en paix)",
    r"(?:pas|plus) interessee?s?$",
    r"(?:mauvais|faux) numero|trompez de numero|trompe de numero|erreur de numero"
    r"|erreur de destinataire",
    r"ne (?:pas|plus|jamais) (?:me |m ?|nous )?(?:recevoir|envoyer|ecrire|contacter"
    r"|deranger"
    r"|solliciter|appeler|relancer)",
    # -- German
    rf"keine? (?:\w+ ){{0,2}}(?:{_NOUN}|texte|anrufe) (?:\w+ )?(?:mehr|bitte|schicken"
    r"|senden|zusenden|zuschicken|schreiben|erhalten|bekommen|empfangen|an mich)",
    rf"keine? (?:weiteren?|mehr) (?:\w+ )?(?:{_NOUN}|texte|anrufe|kontakte?)",
    rf"^(?:(?:bitte|ich|will|mochte|moechte|wunsche|wuensche|brauche|ab|jetzt|sofort)"
    rf" )*"
    rf"keine? (?:\w+ ){{0,2}}{_NOUN}$",
    r"(?:schreib|schick|send|kontaktier|kontaktiere|text|texte|sims|belastig|belaestig"
    r"|stor|stoer|anruf|ruf|melde?)\w{0,4} (?:(?:sie|ihr|mir|mich|uns|bitte|euch|dich"
    r"|sich|bei|an) ){0,4}(?:nicht|nichts|nie|niemals) (?:\w+ )?(?:mehr|wieder)",
    r"(?:nicht|nichts|nie) (?:mehr|wieder) (?:\w+ ){0,3}(?:schreib|schick|send|kontakt"
    r"|text|anschreib|belastig|belaestig|melden|anruf|angeschrieben|stor|simsen)"
    r"\w{0,9}",
    r"h(?:o|oe)r(?:t|en|e)? (?:(?:sie|bitte|endlich|sofort|jetzt|mal|doch|damit) )*auf",
    r"^(?:(?:bitte|sofort|endlich|jetzt|damit|sie|sollen|mal) )*aufh(?:o|oe)ren"
    r"(?: (?:bitte|damit|jetzt|sofort))*$",
    r"aufh(?:o|oe)ren (?:\w+ )?(?:mir|mich|uns|zu|mit) (?:\w+ ){0,3}(?:schreib|send"
    rf"|schick|text|kontakt|belastig|belaestig|{_NOUN})\w{{0,9}}",
    r"meld(?:en|et|e)? (?:sie |bitte )*(?:mich|uns) (?:\w+ ){0,4}ab"
    r"(?: (?:bitte|danke|sofort|von .{1,60}))?$|unterlassen sie",
    r"(?:mich|uns|nummer) (?:\w+ ){0,3}(?:abmelden|abbestellen|austragen)",
    rf"(?:{_NOUN}|abo) (?:\w+ )?(?:abbestellen|abmelden|kundigen|kuendigen|stoppen"
    r"|beenden|einstellen|abstellen|unterlassen)",
    r"^(?:(?:bitte|hiermit|sofort) )*(?:abmelden|abbestellen|austragen|stoppen)"
    r"(?: (?:bitte|danke))*$",
    r"(?:losch|loesch|entfern|streich|nehm|nimm|trag|streich)\w{0,3} (?:(?:sie|ihr"
    r"|bitte"
    r"|sofort) )*(?:mich|uns|meine? (?:\w+ )?(?:nummer|daten|handynummer|rufnummer"
    r"|telefonnummer|kontaktdaten|kontakt)|diese (?:nummer|handynummer))",
    r"(?:meine|diese) (?:nummer|daten|handynummer|rufnummer|telefonnummer) (?:\w+ )"
    r"{0,4}(?:loschen|loeschen|entfernen|streichen)",
    r"(?:aus|von) (?:der|dem|ihrer|ihrem|eurer|eurem|deiner) (?:\w+ )?(?:liste"
    r"|verteiler"
    r"|datenbank|mailingliste|smsliste) (?:\w+ ){0,2}(?:streich|losch|loesch|entfern"
    r"|nehm|austrag)\w{0,4}",
    r"lass(?:t|en)? (?:sie )?(?:mich|uns) (?:\w+ ){0,2}in (?:ruhe|frieden)",
    r"(?:kein|keinerlei) interesse(?: (?:mehr|danke))*$|nicht (?:mehr )?interessiert$"
    r"|falsche (?:handy|telefon|ruf)?nummer|falsch verbunden",
    r"widerruf\w{0,3} (?:\w+ ){0,5}(?:einwilligung|zustimmung|einverstandnis)"
    r"|(?:einwilligung|zustimmung) (?:\w+ ){0,3}widerruf\w{0,3}",
)
# What people say of themselves: the same guards but for "I" before it.
_WISHES = _words(
    r"(?:dont|do not|dnt|didnt|did not|no longer|never) (?:wanna|(?:want|wish|wanted"
    r"|need|care|like|consented|consent|agree|agreed|authorized|authorize)(?: to)?)"
    r" (?:\w+ ){0,2}(?:be texted|be contacted|being contacted|be messaged"
    rf"|your {_NOUN}|ur {_NOUN}|(?:any |any more |more |these |this |such )?{_NOUN}"
    rf"|hear from (?:you|u|this)|(?:get|receive|receiving|getting) (?:\w+ ){{0,3}}"
    rf"(?:{_NOUN}|anything|these|this|anymore|any more)|these|anymore|any more$)",
    r"^(?:stop |no )?(?:i |we )?(?:dont|do not|no longer) (?:want|wish"
    r"|wish to receive|want to receive)"
    r"(?: (?:this|these|it|them|any))*$",
    r"(?:revoke|withdraw|withdrawing|revoking|rescind) (?:\w+ ){0,2}(?:consent"
    r"|permission|authorization|agreement)",
    r"(?:do not|dont|did not|didnt|never) consent(?:ed)?",
    r"(?:not|no longer|never) interested(?: (?:thanks|thank you|sorry|please|anymore"
    r"|at all))*$",
    r"(?:ill|i will|im|i am|im gonna|am going to) (?:block|blocking|report|reporting)"
    r" (?:you|u|this|ur number|your number)",
    r"(?:ne |n)?(?:veux|souhaite|desire|voulons|souhaitons)(?: plus| pas) (?:\w+ ){0,2}"
    rf"(?:recevoir|etre|vos|de vos|{_NOUN}|que vous|entendre)",
    r"(?:retire|revoque|annule) mon (?:consentement|accord|autorisation)",
)
# "STOP ALERTS", "Stop Acme": a programme is named. Not what else begins with "stop".
_STOP_NAME = re.compile(
    r"^stopp? (?!(?:by|at|in|over|off|on|for|here|there|sign|signs|watch|motion|gap"
    r"|loss"
    r"|light|lights|near|outside|the|to|with|who|what|when|where|if|being|is|was|until"
    r"|before|after|and|or|it|a|an|am|im|an|der|die|das|ist|worrying|en|a|go)\b)"
    r"(?!\w{1,30}ing\b)\w{1,30}(?: (?:please|pls|now|\w{1,30}))?$"
)
# Right before a refusal they turn it round: "please don't stop texting".
_NEGATED = re.compile(
    r"\b(?:dont|do not|dnt|donot|never|not|cant|cannot|wont|will not|didnt|doesnt|isnt"
    r"|havent|non|without|ne|no|sin|ohne|nicht|nie|kein|pas)"
    r"(?: (?:ever|just|you|please|want to|want you to|want u to|wanna|need to|me|mich"
    r"|mir|bitte|se|le|to|wish to|have to|going to|mean to|lo))?$"
)
# Somebody speaks of what they, or others, do: "I had to stop texting".
_TOLD = re.compile(
    r"\b(?:(?:i|we|he|she|they|it)(?: (?:will|had to|have to|must|should|can|could"
    r"|might"
    r"|need to|gotta|wanted to|do|did|just|only|also|always))?|ill|well|hell|shell"
    r"|theyll"
    r"|id|ive|did you|did we|did it|have you|how do i|how can i|how to|you never|u"
    r" never"
    r"|bus|train|tram|metro|next|last|first|non|pit|full|the|a|this|that|my|our|one|je"
    r"|tu|il|elle|on|er)$"
)
# They complain, or tell, that none come: the opposite of a refusal.
_MISSED = re.compile(
    r"\b(?:bekomme|bekommt|bekommen wir|erhalte|erhalten wir|kriege|bekam|kamen|kommen"
    r"|gibt|habe|hab|nai|ai|avons|reste|recois|recevons|are|were|have|has|got|there"
    r"|recibo|tengo|hay|llegan|warum|pourquoi)$"
)
_WANTED = re.compile(
    r"(?:you|u) (?:\w+ )?(?:dont|wont|didnt|cant|not|never|refuse to)(?: \w+)?$"
    r"|\b(?:told|asked|said) (?:\w+ ){0,3}\w+$|\bwhy (?:dont|wont|cant) (?:you|u)$"
)
_OPEN_END = re.compile(
    r"\b(?:dont|do not|dnt|never|not|cant|wont|no|ne|nicht|nie|non)$"
)


# Whole answers to a question for consent that refuse; by themselves they mean nothing.
_NO_WORDS = frozenset(
    map(
        normalize,
        (
            "no",
            "nope",
            "no thanks",
            "no gracias",
            "non",
            "non merci",
            "nein",
            "nein danke",
        ),
    )
)


def is_no(text):
    """Say whether a text is a plain "no", as the answer to a question."""
    return normalize(text) in _NO_WORDS


def reads_like_refusal(text):
    """Say whether a reasonable person could take a text as "no more texts".

    For texts that are no keyword. English, Spanish, French and German are read, also
    mixed; in doubt the answer is yes, since a person decides and the other mistake
    breaks the law. A wrong number counts: whoever has it now never agreed.

    :param str text: as received; ``False`` or ``None`` counts as empty
    :return: bool
    """
    return any(map(_refuses, _clauses(text)))


def _clauses(text):
    """Return the clauses of a text, each as folded words with one space between."""
    found = []
    pending = ""
    for clause in _CLAUSE_ENDS.split((text or "")[:READ_MAX]):
        clause = normalize(clause)
        if not clause:
            continue
        # "Don't… stop" is one clause.
        clause = f"{pending} {clause}" if pending else clause
        if _OPEN_END.search(clause[-40:]) and " " in clause:
            pending = clause
            continue
        pending = ""
        found.append(clause)
    if pending:
        found.append(pending)
    return found


def _refuses(clause):
    if _STOP_NAME.search(clause):
        return True
    for patterns, guards in (
        (_REFUSALS, (_NEGATED, _TOLD, _MISSED)),
        (_WISHES, (_NEGATED,)),
    ):
        for match in patterns.finditer(clause):
            before = clause[max(0, match.start() - 60) : match.start()].rstrip()
            if _WANTED.search(before):
                return True
            if not any(guard.search(before) for guard in guards):
                return True
    return False


# --------------------------------------------------------------------------
# Answers
# --------------------------------------------------------------------------

# Where no language fits.
DEFAULT_LANG = "en"
# What a text asks people to text back: understood whatever their language.
STOP_WORD, START_WORD = "STOP", "START"
CONFIRM_WORDS = {"en": "YES", "es": "SI", "fr": "OUI", "de": "JA"}

# GSM-7 throughout, so that one SMS part carries each: words with letters that it does
# not have (ê, ç, á, í, ó) are avoided. The answer to STOP is the only text that may
# follow a refusal, so it says nothing but that.
DEFAULT_ANSWERS = {
    "stop": {
        "en": "{company}: You will get no more texts from us. "
        "Reply {word} to get them again.",
        "es": "{company}: no le enviaremos otros SMS. "
        "Para volver a recibirlos responda {word}.",
        "fr": "{company} : nous ne vous enverrons plus de SMS. "
        "Pour en recevoir de nouveau, répondez {word}.",
        "de": "{company}: Sie bekommen keine SMS mehr von uns. "
        "Antworten Sie {word}, um sie wieder zu bekommen.",
    },
    "start": {
        "en": "{company}: You will get our texts. Msg frequency varies. "
        "Msg & data rates may apply. Reply HELP for help, {word} to stop.",
        "es": "{company}: recibe nuestros SMS. Frecuencia variable. Pueden "
        "aplicarse tarifas. Responda AYUDA o, para no recibirlos, {word}.",
        "fr": "{company} : vous recevez nos SMS. Des frais peuvent s'appliquer. "
        "Répondez AIDE ou, pour ne plus en recevoir, {word}.",
        "de": "{company}: Sie bekommen unsere SMS. Ihr Anbieter kann Gebühren "
        "erheben. HILFE gibt Auskunft, mit {word} bestellen Sie ab.",
    },
    "help": {
        "en": "{company} texts.{contact} Msg frequency varies. "
        "Msg & data rates may apply. Reply {word} to stop.",
        "es": "SMS de {company}.{contact} Frecuencia variable. Pueden aplicarse "
        "tarifas. Para no recibirlos responda {word}.",
        "fr": "SMS de {company}.{contact} Des frais peuvent s'appliquer. "
        "Pour ne plus en recevoir, répondez {word}.",
        "de": "SMS von {company}.{contact} Ihr Anbieter kann Gebühren erheben. "
        "Abbestellen mit {word}.",
    },
    "question": {
        "en": "{company}: may we text you? Answer {word} to agree, STOP if not.",
        "es": "{company}: nos permite enviarle SMS? Responda {word} para aceptar, "
        "STOP para rechazar.",
        "fr": "{company} : pouvons-nous vous envoyer des SMS ? Répondez {word} "
        "pour accepter, STOP sinon.",
        "de": "{company}: Dürfen wir Ihnen SMS schicken? Antworten Sie {word}, "
        "wenn Sie zustimmen, STOP, wenn nicht.",
    },
    "thanks": {
        "en": "Thank you. {company} may text you now. Reply {word} at any time "
        "to stop.",
        "es": "Gracias. {company} ya puede enviarle SMS. Responda {word} cuando "
        "no quiera recibirlos.",
        "fr": "Merci. {company} peut vous envoyer des SMS. Répondez {word} à tout "
        "moment pour ne plus en recevoir.",
        "de": "Danke. {company} darf Ihnen SMS schicken. Antworten Sie jederzeit "
        "{word}, um sie abzubestellen.",
    },
    "away": {
        "en": "{company}: Nobody is here right now. We will answer during our "
        "office hours.",
        "es": "{company}: ahora no hay nadie. Le responderemos en nuestro horario "
        "de oficina.",
        "fr": "{company} : nous sommes absents. Nous vous répondrons aux heures "
        "d'ouverture.",
        "de": "{company}: Gerade ist niemand da. Wir antworten zu unseren "
        "Öffnungszeiten.",
    },
}
# The part of the answer to HELP that says whom to ask, where that is known.
CONTACT_SENTENCES = {
    "en": " Contact {number}.",
    "es": " Contacto: {number}.",
    "fr": " Contact : {number}.",
    "de": " Kontakt: {number}.",
}
_PLACEHOLDER = re.compile(r"\{(company|contact|number|word)\}")


def default_answer(kind, lang, company, *, word=None, number=None):
    """Return the hub's own text for an occasion.

    :param str kind: key of ``DEFAULT_ANSWERS``: ``stop``, ``start``, ``help``,
        ``question``, ``thanks`` or ``away``
    :param str lang: code such as ``fr`` or ``fr_CA``; one that has no text, or an
        unset one, gives English
    :param str company: name of the sender
    :param str word: what the person may answer. Unset: the word that reverses the
        occasion, or that agrees for a question
    :param str number: number, address or page that gives help, in the answer to HELP;
        unset: the sentence is left out
    :return: str, GSM-7 as far as the values are
    :raise KeyError: for an unknown kind
    """
    lang = answer_lang(lang)
    if not word:
        word = {"stop": START_WORD, "question": CONFIRM_WORDS[lang]}.get(
            kind, STOP_WORD
        )
    return fill_answer(
        DEFAULT_ANSWERS[kind][lang],
        company=company,
        word=word,
        number=number,
        contact=fill_answer(CONTACT_SENTENCES[lang], number=number) if number else "",
    )


def answer_lang(lang):
    """Return the language of the default answers that serves a language code."""
    lang = re.split("[_@.-]", lang or "")[0].lower()
    return lang if lang in CONFIRM_WORDS else DEFAULT_LANG


def fill_answer(text, **values):
    """Return a text with its placeholders filled, once and literally.

    What a value contains is never read as a placeholder or a format. Placeholders
    without a value, and all other braces, stay as they are.

    :param str text: with ``{company}``, ``{word}``, ``{number}``, ``{contact}``
    :param values: str each; unset ones are empty
    """

    def fill(match):
        if match[1] not in values:
            return match[0]
        value = segments.clean_text(values[match[1]])
        # The space that parts a sentence from the one before is the value's own.
        return " " * value.startswith(" ") + " ".join(value.split())

    return _PLACEHOLDER.sub(fill, text or "")
