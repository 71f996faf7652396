"""A request for every method that officers call, about records of one agency."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from google.protobuf.message import Message

from toroku.agencysync.v1 import agency_sync_pb2
from toroku.certificate.v1 import cards_pb2, officers_pb2
from toroku.history.v1 import history_pb2
from toroku.officer.v1 import officer_acts_pb2, proposals_pb2
from toroku.qualification.v1 import bidders_pb2, card_approvals_pb2
from toroku.qualification.v1 import qualification_registry_pb2 as qualification

MAPPING = ROSTER = "saitama-goods"
CATEGORY = "goods"
REASON = "確認済み"


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What an agency has: goods bidders with passwords, previewed rosters, an officer, and a proposal about it."""

    agency: str
    roster: bytes
    bidder_id: str
    import_id: str
    cancelled_id: str
    person_id: str
    proposal_id: str
    proposal_sha256: bytes


def preview_roster(content: bytes) -> list[Message]:
    """Returns the messages that preview a roster."""
    header = qualification.RosterHeader(mapping=MAPPING, file_name="roster.csv")
    return [qualification.PreviewRosterRequest(header=header), qualification.PreviewRosterRequest(content=content)]


def build_requests(method: str, records: Records) -> Sequence[Message]:
    """Returns what is sent to a method, by its full name."""
    if method == "toroku.qualification.v1.QualificationRegistry.PreviewRoster":
        return preview_roster(records.roster)
    return [REQUESTS[method](records)]


def _of_card(request: Callable[..., Message], **further: Any) -> Callable[[Records], Message]:
    return lambda records: request(
        agency=records.agency,
        category=CATEGORY,
        certificate_sha256=bytes(32),
        bidder_id=records.bidder_id,
        **further,
    )


def _of_bidder(request: Callable[..., Message], **further: Any) -> Callable[[Records], Message]:
    return lambda records: request(agency=records.agency, category=CATEGORY, bidder_id=records.bidder_id, **further)


def _of_person(request: Callable[..., Message], **further: Any) -> Callable[[Records], Message]:
    return lambda records: request(agency=records.agency, person_id=records.person_id, **further)


def _of_proposal(request: Callable[..., Message], **further: Any) -> Callable[[Records], Message]:
    return lambda records: request(proposal_id=records.proposal_id, proposal_sha256=records.proposal_sha256, **further)


def _of_agency(request: Callable[..., Message], **further: Any) -> Callable[[Records], Message]:
    return lambda records: request(agency=records.agency, **further)


def _of_import(request: Callable[..., Message], **further: Any) -> Callable[[Records], Message]:
    return lambda records: request(import_id=records.import_id, **further)


_REGISTRY: Mapping[str, Callable[[Records], Message]] = {
    "PreviewRoster": lambda records: preview_roster(records.roster)[0],
    "ListPreviewLines": _of_import(qualification.ListPreviewLinesRequest),
    "ListUndecidedRows": _of_import(qualification.ListUndecidedRowsRequest),
    "CommitRoster": _of_import(qualification.CommitRosterRequest, accept_suggestions=True),
    "CancelRosterPreview": lambda records: qualification.CancelRosterPreviewRequest(import_id=records.cancelled_id),
    "ListRosterVersions": lambda _: qualification.ListRosterVersionsRequest(roster=ROSTER),
    "ListVersionLines": lambda _: qualification.ListVersionLinesRequest(roster=ROSTER, version=1),
    "ReadRosterFile": lambda _: qualification.ReadRosterFileRequest(roster=ROSTER, version=1),
    "CompareName": _of_bidder(qualification.CompareNameRequest, name="株式会社見本"),
    "ListBidders": _of_agency(qualification.ListBiddersRequest, category=CATEGORY),
    "IssuePasswords": lambda records: qualification.IssuePasswordsRequest(
        agency=records.agency,
        category=CATEGORY,
        bidder_ids=[records.bidder_id],
        reissue=True,
        reason=REASON,
        document="再交付申請書",
    ),
}
_BIDDERS: Mapping[str, Callable[[Records], Message]] = {
    "SuspendBidder": _of_bidder(bidders_pb2.SuspendBidderRequest, reason=REASON),
    "ConfirmBidderSuspension": _of_bidder(bidders_pb2.ConfirmBidderSuspensionRequest),
    "ResumeBidder": _of_bidder(bidders_pb2.ResumeBidderRequest, reason=REASON),
    "EndReview": _of_bidder(bidders_pb2.EndReviewRequest, reason=REASON),
    "LinkBidders": _of_bidder(
        bidders_pb2.LinkBiddersRequest,
        predecessor="1000000009",
        kind=bidders_pb2.SUCCESSION_KIND_TRANSFER,
        reason=REASON,
    ),
    "ListBidderSuspensions": _of_agency(bidders_pb2.ListBidderSuspensionsRequest),
}
_APPROVALS: Mapping[str, Callable[[Records], Message]] = {
    "ListCardApprovals": _of_agency(card_approvals_pb2.ListCardApprovalsRequest),
    "DecideCardApproval": _of_card(
        card_approvals_pb2.DecideCardApprovalRequest, number="000001", approve=True, reason=REASON
    ),
}
_CARDS: Mapping[str, Callable[[Records], Message]] = {
    "ListCards": _of_bidder(cards_pb2.ListCardsRequest),
    "SuspendCard": _of_card(cards_pb2.SuspendCardRequest, reason=REASON),
    "ConfirmCardSuspension": _of_card(cards_pb2.ConfirmCardSuspensionRequest),
    "ResumeCard": _of_card(cards_pb2.ResumeCardRequest, reason=REASON),
    "UndoBinding": _of_card(cards_pb2.UndoBindingRequest, reason=REASON),
    "ReopenRegistration": _of_card(cards_pb2.ReopenRegistrationRequest, replaced_by=bytes([1] * 32), reason=REASON),
    "LinkPredecessor": _of_card(cards_pb2.LinkPredecessorRequest, predecessor=bytes([1] * 32), reason=REASON),
    "ListNamedPredecessors": _of_agency(cards_pb2.ListNamedPredecessorsRequest, category=CATEGORY),
}
_OFFICERS: Mapping[str, Callable[[Records], Message]] = {
    "InviteOfficer": _of_agency(officers_pb2.InviteOfficerRequest, person_id="newcomer", name="新人", letter=True),
    "CancelInvitation": _of_agency(officers_pb2.CancelInvitationRequest, invitation_id=str(uuid4()), reason=REASON),
    "ListInvitations": _of_agency(officers_pb2.ListInvitationsRequest),
    "ConfirmOfficer": _of_person(officers_pb2.ConfirmOfficerRequest, certificate_sha256=bytes(32)),
    "ListOfficers": _of_agency(officers_pb2.ListOfficersRequest),
    "GetOfficer": _of_person(officers_pb2.GetOfficerRequest),
    "GrantRole": _of_person(officers_pb2.GrantRoleRequest, roles=["roster"], reason=REASON),
    "WithdrawRole": _of_person(officers_pb2.WithdrawRoleRequest, role="registration", reason=REASON),
    "PreviewWithdrawal": lambda records: officers_pb2.PreviewWithdrawalRequest(
        agency=records.agency, person_ids=[records.person_id]
    ),
    "WithdrawOfficers": lambda records: officers_pb2.WithdrawOfficersRequest(
        agency=records.agency, person_ids=[records.person_id], reason=REASON
    ),
    "EndAllSessions": lambda _: officers_pb2.EndAllSessionsRequest(reason=REASON),
}
_PROPOSALS: Mapping[str, Callable[[Records], Message]] = {
    "ListProposals": _of_agency(proposals_pb2.ListProposalsRequest),
    "GetProposal": lambda records: proposals_pb2.GetProposalRequest(proposal_id=records.proposal_id),
    "ApproveProposal": _of_proposal(proposals_pb2.ApproveProposalRequest),
    "RejectProposal": _of_proposal(proposals_pb2.RejectProposalRequest, reason=REASON),
}

