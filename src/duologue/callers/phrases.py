"""What callers say, from a second to eight. A bar marks a pause inside a turn."""

from __future__ import annotations

from typing import Final

__all__ = ["INTERRUPTIONS", "MONOLOGUE", "PAUSE", "options"]

PAUSE: Final = "|"

_SAID: Final[dict[str, tuple[str, ...]]] = {
    "people": (
        "{people} people, please.",
        "A table for {people} people, please.",
        "We would like a table for {people} people, if you have it.",
        "It's a birthday dinner, so we would like a table for {people} people, please.",
        "We had such a lovely evening with you in the spring, and we would like a table for {people} people, please.",
        "My whole family is in town, and everybody has been talking about your kitchen, so I would like a table "
        "for {people} people, please.",
        "It's a birthday dinner, and my whole family will be there, and everybody has been talking about your "
        "kitchen for weeks, so we would like a table for {people} people, please.",
    ),
    "people_hesitating": (
        "A table for | {people} people, please.",
        "We would like a table for | {people} people, if you have it.",
        "My whole family is in town, so we would like a table for | {people} people, please.",
    ),
    "day": (
        "{day}, please.",
        "We would like to come {day}, please.",
        "If there is still something free, we would love to come {day}.",
        "Everybody has to work quite late in general, so it would be best if we could come {day}.",
        "I have asked everybody in the family, and it was not easy, but all of us can make it {day}.",
        "I have asked everybody in the family, and you know how difficult it always is, but it seems that all of us "
        "can make it {day}.",
    ),
    "day_hesitating": (
        "We would like to come | {day}, please.",
        "I have asked everybody in the family, and all of us can make it | {day}.",
    ),
    "time": (
        "At {time}.",
        "At {time}, please.",
        "We would like to come at {time}, please.",
        "Some of us have a long way, so it would be best if we could come at {time}.",
        "The trains are always so very slow, and some of us have a long way, so it would be best if we came at {time}.",
        "The trains are always so very slow, and some of us have a long way, and the traffic is terrible as well, "
        "so it would be best if we came at {time}.",
    ),
    "time_hesitating": (
        "We would like to come at | {time}, please.",
        "The trains are always so very slow, so it would be best if we came at | {time}.",
    ),
    "name": (
        "The name is {name}.",
        "Please put it under the name {name}.",
        "You may have it in your book already, but the name is {name}.",
        "We have been with you before, so you may have it in your book already, but the name is {name}.",
        "We have been with you before, and my husband always makes the bookings, so you may have it in your book "
        "already, but the name is {name}.",
    ),
    "name_hesitating": (
        "The name is | {name}.",
        "We have been with you before, but the name is | {name}.",
    ),
    "several": (
        "A table for {people} people {day}, please.",
        "We would like a table for {people} people {day}, if you have it.",
        "My whole family is in town, so we would like a table for {people} people {day}, please.",
        "My whole family is in town, and everybody has been talking about your kitchen, so we would like a table for "
        "{people} people {day}, please.",
    ),
    "several_hesitating": (
        "A table for {people} people | {day}, please.",
        "My whole family is in town, so we would like a table for {people} people | {day}, please.",
    ),
    "slip": (
        "A table for {slip} people, please.",
        "We would like a table for {slip} people, if you have it.",
        "It's a birthday dinner, so we would like a table for {slip} people, please.",
    ),
    "correct_people": (
        "No, make that {people} people.",
        "Sorry, no, make that {people} people, please.",
        "Oh, sorry, no, I was thinking of last year, make that {people} people, please.",
    ),
    "correct_day": ("No, {day}, please.", "No, sorry, we would like to come {day}."),
    "correct_time": ("No, at {time}, please.", "No, sorry, we would like to come at {time}."),
    "correct_name": ("No, the name is {name}.", "No, sorry, the name is {name}."),
    "yes": (
        "Yes.",
        "Yes, that's right.",
        "Yes, that's right, thank you very much.",
        "Yes, that's right, and thank you so much for being so kind and so patient with me.",
        "Yes, that's right, that is exactly what we wanted, and thank you so much for being so kind and so patient "
        "with me.",
    ),
    "no": ("No, that's not right.", "No, I'm sorry, that's not right."),
    "again": ("Yes, please.", "Yes, let's start again."),
    "more": ("No, thank you, goodbye.",),
    "repeat": ("Sorry, could you say that again?",),
    "are_people": ("I mean the people.",),
    "is_time": ("I mean the time.",),
    "give_up": ("Never mind, thank you, goodbye.",),
}

INTERRUPTIONS: Final = (
    "Sorry, could you say that again?",
    "Excuse me, could you repeat that?",
    "Hold on a moment, please.",
)
"""What is said while the agent speaks; the agent answers each and keeps its question."""

MONOLOGUE: Final = (
    "When I was a child, we used to spend every summer in a small house by the sea,",
    "and my grandfather, who had been a sailor, would tell us the same stories every evening,",
    "about storms and whales and islands that nobody had ever drawn on a map,",
    "and although we knew that half of it could not possibly be true,",
    "we sat on the wooden floor and listened until the lamp went out,",
    "because he had a way of leaving out exactly the part that we wanted to hear,",
    "so that we would ask him for it again on the following evening,",
    "and in the morning the water was so cold that we could not feel our feet,",
    "but we went in all the same and shouted as loudly as we could,",
    "and the old woman from the shop used to bring us warm bread and plums,",
    "which we ate on the stones while the fishing boats came back to the harbour,",
)


def options(act: str, values: dict[str, str]) -> tuple[str, ...]:
    """All ways to say this, shortest first."""
    return tuple(_upper(text.format(**values)) for text in _SAID[act])


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]
