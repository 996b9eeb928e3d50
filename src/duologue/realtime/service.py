"""Speech-to-speech services by name, over pydantic-ai's connections: OpenAI Realtime and Live, Azure, Gemini Live, xAI.

Protocols: those that `pydantic_ai.realtime` of pydantic-ai-slim 2.68 speaks (November 2026).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator

from duologue.conversation.history import Message
from duologue.errors import ConfigError, DeadlineError, NotInstalledError, ProviderError, with_cause
from duologue.realtime import RealtimeCapabilities
from duologue.realtime.usage import RealtimeUsage
from duologue.services import http_address, read_key, validated

try:
    from pydantic_ai.exceptions import UserError
    from pydantic_ai.messages import (
        InstructionPart,
        ModelMessage,
        ModelRequest,
        ModelResponse,
        TextPart,
        UserPromptPart,
    )
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.realtime import RealtimeModel, infer_realtime_model
    from pydantic_ai.tools import Tool

    from duologue.realtime.connection import ServiceConnection
    from duologue.realtime.failures import error_of
except ImportError as _error:
    raise NotInstalledError(
        f"Speech-to-speech services need {_error.name or 'a package'}, which is missing.",
        hint="pip install 'duologue[realtime]'",
    ) from _error

__all__ = ["RealtimeService", "RealtimeSettings", "RealtimeUsage"]

INSTRUCTIONS: Final = (
    "You are on the phone. Answer in one or two short sentences of plain spoken English. If you are asked to say a "
    "text word for word, say it and nothing else."
)
LIVE_INSTRUCTIONS: Final = (
    "Delegate whatever you cannot answer from this conversation, and say that you are looking it up."
)
"""Added to the instructions of GPT-Live: it speaks, and another model has the tools."""
LIVE_PAUSE_MS: Final = 1500
"""After so much silence of GPT-Live, which has no ends of its answers, an answer is taken for complete."""
VOICE_SETTINGS: Final = {
    "openai": "openai_voice",
    "azure": "openai_voice",
    "google": "google_voice",
    "google-cloud": "google_voice",
    "xai": "xai_voice",
    "elevenlabs": "elevenlabs_voice",
}
"""The setting of pydantic-ai that chooses the voice, by the service's prefix."""
AZURE_VOICE: Final = re.compile(r"[a-z]{2,3}-[A-Z]{2}-\w")
"""How the names of Azure's voices begin: en-US-AvaMultilingualNeural."""
KEYS: Final = {"azure": "AZURE_OPENAI_API_KEY", "google": "GOOGLE_API_KEY"}
"""Environment variables with the key of a service whose name is another."""
MAX_HISTORY: Final = 100
"""Messages of the history that are sent to a new connection."""


class RealtimeSettings(BaseModel):
    """Settings of a speech-to-speech service. Times are in seconds."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base_url: str | None = Field(None, min_length=1)
    """The endpoint, if not the vendor's own: OpenAI, Azure and Google."""
    api_key_file: Path | None = None
    """A file that holds the key; otherwise it comes from the vendor's usual environment variable."""
    instructions: str = Field(INSTRUCTIONS, max_length=100_000)
    """Instructions for the model."""
    voice: str | None = Field(None, min_length=1, max_length=200)
    transcription_model: str | None = None
    """What the service transcribes the user's audio with. None: it does not, and the session's recognizer does."""
    connect_timeout: float = Field(10.0, gt=0, le=60)
    """For a connection to be made and configured."""
    stall_timeout: float = Field(10.0, gt=0, le=120)
    """How long nothing may come while a response is due, and how long sending may take."""
    typical_latency: float | None = Field(None, ge=0, le=60)
    """From the end of a turn to the first audio, as measured."""
    cost: float | None = Field(None, ge=0)
    """US dollars for a minute of conversation."""
    max_output_tokens: int | None = Field(None, ge=1)
    """The longest response."""

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, url: str | None) -> str | None:
        return None if url is None else http_address(url, "https://api.openai.com/v1")


