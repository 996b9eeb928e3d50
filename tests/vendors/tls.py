"""A certificate for 127.0.0.1 that it signs itself, for stand-ins whose clients insist on TLS."""

from __future__ import annotations

import ssl
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

__all__ = ["certificate", "server_context"]


@cache
def certificate() -> Path:
    """The certificate's file, made once a process; clients trust it by `SSL_CERT_FILE`."""
    folder = Path(mkdtemp(prefix="duologue-tls-"))
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem"),
        ],
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    return folder / "certificate.pem"


def server_context() -> ssl.SSLContext:
    """What a server of this certificate needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(), certificate().with_name("key.pem"))
    return context
