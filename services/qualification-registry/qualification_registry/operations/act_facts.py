"""What the acts of officers say of rosters and bidders, beside the fields of the request."""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from instance_profile.roster_mapping import SuccessionKind
from officers.words import Fact
from qualification_registry.convert.bidders import read_link_request
from qualification_registry.domain.roster_import import RosterImport, preview_unknown
from qualification_registry.domain.roster_term import format_term
from qualification_registry.store import commits
from servicekit.database_connection import Connection
from servicekit.identity import Caller, require_acts_for
from servicekit.messages import find_uuid

_SERVICE = "toroku.qualification.v1.QualificationRegistry"
_BIDDERS = "toroku.qualification.v1.Bidders"
_KINDS = {
    SuccessionKind.REAPPLICATION: Fact("入札参加資格の失効後の再申請", "re-application after a lapse"),
    SuccessionKind.TRANSFER: Fact("契約権限の移譲", "transfer of the authority to contract"),
    SuccessionKind.MERGER: Fact("会社の合併", "merger"),
}
_NONE = Fact("なし", "none")


@dataclass(frozen=True, slots=True)
class ImportFacts:
    """Which roster a preview is of, and what it showed."""

    method: ClassVar[str] = f"{_SERVICE}/CommitRoster"
    names: ClassVar[tuple[str, ...]] = ("roster", "term", "new", "changed", "gone")

    async def find(self, connection: Connection, request: Any, officer: Caller) -> dict[str, Fact]:
        """Returns the facts; raises ROSTER_PREVIEW_UNKNOWN, AGENCY_NOT_OWN."""
        found = await _find_import(connection, request.import_id, officer)
        if found is None:
            raise preview_unknown()
        counts, term = found.counts, format_term(found.term)
        numbers = {"new": counts.new, "changed": counts.changed, "gone": counts.gone}
        return {
            "roster": Fact(found.roster, found.roster),
            "term": Fact(term, term) if found.term.first_day is not None else _NONE,
            **{name: Fact(f"{number}", f"{number}") for name, number in numbers.items()},
        }


@dataclass(frozen=True, slots=True)
class CancellationFacts:
    """Which roster a preview is of."""

    method: ClassVar[str] = f"{_SERVICE}/CancelRosterPreview"
    names: ClassVar[tuple[str, ...]] = ("roster",)

    async def find(self, connection: Connection, request: Any, officer: Caller) -> dict[str, Fact]:
        """Returns the facts; a preview that is not there is none of any roster. Raises AGENCY_NOT_OWN."""
        found = await _find_import(connection, request.import_id, officer)
        return {"roster": _NONE if found is None else Fact(found.roster, found.roster)}


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """Why a bidder took the place of another one, in words."""

    method: ClassVar[str] = f"{_BIDDERS}/LinkBidders"
    names: ClassVar[tuple[str, ...]] = ("kind",)

    async def find(self, _: Connection, request: Any, _officer: Caller) -> dict[str, Fact]:
        """Returns the facts; raises PREDECESSOR_KIND_INVALID."""
        return {"kind": _KINDS[read_link_request(request).link.kind]}


async def _find_import(connection: Connection, import_id: str, officer: Caller) -> RosterImport | None:
    known: UUID | None = find_uuid(import_id)
    found = None if known is None else await commits.find_import(connection, known)
    if found is not None:
        require_acts_for(officer, found.responsible_agency)
    return found


ACT_FACTS = (ImportFacts(), CancellationFacts(), LinkFacts())
