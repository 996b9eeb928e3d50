"""Text is tied to audio by the spans of an aligned voice, and by proportion for others."""

from __future__ import annotations

import math
from typing import Any

import pytest

from duologue.tts import TextSpan, WordTiming
from duologue.tts.placement import Placement, TextPlacer


def places(placed: list[Placement]) -> list[Any]:
    return [(p.text, pytest.approx(p.start), pytest.approx(p.end)) for p in placed]


# --- an aligned voice ---


def aligned(*text: str) -> TextPlacer:
    placer = TextPlacer("voice", aligned=True)
    for piece in text:
        placer.add_text(piece)
    return placer


def test_spans_wait_for_the_first_audio_and_are_final() -> None:
    placer = aligned("One two three four.")
    words = (WordTiming("One", 0.0, 0.2), WordTiming("two", 0.3, 0.5))
    assert placer.add_span(TextSpan("One two", 0.0, 0.5, words)) == []
    assert placer.add_audio(0.1) == [Placement(-1, "One two", 0.0, 0.5, words)]
    assert places(placer.add_span(TextSpan(" three four. ", 0.5, 1.0))) == [("three four.", 0.5, 1.0)]
    assert placer.add_audio(0.9) == []
    assert placer.end() == []
    assert placer.fault is None


def test_spans_may_overlap_by_what_a_provider_rounds() -> None:
    placer = aligned("One two.")
    placer.add_audio(2.0)
    placer.add_span(TextSpan("One", 0.0, 0.52))
    assert places(placer.add_span(TextSpan("two.", 0.5, 1.0))) == [("two.", 0.52, 1.0)]
    assert places(placer.add_span(TextSpan("!", 0.95, 0.95))) == [("!", 1.0, 1.0)]
    assert placer.fault is None


def test_a_span_without_text_is_ignored() -> None:
    placer = aligned("One.")
    placer.add_audio(1.0)
    assert placer.add_span(TextSpan("  ", math.nan, 0.0)) == []
    assert placer.fault is None


@pytest.mark.parametrize(
    ("span", "what"),
    [
        (TextSpan("three", 0.2, 0.4), "after text that ends at 1.00 s"),
        (TextSpan("three", 0.95, 0.8), "impossible stretch from 0.95 to 0.8 s"),
        (TextSpan("three", -1.0, 2.0), "impossible stretch from -1.0"),
        (TextSpan("three", math.nan, 2.0), "impossible stretch from nan"),
        (TextSpan("three", 1.0, math.inf), "impossible stretch from 1.0 to inf"),
        (TextSpan("three", "1", 2.0), "impossible stretch from '1'"),  # type: ignore[arg-type]
        (TextSpan("three " * 500, 1.0, 2.0), "tied more than 7 characters to its audio and was given 25"),
    ],
)
def test_a_span_that_cannot_be_true_is_reported_and_the_rest_is_placed_by_proportion(span: TextSpan, what: str) -> None:
    placer = aligned("One two three four, five.", "")
    placer.add_audio(1.0)
    placer.add_span(TextSpan("One two", 0.0, 1.0))
    assert placer.add_span(span) == []
    assert placer.fault is not None
    assert placer.fault.provider == "voice"
    assert what in placer.fault.message
    assert placer.add_span(TextSpan("three four, five.", 1.0, 2.0)) == [], "no span is believed any more"
    placer.end_text()
    placer.add_audio(2.0)
    assert places(placer.end()) == [("three four, five.", 1.0, 3.0)]


def test_words_outside_of_their_span_are_left_out() -> None:
    placer = aligned("One two.")
    placer.add_audio(1.0)
    words = (WordTiming("One", 0.0, 0.5), WordTiming("two.", 0.2, 0.4))
    (placed,) = placer.add_span(TextSpan("One two.", 0.0, 1.0, words))
    assert placed.words == ()
    assert placer.fault is not None
    assert "words lie outside of it or go back" in placer.fault.message


def test_text_tied_to_audio_that_never_came_is_reported_and_stays_where_it_is() -> None:
    placer = aligned("One two.")
    placer.add_audio(1.0)
    placer.add_span(TextSpan("One two.", 0.0, 5.0))
    assert placer.end() == []
    assert placer.fault is not None
    assert "tied text to 5.00 s of audio and gave 1.00 s" in placer.fault.message


def test_a_voice_that_is_aligned_and_gives_no_spans_is_reported() -> None:
    placer = aligned("One two.", " Three four.")
    placer.add_audio(2.1)
    placer.end_text()
    assert places(placer.end()) == [("One two.", 0.0, 0.9), ("Three four.", 0.9, 2.1)]
    assert placer.fault is not None
    assert "gave no TextSpan" in placer.fault.message


def test_nothing_is_expected_of_a_stream_without_audio() -> None:
    placer = aligned("...")
    placer.end_text()
    assert placer.end() == []
    assert placer.fault is None


# --- a voice without alignment ---


def test_text_is_placed_at_the_usual_pace_until_the_audio_has_ended() -> None:
    placer = TextPlacer("voice", aligned=False, seconds_per_char=0.1)
    placer.add_text("Well, I see it. And ")
    first = placer.add_audio(0.3)
    assert places(first) == [("Well, I see it.", 0.0, 1.6)]
    placer.add_text("that is all.")
    placer.end_text()
    second = placer.add_audio(0.3)
    assert places(second) == [("And that is all.", 1.6, 3.3)]
    placer.add_audio(1.0)
    assert places(placer.end()) == [("Well, I see it.", 0.0, 1.6 * 16 / 33), ("And that is all.", 1.6 * 16 / 33, 1.6)]
    assert [p.id for p in [*first, *second]] == [1, 2]
    assert placer.seconds_per_char == pytest.approx(1.6 / 33)


def test_an_estimate_that_is_too_short_is_corrected() -> None:
    placer = TextPlacer("voice", aligned=False, seconds_per_char=0.01)
    placer.add_clause("One two.")
    (first,) = placer.add_audio(0.01)
    assert first.end < 0.1
    (second,) = placer.add_audio(1.0)
    assert second.id == first.id
    assert second.end > 1.01
    assert placer.add_audio(0.01) == [], "it is not corrected for each chunk"


def test_spans_of_a_voice_that_is_not_aligned_are_reported_and_ignored() -> None:
    placer = TextPlacer("voice", aligned=False)
    placer.add_clause("One two.")
    assert placer.add_span(TextSpan("One two.", 0.0, 1.0)) == []
    assert placer.fault is not None
    assert "is not aligned" in placer.fault.message
    placer.add_audio(1.0)
    assert places(placer.end()) == [("One two.", 0.0, 1.0)]


def test_a_stream_without_text_places_none() -> None:
    placer = TextPlacer("voice", aligned=False)
    placer.add_audio(1.0)
    assert placer.end() == []
