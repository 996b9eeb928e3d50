"""Which pages may connect: those of the server's own host, and those that are allowed by name."""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from duologue.errors import ConfigError

__all__ = ["TRUSTED_PROXIES", "Origins", "Refusal"]

log: Final = logging.getLogger(__name__)

TRUSTED_PROXIES: Final = ("127.0.0.0/8", "::1")
"""Whose `Forwarded` and `X-Forwarded-…` headers are believed: proxies on the same machine."""

DEFAULT_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}

LOCAL_NAMES: Final = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
"""Domains that cannot be registered, so that no foreign page has such a name."""

MAX_ADDRESS: Final = 64
"""Characters of an address that a proxy passes on."""

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*\Z")
_NAME: Final = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?\Z")
_FORWARDED_HOST: Final = re.compile(r'(?:^|;)\s*host\s*=\s*("[^"]*"|[^;,\s]+)', re.IGNORECASE)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Place(NamedTuple):
    """A host, and a port where one is named."""

    name: str
    port: int | None


class Allowed(NamedTuple):
    """A page's origin; of any scheme where that is empty."""

    scheme: str
    place: Place


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused, as its answer says."""

    status: int
    code: str
    message: str
    hint: str

    def as_dict(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class Origins:
    """Decides on requests by their Origin and Host.

    A browser lets any page open a WebSocket to any host, so that the server must refuse those of others. `allowed` are
    origins, as `https://talk.example`, or hosts, as `talk.example:8443`, which stand for both schemes; `*` is any.
    `trusted_proxies` are addresses or networks; what they say of the host that the client asked for is believed.

    Raises ConfigError where one of them cannot be meant.
    """

    def __init__(self, allowed: Sequence[str] = (), trusted_proxies: Sequence[str] = TRUSTED_PROXIES) -> None:
        self._any = "*" in allowed
        self._null = "null" in allowed
        self._allowed = [_allowed(text) for text in allowed if text not in ("*", "null")]
        self._proxies = [_network(text) for text in trusted_proxies]

    def refusal(self, connection: HTTPConnection) -> Refusal | None:
        """Why the page that opens this stream may not; None if it may, or if no page opens it."""
        origin = connection.headers.get("origin")
        if origin is None or self._any:
            return None
        if origin == "null":
            return None if self._null else self._refuse_origin(origin, connection)
        asking = _parse_origin(origin)
        if asking is None:
            return self._refuse_origin(origin, connection)
        scheme, (name, port) = asking
        port = DEFAULT_PORTS.get(scheme) if port is None else port
        for known, place in self._allowed:
            if place.name == name and known in ("", scheme) and port == (place.port or DEFAULT_PORTS.get(scheme)):
                return None
        for place in self._hosts(connection):
            if place.name == name and port == (place.port or DEFAULT_PORTS.get(scheme)):
                return self.host_refusal(connection)
        return self._refuse_origin(origin, connection)

    def host_refusal(self, connection: HTTPConnection) -> Refusal | None:
        """Why a page that was reached under this Host may not; None if it may.

        A name that anybody may register can be pointed at this machine by a page of a stranger, which a browser then
        takes for the server's own (DNS rebinding). The browser names the port that it connects to, so that a request
        which names another port has come through a proxy, and is the proxy's to judge.
        """
        if self._any:
            return None
        given = connection.headers.get("host", "")
        place = _parse_place(given.lower())
        server = connection.scope.get("server")
        port = server[1] if server else None
        if place is not None:
            direct = place.port == port if place.port else port in (80, 443)
            bound = server is not None and place.name == server[0]
            if not direct or bound or _is_local(place.name) or any(place.name == a.place.name for a in self._allowed):
                return None
        said = _shown(given)
        log.warning("Refused a request for the host %s, which is not known to be this server's.", said)
        return Refusal(
            421,
            "host_refused",
            f"This server is not known as {said}.",
            f"If that is its name, start it with --allow-origin {place.name if place else 'NAME'}.",
        )

    def hosts(self, connection: HTTPConnection) -> list[str]:
        """The hosts that the client may have asked for, as `name` or `name:port`."""
        return [
            (f"[{name}]" if ":" in name else name) + (f":{port}" if port else "")
            for name, port in self._hosts(connection)
        ]

    def _hosts(self, connection: HTTPConnection) -> list[Place]:
        headers = connection.headers
        given = [headers.get("host", "")]
        if self._trusts(connection):
            forwarded = headers.get("x-forwarded-host", "").partition(",")[0].strip()
            if forwarded:
                given.append(forwarded)
                port = headers.get("x-forwarded-port", "").partition(",")[0].strip()
                if port and ":" not in forwarded.rpartition("]")[2]:
                    given.append(f"{forwarded}:{port}")
            first = headers.get("forwarded", "").partition(",")[0]
            if match := _FORWARDED_HOST.search(first):
                given.append(match[1].strip('"'))
        return [place for text in given if (place := _parse_place(text.lower())) is not None]

    def client(self, connection: HTTPConnection) -> str:
        """The address of the client: the socket's, or what the trusted proxies before it say; empty if unknown."""
        peer = connection.scope.get("client")
        address = str(peer[0]) if peer else ""
        if not self._trusts(connection) or _is_forwarded(connection):
            return address
        # Each proxy appends the address of its peer, so the last address that is no trusted proxy is the client.
        for given in reversed(connection.headers.get("x-forwarded-for", "").split(",")):
            if not given.strip() or len(given) > MAX_ADDRESS or not given.strip().isprintable():
                break
            address = given.strip()
            if not self._is_proxy(address):
                break
        return address

    def _trusts(self, connection: HTTPConnection) -> bool:
        client = connection.scope.get("client")
        return _is_forwarded(connection) or (client is not None and self._is_proxy(str(client[0])))

    def _is_proxy(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._proxies)

    def _refuse_origin(self, origin: str, connection: HTTPConnection) -> Refusal:
        hosts = " or ".join(_shown(host) for host in self.hosts(connection)) or "no host at all"
        ignored = _forwarding(connection.headers) and not self._trusts(connection)
        log.warning(
            "Refused a page from %s: the request is for %s, and the origin is not allowed.%s To allow it: "
            "--allow-origin %s",
            _shown(origin),
            hosts,
            " What the proxy at this address says of the host is not believed: see --trusted-proxy." if ignored else "",
            _shown(origin),
        )
        return Refusal(
            403,
            "origin_refused",
            f"A page from {_shown(origin)} may not connect to {hosts}.",
            f"Start the server with --allow-origin {_shown(origin)}, or have the proxy keep the Host header.",
        )


