"""Acts, registrations and their outcomes in the fake certificate-registry."""

from dataclasses import dataclass, field
from hashlib import sha256
from uuid import uuid4

from typing_extensions import override

from refusals import Code, Refusal
from servicekit.context import Context
from servicekit.messages import write_timestamp
from tests.support.peers.certificate_registry.card_sessions import CardSession, CardSessions
from tests.support.peers.qualification_registry.bidders import PROVEN
from toroku.certificate.v1 import card_pb2, card_state_pb2, certificate_registry_pb2
from toroku.qualification.v1 import bidder_pb2

Outcome = certificate_registry_pb2.GetOutcomeResponse.Outcome


@dataclass(kw_only=True)
class Registrations(CardSessions):
    """Registers cards in memory, and keeps a tombstone for every request that was abandoned."""

    # The bidder that a card belongs to, by category and certificate hash.
    bindings: dict[tuple[str, bytes], str] = field(default_factory=dict)
    tombstones: set[tuple[bytes, str]] = field(default_factory=set)
    # Cards' states that a test has committed itself, by card and request id.
    committed: dict[tuple[bytes, str], card_state_pb2.CardState] = field(default_factory=dict)
    outcome_requests: list[certificate_registry_pb2.GetOutcomeRequest] = field(default_factory=list)
    # The predecessors' serial numbers of all calls, as they came; empty where none was named.
    named_predecessors: list[tuple[str, str]] = field(default_factory=list)
    # The proofs that cards were registered with.
    proofs: list[bidder_pb2.BidderProof] = field(default_factory=list)

    @override
    async def CheckRegistrable(
        self, request: certificate_registry_pb2.CheckRegistrableRequest, context: Context
    ) -> certificate_registry_pb2.CheckRegistrableResponse:
        self.receive("CheckRegistrable")
        self.named_predecessors.append(("CheckRegistrable", request.predecessor_serial))
        self._require_registrable(request)
        return certificate_registry_pb2.CheckRegistrableResponse()

    @override
    async def CreateActChallenge(
        self, request: certificate_registry_pb2.CreateActChallengeRequest, context: Context
    ) -> certificate_registry_pb2.CreateActChallengeResponse:
        self.receive("CreateActChallenge")
        self.named_predecessors.append(("CreateActChallenge", request.predecessor_serial))
        session, statement = self._require_registrable(request)
        act = {
            "bidder_id": statement.bidder_id,
            "request_id": request.request_id,
            "request_sha256": request.request_sha256.hex(),
            "lines": list(request.lines),
        }
        purpose = self._new_purpose("act", session, session.card.certificate_sha256, **act)
        return certificate_registry_pb2.CreateActChallengeResponse(purpose=purpose, expires_at=self._in(minutes=5))

    @override
    async def Register(
        self, request: certificate_registry_pb2.RegisterRequest, context: Context
    ) -> certificate_registry_pb2.RegisterResponse:
        self.receive("Register")
        self.named_predecessors.append(("Register", request.predecessor_serial))
        session = self._session(
            request.session_token, request.agency, request.category, card_pb2.OPERATION_REGISTRATION
        )
        key = (session.card.certificate_sha256, request.request_id)
        if key not in self.outcomes:
            statement = _read_statement(request.proof, session)
            self.proofs.append(request.proof)
            act = self._check_signed(session.certificate, request.act)
            self.bindings[request.category, session.card.certificate_sha256] = statement.bidder_id
            self.register(
                card_pb2.Registration(
                    registration_id=str(uuid4()),
                    agency=request.agency,
                    category=request.category,
                    certificate_sha256=session.card.certificate_sha256,
                    bidder_id=statement.bidder_id,
                    registered_at=write_timestamp(self.clock()),
                    origin=card_pb2.REGISTRATION_ORIGIN_CONTRACTOR,
                ),
                session.card,
                request_id=request.request_id,
                request_sha256=bytes.fromhex(act["request_sha256"]),
            )
        await self.run_before_answer()
        outcome = self.outcomes[key]
        return certificate_registry_pb2.RegisterResponse(
            registration=outcome.registration, card=outcome.card, history_digest=outcome.history_digest
        )

    @override
    async def GetOutcome(
        self, request: certificate_registry_pb2.GetOutcomeRequest, context: Context
    ) -> certificate_registry_pb2.GetOutcomeResponse:
        self.receive("GetOutcome")
        self.outcome_requests.append(request)
        committed = self.committed.get((request.certificate_sha256, request.request_id))
        if committed is not None:
            return certificate_registry_pb2.GetOutcomeResponse(outcome=Outcome.OUTCOME_REGISTERED, card_state=committed)
        key = (request.certificate_sha256, request.request_id)
        if key in self.outcomes:
            return self.outcomes[key]
        if request.abandon:
            self.tombstones.add(key)
        outcome = Outcome.OUTCOME_ABANDONED if key in self.tombstones else Outcome.OUTCOME_NONE
        return certificate_registry_pb2.GetOutcomeResponse(outcome=outcome)

    def register(
        self, registration: card_pb2.Registration, card: card_pb2.Card, *, request_id: str, request_sha256: bytes
    ) -> certificate_registry_pb2.GetOutcomeResponse:
        """Commits a registration, with the next version; raises REQUEST_ID_ABANDONED if the request has a tombstone."""
        key = (registration.certificate_sha256, request_id)
        if key in self.tombstones:
            raise Refusal("REQUEST_ID_ABANDONED", Code.FAILED_PRECONDITION)
        state = card_state_pb2.CardState(
            certificate_sha256=registration.certificate_sha256,
            category=registration.category,
            bidder_id=registration.bidder_id,
            binding=card_state_pb2.BINDING_STATE_LIVE,
            proven=PROVEN,
        )
        known = self.find_state(state.category, state.certificate_sha256)
        if known is not None:
            state.CopyFrom(known)
        state.version.epoch, state.version.number = 1, state.version.number + 1
        state.registrations.add(
            registration_id=registration.registration_id,
            agency=registration.agency,
            state=card_state_pb2.REGISTRATION_STATE_GOOD,
            origin=registration.origin,
            registered_at=registration.registered_at,
            request_id=request_id,
            request_sha256=request_sha256,
        )
        self.states[state.category, state.certificate_sha256] = state
        self.outcomes[key] = certificate_registry_pb2.GetOutcomeResponse(
            outcome=Outcome.OUTCOME_REGISTERED,
            registration=registration,
            card_state=state,
            card=card,
            history_digest=sha256(request_id.encode()).digest(),
        )
        return self.outcomes[key]

    def _require_registrable(
        self,
        request: certificate_registry_pb2.CheckRegistrableRequest | certificate_registry_pb2.CreateActChallengeRequest,
    ) -> tuple[CardSession, bidder_pb2.BidderStatement]:
        session = self._session(
            request.session_token, request.agency, request.category, card_pb2.OPERATION_REGISTRATION
        )
        statement = _read_statement(request.proof, session)
        owner = self.bindings.get((session.category, session.card.certificate_sha256))
        if owner is not None and owner != statement.bidder_id:
            raise Refusal("CARD_BOUND_TO_ANOTHER_BIDDER")
        return session, statement


def _read_statement(proof: bidder_pb2.BidderProof, session: CardSession) -> bidder_pb2.BidderStatement:
    statement = bidder_pb2.BidderStatement.FromString(proof.statement)
    if statement.certificate_sha256 != session.card.certificate_sha256:
        raise Refusal("BIDDER_PROOF_FOR_ANOTHER_CARD", Code.PERMISSION_DENIED)
    return statement
