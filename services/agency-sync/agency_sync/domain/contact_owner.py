"""The state of a contact's owner, as contact-notification reports it: which version of its contact counts where."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from servicekit.versions import Version


class ContactPurpose(StrEnum):
    """Whose contact it is: a bidder's (代表窓口情報) or a card's (ICカード利用部署情報)."""

    REPRESENTATIVE = "representative"
    CARD = "card"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedChange:
    """A change that the other agencies follow in the night; a change of both contacts has the same id at both owners.

    `certificate_sha256` is the card that made it at `agency`; `agencies` are the others, at which pins end with it.
    """

    change_id: UUID
    certificate_sha256: bytes
    agency: str
    agencies: Set[str]
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactOwnerState:
    """The owner of a contact in a category: a bidder, or a card where `certificate_sha256` (32 bytes) is set."""

    owner_id: UUID
    purpose: ContactPurpose
    category: str
    bidder_id: str
    certificate_sha256: bytes | None
    version: Version
    # The newest version, which counts wherever no pin is; 0 while there is none.
    contact_version: int
    # The earlier versions that count at agencies, by agency.
    pins: Mapping[str, int]
    # The oldest first.
    planned: Sequence[PlannedChange]
