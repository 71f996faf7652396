"""The language of the screen."""

import pytest

from refusals.language import choose_language


@pytest.mark.parametrize(
    ("environment", "system_locale", "language"),
    [
        ({"LANG": "ja_JP.UTF-8"}, None, "ja"),
        ({"LANG": "ja"}, None, "ja"),
        ({"LANG": "en_US.UTF-8"}, "ja_JP", "en"),
        ({"LANG": "C"}, None, "en"),
        ({"LANG": "C.UTF-8"}, None, "en"),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "ja_JP"}, None, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "en_US.UTF-8"}, None, "en"),
        ({"LANG": "de_DE.UTF-8"}, None, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "ja_JP.eucJP", "LANG": "en_US.UTF-8"}, None, "ja"),
        ({"LC_ALL": "en_US.UTF-8", "LC_MESSAGES": "ja_JP", "LANG": "ja_JP"}, None, "en"),
        # Windows has no such variables.
        ({}, "Japanese_Japan", "ja"),
        ({"LC_ALL": ""}, "Japanese_Japan", "ja"),
        ({}, "English_United States", "en"),
        ({}, None, "en"),
    ],
)
def test_japanese_locale_gives_japanese_and_any_other_english(
    environment: dict[str, str], system_locale: str | None, language: str
) -> None:
    assert choose_language(environment, system_locale) == language
