"""Bidder proofs: the qualification registry's statement that it found a bidder for a card, agency and category."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from certificate_registry.domain.proven import Proven
from refusals import Code, Refusal
from servicekit.signed_statement import SignedStatement, VerifyingKeys, check_period, check_signature

STATEMENT_PREFIX = b"toroku bidder proof v1\x00"

# A proof as received; its statement is serialized and not verified.
BidderProof = SignedStatement

# How old a proof may be that a registration is committed with: it is confirmed just before (ADR 21).
CONFIRMED_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class BidderStatement:
    """The content of a proof, valid until `expires_at` and only for the card with `certificate_sha256` (32 bytes).

    `card_approval` is the number of the officer's approval by which the agency takes the card; empty where none was
    needed. `for_renewal`: nobody searched, since an old card named the bidder.
    """

    instance: str
    bidder_id: str
    agency: str
    category: str
    certificate_sha256: bytes
    issued_at: datetime
    expires_at: datetime
    proven: Proven
    card_approval: str
    for_renewal: bool = False


def verify_proof(proof: BidderProof, keys: VerifyingKeys) -> None:
    """Raises BIDDER_PROOF_INVALID unless one of these keys signed the statement."""
    check_signature(proof, keys, STATEMENT_PREFIX, invalid=refuse_proof())


def expect_statement(
    statement: BidderStatement,
    *,
    instance: str,
    agency: str,
    category: str,
    certificate_sha256: bytes,
    for_renewal: bool,
    now: datetime,
) -> str:
    """Returns the bidder of a verified statement if it is for this card, agency and category, and valid now.

    One for a renewal proves no search, and so no registration, and the other way round: only a renewal's says that the
    bidder has no successor. Raises BIDDER_PROOF_INVALID (another instance, no bidder, for the other operation, from the
    future), BIDDER_PROOF_FOR_ANOTHER_CARD, BIDDER_PROOF_FOR_ANOTHER_AGENCY, BIDDER_PROOF_FOR_ANOTHER_CATEGORY,
    BIDDER_PROOF_EXPIRED.
    """
    if statement.instance != instance or not statement.bidder_id or statement.for_renewal is not for_renewal:
        raise refuse_proof()
    expired = _refuse_expired(statement.expires_at)
    check_period(statement.issued_at, statement.expires_at, now, invalid=refuse_proof(), expired=expired)
    if statement.certificate_sha256 != certificate_sha256:
        raise Refusal("BIDDER_PROOF_FOR_ANOTHER_CARD", Code.FAILED_PRECONDITION)
    for what, stated, requested in (
        ("AGENCY", statement.agency, agency),
        ("CATEGORY", statement.category, category),
    ):
        if stated != requested:
            metadata = {"found": stated, "asked": requested}
            raise Refusal(f"BIDDER_PROOF_FOR_ANOTHER_{what}", Code.FAILED_PRECONDITION, metadata)
    return statement.bidder_id


def require_just_confirmed(statement: BidderStatement, now: datetime) -> None:
    """Raises BIDDER_PROOF_EXPIRED unless the statement was confirmed within the minute before `now`."""
    limit = statement.issued_at + CONFIRMED_WITHIN
    if limit <= now:
        raise _refuse_expired(limit)


def refuse_proof() -> Refusal:
    """Returns the refusal of a forged or unsuitable proof, without the cause: no honest caller can correct it."""
    return Refusal("BIDDER_PROOF_INVALID", Code.PERMISSION_DENIED)


def _refuse_expired(at: datetime) -> Refusal:
    return Refusal("BIDDER_PROOF_EXPIRED", Code.FAILED_PRECONDITION, {"at": at.isoformat()})
