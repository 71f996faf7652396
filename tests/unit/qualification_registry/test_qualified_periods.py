"""The lines of a bidder become periods in which it is qualified, and reviews."""

from datetime import UTC, date, datetime, timedelta

from qualification_registry.domain.qualified_periods import (
    CompanyReview,
    QualifiedLine,
    QualifiedPeriod,
    find_periods,
    find_reviews,
)

APRIL, MARCH = date(2026, 4, 1), date(2028, 3, 31)
MORNING = datetime(2026, 11, 27, 1, tzinfo=UTC)


def periods(*lines: tuple[str, date | None, date | None]) -> list[tuple[date | None, date | None, str]]:
    """Returns the periods of lines, whose agencies are letters."""
    found = find_periods([QualifiedLine(list(agencies), first, last) for agencies, first, last in lines])
    assert all(isinstance(period, QualifiedPeriod) for period in found)
    return [(period.first_day, period.last_day, "".join(period.agencies)) for period in found]


def test_line_is_a_period_and_its_agencies_ascend() -> None:
    assert periods(("ba", APRIL, MARCH)) == [(APRIL, MARCH, "ab")]
    assert periods(("a", None, None)) == [(None, None, "a")]
    assert periods() == []


def test_line_that_ends_before_it_begins_is_no_period() -> None:
    assert periods(("a", MARCH, APRIL)) == []
    assert periods(("a", MARCH, APRIL), ("b", APRIL, MARCH)) == [(APRIL, MARCH, "b")]


def test_terms_that_follow_each_other_are_one_period_of_an_agency() -> None:
    following = MARCH + timedelta(days=1)
    assert periods(("ab", APRIL, MARCH), ("b", following, None)) == [(APRIL, MARCH, "a"), (APRIL, None, "b")]
    later = following + timedelta(days=1)
    assert periods(("a", APRIL, MARCH), ("a", later, None)) == [(APRIL, MARCH, "a"), (later, None, "a")]


def test_lines_of_two_rosters_that_overlap_are_one_period() -> None:
    middle = date(2027, 1, 1)
    assert periods(("a", APRIL, MARCH), ("a", None, middle)) == [(None, MARCH, "a")]
    assert periods(("a", None, None), ("a", APRIL, middle), ("b", APRIL, middle)) == [
        (None, None, "a"),
        (APRIL, middle, "b"),
    ]


def test_review_begins_with_the_earliest_and_ends_where_officers_ended_it() -> None:
    later = MORNING + timedelta(hours=1)
    lines = [
        QualifiedLine(["b", "a", "c"], None, None, later, ["c"]),
        QualifiedLine(["a"], None, None, MORNING),
        QualifiedLine(["d"], None, None),
    ]
    assert find_reviews(lines) == [CompanyReview(MORNING, ("a",)), CompanyReview(later, ("b",))]


def test_review_that_the_operator_ended_is_none_anywhere() -> None:
    assert find_reviews([QualifiedLine(["a"], None, None, MORNING, ["operator"])]) == []
