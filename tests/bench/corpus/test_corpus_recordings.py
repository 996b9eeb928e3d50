import io
import tarfile

import pytest

from duologue.errors import NotInstalledError
from duologue_bench.corpus.recordings import unpack_deb


def member(name: str, data: bytes) -> bytes:
    return f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)


def deb(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        tar.addfile(tarfile.TarInfo("./empty-folder"))
    return b"!<arch>\n" + member("debian-binary", b"2.0") + member("data.tar.xz", packed.getvalue())


def test_the_files_of_a_debian_package() -> None:
    assert unpack_deb(deb({"./usr/a.wav": b"one", "./usr/b.wav": b"two!"}))["./usr/b.wav"] == b"two!"


def test_a_package_without_data_is_an_error() -> None:
    with pytest.raises(NotInstalledError, match="no data in it"):
        unpack_deb(b"!<arch>\n" + member("debian-binary", b"2.0\n"))
