"""What is asserted of a call: what its agent said and did, and within how many turns."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeAlias

from duologue.recording.recording import read_undamaged
from duologue.session import VoiceSession
from duologue.session.events import ToolCalled

__all__ = ["Assertions", "Words", "said_in"]

Words: TypeAlias = str | re.Pattern[str]
"""Whole words, in any case; or a pattern that is searched for."""


class Assertions:
    """Checks of a call, which raise AssertionError with what was heard instead.

    A turn counts from 1, with what the agent answered to it. What the agent says before the first turn, as its
    greeting, counts with turn 0.
    """

    session: VoiceSession

    def agent_said(self, words: Words, *, within: int | None = None, after: int = -1) -> str:
        """Check that the user heard `words` from the agent, and return the whole text that has them.

        Args:
            words: Whole words, in any case; or a pattern.
            within: The last turn in which they may come; by default, any.
            after: Answers to this turn and those before do not count.
        """
        pattern = _pattern(words)
        answers = self._answers()
        for turn, text in answers:
            if after < turn <= (turn if within is None else within) and pattern.search(text):
                return text
        limits = (f" after turn {after}" if after >= 0 else "") + _limit(within)
        raise AssertionError(f"The user did not hear {_shown(words)}{limits}. {_told(answers)}")

    def agent_never_said(self, words: Words) -> None:
        """Check that the user did not hear `words` from the agent."""
        pattern = _pattern(words)
        for turn, text in self._answers():
            if pattern.search(text):
                raise AssertionError(f"The user heard {_shown(words)} in turn {turn}: {text!r}")

    def tool_called(self, name: str, *, within: int | None = None) -> ToolCalled:
        """Check that the agent called a tool, by turn `within` if that is given, and return the first such call."""
        found: list[str] = []
        for number, turn in enumerate(self.session.record.turns, 1):
            for tool in turn.tools:
                if tool.name == name and (within is None or number <= within):
                    return tool
                found.append(f"  turn {number}: {tool.name}")
        called = "\n".join(["These were called:", *found]) if found else "No tool was called."
        raise AssertionError(f"The tool {name!r} was not called{_limit(within)}. {called}")

    def _answers(self) -> list[tuple[int, str]]:
        """What the user heard, each with the number of the turn before it."""
        turn, answers = 0, []
        for message in self.session.history:
            if message.role == "user":
                turn += 1
            else:
                answers.append((turn, message.text))
        return answers


def said_in(recording: str | Path) -> list[str]:
    """Return what the user said in each turn of a recorded call, to be said again to an agent of today.

    Raises InvalidRecordingError for what is no recording or is damaged.
    """
    said: dict[int, str] = {}
    for step in read_undamaged(Path(recording)).steps:
        for effect in step.effects:
            fields = effect["fields"]
            if effect["effect"] == "TurnDecided":
                said[fields["turn"]] = fields["text"]
            elif effect["effect"] == "TurnContinued":
                said.pop(fields["turn"], None)
    return list(said.values())


def _pattern(words: Words) -> re.Pattern[str]:
    if isinstance(words, re.Pattern):
        return words
    return re.compile(rf"(?<!\w){re.escape(words)}(?!\w)", re.IGNORECASE)


def _shown(words: Words) -> str:
    return repr(words) if isinstance(words, str) else f"/{words.pattern}/"


def _limit(within: int | None) -> str:
    if within is None:
        return ""
    return f" within {within} turn{'s' * (within != 1)}" if within else " before the first turn"


def _told(answers: list[tuple[int, str]]) -> str:
    if not answers:
        return "The agent was not heard at all."
    return "\n".join(["It was:", *(f"  turn {turn}: {text!r}" for turn, text in answers)])
