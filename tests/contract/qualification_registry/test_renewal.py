"""The bidder of a card that is renewed is proven without a search, by the rules of a search (REN-02)."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from qualification_registry.domain.bidders import BidderStatus
from refusals import Refusal
from tests.support.example_profile import BIDDER, CITY, GOODS, OTHER_BIDDER, PREFECTURE, TOWN, WORKS, example_profile
from tests.support.history import make_key, seal_all
from tests.support.officers import sign_and_call
from tests.support.services.bidder_officer import BidderOfficer
from tests.support.services.example_rosters import roster, roster_profile, row
from tests.support.services.qualification_registry import (
    CARD,
    RunningQualificationRegistry,
    running_qualification_registry,
)
from tests.support.ways_out import Way, require_way_out
from toroku.qualification.v1 import bidder_pb2, bidders_pb2, card_approvals_pb2
from toroku.qualification.v1.card_approvals_pb2_grpc import CardApprovalsStub
from toroku.qualification.v1.qualification_registry_pb2 import GetCompanyRequest, ProveBidderRequest

NAME, SUCCESSOR = "株式会社見本建設", "1000000003"
ANOTHER_COMPANY = "株式会社例示組"


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    rules = {PREFECTURE: "required", CITY: "officer"}
    agencies = [
        agency.model_dump() | {"company_match": rules.get(agency.code, "off")} for agency in example_profile().agencies
    ]
    profile = roster_profile(agencies=agencies)
    async with running_qualification_registry(
        migrated_database("qualification_registry"), tmp_path, profile
    ) as running:
        lines = (row(BIDDER, NAME), row(OTHER_BIDDER, ANOTHER_COMPANY), row(SUCCESSOR, NAME))
        await running.officer.import_roster(roster(*lines))
        yield running


async def refusal_of_renewal(
    registry: RunningQualificationRegistry, bidder_id: str = BIDDER, *, agency: str = PREFECTURE, company: str = NAME
) -> str:
    """Returns the reason why the bidder of a renewal is not proven; its words name a way to go."""
    with pytest.raises(Refusal) as caught:
        await registry.prove(bidder_id, agency=agency, certificate_company_name=company)
    require_way_out(caught.value)
    return caught.value.reason


async def link(registry: RunningQualificationRegistry, kind: bidders_pb2.SuccessionKind.ValueType) -> None:
    """Makes a bidder the successor of the one whose card is renewed."""
    mika = await registry.appoint(f"{PREFECTURE}/mika", "binding")
    taro = await registry.appoint(f"{PREFECTURE}/taro", "binding")
    await taro.approve(await mika.propose_link(SUCCESSOR, BIDDER, kind=kind))


async def ask(registry: RunningQualificationRegistry, name: str, mail_address: str = "koji@contractor.example") -> str:
    """Asks the city's officers about a new card with this company, and returns the number of the question."""
    request = ProveBidderRequest(
        agency=CITY, category=WORKS, bidder_id=BIDDER, certificate_sha256=CARD, certificate_company_name=name
    )
    response = await registry.front_door_approvals.AskForRenewalApproval(
        card_approvals_pb2.AskForRenewalApprovalRequest(bidder=request, mail_address=mail_address)
    )
    return response.number


async def decide(
    registry: RunningQualificationRegistry, number: str, *, approve: bool
) -> card_approvals_pb2.DecideCardApprovalResponse:
    """Decides about a card as an officer of the city."""
    rin: BidderOfficer = await registry.appoint(f"{CITY}/rin", "approval")
    request = card_approvals_pb2.DecideCardApprovalRequest(
        agency=CITY,
        category=WORKS,
        bidder_id=BIDDER,
        certificate_sha256=CARD,
        number=number,
        approve=approve,
        reason="確認済み",
    )
    response: card_approvals_pb2.DecideCardApprovalResponse = await sign_and_call(
        CardApprovalsStub(rin.person.channel).DecideCardApproval, request, rin.person
    )
    return response


