"""A call in virtual time: a whole session over fakes, with no model, no waiting, and the same course every time."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self, TypeVar

from duologue.audio.format import RATE
from duologue.clock import VirtualClock
from duologue.conversation.events import Event
from duologue.engine import Engine, EngineConfig
from duologue.recording.replayer import Replayer
from duologue.recording.sink import Recorder
from duologue.session import SessionConfig, VoiceSession
from duologue.session.record import TurnRecord
from duologue.session.responder import Responder
from duologue.stt import SpeechToText, SttModel
from duologue.telemetry.hub import Telemetry
from duologue.testing.assertions import Assertions
from duologue.testing.fakes import FakeSpeechToText, FakeTextToSpeech, PeakVad, SentenceEnd
from duologue.testing.spoken import speak, understand
from duologue.tts import TextToSpeech, TtsModel
from duologue.turn import TurnModel, WordsPolicy
from duologue.vad import VoiceActivityDetector

__all__ = ["VirtualCall"]

E = TypeVar("E", bound=Event)


class VirtualCall(Assertions):
    """You are the user: what you say goes through the session to your agent, and what it says comes back as text.

        async with VirtualCall(agent) as call:
            await call.say("A table for four, please.")
            assert call.heard == ["For when?"]
            call.agent_said("when", within=1)

    Every part can be put in the place of its fake. Other arguments go to VoiceSession.
    """

    def __init__(
        self,
        agent: Any = None,
        *,
        config: SessionConfig | None = None,
        stt: SpeechToText | SttModel | None = None,
        tts: TextToSpeech | TtsModel | None = None,
        responder: Responder | None = None,
        vad: VoiceActivityDetector | None = None,
        words: WordsPolicy | None = None,
        turn_model: TurnModel | None = None,
        engine: EngineConfig | None = None,
        clock: VirtualClock | None = None,
        telemetry: Telemetry | None = None,
        **session: Any,
    ) -> None:
        self.clock: VirtualClock = clock or VirtualClock()
        self.engine: Engine = Engine(
            vad=vad or PeakVad(),
            words=words or SentenceEnd(),
            turn_model=turn_model,
            config=engine,
            clock=self.clock,
            paced=False,
            telemetry=telemetry,
        )
        tts = tts or FakeTextToSpeech()
        self.sink: Recorder = Recorder((responder or tts).rate, self.clock)
        session = {"sink": self.sink, **session}
        self.session: VoiceSession = VoiceSession(
            engine=self.engine,
            stt=stt or FakeSpeechToText(),
            tts=tts,
            agent=agent,
            responder=responder,
            config=config,
            **session,
        )
        self._replayer = Replayer(self.session)
        self._reader = self.session.events(max_queue=100_000)
        self._events: list[Event] = []

    async def __aenter__(self) -> Self:
        await self.engine.__aenter__()
        await self.session.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.hang_up()
        await self.engine.__aexit__(kind, error, trace)

    # --- what you do ---

    async def say(self, text: str) -> None:
        """Say `text`, and listen until both sides have finished."""
        await self.play(speak(text))
        await self.settle()

    async def speak(self, text: str) -> None:
        """Say `text`, and go no further than its last sound."""
        await self.play(speak(text))

    async def silence(self, seconds: float, *, waits: bool = True) -> None:
        """Say nothing for so long, in audio time."""
        await self.play(bytes(round(seconds * RATE) * 2), waits=waits)

    async def play(self, pcm: bytes, *, waits: bool = True) -> None:
        """Send sound of your own: 16 kHz mono PCM16, filled up to whole 20 ms.

        It waits wherever evidence or speech is due; with `waits=False` never, as in real time.
        """
        await self._replayer.play(pcm, wait_for=None if waits else (), max_tail=0.0)

    async def settle(self, longest: float = 60.0) -> None:
        """Say nothing until nothing has been open on either side for half a second."""
        await self._replayer.play(b"", max_tail=longest)

    # --- what came of it ---

    @property
    def turns(self) -> list[TurnRecord]:
        """The turns so far."""
        return list(self.session.record.turns)

    @property
    def heard(self) -> list[str]:
        """What the user heard of each of the agent's answers and texts."""
        return [message.text for message in self.session.history if message.role == "agent"]

    @property
    def sounded(self) -> str:
        """All words that were in the agent's sound, as it reached the sink."""
        return understand(self.sink.timeline(), self.sink.rate)

    @property
    def events(self) -> list[Event]:
        """All events so far."""
        self._events += self._reader.drain()
        return self._events

    def of(self, kind: type[E]) -> list[E]:
        """All events of one kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def one(self, kind: type[E]) -> E:
        """The only event of one kind."""
        found = self.of(kind)
        assert len(found) == 1, f"{len(found)} of {kind.__name__}, not one: {found}"
        return found[0]
