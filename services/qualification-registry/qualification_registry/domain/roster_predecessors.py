"""What the rows of a roster say of predecessors: by what word, and whether it can be so (QUA-10, QUA-12)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import NamedTuple

from instance_profile.characters import shorten_visible
from instance_profile.roster_mapping import Predecessor
from qualification_registry.domain.predecessor import LinkFault, find_link_fault
from qualification_registry.domain.roster_cells import NULL, CellError

# Of an unknown word in an error.
_MOST_WORD_CHARACTERS = 40


class Succession(NamedTuple):
    """That a row's bidder took the place of another one."""

    row: int
    bidder_id: str
    predecessor: str


class SuccessionFault(NamedTuple):
    """Why a row can't be so: a reason, and the metadata of its words."""

    row: int
    reason: str
    metadata: Mapping[str, str]


def convert_kinds(mapping: Predecessor, columns: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yields why each row's bidder took another one's place; NULL where it took none, empty for an unknown word."""
    words = columns[mapping.kind_column] if mapping.kind_column else repeat("")
    for predecessor, word in zip(columns[mapping.bidder_id], words, strict=False):
        if not predecessor.strip():
            yield NULL
        elif mapping.kind is not None:
            yield mapping.kind
        else:
            yield mapping.kinds.get(word.strip(), "")


def find_kind_error(cell: str) -> CellError:
    """Returns the error of a cell that says in no known word why a bidder took another one's place."""
    if not cell.strip():
        return "FIELD_REQUIRED", {}
    return "ROSTER_PREDECESSOR_KIND_UNKNOWN", {"kind": shorten_visible(cell.strip(), _MOST_WORD_CHARACTERS)}


def find_faults(
    successions: Iterable[Succession], successors: Mapping[str, str], is_bidder: Callable[[str], bool]
) -> Iterator[SuccessionFault]:
    """Yields what is wrong with the successions of a file beside those that stand, and beside each other.

    `successors` are those of the category.
    """
    links = dict(successors)
    rows: dict[str, int] = {}
    for row, bidder_id, predecessor in successions:
        fault = find_link_fault(links, bidder_id, predecessor)
        if fault is LinkFault.LINKED and predecessor in rows:
            yield SuccessionFault(row, "ROSTER_PREDECESSOR_TWICE", {"first_row": str(rows[predecessor])})
        elif fault is not None:
            yield SuccessionFault(row, _find_reason(fault), {})
        elif not is_bidder(predecessor):
            yield SuccessionFault(row, "ROSTER_PREDECESSOR_UNKNOWN", {})
        elif predecessor not in links:
            links[predecessor] = bidder_id
            rows[predecessor] = row


def _find_reason(fault: LinkFault) -> str:
    match fault:
        case LinkFault.SAME:
            return "ROSTER_PREDECESSOR_SAME"
        case LinkFault.LINKED:
            return "ROSTER_PREDECESSOR_LINKED"
        case LinkFault.CIRCULAR:
            return "ROSTER_PREDECESSOR_CIRCULAR"
