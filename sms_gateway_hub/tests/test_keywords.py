# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What people type, what they mean by it, and what the hub answers by itself."""

import random
import time
import unicodedata

from odoo.tests import BaseCase, tagged

from ..tools import keywords, segments

# Texts, and what is left of each when it is compared with keywords.
NORMALIZED = [
    ("STOP", "stop"),
    ("Stop.", "stop"),
    ("  stop\n", "stop"),
    ("STOP!!!", "stop"),
    ("«stop»", "stop"),
    ("„Stop“", "stop"),
    ("'stop'", "stop"),
    ("(stop)", "stop"),
    ("S.T.O.P.", "stop"),
    ("s t o p", "s t o p"),
    ("ＳＴＯＰ", "stop"),
    ("Ⓢⓣⓞⓟ", "stop"),
    ("𝐒𝐓𝐎𝐏", "stop"),
    ("stop 🛑", "stop"),
    ("🛑STOP🛑", "stop"),
    ("STOP Ⓜ️", "stop"),
    ("stop👍🏽", "stop"),
    ("stop 🇩🇪", "stop"),
    ("stop\ufe0f", "stop"),
    ("STOP™", "stop"),
    ("st\u200bo\u200dp\ufeff", "stop"),
    ("st\u00adop", "stop"),
    ("\u202estop\u202c", "stop"),
    ("\u200fSTOP\u200e", "stop"),
    ("STOP\x00", "stop"),
    ("\x00\x01stop\x7f", "stop"),
    ("STOP\ud83d", "stop"),
    ("stop\uf8ff", "stop"),
    ("stop\u3164", "stop"),
    ("stop\u2800", "stop"),
    ("stóp", "stop"),
    ("sto\u0301p", "stop"),
    ("S\u0336T\u0336O\u0336P\u0336", "stop"),
    ("opt-out", "optout"),
    ("opt\u2011out", "optout"),
    ("OPT OUT", "opt out"),
    ("opt\u00a0\u2003\tout", "opt out"),
    ("opt\r\nout", "opt out"),
    ("opt\u2028out", "opt out"),
    ("İPTAL", "iptal"),
    ("IPTAL", "iptal"),
    ("ıptal", "iptal"),
    ("désabonner", "desabonner"),
    ("AUFHÖREN", "aufhoren"),
    ("straße", "strasse"),
    ("STRASSE", "strasse"),
    ("SŁOWO", "slowo"),
    ("J'accepte", "jaccepte"),
    ("J’accepte", "jaccepte"),
    ("jʼaccepte", "jaccepte"),
    ("SÍ", "si"),
    ("ΣΤΟΠ", "στοπ"),
    ("στοπς", "στοπσ"),
    ("СТОП", "стоп"),
    ("停止", "停止"),
    ("توقف", "توقف"),
    ("تَوَقَّف", "توقف"),
    ("הפסק", "הפסק"),
    ("1️⃣", "1"),
    ("１２３", "123"),
    ("!!! 🛑 ...", ""),
    ("\x00", ""),
    ("", ""),
    (None, ""),
    (False, ""),
]

