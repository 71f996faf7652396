"""Cards that an officer is asked about."""

from instance_profile.name_comparison import NameComparison
from qualification_registry.convert.registry import (
    COMPANY_COMPARISONS,
    HOLDER_COMPARISONS,
    write_differences,
)
from qualification_registry.domain.card_approval import (
    Answer,
    ApprovalState,
    CardApproval,
    CardAtAgency,
    ComparedCard,
    read_number,
    write_number,
)
from refusals import Code, Refusal
from servicekit.messages import check_sha256, write_timestamp
from toroku.contact.v1 import contact_pb2
from toroku.qualification.v1 import card_approvals_pb2, qualification_registry_pb2

_STATES = {
    ApprovalState.OPEN: card_approvals_pb2.CARD_APPROVAL_STATE_OPEN,
    ApprovalState.APPROVED: card_approvals_pb2.CARD_APPROVAL_STATE_APPROVED,
    ApprovalState.REFUSED: card_approvals_pb2.CARD_APPROVAL_STATE_REFUSED,
}
_READ_STATES = {message: state for state, message in _STATES.items()}


def read_states(message: card_approvals_pb2.CardApprovalState.ValueType) -> list[ApprovalState]:
    """Returns the states that an officer asks for: all where none is named; none for one that is not known."""
    if message == card_approvals_pb2.CARD_APPROVAL_STATE_UNSPECIFIED:
        return list(ApprovalState)
    return [_READ_STATES[message]] if message in _READ_STATES else []


def read_after(text: str) -> int:
    """Returns the number that a page begins after; raises PAGE_INVALID."""
    number = read_number(text) if text else 0
    if number is None:
        raise Refusal("PAGE_INVALID", Code.INVALID_ARGUMENT)
    return number


def read_card(request: card_approvals_pb2.DecideCardApprovalRequest) -> CardAtAgency:
    """Returns the card that an officer decides about. Raises CERTIFICATE_SHA256_INVALID."""
    card = check_sha256(request.certificate_sha256, "CERTIFICATE_SHA256_INVALID")
    return CardAtAgency(request.agency, request.category, request.bidder_id, card)


def write_approval(approval: CardApproval) -> card_approvals_pb2.CardApproval:
    """Returns a question about a card without its names."""
    return card_approvals_pb2.CardApproval(
        number=write_number(approval.number),
        agency=approval.card.agency,
        category=approval.card.category,
        bidder_id=approval.card.bidder_id,
        certificate_sha256=approval.card.certificate_sha256,
        state=_STATES[approval.state],
        asked_at=write_timestamp(approval.asked_at),
        company_in_question=approval.questions.company,
        holder_in_question=approval.questions.holder,
        reason=approval.reason,
        decided_by=approval.decided_by or "",
        decided_at=write_timestamp(approval.decided_at) if approval.decided_at is not None else None,
    )


def write_compared_card(compared: ComparedCard) -> card_approvals_pb2.CardApproval:
    """Returns a question about a card with both names."""
    message, names = write_approval(compared.approval), compared.approval.names
    if names is None:
        return message
    message.company.MergeFrom(
        card_approvals_pb2.ComparedCompany(
            name=names.company,
            roster_name=compared.roster_name,
            comparison=COMPANY_COMPARISONS[compared.proven.company],
            differences=_write_differences(compared.company),
        )
    )
    message.holder.MergeFrom(
        card_approvals_pb2.ComparedHolder(
            name=names.holder,
            contract_party_name=compared.contract_party,
            representative_name=compared.representative,
            comparison=HOLDER_COMPARISONS[compared.proven.holder],
            differences=_write_differences(compared.holder),
            representative_differences=_write_differences(compared.holder_and_representative),
        )
    )
    return message


def write_answer(answer: Answer) -> contact_pb2.Notice:
    """Returns the mail to who asked; it says neither the names nor the officer's reason."""
    approval, entry = answer.approval, answer.entry
    return contact_pb2.Notice(
        notice_id=str(answer.notice_id),
        kind=contact_pb2.NOTICE_KIND_CARD_APPROVAL_DECIDED,
        recipients=[contact_pb2.NoticeRecipient(mail_address=answer.mail_address)],
        card_approval=contact_pb2.CardApprovalFacts(
            number=write_number(approval.number),
            is_approved=approval.state is ApprovalState.APPROVED,
            agency=approval.card.agency,
            category=approval.card.category,
            bidder_id=approval.card.bidder_id,
            happened_at=write_timestamp(approval.decided_at) if approval.decided_at is not None else None,
        ),
        entry=contact_pb2.ActEntry(
            registry="qualification-registry",
            digest=entry.digest,
            position=entry.position or 0,
            head_number=entry.head_number or 0,
            head_sha256=entry.head_sha256 or b"",
            proof=entry.proof or b"",
        ),
    )


def _write_differences(comparison: NameComparison | None) -> list[qualification_registry_pb2.NameDifference]:
    return write_differences(comparison) if comparison is not None else []
