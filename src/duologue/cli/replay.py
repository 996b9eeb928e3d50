"""`duologue replay`: a recorded call decided again, as it was or with other settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from duologue.cli.options import RecordingFolder, Stt
from duologue.cli.output import AsJson, console, notes, print_json, progress

if TYPE_CHECKING:
    from duologue.recording.counterfactual import Outcome, WhatIf
    from duologue.recording.models import RerunCounts
    from duologue.recording.recording import Recording
    from duologue.recording.replay import Replay
    from duologue.recording.summary import Decision, TurnSummary

__all__ = ["replay"]


def replay(
    call: Annotated[str, typer.Argument(metavar="CALL", help="A file that `serve --record` wrote, or the call's id.")],
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Replay with another setting of turn-taking, such as endpointing.threshold=0.6; may be repeated.",
        ),
    ] = None,
    models: Annotated[
        bool,
        typer.Option(
            "--models", help="Run the models again on the recorded audio, in place of their recorded results."
        ),
    ] = False,
    stt: Stt = None,
    save_test: Annotated[
        Path | None,
        typer.Option(
            "--save-test", metavar="DIR", help="Save the call, without its audio, as a regression test in this folder."
        ),
    ] = None,
    folder: RecordingFolder = Path("recordings"),
    as_json: AsJson = False,
) -> None:
    """Replay a recorded call, and say whether any decision differs.

    The rules of turn-taking get the inputs that they got in the call: the scores of the audio, the transcripts, what
    was played. The same code makes exactly the same decisions, however busy the machine was. If a decision differs, the
    first difference is shown, and the exit status is 1.

    With --set, the call is replayed with other settings. Up to the first divergence this is exact. From there on the
    user would have heard something else, so each later turn begins again from the recorded call, and is marked
    `counterfactual`: it shows when that turn would have been decided. The exit status is 0.

    With --models, the detector, the recognizer and the turn model run again on the recorded audio, and the decisions
    are made with their new results; --stt names another recognizer. It may be combined with --set.

    Examples:

        duologue replay recordings/20260131T120000Z-4f1c.call

        duologue replay 4f1c --set endpointing.threshold=0.6

        duologue replay 4f1c --models --stt deepgram/nova-3

        duologue replay 4f1c --save-test tests/calls/
    """
    from duologue.errors import ConfigError
    from duologue.recording import replay as replaying
    from duologue.recording.counterfactual import what_if
    from duologue.recording.recording import read_recording
    from duologue.recording.retention import find_call
    from duologue.recording.saved_test import save_test as save
    from duologue.recording.settings import parse_assignments

    changes = parse_assignments(set_ or ())
    recording = read_recording(find_call(call, folder))
    if stt is not None and not models:
        raise ConfigError("Recorded transcripts are used, and no recognizer.", hint="Give --models beside --stt.")
    if changes or models:
        if save_test is not None:
            raise ConfigError(
                "A test is saved only of the call as it was recorded.", hint="Leave out --set and --models."
            )
        rerun = None
        if models:
            result, rerun = _with_models(recording, changes, stt)
        else:
            result = what_if(recording, changes)
        if as_json:
            shown = None if rerun is None else rerun.as_dict()
            print_json({**_about(recording), "set": changes, "models": shown, **result.as_dict()})
        else:
            _print_what_if(recording, result, changes, rerun)
        return
    replayed = replaying.replay(recording)
    saved = None
    if save_test is not None:
        if replayed.difference is not None:
            raise ConfigError(
                f"A decision of the call differs now, so its test would fail: {replayed.difference}.",
                hint="Save it with the version of duologue that recorded it.",
            )
        saved = save(recording, save_test)
    if as_json:
        print_json(
            {
                **_about(recording),
                "identical": replayed.is_identical,
                "inputs": len(recording.steps),
                "effects": sum(map(len, replayed.effects)),
                "difference": None if replayed.difference is None else replayed.difference.as_dict(),
                "turns": [turn.as_dict() for turn in _turns(replayed)],
                "saved": None if saved is None else str(saved),
            }
        )
    else:
        _print_replay(recording, replayed, saved)
    if replayed.difference is not None:
        raise typer.Exit(1)


def _with_models(recording: Recording, changes: dict[str, str], stt: str | None) -> tuple[WhatIf, RerunCounts]:
    from duologue.recording.counterfactual import what_if
    from duologue.recording.models import ModelEvidence, Models
    from duologue.settings.local import load_local
    from duologue.settings.providers import stt_provider

    loaded = load_local(stt=None if stt is None else stt_provider(stt))
    models = Models(loaded.vad, loaded.stt, loaded.words, loaded.turn_model)
    with ModelEvidence(recording, models) as evidence:
        with progress("models", recording.seconds) as show:
            inputs = evidence.inputs(show)
        return what_if(recording, changes, evidence=evidence, inputs=inputs), evidence.counts


def _about(recording: Recording) -> dict[str, Any]:
    return {
        "call": recording.call,
        "file": str(recording.path),
        "started_at": recording.header.get("started_at"),
        "audio_s": round(recording.seconds, 3),
        "whole": recording.is_whole,
        "versions": recording.header["versions"],
        "notes": recording.notes,
    }


def _turns(replayed: Replay) -> list[TurnSummary]:
    from duologue.recording.summary import turns_of

    return turns_of(effect for effects in replayed.effects for effect in effects)


def _print_head(recording: Recording) -> None:
    version = recording.header["versions"].get("duologue", "an unknown release")
    console.print(f"call {recording.call}, {recording.seconds:.1f} s, recorded by duologue {version}", style="bold")
    for note in recording.notes:
        notes.print(f"note: {note}", style="yellow")


def _print_replay(recording: Recording, replayed: Replay, saved: Path | None) -> None:
    _print_head(recording)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column("turn", justify="right", style="bold", no_wrap=True)
    table.add_column("at", justify="right", style="dim", no_wrap=True)
    table.add_column("who", no_wrap=True)
    table.add_column("what")
    for turn in _turns(replayed):
        table.add_row(str(turn.turn), f"{turn.start:.2f} s", "user", Text(turn.decision.text))
        table.add_row("", "", "", Text(_shown(turn.decision), style="dim"))
        heard = Text(" ".join(turn.heard) or "(nothing heard)", style="green")
        table.add_row("", "", "agent", heard.append(" (interrupted)", "red") if turn.interrupted else heard)
    if table.rows:
        console.print(table)
    effects = sum(map(len, replayed.effects))
    if replayed.difference is None:
        console.print(f"identical: {len(recording.steps)} inputs, {effects} effects", style="green")
    else:
        console.print(f"different from {replayed.difference.seconds:.3f} s on", style="red")
        console.print(str(replayed.difference), soft_wrap=True)
    if saved is not None:
        console.print(f"saved {saved}, which holds what was said; `pytest {saved.parent}` replays it", soft_wrap=True)


def _print_what_if(recording: Recording, result: WhatIf, changes: dict[str, str], rerun: RerunCounts | None) -> None:
    _print_head(recording)
    if changes:
        console.print("with " + ", ".join(f"{name}={value}" for name, value in changes.items()))
    if rerun is not None:
        console.print(
            f"models run again: {rerun.windows} windows, scores change by {rerun.largest_change:.2g} at most; "
            f"{rerun.changed_transcripts} of {rerun.transcripts} transcripts differ",
            soft_wrap=True,
        )
    if result.divergence is None:
        console.print("no decision differs", style="green")
    else:
        console.print(f"first divergence at {result.divergence}", soft_wrap=True)
    table = Table("turn", "at", "text", "recorded", "now", "", box=None, pad_edge=False, header_style="dim")
    for turn in result.turns:
        start = f"{turn.recorded.at - turn.recorded.silence:.2f} s"
        now = "not decided" if turn.now is None else _shown(turn.now)
        if turn.now is not None and turn.now.text != turn.text:
            now += f": {turn.now.text}"
        style = "yellow" if turn.is_changed else "dim"
        table.add_row(
            str(turn.turn), start, Text(turn.text), _shown(turn.recorded), Text(now, style=style), _remarks(turn)
        )
    console.print(table)
    changed = [turn for turn in result.turns if turn.is_changed]
    console.print(f"{len(changed)} of {len(result.turns)} turns are decided differently")


def _remarks(turn: Outcome) -> Text:
    remarks = []
    if turn.cuts_off:
        remarks.append("cuts the user off")
    if turn.unanswered:
        remarks.append(f"{turn.unanswered} requests without recorded evidence")
    if turn.counterfactual:
        remarks.append("counterfactual")
    return Text(", ".join(remarks), style="red" if turn.cuts_off else "dim")


def _shown(decision: Decision) -> str:
    return f"{decision.silence:.2f} s of silence, {decision.reason} ({decision.probability:.2f})"
