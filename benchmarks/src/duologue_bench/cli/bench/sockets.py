"""`duologue bench sockets`: what a message over a WebSocket costs."""

from __future__ import annotations

import asyncio
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from duologue.cli.output import AsJson, console, notes, print_json, progress

if TYPE_CHECKING:
    from duologue_bench.sockets import SocketRun

__all__ = ["sockets"]

CLIENTS = (100, 250, 500)


def sockets(
    clients: Annotated[
        list[int] | None, typer.Option(help="Clients at once; may be given several times. 100, 250 and 500.", min=1)
    ] = None,
    listener: Annotated[
        list[str] | None, typer.Option(help="uvicorn or picows; both where picows is installed.")
    ] = None,
    chunk_ms: Annotated[int, typer.Option("--chunk-ms", help="Sound in each message: 20 or 40 ms.")] = 20,
    seconds: Annotated[float, typer.Option(help="How long to count, for each listener and size.", min=1.0)] = 10.0,
    as_json: AsJson = False,
) -> None:
    """CPU of the server for each message, where clients send sound all the time and get it back at once.

    There is no session behind the socket: what is measured is the way from the kernel through the listener and the
    protocol, and back. Clients run in this process and share the machine. Exits with 1 where they or the server were
    too slow.
    """
    chosen = listener or ["uvicorn", *(["picows"] if find_spec("picows") is not None else [])]
    found = asyncio.run(_measure(chosen, clients or list(CLIENTS), chunk_ms, seconds))
    if as_json:
        print_json({"runs": [run.as_dict() for run in found]})
    else:
        _print(found)
    void = [run for run in found if run.why_void]
    for run in void:
        notes.print(f"error: {run.clients} clients of {run.listener} say nothing: {run.why_void}.", style="red")
    if void:
        raise typer.Exit(1)


async def _measure(listeners: list[str], sizes: list[int], chunk_ms: int, seconds: float) -> list[SocketRun]:
    from duologue.server.listener import protocol_of
    from duologue_bench.sockets import measure

    for name in listeners:
        protocol_of(name)
    found: list[SocketRun] = []
    with progress("sockets", len(sizes) * len(listeners) * seconds) as show:
        for size in sizes:
            for name in listeners:
                tell = partial(_tell, show, f"{size} clients, {name}", len(found) * seconds)
                run = await measure(name, clients=size, chunk_ms=chunk_ms, seconds=seconds, on_progress=tell)
                found.append(run)
    return found


def _tell(show: Any, label: str, before: float, passed: float) -> None:
    show(before + passed, label)


def _print(found: list[SocketRun]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("listener", "clients", "µs a message", "server, cores", "round trip p50 / p99, ms", "clients, cores"):
        table.add_column(name, justify="left" if name == "listener" else "right")
    for run in found:
        table.add_row(
            run.listener,
            str(run.clients),
            f"{1e6 * run.cpu_per_message_s:.1f}",
            f"{run.server_cpu_s / run.seconds:.2f}",
            f"{1000 * run.round_trip.p50:.1f} / {1000 * run.round_trip.p99:.1f}",
            f"{run.clients_cpu_s / run.seconds:.2f}",
        )
    console.print(table)
