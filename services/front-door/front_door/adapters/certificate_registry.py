"""certificate-registry: cards, sessions, acts, registrations."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from front_door.adapters import SecondsLeft
from front_door.convert import bidder as convert_bidder
from front_door.convert import card_session as convert_session
from front_door.convert import change as convert_change
from front_door.convert import registration as convert_registration
from front_door.convert.operation import write_use
from front_door.domain.bidder import BidderProof
from front_door.domain.card_session import (
    ActChallenge,
    CardSession,
    CardUse,
    LogInChallenge,
    OpenedSession,
    PresentedCard,
    SessionReference,
    SignedPurpose,
)
from front_door.domain.change import ActProof, ChangeForm
from front_door.domain.registration import CommittedRegistration, RegistrationForm
from servicekit.incidents import note_subject
from toroku.certificate.v1 import certificate_registry_pb2

if TYPE_CHECKING:
    from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryAsyncStub


@dataclass(frozen=True, slots=True)
class CertificateRegistry:
    """certificate-registry, over its stub."""

    stub: "CertificateRegistryAsyncStub"

    async def create_challenge(
        self, use: CardUse, presented: PresentedCard, seconds_left: SecondsLeft
    ) -> LogInChallenge:
        """Returns the log-in that a card has to sign, after its certificate was checked."""
        request = certificate_registry_pb2.CreateChallengeRequest(
            operation=write_use(use),
            agency=presented.agency,
            category=presented.category,
            certificate=presented.certificate,
            other_certificates=presented.other_certificates,
            role=convert_session.write_role(presented.role),
        )
        return convert_session.read_log_in_challenge(await self.stub.CreateChallenge(request, timeout=seconds_left()))

    async def open_session(
        self, use: CardUse, presented: PresentedCard, log_in: SignedPurpose, seconds_left: SecondsLeft
    ) -> OpenedSession:
        """Opens a session with the signed log-in."""
        request = certificate_registry_pb2.OpenCardSessionRequest(
            operation=write_use(use),
            agency=presented.agency,
            category=presented.category,
            certificate=presented.certificate,
            log_in=convert_session.write_signed_purpose(log_in),
            resume_request_id=presented.resume_request_id,
            role=convert_session.write_role(presented.role),
        )
        return convert_session.read_opened_session(await self.stub.OpenCardSession(request, timeout=seconds_left()))

    async def check_session(self, use: CardUse, reference: SessionReference, seconds_left: SecondsLeft) -> CardSession:
        """Returns the session that a request refers to, if it is for this use, agency and category."""
        request = certificate_registry_pb2.CheckCardSessionRequest(
            session_token=reference.token,
            operation=write_use(use),
            agency=reference.agency,
            category=reference.category,
        )
        session = convert_session.read_card_session(await self.stub.CheckCardSession(request, timeout=seconds_left()))
        bidder_id = session.state.bidder_id if session.state is not None else ""
        note_subject(session.card.certificate_sha256, bidder_id)
        return session

    async def end_session(self, token: str, seconds_left: SecondsLeft) -> None:
        """Ends a session; an unknown token is no error."""
        request = certificate_registry_pb2.EndCardSessionRequest(session_token=token)
        await self.stub.EndCardSession(request, timeout=seconds_left())

    async def check_registrable(
        self, reference: SessionReference, proof: BidderProof, form: RegistrationForm | None, seconds_left: SecondsLeft
    ) -> None:
        """Returns if the session's card could be registered for the proof's bidder now.

        Also verifies that the proof is for the card of the session. `form` is None before there is one.
        """
        request = certificate_registry_pb2.CheckRegistrableRequest(
            session_token=reference.token,
            agency=reference.agency,
            category=reference.category,
            proof=convert_bidder.write_bidder_proof(proof),
            request_id=form.request_id if form is not None else "",
            request_sha256=convert_registration.hash_request(form) if form is not None else b"",
            predecessor_serial=form.predecessor_serial if form is not None else "",
        )
        await self.stub.CheckRegistrable(request, timeout=seconds_left())

    async def create_act_challenge(
        self,
        reference: SessionReference,
        proof: BidderProof,
        form: RegistrationForm,
        lines: list[str],
        seconds_left: SecondsLeft,
    ) -> ActChallenge:
        """Returns the act that the session's card has to sign; also verifies that the proof is for this card."""
        request = certificate_registry_pb2.CreateActChallengeRequest(
            session_token=reference.token,
            agency=reference.agency,
            category=reference.category,
            proof=convert_bidder.write_bidder_proof(proof),
            request_id=form.request_id,
            request_sha256=convert_registration.hash_request(form),
            lines=lines,
            predecessor_serial=form.predecessor_serial,
        )
        return convert_session.read_act_challenge(await self.stub.CreateActChallenge(request, timeout=seconds_left()))

    async def register(
        self,
        reference: SessionReference,
        proof: BidderProof,
        request_id: str,
        act: SignedPurpose,
        predecessor_serial: str,
        seconds_left: SecondsLeft,
    ) -> CommittedRegistration:
        """Registers with the signed act, or returns what the same request became before."""
        request = certificate_registry_pb2.RegisterRequest(
            session_token=reference.token,
            agency=reference.agency,
            category=reference.category,
            proof=convert_bidder.write_bidder_proof(proof),
            request_id=request_id,
            act=convert_session.write_signed_purpose(act),
            predecessor_serial=predecessor_serial,
        )
        response = await self.stub.Register(request, timeout=seconds_left())
        return convert_registration.read_committed_registration(response)

    async def find_registration(
        self, certificate_sha256: bytes, request_id: str, seconds_left: SecondsLeft
    ) -> CommittedRegistration | None:
        """Returns the registration that a request of the card became; None where it became none."""
        request = certificate_registry_pb2.GetOutcomeRequest(
            certificate_sha256=certificate_sha256, request_id=request_id
        )
        return convert_registration.read_outcome(await self.stub.GetOutcome(request, timeout=seconds_left()))

    async def create_change_challenge(
        self, reference: SessionReference, form: ChangeForm, lines: list[str], seconds_left: SecondsLeft
    ) -> ActChallenge:
        """Returns the act of a change that the session's card has to sign."""
        request = certificate_registry_pb2.CreateChangeChallengeRequest(
            session_token=reference.token,
            agency=reference.agency,
            category=reference.category,
            request_id=form.request_id,
            request_sha256=convert_change.hash_change(form),
            lines=lines,
        )
        response = await self.stub.CreateChangeChallenge(request, timeout=seconds_left())
        return convert_session.read_act_challenge(response)

    async def prove_act(
        self, reference: SessionReference, request_id: str, act: SignedPurpose, seconds_left: SecondsLeft
    ) -> ActProof:
        """Returns the proof of a signed act of a change, whose nonce is used up by this."""
        request = certificate_registry_pb2.ProveActRequest(
            session_token=reference.token,
            agency=reference.agency,
            category=reference.category,
            request_id=request_id,
            act=convert_session.write_signed_purpose(act),
        )
        return convert_change.read_act_proof((await self.stub.ProveAct(request, timeout=seconds_left())).proof)
