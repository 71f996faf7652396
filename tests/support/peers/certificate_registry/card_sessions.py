"""Log-in challenges and card sessions of the fake certificate-registry, which really checks signatures."""

import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import rfc8785
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from google.protobuf.timestamp_pb2 import Timestamp
from typing_extensions import override

from refusals import Code, Refusal
from servicekit.context import Context
from servicekit.messages import write_timestamp
from tests.support.contractor import PREFIX
from tests.support.peers.fake_peer import FakePeer
from toroku.act.v1 import signed_purpose_pb2
from toroku.certificate.v1 import (
    card_pb2,
    card_state_pb2,
    certificate_registry_pb2,
    certificate_registry_pb2_grpc,
)

# A session ends ten minutes after its last use, and an hour after it was opened (ENT-07).
IDLE, LONGEST = timedelta(minutes=10), timedelta(minutes=60)


_OPERATIONS = {
    card_pb2.OPERATION_REGISTRATION: "registration",
    card_pb2.OPERATION_CHANGE: "change",
    card_pb2.OPERATION_RENEWAL: "renewal",
    card_pb2.OPERATION_VIEW: "view",
}
_ROLES = {
    card_pb2.CARD_ROLE_UNSPECIFIED: "sole",
    card_pb2.CARD_ROLE_OLD: "old",
    card_pb2.CARD_ROLE_NEW: "new",
}


@dataclass(slots=True)
class CardSession:
    """A log-in of a card, good for one operation, agency and category."""

    card: card_pb2.Card
    certificate: bytes
    operation: "card_pb2.Operation.ValueType"
    role: "card_pb2.CardRole.ValueType"
    agency: str
    category: str
    opened_at: datetime
    last_used_at: datetime

    @property
    def expires_at(self) -> datetime:
        """When it ends unless it is used before."""
        return min(self.last_used_at + IDLE, self.opened_at + LONGEST)


