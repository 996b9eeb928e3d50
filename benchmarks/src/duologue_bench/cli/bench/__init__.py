"""`duologue bench`: the numbers. One file a benchmark; what is measured, and how, is in `duologue_bench`."""

from __future__ import annotations

import typer

from duologue_bench.cli.bench.barge_in import barge_in
from duologue_bench.cli.bench.chunk import chunk
from duologue_bench.cli.bench.conversations import conversations
from duologue_bench.cli.bench.denoise import denoise
from duologue_bench.cli.bench.latency import latency
from duologue_bench.cli.bench.memory import memory
from duologue_bench.cli.bench.peers import peers
from duologue_bench.cli.bench.providers import providers
from duologue_bench.cli.bench.recording import recording
from duologue_bench.cli.bench.sessions import sessions
from duologue_bench.cli.bench.sockets import sockets
from duologue_bench.cli.bench.telemetry import telemetry
from duologue_bench.cli.bench.turns import turns
from duologue_bench.cli.bench.waterfall import waterfall

__all__ = ["bench"]

bench = typer.Typer(
    help="Measure this machine: latency, turn-taking, load. Figures vary from hour to hour; trust ratios.",
    no_args_is_help=True,
)
for command in (
    barge_in, chunk, conversations, denoise, latency, memory, peers, providers, recording, sessions, sockets, telemetry,
    turns, waterfall,
):  # fmt: skip
    bench.command()(command)
