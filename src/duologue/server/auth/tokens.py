"""Bearer tokens: short-lived JSON Web Tokens, signed with a key of the key file and bound to what a call may be."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args

import jwt

from duologue.errors import AuthenticationError, ConfigError
from duologue.server.auth.keys import KeyFile

__all__ = [
    "AUDIENCE",
    "BOUND",
    "MAX_OPS_TTL",
    "MAX_TOKEN_CHARS",
    "MAX_TTL",
    "SCOPES",
    "Scope",
    "make_token",
    "verify_token",
]

Scope = Literal["call", "ops"]
"""`call`: hold conversations. `ops`: read `/ops` and `/metrics`."""

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

AUDIENCE: Final = "duologue"

MAX_TOKEN_CHARS: Final = 4096

MAX_TTL: Final = 86_400.0
"""Seconds that a token for calls may be valid."""

MAX_OPS_TTL: Final = 400 * 86_400.0
"""Seconds that a token for `ops` alone may be valid: a scraper has it in a file."""

LEEWAY: Final = 5.0
"""Seconds by which clocks may differ."""

BOUND: Final = ("agent", "voice", "language")
"""Claims that bind a call to what they name."""


def make_token(
    keys: KeyFile,
    *,
    ttl: float = 600.0,
    subject: str | None = None,
    agent: str | None = None,
    voice: str | None = None,
    language: str | None = None,
    scopes: Sequence[Scope] = ("call",),
    claims: Mapping[str, Any] | None = None,
) -> str:
    """A token that is valid for `ttl` seconds from now.

    Args:
        keys: The file whose first key signs.
        ttl: Seconds; at most MAX_TTL, or MAX_OPS_TTL for `ops` alone.
        subject: Who calls, as the application names it (`sub`).
        agent: The only agent that the call may ask for; it need not ask then. So for `voice` and `language`.
        voice: See `agent`.
        language: See `agent`.
        scopes: What it allows.
        claims: More, for the application: agents read them as `call.claims`.

    Raises:
        ConfigError: For a lifetime or a scope that cannot be, and for claims that have a meaning of their own.
    """
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        raise ConfigError(f"There is no scope {unknown[0]!r}.", hint=f"Choose among {', '.join(SCOPES)}.")
    limit = MAX_OPS_TTL if tuple(scopes) == ("ops",) else MAX_TTL
    if not 0 < ttl <= limit:
        raise ConfigError(f"A token cannot be valid for {ttl:g} s.", hint=f"Choose up to {limit:g} s.")
    reserved = {"iss", "aud", "exp", "iat", "nbf", "jti", "sub", "scope", *BOUND}
    if taken := sorted(reserved & set(claims or {})):
        raise ConfigError(f"The claim {taken[0]!r} has a meaning of its own.", hint="Choose another name.")
    now = time.time()
    bound = {"sub": subject, "agent": agent, "voice": voice, "language": language}
    payload = {
        "aud": AUDIENCE,
        "iat": int(now),
        "exp": int(now + ttl),
        "jti": secrets.token_urlsafe(12),
        "scope": " ".join(scopes),
        **{name: value for name, value in bound.items() if value is not None},
        **(claims or {}),
    }
    key = keys.signing
    token = jwt.encode(payload, key.secret, algorithm="HS256", headers={"kid": key.name})
    if len(token) > MAX_TOKEN_CHARS:
        raise ConfigError(f"The token has {len(token)} characters, and may have {MAX_TOKEN_CHARS}: give fewer claims.")
    return token


def verify_token(keys: KeyFile, token: str, scope: Scope) -> dict[str, Any]:
    """The claims of a token that allows `scope`. Raises AuthenticationError for any other, without telling its text.

    The signature is compared in constant time.
    """
    if len(token) > MAX_TOKEN_CHARS:
        raise AuthenticationError("The token is too long.", hint=_HINT)
    try:
        name = jwt.get_unverified_header(token).get("kid")
        key = keys.get(name) if isinstance(name, str) else None
        if key is None:
            raise AuthenticationError("The token is signed with a key that this server does not have.", hint=_HINT)
        claims: dict[str, Any] = jwt.decode(
            token,
            key.secret,
            algorithms=["HS256"],
            audience=AUDIENCE,
            leeway=LEEWAY,
            options={"require": ["exp", "iat", "jti", "scope"]},
        )
    except jwt.ExpiredSignatureError:
        raise AuthenticationError("The token has expired.", hint=_HINT) from None
    except jwt.MissingRequiredClaimError as error:
        raise AuthenticationError(f"The token lacks the claim {error.claim}.", hint=_HINT) from None
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise AuthenticationError("The token is not valid.", hint=_HINT) from None
    scopes = str(claims["scope"]).split()
    limit = MAX_OPS_TTL if scopes == ["ops"] else MAX_TTL
    if claims["exp"] - claims["iat"] > limit:
        raise AuthenticationError(f"The token is valid for more than {limit:g} s.", hint=_HINT)
    if scope not in scopes:
        raise AuthenticationError(f"The token does not allow {scope!r}.", hint=f"Make one with --scope {scope}.")
    if wrong := [name for name in ("jti", *BOUND) if not isinstance(claims.get(name, ""), str)]:
        raise AuthenticationError(f"The claim {wrong[0]} of the token is not text.", hint=_HINT)
    return claims


_HINT: Final = "Get a new one."
