"""A card session: one operation, agency, category and card, ten minutes idle, sixty at most (design section 3)."""

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from certificate_registry.domain.purpose import Operation
from refusals import Code, Refusal

IDLE = timedelta(minutes=10)
LONGEST = timedelta(minutes=60)
_TOKEN_BYTES = 32
_TOKEN_LENGTH = 43


@dataclass(frozen=True, slots=True)
class CardSession:
    """A session as it is kept. Its token is kept nowhere, only the token's SHA-256 is."""

    operation: Operation
    agency: str
    category: str
    certificate_sha256: bytes
    opened_at: datetime
    last_used_at: datetime
    ended_at: datetime | None = None

    @property
    def expires_at(self) -> datetime:
        """The last instant at which it is good, if it is not used before."""
        return min(self.last_used_at + IDLE, self.opened_at + LONGEST)


def new_token() -> str:
    """A token: 32 random bytes as 43 characters of base64url. A secret of the caller."""
    return base64.urlsafe_b64encode(secrets.token_bytes(_TOKEN_BYTES)).rstrip(b"=").decode()


def token_sha256(token: str) -> bytes:
    """Under which a session is kept. Raises CARD_SESSION_UNKNOWN for what can't be a token."""
    if len(token) != _TOKEN_LENGTH or not token.isascii():
        raise Refusal("CARD_SESSION_UNKNOWN", Code.UNAUTHENTICATED)
    return sha256(token.encode()).digest()


def require_open(session: CardSession | None, now: datetime) -> CardSession:
    """The session, if there is one that is good at `now`.

    Raises CARD_SESSION_UNKNOWN where there is none or it was ended, CARD_SESSION_EXPIRED where its time is over.
    """
    if session is None or session.ended_at is not None:
        raise Refusal("CARD_SESSION_UNKNOWN", Code.UNAUTHENTICATED)
    if now > session.expires_at:
        raise Refusal("CARD_SESSION_EXPIRED", Code.UNAUTHENTICATED)
    return session


def require_for(session: CardSession, *, operation: Operation, agency: str, category: str) -> None:
    """Returns if a session was opened for this; otherwise the refusal says for what it was.

    Raises CARD_SESSION_FOR_ANOTHER_OPERATION, …_AGENCY, …_CATEGORY.
    """
    differences = (
        ("OPERATION", session.operation.value, operation.value),
        ("AGENCY", session.agency, agency),
        ("CATEGORY", session.category, category),
    )
    for what, found, asked in differences:
        if found != asked:
            metadata = {"found": found, "asked": asked}
            raise Refusal(f"CARD_SESSION_FOR_ANOTHER_{what}", Code.FAILED_PRECONDITION, metadata)
