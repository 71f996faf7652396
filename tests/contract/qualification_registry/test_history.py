"""Each act of an officer is in the history by the time it is answered, and sealed soon after by the worker."""

import json
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from history.entries import Chain
from history.verification import Verification
from operator_command.instance_certificates import issue_instance_certificates
from refusals import Refusal
from servicekit.signed_statement import load_verifying_keys
from signed_acts.keys import SubjectKind
from signed_acts.purpose import Purpose, decode, require_act
from signed_acts.signature import parse_signature_algorithm, verify_card_signature
from signed_acts.subjects import hash_subjects
from tests.support.example_profile import CITY, PREFECTURE, WORKS
from tests.support.scraped_process import scraped_process
from tests.support.services.example_rosters import WITHOUT_IDS, roster, row
from tests.support.services.history import list_entries, read_items, read_responses
from tests.support.services.qualification_process import process_settings
from tests.support.services.qualification_registry import (
    MORNING,
    NAME,
    RunningQualificationRegistry,
    running_qualification_registry,
)
from tests.support.services.roster_officer import WITH_IDS, list_questions
from tests.support.waiting import wait_until
from toroku.history.v1 import history_pb2

BIDDER, OTHER = "1000000001", "1000000002"
OFFICER = f"officer {PREFECTURE}/hanako"
FILE = roster(row(BIDDER), row(OTHER, "有限会社例示工務店"))
# Seconds until an entry is sealed.
SEALED_WITHIN = 5


@pytest.fixture
def dsn(migrated_database: Callable[[str], str]) -> str:
    return migrated_database("qualification_registry")


@pytest.fixture
async def registry(dsn: str, tmp_path: Path) -> AsyncIterator[RunningQualificationRegistry]:
    async with running_qualification_registry(dsn, tmp_path) as running:
        yield running


async def list_all(registry: RunningQualificationRegistry, who: str = OFFICER) -> list[history_pb2.Entry]:
    """Returns what somebody did, the oldest first."""
    return (await list_entries(registry.history, who=who))[::-1]


