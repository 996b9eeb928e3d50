"""A caller's device plays in real order and time, and its microphone hears just that come back."""

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.audio.format import FRAME_SAMPLES
from duologue.errors import ConfigError
from duologue_bench.acoustics import EchoPath, echo, to_int16
from duologue_bench.caller import TAIL, Caller

RATE = 16_000


def sound(n: int, seed: int = 1) -> NDArray[np.int16]:
    samples: NDArray[np.int16] = to_int16(0.1 * np.random.RandomState(seed).standard_normal(n))
    return samples


def heard(caller: Caller, chunks: int) -> NDArray[np.int16]:
    pieces = caller.microphone()
    return np.concatenate([np.frombuffer(next(pieces), np.int16) for _ in range(chunks)])


@pytest.mark.parametrize(("delay", "room"), [(0.05, 0.0), (0.1234, 0.0), (0.3, 0.25)])
def test_the_echo_that_comes_is_the_echo_of_the_whole(delay: float, room: float) -> None:
    playout = sound(RATE)
    caller = Caller(np.zeros(RATE, np.int16), EchoPath(playout, -10, delay, room, seed=3))
    caller.send(playout.tobytes(), 0, 1)
    expected = echo(np.concatenate((playout, np.zeros(RATE, np.int16))), -10, delay, room, seed=3)
    came = heard(caller, 80)
    # The whole is louder or softer by a hair, as its level is set where its last echo is cut off.
    wanted = expected[: len(came)].astype(float)
    gain = float(came @ wanted / (wanted @ wanted))
    assert gain == pytest.approx(1, abs=0.05)
    assert np.square(came - gain * wanted).sum() < 1e-5 * np.square(wanted).sum()
    assert came[: int(delay * RATE)].any() == 0


def test_an_echo_sooner_than_a_block_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"comes after 0.01 s, and sound is played 20 ms"):
        EchoPath(sound(RATE), -10, 0.01)


def test_no_playout_has_no_echo() -> None:
    silent = np.zeros(RATE, np.int16)
    caller = Caller(silent, EchoPath(silent, -10, 0.05, 0.2))
    caller.send(sound(RATE).tobytes(), 0, 1)
    assert not heard(caller, 40).any()


def test_what_was_not_played_before_a_pause_comes_after_it() -> None:
    playout = sound(4 * FRAME_SAMPLES)
    caller = Caller(np.zeros(RATE, np.int16), EchoPath(playout, 0, 0.02))
    pieces = caller.microphone()
    caller.send(playout.tobytes(), 0, 1)
    next(pieces)
    caller.pause(1)
    assert caller.ready == 3 * FRAME_SAMPLES
    came = [np.frombuffer(next(pieces), np.int16) for _ in range(2)]
    caller.resume(1)
    came += [np.frombuffer(next(pieces), np.int16) for _ in range(4)]
    np.testing.assert_allclose(came[0], playout[:FRAME_SAMPLES], atol=1)
    assert not came[1].any()
    assert not came[2].any()
    np.testing.assert_allclose(np.concatenate(came[3:]), playout[FRAME_SAMPLES:], atol=1)


def test_the_users_track_begins_with_the_playout_and_goes_on_as_the_room() -> None:
    user = sound(RATE)
    caller = Caller(user, None)
    pieces = caller.microphone()
    first = [next(pieces) for _ in range(2)]
    caller.send(sound(2 * RATE).tobytes(), 0, 1)
    rest = np.frombuffer(b"".join(next(pieces) for _ in range(60)), np.int16)
    assert len(first) == 2
    np.testing.assert_array_equal(rest[:RATE], user)
    np.testing.assert_array_equal(rest[RATE:], user[: len(rest) - RATE])


def test_it_ends_after_the_last_echo_or_when_it_is_cut_off() -> None:
    caller = Caller(sound(RATE // 10), None)
    caller.send(sound(FRAME_SAMPLES).tobytes(), 0, 1)
    chunks = sum(1 for _ in caller.microphone())
    assert chunks * FRAME_SAMPLES == pytest.approx(FRAME_SAMPLES + TAIL, abs=FRAME_SAMPLES)
    caller = Caller(sound(RATE), None)
    caller.send(sound(RATE).tobytes(), 0, 1)
    pieces = caller.microphone()
    next(pieces)
    caller.flush(1)
    assert list(pieces) == []
    assert caller.ready == 0
