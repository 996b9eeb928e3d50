"""Options that several commands share."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AgentName",
    "BaseUrl",
    "Config",
    "Greeting",
    "Instructions",
    "Llm",
    "NoSmartTurn",
    "Realtime",
    "RecordingFolder",
    "Stt",
    "Tts",
    "finite",
]


def finite(number: float | None) -> float | None:
    """Refuse `inf`, which is above any lowest value of an option."""
    if number is not None and not math.isfinite(number):
        raise typer.BadParameter(f"{number} is not a finite number.")
    return number


AgentName = Annotated[
    str | None,
    typer.Option(
        "--agent",
        help="Who answers: booking (by default), echo, or your own as module:attribute, found in this folder first.",
    ),
]
Llm = Annotated[
    str | None,
    typer.Option(
        "--llm", help="Answer with a language model, such as openai:MODEL; the key comes from OPENAI_API_KEY."
    ),
]
Realtime = Annotated[
    str | None,
    typer.Option(
        "--realtime",
        metavar="NAME",
        help="Answer with a speech-to-speech model, such as openai:gpt-realtime-2.1; the key comes from the "
        "environment.",
    ),
]
BaseUrl = Annotated[str | None, typer.Option("--base-url", help="With --llm or --realtime: the endpoint.")]
Instructions = Annotated[str | None, typer.Option(help="With --llm or --realtime: instructions for the model.")]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="A file of settings; by default duologue.toml in this folder, if there is one.",
        show_default=False,
    ),
]
Greeting = Annotated[
    str | None,
    typer.Option(help='What the agent says first, in place of its own greeting; "" for nothing.', show_default=False),
]
NoSmartTurn = Annotated[
    bool,
    typer.Option("--no-smart-turn", help="Do not ask Smart Turn for the end of turns, even if it is installed."),
]
Stt = Annotated[
    str | None,
    typer.Option(
        "--stt",
        metavar="NAME",
        help="The recognizer (speech to text), such as deepgram/nova-3; by default a local model. Keys come from the "
        "environment.",
        show_default=False,
    ),
]
Tts = Annotated[
    str | None,
    typer.Option(
        "--tts",
        metavar="NAME",
        help="The voice (text to speech), such as deepgram/aura-2-thalia-en; by default a local voice.",
        show_default=False,
    ),
]
RecordingFolder = Annotated[
    Path,
    typer.Option("--folder", metavar="DIR", help="The folder of recordings, in which ids of calls are looked up."),
]
