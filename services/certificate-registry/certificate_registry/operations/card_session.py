"""Log-in with a card: the challenge, its signed answer, and the session that it opens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from certificate_registry.adapters.judgement_pool import JudgementPool
from certificate_registry.domain.binding import CardStanding, determine_standing
from certificate_registry.domain.card import Card, require_not_revoked, require_same_certificate
from certificate_registry.domain.card_session import (
    AuthenticatedSession,
    CardSession,
    OpenedSession,
    SessionScope,
    create_token,
    hash_token,
)
from certificate_registry.domain.challenge import PurposeToSign, require_valid
from certificate_registry.domain.outcome import Outcome
from certificate_registry.domain.valid_card import ValidCard
from certificate_registry.operations.card_trust import describe_trust
from certificate_registry.operations.card_validation import CardValidation
from certificate_registry.operations.challenges import (
    authenticate_session,
    create_challenge,
    expect_purpose,
    require_unused,
    verify_signed_purpose,
)
from certificate_registry.operations.revocation_request import request_lists
from certificate_registry.pki.certificate import Certificate, parse_certificate
from certificate_registry.pki.path_validation import MOST_OTHER_CERTIFICATES, RevocationStatus
from certificate_registry.pki.trust_store import TrustStore
from certificate_registry.store import cards, log_in, trust
from certificate_registry.store.circumstances import read_circumstances
from certificate_registry.store.history import write_history
from instance_profile.model import Operation, Profile
from instance_profile.offers import require_operation
from refusals import Code, Refusal
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection
from servicekit.telemetry import span
from signed_acts import purpose as purposes
from signed_acts.purpose import PurposeType, SignedPurpose


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSessions:
    """Opens, checks and ends the card sessions of one instance.

    Whoever asks for a challenge may be anyone: the certificate is judged in the pool. Whoever has signed one has proven
    to hold a card that was judged before: what was found then counts while it stands, and otherwise this certificate is
    validated here, so that it never waits behind strangers.
    """

    database: Database
    validation: CardValidation
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
                trust_store = await self.validation.trust_stores.current(connection)
            card = (await self._judge(der, other_certificates, trust_store, now)).card
            async with self.database.single_change() as connection:
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
            challenge, other_certificates = await log_in.find_challenge(connection, purpose.nonce)
            require_valid(challenge, log_in_purpose.purpose, now)
            trust_store = await self.validation.trust_stores.current(connection)
        # Before anything that takes longer: until here, nothing is proven.
        verify_signed_purpose(certificate.key.der, log_in_purpose)
        valid = await self._validate(certificate, other_certificates, trust_store, now)
        async with self.database.transaction() as connection:
            require_unused(await log_in.use_challenge(connection, purpose.nonce, now))
            await trust.add_paths(connection, {valid.path: valid.limits})
            card = await cards.save_card(connection, valid, now=now)
            require_same_certificate(card.certificate_sha256, certificate.sha256)
            require_not_revoked(card)
            if card.distrusted_because is not None:
                await _restore_trust(connection, card, now)
            circumstances = await read_circumstances(connection, card.certificate_sha256, scope, request_id=resume)
            standing = determine_standing(circumstances.record)
            is_registered = standing is CardStanding.REGISTERED_HERE
            if is_registered and not _is_of(circumstances.outcome, scope):
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
        async with self.database.single_change() as connection:
            return await authenticate_session(connection, token, scope, await self.clock(connection))

    async def end(self, token: str) -> None:
        """Ends the session of a token; ignores an unknown or malformed token."""
        try:
            token_sha256 = hash_token(token)
        except Refusal:
            return
        async with self.database.single_change() as connection:
            await log_in.end_session(connection, token_sha256, await self.clock(connection))

    async def _judge(
        self, der: bytes, other_certificates: Sequence[bytes], trust_store: TrustStore, now: datetime
    ) -> ValidCard:
        """Returns the card of a stranger's certificate: as it is known, or else as the pool judges it."""
        valid_cards, certificate_sha256 = self.validation.valid_cards, sha256(der).digest()
        if len(other_certificates) <= MOST_OTHER_CERTIFICATES:
            known = valid_cards.find(certificate_sha256, other_certificates, trust_store, now)
            if known is not None:
                return known
        with span("validate certificate"):
            judgement = await self.judgements.judge(der, other_certificates, trust_store, now)
        if judgement.is_status_unknown:
            await self._request_lists(judgement.crl_urls, judgement.authority, now)
        valid = judgement.require_valid()
        if valid.card.certificate_sha256 != certificate_sha256:
            raise RuntimeError("a judgement process judged another certificate")
        valid_cards.keep_presented(valid, trust_store)
        return valid

    async def _validate(
        self, certificate: Certificate, other_certificates: Sequence[bytes], trust_store: TrustStore, now: datetime
    ) -> ValidCard:
        try:
            valid = await self.validation.validate(certificate, other_certificates, trust_store, now)
        except Refusal as refusal:
            if refusal.reason == "REVOCATION_STATUS_UNKNOWN":
                await self._request_lists(certificate.crl_urls, refusal.metadata.get("authority"), now)
            raise
        if valid.card.revocation_status is RevocationStatus.UNKNOWN:
            await self._request_lists(certificate.crl_urls, valid.card.authority, now)
        return valid

    async def _request_lists(self, crl_urls: Sequence[str], authority: str | None, now: datetime) -> None:
        async with self.database.transaction() as connection:
            await request_lists(connection, crl_urls, authority, now)


async def _restore_trust(connection: Connection, card: Card, now: datetime) -> None:
    # It was just validated with what it brought along now, for example another certificate of its CA.
    await cards.trust_again(connection, card.certificate_sha256)
    who = f"card {card.certificate_sha256.hex()}"
    await write_history(
        connection, [describe_trust(card.certificate_sha256, card.distrusted_because, None, who=who, now=now)]
    )


def _is_of(outcome: Outcome | None, scope: SessionScope) -> bool:
    """Returns whether a request made a registration at this agency and category."""
    if outcome is None or outcome.registration_id is None:
        return False
    return (outcome.agency, outcome.category) == (scope.agency, scope.category)
