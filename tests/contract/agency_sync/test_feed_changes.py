"""The feed: after any change of a card, a bidder or a contact the newest state of the card follows, once."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from servicekit.messages import write_timestamp
from tests.support.example_profile import BIDDER, CITY, PREFECTURE, TOWN, WORKS, example_profile
from tests.support.feed_reader import list_changes
from tests.support.services.agency_sync import (
    MORNING,
    RunningAgencySync,
    agency_registration,
    bidder_state,
    card_state,
    contact_owner,
    running_agency_sync,
)
from toroku.agencysync.v1 import agency_sync_pb2, feed_pb2
from toroku.certificate.v1 import card_pb2, card_state_pb2
from toroku.qualification.v1 import bidder_state_pb2

Change = feed_pb2.Change
PROPAGATED = card_pb2.REGISTRATION_ORIGIN_PROPAGATION
APRIL = write_timestamp(datetime(2027, 3, 31, 15, tzinfo=UTC))


@pytest.fixture
async def sync(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[RunningAgencySync]:
    async with running_agency_sync(migrated_database("agency_sync"), tmp_path, example_profile()) as running:
        yield running


def describe(change: feed_pb2.Change) -> tuple[int, str, str]:
    state = feed_pb2.Change.State.Name(change.state).removeprefix("STATE_")
    return change.position.number, state, change.reason


async def history_at(sync: RunningAgencySync, agency: str = PREFECTURE) -> list[tuple[int, str, str]]:
    """Number, state and reason of each change of an agency's feed."""
    return [describe(change) for change in await list_changes(sync, agency)]


@pytest.mark.requirement("SYN-06")
@pytest.mark.every_postgresql
async def test_registration_is_told_with_all_that_a_log_in_needs(sync: RunningAgencySync) -> None:
    registration_id, predecessor = uuid4(), b"p" * 32
    period = bidder_state_pb2.QualifiedPeriod(qualified_until=APRIL, agencies=[CITY, PREFECTURE])
    next_period = bidder_state_pb2.QualifiedPeriod(qualified_from=APRIL, agencies=[PREFECTURE])
    await sync.record_bidders(bidder_state(qualified=[period, next_period]))
    state = card_state(registration_id)
    state.registrations[0].predecessor = predecessor
    await sync.record(state)
    (change,) = await list_changes(sync, PREFECTURE)
    assert change.certificate_sha256 == state.certificate_sha256
    assert (change.position.epoch, change.position.number) == (1, 1)
    assert (change.bidder_id, change.registration_id, change.predecessor) == (BIDDER, str(registration_id), predecessor)
    assert (change.state, change.reason) == (Change.STATE_GOOD, "")
    assert change.certificate_not_before == state.certificate.not_before
    assert change.certificate_not_after == state.certificate.not_after
    assert list(change.qualified) == [
        feed_pb2.QualifiedTime(qualified_until=APRIL),
        feed_pb2.QualifiedTime(qualified_from=APRIL),
    ]


@pytest.mark.requirement("SYN-06")
async def test_agency_is_told_of_its_own_cards_alone(sync: RunningAgencySync) -> None:
    await sync.record(card_state(agency=PREFECTURE), card_state(agency=TOWN))
    assert await history_at(sync, CITY) == []
    assert await history_at(sync, PREFECTURE) == [(1, "GOOD", "")]


SUSPENDED = card_state_pb2.REGISTRATION_STATE_SUSPENDED
REPLACED = card_state_pb2.REGISTRATION_STATE_REPLACED
REVOKED = card_state_pb2.CertificateStanding.STATE_REVOKED
NOT_TRUSTED = card_state_pb2.CertificateStanding.STATE_NOT_TRUSTED
STOPS = {
    "replaced": ({"state": REPLACED}, "REPLACED", "CARD_REPLACED"),
    "undone": ({"binding": card_state_pb2.BINDING_STATE_RELEASED}, "ENDED", "BINDING_ENDED"),
    "revoked": ({"standing": REVOKED, "suspended": True}, "REVOKED", "CERTIFICATE_REVOKED"),
    "distrusted": ({"standing": NOT_TRUSTED}, "REVOKED", "CERTIFICATE_NOT_TRUSTED"),
    "suspended everywhere": ({"suspended": True}, "SUSPENDED", "CARD_SUSPENDED"),
    "suspended here": ({"state": SUSPENDED}, "SUSPENDED", "CARD_SUSPENDED"),
}


