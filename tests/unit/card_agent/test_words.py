"""The texts of the card agent's screen are written as Japanese business texts are."""

from collections.abc import Iterator, Mapping

from card_agent.console import words
from card_agent.console.words import Words
from tests.support.japanese_text import broken_rules


def every_text() -> Iterator[Words]:
    for value in vars(words).values():
        if isinstance(value, Words):
            yield value
        elif isinstance(value, Mapping):
            yield from (text for text in value.values() if isinstance(text, Words))


def test_japanese_texts_follow_the_rules_of_writing() -> None:
    texts = [text.ja for text in every_text()]
    assert len(texts) > 50
    assert {text: broken for text in texts if (broken := broken_rules(text))} == {}


def test_no_text_points_to_an_operation_that_is_not_offered() -> None:
    for text in every_text():
        assert "「変更」" not in text.ja
        assert "更新" not in text.ja
        assert text.en.isascii()
