"""qualification-registry as agency-sync sees it: where bidders are qualified."""

from dataclasses import dataclass, field
from typing import Any

from refusals import Code, Refusal
from toroku.qualification.v1 import service_pb2, service_pb2_grpc


@dataclass(slots=True)
class BidderRegistry(service_pb2_grpc.QualificationRegistryServicer):
    """Keeps the agencies at which a bidder is qualified, by category and bidder; in memory."""

    qualified: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    requests: list[service_pb2.ListQualifiedAgenciesRequest] = field(default_factory=list)
    # While it is set, calls are refused as those of a service that is down.
    down: bool = False

    async def ListQualifiedAgencies(
        self, request: service_pb2.ListQualifiedAgenciesRequest, context: Any
    ) -> service_pb2.ListQualifiedAgenciesResponse:
        if self.down:
            raise Refusal("PEER_UNREACHABLE", Code.UNAVAILABLE, {"code": "UNAVAILABLE"})
        self.requests.append(request)
        response = service_pb2.ListQualifiedAgenciesResponse()
        for bidder_id in request.bidder_ids:
            response.bidders.add(bidder_id=bidder_id, agencies=self.qualified.get((request.category, bidder_id), []))
        return response
