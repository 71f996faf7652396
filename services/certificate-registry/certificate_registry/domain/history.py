"""The entries of the history: who did what to which card, with the state before and after (LIF-05)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

# What changed, by name: ids and instants as texts; no personal data.
HistoryState: TypeAlias = Mapping[str, str | Mapping[str, str] | None]


class HistoryAction(StrEnum):
    """What was done."""

    REGISTERED = "registered"
    PROPAGATED = "propagated"
    REVOKED = "revoked"
    REVOCATION_LIFTED = "revocation lifted"
    DISTRUSTED = "no longer trusted"
    TRUSTED_AGAIN = "trusted again"


@dataclass(frozen=True, slots=True)
class SignedAct:
    """The act that a card signed: purpose, algorithm by name, signature, and the card's certificate in DER."""

    purpose: bytes
    algorithm: str
    signature: bytes = field(repr=False)
    certificate: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One entry. `who` is a card, a caller or this service; only ids, no personal data, except in the signed act."""

    happened_at: datetime
    who: str
    what: HistoryAction
    certificate_sha256: bytes
    category: str | None = None
    agencies: tuple[str, ...] = ()
    bidder_id: str | None = None
    before: HistoryState
    after: HistoryState
    act: SignedAct | None = None
