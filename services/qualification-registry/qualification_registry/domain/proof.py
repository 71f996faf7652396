"""The bidder proof: the registry's statement about a bidder and a card, signed and valid for an hour (ADR 21)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from qualification_registry.domain.bidders import Company
from qualification_registry.domain.certificate_names import CompanyComparison, HolderComparison
from refusals import Code, Refusal
from servicekit.signed_statement import SignedStatement, VerifyingKeys, check_period, check_signature

# As long as a card session may last (ENT-07): the form is filled in between search and commit.
LIFETIME = timedelta(minutes=60)
STATEMENT_PREFIX = b"toroku bidder proof v1\0"

# A serialized statement and the registry's signature over it.
Proof = SignedStatement


@dataclass(frozen=True, slots=True)
class Proven:
    """What a search proved, whether its agency asked for it or not."""

    # The bidder's password was entered, and right. Of a renewal always False: nobody is asked for one.
    password: bool
    company: CompanyComparison
    holder: HolderComparison


@dataclass(frozen=True, slots=True)
class Statement:
    """What is stated: a search at this agency and category with this card (SHA-256, 32 bytes) found this bidder.

    Or, with `for_renewal`, that the bidder may have this card in the place of another one; nobody searched then.

    `issued_at`: when it found it, or when that was confirmed; `password_issued_at`: when the password that was entered
    had been issued, None where none was; `card_approval`: the number of the officer's approval that was needed, or
    empty.
    """

    instance: str
    bidder_id: str
    agency: str
    category: str
    certificate_sha256: bytes
    issued_at: datetime
    expires_at: datetime
    proven: Proven
    password_issued_at: datetime | None
    card_approval: str
    for_renewal: bool = False


@dataclass(frozen=True, slots=True)
class ConfirmedBidder:
    """What still holds of a proof: its bidder's current company profile, and a new statement with its proof."""

    company: Company
    statement: Statement
    proof: Proof


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
