"""A Realtime transcription session: audio in, segments that are committed, and their transcripts."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from typing import Any, Final

from pydantic import BaseModel, Field, ValidationError

from duologue.audio.format import RATE
from duologue.audio.microphone import Microphone
from duologue.errors import DeadlineError, DuologueError, ProviderUnavailableError
from duologue.services import error_code, error_for
from duologue.stt import Final as FinalTranscript
from duologue.stt import Partial, RecognitionEvent
from duologue.stt.openai_realtime.settings import SENT_RATE, OpenAIRealtimeSettings
from duologue.stt.websocket import Connection, SocketStream

__all__ = ["TranscriptionStream", "close_error"]

MIN_COMMIT_S: Final = 0.11
"""Seconds of audio that a commit must have: 0.1, and what the resampler holds back."""
MAX_SEGMENT_S: Final = 60.0
"""Seconds of sound after which a segment is committed, though the user has not paused."""
MAX_SEGMENTS: Final = 64
PIECE: Final = RATE
"""Samples that are taken from a push at once."""
COMMIT: Final = '{"type": "input_audio_buffer.commit"}'
EVENTS: Final = "conversation.item.input_audio_transcription."

_SILENT_TYPES: Final = frozenset(
    {
        "session.created",
        "conversation.item.added",
        "conversation.item.created",
        "conversation.item.done",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "rate_limits.updated",
    }
)
"""Types that say nothing of the transcript."""


class _Usage(BaseModel):
    """What a segment is charged for; the tokens if its model is charged by them."""

    total_tokens: int = Field(0, ge=0)


class _Event(BaseModel):
    """The fields of those events that concern a segment."""

    type: str
    item_id: str = Field(min_length=1, max_length=200)
    delta: str | None = None
    transcript: str | None = None
    usage: _Usage | None = None
    error: dict[str, Any] | None = None


class _Segment:
    """Audio that was committed together."""

    def __init__(self, start: int, end: int, text: str | None = None) -> None:
        self.start = start
        self.end = end
        self.text = text
        """The final transcript; None until it has come."""
        self.item = ""
        """The service's name for it."""


