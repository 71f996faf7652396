"""Act proofs: what another service commits an act by that a card signed and this registry has checked (ADR 30)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from signed_acts.purpose import Operation

STATEMENT_PREFIX = b"toroku act proof v1\x00"
# What happens to a card, its binding or its bidder within this time no longer stops an act that was proven.
LIFETIME = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActStatement:
    """The content of a proof. Hashes have 32 bytes; `serial` is the certificate's serial number."""

    instance: str
    operation: Operation
    agency: str
    category: str
    bidder_id: str
    certificate_sha256: bytes
    request_id: str
    request_sha256: bytes
    purpose_sha256: bytes
    serial: bytes
    holder_name: str | None
    issued_at: datetime

    @property
    def expires_at(self) -> datetime:
        """From when on it is not accepted any more."""
        return self.issued_at + LIFETIME
