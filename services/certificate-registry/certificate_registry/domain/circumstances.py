"""What is known of a card, a bidder and a request when a registration or a renewal is decided."""

from collections.abc import Mapping
from dataclasses import dataclass

from certificate_registry.domain.bidder import BidderStatus
from certificate_registry.domain.binding import CardRecord
from certificate_registry.domain.challenge import Challenge
from certificate_registry.domain.outcome import Outcome
from certificate_registry.domain.proven import Proven


@dataclass(frozen=True, slots=True)
class Circumstances:
    """All of it as of one moment.

    `proven` is what was proven of the newest binding, None where there was none; `bidder_status` is that of the bidder
    at the agency, None where none is stored; `list_versions` are the stored CRLs, SHA-256 by scope.
    """

    record: CardRecord
    proven: Proven | None
    outcome: Outcome | None
    bidder_status: BidderStatus | None
    list_versions: Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class CommitCircumstances:
    """The same for a commit, with the challenge of the card's act, if there is one."""

    circumstances: Circumstances
    challenge: Challenge | None
