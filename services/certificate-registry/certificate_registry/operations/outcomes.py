"""The outcome of a request to register a card: a registration, a tombstone, or neither yet."""

from dataclasses import dataclass
from uuid import UUID

from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.outcome import CommittedRequest, Outcome, OutcomeReport, RegisteredOutcome
from certificate_registry.operations.deliveries import CONTACT_NOTIFICATION
from certificate_registry.store import card_states, registrations
from history.reading import find_receipt
from history.receipt import write_receipt
from refusals import Code, Refusal
from servicekit.database import Database
from servicekit.database_clock import StatementClock
from servicekit.identity import Caller, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOutcomes:
    """Reports the outcomes of requests, and abandons requests."""

    database: Database
    clock: StatementClock

    async def report(
        self, certificate_sha256: bytes, request_id: UUID, *, abandon: bool, caller: Caller
    ) -> OutcomeReport:
        """Returns the outcome of a request. With `abandon`, a request without an outcome can't succeed any more.

        Waits for a concurrent registration by this request. Raises CALLER_NOT_ALLOWED if a caller other than
        contact-notification abandons.
        """
        if abandon:
            _require_may_abandon(caller)
        tombstone = Outcome(registration_id=None)
        async with self.database.single_change() as connection:
            if abandon and await registrations.record_outcome(
                connection, certificate_sha256, request_id, tombstone, self.clock(connection)
            ):
                return OutcomeReport(abandoned=True)
            outcome = await registrations.find_outcome(connection, certificate_sha256, request_id)
            if outcome is None:
                return OutcomeReport()
            if outcome.registration_id is None:
                return OutcomeReport(abandoned=True)
            registration, entry, card = await registrations.read_registration_and_card(
                connection, outcome.registration_id
            )
            (card_state,) = await card_states.read_states(
                connection, [CardKey(certificate_sha256, registration.category)]
            )
            receipt = await find_receipt(connection, entry.number)
            committed = CommittedRequest(registration, card, entry.digest)
            history_receipt = "" if receipt is None else write_receipt(receipt)
            return OutcomeReport(registered=RegisteredOutcome(committed, card_state, history_receipt))


def _require_may_abandon(caller: Caller) -> None:
    if caller.kind is not Kind.SERVICE or caller.name != CONTACT_NOTIFICATION:
        metadata = {"caller": f"{caller.kind} {caller.name}", "method": "GetOutcome with abandon"}
        raise Refusal("CALLER_NOT_ALLOWED", Code.PERMISSION_DENIED, metadata)
