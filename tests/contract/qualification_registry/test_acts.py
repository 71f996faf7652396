"""What officers change at the registry, they sign: for exactly this request, as an officer of this moment, once."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from time import time_ns
from typing import Any
from uuid import uuid4

import grpc
import pytest

from refusals import Refusal
from refusals.status import from_rpc_error
from tests.support.example_profile import CITY, PREFECTURE, WORKS
from tests.support.services.example_rosters import roster, row
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from tests.support.services.roster_officer import DOCUMENT
from toroku.qualification.v1.qualification_registry_pb2 import (
    CancelRosterPreviewRequest,
    CommitRosterRequest,
    IssuePasswordsRequest,
)

BIDDER, OTHER = "1000000001", "1000000002"
FILE = roster(row(BIDDER), row(OTHER, "有限会社例示工務店"))
WITHOUT_BIDDERS = IssuePasswordsRequest(agency=PREFECTURE, category=WORKS)
REISSUE = IssuePasswordsRequest(
    agency=PREFECTURE, category=WORKS, bidder_ids=[BIDDER], reissue=True, reason="紛失", document=DOCUMENT
)


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    async with running_qualification_registry(migrated_database("qualification_registry"), tmp_path) as running:
        yield running


def changed(request: Any, **changes: Any) -> Any:
    """Returns a copy of a request with other fields."""
    copy = type(request)()
    copy.CopyFrom(request)
    copy.MergeFrom(type(request)(**changes))
    for name in [name for name, value in changes.items() if not value]:
        copy.ClearField(name)
    return copy


async def collect(call: Any) -> list[Any]:
    """Returns the messages of an answer. Raises Refusal."""
    try:
        return [message async for message in call] if hasattr(call, "__aiter__") else [await call]
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from None


@pytest.mark.requirement("LIF-08")
async def test_change_without_an_act_is_refused(registry: RunningQualificationRegistry) -> None:
    preview = await registry.officer.preview(FILE)
    stub = registry.officer.asynchronous
    for call in (
        stub.CommitRoster(CommitRosterRequest(import_id=preview.import_id)),
        stub.CancelRosterPreview(CancelRosterPreviewRequest(import_id=preview.import_id)),
        stub.IssuePasswords(WITHOUT_BIDDERS),
    ):
        with pytest.raises(Refusal, match="OFFICER_ACT_MISSING"):
            await collect(call)
    assert await registry.query("SELECT * FROM rosters") == []
    assert await registry.query("SELECT count(*) FROM roster_imports") == [(1,)]


@pytest.mark.requirement("LIF-08")
async def test_act_is_for_one_request_of_one_officer(registry: RunningQualificationRegistry) -> None:
    await registry.officer.import_roster(FILE)
    one, other = [
        await registry.officer.preview(roster(row(BIDDER, name), row(OTHER))) for name in ("株式会社一", "株式会社二")
    ]
    signed = await registry.officer.sign("CommitRoster", CommitRosterRequest(import_id=one.import_id))
    for altered in (changed(signed, import_id=other.import_id), changed(signed, accept_suggestions=True)):
        with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_REQUEST"):
            await collect(registry.officer.asynchronous.CommitRoster(altered))
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_CARD"):
        await collect(registry.other_officer.asynchronous.CommitRoster(signed))
    cancellation = CancelRosterPreviewRequest(import_id=one.import_id, act=signed.act)
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_OPERATION"):
        await collect(registry.officer.asynchronous.CancelRosterPreview(cancellation))
    assert await registry.query("SELECT version FROM rosters") == [(1,)]
    *_, first = await collect(registry.officer.asynchronous.CommitRoster(signed))
    *_, again = await collect(registry.officer.asynchronous.CommitRoster(signed))
    assert first.commit == again.commit
    assert first.commit.roster_version == 2


@pytest.mark.requirement("LIF-08")
async def test_withdrawal_counts_for_what_was_signed_before_it(registry: RunningQualificationRegistry) -> None:
    preview = await registry.officer.preview(FILE)
    commit = await registry.officer.sign("CommitRoster", CommitRosterRequest(import_id=preview.import_id))
    issue = await registry.officer.sign("IssuePasswords", WITHOUT_BIDDERS)
    await registry.office.change(registry.officer.person, "registration")
    for call in (
        registry.officer.asynchronous.CommitRoster(commit),
        registry.officer.asynchronous.IssuePasswords(issue),
    ):
        with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
            await collect(call)
    await registry.office.change(registry.officer.person, is_withdrawn=True)
    with pytest.raises(Refusal, match="OFFICER_CERTIFICATE_WITHDRAWN"):
        await collect(registry.officer.asynchronous.CommitRoster(commit))
    assert await registry.query("SELECT * FROM rosters") == []


async def test_act_of_another_agencys_officer_is_not_made(registry: RunningQualificationRegistry) -> None:
    with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
        await registry.city_officer.sign("IssuePasswords", WITHOUT_BIDDERS)
    await registry.operators_officer.sign("IssuePasswords", changed(WITHOUT_BIDDERS, agency=CITY))


async def test_officer_who_moved_to_another_agency_commits_nothing_that_it_signed_before(
    registry: RunningQualificationRegistry,
) -> None:
    preview = await registry.officer.preview(FILE)
    commit = await registry.officer.sign("CommitRoster", CommitRosterRequest(import_id=preview.import_id))
    cancel = await registry.officer.sign("CancelRosterPreview", CancelRosterPreviewRequest(import_id=preview.import_id))
    moved = replace(registry.officer.person.report("roster", number=time_ns() * 2), agency=CITY)
    await registry.office.report(moved)
    for call in (
        registry.officer.asynchronous.CommitRoster(commit),
        registry.officer.asynchronous.CancelRosterPreview(cancel),
    ):
        with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
            await collect(call)
    assert await registry.query("SELECT count(*) FROM roster_imports WHERE committed_at IS NULL") == [(1,)]


@pytest.mark.requirement("QUA-14")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"reason": ""}, "OFFICER_REASON_INVALID"),
        ({"reason": "　"}, "OFFICER_REASON_INVALID"),
        ({"document": ""}, "REISSUE_DOCUMENT_INVALID"),
        ({"document": "申" * 101}, "REISSUE_DOCUMENT_INVALID"),
        ({"bidder_ids": []}, "REISSUE_WITHOUT_BIDDERS"),
    ],
)
async def test_reissue_needs_a_bidder_a_reason_and_a_document(
    registry: RunningQualificationRegistry, changes: dict[str, Any], reason: str
) -> None:
    await registry.officer.import_roster(FILE)
    with pytest.raises(Refusal, match=reason):
        await registry.officer.issue_as(changed(REISSUE, **changes))
    assert await registry.query("SELECT * FROM passwords") == []
    assert set(await registry.officer.issue_as(REISSUE)) == {BIDDER}


@pytest.mark.requirement("QUA-12")
async def test_letters_of_a_request_are_sent_once(registry: RunningQualificationRegistry) -> None:
    await registry.officer.import_roster(FILE)
    request_id = str(uuid4())
    assert set(await registry.officer.issue(BIDDER, request_id=request_id)) == {BIDDER}
    hashes = await registry.query("SELECT * FROM passwords")
    with pytest.raises(Refusal, match="PASSWORDS_ISSUED_BEFORE"):
        await registry.officer.issue(BIDDER, request_id=request_id)
    with pytest.raises(Refusal, match="REQUEST_ID_REUSED"):
        await registry.officer.issue(OTHER, request_id=request_id)
    assert await registry.query("SELECT * FROM passwords") == hashes
