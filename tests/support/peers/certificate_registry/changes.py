"""Acts of a change in the fake certificate-registry, and their proofs, which carry no real signature."""

from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256

from typing_extensions import override

from servicekit.context import Context
from servicekit.messages import write_timestamp
from tests.support.peers.certificate_registry.card_sessions import CardSession, CardSessions
from toroku.certificate.v1 import act_proof_pb2, card_pb2, certificate_registry_pb2


@dataclass(kw_only=True)
class ChangeActs(CardSessions):
    """Makes acts of a change and proves signed ones. `before_answer` runs in ProveAct, after the nonce was used up."""

    change_requests: list[certificate_registry_pb2.CreateChangeChallengeRequest] = field(default_factory=list)

    @override
    async def CreateChangeChallenge(
        self, request: certificate_registry_pb2.CreateChangeChallengeRequest, context: Context
    ) -> certificate_registry_pb2.CreateChangeChallengeResponse:
        self.receive("CreateChangeChallenge")
        self.change_requests.append(request)
        session = self._require_changing(request)
        act = {
            "bidder_id": self._bidder_of(session),
            "request_id": request.request_id,
            "request_sha256": request.request_sha256.hex(),
            "lines": list(request.lines),
        }
        purpose = self._new_purpose("act", session, session.card.certificate_sha256, **act)
        return certificate_registry_pb2.CreateChangeChallengeResponse(purpose=purpose, expires_at=self._in(minutes=5))

    @override
    async def ProveAct(
        self, request: certificate_registry_pb2.ProveActRequest, context: Context
    ) -> certificate_registry_pb2.ProveActResponse:
        self.receive("ProveAct")
        session = self._require_changing(request)
        act = self._check_signed(session.certificate, request.act)
        now = self.clock()
        statement = act_proof_pb2.ActStatement(
            instance="example",
            operation=act["operation"],
            agency=session.agency,
            category=session.category,
            bidder_id=act["bidder_id"],
            certificate_sha256=session.card.certificate_sha256,
            request_id=act["request_id"],
            request_sha256=bytes.fromhex(act["request_sha256"]),
            purpose_sha256=sha256(request.act.purpose).digest(),
            serial_decimal=session.card.serial_decimal,
            holder_name=session.card.holder_name,
            issued_at=write_timestamp(now),
            expires_at=write_timestamp(now + timedelta(minutes=1)),
        )
        await self.run_before_answer()
        proof = act_proof_pb2.ActProof(statement=statement.SerializeToString(), key_id="0" * 16, signature=bytes(64))
        return certificate_registry_pb2.ProveActResponse(proof=proof, card=session.card)

    def _require_changing(
        self,
        request: certificate_registry_pb2.CreateChangeChallengeRequest | certificate_registry_pb2.ProveActRequest,
    ) -> CardSession:
        return self._session(request.session_token, request.agency, request.category, card_pb2.OPERATION_CHANGE)

    def _bidder_of(self, session: CardSession) -> str:
        state = self.find_state(session.category, session.card.certificate_sha256)
        assert state is not None
        return state.bidder_id
