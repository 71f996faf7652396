"""What a card brings to its registration, and gets on the way."""

from dataclasses import dataclass, field
from uuid import uuid4

from simulators.certificate_authorities import IssuedCard
from tests.support.example_profile import BIDDER, PREFECTURE, WORKS
from tests.support.peers.qualification_registry.bidders import PROVEN
from toroku.act.v1 import signed_purpose_pb2
from toroku.certificate.v1 import card_pb2
from toroku.qualification.v1 import bidder_pb2

REQUEST_SHA256 = b"r" * 32


@dataclass(slots=True)
class Visit:
    """What one card does, by default a registration: a test can change every value before the next step."""

    card: IssuedCard
    agency: str = PREFECTURE
    category: str = WORKS
    bidder_id: str = BIDDER
    request_id: str = field(default_factory=lambda: str(uuid4()))
    request_sha256: bytes = REQUEST_SHA256
    token: str = ""
    proven: bidder_pb2.Proven = field(default_factory=lambda: PROVEN)
    proof: bidder_pb2.BidderProof = field(default_factory=bidder_pb2.BidderProof)
    act: signed_purpose_pb2.SignedPurpose = field(default_factory=signed_purpose_pb2.SignedPurpose)
    operation: "card_pb2.Operation.ValueType" = card_pb2.OPERATION_REGISTRATION
    role: "card_pb2.CardRole.ValueType" = card_pb2.CARD_ROLE_UNSPECIFIED
    # CA certificates that the card brings along.
    other_certificates: tuple[bytes, ...] = ()
