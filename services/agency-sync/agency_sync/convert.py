"""protobuf ↔ domain: the only place where both meet."""

from collections.abc import Collection, Mapping
from uuid import UUID

from agency_sync.domain.propagation import (
    CARD_NOT_GOOD,
    REGISTRATION_UNKNOWN,
    Answer,
    Pair,
    Plan,
    Propagation,
    PropagationState,
)
from agency_sync.domain.registration import Registration
from servicekit.messages import read_timestamp, write_timestamp
from servicekit.versions import Version
from toroku.agencysync.v1 import propagation_pb2
from toroku.certificate.v1 import card_pb2, certificate_registry_pb2
from toroku.qualification.v1 import qualification_registry_pb2

_STATES = {
    PropagationState.PLANNED: propagation_pb2.PROPAGATION_STATE_PLANNED,
    PropagationState.DONE: propagation_pb2.PROPAGATION_STATE_DONE,
    PropagationState.REFUSED: propagation_pb2.PROPAGATION_STATE_REFUSED,
}
_REASONS = {
    certificate_registry_pb2.PropagatedRegistration.RESULT_DONE: "",
    certificate_registry_pb2.PropagatedRegistration.RESULT_CARD_NOT_GOOD: CARD_NOT_GOOD,
    certificate_registry_pb2.PropagatedRegistration.RESULT_REGISTRATION_UNKNOWN: REGISTRATION_UNKNOWN,
}


def read_registration(event: card_pb2.RegistrationEvent) -> Registration:
    """Returns the registration of an event."""
    registration = event.registration
    return Registration(
        registration_id=UUID(registration.registration_id),
        agency=registration.agency,
        category=registration.category,
        certificate_sha256=registration.certificate_sha256,
        bidder_id=registration.bidder_id,
        registered_at=read_timestamp(registration.registered_at),
        by_propagation=registration.origin == card_pb2.REGISTRATION_ORIGIN_PROPAGATION,
        version=Version(registration.version.epoch, registration.version.number),
    )


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
    )


def write_propagation_request(plan: Plan) -> certificate_registry_pb2.PropagateRegistrationsRequest:
    """Returns the request for all registrations that a plan requests, by agency."""
    return certificate_registry_pb2.PropagateRegistrationsRequest(
        agencies=[
            certificate_registry_pb2.AgencyPropagation(agency=agency, registration_ids=map(str, registration_ids))
            for agency, registration_ids in plan.requested.items()
        ]
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


def write_qualified_agencies_request(
    category: str, bidder_ids: Collection[str]
) -> qualification_registry_pb2.ListQualifiedAgenciesRequest:
    """Returns the request for the agencies at which bidders are qualified in a category."""
    return qualification_registry_pb2.ListQualifiedAgenciesRequest(category=category, bidder_ids=sorted(bidder_ids))


def read_qualified_agencies(
    response: qualification_registry_pb2.ListQualifiedAgenciesResponse,
) -> Mapping[str, Collection[str]]:
    """Returns the agencies at which each bidder of the response is qualified."""
    return {bidder.bidder_id: frozenset(bidder.agencies) for bidder in response.bidders}
