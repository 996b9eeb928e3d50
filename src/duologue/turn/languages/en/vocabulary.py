"""The English words and endings that tell a finished turn from an unfinished one. Data only: `endings.py` reads it."""

from __future__ import annotations

__all__ = [
    "ADDRESS_END",
    "ADDRESS_OPEN",
    "ADVERBS",
    "AFFIRMATIONS",
    "AFTERTHOUGHTS",
    "ALPHABET",
    "ANSWERS",
    "APPLIANCES",
    "BEFORE_NOMINATIVE",
    "BEFORE_VERB",
    "CLAUSE_STARTS",
    "CLAUSE_SUBJECTS",
    "CLOSINGS",
    "CONJUNCTIONS",
    "CONTRACTIONS",
    "COPULAS",
    "CORRECTIONS",
    "DATE_WORDS",
    "DEGREES",
    "DETERMINERS",
    "DIGIT_WORDS",
    "ELLIPTICAL",
    "FILLERS",
    "GAP_WORDS",
    "GREETINGS",
    "HOLDS",
    "INDEFINITES",
    "INVERSIONS",
    "KEPT",
    "LEAD_INS",
    "LEANING",
    "NAMING",
    "NOMINATIVES",
    "NUMBER_CONTEXT",
    "OPENINGS",
    "PARTICLE_VERBS",
    "PREPOSITIONS",
    "QUESTION_STARTS",
    "QUESTION_WORDS",
    "RELATIVE_GAPS",
    "REPEATERS",
    "SUBJECTS",
    "SUBORDINATORS",
    "SWITCHES",
    "TIME_CONTEXT",
    "TITLES",
    "TRANSITIVES",
    "TWO_DIGIT_WORDS",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _phrases(text: str) -> frozenset[str]:
    return frozenset(" ".join(phrase.split()) for phrase in text.split(","))


HOLDS = _phrases(
    """hold on, hang on, wait, one moment, just a moment, one second, just a second, wait a second, give me a second,
    one sec, just a sec, give me a sec, wait a sec, one minute, just a minute, give me a minute, wait a minute,
    give me a moment, let me think, let me see, let me check, let me look, let me have a look, let me find it,
    let me get it, let me get that, let me just check, let me just see, bear with me, where was i, how do i say,
    how shall i put it, what was i going to say, what was i saying, what's the word, what's it called,
    what do you call it, how do you say, i forget"""
)
"""The user keeps the floor on purpose."""

FILLERS = _phrases("like, you know, i mean, you see, let's say")
"""Besides the sounds (um, uh, er, hmm), which a pattern knows in all their spellings."""

LEAD_INS = _words("""well so okay yeah yes no oh alright anyway basically actually right and but then""")
"""Sentences made of these alone announce another: the last of them must be `well`, `anyway` or `basically`."""

CORRECTIONS = _phrases(
    """no sorry, sorry no, no wait, no no, or rather, i mean, no i mean, sorry i mean, no actually, actually no, wait
    no, oh no, well no, no hang on"""
)
"""After other words these take something back, and the right thing follows."""

AFTERTHOUGHTS = _phrases("i think, i guess, i believe, i suppose, i reckon, i hope, you know, i'd say, let's say")
"""A clause of their own at the end says nothing about the end: the words before it do."""

GREETINGS = _words("hello hi hey good morning afternoon evening there oh")
"""A turn of these alone is as likely to lead on as to end."""

INDEFINITES = _words(
    """somewhere something someone somebody anywhere anything anyone somehow maybe perhaps also ideally preferably
    otherwise hopefully possibly finally lastly secondly then"""
)
"""After a conjunction these have only begun what is to follow."""

NAMING = _words("called named titled entitled saying asking spelled spelt numbered labelled costing")
"""What is named by these follows, unless their subject stands before them ("I called")."""

CLOSINGS = _phrases(
    """please, thanks, thank you, thanks a lot, thank you so much, thank you very much, cheers, bye, goodbye, bye
    bye, that's all, that's it, that is all, that's everything, that'll be all, that would be all, no problem,
    never mind, nevermind, nothing else, that's about it, have a good day, have a nice day, see you, good night,
    talk to you later"""
)

ANSWERS = _phrases(
    """yes, yeah, yep, yup, no, nope, nah, ok, okay, sure, of course, certainly, absolutely, definitely, exactly,
    correct, right, that's right, that's correct, that's fine, that's okay, that's good, that's great, that's
    wrong, that works, sounds good, sounds great, sounds fine, fine, good, great, perfect, alright, all right,
    maybe, perhaps, probably, possibly, i think so, i guess so, i hope so, i suppose so, i don't think so, not
    really, not yet, not sure, i'm not sure, i don't know, i don't care, either, neither, both, none, any,
    anything, whatever, nothing, go ahead, go on, come on, uh huh, mm hmm, mhm, mm mm, aha, uh uh, got it, i
    see, hello, hi, hey, good morning, good afternoon, good evening, sorry, pardon, pardon me, excuse me,
    really, me too, same here, of course not, you're welcome, cool, nice, stop, cancel, help, repeat, repeat
    that, say that again, come again, i guess, i suppose, not at all, hi there, hello there, not now, not today,
    same, same time, as usual, like that"""
)
"""Whole turns, or the whole last clause of one."""

AFFIRMATIONS = _words("yes yeah yep yup no nope nah oh ok okay sure well but so and")
SUBJECTS = _words("i you he she it we they there that this")
ELLIPTICAL = _words(
    """is are was were am will can could should must might may do does did have has had would isn't aren't wasn't
    weren't won't wouldn't can't cannot couldn't shouldn't don't doesn't didn't haven't hasn't hadn't"""
)
"""With a subject before them these can end a sentence ("Yes, it is."); contractions of a subject never can."""

OPENINGS = _phrases(
    """if you could, if i could, wondering if, my name is, the name is, i'd like, i'd like to, i'd love, i would like,
    i would love, i want, i need, i wanna, i'd rather, i prefer, i'd prefer, i was wondering, i'm wondering, i
    was thinking, i'm looking, i'm trying, i'm calling, i was told, i was hoping, i was going, i'm going, i'm
    gonna, gonna, wanna, i've got, i got, i think, i thought, i believe, i feel like, i just wanted, i wanted,
    we want, we need, we'd like, we're looking, you have, i don't want, i don't need, i don't have, i don't
    like, i don't think, can you, could you, would you, will you, do you, did you, have you, are you, can i,
    could i, may i, should i, shall i, can we, could we, should we, shall we, can you please, could you please,
    would you please, can i please, could i please, can i get, can i have, could i get, could i have, may i
    have, can you tell me, could you tell me, can you give me, do you have, do you know, have you got, is it, is
    there, is there any, is there anything, are there, are there any, was there, what about, how about, what if,
    how do, how does, how do i, how can i, what does, what do, what did, where do i, when do, when does, why do,
    why does, give me, tell me, show me, send me, get me, let me, let me know if, make it, put me, book me,
    remind me, this is, that was, these are, those are, it will be, it would be, it could be, it might be, that
    would be, the problem is, the thing is, the question is, the reason is, looking for, looking to, going to,
    trying to, want to, need to, have to, used to, supposed to, able to, such as, for example, for instance, in
    case, as well as, as soon as, as long as, even though, so that, rather than, instead of, because of, in
    order to, depending on, at least, more than, less than, due to, a couple, a few, kind of, sort of, half
    past, quarter past, quarter to, next to, close to, how much is, which one is, do you have any, do you have
    some, have any, do you think, is there any way, was going, like some, get some, if we could, and after that,
    and then, but then, or maybe, and ideally, and also, so how long, so how much, and what about"""
)
"""Something must follow."""

QUESTION_STARTS = _phrases(
    """how much, how many, how long, how far, how often, how big, what time, what kind, what sort, what day, which
    one, which"""
)
"""Whole questions in some places, and half ones in others."""

CONTRACTIONS = _words(
    """i'm i've i'll i'd it's it'll it'd that's that'll there's there'll here's he's he'll he'd she's she'll she'd
    we're we've we'll we'd you're you've you'll you'd they're they've they'll they'd what's where's who's when's
    how's name's let's number's address's email's who'll what'll"""
)

DETERMINERS = _words("the a an my your our their its every another these whose")

CONJUNCTIONS = _words(
    """and but or so because cause cuz if unless although whereas while since until whether nor plus except than as
    which who"""
)

PREPOSITIONS = _words(
    """to of with for at on in from into onto by about between under without within during against towards toward
    via per despite upon among regarding concerning until around"""
)
PARTICLE_VERBS = _words(
    """come go log sign check checked fill turn turned switch switched carry move keep get stay later early hold it
    them me now so coming going logged signed put tune hang try dig drop join cash"""
)
"""Before `on` and `in` these make a phrase that can end: "log in", "later on", "turn it on"."""
SWITCHES = _words("turn turned turning switch switched switching")
"""Before the object of these, `on` can follow it: "turn the oven on"."""
APPLIANCES = _words("light lights lamp lamps heating heater television tv radio fan oven")
"""Before `on` these make a phrase that can end: "I want the television on"."""

COPULAS = _words(
    """is are was were am be been being will would can could should must might may shall isn't aren't wasn't weren't
    won't wouldn't shouldn't becomes seems means"""
)

LEANING = _words(
    """before after this last next same some any really going not never still actually maybe probably definitely
    been getting other own more most both how when where why than first"""
)
"""These end a sentence about as often as they lead on."""

ADVERBS = _words("""really just also still actually probably only always definitely already kindly quickly""")
"""Between a subject and its verb these change nothing."""

DEGREES = _words("very just quite almost nearly roughly approximately extremely also especially")

TRANSITIVES = _words(
    """book reserve buy get make have need want find send put add set give take bring use schedule arrange tell ask
    update check talk speak"""
)
BEFORE_VERB = _words("to can could will would please me i'll we'll i'd and i you we just also")

SUBORDINATORS = _words("if when while although unless since whenever once after before")
CLAUSE_SUBJECTS = _words(
    """i you he she it we they there that the my your our their his her i'm it's we're you're they're"""
)
INVERSIONS = _words(
    """is are was were am do does did can could will would should shall may might have has had isn't aren't don't
    doesn't didn't can't couldn't won't wouldn't"""
)
QUESTION_WORDS = _words("what who whom which where when why how what's who's where's when's how's")
GAP_WORDS = _words("""what who whom which what's who's whatever whichever whoever all everything that's""")
"""In a sentence that has one of these, the object of its end may have moved to the front: "That's what I want."."""
RELATIVE_GAPS = _words("anything something nothing")
"""The same, where a subject follows, with or without "else": "anything else I can help you with"."""

NOMINATIVES = _words("i we they he she")
CLAUSE_STARTS = _words("and but so or because if when think that whether")
BEFORE_NOMINATIVE = _words("so neither nor than as") | INVERSIONS
TITLES = _words("mr mrs ms dr mister missus doctor professor prof saint")

KEPT = _phrases(
    """think so, hope so, guess so, suppose so, believe so, said so, not so, if so, or so, and so on, option a, plan a,
    as well, very well, if you like, you like, a while, for a while, ever since, long since, if not, or not, why
    not, from now on, i'd love to, as soon as i can, thinking about it, the same as usual, i'll wait, i can
    wait, we'll wait, i'll hold"""
)
"""Endings that look open and are not."""

DIGIT_WORDS = {
    word: value
    for value, words in enumerate(
        ["zero oh o nought", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    )
    for word in words.split()
}
TWO_DIGIT_WORDS = _words(
    """ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty
    sixty seventy eighty ninety"""
)
REPEATERS = _words("double triple")
NUMBER_CONTEXT = _words(
    """number phone telephone mobile cell code pin card account zip postcode postal reference confirmation"""
)
TIME_CONTEXT = _words("at by until till around before after about from past between to")

DATE_WORDS = _words(
    """monday tuesday wednesday thursday friday saturday sunday today tomorrow tonight morning afternoon evening
    january february march april may june july august september october november december"""
)
"""People give dates in pieces: "Friday evening, … at seven"."""

ALPHABET = _words(
    """alpha alfa bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima mike november oscar
    papa quebec romeo sierra tango uniform victor whiskey xray yankee zulu"""
)
"""The radio alphabet, for spelling."""

ADDRESS_OPEN = _words("dot underscore slash hyphen dash gmail yahoo hotmail outlook icloud www")
ADDRESS_END = _phrases("""dot com, dot org, dot net, dot edu, dot io, dot co, dot uk, dot de, dot gov, dot co dot uk""")

# What answers a question of the agent.

ASSENTED = _phrases(
    """yes please, no thanks, no thank you, yes thanks, please do, i do, i am, i would, i have, it is, that is, that's
    everything, i don't, i'm not, it isn't, it's not, i'm here, still here"""
)
"""Whole answers to a question that yes or no answers, besides ANSWERS and CLOSINGS."""
NOT_IN_NAMES = (
    PREPOSITIONS | CONJUNCTIONS | DETERMINERS | COPULAS | SUBJECTS | AFFIRMATIONS | NAMING
    | _words("name first last um uh er hmm not don't can you what please")
)  # fmt: skip
TIME_WORDS = DATE_WORDS | _words(
    """am pm o'clock noon midnight lunchtime now soon week weekend month year night asap first second third fourth fifth
    sixth seventh eighth ninth tenth twelfth"""
)
"""Words that may end a time or a date, besides numbers."""
