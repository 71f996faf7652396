"""Card states: one event per card, numbered in one order, handed over whole to both consumers."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from refusals import Refusal
from servicekit.messages import write_timestamp
from tests.support.example_profile import BIDDER, CITY, GOODS, OTHER_BIDDER, PREFECTURE, TOWN, VILLAGE, WORKS
from tests.support.services.card_visit import REQUEST_SHA256, Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.services.running_certificate_registry import running_certificate_registry
from toroku.certificate.v1 import card_pb2, card_state_pb2, user_lookup_pb2
from toroku.event.v1 import version_pb2
from toroku.qualification.v1 import bidder_pb2

GOOD = card_state_pb2.REGISTRATION_STATE_GOOD
BOTH_CONSUMERS = ["deliver_card_state", "deliver_card_state"]


def received(registry: RunningCertificateRegistry) -> list[card_state_pb2.CardState]:
    """Returns the states that both consumers got, in order; both got the same."""
    of_contacts, of_sync = (
        [state for states in peer.card_states for state in states]
        for peer in (registry.contact_notification, registry.agency_sync)
    )
    assert of_contacts == of_sync
    return of_contacts


async def read_state(registry: RunningCertificateRegistry, visit: Visit) -> card_state_pb2.CardState:
    """Returns the state as it is now."""
    return (await registry.outcome(visit)).card_state


async def test_registration_is_told_to_each_consumer_by_its_own_job(registry: RunningCertificateRegistry) -> None:
    visit, registration = await registry.register_new()
    assert [name for name in await registry.jobs_waiting() if name != "send_notices"] == BOTH_CONSUMERS
    await registry.run_jobs()
    (state,) = received(registry)
    certificate = visit.card.certificate
    assert state == card_state_pb2.CardState(
        certificate_sha256=visit.card.sha256,
        category=WORKS,
        version=version_pb2.Version(epoch=1, number=1),
        bidder_id=BIDDER,
        binding=card_state_pb2.BINDING_STATE_LIVE,
        proven=visit.proven,
        registrations=[
            card_state_pb2.AgencyRegistration(
                registration_id=registration.registration_id,
                agency=PREFECTURE,
                state=GOOD,
                origin=card_pb2.REGISTRATION_ORIGIN_CONTRACTOR,
                registered_at=registration.registered_at,
                request_id=visit.request_id,
                request_sha256=REQUEST_SHA256,
            )
        ],
        certificate=card_state_pb2.CertificateStanding(
            state=card_state_pb2.CertificateStanding.STATE_TRUSTED,
            not_before=write_timestamp(certificate.not_valid_before_utc),
            not_after=write_timestamp(certificate.not_valid_after_utc),
        ),
    )


async def test_version_rises_with_each_change_of_a_card(registry: RunningCertificateRegistry) -> None:
    visit, first = await registry.register_new()
    assert (await read_state(registry, visit)).version.number == 1
    await registry.register_new(visit.card, agency=CITY)
    assert (await read_state(registry, visit)).version.number == 2
    await registry.propagate({TOWN: [first.registration_id]})
    # A repetition changes nothing, and another category and another card count for themselves.
    await registry.propagate({TOWN: [first.registration_id]})
    goods, _ = await registry.register_new(visit.card, category=GOODS)
    other, _ = await registry.register_new()
    assert [(await read_state(registry, newer)).version.number for newer in (goods, other)] == [1, 1]
    # A repeated request gets the registration that it made, and counts nothing.
    assert (await registry.register(visit)).registration == first
    state = await read_state(registry, visit)
    assert (state.version.epoch, state.version.number) == (1, 3)
    assert [registration.agency for registration in state.registrations] == sorted([PREFECTURE, CITY, TOWN])


async def test_state_is_that_of_the_delivery_and_not_of_the_job(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    await registry.register_new(visit.card, agency=CITY)
    await registry.run_jobs()
    assert {state.version.number for state in received(registry)} == {2}
    assert {len(state.registrations) for state in received(registry)} == {2}


async def test_number_goes_on_in_a_new_epoch(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    await registry.execute("UPDATE epoch SET epoch = 2")
    await registry.register_new(visit.card, agency=CITY)
    state = await read_state(registry, visit)
    assert (state.version.epoch, state.version.number) == (2, 2)


async def test_concurrent_writers_number_without_gaps(registry: RunningCertificateRegistry) -> None:
    visit, first = await registry.register_new()
    others = [await registry.prepare(Visit(visit.card, agency=agency)) for agency in (CITY, TOWN)]
    propagation = asyncio.create_task(registry.propagate({VILLAGE: [first.registration_id]}))
    await asyncio.gather(*(registry.register(other) for other in others))
    await propagation
    state = await read_state(registry, visit)
    assert (state.version.number, len(state.registrations)) == (4, 4)


@pytest.mark.requirement("SYN-01")
@pytest.mark.every_postgresql
async def test_propagated_cards_are_told_in_one_message_for_each_consumer(registry: RunningCertificateRegistry) -> None:
    registered = [await registry.register_new() for _ in range(6)]
    ids = [registration.registration_id for _, registration in registered]
    await registry.run_jobs()
    for peer in (registry.contact_notification, registry.agency_sync):
        peer.card_states.clear()
    await registry.propagate({agency: ids for agency in (CITY, TOWN, VILLAGE)})
    assert await registry.jobs_waiting() == ["deliver_card_states", "deliver_card_states"]
    await registry.run_jobs()
    assert len(registry.contact_notification.card_states) == len(registry.agency_sync.card_states) == 1
    states = received(registry)
    assert {state.certificate_sha256 for state in states} == {visit.card.sha256 for visit, _ in registered}
    for state in states:
        assert state.version.number == 2
        origins = {registration.agency: registration.origin for registration in state.registrations}
        propagation = card_pb2.REGISTRATION_ORIGIN_PROPAGATION
        assert origins.pop(PREFECTURE) == card_pb2.REGISTRATION_ORIGIN_CONTRACTOR
        assert origins == dict.fromkeys((CITY, TOWN, VILLAGE), propagation)
        assert all(
            bool(registration.request_id) == (registration.agency == PREFECTURE) for registration in state.registrations
        )


async def test_states_and_notices_survive_a_crash_right_after_the_commit(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    dsn = migrated_database("certificate_registry")
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    async with running_certificate_registry(dsn, tmp_path / "before") as registry:
        visit, _ = await registry.register_new()
    # Nothing but the database is left of it.
    async with running_certificate_registry(dsn, tmp_path / "after") as registry:
        await registry.run_jobs()
        # Perhaps again: by the other CA of the second one the card is trusted no more.
        assert {state.certificate_sha256 for state in received(registry)} == {visit.card.sha256}
        assert len(registry.contact_notification.notices) == 2


async def test_failed_delivery_is_repeated_and_loses_nothing(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    before = await registry.jobs_waiting()
    registry.agency_sync.failing = True
    with pytest.raises(Refusal):
        await registry.run_jobs()
    registry.agency_sync.failing = False
    assert set(await registry.jobs_waiting()) <= set(before)
    await registry.run_jobs()
    assert [state.certificate_sha256 for state in received(registry)] == [visit.card.sha256]


async def test_state_that_a_consumer_refuses_comes_to_stand_alone(registry: RunningCertificateRegistry) -> None:
    registered = [await registry.register_new() for _ in range(5)]
    await registry.run_jobs()
    bad = registered[3][0].card.sha256
    registry.agency_sync.card_states.clear()
    registry.agency_sync.refused_cards = {bad}
    await registry.propagate({CITY: [registration.registration_id for _, registration in registered]})
    queue = "SELECT args FROM jobs.procrastinate_jobs WHERE queue_name = 'bulk_to_agency_sync'"
    # Each round halves what is refused; the refused state alone ends the last one.
    for _ in range(4):
        with contextlib.suppress(Refusal):
            await registry.run_jobs()
    # What is left is the job of the one state, and all others have arrived.
    ((arguments,),) = await registry.rows(queue)
    assert [sha256 for sha256, _ in arguments["arguments"]["cards"]] == [bad.hex()]
    taken = {
        state.certificate_sha256
        for states in registry.agency_sync.card_states
        for state in states
        if bad not in {other.certificate_sha256 for other in states}
    }
    assert taken == {visit.card.sha256 for visit, _ in registered} - {bad}


async def test_newest_proof_counts_and_a_password_stays_proven(registry: RunningCertificateRegistry) -> None:
    first = bidder_pb2.Proven(
        password=True,
        company=bidder_pb2.COMPANY_COMPARISON_UNREADABLE,
        holder=bidder_pb2.HOLDER_COMPARISON_CONTRACT_PARTY,
    )
    second = bidder_pb2.Proven(
        company=bidder_pb2.COMPANY_COMPARISON_SAME, holder=bidder_pb2.HOLDER_COMPARISON_REPRESENTATIVE
    )
    visit, _ = await registry.register_new(proven=first)
    assert (await read_state(registry, visit)).proven == first
    await registry.register_new(visit.card, agency=CITY, proven=second)
    assert (await read_state(registry, visit)).proven == bidder_pb2.Proven(
        password=True, company=second.company, holder=second.holder
    )


@pytest.mark.every_postgresql
async def test_rebound_card_keeps_its_ended_registration_as_a_row(registry: RunningCertificateRegistry) -> None:
    visit, first = await registry.register_new()
    await registry.end_binding("released", "wrong bidder")
    ended = await read_state(registry, visit)
    assert (ended.binding, ended.binding_reason) == (card_state_pb2.BINDING_STATE_RELEASED, "wrong bidder")
    assert [(of.state, of.reason) for of in ended.registrations] == [
        (card_state_pb2.REGISTRATION_STATE_ENDED, "wrong bidder")
    ]
    again, second = await registry.register_new(visit.card, bidder_id=OTHER_BIDDER)
    assert (await read_state(registry, again)).version.number == 2
    assert await registry.rows(
        "SELECT registration_id::text, binding_number, bidder_id, state, reason FROM registration "
        "ORDER BY binding_number"
    ) == [
        (first.registration_id, 1, BIDDER, "ended", "wrong bidder"),
        (second.registration_id, 2, OTHER_BIDDER, "good", None),
    ]
    # The first request still has its outcome, and the state is that of the newest binding.
    for of_request, registration in ((visit, first), (again, second)):
        outcome = await registry.outcome(of_request)
        assert outcome.registration.registration_id == registration.registration_id
        assert outcome.card_state.bidder_id == OTHER_BIDDER
        assert [of.registration_id for of in outcome.card_state.registrations] == [second.registration_id]
    assert (await registry.resolve(visit)).bidder_id == OTHER_BIDDER


@pytest.mark.requirement("CRD-06")
async def test_closed_card_can_not_register_anew(registry: RunningCertificateRegistry) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    await registry.register_new(visit.card, agency=CITY)
    await registry.end_binding("closed", "transfer")
    for call in (
        registry.register(visit),
        registry.log_in(Visit(visit.card)),
        registry.log_in(Visit(visit.card, TOWN)),
    ):
        with pytest.raises(Refusal, match="CARD_BINDING_ENDED"):
            await call
    assert await registry.rows("SELECT count(*) FROM registration") == [(1,)]


async def test_suspension_at_one_agency_leaves_the_others_good(registry: RunningCertificateRegistry) -> None:
    visit, registration = await registry.register_new()
    await registry.propagate({agency: [registration.registration_id] for agency in (CITY, TOWN)})
    await registry.execute(f"UPDATE registration SET state = 'suspended', reason = 'lost' WHERE agency = '{CITY}'")  # noqa: S608
    verdicts = {agency: (await registry.resolve(visit, agency)).verdict for agency in (PREFECTURE, CITY, TOWN)}
    assert verdicts == {
        PREFECTURE: user_lookup_pb2.ResolveUserResponse.VERDICT_GOOD,
        CITY: user_lookup_pb2.ResolveUserResponse.VERDICT_CARD_SUSPENDED,
        TOWN: user_lookup_pb2.ResolveUserResponse.VERDICT_GOOD,
    }
    state = await read_state(registry, visit)
    assert not state.suspended
    assert {of.agency: (of.state, of.reason) for of in state.registrations} == {
        PREFECTURE: (GOOD, ""),
        CITY: (card_state_pb2.REGISTRATION_STATE_SUSPENDED, "lost"),
        TOWN: (GOOD, ""),
    }
    with pytest.raises(Refusal, match="CARD_SUSPENDED"):
        await registry.log_in(Visit(visit.card, agency=CITY))
    await registry.register_new(visit.card, agency=VILLAGE)


@pytest.mark.parametrize("agency", [PREFECTURE, CITY])
async def test_card_suspended_in_the_whole_instance_registers_nowhere(
    registry: RunningCertificateRegistry, agency: str
) -> None:
    visit, _ = await registry.register_new()
    there = await registry.prepare(Visit(visit.card, agency=CITY))
    await registry.execute("UPDATE card_state SET suspended_because = 'lost'")
    assert (await read_state(registry, visit)).suspended
    calls: list[Any] = [
        registry.create_act(there),
        registry.register(there),
        registry.log_in(Visit(visit.card, agency)),
    ]
    for call in calls:
        with pytest.raises(Refusal, match="CARD_SUSPENDED"):
            await call
    await registry.execute("UPDATE card_state SET suspended_because = NULL")
    await registry.register(there)
