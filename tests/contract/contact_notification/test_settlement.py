"""Whatever became of a registration that is pending here, it ends, and bars neither its card nor its bidder."""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from contact_notification.adapters.certificate_registry import CertificateRegistry
from contact_notification.operations import settlement
from contact_notification.operations.card_states import CardStates
from contact_notification.operations.settlement import Settlement
from contact_notification.operations.takeovers import ContactTakeovers
from history.entries import Chain
from servicekit.clients import Peers
from servicekit.credentials import CertificateFiles
from servicekit.database_connection import Connection
from tests.support.example_profile import BIDDER, CITY
from tests.support.scrape import free_address
from tests.support.services.contact_messages import (
    card_sha256,
    card_state,
    facts_of,
    registration_notice,
    staging_request,
)
from tests.support.services.contact_notification import RunningContactNotification
from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryStub
from toroku.contact.v1 import contact_notification_pb2

Request = contact_notification_pb2.StageContactsRequest
# After this a registration that was not committed is abandoned.
EXPIRY = timedelta(minutes=66)


async def state_of(contacts: RunningContactNotification, request: Request) -> str:
    """Returns the state of what was staged under a request."""
    states = dict(await contacts.rows("SELECT request_id::text, state FROM staged_registrations"))
    return str(states[request.request_id])


async def give_way(contacts: RunningContactNotification) -> Request:
    """Commits a registration whose binding ended before its state arrived: the state does not name it any more."""
    gone = staging_request(1)
    await contacts.stage(gone)
    state = card_state(gone)
    contacts.commit(state)
    del state.registrations[:]
    return gone


async def commit_others_acts(contacts: RunningContactNotification) -> Request:
    """Commits a registration under the request id whose contacts the card did not sign."""
    request = staging_request(1)
    await contacts.stage(request)
    contacts.commit(card_state(request, request_sha256=card_sha256(7)))
    return request


async def lose_other_contacts(contacts: RunningContactNotification) -> Request:
    """Commits a registration beside an older one of the card whose contacts were lost with a restored backup."""
    request = staging_request(1)
    await contacts.stage(request)
    lost = card_state(staging_request(1, representative=False, agency=CITY))
    contacts.commit(card_state(request, number=2, before=lost))
    return request


async def commit_unreadable_state(contacts: RunningContactNotification) -> Request:
    """Commits a registration beside one that this version can't read."""
    request = staging_request(1)
    await contacts.stage(request)
    other = card_state(staging_request(1, representative=False, agency=CITY), request_id="of a newer version")
    contacts.commit(card_state(request, number=2, before=other))
    return request


@pytest.mark.parametrize(
    ("happen", "end"),
    [
        (give_way, "committed"),
        (commit_others_acts, "not_signed"),
        (commit_unreadable_state, "committed"),
    ],
)
@pytest.mark.parametrize("number", [1, 2], ids=["same card", "other card"])
async def test_registration_that_can_not_become_active_bars_nobody(
    contacts: RunningContactNotification,
    happen: Callable[[RunningContactNotification], Awaitable[Request]],
    end: str,
    number: int,
) -> None:
    stuck = await happen(contacts)
    contacts.pass_time(EXPIRY)
    dry, request = staging_request(number, validate_only=True), staging_request(number)
    await contacts.stage(dry)
    await contacts.stage(request)
    assert await state_of(contacts, stuck) == end
    assert await state_of(contacts, request) == "pending"
    # And the request that went on ends as every other.
    await contacts.record(card_state(request, number=9))
    assert await contacts.representative() == request.representative_contact.contact


async def test_other_registration_without_contacts_does_not_hold_up_this_one(
    contacts: RunningContactNotification,
) -> None:
    request = await lose_other_contacts(contacts)
    contacts.pass_time(EXPIRY)
    await contacts.run("clear_pending")
    assert await state_of(contacts, request) == "active"
    assert await contacts.representative() == request.representative_contact.contact
    assert await contacts.rows("SELECT reason FROM registrations_without_contacts") == [("not_staged",)]


async def test_notice_of_a_registration_that_a_restore_took_back_does_not_keep_it(
    contacts: RunningContactNotification,
) -> None:
    """certificate-registry was restored to the time before the commit, and its notice waits here."""
    request = staging_request(1)
    await contacts.stage(request)
    await contacts.notify(registration_notice(facts_of(card_state(request))))
    contacts.pass_time(EXPIRY)
    await contacts.run("clear_pending")
    assert await contacts.rows("SELECT 1 FROM staged_registrations") == []
    assert await contacts.rows("SELECT 1 FROM notices") == []
    assert len(await contacts.rows("SELECT 1 FROM abandoned_requests")) == 1


async def test_run_ends_where_certificate_registry_does_not_answer(
    contacts: RunningContactNotification, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the others would wait for it, and runs would pile up."""
    monkeypatch.setattr(settlement, "BATCH", 2)
    for number in range(5):
        request = staging_request(number)
        request.company.bidder_id = f"{int(BIDDER) + number}"
        await contacts.stage(request)
    contacts.pass_time(EXPIRY)
    settings = contacts.settings
    files = CertificateFiles(settings.certificate, settings.private_key, settings.services_ca)
    peers = Peers(files, {"certificate-registry": free_address()})

    async def read_time(_: Connection) -> datetime:
        return contacts.now[0]

    chain = Chain(contacts.profile.id, "contact-notification")
    domain = "toroku.example"
    takeovers = ContactTakeovers(database=contacts.database, clock=read_time, chain=chain, mail_domain=domain)
    card_states = CardStates(
        database=contacts.database, clock=read_time, chain=chain, mail_domain=domain, takeovers=takeovers
    )
    alone = Settlement(
        database=contacts.database,
        clock=read_time,
        chain=chain,
        certificate_registry=CertificateRegistry(peers.stub("certificate-registry", CertificateRegistryStub)),
        card_states=card_states,
    )
    with caplog.at_level(logging.WARNING):
        await alone.settle_expired()
    await peers.close()
    assert caplog.text.count("stays pending") == settlement.MOST_UNANSWERED
    await contacts.run("clear_pending")
    assert await contacts.rows("SELECT 1 FROM staged_registrations") == []
