"""Soaks: long and chaotic runs against a server in another process, held against limits. docs/soaks.md."""