def _is_forwarded(connection: HTTPConnection) -> bool:
    """Whether an ASGI server or a middleware believed the proxy already, and gives the client that it names.

    uvicorn and Hypercorn do so for the proxies that they are set to trust, with port 0, which no socket has.
    """
    client = connection.scope.get("client")
    return client is not None and client[1] == 0


def _forwarding(headers: Mapping[str, str]) -> bool:
    return "x-forwarded-host" in headers or "forwarded" in headers


def _shown(text: str) -> str:
    """What a client sent, fit for a line of text."""
    return "".join(c if c.isprintable() and c.isascii() else "?" for c in text[:100]) or "(nothing)"


def _is_local(name: str) -> bool:
    if "." not in name or name.endswith(LOCAL_NAMES):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _parse_place(text: str) -> Place | None:
    """`name`, `name:port` or `[address]:port`; None if it is none."""
    try:
        parts = urlsplit(f"//{text}")
        name, port = parts.hostname, parts.port
        if name is not None and ":" in name:
            name = str(ipaddress.IPv6Address(name))
    except ValueError:
        return None
    name = (name or "").removesuffix(".")
    if parts.netloc != text or "@" in text or port == 0 or not (_NAME.match(name) or ":" in name):
        return None
    return Place(name, port)


def _parse_origin(text: str) -> tuple[str, Place] | None:
    scheme, separator, rest = text.lower().partition("://")
    place = _parse_place(rest)
    return (scheme, place) if separator and _SCHEME.match(scheme) and place is not None else None


def _allowed(text: str) -> Allowed:
    plain = text.strip().removesuffix("/")
    if "://" in plain:
        origin = _parse_origin(plain)
    else:
        place = _parse_place(plain.lower())
        origin = None if place is None else ("", place)
    if origin is None:
        raise ConfigError(
            f"{text!r} is not the origin of a page.",
            hint="An origin looks like https://talk.example or https://talk.example:8443: a scheme, a host, perhaps a "
            "port, and no path. A host alone stands for both schemes, and * for any origin.",
        )
    return Allowed(*origin)


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ConfigError(
            f"{text!r} is no address of a proxy.", hint="Give an address or a network, as 10.0.0.7 or 10.0.0.0/8."
        ) from None
