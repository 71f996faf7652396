"""The front door, as its internal listener offers it to the portal."""

from dataclasses import dataclass

from servicekit.clients import Peers
from toroku.frontdoor.v1.advice_pb2_grpc import AdviceStub
from toroku.frontdoor.v1.change_pb2_grpc import ChangeStub
from toroku.frontdoor.v1.entry_pb2_grpc import EntryStub
from toroku.frontdoor.v1.propagations_pb2_grpc import PropagationsStub
from toroku.frontdoor.v1.registration_pb2_grpc import RegistrationStub
from toroku.frontdoor.v1.renewal_pb2_grpc import RenewalStub


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """The services of the front door. Their calls raise Refusal, also PEER_UNREACHABLE and PEER_FAILED."""

    entry: EntryStub
    registration: RegistrationStub
    change: ChangeStub
    renewal: RenewalStub
    advice: AdviceStub
    propagations: PropagationsStub

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
