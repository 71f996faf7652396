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
    # While it is set, every call fails. Not with UNAVAILABLE: that is tried again by every caller on the way.
    failing: bool = False

    async def ListQualifiedAgencies(
        self, request: service_pb2.ListQualifiedAgenciesRequest, context: Any
    ) -> service_pb2.ListQualifiedAgenciesResponse:
        if self.failing:
            raise Refusal("INTERNAL_FAILURE", Code.INTERNAL, {"trace_id": "none"})
        self.requests.append(request)
        response = service_pb2.ListQualifiedAgenciesResponse()
        for bidder_id in request.bidder_ids:
            response.bidders.add(bidder_id=bidder_id, agencies=self.qualified.get((request.category, bidder_id), []))
        return response
