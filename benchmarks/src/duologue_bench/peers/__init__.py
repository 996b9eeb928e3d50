"""duologue beside other runtimes, on the same work and the same cores, in one run."""

from __future__ import annotations

from pathlib import Path

from duologue_bench.peers.livekit import LiveKit
from duologue_bench.peers.pipecat import Pipecat

__all__ = ["peers_in"]


def peers_in(folder: Path) -> tuple[list[Pipecat | LiveKit], list[str]]:
    """The peers whose scripts lie in `folder`, and what is to be said of those that do not."""
    found: list[Pipecat | LiveKit] = []
    told: list[str] = []
    for peer in (Pipecat(folder), LiveKit(folder)):
        if reason := peer.missing():
            told.append(reason)
        else:
            found.append(peer)
    return found, told
