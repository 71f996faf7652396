"""A roster file, read as the preview reads it."""

from dataclasses import dataclass, field

from qualification_registry.domain.roster_errors import RosterErrors
from qualification_registry.domain.roster_file import RosterFile
from qualification_registry.domain.roster_lines import LineReader, Lines
from tests.support.services.qualification_registry import WITH_IDS, roster_profile

PROFILE = roster_profile()


@dataclass(slots=True)
class Found:
    """What a file holds."""

    errors: RosterErrors
    lines: list[Lines] = field(default_factory=list)
    rows: int = 0


def read(content: bytes, mapping_name: str = WITH_IDS) -> Found:
    """Reads a file by one of the example mappings. Raises Refusal."""
    mapping = PROFILE.mapping(mapping_name)
    found = Found(RosterErrors())
    file = RosterFile(content, mapping.encoding, found.errors)
    reader = LineReader(mapping, PROFILE.agencies, PROFILE.bidder_id, file.header, found.errors, grade_kinds=7)
    for block in file.blocks():
        found.lines.append(reader.read(block))
    found.rows = file.rows
    return found
