"""Log-in with a card: a challenge, its answer, and the session that it opens."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry.adapters.trust_store_cache import Trusted
from certificate_registry.domain import purpose as purposes
from certificate_registry.domain.binding import CardStanding, standing
from certificate_registry.domain.card import (
    Card,
    SignedPurpose,
    card_of,
    require_not_revoked,
    require_same_certificate,
)
from certificate_registry.domain.card_session import CardSession, new_token, require_for, require_open, token_sha256
from certificate_registry.domain.challenge import issue, new_nonce, require_good
from certificate_registry.domain.purpose import Operation, Purpose, PurposeType, Role
from certificate_registry.operations.revocation import look_for_lists
from certificate_registry.pki.certificate import Certificate, parse_certificate
from certificate_registry.pki.path_validation import RevocationStatus, ValidatedCertificate, validate_certificate
from certificate_registry.pki.signature import verify_card_signature
from certificate_registry.pki.trust_store import TrustStore
from certificate_registry.store import log_in as store
from certificate_registry.store import registrations as registration_store
from refusals import Code, Refusal
from servicekit.database import Database
from servicekit.telemetry import span


@dataclass(frozen=True, slots=True)
class Place:
    """What a session is for: one operation at one agency in one category."""

    operation: Operation
    agency: str
    category: str


@dataclass(frozen=True, slots=True)
class Challenged:
    """A purpose to be signed as it is, until when, and the card that it is for."""

    purpose: bytes
    expires_at: datetime
    card: Card


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that was just opened; its token is shown this once."""

    token: str = field(repr=False)
    session: CardSession
    card: Card
    standing: CardStanding


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A session that is good now, and its card. A read-only one is good for reading a receipt alone."""

    session: CardSession
    card: Card
    read_only: bool


class Sessions:
    """Opens, checks and ends the card sessions of one instance."""

    def __init__(self, *, database: Database, trusted: Trusted, instance: str, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._trusted = trusted
        self._instance = instance
        self._clock = clock

    async def challenge(self, place: Place, der: bytes, others: Sequence[bytes]) -> Challenged:
        """Checks a certificate and gives the log-in that its card has to sign."""
        now = self._clock()
        certificate = parse_certificate(der)
        async with self._database.read() as connection:
            trust = await self._trusted.now(connection)
        validated = await self._validated(certificate, others, trust, now)
        nonce = new_nonce()
        encoded = purposes.encode(
            Purpose(
                instance=self._instance,
                type=PurposeType.LOG_IN,
                operation=place.operation,
                role=Role.SOLE,
                agency=place.agency,
                category=place.category,
                nonce=nonce,
                certificate_sha256=certificate.sha256,
            )
        )
        issued = issue(nonce, encoded, now)
        card = card_of(validated)
        async with self._database.transaction() as connection:
            await store.keep_challenge(
                connection,
                issued,
                certificate_sha256=certificate.sha256,
                other_certificates=card.other_certificates,
            )
        return Challenged(encoded, issued.expires_at, card)

    async def open(self, place: Place, der: bytes, log_in: SignedPurpose, resume: UUID | None) -> Opened:
        """Checks a signed log-in and opens a session.

        A card that is registered at this agency and category gets one only with the request id of that registration
        (`resume`), to read its receipt.
        """
        now = self._clock()
        certificate = parse_certificate(der)
        purpose = purposes.decode(log_in.purpose)
        purposes.expect(
            purpose,
            instance=self._instance,
            type=PurposeType.LOG_IN,
            operation=place.operation,
            agency=place.agency,
            category=place.category,
            certificate_sha256=certificate.sha256,
        )
        async with self._database.read() as connection:
            challenge, others = await store.find_challenge(connection, purpose.nonce)
            trust = await self._trusted.now(connection)
        require_good(challenge, log_in.purpose, now)
        validated = await self._validated(certificate, others, trust, now)
        verify(certificate, log_in)
        async with self._database.transaction() as connection:
            await use_up(connection, purpose.nonce, now)
            card = await store.keep_card(
                connection, card_of(validated), issuer_key=certificate.parsed.issuer.hashable, now=now
            )
            require_same_certificate(card.certificate_sha256, certificate.sha256)
            require_not_revoked(card)
            found = standing(
                await registration_store.card_record(
                    connection, card.certificate_sha256, agency=place.agency, category=place.category
                )
            )
            is_registered = found is CardStanding.REGISTERED_HERE
            if is_registered and not await self._made_by(connection, card, place, resume):
                raise Refusal("CARD_ALREADY_REGISTERED", Code.ALREADY_EXISTS)
            token = new_token()
            session = CardSession(
                operation=place.operation,
                agency=place.agency,
                category=place.category,
                certificate_sha256=card.certificate_sha256,
                opened_at=now,
                last_used_at=now,
            )
            await store.open_session(connection, token_sha256(token), session, read_only=is_registered)
        return Opened(token, session, card, found)

    async def check(self, token: str, place: Place) -> Authenticated:
        """The session of a token, if it is good for this place now; renews its idle time."""
        async with self._database.transaction() as connection:
            return await authenticate(connection, token, place, self._clock())

    async def end(self, token: str) -> None:
        """Ends the session of a token; an unknown token is no error."""
        try:
            hashed = token_sha256(token)
        except Refusal:
            return
        async with self._database.transaction() as connection:
            await store.end_session(connection, hashed, self._clock())

    async def _validated(
        self, certificate: Certificate, others: Sequence[bytes], trust: TrustStore, now: datetime
    ) -> ValidatedCertificate:
        try:
            with validating():
                validated = await validate_certificate(certificate, others, trust, now)
        except Refusal as refusal:
            if refusal.reason == "REVOCATION_STATUS_UNKNOWN":
                await self._look_for_lists(certificate, refusal.metadata.get("authority"), now)
            raise
        if validated.revocation.status is RevocationStatus.UNKNOWN:
            await self._look_for_lists(certificate, validated.authority.id, now)
        return validated

    async def _look_for_lists(self, certificate: Certificate, authority: str | None, now: datetime) -> None:
        async with self._database.transaction() as connection:
            await look_for_lists(connection, certificate, authority, now)

    @staticmethod
    async def _made_by(connection: AsyncConnection, card: Card, place: Place, resume: UUID | None) -> bool:
        if resume is None:
            return False
        outcome = await registration_store.find_outcome(connection, card.certificate_sha256, resume)
        if outcome is None or outcome.registration_id is None:
            return False
        made = await registration_store.find_registration(connection, outcome.registration_id)
        return made is not None and (made.agency, made.category) == (place.agency, place.category)


async def authenticate(connection: AsyncConnection, token: str, place: Place, now: datetime) -> Authenticated:
    """The session of a token, if it is good for this place now; it can't end before this transaction does.

    Raises CARD_SESSION_UNKNOWN, CARD_SESSION_EXPIRED, CARD_SESSION_FOR_ANOTHER_OPERATION, …_AGENCY, …_CATEGORY.
    """
    hashed = token_sha256(token)
    kept, card, read_only = await store.find_session(connection, hashed)
    session = require_open(kept, now)
    require_for(session, operation=place.operation, agency=place.agency, category=place.category)
    if card is None or not await store.touch_session(connection, hashed, now):
        raise Refusal("CARD_SESSION_UNKNOWN", Code.UNAUTHENTICATED)
    return Authenticated(session, card, read_only)


async def use_up(connection: AsyncConnection, nonce: bytes, now: datetime) -> None:
    """Uses up the nonce of a challenge that was good a moment ago; raises CHALLENGE_USED where another call did."""
    if not await store.use_challenge(connection, nonce, now):
        raise Refusal("CHALLENGE_USED", Code.FAILED_PRECONDITION)


def verify(certificate: Certificate, signed: SignedPurpose) -> None:
    """Raises where the card did not sign this purpose, see `verify_card_signature`."""
    with span("verify signature"):
        verify_card_signature(certificate.key, signed.algorithm, signed.purpose, signed.signature)


def validating() -> AbstractContextManager[object]:
    """The span of a path validation."""
    return span("validate certificate")
