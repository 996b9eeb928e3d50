"""What callers say means to a booking agent what they mean by it, before any speech is made of it."""

import random
from datetime import date, timedelta

import pytest

from duologue.agent.booking.intents import Intent
from duologue.agent.booking.parse import Slot, Understood, parse
from duologue.callers.goals import HOURS, NAMES, PEOPLE, Goal, draw_goal, draw_habits, number_word
from duologue.callers.phrases import INTERRUPTIONS, PAUSE, options

TODAY = date(2026, 6, 10)  # a Wednesday


def goals() -> list[Goal]:
    """Goals in which every value that callers use occurs."""
    drawn = [draw_goal(random.Random(seed), TODAY) for seed in range(400)]
    assert {goal.people for goal in drawn} == set(PEOPLE)
    assert {goal.name for goal in drawn} == set(NAMES)
    assert {goal.time.hour - 12 for goal in drawn} == set(HOURS)
    assert {goal.day for goal in drawn} == {TODAY + timedelta(days=ahead) for ahead in range(1, 7)}
    return drawn


def understood(text: str, asked: Slot | None) -> Understood:
    return parse(text.replace(PAUSE, " "), today=TODAY, asked=asked)


def values(goal: Goal) -> dict[str, str]:
    return {"people": number_word(goal.people), "day": goal.day_said, "time": goal.time_said, "name": goal.name}


@pytest.mark.parametrize("slot", list(Slot))
def test_an_answer_gives_what_was_asked_and_nothing_else(slot: Slot) -> None:
    for goal in goals():
        for act in (slot.value, f"{slot.value}_hesitating", f"correct_{slot.value}"):
            for text in options(act, values(goal)):
                meant = understood(text, slot)
                for other in Slot:
                    given = getattr(meant, other.value)
                    wanted = getattr(goal, other.value) if other is slot else None
                    assert given == wanted, text
                assert meant.number is None, text
                assert meant.impossible is None, text
                assert not meant.intents & {Intent.CANCEL, Intent.START_OVER, Intent.BYE, Intent.REPEAT}, text


def test_several_things_at_once_are_all_understood() -> None:
    for goal in goals():
        for act in ("several", "several_hesitating"):
            for text in options(act, values(goal)):
                meant = understood(text, Slot.PEOPLE)
                assert (meant.people, meant.day, meant.time, meant.name) == (goal.people, goal.day, None, None), text


@pytest.mark.parametrize(
    ("act", "intent"),
    [("yes", Intent.YES), ("no", Intent.NO), ("again", Intent.YES), ("more", Intent.BYE), ("give_up", Intent.CANCEL),
     ("repeat", Intent.REPEAT)],
)  # fmt: skip
def test_what_gives_no_value_says_what_is_wanted(act: str, intent: Intent) -> None:
    for text in options(act, {}):
        meant = understood(text, None)
        assert intent in meant.intents, text
        assert (meant.people, meant.day, meant.time, meant.name, meant.number) == (None,) * 5, text


def test_interruptions_change_no_booking() -> None:
    for text in INTERRUPTIONS:
        meant = understood(text, Slot.DAY)
        assert meant.intents & {Intent.REPEAT, Intent.WAIT}, text
        assert (meant.people, meant.day, meant.time, meant.name, meant.number) == (None,) * 5, text


def test_there_is_a_phrase_for_every_length() -> None:
    for slot in ("people", "day", "time", "name"):
        words = [len(text.split()) for text in options(slot, values(goals()[0]))]
        assert words == sorted(words)
        assert words[0] <= 4
        assert words[-1] >= 20


def test_habits_are_drawn_in_the_shares_that_are_told() -> None:
    wanted = goals()
    habits = [draw_habits(random.Random(seed), wanted[seed % 50]) for seed in range(1000)]
    assert 0.2 < sum(h.volunteers for h in habits) / 1000 < 0.3
    assert 0.28 < sum(h.hesitates for h in habits) / 1000 < 0.39
    assert 0.1 < sum(h.slip is not None for h in habits) / 1000 < 0.2
