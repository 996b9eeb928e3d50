"""The guard keeps playout in line with what is heard: through pauses, and before anything is known of the echo."""

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.session.echo import ALERT, ECHOES, LEARNING, LONGEST_DOUBT, NOT_HEARD, PROVEN, TAIL, UNSURE, EchoGuard

RATE = 16_000
WINDOW = 512
FRAME = 320
DELAY = 1600
THRESHOLD = 0.6

Sound = NDArray[np.int16]


def voice(n: int, seed: int) -> Sound:
    """Noise in bursts of a tenth of a second, some of them silent."""
    random = np.random.default_rng(seed)
    loud = np.repeat(random.uniform(0, 6000, n // 1600 + 1), 1600)[:n]
    return (loud * random.standard_normal(n) / 3).astype(np.int16)


class Line:
    """Plays through a guard; what sounds comes back after DELAY, 10 dB softer, with the user's voice."""

    def __init__(self, seconds: float = 8.0) -> None:
        self.guard = EchoGuard(RATE, THRESHOLD)
        self.playout = voice(int(seconds * RATE), 1)
        self.sounded = np.zeros(int(seconds * RATE) + RATE, np.int16)
        self.at = self.sent = self.began = self.shift = 0

    def listen(self, windows: int, user: Sound | None = None, *, echo: bool = True) -> list[float]:
        """The guard's answers to as many windows of speech."""
        answers = []
        for i in range(windows):
            end = self.at + WINDOW
            while self.sent + FRAME <= end - self.shift + 960:  # 60 ms ahead
                self.guard.played(max(self.at, 0), self.playout[self.sent : self.sent + FRAME].tobytes())
                self.sent += FRAME
            self.sounded[self.at : end] = self.playout[self.at - self.shift : end - self.shift]
            mic = np.zeros(WINDOW)
            if echo and end > DELAY:
                heard = self.sounded[max(0, end - WINDOW - DELAY) : end - DELAY]
                mic[WINDOW - len(heard) :] += 0.3 * heard
            if user is not None:
                mic += user[i * WINDOW : (i + 1) * WINDOW]
            answers.append(self.guard.echo_ratio(end, mic.astype(np.int16), True))
            self.at = end
        return answers

    def pause(self, windows: int) -> None:
        """The client is silent for so long, and goes on where it was."""
        self.guard.paused(self.at)
        self.at += windows * WINDOW
        self.shift += windows * WINDOW
        self.guard.resumed(self.at)


def test_after_a_pause_the_echo_is_where_it_was() -> None:
    line = Line()
    line.listen(60)
    line.pause(30)
    assert min(line.listen(40)) > THRESHOLD


def test_what_the_client_forgot_is_no_longer_expected() -> None:
    line = Line()
    line.listen(60)
    line.guard.flushed(line.at)
    line.guard.resumed(line.at)
    heard = line.playout[line.at : line.at + WINDOW]
    for n in range(1, 12):
        share = line.guard.echo_ratio(line.at + n * WINDOW, np.roll(heard, n), True)
    assert share < THRESHOLD


def doubts(line: Line, windows: int, user: Sound | None = None, *, echo: bool) -> int:
    """Listen until the guard knows whose sound it is; returns how many windows that took."""
    for n in range(windows):
        line.listen(1, None if user is None else user[n * WINDOW :], echo=echo)
        if not line.guard.in_doubt(line.at):
            return n
    raise AssertionError("still in doubt")


def test_the_first_sound_after_ours_is_in_doubt_until_it_is_known_to_be_our_echo() -> None:
    line = Line()
    assert doubts(line, 40, echo=True) <= LEARNING + ECHOES
    assert line.guard.is_heard
    assert min(line.listen(30)[LEARNING:]) > THRESHOLD


def test_a_user_who_speaks_at_once_is_heard_when_it_turns_out_to_be_no_echo() -> None:
    user = voice(60 * WINDOW, 9)
    line = Line()
    assert doubts(line, 40, user, echo=False) == LEARNING - 1
    assert not line.guard.is_heard
    assert np.median(line.listen(40, user, echo=False)) < 0.2


def test_a_short_word_is_no_echo_if_we_are_not_heard_after_it() -> None:
    line = Line()
    line.listen(5, voice(5 * WINDOW, 9), echo=False)
    assert line.guard.in_doubt(line.at)
    murmur(line, NOT_HEARD, 20)
    assert not line.guard.in_doubt(line.at)
    assert not line.guard.is_heard


def test_doubt_does_not_last() -> None:
    line = Line()
    line.listen(5, voice(5 * WINDOW, 9), echo=False)
    assert line.guard.in_doubt(line.at + LONGEST_DOUBT - WINDOW * 5)
    assert not line.guard.in_doubt(line.at + LONGEST_DOUBT)


def test_a_user_after_silence_is_heard_at_once() -> None:
    line = Line()
    quiet = UNSURE // WINDOW + 1
    for _ in range(quiet):  # nothing that may be speech: the guard is not asked
        line.guard.played(line.at, line.playout[line.at : line.at + WINDOW].tobytes())
        line.at += WINDOW
    line.sent = line.at
    assert line.listen(1, voice(WINDOW * 2, 9) + np.int16(3000), echo=False)[0] < 0.3
    assert not line.guard.in_doubt(line.at)


def test_where_an_echo_was_heard_all_that_comes_soon_is_freed_of_it() -> None:
    line = Line()
    assert not line.guard.alert(0)
    line.listen(60)
    assert line.guard.alert(line.at)
    assert not line.guard.alert(line.at + ALERT)
    echo = 0.3 * line.sounded[line.at - WINDOW - DELAY : line.at - DELAY]
    assert np.abs(line.guard.residual).max() < 0.2 * np.abs(echo).max()


def test_a_user_without_echo_is_understood_as_recorded() -> None:
    line = Line()
    line.listen(100, voice(100 * WINDOW, 9), echo=False)
    assert not line.guard.alert(line.at)


def test_silence_keeps_nobody_alert() -> None:
    line = Line()
    for n in range(1, 20):
        line.guard.played(line.at, bytes(2 * WINDOW))
        assert line.guard.echo_ratio(n * WINDOW, np.zeros(WINDOW, np.int16), False) == 1.0
    assert not line.guard.alert(20 * WINDOW)


@pytest.mark.parametrize("after", [0, TAIL - 1, TAIL])
def test_it_is_active_until_the_last_echo_has_come(after: int) -> None:
    guard = EchoGuard(RATE, THRESHOLD)
    assert not guard.active(0)
    guard.played(0, bytes(2 * FRAME))
    assert guard.active(FRAME + after) == (after < TAIL)


def test_a_pause_before_any_sound_is_nothing() -> None:
    guard = EchoGuard(RATE, THRESHOLD)
    guard.paused(100)
    guard.resumed(200)
    guard.flushed(300)
    assert not guard.active(300)


# --- a line without an echo ---


def murmur(line: Line, windows: int, level: int) -> None:
    """As many windows of our sound in which nothing but noise of that level is heard."""
    random = np.random.default_rng(3)
    for _ in range(windows):
        end = line.at + WINDOW
        while line.sent + FRAME <= end + 960:
            line.guard.played(line.at, line.playout[line.sent : line.sent + FRAME].tobytes())
            line.sent += FRAME
        line.guard.unheard(end, (level * random.standard_normal(WINDOW)).astype(np.int16))
        line.at = end


def hum(n: int, level: int = 3000) -> Sound:
    """A vowel: so regular that a short filter makes a piece of it out of almost anything."""
    return (level * np.sin(2 * np.pi * 150 * np.arange(n) / RATE)).astype(np.int16)


def test_what_is_much_louder_than_all_that_was_heard_of_us_is_no_echo() -> None:
    line = Line()
    murmur(line, PROVEN, 20)
    assert line.listen(20, hum(20 * WINDOW), echo=False) == [0.0] * 20


@pytest.mark.parametrize(("windows", "level"), [(PROVEN - 1, 20), (PROVEN, 1000)])
def test_until_that_is_proven_chance_may_explain_the_user(windows: int, level: int) -> None:
    line = Line()
    murmur(line, windows, level)
    assert max(line.listen(20, hum(20 * WINDOW), echo=False)) > 0.1


def test_an_echo_that_begins_in_mid_call_is_one_after_four_windows() -> None:
    line = Line()
    murmur(line, PROVEN, 20)
    answers = line.listen(60)
    assert 0.0 in answers
    assert min(answers[-30:]) > THRESHOLD
    assert line.guard.alert(line.at)
