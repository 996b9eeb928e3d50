from __future__ import annotations

import asyncio
from typing import Any

import pytest

from duologue.callers.dial import open_connection
from duologue.errors import ConfigError
from duologue.server.listener import WEBSOCKETS
from duologue.wire import frames
from duologue.wire import messages as wire
from duologue.wire.fields import Audio
from duologue_bench.figures import Spread
from duologue_bench.server import ServerProcess
from duologue_bench.sockets import SocketRun, measure


class Ears:
    def __init__(self) -> None:
        self.came: asyncio.Queue[str | bytes] = asyncio.Queue()

    def text(self, message: str) -> None:
        self.came.put_nowait(message)

    def sound(self, message: bytes) -> None:
        self.came.put_nowait(message)

    def closed(self, code: int | None, reason: str) -> None:
        self.came.put_nowait(f"{code} {reason}")


@pytest.mark.anyio
@pytest.mark.parametrize("listener", WEBSOCKETS)
async def test_each_message_is_counted_both_ways(listener: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue_bench.sockets.WARM_S", 0.1)
    told: list[float] = []
    run = await measure(listener, clients=3, seconds=1.0, chunk_ms=40, on_progress=told.append)
    assert run.returned == pytest.approx(run.sent, abs=2 * 3)
    assert run.sent == pytest.approx(3 * 25 * run.seconds, abs=2 * 3)
    assert run.round_trip.count == run.returned
    assert run.server_cpu_s >= 0  # the kernel counts hundredths of a second
    assert told
    assert run.as_dict()["clients"] == 3


@pytest.mark.anyio
async def test_the_echo_is_what_was_sent() -> None:
    async with ServerProcess(["--listener", "uvicorn"], program=("duologue_bench.echoing",)) as server:
        ears = Ears()
        line = await open_connection(server.url, ears)
        line.say(wire.dump(wire.Start(version=1, audio_out=Audio(rate=16_000))))
        async with asyncio.timeout(10):
            assert isinstance(wire.parse_server(str(await ears.came.get())), wire.Started)
            for position in (0, 320, 960):
                line.send(frames.pack(position, 0, bytes([position % 256]) * 640))
                message = await ears.came.get()
                assert isinstance(message, bytes)
                echo = frames.unpack(message, 2)
                assert (echo.position, bytes(echo.audio)) == (position, bytes([position % 256]) * 640)
            line.say(wire.dump(wire.End()))
            assert isinstance(wire.parse_server(str(await ears.came.get())), wire.Ended)


@pytest.mark.anyio
@pytest.mark.parametrize("asked", [{"clients": 0}, {"clients": 5000}, {"chunk_ms": 30}, {"seconds": 0.0}])
async def test_sizes_out_of_range_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        await measure("uvicorn", **asked)


@pytest.mark.parametrize(
    ("late", "returned", "void"),
    [(0.004, 100, ""), (0.004, 97, ""), (0.004, 90, "the server kept up"), (0.021, 100, "the clients were 21 ms late")],
)
def test_clients_that_were_late_or_lost_something_say_nothing(late: float, returned: int, void: str) -> None:
    quick, slow = Spread.of([0.001]), Spread.of([late])
    run = SocketRun("uvicorn", 2, 20, 1.0, 100, returned, 0.004, 0.01, quick, slow)
    assert run.why_void.startswith(void)
    assert bool(run.why_void) is bool(void)
    assert run.cpu_per_message_s == pytest.approx(0.004 / (2 * returned))
