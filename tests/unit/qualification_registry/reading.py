"""Reads a roster file as the preview does."""

from dataclasses import dataclass, field

from instance_profile.roster_mapping import RosterMapping
from qualification_registry.domain.roster_content import RosterContent
from qualification_registry.domain.roster_errors import RosterErrors
from qualification_registry.domain.roster_lines import LINE_FIELDS, LineReader, Lines
from qualification_registry.domain.roster_source import open_roster
from tests.support.services.example_rosters import roster_profile
from tests.support.services.roster_officer import WITH_IDS

PROFILE = roster_profile()


@dataclass(slots=True)
class FileContent:
    """The errors, lines and number of rows of a file."""

    errors: RosterErrors
    lines: list[Lines] = field(default_factory=list)
    rows: int = 0

    @property
    def values(self) -> list[dict[str, str]]:
        """The values of all lines, by field; the bidder id is `key`."""
        keyed = (
            (key, line.split("\t")) for block in self.lines for key, line in zip(block.keys, block.lines, strict=True)
        )
        return [{"key": key, **dict(zip(LINE_FIELDS, values, strict=True))} for key, values in keyed]

    @property
    def reported(self) -> list[tuple[int, str, str]]:
        """The first errors: row, column and reason."""
        return [(error.row, error.column, error.reason) for error in self.errors.first]


def read(content: bytes, mapping: str | RosterMapping = WITH_IDS) -> FileContent:
    """Reads a file by a mapping, or by one of the example mappings. Raises Refusal."""
    if isinstance(mapping, str):
        mapping = PROFILE.mapping(mapping)
    result = FileContent(RosterErrors())
    file = open_roster(RosterContent.of(content), mapping, result.errors)
    reader = LineReader(mapping, PROFILE.agencies, PROFILE.bidder_id, file.header, result.errors, grade_kinds=7)
    for block in file.read_blocks():
        result.lines.append(reader.read(block))
    result.rows = file.rows
    return result
