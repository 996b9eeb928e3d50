"""The settings of turn-taking. All durations are seconds of audio time."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

from duologue.conversation.eagerness import Eagerness, wait_factor
from duologue.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["MAX_NUMBER", "BargeIn", "ConversationConfig", "Endpointing", "SpeechDetection", "check_fields"]

Turns = Literal["auto", "manual"]
SpeculationStrategy = Literal["off", "discard", "use_if_similar", "always_use"]
TURNS: tuple[Turns, ...] = get_args(Turns)
SPECULATION: tuple[SpeculationStrategy, ...] = get_args(SpeculationStrategy)
MAX_NUMBER: Final = 1e12
"""Larger settings overflow where they are multiplied."""


def check_fields(settings: DataclassInstance, *, prefix: str = "", largest: float = MAX_NUMBER) -> None:
    """Raise ConfigError for a setting of another type than its own, and a number that is negative or too large.

    `prefix` is put before the names of the settings.
    """
    for f in fields(settings):
        value = getattr(settings, f.name)
        hint, part = str(f.type), cast(Any, f.default_factory)
        if value is None and hint.endswith("| None"):
            continue
        is_number = isinstance(value, float | int)
        if (is_number or hint.startswith(("float", "int"))) and not (is_number and 0 <= value <= largest):
            allowed = "a number of at least 0"
        elif hint.startswith("str") and not isinstance(value, str):
            allowed = "a text"
        elif hint == "bool" and not isinstance(value, bool):  # "no" would be true
            allowed = "True or False"
        elif isinstance(part, type) and not isinstance(value, part):
            allowed = f"a {part.__name__}"
        else:
            continue
        raise ConfigError(f"{prefix}{f.name} is {repr(value)[:20]}, and must be {allowed}.")


@dataclass(frozen=True, slots=True)
class SpeechDetection:
    """How the probabilities of the voice activity detector become the start and stop of speech."""

    start_threshold: float = 0.5
    """Probability at or above which a window (32 ms) counts towards a speech start."""
    stop_threshold: float = 0.35
    """Probability below which a window counts as silence once speech has started (hysteresis)."""
    doubt_threshold: float = 0.2
    """Probability at or above which a window may be the beginning of a word."""
    longest_onset: float = 0.6
    """Windows of at least `doubt_threshold` that lead to speech belong to the utterance, at most this long before the
    speech start."""
    min_speech: float = 0.064
    """Speech must last this long to start."""
    hangover: float = 0.096
    """Silence must last this long for speech to stop; the transcript is requested at that moment."""
    prefix_padding: float = 0.3
    """Audio before the speech start that belongs to the utterance."""
    tail_padding: float = 0.096
    """Audio after the last speech that is transcribed with it."""


@dataclass(frozen=True, slots=True)
class Endpointing:
    """How long to wait in silence, depending on the probability that the user has finished."""

    eagerness: Eagerness = "medium"
    """How soon the agent answers: "low", "medium", "high", or the price of a cut-off in seconds of waiting. Multiplies
    `action_delay`, `likely_delay` and `timeout`."""

    threshold: float = 0.7
    """Probability of end of turn at or above which the turn is decided after `action_delay`."""
    likely: float = 0.45
    """Probability at or above which a turn below the threshold is decided after `likely_delay`."""
    wait_below: float = 0.27
    """Probability at or below which a turn is decided by the `timeout` alone. Between it and `likely`, the wait falls
    with the probability."""
    action_delay: float = 0.352
    """Silence after which a turn that sounds finished is decided."""
    likely_delay: float = 0.832
    """Silence after which a turn that may well be finished is decided: most pauses inside turns are shorter."""
    timeout: float = 1.76
    """Silence after which a turn is decided whatever the evidence says; the words may lengthen or shorten it."""
    opening: float = 0.7
    """Log-odds subtracted in the user's first turn, which seldom is a single sentence."""
    short_turn: float = 1.5
    """In a turn with less than this many seconds of speech, the turn model (Smart Turn) counts less when it speaks
    against an end, because it often takes short turns for unfinished: half as much up to 0.5 s. 0: it always counts in
    full."""
    least_sound: float = 0.5
    """The turn model (Smart Turn) is not asked if only a lower probability than this would change the wait: after words
    that are so sure, such answers were wrong more often than right. 0: it is asked whenever its answer may matter."""
    words_budget: float = 0.032
    """Time allowed for a transcript, from the request to its due position."""
    words_budget_per_s: float = 0.03
    """Time allowed in addition for each second of speech."""
    words_timeout: float = 9.0
    """Time after which a missing transcript is no longer waited for: the turn is judged by the words so far."""
    doubt: tuple[float, float] = (0.1, 0.93)
    """The turn model judges the audio if the words give a probability in this interval and it may change the wait."""
    sound_after: float = 0.16
    """Silence at the end of the audio that the turn model judges. Without a transcript it is not asked sooner."""
    sound_budget: float = 0.128
    """Time allowed for the turn model's judgment."""
    rescore_every: float = 0.32
    """While silence lasts and nothing is decided, the turn model judges the audio again this often."""
    max_scores: int = 1
    """The turn model judges the audio at most this many times in one silence."""


