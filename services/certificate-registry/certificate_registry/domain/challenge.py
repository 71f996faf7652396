"""Challenges: a nonce is valid once, for minutes, and only in the purpose that it was issued with."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from refusals import Code, Refusal
from signed_acts.keys import NONCE_BYTES
from signed_acts.purpose import Purpose, PurposeType, Role

LIFETIME = timedelta(minutes=5)
# Of the act of a renewal's old card, which waits until the cards are swapped and the new one has logged in.
LONGEST_LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Challenge:
    """An issued nonce (32 bytes) and the SHA-256 of the encoded purpose that contains it."""

    nonce: bytes
    purpose_sha256: bytes
    created_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class IssuedLogIn:
    """The challenge of a log-in, if there is one, the CA certificates (DER) that came with it, and the stored CRLs.

    All of it as of the instant `at`; `list_versions` as in `Circumstances`.
    """

    challenge: Challenge | None
    other_certificates: Sequence[bytes]
    list_versions: Mapping[bytes, bytes]
    at: datetime


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


def find_lifetime(purpose: Purpose) -> timedelta:
    """Returns how long the challenge of a purpose is valid."""
    if (purpose.type, purpose.role) == (PurposeType.ACT, Role.OLD):
        return LONGEST_LIFETIME
    return LIFETIME


def require_valid(
    challenge: Challenge | None, purpose: bytes, now: datetime, *, lifetime: timedelta = LIFETIME
) -> None:
    """Checks that an encoded purpose, as it came back, was issued with its nonce, in time and unused.

    `challenge` is the stored one of the purpose's nonce, valid until the end of its lifetime. Raises CHALLENGE_UNKNOWN,
    CHALLENGE_USED, CHALLENGE_EXPIRED, and PURPOSE_ALTERED if the nonce is valid but was issued in another purpose.
    """
    if challenge is None:
        raise Refusal("CHALLENGE_UNKNOWN", Code.FAILED_PRECONDITION)
    if challenge.used_at is not None:
        raise Refusal("CHALLENGE_USED", Code.FAILED_PRECONDITION)
    if now > challenge.created_at + lifetime:
        raise Refusal("CHALLENGE_EXPIRED", Code.FAILED_PRECONDITION)
    if sha256(purpose).digest() != challenge.purpose_sha256:
        raise Refusal("PURPOSE_ALTERED", Code.INVALID_ARGUMENT)
