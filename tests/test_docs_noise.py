"""The settings and the program of docs/how-to/noise.md are accepted."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

import duologue
from duologue.denoise.webrtc import WebRtcDenoiser
from duologue.server.configured import options_of
from duologue.settings.load import load_settings

PAGE = (Path(__file__).parent.parent / "docs" / "how-to" / "noise.md").read_text("utf-8")
FILES = dict(re.findall(r"^```(?:python|toml)\n# (\w+\.\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))


def test_the_program_can_be_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[tuple[object, dict[str, Any]]] = []
    monkeypatch.setattr(duologue, "serve", lambda agent, **options: served.append((agent, options)))
    (tmp_path / "noisy.py").write_text(FILES["noisy.py"])
    runpy.run_path(str(tmp_path / "noisy.py"), run_name="__main__")
    ((agent, options),) = served
    assert options["config"].denoise == "webrtc"
    duologue.asgi(agent, **options)


def test_the_settings_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "noise.toml").write_text(FILES["noise.toml"])
    assert options_of(load_settings(tmp_path / "noise.toml"))["config"].denoise == "webrtc"


def test_the_delay_is_told() -> None:
    assert f"delays the audio by {WebRtcDenoiser.delay / 16:.0f} ms" in " ".join(PAGE.split())
