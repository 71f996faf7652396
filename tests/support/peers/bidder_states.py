"""What both consumers of bidders' states do with them in the fakes."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from refusals import Code, Refusal
from tests.support.peers.fake_peer import FakePeer
from toroku.qualification.v1 import bidder_state_pb2


@dataclass(kw_only=True)
class RecordedBidders(FakePeer):
    """Keeps the reported states of bidders in the order in which they arrive."""

    recorded_bidders: list[bidder_state_pb2.BidderState] = field(default_factory=list)
    # The ids of bidders whose state it does not take.
    refused_bidders: set[str] = field(default_factory=set)

    def keep_bidders(self, states: Iterable[bidder_state_pb2.BidderState]) -> None:
        """Keeps states; raises BIDDER_STATE_INVALID, and keeps none, where there is one that it does not take."""
        self.receive("RecordBidderStates")
        arrived = list(states)
        for state in arrived:
            if state.bidder_id in self.refused_bidders:
                metadata = {"bidder_id": state.bidder_id, "part": "status"}
                raise Refusal("BIDDER_STATE_INVALID", Code.INVALID_ARGUMENT, metadata)
        self.recorded_bidders.extend(arrived)
