"""What the stand-ins of vendors do wrong on demand."""

from __future__ import annotations

from typing import Literal

Fault = Literal[
    "",
    "hang_up",
    "no_handshake",
    "unauthorized",
    "quota",
    "rate_limited",
    "bad_request",
    "unavailable",
    "stall_first",
    "stall",
    "half_open",
    "drop",
    "garbage",
    "wrong_format",
    "slow",
]
"""One of these a connection or a request.

`hang_up` closes a connection as soon as it is made, `no_handshake` accepts it and says nothing. `unauthorized` to
`unavailable` are refusals. `stall_first` gives no audio, `stall` gives some and then none; `half_open` does too, and no
longer answers pings. `drop` cuts the connection inside a word. `garbage` sends what is no message or no whole sample,
`wrong_format` an audio format that was not asked for. `slow` sends small pieces that end anywhere.
"""

RETRY_AFTER = 7
"""Seconds that `rate_limited` asks for."""
