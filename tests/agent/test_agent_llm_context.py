import pytest

from duologue.agent.llm.context import CUT_OFF, SILENCE, UNHEARD, estimate_tokens, heard, trim
from duologue.conversation.history import Message

GREETING = Message("agent", "Hello.")
TURNS = [(Message("user", f"question {i}"), Message("agent", f"answer {i}")) for i in range(4)]
HISTORY = [GREETING, *(message for turn in TURNS for message in turn)]
TURN_COST = estimate_tokens("question 0") + estimate_tokens("answer 0")


@pytest.mark.parametrize(("text", "tokens"), [("", 4), ("a", 5), ("four", 5), ("fives", 6), ("x" * 400, 104)])
def test_estimate(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (Message("agent", "We open at nine."), "We open at nine."),
        (Message("agent", "We open", said="We open at nine.", interrupted=True), f"We open {CUT_OFF}"),
        (Message("agent", "", said="We open at nine.", interrupted=True), UNHEARD),
        (Message("user", "Hello?"), "Hello?"),
        (Message("user", ""), SILENCE),
    ],
)
def test_heard(message: Message, expected: str) -> None:
    assert heard(message) == expected


@pytest.mark.parametrize(
    ("budget", "kept", "dropped"),
    [
        (10_000, HISTORY, 0),
        (4 * TURN_COST, HISTORY[1:], 1),
        (4 * TURN_COST - 1, HISTORY[3:], 2),
        (TURN_COST, HISTORY[7:], 4),
        (TURN_COST - 1, [], 5),
        (0, [], 5),
        (-100, [], 5),
    ],
)
def test_trim_drops_whole_turns_from_the_oldest(budget: int, kept: list[Message], dropped: int) -> None:
    assert trim(HISTORY, budget) == (kept, dropped)


def test_trim_of_nothing() -> None:
    assert trim((), 100) == ([], 0)


def test_user_messages_without_answers_are_turns() -> None:
    history = [Message("user", "one"), Message("user", "two"), Message("agent", "three"), Message("agent", "four")]
    assert trim(history, 10_000) == (history, 0)
    assert trim(history, 3 * 6) == (history[1:], 1)
