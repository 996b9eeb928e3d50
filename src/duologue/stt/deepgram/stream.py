"""Recognition streams over Deepgram: Nova over `/v1/listen`, which is asked for finals, and Flux over `/v2/listen`."""

from __future__ import annotations

from typing import Any, ClassVar

from duologue.errors import DuologueError, InvalidAudioError, ProviderError, ProviderUnavailableError
from duologue.stt import EndOfTurn, Partial, RecognitionEvent
from duologue.stt import Final as FinalTranscript
from duologue.stt.deepgram.messages import (
    FINALIZE,
    KEEP_ALIVE,
    Failure,
    Message,
    Results,
    TurnInfo,
    UtteranceEnd,
    parse,
    words_at,
)
from duologue.stt.deepgram.settings import DeepgramSettings
from duologue.stt.websocket import AskedStream, SocketStream

__all__ = ["FluxStream", "NovaStream", "close_error"]


def close_error(name: str, code: int, reason: str) -> DuologueError:
    """Return the error of the tree for the close of a stream."""
    if "DATA-0000" in reason:
        return InvalidAudioError(f"{name} cannot decode the audio (DATA-0000).", provider=name)
    if code == 1008:
        return ProviderError(f"{name} closed the stream: what it was sent breaks its rules (1008).", provider=name)
    said = next((known for known in ("NET-0000", "NET-0001") if known in reason), str(code))
    return ProviderUnavailableError(f"{name} closed the stream ({said}).", provider=name)


class NovaStream(AskedStream):
    """A stream of `/v1/listen`. `finalize` sends `Finalize`."""

    vendor = "deepgram"
    request = FINALIZE
    keep_alive: ClassVar[str | None] = KEEP_ALIVE
    message_samples = 1024
    """64 ms; Deepgram recommends 20 to 250 ms (https://github.com/orgs/deepgram/discussions/224)."""
    _settings: DeepgramSettings

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.keep_alive_interval: float = self._settings.keep_alive_interval

    def _read(self, frame: str | bytes) -> list[RecognitionEvent]:
        message = _message(self, frame)
        if isinstance(message, UtteranceEnd) and self._settings.utterance_end_ms is not None:
            return [EndOfTurn(self._settings.utterance_end_probability, self._heard)]
        if not isinstance(message, Results):
            return []
        best = message.channel.alternatives[0]
        start = self._clock.position(message.start)
        end = max(start, self._clock.end(message.start + message.duration))
        self._heard = max(self._heard, end)
        text = best.transcript.strip()
        if not message.is_final:
            self._has_words = bool(text)
            return [Partial(text, start, end)]
        self._has_words = False
        if message.from_finalize:
            end = max(end, self._answered(end))
        self._covered = max(self._covered, end)
        confidence = best.confidence if text else None
        return [FinalTranscript(text, start, end, words_at(best.words, self._clock), confidence)]


class FluxStream(SocketStream):
    """A stream of `/v2/listen`. Flux tells every quarter of a second how far it has listened, and is never asked."""

    vendor = "deepgram"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._turn = -1
        self._start = 0
        """Where the turn begins."""

    def _read(self, frame: str | bytes) -> list[RecognitionEvent]:
        message = _message(self, frame)
        if not isinstance(message, TurnInfo):
            return []
        end = self._clock.end(message.audio_window_end)
        if message.turn_index != self._turn:
            self._turn = message.turn_index
            self._start = min(self._clock.position(message.audio_window_start), end)
        text, sure = message.transcript.strip(), message.end_of_turn_confidence
        if message.event == "EndOfTurn":
            words = words_at(message.words, self._clock)
            return [EndOfTurn(sure, end), FinalTranscript(text, self._start, end, words)]
        events: list[RecognitionEvent] = [Partial(text, self._start, end)]
        if message.event == "EagerEndOfTurn":
            events.append(EndOfTurn(sure, end, eager=True))
        elif message.event == "TurnResumed":
            events.append(EndOfTurn(sure, end))  # a low confidence counts against the end
        return events


def _message(stream: SocketStream, frame: str | bytes) -> Message | None:
    """Return the message in a frame; None for a type that is not known, which is counted."""
    message = parse(stream.name, frame)
    if message is None:
        stream.usage.unknown_messages += 1
    if isinstance(message, Failure):
        code = "".join(c for c in (message.code or message.variant) if c.isalnum() or c in "_-")[:60]
        kind = ProviderUnavailableError if "INTERNAL" in code or "NET" in code else ProviderError
        raise kind(f"{stream.name} reports an error ({code}).", provider=stream.name)
    return message
