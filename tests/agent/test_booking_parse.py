"""What callers' words mean, as a table. Today is Wednesday the third of June 2026."""

from datetime import date, time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.agent.booking.hearing import normalise
from duologue.agent.booking.intents import Intent
from duologue.agent.booking.parse import Slot, Understood, parse

TODAY = date(2026, 6, 3)
PEOPLE, DAY, TIME, NAME = Slot
THU, FRI, SAT, SUN, MON, TUE = (date(2026, 6, day) for day in (4, 5, 6, 7, 8, 9))


def at(hour: int, minute: int = 0) -> time:
    return time(hour, minute)


VALUES: list[tuple[str, Slot | None, dict[str, Any]]] = [
    # How many people.
    ("Four.", PEOPLE, {"number": 4}),
    ("four people", PEOPLE, {"people": 4}),
    ("4 people", PEOPLE, {"people": 4}),
    ("a table for four", PEOPLE, {"people": 4}),
    ("A table for 4, please.", PEOPLE, {"people": 4}),
    ("a table of four", PEOPLE, {"people": 4}),
    ("for four", PEOPLE, {"people": 4}),
    ("for four", None, {"people": 4}),
    ("party of six", PEOPLE, {"people": 6}),
    ("a party of six please", PEOPLE, {"people": 6}),
    ("a group of twelve", PEOPLE, {"people": 12}),
    ("a family of five", PEOPLE, {"people": 5}),
    ("there are six of us", PEOPLE, {"people": 6}),
    ("there'll be four of us", PEOPLE, {"people": 4}),
    ("there will be eight", PEOPLE, {"people": 8}),
    ("we are seven", PEOPLE, {"people": 7}),
    ("We're six.", PEOPLE, {"people": 6}),
    ("were six", PEOPLE, {"people": 6}),
    ("the two of us", PEOPLE, {"people": 2}),
    ("both of us", PEOPLE, {"people": 2}),
    ("a couple", PEOPLE, {"people": 2}),
    ("a couple of people", PEOPLE, {"people": 2}),
    ("a table for a couple", PEOPLE, {"people": 2}),
    ("half a dozen", PEOPLE, {"people": 6}),
    ("a dozen people", PEOPLE, {"people": 12}),
    ("just me", PEOPLE, {"people": 1}),
    ("only me", PEOPLE, {"people": 1}),
    ("by myself", PEOPLE, {"people": 1}),
    ("one person", PEOPLE, {"people": 1}),
    ("me and my wife", PEOPLE, {"people": 2}),
    ("my husband and I", PEOPLE, {"people": 2}),
    ("me and three friends", PEOPLE, {"people": 4}),
    ("myself and two others", PEOPLE, {"people": 3}),
    ("two adults and three kids", PEOPLE, {"people": 5}),
    ("two adults and a child", PEOPLE, {"people": 3}),
    ("six or seven people", PEOPLE, {"people": 7}),
    ("twenty five people", PEOPLE, {"people": 25}),
    ("um four", PEOPLE, {"number": 4}),
    ("uh, for four, please", PEOPLE, {"people": 4}),
    ("six guests", None, {"people": 6}),
    ("five seats", None, {"people": 5}),
    # What a recogniser writes for a number.
    ("For for people.", PEOPLE, {"people": 4}),
    ("For people.", PEOPLE, {"people": 4}),
    ("for", PEOPLE, {"number": 4}),
    ("Fore.", PEOPLE, {"number": 4}),
    ("too", PEOPLE, {"number": 2}),
    ("To.", PEOPLE, {"number": 2}),
    ("too people", PEOPLE, {"people": 2}),
    ("a table for too", PEOPLE, {"people": 2}),
    ("a table for to at seven", PEOPLE, {"people": 2, "time": at(19)}),
    ("Ate.", PEOPLE, {"number": 8}),
    ("ate people", PEOPLE, {"people": 8}),
    ("a party of ate", PEOPLE, {"people": 8}),
    ("won", PEOPLE, {"number": 1}),
    ("won person", PEOPLE, {"people": 1}),
    ("free", PEOPLE, {"number": 3}),
    ("at ate", TIME, {"time": at(20)}),
    ("Ate o'clock.", TIME, {"time": at(20)}),
    ("ate thirty", TIME, {"time": at(20, 30)}),
    ("half past ate", TIME, {"time": at(20, 30)}),
    ("at won", TIME, {"time": at(13)}),
    ("Add 8.", TIME, {"time": at(20)}),
    ("705.", TIME, {"time": at(19, 5)}),
    ("7.3 p.m.", TIME, {"time": at(19, 30)}),
    ("7.3.", TIME, {"time": at(19, 30)}),
    ("Have past eight.", TIME, {"time": at(20, 30)}),
    ("Seven ockluck.", TIME, {"time": at(19)}),
    ("M4.", PEOPLE, {"number": 4}),
    ("And two weeks.", DAY, {"day": date(2026, 6, 17)}),
    ("names Taylor", None, {"name": "Taylor"}),
    ("J. a. m. s.", NAME, {"name": "Jams"}),
    # When, of day.
    ("Seven.", TIME, {"number": 7}),
    ("for seven", TIME, {"number": 7}),
    ("at seven", TIME, {"time": at(19)}),
    ("At 8.", TIME, {"time": at(20)}),
    ("around eight", TIME, {"time": at(20)}),
    ("about 8", TIME, {"time": at(20)}),
    ("say eight thirty", TIME, {"time": at(20, 30)}),
    ("seven o'clock", TIME, {"time": at(19)}),
    ("seven oclock", TIME, {"time": at(19)}),
    ("Seven o clock.", TIME, {"time": at(19)}),
    ("eight o'clock in the evening", TIME, {"time": at(20)}),
    ("seven in the evening", TIME, {"time": at(19)}),
    ("eight at night", TIME, {"time": at(20)}),
    ("one in the afternoon", TIME, {"time": at(13)}),
    ("ten in the morning", TIME, {"time": at(10)}),
    ("10 am", TIME, {"time": at(10)}),
    ("10 a.m.", TIME, {"time": at(10)}),
    ("seven PM", TIME, {"time": at(19)}),
    ("seven p m", TIME, {"time": at(19)}),
    ("7 p.m.", TIME, {"time": at(19)}),
    ("7pm", TIME, {"time": at(19)}),
    ("7p.m.", TIME, {"time": at(19)}),
    ("7:30 p.m.", TIME, {"time": at(19, 30)}),
    ("7:30", TIME, {"time": at(19, 30)}),
    ("7.30", TIME, {"time": at(19, 30)}),
    ("7 30", TIME, {"time": at(19, 30)}),
    ("at 730", TIME, {"time": at(19, 30)}),
    ("730 pm", TIME, {"time": at(19, 30)}),
    ("19:30", TIME, {"time": at(19, 30)}),
    ("seven thirty", TIME, {"time": at(19, 30)}),
    ("seven thirty in the evening", TIME, {"time": at(19, 30)}),
    ("seven fifteen", TIME, {"time": at(19, 15)}),
    ("seven forty five", TIME, {"time": at(19, 45)}),
    ("seven oh five", TIME, {"time": at(19, 5)}),
    ("half past seven", TIME, {"time": at(19, 30)}),
    ("half seven", TIME, {"time": at(19, 30)}),
    ("quarter past six", TIME, {"time": at(18, 15)}),
    ("a quarter to eight", TIME, {"time": at(19, 45)}),
    ("ten to eight", TIME, {"time": at(19, 50)}),
    ("twenty past six", TIME, {"time": at(18, 20)}),
    ("five minutes past one", TIME, {"time": at(13, 5)}),
    ("quarter to one", TIME, {"time": at(12, 45)}),
    ("noon", TIME, {"time": at(12)}),
    ("at twelve noon", TIME, {"time": at(12)}),
    ("midday", TIME, {"time": at(12)}),
    ("twelve thirty", TIME, {"time": at(12, 30)}),
    ("midnight", TIME, {"time": at(0)}),
    ("at 25:00", TIME, {"impossible": TIME}),
    # Which day.
    ("today", DAY, {"day": TODAY}),
    ("tonight", DAY, {"day": TODAY}),
    ("to night", DAY, {"day": TODAY}),
    ("this evening", DAY, {"day": TODAY}),
    ("tomorrow", DAY, {"day": THU}),
    ("Tomorrow night.", DAY, {"day": THU}),
    ("the day after tomorrow", DAY, {"day": FRI}),
    ("Friday", DAY, {"day": FRI}),
    ("Friday?", DAY, {"day": FRI}),
    ("this Friday", DAY, {"day": FRI}),
    ("next Friday", DAY, {"day": FRI}),
    ("on Friday evening", DAY, {"day": FRI}),
    ("Wednesday", DAY, {"day": TODAY}),
    ("next Wednesday", DAY, {"day": date(2026, 6, 10)}),
    ("for Saturday", DAY, {"day": SAT}),
    ("this weekend", DAY, {"day": SAT}),
    ("Sunday lunchtime", DAY, {"day": SUN}),
    ("in three days", DAY, {"day": SAT}),
    ("in a week", DAY, {"day": date(2026, 6, 10)}),
    ("in two weeks", DAY, {"day": date(2026, 6, 17)}),
    ("a week from Friday", DAY, {"day": date(2026, 6, 12)}),
    ("on the fifth of May", DAY, {"day": date(2027, 5, 5)}),
    ("the fifth of July", DAY, {"day": date(2026, 7, 5)}),
    ("July fifth", DAY, {"day": date(2026, 7, 5)}),
    ("July the 5th", DAY, {"day": date(2026, 7, 5)}),
    ("July 5", DAY, {"day": date(2026, 7, 5)}),
    ("5 July", DAY, {"day": date(2026, 7, 5)}),
    ("the twenty first of June", DAY, {"day": date(2026, 6, 21)}),
    ("Friday the twelfth", DAY, {"day": date(2026, 6, 12)}),
    ("Friday the 12th of June 2026", DAY, {"day": date(2026, 6, 12)}),
    ("on the twelfth", None, {"day": date(2026, 6, 12)}),
    ("the twelfth", DAY, {"day": date(2026, 6, 12)}),
    ("the second", DAY, {"day": date(2026, 7, 2)}),
    ("May fifth", DAY, {"day": date(2027, 5, 5)}),
    ("yesterday", DAY, {"impossible": DAY}),
    ("last Friday", DAY, {"impossible": DAY}),
    ("the thirtieth of February", DAY, {"impossible": DAY}),
    ("June 31st", DAY, {"impossible": DAY}),
    ("in nine hundred days", DAY, {"number": 9}),
    # Under what name.
    ("Maria.", NAME, {"name": "Maria"}),
    ("smith", NAME, {"name": "Smith"}),
    ("SMITH", NAME, {"name": "Smith"}),
    ("Anna Smith", NAME, {"name": "Anna Smith"}),
    ("um, Anna Maria Garcia", NAME, {"name": "Anna Maria Garcia"}),
    ("under Anna Smith", NAME, {"name": "Anna Smith"}),
    ("under smith please", None, {"name": "Smith"}),
    ("under the name of Jones", None, {"name": "Jones"}),
    ("in the name of Jones", None, {"name": "Jones"}),
    ("It's Smith.", NAME, {"name": "Smith"}),
    ("its smith", NAME, {"name": "Smith"}),
    ("for Smith", NAME, {"name": "Smith"}),
    ("it's for Smith", NAME, {"name": "Smith"}),
    ("My name is Anna.", None, {"name": "Anna"}),
    ("my name's anna smith and I'd like a table", PEOPLE, {"name": "Anna Smith"}),
    ("the name is o'brien", None, {"name": "O'Brien"}),
    ("This is Anna Smith, I'd like a table.", PEOPLE, {"name": "Anna Smith"}),
    ("I'm Anna", NAME, {"name": "Anna"}),
    ("call me Bob", NAME, {"name": "Bob"}),
    ("Smith is the name", NAME, {"name": "Smith"}),
    ("put it under Taylor", NAME, {"name": "Taylor"}),
    ("Mr. Smith", NAME, {"name": "Smith"}),
    ("Mary-Jane Smith", NAME, {"name": "Mary-Jane Smith"}),
    ("McDonald", NAME, {"name": "McDonald"}),
    ("José", NAME, {"name": "José"}),
    ("Will", NAME, {"name": "Will"}),
    ("May.", NAME, {"name": "May"}),
    ("my name is Will", None, {"name": "Will"}),
    ("my name is June", None, {"name": "June"}),
    ("J O N E S", NAME, {"name": "Jones"}),
    ("J. O. N. E. S.", NAME, {"name": "Jones"}),
    ("J-O-N-E-S", NAME, {"name": "Jones"}),
    ("J.A.M.E.S.", NAME, {"name": "James"}),
    ("j a m e s", NAME, {"name": "James"}),
    ("L I", NAME, {"name": "Li"}),
    ("Jones, that's J O N E S.", NAME, {"name": "Jones"}),
    ("M I double L E R", NAME, {"name": "Miller"}),
    ("it's for my birthday", NAME, {}),
    ("I'm calling about a table", PEOPLE, {}),
    ("I'm looking for a table", PEOPLE, {}),
    ("for dinner", PEOPLE, {}),
    ("for sure", NAME, {}),
    # Several at once.
    ("A table for four on Friday at seven.", PEOPLE, {"people": 4, "day": FRI, "time": at(19)}),
    ("table for six tonight", PEOPLE, {"people": 6, "day": TODAY}),
    ("A table for two for tomorrow", PEOPLE, {"people": 2, "day": THU}),
    ("at seven for two on Friday", PEOPLE, {"people": 2, "day": FRI, "time": at(19)}),
    ("four on Friday at seven", PEOPLE, {"number": 4, "day": FRI, "time": at(19)}),
    ("a table for four at seven thirty", PEOPLE, {"people": 4, "time": at(19, 30)}),
    ("a table for seven thirty", PEOPLE, {"time": at(19, 30)}),
    ("a table for seven p.m.", PEOPLE, {"time": at(19)}),
    ("a table for 7:30", PEOPLE, {"time": at(19, 30)}),
    ("Friday at eight, under Smith", DAY, {"day": FRI, "time": at(20), "name": "Smith"}),
    ("may I have a table for five", PEOPLE, {"people": 5}),
    (
        "Hi, I'd like to book a table for two tomorrow night at half past eight under the name of Anna Garcia please.",
        PEOPLE,
        {"people": 2, "day": THU, "time": at(20, 30), "name": "Anna Garcia"},
    ),
    (
        "Table for four at 7.30 p.m. on June 12th, name's Taylor.",
        PEOPLE,
        {"people": 4, "day": date(2026, 6, 12), "time": at(19, 30), "name": "Taylor"},
    ),
    (
        "book it for saturday the 6th at quarter past six for a party of eight",
        PEOPLE,
        {"people": 8, "day": SAT, "time": at(18, 15)},
    ),
    (
        "four people at seven thirty on Saturday for Jones",
        PEOPLE,
        {"people": 4, "day": SAT, "time": at(19, 30), "name": "Jones"},
    ),
    # Corrections.
    ("No, make that five.", DAY, {"number": 5, "corrects": True}),
    ("make it six", None, {"number": 6, "corrects": True}),
    ("sorry, eight", None, {"number": 8, "corrects": True}),
    ("I meant five people", None, {"people": 5, "corrects": True}),
    ("actually Friday instead", TIME, {"day": FRI, "corrects": True}),
    ("actually at eight", NAME, {"time": at(20), "corrects": True}),
    ("not seven, eight", None, {"number": 8, "rejected_number": 7, "corrects": True}),
    ("eight, not seven", None, {"number": 8, "rejected_number": 7, "corrects": True}),
    ("not seven but eight", None, {"number": 8, "rejected_number": 7, "corrects": True}),
    ("five instead of four", None, {"number": 5, "rejected_number": 4, "corrects": True}),
    ("not at seven, at eight", None, {"time": at(20), "rejected_number": 7, "corrects": True}),
    ("not four people, five", None, {"number": 5, "rejected": PEOPLE, "corrects": True}),
    ("not on Friday, on Saturday", None, {"day": SAT, "rejected": DAY, "corrects": True}),
    ("Saturday, not Friday", None, {"day": SAT, "rejected": DAY, "corrects": True}),
    ("no not seven thirty", None, {"rejected": TIME, "corrects": True}),
    ("Not Smith, Smythe.", None, {"name": "Smythe", "corrects": True}),
    ("Change the name to Smith.", None, {"name": "Smith", "corrects": True}),
    ("can we change it to five people", None, {"people": 5, "corrects": True}),
    ("change the time to eight", None, {"number": 8, "mentioned": {TIME}, "corrects": True}),
    ("change the day to Saturday", None, {"day": SAT, "corrects": True}),
    ("a table for four, no, five", PEOPLE, {"people": 5}),
    ("four. No, five people.", PEOPLE, {"people": 5}),
    ("at seven, sorry, at eight", TIME, {"time": at(20)}),
    ("Friday, no, Saturday", DAY, {"day": SAT}),
    # What is spoken of without a value.
    ("change the time", None, {"mentioned": {TIME}, "corrects": True}),
    ("the name is wrong", None, {"mentioned": {NAME}}),
    ("wrong day", None, {"mentioned": {DAY}}),
    ("the number of people", None, {"mentioned": {PEOPLE}}),
    ("a different date", None, {"mentioned": {DAY}}),
    # Numbers that are none.
    ("one moment please", PEOPLE, {}),
    ("just a second", TIME, {}),
    ("that one", None, {}),
    ("one more time", PEOPLE, {}),
    ("in the evening", DAY, {"mentioned": {TIME}}),
    ("", PEOPLE, {}),
    ("...", PEOPLE, {}),
    ("blah wibble", PEOPLE, {}),
]


