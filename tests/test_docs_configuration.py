"""docs/configuration.md and examples/duologue.toml say what the code does.

`python tests/test_docs_configuration.py` writes the reference and the example anew.
"""

import importlib
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from duologue.client import connect
from duologue.server.configured import options_of
from duologue.session import SessionConfig
from duologue.settings.load import load_settings
from duologue.settings.reference import example_toml, json_schema, reference_tables
from duologue.settings.schema import Settings
from duologue.stt.deepgram import DeepgramSpeechToText
from duologue.tts.openai import OpenAIVoice
from serving import heard, serving, use_fakes

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "configuration.md"
EXAMPLE = ROOT / "examples" / "duologue.toml"
BEGIN, END = "<!-- reference: begin -->\n\n", "\n<!-- reference: end -->"
SNIPPETS: dict[str, str] = dict(
    re.findall(r"^```toml\n# (\w+)\.toml\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
)
UNSET = re.compile(r"^#\w+ =  # (.*); not set$", re.MULTILINE)
SETTING = re.compile(r"^#(\w+ =)", re.MULTILINE)


def write() -> None:
    """Write the reference and the example as the code has them."""
    page = PAGE.read_text("utf-8")
    PAGE.write_text(page[: page.index(BEGIN) + len(BEGIN)] + reference_tables() + page[page.index(END) :], "utf-8")
    EXAMPLE.write_text(example_toml(), "utf-8")


def uncommented() -> str:
    """The example with all its marks away, and without what has no value."""
    return SETTING.sub(r"\1", UNSET.sub("", EXAMPLE.read_text("utf-8")))


def test_the_reference_and_the_example_are_those_of_the_code() -> None:
    page = PAGE.read_text("utf-8")
    anew = f"Run python tests/{Path(__file__).name}"
    assert page[page.index(BEGIN) + len(BEGIN) : page.index(END)] == reference_tables(), anew
    assert EXAMPLE.read_text("utf-8") == example_toml(), anew


def test_the_example_has_every_setting_with_its_default(tmp_path: Path) -> None:
    (tmp_path / "duologue.toml").write_text(uncommented())
    loaded = load_settings(tmp_path / "duologue.toml", environment={})
    assert loaded.settings == Settings()
    unset = sum(value is None for value in loaded.values.values())
    assert len(loaded.origins) + unset == len(loaded.values)
    assert len(UNSET.findall(EXAMPLE.read_text("utf-8"))) == unset
    assert options_of(load_settings(EXAMPLE, environment={}))["config"].rules == options_of(loaded)["config"].rules
    assert loaded.settings.session_config() == SessionConfig()


def test_the_schema_takes_what_the_settings_take() -> None:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for text in (uncommented(), *SNIPPETS.values()):
        assert list(validator.iter_errors(tomllib.loads(text))) == []
    for text in ("[server]\nport = -1", "[sever]", "[log]\nlevel = 'x'", "[limits]\nmax_sesions = 1"):
        assert list(validator.iter_errors(tomllib.loads(text)))
    described = json.dumps(schema)
    assert "Port to listen on" in described


@pytest.mark.usefixtures("folder")
def test_the_files_of_the_page_do_what_it_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(SNIPPETS) == {"duologue", "providers", "voices"}
    assert PAGE.read_text("utf-8").count("```toml") == len(SNIPPETS)
    (folder / "secrets").mkdir()
    (folder / "secrets" / "deepgram").write_text("dg-1")
    (folder / "desk.py").write_text("async def Desk(text): return text")
    options = options_of(load_settings(folder / "duologue.toml", environment={}))
    assert options["config"].rules.endpointing.timeout == 2.5
    assert options["stt"]().settings.keyterm == ("duologue",)
    monkeypatch.setenv("DEEPGRAM_API_KEY", "dg-1")
    services = options_of(load_settings(folder / "providers.toml", environment={}))
    assert (type(services["stt"]()), type(services["tts"]())) == (DeepgramSpeechToText, OpenAIVoice)
    monkeypatch.setenv("ELEVENLABS_API_KEY", "el-1")
    voices = options_of(load_settings(folder / "voices.toml", environment={}))
    anna, gerda = (make() for make in voices["voices"].values())
    assert (anna.settings.stability, anna.settings.languages, gerda.settings.languages) == (0.4, {"en"}, {"de"})
    assert voices["policy"].voices == ("anna", "gerda")
    local = {"DUOLOGUE_PROVIDERS__STT": "moonshine", "DUOLOGUE_PROVIDERS__TTS": "hibari"}
    embedded = options_of(load_settings(folder / "providers.toml", environment=local))
    assert (embedded["stt"], embedded["tts"]) == (None, None)


async def test_a_program_takes_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)
    source = re.findall(r"^```python\n# program\.py\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)[0]
    (folder / "program.py").write_text(source)
    (folder / "settings.toml").write_text("[server]\nport = 1\n[agent]\ngreeting = 'Hi.'\n[policy]\nbarge_in = false\n")
    program: Any = importlib.import_module("program")
    async with serving(program.agent, settings=folder / "settings.toml") as url, connect(url) as call:
        assert await heard(call) == "Hi."
        assert await heard(call, "Hello.") == "You said: Hello."
    async with (
        serving(settings=folder / "settings.toml", agents={"a": program.agent}, greeting="") as url,
        connect(url, agent="a") as call,
    ):
        assert await heard(call, "Hello.") == "You said: Hello."


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder with the files of the page, from which modules are imported."""
    for name, text in SNIPPETS.items():
        (tmp_path / f"{name}.toml").write_text(text)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield tmp_path
    for name in ("program", "desk"):
        sys.modules.pop(name, None)


if __name__ == "__main__":
    write()
