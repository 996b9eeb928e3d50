"""What `duologue doctor` finds of the machine: versions, cores, what the processor can do, the port."""

from __future__ import annotations

import errno
import importlib.metadata
import os
import platform
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Processor", "listener_version", "port_taken_by", "processor", "versions"]

CPU_INFO: Final = Path("/proc/cpuinfo")
CPU_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
FEATURES: Final = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "asimd", "asimddp")
"""Those that the kernels of onnxruntime make use of."""
FAST: Final = frozenset({"avx2", "asimd"})
"""With none of these, models take several times as long."""
PACKAGES: Final = ("numpy", "onnxruntime", "pydantic", "starlette", "uvicorn", "websockets")


@dataclass(frozen=True, slots=True)
class Processor:
    """What calls can be computed on."""

    name: str
    cores: float
    """Cores that this process may use: fewer than the machine has where a container has a quota."""
    features: tuple[str, ...]

    is_fast: bool
    """False if models run several times slower than on processors of the last ten years."""

    def __str__(self) -> str:
        return f"{self.name}, {self.cores:g} cores, {', '.join(self.features) or 'no vector features'}"


def processor(info: Path = CPU_INFO, quota: Path = CPU_QUOTA) -> Processor:
    """Return the processor, as the kernel tells it."""
    try:
        lines = [line.partition(":") for line in info.read_text("utf-8", "replace").splitlines()]
    except OSError:
        lines = []
    facts = {key.strip().lower(): value.strip() for key, _, value in lines if value.strip()}
    flags = set((facts.get("flags") or facts.get("features") or "").split())
    name = facts.get("model name") or platform.processor() or platform.machine()
    features = tuple(each for each in FEATURES if each in flags)
    return Processor(name, _cores(quota), features, is_fast=not flags or bool(FAST & flags))


def _cores(quota: Path) -> float:
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    try:
        allowed, period = quota.read_text().split()[:2]
        return cores if allowed == "max" else min(cores, round(int(allowed) / int(period), 2))
    except (OSError, ValueError):
        return cores


def versions() -> str:
    """Return duologue's version, and those of what it stands on."""
    found = []
    for package in ("duologue", *PACKAGES):
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def listener_version() -> str | None:
    """Return the version of the faster listener; None if it is not installed."""
    try:
        return importlib.metadata.version("picows")
    except importlib.metadata.PackageNotFoundError:
        return None


def port_taken_by(host: str, port: int) -> str | None:
    """Return why `serve` could not listen there; None if it could."""
    try:
        with socket.create_server((host, port)):
            return None
    except OSError as error:
        return "another program listens there" if error.errno == errno.EADDRINUSE else str(error.strerror or error)