class RealtimeService:
    """A speech-to-speech service by pydantic-ai's name: `openai:gpt-realtime-2.1`, `google:MODEL`, `xai:MODEL`.

    The session decides when a turn is over, where the service lets it; `owns_turns` is true for one that does not.

    Args:
        model: The service and its model.
        tools: Functions that the model may call, by name: their signature and docstring describe them to it.
        api_key: The key; otherwise it is read from `api_key_file` or the environment.
        settings: More settings of pydantic-ai's `RealtimeModelSettings`.
        options: Fields of RealtimeSettings.
    """

    def __init__(
        self,
        model: str,
        *,
        tools: Mapping[str, Callable[..., Awaitable[Any]]] | None = None,
        api_key: str | None = None,
        settings: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        prefix, colon, name = model.partition(":")
        if not (prefix and colon and name.strip()):
            raise ConfigError(
                f"{model!r} names no speech-to-speech model.", hint="Write SERVICE:MODEL, as openai:gpt-realtime-2.1."
            )
        self.settings: RealtimeSettings = validated(RealtimeSettings, f"the speech-to-speech model {model}", options)
        self.name = model
        self.tools: dict[str, Callable[..., Awaitable[Any]]] = dict(tools or {})
        self.usage: RealtimeUsage = RealtimeUsage()
        if settings is not None and not isinstance(settings, Mapping):
            raise ConfigError(f"settings of {model} is {type(settings).__name__}, and must be a table.")
        self._key_file = self.settings.api_key_file if api_key is None else None
        if self._key_file is not None:
            api_key = read_key(self._key_file, None)
        self._model = _make(model, prefix, api_key, self.settings.base_url)
        profile = self._model.profile
        self.rate: int = self._model.audio_output_sample_rate
        self.owns_turns: bool = not profile.get("supports_manual_turn_control", False)
        """The service decides by itself when to answer."""
        self._is_live: bool = profile.get("synthesizes_turn_boundary", False)
        """It is GPT-Live, which answers on a timeline of audio, without responses."""
        self.capabilities: RealtimeCapabilities = RealtimeCapabilities(
            decides_turns=self.owns_turns, typical_latency=self.settings.typical_latency, cost=self.settings.cost
        )
        self._model_settings = self._settings_for(prefix, dict(settings or {}))
        self._tool_definitions = [Tool(tool, name=key).tool_def for key, tool in self.tools.items()]

    async def connect(self, *, language: str | None = None, history: Sequence[Message] = ()) -> ServiceConnection:
        """Open a connection. Raises ProviderError if it cannot be opened within `connect_timeout`."""
        instructions = self.settings.instructions
        if language is not None and not language.lower().startswith("en"):
            instructions += f"\nThe user speaks the language {language!r}; answer in it."
        part = InstructionPart(content=instructions)
        settings = self._model_settings
        if self._is_live:
            settings = {"openai_live_instructions": f"{instructions}\n{LIVE_INSTRUCTIONS}", **settings}
        opening = self._model.connect(
            messages=_messages(history),
            model_settings=cast(Any, settings),
            model_request_parameters=ModelRequestParameters(
                function_tools=self._tool_definitions, instruction_parts=[part]
            ),
        )
        timeout = self.settings.connect_timeout
        try:
            async with asyncio.timeout(timeout):
                connection = await opening.__aenter__()
        except TimeoutError:
            raise DeadlineError(f"{self.name} did not connect within {timeout:g} s.", provider=self.name) from None
        except ProviderError:
            raise
        except Exception as error:
            raise error_of(self.name, error, "could not be connected to") from None
        self.usage.connections += 1
        return ServiceConnection(
            self.name,
            connection,
            opening,
            profile=self._model.profile,
            stall_timeout=self.settings.stall_timeout,
            usage=self.usage,
        )

    def reload_key(self) -> bool:
        """Read the key from its file again, for connections that are opened later; False if it is not from a file.

        Raises ConfigError if the file holds no key: the old one stays.
        """
        if self._key_file is None:
            return False
        key = read_key(self._key_file, None)
        self._model = _make(self.name, self.name.partition(":")[0], key, self.settings.base_url)
        return True

    def _voice_setting(self, prefix: str, more: Mapping[str, Any]) -> str:
        """The setting of pydantic-ai that chooses the voice. Raises ConfigError for one that the service lacks."""
        if prefix != "azure" or not AZURE_VOICE.match(self.settings.voice or ""):
            return VOICE_SETTINGS[prefix]
        apis: frozenset[str] = cast(Any, self._model.profile).get("azure_realtime_apis", frozenset())
        if not more.get("azure_voice_live") and apis != {"voice_live"}:
            raise ConfigError(
                f"{self.name} has OpenAI's voices, and {self.settings.voice} is one of Azure's.",
                hint="Choose another, or use Voice Live: settings={'azure_voice_live': True}.",
            )
        return "azure_voice_live_voice"

    def _settings_for(self, prefix: str, more: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {"handshake_timeout": self.settings.connect_timeout}
        if self._is_live:
            # It transcribes always. Where the caller's client sends nothing, silence lets it speak nevertheless.
            made |= {"openai_live_idle_audio": True, "openai_live_turn_silence_ms": LIVE_PAUSE_MS}
        else:
            made["input_transcription_model"] = self.settings.transcription_model
        if not self.owns_turns:
            made["turn_detection"] = False
        if self.settings.max_output_tokens is not None:
            made["max_tokens"] = self.settings.max_output_tokens
        if self.settings.voice is not None:
            if prefix not in VOICE_SETTINGS:
                raise ConfigError(f"{self.name} takes no voice.", hint="Leave voice out, or use settings={...}.")
            made[self._voice_setting(prefix, more)] = self.settings.voice
        return made | more


def _make(model: str, prefix: str, api_key: str | None, base_url: str | None) -> RealtimeModel:
    """Make pydantic-ai's model. Raises ConfigError or NotInstalledError, whose messages hold no key."""
    try:
        if api_key is None and base_url is None:
            return infer_realtime_model(model)
        return infer_realtime_model(model, lambda _: _provider(model, prefix, api_key, base_url))
    except ImportError as error:
        raise NotInstalledError(
            f"The speech-to-speech model {model!r} needs a package that is not installed: {error.name or error}.",
            hint=f"pip install 'pydantic-ai-slim[{prefix.partition('-')[0]}-realtime]'",
        ) from error
    except ConfigError:
        raise
    except UserError as error:
        said = str(error).lower()
        if "endpoint" in said:
            raise ConfigError(f"{model} needs base_url, the address of your resource.") from error
        if "api_key" in said or "api key" in said:
            variable = KEYS.get(prefix, f"{prefix.upper()}_API_KEY")
            raise ConfigError(f"{model} needs a key.", hint=f"Set {variable}, or api_key_file.") from error
        raise ConfigError(
            f"There is no speech-to-speech model {model!r}.", hint="See docs/providers/realtime.md."
        ) from (error)
    except Exception as error:
        message = f"The speech-to-speech model {model!r} cannot be made: {type(error).__name__}."
        raise with_cause(ConfigError(message, hint="Check its key and base_url."), error) from error


def _provider(model: str, prefix: str, api_key: str | None, base_url: str | None) -> Any:
    """Make the provider of pydantic-ai with a key or an address of its own."""
    if prefix == "openai":
        from pydantic_ai.providers.openai import OpenAIProvider

        return OpenAIProvider(base_url=base_url, api_key=api_key)
    if prefix == "azure":
        from pydantic_ai.providers.azure import AzureProvider

        return AzureProvider.for_realtime(azure_endpoint=base_url, api_key=api_key)
    if prefix == "google":
        from pydantic_ai.providers.google import GoogleProvider

        return GoogleProvider(api_key=api_key or "", base_url=base_url)
    if base_url is not None:
        raise ConfigError(f"{model} has no base_url to set.", hint="Leave it out.")
    if prefix == "xai":
        from pydantic_ai.providers.xai import XaiProvider

        return XaiProvider(api_key=api_key or "")
    raise ConfigError(
        f"The key of {model} cannot be set here.", hint="Set the vendor's environment variable, as pydantic-ai has it."
    )


def _messages(history: Sequence[Message]) -> list[ModelMessage]:
    messages: list[ModelMessage] = []
    for message in history[-MAX_HISTORY:]:
        if not message.text.strip():
            continue
        if message.role == "user":
            messages.append(ModelRequest(parts=[UserPromptPart(content=message.text)]))
        else:
            messages.append(ModelResponse(parts=[TextPart(content=message.text)]))
    return messages
