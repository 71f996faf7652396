"""What contact-notification promises the front door: contacts are staged once, and the first one reserves its place."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from contact_notification.domain import GRACE, SESSION_MAXIMUM
from refusals import Refusal
from tests.support.example_profile import GOODS, OTHER_BIDDER, VILLAGE, example_profile
from tests.support.services.contact_notification import (
    MORNING,
    ContactHouse,
    card,
    committed,
    contact_house,
    form,
    staging,
)
from toroku.contact.v1 import service_pb2
from toroku.qualification.v1 import resources_pb2 as qualification_pb2

TOO_OLD = SESSION_MAXIMUM + GRACE


@pytest.fixture
async def house(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[ContactHouse]:
    async with contact_house(migrated_database("contact_notification"), tmp_path, example_profile()) as opened:
        yield opened


async def refusal_of(house: ContactHouse, request: service_pb2.StageContactsRequest) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await house.stage(request)
    return caught.value


async def counted(house: ContactHouse) -> list[int]:
    """How many rows stand in each table that staging touches."""
    tables = ("staged_registrations", "contacts", "abandoned_requests", "mails", "procrastinate_jobs")
    return [(await house.rows(f"SELECT count(*) FROM {table}"))[0][0] for table in tables]  # noqa: S608


@pytest.mark.requirement("REG-02")
async def test_contacts_come_back_character_for_character(house: ContactHouse) -> None:
    request = staging(card_contact=form("髙﨑　祇園", address="さいたま市浦和区１－１", department=""))
    request.card_contact.contact.department = "葛\U000e0100城課"
    request.company.ClearField("address")
    request.request_sha256 = card(99)
    await house.stage(request)
    staged = await house.staged(request)
    assert staged.card_contact == request.card_contact.contact
    assert staged.representative_contact == request.representative_contact.contact
    assert staged.company == request.company
    assert not staged.company.HasField("address")


async def test_a_company_that_the_roster_writes_empty_stays_empty(house: ContactHouse) -> None:
    company = qualification_pb2.CompanyProfile(bidder_id="1000000001", name="㈱例", fax="", department="")
    request = staging(company=company)
    await house.stage(request)
    assert (await house.staged(request)).company == company


async def test_the_answer_says_until_when_they_are_kept(house: ContactHouse) -> None:
    response = await house.stage(staging())
    assert response.expires_at.ToDatetime(MORNING.tzinfo) == MORNING + TOO_OLD


@pytest.mark.requirement("REG-05")
async def test_the_same_again_gives_the_same_answer(house: ContactHouse) -> None:
    request = staging()
    first = await house.stage(request)
    house.pass_time(timedelta(minutes=20))
    assert await house.stage(request) == first
    assert (await counted(house))[:2] == [1, 2]


async def test_the_same_again_after_the_commit_gives_the_same_answer(house: ContactHouse) -> None:
    request = staging()
    first = await house.stage(request)
    event = committed(request)
    house.cards.register(event)
    await house.record(event)
    assert await house.stage(request) == first


@pytest.mark.parametrize("times", [2, 6])
async def test_the_same_at_the_same_time_is_staged_once(house: ContactHouse, times: int) -> None:
    request = staging()
    answers = await asyncio.gather(*(house.stage(request) for _ in range(times)))
    assert all(answer == answers[0] for answer in answers)
    assert (await counted(house))[:2] == [1, 2]


async def test_other_content_under_the_same_request_id_is_refused(house: ContactHouse) -> None:
    request = staging()
    await house.stage(request)
    other = staging(request_id=request.request_id, card_contact=form("別　人"))
    assert (await refusal_of(house, other)).reason == "REQUEST_ID_REUSED"
    assert (await house.staged(request)).card_contact.person_name == "埼玉　太郎"


async def test_another_card_may_use_the_same_request_id(house: ContactHouse) -> None:
    request_id = str(uuid4())
    await house.stage(staging(1, request_id))
    await house.stage(staging(2, request_id, category=GOODS))


async def test_a_dry_run_changes_nothing(house: ContactHouse) -> None:
    before = await counted(house)
    response = await house.stage(staging(validate_only=True))
    assert not response.HasField("expires_at")
    assert await counted(house) == before
    assert not house.cards.outcome_requests


@pytest.mark.requirement("REG-02")
@pytest.mark.parametrize("validate_only", [False, True])
async def test_errors_stand_at_their_fields(house: ContactHouse, validate_only: bool) -> None:
    request = staging(
        card_contact=form("埼" * 21, mail_address="koji@"),
        representative_contact=form("", telephone="０３－００００－００００"),
        validate_only=validate_only,
    )
    refusal = await refusal_of(house, request)
    assert refusal.reason == "FIELDS_INVALID"
    assert {violation.field: violation.reason for violation in refusal.violations} == {
        "card_contact.person_name": "FIELD_TOO_LONG",
        "card_contact.mail_address": "MAIL_ADDRESS_INVALID",
        "representative_contact.person_name": "FIELD_REQUIRED",
        "representative_contact.telephone": "FIELD_NOT_HALF_WIDTH",
    }
    assert (await counted(house))[:2] == [0, 0]


async def test_a_request_without_a_card_contact_names_every_field(house: ContactHouse) -> None:
    request = staging()
    request.ClearField("card_contact")
    refusal = await refusal_of(house, request)
    assert {violation.field for violation in refusal.violations} == {
        f"card_contact.{rule.field}" for rule in house.profile.category(GOODS).contact_fields
    }


@pytest.mark.parametrize(
    "changes",
    [{"mail_address": "koji@contractor.example\r\nBcc: x@evil.example"}, {"person_name": "太郎\x00"}],
    ids=["line break", "NUL"],
)
async def test_control_characters_are_refused(house: ContactHouse, changes: dict[str, str]) -> None:
    request = staging(card_contact=form(changes.pop("person_name", "太郎"), **changes))
    (violation,) = (await refusal_of(house, request)).violations
    assert violation.reason == "FIELD_HAS_CONTROL_CHARACTERS"


async def test_two_mail_addresses_that_differ_are_refused(house: ContactHouse) -> None:
    request = staging()
    request.card_contact.mail_address_again = "other@contractor.example"
    (violation,) = (await refusal_of(house, request)).violations
    assert (violation.field, violation.reason) == ("card_contact.mail_address_again", "MAIL_ADDRESSES_DIFFER")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"request_id": "4711"}, "REQUEST_ID_INVALID"),
        ({"certificate_sha256": b"short"}, "CERTIFICATE_SHA256_INVALID"),
        ({"request_sha256": b"short"}, "REQUEST_SHA256_INVALID"),
        ({"agency": "nowhere"}, "AGENCY_UNKNOWN"),
        ({"category": "nothing"}, "CATEGORY_UNKNOWN"),
        ({"agency": VILLAGE, "category": GOODS}, "CATEGORY_NOT_OFFERED"),
    ],
)
async def test_a_request_that_can_not_be_is_refused(house: ContactHouse, changes: dict[str, Any], reason: str) -> None:
    assert (await refusal_of(house, staging(**changes))).reason == reason


@pytest.mark.requirement("REG-03")
async def test_the_first_registration_has_to_give_the_representative_contact(house: ContactHouse) -> None:
    (violation,) = (await refusal_of(house, staging(representative=False))).violations
    assert (violation.field, violation.reason) == ("representative_contact", "REPRESENTATIVE_CONTACT_REQUIRED")


@pytest.mark.requirement("REG-03")
async def test_a_further_card_shows_the_representative_contact_that_stands(house: ContactHouse) -> None:
    first = staging(1)
    await house.register(first)
    further = staging(2, representative=False)
    await house.stage(further)
    assert (await house.staged(further)).representative_contact == first.representative_contact.contact


@pytest.mark.requirement("REG-03")
@pytest.mark.parametrize("validate_only", [False, True])
async def test_a_further_card_can_not_give_it_again(house: ContactHouse, validate_only: bool) -> None:
    await house.register(staging(1))
    refusal = await refusal_of(house, staging(2, validate_only=validate_only))
    assert refusal.reason == "REPRESENTATIVE_CONTACT_GIVEN_ALREADY"


@pytest.mark.requirement("ENT-04")
@pytest.mark.requirement("REG-03")
async def test_each_category_has_a_representative_contact_of_its_own(house: ContactHouse) -> None:
    await house.register(staging(1))
    await house.register(staging(1, category=GOODS, representative_contact=form("物品　次郎")))
    works, goods = await house.representative(), await house.representative(category=GOODS)
    assert works is not None
    assert goods is not None
    assert (works.person_name, goods.person_name) == ("代表　花子", "物品　次郎")


async def test_a_bidder_without_one_has_none(house: ContactHouse) -> None:
    await house.stage(staging(1))
    assert await house.representative() is None
    assert await house.representative(OTHER_BIDDER) is None
    assert await house.representative("\x00") is None


async def test_two_cards_can_not_both_give_the_first_one(house: ContactHouse) -> None:
    await house.stage(staging(1))
    house.pass_time(timedelta(minutes=5))
    refusal = await refusal_of(house, staging(2))
    assert refusal.reason == "REPRESENTATIVE_CONTACT_RESERVED"
    assert datetime.fromisoformat(refusal.metadata["retry_at"]) == MORNING + TOO_OLD
    assert refusal.metadata["retry_at_ja"] == "2026年11月27日(金) 11時05分"
    assert not house.cards.outcome_requests


async def test_of_two_at_the_same_time_one_is_kept(house: ContactHouse) -> None:
    outcomes = await asyncio.gather(*(house.stage(staging(number)) for number in range(6)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert len(refused) == 5
    assert {str(getattr(refusal, "reason", refusal)) for refusal in refused} == {"REPRESENTATIVE_CONTACT_RESERVED"}
    assert (await counted(house))[:2] == [1, 2]


async def test_another_bidder_and_another_category_do_not_wait(house: ContactHouse) -> None:
    await house.stage(staging(1))
    await house.stage(staging(2, category=GOODS))
    await house.stage(staging(3, company=qualification_pb2.CompanyProfile(bidder_id=OTHER_BIDDER, name="別")))


async def test_a_dry_run_says_that_it_is_reserved(house: ContactHouse) -> None:
    await house.stage(staging(1))
    refusal = await refusal_of(house, staging(2, validate_only=True))
    assert refusal.reason == "REPRESENTATIVE_CONTACT_RESERVED"


async def test_the_same_card_replaces_its_older_request_and_bars_it(house: ContactHouse) -> None:
    older, newer = staging(1), staging(1, card_contact=form("改めて　太郎"))
    await house.stage(older)
    await house.stage(newer)
    assert (older.certificate_sha256, older.request_id) in house.cards.tombstones
    with pytest.raises(Refusal, match="CONTACTS_NOT_STAGED"):
        await house.staged(older)
    assert (await house.staged(newer)).card_contact.person_name == "改めて　太郎"
    assert (await counted(house))[:3] == [1, 2, 1]


async def test_a_dry_run_of_the_same_card_bars_nothing(house: ContactHouse) -> None:
    await house.stage(staging(1))
    await house.stage(staging(1, validate_only=True))
    assert not house.cards.tombstones


async def test_an_abandoned_request_stays_abandoned(house: ContactHouse) -> None:
    older = staging(1)
    await house.stage(older)
    await house.stage(staging(1))
    assert (await refusal_of(house, older)).reason == "REQUEST_ID_ABANDONED"
    older.validate_only = True
    assert (await refusal_of(house, older)).reason == "REQUEST_ID_ABANDONED"


async def test_another_card_takes_the_place_when_the_session_is_over(house: ContactHouse) -> None:
    older = staging(1)
    await house.stage(older)
    house.pass_time(TOO_OLD)
    await house.stage(staging(2))
    assert (older.certificate_sha256, older.request_id) in house.cards.tombstones


async def test_a_committed_request_is_never_replaced(house: ContactHouse) -> None:
    older, newer = staging(1), staging(1)
    await house.stage(older)
    house.cards.register(committed(older))
    assert (await refusal_of(house, newer)).reason == "REPRESENTATIVE_CONTACT_GIVEN_ALREADY"
    # The answer brought the event; it need not be waited for.
    representative = await house.representative()
    assert representative == older.representative_contact.contact


async def test_a_dry_run_knows_of_a_commit_whose_event_is_on_its_way(house: ContactHouse) -> None:
    older = staging(1)
    await house.stage(older)
    house.cards.register(committed(older))
    refusal = await refusal_of(house, staging(1, validate_only=True))
    assert refusal.reason == "REPRESENTATIVE_CONTACT_GIVEN_ALREADY"
    assert await house.representative() is None


async def test_without_an_answer_nothing_is_replaced(house: ContactHouse) -> None:
    older = staging(1)
    await house.stage(older)
    house.cards.failing = True
    assert (await refusal_of(house, staging(1))).reason == "INTERNAL_FAILURE"
    assert (await house.staged(older)).card_contact == older.card_contact.contact


async def test_the_worker_clears_what_was_given_up(house: ContactHouse) -> None:
    request, fresh = staging(1), staging(2, category=GOODS)
    await house.stage(request)
    house.pass_time(TOO_OLD)
    await house.stage(fresh)
    await house.run("clear_pending")
    assert not house.cards.tombstones, "what is exactly as old as allowed is left alone"
    house.pass_time(timedelta(seconds=1))
    await house.run("clear_pending")
    assert house.cards.tombstones == {(request.certificate_sha256, request.request_id)}
    assert (await counted(house))[:3] == [1, 2, 1]
    assert (await house.staged(fresh)).card_contact.mail_address == "card2@contractor.example"


async def test_the_worker_leaves_what_was_committed(house: ContactHouse) -> None:
    request = staging(1)
    await house.stage(request)
    event = committed(request)
    house.cards.register(event)
    house.pass_time(timedelta(days=2))
    await house.run("clear_pending")
    assert (await house.staged(request)).card_contact == request.card_contact.contact
    await house.record(event)
    assert await house.rows("SELECT state FROM staged_registrations") == [("active",)]
    assert len(await house.rows("SELECT 1 FROM mails")) == 2


async def test_one_that_can_not_be_settled_does_not_hold_up_the_worker(house: ContactHouse) -> None:
    stuck, other = staging(1), staging(2, category=GOODS)
    await house.stage(stuck)
    await house.stage(other)
    # The registry knows of an act that is not the one staged here.
    house.cards.register(committed(stuck, request_sha256=card(7)))
    house.pass_time(timedelta(days=1))
    await house.run("clear_pending")
    assert house.cards.tombstones == {(other.certificate_sha256, other.request_id)}
    assert (await house.staged(stuck)).card_contact == stuck.card_contact.contact


async def test_a_tombstone_is_forgotten_here_after_a_month(house: ContactHouse) -> None:
    await house.stage(staging(1))
    await house.stage(staging(1))
    house.pass_time(timedelta(days=31))
    await house.run("clear_pending")
    rows = await house.rows("SELECT abandoned_at FROM abandoned_requests")
    assert rows == [(house.now[0],)], "only the one of this moment is left"


@pytest.mark.requirement("REG-03")
async def test_where_it_is_asked_always_the_newest_counts(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    profile = example_profile(category={"representative_contact": "always"})
    async with contact_house(migrated_database("contact_notification"), tmp_path, profile) as house:
        (violation,) = (await refusal_of(house, staging(1, representative=False))).violations
        assert violation.reason == "REPRESENTATIVE_CONTACT_REQUIRED"
        first, second = staging(1), staging(2, representative_contact=form("新しい　代表"))
        await house.stage(first)
        await house.stage(second)
        newer = committed(second, at=MORNING + timedelta(seconds=1))
        older = committed(first)
        await house.record(newer)
        await house.record(older)
        representative = await house.representative()
        assert representative is not None
        assert representative.person_name == "新しい　代表"


@pytest.mark.requirement("REG-03")
async def test_where_it_is_only_shown_it_can_not_be_given(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    profile = example_profile(category={"representative_contact": "shown"})
    async with contact_house(migrated_database("contact_notification"), tmp_path, profile) as house:
        (violation,) = (await refusal_of(house, staging(1))).violations
        assert violation.reason == "REPRESENTATIVE_CONTACT_NOT_ASKED"
        request = staging(1, representative=False)
        await house.register(request)
        assert not (await house.staged(request)).HasField("representative_contact")


async def test_only_the_front_door_stages(house: ContactHouse) -> None:
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await house.card_registry.StageContacts(staging())
