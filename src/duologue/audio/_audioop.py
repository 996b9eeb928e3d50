"""The C functions of `audioop`, without the warning that Python 3.11 and 3.12 give when it is imported.

From Python 3.13 the same module comes from the package audioop-lts.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "'audioop' is deprecated", DeprecationWarning)
    import audioop as audioop

__all__ = ["audioop"]