# A reasonable person takes these as "no more texts".
REFUSALS = (
    """
please stop texting me
Please stop.
PLEASE STOP!!!
stop please
Stop it
stop stop stop
STOP 12345
STOP ALERTS
Stop all messages
STOP texting
stop sending me messages
Stop spamming me!!
Stop messaging this number
stop calling and texting me
stop contacting me
stop harassing me
quit texting me
pls stop msging me
Can you please stop sending these
i want you to stop texting me
I said stop texting me
I told you to stop
why won't you stop texting me
you won't stop texting me
Who is this? STOP
who are you? don't text this number again
this is not John, stop texting
Hi Anna, please stop
please, stop
texts need to stop
remove me from your list
Please remove me
please remove my number
take me off this list
take my number off your list
delete my number
lose my number
don't text me again
don’t text me
DONT TEXT ME
Don't contact me anymore
Do not send me any more messages
do not text
no more messages
No more!!!
No texts please
unsubscribe me
i want to unsubscribe
please opt me out
opt-out please
cancel my subscription
cancel please
I revoke my consent
I did not consent to these messages
I don't want to receive these texts
i dont want ur texts
I dont want this
not interested, thanks
leave me alone
fuck off
I'm blocking you
this is spam
wrong number
You have the wrong number
sorry, wrong number
no me escriban más
no me envíen más mensajes
no me mandes más publicidad
ya no quiero recibir mensajes
No quiero que me escriban
dejen de escribirme
paren de mandar mensajes
basta de mensajes
deme de baja
quiero darme de baja
BAJA por favor
eliminen mi número
bórrame de la lista
déjenme en paz
número equivocado
no, gracias, no me interesa
ne m'envoyez plus de SMS
n'envoyez plus rien
merci de ne plus m'envoyer de SMS
arrêtez de m'envoyer des messages
arrêtez svp
merci d'arrêter
STOP SMS svp
plus de sms svp
ne me contactez plus
N'écrivez plus
je ne veux plus recevoir vos messages
Je ne souhaite plus être contacté
désinscrivez-moi
je me désabonne
retirez mon numéro
merci de me retirer de votre liste
laissez-moi tranquille
mauvais numéro
bitte keine SMS mehr
Bitte STOP
STOPP bitte
Schicken Sie mir keine SMS mehr
Ich möchte keine Nachrichten
keine weiteren SMS
keine Werbung
schreibt mir nicht mehr
nicht mehr schreiben bitte
Schreib mir nie wieder
hören Sie auf, mir zu schreiben
bitte aufhören
melden Sie mich ab
Löschen Sie bitte meine Nummer
Bitte nehmen Sie mich aus dem Verteiler
lassen Sie mich in Ruhe
kein Interesse
falsche Nummer
Ich widerrufe meine Einwilligung
""".strip().splitlines()
    + [
        "Stop\n\nSent from my iPhone",
        "STOP\nJohn",
        "ＰＬＥＡＳＥ　ＳＴＯＰ",
        "🛑 please stop 🛑",
        "pl\u200bease sto\u200dp",
        "please\x00 stop",
        "\u202eplease stop\u202c",
    ]
)

# These say something else.
OTHERS = (
    """
please don't stop
please don't ever stop
don't stop texting me
never stop sending these
non-stop
non stop texts
the bus stop is closed
Is the bus stop near you?
Next stop: Berlin
Stop 5 is closed
Stop and go traffic
full stop
can we stop by tomorrow
can you stop by and text me
STOP by the shop
Can I stop at 5 pm?
do you want to stop for coffee
I'll be at the stop. Text me
I can't stop laughing
stop worrying
I had to stop texting because I was driving
Why did the texts stop?
Why did I stop getting messages?
Please stop my milk delivery from Friday
please cancel my appointment
cancel my order
The game will end soon
I quit my job
Don't send me the invoice yet
don't call me before 9
don't text and drive
dont worry
don't forget to text me
you never text me anymore :(
I didn't get your texts
I never got your message
I have no more questions
I no longer need the room
we don't want the blue one
I want to get more texts
don't unsubscribe me
I don't want to unsubscribe
drop me off at 5
Take me off the schedule for Friday
Please remove the item from my cart
delete my last order
I gave you the wrong number yesterday, it is 555
yes
Yes please keep them coming
no
no thanks
no problem
Ok
thanks
see you at 5
no dejes de escribirme
no me escribió ayer
no me mandes la factura todavía
no hay más mensajes
estoy de baja
quiero recibir más mensajes
puedo cancelar mi cita?
para mí está bien
l'arrêt de bus est fermé
n'arrête pas de m'écrire
ne m'envoyez pas la facture
Je n'ai plus de SMS disponibles
plus de détails svp
pas de problème
je suis intéressé
nicht aufhören
Bitte nicht aufhören
hör nicht auf
Wann hört ihr auf?
Ich bekomme keine SMS mehr, was ist los?
ich habe keine Nachricht bekommen
Ich muss meinen Sohn für morgen abmelden
ich melde mich ab morgen wieder
mehr Nachrichten bitte
keine Ahnung
nein danke
СТОП, снято
""".strip().splitlines()
    + ["", "   ", "!!!", "🛑", "\x00", "\n\n", False, None]
)


