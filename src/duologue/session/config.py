"""The settings of a session. All durations are seconds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from duologue.audio.format import FRAME, RATE
from duologue.conversation.config import ConversationConfig, check_fields
from duologue.errors import ConfigError
from duologue.telemetry.budget import LatencyBudget
from duologue.turn.languages import language_pack

__all__ = ["SessionConfig"]

Echo = Literal["client", "server", "none"]

MAX_AGENT_NAME = 40
"""Characters of `SessionConfig.agent_name`."""


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """The shell's settings; `rules` holds those of turn-taking."""

    timeout: float = 1800.0
    """The longest the session may live."""
    idle_timeout: float = 300.0
    """The longest it may live without a turn."""
    max_retries: int = 3
    """How often a request to a provider that failed for a passing reason is made again, within its deadline."""
    enable_keep_alive: bool = True
    """Whether the transport pings its client."""
    keep_alive_interval: float = 30.0
    """Time between two pings. If the client does not answer one within 10 s, it counts as gone, and its session
    ends."""
    max_buffer_bytes: int = 1_048_576
    """The most input audio that the session holds, in bytes; allocated as it is needed."""
    max_input_lag: float = 1.0
    """Input that waits longer than this to be scored is dropped, oldest first, as a gap."""
    missing_after: float = 0.6
    """If no audio arrives for this long plus the length of one of the client's chunks, a gap is noted, which counts as
    silence. A client that stalls for longer and then sends what was held up is given more time, up to 1.6 s in all."""
    language: str | None = None
    """The language that is spoken; None (not set) leaves it to the provider."""
    echo: Echo = "server"
    """Who takes the agent's own voice out of the microphone. `server`: duologue recognizes it as echo and does not take
    it for speech. `client`: the client's echo cancellation does. `none`: nobody, as with a handset."""
    denoise: str = ""
    """What takes noise out of the user's audio: `webrtc`, or a denoiser of another package; empty: nothing."""
    lead: float = 0.06
    """How far playout runs ahead of what the user hears, to bridge jitter."""
    chunk: float = FRAME
    """Length of the audio messages to the client: 0.02 to 0.1 s, in steps of 0.02. Twice the length halves the cost of
    the socket."""
    max_ready: float = 8.0
    """The most speech that is synthesized ahead of playout."""
    words_timeout: float = 8.0
    """How long the recognizer may take to transcribe an utterance."""
    first_text_timeout: float = 15.0
    """How long the agent may take to its first word or `Progress`."""
    stall_timeout: float = 15.0
    """How long the agent may take from one word or `Progress` to the next. White space and empty pieces do not
    count."""
    text_timeout: float = 120.0
    """How long the agent may go without a word, whatever progress it reports."""
    max_piece_chars: int = 20_000
    """The longest piece of text that the agent may yield."""
    max_answer_chars: int = 60_000
    """The longest answer; about an hour of speech."""
    speech_timeout: float = 10.0
    """How long the voice may take for its next piece of audio."""
    seed: int | None = None
    """Fixes the random part of the voice."""
    agent_name: str = ""
    """The name of the agent that clients show, up to 40 characters; empty: the server derives it from the agent."""
    budget: LatencyBudget = field(default_factory=LatencyBudget)
    """How long a turn and its parts may take before `BudgetExceeded` is published."""
    rules: ConversationConfig = field(default_factory=ConversationConfig)

    def rules_of_call(self) -> ConversationConfig:
        """Return `rules` with the session's time limits, and what its language says if none of that is set."""
        pack, rules = language_pack(self.language), self.rules
        apology = pack.apology if rules.apology is None else rules.apology
        fillers = pack.fillers if rules.fillers is None else rules.fillers
        again = pack.not_understood if rules.not_understood is None else rules.not_understood
        rules = replace(rules, apology=apology, fillers=fillers, not_understood=again)
        return replace(rules, timeout=self.timeout, idle_timeout=self.idle_timeout)

    def __post_init__(self) -> None:
        check_fields(self)
        needed = int((self.rules.max_utterance + self.max_input_lag + 4.0) * RATE * 2)
        if self.max_buffer_bytes < needed:
            raise ConfigError(
                f"max_buffer_bytes is {self.max_buffer_bytes}, and must be at least {needed} "
                f"for max_utterance = {self.rules.max_utterance:g} s.",
                hint="Raise max_buffer_bytes or lower max_utterance.",
            )
        if not FRAME <= self.lead <= 1.0:
            raise ConfigError(f"lead is {self.lead} s, and must be between {FRAME} and 1 s.")
        if not FRAME <= self.chunk <= 0.1 or abs(self.chunk / FRAME - round(self.chunk / FRAME)) > 1e-6:
            raise ConfigError(f"chunk is {self.chunk} s, and must be {FRAME} to 0.1 s, in steps of {FRAME} s.")
        if self.lead < self.chunk:
            raise ConfigError(f"lead is {self.lead} s, and must be at least one chunk, {self.chunk} s.")
        if self.echo not in get_args(Echo):
            raise ConfigError(f"echo is {self.echo!r}, and must be one of {', '.join(get_args(Echo))}.")
        if not self.keep_alive_interval > 0:
            raise ConfigError(f"keep_alive_interval is {self.keep_alive_interval} s, and must be more than 0 s.")
        if len(self.agent_name) > MAX_AGENT_NAME or not self.agent_name.isprintable():
            raise ConfigError(
                f"agent_name has {len(self.agent_name)} characters, and must be one line of at most {MAX_AGENT_NAME}.",
                hint="Shorten the name.",
            )
        for name in ("first_text_timeout", "stall_timeout", "text_timeout", "max_piece_chars", "max_answer_chars"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)}, and must be more than 0.")
        if self.max_input_lag < 0.1:
            raise ConfigError(f"max_input_lag is {self.max_input_lag} s, and must be at least 0.1 s.")
