"""What `make` says where it cannot go on."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

OLD = """#!/bin/sh
case "$*" in
  -V) echo 'Python 3.9.2' ;;
  *version_info*) exit 1 ;;
  *) exit 99 ;;
esac
"""
BARE = """#!/bin/sh
case "$*" in
  *version_info*) exit 0 ;;
  *ensurepip*) echo 'ModuleNotFoundError' >&2; exit 1 ;;
  *) exit 99 ;;
esac
"""


SOAKS = """#!/bin/sh
echo "$*"
[ "$2" != overload ] || [ ! -e broken ]
"""


@pytest.mark.parametrize("goal", ["run", "test"])
@pytest.mark.parametrize(
    ("python", "told"),
    [
        (None, "No ./python here. duologue needs Python 3.11 or newer: on Debian, apt install python3 python3-venv."),
        (OLD, "duologue needs Python 3.11 or newer, and ./python is Python 3.9.2. Try: make PYTHON=python3.12 {goal}"),
        (BARE, "This Python has no venv module. On Debian: apt install python3-venv."),
    ],
    ids=["no Python", "too old", "no venv module"],
)
def test_what_is_missing_is_said_plainly(python: str | None, told: str, goal: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    (tmp_path / "pyproject.toml").touch()
    if python is not None:
        (tmp_path / "python").write_text(python)
        (tmp_path / "python").chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    made = subprocess.run(
        ["make", "--no-print-directory", goal, "PYTHON=./python"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 2
    assert told.format(goal=goal) in made.stdout
    assert "ModuleNotFoundError" not in made.stdout + made.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("broken", [False, True])
def test_all_soaks_are_run_and_a_broken_limit_is_told_at_the_end(broken: bool, tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / "benchmarks").mkdir()
    # In this order, so that nothing is made again.
    for name in ("pyproject.toml", "benchmarks/pyproject.toml", ".venv/bin/python", ".venv/.dev"):
        (tmp_path / name).touch()
    (tmp_path / ".venv" / "bin" / "duologue").write_text(SOAKS)
    (tmp_path / ".venv" / "bin" / "pytest").write_text("#!/bin/sh\n")
    for name in ("duologue", "pytest"):
        (tmp_path / ".venv" / "bin" / name).chmod(0o755)
    if broken:
        (tmp_path / "broken").touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    made = subprocess.run(
        ["make", "--no-print-directory", "soak"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = {file.name: file.read_text() for file in (tmp_path / "bench-out").glob("soak-*.txt")}
    assert told == {
        "soak-churn.txt": "soak churn --plot bench-out/churn.svg\n",
        "soak-chaos.txt": "soak chaos --sessions 50 --minutes 10\n",
        "soak-kill.txt": "soak kill --sessions 30 --minutes 3\n",
        "soak-overload.txt": "soak overload --capacity 100 --listener picows --plot bench-out/overload.svg\n",
        "soak-monologue.txt": "soak monologue --sessions 100 --listener picows --plot bench-out/monologue.svg\n",
        "soak-fuzz.txt": "soak fuzz --listener picows --keep bench-out/fuzz-seeds.txt\n",
    }
    assert made.returncode == (2 if broken else 0)
    assert ("soak overload: a limit does not hold" in made.stdout) is broken
