"""The search for a bidder, its company profile, and the proof that the search succeeded."""

from dataclasses import dataclass, field

from instance_profile.company_name import write_full_name
from refusals import Code, Refusal

_SHA256_BYTES = 32


@dataclass(frozen=True, slots=True)
class BidderSearch:
    """What a contractor typed to find its bidder."""

    name: str
    bidder_id: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CompanyProfile:
    """企業情報 of a bidder; `encoded` has all of it, the other fields are those of the rules here."""

    bidder_id: str
    name: str
    # Empty where the roster has none.
    branch: str
    encoded: bytes = field(repr=False)

    @property
    def full_name(self) -> str:
        """The name with the branch (支店名等) to which bidding is delegated."""
        return write_full_name(self.name, self.branch)


@dataclass(frozen=True, slots=True)
class BidderStatement:
    """What a bidder proof states."""

    bidder_id: str
    certificate_sha256: bytes


@dataclass(frozen=True, slots=True)
class BidderProof:
    """A proof as received, unverified: the registries verify it before anything depends on it.

    `statement` is what the bytes of `encoded_statement` say, None where they can't be read.
    """

    encoded_statement: bytes = field(repr=False)
    key_id: str
    signature: bytes = field(repr=False)
    statement: BidderStatement | None


@dataclass(frozen=True, slots=True)
class FoundBidder:
    """The result of a search, or of its confirmation: the company as it is now, and the proof of it."""

    company: CompanyProfile
    proof: BidderProof


def require_statement(proof: BidderProof) -> BidderStatement:
    """Returns what a proof states; raises BIDDER_PROOF_INVALID unless it names a bidder and a card."""
    statement = proof.statement
    if statement is None or not statement.bidder_id or len(statement.certificate_sha256) != _SHA256_BYTES:
        raise Refusal("BIDDER_PROOF_INVALID", Code.PERMISSION_DENIED)
    return statement
