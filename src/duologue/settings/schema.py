"""All settings of `duologue.toml`, the environment and the flags of `duologue serve`."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, TypeAlias, get_type_hints

from pydantic import ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from duologue.conversation.config import ConversationConfig
from duologue.engine import EngineConfig
from duologue.recording.config import DAY, RecordingConfig
from duologue.resilience.settings import ResilienceSettings
from duologue.services import validated
from duologue.session import SessionConfig
from duologue.settings.costs import CostsTable
from duologue.settings.tables import Table, table_of
from duologue.telemetry import TelemetryConfig

__all__ = ["MAX_SESSIONS", "Settings"]

MAX_SESSIONS: Final = 100
"""What two cores carry with the local models."""

Names = Annotated[
    tuple[str, ...],
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
Options = dict[str, dict[str, Any]]

AGENT_FIELDS: Final = ("agent_name", "first_text_timeout", "stall_timeout", "text_timeout")
"""Fields of SessionConfig that stand in `[agent]`."""


class ServerTable(Table):
    """Where the server listens, and how it ends."""

    host: str = "127.0.0.1"
    """Address to listen on. The environment variable HOST sets it, too."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port to listen on; 0 takes a free one. The environment variable PORT sets it, too."""
    workers: int = Field(default=1, ge=1, le=64)
    """Processes that share the port and the load; more than one helps on more than two cores."""
    listener: Literal["uvicorn", "picows"] = "uvicorn"
    """The library that handles the WebSockets; picows takes less CPU."""
    drain_timeout: float = Field(default=10.0, ge=0)
    """Seconds that open turns have to end when the server ends."""
    resume_window: float = Field(default=30.0, ge=0)
    """Seconds for which a call is kept when its connection breaks; 0 for not at all."""
    store: str | None = None
    """Where servers share tickets and calls that can be resumed: a folder, or `redis://...`; by default memory."""


class AgentTable(Table):
    """Who answers: an agent, a language model, or a speech-to-speech model."""

    name: str | None = None
    """`booking` (the default), `echo`, or your own as `module:attribute`, found in the folder of this file first."""
    llm: str | None = None
    """A language model in place of `name`, such as `openai:MODEL`. The key comes from OPENAI_API_KEY."""
    realtime: str | None = None
    """A speech-to-speech model in place of `name` and of a voice, such as `openai:gpt-realtime-2.1`."""
    base_url: str | None = None
    """With `llm`: an endpoint that speaks the OpenAI API. With `realtime`: the service's endpoint."""
    api_key_file: Path | None = None
    """With `llm` or `realtime`: a file that holds the key, in place of the environment variable."""
    instructions: str | None = None
    """With `llm` or `realtime`: instructions for the model."""
    display_name: str = ""
    """What the page calls the agent, up to 40 characters; by default derived from the agent."""
    greeting: str | None = None
    """What the agent says first, in place of its own greeting; "" for nothing."""
    first_text_timeout: float | None = Field(default=None, gt=0)
    """Seconds to the agent's first word or sign of work; by default 15, and 60 with `llm`."""
    stall_timeout: float = Field(default=15.0, gt=0)
    """Seconds from one word or sign of work of the agent to the next."""
    text_timeout: float = Field(default=120.0, gt=0)
    """Seconds that the agent may work without a word, such as on reasoning."""


class ProvidersTable(Table):
    """The recognizer, the voice and the detectors. Options of a provider are in `[stt.NAME]` and `[tts.NAME]`."""

    stt: Names = ("moonshine",)
    """The recognizer (speech to text), such as `"deepgram/nova-3"`, or a list of names."""
    tts: Names = ("hibari",)
    """The voice (text to speech), such as `"openai/kokoro"`, or a list of names."""
    languages: tuple[str, ...] = ()
    """Languages of calls, such as `["en", "es"]`, the default first. Local models serve those that `stt` or `tts` do
    not."""
    vad: str = "silero"
    """The voice activity detector: `silero`, `webrtc`, `energy`, or one of another package."""
    smart_turn: bool = True
    """Whether the model Smart Turn helps to judge the end of turns, if it is installed and the recognizer does not
    estimate the same, as Moonshine does."""


