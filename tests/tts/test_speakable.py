from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.tts.speakable import speakable

ROWS = [
    ("Hello, world!", "Hello, world!"),
    ("**Bold** and *italic* and `code` and ~~gone~~.", "Bold and italic and code and gone."),
    ("# Heading", "Heading"),
    ("- item one", "item one"),
    ("1. Milk", "one, Milk"),
    ("[our site](https://example.com/a,b)", "our site"),
    ("![alt text](http://x.y/z.png)", "alt text"),
    ("<b>hi</b> &amp; bye<br/>", "hi and bye"),
    ("Visit example.com/x now", "Visit example dot com slash x now"),
    ("See https://www.example.co.uk/path?q=1.", "See example dot co dot uk slash path question mark q equals one."),
    ("Mail alice.johnson@example.com, please.", "Mail alice dot johnson at example dot com, please."),
    ("@anna and #launch", "at anna and hashtag launch"),
    ("$5", "five dollars"),
    ("$1,200.50", "one thousand two hundred dollars and fifty cents"),
    ("$0.99", "ninety-nine cents"),
    ("$3.2 million", "three point two million dollars"),
    ("$5k", "five thousand dollars"),
    ("-$20", "minus twenty dollars"),
    ("5€", "five euros"),
    ("20 USD", "twenty US dollars"),
    ("£12.01", "twelve pounds and one penny"),
    ("€1.50", "one euro and fifty cents"),
    ("50%", "fifty percent"),
    ("3.5 %", "three point five percent"),
    ("3.5", "three point five"),
    ("1,234,567", "one million two hundred thirty-four thousand five hundred sixty-seven"),
    ("1000000", "one million"),
    ("4072", "four thousand seventy-two"),
    ("2026", "twenty twenty-six"),
    ("1905", "nineteen oh five"),
    ("in 2005", "in two thousand five"),
    ("the 1990s", "the nineteen nineties"),
    ("their 20s", "their twenties"),
    ("21st", "twenty-first"),
    ("1st", "first"),
    ("the 103rd", "the one hundred third"),
    ("1/2 cup", "one half cup"),
    ("2 1/2 cups", "two and a half cups"),
    ("3/4", "three quarters"),
    ("11/23", "November twenty-third"),
    ("2026-11-23", "November twenty-third, twenty twenty-six"),
    ("11/23/2026", "November twenty-third, twenty twenty-six"),
    ("2026-11-23T19:30", "November twenty-third, twenty twenty-six at nineteen thirty"),
    ("Nov. 23, 2026", "November twenty-third, twenty twenty-six"),
    ("November 23rd", "November twenty-third"),
    ("23 November", "the twenty-third of November"),
    ("7:30", "seven thirty"),
    ("7:00", "seven o'clock"),
    ("7:05 pm", "seven oh five p.m."),
    ("7 p.m.", "seven p.m."),
    ("at 7pm.", "at seven p.m."),
    ("19:30", "nineteen thirty"),
    ("10:30-11:30", "ten thirty to eleven thirty"),
    ("10:30:15", "ten thirty and fifteen seconds"),
    ("555-867-5309", "five five five, eight six seven, five three zero nine"),
    ("(555) 123-4567", "five five five, one two three, four five six seven"),
    ("+1 (555) 123-4567", "plus one, five five five, one two three, four five six seven"),
    ("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight"),
    ("555-1234", "five five five, one two three four"),
    ("1-800-555-0199", "one, eight zero zero, five five five, zero one nine nine"),
    ("12345678", "one two three four five six seven eight"),
    ("007", "zero zero seven"),
    ("4111-1111-1111-1111", "four one one one, one one one one, one one one one, one one one one"),
    ("2-3 days", "two to three days"),
    ("$5-$10", "five dollars to ten dollars"),
    ("5–10%", "five to ten percent"),
    ("-5°C", "minus five degrees Celsius"),
    ("20 °F", "twenty degrees Fahrenheit"),
    ("90°", "ninety degrees"),
    ("5 km", "five kilometers"),
    ("1 kg", "one kilogram"),
    ("60 km/h", "sixty kilometers per hour"),
    ("30 mph", "thirty miles per hour"),
    ("100 m²", "one hundred square meters"),
    ("16:9", "sixteen to nine"),
    ("3 x 4", "three by four"),
    ("3x faster", "three times faster"),
    ("24/7", "twenty-four seven"),
    ("192.168.1.1", "one ninety-two dot one sixty-eight dot one dot one"),
    ("v2.0", "version two point zero"),
    ("version 3.5.1", "version three point five point one"),
    ("Dr. Smith", "Doctor Smith"),
    ("Mr. and Mrs. Jones", "Mister and Missus Jones"),
    ("Elm Dr. is closed", "Elm Drive is closed"),
    ("123 Main St.", "one twenty-three Main Street."),
    ("St. John", "Saint John"),
    ("e.g. this", "for example this"),
    ("apples, etc.", "apples, et cetera."),
    ("A & B", "A and B"),
    ("1+1=2", "one plus one equals two"),
    ("2 * 3", "two times three"),
    ("C++", "C plus plus"),
    ("C#", "C sharp"),
    ("user@home", "user at home"),
    ("a/b", "a b"),
    ("and/or", "and or"),
    ("TCP/IP", "T C P I P"),
    ("w/o sugar", "without sugar"),
    ("No. 5", "number five"),
    ("No. I won't.", "No. I won't."),
    ("#5", "number five"),
    ("~5", "about five"),
    ("x < y", "x less than y"),
    ("x² + y²", "x squared plus y squared"),
    ("café résumé naïve", "cafe resume naive"),
    ("Straße", "Strasse"),
    ("你好", ""),
    ("你好, Anna!", "Anna!"),
    ("Привет", ""),
    ("😀", ""),
    ("Great 👍🏽!", "Great!"),
    ("👨\u200d👩\u200d👧 family", "family"),
    ("...", ""),
    ("---", ""),
    ("?!", ""),
    ("Wait... what?!!", "Wait... what?"),
    ("Hello!!!!!", "Hello!"),
    ("BA287", "B A two eight seven"),
    ("Q3", "Q three"),
    ("COVID-19", "COVID nineteen"),
    ("mp3", "mp three"),
    ("A4", "A four"),
    ("B2B", "B two B"),
    ("mid-1990s", "mid-nineteen nineties"),
    ("snake_case_name", "snake case name"),
    ("main.py", "main dot py"),
    ("end.The next", "end. The next"),
    ("U.S. Army", "U.S. Army"),
    ("U.S.A.", "U.S.A."),
    ("p.m.", "p.m."),
    ('"quoted"', '"quoted"'),
    ("(aside)", "(aside)"),
    ("it's — fine", "it's — fine"),
    ("10 - 3", "ten minus three"),
    ("½ cup", "one half cup"),
    ("1½ cups", "one and a half cups"),
    ("½", "one half"),
    ("->", ""),
    ("| a | b |", "a, b"),
    ("```python", ""),
    ("> quote", "quote"),
    ("It’s “smart”", 'It\'s "smart"'),
    ("rock 'n' roll", "rock 'n' roll"),
    ("0", "zero"),
    ("1.", "one."),
    ("0.5", "zero point five"),
    (".5", "zero point five"),
    ("00:00", "midnight"),
    ("3 million", "three million"),
    ("I have 1 in 3.", "I have one in three."),
    ("on 9/11", "on September eleventh"),
    ("10/10", "ten out of ten"),
    ("5/12/26", "May twelfth, twenty twenty-six"),
    ("Fig. 3", "Figure three"),
    ("1 lb", "one pound"),
    ("2 lbs", "two pounds"),
    ("5'10\"", "five foot ten"),
    ("8 in the morning", "eight in the morning"),
    ("5s", "five seconds"),
    ("100k", "one hundred thousand"),
    ("$2.5B", "two point five billion dollars"),
    ("The 5 p.m. show", "The five p.m. show"),
    ("10 AM", "ten a.m."),
    ("#hashtag", "hashtag hashtag"),
    ("1,2,3", "one, two, three"),
    ("1, 2, 3", "one, two, three"),
    ("(123)", "(one hundred twenty-three)"),
    ("[1]", "one"),
    ("a [note] b", "a note b"),
    ("Call 555 123 4567 now", "Call five five five, one two three, four five six seven now"),
    ("It's 3:05.", "It's three oh five."),
    ("Flight BA287 leaves at 6:45 a.m.", "Flight B A two eight seven leaves at six forty-five a.m."),
    (
        "$1,234,567.89",
        "one million two hundred thirty-four thousand five hundred sixty-seven dollars and eighty-nine cents",
    ),
    ("The $5 bill", "The five dollar bill"),
    ("a 10% tip", "a ten percent tip"),
    ("(c) 2026", "(c) twenty twenty-six"),
    ("Jan. 1st, 2027", "January first, twenty twenty-seven"),
    ("Meet Prof. Li at 221B Baker St. tomorrow", "Meet Professor Li at two twenty-one B Baker Street tomorrow"),
    (
        "https://example.com/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "example dot com",
    ),
    ("<https://example.com>", "example dot com"),
    ("[x](y) [z](w)", "x z"),
    ("5 ft", "five feet"),
    ("1 ft", "one foot"),
    ("0.5 kg", "zero point five kilograms"),
    ("2 sq ft", "two square feet"),
    ("3 ms", "three milliseconds"),
    ("20s", "twenties"),
    ("the '80s", "the eighties"),
    ("on 5 May 2026", "on the fifth of May twenty twenty-six"),
    ("May 5", "May fifth"),
    ("“Hi,” she said…", '"Hi," she said...'),
    ("\ufeffHello", "Hello"),
    ("Hello\x00there", "Hello there"),
    ("naïve façade", "naive facade"),
    ("Zoë Müller", "Zoe Muller"),
    ("1234567", "one two three four five six seven"),
    ("+5", "plus five"),
    ("H2O", "H two O"),
    ("100%", "one hundred percent"),
    ("1st/2nd", "first second"),
    ("the 5th of May", "the fifth of May"),
    ("v1", "version one"),
    ("e=mc^2", "e equals mc to the power of two"),
    ("50 € or £20", "fifty euros or twenty pounds"),
    ("5 GBP", "five pounds"),
    ("10:00", "ten o'clock"),
    ("13:00", "thirteen hundred hours"),
    ("12:00 am", "twelve a.m."),
    ("3/4/2026", "March fourth, twenty twenty-six"),
    ("7/8", "seven eighths"),
    ("31/12/2026", "December thirty-first, twenty twenty-six"),
]


