"""Officer sessions of the portal: ten minutes idle, sixty at most, and the proofs that they give."""

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from refusals import Code, Refusal

IDLE = timedelta(minutes=10)
LONGEST = timedelta(minutes=60)
_TOKEN_BYTES = 32
_TOKEN_LENGTH = 43


@dataclass(frozen=True, slots=True)
class OfficerSession:
    """A stored session. Only the SHA-256 of its token is stored."""

    token_sha256: bytes
    person_id: str
    certificate_sha256: bytes
    opened_at: datetime
    last_used_at: datetime
    ended_at: datetime | None = None

    @property
    def ends_at(self) -> datetime:
        """Last instant at which the session is valid, however often it is used."""
        return self.opened_at + LONGEST

    @property
    def expires_at(self) -> datetime:
        """Last instant at which the session is valid, unless it is used before."""
        return min(self.last_used_at + IDLE, self.ends_at)


def create_token() -> str:
    """Returns a session token: 32 random bytes as 43 characters of base64url."""
    return base64.urlsafe_b64encode(secrets.token_bytes(_TOKEN_BYTES)).rstrip(b"=").decode()


def find_token_hash(token: str) -> bytes | None:
    """Returns the SHA-256 under which a session is stored; None for what is no token."""
    if len(token) != _TOKEN_LENGTH or not token.isascii():
        return None
    return sha256(token.encode()).digest()


def require_open(session: OfficerSession | None, now: datetime) -> OfficerSession:
    """Returns a session that is valid at `now`.

    Raises OFFICER_SESSION_UNKNOWN if there is none or it was ended, OFFICER_SESSION_EXPIRED if its time is over.
    """
    if session is None or session.ended_at is not None:
        raise Refusal("OFFICER_SESSION_UNKNOWN", Code.UNAUTHENTICATED)
    if now > session.expires_at:
        raise Refusal("OFFICER_SESSION_EXPIRED", Code.UNAUTHENTICATED)
    return session
