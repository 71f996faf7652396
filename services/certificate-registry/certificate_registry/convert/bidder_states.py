"""States of bidders, as the qualification registry sends them."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from certificate_registry.domain.bidder import BidderState, BidderStatus, CompanyReview, QualifiedPeriod
from instance_profile.characters import shorten_visible
from refusals import Code, Refusal
from servicekit.messages import read_timestamp
from servicekit.versions import Version
from toroku.certificate.v1 import certificate_registry_pb2
from toroku.qualification.v1 import bidder_state_pb2

# States of one message.
_MOST_STATES = 500
# Characters of a bidder id that a refusal repeats.
_MOST_SHOWN_CHARACTERS = 64
# No agency's code has them.
_NOT_IN_CODES = frozenset(" \n\0")

_STATUSES = {
    bidder_state_pb2.BIDDER_STATUS_ACTIVE: BidderStatus.ACTIVE,
    bidder_state_pb2.BIDDER_STATUS_SUSPENDED: BidderStatus.SUSPENDED,
    bidder_state_pb2.BIDDER_STATUS_ENDED: BidderStatus.ENDED,
}


def read_bidder_states(request: certificate_registry_pb2.RecordBidderStatesRequest) -> Sequence[BidderState]:
    """Returns the states of bidders; raises BIDDER_STATE_INVALID, INPUT_TOO_MANY."""
    if len(request.bidder_states) > _MOST_STATES:
        raise Refusal("INPUT_TOO_MANY", Code.INVALID_ARGUMENT, {"most": str(_MOST_STATES)})
    return list(map(_read_bidder_state, request.bidder_states))


def _read_bidder_state(message: bidder_state_pb2.BidderState) -> BidderState:
    status = _STATUSES.get(message.status)
    if status is None:
        raise _refuse(message, "status")
    for part in ("bidder_id", "category"):
        # The database keeps no text with NUL.
        if not getattr(message, part) or "\0" in getattr(message, part):
            raise _refuse(message, part)
    if not message.HasField("version"):
        raise _refuse(message, "version")
    if not _are_codes(message.suspended_agencies):
        raise _refuse(message, "suspended_agencies")
    return BidderState(
        message.bidder_id,
        message.category,
        Version(message.version.epoch, message.version.number),
        status,
        tuple(message.suspended_agencies),
        [_read_period(message, period) for period in message.qualified],
        [_read_review(message, review) for review in message.reviews],
    )


def _read_period(state: bidder_state_pb2.BidderState, message: bidder_state_pb2.QualifiedPeriod) -> QualifiedPeriod:
    begin = _read_instant(message.qualified_from) if message.HasField("qualified_from") else None
    end = _read_instant(message.qualified_until) if message.HasField("qualified_until") else None
    is_read = (begin is not None) == message.HasField("qualified_from")
    is_read = is_read and (end is not None) == message.HasField("qualified_until")
    if not is_read or (begin is not None and end is not None and begin >= end) or not _are_codes(message.agencies):
        raise _refuse(state, "qualified")
    return QualifiedPeriod(begin, end, tuple(message.agencies))


def _read_review(state: bidder_state_pb2.BidderState, message: bidder_state_pb2.CompanyReview) -> CompanyReview:
    began_at = _read_instant(message.began_at) if message.HasField("began_at") else None
    if began_at is None or not _are_codes(message.agencies):
        raise _refuse(state, "reviews")
    return CompanyReview(began_at, tuple(message.agencies))


def _read_instant(message: Timestamp) -> datetime | None:
    """Returns an instant, None where it is no valid one."""
    try:
        return read_timestamp(message)
    except (ValueError, OverflowError):
        return None


def _are_codes(agencies: Iterable[str]) -> bool:
    return all(agency and _NOT_IN_CODES.isdisjoint(agency) for agency in agencies)


def _refuse(message: bidder_state_pb2.BidderState, part: str) -> Refusal:
    bidder_id = shorten_visible(message.bidder_id, _MOST_SHOWN_CHARACTERS)
    return Refusal("BIDDER_STATE_INVALID", Code.INVALID_ARGUMENT, {"bidder_id": bidder_id, "part": part})
