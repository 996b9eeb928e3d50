"""The turns of a call on a screen."""

import io

from rich.console import Console

from duologue.cli.waterfall import WIDTH, print_turns
from duologue.session import CallRecord, TurnMeasured, TurnRecord


def measured(turn: int, seconds: float, **stages: float) -> TurnMeasured:
    return TurnMeasured(0, 0.0, turn, turn, seconds / 4, seconds, "hit" if turn == 1 else "none", stages)


def shown(*turns: TurnRecord, greeting: str = "") -> str:
    record = CallRecord("session", greeting=greeting)
    record.turns.extend(turns)
    screen = Console(file=io.StringIO(), width=120, markup=False)
    print_turns(screen, record)
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def test_bars_are_on_one_scale() -> None:
    text = shown(
        TurnRecord(1, "Hello.", 1.0, 1.5, "words", "Hi.", "Hi.", measured=measured(1, 0.2, words=0.1, first_audio=0.2)),
        TurnRecord(2, "Bye.", 4.0, 4.5, "timeout", "Bye.", "Bye.", measured=measured(2, 0.4, first_audio=0.4)),
    )
    first, second = [line for line in text.splitlines() if " ms (" in line]
    assert (first.count("█"), second.count("█")) == (WIDTH // 2, WIDTH)
    assert "200 ms (50 processing), by words, prepared" in first
    assert "400 ms (100 processing), by timeout" in second
    assert "bars: 0 to 400 ms after the user's last sample" in text


def test_what_was_not_heard_is_marked() -> None:
    text = shown(TurnRecord(1, "Stop.", 1.0, 1.5, "words", "One. Two. Three.", "One.", interrupted=True))
    assert "One. Two. Three. (interrupted)" in text


def test_a_turn_without_an_answer_has_no_bar() -> None:
    text = shown(TurnRecord(1, "Hello?", 1.0, 1.5, "words"))
    assert "(no answer)" in text
    assert "decided by words" in text
    assert "█" not in text


def test_times_of_nothing_are_drawn() -> None:
    assert "0 ms (" in shown(TurnRecord(1, "Hi.", 1.0, 1.5, "text", "Hi.", "Hi.", measured=measured(1, 0.0)))


def test_words_are_never_markup() -> None:
    text = shown(TurnRecord(1, "[red]:smile:", 1.0, 1.5, "words", "[b]x[/]", "[b]x[/]"), greeting="[i]Welcome[/i]")
    assert all(words in text for words in ("[red]:smile:", "[b]x[/]", "[i]Welcome[/i]"))
