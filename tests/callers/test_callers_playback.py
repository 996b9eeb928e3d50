"""The loudspeaker that is a clock: hand-made frames, and when they sound."""

import pytest

from duologue.callers.playback import Playback

RATE = 24_000
FRAME = 480


def test_frames_ahead_of_time_sound_one_after_the_other() -> None:
    playback = Playback(RATE)
    starts = [playback.add(10.0, i * FRAME, 1, FRAME) for i in range(3)]
    assert starts == pytest.approx([10.0, 10.02, 10.04])
    assert playback.played(10.0) == 0
    assert playback.played(10.03) == pytest.approx(720, abs=1)
    assert playback.played(11.0) == 3 * FRAME
    assert playback.sounding(10.05)
    assert not playback.sounding(10.07)
    assert playback.starved == 0


@pytest.mark.parametrize(("late", "starved"), [(0.001, 1), (0.02, 1), (0.021, 2), (0.5, 25)])
def test_a_frame_after_its_time_leaves_whole_frames_of_silence(late: float, starved: int) -> None:
    playback = Playback(RATE)
    playback.add(10.0, 0, 1, FRAME)
    assert playback.add(10.02 + late, FRAME, 1, FRAME) == pytest.approx(10.02 + starved * 0.02)
    assert playback.starved == starved


def test_silence_between_replies_is_not_starved() -> None:
    playback = Playback(RATE)
    playback.add(10.0, 0, 1, FRAME)
    assert playback.add(15.0, FRAME, 2, FRAME) == 15.0
    assert playback.starved == 0


def test_a_pause_keeps_the_rest_and_is_not_starved() -> None:
    playback = Playback(RATE)
    for i in range(3):
        playback.add(10.0, i * FRAME, 1, FRAME)
    playback.pause(10.03, 1)
    assert not playback.sounding(10.03)
    assert playback.silent_since(12.0) == pytest.approx(10.03)
    assert playback.add(10.04, 3 * FRAME, 1, FRAME) is None
    assert playback.played(12.0) == pytest.approx(720, abs=1)
    playback.resume(12.0, 1)
    assert playback.end == pytest.approx(12.05)
    assert playback.played(13.0) == 4 * FRAME
    assert playback.starved == 0


def test_what_is_dropped_never_sounds() -> None:
    playback = Playback(RATE)
    for i in range(3):
        playback.add(10.0, i * FRAME, 1, FRAME)
    playback.drop(10.03, 1)
    assert not playback.sounding(10.031)
    assert playback.silent_since(20.0) == pytest.approx(10.03)
    assert playback.played(20.0) == pytest.approx(720, abs=1)
    assert playback.add(10.05, 3 * FRAME, 1, FRAME) is None
    assert playback.add(10.5, 4 * FRAME, 2, FRAME) == 10.5
    assert playback.starved == 0


def test_a_pause_that_became_an_interruption_ended_the_sound_at_the_pause() -> None:
    playback = Playback(RATE)
    playback.add(10.0, 0, 1, FRAME)
    playback.pause(10.01, 1)
    playback.drop(10.4, 1)
    assert playback.silent_since(11.0) == pytest.approx(10.01)


def test_what_concerns_another_reply_changes_nothing() -> None:
    playback = Playback(RATE)
    playback.add(10.0, 0, 5, FRAME)
    playback.pause(10.0, 4)
    playback.drop(10.0, 4)
    playback.resume(10.0, 5)
    assert playback.sounding(10.01)
    assert playback.end == pytest.approx(10.02)
