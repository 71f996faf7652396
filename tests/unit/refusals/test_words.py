"""The words of the catalogue: true, for people who are not programmers, and written as Japanese business texts are."""

import re
from pathlib import Path

import pytest
import yaml

import refusals
from refusals.catalogue import NEUTRAL_NAMES, Explanation, Words, catalogue, explain
from tests.support.japanese_text import broken_rules

WORDS = Path(refusals.__file__).parent / "words"
# Each instance has names of its own for these, so words have a placeholder, which the instance's name fills.
NAMED_BY_THE_INSTANCE = re.compile("ヘルプデスク|help ?desk|ユーザ(ー)?ID|業者番号|user ID", re.IGNORECASE)
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


def placeholders(words: Words, suffix: str) -> set[str]:
    """The placeholders of the words in one language, without its suffix."""
    return {name.removesuffix(suffix) for name in re.findall(r"\{(\w+)\}", f"{words.what}{words.next}")}


def without_placeholders(text: str) -> str:
    return re.sub(r"\{\w+\}", "", text)


@every_reason()
def test_japanese_words_follow_the_rules_of_writing(reason: str) -> None:
    words = catalogue()[reason]
    assert broken_rules(f"{words.ja.what}\n{words.ja.next}") == []


@every_reason()
def test_english_words_name_operations_in_english(reason: str) -> None:
    assert not re.search("変更|更新", catalogue()[reason].en.next)


@pytest.mark.parametrize("reason", contractors_reasons())
def test_contractors_are_not_shown_private_identifiers(reason: str) -> None:
    japanese = catalogue()[reason].ja
    assert PRIVATE_IDENTIFIERS.findall(without_placeholders(japanese.what + japanese.next)) == []


@every_reason()
def test_words_leave_names_to_the_instance(reason: str) -> None:
    assert [text for text in texts(catalogue()[reason]) if NAMED_BY_THE_INSTANCE.search(text)] == []


@every_reason()
def test_both_languages_say_the_same_values(reason: str) -> None:
    words = catalogue()[reason]
    assert placeholders(words.ja, "_ja") == placeholders(words.en, "_en")


@pytest.mark.parametrize("name", sorted(NEUTRAL_NAMES))
def test_neutral_names_are_used_in_words_and_follow_the_rules_of_writing(name: str) -> None:
    assert any(f"{{{name}}}" in text for reason in catalogue() for text in texts(catalogue()[reason]))
    assert broken_rules(NEUTRAL_NAMES[name]) == []
    assert not name.endswith("_en") or NEUTRAL_NAMES[name].isascii()


def test_an_empty_name_leaves_no_empty_line() -> None:
    assert "\n" not in explain("CARD_PIN_BLOCKED").ja.next
    note = {"unlocking_ja": "3回で使えなくなります。"}
    assert explain("CARD_PIN_BLOCKED", {}, note).ja.next.endswith("\n3回で使えなくなります。")
    note = {"authority_help_ja": "電話でお問い合わせください。"}
    assert "\n\n" not in explain("CARD_PIN_BLOCKED", {}, note).ja.next


def test_rules_of_writing_find_what_they_forbid() -> None:
    for text in ("IC カード", "あと {tries} 回", "RSA 2048 ビット", "make を使う", "発注機関へ", "他の団体"):
        assert broken_rules(text), text
    for text in ("ICカード", "あと{tries}回", "toroku databases passwords", "（{cause}）。", "調達機関の担当者"):
        assert broken_rules(text) == []
