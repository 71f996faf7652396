"""Two officers take back a renewal that was made by mistake: the old card is good again, the new one is set free."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import psycopg
import pytest

from refusals import Refusal
from tests.support.example_profile import BIDDER, CITY, PREFECTURE, TOWN
from tests.support.services.card_officer import CardOfficer
from tests.support.services.card_renewal import Renewal, renew
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.waiting import wait_until
from toroku.certificate.v1 import card_state_pb2, certificate_registry_pb2, user_lookup_pb2
from toroku.contact.v1 import contact_pb2
from toroku.officer.v1 import proposals_pb2

Verdict = user_lookup_pb2.ResolveUserResponse
OPERATOR = "operator"
Appoint = Callable[..., Awaitable[CardOfficer]]


@pytest.fixture
async def appoint(registry: RunningCertificateRegistry) -> Appoint:
    """Appoints an officer who may undo bindings and renewals."""

    async def appoint(name: str, *roles: str) -> CardOfficer:
        return await registry.appoint(name, "binding", *roles)

    return appoint


async def register_at(registry: RunningCertificateRegistry, *agencies: str) -> Visit:
    """Registers a card at the prefecture, and by propagation at other agencies."""
    visit, registration = await registry.register_new()
    if agencies:
        await registry.propagate({agency: [registration.registration_id] for agency in agencies})
    await registry.run_jobs()
    return visit


async def verdicts(registry: RunningCertificateRegistry, visit: Visit, *agencies: str) -> list[str]:
    """Returns the verdict about a card at each agency."""
    found = [(await registry.resolve(visit, agency)).verdict for agency in agencies]
    return [Verdict.Verdict.Name(verdict).removeprefix("VERDICT_") for verdict in found]


async def renew_old(
    registry: RunningCertificateRegistry,
    old: Visit,
    *followed: str,
    new: Visit | None = None,
    agency: str = PREFECTURE,
    propagate: bool = True,
) -> Visit:
    """Renews a card by a new one, unless one is given, and has agencies follow; returns the new card's visit."""
    card = None if new is None else new.card
    renewal, renewed = await renew(registry, replace(old, agency=agency), card, propagate=propagate)
    if followed:
        await registry.propagate({place: [renewed.registration.registration_id] for place in followed})
    registry.agency_sync.card_states.clear()
    registry.contact_notification.card_states.clear()
    return Visit(renewal.new.card, agency)


async def appoint_two(appoint: Appoint, agency: str = PREFECTURE) -> tuple[CardOfficer, CardOfficer]:
    # A person belongs to one agency.
    return await appoint(f"{agency}/first-{agency}"), await appoint(f"{agency}/second-{agency}")


