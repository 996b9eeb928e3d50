"""Sound files that commands read and write, with errors that name the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from duologue.cli.output import notes, result_file
from duologue.errors import ConfigError, InputError, InvalidAudioError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SOUND", "read_sound", "sound_file", "write_sound"]

SOUND: dict[str, Any] = {"exists": True, "dir_okay": False, "readable": True}
"""What typer checks of a file that is to be read."""


def _in_a_folder(path: Path | None) -> Path | None:
    """Refuse at once what could not be written at the end."""
    if path is not None and not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder '{path.parent}' to write it to.")
    return path


def sound_file(help_: str, *, may_be_piped: bool = False) -> Any:
    """The option `--out`: a WAV file to write; `may_be_piped`: the command sees to it that only the file goes there."""
    check = _in_a_folder if may_be_piped else lambda path: result_file(_in_a_folder(path))
    return typer.Option("--out", "-o", help=help_, dir_okay=False, writable=True, callback=check)


def read_sound(file: Path) -> NDArray[np.int16]:
    """The sound of a WAV file as (n,) samples, 16 kHz mono.

    Raises InvalidAudioError for what is no such file, InputError for what cannot be read.
    """
    from duologue.audio.wav import read_wav_16k

    try:
        wav = read_wav_16k(file)
    except InvalidAudioError as error:
        raise InvalidAudioError(f"{file}: {error.message}", hint=error.next_step) from error
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from error
    if wav.truncated:
        notes.print(f"{file} ends before its header says; what is there was read.")
    return wav.samples


def write_sound(file: Path, pcm: bytes, rate: int) -> None:
    """Write 16-bit mono PCM as a WAV file; ConfigError where that cannot be done."""
    from duologue.audio.wav import write_wav

    try:
        write_wav(file, pcm, rate)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}.", hint="Name another file.") from error
