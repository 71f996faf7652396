"""An import of a roster from upload to commit: what each step takes and returns (QUA-12)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from instance_profile.characters import shorten_visible
from instance_profile.model import Profile, RosterMapping
from qualification_registry.domain.roster_changes import LineKind
from qualification_registry.domain.roster_content import RosterContent
from qualification_registry.domain.roster_errors import RowError
from qualification_registry.domain.roster_identity import KnownBidder
from qualification_registry.domain.roster_lines import LINE_FIELDS
from qualification_registry.domain.roster_question import Question
from qualification_registry.domain.roster_term import Term
from refusals import Code, Refusal

# A preview can be committed for a day.
PREVIEW_LIFETIME = timedelta(days=1)
# A refusal travels in HTTP/2 headers, of which gRPC accepts 8 KiB.
_MOST_MAPPINGS_SHOWN = 10
_MOST_MAPPING_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class RosterHeader:
    """The first part of an upload: mapping, the file's name as the officer has it, and the list's term."""

    mapping: str
    file_name: str
    term: Term


@dataclass(frozen=True, slots=True)
class RosterUpload:
    """A file that was received completely, and its SHA-256. `file_name` is for the record."""

    mapping: RosterMapping
    file_name: str
    term: Term
    content: RosterContent = field(repr=False)
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of an import: its step ("receive", "read", "compare", "write") and how much of it is done.

    Counts bytes in "receive" and rows in the others; `total` is 0 where it is not known.
    """

    step: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportCounts:
    """The rows of an import, by what becomes of them. `changed` includes the changes that are counted apart.

    Where there are errors, `gone` is 0: an unread line may name any bidder.
    """

    rows: int
    error_count: int = 0
    new: int = 0
    changed: int = 0
    # Bidders whose name, address or representative changes, and those of whom only grades change.
    identity_changed: int = 0
    grades_changed: int = 0
    unchanged: int = 0
    gone: int = 0

    @property
    def kinds(self) -> Mapping[LineKind, int]:
        """Returns how many lines are of each kind."""
        return {
            LineKind.NEW: self.new,
            LineKind.IDENTITY_CHANGED: self.identity_changed,
            LineKind.CHANGED: self.changed - self.identity_changed - self.grades_changed,
            LineKind.GRADES_CHANGED: self.grades_changed,
            LineKind.GONE: self.gone,
        }


