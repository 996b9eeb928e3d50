from __future__ import annotations

import pytest

from duologue.loopback import is_loopback


@pytest.mark.parametrize(
    "url",
    [
        "ws://localhost:8000/v1/stream",
        "ws://LocalHost",
        "http://app.localhost:1",
        "http://localhost.:1",
        "ws://127.0.0.1:8000",
        "http://127.8.9.1/v1",
        "ws://[::1]:8000",
        "ws://[0:0:0:0:0:0:0:1]",
        "ws://[::ffff:127.0.0.1]:8000",
    ],
)
def test_this_machine(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url",
    ["", "ws://", "ws://[", "ws://example.com", "ws://localhost.example.com", "ws://127.0.0.1.example.com",
     "ws://10.0.0.1", "ws://[fe80::1]", "ws://notlocalhost", "http://128.0.0.1", "ws://user@example.com:1@x"],
)  # fmt: skip
def test_other_machines(url: str) -> None:
    assert not is_loopback(url)
