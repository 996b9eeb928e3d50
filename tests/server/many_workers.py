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

from fake_backend import FakeBackend

from duologue.errors import DuologueError, NotInstalledError
from duologue.server.app import create_app
from duologue.server.supervisor import Supervisor, share
from duologue.server.worker import serve_as_worker

WORKERS = 2
CONNECTIONS = 4
"""Divided among the workers."""


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
        app = create_app(build, max_connections=share(CONNECTIONS, WORKERS, index))
        return serve_as_worker(app, link, door, log_config=None)

    try:
        silent = float(os.environ.get("SILENT", "15"))
        Supervisor(work, WORKERS, on_ready=lambda: print(door.getsockname()[1], flush=True), silent=silent).run()
    except DuologueError as error:
        sys.exit(f"{error.code}: {error.message}")


if __name__ == "__main__":
    main()
