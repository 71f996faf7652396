"""The background work: revocation lists, telling the other services, and clearing what is long past."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry import convert
from certificate_registry.adapters.trust_store_cache import Trusted
from certificate_registry.domain.card import Card
from certificate_registry.operations.registration import AGENCY_SYNC, CONTACT_NOTIFICATION, DELIVER
from certificate_registry.operations.revocation import FETCH, fetch_due
from certificate_registry.store import log_in as store
from certificate_registry.store import registrations as registration_store
from certificate_registry.store.propagation import Made
from servicekit import jobs
from servicekit.database import Database
from toroku.agencysync.v1 import service_pb2 as agency_sync_pb2
from toroku.certificate.v1 import resources_pb2
from toroku.contact.v1 import service_pb2 as contact_pb2

if TYPE_CHECKING:
    from toroku.agencysync.v1.service_pb2_grpc import AgencySyncAsyncStub
    from toroku.contact.v1.service_pb2_grpc import ContactNotificationAsyncStub

DELIVER_PROPAGATED = "deliver_propagated"
# Challenges and sessions are good for an hour at most; a day later nobody asks what became of them.
KEPT = timedelta(days=1)


async def enqueue_propagated(connection: AsyncConnection, made: Sequence[Made]) -> None:
    """Has contact-notification told of registrations that propagation made: one job for each card and category."""
    for card in made:
        arguments = {
            "certificate_sha256": card.certificate_sha256.hex(),
            "category": card.category,
            "agencies": list(card.agencies),
        }
        await jobs.enqueue(connection, DELIVER_PROPAGATED, queue="bulk", arguments=arguments)


def work(
    *,
    database: Database,
    trusted: Trusted,
    contacts: "ContactNotificationAsyncStub",
    agencies: "AgencySyncAsyncStub",
    clock: Callable[[], datetime],
) -> jobs.Work:
    """The tasks of the worker."""
    tasks = jobs.Work()

    @tasks.periodic("* * * * * */15", FETCH, queue="stop")
    async def fetch_crls(arguments: dict[str, Any]) -> None:
        """Fetches the revocation lists whose time has come, and applies them to the cards that are kept."""
        await fetch_due(database, trusted, clock)

    @tasks.task(DELIVER, queue="events")
    async def deliver_registration(arguments: dict[str, Any]) -> None:
        """Tells one consumer of one registration, with its state as it is now."""
        event = await _event(UUID(arguments["registration_id"]))
        match arguments["consumer"]:
            case consumer if consumer == CONTACT_NOTIFICATION:
                await contacts.RecordRegistration(contact_pb2.RecordRegistrationRequest(event=event))
            case consumer if consumer == AGENCY_SYNC:
                await agencies.RecordRegistration(agency_sync_pb2.RecordRegistrationRequest(event=event))
            case consumer:
                raise LookupError(f"nobody is called {consumer}")

    @tasks.task(DELIVER_PROPAGATED, queue="bulk", timeout=300)
    async def deliver_propagated(arguments: dict[str, Any]) -> None:
        """Tells contact-notification of one card's registrations at further agencies; what it has it drops."""
        certificate_sha256 = bytes.fromhex(arguments["certificate_sha256"])
        async with database.read() as connection:
            card = await _card(connection, certificate_sha256)
            registrations = await registration_store.registrations_at(
                connection, certificate_sha256, arguments["category"], arguments["agencies"]
            )
        for registration in registrations:
            event = convert.registration_event(registration, card, None)
            await contacts.RecordRegistration(contact_pb2.RecordRegistrationRequest(event=event))

    @tasks.periodic("*/10 * * * *", "forget_past", queue="bulk")
    async def forget_past(arguments: dict[str, Any]) -> None:
        """Deletes challenges and sessions that are long past, and cards that came to nothing."""
        async with database.transaction() as connection:
            await store.forget(connection, clock() - KEPT)

    async def _event(registration_id: UUID) -> resources_pb2.RegistrationEvent:
        async with database.read() as connection:
            registration = await registration_store.find_registration(connection, registration_id)
            if registration is None:
                raise LookupError(f"registration {registration_id} is not there")
            card = await _card(connection, registration.certificate_sha256)
            request = await registration_store.request_of(connection, registration_id, card.certificate_sha256)
        return convert.registration_event(registration, card, request)

    return tasks


async def _card(connection: AsyncConnection, certificate_sha256: bytes) -> Card:
    card = await store.find_card(connection, certificate_sha256)
    if card is None:
        raise LookupError(f"card {certificate_sha256.hex()} is not there")
    return card
