"""certificate-registry, which knows the outcome of a request."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from contact_notification.convert.card_states import read_outcome, write_outcome_request
from contact_notification.domain.card_state import Outcome

if TYPE_CHECKING:
    from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryAsyncStub


@dataclass(frozen=True, slots=True)
class CertificateRegistry:
    """The calls to certificate-registry."""

    stub: "CertificateRegistryAsyncStub"

    async def get_outcome(self, certificate_sha256: bytes, request_id: UUID, *, abandon: bool) -> Outcome:
        """Returns the outcome of a card's request; `abandon` leaves a tombstone if it was not committed.

        Raises PEER_UNREACHABLE, PEER_FAILED.
        """
        request = write_outcome_request(certificate_sha256, request_id, abandon=abandon)
        return read_outcome(await self.stub.GetOutcome(request))
