"""登録: the act that a card signs, and its commit."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from certificate_registry.domain.bidder import require_may_act
from certificate_registry.domain.bidder_proof import (
    BidderProof,
    BidderStatement,
    require_just_confirmed,
)
from certificate_registry.domain.binding import RegistrationKind, determine_registration_kind
from certificate_registry.domain.card import Card, require_not_revoked
from certificate_registry.domain.card_session import (
    AuthenticatedSession,
    SessionScope,
    hash_token,
    require_writable,
)
from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.challenge import Challenge, PurposeToSign, require_valid
from certificate_registry.domain.circumstances import Circumstances
from certificate_registry.domain.history import HistoryAction
from certificate_registry.domain.outcome import (
    CommittedRequest,
    Outcome,
    find_registered,
    hash_payload,
    require_not_abandoned,
)
from certificate_registry.domain.predecessor import refuse_unknown
from certificate_registry.domain.proven import add_proof
from certificate_registry.domain.registration import (
    ActRequest,
    Origin,
    Registration,
    RegistrationRequest,
    RequestReference,
)
from certificate_registry.operations.bidder_proofs import ReadStatement, decode_proof, expect_proof
from certificate_registry.operations.card_validation import CardValidation
from certificate_registry.operations.challenges import (
    authenticate_with_circumstances,
    create_challenge,
    decode_purpose,
    expect_purpose,
    lock_session,
    require_unused,
    verify_signed_purpose,
)
from certificate_registry.operations.deliveries import deliver_state
from certificate_registry.operations.notices import create_notices, send_notices
from certificate_registry.pki.trust_store import TrustStore
from certificate_registry.store import predecessors, registrations
from certificate_registry.store.circumstances import read_commit_circumstances
from certificate_registry.store.commits import settle, write_registration
from history.entries import Chain, Entry, SignedAct
from history.writing import write_history
from refusals import Refusal
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_clock import LEEWAY, StatementClock
from servicekit.database_connection import Connection
from servicekit.signed_statement import VerifyingKeys
from servicekit.telemetry import find_trace_id, span
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
    statement: BidderStatement
    payload_sha256: bytes
    circumstances: Circumstances
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRegistration:
    """Registers the cards of one instance."""

    database: Database
    validation: CardValidation
    chain: Chain
    proof_keys: VerifyingKeys
    read_statement: ReadStatement
    clock: StatementClock

    async def check(
        self,
        token: str,
        scope: SessionScope,
        proof: BidderProof,
        checked: RequestReference | None,
        predecessor_serial: bytes | None,
    ) -> None:
        """Raises what `register` would raise now; `checked` is None where there is no request yet."""
        async with self.database.single_change() as connection:
            authenticated, statement = await self._require_registrable(
                connection, token, scope, self._decode_proof(proof), checked
            )
            await _find_predecessor(connection, authenticated.card, statement, predecessor_serial, authenticated.at)

    async def create_act(
        self,
        token: str,
        scope: SessionScope,
        proof: BidderProof,
        request: ActRequest,
        predecessor_serial: bytes | None,
    ) -> PurposeToSign:
        """Returns the act to be signed; raises what `register` would raise.

        The proof may be as old as the session; the commit takes one that was just confirmed.
        """
        checked = RequestReference(request.request_id, request.request_sha256)
        # The renewal of the session and the challenge do not depend on each other.
        async with self.database.single_change() as connection:
            authenticated, statement = await self._require_registrable(
                connection, token, scope, self._decode_proof(proof), checked
            )
            await _find_predecessor(connection, authenticated.card, statement, predecessor_serial, authenticated.at)
            return await create_challenge(
                connection,
                instance=self.chain.instance,
                type=PurposeType.ACT,
                scope=scope,
                certificate_sha256=authenticated.card.certificate_sha256,
                now=authenticated.at,
                bidder_id=statement.bidder_id,
                act=Act(str(request.request_id), request.request_sha256, request.lines),
            )

    async def register(self, request: RegistrationRequest) -> CommittedRequest:
        """Registers a card in one transaction: checks again everything that can have changed, then writes.

        The outcome of the request is looked at before everything but the session, so that a retry gets the same answer
        even if nonce and proof have expired. A retry waits for an attempt that is still running: the attempts of one
        card come one after the other.
        """
        decoded = decode_purpose(request.act.purpose)
        named = decoded if isinstance(decoded, Purpose) else None
        async with self.database.transaction() as connection:
            authenticated = await lock_session(connection, request.token, request.scope, self.clock(connection))
            card, now = authenticated.card, authenticated.at
            circumstances, challenge = await read_commit_circumstances(
                connection,
                card.certificate_sha256,
                request.scope,
                request_id=request.request_id,
                bidder_id=None if named is None else named.bidder_id,
                nonce=None if named is None else named.nonce,
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
                return await _read_committed(connection, card, registration_id)
            require_writable(authenticated.session)
            require_not_revoked(card)
            trust_store = await self.validation.trust_stores.adopt(connection, circumstances.list_versions)
            card, statement = await self._verify(request, purpose, challenge, card, trust_store, now)
            verified = _VerifiedRequest(
                request, purpose.nonce, bidder_id, act, card, statement, payload_sha256, circumstances, now
            )
            with span("commit"):
                return await _commit(connection, self.chain, verified)

    async def _require_registrable(
        self,
        connection: Connection,
        token: str,
        scope: SessionScope,
        decoded: BidderStatement | Refusal,
        checked: RequestReference | None,
    ) -> tuple[AuthenticatedSession, BidderStatement]:
        """Returns the session, and the statement of the decoded proof, if a registration would succeed."""
        authenticated, circumstances = await authenticate_with_circumstances(
            connection,
            token,
            scope,
            request_id=None if checked is None else checked.request_id,
            bidder_id=None if isinstance(decoded, Refusal) else decoded.bidder_id,
            now=self.clock(connection),
        )
        card, now = authenticated.card, authenticated.at
        statement = self._expect_statement(decoded, scope, card, now)
        require_not_abandoned(circumstances.outcome)
        if checked is not None:
            find_registered(circumstances.outcome, hash_payload(scope, statement.bidder_id, checked.request_sha256))
        require_writable(authenticated.session)
        require_not_revoked(card)
        trust_store = await self.validation.trust_stores.adopt(connection, circumstances.list_versions)
        await self.validation.validate_stored(card, trust_store, now)
        _determine_kind(circumstances, statement.bidder_id)
        return authenticated, statement

    async def _verify(
        self,
        request: RegistrationRequest,
        purpose: Purpose,
        challenge: Challenge | None,
        card: Card,
        trust_store: TrustStore,
        now: datetime,
    ) -> tuple[Card, BidderStatement]:
        """Checks that the card signed this act for the bidder of the proof.

        Returns the card as it is valid now, and what the proof states.
        """
        expect_purpose(
            purpose,
            instance=self.chain.instance,
            type=PurposeType.ACT,
            scope=request.scope,
            certificate_sha256=card.certificate_sha256,
        )
        require_valid(challenge, request.act.purpose, now)
        statement = self._expect_statement(self._decode_proof(request.proof), request.scope, card, now)
        # It was confirmed by the clock of another database, which may be behind this one (ADR 15).
        require_just_confirmed(statement, now - LEEWAY)
        purposes.expect_act(
            purpose,
            bidder_id=statement.bidder_id,
            request_id=str(request.request_id),
            request_sha256=purposes.require_act(purpose).request_sha256,
        )
        verify_signed_purpose(
            self.validation.find_key(card.certificate, card.other_certificates, trust_store, now), request.act
        )
        valid = await self.validation.validate_stored(card, trust_store, now)
        return valid.card, statement

    def _decode_proof(self, proof: BidderProof) -> BidderStatement | Refusal:
        return decode_proof(proof, self.proof_keys, self.read_statement)

    def _expect_statement(
        self, decoded: BidderStatement | Refusal, scope: SessionScope, card: Card, now: datetime
    ) -> BidderStatement:
        return expect_proof(
            decoded,
            instance=self.chain.instance,
            scope=scope,
            certificate_sha256=card.certificate_sha256,
            now=now,
        )


def _determine_kind(circumstances: Circumstances, bidder_id: str) -> RegistrationKind:
    require_may_act(circumstances.bidder_status)
    return determine_registration_kind(circumstances.record, bidder_id)


async def _read_committed(connection: Connection, card: Card, registration_id: UUID) -> CommittedRequest:
    registration, entry = await registrations.read_registration(connection, registration_id)
    return CommittedRequest(registration, card, entry.digest)


async def _commit(connection: Connection, chain: Chain, verified: _VerifiedRequest) -> CommittedRequest:
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
        return await _write(connection, chain, verified, registration_id)
    # The same request was made or abandoned concurrently.
    concurrent_outcome = await registrations.find_outcome(connection, certificate_sha256, request.request_id)
    concurrent_id = find_registered(concurrent_outcome, verified.payload_sha256)
    if concurrent_id is None:
        raise RuntimeError("a request has an outcome and has none")
    return await _read_committed(connection, verified.card, concurrent_id)


async def _write(
    connection: Connection, chain: Chain, verified: _VerifiedRequest, registration_id: UUID
) -> CommittedRequest:
    scope, card, circumstances = verified.request.scope, verified.card, verified.circumstances
    kind = _determine_kind(circumstances, verified.bidder_id)
    is_new = kind is RegistrationKind.NEW_BINDING
    predecessor = await _find_predecessor(
        connection, card, verified.statement, verified.request.predecessor_serial, verified.now
    )
    known, proven = circumstances.proven, verified.statement.proven
    registration = Registration(
        registration_id=registration_id,
        agency=scope.agency,
        category=scope.category,
        certificate_sha256=card.certificate_sha256,
        bidder_id=verified.bidder_id,
        registered_at=verified.now,
        origin=Origin.CONTRACTOR,
    )
    notices = create_notices()
    [entry] = await write_history(connection, chain, [_describe(verified, registration, kind, predecessor)])
    await write_registration(
        connection,
        registration,
        binding_number=circumstances.record.number + is_new,
        proven=proven if is_new or known is None else add_proof(known, proven),
        begins_binding=is_new,
        notices=notices,
        history_number=entry.number,
    )
    if predecessor is not None:
        await predecessors.name_predecessor(connection, registration, predecessor)
    key = CardKey(card.certificate_sha256, scope.category)
    await jobs.enqueue_together(connection, [*deliver_state(key), send_notices(notices)])
    return CommittedRequest(registration, card, entry.digest)


async def _find_predecessor(
    connection: Connection, card: Card, statement: BidderStatement, serial: bytes | None, now: datetime
) -> bytes | None:
    """Returns the card that a contractor names as the one before; None where it names none, PREDECESSOR_UNKNOWN."""
    if serial is None:
        return None
    key = CardKey(card.certificate_sha256, statement.category)
    predecessor = await predecessors.find_by_serial(connection, key, statement.bidder_id, serial, now)
    if predecessor is None:
        raise refuse_unknown()
    return predecessor


def _describe(
    verified: _VerifiedRequest, registration: Registration, kind: RegistrationKind, predecessor: bytes | None
) -> Entry:
    signed, card, approval = verified.request.act, verified.card, verified.statement.card_approval
    return Entry(
        happened_at=verified.now,
        who=f"card {card.certificate_sha256.hex()}",
        what=HistoryAction.REGISTERED,
        request_id=verified.request.request_id,
        trace_id=find_trace_id(),
        certificate_sha256=card.certificate_sha256,
        category=registration.category,
        agencies=(registration.agency,),
        bidder_id=registration.bidder_id,
        before={"bound_to": None if kind is RegistrationKind.NEW_BINDING else registration.bidder_id},
        after={
            "bound_to": registration.bidder_id,
            "registrations": {registration.agency: str(registration.registration_id)},
            # Where company or holder of the certificate are not the roster's, and an officer took the card.
            **({"approval_number": approval} if approval else {}),
            **({"named_predecessor": predecessor.hex()} if predecessor is not None else {}),
        },
        act=SignedAct(signed.purpose, signed.algorithm.value, signed.signature, card.certificate),
    )
