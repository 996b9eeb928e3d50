"""Everything that can go wrong, as one tree.

DuologueError
├── ConfigError                  invalid_config
│   └── NotInstalledError        not_installed
├── SessionError
│   ├── InvalidStateError        invalid_state
│   ├── SessionAlreadyActiveError  session_already_active
│   └── SessionNotActiveError    session_not_active
├── InputError
│   ├── InvalidAudioError        invalid_audio
│   ├── InvalidMessageError      invalid_message
│   ├── InvalidRecordingError    invalid_recording
│   └── UnsupportedLanguageError unsupported_language
├── AgentError                   agent_error
├── HookError                    hook_error
├── StreamError                  stream_error
│   └── SlowClientError          slow_client
├── OverloadedError              overloaded           (retryable)
└── ProviderError
    ├── DeadlineError            timeout              (retryable)
    ├── RateLimitedError         rate_limited         (retryable)
    ├── QuotaExceededError       quota_exceeded
    ├── AuthenticationError      authentication_failed
    └── ProviderUnavailableError provider_unavailable (retryable)

A message says what was wrong, what was expected, and what to do next. It never holds a secret.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

__all__ = [
    "AgentError",
    "AuthenticationError",
    "ConfigError",
    "DeadlineError",
    "DuologueError",
    "HookError",
    "InputError",
    "InvalidAudioError",
    "InvalidMessageError",
    "InvalidRecordingError",
    "InvalidStateError",
    "NotInstalledError",
    "OverloadedError",
    "ProviderError",
    "ProviderUnavailableError",
    "QuotaExceededError",
    "RateLimitedError",
    "SessionAlreadyActiveError",
    "SessionError",
    "SessionNotActiveError",
    "SlowClientError",
    "StreamError",
    "UnsupportedLanguageError",
    "error_class",
    "with_cause",
]


E = TypeVar("E", bound="DuologueError")


class DuologueError(Exception):
    """The root of the tree: catch this to catch everything that duologue raises on purpose."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False
    hint: ClassVar[str] = ""
    """What to do next, unless the raising code is more exact."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        provider: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.provider = provider
        self.next_step: str = self.hint if hint is None else hint
        self.retry_after = retry_after
        """Seconds after which the same call may succeed; None if that is not known."""

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".rstrip()

    def as_dict(self) -> dict[str, Any]:
        """The error as plain JSON types, for the wire and for `--json`."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.next_step,
            "retryable": self.retryable,
            "provider": self.provider,
            "retry_after_s": self.retry_after,
        }


def with_cause(error: E, cause: BaseException) -> E:
    """Set the cause of `error` to an exception that is not a DuologueError.

    Name only its type in the message: its own words may hold a secret, and are for the log.
    """
    error.__cause__ = cause
    return error


def error_class(code: str) -> type[DuologueError] | None:
    """The class that bears this code; None if there is none."""
    below: list[type[DuologueError]] = [DuologueError]
    for kind in below:
        if kind.code == code:
            return kind
        below += kind.__subclasses__()
    return None


class ConfigError(DuologueError):
    """A setting has a value that cannot work."""

    code = "invalid_config"
    hint = "Correct the setting and start again."


class NotInstalledError(ConfigError):
    """A package or a file of weights that was asked for is not on this machine."""

    code = "not_installed"
    hint = "Run `duologue doctor` to see what is missing and how to install it."


class SessionError(DuologueError):
    """A session was used in a way that its life does not allow."""


class InvalidStateError(SessionError):
    """The call is not possible in the state that the conversation is in."""

    code = "invalid_state"
    hint = "Wait for the state that the call needs; `session.state` tells it."


class SessionAlreadyActiveError(SessionError):
    """The session has been started before."""

    code = "session_already_active"
    hint = "Start a session once; make a new one for another call."


class SessionNotActiveError(SessionError):
    """The session has not been started, or has ended."""

    code = "session_not_active"
    hint = "Use it inside `async with session:`."


class InputError(DuologueError):
    """The input is not what was agreed."""


class InvalidAudioError(InputError):
    """Audio that is not whole 16-bit samples of the agreed rate."""

    code = "invalid_audio"
    hint = "Send 16-bit little-endian mono PCM at the agreed rate, in chunks of 20 to 100 ms."


class InvalidMessageError(InputError):
    """A message that the protocol does not know, or with a field missing, unknown or of the wrong type."""

    code = "invalid_message"
    hint = "See docs/protocol.md for each message and its fields."


class InvalidRecordingError(InputError):
    """A recorded input that cannot be read or written: damaged, of another version, or beyond the limits."""

    code = "invalid_recording"
    hint = "Record the call again, or read it with the release that wrote it."


class UnsupportedLanguageError(InputError):
    """A language was asked for that the provider does not know."""

    code = "unsupported_language"
    hint = "Ask for a language that it lists, or choose another provider."


class AgentError(DuologueError):
    """The agent raised, never answered, or answered with something that is not text."""

    code = "agent_error"
    hint = "The call goes on; the log shows where it happened."


class HookError(DuologueError):
    """One of the application's hooks raised or took too long."""

    code = "hook_error"
    hint = "The call goes on; mend the hook."


class StreamError(DuologueError):
    """A stream broke off: the other side vanished or broke the protocol."""

    code = "stream_error"
    hint = "Connect again."


class SlowClientError(StreamError):
    """The client stopped reading and its output buffer is full."""

    code = "slow_client"
    hint = "Read the server's messages as soon as they arrive."


class OverloadedError(DuologueError):
    """The process is full; running calls keep their quality because this one was refused."""

    code = "overloaded"
    retryable = True
    hint = "Try again later or on another machine."

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        provider: str | None = None,
        retry_after: float | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(message, hint=hint, provider=provider, retry_after=retry_after)
        self.reason = reason
        """What was full, in one word, as a label of the metric of refusals; empty for refusals that are not counted."""


class ProviderError(DuologueError):
    """A provider of speech, language or turn detection failed."""

    code = "provider_error"


class DeadlineError(ProviderError):
    """Something did not make progress in the time that it had."""

    code = "timeout"
    retryable = True
    hint = "Try again, or allow more time."


class RateLimitedError(ProviderError):
    """Too much came in too short a time: calls of a provider, or sound of a client."""

    code = "rate_limited"
    retryable = True
    hint = "Try again after the time that it gives."


class QuotaExceededError(ProviderError):
    """The account with the provider is used up."""

    code = "quota_exceeded"
    hint = "Raise the quota with the provider, or name a fallback."


class AuthenticationError(ProviderError):
    """The provider does not accept the key."""

    code = "authentication_failed"
    hint = "Check the key in the environment; it is not shown here."


class ProviderUnavailableError(ProviderError):
    """The provider cannot be reached or answers that it is broken."""

    code = "provider_unavailable"
    retryable = True
    hint = "Try again, or name a fallback."
