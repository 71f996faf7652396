"""The front door stages contacts once, and what is staged comes to an end."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from contact_notification.domain.staging import GRACE, SESSION_MAXIMUM
from contact_notification.operations import settlement
from refusals import Code, Refusal
from tests.support.example_profile import CITY, GOODS, PREFECTURE, VILLAGE
from tests.support.services.contact_messages import (
    MORNING,
    card_sha256,
    card_state,
    contact_form,
    facts_of,
    registration_notice,
    staging_request,
)
from tests.support.services.contact_notification import RunningContactNotification
from toroku.contact.v1 import contact_notification_pb2
from toroku.qualification.v1 import bidder_pb2

TOO_OLD = SESSION_MAXIMUM + GRACE


async def refusal_of(
    contacts: RunningContactNotification, request: contact_notification_pb2.StageContactsRequest
) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await contacts.stage(request)
    return caught.value


async def count_rows(contacts: RunningContactNotification) -> list[int]:
    """Returns the number of rows of each table that staging changes."""
    tables = ("staged_registrations", "contacts", "abandoned_requests", "mails", "procrastinate_jobs")
    return [(await contacts.rows(f"SELECT count(*) FROM {table}"))[0][0] for table in tables]  # noqa: S608 (constants of this test)


@pytest.mark.requirement("REG-02")
async def test_contacts_are_returned_character_for_character(contacts: RunningContactNotification) -> None:
    request = staging_request(card_contact=contact_form("髙﨑　祇園", address="さいたま市浦和区１－１", department=""))
    request.card_contact.contact.department = "葛\U000e0100城課"
    request.company.ClearField("address")
    request.request_sha256 = card_sha256(99)
    await contacts.stage(request)
    staged = await contacts.staged(request)
    assert staged.card_contact == request.card_contact.contact
    assert staged.representative_contact == request.representative_contact.contact
    assert staged.company == request.company
    assert not staged.company.HasField("address")


async def test_empty_company_fields_stay_empty(contacts: RunningContactNotification) -> None:
    company = bidder_pb2.CompanyProfile(bidder_id="1000000001", name="㈱例", fax="", department="")
    request = staging_request(company=company)
    await contacts.stage(request)
    assert (await contacts.staged(request)).company == company


async def test_answer_contains_when_the_contacts_expire(contacts: RunningContactNotification) -> None:
    response = await contacts.stage(staging_request())
    assert response.expires_at.ToDatetime(MORNING.tzinfo) == MORNING + TOO_OLD


@pytest.mark.requirement("REG-05")
async def test_repeated_request_gets_the_same_answer(contacts: RunningContactNotification) -> None:
    request = staging_request()
    first = await contacts.stage(request)
    contacts.pass_time(timedelta(minutes=20))
    assert await contacts.stage(request) == first
    assert (await count_rows(contacts))[:2] == [1, 2]


async def test_repeated_request_after_the_commit_gets_the_same_answer(contacts: RunningContactNotification) -> None:
    request = staging_request()
    first = await contacts.stage(request)
    await contacts.record(card_state(request))
    assert await contacts.stage(request) == first


@pytest.mark.parametrize("times", [2, 6])
async def test_concurrent_deliveries_are_staged_once(contacts: RunningContactNotification, times: int) -> None:
    request = staging_request()
    answers = await asyncio.gather(*(contacts.stage(request) for _ in range(times)))
    assert all(answer == answers[0] for answer in answers)
    assert (await count_rows(contacts))[:2] == [1, 2]


async def test_other_content_under_the_same_request_id_is_refused(contacts: RunningContactNotification) -> None:
    request = staging_request()
    await contacts.stage(request)
    other = staging_request(request_id=request.request_id, card_contact=contact_form("別　人"))
    assert (await refusal_of(contacts, other)).reason == "REQUEST_ID_REUSED"
    assert (await contacts.staged(request)).card_contact.person_name == "埼玉　太郎"


async def test_another_card_may_use_the_same_request_id(contacts: RunningContactNotification) -> None:
    request_id = str(uuid4())
    await contacts.stage(staging_request(1, request_id))
    await contacts.stage(staging_request(2, request_id, category=GOODS))


async def test_dry_run_changes_nothing(contacts: RunningContactNotification) -> None:
    before = await count_rows(contacts)
    response = await contacts.stage(staging_request(validate_only=True))
    assert not response.HasField("expires_at")
    assert await count_rows(contacts) == before
    assert not contacts.certificate_registry.outcome_requests


@pytest.mark.requirement("REG-02")
@pytest.mark.parametrize("validate_only", [False, True])
async def test_violations_name_their_fields(contacts: RunningContactNotification, validate_only: bool) -> None:
    request = staging_request(
        card_contact=contact_form("埼" * 21, mail_address="koji@"),
        representative_contact=contact_form("", telephone="０３－００００－００００"),
        validate_only=validate_only,
    )
    refusal = await refusal_of(contacts, request)
    assert refusal.reason == "FIELDS_INVALID"
    # In the order of the form.
    assert [(violation.field, violation.reason) for violation in refusal.violations] == [
        ("representative_contact.person_name", "FIELD_REQUIRED"),
        ("representative_contact.telephone", "FIELD_NOT_HALF_WIDTH"),
        ("card_contact.person_name", "FIELD_TOO_LONG"),
        ("card_contact.mail_address", "MAIL_ADDRESS_INVALID"),
    ]
    assert (await count_rows(contacts))[:2] == [0, 0]


async def test_violations_of_a_missing_card_contact_name_every_field(contacts: RunningContactNotification) -> None:
    request = staging_request()
    request.ClearField("card_contact")
    refusal = await refusal_of(contacts, request)
    assert {violation.field for violation in refusal.violations} == {
        f"card_contact.{rule.field}" for rule in contacts.profile.category(GOODS).contact_fields
    }


@pytest.mark.parametrize(
    "changes",
    [{"mail_address": "koji@contractor.example\r\nBcc: x@evil.example"}, {"person_name": "太郎\x00"}],
    ids=["line break", "NUL"],
)
async def test_control_characters_are_refused(contacts: RunningContactNotification, changes: dict[str, str]) -> None:
    request = staging_request(card_contact=contact_form(changes.pop("person_name", "太郎"), **changes))
    (violation,) = (await refusal_of(contacts, request)).violations
    assert violation.reason == "FIELD_HAS_CONTROL_CHARACTERS"


async def test_two_mail_addresses_that_differ_are_refused(contacts: RunningContactNotification) -> None:
    request = staging_request()
    request.card_contact.mail_address_again = "other@contractor.example"
    (violation,) = (await refusal_of(contacts, request)).violations
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
async def test_invalid_request_is_refused(
    contacts: RunningContactNotification, changes: dict[str, Any], reason: str
) -> None:
    assert (await refusal_of(contacts, staging_request(**changes))).reason == reason


@pytest.mark.parametrize("changes", [{"agency": "nowhere"}, {"category": "nothing"}])
async def test_unknown_agency_or_category_is_not_found_with_its_field(
    contacts: RunningContactNotification, changes: dict[str, Any]
) -> None:
    refusal = await refusal_of(contacts, staging_request(**changes))
    assert refusal.code is Code.NOT_FOUND
    assert [violation.field for violation in refusal.violations] == list(changes)


async def test_same_card_replaces_its_older_request_and_bars_it(contacts: RunningContactNotification) -> None:
    older, newer = staging_request(1), staging_request(1, card_contact=contact_form("改めて　太郎"))
    await contacts.stage(older)
    await contacts.stage(newer)
    assert (older.certificate_sha256, older.request_id) in contacts.certificate_registry.tombstones
    with pytest.raises(Refusal, match="CONTACTS_NOT_STAGED"):
        await contacts.staged(older)
    assert (await contacts.staged(newer)).card_contact.person_name == "改めて　太郎"
    assert (await count_rows(contacts))[:3] == [1, 2, 1]


async def test_dry_run_of_the_same_card_bars_nothing(contacts: RunningContactNotification) -> None:
    await contacts.stage(staging_request(1))
    await contacts.stage(staging_request(1, validate_only=True))
    assert not contacts.certificate_registry.tombstones


async def test_abandoned_request_stays_abandoned(contacts: RunningContactNotification) -> None:
    older = staging_request(1)
    await contacts.stage(older)
    await contacts.stage(staging_request(1))
    assert (await refusal_of(contacts, older)).reason == "REQUEST_ID_ABANDONED"
    older.validate_only = True
    assert (await refusal_of(contacts, older)).reason == "REQUEST_ID_ABANDONED"


async def test_committed_request_is_never_replaced(contacts: RunningContactNotification) -> None:
    older, newer = staging_request(1), staging_request(1)
    await contacts.stage(older)
    contacts.commit(card_state(older))
    assert (await refusal_of(contacts, newer)).reason == "REPRESENTATIVE_CONTACT_GIVEN_ALREADY"
    # The answer of certificate-registry contained the card's state, so nobody has to wait for its delivery.
    representative = await contacts.representative()
    assert representative == older.representative_contact.contact


async def test_dry_run_respects_a_commit_whose_state_has_not_arrived(contacts: RunningContactNotification) -> None:
    older = staging_request(1)
    await contacts.stage(older)
    contacts.commit(card_state(older))
    refusal = await refusal_of(contacts, staging_request(1, validate_only=True))
    assert refusal.reason == "REPRESENTATIVE_CONTACT_GIVEN_ALREADY"
    assert await contacts.representative() is None


async def test_card_has_one_pending_registration_in_a_category(contacts: RunningContactNotification) -> None:
    """Also where no representative contact is reserved: a contractor's retries do not pile up."""
    await contacts.register(staging_request(9))
    older = [staging_request(1, representative=False, agency=agency) for agency in (PREFECTURE, CITY)]
    newest = staging_request(1, representative=False, card_contact=contact_form("三度目"))
    for request in (*older, newest):
        await contacts.stage(request)
    assert contacts.certificate_registry.tombstones == {
        (request.certificate_sha256, request.request_id) for request in older
    }
    assert await contacts.rows("SELECT request_id::text FROM staged_registrations WHERE state = 'pending'") == [
        (newest.request_id,)
    ]
    assert (await count_rows(contacts))[1] == 3, "the contacts of card 9, and one of card 1"


