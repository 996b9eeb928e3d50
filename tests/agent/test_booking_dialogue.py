"""Whole bookings, as tables of what the caller says and what the answer must hold. Today is Wednesday, 3 June 2026."""

import re
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.agent import Agent, EndCall, Reply, Stateful, Turn
from duologue.agent.booking import Booking, BookingAgent
from duologue.conversation.history import Message
from duologue.errors import InvalidStateError

pytestmark = pytest.mark.anyio

TODAY = date(2026, 6, 3)
THU, FRI, SAT, MON = (date(2026, 6, day) for day in (4, 5, 6, 8))


async def committed() -> None:
    return


@dataclass
class Call:
    """Keeps the history as a session does: what of each answer was heard."""

    agent: BookingAgent = field(default_factory=lambda: BookingAgent(today=TODAY))
    history: list[Message] = field(default_factory=list)
    ended: EndCall | None = None

    async def say(self, text: str) -> str:
        pieces: list[Reply] = [
            piece async for piece in self.agent.reply(Turn(len(self.history), text, tuple(self.history), committed))
        ]
        words = "".join(piece for piece in pieces if isinstance(piece, str))
        self.ended = next((piece for piece in pieces if isinstance(piece, EndCall)), None)
        assert self.ended is None or pieces[-1] is self.ended
        self.history += [Message("user", text), Message("agent", words, words)]
        return words

    def cut(self, heard: int) -> None:
        """The caller interrupted the last answer after so many words."""
        said = self.history[-1].said
        words = said.split()[:heard]
        self.history[-1] = Message("agent", " ".join(words), said, interrupted=True)
        self.ended = None


@dataclass(frozen=True)
class Cut:
    """Before this line, the caller interrupts after so many words; from the end, if negative."""

    heard: int
    text: str


ASK_PEOPLE, ASK_DAY, ASK_TIME, ASK_NAME = r"how many", r"(which|what) day", r"what time\b", r"what name\b"
CONFIRM = r"(Is that right|Shall I book it|Is that correct)\?$"
BOOKED = r"[Yy]our reference is [A-Z]( [a-z]+){3}\. See you .* goodbye!$"
BYE = r"goodbye!$|Goodbye\.$"

Line = tuple[str | Cut, str]

SMITH = {"people": 4, "day": FRI, "time": time(19), "name": "Smith", "status": "confirmed"}
ALL = "A table for four on Friday at seven under Smith."
READ = r"a table for four on Friday the fifth of June, at seven in the evening, under the name Smith\. "

