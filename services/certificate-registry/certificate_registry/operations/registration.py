"""登録: the act that a card signs, and its commit."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry.adapters.trust_store_cache import TrustStoreCache
from certificate_registry.domain.bidder import require_may_act
from certificate_registry.domain.bidder_proof import (
    BidderProof,
    BidderStatement,
    expect_statement,
    verify_proof,
)
from certificate_registry.domain.binding import RegistrationKind, determine_registration_kind
from certificate_registry.domain.card import Card, create_card, require_not_revoked
from certificate_registry.domain.card_session import SessionScope, require_writable
from certificate_registry.domain.challenge import PurposeToSign
from certificate_registry.domain.history import HistoryAction, HistoryEntry, SignedAct
from certificate_registry.domain.registration import (
    ActRequest,
    Outcome,
    Registration,
    RegistrationRequest,
    find_registered,
    hash_payload,
    require_not_abandoned,
)
from certificate_registry.operations.challenges import (
    authenticate_session,
    create_challenge,
    expect_purpose,
    require_valid_challenge,
    use_up_nonce,
    validate_card,
    verify_signed_purpose,
)
from certificate_registry.operations.deliveries import enqueue_registration
from certificate_registry.operations.outcomes import read_registered
from certificate_registry.pki.certificate import parse_certificate
from certificate_registry.store import cards, registrations
from certificate_registry.store.history import write_history
from refusals import Code, Refusal
from servicekit.database import Database
from servicekit.signed_statement import VerifyingKeys
from servicekit.telemetry import span
from signed_acts import purpose as purposes
from signed_acts.purpose import Act, Purpose, PurposeType

_BECAUSE = "registration"


@dataclass(frozen=True, slots=True)
class _VerifiedRequest:
    """A registration request whose act, proof and card have just been verified."""

    request: RegistrationRequest
    nonce: bytes
    bidder_id: str
    act: Act
    card: Card
    payload_sha256: bytes
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRegistration:
    """Registers the cards of one instance.

    `read_statement` reads the statement of a verified proof: it is a message of the qualification registry, which only
    `convert` knows.
    """

    database: Database
    trust_stores: TrustStoreCache
    instance: str
    proof_keys: VerifyingKeys
    read_statement: Callable[[BidderProof], BidderStatement]
    clock: Callable[[], datetime]

    async def create_act(
        self, token: str, scope: SessionScope, proof: BidderProof, request: ActRequest, *, validate_only: bool
    ) -> PurposeToSign | None:
        """Returns the act to be signed, or None with `validate_only`; raises what `register` would raise."""
        now = self.clock()
        async with self.database.transaction() as connection:
            authenticated = await authenticate_session(connection, token, scope, now)
            card = authenticated.card
            bidder_id = self._verify_proof(proof, scope, card, now)
            outcome = await registrations.find_outcome(connection, card.certificate_sha256, request.request_id)
            require_not_abandoned(outcome)
            if request.request_sha256 is not None:
                find_registered(outcome, hash_payload(scope, bidder_id, request.request_sha256))
            require_writable(authenticated.session)
            require_not_revoked(card)
            await self._validate(connection, card, now)
            await _require_may_register(connection, card, scope, bidder_id)
            if validate_only or request.request_sha256 is None:
                return None
            return await create_challenge(
                connection,
                instance=self.instance,
                type=PurposeType.ACT,
                scope=scope,
                certificate_sha256=card.certificate_sha256,
                now=now,
                bidder_id=bidder_id,
                act=Act(str(request.request_id), request.request_sha256, request.lines),
            )

    async def register(self, request: RegistrationRequest) -> tuple[Registration, Card]:
        """Registers a card in one transaction: checks again everything that can have changed, then writes.

        The outcome of the request is read before everything but the session, so that a retry gets the same answer even
        if nonce and proof have expired. A retry waits for an attempt that is still running.
        """
        now = self.clock()
        async with self.database.transaction() as connection:
            authenticated = await authenticate_session(connection, request.token, request.scope, now)
            certificate_sha256 = authenticated.card.certificate_sha256
            # Serializes the attempts of one card: the second one finds the outcome of the first.
            locked_card = await cards.find_card(connection, certificate_sha256, lock=True)
            outcome = await registrations.find_outcome(connection, certificate_sha256, request.request_id)
            # Report a tombstone even if the act cannot be parsed.
            require_not_abandoned(outcome)
            purpose = purposes.decode(request.act.purpose)
            act, bidder_id = purposes.require_act(purpose), purposes.require_bidder(purpose)
            payload_sha256 = hash_payload(request.scope, bidder_id, act.request_sha256)
            registration_id = find_registered(outcome, payload_sha256)
            if registration_id is not None:
                return await read_registered(connection, registration_id), authenticated.card
            require_writable(authenticated.session)
            if locked_card is not None:
                require_not_revoked(locked_card)
            card = await self._verify(connection, request, purpose, authenticated.card, now)
            verified = _VerifiedRequest(request, purpose.nonce, bidder_id, act, card, payload_sha256, now)
            with span("commit"):
                return await _commit(connection, verified), card

    async def _verify(
        self,
        connection: AsyncConnection,
        request: RegistrationRequest,
        purpose: Purpose,
        card: Card,
        now: datetime,
    ) -> Card:
        """Checks that the card signed this act for the bidder of the proof; returns the card as just validated."""
        expect_purpose(
            purpose,
            instance=self.instance,
            type=PurposeType.ACT,
            scope=request.scope,
            certificate_sha256=card.certificate_sha256,
        )
        await require_valid_challenge(connection, purpose.nonce, request.act.purpose, now)
        bidder_id = self._verify_proof(request.proof, request.scope, card, now)
        purposes.expect_act(
            purpose,
            bidder_id=bidder_id,
            request_id=str(request.request_id),
            request_sha256=purposes.require_act(purpose).request_sha256,
        )
        verify_signed_purpose(parse_certificate(card.certificate), request.act)
        return await self._validate(connection, card, now)

    def _verify_proof(self, proof: BidderProof, scope: SessionScope, card: Card, now: datetime) -> str:
        verify_proof(proof, self.proof_keys)
        return expect_statement(
            self.read_statement(proof),
            instance=self.instance,
            agency=scope.agency,
            category=scope.category,
            certificate_sha256=card.certificate_sha256,
            now=now,
        )

    async def _validate(self, connection: AsyncConnection, card: Card, now: datetime) -> Card:
        trust_store = await self.trust_stores.current(connection)
        certificate = parse_certificate(card.certificate)
        return create_card(await validate_card(certificate, card.other_certificates, trust_store, now))


async def _require_may_register(
    connection: AsyncConnection, card: Card, scope: SessionScope, bidder_id: str, *, lock: bool = False
) -> RegistrationKind:
    require_may_act(await registrations.find_bidder_status(connection, bidder_id, lock=lock))
    record = await cards.find_card_record(
        connection, card.certificate_sha256, agency=scope.agency, category=scope.category
    )
    return determine_registration_kind(record, bidder_id)


async def _commit(connection: AsyncConnection, verified: _VerifiedRequest) -> Registration:
    certificate_sha256, request_id = verified.card.certificate_sha256, verified.request.request_id
    registration_id = uuid4()
    outcome = Outcome(registration_id, verified.payload_sha256, verified.act.request_sha256)
    if await registrations.record_outcome(connection, certificate_sha256, request_id, outcome, verified.now):
        return await _write(connection, verified, registration_id)
    # The same request was made or abandoned concurrently.
    concurrent_outcome = await registrations.find_outcome(connection, certificate_sha256, request_id)
    concurrent_id = find_registered(concurrent_outcome, verified.payload_sha256)
    if concurrent_id is None:
        raise RuntimeError("a request has an outcome and has none")
    return await read_registered(connection, concurrent_id)


async def _write(connection: AsyncConnection, verified: _VerifiedRequest, registration_id: UUID) -> Registration:
    scope, card, now = verified.request.scope, verified.card, verified.now
    bidder_id = verified.bidder_id
    await use_up_nonce(connection, verified.nonce, now)
    kind = await _require_may_register(connection, card, scope, bidder_id, lock=True)
    if kind is RegistrationKind.NEW_BINDING:
        await cards.begin_binding(
            connection, card.certificate_sha256, scope.category, bidder_id, because=_BECAUSE, now=now
        )
    registration = await registrations.insert_registration(
        connection,
        registration_id,
        agency=scope.agency,
        category=scope.category,
        certificate_sha256=card.certificate_sha256,
        bidder_id=bidder_id,
        now=now,
    )
    if registration is None:
        # Propagation was faster by a moment; the whole transaction is rolled back.
        raise Refusal("CARD_ALREADY_REGISTERED", Code.ALREADY_EXISTS)
    await write_history(connection, [_describe(verified, registration, kind)])
    await enqueue_registration(connection, registration_id)
    return registration


def _describe(verified: _VerifiedRequest, registration: Registration, kind: RegistrationKind) -> HistoryEntry:
    signed, card = verified.request.act, verified.card
    return HistoryEntry(
        happened_at=verified.now,
        who=f"card {card.certificate_sha256.hex()}",
        what=HistoryAction.REGISTERED,
        certificate_sha256=card.certificate_sha256,
        category=registration.category,
        agencies=(registration.agency,),
        bidder_id=registration.bidder_id,
        before={"bound_to": None if kind is RegistrationKind.NEW_BINDING else registration.bidder_id},
        after={
            "bound_to": registration.bidder_id,
            "registrations": {registration.agency: str(registration.registration_id)},
            "request_id": str(verified.request.request_id),
        },
        act=SignedAct(signed.purpose, signed.algorithm.value, signed.signature, card.certificate),
    )
