"""Sound against the clock, in virtual time."""

import pytest

from duologue.server.rate_limiter import RateLimiter

FRAME = 0.02


def live(pace: RateLimiter, start: float, seconds: float) -> float:
    """Send frames as they are recorded; returns the longest that one was held back."""
    return max(pace.take(FRAME, start + i * FRAME) for i in range(round(seconds / FRAME)))


def test_live_sound_is_never_ahead() -> None:
    assert live(RateLimiter(max_ahead=1.0, max_behind=5.0), 100.0, 3600.0) < 0


def test_sound_in_a_hurry_is_held_back_until_it_is_no_more_than_allowed_ahead() -> None:
    pace = RateLimiter(max_ahead=1.0, max_behind=5.0)
    assert [pace.take(0.5, 100.0) for _ in range(4)] == [-0.5, 0.0, 0.5, 1.0]
    assert pace.take(0.5, 101.0) == 0.5


@pytest.mark.parametrize("held_up", [0.3, 1.0, 3.0, 4.9])
def test_sound_that_was_held_up_comes_at_once_and_leaves_no_trace(held_up: float) -> None:
    pace = RateLimiter(max_ahead=1.0, max_behind=5.0)
    live(pace, 0.0, 10.0)
    late = 10.0 + held_up
    assert max(pace.take(FRAME, late) for _ in range(round(held_up / FRAME))) < 0
    assert live(pace, late, 60.0) < 0


def test_it_makes_up_for_the_last_seconds_and_not_for_an_hour() -> None:
    pace = RateLimiter(max_ahead=1.0, max_behind=5.0)
    live(pace, 0.0, 1.0)
    assert [pace.take(2.0, 3600.0) for _ in range(4)] == [-4.0, -2.0, 0.0, 2.0]


def test_silence_before_the_first_sound_is_nothing_to_make_up_for() -> None:
    assert RateLimiter(max_ahead=1.0, max_behind=5.0).take(2.0, 3600.0) == 1.0
