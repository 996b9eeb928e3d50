"""The parts that a session is made of."""

from __future__ import annotations

from dataclasses import dataclass

from duologue.agent import CallInfo
from duologue.conversation.conversation import Conversation
from duologue.engine import Engine
from duologue.session.config import SessionConfig
from duologue.session.evidence import EvidenceRequester
from duologue.session.hooks import CallHooks
from duologue.session.observer import Observers
from duologue.session.output import OutputController
from duologue.session.publisher import EventPublisher
from duologue.session.talk_button import TalkButton
from duologue.session.user_input import UserInput

__all__ = ["SessionParts"]


@dataclass(frozen=True, slots=True)
class SessionParts:
    """What drives a call. None of them refers to the session but weakly, through its host."""

    info: CallInfo
    config: SessionConfig
    engine: Engine
    rules: Conversation
    observers: Observers
    evidence: EvidenceRequester
    output: OutputController
    user: UserInput
    button: TalkButton
    publisher: EventPublisher
    hooks: CallHooks
