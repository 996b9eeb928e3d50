"""Builds the frozen corpus from packages: `python -m corpus`, or `make corpus`. docs/corpus.md describes it."""