DIALOGUES: dict[str, tuple[list[Line], dict[str, Any]]] = {
    "one thing per answer": (
        [
            ("Hi, I'd like to book a table.", ASK_PEOPLE),
            ("Four.", "four people"),
            ("Friday.", "Friday the fifth"),
            ("Seven.", "seven in the evening"),
            ("Smith.", READ),
            ("Yes.", BOOKED),
        ],
        SMITH,
    ),
    "all in one sentence": ([(ALL, READ), ("yes please", BOOKED)], SMITH),
    "some at once, the rest as asked": (
        [
            ("a table for four on friday", r"four people on Friday the fifth of June\. "),
            ("at seven", "name"),
            ("my name is smith", READ),
            ("that's right", BOOKED),
        ],
        SMITH,
    ),
    "in another order": (
        [
            ("It's under the name Smith, at seven.", r"at seven in the evening under Smith\."),
            ("four people", "day"),
            ("Friday", READ),
            ("correct", BOOKED),
        ],
        SMITH,
    ),
    "as a recogniser hears it": (
        [
            ("for for people", "four people"),
            ("for friday", "Friday"),
            ("ate", "at eight"),
            ("s m i t h", CONFIRM),
            ("uh huh", BOOKED),
        ],
        SMITH | {"time": time(20)},
    ),
    "corrected at once": (
        [
            ("four", "four people"),
            ("no, make that five", "five people.*day"),
            ("friday at seven", ASK_NAME + "|name"),
            ("smith", "for five.*" + CONFIRM),
            ("yes", BOOKED),
        ],
        SMITH | {"people": 5},
    ),
    "corrected while answering": (
        [
            ("a table for four, no, five", "five people"),
            ("friday, sorry, saturday", "Saturday the sixth"),
            ("at seven, no, at eight", "eight in the evening"),
            ("smith", CONFIRM),
            ("yes", BOOKED),
        ],
        SMITH | {"people": 5, "day": SAT, "time": time(20)},
    ),
    "a time corrected while the name is asked": (
        [
            ("four on friday", "time"),
            ("at seven", "name"),
            ("sorry, eight", r"at eight in the evening\..*name"),
            ("smith", CONFIRM),
            ("yes", BOOKED),
        ],
        SMITH | {"time": time(20)},
    ),
    "the day corrected at the reading back": (
        [(ALL, READ), ("No, actually Saturday instead.", "Saturday the sixth.*" + CONFIRM), ("yes", BOOKED)],
        SMITH | {"day": SAT},
    ),
    "not seven, eight": (
        [(ALL, READ), ("not seven, eight", "for four.*at eight in the evening.*" + CONFIRM), ("yes", BOOKED)],
        SMITH | {"time": time(20)},
    ),
    "not four, five": (
        [(ALL, READ), ("not four, five", "for five.*at seven.*" + CONFIRM), ("yes", BOOKED)],
        SMITH | {"people": 5},
    ),
    "a number that could be either is asked about": (
        [
            (ALL, READ),
            ("no, make that five", "table for five.*five o'clock"),
            ("people", "for five.*" + CONFIRM),
            ("yes", BOOKED),
        ],
        SMITH | {"people": 5},
    ),
    "a number that could be either is the time": (
        [
            (ALL, READ),
            ("no, make that five", "table for five.*five o'clock"),
            ("the time", "at five.*" + CONFIRM),
            ("yes", BOOKED),
        ],
        SMITH | {"time": time(17)},
    ),
    "a number that can only be people": (
        [(ALL, READ), ("make that fifteen", "for fifteen.*" + CONFIRM), ("yes", BOOKED)],
        SMITH | {"people": 15},
    ),
    "the name changed": (
        [(ALL, READ), ("change the name to Jones", "name Jones.*" + CONFIRM), ("yes", BOOKED)],
        SMITH | {"name": "Jones"},
    ),
    "the name corrected": (
        [(ALL, READ), ("Not Smith, Smythe.", "name Smythe.*" + CONFIRM), ("yes", BOOKED)],
        SMITH | {"name": "Smythe"},
    ),
    "no, and then what": (
        [
            (ALL, READ),
            ("No.", "change"),
            ("the time", "time"),
            ("half past eight", "eight thirty.*" + CONFIRM),
            ("yes", BOOKED),
        ],
        SMITH | {"time": time(20, 30)},
    ),
    "no, and then nothing": ([(ALL, READ), ("No.", "change"), ("nothing, it's fine", READ), ("yes", BOOKED)], SMITH),
    "the day is wrong": (
        [(ALL, READ), ("the day is wrong", "day"), ("next monday", "Monday the eighth.*" + CONFIRM), ("yes", BOOKED)],
        SMITH | {"day": MON},
    ),
    "yes, but": (
        [(ALL, READ), ("yes, but for five people", "for five.*" + CONFIRM), ("yes", BOOKED)],
        SMITH | {"people": 5},
    ),
    "yes, said back": ([(ALL, READ), ("yes, four people on Friday", BOOKED)], SMITH),
    "what was that": ([(ALL, READ), ("What?", READ), ("Pardon?", READ), ("Oh, yes.", BOOKED)], SMITH),
    "what, before anything was said": ([("Sorry?", "table line.*How many"), (ALL, READ), ("yes", BOOKED)], SMITH),
    "silence": (
        [("", "Hello.*How many"), ("", "many"), ("   ", "many"), (ALL, READ), ("", CONFIRM), ("yes", BOOKED)],
        SMITH,
    ),
    "not understood, with help at the third time": (
        [
            ("blah", "many"),
            ("wibble", "many"),
            ("gnu foo", "for example, a table for four.*many"),
            (ALL, READ),
            ("florp", CONFIRM),
            ("yes", BOOKED),
        ],
        SMITH,
    ),
    "help when asked for": (
        [
            ("help", "for example"),
            ("four", "day"),
            ("help", "for example, tomorrow"),
            ("friday", "time"),
            ("what can I say", "for example, half past seven"),
            ("seven", "name"),
            ("help", "spell"),
            ("smith", READ),
            ("help", "yes or no"),
            ("yes", BOOKED),
        ],
        SMITH,
    ),
    "no to what was just understood": (
        [
            ("five", "five people"),
            ("No.", ASK_PEOPLE),
            ("four", "four people"),
            ("friday at seven", "name"),
            ("smith", READ),
            ("yes", BOOKED),
        ],
        SMITH,
    ),
    "cancelled": (
        [("a table for four on friday", "time"), ("cancel", "cancelled.*start again"), ("no thanks", BYE)],
        {"people": 4, "day": FRI, "status": "cancelled"},
    ),
    "cancelled, and yet": (
        [
            ("five people", "day"),
            ("never mind", "cancelled.*start again"),
            ("yes", "many"),
            (ALL, READ),
            ("yes", BOOKED),
        ],
        SMITH,
    ),
    "cancelled, and straight on": ([("never mind", "again"), (ALL, READ), ("yes", BOOKED)], SMITH),
    "started over": (
        [("five people on saturday", "time"), ("can we start over", "many"), (ALL, READ), ("yes", BOOKED)],
        SMITH,
    ),
    "hung up": ([("four people", "day"), ("goodbye", "nothing is booked.*" + BYE)], {"people": 4, "status": "open"}),
    "closed, and too many": (
        [
            ("thirty people", "one to twenty.*many"),
            ("four", "day"),
            ("friday", "time"),
            ("ten in the morning", "noon to ten.*time"),
            ("at eleven", "noon to ten.*time"),
            ("seven", "name"),
            ("smith", READ),
            ("at eleven", "noon to ten.*" + READ),
            ("yes", BOOKED),
        ],
        SMITH,
    ),
    "days that cannot be": (
        [
            ("four", "day"),
            ("yesterday", "can't book that day.*day"),
            ("the thirtieth of february", "can't.*day"),
            ("friday", "time"),
            ("seven", "name"),
            ("smith", READ),
            ("yes", BOOKED),
        ],
        SMITH,
    ),
    "a question about the hours": (
        [
            ("four on friday", "time"),
            ("when do you close", "noon to ten.*time"),
            ("seven", "name"),
            ("smith", READ),
            ("yes", BOOKED),
        ],
        SMITH,
    ),
    "a moment to think": (
        [
            ("four", "day"),
            ("one moment please", "take your time|I'll wait"),
            ("friday at seven under smith", READ),
            ("hold on", "take your time|I'll wait"),
            ("okay", BOOKED),
        ],
        SMITH,
    ),
    "thanks and other manners": (
        [
            ("hello", "many"),
            ("four, thank you", "day"),
            ("thanks", "day"),
            ("friday at seven for Smith", READ),
            ("great", BOOKED),
        ],
        SMITH,
    ),
    "spelled": (
        [("four on friday at seven", "name"), ("it's S M I T H", READ), ("yes", BOOKED)],
        SMITH,
    ),
    "a yes to a reading back that was cut off": (
        [(ALL, READ), (Cut(6, "Yes."), "[Oo]nce more.*" + READ), ("Yes.", BOOKED)],
        SMITH,
    ),
    "a yes to a reading back that nobody heard": (
        [(ALL, READ), (Cut(0, "Yeah."), READ), (Cut(0, "Yeah."), READ), ("Yes.", BOOKED)],
        SMITH,
    ),
    "a yes over the question, all details heard": ([(ALL, READ), (Cut(-2, "Yes."), BOOKED)], SMITH),
    "unclear words over a reading back that was cut off": (
        [(ALL, READ), (Cut(6, "florp"), "[Oo]nce more.*" + READ), ("Yes.", BOOKED)],
        SMITH,
    ),
    "a moment, over a reading back that was cut off": (
        [(ALL, READ), (Cut(6, "hold on"), "[Oo]nce more.*" + READ), ("Yes.", BOOKED)],
        SMITH,
    ),
    "a yes over a second question": (
        [(ALL, READ), ("florp", CONFIRM), (Cut(4, "yes"), BOOKED)],
        SMITH,
    ),
    "what, after a moment to think": (
        [
            ("four on Friday", "time"),
            ("one moment", "take your time|I'll wait"),
            ("What?", "Friday.*time"),
            ("seven for Smith", READ),
            ("yes", BOOKED),
        ],
        SMITH,
    ),
    "nothing that can be": (
        [
            ("thirty people on friday at eleven", "one to twenty.*many"),
            ("four", "time"),
            ("at seven", "name"),
            ("smith", READ),
            ("yes", BOOKED),
        ],
        SMITH,
    ),
    "a correction over the reading back": (
        [(ALL, READ), (Cut(5, "no, five people"), "for five.*" + CONFIRM), ("yes", BOOKED)],
        SMITH | {"people": 5},
    ),
    "went on talking before the answer was heard": (
        [
            ("a table for four", "day"),
            (Cut(0, "five"), "five people.*day"),
            ("friday at seven", "name"),
            ("smith", CONFIRM),
            ("yes", BOOKED),
        ],
        SMITH | {"people": 5},
    ),
    "interrupted with the answer": (
        [
            ("a table for four", "day"),
            (Cut(3, "friday"), "time"),
            (Cut(8, "seven"), "name"),
            ("smith", READ),
            ("yes", BOOKED),
        ],
        SMITH,
    ),
    "the reference was cut off": (
        [(ALL, READ), ("yes", BOOKED), (Cut(4, "okay"), BOOKED), (Cut(-3, "thanks, bye"), BYE)],
        SMITH,
    ),
    "the reference once more": (
        [(ALL, READ), ("yes", BOOKED), (Cut(-2, "what was the reference"), BOOKED)],
        SMITH,
    ),
    "changed after it was booked": (
        [(ALL, READ), ("yes", BOOKED), (Cut(-2, "wait, make it five people"), "for five.*" + CONFIRM), ("yes", BOOKED)],
        SMITH | {"people": 5},
    ),
    "cancelled after it was booked": (
        [(ALL, READ), ("yes", BOOKED), (Cut(-2, "actually, cancel it"), "cancelled"), ("no", BYE)],
        SMITH | {"status": "cancelled"},
    ),
    "something unclear after it was booked": (
        [(ALL, READ), ("yes", BOOKED), (Cut(-2, "florp"), "anything else"), ("no", BYE)],
        SMITH,
    ),
}


