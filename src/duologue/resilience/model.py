"""Language models in a list, as one model of pydantic-ai: the next one is asked if one fails before its first token.

pydantic-ai's FallbackModel asks the next model after an error. This adds what a call needs: a deadline on the first
token, and the process's circuit breakers. Nothing is repeated once a token was passed on, because it may be spoken by
then; and no tool runs twice, because tools run outside of a request. `LLMAgent` retries a request only if all have
failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, Self

from pydantic_ai import RunContext
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError, UnexpectedModelBehavior
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from duologue.agent.faults import is_fault
from duologue.agent.llm.failures import as_ours
from duologue.errors import DeadlineError, DuologueError, ProviderError
from duologue.resilience.breaker import BreakerRegistry
from duologue.resilience.chain import Member, attempts, check_members, members_of, none_left
from duologue.resilience.failures import loop_time
from duologue.resilience.settings import ResilienceSettings

__all__ = ["FallbackModel"]

OWN_FAULT = (400, 404, 405, 413, 422)
"""HTTP statuses by which a request is wrong; the provider is not down. The agent knows remedies for some."""


class FallbackModel(WrapperModel):
    """A language model over several: the first that is healthy answers.

    Args:
        models: Models of pydantic-ai. Name, profile and settings are those of the first, which is preferred, and is
            returned to when it is healthy again.
        settings: Limits of all of them.
        breakers: The registry; that of the process by default.
    """

    def __init__(
        self,
        models: Sequence[Model],
        settings: ResilienceSettings | None = None,
        *,
        breakers: BreakerRegistry | None = None,
    ) -> None:
        check_members("language models", models)
        super().__init__(models[0])
        self._members: list[Member[Model]] = members_of("model", models, settings, breakers)
        self._open: AsyncExitStack | None = None
        self._users = 0

    async def __aenter__(self) -> Self:
        """Open all models; each is closed with its last user."""
        self._users += 1
        if self._users == 1:
            async with AsyncExitStack() as stack:
                for member in self._members:
                    await stack.enter_async_context(member.provider)
                self._open = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all models."""
        self._users -= 1
        if self._users == 0 and self._open is not None:
            stack, self._open = self._open, None
            await stack.aclose()

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Ask for an answer as a whole. Raises what the last model failed with if none answers."""
        failure: Exception | None = None
        for attempt in attempts(self._members):
            model, guard = attempt.member.provider, attempt.member.guard
            try:
                permit = await guard.enter(is_last=attempt.is_last)
            except DuologueError as refusal:
                failure = failure or refusal
                continue
            try:
                prepared = model.prepare_messages(messages, model_request_parameters)
                answer = model.request(prepared, model_settings, model_request_parameters)
                response = await guard.deadline_for(is_last=attempt.is_last).call(guard.name, answer)
                permit.succeeded()
                return response
            except BaseException as error:  # SystemExit, too: the next model answers
                if not is_fault(error):
                    raise
                failure = error if isinstance(error, Exception) else _as_fault(error, guard.name)
                if not _may_pass_on(error):
                    permit.succeeded()
                    raise
                permit.failed(_as_fault(error, guard.name))
            finally:
                guard.leave(permit)
        raise failure or none_left(self.model_name, None)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """Ask for an answer as a stream, and pass it on once it has begun."""
        failure: Exception | None = None
        for attempt in attempts(self._members):
            model, guard = attempt.member.provider, attempt.member.guard
            try:
                permit = await guard.enter(is_last=attempt.is_last)
            except DuologueError as refusal:
                failure = failure or refusal
                continue
            began = False
            try:
                async with AsyncExitStack() as stack:
                    limit = guard.deadline_for(is_last=attempt.is_last).first
                    prepared = model.prepare_messages(messages, model_request_parameters)
                    opening = model.request_stream(prepared, model_settings, model_request_parameters, run_context)
                    response, waits = await _begin(guard.name, limit, stack, opening)
                    permit.progressed()
                    began = True
                    yield response
                permit.succeeded()
                return
            except BaseException as error:
                if not is_fault(error):  # a cancellation, or the consumer has enough
                    if began and waits.seconds > limit:
                        permit.failed(DeadlineError(f"{guard.name} stopped in mid-answer.", provider=guard.name))
                    raise
                failure = error if isinstance(error, Exception) else _as_fault(error, guard.name)
                if began:  # too late for another model; or the consumer's own failure
                    if isinstance(error, ModelAPIError | UnexpectedModelBehavior | ProviderError):
                        permit.failed(_as_fault(error, guard.name))
                    raise
                if not _may_pass_on(error):
                    permit.succeeded()
                    raise
                permit.failed(_as_fault(error, guard.name))
            finally:
                guard.leave(permit)
        raise failure or none_left(self.model_name, None)


class _Waits:
    """For how long the consumer has been waiting for the next event."""

    def __init__(self) -> None:
        self.since: float | None = None

    @property
    def seconds(self) -> float:
        return 0.0 if self.since is None else loop_time() - self.since


async def _begin(name: str, limit: float, stack: AsyncExitStack, opening: Any) -> tuple[StreamedResponse, _Waits]:
    """Open a stream, and wait for its first event, which the consumer gets, too."""
    try:
        async with asyncio.timeout(limit) as timeout:
            response: StreamedResponse = await stack.enter_async_context(opening)
            events = aiter(response)
            try:
                first = [await anext(events)]
            except StopAsyncIteration:
                first = []
    except TimeoutError:
        if not timeout.expired():
            raise
        raise DeadlineError(
            f"The language model {name!r} sent no first token within {limit:g} s.", provider=name
        ) from None
    waits = _Waits()
    response._event_iterator = _joined(first, events, waits)  # what iterating over the response returns
    return response, waits


async def _joined(first: list[Any], rest: AsyncIterator[Any], waits: _Waits) -> AsyncIterator[Any]:
    for event in first:
        yield event
    waits.since = loop_time()
    async for event in rest:
        waits.since = None
        yield event
        waits.since = loop_time()
    waits.since = None


def _as_fault(error: BaseException, name: str) -> DuologueError:
    ours = as_ours(error, name)
    if isinstance(ours, DuologueError) and isinstance(error, ModelAPIError | DuologueError):
        return ours
    return ProviderError(f"The language model {name!r} failed: {type(error).__name__}.", provider=name)


def _may_pass_on(error: BaseException) -> bool:
    """Return True if another model may do better: the request is not wrong, and nothing was cancelled."""
    return not (isinstance(error, ModelHTTPError) and error.status_code in OWN_FAULT)
