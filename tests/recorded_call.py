"""A call in virtual time that is recorded: five turns, one of them an interruption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from duologue.conversation.config import ConversationConfig
from duologue.recording.config import RecordingConfig
from duologue.recording.header import recording_header
from duologue.recording.recordings import Recordings
from duologue.session import SessionConfig
from duologue.testing.agents import ScriptedAgent
from duologue.testing.virtual import VirtualCall

SECRET = "Marmalade"
ANSWERS = (
    "Which day would suit you best for it?",
    "There is room at seven, at eight, and at nine. The terrace is closed on that day. Shall I go on?",
    "Very well, seven it is.",
    "I have noted that down.",
    "Good bye then.",
)
ENOUGH = 500_000_000


def recordings(folder: Path, **options: Any) -> Recordings:
    """A folder of recordings with room for a call that is faster than real time."""
    return Recordings(RecordingConfig(folder, **{"consent": True, "max_waiting_bytes": ENOUGH, **options}))


class RecordedCall(VirtualCall):
    """A call whose recording is at `path` once it is over."""

    def __init__(self, into: Recordings, agent: Any = None, **parts: Any) -> None:
        parts.setdefault("config", SessionConfig(rules=ConversationConfig(greeting="Welcome to the line.")))
        super().__init__(agent or ScriptedAgent(*ANSWERS), **parts)
        self.into = into
        self.recorder = into.recorder(recording_header(self.session))
        self.session.observe(self.recorder)

    @property
    def path(self) -> Path:
        """The recording, once the folder is closed."""
        (path,) = self.into.folder.glob(f"*{self.session.id}.call")
        return path

    async def talk(self) -> None:
        """Five turns; the third interrupts the second answer."""
        await self.settle()
        await self.say(f"A table for {SECRET} please.")
        await self.speak("On Friday then.")
        await self.silence(2.6)
        await self.say("At seven please.")
        await self.say("By the window.")
        await self.say("Good bye.")


async def record(folder: Path, agent: Any = None, **parts: Any) -> RecordedCall:
    """Hold the conversation, and write its recording."""
    into = recordings(folder)
    async with RecordedCall(into, agent, **parts) as call:
        await call.talk()
    into.close()
    return call