@dataclass(kw_only=True)
class CardSessions(FakePeer, certificate_registry_pb2_grpc.CertificateRegistryServicer):
    """Keeps challenges, sessions and outcomes in memory. Takes cards with a key on P-256 only."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    # Unused challenges: the purpose to sign, as bytes and parsed.
    challenges: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    # Open sessions by token.
    sessions: dict[str, CardSession] = field(default_factory=dict)
    # Runs before a session is checked.
    before_check: Callable[[], Awaitable[None]] | None = None
    # Runs before the end of a session is answered.
    before_end: Callable[[], Awaitable[None]] | None = None
    # How long each caller of CreateChallenge was willing to wait, in seconds.
    seconds_left: list[float] = field(default_factory=list)
    # What requests made, by card and request id.
    outcomes: dict[tuple[bytes, str], certificate_registry_pb2.GetOutcomeResponse] = field(default_factory=dict)
    # The newest states of cards, by category and certificate hash.
    states: dict[tuple[str, bytes], card_state_pb2.CardState] = field(default_factory=dict)
    suspended_bidders: set[str] = field(default_factory=set)

    @override
    async def CreateChallenge(
        self, request: certificate_registry_pb2.CreateChallengeRequest, context: Context
    ) -> certificate_registry_pb2.CreateChallengeResponse:
        self.receive("CreateChallenge")
        self.seconds_left.append(context.time_remaining())
        card = _read_card(request.certificate)
        purpose = self._new_purpose("log-in", request, card.certificate_sha256)
        return certificate_registry_pb2.CreateChallengeResponse(
            purpose=purpose, expires_at=self._in(minutes=5), card=card
        )

    @override
    async def OpenCardSession(
        self, request: certificate_registry_pb2.OpenCardSessionRequest, context: Context
    ) -> certificate_registry_pb2.OpenCardSessionResponse:
        self.receive("OpenCardSession")
        card = _read_card(request.certificate)
        self._check_signed(request.certificate, request.log_in)
        state = self.find_state(request.category, card.certificate_sha256)
        here = [each.state for each in state.registrations if each.agency == request.agency] if state else []
        is_registered_here = card_state_pb2.REGISTRATION_STATE_GOOD in here
        if needs_registration(request.operation, request.role):
            _require_registered(here)
        elif is_registered_here and not request.resume_request_id and request.operation != card_pb2.OPERATION_VIEW:
            raise Refusal("CARD_ALREADY_REGISTERED", Code.ALREADY_EXISTS)
        if request.operation == card_pb2.OPERATION_VIEW:
            standing = card_pb2.CARD_STANDING_UNSPECIFIED
        elif is_registered_here:
            standing = card_pb2.CARD_STANDING_REGISTERED_HERE
        elif state is not None and state.registrations:
            standing = card_pb2.CARD_STANDING_REGISTERED_ELSEWHERE
        else:
            standing = card_pb2.CARD_STANDING_NEW
        token = secrets.token_urlsafe(32)
        now = self.clock()
        session = CardSession(
            card, request.certificate, request.operation, request.role, request.agency, request.category, now, now
        )
        self.sessions[token] = session
        return certificate_registry_pb2.OpenCardSessionResponse(
            session_token=token, card=card, standing=standing, expires_at=write_timestamp(session.expires_at)
        )

    @override
    async def CheckCardSession(
        self, request: certificate_registry_pb2.CheckCardSessionRequest, context: Context
    ) -> certificate_registry_pb2.CheckCardSessionResponse:
        self.receive("CheckCardSession")
        if self.before_check is not None:
            await self.before_check()
        session = self._session(request.session_token, request.agency, request.category, request.operation)
        state = None
        if session.operation != card_pb2.OPERATION_REGISTRATION:
            state = self.find_state(session.category, session.card.certificate_sha256)
        return certificate_registry_pb2.CheckCardSessionResponse(
            card=session.card,
            expires_at=write_timestamp(session.expires_at),
            opened_at=write_timestamp(session.opened_at),
            card_state=state,
            role=session.role,
            bidder_suspended=state is not None and state.bidder_id in self.suspended_bidders,
        )

    @override
    async def EndCardSession(
        self, request: certificate_registry_pb2.EndCardSessionRequest, context: Context
    ) -> certificate_registry_pb2.EndCardSessionResponse:
        self.receive("EndCardSession")
        self.sessions.pop(request.session_token, None)
        if self.before_end is not None:
            await self.before_end()
        return certificate_registry_pb2.EndCardSessionResponse()

    def find_state(self, category: str, certificate_sha256: bytes) -> card_state_pb2.CardState | None:
        """Returns the newest state of a card; None where it was never registered."""
        return self.states.get((category, certificate_sha256))

    def _new_purpose(
        self,
        kind: str,
        session: CardSession | certificate_registry_pb2.CreateChallengeRequest,
        certificate_sha256: bytes,
        **act: Any,
    ) -> bytes:
        purpose = rfc8785.dumps(
            {
                "instance": "example",
                "type": kind,
                "operation": _OPERATIONS[session.operation],
                "role": _ROLES[session.role],
                "agency": session.agency,
                "category": session.category,
                "nonce": secrets.token_urlsafe(32),
                "certificate_sha256": certificate_sha256.hex(),
                **act,
            }
        )
        self.challenges[purpose] = json.loads(purpose)
        return purpose

    def _check_signed(self, certificate: bytes, signed: signed_purpose_pb2.SignedPurpose) -> dict[str, Any]:
        """Verifies the signature and uses the challenge up; returns the parsed purpose."""
        key = x509.load_der_x509_certificate(certificate).public_key()
        data = PREFIX + signed.purpose
        try:
            if isinstance(key, rsa.RSAPublicKey):
                key.verify(signed.signature, data, padding.PKCS1v15(), hashes.SHA256())
            else:
                assert isinstance(key, ec.EllipticCurvePublicKey)
                key.verify(signed.signature, data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise Refusal("SIGNATURE_INVALID", Code.UNAUTHENTICATED) from None
        try:
            return self.challenges.pop(signed.purpose)
        except KeyError:
            raise Refusal("CHALLENGE_USED") from None

    def _session(
        self, token: str, agency: str, category: str, operation: "card_pb2.Operation.ValueType"
    ) -> CardSession:
        session = self.sessions.get(token)
        if session is None:
            raise Refusal("CARD_SESSION_UNKNOWN", Code.UNAUTHENTICATED)
        now = self.clock()
        if now > session.expires_at:
            raise Refusal("CARD_SESSION_EXPIRED", Code.UNAUTHENTICATED)
        if session.operation != operation:
            raise Refusal(
                "CARD_SESSION_FOR_ANOTHER_OPERATION",
                Code.PERMISSION_DENIED,
                {"found": _OPERATIONS[session.operation]},
            )
        if session.agency != agency:
            raise Refusal("CARD_SESSION_FOR_ANOTHER_AGENCY", Code.PERMISSION_DENIED, {"found": session.agency})
        if session.category != category:
            raise Refusal("CARD_SESSION_FOR_ANOTHER_CATEGORY", Code.PERMISSION_DENIED, {"found": session.category})
        session.last_used_at = now
        return session

    def _in(self, *, minutes: int) -> Timestamp:
        return write_timestamp(self.clock() + timedelta(minutes=minutes))


def needs_registration(operation: "card_pb2.Operation.ValueType", role: "card_pb2.CardRole.ValueType") -> bool:
    """Returns whether a card has to be registered at the agency for this operation, in this role."""
    return operation == card_pb2.OPERATION_CHANGE or role == card_pb2.CARD_ROLE_OLD


def _require_registered(here: list["card_state_pb2.RegistrationState.ValueType"]) -> None:
    reasons = {
        card_state_pb2.REGISTRATION_STATE_REPLACED: "CARD_REPLACED",
        card_state_pb2.REGISTRATION_STATE_SUSPENDED: "CARD_SUSPENDED",
        card_state_pb2.REGISTRATION_STATE_ENDED: "CARD_BINDING_ENDED",
    }
    if not here:
        raise Refusal("CARD_NOT_REGISTERED_HERE", Code.FAILED_PRECONDITION)
    if here[0] in reasons:
        raise Refusal(reasons[here[0]], Code.FAILED_PRECONDITION)


def _read_card(der: bytes) -> card_pb2.Card:
    certificate = x509.load_der_x509_certificate(der)
    described = {
        attribute.oid: str(attribute.value)
        for name in certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if isinstance(name, x509.DirectoryName)
        for attribute in name.value
    }
    return card_pb2.Card(
        certificate_sha256=sha256(der).digest(),
        serial_decimal=str(certificate.serial_number),
        serial_hexadecimal=f"{certificate.serial_number:040X}",
        issuer=certificate.issuer.rfc4514_string(),
        company_name=described.get(x509.NameOID.ORGANIZATION_NAME),
        holder_name=described.get(x509.NameOID.COMMON_NAME),
        not_before=write_timestamp(certificate.not_valid_before_utc),
        not_after=write_timestamp(certificate.not_valid_after_utc),
        authority="test-ca",
    )
