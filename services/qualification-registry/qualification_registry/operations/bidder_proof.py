"""Signs the statement that a search found a bidder, and confirms later that it still holds (QUA-07, ADR 21)."""

from dataclasses import dataclass, replace

from instance_profile.japan_time import find_japan_day
from instance_profile.model import Profile
from instance_profile.offers import require_offer
from qualification_registry.convert.registry import parse_statement, serialize_statement
from qualification_registry.domain.card_approval import CardAtAgency, find_questions, require_approved
from qualification_registry.domain.certificate_names import CertificateNames
from qualification_registry.domain.predecessor import require_no_successor
from qualification_registry.domain.proof import (
    ConfirmedBidder,
    Proof,
    Statement,
    check_statement,
    verify_proof,
)
from qualification_registry.domain.search import require_may_register, require_qualified, require_same_password
from qualification_registry.operations.card_comparison import compare_card
from qualification_registry.store import bidders, card_approvals
from servicekit.database import Database
from servicekit.database_clock import StatementClock
from servicekit.signed_statement import SigningKey, VerifyingKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderProofs:
    """Bidder proofs of this instance."""

    database: Database
    profile: Profile
    key: SigningKey
    # The public keys that may have signed a proof, of this key and of its predecessor or successor.
    verifying_keys: VerifyingKeys
    clock: StatementClock

    def sign(self, statement: Statement) -> Proof:
        """Returns the proof of a statement."""
        return self.key.sign(serialize_statement(statement))

    async def confirm(self, proof: Proof, names: CertificateNames) -> ConfirmedBidder:
        """Returns the bidder of a proof as it is now, after everything that can change was checked again.

        The new proof expires when the first one does, so nothing is prolonged by it. Raises BIDDER_PROOF_INVALID,
        BIDDER_PROOF_EXPIRED, what `require_offer` raises where the profile changed, BIDDER_NOT_QUALIFIED, and what
        `require_may_register`, `require_same_password` and `require_approved` raise; of a renewal, where nobody is
        asked for a password, what `require_no_successor` raises.
        """
        verify_proof(proof, self.verifying_keys)
        statement = parse_statement(proof.statement)
        async with self.database.read() as connection:
            bidder, now = await bidders.find_searched(
                connection, statement.bidder_id, statement.category, statement.agency, self.clock(connection)
            )
            check_statement(statement, instance=self.profile.id, now=now)
            offer = require_offer(self.profile, statement.agency, statement.category)
            today = find_japan_day(now)
            if statement.for_renewal:
                require_no_successor(bidder.succession if bidder is not None else None)
            bidder, qualification = require_qualified(bidder, statement.agency, today)
            proven = await compare_card(
                connection,
                names,
                qualification,
                agency=statement.agency,
                category=statement.category,
                today=today,
                password=statement.proven.password,
            )
            questions = find_questions(offer.rules, proven)
            card = CardAtAgency(statement.agency, statement.category, statement.bidder_id, statement.certificate_sha256)
            approvals = await card_approvals.list_of_card(connection, card) if questions else ()
        password = None if statement.for_renewal else bidder.password
        require_may_register(offer, statement.bidder_id, proven, bidder.status, password, self.profile, now)
        require_same_password(statement.password_issued_at, bidder.password)
        approval = require_approved(offer, questions, approvals)
        confirmed = replace(statement, issued_at=now, proven=proven, card_approval=approval)
        return ConfirmedBidder(qualification.company, confirmed, self.sign(confirmed))
