"""What the command serve offers to officers about cards."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from certificate_registry.operations.binding_undo import BindingUndo
from certificate_registry.operations.card_listing import CardListing
from certificate_registry.operations.predecessor_link import PredecessorLinks
from certificate_registry.operations.registration_reopening import RegistrationReopening
from certificate_registry.operations.suspension import CardSuspensions
from certificate_registry.servicer.card_proposals import ReopeningHandler, ResumptionHandler, UndoHandler
from certificate_registry.servicer.cards import Cards
from officers.proposal import FourEyesHandler
from officers.servicer import Officers
from servicekit.database_clock import DatabaseClock
from toroku.certificate.v1 import cards_pb2, cards_pb2_grpc

CARDS = cards_pb2.DESCRIPTOR.services_by_name["Cards"]


def list_card_handlers(suspensions: CardSuspensions) -> Sequence[FourEyesHandler]:
    """Returns what two officers decide about cards."""
    undo = BindingUndo(profile=suspensions.profile, chain=suspensions.chain)
    reopening = RegistrationReopening(profile=suspensions.profile, chain=suspensions.chain)
    return [
        ResumptionHandler(suspensions=suspensions, deliveries=suspensions.deliveries),
        UndoHandler(undo=undo, deliveries=suspensions.deliveries),
        ReopeningHandler(reopening=reopening, deliveries=suspensions.deliveries),
    ]


def offer_cards(
    suspensions: CardSuspensions, of_service: Officers, clock: DatabaseClock
) -> Mapping[ServiceDescriptor, Callable[[grpc.aio.Server], None]]:
    """Returns the service Cards, with what adds it to a server."""
    listing = CardListing(database=suspensions.database, profile=suspensions.profile)
    links = PredecessorLinks(
        database=suspensions.database,
        profile=suspensions.profile,
        chain=suspensions.chain,
        clock=clock,
    )
    servicer = Cards(listing=listing, suspensions=suspensions, links=links, officers=of_service)
    return {CARDS: partial(cards_pb2_grpc.add_CardsServicer_to_server, servicer)}
