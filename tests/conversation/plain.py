"""Conversations whose end of turn is threshold, action delay and timeout alone, whatever the defaults are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from duologue.conversation.config import ConversationConfig, Endpointing, SpeechDetection
from duologue.testing.conversation import Script

PLAIN = Endpointing(
    threshold=0.5,
    wait_below=0.5,
    action_delay=0.256,
    timeout=0.96,
    opening=0.0,
    short_turn=0.0,
    words_budget=0.064,
    sound_after=9.0,
    sound_budget=0.192,
    doubt=(0.1, 0.9),
    max_scores=3,
)
SPEECH = SpeechDetection(hangover=0.128)


def script(config: ConversationConfig | None = None, **options: Any) -> Script:
    """A script under `config`, with PLAIN and SPEECH where it leaves end of turn and detection as they come."""
    config = config or ConversationConfig()
    if config.endpointing == Endpointing():
        config = replace(config, endpointing=PLAIN)
    if config.speech == SpeechDetection():
        config = replace(config, speech=SPEECH)
    return Script(config, **options)
