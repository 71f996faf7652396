"""Opens a roster file, whatever kind of file it is, for the reading of its lines (QUA-12)."""

from instance_profile.model import RosterMapping
from qualification_registry.domain.roster_content import RosterContent
from qualification_registry.domain.roster_errors import RosterErrors
from qualification_registry.domain.roster_file import RosterFile, RosterSource
from qualification_registry.domain.roster_format import is_workbook
from qualification_registry.domain.roster_joining import JoinedRoster
from qualification_registry.domain.roster_workbook import RosterWorkbook


def open_roster(content: RosterContent, mapping: RosterMapping, errors: RosterErrors) -> RosterSource:
    """Returns the file for reading; what is wrong in single rows is added to `errors` while it is read.

    Of a text, no more than its header has to be there yet; a workbook is read from its end.

    Raises ROSTER_FORMAT_WRONG, ROSTER_WORKBOOK_LOCKED, and what `RosterWorkbook` and `RosterFile` raise.
    """
    source: RosterSource
    if is_workbook(content):
        source = RosterWorkbook(content.read_all(), mapping, errors)
    else:
        source = RosterFile(content, mapping, errors)
    return JoinedRoster(source, mapping, mapping.joined_rows, errors) if mapping.joined_rows else source
