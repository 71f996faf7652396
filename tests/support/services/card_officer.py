"""An officer's client of certificate-registry."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.support.example_profile import BIDDER, WORKS
from tests.support.officers import Office, SigningOfficer, call, sign_and_call
from tests.support.services.card_visit import Visit
from toroku.certificate.v1 import cards_pb2
from toroku.certificate.v1.cards_pb2_grpc import CardsStub
from toroku.officer.v1 import proposals_pb2
from toroku.officer.v1.proposals_pb2_grpc import ProposalsStub

if TYPE_CHECKING:
    from toroku.certificate.v1.cards_pb2_grpc import CardsAsyncStub
    from toroku.officer.v1.proposals_pb2_grpc import ProposalsAsyncStub

REASON = "盗難の届出があったため"
# Longer than any time that a test lets pass.
_VALID_FOR = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class CardOfficer:
    """What an officer does about cards; each change is an act that the officer signs."""

    person: SigningOfficer

    @property
    def name(self) -> str:
        """The officer as agency/person."""
        return self.person.name

    @property
    def agency(self) -> str:
        """The officer's agency, or operator."""
        return self.name.partition("/")[0]

    @property
    def _cards(self) -> "CardsAsyncStub":
        return CardsStub(self.person.channel)

    @property
    def _proposals(self) -> "ProposalsAsyncStub":
        return ProposalsStub(self.person.channel)

    async def list_cards(self, **query: Any) -> list[cards_pb2.ListedCard]:
        """Lists the cards of the bidder, unless the query says others."""
        values = {"agency": self.agency, "category": WORKS} | (query or {"bidder_id": BIDDER})
        response = await call(self._cards.ListCards, cards_pb2.ListCardsRequest(**values))
        return list(response.cards)

    async def suspend(self, visit: Visit, *, request_id: str = "", **changes: Any) -> cards_pb2.SuspendCardResponse:
        """Suspends the visit's card at the officer's agency."""
        request = cards_pb2.SuspendCardRequest(**self._describe(visit, {"reason": REASON} | changes))
        response: cards_pb2.SuspendCardResponse = await sign_and_call(
            self._cards.SuspendCard, request, self.person, request_id=request_id
        )
        return response

    async def confirm(self, visit: Visit) -> None:
        """Confirms a suspension."""
        request = cards_pb2.ConfirmCardSuspensionRequest(**self._describe(visit, {}))
        await sign_and_call(self._cards.ConfirmCardSuspension, request, self.person)

    async def propose_resumption(self, visit: Visit) -> proposals_pb2.ProposalRecord:
        """Proposes that a suspension ends."""
        request = cards_pb2.ResumeCardRequest(**self._describe(visit, {"reason": REASON}))
        response: cards_pb2.ResumeCardResponse = await sign_and_call(self._cards.ResumeCard, request, self.person)
        return response.proposal

    async def propose_undo(self, visit: Visit, **changes: Any) -> proposals_pb2.ProposalRecord:
        """Proposes the undo of the binding of the visit's card."""
        request = cards_pb2.UndoBindingRequest(**self._describe(visit, {"reason": REASON} | changes))
        response: cards_pb2.UndoBindingResponse = await sign_and_call(self._cards.UndoBinding, request, self.person)
        return response.proposal

    async def propose_reopening(self, visit: Visit, new: Visit, **changes: Any) -> proposals_pb2.ProposalRecord:
        """Proposes to take back the renewal by which a new card took the place of the visit's."""
        values = self._describe(visit, {"replaced_by": new.card.sha256, "reason": REASON} | changes)
        request = cards_pb2.ReopenRegistrationRequest(**values)
        response: cards_pb2.ReopenRegistrationResponse = await sign_and_call(
            self._cards.ReopenRegistration, request, self.person
        )
        return response.proposal

    async def link(
        self, visit: Visit, predecessor: Visit, *, request_id: str = "", **changes: Any
    ) -> cards_pb2.LinkPredecessorResponse:
        """Links the visit's card to the one before it."""
        values = self._describe(visit, {"predecessor": predecessor.card.sha256, "reason": REASON} | changes)
        response: cards_pb2.LinkPredecessorResponse = await sign_and_call(
            self._cards.LinkPredecessor,
            cards_pb2.LinkPredecessorRequest(**values),
            self.person,
            request_id=request_id,
        )
        return response

    async def list_named(self, **query: Any) -> list[cards_pb2.NamedPredecessor]:
        """Lists the cards that contractors named at the officer's agency."""
        values = {"agency": self.agency, "category": WORKS} | query
        response = await call(self._cards.ListNamedPredecessors, cards_pb2.ListNamedPredecessorsRequest(**values))
        return list(response.named)

    async def approve(self, record: proposals_pb2.ProposalRecord) -> proposals_pb2.ApproveProposalResponse:
        """Approves a proposal, as it was shown."""
        request = proposals_pb2.ApproveProposalRequest(
            proposal_id=record.proposal.proposal_id, proposal_sha256=record.proposal_sha256
        )
        response: proposals_pb2.ApproveProposalResponse = await sign_and_call(
            self._proposals.ApproveProposal, request, self.person
        )
        return response

    async def find_proposal(self, record: proposals_pb2.ProposalRecord) -> proposals_pb2.ProposalRecord:
        """Returns a proposal as it is now."""
        request = proposals_pb2.GetProposalRequest(proposal_id=record.proposal.proposal_id)
        response: proposals_pb2.GetProposalResponse = await call(self._proposals.GetProposal, request)
        return response.proposal

    def _describe(self, visit: Visit, changes: dict[str, Any]) -> dict[str, Any]:
        return {
            "agency": self.agency,
            "category": visit.category,
            "certificate_sha256": visit.card.sha256,
            "bidder_id": visit.bidder_id,
        } | changes


async def appoint_officer(office: Office, name: str, *roles: str) -> CardOfficer:
    """Returns an officer (`agency/person`) with these roles, of whom the service was told."""
    person = await office.connect(name)
    state = person.report(*roles)
    # Good for longer than a test lets pass.
    lasting = [replace(good, valid_until=datetime.now(UTC) + _VALID_FOR) for good in state.certificates]
    await office.report(replace(state, certificates=lasting))
    return CardOfficer(person)
