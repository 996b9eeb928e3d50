"""Runs a package registry's own client, such as pip or npm, to fetch one package: with progress and a deadline."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from duologue.errors import DeadlineError, NotInstalledError, ProviderUnavailableError

__all__ = ["check_content", "fetch_package", "sha256"]

POLL_S = 0.1
REPORT_S = 5.0


def fetch_package(
    command: Sequence[str],
    folder: Path,
    *,
    client: str,
    package: str,
    provider: str,
    progress: Callable[[str], None],
    timeout: float,
) -> str:
    """Run `command` of the registry's `client`, which puts `package` into `folder`, and return what it printed.

    `progress` is called at least every 5 s while it runs; `timeout` bounds it in seconds. Raises
    FileNotFoundError or another OSError where the command cannot be started, ProviderUnavailableError where it fails,
    and DeadlineError after `timeout`; then it and what it started are killed.
    """
    log = folder / "client.log"
    with log.open("wb") as output:
        # A session of its own, so that what the client starts can be stopped with it.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = _wait(process, client, package, provider, progress, timeout)
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    said = log.read_text(errors="replace")
    if code != 0:
        lines = [line for line in said.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith(("ERROR", "npm error"))] or lines
        reason = errors[-1] if errors else f"it ended with code {code} and said nothing"
        raise ProviderUnavailableError(
            f"{client} could not fetch {package}: {reason}",
            hint=f"See that the package registry of {client} can be reached, and try again.",
            provider=provider,
        )
    return said


def check_content(name: str, content: bytes, expected: str) -> None:
    """Raise NotInstalledError unless `content`, the file `name`, has the SHA-256 `expected`."""
    found = sha256(content)
    if found != expected:
        raise NotInstalledError(
            f"{name} is not the file that duologue was checked with: its SHA-256 is {found}, not {expected}.",
            hint="Nothing was installed. See which package registry is set.",
        )


def sha256(content: bytes) -> str:
    """The SHA-256 of `content`, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _wait(
    process: subprocess.Popen[bytes],
    client: str,
    package: str,
    provider: str,
    progress: Callable[[str], None],
    timeout: float,
) -> int:
    started = reported = time.monotonic()
    while True:
        try:
            return process.wait(POLL_S)
        except subprocess.TimeoutExpired:
            now = time.monotonic()
        if now - started >= timeout:
            raise DeadlineError(
                f"{client} did not fetch {package} within {timeout:g} s.",
                hint="Try again, or allow more time.",
                provider=provider,
            )
        if now - reported >= REPORT_S:
            progress(f"Still fetching {package} after {now - started:.0f} of at most {timeout:g} s.")
            reported = now
