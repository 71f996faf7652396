"""A registration, as its event describes it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

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
