"""Log-in with a card: the challenge, its signed answer, and the session that it opens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from certificate_registry.adapters.judgement_pool import JudgementPool
from certificate_registry.domain.bidder import require_may_act
from certificate_registry.domain.binding import CardStanding, determine_standing, require_registered_here
from certificate_registry.domain.card import Card, require_not_revoked, require_same_certificate
from certificate_registry.domain.card_session import (
    CardSession,
    OpenedSession,
    SessionScope,
    create_token,
    hash_token,
)
from certificate_registry.domain.challenge import PurposeToSign, require_valid
from certificate_registry.domain.checked_session import CheckedSession
from certificate_registry.domain.outcome import Method, Outcome
from certificate_registry.domain.valid_card import ValidCard
from certificate_registry.operations.card_trust import describe_trust, ground_path
from certificate_registry.operations.card_validation import CardValidation
from certificate_registry.operations.challenges import (
    authenticate_in_any_role,
    authenticate_with_state,
    create_challenge,
    expect_purpose,
    require_unused,
    verify_signed_purpose,
)
from certificate_registry.operations.deliveries import tell_of_certificates
from certificate_registry.operations.revocation_request import request_lists
from certificate_registry.pki.certificate import parse_certificate
from certificate_registry.pki.path_validation import MOST_OTHER_CERTIFICATES, RevocationStatus
from certificate_registry.pki.trust_store import TrustStore
from certificate_registry.store import cards, log_in, trust
from certificate_registry.store.circumstances import read_circumstances
from certificate_registry.store.revocation_lists import read_versions
from history.entries import Chain
from history.writing import write_history
from instance_profile.model import Operation as OfferedOperation
from instance_profile.model import Profile
from instance_profile.offers import require_offer, require_operation
from refusals import Code, Refusal
from servicekit.database import Database
from servicekit.database_clock import StatementClock
from servicekit.database_connection import Connection
from servicekit.telemetry import span
from signed_acts import purpose as purposes
from signed_acts.purpose import Operation, PurposeType, Role, SignedPurpose


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
    chain: Chain
    clock: StatementClock

    async def create_challenge(
        self, scope: SessionScope, der: bytes, other_certificates: Sequence[bytes]
    ) -> tuple[PurposeToSign, Card]:
        """Validates a certificate, and returns the log-in for its card to sign and the card.

        A view is offered wherever the category is. Raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN, CATEGORY_NOT_OFFERED,
        OPERATION_NOT_OFFERED, as `validate_certificate`, and as the pool's `admit` and `judge`.
        """
        _require_offered(self.profile, scope)
        with self.judgements.admit():
            async with self.database.read() as connection:
                versions, now = await read_versions(connection, self.clock(connection))
                trust_store = await self.validation.trust_stores.adopt(connection, versions)
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

        For a registration, or as the new card of a renewal: a card that is registered at this agency and category gets
        a session, read-only, only with the request id of that registration or renewal (`resume`), to read its receipt;
        otherwise raises CARD_ALREADY_REGISTERED. For a change, or as the old card of a renewal: raises
        CARD_NOT_REGISTERED_HERE unless it is registered. For a view any card gets one.
        """
        certificate_sha256 = sha256(der).digest()
        purpose = purposes.decode(log_in_purpose.purpose)
        expect_purpose(
            purpose,
            instance=self.profile.id,
            type=PurposeType.LOG_IN,
            scope=scope,
            certificate_sha256=certificate_sha256,
        )
        async with self.database.read() as connection:
            issued = await log_in.read_log_in(connection, purpose.nonce, self.clock(connection))
            now = issued.at
            require_valid(issued.challenge, log_in_purpose.purpose, now)
            trust_store = await self.validation.trust_stores.adopt(connection, issued.list_versions)
        # Before anything that takes longer: until here, nothing is proven.
        key = self.validation.find_key(der, issued.other_certificates, trust_store, now)
        verify_signed_purpose(key, log_in_purpose)
        valid = await self._validate(der, issued.other_certificates, trust_store, now)
        path = ground_path(valid.path, valid.limits, self.validation.trust_stores, trust_store, now)
        async with self.database.transaction() as connection:
            await trust.add_paths(connection, [path])
            card = await cards.save_card(connection, valid, now=now)
            require_same_certificate(card.certificate_sha256, certificate_sha256)
            require_not_revoked(card)
            if card.distrusted_because is not None:
                await _restore_trust(connection, self.chain, card, now)
            standing, is_read_only = await _admit(connection, card, scope, resume)
            token = create_token()
            session = CardSession(
                scope=scope,
                certificate_sha256=card.certificate_sha256,
                opened_at=now,
                last_used_at=now,
                read_only=is_read_only,
            )
            require_unused(await log_in.open_session(connection, hash_token(token), session, nonce=purpose.nonce))
        return OpenedSession(token, session, card, standing)

    async def check(self, token: str, scope: SessionScope) -> CheckedSession:
        """Returns the session of a token if it is valid for this scope, in any role, now; renews its idle time."""
        async with self.database.single_change() as connection:
            now = self.clock(connection)
            # A registration is decided at its commit.
            if scope.operation is Operation.REGISTRATION:
                return CheckedSession(await authenticate_in_any_role(connection, token, scope, now))
            return await authenticate_with_state(connection, token, scope, now)

    async def end(self, token: str) -> None:
        """Ends the session of a token; ignores an unknown or malformed token."""
        try:
            token_sha256 = hash_token(token)
        except Refusal:
            return
        async with self.database.single_change() as connection:
            await log_in.end_session(connection, token_sha256, self.clock(connection))

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
        self, der: bytes, other_certificates: Sequence[bytes], trust_store: TrustStore, now: datetime
    ) -> ValidCard:
        try:
            valid = await self.validation.validate(der, other_certificates, trust_store, now)
        except Refusal as refusal:
            if refusal.reason == "REVOCATION_STATUS_UNKNOWN":
                await self._request_lists(parse_certificate(der).crl_urls, refusal.metadata.get("authority"), now)
            raise
        if valid.card.revocation_status is RevocationStatus.UNKNOWN:
            await self._request_lists(parse_certificate(der).crl_urls, valid.card.authority, now)
        return valid

    async def _request_lists(self, crl_urls: Sequence[str], authority: str | None, now: datetime) -> None:
        async with self.database.transaction() as connection:
            await request_lists(connection, crl_urls, authority, now)


