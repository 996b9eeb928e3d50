"""A speech-to-speech model answers: it hears the user's audio, speaks, calls tools, and is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from duologue.agent import EndCall
from duologue.conversation import events
from duologue.conversation.config import ConversationConfig
from duologue.errors import ConfigError, DeadlineError, ProviderUnavailableError
from duologue.realtime import RealtimeAudio, RealtimeFailed, RealtimeText, RealtimeToolCall, RealtimeTurnEnded
from duologue.session import (
    ErrorRaised,
    FunctionCallRequested,
    RealtimeResponder,
    SessionConfig,
    ToolCalled,
)
from duologue.session import realtime_link as link
from duologue.session.realtime_tools import MAX_SAYS
from duologue.testing.fakes import FOREVER
from duologue.testing.realtime import FakeRealtimeConnection, FakeRealtimeModel
from duologue.testing.virtual import VirtualCall
from duologue.turn.languages.en import PACK

pytestmark = pytest.mark.anyio

APOLOGY = PACK.apology
LONG = "The first thing is this one here, I think. The second thing is that one there. The third is gone."
LOOK = RealtimeToolCall("", "call_1", "find_table", '{"people": 4}')


def talk(*answers: Any, tools: Any = None, config: SessionConfig | None = None, **model: Any) -> VirtualCall:
    return VirtualCall(responder=RealtimeResponder(FakeRealtimeModel(*answers, **model), tools=tools), config=config)


def model_of(call: VirtualCall) -> FakeRealtimeModel:
    model = call.session._responder.model  # type: ignore[attr-defined]  # of a RealtimeResponder
    assert isinstance(model, FakeRealtimeModel)
    return model


async def test_a_session_needs_an_agent_and_a_voice_or_a_responder() -> None:
    with pytest.raises(ConfigError, match="tts and agent, or a responder"):
        VirtualCall()


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
async def test_it_hears_the_audio_and_is_heard(rate: int, aligned: bool) -> None:
    async with talk("For when?", LONG, rate=rate, aligned=aligned, chunk=0.17) as call:
        await call.say("A table for four, please.")
        await call.say("Tonight.")
        assert call.heard == ["For when?", LONG]
        assert call.sounded == f"For when? {LONG}"
        assert call.of(ErrorRaised) == []
        (connection,) = model_of(call).connections
        assert connection.turns == ["A table for four, please.", "Tonight."]
        assert call.session.starved == 0
    assert connection.closed


async def decided_after(probability: float | None, *, declares: bool = True) -> tuple[float, VirtualCall]:
    """Seconds of silence after which a turn is decided of which the model says this."""
    async with talk("Yes.", decides_turns=declares) as call:
        await call.speak("A table for four.")
        await call.silence(0.15)
        if probability is not None:
            model_of(call).connections[0].emit(RealtimeTurnEnded(probability))
            await asyncio.sleep(0)
        await call.settle()
        decided = call.one(events.TurnDecided)
        return (decided.pos - decided.end) / 16_000, call


async def test_what_the_model_says_of_the_end_of_a_turn_counts_towards_it() -> None:
    (unsaid, quiet), (_, sure), (later, unsure) = [await decided_after(p) for p in (None, 0.99, 0.01)]
    assert unsaid < later
    scores = [call.of(events.TurnScored)[-1] for call in (quiet, sure, unsure)]
    assert [score.recognizer for score in scores] == [None, 0.99, 0.01]
    assert scores[1].probability > scores[0].probability > scores[2].probability
    assert sure.of(ErrorRaised) == []


async def test_a_model_that_does_not_declare_it_has_no_say() -> None:
    (unsaid, _), (said, call) = [await decided_after(p, declares=False) for p in (None, 0.99)]
    assert said == unsaid
    assert call.session._responder.late_events == 1  # type: ignore[attr-defined]  # of a RealtimeResponder


async def test_a_probability_that_is_none_is_an_error_of_the_model() -> None:
    _, call = await decided_after(float("nan"))
    assert [error.code for error in call.of(ErrorRaised)] == ["provider_error"]
    assert call.heard == ["Yes."]


async def test_it_is_given_the_text_of_a_turn_that_was_typed() -> None:
    async with talk("Yes.") as call:
        call.session.send_text("Is it free?")
        await call.settle()
        await call.say("Good.")
        assert model_of(call).connections[0].turns == ["Is it free?", "Good."]
        assert call.heard == ["Yes.", "Yes."]


async def test_it_says_the_greeting_and_what_the_application_wants_said() -> None:
    config = SessionConfig(rules=ConversationConfig(greeting="Hello, this is the table line."))
    async with talk("Yes.", config=config) as call:
        await call.settle()
        handle = await call.session.say("One moment, please.")
        await call.settle()
        assert handle.heard == "One moment, please."
        assert call.heard == ["Hello, this is the table line.", "One moment, please."]


async def test_it_forgets_what_was_not_heard() -> None:
    async with talk(LONG, "Go on.") as call:
        await call.speak("Hello.")
        while not call.session._output.playout.started:
            await call.silence(0.02)
        await call.silence(1.5)
        call.session.interrupt()
        heard = call.one(events.AgentHeard)
        assert heard.text == "The first thing is this"
        (connection,) = model_of(call).connections
        ((response, seconds, text),) = connection.truncated
        assert (response, text) == ("response-1", heard.text)
        assert seconds == pytest.approx(1.5, abs=0.1)
        await call.say("What?")
        assert call.heard[-1] == "Go on."


async def test_a_model_that_is_still_speaking_is_cancelled() -> None:
    async with talk(["One moment. ", LOOK, "It is free."], "Fine.", tools={"find_table": forever}) as call:
        await call.speak("Hello.")
        await call.silence(0.6, waits=False)
        call.session.interrupt()
        (connection,) = model_of(call).connections
        assert connection.cancelled == ["response-1"]
        await call.say("Wait.")
        assert call.heard[-1] == "Fine."


async def forever(**_: Any) -> None:
    await asyncio.get_running_loop().create_future()


async def test_a_model_that_talks_on_after_it_was_cancelled_is_ignored() -> None:
    async with talk(LONG, "Fine.", talks_on=True) as call:
        await call.speak("Hello.")
        while not call.session._output.playout.started:
            await call.silence(0.02)
        call.session.interrupt()
        (connection,) = model_of(call).connections
        connection.emit(RealtimeText("response-1", "More."))
        connection.emit(RealtimeAudio("response-1", bytes(480)))
        await call.say("Wait.")
        assert call.heard[-1] == "Fine."
        assert call.session._responder.late_events == 2  # type: ignore[attr-defined]  # of a RealtimeResponder


# --- tools ---


async def test_it_calls_the_tools_of_the_application() -> None:
    asked: list[int] = []

    async def find_table(people: int) -> dict[str, str]:
        asked.append(people)
        await call.session.say("One moment, please.")
        return {"table": "12"}

    tools = {"find_table": find_table}
    async with talk(["Let me look. ", LOOK, "Table 12 is free."], tools=tools) as call:
        await call.say("For four.")
        assert asked == [4]
        assert model_of(call).connections[0].results == [("call_1", '{"table": "12"}')]
        assert call.heard == ["Let me look. Table 12 is free.", "One moment, please."]
        assert call.one(ToolCalled).outcome == "done"
        assert call.one(FunctionCallRequested).arguments == '{"people": 4}'


async def test_a_tool_may_end_the_call() -> None:
    async def find_table(people: int) -> EndCall:
        return EndCall("no_table")

    async with talk([LOOK, "Nothing is free. Bye."], tools={"find_table": find_table}) as call:
        await call.say("For four.")
        assert call.heard == ["Nothing is free. Bye."]
        assert await call.session.wait_ended() == "no_table"


async def broken(people: int) -> str:
    raise ZeroDivisionError("secret")


async def odd_object() -> Any:
    return [object()]


async def odd_keys() -> Any:
    return {("a", object()): 1}


@pytest.mark.parametrize(
    ("tools", "arguments", "code", "message"),
    [
        ({}, "{}", "provider_error", "asked for an unknown tool"),
        ({"find_table": broken}, '{"people": 4}', "agent_error", "find_table failed: ZeroDivisionError"),
        ({"find_table": broken}, "{", "agent_error", "find_table failed: JSONDecodeError"),
        ({"find_table": broken}, "[1]", "agent_error", "find_table failed: TypeError"),
        ({"find_table": odd_object}, "{}", "agent_error", "find_table returned list, which cannot be sent as JSON"),
        ({"find_table": odd_keys}, "{}", "agent_error", "find_table returned dict, which cannot be sent as JSON"),
    ],
)
async def test_a_tool_that_fails_is_reported_and_the_answer_goes_on(
    tools: Any, arguments: str, code: str, message: str
) -> None:
    call_of_tool = RealtimeToolCall("", "call_1", "find_table", arguments)
    async with talk(["Let me see. ", call_of_tool, "Sorry."], tools=tools) as call:
        await call.say("For four.")
        error = call.one(ErrorRaised)
        assert error.code == code
        assert message in error.message
        assert "secret" not in model_of(call).connections[0].results[0][1]
        assert call.heard == ["Let me see. Sorry."]


async def test_what_a_tool_left_behind_wants_said_is_said_after_the_reply() -> None:
    go, tasks = asyncio.Event(), list[asyncio.Task[None]]()

    async def later() -> None:
        await go.wait()
        await call.session.say("And this is later.")

    async def find_table(people: int) -> str:
        tasks.append(asyncio.create_task(later()))
        return "at the window"

    async with talk([LOOK, LONG], tools={"find_table": find_table}) as call:
        await call.speak("A table for four, please.")
        await call.silence(1.0)  # the model has given all of its answer
        go.set()
        await asyncio.wait(tasks)
        await call.settle()
        assert call.heard == [LONG, "And this is later."]


async def test_a_model_that_calls_tools_without_end_is_told_to_stop() -> None:
    async def find_table(people: int) -> str:
        return "none"

    calls = [RealtimeToolCall("", f"call_{n}", "find_table", '{"people": 4}') for n in range(20)]
    async with talk([*calls, "Sorry."], tools={"find_table": find_table}) as call:
        await call.say("For four.")
        results = [output for _, output in model_of(call).connections[0].results]
        assert results[:16] == ["none"] * 16
        assert all("cannot be called" in output for output in results[16:])
        assert "more than 16 tools" in call.of(ErrorRaised)[0].message


# --- a model that fails ---


async def test_a_model_that_cannot_be_reached_is_tried_again_with_the_next_turn() -> None:
    down = ProviderUnavailableError("There is no connection.", provider="fake-realtime")
    async with talk("Yes.", faults=[down, down, down]) as call:
        await call.say("Hello.")
        assert {e.code for e in call.of(ErrorRaised)} == {"provider_unavailable"}
        assert call.heard == []
        await call.say("Hello?")
        await call.say("Hello?")
        assert call.heard[-1] == "Yes."


async def test_a_model_that_does_not_connect_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "CONNECT_TIMEOUT_S", 0.02)
    async with talk("Yes.", faults=[FOREVER, 0.0]) as call:
        await call.say("Hello.")
        assert call.of(ErrorRaised)[0].code == "timeout"
        assert call.heard == [APOLOGY], "the next connection works"


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (RealtimeAudio("response-1", b"\0"), "not whole 16-bit samples"),
        (RealtimeAudio("response-1", bytes(48_000 * 601)), "a response of more than 600 s"),
        ("nonsense", "gave str, which is no event"),
    ],
)
async def test_what_a_model_must_not_give_ends_the_reply(event: Any, message: str) -> None:
    class Wrong(FakeRealtimeModel):
        async def connect(self, **how: Any) -> Any:
            connection = await super().connect(**how)
            respond = connection.respond

            def wrong(response: str, **how: Any) -> None:
                if response == "response-1":
                    connection.emit(event)
                respond(response, **how)

            connection.respond = wrong  # type: ignore[method-assign]  # a fault
            return connection

    async with VirtualCall(responder=RealtimeResponder(Wrong("Yes."))) as call:
        await call.say("Hello.")
        error = call.of(ErrorRaised)[0]
        assert (error.code, error.provider) == ("provider_error", "fake-realtime")
        assert message in error.message
        await call.say("Hello?")
        assert call.heard[-1] == "Yes."


async def test_text_of_a_model_that_goes_back_is_reported() -> None:
    class Back(FakeRealtimeModel):
        async def connect(self, **how: Any) -> Any:
            connection = await super().connect(**how)
            emit = connection.emit

            def back(event: Any) -> None:
                is_late = isinstance(event, RealtimeText) and event.start and event.start > 2.0
                emit(RealtimeText(event.response, event.text, 0.1, 0.2) if is_late else event)

            connection.emit = back  # type: ignore[method-assign]  # a fault
            return connection

    async with VirtualCall(responder=RealtimeResponder(Back(LONG))) as call:
        await call.say("Hello.")
        assert "tied text to" in call.one(ErrorRaised).message
        assert call.heard == [LONG]


async def test_a_model_that_stalls_is_given_up() -> None:
    config = SessionConfig(first_text_timeout=0.02, speech_timeout=0.02)
    async with talk("Yes.", config=config, aligned=False, latency=FOREVER) as call:
        await call.say("Hello.")
        assert "gave nothing for 0.02 s" in call.of(ErrorRaised)[0].message
        assert call.heard == []


async def test_a_response_that_never_began_is_cancelled_so_that_it_is_not_taken_for_the_next() -> None:
    class Silent(FakeRealtimeConnection):
        def respond(self, response: str, *, text: str | None = None, say: str | None = None) -> None:
            asked.append(response)

    class SilentModel(FakeRealtimeModel):
        async def connect(self, **_: Any) -> Silent:
            connections.append(Silent(self))
            return connections[-1]

    asked: list[str] = []
    connections: list[Silent] = []
    config = SessionConfig(first_text_timeout=0.02, rules=ConversationConfig(apology=""))
    async with VirtualCall(responder=RealtimeResponder(SilentModel()), config=config) as call:
        await call.say("Hello.")
        assert [error.code for error in call.of(ErrorRaised)] == ["timeout"]
        assert connections[0].cancelled == asked == ["response-1"]


async def test_audio_that_came_before_the_connection_is_heard() -> None:
    async with talk("Yes.", faults=[0.01]) as call:
        await call.say("Hello there.")
        assert model_of(call).connections[0].turns == ["Hello there."]


async def test_a_connection_that_opens_late_hears_the_last_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "MAX_EARLY_BYTES", 32_000)
    kept = link.RealtimeLink(FakeRealtimeModel(), None)
    for _ in range(40):
        kept.push(bytes(1_024))
    assert kept.dropped_bytes == 9 * 1_024
    await kept.aclose()


async def test_a_responder_that_cannot_hear_is_reported_once() -> None:
    class Deaf(RealtimeResponder):
        def hear(self, pcm: bytes) -> None:
            raise OSError("secret")

    async with VirtualCall(responder=Deaf(FakeRealtimeModel("Yes."))) as call:
        await call.say("Hello.")
        assert call.one(ErrorRaised).message == "fake-realtime failed to hear: OSError."


class Breaking(FakeRealtimeModel):
    """A method of its first connection raises from its third call on, or at once."""

    def __init__(self, *answers: Any, method: str, good: int) -> None:
        super().__init__(*answers)
        self._method, self._good = method, good

    async def connect(self, **how: Any) -> FakeRealtimeConnection:
        connection = await super().connect(**how)
        if len(self.connections) == 1:
            works, calls = getattr(connection, self._method), iter(range(10_000))

            def call(*args: Any, **named: Any) -> Any:
                if next(calls) >= self._good:
                    raise OSError("secret")
                return works(*args, **named)

            setattr(connection, self._method, call)
        return connection


@pytest.mark.parametrize(
    ("method", "good", "errors"),
    [
        ("push", 3, ["fake-realtime failed to hear: OSError."]),
        ("respond", 0, ["fake-realtime failed to respond: OSError."]),
        ("respond", 1, ["fake-realtime failed to respond: OSError."]),
        ("truncate", 0, ["fake-realtime failed to truncate: OSError."]),
        ("tool_result", 0, ["fake-realtime failed to take the result of a tool: OSError."]),
    ],
)
async def test_a_connection_whose_method_raises_is_replaced(method: str, good: int, errors: list[str]) -> None:
    async def find_table(people: int) -> str:
        return "one"

    first = [LOOK, LONG] if method == "tool_result" else LONG
    model = Breaking(first, "Yes.", "Yes.", method=method, good=good)
    async with VirtualCall(responder=RealtimeResponder(model, tools={"find_table": find_table})) as call:
        await call.speak("Hello.")
        await call.silence(1.5)
        await call.say("Wait, I have a question.")
        await call.say("And one more.")
        assert call.heard[-1] == "Yes."
        assert [error.message for error in call.of(ErrorRaised)] == errors
        assert len(model.connections) == 2
        assert model.connections[1].turns[-1] == "And one more."


async def test_a_connection_that_was_lost_between_turns_is_reported() -> None:
    async with talk("One.", "Two.") as call:
        await call.say("Hello.")
        await model_of(call).connections[0].aclose()
        await call.say("And on.")
        assert call.heard == ["One.", "Two."]
        assert call.one(ErrorRaised).message == "fake-realtime closed the connection."
        told = [[(message.role, message.text) for message in history] for history in model_of(call).histories]
        assert told == [[], [("user", "Hello."), ("agent", "One.")]]
        assert model_of(call).connections[1].turns == ["And on."]
        assert call.engine.counters.response_faults == 1


async def test_a_connection_that_does_not_close_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "CLOSING", 0.02)
    async with talk("Yes.") as call:
        await call.say("Hello.")
        monkeypatch.setattr(model_of(call).connections[0], "aclose", asyncio.Event().wait)
        await call.session.hang_up()
    assert [task.get_name() for task in asyncio.all_tasks()].count("realtime") == 0


async def test_a_connection_that_is_given_up_late_does_not_touch_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(FakeRealtimeModel):
        async def connect(self, **how: Any) -> FakeRealtimeConnection:
            if not self.connections:
                self.connections.append(FakeRealtimeConnection(self))
                try:
                    await asyncio.Event().wait()
                finally:
                    await asyncio.sleep(0.02)
            return await super().connect(**how)

    kept = link.RealtimeLink(Slow(), None)
    monkeypatch.setattr(link, "CONNECT_TIMEOUT_S", 0.01)
    with pytest.raises(DeadlineError):
        await kept.connected("", ())
    monkeypatch.undo()
    connection = await kept.connected("", ())
    await asyncio.sleep(0.05)
    assert kept.connection is connection
    await kept.aclose()


async def test_a_model_that_never_waits_holds_up_nobody() -> None:
    class Endless(FakeRealtimeConnection):
        async def __aiter__(self) -> AsyncIterator[RealtimeText]:
            while not self.closed:
                yield RealtimeText("nothing", "more")

    class Model(FakeRealtimeModel):
        async def connect(self, **how: Any) -> FakeRealtimeConnection:
            self.connections.append(Endless(self))
            return self.connections[-1]

    kept = link.RealtimeLink(Model(), None)
    await kept.connected("", ())
    for _ in range(10):
        await asyncio.sleep(0)
    assert 64 <= kept.late_events <= 64 * 20
    await kept.aclose()


class Scripted(FakeRealtimeModel):
    """Does `act` in place of its first response."""

    def __init__(self, *answers: Any, act: Callable[[FakeRealtimeConnection, str], None]) -> None:
        super().__init__(*answers)
        self._act = act

    async def connect(self, **how: Any) -> FakeRealtimeConnection:
        connection = await super().connect(**how)
        respond = connection.respond

        def first(response: str, **how: Any) -> None:
            if response == "response-1":
                self._act(connection, response)
            else:
                respond(response, **how)

        connection.respond = first  # type: ignore[method-assign]  # a fault
        return connection


async def test_an_answer_that_the_model_gives_up_is_an_error_of_its_own() -> None:
    down = ProviderUnavailableError("The model is overloaded.", provider="fake-realtime")
    model = Scripted("Yes.", act=lambda connection, response: connection.emit(RealtimeFailed(response, down)))
    async with VirtualCall(responder=RealtimeResponder(model)) as call:
        await call.say("Hello.")
        assert call.of(ErrorRaised)[0].message == "The model is overloaded."


async def test_a_model_that_says_more_than_is_read_ends_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "MAX_WAITING", 8)

    def flood(connection: FakeRealtimeConnection, response: str) -> None:
        for _ in range(link.MAX_WAITING + 1):
            connection.emit(RealtimeText(response, "more "))

    async with VirtualCall(responder=RealtimeResponder(Scripted("Yes.", act=flood))) as call:
        await call.say("Hello.")
        assert "events at once" in call.of(ErrorRaised)[0].message


async def test_a_connection_that_is_lost_before_the_answer_begins_is_replaced_at_once() -> None:
    def cut(connection: FakeRealtimeConnection, response: str) -> None:
        raise ProviderUnavailableError("The line is cut.", provider="fake-realtime")

    model = Scripted("Yes.", act=cut)
    async with VirtualCall(responder=RealtimeResponder(model)) as call:
        await call.say("Hello.")
        assert call.heard == ["Yes."]
        assert [error.message for error in call.of(ErrorRaised)] == ["The line is cut."]
        assert len(model.connections) == 2


async def test_a_text_that_waits_is_said_before_the_answer() -> None:
    async with talk("Yes.") as call:
        await call.speak("Hello the")
        await call.session.say("One moment.")
        await call.say("re.")
        assert call.heard == ["One moment.", "Yes."]


async def test_a_link_that_was_never_opened_can_be_called_and_closed() -> None:
    kept = link.RealtimeLink(FakeRealtimeModel(), None)
    kept.call("cancel", "response-1")
    await kept.aclose()
    assert kept.late_events == 0


async def test_a_connection_that_fails_to_close_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with talk("Yes.") as call:
        await call.say("Hello.")

        async def aclose() -> None:
            raise OSError("secret")

        model_of(call).connections[0].aclose = aclose  # type: ignore[method-assign]  # a fault
        await call.session.hang_up()
    assert "fake-realtime failed to close: OSError." in caplog.text
    assert "secret" not in caplog.text


async def test_tools_may_have_only_so_many_texts_said() -> None:
    async def chatter() -> str:
        for number in range(MAX_SAYS + 1):
            await call.session.say(f"Number {number}.")
        return "done"

    responder = RealtimeResponder(
        FakeRealtimeModel([RealtimeToolCall("", "call-1", "chatter", "{}"), "Yes."]), tools={"chatter": chatter}
    )
    config = SessionConfig(rules=ConversationConfig(max_queued_says=2 * MAX_SAYS))
    async with VirtualCall(responder=responder, config=config) as call:
        await call.say("Hello.")
        assert call.of(ErrorRaised)[0].message == "The tool chatter failed: InvalidStateError."
        assert f"Number {MAX_SAYS - 1}." in call.heard[-1]
        assert f"Number {MAX_SAYS}." not in call.heard[-1]


async def test_a_connection_that_is_lost_while_a_tool_runs_is_not_told_of_its_result() -> None:
    async def find_table(people: int) -> str:
        connection = model.connections[0]
        await connection.aclose()
        while not connection.results and responder._link.connection is connection:
            await asyncio.sleep(0)
        return "one"

    model = FakeRealtimeModel(["One moment. ", LOOK, "It is free."], "Yes.")
    responder = RealtimeResponder(model, tools={"find_table": find_table})
    async with VirtualCall(responder=responder) as call:
        await call.say("Hello.")
        assert call.one(ErrorRaised).message == "fake-realtime closed the connection."
        assert model.connections[0].results == []
        await call.say("And now?")
        assert call.heard[-1] == "Yes."


async def test_only_the_connection_that_gives_a_response_is_told_to_stop() -> None:
    responder = RealtimeResponder(FakeRealtimeModel("Yes."))
    current = await responder._link.connected("", ())
    other = await FakeRealtimeModel().connect(language=None, history=())
    for name, connection in (("one", current), ("two", other)):
        responder._link.responses[name] = link.ModelResponse(name, 1, connection, is_answer=True)
    responder.cancel(1)
    assert isinstance(current, FakeRealtimeConnection)
    assert (current.cancelled, other.cancelled) == (["one"], [])
    await responder.aclose()


def test_what_the_model_thinks_of_the_turn_has_one_listener() -> None:
    responder = RealtimeResponder(FakeRealtimeModel())
    assert responder.on_turn_ended is None
    told: list[float] = []
    responder.on_turn_ended = told.append
    assert responder.on_turn_ended is not None
    responder.on_turn_ended(0.5)
    assert told == [0.5]
