"""Mandarin text as phonemes: characters to pinyin by dictionary, and pinyin to the phonemes of Kokoro by table.

Sources: pypinyin (MIT) for the readings; for the sounds S. Duanmu, The Phonology of Standard Chinese, 2nd ed., 2007,
in the notation that Kokoro's voices were trained on (misaki 0.9, Apache-2.0).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from duologue.errors import NotInstalledError
from duologue.tts.kokoro.figures import with_mandarin_figures

__all__ = ["MandarinPhonemes", "syllable_phonemes"]

_TONES: Final = {"1": "→", "2": "↗", "3": "↓", "4": "↘", "5": ""}
_INITIALS: Final = {
    "zh": "ꭧ", "ch": "ꭧʰ", "sh": "ʂ", "b": "p", "p": "pʰ", "m": "m", "f": "f", "d": "t", "t": "tʰ", "n": "n", "l": "l",
    "g": "k", "k": "kʰ", "h": "x", "j": "ʨ", "q": "ʨʰ", "x": "ɕ", "r": "ɻ", "z": "ʦ", "c": "ʦʰ", "s": "s",
}  # fmt: skip
# Glide, vowel, ending of each final; the tone stands behind the vowel.
_FINALS: Final = {
    "a": ("", "a", ""), "ai": ("", "ai", ""), "an": ("", "a", "n"), "ang": ("", "a", "ŋ"), "ao": ("", "au", ""),
    "e": ("", "ɤ", ""), "ei": ("", "ei", ""), "en": ("", "ə", "n"), "eng": ("", "ə", "ŋ"), "er": ("", "ɚ", ""),
    "i": ("", "i", ""), "ia": ("j", "a", ""), "ian": ("j", "ɛ", "n"), "iang": ("j", "a", "ŋ"), "iao": ("j", "au", ""),
    "ie": ("j", "e", ""), "in": ("", "i", "n"), "ing": ("", "i", "ŋ"), "iong": ("j", "ʊ", "ŋ"), "iou": ("j", "ou", ""),
    "o": ("w", "o", ""), "ong": ("", "ʊ", "ŋ"), "ou": ("", "ou", ""), "u": ("", "u", ""), "ua": ("w", "a", ""),
    "uai": ("w", "ai", ""), "uan": ("w", "a", "n"), "uang": ("w", "a", "ŋ"), "uei": ("w", "ei", ""),
    "uen": ("w", "ə", "n"), "ueng": ("w", "ə", "ŋ"), "uo": ("w", "o", ""), "v": ("", "y", ""), "ve": ("ɥ", "e", ""),
    "van": ("ɥ", "ɛ", "n"), "vn": ("", "y", "n"), "ê": ("", "ɛ", ""), "io": ("j", "ɔ", ""),
}  # fmt: skip
_MARKS: Final = str.maketrans(
    {
        "、": ", ", "，": ", ", "。": ". ", "．": ". ", "！": "! ", "？": "? ", "：": ": ", "；": "; ", "（": " (",
        "）": ") ", "《": " “", "》": "” ", "「": " “", "」": "” ", "【": " “", "】": "” ", "·": " ", "～": "—",
    }
)  # fmt: skip
_RUN = re.compile(r"[\u3400-\u9fff]+|[A-Za-z][A-Za-z' -]*|[^\u3400-\u9fffA-Za-z]+")
_HAN = re.compile(r"[\u3400-\u9fff]")


class MandarinPhonemes:
    """Reads Mandarin text as phonemes. Words in Latin letters are read by `english`.

    Raises NotInstalledError where pypinyin is missing.
    """

    def __init__(self, english: Callable[[str], str]) -> None:
        try:
            from pypinyin import Style, lazy_pinyin
            from pypinyin.seg.mmseg import seg
        except ImportError as error:
            raise NotInstalledError(
                "The package 'pypinyin' is not installed.", hint="Install it: pip install 'duologue[kokoro]'."
            ) from error
        self._english = english
        self._cut: Callable[[str], Any] = seg.cut
        self._pinyin: Callable[[str], list[str]] = lambda word: lazy_pinyin(
            word, style=Style.TONE3, neutral_tone_with_five=True, v_to_u=False
        )

    def __call__(self, text: str) -> str:
        """The phonemes of a text, with its marks."""
        said = ""
        for run in _RUN.findall(with_mandarin_figures(text).translate(_MARKS)):
            if _HAN.match(run):
                words = ("".join(map(syllable_phonemes, self._pinyin(word))) for word in self._cut(run))
                said += " ".join(words)
            elif run[0].isascii() and run[0].isalpha():
                said += f" {self._english(run.strip())} "
            else:
                said += run
        return " ".join(said.split())


def syllable_phonemes(pinyin: str) -> str:
    """The phonemes of a syllable of pinyin with its tone as a number, such as "hao3"; none for anything else."""
    tone = _TONES.get(pinyin[-1:])
    if tone is None:
        return ""
    letters = pinyin[:-1]
    initial = next((i for i in (letters[:2], letters[:1]) if i in _INITIALS), "")
    final = letters[len(initial) :]
    onset = _INITIALS.get(initial, "")
    if initial in ("zh", "ch", "sh", "r", "z", "c", "s") and final == "i":
        return f"{onset}ɨ{tone}"
    glide, vowel, ending = _FINALS.get(_full(initial, final), ("", "", ""))
    return f"{onset}{glide}{vowel}{tone}{ending}"


def _full(initial: str, final: str) -> str:
    """The final as the table has it: pinyin shortens some, and writes others with y and w."""
    if initial in ("j", "q", "x") and final.startswith("u"):
        return "v" + final[1:]
    if not initial and final.startswith("y"):
        rest = final[1:]
        if rest.startswith(("u", "v")):
            return "v" + rest[1:]
        return rest if rest.startswith("i") else _full("-", "i" + rest)
    if not initial and final.startswith("w"):
        rest = final[1:]
        return rest if rest.startswith("u") else _full("-", "u" + rest)
    return {"iu": "iou", "ui": "uei", "un": "uen", "ue": "ve"}.get(final, final)
