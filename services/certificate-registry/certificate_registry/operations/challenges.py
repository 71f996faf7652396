"""What operations with a card share: sessions, nonces, signed purposes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from certificate_registry.domain.card_session import (
    AuthenticatedSession,
    SessionScope,
    hash_token,
    require_open,
    require_scope,
)
from certificate_registry.domain.challenge import PurposeToSign, create_nonce, find_lifetime, issue
from certificate_registry.domain.checked_session import CheckedSession
from certificate_registry.domain.circumstances import Circumstances
from certificate_registry.domain.outcome import Method
from certificate_registry.store import checked_sessions, circumstances, log_in
from refusals import Code, Refusal
from servicekit.database_connection import Connection
from servicekit.telemetry import span
from signed_acts import purpose as purposes
from signed_acts.purpose import Act, Purpose, PurposeType, SignedPurpose
from signed_acts.signature import verify_card_signature


async def authenticate_session(
    connection: Connection, token: str, scope: SessionScope, now: datetime | None
) -> AuthenticatedSession:
    """Returns the session of a token if it is valid for this scope `now` (`STATEMENT_TIME`).

    Renews its idle time where that is older than `RENEWAL`. Raises CARD_SESSION_UNKNOWN, CARD_SESSION_EXPIRED,
    CARD_SESSION_FOR_ANOTHER_OPERATION, …_ROLE, …_AGENCY, …_CATEGORY.
    """
    return require_valid_session(await log_in.use_session(connection, hash_token(token), scope, now), scope)


async def authenticate_in_any_role(
    connection: Connection, token: str, scope: SessionScope, now: datetime | None
) -> AuthenticatedSession:
    """Returns and raises what `authenticate_session` does, whichever role the card has in the session."""
    authenticated = await log_in.use_session(connection, hash_token(token), scope, now)
    role = scope.role if authenticated is None else authenticated.session.scope.role
    return require_valid_session(authenticated, replace(scope, role=role))


async def authenticate_with_state(
    connection: Connection, token: str, scope: SessionScope, now: datetime | None
) -> CheckedSession:
    """Returns what `authenticate_in_any_role` returns, with the state of the card, in one statement."""
    checked = await checked_sessions.use_session_with_state(connection, hash_token(token), scope, now)
    if checked is None:
        raise _refuse_unknown()
    require_valid_session(checked.authenticated, replace(scope, role=checked.authenticated.session.scope.role))
    return checked


async def authenticate_with_circumstances(
    connection: Connection,
    token: str,
    scope: SessionScope,
    *,
    request_id: UUID | None,
    bidder_id: str | None,
    now: datetime | None,
) -> tuple[AuthenticatedSession, Circumstances]:
    """Returns what `authenticate_session` returns, and what is stored about its card, a request and a bidder, if named.

    The request is a registration's. One statement. Raises as `authenticate_session`.
    """
    [authenticated] = await authenticate_each_with_circumstances(
        connection, [(token, scope)], request_id=request_id, bidder_id=bidder_id, now=now, method=Method.REGISTER
    )
    return authenticated


async def authenticate_each_with_circumstances(
    connection: Connection,
    sessions: Sequence[tuple[str, SessionScope]],
    *,
    request_id: UUID | None,
    bidder_id: str | None,
    now: datetime | None,
    method: Method,
) -> Sequence[tuple[AuthenticatedSession, Circumstances]]:
    """Returns what `authenticate_with_circumstances` returns, of several sessions whose scopes differ in the role only.

    One statement. Raises as `authenticate_session`, of the first one that is not valid.
    """
    tokens_sha256 = [hash_token(token) for token, _ in sessions]
    known = await circumstances.use_sessions_with_circumstances(
        connection, tokens_sha256, sessions[0][1], request_id=request_id, bidder_id=bidder_id, now=now, method=method
    )
    authenticated = []
    for token_sha256, (_, scope) in zip(tokens_sha256, sessions, strict=True):
        if token_sha256 not in known:
            raise _refuse_unknown()
        session, of_card = known[token_sha256]
        authenticated.append((require_valid_session(session, scope), of_card))
    return authenticated


async def lock_session(
    connection: Connection, token: str, scope: SessionScope, now: datetime | None
) -> AuthenticatedSession:
    """Returns what `authenticate_session` returns, and raises as it does; renews nothing.

    The session can't end before the transaction does, and nobody else can write about its card.
    """
    return require_valid_session(await log_in.lock_session(connection, hash_token(token), now), scope)


def _refuse_unknown() -> Refusal:
    return Refusal("CARD_SESSION_UNKNOWN", Code.UNAUTHENTICATED)


def require_valid_session(authenticated: AuthenticatedSession | None, scope: SessionScope) -> AuthenticatedSession:
    """Returns a session as it was read if it is valid for this scope; raises as `authenticate_session`."""
    if authenticated is None:
        raise _refuse_unknown()
    require_open(authenticated.session, authenticated.at)
    require_scope(authenticated.session, scope)
    return authenticated


async def create_challenge(
    connection: Connection,
    *,
    instance: str,
    type: PurposeType,
    scope: SessionScope,
    certificate_sha256: bytes,
    now: datetime,
    other_certificates: Sequence[bytes] = (),
    bidder_id: str | None = None,
    successor_key_sha256: bytes | None = None,
    other_certificate_sha256: bytes | None = None,
    act: Act | None = None,
) -> PurposeToSign:
    """Issues and stores a challenge, with the CA certificates (DER) that came with the card.

    The purpose has the role of the scope; an act of a renewal names the successor key, and that of its new card the old
    card. Raises PURPOSE_MALFORMED, with `part`, for a value that a purpose can't contain.
    """
    nonce = create_nonce()
    purpose = Purpose(
        instance=instance,
        type=type,
        operation=scope.operation,
        role=scope.role,
        agency=scope.agency,
        category=scope.category,
        nonce=nonce,
        certificate_sha256=certificate_sha256,
        bidder_id=bidder_id,
        successor_key_sha256=successor_key_sha256,
        other_certificate_sha256=other_certificate_sha256,
        act=act,
    )
    encoded = purposes.encode(purpose)
    challenge = issue(nonce, encoded, now)
    await log_in.save_challenge(
        connection, challenge, certificate_sha256=certificate_sha256, other_certificates=other_certificates
    )
    return PurposeToSign(encoded, now + find_lifetime(purpose))


def decode_purpose(encoded: bytes) -> Purpose | Refusal:
    """Returns the purpose with this encoding, or why it is none: told to nobody before the session is known."""
    try:
        return purposes.decode(encoded)
    except Refusal as refusal:
        return refusal


def expect_purpose(
    purpose: Purpose, *, instance: str, type: PurposeType, scope: SessionScope, certificate_sha256: bytes
) -> None:
    """Checks that a purpose is for this scope, its role too, and card; raises as `signed_acts.purpose.expect`."""
    purposes.expect(
        purpose,
        instance=instance,
        type=type,
        operation=scope.operation,
        role=scope.role,
        agency=scope.agency,
        category=scope.category,
        certificate_sha256=certificate_sha256,
    )


def require_unused(is_unused: bool) -> None:
    """Raises CHALLENGE_USED if a concurrent call used up the nonce of a challenge that was valid."""
    if not is_unused:
        raise Refusal("CHALLENGE_USED", Code.FAILED_PRECONDITION)


def verify_signed_purpose(key: bytes, signed: SignedPurpose) -> None:
    """Verifies that the card with this key signed the purpose.

    `key` is a SubjectPublicKeyInfo in DER. Raises as `signed_acts.signature.verify_card_signature`.
    """
    with span("verify signature"):
        verify_card_signature(key, signed.algorithm, signed.purpose, signed.signature)
