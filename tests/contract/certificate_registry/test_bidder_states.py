"""What the states of bidders do here: at a log-in of an e-bidding system, at a registration, and at propagation."""

import asyncio
from collections.abc import Mapping
from itertools import permutations
from typing import Any

import pytest

from refusals import Refusal
from tests.support.example_profile import BIDDER, CITY, GOODS, PREFECTURE, TOWN, WORKS
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from toroku.certificate.v1 import certificate_registry_pb2, user_lookup_pb2
from toroku.event.v1.version_pb2 import Version
from toroku.qualification.v1 import bidder_state_pb2

Answer = user_lookup_pb2.ResolveUserResponse
Result = certificate_registry_pb2.PropagatedRegistration
ACTIVE = bidder_state_pb2.BIDDER_STATUS_ACTIVE
SUSPENDED = bidder_state_pb2.BIDDER_STATUS_SUSPENDED
ENDED = bidder_state_pb2.BIDDER_STATUS_ENDED


def state(**changes: Any) -> bidder_state_pb2.BidderState:
    """Returns the state of an active bidder, with changes."""
    values: dict[str, Any] = {
        "bidder_id": BIDDER,
        "category": WORKS,
        "version": Version(epoch=1, number=1),
        "status": ACTIVE,
    }
    return bidder_state_pb2.BidderState(**(values | changes))


async def record(registry: RunningCertificateRegistry, *states: bidder_state_pb2.BidderState) -> None:
    """Reports states of bidders in one message, as the qualification registry does. Raises Refusal."""
    request = certificate_registry_pb2.RecordBidderStatesRequest(bidder_states=states)
    await registry.callers["qualification-registry"].RecordBidderStates(request)


@pytest.mark.every_postgresql
@pytest.mark.requirement("SYN-08")
@pytest.mark.requirement("LIF-04")
async def test_state_with_the_highest_version_counts_at_the_next_log_in(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    for status, number, verdict in (
        (ACTIVE, 1, Answer.VERDICT_GOOD),
        (SUSPENDED, 3, Answer.VERDICT_BIDDER_SUSPENDED),
        # Late, therefore ignored.
        (ACTIVE, 2, Answer.VERDICT_BIDDER_SUSPENDED),
        (ENDED, 3, Answer.VERDICT_BIDDER_SUSPENDED),
        (ENDED, 4, Answer.VERDICT_BIDDER_ENDED),
    ):
        await registry.record_bidder(status, number)
        assert (await registry.resolve(visit)).verdict == verdict
    # After a restore the numbers restart in a new epoch.
    await registry.record_bidder(ACTIVE, 1, epoch=2)
    assert (await registry.resolve(visit)).verdict == Answer.VERDICT_GOOD


@pytest.mark.requirement("SYN-08")
@pytest.mark.requirement("LIF-04")
async def test_agency_suspends_a_bidder_for_itself_and_its_category(registry: RunningCertificateRegistry) -> None:
    visit, registration = await registry.register_new()
    await registry.propagate({CITY: [registration.registration_id]})
    goods, _ = await registry.register_new(visit.card, category=GOODS)
    await registry.record_bidder(ACTIVE, 1, suspended_agencies=[TOWN, CITY])
    assert (await registry.resolve(visit, CITY)).verdict == Answer.VERDICT_BIDDER_SUSPENDED
    assert (await registry.resolve(visit)).verdict == Answer.VERDICT_GOOD
    assert (await registry.resolve(goods)).verdict == Answer.VERDICT_GOOD
    # Many are asked for in another statement than one alone.
    visits = [Visit(visit.card, agency=CITY), visit, goods] * 10
    answers = await asyncio.gather(*map(registry.resolve, visits))
    expected = [Answer.VERDICT_BIDDER_SUSPENDED, Answer.VERDICT_GOOD, Answer.VERDICT_GOOD]
    assert [answer.verdict for answer in answers] == expected * 10


async def test_states_arrive_in_any_order_and_repeatedly(registry: RunningCertificateRegistry) -> None:
    states = [
        state(version=Version(epoch=1, number=1), suspended_agencies=[CITY]),
        state(version=Version(epoch=1, number=2), status=SUSPENDED, suspended_agencies=[CITY, TOWN]),
        state(version=Version(epoch=1, number=3), suspended_agencies=[PREFECTURE]),
    ]
    stored = "SELECT status, suspended_agencies, version_number FROM bidder_state"
    for order in permutations(states):
        await registry.execute("DELETE FROM bidder_state")
        for each in (*order, order[0]):
            await record(registry, each)
        assert await registry.rows(stored) == [("active", [PREFECTURE], 3)]
        await registry.execute("DELETE FROM bidder_state")
        await asyncio.gather(*(record(registry, *order) for _ in range(4)))
        assert await registry.rows(stored) == [("active", [PREFECTURE], 3)]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"status": bidder_state_pb2.BIDDER_STATUS_UNSPECIFIED}, "status"),
        ({"bidder_id": ""}, "bidder_id"),
        ({"bidder_id": "1\0"}, "bidder_id"),
        ({"category": ""}, "category"),
        ({"version": None}, "version"),
        ({"suspended_agencies": [CITY, ""]}, "suspended_agencies"),
        ({"suspended_agencies": ["two codes"]}, "suspended_agencies"),
    ],
)
async def test_state_that_can_not_be_read_is_refused_and_nothing_is_recorded(
    registry: RunningCertificateRegistry, changes: Mapping[str, Any], part: str
) -> None:
    with pytest.raises(Refusal, match="BIDDER_STATE_INVALID") as refused:
        await record(registry, state(bidder_id="1000000009"), state(**changes))
    assert refused.value.metadata["part"] == part
    assert await registry.rows("SELECT count(*) FROM bidder_state") == [(0,)]


