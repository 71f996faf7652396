"""What the rows of a roster say of the review of company data: by what word (QUA-08, QUA-12)."""

from collections.abc import Iterator, Sequence

from instance_profile.characters import shorten_visible
from instance_profile.roster_mapping import Review
from qualification_registry.domain.review import UNDER_REVIEW
from qualification_registry.domain.roster_cells import NULL, CellError

# Of an unknown word in an error.
_MOST_WORD_CHARACTERS = 40


def convert_reviews(mapping: Review, cells: Sequence[str]) -> Iterator[str]:
    """Yields of each row that it is under review, NULL where it is not, and empty for an unknown word."""
    words = dict.fromkeys(mapping.under_review, UNDER_REVIEW) | dict.fromkeys(("", *mapping.done), NULL)
    for cell in cells:
        yield words.get(cell.strip(), "")


def find_review_error(cell: str) -> CellError:
    """Returns the error of a cell that says in no known word whether company data are under review."""
    return "ROSTER_REVIEW_UNKNOWN", {"word": shorten_visible(cell.strip(), _MOST_WORD_CHARACTERS)}
