"""Bidders: suspended, confirmed and resumed, and their reviews ended, by acts at qualification-registry."""

from collections.abc import Iterator

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from operator_command.officer.acts.options import ActOptions
from operator_command.officer.acts.outcome import (
    BIDDER,
    CATEGORY,
    LAPSES,
    REASON,
    WHERE,
    Line,
    describe_time,
    print_lapse,
    print_lines,
    print_not_yet_effective,
    print_proposed,
)
from operator_command.officer.acts.session import QUALIFICATION_REGISTRY, ActingSession, ask_service, make_signer
from operator_command.officer.tables import print_line
from operator_command.speech import Phrase, Speech
from refusals import Code, Refusal
from toroku.qualification.v1 import bidders_pb2
from toroku.qualification.v1.bidders_pb2 import BidderSuspension
from toroku.qualification.v1.bidders_pb2_grpc import BiddersStub

_METHODS = bidders_pb2.DESCRIPTOR.services_by_name["Bidders"].methods_by_name
_PAGE = 100
_UNCONFIRMED = Phrase("利用停止中（未確認）", "suspended, not confirmed")
_CONFIRMED_STATE = Phrase("利用停止中（確認済み）", "suspended, confirmed")
_STATE = Phrase("状態", "state")
_SUSPENDED = Phrase("停止", "suspended")
_CONFIRMED = Phrase("確認", "confirmed")


def suspend_bidder(
    session: ActingSession, options: ActOptions, agency: str, category: str, bidder_id: str, reason: str
) -> None:
    """Suspends a bidder at once, and prints by when another person has to confirm it."""
    request = bidders_pb2.SuspendBidderRequest(agency=agency, category=category, bidder_id=bidder_id, reason=reason)
    with session.open(QUALIFICATION_REGISTRY) as channel:
        response = make_signer(session, options).carry_out(
            channel, _METHODS["SuspendBidder"], request, bidders_pb2.SuspendBidderResponse
        )
    _print_suspension(session, Phrase("業者の利用を停止しました。", "The bidder is suspended."), response.suspension)
    print_not_yet_effective(session, response.not_yet_effective_at)
    confirming = f"toroku suspend confirm --bidder {bidder_id} --category {category}"
    print_lapse(session, response.suspension.lapses_at, confirming)


def confirm_suspension(session: ActingSession, options: ActOptions, agency: str, category: str, bidder_id: str) -> None:
    """Confirms the suspension of a bidder, which then stays until it is resumed."""
    with session.open(QUALIFICATION_REGISTRY) as channel:
        _show_standing(session, channel, agency, category, bidder_id)
        request = bidders_pb2.ConfirmBidderSuspensionRequest(agency=agency, category=category, bidder_id=bidder_id)
        response = make_signer(session, options).carry_out(
            channel, _METHODS["ConfirmBidderSuspension"], request, bidders_pb2.ConfirmBidderSuspensionResponse
        )
    _print_suspension(session, Phrase("利用停止を確認しました。", "The suspension is confirmed."), response.suspension)
    said = Phrase(
        "停止は自動的には解除されません。解除するには「toroku resume bidder」を実行してください。",
        "It does not lapse any more. It ends by toroku resume bidder.",
    )
    print_line(session.console, session.speech, said)


def resume_bidder(
    session: ActingSession, options: ActOptions, agency: str, category: str, bidder_id: str, reason: str
) -> None:
    """Proposes that a bidder is resumed."""
    with session.open(QUALIFICATION_REGISTRY) as channel:
        _show_standing(session, channel, agency, category, bidder_id)
        request = bidders_pb2.ResumeBidderRequest(agency=agency, category=category, bidder_id=bidder_id, reason=reason)
        response = make_signer(session, options).carry_out(
            channel, _METHODS["ResumeBidder"], request, bidders_pb2.ResumeBidderResponse
        )
    print_proposed(session, response.proposal)


