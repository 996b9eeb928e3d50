"""Drive a session with recorded sound: at the pace of the wall, or in audio time, as fast as the models go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator

from duologue.clock import VirtualClock
from duologue.conversation.config import RATE
from duologue.conversation.state import SessionState
from duologue.engine import Engine
from duologue.errors import DeadlineError
from duologue.session.session import VoiceSession

__all__ = ["drive"]

CHUNK = 0.02
"""Seconds."""
STUCK = 60.0
"""Seconds that audio in audio time waits for evidence or speech before it gives up."""


async def drive(
    session: VoiceSession,
    engine: Engine,
    pcm: bytes | Iterable[bytes],
    *,
    settle: float = 0.5,
    longest_tail: float = 60.0,
    on_progress: Callable[[float], None] | None = None,
) -> None:
    """Play 16 kHz mono PCM16 to a live session, then silence until both sides have finished.

    `pcm` may be given 20 ms at a time; each piece is taken when all that was sent before it has sounded, so that it can
    hold the echo of that.

    With an engine that is paced this takes as long as the sound. With `Engine(paced=False, clock=VirtualClock())` it
    runs in audio time: the sound waits wherever evidence is due or speech is owed, so that it decides as in real time.
    The silence lasts until nothing has been open for `settle` seconds, and at most `longest_tail`. Raises DeadlineError
    where the sound has waited for a minute of real time.
    """
    clock = engine.clock
    frame = int(CHUNK * RATE) * 2
    loop = asyncio.get_running_loop()
    began, chunks, settled, tail = loop.time(), 0, 0.0, 0
    pieces = _cut(pcm, frame) if isinstance(pcm, bytes) else iter(pcm)
    while True:
        if isinstance(clock, VirtualClock):
            await _catch_up(session)
        else:
            await asyncio.sleep(began + chunks * CHUNK - loop.time())
        if session.state is SessionState.ENDED:
            return
        piece = next(pieces, b"")
        if not piece:
            if tail >= int(longest_tail / CHUNK):
                return
            tail += 1
        session.process_audio(piece.ljust(frame, b"\0"))
        if isinstance(clock, VirtualClock):
            clock.advance(CHUNK)
            engine.step()
            await asyncio.sleep(0)
        chunks += 1
        if on_progress is not None:
            on_progress(chunks * CHUNK)
        if tail:
            settled = settled + CHUNK if session.settled else 0.0
            if settled >= settle:
                return


def _cut(pcm: bytes, frame: int) -> Iterator[bytes]:
    return (pcm[i : i + frame] for i in range(0, len(pcm), frame))


async def _catch_up(session: VoiceSession) -> None:
    try:
        async with asyncio.timeout(STUCK):
            while session.behind():
                await session.progress()
    except TimeoutError:
        raise DeadlineError(f"Neither evidence nor speech came for {STUCK:g} s, and the sound waits for it.") from None
