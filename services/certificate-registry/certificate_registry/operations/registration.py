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
    require_just_confirmed,
    verify_proof,
)
from certificate_registry.domain.binding import CardRecord, RegistrationKind, determine_registration_kind
from certificate_registry.domain.card import Card, create_card, require_not_revoked
from certificate_registry.domain.card_session import SessionScope, require_writable
from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.challenge import PurposeToSign
from certificate_registry.domain.history import HistoryAction, HistoryEntry, SignedAct
from certificate_registry.domain.outcome import Outcome, find_registered, hash_payload, require_not_abandoned
from certificate_registry.domain.proven import Proven
from certificate_registry.domain.registration import ActRequest, Registration, RegistrationRequest
from certificate_registry.operations.challenges import (
    authenticate_session,
    create_challenge,
    expect_purpose,
    require_valid_challenge,
    use_up_nonce,
    validate_card,
    verify_signed_purpose,
)
from certificate_registry.operations.deliveries import enqueue_card_state
from certificate_registry.operations.notices import enqueue_notices
from certificate_registry.pki.certificate import parse_certificate
from certificate_registry.store import card_states, cards, registrations
from certificate_registry.store.history import write_history
from servicekit.database import Database
from servicekit.database_clock import LEEWAY, DatabaseClock
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
    proven: Proven
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
    clock: DatabaseClock

    async def create_act(
        self, token: str, scope: SessionScope, proof: BidderProof, request: ActRequest, *, validate_only: bool
    ) -> PurposeToSign | None:
        """Returns the act to be signed, or None with `validate_only`; raises what `register` would raise.

        The proof may be as old as the session; the commit takes one that was just confirmed.
        """
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            authenticated = await authenticate_session(connection, token, scope, now)
            card = authenticated.card
            bidder_id = self._verify_proof(proof, scope, card, now).bidder_id
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
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
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
                return await registrations.read_registration(connection, registration_id), authenticated.card
            require_writable(authenticated.session)
            if locked_card is not None:
                require_not_revoked(locked_card)
            card, proven = await self._verify(connection, request, purpose, authenticated.card, now)
            verified = _VerifiedRequest(request, purpose.nonce, bidder_id, act, card, proven, payload_sha256, now)
            with span("commit"):
                return await _commit(connection, verified), card

    async def _verify(
        self,
        connection: AsyncConnection,
        request: RegistrationRequest,
        purpose: Purpose,
        card: Card,
        now: datetime,
    ) -> tuple[Card, Proven]:
        """Checks that the card signed this act for the bidder of the proof.

        Returns the card as just validated, and what the proof says was proven.
        """
        expect_purpose(
            purpose,
            instance=self.instance,
            type=PurposeType.ACT,
            scope=request.scope,
            certificate_sha256=card.certificate_sha256,
        )
        await require_valid_challenge(connection, purpose.nonce, request.act.purpose, now)
        statement = self._verify_proof(request.proof, request.scope, card, now)
        # It was confirmed by the clock of another database, which may be behind this one (ADR 15).
        require_just_confirmed(statement, now - LEEWAY)
        purposes.expect_act(
            purpose,
            bidder_id=statement.bidder_id,
            request_id=str(request.request_id),
            request_sha256=purposes.require_act(purpose).request_sha256,
        )
        verify_signed_purpose(parse_certificate(card.certificate), request.act)
        return await self._validate(connection, card, now), statement.proven

    def _verify_proof(self, proof: BidderProof, scope: SessionScope, card: Card, now: datetime) -> BidderStatement:
        verify_proof(proof, self.proof_keys)
        statement = self.read_statement(proof)
        expect_statement(
            statement,
            instance=self.instance,
            agency=scope.agency,
            category=scope.category,
            certificate_sha256=card.certificate_sha256,
            now=now,
        )
        return statement

    async def _validate(self, connection: AsyncConnection, card: Card, now: datetime) -> Card:
        trust_store = await self.trust_stores.current(connection)
        certificate = parse_certificate(card.certificate)
        return create_card(await validate_card(certificate, card.other_certificates, trust_store, now))


async def _require_may_register(
    connection: AsyncConnection, card: Card, scope: SessionScope, bidder_id: str, *, lock: bool = False
) -> tuple[RegistrationKind, CardRecord]:
    require_may_act(await registrations.find_bidder_status(connection, bidder_id, lock=lock))
    record = await cards.find_card_record(
        connection, card.certificate_sha256, agency=scope.agency, category=scope.category
    )
    return determine_registration_kind(record, bidder_id), record


async def _commit(connection: AsyncConnection, verified: _VerifiedRequest) -> Registration:
    certificate_sha256, request = verified.card.certificate_sha256, verified.request
    registration_id = uuid4()
    outcome = Outcome(
        registration_id,
        verified.payload_sha256,
        verified.act.request_sha256,
        request.scope.category,
        request.scope.agency,
    )
    if await registrations.record_outcome(connection, certificate_sha256, request.request_id, outcome, verified.now):
        return await _write(connection, verified, registration_id)
    # The same request was made or abandoned concurrently.
    concurrent_outcome = await registrations.find_outcome(connection, certificate_sha256, request.request_id)
    concurrent_id = find_registered(concurrent_outcome, verified.payload_sha256)
    if concurrent_id is None:
        raise RuntimeError("a request has an outcome and has none")
    return await registrations.read_registration(connection, concurrent_id)


async def _write(connection: AsyncConnection, verified: _VerifiedRequest, registration_id: UUID) -> Registration:
    scope, card, now = verified.request.scope, verified.card, verified.now
    bidder_id, key = verified.bidder_id, CardKey(card.certificate_sha256, scope.category)
    await use_up_nonce(connection, verified.nonce, now)
    kind, record = await _require_may_register(connection, card, scope, bidder_id, lock=True)
    if kind is RegistrationKind.NEW_BINDING:
        binding_number = record.number + 1
        await cards.begin_binding(
            connection, key, binding_number, bidder_id, verified.proven, because=_BECAUSE, now=now
        )
    else:
        binding_number = record.number
        await cards.add_proof_to_binding(connection, key, binding_number, verified.proven)
    await registrations.insert_registration(
        connection,
        registration_id,
        key=key,
        agency=scope.agency,
        binding_number=binding_number,
        bidder_id=bidder_id,
        now=now,
    )
    await card_states.number_states(connection, [key])
    registration = await registrations.read_registration(connection, registration_id)
    await write_history(connection, [_describe(verified, registration, kind)])
    await enqueue_card_state(connection, key)
    await enqueue_notices(connection, registration_id, now)
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
