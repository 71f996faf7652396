"""Officers' decisions on roster lines whose bidder is ambiguous (QUA-12)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from instance_profile.characters import shorten_visible
from refusals import Code, Refusal

# Row numbers in a refusal; it travels in headers, which are small.
_MOST_ROWS = 20
_MOST_BIDDER_ID_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Decision:
    """The bidder of an undecided row; `bidder_id` is empty for a new bidder."""

    row: int
    bidder_id: str


@dataclass(frozen=True, slots=True)
class Answers:
    """What an officer answers to a preview: decisions, whether the suggestion counts for the other undecided rows, and
    the reasons of the questions about the file that are confirmed.
    """

    decisions: Sequence[Decision]
    accept_suggestions: bool
    confirmed: Sequence[str]


NO_ANSWERS = Answers((), accept_suggestions=False, confirmed=())


def decide_bidders(
    suggestions: Mapping[int, str | None], decisions: Sequence[Decision], *, accept_suggestions: bool
) -> dict[int, str]:
    """Returns the bidder id of each undecided row, empty for a new bidder.

    `suggestions` has the suggested bidder of every undecided row, None where a row needs a decision of its own; a
    decision takes precedence over it. Raises ROSTER_ROWS_UNDECIDED, ROSTER_ROW_NOT_UNDECIDED,
    ROSTER_BIDDER_DECIDED_TWICE.
    """
    bidder_ids: dict[int, str] = {}
    if accept_suggestions:
        bidder_ids |= {row: suggested for row, suggested in suggestions.items() if suggested is not None}
    decided_rows: set[int] = set()
    for decision in decisions:
        if decision.row not in suggestions or decision.row in decided_rows:
            raise Refusal("ROSTER_ROW_NOT_UNDECIDED", Code.INVALID_ARGUMENT, {"row": str(decision.row)})
        decided_rows.add(decision.row)
        bidder_ids[decision.row] = decision.bidder_id
    if missing := [row for row in suggestions if row not in bidder_ids]:
        rows = ", ".join(map(str, missing[:_MOST_ROWS])) + (" …" if len(missing) > _MOST_ROWS else "")
        raise Refusal("ROSTER_ROWS_UNDECIDED", Code.FAILED_PRECONDITION, {"rows": rows, "count": str(len(missing))})
    first_row: dict[str, int] = {}
    for row, bidder_id in bidder_ids.items():
        if bidder_id and first_row.setdefault(bidder_id, row) != row:
            raise decided_twice(bidder_id, row)
    return bidder_ids


def decided_twice(bidder_id: str, row: int) -> Refusal:
    """Returns the refusal of a second line for one bidder, for the caller to raise."""
    metadata = {"bidder_id": shorten_visible(bidder_id, _MOST_BIDDER_ID_CHARACTERS), "row": str(row)}
    return Refusal("ROSTER_BIDDER_DECIDED_TWICE", Code.INVALID_ARGUMENT, metadata)
