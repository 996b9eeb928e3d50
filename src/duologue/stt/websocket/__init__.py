"""Recognizers over a WebSocket: connections and streams, the same for all vendors."""

from duologue.stt.websocket.connection import Connection, dial
from duologue.stt.websocket.messages import no_message, parse_message
from duologue.stt.websocket.pool import StreamPool
from duologue.stt.websocket.stream import AskedStream, SocketStream

__all__ = ["AskedStream", "Connection", "SocketStream", "StreamPool", "dial", "no_message", "parse_message"]
