"""What an agency gets: the newest version, the one that a change left it, or that of an instant (CHG-02, CHG-03)."""

from datetime import datetime, timedelta

import pytest

from refusals import Refusal
from servicekit.messages import read_timestamp
from tests.support.example_profile import CITY, PREFECTURE, TOWN
from tests.support.services.contact_change import (
    CARD,
    REPRESENTATIVE,
    Change,
    after,
    find_contact,
    register_at,
)
from tests.support.services.contact_messages import MORNING, staging_request
from tests.support.services.contact_notification import RunningContactNotification
from toroku.contact.v1 import contact_pb2

PURPOSES = (CARD, REPRESENTATIVE)
INSTANT = timedelta(microseconds=1)


async def telephone_of(
    contacts: RunningContactNotification,
    purpose: contact_pb2.ContactPurpose.ValueType,
    agency: str = PREFECTURE,
    *,
    number: int = 1,
    as_of: datetime | None = None,
) -> str:
    response = await find_contact(contacts, purpose, number, agency=agency, as_of=as_of)
    return response.contact.telephone


async def change_telephone(
    contacts: RunningContactNotification, telephone: str, *, minutes: int, propagate: bool, agency: str = PREFECTURE
) -> None:
    """Changes both contacts of the first card so many minutes after the morning."""
    contacts.now[0] = after(minutes)
    change = Change(contacts=contacts, agency=agency, propagate=propagate)
    await change.type_over(card={"telephone": telephone}, representative={"telephone": telephone})
    await change.commit()


@pytest.mark.requirement("CHG-02")
@pytest.mark.requirement("SYN-04")
@pytest.mark.parametrize("purpose", PURPOSES)
async def test_propagated_change_counts_at_every_agency(
    contacts: RunningContactNotification, purpose: contact_pb2.ContactPurpose.ValueType
) -> None:
    await register_at(contacts)
    await change_telephone(contacts, "048-111-1111", minutes=10, propagate=True)
    for agency in (PREFECTURE, CITY):
        found = await find_contact(contacts, purpose, agency=agency)
        assert (found.contact.telephone, found.version) == ("048-111-1111", 2)
        assert read_timestamp(found.counts_from) == after(10)


@pytest.mark.requirement("CHG-02")
@pytest.mark.requirement("SYN-04")
@pytest.mark.parametrize("purpose", PURPOSES)
async def test_other_agencies_keep_the_version_before_until_a_propagated_change(
    contacts: RunningContactNotification, purpose: contact_pb2.ContactPurpose.ValueType
) -> None:
    await register_at(contacts)
    await change_telephone(contacts, "048-111-1111", minutes=10, propagate=False)
    assert await telephone_of(contacts, purpose) == "048-111-1111"
    assert await telephone_of(contacts, purpose, CITY) == "048-000-0000"
    assert (await find_contact(contacts, purpose, agency=CITY)).version == 1
    assert [*(await Change(contacts=contacts).look()).agencies_with_earlier_contacts] == [CITY]
    # A second one leaves the city with what it had.
    await change_telephone(contacts, "048-222-2222", minutes=20, propagate=False)
    assert await telephone_of(contacts, purpose, CITY) == "048-000-0000"
    await change_telephone(contacts, "048-333-3333", minutes=30, propagate=True)
    for agency in (PREFECTURE, CITY):
        assert await telephone_of(contacts, purpose, agency) == "048-333-3333"
    assert not (await Change(contacts=contacts).look()).agencies_with_earlier_contacts


@pytest.mark.requirement("CHG-03")
@pytest.mark.parametrize("purpose", PURPOSES)
async def test_agency_gets_the_contact_of_an_instant(
    contacts: RunningContactNotification, purpose: contact_pb2.ContactPurpose.ValueType
) -> None:
    await register_at(contacts)
    await change_telephone(contacts, "048-111-1111", minutes=10, propagate=False)
    await change_telephone(contacts, "048-222-2222", minutes=20, propagate=False)
    await change_telephone(contacts, "048-333-3333", minutes=30, propagate=True)
    known = {
        PREFECTURE: {0: "000-0000", 10: "111-1111", 20: "222-2222", 30: "333-3333"},
        CITY: {0: "000-0000", 10: "000-0000", 20: "000-0000", 30: "333-3333"},
    }
    for agency, telephones in known.items():
        for minutes, telephone in telephones.items():
            for instant in (after(minutes), after(minutes + 10) - INSTANT):
                found = await telephone_of(contacts, purpose, agency, as_of=instant)
                assert found == f"048-{telephone}", (agency, instant)
        with pytest.raises(Refusal, match="CONTACT_NOT_FOUND"):
            await find_contact(contacts, purpose, agency=agency, as_of=MORNING - INSTANT)


