"""Act proofs: certificate-registry's statement that a card signed an act, and was good when it was proven."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from refusals import Code, Refusal
from servicekit.signed_statement import SignedStatement, VerifyingKeys, check_period, check_signature

STATEMENT_PREFIX = b"toroku act proof v1\x00"
# What an act of 変更 is called.
CHANGE = "change"

# A proof as received; its statement is serialized and not verified.
ActProof = SignedStatement


@dataclass(frozen=True, slots=True)
class ActStatement:
    """The content of a proof, valid until `expires_at`; all hashes are SHA-256, 32 bytes.

    `holder_name` is the holder of the card, "" where its certificate names none.
    """

    instance: str
    operation: str
    agency: str
    category: str
    bidder_id: str
    certificate_sha256: bytes
    request_id: UUID
    request_sha256: bytes
    purpose_sha256: bytes
    serial_decimal: str
    holder_name: str
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SignedPurpose:
    """A purpose as a card signed it: algorithm by name."""

    purpose: bytes
    algorithm: str
    signature: bytes


def verify_proof(proof: ActProof, keys: VerifyingKeys) -> None:
    """Raises ACT_PROOF_INVALID unless one of these keys signed the statement."""
    check_signature(proof, keys, STATEMENT_PREFIX, invalid=refuse_proof())


def expect_statement(statement: ActStatement, act: SignedPurpose, *, instance: str) -> None:
    """Raises ACT_PROOF_INVALID unless a verified statement is of a change in this instance, and proves this act."""
    stated = (statement.instance, statement.operation, statement.purpose_sha256)
    if stated != (instance, CHANGE, sha256(act.purpose).digest()):
        raise refuse_proof()


def require_valid(statement: ActStatement, now: datetime) -> None:
    """Raises ACT_PROOF_EXPIRED where the statement ran out, ACT_PROOF_INVALID where it is from the future."""
    metadata = {"at": statement.expires_at.isoformat()}
    expired = Refusal("ACT_PROOF_EXPIRED", Code.FAILED_PRECONDITION, metadata)
    check_period(statement.issued_at, statement.expires_at, now, invalid=refuse_proof(), expired=expired)


def refuse_proof() -> Refusal:
    """Returns the refusal of a forged or unsuitable proof, without the cause: no honest caller can correct it."""
    return Refusal("ACT_PROOF_INVALID", Code.PERMISSION_DENIED)
