"""Japanese."""

from __future__ import annotations

import re

from duologue.turn.languages import LanguagePack
from duologue.turn.languages.last_word import judge_by_ending

__all__ = ["PACK"]

# fmt: off
FILLERS = ("ええと", "えっと", "えーと", "あの", "あのー", "あのう", "えー", "その", "そのー", "まあ", "んー", "うーん")
LEADING = (
    "は", "が", "を", "に", "で", "と", "の", "へ", "も", "や", "から", "まで", "より", "けど", "けれど", "ので",
    "のに", "て", "たら", "なら", "ば", "し", "そして", "それで", "でも", "また",
)
CLOSING = (
    "です", "ます", "ません", "でした", "ました", "ください", "下さい", "お願いします", "だよ", "だね", "ですね",
    "ですよ", "ました",
)
PACK = LanguagePack(
    code="ja",
    apology="申し訳ありません、問題が起きました。もう一度お願いできますか？",
    not_understood="もう一度お願いします。",
    fillers=("少々お待ちください。", "ただいま確認しております。", "お待たせしております。"),
    responses={
        "goodbye": frozenset(["さようなら", "バイバイ", "じゃあね", "またね", "失礼します"]),
        "assent": frozenset([
            "はい", "うん", "ええ", "そう", "そうです", "そうですね", "そうね", "なるほど", "分かりました",
            "わかりました", "了解", "了解です", "大丈夫", "大丈夫です", "もちろん", "いいです", "いいですね",
            "いいよ", "ありがとう", "ありがとうございます", "オーケー", "確かに", "本当", "そうなんですか",
            "そうなんだ",
        ]),
        "continuer": frozenset(["ふん", "ふんふん", "うんうん", "はいはい", "へえ", "へー", "ほう", "ああ"]),
        "filler": frozenset([*FILLERS, "あ", "え", "ん", "おお", "わあ"]),
    },
    laughter=re.compile(r"(?:は|ふ|ハ|ひ|笑){2,}"),
    requests=re.compile(r"(?:ですか|ますか|でしょうか|ませんか|ください|下さい|お聞かせ|教えて)"),
    judge=judge_by_ending(LEADING, FILLERS, CLOSING),
)
