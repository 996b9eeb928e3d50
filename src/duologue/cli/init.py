"""`duologue init`: a new project, with an agent, its settings and its test."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Annotated, Final

import typer

from duologue import __version__
from duologue.cli.output import AsJson, console, print_json
from duologue.errors import ConfigError

__all__ = ["init"]

TEMPLATE: Final = Path(__file__).parent / "template"
FILES: Final = (
    "agent.py", "duologue.toml", "test_agent.py", "pytest.ini", "README.md", "Makefile", "Dockerfile", ".gitignore"
)  # fmt: skip
NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the project, and of its folder.")],
    as_json: AsJson = False,
) -> None:
    """Write a new project to the folder NAME: an agent with a tool, its settings, and a test that passes.

    The folder is made, or is empty but for `.git`. `make test` there installs what the test needs; `make run` serves
    the agent.
    """
    try:
        folder = _free_folder(name)
        _write(folder, {"@NAME@": name, "@IMAGE@": _image(name), "@SOURCE@": _source()})
    except OSError as error:
        raise ConfigError(f"{name} cannot be written: {error.strerror}.", hint="Choose another folder.") from None
    if as_json:
        print_json({"folder": str(folder.absolute()), "files": list(FILES)})
        return
    console.print(f"{name} is ready: {', '.join(FILES)}", soft_wrap=True)
    console.print(f"\n  cd {name}\n  make test    # the test of agent.py, in audio time, without a model")
    console.print("  make run     # talk to it at http://localhost:8000")


def _write(folder: Path, values: Mapping[str, str]) -> None:
    """Write all files, or none: a folder with some of them would be refused the next time."""
    is_new = not folder.exists()
    folder.mkdir(exist_ok=True)
    try:
        for file in FILES:
            text = (TEMPLATE / f"{file.removeprefix('.')}.txt").read_text("utf-8")
            for placeholder, value in values.items():
                text = text.replace(placeholder, value)
            (folder / file).write_text(text, "utf-8")
    except OSError:
        with suppress(OSError):
            for file in FILES:
                (folder / file).unlink(missing_ok=True)
            if is_new:
                folder.rmdir()
        raise


def _image(name: str) -> str:
    """The name as one of an image, which has neither capitals nor two separators in a row."""
    return re.sub(r"[-_]+", "-", name.lower()).strip("-")


def _free_folder(name: str) -> Path:
    """The folder to write to. Raises ConfigError for what is no name, and for a folder that holds something."""
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no name for a project.",
            hint="A name has up to 40 letters, digits, - and _, and begins with a letter.",
        )
    folder = Path(name)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{name} exists, and is no folder.", hint="Choose another name.")
    if folder.is_dir() and any(path.name != ".git" for path in folder.iterdir()):
        raise ConfigError(f"The folder {name} is not empty.", hint="Choose another name, or empty the folder.")
    return folder


def _source() -> str:
    """Where this duologue was installed from, as it stands behind the name of a package in a requirement."""
    try:
        told = json.loads(distribution("duologue").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        told = {}
    url = told.get("url", "")
    if not url or "'" in url or "$" in url:
        return f"=={__version__}"
    if version_control := told.get("vcs_info"):
        return f" @ {version_control['vcs']}+{url}@{version_control['commit_id']}"
    return f" @ {url}"
