"""`duologue call`: a recording through the whole stack, as if somebody had called."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from duologue.audio.format import RATE
from duologue.cli.options import AgentName, BaseUrl, Greeting, Instructions, Llm, NoSmartTurn
from duologue.cli.output import AsJson, console, notes, print_json, progress
from duologue.cli.sound_files import SOUND, read_sound, sound_file, write_sound

if TYPE_CHECKING:
    from duologue.session import CallRecord
    from duologue.session.events import Subscription
    from duologue.settings.local import LocalModels

__all__ = ["Called", "Caller", "call"]


def call(
    file: Annotated[Path, typer.Argument(help="A WAV file of any common rate, depth and channel count.", **SOUND)],
    fast: Annotated[bool, typer.Option("--fast", help="Run in audio time, as fast as the models go.")] = False,
    out: Annotated[Path | None, sound_file("Write the agent's side to this WAV file.")] = None,
    agent: AgentName = None,
    llm: Llm = None,
    base_url: BaseUrl = None,
    instructions: Instructions = None,
    greeting: Greeting = None,
    seed: Annotated[int | None, typer.Option(help="Fixes the random part of the voice.", min=0)] = None,
    events: Annotated[
        bool,
        typer.Option("--events", help="Print every decision with its reason as it is made; beside --json, to stderr."),
    ] = False,
    language: Annotated[
        str | None, typer.Option(metavar="CODE", help="The language of the call, such as es; by default English.")
    ] = None,
    no_smart_turn: NoSmartTurn = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with status 1 if a turn was not answered.")] = False,
    as_json: AsJson = False,
) -> None:
    """Play a recording to an agent, and show each turn with where its time went.

    By default the recording is played in real time; with --fast, decisions are the same, without the waiting.
    Exits with status 1 if the call broke off. An error that it survived is shown, and is a failure of the command only
    with --strict, if it left a turn without an answer.
    """
    from duologue.cli.waterfall import print_turns
    from duologue.settings.agents import agent_factory, greeting_of
    from duologue.settings.local import load_local
    from duologue.stt.language import code_of

    samples = read_sound(file)
    make_agent = agent_factory(agent, llm=llm, base_url=base_url, instructions=instructions)
    if greeting is None:
        greeting = greeting_of(make_agent)
    code = None if language is None else code_of(language)
    models = load_local(smart_turn=not no_smart_turn, languages=() if code is None else (code,))
    shown = (notes if as_json else console) if events else None
    caller = Caller(models, greeting=greeting, language=code, seed=seed, fast=fast, events=shown)
    with progress(file.name, len(samples) / RATE, shown=not events) as show:
        called = asyncio.run(caller.call(samples.tobytes(), make_agent(), show))
    if out is not None:
        write_sound(out, called.sound, called.rate)
    record = called.record
    if as_json:
        print_json(
            {
                "turns": [t.as_dict() for t in record.turns],
                "greeting": record.greeting,
                "audio_s": round(record.audio, 3),
                "wall_s": round(called.wall, 3),
                "starved_frames": called.starved,
                "end_reason": record.reason,
                "errors": [{"code": e.code, "message": e.message, "turn": e.turn} for e in record.errors],
            }
        )
    else:
        print_turns(console, record)
        console.print(f"{record.audio:.1f} s of audio in {called.wall:.1f} s", style="dim")
    for error in record.errors:
        notes.print(f"error: {error.message} {error.hint}", style="red")
    unanswered = [turn.turn for turn in record.turns if not turn.agent_text]
    if strict and unanswered:
        notes.print(f"not answered: {', '.join(f'turn {turn}' for turn in unanswered)}", style="red")
    if record.reason == "error" or (strict and unanswered):
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Called:
    """A call that is over."""

    record: CallRecord
    sound: bytes
    """The agent's side from the start of the call, silences included: 16-bit mono PCM."""
    rate: int
    """Samples a second of `sound`."""
    wall: float
    """Seconds of real time that it took."""
    starved: int
    """Frames of 20 ms in which speech was due and none was ready."""


class Caller:
    """Holds one call, in real time or in audio time; with `events`, prints each event there when it happens."""

    def __init__(
        self,
        models: LocalModels,
        *,
        greeting: str = "",
        language: str | None = None,
        seed: int | None = None,
        fast: bool = True,
        events: Console | None = None,
    ) -> None:
        self._models = models
        self._greeting = greeting
        self._language = language
        self._seed = seed
        self._fast = fast
        self._events = events

    async def call(self, pcm: bytes, agent: Any, show: Any = None) -> Called:
        """Play `pcm`, 16 kHz mono PCM16, to `agent`; `show` is called with the seconds played so far."""
        from duologue.clock import VirtualClock, WallClock
        from duologue.conversation.config import ConversationConfig
        from duologue.recording.replayer import Replayer
        from duologue.recording.sink import Recorder
        from duologue.session import SessionConfig, VoiceSession

        clock = VirtualClock() if self._fast else WallClock()
        rules = ConversationConfig(greeting=self._greeting)
        config = SessionConfig(echo="none", language=self._language, seed=self._seed, rules=rules)
        stt, tts = self._models.stt_of(self._language), self._models.tts_of(self._language)
        sink = Recorder(tts.rate, clock)
        async with self._models.engine(clock=clock, paced=not self._fast) as engine:
            session = VoiceSession(engine=engine, stt=stt, tts=tts, agent=agent, config=config, sink=sink)
            watching = None
            if self._events is not None:
                watching = asyncio.create_task(_print_events(self._events, session.events(max_queue=4096)))
            began = time.perf_counter()
            async with session:
                await Replayer(session).play(pcm, on_progress=show)
            wall = time.perf_counter() - began
            if watching is not None:
                await watching
        return Called(session.record, sink.timeline(), tts.rate, wall, session.starved)


async def _print_events(where: Console, events: Subscription) -> None:
    async for event in events:
        fields = (
            f"{name}={getattr(event, name)!s}" for name in event.__dataclass_fields__ if name not in ("pos", "wall")
        )
        line = f"{event.pos / RATE:8.3f} s  {type(event).__name__}  {', '.join(fields)}"
        where.print(line, soft_wrap=True)
