import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.turn import WordsPolicy
from duologue.turn.languages.en import vocabulary
from duologue.turn.languages.en.endings import RULES
from duologue.turn.languages.en.tail import LONGEST_PHRASE
from duologue.turn.words import Words

WORDS = Words()

# Finished: the turn is decided after the action delay, or at worst the sound is asked as well.
FINISHED = """
Turn the bathroom light on.
Switch the oven on.
I want the television on.
Keep the lights on.
Is there anything else I can help you with?
Is there anything else I can help you with.
That is something you can count on.
Should I check?
Shall we book?
Where are you from?
Which train is it on?
At two thirty P M.
At 7 p m
I'd like to book a table for two.
I'd like to book a table for two on Friday
Can I get a table for four at seven?
Could you tell me what time you open?
What time do you close on Sundays?
What's the price?
How much is it?
How much does it cost
Where are you?
Where are you from?
Who is it for?
What are you looking at?
What do you have?
What else do you have?
How are you?
What's it like?
What does it look like?
What is that?
Is that right?
Do you deliver?
Are you open on Monday?
Which one is cheaper?
Yes.
Yes
Yeah.
No.
Nope
No thanks
No, thank you.
Yes please
Yes, please.
Okay.
Sure, that works.
That's right.
That sounds good.
Yes, it is.
Yes I do.
No, I can't.
No I don't.
Yeah, they are.
I think so.
I don't think so.
I hope so
I don't know.
Not really.
Maybe.
Uh-huh.
Mm-hmm.
Of course.
Never mind.
Five
Five.
Friday
Friday.
Tomorrow.
At seven
At seven.
At seven thirty.
At 7:30.
At half past eight.
For four
For four.
For two people please.
Under Smith
Under Smith.
Anna Smith
Anna Smith.
Twenty-five.
Twenty five
March the fifth.
The fifth of March.
In 1987.
Room 12.
It's fifty dollars.
I have two thousand twenty six.
Around noon.
Three p.m.
8 p.m
The blue one.
A large pizza with extra cheese.
Option A.
Thanks
Thank you very much.
That's all.
That's it, thanks.
Bye.
Thank you, bye bye
Hello?
Hi there.
I want to cancel my reservation.
I need to change my appointment.
That's what I'm looking for.
That's all I need.
That's what I want.
I can't log in.
I want to check in
Please turn it on.
Call me later on.
I like that.
I'll take that.
I'd like fries as well.
He is taller than me.
Can I talk to someone?
My name is Anna.
It's anna@example.com.
anna at gmail dot com
It's an emergency!
I was wondering if you could help me.
If it rains, we stay at home.
If possible.
When do you open?
When are you free?
After seven.
Because it was broken.
No, I said Tuesday.
Stop.
Go ahead.
Can you repeat that?
Who do I speak to?
My number is 555 123 4567.
07912 345 678.
Zero seven nine one two three four five six seven eight
I have a question.
Tell me about your opening hours.
I lost my card
We will be six people
The order arrived yesterday and it was damaged.
Neither do I.
So am I.
Can you hear me?
I didn't get the email.
It doesn't work.
I'm fine.
I'm not sure.
Two adults and one child.
No problem.
See you tomorrow.
¿Dónde está la estación?
我想订一张桌子。
"""

# Going on: to answer now would cut the user off.
GOING_ON = """
I want a table on.
I'd like to book a table on.
You turn left on.
I'd like something with.
Do you have anything for?
I need something to.
Can I have?
Should I?
I'd like to book a table for
I'd like to book a table for.
I'd like to book a
I'd like to book
I'd like to.
I'd like.
I would like to
I want
I want to
I want to book.
I need
I need to change my
I need to change my, um
I need to change my umm.
My name is
My name is.
My name's
The address is
The number is.
My phone number is
It's
It's.
That's
I'm.
I'll
There's
What's
Can you
Can you?
Could you please
Can I get
Could I have the
Do you have
Do you have any
Is there
Are there any
How about
What about?
And what about
Um
Um,
Uh.
Er...
Hmm
Well,
Well.
So,
Yeah, well,
Like,
I mean,
You know,
I think
I think.
I guess it depends on
Because
Because.
And
And.
But
But I
Or
So
If
If you
I was wondering if
I was wondering if you could
I'd like a table for two and
I'd like a table for two, but
I'd like a pizza with
Chicken or
On the
On the fifth of
At
At half past
From Monday to
Between five and
With my
I have to
I'm going to
I'm trying to
I'm looking for
I'm calling about
I'm calling because
Let me think.
Let me see
Let me check
Hold on
Hold on.
Wait
One second.
Just a moment, please let me check
Give me a second.
I want to go to the...
I want to go to —
I want the, I want the
I want to, I want to
I I
I just
I would
This is
It was
The problem is
The reason I'm calling is
We
She
It's very
Please tell me
Give me
Send it to
Speak to Dr.
Mr.
Instead of
As soon as
For example
A couple
Some of the
Some kind of
double
anna dot smith at
anna at gmail
anna dot
I'd like to pay with my card, and also,
First, I need a table for two,
Yes, and
Yes, I'd like to
No, I want the
Okay, so
Thank you, and
I don't want
There are
Where is
When does
How do I
to
the
"""

