"""The place of a reader in a feed, and whether it can go on from there."""

from collections.abc import Sequence

from agency_sync.domain.feed import Change, FeedHead, FeedPosition
from refusals import Code, Refusal


def find_start(after: FeedPosition | None, head: FeedHead) -> int:
    """Returns the number after which a reader goes on.

    Raises FEED_POSITION_INVALID, FEED_POSITION_AHEAD, FEED_POSITION_TOO_OLD, FEED_RESTARTED.
    """
    position = FeedPosition(head.epoch, 0) if after is None else after
    check_position(position, head)
    if position.number < head.kept_after:
        raise refuse_too_old()
    return position.number


def check_position(position: FeedPosition, head: FeedHead, *, admits_older: bool = False) -> None:
    """Raises FEED_POSITION_INVALID, FEED_POSITION_AHEAD and, unless older epochs are admitted, FEED_RESTARTED."""
    if position.epoch < 1 or position.number < 0:
        raise Refusal("FEED_POSITION_INVALID", Code.INVALID_ARGUMENT)
    if (position.epoch, position.number) > (head.epoch, head.number):
        metadata = {"epoch": str(head.epoch), "number": str(head.number)}
        raise Refusal("FEED_POSITION_AHEAD", Code.INVALID_ARGUMENT, metadata)
    if position.epoch < head.epoch and not admits_older:
        raise Refusal("FEED_RESTARTED", Code.FAILED_PRECONDITION, {"epoch": str(head.epoch)})


def is_gapless(changes: Sequence[Change], after: int) -> bool:
    """Returns whether changes are there and follow each other from a number on; where not, entries were deleted."""
    return bool(changes) and all(change.number == after + place for place, change in enumerate(changes, start=1))


def refuse_too_old() -> Refusal:
    """Returns the refusal of a position after which entries were deleted."""
    return Refusal("FEED_POSITION_TOO_OLD", Code.FAILED_PRECONDITION)
