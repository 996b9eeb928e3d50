"""`duologue transcribe` and `duologue say`: the models by themselves."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from duologue.cli.output import AsJson, console, notes, print_json

__all__ = ["say", "transcribe"]


def transcribe(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="WAV files of any common rate, depth and channel count.", exists=True, dir_okay=False, readable=True
        ),
    ],
    partials: Annotated[
        bool, typer.Option("--partials", help="Show words as they come, at the pace of speech.")
    ] = False,
    language: Annotated[str | None, typer.Option(help="The language that is spoken.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the words in recordings."""
    results = asyncio.run(_transcribe(files, partials and not as_json, language))
    if as_json:
        print_json({"files": results})
        return
    for result in results:
        prefix = f"{result['file']}: " if len(results) > 1 else ""
        console.print(prefix + result["text"], markup=False, soft_wrap=True)


async def _transcribe(files: list[Path], partials: bool, language: str | None) -> list[dict[str, Any]]:
    from duologue.audio.wav import read_wav_16k
    from duologue.cli.transcript import transcribe_long
    from duologue.engine import Engine
    from duologue.stt.moonshine import Moonshine
    from duologue.turn.words import Words
    from duologue.vad.silero import Silero

    results = []
    vad = Silero()
    async with Engine(vad=vad, words=Words(), paced=False) as engine:
        stt = engine.stt(Moonshine())
        for file in files:
            wav = read_wav_16k(file)
            if wav.truncated:
                notes.print(f"{file} ends before its header says; what is there was read.", markup=False)
            show = (lambda text: notes.print(f"… {text}", markup=False, style="dim")) if partials else None
            began = time.perf_counter()
            text = await transcribe_long(stt, vad, wav.samples, language=language, on_partial=show)
            wall = time.perf_counter() - began
            results.append(
                {
                    "file": str(file),
                    "text": text,
                    "audio_s": round(len(wav.samples) / 16000, 3),
                    "wall_s": round(wall, 3),
                }
            )
    return results


def say(
    text: Annotated[str, typer.Argument(help="What to say; - reads standard input.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The WAV file to write.")] = Path("speech.wav"),
    seed: Annotated[int | None, typer.Option(help="Fixes the random part of the voice.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write speech to a WAV file."""
    from duologue.audio.wav import write_wav

    text = typer.get_text_stream("stdin").read() if text == "-" else text
    result = asyncio.run(_say(text, seed))
    write_wav(out, result.pop("pcm"), result["rate"])
    if as_json:
        print_json({"file": str(out), **result})
    else:
        console.print(
            f"{out}: {result['audio_s']:.2f} s, first sound after {result['first_s'] * 1000:.0f} ms", markup=False
        )


async def _say(text: str, seed: int | None) -> dict[str, Any]:
    from duologue.engine import Engine
    from duologue.errors import InputError
    from duologue.tts.hibari import Hibari
    from duologue.turn.silence import Silence
    from duologue.vad.energy import Energy

    async with Engine(vad=Energy(), words=Silence(), paced=False) as engine:
        tts = engine.tts(Hibari())
        began = time.perf_counter()
        first, pcm, words = 0.0, b"", []
        async for speech in tts.stream(text, seed=seed):
            first = first or time.perf_counter() - began
            offset = len(pcm) / 2 / speech.rate
            words += [
                {"text": w.text, "start_s": round(offset + w.start, 3), "end_s": round(offset + w.end, 3)}
                for w in speech.words
            ]
            pcm += speech.pcm
        if not pcm:
            raise InputError("Nothing in this text can be spoken.", hint="Give it words in the voice's language.")
        return {
            "pcm": pcm,
            "rate": tts.rate,
            "audio_s": round(len(pcm) / 2 / tts.rate, 3),
            "first_s": round(first, 4),
            "words": words,
            "timings": "estimated",
        }