async def test_company_of_a_known_bidder_is_that_of_the_agencys_roster(registry: RunningQualificationRegistry) -> None:
    response = await registry.front_door.GetCompany(
        GetCompanyRequest(agency=PREFECTURE, category=WORKS, bidder_id=BIDDER)
    )
    assert (response.company.bidder_id, response.company.name) == (BIDDER, NAME)
    for agency, category, bidder_id, reason in (
        (TOWN, WORKS, BIDDER, "BIDDER_NOT_QUALIFIED"),
        (PREFECTURE, GOODS, BIDDER, "BIDDER_NOT_QUALIFIED"),
        (PREFECTURE, WORKS, "9999999999", "BIDDER_NOT_QUALIFIED"),
        (PREFECTURE, WORKS, "1\0", "BIDDER_NOT_QUALIFIED"),
        ("nowhere", WORKS, BIDDER, "AGENCY_UNKNOWN"),
        (PREFECTURE, "nothing", BIDDER, "CATEGORY_UNKNOWN"),
    ):
        with pytest.raises(Refusal, match=reason):
            await registry.front_door.GetCompany(
                GetCompanyRequest(agency=agency, category=category, bidder_id=bidder_id)
            )
    await registry.end_bidder(BIDDER)
    with pytest.raises(Refusal, match="BIDDER_ENDED"):
        await registry.front_door.GetCompany(GetCompanyRequest(agency=PREFECTURE, category=WORKS, bidder_id=BIDDER))


async def test_bidder_of_a_renewal_is_proven_for_its_new_card_without_a_password(
    registry: RunningQualificationRegistry,
) -> None:
    response = await registry.prove(certificate_company_name=NAME, certificate_holder_name="見本　太郎")
    statement = bidder_pb2.BidderStatement.FromString(response.proof.statement)
    assert (statement.bidder_id, statement.agency, statement.category) == (BIDDER, PREFECTURE, WORKS)
    assert (statement.certificate_sha256, statement.for_renewal) == (CARD, True)
    assert statement.proven == bidder_pb2.Proven(
        password=False,
        company=bidder_pb2.COMPANY_COMPARISON_SAME,
        holder=bidder_pb2.HOLDER_COMPARISON_CONTRACT_PARTY,
    )
    assert not statement.HasField("password_issued_at")
    assert response.company.name == NAME
    confirmed = await registry.confirm(response.proof, NAME, "見本　太郎")
    assert confirmed.statement == bidder_pb2.BidderStatement.FromString(confirmed.proof.statement)
    assert (confirmed.statement.for_renewal, confirmed.statement.proven) == (True, statement.proven)


async def test_proof_of_a_renewal_is_confirmed_on_the_day_on_which_a_password_changed(
    registry: RunningQualificationRegistry,
) -> None:
    proof = (await registry.prove(certificate_company_name=NAME)).proof
    await registry.officer.issue(BIDDER)
    await registry.officer.issue(BIDDER, reissue=True)
    await registry.confirm(proof, NAME)
    await registry.prove(certificate_company_name=NAME)


async def test_renewal_is_refused_where_the_bidder_or_its_card_is_not_what_the_agency_takes(
    registry: RunningQualificationRegistry,
) -> None:
    proof = (await registry.prove(certificate_company_name=NAME)).proof
    assert await refusal_of_renewal(registry, agency=TOWN) == "BIDDER_NOT_QUALIFIED"
    assert await refusal_of_renewal(registry, "9999999999") == "BIDDER_NOT_QUALIFIED"
    assert await refusal_of_renewal(registry, company=ANOTHER_COMPANY) == "COMPANY_DIFFERS_FROM_CARD"
    with pytest.raises(Refusal, match="CERTIFICATE_SHA256_INVALID"):
        await registry.prove(card=b"short")
    await registry.change_status(BIDDER, BidderStatus.SUSPENDED)
    assert await refusal_of_renewal(registry) == "BIDDER_SUSPENDED"
    with pytest.raises(Refusal, match="BIDDER_SUSPENDED"):
        await registry.confirm(proof, NAME)
    await registry.end_bidder(BIDDER)
    assert await refusal_of_renewal(registry) == "BIDDER_ENDED"


@pytest.mark.requirement("REN-02")
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (bidders_pb2.SUCCESSION_KIND_REAPPLICATION, "BIDDER_REAPPLIED"),
        (bidders_pb2.SUCCESSION_KIND_TRANSFER, "BIDDER_AUTHORITY_TRANSFERRED"),
        (bidders_pb2.SUCCESSION_KIND_MERGER, "BIDDER_MERGED"),
    ],
)
async def test_bidder_with_a_successor_renews_no_card_and_is_not_told_the_successor(
    registry: RunningQualificationRegistry, kind: bidders_pb2.SuccessionKind.ValueType, reason: str
) -> None:
    proof = (await registry.prove(certificate_company_name=NAME)).proof
    await link(registry, kind)
    with pytest.raises(Refusal, match=reason) as caught:
        await registry.prove(certificate_company_name=NAME)
    require_way_out(caught.value, Way.REGISTER, Way.ASK_AGENCY)
    assert SUCCESSOR not in str(caught.value.metadata)
    with pytest.raises(Refusal, match=reason):
        await registry.confirm(proof, NAME)
    # Also once it has left the roster, which says less.
    await registry.officer.import_roster(roster(row(OTHER_BIDDER, ANOTHER_COMPANY), row(SUCCESSOR, NAME)))
    assert await refusal_of_renewal(registry) == reason
    await registry.prove(SUCCESSOR, certificate_company_name=NAME)


