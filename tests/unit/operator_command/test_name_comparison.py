"""How officers see a comparison of names, rule by rule."""

import io
import re

import pytest
from rich.console import Console

from operator_command.officer.name_comparison import show_comparison
from operator_command.speech import Language, Speech
from tests.support.japanese_text import find_other_language
from toroku.qualification.v1 import qualification_registry_pb2
from toroku.qualification.v1.qualification_registry_pb2 import (
    NAME_VERDICT_DIFFERENT,
    NAME_VERDICT_PERHAPS_SAME,
    NAME_VERDICT_SAME,
    CompareNameResponse,
    NameDifference,
)

JAPANESE, ENGLISH = map(Speech, Language)


def text_of(name: str, response: CompareNameResponse, speech: Speech = JAPANESE) -> str:
    out = io.StringIO()
    show_comparison(Console(file=out, width=160), name, response, speech)
    return out.getvalue()


def test_both_names_and_every_difference_with_its_rule_are_shown() -> None:
    response = CompareNameResponse(
        roster_name="㈱渡 辺組",
        verdict=NAME_VERDICT_PERHAPS_SAME,
        differences=[
            NameDifference(name="株式会社", roster_name="㈱", rule="LEGAL_FORM_WRITING", verdict=NAME_VERDICT_SAME),
            NameDifference(roster_name=" ", rule="SPACE", verdict=NAME_VERDICT_SAME),
            NameDifference(
                name="邊",
                roster_name="辺",
                rule="VARIANT_BORNE_BY_ANOTHER",
                verdict=NAME_VERDICT_PERHAPS_SAME,
                name_position=6,
                roster_position=4,
            ),
        ],
    )
    text = text_of("株式会社渡邊組", response)
    for part in (
        "株式会社渡邊組",
        "㈱渡 辺組",
        "検索では見つかりません。担当者が確認してください。",
        "法人の種類の表記（略号など）",
        " （U+0020）",
        "邊（U+908A）",
        "辺（U+8FBA）",
        "異体字（同じ名簿の別の業者の名称がこの字）",
        "要確認",
        "「邊」は「辺」の旧字体などの異体字",
    ):
        assert part in text
    assert re.search(r"│ 6 +│ 邊", text)
    assert find_other_language(text, "ja") == []
    english = text_of("株式会社渡邊組", response, ENGLISH)
    for part in (
        "Name as typed:      株式会社渡邊組",
        "Name in the roster: ㈱渡 辺組",
        "Verdict:            Perhaps the same: a search with this name finds nothing",
        "邊 (U+908A)",
        "邊 is an old or other form of 辺",
        "to be checked",
        "the writing of a legal form",
    ):
        assert part in english


@pytest.mark.parametrize(
    ("verdict", "words"), [(NAME_VERDICT_SAME, "一致します"), (NAME_VERDICT_DIFFERENT, "異なります")]
)
def test_verdict_is_said_without_differences_too(
    verdict: qualification_registry_pb2.NameVerdict.ValueType, words: str
) -> None:
    text = text_of("見本", CompareNameResponse(roster_name="見本", verdict=verdict))
    assert words in text
    assert "異なる文字" not in text


def test_texts_of_others_draw_nothing_and_unknown_rules_are_shown_as_they_are() -> None:
    difference = NameDifference(name="\u202e", roster_name="", rule="RULE_OF_TOMORROW", verdict=NAME_VERDICT_DIFFERENT)
    response = CompareNameResponse(roster_name="見\x1b本", verdict=NAME_VERDICT_DIFFERENT, differences=[difference])
    text = text_of("\u202e見本", response)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "RULE_OF_TOMORROW" in text
    assert "（U+202E）" in text
