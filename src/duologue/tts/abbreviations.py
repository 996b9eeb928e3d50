"""Short forms, in full."""

from __future__ import annotations

import re

from duologue.tts.number_words import digits
from duologue.tts.rules import RuleMatch, Rules, word_set

__all__ = ["ABBREVIATION_RULES", "TITLES"]

TITLES = {
    "Mr": "Mister", "Mrs": "Missus", "Ms": "Miz", "Dr": "Doctor", "Prof": "Professor", "St": "Saint", "Mt": "Mount",
    "Gen": "General", "Gov": "Governor", "Sen": "Senator", "Rep": "Representative", "Capt": "Captain",
    "Ft": "Fort", "Lt": "Lieutenant", "Col": "Colonel", "Sgt": "Sergeant", "Rev": "Reverend", "Hon": "Honorable",
}  # fmt: skip
"""Short forms that stand before a name."""

_WITHOUT_STOP = "Mrs|Mr|Ms|Dr|Prof|St|Mt|Capt|Sgt|Lt"
_AFTER_NAMES = {"Dr": "Drive", "St": "Street"}
_STREETS = {
    "Ave": "Avenue", "Blvd": "Boulevard", "Rd": "Road", "Ln": "Lane", "Hwy": "Highway", "Pkwy": "Parkway",
    "Ct": "Court", "Pl": "Place", "Sq": "Square", "Apt": "Apartment", "Ste": "Suite", "Bldg": "Building", "Rm": "Room",
    "Fl": "Floor", "Rte": "Route", "AVE": "Avenue", "BLVD": "Boulevard", "RD": "Road", "LN": "Lane", "APT": "Apartment",
}  # fmt: skip
_DIRECTIONS = {
    "N": "North", "S": "South", "E": "East", "W": "West", "NE": "Northeast", "NW": "Northwest", "SE": "Southeast",
    "SW": "Southwest",
}  # fmt: skip
_SHORT = {
    "e.g.": "for example", "eg.": "for example", "i.e.": "that is", "ie.": "that is", "etc.": "et cetera",
    "etc": "et cetera", "vs.": "versus", "vs": "versus", "v.": "versus", "approx.": "approximately",
    "approx": "approximately", "est.": "established", "dept.": "department", "Dept.": "Department", "min.": "minimum",
    "max.": "maximum", "no.": "number", "No.": "number", "nos.": "numbers", "Nos.": "numbers", "vol.": "volume",
    "Vol.": "Volume", "fig.": "figure", "Fig.": "Figure", "ch.": "chapter", "Ch.": "Chapter", "p.": "page",
    "pp.": "pages", "sec.": "section", "Sec.": "Section", "art.": "article", "Art.": "Article", "cf.": "compare",
    "ca.": "circa", "c.": "circa", "Jr.": "Junior", "Jr": "Junior", "Sr.": "Senior", "Sr": "Senior",
    "Inc.": "Incorporated", "Inc": "Incorporated", "Ltd.": "Limited", "Ltd": "Limited", "Corp.": "Corporation",
    "Co.": "Company", "Bros.": "Brothers", "Assn.": "Association", "Assoc.": "Association", "Univ.": "University",
    "Mon.": "Monday", "Tue.": "Tuesday", "Tues.": "Tuesday", "Wed.": "Wednesday", "Thu.": "Thursday",
    "Thur.": "Thursday", "Thurs.": "Thursday", "Fri.": "Friday", "Jan.": "January", "Feb.": "February",
    "Apr.": "April", "Aug.": "August", "Sept.": "September", "Sep.": "September", "Oct.": "October",
    "Nov.": "November", "Dec.": "December", "w/o": "without", "w/": "with ", "Ph.D.": "PhD", "a.k.a.": "also known as",
    "aka": "also known as", "ext.": "extension", "tel.": "telephone", "Tel.": "Telephone", "appt.": "appointment",
    "Appt.": "Appointment", "appt": "appointment", "acct.": "account", "Acct.": "Account", "ref.": "reference",
    "Ref.": "Reference", "avg.": "average", "misc.": "miscellaneous", "incl.": "including",
    "govt.": "government", "mgr.": "manager", "asst.": "assistant", "n/a": "not applicable",
    "N/A": "not applicable", "c/o": "care of", "s/he": "she or he", "he/she": "he or she", "she/he": "she or he",
    "his/her": "his or her", "him/her": "him or her", "yes/no": "yes or no", "on/off": "on or off",
    "pass/fail": "pass or fail", "km/h": "kilometers per hour", "mph": "miles per hour",
    "kph": "kilometers per hour", "am/pm": "a.m. or p.m.", "Esq.": "Esquire",
}  # fmt: skip
_NUMBERED = word_set("no. No. nos. Nos. vol. Vol. fig. Fig. ch. Ch. p. pp. sec. Sec. art. Art. min. max. ca. c. est.")
"""Short forms that are words of their own unless a digit follows."""
_BETWEEN = frozenset(("v.",))
"""Short forms that stand between two names."""

