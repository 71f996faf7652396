"""certificate-registry, which makes the registrations at further agencies."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agency_sync.convert import agency_sync as convert
from agency_sync.domain.propagation import Answer, Pair, Plan

if TYPE_CHECKING:
    from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryAsyncStub


@dataclass(frozen=True, slots=True)
class CertificateRegistry:
    """The calls to certificate-registry."""

    stub: "CertificateRegistryAsyncStub"

    async def propagate_registrations(self, plan: Plan, *, deadline: float) -> Mapping[Pair, Answer]:
        """Has the requested registrations of a plan made, and returns the answer for each pair.

        The same plan again gets the same answers; a pair without an answer has to be requested again. `deadline` is
        in seconds. Raises PEER_UNREACHABLE, PEER_FAILED.
        """
        response = await self.stub.PropagateRegistrations(convert.write_propagation_request(plan), timeout=deadline)
        return convert.read_answers(response)
