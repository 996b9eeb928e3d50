import numpy as np
import pytest

from duologue.audio.format import RATE
from duologue.errors import ConfigError
from duologue_bench.acoustics import active_dbfs, coloured, from_int16, to_int16
from duologue_bench.versions import g711_line, noisy

BABBLE = to_int16(0.05 * coloured(2 * RATE, 1))


def sweep() -> np.ndarray:
    times = np.arange(2 * RATE) / RATE
    return to_int16(0.2 * np.sin(2 * np.pi * (100 + 1500 * times) * times))


def test_a_telephone_line_passes_its_band_and_nothing_else() -> None:
    noise = to_int16(0.1 * coloured(4 * RATE, 1, slope_db=0))
    before = np.square(np.abs(np.fft.rfft(noise))).reshape(-1)[: 8000 * 4].reshape(-1, 400).sum(axis=1)
    after = np.square(np.abs(np.fft.rfft(g711_line(noise)))).reshape(-1)[: 8000 * 4].reshape(-1, 400).sum(axis=1)
    gain_db = 10 * np.log10(after / before)  # a bin for each 100 Hz
    assert (np.abs(gain_db[5:32]) < 1).all()
    assert (gain_db[:2] < -25).all()
    assert (gain_db[37:] < -25).all()


def test_a_telephone_line_delays_nothing() -> None:
    click = np.zeros(RATE, np.int16)
    click[8000] = 20_000
    assert abs(int(np.abs(g711_line(click).astype(int)).argmax()) - 8000) <= 1
    assert len(g711_line(click[:999])) == 999


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("snr_db", [20.0, 5.0])
def test_noise_is_as_far_below_the_speech_as_asked(seed: int, snr_db: float) -> None:
    speech = sweep()
    added = from_int16(noisy(speech, snr_db, seed, BABBLE)) - from_int16(speech)
    level = 10 * np.log10(np.square(added).mean())
    assert active_dbfs(from_int16(speech)) - level == pytest.approx(snr_db, abs=0.2)


def test_noise_is_fixed_by_its_seed_and_never_clips() -> None:
    loud = to_int16(from_int16(sweep()) * 4.5)
    assert (noisy(loud, 5, 3, BABBLE) == noisy(loud, 5, 3, BABBLE)).all()
    assert (noisy(loud, 5, 3, BABBLE) != noisy(loud, 5, 6, BABBLE)).any()
    assert np.abs(noisy(loud, 5, 3, BABBLE).astype(int)).max() <= 0.981 * 32768


def test_the_level_of_the_speech_can_be_given() -> None:
    silence = np.zeros(RATE, np.int16)
    added = from_int16(noisy(silence, 10, 0, BABBLE, speech_dbfs=-26))
    assert 10 * np.log10(np.square(added).mean()) == pytest.approx(-36, abs=0.2)
    with pytest.raises(ConfigError, match="no sound at all"):
        noisy(silence, 10, 0, BABBLE)
