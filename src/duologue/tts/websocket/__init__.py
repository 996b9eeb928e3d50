"""Voices over a WebSocket: text is streamed in, and audio with the times of its words comes out.

A vendor's protocol is a `Wire`; connections, contexts, clauses, deadlines and words are the same for all.
"""

from duologue.tts.websocket.voice import SocketSettings, WebSocketVoice, socket_base
from duologue.tts.websocket.wire import Reply, Timed, Wire

__all__ = ["Reply", "SocketSettings", "Timed", "WebSocketVoice", "Wire", "socket_base"]
