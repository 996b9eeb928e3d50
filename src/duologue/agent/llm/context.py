"""What the model is told of the conversation so far: what the user heard, within a budget of tokens."""

from __future__ import annotations

from collections.abc import Sequence

from duologue.conversation.history import Message

__all__ = ["CUT_OFF", "SILENCE", "UNHEARD", "estimate_tokens", "heard", "trim"]

CUT_OFF = "[cut off here: the user heard no more]"
SILENCE = "[the user said nothing]"
"""Stands for empty words, which providers refuse."""
UNHEARD = "[cut off before the user heard any of it]"

_CHARACTERS_A_TOKEN = 4
_TOKENS_A_MESSAGE = 4
"""For the role and the delimiters that every message costs."""


def estimate_tokens(text: str) -> int:
    """About how many tokens one message of `text` costs; English runs at four characters a token."""
    return -(-len(text) // _CHARACTERS_A_TOKEN) + _TOKENS_A_MESSAGE


def heard(message: Message) -> str:
    """The words of a message as the model should know them, with a mark where the user cut them off."""
    if not message.interrupted:
        return message.text or SILENCE
    return f"{message.text} {CUT_OFF}" if message.text else UNHEARD


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
