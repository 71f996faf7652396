"""Two officers undo a wrong binding, and the card registers anew (CRD-06)."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from refusals import Refusal
from tests.support.example_profile import BIDDER, CITY, OTHER_BIDDER, PREFECTURE, TOWN
from tests.support.services.card_officer import CardOfficer
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.waiting import wait_until
from toroku.certificate.v1 import card_state_pb2, user_lookup_pb2
from toroku.contact.v1 import contact_pb2
from toroku.officer.v1 import proposals_pb2

Verdict = user_lookup_pb2.ResolveUserResponse
OPERATOR = "operator"
Appoint = Callable[..., Awaitable[CardOfficer]]


@pytest.fixture
async def appoint(registry: RunningCertificateRegistry) -> Appoint:
    """Appoints an officer who may undo bindings."""

    async def appoint(name: str, *roles: str) -> CardOfficer:
        return await registry.appoint(name, "binding", *roles)

    return appoint


async def count_waiting(registry: RunningCertificateRegistry, expected: int) -> bool:
    """Returns whether so many transactions wait for a lock."""
    return await registry.rows(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ) == [(expected,)]


async def register_wrongly(registry: RunningCertificateRegistry) -> Visit:
    """Registers a card for a bidder that is not its own, at the prefecture and the city."""
    visit, registration = await registry.register_new()
    await registry.propagate({CITY: [registration.registration_id]})
    await registry.run_jobs()
    for peer in (registry.contact_notification, registry.agency_sync):
        peer.card_states.clear()
    return visit


@pytest.mark.requirement("CRD-06", "met")
@pytest.mark.every_postgresql
async def test_card_whose_binding_was_undone_registers_for_another_bidder(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    visit = await register_wrongly(registry)
    # Until then it is refused: for another bidder always, and here it is registered already.
    for card, reason in (
        (Visit(visit.card, CITY), "CARD_ALREADY_REGISTERED"),
        (Visit(visit.card, PREFECTURE), "CARD_ALREADY_REGISTERED"),
    ):
        with pytest.raises(Refusal, match=reason):
            await registry.log_in(card)
    with pytest.raises(Refusal, match="CARD_BOUND_TO_ANOTHER_BIDDER"):
        await registry.register_new(visit.card, agency=TOWN, bidder_id=OTHER_BIDDER)
    first, second = await appoint(f"{PREFECTURE}/hanako"), await appoint(f"{PREFECTURE}/taro")
    proposal = await first.propose_undo(visit)
    assert (await registry.resolve(visit)).bidder_id == BIDDER
    approved = await second.approve(proposal)
    assert list(approved.not_yet_effective_at) == []
    for agency in (PREFECTURE, CITY):
        assert (await registry.resolve(visit, agency)).verdict == Verdict.VERDICT_BINDING_ENDED
    for peer in (registry.contact_notification, registry.agency_sync):
        ((state,),) = peer.card_states
        assert state.binding == card_state_pb2.BINDING_STATE_RELEASED
        assert {of.state for of in state.registrations} == {card_state_pb2.REGISTRATION_STATE_ENDED}
    await registry.run_jobs()
    notice = registry.contact_notification.notices[-1]
    assert notice.kind == contact_pb2.NOTICE_KIND_BINDING_UNDONE
    assert (notice.card.bidder_id, notice.card.certificate_sha256) == (BIDDER, visit.card.sha256)
    again, _ = await registry.register_new(visit.card, bidder_id=OTHER_BIDDER)
    assert (await registry.resolve(again)).bidder_id == OTHER_BIDDER
    # On the record: who proposed and who approved, each by a signed act.
    acts = await registry.rows(
        "SELECT who, what FROM history_entry JOIN history_details USING (number) "
        "WHERE who LIKE 'officer%' AND details LIKE '%\"act\"%' ORDER BY number"
    )
    assert acts == [
        (f"officer {first.name}", "proposed"),
        (f"officer {second.name}", "proposal approved"),
        (f"officer {second.name}", "binding undone"),
    ]


@pytest.mark.requirement("CRD-06")
async def test_binding_that_was_undone_is_not_undone_again(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    visit = await register_wrongly(registry)
    first, second = await appoint(f"{PREFECTURE}/hanako"), await appoint(f"{PREFECTURE}/taro")
    proposal, same = await first.propose_undo(visit), await first.propose_undo(visit)
    await second.approve(proposal)
    with pytest.raises(Refusal, match="PROPOSAL_TARGET_CHANGED"):
        await second.approve(same)
    assert (await second.find_proposal(same)).state == proposals_pb2.PROPOSAL_STATE_VOID
    with pytest.raises(Refusal, match="PROPOSAL_CLOSED"):
        await second.approve(proposal)
    with pytest.raises(Refusal, match="BINDING_UNDONE"):
        await first.propose_undo(visit)
    # The officer means the old binding, and the card has a new one.
    await registry.register_new(visit.card, bidder_id=OTHER_BIDDER)
    with pytest.raises(Refusal, match="BINDING_UNKNOWN"):
        await first.propose_undo(visit)


@pytest.mark.requirement("CRD-06")
async def test_officers_of_the_agency_where_it_began_undo_it_and_the_operators(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    visit = await register_wrongly(registry)
    city = await appoint(f"{CITY}/kumiko")
    with pytest.raises(Refusal, match="BINDING_OF_ANOTHER_AGENCY"):
        await city.propose_undo(visit)
    with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
        await city.propose_undo(visit, agency=PREFECTURE)
    proposal = await (await appoint(f"{PREFECTURE}/hanako")).propose_undo(visit)
    with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
        await city.approve(proposal)
    first, second = await appoint(f"{OPERATOR}/jiro"), await appoint(f"{OPERATOR}/saburo")
    await second.approve(await first.propose_undo(visit))
    assert (await registry.resolve(visit)).verdict == Verdict.VERDICT_BINDING_ENDED


@pytest.mark.requirement("CRD-06")
async def test_closed_binding_is_not_undone(registry: RunningCertificateRegistry, appoint: Appoint) -> None:
    visit = await register_wrongly(registry)
    await registry.end_binding("closed", "transfer")
    with pytest.raises(Refusal, match="BINDING_ENDED"):
        await (await appoint(f"{PREFECTURE}/hanako")).propose_undo(visit)


@pytest.mark.requirement("CRD-06")
async def test_proposal_is_void_when_the_card_registered_at_a_further_agency(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    visit = await register_wrongly(registry)
    first, second = await appoint(f"{PREFECTURE}/hanako"), await appoint(f"{PREFECTURE}/taro")
    proposal = await first.propose_undo(visit)
    await registry.register_new(visit.card, agency=TOWN)
    with pytest.raises(Refusal, match="PROPOSAL_TARGET_CHANGED"):
        await second.approve(proposal)
    assert (await registry.resolve(visit, TOWN)).bidder_id == BIDDER


@pytest.mark.requirement("CRD-06")
@pytest.mark.parametrize("undo_is_first", [True, False])
async def test_undo_while_the_card_registers_has_one_outcome(
    registry: RunningCertificateRegistry, appoint: Appoint, undo_is_first: bool
) -> None:
    visit = await register_wrongly(registry)
    first, second = await appoint(f"{PREFECTURE}/hanako"), await appoint(f"{PREFECTURE}/taro")
    proposal = await first.propose_undo(visit)
    further = await registry.prepare(Visit(visit.card, agency=TOWN))
    calls: list[Callable[[], Awaitable[Any]]] = [lambda: second.approve(proposal), lambda: registry.register(further)]
    tasks: list[asyncio.Task[Any]] = []
    # Both wait for the card, one behind the other.
    async with registry.database.transaction() as connection:
        await connection.execute("SELECT FROM card FOR UPDATE")
        for call in calls if undo_is_first else reversed(calls):
            tasks.append(asyncio.ensure_future(call()))
            await wait_until(partial(count_waiting, registry, len(tasks)))
    results = await asyncio.gather(*tasks, return_exceptions=True)
    approved, registered = results if undo_is_first else reversed(results)
    assert not isinstance(registered, BaseException)
    live = await registry.rows("SELECT number FROM binding WHERE ended_at IS NULL")
    if undo_is_first:
        assert not isinstance(approved, BaseException)
        # The card registered anew.
        assert live == [(2,)]
    else:
        # The binding is not what the officers saw.
        assert isinstance(approved, Refusal)
        assert approved.reason == "PROPOSAL_TARGET_CHANGED"
        assert live == [(1,)]
    assert (await registry.resolve(further)).verdict == Verdict.VERDICT_GOOD


@pytest.mark.requirement("CRD-06")
async def test_suspension_at_an_agency_ends_with_the_binding_and_that_of_the_card_stays(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    visit = await register_wrongly(registry)
    operators = [await appoint(f"{OPERATOR}/{person}", "suspension") for person in ("hanako", "taro")]
    first, second = operators
    await first.suspend(visit, agency=CITY)
    await first.suspend(visit)
    await second.approve(await first.propose_undo(visit))
    (listed,) = await first.list_cards()
    assert [suspension.agency for suspension in listed.suspensions] == [OPERATOR]
    with pytest.raises(Refusal, match="CARD_SUSPENDED"):
        await registry.log_in(Visit(visit.card))
    await second.approve(await first.propose_resumption(visit))
    await registry.register_new(visit.card, agency=CITY, bidder_id=OTHER_BIDDER)
