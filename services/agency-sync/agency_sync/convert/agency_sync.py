"""protobuf ↔ domain: the only place where both meet."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from agency_sync.domain.bidder_state import (
    BIDDER_SUSPENDED,
    ApprovedCard,
    BidderState,
    CompanyReview,
    QualifiedPeriod,
)
from agency_sync.domain.card_state import (
    UNKNOWN_CERTIFICATE,
    AgencyRegistration,
    CardState,
    Certificate,
    CompanyComparison,
    HolderComparison,
    Origin,
    Proven,
    RegistrationState,
    Standing,
)
from agency_sync.domain.intention import IntentionKind
from agency_sync.domain.propagation import (
    CARD_NOT_GOOD,
    REGISTRATION_UNKNOWN,
    Answer,
    Pair,
    Plan,
    Propagation,
    PropagationProgress,
    PropagationState,
)
from instance_profile.characters import shorten_visible
from refusals import Code, Refusal
from servicekit.messages import SHA256_BYTES, find_uuid, read_timestamp, write_timestamp
from servicekit.versions import Version
from toroku.agencysync.v1 import agency_sync_pb2, propagation_pb2
from toroku.certificate.v1 import card_pb2, card_state_pb2, certificate_registry_pb2
from toroku.contact.v1 import contact_notification_pb2
from toroku.qualification.v1 import bidder_pb2, bidder_state_pb2

# States of one message.
MOST_CARD_STATES = 500
MOST_BIDDER_STATES = 500
# Of one bidder in a category.
_MOST_APPROVED_CARDS = 500
# Characters of a bidder id that a refusal repeats.
_MOST_SHOWN_CHARACTERS = 64
# No agency's code has them.
_NOT_IN_CODES = frozenset(" \0")
_BIDDER_STATUSES = frozenset(
    {
        bidder_state_pb2.BIDDER_STATUS_ACTIVE,
        bidder_state_pb2.BIDDER_STATUS_SUSPENDED,
        bidder_state_pb2.BIDDER_STATUS_ENDED,
    }
)

_REGISTRATION_STATES = {
    card_state_pb2.REGISTRATION_STATE_GOOD: RegistrationState.GOOD,
    card_state_pb2.REGISTRATION_STATE_SUSPENDED: RegistrationState.SUSPENDED,
    card_state_pb2.REGISTRATION_STATE_REPLACED: RegistrationState.REPLACED,
    card_state_pb2.REGISTRATION_STATE_ENDED: RegistrationState.ENDED,
}
_STANDINGS = {
    card_state_pb2.CertificateStanding.STATE_TRUSTED: Standing.TRUSTED,
    card_state_pb2.CertificateStanding.STATE_REVOKED: Standing.REVOKED,
    card_state_pb2.CertificateStanding.STATE_NOT_TRUSTED: Standing.NOT_TRUSTED,
}
_ORIGINS = {
    card_pb2.REGISTRATION_ORIGIN_CONTRACTOR: Origin.CONTRACTOR,
    card_pb2.REGISTRATION_ORIGIN_RENEWAL: Origin.RENEWAL,
    card_pb2.REGISTRATION_ORIGIN_PROPAGATION: Origin.PROPAGATION,
}
_COMPANY_COMPARISONS = {
    bidder_pb2.COMPANY_COMPARISON_SAME: CompanyComparison.SAME,
    bidder_pb2.COMPANY_COMPARISON_UNREADABLE: CompanyComparison.UNREADABLE,
    bidder_pb2.COMPANY_COMPARISON_DIFFERENT: CompanyComparison.DIFFERENT,
}
_HOLDER_COMPARISONS = {
    bidder_pb2.HOLDER_COMPARISON_CONTRACT_PARTY: HolderComparison.CONTRACT_PARTY,
    bidder_pb2.HOLDER_COMPARISON_REPRESENTATIVE: HolderComparison.REPRESENTATIVE,
    bidder_pb2.HOLDER_COMPARISON_UNREADABLE: HolderComparison.UNREADABLE,
    bidder_pb2.HOLDER_COMPARISON_DIFFERENT: HolderComparison.DIFFERENT,
}
_STATES = {
    PropagationState.PLANNED: propagation_pb2.PROPAGATION_STATE_PLANNED,
    PropagationState.DONE: propagation_pb2.PROPAGATION_STATE_DONE,
    PropagationState.REFUSED: propagation_pb2.PROPAGATION_STATE_REFUSED,
}
_KINDS = {
    IntentionKind.REGISTRATION: propagation_pb2.PROPAGATION_KIND_REGISTRATION,
    IntentionKind.RENEWAL: propagation_pb2.PROPAGATION_KIND_RENEWAL,
    IntentionKind.CHANGE: propagation_pb2.PROPAGATION_KIND_CHANGE,
}
_REASONS = {
    certificate_registry_pb2.PropagatedRegistration.RESULT_DONE: "",
    certificate_registry_pb2.PropagatedRegistration.RESULT_CARD_NOT_GOOD: CARD_NOT_GOOD,
    certificate_registry_pb2.PropagatedRegistration.RESULT_REGISTRATION_UNKNOWN: REGISTRATION_UNKNOWN,
    certificate_registry_pb2.PropagatedRegistration.RESULT_BIDDER_SUSPENDED: BIDDER_SUSPENDED,
}


def read_card_states(
    request: agency_sync_pb2.RecordCardStatesRequest,
) -> tuple[Sequence[CardState], Sequence[Refusal]]:
    """Returns the states of cards, and a refusal (CARD_STATE_INVALID) for each that can't be read.

    Raises INPUT_TOO_MANY.
    """
    if len(request.card_states) > MOST_CARD_STATES:
        raise Refusal("INPUT_TOO_MANY", Code.INVALID_ARGUMENT, {"most": str(MOST_CARD_STATES)})
    states: list[CardState] = []
    unreadable: list[Refusal] = []
    for message in request.card_states:
        try:
            states.append(read_card_state(message))
        except Refusal as refusal:
            unreadable.append(refusal)
    return states, unreadable


def read_card_state(message: card_state_pb2.CardState) -> CardState:
    """Returns the state of a card; raises CARD_STATE_INVALID."""
    card = message.certificate_sha256
    if len(card) != SHA256_BYTES:
        raise _refuse_card_state(card, "certificate_sha256")
    for part in ("category", "bidder_id"):
        # The database keeps no text with NUL.
        if not getattr(message, part) or "\0" in getattr(message, part):
            raise _refuse_card_state(card, part)
    if not message.HasField("version"):
        raise _refuse_card_state(card, "version")
    return CardState(
        certificate_sha256=message.certificate_sha256,
        category=message.category,
        version=Version(message.version.epoch, message.version.number),
        bidder_id=message.bidder_id,
        is_live=message.binding == card_state_pb2.BINDING_STATE_LIVE,
        is_suspended=message.suspended,
        proven=Proven(
            password=message.proven.password,
            # Where nothing is said that this version knows, only an officer can tell.
            company=_COMPANY_COMPARISONS.get(message.proven.company, CompanyComparison.UNREADABLE),
            holder=_HOLDER_COMPARISONS.get(message.proven.holder, HolderComparison.UNREADABLE),
        ),
        registrations={
            registration.agency: _read_registration(card, registration) for registration in message.registrations
        },
        certificate=_read_certificate(message.certificate),
    )


def _read_certificate(message: card_state_pb2.CertificateStanding) -> Certificate:
    standing = _STANDINGS.get(message.state)
    # Of which nothing is said that this version knows, nobody can rely on.
    if standing is None or not message.HasField("not_before") or not message.HasField("not_after"):
        return UNKNOWN_CERTIFICATE
    return Certificate(standing, read_timestamp(message.not_before), read_timestamp(message.not_after))


def _read_registration(card: bytes, message: card_state_pb2.AgencyRegistration) -> AgencyRegistration:
    if not message.agency or "\0" in message.agency:
        raise _refuse_card_state(card, "registrations.agency")
    registration_id = find_uuid(message.registration_id)
    if registration_id is None:
        raise _refuse_card_state(card, "registrations.registration_id")
    state = _REGISTRATION_STATES.get(message.state)
    if state is None:
        raise _refuse_card_state(card, "registrations.state")
    for part in ("replaced_by", "predecessor"):
        if len(getattr(message, part)) not in (0, SHA256_BYTES):
            raise _refuse_card_state(card, f"registrations.{part}")
    origin = _ORIGINS.get(message.origin, Origin.CONTRACTOR)
    if origin is Origin.RENEWAL and not message.predecessor:
        raise _refuse_card_state(card, "registrations.predecessor")
    return AgencyRegistration(
        registration_id,
        state,
        origin,
        replaced_by=message.replaced_by or None,
        predecessor=message.predecessor or None,
        stays_here=message.stays_here,
        registered_at=read_timestamp(message.registered_at) if message.HasField("registered_at") else None,
    )


def read_bidder_states(request: agency_sync_pb2.RecordBidderStatesRequest) -> Sequence[BidderState]:
    """Returns the states of bidders; raises BIDDER_STATE_INVALID, INPUT_TOO_MANY."""
    if len(request.bidder_states) > MOST_BIDDER_STATES:
        raise Refusal("INPUT_TOO_MANY", Code.INVALID_ARGUMENT, {"most": str(MOST_BIDDER_STATES)})
    return list(map(_read_bidder_state, request.bidder_states))


def _read_bidder_state(message: bidder_state_pb2.BidderState) -> BidderState:
    if message.status not in _BIDDER_STATUSES:
        raise _refuse_bidder_state(message, "status")
    for part in ("bidder_id", "category"):
        # The database keeps no text with NUL.
        if not getattr(message, part) or "\0" in getattr(message, part):
            raise _refuse_bidder_state(message, part)
    if not message.HasField("version"):
        raise _refuse_bidder_state(message, "version")
    if not all(map(_can_be_code, message.suspended_agencies)):
        raise _refuse_bidder_state(message, "suspended_agencies")
    if len(message.approved_cards) > _MOST_APPROVED_CARDS or not all(
        _can_be_code(card.agency) and len(card.certificate_sha256) == SHA256_BYTES for card in message.approved_cards
    ):
        raise _refuse_bidder_state(message, "approved_cards")
    for part in ("qualified", "reviews"):
        if not all(_can_be_code(agency) for of_some in getattr(message, part) for agency in of_some.agencies):
            raise _refuse_bidder_state(message, part)
    if not all(review.HasField("began_at") for review in message.reviews):
        raise _refuse_bidder_state(message, "reviews")
    return BidderState(
        bidder_id=message.bidder_id,
        category=message.category,
        version=Version(message.version.epoch, message.version.number),
        is_suspended=message.status == bidder_state_pb2.BIDDER_STATUS_SUSPENDED,
        suspended_agencies=frozenset(message.suspended_agencies),
        approved_cards=[
            ApprovedCard(card.agency, card.certificate_sha256, card.company, card.holder)
            for card in message.approved_cards
        ],
        is_ended=message.status == bidder_state_pb2.BIDDER_STATUS_ENDED,
        qualified=[
            QualifiedPeriod(
                read_timestamp(period.qualified_from) if period.HasField("qualified_from") else None,
                read_timestamp(period.qualified_until) if period.HasField("qualified_until") else None,
                frozenset(period.agencies),
            )
            for period in message.qualified
        ],
        reviews=[
            CompanyReview(read_timestamp(review.began_at), frozenset(review.agencies)) for review in message.reviews
        ],
    )


def _can_be_code(agency: str) -> bool:
    return bool(agency) and _NOT_IN_CODES.isdisjoint(agency)


def _refuse_bidder_state(message: bidder_state_pb2.BidderState, part: str) -> Refusal:
    bidder_id = shorten_visible(message.bidder_id, _MOST_SHOWN_CHARACTERS)
    return Refusal("BIDDER_STATE_INVALID", Code.INVALID_ARGUMENT, {"bidder_id": bidder_id, "part": part})


def _refuse_card_state(certificate_sha256: bytes, part: str) -> Refusal:
    metadata = {"certificate_sha256": certificate_sha256[:SHA256_BYTES].hex(), "part": part}
    return Refusal("CARD_STATE_INVALID", Code.INVALID_ARGUMENT, metadata)


def read_registration_id(text: str) -> UUID | None:
    """Returns a registration's id; None for a text that can't be the id of any."""
    try:
        return UUID(text)
    except ValueError:
        return None


def write_propagation(propagation: Propagation) -> propagation_pb2.Propagation:
    """Returns the message of a propagation."""
    return propagation_pb2.Propagation(
        registration_id=str(propagation.registration_id),
        agency=propagation.agency,
        state=_STATES[propagation.state],
        reason=propagation.reason,
        updated_at=write_timestamp(propagation.updated_at),
        kind=_KINDS[propagation.kind],
        planned_at=write_timestamp(propagation.planned_at) if propagation.planned_at else None,
    )


def write_progress(
    progress: PropagationProgress, next_batch_at: datetime | None
) -> agency_sync_pb2.GetPropagationProgressResponse:
    """Returns the message of how far an agency's propagations are."""
    return agency_sync_pb2.GetPropagationProgressResponse(
        next_batch_at=write_timestamp(next_batch_at) if next_batch_at else None,
        running_since=write_timestamp(progress.running_since) if progress.running_since else None,
        planned=progress.planned,
        due=progress.due,
        waiting=progress.waiting,
        done=progress.done,
        refused=progress.refused,
    )


