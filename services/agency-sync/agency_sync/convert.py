"""protobuf ↔ domain: the only place where both meet."""

from collections.abc import Iterable, Mapping
from datetime import UTC
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from agency_sync.domain import (
    CARD_NOT_GOOD,
    REGISTRATION_UNKNOWN,
    Answer,
    Pair,
    Plan,
    Propagation,
    PropagationState,
    Registration,
    Version,
)
from toroku.agencysync.v1 import resources_pb2
from toroku.certificate.v1 import resources_pb2 as certificate_pb2
from toroku.certificate.v1 import service_pb2 as certificate_service_pb2

_STATES = {
    PropagationState.PLANNED: resources_pb2.PROPAGATION_STATE_PLANNED,
    PropagationState.DONE: resources_pb2.PROPAGATION_STATE_DONE,
    PropagationState.REFUSED: resources_pb2.PROPAGATION_STATE_REFUSED,
}
_REASONS = {
    certificate_service_pb2.PropagatedRegistration.RESULT_DONE: "",
    certificate_service_pb2.PropagatedRegistration.RESULT_CARD_NOT_GOOD: CARD_NOT_GOOD,
    certificate_service_pb2.PropagatedRegistration.RESULT_REGISTRATION_UNKNOWN: REGISTRATION_UNKNOWN,
}


def registration(event: certificate_pb2.RegistrationEvent) -> Registration:
    """The registration of an event."""
    told = event.registration
    return Registration(
        registration_id=UUID(told.registration_id),
        agency=told.agency,
        category=told.category,
        certificate_sha256=told.certificate_sha256,
        bidder_id=told.bidder_id,
        registered_at=told.registered_at.ToDatetime(UTC),
        by_propagation=told.origin == certificate_pb2.REGISTRATION_ORIGIN_PROPAGATION,
        version=Version(told.version.epoch, told.version.number),
    )


def propagation_request(made: Plan) -> certificate_service_pb2.PropagateRegistrationsRequest:
    """All registrations that a plan wants, by agency."""
    return certificate_service_pb2.PropagateRegistrationsRequest(
        agencies=[
            certificate_service_pb2.AgencyPropagation(agency=agency, registration_ids=map(str, registration_ids))
            for agency, registration_ids in made.wanted.items()
        ]
    )


def answers(results: Iterable[certificate_service_pb2.PropagatedRegistration]) -> Mapping[Pair, Answer]:
    """What became of each pair; a result that this version does not know counts as none."""
    return {
        (UUID(result.source_registration_id), result.agency): Answer(
            _REASONS[result.result], UUID(result.registration_id) if result.registration_id else None
        )
        for result in results
        if result.result in _REASONS
    }


def propagation_message(found: Propagation) -> resources_pb2.Propagation:
    """A propagation for the wire."""
    updated_at = Timestamp()
    updated_at.FromDatetime(found.updated_at.astimezone(UTC))
    return resources_pb2.Propagation(
        registration_id=str(found.registration_id),
        agency=found.agency,
        state=_STATES[found.state],
        reason=found.reason,
        updated_at=updated_at,
    )
