"""LLMAgent: a language model that answers turns in text, calls tools, and knows only what the user heard."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from duologue.agent import EndCall, Reply, Turn
from duologue.agent.llm.context import CUT_OFF, alternating, estimate_tokens, trim
from duologue.agent.llm.effects import Effects
from duologue.errors import ConfigError, DeadlineError, NotInstalledError, ProviderError

if TYPE_CHECKING:
    from pydantic_ai.models import Model

    from duologue.agent.llm.controls import CallControls
    from duologue.agent.llm.run import Run

__all__ = ["LLMAgent", "openai_model"]

_BACKOFF = 0.1
"""Seconds before the first retry, if the provider names no time; doubled for each further one."""
_MAX_TRIMS = 4
"""How often a conversation that is too long for the model is shortened in one turn, each time to half of it."""

_CUT_OFF_NOTE = f"Where one of your messages ends with {CUT_OFF!r}, the user interrupted you; never say that mark."


class LLMAgent:
    """Answers with a language model; one instance serves one session, and `clone` makes one for another.

    `model` is a name as pydantic-ai knows it (`openai:gpt-6-luna`; with `base_url`, any OpenAI-compatible server and
    its own name for the model), or a pydantic-ai model object, which several agents can share and whose life is its
    owner's. A session ends with `aclose()`.

    The model sees `instructions`, and of the history what was *heard*: as many of the newest turns as fit in
    `max_context_tokens`. If the model says that this is too much, the turn is asked again with half of it. The model
    knows what its tools have done in this call.

    Tools are functions, async if they wait for anything, or pydantic-ai `Tool`s; a `RunContext` holds the session's
    `user_data` as `deps`. A tool waits until the turn is decided and is cancelled when the user interrupts; one marked
    `@read_only` does not wait; one marked `@side_effect` is never cancelled with the turn and has `effect_deadline`
    seconds. So nothing happens on speculation, and the agent is `speculative` (which costs tokens for turns that are
    discarded: `speculative=False` saves them).

    Reasoning is not spoken, whether the server separates it or it stands between tags such as `<think>`.

    `first_token_timeout` bounds the time to the model's first sign, retries included, and is long enough for a model
    that is still being loaded; `stall_timeout` each wait after it; `tool_timeout` each tool without effects. Seconds,
    all of them. While they run, the agent yields `Progress`, so that the session waits for it. Before the first sign up
    to `max_retries` retries follow a refusal or a failure that may pass. After `filler_after` seconds of a tool,
    `filler` is said, once a turn. `greeting` is what it says first. With `can_hang_up` the model has a tool `hang_up`,
    which ends the call once its words have been heard; `hand_over_to` gives it a tool `hand_over`, to agents of
    `agents=` by their names, and says of each what it is for. An answer without words yields nothing, which the
    session reports as an error.

    `reply` raises DeadlineError, AuthenticationError, RateLimitedError, QuotaExceededError, ProviderUnavailableError,
    another ProviderError if the request is rejected, and AgentError if a tool raises.
    """

    def __init__(
        self,
        model: str | Model,
        *,
        instructions: str,
        tools: Sequence[Any] = (),
        base_url: str | None = None,
        api_key: str | None = None,
        settings: Mapping[str, Any] | None = None,
        speculative: bool = True,
        max_context_tokens: int = 8000,
        first_token_timeout: float = 60.0,
        stall_timeout: float = 15.0,
        tool_timeout: float = 30.0,
        effect_deadline: float = 60.0,
        max_retries: int = 2,
        max_requests: int = 8,
        filler: str = "One moment, please.",
        filler_after: float = 1.0,
        greeting: str = "",
        can_hang_up: bool = False,
        hand_over_to: Mapping[str, str] | None = None,
    ) -> None:
        _load_pydantic_ai()
        from duologue.agent.llm.controls import control_tools
        from duologue.agent.llm.first import FirstRequest
        from duologue.agent.llm.gate import make_toolset
        from duologue.agent.llm.model import chat_model, endpoint_of, habits_of, make_agent
        from duologue.agent.llm.run import Limits

        positive = {
            "max_context_tokens": max_context_tokens,
            "first_token_timeout": first_token_timeout,
            "stall_timeout": stall_timeout,
            "tool_timeout": tool_timeout,
            "effect_deadline": effect_deadline,
            "max_requests": max_requests,
        }
        for setting, value in positive.items():
            if value <= 0:
                raise ConfigError(f"{setting} is {value}; expected a number above 0.")
        for setting, value in {"max_retries": max_retries, "filler_after": filler_after}.items():
            if value < 0:
                raise ConfigError(f"{setting} is {value}; expected 0 or more.")
        if not isinstance(model, str) and (base_url is not None or api_key is not None):
            raise ConfigError("A model object brings its own base_url and api_key; expected neither beside it.")
        self._owns_model = isinstance(model, str)
        self._model: Model = chat_model(model, base_url, api_key) if isinstance(model, str) else model
        self._options: dict[str, Any] = {
            "instructions": instructions,
            "tools": tools,
            "settings": settings,
            "speculative": speculative,
            "max_context_tokens": max_context_tokens,
            "first_token_timeout": first_token_timeout,
            "stall_timeout": stall_timeout,
            "tool_timeout": tool_timeout,
            "effect_deadline": effect_deadline,
            "max_retries": max_retries,
            "max_requests": max_requests,
            "filler": filler,
            "filler_after": filler_after,
            "greeting": greeting,
            "can_hang_up": can_hang_up,
            "hand_over_to": hand_over_to,
        }
        self._url = endpoint_of(self._model)
        self._habits = habits_of(self._model)
        self._hand_over_to = dict(hand_over_to or {})
        controls = control_tools(can_hang_up=can_hang_up, hand_over_to=self._hand_over_to)
        self._controls = frozenset(tool.name for tool in controls)
        self._tools, self._kinds = make_toolset([*tools, *controls])
        self._agent = make_agent(self._model, settings or {})
        self._first = FirstRequest.to(self._model, settings or {}, self._tools)
        self._instructions = instructions
        self._limits = Limits(first_token_timeout, stall_timeout, tool_timeout, filler_after, max_requests)
        self._max_context_tokens = max_context_tokens
        self._max_retries = max_retries
        self._filler = filler
        self._effects = Effects(effect_deadline)
        self._life = AsyncExitStack()
        self._opened = False
        self.speculative = speculative
        self.greeting = greeting
        self.turns_trimmed: int = 0
        """Old turns that the last request left out, to keep within `max_context_tokens`."""

    def __repr__(self) -> str:
        return f"LLMAgent({self._model.model_name!r}, tools={sorted(self._kinds)})"

    def clone(self) -> LLMAgent:
        """Make an agent for another call: the same model, with its connections, and nothing of this call."""
        copy = LLMAgent(self._model, **self._options)
        copy._habits = self._habits
        # The connections close with the last agent that uses them, and are made anew for the next.
        copy._owns_model = self._owns_model
        return copy

    async def reply(self, turn: Turn) -> AsyncIterator[Reply]:
        """Stream the model's text as it arrives. Closing the iterator stops the model and the tools without effects."""
        from duologue.agent.llm.controls import CallControls
        from duologue.agent.llm.failures import remedy_for

        if self._owns_model and not self._opened:
            self._opened = True
            await self._life.enter_async_context(self._model)
        now = asyncio.get_running_loop().time
        due = now() + self._limits.first_token
        attempt = trims = 0
        while True:
            controls = CallControls(turn, self._controls, self._hand_over_to)
            run = self._run(turn, due, controls)
            try:
                async with run:
                    while (piece := await run.next()) is not None:
                        yield piece
                if controls.ends_call:
                    yield EndCall()
                return
            except ProviderError as error:
                if run.progressed:
                    raise
                remedy = remedy_for(error.__cause__)
                if remedy == "shorten" and trims < _MAX_TRIMS and run.messages:
                    trims += 1
                    self._max_context_tokens = self._spent // 2
                    continue
                if remedy == "fold_system_role" and not self._habits.refuses_system_role:
                    self._habits.refuses_system_role = True
                    continue
                wait = error.retry_after if error.retry_after is not None else _BACKOFF * 2**attempt
                last = attempt == self._max_retries or now() + wait >= due
                if last or not error.retryable or isinstance(error, DeadlineError):
                    raise
            attempt += 1
            await asyncio.sleep(wait)

    async def startup_warning(self) -> str | None:
        """What keeps the model from answering, in a line; None if nothing is known to. It asks for no completion."""
        from duologue.agent.llm.probe import probe

        return await probe(self._model)

    async def aclose(self) -> None:
        """Wait for effects that still run, up to their deadline, and close the connections."""
        await self._effects.aclose()
        await self._life.aclose()
        self._opened = False

    def _run(self, turn: Turn, due: float, controls: CallControls) -> Run:
        from duologue.agent.llm.gate import Gate
        from duologue.agent.llm.run import Run, to_messages

        # A quarter of the budget, at four characters a token.
        calls = self._effects.note(max_characters=self._max_context_tokens)
        cut_off = _CUT_OFF_NOTE if any(message.interrupted for message in turn.history) else ""
        # In one message: many chat templates take only one of the system's.
        instructions = "\n\n".join(text for text in (self._instructions, cut_off, calls) if text)
        fixed = estimate_tokens(instructions) + estimate_tokens(turn.text)
        history, self.turns_trimmed = trim(turn.history, self._max_context_tokens - fixed)
        messages, prompt = alternating(history, turn.text)
        self._spent = fixed + sum(estimate_tokens(text) for _, text in messages)
        return Run(
            agent=self._agent,
            first=self._first,
            name=self._model.model_name,
            url=self._url,
            turn=turn,
            prompt=prompt,
            messages=to_messages(messages),
            instructions=instructions,
            gate=Gate(self._tools, turn, self._kinds, self._effects, self._limits.tool, controls),
            limits=self._limits,
            habits=self._habits,
            filler=self._filler,
            first_token_due=due,
        )


def openai_model(name: str, *, base_url: str | None = None, api_key: str | None = None) -> Model:
    """A model that many agents share, and with it one pool of connections; `name` as for LLMAgent.

    Make it once a process: each has its own TLS context and connections. Raises ConfigError without a key for OpenAI.
    """
    _load_pydantic_ai()
    from duologue.agent.llm.model import chat_model

    return chat_model(name, base_url, api_key)


def _load_pydantic_ai() -> None:
    """Import what needs it; that takes a second or two the first time, so it is done before any call."""
    try:
        importlib.import_module("duologue.agent.llm.run")
    except ImportError as error:
        raise NotInstalledError(
            f"Agents on language models need pydantic-ai: {error}.", hint="Install it: pip install 'duologue[llm]'."
        ) from error
