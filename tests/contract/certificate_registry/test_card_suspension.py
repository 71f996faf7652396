"""Officers suspend and resume cards: at their agency, the operator's in the whole instance (LIF-04)."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from instance_profile.japan_time import JAPAN
from refusals import Refusal
from tests.support.example_profile import BIDDER, CITY, OTHER_BIDDER, PREFECTURE, TOWN
from tests.support.services.card_officer import REASON, CardOfficer
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from toroku.certificate.v1 import card_state_pb2, user_lookup_pb2
from toroku.contact.v1 import contact_pb2
from toroku.officer.v1 import proposals_pb2

Verdict = user_lookup_pb2.ResolveUserResponse
GOOD, SUSPENDED = Verdict.VERDICT_GOOD, Verdict.VERDICT_CARD_SUSPENDED
OPERATOR = "operator"
Appoint = Callable[..., Awaitable[CardOfficer]]
pytestmark = pytest.mark.requirement("LIF-04")


@pytest.fixture
async def appoint(registry: RunningCertificateRegistry) -> Appoint:
    """Appoints an officer with the role suspension."""

    async def appoint(name: str, *roles: str) -> CardOfficer:
        return await registry.appoint(name, *(roles or ("suspension",)))

    return appoint


async def register_everywhere(registry: RunningCertificateRegistry) -> Visit:
    """Registers a card at the prefecture, from where it is propagated to city and town; all are told."""
    visit, registration = await registry.register_new()
    await registry.propagate({agency: [registration.registration_id] for agency in (CITY, TOWN)})
    await registry.run_jobs()
    for peer in (registry.contact_notification, registry.agency_sync):
        peer.card_states.clear()
    return visit


async def read_verdicts(registry: RunningCertificateRegistry, visit: Visit) -> dict[str, int]:
    """Returns the verdict of each agency's e-bidding system."""
    return {agency: (await registry.resolve(visit, agency)).verdict for agency in (PREFECTURE, CITY, TOWN)}


def told(registry: RunningCertificateRegistry) -> list[list[card_state_pb2.CardState]]:
    """Returns the states that contact-notification and agency-sync were told of."""
    peers = (registry.contact_notification, registry.agency_sync)
    return [[state for states in peer.card_states for state in states] for peer in peers]


async def read_acts(registry: RunningCertificateRegistry) -> list[tuple[str, str]]:
    """Returns what officers did, by the history, oldest first."""
    rows = await registry.rows(
        "SELECT who, what FROM history_entry WHERE who LIKE 'officer%' OR what LIKE '%lapsed' ORDER BY number"
    )
    return [(who, what) for who, what in rows]


