"""`duologue bench recording`: what recording a call costs."""

from __future__ import annotations

from typing import Annotated

import typer

from duologue.cli.output import AsJson, console, print_json

__all__ = ["recording"]


def recording(
    seconds: Annotated[int, typer.Option(help="Seconds of the call.", min=1, max=3600)] = 60,
    as_json: AsJson = False,
) -> None:
    """CPU time that `serve --record` adds: on the event loop, and in the writer's thread; the disk is left out."""
    from duologue_bench.recording import measure

    cost = measure(seconds=seconds)
    if as_json:
        print_json(cost.as_dict())
        return
    console.print(
        f"on the event loop: {cost.window_s * 1e6:.1f} µs a window of 32 ms, "
        f"{cost.frame_s * 1e6:.1f} µs a frame of 20 ms",
        soft_wrap=True,
    )
    console.print(
        f"in the writer's thread: {cost.writer_s * 1e3:.2f} ms a second of the call; "
        f"{cost.share:.3%} of a core in all, while the agent speaks",
        soft_wrap=True,
    )
