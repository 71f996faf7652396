"""The outcome of a request to register a card: a registration, a tombstone, or neither yet."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry.domain.registration import (
    Outcome,
    OutcomeReport,
    Registration,
    RegistrationEvent,
    RequestReference,
)
from certificate_registry.operations.deliveries import CONTACT_NOTIFICATION
from certificate_registry.store import cards, registrations
from refusals import Code, Refusal
from servicekit.database import Database
from servicekit.identity import Caller, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOutcomes:
    """Reports the outcomes of requests, and abandons requests."""

    database: Database
    clock: Callable[[], datetime]

    async def report(
        self, certificate_sha256: bytes, request_id: UUID, *, abandon: bool, caller: Caller
    ) -> OutcomeReport:
        """Returns the outcome of a request. With `abandon`, a request without an outcome can't succeed any more.

        Waits for a concurrent registration by this request. Raises CALLER_NOT_ALLOWED if a caller other than
        contact-notification abandons.
        """
        if abandon:
            _require_may_abandon(caller)
        async with self.database.transaction() as connection:
            if abandon:
                tombstone = Outcome(registration_id=None)
                await registrations.record_outcome(connection, certificate_sha256, request_id, tombstone, self.clock())
            outcome = await registrations.find_outcome(connection, certificate_sha256, request_id)
            if outcome is None:
                return OutcomeReport()
            if outcome.registration_id is None:
                return OutcomeReport(abandoned=True)
            registration = await read_registered(connection, outcome.registration_id)
            card = await cards.find_card(connection, certificate_sha256)
            if card is None:
                return OutcomeReport()
            request = RequestReference(request_id, outcome.request_sha256 or b"")
            return OutcomeReport(event=RegistrationEvent(registration, card, request))


async def read_registered(connection: AsyncConnection, registration_id: UUID) -> Registration:
    """Returns the registration that a request has made.

    Raises CARD_BINDING_ENDED if a later one replaced it, after an officer ended the binding that it rested on.
    """
    registration = await registrations.find_registration(connection, registration_id)
    if registration is None:
        raise Refusal("CARD_BINDING_ENDED", Code.FAILED_PRECONDITION)
    return registration


def _require_may_abandon(caller: Caller) -> None:
    if caller.kind is not Kind.SERVICE or caller.name != CONTACT_NOTIFICATION:
        metadata = {"caller": f"{caller.kind} {caller.name}", "method": "GetOutcome with abandon"}
        raise Refusal("CALLER_NOT_ALLOWED", Code.PERMISSION_DENIED, metadata)
