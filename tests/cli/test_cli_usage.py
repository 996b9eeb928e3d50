"""What the command line says of itself, and how it takes what it does not understand."""

import io
import subprocess
import sys
from functools import cache
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from command_line import CommandLine
from duologue import __version__
from duologue.cli.app import app

COMMANDS = {
    "serve",
    "call",
    "callers",
    "transcribe",
    "say",
    "token",
    "doctor",
    "models",
    "models list",
    "models install",
}
COMMANDS |= {
    f"bench {name}"
    for name in (
        "barge-in",
        "chunk",
        "conversations",
        "denoise",
        "latency",
        "memory",
        "peers",
        "providers",
        "recording",
        "sessions",
        "sockets",
        "telemetry",
        "turns",
        "waterfall",
    )
}
COMMANDS |= {f"soak {name}" for name in ("chaos", "churn", "fuzz", "kill", "monologue", "overload")}
COMMANDS |= {f"recordings {name}" for name in ("list", "export", "delete", "prune")}
COMMANDS |= {"bench", "bench recording", "soak", "recordings", "replay"}

COMMANDS |= {f"config {name}" for name in ("check", "example", "schema", "show")}
COMMANDS |= {"config", "init", "top"}

CONTEXT: Any = None  # neither of the two methods looks at it


@cache
def commands() -> dict[str, Any]:
    """Each command by its path; to build them all takes a while."""
    found: dict[str, Any] = {}
    waiting: list[tuple[str, Any]] = [("", get_command(app))]
    while waiting:
        path, group = waiting.pop()
        for name in group.list_commands(CONTEXT):
            command = group.get_command(CONTEXT, name)
            full = f"{path} {name}".strip()
            found[full] = command
            if isinstance(command, TyperGroup):
                waiting.append((full, command))
    return found


def test_all_commands_are_there() -> None:
    assert set(commands()) == COMMANDS


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_teaches_each_option(name: str, duologue: CommandLine) -> None:
    command = commands()[name]
    assert command.help
    shown = duologue(*name.split(), "--help")
    assert shown.code == 0
    assert not shown.err
    assert shown.out == duologue(*name.split(), "-h").out
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{name}: {parameter.name} has no help"
        for option in parameter.opts:
            assert not option.startswith("--") or option in shown.out


def test_the_first_help_names_each_command(duologue: CommandLine) -> None:
    shown = duologue("--help")
    assert shown.code == 0
    assert all(name.split()[0] in shown.out for name in COMMANDS)


def test_version_prints_the_version_alone(duologue: CommandLine) -> None:
    shown = duologue("--version")
    assert (shown.code, shown.out, shown.err) == (0, f"{__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["answer"], "No such command 'answer'"),
        (["--loud"], "No such option: --loud"),
        (["call", "a.wav", "--loud"], "No such option: --loud"),
        (["call"], "Missing argument 'file'"),
        (["call", "missing.wav"], "'missing.wav' does not exist"),
        (["call", "."], "is a directory"),
        (["call", __file__, "--seed", "many"], "'--seed'"),
        (["call", __file__, "--seed", "-1"], "'--seed'"),
        (["call", __file__, "--out", "nowhere/out.wav"], "there is no folder 'nowhere'"),
        (["call", __file__, "--out", "."], "is a directory"),
        (["transcribe"], "Missing argument"),
        (["transcribe", __file__, "missing.wav"], "'missing.wav' does not exist"),
        (["say"], "Missing argument 'text'"),
        (["say", "Hello.", "--out", "nowhere/out.wav"], "there is no folder 'nowhere'"),
        (["serve", "--port", "70000"], "'--port'"),
        (["serve", "--port", "http"], "'--port'"),
        (["serve", "--max-sessions", "0"], "'--max-sessions'"),
        (["callers", "--sessions", "0"], "'--sessions'"),
        (["callers", "--script", "opera"], "there is no script 'opera'"),
        (["callers", "--load", "heavy"], "there is no load 'heavy'; choose from normal, brisk"),
        (["callers", "--seconds", "0"], "'--seconds'"),
        (["callers", "--seconds", "inf"], "inf is not a finite number"),
        (["callers", "--ramp", "inf"], "inf is not a finite number"),
        (["recordings", "prune", "--days", "nan"], "'--days'"),
        (["models", "install"], "Missing argument"),
        (["models", "remove"], "No such command 'remove'"),
    ],
)
@pytest.mark.usefixtures("unloadable")
def test_what_is_not_understood_exits_with_2_and_says_why(
    arguments: list[str], told: str, duologue: CommandLine
) -> None:
    outcome = duologue(*arguments)
    assert outcome.code == 2
    assert told in outcome.told
    assert not outcome.out


def test_without_a_command_there_is_help(duologue: CommandLine) -> None:
    outcome = duologue()
    assert outcome.code == 2
    assert "Usage: duologue" in outcome.out + outcome.err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_screen_without_our_characters_shows_others(
    encoding: str, duologue: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", screen)
    duologue("doctor", "--quick")
    screen.seek(0)
    assert "? Python: 3." in screen.read()


@pytest.mark.parametrize(
    ("redirected", "code", "told"),
    [
        ("--version > /dev/full", 1, "error: The output cannot be written: No space left on device."),
        ("config schema > /dev/full", 1, "error: The output cannot be written: No space left on device."),
        ("config schema >&- 2>&- <&-", 0, ""),
        ("config schema | head -c 1 > /dev/null", 1, ""),
    ],
)
def test_an_output_that_is_full_closed_or_gone_leaves_no_traceback(redirected: str, code: int, told: str) -> None:
    command = f'set -o pipefail; "{sys.executable}" -m duologue {redirected}'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.startswith(told)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert told or not done.stderr
