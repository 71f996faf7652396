"""qualification-registry, which knows at which agencies a bidder is qualified."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agency_sync import convert

if TYPE_CHECKING:
    from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryAsyncStub


@dataclass(frozen=True, slots=True)
class QualificationRegistry:
    """The calls to qualification-registry."""

    stub: "QualificationRegistryAsyncStub"

    async def list_qualified_agencies(
        self, category: str, bidder_ids: Collection[str], *, deadline: float
    ) -> Mapping[str, Collection[str]]:
        """Returns the agencies at which each bidder is qualified in a category now, all from one snapshot.

        `deadline` is in seconds. Raises PEER_UNREACHABLE, PEER_FAILED.
        """
        request = convert.write_qualified_agencies_request(category, bidder_ids)
        return convert.read_qualified_agencies(await self.stub.ListQualifiedAgencies(request, timeout=deadline))
