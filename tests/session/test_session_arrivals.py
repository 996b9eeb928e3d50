"""Chunks of any length, on networks of any kind, make no gap; a client that vanished makes one in a stated time."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from duologue.clock import VirtualClock
from duologue.conversation import events
from duologue.conversation.config import ConversationConfig
from duologue.conversation.state import SessionState
from duologue.engine import Engine
from duologue.session import SessionConfig, VoiceSession
from duologue.session.arrivals import FILL_EVERY, MAX_TIMEOUT_S
from duologue.session.events import Subscription
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeSpeechToText, FakeTextToSpeech, PeakVad, SentenceEnd
from duologue.testing.spoken import speak

pytestmark = pytest.mark.anyio

RATE = 16_000
TICK = 0.01

Chunk = tuple[float, int]
"""When it arrives, in seconds, and its samples."""


class Client:
    """A session in virtual time, and the audio that arrives at it."""

    def __init__(self, session: VoiceSession, engine: Engine, clock: VirtualClock) -> None:
        self.session = session
        self.engine = engine
        self.clock = clock
        self.events: Subscription = session.events(max_queue=4096)
        self.gaps: list[events.AudioGap] = []
        self.speech: list[events.SpeechStarted] = []
        self.sent = 0

    def wait(self, until: float) -> None:
        while self.clock.now() < until - 1e-9:
            self.clock.advance(min(TICK, until - self.clock.now()))
            self.engine.step()
            for event in self.events.drain():
                if isinstance(event, events.AudioGap):
                    self.gaps.append(event)
                elif isinstance(event, events.SpeechStarted):
                    self.speech.append(event)

    def send(self, chunks: Iterable[Chunk], audio: bytes = b"") -> None:
        """Silence, or `audio` and then silence, in these chunks."""
        at = 0
        for when, samples in chunks:
            self.wait(when)
            self.session.process_audio(audio[2 * at : 2 * (at + samples)].ljust(2 * samples, b"\0"))
            at += samples
            self.sent += samples

    @property
    def missing(self) -> float:
        return sum(gap.end - gap.start for gap in self.gaps) / RATE


# Audio is sent faster than anybody can answer: no filler is said meanwhile.
SILENT = SessionConfig(rules=ConversationConfig(max_dead_air=0.0))


@asynccontextmanager
async def client() -> AsyncIterator[Client]:
    clock = VirtualClock()
    async with Engine(vad=PeakVad(), words=SentenceEnd(), clock=clock, paced=True) as engine:
        session = VoiceSession(
            engine=engine, stt=FakeSpeechToText(), tts=FakeTextToSpeech(), agent=ScriptedAgent("Yes."), config=SILENT
        )
        async with session:
            yield Client(session, engine, clock)
            await session.hang_up()  # what is still to be said would never sound: the clock stands still


def steady(seconds: float, size: float, *, start: float = 0.0, speed: float = 1.0) -> Iterator[Chunk]:
    """A chunk of `size` seconds comes when it has been recorded, by a clock that runs at `speed`."""
    for n in range(1, round(seconds / size) + 1):
        yield start + n * size / speed, round(size * RATE)


def in_groups(seconds: float, size: float, group: int) -> Iterator[Chunk]:
    for n in range(round(seconds / size / group)):
        for _ in range(group):
            yield (n + 1) * size * group, round(size * RATE)


def delayed(chunks: Iterable[Chunk], delay: Iterable[float]) -> Iterator[Chunk]:
    """The same over a network that is late by so much for each, and keeps the order."""
    before = 0.0
    for (when, samples), late in zip(chunks, delay, strict=False):
        before = max(before, when + late)
        yield before, samples


def stalled(chunks: Iterable[Chunk], at: float, seconds: float) -> Iterator[Chunk]:
    """Nothing comes from `at` on for so long, and then all of it at once."""
    for when, samples in chunks:
        yield max(when, at + seconds) if when >= at else when, samples


@pytest.mark.parametrize("size", [0.01, 0.02, 0.04, 0.1, 0.256, 0.512, 0.8, 1.0])
@pytest.mark.parametrize("speed", [0.98, 1.0, 1.02])
@pytest.mark.no_cover
async def test_chunks_of_any_length_make_no_gap(size: float, speed: float) -> None:
    async with client() as c:
        c.send(steady(40.0, size, speed=speed))
        assert c.gaps == []
        assert c.session.dropped == 0
        assert c.session.accepted == c.sent


@pytest.mark.parametrize("group", [2, 5, 10, 25, 30])
async def test_chunks_that_are_sent_in_groups_make_no_gap(group: int) -> None:
    async with client() as c:
        c.send(in_groups(40.0, 0.02, group))
        assert c.session.accepted == c.sent
        assert c.gaps == []


@pytest.mark.parametrize("size", [0.02, 0.1, 0.256, 0.512, 1.0])
@pytest.mark.parametrize("worst", [0.1, 0.3, 0.5])
@pytest.mark.no_cover
async def test_jitter_makes_no_gap(size: float, worst: float) -> None:
    dice = random.Random(7)
    async with client() as c:
        c.send(delayed(steady(60.0, size), (dice.random() ** 4 * worst for _ in range(6000))))
        assert c.gaps == []


@pytest.mark.parametrize("size", [0.02, 0.256, 0.512, 1.0])
async def test_a_stall_of_half_a_second_makes_no_gap_in_what_is_said(size: float) -> None:
    audio = speak("I would like a table for four people.")
    async with client() as c:
        c.send(stalled(steady(8.0, size), 1.01, 0.5), audio)
        c.wait(c.clock.now() + 0.1)
        assert c.gaps == []
        assert len(c.speech) == 1


async def test_the_first_chunk_may_be_the_longest() -> None:
    async with client() as c:
        c.send([(0.02, 320)])
        c.send(steady(20.0, 0.5, start=0.02))
        assert c.gaps == []


@pytest.mark.parametrize(("size", "first"), [(0.02, 0.62), (0.1, 0.7), (0.256, 0.856), (0.512, 1.112), (1.0, 1.6)])
async def test_a_client_that_vanished_falls_silent(size: float, first: float) -> None:
    async with client() as c:
        c.send(steady(4.0, size))
        gone = c.clock.now()
        c.wait(gone + first - 0.02)
        assert c.gaps == []
        c.wait(gone + first + 0.06)  # a session without speech to send is looked at each fifth tick
        assert [gap.reason for gap in c.gaps] == ["missing"]
        c.wait(gone + 30.0)
        behind = c.clock.now() - gone - (c.session.accepted - c.sent) / RATE
        assert 0 <= behind <= size + FILL_EVERY + 0.1
        assert c.session.state is SessionState.AWAY


async def test_no_client_is_waited_for_longer_than_the_bound() -> None:
    dice = random.Random(3)
    async with client() as c:
        c.wait(MAX_TIMEOUT_S + 0.1)
        assert c.gaps  # Nothing has ever come.
        chunks = steady(60.0, 0.5, start=c.clock.now())
        c.send(delayed(chunks, (dice.random() * 2.0 for _ in range(1000))))
        c.gaps.clear()
        c.wait(c.clock.now() + MAX_TIMEOUT_S + 0.1)
        assert c.gaps


async def test_a_stall_that_was_made_up_for_is_waited_for_the_next_time() -> None:
    async with client() as c:
        c.send(stalled(steady(6.0, 0.02), 2.0, 0.9))
        assert c.gaps
        c.gaps.clear()
        c.send(stalled(steady(6.0, 0.02, start=c.clock.now()), c.clock.now() + 2.0, 0.9))
        assert c.gaps == []


async def test_what_was_learned_is_forgotten_after_a_minute() -> None:
    async with client() as c:
        c.send(stalled(steady(6.0, 0.02), 2.0, 0.9))
        c.send(steady(70.0, 0.02, start=c.clock.now()))
        c.gaps.clear()
        c.wait(c.clock.now() + 0.7)
        assert c.gaps


@pytest.mark.parametrize("size", [0.02, 0.256])
@pytest.mark.parametrize("stall", [1.5, 3.0, 5.0])
async def test_audio_that_was_only_late_does_not_shift_the_rest_of_the_call(size: float, stall: float) -> None:
    async with client() as c:
        c.send(stalled(steady(10.0 + stall, size), 4.0, stall))
        assert c.missing > 0
        c.send(steady(10.0, size, start=c.clock.now()))
        assert c.session.accepted == pytest.approx(c.sent, abs=2 * 512)
        said_at = c.sent
        c.send(steady(4.0, size, start=c.clock.now()), speak("Hello there."))
        assert c.speech[-1].start == pytest.approx(said_at, abs=2_000)


async def test_a_client_that_sends_nothing_while_it_is_muted_loses_no_time() -> None:
    async with client() as c:
        for _ in range(3):
            c.send(steady(3.0, 0.02, start=c.clock.now()))
            c.wait(c.clock.now() + 7.0)
        c.send(steady(12.0, 0.02, start=c.clock.now()))
        assert c.session.accepted / RATE == pytest.approx(c.clock.now(), abs=3 * (FILL_EVERY + 0.1))


async def test_silence_that_was_noted_is_not_skipped_again() -> None:
    async with client() as c:
        c.send(steady(1.0, 0.02))
        c.wait(3.0)
        noted = c.session.accepted - c.sent
        assert noted > 1.5 * RATE
        c.session.skip_audio(2 * RATE)
        assert c.session.accepted == 3 * RATE
        c.session.skip_audio(RATE)
        assert c.session.accepted == 4 * RATE


async def test_of_a_stall_positions_tell_what_never_came() -> None:
    async with client() as c:
        c.send(steady(1.0, 0.02))
        c.wait(4.0)
        c.session.skip_audio(2 * RATE)  # Of the three seconds one comes late.
        c.send((4.0, 320) for _ in range(50))
        c.send(steady(10.0, 0.02, start=4.0))
        assert c.session.accepted == pytest.approx(14 * RATE, abs=2 * 512)


async def test_more_than_a_second_at_once_is_no_reason_to_wait_for_longer() -> None:
    async with client() as c:
        c.send([(0.1, 10 * RATE)])
        c.wait(0.1 + MAX_TIMEOUT_S + 0.1)
        assert "missing" in [gap.reason for gap in c.gaps]
        c.wait(12.0)
        assert c.session.accepted - 10 * RATE == pytest.approx(12.0 * RATE, abs=1.5 * RATE)


def test_speech_is_loud_enough_for_the_detector_of_these_tests() -> None:
    assert np.abs(np.frombuffer(speak("Hello."), np.int16)).max() > 3000
