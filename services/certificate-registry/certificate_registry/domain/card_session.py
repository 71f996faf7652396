"""Card sessions: one operation, agency, category and card; ten minutes idle, sixty at most (ENT-07)."""

import base64
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from certificate_registry.domain.binding import CardStanding
from certificate_registry.domain.card import Card
from refusals import Code, Refusal
from signed_acts.purpose import Operation, Role

IDLE = timedelta(minutes=10)
LONGEST = timedelta(minutes=60)
# The idle time of a session that is used again within this time is not renewed, so that a step of three calls writes
# once: a session may end that much earlier, and never later.
RENEWAL = timedelta(seconds=20)
_TOKEN_BYTES = 32
_TOKEN_LENGTH = 43


@dataclass(frozen=True, slots=True)
class SessionScope:
    """What a session is valid for: one operation at one agency in one category, with the card in one role."""

    operation: Operation
    agency: str
    category: str
    role: Role = Role.SOLE


@dataclass(frozen=True, slots=True)
class CardSession:
    """A stored session. Only the SHA-256 of its token is stored. A read-only session can only read a receipt."""

    scope: SessionScope
    certificate_sha256: bytes
    opened_at: datetime
    last_used_at: datetime
    ended_at: datetime | None = None
    read_only: bool = False

    @property
    def expires_at(self) -> datetime:
        """Last instant at which the session is valid, unless it is used before."""
        return min(self.last_used_at + IDLE, self.opened_at + LONGEST)


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A new session. The token is a secret of the caller, returned only here."""

    token: str = field(repr=False)
    session: CardSession
    card: Card
    # None in a session that may be opened whatever it is.
    standing: CardStanding | None


@dataclass(frozen=True, slots=True)
class AuthenticatedSession:
    """A session, its card, and the instant at which both were read."""

    session: CardSession
    card: Card
    at: datetime


def create_token() -> str:
    """Returns a session token: 32 random bytes as 43 characters of base64url."""
    return base64.urlsafe_b64encode(secrets.token_bytes(_TOKEN_BYTES)).rstrip(b"=").decode()


def hash_token(token: str) -> bytes:
    """Returns the SHA-256 under which a session is stored. Raises CARD_SESSION_UNKNOWN for a malformed token."""
    if len(token) != _TOKEN_LENGTH or not token.isascii():
        raise Refusal("CARD_SESSION_UNKNOWN", Code.UNAUTHENTICATED)
    return sha256(token.encode()).digest()


def find_token_hash(token: str) -> bytes | None:
    """Returns what `hash_token` returns; None for a malformed token, which no session has."""
    try:
        return hash_token(token)
    except Refusal:
        return None


def require_open(session: CardSession, now: datetime) -> None:
    """Checks that a session is valid at `now`.

    Raises CARD_SESSION_UNKNOWN if it was ended, CARD_SESSION_EXPIRED if its time is over.
    """
    if session.ended_at is not None:
        raise Refusal("CARD_SESSION_UNKNOWN", Code.UNAUTHENTICATED)
    if now > session.expires_at:
        raise Refusal("CARD_SESSION_EXPIRED", Code.UNAUTHENTICATED)


def require_scope(session: CardSession, scope: SessionScope) -> None:
    """Checks that a session was opened for this scope; a refusal names the difference.

    Raises CARD_SESSION_FOR_ANOTHER_OPERATION, …_ROLE, …_AGENCY, …_CATEGORY.
    """
    opened_for = session.scope
    differences = (
        ("OPERATION", opened_for.operation.value, scope.operation.value),
        ("ROLE", opened_for.role.value, scope.role.value),
        ("AGENCY", opened_for.agency, scope.agency),
        ("CATEGORY", opened_for.category, scope.category),
    )
    for what, opened, requested in differences:
        if opened != requested:
            metadata = {"found": opened, "asked": requested}
            raise Refusal(f"CARD_SESSION_FOR_ANOTHER_{what}", Code.FAILED_PRECONDITION, metadata)


def require_role(operation: Operation, role: Role) -> None:
    """Checks that a card can have this role in an operation: the old or the new one in a renewal, else the sole one.

    Raises CARD_ROLE_INVALID.
    """
    if (operation is Operation.RENEWAL) == (role is Role.SOLE):
        raise refuse_role()


def refuse_role() -> Refusal:
    """Returns the refusal of a role that no card has in the operation."""
    return Refusal("CARD_ROLE_INVALID", Code.INVALID_ARGUMENT)


def require_writable(session: CardSession) -> None:
    """Raises CARD_ALREADY_REGISTERED for a read-only session, which was opened by a registered card."""
    if session.read_only:
        raise Refusal("CARD_ALREADY_REGISTERED", Code.ALREADY_EXISTS)
