"""登録: the act that a card signs, and its commit."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from certificate_registry.domain.bidder import require_may_act
from certificate_registry.domain.bidder_proof import (
    BidderProof,
    BidderStatement,
    expect_statement,
    require_just_confirmed,
    verify_proof,
)
from certificate_registry.domain.binding import RegistrationKind, determine_registration_kind
from certificate_registry.domain.card import Card, require_not_revoked
from certificate_registry.domain.card_session import SessionScope, hash_token, require_writable
from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.challenge import PurposeToSign, require_valid
from certificate_registry.domain.circumstances import Circumstances
from certificate_registry.domain.history import HistoryAction, HistoryEntry, SignedAct
from certificate_registry.domain.outcome import Outcome, find_registered, hash_payload, require_not_abandoned
from certificate_registry.domain.proven import Proven, add_proof
from certificate_registry.domain.registration import (
    ActRequest,
    Origin,
    Registration,
    RegistrationRequest,
    RequestReference,
)
from certificate_registry.operations.card_validation import CardValidation
from certificate_registry.operations.challenges import (
    authenticate_session,
    create_challenge,
    expect_purpose,
    lock_session,
    require_unused,
    verify_signed_purpose,
)
from certificate_registry.operations.deliveries import deliver_state
from certificate_registry.operations.notices import write_notices
from certificate_registry.store import registrations
from certificate_registry.store.circumstances import read_circumstances
from certificate_registry.store.commits import settle, write_registration
from certificate_registry.store.history import write_history
from refusals import Refusal
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_clock import LEEWAY, DatabaseClock
from servicekit.database_connection import Connection
from servicekit.signed_statement import VerifyingKeys
from servicekit.telemetry import span
from signed_acts import purpose as purposes
from signed_acts.purpose import Act, Purpose, PurposeType


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
    circumstances: Circumstances
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRegistration:
    """Registers the cards of one instance.

    `read_statement` reads the statement of a verified proof: it is a message of the qualification registry, which only
    `convert` knows.
    """

    database: Database
    validation: CardValidation
    instance: str
    proof_keys: VerifyingKeys
    read_statement: Callable[[BidderProof], BidderStatement]
    clock: DatabaseClock

    async def check(
        self, token: str, scope: SessionScope, proof: BidderProof, checked: RequestReference | None
    ) -> None:
        """Raises what `register` would raise now; `checked` is None where there is no request yet."""
        async with self.database.single_change() as connection:
            await self._require_registrable(connection, token, scope, proof, checked, await self.clock(connection))

    async def create_act(
        self, token: str, scope: SessionScope, proof: BidderProof, request: ActRequest
    ) -> PurposeToSign:
        """Returns the act to be signed; raises what `register` would raise.

        The proof may be as old as the session; the commit takes one that was just confirmed.
        """
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            checked = RequestReference(request.request_id, request.request_sha256)
            card, bidder_id = await self._require_registrable(connection, token, scope, proof, checked, now)
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

        The outcome of the request is looked at before everything but the session, so that a retry gets the same answer
        even if nonce and proof have expired. A retry waits for an attempt that is still running: the attempts of one
        card come one after the other.
        """
        decoded = _decode(request.act.purpose)
        named = decoded if isinstance(decoded, Purpose) else None
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            authenticated = await lock_session(connection, request.token, request.scope, now)
            card = authenticated.card
            circumstances = await read_circumstances(
                connection,
                card.certificate_sha256,
                request.scope,
                request_id=request.request_id,
                bidder_id=None if named is None else named.bidder_id,
                nonce=None if named is None else named.nonce,
                lock_bidder=True,
            )
            # Report a tombstone even if the act cannot be parsed.
            require_not_abandoned(circumstances.outcome)
            if isinstance(decoded, Refusal):
                raise decoded
            purpose = decoded
            act, bidder_id = purposes.require_act(purpose), purposes.require_bidder(purpose)
            payload_sha256 = hash_payload(request.scope, bidder_id, act.request_sha256)
            registration_id = find_registered(circumstances.outcome, payload_sha256)
            if registration_id is not None:
                return await registrations.read_registration(connection, registration_id), card
            require_writable(authenticated.session)
            require_not_revoked(card)
            card, proven = await self._verify(connection, request, purpose, card, circumstances, now)
            verified = _VerifiedRequest(
                request, purpose.nonce, bidder_id, act, card, proven, payload_sha256, circumstances, now
            )
            with span("commit"):
                return await _commit(connection, verified), card

    async def _require_registrable(
        self,
        connection: Connection,
        token: str,
        scope: SessionScope,
        proof: BidderProof,
        checked: RequestReference | None,
        now: datetime,
    ) -> tuple[Card, str]:
        """Returns the session's card and the proof's bidder if a registration would succeed."""
        authenticated = await authenticate_session(connection, token, scope, now)
        card = authenticated.card
        bidder_id = self._verify_proof(proof, scope, card, now).bidder_id
        circumstances = await read_circumstances(
            connection,
            card.certificate_sha256,
            scope,
            request_id=None if checked is None else checked.request_id,
            bidder_id=bidder_id,
        )
        require_not_abandoned(circumstances.outcome)
        if checked is not None:
            find_registered(circumstances.outcome, hash_payload(scope, bidder_id, checked.request_sha256))
        require_writable(authenticated.session)
        require_not_revoked(card)
        trust_store = await self.validation.trust_stores.adopt(connection, circumstances.list_versions)
        await self.validation.validate_stored(card, trust_store, now)
        _determine_kind(circumstances, bidder_id)
        return card, bidder_id

    async def _verify(
        self,
        connection: Connection,
        request: RegistrationRequest,
        purpose: Purpose,
        card: Card,
        circumstances: Circumstances,
        now: datetime,
    ) -> tuple[Card, Proven]:
        """Checks that the card signed this act for the bidder of the proof.

        Returns the card as it is valid now, and what the proof says was proven.
        """
        expect_purpose(
            purpose,
            instance=self.instance,
            type=PurposeType.ACT,
            scope=request.scope,
            certificate_sha256=card.certificate_sha256,
        )
        require_valid(circumstances.challenge, request.act.purpose, now)
        statement = self._verify_proof(request.proof, request.scope, card, now)
        # It was confirmed by the clock of another database, which may be behind this one (ADR 15).
        require_just_confirmed(statement, now - LEEWAY)
        purposes.expect_act(
            purpose,
            bidder_id=statement.bidder_id,
            request_id=str(request.request_id),
            request_sha256=purposes.require_act(purpose).request_sha256,
        )
        trust_store = await self.validation.trust_stores.adopt(connection, circumstances.list_versions)
        verify_signed_purpose(self.validation.find_key(card, trust_store, now), request.act)
        valid = await self.validation.validate_stored(card, trust_store, now)
        return valid.card, statement.proven

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