def write_propagation_request(plan: Plan) -> certificate_registry_pb2.PropagateRegistrationsRequest:
    """Returns the request for all registrations that a plan requests, by agency."""
    return certificate_registry_pb2.PropagateRegistrationsRequest(
        agencies=[
            certificate_registry_pb2.AgencyPropagation(agency=agency, registration_ids=map(str, registration_ids))
            for agency, registration_ids in plan.requested.items()
        ],
        taking_over_ids=map(str, plan.taking_over),
    )


def read_answers(response: certificate_registry_pb2.PropagateRegistrationsResponse) -> Mapping[Pair, Answer]:
    """Returns the answer for each pair; a result that this version does not know counts as no answer."""
    return {
        (UUID(result.source_registration_id), result.agency): Answer(
            _REASONS[result.result], UUID(result.registration_id) if result.registration_id else None
        )
        for result in response.results
        if result.result in _REASONS
    }


def write_changes_request(plan: Plan) -> contact_notification_pb2.PropagateChangesRequest:
    """Returns the request for all changes that a plan requests, by agency."""
    return contact_notification_pb2.PropagateChangesRequest(
        agencies=[
            contact_notification_pb2.AgencyChanges(agency=agency, change_ids=map(str, change_ids))
            for agency, change_ids in plan.requested.items()
        ]
    )


def read_unknown_changes(response: contact_notification_pb2.PropagateChangesResponse) -> frozenset[UUID]:
    """Returns the changes that contact-notification does not know."""
    return frozenset(map(UUID, response.unknown_change_ids))
