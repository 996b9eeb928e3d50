"""A conversation that goes on from the checkpoint of another one."""

from plain import script

from duologue.conversation import effects, events, inputs
from duologue.conversation.config import ConversationConfig
from duologue.conversation.history import Message


def test_turns_and_history_go_on_where_they_were() -> None:
    s = script(ConversationConfig(), start=False)
    heard = [Message("user", "Is it open?"), Message("agent", "Yes, it is.", "Yes, it is.")]
    s.conversation.resume(heard, 4, 9)
    s.give(inputs.CallRequested())
    s.understand("Thank you.", probability=0.95)
    s.speech(1.0)
    s.silence(1.0)
    assert s.one(events.TurnDecided).turn == 5
    reply = s.one(effects.StartReply)
    assert reply.generation == 10
    assert [message.text for message in reply.history][:2] == ["Is it open?", "Yes, it is."]