# Dictated in pieces: more silence is allowed than usual.
DICTATED = """
It's spelled S A M.
J O H N
J. O. H. N.
J-O-H-N
S. M. I. T. H..
It's S as in Sierra, M as in Mike.
B as in bravo
b is in bravo.
D for David
november oscar
S W 1 A
My name is Smith, S M I
five five five
Five, five, five.
five five
0 7 9
079.
O79123.
07912
zero seven nine, one two three
double five six
My number is 555.
My phone number is five five
The code is 42
My number is 555 123
oh seven nine double one
4111 1111 1111
one two three four five
"""


def lines(text: str) -> list[str]:
    return text.strip().split("\n")


@pytest.mark.parametrize("text", lines(FINISHED))
def test_a_finished_turn_may_be_over(text: str) -> None:
    judgement = WORDS.judge(text)
    assert judgement.probability >= 0.5, judgement


@pytest.mark.parametrize("text", lines(GOING_ON))
def test_a_turn_that_goes_on_is_likely_not_over(text: str) -> None:
    judgement = WORDS.judge(text)
    assert judgement.probability <= 0.35, judgement


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I called last week and spoke to someone called", "naming"),
        ("Send a message to Anna saying.", "naming"),
        ("We need a high chair and somewhere.", "begun"),
        ("A table for two, or perhaps", "begun"),
        ("I'd like Monday, no, sorry.", "correction"),
        ("It finishes at, I think.", "afterthought"),
        ("Well, if Sunday isn't free, then.", "subordinate"),
        ("If I come by train, will it?", "half_question"),
        ("The code is 603-", "digits"),
        ("Flight b", "spelling"),
        ("What was I going to say?", "hold"),
    ],
)
def test_what_has_only_begun_is_not_over(text: str, reason: str) -> None:
    judgement = WORDS.judge(text)
    assert judgement.reason == reason
    assert judgement.probability <= 0.4


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ("I need a table.", "Hello there. I need a table."),
        ("I need a table.", "I need a table for the four of us on Friday evening at seven."),
        ("Can I pay by card?", "It's about the bill. Can I pay by card?"),
        ("Two adults.", "A table for tonight. Two adults."),
        ("It finishes at, I think.", "It finishes late, I think."),
        ("I was told she called Anna, called", "I called"),
        ("Okay, I called them. Great.", "Great."),
    ],
)
def test_who_has_said_much_has_more_likely_said_all(less: str, more: str) -> None:
    assert WORDS.judge(less).probability < WORDS.judge(more).probability


@pytest.mark.parametrize("text", lines(DICTATED))
def test_dictation_may_go_on(text: str) -> None:
    judgement = WORDS.judge(text)
    assert judgement.probability <= 0.3, judgement


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("...", "empty"),
        ('"', "empty"),
        ("anna dot", "address_open"),
        ("anna at example dot com", "address"),
        ("J. O. H. N.", "spelling"),
        ("zero seven nine", "digits"),
        ("07912345678", "digits_complete"),
        ("I want to go to...", "ellipsis"),
        ("I want to go to the —", "dash"),
        ("Yes.", "short_answer"),
        ("Let me think.", "hold"),
        ("Um,", "filler"),
        ("How much?", "half_question"),
        ("Fries as well.", "kept"),
        ("Can you?", "opening"),
        ("A table for two, please.", "closing"),
        ("I suppose it's.", "contraction"),
        ("Put it on the.", "determiner"),
        ("Tea and.", "conjunction"),
        ("Tea with.", "preposition"),
        ("Who is it for?", "stranded"),
        ("The address is.", "copula"),
        ("Tomorrow I", "pronoun"),
        ("I hope to book", "verb"),
        ("It costs very", "degree"),
        ("Speak to Mister", "title"),
        ("I can.", "elliptical"),
        ("blue car blue car", "restart"),
        ("A table for two,", "comma"),
        ("If I come at seven.", "subordinate"),
        ("I came before.", "leaning"),
        ("Do you deliver?", "question"),
        ("do you deliver pizza", "question"),
        ("I lost my card.", "sentence"),
        ("Anna Smith.", "phrase"),
        ("I lost my blue card", "unmarked"),
    ],
)
def test_the_reason_names_the_ending(text: str, reason: str) -> None:
    assert WORDS.judge(text).reason == reason


