"""Cut the phrase that the scripts play out of beckett.wav: 0.27 s to 2.83 s, which ends on its last voiced 10 ms."""

import wave
from pathlib import Path

import numpy as np

FIRST_S, LAST_S = 0.27, 2.83


def main() -> None:
    folder = Path(__file__).parent
    with wave.open(str(folder / "assets" / "beckett.wav")) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
    np.save(folder / "phrase.npy", samples[round(FIRST_S * rate) : round(LAST_S * rate)])


if __name__ == "__main__":
    main()
