"""Where and when a bidder is qualified, and reviews of its company data: what they do at a log-in (SYN-08, QUA-08)."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from certificate_registry.operations.resolve_user import MOST_KEYS
from refusals import Refusal
from servicekit.messages import write_timestamp
from tests.support.example_profile import BIDDER, CITY, GOODS, PREFECTURE, TOWN, VILLAGE
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import QUALIFIED_EVERYWHERE, RunningCertificateRegistry
from toroku.certificate.v1 import user_lookup_pb2
from toroku.qualification.v1 import bidder_state_pb2

Answer = user_lookup_pb2.ResolveUserResponse
ACTIVE = bidder_state_pb2.BIDDER_STATUS_ACTIVE
SUSPENDED = bidder_state_pb2.BIDDER_STATUS_SUSPENDED
ENDED = bidder_state_pb2.BIDDER_STATUS_ENDED
DAY = timedelta(days=1)


def period(*agencies: str, begin: datetime | None = None, end: datetime | None = None) -> Any:
    """Returns a period in which a bidder is qualified at these agencies."""
    return bidder_state_pb2.QualifiedPeriod(
        agencies=agencies,
        qualified_from=None if begin is None else write_timestamp(begin),
        qualified_until=None if end is None else write_timestamp(end),
    )


def review(*agencies: str, began_at: datetime) -> Any:
    """Returns a review of changed company data at these agencies."""
    return bidder_state_pb2.CompanyReview(agencies=agencies, began_at=write_timestamp(began_at))


async def read_now(registry: RunningCertificateRegistry) -> datetime:
    """Returns the database's time."""
    ((now,),) = await registry.rows("SELECT now()")
    assert isinstance(now, datetime)
    return now


async def resolve_everywhere(registry: RunningCertificateRegistry, visit: Visit) -> Mapping[str, str]:
    """Returns the verdict on a card at each agency: asked for alone, and as one of many, which must agree."""
    verdicts: dict[str, str] = {}
    for agency in (PREFECTURE, CITY, TOWN, VILLAGE):
        there = Visit(visit.card, agency=agency)
        answers = [await registry.resolve(there)]
        answers += await asyncio.gather(*(registry.resolve(there) for _ in range(MOST_KEYS)))
        (verdict,) = {answer.verdict for answer in answers}
        assert {bool(answer.bidder_id) for answer in answers} == {verdict == Answer.VERDICT_GOOD}
        verdicts[agency] = Answer.Verdict.Name(verdict).removeprefix("VERDICT_")
    return verdicts


async def register_everywhere(registry: RunningCertificateRegistry) -> Visit:
    """Returns a visit with a card that is registered at every agency."""
    visit, registration = await registry.register_new()
    await registry.propagate({agency: [registration.registration_id] for agency in (CITY, TOWN, VILLAGE)})
    return visit


@pytest.mark.every_postgresql
@pytest.mark.requirement("SYN-08", "met")
async def test_bidder_that_left_an_agencys_roster_is_not_qualified_there(registry: RunningCertificateRegistry) -> None:
    visit = await register_everywhere(registry)
    # Before anything is known of a bidder, the proof at its registration counts.
    assert set((await resolve_everywhere(registry, visit)).values()) == {"GOOD"}
    await registry.record_bidder(ACTIVE, 1, qualified=[period(CITY, PREFECTURE), period(VILLAGE)])
    assert await resolve_everywhere(registry, visit) == {
        PREFECTURE: "GOOD",
        CITY: "GOOD",
        TOWN: "NOT_QUALIFIED",
        VILLAGE: "GOOD",
    }
    await registry.record_bidder(ACTIVE, 2, qualified=[])
    assert set((await resolve_everywhere(registry, visit)).values()) == {"NOT_QUALIFIED"}
    # With the next roster it is good again by itself.
    await registry.record_bidder(ACTIVE, 3)
    assert set((await resolve_everywhere(registry, visit)).values()) == {"GOOD"}


@pytest.mark.requirement("SYN-08")
async def test_bidder_is_qualified_in_its_terms_and_in_its_category_only(registry: RunningCertificateRegistry) -> None:
    visit = await register_everywhere(registry)
    goods, _ = await registry.register_new(visit.card, category=GOODS)
    now = await read_now(registry)
    await registry.record_bidder(
        ACTIVE,
        1,
        qualified=[
            period(CITY, begin=now - DAY, end=now + DAY),
            period(PREFECTURE, begin=now + DAY),
            period(TOWN, VILLAGE, end=now - DAY),
            # The next term at an agency, and this one of another.
            period(TOWN, begin=now + DAY, end=now + 2 * DAY),
            period(VILLAGE, begin=now - DAY / 2, end=now + 3 * DAY),
        ],
    )
    assert await resolve_everywhere(registry, visit) == {
        PREFECTURE: "NOT_QUALIFIED",
        CITY: "GOOD",
        TOWN: "NOT_QUALIFIED",
        VILLAGE: "GOOD",
    }
    assert (await registry.resolve(goods)).verdict == Answer.VERDICT_GOOD


