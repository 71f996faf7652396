"""qualification-registry: bidders and company profiles."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from front_door.adapters import SecondsLeft
from front_door.convert.bidder import read_bidder_proof, read_company, write_bidder_proof
from front_door.domain.bidder import BidderProof, BidderSearch, CompanyProfile, FoundBidder
from front_door.domain.card_session import Card
from toroku.qualification.v1 import card_approvals_pb2, qualification_registry_pb2

if TYPE_CHECKING:
    from toroku.qualification.v1.card_approvals_pb2_grpc import CardApprovalsAsyncStub
    from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryAsyncStub


@dataclass(frozen=True, slots=True)
class QualificationRegistry:
    """qualification-registry, over its stubs."""

    stub: "QualificationRegistryAsyncStub"
    card_approvals: "CardApprovalsAsyncStub"

    async def find_bidder(
        self, agency: str, category: str, card: Card, search: BidderSearch, seconds_left: SecondsLeft
    ) -> FoundBidder:
        """Returns the bidder that a contractor searches for with a card."""
        request = _write_search(agency, category, card, search)
        response = await self.stub.FindBidder(request, timeout=seconds_left())
        return FoundBidder(read_company(response.company), read_bidder_proof(response.proof))

    async def ask_for_approval(
        self,
        agency: str,
        category: str,
        card: Card,
        search: BidderSearch,
        mail_address: str,
        seconds_left: SecondsLeft,
    ) -> str:
        """Asks the agency's officers about the card of a search, and returns the question's number."""
        request = card_approvals_pb2.AskForCardApprovalRequest(
            search=_write_search(agency, category, card, search), mail_address=mail_address
        )
        return (await self.card_approvals.AskForCardApproval(request, timeout=seconds_left())).number

    async def get_company(
        self, agency: str, category: str, bidder_id: str, seconds_left: SecondsLeft
    ) -> CompanyProfile:
        """Returns the company of a bidder whose card proved itself."""
        request = qualification_registry_pb2.GetCompanyRequest(agency=agency, category=category, bidder_id=bidder_id)
        return read_company((await self.stub.GetCompany(request, timeout=seconds_left())).company)

    async def prove_bidder(
        self, agency: str, category: str, new_card: Card, bidder_id: str, seconds_left: SecondsLeft
    ) -> FoundBidder:
        """Returns the bidder whose old card proved itself, with a proof for its new card."""
        request = _write_renewal(agency, category, new_card, bidder_id)
        response = await self.stub.ProveBidder(request, timeout=seconds_left())
        return FoundBidder(read_company(response.company), read_bidder_proof(response.proof))

    async def ask_for_renewal_approval(
        self, agency: str, category: str, new_card: Card, bidder_id: str, mail_address: str, seconds_left: SecondsLeft
    ) -> str:
        """Asks the agency's officers about the new card of a renewal, and returns the question's number."""
        request = card_approvals_pb2.AskForRenewalApprovalRequest(
            bidder=_write_renewal(agency, category, new_card, bidder_id), mail_address=mail_address
        )
        return (await self.card_approvals.AskForRenewalApproval(request, timeout=seconds_left())).number

    async def confirm_bidder(self, proof: BidderProof, card: Card, seconds_left: SecondsLeft) -> FoundBidder:
        """Returns the bidder of a card's proof as it is now, after everything that can change was checked again."""
        request = qualification_registry_pb2.ConfirmBidderRequest(
            proof=write_bidder_proof(proof),
            certificate_company_name=card.company_name,
            certificate_holder_name=card.holder_name,
        )
        response = await self.stub.ConfirmBidder(request, timeout=seconds_left())
        return FoundBidder(read_company(response.company), read_bidder_proof(response.proof))


def _write_renewal(
    agency: str, category: str, card: Card, bidder_id: str
) -> qualification_registry_pb2.ProveBidderRequest:
    return qualification_registry_pb2.ProveBidderRequest(
        agency=agency,
        category=category,
        bidder_id=bidder_id,
        certificate_sha256=card.certificate_sha256,
        certificate_company_name=card.company_name,
        certificate_holder_name=card.holder_name,
    )


def _write_search(
    agency: str, category: str, card: Card, search: BidderSearch
) -> qualification_registry_pb2.FindBidderRequest:
    return qualification_registry_pb2.FindBidderRequest(
        agency=agency,
        category=category,
        certificate_sha256=card.certificate_sha256,
        name=search.name,
        bidder_id=search.bidder_id,
        password=search.password,
        certificate_company_name=card.company_name,
        certificate_holder_name=card.holder_name,
    )
