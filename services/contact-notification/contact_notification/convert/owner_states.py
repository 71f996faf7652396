"""The states of contacts' owners, and the changes that agencies follow."""

from collections.abc import Sequence
from uuid import UUID

from contact_notification.domain.change import Purpose
from contact_notification.domain.owner_state import OwnerState
from refusals import Code, Refusal
from servicekit.messages import check_request_id, write_timestamp
from toroku.contact.v1 import contact_notification_pb2, contact_pb2, owner_state_pb2
from toroku.event.v1 import version_pb2

# The most pairs of an agency and a change that one call may hold.
MOST_PAIRS = 200_000

_PURPOSES = {
    Purpose.CARD: contact_pb2.CONTACT_PURPOSE_CARD,
    Purpose.REPRESENTATIVE: contact_pb2.CONTACT_PURPOSE_REPRESENTATIVE,
}


def write_owner_state(state: OwnerState) -> owner_state_pb2.ContactOwnerState:
    """Returns the message of an owner's state."""
    return owner_state_pb2.ContactOwnerState(
        owner_id=str(state.owner_id),
        purpose=_PURPOSES[state.purpose],
        category=state.category,
        bidder_id=state.bidder_id,
        certificate_sha256=state.certificate_sha256 or b"",
        version=version_pb2.Version(epoch=state.version.epoch, number=state.version.number),
        contact_version=state.contact_version,
        pins=[
            owner_state_pb2.ContactPin(agency=agency, contact_version=version) for agency, version in state.pins.items()
        ],
        planned=[
            owner_state_pb2.PlannedChange(
                change_id=str(change.change_id),
                certificate_sha256=change.certificate_sha256,
                agency=change.agency,
                agencies=change.agencies,
                made_at=write_timestamp(change.made_at),
            )
            for change in state.planned
        ],
    )


def read_agency_changes(
    request: contact_notification_pb2.PropagateChangesRequest,
) -> Sequence[tuple[str, UUID]]:
    """Returns the changes that agencies follow now, each an agency with a change id, once.

    Raises INPUT_TOO_MANY and REQUEST_ID_INVALID.
    """
    if sum(len(changes.change_ids) for changes in request.agencies) > MOST_PAIRS:
        raise Refusal("INPUT_TOO_MANY", Code.INVALID_ARGUMENT, {"most": str(MOST_PAIRS)})
    pairs: dict[tuple[str, UUID], None] = {}
    ids: dict[str, UUID] = {}
    for changes in request.agencies:
        for change_id in changes.change_ids:
            if change_id not in ids:
                ids[change_id] = check_request_id(change_id)
            pairs[changes.agency, ids[change_id]] = None
    return list(pairs)


def write_propagate_response(unknown: Sequence[UUID]) -> contact_notification_pb2.PropagateChangesResponse:
    """Returns the response with the ids that no change has."""
    return contact_notification_pb2.PropagateChangesResponse(unknown_change_ids=map(str, unknown))