def read_details(entry: history_pb2.Entry) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the states before and after."""
    details = json.loads(entry.details.text)
    assert details.keys() - {"act"} == {"before", "after"}
    return details["before"], details["after"]


def read_act(entry: history_pb2.Entry) -> Purpose:
    """Returns what the officer signed."""
    act = json.loads(entry.details.text)["act"]
    certificate, encoded = b64decode(act["certificate"]), b64decode(act["purpose"])
    key = x509.load_der_x509_certificate(certificate).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    verify_card_signature(spki, parse_signature_algorithm(act["algorithm"]), encoded, b64decode(act["signature"]))
    purpose = decode(encoded)
    assert purpose.certificate_sha256 == sha256(certificate).digest()
    assert require_act(purpose).request_id == entry.request_id
    return purpose


def name_columns(entry: history_pb2.Entry) -> tuple[str, str, list[str], str]:
    """Returns what was done, and the category, agencies and bidder that it was done to."""
    assert entry.happened_at.ToDatetime(UTC) == MORNING
    assert len(bytes.fromhex(entry.trace_id)) == 16
    return entry.what, entry.category, list(entry.agencies), entry.bidder_id


@pytest.mark.requirement("LIF-05")
async def test_commit_of_a_roster_is_one_entry(registry: RunningQualificationRegistry) -> None:
    preview = await registry.officer.preview(FILE, term=("2026-04-01", "2028-03-31"))
    await registry.officer.commit(preview.import_id)
    lines = [row(f"{2000000000 + number}") for number in range(2_000)]
    changed = await registry.officer.preview(
        roster(row(BIDDER, "株式会社見本組"), *lines), file_name="名簿.csv", term=("2026-04-01", "2028-03-31")
    )
    await registry.officer.commit(changed.import_id, confirmed=list_questions(changed))
    first, second = await list_all(registry)
    for entry, imported in ((first, preview), (second, changed)):
        assert name_columns(entry) == ("roster imported", WORKS, [PREFECTURE], "")
        purpose = read_act(entry)
        assert purpose.operation == "toroku.qualification.v1.QualificationRegistry/CommitRoster"
        assert WITH_IDS in require_act(purpose).lines[0]
        assert f"{imported.new}、変更{imported.changed}、" in require_act(purpose).lines[1]
    before, after = read_details(first)
    assert before == {"version": "0"}
    assert after == {
        "import_id": preview.import_id,
        "roster": WITH_IDS,
        "mapping": WITH_IDS,
        "term": "2026-04-01/2028-03-31",
        "file_name": "roster.csv",
        "file_sha256": sha256(FILE).hexdigest(),
        "version": "1",
        "new": "2",
        "changed": "0",
        "unchanged": "0",
        "gone": "0",
        "decided_rows": "0",
        "decisions": [],
        "accepts_suggestions": False,
        "confirmed": [],
    }
    before, after = read_details(second)
    assert (before["version"], after["version"], after["file_name"]) == ("1", "2", "名簿.csv")
    assert [after[count] for count in ("new", "changed", "unchanged", "gone")] == ["2000", "1", "0", "1"]
    assert after["confirmed"] == list_questions(changed) != []


async def test_entry_of_a_commit_has_the_decisions_that_it_took(registry: RunningQualificationRegistry) -> None:
    await registry.officer.import_roster(roster(row("", "株式会社見本建設"), row("", "有限会社例示")), WITHOUT_IDS)
    moved = roster(row("", "株式会社見本建設", address="例示県例示市九丁目"), row("", "有限会社例示"))
    preview = await registry.officer.preview(moved, WITHOUT_IDS)
    decisions = [(undecided.row, "") for undecided in await registry.officer.list_undecided(preview.import_id)]
    assert decisions
    await registry.officer.commit(preview.import_id, decisions=decisions, confirmed=["ROSTER_MANY_GONE"])
    _, after = read_details((await list_all(registry))[-1])
    assert after["decisions"] == [[str(row), bidder_id] for row, bidder_id in decisions]
    assert (after["decided_rows"], after["accepts_suggestions"]) == (str(len(decisions)), False)
    # The same file again has nothing to decide or to confirm, and makes no version.
    same = await registry.officer.preview(moved, WITHOUT_IDS)
    await registry.officer.commit(same.import_id, decisions=[(99, "x")], accept_suggestions=True, confirmed=["x"])
    before, after = read_details((await list_all(registry))[-1])
    assert before["version"] == after["version"] == "2"
    assert (after["decided_rows"], after["accepts_suggestions"], after["confirmed"]) == ("0", False, [])


async def test_cancelled_preview_is_on_record_when_nothing_else_is_left_of_it(
    registry: RunningQualificationRegistry,
) -> None:
    preview = await registry.officer.preview(FILE)
    await registry.officer.cancel(preview.import_id)
    await registry.officer.cancel(preview.import_id)
    [entry] = await list_all(registry)
    assert name_columns(entry) == ("roster preview cancelled", WORKS, [PREFECTURE], "")
    assert WITH_IDS in require_act(read_act(entry)).lines[0]
    before, after = read_details(entry)
    assert (before["import_id"], before["roster"], after) == (preview.import_id, WITH_IDS, {})
    assert before["file_sha256"] == sha256(FILE).hexdigest()


@pytest.mark.requirement("LIF-05")
async def test_bidder_is_found_with_each_password_that_was_issued(registry: RunningQualificationRegistry) -> None:
    await registry.officer.import_roster(FILE)
    letters = await registry.officer.issue()
    letters |= await registry.city_officer.issue(BIDDER, reissue=True, agency=CITY)
    again, first = await list_entries(registry.history, bidder_id=BIDDER)
    assert name_columns(first) == ("password issued", WORKS, [PREFECTURE], BIDDER)
    assert name_columns(again) == ("password reissued", WORKS, [CITY], BIDDER)
    assert (first.who, again.who) == (OFFICER, f"officer {CITY}/shiro")
    # One call, one trace.
    [of_other] = await list_entries(registry.history, bidder_id=OTHER)
    assert (of_other.what, of_other.trace_id) == ("password issued", first.trace_id)
    why = {"reason": "紛失", "document": "ユーザID・パスワード再交付申請書"}
    assert [read_details(entry) for entry in (first, again)] == [
        ({"has_password": False}, {"has_password": True}),
        ({"has_password": True}, {"has_password": True} | why),
    ]
    # One act is for all bidders of a call.
    *_, of_act = await list_entries(registry.history, request_id=first.request_id)
    assert (of_other.request_id, name_columns(of_act)) == (
        first.request_id,
        ("passwords ordered", WORKS, [PREFECTURE], ""),
    )
    assert (read_act(of_act).agency, read_act(of_act).subjects) == (PREFECTURE, None)
    *_, of_reissue = await list_entries(registry.history, request_id=again.request_id)
    assert read_details(of_reissue) == ({}, {"bidders": "1"} | why)
    assert read_act(of_reissue).subjects == hash_subjects(SubjectKind.BIDDER, [BIDDER])
    hashes = [encoded for (encoded,) in await registry.query("SELECT encoded FROM passwords")]
    tables = await registry.query("SELECT details, entry::text FROM history_details, history_entry AS entry")
    for secret in (*hashes, *(letter.password for letter in letters.values())):
        assert secret not in str(tables)


async def test_act_that_is_refused_or_repeated_leaves_no_entry(registry: RunningQualificationRegistry) -> None:
    committed = await registry.officer.preview(FILE)
    await registry.officer.commit(committed.import_id)
    request_id = str(uuid4())
    await registry.officer.issue(BIDDER, request_id=request_id)
    with_error = await registry.officer.preview(roster(row(BIDDER, "")))
    with_question = await registry.officer.preview(roster(row("1000000003")))
    assert list_questions(with_question)
    suspending = await registry.appoint(f"{PREFECTURE}/jun")
    entries = "SELECT count(*) FROM history_entry"
    assert await registry.query(entries) == [(3,)]
    await registry.officer.commit(committed.import_id)
    refused = [
        (registry.officer.commit(with_error.import_id), "ROSTER_HAS_ERRORS"),
        (registry.officer.commit(with_question.import_id), "ROSTER_NOT_CONFIRMED"),
        (registry.city_officer.commit(with_question.import_id), "AGENCY_NOT_OWN"),
        (registry.officer.cancel(committed.import_id), "ROSTER_PREVIEW_COMMITTED"),
        (registry.city_officer.cancel(with_question.import_id), "AGENCY_NOT_OWN"),
        (registry.officer.issue(BIDDER), "PASSWORD_ALREADY_ISSUED"),
        (registry.officer.issue(BIDDER, request_id=request_id), "PASSWORDS_ISSUED_BEFORE"),
        (registry.officer.issue(OTHER, request_id=request_id), "REQUEST_ID_REUSED"),
        (registry.officer.issue(OTHER, "1000000009"), "BIDDER_UNKNOWN"),
        (suspending.suspend("1000000009"), "BIDDER_UNKNOWN"),
    ]
    for act, reason in refused:
        with pytest.raises(Refusal, match=reason):
            await act
    assert await registry.query(entries) == [(3,)]


async def test_act_that_can_not_be_written_down_is_not_done(registry: RunningQualificationRegistry) -> None:
    await registry.officer.import_roster(FILE)
    preview = await registry.officer.preview(roster(row(BIDDER, "株式会社見本組"), row(OTHER)))
    suspending = await registry.appoint(f"{PREFECTURE}/jun")
    async with registry.database.single_change() as connection:
        await connection.execute("ALTER TABLE history_details RENAME TO elsewhere")
    for act in (
        registry.officer.commit(preview.import_id),
        registry.officer.cancel(preview.import_id),
        registry.officer.issue(),
        suspending.suspend(BIDDER),
    ):
        with pytest.raises(Exception, match=r"INTERNAL_FAILURE|history_details"):
            await act
    assert await registry.query("SELECT version FROM rosters") == [(1,)]
    assert await registry.query("SELECT count(*) FROM roster_imports WHERE committed_at IS NULL") == [(1,)]
    assert await registry.query("SELECT * FROM passwords") == []
    assert await registry.query("SELECT * FROM bidder_suspensions") == []


@pytest.mark.requirement("LIF-05")
async def test_acts_are_sealed_within_seconds_by_the_worker(
    registry: RunningQualificationRegistry, dsn: str, tmp_path: Path
) -> None:
    certificates = issue_instance_certificates(
        tmp_path / "worker", instance="example", services=[NAME], agencies=[], officers=[], now=datetime.now(UTC)
    )
    settings = process_settings(tmp_path, certificates, dsn, listeners=[])
    keys = load_verifying_keys(certificates.history_public.read_bytes())
    # The worker's clock, or it would delete challenges of days ago while they are answered.
    registry.now[0] = datetime.now(UTC)
    await registry.officer.import_roster(FILE)

    async def is_sealed() -> bool:
        return await registry.query("SELECT 1 FROM history_unsealed") == []

    async with scraped_process("qualification_registry", "worker", settings) as worker:
        # What was done before the worker began.
        await wait_until(is_sealed)
        preview = await registry.officer.preview(roster(row(BIDDER), row(OTHER)))
        await registry.officer.cancel(preview.import_id)
        assert len(await registry.officer.issue()) == 2
        await wait_until(is_sealed, seconds=SEALED_WITHIN)
        scraped = await worker.scrape()
        await worker.stop()
    assert not [record for record in worker.log if record["level"] == "ERROR"]
    assert scraped.value("toroku_history_oldest_unsealed_seconds") >= 0
    items = read_items(await read_responses(registry.history))
    verification = Verification(Chain("example", NAME), keys)
    assert [finding for item in items for finding in verification.take(item)] + [*verification.end()] == []
    assert verification.entries == 5
    assert [entry.position for entry in await list_all(registry)] == [1, 2, 3, 4, 5]
