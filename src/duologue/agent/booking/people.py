"""How many people, as people say it: "party of six", "just me", "me and three friends"."""

from __future__ import annotations

import re

from duologue.agent.booking.vocabulary import NUMBER, Scanner, number

__all__ = ["PEOPLE", "find_people"]

_NOUN = (
    r"(?:people|persons?|guests?|of us|adults?|friends|diners|seats|seater|covers|folks|in total|altogether|in all)\b"
)
_NOT_TIME = rf"(?! (?:oclock|am|pm|ish|in the (?:morning|afternoon|evening)|{NUMBER})(?!\w| (?:people|of us)))"
_WORDS = r"(?:a |the )?(?:couple|half a dozen|dozen)\b"


def _amount(count: str, higher: str) -> str:
    return rf"(?P<{count}>{_WORDS}|{NUMBER})(?: (?:or|to) (?P<{higher}>{NUMBER}))?"


PEOPLE = re.compile(
    "|".join(
        (
            rf"(?P<a>{NUMBER}) adults?(?: and)? (?P<b>an?|{NUMBER}) (?:kids?|child|children|bab(?:y|ies)|toddlers?)\b",
            rf"\b(?:me|myself|i) (?:and|plus|with) (?:my )?(?P<and_me>{NUMBER})(?: \w+)?",
            r"(?P<pair>\b(?:me and (?:my|a) \w+|my \w+ and (?:i|me|myself)|both of us|us two)\b)",
            r"(?P<alone>\b(?:(?:just|only) (?:me|myself|one)|by myself|on my own|me alone|alone)\b)",
            rf"\b(?:table|booking|reservation|party|group|family|seats?|room|place|spot|something|space) (?:for|of) "
            rf"(?:about |around )?{_amount('c1', 'd1')}{_NOT_TIME}(?: {_NOUN})?",
            rf"(?:\bfor )?{_amount('c2', 'd2')}(?: of)? {_NOUN}",
            rf"\b(?:we are|we're|were|there are|there will be|there'll be|we will be|we'll be) (?:about )?"
            rf"(?P<c3>{NUMBER}){_NOT_TIME}",
        )
    )
)
_FOR = re.compile(rf"(?:\bfor )?(?P<c4>\b{_WORDS})(?! of\b)|\bfor (?P<c5>{NUMBER}){_NOT_TIME}(?! (?:days|weeks)\b)")


def find_people(scanner: Scanner, *, weak: bool) -> int | None:
    """The last count of people that is named; `weak`: "for four" counts too."""
    found = scanner.take(PEOPLE) or (scanner.take(_FOR) if weak else [])
    if not found:
        return None
    match {key.rstrip("0123456789"): value for key, value in found[-1].groupdict().items() if value}:
        case {"a": adults, "b": children}:
            return number(adults) + (1 if children in ("a", "an") else number(children))
        case {"and_me": others}:
            return number(others) + 1
        case {"alone": _}:
            return 1
        case {"d": higher}:
            return number(higher)
        case {"c": count}:
            return _count(count)
        case _:
            return 2


def _count(text: str) -> int:
    for words, count in (("couple", 2), ("half a dozen", 6), ("dozen", 12)):
        if text.endswith(words):
            return count
    return number(text)
