"""A call on disk and its replay: recorded inputs and audio, and the driver that plays them.

Import from the files themselves (`duologue.recording.replayer`), so that a caller loads only what it uses.
"""
