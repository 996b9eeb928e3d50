"""Voices over a WebSocket: text is streamed in, and audio with the times of its words comes out.

A vendor's protocol is a `Wire`; connections, contexts, clauses, deadlines and words are the same for all.
"""

from duologue.tts.websocket.voice import SocketSettings, WebSocketVoice, socket_base, voice_key
from duologue.tts.websocket.wire import Reply, Timed, Wire, parse_message, timed_rows

__all__ = [
    "Reply",
    "SocketSettings",
    "Timed",
    "WebSocketVoice",
    "Wire",
    "parse_message",
    "socket_base",
    "timed_rows",
    "voice_key",
]
