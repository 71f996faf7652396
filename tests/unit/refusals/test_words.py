"""The words of the catalogue: true, for people who are not programmers, and written as Japanese business texts are."""

import re
from pathlib import Path

import pytest
import yaml

import refusals
from refusals.catalogue import Explanation, catalogue
from tests.support.japanese_text import broken_rules

WORDS = Path(refusals.__file__).parent / "words"
# These are in the menu but not built yet (docs/limitations.md), so no message may send a contractor there.
NOT_OFFERED_YET = re.compile("「変更」|ICカード更新")
PRIVATE_IDENTIFIERS = re.compile(r"UUID|[a-z]+_(id|sha256)")
# Shown to the platform team or to programs, never to a contractor.
NOT_FOR_CONTRACTORS = {"CONTACT_NOT_FOUND", "CONTACT_PURPOSE_INVALID", "MAIL_NOT_TAKEN", "MAIL_SERVER_UNUSABLE"}


def every_reason() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("reason", sorted(catalogue()))


def contractors_reasons() -> list[str]:
    files = [yaml.safe_load((WORDS / f"{name}.yaml").read_text("utf-8")) for name in ("card", "contact", "entry")]
    return sorted({reason for file in files for reason in file} - NOT_FOR_CONTRACTORS)


def texts(explanation: Explanation) -> tuple[str, ...]:
    return (explanation.ja.what, explanation.ja.next, explanation.en.what, explanation.en.next)


def without_placeholders(text: str) -> str:
    return re.sub(r"\{\w+\}", "", text)


@every_reason()
def test_japanese_words_follow_the_rules_of_writing(reason: str) -> None:
    words = catalogue()[reason]
    assert broken_rules(f"{words.ja.what}\n{words.ja.next}") == []


@every_reason()
def test_no_words_point_to_an_operation_that_is_not_offered(reason: str) -> None:
    assert [text for text in texts(catalogue()[reason]) if NOT_OFFERED_YET.search(text)] == []
    assert not re.search("変更|更新", catalogue()[reason].en.next)


@pytest.mark.parametrize("reason", contractors_reasons())
def test_contractors_are_not_shown_private_identifiers(reason: str) -> None:
    japanese = catalogue()[reason].ja
    assert PRIVATE_IDENTIFIERS.findall(without_placeholders(japanese.what + japanese.next)) == []


def test_rules_of_writing_find_what_they_forbid() -> None:
    for text in ("IC カード", "あと {tries} 回", "RSA 2048 ビット", "make を使う", "発注機関へ", "他の団体"):
        assert broken_rules(text), text
    for text in ("ICカード", "あと{tries}回", "toroku databases passwords", "（{cause}）。", "調達機関の担当者"):
        assert broken_rules(text) == []
