"""A search: the bidder and its proof, or one answer for every failure."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from instance_profile.model import Profile
from qualification_registry.domain.bidders import BidderStatus
from refusals import Code, Refusal
from tests.support.example_profile import CITY, GOODS, PREFECTURE, TOWN, VILLAGE, WORKS, example_profile
from tests.support.services.example_rosters import roster, roster_profile, row
from tests.support.services.qualification_registry import (
    CARD,
    RunningQualificationRegistry,
    running_qualification_registry,
)
from toroku.qualification.v1 import bidder_pb2

BIDDER, OTHER, UNKNOWN = "1000000001", "1000000002", "1000009999"
NAME = "株式会社見本建設"
ABBREVIATED = "1000000003"
FILE = roster(
    row(BIDDER, NAME),
    row(OTHER, "有限会社例示工務店", agencies="例示市"),
    row(ABBREVIATED, "㈱髙橋・例示組"),
    row("1000000004", "株式会社期限切", valid_until="2026-11-26"),
    row("1000000005", "株式会社未来", valid_from="2026-11-28"),
    row("1000000006", "株式会社最終日", valid_until="2026-11-27"),
)


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    async with running_qualification_registry(migrated_database("qualification_registry"), tmp_path) as running:
        await running.officer.import_roster(FILE)
        yield running


async def issue_passwords(registry: RunningQualificationRegistry) -> dict[str, str]:
    """Issues passwords to all bidders; returns them by bidder id."""
    letters = await registry.officer.issue() | await registry.city_officer.issue(agency=CITY)
    return {bidder_id: letter.password for bidder_id, letter in letters.items()}


async def reason(search: Any) -> str:
    """Returns the reason why a search is refused."""
    with pytest.raises(Refusal) as caught:
        await search
    return caught.value.reason


@pytest.mark.every_postgresql
@pytest.mark.requirement("QUA-02")
@pytest.mark.requirement("QUA-07")
async def test_name_id_and_password_find_the_company(registry: RunningQualificationRegistry) -> None:
    passwords = await issue_passwords(registry)
    result = await registry.find(BIDDER, NAME, passwords[BIDDER])
    assert result.company == bidder_pb2.CompanyProfile(
        bidder_id=BIDDER,
        name=NAME,
        address="例示県例示市一丁目",
        representative_name="見本　太郎",
        telephone="03-0000-0000",
        grades=[bidder_pb2.Grade(kind="土木", grade="A")],
    )
    # A field that the roster lacks is not set, rather than empty.
    assert not result.company.HasField("fax")


async def test_proof_states_the_result_and_its_validity(registry: RunningQualificationRegistry) -> None:
    passwords = await issue_passwords(registry)
    proof = (await registry.find(BIDDER, NAME, passwords[BIDDER])).proof
    key = registry.proof_key
    assert proof.key_id == key.key_id == sha256(key.public_key.public_bytes_raw()).hexdigest()[:16]
    key.public_key.verify(proof.signature, b"toroku bidder proof v1\x00" + proof.statement)
    statement = bidder_pb2.BidderStatement.FromString(proof.statement)
    assert (statement.instance, statement.bidder_id, statement.agency, statement.category) == (
        "example",
        BIDDER,
        PREFECTURE,
        WORKS,
    )
    assert statement.certificate_sha256 == CARD
    assert statement.expires_at.seconds - statement.issued_at.seconds == 3600


@pytest.mark.requirement("QUA-01")
@pytest.mark.requirement("QUA-06")
async def test_all_failures_get_the_same_answer_after_the_same_time(
    registry: RunningQualificationRegistry,
) -> None:
    passwords = await issue_passwords(registry)
    wrong = {
        "password": (BIDDER, NAME, "wrong123", PREFECTURE),
        "name": (BIDDER, "株式会社別物", passwords[BIDDER], PREFECTURE),
        "id": (UNKNOWN, NAME, passwords[BIDDER], PREFECTURE),
        "roster": (OTHER, "有限会社例示工務店", passwords[OTHER], PREFECTURE),
        "agency": (BIDDER, NAME, passwords[BIDDER], TOWN),
        "lapsed": ("1000000004", "株式会社期限切", "wrong123", PREFECTURE),
        "not yet": ("1000000005", "株式会社未来", passwords["1000000005"], PREFECTURE),
    }

    async def answer(card: bytes, bidder_id: str, name: str, password: str, agency: str) -> tuple[Any, ...]:
        started = time.perf_counter()
        with pytest.raises(Refusal) as caught:
            await registry.find(bidder_id, name, password, agency=agency, card=sha256(card).digest())
        # Each takes at least the common minimum, which is longer than the work of any.
        assert time.perf_counter() - started >= 0.2
        return caught.value.reason, caught.value.code, str(caught.value.metadata), caught.value.violations

    answers = await asyncio.gather(*(answer(what.encode(), *typed) for what, typed in wrong.items()))
    assert set(answers) == {("BIDDER_NOT_FOUND", Code.NOT_FOUND, "{}", ())}


@pytest.mark.requirement("QUA-05")
@pytest.mark.parametrize(
    ("bidder_id", "entered", "is_found"),
    [
        (ABBREVIATED, "株式会社高橋・例示組", True),
        (ABBREVIATED, "株式会社　髙橋･例示組", True),
        (ABBREVIATED, "高橋・例示組株式会社", False),
        (ABBREVIATED, "株式会社高橋例示", False),
        (BIDDER, "株式会社見本建設", True),
        (BIDDER, "有限会社見本建設", False),
    ],
)
async def test_names_are_compared_by_their_keys(
    registry: RunningQualificationRegistry, bidder_id: str, entered: str, is_found: bool
) -> None:
    letters = await registry.officer.issue(bidder_id)
    search = registry.find(bidder_id, entered, letters[bidder_id].password)
    if is_found:
        assert (await search).company.bidder_id == bidder_id
    else:
        assert await reason(search) == "BIDDER_NOT_FOUND"


async def test_qualification_is_valid_on_its_last_day(registry: RunningQualificationRegistry) -> None:
    letters = await registry.officer.issue("1000000006")
    password = letters["1000000006"].password
    assert (await registry.find("1000000006", "株式会社最終日", password)).company.name == "株式会社最終日"
    # It is ten in the morning in Japan: the next day begins in fourteen hours.
    registry.pass_time(timedelta(hours=14))
    assert await reason(registry.find("1000000006", "株式会社最終日", password)) == "BIDDER_NOT_FOUND"


@pytest.mark.requirement("QUA-02")
@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"name": ""}, {"name"}),
        ({"bidder_id": "", "password": ""}, {"bidder_id", "password"}),
        ({"bidder_id": "１０００００００００１"}, {"bidder_id"}),
        ({"name": "株式会社\x00"}, {"name"}),
        ({"name": "（株）見本建設"}, {"name"}),
        ({"password": "p" * 101}, {"password"}),
    ],
)
async def test_entry_is_checked_for_its_shape_only(
    registry: RunningQualificationRegistry, changes: dict[str, Any], fields: set[str]
) -> None:
    entry: dict[str, Any] = {"bidder_id": BIDDER, "name": NAME, "password": "password", **changes}
    with pytest.raises(Refusal, match="FIELDS_INVALID") as caught:
        await registry.find(**entry)
    assert {violation.field for violation in caught.value.violations} == fields
    assert await registry.query("SELECT * FROM search_counts") == []


@pytest.mark.parametrize("card", [b"", b"short", b"c" * 33])
async def test_certificate_hash_of_another_length_is_refused(
    registry: RunningQualificationRegistry, card: bytes
) -> None:
    with pytest.raises(Refusal, match="CERTIFICATE_SHA256_INVALID") as caught:
        await registry.find(password="password", card=card)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert await registry.query("SELECT * FROM search_counts") == []


@pytest.mark.requirement("ENT-03")
@pytest.mark.parametrize(
    ("agency", "category", "expected", "code", "field"),
    [
        ("atlantis", WORKS, "AGENCY_UNKNOWN", Code.NOT_FOUND, "agency"),
        ("", WORKS, "AGENCY_UNKNOWN", Code.NOT_FOUND, "agency"),
        (PREFECTURE, "potions", "CATEGORY_UNKNOWN", Code.NOT_FOUND, "category"),
        (VILLAGE, GOODS, "CATEGORY_NOT_OFFERED", Code.FAILED_PRECONDITION, "category"),
    ],
)
async def test_agency_that_does_not_offer_the_category_is_refused(
    registry: RunningQualificationRegistry, agency: str, category: str, expected: str, code: Code, field: str
) -> None:
    with pytest.raises(Refusal) as caught:
        await registry.find(password="password", agency=agency, category=category)
    assert (caught.value.reason, caught.value.code) == (expected, code)
    assert [(violation.field, violation.reason) for violation in caught.value.violations] == [(field, expected)]


@pytest.mark.requirement("QUA-06")
async def test_card_waits_after_too_many_tries_on_an_id(registry: RunningQualificationRegistry) -> None:
    passwords = await issue_passwords(registry)
    for bidder_id in (BIDDER, UNKNOWN):
        wrong = [reason(registry.find(bidder_id, NAME, f"wrong{number:03}")) for number in range(6)]
        assert sorted(await asyncio.gather(*wrong)) == ["BIDDER_NOT_FOUND"] * 5 + ["TOO_MANY_TRIES"]
    with pytest.raises(Refusal, match="TOO_MANY_TRIES") as caught:
        await registry.find(BIDDER, NAME, passwords[BIDDER])
    assert caught.value.metadata == {"retry_after_seconds": "900", "retry_after_minutes": "15"}
    # Another card does not have to wait, nor does this one for another id.
    assert (
        await registry.find(BIDDER, NAME, passwords[BIDDER], card=sha256(b"other").digest())
    ).company.bidder_id == BIDDER
    assert (await registry.find(OTHER, "有限会社例示工務店", passwords[OTHER], agency=CITY)).company.bidder_id == OTHER
    registry.pass_time(timedelta(minutes=15))
    assert (await registry.find(BIDDER, NAME, passwords[BIDDER])).company.bidder_id == BIDDER


async def test_tries_by_a_clock_that_was_a_month_ahead_hold_nobody_up(registry: RunningQualificationRegistry) -> None:
    passwords = await issue_passwords(registry)
    registry.pass_time(timedelta(days=30))
    for number in range(6):
        await reason(registry.find(BIDDER, NAME, f"wrong{number:03}"))
    assert await reason(registry.find(BIDDER, NAME, passwords[BIDDER])) == "TOO_MANY_TRIES"
    registry.pass_time(-timedelta(days=30))
    assert (await registry.find(BIDDER, NAME, passwords[BIDDER])).company.bidder_id == BIDDER


@pytest.mark.requirement("QUA-06")
async def test_concurrent_tries_are_all_counted(registry: RunningQualificationRegistry) -> None:
    tries = (reason(registry.find(BIDDER, NAME, f"wrong{number:03}")) for number in range(20))
    assert sorted(await asyncio.gather(*tries)) == ["BIDDER_NOT_FOUND"] * 5 + ["TOO_MANY_TRIES"] * 15


@pytest.mark.requirement("QUA-06")
async def test_card_waits_after_tries_on_many_ids(registry: RunningQualificationRegistry) -> None:
    ids = [f"100001{number:04}" for number in range(21)]
    tries = (reason(registry.find(each, NAME, "wrong123")) for each in ids)
    assert sorted(await asyncio.gather(*tries)) == ["BIDDER_NOT_FOUND"] * 20 + ["TOO_MANY_TRIES"]


@pytest.mark.requirement("QUA-06")
async def test_successful_search_reverts_its_count(registry: RunningQualificationRegistry) -> None:
    passwords = await issue_passwords(registry)
    for _ in range(3):
        wrong = [reason(registry.find(BIDDER, NAME, f"wrong{number:03}")) for number in range(4)]
        assert await asyncio.gather(*wrong) == ["BIDDER_NOT_FOUND"] * 4
        await registry.find(BIDDER, NAME, passwords[BIDDER])
    counts = dict(await registry.query("SELECT scope, tries FROM search_counts"))
    # The failures still count against the card and the bidder.
    assert counts == {"card": 12, "bidder": 12}


@pytest.mark.requirement("QUA-06")
async def test_tries_of_many_cards_on_a_bidder_are_delayed_and_never_refused(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    profile = roster_profile(password={"tries_per_bidder": 1})
    async with running_qualification_registry(
        migrated_database("qualification_registry"), tmp_path, profile
    ) as registry:
        await registry.officer.import_roster(FILE)
        letters = await registry.officer.issue(BIDDER)
        cards = [sha256(bytes([number])).digest() for number in range(3)]
        wrong = [reason(registry.find(BIDDER, NAME, "wrong123", card=card)) for card in cards]
        assert await asyncio.gather(*wrong) == ["BIDDER_NOT_FOUND"] * 3
        started = time.perf_counter()
        result = await registry.find(BIDDER, NAME, letters[BIDDER].password)
        assert result.company.bidder_id == BIDDER
        assert time.perf_counter() - started > 0.6  # (4 − 1) steps of 0.2 s


async def test_try_counts_after_the_caller_cancelled(registry: RunningQualificationRegistry) -> None:
    call = asyncio.create_task(registry.find(BIDDER, NAME, "wrong123"))
    while not await registry.query("SELECT * FROM search_counts WHERE scope = 'bidder'"):
        await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert dict(await registry.query("SELECT scope, tries FROM search_counts"))["card_and_id"] == 1


@pytest.mark.every_postgresql
async def test_counts_are_deleted_after_the_end_of_their_window(registry: RunningQualificationRegistry) -> None:
    assert await reason(registry.find(BIDDER, NAME, "wrong123")) == "BIDDER_NOT_FOUND"
    registry.pass_time(timedelta(minutes=14))
    await registry.delete_expired()
    assert len(await registry.query("SELECT * FROM search_counts")) == 3
    registry.pass_time(timedelta(minutes=1))
    await registry.delete_expired()
    assert await registry.query("SELECT * FROM search_counts") == []


@pytest.mark.requirement("QUA-09", "met")
async def test_password_changed_today_is_refused_only_if_it_is_right(
    registry: RunningQualificationRegistry,
) -> None:
    await issue_passwords(registry)
    letters = await registry.officer.issue(BIDDER, reissue=True)
    password = letters[BIDDER].password
    with pytest.raises(Refusal, match="PASSWORD_CHANGED_TODAY") as refused:
        await registry.find(BIDDER, NAME, password)
    # A day on which the system is closed is no day to come again.
    assert refused.value.metadata["opens_next_ja"] == "2026年11月30日(月) 8時30分"
    assert await reason(registry.find(BIDDER, NAME, "wrong123")) == "BIDDER_NOT_FOUND"
    assert await reason(registry.find(BIDDER, "株式会社別物", password)) == "BIDDER_NOT_FOUND"
    # The day in Japan ends in fourteen hours.
    registry.pass_time(timedelta(hours=13, minutes=59))
    assert await reason(registry.find(BIDDER, NAME, password)) == "PASSWORD_CHANGED_TODAY"
    registry.pass_time(timedelta(minutes=1))
    assert (await registry.find(BIDDER, NAME, password)).company.bidder_id == BIDDER


@pytest.mark.requirement("QUA-10")
@pytest.mark.parametrize(
    ("status", "expected"), [(BidderStatus.SUSPENDED, "BIDDER_SUSPENDED"), (BidderStatus.ENDED, "BIDDER_ENDED")]
)
async def test_stopped_bidder_is_refused_with_the_reason_only_after_a_right_password(
    registry: RunningQualificationRegistry, status: BidderStatus, expected: str
) -> None:
    passwords = await issue_passwords(registry)
    await registry.change_status(BIDDER, status)
    assert await reason(registry.find(BIDDER, NAME, passwords[BIDDER])) == expected
    assert await reason(registry.find(BIDDER, NAME, "wrong123")) == "BIDDER_NOT_FOUND"


@pytest.mark.parametrize(
    ("match", "on_card", "expected"),
    [
        ("required", "株式会社別物", "COMPANY_DIFFERS_FROM_CARD"),
        # Only a person can tell: the certificate has no company, or romaji, or perhaps the roster's.
        ("required", "見本建設株式会社", "COMPANY_NEEDS_OFFICER"),
        ("required", "MIHON KENSETSU CO.,LTD.", "COMPANY_NEEDS_OFFICER"),
        ("required", None, "COMPANY_NEEDS_OFFICER"),
        ("required", "・", "COMPANY_NEEDS_OFFICER"),
        ("required", "（株）見本建設", ""),
        ("required", "㈱見本建設", ""),
        ("off", "別の会社", ""),
        # The agency's rule in this category takes the place of its own.
        ("off, required in works", "株式会社別物", "COMPANY_DIFFERS_FROM_CARD"),
        ("required, off in works", "別の会社", ""),
    ],
)
async def test_company_on_the_card_is_compared_by_the_rule_of_the_agency(
    migrated_database: Callable[[str], str], tmp_path: Path, match: str, on_card: str | None, expected: str
) -> None:
    own, _, in_works = match.partition(", ")
    changes: dict[str, Any] = {"company_match": own}
    if in_works:
        changes["in_category"] = [{"category": WORKS, "company_match": in_works.removesuffix(" in works")}]
    profile = roster_profile(agencies=[agency.model_dump() | changes for agency in example_profile().agencies])
    async with running_qualification_registry(
        migrated_database("qualification_registry"), tmp_path, profile
    ) as registry:
        await registry.officer.import_roster(FILE)
        password = (await registry.officer.issue(BIDDER))[BIDDER].password
        if expected:
            with pytest.raises(Refusal) as caught:
                await registry.find(BIDDER, NAME, password, certificate_company_name=on_card)
            assert caught.value.reason == expected
            # The refusal contains neither name.
            assert NAME not in str(caught.value.metadata)
            assert (
                await reason(registry.find(BIDDER, NAME, "wrong123", certificate_company_name=on_card))
                == "BIDDER_NOT_FOUND"
            )
        else:
            assert (await registry.find(BIDDER, NAME, password, certificate_company_name=on_card)).company.name == NAME


def profile_without_password() -> Profile:
    """Returns a profile whose search requires name and number only, and therefore compares the card's company."""
    text = {"ja": "項目", "en": "field"}
    fields = [{"field": field, "label": text, "hint": text} for field in ("name", "bidder_id")]
    agencies = [agency.model_dump() | {"company_match": "required"} for agency in example_profile().agencies]
    return roster_profile(category={"search_fields": fields}, agencies=agencies)


async def test_search_without_a_password_requires_the_right_card(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    dsn = migrated_database("qualification_registry")
    async with running_qualification_registry(dsn, tmp_path, profile_without_password()) as registry:
        await registry.officer.import_roster(FILE)
        assert (await registry.find(BIDDER, NAME, certificate_company_name=NAME)).company.name == NAME
        assert await reason(registry.find(BIDDER, "株式会社別物", certificate_company_name=NAME)) == "BIDDER_NOT_FOUND"
        assert await reason(registry.find(BIDDER, NAME, certificate_company_name="別物")) == "COMPANY_DIFFERS_FROM_CARD"
