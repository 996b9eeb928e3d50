"""`duologue soak fuzz`: an hour of frames and messages that no client should send."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from duologue.cli.output import AsJson, console, print_json, progress
from duologue_bench.cli.bench.options import ListenerName, Seed, held_as_dicts
from duologue_bench.cli.soak.outcome import exit_where_broken, tell_limits

if TYPE_CHECKING:
    from duologue_bench.conversations import Held
    from duologue_bench.soak.fuzz import Fuzzed

__all__ = ["fuzz"]


def fuzz(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long.")] = 60.0,
    at_once: Annotated[int, typer.Option("--at-once", min=1, max=64, help="Attackers at a time.")] = 4,
    keep: Annotated[
        Path, typer.Option(help="File that the seeds are added to after which an ordinary call failed.")
    ] = Path("fuzz-seeds.txt"),
    listener: ListenerName = "uvicorn",
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Frames and messages made from seeds, one connection after another, for an hour: the server must stay as it is.

    In between ordinary calls are made, each of which must be answered. At the end tasks and descriptors must be those
    from before, memory may have grown by 64 MB, and the log may have 100 lines and 40 for each minute. Exits with 1
    where that does not hold.
    """
    fuzzed, held = asyncio.run(_run(minutes, at_once, seed, listener))
    if fuzzed.failed:
        with keep.open("a") as file:
            file.writelines(f"{number} {why}\n" for number, why in fuzzed.failed)
    if as_json:
        print_json(
            {"seeds": fuzzed.seeds, "calls": fuzzed.calls, "failed": fuzzed.failed, "limits": held_as_dicts(held)}
        )
    else:
        console.print(f"{fuzzed.seeds} seeds, {fuzzed.calls} calls in between")
        tell_limits(held)
    exit_where_broken(held)


async def _run(minutes: float, at_once: int, seed: int, listener: str) -> tuple[Fuzzed, list[Held]]:
    from duologue_bench.server import ServerProcess
    from duologue_bench.soak import fuzz as attack
    from duologue_bench.soak.served import at_most

    whole = attack.Fuzzed()
    with progress("the server starts", round(minutes * 60)) as show:
        async with ServerProcess(["--listener", listener, "--max-sessions", str(at_once + 50)]) as server:
            address = server.address.removeprefix("http://")
            await attack.fuzz(address, range(seed, seed + 40))  # What is made once is made now.
            await asyncio.sleep(attack.SETTLING)
            before, ops = server.footprint(), (await server.ops())["sum"]
            began = time.monotonic()
            until = began + minutes * 60

            def tell(number: int) -> None:
                show(round(time.monotonic() - began), f"seed {number}")

            first = seed + 40
            crowd = [
                attack.fuzz(address, range(first + n, first + 10**9, at_once), until=until, on_seed=tell)
                for n in range(at_once)
            ]
            for part in await asyncio.gather(*crowd):
                whole.seeds += part.seeds
                whole.calls += part.calls
                whole.failed += part.failed
            await asyncio.sleep(attack.SETTLING)
            after, left = server.footprint(), (await server.ops())["sum"]
            held = [
                at_most("failed_calls", len(whole.failed), 0),
                at_most("sessions_left", left["sessions"], 0),
                at_most("tasks_more", left["tasks"] - ops["tasks"], 0),
                at_most("descriptors_more", after.descriptors - before.descriptors, 0),
                at_most("memory_more_bytes", after.private_bytes - before.private_bytes, attack.MAX_GROWTH),
                at_most("log_lines", server.log_lines, 100 + 40 * minutes),
            ]
    return whole, held
