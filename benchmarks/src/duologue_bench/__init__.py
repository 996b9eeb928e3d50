"""Benchmarks, and the frozen corpus of labelled speech that they stand on."""
