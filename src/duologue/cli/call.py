"""`duologue call`: a recording through the whole stack, as if somebody had called."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from duologue.cli.options import AgentName, BaseUrl, Instructions, Llm, NoSmartTurn
from duologue.cli.output import AsJson, console, notes, print_json, progress
from duologue.cli.waterfall import print_turns

__all__ = ["call"]


def call(
    file: Annotated[
        Path,
        typer.Argument(
            help="A WAV file of any common rate, depth and channel count.", exists=True, dir_okay=False, readable=True
        ),
    ],
    fast: Annotated[bool, typer.Option("--fast", help="Run in audio time, as fast as the models go.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the agent's side to this WAV file.")] = None,
    agent: AgentName = "booking",
    llm: Llm = None,
    base_url: BaseUrl = None,
    instructions: Instructions = None,
    greeting: Annotated[str, typer.Option(help="What the agent says first.")] = "",
    seed: Annotated[int | None, typer.Option(help="Fixes the random part of the voice.")] = None,
    events: Annotated[
        bool, typer.Option("--events", help="Print every decision with its reason as it is made.")
    ] = False,
    no_smart_turn: NoSmartTurn = False,
    as_json: AsJson = False,
) -> None:
    """Play a recording to an agent, and show each turn with where its time went.

    In real time the recording takes as long as it is; with --fast, decisions are the same and waiting is left out.
    """
    from duologue.audio.wav import read_wav_16k, write_wav
    from duologue.settings.agents import agent_factory
    from duologue.settings.local import load_local

    wav = read_wav_16k(file)
    if wav.truncated:
        notes.print(f"{file} ends before its header says; what is there was read.", markup=False)
    make_agent = agent_factory(agent, llm=llm, base_url=base_url, instructions=instructions)
    models = load_local(smart_turn=not no_smart_turn)
    caller = Caller(models, greeting=greeting, seed=seed, fast=fast, show_events=events and not as_json)
    with progress(file.name, len(wav.samples) / 16000, shown=not events) as show:
        result = asyncio.run(caller.call(wav.samples.tobytes(), make_agent(), show))
    if out is not None:
        write_wav(out, result["reply"], result["rate"])
    record = result["record"]
    if as_json:
        print_json(
            {
                "turns": [t.as_dict() for t in record.turns],
                "greeting": record.greeting,
                "audio_s": round(record.audio, 3),
                "wall_s": round(result["wall"], 3),
                "starved_frames": result["starved"],
                "end_reason": record.reason,
                "errors": [{"code": e.code, "message": e.message, "turn": e.turn} for e in record.errors],
            }
        )
        return
    print_turns(console, record)
    for error in record.errors:
        notes.print(f"error: {error.message} {error.hint}", markup=False, style="red")
    console.print(f"[dim]{record.audio:.1f} s of audio in {result['wall']:.1f} s[/]")


class Caller:
    """Holds one call, in real time or in audio time."""

    def __init__(self, models: Any, *, greeting: str, seed: int | None, fast: bool, show_events: bool) -> None:
        self._models = models
        self._greeting = greeting
        self._seed = seed
        self._fast = fast
        self._show_events = show_events

    async def call(self, pcm: bytes, agent: Any, show: Any) -> dict[str, Any]:
        """Play `pcm`, 16 kHz mono PCM16, and return the record of the call and the agent's sound."""
        from duologue.clock import VirtualClock, WallClock
        from duologue.conversation.config import ConversationConfig
        from duologue.session import SessionConfig, VoiceSession
        from duologue.session.drive import drive
        from duologue.testing.sinks import Recorder

        clock = VirtualClock() if self._fast else WallClock()
        config = SessionConfig(seed=self._seed, rules=ConversationConfig(greeting=self._greeting))
        sink = Recorder(self._models.tts.rate, clock)
        async with self._models.engine(clock=clock, paced=not self._fast) as engine:
            session = VoiceSession(
                engine=engine, stt=self._models.stt, tts=self._models.tts, agent=agent, config=config, sink=sink
            )
            began = time.perf_counter()
            async with session:
                watching = asyncio.create_task(self._watch(session)) if self._show_events else None
                await drive(session, engine, pcm, on_progress=show)
            wall = time.perf_counter() - began
            if watching:
                await watching
        return {
            "record": session.record,
            "reply": sink.timeline(),
            "rate": self._models.tts.rate,
            "wall": wall,
            "starved": session.starved,
        }

    async def _watch(self, session: Any) -> None:
        async for event in session.events(max_queue=4096):
            fields = ", ".join(
                f"{name}={getattr(event, name)!s}" for name in event.__dataclass_fields__ if name not in ("pos", "wall")
            )
            console.print(f"{event.pos / 16000:8.3f} s  {type(event).__name__}  {fields}", markup=False)
