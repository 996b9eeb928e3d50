from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.errors import ConfigError
from duologue.tts.clauses import ClauseSplitter

FIRST = [
    ("Sure, I can help you with that. Your number is 4072.", "Sure, I can help you with that."),
    ("Of course I can, one moment please.", "Of course I can,"),
    ("Yes. I have booked it.", "Yes."),
    ("Thank you, Anna. Goodbye.", "Thank you, Anna."),
    ("Here it is: a table for two.", "Here it is:"),
    ("I think so — but let me check.", "I think so —"),
    ("I think so—but let me check.", "I think so—"),
    ("I think so - but let me check.", "I think so -"),
    ("Well then... let me see about it.", "Well then... let me see about it."),
    ("Let me think... it is fine.", "Let me think..."),
    ("Really? I did not know that.", "Really?"),
    ("你好。我很好。", "你好。"),
    ("您星期五晚上七点的桌子，已经预订好了。", "您星期五晚上七点的桌子，"),
    ("金曜日の午後七時に、四名様でお席をご用意します。", "金曜日の午後七時に、"),
    ("はい、ご予約ですね。ありがとうございます。", "はい、ご予約ですね。"),
    ("我们在8：30开门。很好。", "我们在8：30开门。"),
    ("كيف حالك؟ أنا بخير.", "كيف حالك؟"),
    ("نعم بالتأكيد يمكنني، لحظة من فضلك.", "نعم بالتأكيد يمكنني،"),
    ("नमस्ते। आप कैसे हैं?", "नमस्ते।"),
    ("آپ ٹھیک ہیں۔ شکریہ", "آپ ٹھیک ہیں۔"),
    ("Am 3. Oktober haben wir zu. Gut.", "Am 3. Oktober haben wir zu."),
    ("Es geht 3. Juni oder 4. Juli. Gut.", "Es geht 3. Juni oder 4. Juli."),
    ("There are 12. Julia called.", "There are 12."),
    ("There are 12. Juli called.", "There are 12. Juli called."),
    ("There are 12. Jan called.", "There are 12."),
    ("There are 12. Novel ones. Fine.", "There are 12."),
    ("There are 12. April is here. Fine.", "There are 12."),
    ("I see 12. December is near. Fine.", "I see 12."),
    ("There are 12. Mainly old ones.", "There are 12."),
    ("Das gilt ab 1. April für alle. Gut.", "Das gilt ab 1. April für alle."),
    ("Es geht 12. April um neun. Gut.", "Es geht 12. April um neun."),
    ("Es geht 12. Sept. 2026 um neun. Gut.", "Es geht 12. Sept. 2026 um neun."),
    ("Es geht 12. Jan 2026 um neun. Gut.", "Es geht 12. Jan 2026 um neun."),
    ("Es geht 12. Dezember, 9 Uhr. Gut.", "Es geht 12. Dezember,"),
    ("Es geht 12. September. Gut.", "Es geht 12. September."),
    ("Es geht 12. Februar. Gut.", "Es geht 12. Februar."),
    ("In der 2. Etage sind wir. Gut.", "In der 2. Etage sind wir."),
    ("Am 2. und 3. Tag ist frei. Gut.", "Am 2. und 3. Tag ist frei."),
    ("Ihre Nummer ist 3. Danke.", "Ihre Nummer ist 3."),
    ("I am 33. And you?", "I am 33."),
    ("Die Hauptstr. 12 ist es. Gut.", "Die Hauptstr. 12 ist es."),
    ("La Sra. López vive en la Av. Libertad núm. 5. ¿Va?", "La Sra. López vive en la Av. Libertad núm. 5."),
    ("Mme. Dupont vous attend. Bien.", "Mme. Dupont vous attend."),
    ("First line\nsecond line", "First line"),
    ("It costs $1,200 and no more. Fine.", "It costs $1,200 and no more."),
    ("The rate is 3.5 percent. Fine.", "The rate is 3.5 percent."),
    ("We open at 10:30 every day. Fine.", "We open at 10:30 every day."),
    ("We met on March 3, 2026. Fine.", "We met on March 3, 2026."),
    ("I saw Dr. Smith yesterday. Fine.", "I saw Dr. Smith yesterday."),
    ("Some fruit, e.g. apples and pears. Fine.", "Some fruit, e.g. apples and pears."),
    ("She is in the U.S. Army now. Fine.", "She is in the U.S. Army now."),
    ("Come at 7 p.m. or later. Fine.", "Come at 7 p.m. or later."),
    ("J. K. Rowling wrote it. Fine.", "J. K. Rowling wrote it."),
    ("See https://example.com/a,b.html?x=1 now. Fine.", "See https://example.com/a,b.html?x=1 now."),
    ("Mail a.b@example.com today. Fine.", "Mail a.b@example.com today."),
    ("No. 5 is alive and well. Fine.", "No. 5 is alive and well."),
    ("No. That is wrong.", "No."),
    ("1. Open the door\n2. Close it", "1. Open the door"),
    ('"Who is it?" she asked. Fine.', '"Who is it?"'),
    ("It lives at Acme Inc. in town. Fine.", "It lives at Acme Inc. in town."),
    ("About approx. five people came. Fine.", "About approx. five people came."),
    ("Yes!!! I did it.", "Yes!!!"),
    ("(Hello there.) And then.", "(Hello there.)"),
    ("See [our page, here](http://a.b) now. Fine.", "See [our page, here](http://a.b) now."),
    ("Here is your code: 483920. Fine.", "Here is your code: 483920."),
    ("Here is your code: A4F-92K. Fine.", "Here is your code: A4F-92K."),
    ("The total comes to: $45.10. Fine.", "The total comes to: $45.10."),
    ("Your order number, 4821, is ready. Fine.", "Your order number, 4821,"),
    ("It costs U.S. $20 in all. Fine.", "It costs U.S. $20 in all."),
    ("It starts at 7 a.m. EST or so. Fine.", "It starts at 7 a.m. EST or so."),
    ("It starts at 7 a.m. Eastern time. Fine.", "It starts at 7 a.m. Eastern time."),
    ("We close at 5 p.m. Please call again.", "We close at 5 p.m."),
    ("We are open 9 a.m. - 5 p.m. every day. Fine.", "We are open 9 a.m. - 5 p.m. every day."),
    ("We are open 9 - 5 every day. Fine.", "We are open 9 - 5 every day."),
    ("We are closed Nov 28 - Dec 2 this year. Fine.", "We are closed Nov 28 - Dec 2 this year."),
    ("We are open Mon - Fri all day. Fine.", "We are open Mon - Fri all day."),
    ("It was seen - I think - by all.", "It was seen -"),
    ("He lives in Austin, TX 78701 now. Fine.", "He lives in Austin, TX 78701 now."),
    ("He lives in Austin, Texas, now. Fine.", "He lives in Austin,"),
    ("See you on Tue, Nov 3 at noon. Fine.", "See you on Tue, Nov 3 at noon."),
    ("Please pay Rs. 500 today. Fine.", "Please pay Rs. 500 today."),
    ("Take my ref. 4821 with you. Fine.", "Take my ref. 4821 with you."),
    ("It was Roe v. Wade that counted. Fine.", "It was Roe v. Wade that counted."),
    ("We came at 7 EST. Then we ate.", "We came at 7 EST."),
    (
        "Please ring us on the London number that is 020 7946 0958 any time of the day",
        "Please ring us on the London number",
    ),
    (
        "The number of the card that you gave me was 4111 1111 1111 1111 was it not",
        "The number of the card",
    ),
    (
        "Dial +44 20 7946 0958 or 020 7946 0958 or 020 7946 0959 or 020 7946 0960",
        "Dial +44 20 7946 0958 or 020 7946 0958 or 020 7946 0959 or 020 7946 0960",
    ),
    (
        "Https://example.com/a-very-long-path-that-goes-on-and-on-until-it-ends/now and more of it",
        "Https://example.com/a-very-long-path-that-goes-on-and-on-until-it-ends/now and more of it",
    ),
    (
        "I would like to tell you about the many options that we have for you today",
        "I would like to tell you about the many options",
    ),
]


