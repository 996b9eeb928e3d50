"""Sinks that keep what they are given."""

from duologue.recording.sink import Recorder

__all__ = ["Recorder"]
