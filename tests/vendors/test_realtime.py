"""Speech-to-speech services by name: sessions over OpenAI's protocol, and services that answer when they like."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from gemini_server import GeminiServer
from openai_live_server import LiveServer
from pydantic_ai.realtime import codec
from pydantic_ai.realtime.lifecycle import AnswersRevised, ResponseEnded, ResponseStarted
from realtime_server import KEY, RealtimeServer
from realtime_variants import AzureServer, XaiServer
from tls import certificate, server_context
from voice_live_server import VoiceLiveServer

from duologue.audio.microphone import Microphone
from duologue.cli.live_check import check_live
from duologue.conversation.history import Message
from duologue.conversation.state import AgentState, SessionState
from duologue.errors import (
    AuthenticationError,
    ConfigError,
    DeadlineError,
    DuologueError,
    ProviderError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitedError,
)
from duologue.realtime import RealtimeDone, RealtimeFailed, RealtimeText, RealtimeToolCall, RealtimeTurnEnded
from duologue.realtime.connection import ServiceConnection
from duologue.realtime.service import RealtimeService, RealtimeUsage
from duologue.session import ErrorRaised, RealtimeResponder
from duologue.testing.spoken import speak
from duologue.testing.virtual import VirtualCall
from environment import environment
from stacks import GREETING, LONG, SETTINGS, STACKS, TOOLS, answer_to, converse, said, told, voice

environment("realtime")

pytestmark = pytest.mark.anyio

MODEL = "openai:gpt-realtime-2.1"
AZURE = "azure:gpt-realtime"
AT_AZURE: dict[str, Any] = {"api_key": KEY, "base_url": "https://host"}


@dataclass(frozen=True)
class Service:
    """A service. A new one joins with a stand-in, and a row."""

    model: str
    server: Callable[..., RealtimeServer]
    has_address: bool = True
    """Its address is an option."""
    truncates: bool = True
    """It is told what was heard to the millisecond, and not in words."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What it needs of pydantic-ai's settings."""
    owns_turns: bool = False
    """It decides by itself when to answer."""
    speaks_with_input: bool = False
    """Its answer comes as fast as the caller's audio, so that a call cannot wait for it."""

    def __str__(self) -> str:
        return self.model


SERVICES = [
    Service(MODEL, RealtimeServer),
    Service("azure:gpt-realtime", lambda *args, **options: AzureServer(*args, tls=server_context(), **options)),
    Service(
        "azure:gpt-realtime-mini",
        lambda *args, **options: VoiceLiveServer(*args, tls=server_context(), **options),
        settings={"azure_voice_live": True},
    ),
    Service("xai:grok-voice-latest", XaiServer, has_address=False, truncates=False),
    Service(
        "google:gemini-3.8-live",
        lambda *args, **options: GeminiServer(*args, tls=server_context(), **options),
        owns_turns=True,
    ),
]
SERVICES.append(
    Service(
        "openai:gpt-live-1.1",
        LiveServer,
        settings={"openai_live_turn_silence_ms": 200},
        owns_turns=True,
        speaks_with_input=True,
    )
)
services = pytest.mark.parametrize("row", SERVICES, ids=str)
led_services = pytest.mark.parametrize("row", [row for row in SERVICES if not row.owns_turns], ids=str)
"""Those whose turns the session decides."""
LIVE = SERVICES[-1]
FAULTS = [
    (row, fault)
    for row in SERVICES
    for fault in ("drop", "garbage", "failed", "rate_limited", "stall_first")
    # Gemini has no message of a failure, and one that does not answer is left to the session's own timeout.
    if not (row.owns_turns and fault in ("failed", "stall_first"))
]


@pytest.fixture(autouse=True)
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate()))
    for name in ("AZURE_VOICELIVE_ENDPOINT", "AZURE_VOICELIVE_API_KEY", "AZURE_VOICELIVE_API_VERSION"):
        monkeypatch.delenv(name, raising=False)


def service(server: RealtimeServer, row: Service = SERVICES[0], **options: Any) -> RealtimeService:
    given: dict[str, Any] = {"api_key": KEY, "voice": "marin", **options}
    given["settings"] = {**row.settings, **given.get("settings", {})}
    if row.has_address:
        return RealtimeService(row.model, **{"base_url": server.url, **given})
    made = RealtimeService(row.model, **given)
    provider: Any = made._model._provider  # type: ignore[attr-defined]  # its address is fixed
    provider.__class__ = type("Local", (type(provider),), {"base_url": server.url})
    return made


