import hashlib
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from duologue import downloads
from duologue.errors import DeadlineError, NotInstalledError, ProviderUnavailableError
from duologue.turn import install
from duologue.turn.install import FILE, MEMBER, install_smart_turn, smart_turn_path

WEIGHTS = b"the weights of a model"
FakePip = Callable[[str], tuple[str, ...]]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("DUOLOGUE_CACHE", str(folder))
    return folder


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "pipecat_ai-1.14.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pipecat/__init__.py", "raise SystemExit('never imported')")
        archive.writestr(MEMBER, WEIGHTS)
    return path


@pytest.fixture
def fake_pip(tmp_path: Path) -> FakePip:
    """A command in pip's place: `body` finds the arguments in `argv` and the folder to download to in `dest`."""

    def write(body: str) -> tuple[str, ...]:
        script = tmp_path / "fake_pip.py"
        script.write_text(
            f"import shutil, sys, time\nargv = sys.argv[1:]\ndest = argv[argv.index('--dest') + 1]\n{body}\n"
        )
        return (sys.executable, str(script))

    return write


def left_in(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir()) if cache.exists() else []


def test_it_keeps_the_one_file_and_says_what_it_does(
    cache: Path, wheel: Path, fake_pip: FakePip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "FILE_SHA256", sha256(WEIGHTS))
    assert smart_turn_path() is None
    pip = fake_pip(
        f"assert argv[0] == 'download' and '--no-deps' in argv and argv[-1] == 'pipecat-ai==1.14.0', argv\n"
        f"shutil.copy({str(wheel)!r}, dest)"
    )
    told: list[str] = []
    path = install_smart_turn(
        told.append, pip=pip, wheel_sha256=sha256(wheel.read_bytes()), file_sha256=sha256(WEIGHTS)
    )
    assert path == smart_turn_path() == cache / FILE
    damaged = bytearray(WEIGHTS)
    damaged[3] ^= 1
    path.write_bytes(damaged)
    assert smart_turn_path() is None
    path.write_bytes(WEIGHTS)
    assert path.read_bytes() == WEIGHTS
    assert left_in(cache) == [FILE]
    assert "pipecat-ai==1.14.0" in told[0]
    assert str(cache) in told[-1]


def test_what_is_there_is_not_fetched_again(cache: Path) -> None:
    cache.mkdir()
    (cache / FILE).write_bytes(WEIGHTS)
    told: list[str] = []
    assert install_smart_turn(told.append, pip=("/no/such/command",), file_sha256=sha256(WEIGHTS)) == cache / FILE
    assert told == []


def test_what_is_there_and_damaged_is_fetched_again(cache: Path, wheel: Path, fake_pip: FakePip) -> None:
    cache.mkdir()
    (cache / FILE).write_bytes(WEIGHTS[:-1])
    pip = fake_pip(f"shutil.copy({str(wheel)!r}, dest)")
    install_smart_turn(pip=pip, wheel_sha256=sha256(wheel.read_bytes()), file_sha256=sha256(WEIGHTS))
    assert (cache / FILE).read_bytes() == WEIGHTS


@pytest.mark.parametrize("which", ["wheel", "file"])
def test_another_hash_than_the_pinned_is_refused_and_nothing_kept(
    which: str, cache: Path, wheel: Path, fake_pip: FakePip
) -> None:
    pip = fake_pip(f"shutil.copy({str(wheel)!r}, dest)")
    wheel_sha256 = "0" * 64 if which == "wheel" else sha256(wheel.read_bytes())
    name = wheel.name if which == "wheel" else FILE
    with pytest.raises(NotInstalledError, match=rf"{name} is not the file.*{'0' * 64}.*Nothing was installed"):
        install_smart_turn(pip=pip, wheel_sha256=wheel_sha256, file_sha256="0" * 64)
    assert left_in(cache) == []


@pytest.mark.parametrize("content", ["other files", "no zip"])
def test_a_wheel_without_the_file_is_refused(content: str, cache: Path, tmp_path: Path, fake_pip: FakePip) -> None:
    other = tmp_path / "other.whl"
    if content == "no zip":
        other.write_bytes(b"nonsense")
    else:
        with zipfile.ZipFile(other, "w") as archive:
            archive.writestr("pipecat/__init__.py", "")
    with pytest.raises(NotInstalledError, match=f"no readable file {MEMBER}"):
        install_smart_turn(pip=fake_pip(f"shutil.copy({str(other)!r}, dest)"), wheel_sha256=sha256(other.read_bytes()))
    assert left_in(cache) == []


def test_an_index_that_cannot_be_reached_is_named_as_the_reason(cache: Path, fake_pip: FakePip) -> None:
    pip = fake_pip("print('Looking in indexes'); print('ERROR: No matching distribution found'); sys.exit(1)")
    with pytest.raises(ProviderUnavailableError, match=r"No matching distribution found.*can be reached") as caught:
        install_smart_turn(pip=pip)
    assert caught.value.retryable
    assert left_in(cache) == []


def test_a_pip_that_fails_without_a_word_is_reported_by_its_code(fake_pip: FakePip) -> None:
    with pytest.raises(ProviderUnavailableError, match="code 7"):
        install_smart_turn(pip=fake_pip("sys.exit(7)"))


def test_a_pip_that_fetches_nothing_is_reported(fake_pip: FakePip) -> None:
    with pytest.raises(NotInstalledError, match="fetched 0 wheels"):
        install_smart_turn(pip=fake_pip(""))


@pytest.mark.parametrize("missing", ["command", "module"])
def test_without_pip_the_error_says_how_to_get_it(missing: str, cache: Path, fake_pip: FakePip) -> None:
    pip = ("/no/such/command",) if missing == "command" else fake_pip("sys.exit('python: No module named pip')")
    with pytest.raises(NotInstalledError, match=r"does not run.*ensurepip"):
        install_smart_turn(pip=pip)
    assert left_in(cache) == []


def test_a_download_that_takes_too_long_is_stopped(
    cache: Path, fake_pip: FakePip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "POLL_S", 0.01)
    with pytest.raises(DeadlineError, match="within 0 s"):
        install_smart_turn(timeout=0, pip=fake_pip("time.sleep(600)"))
    assert left_in(cache) == []


def test_a_long_download_tells_how_it_goes(fake_pip: FakePip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "POLL_S", 0.01)
    monkeypatch.setattr(downloads, "REPORT_S", 0.0)
    told: list[str] = []
    with pytest.raises(DeadlineError):
        install_smart_turn(told.append, timeout=0.05, pip=fake_pip("time.sleep(600)"))
    assert any(line.startswith("Still fetching") and "at most 0.05 s" in line for line in told)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    monkeypatch.setenv("DUOLOGUE_CACHE", str(in_the_way))
    with pytest.raises(NotInstalledError, match=r"could not be written.*DUOLOGUE_CACHE"):
        install_smart_turn(pip=("/no/such/command",))
