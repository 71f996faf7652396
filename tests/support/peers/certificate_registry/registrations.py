"""certificate-registry as the front door sees it: challenges, sessions, acts, outcomes. It really checks signatures."""

import json
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

import rfc8785
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.timestamp_pb2 import Timestamp

from refusals import Code, Refusal
from tests.support.contractor import PREFIX
from toroku.certificate.v1 import resources_pb2, service_pb2, service_pb2_grpc
from toroku.event.v1.version_pb2 import Version
from toroku.qualification.v1 import resources_pb2 as qualification_pb2

Outcome = service_pb2.GetOutcomeResponse.Outcome


def timestamp(moment: datetime) -> Timestamp:
    """A moment for the wire."""
    made = Timestamp()
    made.FromDatetime(moment)
    return made


@dataclass(slots=True)
class _Session:
    card: resources_pb2.Card
    certificate: bytes
    agency: str
    category: str
    opened_at: datetime


@dataclass(slots=True)
class CardRegistryPeer(service_pb2_grpc.CertificateRegistryServicer):
    """Keeps everything in memory; cards on P-256 only. What was asked, and how often, can be read by a test."""

    clock: Callable[[], datetime]
    calls: Counter[str] = field(default_factory=Counter)
    challenges: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    sessions: dict[str, _Session] = field(default_factory=dict)
    # How long the callers of CreateChallenge were going to wait, in seconds.
    seconds_left: list[float] = field(default_factory=list)
    # Who a card belongs to, by (category, certificate hash).
    bindings: dict[tuple[str, bytes], str] = field(default_factory=dict)
    outcomes: dict[tuple[bytes, str], resources_pb2.RegistrationEvent] = field(default_factory=dict)
    # Runs after a registration was committed and before it is answered; where it raises, the answer is lost.
    before_answer: Callable[[], None] | None = None

    async def CreateChallenge(
        self, request: service_pb2.CreateChallengeRequest, context: Any
    ) -> service_pb2.CreateChallengeResponse:
        self.calls["CreateChallenge"] += 1
        self.seconds_left.append(context.time_remaining())
        card = _card(request.certificate)
        purpose = self._purpose("log-in", request.agency, request.category, card.certificate_sha256)
        return service_pb2.CreateChallengeResponse(purpose=purpose, expires_at=self._in(minutes=5), card=card)

    async def OpenCardSession(
        self, request: service_pb2.OpenCardSessionRequest, context: Any
    ) -> service_pb2.OpenCardSessionResponse:
        self.calls["OpenCardSession"] += 1
        card = _card(request.certificate)
        self._check_signed(request.certificate, request.log_in)
        registered = [
            event.registration
            for (sha, _), event in self.outcomes.items()
            if sha == card.certificate_sha256 and event.registration.category == request.category
        ]
        here = any(registration.agency == request.agency for registration in registered)
        if here and not request.resume_request_id:
            raise Refusal("CARD_ALREADY_REGISTERED", Code.ALREADY_EXISTS)
        standing = resources_pb2.CARD_STANDING_REGISTERED_ELSEWHERE if registered else resources_pb2.CARD_STANDING_NEW
        token = secrets.token_urlsafe(32)
        self.sessions[token] = _Session(card, request.certificate, request.agency, request.category, self.clock())
        return service_pb2.OpenCardSessionResponse(
            session_token=token,
            card=card,
            standing=resources_pb2.CARD_STANDING_REGISTERED_HERE if here else standing,
            expires_at=self._in(minutes=10),
        )

    async def CheckCardSession(
        self, request: service_pb2.CheckCardSessionRequest, context: Any
    ) -> service_pb2.CheckCardSessionResponse:
        self.calls["CheckCardSession"] += 1
        session = self._session(request.session_token, request.agency, request.category)
        return service_pb2.CheckCardSessionResponse(
            card=session.card, expires_at=self._in(minutes=10), opened_at=timestamp(session.opened_at)
        )

    async def EndCardSession(
        self, request: service_pb2.EndCardSessionRequest, context: Any
    ) -> service_pb2.EndCardSessionResponse:
        self.calls["EndCardSession"] += 1
        self.sessions.pop(request.session_token, None)
        return service_pb2.EndCardSessionResponse()

    async def CreateActChallenge(
        self, request: service_pb2.CreateActChallengeRequest, context: Any
    ) -> service_pb2.CreateActChallengeResponse:
        self.calls["CreateActChallenge" + (" dry" if request.validate_only else "")] += 1
        session = self._session(request.session_token, request.agency, request.category)
        statement = self._statement(request.proof, session)
        owner = self.bindings.get((session.category, session.card.certificate_sha256))
        if owner is not None and owner != statement.bidder_id:
            raise Refusal("CARD_BOUND_TO_ANOTHER_BIDDER")
        if request.validate_only:
            return service_pb2.CreateActChallengeResponse()
        act = {
            "bidder_id": statement.bidder_id,
            "request_id": request.request_id,
            "request_sha256": request.request_sha256.hex(),
            "lines": list(request.lines),
        }
        purpose = self._purpose("act", request.agency, request.category, session.card.certificate_sha256, **act)
        return service_pb2.CreateActChallengeResponse(purpose=purpose, expires_at=self._in(minutes=5))

    async def Register(self, request: service_pb2.RegisterRequest, context: Any) -> service_pb2.RegisterResponse:
        self.calls["Register"] += 1
        session = self._session(request.session_token, request.agency, request.category)
        key = (session.card.certificate_sha256, request.request_id)
        if key not in self.outcomes:
            statement = self._statement(request.proof, session)
            act = self._check_signed(session.certificate, request.act)
            self.bindings[request.category, session.card.certificate_sha256] = statement.bidder_id
            self.outcomes[key] = resources_pb2.RegistrationEvent(
                registration=resources_pb2.Registration(
                    registration_id=str(uuid4()),
                    agency=request.agency,
                    category=request.category,
                    certificate_sha256=session.card.certificate_sha256,
                    bidder_id=statement.bidder_id,
                    registered_at=timestamp(self.clock()),
                    origin=resources_pb2.REGISTRATION_ORIGIN_CONTRACTOR,
                    version=Version(epoch=1, number=1),
                ),
                request_id=request.request_id,
                request_sha256=bytes.fromhex(act["request_sha256"]),
                card=session.card,
            )
        if self.before_answer is not None:
            self.before_answer()
        event = self.outcomes[key]
        return service_pb2.RegisterResponse(registration=event.registration, card=event.card)

    async def GetOutcome(self, request: service_pb2.GetOutcomeRequest, context: Any) -> service_pb2.GetOutcomeResponse:
        self.calls["GetOutcome"] += 1
        event = self.outcomes.get((request.certificate_sha256, request.request_id))
        if event is None:
            return service_pb2.GetOutcomeResponse(outcome=Outcome.OUTCOME_NONE)
        return service_pb2.GetOutcomeResponse(outcome=Outcome.OUTCOME_REGISTERED, registration=event)

    def _purpose(self, kind: str, agency: str, category: str, certificate_sha256: bytes, **act: Any) -> bytes:
        purpose = rfc8785.dumps(
            {
                "instance": "example",
                "type": kind,
                "operation": "registration",
                "role": "sole",
                "agency": agency,
                "category": category,
                "nonce": secrets.token_urlsafe(32),
                "certificate_sha256": certificate_sha256.hex(),
                **act,
            }
        )
        self.challenges[purpose] = json.loads(purpose)
        return purpose

    def _check_signed(self, certificate: bytes, signed: resources_pb2.SignedPurpose) -> dict[str, Any]:
        key = x509.load_der_x509_certificate(certificate).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        try:
            key.verify(signed.signature, PREFIX + signed.purpose, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise Refusal("SIGNATURE_INVALID", Code.UNAUTHENTICATED) from None
        try:
            return self.challenges.pop(signed.purpose)
        except KeyError:
            raise Refusal("CHALLENGE_USED") from None

    def _session(self, token: str, agency: str, category: str) -> _Session:
        session = self.sessions.get(token)
        if session is None:
            raise Refusal("CARD_SESSION_UNKNOWN", Code.UNAUTHENTICATED)
        if session.agency != agency:
            raise Refusal("CARD_SESSION_FOR_ANOTHER_AGENCY", Code.PERMISSION_DENIED, {"found": session.agency})
        if session.category != category:
            raise Refusal("CARD_SESSION_FOR_ANOTHER_CATEGORY", Code.PERMISSION_DENIED, {"found": session.category})
        return session

    @staticmethod
    def _statement(proof: qualification_pb2.BidderProof, session: _Session) -> qualification_pb2.BidderStatement:
        statement = qualification_pb2.BidderStatement.FromString(proof.statement)
        if statement.certificate_sha256 != session.card.certificate_sha256:
            raise Refusal("BIDDER_PROOF_FOR_ANOTHER_CARD", Code.PERMISSION_DENIED)
        return statement

    def _in(self, *, minutes: int) -> Timestamp:
        return timestamp(self.clock() + timedelta(minutes=minutes))


def _card(der: bytes) -> resources_pb2.Card:
    certificate = x509.load_der_x509_certificate(der)
    company = [
        str(attribute.value)
        for name in certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if isinstance(name, x509.DirectoryName)
        for attribute in name.value.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    ]
    return resources_pb2.Card(
        certificate_sha256=sha256(der).digest(),
        serial_decimal=str(certificate.serial_number),
        serial_hexadecimal=f"{certificate.serial_number:x}",
        issuer=certificate.issuer.rfc4514_string(),
        company_name=company[0] if company else None,
        not_before=timestamp(certificate.not_valid_before_utc),
        not_after=timestamp(certificate.not_valid_after_utc.astimezone(UTC)),
        authority="test-ca",
    )