@pytest.mark.parametrize(
    ("text", "timeout_factor"),
    [
        ("Yes.", 0.6),
        ("Two people,", 0.6),
        ("Turn it on.", 0.6),
        ("I would like to book a table.", 1.0),
        ("All right. Two people.", 1.0),
        ("I'd like to", 1.2),
        ("Hold on.", 2.0),
        ("Anna dot", 1.0),
        ("My code is 4 8 1", 0.55),
    ],
)
def test_short_turns_that_nothing_need_follow_are_waited_for_less(text: str, timeout_factor: float) -> None:
    assert WORDS.judge(text).timeout_factor == timeout_factor


def test_the_table_is_within_bounds_and_always_has_an_answer() -> None:
    assert all(0 <= rule.probability <= 1 and 0.5 <= rule.timeout_factor <= 3 for rule in RULES)
    assert WORDS.judge("qwxyz qwxyz zzyx wvut").reason == RULES[-1].reason


def test_a_phrase_in_the_vocabulary_is_one_that_a_transcript_can_have() -> None:
    tables = {name: table for name, table in vars(vocabulary).items() if isinstance(table, frozenset)}
    assert len(tables) > 20
    for name, table in tables.items():
        for phrase in table:
            assert phrase == phrase.lower().strip(), (name, phrase)
            assert 1 <= len(phrase.split()) <= LONGEST_PHRASE, (name, phrase)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("I’d like a table for", "I'd like a table for"),
        ("I LOST MY CARD.", "i lost my card."),
        ('"I lost my card."', "I lost my card."),
        ("I lost my card.   ", "I lost my card."),
        ("Is it open?!", "Is it open?"),
        ("I really need", "I need"),
        ("At two thirty P M.", "At two thirty p.m."),
        ("At 2:30 a m", "At 2:30 am"),
        ("We met. On Friday I lost my", "On Friday I lost my"),
    ],
)
def test_what_does_not_matter_does_not_matter(left: str, right: str) -> None:
    assert WORDS.judge(left) == WORDS.judge(right)


def test_only_the_end_of_a_long_transcript_is_read() -> None:
    end = "I would like a table for two on Friday evening, if you have one, somewhere near the window, and a chair for "
    end += (
        "our little one, who is two years old, and of course a place for the pushchair as well and then a menu for the"
    )
    assert len(end) > 200
    assert WORDS.judge("Tea and cake. " * 10_000 + end) == WORDS.judge(end)


@pytest.mark.parametrize(
    "piece", ["a", " ", "a b ", "five ", "a.", "-", "(", "o", "o1", ",", "é", "\N{GRINNING FACE}", "\u0301"]
)
def test_a_hundred_thousand_characters_of_anything_are_judged(piece: str) -> None:
    assert 0 <= WORDS.judge(piece * (100_000 // len(piece))).probability <= 1


VOCABULARY = [" ".join(phrase.split()) for rows in (FINISHED, GOING_ON, DICTATED) for phrase in lines(rows)]


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(), st.lists(st.sampled_from(VOCABULARY)).map(" ".join), st.text("ai dot.,?!-'…1207 ", max_size=60)
    )
)
def test_any_text_has_a_judgement_and_always_the_same(text: str) -> None:
    judgement = WORDS.judge(text)
    assert 0 <= judgement.probability <= 1
    assert 0.5 <= judgement.timeout_factor <= 3
    assert judgement.reason in {rule.reason for rule in RULES}
    assert WORDS.judge(text) == judgement


def test_it_is_a_words_policy() -> None:
    policy: WordsPolicy = Words()
    assert policy.name == "words"
