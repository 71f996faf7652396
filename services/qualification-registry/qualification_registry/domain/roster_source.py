"""Opens a roster file, whatever kind of file it is, for the reading of its lines (QUA-12)."""

from instance_profile.model import RosterMapping
from qualification_registry.domain.roster_errors import RosterErrors
from qualification_registry.domain.roster_file import RosterFile, RosterSource
from qualification_registry.domain.roster_format import is_workbook
from qualification_registry.domain.roster_joining import JoinedRoster
from qualification_registry.domain.roster_workbook import RosterWorkbook


def open_roster(content: bytes, mapping: RosterMapping, errors: RosterErrors) -> RosterSource:
    """Returns the file for reading; what is wrong in single rows is added to `errors` while it is read.

    Raises ROSTER_FORMAT_WRONG, ROSTER_WORKBOOK_LOCKED, and what `RosterWorkbook` and `RosterFile` raise.
    """
    read = RosterWorkbook if is_workbook(content) else RosterFile
    source: RosterSource = read(content, mapping, errors)
    return JoinedRoster(source, mapping, mapping.joined_rows, errors) if mapping.joined_rows else source
