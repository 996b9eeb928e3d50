"""The console: a page to talk to the server with. Its files are served from memory, under a strict policy."""

from __future__ import annotations

import hashlib
import re
from importlib import resources
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from duologue.server.origins import Origins

__all__ = ["Console"]

# The types are given here, because those that the system knows differ from machine to machine, and a browser refuses
# a script or a worklet that comes with a wrong one.
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_HOST: Final = re.compile(r"[A-Za-z0-9._\-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


class Console:
    """The pages and their files; `origins` knows under which hosts they are reached."""

    def __init__(self, origins: Origins) -> None:
        self._origins = origins
        self._files = {
            file.name: (file.read_bytes(), _TYPES["." + file.name.rpartition(".")[2]])
            for file in resources.files("duologue.server").joinpath("console").iterdir()
            if "." + file.name.rpartition(".")[2] in _TYPES
        }

    @property
    def routes(self) -> list[Route]:
        """The routes of the page to talk from, and of all files."""
        return [Route("/", self._file), Route("/console/{name}", self._file)]

    async def _file(self, request: Request) -> Response:
        return await self.serve(request, request.path_params.get("name", "index.html"))

    async def serve(self, request: Request, name: str) -> Response:
        """Answer with the file of this name."""
        host = request.headers.get("host", "")
        if not _HOST.fullmatch(host):
            return PlainTextResponse("The Host header is not a host.", 400)
        if name not in self._files:
            return PlainTextResponse("There is no such file.", 404)
        body, media_type = self._files[name]
        headers = _headers(self._origins.hosts(request), hashlib.sha256(body).hexdigest()[:32])
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type=media_type)


def _headers(hosts: list[str], digest: str) -> dict[str, str]:
    # Safari does not count ws: as 'self', so the sockets are named.
    sockets = " ".join(f"{scheme}://{host}" for host in hosts for scheme in ("ws", "wss"))
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self' {sockets}; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
        "Cache-Control": "no-cache",
        "Vary": "Accept",
        "ETag": f'"{digest}"',
    }
