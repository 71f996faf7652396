"""Propagation of registrations to further agencies by the fake certificate-registry."""

from dataclasses import dataclass, field
from uuid import NAMESPACE_OID, UUID, uuid5

from typing_extensions import override

from servicekit.context import Context
from tests.support.peers.fake_peer import FakePeer
from toroku.certificate.v1 import certificate_registry_pb2, certificate_registry_pb2_grpc

Result = certificate_registry_pb2.PropagatedRegistration.Result


@dataclass(kw_only=True)
class Propagation(FakePeer, certificate_registry_pb2_grpc.CertificateRegistryServicer):
    """Makes each propagated registration once, in memory; a test chooses which sources have another result."""

    # The registration's id by (source registration, agency).
    propagated: dict[tuple[str, str], str] = field(default_factory=dict)
    # Source registrations whose card is not good, that are unknown, and that the answer leaves out.
    cards_not_good: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)
    # The agencies at which it knows the bidder of a source as suspended.
    bidders_suspended: dict[str, set[str]] = field(default_factory=dict)
    propagation_requests: list[certificate_registry_pb2.PropagateRegistrationsRequest] = field(default_factory=list)

    @override
    async def PropagateRegistrations(
        self, request: certificate_registry_pb2.PropagateRegistrationsRequest, context: Context
    ) -> certificate_registry_pb2.PropagateRegistrationsResponse:
        self.receive("PropagateRegistrations")
        self.propagation_requests.append(request)
        response = certificate_registry_pb2.PropagateRegistrationsResponse()
        for propagation in request.agencies:
            for source in propagation.registration_ids:
                if source in self.unanswered:
                    continue
                result = self._result(source, propagation.agency)
                if result == Result.RESULT_DONE:
                    target = str(uuid5(NAMESPACE_OID, f"{source} {propagation.agency}"))
                    self.propagated.setdefault((source, propagation.agency), target)
                    response.results.add(
                        source_registration_id=source, agency=propagation.agency, result=result, registration_id=target
                    )
                else:
                    response.results.add(source_registration_id=source, agency=propagation.agency, result=result)
        await self.run_before_answer()
        return response

    def agencies_of(self, source: UUID) -> set[str]:
        """The further agencies to which a registration was propagated."""
        return {agency for (registration_id, agency) in self.propagated if registration_id == str(source)}

    def _result(self, source: str, agency: str) -> Result.ValueType:
        if agency in self.bidders_suspended.get(source, ()):
            return Result.RESULT_BIDDER_SUSPENDED
        if source in self.unknown:
            return Result.RESULT_REGISTRATION_UNKNOWN
        return Result.RESULT_CARD_NOT_GOOD if source in self.cards_not_good else Result.RESULT_DONE
