"""What operations that take a bidder proof share."""

from collections.abc import Callable
from datetime import datetime

from certificate_registry.domain.bidder_proof import BidderProof, BidderStatement, expect_statement, verify_proof
from certificate_registry.domain.card_session import SessionScope
from refusals import Refusal
from servicekit.signed_statement import VerifyingKeys
from signed_acts.purpose import Operation

# Reads the statement of a verified proof: it is a message of the qualification registry, which only `convert` knows.
ReadStatement = Callable[[BidderProof], BidderStatement]


def decode_proof(proof: BidderProof, keys: VerifyingKeys, read_statement: ReadStatement) -> BidderStatement | Refusal:
    """Returns the statement of a proof, or why it is none: told to nobody before the session is known."""
    try:
        verify_proof(proof, keys)
        return read_statement(proof)
    except Refusal as refusal:
        return refusal


def expect_proof(
    decoded: BidderStatement | Refusal, *, instance: str, scope: SessionScope, certificate_sha256: bytes, now: datetime
) -> BidderStatement:
    """Returns the statement of a decoded proof for this scope and card; raises as `expect_statement`."""
    if isinstance(decoded, Refusal):
        raise decoded
    expect_statement(
        decoded,
        instance=instance,
        agency=scope.agency,
        category=scope.category,
        certificate_sha256=certificate_sha256,
        for_renewal=scope.operation is Operation.RENEWAL,
        now=now,
    )
    return decoded
