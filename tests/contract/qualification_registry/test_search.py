"""What a search promises: the bidder and its proof, or one answer for everything that does not fit."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from instance_profile.model import Profile
from qualification_registry.domain.bidders import BidderStatus
from qualification_registry.domain.proof import ProofKey
from qualification_registry.operations.bidder_status import change_status
from refusals import Code, Refusal
from tests.support.example_profile import CITY, GOODS, PREFECTURE, TOWN, VILLAGE, WORKS, example_profile
from tests.support.services.qualification_registry import (
    CARD,
    QualificationHouse,
    qualification_house,
    roster,
    roster_profile,
    row,
)
from toroku.qualification.v1 import resources_pb2, service_pb2

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
async def house(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[QualificationHouse]:
    async with qualification_house(migrated_database("qualification_registry"), tmp_path) as opened:
        await opened.officer.import_roster(FILE)
        yield opened


async def passwords(house: QualificationHouse) -> dict[str, str]:
    """Issues passwords to everybody."""
    return {bidder_id: letter.password for bidder_id, letter in (await house.officer.issue()).items()}


async def reason(search: Any) -> str:
    """The reason for which a search is refused."""
    with pytest.raises(Refusal) as caught:
        await search
    return caught.value.reason


@pytest.mark.requirement("QUA-02")
@pytest.mark.requirement("QUA-07")
async def test_who_gives_name_id_and_password_finds_its_company(house: QualificationHouse) -> None:
    given = await passwords(house)
    found = await house.find(BIDDER, NAME, given[BIDDER])
    assert found.company == resources_pb2.CompanyProfile(
        bidder_id=BIDDER,
        name=NAME,
        address="例示県例示市一丁目",
        representative_name="見本　太郎",
        telephone="03-0000-0000",
        grades=[resources_pb2.Grade(kind="土木", grade="A")],
    )
    # What the roster lacks is not set, and not empty.
    assert not found.company.HasField("fax")


@pytest.mark.requirement("QUA-02")
async def test_the_proof_states_what_was_found_and_for_how_long(house: QualificationHouse) -> None:
    given = await passwords(house)
    proof = (await house.find(BIDDER, NAME, given[BIDDER])).proof
    key = house.proof_key
    assert proof.key_id == key.key_id == sha256(key._public.public_bytes_raw()).hexdigest()[:16]
    key._public.verify(proof.signature, b"toroku bidder proof v1\x00" + proof.statement)
    statement = resources_pb2.BidderStatement.FromString(proof.statement)
    assert (statement.instance, statement.bidder_id, statement.agency, statement.category) == (
        "example",
        BIDDER,
        PREFECTURE,
        WORKS,
    )
    assert statement.certificate_sha256 == CARD
    assert statement.expires_at.seconds - statement.issued_at.seconds == 600


@pytest.mark.requirement("QUA-01")
@pytest.mark.requirement("QUA-06")
async def test_whatever_does_not_fit_gets_the_same_answer_after_the_same_work(house: QualificationHouse) -> None:
    given = await passwords(house)
    wrong = {
        "password": (BIDDER, NAME, "wrong123", PREFECTURE),
        "name": (BIDDER, "株式会社別物", given[BIDDER], PREFECTURE),
        "id": (UNKNOWN, NAME, given[BIDDER], PREFECTURE),
        "roster": (OTHER, "有限会社例示工務店", given[OTHER], PREFECTURE),
        "agency": (BIDDER, NAME, given[BIDDER], TOWN),
        "lapsed": ("1000000004", "株式会社期限切", "wrong123", PREFECTURE),
        "not yet": ("1000000005", "株式会社未来", given["1000000005"], PREFECTURE),
    }

    async def answer(card: bytes, bidder_id: str, name: str, password: str, agency: str) -> tuple[Any, ...]:
        started = time.perf_counter()
        with pytest.raises(Refusal) as caught:
            await house.find(bidder_id, name, password, agency=agency, card=sha256(card).digest())
        # Every one of them takes at least the common time, which is longer than the work of any.
        assert time.perf_counter() - started >= 0.2
        return caught.value.reason, caught.value.code, str(caught.value.metadata), caught.value.violations

    answers = await asyncio.gather(*(answer(what.encode(), *typed) for what, typed in wrong.items()))
    assert set(answers) == {("BIDDER_NOT_FOUND", Code.NOT_FOUND, "{}", ())}


@pytest.mark.requirement("QUA-05")
@pytest.mark.parametrize(
    ("bidder_id", "typed", "found"),
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
    house: QualificationHouse, bidder_id: str, typed: str, found: bool
) -> None:
    letters = await house.officer.issue(bidder_id)
    search = house.find(bidder_id, typed, letters[bidder_id].password)
    if found:
        assert (await search).company.bidder_id == bidder_id
    else:
        assert await reason(search) == "BIDDER_NOT_FOUND"


async def test_a_qualification_is_good_on_its_last_day(house: QualificationHouse) -> None:
    letters = await house.officer.issue("1000000006")
    password = letters["1000000006"].password
    assert (await house.find("1000000006", "株式会社最終日", password)).company.name == "株式会社最終日"
    # It is ten in the morning in Japan; in fourteen hours the next day begins there.
    house.pass_time(timedelta(hours=14))
    assert await reason(house.find("1000000006", "株式会社最終日", password)) == "BIDDER_NOT_FOUND"


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
        ({"card": b"short"}, {"certificate_sha256"}),
    ],
)
async def test_what_is_typed_is_checked_for_its_shape_only(
    house: QualificationHouse, changes: dict[str, Any], fields: set[str]
) -> None:
    typed: dict[str, Any] = {"bidder_id": BIDDER, "name": NAME, "password": "password", **changes}
    with pytest.raises(Refusal, match="FIELDS_INVALID") as caught:
        await house.find(**typed)
    assert {violation.field for violation in caught.value.violations} == fields
    assert await house.rows("SELECT * FROM search_counts") == []


@pytest.mark.requirement("ENT-03")
@pytest.mark.parametrize(
    ("agency", "category", "expected"),
    [
        ("atlantis", WORKS, "AGENCY_UNKNOWN"),
        ("", WORKS, "AGENCY_UNKNOWN"),
        (PREFECTURE, "potions", "CATEGORY_UNKNOWN"),
        (VILLAGE, GOODS, "CATEGORY_NOT_OFFERED"),
    ],
)
async def test_an_unknown_place_is_refused(
    house: QualificationHouse, agency: str, category: str, expected: str
) -> None:
    assert await reason(house.find(password="password", agency=agency, category=category)) == expected


@pytest.mark.requirement("QUA-06")
async def test_too_many_tries_of_a_card_on_an_id_have_to_wait(house: QualificationHouse) -> None:
    given = await passwords(house)
    for bidder_id in (BIDDER, UNKNOWN):
        wrong = [reason(house.find(bidder_id, NAME, f"wrong{number:03}")) for number in range(6)]
        assert sorted(await asyncio.gather(*wrong)) == ["BIDDER_NOT_FOUND"] * 5 + ["TOO_MANY_TRIES"]
    with pytest.raises(Refusal, match="TOO_MANY_TRIES") as caught:
        await house.find(BIDDER, NAME, given[BIDDER])
    assert caught.value.metadata == {"retry_after_seconds": "900", "retry_after_minutes": "15"}
    # Another card is not held up by this one, nor this one on another id.
    assert (await house.find(BIDDER, NAME, given[BIDDER], card=sha256(b"other").digest())).company.bidder_id == BIDDER
    assert (await house.find(OTHER, "有限会社例示工務店", given[OTHER], agency=CITY)).company.bidder_id == OTHER
    house.pass_time(timedelta(minutes=15))
    assert (await house.find(BIDDER, NAME, given[BIDDER])).company.bidder_id == BIDDER


@pytest.mark.requirement("QUA-06")
async def test_tries_at_the_same_time_are_all_counted(house: QualificationHouse) -> None:
    tries = (reason(house.find(BIDDER, NAME, f"wrong{number:03}")) for number in range(20))
    assert sorted(await asyncio.gather(*tries)) == ["BIDDER_NOT_FOUND"] * 5 + ["TOO_MANY_TRIES"] * 15


@pytest.mark.requirement("QUA-06")
async def test_a_card_that_tries_many_ids_has_to_wait(house: QualificationHouse) -> None:
    ids = [f"100001{number:04}" for number in range(21)]
    tries = (reason(house.find(each, NAME, "wrong123")) for each in ids)
    assert sorted(await asyncio.gather(*tries)) == ["BIDDER_NOT_FOUND"] * 20 + ["TOO_MANY_TRIES"]


@pytest.mark.requirement("QUA-06")
async def test_a_search_that_succeeds_takes_its_count_back(house: QualificationHouse) -> None:
    given = await passwords(house)
    for _ in range(3):
        wrong = [reason(house.find(BIDDER, NAME, f"wrong{number:03}")) for number in range(4)]
        assert await asyncio.gather(*wrong) == ["BIDDER_NOT_FOUND"] * 4
        await house.find(BIDDER, NAME, given[BIDDER])
    counts = dict(await house.rows("SELECT scope, tries FROM search_counts"))
    # The failures still count for the card and for the bidder.
    assert counts == {"card": 12, "bidder": 12}


@pytest.mark.requirement("QUA-06")
async def test_a_bidder_that_many_cards_try_is_slowed_and_never_locked(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    profile = roster_profile(password={"tries_per_bidder": 1})
    async with qualification_house(migrated_database("qualification_registry"), tmp_path, profile) as house:
        await house.officer.import_roster(FILE)
        letters = await house.officer.issue(BIDDER)
        cards = [sha256(bytes([number])).digest() for number in range(3)]
        wrong = [reason(house.find(BIDDER, NAME, "wrong123", card=card)) for card in cards]
        assert await asyncio.gather(*wrong) == ["BIDDER_NOT_FOUND"] * 3
        started = time.perf_counter()
        found = await house.find(BIDDER, NAME, letters[BIDDER].password)
        assert found.company.bidder_id == BIDDER
        assert time.perf_counter() - started > 0.6  # (4 − 1) steps of 0.2 s


async def test_a_try_counts_although_the_caller_went_away(house: QualificationHouse) -> None:
    call = asyncio.create_task(house.find(BIDDER, NAME, "wrong123"))
    while not await house.rows("SELECT * FROM search_counts WHERE scope = 'bidder'"):
        await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert dict(await house.rows("SELECT scope, tries FROM search_counts"))["card_and_id"] == 1


async def test_counts_are_cleared_when_their_time_is_over(house: QualificationHouse) -> None:
    assert await reason(house.find(BIDDER, NAME, "wrong123")) == "BIDDER_NOT_FOUND"
    house.pass_time(timedelta(minutes=14))
    await house.work.tasks["clear_what_is_over"][0]({})
    assert len(await house.rows("SELECT * FROM search_counts")) == 3
    house.pass_time(timedelta(minutes=1))
    await house.work.tasks["clear_what_is_over"][0]({})
    assert await house.rows("SELECT * FROM search_counts") == []


@pytest.mark.requirement("QUA-09")
async def test_a_password_that_was_changed_today_is_told_after_it_was_right(house: QualificationHouse) -> None:
    await passwords(house)
    letters = await house.officer.issue(BIDDER, reissue=True)
    password = letters[BIDDER].password
    assert await reason(house.find(BIDDER, NAME, password)) == "PASSWORD_CHANGED_TODAY"
    assert await reason(house.find(BIDDER, NAME, "wrong123")) == "BIDDER_NOT_FOUND"
    assert await reason(house.find(BIDDER, "株式会社別物", password)) == "BIDDER_NOT_FOUND"
    # The day ends at midnight in Japan, fourteen hours from now.
    house.pass_time(timedelta(hours=13, minutes=59))
    assert await reason(house.find(BIDDER, NAME, password)) == "PASSWORD_CHANGED_TODAY"
    house.pass_time(timedelta(minutes=1))
    assert (await house.find(BIDDER, NAME, password)).company.bidder_id == BIDDER


@pytest.mark.parametrize(
    ("status", "expected"), [(BidderStatus.SUSPENDED, "BIDDER_SUSPENDED"), (BidderStatus.ENDED, "BIDDER_ENDED")]
)
async def test_who_is_stopped_is_told_the_way_after_a_right_password(
    house: QualificationHouse, status: BidderStatus, expected: str
) -> None:
    given = await passwords(house)
    await change_status(house.database, BIDDER, status)
    assert await reason(house.find(BIDDER, NAME, given[BIDDER])) == expected
    assert await reason(house.find(BIDDER, NAME, "wrong123")) == "BIDDER_NOT_FOUND"


@pytest.mark.parametrize(
    ("match", "on_card", "expected"),
    [
        ("required", "見本建設株式会社", "COMPANY_DIFFERS_FROM_CARD"),
        ("required", None, "COMPANY_DIFFERS_FROM_CARD"),
        ("required", "・", "COMPANY_DIFFERS_FROM_CARD"),
        ("required", "（株）見本建設", ""),
        ("officer", "見本建設株式会社", "COMPANY_NEEDS_OFFICER"),
        ("officer", None, "COMPANY_NEEDS_OFFICER"),
        ("officer", "㈱見本建設", ""),
        ("off", "別の会社", ""),
    ],
)
async def test_the_company_on_the_card_is_compared_as_the_agency_wants_it(
    migrated_database: Callable[[str], str], tmp_path: Path, match: str, on_card: str | None, expected: str
) -> None:
    agencies = [agency.model_dump() | {"company_match": match} for agency in example_profile().agencies]
    profile = roster_profile(agencies=agencies)
    async with qualification_house(migrated_database("qualification_registry"), tmp_path, profile) as house:
        await house.officer.import_roster(FILE)
        password = (await house.officer.issue(BIDDER))[BIDDER].password
        if expected:
            with pytest.raises(Refusal) as caught:
                await house.find(BIDDER, NAME, password, company_on_card=on_card)
            assert caught.value.reason == expected
            # Neither name stands in the refusal.
            assert NAME not in str(caught.value.metadata)
            assert await reason(house.find(BIDDER, NAME, "wrong123", company_on_card=on_card)) == "BIDDER_NOT_FOUND"
        else:
            assert (await house.find(BIDDER, NAME, password, company_on_card=on_card)).company.name == NAME


def without_password() -> Profile:
    """A profile whose search asks name and number only, and therefore compares the card's company."""
    text = {"ja": "項目", "en": "field"}
    fields = [{"field": field, "label": text, "hint": text} for field in ("name", "bidder_id")]
    agencies = [agency.model_dump() | {"company_match": "required"} for agency in example_profile().agencies]
    return roster_profile(category={"search_fields": fields}, agencies=agencies)


