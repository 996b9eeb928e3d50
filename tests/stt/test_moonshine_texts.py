"""Texts that join and leave while they are written come out as they do alone."""

from __future__ import annotations

import gc
import weakref

import pytest

from duologue.stt.moonshine import Moonshine
from duologue.stt.steps import Pending, ResumableModel, Step
from duologue.testing.speech import real_speech

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def moonshine() -> Moonshine:
    return Moonshine()


def begun(first: Step, name: str) -> Pending:
    clips = {clip.name: clip.samples() for clip in real_speech()}
    (found,) = first.run([clips[name]])
    assert isinstance(found, Pending)
    return found


def test_it_is_a_stepwise_model_of_one_name(moonshine: Moonshine) -> None:
    model: ResumableModel = moonshine
    assert isinstance(model, ResumableModel)
    unfinished = begun(model.first, "cards-1")
    assert model.first.name == unfinished.step.name == moonshine.name
    assert unfinished.step.size(unfinished.item) == 0


def test_silence_is_finished_after_the_first_step(moonshine: Moonshine) -> None:
    clip = real_speech()[0].samples()
    assert moonshine.first.run([clip * 0, clip[:0]]) == ["", ""]


def test_texts_that_join_later_are_written_as_alone(moonshine: Moonshine) -> None:
    names = ["austen-0880", "command-1", "cards-1", "cards-4"]
    alone = {name: moonshine.run([clip.samples()])[0] for name in names for clip in real_speech() if clip.name == name}
    step = begun(moonshine.first, names[0]).step
    under_way: dict[str, Pending] = {}
    written: dict[str, str] = {}
    companies = set()
    waiting = list(names)
    while waiting or under_way:
        if waiting:  # one more joins before each run
            name = waiting.pop(0)
            under_way[name] = begun(moonshine.first, name)
        companies.add(len(under_way))
        results = step.run([one.item for one in under_way.values()])
        for name, result in zip(list(under_way), results, strict=True):
            if isinstance(result, str):
                written[name] = result
                del under_way[name]
            else:
                under_way[name] = result
    assert written == alone
    assert len(companies) > 1


def test_what_is_written_is_let_go_at_once(moonshine: Moonshine) -> None:
    gc.disable()
    try:
        under_way = [begun(moonshine.first, name) for name in ("cards-1", "cards-4")]
        step = under_way[0].step
        memories = [weakref.ref(one.item.memory) for one in under_way]
        while under_way:
            under_way = [one for one in step.run([u.item for u in under_way]) if isinstance(one, Pending)]
        assert all(memory() is None for memory in memories)
    finally:
        gc.enable()
