"""Challenges: a nonce is valid once, for five minutes, and only in the purpose that it was issued with."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from refusals import Code, Refusal
from signed_acts.keys import NONCE_BYTES

LIFETIME = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Challenge:
    """An issued nonce (32 bytes) and the SHA-256 of the encoded purpose that contains it."""

    nonce: bytes
    purpose_sha256: bytes
    created_at: datetime
    used_at: datetime | None = None

    @property
    def expires_at(self) -> datetime:
        """Last instant at which the challenge is valid."""
        return self.created_at + LIFETIME


@dataclass(frozen=True, slots=True)
class PurposeToSign:
    """An encoded purpose for a card to sign unchanged, until `expires_at`."""

    purpose: bytes
    expires_at: datetime


def hash_nonce(nonce: bytes) -> bytes:
    """Returns the SHA-256 under which a challenge is stored."""
    return sha256(nonce).digest()


def create_nonce() -> bytes:
    """Returns 32 random bytes."""
    return secrets.token_bytes(NONCE_BYTES)


def issue(nonce: bytes, purpose: bytes, now: datetime) -> Challenge:
    """Returns the challenge of an encoded purpose that contains this nonce."""
    return Challenge(nonce, sha256(purpose).digest(), now)


def require_valid(challenge: Challenge | None, purpose: bytes, now: datetime) -> None:
    """Checks that an encoded purpose, as it came back, was issued with its nonce, in time and unused.

    `challenge` is the stored one of the purpose's nonce. Raises CHALLENGE_UNKNOWN, CHALLENGE_USED, CHALLENGE_EXPIRED,
    and PURPOSE_ALTERED if the nonce is valid but was issued in another purpose.
    """
    if challenge is None:
        raise Refusal("CHALLENGE_UNKNOWN", Code.FAILED_PRECONDITION)
    if challenge.used_at is not None:
        raise Refusal("CHALLENGE_USED", Code.FAILED_PRECONDITION)
    if now > challenge.expires_at:
        raise Refusal("CHALLENGE_EXPIRED", Code.FAILED_PRECONDITION)
    if sha256(purpose).digest() != challenge.purpose_sha256:
        raise Refusal("PURPOSE_ALTERED", Code.INVALID_ARGUMENT)
