"""Slows guessing without letting a stranger lock a bidder out (QUA-06).

A try is counted before the search, so that neither a crash nor parallel tries escape the count; a search that finds its
bidder reverts its own count. What is counted does not depend on whether the entered id exists.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from instance_profile.model import PasswordRule
from refusals import Code, Refusal

# A try on a bidder id with too many tries by all cards together is delayed: by a step more each time, up to a maximum.
_DELAY_STEP = timedelta(milliseconds=200)
LONGEST_DELAY = timedelta(seconds=3)


class Scope(StrEnum):
    """What tries are counted by. Rows are locked in this order."""

    CARD_AND_ID = "card_and_id"
    CARD = "card"
    BIDDER = "bidder"


@dataclass(frozen=True, slots=True)
class Count:
    """The number of tries in a window, the current one included, and when the window ends."""

    tries: int
    window_ends: datetime


def derive_keys(certificate_sha256: bytes, entered_bidder_id: str) -> dict[Scope, bytes]:
    """Returns the keys of a try's counts, 32 bytes each, in the order of locking; the entered id is not kept."""
    entered = entered_bidder_id.encode()
    return {
        Scope.CARD_AND_ID: hashlib.sha256(certificate_sha256 + entered).digest(),
        Scope.CARD: hashlib.sha256(certificate_sha256).digest(),
        Scope.BIDDER: hashlib.sha256(entered).digest(),
    }


def find_limits(rule: PasswordRule) -> dict[Scope, int]:
    """Returns how many tries of this card, and of it on this id, are not refused; those on a bidder never are."""
    return {Scope.CARD_AND_ID: rule.tries_per_card_and_id, Scope.CARD: rule.tries_per_card}


def require_tries_left(counts: Mapping[Scope, Count], rule: PasswordRule, now: datetime) -> None:
    """Raises TOO_MANY_TRIES, with `retry_after_seconds`, after too many tries of this card, or of it on this id."""
    ends = [counts[scope].window_ends for scope, limit in find_limits(rule).items() if counts[scope].tries > limit]
    if ends:
        seconds = max(1, math.ceil((max(ends) - now).total_seconds()))
        minutes = math.ceil(seconds / 60)
        metadata = {"retry_after_seconds": str(seconds), "retry_after_minutes": str(minutes)}
        raise Refusal("TOO_MANY_TRIES", Code.RESOURCE_EXHAUSTED, metadata)


def compute_delay(bidder: Count, rule: PasswordRule) -> timedelta:
    """Returns how long a try on this bidder id is delayed; the number of tries on it never refuses one."""
    return min(LONGEST_DELAY, _DELAY_STEP * max(0, bidder.tries - rule.tries_per_bidder))
