"""Simulated callers: people who call a server, speak, listen, answer, and measure what they hear. docs/callers.md.

All callers share one process, one event loop and one clock; all that can be computed in advance is computed before the
first call. This package uses nothing of the server but its protocol.
"""
