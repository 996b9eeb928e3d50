"""`duologue transcribe` and `duologue say`: the models by themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from duologue.cli.options import Stt, Tts
from duologue.cli.output import AsJson, console, is_standard_output, notes, print_json
from duologue.cli.sound_files import SOUND, read_sound, sound_file, write_sound
from duologue.errors import ConfigError, InputError

if TYPE_CHECKING:
    from duologue.tts import Speech

__all__ = ["say", "transcribe"]

LONGEST_TEXT = 50_000
"""Characters that are spoken into one file: about an hour."""


def transcribe(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="WAV files of any common rate, depth and channel count.", **SOUND),
    ],
    partials: Annotated[
        bool, typer.Option("--partials", help="Show partial transcripts at the pace of speech, on stderr.")
    ] = False,
    language: Annotated[str | None, typer.Option(help="The language that is spoken, such as es [default: en].")] = None,
    stt: Stt = None,
    as_json: AsJson = False,
) -> None:
    """Print the words in recordings."""
    asyncio.run(_transcribe(files, partials=partials, language=language, stt=stt, as_json=as_json))


async def _transcribe(
    files: list[Path], *, partials: bool, language: str | None, stt: str | None, as_json: bool
) -> None:
    results = []
    name = _local_recognizer(language) if stt is None else stt
    async for result in _transcripts(files, partials, language, name):
        if as_json:
            results.append(asdict(result))
        else:
            prefix = f"{result.file}: " if len(files) > 1 else ""
            console.print(prefix + result.text, soft_wrap=True)
    if as_json:
        print_json({"files": results})


def _local_recognizer(language: str | None) -> str:
    """The local recognizer that knows a language. Raises UnsupportedLanguageError if none does."""
    from duologue.stt.language import code_of, language_code

    if language is None or code_of(language) == "en":
        return "moonshine"
    from duologue.stt.whisper import LANGUAGES

    language_code("whisper/base", LANGUAGES, language)
    return "whisper"


@dataclass(frozen=True, slots=True)
class FileTranscript:
    """The words of one file; seconds."""

    file: str
    text: str
    audio_s: float
    wall_s: float


async def _transcripts(
    files: list[Path], partials: bool, language: str | None, name: str
) -> AsyncIterator[FileTranscript]:
    from duologue.audio.format import RATE
    from duologue.cli.transcript import transcribe_long
    from duologue.engine import Engine
    from duologue.settings.providers import stt_provider
    from duologue.stt.language import language_code
    from duologue.turn.words import Words
    from duologue.vad.silero import Silero

    show = (lambda text: notes.print(f"… {text}", style="dim")) if partials else None
    first = read_sound(files[0])  # before the models, which take longer to load than a mistake should
    vad = Silero()
    async with Engine(vad=vad, words=Words(), paced=False) as engine:
        stt = engine.stt(stt_provider(name))
        if language is not None and stt.capabilities.languages:
            language_code(stt.name, stt.capabilities.languages, language)  # nothing asks it about a file without speech
        if partials and not stt.capabilities.finalizes:
            raise ConfigError(f"{stt.name} cannot be asked for the last words of a file.", hint="Leave out --partials.")
        try:
            for i, file in enumerate(files):
                samples = first if i == 0 else read_sound(file)
                began = time.perf_counter()
                text = await transcribe_long(stt, vad, samples, language=language, on_partial=show)
                wall = time.perf_counter() - began
                yield FileTranscript(str(file), text, round(len(samples) / RATE, 3), round(wall, 3))
        finally:
            await stt.aclose()


def say(
    text: Annotated[str, typer.Argument(help="What to say; - reads standard input.")],
    out: Annotated[Path, sound_file("The WAV file to write.", may_be_piped=True)] = Path("speech.wav"),
    seed: Annotated[int | None, typer.Option(help="Fixes the random part of the voice.", min=0)] = None,
    tts: Tts = None,
    as_json: AsJson = False,
) -> None:
    """Write speech to a WAV file."""
    is_piped = is_standard_output(out)
    if is_piped and as_json:
        raise ConfigError(f"{out} and --json would both write to standard output.", hint="Give --out a file.")
    spoken, first = asyncio.run(_say(_text(text), seed, tts or "hibari"))
    rate = spoken[0].rate
    pcm = b"".join(speech.pcm for speech in spoken)
    write_sound(out, pcm, rate)
    seconds = len(pcm) / 2 / rate
    if not as_json:
        (notes if is_piped else console).print(
            f"{out}: {seconds:.2f} s, first sound after {first * 1000:.0f} ms", soft_wrap=True
        )
        return
    words: list[dict[str, Any]] = []
    at = 0.0
    for speech in spoken:
        words += [
            {"text": w.text, "start_s": round(at + w.start, 3), "end_s": round(at + w.end, 3)} for w in speech.words
        ]
        at += speech.duration
    print_json(
        {
            "file": str(out),
            "rate": rate,
            "audio_s": round(seconds, 3),
            "first_s": round(first, 4),
            "words": words,
            "timings": "exact" if all(speech.timings == "exact" for speech in spoken) else "estimated",
        }
    )


def _text(argument: str) -> str:
    """The argument, or what standard input holds."""
    text = argument
    if argument == "-":
        given = typer.get_binary_stream("stdin").read(4 * LONGEST_TEXT + 1)
        try:
            text = given.decode()
        except UnicodeDecodeError as error:
            raise InputError(
                "Standard input is not UTF-8 text.", hint="Convert it, or give the text itself."
            ) from error
    if len(text) > LONGEST_TEXT:
        raise InputError(f"The text has more than {LONGEST_TEXT} characters.", hint="Say it in several files.")
    return text


async def _say(text: str, seed: int | None, name: str) -> tuple[list[Speech], float]:
    """What there is to hear, and the seconds until the first of it was there."""
    from duologue.engine import Engine
    from duologue.settings.providers import tts_provider
    from duologue.tts.clauses import clauses_of
    from duologue.turn.silence import Silence
    from duologue.vad.energy import Energy

    async with Engine(vad=Energy(), words=Silence(), paced=False) as engine:
        tts = engine.tts(tts_provider(name))
        spoken: list[Speech] = []
        try:
            began, first = time.perf_counter(), 0.0
            for clause in clauses_of(text):
                speech = await tts.synthesize(clause, seed=seed)
                if speech.pcm:
                    first = first or time.perf_counter() - began
                    spoken.append(speech)
        finally:
            await tts.aclose()
    if not spoken:
        raise InputError("Nothing in this text can be spoken.", hint="Give it words in the voice's language.")
    return spoken, first
