"""The files that hosting and hooks read are valid by their published schemas."""

import io
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "src" / "duologue" / "turn" / "install.py"
FORMS = [form for form in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if form.name != "config.yml"]


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", [*(ROOT / ".github" / "workflows").glob("*.yml")]),
        ("custom.github-workflows-require-timeout", [*(ROOT / ".github" / "workflows").glob("*.yml")]),
        ("vendor.dependabot", [ROOT / ".github" / "dependabot.yml"]),
        ("vendor.github-issue-forms", FORMS),
        ("vendor.github-issue-config", [ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml"]),
    ],
)
def test_files_of_the_hosting_service_are_valid(schema: str, files: list[Path]) -> None:
    assert files
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_workflows_run_what_the_makefile_has() -> None:
    targets = {line.partition(":")[0] for line in (ROOT / "Makefile").read_text().splitlines() if ":" in line}
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    used = {line.split("make ", 1)[1].strip() for line in workflow.splitlines() if "run: make " in line}
    assert used
    assert used <= targets


def test_a_quiet_command_shows_its_output_only_if_it_fails(tmp_path: Path) -> None:
    quietly, log = ROOT / "tools" / "quietly", tmp_path / "made" / "out.log"
    done = subprocess.run([quietly, log, "echo", "hello"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr, log.read_text()) == (0, "", "", "hello\n")
    done = subprocess.run(
        [quietly, log, "sh", "-c", "echo broken; exit 3"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "broken" in done.stderr
    assert str(log) in done.stderr


def test_what_is_missing_and_cannot_be_installed_is_named_in_the_first_line(tmp_path: Path) -> None:
    for tool in ("bash", "env"):
        (tmp_path / tool).symlink_to(f"/bin/{tool}")
    script = (ROOT / "tools" / "system-packages").read_text().replace(":/usr/sbin:/sbin", "")
    needs = ["bash=bash", "no-such-browser=browser", "no-such-server=server"]
    done = subprocess.run(
        ["/bin/bash", "-c", script, "system-packages", *needs],
        env={"PATH": str(tmp_path), "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "The tests need browser server. On Debian: sudo apt install browser server"


BRIDGE = {"livekit.py", "livekit_stream.py", "providers.py"}
"""What knows that plugins of LiveKit can be providers."""


def test_the_wheel_is_small_and_knows_no_peer() -> None:
    files = [file for file in (ROOT / "src").rglob("*") if file.is_file() and file.suffix != ".pyc"]
    with io.BytesIO() as target, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as wheel:
        for file in files:
            wheel.write(file, file.relative_to(ROOT / "src"))
        wheel.close()
        assert target.tell() < 1_200_000
    # Smart Turn's weights come in another project's wheel, and its license asks that this be said.
    texts = {file: file.read_text("utf-8") for file in files if file.suffix == ".py" and file != WEIGHTS}
    named = {file.name for file, text in texts.items() if re.search(r"pipecat(?!-ai/smart-turn)|livekit", text, re.I)}
    assert named == BRIDGE


@pytest.mark.parametrize("room", ["conversation", "session", "engine", "server"])
def test_modules_over_300_lines_say_why(room: str) -> None:
    for module in (ROOT / "src" / "duologue" / room).rglob("*.py"):
        text = module.read_text()
        if text.count("\n") > 300:
            assert "300 lines" in text.split('"""')[1], f"{module.name} is long, and its docstring does not say why"
