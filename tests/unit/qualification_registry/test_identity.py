"""Which existing bidder a line may mean, 法人番号, terms, and errors of whole columns, without a database."""

from datetime import date

import pytest

from qualification_registry.domain.broken_text import find_broken, may_be_broken
from qualification_registry.domain.corporate_number import read_corporate_number
from qualification_registry.domain.roster_errors import FEWEST_ROWS, MOST_SHOWN, RosterErrors
from qualification_registry.domain.roster_identity import (
    MOST_ALIKE,
    NUMBER_APPEARED,
    PERHAPS_SAME,
    WITHOUT_NUMBER,
    KnownBidder,
    find_renumbered,
    suggest_bidders,
)
from qualification_registry.domain.roster_lines import UndecidedLine
from qualification_registry.domain.roster_question import ask_about_gone
from qualification_registry.domain.roster_term import RosterTerm, Term, check_term
from refusals import Refusal

ONE, TWO = "4260001000102", "7000012050002"
TODAY = date(2026, 11, 27)


def line(row: int, name: str, address: str = "一丁目", number: str = "") -> UndecidedLine:
    return UndecidedLine(row, name, address, "", number)


@pytest.mark.parametrize(
    ("undecided", "bidder", "is_leaving", "reason", "is_suggested"),
    [
        (line(2, "㈱見本", "１丁目"), KnownBidder("1", "株式会社　見本", "1丁目"), False, WITHOUT_NUMBER, True),
        (line(2, "見本", number=ONE), KnownBidder("1", "見本", "一丁目"), False, NUMBER_APPEARED, True),
        # By the name alone only where the bidder would leave the roster.
        (line(2, "見本", number=ONE), KnownBidder("1", "見本", "二丁目"), True, NUMBER_APPEARED, True),
        (line(2, "見本"), KnownBidder("1", "見本", "二丁目", ONE), True, WITHOUT_NUMBER, True),
        (line(2, "見本"), KnownBidder("1", "見本", "二丁目"), False, WITHOUT_NUMBER, False),
        (line(2, "見本", number=ONE), KnownBidder("1", "見本", "二丁目"), False, None, False),
        # Variant characters, in the name or in the address that it needs, and another 法人番号 are for an officer.
        (line(2, "渡邊組"), KnownBidder("1", "渡辺組", "一丁目"), True, PERHAPS_SAME, False),
        (line(2, "渡辺組", "渡邊町"), KnownBidder("1", "渡辺組", "渡辺町"), False, PERHAPS_SAME, False),
        (line(2, "見本", number=ONE), KnownBidder("1", "見本", "一丁目", TWO), True, PERHAPS_SAME, False),
        (line(2, "見本", number=ONE), KnownBidder("1", "例示", "一丁目"), True, None, False),
        # A name without any letter is nobody's.
        (line(2, "　", "", ONE), KnownBidder("1", "　", ""), True, None, False),
    ],
)
def test_line_is_suggested_asked_or_new(
    undecided: UndecidedLine, bidder: KnownBidder, is_leaving: bool, reason: str | None, is_suggested: bool
) -> None:
    suggestions, new = suggest_bidders([undecided], [bidder] if is_leaving else [], [] if is_leaving else [bidder])
    if reason is None:
        assert (suggestions, new) == ([], [undecided])
        return
    (suggestion,) = suggestions
    assert (suggestion.reason, suggestion.bidder_id) == (reason, "1" if is_suggested else "")
    assert new == []


def test_line_of_the_same_address_comes_before_one_of_the_same_name() -> None:
    lines = [line(2, "見本", "九丁目", ONE), line(3, "見本", "一丁目", TWO)]
    suggestions, new = suggest_bidders(lines, [KnownBidder("1", "見本", "一丁目")], [])
    assert [(suggestion.undecided.row, suggestion.bidder_id) for suggestion in suggestions] == [(3, "1")]
    assert [undecided.row for undecided in new] == [2]


def test_most_alike_bidders_come_first_and_are_limited() -> None:
    leaving = [KnownBidder(f"{number}", "見本", "二丁目", TWO) for number in range(20)]
    leaving.append(KnownBidder("same", "見本", "一丁目"))
    (suggestion,), _ = suggest_bidders([line(2, "見本", number=ONE)], leaving, [])
    assert suggestion.bidder_id == suggestion.alike[0].bidder_id == "same"
    assert len(suggestion.alike) == MOST_ALIKE


