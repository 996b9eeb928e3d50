"""Cache of model answers on disk, so that a policy is measured again in seconds."""

from __future__ import annotations

import hashlib
import math
import sqlite3
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from duologue.errors import ConfigError
from duologue.stt.recognition import Recognition

__all__ = ["RecognitionCache", "open_cache"]

MAX_BYTES: Final = 1 << 30
REVISION: Final = 3
"""Raise it when the answers of a model change but its name does not."""
_TRIM_EVERY: Final = 500
"""Answers between two checks of the size."""
_DROP: Final = 50
"""Answers dropped at a time."""


class RecognitionCache:
    """Transcripts and scores by the name of the model and the content of the audio; a context manager.

    One SQLite file, or memory if `path` is None, of at most `max_bytes`, checked every 500 answers and on exit; the
    oldest answers are dropped first. Raises ConfigError for a file that is not such a cache or cannot be opened.
    """

    def __init__(self, path: Path | None, *, max_bytes: int = MAX_BYTES) -> None:
        if path is not None and not path.parent.is_dir():
            raise ConfigError(f"There is no folder {path.parent} for the cache.")
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            # A lost cache costs a run of the models: no commit waits for the disk.
            self._db.execute("PRAGMA synchronous=OFF")
            self._db.execute("CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, text TEXT, numbers BLOB)")
            self._db.execute("SELECT key, text, numbers FROM answers LIMIT 1")
        except sqlite3.Error as error:
            self._db.close()
            raise ConfigError(f"{path} is not a cache: {error}.", hint="Name another file, or delete it.") from None
        self._max_bytes = max_bytes
        self._puts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._trim()
        finally:
            self._db.close()

    def transcript(self, model: str, samples: NDArray[np.int16]) -> Recognition | None:
        """Return the transcript of these samples by a model; None if it is not in the cache."""
        row = self._row(model, samples)
        if row is None:
            return None
        odds, sound = np.frombuffer(row[1], np.float32).tolist()
        return Recognition(row[0], odds, None if math.isnan(sound) else sound)

    def keep_transcript(self, model: str, samples: NDArray[np.int16], found: Recognition) -> None:
        """Store a transcript."""
        sound = math.nan if found.sound_estimate is None else found.sound_estimate
        self._keep(model, samples, str(found), np.array([found.ending_odds, sound], np.float32).tobytes())

    def scores(self, model: str, samples: NDArray[np.int16]) -> NDArray[np.float32] | None:
        """Return the scores of these samples by a model; None if they are not in the cache."""
        row = self._row(model, samples)
        return None if row is None else np.frombuffer(row[1], np.float32)

    def keep_scores(self, model: str, samples: NDArray[np.int16], scores: NDArray[np.float32]) -> None:
        """Store scores."""
        self._keep(model, samples, "", scores.astype(np.float32).tobytes())

    def _row(self, model: str, samples: NDArray[np.int16]) -> tuple[str, bytes] | None:
        query = "SELECT text, numbers FROM answers WHERE key = ?"
        row: tuple[str, bytes] | None = self._db.execute(query, (_key(model, samples),)).fetchone()
        return row

    def _keep(self, model: str, samples: NDArray[np.int16], text: str, numbers: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (_key(model, samples), text, numbers))
        self._puts += 1
        if self._puts % _TRIM_EVERY == 0:
            self._trim()

    def _trim(self) -> None:
        oldest = "DELETE FROM answers WHERE rowid IN (SELECT rowid FROM answers ORDER BY rowid LIMIT ?)"
        while self._used() > self._max_bytes and self._db.execute(oldest, (_DROP,)).rowcount:
            pass

    def _used(self) -> int:
        """Bytes of the pages in use. Free pages are used again before the file grows."""
        total, free, size = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((total - free) * size)


def open_cache(path: Path | None) -> AbstractContextManager[RecognitionCache | None]:
    """Open the cache in that file; None without a file."""
    return nullcontext() if path is None else RecognitionCache(path)


def _key(model: str, samples: NDArray[np.int16]) -> bytes:
    digest = hashlib.sha256(f"{REVISION}:{model}:".encode())
    digest.update(np.ascontiguousarray(samples).tobytes())
    return digest.digest()
