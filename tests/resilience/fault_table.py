"""What the user hears of each fault of a provider, found by whole calls in virtual time.

`python tests/resilience/fault_table.py` writes the table into docs/resilience.md; a test keeps it true.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic_ai.models.function import FunctionModel

from duologue.agent.llm import LLMAgent
from duologue.conversation.state import SessionState
from duologue.resilience import BreakerRegistry, resilient_model, resilient_stt, resilient_tts
from duologue.testing.agents import ScriptedAgent
from duologue.testing.faults import AT_START, KINDS, Fault, FaultPlan, FaultySpeechToText, FaultyTextToSpeech
from duologue.testing.faulty_model import FaultyModel
from duologue.testing.spoken import speak
from duologue.testing.streaming import FakeStreamingSpeechToText
from duologue.testing.timed_call import TimedCall
from duologue.testing.virtual_time import run_in_virtual_time
from duologue.testing.voices import StreamingVoice
from duologue.turn.languages import language_pack

PAGE = Path(__file__).parents[2] / "docs" / "resilience.md"
BEGIN, END = "<!-- fault table: made by tests/resilience/fault_table.py -->", "<!-- end of the fault table -->"

Capability = Literal["stt", "model", "tts"]
NAMES = {"stt": "Recognizer", "model": "Language model", "tts": "Voice"}
STAGES = {
    ("stt", "start"): "before its first words",
    ("stt", "middle"): "while the user speaks",
    ("stt", "end"): "at the final transcript",
    ("model", "start"): "before its first token",
    ("model", "middle"): "in mid-answer",
    ("tts", "start"): "before its first audio",
    ("tts", "middle"): "in mid-sentence",
}
FAULTS = {
    "refuse": "refuses the connection",
    "reset": "breaks off",
    "half_open": "is half-open",
    "stall": "stalls",
    "slow": "is 3 s late with each item",
    "garble": "sends nonsense",
    "duplicate": "sends all twice",
    "reorder": "changes the order",
    "error_burst": "answers 500",
    "rate_limited": "answers 429",
    "unauthorized": "answers 401",
    "clock_jump": "the process stops for 3 s",
}
ANSWER = "Yes, we have a table. It is by the window."
PACK = language_pack("en")
TURNS, LISTENS = 3, 90.0


@dataclass(frozen=True)
class Cell:
    """One fault of one provider."""

    capability: Capability
    fault: Fault

    @property
    def id(self) -> str:
        return f"{self.capability}-{self.fault.at}-{self.fault.kind}"

    @property
    def may_pass_on(self) -> bool:
        """Another provider can take over: not of an answer that may have been spoken in part."""
        return not (self.capability == "model" and self.fault.at == "middle")


@dataclass
class Heard:
    """What came of a call."""

    turns: list[str] = field(default_factory=list)
    """What was heard in each turn."""
    late: list[float] = field(default_factory=list)
    """Seconds from the end of the user's speech to the first sound of the agent."""
    dead_air: float = 0.0
    """The longest silence while an answer was owed, from the end of the user's speech on."""
    calls: int = 0
    """Calls to the provider that fails."""
    is_live: bool = False
    tasks: set[str] = field(default_factory=set)
    probes: int = 0


CELLS = [
    Cell(capability, Fault(kind, at))  # type: ignore[arg-type]  # the keys are of these types
    for capability, at in STAGES
    for kind in KINDS
    if (at == "start" or kind not in AT_START) and (capability == "stt" or kind not in ("duplicate", "reorder"))
]


async def _words(*_: Any) -> AsyncIterator[str]:
    for word in ANSWER.split(" "):
        yield f"{word} "


def _model() -> FunctionModel:
    return FunctionModel(stream_function=_words)


