"""The officer's queue: cards whose company or holder can't be told to be the roster's (QUA-05, CRD-10)."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from history.receipt_text import find_receipt_in_text, write_lines
from refusals import Refusal
from tests.support.example_profile import CITY, PREFECTURE, TOWN, WORKS, example_profile
from tests.support.history import make_key, seal_all
from tests.support.officers import SigningOfficer, call, sign_and_call
from tests.support.services.example_rosters import HEADER, mapping, roster, roster_profile, row
from tests.support.services.qualification_registry import (
    CARD,
    RunningQualificationRegistry,
    running_qualification_registry,
)
from toroku.contact.v1 import contact_pb2
from toroku.qualification.v1 import bidder_pb2, bidder_state_pb2
from toroku.qualification.v1.bidder_pb2 import BidderStatement
from toroku.qualification.v1.card_approvals_pb2 import (
    CARD_APPROVAL_STATE_APPROVED,
    CARD_APPROVAL_STATE_OPEN,
    CARD_APPROVAL_STATE_REFUSED,
    AskForCardApprovalRequest,
    CardApproval,
    CardApprovalState,
    DecideCardApprovalRequest,
    ListCardApprovalsRequest,
)
from toroku.qualification.v1.card_approvals_pb2_grpc import CardApprovalsStub
from toroku.qualification.v1.qualification_registry_pb2 import FindBidderRequest

BIDDER, OTHER, REDUCED = "1000000001", "1000000002", "1000000003"
NAME = "株式会社見本建設"
# A family register's form of 国, for which many fonts, and so many CAs, have the usual one only.
REDUCED_NAME = "株式会社\N{CJK UNIFIED IDEOGRAPH-2D366}見"
REPRESENTATIVE, CONTRACT_PARTY = "見本　太郎", "例示　花子"
ADDRESS = "koji@contractor.example"
KENTA, MIO, RIN = f"{PREFECTURE}/kenta", f"{PREFECTURE}/mio", f"{CITY}/rin"

# The prefecture requires the roster's company and takes the representative too; the city leaves every other company to
# an officer and takes, in this category, the contract party alone; the town compares nothing.
RULES: dict[str, dict[str, Any]] = {
    PREFECTURE: {"company_match": "required", "holder": "or_representative"},
    CITY: {
        "company_match": "officer",
        "holder": "not_compared",
        "in_category": [{"category": WORKS, "holder": "contract_party"}],
    },
    TOWN: {"company_match": "off"},
}
PASSWORDS: dict[str, str] = {}
OFFICERS: dict[str, SigningOfficer] = {}


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    agencies = [agency.model_dump() | RULES.get(agency.code, {}) for agency in example_profile().agencies]
    columns = {
        "bidder_id": "業者番号",
        "agencies_column": "調達機関",
        "contract_party_name": "契約者",
    }
    profile = roster_profile(agencies=agencies, roster_mappings=[mapping("full", **columns)])
    file = roster(
        row(BIDDER, NAME, agencies="例示県、例示市、例示町") + f",{CONTRACT_PARTY}",
        row(OTHER, "㈱髙橋・例示組", agencies="例示県、例示市、例示町") + ",",
        row(REDUCED, REDUCED_NAME) + ",",
        header=f"{HEADER},契約者",
    )
    async with running_qualification_registry(
        migrated_database("qualification_registry"), tmp_path, profile
    ) as running:
        await running.officer.import_roster(file, "full")
        letters = await running.officer.issue()
        OFFICERS.update(
            {
                name: await running.office.enrol(name, *roles)
                for name, roles in ((KENTA, ["approval"]), (RIN, ["approval"]), (MIO, ["roster"]))
            }
        )
        PASSWORDS.update({bidder_id: letter.password for bidder_id, letter in letters.items()})
        yield running


def search(
    *,
    company: str | None = NAME,
    holder: str | None = CONTRACT_PARTY,
    agency: str = PREFECTURE,
    bidder_id: str = BIDDER,
    name: str = NAME,
    card: bytes = CARD,
    **changes: str,
) -> FindBidderRequest:
    """Returns a search in which everything typed is right, with these names in the certificate."""
    values = {"password": PASSWORDS[bidder_id]} | changes
    return FindBidderRequest(
        agency=agency,
        category=WORKS,
        certificate_sha256=card,
        name=name,
        bidder_id=bidder_id,
        certificate_company_name=company,
        certificate_holder_name=holder,
        **values,
    )


async def find(registry: RunningQualificationRegistry, **changes: Any) -> tuple[str, BidderStatement]:
    """Returns the reason of a refused search, and what the proof of one that passes states."""
    try:
        found = await registry.front_door.FindBidder(search(**changes))
    except Refusal as refusal:
        return refusal.reason, BidderStatement()
    return "", BidderStatement.FromString(found.proof.statement)


async def reason(registry: RunningQualificationRegistry, **changes: Any) -> str:
    """Returns the reason of a refused search; empty for one that passes."""
    return (await find(registry, **changes))[0]


async def ask(registry: RunningQualificationRegistry, mail_address: str = ADDRESS, **changes: Any) -> str:
    """Asks an officer about the card of a search, and returns the number. Raises Refusal."""
    request = AskForCardApprovalRequest(search=search(**changes), mail_address=mail_address)
    return (await registry.front_door_approvals.AskForCardApproval(request)).number


async def queue(
    registry: RunningQualificationRegistry,
    officer: str = KENTA,
    *,
    agency: str = PREFECTURE,
    state: CardApprovalState.ValueType = CARD_APPROVAL_STATE_OPEN,
    **page: Any,
) -> list[CardApproval]:
    """Returns what an officer sees. Raises Refusal."""
    stub = CardApprovalsStub(OFFICERS[officer].channel)
    response = await call(stub.ListCardApprovals, ListCardApprovalsRequest(agency=agency, state=state, **page))
    return list(response.approvals)


async def decide(
    registry: RunningQualificationRegistry,
    approval: CardApproval,
    *,
    approve: bool,
    officer: str = KENTA,
    because: str = "登記事項証明書で確認しました。",
    request_id: str = "",
    **changes: Any,
) -> CardApproval:
    """Decides about a card as an officer. Raises Refusal."""
    request = DecideCardApprovalRequest(
        agency=approval.agency,
        category=approval.category,
        bidder_id=approval.bidder_id,
        certificate_sha256=approval.certificate_sha256,
        number=approval.number,
        approve=approve,
        reason=because,
    )
    for key, value in changes.items():
        setattr(request, key, value)
    signing = OFFICERS[officer]
    decided = await sign_and_call(
        CardApprovalsStub(signing.channel).DecideCardApproval, request, signing, request_id=request_id
    )
    assert isinstance(decided.approval, CardApproval)
    return decided.approval


@pytest.mark.requirement("QUA-05")
@pytest.mark.requirement("CRD-10")
async def test_company_passes_is_refused_or_is_for_an_officer_by_the_rule_of_the_agency(
    registry: RunningQualificationRegistry,
) -> None:
    expected = {
        NAME: ("", "", ""),
        "㈱見本建設": ("", "", ""),
        "MIHON KENSETSU CO.,LTD.": ("COMPANY_NEEDS_OFFICER", "COMPANY_NEEDS_OFFICER", ""),
        # Without its legal form it is the roster's perhaps.
        "見本建設": ("COMPANY_NEEDS_OFFICER", "COMPANY_NEEDS_OFFICER", ""),
        None: ("COMPANY_NEEDS_OFFICER", "COMPANY_NEEDS_OFFICER", ""),
        "株式会社べつの会社": ("COMPANY_DIFFERS_FROM_CARD", "COMPANY_NEEDS_OFFICER", ""),
    }
    for company, reasons in expected.items():
        found = [await reason(registry, company=company, agency=agency) for agency in (PREFECTURE, CITY, TOWN)]
        assert (company, *found) == (company, *reasons)


@pytest.mark.requirement("QUA-05")
async def test_reduced_character_is_for_an_officer_who_sees_it_by_its_rule(
    registry: RunningQualificationRegistry,
) -> None:
    names = {"bidder_id": REDUCED, "name": REDUCED_NAME, "holder": REPRESENTATIVE}
    assert await reason(registry, **names, company=REDUCED_NAME) == ""
    assert await reason(registry, **names, company="株式会社国見") == "COMPANY_NEEDS_OFFICER"
    await ask(registry, **names, company="株式会社国見")
    (asked,) = await queue(registry)
    assert [(each.name, each.roster_name, each.rule) for each in asked.company.differences] == [
        ("国", "\N{CJK UNIFIED IDEOGRAPH-2D366}", "VARIANT_BY_READING")
    ]


@pytest.mark.requirement("CRD-10", "met")
async def test_holder_passes_or_is_for_an_officer_by_the_rule_of_the_agency(
    registry: RunningQualificationRegistry,
) -> None:
    expected = {
        "例示 花子": ("CONTRACT_PARTY", "", ""),
        "例示花子": ("CONTRACT_PARTY", "", ""),
        REPRESENTATIVE: ("REPRESENTATIVE", "", "HOLDER_NEEDS_OFFICER"),
        "Tarou Mihon": ("UNREADABLE", "HOLDER_NEEDS_OFFICER", "HOLDER_NEEDS_OFFICER"),
        None: ("UNREADABLE", "HOLDER_NEEDS_OFFICER", "HOLDER_NEEDS_OFFICER"),
        "別人　次郎": ("DIFFERENT", "HOLDER_NEEDS_OFFICER", "HOLDER_NEEDS_OFFICER"),
    }
    for holder, (proven, at_prefecture, at_city) in expected.items():
        found = [await find(registry, holder=holder, agency=agency) for agency in (PREFECTURE, CITY, TOWN)]
        assert (holder, *(refused for refused, _ in found)) == (holder, at_prefecture, at_city, "")
        # What every other agency judges by is stated, although the town does not ask for it.
        assert found[2][1].proven.holder == bidder_pb2.HolderComparison.Value(f"HOLDER_COMPARISON_{proven}")


@pytest.mark.requirement("CRD-10")
async def test_representative_is_the_contract_party_where_the_roster_names_no_other(
    registry: RunningQualificationRegistry,
) -> None:
    refused, statement = await find(
        registry,
        agency=CITY,
        bidder_id=OTHER,
        name="株式会社髙橋・例示組",
        company="株式会社髙橋・例示組",
        holder="見本太郎",
    )
    assert (refused, statement.proven.holder) == ("", bidder_pb2.HOLDER_COMPARISON_CONTRACT_PARTY)


@pytest.mark.requirement("QUA-05")
async def test_different_company_is_never_asked_about_where_the_roster_s_is_required(
    registry: RunningQualificationRegistry,
) -> None:
    with pytest.raises(Refusal, match="COMPANY_DIFFERS_FROM_CARD"):
        await ask(registry, company="株式会社べつの会社")
    assert await queue(registry) == []
    await ask(registry, company="株式会社べつの会社", agency=CITY)
    (asked,) = await queue(registry, RIN, agency=CITY)
    assert asked.company.comparison == bidder_pb2.COMPANY_COMPARISON_DIFFERENT


@pytest.mark.requirement("QUA-05")
@pytest.mark.requirement("CRD-10")
async def test_officer_sees_both_names_and_the_characters_that_differ_by_their_rule(
    registry: RunningQualificationRegistry,
) -> None:
    number = await ask(registry, company="見本建設㈱", holder="見木　太郎")
    (asked,) = await queue(registry)
    assert (asked.number, asked.bidder_id, asked.certificate_sha256) == (number, BIDDER, CARD)
    assert (asked.company_in_question, asked.holder_in_question) == (True, True)
    assert (asked.company.name, asked.company.roster_name) == ("見本建設㈱", NAME)
    assert {each.rule for each in asked.company.differences} == {"LEGAL_FORM_POSITION"}
    holder = asked.holder
    assert (holder.name, holder.contract_party_name, holder.representative_name) == (
        "見木　太郎",
        CONTRACT_PARTY,
        REPRESENTATIVE,
    )
    assert [(each.name, each.roster_name) for each in holder.representative_differences] == [("木", "本")]
    assert holder.comparison == bidder_pb2.HOLDER_COMPARISON_DIFFERENT


@pytest.mark.requirement("CRD-10")
async def test_approved_card_passes_a_new_search_and_the_registration(registry: RunningQualificationRegistry) -> None:
    names = {"company": "MIHON KENSETSU", "holder": "Hanako Reiji"}
    number = await ask(registry, **names)
    refused, _ = await find(registry, **names)
    assert refused == "CARD_APPROVAL_PENDING"
    (asked,) = await queue(registry)
    decided = await decide(registry, asked, approve=True)
    assert (decided.state, decided.decided_by) == (CARD_APPROVAL_STATE_APPROVED, KENTA)
    found = await registry.front_door.FindBidder(search(company=names["company"], holder=names["holder"]))
    statement = BidderStatement.FromString(found.proof.statement)
    assert statement.card_approval == number
    # The names are not the roster's for that: other agencies hold them against their own rule.
    assert statement.proven.company == bidder_pb2.COMPANY_COMPARISON_UNREADABLE
    assert statement.proven.holder == bidder_pb2.HOLDER_COMPARISON_UNREADABLE
    confirmed = await registry.confirm(found.proof, names["company"], names["holder"])
    assert confirmed.statement.card_approval == number


@pytest.mark.requirement("CRD-10")
async def test_approved_card_is_in_the_state_that_other_services_are_told(
    registry: RunningQualificationRegistry,
) -> None:
    await registry.send_events()
    for holder in (CONTRACT_PARTY, None):
        await ask(registry, company=None, holder=holder)
        (asked,) = await queue(registry)
        await decide(registry, asked, approve=True)
    await ask(registry, company=None, agency=CITY)
    (asked,) = await queue(registry, RIN, agency=CITY)
    await decide(registry, asked, approve=False, officer=RIN)
    await registry.send_events()
    card = bidder_state_pb2.ApprovedCard(agency=PREFECTURE, certificate_sha256=CARD, company=True, holder=True)
    for consumer in (registry.certificate_registry, registry.peer_agency_sync):
        state = max(consumer.recorded_bidders, key=lambda state: (state.bidder_id == BIDDER, state.version.number))
        assert (state.bidder_id, state.category, list(state.approved_cards)) == (BIDDER, WORKS, [card])


async def test_approval_is_of_one_agency_card_and_bidder(registry: RunningQualificationRegistry) -> None:
    await ask(registry, company=None)
    (asked,) = await queue(registry)
    await decide(registry, asked, approve=True)
    assert await reason(registry, company=None) == ""
    assert await reason(registry, company=None, agency=CITY) == "COMPANY_NEEDS_OFFICER"
    assert await reason(registry, company=None, card=sha256(b"another").digest()) == "COMPANY_NEEDS_OFFICER"
    other = {"bidder_id": OTHER, "name": "株式会社髙橋・例示組", "holder": REPRESENTATIVE}
    assert await reason(registry, company=None, **other) == "COMPANY_NEEDS_OFFICER"
    # What was not in question then is not approved either.
    assert await reason(registry, company=None, holder="別人　次郎") == "HOLDER_NEEDS_OFFICER"


@pytest.mark.requirement("CRD-10")
async def test_refused_card_stays_refused_until_it_is_asked_again(registry: RunningQualificationRegistry) -> None:
    number = await ask(registry, company=None)
    (asked,) = await queue(registry)
    decided = await decide(registry, asked, approve=False)
    assert (decided.state, decided.reason) == (CARD_APPROVAL_STATE_REFUSED, "登記事項証明書で確認しました。")
    with pytest.raises(Refusal) as caught:
        await registry.front_door.FindBidder(search(company=None))
    assert (caught.value.reason, caught.value.metadata["number"]) == ("CARD_APPROVAL_REFUSED", number)
    again = await ask(registry, company=None)
    assert again != number
    assert await reason(registry, company=None) == "CARD_APPROVAL_PENDING"


async def test_question_asked_twice_is_one_with_the_newest_address(registry: RunningQualificationRegistry) -> None:
    numbers = {await ask(registry, company=None), await ask(registry, "other@contractor.example", company=None)}
    assert len(numbers) == 1
    assert len(await queue(registry)) == 1
    assert await registry.query("SELECT mail_address FROM card_approvals") == [("other@contractor.example",)]


async def test_only_who_knows_what_a_search_needs_may_ask(registry: RunningQualificationRegistry) -> None:
    with pytest.raises(Refusal, match="BIDDER_NOT_FOUND"):
        await ask(registry, company=None, password="wr0ngPas")
    with pytest.raises(Refusal, match="CARD_APPROVAL_NOT_NEEDED"):
        await ask(registry)
    for address in ("", "nobody", "ｋｏｊｉ@contractor.example", f"{'a' * 300}@contractor.example"):
        with pytest.raises(Refusal) as caught:
            await ask(registry, address, company=None)
        assert [violation.field for violation in caught.value.violations] == ["mail_address"]
    assert await queue(registry) == []


async def test_questions_about_a_card_are_bounded(registry: RunningQualificationRegistry) -> None:
    for _ in range(10):
        await ask(registry, company=None)
        (asked,) = await queue(registry)
        await decide(registry, asked, approve=False)
    with pytest.raises(Refusal, match="CARD_APPROVALS_TOO_MANY"):
        await ask(registry, company=None, agency=CITY)
    await ask(registry, company=None, card=sha256(b"another").digest())
    registry.pass_time(timedelta(days=30))
    await ask(registry, company=None, agency=CITY)


@pytest.mark.requirement("CRD-10")
async def test_officer_of_another_agency_or_without_the_role_decides_nothing(
    registry: RunningQualificationRegistry,
) -> None:
    await ask(registry, company=None)
    (asked,) = await queue(registry)
    for officer, expected in ((RIN, "AGENCY_NOT_OWN"), (MIO, "CALLER_NOT_ALLOWED")):
        with pytest.raises(Refusal, match=expected):
            await queue(registry, officer)
        with pytest.raises(Refusal, match=expected):
            await decide(registry, asked, approve=True, officer=officer)
    # Its own agency's name does not help: the number is of another one.
    with pytest.raises(Refusal, match="CARD_APPROVAL_UNKNOWN"):
        await decide(registry, asked, approve=True, officer=RIN, agency=CITY)
    assert await reason(registry, company=None) == "CARD_APPROVAL_PENDING"


async def test_act_that_names_another_card_than_the_question_is_refused(
    registry: RunningQualificationRegistry,
) -> None:
    await ask(registry, company=None)
    (asked,) = await queue(registry)
    others: list[dict[str, Any]] = [
        {"number": "999999"},
        {"number": "one"},
        {"bidder_id": OTHER},
        {"certificate_sha256": sha256(b"another").digest()},
        {"category": "goods"},
    ]
    for changes in others:
        with pytest.raises(Refusal, match="CARD_APPROVAL_UNKNOWN"):
            await decide(registry, asked, approve=True, **changes)
    assert (await queue(registry)) == [asked]


async def test_decision_repeated_is_the_same_and_another_one_is_refused(registry: RunningQualificationRegistry) -> None:
    await ask(registry, company=None)
    (asked,) = await queue(registry)
    request_id = "0a1b2c3d-0000-4000-8000-000000000001"
    first = await decide(registry, asked, approve=True, request_id=request_id)
    assert await decide(registry, asked, approve=True, request_id=request_id) == first
    with pytest.raises(Refusal, match="REQUEST_ID_REUSED"):
        await decide(registry, asked, approve=False, request_id=request_id)
    with pytest.raises(Refusal, match="CARD_APPROVAL_DECIDED"):
        await decide(registry, asked, approve=False)
    assert await registry.query("SELECT count(*) FROM history_entry WHERE what = 'card approved'") == [(1,)]


async def test_reason_is_required_and_bounded(registry: RunningQualificationRegistry) -> None:
    await ask(registry, company=None)
    (asked,) = await queue(registry)
    for because in ("", "　", "あ" * 401):
        with pytest.raises(Refusal, match="OFFICER_REASON_INVALID"):
            await decide(registry, asked, approve=True, because=because)


@pytest.mark.requirement("CRD-10")
@pytest.mark.parametrize("approve", [True, False])
async def test_who_asked_gets_a_mail_either_way_and_the_address_is_erased(
    registry: RunningQualificationRegistry, approve: bool
) -> None:
    number = await ask(registry, company=None)
    (asked,) = await queue(registry)
    await decide(registry, asked, approve=approve)
    # For the seal of the decision's entry.
    assert await registry.send_answers() == 1
    await seal_all(registry.database, make_key())
    registry.contact_notification.failing = True
    with pytest.raises(Refusal, match="INTERNAL_FAILURE"):
        await registry.send_answers()
    assert await registry.query("SELECT mail_address FROM card_approvals") == [(ADDRESS,)]
    registry.contact_notification.failing = False
    for _ in range(2):
        assert await registry.send_answers() == 0
    (notice,) = registry.contact_notification.notices
    assert notice.kind == contact_pb2.NOTICE_KIND_CARD_APPROVAL_DECIDED
    assert [recipient.mail_address for recipient in notice.recipients] == [ADDRESS]
    facts = notice.card_approval
    assert (facts.number, facts.is_approved, facts.agency, facts.bidder_id) == (number, approve, PREFECTURE, BIDDER)
    assert (notice.entry.registry, len(notice.entry.digest)) == ("qualification-registry", 32)
    assert notice.entry.position > 0
    assert len(notice.entry.head_sha256) == 32
    assert find_receipt_in_text(write_lines(notice.entry.proof)).entry == notice.entry.digest
    assert await registry.query("SELECT mail_address FROM card_approvals") == [(None,)]


async def test_queue_comes_in_pages_by_state(registry: RunningQualificationRegistry) -> None:
    cards = [sha256(bytes([number])).digest() for number in range(3)]
    numbers = [await ask(registry, company=None, card=card) for card in cards]
    first, second = await queue(registry, most=2)
    assert [first.number, second.number] == numbers[:2]
    assert [each.number for each in await queue(registry, after=second.number)] == numbers[2:]
    await decide(registry, first, approve=True)
    assert [each.number for each in await queue(registry)] == numbers[1:]
    (approved,) = await queue(registry, state=CARD_APPROVAL_STATE_APPROVED)
    assert (approved.number, approved.decided_by) == (first.number, KENTA)
    with pytest.raises(Refusal, match="PAGE_INVALID"):
        await queue(registry, after="first")


async def test_names_are_erased_after_their_time_and_the_approval_stays(registry: RunningQualificationRegistry) -> None:
    await ask(registry, company=None)
    (asked,) = await queue(registry)
    await decide(registry, asked, approve=True)
    refused_card, forgotten_card = sha256(b"refused").digest(), sha256(b"forgotten").digest()
    await ask(registry, company=None, card=refused_card)
    (asked,) = await queue(registry)
    await decide(registry, asked, approve=False)
    registry.pass_time(timedelta(days=91))
    await ask(registry, company=None, card=forgotten_card)
    await registry.delete_expired()
    kept = "SELECT state, has_names, holder_name, mail_address FROM card_approvals ORDER BY number"
    assert await registry.query(kept) == [
        ("approved", False, None, None),
        ("open", True, CONTRACT_PARTY, ADDRESS),
    ]
    (approved,) = await queue(registry, state=CARD_APPROVAL_STATE_APPROVED)
    assert not approved.HasField("company")
    assert await reason(registry, company=None) == ""
    registry.pass_time(timedelta(days=181))
    await registry.delete_expired()
    assert await registry.query("SELECT state FROM card_approvals") == [("approved",)]
