"""Four eyes: another person approves exactly what was proposed, while everything that it needs still holds."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from history.reading import find_entries
from officers.proposal_voiding import void_expired
from operator_command.launcher.postgresql import ADMINISTRATOR, EmbeddedPostgreSQL
from refusals import Code, Refusal
from signed_acts.purpose import decode
from tests.support import forger
from tests.support.desk_service import AWAY, CHAIN, Desk, DeskStub, request
from tests.support.officers import SigningOfficer, ask_act, call, sign_and_call
from toroku.officer.v1 import proposals_pb2
from toroku.officer.v1.proposals_pb2_grpc import ProposalsStub

APPROVE = "toroku.officer.v1.Proposals/ApproveProposal"
YAMADA, SUZUKI = "saitama-city/yamada", "saitama-city/suzuki"
CITY, ROLE = "saitama-city", "suspension"


async def propose(desk: Desk, officer: SigningOfficer) -> proposals_pb2.ProposalRecord:
    """Suspends a bidder, and proposes to resume it."""
    stub = DeskStub(officer.channel)
    await sign_and_call(stub.Suspend, request("Suspend"), officer)
    response = await sign_and_call(stub.Resume, request("Resume"), officer)
    record: proposals_pb2.ProposalRecord = response.proposal
    return record


async def approve(record: proposals_pb2.ProposalRecord, officer: SigningOfficer, **further: Any) -> Any:
    asked = proposals_pb2.ApproveProposalRequest(
        proposal_id=record.proposal.proposal_id, proposal_sha256=record.proposal_sha256
    )
    return await sign_and_call(ProposalsStub(officer.channel).ApproveProposal, asked, officer, **further)


async def reject(record: proposals_pb2.ProposalRecord, officer: SigningOfficer, reason: str = "誤り") -> Any:
    asked = proposals_pb2.RejectProposalRequest(
        proposal_id=record.proposal.proposal_id, proposal_sha256=record.proposal_sha256, reason=reason
    )
    return await sign_and_call(ProposalsStub(officer.channel).RejectProposal, asked, officer)


async def get(record: proposals_pb2.ProposalRecord, officer: SigningOfficer) -> proposals_pb2.ProposalRecord:
    asked = proposals_pb2.GetProposalRequest(proposal_id=record.proposal.proposal_id)
    response = await call(ProposalsStub(officer.channel).GetProposal, asked)
    found: proposals_pb2.ProposalRecord = response.proposal
    return found


async def is_suspended(desk: Desk) -> bool:
    async with desk.database.read() as connection:
        cursor = await connection.execute(b"SELECT is_suspended FROM suspension")
        (row,) = await cursor.fetchall()
    return bool(row[0])


async def list_acts(desk: Desk, who: str) -> list[str]:
    async with desk.database.read() as connection:
        return [entry.what for entry in await find_entries(connection, "who", who, before=None, most=10)]


async def test_another_person_approves_what_was_proposed(desk: Desk) -> None:
    yamada, suzuki = await desk.office.enrol(YAMADA, ROLE), await desk.office.enrol(SUZUKI, ROLE)
    record = await propose(desk, yamada)
    assert (record.state, record.proposal.proposer) == (proposals_pb2.PROPOSAL_STATE_OPEN, YAMADA)
    assert await is_suspended(desk)
    request_id = str(uuid4())
    approved = await approve(await get(record, suzuki), suzuki, request_id=request_id)
    assert approved.proposal.state == proposals_pb2.PROPOSAL_STATE_APPROVED
    assert (approved.proposal.decided_by, list(approved.not_yet_effective_at)) == (SUZUKI, [AWAY])
    assert not await is_suspended(desk)
    repeated = await approve(record, suzuki, request_id=request_id)
    assert (repeated.proposal, list(repeated.not_yet_effective_at)) == (approved.proposal, [AWAY])
    # It is asked again, not remembered.
    desk.resumption.away = []
    assert list((await approve(record, suzuki, request_id=request_id)).not_yet_effective_at) == []
    with pytest.raises(Refusal, match="PROPOSAL_CLOSED"):
        await approve(record, suzuki)
    assert await list_acts(desk, f"officer {YAMADA}") == ["bidder active again", "proposed", "bidder suspended"]
    assert await list_acts(desk, f"officer {SUZUKI}") == ["proposal approved"]


async def test_approver_signs_the_words_and_the_hash_of_the_proposal(desk: Desk) -> None:
    yamada, suzuki = await desk.office.enrol(YAMADA, ROLE), await desk.office.enrol(SUZUKI, ROLE)
    record = await propose(desk, yamada)
    asked = proposals_pb2.ApproveProposalRequest(
        proposal_id=record.proposal.proposal_id, proposal_sha256=record.proposal_sha256
    )
    purpose = decode((await ask_act(APPROVE, asked, suzuki)).purpose)
    assert purpose.act is not None
    assert purpose.proposal_sha256 == record.proposal_sha256
    assert purpose.act.lines[-2:] == ("業者「1000000001」の利用を再開します。", "Resume bidder 1000000001.")


async def test_proposer_does_not_approve_under_a_second_certificate(desk: Desk) -> None:
    yamada = await desk.office.enrol(YAMADA, ROLE)
    record = await propose(desk, yamada)
    second = await desk.office.connect(YAMADA)
    both = yamada.report(ROLE, number=9)
    await desk.office.report(second.report(ROLE, number=9, also=both.certificates))
    for officer in (yamada, second):
        with pytest.raises(Refusal, match="PROPOSAL_OWN"):
            await approve(record, officer)
    assert await is_suspended(desk)
    # Nothing was voided: another person can still approve it.
    await approve(record, await desk.office.enrol(SUZUKI, ROLE))


@pytest.mark.parametrize(
    "column",
    [
        "request = replace(request, '1000000001', '1000000002')",
        "agency = 'operator'",
        "lines = ARRAY['何もしません。']",
        "target_version = '7'",
        "expires_at = expires_at + interval '1 year'",
        "proposer = 'saitama-city/tanaka'",
    ],
)
async def test_proposal_altered_in_the_database_is_not_carried_out(
    desk: Desk, postgresql: EmbeddedPostgreSQL, column: str
) -> None:
    yamada, suzuki = await desk.office.enrol(YAMADA, ROLE), await desk.office.enrol(f"operator/{SUZUKI[13:]}", ROLE)
    record = await propose(desk, yamada)
    with forge(desk, postgresql) as connection:
        connection.execute(b"UPDATE proposal SET " + column.encode())
    shown = await get(record, suzuki)
    assert shown.proposal_sha256 != record.proposal_sha256
    for seen in (record, shown):
        with pytest.raises(Refusal, match="PROPOSAL_ALTERED"):
            await approve(seen, suzuki)
    assert await is_suspended(desk)


async def test_altered_proposal_is_found_by_the_proposers_signature_where_its_hash_was_altered_too(
    desk: Desk, postgresql: EmbeddedPostgreSQL
) -> None:
    yamada, suzuki = await desk.office.enrol(YAMADA, ROLE), await desk.office.enrol(SUZUKI, ROLE)
    record = await propose(desk, yamada)
    change = "request = replace(request, '1000000001', '1000000002')"
    shown = await rewrite(desk, postgresql, record, suzuki, change)
    with pytest.raises(Refusal, match="PROPOSAL_ALTERED"):
        await approve(shown, suzuki)


@pytest.mark.parametrize(
    "change",
    ["target_version = '7'", "expires_at = expires_at + interval '1 year'", "proposed_at = now() + interval '7 days'"],
)
async def test_altered_proposal_is_found_by_the_history_where_the_proposer_did_not_sign_it(
    desk: Desk, postgresql: EmbeddedPostgreSQL, change: str
) -> None:
    yamada, suzuki = await desk.office.enrol(YAMADA, ROLE), await desk.office.enrol(SUZUKI, ROLE)
    record = await propose(desk, yamada)
    shown = await rewrite(desk, postgresql, record, suzuki, change)
    with pytest.raises(Refusal, match="PROPOSAL_ALTERED"):
        await approve(shown, suzuki)
    assert await is_suspended(desk)


@pytest.mark.parametrize(
    "forgery",
    [
        # The details say what the row says; their digest does not.
        "UPDATE history_details SET details = replace(details, %(old)s, %(new)s)",
        "DELETE FROM history_entry WHERE what = 'proposed'",
        # A second entry of the same proposal.
        """
        WITH added AS (
            INSERT INTO history_entry (
                happened_at, who, what, request_id, agencies, bidder_id, details_digest, digest
            ) SELECT happened_at, who, what, request_id, agencies, bidder_id, details_digest, digest
            FROM history_entry WHERE what = 'proposed' RETURNING number
        )
        INSERT INTO history_details SELECT added.number, salt, details
        FROM added, history_details WHERE strpos(details, %(old)s) > 0
        """,
    ],
    ids=["details", "gone", "twice"],
)
async def test_entry_that_was_forged_too_does_not_count(
    desk: Desk, postgresql: EmbeddedPostgreSQL, forgery: str
) -> None:
    yamada, suzuki = await desk.office.enrol(YAMADA, ROLE), await desk.office.enrol(SUZUKI, ROLE)
    record = await propose(desk, yamada)
    shown = await rewrite(desk, postgresql, record, suzuki, "expires_at = expires_at + interval '1 year'")
    with forge(desk, postgresql) as connection:
        connection.execute(forgery, {"old": record.proposal_sha256.hex(), "new": shown.proposal_sha256.hex()})
    with pytest.raises(Refusal, match="PROPOSAL_ALTERED"):
        await approve(shown, suzuki)


async def test_proposal_whose_details_in_the_history_were_erased_is_not_carried_out(
    desk: Desk, postgresql: EmbeddedPostgreSQL
) -> None:
    yamada, suzuki = await desk.office.enrol(YAMADA, ROLE), await desk.office.enrol(SUZUKI, ROLE)
    record = await propose(desk, yamada)
    with forge(desk, postgresql) as connection:
        connection.execute(b"DELETE FROM history_details")
    with pytest.raises(Refusal, match="PROPOSAL_ENTRY_ERASED"):
        await approve(record, suzuki)
    assert await is_suspended(desk)
    # It can still be closed.
    await reject(record, suzuki)


async def rewrite(
    desk: Desk,
    postgresql: EmbeddedPostgreSQL,
    record: proposals_pb2.ProposalRecord,
    officer: SigningOfficer,
    change: str,
) -> proposals_pb2.ProposalRecord:
    """Changes a proposal in the database with its hash; returns it as it is shown then."""
    with forge(desk, postgresql) as connection:
        connection.execute(b"UPDATE proposal SET " + change.encode())
    shown = await get(record, officer)
    with forge(desk, postgresql) as connection:
        connection.execute("UPDATE proposal SET proposal_sha256 = %s", (shown.proposal_sha256,))
    return shown


async def test_the_service_itself_can_not_alter_or_delete_a_proposal(desk: Desk) -> None:
    await propose(desk, await desk.office.enrol(YAMADA, ROLE))
    for statement in (b"UPDATE proposal SET agency = 'operator'", b"DELETE FROM proposal", b"TRUNCATE proposal"):
        with pytest.raises(psycopg.errors.RaiseException):
            async with desk.database.transaction() as connection:
                await connection.execute(statement)


async def test_changed_target_voids_the_proposal(desk: Desk) -> None:
    yamada, suzuki = await desk.office.enrol(YAMADA, ROLE), await desk.office.enrol(SUZUKI, ROLE)
    record = await propose(desk, yamada)
    await sign_and_call(DeskStub(yamada.channel).Suspend, request("Suspend"), yamada)
    await expect_void(desk, record, suzuki, "PROPOSAL_TARGET_CHANGED")


async def test_target_that_can_not_be_proposed_any_more_voids_the_proposal(desk: Desk) -> None:
    yamada, suzuki = await desk.office.enrol(YAMADA, ROLE), await desk.office.enrol(SUZUKI, ROLE)
    record = await propose(desk, yamada)
    desk.resumption.refusal = Refusal("BIDDER_NOT_FOUND", Code.NOT_FOUND)
    await expect_void(desk, record, suzuki, "PROPOSAL_TARGET_CHANGED")


async def test_target_that_can_not_be_asked_for_now_leaves_the_proposal_open(desk: Desk) -> None:
    yamada, suzuki = await desk.office.enrol(YAMADA, ROLE), await desk.office.enrol(SUZUKI, ROLE)
    record = await propose(desk, yamada)
    desk.resumption.refusal = Refusal("PEER_UNREACHABLE", Code.UNAVAILABLE)
    with pytest.raises(Refusal, match="PEER_UNREACHABLE"):
        await approve(record, suzuki)
    assert (await get(record, suzuki)).state == proposals_pb2.PROPOSAL_STATE_OPEN
    desk.resumption.refusal = None
    await approve(record, suzuki)
    assert not await is_suspended(desk)


async def test_proposal_is_void_after_a_week(desk: Desk) -> None:
    yamada, suzuki = await desk.office.enrol(YAMADA, ROLE), await desk.office.enrol(SUZUKI, ROLE)
    record, other = await propose(desk, yamada), await propose(desk, yamada)
    desk.passed = timedelta(days=7)
    assert (await get(record, suzuki)).because == "PROPOSAL_EXPIRED"
    await expect_void(desk, record, suzuki, "PROPOSAL_EXPIRED")
    assert await void_expired(desk.database, CHAIN, desk.read_time) == 1
    assert await void_expired(desk.database, CHAIN, desk.read_time) == 0
    assert (await get(other, suzuki)).because == "PROPOSAL_EXPIRED"
    assert await list_acts(desk, "service desk") == ["proposal void"] * 2


@pytest.mark.parametrize("what", ["role", "certificate", "agency"])
async def test_withdrawn_proposer_voids_the_proposal(desk: Desk, what: str) -> None:
    yamada, suzuki = await desk.office.enrol(YAMADA, ROLE), await desk.office.enrol(SUZUKI, ROLE)
    record = await propose(desk, yamada)
    match what:
        case "role":
            await desk.office.change(yamada, "registration")
        case "certificate":
            await desk.office.enrol(YAMADA, ROLE)
        case "agency":
            await desk.office.report(yamada.report(ROLE, number=9, agency="kawagoe-city"))
    await expect_void(desk, record, suzuki, "PROPOSAL_PROPOSER_WITHDRAWN")


async def expect_void(desk: Desk, record: proposals_pb2.ProposalRecord, officer: SigningOfficer, reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        await approve(record, officer)
    found = await get(record, officer)
    assert (found.state, found.because, found.decided_by) == (proposals_pb2.PROPOSAL_STATE_VOID, reason, "")
    with pytest.raises(Refusal, match="PROPOSAL_CLOSED"):
        await approve(record, officer)
    assert await is_suspended(desk)


async def test_approver_without_the_role_or_of_another_agency_is_refused(desk: Desk) -> None:
    record = await propose(desk, await desk.office.enrol(YAMADA, ROLE))
    suzuki = await desk.office.enrol(SUZUKI, ROLE)
    stub = ProposalsStub(suzuki.channel)
    asked = proposals_pb2.ApproveProposalRequest(
        proposal_id=record.proposal.proposal_id, proposal_sha256=record.proposal_sha256
    )
    challenge = await ask_act(APPROVE, asked, suzuki)
    asked.act.CopyFrom(suzuki.sign(challenge.purpose))
    # Withdrawn between the signature and the call.
    await desk.office.change(suzuki, "binding")
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await call(stub.ApproveProposal, asked)
    stranger = await desk.office.enrol("kawagoe-city/sato", ROLE)
    for attempt in (get(record, stranger), approve(record, stranger), reject(record, stranger)):
        with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
            await attempt
    assert await is_suspended(desk)


async def test_proposer_takes_back_and_another_rejects_with_a_reason(desk: Desk) -> None:
    yamada, suzuki = await desk.office.enrol(YAMADA, ROLE), await desk.office.enrol(SUZUKI, ROLE)
    for officer in (yamada, suzuki):
        record = await propose(desk, yamada)
        with pytest.raises(Refusal, match="OFFICER_REASON_INVALID"):
            await reject(record, officer, " ")
        rejected = (await reject(record, officer)).proposal
        assert (rejected.state, rejected.because) == (proposals_pb2.PROPOSAL_STATE_REJECTED, "誤り")
        assert rejected.decided_by == officer.name
    assert await is_suspended(desk)


async def test_two_approvers_at_once_carry_it_out_once(desk: Desk) -> None:
    record = await propose(desk, await desk.office.enrol(YAMADA, ROLE))
    approvers = [await desk.office.enrol(f"{CITY}/{name}", ROLE) for name in ("suzuki", "sato")]
    results = await asyncio.gather(*(approve(record, officer) for officer in approvers), return_exceptions=True)
    (refusal,) = [result for result in results if isinstance(result, Refusal)]
    assert refusal.reason == "PROPOSAL_CLOSED"
    assert not await is_suspended(desk)


async def test_proposals_are_listed_by_agency_and_state_for_those_with_the_role(desk: Desk) -> None:
    yamada, suzuki = await desk.office.enrol(YAMADA, ROLE), await desk.office.enrol(SUZUKI, ROLE)
    records = [await propose(desk, yamada) for _ in range(3)]
    await reject(records[0], suzuki)
    stub = ProposalsStub(suzuki.channel)

    async def find(**fields: Any) -> list[int]:
        response = await call(stub.ListProposals, proposals_pb2.ListProposalsRequest(agency=CITY, **fields))
        known = [record.proposal.proposal_id for record in records]
        return [known.index(record.proposal.proposal_id) for record in response.proposals]

    assert await find() == [2, 1, 0]
    assert await find(most=1) == [2]
    assert await find(after=records[2].proposal.proposal_id, most=1) == [1]
    assert await find(state=proposals_pb2.PROPOSAL_STATE_REJECTED) == [0]
    desk.passed = timedelta(days=7)
    assert await find(state=proposals_pb2.PROPOSAL_STATE_OPEN) == []
    assert await find(state=proposals_pb2.PROPOSAL_STATE_VOID) == [2, 1]
    with pytest.raises(Refusal, match="PROPOSAL_STATE_UNKNOWN"):
        await find(state=9)
    await desk.office.change(suzuki, "binding")
    assert await find() == []
    with pytest.raises(Refusal, match="PROPOSAL_UNKNOWN"):
        await call(stub.GetProposal, proposals_pb2.GetProposalRequest(proposal_id=str(uuid4())))


def forge(desk: Desk, postgresql: EmbeddedPostgreSQL) -> Any:
    """A connection as superuser, with triggers off."""
    name = desk.dsn.partition("?")[0].rpartition("/")[2]
    return forger.forging(postgresql.dsn(name, ADMINISTRATOR))