def test_renumbered_bidders_are_paired_once() -> None:
    new = [("21", "㈱見本"), ("22", "例示"), ("23", "")]
    leaving = [("11", "株式会社見本"), ("12", "株式会社見本"), ("13", "別"), ("14", "")]
    assert find_renumbered(new, leaving) == [("11", "21")]


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        (ONE, ONE),
        ("T4260001000102", ONE),
        ("Ｔ４２６０００１０００１０２", ONE),
        (" 4-2600-0100-0102　", ONE),
        ("", ""),
        ("　", ""),
        ("個人", ""),
        ("JV", ""),
        ("$業者コード$", ""),
        ("4.26E+12", None),
        ("1260001000102", None),
        ("426000100010", None),
        ("42600010001020", None),
        ("4260001000102T", None),
        ("-4260001000102", None),
        ("なし1", None),
        ("4260001000102\x00", None),
    ],
)
def test_corporate_number_is_read_in_every_width_or_wrong(cell: str, number: str | None) -> None:
    assert read_corporate_number(cell) == number


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\ufffd田建設", "U+FFFD"),
        ("&#39641;橋建設", "&#39641;"),
        ("&#x9AD9;橋建設", "&#x9AD9;"),
        ("見本&amp;例示", "&amp;"),
        ("見本＆例示", ""),
        ("Ａ&Ｂ;", ""),
        ("〓田建設", ""),
    ],
)
def test_lost_character_is_found_by_what_stands_for_it(text: str, found: str) -> None:
    assert find_broken(text) == found
    assert may_be_broken(text) or not found


def test_column_is_wrong_throughout_only_if_every_row_is() -> None:
    def make(rows: int, wrong: int) -> RosterErrors:
        errors = RosterErrors()
        for row in range(2, 2 + wrong):
            errors.add(row, "番号", "ROSTER_BIDDER_ID_WRONG")
            errors.add(row, "番号", "ROSTER_BIDDER_TWICE")
        errors.add(5, "日付", "ROSTER_DATE_WRONG")
        errors.join_columns(rows, {})
        return errors

    joined = make(500, 500)
    assert [(error.row, error.column, error.reason) for error in joined.first] == [
        (0, "番号", "ROSTER_COLUMN_WRONG"),
        (5, "日付", "ROSTER_DATE_WRONG"),
    ]
    assert joined.count == 2
    assert make(500, 499).count == 999
    assert len(make(500, 499).first) == MOST_SHOWN
    assert make(FEWEST_ROWS - 1, FEWEST_ROWS - 1).count == 2 * FEWEST_ROWS - 1


@pytest.mark.parametrize(("gone", "expected", "is_asked"), [(20, 100, False), (21, 100, True), (0, 0, False)])
def test_share_of_bidders_gone_is_asked_above_the_bound(gone: int, expected: int, is_asked: bool) -> None:
    assert bool(list(ask_about_gone(gone, expected, 20))) == is_asked


@pytest.mark.parametrize(
    ("term", "stored", "reason"),
    [
        (Term(), [], None),
        (Term(), [Term()], None),
        (Term(date(2027, 4, 1)), [Term()], None),
        (Term(date(2027, 4, 1)), [Term(date(2025, 4, 1))], None),
        (Term(date(2025, 4, 1), date(2027, 4, 30)), [Term(date(2025, 4, 1), date(2027, 3, 31))], None),
        (Term(), [Term(), Term(TODAY)], "ROSTER_TERM_MISSING"),
        (Term(), [Term(), Term(date(2026, 11, 28))], None),
        (Term(date(2025, 4, 1)), [Term(date(2026, 11, 27))], "ROSTER_TERM_ENDED"),
        (Term(date(2025, 4, 1), TODAY), [], None),
        (Term(date(2025, 4, 1), date(2026, 11, 26)), [], "ROSTER_TERM_ENDED"),
        (Term(date(2027, 4, 1), date(2027, 3, 31)), [], "ROSTER_TERM_REVERSED"),
        (Term(date(2027, 3, 31)), [Term(date(2025, 4, 1), date(2027, 3, 31))], "ROSTER_TERM_OVERLAPS"),
    ],
)
def test_term_holds_by_itself_and_beside_the_others(term: Term, stored: list[Term], reason: str | None) -> None:
    terms = [RosterTerm(number, other) for number, other in enumerate(stored)]
    if reason is None:
        check_term(term, terms, TODAY)
        return
    with pytest.raises(Refusal, match=reason):
        check_term(term, terms, TODAY)
