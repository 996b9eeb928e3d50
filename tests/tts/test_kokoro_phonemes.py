"""Phonemes by rule for Spanish and Mandarin, and figures in words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.tts.kokoro.figures import (
    mandarin_number,
    spanish_number,
    with_mandarin_figures,
    with_spanish_figures,
)
from duologue.tts.kokoro.mandarin import MandarinPhonemes, syllable_phonemes
from duologue.tts.kokoro.spanish import spanish_phonemes


# As espeak-ng 1.51 reads them (es), without its secondary stress.
@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("Hola, ¿qué tal?", "ˈola, kˈe tˈal?"),
        ("muchas gracias por llamar", "mˈuʧas ɣɾˈaθjas poɾ ʎamˈaɾ"),
        ("el agua, la guerra, el queso", "el ˈaɣwa, la ɣˈera, el kˈeso"),
        ("cuidado, ciudad, rey, bailar", "kwiðˈaðo, θjuðˈað, rˈA, bIlˈaɾ"),
        ("huevo, hielo, pingüino", "wˈeβo, jˈelo, piŋɡwˈino"),
        ("honrado, alrededor, Israel", "onrˈaðo, alreðeðˈoɾ, israˈel"),
        ("México, taxi, xilófono, psicología", "mˈexiko, tˈaksi, silˈofono, sikoloxˈia"),
        ("acción, enviar, ángel, tengo", "akθjˈon, embjˈaɾ, ˈaŋxel, tˈeŋɡo"),
        ("el año, mañana", "el ˈaɲo, maɲˈana"),
        ("mayo, hoy, Uruguay", "mˈaʝo, ˈoɪ, uɾuɣwˈI"),
        ("DVD", "de ˈuβe ðe"),
        ("día, país, continúa", "dˈia, paˈis, kontinˈua"),
        ("50 %", "θiŋkwˈenta poɾ θjˈento"),
    ],
)
def test_spanish_is_read_by_rule(text: str, phonemes: str) -> None:
    assert spanish_phonemes(text) == phonemes


@settings(max_examples=40, deadline=None)
@given(st.text(st.sampled_from("aeiouáíúüñybcdghjlnqrxz 0123456789.,:-¿") | st.characters(), max_size=30))
def test_any_text_can_be_read_in_spanish(text: str) -> None:
    assert spanish_phonemes(text) == spanish_phonemes(text).strip()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A las 8:30", "A las ocho treinta"),
        ("a las 20:00", "a las veinte en punto"),
        ("1.250 euros", "mil doscientos cincuenta euros"),
        ("3,5", "tres coma cinco"),
        ("3.75", "tres coma siete cinco"),
        ("007", "cero cero siete"),
        ("21 mesas", "veintiuno mesas"),
    ],
)
def test_spanish_figures_are_said_in_words(text: str, words: str) -> None:
    assert with_spanish_figures(text) == words


@pytest.mark.parametrize(
    ("number", "spanish", "mandarin"),
    [
        (0, "cero", "零"),
        (10, "diez", "十"),
        (16, "dieciséis", "十六"),
        (31, "treinta y uno", "三十一"),
        (100, "cien", "一百"),
        (105, "ciento cinco", "一百零五"),
        (115, "ciento quince", "一百一十五"),
        (1_015, "mil quince", "一千零一十五"),
        (21_000, "veintiún mil", "二万一千"),
        (1_000_001, "un millón uno", "一百万零一"),
        (120_000_000, "ciento veinte millones", "一亿二千万"),
    ],
)
def test_numbers_in_words(number: int, spanish: str, mandarin: str) -> None:
    assert (spanish_number(number), mandarin_number(number)) == (spanish, mandarin)


@pytest.mark.parametrize(
    ("text", "characters"),
    [("今天晚上8:30", "今天晚上八点三十分"), ("2026年", "二零二六年"), ("50%", "百分之五十"), ("3.14", "三点一四")],
)
def test_mandarin_figures_are_said_in_characters(text: str, characters: str) -> None:
    assert with_mandarin_figures(text) == characters


@pytest.mark.parametrize(
    ("pinyin", "phonemes"),
    [
        ("hao3", "xau↓"), ("zhong1", "ꭧʊ→ŋ"), ("shi4", "ʂɨ↘"), ("ju2", "ʨy↗"), ("lv4", "ly↘"), ("yu4", "y↘"),
        ("yuan2", "ɥɛ↗n"), ("wo3", "wo↓"), ("wen4", "wə↘n"), ("you3", "jou↓"), ("yi1", "i→"), ("ying1", "i→ŋ"),
        ("liu4", "ljou↘"), ("gui4", "kwei↘"), ("er2", "ɚ↗"), ("de5", "tɤ"), ("wu3", "u↓"), ("xue2", "ɕɥe↗"), ("?", ""),
    ],
)  # fmt: skip
def test_syllables_of_pinyin(pinyin: str, phonemes: str) -> None:
    assert syllable_phonemes(pinyin) == phonemes


def test_mandarin_is_read_in_words_with_its_marks() -> None:
    read = MandarinPhonemes(str.upper)
    assert read("您好，今天4个人。") == "ni↗n xau↓, ʨi→n tʰjɛ→n sɨ↘ kɤ↘ɻə↗n."
    assert read("我用Wi-Fi。") == "wo↓ jʊ↘ŋ WI-FI ."
