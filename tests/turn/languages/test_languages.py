from __future__ import annotations

import pytest

from duologue.conversation.inputs import Response
from duologue.turn.languages import find_question, language_pack
from duologue.turn.languages.en import PACK
from duologue.turn.words import Words


@pytest.mark.parametrize(
    ("text", "response"),
    [
        ("Uh-huh.", "continuer"),
        ("Mm-hmm", "continuer"),
        ("Mamma,,", "continuer"),
        ("Mm hmm.", "continuer"),
        ("Yeah.", "assent"),
        ("Okay, great.", "assent"),
        ("Okay, yeah, right.", "assent"),
        ("yeah yeah yeah yeah", "assent"),
        ("Yeah, okay, sure, I see, got it, right.", "assent"),
        ("I see. Of course!", "assent"),
        ("That's right.", "assent"),
        ("Um, yes.", "assent"),
        ("Thank you very much.", "assent"),
        ("Um.", "filler"),
        ("Uh, hmm.", "filler"),
        ("Oh.", "filler"),
        ("Ha ha ha!", "laughter"),
        ("Hahaha", "laughter"),
        ("Bye!", "goodbye"),
        ("Thanks, bye bye.", "goodbye"),
        ("You too, have a nice day.", "goodbye"),
        ("Okay, see you tomorrow. Bye!", "goodbye"),
        ("That's wrong.", ""),
        ("I want", ""),
        ("No.", ""),
        ("Wait", ""),
        ("Stop!", ""),
        ("Okay, no.", ""),
        ("Yes, two please", ""),
        ("yeah " * 11, ""),
        ("", ""),
        ("...", ""),
    ],
)
def test_short_responses(text: str, response: Response) -> None:
    assert PACK.response(text) == response


@pytest.mark.parametrize(
    ("clause", "asks"),
    [
        ("Shall I book it?", True),
        ('Did you say "two"?"', True),
        ("Please tell me your name.", True),
        ("Let me know if that suits you.", True),
        ("Say yes or no.", True),
        ("Press 1 for sales.", True),
        ("Your table is booked.", False),
        ("", False),
    ],
)
def test_what_asks_for_an_answer(clause: str, asks: bool) -> None:
    assert PACK.asks(clause) is asks


def test_a_pack_is_found_by_its_language() -> None:
    assert language_pack(None).code == "en"
    assert language_pack("en-US").code == "en"
    assert language_pack("EN_gb").code == "en"
    other = language_pack("pl")
    assert other.response("Ja.") == ""
    assert other.asks("Wirklich?")
    assert other.asks("Πόσα;")
    assert not other.asks("Ja.")
    assert not PACK.asks("Yes;")


def test_a_language_without_a_pack_has_the_default_apology() -> None:
    assert language_pack("pl").apology == PACK.apology
    assert language_pack("de").apology != PACK.apology


@pytest.mark.parametrize(
    ("text", "reason", "probability"),
    [
        ("", "empty", 0.0),
        ('"', "empty", 0.0),
        ("Ich hätte gern", "unmarked", 0.5),
        ("Ich hätte gern …", "ellipsis", 0.1),
        ("Ich hätte gern,", "comma", 0.35),
        ("Haben Sie geöffnet?", "question", 0.85),
        ("Haben Sie geöffnet?»", "question", 0.85),
        ("営業していますか？", "question", 0.85),
        ("Ja.", "sentence", 0.78),
        ("はい。", "sentence", 0.78),
    ],
)
def test_a_language_without_a_pack_is_judged_by_its_last_mark(text: str, reason: str, probability: float) -> None:
    judged = Words("pl").judge(text)
    assert (judged.reason, judged.probability) == (reason, probability)


@pytest.mark.parametrize("tag", ["en.vocabulary", "../en", "en.", "_", ""])
def test_a_tag_that_names_no_language_finds_no_other_module(tag: str) -> None:
    assert language_pack(tag).code in ("", "en")


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("Shall I book it?", 0.0),
        ("It is free. Shall I book it?", 12 / 28),
        ("Shall I book it? It is free.", None),
        ("Booked.", None),
        ("", None),
    ],
)
def test_where_a_question_begins(text: str, start: float | None) -> None:
    found = find_question(text, 1.0, PACK)
    assert (None if found is None else found.start) == start


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("es", {"Sí, claro.": "assent", "Ajá.": "continuer", "Eh, eh.": "filler", "Hasta luego.": "goodbye",
                "Jaja": "laughter", "Muy bien, gracias.": "assent", "No, espere.": "", "Dos.": ""}),
        ("fr", {"Oui, d'accord.": "assent", "Mhm.": "continuer", "Euh…": "filler", "Au revoir !": "goodbye",
                "Haha": "laughter", "Très bien, merci beaucoup.": "assent", "Non, attendez.": ""}),
        ("de", {"Ja, genau.": "assent", "Mhm.": "continuer", "Äh, hm.": "filler", "Auf Wiederhören!": "goodbye",
                "Haha": "laughter", "Alles klar, danke.": "assent", "Nein, warten Sie.": ""}),
        ("ja", {"はい。": "assent", "そうですね。": "assent", "うんうん": "continuer", "ええと。": "filler",
                "さようなら。": "goodbye",
                "ははは": "laughter", "いいえ、違います。": ""}),
        ("zh", {"好的。": "assent", "是的，谢谢。": "assent", "嗯。": "continuer", "呃。": "filler",
                "再见！": "goodbye",
                "哈哈哈": "laughter", "不是，等一下。": ""}),
    ],
)  # fmt: skip
def test_short_responses_of_other_languages(language: str, texts: dict[str, Response]) -> None:
    pack = language_pack(language)
    assert {text: pack.response(text) for text in texts} == texts


@pytest.mark.parametrize(
    ("language", "finished", "unfinished", "question"),
    [
        ("es", "Quiero reservar una mesa.", ("Quiero una mesa para", "Una mesa para.", "Pues, eh"), "¿Puede repetir?"),
        (
            "fr",
            "Je voudrais une table.",
            ("Je voudrais une", "Une table pour.", "Alors, euh…"),
            "C'est à vous ?",
        ),
        ("de", "Ich hätte gern einen Tisch.", ("Ich hätte gern einen", "Einen Tisch für.", "Ja, ähm"), "Ist das für"),
        ("ja", "予約をお願いします", ("四人で", "明日の", "ええと"), "予約できますか？"),
        ("zh", "我想订一张桌子。", ("我想订一张桌子，因为", "我想", "那个"), "现在可以吗？"),
    ],
)
def test_a_turn_that_stops_at_a_leading_word_is_not_over(
    language: str, finished: str, unfinished: tuple[str, ...], question: str
) -> None:
    words = Words().of(language)
    assert words.judge(finished).probability >= 0.75
    for text in unfinished:
        judged = words.judge(text)
        assert (judged.probability < 0.2, judged.timeout_factor > 1) == (True, True), text
    pack = language_pack(language)
    if question.endswith(("?", "？")):
        assert words.judge(question).reason == "question"
        assert pack.asks(question)
    assert not pack.asks(finished)
    assert pack.apology
    assert len(pack.fillers) == 3


def test_english_keeps_its_own_judge() -> None:
    assert (
        Words().of("en-GB").judge("I want a table for").probability == Words().judge("I want a table for").probability
    )