_STATES = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California", "CO": "Colorado",
    "CT": "Connecticut", "DE": "Delaware", "DC": "D C", "FL": "Florida", "GA": "Georgia", "HI": "Hawaii",
    "ID": "Idaho", "IL": "Illinois", "IN": "Indiana", "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky",
    "LA": "Louisiana", "ME": "Maine", "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota",
    "MS": "Mississippi", "MO": "Missouri", "MT": "Montana", "NE": "Nebraska", "NV": "Nevada", "NH": "New Hampshire",
    "NJ": "New Jersey", "NM": "New Mexico", "NY": "New York", "NC": "North Carolina", "ND": "North Dakota",
    "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon", "PA": "Pennsylvania", "PR": "Puerto Rico", "RI": "Rhode Island",
    "SC": "South Carolina", "SD": "South Dakota", "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VT": "Vermont",
    "VA": "Virginia", "WA": "Washington", "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming",
}  # fmt: skip
_WORDS_TOO = frozenset(("HI", "ID", "IN", "LA", "ME", "OK", "OR", "PA"))
_CITY = re.compile(r"(?:^|[^A-Za-z])[A-Z][a-z]{2,20},? $")
_NAME = re.compile(r"[A-Z](?:[a-z'-]{1,30}|[A-Z]{1,30}) $|\d(?:st|nd|rd|th|ST|ND|RD|TH) $")


def _title(match: RuleMatch) -> str | None:
    title, stop, following = match[1], match[2], match[3] or ""
    is_after = _NAME.search(match.before(32)) is not None
    if title in _AFTER_NAMES and (is_after or (stop and not following.isupper())):
        ends = not following or following.isupper()
        return _AFTER_NAMES[title] + ("." if stop and ends else "")
    if not stop and not (following.isupper() and title in _WITHOUT_STOP.split("|")):
        return None
    return TITLES[title]


def _street(match: RuleMatch) -> str | None:
    name, stop, following = match[1], match[2], match[3] or ""
    is_unit = name in ("Apt", "APT", "Ste", "Bldg", "Rm", "Fl", "Hwy", "Rte")
    if not (following.isdecimal() if is_unit else _NAME.search(match.before(32))) and not stop:
        return None
    ends = stop and (not following or following.isupper()) and not is_unit
    return _STREETS[name] + ("." if ends and not following else "")


def _direction(match: RuleMatch) -> str | None:
    """A direction in an address: "123 N. Main St.", "5th Ave NW"."""
    is_first = re.search(r"\d[A-Z]? $", match.before(3)) and match[3]
    is_last = re.search(r"(?:Ave|St|Rd|Blvd|Street|Avenue|Road|Drive|Dr|Ln|Lane)\.? $", match.before(16))
    return _DIRECTIONS[match[1]] if is_first or (is_last and len(match[1]) == 2) else None


def _in_full(match: RuleMatch) -> str | None:
    short, following = match[1], match[2].strip()
    if short in _NUMBERED and not following.isdecimal():
        return None
    if short in _BETWEEN and not (following.isupper() and _NAME.search(match.before(32))):
        return None
    return _SHORT[short] + ("." if short.endswith(".") and not following else "")


def _state(match: RuleMatch) -> str | None:
    """A state of the US after a city, or before a zip code: "Austin, TX 78701"."""
    state, code, more = match.groups()
    after_city = _CITY.search(match.before(24)) is not None
    if (state in _WORDS_TOO or not code) and not (after_city and (code or state not in _WORDS_TOO)):
        return None
    if not code and "," not in match.before(2):
        return None
    parts = [_STATES[state], *(digits(part) for part in (code, more) if part)]
    return f"{parts[0]} {', '.join(parts[1:])}".rstrip()


_ANY_SHORT = "|".join(re.escape(short) for short in sorted(_SHORT, key=len, reverse=True))

ABBREVIATION_RULES = Rules(
    re.compile(r"[A-Za-z]{1,6}[./]|[A-Z]|etc|vs|aka|app|[mk]ph"),
    (
        (re.compile(rf"({'|'.join(TITLES)})(?![A-Za-z])(\.)?(?=(?: ?(\S))?)"), _title),
        (re.compile(rf"({'|'.join(_STATES)})(?: (\d{{5}})(?:-(\d{{4}}))?)?(?![\w-])"), _state),
        (re.compile(rf"({'|'.join(_STREETS)})(?![A-Za-z])(\.)?(?=(?: ?(\S))?)"), _street),
        (re.compile(r"(N[EW]?|S[EW]?|E|W)(?![A-Za-z])(\.)?(?=( [A-Z0-9][a-z0-9])?)"), _direction),
        (re.compile(rf"({_ANY_SHORT})(?!\w)(?=(\s?\S?))"), _in_full),
    ),
)
"""Short forms; they begin with a letter."""
