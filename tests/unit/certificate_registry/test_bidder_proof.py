"""Bidder proofs: made only by the qualification registry, for one card, for an hour, and confirmed at the commit."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from certificate_registry.domain.bidder_proof import (
    BidderStatement,
    expect_statement,
    require_just_confirmed,
    verify_proof,
)
from certificate_registry.domain.proven import CompanyComparison, HolderComparison, Proven
from refusals import Refusal
from servicekit.signed_statement import SigningKey

NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
CARD = b"c" * 32
PROVEN = Proven(True, CompanyComparison.SAME, HolderComparison.NOT_COMPARED)
STATEMENT = BidderStatement(
    "saitama", "1000000001", "city", "works", CARD, NOW, NOW + timedelta(minutes=60), PROVEN, ""
)


def expect(statement: BidderStatement, now: datetime = NOW, *, for_renewal: bool = False) -> str:
    return expect_statement(
        statement,
        instance="saitama",
        agency="city",
        category="works",
        certificate_sha256=CARD,
        for_renewal=for_renewal,
        now=now,
    )


def test_proof_is_verified_under_its_own_prefix() -> None:
    key = Ed25519PrivateKey.generate()
    proof = SigningKey(key, b"toroku bidder proof v1\x00").sign(b"statement")
    verify_proof(proof, {proof.key_id: key.public_key()})
    with pytest.raises(Refusal, match="BIDDER_PROOF_INVALID"):
        verify_proof(SigningKey(key, b"another").sign(b"statement"), {proof.key_id: key.public_key()})


def test_bidder_is_read_from_the_statement() -> None:
    assert expect(STATEMENT) == "1000000001"


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (replace(STATEMENT, instance="aomori"), "BIDDER_PROOF_INVALID"),
        (replace(STATEMENT, bidder_id=""), "BIDDER_PROOF_INVALID"),
        (replace(STATEMENT, issued_at=NOW + timedelta(minutes=2)), "BIDDER_PROOF_INVALID"),
        (replace(STATEMENT, certificate_sha256=b"d" * 32), "BIDDER_PROOF_FOR_ANOTHER_CARD"),
        (replace(STATEMENT, certificate_sha256=b""), "BIDDER_PROOF_FOR_ANOTHER_CARD"),
        (replace(STATEMENT, agency="town"), "BIDDER_PROOF_FOR_ANOTHER_AGENCY"),
        (replace(STATEMENT, category="goods"), "BIDDER_PROOF_FOR_ANOTHER_CATEGORY"),
    ],
)
def test_statement_for_another_use_is_refused(statement: BidderStatement, reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        expect(statement)


def test_statement_is_for_a_registration_or_a_renewal() -> None:
    renewal = replace(STATEMENT, for_renewal=True)
    assert expect(renewal, for_renewal=True) == "1000000001"
    for statement in (STATEMENT, renewal):
        with pytest.raises(Refusal, match="BIDDER_PROOF_INVALID"):
            expect(statement, for_renewal=not statement.for_renewal)


def test_statement_is_valid_until_it_expires() -> None:
    assert expect(STATEMENT, STATEMENT.expires_at - timedelta(microseconds=1))
    with pytest.raises(Refusal, match="BIDDER_PROOF_EXPIRED"):
        expect(STATEMENT, STATEMENT.expires_at)


def test_statement_is_just_confirmed_for_a_minute() -> None:
    require_just_confirmed(STATEMENT, NOW + timedelta(seconds=59))
    with pytest.raises(Refusal, match="BIDDER_PROOF_EXPIRED"):
        require_just_confirmed(STATEMENT, NOW + timedelta(minutes=1))