async def test_suspension_at_an_agency_counts_there_at_once(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    visit = await register_everywhere(registry)
    officer = await appoint(f"{CITY}/hanako")
    response = await officer.suspend(visit)
    assert await read_verdicts(registry, visit) == {PREFECTURE: GOOD, CITY: SUSPENDED, TOWN: GOOD}
    # Both consumers know already, before any job ran.
    assert list(response.not_yet_effective_at) == []
    for states in told(registry):
        (state,) = states
        assert not state.suspended
        assert {of.agency: (of.state, of.reason) for of in state.registrations if of.reason} == {
            CITY: (card_state_pb2.REGISTRATION_STATE_SUSPENDED, "suspended by an officer")
        }
    with pytest.raises(Refusal, match="CARD_SUSPENDED"):
        await registry.log_in(Visit(visit.card, agency=CITY))
    assert await read_acts(registry) == [(f"officer {CITY}/hanako", "card suspended")]
    # The bidder's contacts are told.
    await registry.run_jobs()
    notice = registry.contact_notification.notices[-1]
    assert notice.kind == contact_pb2.NOTICE_KIND_CARD_SUSPENDED
    assert (notice.card.agency, notice.card.bidder_id) == (CITY, BIDDER)


async def test_operator_suspends_in_the_whole_instance(registry: RunningCertificateRegistry, appoint: Appoint) -> None:
    visit = await register_everywhere(registry)
    officer = await appoint(f"{OPERATOR}/taro")
    await officer.suspend(visit)
    assert set((await read_verdicts(registry, visit)).values()) == {SUSPENDED}
    assert [[state.suspended for state in states] for states in told(registry)] == [[True], [True]]
    # At an agency too, as an officer of that agency would.
    await officer.suspend(visit, agency=CITY)
    (listed,) = await officer.list_cards()
    assert [suspension.agency for suspension in listed.suspensions] == [CITY, OPERATOR]


async def test_service_that_is_away_is_named_and_told_after_it_recovered(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    visit = await register_everywhere(registry)
    registry.agency_sync.failing = True
    response = await (await appoint(f"{PREFECTURE}/hanako")).suspend(visit)
    assert list(response.not_yet_effective_at) == ["agency-sync"]
    assert (await registry.resolve(visit)).verdict == SUSPENDED
    assert [len(states) for states in told(registry)] == [1, 0]
    queues = await registry.rows("SELECT queue_name FROM jobs.procrastinate_jobs WHERE task_name = 'deliver_stop'")
    assert sorted(queue for (queue,) in queues) == ["stop_to_agency_sync", "stop_to_contact_notification"]
    registry.agency_sync.failing = False
    await registry.run_jobs()
    of_contacts, of_sync = told(registry)
    assert of_sync == of_contacts[:1]


async def test_officer_does_not_wait_for_a_service_that_hangs(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    visit = await register_everywhere(registry)
    goes_on = asyncio.Event()

    async def hang() -> None:
        await goes_on.wait()

    registry.contact_notification.before_answer = registry.agency_sync.before_answer = hang
    response = await (await appoint(f"{PREFECTURE}/hanako")).suspend(visit)
    goes_on.set()
    assert list(response.not_yet_effective_at) == ["agency-sync", "contact-notification"]
    assert (await registry.resolve(visit)).verdict == SUSPENDED


async def test_suspension_that_nobody_confirmed_lapses_after_three_working_days(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    visit = await register_everywhere(registry)
    officer = await appoint(f"{PREFECTURE}/hanako")
    # The last days of a year, on which and on the first ones of the next no office works.
    registry.now[0] = datetime(registry.now[0].year + 1, 12, 30, 9, tzinfo=JAPAN)
    lapses_at = (await officer.suspend(visit)).lapses_at.ToDatetime(UTC)
    year = registry.now[0].year + 1
    # Three working days begin on 4 January at the earliest; a weekend and a holiday may follow.
    assert datetime(year, 1, 7, tzinfo=JAPAN) <= lapses_at <= datetime(year, 1, 13, tzinfo=JAPAN)
    registry.now[0] = lapses_at - timedelta(seconds=1)
    await registry.run_task("lapse_suspensions")
    assert (await registry.resolve(visit)).verdict == SUSPENDED
    (listed,) = await officer.list_cards()
    assert listed.suspensions[0].lapses_at.ToDatetime(UTC) == lapses_at
    registry.now[0] = lapses_at
    await registry.run_task("lapse_suspensions")
    assert (await registry.resolve(visit)).verdict == GOOD
    await registry.run_jobs()
    assert [len(states[-1].registrations) for states in told(registry)] == [3, 3]
    assert (await officer.list_cards())[0].suspensions == []
    assert (await read_acts(registry))[-1] == ("certificate-registry", "card suspension lapsed")


async def test_another_person_confirms_and_then_it_does_not_lapse(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    visit = await register_everywhere(registry)
    first, second = await appoint(f"{PREFECTURE}/hanako"), await appoint(f"{PREFECTURE}/taro")
    lapses_at = (await first.suspend(visit)).lapses_at.ToDatetime(UTC)
    with pytest.raises(Refusal, match="SUSPENSION_OWN"):
        await first.confirm(visit)
    await second.confirm(visit)
    with pytest.raises(Refusal, match="SUSPENSION_CONFIRMED"):
        await second.confirm(visit)
    registry.now[0] = lapses_at
    await registry.run_task("lapse_suspensions")
    assert (await registry.resolve(visit)).verdict == SUSPENDED
    (listed,) = await second.list_cards()
    (suspension,) = listed.suspensions
    assert (suspension.suspended_by, suspension.confirmed_by) == (first.name, second.name)
    assert not suspension.HasField("lapses_at")


async def test_what_is_suspended_is_not_suspended_again_and_what_is_not_is_not_resumed(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    visit = await register_everywhere(registry)
    first, second = await appoint(f"{CITY}/hanako"), await appoint(f"{CITY}/taro")
    for call in (first.propose_resumption(visit), first.confirm(visit)):
        with pytest.raises(Refusal, match="CARD_NOT_SUSPENDED"):
            await call
    await first.suspend(visit)
    for officer in (first, second):
        with pytest.raises(Refusal, match="CARD_ALREADY_SUSPENDED"):
            await officer.suspend(visit)
    with pytest.raises(Refusal, match="BINDING_UNKNOWN"):
        await first.suspend(visit, bidder_id=OTHER_BIDDER)
    with pytest.raises(Refusal, match="OFFICER_REASON_INVALID"):
        await first.suspend(visit, reason=" ")
    village = await appoint("village/shiro")
    with pytest.raises(Refusal, match="CARD_NOT_REGISTERED"):
        await village.suspend(visit)


async def test_two_persons_resume_a_card(registry: RunningCertificateRegistry, appoint: Appoint) -> None:
    visit = await register_everywhere(registry)
    first, second = await appoint(f"{PREFECTURE}/hanako"), await appoint(f"{PREFECTURE}/taro")
    await first.suspend(visit)
    proposal = await first.propose_resumption(visit)
    assert (await registry.resolve(visit)).verdict == SUSPENDED
    with pytest.raises(Refusal, match="PROPOSAL_OWN"):
        await first.approve(proposal)
    approved = await second.approve(proposal)
    assert list(approved.not_yet_effective_at) == []
    assert set((await read_verdicts(registry, visit)).values()) == {GOOD}
    for states in told(registry):
        assert {of.state for of in states[-1].registrations} == {card_state_pb2.REGISTRATION_STATE_GOOD}
    assert (await read_acts(registry))[-1] == (f"officer {second.name}", "card resumed")
    await registry.run_jobs()
    kinds = [notice.kind for notice in registry.contact_notification.notices[-2:]]
    assert kinds == [contact_pb2.NOTICE_KIND_CARD_SUSPENDED, contact_pb2.NOTICE_KIND_CARD_RESUMED]


async def test_proposal_is_void_when_the_card_changed_since(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    visit = await register_everywhere(registry)
    first, second = await appoint(f"{PREFECTURE}/hanako"), await appoint(f"{PREFECTURE}/taro")
    registry.now[0] = (await first.suspend(visit)).lapses_at.ToDatetime(UTC)
    proposal = await first.propose_resumption(visit)
    await registry.run_task("lapse_suspensions")
    with pytest.raises(Refusal, match="PROPOSAL_TARGET_CHANGED"):
        await second.approve(proposal)
    assert (await second.find_proposal(proposal)).state == proposals_pb2.PROPOSAL_STATE_VOID


async def test_proposal_that_nobody_decides_is_void_after_a_week(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    visit = await register_everywhere(registry)
    officer = await appoint(f"{PREFECTURE}/hanako")
    await officer.suspend(visit)
    proposal = await officer.propose_resumption(visit)
    kept = "SELECT (SELECT state FROM proposal), (SELECT count(*) FROM history_entry WHERE what = 'proposal void')"
    for passed, expected in ((timedelta(days=6, hours=23), ("open", 0)), (timedelta(hours=1), ("void", 1))):
        registry.pass_time(passed)
        for _ in range(2):
            await registry.run_task("void_proposals")
        assert await registry.rows(kept) == [expected]
    found = await officer.find_proposal(proposal)
    assert (found.state, found.because) == (proposals_pb2.PROPOSAL_STATE_VOID, "PROPOSAL_EXPIRED")


async def test_what_else_stops_a_card_stays(registry: RunningCertificateRegistry, appoint: Appoint) -> None:
    visit = await register_everywhere(registry)
    await registry.execute("UPDATE card_state SET suspended_because = 'stopped by its holder'")
    first, second = await appoint(f"{OPERATOR}/hanako"), await appoint(f"{OPERATOR}/taro")
    with pytest.raises(Refusal, match="CARD_NOT_SUSPENDED"):
        await first.propose_resumption(visit)
    await first.suspend(visit)
    await second.approve(await first.propose_resumption(visit))
    assert (await registry.resolve(visit)).verdict == SUSPENDED
    assert await registry.rows("SELECT suspended_because FROM card_state") == [("stopped by its holder",)]


async def test_repeated_request_has_the_same_outcome(registry: RunningCertificateRegistry, appoint: Appoint) -> None:
    visit = await register_everywhere(registry)
    officer = await appoint(f"{PREFECTURE}/hanako")
    request_id = str(uuid4())
    first = await officer.suspend(visit, request_id=request_id)
    registry.pass_time(timedelta(days=1))
    assert (await officer.suspend(visit, request_id=request_id)).lapses_at == first.lapses_at
    with pytest.raises(Refusal, match="REQUEST_ID_REUSED"):
        await officer.suspend(visit, request_id=request_id, reason="別の理由")
    assert await read_acts(registry) == [(f"officer {officer.name}", "card suspended")]


async def test_officer_acts_for_its_own_agency_with_the_role_only(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    visit = await register_everywhere(registry)
    officer = await appoint(f"{CITY}/hanako")
    for agency in (PREFECTURE, OPERATOR):
        with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
            await officer.suspend(visit, agency=agency)
    reader = await appoint(f"{CITY}/jiro", "registration")
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await reader.suspend(visit)
    assert (await registry.resolve(visit, CITY)).verdict == GOOD


async def test_officers_see_cards_of_their_agency_without_personal_data(
    registry: RunningCertificateRegistry, appoint: Appoint
) -> None:
    visit = await register_everywhere(registry)
    city, village = await appoint(f"{CITY}/hanako", "registration"), await appoint("village/shiro", "binding")
    await (await appoint(f"{PREFECTURE}/taro")).suspend(visit)
    queries: list[dict[str, Any]] = [{"bidder_id": BIDDER}, {"certificate_sha256": visit.card.sha256}]
    for query in queries:
        (listed,) = await city.list_cards(**query)
        assert listed.state.certificate_sha256 == visit.card.sha256
        assert (listed.bound_by_agency, listed.issuer) == (PREFECTURE, registry.ca.certificate.subject.rfc4514_string())
        assert len(listed.state.registrations) == 3
        # Another agency's reasons are not theirs to read.
        assert list(listed.suspensions) == []
        assert "holder" not in listed.DESCRIPTOR.fields_by_name
        assert await village.list_cards(**query) == []
    assert await city.list_cards(bidder_id=OTHER_BIDDER) == []
    assert await city.list_cards(bidder_id=BIDDER, after=visit.card.sha256) == []
    for query in ({"most": 1}, queries[0] | queries[1]):
        with pytest.raises(Refusal, match="CARD_OR_BIDDER_MISSING"):
            await city.list_cards(**query)
    for query in (queries[0] | {"most": 101}, queries[0] | {"after": b"short"}):
        with pytest.raises(Refusal, match="PAGE_INVALID"):
            await city.list_cards(**query)
    (listed,) = await (await appoint(f"{PREFECTURE}/jiro")).list_cards()
    assert [suspension.reason for suspension in listed.suspensions] == [REASON]
