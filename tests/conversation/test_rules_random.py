"""Whatever happens, in whatever order: what must hold does, and the same again gives the same again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rules_ledger import Ledger

from duologue.conversation import inputs
from duologue.conversation.config import BargeIn, ConversationConfig, Endpointing, SpeechDetection
from duologue.conversation.conversation import Conversation
from duologue.conversation.effects import Effect
from duologue.conversation.history import Segment
from duologue.conversation.question import Expected
from duologue.errors import InvalidStateError

Action = Callable[[Ledger], None]

repeatable = settings(
    derandomize=True, deadline=None, database=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow]
)

TEXTS = ["", "Hello there.", "mhm", "yeah", "I would like to", "A table for two"]
probabilities = st.sampled_from([0.0, 0.05, 0.3, 0.4, 0.6, 0.95, 1.0])
delays = st.sampled_from([0.0, 0.0, 0.05, 0.1, 0.4, 3.0])

configs = st.builds(
    ConversationConfig,
    speech=st.sampled_from([SpeechDetection(), SpeechDetection(hangover=0.3, min_speech=0.0)]),
    endpointing=st.sampled_from(
        [Endpointing(words_timeout=2.0), Endpointing(action_delay=0.0, timeout=0.0), Endpointing(timeout=3.0)]
    ),
    barge_in=st.sampled_from([BargeIn(), BargeIn(), BargeIn(enabled=False), BargeIn(confirm_after=0.3)]),
    turns=st.sampled_from(["auto", "auto", "auto", "manual"]),
    greeting=st.sampled_from(["", "", "Welcome."]),
    greeting_interruptible=st.booleans(),
    speculation=st.sampled_from(["off", "discard", "use_if_similar", "always_use"]),
    max_utterance=st.sampled_from([2.0, 4.0]),
    max_turn=st.sampled_from([5.0, 120.0]),
    partial_every=st.sampled_from([0.0, 0.5]),
    away_after=st.just(3.0),
    idle_timeout=st.sampled_from([30.0, 300.0]),
    timeout=st.sampled_from([60.0, 1800.0]),
    max_history=st.sampled_from([0, 3, 200]),
    max_queued_says=st.sampled_from([1, 3]),
    apology=st.sampled_from(["", "Sorry."]),
)


# --- what can happen ---


def action(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.tuples(st.just(name), *arguments)


windows = st.integers(1, 40)
shift = st.integers(-2, 2)
speech = action("speech", windows, st.sampled_from([0.95, 0.95, 0.6, 0.4]), st.sampled_from([0.0, 0.0, 0.0, 0.8]))
often = [
    speech,
    speech,
    action("silence", windows),
    action("silence", st.integers(1, 12)),
    action("turn", st.sampled_from(TEXTS), probabilities),
    action("understand", st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3), probabilities, delays),
    action("judge", probabilities, delays),
    action("synthesise", st.sampled_from(["Well, yes.", "And you?"]), st.sampled_from([0.0, 0.05, 0.6, 2.0])),
    action("pause"),
    action("reply"),
    action("play"),
]
seldom = [
    action("gap", st.sampled_from([1, 160, 3000, 16_000, 70_000, 200_000])),
    action("fail_words", delays),
    action("lose_words"),
    action("fail_sound", delays),
    action("lose_sound"),
    action("answer", shift, st.sampled_from(["words", "empty", "sound", "failed"])),
    action("partial", shift),
    action("begin_turn"),
    action("end_turn"),
    action("type", st.booleans()),
    action("say", st.booleans()),
    action("interrupt"),
    action("clear"),
    action("play_and_end"),
    action("finish"),
    action("expect", shift, st.sampled_from(["yes_no", "digits", "same"])),
    action("break_off", st.sampled_from(["empty", "agent_error"])),
    action("stale", st.integers(-3, 3), st.sampled_from(["queued", "started", "finished", "failed"])),
    st.sampled_from([("start",), ("end",), ("clear",), ("type", False)]),
]
actions = st.one_of(action("nothing"), *often, *seldom)


def perform(s: Ledger, name: str, *a: Any) -> None:
    newest = s.ids + 1
    match name:
        case "nothing":
            pass
        case "speech":
            s.speech(a[0] * 0.032, a[1], echo_ratio=a[2])
        case "silence":
            s.silence(a[0] * 0.032)
        case "turn":
            s.understand(a[0], probability=a[1])
            s.speech(0.32)
            s.silence(0.4)
        case "pause":
            s.understand("A table for two", probability=0.4)
            s.speech(0.32)
            s.silence(0.32)
            s.synthesise("For two.", 0.6)
        case "reply":
            s.synthesise("Well, I never.", 1.0)
            s.start_playout()
        case "gap":
            s.gap(a[0] / 16_000)
        case "understand":
            s.understand(*a[0], probability=a[1], after=a[2])
        case "fail_words":
            s.fail_words("timeout", after=a[0])
        case "lose_words":
            s.lose_words()
        case "judge":
            s.judge(a[0], after=a[1])
        case "fail_sound":
            s.fail_sound("timeout", after=a[0])
        case "lose_sound":
            s.lose_sound()
        case "answer":
            ask = max(newest + a[0], 0)
            answers: dict[str, inputs.Input] = {
                "words": inputs.WordsArrived(ask, "Hello there.", 0.9),
                "empty": inputs.WordsArrived(ask, "", 1.0),
                "sound": inputs.SoundScored(ask, 0.7),
                "failed": inputs.EvidenceFailed(ask, "provider_error"),
            }
            s.give(answers[a[1]])
        case "expect":
            s.give(inputs.AnswerExpected(Expected(a[1], (4,)), max(s.on_order + a[0], 0)))
        case "partial":
            s.give(inputs.PartialArrived(max(newest + a[0], 0), "so far"))
        case "begin_turn":
            s.give(inputs.TurnBegun())
        case "end_turn":
            s.give(inputs.TurnEnded())
        case "type":
            s.type(a[0])
        case "say":
            s.give(inputs.SayRequested("One moment.", a[0]))
        case "interrupt":
            s.give(inputs.InterruptRequested())
        case "clear":
            s.give(inputs.ClearRequested())
        case "end":
            s.give(inputs.EndRequested("closed"))
        case "start":
            s.give(inputs.CallRequested())
        case "synthesise":
            s.synthesise(a[0], a[1])
        case "play":
            s.start_playout()
        case "play_and_end":
            s.start_playout("agent_done")
        case "finish":
            if s.playing and not s.playing.paused:
                s.finish()
        case "break_off":
            s.break_off(a[0])
        case "stale":
            stale(s, s.conversation.generation + a[0], a[1])


def stale(s: Ledger, generation: int, kind: str) -> None:
    """What is told of a generation that is not, or no longer, or not yet, the one at work."""
    r = s.replies.get(generation)
    if r and not r.over:
        return
    stale: dict[str, inputs.Input] = {
        "queued": inputs.SpeechQueued(generation, Segment("Stale.", 0.0, 1.0)),
        "started": inputs.PlayoutStarted(generation),
        "finished": inputs.PlayoutFinished(generation, 1.0),
        "failed": inputs.ReplyFailed(generation, "agent_error"),
    }
    assert s.give(stale[kind]) == []


def drain(s: Ledger) -> None:
    """Let everything that is under way come to its end."""
    s.understand("The last words.")
    s.judge(0.95)
    u = s.conversation.user_turn.utterance
    if s.open_turn is not None and u and u.held:
        s.give(inputs.TurnEnded())
    for _ in range(40):
        s.silence(1.024)
        if s.live and not s.live.started:
            s.synthesise("Yes.", 0.5)
            s.start_playout()
        if s.conversation.is_idle:
            return
    raise AssertionError("the conversation does not come to rest")


@repeatable
@given(config=configs, speculates=st.booleans(), judges=st.booleans(), plot=st.lists(actions, min_size=15, max_size=40))
@pytest.mark.no_cover
def test_whatever_happens(config: ConversationConfig, speculates: bool, judges: bool, plot: list[Any]) -> None:
    s = Ledger(config, start=False)
    s.begin(speculates=speculates, judges_sound=judges)
    for name, *arguments in plot:
        perform(s, name, *arguments)
    drain(s)
    assert s.unanswered == {}
    assert all(r.over for r in s.replies.values())
    assert again(s) == s.trace


def again(s: Ledger) -> list[list[Effect]]:
    """The effects of the same inputs, told to new rules."""
    conversation, trace = Conversation(s.conversation.config), []
    for input_, now in s.inputs:
        try:
            trace.append(conversation.handle(input_, now))
        except InvalidStateError:
            trace.append([])
    return trace
