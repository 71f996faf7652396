"""What operations with a card share: sessions, nonces, signed purposes, path validation."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from certificate_registry.domain.card_session import (
    AuthenticatedSession,
    SessionScope,
    hash_token,
    require_open,
    require_scope,
)
from certificate_registry.domain.challenge import PurposeToSign, create_nonce, issue, require_valid
from certificate_registry.pki.certificate import Certificate
from certificate_registry.pki.path_validation import ValidatedCertificate, validate_certificate
from certificate_registry.pki.trust_store import TrustStore
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
    """Returns the session of a token if it is valid for this scope now; it can't end before the transaction does.

    Renews its idle time. Raises CARD_SESSION_UNKNOWN, CARD_SESSION_EXPIRED, CARD_SESSION_FOR_ANOTHER_OPERATION,
    …_AGENCY, …_CATEGORY.
    """
    token_sha256 = hash_token(token)
    stored_session, card = await log_in.find_session(connection, token_sha256) or (None, None)
    session = require_open(stored_session, now)
    require_scope(session, scope)
    if card is None or not await log_in.touch_session(connection, token_sha256, now):
        raise Refusal("CARD_SESSION_UNKNOWN", Code.UNAUTHENTICATED)
    # As it is stored from now on: a caller shows how long a person has.
    return AuthenticatedSession(replace(session, last_used_at=max(session.last_used_at, now)), card)


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


async def require_valid_challenge(
    connection: Connection, nonce: bytes, purpose: bytes, now: datetime
) -> Sequence[bytes]:
    """Checks an encoded purpose against the challenge of its nonce; returns the CA certificates (DER) stored with it.

    Raises CHALLENGE_UNKNOWN, CHALLENGE_USED, CHALLENGE_EXPIRED, PURPOSE_ALTERED.
    """
    challenge, other_certificates = await log_in.find_challenge(connection, nonce)
    require_valid(challenge, purpose, now)
    return other_certificates


async def use_up_nonce(connection: Connection, nonce: bytes, now: datetime) -> None:
    """Marks a valid nonce as used; raises CHALLENGE_USED if a concurrent call did."""
    if not await log_in.use_challenge(connection, nonce, now):
        raise Refusal("CHALLENGE_USED", Code.FAILED_PRECONDITION)


def verify_signed_purpose(certificate: Certificate, signed: SignedPurpose) -> None:
    """Verifies that the card signed this purpose; raises as `signed_acts.signature.verify_card_signature`."""
    with span("verify signature"):
        verify_card_signature(certificate.key.der, signed.algorithm, signed.purpose, signed.signature)


async def validate_card(
    certificate: Certificate, other_certificates: Sequence[bytes], trust_store: TrustStore, now: datetime
) -> ValidatedCertificate:
    """Validates a card's certificate, in a span; raises as `pki.path_validation.validate_certificate`."""
    with span("validate certificate"):
        return await validate_certificate(certificate, other_certificates, trust_store, now)
