"""The states of bidders, and what officers decide about them."""

from datetime import date, datetime, time, timedelta
from functools import lru_cache

from google.protobuf.timestamp_pb2 import Timestamp

from instance_profile.japan_time import JAPAN
from instance_profile.roster_mapping import SuccessionKind
from qualification_registry.domain.bidder_notice import BidderNotice, BidderNoticeKind
from qualification_registry.domain.bidder_state import BidderState
from qualification_registry.domain.bidders import BidderStatus
from qualification_registry.domain.predecessor import Link, LinkRequest
from qualification_registry.domain.qualified_periods import QualifiedPeriod
from qualification_registry.domain.review import ReviewEnd
from qualification_registry.domain.suspension import Suspension, SuspensionQuery, SuspensionRequest
from refusals import Code, Refusal
from servicekit.messages import write_timestamp
from toroku.contact.v1 import contact_pb2
from toroku.event.v1 import version_pb2
from toroku.qualification.v1 import bidder_state_pb2, bidders_pb2

_STATUSES = {
    BidderStatus.ACTIVE: bidder_state_pb2.BIDDER_STATUS_ACTIVE,
    BidderStatus.SUSPENDED: bidder_state_pb2.BIDDER_STATUS_SUSPENDED,
    BidderStatus.ENDED: bidder_state_pb2.BIDDER_STATUS_ENDED,
}
_SUCCESSION_KINDS = {
    bidders_pb2.SUCCESSION_KIND_REAPPLICATION: SuccessionKind.REAPPLICATION,
    bidders_pb2.SUCCESSION_KIND_TRANSFER: SuccessionKind.TRANSFER,
    bidders_pb2.SUCCESSION_KIND_MERGER: SuccessionKind.MERGER,
}
_NOTICE_KINDS = {
    BidderNoticeKind.SUSPENDED: contact_pb2.NOTICE_KIND_BIDDER_SUSPENDED,
    BidderNoticeKind.RESUMED: contact_pb2.NOTICE_KIND_BIDDER_RESUMED,
}


def write_bidder_state(state: BidderState) -> bidder_state_pb2.BidderState:
    """Returns the state of a bidder as an event carries it."""
    return bidder_state_pb2.BidderState(
        bidder_id=state.key.bidder_id,
        category=state.key.category,
        version=version_pb2.Version(epoch=state.version.epoch, number=state.version.number),
        status=_STATUSES[state.status],
        suspended_agencies=state.suspended_agencies,
        approved_cards=[
            bidder_state_pb2.ApprovedCard(
                agency=card.agency,
                certificate_sha256=card.certificate_sha256,
                company=card.approved.company,
                holder=card.approved.holder,
            )
            for card in state.approved_cards
        ],
        qualified=map(_write_period, state.qualified),
        reviews=[
            bidder_state_pb2.CompanyReview(began_at=write_timestamp(review.began_at), agencies=review.agencies)
            for review in state.reviews
        ],
    )


def _write_period(period: QualifiedPeriod) -> bidder_state_pb2.QualifiedPeriod:
    day_after = None if period.last_day is None else period.last_day + timedelta(days=1)
    return bidder_state_pb2.QualifiedPeriod(
        qualified_from=_write_midnight(period.first_day),
        qualified_until=_write_midnight(day_after),
        agencies=period.agencies,
    )


# The periods of a roster's bidders begin and end on a few days.
@lru_cache(maxsize=1024)
def _write_midnight(day: date | None) -> Timestamp | None:
    """Returns the first instant of a day in Japan."""
    return None if day is None else write_timestamp(datetime.combine(day, time(), JAPAN))


def read_suspension_request(
    request: bidders_pb2.SuspendBidderRequest
    | bidders_pb2.ConfirmBidderSuspensionRequest
    | bidders_pb2.ResumeBidderRequest,
) -> SuspensionRequest:
    """Returns what an officer asks for a bidder."""
    return SuspensionRequest(
        bidder_id=request.bidder_id,
        category=request.category,
        agency=request.agency,
        reason="" if isinstance(request, bidders_pb2.ConfirmBidderSuspensionRequest) else request.reason,
    )


def read_review_end(request: bidders_pb2.EndReviewRequest) -> ReviewEnd:
    """Returns which review an officer ends."""
    return ReviewEnd(
        bidder_id=request.bidder_id, category=request.category, agency=request.agency, reason=request.reason
    )


def read_link_request(request: bidders_pb2.LinkBiddersRequest) -> LinkRequest:
    """Returns which bidders an officer links. Raises PREDECESSOR_KIND_INVALID."""
    kind = _SUCCESSION_KINDS.get(request.kind)
    if kind is None:
        raise Refusal("PREDECESSOR_KIND_INVALID", Code.INVALID_ARGUMENT)
    link = Link(category=request.category, bidder_id=request.bidder_id, predecessor=request.predecessor, kind=kind)
    return LinkRequest(agency=request.agency, link=link, reason=request.reason)


def read_suspension_query(request: bidders_pb2.ListBidderSuspensionsRequest) -> SuspensionQuery:
    """Returns which suspensions are asked for. Whatever can't be in the database is cut off."""
    return SuspensionQuery(
        agency=request.agency,
        category=request.category,
        # PostgreSQL accepts no NUL in a text; no id is between an id with NUL and the part before the NUL.
        bidder_id=request.bidder_id.partition("\0")[0],
        after_bidder_id=request.after_bidder_id.partition("\0")[0],
        after_category=request.after_category.partition("\0")[0],
        most=request.most,
    )


def write_bidder_notice(notice: BidderNotice) -> contact_pb2.Notice:
    """Returns a notice to all contacts of a bidder in a category."""
    entry = notice.entry
    return contact_pb2.Notice(
        notice_id=str(notice.notice_id),
        kind=_NOTICE_KINDS[notice.kind],
        recipients=[
            contact_pb2.NoticeRecipient(
                bidder=contact_pb2.BidderContacts(bidder_id=notice.key.bidder_id, category=notice.key.category)
            )
        ],
        bidder=contact_pb2.BidderFacts(
            agency=notice.agency,
            category=notice.key.category,
            bidder_id=notice.key.bidder_id,
            happened_at=write_timestamp(notice.happened_at),
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


def write_suspension(suspension: Suspension) -> bidders_pb2.BidderSuspension:
    """Returns a suspension that stands as a message."""
    message = bidders_pb2.BidderSuspension(
        bidder_id=suspension.bidder_id,
        category=suspension.category,
        agency=suspension.agency,
        reason=suspension.reason,
        suspended_by=suspension.suspended_by,
        suspended_at=write_timestamp(suspension.suspended_at),
        confirmed_by=suspension.confirmed_by or "",
    )
    if suspension.lapses_at is not None:
        message.lapses_at.CopyFrom(write_timestamp(suspension.lapses_at))
    if suspension.confirmed_at is not None:
        message.confirmed_at.CopyFrom(write_timestamp(suspension.confirmed_at))
    return message
