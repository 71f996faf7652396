"""A renewal as the front door asks for it: two cards, two sessions, two acts, and the key that ties them."""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from simulators.certificate_authorities import IssuedCard
from tests.support.contractor import signed
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import LINES, RunningCertificateRegistry
from toroku.act.v1 import signed_purpose_pb2
from toroku.certificate.v1 import card_pb2, certificate_registry_pb2, user_lookup_pb2

Answer = user_lookup_pb2.ResolveUserResponse


@dataclass(slots=True)
class Renewal:
    """The renewal of one card by another one: a test can change every value before the next step."""

    registry: RunningCertificateRegistry
    old: Visit
    new: Visit
    request_id: str = field(default_factory=lambda: str(uuid4()))
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    request_sha256: bytes = b"n" * 32
    propagate: bool = False
    old_act: signed_purpose_pb2.SignedPurpose = field(default_factory=signed_purpose_pb2.SignedPurpose)
    new_act: signed_purpose_pb2.SignedPurpose = field(default_factory=signed_purpose_pb2.SignedPurpose)

    @classmethod
    def of(
        cls, registry: RunningCertificateRegistry, old: Visit, new: IssuedCard | None = None, **changes: Any
    ) -> "Renewal":
        """Returns the renewal of a registered card by a new one, unless one is given, where it was registered."""
        place: dict[str, Any] = {
            "agency": changes.pop("agency", old.agency),
            "category": old.category,
            "bidder_id": old.bidder_id,
            "operation": card_pb2.OPERATION_RENEWAL,
        }
        return cls(
            registry,
            Visit(old.card, role=card_pb2.CARD_ROLE_OLD, **place),
            Visit(new or registry.card(), role=card_pb2.CARD_ROLE_NEW, **place),
            **changes,
        )

    @property
    def successor_key(self) -> bytes:
        """The raw public key."""
        return self.key.public_key().public_bytes_raw()

    @property
    def successor_signature(self) -> bytes:
        """What ties the new card to the renewal."""
        return self.key.sign(b"toroku successor key v1\x00" + self.new.card.sha256 + self.request_id.encode())

    async def create_succession(self, **changes: Any) -> certificate_registry_pb2.CreateSuccessionChallengeResponse:
        """Returns the act of the old card."""
        values: dict[str, Any] = {
            "session_token": self.old.token,
            "agency": self.old.agency,
            "category": self.old.category,
            "request_id": self.request_id,
            "request_sha256": b"o" * 32,
            "successor_key_sha256": sha256(self.successor_key).digest(),
            "lines": LINES,
        }
        return await self.registry.stub.CreateSuccessionChallenge(
            certificate_registry_pb2.CreateSuccessionChallengeRequest(**(values | changes))
        )

    async def create_act(self, **changes: Any) -> certificate_registry_pb2.CreateRenewalChallengeResponse:
        """Checks all conditions, and returns the act of the new card."""
        values: dict[str, Any] = {
            "old_session_token": self.old.token,
            "new_session_token": self.new.token,
            "agency": self.new.agency,
            "category": self.new.category,
            "proof": self.registry.new_proof(self.new),
            "request_id": self.request_id,
            "request_sha256": self.request_sha256,
            "successor_key_sha256": sha256(self.successor_key).digest(),
            "lines": LINES,
        }
        return await self.registry.stub.CreateRenewalChallenge(
            certificate_registry_pb2.CreateRenewalChallengeRequest(**(values | changes))
        )

    async def sign_old(self) -> None:
        """The old card logs in and signs its act."""
        await self.registry.log_in(self.old)
        self.old_act = signed(self.old.card, (await self.create_succession()).purpose)

    async def sign_new(self) -> None:
        """The new card signs its act."""
        self.new_act = signed(self.new.card, (await self.create_act()).purpose)

    async def prepare(self) -> "Renewal":
        """Does everything but the commit."""
        await self.sign_old()
        await self.registry.log_in(self.new)
        await self.sign_new()
        return self

    async def commit(self, **changes: Any) -> certificate_registry_pb2.RenewedCard:
        """Renews, with a proof that has just been confirmed."""
        values: dict[str, Any] = {
            "old_session_token": self.old.token,
            "new_session_token": self.new.token,
            "agency": self.new.agency,
            "category": self.new.category,
            "proof": self.registry.new_proof(self.new),
            "request_id": self.request_id,
            "old_act": self.old_act,
            "new_act": self.new_act,
            "successor_key": self.successor_key,
            "successor_signature": self.successor_signature,
            "propagate": self.propagate,
        }
        response = await self.registry.stub.Renew(certificate_registry_pb2.RenewRequest(**(values | changes)))
        return response.renewal

    async def read(self) -> certificate_registry_pb2.RenewedCard:
        """Returns the result as the front door reads it afterwards."""
        request = certificate_registry_pb2.GetRenewalRequest(
            certificate_sha256=self.new.card.sha256, request_id=self.request_id
        )
        return (await self.registry.stub.GetRenewal(request)).renewal

    async def verdicts(self, agency: str) -> tuple["Answer.Verdict.ValueType", "Answer.Verdict.ValueType"]:
        """Returns what a tender system of this agency is told of the old and of the new card."""
        old, new = [await self.registry.resolve(visit, agency) for visit in (self.old, self.new)]
        return old.verdict, new.verdict


async def renew(
    registry: RunningCertificateRegistry, old: Visit, new: IssuedCard | None = None, **changes: Any
) -> tuple[Renewal, certificate_registry_pb2.RenewedCard]:
    """Does a whole renewal."""
    renewal = await Renewal.of(registry, old, new, **changes).prepare()
    return renewal, await renewal.commit()
