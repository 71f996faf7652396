"""Log-in with a card: the challenge, its signed answer, and the session that it opens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry.adapters.judgement_pool import JudgementPool
from certificate_registry.adapters.trust_store_cache import TrustStoreCache
from certificate_registry.domain.binding import CardStanding, determine_standing
from certificate_registry.domain.card import Card, create_card, require_not_revoked, require_same_certificate
from certificate_registry.domain.card_session import (
    AuthenticatedSession,
    CardSession,
    OpenedSession,
    SessionScope,
    create_token,
    hash_token,
)
from certificate_registry.domain.challenge import PurposeToSign
from certificate_registry.domain.trust import create_path
from certificate_registry.operations.card_trust import describe_trust
from certificate_registry.operations.challenges import (
    authenticate_session,
    create_challenge,
    expect_purpose,
    require_valid_challenge,
    use_up_nonce,
    validate_card,
    verify_signed_purpose,
)
from certificate_registry.operations.revocation import request_lists
from certificate_registry.pki.certificate import Certificate, parse_certificate
from certificate_registry.pki.path_validation import RevocationStatus, ValidatedCertificate
from certificate_registry.pki.trust_store import TrustStore
from certificate_registry.store import cards, log_in, registrations, trust
from certificate_registry.store.history import write_history
from instance_profile.model import Operation, Profile
from instance_profile.offers import require_operation
from refusals import Code, Refusal
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.telemetry import span
from signed_acts import purpose as purposes
from signed_acts.purpose import PurposeType, SignedPurpose


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSessions:
    """Opens, checks and ends the card sessions of one instance.

    Whoever asks for a challenge may be anyone: the certificate is judged in the pool. Whoever has signed one has proven
    to hold a card that was judged before; this certificate is validated here, so that it never waits behind strangers.
    """

    database: Database
    trust_stores: TrustStoreCache
    judgements: JudgementPool
    profile: Profile
    clock: DatabaseClock

    async def create_challenge(
        self, scope: SessionScope, der: bytes, other_certificates: Sequence[bytes]
    ) -> tuple[PurposeToSign, Card]:
        """Validates a certificate, and returns the log-in for its card to sign and the card.

        Raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN, CATEGORY_NOT_OFFERED, OPERATION_NOT_OFFERED, as `validate_certificate`,
        and as the pool's `admit` and `judge`.
        """
        require_operation(self.profile, scope.agency, scope.category, Operation(scope.operation.value))
        with self.judgements.admit():
            async with self.database.read() as connection:
                now = await self.clock(connection)
                trust_store = await self.trust_stores.current(connection)
            with span("validate certificate"):
                judgement = await self.judgements.judge(der, other_certificates, trust_store, now)
            if judgement.is_status_unknown:
                await self._request_lists(judgement.crl_urls, judgement.authority, now)
            card = judgement.require_card()
            async with self.database.transaction() as connection:
                purpose = await create_challenge(
                    connection,
                    instance=self.profile.id,
                    type=PurposeType.LOG_IN,
                    scope=scope,
                    certificate_sha256=card.certificate_sha256,
                    now=now,
                    other_certificates=card.other_certificates,
                )
        return purpose, card

    async def open(
        self, scope: SessionScope, der: bytes, log_in_purpose: SignedPurpose, resume: UUID | None
    ) -> OpenedSession:
        """Verifies a signed log-in and opens a session.

        A card that is registered at this agency and category gets a session, read-only, only with the request id of
        that registration (`resume`), to read its receipt; otherwise raises CARD_ALREADY_REGISTERED.
        """
        certificate = parse_certificate(der)
        purpose = purposes.decode(log_in_purpose.purpose)
        expect_purpose(
            purpose,
            instance=self.profile.id,
            type=PurposeType.LOG_IN,
            scope=scope,
            certificate_sha256=certificate.sha256,
        )
        async with self.database.read() as connection:
            now = await self.clock(connection)
            other_certificates = await require_valid_challenge(connection, purpose.nonce, log_in_purpose.purpose, now)
            trust_store = await self.trust_stores.current(connection)
        # Before anything that takes longer: until here, nothing is proven.
        verify_signed_purpose(certificate, log_in_purpose)
        validated = await self._validate(certificate, other_certificates, trust_store, now)
        async with self.database.transaction() as connection:
            await use_up_nonce(connection, purpose.nonce, now)
            issuer_key = certificate.parsed.issuer.hashable
            path, limits = create_path(validated, now)
            await trust.add_paths(connection, {path: limits})
            card = await cards.save_card(connection, create_card(validated), path, issuer_key=issuer_key, now=now)
            require_same_certificate(card.certificate_sha256, certificate.sha256)
            require_not_revoked(card)
            if card.distrusted_because is not None:
                await _restore_trust(connection, card, now)
            record = await cards.find_card_record(
                connection, card.certificate_sha256, agency=scope.agency, category=scope.category
            )
            standing = determine_standing(record)
            is_registered = standing is CardStanding.REGISTERED_HERE
            if is_registered and not await _is_registered_by(connection, card, scope, resume):
                raise Refusal("CARD_ALREADY_REGISTERED", Code.ALREADY_EXISTS)
            token = create_token()
            session = CardSession(
                scope=scope,
                certificate_sha256=card.certificate_sha256,
                opened_at=now,
                last_used_at=now,
                read_only=is_registered,
            )
            await log_in.insert_session(connection, hash_token(token), session)
        return OpenedSession(token, session, card, standing)

    async def check(self, token: str, scope: SessionScope) -> AuthenticatedSession:
        """Returns the session of a token if it is valid for this scope now, and renews its idle time."""
        async with self.database.transaction() as connection:
            return await authenticate_session(connection, token, scope, await self.clock(connection))

    async def end(self, token: str) -> None:
        """Ends the session of a token; ignores an unknown or malformed token."""
        try:
            token_sha256 = hash_token(token)
        except Refusal:
            return
        async with self.database.transaction() as connection:
            await log_in.end_session(connection, token_sha256, await self.clock(connection))

    async def _validate(
        self, certificate: Certificate, other_certificates: Sequence[bytes], trust_store: TrustStore, now: datetime
    ) -> ValidatedCertificate:
        try:
            validated = await validate_card(certificate, other_certificates, trust_store, now)
        except Refusal as refusal:
            if refusal.reason == "REVOCATION_STATUS_UNKNOWN":
                await self._request_lists(certificate.crl_urls, refusal.metadata.get("authority"), now)
            raise
        if validated.revocation.status is RevocationStatus.UNKNOWN:
            await self._request_lists(certificate.crl_urls, validated.authority.id, now)
        return validated

    async def _request_lists(self, crl_urls: Sequence[str], authority: str | None, now: datetime) -> None:
        async with self.database.transaction() as connection:
            await request_lists(connection, crl_urls, authority, now)


async def _restore_trust(connection: AsyncConnection, card: Card, now: datetime) -> None:
    # It was just validated with what it brought along now, for example another certificate of its CA.
    await cards.trust_again(connection, card.certificate_sha256)
    who = f"card {card.certificate_sha256.hex()}"
    await write_history(
        connection, [describe_trust(card.certificate_sha256, card.distrusted_because, None, who=who, now=now)]
    )


async def _is_registered_by(
    connection: AsyncConnection, card: Card, scope: SessionScope, request_id: UUID | None
) -> bool:
    if request_id is None:
        return False
    outcome = await registrations.find_outcome(connection, card.certificate_sha256, request_id)
    if outcome is None or outcome.registration_id is None:
        return False
    return (outcome.agency, outcome.category) == (scope.agency, scope.category)
