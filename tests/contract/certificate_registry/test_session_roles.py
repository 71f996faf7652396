"""Log-in for a change, a renewal and a view: which cards get a session, in which role, and what a check tells."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from refusals import Refusal
from tests.support.contractor import altered, signed
from tests.support.example_profile import BIDDER, CITY, GOODS, PREFECTURE, VILLAGE, WORKS
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.statements import counted_statements
from toroku.certificate.v1 import card_pb2, card_state_pb2
from toroku.qualification.v1 import bidder_state_pb2

CHANGE, RENEWAL, VIEW = card_pb2.OPERATION_CHANGE, card_pb2.OPERATION_RENEWAL, card_pb2.OPERATION_VIEW
OLD, NEW, SOLE = card_pb2.CARD_ROLE_OLD, card_pb2.CARD_ROLE_NEW, card_pb2.CARD_ROLE_UNSPECIFIED
# What only a registered card may do, and what any card may.
AS_CHANGE: dict[str, Any] = {"operation": CHANGE}
AS_OLD: dict[str, Any] = {"operation": RENEWAL, "role": OLD}
AS_NEW: dict[str, Any] = {"operation": RENEWAL, "role": NEW}
AS_VIEW: dict[str, Any] = {"operation": VIEW}


def _again(visit: Visit, way: dict[str, Any], **changes: Any) -> Visit:
    """Returns a new visit with the same card."""
    return Visit(visit.card, **way, **changes)


@pytest.mark.parametrize("way", [AS_CHANGE, AS_OLD])
async def test_registered_card_gets_a_session(registry: RunningCertificateRegistry, way: dict[str, Any]) -> None:
    registered, registration = await registry.register_new()
    visit = _again(registered, way)
    opened = await registry.log_in(visit)
    assert opened.standing == card_pb2.CARD_STANDING_REGISTERED_HERE
    checked = await registry.check(visit)
    assert checked.role == way.get("role", SOLE)
    assert checked.card.certificate_sha256 == checked.card_state.certificate_sha256 == visit.card.sha256
    assert checked.card_state.bidder_id == BIDDER
    assert [one.registration_id for one in checked.card_state.registrations] == [registration.registration_id]
    assert not checked.bidder_suspended


@pytest.mark.parametrize("way", [AS_CHANGE, AS_OLD])
async def test_card_that_is_not_registered_here_gets_no_session(
    registry: RunningCertificateRegistry, way: dict[str, Any]
) -> None:
    registered, _ = await registry.register_new()
    for visit in (
        Visit(registry.card(), **way),
        _again(registered, way, agency=CITY),
        _again(registered, way, category=GOODS),
    ):
        with pytest.raises(Refusal, match="CARD_NOT_REGISTERED_HERE"):
            await registry.log_in(visit)
    await registry.end_binding("released", "officer")
    with pytest.raises(Refusal, match="CARD_NOT_REGISTERED_HERE"):
        await registry.log_in(_again(registered, way))
    assert await registry.rows("SELECT operation FROM card_session") == [("registration",)]


@pytest.mark.parametrize("way", [AS_CHANGE, AS_OLD, AS_NEW, {}])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE registration SET state = 'suspended', reason = 'officer'", "CARD_SUSPENDED"),
        ("UPDATE card_state SET suspended_because = 'officer'", "CARD_SUSPENDED"),
        ("UPDATE registration SET state = 'replaced', reason = 'renewal', replaced_by = 'new'", "CARD_REPLACED"),
        ("UPDATE binding SET ended_at = now(), ended_as = 'closed', ended_because = 'renewal'", "CARD_REPLACED"),
        ("UPDATE binding SET ended_at = now(), ended_as = 'closed', ended_because = 'transfer'", "CARD_BINDING_ENDED"),
    ],
)
async def test_card_that_is_not_good_gets_a_session_for_a_view_only(
    registry: RunningCertificateRegistry, way: dict[str, Any], change: str, reason: str
) -> None:
    registered, _ = await registry.register_new()
    await registry.execute(change)
    with pytest.raises(Refusal, match=reason):
        await registry.log_in(_again(registered, way))
    view = _again(registered, AS_VIEW)
    assert (await registry.log_in(view)).standing == card_pb2.CARD_STANDING_UNSPECIFIED
    assert (await registry.check(view)).card_state.certificate_sha256 == registered.card.sha256


async def test_replaced_card_is_told_so_at_other_agencies_once_its_binding_is_closed(
    registry: RunningCertificateRegistry,
) -> None:
    registered, _ = await registry.register_new()
    await registry.execute("UPDATE registration SET state = 'replaced', reason = 'renewal', replaced_by = 'new'")
    with pytest.raises(Refusal, match="CARD_NOT_REGISTERED_HERE"):
        await registry.log_in(_again(registered, AS_CHANGE, agency=CITY))
    await registry.end_binding("closed", "renewal")
    for agency in (PREFECTURE, CITY):
        with pytest.raises(Refusal, match="CARD_REPLACED"):
            await registry.log_in(_again(registered, AS_CHANGE, agency=agency))


@pytest.mark.parametrize("way", [AS_CHANGE, AS_OLD])
@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (bidder_state_pb2.BIDDER_STATUS_SUSPENDED, "BIDDER_SUSPENDED"),
        (bidder_state_pb2.BIDDER_STATUS_ENDED, "BIDDER_ENDED"),
    ],
)
async def test_bidder_that_may_not_act_gets_no_session(
    registry: RunningCertificateRegistry,
    way: dict[str, Any],
    status: "bidder_state_pb2.BidderStatus.ValueType",
    reason: str,
) -> None:
    registered, _ = await registry.register_new()
    await registry.record_bidder(status, 1)
    with pytest.raises(Refusal, match=reason):
        await registry.log_in(_again(registered, way))
    await registry.log_in(_again(registered, AS_VIEW))


async def test_check_says_whether_the_bidder_is_suspended_here(registry: RunningCertificateRegistry) -> None:
    registered, _ = await registry.register_new()
    here, elsewhere = _again(registered, AS_VIEW), _again(registered, AS_VIEW, agency=CITY)
    for visit in (here, elsewhere):
        await registry.log_in(visit)
    active = bidder_state_pb2.BIDDER_STATUS_ACTIVE
    await registry.record_bidder(active, 1, suspended_agencies=[CITY])
    assert [(await registry.check(visit)).bidder_suspended for visit in (here, elsewhere)] == [False, True]
    await registry.record_bidder(bidder_state_pb2.BIDDER_STATUS_SUSPENDED, 2)
    assert [(await registry.check(visit)).bidder_suspended for visit in (here, elsewhere)] == [True, True]
    await registry.record_bidder(active, 3)
    assert [(await registry.check(visit)).bidder_suspended for visit in (here, elsewhere)] == [False, False]


async def test_check_tells_no_state_of_a_card_that_was_never_bound(registry: RunningCertificateRegistry) -> None:
    for way in (AS_VIEW, AS_NEW):
        visit = Visit(registry.card(), **way)
        await registry.log_in(visit)
        checked = await registry.check(visit)
        assert not checked.HasField("card_state")
        assert not checked.bidder_suspended


async def test_check_tells_the_state_of_an_ended_binding(registry: RunningCertificateRegistry) -> None:
    registered, _ = await registry.register_new()
    await registry.end_binding("closed", "transfer")
    visit = _again(registered, AS_VIEW)
    await registry.log_in(visit)
    state = (await registry.check(visit)).card_state
    assert (state.binding, state.binding_reason) == (card_state_pb2.BINDING_STATE_CLOSED, "transfer")


async def test_check_takes_one_statement_with_and_without_the_state(registry: RunningCertificateRegistry) -> None:
    registered, _ = await registry.register_new()
    visit = Visit(registered.card, agency=CITY)
    await registry.log_in(visit)
    with counted_statements() as statements:
        checked = await registry.check(visit)
    assert len(statements) == 1
    assert not checked.HasField("card_state")
    assert checked.role == SOLE
    view = _again(registered, AS_VIEW)
    await registry.log_in(view)
    with counted_statements() as statements:
        checked = await registry.check(view)
    assert len(statements) == 1
    assert checked.HasField("card_state")


async def test_new_card_gets_a_session_unless_it_is_registered_here(registry: RunningCertificateRegistry) -> None:
    visit = Visit(registry.card(), **AS_NEW)
    assert (await registry.log_in(visit)).standing == card_pb2.CARD_STANDING_NEW
    assert (await registry.check(visit)).role == NEW
    registered, _ = await registry.register_new()
    elsewhere = await registry.log_in(_again(registered, AS_NEW, agency=CITY))
    assert elsewhere.standing == card_pb2.CARD_STANDING_REGISTERED_ELSEWHERE
    # Its registration is no renewal.
    for request_id in ("", registered.request_id, str(uuid4())):
        with pytest.raises(Refusal, match="CARD_ALREADY_REGISTERED"):
            await registry.log_in(_again(registered, AS_NEW), resume=request_id)


async def test_request_id_of_the_renewal_opens_a_read_only_session_of_the_new_card(
    registry: RunningCertificateRegistry,
) -> None:
    registered, _ = await registry.register_new()
    await registry.execute("UPDATE request_outcome SET method = 'renew'")
    visit = _again(registered, AS_NEW)
    opened = await registry.log_in(visit, resume=registered.request_id)
    assert opened.standing == card_pb2.CARD_STANDING_REGISTERED_HERE
    assert await registry.rows("SELECT role FROM card_session WHERE read_only") == [("new",)]
    # Nor is it a registration.
    with pytest.raises(Refusal, match="CARD_ALREADY_REGISTERED"):
        await registry.log_in(Visit(registered.card), resume=registered.request_id)


@pytest.mark.parametrize(
    ("operation", "role"),
    [
        (RENEWAL, SOLE),
        (RENEWAL, 7),
        (CHANGE, OLD),
        (VIEW, NEW),
        (card_pb2.OPERATION_REGISTRATION, OLD),
    ],
)
async def test_role_that_no_card_has_in_the_operation_is_refused(
    registry: RunningCertificateRegistry, operation: Any, role: Any
) -> None:
    visit = Visit(registry.card(), operation=operation, role=role)
    with pytest.raises(Refusal, match="CARD_ROLE_INVALID"):
        await registry.challenge(visit)
    log_in = signed(visit.card, (await registry.challenge(Visit(visit.card))).purpose)
    with pytest.raises(Refusal, match="CARD_ROLE_INVALID"):
        await registry.open(visit, log_in)


async def test_log_in_of_one_role_or_operation_opens_no_session_of_another(
    registry: RunningCertificateRegistry,
) -> None:
    registered, _ = await registry.register_new()
    for way, other, reason in (
        (AS_OLD, AS_NEW, "PURPOSE_FOR_ANOTHER_ROLE"),
        (AS_NEW, AS_OLD, "PURPOSE_FOR_ANOTHER_ROLE"),
        (AS_CHANGE, AS_VIEW, "PURPOSE_FOR_ANOTHER_OPERATION"),
        (AS_VIEW, AS_CHANGE, "PURPOSE_FOR_ANOTHER_OPERATION"),
        (AS_OLD, AS_CHANGE, "PURPOSE_FOR_ANOTHER_OPERATION"),
    ):
        visit = _again(registered, way)
        log_in = signed(visit.card, (await registry.challenge(visit)).purpose)
        with pytest.raises(Refusal, match=reason):
            await registry.open(replace(visit, **({"role": SOLE} | other)), log_in)
    visit = _again(registered, AS_OLD)
    purpose = altered((await registry.challenge(visit)).purpose, role="new")
    with pytest.raises(Refusal, match="PURPOSE_ALTERED"):
        await registry.open(_again(registered, AS_NEW), signed(visit.card, purpose))


async def test_session_is_good_for_its_operation_only(registry: RunningCertificateRegistry) -> None:
    registered, _ = await registry.register_new()
    for way in (AS_CHANGE, AS_OLD, AS_VIEW):
        visit = _again(registered, way)
        await registry.log_in(visit)
        for operation in {card_pb2.OPERATION_REGISTRATION, CHANGE, RENEWAL, VIEW} - {visit.operation}:
            with pytest.raises(Refusal, match="CARD_SESSION_FOR_ANOTHER_OPERATION"):
                await registry.check(visit, operation=operation)
        with pytest.raises(Refusal, match="CARD_SESSION_FOR_ANOTHER_OPERATION"):
            await registry.check_registrable(visit)


@pytest.mark.parametrize("way", [AS_CHANGE, AS_VIEW])
async def test_category_that_the_agency_does_not_offer_is_refused(
    registry: RunningCertificateRegistry, way: dict[str, Any]
) -> None:
    for agency, category, reason in (
        ("nowhere", WORKS, "AGENCY_UNKNOWN"),
        (CITY, "nothing", "CATEGORY_UNKNOWN"),
        (VILLAGE, GOODS, "CATEGORY_NOT_OFFERED"),
    ):
        with pytest.raises(Refusal, match=reason):
            await registry.challenge(Visit(registry.card(), agency=agency, category=category, **way))
