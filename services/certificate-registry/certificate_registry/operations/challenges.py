"""What operations with a card share: sessions, nonces, signed purposes."""

from collections.abc import Sequence
from datetime import datetime

from certificate_registry.domain.card_session import (
    AuthenticatedSession,
    SessionScope,
    hash_token,
    require_open,
    require_scope,
)
from certificate_registry.domain.challenge import PurposeToSign, create_nonce, issue
from certificate_registry.store import log_in
from refusals import Code, Refusal
from servicekit.database_connection import Connection
from servicekit.telemetry import span
from signed_acts import purpose as purposes
from signed_acts.purpose import Act, Purpose, PurposeType, Role, SignedPurpose
from signed_acts.signature import verify_card_signature


async def authenticate_session(
    connection: Connection, token: str, scope: SessionScope, now: datetime
) -> AuthenticatedSession:
    """Returns the session of a token if it is valid for this scope now.

    Renews its idle time where that is older than `RENEWAL`. Raises CARD_SESSION_UNKNOWN, CARD_SESSION_EXPIRED,
    CARD_SESSION_FOR_ANOTHER_OPERATION, …_AGENCY, …_CATEGORY.
    """
    return _require_valid(await log_in.use_session(connection, hash_token(token), scope, now), scope, now)


async def lock_session(connection: Connection, token: str, scope: SessionScope, now: datetime) -> AuthenticatedSession:
    """Returns what `authenticate_session` returns, and raises as it does; renews nothing.

    The session can't end before the transaction does, and nobody else can write about its card.
    """
    return _require_valid(await log_in.lock_session(connection, hash_token(token)), scope, now)


def _require_valid(
    authenticated: AuthenticatedSession | None, scope: SessionScope, now: datetime
) -> AuthenticatedSession:
    if authenticated is None:
        raise Refusal("CARD_SESSION_UNKNOWN", Code.UNAUTHENTICATED)
    require_open(authenticated.session, now)
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
    act: Act | None = None,
) -> PurposeToSign:
    """Issues and stores a challenge, with the CA certificates (DER) that came with the card.

    Raises PURPOSE_MALFORMED, with `part`, for a value that a purpose can't contain.
    """
    nonce = create_nonce()
    encoded = purposes.encode(
        Purpose(
            instance=instance,
            type=type,
            operation=scope.operation,
            role=Role.SOLE,
            agency=scope.agency,
            category=scope.category,
            nonce=nonce,
            certificate_sha256=certificate_sha256,
            bidder_id=bidder_id,
            act=act,
        )
    )
    challenge = issue(nonce, encoded, now)
    await log_in.save_challenge(
        connection, challenge, certificate_sha256=certificate_sha256, other_certificates=other_certificates
    )
    return PurposeToSign(encoded, challenge.expires_at)


def expect_purpose(
    purpose: Purpose, *, instance: str, type: PurposeType, scope: SessionScope, certificate_sha256: bytes
) -> None:
    """Checks that a purpose is for this scope and card; raises as `signed_acts.purpose.expect`."""
    purposes.expect(
        purpose,
        instance=instance,
        type=type,
        operation=scope.operation,
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