async def talk(row: Service, call: VirtualCall, text: str = "") -> None:
    """Say `text`, or nothing, and listen until both sides have finished."""
    if not row.speaks_with_input:
        await call.say(text) if text else await call.settle()
        return
    await hear(call, pcm=speak(text) if text else b"")
    quiet = 0
    for _ in range(3000):
        if quiet >= 50 or call.session.state is SessionState.ENDED:
            return
        await hear(call, 0.02)
        quiet = quiet + 1 if call.session.settled else 0
    raise AssertionError("The call does not settle.")


async def hear(call: VirtualCall, seconds: float = 0.0, *, pcm: bytes = b"") -> None:
    """Send audio twenty times as fast as a call does, and wait for nothing."""
    for at in range(0, max(len(pcm), round(seconds * 16_000) * 2), 640):
        if call.session.state is not SessionState.ENDED:
            await call.play(pcm[at : at + 640].ljust(640, b"\0"), waits=False)
            await asyncio.sleep(0.001)


@led_services
async def test_a_conversation_takes_the_course_that_it_takes_with_an_agent_and_a_voice(row: Service) -> None:
    async with row.server(answer_to) as server:
        model = service(server, row, tools=TOOLS, instructions="Be brief.")
        call = await converse({"responder": RealtimeResponder(model, tools=TOOLS)})
    reference = await converse({**STACKS["instant"](), "tts": voice(aligned=False)})
    assert told(call) == told(reference)
    assert said(call) == said(reference)
    assert server.problems == []
    (heard,) = [event for event in told(call) if event[0] == "AgentHeard" and event[-1] is True]
    if row.truncates:
        ((_, milliseconds),) = server.truncated
        assert 900 <= milliseconds <= 1200  # a second of it was heard
    else:
        (note,) = [text for _, text in server.seeded if "interrupted" in text]
        assert heard[3] in note or "nothing" in note
    assert LONG.startswith(heard[3])
    assert server.turns[1:] == [
        "Tell me all about it.",
        "uh huh And once more, please.",
        "Look it up.",
        "Good bye then.",
    ]
    assert server.results[0] == "5 May"
    (session,) = server.sessions
    assert session["instructions"] == "Be brief."
    voice_of = session.get("voice", session["audio"]["output"].get("voice"))
    assert (voice_of["name"] if isinstance(voice_of, dict) else voice_of) == "marin"
    assert [tool["name"] for tool in session["tools"]] == ["look_up", "hang_up"]
    usage = model.usage
    assert (usage.connections, usage.responses, usage.errors) == (1, 5, 0)
    assert usage.input_tokens == 10 * 7  # two responses went on after tools
    assert usage.spoken_s > 10
    assert usage.heard_s == pytest.approx(server.heard_s)


@pytest.mark.parametrize("row", [row for row in SERVICES if row.owns_turns], ids=str)
async def test_a_service_that_decides_turns_takes_part_in_a_conversation(row: Service) -> None:
    async with row.server(answer_to) as server:
        model = service(server, row, tools=TOOLS, instructions="Be brief.", voice="Puck")
        assert model.owns_turns
        async with VirtualCall(responder=RealtimeResponder(model, tools=TOOLS), config=SETTINGS) as call:
            await talk(row, call)  # the greeting
            await talk(row, call, "Tell me all about it.")
            await talk(row, call, "Look it up.")
            await talk(row, call, "Good bye then.")
            assert call.heard == [GREETING, LONG, "It is the fifth of May.", "Good bye."]
            assert call.sounded == " ".join(call.heard)
            assert call.of(ErrorRaised) == []
            assert call.session.state is SessionState.ENDED
    assert server.problems == []
    assert server.turns[1:] == ["Tell me all about it.", "Look it up.", "Good bye then."]
    assert server.results[0] == "5 May"
    (setup,) = server.sessions
    if row.speaks_with_input:  # one model speaks, and another one works
        assert setup["instructions"].startswith("Be brief.\nDelegate")
        assert setup["audio"]["output"]["voice"] == "Puck"
        backend = setup["delegation"]["responses"]
        assert (backend["instructions"], [tool["name"] for tool in backend["tools"]]) == ("Be brief.", [*TOOLS])
    else:
        voice = setup["generation_config"]["speech_config"]["voice_config"]["prebuilt_voice_config"]
        assert setup["system_instruction"]["parts"] == [{"text": "Be brief."}]
        assert voice["voice_name"] == "Puck"
        assert model.usage.heard_s == pytest.approx(server.heard_s)
    assert (model.usage.connections, model.usage.responses, model.usage.errors) == (1, 4, 0)


