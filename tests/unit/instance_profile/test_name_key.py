"""The keys by which company names are compared."""

import csv
import itertools
import re
import unicodedata
from collections import defaultdict
from pathlib import Path

import jaconv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instance_profile.character_forms import FORM_IN_KEY
from instance_profile.characters import is_full_width
from instance_profile.model import NameStrictness
from instance_profile.name_key import (
    abbreviates_legal_form,
    differ_by_variant_only,
    exact_name_key,
    loose_name_key,
    name_key,
)
from instance_profile.name_pieces import spell_out, split_name
from instance_profile.name_spellings import write_spelling_pattern

REPOSITORY = Path(__file__).parents[3]
# Developers may have real rosters beside the checkout; the tests do not depend on them.
REAL_ROSTERS = sorted((REPOSITORY.parent / "shared" / "data" / "rosters").glob("*.csv"))
EXAMPLES = sorted((REPOSITORY / "profiles" / "examples").glob("*.csv"))
SPELLED_OUT = NameStrictness.SPELLED_OUT


def typed_key(name: str) -> str:
    return name_key(name, SPELLED_OUT)


@pytest.mark.parametrize(
    ("typed", "roster"),
    [
        ("株式会社高橋建設", "㈱髙橋建設"),
        ("株式会社高橋建設", "（株）髙橋建設"),
        ("株式会社高橋建設", "(株)髙橋建設"),
        ("株式会社高橋建設", "〔株〕髙橋建設"),
        ("株式会社高橋建設", "㊑髙橋建設"),
        ("株式会社高橋建設", "㍿髙橋建設"),
        ("株式會社高橋建設", "株式会社　高橋　建設"),
        ("高橋建設有限会社", "髙橋建設㈲"),
        ("奈良緑化協同組合", "奈良緑化（同）"),
        ("ウインコス合同会社", "ウインコス（同）"),
        ("合資会社有建", "（合）有建"),
        ("一般社団法人見本", "（一社）見本"),
        ("公益財団法人見本", "（公財）見本"),
        ("医療法人見本会", "（医）見本会"),
        ("株式会社ＡＢＣ", "株式会社ａｂｃ"),
        ("株式会社ＡＢＣ", "株式会社 ABC"),
        ("株式会社ガス・パイプ", "株式会社ｶﾞｽ･ﾊﾟｲﾌﾟ"),
        ("株式会社ガス", "株式会社カ\u3099ス"),
        ("株式会社ガス", "株式会社カ゛ス"),
        ("ミホンーテック株式会社", "ミホン―テック株式会社"),
        ("ミホンーテック株式会社", "ミホン－テック株式会社"),
        ("ミホンーテック株式会社", "ミホン‐テック株式会社"),
        ("株式会社Ｔ＆Ｋ’Ｓ", "株式会社T&K's"),
        ("株式会社霞ケ関", "株式会社霞ヶ関"),
        ("株式会社山崎", "株式会社山﨑"),
        ("渡辺建設株式会社", "渡邊建設株式会社"),
        ("渡辺建設株式会社", "渡邉建設株式会社"),
        ("浜田広沢国真徳桜竜", "濵田廣澤國眞德櫻龍"),
        ("斉藤", "齋藤"),
        ("斎藤", "齊藤"),
        ("吉野", "𠮷野"),
        ("土屋", "圡屋"),
        ("神谷", "神谷"),
        ("葛城", "葛\U000e0100城"),
        ("辻", "辻\ufe00"),
        ("円谷", "圓谷"),
        ("大嶋", "大島"),
    ],
)
def test_equal_names(typed: str, roster: str) -> None:
    assert typed_key(typed) == name_key(roster)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("株式会社見本", "見本株式会社"),
        ("株式会社見本", "有限会社見本"),
        ("株式会社見本", "見本"),
        ("シヤツター工業", "シャッター工業"),
        ("イツキ", "イッキ"),
        ("あさひ建設", "アサヒ建設"),
        ("一ノ宮", "ーノ宮"),
        ("ニッ木", "二ッ木"),
        ("ハンバ", "バンハ"),
        ("太田", "大田"),
        ("見本工業", "見本工業所"),
    ],
)
def test_different_names(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


@pytest.mark.parametrize(("one", "other"), [("渡辺組", "渡邊組"), ("㈱広瀬組", "株式会社廣瀨組"), ("栄建設", "榮建設")])
def test_variant_alone_is_told_from_the_same_characters(one: str, other: str) -> None:
    assert differ_by_variant_only(one, other)
    assert exact_name_key(one) != exact_name_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("㈱渡邊組", "株式會社　渡邊組"), ("渡邊組", "渡邊\U000e0100組"), ("渡邊組", "渡部組"), ("神谷ＡＢＣ", "神谷abc")],
)
def test_width_selector_and_legal_form_are_no_variants(one: str, other: str) -> None:
    assert not differ_by_variant_only(one, other)