def split(text: str, size: int = 10_000, **options: int) -> list[str]:
    splitter = ClauseSplitter(**options)
    clauses = [clause for at in range(0, len(text), size) for clause in splitter.push(text[at : at + size])]
    return clauses + splitter.flush()


@pytest.mark.parametrize(("text", "first"), FIRST)
def test_the_first_clause_ends_at_the_first_place_where_a_speaker_would_pause(text: str, first: str) -> None:
    assert split(text)[0] == first
    assert split(text, size=1)[0] == first


def test_later_clauses_are_sentences() -> None:
    text = "Of course I can, sir. I have a table, by the window, at 7:30. Is that all right? It seats two; or three."
    assert split(text) == [
        "Of course I can,",
        "sir.",
        "I have a table, by the window, at 7:30.",
        "Is that all right?",
        "It seats two; or three.",
    ]


def test_a_long_sentence_is_cut_at_its_last_pause() -> None:
    text = "Fine. " + "We have a number of things to say, and more, " * 10
    clauses = split(text)
    assert all(len(clause) <= 200 for clause in clauses)
    assert all(clause.endswith(",") for clause in clauses[1:])


def test_a_sentence_without_pauses_is_cut_between_words() -> None:
    clauses = split("Fine. " + "word " * 300)
    assert all(100 < len(clause) <= 200 for clause in clauses[1:-1])
    assert set(" ".join(clauses[1:]).split()) == {"word"}


