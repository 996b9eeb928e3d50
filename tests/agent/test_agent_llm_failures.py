import sys

import pytest
from pydantic_ai import exceptions as theirs

from duologue.agent.llm import LLMAgent
from duologue.agent.llm.failures import as_ours
from duologue.errors import (
    AgentError,
    AuthenticationError,
    DeadlineError,
    DuologueError,
    NotInstalledError,
    ProviderError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitedError,
)

LATE = DeadlineError("late")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (theirs.ModelAuthenticationError("m", "sk-key"), AuthenticationError),
        (theirs.ModelQuotaExceededError("m", "sk-key"), QuotaExceededError),
        (theirs.ModelRateLimitError("m", "sk-key", retry_after=3), RateLimitedError),
        (theirs.ModelTimeoutError("m", "sk-key"), DeadlineError),
        (theirs.ModelConnectionError("m", "sk-key"), ProviderUnavailableError),
        (theirs.ModelOverloadedError("m", "sk-key"), ProviderUnavailableError),
        (theirs.ModelServerError("m", "sk-key"), ProviderUnavailableError),
        (theirs.ModelContextWindowExceededError("m", "sk-key"), ProviderError),
        (theirs.ModelNotFoundError("m", "sk-key"), ProviderError),
        (theirs.ModelHTTPError(418, "m", {"error": "sk-key"}), ProviderError),
        (theirs.UnexpectedModelBehavior("sk-key"), AgentError),
        (theirs.UsageLimitExceeded("sk-key"), AgentError),
        (KeyError("sk-key"), AgentError),
    ],
)
def test_their_errors_as_ours(error: Exception, expected: type[DuologueError]) -> None:
    ours = as_ours(error, "gpt")
    assert type(ours) is expected
    assert "'gpt'" in str(ours)
    assert "sk-key" not in f"{ours} {ours!r} {ours.as_dict()}"
    assert ours.retry_after == getattr(error, "retry_after", None)


def test_our_own_errors_stay_as_they_are() -> None:
    assert as_ours(LATE, "gpt") is LATE


def test_without_pydantic_ai_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("duologue.agent.llm.")]:
        if name.rpartition(".")[2] in ("run", "gate", "model", "failures"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pydantic_ai", None)
    with pytest.raises(NotInstalledError, match=r"pip install 'duologue\[llm\]'"):
        LLMAgent("test", instructions="")
