"""Whether a card is good, by the copy of the feed: without asking anybody.

The order is that of `UserLookup.ResolveUser`, and so are the words. Bounds of time are compared here: nothing is sent
on the day a certificate expires or a term begins.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from toroku.agencysync.v1.feed_pb2 import Change
from toroku_feed.store import FeedStore, Progress

GOOD = "GOOD"
NOT_REGISTERED = "NOT_REGISTERED"
# The copy is older than the instance allows, or there is none: nobody is let in by it.
FEED_TOO_OLD = "FEED_TOO_OLD"

_BEFORE_BOUNDS = {Change.STATE_REPLACED, Change.STATE_ENDED, Change.STATE_REVOKED}
# By state, for an entry without a reason.
_REASONS = {
    Change.STATE_SUSPENDED: "CARD_SUSPENDED",
    Change.STATE_REPLACED: "CARD_REPLACED",
    Change.STATE_ENDED: "BINDING_ENDED",
    Change.STATE_REVOKED: "CERTIFICATE_REVOKED",
    Change.STATE_UNDER_REVIEW: "UNDER_REVIEW",
}
# These come after the bounds of the certificate, though their state is one of those that come before.
_AFTER_CERTIFICATE = {"CERTIFICATE_NOT_TRUSTED", "BIDDER_ENDED"}


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a card is good, why not, and as of when. It is true as a condition if and only if the card is good."""

    # GOOD, the word of ResolveUser's verdict, or FEED_TOO_OLD.
    reason: str
    # The entry of the card; None where there is none. It names the bidder.
    entry: Change | None
    # The instance's time of what this rests on; None where there is no copy.
    as_of: datetime | None

    @property
    def is_good(self) -> bool:
        """Whether the user may be let in."""
        return self.reason == GOOD

    def __bool__(self) -> bool:
        return self.is_good


class LocalAnswers:
    """Answers from a store that a subscriber fills, in this process or in another one."""

    def __init__(self, store: FeedStore) -> None:
        self._store = store

    async def is_good(self, certificate_sha256: bytes, at: datetime | None = None) -> Answer:
        """Returns whether a card is good at an instant: now, where none is given.

        `certificate_sha256` is that of the certificate in DER, and whoever asks has verified that the user has the key.
        The copy knows the newest state only, so an instant before it is answered by that state too.
        """
        entry, progress = await self._store.find(certificate_sha256)
        return judge(entry, progress, at if at is not None else datetime.now(UTC))


def judge(entry: Change | None, progress: Progress | None, at: datetime) -> Answer:
    """Returns the answer for a card by its entry, None where it has none, and by how far the copy has come."""
    if progress is None:
        return Answer(FEED_TOO_OLD, None, None)
    reason = NOT_REGISTERED if entry is None else _find_reason(entry, at)
    if reason == GOOD and at >= progress.valid_until:
        reason = FEED_TOO_OLD
    return Answer(reason, entry, progress.as_of)


def _find_reason(entry: Change, at: datetime) -> str:
    # A state that is newer than this program is not good.
    stopped = "" if entry.state == Change.STATE_GOOD else entry.reason or _REASONS.get(entry.state, "UNKNOWN_STATE")
    if entry.state in _BEFORE_BOUNDS and stopped not in _AFTER_CERTIFICATE:
        return stopped
    if not entry.HasField("certificate_not_before") or not entry.HasField("certificate_not_after"):
        # The instance does not know the certificate (yet), so its validity can't be judged here.
        return stopped or "CERTIFICATE_NOT_TRUSTED"
    # Each bound is a whole second; the last one belongs to the validity.
    if at < entry.certificate_not_before.ToDatetime(UTC):
        return "CERTIFICATE_NOT_YET_VALID"
    if int(at.timestamp()) > entry.certificate_not_after.seconds:
        return "CERTIFICATE_EXPIRED"
    if stopped and entry.state != Change.STATE_UNDER_REVIEW:
        return stopped
    if not _is_qualified(entry, at):
        return "NOT_QUALIFIED"
    return stopped or GOOD


def _is_qualified(entry: Change, at: datetime) -> bool:
    return any(
        (not time.HasField("qualified_from") or time.qualified_from.ToDatetime(UTC) <= at)
        and (not time.HasField("qualified_until") or at < time.qualified_until.ToDatetime(UTC))
        for time in entry.qualified
    )