def test_a_clause_is_given_as_soon_as_it_is_certain() -> None:
    splitter = ClauseSplitter()
    assert splitter.push("I can do that,") == []  # "1,000"?
    assert splitter.push(" and") == ["I can do that,"]
    assert splitter.push(" more. ") == []  # "e.g. this"?
    assert splitter.push("T") == ["and more."]
    assert splitter.flush() == ["T"]


def test_a_newline_is_certain_at_once() -> None:
    assert ClauseSplitter().push("Hello\n") == ["Hello"]


def test_when_the_writer_pauses_a_finished_sentence_is_given() -> None:
    splitter = ClauseSplitter()
    assert splitter.push("One moment please.") == []
    assert splitter.settle() == ["One moment please."]
    assert splitter.settle() == []
    assert splitter.push("I have") == []
    assert splitter.settle() == []
    assert splitter.push(' it. "Yes."') == ["I have it."]
    assert splitter.settle() == ['"Yes."']
    assert splitter.push(" I saw Dr.") == []
    assert splitter.settle() == []
    assert splitter.push(" Smith at 7 p.m.") == []
    assert splitter.settle() == []
    assert splitter.flush() == ["I saw Dr. Smith at 7 p.m."]


def test_after_a_flush_the_next_text_begins_with_a_short_clause() -> None:
    splitter = ClauseSplitter()
    for _ in range(2):
        assert splitter.push("I can do that, and more, and") == ["I can do that,"]
        assert splitter.flush() == ["and more, and"]


@pytest.mark.parametrize("text", ["", " ", "\n\n \t"])
def test_nothing_is_no_clause(text: str) -> None:
    assert split(text) == []


@pytest.mark.parametrize("options", [{"first_words": 0}, {"first_chars": 5}, {"first_chars": 300}])
def test_settings_that_do_not_fit_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        ClauseSplitter(**options)


@pytest.mark.parametrize(
    ("pattern", "size"),
    [
        (",", 1_000_000),
        ("1, ", 1_000_000),
        ("1-", 1_000_000),
        ("a.", 99_999),
        ("word ", 99_999),
        ("St. ", 99_999),
        ("— ", 99_999),
        ("\n", 99_999),
        ("\ud800", 99_999),
        ("A, ", 99_999),
    ],
)
def test_a_very_long_text_is_cut_in_one_pass(pattern: str, size: int) -> None:
    text = (pattern * size)[:size]
    clauses = split(text)
    assert "".join("".join(clauses).split()) == "".join(text.split())


@pytest.mark.parametrize("pattern", [",", "a.", "St. ", "— ", "X: "])
def test_a_long_text_is_cut_letter_by_letter(pattern: str) -> None:
    text = (pattern * 50_000)[:50_000]
    assert split(text, size=1) == split(text)


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "Dr.",
                " ",
                ". ",
                ", ",
                "...",
                "3.5",
                "U.S.",
                "e.g.",
                "\n",
                " - ",
                "—",
                '."',
                "?!",
                "word",
                " Then",
                " 020 7946",
                ": A4F",
                ", TX",
                " p.m. ",
                " a.m. EST",
                "code: ",
                " 9 - 5",
                " Nov - Dec",
                "$20",
                "。",
                "[",
            ]
        ),
        st.text(max_size=6),
    ),
    max_size=80,
)


@settings(deadline=None)
@given(PIECES)
def test_nothing_is_lost_nothing_is_added_and_the_pieces_do_not_matter(pieces: list[str]) -> None:
    text = "".join(pieces)
    splitter = ClauseSplitter(first_chars=20, max_chars=40)
    clauses = [clause for piece in pieces for clause in splitter.push(piece)] + splitter.flush()
    assert "".join("".join(clauses).split()) == "".join(text.split())
    assert all(clause and clause == clause.strip() and len(clause) <= 52 for clause in clauses)
    assert clauses == split(text, first_chars=20, max_chars=40)
    assert clauses == split(text, size=1, first_chars=20, max_chars=40)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(["a", " ", "!", '"', "\n", "-", "ß", "[", "1"]), min_size=1, max_size=5))
def test_what_is_held_is_bounded(pattern: list[str]) -> None:
    splitter = ClauseSplitter()
    given = 0
    for at in range(600):
        given += sum(len("".join(clause.split())) for clause in splitter.push(pattern[at % len(pattern)]))
    text = "".join((pattern * 600)[:600])
    assert len("".join(text.split())) - given <= 220
