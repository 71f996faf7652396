"""Signs the statement that a search found a bidder, and returns the company behind such a proof (QUA-07)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from instance_profile.japan_time import find_japan_day
from instance_profile.model import Profile
from qualification_registry.convert import parse_statement, serialize_statement
from qualification_registry.domain.bidders import Company
from qualification_registry.domain.proof import (
    LIFETIME,
    Proof,
    Proven,
    ProvenBidder,
    Statement,
    check_statement,
    verify_proof,
)
from qualification_registry.domain.search import Search
from qualification_registry.store import bidders
from refusals import Code, Refusal
from servicekit.database import Database
from servicekit.signed_statement import SigningKey, VerifyingKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderProofs:
    """Bidder proofs of this instance."""

    database: Database
    profile: Profile
    key: SigningKey
    # The public keys that may have signed a proof, of this key and of its predecessor or successor.
    verifying_keys: VerifyingKeys
    clock: Callable[[], datetime]

    def sign(self, search: Search, company: Company, proven: Proven) -> Proof:
        """Returns the proof that a search found a company, and of what it proved, valid from now for `LIFETIME`."""
        issued_at = self.clock()
        statement = Statement(
            instance=self.profile.id,
            bidder_id=company.bidder_id,
            agency=search.agency.code,
            category=search.category.code,
            certificate_sha256=search.certificate_sha256,
            issued_at=issued_at,
            expires_at=issued_at + LIFETIME,
            proven=proven,
        )
        return self.key.sign(serialize_statement(statement))

    async def find_company(self, proof: Proof) -> ProvenBidder:
        """Returns the statement of a proof and the company profile of its bidder in the current roster.

        Raises BIDDER_PROOF_INVALID, BIDDER_PROOF_EXPIRED, and BIDDER_NOT_QUALIFIED where the bidder is not qualified
        any more.
        """
        now = self.clock()
        verify_proof(proof, self.verifying_keys)
        statement = parse_statement(proof.statement)
        check_statement(statement, instance=self.profile.id, now=now)
        async with self.database.read() as connection:
            qualifications = await bidders.list_qualifications(connection, statement.bidder_id, statement.category)
        for qualification in qualifications:
            if qualification.is_valid(statement.agency, find_japan_day(now)):
                return ProvenBidder(qualification.company, statement)
        raise Refusal("BIDDER_NOT_QUALIFIED", Code.FAILED_PRECONDITION)