async def live_call(server: RealtimeServer, **options: Any) -> VirtualCall:
    return VirtualCall(responder=RealtimeResponder(service(server, LIVE, **options)))


async def test_live_goes_on_speaking_while_the_caller_is_silent_and_stops_when_spoken_to() -> None:
    async with LiveServer(answer_to) as server, await live_call(server) as call:
        await hear(call, pcm=speak("Tell me all about it."))
        for _ in range(500):
            if call.session._rules.agent.state is AgentState.SPEAKING:
                break
            await hear(call, 0.02)
        await hear(call, 2.6)  # Other services are not sent so long a silence.
        await talk(LIVE, call, "Wait, please, I have another question for you.")
        first, second = call.heard
        assert LONG.startswith(first)
        assert 0 < len(first) < len(LONG)
        assert second == LONG
        assert call.of(ErrorRaised) == []
    assert server.problems == []
    assert server.turns == ["Tell me all about it.", "Wait, please, I have another question for you."]


async def test_live_answers_what_is_typed() -> None:
    async with LiveServer(lambda text: f"You said {text}") as server, await live_call(server) as call:
        await talk(LIVE, call, "First one.")
        call.session.send_text("And this?")
        await talk(LIVE, call)
        assert call.heard == ["You said First one.", "You said And this?"]
        assert call.of(ErrorRaised) == []
    assert server.seeded == [("user", "And this?")]
    assert server.problems == []


async def test_a_live_session_that_expires_is_followed_by_another() -> None:
    async with (
        LiveServer(lambda text: f"You said {text}", faults=["expired"]) as server,
        await live_call(server) as call,
    ):
        await talk(LIVE, call, "First one.")
        await talk(LIVE, call, "Second one.")
        assert call.heard[-1] == "You said Second one."
        assert [error.code for error in call.of(ErrorRaised)] == ["provider_unavailable"]
    assert server.problems == []


@pytest.mark.parametrize(("row", "fault"), FAULTS, ids=str)
async def test_a_call_goes_on_after_a_fault(row: Service, fault: str) -> None:
    async with row.server(lambda text: f"You said {text}", faults=[fault]) as server:
        model = service(server, row, stall_timeout=0.3)
        async with VirtualCall(responder=RealtimeResponder(model)) as call:
            await talk(row, call, "First one.")
            await talk(row, call, "Second one.")
            assert call.heard[-1] == "You said Second one."
            codes = [error.code for error in call.of(ErrorRaised)]
    expected = {
        "drop": ["provider_unavailable"],
        "failed": ["rate_limited"],
        "rate_limited": ["rate_limited"],
        "stall_first": ["timeout"],
        # google-genai gives the connection up
        "garbage": ["provider_unavailable"] if row.owns_turns and not row.speaks_with_input else [],
    }
    assert codes == expected.get(fault, [])
    assert server.problems == []


@services
async def test_a_connection_lost_between_turns_is_replaced_and_told_what_was_said(row: Service) -> None:
    async with row.server(lambda text: f"You said {text}") as server:
        async with VirtualCall(responder=RealtimeResponder(service(server, row))) as call:
            await talk(row, call, "First one.")
            for socket in list(server.connections):
                await socket.close(1001)
            await talk(row, call, "Second one.")
            assert call.heard == ["You said First one.", "You said Second one."]
        assert server.seeded == [
            ("user", "First one."),
            ("assistant", "You said First one."),
            ("user", "Second one."),  # as text: the lost connection heard its beginning
        ]
        assert len(server.sessions) == 2
    assert server.problems == []


