"""`duologue recordings`: what is in a folder of recorded calls, taken out of it, or deleted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from duologue.cli.options import RecordingFolder
from duologue.cli.output import AsJson, console, notes, print_json
from duologue.errors import ConfigError

__all__ = ["recordings"]

recordings: Final = typer.Typer(
    help="List, export and delete calls that `serve --record` recorded.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Folder: Final = Path("recordings")
Calls = Annotated[list[str], typer.Argument(metavar="CALL...", help="Files, or ids of calls.")]


@recordings.command("list")
def list_(folder: RecordingFolder = Folder, as_json: AsJson = False) -> None:
    """List the recorded calls in a folder, oldest first."""
    from duologue.recording.retention import stored_calls

    stored = stored_calls(folder)
    rows: list[dict[str, Any]] = [
        {
            "call": each.call,
            "file": str(each.path),
            "bytes": each.bytes,
            "written_at": datetime.fromtimestamp(each.written_at, UTC).isoformat(timespec="seconds"),
        }
        for each in stored
    ]
    if as_json:
        print_json({"folder": str(folder), "bytes": sum(each.bytes for each in stored), "calls": rows})
        return
    table = Table("call", "written", "MB", "file", box=None, pad_edge=False, header_style="dim")
    for each, row in zip(stored, rows, strict=True):
        table.add_row(each.call, row["written_at"], f"{each.bytes / 1e6:.1f}", each.path.name)
    if rows:
        console.print(table)
    total = sum(each.bytes for each in stored)
    noun = "call" if len(rows) == 1 else "calls"
    console.print(f"{len(rows)} {noun}, {total / 1e6:.1f} MB in {folder}", soft_wrap=True)
    if not rows:
        notes.print("`duologue serve --record DIR --record-consent` records calls; --folder names DIR.", style="dim")


@recordings.command()
def export(
    call: Annotated[str, typer.Argument(metavar="CALL", help="A file, or the id of a call.")],
    wav: Annotated[
        Path | None, typer.Option("--wav", metavar="FILE", help="Write a stereo WAV: the user left, the agent right.")
    ] = None,
    text: Annotated[
        Path | None, typer.Option("--text", metavar="FILE", help="Write what was said and heard, with times.")
    ] = None,
    folder: RecordingFolder = Folder,
    as_json: AsJson = False,
) -> None:
    """Write a recorded call as a stereo WAV and as text; without options, print the text.

    Example: duologue recordings export 4f1c --wav call.wav --text call.txt
    """
    from duologue.recording.export import text_lines, write_stereo_wav, write_text
    from duologue.recording.recording import read_recording
    from duologue.recording.retention import find_call
    from duologue.recording.summary import transcript

    recording = read_recording(find_call(call, folder))
    seconds = None if wav is None else write_stereo_wav(recording, wav)
    if text is not None:
        write_text(recording, text)
    if as_json:
        lines = [line.as_dict() for line in transcript(recording)]
        print_json({"call": recording.call, "wav": _name(wav), "wav_s": seconds, "text": _name(text), "lines": lines})
    elif wav is None and text is None:
        for line in text_lines(recording):
            console.print(line, soft_wrap=True)
    else:
        for path in (wav, text):
            if path is not None:
                console.print(f"wrote {path}", soft_wrap=True)


@recordings.command()
def delete(calls: Calls, folder: RecordingFolder = Folder, as_json: AsJson = False) -> None:
    """Delete recorded calls for good. A call is one file: nothing of it is left."""
    from duologue.recording.retention import check_is_call, find_call
    from duologue.recording.retention import delete as remove

    paths = [find_call(call, folder) for call in calls]
    for path in paths:
        check_is_call(path)
    with _deleting():
        for path in paths:
            remove(path)
    _report(paths, as_json)


@recordings.command()
def prune(
    days: Annotated[float, typer.Option(min=0.0, help="Delete what is older.")] = 30.0,
    gb: Annotated[
        float, typer.Option(min=0.0, help="Then delete the oldest until this many gigabytes are left.")
    ] = 10.0,
    folder: RecordingFolder = Folder,
    as_json: AsJson = False,
) -> None:
    """Delete old recordings now, as the server does every ten minutes. Live calls are kept."""
    from duologue.recording.config import DAY
    from duologue.recording.retention import remove_old

    with _deleting():
        _report(remove_old(folder, max_age=days * DAY, max_bytes=round(min(gb * 1e9, 1e18))), as_json)


@contextmanager
def _deleting() -> Iterator[None]:
    """Tell in a line of a file that cannot be deleted."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"{error.filename} cannot be deleted: {error.strerror}.", hint="Delete it yourself."
        ) from None


def _report(paths: list[Path], as_json: bool) -> None:
    if as_json:
        print_json({"deleted": [str(path) for path in paths]})
        return
    for path in paths:
        console.print(f"deleted {path}", soft_wrap=True)
    console.print(f"{len(paths)} deleted")


def _name(path: Any) -> str | None:
    return None if path is None else str(path)
