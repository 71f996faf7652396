"""Terms of rosters: for which days a list counts, and whether a file may bring a list for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from refusals import Code, Refusal

# Terms in a refusal; it travels in headers, which are small.
_MOST_TERMS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Term:
    """The first and the last day for which a list counts, days in Japan.

    Without a first day it is the only term of a roster that has no terms; without a last day it has no end yet.
    """

    first_day: date | None = None
    last_day: date | None = None

    @property
    def begins(self) -> date:
        """Returns the first day; the earliest of all days where there is none."""
        return self.first_day or date.min

    def has_begun(self, today: date) -> bool:
        """Returns whether it begins today or earlier."""
        return self.begins <= today


@dataclass(frozen=True, slots=True)
class RosterTerm:
    """A term that has a list. `number` is its short key."""

    number: int
    term: Term


def find_term(terms: Sequence[RosterTerm], term: Term) -> RosterTerm | None:
    """Returns the stored term that begins on the same day; None where its first list is still to come."""
    return next((stored for stored in terms if stored.term.first_day == term.first_day), None)


def find_term_before(terms: Sequence[RosterTerm], term: Term) -> RosterTerm | None:
    """Returns the last stored term that begins before this one; None where it is the first."""
    earlier = [stored for stored in terms if stored.term.begins < term.begins]
    return max(earlier, key=lambda stored: stored.term.begins, default=None)


def check_term(term: Term, terms: Sequence[RosterTerm], today: date) -> None:
    """Raises the reason why a roster with these terms cannot get a list for this term today.

    ROSTER_TERM_REVERSED, ROSTER_TERM_OVERLAPS, ROSTER_TERM_ENDED, ROSTER_TERM_MISSING (the roster has terms that have
    begun, and the file has none).
    """
    text = format_term(term)
    if term.last_day is not None and term.last_day < term.begins:
        raise Refusal("ROSTER_TERM_REVERSED", Code.INVALID_ARGUMENT, {"term": text})
    others = [stored.term for stored in terms if stored.term.first_day != term.first_day]
    for other in others:
        earlier, later = sorted((term, other), key=lambda one: one.begins)
        if earlier.last_day is not None and earlier.last_day >= later.begins:
            metadata = {"term": text, "other": format_term(other)}
            raise Refusal("ROSTER_TERM_OVERLAPS", Code.INVALID_ARGUMENT, metadata)
    replaced_by = [other for other in others if other.begins > term.begins and other.has_begun(today)]
    if replaced_by and term.first_day is None:
        shown = sorted(map(format_term, replaced_by))[-_MOST_TERMS_SHOWN:]
        raise Refusal("ROSTER_TERM_MISSING", Code.INVALID_ARGUMENT, {"terms": ", ".join(shown)})
    if replaced_by or (term.last_day is not None and term.last_day < today):
        metadata = {"term": text, "today": today.isoformat()}
        raise Refusal("ROSTER_TERM_ENDED", Code.INVALID_ARGUMENT, metadata)


def format_term(term: Term) -> str:
    """Returns a term for people, such as 2026-04-01/2028-03-31 (ISO 8601); an open end is left out."""
    days = (term.first_day, term.last_day)
    return "/".join(day.isoformat() if day is not None else "" for day in days)
