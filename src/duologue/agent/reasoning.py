"""Removes a language model's reasoning from its text while the text is being streamed."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["ReasoningFilter", "Shown"]

_NAMES: Final = (
    "think", "thinking", "thought", "thoughts", "thinking_process", "reasoning", "reasoning_process", "reflection",
    "analysis", "scratchpad", "inner_monologue", "internal_monologue", "seed:think", "antml:thinking",
)  # fmt: skip
_OPEN: Final = ("[think]", "◁think▷", "<|think|>", "<|thinking|>", "<|begin_of_thought|>", "<|start_thinking|>")
_CLOSE: Final = (
    "[/think]", "◁/think▷", "<|/think|>", "<|/thinking|>", "<|end_of_thought|>", "<|end_thinking|>", "<channel|>",
)  # fmt: skip
_CHANNEL: Final = ("<|channel|>", "<|channel>")
_MESSAGE: Final = ("<|message|>",)
_START: Final = ("<|start|>",)
_EDGE: Final = ("<|end|>", "<|return|>", "<|call|>", "<|constrain|>")
_WRAP: Final = (
    "<answer>", "</answer>", "<final_answer>", "</final_answer>", "<response>", "</response>",
)  # fmt: skip
_LITERALS: Final = (*_OPEN, *_CLOSE, *_CHANNEL, *_MESSAGE, *_START, *_EDGE, *_WRAP)


def _any(words: tuple[str, ...]) -> str:
    return "|".join(map(re.escape, words))


_NAME: Final = f"(?:{_any(_NAMES)})"
_ATTRIBUTES: Final = r"[^<>\[◁]{0,40}"
_TAG: Final = re.compile(
    rf"(?P<empty><\s{{0,4}}{_NAME}\s{{0,4}}/\s{{0,4}}>|{_any(_WRAP)})"
    rf"|(?P<open><\s{{0,4}}{_NAME}(?:\s{_ATTRIBUTES})?>|{_any(_OPEN)})"
    rf"|(?P<close><\s{{0,4}}/\s{{0,4}}{_NAME}\s{{0,4}}>|{_any(_CLOSE)})"
    rf"|(?P<channel>{_any(_CHANNEL)})|(?P<message>{_any(_MESSAGE)})|(?P<start>{_any(_START)})|(?P<edge>{_any(_EDGE)})"
    r"|(?P<bare>(?-i:assistantfinal))",
    re.IGNORECASE,
)
_MAY_OPEN: Final = re.compile(r"[<\[◁]")
_BEGUN: Final = re.compile(r"<\s{0,4}/?\s{0,4}")
_NAMED: Final = re.compile(rf"{_NAME}(?:\s{_ATTRIBUTES}|\s{{0,4}}/?\s{{0,4}})")
_LONGEST: Final = 80
"""Characters that may be held because they may become a tag, or the header of a message."""

_BARE: Final = "analysis"
_BARE_END: Final = "assistantfinal"


class Shown(NamedTuple):
    """What a piece of text comes to without reasoning."""

    text: str
    """What may be spoken."""
    forget: bool = False
    """True if all text before this was reasoning after all: what has not been spoken yet is not to be spoken."""


class ReasoningFilter:
    """Passes on the text of one answer, and drops the reasoning in it.

    Reasoning stands between tags such as `<think>` and `</think>`, in any case and with any of the usual names, or in
    the channels of the harmony format (`<|channel|>analysis<|message|>`). The first closing tag ends it; what never
    closes is dropped. A closing tag that nothing opened says that all text before it was reasoning: `forget`.
    How the text is cut into pieces does not matter, and at most 80 characters are held because they may become a tag.
    White space at the beginning is dropped.
    """

    def __init__(self) -> None:
        self.opened: bool = False
        """A tag has opened reasoning."""
        self.unopened: bool = False
        """Reasoning was closed that no tag had opened: this model starts inside of it."""
        self._inside = False
        self._depth = 0
        """Opening tags that no closing tag has answered."""
        self._bare = False
        """Inside of harmony's analysis, of which a server has dropped the special tokens."""
        self._header: str | None = None
        """The header of a harmony message, as far as it has come."""
        self._role = False
        """The header is of a message without a channel."""
        self._tail = ""
        """The end of the text, which may be the beginning of a tag."""
        self._at_start = True
        self._strip = False
        """White space is dropped, because a tag stood before it and nothing has been shown."""
        self._shown = False

    @property
    def inside(self) -> bool:
        """True while the text is reasoning."""
        return self._inside or self._header is not None

    @property
    def unclosed(self) -> bool:
        """True while the text may still be reasoning, as more tags were opened in it than closed."""
        return self._depth > 0 and not self.inside

    def push(self, text: str) -> Shown:
        """Take the next piece."""
        if not (self._at_start or self._strip or self._tail or self._bare or self.inside or _MAY_OPEN.search(text)):
            return Shown(text)
        text, self._tail = self._tail + text, ""
        if self._at_start:
            text = text.lstrip()
            if not self._begin(text):
                self._tail = text
                return Shown("")
            self._at_start = False
            text = text[len(_BARE) :] if self._bare else text
        out: list[str] = []
        forget, at = False, 0
        for tag in _TAG.finditer(text):
            if tag["bare"] and not self._bare:
                continue
            self._take(text[at : tag.start()], out)
            at = tag.end()
            if self._turn(tag.lastgroup or ""):
                forget, self._shown = True, False
                out.clear()
        end = self._certain(text, at)
        self._take(text[at:end], out)
        self._tail = text[end:]
        return Shown("".join(out), forget)

    def end(self) -> str:
        """The answer is over: what is left of it."""
        out: list[str] = []
        tail, self._tail, self._at_start = self._tail, "", False
        self._take(tail, out)
        return "".join(out)

    def _begin(self, text: str) -> bool:
        """Whether the first characters say if the answer begins with `analysis` that no token introduces."""
        if len(text) <= len(_BARE):
            return not _BARE.startswith(text)
        self._bare = self._inside = self.opened = text.startswith(_BARE) and text[len(_BARE)].isupper()
        return True

    def _turn(self, kind: str) -> bool:
        """Follow a tag. True if what was shown so far was reasoning."""
        self._strip = self._strip or not self._shown
        lone = False
        match kind:
            case "open":
                self._inside = self.opened = True
                self._depth += 1
            case "close":
                lone = not self._inside
                self._depth = max(self._depth - 1, 0)
                self.unopened = self.unopened or (lone and not self.opened)
                self._inside = False
            case "bare":
                self._inside = self._bare = False
            case "channel" | "start":
                self._header, self._role = "", kind == "start"
            case "message":
                self._read_header()
            case "edge":
                self._inside, self._header = False, None
        if lone:
            self._strip = True
        return lone

    def _take(self, text: str, out: list[str]) -> None:
        if self._header is not None:
            header = self._header + text
            length = header.find("\n", 0, _LONGEST)
            if length < 0 and len(header) < _LONGEST:
                self._header = header
                return
            length = length if length >= 0 else _LONGEST
            self._header = header[:length]
            self._read_header()
            self._take(header[length:], out)
            return
        if self._inside or not text:
            return
        if self._strip:
            text = text.lstrip()
            self._strip = not text
        self._shown = self._shown or bool(text.strip())
        out.append(text)

    def _read_header(self) -> None:
        """The header of a harmony message is complete: only the channel `final` is for the user."""
        if self._header is None:
            return
        channel = re.search(r"\w+", self._header)
        self._inside = not self._role and channel is not None and channel[0].lower() != "final"
        self.opened = self.opened or self._inside
        self._header = None

    def _certain(self, text: str, at: int) -> int:
        """Where the end of `text` begins which may become a tag."""
        ends = [text.rfind(mark, max(at, len(text) - _LONGEST)) for mark in "<[◁"]
        starts = [start for start in ends if start >= 0 and _may_become_a_tag(text[start:])]
        if self._bare:
            starts += [
                n for n in range(max(at, len(text) - len(_BARE_END)), len(text)) if _BARE_END.startswith(text[n:])
            ]
        return min(starts, default=len(text))


def _may_become_a_tag(text: str) -> bool:
    lower = text.lower()
    if any(literal.startswith(lower) for literal in _LITERALS):
        return True
    begun = _BEGUN.match(lower)
    if begun is None:
        return False
    rest = lower[begun.end() :]
    return any(name.startswith(rest) for name in _NAMES) or _NAMED.fullmatch(rest) is not None
