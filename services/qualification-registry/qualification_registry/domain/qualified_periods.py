"""When a bidder is qualified at which agencies in a category, over all its current lines, and where it is under review.

Days are days in Japan. Lines of this term and of the next stand beside each other, so that nothing has to be written on
the day on which a term begins: who reads the periods compares them with the time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from servicekit.identity import OPERATOR

_ONE_DAY = timedelta(days=1)
_ALL_DAYS = (date.min, date.max)


@dataclass(frozen=True, slots=True)
class QualifiedLine:
    """A current line of a bidder: where it is qualified, on which days; one that is None sets no limit.

    `under_review_since` is when the review of its company data began, None without one; the officers of
    `ended_agencies` have ended it, under the operator's code for every agency.
    """

    agencies: Sequence[str]
    first_day: date | None
    last_day: date | None
    under_review_since: datetime | None = None
    ended_agencies: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class QualifiedPeriod:
    """Days, both included, on which a bidder is qualified at these agencies, whose codes ascend."""

    first_day: date | None
    last_day: date | None
    agencies: Sequence[str]


@dataclass(frozen=True, slots=True)
class CompanyReview:
    """A review of changed company data at these agencies, whose codes ascend."""

    began_at: datetime
    agencies: Sequence[str]


def find_periods(lines: Sequence[QualifiedLine]) -> Sequence[QualifiedPeriod]:
    """Returns the periods of a bidder, the earliest first. Those of an agency neither overlap nor touch."""
    if len(lines) == 1:
        [line] = lines
        days = [_find_days(line)] if line.agencies else []
        return [_build_period(first, last, line.agencies) for first, last in days if first <= last]
    spans: dict[str, list[tuple[date, date]]] = {}
    for line in lines:
        first, last = _find_days(line)
        if first <= last:
            for agency in line.agencies:
                spans.setdefault(agency, []).append((first, last))
    agencies: dict[tuple[date, date], list[str]] = {}
    for agency, of_agency in spans.items():
        for span in _join(of_agency):
            agencies.setdefault(span, []).append(agency)
    return [_build_period(first, last, codes) for (first, last), codes in sorted(agencies.items())]


def find_reviews(lines: Iterable[QualifiedLine]) -> Sequence[CompanyReview]:
    """Returns the reviews of a bidder, the earliest first.

    Each agency has one at most: the earliest, where the list of this term and that of the next, or two rosters, say so.
    """
    began: dict[str, datetime] = {}
    for line in lines:
        since = line.under_review_since
        if since is None or OPERATOR in line.ended_agencies:
            continue
        for agency in line.agencies:
            if agency not in line.ended_agencies:
                began[agency] = min(since, began.get(agency, since))
    return [CompanyReview(began_at, codes) for began_at, codes in sorted(_group(began).items())]


def _find_days(line: QualifiedLine) -> tuple[date, date]:
    return line.first_day or date.min, line.last_day or date.max


def _join(spans: list[tuple[date, date]]) -> Iterable[tuple[date, date]]:
    """Yields the spans in order, those that overlap or touch as one."""
    spans.sort()
    first, last = spans[0]
    for next_first, next_last in spans[1:]:
        if last == date.max or next_first <= last + _ONE_DAY:
            last = max(last, next_last)
        else:
            yield first, last
            first, last = next_first, next_last
    yield first, last


def _build_period(first: date, last: date, agencies: Sequence[str]) -> QualifiedPeriod:
    earliest, latest = _ALL_DAYS
    return QualifiedPeriod(
        None if first == earliest else first, None if last == latest else last, tuple(sorted(agencies))
    )


def _group(began: Mapping[str, datetime]) -> dict[datetime, Sequence[str]]:
    groups: dict[datetime, list[str]] = {}
    for agency in sorted(began):
        groups.setdefault(began[agency], []).append(agency)
    return {began_at: tuple(agencies) for began_at, agencies in groups.items()}
