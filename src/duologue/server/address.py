"""The address of a server, as it is printed."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from duologue.errors import ConfigError

__all__ = ["TlsFiles", "address_of", "exposure"]

_SIOCGIFADDR: Final = 0x8915


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of a certificate and its key, in PEM; true where they are given."""

    certfile: str | os.PathLike[str] | None = None
    keyfile: str | os.PathLike[str] | None = None

    def __bool__(self) -> bool:
        return self.certfile is not None

    def check(self) -> None:
        """Raise ConfigError if the files cannot be used."""
        if self.certfile is None:
            if self.keyfile is not None:
                raise ConfigError("A key was given without a certificate.", hint="Give --certfile, too.")
            return
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certfile, self.keyfile, _no_password)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            reason = "they do not belong together, or are not PEM" if isinstance(error, ssl.SSLError) else error
            raise ConfigError(
                f"The certificate {self.certfile} cannot be used: {reason}.", hint="Check --certfile and --keyfile."
            ) from None

    def options(self) -> dict[str, Any]:
        """What uvicorn is given."""
        return {"ssl_certfile": self.certfile, "ssl_keyfile": self.keyfile} if self else {}


def _no_password() -> str:
    raise ValueError("the key has a password")


def address_of(host: str, port: int, *, tls: bool = False) -> str:
    """The URL of a server that listens on `host`, for a browser on this machine."""
    name = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::", "") else host
    return f"{'https' if tls else 'http'}://{_in_url(name)}:{port}"


def exposure(
    host: str, port: int, *, tls: bool = False, authenticates: bool = False, insecure: bool = False
) -> list[str]:
    """What to say where others than this machine can reach the server; nothing if they cannot.

    Raises ConfigError where they could call without authentication, and `insecure` does not allow that.
    """
    try:
        address = ipaddress.ip_address(host or "0.0.0.0")
    except ValueError:
        if host == "localhost" or host.endswith(".localhost"):
            return []
        addresses = [host]
    else:
        if address.is_loopback:
            return []
        addresses = [host]
        if address.is_unspecified:
            addresses = _own_addresses() or [socket.gethostname()]
    if not (authenticates or insecure):
        raise ConfigError(
            f"Everyone who reaches {host or 'this machine'} could talk, and read /ops.",
            hint="Ask for tokens with --keys FILE (made by `duologue token --keys FILE --new-key`), or give --insecure "
            "if something else, such as a proxy, keeps strangers out.",
        )
    urls = ", ".join(f"{'https' if tls else 'http'}://{_in_url(each)}:{port}" for each in addresses)
    lines = [] if authenticates else [f"warning: everyone who reaches this machine can talk, and read /ops: {urls}"]
    if not tls:
        lines += ["  without --certfile speech and tokens can be read on the way: put a proxy with HTTPS before it;"]
        lines += ["  browsers give the microphone to HTTPS and localhost only"]
    return lines


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _own_addresses() -> list[str]:
    """The IPv4 addresses of this machine's interfaces but loopback; no packet is sent to find them."""
    found: list[str] = []
    try:
        import fcntl
    except ImportError:  # Windows
        return found
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with suppress(OSError):  # It has no such address, or the system knows no such call.
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                found.append(socket.inet_ntoa(answer[20:24]))
    return [address for address in found if not ipaddress.ip_address(address).is_loopback][:4]
