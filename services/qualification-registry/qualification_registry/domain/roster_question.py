"""Questions about a roster file as a whole, which an officer confirms with the import (QUA-12)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from instance_profile.characters import shorten_visible
from instance_profile.japan_time import find_japan_day
from instance_profile.model import Profile
from refusals import Code, Refusal

# What a question shows; it travels in headers where a commit is refused for it.
_MOST_AGENCIES_SHOWN = 10
_MOST_PAIRS_SHOWN = 5
_MOST_ROWS_SHOWN = 20
_MOST_CONFIRMATIONS_SHOWN = 10
_MOST_CONFIRMATION_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a file: a reason of the catalogue, and what fills the placeholders of its words."""

    reason: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FormerImport:
    """An earlier version of a roster, and when it was committed."""

    version: int
    committed_at: datetime


def ask_about_gone(gone: int, expected: int, most_percent: int) -> Iterator[Question]:
    """Yields the question about a file that lacks too many of the bidders that it is expected to name."""
    if gone * 100 > expected * most_percent:
        percent = str(round(100 * gone / expected))
        yield Question("ROSTER_MANY_GONE", {"gone": str(gone), "expected": str(expected), "percent": percent})


def ask_about_former(former: FormerImport | None) -> Iterator[Question]:
    """Yields the question about a file that made an earlier version of its roster."""
    if former is not None:
        day = find_japan_day(former.committed_at).isoformat()
        yield Question("ROSTER_FILE_SEEN_BEFORE", {"version": str(former.version), "day": day})


def ask_about_agencies(profile: Profile, named: Collection[str], expected: Collection[str]) -> Iterator[Question]:
    """Yields the question about agencies that a file does not name although the list before does; all are codes."""
    missing = [agency for agency in profile.agencies if agency.code in set(expected) - set(named)]
    if missing:
        names = "、".join(agency.name.ja for agency in missing[:_MOST_AGENCIES_SHOWN])
        more = " …" if len(missing) > _MOST_AGENCIES_SHOWN else ""
        yield Question("ROSTER_AGENCIES_MISSING", {"agencies": names + more, "count": str(len(missing))})


def ask_about_renumbered(pairs: Sequence[tuple[str, str]]) -> Iterator[Question]:
    """Yields the question about bidders that leave the roster while new ids have their names; old and new ids."""
    if pairs:
        shown = ", ".join(f"{old} → {new}" for old, new in pairs[:_MOST_PAIRS_SHOWN])
        more = " …" if len(pairs) > _MOST_PAIRS_SHOWN else ""
        yield Question("ROSTER_BIDDERS_RENUMBERED", {"count": str(len(pairs)), "ids": shown + more})


def ask_about_links(pairs: Sequence[tuple[str, str]]) -> Iterator[Question]:
    """Yields the question about bidders that get a successor, for good; their ids and the successors'."""
    if pairs:
        shown = ", ".join(f"{old} → {new}" for old, new in pairs[:_MOST_PAIRS_SHOWN])
        more = " …" if len(pairs) > _MOST_PAIRS_SHOWN else ""
        yield Question("ROSTER_BIDDERS_LINKED", {"count": str(len(pairs)), "ids": shown + more})


def ask_about_broken_text(rows: Sequence[int]) -> Iterator[Question]:
    """Yields the question about rows with characters that often stand for a lost one."""
    if rows:
        shown = ", ".join(map(str, sorted(rows)[:_MOST_ROWS_SHOWN])) + (" …" if len(rows) > _MOST_ROWS_SHOWN else "")
        yield Question("ROSTER_TEXT_DOUBTFUL", {"count": str(len(rows)), "rows": shown})


def require_confirmed(asked: Collection[str], confirmed: Sequence[str]) -> None:
    """Raises unless exactly the reasons that were asked are confirmed.

    ROSTER_CONFIRMATION_NOT_ASKED, ROSTER_NOT_CONFIRMED (metadata `reasons`: those that are missing).
    """
    if superfluous := [reason for reason in dict.fromkeys(confirmed) if reason not in asked]:
        shown = [
            shorten_visible(reason, _MOST_CONFIRMATION_CHARACTERS) for reason in superfluous[:_MOST_CONFIRMATIONS_SHOWN]
        ]
        raise Refusal("ROSTER_CONFIRMATION_NOT_ASKED", Code.INVALID_ARGUMENT, {"reasons": ", ".join(shown)})
    if missing := [reason for reason in asked if reason not in confirmed]:
        raise Refusal("ROSTER_NOT_CONFIRMED", Code.FAILED_PRECONDITION, {"reasons": ", ".join(missing)})
