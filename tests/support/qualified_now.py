"""Where a bidder is qualified at an instant, as who is told of its state reads it."""

from datetime import datetime

from servicekit.messages import write_timestamp
from toroku.qualification.v1 import bidder_state_pb2


def list_agencies_now(state: bidder_state_pb2.BidderState | None, now: datetime) -> list[str]:
    """Returns the agencies at which a bidder may act, sorted; none without a state, or of one that has ended."""
    if state is None or state.status == bidder_state_pb2.BIDDER_STATUS_ENDED:
        return []
    seconds = write_timestamp(now).seconds
    return sorted(
        agency
        for period in state.qualified
        if (not period.HasField("qualified_from") or period.qualified_from.seconds <= seconds)
        and (not period.HasField("qualified_until") or seconds < period.qualified_until.seconds)
        for agency in period.agencies
    )
