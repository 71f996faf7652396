"""Signs the statement that a search found a bidder, and confirms later that it still holds (QUA-07, ADR 21)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from instance_profile.japan_time import find_japan_day
from instance_profile.model import Profile
from instance_profile.offers import require_offer
from qualification_registry.convert import parse_statement, serialize_statement
from qualification_registry.domain.proof import (
    ConfirmedBidder,
    Proof,
    Proven,
    Statement,
    check_statement,
    verify_proof,
)
from qualification_registry.domain.search import (
    compare_company,
    require_may_register,
    require_same_password,
    write_patterns_in_question,
)
from qualification_registry.store import bidders
from refusals import Code, Refusal
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.signed_statement import SigningKey, VerifyingKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderProofs:
    """Bidder proofs of this instance."""

    database: Database
    profile: Profile
    key: SigningKey
    # The public keys that may have signed a proof, of this key and of its predecessor or successor.
    verifying_keys: VerifyingKeys
    clock: DatabaseClock

    def sign(self, statement: Statement) -> Proof:
        """Returns the proof of a statement."""
        return self.key.sign(serialize_statement(statement))

    async def confirm(self, proof: Proof, certificate_company_name: str | None) -> ConfirmedBidder:
        """Returns the bidder of a proof as it is now, after everything that can change was checked again.

        The new proof expires when the first one does, so nothing is prolonged by it. Raises BIDDER_PROOF_INVALID,
        BIDDER_PROOF_EXPIRED, what `require_offer` raises where the profile changed, BIDDER_NOT_QUALIFIED, and what
        `require_may_register` and `require_same_password` raise.
        """
        verify_proof(proof, self.verifying_keys)
        statement = parse_statement(proof.statement)
        async with self.database.read() as connection:
            now = await self.clock(connection)
            check_statement(statement, instance=self.profile.id, now=now)
            offer = require_offer(self.profile, statement.agency, statement.category)
            today = find_japan_day(now)
            bidder = await bidders.find_searched(connection, statement.bidder_id, statement.category)
            known = bidder.qualifications if bidder is not None else ()
            company = next((each.company for each in known if each.is_valid(statement.agency, today)), None)
            if bidder is None or company is None:
                raise Refusal("BIDDER_NOT_QUALIFIED", Code.FAILED_PRECONDITION)
            names_of_others: Sequence[str] = ()
            if patterns := write_patterns_in_question([certificate_company_name], company.name):
                names_of_others = await bidders.list_names_of_others(
                    connection,
                    statement.bidder_id,
                    statement.category,
                    agency=statement.agency,
                    patterns=patterns,
                    today=today,
                )
        proven = Proven(
            statement.proven.password, compare_company(certificate_company_name, company.name, names_of_others)
        )
        require_may_register(
            offer, statement.bidder_id, proven.company, bidder.status, bidder.password, self.profile, now
        )
        require_same_password(statement.password_issued_at, bidder.password)
        confirmed = replace(statement, issued_at=now, proven=proven)
        return ConfirmedBidder(company, confirmed, self.sign(confirmed))
