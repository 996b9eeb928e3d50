"""What sound is: formats, rings, levels, resampling, WAV files and echo; no I/O except WAV files.

Import from the files themselves (`duologue.audio.ring`), so that a caller that needs no numpy loads none.
"""
