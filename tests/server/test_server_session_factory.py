"""What a client asks for becomes a session, with the application's agent and data."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from duologue.agent import Agent, CallInfo, Reply, Turn, closing
from duologue.agent.function import as_agent
from duologue.clock import VirtualClock
from duologue.conversation.config import ConversationConfig
from duologue.engine import EngineConfig
from duologue.errors import AgentError, ConfigError, HookError, OverloadedError, UnsupportedLanguageError
from duologue.server.call_options import CallOptions, named_agents, value_hook
from duologue.server.policy import CallPolicy
from duologue.server.session_factory import SessionFactory
from duologue.server.speech_to_speech import ModelAnswers
from duologue.session import CallRequest, RealtimeResponder, SessionConfig, TurnTaking, VoiceSession
from duologue.settings.languages import LanguageModels
from duologue.settings.local import LocalModels
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeSpeechToText, FakeSttModel, FakeTextToSpeech, FakeTtsModel, PeakVad, SentenceEnd
from duologue.testing.realtime import FakeRealtimeModel
from duologue.testing.sinks import Recorder

pytestmark = pytest.mark.anyio

SINK = Recorder(24_000, VirtualClock())
CONFIG = SessionConfig(rules=ConversationConfig(greeting="Good morning."))


@asynccontextmanager
async def factory_of(
    agents: dict[str, object],
    *,
    voices: dict[str, Any] | None = None,
    max_sessions: int = 8,
    realtime: Any = None,
    stt: Any = None,
    languages: dict[str, LanguageModels] | None = None,
    **options: Any,
) -> AsyncIterator[SessionFactory]:
    models = LocalModels(PeakVad(), stt or FakeSttModel(), FakeTtsModel(), SentenceEnd(), None, languages or {})
    async with models.engine(config=EngineConfig(max_sessions=max_sessions), clock=VirtualClock(), paced=False) as e:
        made = CallOptions(agents=named_agents(None, agents), **{"config": CONFIG, **options})
        sessions = SessionFactory(e, models, made, voices=voices, realtime=realtime)
        yield sessions
        sessions.close()


async def opened(sessions: SessionFactory, **asked: Any) -> VoiceSession:
    return await sessions.open_session(CallRequest(**asked), SINK)


GIVEN: list[CallInfo] = []
"""What shops were made from."""


class Shop:
    """Has state of one call, and was made for it."""

    speculative = False
    greeting = "Welcome."

    def __init__(self, call: CallInfo) -> None:
        self.call = call
        GIVEN.append(call)

    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        yield f"You are {self.call.metadata.get('name', 'nobody')}."


class SpanishModel(FakeSttModel):
    name = "spanish-model"
    languages = frozenset(["en", "es"])


class SpanishVoice(FakeTtsModel):
    name = "spanish-voice"


class HighVoice(FakeTtsModel):
    name = "high-voice"


async def answer_yes(text: str) -> str:
    return "Sí."


def parties(session: VoiceSession) -> tuple[str | None, str, str]:
    """The language of a call, who hears it and who speaks."""
    return session.config.language, session.components["stt"], session.components["responder"]


@pytest.mark.parametrize(("asked", "kept"), [(None, "webrtc"), ("", ""), ("webrtc", "webrtc")])
async def test_a_transport_chooses_for_each_call_if_noise_is_suppressed(asked: str | None, kept: str) -> None:
    async with factory_of({"one": answer_yes}, config=replace(CONFIG, denoise="webrtc")) as sessions:
        session = await opened(sessions, denoise=asked)
        assert session.config.denoise == kept


async def test_a_denoiser_is_one_of_those_that_the_server_allows() -> None:
    async with factory_of({"one": answer_yes}) as sessions:
        assert (await opened(sessions)).config.denoise == ""
        assert (await opened(sessions, denoise="webrtc")).config.denoise == "webrtc"
        with pytest.raises(ConfigError, match=r"no denoiser 'rnnoise' here\. Ask for one of: \"\", webrtc\."):
            await opened(sessions, denoise="rnnoise")
    async with factory_of({"one": answer_yes}, policy=CallPolicy(denoisers=[""])) as sessions:
        with pytest.raises(ConfigError, match=r"no denoiser 'webrtc' here\. Ask for one of: \"\"\."):
            await opened(sessions, denoise="webrtc")
    async with factory_of({"one": answer_yes}, policy=CallPolicy(denoisers=[])) as sessions:
        with pytest.raises(ConfigError, match=r"Ask for no denoiser at all\."):
            await opened(sessions, denoise="")


def test_a_denoiser_that_the_policy_names_exists() -> None:
    with pytest.raises(ConfigError, match=r"There is no denoiser 'rnnoise'\. Choose one of webrtc"):
        CallOptions(agents=named_agents(None, {"one": answer_yes}), policy=CallPolicy(denoisers=["", "rnnoise"]))


async def test_a_call_in_another_language_has_the_models_of_that() -> None:
    spanish = LanguageModels(SpanishModel(), SpanishVoice())
    async with factory_of(
        {"one": lambda: ScriptedAgent("Sí.")}, languages={"es": spanish, "en": LanguageModels()}
    ) as sessions:
        assert parties(await opened(sessions, language="es-MX")) == ("es", "spanish-model", "spanish-voice")
        assert parties(await opened(sessions)) == ("en", "fake-stt-model", "fake-tts-model")
        with pytest.raises(UnsupportedLanguageError, match="this server knows en, es"):
            await opened(sessions, language="de")


async def test_a_voice_that_was_asked_for_speaks_any_language() -> None:
    languages = {"es": LanguageModels(SpanishModel(), SpanishVoice())}
    voices = {"low": FakeTtsModel(), "high": HighVoice()}
    config = replace(CONFIG, language="es")
    async with factory_of(
        {"one": lambda: ScriptedAgent("Sí.")}, voices=voices, languages=languages, config=config
    ) as sessions:
        assert parties(await opened(sessions)) == ("es", "spanish-model", "spanish-voice")
        assert parties(await opened(sessions, voice="high")) == ("es", "spanish-model", "high-voice")
        assert parties(await opened(sessions, language="en")) == ("en", "fake-stt-model", "fake-tts-model")


async def test_each_session_has_the_agent_that_was_asked_for() -> None:
    made: list[str] = []

    def maker(name: str) -> Callable[[], Agent]:
        def make() -> Agent:
            made.append(name)
            return ScriptedAgent(name)

        return make

    async with factory_of({"first": maker("first"), "second": maker("second")}) as sessions:
        made.clear()  # those that were made to try the factories
        for name in (None, "second", "first"):
            await opened(sessions, agent=name)
        assert made == ["first", "second", "first"]
        with pytest.raises(ConfigError, match=r"no agent 'third' here\. Ask for one of: first, second"):
            await opened(sessions, agent="third")


async def test_turns_and_the_greeting_are_as_the_client_wants_them() -> None:
    async with factory_of({"first": ScriptedAgent}) as sessions:
        rules = (await opened(sessions)).config.rules
        assert (rules.turns, rules.greeting) == ("auto", "Good morning.")
        rules = (await opened(sessions, turns="manual", greeting=False)).config.rules
        assert (rules.turns, rules.greeting) == ("manual", "")


@pytest.mark.parametrize(
    ("config", "greeting", "said"),
    [(SessionConfig(), None, "Welcome."), (SessionConfig(), "", ""), (CONFIG, None, "Good morning."), (CONFIG, "", "")],
)
async def test_each_agent_has_its_own_greeting(config: SessionConfig, greeting: str | None, said: str) -> None:
    async with factory_of({"shop": Shop}, config=config, greeting=greeting) as sessions:
        assert (await opened(sessions)).config.rules.greeting == said


@pytest.mark.parametrize("language", [None, "en", "en-GB", "EN"])
async def test_a_language_that_is_understood(language: str | None) -> None:
    async with factory_of({"first": ScriptedAgent}) as sessions:
        assert (await opened(sessions, language=language)).config.language == "en"


@pytest.mark.parametrize("language", ["de", "", "english"])
async def test_a_language_that_is_not_understood(language: str) -> None:
    async with factory_of({"first": ScriptedAgent}) as sessions:
        with pytest.raises(UnsupportedLanguageError, match=f"{language!r} was asked for; fake-stt-model knows en"):
            await opened(sessions, language=language)


async def test_it_says_when_it_is_full() -> None:
    async with factory_of({"first": ScriptedAgent}, max_sessions=1) as sessions:
        sessions.check()
        async with await opened(sessions):
            with pytest.raises(OverloadedError):
                sessions.check()
        sessions.check()


async def test_a_session_has_the_name_of_its_agent() -> None:
    for config, name in ((CONFIG, "Scripted"), (replace(CONFIG, agent_name="Anna"), "Anna")):
        async with factory_of({"first": ScriptedAgent}, config=config) as sessions:
            assert (await opened(sessions)).config.agent_name == name


@pytest.mark.parametrize("name", ["x" * 41, "two\nlines"])
def test_a_name_that_cannot_be_shown_in_a_line_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"agent_name has .* characters, and must be one line of at most 40"):
        SessionConfig(agent_name=name)


def plain(call: CallInfo) -> Shop:
    return Shop(call)


async def asynchronous(call: CallInfo) -> Shop:
    return Shop(call)


@pytest.mark.parametrize("source", [Shop, plain, asynchronous, lambda call: Shop(call)])
async def test_a_factory_is_given_what_is_known_of_the_call(source: object) -> None:
    asked = {
        "client": "10.0.0.9",
        "query": {"table": "4"},
        "claims": {"sub": "ada"},
        "metadata": {"name": "Ada"},
        "headers": {
            "user-agent": "test", "authorization": "Bearer s3cret", "cookie": "a=s3cret", "x-api-key": "s3cret",
            "x-forwarded-for": "10.0.0.9", "sec-websocket-protocol": "s3cret", "x-tenant-token": "s3cret",
        },
    }  # fmt: skip
    async with factory_of({"shop": source, "other": Shop}, user_data={"tables": 9}) as sessions:
        session = await opened(sessions, agent="shop", **asked)
        call = session.info
        assert (call.id, call.agent, call.language, call.user_data) == (session.id, "shop", "en", {"tables": 9})
        assert (call.client, call.query, call.claims, call.metadata) == (
            "10.0.0.9", {"table": "4"}, {"sub": "ada"}, {"name": "Ada"},
        )  # fmt: skip
        assert call.headers == {"user-agent": "test", "x-forwarded-for": "10.0.0.9"}
        assert "Ada" not in repr(call)
        assert GIVEN[-1] is call


async def test_a_header_that_was_asked_for_is_kept() -> None:
    async with factory_of({"shop": Shop}, expose_headers=["Authorization"]) as sessions:
        session = await opened(sessions, headers={"authorization": "Bearer s3cret", "cookie": "s3cret"})
        assert session.info.headers == {"authorization": "Bearer s3cret"}
        assert "s3cret" not in repr(session.info)


async def from_a_store(call: CallInfo) -> str:
    return f"the record of {call.query['caller']}"


async def without_arguments() -> str:
    return "the menu"


@pytest.mark.parametrize(
    ("source", "data"),
    [
        ("a menu", "a menu"),
        (from_a_store, "the record of 7"),
        (lambda call: f"sync {call.query['caller']}", "sync 7"),
        (without_arguments, "the menu"),
        (dict, {}),
    ],
)
async def test_user_data_is_a_value_or_is_made_for_each_call(source: object, data: object) -> None:
    async with factory_of({"shop": Shop}, user_data=source) as sessions:
        assert (await opened(sessions, query={"caller": "7"})).info.user_data == data
        assert (await opened(sessions, query={"caller": "7"}, user_data="theirs")).info.user_data == "theirs"


async def test_user_data_that_cannot_be_made_refuses_the_call(caplog: pytest.LogCaptureFixture) -> None:
    def load(call: CallInfo) -> str:
        raise KeyError("s3cret")

    async with factory_of({"shop": Shop}, user_data=load) as sessions:
        with pytest.raises(HookError, match=r"load\(\) failed: KeyError"):
            await opened(sessions)
        assert sessions.counters()["user_data_failed"] == 1
    assert f"({__file__}:" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_factory_that_raises_ends_its_own_call_alone(is_async: bool, caplog: pytest.LogCaptureFixture) -> None:
    def make(call: CallInfo) -> Shop:
        if call.metadata:
            raise SystemExit("s3cret")
        return Shop(call)

    async def make_later(call: CallInfo) -> Shop:
        return make(call)

    async with factory_of({"shop": make_later if is_async else make}) as sessions:
        with pytest.raises(AgentError, match=r"make.*\(\) failed to make an agent: SystemExit"):
            await opened(sessions, metadata={"name": "Ada"})
        async with await opened(sessions):
            assert sessions.counters()["agents_failed"] == 1
    assert "No agent for the call" in caplog.text
    assert "s3cret" not in caplog.text


async def test_a_factory_that_returns_the_agent_of_another_call_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(CallInfo(id="first"))
    async with factory_of({"shop": lambda call: shop}) as sessions, await opened(sessions):
        with pytest.raises(ConfigError, match="One Shop has served a session before"):
            await opened(sessions)
        assert sessions.counters()["agents_failed"] == 1
    assert "agent 'shop'" in caplog.text


@pytest.mark.parametrize("is_used", [False, True])
async def test_an_agent_that_comes_too_late_is_closed_unless_it_answers_another_call(is_used: bool) -> None:
    release, closed = threading.Event(), asyncio.Event()

    class Late(Shop):
        async def aclose(self) -> None:
            closed.set()

    late = Late(CallInfo(id="late"))

    def make(call: CallInfo) -> Agent:
        release.wait()
        return late

    async with factory_of({"late": make}) as sessions:
        opening = asyncio.create_task(opened(sessions))
        while not sessions._code._code._threads:
            await asyncio.sleep(0)
        opening.cancel()  # the client is gone
        await asyncio.wait([opening])
        if is_used:
            as_agent(late)
        assert sessions.counters()["application_stuck"] == 1
        release.set()
        while sessions.counters()["application_stuck"] or sessions._code._code._disposing:
            await asyncio.sleep(0.001)
        assert closed.is_set() is not is_used


async def test_an_agent_whose_greeting_fails_is_refused_and_closed() -> None:
    closed: list[Shop] = []

    class Odd(Shop):
        @property
        def greeting(self) -> str:  # type: ignore[override]  # the mistake that is tested
            raise KeyError("secret")

        async def aclose(self) -> None:
            closed.append(self)

    async with factory_of({"odd": Odd}, config=SessionConfig()) as sessions:
        with pytest.raises(AgentError, match=r"^Odd\.greeting failed: KeyError\. "):
            await opened(sessions)
        assert sessions.counters()["agents_failed"] == 1
    assert len(closed) == 1


async def test_an_unused_agent_that_does_not_close_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(closing, "UNUSED_CLOSING", 0.01)

    class Stuck(Shop):
        async def aclose(self) -> None:
            await asyncio.Event().wait()

    await closing.close_unused(Stuck(CallInfo(id="c1")), "c1")
    assert "The call c1: agent_error: An agent that was not used failed to close: TimeoutError." in caplog.text


async def test_a_factory_runs_beside_the_event_loop() -> None:
    threads: list[int] = []

    def make(call: CallInfo) -> Shop:
        threads.append(threading.get_ident())
        return Shop(call)

    async with factory_of({"shop": make}) as sessions:
        await opened(sessions)
    assert threads != [threading.get_ident()]


VOICES = {"anna": FakeTtsModel(), "bob": FakeTtsModel()}


async def test_a_voice_is_one_of_those_that_there_are() -> None:
    async with factory_of({"shop": Shop}, voices=VOICES, policy=CallPolicy(voices=["anna"])) as sessions:
        assert (await opened(sessions)).info.voice == "anna"
        assert (await opened(sessions, voice="anna")).info.voice == "anna"
        with pytest.raises(ConfigError, match=r"no voice 'bob' here\. Ask for one of: anna\."):
            await opened(sessions, voice="bob")
    async with factory_of({"shop": Shop}) as sessions:
        assert (await opened(sessions)).info.voice is None
        with pytest.raises(ConfigError, match=r"no voice 'anna' here\. Ask for no voice at all\."):
            await opened(sessions, voice="anna")


class Speaks(FakeTtsModel):
    def __init__(self, *languages: str) -> None:
        super().__init__()
        self.languages = frozenset(languages)


@pytest.mark.parametrize(
    ("language", "voice"),
    [
        (None, "gerda"),
        ("de", "gerda"),
        ("de-AT", "gerda"),
        ("en-GB", "emma"),
        ("en-US", "any"),
        ("fr", "any"),
    ],
)
async def test_a_call_has_a_voice_that_speaks_its_language(language: str | None, voice: str) -> None:
    voices = {"gerda": Speaks("de"), "emma": Speaks("en-GB"), "any": FakeTextToSpeech()}
    async with factory_of({"shop": Shop}, voices=voices, stt=FakeSpeechToText()) as sessions:
        assert (await opened(sessions, language=language)).info.voice == voice
        assert (await opened(sessions, language=language, voice="emma")).info.voice == "emma"


async def test_a_voice_of_another_language_is_better_than_none() -> None:
    async with factory_of({"shop": Shop}, voices={"gerda": Speaks("de")}, stt=FakeSpeechToText()) as sessions:
        assert (await opened(sessions, language="fr")).info.voice == "gerda"


async def test_an_agent_that_is_not_for_clients_is_not_shown_to_them() -> None:
    async with factory_of({"shop": Shop, "boss": Shop}, policy=CallPolicy(agents=["shop"])) as sessions:
        with pytest.raises(ConfigError, match=r"no agent 'boss' here\. Ask for one of: shop\."):
            await opened(sessions, agent="boss")


async def test_turn_taking_is_as_the_client_wants_it_within_bounds() -> None:
    async with factory_of({"shop": Shop}, policy=CallPolicy(timeout=(1.0, 3.0))) as sessions:
        asked = TurnTaking(action_delay=0.5, timeout=2.5, barge_in=False)
        rules = (await opened(sessions, turn_taking=asked)).config.rules
        assert (rules.endpointing.action_delay, rules.endpointing.timeout, rules.barge_in.enabled) == (0.5, 2.5, False)
        assert CONFIG.rules.barge_in.enabled
        with pytest.raises(ConfigError, match=r"turn_taking\.timeout_s is 3\.5, and this server allows 1 to 3"):
            await opened(sessions, turn_taking=TurnTaking(timeout=3.5))


async def test_hooks_of_the_application_are_called_beside_the_loop_if_they_are_plain() -> None:
    told: list[tuple[str, str, int]] = []

    def on_start(session: VoiceSession) -> None:
        told.append(("start", session.id, threading.get_ident()))

    async def on_end(record: Any) -> None:
        told.append(("end", record.session, threading.get_ident()))

    async with (
        factory_of({"shop": Shop}, on_start=on_start, on_end=value_hook(on_end)) as sessions,
        await opened(sessions) as session,
    ):
        pass
    assert [(name, call) for name, call, _ in told] == [("start", session.id), ("end", session.id)]
    assert [thread == threading.get_ident() for _, _, thread in told] == [False, True]


async def test_a_hook_that_raises_is_told_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    def on_start(session: VoiceSession) -> None:
        raise ValueError("s3cret")

    async with factory_of({"shop": Shop}, on_start=on_start) as sessions:
        async with await opened(sessions) as session:
            pass
        counters = sessions.counters()
    assert [error.code for error in session.record.errors] == ["hook_error"]
    assert (counters["hooks_failed"], counters["calls_started"], counters["calls_ended"]) == (1, 1, 1)
    assert counters["ended_closed"] == 1
    assert "The hook on_start failed: ValueError" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("words", [False, True])
async def test_the_start_and_the_end_of_a_call_are_logged(words: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "duologue.calls")
    async with (
        factory_of({"shop": Shop}, log_words=words) as sessions,
        await opened(sessions, client="10.0.0.9", claims={"sub": "ada"}) as session,
    ):
        session.send_text("My number is 17.")
        session.engine.advance(0.6)
    lines = [record.getMessage() for record in caplog.records if record.name == "duologue.calls"]
    assert lines[0] == f"Call {session.id} started: agent shop, from 10.0.0.9."
    assert lines[-1].startswith(f"Call {session.id} ended after ")
    assert lines[-1].endswith(": closed; turns: 1, errors: 0.")
    fields: Any = [record.fields for record in caplog.records if record.name == "duologue.calls"]  # type: ignore[attr-defined]  # ours
    assert fields[0] == {
        "event": "call.started", "call": session.id, "agent": "shop", "language": "en", "client": "10.0.0.9",
        "subject": "ada",
    }  # fmt: skip
    assert {"event": "call.ended", "reason": "closed", "turns": 1}.items() <= fields[-1].items()
    assert ("number is 17" in "".join(lines)) is words


async def test_a_speech_to_speech_model_answers_in_place_of_an_agent() -> None:
    model = FakeRealtimeModel("Yes.")
    async with factory_of({"default": ModelAnswers()}, realtime=model) as sessions:
        first, second = await opened(sessions), await opened(sessions)
        responders = [session._responder for session in (first, second)]
        assert all(isinstance(r, RealtimeResponder) and r.model is model for r in responders)
        assert responders[0] is not responders[1]
        assert first.config.rules.greeting == "Good morning."
        assert first.output_rate == 24_000
