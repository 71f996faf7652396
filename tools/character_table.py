"""Writes the table of variant characters of `instance_profile` from published tables.

Its sources are the reduction table of the National Tax Agency (国税庁 JIS縮退マップ) and that of the Character
Information Technology Promotion Council (MJ縮退マップ), both from the package `jntajis-python`, and the Unicode
property Equivalent_Unified_Ideograph, from Perl. Neither is needed to run Toroku; ADR 18 says why the table is
committed:

    pip install --target .toroku/jntajis jntajis-python==0.1.0
    PYTHONPATH=.toroku/jntajis .venv/bin/python -m tools.character_table
"""

import importlib
import subprocess
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "libraries/instance-profile/instance_profile/character_table.txt"
HEADER = """\
# Variant forms of characters, written by tools/character_table.py: do not edit. ADR 18 says what is left out, and why.
# Each word is a form in common use, followed by the variants of it that the table of its section reduces to it.
#
# [unicode] Equivalent_Unified_Ideograph of the Unicode Character Database: radicals and strokes. Licence: Unicode-3.0.
# [tax-agency] JIS縮退マップ. Published by 国税庁, https://www.houjin-bangou.nta.go.jp/download/. Licence: CC BY 4.0.
# [family-register], [jis], [reading] MJ縮退マップ, by 独立行政法人情報処理推進機構, published by
# 一般社団法人文字情報技術促進協議会, https://moji.or.jp/mojikiban/map/. Licence: CC BY-SA 2.1 JP, also of these
# sections.
# The schemes are, in this order: 法務省戸籍法関連通達・通知, JIS包摂規準・UCS統合規則, 読み・字形による類推.
# Changed: only characters that one form in JIS X 0208 can be given to, and chains resolved to their last form.
"""
# Schemes of the MJ table, by the numbers of `MJShrinkSchemeCombo`.
SCHEMES = {"family-register": 8, "jis": 1, "reading": 2}
# Reduced by notices on the family register, because one was written for the other in old registers; both are characters
# of their own in names.
TWO_CHARACTERS = frozenset("功師書着玉宍吊舛")
BLOCKS = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xFA0E, 0xFA29), (0x20000, 0x323AF))
_LINE = 110
_PERL = """
use Unicode::UCD 'prop_invmap';
my ($starts, $values, $format, $default) = prop_invmap('Equivalent_Unified_Ideograph');
for my $i (0 .. $#$starts - 1) {
    next if $values->[$i] eq $default;
    print "$_ $values->[$i]\\n" for $starts->[$i] .. $starts->[$i + 1] - 1;
}
"""


def main() -> None:
    """Reads the sources and writes the table."""
    package = importlib.import_module("jntajis")
    characters = [chr(point) for first, last in BLOCKS for point in range(first, last + 1) if is_unchanged(chr(point))]
    sections: dict[str, dict[str, str]] = {
        "unicode": read_radicals(),
        "tax-agency": read_tax_agency(package, characters),
    }
    for section, scheme in SCHEMES.items():
        candidates = {character: package.mj_shrink_candidates(character, scheme) for character in characters}
        sections[section] = {
            character: form
            for character, forms in candidates.items()
            if character not in TWO_CHARACTERS and (form := choose_form(character, forms)) is not None
        }
    write_table(resolve(sections))


def read_radicals() -> dict[str, str]:
    """Returns the ideograph of each radical or stroke that NFKC leaves unchanged."""
    listing = subprocess.run(["perl", "-e", _PERL], check=True, capture_output=True, text=True).stdout
    pairs = (tuple(map(chr, map(int, line.split()))) for line in listing.splitlines())
    return {radical: ideograph for radical, ideograph in pairs if is_unchanged(radical)}


def read_tax_agency(package: Any, characters: Iterable[str]) -> dict[str, str]:
    """Returns what the tax agency reduces each character of JIS X 0213 to."""
    forms = {character: package.jnta_shrink_translit(character, passthrough=True) for character in characters}
    return {
        character: form
        for character, form in forms.items()
        if form != character and len(form) == 1 and is_unchanged(form)
    }


def choose_form(character: str, candidates: Sequence[str]) -> str | None:
    """Returns the one candidate of the lowest level of JIS X 0208; None where several are, or none is as low.

    A character of a level is never reduced to one of a higher level, so that a chain ends.
    """
    for level in (1, 2):
        if level > find_level(character):
            return None
        forms = [form for form in candidates if form != character and find_level(form) == level and is_unchanged(form)]
        if forms:
            return forms[0] if len(forms) == 1 else None
    return None


def find_level(character: str) -> int:
    """Returns the level of a kanji in JIS X 0208, 1 or 2; 3 where it is not in it."""
    try:
        row = character.encode("euc_jp")[0] - 0xA0
    except UnicodeEncodeError:
        return 3
    # EUC-JP has the characters of JIS X 0212 behind 0x8F.
    return 3 if row < 16 else 1 if row < 48 else 2


def is_unchanged(character: str) -> bool:
    """Returns whether NFKC leaves a character as it is; others never reach the table."""
    return unicodedata.normalize("NFKC", character) == character


def resolve(sections: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Returns the sections with the last form of each chain; of sections with the same variant the first counts.

    Radicals and readings stay what they are: the former are read before all others, the latter count for less.
    """
    steps: dict[str, str] = {}
    for section in ("tax-agency", "family-register", "jis"):
        for variant, form in sections[section].items():
            steps.setdefault(variant, form)
    # Two characters that are reduced to each other: the earlier one stays.
    for variant in [variant for variant, form in steps.items() if steps.get(form) == variant and variant < form]:
        del steps[variant]
    resolved: dict[str, dict[str, str]] = {"unicode": dict(sections["unicode"])}
    done: set[str] = set()
    for section in ("tax-agency", "family-register", "jis", "reading"):
        variants = [variant for variant in sections[section] if variant not in done]
        kept = [variant for variant in variants if variant in steps or section == "reading"]
        resolved[section] = {variant: find_last(sections[section][variant], steps) for variant in kept}
        done.update(variants)
    return resolved


def find_last(form: str, steps: Mapping[str, str]) -> str:
    """Returns the last form of a chain."""
    while form in steps:
        form = steps[form]
    return form


def write_table(sections: Mapping[str, Mapping[str, str]]) -> None:
    """Writes the file, and prints how many variants each section has."""
    lines = [HEADER.rstrip()]
    for section, forms in sections.items():
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for variant, form in forms.items():
            groups[form].append(variant)
        lines += ["", f"[{section}]"]
        line = ""
        for form in sorted(groups):
            word = form + "".join(sorted(groups[form]))
            if len(line) + len(word) > _LINE:
                lines.append(line.rstrip())
                line = ""
            line += f"{word} "
        lines.append(line.rstrip())
        print(f"{section}: {len(forms):,} variants of {len(groups):,} forms")
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
