"""Languages of calls that the recognizer or the voice does not know: local models that do, by language."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from duologue.errors import ConfigError
from duologue.stt.language import code_of

__all__ = [
    "CallLanguages",
    "LanguageModels",
    "knows",
    "kokoro_for",
    "load_languages",
    "whisper_for",
]

_CODE: Final = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True, slots=True)
class LanguageModels:
    """What a language needs beside the recognizer and the voice of all others; None if they know it."""

    stt: Any = None
    tts: Any = None


@dataclass(frozen=True, slots=True)
class CallLanguages:
    """Languages that calls may be in, the first of which is the default, and options of the models for them."""

    codes: tuple[str, ...] = ()
    """Bare codes such as "es"."""
    whisper: Mapping[str, Any] = field(default_factory=dict)
    """Options of `whisper/base`."""
    kokoro: Mapping[str, Any] = field(default_factory=dict)
    """Options of `kokoro`, except for the voice."""

    def __post_init__(self) -> None:
        for code in self.codes:
            if not _CODE.fullmatch(code):
                raise ConfigError(f"{code!r} is no code of a language.", hint="Write two or three letters, as es.")

    @classmethod
    def of(cls, given: CallLanguages | Sequence[str], default: str | None) -> CallLanguages:
        """`given`, or the `default` language of sessions alone where none is given."""
        if isinstance(given, str):
            raise ConfigError("languages is a text; expected a list of codes.", hint='Write ["es"].')
        found = given if isinstance(given, CallLanguages) else cls(tuple(given))
        if found.codes or default is None:
            return found
        return cls((code_of(default),), found.whisper, found.kokoro)


def knows(provider: Any, code: str) -> bool:
    """Whether a recognizer or a voice, a model or a service, knows a language. One that declares none knows any."""
    declared = getattr(provider, "languages", None)
    if declared is None:
        declared = getattr(getattr(provider, "capabilities", None), "languages", ())
    return not declared or code in {code_of(language) for language in declared}


def whisper_for(languages: CallLanguages) -> Callable[[], Any]:
    """What makes the recognizer of the first language."""
    from duologue.stt.whisper import Whisper

    options = {key: value for key, value in languages.whisper.items() if key != "language"}
    return partial(Whisper, language=languages.codes[0], **options)


def kokoro_for(languages: CallLanguages, code: str) -> Callable[[], Any]:
    """What makes the voice of a language."""
    from duologue.tts.kokoro import Kokoro

    options = {key: value for key, value in languages.kokoro.items() if key not in ("language", "model")}
    return partial(Kokoro, language=code, **options)


def load_languages(
    languages: CallLanguages, stt: Any, voices: Sequence[Any], load: Callable[[str, Callable[[], Any]], Any]
) -> dict[str, LanguageModels]:
    """Load what the languages need that `stt` and `voices` do not know; there is no voice where nothing is to speak.

    `load` is given a title and what makes the model. Raises UnsupportedLanguageError or ConfigError for a language
    that no local model knows, NotInstalledError where a package is missing.
    """
    whisper: Any = None
    found: dict[str, LanguageModels] = {}
    for code in languages.codes:
        hears, speaks = knows(stt, code), not voices or any(knows(voice, code) for voice in voices)
        if not hears:
            whisper = whisper or load("Whisper base", whisper_for(languages))
            whisper.of(code)
        voice = None if speaks else load(f"Kokoro ({code})", kokoro_for(languages, code))
        found[code] = LanguageModels(None if hears else whisper, voice)
    return found
