"""Build the corpus if it is missing, and say whether it is the frozen one: `python -m duologue_bench.corpus`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from duologue.errors import DuologueError
from duologue_bench.corpus.build import build
from duologue_bench.corpus.card import write_tables
from duologue_bench.corpus.checksums import compare, freeze
from duologue_bench.corpus.dataset import corpus_dir


def main() -> int:
    """Build and verify. The exit code is 0 if the corpus is the frozen one, exactly or within tolerance."""
    parser = argparse.ArgumentParser(prog="python -m duologue_bench.corpus", description=__doc__)
    parser.add_argument("--out", type=Path, default=corpus_dir(), help="folder of the corpus (default: %(default)s)")
    parser.add_argument("--again", action="store_true", help="build it even where it is there")
    parser.add_argument("--freeze", action="store_true", help="write CHECKSUMS and the tables of docs/corpus.md anew")
    options = parser.parse_args()
    folder = options.out.resolve()
    try:
        if options.again or not (folder / "manifest.json").is_file():
            started = time.monotonic()
            build(folder, _show)
            _clear()
            print(f"The corpus was built in {time.monotonic() - started:.0f} s.", file=sys.stderr)
        if options.freeze:
            freeze(folder)
            write_tables(folder)
        verdict = compare(folder)
    except DuologueError as error:
        _clear()
        print(f"The corpus cannot be built: {error}", file=sys.stderr)
        return 1
    print(f"The corpus in {folder} is {verdict}.", file=sys.stderr)
    return 1 if verdict.kind == "different" else 0


def _show(line: str) -> None:
    """One line that is written over again and again, on a terminal; a file would keep every one of them."""
    if sys.stderr.isatty():
        print(f"\r\033[Kcorpus: {line}", end="", file=sys.stderr, flush=True)


def _clear() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
