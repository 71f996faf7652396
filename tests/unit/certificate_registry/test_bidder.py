"""Where a bidder is qualified, step by step."""

from datetime import UTC, datetime

import pytest

from certificate_registry.domain.bidder import CompanyReview, QualifiedPeriod, list_reviews, list_steps

APRIL, MAY, JUNE = (datetime(2026, month, 1, tzinfo=UTC) for month in (4, 5, 6))


@pytest.mark.parametrize(
    ("periods", "instants", "steps"),
    [
        ([], [], [()]),
        ([QualifiedPeriod(None, None, ["a", "b"])], [], [("a", "b")]),
        ([QualifiedPeriod(APRIL, None, ["a"])], [APRIL], [(), ("a",)]),
        ([QualifiedPeriod(None, APRIL, ["a"])], [APRIL], [("a",), ()]),
        # This term and the next one, without a gap, and with one.
        (
            [QualifiedPeriod(APRIL, MAY, ["a", "b"]), QualifiedPeriod(MAY, JUNE, ["b"])],
            [APRIL, MAY, JUNE],
            [(), ("a", "b"), ("b",), ()],
        ),
        (
            [QualifiedPeriod(None, APRIL, ["a"]), QualifiedPeriod(MAY, None, ["a"])],
            [APRIL, MAY],
            [("a",), (), ("a",)],
        ),
        # Terms of two agencies that overlap.
        (
            [QualifiedPeriod(APRIL, JUNE, ["a"]), QualifiedPeriod(MAY, None, ["b"])],
            [APRIL, MAY, JUNE],
            [(), ("a",), ("a", "b"), ("b",)],
        ),
        ([QualifiedPeriod(APRIL, JUNE, ["a"]), QualifiedPeriod(APRIL, JUNE, ["a"])], [APRIL, JUNE], [(), ("a",), ()]),
    ],
)
def test_steps_say_where_a_bidder_is_qualified_between_the_instants(
    periods: list[QualifiedPeriod], instants: list[datetime], steps: list[tuple[str, ...]]
) -> None:
    assert list_steps(periods) == (instants, steps)


def test_first_of_several_reviews_at_an_agency_counts() -> None:
    reviews = [CompanyReview(MAY, ["a", "b"]), CompanyReview(APRIL, ["a"]), CompanyReview(JUNE, ["b"])]
    assert list_reviews(reviews) == {"a": APRIL, "b": MAY}
