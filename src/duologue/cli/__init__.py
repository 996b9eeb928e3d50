"""The `duologue` command."""

import os

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its status."""
    # BLAS and OpenMP read these when numpy is first imported: more threads than one only get in each other's way.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from duologue.cli.app import run

    run()
