"""The review of changed company data (審査): until it is done, what was reviewed last is shown (QUA-08).

A line under review has the new data. A card that was issued for the change names the company or its holder as the new
data do, and is registered while the review lasts: names are held against both. Whether it is good before the review is
done says the agency's own rule, for who asks whose card it is.
"""

from dataclasses import dataclass

from refusals import Code, Refusal

# What a line under review says.
UNDER_REVIEW = "under_review"
# The fields of a line that are shown as they were until the review is done. The others, where and when the bidder is
# qualified and with which grades, are a qualification's and count at once.
COMPANY_FIELDS = (
    "name",
    "postal_code",
    "address",
    "representative_name",
    "contract_party_name",
    "representative_title",
    "telephone",
    "fax",
    "department",
    "branch",
    "region",
    "permit_number",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewEnd:
    """Which review an officer ends, and why: at its agency, or everywhere under the operator's code."""

    bidder_id: str
    category: str
    agency: str
    reason: str


def refuse_without_review(bidder_id: str) -> Refusal:
    """Returns the refusal to end a review that there is none of, for the caller to raise."""
    return Refusal("BIDDER_NOT_UNDER_REVIEW", Code.FAILED_PRECONDITION, {"bidder_id": bidder_id})
