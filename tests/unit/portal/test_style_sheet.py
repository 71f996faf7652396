"""The portal's style sheet has the colours and sizes of the Digital Agency Design System, and no others."""

import re
from functools import cache
from pathlib import Path

import pytest

from portal.pages.render import style_sheet

TOKENS = Path(__file__).parents[3] / "tools/node_modules/@digital-go-jp/design-tokens/dist/tokens.css"
# Sizes that the design system has no tokens for: of the whole text, on screen and on paper.
OWN_SIZES = {"100%", "75%"}


@cache
def read_sheet() -> str:
    return re.sub(r"/\*.*?\*/", "", style_sheet().decode(), flags=re.DOTALL)


def read_properties(sheet: str) -> dict[str, str]:
    return dict(re.findall(r"^\s*(--[a-z0-9-]+):\s*([^;]+);", sheet, re.MULTILINE))


def test_custom_properties_are_tokens_of_the_design_system_with_their_values() -> None:
    tokens = read_properties(TOKENS.read_text(encoding="utf-8"))
    own = read_properties(read_sheet())
    assert len(own) > 20
    assert {name: tokens.get(name) for name in own} == own


def test_every_token_is_used_and_every_one_that_is_used_is_there() -> None:
    assert set(re.findall(r"var\((--[a-z0-9-]+)\)", read_sheet())) == set(read_properties(read_sheet()))


@pytest.mark.parametrize("property_name", ["color", "background", "border-color", "font-size", "border-radius"])
def test_colours_and_sizes_are_given_by_tokens_only(property_name: str) -> None:
    values = re.findall(rf"(?<![\w-]){property_name}:\s*([^;}}]+)", read_sheet())
    named = {"inherit", "CanvasText", "Highlight"}
    assert [value for value in values if "var(--" not in value and value.strip() not in named | OWN_SIZES] == []
