"""`duologue top`: what a running server does, in a terminal."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from duologue.cli.output import AsJson, console, print_json
from duologue.cli.waterfall import COLOURS
from duologue.errors import AuthenticationError, ConfigError, DuologueError, StreamError

__all__ = ["top"]

TIMEOUT_S: Final = 5.0
MAX_BYTES: Final = 8_000_000
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Without a proxy: the server is on this machine, or at an address that was named."""
BAR: Final = 40
"""Characters of the longest bar."""
BARS: Final = " ▁▂▃▄▅▆▇█"


def top(
    url: Annotated[str, typer.Argument(help="The server's address.")] = "http://127.0.0.1:8000",
    every: Annotated[float, typer.Option(min=0.2, max=60.0, help="Seconds between two updates.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Print once, and exit.")] = False,
    token: Annotated[
        str | None,
        typer.Option(envvar="DUOLOGUE_TOKEN", help="A bearer token, if the server asks for one.", show_envvar=True),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Watch a running server: calls, latency, the slowest turns, providers, models. Ctrl-C ends it.

    The same is at /ops in a browser. With `--json` the figures are printed once, as the server sends them.
    """
    if as_json:
        print_json(look(url, token))
        return
    if once or not console.is_terminal:
        console.print(drawn(look(url, token), None, url))
        return
    watch(url, token, every)


def watch(url: str, token: str | None, every: float) -> None:
    """Show what the server does until Ctrl-C. What it cannot be asked for once it may be asked for again."""
    before: Mapping[str, Any] | None = None
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            try:
                now = look(url, token)
                shown = drawn(now, before, url)
            except DuologueError as error:
                if before is None and not isinstance(error, StreamError):
                    raise
                # It may come back; while it starts, a proxy may answer in its place.
                live.update(Text(f"{error.message} {error.next_step}", style="red"), refresh=True)
            else:
                live.update(shown, refresh=True)
                before = now
            time.sleep(every)


def drawn(now: Mapping[str, Any], before: Mapping[str, Any] | None, url: str) -> RenderableType:
    """What is shown of one look. Raises ConfigError if the server's figures are those of another release."""
    try:
        return screen(now, before)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ConfigError(
            f"The figures of {url} cannot be shown: {type(error).__name__}.",
            hint="Use the release of duologue that serves there, or --json.",
        ) from None


def look(url: str, token: str | None) -> dict[str, Any]:
    """What the server's /ops says.

    Raises StreamError if it does not answer, AuthenticationError if it asks for a token, and ConfigError if it is no
    server of duologue.
    """
    from duologue.services import http_address

    try:
        address = f"{http_address(url if '://' in url else f'http://{url}', 'http://127.0.0.1:8000')}/ops"
    except ValueError as error:
        raise ConfigError(f"{url!r} is no address of a server: it {error}.") from None
    if token is not None and not (token.isascii() and token.isprintable()):
        raise ConfigError("The token has characters that no token has.", hint="Copy it again.")
    headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    try:
        request = urllib.request.Request(address, headers=headers)
        with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
            data = answer.read(MAX_BYTES)
            if answer.length:  # it broke off, or is longer than any page
                raise http.client.IncompleteRead(data, answer.length)
            found = json.loads(data)
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(address, error.code) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise StreamError(
            f"{address} does not answer: {reason}.", hint="Start it with `duologue serve`, or name its address."
        ) from None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not {"sum", "turns", "workers"} <= found.keys():
        raise ConfigError(f"{address} is not the page of a duologue server.", hint="Name the address of one.")
    return found


def _refused(address: str, status: int) -> DuologueError:
    if status in (401, 403):
        return AuthenticationError(f"{address} asks for a token.", hint="Give it with --token, or in DUOLOGUE_TOKEN.")
    return StreamError(f"{address} answered with status {status}.", hint="See the server's log.")


def screen(now: Mapping[str, Any], before: Mapping[str, Any] | None) -> RenderableType:
    """All that is shown of one look; rates are differences from the one before."""
    total, turns = now["sum"], now["turns"]
    state = "ready" if total["ready"] else "takes no calls"
    processes = "1 process" if len(now["workers"]) == 1 else f"{len(now['workers'])} processes"
    head = Text.assemble(
        ("duologue ", "bold"),
        (state, "green" if total["ready"] else "red"),
        f"  {processes}, up {_time(total['up_s'])}, {total.get('memory_bytes', 0) / 1e6:.0f} MB",
    )
    figures = Table.grid(padding=(0, 3))
    figures.add_row("calls", "a minute", "median", "p95", "p99", "turns", "refused", "gaps", "loop delay")
    figures.add_row(
        *(
            Text(value, style="bold")
            for value in (
                f"{total['sessions']:.0f}",
                _rate(now, before),
                _time(turns["p50_s"]),
                _time(turns["p95_s"]),
                _time(turns["p99_s"]),
                f"{turns['turns']}",
                f"{total['refused']:.0f}",
                _time(0.02 * total.get("starved_frames", 0)),
                _time(total.get("worst_tick_lag_s")),
            )
        )
    )
    parts: list[RenderableType] = [head, figures, _history(turns["history"])]
    parts += [
        table
        for table in (
            _calls(now["calls"]),
            _slowest(turns["slowest"]),
            _providers(now["breakers"]),
            _usage(now.get("usage", [])),
        )
        if table
    ]
    return Group(*parts)


def _rate(now: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    if before is None or now["at"] <= before["at"]:
        return "–"
    started = now["sum"].get("calls_started", 0) - before["sum"].get("calls_started", 0)
    return f"{60 * max(0, started) / (now['at'] - before['at']):.0f}"


def _history(history: list[Mapping[str, Any]]) -> Text:
    """The p95 of each minute with turns, as bars."""
    values = [minute["p95_s"] for minute in history if minute["p95_s"] is not None]
    if not values:
        return Text("no turn was answered in the last hour", style="dim")
    bars = "".join(BARS[max(1, round(value / max(values) * (len(BARS) - 1)))] for value in values)
    return Text.assemble("p95 by the minute ", (bars, "yellow"), f" up to {_time(max(values))}")


def _calls(calls: list[Mapping[str, Any]]) -> Table | None:
    if not calls:
        return None
    table = _table("Live calls", "call", "agent", "age", "turns", "last latency", "slowest", "errors")
    for call in calls[:15]:
        table.add_row(
            call["id"],
            call["agent"],
            _time(call["age_s"]),
            str(call["turns"]),
            _time(call["last_s"]),
            _time(call["slowest_s"]),
            str(call["errors"]),
        )
    if len(calls) > 15:
        table.caption = f"and {len(calls) - 15} more"
    return table


def _slowest(turns: list[Mapping[str, Any]]) -> Table | None:
    if not turns:
        return None
    table = _table("Slowest turns of 15 minutes", "latency", "its parts", "call", "turn")
    scale = turns[0]["voice_to_voice_s"] or 1.0
    for turn in turns[:8]:
        bar = Text()
        for name, color in COLOURS.items():
            bar.append("█" * round(BAR * turn["parts"].get(name, 0.0) / scale), style=color)
        table.add_row(_time(turn["voice_to_voice_s"]), bar, str(turn.get("session", "")), str(turn["turn"]))
    table.caption = Text(" ").join(Text(name.replace("_", " "), style=color) for name, color in COLOURS.items())
    return table


def _providers(breakers: list[Mapping[str, Any]]) -> Table | None:
    if not breakers:
        return None
    table = _table("Providers", "provider", "used for", "breaker", "calls", "failures", "held back")
    colors = {"closed": "green", "open": "red"}
    for row in breakers:
        state = Text(row["state"].replace("_", "-"), style=colors.get(row["state"], "yellow"))
        table.add_row(
            row["provider"], row["capability"], state, str(row["calls"]), str(row["failures"]), str(row["refused"])
        )
    return table


def _usage(rows: list[Mapping[str, Any]]) -> Table | None:
    """What providers were used for since the server began."""
    if not rows:
        return None
    table = _table("Usage", "provider", "for", "requests", "audio", "characters", "tokens", "cost")
    for row in rows:
        table.add_row(
            row["provider"],
            row["operation"].replace("_", " "),
            f"{row['requests']:.0f}",
            _time(row["audio_s"]),
            f"{row['characters']:.0f}",
            f"{row['input_tokens'] + row['output_tokens']:.0f}",
            "–" if row["cost_usd"] is None else f"${row['cost_usd']:.4f}",
        )
    return table


def _table(title: str, *headings: str) -> Table:
    return Table(*headings, title=title, title_justify="left", box=None, header_style="dim", title_style="bold")


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