@pytest.mark.parametrize(("text", "said"), ROWS)
def test_text_is_said_as_people_say_it(text: str, said: str) -> None:
    assert speakable(text) == said


@pytest.mark.parametrize(("text", "said"), ROWS)
def test_what_can_be_said_stays_as_it_is(text: str, said: str) -> None:
    assert speakable(said) == said


def test_lines_become_sentences() -> None:
    written = "# Menu\n\n- **Soup**\n- Fish & chips\n\n---\n\n> That is `all`."
    assert speakable(written) == "Menu. Soup. Fish and chips. That is all."
    assert speakable("```python\nprint(1)\n```") == "print(one)"
    assert speakable("| a | b |\n|---|---|\n| 1 | 2 |") == "a, b. one, two"


ANYTHING = st.text(st.characters(exclude_categories=()), max_size=300)
"""Lone surrogates and control characters too."""


@settings(deadline=None)
@given(ANYTHING)
def test_any_text_becomes_words_and_pauses(text: str) -> None:
    said = speakable(text)
    assert all(char.isascii() or char == "—" for char in said)
    assert not any(char.isdigit() for char in said)
    assert said == " ".join(said.split())
    assert not said or any(char.isalpha() for char in said)
    said.encode()


FRAGMENTS = st.sampled_from(
    [
        "1", "1,", ".", "a", "A", " ", "-", "/", ":", "@", "$", "%", "*", "_", "[", "](", "<a", "Dr. ", "e.g.", "http://",
        "&amp;", "\n", "|", "+", "'", '"', "(", "😀", "é", "7:30 ", "1/2 ", "0", "code ", "Call ", "room ", "flight ",
        "AB", "IV ", "Nov. ", "US$", "₹", "km", "a.m. ", "EST", "x", "°", "#", "–", " 000", "SW1A ", "1AA", "US ", "st",
        "\ud800", "\x00", "⁶", "²", "½", "٣", "a.com/", "k", "M ", "No. ", "**** ", "&", "~", "§", "½ kg", "@a.com",
        "v2.", "p.m.",
    ]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(FRAGMENTS, max_size=40).map("".join))
def test_any_mixture_of_numbers_signs_and_words_can_be_read(text: str) -> None:
    said = speakable(text)
    assert not any(char.isdigit() for char in said)
    assert said == " ".join(said.split())


@settings(deadline=None, max_examples=15)
@given(st.lists(FRAGMENTS, min_size=1, max_size=4).map("".join))
def test_a_long_text_takes_no_longer_for_its_length(pattern: str) -> None:
    """A reading that goes back over the text does not end here within the patience of whoever runs the tests."""
    speakable((pattern * 30_000)[:30_000])


@pytest.mark.parametrize(
    "pattern", [",", "1", "-", "1/2/3/", "1,", "code 1 ", "IV ", "(", "a@", "[a](", "*", "A", "$1"]
)
def test_a_very_long_text_ends(pattern: str) -> None:
    said = speakable((pattern * 200_000)[:200_000])
    assert not any(char.isdigit() for char in said)
