from pathlib import Path

import pytest

from duologue.errors import NotInstalledError
from duologue.store import cache_dir, package_file


def test_a_file_of_a_package_is_found_without_importing_it() -> None:
    assert package_file("duologue", "server", "console", "index.html").is_file()


@pytest.mark.parametrize(("package", "said"), [("no_such_package", "is not installed"), ("duologue", "has no file")])
def test_what_is_not_there_is_said_plainly(package: str, said: str) -> None:
    with pytest.raises(NotInstalledError, match=said):
        package_file(package, "weights.onnx")


def test_the_cache_can_be_put_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DUOLOGUE_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
