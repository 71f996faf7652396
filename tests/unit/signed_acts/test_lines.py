"""The lines of an act in one language: each Japanese line with its translation, or all lines where that is not sure."""

import pytest

from signed_acts.lines import pair_languages

APPROVAL = ["次の提案を承認します。", "I approve the following proposal."]
SUSPENSION = ["業者の利用を再開します。", "理由：a, b: c", "Resumes a bidder.", "Reason: 誤り、訂正。"]


def test_lines_are_paired_with_their_translations() -> None:
    assert pair_languages(SUSPENSION) == [(SUSPENSION[0], SUSPENSION[2]), (SUSPENSION[1], SUSPENSION[3])]


def test_parts_are_paired_one_after_the_other() -> None:
    assert pair_languages([*APPROVAL, *SUSPENSION]) == [
        (APPROVAL[0], APPROVAL[1]),
        (SUSPENSION[0], SUSPENSION[2]),
        (SUSPENSION[1], SUSPENSION[3]),
    ]
    assert pair_languages([]) == []


@pytest.mark.parametrize(
    "lines",
    [
        SUSPENSION[:3],
        SUSPENSION[1:],
        [*SUSPENSION, *APPROVAL[:1]],
        [*APPROVAL[1:], *APPROVAL[:1]],
        [*APPROVAL, "no punctuation", "句読点なし"],
        # As many in all, but not in each part.
        [*SUSPENSION[:2], *APPROVAL[1:], *APPROVAL[:1], *SUSPENSION[2:]],
    ],
)
def test_lines_that_are_not_clearly_in_both_languages_are_not_paired(lines: list[str]) -> None:
    assert pair_languages(lines) is None
