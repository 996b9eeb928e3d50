"""The `duologue` command."""

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its status."""
    from duologue.cli.app import run

    run()
