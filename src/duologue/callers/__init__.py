"""Simulated callers: people who call a server, speak, listen, answer, and measure what they hear. docs/callers.md.

One process, one loop, one clock: whatever can be computed is computed before the first call. Nothing here knows the
server but by its protocol.
"""
