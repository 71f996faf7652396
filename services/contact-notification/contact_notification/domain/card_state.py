"""A committed registration, as its event describes it, and the outcome of a request."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from contact_notification.domain.staging import StagedRegistration
from refusals import Code, Refusal
from servicekit.versions import Version


@dataclass(frozen=True, slots=True)
class Registration:
    """A committed registration of a card at one agency. `certificate_sha256` has 32 bytes."""

    registration_id: UUID
    agency: str
    category: str
    certificate_sha256: bytes
    bidder_id: str
    registered_at: datetime
    by_propagation: bool
    version: Version


@dataclass(frozen=True, slots=True)
class RegistrationEvent:
    """A committed registration, and the act of the card behind it.

    `request_id` is None and `request_sha256` empty for a registration made by propagation: it has no staged contacts.
    """

    registration: Registration
    request_id: UUID | None
    request_sha256: bytes
    card_serial: str


class OutcomeState(StrEnum):
    """The outcome of a request at certificate-registry, by the names of its messages."""

    UNSPECIFIED = "OUTCOME_UNSPECIFIED"
    NONE = "OUTCOME_NONE"
    REGISTERED = "OUTCOME_REGISTERED"
    # A tombstone bars a later commit.
    ABANDONED = "OUTCOME_ABANDONED"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a request, with the event of the registration where it was committed."""

    state: OutcomeState
    event: RegistrationEvent | None


def require_same_act(staged: StagedRegistration | None, event: RegistrationEvent) -> StagedRegistration:
    """Returns the staged contacts of a committed registration.

    Raises CONTACTS_NOT_STAGED where there are none, CONTACTS_DIFFER_FROM_ACT where the card signed something else.
    The event must not be accepted in either case: the registration would have neither contacts nor mail. So its
    producer has to try again, and people have to notice.
    """
    registration = event.registration
    metadata = {"registration_id": str(registration.registration_id)}
    if staged is None:
        raise Refusal("CONTACTS_NOT_STAGED", Code.NOT_FOUND, metadata)
    signed = (event.request_sha256, registration.agency, registration.category, registration.bidder_id)
    if signed != (staged.request_sha256, staged.agency, staged.category, staged.company.bidder_id):
        raise Refusal("CONTACTS_DIFFER_FROM_ACT", Code.FAILED_PRECONDITION, metadata)
    return staged