@pytest.mark.parametrize(("text", "asked", "expected"), VALUES, ids=[f"{row[0]}|{row[1]}" for row in VALUES])
def test_values(text: str, asked: Slot | None, expected: dict[str, Any]) -> None:
    understood = parse(text, today=TODAY, asked=asked)
    assert Understood(intents=understood.intents, **expected) == understood


INTENTS: list[tuple[str, set[Intent]]] = [
    *(
        (text, {Intent.YES})
        for text in (
            "Yes.",
            "yeah",
            "yep",
            "yup",
            "Sure.",
            "Okay.",
            "OK",
            "correct",
            "That's right.",
            "that's correct",
            "right",
            "sounds good",
            "Perfect!",
            "exactly",
            "absolutely",
            "go ahead",
            "please do",
            "of course",
            "uh-huh",
            "mm-hmm",
            "yes please",
            "no that's fine",
            "no, that's right",
            "no problem",
            "all good",
            "it's fine",
            "you got it",
            "fine",
            "I think so, yes",
            "that works",
        )
    ),
    *(
        (text, {Intent.NO})
        for text in (
            "No.",
            "nope",
            "nah",
            "not quite",
            "that's not right",
            "that is not correct",
            "that's wrong",
            "incorrect",
            "it isn't right",
            "I don't think so",
            "know",
            "not really",
            "nothing",
        )
    ),
    *(
        (text, {Intent.REPEAT})
        for text in (
            "What?",
            "what",
            "Pardon?",
            "pardon me",
            "Sorry?",
            "Sorry, what?",
            "huh",
            "excuse me",
            "come again",
            "say that again",
            "Can you say that again, please?",
            "could you repeat that",
            "what did you say",
            "I didn't catch that",
            "I couldn't hear you",
            "one more time",
            "Are you there?",
        )
    ),
    *(
        (text, {Intent.CANCEL})
        for text in (
            "cancel",
            "Cancel it.",
            "never mind",
            "nevermind",
            "forget it",
            "I changed my mind",
            "I don't want it",
            "don't bother",
        )
    ),
    *(
        (text, {Intent.START_OVER})
        for text in (
            "start over",
            "let's start again",
            "can we start from the beginning",
            "restart",
            "begin again",
        )
    ),
    *(
        (text, {Intent.HELP})
        for text in (
            "help",
            "what can I say",
            "what can you do",
            "who are you",
            "are you a robot",
            "I don't know",
        )
    ),
    *((text, {Intent.HOURS}) for text in ("when do you close", "what time do you open", "are you open on Sunday")),
    *((text, {Intent.WAIT}) for text in ("hold on", "one moment", "just a second", "let me check", "wait")),
    *((text, {Intent.THANKS}) for text in ("thanks", "thank you", "thank you very much")),
    *((text, {Intent.BYE}) for text in ("bye", "Goodbye.", "good bye", "see you")),
    ("no thanks", {Intent.NO, Intent.THANKS}),
    ("nothing else", {Intent.NO, Intent.DONE}),
    ("that's all", {Intent.DONE}),
    ("thank you, goodbye", {Intent.THANKS, Intent.BYE}),
    *((text, {Intent.GREETING}) for text in ("Hello.", "hi", "I'd like to book a table", "a reservation please")),
    ("what's the reference", {Intent.REFERENCE}),
    ("four people", set()),
    ("Maria", set()),
    ("", set()),
]