async def test_message_has_500_states_at_most(registry: RunningCertificateRegistry) -> None:
    states = [state(bidder_id=str(number)) for number in range(501)]
    with pytest.raises(Refusal, match="INPUT_TOO_MANY"):
        await record(registry, *states)
    await record(registry, *states[1:])
    assert await registry.rows("SELECT count(*) FROM bidder_state") == [(500,)]


@pytest.mark.requirement("LIF-04")
@pytest.mark.parametrize(
    "changes", [{"status": SUSPENDED}, {"status": ACTIVE, "suspended_agencies": [CITY]}], ids=["everywhere", "here"]
)
async def test_bidder_suspended_meanwhile_registers_nothing(
    registry: RunningCertificateRegistry, changes: dict[str, Any]
) -> None:
    visit = await registry.prepare(Visit(registry.card(), agency=CITY))
    await registry.record_bidder(changes.pop("status"), 1, **changes)
    for call in (registry.check_registrable(visit), registry.create_act(visit), registry.register(visit)):
        with pytest.raises(Refusal, match="BIDDER_SUSPENDED"):
            await call
    assert await registry.rows("SELECT count(*) FROM registration") == [(0,)]
    await registry.record_bidder(ACTIVE, 2)
    await registry.register(visit)


@pytest.mark.requirement("LIF-04")
async def test_card_of_a_suspended_bidder_opens_no_session_there(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    await registry.record_bidder(ACTIVE, 1, suspended_agencies=[CITY])
    await registry.log_in(Visit(visit.card, agency=TOWN))
    with pytest.raises(Refusal, match="BIDDER_SUSPENDED"):
        await registry.log_in(Visit(visit.card, agency=CITY))
    # Whose card an unbound one will be is not known yet.
    await registry.log_in(Visit(registry.card(), agency=CITY))
    await registry.record_bidder(ENDED, 2)
    with pytest.raises(Refusal, match="BIDDER_ENDED"):
        await registry.log_in(Visit(visit.card, agency=TOWN))


@pytest.mark.requirement("LIF-04")
@pytest.mark.parametrize(
    ("changes", "refused_at"),
    [
        ({"status": SUSPENDED}, {CITY, TOWN}),
        # Where the registration is that would be propagated.
        ({"status": ACTIVE, "suspended_agencies": [PREFECTURE]}, {CITY, TOWN}),
        ({"status": ACTIVE, "suspended_agencies": [TOWN]}, {TOWN}),
    ],
    ids=["everywhere", "at the source", "at the target"],
)
async def test_suspended_bidder_is_not_propagated(
    registry: RunningCertificateRegistry, changes: dict[str, Any], refused_at: set[str]
) -> None:
    _, registration = await registry.register_new()
    await registry.record_bidder(changes.pop("status"), 1, **changes)
    requests = {agency: [registration.registration_id] for agency in (CITY, TOWN)}
    answers = await registry.propagate(requests)
    for agency in (CITY, TOWN):
        expected = Result.RESULT_BIDDER_SUSPENDED if agency in refused_at else Result.RESULT_DONE
        assert answers[agency, registration.registration_id].result == expected
    await registry.record_bidder(ACTIVE, 2)
    answers = await registry.propagate(requests)
    assert {answer.result for answer in answers.values()} == {Result.RESULT_DONE}


async def test_suspension_of_a_bidder_leaves_registrations_as_they_are(registry: RunningCertificateRegistry) -> None:
    _, registration = await registry.register_new()
    requests = {CITY: [registration.registration_id]}
    await registry.propagate(requests)
    await registry.record_bidder(SUSPENDED, 1)
    answers = await registry.propagate(requests)
    assert answers[CITY, registration.registration_id].result == Result.RESULT_DONE