async def _call(cell: Cell | None, turns: int, listens: float, *, backup: bool) -> Heard:
    breakers, plan = BreakerRegistry(), FaultPlan.always(cell.fault) if cell else FaultPlan([])
    none = FaultPlan([])
    failing = cell.capability if cell else ""
    stt: list[Any] = [
        FaultySpeechToText(_stt("a"), plan if failing == "stt" else none, name="a"),
        *([_stt("b")] if backup else []),
    ]
    tts: list[Any] = [
        FaultyTextToSpeech(StreamingVoice(), plan if failing == "tts" else none, name="a"),
        *([StreamingVoice()] if backup else []),
    ]
    agent: Any = ScriptedAgent(ANSWER)
    if failing == "model":
        models = [FaultyModel(_model(), plan, name="a"), *([_model()] if backup else [])]
        model = resilient_model(models, breakers=breakers)
        agent = LLMAgent(model, instructions="Be brief.", stall_timeout=4.0, speculative=False)
    heard = Heard()
    voice = resilient_tts(tts, breakers=breakers)
    async with TimedCall(agent, stt=resilient_stt(stt, breakers=breakers), tts=voice) as call:
        for text in (PACK.apology, *PACK.fillers):  # as `serve` does while the voice is healthy
            call.engine.standby.put(voice.name, voice.rate, text, speak(text, voice.rate, pitch=140))
        for _ in range(turns):
            before = len(call.session.history)
            await call.ask("A table for two.", then=1.0)
            spoke = call.spoke[-1]
            for _ in range(round(listens / 0.5)):
                await call.listen(0.5)
                if call.session.settled:
                    break
            until = asyncio.get_running_loop().time()
            said = [(a, b) for a, b in call.audible() if b > spoke]
            heard.turns.append(" ".join(m.text for m in call.session.history[before:] if m.role == "agent"))
            heard.late.append(said[0][0] - spoke if said else listens)
            decided = [at for at in call.decided if at >= spoke]
            ends = [decided[0] if decided and said and decided[0] < said[0][0] else spoke, *(b for _, b in said)]
            starts = [a for a, _ in said]
            silences = [a - b for a, b in zip(starts, ends, strict=False)] or [until - spoke]
            heard.dead_air = max(heard.dead_air, *silences)
        heard.is_live = call.session.state is not SessionState.ENDED
    await asyncio.sleep(3.0)  # what is closed without being waited for
    heard.calls = plan.calls
    heard.tasks = {task.get_name() for task in asyncio.all_tasks()} - {asyncio.current_task().get_name()}  # type: ignore[union-attr]
    heard.probes = sum(breaker._probing for breaker in breakers._breakers.values())
    return heard


def _stt(name: str) -> FakeStreamingSpeechToText:
    return FakeStreamingSpeechToText(name=name, latency=0.1, typical_latency=0.1, partial_every=0.4)


@cache
def run(cell: Cell | None, *, backup: bool) -> Heard:
    """Hold the call."""
    logging.getLogger("duologue").setLevel(logging.CRITICAL)
    try:
        return run_in_virtual_time(_call(cell, TURNS if backup else 1, LISTENS, backup=backup))
    finally:
        logging.getLogger("duologue").setLevel(logging.NOTSET)


def without_fillers(text: str) -> str:
    """What was heard besides fillers."""
    for filler in PACK.fillers:
        text = text.replace(filler, "")
    return " ".join(text.split())


def described(heard: Heard, turn: int) -> str:
    """What the user heard in one turn, in words."""
    fillers = sum(heard.turns[turn].count(filler) for filler in PACK.fillers)
    text = without_fillers(heard.turns[turn])
    apologizes = PACK.apology in text
    text = text.replace(PACK.apology, "").strip()
    late = heard.late[turn] - run(None, backup=True).late[0]
    parts = []
    if fillers:
        parts.append("a filler" if fillers == 1 else "fillers")
    if text == ANSWER:
        parts.append("the answer" if fillers or late < 0.3 else f"the answer, {round(2 * late) / 2:g} s late")
    elif text.endswith(ANSWER) or (ANSWER.endswith(text[-20:]) and len(text) > len(ANSWER)):
        parts.append("the answer, a clause twice")
    elif text:
        parts.append("the beginning of the answer" if len(text) < len(ANSWER) else "the answer")
    if apologizes:
        parts.append("the apology")
    return ", then ".join(parts) or "nothing"


def table() -> str:
    """The table as Markdown."""
    lines = [
        "| provider | fault | first turn, with another in the list | later turns | alone |",
        "|---|---|---|---|---|",
    ]
    for cell in CELLS:
        with_backup, alone = run(cell, backup=True), run(cell, backup=False)
        columns = (
            f"{NAMES[cell.capability]}, {STAGES[cell.capability, cell.fault.at]}",
            FAULTS[cell.fault.kind],
            described(with_backup, 0),
            described(with_backup, TURNS - 1),
            described(alone, 0),
        )
        lines.append(f"| {' | '.join(columns)} |")
    return "\n".join(lines)


def in_page(page: str) -> str:
    """The table as the page has it."""
    found = re.search(f"{re.escape(BEGIN)}\n\n(.*?)\n\n{re.escape(END)}", page, re.DOTALL)
    assert found is not None, "the page has no place for the table"
    return found.group(1)


if __name__ == "__main__":
    text = PAGE.read_text("utf-8")
    PAGE.write_text(text.replace(in_page(text), table()), "utf-8")