def test_typed_abbreviation_matches_no_roster_in_a_strict_category() -> None:
    for typed in ("㈱見本建設", "（株）見本建設", "(株)見本建設", "[株]見本建設"):
        assert abbreviates_legal_form(typed)
        for roster in ("㈱見本建設", "（株）見本建設", "株式会社見本建設"):
            assert typed_key(typed) != name_key(roster)
            assert name_key(typed) == name_key(roster)
    assert not abbreviates_legal_form("株式会社見本建設（さいたま）")


def test_name_without_letters_has_an_empty_key() -> None:
    assert name_key("　 \u200b\ufe00") == name_key("") == ""


def test_no_variant_maps_to_another_variant() -> None:
    assert len(FORM_IN_KEY) > 10_000
    for variant, form in FORM_IN_KEY.items():
        assert ord(form) not in FORM_IN_KEY
        # A variant that NFKC changes first would never be looked up.
        assert unicodedata.normalize("NFKC", chr(variant)) == chr(variant)
        assert unicodedata.normalize("NFKC", form) == form


def test_tables_join_no_characters_that_are_distinct() -> None:
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for variant, form in FORM_IN_KEY.items():
        groups[form].add(chr(variant))
    # Chains of reductions, not the union of all tables, whose largest group has 144 characters.
    assert max(map(len, groups.values())) < 30
    for one, other in itertools.combinations("師帥功切書昼着著玉王宍肉吊弔舛升太大渡度辺部坂阪荻萩菅管土士末未", 2):
        assert name_key(one) != name_key(other)


@pytest.mark.parametrize("file", [*EXAMPLES, *REAL_ROSTERS], ids=lambda file: file.name)
def test_names_of_a_roster_are_found_spelled_out(file: Path) -> None:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    names = {row.get("商号又は名称") or row["firm_name"] for row in rows}
    by_key: dict[str, set[str]] = {}
    for name in names:
        key = name_key(name)
        assert key
        by_key.setdefault(key, set()).add(name)
        # A name spelled out as the screen requires is found.
        typed = spell_out(name)
        assert not abbreviates_legal_form(typed)
        assert is_full_width(typed)
        assert typed_key(typed) == key
    assert {key: found for key, found in by_key.items() if len(found) > 1} == {}


def test_real_rosters_were_available() -> None:
    if not REAL_ROSTERS:
        pytest.skip("the real rosters are not beside this checkout")
    assert len(REAL_ROSTERS) == 2


NAMES = st.text(
    st.sampled_from("株式会社(株)（有）㈱髙高﨑崎ーｰ-－‐ガｶﾞか゛\u3099ヶケAａＡ・･ 　建設𠮷\U000e0100"), max_size=12
)


@given(NAMES)
def test_width_and_spaces_do_not_change_the_key(name: str) -> None:
    assert name_key(jaconv.h2z(name, kana=True, ascii=True, digit=True)) == name_key(name)
    assert name_key(f"　{name} ") == name_key(name)
    assert name_key(unicodedata.normalize("NFD", name)) == name_key(name)
    assert typed_key(spell_out(name)) == name_key(name)


@given(NAMES)
def test_pieces_joined_are_the_name_and_its_keys(name: str) -> None:
    pieces = split_name(name)
    assert "".join(piece.text for piece in pieces) == name
    assert "".join(piece.exact for piece in pieces) == exact_name_key(name)
    assert "".join(piece.merged for piece in pieces) == name_key(name)
    assert "".join(piece.loose for piece in pieces) == loose_name_key(name)


@pytest.mark.parametrize(
    ("typed", "roster"),
    [
        ("株式会社渡邊組", "㈱渡 邊\U000e0100組"),
        ("福祉神社", "\ufa1b\ufa4d\ufa19\ufa4c"),
        ("長谷川ガス", "⻑谷川ｶﾞｽ"),
        ("長谷川ガス", "⻑谷川カ゛ス"),
        ("株式会社Ａｂｃ１号", "（株）aBC①号"),
        ("キヤノン・テック－例示", "ｷﾔﾉﾝ･ﾃｯｸ-例示"),
        ("\U0002000b田組", "\U0002000b田組"),
    ],
)
def test_pattern_finds_every_spelling(typed: str, roster: str) -> None:
    assert exact_name_key(typed) == exact_name_key(roster)
    assert re.search(write_spelling_pattern(typed), roster)
    assert re.search(write_spelling_pattern(roster), typed)


def test_pattern_finds_no_variant_and_nothing_for_a_name_without_letters() -> None:
    assert not re.search(write_spelling_pattern("渡邊組"), "渡辺組")
    assert write_spelling_pattern("株式会社・－[]*%_\\") == ""


@given(NAMES, NAMES)
def test_pattern_finds_all_names_of_one_exact_key(one: str, other: str) -> None:
    for spelled in (f"　{one}", unicodedata.normalize("NFD", one), jaconv.h2z(one, kana=True, ascii=True), other):
        if exact_name_key(spelled) == exact_name_key(one):
            assert re.search(write_spelling_pattern(one), spelled)
