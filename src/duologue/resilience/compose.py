"""The usual composition: name providers in a list, and get fallback, breakers, deadlines, limits and hedging.

From the outside in: fallback to the next provider; the breaker of each, shared by all sessions; its limits on calls;
for whole utterances a second request when the first is late; the deadline on progress; the provider.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from duologue.resilience.breaker import BreakerRegistry
from duologue.resilience.settings import ResilienceSettings

if TYPE_CHECKING:
    from pydantic_ai.models import Model

    from duologue.resilience.stt import FallbackSpeechToText
    from duologue.resilience.tts import FallbackTextToSpeech
    from duologue.stt import SpeechToText, SttModel
    from duologue.tts import TextToSpeech, TtsModel

__all__ = ["resilient_model", "resilient_stt", "resilient_tts"]


def resilient_stt(
    providers: Sequence[SpeechToText | SttModel],
    settings: ResilienceSettings | None = None,
    *,
    breakers: BreakerRegistry | None = None,
) -> FallbackSpeechToText:
    """Make one recognizer of 1 to 8, of which the first is preferred; models of the engine may be among them.

    Args:
        providers: Recognizers, in the order in which they are asked.
        settings: Limits; the defaults are meant for live calls.
        breakers: Where the state of providers is kept; by default `BREAKERS`, which the whole process shares.

    Raises:
        ConfigError: No provider is named, or one twice, or one makes no sense.
    """
    from duologue.resilience.stt import FallbackSpeechToText

    return FallbackSpeechToText(providers, settings, breakers=breakers)


def resilient_tts(
    providers: Sequence[TextToSpeech | TtsModel],
    settings: ResilienceSettings | None = None,
    *,
    breakers: BreakerRegistry | None = None,
) -> FallbackTextToSpeech:
    """Make one voice of 1 to 8, at the rate of the first. Arguments and errors are those of `resilient_stt`."""
    from duologue.resilience.tts import FallbackTextToSpeech

    return FallbackTextToSpeech(providers, settings, breakers=breakers)


def resilient_model(
    models: Sequence[Model | str],
    settings: ResilienceSettings | None = None,
    *,
    breakers: BreakerRegistry | None = None,
) -> Model:
    """Make one language model of 1 to 8, for `LLMAgent(model=...)`; a name is as `openai_model` takes it.

    Arguments and errors are those of `resilient_stt`. Raises NotInstalledError without the extra `llm`.
    """
    from duologue.agent.llm import openai_model

    made = [openai_model(model) if isinstance(model, str) else model for model in models]
    from duologue.resilience.model import FallbackModel

    return FallbackModel(made, settings, breakers=breakers)
