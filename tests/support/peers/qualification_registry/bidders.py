"""Bidder search, bidder proofs and qualifications of the fake qualification-registry."""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from typing_extensions import override

from refusals import Code, Refusal
from servicekit.context import Context
from servicekit.messages import write_timestamp
from tests.support.peers.qualification_registry.bidder_records import BidderRecords
from toroku.qualification.v1 import bidder_pb2, qualification_registry_pb2

# What every search proves.
PROVEN = bidder_pb2.Proven(
    password=True,
    company=bidder_pb2.COMPANY_COMPARISON_SAME,
    holder=bidder_pb2.HOLDER_COMPARISON_CONTRACT_PARTY,
)


@dataclass(kw_only=True)
class BidderSearch(BidderRecords):
    """Finds bidders and issues proofs, which carry a keyed hash instead of a signature."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    searches: list[qualification_registry_pb2.FindBidderRequest] = field(default_factory=list, repr=False)
    confirmations: list[qualification_registry_pb2.ConfirmBidderRequest] = field(default_factory=list)
    # The reason why a search that found its bidder is for an officer; empty where it is not.
    needs_officer: str = ""
    # The reasons why the cards of a bidder can't be renewed, or why it can't act at all, by bidder.
    no_renewal: dict[str, str] = field(default_factory=dict)
    no_company: dict[str, str] = field(default_factory=dict)
    renewals: list[qualification_registry_pb2.ProveBidderRequest] = field(default_factory=list, repr=False)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @override
    async def FindBidder(
        self, request: qualification_registry_pb2.FindBidderRequest, context: Context
    ) -> qualification_registry_pb2.FindBidderResponse:
        self.receive("FindBidder")
        self.searches.append(request)
        company = self.require_known(request)
        if self.needs_officer:
            raise Refusal(self.needs_officer, Code.FAILED_PRECONDITION, {"number": "000017"})
        statement = bidder_pb2.BidderStatement(
            instance="example",
            bidder_id=request.bidder_id,
            agency=request.agency,
            category=request.category,
            certificate_sha256=request.certificate_sha256,
            issued_at=write_timestamp(self.clock()),
            expires_at=write_timestamp(self.clock() + timedelta(minutes=60)),
            proven=PROVEN,
        )
        return qualification_registry_pb2.FindBidderResponse(company=company, proof=self._prove(statement))

    @override
    async def GetCompany(
        self, request: qualification_registry_pb2.GetCompanyRequest, context: Context
    ) -> qualification_registry_pb2.GetCompanyResponse:
        self.receive("GetCompany")
        return qualification_registry_pb2.GetCompanyResponse(company=self._require_qualified(request.bidder_id))

    @override
    async def ProveBidder(
        self, request: qualification_registry_pb2.ProveBidderRequest, context: Context
    ) -> qualification_registry_pb2.ProveBidderResponse:
        self.receive("ProveBidder")
        self.renewals.append(request)
        company = self.require_renewable(request)
        if self.needs_officer:
            raise Refusal(self.needs_officer, Code.FAILED_PRECONDITION, {"number": "000017"})
        statement = bidder_pb2.BidderStatement(
            instance="example",
            bidder_id=request.bidder_id,
            agency=request.agency,
            category=request.category,
            certificate_sha256=request.certificate_sha256,
            issued_at=write_timestamp(self.clock()),
            expires_at=write_timestamp(self.clock() + timedelta(minutes=60)),
            proven=PROVEN,
            for_renewal=True,
        )
        statement.proven.password = False
        return qualification_registry_pb2.ProveBidderResponse(company=company, proof=self._prove(statement))

    def require_renewable(self, request: qualification_registry_pb2.ProveBidderRequest) -> bidder_pb2.CompanyProfile:
        """Returns the company of a bidder whose card is renewed; raises BIDDER_NOT_QUALIFIED, `no_renewal`'s reason."""
        company = self._require_qualified(request.bidder_id)
        if (reason := self.no_renewal.get(request.bidder_id)) is not None:
            raise Refusal(reason, Code.FAILED_PRECONDITION)
        return company

    def _require_qualified(self, bidder_id: str) -> bidder_pb2.CompanyProfile:
        if (reason := self.no_company.get(bidder_id)) is not None:
            raise Refusal(reason, Code.FAILED_PRECONDITION, {"bidder_id": bidder_id})
        if bidder_id not in self.companies:
            raise Refusal("BIDDER_NOT_QUALIFIED", Code.FAILED_PRECONDITION)
        return self.companies[bidder_id]

    def require_known(self, request: qualification_registry_pb2.FindBidderRequest) -> bidder_pb2.CompanyProfile:
        """Returns the company of a search; raises BIDDER_NOT_FOUND."""
        company = self.companies.get(request.bidder_id)
        if company is None or (company.name, self.passwords[request.bidder_id]) != (request.name, request.password):
            raise Refusal("BIDDER_NOT_FOUND", Code.NOT_FOUND)
        return company

    @override
    async def ConfirmBidder(
        self, request: qualification_registry_pb2.ConfirmBidderRequest, context: Context
    ) -> qualification_registry_pb2.ConfirmBidderResponse:
        self.receive("ConfirmBidder")
        self.confirmations.append(request)
        if not hmac.compare_digest(request.proof.signature, self._sign(request.proof.statement)):
            raise Refusal("BIDDER_PROOF_INVALID", Code.PERMISSION_DENIED)
        statement = bidder_pb2.BidderStatement.FromString(request.proof.statement)
        if statement.expires_at.ToDatetime(UTC) <= self.clock():
            raise Refusal("BIDDER_PROOF_EXPIRED", Code.FAILED_PRECONDITION)
        company = self._require_qualified(statement.bidder_id)
        if statement.for_renewal and (reason := self.no_renewal.get(statement.bidder_id)) is not None:
            raise Refusal(reason, Code.FAILED_PRECONDITION)
        statement.issued_at.CopyFrom(write_timestamp(self.clock()))
        return qualification_registry_pb2.ConfirmBidderResponse(
            company=company, statement=statement, proof=self._prove(statement)
        )

    def _prove(self, statement: bidder_pb2.BidderStatement) -> bidder_pb2.BidderProof:
        encoded = statement.SerializeToString()
        return bidder_pb2.BidderProof(statement=encoded, key_id="0" * 16, signature=self._sign(encoded))

    def _sign(self, statement: bytes) -> bytes:
        return hmac.digest(self._key, statement, sha256)
