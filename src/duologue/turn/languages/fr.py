"""French."""

from __future__ import annotations

import re

from duologue.turn.languages import LanguagePack
from duologue.turn.languages.last_word import judge_by_last_word

__all__ = ["PACK"]

# fmt: off
FILLERS = frozenset(["ah", "bah", "ben", "beh", "euh", "eu", "heu", "hein", "hm", "hmm", "hum", "mm", "oh"])
LEADING = frozenset([
    "à", "afin", "alors", "au", "aux", "avec", "car", "ce", "ces", "cet", "cette", "chez", "comme", "contre", "d",
    "dans", "de", "depuis", "des", "donc", "du", "elle", "en", "entre", "est", "et", "il", "j", "je", "l", "la", "le",
    "les", "leur", "lorsque", "ma", "mais", "mes", "mon", "ne", "ni", "nos", "notre", "nous", "on", "ou", "où", "par",
    "parce", "pendant", "pour", "puis", "qu", "quand", "que", "qui", "sa", "sans", "ses", "si", "son", "sont", "sous",
    "sur", "ta", "tes", "ton", "très", "tu", "un", "une", "vers", "vos", "votre", "voudrais",
])
PACK = LanguagePack(
    code="fr",
    apology="Pardon, quelque chose n'a pas marché. Pouvez-vous répéter ?",
    not_understood="Pardon ?",
    fillers=("Un instant, s'il vous plaît.", "Je m'en occupe.", "Merci de patienter."),
    responses={
        "goodbye": frozenset(["adieu", "ciao", "salut"]),
        "assent": frozenset([
            "absolument", "accord", "bien", "bon", "certainement", "cool", "exact", "exactement", "génial", "merci",
            "ok", "okay", "ouais", "oui", "parfait", "super", "vrai", "voilà", "volontiers",
        ]),
        "continuer": frozenset(["mhm", "mmhm", "mmm"]),
        "filler": FILLERS,
    },
    laughter=re.compile(r"(?:ha|hé|hi)+h?|mdr"),
    phrases=(
        (
            re.compile(r"\b(?:au revoir|à (?:bientôt|demain|plus tard|la prochaine)|bonne (?:journée|soirée|nuit))\b"),
            "adieu",
        ),
        (re.compile(
            r"\b(?:d accord|bien sûr|je (?:comprends|vois)|très bien|c est (?:vrai|bon|ça|parfait)|merci beaucoup"
            r"|tout à fait|ça marche|ça va)\b"
        ), "oui"),
    ),
    requests=re.compile(
        r"\b(?:dites moi|dis moi|pouvez vous|pourriez vous|veuillez|confirmez|il me faut votre|quel est votre)\b"
    ),
    subjects=frozenset(["je", "j", "tu", "il", "elle", "on", "nous", "vous", "ils", "elles", "c", "ça", "ce"]),
    numerals=frozenset([
        "zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze", "douze",
        "treize", "quatorze", "quinze", "seize", "vingt", "trente", "quarante", "cinquante", "soixante", "cent",
    ]),
    date_words=frozenset([
        "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
        "décembre", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche",
    ]),
    judge=judge_by_last_word(LEADING, FILLERS),
)