@pytest.mark.every_postgresql
async def test_two_officers_take_a_renewal_back_wherever_it_was_followed(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    old = await register_at(registry, CITY, TOWN)
    new = await renew_old(registry, old, CITY)
    assert await verdicts(registry, new, PREFECTURE, CITY, TOWN) == ["GOOD", "GOOD", "NOT_REGISTERED"]
    first, second = await appoint_two(appoint)
    proposal = await first.propose_reopening(old, new)
    assert await verdicts(registry, old, PREFECTURE, CITY, TOWN) == ["CARD_REPLACED", "CARD_REPLACED", "GOOD"]
    approved = await second.approve(proposal)
    assert list(approved.not_yet_effective_at) == []
    assert await verdicts(registry, old, PREFECTURE, CITY, TOWN) == ["GOOD"] * 3
    assert await verdicts(registry, new, PREFECTURE, CITY) == ["BINDING_ENDED"] * 2
    for peer in (registry.contact_notification, registry.agency_sync):
        told = {state.certificate_sha256: state for (state,) in peer.card_states}
        assert told[old.card.sha256].binding == card_state_pb2.BINDING_STATE_LIVE
        assert {of.state for of in told[old.card.sha256].registrations} == {card_state_pb2.REGISTRATION_STATE_GOOD}
        assert told[new.card.sha256].binding == card_state_pb2.BINDING_STATE_RELEASED
        assert {of.state for of in told[new.card.sha256].registrations} == {card_state_pb2.REGISTRATION_STATE_ENDED}
    acts = await registry.rows(
        "SELECT who, what, encode(certificate_sha256, 'hex') FROM history_entry JOIN history_details USING (number) "
        "WHERE who LIKE 'officer%' AND details LIKE '%\"act\"%' ORDER BY number"
    )
    assert acts == [
        (f"officer {first.name}", "proposed", old.card.sha256.hex()),
        (f"officer {second.name}", "proposal approved", old.card.sha256.hex()),
        (f"officer {second.name}", "registration reopened", old.card.sha256.hex()),
        (f"officer {second.name}", "renewal reversed", new.card.sha256.hex()),
    ]
    # The new card may be registered anew, also beside the old one.
    again, _ = await registry.register_new(new.card)
    assert await verdicts(registry, again, PREFECTURE) == ["GOOD"]
    assert await verdicts(registry, old, PREFECTURE) == ["GOOD"]


async def test_bidder_is_told_that_the_renewal_was_taken_back(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    old = await register_at(registry, CITY)
    new = await renew_old(registry, old, CITY)
    first, second = await appoint_two(appoint)
    await second.approve(await first.propose_reopening(old, new))
    await registry.run_jobs()
    notice = registry.contact_notification.notices[-1]
    assert notice.kind == contact_pb2.NOTICE_KIND_REGISTRATION_REOPENED
    told = notice.renewal
    assert (told.certificate_sha256, told.old_certificate_sha256) == (new.card.sha256, old.card.sha256)
    assert told.serial_decimal == str(new.card.certificate.serial_number)
    assert told.old_serial_decimal == str(old.card.certificate.serial_number)
    assert (told.agency, told.bidder_id, told.propagate) == (PREFECTURE, BIDDER, True)
    assert "" not in (told.registration_id, told.request_id)
    assert [recipient.WhichOneof("recipient") for recipient in notice.recipients] == ["bidder", "owner", "owner"]
    assert {recipient.owner.certificate_sha256 for recipient in notice.recipients[1:]} == {
        old.card.sha256,
        new.card.sha256,
    }


async def test_binding_that_the_renewal_closed_is_live_again(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    old = await register_at(registry)
    new = await renew_old(registry, old)
    assert await registry.rows("SELECT ended_as FROM binding WHERE ended_at IS NOT NULL") == [("closed",)]
    first, second = await appoint_two(appoint)
    await second.approve(await first.propose_reopening(old, new))
    bound = await registry.rows("SELECT certificate_sha256, ended_as FROM binding")
    assert {bytes(card): how for card, how in bound} == {old.card.sha256: None, new.card.sha256: "released"}
    # No other change of an ended binding is one that the database takes.
    for change in ("bidder_id = 'other', ended_at = NULL, ended_as = NULL, ended_because = NULL", "number = 7"):
        with pytest.raises(psycopg.errors.RaiseException):
            await registry.execute(f"UPDATE binding SET {change} WHERE ended_at IS NOT NULL")  # noqa: S608


async def test_what_the_new_card_had_before_the_renewal_stays(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    old = await register_at(registry, CITY, TOWN)
    new, _ = await registry.register_new(agency=TOWN)
    await renew_old(registry, old, CITY, TOWN, new=new)
    first, second = await appoint_two(appoint)
    await second.approve(await first.propose_reopening(old, new))
    assert await verdicts(registry, old, PREFECTURE, CITY, TOWN) == ["GOOD"] * 3
    assert await verdicts(registry, new, PREFECTURE, CITY, TOWN) == ["BINDING_ENDED", "BINDING_ENDED", "GOOD"]
    # It goes on there, and may be registered at the other agencies, or replace the old card again.
    further, _ = await registry.register_new(new.card, agency=CITY)
    await renew_old(registry, old, new=new)
    assert await verdicts(registry, further, PREFECTURE, CITY, TOWN) == ["GOOD"] * 3
    await second.approve(await first.propose_reopening(old, new))
    assert await verdicts(registry, new, PREFECTURE, CITY, TOWN) == ["BINDING_ENDED", "GOOD", "GOOD"]


async def test_suspension_of_the_new_card_at_an_agency_ends_with_its_registration(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    old = await register_at(registry)
    new, _ = await registry.register_new(agency=TOWN)
    await renew_old(registry, old, new=new)
    first, second = await appoint(f"{PREFECTURE}/hanako", "suspension"), await appoint(f"{PREFECTURE}/taro")
    await first.suspend(new)
    await second.approve(await first.propose_reopening(old, new))
    assert await registry.rows("SELECT count(*) FROM card_suspension") == [(0,)]
    assert await verdicts(registry, new, PREFECTURE, TOWN) == ["BINDING_ENDED", "GOOD"]


async def test_renewals_at_two_agencies_are_taken_back_each_by_its_own_officers(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    old = await register_at(registry, CITY, TOWN)
    new = await renew_old(registry, old, propagate=False)
    await renew_old(registry, old, TOWN, new=new, agency=CITY)
    first, second = await appoint_two(appoint)
    await second.approve(await first.propose_reopening(old, new))
    assert await verdicts(registry, old, PREFECTURE, CITY, TOWN) == ["GOOD", "CARD_REPLACED", "CARD_REPLACED"]
    with pytest.raises(Refusal, match="CARD_NOT_REPLACED"):
        await first.propose_reopening(old, new)
    town, _ = await appoint_two(appoint, TOWN)
    with pytest.raises(Refusal, match="BINDING_OF_ANOTHER_AGENCY"):
        await town.propose_reopening(old, new)
    first, second = await appoint_two(appoint, OPERATOR)
    await second.approve(await first.propose_reopening(old, new))
    assert await verdicts(registry, old, PREFECTURE, CITY, TOWN) == ["GOOD"] * 3
    assert await verdicts(registry, new, CITY, TOWN) == ["BINDING_ENDED"] * 2


async def test_what_is_not_a_renewal_is_not_reopened(registry: RunningCertificateRegistry, appoint: Appoint) -> None:
    old = await register_at(registry)
    other = await register_at(registry)
    first, second = await appoint_two(appoint)
    with pytest.raises(Refusal, match="CARD_NOT_REPLACED"):
        await first.propose_reopening(old, other)
    new = await renew_old(registry, old)
    for wrong in ({"replaced_by": other.card.sha256}, {"replaced_by": bytes(32)}):
        with pytest.raises(Refusal, match="CARD_NOT_REPLACED"):
            await first.propose_reopening(old, new, **wrong)
    with pytest.raises(Refusal, match="CARD_NOT_REPLACED"):
        await (await appoint(f"{CITY}/kumiko")).propose_reopening(old, new)
    with pytest.raises(Refusal, match="BINDING_UNKNOWN"):
        await first.propose_reopening(old, new, bidder_id="1")
    with pytest.raises(Refusal, match="OFFICER_REASON_INVALID"):
        await first.propose_reopening(old, new, reason="")
    with pytest.raises(Refusal, match="CERTIFICATE_SHA256_INVALID"):
        await first.propose_reopening(old, new, replaced_by=b"1")
    # A third card took the new one's place: that goes first.
    third = await renew_old(registry, new)
    with pytest.raises(Refusal, match="CARD_REPLACED_AGAIN"):
        await first.propose_reopening(old, new)
    await second.approve(await first.propose_reopening(new, third))
    await second.approve(await first.propose_reopening(old, new))
    assert await verdicts(registry, old, PREFECTURE) == ["GOOD"]
    await registry.end_binding("closed", "transfer")
    with pytest.raises(Refusal, match="BINDING_ENDED"):
        await first.propose_reopening(old, new)


async def test_old_card_is_good_again_where_the_new_ones_binding_was_undone(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    old = await register_at(registry)
    new = await renew_old(registry, old)
    first, second = await appoint_two(appoint)
    await second.approve(await first.propose_undo(new))
    again, _ = await registry.register_new(new.card)
    await second.approve(await first.propose_reopening(old, new))
    # What it registered since is not the renewal's.
    assert await verdicts(registry, again, PREFECTURE) == ["GOOD"]
    assert await verdicts(registry, old, PREFECTURE) == ["GOOD"]


@pytest.mark.parametrize("changed", ["old", "new"])
async def test_proposal_is_void_when_either_card_changed_since(
    registry: RunningCertificateRegistry, appoint: Appoint, changed: str
) -> None:
    old = await register_at(registry, CITY)
    new = await renew_old(registry, old)
    first, second = await appoint_two(appoint)
    proposal = await first.propose_reopening(old, new)
    if changed == "new":
        await registry.register_new(new.card, agency=TOWN)
    else:
        await (await appoint(f"{CITY}/kumiko", "suspension")).suspend(old)
    with pytest.raises(Refusal, match="PROPOSAL_TARGET_CHANGED"):
        await second.approve(proposal)
    assert (await second.find_proposal(proposal)).state == proposals_pb2.PROPOSAL_STATE_VOID
    assert await verdicts(registry, new, PREFECTURE) == ["GOOD"]


async def count_waiting(registry: RunningCertificateRegistry, expected: int) -> bool:
    """Returns whether so many transactions wait for a lock."""
    return await registry.rows(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ) == [(expected,)]


@pytest.mark.parametrize("act", ["undo", "reopening"])
@pytest.mark.parametrize("officers_are_first", [True, False])
async def test_act_of_officers_while_the_card_is_at_its_renewal_has_one_outcome(
    registry: RunningCertificateRegistry, appoint: Appoint, act: str, officers_are_first: bool
) -> None:
    older = await register_at(registry)
    old = await renew_old(registry, older) if act == "reopening" else older
    first, second = await appoint_two(appoint)
    proposal = await (first.propose_reopening(older, old) if act == "reopening" else first.propose_undo(old))
    renewal = await Renewal.of(registry, old).prepare()
    calls: list[Callable[[], Awaitable[Any]]] = [lambda: second.approve(proposal), renewal.commit]
    tasks: list[asyncio.Task[Any]] = []
    # Both wait for the card, one behind the other.
    async with registry.database.transaction() as connection:
        await connection.execute("SELECT FROM card WHERE certificate_sha256 = %s FOR UPDATE", [old.card.sha256])
        for call in calls if officers_are_first else reversed(calls):
            tasks.append(asyncio.ensure_future(call()))
            await wait_until(partial(count_waiting, registry, len(tasks)))
    results = await asyncio.gather(*tasks, return_exceptions=True)
    approved, renewed = results if officers_are_first else reversed(results)
    if officers_are_first:
        assert not isinstance(approved, BaseException)
        assert isinstance(renewed, Refusal)
        assert renewed.reason == "CARD_NOT_REGISTERED_HERE"
        assert await verdicts(registry, renewal.new, PREFECTURE) == ["NOT_REGISTERED"]
        assert await verdicts(registry, old, PREFECTURE) == ["BINDING_ENDED"]
    else:
        # The card is not what the officers saw.
        assert isinstance(approved, Refusal)
        assert approved.reason == "PROPOSAL_TARGET_CHANGED"
        assert not isinstance(renewed, BaseException)
        assert await verdicts(registry, renewal.new, PREFECTURE) == ["GOOD"]
        assert await verdicts(registry, old, PREFECTURE) == ["CARD_REPLACED"]
    good = await registry.rows("SELECT count(*) FROM registration WHERE state = 'good'")
    assert good == [(0 if act == "undo" and officers_are_first else 1,)]


async def test_renewal_that_was_taken_back_is_propagated_no_more(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    old = await register_at(registry, CITY)
    renewal, renewed = await renew(registry, old, propagate=True)
    first, second = await appoint_two(appoint)
    await second.approve(await first.propose_reopening(old, renewal.new))
    registration_id = renewed.registration.registration_id
    result = (await registry.propagate({CITY: [registration_id]}))[CITY, registration_id]
    assert result.result == certificate_registry_pb2.PropagatedRegistration.RESULT_CARD_NOT_GOOD
    assert await verdicts(registry, old, PREFECTURE, CITY) == ["GOOD"] * 2
    # A repeated request has its outcome, and the result of the renewal can be read.
    assert (await renewal.read()).registration == renewed.registration
    assert (await renewal.commit()).registration == renewed.registration


async def test_linked_card_has_its_predecessor_in_the_lookup(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    old, _ = await registry.register_new(registry.card(not_after=registry.now[0] + timedelta(minutes=5)))
    registry.pass_time(timedelta(hours=1))
    new, _ = await registry.register_new()
    assert (await registry.resolve(new)).predecessor == b""
    await (await appoint(f"{PREFECTURE}/hanako")).link(new, old)
    assert (await registry.resolve(new)).predecessor == old.card.sha256
    # It is no renewal that could be taken back.
    with pytest.raises(Refusal, match="CARD_NOT_REPLACED"):
        await (await appoint(f"{PREFECTURE}/taro")).propose_reopening(old, new)
