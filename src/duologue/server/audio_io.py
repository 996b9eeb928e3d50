"""The two directions of sound between a client and a session, each converted once."""

from __future__ import annotations

from typing import Final

from duologue.audio import g711
from duologue.audio.format import RATE
from duologue.audio.resample import Resampler
from duologue.errors import InvalidAudioError
from duologue.server.backend import Session
from duologue.server.backlog import Backlog
from duologue.server.outbox import Outbox
from duologue.session import AudioSink
from duologue.wire import frames
from duologue.wire.fields import Audio
from duologue.wire.messages import Ack, Interrupted, Pause, Resume

__all__ = ["AudioInput", "AudioOutput"]

ACK_EVERY_S: Final = 0.2


class AudioInput:
    """Frames of a client become 16 kHz PCM for its session."""

    def __init__(self, audio: Audio, session: Session) -> None:
        self._audio = audio
        self._session = session
        self._bytes_per_sample = audio.bytes_per_sample
        self._bytes_per_second = audio.bytes_per_sample * audio.rate
        self._as_it_is = audio.rate == RATE and audio.encoding == "pcm_s16le"
        self._continuity = frames.Continuity(audio.rate, audio.bytes_per_sample)
        self._resampler = Resampler(audio.rate, RATE)
        self._given = 0
        self._ack_at = self._ack_step = round(ACK_EVERY_S * audio.rate)

    def take(self, message: bytes) -> float:
        """Hand over one binary message, and return the seconds of sound that were new in it.

        Raises InvalidAudioError where it is no frame, too long, or too far ahead.
        """
        frame = frames.unpack(message, self._bytes_per_sample)
        seconds = len(frame.audio) / self._bytes_per_second
        if seconds > frames.MAX_FRAME_S:
            raise InvalidAudioError(f"A frame holds {seconds:.1f} s of sound, and may hold {frames.MAX_FRAME_S:g} s.")
        gap, data = self._continuity.accept(frame)
        if gap:
            self._resampler.flush()  # The last 3 ms before a gap are lost in it.
            start = self._continuity.position - len(data) // self._bytes_per_sample
            # From the absolute position, so that rounding does not add up over many gaps.
            missing = start * RATE // self._audio.rate - self._given
            if missing > 0:
                self._given += missing
                self._session.skip_audio(missing)
        if data:
            pcm = bytes(data)
            if not self._as_it_is:
                pcm = self._resampler.process(g711.decode(pcm, self._audio.encoding))
            self._given += len(pcm) // 2
            self._session.process_audio(pcm)
        return len(data) / self._bytes_per_second

    @property
    def position(self) -> int:
        """The sample that is expected next, in the client's rate."""
        return self._continuity.position

    def begin_at(self, position: int) -> None:
        """Expect the audio of a client from this sample on, which is the first that the session hears."""
        self._continuity.position = position
        self._given = position * RATE // self._audio.rate
        self._ack_at = position + self._ack_step

    def ack(self) -> Ack | None:
        """The acknowledgement, where one is due."""
        position = self._continuity.position
        if position < self._ack_at:
            return None
        self._ack_at = position + self._ack_step
        return Ack(position=position, gaps=self._continuity.gaps, duplicates=self._continuity.duplicates)


class AudioOutput(AudioSink):
    """The session's sink: its PCM becomes frames in the encoding and at the rate that the client asked for."""

    def __init__(self, audio: Audio, outbox: Outbox, backlog: Backlog | None = None) -> None:
        self._audio = audio
        self.outbox = outbox
        """Changes where the client comes back over another connection."""
        self._backlog = backlog
        self._rate = audio.rate
        self._bytes_per_sample = audio.bytes_per_sample
        self._resampler = Resampler(audio.rate, audio.rate)
        self._as_it_is = audio.encoding == "pcm_s16le"
        self._expected = -1
        self._generation = -1
        self._position = 0

    @property
    def rate(self) -> int:
        """Samples a second of what `send` is given."""
        return self._rate

    @rate.setter
    def rate(self, rate: int) -> None:
        self._rate = rate
        self._expected = -1
        self._resampler = Resampler(rate, self._audio.rate)
        self._as_it_is = rate == self._audio.rate and self._audio.encoding == "pcm_s16le"

    def send(self, pcm: bytes, position: int, generation: int) -> None:
        """Put a frame in the outbox."""
        if position != self._expected or generation != self._generation:
            # A new reply, or a jump: nothing of the sound before may ring on in the filter.
            self._resampler.flush()
            self._generation = generation
            self._position = position * self._audio.rate // self._rate
        self._expected = position + len(pcm) // 2
        data = pcm if self._as_it_is else g711.encode(self._resampler.process(pcm), self._audio.encoding)
        if data:
            self.outbox.put_audio(frames.pack(self._position, generation, data), generation)
            self._position += len(data) // self._bytes_per_sample

    def pause(self, generation: int) -> None:
        """Have the client hold the reply."""
        self.outbox.put(Pause(generation=generation))

    def resume(self, generation: int) -> None:
        """Have the client go on with it."""
        self.outbox.put(Resume(generation=generation))

    def flush(self, generation: int) -> None:
        """Drop this generation and older, here and at the client."""
        self.outbox.drop_audio(generation)
        if self._backlog is not None:
            self._backlog.drop_audio(generation)
        self.outbox.put(Interrupted(generation=generation))

    def played(self, position: int) -> int:
        """A client's position in the session's own rate."""
        if self._backlog is not None:
            self._backlog.played(position)
        return position * self._rate // self._audio.rate