@pytest.mark.parametrize("name", DIALOGUES)
async def test_dialogue(name: str) -> None:
    lines, expected = DIALOGUES[name]
    call, before = Call(), ""
    for words, pattern in lines:
        if isinstance(words, Cut):
            call.cut(words.heard)
        text = words.text if isinstance(words, Cut) else words
        answer = await call.say(text)
        assert re.search(pattern, answer, re.IGNORECASE), f"{text!r} was answered with {answer!r}"
        assert answer != before or text in ("What?", "Pardon?", "Sorry?"), f"{text!r} was answered in the same words"
        assert len(answer) < 200
        before = answer
    booking = call.agent.booking
    assert {slot: getattr(booking, slot) for slot in expected} == expected
    assert (booking.reference is not None) == (BOOKED in [pattern for _, pattern in lines])
    finished = re.search(f"{BYE}", answer) is not None
    assert (call.ended is not None) == finished


async def test_one_call_word_for_word() -> None:
    call = Call()
    said = [await call.say(text) for text in ("", "Two.", "No, three.", "Tomorrow.", "7:30 PM", "O'Neil", "Yes.")]
    assert said == [
        "Hello, this is the table line. How many people shall I book for?",
        "Lovely, two people. For which day?",
        "Of course, three people. Which day would you like?",
        "Perfect, tomorrow. At what time?",
        "Great, at seven thirty in the evening. What name is it under?",
        "Sure, a table for three tomorrow, at seven thirty in the evening, under the name O'Neil. Is that right?",
        "Great, it's booked. Your reference is H nine nine two. See you tomorrow, goodbye!",
    ]
    assert call.agent.booking == Booking(3, THU, time(19, 30), "O'Neil", "H992", "confirmed")
    assert call.ended == EndCall("booked")


