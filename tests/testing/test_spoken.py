"""Sound that carries its words gives them back, however it is cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.errors import InvalidAudioError
from duologue.testing.spoken import CHARACTER, SPACE, speak, understand, word_timings

words = st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=9), max_size=5)


@given(words, st.sampled_from([8_000, 16_000, 22_050, 24_000, 48_000]), st.integers(80, 300))
@settings(max_examples=60, deadline=None)
def test_what_was_spoken_is_understood(said: list[str], rate: int, pitch: int) -> None:
    text = " ".join(said)
    assert understand(speak(text, rate, pitch=pitch), rate) == text


CODED = 94**3 - 1
"""The last character that three waves have room for: all scripts come before it."""
scripts = st.characters(max_codepoint=CODED, exclude_categories=["Z", "C"])


@given(st.lists(st.text(scripts, min_size=1, max_size=5), max_size=4))
@settings(max_examples=60, deadline=None)
def test_any_script_is_understood(said: list[str]) -> None:
    assert understand(speak(" ".join(said))) == " ".join(said)


def test_white_space_is_one_space_and_what_is_no_character_a_question_mark() -> None:
    assert understand(speak("  naïve \n 日\ud800 ")) == "naïve 日?"
    assert understand(speak(f"a{chr(CODED)} {chr(CODED + 1)} \U000e0100")) == f"a{chr(CODED)} ? ?"


def test_of_characters_that_are_cut_nothing_is_left() -> None:
    wave = len(speak("日本")) // 6
    sound = speak("日本")
    assert understand(sound[wave:]) == understand(sound[2 * wave :]) == "本"
    assert understand(sound[: 5 * wave]) == "日"
    assert understand(sound[:wave] + sound[2 * wave :]) == "本"
    assert word_timings("日本 a")[1].start == pytest.approx(6 * CHARACTER + SPACE)


@pytest.mark.parametrize("text", ["", "  "])
def test_nothing_has_no_sound(text: str) -> None:
    assert speak(text) == b""
    assert understand(b"") == ""


def test_silence_around_it_changes_nothing_and_other_sound_is_left_out() -> None:
    noise = np.random.default_rng(1).integers(-9_000, 9_000, 5_000).astype("<i2").tobytes()
    assert understand(bytes(3_001 * 2) + speak("Hello there.") + bytes(777 * 2)) == "Hello there."
    assert understand(noise + bytes(3_200) + speak("Hello.") + bytes(3_200) + noise) == "Hello."


def test_of_what_is_cut_the_whole_characters_are_left() -> None:
    sound = speak("Hello there.")
    for cut in range(0, len(sound), 1_234):
        cut -= cut % 2
        before, after = understand(sound[:cut]), understand(sound[cut:])
        assert "Hello there.".startswith(before)
        assert "Hello there.".endswith(after)
        assert len(before.replace(" ", "")) + len(after.replace(" ", "")) in (10, 11, 12)


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(InvalidAudioError, match="3 bytes"):
        understand(b"abc")


def test_the_timings_are_those_of_the_sound() -> None:
    first, second = word_timings("Hello there.")
    assert (first.text, first.start, second.text) == ("Hello", 0.0, "there.")
    assert first.end == pytest.approx(5 * CHARACTER)
    assert second.start == pytest.approx(first.end + SPACE)
    rate = 16_000
    sound = np.frombuffer(speak("Hello there.", rate), np.int16)
    assert second.end == pytest.approx(len(sound) / rate)
    assert not sound[round(first.end * rate) : round(second.start * rate)].any()
