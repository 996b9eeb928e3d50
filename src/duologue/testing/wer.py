"""Word error rate, for tests of a recognizer of your own."""

from duologue.callers.word_errors import scoring_words, word_error_rate, word_errors

__all__ = ["scoring_words", "word_error_rate", "word_errors"]
