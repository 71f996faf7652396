"""The bidders that the fake qualification-registry knows, shared by its groups of RPCs."""

from dataclasses import dataclass, field

from tests.support.peers.fake_peer import FakePeer
from toroku.qualification.v1 import bidder_pb2, qualification_registry_pb2_grpc


@dataclass(kw_only=True)
class BidderRecords(FakePeer, qualification_registry_pb2_grpc.QualificationRegistryServicer):
    """Company profiles and passwords by bidder id, in memory."""

    companies: dict[str, bidder_pb2.CompanyProfile] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict, repr=False)

    def add(self, bidder_id: str, name: str, password: str | None = None) -> None:
        """Adds a bidder; without a password none has been issued yet."""
        self.companies[bidder_id] = bidder_pb2.CompanyProfile(bidder_id=bidder_id, name=name, address="埼玉県")
        if password is not None:
            self.passwords[bidder_id] = password