@pytest.mark.requirement("SYN-08")
async def test_term_begins_and_ends_by_the_clock_with_nothing_written(registry: RunningCertificateRegistry) -> None:
    visit = await register_everywhere(registry)
    begin = await read_now(registry) + timedelta(seconds=0.5)
    end = begin + timedelta(seconds=0.5)
    await registry.record_bidder(ACTIVE, 1, qualified=[period(PREFECTURE, begin=begin, end=end)])
    stored = await registry.rows("SELECT xmin::text, version_number FROM bidder_state")
    seen: set[str] = set()
    is_over = False
    while not is_over:
        answer = await registry.resolve(visit)
        as_of = answer.as_of.ToDatetime(UTC)
        is_over = as_of >= end
        expected = Answer.VERDICT_GOOD if begin <= as_of < end else Answer.VERDICT_NOT_QUALIFIED
        assert answer.verdict == expected
        seen.add(Answer.Verdict.Name(answer.verdict))
    assert seen == {"VERDICT_GOOD", "VERDICT_NOT_QUALIFIED"}
    assert await registry.rows("SELECT xmin::text, version_number FROM bidder_state") == stored


@pytest.mark.requirement("QUA-08", "met")
async def test_new_card_during_a_review_is_good_where_the_agencys_own_rule_says_so(
    registry: RunningCertificateRegistry,
) -> None:
    visit = await register_everywhere(registry)
    everywhere = (PREFECTURE, CITY, TOWN, VILLAGE)
    # Its registration is older than the review.
    began_at = registry.now[0] + timedelta(minutes=1)
    await registry.record_bidder(ACTIVE, 1, reviews=[review(*everywhere, began_at=began_at)])
    assert set((await resolve_everywhere(registry, visit)).values()) == {"GOOD"}
    registry.now[0] = began_at
    new = await register_everywhere(registry)
    assert await resolve_everywhere(registry, new) == dict.fromkeys(everywhere, "GOOD") | {VILLAGE: "UNDER_REVIEW"}
    assert (await registry.resolve(visit, VILLAGE)).verdict == Answer.VERDICT_GOOD
    # 審査済
    await registry.record_bidder(ACTIVE, 2)
    assert set((await resolve_everywhere(registry, new)).values()) == {"GOOD"}


@pytest.mark.requirement("QUA-08")
async def test_review_elsewhere_or_of_another_bidder_stops_no_card(registry: RunningCertificateRegistry) -> None:
    now = await read_now(registry)
    visit = await register_everywhere(registry)
    await registry.record_bidder(ACTIVE, 1, reviews=[review(CITY, TOWN, began_at=now - DAY)])
    await registry.record_bidder(ACTIVE, 1, "1000000009", reviews=[review(VILLAGE, began_at=now - DAY)])
    assert (await registry.resolve(visit, VILLAGE)).verdict == Answer.VERDICT_GOOD
    # Of several reviews at one agency the first counts.
    reviews = [review(VILLAGE, began_at=now + DAY), review(VILLAGE, began_at=now - DAY)]
    await registry.record_bidder(ACTIVE, 2, reviews=reviews)
    assert (await registry.resolve(visit, VILLAGE)).verdict == Answer.VERDICT_UNDER_REVIEW


@pytest.mark.requirement("SYN-08")
@pytest.mark.requirement("QUA-08")
async def test_verdict_names_the_first_obstacle(registry: RunningCertificateRegistry) -> None:
    visit = await register_everywhere(registry)
    under_review = [review(VILLAGE, began_at=await read_now(registry) - DAY)]
    obstacles: list[tuple[str, dict[str, Any]]] = [
        ("UNDER_REVIEW", {"status": ACTIVE}),
        ("NOT_QUALIFIED", {"status": ACTIVE, "qualified": [period(CITY)]}),
        ("BIDDER_SUSPENDED", {"status": ACTIVE, "qualified": [], "suspended_agencies": [VILLAGE]}),
        ("BIDDER_SUSPENDED", {"status": SUSPENDED, "qualified": []}),
        ("BIDDER_ENDED", {"status": ENDED, "qualified": []}),
    ]
    for number, (verdict, changes) in enumerate(obstacles, start=1):
        await registry.record_bidder(number=number, reviews=under_review, **changes)
        assert Answer.Verdict.Name((await registry.resolve(visit, VILLAGE)).verdict) == f"VERDICT_{verdict}"
    await registry.record_bidder(ACTIVE, 9, qualified=[])
    await registry.execute("UPDATE card_state SET suspended_because = 'lost'")
    assert (await registry.resolve(visit, VILLAGE)).verdict == Answer.VERDICT_CARD_SUSPENDED


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"qualified": [period("two codes")]}, "qualified"),
        ({"qualified": [period("two\ncodes")]}, "qualified"),
        ({"qualified": [period("")]}, "qualified"),
        (
            {"qualified": [period(CITY, begin=datetime(2026, 4, 1, tzinfo=UTC), end=datetime(2026, 4, 1, tzinfo=UTC))]},
            "qualified",
        ),
        ({"qualified": [bidder_state_pb2.QualifiedPeriod(qualified_from=Timestamp(seconds=10**15))]}, "qualified"),
        ({"reviews": [bidder_state_pb2.CompanyReview(agencies=[CITY])]}, "reviews"),
        ({"reviews": [review("two codes", began_at=datetime(2026, 4, 1, tzinfo=UTC))]}, "reviews"),
    ],
)
async def test_term_or_review_that_can_not_be_read_is_refused_and_nothing_is_recorded(
    registry: RunningCertificateRegistry, changes: dict[str, Any], part: str
) -> None:
    with pytest.raises(Refusal, match="BIDDER_STATE_INVALID") as refused:
        await registry.record_bidder(ACTIVE, 1, **changes)
    assert refused.value.metadata == {"bidder_id": BIDDER, "part": part}
    assert await registry.rows("SELECT count(*) FROM bidder_state") == [(0,)]
    await registry.record_bidder(ACTIVE, 1, qualified=QUALIFIED_EVERYWHERE)