async def test_search_and_company_of_a_bidder_with_a_successor_work_as_before(
    registry: RunningQualificationRegistry,
) -> None:
    password = (await registry.officer.issue(BIDDER))[BIDDER].password
    await link(registry, bidders_pb2.SUCCESSION_KIND_TRANSFER)
    proof = (await registry.find(BIDDER, NAME, password, certificate_company_name=NAME)).proof
    assert not bidder_pb2.BidderStatement.FromString(proof.statement).for_renewal
    await registry.confirm(proof, NAME)
    await registry.front_door.GetCompany(GetCompanyRequest(agency=PREFECTURE, category=WORKS, bidder_id=BIDDER))


@pytest.mark.requirement("REN-02")
async def test_new_card_that_only_an_officer_can_tell_waits_for_an_approval_of_its_own(
    registry: RunningQualificationRegistry,
) -> None:
    assert await refusal_of_renewal(registry, agency=CITY, company=ANOTHER_COMPANY) == ("COMPANY_NEEDS_OFFICER")
    number = await ask(registry, ANOTHER_COMPANY, "first@contractor.example")
    assert await ask(registry, ANOTHER_COMPANY) == number
    assert await refusal_of_renewal(registry, agency=CITY, company=ANOTHER_COMPANY) == ("CARD_APPROVAL_PENDING")
    decided = await decide(registry, number, approve=True)
    assert decided.approval.state == card_approvals_pb2.CARD_APPROVAL_STATE_APPROVED
    proof = (await registry.prove(agency=CITY, certificate_company_name=ANOTHER_COMPANY)).proof
    assert bidder_pb2.BidderStatement.FromString(proof.statement).card_approval == number
    confirmed = await registry.confirm(proof, ANOTHER_COMPANY)
    assert confirmed.statement.card_approval == number
    await seal_all(registry.database, make_key())
    await registry.send_answers()
    (notice,) = registry.contact_notification.notices
    assert [recipient.mail_address for recipient in notice.recipients] == ["koji@contractor.example"]
    # It is that card's alone.
    other = sha256(b"another card").digest()
    with pytest.raises(Refusal, match="COMPANY_NEEDS_OFFICER"):
        await registry.prove(agency=CITY, card=other, certificate_company_name=ANOTHER_COMPANY)


async def test_new_card_that_was_refused_may_be_asked_about_again(registry: RunningQualificationRegistry) -> None:
    number = await ask(registry, ANOTHER_COMPANY)
    await decide(registry, number, approve=False)
    assert await refusal_of_renewal(registry, agency=CITY, company=ANOTHER_COMPANY) == ("CARD_APPROVAL_REFUSED")
    assert int(await ask(registry, ANOTHER_COMPANY)) == int(number) + 1


async def test_question_about_a_new_card_is_refused_as_its_renewal_is(registry: RunningQualificationRegistry) -> None:
    with pytest.raises(Refusal, match="CARD_APPROVAL_NOT_NEEDED"):
        await ask(registry, NAME)
    with pytest.raises(Refusal, match="FIELDS_INVALID"):
        await ask(registry, ANOTHER_COMPANY, "koji")
    await link(registry, bidders_pb2.SUCCESSION_KIND_MERGER)
    with pytest.raises(Refusal, match="BIDDER_MERGED"):
        await ask(registry, ANOTHER_COMPANY)


async def test_proof_of_a_renewal_ends_as_any_other(registry: RunningQualificationRegistry) -> None:
    proof = (await registry.prove(certificate_company_name=NAME)).proof
    registry.pass_time(timedelta(minutes=30))
    confirmed = await registry.confirm(proof, NAME)
    first = bidder_pb2.BidderStatement.FromString(proof.statement)
    assert confirmed.statement.expires_at == first.expires_at
    assert confirmed.statement.issued_at.ToDatetime(UTC) == registry.now[0]
    assert first.issued_at.ToDatetime(UTC) == datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
    registry.pass_time(timedelta(minutes=31))
    with pytest.raises(Refusal, match="BIDDER_PROOF_EXPIRED"):
        await registry.confirm(confirmed.proof, NAME)
