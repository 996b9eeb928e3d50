"""`python -m duologue_bench.soak.chaos_server`: a server with the local models, whose calls to them fail on purpose."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from duologue.engine import EngineConfig
from duologue.server.run import serve
from duologue.stt.moonshine import Moonshine
from duologue.testing.chaos import ProviderChaos
from duologue.tts.hibari import Hibari

__all__ = ["answer", "main"]


async def answer(text: str) -> str:
    """Repeat what the caller said, so that the words of another would show."""
    return f"You said: {text}"


def main() -> None:
    """Serve until a signal, and then write what failed to `--counts`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=0.35, help="of the calls to the first provider that fail")
    parser.add_argument("--counts", type=Path, help="where the numbers of calls and faults are written")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--store", help="where calls are kept that can be resumed")
    parser.add_argument("--listener", default="uvicorn")
    parser.add_argument("--max-sessions", type=int, default=100)
    options = parser.parse_args()
    chaos = ProviderChaos(options.seed, share=options.share)
    serve(
        answer,
        stt=lambda: chaos.stt(Moonshine()),
        tts=lambda: chaos.tts(Hibari()),
        port=options.port,
        workers=options.workers,
        listener=options.listener,
        store=options.store,
        drain_timeout=20.0,
        resume_window=60.0 if options.store else 30.0,
        engine=EngineConfig(max_sessions=options.max_sessions, cache_max_bytes=0),
    )
    if options.counts is not None:
        options.counts.write_text(json.dumps(chaos.counts()), "utf-8")


if __name__ == "__main__":
    main()
