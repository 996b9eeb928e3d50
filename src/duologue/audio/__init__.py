"""Audio: formats, ring buffers, levels, resampling, WAV files and echo; no I/O except WAV files.

Import from the modules themselves (`duologue.audio.ring`), so that code that needs no numpy does not load it.
"""
