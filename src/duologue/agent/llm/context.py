"""The messages that the model is sent: what the user heard so far, within a budget of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from duologue.agent.text import repaired
from duologue.conversation.history import Message

__all__ = ["CALL_BEGINS", "CUT_OFF", "SILENCE", "UNHEARD", "Role", "alternating", "estimate_tokens", "heard", "trim"]

CALL_BEGINS = "[the call begins]"
"""Stands for the user's side where the agent spoke first: many chat templates refuse a conversation that begins so."""
CUT_OFF = "[cut off here: the user heard no more]"
SILENCE = "[the user said nothing]"
"""Stands for empty words, which providers refuse."""
UNHEARD = "[cut off before the user heard any of it]"

_CHARACTERS_A_TOKEN = 4
_TOKENS_A_MESSAGE = 4
"""For the role and the delimiters that every message costs."""

Role = Literal["user", "agent"]


def estimate_tokens(text: str) -> int:
    """About how many tokens one message of `text` costs; English runs at four characters a token."""
    return -(-len(text) // _CHARACTERS_A_TOKEN) + _TOKENS_A_MESSAGE


def heard(message: Message) -> str:
    """The words of a message as the model should know them, with a mark where the user cut them off."""
    text = repaired(message.text)
    if not message.interrupted:
        return text or SILENCE
    return f"{text} {CUT_OFF}" if text else UNHEARD


def alternating(history: Sequence[Message], text: str) -> tuple[list[tuple[Role, str]], str]:
    """The history in messages that alternate, beginning with the user's, and the words to be answered.

    Two messages of one side in a row become one, and words that were never answered are part of those that are now.
    """
    messages: list[tuple[Role, str]] = []
    for message in history:
        if messages and messages[-1][0] == message.role:
            messages[-1] = (message.role, f"{messages[-1][1]}\n{heard(message)}")
        else:
            messages.append((message.role, heard(message)))
    if messages and messages[0][0] == "agent":
        messages.insert(0, ("user", CALL_BEGINS))
    text = repaired(text).strip() or SILENCE
    if messages and messages[-1][0] == "user":
        text = f"{messages.pop()[1]}\n{text}"
    return messages, text


def trim(history: Sequence[Message], max_tokens: int) -> tuple[list[Message], int]:
    """The newest whole turns that fit in `max_tokens`, and how many older turns were dropped.

    A turn starts with what the user says; what the agent says first of all is a turn too.
    """
    turns: list[list[Message]] = []
    for message in history:
        if message.role == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    spent, kept = 0, len(turns)
    for turn in reversed(turns):
        spent += sum(estimate_tokens(heard(message)) for message in turn)
        if spent > max_tokens:
            break
        kept -= 1
    return [message for turn in turns[kept:] for message in turn], kept
