import pytest

from duologue.turn import WordsPolicy
from duologue.turn.silence import Silence


@pytest.mark.parametrize("text", ["", "and", "I'm done.", "um", "x" * 100_000])
def test_words_say_nothing(text: str) -> None:
    policy: WordsPolicy = Silence()
    judgement = policy.judge(text)
    assert (policy.name, judgement.probability, judgement.reason, judgement.timeout_factor) == (
        "silence",
        1.0,
        "silence",
        1.0,
    )
