"""`python -m duologue_bench.soak.parser_fuzz`: fuzzing of all that is parsed, guided by the code that inputs reach.

Needs `duologue-bench[fuzz]` (atheris). Arguments are those of libFuzzer, such as `-max_total_time=600` and a folder in
which inputs are kept. It ends with another status than 0 at the first input that raises what it should not, takes 25 s,
or makes the process hold 2 GB; that input is written to a file.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Final

from duologue.audio.wav import read_wav
from duologue.errors import ConfigError, InputError, InvalidAudioError, InvalidMessageError, NotInstalledError
from duologue.server.resume.state import SavedCall
from duologue.settings.load import load_settings
from duologue.wire import frames
from duologue.wire.messages import parse_client, parse_server

__all__ = ["TARGETS", "main", "parse"]


def _messages(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for read in (parse_client, parse_server):
        with suppress(InvalidMessageError):
            read(text)


def _frames(data: bytes) -> None:
    stream = frames.Continuity(rate=8000, bytes_per_sample=2)
    for at in range(0, len(data), 20):
        with suppress(InvalidAudioError):
            stream.accept(frames.unpack(data[at : at + 20], 2))


def _wav(data: bytes) -> None:
    with suppress(InvalidAudioError):
        assert len(read_wav(data).samples) <= len(data)


def _settings(data: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".toml") as file:
        file.write(data)
        file.flush()
        with suppress(ConfigError):
            load_settings(Path(file.name), environment={})


def _stored_call(data: bytes) -> None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(value, dict):
        with suppress(InputError):
            SavedCall.from_json(value)


TARGETS: Final[tuple[Callable[[bytes], None], ...]] = (_messages, _frames, _wav, _settings, _stored_call)
"""Each is given bytes, and raises only what is a fault."""


def parse(data: bytes) -> None:
    """Parse `data` as what its first byte says."""
    if data:
        TARGETS[data[0] % len(TARGETS)](data[1:])


def main() -> None:
    """Fuzz until the time is over, or something breaks."""
    try:
        atheris = import_module("atheris")  # an extra, without types
    except ImportError:
        raise NotInstalledError(
            "Guided fuzzing needs atheris.", hint="pip install 'duologue-bench[fuzz]', or run `duologue soak fuzz`."
        ) from None
    for module in ("duologue.audio.wav", "duologue.wire.frames", "duologue.settings.load"):
        for function in vars(sys.modules[module]).values():
            if getattr(function, "__module__", "") == module and hasattr(function, "__code__"):
                atheris.instrument_func(function)
    atheris.Setup([sys.argv[0], "-timeout=25", "-rss_limit_mb=2048", *sys.argv[1:]], parse)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