def _decode(encoded: bytes) -> Purpose | Refusal:
    try:
        return purposes.decode(encoded)
    except Refusal as refusal:
        return refusal


def _determine_kind(circumstances: Circumstances, bidder_id: str) -> RegistrationKind:
    require_may_act(circumstances.bidder_status)
    return determine_registration_kind(circumstances.record, bidder_id)


async def _commit(connection: Connection, verified: _VerifiedRequest) -> Registration:
    certificate_sha256, request, scope = verified.card.certificate_sha256, verified.request, verified.request.scope
    registration_id = uuid4()
    outcome = Outcome(
        registration_id, verified.payload_sha256, verified.act.request_sha256, scope.category, scope.agency
    )
    is_unused, is_first = await settle(
        connection,
        certificate_sha256,
        request.request_id,
        outcome,
        nonce=verified.nonce,
        token_sha256=hash_token(request.token),
        now=verified.now,
    )
    if is_first:
        require_unused(is_unused)
        return await _write(connection, verified, registration_id)
    # The same request was made or abandoned concurrently.
    concurrent_outcome = await registrations.find_outcome(connection, certificate_sha256, request.request_id)
    concurrent_id = find_registered(concurrent_outcome, verified.payload_sha256)
    if concurrent_id is None:
        raise RuntimeError("a request has an outcome and has none")
    return await registrations.read_registration(connection, concurrent_id)


async def _write(connection: Connection, verified: _VerifiedRequest, registration_id: UUID) -> Registration:
    scope, card, circumstances = verified.request.scope, verified.card, verified.circumstances
    kind = _determine_kind(circumstances, verified.bidder_id)
    is_new = kind is RegistrationKind.NEW_BINDING
    known, proven = circumstances.proven, verified.proven
    registration = Registration(
        registration_id=registration_id,
        agency=scope.agency,
        category=scope.category,
        certificate_sha256=card.certificate_sha256,
        bidder_id=verified.bidder_id,
        registered_at=verified.now,
        origin=Origin.CONTRACTOR,
    )
    await write_registration(
        connection,
        registration,
        binding_number=circumstances.record.number + is_new,
        proven=proven if is_new or known is None else add_proof(known, proven),
        begins_binding=is_new,
    )
    await write_history(connection, [_describe(verified, registration, kind)])
    key = CardKey(card.certificate_sha256, scope.category)
    notices = await write_notices(connection, registration_id, verified.now)
    await jobs.enqueue_together(connection, [*deliver_state(key), notices])
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