@led_services
async def test_a_model_that_is_still_speaking_is_cancelled(row: Service) -> None:
    async with (
        row.server(lambda _: "Well.", faults=["stall"]) as server,
        VirtualCall(responder=RealtimeResponder(service(server, row))) as call,
    ):
        await call.speak("Go on.")
        while not call.session._output.playout.started:
            await call.silence(0.02, waits=False)
            await asyncio.sleep(0)
        call.session.interrupt()
        await call.say("Stop, please.")
        assert call.heard[-1] == "Well."
    assert server.cancels == 1
    assert server.problems == []


@services
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("unauthorized", AuthenticationError),
        ("quota", QuotaExceededError),
        ("rate_limited", RateLimitedError),
        ("unavailable", ProviderUnavailableError),
    ],
)
async def test_a_refusal_is_one_of_our_errors(
    row: Service, fault: str, kind: type[DuologueError], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="duologue")
    async with row.server(faults=[fault]) as server:
        with pytest.raises(kind) as raised:
            await service(server, row).connect()
    assert KEY not in f"{raised.value} {raised.value.__cause__} {caplog.text}"


async def test_a_service_that_does_not_answer_in_time_is_given_up() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        with pytest.raises(DeadlineError, match=r"did not connect within 0\.05 s"):
            await RealtimeService(MODEL, api_key=KEY, base_url=url, connect_timeout=0.05).connect()
    with pytest.raises(ProviderUnavailableError):
        await RealtimeService(MODEL, api_key=KEY, base_url=url).connect()


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("gpt-realtime-2.1", {}, "names no speech-to-speech model"),
        ("nobody:model", {}, "There is no speech-to-speech model"),
        (MODEL, {"stall_timeout": 0}, "stall_timeout"),
        (MODEL, {"colour": "red"}, "colour"),
        (MODEL, {"base_url": "https://host:99999/v1"}, "base_url"),
        (AZURE, {**AT_AZURE, "voice": "en-US-AvaMultilingualNeural"}, "'azure_voice_live': True"),
        ("elevenlabs-agents:agent_1", {"api_key": KEY}, "cannot be set here"),
        ("openai:gpt-live-1.1", {"api_key": KEY, "voice": "x", "settings": {"turn_detection": True}}, ""),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(model: str, options: dict[str, Any], message: str) -> None:
    if not message:
        assert RealtimeService(model, **options).owns_turns
        return
    with pytest.raises(ConfigError, match=message):
        RealtimeService(model, **options)


@pytest.mark.parametrize(
    ("model", "settings", "voice", "sent"),
    [
        (AZURE, {}, "marin", {"openai_voice": "marin"}),
        (AZURE, {"azure_voice_live": True}, "marin", {"openai_voice": "marin"}),
        (AZURE, {"azure_voice_live": True}, "en-US-AvaNeural", {"azure_voice_live_voice": "en-US-AvaNeural"}),
        ("azure:gpt-5", {}, "de-DE-KatjaNeural", {"azure_voice_live_voice": "de-DE-KatjaNeural"}),
    ],
)
def test_a_voice_of_azure_is_named_as_such(
    model: str, settings: dict[str, Any], voice: str, sent: dict[str, str]
) -> None:
    made = RealtimeService(model, voice=voice, settings=settings, **AT_AZURE)
    assert {key: value for key, value in made._model_settings.items() if key.endswith("voice")} == sent


async def test_the_key_is_read_again_for_connections_that_are_opened_later(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-wrong")
    async with RealtimeServer() as server:
        model = service(server, api_key=None, api_key_file=file)
        with pytest.raises(AuthenticationError):
            await model.connect()
        file.write_text(KEY)
        assert model.reload_key()
        await (await model.connect()).aclose()
        file.write_text("")
        with pytest.raises(ConfigError, match="holds no key"):
            model.reload_key()
        await (await model.connect()).aclose()
    assert server.problems == ["wrong key"]
    assert not service(server).reload_key()


def test_azure_without_an_address_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY", "OPENAI_API_VERSION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="needs base_url"):
        RealtimeService(AZURE)
    with pytest.raises(ConfigError, match="needs a key") as raised:
        RealtimeService(AZURE, base_url="https://host")
    assert "AZURE_OPENAI_API_KEY" in raised.value.next_step


def test_a_service_without_a_key_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="needs a key"):
        RealtimeService(MODEL)


