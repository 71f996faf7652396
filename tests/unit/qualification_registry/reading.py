"""Reads a roster file as the preview does."""

from dataclasses import dataclass, field

from qualification_registry.domain.roster_errors import RosterErrors
from qualification_registry.domain.roster_lines import LineReader, Lines
from qualification_registry.domain.roster_source import open_roster
from tests.support.services.qualification_registry import WITH_IDS, roster_profile

PROFILE = roster_profile()


@dataclass(slots=True)
class FileContent:
    """The errors, lines and number of rows of a file."""

    errors: RosterErrors
    lines: list[Lines] = field(default_factory=list)
    rows: int = 0


def read(content: bytes, mapping_name: str = WITH_IDS) -> FileContent:
    """Reads a file by one of the example mappings. Raises Refusal."""
    mapping = PROFILE.mapping(mapping_name)
    result = FileContent(RosterErrors())
    file = open_roster(content, mapping, result.errors)
    reader = LineReader(mapping, PROFILE.agencies, PROFILE.bidder_id, file.header, result.errors, grade_kinds=7)
    for block in file.read_blocks():
        result.lines.append(reader.read(block))
    result.rows = file.rows
    return result
