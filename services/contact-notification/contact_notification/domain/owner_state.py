"""The state of a contact's owner, as others are told it: which version counts where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contact_notification.domain.change import Purpose
from servicekit.versions import Version


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """A change that ends pins of an owner in the night: by which card (SHA-256, 32 bytes), at which agency, and when.

    `agencies` are those whose pins it ends.
    """

    change_id: UUID
    certificate_sha256: bytes
    agency: str
    agencies: Sequence[str]
    made_at: datetime


@dataclass(frozen=True, slots=True)
class OwnerState:
    """The full state of an owner at a version. `certificate_sha256` is None of a bidder's contact.

    `contact_version` is the newest version of the contact, 0 while there is none; `pins` has the earlier ones that
    count at agencies.
    """

    owner_id: UUID
    purpose: Purpose
    category: str
    bidder_id: str
    certificate_sha256: bytes | None
    version: Version
    contact_version: int
    pins: Mapping[str, int]
    planned: Sequence[PlannedChange]
