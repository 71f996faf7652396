"""What a bidder's contacts are told of an officer's decision, by mail."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from history.entries import SealedEntry
from qualification_registry.domain.bidder_state import BidderKey


class BidderNoticeKind(StrEnum):
    """What was decided."""

    SUSPENDED = "bidder suspended"
    RESUMED = "bidder resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderNotice:
    """A notice to all contacts of a bidder in a category. `agency` is the operator's code for the whole instance."""

    notice_id: UUID
    kind: BidderNoticeKind
    key: BidderKey
    agency: str
    happened_at: datetime
    entry: SealedEntry
