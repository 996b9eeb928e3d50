"""Chinese (Mandarin)."""

from __future__ import annotations

import re

from duologue.turn.languages import LanguagePack
from duologue.turn.languages.last_word import judge_by_ending

__all__ = ["PACK"]

# fmt: off
FILLERS = ("呃", "那个", "這個", "这个", "就是", "然后", "然後", "额")
LEADING = (
    "和", "跟", "但是", "可是", "因为", "因為", "所以", "如果", "还有", "還有", "或者", "把", "被", "在", "从", "從",
    "给", "給", "对", "對", "向", "我想", "我要", "我的", "你的", "的", "是", "一个", "一個", "比如", "而且", "不过",
    "不過", "到",
)
CLOSING = ("好的", "是的", "对的", "對的", "可以的", "了", "吧", "啊", "呢", "就是")
PACK = LanguagePack(
    code="zh",
    apology="抱歉，出了点问题。您能再说一遍吗？",
    not_understood="不好意思，您说什么？",
    fillers=("请稍等。", "我还在处理。", "谢谢您的耐心等待。"),
    responses={
        "goodbye": frozenset(["再见", "再見", "拜拜", "回头见", "明天见"]),
        "assent": frozenset([
            "是", "是的", "对", "對", "对的", "對的", "对对", "好", "好的", "好吧", "好啊", "可以", "行", "没错",
            "沒錯", "当然", "當然", "明白", "明白了", "知道了", "了解", "谢谢", "謝謝", "没问题", "沒問題", "嗯嗯",
            "对对对", "好好",
        ]),
        "continuer": frozenset(["嗯", "嗯哼", "哦", "喔", "噢"]),
        "filler": frozenset(["呃", "额", "啊", "唉", "哎", "诶"]),
    },
    laughter=re.compile(r"(?:哈|呵|嘻|嘿)+"),
    requests=re.compile(r"(?:吗$|嗎$|请问|請問|请告诉|請告訴|能不能|可不可以|是不是|什么|什麼|多少|哪)"),
    judge=judge_by_ending(LEADING, FILLERS[:4] + FILLERS[5:], CLOSING),
)