async def test_a_search_without_a_password_needs_the_right_card(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    dsn = migrated_database("qualification_registry")
    async with qualification_house(dsn, tmp_path, without_password()) as house:
        await house.officer.import_roster(FILE)
        assert (await house.find(BIDDER, NAME, company_on_card=NAME)).company.name == NAME
        assert await reason(house.find(BIDDER, "株式会社別物", company_on_card=NAME)) == "BIDDER_NOT_FOUND"
        assert await reason(house.find(BIDDER, NAME, company_on_card="別物")) == "COMPANY_DIFFERS_FROM_CARD"


@pytest.mark.requirement("QUA-07")
async def test_the_profile_behind_a_proof_is_the_roster_s_of_now(house: QualificationHouse) -> None:
    given = await passwords(house)
    proof = (await house.find(BIDDER, NAME, given[BIDDER])).proof
    await house.officer.import_roster(roster(row(BIDDER, NAME, address="例示県新住所", grade="B")))
    answer = await house.front_door.GetCompanyProfile(service_pb2.GetCompanyProfileRequest(proof=proof))
    assert (answer.company.address, answer.company.grades[0].grade) == ("例示県新住所", "B")
    assert answer.statement.bidder_id == BIDDER
    await house.officer.import_roster(roster(row(OTHER, "有限会社例示工務店")))
    assert await reason(profile_of(house, proof)) == "BIDDER_NOT_QUALIFIED"


async def test_a_proof_that_is_forged_or_too_old_is_refused(house: QualificationHouse) -> None:
    given = await passwords(house)
    proof = (await house.find(BIDDER, NAME, given[BIDDER])).proof
    statement = resources_pb2.BidderStatement.FromString(proof.statement)
    statement.bidder_id = OTHER
    altered = resources_pb2.BidderProof(
        statement=statement.SerializeToString(), key_id=proof.key_id, signature=proof.signature
    )
    stranger = ProofKey(Ed25519PrivateKey.generate()).sign(proof.statement)
    forged = resources_pb2.BidderProof(
        statement=stranger.statement, key_id=stranger.key_id, signature=stranger.signature
    )
    nameless = resources_pb2.BidderProof(
        statement=stranger.statement, key_id=proof.key_id, signature=stranger.signature
    )
    elsewhere = resources_pb2.BidderStatement.FromString(proof.statement)
    elsewhere.instance = "another"
    signed = house.proof_key.sign(elsewhere.SerializeToString())
    of_another = resources_pb2.BidderProof(statement=signed.statement, key_id=signed.key_id, signature=signed.signature)
    for wrong in (altered, forged, nameless, of_another, resources_pb2.BidderProof()):
        assert await reason(profile_of(house, wrong)) == "BIDDER_PROOF_INVALID"
    house.pass_time(timedelta(minutes=9, seconds=59))
    assert (await profile_of(house, proof)).company.bidder_id == BIDDER
    house.pass_time(timedelta(seconds=1))
    assert await reason(profile_of(house, proof)) == "BIDDER_PROOF_EXPIRED"


async def profile_of(
    house: QualificationHouse, proof: resources_pb2.BidderProof
) -> service_pb2.GetCompanyProfileResponse:
    """Asks for the company behind a proof."""
    return await house.front_door.GetCompanyProfile(service_pb2.GetCompanyProfileRequest(proof=proof))
