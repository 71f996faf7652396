"""What a card brings to its registration, and gets on the way."""

from dataclasses import dataclass, field
from uuid import uuid4

from simulators.certificate_authorities import IssuedCard
from tests.support.example_profile import BIDDER, PREFECTURE, WORKS
from tests.support.peers.qualification_registry.bidders import PROVEN
from toroku.certificate.v1 import card_pb2
from toroku.qualification.v1 import bidder_pb2

REQUEST_SHA256 = b"r" * 32


@dataclass(slots=True)
class Visit:
    """The registration of one card: a test can change every value before the next step."""

    card: IssuedCard
    agency: str = PREFECTURE
    category: str = WORKS
    bidder_id: str = BIDDER
    request_id: str = field(default_factory=lambda: str(uuid4()))
    request_sha256: bytes = REQUEST_SHA256
    token: str = ""
    proven: bidder_pb2.Proven = field(default_factory=lambda: PROVEN)
    proof: bidder_pb2.BidderProof = field(default_factory=bidder_pb2.BidderProof)
    act: card_pb2.SignedPurpose = field(default_factory=card_pb2.SignedPurpose)
    # CA certificates that the card brings along.
    other_certificates: tuple[bytes, ...] = ()
