import pytest

from duologue.clock import VirtualClock, WallClock


def test_a_virtual_clock_moves_only_when_told_to() -> None:
    clock = VirtualClock(5.0)
    clock.advance(0.25)
    assert clock.now() == 5.25
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(-1.0)


def test_the_wall_clock_does_not_go_back() -> None:
    clock = WallClock()
    assert clock.now() <= clock.now()
