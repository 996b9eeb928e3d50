"""The models run again on the recorded audio, in place of what they said in the call.

A model gives exactly the same for the same audio only in batches of the same size: here each runs by itself, so that
scores may differ from the recorded ones in their last bits, and a transcript by a word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from duologue.audio.format import RATE
from duologue.audio.level import speech_level
from duologue.conversation import effects
from duologue.conversation.evidence import SOUND_WINDOW, Answer
from duologue.conversation.inputs import Gap, Input, SoundScored, VadScored, WordsArrived
from duologue.conversation.question import Expected
from duologue.engine.recognizers import as_float
from duologue.errors import ConfigError, InvalidRecordingError
from duologue.recording.codec import decode_value
from duologue.recording.course import Request
from duologue.recording.effects import EffectRecord
from duologue.recording.evidence import RecordedEvidence
from duologue.recording.recording import Recording, Step
from duologue.stt import SpeechToText, SttModel
from duologue.stt.recognition import Recognition
from duologue.turn import TurnModel, WordsPolicy
from duologue.turn.languages import language_pack
from duologue.turn.understanding import understood
from duologue.vad import VoiceActivityDetector

__all__ = ["ModelEvidence", "Models", "RerunCounts"]

MAX_SECONDS: Final = 4 * 3600
"""Of the audio, all of which is held in memory."""


@dataclass(frozen=True, slots=True)
class Models:
    """What runs again."""

    vad: VoiceActivityDetector
    stt: SttModel | SpeechToText
    words: WordsPolicy
    turn_model: TurnModel | None = None


@dataclass(slots=True)
class RerunCounts:
    """How far the models differ from the recording."""

    windows: int = 0
    largest_change: float = 0.0
    """The largest difference between two scores of a window."""
    transcripts: int = 0
    changed_transcripts: int = 0
    scores: int = 0
    """Judgments of the end of a turn by its audio."""

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "windows": self.windows,
            "largest_score_change": round(self.largest_change, 9),
            "transcripts": self.transcripts,
            "changed_transcripts": self.changed_transcripts,
            "end_of_turn_scores": self.scores,
        }


class ModelEvidence:
    """Answers what the rules ask by running models on the recorded audio. Use it as a context manager.

    Raises InvalidRecordingError if the recording has no audio, and ConfigError if the detector scores windows of
    another length. Models raise what they raise.
    """

    def __init__(self, recording: Recording, models: Models) -> None:
        if models.vad.window != recording.header["window"]:
            raise ConfigError(
                f"{models.vad.name} scores windows of {models.vad.window} samples, "
                f"and the call was recorded with {recording.header['window']}.",
                hint="Use the detector of the recording.",
            )
        self.counts: RerunCounts = RerunCounts()
        self._models = models
        self._language = recording.header.get("session", {}).get("language")
        self._pack = language_pack(self._language)
        self._recorded = RecordedEvidence(recording)
        self._raw = _audio(recording, cleaned=False)
        self._cleaned = _audio(recording, cleaned=True)
        self._steps = recording.steps
        self._asked = _requests(recording.steps)
        self._vad_row = models.vad.open()
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self._runner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._models.vad.close(self._vad_row)
        self._runner.__exit__(kind, error, trace)

    def inputs(self, on_progress: Callable[[float], None] | None = None) -> list[Input]:
        """Return the inputs of the call with what the models say now; to be called once.

        Args:
            on_progress: Receives the seconds of the call that are done.
        """
        found: list[Input] = []
        for step in self._steps:
            found.append(self._input(step))
            if on_progress is not None:
                on_progress(step.now.pos / RATE)
        return found

    def _input(self, step: Step) -> Input:
        match step.input:
            case VadScored():
                return self._score(step.input)
            case Gap():
                self._models.vad.reset(self._vad_row)
            case WordsArrived(ask=ask) if isinstance(request := self._asked.get(ask), effects.RequestTranscript):
                words = self._transcribe(request)
                self.counts.transcripts += 1
                self.counts.changed_transcripts += words.text != step.input.text
                return words
            case SoundScored(ask=ask) if isinstance(request := self._asked.get(ask), effects.RequestEndOfTurn):
                return self._judge(request) or step.input
            case _:
                pass
        return step.input

    def answer(self, request: Request) -> tuple[Answer, int] | None:
        """Return the models' answer, and the samples of audio after which the recorded one came, if there is one."""
        recorded = self._recorded.answer(request)
        after = 0 if recorded is None else recorded[1]
        if isinstance(request, effects.RequestTranscript):
            return self._transcribe(request), after
        judged = self._judge(request)
        return None if judged is None else (judged, after)

    def _score(self, window: VadScored) -> VadScored:
        samples = _part(self._raw, window.start, window.end)
        rows = np.array([self._vad_row], np.intp)
        probability = float(self._models.vad.score(rows, samples[None])[0])
        self.counts.windows += 1
        self.counts.largest_change = max(self.counts.largest_change, abs(probability - window.probability))
        return window._replace(probability=probability)

    def _transcribe(self, request: effects.RequestTranscript) -> WordsArrived:
        samples = _part(self._cleaned, request.start, request.end)
        found = self._recognize(samples.tobytes())
        level = speech_level(samples) if found else None
        odds, sound = found.ending_odds, found.sound_estimate
        return understood(request, str(found), self._models.words, self._pack, odds, level, sound)

    def _recognize(self, pcm: bytes) -> Recognition:
        stt = self._models.stt
        if not pcm:
            return Recognition("")
        if isinstance(stt, SttModel):
            return Recognition.of(stt.run([as_float(pcm)])[0])
        transcript = self._runner.run(stt.transcribe(pcm, language=self._language))
        return Recognition(transcript.text.strip(), transcript.ending_odds, transcript.sound_estimate)

    def _judge(self, request: effects.RequestEndOfTurn) -> SoundScored | None:
        model = self._models.turn_model
        if model is None:
            return None
        samples = _part(self._cleaned, max(request.start, request.end - SOUND_WINDOW), request.end)
        self.counts.scores += 1
        return SoundScored(request.ask, float(model.run([as_float(samples.tobytes())])[0]))


