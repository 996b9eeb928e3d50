"""LLMAgent against a server on the loopback that speaks the provider's HTTP interface."""

import asyncio
import datetime
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from duologue.agent import Agent, Progress, Reply, Stateful, Turn
from duologue.agent import ToolCall as AgentToolCall
from duologue.agent.llm import LLMAgent, openai_model, read_only, side_effect
from duologue.agent.llm.context import CALL_BEGINS, CUT_OFF, SILENCE, UNHEARD
from duologue.conversation.history import Message
from duologue.errors import (
    AgentError,
    AuthenticationError,
    ConfigError,
    DeadlineError,
    DuologueError,
    ProviderError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitedError,
)
from duologue.testing.openai_server import Completion, OpenAIServer, ToolCall, calls, refuses, says

pytestmark = pytest.mark.anyio

KEY = "sk-never-shown"


async def committed() -> None:
    return


def turn(text: str = "Hello?", *history: Message, decided: Any = committed, user_data: Any = None) -> Turn:
    return Turn(1, text, history, decided, user_data)


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer(api_key=KEY) as server:
        yield server


@pytest.fixture
def server(running: OpenAIServer) -> OpenAIServer:
    running.script()
    running.requests.clear()
    running.disconnects = 0
    return running


class Line:
    """An agent and its server, and what was heard on the line before an error."""

    def __init__(self, server: OpenAIServer, **options: Any) -> None:
        self.server = server
        usual: dict[str, Any] = {
            "base_url": server.base_url,
            "api_key": KEY,
            "first_token_timeout": 2.0,
            "stall_timeout": 2.0,
        }
        self.agent = LLMAgent("openai:any", instructions="Be brief.", **(usual | options))
        self.pieces: list[str] = []

    async def __aenter__(self) -> "Line":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.agent.aclose()

    async def ask(self, turn: Turn, *script: Completion) -> list[str]:
        self.server.script(*script)
        self.pieces = []
        async for piece in self.agent.reply(turn):
            assert isinstance(piece, str)
            if not isinstance(piece, Progress):
                self.pieces.append(piece)
        return self.pieces

    def sent(self, index: int = -1) -> list[tuple[str, str]]:
        return [(message["role"], message["content"]) for message in self.server.requests[index]["messages"]]


async def test_text_is_streamed_as_it_comes(server: OpenAIServer) -> None:
    async with Line(server) as line:
        assert await line.ask(turn(), says("Hello", " there", ".")) == ["Hello", " there", "."]
        assert line.sent() == [("system", "Be brief."), ("user", "Hello?")]
        assert server.requests[-1]["model"] == "any"


async def test_the_model_knows_only_what_was_heard(server: OpenAIServer) -> None:
    history = (
        Message("agent", "Welcome."),
        Message("user", "When do you open?"),
        Message("agent", "We open at", said="We open at nine on weekdays.", interrupted=True),
        Message("user", "On Sunday?"),
        Message("agent", "", said="On Sunday we are closed.", interrupted=True),
    )
    async with Line(server) as line:
        await line.ask(turn("Sorry?", *history), says("Closed."))
        assert [words for words in line.sent() if words[0] != "system"] == [
            ("user", CALL_BEGINS),
            ("assistant", "Welcome."),
            ("user", "When do you open?"),
            ("assistant", f"We open at {CUT_OFF}"),
            ("user", "On Sunday?"),
            ("assistant", UNHEARD),
            ("user", "Sorry?"),
        ]
        assert "nine" not in json.dumps(server.requests[-1])


async def test_silence_is_told_in_words(server: OpenAIServer) -> None:
    async with Line(server) as line:
        await line.ask(turn(" "), says("Are you there?"))
        assert line.sent()[-1] == ("user", SILENCE)


