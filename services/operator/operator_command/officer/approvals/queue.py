"""Cards that an agency's officers were asked about: both names with their differences, and a decision."""

from collections.abc import Iterator, Mapping

import grpc

from operator_command.officer.acts.options import ActOptions
from operator_command.officer.acts.outcome import (
    AGENCY,
    BIDDER,
    CARD,
    CATEGORY,
    REASON,
    Line,
    describe_time,
    print_lines,
)
from operator_command.officer.acts.session import QUALIFICATION_REGISTRY, ActingSession, ask_service, make_signer
from operator_command.officer.name_comparison import show_differences
from operator_command.officer.tables import print_line
from operator_command.speech import Phrase, Speech
from refusals import Code, Refusal
from toroku.qualification.v1 import card_approvals_pb2
from toroku.qualification.v1.card_approvals_pb2 import (
    CARD_APPROVAL_STATE_APPROVED,
    CARD_APPROVAL_STATE_OPEN,
    CARD_APPROVAL_STATE_REFUSED,
    CARD_APPROVAL_STATE_UNSPECIFIED,
    CardApproval,
    CardApprovalState,
)
from toroku.qualification.v1.card_approvals_pb2_grpc import CardApprovalsStub

_METHODS = card_approvals_pb2.DESCRIPTOR.services_by_name["CardApprovals"].methods_by_name
_PAGE = 100
_STATES: Mapping[int, Phrase] = {
    CARD_APPROVAL_STATE_OPEN: Phrase("職員の確認待ち", "waits for an officer"),
    CARD_APPROVAL_STATE_APPROVED: Phrase("承認済み", "approved"),
    CARD_APPROVAL_STATE_REFUSED: Phrase("不承認", "refused"),
}
_STATE = Phrase("状態", "state")
_ASKED = Phrase("受付", "asked")
_DECIDED = Phrase("決定", "decided")
_QUESTION = Phrase("確認する事項", "in question")
_COMPANY = Phrase("ICカード企業名称", "company in the certificate")
_ROSTER_COMPANY = Phrase("名簿の商号又は名称", "company in the roster")
_HOLDER = Phrase("ICカード取得者氏名", "holder in the certificate")
_CONTRACT_PARTY = Phrase("名簿の契約者氏名", "contract party in the roster")
_REPRESENTATIVE = Phrase("名簿の代表者氏名", "representative in the roster")
_NONE = Phrase("（記載なし）", "(none)")


def list_approvals(session: ActingSession, agency: str, state: CardApprovalState.ValueType, most: int) -> None:
    """Prints the cards that an agency's officers were asked about, in the order of their numbers."""
    request = card_approvals_pb2.ListCardApprovalsRequest(agency=agency, state=state, most=_PAGE)
    shown = 0
    with session.open(QUALIFICATION_REGISTRY) as channel:
        for approval in _list(CardApprovalsStub(channel), request):
            if shown == most:
                said = Phrase("ほかにもあります。--mostで件数を増やしてください。", "There are more: raise --most.")
                print_line(session.console, session.speech, said)
                return
            _show(session, approval)
            shown += 1
    if not shown:
        print_line(
            session.console, session.speech, Phrase("確認するICカードはありません。", "There are no such cards.")
        )


def decide(
    session: ActingSession,
    options: ActOptions,
    agency: str,
    number: str,
    reason: str,
    *,
    approve: bool,
) -> None:
    """Shows a card with the names in question, and approves or refuses it. Raises CARD_APPROVAL_NOT_LISTED."""
    with session.open(QUALIFICATION_REGISTRY) as channel:
        approval = _find(channel, agency, number)
        _show(session, approval)
        request = card_approvals_pb2.DecideCardApprovalRequest(
            agency=agency,
            category=approval.category,
            bidder_id=approval.bidder_id,
            certificate_sha256=approval.certificate_sha256,
            number=number,
            approve=approve,
            reason=reason,
        )
        make_signer(session, options).carry_out(
            channel, _METHODS["DecideCardApproval"], request, card_approvals_pb2.DecideCardApprovalResponse
        )
    said = Phrase(
        "承認しませんでした。問い合わせた方に、メールでお知らせします。",
        "The card is refused. Who asked is told by mail.",
    )
    if approve:
        said = Phrase(
            "承認しました。問い合わせた方に、メールでお知らせします。もう一度ログインと検索を行うと、登録できます。",
            "The card is approved. Who asked is told by mail, and can register after a new log-in and search.",
        )
    print_line(session.console, session.speech, said)


def _find(channel: grpc.Channel, agency: str, number: str) -> CardApproval:
    request = card_approvals_pb2.ListCardApprovalsRequest(
        agency=agency, state=CARD_APPROVAL_STATE_UNSPECIFIED, most=_PAGE
    )
    for approval in _list(CardApprovalsStub(channel), request):
        if approval.number == number:
            return approval
    raise Refusal("CARD_APPROVAL_NOT_LISTED", Code.NOT_FOUND, {"agency": agency})


def _list(stub: CardApprovalsStub, request: card_approvals_pb2.ListCardApprovalsRequest) -> Iterator[CardApproval]:
    while True:
        approvals = ask_service(stub.ListCardApprovals, request).approvals
        yield from approvals
        if len(approvals) < request.most:
            return
        request.after = approvals[-1].number


def _show(session: ActingSession, approval: CardApproval) -> None:
    heading = Phrase(f"ICカードの確認 {approval.number}", f"card {approval.number}")
    print_lines(session, heading, _describe(approval, session.speech))
    company, holder = approval.company, approval.holder
    if approval.company_in_question:
        show_differences(session.console, company.differences, session.speech)
    if approval.holder_in_question:
        show_differences(session.console, holder.differences, session.speech)
        show_differences(session.console, holder.representative_differences, session.speech)


def _describe(approval: CardApproval, speech: Speech) -> Iterator[Line]:
    yield _STATE, speech.say(_STATES[approval.state]) if approval.state in _STATES else str(approval.state)
    yield _ASKED, describe_time(approval.asked_at, speech)
    yield AGENCY, speech.name_agency(approval.agency)
    yield CATEGORY, speech.name_category(approval.category)
    yield BIDDER, approval.bidder_id
    yield CARD, approval.certificate_sha256.hex()
    named = (
        (approval.company_in_question, Phrase("会社", "company")),
        (approval.holder_in_question, Phrase("名義人", "holder")),
    )
    yield _QUESTION, speech.say(Phrase("、", ", ")).join(speech.say(words) for asked, words in named if asked)
    none = speech.say(_NONE)
    if approval.HasField("company"):
        company = approval.company
        yield _COMPANY, company.name if company.HasField("name") else none
        yield _ROSTER_COMPANY, company.roster_name if company.HasField("roster_name") else none
    if approval.HasField("holder"):
        holder = approval.holder
        yield _HOLDER, holder.name if holder.HasField("name") else none
        yield _CONTRACT_PARTY, holder.contract_party_name if holder.HasField("contract_party_name") else none
        yield _REPRESENTATIVE, holder.representative_name if holder.HasField("representative_name") else none
    if approval.HasField("decided_at"):
        when, who = describe_time(approval.decided_at, speech), speech.name_officer(approval.decided_by)
        yield _DECIDED, speech.say(Phrase(f"{when}、{who}", f"{when}, {who}"))
    yield REASON, approval.reason
