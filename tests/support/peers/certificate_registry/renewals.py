"""Renewals in the fake certificate-registry: both acts and the successor key are really checked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from hashlib import sha256
from typing import Any
from uuid import uuid4

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from typing_extensions import override

from refusals import Code, Refusal
from servicekit.context import Context
from servicekit.messages import write_timestamp
from tests.support.peers.certificate_registry.card_sessions import CardSession, CardSessions
from toroku.certificate.v1 import card_pb2, card_state_pb2, certificate_registry_pb2
from toroku.qualification.v1 import bidder_pb2

SUCCESSOR_PREFIX = b"toroku successor key v1\x00"
_States = card_state_pb2.RegistrationState
_NOT_GOOD = {
    card_state_pb2.REGISTRATION_STATE_REPLACED: "CARD_REPLACED",
    card_state_pb2.REGISTRATION_STATE_SUSPENDED: "CARD_SUSPENDED",
    card_state_pb2.REGISTRATION_STATE_ENDED: "CARD_BINDING_ENDED",
}
# The requests that name both sessions and a proof.
_RenewalRequest = certificate_registry_pb2.CreateRenewalChallengeRequest | certificate_registry_pb2.RenewRequest


@dataclass(kw_only=True)
class Renewals(CardSessions):
    """Replaces cards in memory. `before_answer` runs in Renew, after it took effect."""

    # What renewals made, by new card and request id.
    renewals: dict[tuple[bytes, str], certificate_registry_pb2.RenewedCard] = field(default_factory=dict)
    # The lines of the acts that were made, in order.
    renewal_lines: list[list[str]] = field(default_factory=list)
    # Runs before a renewal is judged, to change what it finds.
    before_renewal: Callable[[], None] | None = None

    @override
    async def CreateSuccessionChallenge(
        self, request: certificate_registry_pb2.CreateSuccessionChallengeRequest, context: Context
    ) -> certificate_registry_pb2.CreateSuccessionChallengeResponse:
        self.receive("CreateSuccessionChallenge")
        session = self._renewing(request.session_token, request.agency, request.category, card_pb2.CARD_ROLE_OLD)
        state = self._require_good(session)
        self.renewal_lines.append(list(request.lines))
        purpose = self._new_purpose(
            "act",
            session,
            session.card.certificate_sha256,
            bidder_id=state.bidder_id,
            successor_key_sha256=request.successor_key_sha256.hex(),
            **_act(request),
        )
        return certificate_registry_pb2.CreateSuccessionChallengeResponse(
            purpose=purpose, expires_at=self._in(minutes=10)
        )

    @override
    async def CreateRenewalChallenge(
        self, request: certificate_registry_pb2.CreateRenewalChallengeRequest, context: Context
    ) -> certificate_registry_pb2.CreateRenewalChallengeResponse:
        self.receive("CreateRenewalChallenge" + (" dry" if request.validate_only else ""))
        old, new = self._require_renewable(request)
        if request.validate_only:
            return certificate_registry_pb2.CreateRenewalChallengeResponse()
        self.renewal_lines.append(list(request.lines))
        purpose = self._new_purpose(
            "act",
            new,
            new.card.certificate_sha256,
            bidder_id=self._require_good(old).bidder_id,
            successor_key_sha256=request.successor_key_sha256.hex(),
            other_certificate_sha256=old.card.certificate_sha256.hex(),
            **_act(request),
        )
        return certificate_registry_pb2.CreateRenewalChallengeResponse(purpose=purpose, expires_at=self._in(minutes=5))

    @override
    async def Renew(
        self, request: certificate_registry_pb2.RenewRequest, context: Context
    ) -> certificate_registry_pb2.RenewResponse:
        self.receive("Renew")
        new = self._renewing(request.new_session_token, request.agency, request.category, card_pb2.CARD_ROLE_NEW)
        key = (new.card.certificate_sha256, request.request_id)
        if key not in self.renewals:
            if self.before_renewal is not None:
                self.before_renewal()
            old, new = self._require_renewable(request)
            old_act = self._check_signed(old.certificate, request.old_act)
            new_act = self._check_signed(new.certificate, request.new_act)
            _check_successor(request, old_act, new_act, new)
            self.renewals[key] = self._replace(old, new, request)
        await self.run_before_answer()
        return certificate_registry_pb2.RenewResponse(renewal=self.renewals[key])

    @override
    async def GetRenewal(
        self, request: certificate_registry_pb2.GetRenewalRequest, context: Context
    ) -> certificate_registry_pb2.GetRenewalResponse:
        self.receive("GetRenewal")
        renewal = self.renewals.get((request.certificate_sha256, request.request_id))
        if renewal is None:
            raise Refusal("RENEWAL_NOT_FOUND", Code.NOT_FOUND)
        return certificate_registry_pb2.GetRenewalResponse(renewal=renewal)

    def _renewing(self, token: str, agency: str, category: str, role: "card_pb2.CardRole.ValueType") -> CardSession:
        session = self._session(token, agency, category, card_pb2.OPERATION_RENEWAL)
        if session.role != role:
            raise Refusal("CARD_SESSION_FOR_ANOTHER_ROLE", Code.PERMISSION_DENIED)
        return session

    def _require_good(self, session: CardSession) -> card_state_pb2.CardState:
        state = self.find_state(session.category, session.card.certificate_sha256)
        registration = _find_registration(state, session.agency)
        if state is None or registration is None:
            raise Refusal("CARD_NOT_REGISTERED_HERE", Code.FAILED_PRECONDITION)
        if registration.state in _NOT_GOOD:
            raise Refusal(_NOT_GOOD[registration.state], Code.FAILED_PRECONDITION)
        return state

    def _require_renewable(self, request: _RenewalRequest) -> tuple[CardSession, CardSession]:
        place = (request.agency, request.category)
        old = self._renewing(request.old_session_token, *place, card_pb2.CARD_ROLE_OLD)
        new = self._renewing(request.new_session_token, *place, card_pb2.CARD_ROLE_NEW)
        if old.card.certificate_sha256 == new.card.certificate_sha256:
            raise Refusal("CARDS_EQUAL", Code.FAILED_PRECONDITION)
        state = self._require_good(old)
        statement = bidder_pb2.BidderStatement.FromString(request.proof.statement)
        if (statement.certificate_sha256, statement.bidder_id) != (new.card.certificate_sha256, state.bidder_id):
            raise Refusal("BIDDER_PROOF_FOR_ANOTHER_CARD", Code.PERMISSION_DENIED)
        self._require_usable(new, state.bidder_id)
        if old.card.authority != new.card.authority:
            raise Refusal("CARD_AUTHORITY_DIFFERS", Code.FAILED_PRECONDITION)
        names = {each.card.company_name for each in (old, new) if each.card.HasField("company_name")}
        if len(names) > 1:
            raise Refusal("CARD_COMPANY_DIFFERS", Code.FAILED_PRECONDITION)
        if old.card.not_after.ToDatetime(UTC) < self.clock():
            raise Refusal("CERTIFICATE_EXPIRED", Code.FAILED_PRECONDITION, {"expired_ja": "", "expired_en": ""})
        return old, new

    def _require_usable(self, new: CardSession, bidder_id: str) -> None:
        state = self.find_state(new.category, new.card.certificate_sha256)
        if state is None:
            return
        if state.bidder_id != bidder_id:
            raise Refusal("CARD_BOUND_TO_ANOTHER_BIDDER", Code.FAILED_PRECONDITION)
        here = _find_registration(state, new.agency)
        if here is not None and here.state == card_state_pb2.REGISTRATION_STATE_GOOD:
            raise Refusal("CARD_ALREADY_REGISTERED", Code.ALREADY_EXISTS)
        if here is not None or state.suspended or state.binding != card_state_pb2.BINDING_STATE_LIVE:
            raise Refusal("NEW_CARD_UNUSABLE", Code.FAILED_PRECONDITION)

    def _replace(
        self, old: CardSession, new: CardSession, request: certificate_registry_pb2.RenewRequest
    ) -> certificate_registry_pb2.RenewedCard:
        old_state = self._require_good(old)
        closed = _find_registration(old_state, old.agency)
        assert closed is not None
        closed.state, closed.reason = card_state_pb2.REGISTRATION_STATE_REPLACED, "renewal"
        closed.replaced_by = new.card.certificate_sha256
        if not any(each.state == card_state_pb2.REGISTRATION_STATE_GOOD for each in old_state.registrations):
            old_state.binding = card_state_pb2.BINDING_STATE_CLOSED
        registration = card_pb2.Registration(
            registration_id=str(uuid4()),
            agency=new.agency,
            category=new.category,
            certificate_sha256=new.card.certificate_sha256,
            bidder_id=old_state.bidder_id,
            registered_at=write_timestamp(self.clock()),
            origin=card_pb2.REGISTRATION_ORIGIN_RENEWAL,
        )
        state = self.states.setdefault(
            (new.category, new.card.certificate_sha256),
            card_state_pb2.CardState(
                certificate_sha256=new.card.certificate_sha256,
                category=new.category,
                bidder_id=old_state.bidder_id,
                binding=card_state_pb2.BINDING_STATE_LIVE,
            ),
        )
        state.registrations.add(
            registration_id=registration.registration_id,
            agency=registration.agency,
            state=card_state_pb2.REGISTRATION_STATE_GOOD,
            origin=registration.origin,
            registered_at=registration.registered_at,
            request_id=request.request_id,
            predecessor=old.card.certificate_sha256,
            stays_here=not request.propagate,
        )
        for token in [token for token, each in self.sessions.items() if each is old]:
            del self.sessions[token]
        return certificate_registry_pb2.RenewedCard(
            registration=registration,
            old_card=old.card,
            new_card=new.card,
            propagate=request.propagate,
            history_digest=sha256(request.request_id.encode()).digest(),
        )


def _find_registration(state: card_state_pb2.CardState | None, agency: str) -> card_state_pb2.AgencyRegistration | None:
    registrations = state.registrations if state is not None else []
    return next((each for each in registrations if each.agency == agency), None)


def _act(
    request: (
        certificate_registry_pb2.CreateSuccessionChallengeRequest
        | certificate_registry_pb2.CreateRenewalChallengeRequest
    ),
) -> dict[str, Any]:
    return {
        "request_id": request.request_id,
        "request_sha256": request.request_sha256.hex(),
        "lines": list(request.lines),
    }


def _check_successor(
    request: certificate_registry_pb2.RenewRequest, old_act: dict[str, Any], new_act: dict[str, Any], new: CardSession
) -> None:
    named = {old_act["successor_key_sha256"], new_act["successor_key_sha256"]}
    if named != {sha256(request.successor_key).hexdigest()}:
        raise Refusal("SUCCESSOR_KEY_DIFFERS", Code.FAILED_PRECONDITION)
    signed = SUCCESSOR_PREFIX + new.card.certificate_sha256 + request.request_id.encode()
    try:
        Ed25519PublicKey.from_public_bytes(request.successor_key).verify(request.successor_signature, signed)
    except InvalidSignature:
        raise Refusal("SUCCESSOR_SIGNATURE_INVALID", Code.INVALID_ARGUMENT) from None
