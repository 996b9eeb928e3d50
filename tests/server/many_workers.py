"""Two workers at one port, over backends without speech: a program of its own, for `test_server_workers.py`.

Its argument is what fails: `nothing`, `building`, or `everything`. SILENT in the environment is the
seconds after which a silent worker is replaced.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fake_backend import FakeBackend

from duologue.errors import DuologueError, NotInstalledError
from duologue.server.app import create_app
from duologue.server.supervisor import Supervisor, share
from duologue.server.worker import serve_as_worker
from duologue.telemetry.hub import Telemetry

WORKERS = 2
CONNECTIONS = 4
"""Divided among the workers."""


class Call:
    """A live call whose page is longer than any message between the workers."""

    def __init__(self, id_: str) -> None:
        self.id = id_

    def row(self) -> dict[str, Any]:
        return {"id": self.id, "pid": os.getpid(), "age_s": 1.0}

    def page(self) -> dict[str, Any]:
        return {**self.row(), "turns_of_call": [{"turn": n, "noise": os.urandom(2000).hex()} for n in range(50)]}


def main() -> None:
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    door.bind(("127.0.0.1", 0))

    @asynccontextmanager
    async def build() -> AsyncIterator[FakeBackend]:
        if sys.argv[1] == "building":
            raise NotInstalledError("The package 'voices' is not installed.")
        yield FakeBackend()

    def work(index: int, link: socket.socket) -> int:
        if sys.argv[1] == "everything":
            return 3
        telemetry = Telemetry()
        call = Call(f"call-{index}")
        telemetry.calls[call.id] = call
        app = create_app(build, max_connections=share(CONNECTIONS, WORKERS, index), telemetry=telemetry)
        return serve_as_worker(app, link, door, log_config=None)

    try:
        silent = float(os.environ.get("SILENT", "15"))
        Supervisor(work, WORKERS, on_ready=lambda: print(door.getsockname()[1], flush=True), silent=silent).run()
    except DuologueError as error:
        sys.exit(f"{error.code}: {error.message}")


if __name__ == "__main__":
    main()
