import pytest

from duologue.errors import ConfigError
from duologue_bench.capacity import climb


def found(start: int, limit: int, *, most: int = 4000, resolution: float = 0.05) -> tuple[int, list[int]]:
    """What is found where `limit` is kept up with, and the sizes that were tried."""
    search, tried = climb(start, most=most, resolution=resolution), []
    size = next(search)
    while True:
        tried.append(size)
        try:
            size = search.send(size <= limit)
        except StopIteration as over:
            return over.value, tried


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 12, 53, 640, 3999])
@pytest.mark.parametrize("start", [1, 10, 500])
def test_the_knee_is_within_the_resolution(start: int, limit: int) -> None:
    knee, tried = found(start, limit)
    assert knee <= limit <= knee + max(1, 0.05 * knee + 1)
    assert len(tried) < 50


def test_a_failure_is_tried_again_and_a_success_is_not() -> None:
    _, tried = found(10, 12, resolution=0.01)
    assert {size: tried.count(size) for size in tried} == {10: 1, 12: 1, 15: 2, 13: 2}
    search = climb(10, most=10)
    assert next(search) == 10
    assert search.send(False) == 10
    with pytest.raises(StopIteration) as over:
        search.send(True)
    assert over.value.value == 10


def test_it_climbs_no_further_than_it_may_and_says_where_not_even_one_fits() -> None:
    assert found(10, 1000, most=60)[0] == 60
    assert found(10, 0)[0] == 0
    with pytest.raises(ConfigError, match="1 to 5"):
        next(climb(6, most=5))
