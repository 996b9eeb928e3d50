"""The programs of docs/providers/ are accepted by the server, with providers that can be made."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

import duologue
from duologue.server.call_options import make_provider
from duologue.settings.providers import provider_key
from environment import environment

LOCAL = (
    "stt.whisper.Whisper.run",
    "stt.whisper.load_model",
    "tts.kokoro.Kokoro.run",
    "tts.kokoro.load_graph",
    "tts.kokoro.load_style",
)
"""What reads weights that need not be installed here."""
PAGES = sorted((Path(__file__).parent.parent / "docs" / "providers").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_program_can_be_served(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page.stem == "livekit":
        environment("livekit")
    served: list[tuple[object, dict[str, Any]]] = []

    def serve(agent: object = None, **options: Any) -> None:
        served.append((agent, options))

    snippets = re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    (program,) = [source for source in snippets if "duologue.serve(" in source]
    (tmp_path / "program.py").write_text(program)
    for service in ("ASSEMBLYAI", "CARTESIA", "DEEPGRAM", "ELEVENLABS", "OPENAI"):
        monkeypatch.setenv(f"{service}_API_KEY", "key")
    monkeypatch.setattr(duologue, "serve", serve)
    stand_in = MagicMock()
    stand_in.__iter__.return_value = iter((MagicMock(), MagicMock()))
    for name in LOCAL:
        monkeypatch.setattr(f"duologue.{name}", lambda *_: stand_in)
    runpy.run_path(str(tmp_path / "program.py"), run_name="__main__")
    ((agent, options),) = served
    duologue.asgi(agent, **options)
    for option in options.keys() - {"config"}:
        name = provider_key(make_provider(options[option], option).name.replace("-", "/"))
        assert name == page.stem.partition("-")[0] or option == page.stem
