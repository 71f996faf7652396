"""The versions of a roster: what each import made of it, and its lines and file as they were (QUA-12)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from instance_profile.characters import shorten_visible
from instance_profile.model import Profile
from qualification_registry.domain.bidders import Company
from qualification_registry.domain.roster_import import ImportCounts
from qualification_registry.domain.roster_term import Term
from refusals import Code, Refusal

_MOST_ROSTERS_SHOWN = 20
_MOST_ROSTER_CHARACTERS = 60


class VersionState(StrEnum):
    """Whether the list that a version made counts."""

    IN_FORCE = "in_force"
    # Its term has not begun.
    NOT_YET = "not_yet"
    # Its term has ended, or a later one has begun.
    ENDED = "ended"
    # A later version is the list of the same term.
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterVersion:
    """A version and the import that made it. `holds_until` is the last day of the list that its term has now."""

    version: int
    number: int
    mapping: str
    responsible_agency: str
    file_name: str
    file_sha256: bytes
    counts: ImportCounts
    term_number: int
    term: Term
    holds_until: date | None
    is_current: bool
    committed_at: datetime
    committed_by: str
    confirmed: Sequence[str]

    def judge_state(self, today: date) -> VersionState:
        """Returns whether it counts on a day of Japan's calendar."""
        if not self.is_current:
            return VersionState.REPLACED
        if not self.term.has_begun(today):
            return VersionState.NOT_YET
        return (
            VersionState.ENDED if self.holds_until is not None and self.holds_until < today else VersionState.IN_FORCE
        )


@dataclass(frozen=True, slots=True)
class RosterLine:
    """A line of a version. `since_version` brought it, from row `row` of its file."""

    company: Company
    agencies: Sequence[str]
    valid_from: date | None
    valid_until: date | None
    predecessor: str | None
    predecessor_kind: str | None
    is_under_review: bool
    since_version: int
    row: int

    @property
    def characters(self) -> int:
        """Returns how many characters its longest values have together."""
        company = self.company
        values = (company.name, company.address, company.department, company.branch, company.region)
        return sum(len(value or "") for value in values) + sum(len(grade.kind) for grade in company.grades)


@dataclass(frozen=True, slots=True)
class LinePage:
    """Some lines of a version; `next_page` names the next page, and is empty after the last one."""

    lines: Sequence[RosterLine]
    next_page: str


def find_responsible_agency(profile: Profile, roster: str, newest: RosterVersion | None) -> str:
    """Returns the agency that is responsible for a roster: by the profile, or else by its newest version.

    Raises ROSTER_UNKNOWN where neither knows the roster.
    """
    for mapping in profile.roster_mappings:
        if mapping.roster == roster:
            return mapping.responsible_agency
    if newest is None:
        raise refuse_unknown_roster(roster, {mapping.roster for mapping in profile.roster_mappings})
    return newest.responsible_agency


def refuse_unknown_roster(roster: str, rosters: Collection[str]) -> Refusal:
    """Returns the refusal of a name that no roster has, for the caller to raise."""
    known = ", ".join(sorted(rosters)[:_MOST_ROSTERS_SHOWN])
    metadata = {"roster": shorten_visible(roster, _MOST_ROSTER_CHARACTERS), "rosters": known or "-"}
    return Refusal("ROSTER_UNKNOWN", Code.NOT_FOUND, metadata)


def refuse_unknown_version(roster: str, version: int) -> Refusal:
    """Returns the refusal of a version that a roster does not have, for the caller to raise."""
    return Refusal("ROSTER_VERSION_UNKNOWN", Code.NOT_FOUND, {"roster": roster, "version": str(version)})


def require_page(page: str) -> str:
    """Returns the bidder id after which a page of lines begins. Raises PAGE_INVALID."""
    if not page.isprintable():
        raise Refusal("PAGE_INVALID", Code.INVALID_ARGUMENT)
    return page
