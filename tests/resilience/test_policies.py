"""Breakers, hedging, limits, deadlines and retries by themselves, in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelRequest, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.function import FunctionModel

from duologue.errors import ConfigError, DeadlineError, ProviderUnavailableError, RateLimitedError
from duologue.resilience import (
    BreakerKey,
    BreakerRegistry,
    BreakerSettings,
    BreakerState,
    Deadline,
    Hedge,
    HedgeSettings,
    RateLimit,
    Retry,
    RetryBudget,
    resilient_model,
)
from duologue.resilience.breaker import breaker_key, breaker_keys
from duologue.resilience.deadline import ProgressWatch
from duologue.testing.faults import Fault, FaultPlan
from duologue.testing.faulty_model import FaultyModel
from duologue.testing.virtual_time import run_in_virtual_time

KEY = BreakerKey("stt", "acme")
DOWN = ProviderUnavailableError("It is down.")


class Endpoint:
    name = "openai"

    def __init__(self, base_url: str, **own: Any) -> None:
        self.base_url = base_url
        self.__dict__.update(own)


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("http://127.0.0.1:8001/v1", "127.0.0.1:8001"),
        ("http://127.0.0.1:8002/v1", "127.0.0.1:8002"),
        ("https://api.example/v1", "api.example"),
        ("https://api.example:443/v1", "api.example"),
        ("wss://api.example:80", "api.example:80"),
        ("http://user:secret@[::1]:9000", "[::1]:9000"),
        ("http://api.example:port", "api.example"),
        ("http://[::1", ""),
        ("", ""),
    ],
)
def test_servers_on_one_host_have_breakers_of_their_own(url: str, region: str) -> None:
    assert breaker_key("stt", Endpoint(url)) == BreakerKey("stt", "openai", region)


def test_providers_of_a_list_that_are_alike_have_breakers_of_their_own() -> None:
    one, two = Endpoint("https://api.example"), Endpoint("https://api.example")
    assert [key.place for key in breaker_keys("tts", [one, Endpoint("https://b.example"), two])] == [0, 0, 1]
    shared = BreakerKey("tts", "shared")
    assert breaker_keys("tts", [Endpoint("", breaker_key=shared), Endpoint("", breaker_key=shared)]) == [shared] * 2


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_breaker_stays_closed_at_a_low_share_of_failures_and_opens_when_all_fail() -> None:
    async def main() -> None:
        breaker = BreakerRegistry().get(KEY)
        for i in range(300):
            permit = breaker.enter()
            permit.failed(DOWN) if i % 50 in (30, 31) else permit.succeeded()
            await asyncio.sleep(0.01)
        assert breaker.status().opened == 0
        for _ in range(10):
            breaker.enter().failed(DOWN)
        assert breaker.state is BreakerState.OPEN

    run_in_virtual_time(main())


def test_one_probe_at_a_time_and_longer_openings() -> None:
    async def main() -> None:
        seen: list[str] = []
        registry = BreakerRegistry()
        end = registry.watch(lambda status: seen.append(status.state))
        breaker = registry.get(KEY)
        openings = []
        for _ in range(3):
            while breaker.state is BreakerState.CLOSED:
                breaker.enter().failed(DOWN)
            openings.append(round(breaker.status().retry_in))
            with pytest.raises(ProviderUnavailableError) as refused:
                breaker.enter()
            assert refused.value.retry_after == pytest.approx(openings[-1], abs=0.1)
            await asyncio.sleep(openings[-1])
            probe = breaker.enter()
            assert not breaker.admits
            probe.failed(DOWN)
        assert openings == [30, 120, 300]
        await asyncio.sleep(300)
        breaker.enter().released()  # given up by its caller: it says nothing
        for _ in range(2):
            breaker.enter().succeeded()
        assert breaker.state is BreakerState.CLOSED
        assert seen[:2] == ["open", "half_open"]
        assert seen[-1] == "closed"
        end()
        assert breaker.status().opened == 4

    run_in_virtual_time(main())


@pytest.mark.parametrize("is_last", [True, False])
def test_a_breaker_opens_as_often_as_an_outage_lasts(*, is_last: bool) -> None:
    async def main() -> None:
        breaker = BreakerRegistry().get(KEY)
        while breaker.opened < 1500:
            try:
                breaker.enter(is_last=is_last).failed(DOWN)
            except ProviderUnavailableError:
                await asyncio.sleep(1.0 if is_last else 300.0)
        assert breaker.status().retry_in == pytest.approx(300.0, abs=1.0)
        await asyncio.sleep(300)
        for _ in range(2):
            breaker.enter().succeeded()
        breaker.enter().failed(DOWN)
        breaker.enter().failed(DOWN)
        assert breaker.status().retry_in == pytest.approx(30.0), "as long as the first time"

    run_in_virtual_time(main())


def test_slowness_opens_a_breaker() -> None:
    async def main() -> None:
        breaker = BreakerRegistry().get(KEY, BreakerSettings(slow_after=0.5, slow_calls=5))
        for _ in range(5):
            permit = breaker.enter()
            await asyncio.sleep(0.6)
            permit.succeeded()
        assert breaker.state is BreakerState.OPEN

    run_in_virtual_time(main())


def test_breakers_are_bounded_and_an_open_one_is_kept() -> None:
    async def main() -> None:
        registry = BreakerRegistry()
        registry.get(KEY).enter().failed(RateLimitedError("No.", retry_after=9.0))
        for number in range(400):
            registry.get(BreakerKey("tts", str(number)))
        assert len(registry.states()) == 256
        assert registry.get(KEY).state is BreakerState.OPEN

    run_in_virtual_time(main())


def test_a_late_call_is_made_twice_within_its_share() -> None:
    async def main() -> None:
        hedge, calls, cancelled = Hedge(HedgeSettings(min_calls=5, max_share=0.2)), 0, 0

        async def answer(seconds: float) -> float:
            nonlocal calls, cancelled
            calls += 1
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                cancelled += 1
                raise
            return seconds

        for _ in range(10):
            await hedge.call(lambda: answer(0.1))
        assert (calls, hedge.hedged) == (10, 0)
        late = iter([9.0, 0.1])
        began = now()
        assert await hedge.call(lambda: answer(next(late))) == 0.1
        assert now() - began == pytest.approx(0.2)
        assert (calls, cancelled, hedge.hedged, hedge.won) == (12, 1, 1, 1)
        for _ in range(30):  # an outage: second requests stay within their share
            await hedge.call(lambda: answer(0.5))
        assert hedge.hedged <= 0.2 * hedge.calls

    run_in_virtual_time(main())


def test_a_hedged_call_fails_with_its_first_error_only_if_both_fail() -> None:
    async def main() -> None:
        hedge = Hedge(HedgeSettings(min_calls=5, max_share=0.5))

        async def call(seconds: float, error: Exception | None = None) -> str:
            await asyncio.sleep(seconds)
            if error is not None:
                raise error
            return "good"

        for _ in range(5):
            await hedge.call(lambda: call(0.1))
        one = iter([call(0.3, DOWN), call(0.5)])
        assert await hedge.call(lambda: next(one)) == "good"
        both = iter([call(2.0, DOWN), call(2.5, RateLimitedError("No."))])
        with pytest.raises(ProviderUnavailableError):
            await hedge.call(lambda: next(both))

    run_in_virtual_time(main())


def test_a_rate_limit_spreads_calls_and_refuses_those_that_would_wait_too_long() -> None:
    async def main() -> None:
        limit = RateLimit("acme", per_second=10, burst=2, max_concurrent=3, max_wait=0.35)
        at: list[float] = []

        async def call() -> None:
            async with limit.call():
                assert limit.active <= 3
                at.append(now())
                await asyncio.sleep(0.05)

        done = await asyncio.gather(*(call() for _ in range(10)), return_exceptions=True)
        assert sum(isinstance(error, RateLimitedError) for error in done) == 5 == limit.refused
        assert at == pytest.approx([0.0, 0.0, 0.1, 0.2, 0.3], abs=0.01)
        assert limit.active == 0

    run_in_virtual_time(main())


def test_a_deadline_is_on_progress_and_stands_still_while_nothing_is_owed() -> None:
    async def items(*pauses: float) -> AsyncIterator[int]:
        for number, pause in enumerate(pauses):
            await asyncio.sleep(pause)
            yield number

    async def read(*pauses: float, owes: bool = True) -> int:
        watch, stream, count = ProgressWatch("acme", Deadline(1.0, 0.5)), items(*pauses), 0
        watch.pause_unless(lambda: owes)
        try:
            while await watch.next(stream) is not None:
                watch.progressed()
                count += 1
        finally:
            watch.close()
        return count

    async def main() -> None:
        assert await read(0.9, *[0.4] * 10) == 11
        assert await read(5.0, 5.0, owes=False) == 2
        for late in ((1.1,), (0.1, 0.6)):
            began = now()
            with pytest.raises(DeadlineError, match="acme"):
                await read(*late)
            assert now() - began == pytest.approx(1.0 if len(late) == 1 else 0.6, abs=0.01)
        with pytest.raises(DeadlineError):
            await Deadline(whole=0.2).call("acme", asyncio.sleep(1.0))

    run_in_virtual_time(main())
    with pytest.raises(ConfigError):
        Deadline(first=0.0)


def test_retries_pause_at_random_within_a_budget_and_never_repeat_what_was_heard() -> None:
    async def main() -> None:
        budget, made = RetryBudget(share=0.0, per_second=0.0, burst=3), 0
        retry = Retry(attempts=3, budget=budget, seed=1)

        async def fails(error: Exception = DOWN) -> None:
            nonlocal made
            made += 1
            raise error

        async def count(**options: Any) -> int:
            nonlocal made
            made = 0
            with pytest.raises((ProviderUnavailableError, RateLimitedError)):
                await retry.call(**options)
            return made

        assert await count(make=fails, was_heard=lambda: True) == 1
        assert await count(make=lambda: fails(RateLimitedError("No.", retry_after=9.0))) == 1
        began = now()
        assert await count(make=fails) == 3
        assert 0.0 < now() - began < 0.3
        assert await count(make=fails) == 2  # then the budget is used up
        assert await count(make=fails) == 1
        assert (budget.spent, budget.refused) == (3, 2)

    run_in_virtual_time(main())
    with pytest.raises(ConfigError):
        Retry(attempts=0)


async def words(*_: Any) -> AsyncIterator[str]:
    yield "Hello."


def ask(models: list[Any], breakers: BreakerRegistry) -> Coroutine[Any, Any, str]:
    async def main() -> str:
        model, text = resilient_model(models, breakers=breakers), ""
        async with (
            model,
            model.request_stream(
                [ModelRequest(parts=[UserPromptPart("Hi.")])], None, ModelRequestParameters()
            ) as response,
        ):
            async for _ in response:
                text = "".join(getattr(part, "content", "") for part in response.get().parts)
        return text

    return main()


def test_a_model_that_stalls_is_passed_over_and_a_wrong_request_is_not_passed_on() -> None:
    async def main() -> None:
        breakers = BreakerRegistry()
        good = FunctionModel(stream_function=words)
        stalled = FaultyModel(good, FaultPlan.always(Fault("stall")), name="stalled")
        assert await ask([stalled, good], breakers) == "Hello."
        assert now() == pytest.approx(1.5, abs=0.05)

        async def wrong(*_: Any) -> AsyncIterator[str]:
            if breakers.states():
                raise ModelHTTPError(400, "wrong", None)
            yield ""

        with pytest.raises(ModelHTTPError):
            await ask([FunctionModel(stream_function=wrong, model_name="wrong"), good], breakers)
        assert all(status.failures == 0 for status in breakers.states() if status.key.provider != "stalled")

    run_in_virtual_time(main())
