"""The approval of a card by an agency's officer, where its company or holder can't be told to be the roster's (CRD-10).

An approval is of one agency, category, bidder and card, and answers what was in question when it was asked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from history.entries import SealedEntry
from instance_profile.model import AgencyRules, CompanyMatch, HolderRule
from instance_profile.name_comparison import NameComparison
from instance_profile.offers import Offer, make_text_metadata
from qualification_registry.domain.certificate_names import CertificateNames, CompanyComparison, HolderComparison
from qualification_registry.domain.proof import Proven
from refusals import Code, Refusal

# How many officers' decisions may be asked for a card in this time, wherever that is.
MOST_ASKED = 10
ASKED_WITHIN = timedelta(days=30)
# As many approved cards of a bidder in a category as an event has room for.
MOST_APPROVED = 500
# How long a question waits for an officer, and how long the names of a certificate, and all of a refusal, are kept
# after the decision.
WAITS = timedelta(days=180)
NAMES_KEPT = timedelta(days=90)
_NUMBER_DIGITS = 6
_ACCEPTED_HOLDERS = {
    HolderRule.CONTRACT_PARTY: {HolderComparison.CONTRACT_PARTY},
    HolderRule.OR_REPRESENTATIVE: {HolderComparison.CONTRACT_PARTY, HolderComparison.REPRESENTATIVE},
    HolderRule.NOT_COMPARED: set(HolderComparison),
}


class ApprovalState(StrEnum):
    """What became of a question."""

    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Questions:
    """What an officer has to decide about a card: whether its company, and whether its holder, may pass."""

    company: bool
    holder: bool

    def __bool__(self) -> bool:
        """Returns whether anything is in question."""
        return self.company or self.holder


@dataclass(frozen=True, slots=True)
class CardAtAgency:
    """What an approval is of."""

    agency: str
    category: str
    bidder_id: str
    # SHA-256 of the certificate in DER, 32 bytes.
    certificate_sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CardApproval:
    """A question about a card, and what an officer decided; `decided_by` and `decided_at` are None while it is open."""

    number: int
    card: CardAtAgency
    questions: Questions
    # None where they are erased.
    names: CertificateNames | None = field(repr=False)
    state: ApprovalState
    asked_at: datetime
    reason: str
    decided_by: str | None
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class ApprovedCard:
    """A card of a bidder that an agency's officer approved, and for which questions."""

    agency: str
    certificate_sha256: bytes
    approved: Questions


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What who asked is told by mail, once by its notice's id.

    `waits` says that the mail should show more of the entry, which will be sealed at any moment.
    """

    notice_id: UUID
    mail_address: str = field(repr=False)
    approval: CardApproval
    entry: SealedEntry
    waits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedCard:
    """A question as an officer sees it: the certificate's names beside the roster's of now.

    The comparisons are None where one of the two has no name.
    """

    approval: CardApproval
    proven: Proven
    roster_name: str | None
    contract_party: str | None
    representative: str | None
    company: NameComparison | None
    holder: NameComparison | None
    holder_and_representative: NameComparison | None


def write_number(number: int) -> str:
    """Returns the number of a question as people are told it."""
    return f"{number:0{_NUMBER_DIGITS}}"


def read_number(text: str) -> int | None:
    """Returns the number of a question; None for a text that is the number of none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def find_questions(rules: AgencyRules, proven: Proven) -> Questions:
    """Returns what an officer has to decide about a card by an agency's rules; a company that they refuse is none."""
    in_question = {CompanyComparison.UNREADABLE}
    if rules.company_match is CompanyMatch.OFFICER:
        in_question.add(CompanyComparison.DIFFERENT)
    return Questions(
        rules.company_match is not CompanyMatch.OFF and proven.company in in_question,
        proven.holder not in _ACCEPTED_HOLDERS[rules.holder],
    )


def require_company(offer: Offer, proven: Proven) -> None:
    """Raises COMPANY_DIFFERS_FROM_CARD where an agency refuses another company, whoever looks at it."""
    if offer.rules.company_match is CompanyMatch.REQUIRED and proven.company is CompanyComparison.DIFFERENT:
        # The refusal contains neither name: the holder knows the one and entered the other.
        metadata = make_text_metadata("agency", offer.agency.name)
        raise Refusal("COMPANY_DIFFERS_FROM_CARD", Code.FAILED_PRECONDITION, metadata)


def find_unanswered(questions: Questions, approvals: Iterable[CardApproval]) -> Questions:
    """Returns what no officer has approved yet of what is in question."""
    approved = [each.questions for each in approvals if each.state is ApprovalState.APPROVED]
    return Questions(
        questions.company and not any(each.company for each in approved),
        questions.holder and not any(each.holder for each in approved),
    )


def find_open(approvals: Iterable[CardApproval]) -> CardApproval | None:
    """Returns the question that waits for an officer, if there is one."""
    return next((each for each in approvals if each.state is ApprovalState.OPEN), None)


def require_approved(offer: Offer, questions: Questions, approvals: Sequence[CardApproval]) -> str:
    """Returns the number of the newest approval that answers what is in question; empty where nothing is.

    `approvals` are those of the card at the agency, the newest first. Raises CARD_APPROVAL_PENDING,
    CARD_APPROVAL_REFUSED, COMPANY_NEEDS_OFFICER and HOLDER_NEEDS_OFFICER.
    """
    if not questions:
        return ""
    unanswered = find_unanswered(questions, approvals)
    if not unanswered:
        return next(
            write_number(each.number)
            for each in approvals
            if each.state is ApprovalState.APPROVED
            and ((questions.company and each.questions.company) or (questions.holder and each.questions.holder))
        )
    metadata = make_text_metadata("agency", offer.agency.name)
    if (waiting := find_open(approvals)) is not None:
        raise refuse_pending(offer, waiting.number)
    if approvals and approvals[0].state is ApprovalState.REFUSED:
        metadata["number"] = write_number(approvals[0].number)
        raise Refusal("CARD_APPROVAL_REFUSED", Code.FAILED_PRECONDITION, metadata)
    reason = "COMPANY_NEEDS_OFFICER" if unanswered.company else "HOLDER_NEEDS_OFFICER"
    raise Refusal(reason, Code.FAILED_PRECONDITION, metadata)


def refuse_pending(offer: Offer, number: int) -> Refusal:
    """Returns the refusal of a card about which an officer was asked, and has not decided."""
    metadata = make_text_metadata("agency", offer.agency.name) | {"number": write_number(number)}
    return Refusal("CARD_APPROVAL_PENDING", Code.FAILED_PRECONDITION, metadata)
