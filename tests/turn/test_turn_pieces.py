import pytest

from duologue.turn.languages.en import PACK
from duologue.turn.understanding import joined
from duologue.turn.words import Words


@pytest.mark.parametrize(
    ("before", "piece", "whole"),
    [
        ("", "Williams,", "Williams."),
        ("", "Turn the heating off,", "Turn the heating off."),
        ("", "I'd like to order,", "I'd like to order,"),
        ("", "My mother lives alone,", "My mother lives alone,"),
        ("", "Well, on Friday evening or Saturday,", "Well, on Friday evening or Saturday,"),
        ("", "Friday evening,", "Friday evening,"),
        ("", "Twenty,", "Twenty,"),
        ("", ",", ","),
        ("The name is.", "Williams,", "The name is. Williams."),
        ("The name is.", "Williams.", "The name is. Williams."),
        ("The name is.", "", "The name is."),
        ("", "", ""),
        ("Well.", "it would be best if we came,", "Well. it would be best if we came,"),
    ],
)
def test_the_comma_of_a_few_words_that_were_understood_alone_says_nothing(before: str, piece: str, whole: str) -> None:
    assert joined(before, piece, PACK) == whole


def test_a_name_after_a_pause_is_not_waited_for_as_if_more_came() -> None:
    assert Words().judge(joined("The name is.", "Williams,", PACK)).probability > 0.7
    assert Words().judge(joined("The name is.", "um,", PACK)).probability < 0.3
