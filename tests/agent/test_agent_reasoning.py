"""Reasoning is dropped from text, however it is marked and wherever the text is cut."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.agent.reasoning import ReasoningFilter

ANSWERS = [
    ("<think>plan</think>Hello.", "Hello."),
    ("<think>\nplan\n</think>\n\nHello.", "Hello."),
    ("<THINK>plan</Think>Hello.", "Hello."),
    ("<think duration='3'>plan</think >Hello.", "Hello."),
    ("<thinking>plan</thinking>Hello.", "Hello."),
    ("<reasoning>plan</reasoning>Hello.", "Hello."),
    ("<seed:think>plan</seed:think>Hello.", "Hello."),
    ("[THINK]plan[/THINK]Hello.", "Hello."),
    ("◁think▷plan◁/think▷Hello.", "Hello."),
    ("<|begin_of_thought|>plan<|end_of_thought|>Hello.", "Hello."),
    ("<|START_THINKING|>plan<|END_THINKING|>Hello.", "Hello."),
    ("<|channel>thought\nplan<channel|>Hello.", "Hello."),
    (
        "<|channel|>analysis<|message|>plan<|end|><|start|>assistant<|channel|>final<|message|>Hello.<|return|>",
        "Hello.",
    ),
    ("<|start|>assistant<|channel|>commentary to=functions.look<|message|>plan<|call|>", ""),
    ("analysisWe plan.assistantfinalHello.", "Hello."),
    ("<think></think>Hello.", "Hello."),
    ("<think/>Hello.", "Hello."),
    ("<think>plan</think><answer>Hello.</answer>", "Hello."),
    ("Well. <think>plan</think>Hello.", "Well. Hello."),
    ("<think>a</think>One. <think>b</think>Two.", "One. Two."),
    ("plan</think>Hello.", "Hello."),
    ("plan</think>more plan</think>\nHello.", "Hello."),
    ("<think>a<think>b</think>c</think>Hello.", "Hello."),
    ("<think>Say it in <think> tags? No.</think>Hello.", "Hello."),
    ("<think>plan and no end", ""),
    ("<think>plan</thin", ""),
]
ORDINARY = [
    "Hello.",
    "5 < 6 and 7 > 6, says <b>she</b>.",
    "I <3 you <thi",
    "A [thin] line.",
    "analysis of it",
    "an",
    "<thinker>one</thinker>",
    "I think</b> so.",
]


def shown(pieces: list[str]) -> str:
    """What is left of the pieces, where nothing is spoken before the end."""
    reasoning, text = ReasoningFilter(), ""
    for piece in pieces:
        new = reasoning.push(piece)
        text = ("" if new.forget else text) + new.text
    return text + reasoning.end()


@pytest.mark.parametrize(("text", "answer"), [*ANSWERS, *((text, text) for text in ORDINARY)])
def test_only_the_answer_is_left_wherever_the_text_is_cut(text: str, answer: str) -> None:
    assert shown([text]) == answer
    assert shown(list(text)) == answer
    for n in range(len(text)):
        assert shown([text[:n], text[n:]]) == answer, n


FRAGMENTS = [*(text for text, _ in ANSWERS), *ORDINARY, "<think>", "</think>", "<|channel|>", "<|message|>", "<", "\n"]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=4), st.lists(st.integers(0, 300)))
def test_any_cutting_of_a_text_gives_the_same(fragments: list[str], cuts: list[int]) -> None:
    text = "".join(fragments)
    ends = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    assert shown([text[a:b] for a, b in pairwise(ends)]) == shown([text])


def test_text_is_passed_on_at_once() -> None:
    reasoning = ReasoningFilter()
    assert [reasoning.push(piece).text for piece in ("Hello", " there", ", <b", ">you</b>")] == [
        "Hello", " there", ", <b", ">you</b>",
    ]  # fmt: skip


def test_what_is_held_is_bounded() -> None:
    reasoning = ReasoningFilter()
    given_ = sum(len(reasoning.push(piece).text) for piece in ["<think "] + ["x"] * 1000)
    assert given_ >= 900
    assert ReasoningFilter().push(" " * 10_000) == ("", False), "white space at the beginning is not kept"


def test_a_lone_closing_tag_tells_of_a_model_that_starts_inside() -> None:
    for text, opened, unopened in [
        ("<think>a</think>b", True, False),
        ("a</think>b", False, True),
        ("b", False, False),
    ]:
        reasoning = ReasoningFilter()
        reasoning.push(text)
        assert (reasoning.opened, reasoning.unopened) == (opened, unopened)


@pytest.mark.parametrize("text", ["<" * 20_000, "<think " * 3000, "[THINK" * 3000, "<" + " " * 20_000])
def test_it_takes_time_in_proportion_to_the_length(text: str) -> None:
    began = time.process_time()
    shown([text])
    assert time.process_time() - began < 5, "seconds; a quadratic filter takes minutes"