async def test_agency_where_a_change_is_made_does_not_keep_an_earlier_version(
    contacts: RunningContactNotification,
) -> None:
    await register_at(contacts)
    await change_telephone(contacts, "048-111-1111", minutes=10, propagate=False)
    await change_telephone(contacts, "048-222-2222", minutes=20, propagate=False, agency=CITY)
    assert await telephone_of(contacts, CARD, CITY) == "048-222-2222"
    assert await telephone_of(contacts, CARD) == "048-111-1111"
    assert await telephone_of(contacts, CARD, as_of=after(19)) == "048-111-1111"
    assert await telephone_of(contacts, CARD, CITY, as_of=after(19)) == "048-000-0000"


async def test_representative_contact_is_kept_where_other_cards_are_registered_the_card_contact_is_not(
    contacts: RunningContactNotification,
) -> None:
    await register_at(contacts, others=())
    await register_at(contacts, 2, representative=False, others=(CITY,))
    await change_telephone(contacts, "048-111-1111", minutes=10, propagate=False)
    assert await telephone_of(contacts, REPRESENTATIVE, CITY, number=2) == "048-000-0000"
    rows = await contacts.rows("SELECT purpose, agency FROM contact_at_agency JOIN contact_owners USING (owner_id)")
    assert rows == [("representative", CITY)]


async def test_further_registration_takes_the_newest(contacts: RunningContactNotification) -> None:
    await register_at(contacts, others=(CITY, TOWN))
    await change_telephone(contacts, "048-111-1111", minutes=10, propagate=False)
    await contacts.register(staging_request(2, representative=False, agency=CITY), at=after(20))
    assert await telephone_of(contacts, REPRESENTATIVE, CITY, number=2) == "048-111-1111"
    assert await telephone_of(contacts, REPRESENTATIVE, CITY, number=2, as_of=after(19)) == "048-000-0000"
    assert await telephone_of(contacts, CARD, CITY) == "048-000-0000"
    assert [*(await Change(contacts=contacts).look()).agencies_with_earlier_contacts] == [CITY, TOWN]


async def test_registration_of_the_card_at_another_agency_brings_a_version(
    contacts: RunningContactNotification,
) -> None:
    await register_at(contacts, others=())
    await change_telephone(contacts, "048-111-1111", minutes=10, propagate=True)
    await contacts.register(staging_request(1, representative=False, agency=CITY), at=after(20))
    assert (await find_contact(contacts, CARD)).version == 3
    assert await telephone_of(contacts, CARD, as_of=after(19)) == "048-111-1111"
    assert (await find_contact(contacts, REPRESENTATIVE, agency=CITY)).version == 2


async def test_older_registration_whose_state_comes_late_takes_no_place(contacts: RunningContactNotification) -> None:
    """Its contact counts for nobody, as the change was made after it."""
    await register_at(contacts, others=())
    await change_telephone(contacts, "048-111-1111", minutes=10, propagate=True)
    await contacts.register(staging_request(1, representative=False, agency=CITY), at=after(5))
    assert await telephone_of(contacts, CARD, CITY) == "048-111-1111"


async def test_changes_of_one_instant_count_one_after_the_other(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    for telephone, propagate in (("048-111-1111", False), ("048-222-2222", True), ("048-333-3333", False)):
        await change_telephone(contacts, telephone, minutes=0, propagate=propagate)
    assert await telephone_of(contacts, CARD) == "048-333-3333"
    assert await telephone_of(contacts, CARD, CITY) == "048-222-2222"
    instants = await contacts.rows("SELECT counts_from FROM contact_versions ORDER BY owner_id, version")
    assert [instant for (instant,) in instants] == [MORNING + number * INSTANT for number in range(4)] * 2


async def test_instant_far_ahead_has_the_newest_contact(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    assert await telephone_of(contacts, CARD, as_of=datetime.max.replace(tzinfo=MORNING.tzinfo)) == "048-000-0000"
