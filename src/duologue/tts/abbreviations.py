"""Short forms and signs, as they are said."""

from __future__ import annotations

import re

__all__ = ["TITLES", "spoken_abbreviations", "spoken_signs"]

TITLES = {
    "Mr": "Mister", "Mrs": "Missus", "Ms": "Miz", "Dr": "Doctor", "Prof": "Professor", "St": "Saint", "Mt": "Mount",
    "Gen": "General", "Gov": "Governor", "Sen": "Senator", "Rep": "Representative", "Capt": "Captain",
    "Lt": "Lieutenant", "Col": "Colonel", "Sgt": "Sergeant", "Rev": "Reverend", "Hon": "Honorable",
}  # fmt: skip
"""Short forms that stand before a name."""

_AFTER_NAMES = {"Dr": "Drive", "St": "Street"}
_SHORT = {
    "e.g.": "for example", "i.e.": "that is", "etc.": "et cetera", "vs.": "versus", "vs": "versus",
    "approx.": "approximately", "est.": "established", "dept.": "department", "Dept.": "Department",
    "min.": "minimum", "max.": "maximum", "no.": "number", "vol.": "volume", "Vol.": "Volume", "fig.": "figure",
    "Fig.": "Figure", "cf.": "compare", "Jr.": "Junior", "Sr.": "Senior", "Ave.": "Avenue", "Blvd.": "Boulevard",
    "Rd.": "Road", "Ln.": "Lane", "Hwy.": "Highway", "Apt.": "Apartment", "Ste.": "Suite", "Bldg.": "Building",
    "Inc.": "Incorporated", "Ltd.": "Limited", "Corp.": "Corporation", "Co.": "Company", "Bros.": "Brothers",
    "Assn.": "Association", "Mon.": "Monday", "Tue.": "Tuesday", "Tues.": "Tuesday", "Wed.": "Wednesday",
    "Thu.": "Thursday", "Thurs.": "Thursday", "Fri.": "Friday", "Jan.": "January", "Feb.": "February",
    "Aug.": "August", "Sept.": "September", "Sep.": "September", "Oct.": "October", "Nov.": "November",
    "Dec.": "December", "w/o": "without", "w/": "with ", "Ph.D.": "PhD", "a.k.a.": "also known as",
    "ext.": "extension", "tel.": "telephone", "Tel.": "Telephone",
}  # fmt: skip
_NUMBERED = frozenset(("no.", "vol.", "Vol.", "fig.", "Fig.", "min.", "max."))
"""Short forms that are words of their own unless a figure follows."""

_TITLE = re.compile(rf"(\b[A-Z][a-z]{{1,30}} )?\b({'|'.join(TITLES)})\.(?= ?(\S?))")
_ABBREVIATION = re.compile(
    rf"(?<![\w.])({'|'.join(re.escape(short) for short in sorted(_SHORT, key=len, reverse=True))})(?!\w)(?=(\s?\S?))"
)
_SIGNS = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"(?<=[a-z0-9]{2})\.(?=[a-z]{2})", " dot "),
        (r"(?<=[a-z]{2})([.!?])(?=[A-Z])|(?<=[A-Za-z])([,;:])(?=[A-Za-z])", r"\1\2 "),
        (r"\s?&\s?", " and "),
        (r"\s?@\s?", " at "),
        (r"\s?%+", " percent "),
        (r"\b([CF])#", r"\1 sharp "),
        (r"(?<=[\w+]) ?\+|\+(?=\w)", " plus "),
        (r"(?<=\w)\s?=\s?(?=\w)", " equals "),
        (r"(?<=\w)\s?\^\s?(?=\w)", " to the power of "),
        (r"(?<=\w) ?< ?(?=\w)", " less than "),
        (r"(?<=\w) ?> ?(?=\w)", " greater than "),
        (r"~\s?(?=\w)", "about "),
        (r"(?<=\w) ?\* ?(?=\w)", " times "),
        (r"#(?=\w)", " number "),
        (r"°", " degrees "),
        (r"§\s?", "section "),
        (r"²", " squared "),
        (r"³", " cubed "),
        (r"[$]+(?!\w)", " dollars "),
        (r"€", " euros "),
        (r"£", " pounds "),
        (r"¥", " yen "),
        (r"\s[-–]+\s|–|-{2,}", " — "),
    )
)


def spoken_abbreviations(text: str) -> str:
    """The text with short forms in full: "Dr. Smith" is "Doctor Smith", "e.g." is "for example"."""
    return _ABBREVIATION.sub(_in_full, _TITLE.sub(_title, text))


def _title(match: re.Match[str]) -> str:
    before, title, following = match[1] or "", match[2], match[3]
    if title in _AFTER_NAMES and (before or not following.isupper()):
        return before + _AFTER_NAMES[title] + ("." if not following or following.isupper() else "")
    return before + TITLES[title]


def _in_full(match: re.Match[str]) -> str:
    short, following = match[1], match[2].strip()
    if short in _NUMBERED and not following.isdigit():
        return short
    return _SHORT[short] + ("." if short.endswith(".") and not following else "")


def spoken_signs(text: str) -> str:
    """The text with signs such as "&" and "+" as words."""
    for pattern, words in _SIGNS:
        text = pattern.sub(words, text)
    return text