def test_long_silence_is_not_sent_and_speech_keeps_its_beginning() -> None:
    microphone = Microphone(24_000)
    silence, sound = bytes(640), speak("Hello.")[:640]
    for _ in range(500):
        microphone.push(silence)
    assert microphone.take() == b""
    microphone.push(sound)
    assert len(microphone.take()) == pytest.approx(1.02 * 48_000, abs=1000)  # the second before it, too
    for _ in range(500):
        microphone.push(silence)
    assert len(microphone.take()) == pytest.approx(1.0 * 48_000, abs=2000)
    for _ in range(2000):
        microphone.push(sound)
    assert len(microphone.take()) == 30 * 48_000
    assert microphone.dropped_s == pytest.approx(11, abs=0.1)


# --- services that answer when they like ---


class Wire:
    """A connection of pydantic-ai's to a service that decides turns by itself."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self._frames: asyncio.Queue[list[Any]] = asyncio.Queue()

    async def send(self, content: Any) -> None:
        self.sent.append(content)

    async def frames(self) -> AsyncIterator[list[Any]]:
        while True:
            yield await self._frames.get()

    def frame(self, *items: Any) -> None:
        self._frames.put_nowait([*items])

    async def hears(self, words: str) -> None:
        self.frame(codec.InputTranscript(words))
        await asyncio.sleep(0.01)

    async def answers(self, name: str, *texts: str, status: str = "completed", by: int | None = None) -> None:
        self._frames.put_nowait([ResponseStarted(response_id=name, answers=() if by is None else (by,))])
        for text in texts:
            self._frames.put_nowait([codec.OutputTranscript(text), codec.AudioDelta(bytes(4800))])
        self._frames.put_nowait([ResponseEnded(response_id=name, status=status)])  # type: ignore[arg-type]
        await asyncio.sleep(0.01)


@asynccontextmanager
async def connected(**profile: Any) -> AsyncIterator[tuple[ServiceConnection, Wire]]:
    wire = Wire()

    @asynccontextmanager
    async def opening() -> AsyncIterator[Any]:
        yield wire

    opened = opening()
    made = await opened.__aenter__()
    connection = ServiceConnection(
        "google:live",
        made,
        opened,
        profile={"audio_input_sample_rate": 16_000, **profile},
        stall_timeout=5,
        usage=RealtimeUsage(),
    )
    try:
        yield connection, wire
    finally:
        await connection.aclose()


async def events(connection: ServiceConnection, count: int) -> list[Any]:
    found = []
    async with asyncio.timeout(5):
        async for event in connection:
            if isinstance(event, RealtimeText | RealtimeDone | RealtimeFailed | RealtimeToolCall):
                found.append((event.response, getattr(event, "text", type(event).__name__)))
            if len(found) == count:
                break
    return found


async def test_a_response_is_held_until_the_session_asks_for_it() -> None:
    async with connected() as (connection, wire):
        await wire.answers("a", "Hello ", "there.")
        connection.respond("response-1")
        assert await events(connection, 3) == [
            ("response-1", "Hello "),
            ("response-1", "there."),
            ("response-1", "RealtimeDone"),
        ]
        connection.respond("response-2")
        await wire.answers("b", "Yes.")
        assert await events(connection, 2) == [("response-2", "Yes."), ("response-2", "RealtimeDone")]
        assert wire.sent == []


async def test_an_answer_that_nobody_asked_for_says_that_the_turn_is_over() -> None:
    async with connected() as (connection, wire):
        heard: list[Any] = []

        async def listen() -> None:
            async for event in connection:
                heard.append(event)  # noqa: PERF401 - it is looked at meanwhile

        listening = asyncio.create_task(listen())
        await wire.answers("a", "Hello.")
        assert heard == [RealtimeTurnEnded()]
        connection.respond("response-1")
        await asyncio.sleep(0.01)
        connection.respond("response-2")
        await wire.answers("b", "Yes.")
        assert sum(isinstance(event, RealtimeTurnEnded) for event in heard) == 1
        assert [event.text for event in heard if isinstance(event, RealtimeText)] == ["Hello.", "Yes."]
        listening.cancel()


async def test_a_response_that_the_session_did_not_want_is_replaced_by_the_next() -> None:
    async with connected() as (connection, wire):
        await wire.answers("a", "Hello.")
        await wire.answers("b", status="cancelled")
        await wire.answers("c", "Fine.")
        connection.respond("response-1")
        assert await events(connection, 2) == [("response-1", "Fine."), ("response-1", "RealtimeDone")]
        connection.respond("response-2")
        connection.cancel("response-2")
        await wire.answers("d", "Late.")
        connection.respond("response-3")
        assert await events(connection, 2) == [("response-3", "Late."), ("response-3", "RealtimeDone")]


@pytest.mark.parametrize("has_newer", [True, False])
async def test_an_old_response_gives_way_to_a_newer_one(has_newer: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue.realtime.connection.OLD_S", -1.0)
    monkeypatch.setattr("duologue.realtime.connection.NEWER_TIMEOUT_S", 1000.0 if has_newer else 0.01)
    async with connected() as (connection, wire):
        await wire.answers("a", "To your uh-huh.")
        connection.respond("response-1")
        if has_newer:
            await wire.answers("b", "To your question.")
        text = "To your question." if has_newer else "To your uh-huh."
        assert await events(connection, 2) == [("response-1", text), ("response-1", "RealtimeDone")]


async def test_text_is_answered_by_the_response_to_it() -> None:
    async with connected() as (connection, wire):
        connection.push(speak("Hello.")[:6400])
        connection.respond("response-1", text="What time is it?")
        await asyncio.sleep(0.01)
        assert wire.sent[-1] == "What time is it?"
        await wire.answers("a", "Noon.", by=len(wire.sent) - 1)
        assert await events(connection, 2) == [("response-1", "Noon."), ("response-1", "RealtimeDone")]


async def test_what_live_says_without_being_spoken_to_is_no_answer_to_what_comes_next() -> None:
    async with connected(synthesizes_turn_boundary=True) as (connection, wire):
        await wire.hears("Hello?")
        await wire.answers("a", "Well.")
        await wire.answers("b", "As I said.")  # The rest of it, after a pause.
        connection.respond("response-1")
        assert await events(connection, 2) == [("response-1", "Well."), ("response-1", "RealtimeDone")]
        connection.respond("response-2")
        await wire.hears("And now?")
        await wire.answers("c", "Fine.")
        assert await events(connection, 2) == [("response-2", "Fine."), ("response-2", "RealtimeDone")]
        assert connection._usage.cut == 1


async def test_text_may_be_answered_by_the_response_that_is_under_way() -> None:
    async with connected(synthesizes_turn_boundary=True) as (connection, wire):
        await wire.hears("Hello?")
        connection.respond("response-1")
        wire.frame(ResponseStarted(response_id="a", answers=()), codec.OutputTranscript("Well. "))
        await asyncio.sleep(0.01)
        connection.respond("response-2", text="What time is it?")
        await asyncio.sleep(0.01)
        wire.frame(AnswersRevised(response_id="a", claimed=(len(wire.sent) - 1,)), codec.OutputTranscript("Noon."))
        wire.frame(ResponseEnded(response_id="a", status="completed"))
        assert await events(connection, 4) == [
            ("response-1", "Well. "),
            ("response-1", "RealtimeDone"),
            ("response-2", "Noon."),
            ("response-2", "RealtimeDone"),
        ]


async def test_history_is_what_was_heard() -> None:
    async with RealtimeServer() as server:
        history = (Message("user", "Hello?"), Message("agent", "Good", said="Good day."), Message("agent", ""))
        connection = await service(server).connect(language="es", history=history)
        await connection.aclose()
        with pytest.raises(ProviderError):
            async for _ in connection:
                pass
    assert server.seeded == [("user", "Hello?"), ("assistant", "Good")]
    assert "'es'" in server.sessions[0]["instructions"]


def test_nothing_warns_of_a_setting(recwarn: pytest.WarningsRecorder) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert RealtimeService(MODEL, api_key=KEY).rate == 24_000


@services
async def test_doctor_makes_one_small_request(row: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"openai_live_turn_silence_ms": 1500} if row.speaks_with_input else {}
    async with row.server(faults=["unauthorized"]) as server:
        made = lambda name, **options: service(server, row, settings=settings)  # noqa: E731
        monkeypatch.setattr("duologue.realtime.service.RealtimeService", made)
        with pytest.raises(AuthenticationError):
            await asyncio.to_thread(check_live, f"realtime:{row.model}")
        said, seconds = await asyncio.to_thread(check_live, f"realtime:{row.model}")
        assert said.startswith("spoke ")
        assert seconds < 20
        assert "One." in server.turns[0]
    assert server.problems == []
