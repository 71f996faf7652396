"""The gRPC service Cards: convert, call one operation, convert."""

from typing_extensions import override

from certificate_registry.convert.cards import (
    read_card_query,
    read_card_request,
    read_link,
    read_named_query,
    write_listed_card,
    write_named,
)
from certificate_registry.operations.card_listing import CardListing
from certificate_registry.operations.predecessor_link import PredecessorLinks
from certificate_registry.operations.suspension import CardSuspensions
from officers.servicer import Officers
from servicekit.context import Context
from servicekit.identity import caller
from servicekit.messages import write_timestamp
from toroku.certificate.v1 import cards_pb2, cards_pb2_grpc


class Cards(cards_pb2_grpc.CardsServicer):
    """What officers see of cards, and what they decide about them."""

    def __init__(
        self, *, listing: CardListing, suspensions: CardSuspensions, links: PredecessorLinks, officers: Officers
    ) -> None:
        self._listing = listing
        self._suspensions = suspensions
        self._links = links
        self._officers = officers

    @override
    async def ListCards(self, request: cards_pb2.ListCardsRequest, context: Context) -> cards_pb2.ListCardsResponse:
        """Lists cards of a bidder, or one card."""
        cards = await self._listing.list_cards(read_card_query(request))
        return cards_pb2.ListCardsResponse(cards=[write_listed_card(card) for card in cards])

    @override
    async def SuspendCard(
        self, request: cards_pb2.SuspendCardRequest, context: Context
    ) -> cards_pb2.SuspendCardResponse:
        """Suspends a card at once."""
        act = self._officers.methods.read(request, caller())
        lapses_at, not_yet = await self._suspensions.suspend(read_card_request(request), act)
        return cards_pb2.SuspendCardResponse(lapses_at=write_timestamp(lapses_at), not_yet_effective_at=not_yet)

    @override
    async def ConfirmCardSuspension(
        self, request: cards_pb2.ConfirmCardSuspensionRequest, context: Context
    ) -> cards_pb2.ConfirmCardSuspensionResponse:
        """Confirms another person's suspension."""
        act = self._officers.methods.read(request, caller())
        confirmed_at = await self._suspensions.confirm(read_card_request(request), act)
        return cards_pb2.ConfirmCardSuspensionResponse(confirmed_at=write_timestamp(confirmed_at))

    @override
    async def ResumeCard(self, request: cards_pb2.ResumeCardRequest, context: Context) -> cards_pb2.ResumeCardResponse:
        """Proposes the end of a suspension."""
        proposal = await self._officers.proposals.propose(request, caller())
        return cards_pb2.ResumeCardResponse(proposal=proposal)

    @override
    async def UndoBinding(
        self, request: cards_pb2.UndoBindingRequest, context: Context
    ) -> cards_pb2.UndoBindingResponse:
        """Proposes the undo of a binding."""
        proposal = await self._officers.proposals.propose(request, caller())
        return cards_pb2.UndoBindingResponse(proposal=proposal)

    @override
    async def ReopenRegistration(
        self, request: cards_pb2.ReopenRegistrationRequest, context: Context
    ) -> cards_pb2.ReopenRegistrationResponse:
        """Proposes to take back a renewal."""
        proposal = await self._officers.proposals.propose(request, caller())
        return cards_pb2.ReopenRegistrationResponse(proposal=proposal)

    @override
    async def LinkPredecessor(
        self, request: cards_pb2.LinkPredecessorRequest, context: Context
    ) -> cards_pb2.LinkPredecessorResponse:
        """Links a card to the expired one that it comes after."""
        act = self._officers.methods.read(request, caller())
        linked_at = await self._links.link(read_link(request), act)
        return cards_pb2.LinkPredecessorResponse(linked_at=write_timestamp(linked_at))

    @override
    async def ListNamedPredecessors(
        self, request: cards_pb2.ListNamedPredecessorsRequest, context: Context
    ) -> cards_pb2.ListNamedPredecessorsResponse:
        """Lists what contractors named and nobody has linked."""
        named = await self._links.list_named(read_named_query(request))
        return cards_pb2.ListNamedPredecessorsResponse(named=[write_named(one) for one in named])
