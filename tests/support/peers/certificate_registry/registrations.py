"""Acts, registrations and their outcomes in the fake certificate-registry."""

from dataclasses import dataclass, field
from uuid import uuid4

from typing_extensions import override

from refusals import Code, Refusal
from servicekit.context import Context
from servicekit.messages import write_timestamp
from tests.support.peers.certificate_registry.card_sessions import CardSession, CardSessions
from toroku.certificate.v1 import card_pb2, card_state_pb2, certificate_registry_pb2
from toroku.event.v1.version_pb2 import Version
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

    @override
    async def CreateActChallenge(
        self, request: certificate_registry_pb2.CreateActChallengeRequest, context: Context
    ) -> certificate_registry_pb2.CreateActChallengeResponse:
        self.receive("CreateActChallenge" + (" dry" if request.validate_only else ""))
        session = self._session(request.session_token, request.agency, request.category)
        statement = _read_statement(request.proof, session)
        owner = self.bindings.get((session.category, session.card.certificate_sha256))
        if owner is not None and owner != statement.bidder_id:
            raise Refusal("CARD_BOUND_TO_ANOTHER_BIDDER")
        if request.validate_only:
            return certificate_registry_pb2.CreateActChallengeResponse()
        act = {
            "bidder_id": statement.bidder_id,
            "request_id": request.request_id,
            "request_sha256": request.request_sha256.hex(),
            "lines": list(request.lines),
        }
        purpose = self._new_purpose("act", request.agency, request.category, session.card.certificate_sha256, **act)
        return certificate_registry_pb2.CreateActChallengeResponse(purpose=purpose, expires_at=self._in(minutes=5))

    @override
    async def Register(
        self, request: certificate_registry_pb2.RegisterRequest, context: Context
    ) -> certificate_registry_pb2.RegisterResponse:
        self.receive("Register")
        session = self._session(request.session_token, request.agency, request.category)
        key = (session.card.certificate_sha256, request.request_id)
        if key not in self.outcomes:
            statement = _read_statement(request.proof, session)
            act = self._check_signed(session.certificate, request.act)
            self.bindings[request.category, session.card.certificate_sha256] = statement.bidder_id
            self.register(
                card_pb2.RegistrationEvent(
                    registration=card_pb2.Registration(
                        registration_id=str(uuid4()),
                        agency=request.agency,
                        category=request.category,
                        certificate_sha256=session.card.certificate_sha256,
                        bidder_id=statement.bidder_id,
                        registered_at=write_timestamp(self.clock()),
                        origin=card_pb2.REGISTRATION_ORIGIN_CONTRACTOR,
                        version=Version(epoch=1, number=1),
                    ),
                    request_id=request.request_id,
                    request_sha256=bytes.fromhex(act["request_sha256"]),
                    card=session.card,
                )
            )
        await self.run_before_answer()
        event = self.outcomes[key]
        return certificate_registry_pb2.RegisterResponse(registration=event.registration, card=event.card)

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
            return certificate_registry_pb2.GetOutcomeResponse(
                outcome=Outcome.OUTCOME_REGISTERED, registration=self.outcomes[key]
            )
        if request.abandon:
            self.tombstones.add(key)
        outcome = Outcome.OUTCOME_ABANDONED if key in self.tombstones else Outcome.OUTCOME_NONE
        return certificate_registry_pb2.GetOutcomeResponse(outcome=outcome)

    def register(self, event: card_pb2.RegistrationEvent) -> None:
        """Commits a registration; raises REQUEST_ID_ABANDONED where the request has a tombstone."""
        key = (event.registration.certificate_sha256, event.request_id)
        if key in self.tombstones:
            raise Refusal("REQUEST_ID_ABANDONED", Code.FAILED_PRECONDITION)
        self.outcomes[key] = event


def _read_statement(proof: bidder_pb2.BidderProof, session: CardSession) -> bidder_pb2.BidderStatement:
    statement = bidder_pb2.BidderStatement.FromString(proof.statement)
    if statement.certificate_sha256 != session.card.certificate_sha256:
        raise Refusal("BIDDER_PROOF_FOR_ANOTHER_CARD", Code.PERMISSION_DENIED)
    return statement
