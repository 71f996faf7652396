"""Variant forms of characters in names, by the table that says so (QUA-05, ADR 18).

`character_table.txt` has what published tables say. The short lists here are what these leave open: pairs of which both
are characters of JIS X 0208, which reduction tables therefore keep apart.
"""

from collections import ChainMap
from enum import StrEnum
from importlib.resources import files


class FormTable(StrEnum):
    """A table of variant forms; the values are the sections of `character_table.txt`, or name a list of this module."""

    UNICODE = "unicode"
    TAX_AGENCY = "tax-agency"
    FAMILY_REGISTER = "family-register"
    JIS = "jis"
    READING = "reading"
    EXCHANGED = "exchanged"
    CONFUSED = "confused"


# JIS X 0208 of 1983 exchanged the forms of 22 pairs and gave four characters a second one (規格票の解説): files that
# were written before, and converted since, have the other form of the pair.
_EXCHANGED = """
鯵鰺 鴬鶯 蛎蠣 撹攪 竃竈 潅灌 諌諫 頚頸 賎賤 砺礪 梼檮 涛濤 迩邇 蝿蠅 桧檜 侭儘 薮藪 篭籠
尭堯 遥遙
"""
# Old and new forms that are both allowed in given names (人名用漢字別表), or that no table reduces although registries
# take the one for the other. 斉 and 斎 are distinct to their bearers, but confused by others.
_CONFUSED = """
斉斎 舗舖 值値 巌巖 亘亙 裏裡 枡桝 穣穰 凛凜 晃晄 皐皋 鉤鈎 検撿 藪籔 熙熈
"""

# The only kana that look the same in both scripts, and kana that are small by custom and not by sound: キヤノン and
# キャノン, 富士フイルム and 富士フィルム, 霞ヶ関 and 霞ケ関. ッ differs from ツ in sound, see `name_key`.
SAME_KANA = {"へ": "ヘ", "べ": "ベ", "ぺ": "ペ"}
SMALL_KANA = dict(
    zip("ァィゥェォャュョヮヵヶぁぃぅぇぉゃゅょゎ", "アイウエオヤユヨワカケあいうえおやゆよわ", strict=True)
)


def _read_tables() -> dict[FormTable, dict[str, str]]:
    """Returns for each table the form of every variant in it."""
    tables: dict[FormTable, dict[str, str]] = {table: {} for table in FormTable}
    section = FormTable.UNICODE
    with files(__package__).joinpath("character_table.txt").open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("["):
                section = FormTable(line.strip().strip("[]"))
            elif not line.startswith("#"):
                _add_forms(tables[section], line)
    _add_forms(tables[FormTable.EXCHANGED], _EXCHANGED)
    _add_forms(tables[FormTable.CONFUSED], _CONFUSED)
    return tables


def _add_forms(table: dict[str, str], words: str) -> None:
    for word in words.split():
        table.update(dict.fromkeys(word[1:], word[0]))


_TABLES = _read_tables()
# Characters for radicals and strokes, which texts copied from PDF files contain instead.
IDEOGRAPH_OF_RADICAL = _TABLES[FormTable.UNICODE]
# What only readings and shapes suggest: the same perhaps.
FORM_BY_READING = _TABLES[FormTable.READING]


_LISTS = (FormTable.EXCHANGED, FormTable.CONFUSED)
_VARIANT_TABLES = (FormTable.TAX_AGENCY, FormTable.FAMILY_REGISTER, FormTable.JIS, *_LISTS)


def _join_tables() -> dict[str, str]:
    """Returns the form in the key of every variant, of all tables together, with chains followed to their end."""
    steps = ChainMap(*(_TABLES[table] for table in _VARIANT_TABLES))
    joined = {}
    for variant in steps:
        form = steps[variant]
        while form in steps:
            form = steps[form]
        joined[variant] = form
    return joined


# The form in the key of every variant, by code point for `str.translate`.
FORM_IN_KEY: dict[int, str] = {
    ord(variant): form for variant, form in (_join_tables() | SMALL_KANA | SAME_KANA).items()
}


def find_table(one: str, other: str) -> FormTable | None:
    """Returns the table by which two characters of one key are variants of each other; None where no table is needed.

    Where only several tables together say it, a list of this module if one is among them, otherwise the first that has
    one of the two.
    """
    for table in _VARIANT_TABLES:
        forms = _TABLES[table]
        if forms.get(one, one) == forms.get(other, other):
            return table
    group = {one, other, FORM_IN_KEY.get(ord(one), one)}
    for table in (*_LISTS, *_VARIANT_TABLES):
        members = _TABLES[table].keys() | set(_TABLES[table].values()) if table in _LISTS else _TABLES[table].keys()
        if group & members:
            return table
    return None