@pytest.mark.requirement("SYN-06")
@pytest.mark.parametrize("stop", STOPS)
async def test_stop_of_a_card_is_told_with_its_reason_and_so_is_its_end(sync: RunningAgencySync, stop: str) -> None:
    changed, state, reason = STOPS[stop]
    registration_id = await sync.record(card_state())
    await sync.record(card_state(registration_id, number=2, **changed))  # type: ignore[arg-type]
    await sync.record(card_state(registration_id, number=3))
    assert await history_at(sync) == [(1, "GOOD", ""), (2, state, reason), (3, "GOOD", "")]


@pytest.mark.requirement("SYN-06")
async def test_stop_of_a_bidder_is_told_of_all_its_cards_where_it_counts(sync: RunningAgencySync) -> None:
    cards = [card_state(more=[agency_registration(CITY, origin=PROPAGATED)]) for _ in range(2)]
    await sync.record(*cards)
    await sync.record_bidders(bidder_state(suspended_agencies=[CITY], qualified=[]))
    assert await history_at(sync, PREFECTURE) == [
        (1, "GOOD", ""),
        (2, "GOOD", ""),
        # Where it is qualified has been known since then.
        (3, "GOOD", ""),
        (4, "GOOD", ""),
    ]
    suspended = ("SUSPENDED", "BIDDER_SUSPENDED")
    assert await history_at(sync, CITY) == [(1, "GOOD", ""), (2, "GOOD", ""), (3, *suspended), (4, *suspended)]
    await sync.record_bidders(bidder_state(2, status=bidder_state_pb2.BIDDER_STATUS_ENDED, qualified=[]))
    assert (await history_at(sync, CITY))[4:] == [(5, "ENDED", "BIDDER_ENDED"), (6, "ENDED", "BIDDER_ENDED")]


@pytest.mark.requirement("SYN-06")
async def test_state_that_changes_nothing_at_an_agency_adds_nothing_there(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state())
    further = agency_registration(CITY, origin=PROPAGATED)
    await sync.record(card_state(registration_id, number=2, more=[further]))
    await sync.record(card_state(registration_id, number=2, suspended=True))
    assert await history_at(sync, PREFECTURE) == [(1, "GOOD", "")]
    assert await history_at(sync, CITY) == [(1, "GOOD", "")]


@pytest.mark.requirement("SYN-06")
async def test_card_that_left_an_agency_has_ended_there(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state(more=[agency_registration(CITY, origin=PROPAGATED)]))
    await sync.record(card_state(registration_id, number=2))
    await sync.record(card_state(registration_id, number=3, suspended=True))
    assert await history_at(sync, CITY) == [(1, "GOOD", ""), (2, "ENDED", "NOT_REGISTERED")]


@pytest.mark.requirement("SYN-06")
async def test_bidder_that_left_the_roster_has_no_qualified_times_and_one_never_heard_of_is_not_judged(
    sync: RunningAgencySync,
) -> None:
    await sync.record(card_state())
    await sync.record_bidders(bidder_state(qualified=[]))
    before, after = await list_changes(sync, PREFECTURE)
    assert list(before.qualified) == [feed_pb2.QualifiedTime()]
    assert list(after.qualified) == []


