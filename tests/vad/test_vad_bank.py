import numpy as np
import pytest

from duologue.errors import InvalidAudioError, InvalidStateError, OverloadedError
from duologue.vad.bank import Bank

BLANK = np.array([1.0, -2.0], np.float32)


def rows(*named: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    return np.array(named, np.intp)


def test_a_row_starts_blank_and_is_blank_again_after_reset_and_reuse() -> None:
    bank = Bank(BLANK, max_rows=4)
    row = bank.open()
    assert bank.state[row].tolist() == [1, -2]
    bank.state[row] = 5
    bank.reset(row)
    assert bank.state[row].tolist() == [1, -2]
    bank.state[row] = 5
    bank.close(row)
    assert bank.open() == row
    assert bank.state[row].tolist() == [1, -2]


def test_growing_keeps_what_the_rows_hold() -> None:
    bank = Bank(BLANK, max_rows=100)
    for number in range(100):
        assert bank.open() == number
        bank.state[number] = number
    assert bank.state[:, 0].tolist() == list(range(100))


def test_it_refuses_more_rows_than_its_bound_until_one_is_closed() -> None:
    bank = Bank(BLANK, max_rows=3)
    for _ in range(3):
        bank.open()
    with pytest.raises(OverloadedError, match="All 3"):
        bank.open()
    bank.close(1)
    assert bank.open() == 1


def test_it_needs_room_for_one() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        Bank(BLANK, max_rows=0)


@pytest.mark.parametrize("row", [-1, 1, 7, 1000])
def test_rows_that_are_not_open_are_refused(row: int) -> None:
    bank = Bank(BLANK, max_rows=20)
    bank.open()
    for refused in (bank.reset, bank.close):
        with pytest.raises(InvalidStateError, match=f"Row {row} is not open"):
            refused(row)
    with pytest.raises(InvalidStateError, match=f"Row {row} is not open"):
        bank.check(rows(0, row), np.zeros((2, 8), np.int16), 8)


def test_a_row_is_not_closed_twice() -> None:
    bank = Bank(BLANK, max_rows=4)
    row = bank.open()
    bank.close(row)
    with pytest.raises(InvalidStateError):
        bank.close(row)


def test_a_batch_names_each_row_once() -> None:
    bank = Bank(BLANK, max_rows=4)
    bank.open()
    with pytest.raises(InvalidStateError, match="twice"):
        bank.check(rows(0, 0), np.zeros((2, 8), np.int16), 8)


@pytest.mark.parametrize(
    "windows",
    [np.zeros((1, 7), np.int16), np.zeros((2, 8), np.int16), np.zeros(8, np.int16), np.zeros((1, 8), np.float32)],
)
def test_windows_of_another_shape_or_type_are_refused(windows: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> None:
    bank = Bank(BLANK, max_rows=4)
    bank.open()
    with pytest.raises(InvalidAudioError, match="shape"):
        bank.check(rows(0), windows, 8)
