"""The log of a server: a time in each line, as text or as JSON."""

import io
import json
import logging
from typing import Any, Literal

import pytest

from duologue.agent.faults import FaultLog
from duologue.errors import AgentError, ConfigError, ProviderUnavailableError
from duologue.server.logs import logging_to
from duologue.server.redaction import redact

calls = logging.getLogger("duologue.calls")
library = logging.getLogger("somebody.else")


def test_lines_of_text_begin_with_a_time() -> None:
    written = io.StringIO()
    with logging_to(written, log_format="text"):
        calls.info("Call %s started.", "c1")
        calls.debug("more")
        library.info("their business")
        library.warning("their warning")
    first, second = written.getvalue().splitlines()
    time, rest = first.split(" ", 1)
    assert (len(time), time[10], time[-1]) == (24, "T", "Z")
    assert rest == "INFO duologue.calls: Call c1 started."
    assert second.endswith(" WARNING somebody.else: their warning")


def test_lines_of_json_hold_fields_and_exceptions() -> None:
    written = io.StringIO()
    with logging_to(written, level="debug", log_format="json"):
        calls.debug("Call %s ended.", "c1", extra={"fields": {"event": "call.ended", "turns": 2, "level": "ours"}})
        try:
            raise ValueError("two\nlines")
        except ValueError:
            library.exception("It failed.")
    first, second = (json.loads(line) for line in written.getvalue().splitlines())
    assert len(first.pop("time")) == 24
    assert first == {
        "level": "debug", "logger": "duologue.calls", "message": "Call c1 ended.", "event": "call.ended", "turns": 2,
    }  # fmt: skip
    assert "ValueError: two\nlines" in second["exception"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "log_format"), [(Terminal, "text"), (io.StringIO, "json")])
def test_the_log_is_text_on_a_terminal_and_json_elsewhere(stream: type[io.StringIO], log_format: str) -> None:
    written = stream()
    with logging_to(written) as chosen:
        calls.info("Call %s ended.", "c1", extra={"fields": {"event": "call.ended"}})
    line = written.getvalue()
    assert chosen == log_format
    if log_format == "json":
        assert json.loads(line)["event"] == "call.ended"
    else:
        assert line.endswith(" INFO duologue.calls: Call c1 ended.\n")


def test_failures_have_the_ids_of_their_call_and_turn() -> None:
    written = io.StringIO()
    with logging_to(written):
        faults = FaultLog(logging.getLogger("duologue.session.session"))
        faults.write("Session c1, turn 2", ProviderUnavailableError("The voice is down."), call="c1", turn=2)
        faults.write("No agent for the call c3", AgentError("It failed."), call="c3")
    first, second = (json.loads(line) for line in written.getvalue().splitlines())
    assert first["message"].startswith("Session c1, turn 2: provider_unavailable: The voice is down.")
    assert (first["event"], first["call"], first["turn"], first["code"]) == ("failure", "c1", 2, "provider_unavailable")
    assert (second["call"], second["code"]) == ("c3", "agent_error")
    assert not {"turn", "trace_id"} & set(second)


def test_the_log_is_as_before_afterwards() -> None:
    root, ours = logging.getLogger(), logging.getLogger("duologue")
    before = root.handlers[:], root.level, ours.level
    with logging_to(io.StringIO(), level="error"):
        assert not calls.isEnabledFor(logging.WARNING)
    assert (root.handlers[:], root.level, ours.level) == before


SECRETS = [
    "Authorization: Bearer abc.DEF-123",
    "authorization: basic YWxhZGRpbjpvcGVu",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "GET /v1/stream?ticket=Zm9vYmFy&page=1",
    "OPENAI_API_KEY=sk-proj-abcdefghijklmnop1234",
    f"the key sk-{'ant'}-{'a1' * 12} was refused",
    "'api_key': 'abcdef0123456789'",
    "redis://user:hunter2@cache:6379/0",
    "Set-Cookie: id=5f3a9",
]
HIDDEN = ("abc.DEF", "YWxh", "eyJ", "Zm9v", "sk-", "abcdef0", "hunter2", "5f3a9")


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("said", SECRETS)
def test_what_looks_like_a_secret_is_left_out(said: str, log_format: Literal["text", "json"]) -> None:
    written = io.StringIO()
    with logging_to(written, log_format=log_format):
        library.error("Failed: %s", said)
        try:
            raise ValueError(said)
        except ValueError:
            library.exception("It failed.", extra={"fields": {"seen": said}})
    assert written.getvalue().count("[redacted]") >= 2
    assert not [secret for secret in HIDDEN if secret in written.getvalue()]
    if log_format == "json":
        assert all(json.loads(line) for line in written.getvalue().splitlines())


def test_ordinary_lines_stay_as_they_are() -> None:
    line = "Session 9f: 3 tokens a second, task-1 of basic booking, http://host:80/x?page=1 (provider=openai)"
    assert redact(line) == line


@pytest.mark.parametrize("options", [{"level": "loud"}, {"log_format": "xml"}])
def test_what_is_no_level_or_format_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="is not one of"), logging_to(io.StringIO(), **options):
        pass