@pytest.mark.parametrize(("text", "intents"), INTENTS, ids=[text for text, _ in INTENTS])
def test_intents(text: str, intents: set[Intent]) -> None:
    assert parse(text, today=TODAY).intents == intents


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  A  Table,\tfor FOUR!  ", "a table for four"),
        ("It’s seven o’clock", "it's seven oclock"),
        ("7:30 p.m.", "7:30 pm"),
        ("at 7 P.M. please", "at 7 pm please"),
        ("note: 'seven'", "note seven"),
        ("J.A.M.E.S.", "j a m e s"),
        ("___", ""),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise(text) == expected


def test_only_the_start_of_a_long_text_counts() -> None:
    assert parse("x " * 10_000 + " for four people", today=TODAY).people is None


def test_a_leap_day_that_does_not_come_within_a_year() -> None:
    assert parse("February 29th", today=TODAY).impossible is DAY
    assert parse("February 29th", today=date(2028, 1, 1)).day == date(2028, 2, 29)


_WORDS = st.sampled_from(sorted({word for row in VALUES for word in row[0].split()}))


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(max_size=60) | st.lists(_WORDS, max_size=12).map(" ".join),
    asked=st.none() | st.sampled_from(Slot),
    today=st.dates(date(2020, 1, 1), date(2090, 1, 1)),
)
def test_anything_at_all_is_understood_as_something_possible(text: str, asked: Slot | None, today: date) -> None:
    understood = parse(text, today=today, asked=asked)
    assert understood.day is None or understood.day >= today
    assert understood.name is None or understood.name.strip()
