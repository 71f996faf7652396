"""Guessing is slowed without letting a stranger lock a bidder out (QUA-06).

Tries are counted before the work, so that neither a crash nor parallel tries dodge the count; a search that finds its
bidder takes its own count back. What is counted does not depend on whether the typed id exists.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from instance_profile.model import PasswordRule
from refusals import Code, Refusal

# What a try on a bidder id waits that was tried too often, by all cards together: longer with each, up to the longest.
_DELAY_STEP = timedelta(milliseconds=200)
LONGEST_DELAY = timedelta(seconds=3)


class Scope(StrEnum):
    """What tries are counted by. Rows are locked in this order."""

    CARD_AND_ID = "card_and_id"
    CARD = "card"
    BIDDER = "bidder"


@dataclass(frozen=True, slots=True)
class Count:
    """How many tries were counted, the running one included, and when the count begins anew."""

    tries: int
    window_ends: datetime


def keys(certificate_sha256: bytes, typed_bidder_id: str) -> dict[Scope, bytes]:
    """What a try is counted under, 32 bytes each; nothing that was typed is kept."""
    typed = typed_bidder_id.encode()
    return {
        Scope.CARD_AND_ID: hashlib.sha256(certificate_sha256 + typed).digest(),
        Scope.CARD: hashlib.sha256(certificate_sha256).digest(),
        Scope.BIDDER: hashlib.sha256(typed).digest(),
    }


def refuse_too_many(counts: Mapping[Scope, Count], rule: PasswordRule, now: datetime) -> None:
    """Raises TOO_MANY_TRIES with `retry_after_seconds` where this card may not try (this id) any more for now."""
    allowed = {Scope.CARD_AND_ID: rule.tries_per_card_and_id, Scope.CARD: rule.tries_per_card}
    ends = [counts[scope].window_ends for scope, most in allowed.items() if counts[scope].tries > most]
    if ends:
        seconds = max(1, math.ceil((max(ends) - now).total_seconds()))
        minutes = math.ceil(seconds / 60)
        metadata = {"retry_after_seconds": str(seconds), "retry_after_minutes": str(minutes)}
        raise Refusal("TOO_MANY_TRIES", Code.RESOURCE_EXHAUSTED, metadata)


def delay(bidder: Count, rule: PasswordRule) -> timedelta:
    """How long a try on a much tried bidder id waits before it is looked at; it is never refused for that."""
    return min(LONGEST_DELAY, _DELAY_STEP * max(0, bidder.tries - rule.tries_per_bidder))
