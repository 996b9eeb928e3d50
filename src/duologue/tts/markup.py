"""What is written but not said: markdown, HTML, emoji, other scripts."""

from __future__ import annotations

import html
import re
import unicodedata

__all__ = ["latin", "without_markup"]

_HTML_TAG = re.compile(r"<(?:!--|/?[a-zA-Z])[^<>]{0,400}>")
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^<>\s]{1,400})>")
_LINK = re.compile(
    r"!?\[([^\[\]]{0,400})\]\([^()\s]{0,800}(?:\([^()\s]{0,200}\)[^()\s]{0,200})?(?: \"[^\"]{0,200}\")?\)"
)
_FOOTNOTE = re.compile(r"\[\^[^\[\]]{1,40}\]")
_FENCE = re.compile(r"^(?:```|~~~)\S*$")
_RULE = re.compile(r"^[-*_=|: ]{3,}$")
_NUMBERED = re.compile(r"^(\d{1,3})[.)] (?=\S)")
_TIMES = re.compile(r"(?<=\d) ?\* ?(?=\d)")
_LINE_MARK = re.compile(r"^(?:(?:>|#{1,6}(?= )|[-*+•](?= )|\[[ xX]\](?= )) ?)+")
_EMPHASIS = re.compile(r"\*{2,}|__+|~~+|`+|\*(?=\w)|(?<=[\w.,!?)])\*|(?<!\w)_(?=\w)|(?<=\w)_(?!\w)")
_MASKED = re.compile(
    r"(?:\b(?:ending|ends) (?:in|with) )?(?<![\w*])(?:\*{3,8}|[•●]{2,8}|[xX]{3,8})"
    r"(?:[ -]?(?:\*{4}|[•●]{4}|[xX]{4})){0,3}[ -]?(\d{2,4})(?![\w*])"
)
"""The end of a card or an account whose other digits are masked: "**** 4821"."""
_STAR_CODE = re.compile(
    r"(?<![\w*])\*(\d{2,4})(#)|(?:(?<=dial )|(?<=enter )|(?<=press ))\*(\d{1,4})(?![\w*])", re.IGNORECASE
)
"""What is typed on a telephone: "*100#", "dial *67"."""
_EMOTICON = re.compile(r"(?<!\S)(?:[:;=]['o-]?[)(\]\[DPpOo/|\\*]|<3)(?=[\s.,!?]|$)")
_NARROW = "\u00a0\u2009\u202f"
_THOUSANDS = re.compile(
    rf"(?<![\d{_NARROW}.,])[1-9]\d{{0,2}}(?:(?:[{_NARROW}]\d{{3}}){{1,5}}(?![\d{_NARROW}])|(?: 000){{1,5}}(?! ?\d))"
)
"""A number whose thousands are parted by narrow spaces."""
_SUPERSCRIPT = re.compile(r"(?<=[\w)])[⁰¹²³⁴-⁹⁺⁻]{2,8}|(?<=[\w)])[⁰¹⁴-⁹]")
_SPACES = re.compile(r"\s")
_SENTENCE_END = ".!?:;,…。！？"

_LETTERS = str.maketrans(
    {
        "ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d",
        "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i",
        "‘": "'", "’": "'", "‚": "'", "‛": "'", "′": "'", "“": '"', "”": '"', "„": '"', "«": '"',
        "»": '"', "″": '"', "⁄": "/", "‐": "-", "‑": "-", "‒": "-", "−": "-", "―": "—", "…": "... ", "。": ". ",
        "、": ", ", "！": "! ", "？": "? ",
        "¿": None, "¡": None, "™": None, "®": None, "©": None, "\ufeff": None, "\u00ad": None, "\u200b": None,
        "½": " 1/2", "⅓": " 1/3", "⅔": " 2/3", "¼": " 1/4", "¾": " 3/4", "⅛": " 1/8",
        "π": " pi ", "→": " to ", "×": " times ", "÷": " divided by ", "±": " plus or minus ", "√": " root ",
        "≈": " about ", "≤": " at most ", "≥": " at least ", "≠": " is not ", "№": "No. ", "℃": "°C", "℉": "°F",
        "µ": "μ", "•": ", ", "·": " ",
    }
)  # fmt: skip
_KEPT = frozenset("°€£¥¢μ²³§—–₹₩₽₺₪₱₦₫฿₿₴")
"""Signs outside ASCII that have a reading of their own."""


def without_markup(text: str) -> str:
    """The text without markdown and HTML; links keep their words; a line that ends in no mark gets a full stop."""
    text = _THOUSANDS.sub(lambda number: _SPACES.sub(",", number[0]), text)
    text = _SUPERSCRIPT.sub(lambda power: "^" + unicodedata.normalize("NFKC", power[0]).replace("−", "-"), text)
    text = _MASKED.sub(lambda card: f"ending in {' '.join(card[1])}", text)
    text = _EMOTICON.sub(" ", _STAR_CODE.sub(_star_code, text))
    text = _AUTOLINK.sub(r" \1 ", text)
    text = html.unescape(_HTML_TAG.sub(" ", text))
    text = _FOOTNOTE.sub("", _LINK.sub(r"\1", text))
    lines = []
    for raw in text.splitlines():
        line = " ".join(raw.split())
        if _FENCE.match(line) or _RULE.match(line):
            continue
        line = _NUMBERED.sub(r"\1, ", _LINE_MARK.sub("", line))
        line = _EMPHASIS.sub("", _TIMES.sub(" times ", line))
        line = line.strip("| ").replace("|", ",")
        if line:
            lines.append(line)
    return (
        " ".join(line if line[-1] in _SENTENCE_END else line + "." for line in lines[:-1]) + " " + "".join(lines[-1:])
    )


def _star_code(code: re.Match[str]) -> str:
    return f"star {' '.join(code[1] or code[3])}{' pound' if code[2] else ''}"


def latin(text: str) -> str:
    """The text in letters that an English voice can speak: accents dropped, emoji and other scripts left out."""
    kept = []
    for char in text.translate(_LETTERS):
        if char in _KEPT or " " <= char <= "~":
            kept.append(char)
        elif char.isascii():
            kept.append(" ")
        else:
            digit = unicodedata.decimal(char, None)
            plain = unicodedata.normalize("NFKD", char)
            if "⁄" in plain:
                plain = " " + plain.replace("⁄", "/")  # "⅕"
            kept.append("".join(c for c in plain if c.isascii()) if digit is None else str(digit))
    return "".join(kept)
