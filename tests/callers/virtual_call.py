"""One caller against a server that a test plays by hand, in virtual time."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from duologue.audio.format import FRAME_SAMPLES
from duologue.callers.call import PLAY_RATE, Call, VoiceBank
from duologue.callers.load import NORMAL, Load, Pace
from duologue.callers.log import Log
from duologue.callers.script import Script
from duologue.callers.voice import Utterance
from duologue.clock import VirtualClock
from duologue.wire import messages as wire
from duologue.wire.fields import Audio
from duologue.wire.frames import pack

FRAME = 0.02
OUT = int(PLAY_RATE * FRAME)
LOUD = np.full(OUT, 8000, np.int16).tobytes()
QUIET = bytes(2 * OUT)

STARTED = wire.Started(
    session="s1",
    version=1,
    audio_in=Audio(),
    audio_out=Audio(rate=PLAY_RATE),
    limits=wire.Limits(max_message_bytes=1_048_576, max_text=4000, timeout_s=1800, idle_timeout_s=300),
)


def utterance(text: str, seconds: float) -> Utterance:
    """As many frames as it lasts, all of the same byte, audible from the first sample to the last."""
    frames = tuple(b"\x21" * (2 * FRAME_SAMPLES) for _ in range(round(seconds / FRAME)))
    return Utterance(text.replace(" | ", " "), frames, 0, len(frames) * FRAME_SAMPLES, ())


class Table:
    """The caller at one end, the test at the other. Time moves by `wait`; the caller ticks every 20 ms."""

    def __init__(self, script: Script, *, load: Load = NORMAL, seconds: float = 2.0) -> None:
        self.clock = VirtualClock(100.0)
        self.log = Log()
        self.sent: list[dict[str, Any]] = []
        self.frames: list[bytes] = []
        self.over = False
        said = {text: utterance(text, seconds) for text in script.texts()}
        self.call = Call(
            script, VoiceBank(said, (bytes(2 * FRAME_SAMPLES),)), Pace(load, 100.0), self.log,
            caller=0, call=0, began=100.0, now=self.clock.now, on_over=self._end,
        )  # fmt: skip
        self.position = 0
        self.call.begin(self)
        self.tell(STARTED)

    # The line.

    def say(self, message: str) -> None:
        self.sent.append(json.loads(message))

    def send(self, frame: bytes) -> None:
        assert struct.unpack_from("<QI", frame) == (FRAME_SAMPLES * len(self.frames), 0)
        self.frames.append(frame[12:])

    def close(self) -> None:
        self.call.closed(1000, "")

    def abort(self) -> None:
        self.close()

    def _end(self) -> None:
        self.over = True

    # The server.

    def tell(self, message: wire.ServerMessage) -> None:
        self.call.text(wire.dump(message))

    def sound(self, generation: int, pcm: bytes = LOUD) -> None:
        self.call.sound(pack(self.position, generation, pcm))
        self.position += len(pcm) // 2

    def wait(self, seconds: float, each: Callable[[], None] | None = None) -> None:
        """Let time pass; `each` is called before each tick."""
        for _ in range(round(seconds / FRAME)):
            self.clock.advance(FRAME)
            if each is not None:
                each()
            self.call.tick(self.clock.now())

    def reply(self, generation: int, text: str, *, seconds: float = 1.0, lead: int = 3) -> None:
        """A whole reply, as a server paces it: `lead` frames ahead, told as heard when it has sounded."""
        self.begin(generation, text, lead)
        self.wait(seconds - lead * FRAME, lambda: self.sound(generation))
        self.wait(lead * FRAME)
        self.heard(generation, text)

    def begin(self, generation: int, text: str, lead: int = 3) -> None:
        self.tell(wire.AgentText(generation=generation, text=text))
        for _ in range(lead):
            self.sound(generation)

    def heard(self, generation: int, text: str, *, interrupted: bool = False) -> None:
        self.tell(
            wire.AgentHeard(
                generation=generation, turn=0, text=text, said=text, interrupted=interrupted, estimated=False
            )
        )

    def decided(self, turn: int, text: str, *, end: float, start: float = 0.0) -> None:
        self.tell(
            wire.TranscriptFinal(
                turn=turn, text=text, reason="words", start_s=start, end_s=end, silence_s=0.3, probability=0.9
            )
        )

    @property
    def speaking(self) -> bool:
        return bool(self.frames) and self.frames[-1] != bytes(2 * FRAME_SAMPLES)

    def until(self, speaking: bool, *, within: float = 30.0) -> float:
        """Wait until the caller speaks, or no longer; the seconds that it took."""
        began = self.clock.now()
        while self.speaking is not speaking:
            assert self.clock.now() - began < within, "the caller does not take its turn"
            self.wait(FRAME)
        return self.clock.now() - began