REQUESTS: Mapping[str, Callable[[Records], Message]] = {
    **{f"toroku.qualification.v1.QualificationRegistry.{name}": build for name, build in _REGISTRY.items()},
    **{f"toroku.qualification.v1.Bidders.{name}": build for name, build in _BIDDERS.items()},
    **{f"toroku.qualification.v1.CardApprovals.{name}": build for name, build in _APPROVALS.items()},
    **{f"toroku.certificate.v1.Cards.{name}": build for name, build in _CARDS.items()},
    **{f"toroku.certificate.v1.Officers.{name}": build for name, build in _OFFICERS.items()},
    **{f"toroku.officer.v1.Proposals.{name}": build for name, build in _PROPOSALS.items()},
    "toroku.officer.v1.OfficerActs.CreateActChallenge": lambda records: officer_acts_pb2.CreateActChallengeRequest(
        method="toroku.certificate.v1.Officers/InviteOfficer",
        request_id=str(uuid4()),
        request=_OFFICERS["InviteOfficer"](records).SerializeToString(),
    ),
    "toroku.agencysync.v1.AgencySync.ListPropagations": _of_agency(
        agency_sync_pb2.ListPropagationsRequest, registration_id=str(uuid4())
    ),
    "toroku.agencysync.v1.AgencySync.GetPropagationProgress": _of_agency(agency_sync_pb2.GetPropagationProgressRequest),
    "toroku.history.v1.History.ListEntries": lambda records: history_pb2.ListEntriesRequest(
        bidder_id=records.bidder_id
    ),
    "toroku.history.v1.History.ReadHistory": lambda _: history_pb2.ReadHistoryRequest(),
}
# What of it changes nothing, and needs no act.
READS = frozenset(
    {
        *(
            f"toroku.qualification.v1.QualificationRegistry.{name}"
            for name in (
                *("PreviewRoster", "ListPreviewLines", "ListUndecidedRows", "ListRosterVersions", "ListVersionLines"),
                *("ReadRosterFile", "CompareName", "ListBidders"),
            )
        ),
        "toroku.qualification.v1.Bidders.ListBidderSuspensions",
        "toroku.qualification.v1.CardApprovals.ListCardApprovals",
        "toroku.certificate.v1.Cards.ListCards",
        "toroku.certificate.v1.Cards.ListNamedPredecessors",
        *(
            f"toroku.certificate.v1.Officers.{name}"
            for name in ("ListInvitations", "ListOfficers", "GetOfficer", "PreviewWithdrawal")
        ),
        "toroku.officer.v1.OfficerActs.CreateActChallenge",
        "toroku.officer.v1.Proposals.ListProposals",
        "toroku.officer.v1.Proposals.GetProposal",
        "toroku.agencysync.v1.AgencySync.ListPropagations",
        "toroku.agencysync.v1.AgencySync.GetPropagationProgress",
        "toroku.history.v1.History.ListEntries",
        "toroku.history.v1.History.ReadHistory",
    }
)
