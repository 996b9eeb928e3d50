"""A call is refused by what is measured, with the reason and when to come again; those that run are left alone."""

from pathlib import Path

import pytest

from duologue.clock import VirtualClock
from duologue.engine import Admission, Engine, EngineConfig
from duologue.engine.admission import REASONS, AdmissionController, Load, free_bytes
from duologue.engine.model_threads import ModelThreads
from duologue.errors import ConfigError, OverloadedError
from duologue.testing.fakes import PeakVad, SentenceEnd

GIB = 2**30


def load(**measured: float) -> Load:
    usual = {"sessions": 3, "max_sessions": 10, "tick_lag": 0.0, "lateness": 0.0, "backlog": 0.0}
    return Load(**(usual | measured))  # type: ignore[arg-type]  # counts are whole


def test_an_idle_process_lets_calls_in() -> None:
    control = AdmissionController(Admission(), lambda: GIB)
    control.check(load())
    AdmissionController(Admission(), lambda: None).check(load())


@pytest.mark.parametrize(
    ("measured", "said", "reason"),
    [
        ({"sessions": 10}, "carries 10 sessions", "sessions"),
        ({"tick_lag": 0.05}, "50 ms late", "tick_lag"),
        ({"lateness": 0.4}, "400 ms late", "lateness"),
        ({"backlog": 2.5}, "2.5 s of work", "backlog"),
    ],
)
def test_a_full_process_says_why_and_when_to_come_again(measured: dict[str, float], said: str, reason: str) -> None:
    control = AdmissionController(Admission(retry_after=7.0), lambda: GIB)
    with pytest.raises(OverloadedError, match=said) as refused:
        control.check(load(**measured))
    assert (refused.value.retry_after, refused.value.reason) == (7.0, reason)
    assert reason in REASONS


def test_a_call_that_goes_on_here_is_not_refused_because_others_are_late() -> None:
    control = AdmissionController(Admission(), lambda: GIB)
    control.check(load(tick_lag=1.0, lateness=1.0, backlog=9.0), resumes=True)
    with pytest.raises(OverloadedError, match="carries 10 sessions"):
        control.check(load(sessions=10), resumes=True)


def test_memory_that_runs_out_refuses_calls() -> None:
    control = AdmissionController(Admission(), lambda: 50 * 2**20)
    with pytest.raises(OverloadedError, match="50 MiB") as refused:
        control.check(load())
    assert refused.value.reason == "memory"
    assert "memory" in REASONS


def test_free_memory_is_the_least_of_what_the_machine_and_the_group_have(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 4096 kB\nMemAvailable: 2048 kB\n")
    none, root, own = tmp_path / "none", tmp_path / "cgroup", tmp_path / "own"
    inner = root / "system.slice" / "duologue.service"
    inner.mkdir(parents=True)
    assert free_bytes(meminfo, root, none) == 2048 * 1024

    def limit(group: Path, most: str, used: int, cached: int = 0) -> None:
        (group / "memory.max").write_text(f"{most}\n")
        (group / "memory.current").write_text(f"{used}\n")
        (group / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\n")

    limit(root, "max", 1024)
    assert free_bytes(meminfo, root, none) == 2048 * 1024
    limit(root, "5120", 1024)
    assert free_bytes(meminfo, root, none) == 4096
    limit(root, "5120", 5000, cached=3000)
    assert free_bytes(meminfo, root, none) == 3120

    own.write_text("1:name=systemd:/\n0::/system.slice/duologue.service\n")
    assert free_bytes(meminfo, root, own) == 3120
    limit(inner, "2048", 1000)
    assert free_bytes(meminfo, root, own) == 1048
    limit(inner.parent, "900", 100)
    assert free_bytes(meminfo, root, own) == 800

    assert free_bytes(none, none, none) is None
    meminfo.write_text("MemAvailable: much\n")
    assert free_bytes(meminfo, none, none) is None


def test_a_limit_below_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"admission\.max_backlog"):
        Admission(max_backlog=-1.0)


@pytest.mark.anyio
async def test_an_engine_measures_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Engine(
        vad=PeakVad(), words=SentenceEnd(), config=EngineConfig(max_sessions=1), clock=VirtualClock(), paced=False
    ) as engine:
        assert engine.load == load(sessions=0, max_sessions=1)
        monkeypatch.setattr(ModelThreads, "lateness", 1.0)
        with pytest.raises(OverloadedError, match="1000 ms late"):
            engine.admit()


@pytest.mark.anyio
async def test_limits_may_change_while_calls_are_live(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Engine(
        vad=PeakVad(), words=SentenceEnd(), config=EngineConfig(max_sessions=1), clock=VirtualClock(), paced=False
    ) as engine:
        engine.change_limits(5, Admission(retry_after=7.0))
        assert engine.load.max_sessions == 5
        monkeypatch.setattr(ModelThreads, "lateness", 1.0)
        with pytest.raises(OverloadedError) as refused:
            engine.admit()
        assert refused.value.retry_after == 7.0