class TranscriptionStream(SocketStream):
    """A stream. `finalize` commits the audio so far as one segment, whose transcript is the answer.

    Transcripts may come in another order than their segments: a final waits for those before it. Long silence is not
    sent, and a stretch that has nothing else is not asked about.
    """

    vendor = "openai"
    _settings: OpenAIRealtimeSettings

    def __init__(self, *args: Any, language: str | None = None) -> None:
        super().__init__(*args)
        self._update = json.dumps({"type": "session.update", "session": self._settings.session(language)})
        self._microphone = Microphone(SENT_RATE)
        self._open_s = 0.0
        """Seconds of audio that were sent since the last commit."""
        self._start = 0
        """Where the segment begins that is not committed."""
        self._end = 0
        """The position up to which audio was taken from the session."""
        self._covered = 0
        """The position up to which finals have come."""
        self._segments: deque[_Segment] = deque()
        """Those whose finals have not been given."""
        self._texts: dict[str, str] = {}
        """Words so far by item, in the order of speech, the one that is not committed last."""
        self._due: asyncio.TimerHandle | None = None
        self._is_configured = False
        """Whether the service has accepted the session; no final is given before."""

    @property
    def sent_s(self) -> float:
        """Seconds of audio that went to the service: long silence does not, and costs nothing."""
        return self._microphone.passed / RATE

    async def _send(self, connection: Connection) -> None:
        await connection.send(self._update)
        await super()._send(connection)

    async def _send_audio(self, connection: Connection, pcm: bytes, position: int) -> None:
        for at in range(0, len(pcm) // 2, PIECE):
            piece = pcm[2 * at : 2 * (at + PIECE)]
            before, self._end = self._microphone.passed, position + at + len(piece) // 2
            is_due = self._microphone.push(piece)
            passed = self._microphone.passed - before
            self.usage.streamed_s += passed / RATE
            if passed and not self._open_s:
                self._start = max(self._end - passed, self._start)
            self._open_s += passed / RATE
            if is_due:
                await self._send_waiting(connection)
            if self._open_s >= MAX_SEGMENT_S:
                await self._commit(connection, self._end)

    async def _request_final(self, connection: Connection, position: int) -> None:
        self._end = max(self._end, position)
        if self._open_s:
            await self._commit(connection, position)
        else:
            self._add(connection, _Segment(self._end, position, ""))
            if self._is_configured:
                connection.interrupt()
            elif self._due is None:
                self._await_answer(connection)

    async def _commit(self, connection: Connection, position: int) -> None:
        missing = round(max(0.0, MIN_COMMIT_S - self._open_s) * SENT_RATE)
        await self._send_waiting(connection, bytes(2 * missing))
        self._add(connection, _Segment(self._start, position))
        self._open_s, self._start = 0.0, position
        if self._due is None:
            self._await_answer(connection)
        await connection.send(COMMIT)

    def _add(self, connection: Connection, segment: _Segment) -> None:
        self._segments.append(segment)
        if len(self._segments) > MAX_SEGMENTS:
            late = f"{self.name} owes the transcripts of {MAX_SEGMENTS} segments."
            connection.fail(DeadlineError(late, provider=self.name))

    async def _send_waiting(self, connection: Connection, more: bytes = b"") -> None:
        if pcm := self._microphone.take() + more:
            audio = base64.b64encode(pcm).decode("ascii")
            await connection.send(f'{{"type": "input_audio_buffer.append", "audio": "{audio}"}}')

    def _read(self, frame: str | bytes) -> list[RecognitionEvent]:
        message = self._message(frame)
        kind = message["type"]
        if kind == "error":
            raise self._error(message.get("error"))
        if kind == "input_audio_buffer.committed" or kind.startswith(EVENTS):
            return self._take(kind, message)
        if kind == "session.updated":
            self._is_configured = True
            return self._finals()
        self.usage.unknown_messages += kind not in _SILENT_TYPES
        return []

    def _take(self, kind: str, message: dict[str, Any]) -> list[RecognitionEvent]:
        try:
            event = _Event.model_validate(message)
        except ValidationError:
            raise self._garbage() from None
        if self._due is not None and self._connection is not None:
            self._await_answer(self._connection)
        if kind == "input_audio_buffer.committed":
            segment = next((each for each in self._segments if each.text is None and not each.item), None)
            if segment is not None:
                segment.item = event.item_id
                self._texts.setdefault(event.item_id, "")
            return []
        if kind == EVENTS + "delta":
            self._texts[event.item_id] = self._texts.get(event.item_id, "") + (event.delta or "")
            if len(self._texts) > 2 * MAX_SEGMENTS:
                raise self._garbage()
            return [self._partial()]
        if kind == EVENTS + "failed" and not _is_unintelligible(event.error):
            raise self._error(event.error)
        if kind not in (EVENTS + "completed", EVENTS + "failed"):
            self.usage.unknown_messages += 1
            return []
        if event.transcript is None and kind == EVENTS + "completed":
            raise self._garbage()
        self.usage.tokens += event.usage.total_tokens if event.usage is not None else 0
        segment = next((each for each in self._segments if each.item == event.item_id), None)
        if segment is None:
            self.usage.unknown_messages += 1
            return []
        segment.text = (event.transcript or "").strip()
        self._texts[event.item_id] = segment.text
        return self._finals()

    def _partial(self) -> Partial:
        starts = [segment.start for segment in self._segments]
        start = max(min([self._start, *starts]), self._covered)
        text = " ".join(filter(None, (text.strip() for text in self._texts.values())))
        return Partial(text, start, max(self._end, start))

    def _finals(self) -> list[RecognitionEvent]:
        """The finals of the segments whose transcripts have come, up to the first that is still owed."""
        finals: list[RecognitionEvent] = []
        while self._is_configured and self._segments and (text := self._segments[0].text) is not None:
            segment = self._segments.popleft()
            self._texts.pop(segment.item, None)
            end = max(segment.end, self._covered)
            start = min(max(segment.start, self._covered), end)
            self._covered = end
            finals.append(FinalTranscript(text, start, end))
        if not self._segments:
            self._forget()
        return finals

    def _unanswered(self) -> list[RecognitionEvent]:
        return self._finals()

    def _await_answer(self, connection: Connection) -> None:
        """Expect the next message about a segment in time."""
        self._forget()
        late = DeadlineError(
            f"{self.name} gave no final within {self._settings.finalize_timeout:g} s.", provider=self.name
        )
        loop = asyncio.get_running_loop()
        self._due = loop.call_later(self._settings.finalize_timeout, connection.fail, late)

    def _forget(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _message(self, frame: str | bytes) -> dict[str, Any]:
        try:
            message = json.loads(frame) if isinstance(frame, str) else None
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise self._garbage()
        return message

    def _garbage(self) -> ProviderUnavailableError:
        return ProviderUnavailableError(
            f"{self.name} sent what is no message of its protocol.",
            provider=self.name,
            hint="The stream is opened again.",
        )

    def _error(self, error: Any) -> DuologueError:
        """Return the error of the tree for an error of the service, whose words may hold what was said."""
        said = error if isinstance(error, dict) else {}
        code = error_code(said)
        if said.get("type") == "server_error" or code == "session_expired":
            return ProviderUnavailableError(f"{self.name} cannot go on ({code}).", provider=self.name)
        is_audio = said.get("param") == "audio" or "audio" in code
        return error_for(self.name, None, code, bad_audio=is_audio)


def close_error(name: str, code: int, reason: str) -> DuologueError:
    """Return the error of the tree for the close of a stream: its reason may end with an error's code."""
    said = error_code({"code": reason.rpartition(".")[2]})
    if code >= 3000 and said:
        return error_for(name, None, said)
    return ProviderUnavailableError(f"{name} closed the stream ({code}).", provider=name)


def _is_unintelligible(error: dict[str, Any] | None) -> bool:
    """Whether a segment failed because there are no words in it."""
    return error is not None and error.get("code") == "audio_unintelligible"
