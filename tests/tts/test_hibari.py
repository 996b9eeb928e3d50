from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from duologue.audio.level import first_audible
from duologue.audio.resample import resample
from duologue.errors import ConfigError, InvalidMessageError, NotInstalledError
from duologue.stt.moonshine import Moonshine
from duologue.testing.wer import word_error_rate, word_errors
from duologue.tts import Speech, SpeechRequest, TtsModel
from duologue.tts.hibari import Hibari

pytestmark = pytest.mark.models

SENTENCES = [
    "Sure, I can help you with that.",
    "Your table for four is booked for Friday at seven.",
    "The total comes to twenty-five dollars.",
    "Could you please repeat your name?",
    "I am sorry, we are closed on Mondays.",
    "Would you like to sit inside or outside?",
    "Thank you for calling, and have a good evening.",
    "The restaurant is next to the old station.",
]


@pytest.fixture(scope="module")
def hibari() -> Hibari:
    return Hibari()


@pytest.fixture(scope="module")
def moonshine() -> Moonshine:
    return Moonshine()


def speak(hibari: Hibari, text: str, seed: int | None = 0) -> Speech:
    return hibari.run([SpeechRequest(text, seed)])[0]


def samples(speech: Speech) -> NDArray[np.int16]:
    return np.frombuffer(speech.pcm, "<i2")


def heard(moonshine: Moonshine, pcm: NDArray[np.int16]) -> str:
    return moonshine.run([resample(pcm, 24_000, 16_000).astype(np.float32) / np.float32(32768)])[0]


def test_it_is_a_tts_model(hibari: Hibari) -> None:
    model: TtsModel = hibari
    assert isinstance(model, TtsModel)
    assert (model.rate, model.max_batch) == (24_000, 1)


def test_what_it_says_is_understood(hibari: Hibari, moonshine: Moonshine) -> None:
    pairs = [(text, heard(moonshine, samples(speak(hibari, text)))) for text in SENTENCES]
    assert word_error_rate(pairs) <= 0.05


def test_the_same_seed_gives_the_same_samples(hibari: Hibari) -> None:
    assert speak(hibari, "Hello there.", 1).pcm == speak(hibari, "Hello there.", 1).pcm
    assert speak(hibari, "Hello there.", 1).pcm != speak(hibari, "Hello there.", 2).pcm
    assert speak(hibari, "Hello there.", None).pcm != speak(hibari, "Hello there.", None).pcm


def test_threads_may_share_it(hibari: Hibari) -> None:
    texts = ["Good morning.", "Of course, one moment.", "Is that all right, Mr. Brzlfip?"] * 2
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda text: speak(hibari, text), texts))
    assert together == [speak(hibari, text) for text in texts]


@pytest.mark.parametrize("text", ["Yes.", "Sure,", "Stop!", "and then we go", "Hello. How are you?"])
def test_sound_begins_within_20_ms(hibari: Hibari, text: str) -> None:
    onset = first_audible(speak(hibari, text).pcm)
    assert onset is not None
    assert 0.005 <= onset / 24_000 <= 0.02


def test_it_begins_and_ends_without_a_click(hibari: Hibari) -> None:
    sound = samples(speak(hibari, "Hello there."))
    assert sound[0] == 0
    assert np.abs(sound[-100:]).max() < 30


@pytest.mark.parametrize(("text", "pause_s"), [("Hello there.", 0.25), ("Hello there,", 0.15), ("hello there", 0.06)])
def test_the_final_mark_says_how_long_the_silence_after_it_is(hibari: Hibari, text: str, pause_s: float) -> None:
    sound = samples(speak(hibari, text))
    audible = np.flatnonzero(np.abs(sound) > 104)
    assert (len(sound) - audible[-1]) / 24_000 == pytest.approx(pause_s, abs=0.005)


@pytest.mark.parametrize("text", ["", " ", "...", "😀", "你好", "—", "</br>", '"'])
def test_what_nobody_can_say_is_no_sound(hibari: Hibari, text: str) -> None:
    speech = speak(hibari, text)
    assert (speech.pcm, speech.text, speech.duration) == (b"", text, 0.0)


def test_word_timings_are_those_of_the_sound(hibari: Hibari, moonshine: Moonshine) -> None:
    for text in ("Please bring your green umbrella and a warm jacket.", "The quick brown fox jumps over the lazy dog."):
        speech = speak(hibari, text)
        assert [word.text for word in speech.words] == text.split()
        assert speech.timings == "exact"
        for count in (4, 6):
            cut = int(speech.words[count - 1].end * speech.rate)
            expected = " ".join(text.split()[:count])
            assert word_errors(expected, heard(moonshine, samples(speech)[:cut]))[0] <= 1


def test_words_have_times_in_order_inside_the_sound(hibari: Hibari) -> None:
    speech = speak(hibari, "On 5 Dec. the total was $1,200.50 at 7:30 p.m. 😀 Fine!")
    assert [word.text for word in speech.words] == speech.text.split()
    times = [time for word in speech.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] <= speech.duration
    assert speech.timings == "exact"


def test_words_that_share_their_time_are_marked(hibari: Hibari) -> None:
    speech = speak(hibari, "He lives at 123 N. Main St. now.")
    assert [word.text for word in speech.words] == speech.text.split()
    assert speech.timings == "estimated"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Your verification code is 483920.", "your verification code is 483920"),
        ("Your postcode is SW1A 1AA.", "your postcode is SW1A1AA"),
        ("Please enter code A4F-92K.", "please enter code A4F92K"),
        ("The FBI called about the PDF.", "the FBI called about the PDF"),
        ("Your balance is $-45.10.", "your balance is minus $45.10"),
    ],
)
def test_codes_letters_and_amounts_are_understood(hibari: Hibari, moonshine: Moonshine, text: str, words: str) -> None:
    def plain(text: str) -> str:
        return "".join(char for char in text.lower() if char.isalnum() or char == "$")

    speech = speak(hibari, text)
    assert plain(heard(moonshine, samples(speech))) == plain(words)
    assert [word.text for word in speech.words] == text.split()
    assert speech.timings == "exact"


def test_a_long_clause_is_spoken_in_pieces(hibari: Hibari) -> None:
    text = "well " * 130
    speech = speak(hibari, text)
    assert len(speech.words) == 130
    assert 10 < speech.duration < 60


@pytest.mark.parametrize("text", ["a " * 2_501, "7" * 4_000], ids=["as written", "as spoken"])
def test_a_text_without_end_is_refused(hibari: Hibari, text: str) -> None:
    with pytest.raises(InvalidMessageError, match="5000"):
        speak(hibari, text)


@pytest.mark.parametrize("speed", [0.0, 0.4, 2.1, -1.0, float("nan")])
def test_a_speed_that_it_does_not_speak_at_is_refused(speed: float) -> None:
    with pytest.raises(ConfigError, match=r"0\.5 to 2\.0"):
        Hibari(speed=speed)


def test_a_higher_speed_is_shorter(hibari: Hibari) -> None:
    text = "This is a sentence of some length."
    assert speak(Hibari(speed=1.5), text).duration < 0.8 * speak(hibari, text).duration


def test_the_estimate_of_its_length_is_near(hibari: Hibari) -> None:
    for text in SENTENCES:
        assert hibari.size(SpeechRequest(text)) == pytest.approx(speak(hibari, text).duration, rel=0.4)


@pytest.mark.parametrize("package", ["hibari", "onnx", "onnxruntime"])
def test_without_its_packages_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(NotInstalledError, match=rf"{package}.*duologue\[local\]"):
        Hibari()
