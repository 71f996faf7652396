"""The bidder proof: the registry's statement about a bidder and a card, signed and valid for ten minutes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from qualification_registry.domain.bidders import Company
from refusals import Code, Refusal
from servicekit.signed_statement import SignedStatement, VerifyingKeys, check_period, check_signature

LIFETIME = timedelta(minutes=10)
STATEMENT_PREFIX = b"toroku bidder proof v1\0"

# A serialized statement and the registry's signature over it.
Proof = SignedStatement


class CompanyComparison(StrEnum):
    """The company of a certificate, held against the roster's (CRD-10)."""

    SAME = "same"
    UNREADABLE = "unreadable"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Proven:
    """What a search proved, whether its agency asked for it or not; the holder is not compared."""

    # The bidder's password was entered, and right.
    password: bool
    company: CompanyComparison


@dataclass(frozen=True, slots=True)
class Statement:
    """What is stated: a search at this agency and category with this card (SHA-256, 32 bytes) found this bidder."""

    instance: str
    bidder_id: str
    agency: str
    category: str
    certificate_sha256: bytes
    issued_at: datetime
    expires_at: datetime
    proven: Proven


@dataclass(frozen=True, slots=True)
class ProvenBidder:
    """What a valid proof proves: its statement, and the current company profile of its bidder."""

    company: Company
    statement: Statement


def verify_proof(proof: Proof, keys: VerifyingKeys) -> None:
    """Raises BIDDER_PROOF_INVALID unless one of the registry's keys, of now or of before, made the proof."""
    check_signature(proof, keys, STATEMENT_PREFIX, invalid=refuse_proof())


def check_statement(statement: Statement, *, instance: str, now: datetime) -> None:
    """Raises BIDDER_PROOF_INVALID (another instance, from the future) and BIDDER_PROOF_EXPIRED."""
    if statement.instance != instance:
        raise refuse_proof()
    expired = Refusal("BIDDER_PROOF_EXPIRED", Code.FAILED_PRECONDITION, {"at": statement.expires_at.isoformat()})
    check_period(statement.issued_at, statement.expires_at, now, invalid=refuse_proof(), expired=expired)


def refuse_proof() -> Refusal:
    """Returns the refusal of a forged or unsuitable proof, without the cause: no honest caller can correct it."""
    return Refusal("BIDDER_PROOF_INVALID", Code.PERMISSION_DENIED)
