"""The state of a card in a category: the one aggregate that other services are told of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from certificate_registry.domain.binding import BindingState, RegistrationState
from certificate_registry.domain.proven import Proven
from certificate_registry.domain.registration import Origin, RequestReference
from servicekit.versions import Version

# The states of one message, each with at most sixty registrations.
MOST_STATES = 500


class CardKey(NamedTuple):
    """A card in a category."""

    certificate_sha256: bytes
    category: str


@dataclass(frozen=True, slots=True)
class AgencyRegistration:
    """One registration of a card's newest binding; `request` is None if propagation made it.

    `replaced_by` and `predecessor` are the cards after and before this one at the agency (SHA-256); `stays_here` says
    that the contractor chose not to have it propagated.
    """

    registration_id: UUID
    agency: str
    state: RegistrationState
    reason: str | None
    origin: Origin
    registered_at: datetime
    request: RequestReference | None
    replaced_by: bytes | None
    predecessor: bytes | None
    stays_here: bool


class CertificateState(StrEnum):
    """Whether a certificate is trusted; its validity is compared with the time by whoever reads it."""

    TRUSTED = "trusted"
    REVOKED = "revoked"
    NOT_TRUSTED = "not trusted"


@dataclass(frozen=True, slots=True)
class CertificateStanding:
    """What is known of a card's certificate: whether it is trusted, the first and the last second of its validity."""

    state: CertificateState
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CardState:
    """The newest binding of a card in a category with all its registrations, by agency. No personal data."""

    certificate_sha256: bytes
    category: str
    version: Version
    bidder_id: str
    binding: BindingState
    binding_reason: str | None
    proven: Proven
    is_suspended: bool
    registrations: Sequence[AgencyRegistration]
    certificate: CertificateStanding