async def test_the_reference_stays_when_a_booked_table_is_changed() -> None:
    call = Call()
    for text in (ALL, "yes"):
        await call.say(text)
    reference = call.agent.booking.reference
    assert reference is not None
    for text in ("make it five people", "yes"):
        await call.say(text)
    assert call.agent.booking == Booking(5, FRI, time(19), "Smith", reference, "confirmed")


async def test_the_seed_varies_the_words_and_nothing_else() -> None:
    answers = set()
    for seed in range(5):
        call = Call(BookingAgent(today=TODAY, seed=seed))
        answers.add(await call.say("four people"))
        await call.say("friday at seven under smith")
        await call.say("yes")
        assert call.agent.booking.status == "confirmed"
    assert len(answers) > 2


async def test_a_discarded_speculation_leaves_no_trace() -> None:
    call = Call()
    await call.say("a table for four")
    before = call.agent.snapshot()
    speculated = [piece async for piece in call.agent.reply(Turn(9, "on friday", tuple(call.history), committed))]
    assert call.agent.booking.day == FRI
    call.agent.restore(before)
    assert call.agent.booking == Booking(people=4)
    again = [piece async for piece in call.agent.reply(Turn(9, "on friday", tuple(call.history), committed))]
    assert again == speculated


async def test_it_is_a_speculative_agent_with_state() -> None:
    agent = BookingAgent(today=TODAY)
    assert isinstance(agent, Agent)
    assert isinstance(agent, Stateful)
    assert agent.speculative
    with pytest.raises(InvalidStateError, match="from dict"):
        agent.restore({})


async def test_today_is_today_unless_it_is_given() -> None:
    agent = BookingAgent()
    call = Call(agent)
    await call.say("four people tomorrow")
    assert agent.booking.day is not None


_LINES = st.sampled_from(
    sorted({text for lines, _ in DIALOGUES.values() for text, _ in lines if isinstance(text, str)})
) | st.text(max_size=30)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(_LINES, st.integers(-3, 20) | st.none()), max_size=12), st.integers(0, 1000))
def test_any_call_gets_short_answers(lines: list[tuple[str, int | None]], seed: int) -> None:
    import asyncio

    async def run() -> None:
        call = Call(BookingAgent(today=TODAY, seed=seed))
        for text, cut in lines:
            if cut is not None and call.history:
                call.cut(cut)
            answer = await call.say(text)
            assert 0 < len(answer) < 300
            assert not re.search(r"\d|  |None", answer) or re.search(r"\d", text)
            booking = call.agent.booking
            if booking.status == "confirmed":
                assert booking.missing is None
                assert booking.reference is not None

    asyncio.run(run())
