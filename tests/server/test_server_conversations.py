"""What a client asks for becomes a session."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from duologue.clock import VirtualClock
from duologue.conversation.config import ConversationConfig
from duologue.engine import EngineConfig
from duologue.errors import ConfigError, OverloadedError, UnsupportedLanguageError
from duologue.server.conversations import Conversations
from duologue.session import SessionConfig
from duologue.settings.local import LocalModels
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeSttModel, FakeTtsModel, PeakVad, SentenceEnd
from duologue.testing.sinks import Recorder
from duologue.wire.messages import Start

pytestmark = pytest.mark.anyio

SINK = Recorder(24_000, VirtualClock())
CONFIG = SessionConfig(rules=ConversationConfig(greeting="Good morning."))


class Agents:
    """Makes the agents of sessions, and counts them by name."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def make(self, name: str) -> ScriptedAgent:
        self.made.append(name)
        return ScriptedAgent(name)


@pytest.fixture
def agents() -> Agents:
    return Agents()


@pytest.fixture
async def conversations(agents: Agents) -> AsyncIterator[Conversations]:
    models = LocalModels(PeakVad(), FakeSttModel(), FakeTtsModel(), SentenceEnd(), None)
    async with models.engine(config=EngineConfig(max_sessions=1), clock=VirtualClock(), paced=False) as engine:
        named = {"first": lambda: agents.make("first"), "second": lambda: agents.make("second")}
        yield Conversations(engine, models, named, CONFIG)


async def test_each_session_has_an_agent_of_its_own(conversations: Conversations, agents: Agents) -> None:
    for name in (None, "second", "first"):
        conversations.open_session(Start(version=1, agent=name), SINK)
    assert agents.made == ["first", "second", "first"]
    with pytest.raises(ConfigError, match=r"no agent 'third' here\. Ask for one of: first, second"):
        conversations.open_session(Start(version=1, agent="third"), SINK)


async def test_turns_and_the_greeting_are_as_the_client_wants_them(conversations: Conversations) -> None:
    rules = conversations.open_session(Start(version=1), SINK).config.rules
    assert (rules.turns, rules.greeting) == ("auto", "Good morning.")
    rules = conversations.open_session(Start(version=1, turns="manual", greeting=False), SINK).config.rules
    assert (rules.turns, rules.greeting) == ("manual", "")


@pytest.mark.parametrize("language", [None, "en", "en-GB", "EN"])
async def test_a_language_that_is_understood(language: str | None, conversations: Conversations) -> None:
    assert conversations.open_session(Start(version=1, language=language), SINK).config.language == "en"


@pytest.mark.parametrize("language", ["de", "", "english"])
async def test_a_language_that_is_not_understood(language: str, conversations: Conversations) -> None:
    with pytest.raises(UnsupportedLanguageError, match=f"{language!r} was asked for; fake-stt-model knows en"):
        conversations.open_session(Start(version=1, language=language), SINK)


async def test_it_says_when_it_is_full(conversations: Conversations) -> None:
    conversations.check()
    async with conversations.open_session(Start(version=1), SINK):
        with pytest.raises(OverloadedError):
            conversations.check()
    conversations.check()


async def test_a_session_has_the_name_of_its_agent(agents: Agents) -> None:
    models = LocalModels(PeakVad(), FakeSttModel(), FakeTtsModel(), SentenceEnd(), None)
    async with models.engine(clock=VirtualClock(), paced=False) as engine:
        for config, name in ((CONFIG, "Scripted"), (replace(CONFIG, agent_name="Anna"), "Anna")):
            conversations = Conversations(engine, models, {"first": lambda: agents.make("first")}, config)
            assert conversations.open_session(Start(version=1), SINK).config.agent_name == name


@pytest.mark.parametrize("name", ["x" * 41, "two\nlines"])
def test_a_name_that_cannot_be_shown_in_a_line_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"agent_name has .* characters, and must be one line of at most 40"):
        SessionConfig(agent_name=name)
