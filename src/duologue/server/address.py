"""Where a server can be reached, as people are told."""

from __future__ import annotations

import ipaddress
import socket
import struct
from contextlib import suppress
from typing import Final

__all__ = ["address_of", "exposure"]

_SIOCGIFADDR: Final = 0x8915


def address_of(host: str, port: int) -> str:
    """The URL of a server that listens on `host`, for a browser on this machine."""
    name = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::", "") else host
    return f"http://{_in_url(name)}:{port}"


def exposure(host: str, port: int) -> list[str]:
    """What to say where others than this machine can reach the server; nothing where they cannot."""
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
    urls = ", ".join(f"http://{_in_url(each)}:{port}" for each in addresses)
    return [
        f"warning: everyone who reaches this machine can talk, and read /ops: {urls}",
        "  put a proxy with HTTPS and a login before it; browsers give the microphone to HTTPS and localhost only",
    ]


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