async def test_pending_registration_that_is_committed_is_recorded_and_not_replaced(
    contacts: RunningContactNotification,
) -> None:
    await contacts.register(staging_request(9))
    older = staging_request(1, representative=False)
    await contacts.stage(older)
    # Its state is on the way.
    contacts.commit(card_state(older))
    newer = staging_request(1, representative=False, agency=CITY)
    await contacts.stage(newer)
    assert not contacts.certificate_registry.tombstones
    states = dict(await contacts.rows("SELECT request_id::text, state FROM staged_registrations"))
    assert (states[older.request_id], states[newer.request_id]) == ("active", "pending")


@pytest.mark.parametrize("representative", [True, False])
async def test_of_concurrent_requests_of_a_card_one_stays_pending(
    contacts: RunningContactNotification, representative: bool
) -> None:
    if not representative:
        await contacts.register(staging_request(9))
    requests = [staging_request(1, representative=representative) for _ in range(6)]
    outcomes = await asyncio.gather(*(contacts.stage(request) for request in requests), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert {str(getattr(refusal, "reason", refusal)) for refusal in refused} <= {"SERVER_BUSY"}
    ((pending,),) = await contacts.rows("SELECT request_id::text FROM staged_registrations WHERE state = 'pending'")
    # Each of the others was refused, or replaced by a later one after it was staged.
    abandoned = {request_id for _, request_id in contacts.certificate_registry.tombstones}
    staged = {
        request.request_id
        for request, outcome in zip(requests, outcomes, strict=True)
        if not isinstance(outcome, BaseException)
    }
    assert staged == {pending, *abandoned}


async def test_card_may_have_pending_registrations_in_several_categories(contacts: RunningContactNotification) -> None:
    await contacts.stage(staging_request(1))
    await contacts.stage(staging_request(1, category=GOODS))
    assert not contacts.certificate_registry.outcome_requests


async def test_nothing_is_replaced_without_an_answer_of_certificate_registry(
    contacts: RunningContactNotification,
) -> None:
    older = staging_request(1)
    await contacts.stage(older)
    contacts.certificate_registry.failing = True
    assert (await refusal_of(contacts, staging_request(1))).reason == "INTERNAL_FAILURE"
    assert (await contacts.staged(older)).card_contact == older.card_contact.contact


@pytest.mark.every_postgresql
async def test_worker_abandons_expired_requests(contacts: RunningContactNotification) -> None:
    request, fresh = staging_request(1), staging_request(2, category=GOODS)
    await contacts.stage(request)
    contacts.pass_time(TOO_OLD)
    await contacts.stage(fresh)
    await contacts.run("clear_pending")
    assert not contacts.certificate_registry.tombstones, "a request of exactly the maximum age is kept"
    contacts.pass_time(timedelta(seconds=1))
    await contacts.run("clear_pending")
    assert contacts.certificate_registry.tombstones == {(request.certificate_sha256, request.request_id)}
    assert (await count_rows(contacts))[:3] == [1, 2, 1]
    assert (await contacts.staged(fresh)).card_contact.mail_address == "card2@contractor.example"


async def test_worker_keeps_committed_requests(contacts: RunningContactNotification) -> None:
    request = staging_request(1)
    await contacts.stage(request)
    state = card_state(request)
    contacts.commit(state)
    await contacts.notify(registration_notice(facts_of(state)))
    contacts.pass_time(timedelta(days=2))
    await contacts.run("clear_pending")
    assert (await contacts.staged(request)).card_contact == request.card_contact.contact
    assert await contacts.rows("SELECT state FROM staged_registrations") == [("active",)]
    assert await contacts.rows("SELECT agencies FROM card_states") == [([PREFECTURE],)]
    assert len(await contacts.rows("SELECT 1 FROM mails")) == 1, "the notice that waited for this state"


async def test_request_that_can_not_be_settled_does_not_block_the_worker(contacts: RunningContactNotification) -> None:
    stuck, other = staging_request(1), staging_request(2, category=GOODS)
    await contacts.stage(stuck)
    await contacts.stage(other)
    # certificate-registry has committed another act than the one staged here.
    contacts.commit(card_state(stuck, request_sha256=card_sha256(7)))
    contacts.pass_time(timedelta(days=1))
    await contacts.run("clear_pending")
    assert contacts.certificate_registry.tombstones == {(other.certificate_sha256, other.request_id)}
    assert await contacts.rows("SELECT state FROM staged_registrations") == [("not_signed",)]


async def test_more_stuck_requests_than_are_read_at_a_time_do_not_block_the_worker(
    contacts: RunningContactNotification, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "BATCH", 2)
    requests = [
        staging_request(number, company=bidder_pb2.CompanyProfile(bidder_id=f"10000001{number:02}", name="例"))
        for number in range(5)
    ]
    for request in requests:
        await contacts.stage(request)
        contacts.pass_time(timedelta(seconds=1))
    for stuck in requests[:-1]:
        contacts.commit(card_state(stuck, request_sha256=card_sha256(99)))
    contacts.pass_time(timedelta(days=1))
    await contacts.run("clear_pending")
    assert contacts.certificate_registry.tombstones == {(requests[-1].certificate_sha256, requests[-1].request_id)}


@pytest.mark.every_postgresql
async def test_tombstone_is_deleted_here_after_a_month(contacts: RunningContactNotification) -> None:
    await contacts.stage(staging_request(1))
    await contacts.stage(staging_request(1))
    contacts.pass_time(timedelta(days=31))
    await contacts.run("clear_pending")
    await contacts.run("delete_expired")
    rows = await contacts.rows("SELECT abandoned_at FROM abandoned_requests")
    assert rows == [(contacts.now[0],)], "only the newest tombstone is left"


async def test_only_the_front_door_stages(contacts: RunningContactNotification) -> None:
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await contacts.from_certificate_registry.StageContacts(staging_request())
