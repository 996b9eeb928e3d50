"""What callers answer, and what they make of the agent's words. The agent here is the real booking agent, as rules."""

import random
from datetime import date, time

import pytest

from duologue.agent.booking.dialogue import respond
from duologue.agent.booking.parse import Slot, parse
from duologue.agent.booking.state import State
from duologue.agent.booking.wording import GREETING
from duologue.callers.agent_words import Question, ReadBack, is_booked, is_goodbye, question_in, read_back
from duologue.callers.goals import Goal, Habits, draw_goal, draw_habits
from duologue.callers.phrases import PAUSE
from duologue.callers.script import Booker, HangUp, Say, Wait

TODAY = date(2026, 6, 10)  # a Wednesday
GOAL = Goal(4, date(2026, 6, 12), "on Friday", time(19, 30), "half past seven", "Wilson")
PLAIN = Habits(volunteers=False, hesitates=False, slip=None)


@pytest.mark.parametrize(
    ("said", "question"),
    [
        (GREETING, Question.PEOPLE),
        ("Great, four people. Which day would you like?", Question.DAY),
        ("Lovely, on Friday the twelfth of June. At what time?", Question.TIME),
        ("Okay, at seven in the evening. Under what name?", Question.NAME),
        ("A table for four tomorrow, at noon, under the name Wilson. Is that right?", Question.CONFIRM),
        ("A table for four tomorrow, at noon, under the name Wilson. Shall I book it?", Question.CONFIRM),
        ("Sorry, what should I change?", Question.CHANGE),
        ("Sorry, do you mean a table for five, or five o'clock?", Question.PEOPLE_OR_TIME),
        ("Sorry, is five the people, or the time?", Question.PEOPLE_OR_TIME),
        ("All right, it's cancelled. Shall we start again?", Question.AGAIN),
        ("Your table is booked. Anything else?", Question.MORE),
        ("Are you hungry? What day suits you?", Question.DAY),
        ("Sure, take your time.", None),
        ("How do you do?", None),
    ],
)
def test_questions_are_recognised(said: str, question: Question | None) -> None:
    assert question_in(said) == question


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (
            "Sure, a table for four on Friday the twelfth of June, at seven thirty in the evening, under the name "
            "Anna Wilson. Is that right?",
            ReadBack(4, date(2026, 6, 12), time(19, 30), "Anna Wilson"),
        ),
        (
            "Great, a table for twelve tomorrow, at noon, under the name O'Hara. Shall I book it?",
            ReadBack(12, date(2026, 6, 11), time(12), "O'Hara"),
        ),
        (
            "A table for one today, at twelve oh five in the afternoon, under the name Lee-Jones.",
            ReadBack(1, TODAY, time(12, 5), "Lee-Jones"),
        ),
        (
            "A table for 4 on Thursday the 21st of January, at 7:30 pm, under the name Wilson.",
            ReadBack(4, date(2027, 1, 21), time(19, 30), "Wilson"),
        ),
        ("Lovely, six people.", ReadBack(6, None, None, None)),
        ("Sorry, I didn't catch that.", ReadBack(None, None, None, None)),
    ],
)
def test_a_booking_is_read_back(said: str, read: ReadBack) -> None:
    assert read_back(said, TODAY) == read


def test_the_end_of_a_booking_is_recognised() -> None:
    assert is_booked("Wonderful, your table is booked.")
    assert is_booked("Of course, your reference is A one two three. See you tomorrow, goodbye!")
    assert not is_booked("All right, nothing is booked. Goodbye.")
    assert is_goodbye("All right, nothing is booked. Goodbye.")
    assert not is_goodbye(GREETING)


def acts(booker: Booker, *replies: str) -> list[str]:
    return [act.act if isinstance(act, Say) else type(act).__name__ for act in map(booker.answer, replies)]


RIGHT = "A table for four on Friday the twelfth of June, at seven thirty in the evening, under the name Wilson."


