"""The answer to an e-bidding system's lookup of a card at a log-in (SYN-08)."""

from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

SHA256_BYTES = 32


class Verdict(IntEnum):
    """Whether a card may log in: only with GOOD; every other verdict names the obstacle.

    The numbers are those of the interface, compared by a test, so that a lookup converts nothing.
    """

    GOOD = 1
    NOT_REGISTERED = 2
    CERTIFICATE_EXPIRED = 3
    CERTIFICATE_NOT_YET_VALID = 4
    CERTIFICATE_REVOKED = 5
    BINDING_ENDED = 6
    BIDDER_SUSPENDED = 7
    BIDDER_ENDED = 8
    CARD_SUSPENDED = 9
    # Nothing answers it yet: it waits for users taken over from an older system.
    CERTIFICATE_NEEDED = 10
    CERTIFICATE_NOT_TRUSTED = 11
    CARD_REPLACED = 12
    NOT_QUALIFIED = 13
    # By the rule of the agency: elsewhere a new card is good meanwhile.
    UNDER_REVIEW = 14


class LookupKey(NamedTuple):
    """A card at an agency in a category: codes of the profile, and SHA256_BYTES bytes."""

    agency: str
    category: str
    certificate_sha256: bytes


class Resolution(NamedTuple):
    """A verdict (its number), the bidder that the card is bound to, the database's time of the lookup.

    `revocation_as_of` is the earliest thisUpdate of the CRLs that the card's path rests on, None where there is none.
    `replaced_by` is the card that took its place there, `predecessor` the one whose place it took (SHA-256).
    """

    verdict: int
    bidder_id: str | None
    as_of: datetime
    revocation_as_of: datetime | None
    replaced_by: bytes | None
    predecessor: bytes | None
