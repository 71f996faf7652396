"""qualification-registry: bidders and company profiles."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from front_door.adapters import SecondsLeft
from front_door.convert.bidder import read_bidder_proof, read_company, write_bidder_proof
from front_door.domain.bidder import BidderProof, BidderSearch, FoundBidder
from front_door.domain.card_session import Card
from toroku.qualification.v1 import qualification_registry_pb2

if TYPE_CHECKING:
    from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryAsyncStub


@dataclass(frozen=True, slots=True)
class QualificationRegistry:
    """qualification-registry, over its stub."""

    stub: "QualificationRegistryAsyncStub"

    async def find_bidder(
        self, agency: str, category: str, card: Card, search: BidderSearch, seconds_left: SecondsLeft
    ) -> FoundBidder:
        """Returns the bidder that a contractor searches for with a card."""
        request = qualification_registry_pb2.FindBidderRequest(
            agency=agency,
            category=category,
            certificate_sha256=card.certificate_sha256,
            name=search.name,
            bidder_id=search.bidder_id,
            password=search.password,
            certificate_company_name=card.company_name,
        )
        response = await self.stub.FindBidder(request, timeout=seconds_left())
        return FoundBidder(read_company(response.company), read_bidder_proof(response.proof))

    async def confirm_bidder(self, proof: BidderProof, card: Card, seconds_left: SecondsLeft) -> FoundBidder:
        """Returns the bidder of a card's proof as it is now, after everything that can change was checked again."""
        request = qualification_registry_pb2.ConfirmBidderRequest(
            proof=write_bidder_proof(proof), certificate_company_name=card.company_name
        )
        response = await self.stub.ConfirmBidder(request, timeout=seconds_left())
        return FoundBidder(read_company(response.company), read_bidder_proof(response.proof))