def test_what_was_understood_wrongly_is_corrected_before_the_yes() -> None:
    booker = Booker(GOAL, PLAIN, today=TODAY)
    assert acts(
        booker,
        RIGHT.replace("four", "five") + " Is that right?",
        RIGHT.replace("Friday the twelfth", "Thursday the eleventh") + " Is that right?",
        RIGHT.replace("seven thirty", "seven") + " Is that right?",
        RIGHT.replace("Wilson", "Nelson") + " Is that right?",
        RIGHT + " Is that right?",
        "Wonderful, your table is booked. Your reference is A one two three. See you, goodbye!",
    ) == ["correct_people", "correct_day", "correct_time", "correct_name", "yes", "Wait"]
    assert booker.outcome() == "booked"


def test_what_is_to_be_changed_is_told() -> None:
    booker = Booker(GOAL, PLAIN, today=TODAY)
    wrong = RIGHT.replace("seven thirty", "seven") + " Is that right?"
    assert acts(booker, wrong, "Sorry, what should I change?") == ["correct_time", "correct_time"]


def test_a_wrong_booking_is_told_from_a_right_one() -> None:
    booker = Booker(GOAL, PLAIN, today=TODAY)
    wrong = RIGHT.replace("Wilson", "Nelson") + " Is that right?"
    assert acts(booker, *[wrong] * 5) == ["correct_name"] * 4 + ["yes"]
    assert booker.answer("Great, it's booked. Your reference is A one two three. See you, goodbye!") == Wait()
    assert booker.outcome() == "wrong"


@pytest.mark.parametrize("heard", ["wilson", "Willson", "Wil'son", "WILSON"])
def test_a_name_that_sounds_the_same_is_right(heard: str) -> None:
    booker = Booker(GOAL, PLAIN, today=TODAY)
    assert acts(booker, RIGHT.replace("Wilson", heard) + " Is that right?") == ["yes"]


def test_hope_is_lost_at_last() -> None:
    booker = Booker(GOAL, PLAIN, today=TODAY)
    wrong = RIGHT.replace("four", "five") + " Is that right?"
    assert acts(booker, *[wrong] * 5) == ["correct_people"] * 4 + ["give_up"]
    assert booker.outcome() == "gave_up"
    endless = Booker(GOAL, PLAIN, today=TODAY)
    answers = [endless.answer("How many people?") for _ in range(27)]
    assert answers[24] != HangUp()
    assert answers[26] == HangUp()


def test_without_a_question_the_last_one_is_answered() -> None:
    booker = Booker(GOAL, PLAIN, today=TODAY)
    assert acts(booker, "Which day would you like?", "Sure, take your time.") == ["day", "day"]
    assert acts(Booker(GOAL, PLAIN, today=TODAY), "") == ["people"]


def test_a_call_that_ends_before_it_is_booked_was_cut_off() -> None:
    booker = Booker(GOAL, PLAIN, today=TODAY)
    booker.answer("How many people?")
    assert booker.outcome() == "cut_off"


@pytest.mark.parametrize("seed", range(60))
def test_every_caller_gets_its_table_from_the_booking_agent(seed: int) -> None:
    draw = random.Random(seed)
    goal = draw_goal(draw, TODAY)
    booker = Booker(goal, draw_habits(draw, goal), today=TODAY)
    prepared = set(booker.texts())
    state, said, ends = State(), GREETING, ""
    spoken: list[str] = []
    while not ends:
        act = booker.answer(said)
        assert isinstance(act, Say), (spoken, said)
        assert set(act.texts) <= prepared
        text = draw.choice(act.texts)
        spoken.append(act.act)
        assert len(spoken) < 9, spoken
        asked = state.asked if isinstance(state.asked, Slot) else None
        answer = respond(
            state, parse(text.replace(PAUSE, " "), today=TODAY, asked=asked), heard="all", today=TODAY, seed=seed
        )
        state, said, ends = answer.state, answer.text, answer.ends
    assert booker.answer(said) == Wait()
    assert (ends, booker.outcome()) == ("booked", "booked")
    booking = state.booking
    assert (booking.people, booking.day, booking.time, booking.name) == (goal.people, goal.day, goal.time, goal.name)
