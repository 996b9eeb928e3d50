from collections.abc import Sequence

import numpy as np
import pytest

from duologue.audio.format import RATE
from duologue.tts import Speech, SpeechRequest, WordTiming
from duologue_bench.acoustics import Signal
from duologue_bench.corpus.draw import LENGTHS_S, pause_samples, seed_of, spread
from duologue_bench.corpus.gate import stretches
from duologue_bench.corpus.texts import parse_marked, parse_recorded
from duologue_bench.corpus.utterance import assemble, at_pitch, synthesize
from duologue_bench.corpus.voice import PackageHibari

TEN_MS = RATE // 100


class Bursts:
    """A voice that says each word as 0.3 s of a tone, 0.1 s apart."""

    rate = RATE

    def run(self, items: Sequence[SpeechRequest]) -> list[Speech]:
        return [self._say(item) for item in items]

    def _say(self, item: SpeechRequest) -> Speech:
        words = item.text.split()
        sound = np.zeros(int(0.4 * RATE) * len(words), np.int16)
        for i in range(len(words)):
            times = np.arange(int(0.3 * RATE)) / RATE
            tone = np.sin(2 * np.pi * (300 + 50 * i) * times) * np.clip(np.minimum(times, 0.3 - times) / 0.01, 0, 1)
            sound[int(0.4 * RATE) * i :][: len(tone)] = 9000 * tone
        timings = tuple(WordTiming(word, 0.4 * i, 0.4 * i + 0.3) for i, word in enumerate(words))
        return Speech(item.text, sound.tobytes(), RATE, timings, "exact")


def recording(name: str) -> Signal:
    """A burst of noise in silence; `two` has two of them, 0.3 s apart."""
    burst = 0.1 * np.random.RandomState(len(name)).standard_normal(RATE // 2)
    pieces = [np.zeros(RATE // 4), burst, np.zeros(RATE // 4)]
    return np.concatenate([*pieces, np.zeros(RATE // 20), burst, np.zeros(RATE // 4)] if name == "two" else pieces)


@pytest.mark.parametrize("pitch", [0.9, 1.0, 1.1])
def test_pauses_are_as_long_as_drawn_and_where_they_were_marked(pitch: float) -> None:
    (turn,) = parse_marked("one two {h} three, {c} four")
    said = synthesize(Bursts(), turn, pitch=pitch, seed=1)
    assert [kind for *_, kind in said.pauses] == ["hesitation", "clause"]
    for (start, end, kind), index in zip(said.pauses, turn.pauses, strict=True):
        assert abs(end - start - pause_samples(kind, turn.text, index)) <= TEN_MS
    second_word = (0.4 + 0.3) / pitch * RATE
    assert abs(said.pauses[0][0] - said.start - second_word) <= TEN_MS


def test_labels_are_what_the_gate_finds() -> None:
    (turn,) = parse_marked("one, {l} two, {l} three")
    said = synthesize(Bursts(), turn, pitch=1.0, seed=1)
    edges = [said.start, *(at for pause in said.pauses for at in pause[:2]), said.end]
    assert stretches(said.signal) == list(zip(edges[::2], edges[1::2], strict=True))


def test_a_voice_that_says_other_words_is_an_error() -> None:
    class Mute(Bursts):
        def _say(self, item: SpeechRequest) -> Speech:
            return Speech(item.text, b"", RATE)

    with pytest.raises(ValueError, match="has 1 words and was spoken with 0"):
        synthesize(Mute(), parse_marked("one")[0], pitch=1.0, seed=1)


def test_recordings_keep_their_own_pauses_or_get_longer_ones() -> None:
    (own,) = parse_recorded("two: Two words.")
    (longer,) = parse_recorded("> two: Two words.")
    (start, end, kind) = assemble(recording, own).pauses[0]
    assert kind == "breath"
    assert abs(end - start - 0.3 * RATE) <= TEN_MS
    (start, end, kind) = assemble(recording, longer).pauses[0]
    assert kind == "clause"
    assert abs(end - start - max(0.3 * RATE, pause_samples("clause", "Two words.", 0))) <= TEN_MS


def test_words_are_put_together_with_pauses_between_groups() -> None:
    (turn,) = parse_recorded("a ~ b {d} c: A B C.")
    said = assemble(recording, turn)
    ((start, end, kind),) = said.pauses
    assert kind == "digits"
    assert abs(end - start - pause_samples("digits", "A B C.", 2)) <= TEN_MS
    assert 1.05 * RATE - TEN_MS < start < 1.11 * RATE + TEN_MS


def test_pitch_changes_the_length() -> None:
    assert len(at_pitch(np.ones(24_000), 24_000, 1.0)) == RATE
    assert len(at_pitch(np.ones(24_000), 24_000, 0.8)) == 20_000


def test_draws_are_fixed_within_bounds_and_spread() -> None:
    lengths = [pause_samples("hesitation", index) / RATE for index in range(200)]
    low, high = LENGTHS_S["hesitation"]
    assert low <= min(lengths) < 0.45
    assert 1.6 < max(lengths) <= high
    assert pause_samples("hesitation", "Hello.", 3) == 13_541
    assert seed_of("dev", 1) == 1_342_606_199
    values = sorted(spread(index, "level") for index in range(100))
    assert max(np.diff(values)) < 0.02


@pytest.mark.models
def test_real_speech_has_its_labels_where_its_sound_ends() -> None:
    (turn,) = parse_marked("I'd like a table for {h} four people, {c} please.")
    said = synthesize(PackageHibari(), turn, pitch=1.05, seed=7)
    assert [kind for *_, kind in said.pauses] == ["hesitation", "clause"]
    for start, end, _ in said.pauses:
        assert np.abs(said.signal[start + TEN_MS : end - TEN_MS]).max() < 0.01
    assert np.abs(said.signal[said.end + TEN_MS :]).max() < 0.01
    assert stretches(said.signal)[-1][1] == said.end
