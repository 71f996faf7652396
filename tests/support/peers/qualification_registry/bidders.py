"""qualification-registry as the front door sees it: finding bidders, and proofs that only it can make."""

import hmac
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from refusals import Code, Refusal
from tests.support.peers.certificate_registry.registrations import timestamp
from toroku.qualification.v1 import resources_pb2, service_pb2, service_pb2_grpc


@dataclass(slots=True)
class BidderRegistryPeer(service_pb2_grpc.QualificationRegistryServicer):
    """Keeps bidders with their passwords in memory. Its proofs carry a keyed hash where the real ones are signed."""

    clock: Callable[[], datetime]
    companies: dict[str, resources_pb2.CompanyProfile] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    calls: Counter[str] = field(default_factory=Counter)
    searches: list[service_pb2.FindBidderRequest] = field(default_factory=list, repr=False)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def add(self, bidder_id: str, name: str, password: str) -> None:
        """Puts a bidder on the roster."""
        self.companies[bidder_id] = resources_pb2.CompanyProfile(bidder_id=bidder_id, name=name, address="埼玉県")
        self.passwords[bidder_id] = password

    async def FindBidder(self, request: service_pb2.FindBidderRequest, context: Any) -> service_pb2.FindBidderResponse:
        self.calls["FindBidder"] += 1
        self.searches.append(request)
        company = self.companies.get(request.bidder_id)
        if company is None or (company.name, self.passwords[request.bidder_id]) != (request.name, request.password):
            raise Refusal("BIDDER_NOT_FOUND", Code.NOT_FOUND)
        statement = resources_pb2.BidderStatement(
            instance="example",
            bidder_id=request.bidder_id,
            agency=request.agency,
            category=request.category,
            certificate_sha256=request.certificate_sha256,
            issued_at=timestamp(self.clock()),
            expires_at=timestamp(self.clock() + timedelta(minutes=10)),
        ).SerializeToString()
        proof = resources_pb2.BidderProof(statement=statement, key_id="0" * 16, signature=self._sign(statement))
        return service_pb2.FindBidderResponse(company=company, proof=proof)

    async def GetCompanyProfile(
        self, request: service_pb2.GetCompanyProfileRequest, context: Any
    ) -> service_pb2.GetCompanyProfileResponse:
        self.calls["GetCompanyProfile"] += 1
        if not hmac.compare_digest(request.proof.signature, self._sign(request.proof.statement)):
            raise Refusal("BIDDER_PROOF_INVALID", Code.PERMISSION_DENIED)
        statement = resources_pb2.BidderStatement.FromString(request.proof.statement)
        return service_pb2.GetCompanyProfileResponse(company=self.companies[statement.bidder_id], statement=statement)

    def _sign(self, statement: bytes) -> bytes:
        return hmac.digest(self._key, statement, sha256)
