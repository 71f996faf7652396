"""The texts of the card agent's screen are written as Japanese business texts are."""

from collections.abc import Iterator, Mapping

from card_agent.console import advice_words, change_words, renewal_words, words
from card_agent.console.words import Words
from tests.support.japanese_text import broken_rules

MODULES = (words, change_words, renewal_words, advice_words)


def every_text() -> Iterator[Words]:
    for value in [value for module in MODULES for value in vars(module).values()]:
        if isinstance(value, Words):
            yield value
        elif isinstance(value, Mapping | tuple):
            texts = value.values() if isinstance(value, Mapping) else value
            yield from (text for text in texts if isinstance(text, Words))


def test_japanese_texts_follow_the_rules_of_writing() -> None:
    texts = [text.ja for text in every_text()]
    assert len(texts) > 50
    assert {text: broken for text in texts if (broken := broken_rules(text))} == {}


def test_english_texts_show_on_every_terminal() -> None:
    for text in every_text():
        assert text.en.isascii()
