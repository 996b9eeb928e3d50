"""While an answer is late a filler is said: in the voice of the call, and never over the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from duologue.agent import Turn
from duologue.conversation import effects
from duologue.conversation.config import ConversationConfig
from duologue.errors import ProviderUnavailableError
from duologue.session import ErrorRaised, SessionConfig
from duologue.session.responder import SpokenAudio
from duologue.testing.agents import ScriptedAgent
from duologue.testing.fakes import FakeSpeechToText, FakeTextToSpeech
from duologue.testing.virtual import VirtualCall
from duologue.tts import Speech
from duologue.turn.languages.en import PACK

pytestmark = pytest.mark.anyio

FILLER = "One moment."
CONFIG = SessionConfig(rules=ConversationConfig(max_dead_air=1.0, fillers=(FILLER,)))


class Late:
    """Answers when it is let."""

    speculative = False

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def reply(self, turn: Turn) -> AsyncIterator[str]:
        await self.go.wait()
        yield "Here it is. And that is all."


class Held(FakeTextToSpeech):
    """Speaks a filler when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def synthesize(self, text: str, **how: Any) -> Speech:
        speech = await super().synthesize(text, **how)
        if text == FILLER:
            await self.go.wait()
        return speech


async def wait_for_the_answer(call: VirtualCall) -> None:
    await call.speak("Hello.")
    await call.silence(2.0, waits=False)


async def test_a_filler_is_spoken_before_the_answer_and_kept_for_the_next() -> None:
    agent, tts = Late(), FakeTextToSpeech()
    async with VirtualCall(agent, tts=tts, config=CONFIG) as call:
        for _ in range(2):
            agent.go.clear()
            await wait_for_the_answer(call)
            agent.go.set()
            await call.settle()
        assert call.heard == [f"{FILLER} Here it is. And that is all."] * 2
        assert call.sounded == " ".join(call.heard)
        assert call.engine.standby.get(tts.name, tts.rate, FILLER)


async def test_a_filler_that_comes_after_the_answer_is_dropped() -> None:
    agent, tts = Late(), Held()
    async with VirtualCall(agent, tts=tts, config=CONFIG) as call:
        await wait_for_the_answer(call)
        await call.silence(1.0, waits=False)
        assert tts.asked == [FILLER], "one at a time"
        agent.go.set()
        await call.silence(0.5)
        tts.go.set()
        await call.settle()
        assert call.heard == ["Here it is. And that is all."]


async def test_a_filler_that_cannot_be_spoken_is_nobodys_error() -> None:
    agent, tts = Late(), FakeTextToSpeech(faults=[ProviderUnavailableError("down")])
    async with VirtualCall(agent, tts=tts, config=CONFIG) as call:
        await wait_for_the_answer(call)
        agent.go.set()
        await call.settle()
        assert call.heard[0].endswith("Here it is. And that is all.")
        assert call.of(ErrorRaised) == []


async def test_a_filler_is_given_up_with_the_call() -> None:
    tts = Held()
    async with VirtualCall(Late(), tts=tts, config=CONFIG) as call:
        await wait_for_the_answer(call)
        assert tts.asked == [FILLER]
    assert [task.get_name() for task in asyncio.all_tasks()].count("filler") == 0


async def test_an_apology_that_is_kept_needs_no_voice() -> None:
    tts = FakeTextToSpeech()
    async with VirtualCall(ScriptedAgent([RuntimeError("broken")]), tts=tts) as call:
        await call.engine.standby.prepare(tts, [PACK.apology])
        await call.say("Hello.")
        assert call.heard == [PACK.apology]
        assert tts.asked == [PACK.apology], "when it was prepared"


async def test_what_is_wanted_of_a_reply_that_is_over_changes_nothing() -> None:
    async with VirtualCall(ScriptedAgent("Yes.")) as call:
        await call.say("Hello.")
        output = call.session._output
        reply = output.replies.current
        assert reply is not None
        nothing: Any = None
        before = (len(call.events), list(call.sink.calls), output.playout.position)
        output.commit(effects.CommitReply(99))
        output.discard(effects.DiscardReply(99, rollback=False))
        output.take(reply, SpokenAudio(bytes(6400)))
        output.reply_done(reply, None)
        output.playout.active = True
        output.take(reply, nothing)
        assert (len(call.events), call.sink.calls, output.playout.position) == before


async def test_an_answer_waits_while_the_user_may_be_speaking_and_is_played_if_there_are_no_words() -> None:
    agent = Late()
    async with VirtualCall(agent, stt=FakeSpeechToText("Hello.", ""), config=CONFIG) as call:
        await call.speak("Hello.")
        await call.silence(0.6, waits=False)
        await call.play(b"\xff\x7f" * 3_200, waits=False)
        agent.go.set()
        await call.silence(0.06, waits=False)
        assert not call.session._output.playout.started
        await call.settle()
        assert call.heard == ["Here it is. And that is all."]