class VoiceTable(Table):
    """A voice with a name: its provider, and the provider's options beside it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")

    provider: Names
    """The provider of the voice, such as `"elevenlabs/eleven_flash_v2_5"`, or a list of names without options."""

    @model_validator(mode="after")
    def _check_options(self) -> VoiceTable:
        if not self.provider:
            raise ValueError("must name a provider")
        if len(self.provider) > 1 and self.model_extra:
            raise ValueError(f"has {next(iter(self.model_extra))} beside a list: put options into [tts.NAME]")
        return self


class PolicyTable(Table):
    """What clients may choose when they start a call. Bounds are seconds, both included."""

    agents: tuple[str, ...] | None = None
    """Agents that may be named; by default all. The others are reached only by a hand-over."""
    voices: tuple[str, ...] | None = None
    """Voices that may be named, of those in `[voices]`; by default all."""
    denoisers: tuple[str, ...] | None = None
    """Denoisers that may be named, "" for none; by default "", that of `[session]`, and `webrtc` if it is installed."""
    action_delay: tuple[float, float] = (0.1, 2.0)
    """Bounds of `turn_taking.action_delay_s`."""
    timeout: tuple[float, float] = (0.5, 10.0)
    """Bounds of `turn_taking.timeout_s`."""
    barge_in: bool = True
    """Whether a client may set if the agent can be interrupted."""
    eagerness: bool = True
    """Whether a client may set how soon the agent answers."""


class SecurityTable(Table):
    """Who may connect, and what is believed of them."""

    keys: Path | None = None
    """The file of keys that sign tokens, made by `duologue token --new-key`; callers then need a token."""
    insecure: bool = False
    """Whether a server without keys may listen on addresses that other machines reach."""
    certfile: Path | None = None
    """The certificate for HTTPS, in PEM."""
    keyfile: Path | None = None
    """The key of the certificate, if it is in another file."""
    ticket_ttl: float = Field(default=30.0, ge=1, le=600)
    """Seconds that a ticket for a browser is valid."""
    calls_per_token: int = Field(default=10, ge=0)
    """Calls at once with one token; 0: any number."""
    calls_per_address: int = Field(default=0, ge=0)
    """Calls at once from one address; 0: any number."""
    allowed_origins: tuple[str, ...] = ()
    """Pages of other hosts that may connect, such as `https://example.com`."""
    trusted_proxies: tuple[str, ...] = ()
    """Proxies, or networks, whose forwarding headers are believed, besides those of this machine."""
    expose_headers: tuple[str, ...] = ()
    """Headers that the agent may see although their names look like secrets."""


class RecordsTable(Table):
    """Records of calls."""

    folder: Path | None = None
    """Folder for a record of each call, with what was said: JSON Lines, up to 1 GB in all."""


class RecordingTable(Table):
    """Recordings of calls: both voices, the transcripts, and every decision."""

    folder: Path | None = None
    """Where recordings are written; without it, calls are not recorded."""
    consent: bool = False
    """States that all callers have agreed to be recorded; nothing is recorded without it."""
    days: float = Field(default=30.0, gt=0)
    """Days after which a recording is deleted."""
    gigabytes: float = Field(default=10.0, gt=0)
    """Gigabytes of all recordings in the folder; the oldest are deleted when there are more."""
    audio: bool = True
    """Whether the two audio tracks are recorded. Without them a recording can be replayed, but not heard."""


class LogTable(Table):
    """The log on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level of the lines that are written."""
    format: Literal["auto", "text", "json"] = "auto"
    """The format of the lines; `auto` is text on a terminal and JSON elsewhere."""
    words: bool = False
    """Whether the log has what callers and agents say."""


if TYPE_CHECKING:
    SessionTable: TypeAlias = Table
    TurnTakingTable: TypeAlias = Table
    LimitsTable: TypeAlias = Table
    TelemetryTable: TypeAlias = Table
    ResilienceTable: TypeAlias = Table
else:
    SessionTable = table_of(SessionConfig, omit=("rules", *AGENT_FIELDS), name="SessionTable")
    TurnTakingTable = table_of(ConversationConfig, omit=("greeting", "timeout", "idle_timeout"), name="TurnTakingTable")
    LimitsTable = table_of(EngineConfig, defaults={"max_sessions": MAX_SESSIONS}, name="LimitsTable")
    TelemetryTable = table_of(TelemetryConfig, name="TelemetryTable")
    ResilienceTable = table_of(ResilienceSettings, name="ResilienceTable")


class Settings(BaseSettings):
    """The settings of `duologue serve`. Durations are seconds."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        title="duologue.toml",
        extra="forbid",
        frozen=True,
        env_prefix="DUOLOGUE_",
        env_nested_delimiter="__",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        validate_default=False,
    )

    server: ServerTable = ServerTable()
    """Where the server listens, and how it ends."""
    agent: AgentTable = AgentTable()
    """Who answers: an agent, a language model, or a speech-to-speech model."""
    providers: ProvidersTable = ProvidersTable()
    """The recognizer, the voice and the detectors. Options of a provider are in `[stt.NAME]` and `[tts.NAME]`."""
    stt: Options = Field(default_factory=dict)
    """Options of recognizers, each in a table with the name of the provider; docs/providers lists them."""
    tts: Options = Field(default_factory=dict)
    """Options of voices, each in a table with the name of the provider."""
    vad: Options = Field(default_factory=dict)
    """Options of voice activity detectors, each in a table with its name."""
    realtime: Options = Field(default_factory=dict)
    """Options of speech-to-speech models, each in a table with the name of the service; docs/providers/realtime.md
    lists them."""
    voices: dict[str, VoiceTable] = Field(default_factory=dict)
    """Voices by name, in place of `providers.tts`: a call has the one that its client names, or else the first that
    speaks its language."""
    resilience: ResilienceTable = ResilienceTable()
    """What happens when a provider of a list fails or is slow. Applies to lists of two and more, or if set."""
    session: SessionTable = SessionTable()
    """Deadlines and bounds of one call."""
    turn_taking: TurnTakingTable = TurnTakingTable()
    """When a turn has ended, and what interrupts the agent."""
    limits: LimitsTable = LimitsTable()
    """How much the server may carry."""
    policy: PolicyTable = PolicyTable()
    """What clients may choose when they start a call. Bounds are seconds, both included."""
    security: SecurityTable = SecurityTable()
    """Who may connect, and what is believed of them."""
    records: RecordsTable = RecordsTable()
    """Records of calls."""
    recording: RecordingTable = RecordingTable()
    """Recordings of calls: both voices, the transcripts, and every decision."""
    costs: CostsTable = CostsTable()
    """What providers charge, in US dollars. A name is that of a model, or of a provider for all of its models. Without
    a price, the cost is unknown, and shown as such."""
    telemetry: TelemetryTable = TelemetryTable()
    """What is counted, and where metrics and traces are sent."""
    log: LogTable = LogTable()
    """The log on standard error."""

    def session_config(self, *, agent_name: str = "") -> SessionConfig:
        """The settings of a session. `agent_name` is used unless one is set. Raises ConfigError."""
        rules = ConversationConfig(
            **{**_values(self.turn_taking, ConversationConfig), "greeting": self.agent.greeting or ""}
        )
        deadlines = {name: getattr(self.agent, name) for name in AGENT_FIELDS[1:]}
        return SessionConfig(
            **_values(self.session, SessionConfig),
            **{name: value for name, value in deadlines.items() if value is not None},
            agent_name=" ".join(self.agent.display_name.split()) or agent_name,
            rules=rules,
        )

    def recording_config(self) -> RecordingConfig | None:
        """Where calls are recorded; None if they are not. Raises ConfigError without consent."""
        table = self.recording
        if table.folder is None:
            return None
        return RecordingConfig(
            table.folder,
            consent=table.consent,
            max_age=table.days * DAY,
            max_bytes=int(table.gigabytes * 1e9),
            audio=table.audio,
        )

    def resilience_settings(self) -> ResilienceSettings:
        """The limits around providers. Raises ConfigError."""
        return validated(ResilienceSettings, "resilience", self.resilience.model_dump())

    def telemetry_config(self) -> TelemetryConfig:
        """The settings of telemetry. Raises ConfigError."""
        return TelemetryConfig(**_values(self.telemetry, TelemetryConfig))

    def engine_config(self) -> EngineConfig:
        """The limits of the engine. Raises ConfigError."""
        return EngineConfig(**_values(self.limits, EngineConfig))


def _values(table: Any, kind: Any) -> dict[str, Any]:
    """The fields of a table as arguments of the dataclass that it was made from."""
    hints: dict[str, Any] = get_type_hints(kind)
    values = {}
    for field in fields(kind):
        if field.name in type(table).model_fields:
            value, hint = getattr(table, field.name), hints[field.name]
            values[field.name] = hint(**_values(value, hint)) if isinstance(value, Table) else value
    return values
