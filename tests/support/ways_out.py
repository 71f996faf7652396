"""What the words of a refusal have to name: where a person who is refused can go."""

import re
from enum import Enum

from refusals import Refusal
from refusals.catalogue import UNKNOWN, Explanation, explain


class Way(Enum):
    """A way out, as words in Japanese and in English name it."""

    REGISTER = "「登録」|(利用者)?登録(を行って|してください)", r"\b[Rr]egist(er|ration)\b"
    CHANGE = "「変更」", r"\bChange\b"
    ASK_AGENCY = "調達機関(の担当者)?(または.+)?に(、)?(.*お問い合わせ|.*ご連絡|.*ご相談|確認を依頼)", r"\bthe agency\b"
    ASK_AUTHORITY = "認証局", r"certification authority"


def require_way_out(refusal: Refusal, *ways: Way) -> None:
    """Asserts that a refusal has words of its own in both languages, whose advice names these ways, or any."""
    # Whose name would stand in the place of "the agency".
    metadata = {name: value for name, value in refusal.metadata.items() if not name.startswith("agency")}
    words = explain(refusal.reason, metadata)
    assert words.ja.what != explain(UNKNOWN, {"reason": refusal.reason}).ja.what
    named = [way for way in Way if _names(way, words)]
    assert named, (refusal.reason, words)
    assert set(ways) <= set(named), (refusal.reason, named, words)


def _names(way: Way, words: Explanation) -> bool:
    japanese, english = way.value
    return bool(re.search(japanese, words.ja.next) and re.search(english, words.en.next))
