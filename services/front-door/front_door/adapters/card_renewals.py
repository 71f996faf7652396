"""certificate-registry: renewals."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from front_door.adapters import SecondsLeft
from front_door.convert.bidder import write_bidder_proof
from front_door.convert.card_session import read_act_challenge, write_signed_purpose
from front_door.convert.renewal import hash_renewal, hash_succession, read_committed_renewal
from front_door.domain.bidder import BidderProof
from front_door.domain.card_session import ActChallenge, SessionReference
from front_door.domain.renewal import (
    CommittedRenewal,
    RenewalForm,
    RenewalReference,
    SignedRenewal,
    SuccessionForm,
    hash_successor_key,
)
from refusals import Refusal
from toroku.certificate.v1 import certificate_registry_pb2

if TYPE_CHECKING:
    from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryAsyncStub


@dataclass(frozen=True, slots=True)
class CardRenewals:
    """certificate-registry's renewals, over its stub."""

    stub: "CertificateRegistryAsyncStub"

    async def create_succession_challenge(
        self, reference: SessionReference, form: SuccessionForm, lines: list[str], seconds_left: SecondsLeft
    ) -> ActChallenge:
        """Returns the act by which the old card agrees to be replaced."""
        request = certificate_registry_pb2.CreateSuccessionChallengeRequest(
            session_token=reference.token,
            agency=reference.agency,
            category=reference.category,
            request_id=form.request_id,
            request_sha256=hash_succession(form),
            successor_key_sha256=form.successor_key_sha256,
            lines=lines,
        )
        return read_act_challenge(await self.stub.CreateSuccessionChallenge(request, timeout=seconds_left()))

    async def create_renewal_challenge(
        self,
        reference: RenewalReference,
        proof: BidderProof,
        form: RenewalForm,
        lines: list[str],
        seconds_left: SecondsLeft,
    ) -> ActChallenge:
        """Returns the act that the new card has to sign, if it could take the old one's place now."""
        request = certificate_registry_pb2.CreateRenewalChallengeRequest(
            old_session_token=reference.old.token,
            new_session_token=reference.new.token,
            agency=reference.new.agency,
            category=reference.new.category,
            proof=write_bidder_proof(proof),
            request_id=form.request_id,
            request_sha256=hash_renewal(form),
            successor_key_sha256=hash_successor_key(form.successor_key),
            lines=lines,
        )
        return read_act_challenge(await self.stub.CreateRenewalChallenge(request, timeout=seconds_left()))

    async def check_renewable(
        self, reference: RenewalReference, proof: BidderProof, request_id: str, seconds_left: SecondsLeft
    ) -> None:
        """Returns if the new card could take the old one's place now."""
        request = certificate_registry_pb2.CreateRenewalChallengeRequest(
            old_session_token=reference.old.token,
            new_session_token=reference.new.token,
            agency=reference.new.agency,
            category=reference.new.category,
            proof=write_bidder_proof(proof),
            request_id=request_id,
            validate_only=True,
        )
        await self.stub.CreateRenewalChallenge(request, timeout=seconds_left())

    async def renew(
        self, reference: RenewalReference, proof: BidderProof, signed: SignedRenewal, seconds_left: SecondsLeft
    ) -> CommittedRenewal:
        """Renews with both signed acts, or returns what the same request became before."""
        request = certificate_registry_pb2.RenewRequest(
            old_session_token=reference.old.token,
            new_session_token=reference.new.token,
            agency=reference.new.agency,
            category=reference.new.category,
            proof=write_bidder_proof(proof),
            request_id=signed.form.request_id,
            old_act=write_signed_purpose(signed.old_act),
            new_act=write_signed_purpose(signed.new_act),
            successor_key=signed.form.successor_key,
            successor_signature=signed.successor_signature,
            propagate=signed.form.propagate,
        )
        return read_committed_renewal((await self.stub.Renew(request, timeout=seconds_left())).renewal)

    async def find_renewal(
        self, certificate_sha256: bytes, request_id: str, seconds_left: SecondsLeft
    ) -> CommittedRenewal | None:
        """Returns the renewal that a request of a new card became; None where it became none."""
        request = certificate_registry_pb2.GetRenewalRequest(
            certificate_sha256=certificate_sha256, request_id=request_id
        )
        try:
            response = await self.stub.GetRenewal(request, timeout=seconds_left())
        except Refusal as refusal:
            if refusal.reason != "RENEWAL_NOT_FOUND":
                raise
            return None
        return read_committed_renewal(response.renewal)