@tagged("post_install", "-at_install")
class TestKeywords(BaseCase):
    """Rows of texts, and hostile ones."""

    def test_texts_are_compared_as_written(self):
        """Each row is left with what it names, and that with itself."""
        for text, expected in NORMALIZED:
            with self.subTest(repr(text)):
                # The key is decomposed; what is written here need not be.
                expected = unicodedata.normalize("NFKD", expected)
                self.assertEqual(keywords.normalize(text), expected)
                self.assertEqual(keywords.normalize(expected), expected)

    def test_case_and_punctuation_never_matter(self):
        """What is wrapped in signs, spaces and emoji compares like the bare word."""
        rng = random.Random(20263)
        signs = "!?.,;:…'\"«»“”()[]{}<>*_~#@&%+-–—/\\|🛑👍❤\u200b\u200f\ufeff\x00\u00ad"
        for _index in range(500):
            word = rng.choice(["stop", "abmelden", "désabonner", "стоп", "arrêt"])
            typed = "".join(
                rng.choice((str.upper, str.lower))(char)
                + "".join(rng.choices(signs, k=rng.randrange(3)))
                for char in word
            )
            typed = rng.choice(" \n\t\u00a0") + typed + rng.choice(" \n\t\u3000")
            self.assertEqual(
                keywords.normalize(typed), keywords.normalize(word), repr(typed)
            )

    def test_refusals_in_other_words_are_seen(self):
        """Each row reads like a refusal, in capitals too."""
        for text in REFUSALS:
            with self.subTest(text):
                self.assertTrue(keywords.reads_like_refusal(text))
                self.assertTrue(keywords.reads_like_refusal(text.upper()))

    def test_other_texts_are_no_refusals(self):
        """Each row says something else."""
        for text in OTHERS:
            with self.subTest(repr(text)):
                self.assertFalse(keywords.reads_like_refusal(text))

    def test_a_refusal_within_a_long_text_is_seen(self):
        """A refusal at the start, in the middle or at the end of a text is one."""
        story = "We were on the road all day and the weather was fine. " * 90
        for text in (
            f"Please stop texting me. {story}",
            f"{story} Please stop texting me. {story}",
            f"{story} Please stop texting me",
        ):
            self.assertTrue(keywords.reads_like_refusal(text))
        self.assertFalse(keywords.reads_like_refusal(story))

    def test_hostile_texts_take_linear_time(self):
        """No text of 10,000 characters takes longer than a blink, none explodes."""
        pieces = [
            "a",
            "stop ",
            "please ",
            "no ",
            "not, ",
            "don't. ",
            "dont send ",
            "stop the all these ",
            "ne me ",
            "n m ",
            "keine a b ",
            "sie bitte ",
            "remove my a ",
            "i want you to ",
            "sorry hi ",
            "widerrufe a b c d ",
            "svp merci de ",
            "pare ya ",
            "les des ",
            "right now ",
            "texts a b ",
            "arretez de vos ",
            "e\u0301\u0316",
            "\u0f71\u0f72\u0f74",
            "\ufdfa",
            "\ud83d",
            "🛑",
            "\u200b",
            " ",
            "\n",
        ]
        keywords.reads_like_refusal("warm up")
        for piece in pieces:
            text = (piece * 10_000)[:10_000]
            start = time.process_time()
            keywords.normalize(text)
            keywords.normalize("stop" + text)
            keywords.reads_like_refusal(text)
            keywords.reads_like_refusal("stop " + text)
            # About 0.03 s; ten times that, for a busy machine.
            self.assertLess(time.process_time() - start, 0.3, repr(piece))

    def test_any_text_can_be_read(self):
        """Whatever comes in is read without an error."""
        rng = random.Random(20262)
        for _index in range(300):
            text = "".join(chr(rng.randrange(0x11_0000)) for _char in range(60))
            keywords.normalize(text).encode("utf-8")
            keywords.reads_like_refusal(text)
            keywords.reads_like_refusal("stop " + text)