@pytest.mark.requirement("QUA-08")
async def test_card_that_registers_during_a_review_is_not_good_where_the_agency_says_so(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    agencies = [
        agency.model_copy(update={"new_card_during_review": agency.code == PREFECTURE})
        for agency in example_profile().agencies
    ]
    profile = example_profile().model_copy(update={"agencies": tuple(agencies)})
    review = bidder_state_pb2.CompanyReview(began_at=write_timestamp(MORNING), agencies=[CITY, PREFECTURE])
    async with running_agency_sync(migrated_database("agency_sync"), tmp_path, profile) as sync:
        await sync.record_bidders(bidder_state(reviews=[review]))
        await sync.record(card_state(more=[agency_registration(CITY)]))
        assert await history_at(sync, PREFECTURE) == [(1, "GOOD", "")]
        assert await history_at(sync, CITY) == [(1, "UNDER_REVIEW", "UNDER_REVIEW")]
        await sync.record_bidders(bidder_state(2))
        assert (await history_at(sync, CITY))[1:] == [(2, "GOOD", "")]


@pytest.mark.requirement("CHG-02")
async def test_change_of_a_contact_is_told_where_its_newest_version_counts(sync: RunningAgencySync) -> None:
    card = card_state(more=[agency_registration(CITY, origin=PROPAGATED)])
    await sync.record(card)
    await sync.record_contacts(contact_owner(card.certificate_sha256, newest=1))
    await sync.record_contacts(contact_owner(None, newest=4))
    pinned = contact_owner(card.certificate_sha256, number=2, newest=2, pins={CITY: 1})
    await sync.record_contacts(pinned)
    versions = {
        agency: [
            (change.card_contact_version, change.representative_contact_version)
            for change in await list_changes(sync, agency)
        ]
        for agency in (PREFECTURE, CITY)
    }
    assert versions == {PREFECTURE: [(0, 0), (1, 0), (1, 4), (2, 4)], CITY: [(0, 0), (1, 0), (1, 4)]}
    # An older state, and the same again, change nothing.
    await sync.record_contacts(contact_owner(card.certificate_sha256, newest=1), pinned)
    assert len(await list_changes(sync, PREFECTURE)) == 4


@pytest.mark.requirement("SYN-06")
@pytest.mark.every_postgresql
async def test_event_of_more_entries_than_one_transaction_takes_is_told_of_completely_and_stops_first(
    sync: RunningAgencySync,
) -> None:
    ids = [uuid4() for _ in range(400)]
    more = {registration_id: [agency_registration(CITY), agency_registration(TOWN)] for registration_id in ids}
    stopped = max(ids, key=lambda registration_id: card_state(registration_id).certificate_sha256)

    def states(number: int) -> list[card_state_pb2.CardState]:
        return [
            card_state(
                registration_id,
                number=number,
                more=more[registration_id],
                suspended=number > 1 and registration_id == stopped,
            )
            for registration_id in ids
        ]

    await sync.record(*states(1))
    sizes = await sync.rows("SELECT number FROM feed_heads WHERE category = 'works' ORDER BY agency")
    assert sum(number for (number,) in sizes) <= 500
    await sync.append_pending()
    for agency in (PREFECTURE, CITY):
        changes = await list_changes(sync, agency)
        assert [change.position.number for change in changes] == list(range(1, 401))
        assert {change.certificate_sha256 for change in changes} == {
            card_state(registration_id).certificate_sha256 for registration_id in ids
        }
    assert await sync.rows("SELECT count(*) FROM feed_pending") == [(0,)]
    await sync.record(*states(2))
    assert await history_at(sync, PREFECTURE) == [
        *((number, "GOOD", "") for number in range(1, 401)),
        (401, "SUSPENDED", "CARD_SUSPENDED"),
    ]


@pytest.mark.requirement("SYN-06")
async def test_import_of_many_bidders_is_told_of_by_the_worker(sync: RunningAgencySync) -> None:
    bidders = [f"2{number:09}" for number in range(300)]
    await sync.record(*(card_state(bidder_id=bidder, more=[agency_registration(CITY)]) for bidder in bidders))
    await sync.append_pending()
    period = bidder_state_pb2.QualifiedPeriod(qualified_until=APRIL, agencies=[CITY, PREFECTURE])
    await sync.record_bidders(*(bidder_state(bidder_id=bidder, qualified=[period]) for bidder in bidders))
    await sync.append_pending()
    for agency in (PREFECTURE, CITY):
        changes = await list_changes(sync, agency)
        assert [change.position.number for change in changes] == list(range(1, 601))
        assert {change.bidder_id for change in changes[300:]} == set(bidders)


async def test_history_heads_come_with_the_heartbeat_and_a_service_reports_its_own_alone(
    sync: RunningAgencySync,
) -> None:
    head = agency_sync_pb2.HistoryHead(
        service="certificate-registry", position=2, head='{"n":2}', sealed_at=write_timestamp(MORNING)
    )
    request = agency_sync_pb2.RecordHistoryHeadRequest(service="certificate-registry", head=head)
    await sync.from_certificate_registry.RecordHistoryHead(request)
    request.head.position = 1
    await sync.from_certificate_registry.RecordHistoryHead(request)
    response = await sync.from_agency[PREFECTURE].ListChanges(
        feed_pb2.ListChangesRequest(agency=PREFECTURE, category=WORKS, subscriber="test")
    )
    assert list(response.heartbeat.history_heads) == [head]
    with pytest.raises(Exception, match="HISTORY_HEAD_INVALID"):
        await sync.from_contact_notification.RecordHistoryHead(request)
