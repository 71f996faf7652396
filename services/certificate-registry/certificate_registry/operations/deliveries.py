"""Reports registrations to the other services: enqueued in the transaction that makes them, delivered by the worker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry.domain.card import Card
from certificate_registry.domain.propagation import NewRegistrations
from certificate_registry.domain.registration import RegistrationEvent
from certificate_registry.store import cards, registrations
from servicekit import jobs
from servicekit.database import Database

DELIVER_REGISTRATION = "deliver_registration"
DELIVER_PROPAGATED = "deliver_propagated"
CONTACT_NOTIFICATION = "contact-notification"
AGENCY_SYNC = "agency-sync"


class Consumer(Protocol):
    """A service that records registrations. It ignores events that it already has."""

    async def record_registration(self, event: RegistrationEvent) -> None:
        """Reports a registration."""


async def enqueue_registration(connection: AsyncConnection, registration_id: UUID) -> None:
    """Enqueues one job per consumer that reports a contractor's registration."""
    for consumer in (CONTACT_NOTIFICATION, AGENCY_SYNC):
        arguments = {"registration_id": str(registration_id), "consumer": consumer}
        await jobs.enqueue(connection, DELIVER_REGISTRATION, queue="events", arguments=arguments)


async def enqueue_propagated(connection: AsyncConnection, new: Sequence[NewRegistrations]) -> None:
    """Enqueues one job per card and category that reports propagated registrations to contact-notification."""
    for registrations_of_card in new:
        arguments = {
            "certificate_sha256": registrations_of_card.certificate_sha256.hex(),
            "category": registrations_of_card.category,
            "agencies": list(registrations_of_card.registrations),
        }
        await jobs.enqueue(connection, DELIVER_PROPAGATED, queue="bulk", arguments=arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliveries:
    """Delivers registrations to their consumers, by name."""

    database: Database
    consumers: Mapping[str, Consumer]

    async def deliver_registration(self, registration_id: UUID, consumer: str) -> None:
        """Reports a contractor's registration, in its current state, to one consumer."""
        async with self.database.read() as connection:
            registration = await registrations.find_registration(connection, registration_id)
            if registration is None:
                raise LookupError(f"registration {registration_id} does not exist")
            card = await _read_card(connection, registration.certificate_sha256)
            request = await registrations.read_request(connection, registration_id, card.certificate_sha256)
        await self._find_consumer(consumer).record_registration(RegistrationEvent(registration, card, request))

    async def deliver_propagated(self, certificate_sha256: bytes, category: str, agencies: Sequence[str]) -> None:
        """Reports one card's registrations at further agencies to contact-notification."""
        async with self.database.read() as connection:
            card = await _read_card(connection, certificate_sha256)
            propagated = await registrations.find_registrations_at(connection, certificate_sha256, category, agencies)
        contact_notification = self._find_consumer(CONTACT_NOTIFICATION)
        for registration in propagated:
            await contact_notification.record_registration(RegistrationEvent(registration, card, request=None))

    def _find_consumer(self, name: str) -> Consumer:
        consumer = self.consumers.get(name)
        if consumer is None:
            raise LookupError(f"unknown consumer {name}")
        return consumer


async def _read_card(connection: AsyncConnection, certificate_sha256: bytes) -> Card:
    card = await cards.find_card(connection, certificate_sha256)
    if card is None:
        raise LookupError(f"card {certificate_sha256.hex()} does not exist")
    return card
