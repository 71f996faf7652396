"""A nonce works once, for five minutes, and only for the purpose that it was given out in."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from certificate_registry.domain.purpose import NONCE_BYTES
from refusals import Code, Refusal

LIFETIME = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Challenge:
    """A nonce that was given out, kept until it is used or long past. `purpose_sha256` (32 bytes) is of its purpose."""

    nonce: bytes
    purpose_sha256: bytes
    created_at: datetime
    used_at: datetime | None = None

    @property
    def expires_at(self) -> datetime:
        """The last instant at which it is good."""
        return self.created_at + LIFETIME


def new_nonce() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(NONCE_BYTES)


def issue(nonce: bytes, purpose: bytes, now: datetime) -> Challenge:
    """The record of a purpose (encoded) that is given out with this nonce in it."""
    return Challenge(nonce, sha256(purpose).digest(), now)


def require_good(challenge: Challenge | None, purpose: bytes, now: datetime) -> None:
    """Returns if this purpose (encoded, as it came back) is the one given out with its nonce, in time, unused.

    `challenge` is what is kept under the purpose's nonce. Raises CHALLENGE_UNKNOWN, CHALLENGE_USED, CHALLENGE_EXPIRED,
    and PURPOSE_ALTERED where the nonce is good but stands in another text than it was given out in.
    """
    if challenge is None:
        raise Refusal("CHALLENGE_UNKNOWN", Code.FAILED_PRECONDITION)
    if challenge.used_at is not None:
        raise Refusal("CHALLENGE_USED", Code.FAILED_PRECONDITION)
    if now > challenge.expires_at:
        raise Refusal("CHALLENGE_EXPIRED", Code.FAILED_PRECONDITION)
    if sha256(purpose).digest() != challenge.purpose_sha256:
        raise Refusal("PURPOSE_ALTERED", Code.INVALID_ARGUMENT)
