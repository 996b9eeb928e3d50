"""A responder of one's own answers turns, and what it does wrong harms no one else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from duologue.agent import EndCall, FunctionCall
from duologue.clock import VirtualClock
from duologue.conversation import events
from duologue.errors import ConfigError, ProviderUnavailableError
from duologue.session import ErrorRaised, Responder
from duologue.session.responder import (
    Heard,
    ResponderCapabilities,
    ResponseItem,
    ResponseRequest,
    SpokenAudio,
    SpokenText,
)
from duologue.testing.sinks import Recorder
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall
from duologue.tts.placement import Placement

pytestmark = pytest.mark.anyio

RATE = 16_000


def spoken(text: str, at: float = 0.0) -> list[ResponseItem]:
    pcm = speak(text, RATE, pitch=140)
    return [SpokenText(Placement(-1, text, at, at + len(pcm) / 2 / RATE)), SpokenAudio(pcm)]


class Parrot(Responder):
    """Repeats what the user said."""

    name = "parrot"
    rate = RATE

    def __init__(self, *, speculative: bool = False) -> None:
        self._speculative = speculative
        self.calls: list[Any] = []

    @property
    def capabilities(self) -> ResponderCapabilities:
        return ResponderCapabilities(speculative=self._speculative)

    async def respond(self, request: ResponseRequest) -> AsyncIterator[ResponseItem]:
        for item in spoken(request.say.text if request.say else f"You said {request.turn.text}"):
            yield item
        if request.turn.text == "Bye.":
            yield EndCall("bye")

    def commit(self, generation: int) -> None:
        self.calls.append(("commit", generation))

    def truncate(self, heard: Heard) -> None:
        self.calls.append(heard)

    def cancel(self, generation: int) -> None:
        self.calls.append(("cancel", generation))

    async def aclose(self) -> None:
        self.calls.append("closed")


async def test_a_responder_of_ones_own_answers_turns() -> None:
    parrot = Parrot()
    async with VirtualCall(responder=parrot) as call:
        await call.session.say("Hello.")
        await call.settle()
        await call.say("It is nice.")
        await call.say("Bye.")
        assert await call.session.wait_ended() == "bye"
        assert call.heard == ["Hello.", "You said It is nice.", "You said Bye."]
        assert call.sounded == "Hello. You said It is nice. You said Bye."
    assert parrot.calls[-1] == "closed"


async def test_it_learns_what_was_decided_cancelled_and_heard() -> None:
    parrot = Parrot(speculative=True)
    async with VirtualCall(responder=parrot) as call:
        await call.say("Hello.")
        assert parrot.calls == [("commit", 1)]
        await call.speak("What is your name my friend?")
        await call.silence(1.2)
        call.session.interrupt()
        heard = call.of(events.AgentHeard)[-1]
        generation = heard.generation
        (truncated,) = [made for made in parrot.calls if isinstance(made, Heard)]
        assert (truncated.generation, truncated.text) == (generation, heard.text)
        assert 0 < truncated.seconds <= 1.2
        assert ("cancel", generation) in parrot.calls


async def test_a_reply_of_which_nothing_was_played_was_not_heard() -> None:
    class Slow(Parrot):
        async def respond(self, request: ResponseRequest) -> AsyncIterator[ResponseItem]:
            await asyncio.get_running_loop().create_future()
            yield SpokenAudio(b"")

    slow = Slow()
    async with VirtualCall(responder=slow) as call:
        await call.speak("Hello.")
        await call.silence(1.0, waits=False)
        call.session.interrupt()
        assert slow.calls == [("cancel", 1), Heard(1)]


class Stubborn(Parrot):
    """Goes on after it was cancelled."""

    async def respond(self, request: ResponseRequest) -> AsyncIterator[ResponseItem]:
        if request.turn.text != "Hello.":
            async for item in super().respond(request):
                yield item
            return
        for item in spoken("One moment please."):
            yield item
        with suppress(asyncio.CancelledError):
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(0)  # Python 3.11 traces no line of a caller that goes on in the step of the cancellation
        for item in spoken("I will not be silenced.", 1.0):
            yield item


async def test_what_comes_after_a_cancellation_is_an_error_of_its_source_and_is_not_heard() -> None:
    async with VirtualCall(responder=Stubborn()) as call:
        await call.speak("Hello.")
        await call.silence(1.0, waits=False)
        call.session.interrupt()
        await call.say("Well then.")
        error = call.one(ErrorRaised)
        assert (error.code, error.provider) == ("provider_error", "parrot")
        assert "went on with a response after it was cancelled" in error.message
        assert call.engine.counters.response_faults == 1
        assert "silenced" not in call.sounded
        assert call.heard[-1] == "You said Well then."


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        (ZeroDivisionError("secret"), "provider_error", "parrot failed: ZeroDivisionError."),
        (SystemExit(2), "provider_error", "parrot failed: SystemExit."),
        (ProviderUnavailableError("It is down."), "provider_unavailable", "It is down."),
    ],
)
async def test_a_responder_that_fails_is_reported(fault: BaseException, code: str, message: str) -> None:
    class Failing(Parrot):
        async def respond(self, request: ResponseRequest) -> AsyncIterator[ResponseItem]:
            if request.turn.text == "Hello.":
                raise fault
            async for item in super().respond(request):
                yield item

    async with VirtualCall(responder=Failing()) as call:
        await call.say("Hello.")
        error = call.one(ErrorRaised)
        assert (error.code, error.message) == (code, message)
        await call.say("Go on.")
        assert call.heard[-1] == "You said Go on."


@pytest.mark.parametrize("which", ["commit", "cancel", "truncate"])
async def test_a_plain_call_that_raises_is_reported_and_the_call_goes_on(which: str) -> None:
    class Broken(Parrot):
        pass

    def fail(self: Broken, about: Any) -> None:
        raise SystemExit("secret")

    setattr(Broken, which, fail)
    async with VirtualCall(responder=Broken(speculative=True)) as call:
        await call.speak("One two three four five six seven eight.")
        await call.silence(1.0)
        await call.say("Wait, I have a question.")
        assert call.heard[-1] == "You said Wait, I have a question."
        assert {error.message for error in call.of(ErrorRaised)} == {f"parrot failed to {which}: SystemExit."}
        assert call.engine.counters.response_faults == len(call.of(ErrorRaised))


async def test_a_responder_that_cannot_let_go_is_reported() -> None:
    class Broken(Parrot):
        async def released(self, generation: int) -> None:
            raise KeyError("secret")

    async with VirtualCall(responder=Broken()) as call:
        await call.say("Hello.")
        assert call.heard == ["You said Hello."]
        assert call.one(ErrorRaised).message == "parrot failed to let go of a response: KeyError."


async def test_what_is_no_item_of_a_response_is_refused() -> None:
    class Wrong(Parrot):
        async def respond(self, request: ResponseRequest) -> AsyncIterator[Any]:
            yield "text" if request.turn.text == "Hello." else spoken("Sorry.")[1]

    async with VirtualCall(responder=Wrong()) as call:
        await call.say("Hello.")
        assert "gave str, which is no item of a response" in call.one(ErrorRaised).message


async def test_half_a_sample_is_refused() -> None:
    class Half(Parrot):
        async def respond(self, request: ResponseRequest) -> AsyncIterator[ResponseItem]:
            yield SpokenAudio(b"\0" * (3 if request.turn.text else 640))

    async with VirtualCall(responder=Half()) as call:
        await call.say("Hello.")
        assert "gave audio of 3 bytes" in call.one(ErrorRaised).message


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (SpokenText(Placement(-1, "Hello.", float("nan"), 1.0)), "the impossible stretch from nan to 1.0 s"),
        (SpokenText(Placement(-1, "Hello.", 0.0, float("inf"))), "the impossible stretch from 0.0 to inf s"),
        (SpokenText(Placement(-1, "Hello.", -2.0, -1.0)), "the impossible stretch from -2.0 to -1.0 s"),
        (SpokenText(Placement(-1, "Hello.", 1.0, 0.0)), "the impossible stretch from 1.0 to 0.0 s"),
        (SpokenText(Placement(-1, None, 0.0, 1.0)), "SpokenText without a text and its place"),  # type: ignore[arg-type]
        (SpokenText(None), "SpokenText without a text and its place"),  # type: ignore[arg-type]
        (SpokenAudio("abcd"), "audio that is str, and must give bytes"),  # type: ignore[arg-type]
        (EndCall(None), "EndCall with a reason that is no text"),  # type: ignore[arg-type]
        (FunctionCall("f", None), "FunctionCall with what is no text"),  # type: ignore[arg-type]
    ],
)
async def test_what_no_item_may_hold_is_refused_and_the_call_goes_on(item: ResponseItem, message: str) -> None:
    class Wrong(Parrot):
        async def respond(self, request: ResponseRequest) -> AsyncIterator[ResponseItem]:
            if request.turn.text == "Hello.":
                yield item
            async for other in super().respond(request):
                yield other

    async with VirtualCall(responder=Wrong()) as call:
        await call.say("Hello.")
        assert call.one(ErrorRaised).message == f"parrot gave {message}.".replace("gave the", "gave text in the")
        await call.say("And on.")
        assert call.heard[-1] == "You said And on."


async def test_a_responder_has_to_declare_what_it_can_do() -> None:
    class Mute(Parrot):
        capabilities = None  # type: ignore[assignment]  # the mistake that is tested

    with pytest.raises(ConfigError, match="parrot declares no ResponderCapabilities"):
        VirtualCall(responder=Mute())


async def test_a_responder_that_never_waits_and_never_ends_holds_up_nobody() -> None:
    class Endless(Parrot):
        async def respond(self, request: ResponseRequest) -> AsyncIterator[ResponseItem]:
            while request.turn.text == "Hello.":
                yield SpokenAudio(b"")
            async for item in super().respond(request):
                yield item

    turns_of_others = 0

    async def other() -> None:
        nonlocal turns_of_others
        while not call.of(ErrorRaised):
            turns_of_others += 1
            await asyncio.sleep(0)

    async with VirtualCall(responder=Endless()) as call:
        watching = asyncio.create_task(other())
        await call.say("Hello.")
        await watching
        assert call.one(ErrorRaised).message == "parrot gave 20001 items without audio."
        assert turns_of_others > 100
        await call.say("And on.")
        assert call.heard[-1] == "You said And on."


@pytest.mark.parametrize("which", ["send", "flush"])
async def test_a_sink_that_raises_ends_its_call_alone(which: str) -> None:
    class Broken(Recorder):
        pass

    def fail(*_: Any) -> None:
        raise SystemExit("secret")

    setattr(Broken, which, fail)
    async with VirtualCall(responder=Parrot(), sink=Broken(RATE, VirtualClock())) as call:
        await call.speak("One two three four five six seven eight.")
        await call.silence(1.0)
        if which == "flush":
            call.session.interrupt()
        assert call.one(ErrorRaised).message == f"The sink failed to {which}: SystemExit."
        assert await call.session.wait_ended() == "sink_failed"


async def test_one_that_fails_before_its_first_item_is_reported() -> None:
    class Refusing(Parrot):
        def respond(self, request: ResponseRequest) -> AsyncIterator[ResponseItem]:
            if request.turn.text == "Hello.":
                raise ZeroDivisionError("secret")
            return super().respond(request)

    async with VirtualCall(responder=Refusing()) as call:
        await call.say("Hello.")
        assert call.one(ErrorRaised).message == "parrot failed: ZeroDivisionError."
        await call.say("Go on.")
        assert call.heard[-1] == "You said Go on."


async def test_a_plain_iterator_may_answer() -> None:
    class Items:
        def __init__(self) -> None:
            self._items = iter(spoken("Hello."))

        def __aiter__(self) -> AsyncIterator[ResponseItem]:
            return self

        async def __anext__(self) -> ResponseItem:
            for item in self._items:
                return item
            raise StopAsyncIteration

    class Plain(Parrot):
        def respond(self, request: ResponseRequest) -> AsyncIterator[ResponseItem]:
            return Items()

    async with VirtualCall(responder=Plain()) as call:
        await call.say("Hello.")
        assert call.heard == ["Hello."]


async def test_one_that_fails_when_it_is_cancelled_is_reported() -> None:
    class Failing(Parrot):
        async def respond(self, request: ResponseRequest) -> AsyncIterator[ResponseItem]:
            for item in spoken("One moment please."):
                yield item
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                raise KeyError("secret") from None

    async with VirtualCall(responder=Failing()) as call:
        await call.speak("Hello.")
        await call.silence(1.0, waits=False)
        call.session.interrupt()
        await call.settle()
        assert call.one(ErrorRaised).message == "parrot failed: KeyError."


async def test_without_an_agent_and_a_voice_there_is_nothing_to_change() -> None:
    async with VirtualCall(responder=Parrot()) as call:
        with pytest.raises(ConfigError, match="parrot answers by itself, without an agent and a voice"):
            await call.session.hand_over("other")
        with pytest.raises(ConfigError, match="parrot answers by itself"):
            await call.session.play(b"")


async def test_what_a_responder_need_not_know_it_need_not_take() -> None:
    class Plain(Responder):
        name = "plain"
        rate = RATE
        capabilities = ResponderCapabilities(hears_audio=True, speculative=True)

        async def respond(self, request: ResponseRequest) -> AsyncIterator[ResponseItem]:
            for item in spoken("This is a long answer that goes on for a while."):
                yield item

    async with VirtualCall(responder=Plain()) as call:
        await call.speak("Hello.")
        await call.silence(1.5)
        call.session.interrupt()
        await call.settle()
        assert call.of(ErrorRaised) == []
        assert call.of(events.AgentHeard)[0].interrupted