async def test_old_turns_are_left_out_whole(server: OpenAIServer) -> None:
    history = [Message(role, f"{role} {i} " + "x" * 400) for i in range(20) for role in ("user", "agent")]
    async with Line(server, max_context_tokens=500) as line:
        await line.ask(turn("Hello?", *history), says("Hi."))
        roles = [role for role, _ in line.sent()]
        assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
        assert line.sent()[1][1].startswith("user 18")
        assert line.agent.turns_trimmed == 18


async def test_an_answer_without_words_yields_nothing(server: OpenAIServer) -> None:
    async with Line(server) as line:
        assert await line.ask(turn(), says()) == []
        assert await line.ask(turn(), says("")) == []
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ([refuses(401)], AuthenticationError),
        ([refuses(403)], AuthenticationError),
        ([refuses(429, retry_after=30)], RateLimitedError),
        ([refuses(429)] * 3, RateLimitedError),
        ([refuses(429, "insufficient_quota")], QuotaExceededError),
        ([refuses(402)], QuotaExceededError),
        ([refuses(500)] * 3, ProviderUnavailableError),
        ([refuses(503)] * 3, ProviderUnavailableError),
        ([refuses(529)] * 3, ProviderUnavailableError),
        ([refuses(400)], ProviderError),
        ([refuses(400, "context_length_exceeded")], ProviderError),
        ([refuses(404)], ProviderError),
        ([says("no", break_after=0)] * 3, ProviderUnavailableError),
    ],
)
async def test_refusals_are_errors_of_our_tree(
    server: OpenAIServer, script: list[Completion], error: type[DuologueError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duologue.agent.llm.agent._BACKOFF", 0.0)
    async with Line(server) as line:
        with pytest.raises(DuologueError) as caught:
            await line.ask(turn(), *script)
        assert type(caught.value) is error
        assert len(server.requests) == len(script)
        assert line.pieces == []
        assert KEY not in f"{caught.value!r} {caught.value} {caught.value.as_dict()} {line.agent!r}"


async def test_the_time_to_wait_is_handed_on(server: OpenAIServer) -> None:
    async with Line(server) as line:
        with pytest.raises(RateLimitedError) as caught:
            await line.ask(turn(), refuses(429, retry_after=30))
        assert caught.value.retry_after == 30
        assert caught.value.retryable


async def test_a_failure_that_may_pass_is_tried_again(server: OpenAIServer) -> None:
    async with Line(server, max_retries=2) as line:
        script = [refuses(500), refuses(429, retry_after=0.01), says("Here", " I am.")]
        assert await line.ask(turn(), *script) == ["Here", " I am."]
        assert len(server.requests) == 3


async def test_nothing_is_tried_again_once_the_model_has_spoken(server: OpenAIServer) -> None:
    async with Line(server) as line:
        with pytest.raises(ProviderUnavailableError, match="dropped the connection"):
            await line.ask(turn(), says("We open", " at nine.", break_after=1), says("Never asked."))
        assert line.pieces == ["We open"]
        assert len(server.requests) == 1


@pytest.mark.parametrize(("after", "which"), [(0, "first"), (1, "next")])
async def test_a_stalled_model_is_given_up(server: OpenAIServer, after: int, which: str) -> None:
    async with Line(server, first_token_timeout=0.1 if after == 0 else 2.0, stall_timeout=0.1) as line:
        with pytest.raises(DeadlineError, match=f"no {which} token within 0.1 s"):
            await line.ask(turn(), says("We open", " at nine.", stall_after=after))
        assert line.pieces == ["We open"][:after]


async def test_closing_the_reply_drops_the_connection(server: OpenAIServer) -> None:
    async with Line(server) as line:
        server.script(says("We open", " at nine.", stall_after=1))
        before = asyncio.all_tasks()
        reply = line.agent.reply(turn())
        assert await anext(reply) == "We open"
        await reply.aclose()  # type: ignore[attr-defined]  # an async generator behind the Protocol's iterator
        await until(lambda: server.disconnects == 1)
        await until(lambda: asyncio.all_tasks() <= before)


async def test_no_one_at_the_other_end() -> None:
    agent = LLMAgent("any", instructions="", base_url="http://127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(ProviderUnavailableError, match="cannot be reached"):
        await anext(agent.reply(turn()))
    await agent.aclose()


async def test_a_shared_model_outlives_its_agents(server: OpenAIServer) -> None:
    model = openai_model("openai:any", base_url=server.base_url, api_key=KEY)
    for words in ("One.", "Two."):
        server.script(says(words))
        agent = LLMAgent(model, instructions="Be brief.")
        assert [piece async for piece in agent.reply(turn())] == [words]
        await agent.aclose()
    async with model:
        pass


async def until(condition: Any) -> None:
    async with asyncio.timeout(2):
        while not condition():
            await asyncio.sleep(0)


class Diary:
    """Tools, with what became of each call."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.started = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def _act(self, name: str) -> None:
        self.started.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.done.append(f"{name} cancelled")
            raise
        self.done.append(name)

    @property
    def tools(self) -> list[Any]:
        @side_effect
        async def book(people: int) -> str:
            """Book a table."""
            await self._act(f"book {people}")
            return f"reference A{people}"

        @read_only
        async def look(day: str) -> str:
            """Look for free tables."""
            await self._act(f"look {day}")
            return "two tables"

        async def plain(day: str) -> str:
            """Do something unmarked."""
            await self._act(f"plain {day}")
            return "something"

        async def fails() -> str:
            """Fail."""
            raise ValueError("secret")

        return [book, look, plain, fails]


async def test_tools_are_called_and_answered(server: OpenAIServer) -> None:
    diary = Diary()
    async with Line(server, tools=diary.tools) as line:
        both = Completion(("Let me see.",), (ToolCall("look", {"day": "Friday"}), ToolCall("book", {"people": 4})))
        assert "".join(await line.ask(turn(), both, says("It is", " booked."))) == "Let me see. It is booked."
        assert sorted(diary.done) == ["book 4", "look Friday"]
        results = {words for role, words in line.sent() if role == "tool"}
        assert results == {"two tables", "reference A4"}


@pytest.mark.parametrize(
    ("call", "early"),
    [(calls("look", day="Friday"), True), (calls("plain", day="Friday"), False), (calls("book", people=2), False)],
)
async def test_only_a_read_only_tool_runs_before_the_turn_is_decided(
    server: OpenAIServer, call: Completion, early: bool
) -> None:
    diary, decided, asked = Diary(), asyncio.Event(), asyncio.Event()

    async def commit() -> None:
        asked.set()
        await decided.wait()

    async with Line(server, tools=diary.tools, filler="") as line:
        answer = asyncio.create_task(line.ask(turn(decided=commit), call, says("Done.")))
        if early:
            assert await answer == ["Done."]
            assert not asked.is_set()
        else:
            await asked.wait()
            assert diary.done == []
            decided.set()
            assert await answer == ["Done."]
        assert len(diary.done) == 1


async def test_a_discarded_turn_ends_without_words_or_effects(server: OpenAIServer) -> None:
    async def discarded() -> None:
        raise asyncio.CancelledError

    diary = Diary()
    async with Line(server, tools=diary.tools) as line:
        said = Completion(("Booking it.",), (ToolCall("book", {"people": 4}),))
        assert await line.ask(turn(decided=discarded), said) == ["Booking it."]
        assert diary.done == []
        await line.ask(turn(), says("Hello."))
        assert "book" not in str(line.sent())


async def test_an_interruption_cancels_a_plain_tool(server: OpenAIServer) -> None:
    diary = Diary()
    diary.gate.clear()
    async with Line(server, tools=diary.tools) as line:
        await interrupt(line, diary, calls("plain", day="Friday"))
        assert diary.done == ["plain Friday cancelled"]


async def test_an_interruption_leaves_a_side_effect_running_and_its_result_is_told(server: OpenAIServer) -> None:
    diary = Diary()
    diary.gate.clear()
    async with Line(server, tools=diary.tools) as line:
        await interrupt(line, diary, calls("book", people=4))
        assert diary.done == []

        await line.ask(turn("Wait."), says("Yes?"))
        assert 'book({"people": 4}) is still running' in str(line.sent())

        diary.gate.set()
        await until(lambda: diary.done)
        await line.ask(turn("Is it booked?"), says("It is."))
        assert 'book({"people": 4}) is done; its result was: reference A4' in str(line.sent())
        assert diary.done == ["book 4"]


async def test_the_times_of_each_tool_are_reported_once_it_is_over(server: OpenAIServer) -> None:
    diary = Diary()
    reported: list[AgentToolCall] = []
    asked = replace(turn(), report_tool=reported.append)
    async with Line(server, tools=diary.tools) as line:
        await line.ask(asked, calls("look", day="Friday"), calls("book", people=4), says("It is booked."))
        assert [(call.name, call.outcome) for call in reported] == [("look", "done"), ("book", "done")]
        assert reported[0].started <= reported[0].finished <= reported[1].started <= reported[1].finished
        with pytest.raises(AgentError):
            await line.ask(asked, calls("fails"))
        assert (reported[-1].name, reported[-1].outcome) == ("fails", "failed")
    assert "Friday" not in repr(reported), "arguments are the caller's words"

    diary.gate.clear()
    async with Line(server, tools=diary.tools, tool_timeout=0.01) as line:
        await line.ask(asked, calls("plain", day="Friday"), says("It takes long."))
        assert (reported[-1].name, reported[-1].outcome) == ("plain", "stopped")


@pytest.mark.parametrize(
    ("call", "result"),
    [
        (calls("look", day="Friday"), 'look({"day": "Friday"}) is done; its result was: two tables'),
        (calls("plain", day="Friday"), 'plain({"day": "Friday"}) is done; its result was: something'),
        (calls("book", people=4), 'book({"people": 4}) is done; its result was: reference A4'),
    ],
)
async def test_what_a_tool_did_is_known_in_later_turns(server: OpenAIServer, call: Completion, result: str) -> None:
    async with Line(server, tools=Diary().tools, filler="") as line:
        await line.ask(turn("Any tables?"), call, says("Yes."))
        await line.ask(turn("When?"), says("On Friday."))
        (instructions,) = [words for role, words in line.sent() if role == "system"]
        assert instructions.startswith("Be brief.\n\nCalls of tools")
        assert result in instructions


async def test_a_plain_tool_that_was_cancelled_or_failed_is_known_in_later_turns(server: OpenAIServer) -> None:
    diary = Diary()
    diary.gate.clear()
    async with Line(server, tools=diary.tools, filler="") as line:
        await interrupt(line, diary, calls("plain", day="Friday"))
        with pytest.raises(AgentError):
            await line.ask(turn(), calls("fails"))
        await line.ask(turn("Well?"), says("Sorry."))
        instructions = line.sent()[0][1]
        assert 'plain({"day": "Friday"}) was cancelled; whether it was done is unknown' in instructions
        assert "fails({}) failed with ValueError; whether it was done is unknown" in instructions
        assert "secret" not in instructions


async def test_what_is_known_of_tools_is_bounded(server: OpenAIServer) -> None:
    async def read(page: int) -> str:
        """Read a page."""
        return f"page {page} " + "word " * 1000

    async with Line(server, tools=[read], filler="", max_context_tokens=1000) as line:
        for page in range(5):
            await line.ask(turn(), calls("read", page=page), says("Yes."))
        await line.ask(turn("Well?"), says("Well."))
        assert len(line.sent()[0][1]) < 1500
    async with Line(server, tools=[read], filler="", max_context_tokens=4000) as line:
        for page in range(5):
            await line.ask(turn(), calls("read", page=page), says("Yes."))
        await line.ask(turn("Well?"), says("Well."))
        assert "page 4 word" in line.sent()[0][1]
        assert "page 0 word" not in line.sent()[0][1]


@pytest.mark.parametrize("fault", [SystemExit(2), KeyboardInterrupt(), GeneratorExit(), BaseException("secret")])
@pytest.mark.parametrize("mark", [side_effect, read_only, lambda tool: tool])
async def test_a_tool_that_exits_is_an_agent_error(server: OpenAIServer, fault: BaseException, mark: Any) -> None:
    async def leaves() -> None:
        """Leave."""
        raise fault

    def leaves_at_once() -> None:
        """Leave."""
        raise fault

    for tool in (leaves, leaves_at_once):
        async with Line(server, tools=[mark(tool)], filler="") as line:
            with pytest.raises(AgentError, match=type(fault).__name__) as caught:
                await line.ask(turn(), calls(tool.__name__))
            assert "secret" not in str(caught.value)
            assert await line.ask(turn(), says("Here I am.")) == ["Here I am."]


async def test_one_configuration_serves_many_calls(server: OpenAIServer) -> None:
    async with Line(server, tools=Diary().tools, filler="") as line:
        await line.ask(turn("For Ada."), calls("book", people=4), says("Booked."))
        other = line.agent.clone()
        server.script(says("Hello."))
        assert [piece async for piece in other.reply(turn("Hello?"))] == ["Hello."]
        assert "book(" not in str(line.sent())
        await other.aclose()
        assert await line.ask(turn("Well?"), says("Well.")) == ["Well."], "it has closed nothing that others use"
        assert "book(" in str(line.sent())
        await line.agent.aclose()
        later = line.agent.clone()
        server.script(says("Hello."))
        assert [piece async for piece in later.reply(turn("Hello?"))] == ["Hello."], "nor what others will use"
        await later.aclose()


async def test_the_end_of_the_session_waits_for_effects_up_to_their_deadline(server: OpenAIServer) -> None:
    diary = Diary()
    diary.gate.clear()
    line = Line(server, tools=diary.tools, effect_deadline=0.05)
    await interrupt(line, diary, calls("book", people=4))
    await line.agent.aclose()
    assert diary.done == ["book 4 cancelled"]


async def interrupt(line: Line, diary: Diary, call: Completion) -> None:
    """Close the reply while the tool is at work."""
    answer = asyncio.create_task(line.ask(turn(), call))
    await diary.started.wait()
    answer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answer


async def test_a_slow_tool_is_covered_by_a_filler_once(server: OpenAIServer) -> None:
    diary = Diary()
    diary.gate.clear()
    async with Line(server, tools=diary.tools, filler_after=0.0) as line:
        server.script(
            Completion(("Let me see.",), (ToolCall("look", {"day": "Friday"}),)), calls("book", people=2), says("Done.")
        )
        reply = line.agent.reply(turn())
        said: list[Reply] = []
        while len(said) < 2:
            said += [piece for piece in [await anext(reply)] if not isinstance(piece, Progress)]
        diary.gate.set()
        said += [piece async for piece in reply if not isinstance(piece, Progress)]
        assert said == ["Let me see.", " One moment, please.", " Done."]


async def test_a_tool_that_takes_too_long_is_stopped_and_the_model_told(server: OpenAIServer) -> None:
    diary = Diary()
    diary.gate.clear()
    async with Line(server, tools=diary.tools, tool_timeout=0.02, effect_deadline=0.02, filler="") as line:
        for call in (calls("look", day="Friday"), calls("book", people=2)):
            await line.ask(turn(), call, says("Sorry."))
            assert "took longer than 0.02 s and was stopped" in line.sent()[-1][1]
        assert diary.done == ["look Friday cancelled", "book 2 cancelled"]


async def test_a_tool_that_raises_is_an_agent_error(server: OpenAIServer) -> None:
    async with Line(server, tools=Diary().tools) as line:
        with pytest.raises(AgentError, match="The tool 'fails' raised ValueError") as caught:
            await line.ask(turn(), calls("fails"))
        assert "secret" not in str(caught.value)


async def test_a_tool_whose_result_is_not_json_is_named(server: OpenAIServer) -> None:
    class Table:
        def __repr__(self) -> str:
            return "secret"

    def find_table() -> Any:
        """Find a table."""
        return [Table()]

    def find_date() -> Any:
        """Find a date."""
        return {"day": datetime.date(2026, 5, 5)}

    reported: list[AgentToolCall] = []
    async with Line(server, tools=[find_table, find_date], filler="") as line:
        with pytest.raises(AgentError, match="The tool 'find_table' returned list, which cannot be sent") as caught:
            await line.ask(replace(turn(), report_tool=reported.append), calls("find_table"))
        assert "secret" not in str(caught.value)
        assert [call.outcome for call in reported] == ["failed"]
        await line.ask(turn(), calls("find_date"), says("In May."))
        assert "2026-05-05" in line.sent()[-1][1]


async def test_tools_without_end_are_stopped(server: OpenAIServer) -> None:
    async with Line(server, tools=Diary().tools, max_requests=3, filler="") as line:
        with pytest.raises(AgentError, match="too many times"):
            await line.ask(turn(), *[calls("look", day="Friday")] * 4)
        assert len(server.requests) == 3


async def test_a_tool_sees_the_users_data(server: OpenAIServer) -> None:
    from pydantic_ai import RunContext, Tool

    seen = []

    def who(ctx: RunContext[str]) -> str:
        seen.append(ctx.deps)
        return "you"

    async with Line(server, tools=[Tool(who, name="whoami")]) as line:
        await line.ask(turn(user_data="Anna"), calls("whoami"), says("You."))
        assert seen == ["Anna"]


async def test_it_is_an_agent_without_state_to_roll_back(server: OpenAIServer) -> None:
    async with Line(server) as line:
        assert isinstance(line.agent, Agent)
        assert line.agent.speculative
        assert not isinstance(line.agent, Stateful)


async def takes_a_queue(queue: asyncio.Queue[str]) -> None:
    return


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "nothing"}, "'nothing'"),
        ({"model": "nobody:nothing"}, "'nobody:nothing'"),
        ({"model": "openai:any"}, "OPENAI_API_KEY"),
        ({"first_token_timeout": 0}, "first_token_timeout is 0"),
        ({"max_retries": -1}, "max_retries is -1"),
        ({"max_context_tokens": -5}, "max_context_tokens is -5"),
        ({"filler_after": -1.0}, "filler_after"),
        ({"tools": ["book"]}, "cannot be a tool"),
        ({"tools": [committed, committed]}, "cannot be a tool"),
        ({"tools": [takes_a_queue]}, "cannot be a tool"),
    ],
)
async def test_settings_that_cannot_work_are_refused(
    options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match=message):
        LLMAgent(**({"model": "test", "instructions": ""} | options))


@pytest.mark.parametrize("key", ["sk-hidden\n", "sk-hidden\n1", " sk-hidden", "sk-hidden“", "sk-\thidden"])
@pytest.mark.parametrize("base_url", [None, "http://127.0.0.1:9/v1"])
async def test_a_key_that_cannot_be_sent_is_refused_unshown(
    key: str, base_url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="no key has") as given:
        openai_model("openai:any", base_url=base_url, api_key=key)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(ConfigError, match="no key has") as found:
        openai_model("openai:any", base_url=base_url)
    assert "hidden" not in f"{given.value}{found.value}"


async def test_a_model_object_takes_no_address() -> None:
    from pydantic_ai.models.test import TestModel

    with pytest.raises(ConfigError, match="brings its own"):
        LLMAgent(TestModel(), instructions="", base_url="http://127.0.0.1:9/v1")


def test_a_tool_is_read_only_or_has_effects() -> None:
    with pytest.raises(ConfigError, match="both"):
        read_only(side_effect(lambda: None))


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
async def test_no_proxy_is_asked_for_a_model_on_this_machine(
    variable: str, proxy: str, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, proxy)
    async with Line(server) as line:
        assert await line.ask(turn(), says("Hello.")) == ["Hello."]
