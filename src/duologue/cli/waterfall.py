"""The turns of a call as a table, with a waterfall for each: where the time between the two voices went."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from duologue.session import CallRecord, TurnRecord

__all__ = ["print_turns"]

STAGES = (
    ("words", "cyan"),
    ("decided", "yellow"),
    ("first_text", "magenta"),
    ("first_clause", "blue"),
    ("first_audio", "green"),
)
"""In order; each is drawn from the end of the one before to its own."""
WIDTH = 30


def print_turns(console: Console, record: CallRecord) -> None:
    """Print one row a turn, on one scale."""
    if record.greeting:
        console.print(f"[dim]agent:[/] {_escape(record.greeting)}")
    if not record.turns:
        console.print("No turn was taken: nothing that could be understood was said.")
        return
    longest = max((t.measured.voice_to_voice for t in record.turns if t.measured), default=1.0)
    table = Table(box=None, pad_edge=False, show_edge=False)
    table.add_column("at", justify="right", style="dim", no_wrap=True)
    table.add_column("user", ratio=3)
    table.add_column("agent", ratio=4)
    table.add_column("decided by", no_wrap=True)
    table.add_column("processing", justify="right", no_wrap=True)
    table.add_column("voice to voice", justify="right", no_wrap=True)
    table.add_column(f"0 to {longest * 1000:.0f} ms after the user's last sample", no_wrap=True, min_width=WIDTH)
    for turn in record.turns:
        m = turn.measured
        table.add_row(
            f"{turn.start:.1f} s",
            Text(turn.user_text),
            _agent(turn),
            turn.end_reason,
            f"{m.processing * 1000:.0f} ms" if m else "–",
            f"{m.voice_to_voice * 1000:.0f} ms" if m else "–",
            _bar(turn, longest),
        )
    console.print(table)
    legend = Text("  ").join(Text(f"■ {name.replace('_', ' ')}", style=colour) for name, colour in STAGES)
    console.print(legend)


def _agent(turn: TurnRecord) -> Text:
    if not turn.interrupted:
        return Text(turn.agent_text)
    rest = turn.agent_text[len(turn.heard_text) :] if turn.agent_text.startswith(turn.heard_text) else ""
    return Text.assemble(turn.heard_text, (rest, "strike dim"), (" (interrupted)", "red"))


def _bar(turn: TurnRecord, longest: float) -> Text:
    bar = Text()
    if turn.measured is None:
        return bar
    drawn = 0
    for name, colour in STAGES:
        until = round(turn.measured.stages.get(name, 0.0) / longest * WIDTH)
        if until > drawn:
            bar.append("█" * (until - drawn), style=colour)
            drawn = until
    return bar


def _escape(text: str) -> str:
    return text.replace("[", r"\[")
