"""One driver for recorded calls: audio through live sessions, or recorded inputs through the rules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

from duologue.audio.format import FRAME, FRAME_SAMPLES
from duologue.conversation.conversation import Conversation
from duologue.conversation.effects import Effect
from duologue.conversation.inputs import Input, Now
from duologue.conversation.state import SessionState
from duologue.errors import ConfigError, DeadlineError, InvalidStateError
from duologue.session import VoiceSession

__all__ = ["FRAME_BYTES", "Audio", "Replayer", "replay_inputs"]

Audio = bytes | Iterable[bytes]
"""16 kHz mono PCM16: all of it, or frame by frame."""

FRAME_BYTES: Final = 2 * FRAME_SAMPLES
PROGRESS_TIMEOUT_S: Final = 60.0
"""Real seconds in which evidence or speech must make progress while audio waits for it."""
LOOP_TURNS: Final = 5
"""Turns of the event loop for each frame that waits for nothing: enough for tasks that are ready to finish."""


class Replayer:
    """Plays audio to live sessions of one engine, in frames of 20 ms.

    With an engine that is paced, playing takes as long as the audio. With `Engine(paced=False, clock=VirtualClock())`
    it runs in audio time: before each frame it waits for evidence that is due and speech that is due, so that the
    sessions decide as in real time, and moves the clock on after it.

    Args:
        sessions: At least one; audio is passed in the same order.
        progress_timeout: Real seconds without progress after which waiting raises DeadlineError.
        ticks: Ticks of an engine that is not paced for each frame.
    """

    def __init__(self, *sessions: VoiceSession, progress_timeout: float = PROGRESS_TIMEOUT_S, ticks: int = 1) -> None:
        if not sessions or any(session.engine is not sessions[0].engine for session in sessions):
            raise ConfigError("A Replayer needs at least one session, and all of them on the same engine.")
        self._sessions = sessions
        self._engine = sessions[0].engine
        self._progress_timeout = progress_timeout
        self._ticks = ticks

    async def play(
        self,
        *audio: Audio,
        wait_for: Collection[VoiceSession] | None = None,
        settle: float = 0.5,
        max_tail: float = 60.0,
        on_progress: Callable[[float], None] | None = None,
    ) -> None:
        """Play the audio of each session, then silence until both sides of each have finished.

        Audio that comes frame by frame may depend on what was sent before it, such as its echo: a frame is taken when
        everything before it has sounded. Returns early when all sessions have ended.

        Args:
            audio: One for each session.
            wait_for: The sessions that the audio waits for in audio time; None for all of them.
            settle: Seconds of silence in which nothing is open, after which it returns.
            max_tail: The longest silence, in seconds.
            on_progress: Receives the seconds that have been played, after each frame.

        Raises:
            DeadlineError: The sessions made no progress within the timeout.
        """
        tracks = [_frames(each) for each in audio]
        if len(tracks) != len(self._sessions):
            raise ConfigError(f"There is audio for {len(tracks)} sessions, and there are {len(self._sessions)}.")
        paced, loop = self._engine.paced, asyncio.get_running_loop()
        loop_turns = 1 if wait_for is None or wait_for else LOOP_TURNS
        max_tail_frames = int(max_tail / FRAME)
        began, played, tail, settled = loop.time(), 0, 0, 0.0
        while True:
            if paced:
                await asyncio.sleep(began + played * FRAME - loop.time())
            else:
                await self.wait_until_ready(wait_for)
            if all(session.state is SessionState.ENDED for session in self._sessions):
                return
            frames = [next(track, b"") for track in tracks]
            if not any(frames):
                if tail >= max_tail_frames:
                    return
                tail += 1
            await self.send(*frames, loop_turns=loop_turns)
            played += 1
            if on_progress is not None:
                on_progress(played * FRAME)
            if tail:
                is_idle = all(session.settled for session in self._sessions)
                settled = settled + FRAME if is_idle else 0.0
                if settled >= settle:
                    return

    async def wait_until_ready(self, wait_for: Collection[VoiceSession] | None = None) -> None:
        """Return when none of the sessions waits for evidence that is due, or for speech that is due.

        Raises DeadlineError where none of them makes progress within the timeout.
        """
        chosen = self._sessions if wait_for is None else wait_for
        if not any(session.behind() for session in chosen):
            return
        try:
            async with asyncio.timeout(self._progress_timeout):
                while (session := next((each for each in chosen if each.behind()), None)) is not None:
                    await session.progress()
        except TimeoutError:
            raise DeadlineError(
                f"Neither evidence nor speech came for {self._progress_timeout:g} s, and the audio waits for it."
            ) from None

    async def send(self, *frames: bytes, loop_turns: int = 1) -> None:
        """Pass each session its next frame, filled up to 20 ms; an engine that is not paced moves on by as much."""
        for session, frame in zip(self._sessions, frames, strict=True):
            if session.state is not SessionState.ENDED:
                session.process_audio(frame.ljust(FRAME_BYTES, b"\0"))
        if self._engine.paced:
            return
        for _ in range(self._ticks):
            self._engine.advance(FRAME / self._ticks)
            for _ in range(loop_turns):
                await asyncio.sleep(0)


def replay_inputs(rules: Conversation, inputs: Iterable[tuple[Input, Now]]) -> Iterator[list[Effect]]:
    """Pass recorded inputs to rules that have had none, and return the effects of each.

    With the configuration of the recorded call they are the effects of that call: the rules read no clock and draw no
    random numbers. An input that was refused then is refused again, and has no effects.
    """
    for input_, now in inputs:
        try:
            yield rules.handle(input_, now)
        except InvalidStateError:
            yield []


def _frames(audio: Audio) -> Iterator[bytes]:
    if isinstance(audio, bytes):
        return (audio[i : i + FRAME_BYTES] for i in range(0, len(audio), FRAME_BYTES))
    return iter(audio)
