"""What officers see of cards, and what they decide about them."""

from typing import TypeAlias

from certificate_registry.convert.registry import write_card_state
from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.listed_card import MOST_LISTED, CardQuery, ListedCard
from certificate_registry.domain.predecessor import LinkRequest, NamedPredecessor, NamedQuery
from certificate_registry.domain.reopening import ReopeningRequest
from certificate_registry.domain.suspension import CardRequest, Suspension
from certificate_registry.pki.certificate import format_serial_decimal, format_serial_hexadecimal
from refusals import Code, Refusal
from servicekit.messages import check_sha256, find_uuid, write_timestamp
from toroku.certificate.v1 import cards_pb2

_Request: TypeAlias = (
    cards_pb2.ReopenRegistrationRequest
    | cards_pb2.LinkPredecessorRequest
    | cards_pb2.SuspendCardRequest
    | cards_pb2.ConfirmCardSuspensionRequest
    | cards_pb2.ResumeCardRequest
    | cards_pb2.UndoBindingRequest
)


def read_card_query(request: cards_pb2.ListCardsRequest) -> CardQuery:
    """Returns which cards are asked for.

    Raises CARD_OR_BIDDER_MISSING unless either a bidder or a card is named, CERTIFICATE_SHA256_INVALID, PAGE_INVALID.
    """
    if bool(request.bidder_id) == bool(request.certificate_sha256):
        raise Refusal("CARD_OR_BIDDER_MISSING", Code.INVALID_ARGUMENT)
    if request.after:
        check_sha256(request.after, "PAGE_INVALID")
    if not 0 <= request.most <= MOST_LISTED:
        raise Refusal("PAGE_INVALID", Code.INVALID_ARGUMENT)
    return CardQuery(
        agency=request.agency,
        category=request.category,
        bidder_id=request.bidder_id or None,
        certificate_sha256=_check_card(request.certificate_sha256) if request.certificate_sha256 else None,
        after=request.after,
        most=request.most or MOST_LISTED,
    )


def read_card_request(request: _Request) -> CardRequest:
    """Returns what an officer asks for a card; raises CERTIFICATE_SHA256_INVALID."""
    return CardRequest(
        key=CardKey(_check_card(request.certificate_sha256), request.category),
        agency=request.agency,
        bidder_id=request.bidder_id,
        reason="" if isinstance(request, cards_pb2.ConfirmCardSuspensionRequest) else request.reason,
    )


def read_reopening(request: cards_pb2.ReopenRegistrationRequest) -> ReopeningRequest:
    """Returns what an officer asks for a replaced card; raises CERTIFICATE_SHA256_INVALID."""
    return ReopeningRequest(of_card=read_card_request(request), replaced_by=_check_card(request.replaced_by))


def read_link(request: cards_pb2.LinkPredecessorRequest) -> LinkRequest:
    """Returns what an officer asks for a card and the one before it; raises CERTIFICATE_SHA256_INVALID."""
    return LinkRequest(of_card=read_card_request(request), predecessor=_check_card(request.predecessor))


def read_named_query(request: cards_pb2.ListNamedPredecessorsRequest) -> NamedQuery:
    """Returns which named cards are asked for; raises PAGE_INVALID."""
    after = find_uuid(request.after) if request.after else None
    if (request.after and after is None) or not 0 <= request.most <= MOST_LISTED:
        raise Refusal("PAGE_INVALID", Code.INVALID_ARGUMENT)
    return NamedQuery(agency=request.agency, category=request.category, after=after, most=request.most or MOST_LISTED)


def write_named(named: NamedPredecessor) -> cards_pb2.NamedPredecessor:
    """Returns a card that a contractor named."""
    return cards_pb2.NamedPredecessor(
        registration_id=str(named.registration_id),
        bidder_id=named.bidder_id,
        certificate_sha256=named.certificate_sha256,
        predecessor=named.predecessor,
        predecessor_serial=format_serial_decimal(named.predecessor_serial),
        predecessor_not_after=write_timestamp(named.predecessor_not_after),
        named_at=write_timestamp(named.named_at),
    )


def write_listed_card(card: ListedCard) -> cards_pb2.ListedCard:
    """Returns a card as officers see it."""
    facts = card.facts
    return cards_pb2.ListedCard(
        state=write_card_state(card.state),
        serial_decimal=format_serial_decimal(facts.serial),
        serial_hexadecimal=format_serial_hexadecimal(facts.serial),
        issuer=facts.issuer,
        not_after=write_timestamp(facts.not_after),
        revoked_at=None if facts.revoked_at is None else write_timestamp(facts.revoked_at),
        bound_at=write_timestamp(facts.bound_at),
        bound_by_agency=facts.bound_by_agency,
        suspensions=[_write_suspension(suspension) for suspension in card.suspensions],
    )


def _write_suspension(suspension: Suspension) -> cards_pb2.CardSuspension:
    lapses_at = suspension.lapses_at
    return cards_pb2.CardSuspension(
        agency=suspension.agency,
        reason=suspension.reason,
        suspended_by=suspension.suspended_by,
        suspended_at=write_timestamp(suspension.suspended_at),
        lapses_at=None if lapses_at is None else write_timestamp(lapses_at),
        confirmed_by=suspension.confirmed_by or "",
    )


def _check_card(certificate_sha256: bytes) -> bytes:
    return check_sha256(certificate_sha256, "CERTIFICATE_SHA256_INVALID")