@dataclass(frozen=True, slots=True)
class UndecidedRow:
    """A line that awaits an officer's decision: why, and the bidders that it may mean, the most alike first.

    `suggested_bidder_id` is empty for a new bidder, or where there is no suggestion.
    """

    row: int
    reason: str
    suggested_bidder_id: str
    alike: Sequence[KnownBidder]
    line: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What an import would do, with its first undecided lines and errors."""

    import_id: UUID
    roster: str
    term: Term
    counts: ImportCounts
    questions: Sequence[Question] = ()
    undecided: Sequence[UndecidedRow] = ()
    undecided_row_count: int = 0
    errors: Sequence[RowError] = ()
    same_as_current: bool = False


@dataclass(frozen=True, slots=True)
class CurrentList:
    """The list that counts in a term: the file and mapping that made it, and the agencies that the file names.

    All are empty where the term has no list yet.
    """

    rows: int = 0
    file_sha256: bytes = b""
    mapping_sha256: bytes = b""
    agencies: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRecord:
    """What is stored of a preview before its file is read. `base_version` is the version it is compared with.

    `responsible_agency` is an agency or the operator, as the mapping has it. `term` is the number of the term; None
    where it has no list yet.
    """

    import_id: UUID
    mapping: str
    roster: str
    category: str
    responsible_agency: str
    term: int | None
    term_from: date | None
    term_until: date | None
    base_version: int
    mapping_sha256: bytes
    file_name: str
    file_sha256: bytes
    same_as_current: bool
    ids_are_assigned: bool
    previewed_by: str
    previewed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterImport:
    """A stored import. `number` is its short key, `term_number` that of its term; None before the term's first list.

    `asked` has the reasons of the questions about its file. `result_version` is the version that the commit made or
    found current; None before the commit.
    """

    number: int
    import_id: UUID
    mapping: str
    roster: str
    category: str
    responsible_agency: str
    term_number: int | None
    term: Term
    base_version: int
    mapping_sha256: bytes
    file_name: str
    file_sha256: bytes
    same_as_current: bool
    ids_are_assigned: bool
    counts: ImportCounts
    asked: Sequence[str]
    previewed_at: datetime
    committed_at: datetime | None
    result_version: int | None


@dataclass(frozen=True, slots=True)
class CommitResult:
    """What an import did. `roster_version` counts from 1."""

    import_id: UUID
    roster_version: int
    new: int
    changed: int
    gone: int
    unchanged: int


def require_mapping(profile: Profile, name: str) -> RosterMapping:
    """Returns the mapping with this name; raises ROSTER_MAPPING_UNKNOWN."""
    try:
        return profile.mapping(name)
    except KeyError:
        shown = profile.roster_mappings[:_MOST_MAPPINGS_SHOWN]
        metadata = {
            "mapping": shorten_visible(name, _MOST_MAPPING_CHARACTERS),
            "mappings_ja": "、".join(f"{mapping.name}（{mapping.title.ja}）" for mapping in shown) or "なし",
            "mappings_en": ", ".join(f"{mapping.name} ({mapping.title.en})" for mapping in shown) or "none",
        }
        raise Refusal("ROSTER_MAPPING_UNKNOWN", Code.NOT_FOUND, metadata) from None


def hash_mapping(profile: Profile, mapping: RosterMapping) -> bytes:
    """Returns the SHA-256 of all settings that turn a file into lines: with others the same file has other lines.

    The mapping is taken whole, also what only describes it, and so a preview is outdated when another agency becomes
    responsible.
    """
    content = {
        "fields": LINE_FIELDS,
        "mapping": mapping.model_dump(mode="json"),
        "bidder_id": profile.bidder_id.model_dump(mode="json"),
        "agencies": [[agency.code, agency.name.ja, agency.categories] for agency in profile.agencies],
    }
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True).encode()).digest()


def require_committable(roster_import: RosterImport, profile: Profile, now: datetime) -> None:
    """Raises the reason why a preview that was not committed yet cannot be committed now.

    ROSTER_PREVIEW_UNKNOWN (too old), ROSTER_HAS_ERRORS, ROSTER_PREVIEW_OUTDATED (the profile changed).
    """
    if roster_import.previewed_at + PREVIEW_LIFETIME <= now:
        raise preview_unknown()
    if roster_import.counts.error_count:
        count = str(roster_import.counts.error_count)
        raise Refusal("ROSTER_HAS_ERRORS", Code.FAILED_PRECONDITION, {"count": count})
    try:
        mapping = profile.mapping(roster_import.mapping)
    except KeyError:
        raise preview_outdated() from None
    if hash_mapping(profile, mapping) != roster_import.mapping_sha256:
        raise preview_outdated()


def preview_unknown() -> Refusal:
    """Returns the refusal of a preview that does not exist or is too old, for the caller to raise."""
    return Refusal("ROSTER_PREVIEW_UNKNOWN", Code.NOT_FOUND)


def require_uncommitted(roster_import: RosterImport) -> None:
    """Raises ROSTER_PREVIEW_COMMITTED where a preview was committed."""
    if roster_import.result_version is not None:
        metadata = {"roster": roster_import.roster, "version": str(roster_import.result_version)}
        raise Refusal("ROSTER_PREVIEW_COMMITTED", Code.FAILED_PRECONDITION, metadata)


def preview_outdated() -> Refusal:
    """Returns the refusal of a preview that no longer shows what a commit would do, for the caller to raise."""
    return Refusal("ROSTER_PREVIEW_OUTDATED", Code.ABORTED)
