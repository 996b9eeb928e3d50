"""Spanish."""

from __future__ import annotations

import re

from duologue.turn.languages import LanguagePack
from duologue.turn.languages.last_word import judge_by_last_word

__all__ = ["PACK"]

# fmt: off
FILLERS = frozenset(["ah", "eh", "ehh", "ehm", "em", "hm", "hmm", "mm", "oh", "uh", "uy", "este", "pues"])
LEADING = frozenset([
    "a", "al", "ante", "como", "con", "contra", "cuando", "cuyo", "de", "del", "desde", "donde", "e", "el", "en",
    "entre", "hacia", "hasta", "la", "las", "los", "mi", "mis", "ni", "o", "para", "pero", "por", "porque", "que",
    "según", "si", "sin", "sobre", "su", "sus", "tras", "tu", "tus", "u", "un", "una", "unas", "unos", "y", "aunque",
    "muy", "quiero", "necesito", "quisiera", "es", "son", "está", "tengo",
])
PACK = LanguagePack(
    code="es",
    apology="Perdone, algo ha fallado. ¿Puede repetirlo?",
    not_understood="¿Perdón?",
    fillers=("Un momento, por favor.", "Sigo en ello.", "Gracias por esperar."),
    responses={
        "goodbye": frozenset(["adiós", "adios", "chao", "chau"]),
        "assent": frozenset([
            "bien", "bueno", "claro", "correcto", "cierto", "dale", "entiendo", "exacto", "genial", "gracias", "ok",
            "okay", "perfecto", "sí", "si", "vale", "ya", "verdad",
        ]),
        "continuer": frozenset(["ajá", "aja", "mhm", "mmhm", "mjm"]),
        "filler": FILLERS - {"este", "pues"},
    },
    laughter=re.compile(r"(?:ja|je|ji|ha)+j?"),
    phrases=(
        (
            re.compile(r"\b(?:hasta (?:luego|mañana|pronto|la vista)|nos vemos|buen(?:as|os)? (?:noches|día|tarde))\b"),
            "adiós",
        ),
        (
            re.compile(r"\b(?:de acuerdo|por supuesto|está bien|muy bien|muchas gracias|lo entiendo|ya veo|eso es)\b"),
            "sí",
        ),
    ),
    requests=re.compile(
        r"\b(?:dígame|dime|podría|puede(?:s)? (?:decir|darme|repetir|confirmar)|confirme|necesito su|cuál es su)\b"
    ),
    subjects=frozenset(["yo", "tú", "él", "ella", "nosotros", "ustedes", "ellos", "ellas", "es", "hay", "quiero"]),
    numerals=frozenset([
        "cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez", "once", "doce",
        "trece", "catorce", "quince", "veinte", "treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta",
        "noventa",
    ]),
    date_words=frozenset([
        "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
        "noviembre", "diciembre", "lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo",
    ]),
    judge=judge_by_last_word(LEADING, FILLERS),
)