@dataclass(frozen=True, slots=True)
class BargeIn:
    """What happens when the user speaks while the agent does."""

    enabled: bool = True
    """Whether the user can interrupt the agent."""
    pause_after: float = 0.048
    """Speech that is not echo of the agent pauses the agent after this long. At its onset the agent becomes softer (is
    ducked)."""
    doubt_threshold: float = 0.2
    """Until the agent is paused, a window of at least this probability, but below `start_threshold`, counts half
    as much as a window of speech: the beginning of a word is often in doubt."""
    doubt_after: float = 0.064
    """Windows in doubt for this long without a break count as speech: some words begin softly."""
    confirm_after: float = 1.0
    """Speech this long is transcribed while it continues. If it has words, they interrupt the agent; otherwise the
    agent resumes."""
    check_every: float = 1.5
    """Sound without words is transcribed again this often while it continues and the agent still has something to
    say."""
    give_up_after: float = 2.0
    """Speech interrupts if its transcript has not come this long after it was requested."""
    resume_after: float = 1.0
    """A paused agent resumes after this much silence without words."""
    unduck_after: float = 0.16
    """A ducked agent returns to full level after this much silence."""
    prefix_padding: float = 0.1
    """Audio before the speech start that belongs to an utterance over the agent: less than over silence, because there
    may be echo in it, and because recognizers do better on short sounds with less of it."""
    echo_threshold: float = 0.5
    """A window counts as echo, not as the user's speech, if at least this share of it is explained by the agent's own
    audio."""
    background_margin: float = 12.0
    """Words over the agent that are quieter than the caller's turns by this many dB do not interrupt: they are those of
    others in the room, or of a television. 0: all words interrupt."""


@dataclass(frozen=True, slots=True)
class ConversationConfig:
    """The settings of one conversation."""

    speech: SpeechDetection = field(default_factory=SpeechDetection)
    endpointing: Endpointing = field(default_factory=Endpointing)
    barge_in: BargeIn = field(default_factory=BargeIn)
    turns: Turns = "auto"
    """`manual`: only `begin_turn()` and `end_turn()` (push to talk) and text make turns."""
    greeting: str = ""
    """What the agent says first; empty: the user speaks first."""
    greeting_interruptible: bool = True
    """Whether the user can interrupt the greeting."""
    speculation: SpeculationStrategy = "discard"
    """Whether replies are prepared before their turn is decided, and what happens to one if the user goes on: `discard`
    keeps it only if the words are still the same, `use_if_similar` also if they hardly differ, `always_use` in any
    case. `off` prepares none."""
    max_speculations: int = 3
    """At most this many prepared replies a turn."""
    speculate_threshold: float = 0.31
    """A reply is prepared only if the probability of end of turn is at least this."""
    max_utterance: float = 15.0
    """A longer utterance is cut at its quietest point, and the words of its parts are joined."""
    split_after: float = 0.25
    """Speech after a silence this long is transcribed by itself and joined to the words before, so that a long turn
    with pauses is not transcribed again and again from its beginning."""
    max_turn: float = 120.0
    """A turn this long is decided even if the user continues."""
    partial_every: float = 1.0
    """Partial transcripts are shown this often while the user speaks; 0 turns them off."""
    away_after: float = 15.0
    """The user counts as away after this much silence on both sides; reported again after each further such silence."""
    idle_timeout: float = 300.0
    """The call ends after this long without a turn. The agent's own speech does not count, and after it the user has
    `away_after` to answer."""
    timeout: float = 1800.0
    """The call ends after this long, once the agent has finished what it was saying."""
    max_history: int = 200
    """Messages kept; the oldest go first."""
    max_queued_says: int = 8
    """`say` calls that may wait for their turn to speak."""
    text_settle: float = 0.5
    """Typed text is joined to text before it that is not answered yet, and answered after this long without more."""
    keys_settle: float = 1.0
    """Typed digits are answered after this long without another; `#` ends them."""
    closing_timeout: float = 30.0
    """A call that is to end waits at most this long for the agent to finish."""
    max_dead_air: float = 2.5
    """The longest silence while the user waits for an answer; before it a filler is said. 0: no fillers."""
    fillers: tuple[str, ...] | None = None
    """The fillers, used in turn. None (not set): those of the session's language pack; empty: stay silent."""
    apology: str | None = None
    """Spoken when the user was not understood, or not answered, because something failed. None (not set): the apology
    of the session's language pack; empty: stay silent."""
    not_understood: str | None = None
    """Asked when the user certainly spoke and no words were recognized, also not in a second attempt with more of the
    audio; at most twice until a turn is decided. None (not set): the question of the session's language pack; empty:
    stay silent."""
    audible_after: float = 0.16
    """Speech without recognized words is transcribed again, with more of the audio around it, if the detector was
    certain of speech for at least this long. 0: never."""

    def __post_init__(self) -> None:
        check_fields(self)
        if not isinstance(self.barge_in.enabled, bool):  # the application calls it barge_in
            raise ConfigError(f"barge_in is {self.barge_in.enabled!r}, and must be True or False.")
        for part in (self.speech, self.endpointing, self.barge_in):
            check_fields(part)
        if not self.speech.stop_threshold <= self.speech.start_threshold:
            raise ConfigError("speech.stop_threshold must not be above speech.start_threshold.")
        if self.endpointing.timeout < self.endpointing.action_delay:
            raise ConfigError("endpointing.timeout must not be below endpointing.action_delay.")
        wait_factor(self.endpointing.eagerness)  # raises for one that cannot be
        low, high = self.endpointing.doubt
        if not 0 <= low <= high <= 1:
            raise ConfigError(f"doubt is {self.endpointing.doubt}, and must be two probabilities, the lower one first.")
        for name, value, known in (("turns", self.turns, TURNS), ("speculation", self.speculation, SPECULATION)):
            if value not in known:
                raise ConfigError(f"{name} is {value!r}, and must be one of {', '.join(known)}.")
        if self.max_utterance < 2:
            raise ConfigError(f"max_utterance is {self.max_utterance} s, and must be at least 2 s.")
