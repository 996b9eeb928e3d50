"""A client of the server: audio and messages of one conversation over a WebSocket."""

from __future__ import annotations

from duologue.client.conversation import AudioFrame, Conversation, connect
from duologue.client.refusals import as_exception

__all__ = ["AudioFrame", "Conversation", "as_exception", "connect"]
