"""A language model of pydantic-ai that fails on purpose. Needs the extra `llm`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.exceptions import UnexpectedModelBehavior
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from duologue.testing.faults import Fault, FaultPlan, faulty_items, strike

__all__ = ["FaultyModel"]


class FaultyModel(WrapperModel):
    """A model whose requests fail as a plan says."""

    def __init__(self, model: Model, plan: FaultPlan, *, name: str = "") -> None:
        super().__init__(model)
        self.plan = plan
        self._name = name or model.model_name

    @property
    def model_name(self) -> str:
        """The name that was given."""
        return self._name

    @property
    def model_id(self) -> str:
        """The name that was given."""
        return self._name

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Answer as a whole, or fail."""
        if (fault := self.plan.next()) is not None:
            await strike(fault, self._name)
        return await super().request(messages, model_settings, model_request_parameters)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """Answer as a stream, or fail."""
        fault = self.plan.next()
        if fault is not None and fault.at == "start" and (error := fault.error(self._name)) is not None:
            raise error
        async with super().request_stream(messages, model_settings, model_request_parameters, run_context) as response:
            if fault is not None:
                after = {"start": 0, "middle": 3, "end": 6}[fault.at]
                events = faulty_items(
                    aiter(response), fault, self._name, lambda _, before: before >= after, lambda _: _nonsense(fault)
                )
                response._event_iterator = events
            yield response


def _nonsense(fault: Fault) -> Any:
    raise UnexpectedModelBehavior(f"The stream holds what is no event ({fault.kind}).")
