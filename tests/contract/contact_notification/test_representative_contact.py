"""代表窓口情報: one of a bidder in a category, reserved by the first card that gives it (REG-03)."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from contact_notification.domain.staging import GRACE, SESSION_MAXIMUM
from refusals import Refusal
from tests.support.example_profile import GOODS, OTHER_BIDDER, example_profile
from tests.support.services.contact_messages import MORNING, card_state, contact_form, staging_request
from tests.support.services.contact_notification import RunningContactNotification, running_contact_notification
from toroku.contact.v1 import contact_notification_pb2
from toroku.qualification.v1 import bidder_pb2

TOO_OLD = SESSION_MAXIMUM + GRACE


async def refusal_of(
    contacts: RunningContactNotification, request: contact_notification_pb2.StageContactsRequest
) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await contacts.stage(request)
    return caught.value


@pytest.mark.requirement("REG-03")
async def test_first_registration_requires_a_representative_contact(
    contacts: RunningContactNotification,
) -> None:
    (violation,) = (await refusal_of(contacts, staging_request(representative=False))).violations
    assert (violation.field, violation.reason) == ("representative_contact", "REPRESENTATIVE_CONTACT_REQUIRED")


@pytest.mark.requirement("REG-03")
async def test_further_card_shows_the_active_representative_contact(
    contacts: RunningContactNotification,
) -> None:
    first = staging_request(1)
    assert not (await contacts.stage(first)).HasField("representative_contact")
    await contacts.register(first)
    further = staging_request(2, representative=False)
    further.validate_only = True
    assert (await contacts.stage(further)).representative_contact == first.representative_contact.contact
    further.validate_only = False
    # A repetition too.
    for _ in range(2):
        assert (await contacts.stage(further)).representative_contact == first.representative_contact.contact
    assert (await contacts.staged(further)).representative_contact == first.representative_contact.contact


@pytest.mark.requirement("REG-03")
@pytest.mark.parametrize("validate_only", [False, True])
async def test_further_card_can_not_give_a_representative_contact_again(
    contacts: RunningContactNotification, validate_only: bool
) -> None:
    await contacts.register(staging_request(1))
    refusal = await refusal_of(contacts, staging_request(2, validate_only=validate_only))
    assert refusal.reason == "REPRESENTATIVE_CONTACT_GIVEN_ALREADY"


@pytest.mark.requirement("ENT-04")
@pytest.mark.requirement("REG-03")
async def test_each_category_has_its_own_representative_contact(contacts: RunningContactNotification) -> None:
    await contacts.register(staging_request(1))
    await contacts.register(staging_request(1, category=GOODS, representative_contact=contact_form("物品　次郎")))
    works, goods = await contacts.representative(), await contacts.representative(category=GOODS)
    assert works is not None
    assert goods is not None
    assert (works.person_name, goods.person_name) == ("代表　花子", "物品　次郎")


async def test_unknown_bidder_has_no_representative_contact(contacts: RunningContactNotification) -> None:
    await contacts.stage(staging_request(1))
    assert await contacts.representative() is None
    assert await contacts.representative(OTHER_BIDDER) is None
    assert await contacts.representative("\x00") is None


async def test_second_card_is_refused_while_the_representative_contact_is_reserved(
    contacts: RunningContactNotification,
) -> None:
    await contacts.stage(staging_request(1))
    contacts.pass_time(timedelta(minutes=5))
    refusal = await refusal_of(contacts, staging_request(2))
    assert refusal.reason == "REPRESENTATIVE_CONTACT_RESERVED"
    assert datetime.fromisoformat(refusal.metadata["retry_at"]) == MORNING + TOO_OLD
    assert refusal.metadata["retry_at_ja"] == "2026年11月27日(金) 11時05分"
    assert not contacts.certificate_registry.outcome_requests


async def test_one_of_several_concurrent_cards_reserves_the_representative_contact(
    contacts: RunningContactNotification,
) -> None:
    outcomes = await asyncio.gather(
        *(contacts.stage(staging_request(number)) for number in range(6)), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert len(refused) == 5
    assert {str(getattr(refusal, "reason", refusal)) for refusal in refused} == {"REPRESENTATIVE_CONTACT_RESERVED"}
    assert await contacts.rows("SELECT count(*) FROM staged_registrations") == [(1,)]
    assert await contacts.rows("SELECT count(*) FROM contacts") == [(2,)]


async def test_reservation_does_not_affect_other_bidders_and_categories(contacts: RunningContactNotification) -> None:
    await contacts.stage(staging_request(1))
    await contacts.stage(staging_request(2, category=GOODS))
    await contacts.stage(staging_request(3, company=bidder_pb2.CompanyProfile(bidder_id=OTHER_BIDDER, name="別")))


async def test_dry_run_is_refused_while_the_representative_contact_is_reserved(
    contacts: RunningContactNotification,
) -> None:
    await contacts.stage(staging_request(1))
    refusal = await refusal_of(contacts, staging_request(2, validate_only=True))
    assert refusal.reason == "REPRESENTATIVE_CONTACT_RESERVED"


async def test_another_card_replaces_an_expired_reservation(contacts: RunningContactNotification) -> None:
    older = staging_request(1)
    await contacts.stage(older)
    contacts.pass_time(TOO_OLD)
    await contacts.stage(staging_request(2))
    assert (older.certificate_sha256, older.request_id) in contacts.certificate_registry.tombstones


@pytest.mark.requirement("REG-03")
async def test_newest_representative_contact_is_active_where_it_is_always_asked(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    profile = example_profile(category={"representative_contact": "always"})
    async with running_contact_notification(migrated_database("contact_notification"), tmp_path, profile) as contacts:
        (violation,) = (await refusal_of(contacts, staging_request(1, representative=False))).violations
        assert violation.reason == "REPRESENTATIVE_CONTACT_REQUIRED"
        first, second = staging_request(1), staging_request(2, representative_contact=contact_form("新しい　代表"))
        await contacts.stage(first)
        await contacts.stage(second)
        await contacts.record(card_state(second, at=MORNING + timedelta(seconds=1)))
        await contacts.record(card_state(first))
        representative = await contacts.representative()
        assert representative is not None
        assert representative.person_name == "新しい　代表"


@pytest.mark.requirement("REG-03")
async def test_representative_contact_can_not_be_given_where_it_is_only_shown(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    profile = example_profile(category={"representative_contact": "shown"})
    async with running_contact_notification(migrated_database("contact_notification"), tmp_path, profile) as contacts:
        (violation,) = (await refusal_of(contacts, staging_request(1))).violations
        assert violation.reason == "REPRESENTATIVE_CONTACT_NOT_ASKED"
        request = staging_request(1, representative=False)
        await contacts.register(request)
        assert not (await contacts.staged(request)).HasField("representative_contact")
