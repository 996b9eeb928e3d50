"""Addresses of this machine itself, which no proxy of the environment is ever to be asked for."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

__all__ = ["is_loopback"]


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine: localhost, a name below it, or a loopback address."""
    try:
        host = (urlsplit(url).hostname or "").removesuffix(".").lower()
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