@tagged("post_install", "-at_install")
class TestDefaultAnswers(BaseCase):
    """The words of the hub's own answers."""

    LANGS = ("en", "es", "fr", "de")

    def test_answers_fit_one_part(self):
        """With a company of 30 characters each answer is one part of GSM-7."""
        for kind, texts in keywords.DEFAULT_ANSWERS.items():
            self.assertEqual(tuple(texts), self.LANGS)
            for lang in texts:
                with self.subTest(kind, lang=lang):
                    text = keywords.default_answer(
                        kind, lang, "C" * 30, number="+12025550123"
                    )
                    count = segments.count_segments(text)
                    self.assertEqual(count.encoding, segments.ENCODING_GSM7)
                    self.assertEqual(count.segments, 1, text)
                    self.assertIn("C" * 30, text)
                    self.assertNotIn("{", text)

    def test_answers_name_the_way_back(self):
        """Each answer names the word that reverses or confirms."""
        words = {
            "stop": ["START"],
            "start": ["STOP"],
            "help": ["STOP", "+12025550123"],
            "question": ["STOP"],
            "thanks": ["STOP"],
        }
        for kind, expected in words.items():
            for lang in self.LANGS:
                text = keywords.default_answer(
                    kind, lang, "Acme", number="+12025550123"
                )
                for word in expected:
                    self.assertIn(word, text)
        for lang, word in (("en", "YES"), ("es", "SI"), ("fr", "OUI"), ("de", "JA")):
            self.assertIn(word, keywords.default_answer("question", lang, "Acme"))
        rates = keywords.default_answer("help", "en", "Acme")
        self.assertIn("Msg & data rates may apply", rates)

    def test_language_falls_back(self):
        """A country's variant takes its language, and any other language English."""
        for lang, expected in (
            ("fr", "fr"),
            ("fr_FR", "fr"),
            ("de_CH", "de"),
            ("es-MX", "es"),
            ("EN_GB", "en"),
            ("sr@latin", "en"),
            ("ja_JP", "en"),
            ("", "en"),
            (False, "en"),
            (None, "en"),
        ):
            with self.subTest(lang):
                self.assertEqual(keywords.answer_lang(lang), expected)

    def test_values_are_filled_literally(self):
        """A name with braces or line ends is a name, and other braces stay."""
        name = "{word} {0} {company.__class__} %s \\1"
        text = keywords.default_answer("stop", "en", name)
        self.assertTrue(text.startswith(f"{name}: You will get"), text)
        text = keywords.default_answer("stop", "en", "A\r\nB\0 C")
        self.assertTrue(text.startswith("A B C: "), text)
        self.assertEqual(
            keywords.fill_answer("{company} {other} {} {word}", company="A"),
            "A {other} {} {word}",
        )
        self.assertEqual(keywords.fill_answer("{word}!", word=False), "!")
        self.assertEqual(keywords.fill_answer(False, word="A"), "")

    def test_help_without_a_number_leaves_the_sentence_out(self):
        """Where nobody can be named, HELP does not promise a contact."""
        for lang in self.LANGS:
            with_number = keywords.default_answer("help", lang, "A", number="555")
            without = keywords.default_answer("help", lang, "A")
            self.assertIn("555", with_number)
            self.assertLess(len(without), len(with_number) - 3)
            self.assertNotIn("  ", with_number + without)

    def test_own_word_replaces_the_usual_one(self):
        """An answer can name an organisation's own word."""
        text = keywords.default_answer("stop", "de", "Acme", word="WEITER")
        self.assertIn("WEITER", text)
        self.assertNotIn("START", text)

    def test_unknown_kind_is_refused(self):
        """A kind that has no text is a mistake of the caller."""
        with self.assertRaises(KeyError):
            keywords.default_answer("other", "en", "Acme")
