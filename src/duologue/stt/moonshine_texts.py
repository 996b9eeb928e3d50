"""Moonshine's decoder over texts that join and leave: each has its own sound, and its own place in its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duologue.stt.hallucination import Decoded
from duologue.stt.moonshine_graphs import HEAD_WIDTH, HEADS, LAYERS, WIDTH

__all__ = ["Text", "write"]

_START = 1
_STEPS = 8
"""Tokens in one run of the graph, at most: between runs texts join, and the rules that end one early are asked."""
_NOTHING = np.finfo(np.float32).min


@dataclass(eq=False, slots=True)
class Text:
    """One text on its way."""

    memory: NDArray[np.float32]
    """What the decoder reads of the sound: (12, 8, T, 36)."""
    decoded: Decoded
    said: int = 0
    """Tokens that the decoder has taken."""
    last: int = _START
    past: Sequence[NDArray[np.float32]] = ()
    """Keys and values of the tokens taken, at the end of each array: 12 of (8, P, 36)."""
    states: NDArray[np.float32] = field(default_factory=lambda: np.zeros((2, WIDTH), np.float32))
    """The decoder's last layer at the last two tokens, (2, WIDTH)."""
    company: _Company | None = field(default=None, repr=False)
    """Those it was last written with..."""
    row: int = 0
    """...and its place among them."""


class _Company:
    """The arrays of several texts that are written together, side by side.

    It does not know its texts: they would hold each other, with megabytes, until the interpreter looks for such rings.
    """

    def __init__(self, texts: Sequence[Text]) -> None:
        self.size: int = len(texts)
        frames = max(text.memory.shape[2] for text in texts)
        self.memory: NDArray[np.float32] = np.zeros((2 * LAYERS, len(texts), HEADS, frames, HEAD_WIDTH), np.float32)
        self.hidden: NDArray[np.float32] = np.zeros((len(texts), 1, 1, frames), np.float32)
        said = max(text.said for text in texts)
        self.past: list[NDArray[np.float32]] = [
            np.zeros((len(texts), HEADS, said, HEAD_WIDTH), np.float32) for _ in range(2 * LAYERS)
        ]
        self.unsaid: NDArray[np.float32] = np.zeros((len(texts), 1, 1, said), np.float32)
        for row, text in enumerate(texts):
            heard = text.memory.shape[2]
            self.memory[:, row, :, :heard] = text.memory
            text.memory = self.memory[:, row, :, :heard]  # half a megabyte a second of sound, which is kept once
            self.hidden[row, ..., heard:] = _NOTHING
            self.unsaid[row, ..., : said - text.said] = _NOTHING
            if text.said:
                for array, own in zip(self.past, text.past, strict=True):
                    array[row, :, said - text.said :] = own[:, own.shape[1] - text.said :]
            text.company, text.row = self, row

    @classmethod
    def of(cls, texts: Sequence[Text]) -> _Company:
        """The batch of the last run, if it held exactly these texts."""
        company = texts[0].company
        if company is None or company.size != len(texts) or any(text.company is not company for text in texts):
            return cls(texts)
        return company

    def run(
        self, decoder: Any, texts: Sequence[Text]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """The next tokens of its texts, (n, B), by row, their probabilities, and the last layer's output at each,
        (n, B, WIDTH); afterwards the past has grown."""
        steps = min(_STEPS, *(text.decoded.limit - len(text.decoded.tokens) for text in texts))
        self.unsaid = np.pad(self.unsaid, ((0, 0), (0, 0), (0, 0), (0, steps)))
        *self.past, tokens, probabilities, states = decoder.run(
            None,
            {
                "steps": np.array(steps),
                "token": np.array([[text.last] for text in texts]),
                "start": np.array([[text.said] for text in texts]),
                "length": np.array([self.past[0].shape[2] + 1]),
                "unsaid": self.unsaid,
                "hidden": self.hidden,
                **{f"memory{i}": one for i, one in enumerate(self.memory)},
                **{f"past{i}": one for i, one in enumerate(self.past)},
            },
        )
        self.unsaid = self.unsaid[..., : self.past[0].shape[2]]
        return tokens[:, :, 0, 0], probabilities[:, :, 0, 0], states[:, :, 0]


def write(decoder: Any, texts: Sequence[Text]) -> list[bool]:
    """Write on at all `texts`, until one of them ends or for a few tokens; True for each that is finished.

    `decoder` is a session of the graph of that name. A text belongs to one call at a time.
    """
    company = _Company.of(texts)
    in_order = sorted(texts, key=lambda text: text.row)
    tokens, probabilities, states = company.run(decoder, in_order)
    confidences = np.log(probabilities)
    finished = set()
    for row, text in enumerate(in_order):
        pairs = zip(tokens[:, row].tolist(), confidences[:, row].tolist(), strict=True)
        if not all(text.decoded.add(token, confidence) for token, confidence in pairs):
            finished.add(text)
        text.said += len(tokens)
        text.last = int(tokens[-1, row])
        text.states = np.concatenate([text.states, states[:, row]])[-2:]
        text.past = [array[row] for array in company.past]
    return [text in finished for text in texts]