async def _restore_trust(connection: Connection, chain: Chain, card: Card, now: datetime) -> None:
    # It was just validated with what it brought along now, for example another certificate of its CA.
    await cards.trust_again(connection, card.certificate_sha256)
    who = f"card {card.certificate_sha256.hex()}"
    entry = describe_trust(card.certificate_sha256, card.distrusted_because, None, who=who, now=now)
    await write_history(connection, chain, [entry])
    await tell_of_certificates(connection, [card.certificate_sha256])


def _require_offered(profile: Profile, scope: SessionScope) -> None:
    if scope.operation is Operation.VIEW:
        require_offer(profile, scope.agency, scope.category)
    else:
        require_operation(profile, scope.agency, scope.category, OfferedOperation(scope.operation.value))


async def _admit(
    connection: Connection, card: Card, scope: SessionScope, resume: UUID | None
) -> tuple[CardStanding | None, bool]:
    """Returns the standing of a card that may have a session of this scope, and whether it can only read a receipt."""
    if scope.operation is Operation.VIEW:
        return None, False
    method = Method.RENEW if scope.role is Role.NEW else Method.REGISTER
    circumstances = await read_circumstances(
        connection, card.certificate_sha256, scope, request_id=resume, method=method
    )
    standing = determine_standing(circumstances.record)
    require_may_act(circumstances.bidder_status)
    if scope.operation is Operation.CHANGE or scope.role is Role.OLD:
        require_registered_here(circumstances.record)
        return standing, False
    is_registered = standing is CardStanding.REGISTERED_HERE
    if is_registered and not _is_of(circumstances.outcome, scope):
        raise Refusal("CARD_ALREADY_REGISTERED", Code.ALREADY_EXISTS)
    return standing, is_registered


def _is_of(outcome: Outcome | None, scope: SessionScope) -> bool:
    """Returns whether a request made the registration of its card at this agency and category."""
    if outcome is None or outcome.registration_id is None:
        return False
    return (outcome.agency, outcome.category) == (scope.agency, scope.category)
