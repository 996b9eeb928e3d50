"""duologue: spoken conversations between people and software agents, a hundred in one process, in real time."""

__version__ = "0.1.0"
