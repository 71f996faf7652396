"""Rules for Japanese texts that contractors and officers read, as far as a machine can check them."""

import re

_JAPANESE = "ぁ-んァ-ヶー一-龯々〇、。・「」（）：～"
_RULES = {
    "write ICカード without a space": re.compile(r"IC[ 　]+カード"),
    # A placeholder counts as Latin text, because a code or a figure is what usually fills it.
    "no half-width space between Japanese and Latin letters, figures or placeholders": re.compile(
        rf"[{_JAPANESE}] [!-~]|[!-~] [{_JAPANESE}]"
    ),
    "an agency is called 調達機関": re.compile("発注機関|発注元|団体|自治体"),
}


def broken_rules(text: str) -> list[str]:
    """Returns each rule that the text breaks, with the passage that breaks it."""
    return [f"{rule}: {found[0]!r}" for rule, pattern in _RULES.items() for found in pattern.finditer(text)]


def find_other_language(text: str, language: str) -> list[str]:
    """Returns the passages of a Japanese text that are English phrases, or of an English text that are Japanese."""
    pattern = r"[A-Za-z]+(?: [a-z]+){2,}" if language == "ja" else rf"[{_JAPANESE}]+"
    return re.findall(pattern, text)
