"""The tree of errors is what its drawing says."""

import re

import pytest

from duologue import errors
from duologue.errors import DuologueError, OverloadedError

DRAWN = {
    name: (code, bool(retryable))
    for name, code, retryable in re.findall(r"[├└]── (\w+) +(\w+)( +\(retryable\))?", errors.__doc__ or "")
}


def everyone(root: type[DuologueError]) -> list[type[DuologueError]]:
    return [root, *(c for child in root.__subclasses__() for c in everyone(child) if c.__module__ == errors.__name__)]


@pytest.mark.parametrize("error", everyone(DuologueError))
def test_each_is_exported_and_says_what_to_do_next(error: type[DuologueError]) -> None:
    assert error.__name__ in errors.__all__
    is_branch = bool(error.__subclasses__())
    assert error.hint or is_branch
    if error.__name__ in DRAWN:
        assert (error.code, error.retryable) == DRAWN[error.__name__]
    else:
        assert is_branch


def test_each_code_has_one_class() -> None:
    own = [e.code for e in everyone(DuologueError) if "code" in vars(e)]
    assert len(own) == len(set(own))


def test_an_error_as_plain_types() -> None:
    error = OverloadedError("Full.", provider="here", retry_after=2.0)
    assert error.as_dict() == {
        "code": "overloaded",
        "message": "Full.",
        "hint": "Try again later or on another machine.",
        "retryable": True,
        "provider": "here",
        "retry_after_s": 2.0,
    }
    assert str(error) == "Full. Try again later or on another machine."
    assert str(OverloadedError("Full.", hint="")) == "Full."