def _audio(recording: Recording, *, cleaned: bool) -> NDArray[np.int16]:
    """Return the user's audio from the start of the call; what is missing is silence."""
    pieces = list(recording.heard(cleaned=cleaned))
    end = max((start + len(pcm) // 2 for start, pcm in pieces), default=0)
    if not end:
        raise InvalidRecordingError(
            f"{recording.path.name} has no audio, on which models could run.", hint="Leave out --models."
        )
    if end > MAX_SECONDS * RATE:
        raise InvalidRecordingError(f"The call has {end / RATE:.0f} s of audio; the limit is {MAX_SECONDS} s.")
    audio = np.zeros(end, np.int16)
    for start, pcm in pieces:
        audio[start : start + len(pcm) // 2] = np.frombuffer(pcm, np.int16)
    return audio


def _part(audio: NDArray[np.int16], start: int, end: int) -> NDArray[np.int16]:
    """Return [start, end); beyond the audio there is silence."""
    end = min(end, MAX_SECONDS * RATE)
    part = audio[max(start, 0) : max(end, 0)]
    missing = end - max(start, 0) - len(part)
    return np.concatenate((part, np.zeros(missing, np.int16))) if missing > 0 else part


def _requests(steps: Sequence[Step]) -> dict[int, Request]:
    """Return what was asked, by the id of the request."""
    return {request.ask: request for step in steps for effect in step.effects if (request := _request(effect))}


def _request(effect: EffectRecord) -> Request | None:
    f = effect["fields"]
    if effect["effect"] == effects.RequestTranscript.__name__:
        expects = decode_value(Expected | None, f.get("expects"), "expects")
        return effects.RequestTranscript(f["ask"], f["start"], f["end"], f["due"], before=f["before"], expects=expects)
    if effect["effect"] == effects.RequestEndOfTurn.__name__:
        return effects.RequestEndOfTurn(f["ask"], f["start"], f["end"], f["due"])
    return None
