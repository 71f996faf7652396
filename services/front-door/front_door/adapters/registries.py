"""The services that the front door asks, and the questions that it asks more than once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from front_door import convert
from servicekit.clients import Peers
from servicekit.messages import canonical_sha256
from toroku.certificate.v1 import resources_pb2 as certificate_pb2
from toroku.certificate.v1 import service_pb2 as certificate_service_pb2
from toroku.certificate.v1.service_pb2_grpc import CertificateRegistryStub
from toroku.contact.v1 import service_pb2 as contact_service_pb2
from toroku.contact.v1.service_pb2_grpc import ContactNotificationStub
from toroku.frontdoor.v1 import registration_pb2, resources_pb2
from toroku.qualification.v1 import resources_pb2 as qualification_pb2
from toroku.qualification.v1.service_pb2_grpc import QualificationRegistryStub

if TYPE_CHECKING:
    from toroku.certificate.v1.service_pb2_grpc import CertificateRegistryAsyncStub
    from toroku.contact.v1.service_pb2_grpc import ContactNotificationAsyncStub
    from toroku.qualification.v1.service_pb2_grpc import QualificationRegistryAsyncStub

REGISTRATION = certificate_pb2.OPERATION_REGISTRATION
InSession = (
    registration_pb2.FindBidderRequest
    | registration_pb2.PrepareRegistrationRequest
    | registration_pb2.RegisterRequest
    | registration_pb2.GetReceiptRequest
)
CardSession = certificate_service_pb2.CheckCardSessionResponse


@dataclass(frozen=True, slots=True)
class Registries:
    """The stubs of the peers. `seconds` is how long an answer may take. Refusals of the peers pass through."""

    qualification: "QualificationRegistryAsyncStub"
    certificate: "CertificateRegistryAsyncStub"
    contact: "ContactNotificationAsyncStub"

    @classmethod
    def of(cls, peers: Peers) -> "Registries":
        """The stubs of these peers."""
        return cls(
            peers.stub("qualification-registry", QualificationRegistryStub),
            peers.stub("certificate-registry", CertificateRegistryStub),
            peers.stub("contact-notification", ContactNotificationStub),
        )

    async def session(self, request: InSession, seconds: float) -> CardSession:
        """The card session that stands for a request, good for its agency and category."""
        return await self.certificate.CheckCardSession(
            certificate_service_pb2.CheckCardSessionRequest(
                session_token=request.session_token,
                operation=REGISTRATION,
                agency=request.agency,
                category=request.category,
            ),
            timeout=seconds,
        )

    async def check_would_register(
        self,
        session_token: str,
        proof: qualification_pb2.BidderProof,
        form: resources_pb2.RegistrationForm,
        seconds: float,
    ) -> None:
        """Returns where the session's card could be registered with the proof's bidder now; changes nothing."""
        await self.certificate.CreateActChallenge(
            certificate_service_pb2.CreateActChallengeRequest(
                session_token=session_token,
                agency=form.agency,
                category=form.category,
                proof=proof,
                request_id=form.request_id,
                request_sha256=canonical_sha256(form),
                validate_only=True,
            ),
            timeout=seconds,
        )

    async def representative_contact(
        self, bidder_id: str, category: str, seconds: float
    ) -> contact_service_pb2.GetRepresentativeContactResponse:
        """The representative contact that stands, where there is one."""
        return await self.contact.GetRepresentativeContact(
            contact_service_pb2.GetRepresentativeContactRequest(bidder_id=bidder_id, category=category),
            timeout=seconds,
        )

    async def staged_contacts(
        self, request_id: str, session: CardSession, seconds: float
    ) -> contact_service_pb2.GetStagedContactsResponse:
        """What was staged by the session's card under a request id, pending or active."""
        return await self.contact.GetStagedContacts(
            contact_service_pb2.GetStagedContactsRequest(
                certificate_sha256=session.card.certificate_sha256, request_id=request_id
            ),
            timeout=seconds,
        )

    async def registered_here(
        self,
        request: registration_pb2.RegisterRequest | registration_pb2.GetReceiptRequest,
        session: CardSession,
        seconds: float,
    ) -> certificate_pb2.RegistrationEvent | None:
        """The registration at this agency and category that a request of the session's card became, if it did."""
        outcome = await self.certificate.GetOutcome(
            certificate_service_pb2.GetOutcomeRequest(
                certificate_sha256=session.card.certificate_sha256, request_id=request.request_id
            ),
            timeout=seconds,
        )
        return outcome.registration if convert.outcome_is_here(outcome, request.agency, request.category) else None
