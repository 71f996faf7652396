"""The front door, as its internal listener offers it to the portal."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from servicekit.clients import Peers
from toroku.frontdoor.v1.advice_pb2_grpc import AdviceStub
from toroku.frontdoor.v1.change_pb2_grpc import ChangeStub
from toroku.frontdoor.v1.entry_pb2_grpc import EntryStub
from toroku.frontdoor.v1.propagations_pb2_grpc import PropagationsStub
from toroku.frontdoor.v1.registration_pb2_grpc import RegistrationStub
from toroku.frontdoor.v1.renewal_pb2_grpc import RenewalStub

if TYPE_CHECKING:
    from toroku.frontdoor.v1.advice_pb2_grpc import AdviceAsyncStub
    from toroku.frontdoor.v1.change_pb2_grpc import ChangeAsyncStub
    from toroku.frontdoor.v1.entry_pb2_grpc import EntryAsyncStub
    from toroku.frontdoor.v1.propagations_pb2_grpc import PropagationsAsyncStub
    from toroku.frontdoor.v1.registration_pb2_grpc import RegistrationAsyncStub
    from toroku.frontdoor.v1.renewal_pb2_grpc import RenewalAsyncStub


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """The services of the front door. Their calls raise Refusal, also PEER_UNREACHABLE and PEER_FAILED."""

    entry: "EntryAsyncStub"
    registration: "RegistrationAsyncStub"
    change: "ChangeAsyncStub"
    renewal: "RenewalAsyncStub"
    advice: "AdviceAsyncStub"
    propagations: "PropagationsAsyncStub"

    @classmethod
    def of(cls, peers: Peers) -> "FrontDoor":
        """Returns the front door among the peers of this process."""
        return cls(
            peers.stub("front-door", EntryStub),
            peers.stub("front-door", RegistrationStub),
            peers.stub("front-door", ChangeStub),
            peers.stub("front-door", RenewalStub),
            peers.stub("front-door", AdviceStub),
            peers.stub("front-door", PropagationsStub),
        )
