"""The turns of a call as a table, with a waterfall for each: where the time between the two voices went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from duologue.session import CallRecord, TurnRecord

__all__ = ["COLOURS", "print_turns"]

COLOURS = {
    "speech_end": "bright_black",
    "transcript": "cyan",
    "end_of_turn": "yellow",
    "input_lag": "red",
    "agent": "magenta",
    "clause": "bright_magenta",
    "voice": "blue",
    "playout": "green",
}
"""By part, in order."""
WIDTH = 24
LEAST = 0.0005
"""Seconds; a part that was shorter in all turns is left out of the legend."""


def print_turns(console: Console, record: CallRecord) -> None:
    """Print three lines a turn: what the user said, what the agent said, and the waterfall; all on one scale."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column("turn", justify="right", style="bold", no_wrap=True)
    table.add_column("at", justify="right", style="dim", no_wrap=True)
    table.add_column("who", no_wrap=True)
    table.add_column("what")
    if record.greeting:
        table.add_row("", "", "agent", Text(record.greeting, style="green"))
    longest = max((t.measured.voice_to_voice for t in record.turns if t.measured), default=0.0)
    for turn in record.turns:
        table.add_row(str(turn.turn), f"{turn.start:.1f} s", "user", Text(turn.user_text))
        table.add_row("", "", "agent", _agent(turn))
        table.add_row("", "", "", _waterfall(turn, longest or 1.0))
    if table.rows:
        console.print(table)
    if not record.turns:
        console.print("No turn was taken: nothing that could be understood was said.")
    if longest:
        taken = {name for t in record.turns if t.measured for name, took in t.measured.parts.items() if took >= LEAST}
        shown = [(name.replace("_", " "), colour) for name, colour in COLOURS.items() if name in taken]
        console.print(Text("  ").join(Text(f"█ {name}", style=colour) for name, colour in shown))
        console.print(f"bars: 0 to {longest * 1000:.0f} ms after the user's last sample", style="dim")


def _agent(turn: TurnRecord) -> Text:
    if not turn.interrupted:
        return Text(turn.agent_text or "(no answer)", style="green" if turn.agent_text else "red")
    rest = turn.agent_text[len(turn.heard_text) :] if turn.agent_text.startswith(turn.heard_text) else ""
    return Text.assemble((turn.heard_text, "green"), (rest, "strike dim"), (" (interrupted)", "red"))


def _waterfall(turn: TurnRecord, longest: float) -> Text:
    m = turn.measured
    if m is None:
        return Text(f"decided by {turn.end_reason}", style="dim")
    bar, drawn, end = Text(), 0, 0.0
    for name, seconds in m.parts.items():
        end += seconds
        until = round(end / longest * WIDTH)
        if until > drawn:
            bar.append("█" * (until - drawn), style=COLOURS[name])
            drawn = until
    bar.append(" " * (WIDTH - drawn))
    prepared = ", prepared" if m.speculation == "hit" else ""
    return Text.assemble(
        bar,
        f" {m.voice_to_voice * 1000:.0f} ms",
        (f" ({m.processing * 1000:.0f} processing), by {turn.end_reason}{prepared}", "dim"),
    )