def end_review(
    session: ActingSession, options: ActOptions, agency: str, category: str, bidder_id: str, reason: str
) -> None:
    """Ends the review of a bidder's changed company data."""
    request = bidders_pb2.EndReviewRequest(agency=agency, category=category, bidder_id=bidder_id, reason=reason)
    with session.open(QUALIFICATION_REGISTRY) as channel:
        response = make_signer(session, options).carry_out(
            channel, _METHODS["EndReview"], request, bidders_pb2.EndReviewResponse
        )
    heading = Phrase(
        "審査済としました。変更後の企業情報が表示されます。", "The review is done. The new company data are shown."
    )
    lines = [
        (BIDDER, bidder_id),
        (CATEGORY, session.speech.name_category(category)),
        (WHERE, session.speech.name_place(agency)),
        (REASON, reason),
    ]
    print_lines(session, heading, lines)
    print_not_yet_effective(session, response.not_yet_effective_at)


def list_suspensions(session: ActingSession, agency: str, bidder_id: str | None, most: int) -> None:
    """Prints the suspensions of an agency that stand, by bidder."""
    request = bidders_pb2.ListBidderSuspensionsRequest(agency=agency, bidder_id=bidder_id or "", most=min(most, _PAGE))
    shown = 0
    with session.open(QUALIFICATION_REGISTRY) as channel:
        for suspension in _list(BiddersStub(channel), request):
            if shown == most:
                said = Phrase("ほかにもあります。--mostで件数を増やしてください。", "There are more: raise --most.")
                print_line(session.console, session.speech, said)
                return
            _print_suspension(session, Phrase("業者の利用停止", "suspension of a bidder"), suspension)
            shown += 1
    if not shown:
        print_line(session.console, session.speech, Phrase("利用停止はありません。", "There are no suspensions."))


def _show_standing(session: ActingSession, channel: grpc.Channel, agency: str, category: str, bidder_id: str) -> None:
    """Prints the suspension that stands. Raises BIDDER_SUSPENSION_NOT_LISTED."""
    request = bidders_pb2.ListBidderSuspensionsRequest(
        agency=agency, category=category, bidder_id=bidder_id, most=_PAGE
    )
    suspensions = ask_service(BiddersStub(channel).ListBidderSuspensions, request).suspensions
    if not suspensions:
        raise Refusal("BIDDER_SUSPENSION_NOT_LISTED", Code.NOT_FOUND, {"agency": agency, "category": category})
    _print_suspension(session, Phrase("業者の利用停止", "suspension of a bidder"), suspensions[0])


def _list(stub: BiddersStub, request: bidders_pb2.ListBidderSuspensionsRequest) -> Iterator[BidderSuspension]:
    while True:
        suspensions = ask_service(stub.ListBidderSuspensions, request).suspensions
        yield from suspensions
        if len(suspensions) < request.most:
            return
        request.after_bidder_id, request.after_category = suspensions[-1].bidder_id, suspensions[-1].category


def _print_suspension(session: ActingSession, heading: Phrase, suspension: BidderSuspension) -> None:
    print_lines(session, heading, _describe(suspension, session.speech))


def _describe(suspension: BidderSuspension, speech: Speech) -> Iterator[Line]:
    yield BIDDER, suspension.bidder_id
    yield CATEGORY, speech.name_category(suspension.category)
    yield WHERE, speech.name_place(suspension.agency)
    yield _STATE, speech.say(_CONFIRMED_STATE if suspension.confirmed_by else _UNCONFIRMED)
    yield REASON, suspension.reason
    yield _SUSPENDED, _describe_step(suspension.suspended_at, suspension.suspended_by, speech)
    if suspension.HasField("confirmed_at"):
        yield _CONFIRMED, _describe_step(suspension.confirmed_at, suspension.confirmed_by, speech)
    if suspension.HasField("lapses_at"):
        yield LAPSES, describe_time(suspension.lapses_at, speech)


def _describe_step(when: Timestamp, who: str, speech: Speech) -> str:
    """Returns when something was done and by which officer; by nobody where it came by itself."""
    time = describe_time(when, speech)
    if not who:
        return time
    officer = speech.name_officer(who)
    return speech.say(Phrase(f"{time}、{officer}", f"{time}, {officer}"))
