"""German."""

from __future__ import annotations

import re

from duologue.turn.languages import LanguagePack
from duologue.turn.languages.last_word import judge_by_last_word

__all__ = ["PACK"]

# fmt: off
FILLERS = frozenset(["ach", "äh", "ähm", "eh", "ehm", "hm", "hmm", "mm", "oh", "öh", "öhm", "tja", "naja"])
LEADING = frozenset([
    "aber", "als", "am", "auf", "aus", "bei", "beim", "bis", "da", "damit", "dass", "dein", "deine", "dem", "den",
    "denn", "der", "des", "die", "durch", "ein", "eine", "einem", "einen", "einer", "eines", "er", "für", "gegen",
    "ich", "ihr", "ihre", "im", "in", "ins", "ist", "mein", "meine", "meinem", "meinen", "nach", "ob", "oder", "ohne",
    "sehr", "sein", "seine", "seit", "sind", "sondern", "über", "um", "und", "unser", "unter", "vom", "von", "vor",
    "weil", "wenn", "wie", "wir", "zu", "zum", "zur", "zwischen", "möchte", "brauche", "hätte",
])
PACK = LanguagePack(
    code="de",
    apology="Entschuldigung, da ist etwas schiefgegangen. Können Sie das wiederholen?",
    not_understood="Wie bitte?",
    fillers=("Einen Moment, bitte.", "Ich bin noch dran.", "Danke fürs Warten."),
    responses={
        "goodbye": frozenset(["ciao", "servus", "tschau", "tschüs", "tschüss", "wiederhören", "wiedersehen"]),
        "assent": frozenset([
            "absolut", "ach", "danke", "doch", "einverstanden", "genau", "gern", "gerne", "gut", "ja", "jawohl", "jo",
            "klar", "klasse", "natürlich", "ok", "okay", "prima", "richtig", "schön", "sicher", "stimmt", "super",
            "toll",
        ]),
        "continuer": frozenset(["aha", "mhm", "mmhm", "mhmm"]),
        "filler": FILLERS,
    },
    laughter=re.compile(r"(?:ha|he|hi)+h?"),
    phrases=(
        (
            re.compile(r"\b(?:auf wieder(?:hören|sehen)|bis (?:bald|dann|morgen|später)|schönen tag|gute nacht)\b"),
            "ciao",
        ),
        (
            re.compile(r"\b(?:alles klar|in ordnung|ach so|sehr gut|vielen dank|ich verstehe|das stimmt|na klar)\b"),
            "ja",
        ),
    ),
    requests=re.compile(
        r"\b(?:sagen sie|sag mir|können sie|könnten sie|würden sie|nennen sie"
        r"|bitte (?:bestätigen|wiederholen|buchstabieren)|ich brauche ihre?n?)\b"
    ),
    subjects=frozenset(["ich", "du", "er", "sie", "es", "wir", "ihr", "das", "man"]),
    numerals=frozenset([
        "null", "eins", "zwei", "zwo", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf",
        "zwölf", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig", "hundert",
    ]),
    date_words=frozenset([
        "januar", "jänner", "februar", "märz", "april", "mai", "juni", "juli", "august", "september", "oktober",
        "november", "dezember", "montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag",
    ]),
    judge=judge_by_last_word(LEADING, FILLERS),
)
