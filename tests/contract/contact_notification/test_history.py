"""What contact-notification writes into its history."""

import json
from datetime import timedelta
from typing import Any

import pytest

from contact_notification.domain.staging import GRACE, SESSION_MAXIMUM
from history.entries import StoredEntry
from tests.support.example_profile import BIDDER, PREFECTURE, WORKS
from tests.support.services.contact_messages import MORNING, card_state, staging_request
from tests.support.services.contact_notification import RunningContactNotification
from toroku.contact.v1 import contact_notification_pb2, contact_pb2


def details_of(entry: StoredEntry) -> dict[str, Any]:
    details: dict[str, Any] = json.loads(entry.details or "")
    return details


def values_of(form: contact_pb2.ContactForm) -> dict[str, str]:
    """Returns a contact by the names of its fields, as it was typed."""
    return {field.name: getattr(form.contact, field.name) for field in form.contact.DESCRIPTOR.fields}


def has_persons(entry: StoredEntry) -> bool:
    """Whether there is a person's name or address in an entry, outside of its details too."""
    return any(trace in str(entry) for trace in ("太郎", "花子", "contractor.example"))


async def last_of(
    contacts: RunningContactNotification, request: contact_notification_pb2.StageContactsRequest
) -> StoredEntry:
    return (await contacts.find_history(request.request_id))[-1]


@pytest.mark.requirement("LIF-05")
async def test_registration_enters_its_contacts_with_who_and_what(contacts: RunningContactNotification) -> None:
    request = staging_request(1)
    await contacts.register(request)
    (entry,) = await contacts.find_history(request.request_id)
    assert (entry.who, entry.what) == (f"card {request.certificate_sha256.hex()}", "contacts registered")
    assert (entry.happened_at, entry.certificate_sha256) == (MORNING, request.certificate_sha256)
    assert (entry.category, entry.agencies, entry.bidder_id) == (WORKS, [PREFECTURE], BIDDER)
    assert len(entry.trace_id or "") == 32
    details = details_of(entry)
    assert details["before"] == {}
    assert details["after"].pop("registered_at") == "2026-11-27T01:00:00.000000Z"
    assert details["after"].pop("registration_id")
    for name, form in (
        ("card_contact", request.card_contact),
        ("representative_contact", request.representative_contact),
    ):
        contact = details["after"].pop(name)
        assert contact.pop("contact_id")
        assert contact == values_of(form)
    assert details["after"] == {}
    assert not has_persons(entry._replace(details=None))
    # The state that names it again is no act.
    await contacts.record(contacts.states[request.certificate_sha256, WORKS])
    assert len(await contacts.find_history(request.request_id)) == 1
    assert await contacts.verify_history() == []


async def test_entry_says_whose_place_contacts_took_by_ids_alone(contacts: RunningContactNotification) -> None:
    first, second, late = (staging_request(1, representative=number == 1) for number in range(1, 4))
    await contacts.register(first)
    await contacts.register(second, at=MORNING + timedelta(hours=1))
    before = details_of(await last_of(contacts, first))["after"]
    details = details_of(await last_of(contacts, second))
    assert details["before"] == {"card_contact_id": before["card_contact"]["contact_id"]}
    assert "representative_contact" not in details["after"]
    # Its state comes when a newer registration's contacts count.
    await contacts.register(late, at=MORNING + timedelta(minutes=1))
    assert details_of(await last_of(contacts, late))["before"] == {}


@pytest.mark.requirement("LIF-05")
async def test_what_is_not_registered_is_entered_without_persons(contacts: RunningContactNotification) -> None:
    abandoned, unsigned, gone = (
        staging_request(number, representative=False, category="works") for number in range(1, 4)
    )
    first = staging_request(9)
    await contacts.register(first)
    for request in (abandoned, unsigned, gone):
        await contacts.stage(request)
    await contacts.record(card_state(unsigned, request_sha256=b"\x09" * 32))
    # The state of the card does not name the registration any more.
    state = card_state(gone)
    contacts.commit(state)
    del state.registrations[:]
    contacts.pass_time(SESSION_MAXIMUM + GRACE + timedelta(seconds=1))
    await contacts.run("clear_pending")
    for request, what in (
        (abandoned, "contacts abandoned"),
        (unsigned, "contacts not signed"),
        (gone, "contacts gave way"),
    ):
        (entry,) = await contacts.find_history(request.request_id)
        assert (entry.who, entry.what, entry.bidder_id) == ("contact-notification", what, BIDDER)
        assert list(details_of(entry)["before"]) == ["card_contact_id"]
        assert not has_persons(entry)
    await contacts.run("clear_pending")
    assert len(await contacts.find_history(abandoned.request_id)) == 1
    assert await contacts.verify_history() == []


async def test_bulk_list_is_entered_in_one_statement(contacts: RunningContactNotification) -> None:
    requests = [staging_request(number, representative=False) for number in range(1, 6)]
    await contacts.register(staging_request(9))
    states = []
    for request in requests:
        await contacts.stage(request)
        states.append(card_state(request))
    await contacts.record(*states)
    written = await contacts.rows("SELECT xmin::text FROM history_entry WHERE number > 1")
    assert len(written) == 5
    assert len(set(written)) == 1
