"""A new project: what is written, that its test passes at once, and what is refused."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import CommandLine
from duologue.cli import init
from duologue.settings.load import load_settings


@pytest.fixture
def project(duologue: CommandLine, tmp_path: Path) -> Path:
    made = duologue("init", "demo-1")
    assert (made.code, made.err) == (0, "")
    assert (
        "demo-1 is ready: agent.py, duologue.toml, test_agent.py, pytest.ini, README.md, Makefile, Dockerfile, "
        in made.out
    )
    assert "make test" in made.out
    return tmp_path / "demo-1"


def test_its_tests_pass_at_once(project: Path) -> None:
    # As within another project, whose settings are not those of this one.
    (project.parent / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '--no-such-option'\n")
    (project.parent / "conftest.py").write_text("raise RuntimeError\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-W",
        "error",
        "-p",
        "anyio",
        "--color=no",
        str(project),
    ]
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    run = subprocess.run(command, cwd=project, env=path, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout
    assert "2 passed" in run.stdout


def test_its_settings_are_right(project: Path, duologue: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_settings(project / "duologue.toml")
    assert loaded.settings.agent.name == "agent:agent"
    assert loaded.settings.agent.display_name == "demo-1"
    monkeypatch.chdir(project)
    assert duologue("config", "check", "--json").json["ok"]


def test_make_runs_its_test(project: Path) -> None:
    # What an outer `make` hands down changes what this one prints.
    outside = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}}
    shown = subprocess.run(
        ["make", "-n", "test"], cwd=project, env=outside, capture_output=True, text=True, timeout=20, check=True
    )
    steps = shown.stdout.splitlines()
    assert steps[0] == "python3 -m venv .venv"
    assert steps[1].startswith(".venv/bin/python -m pip --disable-pip-version-check install --quiet 'duologue")
    assert steps[1].endswith("' pytest")
    assert steps[-1] == ".venv/bin/pytest"


def test_the_container_runs_as_a_user_who_is_not_root(project: Path) -> None:
    lines = (project / "Dockerfile").read_text("utf-8").splitlines()
    assert "FROM python:3.12-slim" in lines
    assert lines.index("USER app") < next(i for i, line in enumerate(lines) if line.startswith("CMD"))
    assert "--keys" in lines[-1]


def test_json_lists_the_files(duologue: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    made = duologue("init", "demo", "--json").json
    assert made["folder"] == str(tmp_path / "demo")
    assert sorted(made["files"]) == sorted(path.name for path in (tmp_path / "demo").iterdir())
    assert not any("@NAME@" in path.read_text("utf-8") for path in (tmp_path / "demo").iterdir())


@pytest.mark.parametrize("name", ["", "1st", "a b", "../up", "a/b", ".hidden", "é", "x" * 41, "$(id)"])
def test_what_is_no_name_is_refused(name: str, duologue: CommandLine, tmp_path: Path) -> None:
    refused = duologue("init", "--", name)
    assert refused.code == 1
    assert "is no name for a project" in refused.told
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(duologue: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "agent.py").write_text("mine")
    (tmp_path / "file").write_text("mine")
    assert "The folder demo is not empty." in duologue("init", "demo").told
    refused = duologue("init", "file", "--json")
    assert refused.json["error"]["code"] == "invalid_config"
    assert "no folder" in refused.told
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["agent.py"]


@pytest.mark.parametrize(
    ("told", "source"),
    [
        (None, "=="),
        ("{}", "=="),
        ("not json", "=="),
        (json.dumps({"url": "file:///src/it", "dir_info": {}}), "@ file:///src/it"),
        (json.dumps({"url": "https://example.com/it.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}),
         "@ git+https://example.com/it.git@abc"),
    ],
)  # fmt: skip
def test_it_is_made_for_the_duologue_that_makes_it(
    told: str | None, source: str, duologue: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Installed:
        def read_text(self, name: str) -> str | None:
            return told

    monkeypatch.setattr(init, "distribution", lambda _: Installed())
    duologue("init", "demo")
    makefile = (tmp_path / "demo" / "Makefile").read_text("utf-8")
    (line,) = (line for line in makefile.splitlines() if line.startswith("DUOLOGUE_SOURCE"))
    assert line.split("?=")[1].strip().startswith(source)


def test_a_folder_in_which_only_git_has_begun_is_taken(duologue: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "demo" / ".git").mkdir(parents=True)
    assert duologue("init", "demo").code == 0
    assert (tmp_path / "demo" / "agent.py").exists()


def test_the_image_has_a_name_that_images_may_have(duologue: CommandLine, tmp_path: Path) -> None:
    assert duologue("init", "My__Shop-").code == 0
    assert "docker build --tag my-shop ." in (tmp_path / "My__Shop-" / "Makefile").read_text("utf-8")
    assert "duologue.keys:ro my-shop" in (tmp_path / "My__Shop-" / "README.md").read_text("utf-8")


@pytest.mark.parametrize("is_there", [True, False])
def test_what_cannot_be_written_whole_leaves_nothing(
    is_there: bool, duologue: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_there:
        (tmp_path / "demo" / ".git").mkdir(parents=True)
    write = Path.write_text

    def full(path: Path, *arguments: str) -> int:
        if path.name == "Makefile":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, *arguments)

    monkeypatch.setattr(Path, "write_text", full)
    refused = duologue("init", "demo")
    assert refused.code == 1
    assert "demo cannot be written: No space left on device." in refused.told
    assert (tmp_path / "demo").exists() is is_there
    assert [path.name for path in tmp_path.rglob("*")] == (["demo", ".git"] if is_there else [])


def test_a_folder_that_cannot_be_read_is_told(
    duologue: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "demo").mkdir()

    def denied(_: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "iterdir", denied)
    assert "demo cannot be written: Permission denied." in duologue("init", "demo").told
